"""What motion files hold, brought to one body, one unit and one axis that points up: smpl-22, metres, y.

Readers of single formats give a :class:`Take`; :func:`placed` does the rest. Where the file does not say its unit, the body's size decides; where it does not
say which way is up, the bodies do, or those of all takes of a session together. What was assumed is said in a note, as it can be wrong; y up of bodies that
stand along y is not.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from tdsm.data import posture
from tdsm.data.clips import Clip
from tdsm.data.layouts import SMPL_22
from tdsm.data.missing import complete
from tdsm.util.errors import InputError

__all__ = ["UNITS", "Take", "axis_along", "placed", "rated", "shown_up", "smpl_joints"]

UNITS = {"m": 1.0, "mm": 0.001, "cm": 0.01, "dm": 0.1, "in": 0.0254, "inch": 0.0254, "inches": 0.0254, "ft": 0.3048}
"""Name of a unit, in small letters, to its length in metres."""
# Ankle to base of the skull, in the file's numbers: the unit that such a body is taken to be in. CMU's takes have inches times 0.45.
_SIZES = ((0.4, 2.6, "metres", 1.0), (16.0, 34.0, "CMU's units (0.45 inches)", 0.0254 / 0.45), (34.0, 72.0, "inches", 0.0254))
_SIZES += ((72.0, 260.0, "centimetres", 0.01), (400.0, 2600.0, "millimetres", 0.001))
_LOOKED_AT = 200  # frames
_UPRIGHT = 0.7  # see tdsm.data.remarks


class Take(NamedTuple):
    """What one file holds.

    Attributes:
        joints: (M, T, 22, 3) float in the order of smpl-22, in the file's unit and axes; NaN where a joint was not seen.
        fps: frames a second; None where the file does not say.
        metres: length of the file's unit; None where the file does not say.
        up: (axis, sign) where the format says which way is up; None: the bodies decide.
        rest: (axis, sign) along which the body stands in the file's resting pose; None where it does not stand or there is none.
        notes: what a user should know, a line each.
        usual_fps: frames a second that such files have, though they do not say so; taken where nobody else gives them. None: not known.
        left_out: who or what of the file is not in ``joints``, and why, a line each.
    """

    joints: np.ndarray
    fps: float | None
    metres: float | None = None
    up: tuple[int, int] | None = None
    rest: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    usual_fps: float | None = None
    left_out: tuple[str, ...] = ()


def smpl_joints(found: dict[str, np.ndarray], frames: int) -> Float[np.ndarray, "t 22 3"]:
    """Places (T, 3) by joint of smpl-22 as one array; joints that are left out are NaN.

    So are collars at one place: where collar bones start at the neck (CMU), nothing measures what smpl-22 calls a collar.

    Example:
        >>> smpl_joints({"pelvis": np.zeros((5, 3))}, 5)[0, :2]
        array([[ 0.,  0.,  0.],
               [nan, nan, nan]], dtype=float32)
    """
    joints = np.full((frames, len(SMPL_22), 3), np.nan, np.float32)
    for joint, places in found.items():
        joints[:, SMPL_22.joints.index(joint)] = places
    left, right = (joints[:, SMPL_22.joints.index(f"{side} collar")] for side in ("left", "right"))
    if np.array_equal(left, right):
        left[:] = right[:] = np.nan
    return joints


def axis_along(direction: np.ndarray, least: float) -> tuple[int, int] | None:
    """(axis, sign) of the coordinate axis along which (3,) points by at least so much; None: along none.

    Example:
        >>> axis_along(np.array([0.1, 0.0, -0.9]), 0.7)
        (2, -1)
    """
    axis = int(np.nan_to_num(np.abs(direction)).argmax())
    return (axis, 1 if direction[axis] > 0 else -1) if abs(direction[axis]) >= least else None


def rated(take: Take, listed: Real | None, given: Real | None) -> tuple[float | None, tuple[str, ...]]:
    """Frames a second of a take, None where nothing says them, and what was assumed, a line each.

    Args:
        take: what the file holds, which may say them.
        listed: those of the table, which come before the file's; None where it has none.
        given: those of the user, for files that do not say theirs; None: none.

    Example:
        >>> take = Take(np.zeros((1, 1, 22, 3)), None, usual_fps=20.0)
        >>> rated(take, None, 60.0)
        (60.0, ())
        >>> rated(take, None, None)[0]
        20.0
    """
    fps = listed or take.fps or given
    if fps is not None:
        return float(fps), ()
    if take.usual_fps is None:
        return None, ()
    return take.usual_fps, (f"its frames a second are not stated and were taken to be {take.usual_fps:g}; if they are not, give them",)


def shown_up(take: Take, where: object) -> tuple[int, int] | None:
    """(axis, sign) of what is up by how the bodies stand: y or z; None where they do not show it, as somebody does not who lies.

    Raises:
        InputError: as :func:`placed`.
    """
    return _up(_bodies(take, where), take.rest)


def placed(take: Take, where: object, up: tuple[int, int] | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Joints (M, T, 22, 3) in metres with y up, and what was assumed, a line each.

    Args:
        take: what the file holds.
        where: what to name in a message.
        up: (axis, sign) that was found for several takes together, for one that does not say it; None: its own bodies decide.

    Raises:
        InputError: nobody in any frame, or infinite coordinates.
    """
    bodies = _bodies(take, where)
    metres, notes = take.metres, list(take.notes)
    if metres is None:
        metres, note = _unit(bodies, where)
        notes.append(note)
    up = take.up or up
    if up is None:
        up = _up(bodies, take.rest)
        if up is None:
            notes.append(f"its bodies do not show which way is up, so that y was taken to point up{', as in its resting pose' * (take.rest == (1, 1))}")
        elif up == (2, 1):
            notes.append("its bodies stand along z, so that z was taken to point up, and turned to y")
    return _turned(np.asarray(take.joints, np.float32), up or (1, 1)) * np.float32(metres), tuple(notes)


