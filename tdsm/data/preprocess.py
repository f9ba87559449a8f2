"""Preprocessing: from a clip, as recorded, to the array that a skeleton encoder eats.

The encoder should see the movement, not where the person stood, which way the camera looked, how tall the person is or how
long the clip lasts. Joints that were not seen are interpolated and filled first (:mod:`tdsm.data.missing`), so that no NaN is in
what follows. Then come, in this order, :func:`drop_null_frames`, :func:`keep_bodies`, :func:`steady`, :func:`resample`, :func:`center`, :func:`align`
and :func:`scale`, each a small pure function of an array (M, T, V, C).

The lead is the first person who is there at all, after :func:`keep_bodies` the one that moves most. A person who is absent in a frame is
all zeros in it, and stays so in every step. Coordinates after ``align`` are right-handed: +x to the lead's right, +y up,
+z to the back. In 2-D +y points up too (pixels point down).
The recipe follows 2s-AGCN and Shift-GCN (centre, upright, shoulders); theirs aligns with the first frame only, ours with
the first tenth of the clip, because single frames of a Kinect are noisy.
"""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from tdsm.config import PreprocessConfig
from tdsm.data.clips import Clip
from tdsm.data.layouts import Layout
from tdsm.data.missing import completed
from tdsm.util.errors import InputError
from tdsm.util.progress import progress_bar

__all__ = ["align", "center", "drop_null_frames", "keep_bodies", "preprocess", "preprocess_all", "preprocess_usable", "resample", "scale", "steady"]

_NO_SIZE = 1e-9  # rounding; in metres or pixels nobody is that small
_SHORTEST = 1e-3  # of the body's size
_TREMBLING = 0.03  # spread of the noise of a coordinate, in trunk lengths, from which on a body is smoothed: some 15 mm
_LONGEST = 0.2  # seconds, the widest smoothing


def preprocess(clip: Clip, config: PreprocessConfig) -> np.ndarray:
    """All steps that ``config`` asks for.

    Returns:
        (M, T, V, C) float32 with M = ``config.bodies`` and T = ``config.frames`` (0: the clip's own length without null frames).

    Raises:
        InputError: a clip in which nobody is ever there or too little of everybody is seen, or (with ``scale``) whose lead has no size.

    Example:
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> preprocess(synthetic_clips(1, actions=["bow"])[0], PreprocessConfig(frames=32, bodies=1)).shape
        (1, 32, 25, 3)
    """
    joints = completed(clip).joints.astype(np.float64)
    if config.drop_null:
        joints = drop_null_frames(joints)
    joints = keep_bodies(joints, config.bodies)
    if config.steady:
        joints = steady(joints, clip.layout, clip.fps)
    if config.frames:
        joints = resample(joints, config.frames)
        if not joints.any():
            what = f"joints: nobody is there in the {config.frames} frames that are kept of {clip.frames}"
            raise InputError(clip.name, what, "leave the clip out, or keep more frames or bodies")
    if config.center:
        joints = center(joints, clip.layout)
    joints = align(joints, clip.layout, config.align)
    if config.scale:
        if body_size(joints, clip.layout) <= _NO_SIZE:
            raise InputError(clip.name, "joints: all joints of the person coincide, so that it has no size", "leave the clip out or set scale to false")
        joints = scale(joints, clip.layout)
    return joints.astype(np.float32)


def preprocess_all(clips: Iterable[Clip], config: PreprocessConfig, progress: bool = False) -> np.ndarray:
    """:func:`preprocess` of every clip, stacked.

    Returns:
        (N, M, T, V, C) float32.

    Raises:
        InputError: a clip that cannot be used (:func:`preprocess_usable` leaves such clips out), or ``config.frames`` is 0 and the clips differ in length.
    """
    return _stacked([preprocess(clip, config) for clip in progress_bar(clips, shown=progress, desc="preprocess", unit="clip", leave=False)])


def preprocess_usable(clips: Sequence[Clip], config: PreprocessConfig, progress: bool = False) -> tuple[np.ndarray, list[int]]:
    """:func:`preprocess` of the clips that can be used, with one warning about the others.

    Returns:
        (n, M, T, V, C) float32, and the n numbers of the clips that they are of.

    Raises:
        InputError: no clip can be used (the reason is that of the first), or ``config.frames`` is 0 and the clips differ in length.
    """
    arrays, rows, faults = [], [], []
    for row, clip in enumerate(progress_bar(clips, shown=progress, desc="preprocess", unit="clip", leave=False)):
        try:
            arrays.append(preprocess(clip, config))
            rows.append(row)
        except InputError as error:
            faults.append(error)
    if faults and not rows:
        raise InputError("clips", f"none of {len(faults)} can be used; the first: {faults[0]}", "give clips in which hips and shoulders of a person are seen")
    if faults:
        warnings.warn(f"{len(faults)} of {len(clips)} clips cannot be used and are left out; the first: {faults[0]}", stacklevel=2)
    return _stacked(arrays), rows


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    lengths = {array.shape[1] for array in arrays}
    if len(lengths) > 1:
        raise InputError("preprocess", f"frames is 0, but clips have {min(lengths)} to {max(lengths)} frames", "give frames, the length of all of them")
    return np.stack(arrays)


