"""Clips out as files of pose detectors: OpenPose, Ultralytics YOLO and MediaPipe; and a stand-in for the detector itself.

The files have the forms that :mod:`tdsm.data.readers` reads, so that a lesson or a test can start from a detector's file where no detector and no video are at
hand. :func:`filmed` gives the clip to write: a recorded body as a camera and a detector might have seen it, with errors that last some frames, errors from
frame to frame, and joints that are lost for a while. Its numbers are round guesses. They measure no detector.
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

_DISTANCE, _HEIGHT = 4.0, 2.6  # metres: from the camera to the nearest joint, and how much of the world the picture shows there
_PIXELS, _METRES = (3.0, 1.5), (0.015, 0.008)  # error that lasts five frames, and from frame to frame
_DEPTH = 2.5  # the error of a landmark's depth, as a factor
_LOST = 8  # frames for which a joint is lost
_FOUND, _GUESSED = 0.9, 0.05  # confidence of a joint that was found, and of one that MediaPipe guesses


def filmed(clip: Clip, layout: Layout | str, *, size: tuple[int, int] = (1280, 720), lost: float = 0.03, seed: int = 0) -> Clip:
    """A recorded clip as a detector in front of the person might give it; NaN where a joint is lost.

    Args:
        clip: in space, in metres.
        layout: of the detector: coco-17, openpose-18 or openpose-25, in pixels of a picture of ``size``, or mediapipe-33, in metres from between the hips.
        size: width and height of the picture.
        lost: share of joint positions that are lost.
        seed: of the errors.

    Raises:
        InputError: a clip in the plane, a layout of no detector, a size that is not positive, or a share outside 0 to 1.

    Example:
        >>> from tdsm.data.examples import example_clips
        >>> filmed(example_clips()[1], "coco-17")
        Clip('CMU 02_04, 0.0-2.3 s', label='jump straight up', subject='02', (M, T, V, C)=(1, 69, 17, 2), coco-17, 30 fps)
    """
    layout = as_layout(layout)
    if clip.layout.dims != 3:
        raise InputError(clip.name, f"has layout {clip.layout.name}, which has no depth", "give a clip in space")
    if layout not in (COCO_17, OPENPOSE_18, OPENPOSE_25, MEDIAPIPE_33):
        raise InputError(clip.name, f"no detector here writes {layout.name}", "choose coco-17, openpose-18, openpose-25 or mediapipe-33")
    if not min(size) > 0:
        raise InputError(clip.name, f"size is {size!r}", "give width and height of the picture in pixels, such as (1280, 720)")
    if not 0 <= lost <= 1:
        raise InputError(clip.name, f"lost is {lost!r}", "give the share of joint positions that are lost, 0 to 1")
    rng = np.random.default_rng(seed)
    joints = convert(_in_perspective(clip) if layout.dims == 2 else clip, layout).clip.joints.astype(float)
    persons, frames, count, dims = joints.shape
    present, hips = joints.any(axis=(2, 3))[..., None, None], joints[:, :, list(layout.hips)].mean(axis=2, keepdims=True)
    joints = joints * size[1] / _HEIGHT + np.array(size) / 2 if dims == 2 else joints - hips
    errors = np.stack([sensor_noise(rng, (frames, count, dims), *(_PIXELS if dims == 2 else _METRES)) for _ in range(persons)])
    errors[..., 2:] *= _DEPTH
    starts = rng.random((persons, frames + _LOST - 1, count)) < lost / _LOST
    gone = np.lib.stride_tricks.sliding_window_view(starts, _LOST, axis=1).any(axis=-1)[..., None]
    return replace(clip, joints=np.where(present, np.where(gone, np.nan, joints + errors), 0), layout=layout)


def _in_perspective(clip: Clip) -> Clip:
    """The clip with what is further away smaller, as a camera before the person sees it, and the person in the middle."""
    clip = completed(clip)
    present = clip.joints.any(axis=(2, 3))[..., None, None]
    right, up, away = np.moveaxis(clip.joints.astype(float) @ clip.layout.axes.T, -1, 0)
    there = np.broadcast_to(present[..., 0], away.shape)
    near, centre = away[there].min(), [(axis[there].min() + axis[there].max()) / 2 for axis in (right, up)]
    size = _DISTANCE / (_DISTANCE + away - near)
    seen = np.stack([(right - centre[0]) * size, (up - centre[1]) * size, away], axis=-1) @ clip.layout.axes
    return replace(clip, joints=np.where(present, seen, 0))


def save_openpose(clip: Clip, folder: str | Path, name: str = "film") -> Path:
    """Write a file a frame, as ``openpose --write_json FOLDER`` does (version 1.3); returns the folder.

    Raises:
        InputError: no layout of OpenPose, or the folder holds later frames of this name: they would be read as the end of this clip.
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
    """Write what ``Results.summary()`` of Ultralytics (8.1 to 8.4) gives for each frame of a tracked film; returns the path. Raises InputError: no coco-17."""
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
    """Write MediaPipe's world landmarks with their times, as people save them; returns the path. A lost joint is guessed, with a low visibility.

    Raises:
        InputError: no mediapipe-33, or nobody in any frame.
    """
    _check(clip, MEDIAPIPE_33)
    whole, frames = completed(clip), []
    for frame, (people, guessed) in enumerate(zip(_people(clip), np.swapaxes(whole.joints, 0, 1), strict=True)):
        bodies = [np.column_stack([guessed[number], np.where(confidence > 0, confidence, _GUESSED)]).round(4).tolist() for number, _, confidence in people]
        landmarks = [[dict(zip(("x", "y", "z", "visibility"), point, strict=True)) for point in body] for body in bodies]
        frames.append({"timestamp_ms": round(1000 * frame / clip.fps), "pose_world_landmarks": landmarks})
    return write_text(Path(path), json.dumps(frames))


def _check(clip: Clip, *layouts: Layout) -> None:
    if clip.layout not in layouts:
        names = " or ".join(layout.name for layout in layouts)
        way = f"tdsm.data.detector_files.filmed(clip, {layouts[-1].name!r})" if clip.layout.dims == 3 else f"tdsm.convert(clip, {layouts[-1].name!r}).clip"
        raise InputError(clip.name, f"has layout {clip.layout.name}, and the file holds {names}", f"convert it: {way}")


def _people(clip: Clip) -> Iterator[list[tuple[int, Float[np.ndarray, "joint xy"], Float[np.ndarray, "joint 1"]]]]:
    """Of each frame the people who are there: number, joints with 0 where one was not found, and the confidence of each joint."""
    for bodies in np.swapaxes(clip.joints.astype(float), 0, 1):
        there = [(number, body, ~np.isnan(body).any(axis=1, keepdims=True)) for number, body in enumerate(bodies) if np.nan_to_num(body).any()]
        yield [(number, np.where(found, body, 0.0), _FOUND * found) for number, body, found in there]
