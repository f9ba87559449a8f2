"""Preprocessing: from a recorded clip to the input array of a skeleton encoder.

The encoder input should depend on the movement, but not on the person's position, the camera's direction, the person's height or the duration of the clip.
Missing joints are interpolated and filled first (:mod:`tdsm.data.missing`), so the result contains no NaN. Then follow :func:`drop_null_frames`,
:func:`keep_bodies`, :func:`steady`, :func:`resample`, :func:`center`, :func:`align` and :func:`scale`, in this order. Each is a pure function of an array
(M, T, V, C), or of several clips of the same shape, (N, M, T, V, C).

The lead is the first person who is present in any frame; after :func:`keep_bodies` it is the person who moves most. A person who is absent in a frame is all
zeros in it, and stays so in every step. Coordinates after ``align`` are right-handed: +x to the lead's right, +y up, +z to the back. In 2-D, +y points up,
too (in pixel coordinates it points down). The steps follow 2s-AGCN and Shift-GCN (centre, upright torso, shoulders). Those align with the first frame; we
use the first tenth of the clip, because single frames of a Kinect are noisy.
"""

import functools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from tdsm.config import PreprocessConfig
from tdsm.data.clips import Clip
from tdsm.data.layouts import Layout
from tdsm.data.missing import completed
from tdsm.util.errors import InputError
from tdsm.util.progress import progress_bar

__all__ = [
    "align", "body_size", "center", "drop_null_frames", "keep_bodies", "preprocess", "preprocess_all", "preprocess_each", "preprocess_usable", "resample",
    "scale", "steady",
]  # fmt: skip

_NO_SIZE = 1e-9  # rounding error; no body is this small in metres or pixels
_SHORTEST = 1e-3  # relative to the body's size
_TREMBLING = 0.03  # standard deviation of noise in trunk lengths above which a body is smoothed; about 15 mm
_LONGEST = 0.2  # seconds, the largest width of smoothing
_BLOCK, _TOGETHER = 512, 64  # clips in memory, and clips of equal shape that are processed together


def preprocess(clip: Clip, config: PreprocessConfig) -> np.ndarray:
    """Apply all steps of ``config``.

    Returns:
        (M, T, V, C) float32 with M = ``config.bodies`` and T = ``config.frames`` (0: the clip's own length without null frames).

    Raises:
        InputError: no body in any frame, too many missing joints in every person, or (with ``scale``) a lead without size.

    Example:
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> preprocess(synthetic_clips(1, actions=["bow"])[0], PreprocessConfig(frames=32, bodies=1)).shape
        (1, 32, 25, 3)
    """
    return preprocess_all([clip], config)[0]


def preprocess_all(clips: Iterable[Clip], config: PreprocessConfig, progress: bool = False) -> np.ndarray:
    """:func:`preprocess` for every clip, stacked.

    Returns:
        (N, M, T, V, C) float32.

    Raises:
        InputError: an unusable clip (:func:`preprocess_usable` skips these), or ``config.frames`` is 0 and the clips differ in length.
    """
    arrays = list(_preprocessed(clips, config, progress))
    for fault in (result for result in arrays if isinstance(result, InputError)):
        raise fault
    return _stacked(arrays)


def preprocess_usable(clips: Sequence[Clip], config: PreprocessConfig, progress: bool = False) -> tuple[np.ndarray, list[int]]:
    """:func:`preprocess` for the usable clips, with one warning about the others.

    Returns:
        (n, M, T, V, C) float32, and the indices of the n usable clips.

    Raises:
        InputError: no usable clip (with the reason for the first), or ``config.frames`` is 0 and the clips differ in length.
    """
    arrays, rows, faults = [], [], []
    for row, result in enumerate(_preprocessed(clips, config, progress)):
        if isinstance(result, InputError):
            faults.append(result)
        else:
            arrays.append(result)
            rows.append(row)
    if faults and not rows:
        raise InputError("clips", f"none of {len(faults)} is usable; the first: {faults[0]}", "give clips with the hips and shoulders of a person")
    if faults:
        warnings.warn(f"{len(faults)} of {len(clips)} clips are not usable and are skipped; the first: {faults[0]}", stacklevel=2)
    return _stacked(arrays), rows


