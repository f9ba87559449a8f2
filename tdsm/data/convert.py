"""From one body to another: a clip of any layout as a clip of any other, so that one recognizer serves every sensor.

Each joint of a layout stands at a point of the body (:attr:`tdsm.data.layouts.Layout.points`), and points bear the same names in all layouts. A
joint of the target takes the place of the source's joint at the same point; where the source has none, it is *filled*: put at a weighted
mean of other points by the first recipe of :data:`RECIPES` that the source can follow. Weights of a recipe sum to 1 and are the same on
both sides of the body, so that converting commutes with moving, turning, mirroring and scaling a body. What was filled is named.

Equal points are equal in name, not to the centimetre. The pelvis stands 7 cm above the middle of the hips in Kinect v1 (UTD-MHAD and
NW-UCLA), 9 cm above it in SMPL and at it in OpenPose; the base of the neck stands 10 cm, 5 cm and 0 cm above the middle of the shoulders.
Fractions of trunk, hands and feet are measured on these bodies; those of the face, and of limbs never seen, are rough.

============  ==========================================================================================================================
axes          The viewer's right, up and away stay what they are (:attr:`tdsm.data.layouts.Layout.axes`): nobody is mirrored or put upside down.
depth         3-D to 2-D drops it. 2-D to 3-D sets it to 0 and says so (``flat``): arms that reach to the camera look short, and a person
              in profile, whose shoulders coincide, may come out of ``align="body"`` facing either way.
unit          Numbers stay what they are, metres or pixels. Whoever mixes them must scale, as preprocessing does.
absence       A person who is all zeros in a frame stays so.
lost joints   NaN. A joint lost in some frames is drawn straight through time between those in which it was seen, and
              held before the first and after the last (``bridged``). A joint never seen is filled like one that the layout does not have:
              arms and legs hang down straight. A person of whom both hips or both shoulders are never seen becomes absent (``left_out``).
============  ==========================================================================================================================
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError

__all__ = ["RECIPES", "Converted", "ConvertedSet", "convert", "convert_all"]

Recipe = dict[str, float]  # point to weight

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
    "own hip": ({"pelvis": 2.0, "other hip": -1.0}, {"other hip": 1.0, "own shoulder": 0.5, "other shoulder": -0.5}),
    "own collar": ({"own shoulder": 0.4, "neck base": 0.45, "pelvis": 0.15},),
    "own shoulder": ({"neck base": 2.0, "other shoulder": -1.0},),
    # Face: beside the nose or the head along the line of the shoulders, which is two and a half heads wide.
    "nose": ({"head": 1.0},),
    "own eye": ({"nose": 1.0, "own shoulder": 0.08, "other shoulder": -0.08},),
    "own eye inner": ({"own eye": 0.75, "other eye": 0.25},),
    "own eye outer": ({"own eye": 1.25, "other eye": -0.25},),
    "own ear": ({"head": 1.0, "own shoulder": 0.2, "other shoulder": -0.2},),
    "own mouth": ({"nose": 0.75, "neck base": 0.25, "own shoulder": 0.07, "other shoulder": -0.07},),
    # Arms: the palm lies 0.3 of the forearm beyond the wrist (UTD-MHAD 0.30, NW-UCLA 0.33), the finger tips as far again, thumb and knuckles between.
    "own elbow": ({"own shoulder": 0.3, "own hip": 0.7},),
    "own wrist": ({"own elbow": 1.9, "own shoulder": -0.9},),
    "own hand": ({"own wrist": 1 / 3, "own index": 1 / 3, "own pinky": 1 / 3}, {"own wrist": 1.3, "own elbow": -0.3}),
    "own hand tip": ({"own hand": 2.0, "own wrist": -1.0},),
    "own thumb": ({"own hand": 1.5, "own wrist": -0.5},),
    "own index": ({"own hand": 1.5, "own wrist": -0.5},),
    "own pinky": ({"own hand": 1.5, "own wrist": -0.5},),
    # Legs: sole and front of the foot lie 0.17 of the shank under the ankle where nothing says which way the foot points.
    "own knee": ({"own hip": 1.9, "own shoulder": -0.9},),
    "own ankle": ({"own knee": 2.0, "own hip": -1.0},),
    "own foot": ({"own big toe": 0.5, "own small toe": 0.5}, {"own ankle": 1.17, "own knee": -0.17}),
    "own big toe": ({"own foot": 1.0},),
    "own small toe": ({"own big toe": 1.0},),
    "own heel": ({"own ankle": 1.17, "own knee": -0.17},),
}


def _both_sides() -> Iterator[tuple[str, tuple[Recipe, ...]]]:
    for own, other in (("left", "right"), ("right", "left")):

        def named(point: str, own: str = own, other: str = other) -> str:
            return point.replace("own ", f"{own} ").replace("other ", f"{other} ")

        for point, recipes in _RECIPES.items():
            yield named(point), tuple({named(part): weight for part, weight in recipe.items()} for recipe in recipes)


RECIPES = dict(_both_sides())
"""Point to the ways of filling it from others, best first."""

_ALMOST_ZERO = 1e-6  # in a 2-D clip a joint at (0, 0) would count as lost


@dataclass(frozen=True, kw_only=True)
class _Conversion:
    """What a conversion had to make up.

    Attributes:
        source, target: names of the layouts.
        filled: joints of the target for which the source has none (or, of some person, never saw it), in the target's order.
        bridged: joints of the source that were lost in some frames and drawn through time, in the source's order.
        flat: depth was missing and set to 0.
        left_out: persons of whom too little was ever seen; they are absent.
    """

    source: str
    target: str
    filled: tuple[str, ...] = ()
    bridged: tuple[str, ...] = ()
    flat: bool = False
    left_out: int = 0

    @property
    def note(self) -> str:
        """One line for a user; empty when the layouts are the same."""
        if self.source == self.target:
            return ""
        parts = [f"{len(self.filled)} joints filled from their neighbours ({', '.join(self.filled)})" if self.filled else "every joint has its counterpart"]
        parts += ["depth missing and set to 0"] if self.flat else []
        parts += [f"lost in some frames and drawn through time: {', '.join(self.bridged)}"] if self.bridged else []
        parts += [f"persons left out, too little of them seen: {self.left_out}"] if self.left_out else []
        return f"converted from {self.source} to {self.target}: {'; '.join(parts)}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Converted(_Conversion):
    """A clip in its new layout, and what was made up for it (see the other attributes)."""

    clip: Clip


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvertedSet(_Conversion):
    """Clips in their new layout, and what was made up for any of them."""

    clips: ClipSet


def convert(clip: Clip, layout: Layout) -> Converted:
    """A clip in another layout; label, subject, frame rate and name stay. The same layout gives the same clip, untouched.

    Args:
        clip: (M, T, V, C) in any layout.
        layout: the target.

    Returns:
        The clip, (M, T, len(layout), layout.dims), with the names of the joints that were filled.

    Raises:
        InputError: no joint or recipe leads to a joint of the target, for want of a layout that the recipes know or of hips and shoulders.

    Example:
        >>> from tdsm.data.layouts import KINECT_20
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> converted = convert(synthetic_clips(1, actions=["bow"])[0], KINECT_20)
        >>> converted.clip.joints.shape[2:]
        (20, 3)
        >>> converted.note
        'converted from ntu-25 to kinect-20: 1 joints filled from their neighbours (spine)'
    """
    source = clip.layout
    if source == layout:
        return Converted(clip=clip, source=source.name, target=layout.name)
    joints = np.zeros((*clip.joints.shape[:2], len(layout), layout.dims))
    filled, bridged, lost = set(), set(), []
    for person, old in enumerate(clip.joints.astype(np.float64)):
        there = old.any(axis=(1, 2))
        if not there.any():
            continue
        seen = ~np.isnan(old[there]).any(axis=2)
        weights, without = _weights(source, layout, tuple(seen.any(axis=0).tolist()))
        if weights is None:
            lost.append(without)
            continue
        joints[person, there] = _turned(weights @ _bridge(old[there], seen), source, layout)
        filled.update(without)
        bridged.update(np.flatnonzero(seen.any(axis=0) & ~seen.all(axis=0)).tolist())
    if lost and not joints.any():
        what = f"cannot be converted from {source.name} to {layout.name}: nothing stands for {layout.joints[lost[0][0]]!r}"
        raise InputError(clip.name, what, "give clips in which hips and shoulders are seen, in one of the layouts of tdsm.data.layouts")
    return Converted(
        clip=replace(clip, joints=joints, layout=layout),
        source=source.name,
        target=layout.name,
        filled=tuple(layout.joints[joint] for joint in sorted(filled)),
        bridged=tuple(source.joints[joint] for joint in sorted(bridged)),
        flat=source.dims < layout.dims,
        left_out=len(lost),
    )


def convert_all(clips: ClipSet, layout: Layout) -> ConvertedSet:
    """:func:`convert` of every clip; names and numbers of what was made up are those of all clips together.

    Raises:
        InputError: as :func:`convert`, with the clip's name.

    Example:
        >>> from tdsm.data.layouts import COCO_17
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> convert_all(synthetic_clips(1, actions=["bow", "jump"]), COCO_17).filled
        ('nose', 'left eye', 'right eye', 'left ear', 'right ear')
    """
    every = [convert(clip, layout) for clip in clips]
    return ConvertedSet(
        clips=ClipSet(tuple(one.clip for one in every), clips.classes, clips.name),
        source=clips.layout.name,
        target=layout.name,
        filled=_in_order(layout, (one.filled for one in every)),
        bridged=_in_order(clips.layout, (one.bridged for one in every)),
        flat=every[0].flat,
        left_out=sum(one.left_out for one in every),
    )


def _in_order(layout: Layout, names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    found = set().union(*names)
    return tuple(joint for joint in layout.joints if joint in found)


@functools.lru_cache(maxsize=256)
def _weights(source: Layout, target: Layout, usable: tuple[bool, ...]) -> tuple[np.ndarray | None, tuple[int, ...]]:
    """Weights (V_target, V_source) of the source's joints in each of the target's, and the target's joints that are filled.

    ``usable`` says which joints of the source were ever seen. None in place of weights: there is no way to the one joint named.
    """
    known = {point: row for point, row, use in zip(source.points, np.eye(len(source)), usable, strict=True) if use}
    rows = [_place(point, known) for point in target.points]
    for joint, row in enumerate(rows):
        if row is None:
            return None, (joint,)
    return np.stack(rows), tuple(joint for joint, point in enumerate(target.points) if point not in known)


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


def _bridge(person: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T, V, C) with joints seen in some frames drawn through the others, and those never seen at 0, which no weight takes up."""
    whole = np.where(seen[..., None], person, 0.0)
    for joint in np.flatnonzero(seen.any(axis=0) & ~seen.all(axis=0)):
        frames = np.flatnonzero(seen[:, joint])
        for axis in range(person.shape[2]):
            whole[:, joint, axis] = np.interp(np.arange(len(person)), frames, person[frames, joint, axis])
    return whole


def _turned(joints: np.ndarray, source: Layout, target: Layout) -> np.ndarray:
    """(..., C_source) in the axes of the source to (..., C_target) in those of the target."""
    turned = joints @ (target.axes.T @ source.axes).T
    if target.dims == 2:
        turned[~turned.any(axis=-1)] = _ALMOST_ZERO
    return turned
