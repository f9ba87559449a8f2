"""The matcher: finds which of K labels denoises a skeleton feature best (paper, sections 3.4 and 3.5).

It holds the denoiser and everything else that its answer depends on: the scale of the features and the S fixed test noises. These are buffers, so they
are saved with the weights, and a reloaded matcher gives bit-identical results.
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
    """TDSM on features. :meth:`forward` computes the training losses, :meth:`errors` the scores.

    Args:
        features: C, channels of z_x.
        skeleton_tokens: M_x, tokens of z_x (1 for the pooled feature).
        text_channels, text_tokens: channels and tokens of z_l.
        model, diffusion: settings.
        seed: seed of the initial weights and of the test noises.

    Attributes:
        loss: function (e_p, e_n, same) -> named losses; :func:`tdsm.diffusion.tdsm_loss` unless replaced.
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
        meta = torch.get_default_device().type == "meta"  # only sizes are needed; random numbers on meta would load torch's compiler (seconds)
        noise = torch.empty(shape) if meta else torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1))
        alpha_bar = torch.empty(diffusion.timesteps) if meta else alphas_cumprod(diffusion.timesteps, diffusion.schedule)
        self.register_buffer("test_noise", noise)
        self.register_buffer("alpha_bar", alpha_bar)
        self.register_buffer("center", torch.zeros(features))
        self.register_buffer("scale", torch.ones(()))

    def fit_scale(self, z_x: Float[Tensor, "clip token channel"]) -> None:
        """Fit the centre and scale of features to the seen training clips: mean 0 per channel, mean square 1 over all channels.

        One factor scales all channels, so their proportions are kept. The noise of the schedule, which has variance 1, then has the same strength
        relative to the features of every encoder. The paper's release does not scale features: do not call this to reproduce it.
        """
        self.center.copy_(z_x.mean(dim=(0, 1)))
        self.scale.copy_((z_x - self.center).square().mean().sqrt())

    def normalise(self, z_x: Float[Tensor, "clip token channel"]) -> Float[Tensor, "clip token channel"]:
        """Centred and scaled features, the input of the denoiser."""
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
        """Named losses of one batch, as returned by :attr:`loss`. The correct and the wrong prompt share z_x, t and noise.

        With several processes, the arguments are the rows of this process, and the losses are those of all rows (:mod:`tdsm.util.processes`).
        """
        z_x = self.normalise(z_x)
        z_xt = add_noise(z_x, noise, t, self.alpha_bar)
        target = diffusion_target(self.diffusion.target, z_x, noise, t, self.alpha_bar)
        used, labels = torch.stack((positive, negative)).unique(return_inverse=True)  # encode only the texts of this batch
        read = text if len(used) == len(text) else text.select(used)
        prediction = self.denoiser(z_xt, t, labels, read.z_g, read.z_l, read.mask)
        e_p, e_n = sample_errors(prediction, target)
        alike = F.cosine_similarity(text.z_g[positive], text.z_g[negative], dim=-1) > self.diffusion.near
        return self.loss(joined(e_p), joined(e_n), joined((positive == negative) | alike))

    @torch.no_grad()
    def encode_text(self, text: TextFeatures) -> TextStream:
        """Encode K labels for :meth:`errors`, at t_test. The result can be kept and used for any number of clips."""
        return self.denoiser.encode_text(text.z_g, text.z_l, text.mask, self.diffusion.test_step)

    def errors(self, z_x: Float[Tensor, "clip token channel"], text: TextStream, rows: int | None = None) -> Float[Tensor, "clip label"]:
        """Denoising error of each clip under each label at t_test, averaged over the S test noises. The label with the smallest error is the answer.

        Args:
            z_x: features of B clips, (B, M_x, C).
            text: K labels, from :meth:`encode_text`.
            rows: (clip, noise, label) triples per forward pass. This limits memory and does not change the result. None: as many as fit in a few MB.

        Returns:
            Errors (B, K).
        """
        return self.noise_errors(z_x, text, rows).mean(dim=2)

    @torch.no_grad()
    def noise_errors(self, z_x: Float[Tensor, "clip token channel"], text: TextStream, rows: int | None = None) -> Float[Tensor, "clip label noise"]:
        """:meth:`errors` for each of the S test noises separately, to study how much the answer depends on the noise."""

        def measure(z_xt: Tensor, target: Tensor, part: TextStream) -> Tensor:
            return sample_errors(self.denoiser.denoise(z_xt, None, part), target)

        return self._under(z_x, text, rows, measure)

    @torch.no_grad()
    def fused(self, z_x: Float[Tensor, "clip token channel"], text: TextStream, rows: int | None = None) -> Float[Tensor, "clip label width"]:
        """Last hidden skeleton token of each clip under each label at t_test, averaged over noises and tokens: (B, K, D)."""

        def measure(z_xt: Tensor, _: Tensor, part: TextStream) -> Tensor:
            return self.denoiser.hidden(z_xt, None, part)[0].mean(dim=2)

        return self._under(z_x, text, rows, measure).mean(dim=2)

    def _under(self, z_x: Tensor, text: TextStream, rows: int | None, measure: Callable[[Tensor, Tensor, TextStream], Tensor]) -> Tensor:
        """Apply ``measure(z_xt, target, labels)`` to every clip, noise and label, in blocks of clips and labels: (clip, label, noise, ...)."""
        noises, text = len(self.test_noise), self.denoiser.at(text, self.diffusion.test_step)
        rows = rows or self.denoiser.rows_at_once(self.test_noise.shape[1])
        clips = max(1, min(len(z_x), rows // noises))  # as many clips as possible: they share the cost of a label's words
        labels = max(1, rows // (noises * clips))
        z_x = self.normalise(z_x)
        columns = []
        for part in (text.select(slice(start, start + labels)) for start in range(0, len(text), labels)):
            measured = (measure(*self._noisy(chunk), part).unflatten(1, (len(chunk), noises)).transpose(0, 1) for chunk in z_x.split(clips))
            columns.append(torch.cat(list(measured)))
        return torch.cat(columns, dim=1)

    def _noisy(self, z_x: Tensor) -> tuple[Tensor, Tensor]:
        """Features with each test noise added: z_xt (1, B * S, M_x, C) and the target (B * S, M_x, C)."""
        clean = z_x.repeat_interleave(len(self.test_noise), dim=0)
        noise = self.test_noise.repeat(len(z_x), 1, 1)
        t = torch.full((len(clean),), self.diffusion.test_step, device=z_x.device)
        return add_noise(clean, noise, t, self.alpha_bar)[None], diffusion_target(self.diffusion.target, clean, noise, t, self.alpha_bar)
