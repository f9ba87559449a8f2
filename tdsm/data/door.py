"""The door: one pass over clips that says what does not look as their layout promises, in one line per kind.

:func:`examine` looks at the clips themselves, however they were read, and returns one :class:`Remark` per kind of doubt: how many clips, what was
assumed, what to do. :func:`admit` is what :func:`tdsm.data.readers.load_clips` does with them: a :class:`DoorWarning` each, or an error.

The checks of geometry look at the person who is there longest, in at most 24 frames of a clip and at most 2,000 clips of a set, so that 1,500 clips
take a fraction of a second. What is decided for a data set is decided by the majority of its clips, never for one clip alone.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError

__all__ = ["DoorWarning", "Remark", "admit", "examine", "facing"]

_FRAMES, _CLIPS = 24, 2000  # looked at, per clip and per set


class DoorWarning(UserWarning):
    """Clips were admitted on an assumption that may be wrong."""


@dataclass(frozen=True)
class Remark:
    """One doubt about a set of clips; ``str`` gives it as one line.

    Attributes:
        kind: a short name of the doubt, such as "mirrored".
        clips: how many clips show it.
        what: what was seen, in how many of how many clips, and what was assumed.
        remedy: what to do.
    """

    kind: str
    clips: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def admit(clips: ClipSet, *, strict: bool = False) -> ClipSet:
    """The clips, with one :class:`DoorWarning` per remark.

    Args:
        clips: as read.
        strict: refuse at the first remark.

    Raises:
        InputError: ``strict`` and there is a remark.
    """
    for remark in examine(clips):
        if strict:
            raise InputError(clips.name, remark.what, remark.remedy)
        warnings.warn(f"{clips.name}: {remark}", DoorWarning, stacklevel=3)
    return clips


def examine(clips: ClipSet) -> list[Remark]:
    """One remark per kind of doubt about these clips; none for clips that look as their layout promises."""
    sample = _sampled(clips)
    found = (check(sample) for check in _CHECKS)
    return [remark for remark in found if remark is not None]


@dataclass(frozen=True)
class _Sample:
    """What the checks look at.

    Attributes:
        layout: of all clips.
        bodies: (N, F, V, C), the person who is there longest, in frames spread over the clip; NaN where nobody is or nothing was seen.
    """

    layout: Layout
    bodies: Float[np.ndarray, "n f v c"]


def _sampled(clips: Sequence[Clip]) -> _Sample:
    layout = clips[0].layout
    rows = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), _CLIPS)).round().astype(int))
    bodies = np.full((len(rows), _FRAMES, len(layout), layout.dims), np.nan, np.float32)
    for body, row in zip(bodies, rows, strict=True):
        joints = clips[row].joints
        joints = joints[:, np.linspace(0, joints.shape[1] - 1, min(joints.shape[1], _FRAMES)).round().astype(int)]
        there = joints.any(axis=(2, 3))
        longest = there.sum(axis=1).argmax()
        body[: joints.shape[1]] = np.where(there[longest][:, None, None], joints[longest], np.nan)
    return _Sample(layout, bodies)


# Handedness


_TURNED = 0.02  # of the torso: less than that in front or behind means nothing
_MIXED = 0.3  # of the clips: fewer that disagree are noise


def facing(bodies: Float[np.ndarray, "n f v 3"], layout: Layout) -> Float[np.ndarray, " n"]:
    """Per clip, how far the toes lie before the ankles, in torso lengths: above 0 in a body as its layout has it, below 0 in a mirrored one.

    The front is up x right, from the torso and from the lines of shoulders and hips, which a rotation of the body leaves as it is and a reflection
    (or an exchange of left and right joints) reverses. Where the feet have no length (bodies of OpenNI), the forearms are taken: they point
    forwards in 99 % of the clips of UTD-MHAD and in 84 % of those of NW-UCLA, the toes in more than 99 % of both.

    Args:
        bodies: (N, F, V, 3), NaN where nothing was seen.
        layout: a 3-D layout.

    Returns:
        (N,) median over the frames; NaN where too little was seen.
    """
    up = _middle(bodies, layout.torso[1]) - _middle(bodies, layout.torso[0])
    right = sum(bodies[:, :, pair[1]] - bodies[:, :, pair[0]] for pair in (layout.shoulders, layout.hips))
    front = np.cross(up, right)
    size = np.linalg.norm(up, axis=-1) * np.linalg.norm(front, axis=-1)
    toes = _first_point(layout, ("foot", "big toe"))
    feet, arms = (
        _median(sum(_limb(bodies, layout, f"{side} {start}", f"{side} {end}") for side in ("left", "right")) * front / size[..., None])
        for start, end in (("ankle", toes), ("elbow", "wrist"))
    )
    return np.where(np.abs(feet) > _TURNED, feet, arms)


def _mirrored(sample: _Sample) -> Remark | None:
    if sample.layout.dims != 3:
        return None
    toes = facing(sample.bodies, sample.layout)
    judged, wrong = int((np.abs(toes) > _TURNED).sum()), int((toes < -_TURNED).sum())
    if not judged or wrong / judged < _MIXED:
        return None
    share = f"the toes or forearms point to the back in {_of(wrong, judged)}"
    if wrong / judged <= 0.5:
        return Remark("mirrored", wrong, f"{share}, in the others to the front: read as they are", "load each source of these clips by itself")
    what = f"{share}, so the bodies are mirrored or their left and right joints exchanged: read as they are"
    return Remark("mirrored", wrong, what, "mend them with tdsm prepare --fix")


# Arithmetic of the checks


def _middle(bodies: np.ndarray, joints: Sequence[int]) -> np.ndarray:
    return bodies[:, :, list(joints)].mean(axis=2)


def _limb(bodies: np.ndarray, layout: Layout, start: str, end: str) -> np.ndarray:
    points = layout.points
    return bodies[:, :, points.index(end)] - bodies[:, :, points.index(start)]


def _first_point(layout: Layout, ends: Sequence[str]) -> str:
    return next(end for end in ends if f"left {end}" in layout.points)


def _median(vectors: np.ndarray) -> np.ndarray:
    """(N,) median over the frames of the coordinates' sum; NaN for a clip without any."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a clip of nothing but NaN
        return np.nanmedian(vectors.sum(axis=-1), axis=1)


def _of(some: int, clips: int) -> str:
    return f"{some:,} of {clips:,} clips"


_CHECKS: tuple[Callable[[_Sample], Remark | None], ...] = (_mirrored,)
