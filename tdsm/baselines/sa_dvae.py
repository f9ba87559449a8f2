"""SA-DVAE: Li et al., "SA-DVAE: Improving Zero-Shot Skeleton-Based Action Recognition by Disentangled Variational Autoencoders", ECCV 2024, section 3.

The latent of the feature has two pieces: a semantic piece, which the text determines, and a piece for the rest (how this person moved). The feature is decoded
from both pieces, and from the latent of the text with the second piece. The text is decoded from the semantic piece. A critic learns to distinguish true pairs
of pieces (the semantic piece of the clip or of its text, with the second piece) from pairs shuffled between clips. The encoders are trained against the critic,
so that the two pieces become independent (the total correlation penalty).

The 160 and 8 dimensions, the batch of 32 and one critic step every 5 steps are those of the release for NTU-60.

Different from the release: linear encoders without dropout, and 4 cycles of 1,000 steps with lr 1e-3 instead of 10 cycles with 3.4e-5. The schedule is that of
SynSE (:func:`tdsm.baselines._vae.cycle`). The classifier is :func:`tdsm.baselines._vae.discriminant`, on the semantic piece.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tdsm.baselines._fit import Features, Labels, Score, Texts, mlp, prepare, seeded, train
from tdsm.baselines._vae import Vae, cycle, discriminant, divergence, sample

__all__ = ["fit"]


def fit(
    z_x: Features,
    labels: Labels,
    text: Texts,
    *,
    seed: int = 0,
    semantic: int = 160,
    other: int = 8,
    cycles: int = 4,
    critic_every: int = 5,
    steps: int = 4000,
    batch: int = 32,
    lr: float = 1e-3,
) -> Score:
    """Train on the seen classes; ``labels`` are row indices of ``text``."""
    data = prepare(z_x, labels, text)
    with seeded(seed):
        visual, textual = Vae(data.x.shape[1], semantic + other), Vae(data.t.shape[1], semantic)
        critic = mlp(semantic + other, (semantic + other) // 4, 1)
        critic_optimizer = torch.optim.Adam(critic.parameters(), lr=lr)
        since = 0

        def loss(rows: Tensor, done: float) -> Tensor:
            nonlocal since
            x, t = data.x[rows], data.t[data.y[rows]]
            of_x, of_t = visual(x), textual(t)
            from_x, from_t = sample(*of_x), sample(*of_t)
            meaning, rest = from_x[:, :semantic], from_x[:, semantic:]
            kl, kl_text, cross = cycle(done, cycles)
            since += 1
            if since % critic_every == 0:
                _critic_step(critic, critic_optimizer, torch.cat([meaning, from_t]).detach(), rest.repeat(2, 1).detach())
            own = F.mse_loss(visual.decoder(from_x), x) + F.mse_loss(textual.decoder(from_t), t)
            crossed = F.mse_loss(visual.decoder(torch.cat([from_t, rest], dim=1)), x) + F.mse_loss(textual.decoder(meaning), t)
            correlation = torch.sigmoid(critic(from_x)).mean()
            return own + kl * divergence(*of_x) + kl_text * (divergence(*of_t) + correlation) + cross * crossed

        train(nn.ModuleList([visual, textual]), loss, len(data.x), steps=steps, batch=batch, lr=lr)
        spread = textual(data.t)[1]
    return lambda test_z_x, candidates: discriminant(visual(data.features(test_z_x))[0][:, :semantic], textual(data.texts(candidates))[0], spread)


def _critic_step(critic: nn.Module, optimizer: torch.optim.Optimizer, meaning: Tensor, rest: Tensor) -> None:
    """One step of the critic: its target is 1 for true pairs of pieces, and 0 for pairs of different clips."""
    judged = torch.cat([critic(torch.cat([meaning, rest], dim=1)), critic(torch.cat([meaning, rest[torch.randperm(len(rest))]], dim=1))])
    wanted = torch.cat([torch.ones(len(rest), 1), torch.zeros(len(rest), 1)])
    optimizer.zero_grad()
    F.binary_cross_entropy_with_logits(judged, wanted).backward()
    optimizer.step()
