"""A clip store: a :class:`~tdsm.data.clips.ClipSet` on disk, for data sets that do not fit in memory.

A store is a folder of three files::

    about.json    format, data set, layout, classes, the reader that writes it, and whether all files were read
    joints.f32    the joints of all clips, one clip after another, each (M, T, V, C), float32, little endian, no padding
    clips.jsonl   one line per source file: CRC-32 of the line, then, as JSON, the file's name, the end of its clips in joints.f32 (bytes), their
                  CRC-32, and for each clip its name, label, subject, frames per second (null: unknown), M and T

**Writing** is a stream: :class:`ClipStore` appends the joints of a source file first and its line afterwards. After a process was killed, all complete lines
whose joints are present form a valid store; the next :class:`ClipStore` removes the rest and resumes. This holds for a killed process. After a power
failure it holds only if the system had written its buffers; use ``verify`` to check this.

**Opening** memory-maps ``joints.f32`` read-only: no joint is copied, and the system loads only what is used. The requirements of
:class:`~tdsm.data.clips.Clip` (above all, finite numbers) were checked before the clips were written and are not checked again, because that would take
longer than reading them. Opening checks that index and joints match to the byte. Unless ``verify=False``, it also reads all joints once and verifies their
checksums.
"""

import json
import math
import os
import sys
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tdsm.data.clips import ASSUMED_FPS, Clip, ClipSet
from tdsm.data.layouts import Layout, as_layout
from tdsm.util.errors import InputError
from tdsm.util.files import parse_json, read_sealed, write_sealed

__all__ = ["ClipStore", "is_store", "open_store", "read_store"]

_ABOUT, _JOINTS, _INDEX = "about.json", "joints.f32", "clips.jsonl"
_FORMAT = "tdsm clip store 2"
_AGAIN = "delete the folder and read the data set again"


def is_store(folder: str | Path) -> bool:
    """Whether :class:`ClipStore` wrote this folder, judged by the file names in it."""
    return all((Path(folder) / name).is_file() for name in (_ABOUT, _JOINTS, _INDEX))


def open_store(folder: str | Path, *, verify: bool = True) -> ClipSet:
    """The clips of a store, in the order in which they were written. Their joints are read-only views of the file.

    An incomplete store gives the clips that it holds, with one warning.

    Args:
        folder: the store; it must not be moved while the clips are used.
        verify: read all joints once and verify their checksums.

    Raises:
        InputError: not a store, a store of another version, no clip in it, or a file that was truncated or changed.
    """
    folder = Path(folder)
    about, sources = read_store(folder, verify=verify)
    if not about["complete"]:
        warnings.warn(f"{folder}: the store of {about['dataset']} is incomplete; run the same command again to resume", stacklevel=2)
    return ClipSet(tuple(clip for clips in sources.values() for clip in clips), tuple(about["classes"]), about["dataset"])


