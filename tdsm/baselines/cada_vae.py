"""CADA-VAE: Schönfeld et al., "Generalized Zero- and Few-Shot Learning via Aligned Variational Autoencoders", CVPR 2019, section 3.

A variational autoencoder of the feature and one of the text are aligned in two ways: each decodes the latent of the other (cross-alignment), and the
2-Wasserstein distance of their posteriors is minimised (distribution alignment). Reconstruction errors are summed L1 errors. The latent has 64 dimensions, the
batch 50 clips. The weights grow linearly and then stay constant: beta (divergence) to 0.25 in epochs 0 to 93 of 100, gamma (cross-alignment) to 2.37 in epochs
21 to 75, delta (distribution alignment) to 8.13 in epochs 6 to 22.

Different from the paper: hidden layers are 256 wide (1,450 and more there), and lr is 1e-3 (1.5e-4 there), because there are few steps. The classifier is
:func:`tdsm.baselines._vae.discriminant`.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.baselines._fit import Features, Labels, Score, Texts, prepare, seeded, train
from tdsm.baselines._vae import Vae, discriminant, divergence, sample

__all__ = ["fit"]


def fit(
    z_x: Features,
    labels: Labels,
    text: Texts,
    *,
    seed: int = 0,
    latent: int = 64,
    hidden: int = 256,
    beta: float = 0.25,
    gamma: float = 2.37,
    delta: float = 8.13,
    steps: int = 1000,
    batch: int = 50,
    lr: float = 1e-3,
) -> Score:
    """Train on the seen classes; ``labels`` are row indices of ``text``."""
    data = prepare(z_x, labels, text)
    with seeded(seed):
        visual, textual = Vae(data.x.shape[1], latent, (hidden,)), Vae(data.t.shape[1], latent, (hidden,))

        def loss(rows: Tensor, done: float) -> Tensor:
            x, t = data.x[rows], data.t[data.y[rows]]
            of_x, of_t = visual(x), textual(t)
            from_x, from_t = sample(*of_x), sample(*of_t)
            own = _l1(visual.decoder(from_x), x) + _l1(textual.decoder(from_t), t)
            cross = _l1(visual.decoder(from_t), x) + _l1(textual.decoder(from_x), t)
            weights = beta * ramp(done, 0.0, 0.93), gamma * ramp(done, 0.21, 0.75), delta * ramp(done, 0.06, 0.22)
            return own + weights[0] * (divergence(*of_x) + divergence(*of_t)) + weights[1] * cross + weights[2] * wasserstein(of_x, of_t)

        train(nn.ModuleList([visual, textual]), loss, len(data.x), steps=steps, batch=batch, lr=lr)
        spread = textual(data.t)[1]
    return lambda test_z_x, candidates: discriminant(visual(data.features(test_z_x))[0], textual(data.texts(candidates))[0], spread)


def ramp(done: float, start: float, end: float) -> float:
    """0 before ``start``, 1 after ``end``, and linear in between."""
    return min(max((done - start) / (end - start), 0.0), 1.0)


def wasserstein(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
    """2-Wasserstein distance of diagonal Gaussians (mean, log variance), mean over clips."""
    squared = (a[0] - b[0]).square() + (torch.exp(0.5 * a[1]) - torch.exp(0.5 * b[1])).square()
    return (squared.sum(dim=1) + 1e-12).sqrt().mean()


def _l1(decoded: Tensor, wanted: Tensor) -> Tensor:
    return (decoded - wanted).abs().sum(dim=1).mean()
