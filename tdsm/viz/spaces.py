"""Spaces in which clips and labels lie together.

An aligned recognizer (:mod:`tdsm.backbones.aligned`) has such a space: its two towers map clips and labels to directions of one width.

:func:`common_space`
    where the towers put clips and labels.
:func:`untrained`
    the same towers with random weights: where clips and labels lie before training.
:func:`moments`
    where windows of clips lie, so that a clip is a path.

A classifier backbone has no such space: its z_x and z_g have different widths. :func:`by_ridge` makes one with the simplest alignment there is, ridge
regression from z_g to z_x, fitted on seen classes.

:func:`fused` gives one point for each pair of a clip and a label, from inside CrossDiT. :func:`side_by_side` is the control without a model: structure that
appears there too comes from the choice of pairs, not from the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int

from tdsm.backbones.aligned import Aligned
from tdsm.backbones.nets import build_encoder
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.prompts import Descriptions
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError

__all__ = ["Moments", "Pairs", "Space", "by_ridge", "common_space", "exchanged", "fused", "moments", "right_and_wrong", "side_by_side", "untrained"]


@dataclass(frozen=True, eq=False)
class Space:
    """Clips and labels in one space of W dimensions.

    Attributes:
        clips: (B, W).
        labels: (K, W), one row for each class of ``of``.
        of: the B clips.
    """

    clips: Float[np.ndarray, "clip width"]
    labels: Float[np.ndarray, "label width"]
    of: ClipSet

    @property
    def actions(self) -> list[str]:
        """The label of each clip."""
        return [clip.label for clip in self.of]


def common_space(recognizer: Recognizer, clips: ClipSet, descriptions: Descriptions | None = None) -> Space:
    """The directions of labelled clips and of their classes, each of length 1, as the towers of an aligned recognizer give them.

    The cosine of a clip and a label is their product. A denoiser, if there is one, has no part in it. ``descriptions``: label -> a sentence about the
    movement, beside those of the recognizer.

    Raises:
        InputError: the recognizer has a classifier backbone, or clips that it cannot read.
    """
    _check_aligned("common_space", recognizer)
    z_x, z_g = recognizer.features(clips), recognizer.text(clips.classes, descriptions).z_g
    return Space(F.normalize(z_x, dim=-1).cpu().numpy(), F.normalize(z_g, dim=-1).cpu().numpy(), clips)


def untrained(recognizer: Recognizer, seed: int = 0) -> Recognizer:
    """An aligned recognizer with towers of the same sizes and random weights. It encodes the same sentences. It has neither prototypes nor a lexicon, because
    these are learned.

    Raises:
        InputError: the recognizer has a classifier backbone.
    """
    _check_aligned("untrained", recognizer)
    known, config = recognizer.backbone, recognizer.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build_encoder(config.encoder, known.layout, config.preprocess.bodies, 1)
        towers = Aligned(net, known.read.in_features, config.align.width, config.preprocess, known.text_encoder, config.align.hidden)
    towers.text_center.copy_(known.text_center)
    matcher = Matcher(towers.features, 1, towers.features, 1, config.model, config.diffusion, seed)
    return Recognizer(config, towers.to(recognizer.device), matcher.to(recognizer.device), recognizer.descriptions)


def _check_aligned(where: str, recognizer: Recognizer) -> None:
    if recognizer.backbone.kind != "aligned":
        raise InputError(where, "the backbone is a classifier, whose z_x and z_g lie in different spaces", "give an aligned recognizer: tdsm.pretrained()")


@dataclass(frozen=True, eq=False)
class Moments:
    """Windows of clips.

    Attributes:
        rows: (N, W) their directions.
        place: (N,) the number of the clip that a window belongs to.
        seconds: (N,) the middle of each window, in seconds of its clip.
        of: the clips.
    """

    rows: Float[np.ndarray, "window width"]
    place: Int[np.ndarray, " window"]
    seconds: Float[np.ndarray, " window"]
    of: ClipSet

    @property
    def clips(self) -> list[Clip]:
        """The clip of each window."""
        return [self.of[place] for place in self.place]

    @property
    def actions(self) -> list[str]:
        """The label of each window's clip."""
        return [clip.label for clip in self.clips]

    @property
    def persons(self) -> list[str]:
        """The subject of each window's clip."""
        return [str(clip.subject) for clip in self.clips]

    @property
    def names(self) -> list[str]:
        """Clip and second of each window."""
        return [f"{clip.name}, {second:.1f} s" for clip, second in zip(self.clips, self.seconds, strict=True)]


def moments(recognizer: Recognizer, clips: ClipSet, windows: int = 8) -> Moments:
    """The directions of ``windows`` windows of each clip; a window is half a clip long, so that neighbours overlap.

    Raises:
        InputError: fewer than 2 windows, the recognizer has a classifier backbone, or a clip is shorter than 2 frames for each window.
    """
    _check_aligned("moments", recognizer)
    if windows < 2:
        raise InputError("moments", f"windows is {windows}", "give 2 or more")
    pieces, of, seconds = [], [], []
    for number, clip in enumerate(clips):
        half = clip.frames // 2
        if clip.frames < 2 * windows:
            raise InputError(clip.name, f"{clip.frames} frames are too few for {windows} windows", f"ask for at most {half}")
        for start in np.linspace(0, clip.frames - half, windows).round().astype(int):
            pieces.append(replace(clip, joints=clip.joints[:, start : start + half]))
            of.append(number)
            seconds.append((start + half / 2) / clip.fps)
    z_x, rows = recognizer.usable(pieces)
    return Moments(F.normalize(z_x, dim=-1).cpu().numpy(), np.array(of)[rows], np.array(seconds)[rows], clips)


