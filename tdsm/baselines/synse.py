"""SynSE: Gupta et al., "Syntactically Guided Generative Embeddings for Zero-Shot Skeleton Action Recognition", ICIP 2021, section 2.

The method has one variational autoencoder of the feature, and one per part of the text. The latent of the feature consists of one piece per part. Each part of
the text is also decoded from its piece, and the feature is also decoded from the latents of all parts. The schedule (:func:`tdsm.baselines._vae.cycle`) and the
linear encoders and decoders are those of the release.

Different from the release: the parts are the prompts of a class (name and sentence). There they are the verb and the noun of the label, but most labels have no
noun. Training has 4 cycles of 1,000 steps with lr 1e-3 instead of 10 cycles of 1,700 steps with 1e-4. The classifier is
:func:`tdsm.baselines._vae.discriminant`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tdsm.baselines._fit import Features, Labels, Score, Texts, prepare, seeded, slices, train
from tdsm.baselines._vae import Vae, cycle, discriminant, divergence, sample

__all__ = ["fit"]


def fit(
    z_x: Features,
    labels: Labels,
    text: Texts,
    *,
    seed: int = 0,
    parts: int = 2,
    latent: int = 100,
    cycles: int = 4,
    steps: int = 4000,
    batch: int = 64,
    lr: float = 1e-3,
) -> Score:
    """Train on the seen classes; ``labels`` are row indices of ``text``, in which the ``parts`` prompts of a class are concatenated.

    Each prompt gets ``latent / parts`` dimensions.
    """
    data = prepare(z_x, labels, text)
    words, share = slices(data.t, parts)[0].shape[1], latent // parts
    with seeded(seed):
        visual = Vae(data.x.shape[1], share * parts)
        textual = nn.ModuleList([Vae(words, share) for _ in range(parts)])

        def of_texts(t: Tensor) -> list[tuple[Tensor, Tensor]]:
            return [vae(part) for vae, part in zip(textual, slices(t, parts), strict=True)]

        def loss(rows: Tensor, done: float) -> Tensor:
            x, t = data.x[rows], data.t[data.y[rows]]
            of_x, of_t = visual(x), of_texts(t)
            from_x, from_t = sample(*of_x), [sample(*posterior) for posterior in of_t]
            kl, kl_text, cross = cycle(done, cycles)
            total = F.mse_loss(visual.decoder(from_x), x) + kl * divergence(*of_x) + cross * F.mse_loss(visual.decoder(torch.cat(from_t, dim=1)), x)
            for vae, part, posterior, own, piece in zip(textual, slices(t, parts), of_t, from_t, slices(from_x, parts), strict=True):
                total = total + F.mse_loss(vae.decoder(own), part) + kl_text * divergence(*posterior) + cross * F.mse_loss(vae.decoder(piece), part)
            return total

        train(nn.ModuleList([visual, *textual]), loss, len(data.x), steps=steps, batch=batch, lr=lr)
        spread = torch.cat([log_variance for _, log_variance in of_texts(data.t)], dim=1)

    def score(test_z_x: Tensor, candidates: Tensor) -> Tensor:
        centres = torch.cat([mean for mean, _ in of_texts(data.texts(candidates))], dim=1)
        return discriminant(visual(data.features(test_z_x))[0], centres, spread)

    return score
