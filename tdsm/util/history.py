"""history.csv: the logged steps of a training, written when the training has ended."""

import csv
import io
from pathlib import Path

from tdsm.util.errors import InputError
from tdsm.util.files import read_text, write_text

__all__ = ["History", "read_history", "write_history"]

History = dict[str, list[dict[str, int | float]]]
"""Stage ("encoder", "denoiser") -> a mapping for each logged step, with "step", "lr" and the stage's losses."""


def write_history(path: Path, stages: dict[str, list[dict[str, int | float]]]) -> Path:
    """Write history.csv: one row per logged step of each stage, with the columns of all stages."""
    columns = ["stage", *dict.fromkeys(name for rows in stages.values() for row in rows for name in row)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for stage, rows in stages.items():
        writer.writerows({"stage": stage} | row for row in rows)
    return write_text(path, text.getvalue())


def read_history(path: Path) -> History:
    """Read a table of :func:`write_history`. An empty cell is omitted from its row. Raises InputError: not such a table, truncated or changed."""
    again = "copy the run again, or delete this file if you do not need it"
    text = read_text(path)
    if not text.endswith("\n"):
        raise InputError(path, "is truncated: its last line has no line end", again)
    columns, *lines = (line.split(",") for line in text.splitlines())
    if columns[:2] != ["stage", "step"]:
        raise InputError(f"{path} line 1", "is not the header of a history, which begins with stage,step", again)
    stages: History = {}
    for number, (stage, *cells) in enumerate(lines, 2):
        where = f"{path} line {number}"
        if len(cells) != len(columns) - 1:
            raise InputError(where, f"has {1 + len(cells)} cells for {len(columns)} columns", again)
        try:
            row = {name: float(cell) for name, cell in zip(columns[1:], cells, strict=True) if cell}
            stages.setdefault(stage, []).append(row | {"step": int(cells[0])})
        except ValueError as error:
            raise InputError(where, f"has a value that is not a number ({error})", again) from error
    return stages
