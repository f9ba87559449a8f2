"""Remarks on bodies for :mod:`tdsm.data.door`: the order of axes and joints, units, the upward axis, mirrored bodies.

Properties of a data set are decided by the majority of its clips, never for a single clip. :mod:`tdsm.data.posture` measures the bodies.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from tdsm.data import posture
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import OPENPOSE_25, Layout

__all__ = ["Mend", "Remark", "remarks_on_axes", "remarks_on_bodies", "sampled", "share_of", "spread"]

_FRAMES, _CLIPS = 24, 2000  # frames per clip and clips per set that are checked
_MISFIT = 0.19  # limit of posture.misfit
_MIXED = 0.3  # share of the clips; a smaller share that differs is treated as noise
_BODY_25B = (0, 17, 6, 8, 10, 5, 7, 9, None, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3, *range(19, 25))  # COCO's 17, upper neck, head top, feet
_HEAD_FIRST = (3, 2, 1, 0, *range(4, 20))
_OTHER_ORDERS = {OPENPOSE_25.name: {"OpenPose's BODY_25B": _BODY_25B}, "kinect-20": {"UTD-MHAD (head first)": _HEAD_FIRST}}


@dataclass(frozen=True)
class Mend:
    """A fix of a problem.

    Attributes:
        how: description of the fix.
        joints: function from joints (M, T, V, C) to fixed joints (M, T, V, C).
    """

    how: str
    joints: Callable[[np.ndarray], np.ndarray] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Remark:
    """One kind of problem in a set of clips; ``str`` gives it as one line.

    Attributes:
        kind: short name of the problem, such as "mirrored".
        clips: number of clips with the problem.
        what: the observation, with the number of clips, and the assumption.
        remedy: what to do.
        mend: the fix that ``tdsm prepare --fix`` applies; None if it is unknown.
        fatal: the clips certainly do not match their layout and are refused.
    """

    kind: str
    clips: int
    what: str
    remedy: str
    mend: Mend | None = None
    fatal: bool = False

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def sampled(clips: Sequence[Clip]) -> list[Clip]:
    """The clips that are checked, spread over the set."""
    return [clips[row] for row in spread(len(clips), _CLIPS)]


def spread(count: int, most: int) -> np.ndarray:
    """At most ``most`` numbers below ``count``, evenly spread, including the first and the last."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def share_of(some: int, clips: Sequence | int) -> str:
    """ "3 of 1,200 clips"."""
    return f"{some:,} of {clips if isinstance(clips, int) else len(clips):,} clips"


def remarks_on_axes(clips: ClipSet) -> list[Remark]:
    """Remarks on a wrong order of the arrays' axes: one or none."""
    remark = _frames_as_persons(clips) or _channels_as_persons(clips)
    return [remark] if remark else []


def _frames_as_persons(clips: ClipSet) -> Remark | None:
    """There are more persons than frames, and each person is where the previous one was: the persons are frames."""
    some = sampled(clips)
    wrong = [clip for clip in some if clip.joints.shape[0] > max(2, clip.frames) and _like_frames(clip.joints[:, 0])]
    if 2 * len(wrong) <= len(some):
        return None
    what = f"the first axis of {share_of(len(wrong), some)} is time, not persons: (T, M, V, C) instead of (M, T, V, C)"
    mend = Mend("the first two axes exchanged", lambda joints: joints.swapaxes(0, 1))
    return Remark("axes", len(wrong), what, "exchange these axes of every clip (numpy.swapaxes), or use tdsm prepare --fix", mend, fatal=True)


def _like_frames(joints: Float[np.ndarray, "t v c"]) -> bool:
    joints = joints[joints.any(axis=(1, 2))]
    if len(joints) < 3:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # joints that are always missing
        step = np.nanmedian(np.linalg.norm(np.diff(joints, axis=0), axis=-1))
        size = np.nanmedian(np.linalg.norm(joints - np.nanmean(joints, axis=1, keepdims=True), axis=-1))
    return bool(step < 0.2 * size)


