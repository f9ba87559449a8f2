"""Poses from a webcam or a video: the files of OpenPose, and how to keep those of MediaPipe.

**OpenPose** (https://github.com/CMU-Perceptual-Computing-Lab/openpose, ``doc/02_output.md``), run with ``--write_json FOLDER``, writes one
file a frame: ``NAME_000000000012_keypoints.json`` for a video NAME, ``000000000012_keypoints.json`` for a webcam, ``IMAGE_keypoints.json`` for
pictures (read here where IMAGE ends in a number)::

    {"version": 1.3, "people": [{"pose_keypoints_2d": [x, y, confidence, x, y, confidence, ...], ...}, ...]}

25 joints (the model BODY_25, layout openpose-25) or 18 (COCO, openpose-18); a joint that was not found has confidence 0. Face and hands, and
what ``--3d`` adds, are not read. Frames stand in the order of their numbers and follow one another without gaps. OpenPose does not know
who is who from frame to frame. Here a person goes on as the one whose joints were nearest when last seen: on average over the joints found
both times, nearest pairs first, and no further than half that person's extent; whoever is left is somebody new.

**MediaPipe** writes no file of its own. Keep the world landmarks as an array (T, 33, 3) and give the folder of such files a ``clips.csv`` (see
:mod:`tdsm.data.readers.folder`) with layout ``mediapipe-33``; a frame without anybody is zeros::

    vision, video = mediapipe.tasks.vision, mediapipe.tasks.vision.RunningMode.VIDEO
    base = mediapipe.tasks.BaseOptions(model_asset_path="pose_landmarker_full.task")
    with vision.PoseLandmarker.create_from_options(vision.PoseLandmarkerOptions(base_options=base, running_mode=video)) as landmarker:
        images = [mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame) for frame in frames]  # RGB (H, W, 3), 30 a second
        found = [landmarker.detect_for_video(image, 1000 * i // 30).pose_world_landmarks for i, image in enumerate(images)]
    numpy.save("clip.npy", [[(p.x, p.y, p.z) for p in people[0]] if people else numpy.zeros((33, 3)) for people in found])
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import OPENPOSE_18, OPENPOSE_25, Layout
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.reading import Reading, read_files
from tdsm.util.errors import InputError

__all__ = ["MEMBER", "read_openpose_json"]

MEMBER = re.compile(r"(?:(.+)_)?(\d+)_keypoints\.json")
_EXAMPLE = "NAME_000000000012_keypoints.json"
_LAYOUTS = {3 * len(layout): layout for layout in (OPENPOSE_25, OPENPOSE_18)}
_REACH = 0.5  # of a person's extent: further than that nobody gets from one frame to the next


def read_openpose_json(path: str | Path, *, fps: float = 30.0, bodies: int = 2, reading: Reading = Reading()) -> ClipSet:
    """Read the folder that OpenPose's ``--write_json`` wrote, or a zip of it; one clip a video.

    Args:
        path: the folder or zip; videos may share a folder (their names differ) or have one each.
        fps: frames a second, which the files do not say.
        bodies: how many persons a clip keeps at most: those found in most frames.
        reading: how to go through the videos.

    Returns:
        ClipSet named after the folder: clips (M, T, 25 or 18, 2) in the picture's unit, without labels, named by their videos; a joint that
        was not found is NaN.

    Raises:
        InputError: an unusable path, no such files, nobody in any frame, a fault in a file (with its name and person), videos of both 25 and
            18 joints, or what :class:`~tdsm.data.readers.reading.Reading` raises.
    """
    if not (fps > 0 and bodies >= 1):
        raise InputError("read_openpose_json", f"fps is {fps} and bodies {bodies}", "give frames a second above 0, and 1 person or more")
    with Archive(path) as archive:
        videos = _videos(archive)
        layout = _layout_of(archive, videos)
    title, name = "OpenPose", Path(path).resolve().stem
    return read_files(title, Path(path), list(videos), _ReadVideo(layout, fps, bodies, videos), reading, name=name, layout=layout, classes=())


def _videos(archive: Archive) -> dict[str, list[str]]:
    """First frame of each video to all its frames, in the order of their numbers."""
    found: dict[tuple[PurePosixPath, str], list[tuple[int, str]]] = {}
    for name in archive.names:
        match = MEMBER.fullmatch(PurePosixPath(name).name)
        if match:
            found.setdefault((PurePosixPath(name).parent, match[1] or ""), []).append((int(match[2]), name))
    if not found:
        raise InputError(archive.path, f"none of its {len(archive.names)} files is named like {_EXAMPLE}", "give the folder of OpenPose's --write_json")
    videos = [[name for _, name in sorted(frames)] for frames in found.values()]
    return {frames[0]: frames for frames in videos}


def _layout_of(archive: Archive, videos: Mapping[str, Sequence[str]]) -> Layout:
    """That of the first person in the first readable file with one; faulty files are reported when their video is read."""
    fault = InputError(archive.path, "nobody was found in any frame", "check the video, or OpenPose's settings")
    for name in (name for frames in videos.values() for name in frames):
        try:
            people = _people(archive.read(name), archive.path / name)
        except InputError as error:
            fault = error
            continue
        if people:
            return _LAYOUTS[people[0].size]
    raise fault


@dataclass(frozen=True)
class _ReadVideo:
    """Reads the video whose first frame is given."""

    layout: Layout
    fps: float
    bodies: int
    videos: Mapping[str, Sequence[str]] = field(repr=False)

    def __call__(self, archive: Archive, first: str) -> Sequence[Clip]:
        frames = [_people(archive.read(name), archive.path / name) for name in self.videos[first]]
        for name, people in zip(self.videos[first], frames, strict=True):
            for person in people:
                if len(person) != len(self.layout):
                    what = f"a person has {len(person)} joints, where those before have {len(self.layout)}"
                    raise InputError(archive.path / name, what, "read the files of each OpenPose model by themselves")
        tracks = _tracks(frames)
        if not tracks:
            raise InputError(archive.path / first, "nobody was found in any frame of this video", "leave its files out")
        tracks.sort(key=len, reverse=True)
        joints = np.zeros((min(self.bodies, len(tracks)), len(frames), len(self.layout), 2))
        for slot, track in zip(joints, tracks, strict=False):
            for frame, person in track.items():
                slot[frame] = person[:, :2]
        return [Clip(joints, self.layout, None, None, self.fps, _clip_name(archive, first))]


def _clip_name(archive: Archive, first: str) -> str:
    """Folder and name of the video, or the folder alone, or the archive's name."""
    video = MEMBER.fullmatch(PurePosixPath(first).name)[1]
    name = (PurePosixPath(first).parent / (video or "")).as_posix()
    return archive.path.resolve().stem if name == "." else name


