"""Northwestern-UCLA Multiview Action 3D: 10 actions, 10 subjects, 3 views, 1,484 clips of one Kinect v1 body.

Source: J. Wang, X. Nie, Y. Xia, Y. Wu, S.-C. Zhu, "Cross-view action modeling, learning and recognition", CVPR 2014; cite it. The files are read in the JSON
form that Shift-GCN and CTR-GCN use, ``all_sqe/a{action}_s{subject}_e{take}_v{view}.json`` with the list ``skeletons`` (frames, 20 joints, 3), metres, in the
order of our ``kinect-20``. The action codes 7 and 10 do not exist.

The download has no NaN and no empty frame. In one frame of each of two clips (a04_s01_e01_v01 and a04_s04_e02_v01), six joints are exactly at (0, 0, 0), the
position of the sensor: the tracker had lost them. Frames with such a joint are dropped. Two clips have a single frame. The files contain no times; 30 fps is
the sensor's nominal rate (walking people would move at 1.7 m/s at this rate, so frames were probably lost in recording). Kinect v1 assumes that everybody faces
it: for people seen from behind, left and right are exchanged (in "walk around" most knees bend backwards).
"""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import KINECT_20
from tdsm.data.prompts import load_prompts
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.parsing import parse_json
from tdsm.data.readers.reading import Reading, read_files
from tdsm.util.errors import InputError

__all__ = ["CLASSES", "MEMBER", "read_nw_ucla"]

CLASSES = tuple(load_prompts("nw-ucla"))
MEMBER = re.compile(r"a(\d{2})_s(\d{2})_e(\d{2})_v(\d{2})\.json")
_CODES = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)  # the action code of each class


def read_nw_ucla(path: str | Path, *, reading: Reading = Reading()) -> ClipSet:
    """Read the zip or the unpacked folder.

    Args:
        path: the zip of ``all_sqe``, or a folder that contains its files at any depth. Any part of the data set is accepted.
        reading: how to process the files.

    Returns:
        ClipSet "nw-ucla": layout kinect-20, clips (1, T, 20, 3) in metres, named "a01_s01_e00_v01" (action code, subject,
        take, view) and so on, in this order; subjects "s01" to "s10"; all 10 classes in order.

    Raises:
        InputError: an unusable path or archive, no usable file, or an error of :class:`~tdsm.data.readers.reading.Reading`.
    """
    with Archive(path) as archive:
        files = [name for name, _ in archive.matching(MEMBER, "a01_s01_e00_v01.json")]
    return read_files("NW-UCLA", Path(path), files, _read_clip, reading, name="nw-ucla", layout=KINECT_20, classes=CLASSES)


def _read_clip(archive: Archive, name: str) -> Sequence[Clip]:
    where, base = archive.path / name, PurePosixPath(name).name
    action, subject, _, _ = map(int, MEMBER.fullmatch(base).groups())
    if action not in _CODES:
        raise InputError(where, f"action code {action:02} does not exist", f"codes are {', '.join(map(str, _CODES))}")
    joints = _read_json(archive.read(name), where)
    lost = (joints == 0).all(axis=2).any(axis=1)
    if lost.all():
        raise InputError(where, "skeletons: every frame has a lost joint at (0, 0, 0)", "remove this file")
    return [Clip(joints[~lost], KINECT_20, CLASSES[_CODES.index(action)], f"s{subject:02}", 30.0, base.removesuffix(".json"))]


def _read_json(content: bytes, where: Path) -> np.ndarray:
    """(T, 20, 3)."""
    record = parse_json(content, where, "download the data set again")
    if not isinstance(record, dict) or "skeletons" not in record:
        raise InputError(where, "field 'skeletons' is missing", "give the all_sqe files of NW-UCLA")
    try:
        joints = np.array(record["skeletons"])
    except (ValueError, OverflowError) as error:
        raise InputError(where, f"skeletons: rows differ in length ({error})", "download the data set again") from error
    if joints.dtype.kind not in "fiu" or joints.ndim != 3 or joints.shape[1:] != (20, 3):
        raise InputError(where, f"skeletons: shape {joints.shape} of {joints.dtype}, not numbers (frames, 20 joints, 3)", "download the data set again")
    return joints
