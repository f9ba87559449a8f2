"""Synthetic clips: a data set that needs no download.

A body of NTU-25 performs everyday actions in front of a sensor. An action is a row of :data:`ACTIONS`: it lists the controls of the body
(:mod:`tdsm.data.kinematics`) that move, and the key poses that each control repeats. Rows share their parts, so the unseen actions are new combinations of
seen motion: another hand, another body part, or two motions at once. :data:`UNSEEN` was chosen by this criterion alone, before any training.

Clips vary in the body (8 subjects), number of frames, number of repetitions, starting point in the motion, extent of the movement, posture, view angle,
place, and sensor noise. The set is for teaching and testing; its numbers do not predict results on recordings of real people.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.kinematics import REST, Body, follow, pose_body, sensor_noise, smooth, turn_left
from tdsm.data.layouts import NTU_25
from tdsm.util.errors import InputError

__all__ = ["ACTIONS", "SEEN", "SUBJECTS", "UNSEEN", "Action", "Take", "perform", "synthetic_clips"]

Poses = tuple[tuple[float, float, float], ...]

SUBJECTS = {
    "p1": Body(1.58, 0.97, 1.00, 0.94),
    "p2": Body(1.63, 1.02, 0.98, 1.00),
    "p3": Body(1.66, 1.00, 1.03, 0.96),
    "p4": Body(1.70, 0.96, 1.01, 1.05),
    "p5": Body(1.74, 1.03, 1.00, 1.00),
    "p6": Body(1.77, 1.00, 0.97, 1.08),
    "p7": Body(1.81, 1.02, 1.03, 1.03),
    "p8": Body(1.85, 0.98, 1.00, 1.06),
}


@dataclass(frozen=True)
class Action:
    """An action: key poses of each control, repeated ``cycles`` times in equal time steps; a single pose is held.

    Attributes:
        cycles: number of repetitions in a clip.
        left_hand ... pelvis: see :mod:`tdsm.data.kinematics`; default: at rest.
    """

    cycles: int = 1
    left_hand: Poses = (REST["left_hand"],)
    right_hand: Poses = (REST["right_hand"],)
    left_elbow: Poses = (REST["left_elbow"],)
    right_elbow: Poses = (REST["right_elbow"],)
    left_foot: Poses = (REST["left_foot"],)
    right_foot: Poses = (REST["right_foot"],)
    torso: Poses = (REST["torso"],)
    head: Poses = (REST["head"],)
    pelvis: Poses = (REST["pelvis"],)


# Arms: wrist (out, up, forward) in arm lengths from the shoulder, and the direction of the elbow.
HANG = REST["left_hand"]
WAVE = ((0.72, 0.42, 0.20), (0.10, 0.52, 0.30))
WAVE_ELBOW = ((0.55, -0.80, 0.0),)
RAISE = ((0.08, 0.98, 0.06),)
ASIDE = ((1.0, 0.02, 0.02),)
PUNCH = ((0.02, -0.25, 0.28), (-0.22, 0.02, 0.96))
PUSH = ((0.05, -0.22, 0.30), (0.05, -0.22, 0.30), (-0.02, 0.02, 0.97), (-0.02, 0.02, 0.97))
THROW = ((0.40, 0.45, -0.40), (0.30, 0.80, -0.05), (-0.10, 0.35, 0.85), (-0.30, -0.45, 0.65), (0.10, -0.80, 0.30), (0.40, -0.10, -0.10))
CIRCLE = tuple((0.25, -0.95 * np.cos(turn), 0.95 * np.sin(turn)) for turn in np.linspace(0, 2 * np.pi, 8, endpoint=False))
OUTWARD = ((0.90, -0.35, -0.25),)
DRINK = ((0.02, -0.45, 0.42), (-0.26, 0.16, 0.32), (-0.26, 0.18, 0.30), (-0.26, 0.16, 0.32))
CLAP = ((0.15, -0.15, 0.62), (-0.24, -0.15, 0.62))
CLAP_HIGH = ((0.45, 0.80, 0.15), (-0.24, 0.90, 0.15))
HANDS_ON_HEAD = ((-0.16, 0.50, 0.0),)
SWING = ((0.10, -0.95, 0.05), (0.05, -0.86, 0.42), (0.10, -0.95, 0.05), (0.14, -0.90, -0.32))
PUMP = ((0.05, -0.48, 0.22), (-0.02, -0.22, 0.50), (0.05, -0.48, 0.22), (0.15, -0.56, -0.14))
JACK = (HANG, (0.98, 0.00, 0.08), (0.25, 0.95, 0.08), (0.98, 0.00, 0.08))

# Legs: ankle (out, up, forward) in leg lengths from its rest position.
STAND = (0.0, 0.0, 0.0)
KICK = (STAND, (0.0, 0.22, -0.15), (0.0, 0.64, 0.90), (0.0, 0.22, 0.15))
KICK_ASIDE = (STAND, (0.30, 0.15, 0.0), (0.78, 0.48, 0.0), (0.30, 0.15, 0.0))
KNEE = (STAND, (0.0, 0.52, 0.30))
STRIDE = (STAND, (0.0, 0.12, 0.38), (0.0, 0.0, 0.75), (0.0, 0.0, 0.75), (0.0, 0.0, 0.75), (0.0, 0.12, 0.38))
HEEL = (STAND, STAND, (0.0, 0.09, 0.0), (0.0, 0.09, 0.0), (0.0, 0.09, 0.0), STAND)
STEP = (STAND, (0.0, 0.28, 0.10), STAND, STAND)
TROT = (STAND, (0.0, 0.34, -0.16), (0.0, 0.05, 0.0), STAND)
HOP = (STAND, STAND, STAND, (0.0, 0.30, 0.0), STAND, STAND)
STRADDLE = (STAND, (0.18, 0.12, 0.0), (0.36, 0.0, 0.0), (0.18, 0.12, 0.0))

# Pelvis (left, up, forward) in leg lengths; torso (bend, lean left, twist left) and head in degrees.
UPRIGHT = REST["torso"]
SQUAT_HAND = (HANG, (0.10, -0.76, 0.56))
SINK = (STAND, (0.0, -0.05, 0.15), (0.0, -0.32, 0.36), (0.0, -0.32, 0.36), (0.0, -0.32, 0.36), (0.0, -0.05, 0.15))
LEAP = (STAND, (0.0, -0.24, -0.06), (0.0, 0.0, 0.0), (0.0, 0.30, 0.0), (0.0, 0.0, 0.0), (0.0, -0.18, -0.04))
LEAP_TORSO = (UPRIGHT, (22.0, 0.0, 0.0), UPRIGHT, UPRIGHT, UPRIGHT, (16.0, 0.0, 0.0))
LEAP_RAISE = (HANG, (0.12, -0.70, 0.65), (0.10, 0.40, 0.90), (0.08, 0.98, 0.06), (0.10, 0.40, 0.90), (0.12, -0.70, 0.65))
LEAP_HAND = (HANG, (0.20, -0.90, -0.30), (0.14, -0.92, 0.20), (0.25, -0.80, 0.40), (0.16, -0.92, 0.20), (0.14, -0.94, 0.10))


def _second_half(poses: Poses) -> Poses:
    """The same motion half a cycle later: the other leg of a walk."""
    half = len(poses) // 2
    return poses[half:] + poses[:half]


_LEANING = {"torso": ((2.0, 34.0, 0.0),), "pelvis": ((-0.07, 0.0, 0.0),), "left_hand": ((0.50, -0.84, 0.10),)}
_SQUATTING = {"cycles": 2, "pelvis": (STAND, (0.0, -0.48, -0.18)), "torso": (UPRIGHT, (36.0, 0.0, 0.0)), "head": (STAND, (-22.0, 0.0, 0.0))}
_WALKING = {"cycles": 4, "left_foot": STEP, "right_foot": _second_half(STEP)}
_LEAPING = {"cycles": 2, "pelvis": LEAP, "torso": LEAP_TORSO, "left_foot": HOP, "right_foot": HOP}
_STRIDING = {"pelvis": SINK, "torso": ((4.0, 0.0, 0.0),)}
_BOTH_ASIDE = {"left_hand": ASIDE, "right_hand": ASIDE}

ACTIONS = {
    "wave the left hand": Action(4, left_hand=WAVE, left_elbow=WAVE_ELBOW),
    "wave the right hand": Action(4, right_hand=WAVE, right_elbow=WAVE_ELBOW),
    "wave both hands": Action(4, left_hand=WAVE, left_elbow=WAVE_ELBOW, right_hand=WAVE, right_elbow=WAVE_ELBOW),
    "raise the left arm": Action(left_hand=RAISE),
    "raise the right arm": Action(right_hand=RAISE),
    "raise both arms": Action(left_hand=RAISE, right_hand=RAISE),
    "stretch both arms out sideways": Action(**_BOTH_ASIDE),
    "point forward with the right hand": Action(right_hand=((-0.08, 0.02, 0.99),)),
    "punch with the left hand": Action(4, left_hand=PUNCH, torso=((3.0, 0.0, 8.0), (6.0, 0.0, -16.0))),
    "punch with the right hand": Action(4, right_hand=PUNCH, torso=((3.0, 0.0, -8.0), (6.0, 0.0, 16.0))),
    "punch with both hands": Action(3, left_hand=_second_half(PUNCH), right_hand=PUNCH, torso=((5.0, 0.0, -14.0), (5.0, 0.0, 14.0))),
    "push forward with both hands": Action(2, left_hand=PUSH, right_hand=PUSH, torso=((0.0, 0.0, 0.0), (14.0, 0.0, 0.0))),
    "throw a ball overhead with the left hand": Action(2, left_hand=THROW, torso=((-4.0, 0.0, 28.0), (16.0, 0.0, -18.0), (8.0, 0.0, 0.0))),
    "throw a ball overhead with the right hand": Action(2, right_hand=THROW, torso=((-4.0, 0.0, -28.0), (16.0, 0.0, 18.0), (8.0, 0.0, 0.0))),
    "circle the left arm": Action(2, left_hand=CIRCLE, left_elbow=OUTWARD),
    "circle the right arm": Action(2, right_hand=CIRCLE, right_elbow=OUTWARD),
    "circle both arms": Action(2, left_hand=CIRCLE, left_elbow=OUTWARD, right_hand=CIRCLE, right_elbow=OUTWARD),
    "swipe the left hand across the chest": Action(3, left_hand=((0.85, 0.00, 0.45), (-0.75, 0.00, 0.55))),
    "drink with the right hand": Action(2, right_hand=DRINK, head=(STAND, (-14.0, 0.0, 0.0))),
    "salute with the right hand": Action(right_hand=((0.02, 0.36, 0.22),), right_elbow=OUTWARD),
    "clap in front of the chest": Action(5, left_hand=CLAP, right_hand=CLAP),
    "clap overhead": Action(5, left_hand=CLAP_HIGH, left_elbow=OUTWARD, right_hand=CLAP_HIGH, right_elbow=OUTWARD),
    "put both hands on the head": Action(left_hand=HANDS_ON_HEAD, left_elbow=OUTWARD, right_hand=HANDS_ON_HEAD, right_elbow=OUTWARD),
    "kick forward with the left leg": Action(2, left_foot=KICK, torso=(UPRIGHT, UPRIGHT, (-10.0, 0.0, 0.0), UPRIGHT)),
    "kick forward with the right leg": Action(2, right_foot=KICK, torso=(UPRIGHT, UPRIGHT, (-10.0, 0.0, 0.0), UPRIGHT)),
    "kick sideways with the left leg": Action(2, left_foot=KICK_ASIDE, torso=(UPRIGHT, UPRIGHT, (2.0, -18.0, 0.0), UPRIGHT)),
    "kick sideways with the right leg": Action(2, right_foot=KICK_ASIDE, torso=(UPRIGHT, UPRIGHT, (2.0, 18.0, 0.0), UPRIGHT)),
    "raise the left knee": Action(2, left_foot=KNEE),
    "raise the right knee": Action(2, right_foot=KNEE),
    "raise the left knee while stretching both arms out sideways": Action(2, left_foot=KNEE, **_BOTH_ASIDE),
    "lunge forward with the left leg": Action(left_foot=STRIDE, right_foot=HEEL, **_STRIDING),
    "lunge forward with the right leg": Action(right_foot=STRIDE, left_foot=HEEL, **_STRIDING),
    "bow": Action(torso=((62.0, 0.0, 0.0),), head=((12.0, 0.0, 0.0),), pelvis=((0.0, 0.0, -0.10),),
                  left_hand=((0.06, -0.78, 0.58),), right_hand=((0.06, -0.78, 0.58),)),
    "touch the toes": Action(2, torso=(UPRIGHT, (130.0, 0.0, 0.0)), pelvis=(STAND, (0.0, -0.12, -0.14)),
                             left_hand=(HANG, (-0.06, 0.60, 0.79)), right_hand=(HANG, (-0.06, 0.60, 0.79))),
    "lean to the left": Action(**_LEANING),
    "lean to the right": Action(torso=((2.0, -34.0, 0.0),), pelvis=((0.07, 0.0, 0.0),), right_hand=((0.50, -0.84, 0.10),)),
    "lean to the left while raising the right arm": Action(right_hand=RAISE, **_LEANING),
    "twist the torso from side to side": Action(3, torso=((2.0, 0.0, 48.0), (2.0, 0.0, -48.0))),
    "nod the head": Action(4, head=((-12.0, 0.0, 0.0), (42.0, 0.0, 0.0))),
    "shake the head": Action(4, head=((4.0, 0.0, 62.0), (4.0, 0.0, -62.0))),
    "squat": Action(left_hand=SQUAT_HAND, right_hand=SQUAT_HAND, **_SQUATTING),
    "raise the right arm while squatting": Action(left_hand=SQUAT_HAND, right_hand=RAISE, **_SQUATTING),
    "raise both arms while squatting": Action(left_hand=RAISE, right_hand=RAISE, **_SQUATTING),
    "squat while stretching both arms out sideways": Action(**_BOTH_ASIDE, **_SQUATTING),
    "jump": Action(left_hand=LEAP_HAND, right_hand=LEAP_HAND, **_LEAPING),
    "jump while raising both arms": Action(left_hand=LEAP_RAISE, right_hand=LEAP_RAISE, **_LEAPING),
    "do jumping jacks": Action(3, left_hand=JACK, right_hand=JACK, left_foot=STRADDLE, right_foot=STRADDLE,
                               pelvis=(STAND, (0.0, 0.12, 0.0), STAND, (0.0, 0.12, 0.0))),
    "walk on the spot": Action(left_hand=_second_half(SWING), right_hand=SWING, **_WALKING),
    "wave the right hand while walking on the spot": Action(left_hand=_second_half(SWING), right_hand=WAVE, right_elbow=WAVE_ELBOW, **_WALKING),
    "wave both hands while walking on the spot": Action(
        left_hand=WAVE, left_elbow=WAVE_ELBOW, right_hand=WAVE, right_elbow=WAVE_ELBOW, **_WALKING),
    "jog on the spot": Action(5, left_hand=_second_half(PUMP), right_hand=PUMP, left_foot=TROT, right_foot=_second_half(TROT),
                              torso=((9.0, 0.0, 0.0),), pelvis=((0.0, -0.04, 0.0), (0.0, 0.05, 0.0))),
    "sit down": Action(pelvis=((0.0, -0.50, -0.42),), torso=((8.0, 0.0, 0.0),), left_hand=((0.02, -0.66, 0.42),), right_hand=((0.02, -0.66, 0.42),)),
}  # fmt: skip

UNSEEN = (
    "wave the left hand", "punch with both hands", "throw a ball overhead with the left hand", "circle both arms", "clap overhead",
    "kick forward with the left leg", "raise the left knee while stretching both arms out sideways", "lean to the right",
    "raise the right arm while squatting", "wave both hands while walking on the spot",
)  # fmt: skip
SEEN = tuple(label for label in ACTIONS if label not in UNSEEN)


@dataclass(frozen=True)
class Take:
    """One performance of an action; the defaults are a plain performance that faces the sensor.

    Attributes:
        frames: T.
        cycles: number of repetitions; None: that of the action.
        start: starting point in the cycle, in cycles.
        width: factor on the distance of every pose from rest.
        yaw: angle in degrees by which the body is turned away from the sensor, to its left.
        place: point on the floor under the body, in the sensor's (x, y, z), in metres.
        posture: offset of a control in every frame, (3,) each.
    """

    frames: int = 60
    cycles: int | None = None
    start: float = 0.0
    width: float = 1.0
    yaw: float = 0.0
    place: tuple[float, float, float] = (0.0, -1.0, 3.0)
    posture: Mapping[str, np.ndarray] = field(default_factory=dict)


def synthetic_clips(clips_per_class: int = 24, seed: int = 0, actions: Sequence[str] | None = None) -> ClipSet:
    """Generate clips of every action (or of ``actions``) in a sensor's space: x to the person's right, y up, z depth, in metres, 30 fps.

    A clip depends only on the seed, its action and its number, so fewer actions or fewer clips give a subset of the same set.

    Raises:
        InputError: an unknown action, no action, or ``clips_per_class`` below 1.

    Example:
        >>> synthetic_clips(2, actions=["bow", "jump"])[0]
        Clip('bow #0', label='bow', subject='p1', (M, T, V, C)=(1, ..., 25, 3), ntu-25, 30 fps)
    """
    labels = tuple(ACTIONS if actions is None else actions)
    for label in labels:
        _known(label)
    if clips_per_class < 1:
        raise InputError("synthetic", f"clips_per_class is {clips_per_class}", "give 1 or more")
    clips = (_draw(label, number, seed) for label in labels for number in range(clips_per_class))
    return ClipSet(tuple(clips), labels, "synthetic")


def perform(label: str, body: Body = SUBJECTS["p4"], take: Take = Take()) -> np.ndarray:
    """One performance without sensor noise: (T, 25, 3) metres in the sensor's space.

    Raises:
        InputError: an unknown action.

    Example:
        >>> perform("bow", take=Take(frames=16)).shape
        (16, 25, 3)
    """
    action = _known(label)
    time = np.linspace(0, 1, take.frames)
    phase = take.start + (take.cycles or action.cycles) * time
    controls = {}
    for name in REST:
        poses = np.array(getattr(action, name))
        ease = smooth(np.minimum(time, 1 - time) / (0.33 if len(poses) == 1 else 0.25))
        controls[name] = follow(name, poses, phase, ease, take.width) + take.posture.get(name, 0.0)
    left, up, forward = np.moveaxis(pose_body(body, controls), -1, 0)
    left, forward = turn_left(left, forward, np.radians(take.yaw))  # the person faces the sensor: left is -x, forward is -z
    return np.stack([-left, up, -forward], -1) + take.place


def _known(label: str) -> Action:
    if label not in ACTIONS:
        near = difflib.get_close_matches(str(label), ACTIONS, n=3, cutoff=0)
        raise InputError("synthetic", f"no action {label!r}", f"choose one, such as {', '.join(near)}")
    return ACTIONS[label]


def _draw(label: str, number: int, seed: int) -> Clip:
    rng = np.random.default_rng([seed, list(ACTIONS).index(label), number])
    subject = list(SUBJECTS)[number % len(SUBJECTS)]
    action = ACTIONS[label]
    repeated = action.cycles > 1
    frames = int(rng.integers(45, 91))
    take = Take(
        frames=frames,
        cycles=max(1, round(action.cycles * frames / 65 * rng.uniform(0.8, 1.2))) if repeated else 1,
        start=rng.uniform(-0.1, 0.1) if repeated else 0.0,
        width=rng.uniform(0.80, 1.05),
        yaw=rng.uniform(-45, 45),
        place=(rng.uniform(-0.4, 0.4), rng.uniform(-1.1, -0.9), rng.uniform(2.6, 3.4)),
        posture=_posture(rng),
    )
    joints = perform(label, SUBJECTS[subject], take)
    return Clip(joints + sensor_noise(rng, joints.shape, 0.004, 0.002), NTU_25, label, subject, 30.0, f"{label} #{number}")


def _posture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    spread = {"left_hand": 0.05, "right_hand": 0.05, "torso": 3.0, "head": 5.0}
    posture = {name: rng.normal(0, size, 3) for name, size in spread.items()}
    return posture | {foot: np.array([rng.uniform(0, 0.06), 0.0, rng.uniform(-0.03, 0.03)]) for foot in ("left_foot", "right_foot")}
