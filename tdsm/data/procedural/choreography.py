"""Choreographies: actions of the dictionary (:mod:`tdsm.data.prompts.dictionary`) as key poses of the body of :mod:`tdsm.data.kinematics`.

A choreography is a list of ways to perform an action, each a JSON object:

====  ====================================================================================================================================
key   value
====  ====================================================================================================================================
from  the pose before the movement; controls that it does not name are at rest
keys  poses in order; a control that a pose does not name keeps its value; "d": the time it takes to reach the pose, relative to
      the usual time
n     number of repetitions of the keys; default: 1
to    the pose after the movement, as a change of the last key; default: ``from``
====  ====================================================================================================================================

A pose names controls: ``L`` and ``R`` (wrists), ``LR`` (both), ``l``, ``r``, ``lr`` (ankles), ``EL``, ``ER``, ``E`` (directions of the elbows), ``T``
(torso), ``H`` (head), ``P`` (pelvis), ``W`` (since the beginning: leg lengths walked to the left and forward, degrees turned to the left) and ``B`` (degrees
by which the whole body is pitched forward and rolled to its left). A value is three numbers as in :mod:`tdsm.data.kinematics` (``B``: two), or for a wrist
the name of a place in :data:`PLACES`. If a pose names both sides and one of them, the single side has its own value.
"""

from collections.abc import Mapping

import numpy as np

from tdsm.data.kinematics import REST
from tdsm.util.errors import InputError

__all__ = ["MOST_TIMES", "PLACES", "Score", "read_way", "score_at"]

PLACES = {
    "up": (0.08, 0.98, 0.06), "fwd": (0.0, 0.02, 0.98), "side": (0.98, 0.02, 0.05), "chest": (-0.15, -0.20, 0.35), "belly": (-0.15, -0.50, 0.30),
    "hip": (0.22, -0.62, 0.0), "guard": (-0.05, 0.0, 0.36), "mouth": (-0.26, 0.16, 0.32), "eye": (-0.16, 0.32, 0.28), "ear": (0.02, 0.36, 0.10),
    "crown": (-0.16, 0.52, 0.02), "nape": (-0.10, 0.40, -0.20), "shoulder": (0.10, -0.02, 0.30), "across": (-0.60, -0.05, 0.40), "lap": (0.02, -0.68, 0.42),
    "back": (-0.20, -0.58, -0.25), "low": (-0.12, -0.82, 0.42), "clasp": (-0.30, -0.25, 0.50), "behind": (0.25, -0.80, -0.50),
}  # fmt: skip
"""Wrist (out, up, forward) in arm lengths from the shoulder, axes of the chest. "down" and "rest" hang vertically, whatever the bend of the chest."""

MOST_TIMES = 50
"""Largest number of repetitions of the keys of a way."""

_CONTROLS = {
    "L": "left_hand", "R": "right_hand", "l": "left_foot", "r": "right_foot", "EL": "left_elbow", "ER": "right_elbow", "T": "torso", "H": "head", "P": "pelvis",
    "W": "travel", "B": "whole",
}  # fmt: skip
_BOTH = {"LR": ("L", "R"), "lr": ("l", "r"), "E": ("EL", "ER")}
_STILL = REST | {"left_hand": "rest", "right_hand": "rest", "travel": (0.0, 0.0, 0.0), "whole": (0.0, 0.0, 0.0)}
_LONGEST = 1.25  # arm lengths; beyond 1 the arm is fully stretched
_MOST = {"torso": 150.0, "head": 90.0, "pelvis": 1.2, "travel": 800.0, "whole": 360.0, "left_foot": 1.6, "right_foot": 1.6}
_MOST_HANGING = 115.0  # bend of the torso in degrees up to which hands hang vertically


class Score:
    """One way to perform an action, as numbers.

    Attributes:
        knots: control -> (K, 3), one row per pose.
        steps: (K - 1,) durations between poses, in any unit.
    """

    def __init__(self, knots: Mapping[str, np.ndarray], steps: np.ndarray) -> None:
        self.knots, self.steps = dict(knots), steps


