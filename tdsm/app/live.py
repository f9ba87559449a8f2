"""Frames as they come in, one JSON line each, to answers, one JSON line each; what ``tdsm live`` does between its two ends.

A line is one frame: ``{"t": 12.4, "landmarks": [[x, y, z, visibility], ...]}`` with the 33 world landmarks of MediaPipe (metres), read as those in files are
(:mod:`tdsm.data.readers.mediapipe`), or ``{"t": 12.4, "joints": [[x, y, z], ...]}`` in the order of a layout, null for a joint that was not seen. A list that
is empty or null is a frame with nobody. ``t`` are seconds by any clock; it may be left out where the frames a second are given and no frame is missing.

Frames are put on a grid of equal steps: one that comes late leaves a gap, in which the body is held for up to half a second and then absent. After
:data:`PAUSE` seconds without a frame everything begins anew. Nothing is kept that is not needed, so that it may run for days.
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
"""Seconds without a frame after which what was going on is over."""

_HELD = 0.5  # seconds for which a body is held that no frame shows
_FIRST = 30  # frames that tell how many come in a second
_LONGEST = 1_000_000  # bytes of a line
_BAD = 20  # lines at the beginning of which none can be read
_FORM = 'give {"t": seconds, "landmarks": [[x, y, z, visibility], ...]}'


class Camera:
    """Takes frames in order of time, with gaps and an uneven rate, and gives the actions that are over.

    Args:
        recognizer: any; :func:`tdsm.pretrained` gives calibrated probabilities.
        labels: what to look for.
        layout: of ``joints``; ``landmarks`` need mediapipe-33.
        fps: frames a second of the grid; None: that of the first 30 frames (their median step).
        config, descriptions: as of :class:`tdsm.spotting.spot.Spotter`.

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
        self._waiting: list[tuple[np.ndarray, float]] = []  # frames that come before fps is known
        self._times: list[float] = []  # of the first frames
        self._zero = 0.0  # time of frame 0 of the spotter
        self._last: tuple[int, float, np.ndarray] | None = None  # number, time and pose of the frame before
        self._shown = 0  # number of the last frame with somebody

    def push(self, pose: np.ndarray, time: float | None = None) -> list[dict[str, object]]:
        """Take one frame and return the actions that are over.

        Args:
            pose: (V, C); NaN for a joint that was not seen, zeros for nobody.
            time: in seconds; None: one step after the frame before.

        Returns:
            ``start`` and ``end`` in the seconds of ``time``, ``label``, ``probability`` and ``margin`` of each.

        Raises:
            InputError: a pose of another layout, a time that does not rise, or none and no frames a second either.
        """
        pose = np.asarray(pose, np.float32)
        if pose.shape != (len(self.layout), self.layout.dims):
            what = f"is of shape {pose.shape}, {self.layout.name} has {len(self.layout)} joints of {self.layout.dims} coordinates"
            raise InputError("frame", what, "give all joints, in the order of the layout")
        before = self._waiting[-1][1] if self._waiting else None if self._last is None else self._last[1]
        if time is None:
            if self._spotter is None or self.fps is None:
                raise InputError("frame", "has no time, and the frames a second are not known", 'give "t" in seconds, or --fps')
            time = 0.0 if before is None else before + 1 / self.fps
        if not np.isfinite(time) or (before is not None and time <= before):
            raise InputError("frame", f"t is {time}, not after {before}, that of the frame before", "give seconds that rise")
        self._times = [*self._times, time][: _FIRST + 1]
        if len(self._times) == _FIRST:
            self._step()
        if self._spotter is not None:
            return self._placed(pose, time)
        self._waiting.append((pose, time))
        return self._begin() if len(self._waiting) == _FIRST else []

    def finish(self) -> list[dict[str, object]]:
        """The actions that were not over yet; no frame comes any more, or none for a long time."""
        found = self._begin() if len(self._waiting) > 1 else []
        found += self._told(self._spotter.finish()) if self._spotter is not None and self._last is not None else []
        self._waiting, self._last = [], None
        if self._spotter is not None:
            self._spotter = self._make(self.fps)
        return found

    def _step(self) -> float:
        """Seconds between two of the first frames, the median. Raises InputError: it is none that seconds between frames can have."""
        step = float(np.median(np.diff(self._times)))
        if not 1e-3 <= step <= 1:
            self._times, self._waiting = [], []
            raise InputError("frames", f"come every {step:.4g} s by their t", "give t in seconds, of a frame a second at least")
        return step

    def _begin(self) -> list[dict[str, object]]:
        """The frames a second are those of the frames that came."""
        self.fps = 1 / self._step()
        self._spotter = self._make(self.fps)
        waiting, self._waiting = self._waiting, []
        return [answer for pose, time in waiting for answer in self._placed(pose, time)]

    def _placed(self, pose: np.ndarray, time: float) -> list[dict[str, object]]:
        """Hand the frame to the spotter at its place on the grid, after what fills the gap before it."""
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
        return self._told(self._spotter.push(np.stack(new))) if new else []

    def _told(self, found: Sequence[Segment]) -> list[dict[str, object]]:
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
    """One JSON line for each action, as soon as it is over.

    Args:
        camera: takes the frames.
        stream: JSON lines in UTF-8, one a frame; empty lines are passed over.
        complain: is called with one line that names the line's number, for each that cannot be read; such a frame is left out.

    Raises:
        InputError: none of the first 20 lines can be read, or their times are no seconds.
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
    """Lines that are not empty with their numbers; of one that is too long, its beginning. Ctrl+C ends them as the end of the stream does."""
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
        raise InputError(where, f"has landmarks, which are of the layout mediapipe-33, not {layout.name}", "leave --layout out, or give joints")
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
