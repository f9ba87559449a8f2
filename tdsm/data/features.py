"""z_x: the features of a frozen skeleton encoder, and the form in which they reach the matcher.

Features that were extracted here and features that were downloaded (:mod:`tdsm.catalogue.feature_files`) are both stored in a :class:`FeatureSet`: training
clips of the seen classes, test clips of the unseen classes, and, for the generalised test, clips of all classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from tdsm.util.errors import InputError

__all__ = ["FeatureSet", "clean_features", "clean_labels", "made_up"]


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of one zero-shot split, for training and testing a matcher.

    Every z is (N, C), or (N, M_x, C) with M_x tokens per clip, and is converted to float32. Every y is (N,), the class index from 0 in the data set's own
    order (never renumbered), and is converted to int64.

    Attributes:
        z_train, y_train: seen classes, training part.
        z_unseen, y_unseen: unseen classes, test part: the zero-shot test.
        z_all, y_all: all classes, test part: the generalised test; None if not available.
        classes: number of classes of the data set.
        encoder_seen: names of the classes that the encoder was trained on; None if unknown, as in published files.
        dataset: name of the data set, "" if unknown.
        class_names: names of all classes, in order; () if unknown.
        name: name of the set in messages, usually its file.

    Raises:
        InputError: a part that is empty or has another shape; NaN; labels that are not class indices; a class that is both seen and unseen; a
            generalised test without an unseen class, or with a class of neither part.
    """

    z_train: np.ndarray
    y_train: np.ndarray
    z_unseen: np.ndarray
    y_unseen: np.ndarray
    z_all: np.ndarray | None
    y_all: np.ndarray | None
    classes: int
    encoder_seen: tuple[str, ...] | None = None
    dataset: str = ""
    class_names: tuple[str, ...] = ()
    name: str = "features"

    def __post_init__(self) -> None:
        if (self.z_all is None) != (self.y_all is None):
            raise InputError(self.name, "only one of z_all and y_all is given", "give both or neither")
        parts = ("train", "unseen") if self.z_all is None else ("train", "unseen", "all")
        for part in parts:
            z = clean_features(f"{self.name}: z_{part}", getattr(self, f"z_{part}"))
            y = clean_labels(f"{self.name}: y_{part}", getattr(self, f"y_{part}"), len(z))
            if y.max() >= self.classes or y.min() < 0:
                wrong = y.max() if y.max() >= self.classes else y.min()
                raise InputError(
                    f"{self.name}: y_{part}", f"contains label {wrong}, but there are {self.classes} classes", f"give indices from 0 to {self.classes - 1}"
                )
            if z.shape[1:] != self.z_train.shape[1:]:
                raise InputError(f"{self.name}: z_{part}", f"shape {z.shape[1:]} per clip, z_train has {self.z_train.shape[1:]}", "use one encoder")
            object.__setattr__(self, f"z_{part}", z)
            object.__setattr__(self, f"y_{part}", y)
        seen, unseen = set(self.seen), set(self.unseen)
        if seen & unseen:
            raise InputError(self.name, f"class {min(seen & unseen)} is both seen and unseen", "give disjoint classes for a zero-shot test")
        if self.y_all is not None:
            both = set(np.unique(self.y_all).tolist())
            if not unseen <= both:
                raise InputError(self.name, f"unseen class {min(unseen - both)} is not in the test of all classes", "give parts of the same split")
            if not both <= seen | unseen:
                wrong = min(both - seen - unseen)
                raise InputError(self.name, f"class {wrong} of the test of all classes is neither seen nor unseen", "give parts of the same split")
        if self.class_names and len(set(self.class_names)) != self.classes:
            raise InputError(self.name, f"{len(set(self.class_names))} class names for {self.classes} classes", "give one unique name per class")
        if self.encoder_seen is not None and not self.class_names:
            raise InputError(self.name, "has encoder_seen but no class_names", "give class_names")

    @property
    def seen(self) -> tuple[int, ...]:
        """Indices of the seen classes, in order."""
        return tuple(np.unique(self.y_train).tolist())

    @property
    def unseen(self) -> tuple[int, ...]:
        """Indices of the unseen classes, in order."""
        return tuple(np.unique(self.y_unseen).tolist())

    def __repr__(self) -> str:
        generalised = "" if self.y_all is None else f", {len(self.y_all)} clips of all classes"
        trained = f"trains on {len(self.y_train)} clips of {len(self.seen)} classes"
        return f"FeatureSet({self.name!r}: {trained}, tests on {len(self.y_unseen)} of {len(self.unseen)} unseen ones{generalised}; {self.z_train.shape[-1]}-d)"


def made_up(classes: int, unseen: Sequence[int], clips: int = 20, channels: int = 256, seed: int = 0) -> FeatureSet:
    """Features of nobody, to try a pipeline without a download: normal noise around a random centre for each class. A score on them means nothing.

    Args:
        classes: of the data set.
        unseen: indices of the unseen ones.
        clips: for training, of each seen class; half as many of each unseen class, and a quarter of each class for the generalised test.

    Raises:
        InputError: what FeatureSet refuses.

    Example:
        >>> made_up(6, [4, 5], clips=8)
        FeatureSet('made up': trains on 32 clips of 4 classes, tests on 8 of 2 unseen ones, 12 clips of all classes; 256-d)
    """
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(classes, channels))
    parts = []
    for those, each in ((sorted(set(range(classes)) - set(unseen)), clips), (sorted(unseen), clips // 2), (range(classes), clips // 4)):
        y = np.repeat(np.array(those, int), each)
        parts += [(centres[y] + draw.normal(size=(len(y), channels))).astype(np.float32), y]
    return FeatureSet(*parts, classes, name="made up")


def clean_features(where: object, z: np.ndarray) -> Float[np.ndarray, "clip *tokens channel"]:
    """Features as float32. Raises InputError: not floating point, not (N, C) or (N, M_x, C), empty, NaN or infinite (also after conversion to float32)."""
    if z.dtype.kind != "f" or z.ndim not in (2, 3) or 0 in z.shape:
        raise InputError(where, f"shape {z.shape} of {z.dtype}", "give floating point numbers (clips, channels) or (clips, tokens, channels), none of them 0")
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite and is refused
        z = np.ascontiguousarray(z, dtype=np.float32)
    bad = ~np.isfinite(z).reshape(len(z), -1).all(axis=1)
    if bad.any():
        raise InputError(where, f"NaN or infinite in {bad.sum()} of {len(z)} rows, first in row {bad.argmax()}", "extract the features again")
    return z


def clean_labels(where: object, y: np.ndarray, clips: int) -> Int[np.ndarray, " clip"]:
    """Labels (N,) or (N, 1), also as floating point numbers, as an int64 vector. Raises InputError: not one whole number per clip."""
    if y.dtype.kind not in "iuf" or y.shape not in ((clips,), (clips, 1)):
        raise InputError(where, f"shape {y.shape} of {y.dtype} for {clips} clips", "give one class index per clip")
    y = y.reshape(-1)
    whole = (y == np.floor(y)) & (np.abs(y.astype(np.float64)) < 2**31)
    if not whole.all():
        raise InputError(where, f"label {y[~whole][0]} in row {(~whole).argmax()}", "give whole numbers, class indices from 0")
    return y.astype(np.int64)
