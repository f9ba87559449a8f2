"""Four standard measures of temporal action segmentation and detection.

A :class:`Segment` is half open: it contains the frames from ``start`` up to, but not including, ``end``. Frames that no segment covers are background.
Background is not a class and counts only in the frame accuracy.

mAP@t           Found segments are processed in order of confidence. A found segment is right if it overlaps a true segment of its label and recording by t or
                more (intersection over union) that is not yet matched. Area under the monotone precision over recall, mean over the labels that occur.
F1@t            Each found segment, in order of time, is compared with the true segment of its label that it overlaps most. It is right if that overlap is t or
                more and no earlier found segment matched the same true segment. Harmonic mean of precision and recall over all labels together.
edit score      1 minus the edit distance between the two sequences of labels (without background), divided by the length of the longer sequence.
frame accuracy  Share of frames with the right label, where background counts as a label.
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
    """The frames from ``start`` up to, but not including, ``end`` of a recording.

    Attributes:
        start, end: frame numbers, 0 <= start < end.
        label: name of the action.
        score: confidence of a found segment; higher is more confident.
        margin: difference between the score and the score of the second label, for a found segment.

    Raises:
        InputError: the segment is empty, or begins before the recording.
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
    """Average precision of one label over recordings, 0 to 1. Segments of equal score form one step, in which those with the largest overlap come first.

    Args:
        found, true: found and true segments of each recording.
        label: the label to measure.
        least: smallest overlap (intersection over union) with which a found segment is right.

    Raises:
        InputError: different numbers of recordings, or a label that is in no recording.
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
    """Mean of :func:`average_precision` over the labels that occur, and over the overlaps in ``least`` if several are given; 0 to 1.

    >>> true = [[Segment(0, 10, "wave"), Segment(20, 30, "squat")]]
    >>> mean_average_precision([[Segment(0, 9, "wave", 0.8)]], true)
    0.5
    """
    levels = [least] if isinstance(least, int | float) else list(least)
    labels = sorted({segment.label for each in true for segment in each})
    if not labels:
        raise InputError("true", "holds no segment", "give recordings with at least one segment")
    return float(np.mean([average_precision(found, true, label, level) for label in labels for level in levels]))


def f1_score(found: Sequence[Segments], true: Sequence[Segments], least: float) -> float:
    """F1@least over all recordings and labels, 0 to 1. It is 0 if nothing is found, and 1 if there is also nothing to find."""
    _same_recordings(found, true)
    right = 0
    for claims, wanted in zip(found, true, strict=True):
        hit = {best for best, much in (_nearest(segment, wanted) for segment in sorted(claims)) if much >= least}
        right += len(hit)
    both = sum(map(len, found)) + sum(map(len, true))
    return 2 * right / both if both else 1.0


def edit_score(found: Sequence[Segments], true: Sequence[Segments]) -> float:
    """Mean edit score over recordings, 0 to 1; two empty sequences count as equal."""
    _same_recordings(found, true)
    return float(np.mean([_edit(*([segment.label for segment in sorted(each)] for each in pair)) for pair in zip(found, true, strict=True)]))


def frame_accuracy(found: Sequence[Segments], true: Sequence[Segments], frames: Sequence[int]) -> float:
    """Share of frames with the right label over all recordings, 0 to 1. Where found segments overlap, the most confident one counts.

    ``frames``: number of frames of each recording.
    """
    _same_recordings(found, true)
    names = sorted({segment.label for each in (*found, *true) for segment in each})
    lines = [[_line(each, names, count) for each, count in zip(side, frames, strict=True)] for side in (found, true)]
    return float((np.concatenate(lines[0]) == np.concatenate(lines[1])).mean())


def _taken(segment: Segment, left: list[Segment], least: float) -> bool:
    """Whether an unmatched true segment of the same label overlaps enough; the one with the largest overlap is then removed from ``left``."""
    best, much = _nearest(segment, left)
    if much < least:
        return False
    left.remove(best)
    return True


def _nearest(segment: Segment, true: Segments) -> tuple[Segment | None, float]:
    """The true segment of the same label with the largest overlap (the first of equals), and that overlap; (None, -1) if there is none."""
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
        raise InputError("segments", f"found for {len(found)} recordings, true for {len(true)}", "give both for the same recordings, at least one")
