"""Prompts that papers published, for users who have downloaded them. None of their text is part of this package.

Class lists of SA-DVAE (S.-W. Li et al., ECCV 2024; folder ``class_lists`` of its archive), which TDSM also uses:

- ``ntu60.csv``, ``ntu120.csv``, ``pku51.csv``: a header ``idx,label`` and one line per class. ``idx`` counts from 1 (NTU) or 0 (PKU-MMD). For NTU the
  "label" is not a class name but a description of the motion; for PKU-MMD it is the class name.
- ``ntu60_llm.txt``, ``ntu120_llm.txt``: one line per class, a sentence that a language model wrote about it.

TDSM describes a class of NTU by two prompts, its line of ``ntu120.csv`` and its line of ``ntu120_llm.txt``, also for NTU-60. Six lines of ``ntu60.csv``
differ from ``ntu120.csv``.

Spreadsheet of PURLS (A. Zhu et al., CVPR 2024), ``gpt3_desc.xlsx``: one sheet per data set with the columns label, head, hands, torso, legs, start, middle,
end and global description. Its labels sometimes differ from those of the data set ("Swipe left" in UTD-MHAD).
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from tdsm.data.prompts import SUBSETS, Motion, load_prompts
from tdsm.data.prompts.xlsx import read_sheet
from tdsm.util.errors import InputError

__all__ = ["published_prompts", "read_class_list", "read_purls"]

_LISTS = {"ntu-120": ("ntu120.csv", "ntu120_llm.txt"), "pku-mmd": ("pku51.csv",)}
_SHEETS = {"kinetics-400": "Kinetic-skeletons", "ntu-120": "NTU-RGB+D", "nw-ucla": "NW-UCLA", "utd-mhad": "UTD-MHAD", "uwa3dii": "UWA3DII"}
_HEADER = dict(zip("ABCDEFGHI", ("Action Labels", "Head", "Hands", "Torso", "Legs", "Start", "Middle", "End", "Global Desc"), strict=True))


def published_prompts(path: str | Path, dataset: str) -> dict[str, tuple[str, ...]]:
    """Class name -> its published prompts, in the data set's own order. The result can be used wherever ``descriptions`` are accepted.

    Args:
        path: the folder of class lists (gives the prompts of TDSM), a single class list (one prompt per class), or PURLS's spreadsheet
            (class name and global description).
        dataset: data set such as "ntu-60"; its names are those of :func:`tdsm.data.prompts.load_prompts`.

    Raises:
        InputError: no such path, no published prompts for this data set in it, or a file that does not match the data set.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "no such file or folder", "check the path")
    if path.suffix.lower() == ".xlsx":
        return {label: (label, motion.sentence) for label, motion in read_purls(path, dataset).items()}
    if not path.is_dir() and path.suffix.lower() not in (".csv", ".txt"):
        raise InputError(path, "is neither a folder nor .csv, .txt or .xlsx", "give SA-DVAE's class_lists or PURLS's gpt3_desc.xlsx")
    lists = [read_class_list(file, dataset) for file in (_lists_in(path, dataset) if path.is_dir() else [path])]
    return {label: tuple(texts[label] for texts in lists) for label in load_prompts(dataset)}


def read_class_list(path: str | Path, dataset: str) -> dict[str, str]:
    """Class name -> its text in a class list of SA-DVAE, .csv or .txt, in the data set's own order.

    A list of NTU-120 can also be used for NTU-60, and a list of Kinetics-400 for Kinetics-200.

    Raises:
        InputError: unreadable, not UTF-8, a malformed line, numbers that do not count up from 0 or 1, or another number of classes than the data
            set has.
    """
    path, names = Path(path), list(load_prompts(dataset))
    text = _decode(path)
    texts = _csv_texts(path, text) if path.suffix.lower() == ".csv" else _lines(path, text)
    classes = names if len(texts) == len(names) else list(load_prompts(_whole(dataset)))
    if len(texts) != len(classes):
        raise InputError(path, f"describes {len(texts)} classes, but {dataset} has {len(names)}", "give the list of this data set")
    if texts != classes and sorted(texts) == sorted(classes):
        text, name = next(pair for pair in zip(texts, classes, strict=True) if pair[0] != pair[1])
        raise InputError(path, f"has {text!r} instead of {name!r} of {dataset}", "put the names in the order of the data set")
    return dict(zip(names, texts[: len(names)], strict=True))


