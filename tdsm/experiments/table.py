"""The table of an experiment: one row per benchmark and setting, with TDSM beside ridge, cosine and the published numbers."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tdsm.catalogue.rows import Benchmark
from tdsm.evaluate import Report, Summary, mean_std, protocol_of, summarise
from tdsm.experiments.run import Scored
from tdsm.experiments.validation import paired_difference
from tdsm.util.files import write_json, write_text
from tdsm.util.provenance import environment
from tdsm.util.tables import markdown_table

__all__ = ["Line", "lines_of", "markdown", "write_cells", "write_tables"]


@dataclass(frozen=True, eq=False)
class Line:
    """One row of the table: a benchmark with one setting.

    Attributes:
        benchmark: the row of a published table.
        setting: the settings that differ from the first setting of a grid, as text.
        cells: the cells of the row, ordered by class list, then by seed.
        methods: "tdsm", "ridge", "cosine" -> summary over seeds. For several class lists, the accuracy of a seed is the mean over the lists, as
            published. The bounds of the 95 % interval are means over the lists too; this interval is not narrower than the interval of the mean.
    """

    benchmark: Benchmark
    setting: str
    cells: tuple[Scored, ...]
    methods: dict[str, Summary]

    @property
    def single_noise(self) -> float:
        """Top-1 with a single test noise, mean over cells."""
        return float(np.mean([cell.single_noise for cell in self.cells]))

    @property
    def seconds(self) -> float | None:
        """Mean training time over the cells for which it is known; None if it is known for no cell."""
        known = [cell.seconds for cell in self.cells if cell.seconds is not None]
        return float(np.mean(known)) if known else None


def lines_of(scored: Sequence[Scored]) -> list[Line]:
    """The rows of these cells, in the order in which their benchmarks and settings first occur."""
    groups: dict[tuple[str, str], list[Scored]] = {}
    for cell in scored:
        setting = ", ".join(f"{name}={value}" for name, value in cell.cell.setting.items())
        groups.setdefault((cell.cell.benchmark.name, setting), []).append(cell)
    return [Line(cells[0].cell.benchmark, setting, tuple(cells), _methods(cells)) for (_, setting), cells in groups.items()]


def _methods(cells: Sequence[Scored]) -> dict[str, Summary]:
    methods = {}
    for name in cells[0].reports:
        draws: dict[int, list[Report]] = {}
        for cell in cells:
            draws.setdefault(cell.cell.draw, []).append(cell.reports[name])
        each = [summarise(reports) for reports in draws.values()]
        top1 = np.mean([[report.top1 for report in reports] for reports in draws.values()], axis=0)
        mean = {key: float(np.mean([getattr(summary, key) for summary in each])) for key in ("mean", "class_mean", "low", "high", "chance")}
        methods[name] = replace(each[0], **mean, std=float(np.std(top1, ddof=1)) if len(top1) > 1 else 0.0)
    return methods


def markdown(lines: Sequence[Line]) -> str:
    """The rows as Markdown: top-1 % on the test classes, mean ± std over seeds, and the 95 % interval over subjects if subjects are known.

    The same scores give the same bytes. Times, which differ between runs, are only in the files of :func:`write_tables` and :func:`write_cells`.

    With several settings, the last column compares the TDSM of each setting with that of the first: the mean of the differences paired by class list and
    seed, with a 95 % interval of Student's t. Pairs of the same class list are correlated, so the interval tends to be too narrow with few class lists.
    """
    grid, pseudo = len({line.setting for line in lines}) > 1, lines[0].cells[0].cell.part == "pseudo"
    published = [] if pseudo else list(dict.fromkeys(method for line in lines for method in line.benchmark.published))
    methods = [name for name in ("ridge", "cosine", "tdsm") if any(name in line.methods for line in lines)]
    titles = {"ridge": "ridge to text", "cosine": "cosine, no denoiser", "tdsm": "TDSM"}
    head = ["benchmark", *(["setting"] if grid else []), "clips train/test", "chance", *(f"{method} (published)" for method in published)]
    head += [*(titles[name] for name in methods), "TDSM, one noise", "TDSM, 95 % over subjects", "seeds"]
    rows = [head + (["to the first setting, points [95 %]"] if grid else [])]
    for line in lines:
        first = next(other for other in lines if other.benchmark.name == line.benchmark.name)
        difference = [] if not grid else [""] if line is first else [_interval(_top1(line), _top1(first))]
        rows.append(_cells(line, published, methods, grid) + difference)
    if grid and len({line.benchmark.name for line in lines}) > 1:
        rows += [["all", *row] for row in _pooled(lines, len(head) - 2)]
    return markdown_table(rows)


def _cells(line: Line, published: Sequence[str], methods: Sequence[str], grid: bool) -> list[str]:
    known, tdsm = line.benchmark.published, line.methods["tdsm"]
    clips = [np.mean([cell.train for cell in line.cells]), np.mean([len(cell.reports["tdsm"].y) for cell in line.cells])]
    cells = [line.benchmark.name, *([line.setting or "base"] if grid else []), f"{clips[0]:,.0f}/{clips[1]:,.0f}", f"{100 * tdsm.chance:.1f}"]
    cells += [f"{known[method]:.1f}" if method in known else "" for method in published]
    for summary in map(line.methods.get, methods):
        spread = f" ± {100 * summary.std:.1f}" if summary and summary.seeds > 1 else ""
        cells.append(f"{100 * summary.mean:.1f}{spread}" if summary else "")
    interval = f"{100 * tdsm.low:.1f} to {100 * tdsm.high:.1f}" if len(set(line.cells[0].reports["tdsm"].subjects) - {""}) > 1 else ""
    return [*cells, f"{100 * line.single_noise:.1f}", interval, str(tdsm.seeds)]


def _top1(line: Line) -> np.ndarray:
    return np.array([100 * cell.reports["tdsm"].top1 for cell in line.cells])


def _interval(values: np.ndarray, first: np.ndarray) -> str:
    mean, low, high = paired_difference(values, first)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def _pooled(lines: Sequence[Line], width: int) -> list[list[str]]:
    """One row per setting, over the cells of all benchmarks."""
    settings = list(dict.fromkeys(line.setting for line in lines))
    pooled = {setting: np.concatenate([_top1(line) for line in lines if line.setting == setting]) for setting in settings}
    rows = []
    for setting, values in pooled.items():
        difference = "" if setting == settings[0] else _interval(values, pooled[settings[0]])
        shown = [""] * width
        shown[-4] = mean_std((values / 100).tolist())
        shown[-1] = str(len(values))
        rows.append([setting or "base", *shown, difference])
    return rows


def write_tables(lines: Sequence[Line], folder: Path, name: str = "table") -> Path:
    """Write NAME.md and NAME.json (in the form of :mod:`tdsm.experiments.results`) to ``folder``; returns the path of NAME.md."""
    write_json(folder / f"{name}.json", {"environment": environment(0), "rows": [_values(line) for line in lines]})
    return write_text(folder / f"{name}.md", markdown(lines) + "\n")


def _values(line: Line) -> dict[str, object]:
    cell = line.cells[0].cell
    values = {"benchmark": line.benchmark.name, "protocol": protocol_of(line.benchmark.partition, cell.part), "published": line.benchmark.published}
    values |= {"variant": dict(cell.setting)} if line.setting else {}
    values |= {name: vars(summary) for name, summary in line.methods.items()}
    counts = {"train": [cell.train for cell in line.cells], "test": [len(cell.reports["tdsm"].y) for cell in line.cells]}
    return values | counts | {"single_noise": line.single_noise, "seconds": line.seconds}


def write_cells(scored: Sequence[Scored], path: Path) -> Path:
    """Write a CSV file with one line per cell and method; returns the path.

    Columns: dotted names of the overridden settings; benchmark; draw (index of the class list); seed; part, "unseen" or "pseudo"; method; top1 and
    class_mean, 0 to 1; seconds of the training of backbone and denoiser (empty if a training was resumed); commit and date.
    """
    rows = []
    for done in scored:
        cell, surroundings = done.cell, {name: done.environment.get(name) for name in ("commit", "date")}
        about = {**cell.setting, "benchmark": cell.benchmark.name, "draw": cell.draw, "seed": cell.seed, "part": cell.part}
        for method, report in done.reports.items():
            numbers = {"method": method, "top1": report.top1, "class_mean": report.class_mean, "seconds": done.seconds}
            rows.append(about | numbers | surroundings)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return write_text(path, text.getvalue())
