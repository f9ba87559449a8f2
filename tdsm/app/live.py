"""Live recognition for ``tdsm live``: frames in, one JSON line per frame; answers out, one JSON line per action.

A line is one frame. It is ``{"t": 12.4, "landmarks": [[x, y, z, visibility], ...]}`` with the 33 world landmarks of MediaPipe in metres, which are read as in
files (:mod:`tdsm.data.readers.mediapipe`), or ``{"t": 12.4, "joints": [[x, y, z], ...]}`` in the order of a layout, with null for an unseen joint. An empty or
null list is a frame without a person. ``t`` is the time in seconds of any clock. It may be omitted if the frames per second are given and no frame is missing.

Frames are placed on a grid of equal time steps. A late frame leaves a gap, in which the last pose is held for up to half a second; after that the person is
absent. After :data:`PAUSE` seconds without a frame, recognition starts again from the beginning. Only the frames that are still needed are kept, so the process
can run for days.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import numpy as np

from tdsm.data.labels import Label, as_labels, merged
from tdsm.data.layouts import MEDIAPIPE_33, Layout, as_layout
from tdsm.data.prompts import Descriptions
from tdsm.data.readers import mediapipe
from tdsm.data.readers.parsing import numbers, parse_json
from tdsm.recognizer import Recognizer
from tdsm.spotting.measures import Segment
from tdsm.spotting.spot import SpotConfig, Spotter
from tdsm.util.errors import InputError

__all__ = ["PAUSE", "Camera", "answer_lines"]

PAUSE = 10.0
"""Seconds without a frame after which the current action is ended."""

_HELD = 0.5  # seconds for which the last pose is held in a gap
_FIRST = 30  # frames from which the frame rate is computed
_LONGEST = 1_000_000  # bytes per line
_BAD = 20  # unreadable lines at the beginning after which reading stops
_FORM = 'give {"t": seconds, "landmarks": [[x, y, z, visibility], ...]}'


class Camera:
    """Find actions in frames that arrive in order of time, with gaps and an uneven rate.

    Args:
        recognizer: any recognizer; :func:`tdsm.pretrained` has calibrated probabilities.
        labels: names of the actions to find.
        layout: skeleton layout of ``joints``; ``landmarks`` need mediapipe-33.
        fps: frames per second of the grid. None computes it from the median time step of the first 30 frames.
        config, descriptions: see :class:`tdsm.spotting.spot.Spotter`.

    Example:
        >>> import tdsm
        >>> from tdsm.data.examples import example_clips
        >>> clip = example_clips()[1]
        >>> camera = Camera(tdsm.pretrained(), ["jump straight up", "walk"], clip.layout)
        >>> found = [answer for number, pose in enumerate(clip.joints[0]) for answer in camera.push(pose, number / 30)] + camera.finish()
        >>> [answer["label"] for answer in found]
        ['jump straight up']

    Raises:
        InputError: labels that cannot be used, or an unknown layout.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        labels: Sequence[str | Label],
        layout: str | Layout = MEDIAPIPE_33,
        fps: float | None = None,
        config: SpotConfig | None = None,
        *,
        descriptions: Descriptions | None = None,
    ) -> None:
        self.layout, self.fps = as_layout(layout), None if fps is None else float(fps)
        self._make = lambda fps: Spotter(recognizer, self.labels, self.layout, fps, config)
        self.labels = as_labels(labels, merged(recognizer.descriptions, descriptions or {}))
        self._spotter = None if self.fps is None else self._make(self.fps)
        self._waiting: list[tuple[np.ndarray, float]] = []  # frames that arrive before fps is known
        self._times: list[float] = []  # times of the first frames
        self._zero = 0.0  # time of frame 0 of the spotter
        self._last: tuple[int, float, np.ndarray] | None = None  # number, time and pose of the previous frame
        self._shown = 0  # number of the last frame with a person

    def push(self, pose: np.ndarray, time: float | None = None) -> list[dict[str, object]]:
        """Add one frame and return the actions that have ended.

        Args:
            pose: (V, C); NaN for an unseen joint, all zeros for an absent person.
            time: time in seconds; None: one step after the previous frame.

        Returns:
            one dict per action with ``start`` and ``end`` (seconds, on the clock of ``time``), ``label``, ``probability`` and ``margin``.

        Raises:
            InputError: a pose of another layout, a time that does not increase, or neither a time nor the frames per second.
        """
        pose = np.asarray(pose, np.float32)
        if pose.shape != (len(self.layout), self.layout.dims):
            what = f"is of shape {pose.shape}, {self.layout.name} has {len(self.layout)} joints of {self.layout.dims} coordinates"
            raise InputError("frame", what, "give all joints, in the order of the layout")
        before = self._waiting[-1][1] if self._waiting else None if self._last is None else self._last[1]
        if time is None:
            if self._spotter is None or self.fps is None:
                raise InputError("frame", "has no time, and the frames per second are not known", 'give "t" in seconds, or --fps')
            time = 0.0 if before is None else before + 1 / self.fps
        if not np.isfinite(time) or (before is not None and time <= before):
            raise InputError("frame", f"t is {time}, not after {before}, the t of the previous frame", "give times in seconds that increase")
        self._times = [*self._times, time][: _FIRST + 1]
        if len(self._times) == _FIRST:
            self._step()
        if self._spotter is not None:
            return self._placed(pose, time)
        self._waiting.append((pose, time))
        return self._begin() if len(self._waiting) == _FIRST else []

    def finish(self) -> list[dict[str, object]]:
        """End the stream, or the part before a long pause, and return the actions that had not ended yet."""
        found = self._begin() if len(self._waiting) > 1 else []
        found += self._answers(self._spotter.finish()) if self._spotter is not None and self._last is not None else []
        self._waiting, self._last = [], None
        if self._spotter is not None:
            self._spotter = self._make(self.fps)
        return found

    def _step(self) -> float:
        """Median time step of the first frames, in seconds. Raises InputError: it is not between 0.001 and 1 s."""
        step = float(np.median(np.diff(self._times)))
        if not 1e-3 <= step <= 1:
            self._times, self._waiting = [], []
            raise InputError("frames", f"are {step:.4g} s apart by their t", "give t in seconds, with at least one frame per second")
        return step

    def _begin(self) -> list[dict[str, object]]:
        """Set the frame rate from the first frames, and process these frames."""
        self.fps = 1 / self._step()
        self._spotter = self._make(self.fps)
        waiting, self._waiting = self._waiting, []
        return [answer for pose, time in waiting for answer in self._placed(pose, time)]

    def _placed(self, pose: np.ndarray, time: float) -> list[dict[str, object]]:
        """Pass the frame to the spotter at its place on the grid, after frames that fill the gap before it."""
        if self._last is not None and time - self._last[1] > PAUSE:
            return self.finish() + self._placed(pose, time)
        if self._last is None:
            self._zero, self._shown = time, 0
        number = round((time - self._zero) * self.fps)
        new = [pose]
        if self._last is not None:
            missing = max(0, number - self._last[0] - 1)
            held = min(missing, max(0, round(self._shown + _HELD * self.fps) - self._last[0]))
            new = [*[self._last[2]] * held, *[np.zeros_like(pose)] * (missing - held), *([pose] if number > self._last[0] else [])]
            number = max(number, self._last[0])
        self._last = number, time, pose
        if pose.any():
            self._shown = number
        return self._answers(self._spotter.push(np.stack(new))) if new else []

    def _answers(self, found: Sequence[Segment]) -> list[dict[str, object]]:
        return [
            {
                "start": round(self._zero + each.start / self.fps, 3),
                "end": round(self._zero + each.end / self.fps, 3),
                "label": each.label,
                "probability": round(each.score, 4),
                "margin": round(each.margin, 4),
            }
            for each in found
        ]


