"""Single ``.npy`` arrays: (T, V, C) of one person or (M, T, V, C) of several, with or without a confidence per joint.

For a 2-D layout, a third channel between 0 and 1 is the confidence of each joint, as saved by YOLO (``result.keypoints.data``) and others. A joint with
confidence 0 is missing; other confidences are ignored. One warning reports this.
"""

import warnings
from pathlib import Path

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import LAYOUTS, Layout, layout_named
from tdsm.util import npz
from tdsm.util.errors import InputError

__all__ = ["read_array", "read_npy", "without_confidence"]

_REMEDY = "write it with numpy.save from a float array"


def read_npy(path: Path, layout: str | None, fps: float | None = None) -> ClipSet:
    """Read one array as one clip.

    Args:
        path: the file.
        layout: name of its layout.
        fps: frames per second; None: unknown.

    Raises:
        InputError: no layout, an unknown one, or an error in the array.
    """
    array = read_array(path)
    if layout is None:
        fitting = [known.name for known in LAYOUTS if array.ndim in (3, 4) and len(known) == array.shape[-2]]
        which = f"with {array.shape[-2]} joints: {', '.join(fitting)}" if fitting else f"known: {', '.join(known.name for known in LAYOUTS)}"
        raise InputError(path, f"is an array of shape {array.shape}, and the order of its joints is unknown", f"give layout=... ({which})")
    try:
        body = layout_named(layout)
    except KeyError as error:
        raise InputError(path, error.args[0], "give one of these") from error
    joints, scored = without_confidence(array, body)
    if scored:
        what = "the third channel, between 0 and 1, is used as the confidence of each joint; 0 means missing"
        warnings.warn(f"{path}: {what}", stacklevel=4)
    return ClipSet((Clip(joints, body, None, None, fps, path.name),), (), path.stem)


def without_confidence(array: np.ndarray, layout: Layout) -> tuple[np.ndarray, bool]:
    """(..., V, C), NaN where the confidence in a third channel is 0 or less, and whether there was such a channel."""
    if layout.dims != 2 or array.ndim not in (3, 4) or array.shape[-1] != 3:
        return array, False
    confidence = array[..., 2]
    seen = confidence[np.isfinite(confidence)]
    if not len(seen) or seen.min() < 0 or seen.max() > 1.001:  # the confidence of some detectors slightly exceeds 1
        return array, False
    return np.where(confidence[..., None] > 0, array[..., :2], np.nan), True


def read_array(path: Path) -> np.ndarray:
    """An array of numbers. The size in the header is compared with the file's size before memory is allocated.

    Raises:
        InputError: not a .npy, pickled objects, values that are not numbers, or a file size that differs from the header.
    """
    array = npz.read_npy(path, remedy=_REMEDY)
    if array.dtype.kind not in "fiu":
        raise InputError(path, f"holds {array.dtype}, not numbers", _REMEDY)
    return array
