"""JPoSE: Wray et al., "Fine-Grained Action Retrieval Through Multiple Parts-of-Speech Embeddings", ICCV 2019, section 3.

One embedding space for each part of the caption, and a joint one on top of all of them; in each the right text must beat every wrong one by a margin, and
within each part's space clips of a class must lie nearer than clips of others (weight 0.01). Margin 0.3, 50 dimensions and tanh layers are those of
the skeleton version that SynSE compares with. There the parts are the verb and the noun of the label; most labels have no noun, so here they are the
prompts that a class has (name and sentence), as in every other method that wants parts.
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
    """Train on the seen classes; ``labels`` index ``text``, which holds ``parts`` prompts side by side."""
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
    """For each clip: its least similar clip of the same class must beat the most similar of any other class by the margin."""
    similarity, same = v @ v.T, y[:, None] == y
    far, near = similarity.masked_fill(~same, 2.0).min(dim=1).values, similarity.masked_fill(same, -2.0).max(dim=1).values
    return F.relu(margin - far + near).mean()
