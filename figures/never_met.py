"""Draw the accuracy of the shipped recognizer on data sets that were not used in training: by name, with other wordings, with noise and with lost joints.

    python figures/never_met.py

The source is results/never_met.txt, the output of benchmarks/never_met.py: mean ± std over five trainings. "Left out" means trained without the tested
actions.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from common import HERE, caption, run, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.experiments.results import Result
from tdsm.util.errors import InputError
from tdsm.viz import style

Rows = dict[str, dict[str, tuple[float, float]]]

SETS = {"florence-3d": "Florence3D", "msr-action3d": "MSR-Action3D", "nw-ucla": "NW-UCLA", "utd-mhad": "UTD-MHAD", "j-hmdb-14": "J-HMDB (2-D)"}
WHOLE, LEFT_OUT = "names, whole dictionary", "names, dictionary without the tested actions"
BARS = (
    (WHOLE, "answer, top-1 %", "whole dictionary"),
    (WHOLE, "ridge", "ridge, whole"),
    (LEFT_OUT, "answer, top-1 %", "left out"),
    (LEFT_OUT, "ridge", "ridge, left out"),
)


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """Draw never_met.pdf and .png."""
    path = HERE.parent / "results" / "never_met.txt"
    text = path.read_text()
    tables = {title: numbers(text, title, path) for title in (WHOLE, LEFT_OUT)}
    lost = numbers(text, "| data set | clean |", path)
    figure = Figure(figsize=(9.5, 6.4))
    grid = figure.add_gridspec(2, 2, width_ratios=(0.36, 0.64))
    answers(figure.add_subplot(grid[0, :]), tables)
    left, right = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    voices(left, text)
    noise(right, lost)
    caption(figure, f"results/never_met.txt, {re.search(r'commit .*', text)[0]}. Mean ± std over five trainings; nothing trained on or selected on these sets.")
    return save(figure, out, "never_met")


def numbers(text: str, title: str, path: Path) -> Rows:
    """Data set -> column -> (mean, std) of the first table after ``title``."""
    if title not in text:
        raise InputError(path, f"has no {title!r}", "create it with benchmarks/never_met.py")
    lines = text[text.index(title) :].splitlines()
    first = next(row for row, line in enumerate(lines) if line.startswith("| data set"))
    head, rows = cells(lines[first]), {}
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        name, *values = cells(line)
        found = {column: re.fullmatch(r"(-?[\d.]+)(?: ± ([\d.]+))?", value) for column, value in zip(head[1:], values, strict=True)}
        rows[name] = {column: (float(match[1]), float(match[2] or 0)) for column, match in found.items() if match}
    return rows


def cells(line: str) -> list[str]:
    """The cells of a Markdown table row."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def answers(ax: Axes, tables: dict[str, Rows]) -> None:
    """Draw top-1 by name with both dictionaries, beside ridge and chance."""
    names = list(SETS)
    for place, (title, column, label) in enumerate(BARS):
        mean, std = zip(*(tables[title][name][column] for name in names), strict=True)
        at = [row + 0.2 * (place - 1.5) for row in range(len(names))]
        ours = column != "ridge"
        look = {"color": style.LEFT if title == WHOLE else style.RIGHT, "alpha": 1 if ours else 0.4, "hatch": None if ours else "//", "edgecolor": "white"}
        ax.bar(at, mean, 0.19, yerr=std, capsize=2, label=label, **look)
    for row, name in enumerate(names):
        chance = tables[WHOLE][name]["chance"][0]
        ax.plot([row - 0.42, row + 0.42], [chance, chance], ":", color=style.MIDDLE, label=None if row else "chance")
    ax.set(xticks=range(len(names)), xticklabels=SETS.values(), ylabel="top-1 %", title="Data sets not used in training, labels by name")
    ax.legend(ncols=5, loc="upper right", fontsize=style.SMALL)
    ax.set_ylim(0, 1.18 * ax.get_ylim()[1])


def voices(ax: Axes, text: str) -> None:
    """Draw top-1 on UTD-MHAD with other wordings of the labels."""
    found = re.findall(r"([a-z ]+) (\d+\.\d) ± (\d+\.\d)", re.search(r"utd-mhad: (names .*?); a negated", text)[1])
    ax.barh(
        [name.strip() for name, *_ in found][::-1],
        [float(mean) for _, mean, _ in found][::-1],
        xerr=[float(std) for *_, std in found][::-1],
        color=style.LEFT,
        capsize=2,
    )
    ax.set(xlabel="top-1 %", title="UTD-MHAD, other wordings")


def noise(ax: Axes, lost: Rows) -> None:
    """Draw the loss in points per data set."""
    columns = [column for column in next(iter(lost.values())) if column != "clean"]
    for place, (name, row) in enumerate(lost.items()):
        colour, marker = style.look(place)
        known = [(at, row[column]) for at, column in enumerate(columns) if column in row]
        at = [number + 0.1 * (place - 2) for number, _ in known]
        ax.errorbar(at, [mean for _, (mean, _) in known], [std for _, (_, std) in known], fmt=marker, color=colour, capsize=2, label=SETS[name])
    ax.axhline(0, color=style.FLOOR, zorder=0)
    short = [
        column.replace(" of joints", "\nof joints").replace("two joints never seen", "two joints\nnever seen").replace("mirrored", "mirrored,\ncorrected")
        for column in columns
    ]
    ax.set(
        xticks=range(len(columns)),
        xticklabels=[f"{label}\nof joints" if label == "30 %" else label for label in short],
        ylabel="points lost",
        title="Lost joints and noise",
    )
    ax.tick_params(axis="x", labelsize=style.SMALL)
    ax.legend(fontsize=style.SMALL)


if __name__ == "__main__":
    run(draw, __doc__)
