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

Numbers of different protocols are never averaged (:func:`one_protocol`). Examples are inductive and transductive numbers, means over seeds and the best seed,
numbers that were selected on test clips and others, published numbers and numbers computed here.

Tables that a benchmark printed are text files of the same folder (:func:`read_tables`). The README.md there gives command, commit, date and hardware of each.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tdsm.catalogue.rows import Benchmark, all_benchmarks
from tdsm.util.errors import InputError
from tdsm.util.files import atomic, parse_json, read_object, read_text, write_json
from tdsm.util.npz import read_npz
from tdsm.util.provenance import environment
from tdsm.util.tables import Table, markdown_table

__all__ = [
    "Number", "Protocol", "Result", "average", "load_results", "newest", "one_protocol", "published", "read_tables",
    "results_table", "standings", "write_result",
]  # fmt: skip

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


def read_tables(path: str | Path) -> list[Table]:
    """The Markdown tables of a text file of results, in order; the README.md beside it says what made it.

    Raises:
        InputError: no such file, no table in it, a row with fewer or more cells than the head, or a README.md that does not say what made the file.
    """
    path = Path(path)
    blocks = [block.group().splitlines() for block in re.finditer(r"(?:^\|.*\n?)+", read_text(path), re.MULTILINE)]
    if not blocks:
        raise InputError(path, "holds no table", "restore the file, or make it again with its command")
    origin = _origin(path)
    tables = [Table(_cells(block[0]), tuple(map(_cells, block[2:])), origin) for block in blocks]
    for table in tables:
        if other := next((row for row in table.rows if len(row) != len(table.head)), None):
            raise InputError(path, f"a row of {len(other)} cells, {' | '.join(other)!r:.60}, under {len(table.head)} columns", "restore the file")
    return tables


def standings(results: Sequence[Result], datasets: Sequence[str] = ("utd-mhad", "nw-ucla")) -> Table:
    """One row per published split with a number of this package: chance, the best published number, and top-1 of four methods.

    The methods are the paper's recipe at our size, ridge, the plain cosine and TDSM: the newest numbers (:func:`newest`), mean ± std over seeds in percent,
    each column under one protocol. The column "seeds" belongs to TDSM; a cell with another number of seeds states it.

    Raises:
        InputError: an unknown data set, or numbers of different protocols in one column.
    """
    known = dict.fromkeys(each.dataset for each in all_benchmarks())
    if unknown := [name for name in datasets if name not in known]:
        raise InputError("datasets", f"{unknown[0]!r} has no published split", f"choose among {', '.join(known)}")
    wanted = {"paper's recipe, small": ("tdsm", {"preset": "paper_recipe_small"}), "ridge": ("ridge", {}), "cosine": ("cosine", {}), "TDSM": ("tdsm", {})}
    rows, used = [], []
    for benchmark in (each for each in all_benchmarks() if each.dataset in datasets):
        numbers = {title: newest(results, benchmark.name, method, variant) for title, (method, variant) in wanted.items()}
        if (ours := numbers["TDSM"]) is not None:
            best = max(published(benchmark), key=lambda number: number.mean, default=None)
            interval = "" if ours.low is None or ours.high is None else f"{100 * ours.low:.1f} to {100 * ours.high:.1f}"
            first = f"{100 / len(benchmark.draws[0]):.1f}", "" if best is None else f"{100 * best.mean:.1f} ({best.method})"
            rows.append((benchmark.name, *first, *(_words(number, ours.seeds) for number in numbers.values()), interval, str(ours.seeds)))
            used.append(numbers)
    for title in wanted:
        if known := [numbers[title] for numbers in used if numbers[title]]:
            one_protocol(known)
    files = {number.file for numbers in used for number in numbers.values() if number}
    source = "; ".join(f"{result.source}: {result.command}" for result in results if result.file in files)
    return Table(("benchmark", "chance", "best published", *wanted, "TDSM, 95 % over subjects", "seeds"), tuple(rows), source)


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


def _words(number: Number | None, seeds: int | None) -> str:
    """A cell of :func:`standings`, with the number of seeds where it is another than that of the row."""
    if number is None:
        return "not run"
    spread = "" if number.std is None else f" ± {100 * number.std:.1f}"
    return f"{100 * number.mean:.1f}{spread}" + (f" ({number.seeds} seeds)" if number.seeds != seeds else "")


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|"))


def _origin(path: Path) -> str:
    """What made a text file, of the README.md beside it."""
    readme = path.with_name("README.md")
    for line in read_text(readme).splitlines():
        if line.startswith("|") and f"`{path.name}`" in _cells(line)[0]:
            if len(_cells(line)) < 5:
                break
            _, command, commit, date, hardware, *_ = _cells(line)
            return f"results/{path.name}: commit {commit}, {date}, {hardware}: {command.replace('`', '')}"
    raise InputError(readme, f"does not say what made {path.name}", "add a row with the command, commit, date and hardware that made the file")


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