def read_purls(path: str | Path, dataset: str) -> dict[str, Motion]:
    """Class name -> its texts of PURLS (global description, parts, phases), in the data set's own order.

    Raises:
        InputError: not an .xlsx, no sheet for this data set, other columns, an empty cell, or rows that are not the classes of the data set.
    """
    path, whole = Path(path), _whole(dataset)
    names = list(load_prompts(whole))
    if whole not in _SHEETS:
        raise InputError(path, f"has no sheet for {dataset}", f"choose among: {', '.join(sorted({*_SHEETS, *SUBSETS}))}")
    where, rows = f"{path}, sheet {_SHEETS[whole]}", [row for row in read_sheet(path, _SHEETS[whole]) if row]
    if not rows or {column: rows[0].get(column) for column in _HEADER} != _HEADER:
        raise InputError(where, f"the first row is not {', '.join(_HEADER.values())}", "give PURLS's gpt3_desc.xlsx")
    if len(rows) != len(names) + 1:
        raise InputError(where, f"describes {len(rows) - 1} classes, but {whole} has {len(names)}", "give PURLS's gpt3_desc.xlsx")
    motions = {}
    for number, (name, row) in enumerate(zip(names, rows[1:], strict=True), start=1):
        _check_row(f"{where}, class {number}", row, name, names)
        parts, phases = ({_HEADER[column].lower(): row[column] for column in columns} for columns in ("BCDE", "FGH"))
        motions[name] = Motion(row["I"], parts, phases)
    return {name: motions[name] for name in load_prompts(dataset)}


def _whole(dataset: str) -> str:
    return SUBSETS.get(dataset, (dataset, 0))[0]


def _lists_in(folder: Path, dataset: str) -> list[Path]:
    if _whole(dataset) not in _LISTS:
        raise InputError(folder, f"no class lists for {dataset} were published", f"choose among: {', '.join(sorted({*_LISTS, 'ntu-60'}))}")
    files = [folder / name for name in _LISTS[_whole(dataset)]]
    lacking = [file.name for file in files if not file.is_file()]
    if lacking:
        raise InputError(folder, f"has no {lacking[0]}", "give the folder class_lists of SA-DVAE's archive")
    return files


def _decode(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start} is not UTF-8", "save it as UTF-8") from error
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path") from error


def _lines(path: Path, text: str) -> list[str]:
    lines = [line.strip() for line in text.rstrip().split("\n")]
    for number, line in enumerate(lines, start=1):
        if not line:
            raise InputError(f"{path}, line {number}", "is empty", "give one line per class")
    return lines


def _csv_texts(path: Path, text: str) -> list[str]:
    try:
        header, *rows = list(csv.reader(io.StringIO(text.rstrip(), newline=""), strict=True)) or [[]]
    except csv.Error as error:
        raise InputError(path, f"cannot be read as CSV ({error})", "download it again") from error
    if header != ["idx", "label"]:
        raise InputError(f"{path}, line 1", f"the header is {','.join(header)!r} instead of 'idx,label'", "give a class list of SA-DVAE")
    base = 0 if rows and rows[0][:1] == ["0"] else 1
    for index, row in enumerate(rows):
        where = f"{path}, line {index + 2}"
        if len(row) != 2 or not row[1].strip():
            raise InputError(where, f"has {len(row)} fields or no text", "give idx,label; quote a label that holds a comma")
        if row[0] != str(base + index):
            raise InputError(where, f"idx is {row[0]!r}, expected {base + index}", "number the classes from 0 or 1, each once and in order")
    return [row[1].strip() for row in rows]


def _check_row(where: str, row: dict[str, str], name: str, names: Sequence[str]) -> None:
    """Check that a row is complete and that its label matches the class at its position."""
    for column, title in _HEADER.items():
        if column not in row:
            raise InputError(where, f"{title!r} is empty (column {column})", "give PURLS's gpt3_desc.xlsx")
    label, likeness = row["A"], _likeness(row["A"], name)
    if _words(label) == _words(name):
        return
    if likeness == 0 or likeness < max(_likeness(label, other) for other in names):
        raise InputError(where, f"is {label!r}, expected {name!r}", "put the rows in the order of the data set")


def _likeness(label: str, name: str) -> float:
    """Share of the words of a label that are the beginning of a word of a class name: 1 for "Swipe left" and "right arm swipe to the left"."""
    words = _words(label)
    return sum(any(own.startswith(word) for own in _words(name)) for word in words) / max(1, len(words))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())
