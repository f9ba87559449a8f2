"""How right segments of long recordings are: the four measures of the field.

A :class:`Segment` is half open: the frames from ``start`` up to, but without, ``end``. What no segment covers is background; it is no class here, and
nobody is rewarded for finding it, except in the frame accuracy.

mAP@t           every found segment may be right for one true segment of its label and recording that it overlaps by t or more (intersection over union), the
                most confident first; the area under precision (made monotonous) over recall, mean over the labels that occur.
F1@t            every found segment, in order of time, is held against the true segment of its label that it overlaps most; it is right if that overlap is t or
                more and no found segment before it was right for the same one. All labels together; harmonic mean of precision and recall.
edit score      1 minus the edit distance between the two sequences of labels (without background), over the longer of the two.
frame accuracy  share of frames whose label, background among them, is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from tdsm.util.errors import InputError

__all__ = ["Segment", "average_precision", "edit_score", "f1_score", "frame_accuracy", "mean_average_precision"]

BACKGROUND = -1


@dataclass(frozen=True, order=True)
class Segment:
    """Frames ``start`` to ``end`` (not among them) of a recording.

    Attributes:
        start, end: frames, 0 <= start < end.
        label: name of the action.
        score: confidence, of found ones; the larger the surer.
        margin: by how much the score is larger than that of the second label, of found ones.

    Raises:
        InputError: it is empty, or begins before the recording.
    """

    start: int
    end: int
    label: str
    score: float = 1.0
    margin: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InputError("segment", f"{self.label!r} runs from frame {self.start} to {self.end}", "give 0 <= start < end")


Segments = Sequence[Segment]


def overlap(one: Segment, other: Segment) -> float:
    """Intersection over union of the frames of two segments.

    >>> overlap(Segment(0, 10, "wave"), Segment(5, 20, "wave"))
    0.25
    """
    both = min(one.end, other.end) - max(one.start, other.start)
    return max(0, both) / (one.end - one.start + other.end - other.start - max(0, both))


def average_precision(found: Sequence[Segments], true: Sequence[Segments], label: str, least: float) -> float:
    """Average precision of one label over recordings; segments of equal score are taken as one step, those that overlap most first.

    Args:
        found, true: segments of each recording.
        least: overlap from which on a found segment is right.

    Raises:
        InputError: other numbers of recordings, or a label that is nowhere true.
    """
    _same_recordings(found, true)
    wanted = [[segment for segment in each if segment.label == label] for each in true]
    count = sum(map(len, wanted))
    if not count:
        raise InputError("label", f"{label!r} is in no recording", "give a label that occurs")
    claims = [(segment, recording) for recording, each in enumerate(found) for segment in each if segment.label == label]
    claims.sort(key=lambda claim: (-claim[0].score, -_nearest(claim[0], wanted[claim[1]])[1]))
    left = [list(each) for each in wanted]
    right = [_taken(segment, left[recording], least) for segment, recording in claims]
    scores = np.array([segment.score for segment, _ in claims])
    hits, steps = np.cumsum(right), np.flatnonzero(np.diff(scores, append=-np.inf))  # the last of each run of equal scores
    recall, precision = hits[steps] / count, hits[steps] / (steps + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def mean_average_precision(found: Sequence[Segments], true: Sequence[Segments], least: float | Sequence[float] = 0.5) -> float:
    """Mean over the labels that occur, and over overlaps if several are given; 0 to 1.

    >>> true = [[Segment(0, 10, "wave"), Segment(20, 30, "squat")]]
    >>> mean_average_precision([[Segment(0, 9, "wave", 0.8)]], true)
    0.5
    """
    levels = [least] if isinstance(least, int | float) else list(least)
    labels = sorted({segment.label for each in true for segment in each})
    if not labels:
        raise InputError("true", "holds no segment", "give recordings in which something happens")
    return float(np.mean([average_precision(found, true, label, level) for label in labels for level in levels]))


def f1_score(found: Sequence[Segments], true: Sequence[Segments], least: float) -> float:
    """F1@least over all recordings and labels; 0 where nothing is found."""
    _same_recordings(found, true)
    right = 0
    for claims, wanted in zip(found, true, strict=True):
        hit = {best for best, much in (_nearest(segment, wanted) for segment in sorted(claims)) if much >= least}
        right += len(hit)
    both = sum(map(len, found)) + sum(map(len, true))
    return 2 * right / both if both else 1.0


def edit_score(found: Sequence[Segments], true: Sequence[Segments]) -> float:
    """Mean over recordings; two empty sequences are equal."""
    _same_recordings(found, true)
    return float(np.mean([_edit(*([segment.label for segment in sorted(each)] for each in pair)) for pair in zip(found, true, strict=True)]))


def frame_accuracy(found: Sequence[Segments], true: Sequence[Segments], frames: Sequence[int]) -> float:
    """Share of right frames over all recordings, which have ``frames`` frames each; where found segments overlap, the most confident counts."""
    _same_recordings(found, true)
    names = sorted({segment.label for each in (*found, *true) for segment in each})
    lines = [[_line(each, names, count) for each, count in zip(side, frames, strict=True)] for side in (found, true)]
    return float((np.concatenate(lines[0]) == np.concatenate(lines[1])).mean())


def _taken(segment: Segment, left: list[Segment], least: float) -> bool:
    """Whether a true segment of its label is left that it overlaps enough; the one that it overlaps most is taken away."""
    best, much = _nearest(segment, left)
    if much < least:
        return False
    left.remove(best)
    return True


def _nearest(segment: Segment, true: Segments) -> tuple[Segment | None, float]:
    """The true segment of its label that it overlaps most, the first of equals, and by how much; overlap -1 where there is none."""
    best = max((other for other in true if other.label == segment.label), key=lambda other: overlap(segment, other), default=None)
    return best, -1.0 if best is None else overlap(segment, best)


def _edit(one: Sequence[str], other: Sequence[str]) -> float:
    distance = np.arange(len(other) + 1)
    for row, label in enumerate(one, 1):
        before, distance = distance, np.empty_like(distance)
        distance[0] = row
        for column, against in enumerate(other, 1):
            distance[column] = min(before[column] + 1, distance[column - 1] + 1, before[column - 1] + (label != against))
    return 1 - distance[-1] / max(len(one), len(other), 1)


def _line(segments: Segments, names: Sequence[str], frames: int) -> Int[np.ndarray, " frame"]:
    line = np.full(frames, BACKGROUND)
    for segment in sorted(segments, key=lambda segment: segment.score):
        line[segment.start : segment.end] = names.index(segment.label)
    return line


def _same_recordings(found: Sequence, true: Sequence) -> None:
    if len(found) != len(true) or not true:
        raise InputError(
            "segments", f"of {len(found)} recordings, where {len(true)} are true", "give the segments of each recording, and one recording at least"
        )
