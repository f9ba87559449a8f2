"""Write Table 1, Table 2 and the ablations of the paper, and a table of the small public sets: published numbers beside ours, in Markdown and LaTeX.

    python figures/tables.py

A cell of ours is "not run" if no result file has the number; "–" means that no number was published. Our numbers are never averaged with published numbers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import paper
from common import NOT_RUN, OURS, run

from tdsm.catalogue.rows import Benchmark, all_benchmarks, benchmark_named
from tdsm.experiments.results import Number, Result, average, newest, one_protocol, published
from tdsm.util.files import write_text

ABSENT = "–"
SETS = {"ntu-60": "NTU-60", "ntu-120": "NTU-120", "pku-mmd": "PKU-MMD", "nw-ucla": "NW-UCLA", "utd-mhad": "UTD-MHAD", "uwa3dii": "UWA3D-II"}
NOTES = (
    "Top-1 % on unseen classes. Published: as printed, most of it selected on test clips.",
    "Made here: mean ± std over the seeds in brackets, inductive, nothing selected on any test clip.",
)


@dataclass(frozen=True)
class Table:
    """A table of text cells: groups of rows, each with a heading."""

    name: str
    title: str
    columns: Sequence[str]
    groups: Sequence[tuple[str, Sequence[Sequence[str]]]]
    notes: Sequence[str]

    def markdown(self) -> str:
        """The table with its title above and its notes below."""
        lines = [f"**{self.title}**", "", f"| {' | '.join(self.columns)} |", "|---" + "|---:" * (len(self.columns) - 1) + "|"]
        for heading, rows in self.groups:
            lines += [f"| *{heading}* |" + " |" * (len(self.columns) - 1), *(f"| {' | '.join(row)} |" for row in rows)]
        return "\n".join([*lines, "", *(f"{note}  " for note in self.notes)]) + "\n"

    def latex(self) -> str:
        """A tabular with its caption as a comment; it needs the package booktabs."""
        lines = [f"% {self.title}", *(f"% {note}" for note in self.notes), rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}", r"\toprule"]
        lines.append(_latex(self.columns))
        for heading, rows in self.groups:
            lines += [r"\midrule", rf"\multicolumn{{{len(self.columns)}}}{{l}}{{\emph{{{_escaped(heading)}}}}} \\", *map(_latex, rows)]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _latex(cells: Sequence[str]) -> str:
    return " & ".join(map(_escaped, cells)) + r" \\"


def _escaped(text: str) -> str:
    text = re.sub(r"([&%_])", r"\\\1", text)
    text = re.sub(r"\b([zL])\\_(\w+)", r"$\1_{\\mathrm{\2}}$", text)  # z_g, L_diff
    for plain, command in {"±": r"$\pm$", ABSENT: "--", "λ": r"$\lambda$"}.items():
        text = text.replace(plain, command)
    return text


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """Write all four tables; returns their paths."""
    made = [table_1(results), table_2(results), ablations(results), small_sets(results)]
    return [write_text(out / f"{table.name}.{kind}", text) for table in made for kind, text in (("md", table.markdown()), ("tex", table.latex()))]


def ours(results: Sequence[Result], benchmarks: Sequence[str], method: str, variant: Mapping[str, object] | None = None) -> list[Number | None]:
    """The numbers of one of our methods, None for a benchmark that was not run. ``variant``: settings that differ from the preset.

    Raises:
        InputError: the numbers have different protocols.
    """
    found = [newest(results, name, method, variant) for name in benchmarks]
    if any(found):
        one_protocol([number for number in found if number])
    return found


def words(number: Number | None) -> str:
    """Text of a cell with one of our numbers."""
    if number is None:
        return NOT_RUN
    spread = "" if number.std is None else f" ± {100 * number.std:.1f}"
    return f"{100 * number.mean:.1f}{spread} ({number.seeds})"


def _sources(results: Sequence[Result], numbers: Iterable[Number | None]) -> list[str]:
    """The result files of these numbers, and the commands that wrote them."""
    files = {number.file for number in numbers if number}
    return [f"{result.source}: `{result.command}`." for result in results if result.file in files]


def _theirs(rows: Sequence[Benchmark], methods: Sequence[str]) -> list[list[str]]:
    printed = [{number.method: f"{100 * number.mean:.2f}" for number in published(row)} for row in rows]
    return [[method, *(row.get(method, ABSENT) for row in printed)] for method in methods]


def _mine(rows: Mapping[str, Sequence[Number | None]]) -> list[list[str]]:
    return [[title, *map(words, found)] for title, found in rows.items()]


def _since(rows: Sequence[Benchmark]) -> list[str]:
    return [method for method in dict.fromkeys(method for row in rows for method in row.published) if method not in paper.METHODS]


def _heads(rows: Sequence[Benchmark]) -> list[str]:
    return [f"{SETS[row.dataset]} {row.split}" for row in rows]


def table_1(results: Sequence[Result]) -> Table:
    """SynSE's and PURLS' splits of NTU RGB+D."""
    rows = [benchmark_named(name) for name in paper.TABLE_1]
    mine = {title: ours(results, paper.TABLE_1, method) for method, title in OURS.items()}
    groups = [
        ("published, Table 1 of the TDSM paper", _theirs(rows, paper.METHODS)),
        ("published elsewhere on these splits", _theirs(rows, _since(rows))),
        ("made here", _mine(mine)),
    ]
    notes = [*NOTES, *_sources(results, chain(*mine.values()))]
    return Table("table_1", "Zero-shot accuracy on SynSE's and PURLS' splits (Table 1)", ["method", *_heads(rows)], groups, notes)


def table_2(results: Sequence[Result]) -> Table:
    """Random splits. Two triples of class lists are called the SMIE benchmark, so the table has our numbers for both."""
    rows = [benchmark_named(name) for name in paper.TABLE_2["SMIE"]]
    groups = [("published, Table 2 of the TDSM paper", _theirs(rows, [method for method in paper.METHODS if method != "PURLS"]))]
    notes = [*NOTES, "Mean of three class lists. The printed column mixes two triples of lists (docs/BENCHMARKS.md)."]
    for lists, names in paper.TABLE_2.items():
        mine = {title: ours(results, names, method) for method, title in OURS.items()}
        groups.append((f"made here, class lists of {lists}", _mine(mine)))
        notes += _sources(results, chain(*mine.values()))
    return Table("table_2", "Zero-shot accuracy on random splits (Table 2)", ["method", *_heads(rows)], groups, notes)


def ablations(results: Sequence[Result]) -> Table:
    """The paper's ablations; the last column is ours, on the synthetic demo clips."""
    made = {name: newest(results, "synthetic-demo", "tdsm", variant) for name, variant in paper.VARIANTS.items()}
    made |= {steps: newest(results, "synthetic-demo", "tdsm", paper.variant_of(steps)) for steps in paper.TIMESTEPS}
    parts = {"losses": paper.LOSSES, "timesteps T": paper.TIMESTEPS, "text features": paper.TEXTS, "training noise": paper.NOISE}
    groups = []
    for heading, rows in parts.items():
        groups.append((heading, [[_named(name), *map(_printed, values), words(made.get(name))] for name, values in rows.items()]))
    heads = _heads([benchmark_named(name) for name in paper.ABLATION_COLUMNS])
    columns = ["setting", *(f"{head}, published" for head in heads), "synthetic demo, made here"]
    notes = [
        *NOTES,
        *_sources(results, made.values()),
        "The last column is of other data (generated clips, 10 unseen classes, chance 10 %): compare down the column, not along the row.",
        "There, L_TD only is a weight λ of 1000.",
    ]
    return Table("table_ablations", "Ablations", columns, groups, notes)