def _channels_as_persons(clips: ClipSet) -> Remark | None:
    """(C, T, V, M) of the GCN family, read as (M, T, V, C), is not an upright human body; with exchanged axes it is one."""
    layout = clips.layout
    if not posture.can_be_measured(layout):
        return None
    some = [clip for clip in sampled(clips) if clip.joints.shape[0] in (layout.dims, layout.dims + 1)]
    mend = Mend("axes (C, T, V, M) converted to (M, T, V, C)", lambda joints: _from_channels(joints, layout.dims))
    wrong = sum(_bodiless(clip.joints, layout) > 0.6 and _bodiless(mend.joints(clip.joints), layout) < 0.3 for clip in some)
    if 2 * wrong <= len(clips[:_CLIPS]):
        return None
    what = f"coordinates are on the person axis in {share_of(wrong, len(sampled(clips)))}: (C, T, V, M) instead of (M, T, V, C)"
    remedy = "give persons first and coordinates last (numpy.moveaxis), add an array order='NCTVM' to the .npz, or use tdsm prepare --fix"
    return Remark("axes", wrong, what, remedy, mend, fatal=True)


def _from_channels(joints: np.ndarray, dims: int) -> np.ndarray:
    """(C or C + 1, T, V, M) to (M, T, V, C). An additional channel is the confidence, 0 for a missing joint."""
    joints = joints.transpose(3, 1, 2, 0)
    unseen = joints[..., dims:] == 0
    absent = ~np.nan_to_num(joints[..., :dims]).any(axis=(2, 3), keepdims=True)
    return np.where(unseen.any(axis=-1, keepdims=True) & ~absent, np.float32(np.nan), joints[..., :dims])


def _bodiless(joints: np.ndarray, layout: Layout) -> float:
    """Share of the present persons who are not upright or have no human proportions."""
    bodies = joints[:, spread(joints.shape[1], _FRAMES)]
    bodies = bodies[bodies.any(axis=(1, 2, 3))]
    bodies = np.where(bodies.any(axis=(2, 3), keepdims=True), bodies, np.nan)
    upright = posture.upward(bodies, layout)[:, layout.up[0]] * layout.up[1] > 0.8
    human = ~(posture.misfit(bodies, layout) > _MISFIT)
    return 1 - float((upright & human).mean()) if len(bodies) else 1.0


def remarks_on_bodies(clips: ClipSet) -> list[Remark]:
    """Remarks on bodies. The first one explains those after it, except for a mirrored body."""
    layout, some = clips.layout, sampled(clips)
    if not posture.can_be_measured(layout):
        return []
    bodies = np.full((len(some), _FRAMES, len(layout), layout.dims), np.nan, np.float32)
    for body, clip in zip(bodies, some, strict=True):  # the person who is present longest
        joints = clip.joints[:, spread(clip.frames, _FRAMES)]
        present = joints.any(axis=(2, 3))
        longest = present.sum(axis=1).argmax()
        body[: joints.shape[1]] = np.where(present[longest][:, None, None], joints[longest], np.nan)
    first = _joint_order(bodies, layout)
    if first:
        return [first]
    in_space = layout.dims == 3
    scale = _image_landmarks(bodies, layout) or (_unit(bodies, layout) if in_space else _scaled(bodies, layout))
    mirrored = _mirrored(bodies, layout) if in_space else _mirrored_picture(bodies, layout)
    return [remark for remark in (scale, _up(bodies, layout), mirrored) if remark]


def _joint_order(bodies: posture.Bodies, layout: Layout) -> Remark | None:
    wrong, judged = _count(posture.misfit(bodies, layout), lambda share: share > _MISFIT)
    if 2 * wrong <= judged:
        return None
    what = f"the bones do not have the proportions of a human body in {share_of(wrong, judged)}"
    for name, order in _OTHER_ORDERS.get(layout.name, {}).items():
        if np.nanmedian(posture.misfit(_ordered(bodies, order), layout)) < _MISFIT:
            mend = Mend(f"joints converted from the order of {name} to that of {layout.name}", lambda joints, order=order: _ordered(joints, order))
            what += f", but do in the joint order of {name}: read in the order of {layout.name}"
            return Remark("joints", wrong, what, f"put the joints in the order of tdsm.data.layouts ({layout.name}), or use tdsm prepare --fix", mend)
    what += f", so the joints are probably not in the order of {layout.name}: read unchanged"
    return Remark("joints", wrong, what, f"compare the names in tdsm.data.layouts ({layout.name}) with your data, and reorder them or choose another layout")


