"""Movements of the hands: going to a place, moving between places, circling, drawing lines, rocking; one hand, both hands, or in turn."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from tdsm.data.procedural.draft import OTHER, Draft, how_often
from tdsm.data.procedural.places import HEIGHTS, draw_place, main_way, say_level, say_place, say_step

__all__ = ["move_hands"]

_VERBS = {
    "up": ("raises", "hoists", "brings", "moves", "swings"),
    "down": ("lowers", "brings", "drops", "swings", "pulls"),
    "side": ("sweeps", "swings", "moves", "draws", "slides"),
    "forward": ("stretches", "thrusts", "extends", "sends"),
    "back": ("pulls", "draws", "brings", "swings"),
}
_LONG = 0.7  # of a clip; shorter segments have no room for many repetitions
_CHEST = 0.30  # half the distance between the shoulders, in arm lengths


@dataclass(frozen=True)
class _Hands:
    """The moving hands, and the words for them."""

    how: str  # "left" or "right" (only this hand), "both" (mirror images), "together" (side by side), or "turn" (one after the other)
    lead: str  # the side whose path is drawn; it determines the path of the other hand
    who: str  # for tdsm.data.procedural.places
    noun: str  # "both hands"; the pronouns and the elbows follow from `how`

    @property
    def it(self) -> str:
        return "it" if self.how in OTHER else "them"

    def elbows(self, straight: bool) -> str:
        """A phrase for the elbows, such as ", elbow bent,"."""
        kind = "straight" if straight else "bent"
        return f", elbow {kind}," if self.how in OTHER else f", elbows {kind},"


@dataclass(frozen=True, eq=False)
class _Path:
    """Points (out, up, forward) of the leading hand, and the words for them."""

    points: list[np.ndarray]
    elbow: np.ndarray
    closes: bool  # True: each repetition starts again at the first point (a circle); False: it goes back the same way
    times: int
    words: str


def move_hands(draft: Draft, start: float, end: float) -> str:
    """Move one or both hands; returns a description."""
    hands = _draw_hands(draft)
    times = min(int(draft.pick(1, 1, 1, 2, 2, 3, 4, 5)), 5 if end - start > _LONG else 3)
    between, chain = partial(_through, count=2), partial(_through, count=3)
    path = draft.pick(_hold, between, between, between, chain, _circle, _lines, _rock)(draft, hands, times)
    _write(draft, hands, path, start, end)
    return path.words


def _draw_hands(draft: Draft) -> _Hands:
    how = draft.pick("left", "right", "left", "right", "both", "both", "turn", "together")
    lead = how if how in OTHER else draft.pick("left", "right")
    part = draft.pick("hand", "hand", "arm", "wrist" if draft.chance(0.2) else "hand")
    if how in OTHER:
        who = draft.pick(how, how, how, "one")
        return _Hands(how, lead, who, f"one {part}" if who == "one" else f"the {how} {part}")
    if how == "turn":
        return _Hands(how, lead, "one", draft.pick(f"first the {lead} and then the {OTHER[lead]} {part}", f"each {part} in its turn"))
    if how == "together":
        return _Hands(how, lead, lead, f"both {part}s as a pair")
    return _Hands(how, lead, "both", draft.pick(f"both {part}s", f"the two {part}s"))


def _hold(draft: Draft, hands: _Hands, times: int) -> _Path:
    place = draw_place(draft)
    words = f"{draft.pick('raises', 'stretches', 'brings', 'keeps', 'keeps', 'puts')} {hands.noun}{draft.pick('', hands.elbows(place.straight))}"
    words += f" {say_place(draft, place, hands.who)}" + draft.pick("", f" and leaves {hands.it} there", "")
    return _Path([place.wrist] * 2, place.elbow, False, 1, words)


def _through(draft: Draft, hands: _Hands, times: int, count: int) -> _Path:
    """Move between ``count`` places that are at least half an arm apart."""
    places = [draw_place(draft)]
    while len(places) < count:
        new = draw_place(draft)
        if np.linalg.norm(new.wrist - places[-1].wrist) > 0.55:
            places.append(new)
    steps = [after.wrist - before.wrist for before, after in pairwise(places)]
    verb, way = draft.pick(*_VERBS[main_way(steps[0])]), say_step(draft, steps[0], hands.who)
    first, goal = (say_place(draft, place, hands.who) for place in places[:2])
    if count == 2 and times > 1 and draft.chance(0.4):
        words = f"moves {hands.noun} back and forth between a point {first} and a point {goal}"
    elif draft.chance(0.4):
        elbows = draft.pick("", "", hands.elbows(places[0].straight))
        words = f"{draft.pick('keeps', 'brings', 'takes')} {hands.noun}{elbows} {first} and {verb} {hands.it} {draft.pick(way, goal, f'{way}, ending {goal}')}"
    elif draft.chance(0.5):
        words = f"{verb} {hands.noun} from a point {first} to a point {goal}"
    else:
        are = "it is" if hands.how in OTHER else "they are"
        words = f"{verb} {hands.noun} {way} {draft.pick(f'until {are} {goal}', f'to a point {goal}')}"
    if count == 3:
        onward = draft.pick(say_step(draft, steps[1], hands.who), say_place(draft, places[2], hands.who))
        words += f", then {draft.pick(*_VERBS[main_way(steps[1])])} {hands.it} {onward}"
    return _Path([place.wrist for place in places], places[0].elbow, count == 3, times, words + how_often(draft, times))


def _rock(draft: Draft, hands: _Hands, times: int) -> _Path:
    """Rock about a place."""
    place, axis, size = draw_place(draft), int(draft.rng.integers(3)), draft.between(0.12, 0.40)
    half = np.eye(3)[axis] * size / 2
    way = ("apart and together" if hands.how == "both" else "left and right", "up and down", "forth and back")[axis]
    verb = draft.pick(*(("rock", "shake", "wave", "swing") if size > 0.25 else ("rock", "shake", "wiggle", "jerk")))
    how = draft.pick("", "slightly ") if size < 0.25 else draft.pick("", "", "widely ")
    where = say_place(draft, place, hands.who)
    held = f"{draft.pick('keeps', 'has')} {hands.noun}{draft.pick('', hands.elbows(place.straight))} {where}, {verb.rstrip('e')}ing {hands.it} {how}{way}"
    words = draft.pick(held, f"{verb}s {hands.noun} {where} {how}{way}") + how_often(draft, max(times, 3))
    return _Path([place.wrist - half, place.wrist + half], place.elbow, False, max(times, 3), words)


def _plane(draft: Draft) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """A plane for drawing: its centre, its two axes, and words for it."""
    out, up, forward = np.eye(3)
    height = draft.pick("waist", "chest", "chest", "shoulder", "shoulder", "head")
    facing = np.array([draft.between(-0.25, 0.15), HEIGHTS[height] + 0.05, draft.between(0.55, 0.75)])
    beside = np.array([0.2, draft.between(-0.3, 0.1), draft.between(0.1, 0.4)])
    before = f"in front {say_level(draft, height)}"
    return draft.pick((facing, out, up, before), (facing, out, up, before), (beside, forward, up, "beside the body"), (facing, out, forward, before))


def _circle(draft: Draft, hands: _Hands, times: int) -> _Path:
    """Circle in either direction, starting at any of four sides."""
    centre, across, along, where = _plane(draft)
    size, turn = draft.between(0.22, 0.55), draft.pick(1, -1)
    angles = 2 * np.pi * (draft.pick(0, 1, 2, 3) / 4 + turn * np.linspace(0, 1, 9))
    points = [centre + size * (np.cos(angle) * across + np.sin(angle) * along) for angle in angles]
    ways = [say_step(draft, turn * (np.cos(angle) * along - np.sin(angle) * across), hands.who) for angle in angles[:8:2]]
    ring = draft.pick("in a circle", "in a wide circle" if size > 0.4 else "in a small circle", "round in a ring")
    words = f"{draft.pick('moves', 'swings', 'draws')} {hands.noun} {ring} {where}, going {', then '.join(ways)}"
    return _Path(points, draw_place(draft).elbow, True, min(times, 3), words + how_often(draft, min(times, 3)))


def _lines(draft: Draft, hands: _Hands, times: int) -> _Path:
    """Move along two to four straight lines."""
    centre, across, along, where = _plane(draft)
    size, corners = draft.between(0.22, 0.55), [draft.rng.uniform(-1, 1, 2)]
    count = int(draft.pick(2, 3, 3, 4, 4))
    while len(corners) <= count:
        new = draft.rng.uniform(-1, 1, 2)
        if np.linalg.norm(new - corners[-1]) > 0.8:
            corners.append(new)
    if count > 2 and draft.chance(0.4):
        corners[-1] = corners[0]
    points = [centre + size * (x * across + y * along) for x, y in corners]
    ways = [say_step(draft, after - before, hands.who) for before, after in pairwise(points)]
    strokes = [draft.pick(way, f"{'diagonally' if ' and ' in way else 'straight'} {way}") for way in ways]
    name = f"{('two', 'three', 'four')[count - 2]} {draft.pick('straight strokes', 'strokes')}"
    words = f"moves {hands.noun} {where} in {name}: {', then '.join(strokes)}"
    return _Path(points, draw_place(draft).elbow, True, min(times, 3), words + how_often(draft, min(times, 3)))


def _write(draft: Draft, hands: _Hands, path: _Path, start: float, end: float) -> None:
    """Give each moving hand its knots: from its current place to the first point, then through the repetitions."""
    come = start + draft.between(0.15, 0.30) * (end - start)
    returns = draft.chance(0.5)
    for side in (hands.lead,) if hands.how in OTHER else OTHER:
        points = path.points
        if hands.how == "together" and side != hands.lead:
            points = [point * (-1, 1, 1) - (2 * _CHEST, 0, 0) for point in points]
        cycle = _repeat(points, path.closes, path.times, returns)
        low, high = _share_of_time(hands, path, side, come, end)
        away = start if low == come else low - 0.4 * (low - start)
        draft.move_hand(side, [away, *np.linspace(low, high, len(cycle)).tolist()], cycle, path.elbow)


def _repeat(points: list[np.ndarray], closes: bool, times: int, returns: bool) -> list[np.ndarray]:
    """The points repeated ``times`` times; a path back and forth may end at either end."""
    if not closes:
        return points * times + (points[:1] if returns and times > 1 else [])
    shut = np.linalg.norm(points[0] - points[-1]) < 0.05
    return points + (points[1:] if shut else points) * (times - 1)


def _share_of_time(hands: _Hands, path: _Path, side: str, come: float, end: float) -> tuple[float, float]:
    """Start and end time of a hand; hands that move in turn share the time, half a repetition apart."""
    if hands.how != "turn":
        return come, end
    if path.times == 1:
        return (come, (come + end) / 2) if side == hands.lead else ((come + end) / 2, end)
    shift = (end - come) / (2 * path.times + 1)
    return (come, end - shift) if side == hands.lead else (come + shift, end)
