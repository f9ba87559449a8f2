"""TDSM itself on given features, in the form of the other baselines, so that it can be compared with them in one table."""

from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor

from tdsm.backbones.base import Examples
from tdsm.config import Config
from tdsm.text import TextFeatures
from tdsm.train import fit_matcher

__all__ = ["fit"]


def fit(
    z_x: Float[Tensor, "clip channel"], labels: Int[Tensor, " clip"], text: TextFeatures, config: Config, *, seed: int = 0
) -> Callable[[Float[Tensor, "test channel"], TextFeatures], Float[Tensor, "test label"]]:
    """Train a denoiser on the seen classes; returns a function from test features and the texts of candidate labels to scores, minus the errors.

    ``labels`` index ``text``; unlike the other baselines TDSM reads the texts' tokens too. Of ``config`` its diffusion, model and train parts count.
    """
    matcher, _ = fit_matcher(Examples(z_x[:, None], labels, text), config, seed=seed)
    matcher.cpu()
    return lambda test_z_x, candidates: -matcher.errors(test_z_x[:, None], matcher.encode_text(candidates))
