"""Results of pose detectors as JSON or CSV: one file, or a folder or zip of them; one clip per video.

The content determines which tool wrote a file: :mod:`~tdsm.data.readers.alphapose`, :mod:`~tdsm.data.readers.mmpose`, :mod:`~tdsm.data.readers.yolo`,
:mod:`~tdsm.data.readers.mediapipe`, or our own :mod:`~tdsm.data.readers.joint_table`. In a folder with one file per frame (``NAME_000012.json``), the files
with the same name form a video, and the last number is the frame. Labels can come from folders or from a table (:mod:`tdsm.data.readers.listing`). Only files
of MediaPipe and our own can state the frame rate.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import Layout
from tdsm.data.readers import alphapose, joint_table, mediapipe, mmpose, yolo
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.detections import Film, Frames, joints_of
from tdsm.data.readers.folder import TABLE, Listed
from tdsm.data.readers.listing import by_film, listed_by
from tdsm.data.readers.parsing import parse_csv, parse_json
from tdsm.data.readers.reading import Reading, read_files
from tdsm.util.errors import InputError

__all__ = ["holds_results", "read_result", "read_results"]

_MEMBER = re.compile(r".+\.(?:json|jsonl|ndjson|csv)", re.IGNORECASE)
_FRAME = re.compile(r"(.*?)[_\-. ]?(\d{1,18})")  # pattern of a name without its suffix
_LARGEST = 256 << 20  # most bytes of a file: an hour of video
_KNOWN = "give JSON or CSV as AlphaPose, MMPose, YOLO (Ultralytics), MediaPipe or COCO write it, OpenPose's folder, or save the joints as .npy"


class _Tool(NamedTuple):
    title: str
    fits: Callable[[object], bool]
    single: Callable[[object], bool]  # whether it is a single frame
    film: Callable[[object, object, bool], Film]


def _never(_: object) -> bool:
    return False


_TOOLS = (
    _Tool("tdsm", joint_table.fits, _never, lambda value, where, _: joint_table.frames(value, where)),
    _Tool("AlphaPose", alphapose.fits, _never, lambda value, where, _: alphapose.frames(value, where)),
    _Tool("MMPose", mmpose.fits, mmpose.single, lambda value, where, _: mmpose.frames(value, where)),
    _Tool("YOLO", yolo.fits, yolo.single, lambda value, where, _: yolo.frames(value, where)),
    _Tool("MediaPipe", mediapipe.fits, _never, mediapipe.frames),
)


def read_result(path: Path, *, sized: bool = False, fps: float | None = None, bodies: int = 2) -> ClipSet:
    """Read one file as one clip.

    Args:
        path: a JSON, JSON Lines or CSV file.
        sized: whether the picture's size is known, so that image landmarks of MediaPipe can be read.
        fps: frames per second if the file does not state them; None: unknown.
        bodies: most persons to keep: those found in most frames.

    Raises:
        InputError: not a file of a known tool, an error in it, or no person in any frame.
    """
    if path.stat().st_size > _LARGEST:
        raise InputError(path, f"has {path.stat().st_size / 1e6:,.0f} MB, more than {_LARGEST >> 20} MB", "write one file per video")
    film = _film(path.read_bytes(), path, sized)
    fps = film.fps or fps
    return ClipSet((Clip(joints_of(film.frames, path, fps, bodies), film.layout, None, None, fps, path.stem),), (), path.stem)


def holds_results(archive: Archive) -> bool:
    """Whether one of its first JSON or CSV files was written by a known tool."""
    for name in _members(archive)[:20]:
        try:
            _tool(_parse(archive.read(name, _LARGEST), archive.path / name), archive.path / name)
        except InputError:
            continue
        return True
    return False


def read_results(path: str | Path, *, sized: bool = False, fps: float | None = None, bodies: int = 2, reading: Reading = Reading()) -> ClipSet:
    """Read a folder or zip of files. Arguments: see :func:`read_result`.

    Returns:
        ClipSet named after the folder, clips named by their files and folders.

    Raises:
        InputError: no file of a known tool, videos of several layouts, no usable file, or an error of :class:`~tdsm.data.readers.reading.Reading`.
    """
    with Archive(path) as archive:
        layout, single, title = _first(archive, sized)
        members = _members(archive)
        films = {name: {0: name} for name in members}
        if single:
            films = by_film(archive, [(name, match) for name in members if (match := _FRAME.fullmatch(PurePosixPath(name).stem))])
        listing = listed_by(archive, {first: _name(first, single) for first in films})
    read = _ReadFilm(layout, single, sized, bodies, fps, listing.table, listing.videos, films)
    return read_files(title, Path(path), list(films), read, reading, name=Path(path).resolve().stem, layout=layout, classes=listing.classes)


def _members(archive: Archive) -> list[str]:
    return [name for name in archive.names if _MEMBER.fullmatch(name) and PurePosixPath(name).name != TABLE]


def _first(archive: Archive, sized: bool) -> tuple[Layout, bool, str]:
    """Layout, whether files are single frames, and the tool, judged by the first file with a person."""
    fault = InputError(archive.path, "no person was found in any file", _KNOWN)
    for name in _members(archive):
        try:
            value = _parse(archive.read(name, _LARGEST), archive.path / name)
            tool = _tool(value, archive.path / name)
            film = tool.film(value, archive.path / name, sized)
        except InputError as error:
            fault = error
            continue
        if any(film.frames.values()):
            return film.layout, tool.single(value) and _FRAME.fullmatch(PurePosixPath(name).stem) is not None, tool.title
    raise fault


def _name(first: str, single: bool) -> str:
    path = PurePosixPath(first)
    match = _FRAME.fullmatch(path.stem) if single else None
    return path.with_suffix("").as_posix() if match is None else (path.parent / match[1]).as_posix() if match[1] else path.parent.as_posix()


@dataclass(frozen=True)
class _ReadFilm:
    """Reads the video with the given first file."""

    layout: Layout
    single: bool
    sized: bool
    bodies: int
    fps: float | None
    table: str
    listed: Mapping[str, Listed] = field(repr=False)
    films: Mapping[str, Mapping[int, str]] = field(repr=False)

    def __call__(self, archive: Archive, first: str) -> Sequence[Clip]:
        frames: Frames = {}
        about = self.listed[first]
        fps = about.fps
        for number, name in self.films[first].items():
            content = archive.read(name, _LARGEST)
            film = _film(content, archive.path / name, self.sized) if content.strip() != b"[]" else Film(self.layout, {0: []})
            if film.layout is not self.layout:
                what = f"its layout is {film.layout.name}, but that of the first file is {self.layout.name}"
                raise InputError(archive.path / name, what, "read them separately")
            frames |= {number: [body for people in film.frames.values() for body in people]} if self.single else film.frames
            fps = fps or film.fps
        fps = fps or self.fps
        joints = joints_of(frames, archive.path / first, fps, self.bodies)
        return [Clip(joints, self.layout, about.label, about.subject, fps, _name(first, self.single))]


def _film(content: bytes, where: Path, sized: bool) -> Film:
    value = _parse(content, where)
    return _tool(value, where).film(value, where, sized)


def _tool(value: object, where: object) -> _Tool:
    tool = next((tool for tool in _TOOLS if tool.fits(value)), None)
    if tool is None:
        raise InputError(where, f"is a {'table' if str(where).lower().endswith('.csv') else 'file'} that no known pose detector writes", _KNOWN)
    return tool


def _parse(content: bytes, where: Path) -> object:
    """JSON, JSON Lines or a table."""
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] not in (b"{", b"["):
        return parse_csv(content, where)
    try:
        return parse_json(content, where, _KNOWN)
    except InputError:
        lines = [line for line in start.split(b"\n") if line.strip()]
        if len(lines) < 2 or any(line.strip()[-1:] not in b"}]" for line in lines):
            raise
        return [parse_json(line, f"{where} line {number}", _KNOWN) for number, line in enumerate(lines, 1)]
