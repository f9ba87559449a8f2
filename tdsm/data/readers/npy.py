"""Single ``.npy`` arrays: (T, V, C) of one person or (M, T, V, C) of several, with or without a confidence of each joint.

For a layout in the plane, a third channel between 0 and 1 is the confidence of each joint, as YOLO (``result.keypoints.data``) and others save it: a
joint of confidence 0 was not found, all others count alike, and one warning says so.
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
    """One array as one clip.

    Args:
        path: the file.
        layout: its layout's name.
        fps: frames a second; None: not known.

    Raises:
        InputError: no layout, an unknown one, or a fault in the array.
    """
    array = read_array(path)
    if layout is None:
        fitting = [known.name for known in LAYOUTS if array.ndim in (3, 4) and len(known) == array.shape[-2]]
        which = f"with {array.shape[-2]} joints: {', '.join(fitting)}" if fitting else f"known: {', '.join(known.name for known in LAYOUTS)}"
        raise InputError(path, f"is one array of shape {array.shape}, and nothing says the order of its joints", f"give layout=... ({which})")
    try:
        body = layout_named(layout)
    except KeyError as error:
        raise InputError(path, error.args[0], "name one of these") from error
    joints, scored = without_confidence(array, body)
    if scored:
        what = "its third channel, between 0 and 1, is taken as the confidence of each joint; where it is 0 the joint was not found"
        warnings.warn(f"{path}: {what}", stacklevel=4)
    return ClipSet((Clip(joints, body, None, None, fps, path.name),), (), path.stem)


def without_confidence(array: np.ndarray, layout: Layout) -> tuple[np.ndarray, bool]:
    """(..., V, C) and whether there was a confidence in a third channel, which has become NaN where it was 0 or less."""
    if layout.dims != 2 or array.ndim not in (3, 4) or array.shape[-1] != 3:
        return array, False
    confidence = array[..., 2]
    seen = confidence[np.isfinite(confidence)]
    if not len(seen) or seen.min() < 0 or seen.max() > 1.001:  # some detectors add up to a little more than 1
        return array, False
    return np.where(confidence[..., None] > 0, array[..., :2], np.nan), True


def read_array(path: Path) -> np.ndarray:
    """An array of numbers. What the header claims is held against the file's size before anything is allocated.

    Raises:
        InputError: no .npy, pickled objects, something else than numbers, or a file of another size than its header claims.
    """
    array = npz.read_npy(path, remedy=_REMEDY)
    if array.dtype.kind not in "fiu":
        raise InputError(path, f"holds {array.dtype}, not numbers", _REMEDY)
    return array
