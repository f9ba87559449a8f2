"""Labels of videos whose files contain none: from a table next to them, or from the folders that contain them.

**A table**, ``clips.csv`` in the folder (or at the top of the zip), in the format of :mod:`tdsm.data.readers.folder` without ``layout``; ``file`` is the
video's name, with or without its suffix, or its folder::

    file,label,subject,fps
    wave_anna.mp4,wave,anna,25
    desk/session1,type,ben,30

**Folders**, if there is not a table: if all videos are in folders, and there are at least two of these, each video's label is the name of its first folder
(``FOLDER/LABEL/VIDEO...``). One warning reports this.
"""

import hashlib
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from tdsm.data.readers.archive import Archive
from tdsm.data.readers.folder import TABLE, Listed, listed_in, parse_table
from tdsm.util.errors import InputError

__all__ = ["Listing", "by_film", "listed_by"]


class Listing(NamedTuple):
    """Entries of all videos by their keys, the sorted class names, and the digest of the table ("" without one).

    A reader includes the digest in its settings, so that a clip store is not continued after the table has changed.
    """

    videos: dict[str, Listed]
    classes: tuple[str, ...]
    table: str


def by_film(archive: Archive, files: Iterable[tuple[str, re.Match]]) -> dict[str, dict[int, str]]:
    """First file of each video -> all its files by frame number, in order.

    Args:
        archive: the archive of the files.
        files: name and match of each file. The two groups of the match are the video, within the file's folder, and the frame number.

    Raises:
        InputError: a frame that occurs twice.
    """
    films: dict[tuple[PurePosixPath, str], dict[int, str]] = {}
    for name, match in files:
        frames, number = films.setdefault((PurePosixPath(name).parent, match[1] or ""), {}), int(match[2])
        if number in frames:
            raise InputError(archive.path / name, f"is frame {number} of its video, and so is {frames[number]}", "keep one of them")
        frames[number] = name
    return {min(frames.items())[1]: dict(sorted(frames.items())) for frames in films.values()}


def listed_by(archive: Archive, videos: Mapping[str, str]) -> Listing:
    """Entries of the table, or labels from the folders, for each video.

    Args:
        archive: the archive of the videos.
        videos: key of each video (any value) -> the video's name with its folders.

    Raises:
        InputError: an error in the table, a row without a video, or a video without a row.
    """
    table = archive.read(TABLE) if TABLE in archive.names else b""
    listed = _by_table(table, archive, videos) if table else _by_folders(archive, videos)
    return Listing(listed, tuple(sorted({about.label for about in listed.values() if about.label})), hashlib.sha256(table).hexdigest() if table else "")


def _by_folders(archive: Archive, videos: Mapping[str, str]) -> dict[str, Listed]:
    first = {key: PurePosixPath(name).parts[0] if len(PurePosixPath(name).parts) > 1 else "" for key, name in videos.items()}
    labels = sorted(set(first.values()))
    if "" in labels or len(labels) < 2:
        return {key: Listed() for key in videos}
    what = (
        f"the names of its {len(labels)} folders ({', '.join(labels[:3])}{', ...' if len(labels) > 3 else ''}) are used as the labels of {len(videos)} videos"
    )
    warnings.warn(f"{archive.path}: {what}; if this is wrong, give a {TABLE} with the column 'file'", stacklevel=5)
    return {key: Listed(first[key]) for key in videos}


def _by_table(table: bytes, archive: Archive, videos: Mapping[str, str]) -> dict[str, Listed]:
    keys: dict[str, set[str]] = {}
    for key, name in videos.items():
        for called in {name, PurePosixPath(name).name}:
            keys.setdefault(called, set()).add(key)
    listed: dict[str, Listed] = {}
    for where, row in parse_table(table, archive.path / TABLE):
        called = row["file"].strip("/")
        fitting = keys.get(called) or keys.get(PurePosixPath(called).with_suffix("").as_posix() if PurePosixPath(called).name else called, set())
        if len(fitting) != 1:
            what = f"file {called[:100]!r} is not a video here" if not fitting else f"file {called[:100]!r} is the name of {len(fitting)} videos"
            raise InputError(where, what, f"give a video with its folders, such as {next(iter(videos.values()))}")
        (key,) = fitting
        if key in listed:
            raise InputError(where, f"lists {called[:100]!r} twice", "keep one row per video")
        listed[key] = listed_in(row, where)
    lacking = [name for key, name in videos.items() if key not in listed]
    if lacking:
        raise InputError(archive.path / TABLE, f"does not list {len(lacking)} of {len(videos)} videos, first {lacking[0]}", "add a row per video")
    return listed
