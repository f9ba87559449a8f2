"""Movements of trunk and hips: bending, leaning, twisting, crouching, sitting, rising, and reaching down to the floor.

Each function draws its own numbers, adds its tracks between ``start`` and ``end``, and returns the part of a sentence that follows the subject. Sizes are
described ("a little", "far") if the number is near an end of its range.
"""

from numbers import Real

import numpy as np

from tdsm.data.kinematics import REST
from tdsm.data.procedural.draft import LOWER, OTHER, Draft, how_often, to_and_fro

__all__ = ["crouch", "move_torso", "reach_down", "rise", "take_seat"]


def degree(draft: Draft, value: Real, small: Real, large: Real) -> str:
    """ "a little " below ``small``, "far " above ``large``, "" between them."""
    return draft.pick("slightly ", "a little ") if value < small else draft.pick("far ", "a long way ") if value > large else ""


def move_torso(draft: Draft, start: float, end: float) -> str:
    """Bend, lean or twist: once, several times, permanently, or to both sides alternately."""
    axis, side = draft.pick(0, 0, 1, 2, 2), draft.pick("left", "right")
    angle = (draft.between(25, 100), draft.between(14, 38), draft.between(25, 60))[axis]
    times, stays = int(draft.pick(1, 1, 1, 2, 3)), draft.chance(0.3)
    if axis > 0 and not stays and draft.chance(0.4):
        return _sway(draft, start, end, axis, angle, max(times, 2))
    times = 1 if stays else times
    moments, shares = to_and_fro(draft, start, end, times, stays)
    sign = 1 if axis == 0 or side == "left" else -1
    draft.move("torso", moments, [sign * angle * share * np.eye(3)[axis] for share in shares])
    if axis == 0:  # the hips move back for balance
        draft.move("pelvis", moments, [np.array([0, -0.02, -0.14]) * share * angle / 100 for share in shares])
    words = _torso_words(draft, axis, side, angle)
    if stays:
        draft.blocked |= {"torso", "stoop"}
        return words + draft.pick("", " and stays that way")
    return words + (draft.pick("", " and straightens up" if axis < 2 else " and turns back") if times == 1 else how_often(draft, times))


def _torso_words(draft: Draft, axis: int, side: str, angle: float) -> str:
    if axis == 0:
        far = degree(draft, angle, 45, 75)
        return draft.pick(f"bends {far}forward", f"tips the upper body {far}forward", f"inclines the trunk {far}forward")
    if axis == 1:
        far = degree(draft, angle, 20, 31)
        return draft.pick(f"leans {far}over to the {side}", f"tilts the trunk {far}to the {side}", f"bends sideways {far}to the {side}")
    far = degree(draft, angle, 34, 51)
    return draft.pick(f"turns the chest {far}to the {side}", f"twists the shoulders {far}round to the {side}", f"rotates the trunk {far}to the {side}")


def _sway(draft: Draft, start: float, end: float, axis: int, angle: float, times: int) -> str:
    """Lean or twist to the left and to the right, several times."""
    sign = draft.pick(1, -1)
    shares = [0.0] + [sign * 1.0, -sign * 1.0] * times + [0.0]
    draft.move("torso", np.linspace(start, end, len(shares)).tolist(), [share * angle * np.eye(3)[axis] for share in shares])
    verb = draft.pick("sways", "leans", "rocks the trunk") if axis == 1 else draft.pick("turns the chest", "twists the shoulders", "rotates the trunk")
    near, far = ("left", "right") if sign > 0 else ("right", "left")
    return f"{verb} {draft.pick(f'{near} and {far} by turns', 'to either side')}" + how_often(draft, times)


def crouch(draft: Draft, start: float, end: float) -> str:
    """Lower the hips over bent knees, permanently, or once or several times with rising."""
    depth, stays = draft.between(0.15, 0.60), draft.chance(0.25)
    lean = depth * draft.between(20, 90)
    times = 1 if stays else int(draft.pick(1, 1, 2, 3))
    moments, shares = to_and_fro(draft, start, end, times, stays)
    draft.move("pelvis", moments, [share * np.array([0, -depth, -0.35 * depth]) for share in shares])
    draft.move("torso", moments, [(share * lean, 0, 0) for share in shares])
    far = draft.pick(" slightly", " a little") if depth < 0.28 else draft.pick(" deeply", " far") if depth > 0.45 else ""
    verbs = (f"crouches{far}", f"sinks{far} on both legs", f"folds both knees{far}", f"lets the hips sink{far} over bent knees", f"dips{far} with bent legs")
    words = draft.pick(*verbs)
    if stays:
        draft.blocked |= LOWER
        return words + draft.pick("", " and stays down")
    return words + draft.pick(" and straightens up", ", then comes up", " and comes back up") + how_often(draft, times)


