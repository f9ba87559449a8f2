"""TDSM on given features, with the interface of the baselines, so that one table can compare them."""

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
    """Train a denoiser on the seen classes. Returns a function from test features and the texts of candidate labels to scores, the negated errors.

    ``labels`` are row indices of ``text``. Unlike the other baselines, TDSM also reads the tokens of the texts. Only the ``diffusion``, ``model`` and ``train``
    parts of ``config`` are used.
    """
    matcher, _ = fit_matcher(Examples(z_x[:, None], labels, text), config, seed=seed)
    matcher.cpu()
    return lambda test_z_x, candidates: -matcher.errors(test_z_x[:, None], matcher.encode_text(candidates))
