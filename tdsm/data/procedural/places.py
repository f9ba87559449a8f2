"""Places and directions of a hand, as numbers and in words.

Numbers are those of the hand controls (:mod:`tdsm.data.kinematics`): out, up, forward, in arm lengths from the shoulder. A place has one of six heights and
one of five directions from the body, with some scatter. Words depend on the subject of the sentence:

==========  =============================================  ==================================
``who``     subject of the sentence                         outward, and inward
==========  =============================================  ==================================
"left"      the left hand (and "right" the right hand)      "to the left", "to the right"
"one"       one hand, or each hand in its turn              "to its own side", "to the other side"
"both"      both hands, one the mirror image of the other   "apart", "together"
==========  =============================================  ==================================
"""

from dataclasses import dataclass

import numpy as np

from tdsm.data.kinematics import REST
from tdsm.data.procedural.draft import OTHER, Draft

__all__ = ["HEIGHTS", "Place", "draw_place", "main_way", "say_level", "say_place", "say_step"]

HEIGHTS = {"hip": -0.93, "waist": -0.62, "chest": -0.28, "shoulder": 0.02, "head": 0.40, "overhead": 0.88}
"""Height of the wrist above the shoulder, in arm lengths."""

_WAYS = {"front": (0.0, 1.0), "side": (1.0, 0.12), "across": (-0.75, 0.66), "back": (0.35, -0.94), "near": (0.5, 0.6)}  # out, forward
_LEAST = {"front": 0.3, "side": 0.3, "across": 0.55, "back": 0.3, "near": 0.15}  # least horizontal distance in arm lengths; closer is another place
_NAMES = {"hip": "hips", "waist": "waist", "chest": "chest", "shoulder": "shoulders", "head": "face"}


@dataclass(frozen=True, eq=False)
class Place:
    """Position of a hand.

    Attributes:
        height, way: keys of the tables above.
        straight: whether the arm is stretched.
        wrist, elbow: (3,) as in the controls of the body.
    """

    height: str
    way: str
    straight: bool
    wrist: np.ndarray
    elbow: np.ndarray


def draw_place(draft: Draft) -> Place:
    """A random place."""
    height, way, straight = draft.pick(*HEIGHTS), draft.pick(*_WAYS), draft.chance(0.5)
    up = HEIGHTS[height] + draft.rng.normal(0, 0.05)
    reach = draft.between(0.32, 0.50) if way == "near" else draft.between(0.90, 0.99) if straight else draft.between(0.45, 0.68)
    aside = np.sqrt(max(reach**2 - up**2, _LEAST[way] ** 2))
    out, forward = aside * np.array(_WAYS[way]) + draft.rng.normal(0, 0.04, 2)
    elbow = REST["left_elbow"] if up <= -0.1 else (0.7, 0.3, 0.2) if way == "back" and up > 0.2 else (0.85, -0.5, 0.0)
    return Place(height, way, straight, np.array([out, up, forward]), np.array(elbow) + draft.rng.normal(0, 0.12, 3))


def say_level(draft: Draft, height: str) -> str:
    """A height in words: "at chest level"."""
    if height == "overhead":
        return draft.pick("above head level", "up above head level")
    return draft.pick(f"at {height} level", f"level with the {_NAMES[height]}")


def say_place(draft: Draft, place: Place, who: str) -> str:
    """A place in words that follow "holds the left hand"."""
    level = say_level(draft, place.height)
    if place.way == "front":
        return f"{'straight ahead' if place.straight and place.height in ('chest', 'shoulder') else 'in front'} {level}"
    if place.way == "side":
        return {"both": "out on both sides ", "one": "out on its own side "}.get(who, f"out on the {who} ") + level
    if place.way == "across":
        return {"both": "crossed in front ", "one": "across to the other side "}.get(who, f"across to the {OTHER.get(who, '')} ") + level
    if place.way == "back":
        return draft.pick("at the back of the skull", "behind the skull") if place.height in ("head", "overhead") else f"behind the body {level}"
    if place.height == "overhead":
        return draft.pick("overhead", "straight overhead")
    if place.height in ("waist", "chest"):
        return {"waist": "next to the waist", "chest": "close by the chest"}[place.height]
    return {"hip": "low next to the hip", "shoulder": "close by the shoulder", "head": "next to the ear"}[place.height] + ("s" if who == "both" else "")


def main_way(step: np.ndarray) -> str:
    """The main direction of (out, up, forward): "side", "up", "down", "forward" or "back"."""
    return ("side", "up" if step[1] > 0 else "down", "forward" if step[2] > 0 else "back")[int(np.abs(step).argmax())]


def say_step(draft: Draft, step: np.ndarray, who: str) -> str:
    """The direction of (out, up, forward) in words, usually with the second of its main axes: "upward and to the left"."""
    sides = {"both": ("together", "apart"), "one": ("inward", "outward")}.get(who, (f"to the {OTHER.get(who, '')}", f"to the {who}"))
    words = (sides, ("downward", "upward"), ("backward", "forward"))
    axes = np.argsort(-np.abs(step))[: 2 if draft.chance(0.8) else 1]
    return " and ".join(words[axis][int(step[axis] > 0)] for axis in axes if abs(step[axis]) >= 0.4 * np.abs(step).max())
