"""Your own clips: a folder of ``.npy`` arrays and one ``clips.csv``.

::

    my_clips/
      clips.csv
      wave_anna.npy
      more/jump_ben.npy

    file,label,subject,fps,layout
    wave_anna.npy,wave,anna,30,ntu-25
    more/jump_ben.npy,jump,ben,30,ntu-25

========  ==========================================================================================================
column    meaning
========  ==========================================================================================================
file      an array (T, V, C) of one person or (M, T, V, C) of several, path relative to the folder, inside it; in 2-D a third channel
          between 0 and 1 is the confidence of each joint (:mod:`tdsm.data.readers.npy`)
label     class name; omit the column if labels are unknown, but leave no single cell empty
subject   person who moves (optional)
fps       frames per second (optional; empty: unknown)
layout    a name of :data:`tdsm.data.layouts.LAYOUTS`, the order of the joints; or use ``layout=``
========  ==========================================================================================================

The table is UTF-8 with commas. T frames, V joints, C = 3 coordinates (metres) or 2 (pixels, y down). A person who is absent in a frame is all zeros in it.
Every ``.npy`` in the folder must be listed in the table, so that no clip is forgotten.
"""

import csv
import hashlib
import io
import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.labels import as_labels
from tdsm.data.layouts import Layout, layout_named
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.npy import read_array, without_confidence
from tdsm.data.readers.parsing import read_bytes
from tdsm.data.readers.reading import Reading, read_files
from tdsm.util.errors import InputError
from tdsm.util.files import check_file

__all__ = ["TABLE", "Listed", "listed_in", "parse_table", "read_folder"]

TABLE = "clips.csv"
_COLUMNS = ("file", "label", "subject", "fps", "layout")


def read_folder(path: str | Path, layout: str | None = None, *, reading: Reading = Reading()) -> ClipSet:
    """Read a folder in the format at the top of this module. Its content is never executed.

    Args:
        path: the folder.
        layout: layout name for rows without one.
        reading: how to process the arrays.

    Returns:
        ClipSet named after the folder; clips in the order of the table, named by their files; classes sorted by name.

    Raises:
        InputError: a missing table, column, file or cell, an unknown layout or two layouts, a path outside the folder, an
            array file that the table does not list, no usable array, or an error of :class:`~tdsm.data.readers.reading.Reading`.
    """
    folder = Path(path)
    table = folder / TABLE
    check_file(table, f"list the clips in it, with columns {', '.join(_COLUMNS)}")
    content = read_bytes(table)
    rows = parse_table(content, table)
    _check_all_listed(folder, [_file_of(folder, row, where) for where, row in rows])
    listed = {row["file"]: listed_in(row, where) for where, row in rows}
    layouts = {body.name: body for body in (_layout_of(row.get("layout") or layout, where) for where, row in rows)}
    if len(layouts) > 1:
        raise InputError(table, f"mixes layouts {sorted(layouts)}", "put the clips of each layout in a separate folder")
    (body,) = layouts.values()
    _say_confidence(folder, list(listed), body)
    classes = sorted({about.label for about in listed.values() if about.label})
    if classes:
        as_labels(classes, where=f"{table}, column label")
    digest = hashlib.sha256(content).hexdigest()
    return read_files("clips", folder, list(listed), _Reader(listed, body, digest), reading, name=folder.resolve().name, layout=body, classes=classes)


def _say_confidence(folder: Path, names: Sequence[str], layout: Layout) -> None:
    """Warn once if arrays have a third channel that is used as confidence, judged by the first readable array."""
    for name in names if layout.dims == 2 else ():
        try:
            _, scored = without_confidence(read_array(folder / name), layout)
        except InputError:
            continue  # its error is reported when it is read with the others
        if scored:
            what = "the third channel, between 0 and 1, is used as the confidence of each joint; 0 means missing"
            warnings.warn(f"{folder}: {what}; save only x and y if it is something else", stacklevel=4)
        return


class Listed(NamedTuple):
    """Entries of a table for a clip or a video; None if not given."""

    label: str | None = None
    subject: str | None = None
    fps: float | None = None


