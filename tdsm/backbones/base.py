"""Backbone: encodes clips to z_x and labels to the text features of the denoiser.

    clips  -> preprocess -> net -> z_x          Backbone.clips
    labels -> text encoder      -> z_g, z_l     Backbone.labels

A backbone contains everything before the denoiser, so training, evaluation and the baselines start from the same two calls. There are three backbones:

- :class:`~tdsm.backbones.classifier.Classifier`, the paper's: an encoder trained with cross-entropy on the seen classes; a language model encodes prompts;
- :class:`~tdsm.backbones.aligned.Aligned`, ours: skeletons and descriptions are mapped to one space;
- :class:`~tdsm.backbones.given.Given`: published features, without an encoder.
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

_BATCH = 64  # clips per forward pass


@dataclass(frozen=True, eq=False)
class SeenClips:
    """Training data of a backbone."""

    x: Tensor | Rows  # (N, M, T, V, C) preprocessed clips, in memory or rows of a memory-mapped array
    y: Int[Tensor, " clip"]  # (N,) index of each clip's class in labels
    labels: tuple[Label, ...]  # the K seen classes, in order
    layout: Layout  # skeleton layout
    dataset: str  # name of the data set; its actions are excluded from the lexicon

    def __post_init__(self) -> None:
        if len(self.labels) < 2:
            raise InputError(self.dataset, f"has {len(self.labels)} seen class", "give at least two seen classes")


def seen_clips(clips: ClipSet, config: PreprocessConfig, descriptions: Descriptions | None = None) -> SeenClips:
    """Preprocess labelled clips; their classes are the seen classes. Raises InputError: an unlabelled clip, fewer than two classes, or no usable clip."""
    x, rows = preprocess_usable(clips, config)
    there, y = np.unique(clips.y[rows], return_inverse=True)  # a class without usable clips is not a seen class
    if len(there) < len(clips.classes):
        gone = [label for number, label in enumerate(clips.classes) if number not in there]
        warnings.warn(f"{clips.name}: {len(gone)} classes without usable clips are not trained: {', '.join(map(repr, gone[:3]))}", stacklevel=2)
    labels = as_labels([clips.classes[number] for number in there], descriptions)
    return SeenClips(torch.from_numpy(x), torch.from_numpy(y), labels, clips.layout, clips.name)


def _check_any(clips: Sequence | Tensor | Rows | np.ndarray) -> None:
    if not len(clips):
        raise InputError("clips", "none given", "give at least one clip")


@dataclass(frozen=True, eq=False)
class Examples:
    """Training data of a denoiser."""

    z_x: Float[Tensor, "clip token channel"]  # (N, M_x, C) features
    y: Int[Tensor, " clip"]  # (N,) index of each feature's text in text
    text: TextFeatures  # all texts, seen classes first; negatives are drawn uniformly from them


class Backbone(nn.Module, ABC):
    """A trained backbone."""

    kind: str
    lexicon: nn.Module | None  # predicts the description of a label from its name (:mod:`tdsm.backbones.lexicon`); None without one
    features: int  # C, channels of z_x
    layout: Layout | None  # skeleton layout of the training clips; None for published features
    preprocess: PreprocessConfig  # preprocessing of clips before the net
    seen: tuple[str, ...]  # names of the classes it was trained on, in order
    dataset: str  # name of the data set it was trained on
    text_encoder: TextModel  # encodes labels

    @abstractmethod
    def encode(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip channel"]:
        """z_x of one batch of preprocessed clips, (N, C)."""

    @abstractmethod
    def labels(self, labels: Sequence[Label]) -> TextFeatures:
        """Text features of K labels. The features of a label do not depend on the other labels."""

    def readings(self, labels: Sequence[Label]) -> tuple[LabelReading, ...]:
        """How each label is interpreted, and problems with its texts (:meth:`tdsm.text.TextEncoder.examine`)."""
        return self.text_encoder.examine(labels, self.lexicon is not None, aligned=self.kind == "aligned")

    def sizes(self) -> dict[str, int]:
        """Sizes of the weights that do not follow from settings, layout and classes."""
        return {}

    @torch.no_grad()
    def rows(self, x: Tensor | Rows | np.ndarray, batch: int = _BATCH) -> Float[Tensor, "clip channel"]:
        """z_x of preprocessed clips (N, M, T, V, C), on the backbone's device. Raises InputError: no clips.

        Clips are loaded in batches of ``batch``, so a memory-mapped array can be larger than the memory.
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
        """z_x of clips, (N, C). Raises InputError: no clips, a clip in another layout, or a clip without a detected body."""
        self._check(clips)
        if self.preprocess.frames == 0:  # clips differ in length, so each is a batch of its own
            return torch.cat([self.rows(torch.from_numpy(preprocess_all([clip], self.preprocess))) for clip in clips])
        return self.rows(torch.from_numpy(preprocess_all(clips, self.preprocess)))

    def usable(self, clips: Sequence[Clip]) -> tuple[Float[Tensor, "clip channel"], list[int]]:
        """z_x of the usable clips, and their indices. One warning reports the other clips, in which too few joints were detected.

        Raises:
            InputError: no usable clip, or a clip in another layout.
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
