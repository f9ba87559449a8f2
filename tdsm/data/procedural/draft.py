"""A movement under construction: everything drawn so far, as functions of time that :mod:`tdsm.data.kinematics` can pose.

Time runs from 0 to 1 over a clip. Every part of a movement adds *tracks*: a control of the body and its distance from rest at each time. Tracks of the same
control are added. Hands are different: they go through *knots* and stay at the last one until another part moves them. ``blocked`` lists the parts that must
not follow, because the body has not returned to rest: a sitting person cannot crouch, for example.
"""

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import NamedTuple, TypeVar

import numpy as np

from tdsm.data.kinematics import REST, smooth

__all__ = ["LOWER", "OTHER", "Draft", "controls_at", "how_often", "to_and_fro"]

T = TypeVar("T")


class Knots(NamedTuple):
    """Poses (K, C), and the times (K,) at which they are reached."""

    times: np.ndarray
    poses: np.ndarray


Track = Knots | Callable[[np.ndarray], np.ndarray]  # distance from rest: at knots, or of times (T,) as (T, 3)

OTHER = {"left": "right", "right": "left"}
LOWER = frozenset({"legs", "level", "stoop"})  # parts of a movement that need both feet on the floor
_NEVER = 1e9  # a time that is not reached
_MOST_BEND, _LESS_BEND = 115.0, 60.0  # most bend of the torso in degrees, and its reduction per leg length by which the hips are lower


class Draft:
    """Random numbers, and the movement drawn from them so far.

    Attributes:
        rng: the random generator.
        tracks: (control, track) pairs. In addition to the controls of the body there are "left_swing" and "right_swing", which move a hand only while it
            hangs, and "travel": leg lengths to the left and forward, and degrees turned to the left.
        hands: (time, wrist, elbow) for each side, as in the controls of the body.
        blocked: parts that must not follow.
        seat: initial position of the pelvis of a sitting person.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.tracks: list[tuple[str, Track]] = []
        self.hands = {side: [(0.0, *_resting(side))] for side in OTHER}
        self.blocked: set[str] = set()
        self.seat = np.zeros(3)

    def pick(self, *options: T) -> T:
        """One of the options, all with equal probability; an option listed twice is twice as likely."""
        return options[self.rng.integers(len(options))]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def between(self, low: Real, high: Real) -> float:
        """A uniformly distributed number."""
        return float(self.rng.uniform(low, high))

    def move(self, control: str, times: Sequence[float], offsets: Sequence[Sequence[Real] | np.ndarray]) -> None:
        """Move a control through offsets (K, 3) from rest at K times."""
        self.tracks.append((control, Knots(np.array(times), np.array(offsets, float))))

    def move_hand(self, side: str, times: Sequence[float], wrists: Sequence[np.ndarray], elbow: np.ndarray) -> None:
        """Keep a hand in place until the first of K times, then move it through wrists (K - 1, 3) at the other times."""
        self.hands[side].append((times[0], *self.hands[side][-1][1:]))
        self.hands[side] += [(time, wrist, elbow) for time, wrist in zip(times[1:], wrists, strict=True)]

    def drop_hands(self, start: float) -> None:
        """Return both hands to rest between ``start`` and the end of the clip."""
        for side in OTHER:
            wrist, elbow = _resting(side)
            self.move_hand(side, [start, 1.0], [wrist], elbow)


def to_and_fro(draft: Draft, start: float, end: float, times: int, stays: bool) -> tuple[list[float], list[float]]:
    """Times, and fractions (0 at rest, 1 in full), of a movement done several times, or once and kept."""
    if times == 1 and not stays and draft.chance(0.5):
        return [start, start + 0.35 * (end - start), start + 0.6 * (end - start), end], [0.0, 1.0, 1.0, 0.0]
    shares = [0.0, 1.0] if stays else [0.0] + [1.0, 0.0] * times
    return np.linspace(start, end, len(shares)).tolist(), shares


def how_often(draft: Draft, times: int) -> str:
    """The number of repetitions in words, such as " three times"."""
    if times == 1:
        return draft.pick("", "", " once")
    if times == 2:
        return draft.pick(" twice", " two times")
    exact = f" {('three', 'four', 'five', 'six')[times - 3]} times"
    return draft.pick(exact, exact, " repeatedly", " over and over" if times > 3 else exact)


def controls_at(
    drafts: Sequence[Draft], t: np.ndarray, width: np.ndarray, postures: Sequence[Mapping[str, np.ndarray]]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Every control of N bodies at times (N, T), each (N, T, 3), and the distance travelled, (N, T, 3).

    Args:
        drafts: the movements.
        t: (N, T) from 0 to 1.
        width: (N,) factors on the movement, except that of the pelvis and the distance travelled.
        postures: offsets of controls in every frame, (3,) each, for each body.
    """
    controls = {name: np.tile(np.array(rest, float), (*t.shape, 1)) for name, rest in REST.items()}
    controls |= {name: np.zeros((*t.shape, 3)) for name in ("left_swing", "right_swing", "travel")}
    tracks = [(row, control, track) for row, draft in enumerate(drafts) for control, track in draft.tracks]
    through = [(row, track) for row, _, track in tracks if isinstance(track, Knots)]
    paths = iter(_glide([knots for _, knots in through], t[[row for row, _ in through]]) if through else ())
    for row, control, track in tracks:
        path = next(paths) if isinstance(track, Knots) else track(t[row])
        controls[control][row] += path * (1.0 if control in ("travel", "pelvis") else width[row])
    for row, posture in enumerate(postures):
        for name, offset in posture.items():
            controls[name][row] += offset
    controls["torso"][..., 0] = np.minimum(controls["torso"][..., 0], _MOST_BEND + _LESS_BEND * controls["pelvis"][..., 1])
    for side in OTHER:
        moved, controls[f"{side}_elbow"] = _hand_at(drafts, side, t, controls["torso"][..., 0], controls.pop(f"{side}_swing"))
        controls[f"{side}_hand"] = moved + np.array([posture.get(f"{side}_hand", np.zeros(3)) for posture in postures])[:, None]
    return controls, controls.pop("travel")