def read_way(way: Mapping[str, object], name: str = "choreography", times: int | None = None) -> Score:
    """The poses of one way, in order.

    Args:
        way: see the top of this module.
        name: source named in messages.
        times: number of repetitions of the keys; default: that of the way.

    Raises:
        InputError: an unknown key, control or place, or a value that no body can reach.

    Example:
        >>> score = read_way({"keys": [{"R": "up"}, {"R": [0.7, 0.4, 0.2]}], "n": 2})
        >>> score.knots["right_hand"].shape, score.steps.shape
        ((6, 3), (5,))
    """
    if not isinstance(way, Mapping) or not way.keys() <= {"from", "keys", "n", "to"} or not isinstance(way.get("keys"), list) or not way["keys"]:
        raise InputError(name, f"{way!r:.80} does not describe a way", 'give {"from": pose, "keys": [pose, ...], "n": times, "to": pose}')
    count = way.get("n", 1) if times is None else times
    if not isinstance(count, int) or not 1 <= count <= MOST_TIMES:
        raise InputError(name, f"n is {count!r:.40}", f"give a whole number from 1 to {MOST_TIMES}")
    poses = [_pose(way.get("from", {}), _STILL, name)]
    for key in way["keys"] * count:
        poses.append(_pose(key, poses[-1], name))
    poses.append(_pose(way["to"], poses[-1], name) if "to" in way else poses[0] | {"travel": poses[-1]["travel"]})
    steps = [_duration(key, name) for key in way["keys"] * count] + [1.0]
    return Score({control: np.array([_numbers(pose, control) for pose in poses], float) for control in _STILL}, np.array(steps))


def score_at(score: Score, t: np.ndarray) -> dict[str, np.ndarray]:
    """Every control of the body, "travel" and "whole" at times (T,) from 0 to 1, (T, 3) each; hands move on arcs about the shoulder."""
    times = np.concatenate([[0.0], np.cumsum(score.steps)]) / score.steps.sum()
    controls = {}
    for control, knots in score.knots.items():
        path = _through(times, knots, t)
        if control.endswith("hand"):
            reach = _through(times, np.linalg.norm(knots, axis=1, keepdims=True), t)
            path *= 0.4 + 0.6 * np.maximum(reach, 0.3) / np.maximum(np.linalg.norm(path, axis=1, keepdims=True), 0.15)
        controls[control] = path
    return controls


def _duration(key: Mapping[str, object], name: str) -> float:
    value = key.get("d", 1.0)
    if not isinstance(value, int | float) or not 0 < value <= 10:
        raise InputError(name, f"d is {value!r:.40}", "give a number above 0 and at most 10")
    return float(value)


def _pose(given: object, before: Mapping[str, object], name: str) -> dict[str, object]:
    """The pose ``before`` with the changes in ``given``."""
    if not isinstance(given, Mapping):
        raise InputError(name, f"{given!r:.80} is not a pose", "give an object of controls")
    pose = dict(before)
    for key in sorted((key for key in given if key != "d"), key=lambda key: key not in _BOTH):
        for short in _BOTH.get(key, (key,)):
            if short not in _CONTROLS:
                raise InputError(name, f"no control {key!r:.40}", f"choose among {', '.join((*_CONTROLS, *_BOTH))}")
            pose[_CONTROLS[short]] = _checked(given[key], _CONTROLS[short], name)
    return pose


def _checked(value: object, control: str, name: str) -> tuple[float, ...] | str:
    hand = control.endswith("hand")
    if isinstance(value, str) and hand and value in (*PLACES, "down", "rest"):
        return value
    numbers = tuple(value) if isinstance(value, list | tuple) else ()
    numbers = (*numbers, 0.0) if control == "whole" and len(numbers) == 2 else numbers
    if len(numbers) != 3 or not all(isinstance(number, int | float) and abs(number) <= _MOST.get(control, 10.0) for number in numbers):
        raise InputError(name, f"{control} is {value!r:.60}", f"give three numbers of at most {_MOST.get(control, 10.0):g}, or for a wrist the name of a place")
    if hand and np.linalg.norm(numbers) > _LONGEST:
        raise InputError(name, f"{control} is {value!r:.60}, longer than an arm", "give a vector of length at most 1")
    return numbers


def _numbers(pose: Mapping[str, object], control: str) -> tuple[float, ...]:
    value = pose[control]
    if value in ("down", "rest"):
        bend = np.radians(min(pose["torso"][0], _MOST_HANGING))
        return (0.11, 0.07 * np.sin(bend) - 0.97 * np.cos(bend), 0.97 * np.sin(bend) + 0.07 * np.cos(bend))
    return PLACES[value] if isinstance(value, str) else value


def _through(times: np.ndarray, knots: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(K,) times, (K, C) values -> (T, C): a cubic through the values that does not overshoot and has zero slope at both ends and at turning points."""
    step, width = np.diff(knots, axis=0), np.diff(times)[:, None]
    before, after = (step / width)[:-1], (step / width)[1:]
    onward = before * after > 0
    inner = np.where(onward, 2 * before * after / np.where(onward, before + after, 1), 0)
    slopes = np.concatenate([np.zeros_like(knots[:1]), inner, np.zeros_like(knots[:1])])
    place = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(step) - 1)
    width = width[place]
    x = ((t - times[place])[:, None] / width).clip(0, 1)
    return knots[place] + x * x * (3 - 2 * x) * step[place] + x * (1 - x) * width * ((1 - x) * slopes[place] - x * slopes[place + 1])
