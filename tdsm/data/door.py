"""Checks of clips when they are loaded: one pass reports properties that their layout does not lead one to expect, one line per kind.

:func:`examine` looks at the clips themselves, independently of how they were read. It returns one :class:`Remark` per kind of problem: the number of clips,
the assumption, and the remedy. :func:`admit`, which :func:`tdsm.data.readers.load_clips` calls, turns each remark into a :class:`DoorWarning` or an error.
:func:`mend_all` fixes the problems that can be fixed.

The checks use at most 24 frames of a clip and 2,000 clips of a set, so 1,500 clips take a fraction of a second. Only clips without a body, copies, labels
and frame rates are checked in all clips. Properties of a data set (handedness, axes, units) are decided by the majority of its clips, never for a single
clip.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tdsm.data.clips import ASSUMED_FPS, Clip, ClipSet
from tdsm.data.remarks import Mend, Remark, remarks_on_axes, remarks_on_bodies, sampled, share_of, spread
from tdsm.util.errors import InputError

__all__ = ["DoorWarning", "Mend", "Remark", "admit", "examine", "mend_all"]

_NUMBER = re.compile(r"[0-9]{1,15}([.][0-9]{1,15})?")
_MOST_MENDS = 6  # most fixes of a set, one after another
_SAME_RATE = 0.02  # relative; frame rates from time stamps vary by this, and 29.97 differs from 30


class DoorWarning(UserWarning):
    """Clips were loaded with an assumption that may be wrong."""


def admit(clips: ClipSet, *, strict: bool = False, fix: bool = False) -> ClipSet:
    """Remove clips without a body, and issue one :class:`DoorWarning` per remark.

    Args:
        clips: clips as they were read.
        strict: raise an error at the first remark.
        fix: first fix what can be determined, with a warning for each fix.

    Raises:
        InputError: a fatal remark, any remark if ``strict``, or no body in any clip.
    """
    if fix:
        clips, lines = mend_all(clips)
        for line in lines:
            warnings.warn(f"{clips.name}: {line}", DoorWarning, stacklevel=3)
    for remark in examine(clips):
        if strict or remark.fatal:
            raise InputError(clips.name, remark.what, remark.remedy)
        warnings.warn(f"{clips.name}: {remark}", DoorWarning, stacklevel=3)
    empty = set(_empty(clips))
    return ClipSet(tuple(clip for row, clip in enumerate(clips) if row not in empty), clips.classes, clips.name) if empty else clips


def mend_all(clips: ClipSet) -> tuple[ClipSet, tuple[str, ...]]:
    """Fix problems in memory; returns the clips and one line per fix.

    Fixed are problems that the majority of the clips determines: mirrored bodies, the upward axis, the unit, the order of axes and of joints.
    """
    some, mends, lines = ClipSet(tuple(sampled(clips)), clips.classes, clips.name), [], []
    while len(mends) < _MOST_MENDS and (remark := next((remark for remark in examine(some) if remark.mend), None)):
        mends.append(remark.mend)
        lines.append(f"fixed: {remark.what.partition(': read')[0]}: {remark.mend.how}")
        some = ClipSet(tuple(_mended(clip, mends[-1:]) for clip in some), clips.classes, clips.name)
    return ClipSet(tuple(_mended(clip, mends) for clip in clips), clips.classes, clips.name), tuple(lines)


def _mended(clip: Clip, mends: Sequence[Mend]) -> Clip:
    joints = clip.joints
    for mend in mends:
        joints = mend.joints(joints)
    return replace(clip, joints=joints)


def examine(clips: ClipSet) -> list[Remark]:
    """One remark per kind of problem with these clips; empty if they match their layout.

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
    axes = remarks_on_axes(clips)
    if axes:  # with wrong axes, no other check is meaningful
        return axes
    checks = (_missing, _too_little, _nobody, _still, _gaps, _copies, _unlabelled, _numbered, _crowd, _rates, _odd_rate, _assumed_rate)
    return remarks_on_bodies(clips) + [remark for check in checks if (remark := check(clips))]


def _on_named(kind: str, names: Sequence[str], clips: Sequence[Clip], what: str, then: str, remedy: str) -> Remark | None:
    """A remark on the clips with these names; None without a name."""
    return Remark(kind, len(names), f"{what} {share_of(len(names), clips)} (first {names[0]}){then}", remedy) if names else None


def _missing(clips: ClipSet) -> Remark | None:
    never, share, holed, some = defaultdict(int), [], 0, sampled(clips)
    for clip in some:
        lost = np.isnan(clip.joints[..., 0])
        present = clip.joints.any(axis=(2, 3))
        holed += bool(lost.any())
        share.append(lost.sum() / max(1, present.sum() * lost.shape[2]))
        for joint in np.flatnonzero((lost.sum(axis=1) == present.sum(axis=1)[:, None])[present.any(axis=1)].any(axis=0)):
            never[clips.layout.joints[joint]] += 1
    if not holed:
        return None
    what = f"{np.mean(share):.1%} of all joints are missing, in {share_of(holed, some)}: interpolated over time"
    if never:
        named = [f"{joint} ({count:,})" for joint, count in sorted(never.items(), key=lambda pair: -pair[1])[:6]]
        more = f" and {len(never) - 6} more" if len(never) > 6 else ""
        what += f"; missing in a whole clip and filled from other joints: {', '.join(named)}{more}"
    return Remark("missing joints", holed, what, "check the detector's confidence threshold if these are too many")


