"""Poses from a webcam or a video: the files of OpenPose, and how to save those of MediaPipe.

**OpenPose** (https://github.com/CMU-Perceptual-Computing-Lab/openpose, ``doc/02_output.md``), run with ``--write_json FOLDER``, writes one file per frame:
``NAME_000000000012_keypoints.json`` (without NAME for a webcam), ``IMAGE_keypoints.json`` for pictures (read if IMAGE ends in a number)::

    {"version": 1.3, "people": [{"pose_keypoints_2d": [x, y, confidence, x, y, confidence, ...], ...}, ...]}

There are 25 joints (the model BODY_25, layout openpose-25) or 18 (COCO, openpose-18). Before version 1.2 the field is called ``pose_keypoints``. A
missing joint has confidence 0. Face, hands, and the output of ``--3d`` are not read. OpenPose does not identify persons across frames;
:mod:`tdsm.data.readers.detections` tracks them.

**Frames** are in the order of their numbers. An omitted number is kept as a frame without persons, and one warning reports it. The first number can have any
value.

**BODY_25B**, another model of OpenPose, also writes 25 joints, in another order: the 17 of COCO, then upper neck, top of the head and six of the feet. The
files do not state the model, but the bodies show it: in the order of the wrong model, the bones of arms, legs, feet and face are two to eight times as long.
Files of BODY_25B are converted to openpose-25 with one warning. As in that layout, neck and middle hip become the midpoints of shoulders and hips; the top of
the head is dropped.

**Labels** can come from folders or from a table: see :mod:`tdsm.data.readers.listing`.

**MediaPipe** writes no file of its own. Save the world landmarks as an array (T, 33, 3), and add a ``clips.csv`` to the folder of such files (see
:mod:`tdsm.data.readers.folder`) with layout ``mediapipe-33``; a frame without a person is zeros::

    vision, video = mediapipe.tasks.vision, mediapipe.tasks.vision.RunningMode.VIDEO
    base = mediapipe.tasks.BaseOptions(model_asset_path="pose_landmarker_full.task")
    with vision.PoseLandmarker.create_from_options(vision.PoseLandmarkerOptions(base_options=base, running_mode=video)) as landmarker:
        images = [mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame) for frame in frames]  # RGB (H, W, 3), 30 per second
        detected = [landmarker.detect_for_video(image, 1000 * i // 30).pose_world_landmarks for i, image in enumerate(images)]
    numpy.save("clip.npy", [[(p.x, p.y, p.z) for p in people[0]] if people else numpy.zeros((33, 3)) for people in detected])
"""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import COCO_17, OPENPOSE_18, OPENPOSE_25, Layout
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.detections import Person, joints_of, person
from tdsm.data.readers.folder import Listed
from tdsm.data.readers.listing import by_film, listed_by
from tdsm.data.readers.parsing import numbers, parse_json
from tdsm.data.readers.reading import Reading, read_files
from tdsm.util.errors import InputError

__all__ = ["MEMBER", "read_openpose_json"]

MEMBER = re.compile(r"(?:(.+)_)?(\d{1,18})_keypoints\.json")
_EXAMPLE = "NAME_000000000012_keypoints.json"
_LAYOUTS = {len(layout): layout for layout in (OPENPOSE_25, OPENPOSE_18)}
_FIELDS = ("pose_keypoints_2d", "pose_keypoints")
_AGAIN = "let OpenPose write it again"
_LOOKED_AT = 200  # people checked to distinguish BODY_25B from BODY_25

# The joints of BODY_25B, and the one or two of them that give each joint of openpose-25
_BODY_25B = (*COCO_17.joints, "upper neck", "head top", *OPENPOSE_25.joints[19:])
_MIDDLE = {"neck": ("left shoulder", "right shoulder"), "middle hip": ("left hip", "right hip")}
_FROM_25B = np.array([[_BODY_25B.index(name) for name in (_MIDDLE.get(joint) or (joint, joint))] for joint in OPENPOSE_25.joints])