def _named(row: str | int) -> str:
    return f"T = {row}" if isinstance(row, int) else row


def _printed(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2f}"


def small_sets(results: Sequence[Result]) -> Table:
    """PURLS' splits of the data sets that can be downloaded without an agreement, and the mean over the splits of UTD-MHAD and NW-UCLA."""
    rows = [row for row in all_benchmarks() if row.dataset in ("utd-mhad", "nw-ucla", "uwa3dii") and row.protocol == "PURLS"]
    meant = [row.dataset != "uwa3dii" for row in rows]
    methods = list(dict.fromkeys(method for row in rows for method in row.published))
    theirs = []
    for method, *cells in _theirs(rows, methods):
        numbers = [number for row, counts in zip(rows, meant, strict=True) if counts for number in published(row) if number.method == method]
        theirs.append([method, *cells, _mean(numbers, sum(meant))])
    chance = ["chance", *(f"{100 / len(row.draws[0]):.1f}" for row in rows)]
    chance.append(f"{sum(100 / len(row.draws[0]) for row, counts in zip(rows, meant, strict=True) if counts) / sum(meant):.1f}")
    groups, every = [("published (PURLS, supplement)", theirs)], []
    for heading, variant in paper.LABEL_TEXTS.items():
        mine = []
        for method, title in OURS.items():
            found = ours(results, [row.name for row in rows], method, variant)
            if any(found) or not variant:
                every += found
                numbers = [number for number, counts in zip(found, meant, strict=True) if counts and number]
                mine.append([title, *map(words, found), _mean(numbers, sum(meant))])
        groups.append((f"made here, {heading}", mine))
    columns = ["method", *_heads(rows), "mean of UTD-MHAD and NW-UCLA"]
    groups.append(("for comparison", [chance]))
    return Table("table_small_sets", "Zero-shot accuracy on small public sets", columns, groups, [*NOTES, *_sources(results, every)])


def _mean(numbers: Sequence[Number], wanted: int) -> str:
    return f"{100 * average(numbers):.1f}" if len(numbers) == wanted else NOT_RUN


if __name__ == "__main__":
    run(draw, __doc__)
