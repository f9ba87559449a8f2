"""Landmarks of MediaPipe's pose models, in the JSON and CSV forms in which users save them.

MediaPipe (0.8 to 0.10; https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker) writes no files. The following forms are read:

JSON: a list of frames (or such a list under ``frames`` or another name). A frame is 33 landmarks, each ``{"x", "y", "z", "visibility"}`` or
``[x, y, z, visibility]``; or a list of people with 33 landmarks each; or a dictionary that has them under ``pose_world_landmarks``, ``world_landmarks``,
``pose_landmarks``, ``landmarks`` or ``landmark`` (also in camel case; world landmarks are preferred) and optionally its number under ``frame``. An empty frame
or null has no person.

CSV: one row per frame, columns ``x0, y0, z0, v0, x1, ...`` (from 0 or 1; also ``x_0`` and ``0_x``) or ``NOSE_x, NOSE_y, NOSE_z, NOSE_visibility, ...``,
and optionally ``frame``.

**World or image.** World landmarks are metres relative to the midpoint of the hips: layout mediapipe-33. Image landmarks are fractions of the picture's width
and height and do not keep proportions. The position of the hips shows which kind a file contains; its names are not used. Image landmarks are refused, unless
the picture's size is given: then the 17 joints of COCO among them are read, in pixels.

**Time.** A frame or row may have its time, under ``timestamp_ms`` or ``time_ms`` (milliseconds), ``timestamp``, ``time`` or ``t`` (seconds if the median step
is below 1, microseconds from 1000, otherwise milliseconds). The frame rate is that of the mean step, without steps longer than one and a half times the median.
If frames have no number, each step counts as its length in frames, so a gap in time becomes frames without a person. A list of frames may be accompanied by
``fps``.

A landmark with visibility 0.1 or less is missing. An absent or null visibility is unknown.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tdsm.data.layouts import COCO_17, MEDIAPIPE_33
from tdsm.data.readers.detections import Film, Frames, person
from tdsm.data.readers.parsing import Rows, numbers
from tdsm.util.errors import InputError

__all__ = ["fits", "frames"]

_V = len(MEDIAPIPE_33)
_UNSEEN = 0.1  # visibility of a missing landmark, at most
_KEYS = (
    "pose_world_landmarks", "poseWorldLandmarks", "world_landmarks", "worldLandmarks", "pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints",
)  # fmt: skip
_FRAME = ("frame", "frame_id", "frame_index", "frame_number", "index")
_TIME = ("timestamp_ms", "time_ms", "timestamp", "time", "t")
_UNITS = ((1000.0, 1e6), (1.0, 1e3), (0.0, 1.0))  # (smallest median step, units per second)
_LEAST, _MOST = 1e-6, 1e9  # smallest step between two times, and most frames between them, of valid times
_COCO = [MEDIAPIPE_33.joints.index(joint) for joint in COCO_17.joints]
_HIPS = list(MEDIAPIPE_33.hips)
_AXIS = {"x": 0, "y": 1, "z": 2, "v": 3, "vis": 3, "visibility": 3}
_NUMBERED = re.compile(r"(?:landmark_?)?(?:(?P<a>x|y|z|v|vis|visibility)_?(?P<n>\d{1,2})|(?P<m>\d{1,2})_(?P<b>x|y|z|v|vis|visibility))")
_NAMED = re.compile(r"(?P<name>[a-z_ ]+)[_. ](?P<axis>x|y|z|v|vis|visibility)")


def fits(value: object) -> bool:
    """Whether a JSON file or table has this format."""
    if isinstance(value, Rows):
        return _columns(value) is not None
    return any(_people(frame) for frame in _list(value)[:1000])


def frames(value: object, where: object, sized: bool = False) -> Film:
    """The persons of each frame.

    Args:
        value: the JSON or the table.
        where: source named in messages.
        sized: whether the picture's size is known, so that image landmarks can be read.

    Raises:
        InputError: a frame in another form, times that do not increase, or image landmarks without the picture's size.
    """
    rows = _from_table(value, where) if isinstance(value, Rows) else _from_json(value, where)
    bodies_of, fps = _placed(rows)
    if isinstance(value, dict) and type(value.get("fps")) in (int, float) and 0 < value["fps"] < 1e6:
        fps = fps or float(value["fps"])
    bodies = [body for people in bodies_of.values() for body in people]
    hips = np.array([body[_HIPS, :3].mean(axis=0) for body in bodies]).reshape(-1, 3)
    hips = hips[np.isfinite(hips).all(axis=1)]
    world = not len(hips) or np.median(np.linalg.norm(hips, axis=1)) < 0.05
    if not world and not sized and np.nanmax(np.abs(np.array(bodies)[:, :, :2])) <= 3:
        what = "holds image landmarks (fractions of the picture's width and height), not world landmarks in metres"
        raise InputError(where, what, "save pose_world_landmarks, or give the picture's size (size=(1920, 1080), --size 1920x1080)")
    kept, dims, layout = (slice(None), 3, MEDIAPIPE_33) if world else (_COCO, 2, COCO_17)
    placed: Frames = {}
    for number, bodies in bodies_of.items():
        visibility = [np.where(body[kept, 3] <= _UNSEEN, 0.0, body[kept, 3]) for body in bodies]  # NaN (unknown) is kept
        numbered = world and len(bodies) > 1
        people = [person(body[kept, :dims], seen, index if numbered else None) for index, (body, seen) in enumerate(zip(bodies, visibility, strict=True))]
        placed[number] = [each for each in people if each]
    return Film(layout, placed, fps)


# Numbers and times of frames


class _Row(NamedTuple):
    """A frame of the file; None if not given."""

    where: str
    number: int | None
    time: tuple[str, object] | None  # key and value
    bodies: list[np.ndarray]  # (33, 4) per person


def _placed(rows: Sequence[_Row]) -> tuple[dict[int, list[np.ndarray]], float | None]:
    """The bodies of each frame by its number, and the frame rate if times determine it."""
    numbers = [row.number for row in rows if row.number is not None]
    timed = [row for row in rows if row.time is not None]
    if not timed:
        return dict(zip(numbers or range(len(rows)), (row.bodies for row in rows), strict=True)), None
    if numbers:
        timed.sort(key=lambda row: row.number)
        return {row.number: row.bodies for row in rows}, _clocked(timed, [row.number for row in timed])[1]
    lost = next((row for row in rows if row.time is None and row.bodies), None)
    if lost is not None:
        raise InputError(lost.where, f"has no {timed[0].time[0]}, but other frames have one", "give the time of every frame, or number the frames")
    numbers, fps = _clocked(timed, None)
    return dict(zip(numbers, (row.bodies for row in timed), strict=True)), fps


def _clocked(rows: Sequence[_Row], numbers: list[int] | None) -> tuple[list[int], float | None]:
    """The frame number of each row, from its time if ``numbers`` is None, and the frame rate; None for a single row."""
    times = [_seconds(row) for row in rows]
    steps = np.diff(times)
    if (steps < _LEAST).any():
        row = rows[int((steps < _LEAST).argmax()) + 1]
        raise InputError(row.where, f"{row.time[0]} is {row.time[1]!s:.40}, not after that of the previous frame", "give increasing times for all frames")
    if not len(steps):
        return numbers or [0], None
    each = steps if numbers is None else steps / np.diff(numbers)
    median = np.median(each)
    a_second = 1e3 if rows[0].time[0].endswith("_ms") else next(units for least, units in _UNITS if median >= least)
    step = each[each <= 1.5 * median].mean()
    if numbers is None:
        numbers = [0, *np.cumsum(np.clip(np.round(steps / step), 1, _MOST)).astype(int).tolist()]
    return numbers, float(a_second / step)


def _seconds(row: _Row) -> float:
    """The time of a row in the file's own unit."""
    key, value = row.time
    try:
        time = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else np.nan
    except (ValueError, OverflowError):
        time = np.nan
    if not abs(time) < 1e18:
        raise InputError(row.where, f"{key} is {value!r:.40}, not a number", "give increasing times for all frames")
    return time