def _hand_at(drafts: Sequence[Draft], side: str, t: np.ndarray, bend: np.ndarray, swing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wrist and elbow (N, T, 3): through the knots, on arcs about the shoulder; at rest, hanging vertically from a bent chest."""
    knots = []
    for draft in drafts:
        times, wrists, elbows = (np.array(column) for column in zip(*draft.hands[side], strict=True))
        knots.append(Knots(times, np.concatenate([wrists, np.linalg.norm(wrists, axis=1, keepdims=True), elbows], axis=1)))
    path, reach, elbow = np.split(_glide(knots, t), (3, 4), axis=2)
    rest, _ = _resting(side)
    away = smooth(np.linalg.norm(path - rest, axis=2) / 0.4)[..., None]
    angle = np.radians(bend)
    hanging = 0.985 * np.stack([np.full_like(angle, rest[0]), -np.cos(angle), np.sin(angle) + 0.05], -1)
    path = path + (1 - away) * (hanging - rest) + (1 - 0.8 * away) * swing
    path *= 0.5 + 0.5 * np.maximum(reach, 0.3) / np.maximum(np.linalg.norm(path, axis=2, keepdims=True), 0.15)
    return path, elbow


def _resting(side: str) -> tuple[np.ndarray, np.ndarray]:
    return np.array(REST[f"{side}_hand"]), np.array(REST[f"{side}_elbow"])


def _glide(knots: Sequence[Knots], t: np.ndarray) -> np.ndarray:
    """(P, T, C): a cubic through each of P knots, at its own times (P, T), which does not overshoot and is constant before the first and after the last."""
    times, poses, count = _padded(knots)
    row = np.arange(len(knots))[:, None]
    gap = np.where(np.arange(1, times.shape[1]) < count, np.diff(times, axis=1), 1.0)[..., None]
    rate = np.where(np.arange(1, times.shape[1])[:, None] < count[..., None], np.diff(poses, axis=1) / gap, 0.0)
    same_way = rate[:, 1:] * rate[:, :-1] > 0
    inner = np.where(same_way, 2 * rate[:, 1:] * rate[:, :-1] / np.where(same_way, rate[:, 1:] + rate[:, :-1], 1), 0)
    slope = np.concatenate((0 * rate[:, :1], inner, 0 * rate[:, :1]), axis=1)
    t = np.clip(t, times[:, :1], np.take_along_axis(times, count - 1, axis=1))
    last = np.clip((times[:, None] <= t[..., None]).sum(axis=2) - 1, 0, np.maximum(count - 2, 0))
    gap = gap[row, last]
    x = (t - times[row, last])[..., None] / gap
    step = poses[row, last + 1] - poses[row, last]
    return poses[row, last] + smooth(x) * step + gap * x * (1 - x) * ((1 - x) * slope[row, last] - x * slope[row, last + 1])


def _padded(knots: Sequence[Knots]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (P, K), poses (P, K, C) and number (P, 1) of knots without coinciding ones, padded with the last pose."""
    most = max(2, *(len(one.times) for one in knots))
    times, poses = np.empty((len(knots), most)), np.empty((len(knots), most, knots[0].poses.shape[1]))
    for row, one in enumerate(knots):
        count = len(one.times)
        times[row, :count], times[row, count:] = one.times, one.times[-1]
        poses[row, :count], poses[row, count:] = one.poses, one.poses[-1]
    kept = np.diff(times, axis=1, prepend=-_NEVER) > 1e-6
    order = np.argsort(~kept, axis=1, kind="stable")
    row, count = np.arange(len(knots))[:, None], kept.sum(axis=1, keepdims=True)
    return np.where(np.arange(most) < count, times[row, order], _NEVER), poses[row, order], count
