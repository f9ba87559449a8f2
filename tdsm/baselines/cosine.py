"""The plain cosine of an aligned backbone's z_x and z_g: what it answers without a denoiser."""

from tdsm.baselines._fit import Features, Labels, Score, Texts

__all__ = ["fit"]


def fit(z_x: Features, labels: Labels, text: Texts, *, seed: int = 0) -> Score:
    """Nothing is fitted: z_x and z_g lie in one space. Both have mean square 1 per channel, so that their mean product is the cosine."""
    return lambda test_z_x, candidates: test_z_x @ candidates.T / candidates.shape[1]