# JSON


def _list(value: object) -> list:
    """The list of frames."""
    if isinstance(value, dict) and not any(key in value for key in _KEYS):
        value = next((inner for inner in value.values() if isinstance(inner, list)), [])
    elif isinstance(value, dict) and not _people(value):
        value = next(value[key] for key in _KEYS if key in value)
    return value if isinstance(value, list) else [value]


def _people(frame: object) -> list[list] | None:
    """The people of a frame, each a list of 33 landmarks; an empty list for an empty frame, None for another form."""
    for _ in range(3):  # {"pose_landmarks": {"landmark": [...]}}
        if isinstance(frame, dict):
            frame = next((frame[key] for key in _KEYS if key in frame), frame)
    if frame is None or frame == []:
        return []
    if not isinstance(frame, list):
        return None
    if _is_body(frame):
        return [frame]
    bodies = [next((item[key] for key in _KEYS if key in item), item) if isinstance(item, dict) else item for item in frame]
    return bodies if all(map(_is_body, bodies)) else None


def _is_body(value: object) -> bool:
    if not isinstance(value, list) or len(value) != _V:
        return False
    if isinstance(value[0], dict):
        return all(isinstance(item, dict) and {"x", "y", "z"} <= item.keys() for item in value)
    return all(isinstance(item, list) and len(item) in (3, 4) for item in value)


