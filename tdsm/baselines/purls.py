"""PURLS: Zhu et al., "Part-aware Unified Representation of Language and Skeleton for Zero-shot Action Recognition", CVPR 2024, section 3.

The feature is projected to the text, and both are aligned by InfoNCE with a learned temperature. If z_x has tokens, the method is part-aware: for each part of
the text, an attention over the tokens selects the matching ones; one projection reads the result of all parts, and each part has its own InfoNCE. The global
part decides the label, as in the release. Without tokens (a pooled z_x) only the global part remains, which is "Global" in the paper's tables.

Attention (2 heads of 150, scores averaged over heads), projection (batch norm, dropout 0.5, SiLU 1,024, tanh) and lr 1e-3 are those of the release.

Different from the release: its parts are 8 texts (4 body parts, 3 phases, global); here they are the prompts of a class and, as the global part, all prompts
together. In the release the query of the attention is the text of the clip's own class, which is unknown for a test clip; here each part has one learned
query for all classes.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.baselines._fit import Labels, Score, Texts, info_nce, prepare, seeded, slices, train

__all__ = ["fit"]


def fit(
    z_x: Float[Tensor, "clip *token channel"],
    labels: Labels,
    text: Texts,
    *,
    seed: int = 0,
    parts: int = 2,
    keys: int = 150,
    heads: int = 2,
    hidden: int = 1024,
    temperature: float = 0.07,
    steps: int = 500,
    batch: int = 64,
    lr: float = 1e-3,
) -> Score:
    """Train on the seen classes; ``labels`` are row indices of ``text``, in which the ``parts`` prompts of a class are concatenated.

    With tokens in z_x, the method is part-aware.
    """
    data = prepare(z_x, labels, text)
    prompts = [*slices(data.t, parts), data.t] if z_x.ndim == 3 else [data.t]
    with seeded(seed):
        model = _Projection(z_x.shape[-1], [part.shape[1] for part in prompts], keys, heads, hidden)
        model.sharpness = nn.Parameter(torch.full((len(prompts),), math.log(1 / temperature)))

        def loss(rows: Tensor, _: float) -> Tensor:
            each = zip(model(data.x[rows]), prompts, model.sharpness.exp().clamp(max=100.0), strict=True)
            return torch.stack([info_nce(sharpness * _cosine(projected, t), data.y[rows]) for projected, t, sharpness in each]).sum()

        train(model, loss, len(data.x), steps=steps, batch=batch, lr=lr)
    return lambda test_z_x, candidates: _cosine(model(data.features(test_z_x))[-1], data.texts(candidates))


class _Projection(nn.Module):
    """Map features (clip, channel) or (clip, token, channel) to one vector per part of the text; the last vector is the global one."""

    def __init__(self, channels: int, words: list[int], keys: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.words = words
        self.questions = nn.Parameter(torch.randn(len(words), heads, keys))
        self.key = nn.Linear(channels, heads * keys, bias=False)
        before = [nn.BatchNorm1d(len(words) * channels), nn.Dropout(0.5), nn.Linear(len(words) * channels, hidden), nn.SiLU()]
        self.project = nn.Sequential(*before, nn.BatchNorm1d(hidden), nn.Dropout(0.5), nn.Linear(hidden, sum(words)), nn.Tanh())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if x.ndim == 3:
            key = self.key(x).unflatten(2, self.questions.shape[1:])
            score = torch.einsum("phk,nthk->npt", self.questions, key) / (self.questions.shape[1] * self.questions.shape[2] ** 0.5)
            x = (score.softmax(dim=2) @ x).flatten(1)
        return self.project(x).split(self.words, dim=1)


def _cosine(projected: Tensor, t: Tensor) -> Tensor:
    return F.normalize(projected, dim=1) @ F.normalize(t, dim=1).T
