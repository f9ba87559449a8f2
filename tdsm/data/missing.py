"""Missing joints: interpolated over time, or filled from other joints.

A joint that is missing in some frames is *bridged*: interpolated linearly over time between the frames in which it is present, and held constant before the
first and after the last of these. A joint that is missing in all frames is *filled*: it is placed at a weighted mean of other points of the body, by the
first rule of :data:`RECIPES` whose points are present. :mod:`tdsm.data.preprocess` does this first; :mod:`tdsm.data.convert` also does it for joints that a
layout does not have.

Rules refer to points of the body (:attr:`tdsm.data.layouts.Layout.points`), which have the same names in all layouts. The weights of a rule sum to 1 and are
the same on both sides, so filling commutes with translating, rotating, mirroring and scaling a body. Fractions of trunk, hands and feet were measured on
UTD-MHAD, NW-UCLA and SMPL bodies. Those of the face, and of limbs that are always missing (arms and legs hang down straight), are rough. In a layout of your
own, a joint without a rule is placed at its parent.
"""

import functools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tdsm.data.clips import Clip
from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError

__all__ = ["RECIPES", "Complete", "Filling", "complete", "complete_all", "completed", "gathered", "weights"]

Recipe = dict[str, float]  # point -> weight
_ALMOST_ZERO = 1e-9  # in metres or pixels

# "own" and "other" stand for either side. If the points of a rule are missing, they are filled by their own rules.
_RECIPES: dict[str, tuple[Recipe, ...]] = {
    # Trunk and head. Fractions of the spine: 0.2 Kinect v1 and SMPL, 0.5 Kinect v2 and SMPL, 0.6 SMPL.
    "pelvis": ({"left hip": 0.5, "right hip": 0.5},),
    "lower spine": ({"pelvis": 0.8, "neck base": 0.2},),
    "middle spine": ({"pelvis": 0.5, "neck base": 0.5},),
    "upper spine": ({"pelvis": 0.4, "neck base": 0.6},),
    "neck base": ({"left shoulder": 0.5, "right shoulder": 0.5},),
    "neck": ({"neck base": 0.6, "head": 0.4},),
    "skull base": ({"neck base": 0.5, "head": 0.5},),
    "head": (
        {"left ear": 0.5, "right ear": 0.5},
        {"left eye": 0.5, "right eye": 0.5},
        {"nose": 1.0},
        {"skull base": 2.0, "neck base": -1.0},
        {"neck base": 1.5, "pelvis": -0.5},
    ),
    # Shoulders are twice as wide as hips. For a person in profile one side may always be missing; it is then placed behind the other.
    "own hip": (
        {"pelvis": 2.0, "other hip": -1.0},
        {"other hip": 1.0, "own shoulder": 0.5, "other shoulder": -0.5},
        {"pelvis": 1.0, "own shoulder": 0.25, "other shoulder": -0.25},
        {"other hip": 1.0},
    ),
    "own collar": ({"own shoulder": 0.4, "neck base": 0.45, "pelvis": 0.15},),
    "own shoulder": (
        {"neck base": 2.0, "other shoulder": -1.0},
        {"other shoulder": 1.0, "own hip": 2.0, "other hip": -2.0},
        {"neck base": 1.0, "own hip": 1.0, "other hip": -1.0},
        {"other shoulder": 1.0},
    ),
    # Face: beside the nose or the head, along the shoulder line, which is two and a half heads wide.
    "nose": ({"head": 1.0},),
    "own eye": ({"nose": 1.0, "own shoulder": 0.08, "other shoulder": -0.08},),
    "own eye inner": ({"own eye": 0.75, "other eye": 0.25},),
    "own eye outer": ({"own eye": 1.25, "other eye": -0.25},),
    "own ear": ({"head": 1.0, "own shoulder": 0.2, "other shoulder": -0.2},),
    "own mouth": ({"nose": 0.75, "neck base": 0.25, "own shoulder": 0.07, "other shoulder": -0.07},),
    # Arms: the palm is 0.3 of the forearm beyond the wrist (UTD-MHAD 0.30, NW-UCLA 0.33), the finger tips at twice this distance, thumb and knuckles between.
    # An elbow is half-way to a known wrist, a wrist lies before a known hand; an arm that is always missing hangs down. Legs are treated in the same way.
    "own elbow": ({"own shoulder": 0.5, "own wrist": 0.5}, {"own shoulder": 0.3, "own hip": 0.7}),
    "own wrist": ({"own hand": 1 / 1.3, "own elbow": 0.3 / 1.3}, {"own elbow": 1.9, "own shoulder": -0.9}),
    "own hand": ({"own wrist": 1 / 3, "own index": 1 / 3, "own pinky": 1 / 3}, {"own wrist": 1.3, "own elbow": -0.3}),
    "own hand tip": ({"own hand": 2.0, "own wrist": -1.0},),
    "own thumb": ({"own hand": 1.5, "own wrist": -0.5},),
    "own index": ({"own hand": 1.5, "own wrist": -0.5},),
    "own pinky": ({"own hand": 1.5, "own wrist": -0.5},),
    # Legs: sole and front of the foot lie 0.17 of the shank below the ankle if the direction of the foot is unknown.
    "own knee": ({"own hip": 0.5, "own ankle": 0.5}, {"own hip": 1.9, "own shoulder": -0.9}),
    "own ankle": ({"own foot": 1 / 1.17, "own knee": 0.17 / 1.17}, {"own knee": 2.0, "own hip": -1.0}),
    "own foot": ({"own big toe": 0.5, "own small toe": 0.5}, {"own ankle": 1.17, "own knee": -0.17}),
    "own big toe": ({"own foot": 1.0},),
    "own small toe": ({"own big toe": 1.0},),
    "own heel": ({"own ankle": 1.17, "own knee": -0.17},),
}