def _too_little(clips: ClipSet) -> Remark | None:
    layout, some = clips.layout, sampled(clips)
    names = []
    for clip in some:
        seen = clip.joints[clip.joints.any(axis=(2, 3))]
        seen = ~np.isnan(seen).any(axis=2)
        if len(seen) and not all(seen[:, list({*pair, *end})].any() for pair, end in zip((layout.hips, layout.shoulders), layout.torso, strict=True)):
            names.append(clip.name)
    then = ": training and prediction skip them"
    return _on_named("too little seen", names, some, "hips or shoulders are missing in all frames of", then, "remove them, or film the whole body")


def _empty(clips: ClipSet) -> list[int]:
    return [row for row, clip in enumerate(clips) if not clip.joints[:, 0].any() and not clip.joints.any()]


def _nobody(clips: ClipSet) -> Remark | None:
    empty = [clips[row].name for row in _empty(clips)]
    remark = _on_named("nobody", empty, clips, "no body in any frame of", ": they are skipped", "check their recordings")
    return replace(remark, fatal=True) if len(empty) == len(clips) else remark


def _still(clips: ClipSet) -> Remark | None:
    some, still = sampled(clips), []
    for clip in some:
        joints = clip.joints[:, spread(clip.frames, 4)]
        if clip.joints.any() and np.array_equal(joints, np.broadcast_to(joints[:, :1], joints.shape), equal_nan=True):
            still.append(clip.name)
    then = ": used as actions without movement"
    return _on_named("no movement", still, some, "nothing moves in", then, "remove them; single frames and poses are not actions")


def _gaps(clips: ClipSet) -> Remark | None:
    some = sampled(clips)
    broken, frames = 0, 0
    for clip in some:
        present = np.flatnonzero(clip.joints.any(axis=(0, 2, 3)))
        gap = present[-1] - present[0] + 1 - len(present) if len(present) else 0
        broken, frames = broken + bool(gap), frames + gap
    if not broken:
        return None
    what = f"no body in {frames:,} frames between others, in {share_of(broken, some)}: these frames are dropped"
    return Remark("gaps", broken, what, "split these clips if the gaps are long")


def _copies(clips: ClipSet) -> Remark | None:
    alike = defaultdict(list)
    for row, clip in enumerate(clips):
        alike[clip.joints.shape, clip.joints[:, 0].tobytes()].append(row)
    copies, labels = [], 0
    for rows in alike.values():
        for place, row in enumerate(rows[1:], 1):
            first = next((before for before in rows[:place] if np.array_equal(clips[before].joints, clips[row].joints, equal_nan=True)), None)
            if first is not None and clips[row].joints.any():
                copies.append(f"{clips[row].name} is {clips[first].name}")
                labels += clips[row].label != clips[first].label
    if not copies:
        return None
    differ = f", {labels:,} of them with another label" if labels else ""
    what = f"the joints equal those of another clip in {share_of(len(copies), clips)} (first: {copies[0]}){differ}: all are kept"
    return Remark("copies", len(copies), what, "keep one of each, or put both on the same side of a split")


def _unlabelled(clips: ClipSet) -> Remark | None:
    bare = [clip.name for clip in clips if clip.label is None]
    if len(bare) == len(clips):
        return None
    return _on_named("no label", bare, clips, "no label in", ": read as unknown", "label them all before training")


def _numbered(clips: ClipSet) -> Remark | None:
    numbers = [clip.label for clip in clips if clip.label is not None and _NUMBER.fullmatch(clip.label.strip())]
    if not numbers:
        return None
    distinct = sorted(set(numbers), key=float)
    named = f"{', '.join(distinct[:5])}{', ...' if len(distinct) > 5 else ''}"
    what = f"labels are numbers in {share_of(len(numbers), clips)} ({named}): each number becomes a class name, which does not describe the movement"
    return Remark("numbered", len(numbers), what, "give names as labels, or add the array `classes`, the names in order, to the .npz")


def _crowd(clips: ClipSet) -> Remark | None:
    some = sampled(clips)
    present = [int(clip.joints.any(axis=(1, 2, 3)).sum()) for clip in some]
    crowded = sum(count > 2 for count in present)
    if not crowded:
        return None
    what = f"more than 2 persons in {share_of(crowded, some)}, up to {max(present)}: a model uses the one or two persons who move most"
    return Remark("crowd", crowded, what, "remove bystanders, or set preprocess.bodies")


def _rates(clips: ClipSet) -> Remark | None:
    rates = defaultdict(int)
    for clip in clips:
        rates[float(f"{clip.fps:.5g}")] += 1
    common = max(rates, key=rates.get)
    odd = sum(count for fps, count in rates.items() if abs(fps / common - 1) > _SAME_RATE)
    if not odd:
        return None
    named = ", ".join(f"{fps:g} ({count:,})" for fps, count in sorted(rates.items(), key=lambda pair: -pair[1])[:5])
    named += ", ..." if len(rates) > 5 else ""
    what = f"the frame rate is not {common:g} in {share_of(odd, clips)} ({named}): every clip is resampled over its own length"
    return Remark("frame rates", odd, what, "correct fps if this is a mistake")


def _odd_rate(clips: ClipSet) -> Remark | None:
    odd = [clip for clip in clips if not 1 <= clip.fps <= 500]
    then = f": {odd[0].fps:.3g}" if odd else ""
    remedy = "check whether times are in milliseconds or seconds, or give the frame rate instead"
    return _on_named("odd frame rate", [clip.name for clip in odd], clips, "the frame rate is not between 1 and 500 per second in", then, remedy)


def _assumed_rate(clips: ClipSet) -> Remark | None:
    assumed = [clip.name for clip in clips if clip.fps_assumed]
    what = "no frame rate is stated for"
    remedy = "give it (fps=25, --fps 25), or in the column fps of clips.csv or the array fps of the .npz"
    return _on_named("assumed frame rate", assumed, clips, what, f": {ASSUMED_FPS:g} is assumed for players, smoothing and tracking", remedy)
