"""Holding classes and clips out of training.

Nothing may be selected on unseen classes. Settings (and the gamma of :mod:`tdsm.evaluate.gzsl`) are therefore chosen on *pseudo-unseen* classes: a model is
trained on the clips of the other seen classes and tested on the pseudo-unseen ones. Their number equals the number of unseen classes of the benchmark, so
that chance is the same, but is at most half of the seen classes, so that enough classes remain for training (:func:`held_classes`).

The generalised test also needs clips of seen classes that were not used for training (:func:`holdout_clips`). Each person has an individual way of moving,
so whole subjects are held out if the subjects are known.
"""

from collections.abc import Sequence
from math import comb

import numpy as np

from tdsm.data.clips import ClipSet
from tdsm.util.errors import InputError

__all__ = ["held_classes", "holdout_clips", "pseudo_unseen", "pseudo_unseen_classes"]


def held_classes(seen: int, unseen: int) -> int:
    """Number of seen classes to hold out for a benchmark with ``unseen`` unseen classes: the same number, but at most half of the ``seen`` ones."""
    return min(unseen, seen // 2)


def pseudo_unseen(clips: ClipSet, held: int, draws: int, seed: int = 0) -> list[tuple[ClipSet, ClipSet]]:
    """(training clips, test clips) for each of several draws of ``held`` classes.

    The classes are shuffled and divided into groups of ``held``; when all groups are used they are shuffled again. No two draws are equal, classes are held
    out about equally often, and the first draws do not change when more are requested. The class order is that of ``clips``.

    Args:
        clips: clips of seen classes only. Classes without a clip are ignored.
        held: number of classes to hold out, see :func:`held_classes`.
        draws: number of draws.
        seed: seed of the shuffles.

    Raises:
        InputError: ``held`` is below 2 (a single candidate is always right) or above half of the classes, or more draws than exist.
    """
    labels = {clip.label for clip in clips}
    classes = [label for label in clips.classes if label in labels]
    pairs = []
    for out in pseudo_unseen_classes(classes, held, draws, seed, where=clips.name):
        train, test = ([label for label in classes if (label in out) == tested] for tested in (False, True))
        pairs.append((clips.of_classes(train), clips.of_classes(test)))
    return pairs


def pseudo_unseen_classes(classes: Sequence, held: int, draws: int, seed: int = 0, where: object = "classes") -> list[frozenset]:
    """The held-out classes of each of several draws, as in :func:`pseudo_unseen`.

    Args:
        classes: names or indices, in order.
        where: source named in messages.

    Raises:
        InputError: as :func:`pseudo_unseen`.
    """
    if held < 2 or held > len(classes) // 2:
        raise InputError(where, f"cannot hold out {held} of {len(classes)} classes", "hold out at least 2 and at most half of at least 4 classes")
    if not 1 <= draws <= comb(len(classes), held):
        raise InputError(where, f"cannot make {draws} different draws of {held} of {len(classes)} classes", f"give 1 to {comb(len(classes), held)}")
    rng = np.random.default_rng(seed)
    chosen: dict[frozenset[int], None] = {}
    while len(chosen) < draws:
        order = rng.permutation(len(classes)).tolist()
        for start in range(0, len(classes) - held + 1, held):
            chosen[frozenset(order[start : start + held])] = None  # a repeated draw keeps its first position
    return [frozenset(classes[index] for index in out) for out in list(chosen)[:draws]]


def holdout_clips(clips: ClipSet, share: float, seed: int = 0) -> tuple[ClipSet, ClipSet]:
    """(training clips, held-out clips); every class keeps at least one training clip.

    If every clip names its subject, ``share`` of the subjects (rounded, at least one) are held out with all their clips; a subject is skipped if a class
    would have no clip left without it. Otherwise ``share`` of the clips of each class are held out (rounded, at least one, but none of a class with a
    single clip).

    Args:
        clips: labelled clips of seen classes.
        share: above 0, below 1.
        seed: seed of the draw.

    Raises:
        InputError: a share outside these bounds, an unlabelled clip, or no clip that can be held out.
    """
    if not 0 < share < 1:
        raise InputError("share", f"is {share}", "give a number above 0 and below 1")
    y, subjects, rng = clips.y, clips.subjects, np.random.default_rng(seed)
    kept = _by_subject(y, subjects, share, rng) if (subjects != "").all() else _by_clip(y, share, rng)
    if not kept.any():
        raise InputError(clips.name, "no clip can be held out, because its class needs it for training", "give more clips per class, of more subjects")
    train, held = (tuple(clip for clip, out in zip(clips, kept, strict=True) if out == which) for which in (False, True))
    return ClipSet(train, clips.classes, clips.name), ClipSet(held, clips.classes, clips.name)


def _by_subject(y: np.ndarray, subjects: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    names = np.unique(subjects)
    kept, count = np.zeros(len(y), bool), 0
    for name in rng.permutation(names):
        if count == max(1, round(share * len(names))):
            break
        more = kept | (subjects == name)
        if set(y[~more]) == set(y):
            kept, count = more, count + 1
    return kept


def _by_clip(y: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    kept = np.zeros(len(y), bool)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        kept[rows[: min(len(rows) - 1, max(1, round(share * len(rows))))]] = True
    return kept