def fused(recognizer: Recognizer, clips: Clip | Sequence[Clip], labels: Sequence[str]) -> Float[np.ndarray, "clip label width"]:
    """What CrossDiT makes of every clip under every label: (B, K, D) float32.

    It is the hidden skeleton token after the last block, at t_test, just before the final layer turns it into a prediction; the mean over the
    test noises and the skeleton tokens. A row depends on its own clip and label only.

    Raises:
        InputError: no label, or clips that the recognizer cannot read.
    """
    if isinstance(labels, str) or not labels:
        raise InputError("labels", f"{labels!r}", "give a list of at least one name")
    z_x = recognizer.features(clips).to(recognizer.device)[:, None]
    return recognizer.matcher.fused(z_x, recognizer.stream(labels)).float().cpu().numpy()


def side_by_side(space: Space, seen: Space) -> Float[np.ndarray, "clip label both"]:
    """The control for :func:`fused`: every clip's row with every label's row behind it, (B, K, 2 W); nothing is fused.

    Each modality is centred with the mean of its ``seen`` rows and divided by their mean length, so that both have the same weight.
    """
    sides = ((space.clips, seen.clips), (space.labels, seen.labels))
    clips, labels = ((rows - known.mean(0)) / np.sqrt(np.square(known - known.mean(0)).sum(1).mean()) for rows, known in sides)
    shape = len(clips), len(labels)
    return np.concatenate([np.broadcast_to(clips[:, None], (*shape, clips.shape[1])), np.broadcast_to(labels, (*shape, labels.shape[1]))], axis=2)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Each of B clips under its own label, then each clip under one wrong label.

    Attributes:
        rows: (2B, D) features of the pairs.
        right: (2B,) whether the label is the clip's own.
        label: (2B,) the index of the label.
        of: the B clips.
    """

    rows: Float[np.ndarray, "row width"]
    right: Bool[np.ndarray, " row"]
    label: Int[np.ndarray, " row"]
    of: ClipSet

    @property
    def clip_y(self) -> Int[np.ndarray, " row"]:
        """(2B,) the index of each clip's own label."""
        return np.tile(self.of.y, 2)

    @property
    def actions(self) -> list[str]:
        """The clip's own label of each row."""
        return [self.of.classes[label] for label in self.clip_y]


def right_and_wrong(pairs: Float[np.ndarray, "clip label width"], clips: ClipSet, seed: int = 0) -> Pairs:
    """Each clip under its own label and under one wrong label, which is drawn evenly from the others.

    ``pairs`` are from :func:`fused` or :func:`side_by_side`, for ``clips`` and their classes.

    Raises:
        InputError: one class only, or pairs of other clips or labels.
    """
    count, labels = pairs.shape[:2]
    if (count, labels) != (len(clips), len(clips.classes)):
        raise InputError("right_and_wrong", f"pairs {pairs.shape} for {len(clips)} clips of {len(clips.classes)} classes", "give (clips, classes, width)")
    if labels < 2:
        raise InputError("right_and_wrong", "one class", "give two or more, so that there is a wrong label")
    wrong = (clips.y + np.random.default_rng(seed).integers(1, labels, count)) % labels
    shown = np.concatenate([clips.y, wrong])
    return Pairs(pairs[np.tile(np.arange(count), 2), shown], np.arange(2 * count) < count, shown, clips)


def by_ridge(space: Space, seen: Space, penalty: float = 1.0) -> Space:
    """Clips unchanged, and labels at the position that ridge regression predicts for their clips; the mean of the seen clips is subtracted from both.

    The regression predicts a clip from its label and is fitted on ``seen``. Labels are centred and brought to mean square 1. ``penalty`` is multiplied by the
    number of clips, as in :mod:`tdsm.baselines.ridge`, which predicts texts from clips.
    """
    text = seen.labels[seen.of.y]
    centre, middle = text.mean(0), seen.clips.mean(0)
    scale = np.sqrt(np.square(text - centre).mean())
    x = (text - centre) / scale
    weight = np.linalg.solve(x.T @ x + penalty * len(x) * np.eye(x.shape[1], dtype=x.dtype), x.T @ (seen.clips - middle))
    return Space(space.clips - middle, (space.labels - centre) / scale @ weight, space.of)


def exchanged(clips: ClipSet) -> ClipSet:
    """The same clips under wrong names, as a control: each class gets the name of the class that is half the list further."""
    half = len(clips.classes) // 2
    other = dict(zip(clips.classes, (*clips.classes[half:], *clips.classes[:half]), strict=True))
    return replace(clips, clips=tuple(replace(clip, label=other[clip.label]) for clip in clips))
