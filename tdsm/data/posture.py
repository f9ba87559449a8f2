"""Measurements of posture: direction of the toes, direction of up, body height, and whether the bones have human proportions.

Every function takes an array of bodies (N, F, V, C), one person in F frames of each of N clips, NaN for missing joints, and returns one value per clip.
:mod:`tdsm.data.door` interprets the values.
"""

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from tdsm.data.clips import Clip
from tdsm.data.convert import convert
from tdsm.data.kinematics import REST, Body, pose_body
from tdsm.data.layouts import NTU_25, Layout
from tdsm.util.errors import InputError

__all__ = ["backward", "can_be_measured", "facing", "height", "misfit", "quantile", "right_handed", "upward"]

Bodies = Float[np.ndarray, "n f v c"]

_HEADS = ("head", "skull base", "nose")
_TURNED = 0.02  # relative to the torso; toes closer to the ankle than this are not counted
_MORE = 1.5  # ratio of the hands' movements in an action of one hand


def can_be_measured(layout: Layout) -> bool:
    """Whether the layout has the joints that this module needs; those of :data:`tdsm.data.layouts.LAYOUTS` have."""
    limbs = {f"{side} {joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "ankle")}
    return limbs <= set(layout.points) and any(head in layout.points for head in _HEADS)


def quantile(values: np.ndarray, q: float) -> np.ndarray:
    """The q-quantile (nearest lower rank) over axis 1, ignoring NaN; NaN if all values are NaN."""
    ordered = np.sort(values, axis=1)  # NaN last
    seen = (~np.isnan(ordered)).sum(axis=1, keepdims=True)
    return np.take_along_axis(ordered, (q * np.maximum(seen - 1, 0)).astype(int), axis=1)[:, 0]


def facing(bodies: Float[np.ndarray, "n f v 3"], layout: Layout) -> Float[np.ndarray, " n"]:
    """Distance of the toes in front of the ankles, in torso lengths: positive for a body that matches its layout, negative for a mirrored one.

    The front is up x right, from the torso and from the lines of shoulders and hips. A rotation of the body does not change the sign; a reflection (or an
    exchange of left and right joints) reverses it. If the feet have no length (bodies of OpenNI), the forearms are used: they point forwards in 99 % of the
    clips of UTD-MHAD and in 84 % of those of NW-UCLA; the toes do in more than 99 % of both.

    Returns:
        (N,) median over the frames; NaN if it cannot be measured, because joints are missing or the limbs have no direction.
    """
    up, right = _torso(bodies, layout), _across(bodies, layout)
    front = np.cross(up, right)
    size = np.linalg.norm(up, axis=-1) * np.linalg.norm(front, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):  # a body without size has no front
        front = front / size[..., None]
    toes = next(toes for toes in ("foot", "big toe", "ankle") if f"left {toes}" in layout.points)
    feet, arms = (quantile((_limbs(bodies, layout, start, end) * front).sum(axis=-1), 0.5) for start, end in (("ankle", toes), ("elbow", "wrist")))
    forward = np.where(np.abs(feet) > _TURNED, feet, arms)
    return np.where(np.abs(forward) > _TURNED, forward, np.nan)


def backward(bodies: Float[np.ndarray, "n f v 2"], layout: Layout) -> Float[np.ndarray, " n"]:
    """For 2-D bodies: share of the frames with a face (nose and both eyes present) in which the body shows its back; NaN without such frames.

    A person who faces the camera has the right shoulder and hip on the left side of the picture.
    """
    face = [layout.points.index(point) for point in ("nose", "left eye", "right eye")]
    with np.errstate(invalid="ignore", divide="ignore"):
        side = _across(bodies, layout)[..., 0] / np.linalg.norm(_torso(bodies, layout), axis=-1)
        judged = (np.abs(side) > 0.2) & ~np.isnan(bodies[:, :, face]).any(axis=(2, 3))
        return (judged & (side > 0)).sum(axis=1) / judged.sum(axis=1)


def right_handed(bodies: Bodies, layout: Layout) -> Float[np.ndarray, " n"]:
    """1 if the right hand moves at least 1.5 times as much as the left, 0 if the left hand does, otherwise NaN."""
    left, right = (
        np.nansum(np.linalg.norm(np.diff(bodies[:, :, layout.points.index(f"{side} wrist")] - _middle(bodies, layout.torso[1]), axis=1), axis=-1), axis=1)
        for side in ("left", "right")
    )
    return np.where(right > _MORE * left, 1.0, np.where(left > _MORE * right, 0.0, np.nan))


def upward(bodies: Bodies, layout: Layout) -> Float[np.ndarray, "n c"]:
    """Mean direction from the feet to the hips and on to the shoulders, (N, C); its length is 1 for a body that is straight and still."""
    legs = _middle(bodies, layout.torso[0]) - _middle(bodies, [layout.points.index(f"{side} ankle") for side in ("left", "right")])
    both = np.concatenate([_unit(_torso(bodies, layout)), _unit(legs)], axis=1)
    seen = ~np.isnan(both).any(axis=-1, keepdims=True)
    return np.where(seen, both, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)


def height(bodies: Bodies, layout: Layout) -> Float[np.ndarray, " n"]:
    """Length of the bones from the head (or nose) to the left ankle, in the clip's unit; 1.3 to 2 m for people."""
    lengths = quantile(_bones(bodies, layout), 0.5)
    bone = {child: row for row, (child, _) in enumerate(layout.bones)}
    head = next(layout.points.index(point) for point in _HEADS if point in layout.points)
    return sum(lengths[:, bone[joint]] for joint in {*_path(layout, head)} ^ {*_path(layout, layout.points.index("left ankle"))})


def misfit(bodies: Bodies, layout: Layout) -> Float[np.ndarray, " n"]:
    """Share of the total bone length that differs from human proportions, 0 to 1; NaN for layouts without known proportions.

    Measured: median 0.06 in UTD-MHAD and NW-UCLA, 0.14 in Florence3D (whose hands and feet have no length), 0.11 in J-HMDB (2-D). The same clips have 0.22
    with the trunk's joints in reverse order, 0.24 with arms and legs exchanged, and 0.3 or more with joints in random order.
    """
    lengths, known = quantile(_bones(bodies, layout), 0.9), _proportions(layout)
    if known is None:
        return np.full(len(bodies), np.nan)
    seen = ~np.isnan(lengths)
    lengths, known = np.where(seen, lengths, 0), np.where(seen, known, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(lengths / lengths.sum(axis=1, keepdims=True) - known / known.sum(axis=1, keepdims=True)).sum(axis=1) / 2


@functools.cache
def _proportions(layout: Layout) -> np.ndarray | None:
    """Bone lengths (bones,) of an average man who stands in front of the camera."""
    man = pose_body(Body(), {control: np.array([pose]) for control, pose in REST.items()})
    try:
        return _bones(convert(Clip(man, NTU_25), layout).clip.joints, layout)[0, 0]
    except InputError:
        return None


def _bones(bodies: np.ndarray, layout: Layout) -> np.ndarray:
    """(N, F, bones)."""
    child, parent = np.array(layout.bones).T
    return np.linalg.norm(bodies[:, :, child] - bodies[:, :, parent], axis=-1)


def _path(layout: Layout, joint: int) -> list[int]:
    """A joint and its ancestors, without the root."""
    path = []
    while layout.parents[joint] >= 0:
        path.append(joint)
        joint = layout.parents[joint]
    return path


def _torso(bodies: np.ndarray, layout: Layout) -> np.ndarray:
    return _middle(bodies, layout.torso[1]) - _middle(bodies, layout.torso[0])


def _across(bodies: np.ndarray, layout: Layout) -> np.ndarray:
    """Vectors from left to right, for shoulders and hips."""
    return sum(bodies[:, :, right] - bodies[:, :, left] for left, right in (layout.shoulders, layout.hips))


def _limbs(bodies: np.ndarray, layout: Layout, start: str, end: str) -> np.ndarray:
    """Vectors from ``start`` to ``end``, for the left and the right limb."""
    points = layout.points
    return sum(bodies[:, :, points.index(f"{side} {end}")] - bodies[:, :, points.index(f"{side} {start}")] for side in ("left", "right"))


def _middle(bodies: np.ndarray, joints: Sequence[int]) -> np.ndarray:
    return bodies[:, :, list(joints)].mean(axis=2)


def _unit(vectors: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