def drop_null_frames(joints: np.ndarray) -> np.ndarray:
    """Leave out the frames in which nobody is there."""
    return joints[:, _present(joints).any(axis=0)]


def keep_bodies(joints: np.ndarray, bodies: int) -> np.ndarray:
    """The ``bodies`` persons with the largest motion energy, strongest first; a tie keeps their order; missing ones are zeros.

    The energy is the standard deviation of a joint about its mean place over the frames in which the person is there,
    summed over joints. It does not change when the camera turns. A person who is never there comes last.
    """
    seen = [person[present] for person, present in zip(joints, _present(joints), strict=True)]
    energy = [float(np.sqrt(person.var(axis=0).sum(axis=-1)).sum()) if len(person) else -1.0 for person in seen]
    kept = joints[np.argsort(-np.array(energy), kind="stable")[:bodies]]
    return np.concatenate([kept, np.zeros((bodies - len(kept), *joints.shape[1:]), joints.dtype)])


def steady(joints: np.ndarray, layout: Layout, fps: float) -> np.ndarray:
    """Smooth persons whose joints tremble more than a body does, others stay as they are.

    The noise is told from third differences of all coordinates and from second differences of bone lengths (medians), of which the smaller counts: a fast
    movement changes no bone, a sensor's slow drift no third difference. Above 0.03 trunk lengths, about 15 mm, the person is smoothed twice: joints move
    together, so that a movement has few principal components, and noise has all (the singular values are shrunk as is best for white noise of this
    size); then through time, by a Gaussian whose standard deviation in seconds is that of the noise in trunk lengths, 0.2 at most. Frames before and after
    an absence are smoothed apart.

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
    lower, upper = (list(ends) for ends in layout.torso)
    for person, present in zip(joints, _present(joints), strict=True):
        stretches = [rows for rows in np.split(np.arange(len(person)), np.flatnonzero(np.diff(present)) + 1) if present[rows[0]] and len(rows) > 3]
        if sum(map(len, stretches)) < 8:
            continue
        seen = person[present]
        trunk = np.median(np.linalg.norm(seen[:, upper].mean(axis=1) - seen[:, lower].mean(axis=1), axis=-1))
        noise = _noise([person[rows] for rows in stretches], layout)
        if trunk > 0 and noise > _TREMBLING * trunk:
            for rows in stretches:
                person[rows] = _blurred(_together(person[rows], noise), min(_LONGEST, noise / trunk) * fps)
    return joints


def _noise(stretches: Sequence[np.ndarray], layout: Layout) -> float:
    """Standard deviation of the white noise on each coordinate of (T, V, C) stretches."""
    child, parent = np.array(layout.bones).T
    jumps = np.concatenate([np.abs(np.diff(joints, n=3, axis=0)).ravel() for joints in stretches])
    bones = np.concatenate([np.abs(np.diff(np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1), n=2, axis=0)).ravel() for joints in stretches])
    return float(min(np.median(jumps) / 20**0.5, np.median(bones) / 12**0.5)) / 0.6745


def _together(path: np.ndarray, noise: float) -> np.ndarray:
    """(T, V, C) with the principal components of the joints' places that white noise of this spread leaves, each as large as it was without."""
    places = path.reshape(len(path), -1)
    mean = places.mean(axis=0)
    left, values, right = np.linalg.svd(places - mean, full_matrices=False)
    square, (frames, numbers) = (values / noise) ** 2, places.shape
    above = np.sqrt(np.maximum((square - frames - numbers) ** 2 - 4 * frames * numbers, 0)) / np.sqrt(np.maximum(square, 1e-9)) * noise
    shrunk = np.where(square > (np.sqrt(frames) + np.sqrt(numbers)) ** 2, above, 0.0)
    return (left * shrunk @ right + mean).reshape(path.shape)


def _blurred(path: np.ndarray, spread: float) -> np.ndarray:
    """(T, V, C) smoothed through time by a Gaussian of ``spread`` frames; the ends are repeated."""
    spread = min(spread, float(len(path)))  # wider is the mean
    reach = int(np.ceil(3 * spread))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(spread, 1e-9)) ** 2)
    longer = np.concatenate([np.repeat(path[:1], reach, 0), path, np.repeat(path[-1:], reach, 0)])
    return sum(weight * longer[start : start + len(path)] for start, weight in enumerate(weights / weights.sum()))


