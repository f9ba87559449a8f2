"""Code shared by the variational baselines: Gaussian posteriors, their divergence from N(0, I), and classification in the latent space."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.baselines._fit import mlp

__all__ = ["Vae", "cycle", "discriminant", "divergence", "sample"]


class Vae(nn.Module):
    """Encoder to a diagonal Gaussian, and a decoder. ``hidden`` are the widths of the hidden layers; without hidden layers both are linear."""

    def __init__(self, inputs: int, latent: int, hidden: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(inputs, *hidden, 2 * latent), mlp(latent, *reversed(hidden), inputs)

    def forward(self, values: Float[Tensor, "clip input"]) -> tuple[Float[Tensor, "clip latent"], Float[Tensor, "clip latent"]]:
        """Mean and log variance of the posterior. The log variance is clamped to [-10, 5], because large early steps would make it overflow."""
        mean, log_variance = self.encoder(values).chunk(2, dim=1)
        return mean, log_variance.clamp(-10.0, 5.0)


def sample(mean: Float[Tensor, "clip latent"], log_variance: Float[Tensor, "clip latent"]) -> Float[Tensor, "clip latent"]:
    """A differentiable sample from the posterior (the reparameterisation trick)."""
    return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)


def divergence(mean: Float[Tensor, "clip latent"], log_variance: Float[Tensor, "clip latent"]) -> Float[Tensor, ""]:
    """KL(N(mean, variance) || N(0, I)), summed over dimensions, mean over clips."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()


def cycle(done: float, cycles: int) -> tuple[float, float, float]:
    """The schedule of SynSE, also used by SA-DVAE: weights of the feature's divergence, of the texts' divergence, and of cross-reconstruction.

    In the release a cycle has 1,700 steps. It begins with reconstruction alone. From step 1,000 the feature's divergence is added, with a weight that grows by
    0.1 in 3,000 steps. From step 1,400 cross-reconstruction is added and, after the first cycle, the texts' divergence. Here all steps are divided evenly
    among the cycles, and the steps above are scaled to the length of a cycle.

    Args:
        done: share of the training steps that are finished, 0 to 1.
        cycles: number of cycles.
    """
    number, place = divmod(done * cycles, 1.0)
    step = 1700 * place
    of_text = 0.1 * max(step - 1400, 0.0) / 3000 if number > 0 else 0.0
    return 0.1 * max(step - 1000, 0.0) / 3000, of_text, float(step > 1400)


def discriminant(
    test: Float[Tensor, "test latent"], centres: Float[Tensor, "label latent"], seen_log_variance: Float[Tensor, "seen latent"]
) -> Float[Tensor, "test label"]:
    """Log density of each clip's latent mean under the Gaussian of each label, up to a constant; all labels share the mean variance of the seen texts.

    The papers sample latents of the candidates' texts and train a linear softmax classifier on them. For Gaussians with a shared covariance, such a classifier
    converges to this log density. Computing it directly needs no sampling, and the score of a label does not depend on the other candidates.
    """
    width = seen_log_variance.exp().mean(dim=0).sqrt()
    return -0.5 * torch.cdist(test / width, centres / width, compute_mode="donot_use_mm_for_euclid_dist").square()