def listed_in(row: dict[str, str], where: str) -> Listed:
    """The entries of a row of :func:`parse_table`.

    Raises:
        InputError: an empty label if there is a column of labels, or ``fps`` that is not a number above 0.
    """
    if "label" in row and not row["label"]:
        raise InputError(where, f"label of {row['file'][:100]!r} is empty", "name its class, or remove the whole column")
    fps = row.get("fps") or None
    try:
        rate = None if fps is None else float(fps)
    except ValueError:
        rate = 0.0
    if rate is not None and not 0 < rate < math.inf:
        raise InputError(where, f"fps {fps!r} is not a number above 0", "give frames per second, or leave it empty")
    return Listed(row.get("label"), row.get("subject") or None, rate)


@dataclass(frozen=True)
class _Reader:
    """Reads one array. ``table`` is the digest of the table, so that a store is not continued after the table has changed."""

    listed: Mapping[str, Listed] = field(repr=False)
    layout: Layout = field(repr=False)
    table: str

    def __call__(self, archive: Archive, name: str) -> Sequence[Clip]:
        joints, _ = without_confidence(read_array(archive.path / name), self.layout)
        return [Clip(joints, self.layout, *self.listed[name], name)]


def parse_table(content: bytes, path: Path) -> list[tuple[str, dict[str, str]]]:
    """(table and line, cells by column) for each row of a table in the format at the top of this module.

    Args:
        content: the file.
        path: source named in messages.

    Raises:
        InputError: not UTF-8, not a table with commas, a missing or unknown column, no row, or more cells than columns.
    """
    try:
        # -sig: spreadsheets write a byte order mark
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), restkey="", restval="")
        columns, rows = [name.strip() for name in reader.fieldnames or ()], [(f"{path} line {reader.line_num}", row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"not a UTF-8 table with commas ({error})", "save it as CSV UTF-8") from error
    if "file" not in columns:
        raise InputError(path, f"column 'file' is missing (columns: {', '.join(columns) or 'none'})", "add it; separate columns by commas")
    for name in columns:
        if name not in _COLUMNS or columns.count(name) > 1:
            raise InputError(path, f"column {name!r} is unknown or occurs twice", f"use each of {', '.join(_COLUMNS)} at most once")
    if not rows:
        raise InputError(path, "lists no clip", "add one row per clip")
    for where, row in rows:
        if "" in row:
            raise InputError(where, "more cells than columns", "put double quotes around cells that contain commas")
    return [(where, {name.strip(): cell.strip() for name, cell in row.items()}) for where, row in rows]


def _file_of(folder: Path, row: dict[str, str], where: str) -> Path:
    if not row["file"]:
        raise InputError(where, "file is empty", "name the .npy file, or delete the row")
    try:
        file = (folder / row["file"]).resolve()
        exists = file.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, NUL or circular links: reported when the file is read
        return folder / row["file"]
    if not file.is_relative_to(folder.resolve()):
        raise InputError(where, f"file {row['file']!r} is outside the folder", "copy it into the folder and give a relative path")
    if not exists:
        raise InputError(where, f"file {row['file']!r} does not exist", "correct the name, or delete the row")
    return file


def _check_all_listed(folder: Path, files: list[Path]) -> None:
    listed = set(files)
    if len(listed) < len(files):
        twice = Counter(files).most_common(1)[0][0]
        raise InputError(folder / TABLE, f"lists {twice.name} twice", "keep one row per file")
    for file in sorted(folder.rglob("*.npy")):
        if file.is_file() and file.resolve() not in listed:
            raise InputError(folder / TABLE, f"does not list {file.relative_to(folder).as_posix()}", "add a row for it, or move it out of the folder")


def _layout_of(name: str | None, where: str) -> Layout:
    try:
        return layout_named(name or "")
    except KeyError as error:
        what, _, remedy = error.args[0].partition("; ")
        raise InputError(where, what if name else "layout is not given", f"fill the column or give layout=...; {remedy}") from error
