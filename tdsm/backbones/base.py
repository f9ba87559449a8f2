"""Backbone: from a clip to z_x, and from a label to what the denoiser is given of it.

    clips  -> preprocess -> net -> z_x          Backbone.clips
    labels -> text encoder      -> z_g, z_l     Backbone.labels

Everything before the denoiser is in here, so that training, evaluation and the baselines start from the same two calls. There are three:

- :class:`~tdsm.backbones.classifier.Classifier`, the paper's: an encoder trained with cross-entropy on the seen classes, prompts read by a language model;
- :class:`~tdsm.backbones.aligned.Aligned`, ours: skeletons and descriptions mapped into one space;
- :class:`~tdsm.backbones.given.Given`: published features, for which there is no encoder.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tdsm.config import PreprocessConfig
from tdsm.data.arrays import Rows
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.labels import Label, as_labels
from tdsm.data.layouts import Layout
from tdsm.data.preprocess import preprocess_all, preprocess_usable
from tdsm.data.prompts import Descriptions
from tdsm.text import LabelReading, TextFeatures, TextModel
from tdsm.util.errors import InputError

__all__ = ["Backbone", "Examples", "SeenClips", "seen_clips"]

_BATCH = 64  # clips per call of the net


@dataclass(frozen=True, eq=False)
class SeenClips:
    """What a backbone is trained on."""

    x: Tensor | Rows  # (N, M, T, V, C) preprocessed clips, in memory or rows of a memory-mapped array
    y: Int[Tensor, " clip"]  # (N,) index of each clip's class in labels
    labels: tuple[Label, ...]  # the K seen classes, in order
    layout: Layout  # the body
    dataset: str  # name of the data set; its own actions are left out of the lexicon

    def __post_init__(self) -> None:
        if len(self.labels) < 2:
            raise InputError(self.dataset, f"has {len(self.labels)} class to train on", "give at least two seen classes")


def seen_clips(clips: ClipSet, config: PreprocessConfig, descriptions: Descriptions | None = None) -> SeenClips:
    """Preprocess labelled clips; their classes are the seen classes. Raises InputError: a clip without label, fewer than two classes, or no usable clip."""
    x, rows = preprocess_usable(clips, config)
    there, y = np.unique(clips.y[rows], return_inverse=True)  # a class of which no clip can be used is not seen
    if len(there) < len(clips.classes):
        gone = [label for number, label in enumerate(clips.classes) if number not in there]
        warnings.warn(f"{clips.name}: no clip of {', '.join(map(repr, gone[:3]))} can be used: {len(gone)} classes are not trained on", stacklevel=2)
    labels = as_labels([clips.classes[number] for number in there], descriptions)
    return SeenClips(torch.from_numpy(x), torch.from_numpy(y), labels, clips.layout, clips.name)


def _check_any(clips: Sequence | Tensor | Rows | np.ndarray) -> None:
    if not len(clips):
        raise InputError("clips", "none given", "give at least one clip")


@dataclass(frozen=True, eq=False)
class Examples:
    """What a denoiser is trained on."""

    z_x: Float[Tensor, "clip token channel"]  # (N, M_x, C) features
    y: Int[Tensor, " clip"]  # (N,) index of each feature's text in text
    text: TextFeatures  # all texts; those of the seen classes come first. A negative is drawn uniformly from them


class Backbone(nn.Module, ABC):
    """A trained backbone."""

    kind: str
    lexicon: nn.Module | None  # predicts the description of a label from its name (:mod:`tdsm.backbones.lexicon`); None without one
    features: int  # C, channels of z_x
    layout: Layout | None  # the body it was trained on; None for published features
    preprocess: PreprocessConfig  # what a clip goes through before the net
    seen: tuple[str, ...]  # names of the classes it was trained on, in order
    dataset: str  # name of the data set it was trained on
    text_encoder: TextModel  # reads labels

    @abstractmethod
    def encode(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip channel"]:
        """z_x of one batch of preprocessed clips."""

    @abstractmethod
    def labels(self, labels: Sequence[Label]) -> TextFeatures:
        """Text features of K labels. A label's features depend on that label alone."""

    def readings(self, labels: Sequence[Label]) -> tuple[LabelReading, ...]:
        """How each label is read, and what is not understood of it (:meth:`tdsm.text.TextEncoder.examine`)."""
        return self.text_encoder.examine(labels, self.lexicon is not None, aligned=self.kind == "aligned")

    def sizes(self) -> dict[str, int]:
        """What the weights' shapes depend on besides settings, layout and classes."""
        return {}

    @torch.no_grad()
    def rows(self, x: Tensor | Rows | np.ndarray, batch: int = _BATCH) -> Float[Tensor, "clip channel"]:
        """z_x of preprocessed clips (N, M, T, V, C), on the backbone's device; :class:`InputError` if there is none.

        Only ``batch`` clips are held at a time, so a memory-mapped array may be larger than the memory.
        """
        _check_any(x)
        self.eval()
        device = next(self.parameters()).device
        features = []
        for start in range(0, len(x), batch):
            clips = x[start : start + batch]
            if isinstance(clips, np.ndarray):
                clips = torch.from_numpy(np.array(clips, dtype=np.float32))
            features.append(self.encode(clips.to(device)))
        return torch.cat(features)

    def clips(self, clips: Sequence[Clip]) -> Float[Tensor, "clip channel"]:
        """z_x of clips. Raises InputError: no clip, a clip of another layout, or one in which nobody is seen."""
        self._check(clips)
        if self.preprocess.frames == 0:  # clips keep their own lengths, so each goes alone
            return torch.cat([self.rows(torch.from_numpy(preprocess_all([clip], self.preprocess))) for clip in clips])
        return self.rows(torch.from_numpy(preprocess_all(clips, self.preprocess)))

    def usable(self, clips: Sequence[Clip]) -> tuple[Float[Tensor, "clip channel"], list[int]]:
        """z_x of the clips that can be used, and their numbers; one warning about the others, in which too little of everybody is seen.

        Raises:
            InputError: no clip that can be used, or a clip of another layout.
        """
        self._check(clips)
        if self.preprocess.frames:
            x, rows = preprocess_usable(clips, self.preprocess)
            return self.rows(torch.from_numpy(x)), rows
        _, rows = preprocess_usable(clips, replace(self.preprocess, frames=8))
        return self.clips([clips[row] for row in rows]), rows

    def _check(self, clips: Sequence[Clip]) -> None:
        _check_any(clips)
        for clip in clips:
            if clip.layout.name != self.layout.name:
                raise InputError(clip.name, f"layout is {clip.layout.name}", f"convert the clips: tdsm.convert(clips, {self.layout.name!r}).clips")