def _ordered(joints: np.ndarray, order: Sequence[int | None]) -> np.ndarray:
    """Joints in ``order``; None stands for an absent joint, which becomes NaN if its person is present."""
    taken = joints[:, :, [joint or 0 for joint in order]].copy()
    lost = np.array([joint is None for joint in order])
    taken[:, :, lost] = np.where(joints.any(axis=(2, 3), keepdims=True), np.nan, 0)
    return taken


def _image_landmarks(bodies: posture.Bodies, layout: Layout) -> Remark | None:
    """MediaPipe writes two kinds of landmarks: in metres about the midpoint of the hips, and as fractions of the picture."""
    if layout.name != "mediapipe-33":
        return None
    plane = bodies[..., :2]
    hips = np.abs(posture.quantile(plane[:, :, list(layout.hips)].mean(axis=2), 0.5)).max(axis=-1)
    inside = ((plane > -0.5) & (plane < 1.5)).mean(axis=(1, 2, 3)) / (~np.isnan(plane)).mean(axis=(1, 2, 3))
    small = posture.height(bodies, layout) < 1.2
    wrong, judged = int((small & (hips > 0.1) & (inside > 0.95)).sum()), int((~np.isnan(hips)).sum())
    if 2 * wrong <= judged:
        return None
    what = f"x and y are fractions of the picture in {share_of(wrong, judged)}, so these are MediaPipe's image landmarks, which lose proportions"
    what += ": read as metres"
    return Remark("image landmarks", wrong, what, "write pose_world_landmarks instead of pose_landmarks")


def _unit(bodies: posture.Bodies, layout: Layout) -> Remark | None:
    tall = posture.height(bodies, layout)
    wrong, judged = _count(tall, lambda metres: not 0.5 <= metres <= 2.5)
    if 2 * wrong <= judged:
        return None
    typical = float(np.nanmedian(tall))
    what = f"bodies are {typical:.3g} tall instead of 0.5 to 2.5 m in {share_of(wrong, judged)}"
    for name, factor in (("millimetres", 1000.0), ("centimetres", 100.0), ("inches", 39.37), ("feet", 3.281)):
        if 1.0 <= typical / factor <= 2.3:
            mend = Mend(f"divided by {factor:g}", lambda joints, factor=factor: joints / np.float32(factor))
            return Remark("unit", wrong, f"{what}, so these are {name}: read as metres", f"divide by {factor:g}, or use tdsm prepare --fix", mend)
    return Remark("unit", wrong, f"{what}: read as metres, with an unknown scale", "give metres; clips are scaled to one size before they are encoded")


def _scaled(bodies: posture.Bodies, layout: Layout) -> Remark | None:
    wrong, judged = _count(posture.height(bodies, layout), lambda pixels: pixels < 10)
    if 2 * wrong <= judged:
        return None
    what = f"coordinates are not pixels in {share_of(wrong, judged)}; if x and y were scaled separately, the aspect ratio is lost"
    what += ": read as parts of a square picture"
    return Remark("scaled", wrong, what, "give the size of the picture (size=(1920, 1080), --size 1920x1080) to multiply x and y by it")


