"""The two losses of TDSM, as pure functions of per-sample errors (paper, section 3.4; METHOD: losses).

e_p is the error of the denoiser under the right prompt, e_n under another one, both with the same z_x, noise and timestep. L_diff pulls
e_p down; the triplet loss pushes e_n above it by a margin, so that denoising well means having been told the truth.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["sample_errors", "triplet_diffusion_loss"]


def sample_errors(prediction: Float[Tensor, "*batch token width"], target: Float[Tensor, "*batch token width"]) -> Float[Tensor, "*batch"]:
    """Mean squared error of each sample over tokens and channels. Its mean over right prompts is L_diff."""
    return (prediction.float() - target.float()).square().mean(dim=(-2, -1))


def triplet_diffusion_loss(
    positive: Float[Tensor, " batch"],
    negative: Float[Tensor, " batch"],
    same: Bool[Tensor, " batch"],
    margin: float,
) -> Float[Tensor, ""]:
    """L_TD = mean of max(e_p - e_n + margin, 0), counted 0 where the drawn negative is the right label itself."""
    return torch.where(same, 0.0, (positive - negative + margin).clamp(min=0)).mean()
