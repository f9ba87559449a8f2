"""A human body that can be posed and moved: forward kinematics of NTU-25, used by :mod:`tdsm.data.synthetic`.

A pose is defined by a few controls instead of 25 joint angles. Hands and feet are placed directly; elbows and knees follow by two-bone inverse kinematics,
so that bones keep their lengths and these joints bend in the human direction. The pelvis is as high as both feet allow, so that a foot that is not lifted
touches the floor.

Coordinates are (left, up, forward) of the person, in metres, with the floor at up = 0. The "out" component of a control points away from the body on the
control's own side, so a left and a right pose with the same numbers are mirror images.

=============  ==============================  =======================================================
control        three numbers                   unit and origin
=============  ==============================  =======================================================
left_hand      wrist: out, up, forward         arm lengths from the shoulder, axes of the chest
left_elbow     elbow points: out, up, forward  direction, axes of the chest
left_foot      ankle: out, up, forward         leg lengths from its rest position
torso          bend forward, lean left, twist  degrees; twist is to the left
head           nod, tilt left, turn left       degrees, on top of the torso's
pelvis         left, up, forward               leg lengths from its rest position
=============  ==============================  =======================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tdsm.data.layouts import NTU_25

__all__ = ["REST", "Body", "follow", "pose_body", "sensor_noise", "smooth", "turn_left"]

_HAND, _ELBOW, _STILL = (0.11, -0.98, 0.07), (0.6, -0.6, -0.55), (0.0, 0.0, 0.0)
REST = {
    "left_hand": _HAND, "right_hand": _HAND, "left_elbow": _ELBOW, "right_elbow": _ELBOW,
    "left_foot": _STILL, "right_foot": _STILL, "torso": (2.0, 0.0, 0.0), "head": _STILL, "pelvis": _STILL,
}  # fmt: skip


Number = float | np.ndarray


@dataclass(frozen=True)
class Body:
    """Proportions of a person: numbers, or one value for each of T frames, (T,).

    Attributes:
        height: crown above the floor, in metres.
        arms, legs, width: factors on the arm length, leg length, and shoulder and hip width of a mean adult.
    """

    height: Number = 1.70
    arms: Number = 1.0
    legs: Number = 1.0
    width: Number = 1.0

    @property
    def arm(self) -> tuple[Number, Number]:
        """Lengths of upper arm and forearm, in metres."""
        return 0.170 * self.height * self.arms, 0.145 * self.height * self.arms

    @property
    def leg(self) -> tuple[Number, Number]:
        """Lengths of thigh and shank, in metres."""
        return 0.245 * self.height * self.legs, 0.243 * self.height * self.legs


def pose_body(body: Body, controls: Mapping[str, np.ndarray]) -> np.ndarray:
    """Joints of a moving body.

    Args:
        body: proportions, constant or per frame.
        controls: every key of :data:`REST`, each (T, 3); see the table at the top of this module.

    Returns:
        (T, 25, 3) metres in (left, up, forward), joints in the order of NTU-25.
    """
    ankles = {side: _ankle_target(body, controls[f"{side}_foot"], sign) for side, sign in (("left", 1), ("right", -1))}
    base = _pelvis(body, controls["pelvis"], ankles)
    joints, chest = _spine(body, base, controls["torso"], controls["head"])
    for side, sign in (("left", 1), ("right", -1)):
        joints |= _arm(body, joints["spine shoulder"], chest, controls, side, sign)
        joints |= _leg(body, base, ankles[side], side, sign)
    return np.stack([joints[name] for name in NTU_25.joints], axis=1)


def follow(control: str, poses: np.ndarray, phase: np.ndarray, ease: np.ndarray, width: float = 1.0) -> np.ndarray:
    """The course of a control: from rest, through key poses at equal times of a cycle, and back to rest.

    Args:
        control: a key of :data:`REST`.
        poses: (K, 3) key poses; a single one is held.
        phase: (T,) time in cycles.
        ease: (T,) 0 at rest, 1 in full motion.
        width: factor on the distance of every pose from rest.

    Returns:
        (T, 3).
    """
    rest, ease = np.array(REST[control]), ease[:, None]
    path = _through(poses, phase)
    moved = rest + width * ease * (path - rest)
    if not control.endswith("hand"):
        return moved
    # A hand moves on arcs about its shoulder: direction and distance are interpolated separately, so it passes beside the shoulder, not through it.
    moved += ease * (1 - ease) * 0.5 * np.maximum(path[:, 1:2] - rest[1], 0) ** 2 * (0.75, 0.0, 0.55)
    still = np.linalg.norm(rest)
    reach = still + ease * (_through(np.linalg.norm(poses, axis=1, keepdims=True), phase) - still)
    return moved * reach / np.linalg.norm(moved, axis=1, keepdims=True)


def smooth(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, and between them a cubic with zero slope at both ends."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def turn_left(left: np.ndarray, forward: np.ndarray, heading: np.ndarray | float) -> np.ndarray:
    """Rotate left and forward components by ``heading`` radians to the left; returns them as (2, ...)."""
    sine, cosine = np.sin(heading), np.cos(heading)
    return np.stack([cosine * left + sine * forward, cosine * forward - sine * left])


def sensor_noise(rng: np.random.Generator, shape: tuple[int, ...], drift: float, jitter: float) -> np.ndarray:
    """Sensor error in metres: ``drift``, which lasts five frames, and ``jitter``, independent in each frame."""
    frames = shape[0]
    raw = rng.normal(0, drift * np.sqrt(5), (frames + 4, *shape[1:]))
    return sum(raw[lag : lag + frames] for lag in range(5)) / 5 + rng.normal(0, jitter, shape)


def _through(poses: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """(K, C) poses, (T,) phase in cycles -> (T, C): a periodic cubic that does not overshoot the poses."""
    step = np.roll(poses, -1, axis=0) - poses
    before = np.roll(step, 1, axis=0)
    same_way = step * before > 0
    slope = np.where(same_way, 2 * step * before / np.where(same_way, step + before, 1), 0)
    index, x = np.divmod(phase % 1 * len(poses), 1)
    last = index.astype(int) % len(poses)
    coming, x = (last + 1) % len(poses), x[:, None]
    return poses[last] + smooth(x) * step[last] + x * (1 - x) * ((1 - x) * slope[last] - x * slope[coming])


def _length(vectors: np.ndarray) -> np.ndarray:
    """(T, 1) of (T, 3), equal to numpy.linalg.norm and faster."""
    square = vectors * vectors
    return np.sqrt(square[..., :1] + square[..., 1:2] + square[..., 2:])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / _length(vectors)


def _column(number: Number) -> np.ndarray:
    """(1,) or (T, 1): a single number for all frames, or one per frame."""
    return np.asarray(number)[..., None]


def _vector(out: Number, up: Number, forward: Number) -> np.ndarray:
    """(3,), or (T, 3) if ``up`` has one number per frame."""
    return np.ascontiguousarray(np.array([out + 0 * up, up, forward + 0 * up]).T)


def _turned(axes: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Apply (T, 3, 3) to (3,) or (T, 3)."""
    return (axes @ vectors[..., None])[..., 0]


