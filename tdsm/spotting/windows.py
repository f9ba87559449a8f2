"""Probabilities of labels over time, by windows of one length: curves to look at, and the plainest way to spot, to compare with."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from tdsm.data.clips import Clip
from tdsm.data.labels import Label
from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError

__all__ = ["probabilities_of", "probabilities_over_time", "sure_of"]


def probabilities_over_time(
    recognizer: Recognizer, clip: Clip, labels: Sequence[str | Label], seconds: float = 2.0, step: float = 0.5
) -> tuple[Int[np.ndarray, " window"], Float[np.ndarray, "window label"]]:
    """Probabilities of K labels in windows of a recording; all 0 for a window in which too little of anybody is seen.

    Args:
        seconds: length of a window.
        step: between the beginnings of two windows.

    Returns the middle frame of each window (W,), and the probabilities (W, K), given that one of the labels is right.

    Raises:
        InputError: lengths that are not above 0, or labels that cannot be used.

    Example:
        >>> import tdsm
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> frames, given = probabilities_over_time(tdsm.pretrained(), synthetic_clips(1, actions=["bow"])[0], ["bow", "jump"], 1.0)
        >>> given.shape == (len(frames), 2)
        True
    """
    if not (0 < seconds < float("inf") and 0 < step < float("inf")):
        raise InputError("windows", f"seconds is {seconds}, step {step}", "give numbers above 0")
    length, step = max(1, round(seconds * clip.fps)), max(1, round(step * clip.fps))
    starts = range(0, max(1, clip.frames - length + step), step)
    ends = [min(start + length, clip.frames) for start in starts]
    middles = np.array([(start + end) // 2 for start, end in zip(starts, ends, strict=True)])
    return middles, probabilities_of(recognizer, clip, list(zip(starts, ends, strict=True)), labels)


def probabilities_of(recognizer: Recognizer, clip: Clip, pieces: Sequence[tuple[int, int]], labels: Sequence[str | Label]) -> Float[np.ndarray, "piece label"]:
    """Probabilities of labels in pieces of a recording, (first frame, frame behind the last); all 0 where too little of anybody is seen."""
    recognizer.stream(labels)  # refuses labels that cannot be used, also where there is no piece
    clips = [replace(clip, joints=clip.joints[:, start:end], name=f"{clip.name}, frames {start} to {end}") for start, end in pieces]
    return sure_of(recognizer, clips, labels)[0]


def sure_of(recognizer: Recognizer, clips: Sequence[Clip], labels: Sequence[str | Label]) -> tuple[Float[np.ndarray, "clip label"], Float[np.ndarray, " clip"]]:
    """Probabilities of K labels in N clips, (N, K), and of none of them, (N,); all 0 where too little of anybody is seen, without a warning."""
    given, none = np.zeros((len(clips), len(labels))), np.zeros(len(clips))
    if not any(clip.joints.any() for clip in clips):
        return given, none
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*are not usable")
        try:
            z_x, used = recognizer.usable(clips)
        except InputError:  # too little of anybody in all of them
            return given, none
    given[used], none[used] = recognizer.probabilities(z_x, labels)
    return given, none
