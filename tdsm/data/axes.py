"""The axes of an array of clips, named by letters: N clips, M persons, T frames, V joints, C coordinates."""

from pathlib import Path

import numpy as np

from tdsm.util.errors import InputError

__all__ = ["ORDER", "in_order"]

ORDER = "NMTVC"


def in_order(joints: np.ndarray, order: str, dims: int, where: str | Path) -> np.ndarray:
    """An array whose axes are in another order, in the package's order.

    Args:
        joints: an array with one axis per letter of ``order``.
        order: letters of NMTVC, each at most once, such as "NCTVM" (the GCN family's) or "NTVC"; N or M may be missing where there is one of it.
        dims: coordinates of the layout; where it has 2 and the array 3, the third is the confidence of a joint, 0 for one that was not found.
        where: what to name in an error.

    Returns:
        (N, M, T, V, C); NaN for a joint that was not found.

    Raises:
        InputError: no order of these letters, or not of the array's axes.
    """
    order = order.strip().upper()
    if len(set(order)) < len(order) or not set("TVC") <= set(order) <= set(ORDER):
        raise InputError(where, f"order is {order!r}", f"name each axis once by a letter of {ORDER}: clips, persons, frames, joints, coordinates")
    if joints.ndim != len(order):
        raise InputError(where, f"joints have shape {joints.shape}, which are not the {len(order)} axes of order {order!r}", "name every axis of the array")
    missing = [letter for letter in ORDER if letter not in order]
    joints = joints.reshape(joints.shape + (1,) * len(missing))
    joints = joints.transpose([(order + "".join(missing)).index(letter) for letter in ORDER])
    if (dims, joints.shape[-1]) != (2, 3):
        return joints
    return np.where(joints[..., 2:] > 0, joints[..., :2], np.nan)