def _across(vectors: np.ndarray) -> np.ndarray:
    """Cross products with the left axis, (T, 3)."""
    return np.stack([0 * vectors[:, 0], vectors[:, 2], -vectors[:, 1]], -1)


def _rotation(degrees: np.ndarray) -> np.ndarray:
    """(T, 3) bend, lean, twist -> (T, 3, 3): bend first, then lean, then twist about the vertical."""
    (sb, sl, st), (cb, cl, ct) = np.sin(np.radians(degrees)).T, np.cos(np.radians(degrees)).T
    one, zero = np.ones_like(sb), np.zeros_like(sb)
    bend = np.array([(one, zero, zero), (zero, cb, -sb), (zero, sb, cb)])
    lean = np.array([(cl, sl, zero), (-sl, cl, zero), (zero, zero, one)])
    twist = np.array([(ct, zero, st), (zero, one, zero), (-st, zero, ct)])
    return twist.transpose(2, 0, 1) @ lean.transpose(2, 0, 1) @ bend.transpose(2, 0, 1)


def _limb(start: np.ndarray, target: np.ndarray, lengths: tuple[Number, Number], pole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two-bone inverse kinematics: (T, 3) middle joint and end; the middle joint is pushed towards ``pole``."""
    upper, lower = map(_column, lengths)
    tightest = np.sqrt(upper**2 + lower**2 - 2 * upper * lower * np.cos(np.radians(32)))
    reach = _length(target - start)
    along = (target - start) / np.maximum(reach, 1e-6)
    reach = np.clip(reach, tightest, 0.998 * (upper + lower))
    aside = _unit(pole - (pole * along).sum(-1, keepdims=True) * along)
    foot = (upper**2 - lower**2 + reach**2) / (2 * reach)
    return start + foot * along + np.sqrt(upper**2 - foot**2) * aside, start + reach * along


def _ankle_target(body: Body, foot: np.ndarray, sign: int) -> np.ndarray:
    home = _vector(sign * (0.050 * body.width + 0.012) * body.height, 0.042 * body.height, 0.0)
    return home + _column(sum(body.leg)) * foot * (sign, 1, 1)


def _hip(body: Body, sign: int) -> np.ndarray:
    return _vector(sign * 0.050 * body.width * body.height, -0.020 * body.height, 0.0)


def _pelvis(body: Body, pelvis: np.ndarray, ankles: Mapping[str, np.ndarray]) -> np.ndarray:
    """Position of the spine base (T, 3): at the requested height, but not higher than legs that reach both ankles allow."""
    length = sum(body.leg)
    base = _column(length) * pelvis
    base[:, 1] += 0.993 * length + 0.062 * body.height
    for side, sign in (("left", 1), ("right", -1)):
        hip = _hip(body, sign)
        aside = (ankles[side] - base - hip)[:, [0, 2]]
        room = np.sqrt(np.maximum((0.995 * length) ** 2 - (aside**2).sum(-1), 0))
        base[:, 1] = np.minimum(base[:, 1], ankles[side][:, 1] + room - hip[..., 1])
    return base


def _spine(body: Body, base: np.ndarray, torso: np.ndarray, head: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Joints from spine base to head, and the axes of the chest (T, 3, 3). The lower back takes 0.6 of each angle."""
    height, chest = body.height, _rotation(torso)
    middle = base + _turned(_rotation(0.6 * torso), _vector(0.0, 0.150 * height, 0.0))
    shoulder = middle + _turned(chest, _vector(0.0, 0.125 * height, 0.0))
    neck = shoulder + _turned(_rotation(torso + 0.4 * head), _vector(0.0, 0.040 * height, 0.004 * height))
    top = neck + _turned(_rotation(torso + head), _vector(0.0, 0.068 * height, 0.022 * height))
    return {"spine base": base, "spine middle": middle, "spine shoulder": shoulder, "neck": neck, "head": top}, chest


def _arm(body: Body, spine_shoulder: np.ndarray, chest: np.ndarray, controls: Mapping[str, np.ndarray], side: str, sign: int) -> dict[str, np.ndarray]:
    height, outward = body.height, np.array([sign, 1, 1])
    shoulder = spine_shoulder + _turned(chest, _vector(sign * 0.102 * height * body.width, -0.022 * height, 0.0))
    target = shoulder + _column(sum(body.arm)) * np.einsum("tij,tj->ti", chest, controls[f"{side}_hand"] * outward)
    pole = np.einsum("tij,tj->ti", chest, controls[f"{side}_elbow"] * outward)
    elbow, wrist = _limb(shoulder, target, body.arm, pole)
    along = _unit(wrist - elbow)
    bend = shoulder - elbow  # the thumb is on the side to which the elbow bends
    thumb = _unit(_unit(bend - (bend * along).sum(-1, keepdims=True) * along) + along)
    hand = wrist + _column(0.045 * height) * along
    ends = {f"{side} hand tip": hand + _column(0.045 * height) * along, f"{side} thumb": hand + _column(0.028 * height) * thumb}
    return ends | {f"{side} shoulder": shoulder, f"{side} elbow": elbow, f"{side} wrist": wrist, f"{side} hand": hand}


def _leg(body: Body, base: np.ndarray, target: np.ndarray, side: str, sign: int) -> dict[str, np.ndarray]:
    hip = base + _hip(body, sign)
    knee, ankle = _limb(hip, target, body.leg, _across(target - hip))
    foot = ankle + _column(0.070 * body.height) * _toes(body, knee, ankle, sign)
    return {f"{side} hip": hip, f"{side} knee": knee, f"{side} ankle": ankle, f"{side} foot": foot}


def _toes(body: Body, knee: np.ndarray, ankle: np.ndarray, sign: int) -> np.ndarray:
    """Direction of the foot (T, 3): toes on the floor while the heel is low, perpendicular to the shank when the foot is in the air."""
    sink = np.clip((ankle[:, 1] / body.height - 0.016) / 0.070, 0, 0.85)
    floor = np.stack([np.full_like(sink, 0.15 * sign), -sink, np.sqrt(1 - sink**2)], -1)
    shank = _unit(ankle - knee)
    air = _unit(_across(shank)) + 0.4 * shank
    lift = smooth((_column(ankle[:, 1] / body.height) - 0.042) / 0.12)
    return _unit((1 - lift) * _unit(floor) + lift * _unit(air))
