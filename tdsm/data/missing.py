"""Joints that were not seen: interpolated over time, or filled from other joints.

A joint that was seen in some frames is *bridged*: interpolated linearly over time between the frames in which it was seen, and held before the first
and after the last. A joint that was never seen is *filled*: put at a weighted mean of other points of the body by the first recipe of :data:`RECIPES`
whose points were seen. :mod:`tdsm.data.preprocess` does this before anything else, :mod:`tdsm.data.convert` for joints that a layout lacks as well.

Recipes are in points of the body (:attr:`tdsm.data.layouts.Layout.points`), which have the same names in all layouts. The weights of a recipe sum to 1 and
are the same on both sides, so that filling commutes with moving, turning, mirroring and scaling a body. Fractions of trunk, hands and feet are measured
on UTD-MHAD, NW-UCLA and SMPL bodies; those of the face, and of limbs never seen (arms and legs hang down straight), are rough. A joint of a layout of your
own that has no recipe is put where the joint is that it hangs on.
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

Recipe = dict[str, float]  # point to weight
_ALMOST_ZERO = 1e-9  # metres or pixels

# "own" and "other" stand for either side. What holds for a recipe's points holds for the points that they are filled from.
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
    # Shoulders are twice as wide as hips. Of a person in profile one side may never be seen; it is then taken to be behind the other.
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
    # Face: beside the nose or the head along the line of the shoulders, which is two and a half heads wide.
    "nose": ({"head": 1.0},),
    "own eye": ({"nose": 1.0, "own shoulder": 0.08, "other shoulder": -0.08},),
    "own eye inner": ({"own eye": 0.75, "other eye": 0.25},),
    "own eye outer": ({"own eye": 1.25, "other eye": -0.25},),
    "own ear": ({"head": 1.0, "own shoulder": 0.2, "other shoulder": -0.2},),
    "own mouth": ({"nose": 0.75, "neck base": 0.25, "own shoulder": 0.07, "other shoulder": -0.07},),
    # Arms: the palm lies 0.3 of the forearm beyond the wrist (UTD-MHAD 0.30, NW-UCLA 0.33), the finger tips as far again, thumb and knuckles between.
    # An elbow whose wrist was seen is half-way to it, a wrist whose hand was seen before it; an arm that was never seen hangs down. So do legs.
    "own elbow": ({"own shoulder": 0.5, "own wrist": 0.5}, {"own shoulder": 0.3, "own hip": 0.7}),
    "own wrist": ({"own hand": 1 / 1.3, "own elbow": 0.3 / 1.3}, {"own elbow": 1.9, "own shoulder": -0.9}),
    "own hand": ({"own wrist": 1 / 3, "own index": 1 / 3, "own pinky": 1 / 3}, {"own wrist": 1.3, "own elbow": -0.3}),
    "own hand tip": ({"own hand": 2.0, "own wrist": -1.0},),
    "own thumb": ({"own hand": 1.5, "own wrist": -0.5},),
    "own index": ({"own hand": 1.5, "own wrist": -0.5},),
    "own pinky": ({"own hand": 1.5, "own wrist": -0.5},),
    # Legs: sole and front of the foot lie 0.17 of the shank under the ankle where nothing says which way the foot points.
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
"""Point to the ways of filling it from others, best first."""


@dataclass(frozen=True, kw_only=True)
class Filling:
    """How much of a clip, or of several, was not seen, and what was put in its place.

    Attributes:
        bridged: names of joints that were seen in some frames only, in the layout's order.
        filled: names of joints that were never seen (of some person) and were filled from others, in the layout's order.
        unseen: how many joint positions, each of one joint in one frame, were not seen.
        positions: how many joint positions the persons who are present have in all.
        left_out: persons of whom too little was seen to place every joint; they are taken as absent.
    """

    bridged: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    unseen: int = 0
    positions: int = 0
    left_out: int = 0

    @property
    def note(self) -> str:
        """One line for a user; empty when everything was seen."""
        if not self.unseen:
            return ""
        parts = [f"interpolated over time: {', '.join(self.bridged)}"] if self.bridged else []
        parts += [f"never seen and filled from other joints: {', '.join(self.filled)}"] if self.filled else []
        parts += [f"persons left out, too little of them seen: {self.left_out}"] if self.left_out else []
        return f"{self.unseen / self.positions:.1%} of joint positions not seen: {'; '.join(parts)}"


class Complete(NamedTuple):
    """A clip's joints (M, T, V, C) float64 without NaN, what was filled, and the joint for which the last person left out was left out."""

    joints: np.ndarray
    filling: Filling
    lacking: str | None


