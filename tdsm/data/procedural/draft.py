"""A movement in the making: what was drawn so far, as functions of time that :mod:`tdsm.data.kinematics` can pose.

Time runs from 0 to 1 over a clip. Every part of a movement adds *tracks*: a control of the body and how far it is from rest at each time.
Tracks of one control add up. Hands are different: they go through *knots*, and stay where the last one left them until another part moves
them. ``blocked`` names the parts that may not come next, because the body has not come back: nobody crouches who already sits.
"""

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import TypeVar

import numpy as np

from tdsm.data.kinematics import REST, smooth

__all__ = ["LOWER", "OTHER", "Draft", "controls_at", "how_often", "to_and_fro"]

T = TypeVar("T")
Track = Callable[[np.ndarray], np.ndarray]  # times (T,) -> distance from rest (T, 3)

OTHER = {"left": "right", "right": "left"}
LOWER = frozenset({"legs", "level", "stoop"})  # parts of a movement that need both legs standing
_MOST_BEND, _LESS_BEND = 115.0, 60.0  # degrees of the torso when several parts bend it, and how much less for a leg length that the hips are lower


class Draft:
    """Random numbers, and what they have moved so far.

    Attributes:
        rng: where all chance comes from.
        tracks: (control, track) pairs. Beside the controls of the body there are "left_swing" and "right_swing", which move a hand only
            while it hangs, and "travel": leg lengths to the left and forward, and degrees turned to the left.
        hands: for each side (time, wrist, elbow), as in the controls of the body.
        blocked: parts that may not come next.
        seat: where the pelvis is at first, for a person who sits.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.tracks: list[tuple[str, Track]] = []
        self.hands = {side: [(0.0, *_resting(side))] for side in OTHER}
        self.blocked: set[str] = set()
        self.seat = np.zeros(3)

    def pick(self, *options: T) -> T:
        """One of them, all equally likely; what is written twice is twice as likely."""
        return options[self.rng.integers(len(options))]

    def chance(self, probability: float) -> bool:
        """True that often."""
        return bool(self.rng.random() < probability)

    def between(self, low: Real, high: Real) -> float:
        """A number, uniform."""
        return float(self.rng.uniform(low, high))

    def move(self, control: str, times: Sequence[float], offsets: Sequence[Sequence[Real] | np.ndarray]) -> None:
        """Let a control go through offsets (K, 3) from rest at K times."""
        knots = np.array(times), np.array(offsets, float)
        self.tracks.append((control, lambda t: _glide(*knots, t)))

    def move_hand(self, side: str, times: Sequence[float], wrists: Sequence[np.ndarray], elbow: np.ndarray) -> None:
        """Let a hand stay where it is until the first of K times, then go through the K - 1 wrists (K - 1, 3), one at each of the others."""
        self.hands[side].append((times[0], *self.hands[side][-1][1:]))
        self.hands[side] += [(time, wrist, elbow) for time, wrist in zip(times[1:], wrists, strict=True)]

    def drop_hands(self, start: float) -> None:
        """Both hands go home from ``start`` to the end of the clip."""
        for side in OTHER:
            wrist, elbow = _resting(side)
            self.move_hand(side, [start, 1.0], [wrist], elbow)


def to_and_fro(draft: Draft, start: float, end: float, times: int, stays: bool) -> tuple[list[float], list[float]]:
    """Moments, and shares (0 at rest, 1 in full) of something done several times, or once and kept."""
    if times == 1 and not stays and draft.chance(0.5):
        return [start, start + 0.35 * (end - start), start + 0.6 * (end - start), end], [0.0, 1.0, 1.0, 0.0]
    shares = [0.0, 1.0] if stays else [0.0] + [1.0, 0.0] * times
    return np.linspace(start, end, len(shares)).tolist(), shares


def how_often(draft: Draft, times: int) -> str:
    """ " three times": a number, or a word for several."""
    if times == 1:
        return draft.pick("", "", " once")
    if times == 2:
        return draft.pick(" twice", " two times")
    exact = f" {('three', 'four', 'five', 'six')[times - 3]} times"
    return draft.pick(exact, exact, " repeatedly", " over and over" if times > 3 else exact)


def controls_at(draft: Draft, t: np.ndarray, width: float, posture: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Every control of the body at times (T,), each (T, 3), and where the person has travelled, (T, 3).

    Args:
        draft: the movement.
        t: (T,) from 0 to 1.
        width: factor on what moves, but for the pelvis and the way travelled.
        posture: what to add to a control in every frame, (3,) each.
    """
    controls = {name: np.repeat(np.array([rest]), len(t), axis=0) for name, rest in REST.items()}
    controls |= {name: np.zeros((len(t), 3)) for name in ("left_swing", "right_swing", "travel")}
    for control, track in draft.tracks:
        controls[control] += track(t) * (1.0 if control in ("travel", "pelvis") else width)
    for name, offset in posture.items():
        controls[name] += offset
    controls["torso"][:, 0] = np.minimum(controls["torso"][:, 0], _MOST_BEND + _LESS_BEND * controls["pelvis"][:, 1])
    for side in OTHER:
        moved, controls[f"{side}_elbow"] = _hand_at(draft, side, t, controls["torso"][:, 0], controls.pop(f"{side}_swing"))
        controls[f"{side}_hand"] = moved + posture.get(f"{side}_hand", 0.0)
    return controls, controls.pop("travel")