def read_openpose_json(path: str | Path, *, fps: float | None = None, bodies: int = 2, reading: Reading = Reading()) -> ClipSet:
    """Read the folder that OpenPose's ``--write_json`` wrote, or a zip of it; one clip per video.

    Args:
        path: the folder or zip; videos can share a folder (their names differ) or have one each.
        fps: frames per second if no table gives them. The files do not state them, so None means unknown.
        bodies: most persons per clip: those found in most frames.
        reading: how to process the videos.

    Returns:
        ClipSet named after the folder: clips (M, T, 25 or 18, 2) in the picture's unit, named by their videos, with labels if folders or a table
        give them. A missing joint is NaN.

    Raises:
        InputError: an unusable path, no such files, no person in any frame, an error in a file (with its name and person), videos of both 25 and
            18 joints, or an error of :class:`~tdsm.data.readers.reading.Reading`.
    """
    if not ((fps is None or fps > 0) and bodies >= 1):
        raise InputError("read_openpose_json", f"fps is {fps} and bodies {bodies}", "give fps above 0, and bodies 1 or more")
    with Archive(path) as archive:
        videos = by_film(archive, [(name, match) for name in archive.names if (match := MEMBER.fullmatch(PurePosixPath(name).name))])
        if not videos:
            raise InputError(path, f"none of its {len(archive.names)} files is called like {_EXAMPLE}", "give the folder of OpenPose's --write_json")
        layout, other_order = _model_of(archive, videos)
        listing = listed_by(archive, {first: _clip_name(archive, first) for first in videos})
    _say_gaps(archive, videos)
    title, name = "OpenPose", Path(path).resolve().stem
    read = _ReadVideo(layout, other_order, bodies, fps, listing.table, listing.videos, videos)
    return read_files(title, Path(path), list(videos), read, reading, name=name, layout=layout, classes=listing.classes)


def _say_gaps(archive: Archive, videos: Mapping[str, Mapping[int, str]]) -> None:
    """One warning about omitted frame numbers."""
    lost = {first: max(frames) - min(frames) + 1 - len(frames) for first, frames in videos.items()}
    gaps = [first for first, count in lost.items() if count]
    if gaps:
        which = f"{len(gaps)} of {len(videos)} videos have missing frame numbers, {sum(lost.values()):,} in all (first {_clip_name(archive, gaps[0])})"
        remedy = "number the frames consecutively if none is lost"
        warnings.warn(f"{archive.path}: {which}; these are kept as frames without persons; {remedy}", stacklevel=3)


def _model_of(archive: Archive, videos: Mapping[str, Mapping[int, str]]) -> tuple[Layout, bool]:
    """The layout, judged by the first person, and whether the joints are those of BODY_25B. Bad files are reported when their video is read."""
    fault = InputError(archive.path, "no person was found in any frame", "check the video, or OpenPose's settings")
    seen: list[np.ndarray] = []
    for name in _spread(videos):
        try:
            seen += [each.joints for each in _people(archive.read(name), archive.path / name)]
        except InputError as error:
            fault = error
        if len(seen) >= _LOOKED_AT:
            break
    if not seen:
        raise fault
    layout = _LAYOUTS[len(seen[0])]
    other = layout is OPENPOSE_25 and _is_25b([body for body in seen if len(body) == len(layout)])
    if other:
        what = "the joints are in the order of OpenPose's BODY_25B (in that of BODY_25 bones are twice as long or more)"
        warnings.warn(f"{archive.path}: {what}; they are converted to openpose-25; ignore this if BODY_25B was the model", stacklevel=4)
    return layout, other


