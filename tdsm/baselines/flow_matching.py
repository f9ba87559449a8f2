"""Flora's flow matching: Chen et al., "Learning by Neighbor-Aware Semantics, Deciding by Open-form Flows", arXiv 2511.09388.

First, two variational encoders map text and feature to one latent space. Their loss has all four reconstructions (own and cross) and a term for equal means and
log variances (weight 0.1). The text t of a class is attuned by its nearest seen classes: t + 0.1 times the mean over its 10 nearest texts of cosine times text.
Then a network learns the velocity z_1 - z_0 of the straight path z_s = (1 - s) z_0 + s z_1 from the latent of the text to the latent of the feature, where s is
logit-normal. There is no noise, and the network is not given the class. A repulsion term (weight 0.1) rewards a large error for the velocity of another clip's
pair. The score of a label is the negated error of the velocity at s = 0.5.

Different from the paper: a class and a clip are one vector each, so a small MLP replaces the transformer over tokens. Posterior means are scored instead of
samples. Neighbours are seen classes only, because the score of a label must not depend on other candidates. Training has 500 + 1,000 steps with lr 1e-3
instead of 200,000 steps with 1e-4.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.baselines._fit import Features, Labels, Score, Texts, mlp, prepare, seeded, train
from tdsm.baselines._vae import Vae, sample

__all__ = ["attune", "fit"]


def fit(
    z_x: Features,
    labels: Labels,
    text: Texts,
    *,
    seed: int = 0,
    latent: int = 128,
    hidden: int = 256,
    neighbours: int = 10,
    mixing: float = 0.1,
    alignment: float = 0.1,
    repulsion: float = 0.1,
    steps: tuple[int, int] = (500, 1000),
    batch: int = 64,
    lr: float = 1e-3,
) -> Score:
    """Train on the seen classes, first the latent space, then the flow; ``labels`` are row indices of ``text``."""
    data = prepare(z_x, labels, text)
    attuned = attune(data.t, data.t, neighbours, mixing)
    with seeded(seed):
        visual, textual = Vae(data.x.shape[1], latent, (hidden,)), Vae(data.t.shape[1], latent, (hidden,))
        flow = mlp(latent + 1, hidden, hidden, latent)

        def align(rows: Tensor, _: float) -> Tensor:
            x, t = data.x[rows], attuned[data.y[rows]]
            of_x, of_t = visual(x), textual(t)
            from_x, from_t = sample(*of_x), sample(*of_t)
            errors = [F.mse_loss(visual.decoder(z), x) + F.mse_loss(textual.decoder(z), t) for z in (from_x, from_t)]
            return sum(errors) / 4 + alignment * (F.mse_loss(of_t[0], of_x[0]) + F.mse_loss(of_t[1], of_x[1]))

        def velocity_error(z_0: Tensor, z_1: Tensor, s: Tensor, wanted: Tensor) -> Tensor:
            return (flow(torch.cat([(1 - s) * z_0 + s * z_1, s], dim=1)) - wanted).square().mean(dim=1)

        def match(rows: Tensor, _: float) -> Tensor:
            z_0, z_1 = sample(*textual(attuned[data.y[rows]])), sample(*visual(data.x[rows]))
            s, velocity = torch.sigmoid(torch.randn(len(rows), 1)), z_1 - z_0
            return (velocity_error(z_0, z_1, s, velocity) - repulsion * velocity_error(z_0, z_1, s, velocity.roll(1, dims=0))).mean()

        train(nn.ModuleList([visual, textual]), align, len(data.x), steps=steps[0], batch=batch, lr=lr)
        train(flow, match, len(data.x), steps=steps[1], batch=batch, lr=lr)

    def score(test_z_x: Tensor, candidates: Tensor) -> Tensor:
        z_1, half = visual(data.features(test_z_x))[0], torch.full((len(test_z_x), 1), 0.5)
        starts = textual(attune(data.texts(candidates), data.t, neighbours, mixing))[0]
        return torch.stack([-velocity_error(z_0.expand_as(z_1), z_1, half, z_1 - z_0) for z_0 in starts], dim=1)

    return score


def attune(t: Float[Tensor, "label word"], seen: Float[Tensor, "seen word"], neighbours: int, mixing: float) -> Float[Tensor, "label word"]:
    """Each text plus ``mixing`` times the mean of its nearest seen texts, weighted by their cosines (at least 0). A text is not a neighbour of itself."""
    cosine = F.normalize(t, dim=1) @ F.normalize(seen, dim=1).T
    cosine = cosine.masked_fill((t[:, None] == seen).all(dim=2), -2.0)
    near = cosine.topk(min(neighbours, len(seen) - 1), dim=1)
    return t + mixing * (near.values.clamp(min=0)[..., None] * seen[near.indices]).mean(dim=1)
