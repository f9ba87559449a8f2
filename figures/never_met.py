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

from tdsm.experiments.results import Result, read_tables
from tdsm.util.tables import Table
from tdsm.viz import style

SETS = {"florence-3d": "Florence3D", "msr-action3d": "MSR-Action3D", "nw-ucla": "NW-UCLA", "utd-mhad": "UTD-MHAD", "j-hmdb-14": "J-HMDB (2-D)"}
ANSWER = "answer, top-1 %"


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """Draw never_met.pdf and .png."""
    path = HERE.parent / "results" / "never_met.txt"
    text = path.read_text(encoding="utf-8")
    whole, left_out, *others = read_tables(path)
    lost = next(table for table in others if "clean" in table.head)
    figure = Figure(figsize=(9.5, 6.4))
    grid = figure.add_gridspec(2, 2, width_ratios=(0.36, 0.64))
    answers(figure.add_subplot(grid[0, :]), whole, left_out)
    left, right = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    voices(left, text)
    noise(right, lost)
    caption(figure, f"results/never_met.txt, {re.search(r'commit .*', text)[0]}. Mean ± std over five trainings; nothing trained on or selected on these sets.")
    return save(figure, out, "never_met")


def answers(ax: Axes, whole: Table, left_out: Table) -> None:
    """Draw top-1 by name with both dictionaries, beside ridge and chance."""
    names, blue, orange = list(SETS), {"color": style.LEFT}, {"color": style.RIGHT}
    ridge = {"alpha": 0.4, "hatch": "//"}
    bars = {
        "whole dictionary": (whole, ANSWER, blue),
        "ridge, whole": (whole, "ridge", blue | ridge),
        "left out": (left_out, ANSWER, orange),
        "ridge, left out": (left_out, "ridge", orange | ridge),
    }
    for place, (label, (table, column, look)) in enumerate(bars.items()):
        shares = table.shares(column)
        mean, std = zip(*(shares[name] for name in names), strict=True)
        ax.bar([row + 0.2 * (place - 1.5) for row in range(len(names))], mean, 0.19, yerr=std, capsize=2, label=label, edgecolor="white", **look)
    for row, name in enumerate(names):
        chance = whole.shares("chance")[name][0]
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


def noise(ax: Axes, lost: Table) -> None:
    """Draw the loss in points per data set."""
    columns = lost.head[2:]
    shares = [lost.shares(column) for column in columns]
    for place, (name, *_) in enumerate(lost.rows):
        colour, marker = style.look(place)
        known = [(at, share[name]) for at, share in enumerate(shares) if name in share]
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
