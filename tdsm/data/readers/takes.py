"""Conversion of motion files to one body, one unit and one upward axis: smpl-22, metres, y.

Readers of single formats return a :class:`Take`; :func:`placed` does the rest. If the file does not state its unit, the body's size determines it. If it does
not state the upward axis, the bodies determine it, or those of all takes of a session together. Assumptions are reported in a note, because they can be wrong;
that y is up for bodies that are upright along y is not reported.
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
"""Name of a unit, in lower case -> its length in metres."""
# Distance from ankle to base of the skull in the file's numbers, and the unit that it implies. CMU's takes are in inches times 0.45.
_SIZES = ((0.4, 2.6, "metres", 1.0), (16.0, 34.0, "CMU's units (0.45 inches)", 0.0254 / 0.45), (34.0, 72.0, "inches", 0.0254))
_SIZES += ((72.0, 260.0, "centimetres", 0.01), (400.0, 2600.0, "millimetres", 0.001))
_LOOKED_AT = 200  # most frames that are checked
_UPRIGHT = 0.7  # see tdsm.data.remarks


class Take(NamedTuple):
    """The content of one file.

    Attributes:
        joints: (M, T, 22, 3) float in the order of smpl-22, in the file's unit and axes; NaN for a missing joint.
        fps: frames per second; None if the file does not state them.
        metres: length of the file's unit in metres; None if not stated.
        up: (axis, sign) if the format defines the upward axis; None: the bodies determine it.
        rest: (axis, sign) of the upward axis in the file's rest pose; None if the body is not upright there or there is no rest pose.
        notes: information for the user, one line each.
        usual_fps: usual frame rate of such files if they do not state it; used if nothing else gives it. None: unknown.
        left_out: persons or objects of the file that are not in ``joints``, with the reason, one line each.
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
    """Positions (T, 3) by joint of smpl-22 as one array; absent joints are NaN.

    Two collars at the same position also become NaN: if collar bones start at the neck (CMU), the file does not contain the collar joints of smpl-22.

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
    """(axis, sign) of the coordinate axis along which a vector (3,) points by at least ``least``; None if there is none.

    Example:
        >>> axis_along(np.array([0.1, 0.0, -0.9]), 0.7)
        (2, -1)
    """
    axis = int(np.nan_to_num(np.abs(direction)).argmax())
    return (axis, 1 if direction[axis] > 0 else -1) if abs(direction[axis]) >= least else None


def rated(take: Take, listed: Real | None, given: Real | None) -> tuple[float | None, tuple[str, ...]]:
    """Frames per second of a take (None if unknown), and assumptions, one line each.

    Args:
        take: content of the file, which may state them.
        listed: value of the table, which has priority over the file; None if it has none.
        given: value of the user, for files that do not state it; None if not given.

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
    return take.usual_fps, (f"its frame rate is not stated; {take.usual_fps:g} is assumed; if this is wrong, give fps",)


def shown_up(take: Take, where: object) -> tuple[int, int] | None:
    """(axis, sign) of the upward axis shown by the bodies, y or z; None if they do not show it, for example a person lying down.

    Raises:
        InputError: as :func:`placed`.
    """
    return _up(_bodies(take, where), take.rest)


def placed(take: Take, where: object, up: tuple[int, int] | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Joints (M, T, 22, 3) in metres with y up, and assumptions, one line each.

    Args:
        take: content of the file.
        where: source named in messages.
        up: (axis, sign) determined from several takes, for a take that does not state it; None: its own bodies determine it.

    Raises:
        InputError: no body in any frame, or infinite coordinates.
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
            notes.append(f"its bodies do not show the upward axis; y is assumed{', as in its rest pose' * (take.rest == (1, 1))}")
        elif up == (2, 1):
            notes.append("its bodies are upright along z; z is taken as the upward axis and rotated to y")
    return _turned(np.asarray(take.joints, np.float32), up or (1, 1)) * np.float32(metres), tuple(notes)


def _bodies(take: Take, where: object) -> Float[np.ndarray, "m f 22 3"]:
    """Some of the frames, in the file's unit and axes, with missing joints filled; NaN where a person is absent."""
    joints = np.asarray(take.joints, np.float32)
    if np.isinf(joints).any():
        raise InputError(where, "holds infinite coordinates", "export it again")
    if np.isnan(joints).any(axis=3).all():
        raise InputError(where, "no body in any frame", "remove the file, or export it again")
    some = joints[:, np.linspace(0, joints.shape[1] - 1, min(_LOOKED_AT, joints.shape[1])).round().astype(int)]
    bodies = complete(Clip(some, SMPL_22, name=str(where))).joints
    return np.where(bodies.any(axis=(2, 3), keepdims=True), bodies, np.nan)


def _unit(bodies: np.ndarray, where: object) -> tuple[float, str]:
    heights = posture.height(bodies, SMPL_22)
    if np.isnan(heights).all():
        raise InputError(where, "too many joints are missing to determine the unit from the body's size", "give it in metres, as .npy")
    tall = float(np.nanmedian(heights))
    _, _, unit, metres = next((size for size in _SIZES if size[0] <= tall < size[1]), None) or _nearest(tall)
    return metres, f"its unit is not stated and is assumed to be {unit}, from the size of the body ({tall * metres:.2f} m from ankle to head)"


def _nearest(tall: float) -> tuple[float, float, str, float]:
    return min(_SIZES, key=lambda size: abs(np.log(max(tall, 1e-9) * size[3] / 1.42)))


def _up(bodies: np.ndarray, rest: tuple[int, int] | None) -> tuple[int, int] | None:
    """The upward axis: z only if the bodies are upright along z and the rest pose does not contradict; None if they are upright along neither y nor z.

    :mod:`tdsm.data.door` checks bodies that are upright along -y, or along z against the rest pose.
    """
    directions = posture.upward(bodies, SMPL_22)
    seen = axis_along(directions[np.abs(directions).max(axis=1).argmax()], _UPRIGHT)
    if seen == (2, 1) and rest in (None, (2, 1)):
        return seen
    return (1, 1) if seen in ((1, 1), (1, -1), (2, 1)) else None


def _turned(joints: np.ndarray, up: tuple[int, int]) -> np.ndarray:
    """(..., 3) rotated so that ``up`` becomes y; never a reflection."""
    axis, sign = up
    if axis == 1:
        return joints if sign == 1 else joints * np.array([1, -1, -1], np.float32)
    x, y, z = np.moveaxis(joints, -1, 0)
    if axis == 2:
        return np.stack([x, sign * z, -sign * y], axis=-1)
    return np.stack([-sign * y, sign * x, z], axis=-1)