def _spread(videos: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
    """A few files of each of many videos, then all other files."""
    some = dict.fromkeys(name for frames in islice(videos.values(), 50) for name in islice(frames.values(), 0, None, 1 + len(frames) // 8))
    yield from some
    yield from (name for frames in videos.values() for name in frames.values() if name not in some)


def _is_25b(bodies: Sequence[np.ndarray]) -> bool:
    """Whether the order of BODY_25B gives much shorter bones than that of BODY_25: at most 0.5 times their length (for BODY_25 files at least 2 times)."""
    array = np.stack(bodies)
    return _bones(_reordered(array)) < 0.55 * _bones(array)


def _reordered(bodies: np.ndarray) -> np.ndarray:
    """(..., 25, 2) from the order of BODY_25B to that of openpose-25."""
    return bodies[..., _FROM_25B, :].mean(axis=-2)


def _bones(bodies: np.ndarray) -> float:
    """Median length of the bones of openpose-25 that do not end in a midpoint, over all bodies; 0 if no bone has both ends."""
    child, parent = np.array([bone for bone in OPENPOSE_25.bones if not {1, 8} & set(bone)]).T
    length = np.linalg.norm(bodies[:, child] - bodies[:, parent], axis=2)
    length = length[np.isfinite(length)]
    return float(np.median(length)) if len(length) else 0.0


@dataclass(frozen=True)
class _ReadVideo:
    """Reads the video with the given first file."""

    layout: Layout
    other_order: bool
    bodies: int
    fps: float | None  # used if no table gives it
    table: str  # digest of clips.csv, so that a store is not continued after it has changed
    listed: Mapping[str, Listed] = field(repr=False)
    videos: Mapping[str, Mapping[int, str]] = field(repr=False)

    def __call__(self, archive: Archive, first: str) -> Sequence[Clip]:
        frames = {number: _people(archive.read(name), archive.path / name) for number, name in self.videos[first].items()}
        bodies = [(number, each.joints) for number, people in frames.items() for each in people]
        odd = next(((number, body) for number, body in bodies if len(body) != len(self.layout)), None)
        if odd is not None:
            what = f"a person has {len(odd[1])} joints, but those before have {len(self.layout)}"
            raise InputError(archive.path / self.videos[first][odd[0]], what, "read the files of each OpenPose model separately")
        if self.layout is OPENPOSE_25 and len(bodies) >= _LOOKED_AT and _is_25b([body for _, body in bodies[:_LOOKED_AT]]) != self.other_order:
            what = "its joints are in another order than those of the other videos"
            raise InputError(archive.path / first, what, "read the files of each model separately")
        if self.other_order:
            frames = {number: [Person(_reordered(each.joints)) for each in people] for number, people in frames.items()}
        about = self.listed[first]
        fps = about.fps or self.fps
        joints = joints_of(frames, archive.path / first, fps, self.bodies)
        return [Clip(joints, self.layout, about.label, about.subject, fps, _clip_name(archive, first))]


def _clip_name(archive: Archive, first: str) -> str:
    """Folder and name of the video, or only the folder, or the archive's name."""
    video = MEMBER.fullmatch(PurePosixPath(first).name)[1]
    name = (PurePosixPath(first).parent / (video or "")).as_posix()
    return archive.path.resolve().stem if name == "." else name


def _people(content: bytes, where: Path) -> list[Person]:
    """All persons with at least one joint."""
    record = parse_json(content, where, _AGAIN)
    people = record.get("people") if isinstance(record, dict) else None
    if not isinstance(people, list):
        raise InputError(where, "field 'people' is missing or not a list", "give the files of OpenPose's --write_json")
    return list(filter(None, (_person(record, f"{where} people[{number}]") for number, record in enumerate(people))))


def _person(record: object, where: str) -> Person | None:
    fields = record if isinstance(record, dict) else {}
    name = next((name for name in _FIELDS if name in fields), _FIELDS[0])
    values = fields.get(name)
    if not isinstance(values, list) or len(values) not in (3 * count for count in _LAYOUTS):
        count = len(values) if isinstance(values, list) else "no"
        raise InputError(where, f"{name} has {count} numbers, not 75 or 54", "run OpenPose with --model_pose BODY_25 or COCO")
    body = numbers(values, 3, name, where)
    if np.isnan(body).any():
        raise InputError(where, f"{name} holds NaN", _AGAIN)
    return person(body[:, :2], body[:, 2])
