"""Exchange of segments with other programs: ELAN's EAF, and CSV files with segments that a person corrected."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from numbers import Integral, Real
from pathlib import Path
from xml.sax.saxutils import escape

from tdsm.data.readers.parsing import parse_csv
from tdsm.spotting.measures import Segment
from tdsm.util.errors import InputError
from tdsm.util.files import read_text

__all__ = ["eaf", "read_segments"]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SECONDS = "give seconds from the beginning of the recording"


def eaf(segments: Sequence[Segment], fps: Real) -> str:
    """Segments as an ELAN document (https://archive.mpi.nl/tla/elan) in the format EAF 3.0, with times in milliseconds.

    Segments are written to the tier "actions". Annotations of one tier must not overlap, so overlapping segments go to "actions 2", and so on.
    """
    tiers: list[list[Segment]] = [[]]
    for segment in sorted(segments):
        tier = next((tier for tier in tiers if not tier or tier[-1].end <= segment.start), None)
        if tier is None:
            tiers.append(tier := [])
        tier.append(segment)
    slots, bodies, count = [], [], 0
    for number, tier in enumerate(tiers, 1):
        notes = []
        for segment in tier:
            count += 1
            for slot, frame in ((2 * count - 1, segment.start), (2 * count, segment.end)):
                slots.append((round(1000 * frame / fps), f"ts{slot}"))
            words = escape(_NOT_XML.sub("\ufffd", segment.label))
            notes.append(
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{count}" TIME_SLOT_REF1="ts{2 * count - 1}" TIME_SLOT_REF2="ts{2 * count}">'
                f"<ANNOTATION_VALUE>{words}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
            )
        name = "actions" if number == 1 else f"actions {number}"
        bodies.append("\n".join([f'<TIER LINGUISTIC_TYPE_REF="action" TIER_ID="{name}">', *notes, "</TIER>"]))
    order = "\n".join(f'<TIME_SLOT TIME_SLOT_ID="{slot}" TIME_VALUE="{time}"/>' for time, slot in sorted(slots, key=lambda each: each[0]))
    tiers_written, made = "\n".join(bodies), datetime.now(UTC).isoformat(timespec="seconds")
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="{made}" FORMAT="3.0" VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
<TIME_ORDER>
{order}
</TIME_ORDER>
{tiers_written}
<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="action" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""


def read_segments(path: Path, fps: Real, frames: int) -> list[Segment]:
    """Segments, in order of time, from a CSV file with the columns start, end (seconds) and label, and optionally probability and margin.

    Other columns are ignored, including frame numbers, because a person corrects the seconds. Columns may also be separated by semicolons or tabs; the
    decimal sign may then be a comma, as some spreadsheets write it.

    Raises:
        InputError: as :meth:`tdsm.spotting.spots.Spots.from_csv`.
    """
    if isinstance(fps, bool) or not isinstance(fps, Real) or not 0 < fps < math.inf:
        raise InputError("fps", f"is {fps!r:.60}", "give frames per second, a number above 0")
    if isinstance(frames, bool) or not isinstance(frames, Integral) or frames < 1:
        raise InputError("frames", f"is {frames!r:.60}", "give the number of frames of the recording")
    rows = parse_csv(read_text(path, "save it as CSV UTF-8").encode(), path)
    for column in ("start", "end", "label"):
        if column not in rows.columns:
            raise InputError(path, f"column {column} is missing", "name the columns start, end, label in the first row")
    return sorted(_segment(row, f"{path} row {number}", fps, frames) for number, row in enumerate(rows, 2))


def _segment(row: dict[str, str], where: str, fps: Real, frames: int) -> Segment:
    start, end = (round(_number(row[name], name, where, _SECONDS) * fps) for name in ("start", "end"))
    label = row["label"].strip()
    if not label:
        raise InputError(where, "has no label", "name the action, or delete the row")
    if not 0 <= start < end <= frames:
        what = f"runs from {row['start'].strip()} to {row['end'].strip()} s, in a recording of {frames / fps:.3f} s"
        raise InputError(where, what, "give 0 <= start < end <= length, at least one frame long")
    score, margin = (
        _number(row[name], name, where, "give a number or leave the cell empty") if row.get(name, "").strip() else usual
        for name, usual in (("probability", 1.0), ("margin", 0.0))
    )
    return Segment(start, end, label, score, margin)


def _number(text: str, name: str, where: str, remedy: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(where, f"{name} is {text.strip()!r:.60}", remedy)
    return value
