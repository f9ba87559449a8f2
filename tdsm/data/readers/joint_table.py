"""A clip as a table (CSV) for spreadsheets and other languages, as written by :func:`tdsm.data.motion_files.save_csv`.

One row per frame and person. ``frame`` and ``person`` count from 0; ``fps`` and ``layout`` are the same in all rows (``fps`` is empty if unknown). Then follow
the coordinates of each joint in the layout's order and unit, such as ``left_hip_x``. Empty cells mean a missing joint; if all coordinates are empty, the person
is absent in that frame.
"""

import math

import numpy as np

from tdsm.data.layouts import Layout, as_layout
from tdsm.data.readers.detections import Film, Frames, person
from tdsm.data.readers.parsing import Rows
from tdsm.util.errors import InputError

__all__ = ["HEAD", "columns", "fits", "frames"]

HEAD = ("frame", "person", "fps", "layout")
_AGAIN = "give the table as save_csv wrote it"


def columns(layout: Layout) -> list[str]:
    """Names of the coordinate columns, joint by joint.

    Example:
        >>> from tdsm.data.layouts import BODY_15
        >>> columns(BODY_15)[3:5]
        ['neck_base_x', 'neck_base_y']
    """
    return [f"{joint.replace(' ', '_')}_{axis}" for joint in layout.joints for axis in "xyz"[: layout.dims]]


def fits(value: object) -> bool:
    """Whether this is such a table."""
    return isinstance(value, Rows) and set(HEAD) <= set(value.columns)


def frames(rows: Rows, where: object) -> Film:
    """The clip in such a table.

    Raises:
        InputError: no row, an unknown layout, a missing column, a cell that is not a number, or two rows for the same frame and person.
    """
    if not rows:
        raise InputError(where, "has no row", _AGAIN)
    layout = as_layout(rows[0]["layout"].strip(), where, "column layout: ")
    names = columns(layout)
    lacking = next((name for name in names if name not in rows.columns), None)
    if lacking is not None:
        raise InputError(where, f"column {lacking!r} of layout {layout.name} is missing", _AGAIN)
    found: Frames = {}
    given: set[tuple[int, int]] = set()
    for place, row in enumerate(rows, 2):
        try:
            frame, number = int(row["frame"]), int(row["person"])
            places = np.array([float(row[name].strip() or "nan") for name in names])
        except ValueError as error:
            raise InputError(f"{where} row {place}", f"has values that are not numbers ({str(error)[:60]})", _AGAIN) from error
        if np.isinf(places).any() or frame < 0 or row["layout"].strip() != layout.name:
            raise InputError(f"{where} row {place}", "holds an infinite number, a frame below 0, or another layout", _AGAIN)
        if (frame, number) in given:
            raise InputError(f"{where} row {place}", f"frame {frame} of person {number} occurs twice", "keep one row per frame and person")
        given.add((frame, number))
        body = person(places.reshape(len(layout), layout.dims), None, number)
        found.setdefault(frame, []).extend([body] if body else [])
    return Film(layout, found, _fps(rows[0]["fps"], where))


def _fps(cell: str, where: object) -> float | None:
    if not cell.strip():
        return None
    try:
        fps = float(cell)
    except ValueError:
        fps = math.nan
    if not 0 < fps < math.inf:
        raise InputError(where, f"column fps: {cell[:40]!r} is not a number above 0", "give frames per second, or leave it empty")
    return fps