def take_seat(draft: Draft, start: float, end: float) -> str:
    """Move the hips down and back, permanently or with rising."""
    depth, lean, stays = draft.between(0.42, 0.58), draft.between(5, 25), draft.chance(0.75)
    moments, shares = to_and_fro(draft, start, end, 1, stays)
    draft.move("pelvis", moments, [share * np.array([0, -depth, -0.8 * depth]) for share in shares])
    draft.move("torso", moments, [(share * lean, 0, 0) for share in shares])
    words = draft.pick("takes a seat", "sits down on a seat", "sinks backward onto a seat", "settles back onto a chair")
    how = draft.pick("", "", " with folding knees", f" with the trunk {'inclined' if lean > 15 else 'nearly upright'}")
    if stays:
        draft.blocked |= LOWER
        return words + how + draft.pick("", "", " and remains there")
    return words + how + draft.pick(" and gets up at once", ", then stands up", ", then gets back on both feet")


def rise(draft: Draft, start: float, end: float) -> str:
    """Stand up from sitting."""
    begin, lean = draft.between(-0.1, 0.15) + start, draft.between(15, 45)
    draft.move("pelvis", [begin, end], [np.zeros(3), -draft.seat])
    draft.move("torso", [begin, (begin + end) / 2, end], [(0, 0, 0), (lean, 0, 0), (0, 0, 0)])
    draft.blocked -= LOWER
    words = draft.pick("gets up", "stands up", "pushes up out of the seat", "gets onto both feet", "comes up off the seat")
    how = draft.pick("", f" with the trunk {'well' if lean > 30 else 'slightly'} inclined", " by extending the legs")
    return draft.pick("", "", "tips the upper body ahead and ") + words + how


def reach_down(draft: Draft, start: float, end: float) -> str:
    """Bend the body so far that one or both hands come low: to the knees, the shins or the floor."""
    bend, depth, stays = draft.between(55, 115), draft.between(0.0, 0.45), draft.chance(0.25)
    how = draft.pick("left", "right", "both", "both")
    share_at = [0.0, 1.0, 1.0, float(stays)]
    moments = [start, start + 0.42 * (end - start), start + 0.58 * (end - start), end]
    draft.move("torso", moments, [(share * bend, 0, 0) for share in share_at])
    draft.move("pelvis", moments, [(0, -depth * share, -(0.35 * depth + 0.1) * share) for share in share_at])
    low = _low_point(draft, bend)
    for side in OTHER if how == "both" else (how,):
        home = [] if stays else [np.array(REST[f"{side}_hand"])]
        draft.move_hand(side, moments[: 3 + len(home)], [low, low, *home], np.array(REST[f"{side}_elbow"]))
    if stays:
        draft.blocked |= LOWER | {"torso"}
    noun = "both hands" if how == "both" else draft.pick(f"the {how} hand", f"the {how} hand", "one hand")
    deep = bend / 115 + depth / 0.45 > 1.0
    where = draft.pick("to floor level", "toward the ground", "almost to the toes") if deep else draft.pick("as low as the knees", "toward the shins")
    body = draft.pick("stoops on bent legs", "stoops over folded knees") if depth > 0.12 else draft.pick("stoops with straight legs", "folds at the waist")
    words = f"{body} and {draft.pick('stretches', 'takes', 'lowers')} {noun} {where}"
    return words + (draft.pick("", " and stays bent") if stays else draft.pick(", then straightens up", ", then comes up again", " and comes upright"))


def _low_point(draft: Draft, bend: float) -> np.ndarray:
    """A wrist position below the shoulder of a chest that is bent by ``bend`` degrees, in the axes of that chest."""
    angle, out, forward = np.radians(bend), draft.between(-0.1, 0.15), draft.between(-0.1, 0.35)
    low = np.array([out, -np.cos(angle) + forward * np.sin(angle), np.sin(angle) + forward * np.cos(angle)])
    return low * draft.between(0.9, 0.99) / np.linalg.norm(low)
