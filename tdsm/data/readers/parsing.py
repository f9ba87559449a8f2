"""Safe parsing of untrusted text: JSON of limited size, tables, and lists of numbers in them."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tdsm.util.errors import InputError

__all__ = ["Rows", "numbers", "parse_csv", "parse_json", "parse_rows", "read_bytes"]

_LARGEST = 1 << 30  # most bytes of memory for the content of one JSON file
_ROW, _CELL = 300, 70  # approximate bytes of memory per row and per cell of a table
_AS_WRITTEN = "give the file as the tool wrote it"
_SPLIT = "split it, for example into one file per video"
_CONTAINER, _ITEM = 88, 40  # approximate bytes of memory per empty container and per number, with their references


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path") from error


def parse_json(content: bytes, where: object, remedy: str) -> object:
    """The content of a JSON file.

    Args:
        content: the file.
        where: source named in messages.
        remedy: remedy in the message if it is not JSON.

    Raises:
        InputError: not JSON, numbers with thousands of digits, thousands of nested levels, or more than fits in a gigabyte of memory.
    """
    if _CONTAINER * (content.count(b"[") + 3 * content.count(b"{")) + _ITEM * content.count(b",") + len(content) > _LARGEST:
        raise InputError(where, f"is {len(content) / 1e6:.0f} MB of JSON, which needs more than 1 GB of memory", _SPLIT)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"not JSON ({str(error)[:200]})", remedy) from error


class Rows(list):
    """The rows of a table, each a dictionary of its cells by column.

    Attributes:
        columns: the names in the first row.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
        super().__init__(rows)
        self.columns = tuple(columns)


def parse_csv(content: bytes, where: object) -> Rows:
    """A table with commas, semicolons or tabs, and column names in its first row.

    Raises:
        InputError: not UTF-8, repeated column names, rows with another length than the first, or more than fits in a gigabyte of memory.
    """
    if _ROW * content.count(b"\n") + _CELL * sum(content.count(mark) for mark in (b",", b";", b"\t")) + 4 * len(content) > _LARGEST:
        raise InputError(where, f"is a table of {len(content) / 1e6:.0f} MB, which needs more than 1 GB of memory", _SPLIT)
    try:
        text = content.decode("utf-8-sig")
        first = text.partition("\n")[0]
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(where, f"not a table in UTF-8 ({str(error)[:200]})", "save it as CSV UTF-8") from error
    columns, rows = [name.strip() for name in rows[0]] if rows else [], [row for row in rows[1:] if row]
    if len(set(columns)) < len(columns):
        raise InputError(where, "has several columns with the same name", "give each column a unique name")
    wrong = next((number for number, row in enumerate(rows, 2) if len(row) != len(columns)), None)
    if wrong is not None:
        raise InputError(where, f"row {wrong} has {len(rows[wrong - 2])} cells, not {len(columns)}", "put double quotes around cells that contain commas")
    return Rows(columns, [dict(zip(columns, row, strict=True)) for row in rows])


def parse_rows(content: bytes, count: int, where: object, remedy: str, separator: bytes | None = None) -> tuple[list[int], list[list[float]]]:
    """Line number, from 1, and the ``count`` numbers of each line that is not blank, separated by ``separator`` (None: white space).

    Raises:
        InputError: another count, or a value that is not a number.
    """
    places, rows = [], []
    for place, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        fields = line.split(separator)
        if len(fields) != count:
            raise InputError(f"{where} line {place}", f"{len(fields)} numbers, not {count}", remedy)
        try:
            rows.append(list(map(float, fields)))
        except ValueError as error:
            raise InputError(f"{where} line {place}", f"not numbers ({error})", remedy) from error
        places.append(place)
    return places, rows


def numbers(values: object, width: int, what: str, where: object) -> np.ndarray:
    """A flat list of ``width`` numbers per joint as (V, width) float64. None and NaN, which mean unknown, become NaN.

    Raises:
        InputError: not a list of numbers, another length, or infinite numbers.
    """
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) % width:
        raise InputError(where, f"{what} is not a list of {width} numbers per joint", _AS_WRITTEN)
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(where, f"{what} has values that are not numbers ({str(error)[:100]})", _AS_WRITTEN) from error
    if array.ndim != 1 or np.isinf(array).any():
        raise InputError(where, f"{what} holds lists or infinite numbers", _AS_WRITTEN)
    return array.reshape(-1, width)