def answer_lines(camera: Camera, stream: BinaryIO, complain: Callable[[str], None]) -> Iterator[str]:
    """One JSON line per action, as soon as the action has ended.

    Args:
        camera: camera that receives the frames.
        stream: JSON lines in UTF-8, one per frame; empty lines are skipped.
        complain: function that is called with a message for each line that cannot be read; the message contains the line number. The frame is skipped.

    Raises:
        InputError: none of the first 20 lines can be read, or their times are not in seconds.
    """
    read = bad = 0
    for number, line in _lines(stream):
        try:
            pose, time = _frame(line, camera.layout, f"line {number}")
            found = camera.push(pose, time)
            read += 1
        except InputError as error:
            bad += 1
            if str(error).startswith("frames:"):
                raise
            words = str(error).replace("frame:", f"line {number}:", 1) if str(error).startswith("frame:") else str(error)
            if not read and bad == _BAD:
                raise InputError("stdin", f"none of the first {_BAD} lines is a frame ({words.partition(';')[0]})", _FORM) from error
            complain(words)
            continue
        yield from map(_as_json, found)
    yield from map(_as_json, camera.finish())


def _as_json(answer: dict[str, object]) -> str:
    return json.dumps(answer, ensure_ascii=False)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Non-empty lines with their numbers; a line that is too long is truncated. Ctrl+C ends them in the same way as the end of the stream."""
    for number in itertools.count(1):
        try:
            line = rest = stream.readline(_LONGEST)
            while len(rest) == _LONGEST and not rest.endswith(b"\n"):
                rest = stream.readline(_LONGEST)
        except KeyboardInterrupt:
            return
        if not line:
            return
        if line.strip():
            yield number, line


def _frame(line: bytes, layout: Layout, where: str) -> tuple[np.ndarray, float | None]:
    """Pose (V, C) and time of a line."""
    value = parse_json(line, where, _FORM)
    if not isinstance(value, dict) or not {"landmarks", "joints"} & value.keys():
        raise InputError(where, "has neither landmarks nor joints", _FORM)
    time = value.get("t")
    if time is not None and (isinstance(time, bool) or not isinstance(time, int | float) or not abs(time) < 1e12):
        raise InputError(where, f"t is {time!r:.40}", "give seconds, a number")
    pose = np.zeros((len(layout), layout.dims), np.float32)
    if "joints" in value:
        joints = value["joints"]
        return pose if not joints else _joints(joints, layout, where), time
    if layout != MEDIAPIPE_33:
        raise InputError(where, f"has landmarks, whose layout is mediapipe-33, not {layout.name}", "omit --layout, or give joints")
    film = mediapipe.frames([value["landmarks"] or []], where)
    if film.layout != layout:
        raise InputError(where, "holds image landmarks, not world landmarks in metres", "give pose_world_landmarks")
    people = [each for frame in film.frames.values() for each in frame]
    return people[0].joints if people else pose, time


def _joints(joints: object, layout: Layout, where: str) -> np.ndarray:
    if not isinstance(joints, list) or len(joints) != len(layout):
        raise InputError(where, f"has {len(joints) if isinstance(joints, list) else 'no list of'} joints, {layout.name} has {len(layout)}", "give all joints")
    lost = [None] * layout.dims
    rows = [lost if joint is None else joint for joint in joints]
    if not all(isinstance(row, list) and len(row) == layout.dims for row in rows):
        raise InputError(where, f"has a joint without {layout.dims} coordinates", "give each joint as a list of coordinates, or null")
    return numbers([number for row in rows for number in row], layout.dims, "joints", where).astype(np.float32)