def _people(content: bytes, where: Path) -> list[np.ndarray]:
    """(V, 3) x, y and confidence of each person of whom anything was found; x and y are 0 where it was not."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"not JSON ({error})", "let OpenPose write it again") from error
    people = record.get("people") if isinstance(record, dict) else None
    if not isinstance(people, list):
        raise InputError(where, "field 'people' is missing or no list", "give the files of OpenPose's --write_json")
    bodies = [_person(person, f"{where} people[{number}]") for number, person in enumerate(people)]
    return [body for body in bodies if body.any()]


def _person(person: object, where: str) -> np.ndarray:
    numbers = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
    if not isinstance(numbers, list) or len(numbers) not in _LAYOUTS:
        found = len(numbers) if isinstance(numbers, list) else "no"
        raise InputError(where, f"pose_keypoints_2d holds {found} numbers, not 75 or 54", "run OpenPose with --model_pose BODY_25 or COCO")
    try:
        body = np.array(numbers, float).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(where, f"pose_keypoints_2d holds something else than numbers ({error})", "let OpenPose write it again") from error
    if not np.isfinite(body).all():
        raise InputError(where, "pose_keypoints_2d holds NaN or infinite numbers", "let OpenPose write it again")
    return np.where(body[:, 2:] > 0, body, 0.0)


def _tracks(frames: Sequence[Sequence[np.ndarray]]) -> list[dict[int, np.ndarray]]:
    """Frame to (V, 3) of each person, in the order in which they come in."""
    tracks: list[dict[int, np.ndarray]] = []
    last: list[np.ndarray] = []
    for frame, people in enumerate(frames):
        pairs = sorted((_distance(before, person), track, number) for track, before in enumerate(last) for number, person in enumerate(people))
        of: dict[int, int] = {}  # person to track
        for distance, track, number in pairs:
            if distance <= _REACH and number not in of and track not in of.values():
                of[number] = track
        for number, person in enumerate(people):
            track = of.get(number, len(tracks))
            if track == len(tracks):
                tracks.append({})
                last.append(person)
            tracks[track][frame] = last[track] = person
    return tracks


def _distance(before: np.ndarray, person: np.ndarray) -> float:
    """Mean over the joints found both times, in extents of the person before: the diagonal of the box round it."""
    both = (before[:, 2] > 0) & (person[:, 2] > 0)
    extent = np.linalg.norm(np.ptp(before[before[:, 2] > 0, :2], axis=0))
    if not both.any() or extent == 0:
        return np.inf
    return float(np.linalg.norm(before[both, :2] - person[both, :2], axis=1).mean() / extent)