def _on_side(point: str, own: str, other: str) -> str:
    return point.replace("own ", f"{own} ").replace("other ", f"{other} ")


RECIPES = {
    _on_side(point, *sides): tuple({_on_side(part, *sides): weight for part, weight in recipe.items()} for recipe in recipes)
    for sides in (("left", "right"), ("right", "left"))
    for point, recipes in _RECIPES.items()
}
"""Point -> rules that fill it from other points, best first."""


@dataclass(frozen=True, kw_only=True)
class Filling:
    """Amount of missing data in one or several clips, and how it was replaced.

    Attributes:
        bridged: names of joints that were missing in some frames and interpolated, in the layout's order.
        filled: names of joints that were missing in all frames (for some person) and filled from others, in the layout's order.
        unseen: number of missing joint positions (one joint in one frame).
        positions: number of all joint positions of the persons who are present.
        left_out: number of persons with too many missing joints to place every joint; they are treated as absent.
    """

    bridged: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    unseen: int = 0
    positions: int = 0
    left_out: int = 0

    @property
    def note(self) -> str:
        """A one-line summary for the user; empty if nothing is missing."""
        if not self.unseen:
            return ""
        parts = [f"interpolated over time: {', '.join(self.bridged)}"] if self.bridged else []
        parts += [f"missing in all frames and filled from other joints: {', '.join(self.filled)}"] if self.filled else []
        parts += [f"persons removed because too many joints are missing: {self.left_out}"] if self.left_out else []
        return f"{self.unseen / self.positions:.1%} of joint positions missing: {'; '.join(parts)}"


class Complete(NamedTuple):
    """A clip's joints (M, T, V, C) float64 without NaN, what was filled, and a joint that the last removed person lacks (None if no person was removed)."""

    joints: np.ndarray
    filling: Filling
    lacking: str | None


def complete(clip: Clip, layout: Layout | None = None) -> Complete:
    """Interpolate and fill the missing joints of a clip.

    Args:
        clip: a clip in any layout.
        layout: layout of the result, in the clip's own axes; default: the layout of the clip. Joints that the clip's layout does not have are filled, too.

    Returns:
        Joints (M, T, len(layout), C) without NaN. A person without, for example, any hip or any shoulder cannot be completed and is all zeros.
    """
    return complete_all([clip], layout)[0]


def complete_all(clips: Sequence[Clip], layout: Layout | None = None) -> list[Complete]:
    """:func:`complete` for clips of one layout. Persons with the same missing joints are filled together."""
    source, target = clips[0].layout, layout or clips[0].layout
    every, alike = [], defaultdict(list)
    for clip in clips:
        old = clip.joints.astype(np.float64)
        joints = old if source == target else np.zeros((*old.shape[:2], len(target), old.shape[3]))
        unseen, present = np.isnan(clip.joints).any(axis=3), clip.joints.any(axis=(2, 3))
        bridged, filled, left_out, lacking = set(), set(), 0, None
        for person, (body, present_in, lost) in enumerate(zip(old, present, unseen, strict=True)):
            if not present_in.any() or (source == target and not lost.any()):
                continue
            ever = ~lost[present_in].all(axis=0)
            placed, without = weights(source, target, tuple(ever.tolist()))
            if placed is None:
                joints[person] = 0.0
                left_out, lacking = left_out + 1, target.joints[without[0]]
                continue
            alike[tuple(ever.tolist())].append((joints[person], present_in, _bridged(body, present_in, lost)[present_in]))
            filled.update(target.joints[joint] for joint in without)
            bridged.update(source.joints[joint] for joint in np.flatnonzero(ever & lost.any(axis=0)))
        counts = {"unseen": int(unseen.sum()), "positions": int(present.sum()) * len(source), "left_out": left_out}
        every.append(Complete(joints, Filling(bridged=_in_order(source, bridged), filled=_in_order(target, filled), **counts), lacking))
    for usable, persons in alike.items():
        whole = weights(source, target, usable)[0] @ np.concatenate([seen for *_, seen in persons])
        origin = ~whole.astype(np.float32).any(axis=-1)  # joints at the origin, which a clip would treat as missing
        whole[origin] = _ALMOST_ZERO
        ends = np.cumsum([len(seen) for *_, seen in persons])
        for (joints, present_in, _), placed in zip(persons, np.split(whole, ends[:-1]), strict=True):
            joints[present_in] = placed
    return every


