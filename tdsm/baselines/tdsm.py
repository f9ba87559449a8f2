"""TDSM itself on given features, so that it can stand in one table with the others."""

from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor

from tdsm.config import Config
from tdsm.loop import train_matcher
from tdsm.recognizer import new_matcher
from tdsm.text import TextFeatures

__all__ = ["fit_tdsm"]


def fit_tdsm(
    z_x: Float[Tensor, "clip channel"], y: Int[Tensor, " clip"], text: TextFeatures, config: Config, *, seed: int = 0
) -> Callable[[Float[Tensor, "test channel"], TextFeatures], Float[Tensor, "test label"]]:
    """TDSM on given features, in the form of :mod:`tdsm.baselines`: train on the seen classes, return a function from test features and the texts of
    candidate labels to similarities (minus the errors).

    Args:
        z_x: features of the training clips.
        y: index of each clip's class in ``text``.
        text: the seen classes; unlike the baselines TDSM reads their tokens too.
        config: its diffusion, model and train parts.
        seed: of weights, batches and noise.
    """
    pooled = z_x[:, None]
    matcher = new_matcher(pooled, text, config, seed)
    if config.diffusion.scale_features:
        matcher.fit_scale(pooled)
    matcher.keep_reference(pooled, seed)
    train_matcher(matcher, pooled, y, text, config.train, seed=seed)
    matcher.cpu()

    def score(test_z_x: Tensor, candidates: TextFeatures) -> Tensor:
        stream = matcher.encode_text(candidates)
        return matcher.bias(stream) - matcher.errors(test_z_x[:, None], stream)

    return score
