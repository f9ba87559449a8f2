"""Result files: numbers with the command, commit, date and hardware that produced them, and the protocol under which they are valid.

Figures and tables are drawn from these files alone. A file is JSON, or a .npz file of arrays whose array ``about`` contains the same JSON as text:

    {"environment": {"command": "tdsm evaluate ...", "commit": "6ac378c", "date": "2026-11-23T05:40:36+00:00", "hardware": "CPU, 2 cores"},
     "rows": [{"benchmark": "utd-mhad-purls-22-5",
               "variant": {"diffusion.timesteps": 10},
               "protocol": {"setting": "inductive zero-shot; ...", "selection": "none: ...", "partition": "...", "statistic": "mean"},
               "tdsm": {"seeds": 5, "mean": 0.48, "std": 0.14, "low": 0.42, "high": 0.53, "chance": 0.2}, "ridge": {...}}]}

`tdsm evaluate`, `tdsm study` and `tdsm reproduce` write files of this form. ``variant`` contains the settings that differ from the preset, and is optional.
``statistic`` is optional as well: its default is "mean" for several seeds and "single" for one. A ``protocol`` beside ``rows`` applies to the rows that have
no protocol. Shares are 0 to 1. Only the words before the first ";" or ":" of a protocol field are compared; the rest is an explanation.

Numbers under different protocols are never averaged together: inductive with transductive numbers, means over seeds with the best seed, numbers selected on
test clips with numbers that were not, or published numbers with numbers computed here (:func:`one_protocol`).
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tdsm.catalogue.rows import Benchmark
from tdsm.util.errors import InputError
from tdsm.util.files import atomic, parse_json, read_object, write_json
from tdsm.util.npz import read_npz
from tdsm.util.provenance import environment

__all__ = ["Number", "Protocol", "Result", "average", "load_results", "markdown_table", "newest", "one_protocol", "published", "results_table", "write_result"]

_NO_METHOD = {"benchmark", "variant", "protocol", "published", "train", "test", "single_noise", "seconds"}  # keys of a row that are not methods


@dataclass(frozen=True)
class Protocol:
    """The protocol of a number."""

    setting: str  # "inductive zero-shot" or "transductive zero-shot" (or "... generalised zero-shot"); "published" for published numbers
    statistic: str  # "mean" over seeds, "best" of several seeds, "single", or "as printed"
    selection: str  # clips on which anything was selected: "none", "pseudo-unseen", "test clips"
    partition: str  # which clips are used for training and test


PUBLISHED = Protocol("published", "as printed", "test clips, by most", "the authors'")


@dataclass(frozen=True)
class Number:
    """Top-1 on unseen classes of one method on one benchmark; shares are 0 to 1."""

    benchmark: str
    method: str
    mean: float  # over seeds
    protocol: Protocol
    file: str  # name of its result file; "published" for published numbers
    seeds: int | None = None
    std: float | None = None  # over seeds; None if unknown
    low: float | None = None  # 95 % interval over subjects; None if unknown
    high: float | None = None
    chance: float | None = None
    variant: Mapping[str, object] = field(default_factory=dict)  # settings that differ from the preset, by dotted name


@dataclass(frozen=True, eq=False)
class Result:
    """The content of one result file.

    ``numbers`` has one entry per row and method, and ``arrays`` the arrays of a .npz file by name. The other attributes say how the file was produced.
    """

    file: str
    command: str
    commit: str
    date: str
    hardware: str
    numbers: tuple[Number, ...]
    arrays: Mapping[str, np.ndarray]

    @property
    def when(self) -> datetime:
        """``date`` as a datetime; a date without a time zone is UTC."""
        date = datetime.fromisoformat(self.date)
        return date if date.tzinfo else date.replace(tzinfo=UTC)

    @property
    def source(self) -> str:
        """One line that names the source, for the foot of a figure."""
        return f"results/{self.file}: commit {self.commit}, {self.date[:10]}, {self.hardware}"


def load_results(folder: str | Path) -> list[Result]:
    """Read all result files (*.json, *.npz) of a folder, sorted by name.

    Raises:
        InputError: no such folder, or a file that is not a result, or does not give its origin and protocol.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "give the folder of result files, such as results")
    return [_read(path) for path in sorted(folder.iterdir()) if path.suffix in (".json", ".npz")]


def write_result(path: Path, rows: Sequence[Mapping[str, object]], *, command: str, protocol: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> Path:
    """Write a result file and read it back; returns the path.

    Args:
        path: file to write; the suffix .json or .npz sets the format.
        rows: rows as in the module's docstring.
        command: the command as typed, with everything that is needed to repeat it.
        protocol: protocol of the rows that have none.
        arrays: arrays for a .npz file.

    Raises:
        InputError: the file is not a valid result file, as in :func:`load_results`.
    """
    about = {"environment": environment(0) | {"command": command}, "protocol": dict(protocol), "rows": [dict(row) for row in rows]}
    if path.suffix == ".json":
        write_json(path, about)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)
    _read(path)
    return path


def newest(results: Sequence[Result], benchmark: str, method: str, variant: Mapping[str, object] | None = None) -> Number | None:
    """The number of a benchmark, method and variant (default: the preset) in the newest file that contains it; None if no file contains it."""
    dated = [
        (result.when, number)
        for result in results
        for number in result.numbers
        if (number.benchmark, number.method) == (benchmark, method) and dict(number.variant) == dict(variant or {})
    ]
    return max(dated, key=lambda pair: pair[0])[1] if dated else None


def published(benchmark: Benchmark) -> tuple[Number, ...]:
    """The published numbers of this row, marked as published. Most of them were selected on test clips (docs/BENCHMARKS.md)."""
    chance = 1 / len(benchmark.draws[0])
    return tuple(Number(benchmark.name, method, value / 100, PUBLISHED, "published", chance=chance) for method, value in benchmark.published.items())


