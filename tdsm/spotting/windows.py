"""Probabilities of labels over time, in windows of a fixed length: for plots, and as the simplest baseline of spotting."""

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
    """Probabilities of K labels in W windows of a recording; all 0 for a window in which too few joints are seen.

    Args:
        recognizer: any recognizer.
        clip: the recording.
        labels: the K candidate labels.
        seconds: length of a window in seconds.
        step: time between the starts of two windows in seconds.

    Returns:
        the middle frame of each window (W,), and the probabilities (W, K), given that one of the labels is right.

    Raises:
        InputError: ``seconds`` or ``step`` is not above 0, or labels cannot be used.

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
    """Probabilities of labels in pieces (start, end) of a recording, without the frame ``end``; all 0 for a piece in which too few joints are seen."""
    recognizer.stream(labels)  # raises for labels that cannot be used, even if there is no piece
    clips = [replace(clip, joints=clip.joints[:, start:end], name=f"{clip.name}, frames {start} to {end}") for start, end in pieces]
    return sure_of(recognizer, clips, labels)[0]


def sure_of(recognizer: Recognizer, clips: Sequence[Clip], labels: Sequence[str | Label]) -> tuple[Float[np.ndarray, "clip label"], Float[np.ndarray, " clip"]]:
    """Probabilities (N, K) of K labels in N clips, and of none of the labels (N,); all 0, without a warning, for clips in which too few joints are seen."""
    given, none = np.zeros((len(clips), len(labels))), np.zeros(len(clips))
    if not any(clip.joints.any() for clip in clips):
        return given, none
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*are not usable")
        try:
            z_x, used = recognizer.usable(clips)
        except InputError:  # too few joints are seen in every clip
            return given, none
    given[used], none[used] = recognizer.probabilities(z_x, labels)
    return given, none
