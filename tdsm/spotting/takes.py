"""Long takes that are joined from whole recordings, so that the begin and end of each action are known; and recordings cut into short pieces."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from tdsm.data.clips import Clip, ClipSet
from tdsm.spotting.measures import Segment
from tdsm.util.errors import InputError

__all__ = ["joined", "pieces"]

_SWAY = 0.012  # amplitude of the sway, as a share of body height
_BLEND = 0.5  # seconds of the transition from one pose to the next


def joined(clips: Sequence[Clip], seed: int = 0, *, rests: bool = True, name: str = "take") -> tuple[Clip, list[Segment]]:
    """Join recordings to one take at one place; returns the take and the segment of each recording in it.

    Between two recordings the body moves from the last pose of one to the first pose of the next in half a second. With ``rests``, the pause between them has
    a random length of 1 to 2.5 s; after the transition the body rests with a small sway and with the sensor noise of the recording. It also
    rests before the first and after the last recording.

    Args:
        clips: labelled clips of one layout and frame rate. Of each clip, the first person and the frames in which that person is seen are used.
        seed: seed of the rests, the sway and the noise.
        rests: whether the body rests between recordings.
        name: name of the take.

    Raises:
        InputError: no clip, a clip without a label or a person, or clips of several layouts or frame rates.

    Example:
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> take, inside = joined(synthetic_clips(1, actions=["bow", "jump"]))
        >>> [segment.label for segment in inside], take.frames > inside[-1].end
        (['bow', 'jump'], True)
    """
    _check(clips)
    rng, fps = np.random.default_rng(seed), clips[0].fps
    parts: list[np.ndarray] = []
    borders: list[Segment] = []
    before, now = None, 0
    for clip in clips:
        joints = clip.joints[:1, clip.joints[0].any(axis=(1, 2))]
        joints = joints - _begin(joints) * [1.0, 0.0, 1.0][: clip.layout.dims]
        still = int((rng.uniform(1.0, 2.5) if rests else _BLEND) * fps)
        parts += [_rest(before, joints, still, fps, rng), joints]
        borders.append(Segment(now + still, now + still + joints.shape[1], clip.label))
        now, before = now + still + joints.shape[1], joints[:, -1:]
    parts.append(_rest(None, before, int(1.5 * fps), fps, rng))
    take = np.concatenate(parts, axis=1).astype(np.float32)
    return replace(clips[0], joints=take, name=name, label=None), borders


def pieces(clips: ClipSet, seconds: float = 2.0, step: float = 0.5) -> ClipSet:
    """Recordings cut into pieces of one length, which overlap and keep label and subject; a recording that is shorter stays whole.

    Args:
        seconds: length of a piece.
        step: seconds between the beginnings of two pieces of a recording.

    Raises:
        InputError: lengths that are not above 0.

    Example:
        >>> from tdsm.data.examples import example_clips
        >>> cut = pieces(example_clips())
        >>> cut, cut[1].name
        (ClipSet('cmu examples, pieces of 2 s': 52 clips, 12 classes, 5 subjects, smpl-22), 'CMU 07_06, 0.1-3.4 s + 0.5 s')
    """
    if not (0 < seconds < float("inf") and 0 < step < float("inf")):
        raise InputError("pieces", f"seconds is {seconds}, step {step}", "give numbers above 0")
    cut = []
    for clip in clips:
        length, hop = max(1, round(seconds * clip.fps)), max(1, round(step * clip.fps))
        for start in range(0, max(1, clip.frames - length + 1), hop):
            cut.append(replace(clip, joints=clip.joints[:, start : start + length], name=f"{clip.name} + {start / clip.fps:.1f} s"))
    return ClipSet(tuple(cut), clips.classes, f"{clips.name}, pieces of {seconds:g} s")


def _check(clips: Sequence[Clip]) -> None:
    if not len(clips):
        raise InputError("take", "no clip", "give at least one")
    for clip in clips:
        if clip.label is None or not clip.joints[0].any():
            raise InputError(clip.name, "has no label" if clip.label is None else "its first person is never seen", "leave it out")
        if (clip.layout.name, clip.fps) != (clips[0].layout.name, clips[0].fps):
            raise InputError(clip.name, f"is {clip.layout.name} at {clip.fps:g} fps, not as {clips[0].name}", "give clips of one layout and frame rate")


def _begin(joints: Float[np.ndarray, "1 frame joint coord"]) -> Float[np.ndarray, " coord"]:
    """Place of the first joint in the first frame in which it is seen; if it is never seen, the mean of all joints over all frames."""
    seen = np.flatnonzero(np.isfinite(joints[0, :, 0, 0]))
    return joints[0, seen[0], 0] if len(seen) else np.nanmean(joints[0], axis=(0, 1))


def _rest(
    before: np.ndarray | None, joints: Float[np.ndarray, "1 frame joint coord"], frames: int, fps: float, rng: np.random.Generator
) -> Float[np.ndarray, "1 rest joint coord"]:
    """``frames`` frames: the transition from the pose ``before`` to the first pose of ``joints``, then rest there, with sway and the noise of ``joints``."""
    blend = max(1, int(_BLEND * fps))
    share = np.clip(np.arange(1, frames + 1) / (blend + 1), 0, 1)[None, :, None, None]
    rest = (joints[:, :1] if before is None else before * (1 - share) + joints[:, :1] * share) + np.zeros_like(share)
    noise = np.nanmedian(np.abs(np.diff(joints, n=3, axis=1))) / 0.6745 / 20**0.5 if joints.shape[1] > 3 else 0.0
    height = np.max(np.nanmax(joints[0, 0], axis=0) - np.nanmin(joints[0, 0], axis=0))
    sway = _SWAY * height * np.sin(2 * np.pi * (rng.uniform() + np.arange(frames) / (8 * blend)))[None, :, None, None]
    return rest + sway * [1.0, 0.0, 1.0][: joints.shape[-1]] + rng.normal(0, noise, rest.shape)