def one_protocol(numbers: Sequence[Number]) -> Protocol:
    """The protocol that all these numbers share. Call this before the numbers are put into one mean, one line or one column.

    Raises:
        InputError: no number, or numbers under different protocols.
    """
    if not numbers:
        raise InputError("results", "no number to combine", "give at least one")
    first = numbers[0]
    for other in numbers:
        for name, value in asdict(first.protocol).items():
            if (second := getattr(other.protocol, name)) != value:
                what = f"{name} {value!r} of {first.file} ({first.benchmark}) cannot be combined with {second!r} of {other.file} ({other.benchmark})"
                raise InputError("results", what, "combine only numbers of one protocol, and show others separately")
    return first.protocol


def average(numbers: Sequence[Number]) -> float:
    """Mean of numbers of one protocol, 0 to 1, such as the mean over benchmarks. Raises InputError: the numbers have different protocols."""
    one_protocol(numbers)
    return math.fsum(number.mean for number in numbers) / len(numbers)


def results_table(results: Sequence[Result]) -> str:
    """Two Markdown tables: all numbers with protocol and file, then all files with the command, commit, date and hardware that produced them."""
    rows = [["benchmark", "method", "variant", "top-1 %", "seeds", "protocol", "file"]]
    for number in (number for result in results for number in result.numbers):
        variant = ", ".join(f"{name}={value}" for name, value in number.variant.items())
        spread = f"{100 * number.mean:.1f}" + (f" ± {100 * number.std:.1f}" if number.std is not None else "")
        protocol = f"{number.protocol.setting}, {number.protocol.statistic}, selection: {number.protocol.selection}"
        rows.append([number.benchmark, number.method, variant, spread, str(number.seeds), protocol, number.file])
    files = [["file", "command", "commit", "date", "hardware"]]
    files += [[result.file, f"`{result.command}`", result.commit, result.date[:10], result.hardware] for result in results]
    return f"{markdown_table(rows)}\n\n{markdown_table(files)}"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is the header."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:]))


def _read(path: Path) -> Result:
    about, arrays = _content(path)
    try:
        origin = {name: about["environment"].get(name) for name in ("command", "commit", "date", "hardware")}
        shared = about.get("protocol") or {}
        rows = [(row, _protocol(row.get("protocol") or shared, path)) for row in about["rows"]]
        numbers = [_number(row, method, said, path) for row, said in rows for method, values in row.items() if method not in _NO_METHOD and values is not None]
        if not rows:
            _protocol(shared, path)
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(path, f"not a result file ({error!r})", "keep only files in the form of tdsm/experiments/results.py in this folder") from error
    for name, value in origin.items():
        if not isinstance(value, str) or not value:
            raise InputError(path, f"does not say its {name}", f'add "{name}" to its "environment", with the value at the time of the computation')
    try:
        datetime.fromisoformat(origin["date"])
    except ValueError as error:
        raise InputError(path, f"date is {origin['date']!r}", "write it as 2026-11-23 or 2026-11-23T05:40:36+00:00") from error
    return Result(path.name, **origin, numbers=tuple(numbers), arrays=arrays)


def _content(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The JSON and the arrays of a file. Pickled arrays are refused."""
    again = "restore the file, or compute it again with its command"
    if path.suffix == ".json":
        return read_object(path, again), {}
    arrays = read_npz(path, remedy=again)
    if "about" not in arrays:
        raise InputError(path, "array 'about' is missing", again)
    about = parse_json(str(arrays.pop("about")), path, again)
    if not isinstance(about, dict):
        raise InputError(path, "does not contain a JSON object", "keep only files in the form of tdsm/experiments/results.py in this folder")
    return about, arrays


def _number(row: Mapping, method: str, said: Mapping[str, str], path: Path) -> Number:
    values, variant = row[method], row.get("variant") or {}
    if not isinstance(row["benchmark"], str) or not isinstance(variant, dict):
        raise InputError(path, f"benchmark {row['benchmark']!r} is not a name, or its variant is not an object", "write both as `tdsm evaluate` does")
    shares = {name: values.get(name) for name in ("mean", "std", "low", "high", "chance")}
    for name, value in shares.items():
        if not (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1) and (value is not None or name == "mean"):
            raise InputError(path, f"{name} of {method} on {row['benchmark']} is {value!r}", "give a share from 0 to 1")
    seeds = values["seeds"]
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise InputError(path, f"seeds of {method} on {row['benchmark']} is {seeds!r}", "give the number of seeds, 1 or more")
    if seeds == 1:
        shares["std"] = None
    protocol = Protocol(**({"statistic": "mean" if seeds > 1 else "single"} | said))
    return Number(row["benchmark"], method, protocol=protocol, file=path.name, seeds=seeds, variant=variant, **shares)


def _protocol(said: Mapping[str, str], path: Path) -> dict[str, str]:
    """The compared words of each field. Setting, selection and partition are required."""
    words = {name: re.split("[;:]", value)[0].strip() for name, value in said.items() if name in Protocol.__annotations__}
    for name in ("setting", "selection", "partition"):
        if not words.get(name):
            raise InputError(path, f"a row does not say its {name}", f'add "{name}" to its "protocol"')
    if not words["setting"].startswith(("inductive", "transductive")):
        raise InputError(path, f"setting is {words['setting']!r}", "begin it with inductive or transductive")
    if words.get("statistic", "mean") not in ("mean", "best", "single"):
        raise InputError(path, f"statistic is {words['statistic']!r}", "give mean, best or single")
    return words
