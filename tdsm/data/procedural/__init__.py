"""Random movements and sentences that describe them: any number of (clip, description) pairs, none of which is a class of any data set.

A movement has one or two segments. A segment moves one to three of: hands, torso, legs, level (crouching and sitting); or the body stoops with a hand to the
floor. Each part draws numbers (heights and directions of places, paths, angles, sides, repetitions) and describes them in words; no class name or description
is used. "Right" is the right side of the person. The pairs teach which words describe which motion. The label of a clip is its sentence, so a
:class:`~tdsm.data.clips.ClipSet` of pairs has as many classes as there are different sentences.

The kinds of movement and the first wording were chosen by a person who had read the packaged class descriptions (:mod:`tdsm.data.prompts`). The wording was
then changed, and the tests verify that no six consecutive words are the same in both. State this if you report zero-shot recognition after training on these
pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.convert import brought_to
from tdsm.data.kinematics import Body, pose_body, sensor_noise, turn_left
from tdsm.data.layouts import NTU_25, Layout
from tdsm.data.procedural.body import crouch, move_torso, reach_down, rise, take_seat
from tdsm.data.procedural.draft import LOWER, Draft, controls_at
from tdsm.data.procedural.hands import move_hands
from tdsm.data.procedural.legs import move_legs
from tdsm.util.errors import InputError
from tdsm.util.progress import progress_bar

__all__ = ["Take", "clips_of", "draw_movement", "draw_take", "perform", "perform_all", "procedural_clip", "procedural_clips"]

_FRAMES, _FPS = 48, 15.0
_MANY, _TOGETHER = 1000, 64  # number of clips above which a bar is shown; clips posed together


@dataclass(frozen=True, eq=False)
class Take:
    """The performer and the manner of a movement.

    Attributes:
        body: proportions.
        times: (T,) times in the movement, 0 to 1; slightly uneven, and a clip may start late or end early.
        width: factor on the distance of every pose from rest.
        yaw: angle in degrees by which the body is turned away from the sensor, to its left.
        posture: offset of a control in every frame, (3,) each.
    """

    body: Body
    times: np.ndarray
    width: float
    yaw: float
    posture: Mapping[str, np.ndarray]


def procedural_clips(count: int, seed: int = 0, layout: Layout = NTU_25) -> ClipSet:
    """``count`` pairs of a clip and the sentence that describes it (its label): 48 frames each, 15 fps, metres, one person.

    Pair i depends on (seed, i) only, so a smaller set is the beginning of a larger one. Classes are the different sentences in order of appearance.
    The coordinate system is that of :mod:`tdsm.data.synthetic`, converted to ``layout`` by :mod:`tdsm.data.convert`.

    Raises:
        InputError: ``count`` below 1, a seed below 0, or a layout to which NTU-25 cannot be converted.
    """
    if count < 1:
        raise InputError("procedural", f"count is {count}", "give 1 or more")
    clips, numbers = [], iter(progress_bar(range(count), shown=count > _MANY, desc="generated movements", unit="clip", leave=False))
    while block := list(islice(numbers, _TOGETHER)):
        clips += clips_of(block, seed, layout)
    return ClipSet(tuple(clips), tuple(dict.fromkeys(clip.label for clip in clips)), "procedural")


def procedural_clip(number: int, seed: int = 0, layout: Layout = NTU_25) -> Clip:
    """Pair ``number`` of ``seed``; see :func:`procedural_clips`.

    Raises:
        InputError: a number or seed below 0, or a layout to which NTU-25 cannot be converted.
    """
    return clips_of([number], seed, layout)[0]


def clips_of(numbers: Sequence[int], seed: int, layout: Layout) -> list[Clip]:
    """:func:`procedural_clip` for several numbers. They are drawn one by one and posed together, which takes a quarter of the time per clip for some dozens.

    Raises:
        InputError: a number or seed below 0, or a layout to which NTU-25 cannot be converted.
    """
    if min(numbers) < 0 or seed < 0:
        raise InputError("procedural", f"number is {min(numbers)} and seed is {seed}", "give 0 or more")
    blocks = (numbers[start : start + _TOGETHER] for start in range(0, len(numbers), _TOGETHER))
    return [clip for block in blocks for clip in _posed_together(block, seed, layout)]


def _posed_together(numbers: Sequence[int], seed: int, layout: Layout) -> list[Clip]:
    draws = [np.random.default_rng([seed, number]) for number in numbers]
    movements = [(*draw_movement(rng), draw_take(rng)) for rng in draws]
    clips = []
    posed = perform_all([draft for draft, *_ in movements], [take for *_, take in movements])
    for number, rng, (_, sentence, _), joints in zip(numbers, draws, movements, posed, strict=True):
        noise = rng.uniform(0.002, 0.010)
        joints = (joints + sensor_noise(rng, joints.shape, noise, noise / 2)).astype(np.float32)[None]
        clips.append(Clip.checked_before(joints, NTU_25, sentence, "procedural", _FPS, f"procedural {seed} #{number}"))
    return brought_to(clips, layout)[0]


def draw_movement(rng: np.random.Generator) -> tuple[Draft, str]:
    """A random movement and its sentence."""
    draft = Draft(rng)
    seated = draft.chance(0.13)
    if seated:
        _sit(draft)
    end = draft.pick(0.84, 0.84, 0.90, 1.0)
    edges = [0.0, draft.between(0.4, 0.6) * end, end] if draft.chance(0.3) else [0.0, end]
    rises = seated and draft.chance(0.75)
    segments = [_segment(draft, *edges[:2], rises)] + ([_segment(draft, *edges[1:], False)] if len(edges) == 3 else [])
    if end < 1:
        draft.drop_hands(end)
    return draft, f"{_subject(draft, seated)} {draft.pick(', then ', ' and then ').join(segments)}."


def _sit(draft: Draft) -> None:
    """The person sits from the beginning, usually as on a chair, otherwise low over the heels."""
    depth, back = (draft.between(0.42, 0.58), 0.42) if draft.chance(0.8) else (draft.between(0.3, 0.55), 0.18)
    draft.seat = np.array([0, -depth, -back])
    draft.move("pelvis", [0.0], [draft.seat])
    draft.move("torso", [0.0], [(draft.between(0, 15), 0, 0)])
    draft.blocked |= LOWER


def _subject(draft: Draft, seated: bool) -> str:
    walks = any(control == "travel" for control, _ in draft.tracks)
    if not seated:
        standing = "Someone standing", "A person who stands"
        return draft.pick("A walker", "Someone on a walk", *standing) if walks else draft.pick(*standing)
    deep = -draft.seat[1]
    how = draft.pick("", "low ") if deep > 0.52 else draft.pick("", "high ") if deep < 0.46 else ""
    return draft.pick("Someone sitting" + (f" on a {how}seat" if how else ""), f"A person on a {how}seat")


def _segment(draft: Draft, start: float, end: float, rises: bool) -> str:
    """Move one to three parts at the same time; returns their description."""
    parts = [rise, move_hands] if rises and draft.chance(0.25) else [rise] if rises else _parts(draft)
    clauses = [part(draft, start, end) for part in parts]
    words = clauses[0]
    for clause in clauses[1:]:
        words += draft.pick(" and ", " and meanwhile ", " and at the same time ") + clause
    return words


def _parts(draft: Draft) -> list:
    """The parts of the body that move together; never two that both need the legs."""
    names = [draft.pick("hands", "hands", "hands", "hands", "hands", "hands", "torso", "legs", "level", "stoop")]
    names = ["hands"] if names[0] in draft.blocked else names
    while names[0] != "stoop" and len(names) < 3 and draft.chance(0.33):
        more = draft.pick("hands", "hands", "torso", "legs", "level")
        if more not in names and more not in draft.blocked and not {more, *names} >= {"legs", "level"}:
            names.append(more)
    level = take_seat if draft.chance(0.4) else crouch
    functions = {"hands": move_hands, "torso": move_torso, "legs": move_legs, "level": level, "stoop": reach_down}
    return [functions[names[place]] for place in draft.rng.permutation(len(names))]


def draw_take(rng: np.random.Generator) -> Take:
    """A random person and performance."""
    late, early = rng.uniform(0, 0.12, 2) * (rng.random(2) < 0.5)
    times = np.linspace(late, 1 - early, _FRAMES)
    times = times + rng.uniform(-0.08, 0.08) * np.sin(2 * np.pi * times) * times * (1 - times) * 4
    posture = {name: rng.normal(0, size, 3) for name, size in {"left_hand": 0.05, "right_hand": 0.05, "torso": 3.0, "head": 6.0}.items()}
    posture |= {foot: np.array([rng.uniform(0, 0.12), 0.0, rng.uniform(-0.05, 0.05)]) for foot in ("left_foot", "right_foot")}
    body = Body(rng.uniform(1.52, 1.90), *rng.normal(1, 0.035, 3))
    return Take(body, times, rng.uniform(0.85, 1.05), rng.uniform(-40, 40), posture)


def perform(draft: Draft, take: Take) -> np.ndarray:
    """A movement without sensor noise: (T, 25, 3) metres in the sensor's space, x to the person's right, y up, z depth, floor at y = -1."""
    return perform_all([draft], [take])[0]


def perform_all(drafts: Sequence[Draft], takes: Sequence[Take]) -> np.ndarray:
    """:func:`perform` for N movements whose takes have the same number of frames: (N, T, 25, 3)."""
    times, bodies = np.array([take.times for take in takes]), [take.body for take in takes]
    controls, travel = controls_at(drafts, times, np.array([take.width for take in takes]), [take.posture for take in takes])
    in_each_frame = (np.repeat([getattr(body, part.name) for body in bodies], times.shape[1]) for part in fields(Body))
    joints = pose_body(Body(*in_each_frame), {name: control.reshape(-1, 3) for name, control in controls.items()}).reshape(*times.shape, -1, 3)
    heading = np.radians(travel[..., 2] + np.array([[take.yaw] for take in takes]))
    steps = np.array([[[sum(body.leg)]] for body in bodies]) * np.diff(travel[..., :2], axis=1, prepend=travel[:, :1, :2])
    walked = np.cumsum(turn_left(*np.moveaxis(steps, -1, 0), heading), axis=2)
    left, up, forward = np.moveaxis(joints, -1, 0)
    left, forward = turn_left(left, forward, heading[..., None]) + walked[..., None]
    return np.stack([-left, up - 1.0, 3.0 - forward], -1)
