"""Diffusion: the forward process, which defines how much of z_x remains at each timestep, and the two losses of TDSM.

The betas are those of Stable Diffusion 2.1 ("scaled linear": evenly spaced in the square root from 0.00085 to 0.012), over T = 50 steps instead of
1000. The noise is therefore mild: alpha-bar is still 0.76 at the last step, so the feature is blurred but never destroyed, and the text supplies the
correction (paper, section 3.2).

The two losses are functions of per-sample errors (paper, section 3.4). e_p is the error of the denoiser under the correct prompt and e_n the error
under another prompt, with the same z_x, noise and timestep. L_diff minimises e_p; the triplet loss makes e_n exceed e_p by a margin.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Loss", "add_noise", "alphas_cumprod", "diffusion_target", "sample_errors", "tdsm_loss", "triplet_diffusion_loss"]

Loss = Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]]
"""A loss: maps (e_p, e_n, same), each of shape (B,), to named losses; training minimises "loss"."""


def alphas_cumprod(timesteps: int, schedule: str = "mild") -> Float[Tensor, " time"]:
    """alpha-bar_t for t = 0 ... T-1, where T is ``timesteps``: shape (T,).

    "mild" is the paper's schedule. "cosine" ends in pure noise: alpha-bar is cos² over a quarter period, so at late steps only the text gives
    information about the feature.

    Example:
        >>> alphas_cumprod(50)[[0, 49]]  # mild: 0.76 at the last step
        tensor([0.9991, 0.7...])
    """
    if schedule == "cosine":
        return torch.cos((torch.arange(timesteps) + 0.5) / timesteps * torch.pi / 2).square().clamp(1e-4, 0.9999)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, timesteps, dtype=torch.float32) ** 2
    return torch.cumprod(1.0 - betas, dim=0)


def _signal_and_noise(alpha_bar: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    alpha_bar = alpha_bar.reshape(alpha_bar.shape + (1,) * (like.ndim - alpha_bar.ndim)).to(like)
    return alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt()


def add_noise(
    z_x: Float[Tensor, "batch token width"], noise: Float[Tensor, "batch token width"], t: Int[Tensor, " batch"], alpha_bar: Float[Tensor, " time"]
) -> Float[Tensor, "batch token width"]:
    """z_{x,t} = sqrt(alpha-bar_t) z_x + sqrt(1 - alpha-bar_t) noise (paper, equation 1).

    Example:
        >>> z_x, noise = torch.ones(2, 1, 3), torch.zeros(2, 1, 3)
        >>> add_noise(z_x, noise, torch.tensor([0, 1]), torch.tensor([1.0, 0.25]))[:, 0, 0]
        tensor([1.0000, 0.5000])
    """
    signal, blur = _signal_and_noise(alpha_bar[t], z_x)
    return signal * z_x + blur * noise


def diffusion_target(
    target: str, z_x: Float[Tensor, "batch token width"], noise: Float[Tensor, "batch token width"], t: Int[Tensor, " batch"], alpha_bar: Float[Tensor, " time"]
) -> Float[Tensor, "batch token width"]:
    """The tensor that the denoiser is trained to predict: the noise ("epsilon"), z_x ("sample"), or sqrt(a) noise - sqrt(1 - a) z_x ("v_prediction").

    Raises:
        ValueError: an unknown ``target``.

    Example:
        >>> z_x, noise = torch.ones(1, 1, 3), torch.zeros(1, 1, 3)
        >>> diffusion_target("sample", z_x, noise, torch.tensor([0]), alphas_cumprod(50))
        tensor([[[1., 1., 1.]]])
    """
    if target == "epsilon":
        return noise
    if target == "sample":
        return z_x
    if target == "v_prediction":
        signal, blur = _signal_and_noise(alpha_bar[t], z_x)
        return signal * noise - blur * z_x
    raise ValueError(f"target {target!r} is none of epsilon, sample, v_prediction")


def sample_errors(prediction: Float[Tensor, "*#batch token width"], target: Float[Tensor, "*#batch token width"]) -> Float[Tensor, "*#batch"]:
    """Mean squared error of each sample over tokens and channels. The mean over samples with the correct prompt is L_diff.

    Example:
        >>> sample_errors(torch.zeros(2, 1, 4), torch.full((2, 1, 4), 2.0))
        tensor([4., 4.])
    """
    return (prediction.float() - target.float()).square().mean(dim=(-2, -1))


def triplet_diffusion_loss(
    positive: Float[Tensor, " batch"], negative: Float[Tensor, " batch"], same: Bool[Tensor, " batch"], margin: float
) -> Float[Tensor, ""]:
    """L_TD = mean of max(e_p - e_n + margin, 0). A sample counts as 0 where ``same`` is True.

    Example:
        >>> right, wrong = torch.tensor([0.25, 0.25]), torch.tensor([0.5, 2.0])
        >>> triplet_diffusion_loss(right, wrong, same=torch.tensor([False, False]), margin=1.0)  # (0.75 + 0) / 2
        tensor(0.3750)
    """
    return torch.where(same, 0.0, (positive - negative + margin).clamp(min=0)).mean()


def tdsm_loss(
    positive: Float[Tensor, " batch"], negative: Float[Tensor, " batch"], same: Bool[Tensor, " batch"], *, weight: float = 1.0, margin: float = 1.0
) -> dict[str, Tensor]:
    """L = L_diff + weight * L_TD of a batch, and both terms by name.

    Args:
        positive, negative: e_p and e_n, each of shape (B,).
        same: True where the negative prompt is the correct one or has nearly the same meaning.
        weight, margin: lambda and tau.
    """
    diffusion, triplet = positive.mean(), triplet_diffusion_loss(positive, negative, same, margin)
    return {"loss": diffusion + weight * triplet, "diffusion": diffusion, "triplet": triplet}