def read_store(folder: Path, *, verify: bool = True) -> tuple[dict, dict[str, list[Clip]]]:
    """(about.json, source file -> its clips) of a store, in the order in which they were written. Arguments and errors: see :func:`open_store`."""
    about = _read_about(folder)
    layout = as_layout(about["layout"], folder / _ABOUT, "layout: ", "open it with the version of tdsm that wrote it")
    if not is_store(folder):
        raise InputError(folder, f"is not a complete clip store; {_JOINTS} or {_INDEX} is missing", _AGAIN)
    size = (folder / _JOINTS).stat().st_size
    numbers = np.asarray(np.memmap(folder / _JOINTS, "<f4", "r", shape=(size // 4,))) if size >= 4 else np.zeros(0, np.float32)
    sources, start, lines = {}, 0, 0
    for source in _sources(folder, layout, size):
        if verify and zlib.crc32(numbers[start : source.end // 4]) != source.crc:
            raise InputError(folder / _JOINTS, f"the joints of {source.name} have changed since they were written", _AGAIN)
        clips = sources.setdefault(source.name, [])
        for row in source.clips:
            shape = _shape(row, layout)
            count = math.prod(shape)
            joints, fps = numbers[start : start + count].reshape(shape), row.fps or ASSUMED_FPS
            clips.append(Clip.checked_before(joints, layout, row.label, row.subject, fps, row.name, row.fps is None))
            start += count
        lines += source.line
    whole = 4 * start == size and lines == (folder / _INDEX).stat().st_size
    if about["complete"] and not whole:
        raise InputError(folder, f"{_JOINTS} and {_INDEX} do not end at the same clip, so one was truncated or changed", _AGAIN)
    return about, sources


class ClipStore:
    """Writes a store; used as a context manager. An existing store is continued.

    Args:
        folder: an empty or new folder, or a store.
        name, layout, classes: name of the data set, layout of every clip, and class names in the data set's own order.
        reader: further values that determine how a file becomes clips, such as the reader's settings. A store holds clips of one reader only.

    Attributes:
        done: the source files in the store.

    Raises:
        InputError: the folder holds other files or a store of another data set, layout or reader, or it cannot be written.
    """

    def __init__(self, folder: str | Path, name: str, layout: Layout, classes: Sequence[str], reader: str = "") -> None:
        self.folder, self.layout = Path(folder), layout
        self._about = {"format": _FORMAT, "dataset": name, "layout": layout.name, "classes": list(classes), "reader": reader, "complete": None}
        self._classes = frozenset(classes)
        try:
            self._open()
        except OSError as error:
            raise InputError(self.folder, f"cannot be written ({error.strerror})", "give another folder for the store") from error

    def __enter__(self) -> "ClipStore":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for file in (self._joints, self._index):
            with suppress(OSError):  # complete clips were flushed; the next run removes the rest, which a full disk stopped
                file.close()
        if kind is None:
            self._mark(complete=True)

    @property
    def clips(self) -> int:
        """Number of clips in the store."""
        return len(self._names)

    def add(self, source: str, clips: Sequence[Clip]) -> None:
        """Append the clips of one source file (possibly none), and mark the file as done.

        Raises:
            InputError: a clip in another layout, with an unknown label or with an existing name; a full disk; or another process is writing to the store.
        """
        self._check(source, clips)
        blocks = [np.ascontiguousarray(clip.joints, "<f4").tobytes() for clip in clips]
        crc, end = 0, self._end + sum(map(len, blocks))
        for block in blocks:
            crc = zlib.crc32(block, crc)
        rows = [_Row(clip.name, clip.label, clip.subject, None if clip.fps_assumed else float(clip.fps), *clip.joints.shape[:2]) for clip in clips]
        try:
            self._mark(complete=False)
            self._joints.writelines(blocks)
            self._joints.flush()
            text = json.dumps([source, end, crc, rows]).encode()
            self._index.write(b"%08x %b\n" % (zlib.crc32(text), text))
            self._index.flush()
        except OSError as error:
            raise InputError(self.folder, f"cannot be written ({error.strerror})", "free space and run the command again to resume") from error
        self._end = end
        self.done.add(source)
        self._names.update(row.name for row in rows)

    def _check(self, source: str, clips: Sequence[Clip]) -> None:
        if os.fstat(self._joints.fileno()).st_size != self._end:
            raise InputError(self.folder, "another process is writing to it", "let one process write the store; others can open it afterwards")
        names = set()
        for clip in clips:
            if clip.layout.name != self.layout.name:
                raise InputError(clip.name, f"layout is {clip.layout.name}", f"write it to another store; {self.folder} holds {self.layout.name}")
            if clip.label is not None and clip.label not in self._classes:
                raise InputError(clip.name, f"label {clip.label!r} is not among the {len(self._classes)} classes of {self.folder}", "add the class")
            if clip.name in self._names or clip.name in names:
                raise InputError(f"{source}: clip {clip.name}", f"is already in {self.folder}, from another file", "give another folder for the store")
            names.add(clip.name)

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / _ABOUT).exists():
            about = _read_about(self.folder)
            for key in ("dataset", "layout", "classes", "reader"):
                if about[key] != self._about[key]:
                    known = f" ({about[key]}, not {self._about[key]})" if key in ("dataset", "layout") else ""
                    raise InputError(self.folder, f"is a store of another {key}{known}", "give another folder for the store")
            self._about = about
        elif any(path.suffix != ".partial" for path in self.folder.iterdir()):
            raise InputError(self.folder, "holds files and is not a clip store", "give an empty or a new folder")
        joints, index = self.folder / _JOINTS, self.folder / _INDEX
        joints.touch()
        index.touch()
        self.done, self._names, self._end, lines = set(), set(), 0, 0
        for source in _sources(self.folder, self.layout, joints.stat().st_size):
            self.done.add(source.name)
            self._names.update(row.name for row in source.clips)
            self._end = source.end
            lines += source.line
        if (joints.stat().st_size, index.stat().st_size) != (self._end, lines) or self._about["complete"] is None:
            self._mark(complete=False)
            os.truncate(index, lines)
            os.truncate(joints, self._end)
        self._joints, self._index = joints.open("ab"), index.open("ab")

    def _mark(self, complete: bool) -> None:
        if self._about["complete"] != complete:
            self._about["complete"] = complete
            write_sealed(self.folder / _ABOUT, self._about)


class _Row(NamedTuple):
    name: str
    label: str | None
    subject: str | None
    fps: float | None
    persons: int
    frames: int


class _Source(NamedTuple):
    name: str
    end: int  # end of its clips in joints.f32, in bytes
    crc: int
    clips: list[_Row]
    line: int  # length of its line in bytes


def _shape(row: _Row, layout: Layout) -> tuple[int, int, int, int]:
    return row.persons, row.frames, len(layout), layout.dims


def _sources(folder: Path, layout: Layout, size: int) -> Iterator[_Source]:
    """The lines up to the first that is incomplete, or whose joints are not within the first ``size`` bytes."""
    end = 0
    with (folder / _INDEX).open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                source = _parse(line)
                end += 4 * sum(math.prod(_shape(row, layout)) for row in source.clips)
                sound = end == source.end and all(row.persons > 0 < row.frames and (row.fps is None or row.fps > 0) for row in source.clips)
            except (ValueError, TypeError, RecursionError) as error:
                raise InputError(f"{folder / _INDEX} line {number}", f"has changed since it was written ({error})", _AGAIN) from error
            if not sound:
                raise InputError(f"{folder / _INDEX} line {number}", "its numbers are inconsistent", _AGAIN)
            if end > size:
                return
            yield source


def _parse(line: bytes) -> _Source:
    if int(line[:8], 16) != zlib.crc32(line[9:-1]):
        raise ValueError("wrong checksum")
    name, end, crc, rows = parse_json(line[9:-1], "line")
    clips = []
    for clip, label, subject, fps, persons, frames in rows:
        rate = None if fps is None else float(fps)
        clips.append(_Row(str(clip), label and sys.intern(label), subject and sys.intern(subject), rate, int(persons), int(frames)))
    return _Source(str(name), end, crc, clips, len(line))


def _read_about(folder: Path) -> dict:
    if not (folder / _ABOUT).exists():
        raise InputError(folder, "is not a clip store", f"give a folder with {_ABOUT}, {_JOINTS} and {_INDEX}")
    about = read_sealed(folder / _ABOUT, _AGAIN)
    if about.get("format") != _FORMAT:
        raise InputError(folder / _ABOUT, f"does not describe a {_FORMAT}", "open it with the version of tdsm that wrote it, or read again")
    for key, kind in (("dataset", str), ("layout", str), ("classes", list), ("reader", str), ("complete", bool)):
        if not isinstance(about.get(key), kind):
            raise InputError(folder / _ABOUT, f"field {key!r} is missing or not of type {kind.__name__}", _AGAIN)
    if not all(isinstance(name, str) for name in about["classes"]):
        raise InputError(folder / _ABOUT, "field 'classes' must hold names only", _AGAIN)
    return about
