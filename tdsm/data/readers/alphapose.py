"""Results of AlphaPose, and key points in the results format of COCO: one JSON per video.

AlphaPose (https://github.com/MVIG-SJTU/AlphaPose, ``docs/output.md``, versions 0.3 to 0.7) writes ``alphapose-results.json``, a list with one entry per person
and frame. COCO's results format (pycocotools, MMPose's evaluation, detectron2) is the same without ``idx``::

    [{"image_id": "12.jpg", "category_id": 1, "keypoints": [x, y, score, ...], "score": 2.9, "box": [...], "idx": 1}, ...]

``keypoints`` are 17 joints of COCO, 26 or 136 of Halpe, or 133 of COCO-WholeBody. Each of these starts with the 17 of COCO, which are read. A joint with score
0 is missing. The frame is the last number in ``image_id``. ``idx`` identifies the person if AlphaPose tracked people (``--pose_track``).
"""

import re
from collections.abc import Sequence

from tdsm.data.layouts import COCO_17
from tdsm.data.readers.detections import Film, Person, person
from tdsm.data.readers.parsing import numbers
from tdsm.util.errors import InputError

__all__ = ["COUNTS", "fits", "frames"]

COUNTS = (17, 26, 133, 136)  # joints of bodies that start with the 17 of COCO
_NUMBER = re.compile(r"(.*?)(\d{1,18})\D*")
_AGAIN = "give the file as AlphaPose wrote it"


def fits(value: object) -> bool:
    """Whether a JSON file has this format, judged by its first entry."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and {"image_id", "keypoints"} <= value[0].keys()


def frames(value: Sequence[object], where: object) -> Film:
    """The persons of each frame.

    Raises:
        InputError: an entry in another form, another number of joints, or pictures of several videos.
    """
    people: dict[int, list[Person]] = {}
    films: dict[str, None] = {}
    for row, entry in enumerate(value):
        place = f"{where} [{row}]"
        if not isinstance(entry, dict) or not {"image_id", "keypoints"} <= entry.keys():
            raise InputError(place, "is not an entry with image_id and keypoints", _AGAIN)
        film, number = _picture(entry["image_id"], place)
        films[film] = None
        joints = numbers(entry["keypoints"], 3, "keypoints", place)
        if len(joints) not in COUNTS:
            raise InputError(place, f"keypoints has {len(joints)} joints, not {', '.join(map(str, COUNTS))}", "run AlphaPose with a model of COCO or Halpe")
        who = entry.get("idx")
        body = person(joints[:17, :2], joints[:17, 2], int(who) if isinstance(who, int | float) and abs(who) < 1e9 else None)
        people.setdefault(number, []).extend([body] if body else [])
    if len(films) > 1:
        raise InputError(where, f"holds pictures of {len(films)} videos ({', '.join(list(films)[:3])[:100]})", "write one file per video")
    return Film(COCO_17, people)


def _picture(name: object, where: str) -> tuple[str, int]:
    """(video, frame) of an image_id."""
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < 10**18:
        return "", name
    match = _NUMBER.fullmatch(name.rpartition(".")[0] or name) if isinstance(name, str) and len(name) < 1000 else None
    if match is None:
        raise InputError(where, "image_id has no number for the frame", "name the pictures by their frames, such as 12.jpg")
    return match[1], int(match[2])