def complete(clip: Clip, layout: Layout | None = None) -> Complete:
    """Bridge and fill the joints of a clip that were not seen.

    Args:
        clip: any layout.
        layout: whose joints to give, in the clip's own axes; the clip's own when left out. Joints that the clip's layout does not have are filled too.

    Returns:
        Joints (M, T, len(layout), C) without NaN. A person of whom too little is seen to place every joint, such as no hip or no shoulder, is all zeros.
    """
    return complete_all([clip], layout)[0]


def complete_all(clips: Sequence[Clip], layout: Layout | None = None) -> list[Complete]:
    """:func:`complete` of clips of one layout; persons of whom the same joints were seen are filled together."""
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
        origin = ~whole.astype(np.float32).any(axis=-1)  # where a clip would take a joint for one that was not seen
        whole[origin] = _ALMOST_ZERO
        ends = np.cumsum([len(seen) for *_, seen in persons])
        for (joints, present_in, _), placed in zip(persons, np.split(whole, ends[:-1]), strict=True):
            joints[present_in] = placed
    return every


def completed(clip: Clip) -> Clip:
    """The clip with a place for every joint of everybody who is present; the clip itself where every joint was seen.

    Raises:
        InputError: nobody is ever there, or too little was seen of everybody.
    """
    if not clip.joints.any():
        raise InputError(clip.name, "joints: all zero, nobody is there in any frame", "leave the clip out")
    if not np.isnan(clip.joints).any():
        return clip
    joints, _, lacking = complete(clip)
    if not joints.any():
        raise InputError(clip.name, f"joints: too little was seen to place {lacking!r}", "leave the clip out, or give one in which hips and shoulders are seen")
    return replace(clip, joints=joints)


def gathered(source: Layout, target: Layout, every: Iterable[Filling]) -> Filling:
    """Several clips' fillings as one: joints of any, numbers of all."""
    fillings = list(every)
    bridged = {joint for filling in fillings for joint in filling.bridged}
    filled = {joint for filling in fillings for joint in filling.filled}
    numbers = {field: sum(getattr(filling, field) for filling in fillings) for field in ("unseen", "positions", "left_out")}
    return Filling(bridged=_in_order(source, bridged), filled=_in_order(target, filled), **numbers)


def _in_order(layout: Layout, names: set[str]) -> tuple[str, ...]:
    return tuple(joint for joint in layout.joints if joint in names)


def _bridged(body: np.ndarray, present: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """(T, V, C) with joints seen in some frames interpolated over time, and those never seen at 0, which have no weight."""
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
    """Weights (V_target, V_source) of the source's joints in each of the target's, and the target's joints that are filled.

    Args:
        usable: which joints of the source were ever seen.

    Returns:
        None in place of weights: nothing leads to the one joint named.
    """
    known = {point: row for point, row, use in zip(source.points, np.eye(len(source)), usable, strict=True) if use}
    rows = [_place(point, known) for point in target.points]
    for joint in _from_the_root(target) if source == target else ():
        if rows[joint] is None and target.points[joint] not in RECIPES and target.parents[joint] >= 0:  # a layout of the user's own
            rows[joint] = rows[target.parents[joint]]
    lacking = next((joint for joint, row in enumerate(rows) if row is None), None)
    if lacking is not None:
        return None, (lacking,)
    return np.stack(rows), tuple(joint for joint, point in enumerate(target.points) if point not in known)


def _from_the_root(layout: Layout) -> list[int]:
    """Joints, each after the one it hangs on."""
    order = [joint for joint, parent in enumerate(layout.parents) if parent < 0]
    for joint in order:
        order += [child for child, parent in layout.bones if parent == joint]
    return order


def _place(point: str, known: dict[str, np.ndarray], asked: tuple[str, ...] = ()) -> np.ndarray | None:
    """Weights of a point: its own joint, or the first recipe whose points all have a place without asking for this one again."""
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
