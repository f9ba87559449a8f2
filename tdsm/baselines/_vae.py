"""What the variational baselines share: Gaussian posteriors, their divergence from N(0, I), and classification in the latent space."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.baselines._fit import mlp

__all__ = ["Vae", "cycle", "discriminant", "divergence", "sample"]


class Vae(nn.Module):
    """Encoder to a diagonal Gaussian, and a decoder; ``hidden`` are the widths of hidden layers, none for linear maps."""

    def __init__(self, inputs: int, latent: int, hidden: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(inputs, *hidden, 2 * latent), mlp(latent, *reversed(hidden), inputs)

    def forward(self, values: Float[Tensor, "clip input"]) -> tuple[Float[Tensor, "clip latent"], Float[Tensor, "clip latent"]]:
        """Mean and log variance of the posterior; the second is kept within -10 and 5, for large steps would overflow it while nothing yet holds it."""
        mean, log_variance = self.encoder(values).chunk(2, dim=1)
        return mean, log_variance.clamp(-10.0, 5.0)


def sample(mean: Float[Tensor, "clip latent"], log_variance: Float[Tensor, "clip latent"]) -> Float[Tensor, "clip latent"]:
    """A draw from the posterior, differentiable (the reparameterisation trick)."""
    return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)


def divergence(mean: Float[Tensor, "clip latent"], log_variance: Float[Tensor, "clip latent"]) -> Float[Tensor, ""]:
    """KL(N(mean, variance) || N(0, I)), summed over dimensions, mean over clips."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()


def cycle(done: float, cycles: int) -> tuple[float, float, float]:
    """SynSE's schedule, which SA-DVAE took over: weights of the feature's divergence, of the texts' divergence, and of cross-reconstruction.

    A cycle is 1,700 steps there: reconstruction alone; from step 1,000 the feature's divergence with a weight that grows by 0.1 in 3,000 steps; from
    1,400 cross-reconstruction, and, after the first cycle, the texts' divergence. Here a cycle is as long as the share of the steps that it gets.
    """
    number, place = divmod(done * cycles, 1.0)
    step = 1700 * place
    of_text = 0.1 * max(step - 1400, 0.0) / 3000 if number > 0 else 0.0
    return 0.1 * max(step - 1000, 0.0) / 3000, of_text, float(step > 1400)


def discriminant(
    test: Float[Tensor, "test latent"], centres: Float[Tensor, "label latent"], seen_log_variance: Float[Tensor, "seen latent"]
) -> Float[Tensor, "test label"]:
    """Log density of each clip's latent mean under each label's Gaussian, up to a constant, with the seen texts' mean variance for all labels.

    The papers draw latents of the candidates' texts and train a linear softmax classifier on them. For Gaussians of one covariance this is what such a
    classifier tends to, without a draw, and a label's score does not depend on the other candidates.
    """
    width = seen_log_variance.exp().mean(dim=0).sqrt()
    return -0.5 * torch.cdist(test / width, centres / width, compute_mode="donot_use_mm_for_euclid_dist").square()
