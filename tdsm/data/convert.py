"""Conversion of clips between skeleton layouts, so that one recognizer can be used with every sensor.

Each joint of a layout is at a named point of the body (:attr:`tdsm.data.layouts.Layout.points`); the names are the same in all layouts. A joint of the target
takes the position of the source's joint at the same point. If the source has no such joint, or it is always missing, it is *filled* by a rule of
:mod:`tdsm.data.missing`. These rules commute with translating, rotating, mirroring and scaling a body. The names of filled joints are reported.

Points with the same name can differ by centimetres. The pelvis is 7 cm above the middle of the hips in Kinect v1 (UTD-MHAD and NW-UCLA), 9 cm above it in
SMPL and at it in OpenPose; the base of the neck is 10 cm, 5 cm and 0 cm above the middle of the shoulders.

============  ==========================================================================================================================
axes          The viewer's right, up and away are kept (:attr:`tdsm.data.layouts.Layout.axes`), so no body is mirrored or turned upside down.
depth         3-D to 2-D drops it. 2-D to 3-D sets it to 0 and reports this (``flat``): arms that point to the camera look short, and a person
              in profile, whose shoulders coincide, may face either way after ``align="body"``.
unit          Numbers keep their unit, metres or pixels. Scale the clips if you mix units; preprocessing does so.
absence       A person who is all zeros in a frame stays all zeros.
lost joints   A joint missing in some frames is interpolated over time (``bridged``). A joint missing in all frames is filled like one that the
              layout does not have. A person whose hips and shoulders cannot be placed becomes absent (``left_out``). See :mod:`tdsm.data.missing`.
============  ==========================================================================================================================
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import Layout, as_layout
from tdsm.data.missing import Filling, complete_all, gathered
from tdsm.util.errors import InputError

__all__ = ["Converted", "ConvertedSet", "brought_to", "convert", "convert_all"]

_ALMOST_ZERO = 1e-6  # in a 2-D clip a joint at (0, 0) would be treated as missing
_TOGETHER = 128  # clips converted together


@dataclass(frozen=True, kw_only=True)
class _Conversion(Filling):
    """What a conversion filled in. ``bridged`` names joints of the source; ``filled`` names joints of the target that the source does not have (or that are
    always missing for some person). See :class:`~tdsm.data.missing.Filling` for the other attributes.

    Attributes:
        source, target: names of the layouts.
        flat: whether depth was missing and set to 0.
    """

    source: str
    target: str
    flat: bool = False

    @property
    def note(self) -> str:
        """A one-line summary for the user; empty if the layouts are equal."""
        if self.source == self.target:
            return ""
        count = "1 joint filled from its neighbours" if len(self.filled) == 1 else f"{len(self.filled)} joints filled from their neighbours"
        parts = [f"{count} ({', '.join(self.filled)})" if self.filled else "every joint has its counterpart"]
        parts += ["depth missing and set to 0"] if self.flat else []
        parts += [f"{self.unseen / self.positions:.1%} of joint positions missing"] if self.unseen else []
        parts += [f"interpolated over time: {', '.join(self.bridged)}"] if self.bridged else []
        parts += [f"persons removed because too many joints are missing: {self.left_out}"] if self.left_out else []
        return f"converted from {self.source} to {self.target}: {'; '.join(parts)}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Converted(_Conversion):
    """A clip in its new layout, and what was filled in (``filled``, ``bridged``, ``flat``, ``left_out`` and the line ``note``)."""

    clip: Clip


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvertedSet(_Conversion):
    """Clips in their new layout, and what was filled in for any of them."""

    clips: ClipSet


@overload
def convert(clips: Clip, layout: Layout | str) -> Converted: ...


@overload
def convert(clips: ClipSet, layout: Layout | str) -> ConvertedSet: ...


def convert(clips: Clip | ClipSet, layout: Layout | str) -> Converted | ConvertedSet:
    """Convert a clip, or every clip of a set, to another layout. Label, subject, frame rate and name are kept. A clip in this layout is returned unchanged.

    Args:
        clips: a clip (M, T, V, C) in any layout, or a set of clips, as for :func:`convert_all`.
        layout: the target layout, or its name.

    Returns:
        A :class:`Converted` with the clip, (M, T, len(layout), layout.dims), or a :class:`ConvertedSet` with the clips; both name the joints that were filled.

    Raises:
        InputError: a joint of the target cannot be derived, because the rules do not cover the layout or because hips and shoulders are missing; or the
            layout's name is unknown.

    Example:
        >>> from tdsm.data.layouts import KINECT_20
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> converted = convert(synthetic_clips(1, actions=["bow"])[0], KINECT_20)
        >>> converted.clip.joints.shape[2:]
        (20, 3)
        >>> converted.note
        'converted from ntu-25 to kinect-20: 1 joint filled from its neighbours (spine)'
        >>> convert(synthetic_clips(1, actions=["bow", "jump"]), "coco-17").clips.layout.name
        'coco-17'
    """
    target = as_layout(layout)
    if isinstance(clips, ClipSet):
        return convert_all(clips, target)
    ((converted, lacking),) = _each([clips], target)
    if lacking is not None and not converted.clip.joints.any():
        raise _impossible(clips, target, lacking)
    return converted


def _each(clips: Sequence[Clip], layout: Layout) -> Iterator[tuple[Converted, str | None]]:
    """Each converted clip of one layout, all zeros if no person can be converted, and the joint that a removed person lacks."""
    source = clips[0].layout
    names = {"source": source.name, "target": layout.name}
    if source == layout:
        yield from ((Converted(clip=clip, **names), None) for clip in clips)
        return
    turn = (layout.axes.T @ source.axes).T
    for start in range(0, len(clips), _TOGETHER):
        block = clips[start : start + _TOGETHER]
        every = complete_all(block, layout)
        present = [whole.joints.any(axis=(2, 3)) for whole in every]
        turned = np.concatenate([whole.joints[there] for whole, there in zip(every, present, strict=True)]) @ turn
        if layout.dims == 2:
            turned[~turned.any(axis=-1)] = _ALMOST_ZERO
        with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused
            turned = turned.astype(np.float32)
        sound = turned.any(axis=-1).all() and np.isfinite(turned).all()  # if so, the clips need no further check
        ends = np.cumsum([there.sum() for there in present])
        for clip, whole, there, bodies in zip(block, every, present, np.split(turned, ends[:-1]), strict=True):
            joints = np.zeros((*whole.joints.shape[:3], layout.dims), np.float32)
            joints[there] = bodies
            about = vars(whole.filling) | names | {"flat": source.dims < layout.dims}
            yield Converted(clip=_in_layout(clip, joints, layout) if sound else replace(clip, joints=joints, layout=layout), **about), whole.lacking


def _in_layout(clip: Clip, joints: np.ndarray, layout: Layout) -> Clip:
    return Clip.checked_before(joints, layout, clip.label, clip.subject, clip.fps, clip.name, clip.fps_assumed)


def _impossible(clip: Clip, layout: Layout, lacking: str) -> InputError:
    what = f"cannot be converted from {clip.layout.name} to {layout.name}: no joint or rule gives {lacking!r}"
    return InputError(clip.name, what, "give clips with hips and shoulders, in one of the layouts of tdsm.data.layouts")


def convert_all(clips: ClipSet, layout: Layout) -> ConvertedSet:
    """:func:`convert` for every clip. Names and numbers of filled joints are those of all clips together.

    A clip without a convertible person becomes all zeros, so that the other clips can be used; :func:`~tdsm.data.preprocess.preprocess_usable` skips and
    reports it.

    Raises:
        InputError: as :func:`convert`, if no clip can be converted.

    Example:
        >>> from tdsm.data.layouts import COCO_17
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> convert_all(synthetic_clips(1, actions=["bow", "jump"]), COCO_17).filled
        ('nose', 'left eye', 'right eye', 'left ear', 'right ear')
    """
    every, about = _all(clips, clips.layout, layout)
    return ConvertedSet(clips=ClipSet(tuple(converted.clip for converted in every), clips.classes, clips.name), **about)


def brought_to(clips: Sequence[Clip], layout: Layout) -> tuple[list[Clip], list[str]]:
    """Clips of any layouts converted to this one, in their order, and one line for each layout that was converted (:attr:`ConvertedSet.note`).

    Raises:
        InputError: as :func:`convert`, if no clip of a layout can be converted.

    Example:
        >>> from tdsm.data.layouts import BODY_15
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> clips, lines = brought_to(synthetic_clips(1, actions=["bow"]), BODY_15)
        >>> clips[0].layout.name, lines
        ('body-15', ['converted from ntu-25 to body-15: every joint has its counterpart'])
    """
    brought, lines = list(clips), []
    for name in dict.fromkeys(clip.layout.name for clip in clips if clip.layout.name != layout.name):
        rows = [row for row, clip in enumerate(clips) if clip.layout.name == name]
        every, about = _all([clips[row] for row in rows], clips[rows[0]].layout, layout)
        for row, converted in zip(rows, every, strict=True):
            brought[row] = converted.clip
        lines.append(_Conversion(**about).note)
    return brought, lines


def _all(clips: Sequence[Clip], source: Layout, layout: Layout) -> tuple[tuple[Converted, ...], dict]:
    """Convert every clip; also returns the fields of :class:`_Conversion` for all of them together."""
    every, lacking = zip(*_each(clips, layout), strict=True)
    first = next((row for row, joint in enumerate(lacking) if joint is not None), None)
    if first is not None and not any(converted.clip.joints.any() for converted in every):
        raise _impossible(clips[first], layout, lacking[first])
    return every, vars(gathered(source, layout, every)) | {"source": source.name, "target": layout.name, "flat": every[0].flat}