def resample(joints: np.ndarray, frames: int) -> np.ndarray:
    """Linear interpolation to ``frames`` frames, evenly spaced from the first to the last; a single frame is repeated.

    Between a frame in which a person is there and one in which not, the nearer one is taken: half a person is nobody.

    Example:
        >>> joints = np.arange(1.0, 4.0).reshape(1, 3, 1, 1)  # one joint with one coordinate: 1, 2, 3
        >>> resample(joints, 5).ravel()
        array([1. , 1.5, 2. , 2.5, 3. ])
    """
    count = joints.shape[1]
    times = np.linspace(0, count - 1, frames)
    before = times.astype(int)
    after = np.minimum(before + 1, count - 1)
    weight = np.broadcast_to(times - before, (len(joints), frames))
    present = _present(joints)
    weight = np.where(present[:, before] == present[:, after], weight, np.round(weight))[..., None, None]
    return joints[:, before] * (1 - weight) + joints[:, after] * weight


def center(joints: np.ndarray, layout: Layout) -> np.ndarray:
    """Subtract where the lead's hips (the lower end of the torso) are in its first frame, from everybody in all frames."""
    root = _lead(joints)[0, list(layout.torso[0])].mean(axis=0)
    return np.where(_present(joints)[..., None, None], joints - root, 0.0)


def align(joints: np.ndarray, layout: Layout, mode: str) -> np.ndarray:
    """Turn everybody about the origin so that the lead stands upright and faces the same way in every clip.

    Torso (lower to upper end) and shoulder line (left to right) are means over the first tenth of the lead's frames.

    Args:
        joints: (M, T, V, C).
        layout: names the torso and the shoulders.
        mode: "body": the torso goes to +y and the part of the shoulder line square to it to +x. "yaw": turn about the
            vertical of the sensor until the horizontal part of the shoulder line is +x; whoever bends or lies still does.
            "none": nothing. In 2-D "body" turns in the image until the torso is +y; a picture has no yaw to undo, so "yaw"
            only points y upward.

    When the torso, or what is left of the shoulder line, is shorter than a thousandth of all bones together, its direction
    means nothing and no rotation is made.
    """
    if mode == "none":
        return joints
    lead = _lead(joints)
    lead = lead[: max(1, round(len(lead) / 10))]
    lower, upper = (lead[:, list(ends)].mean(axis=(0, 1)) for ends in layout.torso)
    right = (lead[:, layout.shoulders[1]] - lead[:, layout.shoulders[0]]).mean(axis=0)
    size = body_size(joints, layout) or 1.0
    if layout.dims == 2:
        return joints @ _plane((upper - lower) / size, layout, mode).T
    axis, sign = layout.up
    up = (upper - lower) / size if mode == "body" else sign * np.eye(3)[axis]
    return joints @ _frame(up, right / size).T


def scale(joints: np.ndarray, layout: Layout) -> np.ndarray:
    """Divide by :func:`body_size`, which must not be 0."""
    return joints / body_size(joints, layout)


def body_size(joints: np.ndarray, layout: Layout) -> float:
    """The lead's bone lengths, summed, median over the frames in which the lead is there."""
    child, parent = np.array(layout.bones).T
    lead = _lead(joints)
    return float(np.median(np.linalg.norm(lead[:, child] - lead[:, parent], axis=-1).sum(axis=-1)))


def _present(joints: np.ndarray) -> np.ndarray:
    """(M, T) bool."""
    return joints.any(axis=(2, 3))


def _lead(joints: np.ndarray) -> np.ndarray:
    """(T', V, C): the frames of the first person who is ever there."""
    present = _present(joints)
    first = present.any(axis=1).argmax()
    return joints[first, present[first]] if present[first].any() else joints[0]  # nobody: all joints stand at the origin


def _frame(up: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(3, 3) rotation that takes ``up`` to +y and what of ``right`` is square to it to +x."""
    height = np.linalg.norm(up)
    if height <= _SHORTEST:
        return np.eye(3)
    up = up / height
    right = right - right @ up * up
    width = np.linalg.norm(right)
    if width <= _SHORTEST:
        return np.eye(3)
    right = right / width
    return np.stack([right, up, np.cross(right, up)])


def _plane(torso: np.ndarray, layout: Layout, mode: str) -> np.ndarray:
    """(2, 2) matrix that points y upward and, for "body", then turns the torso to +y."""
    flip = np.diag([1.0, layout.up[1]])
    x, y = flip @ torso
    length = np.hypot(x, y)
    if mode == "yaw" or length <= _SHORTEST:
        return flip
    return np.array([[y, -x], [x, y]]) / length @ flip
