"""ReViSE: Tsai, Huang and Salakhutdinov, "Learning Robust Visual-Semantic Embeddings", ICCV 2017, section 3, for labelled clips only.

The method has a contractive autoencoder of the feature and a plain autoencoder of the text. Two losses align their codes: the maximum mean discrepancy (MMD)
with the kernel exp(-kappa |a - b|^2) aligns them as distributions, and a hinge loss on similarities aligns them as pairs, after a further layer. Sizes (codes
100, embedding 50), margin 0.3, kappa 32, the weight 1e-4 of the contraction and the hinge loss are those of the skeleton version that SynSE compares with.

Different from that version: the contraction is the exact squared Jacobian of a one-layer encoder, and codes are scaled to length 1 for the kernel, because
kappa 32 needs it. Left out: adaptation to unlabelled test clips, which is transductive.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.baselines._fit import Features, Labels, Score, Texts, hinge, prepare, seeded, train

__all__ = ["fit"]


def fit(
    z_x: Features,
    labels: Labels,
    text: Texts,
    *,
    seed: int = 0,
    code: int = 100,
    dim: int = 50,
    margin: float = 0.3,
    kappa: float = 32.0,
    contraction: float = 1e-4,
    steps: int = 1000,
    batch: int = 128,
    lr: float = 1e-3,
) -> Score:
    """Train on the seen classes; ``labels`` are row indices of ``text``."""
    data = prepare(z_x, labels, text)
    with seeded(seed):
        visual, textual = _Autoencoder(data.x.shape[1], code, dim), _Autoencoder(data.t.shape[1], code, dim)

        def loss(rows: Tensor, _: float) -> Tensor:
            x, y = data.x[rows], data.y[rows]
            h_x, h_t = visual.code(x), textual.code(data.t)
            reconstruction = F.mse_loss(visual.decoder(h_x), x) + F.mse_loss(textual.decoder(h_t[y]), data.t[y])
            jacobian = ((h_x > 0).float() @ visual.encoder.weight.square().sum(dim=1)).mean()  # |d code / d x|^2 of a ReLU layer
            pairs = hinge(visual.embed(h_x) @ textual.embed(h_t).T, y, margin)
            return pairs + reconstruction + contraction * jacobian + mmd(h_x, h_t[y], kappa)

        train(nn.ModuleList([visual, textual]), loss, len(data.x), steps=steps, batch=batch, lr=lr)
    return lambda test_z_x, candidates: visual.embed(visual.code(data.features(test_z_x))) @ textual.embed(textual.code(data.texts(candidates))).T


class _Autoencoder(nn.Module):
    def __init__(self, inputs: int, code: int, dim: int) -> None:
        super().__init__()
        self.encoder, self.decoder, self.head = nn.Linear(inputs, code), nn.Linear(code, inputs), nn.Linear(code, dim)

    def code(self, values: Tensor) -> Tensor:
        return F.relu(self.encoder(values))

    def embed(self, code: Tensor) -> Tensor:
        return torch.tanh(self.head(code))


def mmd(a: Float[Tensor, "clip code"], b: Float[Tensor, "clip code"], kappa: float) -> Float[Tensor, ""]:
    """Squared maximum mean discrepancy of two samples, scaled to length 1, with the kernel exp(-kappa |a - b|^2)."""
    a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)

    def kernel(c: Tensor, d: Tensor) -> Tensor:
        return torch.exp((-kappa * (2 - 2 * c @ d.T)).clamp(min=-60)).mean()  # smaller values are denormal: negligible, but slow to compute

    return kernel(a, a) + kernel(b, b) - 2 * kernel(a, b)
