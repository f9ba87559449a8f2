"""Six parts of the body, the same for every layout, and colours for the influence of each part on a prediction.

The joints of a part follow from the layout. An arm is every joint below a shoulder in the tree of bones, a leg every joint below a hip. The head is every
joint whose point of the body (:attr:`tdsm.data.layouts.Layout.points`) is above the base of the neck. The torso is the rest: spine, hips and shoulders. A
bending torso therefore moves the arms, and no part is empty.

A part that is held still (:func:`held_still`) has no movement of its own. Its joints keep one position relative to the joint that carries the part: the
shoulder of an arm, the hip of a leg, the base of the neck for the head. They do not turn with it. The torso keeps one position in space and carries the other
parts, which continue to move. The position is that of the frame nearest to the mean over the clip. Unlike the first frame it does not depend on the start of
the recording, and unlike the mean it is a pose that the person took, with the true lengths of the bones.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from numbers import Real

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from tdsm.data.clips import Clip
from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError
from tdsm.viz import style

__all__ = ["AGAINST", "NEUTRAL", "PARTS", "SUPPORTS", "body_parts", "held_still", "looks", "seen", "signed"]

PARTS = ("head", "torso", "left arm", "right arm", "left leg", "right leg")
SUPPORTS, AGAINST, NEUTRAL = style.COLOURS[2], style.COLOURS[3], style.FLOOR

_HEAD = {"neck", "skull base", "head", "nose", "eye", "eye inner", "eye outer", "ear", "mouth"}


def body_parts(layout: Layout) -> dict[str, tuple[int, ...]]:
    """Part → indices of its joints, in the order of :data:`PARTS`. Every joint belongs to exactly one part."""
    legs = [_below(layout, hip) for hip in layout.hips]
    trunk = {*layout.hips, *layout.shoulders, *legs[0], *legs[1]}  # COCO hangs the hips on the shoulders
    arms = [tuple(joint for joint in _below(layout, shoulder) if joint not in trunk) for shoulder in layout.shoulders]
    head = tuple(index for index, point in enumerate(layout.points) if point.removeprefix("left ").removeprefix("right ") in _HEAD)
    limbs = {joint for joints in (head, *arms, *legs) for joint in joints}
    torso = tuple(joint for joint in range(len(layout)) if joint not in limbs)
    return dict(zip(PARTS, (head, torso, *arms, *legs), strict=True))


def _below(layout: Layout, joint: int) -> tuple[int, ...]:
    """All joints below this one in the tree of bones."""
    children = [child for child, parent in layout.bones if parent == joint]
    return tuple(sorted(children + [far for child in children for far in _below(layout, child)]))


def _check_part(where: str, part: str) -> None:
    if part not in PARTS:
        raise InputError(where, f"no part {part!r}", f"choose among: {', '.join(PARTS)}")


def held_still(clip: Clip, part: str) -> Clip:
    """The clip with one part of every body held still, as the docstring of this module defines. Joints that were not seen stay unseen.

    Raises:
        InputError: ``part`` is not one of :data:`PARTS`.
    """
    _check_part("part", part)
    joints = clip.joints.astype(np.float64)
    present = seen(clip)
    for person, visible in zip(joints, present, strict=True):
        if part == "torso":
            _hold_torso(person, visible, clip.layout)
        else:
            own = list(body_parts(clip.layout)[part])
            carrier, known = _carrier(person, visible, clip.layout, part)
            offset = person[:, own] - carrier[:, None]
            whole = visible[:, own] & known[:, None]
            person[:, own] = np.where(whole[..., None], carrier[:, None] + _typical(offset, whole), person[:, own])
    return replace(clip, joints=joints)


def _hold_torso(person: np.ndarray, visible: np.ndarray, layout: Layout) -> None:
    """Hold the torso of (T, V, C) ``person`` at one position, in place. The other parts move with the joints that carry them."""
    parts = body_parts(layout)
    before = {part: _carrier(person, visible, layout, part) for part in PARTS if part != "torso"}
    own = list(parts["torso"])
    person[:, own] = np.where(visible[:, own, None], _typical(person[:, own], visible[:, own]), person[:, own])
    for part, (carrier, known) in before.items():
        moved = np.where(known[:, None], _carrier(person, visible, layout, part)[0] - carrier, 0.0)
        person[:, parts[part]] += np.where(visible[:, parts[part], None], moved[:, None], 0.0)


def _carrier(person: np.ndarray, visible: np.ndarray, layout: Layout, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the joint that carries a part, (T, C), and the frames in which it was seen, (T,) bool."""
    side, _, limb = part.partition(" ")
    ends = {"arm": layout.shoulders, "leg": layout.hips}
    joints = [ends[limb][side == "right"]] if limb else list(layout.torso[1])
    return person[:, joints].mean(axis=1), visible[:, joints].all(axis=1)


def _typical(places: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """(P, C): the P joints of (T, P, C) in the frame nearest to their mean; the mean for a joint that was not seen in that frame."""
    count = np.maximum(visible.sum(axis=0), 1)[:, None]
    mean = np.where(visible[..., None], places, 0.0).sum(axis=0) / count
    distance = (np.where(visible, ((places - mean) ** 2).sum(axis=-1), 0.0)).sum(axis=1)
    fullest = visible.sum(axis=1) == visible.sum(axis=1).max()
    frame = np.where(fullest, distance, np.inf).argmin()
    return np.where(visible[frame, :, None], places[frame], mean)


def seen(clip: Clip) -> np.ndarray:
    """Which joints were seen, (M, T, V) bool. Absent persons are all zeros, joints that were not seen are NaN."""
    present = clip.joints.any(axis=(2, 3), keepdims=True)[..., 0]
    return present & ~np.isnan(clip.joints).any(axis=3)


def looks(influence: Mapping[str, Real]) -> dict[str, tuple[str, float]]:
    """Part → (colour, width): green supports the prediction, pink opposes it, grey has no influence. The width grows with the influence.

    Args:
        influence: part → decrease of the margin without the part (:func:`tdsm.viz.motion.influence`). A part that is left out is grey.

    Raises:
        InputError: a part is unknown, or an influence is not a finite number.
    """
    for part, value in influence.items():
        _check_part("influence", part)
        if not math.isfinite(value):
            raise InputError("influence", f"{part}: {value}", "give finite numbers")
    largest = max((abs(value) for value in influence.values()), default=0.0) or 1.0
    look = {}
    for part in PARTS:
        share = float(influence.get(part, 0.0)) / largest
        end, none = np.array(to_rgb(SUPPORTS if share > 0 else AGAINST)), np.array(to_rgb(NEUTRAL))
        look[part] = to_hex(none + abs(share) * (end - none)), 0.7 + 1.1 * abs(share)
    return look


def signed(value: Real) -> str:
    """An influence as text: two decimals with a sign, never -0.00."""
    return f"{round(float(value), 2) + 0.0:+.2f}"
