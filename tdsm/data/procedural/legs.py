"""Movements of the legs: lifting a knee, kicking, stepping out, jumping, and walking, on the spot and across the floor."""

from itertools import pairwise
from numbers import Real

import numpy as np

from tdsm.data.kinematics import smooth
from tdsm.data.procedural.body import degree
from tdsm.data.procedural.draft import LOWER, OTHER, Draft, how_often, to_and_fro

__all__ = ["move_legs"]

_HEADINGS = {"forward": (0, 1), "backward": (0, -1), "left": (1, 0), "right": (-1, 0)}  # left, forward


def move_legs(draft: Draft, start: float, end: float) -> str:
    """Move one or both legs; returns a description."""
    return draft.pick(_tread, _tread, _tread, _lift_knee, _kick, _step, _step, _jump)(draft, start, end)


def _lift_knee(draft: Draft, start: float, end: float) -> str:
    side, height = draft.pick("left", "right"), draft.between(0.30, 0.55)
    how = draft.pick("a short way", "a little") if height < 0.37 else draft.pick("high", "to the height of the hip") if height > 0.47 else ""
    words = draft.pick(f"lifts the {side} knee {how}", f"pulls the {side} knee up {how}", f"draws up the {side} knee {how}").rstrip()
    return words + _swing_foot(draft, start, end, side, (0, height, draft.between(0.15, 0.35)))


def _kick(draft: Draft, start: float, end: float) -> str:
    side, way = draft.pick("left", "right"), draft.pick("forward", "backward", "sideways")
    full = {
        "forward": (0, draft.between(0.3, 0.65), 0.85),
        "backward": (0, draft.between(0.25, 0.45), -0.5),
        "sideways": (draft.between(0.5, 0.8), 0.35, 0),
    }[way]
    how = draft.pick("", "low ", "") if full[1] < 0.35 else draft.pick("", "high ") if full[1] > 0.5 else ""
    aside = draft.pick("sideways", f"out to the {side}") if way == "sideways" else way
    words = draft.pick(f"kicks {how}{aside} with the {side} foot", f"swings the {side} leg {how}{aside}", f"flings the {side} foot {how}{aside}")
    return words + _swing_foot(draft, start, end, side, full)


def _swing_foot(draft: Draft, start: float, end: float, side: str, full: tuple[Real, Real, Real]) -> str:
    """Move a foot out and back, once or several times; returns the number of repetitions in words."""
    times = int(draft.pick(1, 1, 2, 3))
    moments, shares = to_and_fro(draft, start, end, times, False)
    draft.move(f"{side}_foot", moments, [np.array(full) * share for share in shares])
    return how_often(draft, times)


def _step(draft: Draft, start: float, end: float) -> str:
    """Lift a foot and set it down elsewhere, with the hips half way to it, permanently or with returning."""
    side, way, stays = draft.pick("left", "right"), draft.pick("forward", "forward", "backward", "side"), draft.chance(0.3)
    length, sink, times = draft.between(0.3, 0.75), draft.between(0.0, 0.32), 1 if stays else int(draft.pick(1, 1, 2, 3))
    aside, ahead = {"forward": (0, 1), "backward": (0, -1), "side": (1, 0)}[way]
    moments, shares = to_and_fro(draft, start, end, times, stays)
    feet, when = [np.zeros(3)], [moments[0]]
    reach = np.array([aside * length, 0, ahead * length])
    for (before, after), (t, u) in zip(pairwise(shares), pairwise(moments), strict=True):
        feet += [reach * (before + after) / 2 + (0, 0.12 * (before != after), 0), reach * after]
        when += [(t + u) / 2, u]
    draft.move(f"{side}_foot", when, feet)
    out = aside if side == "left" else -aside
    draft.move("pelvis", moments, [share * np.array([out * length / 2, -sink, ahead * length / 2]) for share in shares])
    far, whither = degree(draft, length, 0.42, 0.58), f"to the {side}" if way == "side" else way
    words = draft.pick(f"sets the {side} foot {far}{whither}", f"puts the {side} foot down {far}{whither}", f"steps {far}{whither} onto the {side} foot")
    words += draft.pick(" and sinks on both legs", " with both knees folding", " and lets the hips sink") if sink > 0.12 else ""
    if stays:
        draft.blocked |= LOWER
        return words + draft.pick("", " and stays there")
    return words + draft.pick(" and brings it back", ", then returns", " and draws the foot in again") + how_often(draft, times)


