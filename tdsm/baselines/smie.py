"""SMIE: Zhou et al., "Zero-Shot Skeleton-based Action Recognition via Mutual Information Estimation and Maximization", ACM MM 2023, the global part.

A network D estimates whether a feature and a text belong together. The Jensen-Shannon estimate of their mutual information is maximised:
E over pairs of -softplus(-D), minus E over mismatched pairs of softplus(D). A mismatched pair takes the feature of the next clip of the batch. The score of
a label is -softplus(-D). The layers of 1024 and 512 and the layer norm of the feature are those of the release.

Different from the release: batch 64 and lr 1e-4 for few steps, instead of batch 128 and lr 1e-5 for 100 epochs.

Left out: the temporal constraint (weight 0.5, margin 0.1). It requires that the estimate decreases when the frames with the most movement are removed. Each
clip would have to be encoded again without these frames, which needs raw frames or one feature per frame; a pooled z_x has neither.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tdsm.baselines._fit import Features, Labels, Score, Texts, mlp, prepare, seeded, train

__all__ = ["fit"]


def fit(
    z_x: Features, labels: Labels, text: Texts, *, seed: int = 0, hidden: tuple[int, int] = (1024, 512), steps: int = 600, batch: int = 64, lr: float = 1e-4
) -> Score:
    """Train on the seen classes; ``labels`` are row indices of ``text``."""
    data = prepare(z_x, labels, text)
    channels = data.x.shape[1]
    with seeded(seed):
        judge = mlp(channels + data.t.shape[1], *hidden, 1)

        def together(x: Tensor, t: Tensor) -> Tensor:
            return judge(torch.cat([F.layer_norm(x, (channels,)), t], dim=-1))[..., 0]

        def loss(rows: Tensor, _: float) -> Tensor:
            x, t = data.x[rows], data.t[data.y[rows]]
            return F.softplus(-together(x, t)).mean() + F.softplus(together(x.roll(-1, dims=0), t)).mean()

        train(judge, loss, len(data.x), steps=steps, batch=batch, lr=lr)

    def score(test_z_x: Tensor, candidates: Tensor) -> Tensor:
        x, t = data.features(test_z_x), data.texts(candidates)
        return torch.stack([-F.softplus(-together(x, text.expand(len(x), -1))) for text in t], dim=1)

    return score
