"""The plain cosine of z_x and z_g of an aligned backbone: its answer without a denoiser."""

from tdsm.baselines._fit import Features, Labels, Score, Texts

__all__ = ["fit"]


def fit(z_x: Features, labels: Labels, text: Texts, *, seed: int = 0) -> Score:
    """The cosine of z_x and z_g. Nothing is fitted, because both are in the same space. Both have mean square 1 per channel, so the mean of their product is
    the cosine."""
    return lambda test_z_x, candidates: test_z_x @ candidates.T / candidates.shape[1]