def preprocess_each(clips: Sequence[Clip], config: PreprocessConfig) -> list[np.ndarray | InputError]:
    """:func:`preprocess` for some clips, in order; clips of the same shape and frame rate are processed together. An unusable clip gives its error instead.

    Example:
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> [array.shape for array in preprocess_each(synthetic_clips(1, actions=["bow", "jump"]), PreprocessConfig())]
        [(1, 32, 25, 3), (1, 32, 25, 3)]
    """
    result: list[np.ndarray | InputError] = [np.empty(0)] * len(clips)
    alike: dict[tuple, list[tuple[int, np.ndarray]]] = defaultdict(list)
    for row, clip in enumerate(clips):
        try:
            joints = completed(clip).joints
        except InputError as error:
            result[row] = error
            continue
        joints = drop_null_frames(joints) if config.drop_null else joints
        alike[joints.shape, clip.fps, clip.layout].append((row, joints))
    for (_, fps, layout), group in alike.items():
        for start in range(0, len(group), _TOGETHER):
            rows, joints = zip(*group[start : start + _TOGETHER], strict=True)
            for row, array in zip(rows, _steps(np.stack(joints).astype(np.float64), [clips[row] for row in rows], config, layout, fps), strict=True):
                result[row] = array
    return result


def _preprocessed(clips: Iterable[Clip], config: PreprocessConfig, progress: bool) -> Iterator[np.ndarray | InputError]:
    """:func:`preprocess_each` for any number of clips, of which some hundred are in memory at a time."""
    coming = iter(progress_bar(clips, shown=progress, desc="preprocess", unit="clip", leave=False))
    while block := list(islice(coming, _BLOCK)):
        yield from preprocess_each(block, config)


def _steps(joints: np.ndarray, clips: Sequence[Clip], config: PreprocessConfig, layout: Layout, fps: float) -> list[np.ndarray | InputError]:
    """The steps after the null frames, for clips (N, M, T, V, C) of one shape."""
    joints, faults = keep_bodies(joints, config.bodies), {}
    if config.steady:
        joints = steady(joints, layout, fps)
    if config.frames:
        joints = resample(joints, config.frames)
        for row in np.flatnonzero(~joints.any(axis=(1, 2, 3, 4))).tolist():
            what = f"joints: no body in the {config.frames} resampled frames of {clips[row].frames}"
            faults[row] = InputError(clips[row].name, what, "remove the clip, or increase preprocess.frames or preprocess.bodies")
    if config.center:
        joints = center(joints, layout)
    joints = align(joints, layout, config.align)
    if config.scale:
        size = body_size(joints, layout)
        for row in np.flatnonzero(size <= _NO_SIZE).tolist():
            what = "joints: all joints of the person coincide, so the body has no size"
            faults.setdefault(row, InputError(clips[row].name, what, "remove the clip, or set preprocess.scale to false"))
        joints = joints / np.where(size <= _NO_SIZE, 1.0, size)[:, None, None, None, None]
    return [faults.get(row, array) for row, array in enumerate(joints.astype(np.float32))]


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    lengths = {array.shape[1] for array in arrays}
    if len(lengths) > 1:
        raise InputError("preprocess", f"frames is 0, but clips have {min(lengths)} to {max(lengths)} frames", "give frames above 0")
    return np.stack(arrays)


