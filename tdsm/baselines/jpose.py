"""JPoSE: Wray et al., "Fine-Grained Action Retrieval Through Multiple Parts-of-Speech Embeddings", ICCV 2019, section 3.

There is one embedding space per part of the caption, and a joint space on top of them. In each space the similarity of the right text must exceed that of every
wrong text by a margin. In the space of each part, clips of one class must also be nearer to each other than to clips of other classes (weight 0.01). The margin
0.3, the 50 dimensions and the tanh layers are those of the skeleton version that SynSE compares with.

Different from that version: the parts are the prompts of a class (name and sentence), as in every other method with parts here. There they are the verb and the
noun of the label, but most labels have no noun.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from tdsm.baselines._fit import Features, Labels, Score, Texts, hinge, prepare, seeded, slices, train

__all__ = ["fit"]


def fit(
    z_x: Features,
    labels: Labels,
    text: Texts,
    *,
    seed: int = 0,
    parts: int = 2,
    dim: int = 50,
    margin: float = 0.3,
    within: float = 0.01,
    steps: int = 1000,
    batch: int = 128,
    lr: float = 1e-3,
) -> Score:
    """Train on the seen classes; ``labels`` are row indices of ``text``, in which the ``parts`` prompts of a class are concatenated."""
    data = prepare(z_x, labels, text)
    words = slices(data.t, parts)[0].shape[1]
    with seeded(seed):
        visual = nn.ModuleList([nn.Linear(data.x.shape[1], dim) for _ in range(parts)])
        textual = nn.ModuleList([nn.Linear(words, dim) for _ in range(parts)])
        joint = nn.ModuleList([nn.Linear(parts * dim, dim) for _ in range(2)])

        def of_parts(x: Tensor, t: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            return [_unit(layer(x)) for layer in visual], [_unit(layer(t_part)) for layer, t_part in zip(textual, slices(t, parts), strict=True)]

        def joined(v: list[Tensor], w: list[Tensor]) -> Tensor:
            return _unit(joint[0](torch.cat(v, dim=1))) @ _unit(joint[1](torch.cat(w, dim=1))).T

        def loss(rows: Tensor, _: float) -> Tensor:
            y = data.y[rows]
            v, w = of_parts(data.x[rows], data.t)
            across = sum(hinge(v_part @ w_part.T, y, margin) for v_part, w_part in zip(v, w, strict=True))
            return hinge(joined(v, w), y, margin) + across + within * sum(triplet(v_part, y, margin) for v_part in v)

        train(nn.ModuleList([visual, textual, joint]), loss, len(data.x), steps=steps, batch=batch, lr=lr)
    return lambda test_z_x, candidates: joined(*of_parts(data.features(test_z_x), data.texts(candidates)))


def _unit(values: Tensor) -> Tensor:
    return F.normalize(torch.tanh(values), dim=1)


def triplet(v: Float[Tensor, "clip dim"], y: Int[Tensor, " clip"], margin: float) -> Float[Tensor, ""]:
    """For each clip, the similarity to its least similar clip of the same class must exceed that to the most similar clip of another class by the margin."""
    similarity, same = v @ v.T, y[:, None] == y
    far, near = similarity.masked_fill(~same, 2.0).min(dim=1).values, similarity.masked_fill(same, -2.0).max(dim=1).values
    return F.relu(margin - far + near).mean()
