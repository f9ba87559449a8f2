"""Write clips in the file formats of pose detectors (OpenPose, Ultralytics YOLO, MediaPipe), and simulate the detector.

:mod:`tdsm.data.readers` reads these formats, so a notebook or a test can start from a detector's file without a detector or a video. :func:`filmed`
simulates the detection of a recorded body by a camera: errors that last several frames, errors of single frames, and joints that are lost for a while. The
sizes of these errors are rough assumptions, not measurements of a detector.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from tdsm.data.clips import Clip
from tdsm.data.convert import convert
from tdsm.data.kinematics import sensor_noise
from tdsm.data.layouts import COCO_17, MEDIAPIPE_33, OPENPOSE_18, OPENPOSE_25, Layout, as_layout
from tdsm.data.missing import completed
from tdsm.util.errors import InputError
from tdsm.util.files import write_text

__all__ = ["filmed", "save_mediapipe", "save_openpose", "save_yolo"]

_DISTANCE, _HEIGHT = 4.0, 2.6  # metres: distance of the nearest joint from the camera, and height of the image at this distance
_PIXELS, _METRES = (3.0, 1.5), (0.015, 0.008)  # std of the error that lasts five frames, and of the error of single frames
_DEPTH = 2.5  # factor of the error along the depth axis
_LOST = 8  # frames for which a joint is lost
_FOUND, _GUESSED = 0.9, 0.05  # confidence of a detected joint, and of one that MediaPipe guesses


def filmed(clip: Clip, layout: Layout | str, *, size: tuple[int, int] = (1280, 720), lost: float = 0.03, seed: int = 0) -> Clip:
    """Simulate a detector that films a recorded clip from the front; lost joints are NaN.

    Args:
        clip: a 3-D clip, in metres.
        layout: layout of the detector: coco-17, openpose-18 or openpose-25 in pixels, or mediapipe-33 in metres relative to the middle of the hips.
        size: width and height of the image in pixels.
        lost: expected share of joint positions that are lost, 0 to below 1; each loss lasts 8 frames.
        seed: seed of the errors.

    Raises:
        InputError: a 2-D clip, another layout, a size that is not positive, another share or seed, or no detected body.

    Example:
        >>> from tdsm.data.examples import example_clips
        >>> filmed(example_clips()[1], "coco-17")
        Clip('CMU 02_04, 0.0-2.3 s', label='jump straight up', subject='02', (M, T, V, C)=(1, 69, 17, 2), coco-17, 30 fps)
    """
    layout = as_layout(layout)
    if clip.layout.dims != 3:
        raise InputError(clip.name, f"has layout {clip.layout.name}, which is 2-D", "give a 3-D clip")
    if layout not in (COCO_17, OPENPOSE_18, OPENPOSE_25, MEDIAPIPE_33):
        raise InputError(clip.name, f"no supported detector has layout {layout.name}", "choose coco-17, openpose-18, openpose-25 or mediapipe-33")
    if not min(size) > 0:
        raise InputError(clip.name, f"size is {size!r}", "give width and height of the picture in pixels, such as (1280, 720)")
    if not 0 <= lost < 1:
        raise InputError(clip.name, f"lost is {lost!r}", "give the share of joint positions that are lost, from 0 to below 1")
    if not isinstance(seed, int) or seed < 0:
        raise InputError(clip.name, f"seed is {seed!r:.60}", "give a whole number, 0 or more")
    _check_seen(clip)
    rng = np.random.default_rng(seed)
    joints = convert(_in_perspective(clip) if layout.dims == 2 else clip, layout).clip.joints.astype(float)
    persons, frames, count, dims = joints.shape
    present, hips = joints.any(axis=(2, 3))[..., None, None], joints[:, :, list(layout.hips)].mean(axis=2, keepdims=True)
    joints = joints * size[1] / _HEIGHT + np.array(size) / 2 if dims == 2 else joints - hips
    errors = np.stack([sensor_noise(rng, (frames, count, dims), *(_PIXELS if dims == 2 else _METRES)) for _ in range(persons)])
    errors[..., 2:] *= _DEPTH
    starts = rng.random((persons, frames + _LOST - 1, count)) < 1 - (1 - lost) ** (1 / _LOST)
    gone = np.lib.stride_tricks.sliding_window_view(starts, _LOST, axis=1).any(axis=-1)[..., None]
    return replace(clip, joints=np.where(present, np.where(gone, np.nan, joints + errors), 0), layout=layout)


def _in_perspective(clip: Clip) -> Clip:
    """Perspective projection onto a camera in front of the person, who is in the middle of the image."""
    clip = completed(clip)
    present = clip.joints.any(axis=(2, 3))[..., None, None]
    right, up, away = np.moveaxis(clip.joints.astype(float) @ clip.layout.axes.T, -1, 0)
    there = np.broadcast_to(present[..., 0], away.shape)
    near, centre = away[there].min(), [(axis[there].min() + axis[there].max()) / 2 for axis in (right, up)]
    size = _DISTANCE / (_DISTANCE + away - near)
    seen = np.stack([(right - centre[0]) * size, (up - centre[1]) * size, away], axis=-1) @ clip.layout.axes
    return replace(clip, joints=np.where(present, seen, 0))


def save_openpose(clip: Clip, folder: str | Path, name: str = "film") -> Path:
    """Write one file per frame, in the format of ``openpose --write_json FOLDER`` (version 1.3); returns the folder.

    Raises:
        InputError: the clip is not in a layout of OpenPose or has no body in any frame, or the folder holds later frames of this name, which would be read
            as the end of this clip.
    """
    _check(clip, OPENPOSE_18, OPENPOSE_25)
    if (later := Path(folder) / f"{name}_{clip.frames:012}_keypoints.json").exists():
        raise InputError(later, f"belongs to a longer recording, and the clip has {clip.frames} frames", "give another folder or name, or delete the files")
    empty = dict.fromkeys((f"{part}_keypoints_{dims}d" for dims in (2, 3) for part in ("pose", "face", "hand_left", "hand_right")), ())
    for frame, people in enumerate(_people(clip)):
        found = [{"person_id": [-1], **empty, "pose_keypoints_2d": np.column_stack(person).ravel().round(3).tolist()} for _, *person in people]
        write_text(Path(folder) / f"{name}_{frame:012}_keypoints.json", json.dumps({"version": 1.3, "people": found}))
    return Path(folder)


def save_yolo(clip: Clip, path: str | Path) -> Path:
    """Write the output of ``Results.summary()`` of Ultralytics (8.1 to 8.4) for each frame of a tracked video; returns the path.

    Raises:
        InputError: the clip is not in layout coco-17, or has no body in any frame.
    """
    _check(clip, COCO_17)
    frames = []
    for people in _people(clip):
        frame = []
        for number, (x, y), confidence in ((number, joints.T.round(3), confidence.ravel()) for number, joints, confidence in people):
            found = confidence > 0
            box = {"x1": x[found].min(), "y1": y[found].min(), "x2": x[found].max(), "y2": y[found].max()} if found.any() else {}
            points = {"x": x.tolist(), "y": y.tolist(), "visible": confidence.tolist()}
            frame.append({"name": "person", "class": 0, "confidence": _FOUND, "box": box, "track_id": number + 1, "keypoints": points})
        frames.append(frame)
    return write_text(Path(path), json.dumps(frames))


def save_mediapipe(clip: Clip, path: str | Path) -> Path:
    """Write MediaPipe's world landmarks with timestamps; returns the path.

    The middle of the hips is the origin of each frame, and a lost joint is guessed, with a low visibility, as in MediaPipe's own output.

    Raises:
        InputError: the clip is not in layout mediapipe-33, or has no body in any frame.
    """
    _check(clip, MEDIAPIPE_33)
    whole, frames = completed(clip).joints, []
    whole = whole - whole[:, :, list(clip.layout.hips)].mean(axis=2, keepdims=True)  # the origin of world landmarks
    for frame, (people, guessed) in enumerate(zip(_people(clip), np.swapaxes(whole, 0, 1), strict=True)):
        bodies = [np.column_stack([guessed[number], np.where(confidence > 0, confidence, _GUESSED)]).round(4).tolist() for number, _, confidence in people]
        landmarks = [[dict(zip(("x", "y", "z", "visibility"), point, strict=True)) for point in body] for body in bodies]
        frames.append({"timestamp_ms": round(1000 * frame / clip.fps), "pose_world_landmarks": landmarks})
    return write_text(Path(path), json.dumps(frames))


def _check(clip: Clip, *layouts: Layout) -> None:
    _check_seen(clip)
    if clip.layout not in layouts:
        names = " or ".join(layout.name for layout in layouts)
        way = f"tdsm.data.detector_files.filmed(clip, {layouts[-1].name!r})" if clip.layout.dims == 3 else f"tdsm.convert(clip, {layouts[-1].name!r}).clip"
        raise InputError(clip.name, f"has layout {clip.layout.name}, and the file holds {names}", f"convert it: {way}")


def _check_seen(clip: Clip) -> None:
    if not np.nan_to_num(clip.joints).any():
        raise InputError(clip.name, "has no body in any frame", "give a clip with a detected body")


def _people(clip: Clip) -> Iterator[list[tuple[int, Float[np.ndarray, "joint xy"], Float[np.ndarray, "joint 1"]]]]:
    """The persons of each frame: number, joints (0 if not detected), and the confidence of each joint."""
    for bodies in np.swapaxes(clip.joints.astype(float), 0, 1):
        there = [(number, body, ~np.isnan(body).any(axis=1, keepdims=True)) for number, body in enumerate(bodies) if np.nan_to_num(body).any()]
        yield [(number, np.where(found, body, 0.0), _FOUND * found) for number, body, found in there]
