"""Plain contrastive learning: a linear projection of the feature, a linear projection of the text, and InfoNCE with a learned temperature.

The loss and its initial temperature 0.07 are those of CLIP (Radford et al., ICML 2021), but between clips and classes instead of pairs, because all clips of a
class share one text. The method has no other parts, so it is the reference for the gain of the other methods.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tdsm.baselines._fit import Features, Labels, Score, Texts, info_nce, prepare, seeded, train

__all__ = ["fit"]


def fit(
    z_x: Features,
    labels: Labels,
    text: Texts,
    *,
    seed: int = 0,
    dim: int = 128,
    temperature: float = 0.07,
    steps: int = 500,
    batch: int = 128,
    lr: float = 1e-3,
    decay: float = 1e-4,
) -> Score:
    """Train on the seen classes; ``labels`` are row indices of ``text``."""
    data = prepare(z_x, labels, text)
    with seeded(seed):
        visual, textual = nn.Linear(data.x.shape[1], dim), nn.Linear(data.t.shape[1], dim)
        module = nn.ModuleList([visual, textual])
        module.sharpness = nn.Parameter(torch.tensor(math.log(1 / temperature)))

        def similarity(x: Tensor, t: Tensor) -> Tensor:
            return F.normalize(visual(x), dim=1) @ F.normalize(textual(t), dim=1).T

        def loss(rows: Tensor, _: float) -> Tensor:
            sharpness = module.sharpness.exp().clamp(max=100.0)
            return info_nce(sharpness * similarity(data.x[rows], data.t), data.y[rows])

        train(module, loss, len(data.x), steps=steps, batch=batch, lr=lr, decay=decay)
    return lambda test_z_x, candidates: similarity(data.features(test_z_x), data.texts(candidates))