def _jump(draft: Draft, start: float, end: float) -> str:
    """Bend the knees, leave the floor, and land."""
    times, height, dip = int(draft.pick(1, 1, 2, 3)), draft.between(0.12, 0.35), draft.between(0.12, 0.3)
    moments = np.linspace(start, end, 5 * times + 1).tolist()
    draft.move("pelvis", moments, [(0, up, 0) for up in [0.0] + [-dip, 0.0, height, 0.0, 0.0] * times])
    for side in OTHER:
        draft.move(f"{side}_foot", moments, [(0, up, 0) for up in [0.0] + [0.0, 0.0, height, 0.0, 0.0] * times])
    how = draft.pick("", "high ") if height > 0.27 else draft.pick("", "a little ") if height < 0.18 else ""
    words = draft.pick(f"jumps {how}into the air", f"leaps up {how}off both feet", f"springs {how}off the floor", f"hops up {how}with feet side by side")
    return words + how_often(draft, times)


def _tread(draft: Draft, start: float, end: float) -> str:
    """Step with left and right foot alternately, on the spot or across the floor; hanging arms may swing."""
    pace, lift, swing = draft.between(2.3, 6.8), draft.between(0.08, 0.36), draft.between(0.0, 0.45)
    cycles = pace * (end - start)
    bounce, bent = (draft.between(0, 0.05), draft.chance(0.5)) if lift > 0.2 else (0.0, False)
    way = draft.pick("forward", "forward", "forward", "backward", "left", "right") if draft.chance(0.5) else None
    heading, stride = (_HEADINGS[way], draft.between(0.18, 0.35)) if way else ((0, 0), 0.0)

    def gate(t: np.ndarray) -> np.ndarray:
        return smooth(np.minimum(t - start, end - t) / (0.08 * (end - start)))[:, None]

    def beat(t: np.ndarray) -> np.ndarray:
        return 2 * np.pi * cycles * (np.clip(t, start, end) - start) / (end - start)

    def foot(t: np.ndarray, sign: int) -> np.ndarray:
        up, along = np.maximum(sign * np.sin(beat(t)), 0), -stride * sign * np.cos(beat(t))
        back = 0.25 * lift * up if lift > 0.2 else 0 * up
        return gate(t) * np.stack([sign * along * heading[0], lift * up, along * heading[1] - back], -1)

    def hand(t: np.ndarray, sign: int) -> np.ndarray:
        return gate(t) * (np.array([0, 0.42, 0.25]) * bent + sign * np.cos(beat(t))[:, None] * np.array([0, 0.1, swing]))

    for side, sign in (("left", 1), ("right", -1)):
        draft.tracks += [(f"{side}_foot", lambda t, sign=sign: foot(t, sign)), (f"{side}_swing", lambda t, sign=sign: hand(t, sign))]
    draft.tracks.append(("pelvis", lambda t: gate(t) * np.stack([0 * t, bounce * np.cos(2 * beat(t)) - 0.02, 0 * t], -1)))
    arms = draft.pick("", f" with {'bent' if bent else 'hanging'} arms swinging") if swing > 0.2 else ""
    if way is None:
        return _on_the_spot(draft, pace, lift, bounce) + arms
    return _across(draft, start, end, way, 4 * stride * cycles) + arms


def _on_the_spot(draft: Draft, pace: float, lift: float, bounce: float) -> str:
    speed = draft.pick(" quickly", " at a fast pace") if pace > 4.8 else draft.pick(" slowly", "") if pace < 3.4 else ""
    words = draft.pick(
        f"treads{speed} from one foot to the other without moving away",
        f"raises one foot after the other{speed} but goes nowhere",
        f"lifts the two knees by turns{speed} without gaining ground",
    )
    return words + (draft.pick("", ", knees high") if lift > 0.25 else "") + (draft.pick("", ", bouncing") if bounce > 0.02 else "")


def _across(draft: Draft, start: float, end: float, way: str, length: float) -> str:
    """Walk over the floor by ``length`` leg lengths, straight or turning."""
    turn = draft.pick(0, 0, 1, -1) * draft.between(40, 200)
    total = np.array([*np.multiply(_HEADINGS[way], length), turn])
    draft.tracks.append(("travel", lambda t: ((np.clip(t, start, end) - start) / (end - start))[:, None] * total))
    aim = f"to the {way}" if way in OTHER else way
    words = draft.pick(f"walks {aim}", f"goes {aim} on alternate feet", f"travels {aim} step after step", f"paces {aim}")
    if turn == 0:
        return words + draft.pick("", "", " in a straight line")
    side = "left" if turn > 0 else "right"
    return words + (draft.pick(f" in a bend to the {side}", f" round to the {side}") if way == "forward" else f" while turning to the {side}")
