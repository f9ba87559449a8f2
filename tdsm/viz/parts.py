"""Six parts of the body, the same for every layout, and colours for what each part did to an answer.

A part is found from what a layout says of itself: an arm is all that hangs below a shoulder, a leg all that hangs below a hip, the head is every joint
whose point of the body (:attr:`tdsm.data.layouts.Layout.points`) lies above the base of the neck, the torso is the rest: spine, hips and shoulders. So a
bending torso carries the arms with it, and no part is ever empty.

Held still (:func:`held_still`), a part has no movement of its own: its joints keep one place relative to the joint that carries the part (the shoulder of an
arm, the hip of a leg, the base of the neck of the head; the torso keeps one place in space and carries the others, which go on moving), and do not turn
with it. The place is that of the frame nearest to the mean over the clip: unlike the first frame it does not depend on when the recording began, and unlike
the mean itself it is a pose that the person took, with bones of their own length.
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
    """Part to the indices of its joints, parts in the order of :data:`PARTS`; every joint belongs to exactly one."""
    legs = [_below(layout, hip) for hip in layout.hips]
    trunk = {*layout.hips, *layout.shoulders, *legs[0], *legs[1]}  # COCO hangs the hips on the shoulders
    arms = [tuple(joint for joint in _below(layout, shoulder) if joint not in trunk) for shoulder in layout.shoulders]
    head = tuple(index for index, point in enumerate(layout.points) if point.removeprefix("left ").removeprefix("right ") in _HEAD)
    limbs = {joint for joints in (head, *arms, *legs) for joint in joints}
    torso = tuple(joint for joint in range(len(layout)) if joint not in limbs)
    return dict(zip(PARTS, (head, torso, *arms, *legs), strict=True))


def _below(layout: Layout, joint: int) -> tuple[int, ...]:
    """The joints that hang on this one, directly or not, without itself."""
    children = [child for child, parent in layout.bones if parent == joint]
    return tuple(sorted(children + [far for child in children for far in _below(layout, child)]))


def _check_part(where: str, part: str) -> None:
    if part not in PARTS:
        raise InputError(where, f"no part {part!r}", f"choose among: {', '.join(PARTS)}")


def held_still(clip: Clip, part: str) -> Clip:
    """The clip with one part of every body held still, as the top of this module says; what was not seen stays unseen.

    Raises:
        InputError: ``part`` is none of :data:`PARTS`.
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
    """Hold the torso of (T, V, C) ``person`` in space, in place; the other parts go where their carriers go."""
    parts = body_parts(layout)
    before = {part: _carrier(person, visible, layout, part) for part in PARTS if part != "torso"}
    own = list(parts["torso"])
    person[:, own] = np.where(visible[:, own, None], _typical(person[:, own], visible[:, own]), person[:, own])
    for part, (carrier, known) in before.items():
        moved = np.where(known[:, None], _carrier(person, visible, layout, part)[0] - carrier, 0.0)
        person[:, parts[part]] += np.where(visible[:, parts[part], None], moved[:, None], 0.0)


def _carrier(person: np.ndarray, visible: np.ndarray, layout: Layout, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Where the joint that carries a part stands, (T, C), and in which frames it was seen, (T,) bool."""
    side, _, limb = part.partition(" ")
    ends = {"arm": layout.shoulders, "leg": layout.hips}
    joints = [ends[limb][side == "right"]] if limb else list(layout.torso[1])
    return person[:, joints].mean(axis=1), visible[:, joints].all(axis=1)


def _typical(places: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """(P, C): the P joints of (T, P, C) in the frame that comes nearest to their mean; the mean itself for a joint not seen in that frame."""
    count = np.maximum(visible.sum(axis=0), 1)[:, None]
    mean = np.where(visible[..., None], places, 0.0).sum(axis=0) / count
    distance = (np.where(visible, ((places - mean) ** 2).sum(axis=-1), 0.0)).sum(axis=1)
    fullest = visible.sum(axis=1) == visible.sum(axis=1).max()
    frame = np.where(fullest, distance, np.inf).argmin()
    return np.where(visible[frame, :, None], places[frame], mean)


def seen(clip: Clip) -> np.ndarray:
    """(M, T, V) bool: absent persons are all zeros, joints not seen are NaN."""
    present = clip.joints.any(axis=(2, 3), keepdims=True)[..., 0]
    return present & ~np.isnan(clip.joints).any(axis=3)


def looks(influence: Mapping[str, Real]) -> dict[str, tuple[str, float]]:
    """Part to (colour, width): green speaks for the answer, pink against it, grey does neither; the larger the influence, the thicker the line.

    ``influence``: part to how far the answer's margin falls without it (:func:`tdsm.viz.motion.influence`); a part left out is grey.

    Raises:
        InputError: no such part, or an influence that is not a finite number.
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
    """An influence in words: two decimals with their sign, never -0.00."""
    return f"{round(float(value), 2) + 0.0:+.2f}"