def completed(clip: Clip) -> Clip:
    """The clip with a position for every joint of every present person; the clip itself if no joint is missing.

    Raises:
        InputError: no body in any frame, or too many missing joints in every person.
    """
    if not clip.joints.any():
        raise InputError(clip.name, "joints: all zero, no body in any frame", "remove the clip")
    if not np.isnan(clip.joints).any():
        return clip
    joints, _, lacking = complete(clip)
    if not joints.any():
        raise InputError(clip.name, f"joints: {lacking!r} cannot be placed, too many joints are missing", "remove it, or give a clip with hips and shoulders")
    return replace(clip, joints=joints)


def gathered(source: Layout, target: Layout, every: Iterable[Filling]) -> Filling:
    """Merge the fillings of several clips: joints of any clip, numbers of all clips."""
    fillings = list(every)
    bridged = {joint for filling in fillings for joint in filling.bridged}
    filled = {joint for filling in fillings for joint in filling.filled}
    numbers = {field: sum(getattr(filling, field) for filling in fillings) for field in ("unseen", "positions", "left_out")}
    return Filling(bridged=_in_order(source, bridged), filled=_in_order(target, filled), **numbers)


def _in_order(layout: Layout, names: set[str]) -> tuple[str, ...]:
    return tuple(joint for joint in layout.joints if joint in names)


def _bridged(body: np.ndarray, present: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """(T, V, C) with joints that are missing in some frames interpolated over time; joints missing in all frames are 0 and have no weight."""
    if not lost.any():
        return body
    whole = np.where(lost[..., None], 0.0, body)
    for joint in np.flatnonzero(lost.any(axis=0)):
        frames, gaps = np.flatnonzero(present & ~lost[:, joint]), np.flatnonzero(lost[:, joint])
        for axis in range(body.shape[2]) if len(frames) else ():
            whole[gaps, joint, axis] = np.interp(gaps, frames, body[frames, joint, axis])
    return whole


@functools.lru_cache(maxsize=256)
def weights(source: Layout, target: Layout, usable: tuple[bool, ...]) -> tuple[np.ndarray | None, tuple[int, ...]]:
    """Weights (V_target, V_source) of the source's joints for each joint of the target, and the target's joints that are filled.

    Args:
        usable: whether each joint of the source is present in some frame.

    Returns:
        (weights, filled joints); (None, (joint,)) if this joint cannot be filled.
    """
    known = {point: row for point, row, use in zip(source.points, np.eye(len(source)), usable, strict=True) if use}
    rows = [_place(point, known) for point in target.points]
    for joint in _from_the_root(target) if source == target else ():
        if rows[joint] is None and target.points[joint] not in RECIPES and target.parents[joint] >= 0:  # a user-defined layout
            rows[joint] = rows[target.parents[joint]]
    lacking = next((joint for joint, row in enumerate(rows) if row is None), None)
    if lacking is not None:
        return None, (lacking,)
    return np.stack(rows), tuple(joint for joint, point in enumerate(target.points) if point not in known)


def _from_the_root(layout: Layout) -> list[int]:
    """Joints in an order in which each follows its parent."""
    order = [joint for joint, parent in enumerate(layout.parents) if parent < 0]
    for joint in order:
        order += [child for child, parent in layout.bones if parent == joint]
    return order


def _place(point: str, known: dict[str, np.ndarray], asked: tuple[str, ...] = ()) -> np.ndarray | None:
    """Weights of a point: its own joint, or the first rule whose points can all be placed without using this point."""
    if point in known or point in asked:
        return known.get(point)
    for recipe in RECIPES.get(point, ()):
        total = 0.0
        for part, weight in recipe.items():
            row = _place(part, known, (*asked, point))
            if row is None:
                break
            total = total + weight * row
        else:
            return total
    return None
