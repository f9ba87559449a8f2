"""Kinetics-skeleton: 400 actions in web videos, with bodies detected by OpenPose; about 260,000 2-D clips.

Source: W. Kay et al., "The Kinetics human action video dataset", 2017; the skeletons were extracted and published by S. Yan, Y. Xiong, D. Lin,
"Spatial temporal graph convolutional networks for skeleton-based action recognition", AAAI 2018; cite both. The archive contains::

    kinetics_train/ID.json   kinetics_train_label.json      ID is the video's; about 240,000 clips
    kinetics_val/ID.json     kinetics_val_label.json        about 20,000

A clip is ``{"data": [{"frame_index", "skeleton": [{"pose": 36 numbers, "score": 18 numbers}, ...]}, ...], "label", "label_index"}``. Poses are x, y of the 18
joints of OpenPose, as fractions of the frame's width and height (0 to 1, y down), (0, 0) for a missing joint. The label files contain for each ID
``{"has_skeleton", "label", "label_index"}``. Classes are numbered from 0 in alphabetical order.

**Coordinates.** The videos were converted to 340 x 256 pixels at 30 fps before the bodies were detected. x is multiplied by 340 and y by 256, so a clip is in
pixels of that video and proportions are correct. A joint with score 0 is NaN.

**Persons.** As in the authors' loader: of the first five bodies of a frame, the two with the largest sum of scores, strongest first. They are chosen in each
frame separately, so two persons may be exchanged between frames.

**Frames.** ``frame_index`` is the position of a frame; frames can be in any order. The published files start at 1; files of the authors' own packing script
start at 0. Frames without bodies are kept as zeros.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import OPENPOSE_18
from tdsm.data.prompts import load_prompts
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.parsing import parse_json
from tdsm.data.readers.reading import Reading, read_files
from tdsm.util.errors import InputError

__all__ = ["CLASSES", "MEMBER", "read_kinetics", "strongest"]

CLASSES = tuple(load_prompts("kinetics-400"))
MEMBER = re.compile(r"(?:.*/)?kinetics_(train|val)/([\w-]+)\.json")  # pattern of a full member name, with its folder
_TABLE = re.compile(r"(?:.*/)?kinetics_(train|val)_label\.json")
_JOINTS = len(OPENPOSE_18)
_PIXELS = (340.0, 256.0)
_LOOKED_AT = 5  # bodies of a frame that are considered
_LARGEST_TABLE = 1 << 27  # most bytes of a label file
_AGAIN = "download the data set again"
_LONGEST = 9000  # most frames: five minutes; clips last ten seconds


def read_kinetics(path: str | Path, *, bodies: int = 2, reading: Reading = Reading()) -> ClipSet:
    """Read the archive, packed or unpacked, or any part of it; both partitions if both are present.

    Args:
        path: a zip or a folder that contains ``kinetics_train/``, ``kinetics_val/`` or both, at any depth, with their label files. Without a
            label file every clip of that partition is tried.
        bodies: most persons per frame.
        reading: how to process the files.

    Returns:
        ClipSet "kinetics-400": layout openpose-18, clips (M, T, 18, 2) in pixels of a 340 x 256 video with 1 <= M <= ``bodies``, 30 fps, no
        subjects, named "train/ID" and "val/ID", all 400 classes in order; ordered by partition and ID. Clips without a skeleton according to the
        label files are skipped, with one warning that counts them.

    Raises:
        InputError: an unusable path or archive, a label file of another set of classes, no usable file, or (``strict``) a bad file. Files with
            an error, or without a body in any frame, are otherwise skipped and reported.
    """
    path = Path(path)
    with Archive(path) as archive:
        members: dict[str, str] = {}  # keys are clip names, "train/ID"
        for match in filter(None, map(MEMBER.fullmatch, archive.names)):
            name = f"{match[1]}/{match[2]}"
            if name in members:
                raise InputError(path, f"clip {name} occurs twice, as {members[name]} and {match[0]}", "keep one copy")
            members[name] = match[0]
        if not members:
            what = f"none of its {len(archive.names)} files has a name like kinetics_train/ID.json"
            raise InputError(path, what, "give the folder or zip that contains kinetics_train")
        without = _without_skeleton(archive)
    files = [member for name, member in members.items() if name not in without]
    if len(files) < len(members):
        warnings.warn(f"Kinetics-skeleton: {len(members) - len(files)} clips have no skeleton according to the label files and are skipped", stacklevel=2)
    return read_files("Kinetics", path, files, _ReadClip(bodies), reading, name="kinetics-400", layout=OPENPOSE_18, classes=CLASSES)


def strongest(frame: np.ndarray, joints: np.ndarray, scores: np.ndarray, frames: int, bodies: int) -> np.ndarray:
    """In each frame, the bodies with the largest sum of scores, strongest first; equal ones keep their order.

    Args:
        frame: (N,) frame index of each body, from 0.
        joints: (N, V, C).
        scores: (N, V).
        frames: T.
        bodies: most bodies to keep.

    Returns:
        (M, T, V, C) float32, with M the largest number of bodies in a frame, at most ``bodies``; zeros if a frame has fewer.
    """
    order = np.lexsort((-scores.sum(axis=1), frame))
    frame = frame[order]
    rank = np.arange(len(frame)) - np.searchsorted(frame, frame)
    kept = rank < bodies
    out = np.zeros((rank[kept].max(initial=-1) + 1, frames, *joints.shape[1:]), np.float32)
    out[rank[kept], frame[kept]] = joints[order[kept]]
    return out


def _without_skeleton(archive: Archive) -> set[str]:
    """Names of the clips without a skeleton according to the label files."""
    names = set()
    for match in filter(None, map(_TABLE.fullmatch, archive.names)):
        where = archive.path / match[0]
        for clip, row in _read_json(archive.read(match[0], _LARGEST_TABLE), where).items():
            if not isinstance(row, dict):
                raise InputError(where, f"{clip}: has no has_skeleton, label and label_index", "download the label file again")
            _label(row, f"{where}: {clip}")
            if not row.get("has_skeleton", True):
                names.add(f"{match[1]}/{clip}")
    return names


@dataclass(frozen=True)
class _ReadClip:
    """Reads one clip's file."""

    bodies: int

    def __call__(self, archive: Archive, member: str) -> list[Clip]:
        where = archive.path / member
        record = _read_json(archive.read(member), where)
        label = _label(record, where)
        joints = _joints(record.get("data"), where, self.bodies)
        return [Clip(joints, OPENPOSE_18, label, None, 30.0, "/".join(MEMBER.fullmatch(member).groups()))]


