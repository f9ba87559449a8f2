"""Results of MMPose: the JSON of its inferencer and of its demos.

MMPose 1.x (https://mmpose.readthedocs.io, "Inference with existing models") writes, with ``pred_out_dir`` or ``--save-predictions``, one JSON per video::

    [{"frame_id": 0, "instances": [{"keypoints": [[x, y], ...], "keypoint_scores": [...], "bbox": [...]}, ...]}, ...]      inferencer, video
    {"meta_info": {...}, "instance_info": [{"frame_id": 1, "instances": [...]}, ...]}                                   demo/topdown_demo_with_mmdet.py
    [{"keypoints": ..., "keypoint_scores": ...}, ...]                                                                   inferencer, one picture

or the object that the inferencer returns, ``{"predictions": [[instance, ...], ...]}``. 17 joints of COCO are read, or the first 17 of 26 (Halpe), 133
(COCO-WholeBody) and 136; if ``meta_info`` names the joints, they must be these. A joint with score 0 is missing. Poses lifted to 3-D (three coordinates per
joint, in the order of Human3.6M) are refused.
"""

from collections.abc import Sequence

import numpy as np

from tdsm.data.layouts import COCO_17
from tdsm.data.readers.alphapose import COUNTS
from tdsm.data.readers.detections import Film, Person, person
from tdsm.data.readers.parsing import numbers
from tdsm.util.errors import InputError

__all__ = ["fits", "frames", "single"]

_AGAIN = "give the file as MMPose wrote it"


def _is_instance(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("keypoints"), list) and "keypoint_scores" in value


def single(value: object) -> bool:
    """Whether this is a single picture."""
    return isinstance(value, list) and bool(value) and _is_instance(value[0])


def fits(value: object) -> bool:
    """Whether a JSON file has this format."""
    if isinstance(value, dict):
        return "instance_info" in value or (isinstance(value.get("predictions"), list) and any(map(single, value["predictions"])))
    if not isinstance(value, list) or not value:
        return False
    return single(value) or any(map(single, value)) or (isinstance(value[0], dict) and {"frame_id", "instances"} <= value[0].keys())


def frames(value: object, where: object) -> Film:
    """The persons of each frame.

    Raises:
        InputError: another form, other joints, or 3-D poses.
    """
    if isinstance(value, dict):
        _check_names(value.get("meta_info"), where)
        value = value.get("instance_info", value.get("predictions"))
    if not isinstance(value, list):
        raise InputError(where, "instance_info is not a list", _AGAIN)
    if single(value):
        value = [value]
    people: dict[int, list[Person]] = {}
    for row, frame in enumerate(value):
        number, instances = (frame.get("frame_id"), frame.get("instances")) if isinstance(frame, dict) else (row, frame)
        place = f"{where} [{row}]"
        if not isinstance(number, int) or not 0 <= number < 10**18 or not isinstance(instances, list) or number in people:
            raise InputError(place, "is not a frame with a unique frame_id and instances", _AGAIN)
        people[number] = [body for body in (_person(instance, place) for instance in instances) if body]
    return Film(COCO_17, people)


def _person(instance: object, where: str) -> Person | None:
    if not _is_instance(instance):
        raise InputError(where, "an instance has no keypoints and keypoint_scores", _AGAIN)
    points, scores = instance["keypoints"], numbers(instance["keypoint_scores"], 1, "keypoint_scores", where)[:, 0]
    widths = {len(point) if isinstance(point, list) else 0 for point in points}
    if widths == {3}:
        raise InputError(where, "holds poses lifted to 3-D, in the order of Human3.6M", "give the 2-D key points (pose2d)")
    if widths != {2} or len(points) not in COUNTS or len(scores) != len(points):
        what = f"an instance has {len(points)} joints and {len(scores)} scores, not x and y of {', '.join(map(str, COUNTS))}"
        raise InputError(where, what, "use a model of COCO")
    places = numbers([number for point in points for number in point], 2, "keypoints", where)
    number = instance.get("track_id")
    return person(places[:17], scores[:17], number if isinstance(number, int) else None)


def _check_names(meta: object, where: object) -> None:
    named = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if isinstance(named, dict):
        names: Sequence[object] = [named.get(str(joint)) for joint in range(17)]
        theirs = [name.replace("_", " ").lower() if isinstance(name, str) else "" for name in names]
        if tuple(theirs) != COCO_17.joints:
            wrong = int(np.argmax([one != other for one, other in zip(theirs, COCO_17.joints, strict=True)]))
            raise InputError(where, f"its joint {wrong} is {theirs[wrong][:40]!r}, but COCO has {COCO_17.joints[wrong]!r}", "use a model of COCO")