def _hand_at(draft: Draft, side: str, t: np.ndarray, bend: np.ndarray, swing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wrist and elbow (T, 3): through the knots, on arcs about the shoulder, hanging straight down from a bent chest while at rest."""
    times, wrists, elbows = (np.array(column) for column in zip(*draft.hands[side], strict=True))
    rest, _ = _resting(side)
    path = _glide(times, wrists, t)
    away = smooth(np.linalg.norm(path - rest, axis=1) / 0.4)[:, None]
    angle = np.radians(bend)
    hanging = 0.985 * np.stack([np.full_like(angle, rest[0]), -np.cos(angle), np.sin(angle) + 0.05], -1)
    path = path + (1 - away) * (hanging - rest) + (1 - 0.8 * away) * swing
    reach = _glide(times, np.linalg.norm(wrists, axis=1, keepdims=True), t)
    path *= 0.5 + 0.5 * np.maximum(reach, 0.3) / np.maximum(np.linalg.norm(path, axis=1, keepdims=True), 0.15)
    return path, _glide(times, elbows, t)


def _resting(side: str) -> tuple[np.ndarray, np.ndarray]:
    return np.array(REST[f"{side}_hand"]), np.array(REST[f"{side}_elbow"])


def _glide(times: np.ndarray, poses: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(K, C) poses at K times -> (T, C): a cubic that never overshoots a pose, still before the first and after the last."""
    keep = np.concatenate(([True], np.diff(times) > 1e-6))
    times, poses = times[keep], poses[keep]
    if len(times) == 1:
        return np.repeat(poses, len(t), axis=0)
    gap = np.diff(times)[:, None]
    rate = np.diff(poses, axis=0) / gap
    same_way = rate[1:] * rate[:-1] > 0
    inner = np.where(same_way, 2 * rate[1:] * rate[:-1] / np.where(same_way, rate[1:] + rate[:-1], 1), 0)
    slope = np.concatenate((0 * rate[:1], inner, 0 * rate[:1]))
    t = np.clip(t, times[0], times[-1])
    last = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(gap) - 1)
    x, gap = ((t - times[last]) / gap[last, 0])[:, None], gap[last]
    return poses[last] + smooth(x) * (poses[last + 1] - poses[last]) + gap * x * (1 - x) * ((1 - x) * slope[last] - x * slope[last + 1])
