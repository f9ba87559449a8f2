"""UTD-MHAD: 27 actions, 8 subjects, 861 clips of one Kinect v1 body.

Source: C. Chen, R. Jafari, N. Kehtarnavaz, "UTD-MHAD: A multimodal dataset for human action recognition utilizing a depth camera and a wearable inertial
sensor", ICIP 2015. Free for research; cite it. The authors' page provides ``Skeleton.zip`` with files ``a{action}_s{subject}_t{trial}_skeleton.mat``; each
contains ``d_skel`` (20 joints, 3, frames), metres, 30 fps. The joints start at the head (head, shoulder centre, spine, hip centre, then the limbs). Our
``kinect-20`` starts at the hip centre, as NW-UCLA does, so the first four joints are reversed. Right and left are those of the performer.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import KINECT_20
from tdsm.data.prompts import load_prompts
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.mat5 import read_mat_array
from tdsm.data.readers.reading import Reading, read_files
from tdsm.util.errors import InputError

__all__ = ["CLASSES", "MEMBER", "read_utd_mhad"]

CLASSES = tuple(load_prompts("utd-mhad"))
MEMBER = re.compile(r"a(\d{1,2})_s(\d{1,2})_t(\d{1,2})_skeleton\.mat")
_FILE_ORDER = [3, 2, 1, 0, *range(4, 20)]  # row of the file for each joint of KINECT_20


def read_utd_mhad(path: str | Path, *, reading: Reading = Reading()) -> ClipSet:
    """Read the zip or the unpacked folder.

    Args:
        path: ``Skeleton.zip`` as downloaded, or a folder that contains its files at any depth. Any part of the data set is accepted.
        reading: how to process the files.

    Returns:
        ClipSet "utd-mhad": layout kinect-20, clips (1, T, 20, 3) in metres, named "a1_s1_t1" (action, subject, trial) and so on, in
        this order; subjects "s1" to "s8"; all 27 classes in the data set's order.

    Raises:
        InputError: an unusable path or archive, no usable file, or an error of :class:`~tdsm.data.readers.reading.Reading`.
    """
    with Archive(path) as archive:
        files = [name for name, _ in archive.matching(MEMBER, "a1_s1_t1_skeleton.mat")]
    return read_files("UTD-MHAD", Path(path), files, _read_clip, reading, name="utd-mhad", layout=KINECT_20, classes=CLASSES)


def _read_clip(archive: Archive, name: str) -> Sequence[Clip]:
    where, base = archive.path / name, PurePosixPath(name).name
    action, subject, _ = map(int, MEMBER.fullmatch(base).groups())
    if not 1 <= action <= len(CLASSES):
        raise InputError(where, f"action a{action} does not exist", f"actions are a1 to a{len(CLASSES)}")
    joints = _read_mat(archive.read(name), where)
    return [Clip(joints, KINECT_20, CLASSES[action - 1], f"s{subject}", 30.0, base.removesuffix("_skeleton.mat"))]


def _read_mat(content: bytes, where: Path) -> np.ndarray:
    """(T, 20, 3) in the order of KINECT_20."""
    try:
        joints = read_mat_array(content, "d_skel")
    except ValueError as error:
        raise InputError(where, f"not a readable MATLAB 5 file ({error})", "download the data set again") from error
    if joints is None:
        raise InputError(where, "variable d_skel is missing", "give the skeleton files of UTD-MHAD, not its inertial or depth files")
    if joints.ndim != 3 or joints.shape[:2] != (20, 3):
        raise InputError(where, f"d_skel has shape {joints.shape}, not (20 joints, 3, frames)", "download the data set again")
    return joints.transpose(2, 0, 1)[:, _FILE_ORDER]
