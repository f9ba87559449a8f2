"""Holding classes and clips out of training.

Nothing may be selected on unseen classes, so that settings (and the gamma of :mod:`tdsm.evaluate.gzsl`) are chosen on *pseudo-unseen* classes: a model is
trained on the clips of the other seen classes and tested on them. How many to hold out: as many as the benchmark has unseen classes, so that
chance is the same, but at most half of the seen ones, so that enough are left to learn from (:func:`held_classes`).

The generalised test also needs clips of seen classes that were not trained on (:func:`holdout_clips`). People move in ways of their own, so
whole subjects are kept from training where the subjects are known.
"""

from collections.abc import Sequence
from math import comb

import numpy as np

from tdsm.data.clips import ClipSet
from tdsm.util.errors import InputError

__all__ = ["held_classes", "holdout_clips", "pseudo_unseen", "pseudo_unseen_classes"]


def held_classes(seen: int, unseen: int) -> int:
    """How many of ``seen`` classes to hold out for a benchmark with ``unseen`` unseen ones: as many as these, at most half of the seen ones."""
    return min(unseen, seen // 2)


def pseudo_unseen(clips: ClipSet, held: int, draws: int, seed: int = 0) -> list[tuple[ClipSet, ClipSet]]:
    """(clips to train on, clips to test on) for each of several draws of ``held`` classes.

    The classes are shuffled and cut into pieces of ``held``; when the pieces are used up they are shuffled anew. So no two draws are the same,
    classes are held out about equally often, and the first draws stay when more are asked for. Class order is that of ``clips``.

    Args:
        clips: clips of seen classes only. Classes without a clip take no part.
        held: how many classes to hold out, see :func:`held_classes`.
        draws: how many draws.
        seed: of the shuffles.

    Raises:
        InputError: fewer than 2 classes to test on (one candidate is always right) or to train on, or more draws than there are.
    """
    labels = {clip.label for clip in clips}
    classes = [label for label in clips.classes if label in labels]
    pairs = []
    for out in pseudo_unseen_classes(classes, held, draws, seed, where=clips.name):
        train, test = ([label for label in classes if (label in out) == tested] for tested in (False, True))
        pairs.append((clips.of_classes(train), clips.of_classes(test)))
    return pairs


def pseudo_unseen_classes(classes: Sequence, held: int, draws: int, seed: int = 0, where: object = "classes") -> list[frozenset]:
    """The classes that are held out in each of several draws, as :func:`pseudo_unseen` draws them.

    Args:
        classes: names or indices, in order.
        where: what to name in messages.

    Raises:
        InputError: as :func:`pseudo_unseen`.
    """
    if held < 2 or held > len(classes) // 2:
        raise InputError(where, f"{held} of {len(classes)} classes to hold out", "hold out 2 at least and half at most; fewer than 4 classes are too few")
    if not 1 <= draws <= comb(len(classes), held):
        raise InputError(where, f"{draws} draws of {held} of {len(classes)} classes", f"ask for 1 to {comb(len(classes), held)}")
    rng = np.random.default_rng(seed)
    chosen: dict[frozenset[int], None] = {}
    while len(chosen) < draws:
        order = rng.permutation(len(classes)).tolist()
        for start in range(0, len(classes) - held + 1, held):
            chosen[frozenset(order[start : start + held])] = None  # a set drawn before keeps its place
    return [frozenset(classes[index] for index in out) for out in list(chosen)[:draws]]


def holdout_clips(clips: ClipSet, share: float, seed: int = 0) -> tuple[ClipSet, ClipSet]:
    """(clips to train on, clips kept from training); every class keeps a clip to train on.

    Where every clip names its subject, ``share`` of the subjects (rounded, at least one) are kept from training with all their clips; a subject
    without whom a class would have none left is passed over. Elsewhere ``share`` of each class's clips are kept (rounded, at least one, and none of
    a class with a single clip).

    Args:
        clips: labelled clips of seen classes.
        share: above 0, below 1.
        seed: of the draw.

    Raises:
        InputError: a share outside these bounds, a clip without label, or no clip that may be kept.
    """
    if not 0 < share < 1:
        raise InputError("share", f"{share}", "give a number above 0 and below 1")
    y, subjects, rng = clips.y, clips.subjects, np.random.default_rng(seed)
    kept = _by_subject(y, subjects, share, rng) if (subjects != "").all() else _by_clip(y, share, rng)
    if not kept.any():
        raise InputError(clips.name, "no clip can be kept from training: every one is needed by its class", "give more clips a class, of more subjects")
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