def _bodies(take: Take, where: object) -> Float[np.ndarray, "m f 22 3"]:
    """Some of the frames, in the file's unit and axes, what was not seen filled; NaN where somebody is absent."""
    joints = np.asarray(take.joints, np.float32)
    if np.isinf(joints).any():
        raise InputError(where, "holds infinite coordinates", "export it again")
    if np.isnan(joints).any(axis=3).all():
        raise InputError(where, "nobody is in any frame", "leave the file out, or export it again")
    some = joints[:, np.linspace(0, joints.shape[1] - 1, min(_LOOKED_AT, joints.shape[1])).round().astype(int)]
    bodies = complete(Clip(some, SMPL_22, name=str(where))).joints
    return np.where(bodies.any(axis=(2, 3), keepdims=True), bodies, np.nan)


def _unit(bodies: np.ndarray, where: object) -> tuple[float, str]:
    heights = posture.height(bodies, SMPL_22)
    if np.isnan(heights).all():
        raise InputError(where, "too little of the body is seen to tell the unit by its size", "give it in metres, as .npy")
    tall = float(np.nanmedian(heights))
    _, _, unit, metres = next((size for size in _SIZES if size[0] <= tall < size[1]), None) or _nearest(tall)
    return metres, f"its unit is not stated and was taken to be {unit}, by the size of the body ({tall * metres:.2f} m from ankle to head)"


def _nearest(tall: float) -> tuple[float, float, str, float]:
    return min(_SIZES, key=lambda size: abs(np.log(max(tall, 1e-9) * size[3] / 1.42)))


def _up(bodies: np.ndarray, rest: tuple[int, int] | None) -> tuple[int, int] | None:
    """Which way is up: z only where the bodies stand along z and the resting pose does not say otherwise; None where they stand along neither y nor z.

    Bodies along -y, or along z against the resting pose, are left to the door.
    """
    directions = posture.upward(bodies, SMPL_22)
    seen = axis_along(directions[np.abs(directions).max(axis=1).argmax()], _UPRIGHT)
    if seen == (2, 1) and rest in (None, (2, 1)):
        return seen
    return (1, 1) if seen in ((1, 1), (1, -1), (2, 1)) else None


def _turned(joints: np.ndarray, up: tuple[int, int]) -> np.ndarray:
    """(..., 3) turned so that ``up`` becomes y; a rotation, never a reflection."""
    axis, sign = up
    if axis == 1:
        return joints if sign == 1 else joints * np.array([1, -1, -1], np.float32)
    x, y, z = np.moveaxis(joints, -1, 0)
    if axis == 2:
        return np.stack([x, sign * z, -sign * y], axis=-1)
    return np.stack([-sign * y, sign * x, z], axis=-1)
