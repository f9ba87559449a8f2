"""SMIE: Zhou et al., "Zero-Shot Skeleton-based Action Recognition via Mutual Information Estimation and Maximization", ACM MM 2023, the global part.

A network D judges whether a feature and a text belong together. Its Jensen-Shannon estimate of their mutual information is maximised:
E over pairs of -softplus(-D), minus E over mismatched pairs of softplus(D), where the feature of the batch's next clip stands for a mismatch. The score of
a label is -softplus(-D). Layers 1024 and 512, and the layer norm of the feature are the release's; its batch 128 and lr 1e-5 for 100
epochs are 64 and 1e-4 for few steps here.

Left out: the temporal constraint (weight 0.5, margin 0.1). It wants the estimate to fall when the frames that move most are taken out, and needs
every clip encoded a second time without them: raw frames, or a feature a frame, which a pooled z_x no longer has.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tdsm.baselines._fit import Features, Labels, Score, Texts, mlp, prepare, seeded, train

__all__ = ["fit"]


def fit(
    z_x: Features, labels: Labels, text: Texts, *, seed: int = 0, hidden: tuple[int, int] = (1024, 512), steps: int = 600, batch: int = 64, lr: float = 1e-4
) -> Score:
    """Train on the seen classes; ``labels`` index ``text``."""
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
