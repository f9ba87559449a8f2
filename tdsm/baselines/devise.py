"""DeViSE: Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013, equation 1.

One linear map M projects the feature to the text. The score of the right text must exceed that of each wrong text by a margin: the loss is the sum over j != y
of max(0, margin - t_y M x + t_j M x), with texts of length 1 and the margin 0.1 of the paper. The score of a label is t_k M x.
Left out: fine-tuning of the encoder, which is frozen for every method here.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from tdsm.baselines._fit import Features, Labels, Score, Texts, hinge, prepare, seeded, train

__all__ = ["fit"]


def fit(z_x: Features, labels: Labels, text: Texts, *, seed: int = 0, margin: float = 0.1, steps: int = 1000, batch: int = 64, lr: float = 1e-3) -> Score:
    """Train on the seen classes; ``labels`` are row indices of ``text``."""
    data = prepare(z_x, labels, text)
    seen = F.normalize(data.t, dim=1)
    with seeded(seed):
        to_text = nn.Linear(data.x.shape[1], data.t.shape[1], bias=False)

        def loss(rows: Tensor, _: float) -> Tensor:
            return hinge(to_text(data.x[rows]) @ seen.T, data.y[rows], margin)

        train(to_text, loss, len(data.x), steps=steps, batch=batch, lr=lr)
    return lambda test_z_x, candidates: to_text(data.features(test_z_x)) @ F.normalize(data.texts(candidates), dim=1).T