def _up(bodies: posture.Bodies, layout: Layout) -> Remark | None:
    axis, sign = layout.up
    direction = posture.upward(bodies, layout)
    judged = int((np.abs(direction).max(axis=1) > 0.7).sum())  # the other bodies lie or turn
    counts = {(up, side): int((side * direction[:, up] > 0.7).sum()) for up in range(layout.dims) for side in (1, -1)}
    (up, side), count = max(counts.items(), key=lambda item: item[1])
    if (up, side) == (axis, sign) or 2 * count <= judged:
        return None
    names = {1: "", -1: "-"}
    what = f"bodies are upright along {names[side]}{'xyz'[up]} in {share_of(count, judged)}, not along {names[sign]}{'xyz'[axis]}: read as lying or upside down"
    mend = Mend(f"rotated so that {names[side]}{'xyz'[up]} becomes {names[sign]}{'xyz'[axis]}", lambda joints: joints @ _turn(layout, up, side).T)
    return Remark("up axis", count, what, "rotate the coordinates, or use tdsm prepare --fix", mend)


def _turn(layout: Layout, up: int, side: int) -> np.ndarray:
    """(C, C) rotation of the bodies' upward axis to the layout's; in a picture, a change of y's sign if that suffices."""
    axis, sign = layout.up
    start, end = side * np.eye(layout.dims)[up], sign * np.eye(layout.dims)[axis]
    if up == axis:  # half a turn about the line of sight; in 2-D only y is negated
        flipped = (axis, 1 if axis == 0 else 0) if layout.dims == 3 else (axis,)
        return np.diag([-1.0 if index in flipped else 1.0 for index in range(layout.dims)]).astype(np.float32)
    turn = np.eye(layout.dims) - np.outer(start, start) - np.outer(end, end)
    return (turn + np.outer(end, start) - np.outer(start, end)).astype(np.float32)


def _mirrored(bodies: posture.Bodies, layout: Layout) -> Remark | None:
    wrong, judged = _count(posture.facing(bodies, layout), lambda toes: toes < 0)
    if not judged or wrong / judged < _MIXED:
        return None
    share = f"the toes or forearms point backwards in {share_of(wrong, judged)}"
    if wrong / judged <= 0.5:
        return Remark("mirrored", wrong, f"{share}, in the others forwards: read unchanged", "load the clips of each source separately")
    what = f"{share}, so the bodies are mirrored or their left and right joints exchanged: read unchanged"
    return Remark("mirrored", wrong, what, "fix them with tdsm prepare --fix", _unmirrored(bodies, layout))


def _mirrored_picture(bodies: posture.Bodies, layout: Layout) -> Remark | None:
    wrong, judged = _count(posture.backward(bodies, layout), lambda share: share > 0.75)
    if 4 * wrong <= 3 * judged:
        return None
    what = f"the bodies show their backs although their faces are visible in {share_of(wrong, judged)}: read as filmed from behind"
    remedy = "if the pictures are mirrored or left and right exchanged, use tdsm prepare --fix; if not, ignore this"
    return Remark("mirrored", wrong, what, remedy, _unmirrored(bodies, layout))


def _unmirrored(bodies: posture.Bodies, layout: Layout) -> Mend:
    """Mirrored bodies and exchanged sides look the same in one body but not in many: nine in ten people use the right hand for one-handed actions."""
    right, judged = _count(posture.right_handed(bodies, layout), lambda hand: hand == 1)
    one_handed = f"one-handed movements use the right hand in {share_of(right, judged)}"
    if judged >= 8 and right / judged < 0.25:
        order = list(layout.mirror)
        return Mend(f"left and right joints exchanged, because {one_handed}", lambda joints: joints[:, :, order])
    across = np.ones(layout.dims, np.float32)
    across[0 if layout.up[0] else 1] = -1
    how = f"{'x' if layout.up[0] else 'y'} negated, left and right joints kept, because {one_handed}"
    if judged < 8 or right / judged < 0.75:
        how += "; the sides may still be exchanged: if actions of the right hand now use the left, exchange the joints instead"
    return Mend(how, lambda joints: joints * across)


def _count(values: np.ndarray, wrong: Callable[[float], bool]) -> tuple[int, int]:
    """Number of wrong values, and number of values that are not NaN."""
    known = values[~np.isnan(values)]
    return sum(bool(wrong(value)) for value in known.tolist()), len(known)
