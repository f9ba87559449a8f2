"""MSR-Action3D: 20 actions of games, 10 subjects, 567 clips of one Kinect v1 body.

Source: W. Li, Z. Zhang, Z. Liu, "Action recognition based on a bag of 3D points", CVPR 2010 Workshops; the 20 joints were added by J. Wang,
Z. Liu, Y. Wu, J. Yuan, "Mining actionlet ensemble for action recognition with depth cameras", CVPR 2012; cite both. The skeletons in real-world coordinates
are read, ``MSRAction3DSkeletonReal3D``, one text file per clip: ``a{action}_s{subject}_e{take}_skeleton3D.txt``, 20 rows per frame, each
``x y z confidence``, in metres. The files ``..._skeleton.txt`` of the other archive are screen coordinates (pixels and a depth in another scale), which do not
preserve proportions, and are refused.

**Joints.** The files have their own joint order. The bones of the authors' drawing script show which rows belong together (1-based): 7-4-3-20 are hip centre,
spine, shoulder centre, head; 3-1-8-10-12 and 3-2-9-11-13 the arms; 7-5-14-16-18 and 7-6-15-17-19 the legs. The script does not state which side is left; the
recordings show it: rows 1, 8, 10, 12 and 5, 14, 16, 18 are the *left* limbs. With exchanged sides, as in several public readers, the toes point backwards in
565 of 566 clips, and high arm wave, hammer, high throw, draw x and forward kick are performed by the left limb in 137 of 138 clips, although the subjects were
asked to use the right one. y points up and the unit is metres.

Frames of zeros, in which no body was found, occur and are kept; a file with only zeros (such as a13_s09_e02) is skipped and reported. Published work commonly
omits ten noisy files and uses 557. The confidence is not used: 29 % of all values are 0, and these joints have positions like any other. The files contain no
times; the paper states 15 frames per second.
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
_ROWS = 20  # rows per frame
_LARGEST = 4 << 20  # most bytes; a clip has 0.1 MB
_NUMBERS = 4  # numbers per row: x y z confidence
_AGAIN = "download the data set again, whose rows are x y z confidence"
# the file's row (1-based, as in the bones above) for each joint of KINECT_20
_FILE_ORDER = np.array([7, 4, 3, 20, 1, 8, 10, 12, 2, 9, 11, 13, 5, 14, 16, 18, 6, 15, 17, 19]) - 1


def read_msr_action3d(path: str | Path, *, reading: Reading = Reading()) -> ClipSet:
    """Read the skeletons in real-world coordinates, from a zip or a folder. Any part of the data set is accepted.

    Args:
        path: a zip or a folder that contains the files at any depth. The authors distribute a ``.rar``; unpack it first.
        reading: how to process the files.

    Returns:
        ClipSet "msr-action3d": layout kinect-20, clips (1, T, 20, 3) in metres, 15 fps, named "a01_s01_e01", subjects "s01" to "s10", all 20
        classes in the data set's order. Clips are in the order of action, subject, take.

    Raises:
        InputError: an unusable path or archive, only screen coordinates, no usable file, or (``strict``) a bad file. Files with an error, or
            without a body in any frame, are otherwise skipped and reported.
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
        raise InputError(where, f"its {len(table)} rows are not a multiple of {_ROWS}, the rows per frame", _AGAIN)
    bad = np.argwhere(~np.isfinite(table[:, :3]))
    if len(bad):
        raise InputError(f"{where} line {lines[bad[0][0]]}", "a coordinate is NaN or infinite", "remove the file")
    joints = table[:, :3].reshape(-1, _ROWS, 3)[:, _FILE_ORDER]
    if not joints.any():
        raise InputError(where, "has no body in any frame, all coordinates are 0", "remove the file")
    return joints
