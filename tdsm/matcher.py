"""The matcher: which of K labels denoises a skeleton feature best (paper, sections 3.4 and 3.5).

It holds the denoiser with all that its answer depends on: how features are scaled, and the S fixed test noises. They are buffers, so they
are saved with the weights, and a reloaded matcher gives the same bits.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from tdsm.config import DiffusionConfig, ModelConfig
from tdsm.diffusion import Loss, add_noise, alphas_cumprod, diffusion_target, sample_errors, tdsm_loss
from tdsm.model import CrossDiT, TextStream
from tdsm.text import TextFeatures
from tdsm.util.processes import joined

__all__ = ["Matcher"]


class Matcher(nn.Module):
    """TDSM on features: trained with :meth:`forward`, asked with :meth:`errors`.

    Args:
        features: C, channels of z_x.
        skeleton_tokens: M_x, tokens of z_x (1 for the pooled feature).
        text_channels, text_tokens: shape of z_l.
        model, diffusion: settings.
        seed: of the initial weights and of the test noises.

    Attributes:
        loss: (e_p, e_n, same) -> named losses, as :func:`tdsm.diffusion.tdsm_loss`, which it is unless replaced.
    """

    def __init__(
        self, features: int, skeleton_tokens: int, text_channels: int, text_tokens: int, model: ModelConfig, diffusion: DiffusionConfig, seed: int = 0
    ) -> None:
        super().__init__()
        self.diffusion = diffusion
        self.loss: Loss = partial(tdsm_loss, weight=diffusion.triplet_weight, margin=diffusion.margin)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.denoiser = CrossDiT(features, text_channels, text_tokens, model)
        shape = (diffusion.noises, skeleton_tokens, features)
        meta = torch.get_default_device().type == "meta"  # sizes alone are asked; drawing or computing would load torch's compiler, which takes seconds
        noise = torch.empty(shape) if meta else torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1))
        alpha_bar = torch.empty(diffusion.timesteps) if meta else alphas_cumprod(diffusion.timesteps, diffusion.schedule)
        self.register_buffer("test_noise", noise)
        self.register_buffer("alpha_bar", alpha_bar)
        self.register_buffer("center", torch.zeros(features))
        self.register_buffer("scale", torch.ones(()))

    def fit_scale(self, z_x: Float[Tensor, "clip token channel"]) -> None:
        """Centre and scale features by those of the seen training clips: mean 0 a channel, mean square 1 over all channels.

        One number scales all channels, so that their proportions stay; the schedule's noise, which has variance 1, then means the same
        for every encoder. The paper's release leaves features as they are: do not call this to match it.
        """
        self.center.copy_(z_x.mean(dim=(0, 1)))
        self.scale.copy_((z_x - self.center).square().mean().sqrt())

    def normalise(self, z_x: Float[Tensor, "clip token channel"]) -> Float[Tensor, "clip token channel"]:
        """Features as the denoiser sees them."""
        return (z_x - self.center) / self.scale

    def forward(
        self,
        z_x: Float[Tensor, "batch token channel"],
        positive: Int[Tensor, " batch"],
        negative: Int[Tensor, " batch"],
        t: Int[Tensor, " batch"],
        noise: Float[Tensor, "batch token channel"],
        text: TextFeatures,
    ) -> dict[str, Tensor]:
        """Named losses of one batch, those of :attr:`loss`. Right and wrong prompt share z_x, t and noise.

        In a training of several processes these are rows of one of them, and the losses those of all rows (:mod:`tdsm.util.processes`).
        """
        z_x = self.normalise(z_x)
        z_xt = add_noise(z_x, noise, t, self.alpha_bar)
        target = diffusion_target(self.diffusion.target, z_x, noise, t, self.alpha_bar)
        used, labels = torch.stack((positive, negative)).unique(return_inverse=True)  # only texts of this batch are read
        read = text.select(used)
        prediction = self.denoiser(z_xt, t, labels, read.z_g, read.z_l, read.mask)
        e_p, e_n = sample_errors(prediction, target)
        alike = F.cosine_similarity(text.z_g[positive], text.z_g[negative], dim=-1) > self.diffusion.near
        return self.loss(joined(e_p), joined(e_n), joined((positive == negative) | alike))

    @torch.no_grad()
    def encode_text(self, text: TextFeatures) -> TextStream:
        """What :meth:`errors` needs of K labels at t_test; worth keeping, since it serves any number of clips."""
        return self.denoiser.encode_text(text.z_g, text.z_l, text.mask, self.diffusion.test_step)

    def errors(self, z_x: Float[Tensor, "clip token channel"], text: TextStream, rows: int | None = None) -> Float[Tensor, "clip label"]:
        """Denoising error of each clip under each label at t_test, the mean over the S test noises; the smallest is the answer.

        Args:
            z_x: features of B clips.
            text: K labels, from :meth:`encode_text`.
            rows: how many (clip, noise, label) triples to run at once; it bounds memory and changes nothing else. None: as many as fit in a few MB.
        """
        return self.noise_errors(z_x, text, rows).mean(dim=2)

    @torch.no_grad()
    def noise_errors(self, z_x: Float[Tensor, "clip token channel"], text: TextStream, rows: int | None = None) -> Float[Tensor, "clip label noise"]:
        """:meth:`errors` under each of the S test noises alone, for studies of how much the answer depends on the noise."""

        def measure(z_xt: Tensor, target: Tensor, part: TextStream) -> Tensor:
            return sample_errors(self.denoiser.denoise(z_xt, None, part), target)

        return self._under(z_x, text, rows, measure)

    @torch.no_grad()
    def fused(self, z_x: Float[Tensor, "clip token channel"], text: TextStream, rows: int | None = None) -> Float[Tensor, "clip label width"]:
        """What the denoiser made of each clip under each label: its last hidden skeleton token at t_test, the mean over noises and tokens."""

        def measure(z_xt: Tensor, _: Tensor, part: TextStream) -> Tensor:
            return self.denoiser.hidden(z_xt, None, part)[0].mean(dim=2)

        return self._under(z_x, text, rows, measure).mean(dim=2)

    def _under(self, z_x: Tensor, text: TextStream, rows: int | None, measure: Callable[[Tensor, Tensor, TextStream], Tensor]) -> Tensor:
        """``measure(z_xt, target, labels)`` of every clip under every noise and label, some clips and labels at a time: (clip, label, noise, ...)."""
        noises, text = len(self.test_noise), self.denoiser.at(text, self.diffusion.test_step)
        rows = rows or self.denoiser.rows_at_once(self.test_noise.shape[1])
        clips = max(1, min(len(z_x), rows // noises))  # clips first: what the words of a label cost is then shared by most rows
        labels = max(1, rows // (noises * clips))
        z_x = self.normalise(z_x)
        columns = []
        for part in (text.select(slice(start, start + labels)) for start in range(0, len(text), labels)):
            measured = (measure(*self._noisy(chunk), part).unflatten(1, (len(chunk), noises)).transpose(0, 1) for chunk in z_x.split(clips))
            columns.append(torch.cat(list(measured)))
        return torch.cat(columns, dim=1)

    def _noisy(self, z_x: Tensor) -> tuple[Tensor, Tensor]:
        """Features under every test noise: z_xt (1, B * S, M_x, C), and the target (B * S, M_x, C)."""
        clean = z_x.repeat_interleave(len(self.test_noise), dim=0)
        noise = self.test_noise.repeat(len(z_x), 1, 1)
        t = torch.full((len(clean),), self.diffusion.test_step, device=z_x.device)
        return add_noise(clean, noise, t, self.alpha_bar)[None], diffusion_target(self.diffusion.target, clean, noise, t, self.alpha_bar)
