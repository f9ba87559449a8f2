"""The door: one pass over clips that says what does not look as their layout promises, in one line per kind.

:func:`examine` looks at the clips themselves, however they were read, and returns one :class:`Remark` per kind of doubt: how many clips, what was
assumed, what to do. :func:`admit` is what :func:`tdsm.data.readers.load_clips` does with them: a :class:`DoorWarning` each, or an error.
:func:`mend_all` removes those doubts that can be removed.

The checks look at no more than 24 frames of a clip and 2,000 clips of a set, so that 1,500 clips take a fraction of a second; only clips without
anybody, copies, labels and frame rates are looked for in all clips. What holds for a data set (handedness, axes, units) is decided by the majority of
its clips, never for one clip alone.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from tdsm.data import posture
from tdsm.data.clips import ASSUMED_FPS, Clip, ClipSet
from tdsm.data.layouts import OPENPOSE_25, Layout
from tdsm.util.errors import InputError

__all__ = ["DoorWarning", "Mend", "Remark", "admit", "examine", "mend_all"]

_NUMBER = re.compile(r"[0-9]{1,15}([.][0-9]{1,15})?")
_FRAMES, _CLIPS = 24, 2000  # looked at, per clip and per set
_MOST_MENDS = 6  # of a set, one after the other
_SAME_RATE = 0.02  # rates that time stamps give differ by that, and 29.97 from 30


class DoorWarning(UserWarning):
    """Clips were admitted on an assumption that may be wrong."""


@dataclass(frozen=True)
class Mend:
    """What removes a doubt.

    Attributes:
        how: what is done, in words.
        joints: (M, T, V, C) to the mended (M, T, V, C).
    """

    how: str
    joints: Callable[[np.ndarray], np.ndarray] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Remark:
    """One doubt about a set of clips; ``str`` gives it as one line.

    Attributes:
        kind: a short name of the doubt, such as "mirrored".
        clips: how many clips show it.
        what: what was seen, in how many of how many clips, and what was assumed.
        remedy: what to do.
        mend: what ``tdsm prepare --fix`` does; None where it cannot be known.
        fatal: the clips are certainly not what they were read as, so that they are refused.
    """

    kind: str
    clips: int
    what: str
    remedy: str
    mend: Mend | None = None
    fatal: bool = False

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def admit(clips: ClipSet, *, strict: bool = False, fix: bool = False) -> ClipSet:
    """The clips without those that hold nobody, with one :class:`DoorWarning` per remark.

    Args:
        clips: as read.
        strict: refuse at the first remark.
        fix: first mend what can be known, with a warning for each thing that is mended.

    Raises:
        InputError: a remark that is fatal, any remark when ``strict``, or nobody in any clip.
    """
    if fix:
        clips, said = mend_all(clips)
        for line in said:
            warnings.warn(f"{clips.name}: {line}", DoorWarning, stacklevel=3)
    for remark in examine(clips):
        if strict or remark.fatal:
            raise InputError(clips.name, remark.what, remark.remedy)
        warnings.warn(f"{clips.name}: {remark}", DoorWarning, stacklevel=3)
    empty = set(_empty(clips))
    return ClipSet(tuple(clip for row, clip in enumerate(clips) if row not in empty), clips.classes, clips.name) if empty else clips


def mend_all(clips: ClipSet) -> tuple[ClipSet, tuple[str, ...]]:
    """The clips, mended in memory, and a line per thing that was mended.

    Mended is what can be known from the majority of the clips: mirrored bodies, the axis that points up, the unit, the order of axes and of joints.
    """
    some, mends, said = ClipSet(tuple(_some(clips)), clips.classes, clips.name), [], []
    while len(mends) < _MOST_MENDS and (found := [one for one in examine(some) if one.mend]):
        mends.append(found[0].mend)
        said.append(f"mended: {found[0].what.partition(': read')[0]}: {found[0].mend.how}")
        some = ClipSet(tuple(_mended(clip, mends[-1:]) for clip in some), clips.classes, clips.name)
    return ClipSet(tuple(_mended(clip, mends) for clip in clips), clips.classes, clips.name), tuple(said)


def _mended(clip: Clip, mends: Sequence[Mend]) -> Clip:
    joints = clip.joints
    for mend in mends:
        joints = mend.joints(joints)
    return replace(clip, joints=joints)


def examine(clips: ClipSet) -> list[Remark]:
    """One remark per kind of doubt about these clips; none for clips that look as their layout promises.

    Example:
        >>> from dataclasses import replace
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> clips = synthetic_clips(2, actions=["bow", "jump"])
        >>> examine(clips)
        []
        >>> mirrored = replace(clips, clips=tuple(replace(clip, joints=clip.joints * [-1, 1, 1]) for clip in clips))
        >>> [(remark.kind, remark.clips) for remark in examine(mirrored)]
        [('mirrored', 4)]
    """
    axes = _first(clips, (_frames_as_persons, _channels_as_persons))
    if axes:  # nothing else that could be said would be true
        return axes
    held = (_missing, _too_little, _nobody, _still, _gaps, _copies, _unlabelled, _numbered, _crowd, _rates, _assumed_rate)
    return _postures(_sampled(clips)) + _all(clips, held)


def _all(what: object, checks: Sequence[Callable]) -> list[Remark]:
    return [remark for check in checks if (remark := check(what))]


def _first(what: object, checks: Sequence[Callable]) -> list[Remark]:
    return next(([remark] for check in checks if (remark := check(what))), [])


# What the checks look at


@dataclass(frozen=True)
class _Sample:
    """Bodies to measure.

    Attributes:
        layout: of all clips.
        bodies: (N, F, V, C), the person who is there longest, in frames spread over the clip; NaN where nobody is or nothing was seen.
    """

    layout: Layout
    bodies: Float[np.ndarray, "n f v c"]


def _sampled(clips: Sequence[Clip]) -> _Sample:
    layout, some = clips[0].layout, _some(clips)
    bodies = np.full((len(some), _FRAMES, len(layout), layout.dims), np.nan, np.float32)
    for body, clip in zip(bodies, some, strict=True):
        joints = clip.joints[:, _spread(clip.frames, _FRAMES)]
        there = joints.any(axis=(2, 3))
        longest = there.sum(axis=1).argmax()
        body[: joints.shape[1]] = np.where(there[longest][:, None, None], joints[longest], np.nan)
    return _Sample(layout, bodies)


def _some(clips: Sequence[Clip]) -> list[Clip]:
    return [clips[row] for row in _spread(len(clips), _CLIPS)]


def _spread(count: int, most: int) -> np.ndarray:
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def _of(some: int, clips: Sequence | int) -> str:
    return f"{some:,} of {clips if isinstance(clips, int) else len(clips):,} clips"


# The order of axes


def _frames_as_persons(clips: ClipSet) -> Remark | None:
    """More persons than frames, and each person stands where the one before stood: the persons are frames."""
    some = _some(clips)
    wrong = [clip for clip in some if clip.joints.shape[0] > max(2, clip.frames) and _like_frames(clip.joints[:, 0])]
    if 2 * len(wrong) <= len(some):
        return None
    what = f"the first axis of {_of(len(wrong), some)} runs through time, not persons: (T, M, V, C) where (M, T, V, C) is expected"
    mend = Mend("the first two axes exchanged", lambda joints: joints.swapaxes(0, 1))
    return Remark("axes", len(wrong), what, "exchange these axes of every clip (numpy.swapaxes), or use tdsm prepare --fix", mend, fatal=True)


def _like_frames(joints: Float[np.ndarray, "t v c"]) -> bool:
    there = joints.any(axis=(1, 2))
    if there.sum() < 3:
        return False
    joints = joints[there]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # joints that are never seen
        step = np.nanmedian(np.linalg.norm(np.diff(joints, axis=0), axis=-1))
        size = np.nanmedian(np.linalg.norm(joints - np.nanmean(joints, axis=1, keepdims=True), axis=-1))
    return bool(step < 0.2 * size)


def _channels_as_persons(clips: ClipSet) -> Remark | None:
    """(C, T, V, M) of the GCN family, read as (M, T, V, C), is no upright human body; with its axes exchanged it is one."""
    layout = clips.layout
    if not posture.can_be_measured(layout):
        return None
    some = [clip for clip in _some(clips) if clip.joints.shape[0] in (layout.dims, layout.dims + 1)]
    mend = Mend("axes (C, T, V, M) brought to (M, T, V, C)", lambda joints: _from_channels(joints, layout.dims))
    wrong = sum(_bodiless(clip.joints, layout) > 0.6 and _bodiless(mend.joints(clip.joints), layout) < 0.3 for clip in some)
    if 2 * wrong <= len(clips[:_CLIPS]):
        return None
    what = f"coordinates are on the axis of persons in {_of(wrong, len(_some(clips)))}: (C, T, V, M) where (M, T, V, C) is expected"
    remedy = "give persons first and coordinates last (numpy.moveaxis), add an array order='NCTVM' to the .npz, or use tdsm prepare --fix"
    return Remark("axes", wrong, what, remedy, mend, fatal=True)


def _from_channels(joints: np.ndarray, dims: int) -> np.ndarray:
    """(C or C + 1, T, V, M) to (M, T, V, C); a further channel is the confidence, 0 for what was not seen."""
    joints = joints.transpose(3, 1, 2, 0)
    unseen = joints[..., dims:] == 0
    absent = ~np.nan_to_num(joints[..., :dims]).any(axis=(2, 3), keepdims=True)
    return np.where(unseen.any(axis=-1, keepdims=True) & ~absent, np.float32(np.nan), joints[..., :dims])


def _bodiless(joints: np.ndarray, layout: Layout) -> float:
    """The share of the persons there who do not stand upright or have no human proportions."""
    bodies = joints[:, _spread(joints.shape[1], _FRAMES)]
    bodies = bodies[bodies.any(axis=(1, 2, 3))]
    bodies = np.where(bodies.any(axis=(2, 3), keepdims=True), bodies, np.nan)
    upright = posture.upward(bodies, layout)[:, layout.up[0]] * layout.up[1] > 0.8
    human = ~(posture.misfit(bodies, layout) > _MISFIT)
    return 1 - float((upright & human).mean()) if len(bodies) else 1.0


# Postures


_MISFIT = 0.19  # see posture.misfit
_MIXED = 0.3  # of the clips: fewer that disagree with the others are noise


def _postures(sample: _Sample) -> list[Remark]:
    """Of these the first that is found explains the ones after it, except for a mirrored body."""
    if not posture.can_be_measured(sample.layout):
        return []
    found = _first(sample, (_joint_order, _image_landmarks, _unit, _scaled))
    if found and found[0].kind == "joints":
        return found
    return found + _all(sample, (_up, _mirrored))


def _joint_order(sample: _Sample) -> Remark | None:
    layout = sample.layout
    wrong, judged = _count(posture.misfit(sample.bodies, layout), lambda share: share > _MISFIT)
    if 2 * wrong <= judged:
        return None
    what = f"the bones do not have the proportions of a human body in {_of(wrong, judged)}"
    for name, order in _OTHER_ORDERS.get(layout.name, {}).items():
        if np.nanmedian(posture.misfit(_ordered(sample.bodies, order), layout)) < _MISFIT:
            mend = Mend(f"joints brought from the order of {name} to that of {layout.name}", lambda joints, order=order: _ordered(joints, order))
            what += f", but have them in the joint order of {name}: read in the order of {layout.name}"
            return Remark("joints", wrong, what, f"bring the joints into the order of tdsm.data.layouts ({layout.name}), or use tdsm prepare --fix", mend)
    what += f", so that the joints are in another order than that of {layout.name}: read as they are"
    return Remark("joints", wrong, what, f"compare the names in tdsm.data.layouts ({layout.name}) with your data, and reorder them or name another layout")


def _ordered(joints: np.ndarray, order: Sequence[int | None]) -> np.ndarray:
    """Joints taken in ``order``; None: a joint that is not there, NaN where its person is."""
    taken = joints[:, :, [joint or 0 for joint in order]].copy()
    lost = np.array([joint is None for joint in order])
    taken[:, :, lost] = np.where(joints.any(axis=(2, 3), keepdims=True), np.nan, 0)
    return taken


def _image_landmarks(sample: _Sample) -> Remark | None:
    """MediaPipe gives landmarks twice: in metres about the middle of the hips, and in fractions of the picture."""
    if sample.layout.name != "mediapipe-33":
        return None
    hips = np.abs(posture.quantile(sample.bodies[:, :, list(sample.layout.hips), :2].mean(axis=2), 0.5)).max(axis=-1)
    inside = ((sample.bodies[..., :2] > -0.5) & (sample.bodies[..., :2] < 1.5)).mean(axis=(1, 2, 3)) / (~np.isnan(sample.bodies[..., :2])).mean(axis=(1, 2, 3))
    small = posture.height(sample.bodies, sample.layout) < 1.2
    wrong, judged = int((small & (hips > 0.1) & (inside > 0.95)).sum()), int((~np.isnan(hips)).sum())
    if 2 * wrong <= judged:
        return None
    what = f"x and y are fractions of a picture in {_of(wrong, judged)}, so these are MediaPipe's image landmarks, whose proportions are lost: read as metres"
    return Remark("image landmarks", wrong, what, "write pose_world_landmarks instead of pose_landmarks")


def _unit(sample: _Sample) -> Remark | None:
    if sample.layout.dims != 3:
        return None
    tall = posture.height(sample.bodies, sample.layout)
    wrong, judged = _count(tall, lambda metres: not 0.5 <= metres <= 2.5)
    if 2 * wrong <= judged:
        return None
    typical = float(np.nanmedian(tall))
    what = f"bodies are not 0.5 to 2.5 m tall in {_of(wrong, judged)} but {typical:.3g}"
    for name, factor in (("millimetres", 1000.0), ("centimetres", 100.0), ("inches", 39.37), ("feet", 3.281)):
        if 1.0 <= typical / factor <= 2.3:
            mend = Mend(f"divided by {factor:g}", lambda joints, factor=factor: joints / np.float32(factor))
            return Remark("unit", wrong, f"{what}, so these are {name}: read as metres", f"divide by {factor:g}, or use tdsm prepare --fix", mend)
    return Remark("unit", wrong, f"{what}: read as metres, of an unknown scale", "give metres; every clip is scaled to one size before it is encoded")


def _scaled(sample: _Sample) -> Remark | None:
    if sample.layout.dims != 2:
        return None
    wrong, judged = _count(posture.height(sample.bodies, sample.layout), lambda pixels: pixels < 10)
    if 2 * wrong <= judged:
        return None
    what = f"coordinates are no pixels in {_of(wrong, judged)}, and if x and y were scaled apart, the picture's aspect is lost: read as of a square picture"
    return Remark("scaled", wrong, what, "give the size of the picture (size=(1920, 1080), --size 1920x1080), by which x and y are multiplied")


def _up(sample: _Sample) -> Remark | None:
    layout = sample.layout
    axis, sign = layout.up
    body = posture.upward(sample.bodies, layout)
    main = np.abs(body).argmax(axis=1)
    clear = np.abs(body).max(axis=1) > 0.7  # elsewhere people lie and turn
    signs = np.where(np.take_along_axis(body, main[:, None], axis=1)[:, 0] > 0, 1, -1)
    ways = [(way, int((clear & (main == way[0]) & (signs == way[1])).sum())) for way in ((one, side) for one in range(layout.dims) for side in (1, -1))]
    (up, side), count = max(ways, key=lambda way: way[1])
    if (up, side) == (axis, sign) or 2 * count <= int(clear.sum()):
        return None
    names, judged = {1: "", -1: "-"}, int(clear.sum())
    what = f"the bodies stand along {names[side]}{'xyz'[up]} in {_of(count, judged)}, not along {names[sign]}{'xyz'[axis]}: read as lying or upside down"
    mend = Mend(f"turned so that {names[side]}{'xyz'[up]} becomes {names[sign]}{'xyz'[axis]}", lambda joints: joints @ _turn(layout, up, side).T)
    return Remark("up axis", count, what, "turn the coordinates, or use tdsm prepare --fix", mend)


def _turn(layout: Layout, up: int, side: int) -> np.ndarray:
    """(C, C) that takes the axis the bodies stand along to the layout's; a rotation in space, in a picture the change of y's sign where that is all."""
    axis, sign = layout.up
    start, end = side * np.eye(layout.dims)[up], sign * np.eye(layout.dims)[axis]
    if up == axis:  # half a turn about the line of sight; but a picture whose y points the other way is no turned picture
        flipped = (axis, 1 if axis == 0 else 0) if layout.dims == 3 else (axis,)
        return np.diag([-1.0 if one in flipped else 1.0 for one in range(layout.dims)]).astype(np.float32)
    turn = np.eye(layout.dims) - np.outer(start, start) - np.outer(end, end)
    return (turn + np.outer(end, start) - np.outer(start, end)).astype(np.float32)


def _mirrored(sample: _Sample) -> Remark | None:
    layout = sample.layout
    if layout.dims == 2:
        return _mirrored_picture(sample)
    wrong, judged = _count(posture.facing(sample.bodies, layout), lambda toes: toes < 0)
    if not judged or wrong / judged < _MIXED:
        return None
    share = f"the toes or forearms point to the back in {_of(wrong, judged)}"
    if wrong / judged <= 0.5:
        return Remark("mirrored", wrong, f"{share}, in the others to the front: read as they are", "load each source of these clips by itself")
    what = f"{share}, so the bodies are mirrored or their left and right joints exchanged: read as they are"
    return Remark("mirrored", wrong, what, "mend them with tdsm prepare --fix", _unmirrored(sample))


def _mirrored_picture(sample: _Sample) -> Remark | None:
    wrong, judged = _count(posture.backward(sample.bodies, sample.layout), lambda share: share > 0.75)
    if 4 * wrong <= 3 * judged:
        return None
    what = f"the bodies show their backs though their faces are seen in {_of(wrong, judged)}: read as filmed from behind"
    remedy = "if the pictures are mirrored or left and right exchanged, use tdsm prepare --fix; if not, ignore this"
    return Remark("mirrored", wrong, what, remedy, _unmirrored(sample))


def _unmirrored(sample: _Sample) -> Mend:
    """Mirroring and exchanged sides look alike in a body, but not in many: nine people in ten use the right hand for what takes one."""
    right, judged = _count(posture.right_handed(sample.bodies, sample.layout), lambda hand: hand == 1)
    one_handed = f"one-handed movements are done by the right hand in {_of(right, judged)}"
    if judged >= 8 and right / judged < 0.25:
        order = list(sample.layout.mirror)
        return Mend(f"left and right joints exchanged, as {one_handed}", lambda joints: joints[:, :, order])
    across = np.ones(sample.layout.dims, np.float32)
    across[0 if sample.layout.up[0] else 1] = -1
    how = f"{'x' if sample.layout.up[0] else 'y'} negated, left and right joints kept, as {one_handed}"
    if judged < 8 or right / judged < 0.75:
        how += "; that does not rule out exchanged sides: if actions of the right hand are now done by the left, exchange the joints instead"
    return Mend(how, lambda joints: joints * across)


def _count(values: np.ndarray, wrong: Callable[[float], bool]) -> tuple[int, int]:
    """How many are wrong, and how many are not NaN."""
    known = values[~np.isnan(values)]
    return sum(bool(wrong(value)) for value in known.tolist()), len(known)


_BODY_25B = (0, 17, 6, 8, 10, 5, 7, 9, None, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3, *range(19, 25))  # COCO's 17, upper neck, head top, feet
_HEAD_FIRST = (3, 2, 1, 0, *range(4, 20))
_OTHER_ORDERS = {OPENPOSE_25.name: {"OpenPose's BODY_25B": _BODY_25B}, "kinect-20": {"UTD-MHAD (head first)": _HEAD_FIRST}}


# What the clips hold


def _missing(clips: ClipSet) -> Remark | None:
    never, share, holed, some = defaultdict(int), [], 0, _some(clips)
    for clip in some:
        lost = np.isnan(clip.joints[..., 0])
        there = clip.joints.any(axis=(2, 3))
        holed += bool(lost.any())
        share.append(lost.sum() / max(1, there.sum() * lost.shape[2]))
        for joint in np.flatnonzero((lost.sum(axis=1) == there.sum(axis=1)[:, None])[there.any(axis=1)].any(axis=0)):
            never[clips.layout.joints[joint]] += 1
    if not holed:
        return None
    what = f"{np.mean(share):.1%} of all joints were not seen, in {_of(holed, some)}: drawn through time between the frames in which they were"
    if never:
        named = [f"{joint} ({count:,})" for joint, count in sorted(never.items(), key=lambda pair: -pair[1])[:6]]
        more = f" and {len(never) - 6} more" if len(never) > 6 else ""
        what += f"; never seen in a clip, and filled from other joints: {', '.join(named)}{more}"
    return Remark("missing joints", holed, what, "check the detector's confidence threshold if that is much")


def _too_little(clips: ClipSet) -> Remark | None:
    layout, some = clips.layout, _some(clips)
    names = []
    for clip in some:
        seen = clip.joints[clip.joints.any(axis=(2, 3))]
        seen = ~np.isnan(seen).any(axis=2)
        if len(seen) and not all(seen[:, list({*pair, *end})].any() for pair, end in zip((layout.hips, layout.shoulders), layout.torso, strict=True)):
            names.append(clip.name)
    if not names:
        return None
    what = f"no hip or no shoulder is ever seen in {_of(len(names), some)} (first {names[0]}): training and prediction leave them out"
    return Remark("too little seen", len(names), what, "leave them out, or film the whole body")


def _empty(clips: ClipSet) -> list[int]:
    return [row for row, clip in enumerate(clips) if not clip.joints[:, 0].any() and not clip.joints.any()]


def _nobody(clips: ClipSet) -> Remark | None:
    empty = _empty(clips)
    if not empty:
        return None
    what = f"nobody is in any frame of {_of(len(empty), clips)} (first {clips[empty[0]].name}): left out"
    return Remark("nobody", len(empty), what, "check their recordings", fatal=len(empty) == len(clips))


def _still(clips: ClipSet) -> Remark | None:
    some = _some(clips)
    still = [clip.name for clip in some if clip.joints.any() and _unmoved(clip.joints[:, _spread(clip.frames, 4)])]
    if not still:
        return None
    what = f"nothing moves in {_of(len(still), some)} (first {still[0]}), as of clips of one frame: read as a movement that stands still"
    return Remark("no movement", len(still), what, "leave them out: a pose is no action")


def _unmoved(joints: np.ndarray) -> bool:
    return np.array_equal(joints, np.broadcast_to(joints[:, :1], joints.shape), equal_nan=True)


def _gaps(clips: ClipSet) -> Remark | None:
    some = _some(clips)
    broken, frames = 0, 0
    for clip in some:
        there = np.flatnonzero(clip.joints.any(axis=(0, 2, 3)))
        gap = there[-1] - there[0] + 1 - len(there) if len(there) else 0
        broken, frames = broken + bool(gap), frames + gap
    if not broken:
        return None
    what = f"nobody is in {frames:,} frames between others, in {_of(broken, some)}: these frames are dropped"
    return Remark("gaps", broken, what, "cut such clips where the gap is long")


def _copies(clips: ClipSet) -> Remark | None:
    alike = defaultdict(list)
    for row, clip in enumerate(clips):
        alike[clip.joints.shape, clip.joints[:, 0].tobytes()].append(row)
    copies, labels = [], 0
    for rows in alike.values():
        for place, row in enumerate(rows[1:], 1):
            first = next((one for one in rows[:place] if np.array_equal(clips[one].joints, clips[row].joints, equal_nan=True)), None)
            if first is not None and clips[row].joints.any():
                copies.append(f"{clips[row].name} is {clips[first].name}")
                labels += clips[row].label != clips[first].label
    if not copies:
        return None
    differ = f", {labels:,} of them with another label" if labels else ""
    what = f"the joints are those of another clip in {_of(len(copies), clips)} (first: {copies[0]}){differ}: all are kept"
    return Remark("copies", len(copies), what, "keep one of each, or at least both on the same side of a split")


def _unlabelled(clips: ClipSet) -> Remark | None:
    bare = [clip.name for clip in clips if clip.label is None]
    if not bare or len(bare) == len(clips):
        return None
    return Remark("no label", len(bare), f"no label in {_of(len(bare), clips)} (first {bare[0]}): read as unknown", "label them all before training")


def _numbered(clips: ClipSet) -> Remark | None:
    numbers = [clip.label for clip in clips if clip.label is not None and _NUMBER.fullmatch(clip.label.strip())]
    if not numbers:
        return None
    there = sorted(set(numbers), key=float)
    named = f"{', '.join(there[:5])}{', ...' if len(there) > 5 else ''}"
    what = f"labels are numbers in {_of(len(numbers), clips)} ({named}): each is a class of that name, which says nothing of the movement"
    return Remark("numbered", len(numbers), what, "give names as labels, or `classes`, the names in order, in the .npz")


def _crowd(clips: ClipSet) -> Remark | None:
    some = _some(clips)
    present = [int(clip.joints.any(axis=(1, 2, 3)).sum()) for clip in some]
    crowded = sum(count > 2 for count in present)
    if not crowded:
        return None
    what = f"there are more than 2 persons in {_of(crowded, some)}, up to {max(present)}: of each clip a model keeps the one or two who move most"
    return Remark("crowd", crowded, what, "leave bystanders out, or set preprocess.bodies")


def _rates(clips: ClipSet) -> Remark | None:
    rates = defaultdict(int)
    for clip in clips:
        rates[round(clip.fps, 3)] += 1
    common = max(rates, key=rates.get)
    odd = sum(count for fps, count in rates.items() if abs(fps / common - 1) > _SAME_RATE)
    if not odd:
        return None
    named = ", ".join(f"{fps:g} ({count:,})" for fps, count in sorted(rates.items(), key=lambda pair: -pair[1])[:5])
    what = f"frames a second are not {common:g} in {_of(odd, clips)} ({named}{', ...' if len(rates) > 5 else ''}): every clip is resampled over its own length"
    return Remark("frame rates", odd, what, "correct fps if that is a mistake")


def _assumed_rate(clips: ClipSet) -> Remark | None:
    assumed = [clip.name for clip in clips if clip.fps_assumed]
    if not assumed:
        return None
    what = f"nothing states the frames a second of {_of(len(assumed), clips)} (first {assumed[0]}): read as {ASSUMED_FPS:g}, for players and for who is who"
    return Remark("assumed frame rate", len(assumed), what, "give them (fps=25, --fps 25), or in the column fps of clips.csv or the array fps of the .npz")