def _read_json(content: bytes, where: Path) -> dict:
    record = parse_json(content, where, _AGAIN)
    if not isinstance(record, dict):
        raise InputError(where, "is not a JSON object", "give the files of Kinetics-skeleton")
    return record


def _label(record: dict, where: object) -> str:
    """The class, on which ``label`` and ``label_index`` must agree."""
    label, index = record.get("label"), record.get("label_index")
    if type(index) is not int or not 0 <= index < len(CLASSES):
        raise InputError(where, f"label_index is {_shown(index)} (label {_shown(label)})", f"give a number from 0 to {len(CLASSES) - 1}")
    if not isinstance(label, str) or _letters(label) != _letters(CLASSES[index]):
        what = f"label {_shown(label)} contradicts label_index {index}, which is {CLASSES[index]!r}"
        raise InputError(where, what, "give files of Kinetics-400, with classes from 0")
    return CLASSES[index]


def _shown(value: object) -> str:
    """A value as text for a message."""
    return repr(value)[:80] if isinstance(value, str | bool | float | None) or (isinstance(value, int) and abs(value) < 10**30) else f"a {type(value).__name__}"


def _letters(label: str) -> str:
    return re.sub(r"\W", "", label).lower()


def _joints(data: object, where: Path, bodies: int) -> np.ndarray:
    """(M, T, 18, 2) in pixels."""
    if not isinstance(data, list) or not all(isinstance(frame, dict) for frame in data):
        raise InputError(where, "field 'data' is not a list of frames", _AGAIN)
    index = _frame_indices(data, where)
    number, poses, scores = [], [], []
    for place, frame in zip(index, data, strict=True):
        skeletons = frame.get("skeleton")
        if not isinstance(skeletons, list) or not all(isinstance(body, dict) and {"pose", "score"} <= body.keys() for body in skeletons):
            raise InputError(f"{where}: frame_index {frame['frame_index']}", "field 'skeleton' is not a list of bodies with pose and score", _AGAIN)
        for body in skeletons[:_LOOKED_AT]:
            number.append(place)
            poses.append(body["pose"])
            scores.append(body["score"])
    if not number:
        raise InputError(where, "has no body in any frame", "remove the file")
    joints, score = _numbers(poses, 2 * _JOINTS, "pose", where).reshape(-1, _JOINTS, 2), _numbers(scores, _JOINTS, "score", where)
    joints = np.where(score[..., None] == 0, 0.0, joints * _PIXELS)
    persons = strongest(np.array(number), joints, score, max(index) + 1, bodies)
    if not persons.any():
        raise InputError(where, "has no joint in any frame, all scores are 0", "remove the file")
    return persons[persons.any(axis=(1, 2, 3))]


def _frame_indices(data: list[dict], where: Path) -> list[int]:
    """Position of each frame, from 0."""
    index = [frame.get("frame_index") for frame in data]
    for value in index:
        if type(value) is not int or not 0 <= value <= _LONGEST:
            raise InputError(where, f"frame_index is {_shown(value)}", f"give whole numbers from 0 or 1 to {_LONGEST}")
    if len(set(index)) < len(index):
        twice = next(value for value in index if index.count(value) > 1)
        raise InputError(where, f"frame_index {twice} occurs twice", _AGAIN)
    first = min([1, *index])
    return [value - first for value in index]


def _numbers(rows: list, count: int, field: str, where: Path) -> np.ndarray:
    """(N, count) float64."""
    try:
        values = np.array(rows)
    except (ValueError, OverflowError):
        values = np.empty(0)
    if values.dtype.kind not in "fiu" or values.shape != (len(rows), count):
        raise InputError(where, f"{field}: a body does not have {count} numbers", _AGAIN)
    if not np.isfinite(values).all():
        raise InputError(where, f"{field}: NaN or infinite", "remove the file")
    return values.astype(np.float64)
