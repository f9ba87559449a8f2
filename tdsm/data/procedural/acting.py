"""Acted actions of the dictionary: performances of a choreography (:mod:`tdsm.data.procedural.choreography`) that vary in body, width, speed, side and cut.

The texts of a performance are the action's name, its other names and its sentence. A performance may be the mirror image of the choreography; "left" and
"right" in its texts must then be exchanged.
"""

from collections.abc import Mapping

import numpy as np

from tdsm.data.kinematics import pose_body, turn_left
from tdsm.data.procedural import Take, draw_take
from tdsm.data.procedural.choreography import MOST_TIMES, Score, read_way, score_at

__all__ = ["act", "perform_score"]

_OTHER = {f"{side}_{part}": f"{other}_{part}" for side, other in (("left", "right"), ("right", "left")) for part in ("hand", "elbow", "foot")}
_SIGNS = {"torso": (1, -1, -1), "head": (1, -1, -1), "pelvis": (-1, 1, 1), "travel": (-1, 1, -1), "whole": (1, -1, 1)}  # signs of a mirror image
_SCATTER = {"hand": 0.06, "elbow": 0.12, "foot": 0.03, "torso": 4.0, "head": 6.0, "pelvis": 0.025, "travel": 0.0, "whole": 3.0}
_CUT = 0.35  # share of repeated movements that are cut in the middle of repetitions
_TIPPED, _LYING = 5.0, 25.0  # tilt in degrees: below the first the body is not lowered to the floor, above the second fully


def act(way: Mapping[str, object], rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """One performance of a way: joints (T, 25, 3) of NTU-25 in metres, in the space of :func:`tdsm.data.procedural.perform`, and whether it is mirrored.

    Example:
        >>> joints, mirrored = act({"keys": [{"R": "up"}]}, np.random.default_rng(0))
        >>> joints.shape
        (48, 25, 3)
    """
    times = way.get("n", 1)
    if times > 1:
        times = min(int(rng.integers(max(1, times - 1), times + 3)), MOST_TIMES)
    score = _varied(read_way(way, times=times), rng)
    mirrored = bool(rng.random() < 0.5)
    if mirrored:
        score = Score({_OTHER.get(control, control): knots * _SIGNS.get(control, 1) for control, knots in score.knots.items()}, score.steps)
    take = draw_take(rng)
    t = take.times
    if times > 1 and rng.random() < _CUT:
        start, end = rng.uniform(0, 0.3), rng.uniform(0.7, 1)
        t = start + (end - start) * (t - t[0]) / (t[-1] - t[0])
    return perform_score(score, take, t), mirrored


def _varied(score: Score, rng: np.random.Generator) -> Score:
    """The same movement by another performer: other tempo, width and places, and possibly a pause before and after."""
    steps = score.steps * np.exp(rng.normal(0, 0.25, len(score.steps)))
    steps[0] *= rng.uniform(0.7, 1.5)
    width, knots = rng.uniform(0.8, 1.1), {}
    for control, poses in score.knots.items():
        scatter = _SCATTER[control.rpartition("_")[2]]
        moved = np.abs(poses - poses[:1]).max(axis=1, keepdims=True) > 0
        _, alike = np.unique(poses, axis=0, return_inverse=True)  # a repeated pose gets nearly the same deviation
        alike = alike.ravel()
        missed = rng.normal(0, scatter, (alike.max() + 1, 3))[alike] + rng.normal(0, 0.3 * scatter, poses.shape)
        if control not in ("travel", "whole", "pelvis"):
            poses = poses[:1] + width * (poses - poses[:1])
        knots[control] = poses + missed * moved
    pauses = rng.uniform(0, 0.12, 2) * (rng.random(2) < 0.5) * steps.sum() + 1e-3
    knots = {control: np.concatenate([poses[:1], poses, poses[-1:]]) for control, poses in knots.items()}
    return Score(knots, np.concatenate([pauses[:1], steps, pauses[1:]]))


def perform_score(score: Score, take: Take, t: np.ndarray) -> np.ndarray:
    """A score at times (T,) from 0 to 1, without sensor noise: (T, 25, 3) metres. The lowest joint of a tilted body lies on the floor."""
    controls = score_at(score, t)
    travel, whole = controls.pop("travel"), controls.pop("whole")
    joints = pose_body(take.body, {control: path + take.posture.get(control, 0.0) for control, path in controls.items()})
    foot = joints[:, :1] * (1, 0, 1)
    joints = _tipped(joints - foot, np.radians(whole))
    lies = np.clip((np.abs(whole[:, :2]).max(axis=1) - _TIPPED) / (_LYING - _TIPPED), 0, 1)[:, None]
    joints[..., 1] += lies * (0.04 - joints[..., 1].min(axis=1, keepdims=True))
    left, up, forward = np.moveaxis(joints + foot, -1, 0)
    heading = np.radians(travel[:, 2] + take.yaw)
    steps = sum(take.body.leg) * np.diff(travel[:, :2], axis=0, prepend=travel[:1, :2])
    walked = np.cumsum(turn_left(*steps.T, heading), axis=1)
    left, forward = turn_left(left, forward, heading[:, None]) + walked[:, :, None]
    return np.stack([-left, up - 1.0, 3.0 - forward], -1)


def _tipped(joints: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Joints (T, V, 3) pitched forward and rolled to the left by (T, 3) radians, about the point on the floor under the pelvis."""
    pitch, roll = whole[:, :1], whole[:, 1:2]
    left, up, forward = np.moveaxis(joints, -1, 0)
    up, forward = np.cos(pitch) * up - np.sin(pitch) * forward, np.sin(pitch) * up + np.cos(pitch) * forward
    left, up = np.cos(roll) * left + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * left
    return np.stack([left, up, forward], -1)