def _from_json(value: object, where: object) -> list[_Row]:
    rows: list[_Row] = []
    frames = _list(value)
    numbered = any(isinstance(frame, dict) and any(key in frame for key in _FRAME) for frame in frames)
    taken: set[int] = set()
    for row, frame in enumerate(frames):
        keys = frame if isinstance(frame, dict) else {}
        number = next((frame[key] for key in _FRAME if key in keys), row)
        people, place = _people(frame), f"{where} frame {row}"
        if numbered and people and not any(key in keys for key in _FRAME):
            raise InputError(place, "has no number, but other frames have one", "number all frames, or none")
        if people is None or not isinstance(number, int) or not 0 <= number < 10**18 or number in taken:
            raise InputError(place, f"is not a frame with {_V} landmarks of x, y and z, or repeats one", "save all frames alike, [] without a person")
        taken.add(number)
        time = next(((key, frame[key]) for key in _TIME if key in keys), None)
        rows.append(_Row(place, number if numbered else None, time, [_body(body, place) for body in people]))
    return rows


def _body(body: Sequence, where: str) -> np.ndarray:
    """(33, 4) x, y, z, visibility."""
    rows = [[item["x"], item["y"], item["z"], item.get("visibility")] if isinstance(item, dict) else [*item, None][:4] for item in body]
    return numbers([number for row in rows for number in row], 4, "landmarks", where)


# CSV


def _columns(table: Rows) -> dict[str, tuple[int, int]] | None:
    """Column -> (joint, axis); None if not all 33 have x, y and z."""
    names = {joint.replace(" ", "_"): index for index, joint in enumerate(MEDIAPIPE_33.joints)} | {"mouth_left": 9, "mouth_right": 10}
    targets: dict[str, tuple[int, int]] = {}
    for column in table.columns:
        text = column.strip().lower()
        if match := _NUMBERED.fullmatch(text):
            targets[column] = int(match["n"] or match["m"]), _AXIS[match["a"] or match["b"]]
        elif (match := _NAMED.fullmatch(text)) and match["name"].replace(" ", "_") in names:
            targets[column] = names[match["name"].replace(" ", "_")], _AXIS[match["axis"]]
    first = min((joint for joint, _ in targets.values()), default=0)
    targets = {column: (joint - first, axis) for column, (joint, axis) in targets.items()}
    every = {(joint, axis) for joint in range(_V) for axis in range(3)}
    return targets if every <= set(targets.values()) and max(joint for joint, _ in targets.values()) < _V else None


def _from_table(table: Rows, where: object) -> list[_Row]:
    targets = _columns(table) or {}
    numbered = next((column for column in table.columns if column.strip().lower() in _FRAME), None)
    timed = next((column for key in _TIME for column in table.columns if column.strip().lower() == key), None)
    rows: list[_Row] = []
    taken: set[int] = set()
    for row, cells in enumerate(table):
        place = f"{where} row {row + 1}"
        number = cells[numbered].partition(".")[0].strip() if numbered else str(row)
        if not number.isdecimal() or len(number) > 18 or int(number) in taken:
            raise InputError(place, f"{numbered} is {cells[numbered or '']!r:.40}, not a new frame number", "number the frames")
        taken.add(int(number))
        body = np.full((_V, 4), np.nan)
        for column, target in targets.items():
            body[target] = _float(cells[column], f"{place} {column}")
        time = (timed.strip().lower(), cells[timed]) if timed else None
        rows.append(_Row(place, int(number) if numbered else None, time, [body] if np.nan_to_num(body[:, :3]).any() else []))
    return rows


def _float(cell: str, where: str) -> float:
    try:
        value = float(cell.strip() or "nan")
    except ValueError as error:
        raise InputError(where, f"is {cell!r:.40}, not a number", "leave the cell empty if nothing was found") from error
    if np.isinf(value):
        raise InputError(where, "is infinite", "leave the cell empty if nothing was found")
    return value