def _one_or_many(step: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Make a step for many clips (N, M, T, V, C) accept one clip (M, T, V, C), too."""

    @functools.wraps(step)
    def of_either(joints: np.ndarray, *rest: object, **named: object) -> np.ndarray:
        return step(joints, *rest, **named) if joints.ndim == 5 else step(joints[None], *rest, **named)[0]

    return of_either


def drop_null_frames(joints: np.ndarray) -> np.ndarray:
    """Remove the frames in which no person is present."""
    return joints[:, _present(joints).any(axis=0)]


@_one_or_many
def keep_bodies(joints: np.ndarray, bodies: int) -> np.ndarray:
    """The ``bodies`` persons with the largest motion energy, in descending order; equal ones keep their order; missing persons are zeros.

    The energy is the standard deviation of a joint about its mean position over the frames in which the person is present, summed over joints. It does
    not depend on the camera's direction. A person who is never present comes last.
    """
    clips, persons = joints.shape[:2]
    if persons > 1:
        strongest = np.argsort(-_energy(joints), axis=1, kind="stable")[:, :bodies]
        joints = joints[np.arange(clips)[:, None], strongest]
    missing = np.zeros((clips, max(0, bodies - persons), *joints.shape[2:]), joints.dtype)
    return np.concatenate([joints, missing], axis=1)


def _energy(joints: np.ndarray) -> np.ndarray:
    """Motion energy (N, M) of persons; -1 for persons who are never present."""
    present = _present(joints)
    energy = np.sqrt(joints.var(axis=2).sum(axis=-1)).sum(axis=-1)
    for row, person in np.argwhere(~present.all(axis=2)):
        seen = joints[row, person][present[row, person]]
        energy[row, person] = np.sqrt(seen.var(axis=0).sum(axis=-1)).sum() if len(seen) else -1.0
    return energy


@_one_or_many
def steady(joints: np.ndarray, layout: Layout, fps: float) -> np.ndarray:
    """Smooth persons with noisy joints; other persons do not change.

    The noise is estimated from third differences of all coordinates and from second differences of bone lengths (medians); the smaller estimate counts. A
    fast movement does not change bone lengths, and a slow drift of the sensor has no third differences. Above 0.03 trunk lengths, about 15 mm, the person is
    smoothed in two steps. First, the singular values of the joint positions are shrunk optimally for white noise of this size: joints move together, so a
    movement has few principal components, while noise has all. Second, a Gaussian smooths over time; its standard deviation in seconds equals that of the
    noise in trunk lengths, at most 0.2. Frames before and after an absence are smoothed separately.

    Singular values: Gavish and Donoho, "Optimal shrinkage of singular values", IEEE Transactions on Information Theory 63 (2017).

    Example:
        >>> from tdsm.data.layouts import NTU_25
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> joints = synthetic_clips(1, actions=["bow"])[0].joints
        >>> bool((steady(joints, NTU_25, 30.0) == joints).all())
        True
        >>> noisy = joints + np.random.default_rng(0).normal(0, 0.05, joints.shape)
        >>> bool(np.abs(steady(noisy, NTU_25, 30.0) - joints).mean() < 0.5 * np.abs(noisy - joints).mean())
        True
    """
    joints = np.array(joints, np.float64)
    persons, present = joints.reshape(-1, *joints.shape[2:]), _present(joints).reshape(-1, joints.shape[2])
    always = present.all(axis=1)
    _smooth(persons, np.flatnonzero(always), present[0] | True, [slice(None)], layout, fps)
    for row in np.flatnonzero(present.any(axis=1) & ~always):
        there = present[row]
        runs = np.split(np.arange(len(there)), np.flatnonzero(np.diff(there)) + 1)
        _smooth(persons, np.array([row]), there, [slice(run[0], run[-1] + 1) for run in runs if there[run[0]] and len(run) > 3], layout, fps)
    return joints


def _smooth(persons: np.ndarray, rows: np.ndarray, there: np.ndarray, stretches: Sequence[slice], layout: Layout, fps: float) -> None:
    """Smooth the noisy ones of ``rows`` of (P, T, V, C) in place. All are present in the frames ``there``, (T,) bool; ``stretches`` are longer than 3."""
    if not len(rows) or sum(len(there[stretch]) for stretch in stretches) < 8:
        return
    lower, upper = (persons[rows][:, there][:, :, list(ends)].mean(axis=2) for ends in layout.torso)
    trunk = np.median(_length(upper - lower), axis=1)
    noise = _noise([persons[rows, stretch] for stretch in stretches], layout)
    for place in np.flatnonzero((trunk > 0) & (noise > _TREMBLING * trunk)):
        for stretch in stretches:
            path = persons[rows[place], stretch]
            path[:] = _blurred(_together(path, noise[place]), min(_LONGEST, noise[place] / trunk[place]) * fps)


def _noise(stretches: Sequence[np.ndarray], layout: Layout) -> np.ndarray:
    """(P,) standard deviation of the white noise on each coordinate of persons, from intervals (P, T, V, C) of frames."""
    child, parent = np.array(layout.bones).T
    jumps = [np.abs(np.diff(joints, n=3, axis=1)) for joints in stretches]
    bones = [np.abs(np.diff(_length(joints[:, :, child] - joints[:, :, parent]), n=2, axis=1)) for joints in stretches]
    usual = [np.median(np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1), axis=1) for parts in (jumps, bones)]
    return np.minimum(usual[0] / 20**0.5, usual[1] / 12**0.5) / 0.6745


def _together(path: np.ndarray, noise: float) -> np.ndarray:
    """(T, V, C) after shrinking the singular values of the joint positions for white noise of this standard deviation."""
    places = path.reshape(len(path), -1)
    mean = places.mean(axis=0)
    left, values, right = np.linalg.svd(places - mean, full_matrices=False)
    square, (frames, numbers) = (values / noise) ** 2, places.shape
    above = np.sqrt(np.maximum((square - frames - numbers) ** 2 - 4 * frames * numbers, 0)) / np.sqrt(np.maximum(square, 1e-9)) * noise
    shrunk = np.where(square > (np.sqrt(frames) + np.sqrt(numbers)) ** 2, above, 0.0)
    return (left * shrunk @ right + mean).reshape(path.shape)


def _blurred(path: np.ndarray, spread: float) -> np.ndarray:
    """(T, V, C) smoothed over time by a Gaussian of ``spread`` frames; the first and the last frame are repeated beyond the ends."""
    spread = min(spread, float(len(path)))  # a wider Gaussian gives the mean
    reach = int(np.ceil(3 * spread))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(spread, 1e-9)) ** 2)
    longer = np.concatenate([np.repeat(path[:1], reach, 0), path, np.repeat(path[-1:], reach, 0)])
    return sum(weight * longer[start : start + len(path)] for start, weight in enumerate(weights / weights.sum()))


@_one_or_many
def resample(joints: np.ndarray, frames: int) -> np.ndarray:
    """Linear interpolation to ``frames`` frames, evenly spaced from the first to the last. A single frame is repeated.

    Between a frame with a person and one without, the nearer frame is used, so no person is interpolated with zeros.

    Example:
        >>> joints = np.arange(1.0, 4.0).reshape(1, 3, 1, 1)  # one joint with one coordinate: 1, 2, 3
        >>> resample(joints, 5).ravel()
        array([1. , 1.5, 2. , 2.5, 3. ])
    """
    count = joints.shape[2]
    times = np.linspace(0, count - 1, frames)
    before = times.astype(int)
    after = np.minimum(before + 1, count - 1)
    weight = np.broadcast_to(times - before, (*joints.shape[:2], frames))
    present = _present(joints)
    weight = np.where(present[:, :, before] == present[:, :, after], weight, np.round(weight))[..., None, None]
    return joints[:, :, before] * (1 - weight) + joints[:, :, after] * weight


@_one_or_many
def center(joints: np.ndarray, layout: Layout) -> np.ndarray:
    """Subtract the position of the lead's hips (the lower end of the torso) in its first frame from all persons in all frames."""
    lead, there = _lead(joints)
    root = lead[np.arange(len(lead)), there.argmax(axis=1)][:, list(layout.torso[0])].mean(axis=1)
    return np.where(_present(joints)[..., None, None], joints - root[:, None, None, None], 0.0)


@_one_or_many
def align(joints: np.ndarray, layout: Layout, mode: str) -> np.ndarray:
    """Rotate all persons about the origin so that the lead is upright and faces the same direction in every clip.

    Torso (lower to upper end) and shoulder line (left to right) are means over the first tenth of the lead's frames.

    Args:
        joints: (M, T, V, C), or (N, M, T, V, C).
        layout: defines the torso and the shoulders.
        mode: "body": the torso is rotated to +y, and the part of the shoulder line perpendicular to it to +x. "yaw": rotate about the
            sensor's vertical until the horizontal part of the shoulder line is +x; the inclination of the body is kept.
            "none": no rotation. In 2-D, "body" rotates in the picture until the torso is +y; a picture has no yaw, so "yaw"
            only makes y point upward.

    If the torso, or the relevant part of the shoulder line, is shorter than a thousandth of the sum of all bones, its direction is undefined and no rotation
    is applied.
    """
    if mode == "none":
        return joints
    lead, there = _lead(joints)
    first = there & (np.cumsum(there, axis=1) <= np.maximum(1, np.round(there.sum(axis=1) / 10))[:, None])

    def mean(of: np.ndarray) -> np.ndarray:
        """Mean (N, C) of (N, T, J, C) over these frames."""
        return (of * first[:, :, None, None]).sum(axis=(1, 2)) / (of.shape[2] * first.sum(axis=1))[:, None]

    lower, upper = (mean(lead[:, :, list(ends)]) for ends in layout.torso)
    right = mean(lead[:, :, layout.shoulders[1:]] - lead[:, :, layout.shoulders[:1]])
    size = body_size(joints, layout)[:, None]
    size = np.where(size > 0, size, 1.0)
    if layout.dims == 2:
        turn = _plane((upper - lower) / size, layout, mode)
    else:
        axis, sign = layout.up
        up = (upper - lower) / size if mode == "body" else np.broadcast_to(sign * np.eye(3)[axis], right.shape)
        turn = _frame(up, right / size)
    return joints @ turn.swapaxes(1, 2)[:, None, None]


@_one_or_many
def scale(joints: np.ndarray, layout: Layout) -> np.ndarray:
    """Divide by :func:`body_size`, which must not be 0."""
    return joints / body_size(joints, layout)[:, None, None, None, None]


@_one_or_many
def body_size(joints: np.ndarray, layout: Layout) -> np.ndarray:
    """Sum of the lead's bone lengths, median over the frames in which the lead is present: () or (N,)."""
    child, parent = np.array(layout.bones).T
    lead, there = _lead(joints)
    length = _length(lead[:, :, child] - lead[:, :, parent]).sum(axis=-1)
    length, count, row = np.sort(np.where(there, length, np.inf), axis=1), there.sum(axis=1), np.arange(len(lead))
    return (length[row, (count - 1) // 2] + length[row, count // 2]) / 2


def _present(joints: np.ndarray) -> np.ndarray:
    """Whether each person is present in each frame, (..., M, T) bool."""
    return joints.any(axis=(-2, -1))


def _lead(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, T, V, C): the first person who is ever present, and the frames (N, T) of presence; all frames if no person is present (all joints are zero)."""
    present, row = _present(joints), np.arange(len(joints))
    first = present.any(axis=2).argmax(axis=1)
    there = present[row, first]
    return joints[row, first], there | ~there.any(axis=1, keepdims=True)


def _length(vectors: np.ndarray) -> np.ndarray:
    """(...) of (..., C), equal to numpy.linalg.norm in a third of its time."""
    square = vectors * vectors
    return np.sqrt(sum((square[..., axis] for axis in range(1, square.shape[-1])), square[..., 0]))


def _dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N, 1) dot products of (N, C) vectors."""
    return (one[:, None] @ other[:, :, None])[:, 0]


def _frame(up: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N, 3, 3) rotations of ``up`` to +y and of the part of ``right`` perpendicular to it to +x; identity if either is too short."""
    height = np.sqrt(_dot(up, up))
    up = up / np.where(height > _SHORTEST, height, 1.0)
    right = right - _dot(right, up) * up
    width = np.sqrt(_dot(right, right))
    right = right / np.where(width > _SHORTEST, width, 1.0)
    turn = np.stack([right, up, np.cross(right, up)], axis=1)
    return np.where(((height > _SHORTEST) & (width > _SHORTEST))[:, :, None], turn, np.eye(3))


def _plane(torso: np.ndarray, layout: Layout, mode: str) -> np.ndarray:
    """(N, 2, 2) matrices that make y point upward and, for "body", then rotate the torso to +y if it is long enough."""
    flip = np.diag([1.0, layout.up[1]])
    x, y = (torso @ flip).T
    length = np.hypot(x, y)
    turn = np.moveaxis(np.array([[y, -x], [x, y]]) / np.where(length > _SHORTEST, length, 1.0), -1, 0) @ flip
    return np.where(((mode != "yaw") & (length > _SHORTEST))[:, None, None], turn, flip)
