"""Results of Ultralytics YOLO pose models, as JSON or CSV.

Ultralytics 8.1 to 8.4 (https://docs.ultralytics.com, ``Results.to_json()``, ``Results.summary()``, ``Results.to_csv()``) gives a list of people for each
frame::

    [{"name": "person", "class": 0, "confidence": 0.9, "box": {...}, "track_id": 1, "keypoints": {"x": [17], "y": [17], "visible": [17]}}, ...]

The following forms are read: one such list (a single frame; in a folder the last number of each file's name is the frame); a list of them; one per line (JSON
Lines); a dictionary of them by frame; a list of ``{"frame": 12, "detections": [...]}``; and the CSV, in which ``keypoints`` is such a dictionary and a column
``frame`` holds the frame. ``track_id`` exists if the model tracked people (``model.track``). ``visible`` is the confidence of a joint, 0 for a missing one; it
is optional (8.4.5), which means unknown. Objects other than persons are ignored.

``result.keypoints.data`` saved as .npy, (T, 17, 3) or (T, M, 17, 3), is read by :mod:`tdsm.data.readers.npy`; exchange the first two axes of the latter before
saving.
"""

import json

import numpy as np

from tdsm.data.layouts import COCO_17
from tdsm.data.readers.detections import Film, Person, person
from tdsm.data.readers.parsing import Rows, numbers
from tdsm.util.errors import InputError

__all__ = ["fits", "frames", "single"]

_FRAME = ("frame", "frame_id", "frame_index", "frame_number")
_PEOPLE = ("detections", "predictions", "results", "persons", "people", "objects")
_AGAIN = "give the output of Results.to_json() for each frame"


def _is_person(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("keypoints"), dict) and {"x", "y"} <= value["keypoints"].keys()


def _is_frame(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(value.get(key), list) for key in _PEOPLE) and any(key in value for key in _FRAME)


def _people(value: object) -> list | None:
    """The list of people in a frame."""
    if _is_frame(value):
        return next(value[key] for key in _PEOPLE if isinstance(value.get(key), list))
    return value if isinstance(value, list) else None


def single(value: object) -> bool:
    """Whether this is a single frame, whose number is in the file's name."""
    if isinstance(value, Rows):
        return fits(value) and not any(key in value.columns for key in _FRAME)
    return isinstance(value, list) and bool(value) and all(map(_is_person, value)) and not any(key in value[0] for key in _FRAME)


def fits(value: object) -> bool:
    """Whether a JSON file or table has this format."""
    if isinstance(value, Rows):
        return {"name", "class", "keypoints"} <= set(value.columns)
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    first = next((record for record in value if record), None)
    people = _people(first) if not _is_person(first) else value
    return people is not None and any(map(_is_person, people))


def frames(value: object, where: object) -> Film:
    """The persons of each frame.

    Raises:
        InputError: another form, or another number of joints.
    """
    if isinstance(value, Rows):
        value = [_from_row(row, f"{where} row {number}") for number, row in enumerate(value, 1)]
    if isinstance(value, list):
        given = {row: isinstance(record, dict) and any(key in record for key in _FRAME) for row, record in enumerate(value) if record}
        if any(given.values()) and not all(given.values()):
            lacking = next(row for row, has_number in given.items() if not has_number)
            raise InputError(f"{where} entry {lacking}", "has no frame number, but others have one", "number all frames, or none")
    if isinstance(value, list) and all(map(_is_person, value)):
        numbered = [(next((record[key] for key in _FRAME if key in record), 0), [record]) for record in value]
    elif isinstance(value, dict):
        numbered = list(value.items())
    else:
        numbered = [(next((frame[key] for key in _FRAME if key in frame), row) if _is_frame(frame) else row, _people(frame)) for row, frame in enumerate(value)]
    placed: dict[int, list[Person]] = {}
    for number, people in numbered:
        place = f"{where} frame {str(number)[:20]}"
        if not isinstance(people, list):
            raise InputError(place, "is not a list of people", _AGAIN)
        text = str(number)[:20] if isinstance(number, int | str) else ""
        if not text.isdecimal() or len(text) > 18:
            raise InputError(place, "the frame is not a whole number of at least 0", "number the frames")
        placed.setdefault(int(text), []).extend(filter(None, (_person(record, place) for record in people)))
    return Film(COCO_17, placed)


def _person(record: object, where: str) -> Person | None:
    if not _is_person(record):
        raise InputError(where, "a person has no keypoints with x and y", _AGAIN)
    if record.get("name", "person") != "person":
        return None
    columns = [numbers(record["keypoints"][key], 1, f"keypoints {key}", where) for key in ("x", "y", "visible") if record["keypoints"].get(key) is not None]
    if any(len(column) != len(COCO_17) for column in columns):
        raise InputError(where, f"keypoints has {len(columns[0])} joints, not {len(COCO_17)}", "use a pose model of COCO, such as yolo11n-pose")
    number = record.get("track_id")
    return person(np.hstack(columns[:2]), columns[2][:, 0] if len(columns) > 2 else None, number if isinstance(number, int) else None)


def _from_row(row: dict[str, str], where: str) -> dict:
    """A person from a row of the CSV, in which nested values are written in the syntax of Python or JSON."""
    try:
        points = json.loads(row["keypoints"].replace("'", '"').replace("None", "null"))
        record = {"name": row["name"], "keypoints": points} | ({"track_id": int(float(row["track_id"]))} if row.get("track_id") else {})
    except (ValueError, OverflowError, RecursionError) as error:
        raise InputError(where, f"keypoints or track_id cannot be read ({str(error)[:100]})", _AGAIN) from error
    return record | {key: row[key].partition(".")[0] for key in _FRAME if row.get(key)}
