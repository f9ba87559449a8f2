"""MSR-Action3D: 20 actions of games, 10 subjects, 567 clips of one Kinect v1 body.

Source: W. Li, Z. Zhang, Z. Liu, "Action recognition based on a bag of 3D points", CVPR 2010 Workshops; the 20 joints were added by J. Wang,
Z. Liu, Y. Wu, J. Yuan, "Mining actionlet ensemble for action recognition with depth cameras", CVPR 2012; cite both. Read are the skeletons in
real-world coordinates, ``MSRAction3DSkeletonReal3D``, one file a clip: ``a{action}_s{subject}_e{take}_skeleton3D.txt``, text, 20 rows a
frame, each ``x y z confidence``, metres. The files ``..._skeleton.txt`` of the other archive are screen coordinates (pixels and
a depth of another scale), from which no body of true proportions comes, and are refused.

**Joints.** The files have an order of their own. Which rows belong together follows from the bones that the authors' drawing script lists (1-based): 7-4-3-20
hip centre, spine, shoulder centre, head; 3-1-8-10-12 and 3-2-9-11-13 the arms; 7-5-14-16-18 and 7-6-15-17-19 the legs. The script does not say which side is
which; the recordings do: rows 1, 8, 10, 12 and 5, 14, 16, 18 are the *left* limbs. With the sides exchanged, as several public readers have them, the toes
point backwards in 565 of 566 clips, and high arm wave, hammer, high throw, draw x and forward kick are performed by the left limb in 137 of 138 clips, although
the subjects were asked to use the right one. y points up and the unit is metres.

Frames of zeros, in which nobody was found, occur and stay; a file of zeros alone (a13_s09_e02 is one) is skipped and reported. Published
work commonly leaves out ten noisy files and uses 557. The confidence is not used: 29 % of all values are 0, and those joints have
a position like any other. The files carry no times; the paper says 15 frames a second.
"""

import re
from pathlib import Path, PurePosixPath

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import KINECT_20
from tdsm.data.prompts import load_prompts
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.parsing import parse_rows
from tdsm.data.readers.reading import Reading, read_files
from tdsm.util.errors import InputError

__all__ = ["CLASSES", "MEMBER", "read_msr_action3d"]

CLASSES = tuple(load_prompts("msr-action3d"))
MEMBER = re.compile(r"a(\d{2})_s(\d{2})_e(\d{2})_skeleton3D\.txt")
_SCREEN = re.compile(r"a\d{2}_s\d{2}_e\d{2}_skeleton\.txt")
_ROWS = 20  # of a frame
_LARGEST = 4 << 20  # bytes; a clip has 0.1 MB
_NUMBERS = 4  # of a row: x y z confidence
_AGAIN = "download the data set again, whose rows are x y z confidence"
# the file's row (1-based, as in the bones above) of each joint of KINECT_20
_FILE_ORDER = np.array([7, 4, 3, 20, 1, 8, 10, 12, 2, 9, 11, 13, 5, 14, 16, 18, 6, 15, 17, 19]) - 1


def read_msr_action3d(path: str | Path, *, reading: Reading = Reading()) -> ClipSet:
    """Read the skeletons in real-world coordinates, as a zip or a folder. Any part of the set will do.

    Args:
        path: a zip or a folder that holds the files at any depth. The authors hand out a ``.rar``; unpack it first.
        reading: how to go through the files.

    Returns:
        ClipSet "msr-action3d": layout kinect-20, clips (1, T, 20, 3) in metres, 15 fps, named "a01_s01_e01", subjects "s01" to "s10", all 20
        classes in the data set's order. Clips stand in the order of action, subject, take.

    Raises:
        InputError: an unusable path or archive, screen coordinates only, no usable file, or (``strict``) a bad file. Files with a fault, or
            with nobody in any frame, are otherwise skipped and reported.
    """
    path = Path(path)
    with Archive(path) as archive:
        bases = [PurePosixPath(name).name for name in archive.names]
        if any(map(_SCREEN.fullmatch, bases)) and not any(map(MEMBER.fullmatch, bases)):
            raise InputError(path, "holds MSR-Action3D in screen coordinates (..._skeleton.txt)", "give MSRAction3DSkeletonReal3D (..._skeleton3D.txt)")
        files = [name for name, _ in archive.matching(MEMBER, "a01_s01_e01_skeleton3D.txt")]
    return read_files("MSR-Action3D", path, files, _read_clip, reading, name="msr-action3d", layout=KINECT_20, classes=CLASSES)


def _read_clip(archive: Archive, member: str) -> list[Clip]:
    where = archive.path / member
    match = MEMBER.fullmatch(PurePosixPath(member).name)
    action, subject = int(match[1]), int(match[2])
    if not 1 <= action <= len(CLASSES):
        raise InputError(where, f"action a{match[1]} does not exist", f"actions are a01 to a{len(CLASSES)}")
    joints = _joints(archive.read(member, _LARGEST), where)
    return [Clip(joints, KINECT_20, CLASSES[action - 1], f"s{subject:02}", 15.0, match[0].removesuffix("_skeleton3D.txt"))]


def _joints(content: bytes, where: Path) -> np.ndarray:
    """(T, 20, 3) in the order of KINECT_20."""
    lines, rows = parse_rows(content, _NUMBERS, where, _AGAIN)
    if not rows:
        raise InputError(where, "holds no frame", _AGAIN)
    table = np.array(rows)
    if len(table) % _ROWS:
        raise InputError(where, f"its {len(table)} rows are no whole number of frames of {_ROWS}", _AGAIN)
    bad = np.argwhere(~np.isfinite(table[:, :3]))
    if len(bad):
        raise InputError(f"{where} line {lines[bad[0][0]]}", "a coordinate is NaN or infinite", "leave the file out")
    joints = table[:, :3].reshape(-1, _ROWS, 3)[:, _FILE_ORDER]
    if not joints.any():
        raise InputError(where, "has nobody in any frame, all coordinates are 0", "leave the file out")
    return joints
