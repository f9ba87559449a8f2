"""The plain cosine of an aligned backbone's z_x and z_g: what it answers without a denoiser."""

from jaxtyping import Float, Int
from torch import Tensor

from tdsm.baselines._fit import Score

__all__ = ["fit"]


def fit(z_x: Float[Tensor, "clip channel"], labels: Int[Tensor, " clip"], text: Float[Tensor, "seen word"], *, seed: int = 0) -> Score:
    """Nothing is fitted: z_x and z_g lie in one space. Both have mean square 1 per channel, so that their mean product is the cosine.

    Args:
        z_x, labels, text, seed: not used; all baselines have them.
    """

    def score(test_z_x: Tensor, candidates: Tensor) -> Tensor:
        return test_z_x @ candidates.T / candidates.shape[1]

    return score
