"""Our backbone: a skeleton tower and a text tower, trained together so that a movement and its description have similar directions in one space.

Five or twenty seen classes are too few to learn which movements words describe. The towers are therefore trained in two stages. The first stage uses
generated pairs (:mod:`tdsm.data.procedural`): thousands of random movements with template sentences, none of which is a class of any data set. The second
stage adds the clips of the seen classes. Generated pairs stay in the batch; without them the towers forget the meaning of words within a hundred steps.

    clip -> encoder -> linear -> length 1 --\\
                                             cosine
    text -> z_g     -> linear -> length 1 --/

Both losses are contrastive (InfoNCE): identify the text of each movement among all texts of the batch, and the movement of each text.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from tdsm.backbones.base import Backbone, SeenClips
from tdsm.backbones.corruption import CorruptConfig, at_times, corrupt
from tdsm.backbones.lexicon import Lexicon, Prototypes, blended, read_names
from tdsm.config import AlignConfig, PreprocessConfig
from tdsm.data.labels import Label
from tdsm.data.layouts import Layout
from tdsm.data.prompts.dictionary import load_dictionary
from tdsm.text import LabelReading, TextFeatures, TextModel, directions
from tdsm.util.loop import Logged, batch_rows, device, fingerprint, fit, mix
from tdsm.util.processes import joined

__all__ = ["SAME", "Aligned", "Pairs", "Seen", "augment", "exchange_sides", "mirror", "seen_with_mirrors", "train_on_pairs", "train_with_seen"]

_UNLIKE = 0.45  # two names are dissimilar if the cosine of their embeddings is below this
SAME = 0.9999
"""Two texts of a batch whose directions have a larger cosine than this have the same meaning and are not negatives of each other."""


class Pairs(NamedTuple):
    """Preprocessed generated movements (N, M, T, V, C), and the embeddings of their sentences (N, C) (:meth:`tdsm.text.TextEncoder.read_sentences`)."""

    x: Tensor
    z_g: Tensor


class Seen(NamedTuple):
    """Preprocessed clips of the seen classes (N, M, T, V, C), the class index of each (N,), and the text embedding of each class (K, C)."""

    x: Tensor
    y: Tensor
    z_g: Tensor


class Aligned(Backbone):
    """The aligned skeleton tower and text tower.

    Args:
        net: skeleton encoder with ``pool``, ``features``, ``layout`` and ``bodies``.
        text_channels: channels of a text embedding, which consists of two views (:meth:`tdsm.text.TextEncoder.read_sentences`).
        width: channels of the aligned space.
        hidden: width of a hidden layer between ``net`` and the aligned space; 0 for none.
        preprocess, text_encoder: see :class:`~tdsm.backbones.base.Backbone`.
    """

    kind = "aligned"

    def __init__(self, net: nn.Module, text_channels: int, width: int, preprocess: PreprocessConfig, text_encoder: TextModel, hidden: int = 0) -> None:
        super().__init__()
        self.net = net
        self.layout, self.features, self.preprocess, self.text_encoder = net.layout, width, preprocess, text_encoder
        self.seen, self.dataset = (), ""
        self.left_out: tuple[str, ...] = ()  # names of the dictionary's actions that pretraining excluded
        if hidden:
            self.project = nn.Sequential(nn.Linear(net.features, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, width))
        else:
            self.project = nn.Linear(net.features, width)
        self.read = nn.Linear(text_channels, width)
        self.log_scale = nn.Parameter(torch.tensor(2.3))
        self.register_buffer("offset", torch.zeros(net.bodies, 1, len(self.layout), self.layout.dims))
        self.register_buffer("text_center", torch.zeros(text_channels))
        self.lexicon: Lexicon | None = None  # without one, bare names are encoded as they are
        self.prototypes: Prototypes | None = None  # of pretrained towers: half of a label's direction
        self._asked: tuple[tuple[Label, ...], Tensor, Tensor] | None = None  # embeddings of the most recent labels

    def sizes(self) -> dict[str, int]:
        """Sizes that are not in the settings: channels of a text embedding; numbers of lexicon pairs and of prototypes (0 for none)."""
        sizes = {"words": self.read.in_features, "names": len(self.lexicon.names) if self.lexicon else 0}
        return sizes | ({"actions": len(self.prototypes.names)} if self.prototypes else {})

    def skeleton(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip width"]:
        """Directions of preprocessed clips in the aligned space."""
        return F.normalize(self.project(self.net.pool(x)), dim=-1)

    def text(self, z_g: Float[Tensor, "label word"]) -> Float[Tensor, "label width"]:
        """Directions of text embeddings in the aligned space, after subtracting the mean of all generated sentences."""
        return F.normalize(self.read(directions(z_g, self.text_center)), dim=-1)

    @torch.no_grad()
    def encode(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip width"]:
        """z_x of recorded clips: their directions, scaled to mean square 1 per channel."""
        return self.skeleton(x + self.offset) * self.features**0.5

    @torch.no_grad()
    def labels(self, labels: Sequence[Label]) -> TextFeatures:
        """Directions of K labels. The lexicon is applied if there is one; prototypes, if there are any, give half of each direction."""
        names, described = self._read(labels)
        z_g = blended(labels, names, described, self.lexicon)
        if self.prototypes is None:
            return self.label_features(z_g)
        return self._features(F.normalize(self.text(z_g.to(self.offset.device)) + self.prototypes(names.to(self.offset.device)), dim=-1))

    def _read(self, labels: Sequence[Label]) -> tuple[Tensor, Tensor]:
        """Embeddings of the names and descriptions of labels. Those of the most recent labels are kept, because :meth:`readings` needs them again."""
        known = self._asked
        if known is None or known[0] != tuple(labels):
            self._asked = known = tuple(labels), *read_names(labels, self.text_encoder)
        return known[1:]

    def readings(self, labels: Sequence[Label]) -> tuple[LabelReading, ...]:
        """How each label is interpreted; with prototypes of the whole dictionary, also the action with the most similar name."""
        readings = super().readings(labels)
        if not readings or self.prototypes is None or len(self.prototypes.names) != len(actions := load_dictionary()):
            return readings
        rows, cosines = self.prototypes.nearest(self._read(labels)[0].to(self.offset.device))
        near = []
        for reading, row, cosine in zip(readings, rows.tolist(), cosines.tolist(), strict=True):
            unlike = reading.how == "name" and cosine < _UNLIKE
            remarks = (*reading.remarks, "the dictionary has no action with a similar name; give a description") if unlike else reading.remarks
            near.append(replace(reading, near=f"{actions[row].name!r}: {actions[row].sentence}", remarks=remarks))
        return tuple(near)

    @torch.no_grad()
    def label_features(self, z_g: Float[Tensor, "label word"]) -> TextFeatures:
        """Directions of texts, scaled to mean square 1 per channel, as z_g and as the single token of z_l."""
        return self._features(self.text(z_g.to(self.offset.device)))

    def _features(self, directions: Tensor) -> TextFeatures:
        read = directions * self.features**0.5
        return TextFeatures(read, read[:, None], torch.ones(len(read), 1, dtype=torch.bool, device=read.device))

    def scale(self) -> Tensor:
        """The factor of cosines in the losses (inverse temperature)."""
        return self.log_scale.exp().clamp(max=50)

    def forward(
        self,
        x: Float[Tensor, "share person time joint coord"],
        z_g: Float[Tensor, "pair word"],
        seen_x: Float[Tensor, "seen_share person time joint coord"] | None = None,
        seen_y: Int[Tensor, " clip"] | None = None,
        seen_z_g: Float[Tensor, "label word"] | None = None,
        seen_weight: float = 0.0,
    ) -> dict[str, Tensor]:
        """Losses of a batch of generated pairs and, if given, of clips of seen classes. Negatives of a clip are all other seen and all generated texts.

        With several processes, ``x`` and ``seen_x`` are the share of this process; texts and classes are complete (:mod:`tdsm.util.processes`).
        """
        z_x = self.skeleton(x if seen_x is None else torch.cat((x, seen_x)))  # one batch, with common batch normalisation
        texts, own = self.text(z_g), torch.arange(len(z_g), device=x.device)
        same = (texts @ texts.T > SAME) & ~torch.eye(len(z_g), dtype=torch.bool, device=x.device)
        logits = (self.scale() * joined(z_x[: len(x)]) @ texts.T).masked_fill(same, -1e4)  # pairs with similar texts are not negatives
        pairs = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
        if seen_x is None:
            return {"loss": pairs, "pairs": pairs}
        seen = F.cross_entropy(self.scale() * joined(z_x[len(x) :]) @ torch.cat((self.text(seen_z_g), texts)).T, seen_y)
        return {"loss": pairs + seen_weight * seen, "pairs": pairs, "seen": seen}


def train_on_pairs(
    aligner: Aligned, pairs: Pairs, config: AlignConfig, *, seed: int = 0, checkpoint: Path | None = None, precision: str = "no"
) -> list[Logged]:
    """The first stage, on generated pairs only. It uses no data set, so one result serves all data sets."""
    x, z_g = pairs
    aligner.to(device()).text_center.copy_(z_g.mean(0))

    def losses(module: nn.Module, step: int, share: slice) -> dict[str, Tensor]:
        rows = batch_rows(len(x), config.batch, seed, step)
        return module(augment(x[rows], seed, step)[share].to(device()), z_g[rows].to(device()))

    identity = fingerprint(config, x, z_g, seed)
    options = {"checkpoint": checkpoint, "identity": identity, "precision": precision, "seed": seed, "title": "pairs"}
    return _fit(aligner, losses, config.pretrain_steps, config.lr, config, **options)


def train_with_seen(
    aligner: Aligned, pairs: Pairs, seen: Seen, config: AlignConfig, *, seed: int = 0, checkpoint: Path | None = None, precision: str = "no"
) -> list[Logged]:
    """The second stage, on generated pairs and clips of the seen classes, which are translated to the starting pose of generated clips (``aligner.offset``).

    Towers trained for any body (``config.start``) keep their offset; both kinds of clips are then corrupted as in pretraining.
    """
    x, z_g = pairs
    if not config.start:
        aligner.to(device()).offset.copy_(_first_frame(x) - _first_frame(seen.x))
    seen_x, seen_z_g = seen.x + aligner.to(device()).offset.cpu(), seen.z_g.to(device())
    vary = partial(corrupt, layout=aligner.layout, config=CorruptConfig(flat=0.0)) if config.start else augment

    def losses(module: nn.Module, step: int, share: slice) -> dict[str, Tensor]:
        rows, clips = batch_rows(len(x), config.batch, seed, step), batch_rows(len(seen_x), config.seen_batch, seed, step)
        both = vary(torch.cat((x[rows], seen_x[clips])), seed=seed, step=step)
        generated, recorded = (part[share].to(device()) for part in (both[: len(rows)], both[len(rows) :]))
        return module(generated, z_g[rows].to(device()), recorded, seen.y[clips].to(device()), seen_z_g, config.seen_weight)

    identity = fingerprint(config, x, z_g, *seen, seed)
    options = {"checkpoint": checkpoint, "identity": identity, "precision": precision, "seed": seed, "title": "seen"}
    return _fit(aligner, losses, config.steps, config.tune_lr, config, **options)


def _fit(aligner, losses, steps, lr, config, **options) -> list[Logged]:  # noqa: ANN001
    optimizer = torch.optim.AdamW(aligner.parameters(), lr=lr, weight_decay=config.weight_decay)
    return fit(aligner, optimizer, losses, steps, lr=lr, warmup=max(1, steps // 20), **options)


def _first_frame(x: Tensor) -> Tensor:
    """Joint positions at the beginning of clips: the median over clips of the mean of three frames, (M, 1, V, C)."""
    return x[:, :, :3].mean(2, keepdim=True).median(0).values


def augment(x: Float[Tensor, "clip person time joint coord"], seed: int, step: int) -> Float[Tensor, "clip person time joint coord"]:
    """Small random rotations, scales, cuts at both ends and sensor noise, drawn from (seed, step)."""
    draw = torch.Generator().manual_seed(mix(seed, step))
    clips, frames = len(x), x.shape[2]
    if x.shape[-1] == 3:
        angles = torch.randn(clips, 3, generator=draw) * torch.tensor([0.06, 0.12, 0.06])
        skew = torch.zeros(clips, 3, 3)
        skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = -angles[:, 2], angles[:, 1], -angles[:, 0]
        turn = torch.linalg.matrix_exp(skew - skew.transpose(1, 2)) * (1 + 0.05 * torch.randn(clips, 1, 1, generator=draw))
        x = torch.einsum("nij,nmtvj->nmtvi", turn.to(x.device), x)
    low, high = 0.12 * torch.rand(clips, 1, generator=draw), 1 - 0.12 * torch.rand(clips, 1, generator=draw)
    times = (low + (high - low) * torch.linspace(0, 1, frames)) * (frames - 1)
    x = at_times(x, times.to(x.device))
    return x + 0.002 * torch.randn(x.shape, generator=draw).to(x.device)


def mirror(x: Float[Tensor, "clip person time joint coord"], layout: Layout) -> Float[Tensor, "clip person time joint coord"]:
    """Mirrored clips: left and right joints are exchanged, and x changes its sign."""
    sign = torch.ones(x.shape[-1], device=x.device)
    sign[0] = -1
    return x[..., list(layout.mirror), :] * sign


def exchange_sides(sentence: str) -> str:
    """The sentence with "left" and "right" exchanged; upper and lower case are kept.

    >>> exchange_sides("Left hand waves, then the right")
    'Right hand waves, then the left'
    """

    def other(match: re.Match) -> str:
        word = "right" if match[0].lower() == "left" else "left"
        return word.upper() if match[0].isupper() else word.capitalize() if match[0][0].isupper() else word

    return re.sub(r"\b(left|right)\b", other, sentence, flags=re.IGNORECASE)


def seen_with_mirrors(clips: SeenClips, read: Callable[[Sequence[Label]], Tensor]) -> Seen:
    """Seen clips followed by their mirror images, whose texts have left and right exchanged. ``read`` computes text embeddings of labels.

    If the name or description of a class mentions a side, its mirrored clips form an additional class, after the others.
    """
    turned = [_turned(label) for label in clips.labels]
    sided = [index for index, label in enumerate(clips.labels) if label != turned[index]]
    number = torch.arange(len(clips.labels))
    number[sided] = len(clips.labels) + torch.arange(len(sided))
    x = clips.x if isinstance(clips.x, Tensor) else clips.x[slice(None)]
    return Seen(torch.cat((x, mirror(x, clips.layout))), torch.cat((clips.y, number[clips.y])), read([*clips.labels, *(turned[index] for index in sided)]))


def _turned(label: Label) -> Label:
    """The label of the mirror image of an action."""
    description = label.description
    if isinstance(description, str):
        description = exchange_sides(description)
    elif description is not None:
        description = tuple(map(exchange_sides, description))
    return Label(exchange_sides(label.name), description)
