"""Draw accuracy against the number of unseen classes, published and ours, with one panel per data set.

    python figures/unseen_classes.py

Dashed lines with hollow markers are published numbers. Solid lines with filled markers are our numbers (bars: standard deviation over seeds). The dotted line
is chance.
"""

from collections.abc import Sequence
from pathlib import Path

from common import OURS, caption, run, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tables import SETS

from tdsm.catalogue.rows import Benchmark, all_benchmarks
from tdsm.experiments.results import Result, newest, one_protocol, published
from tdsm.viz import style

PANELS = {  # data set -> authors of the splits
    "nw-ucla": ("PURLS",),
    "utd-mhad": ("PURLS",),
    "ntu-60": ("SynSE", "PURLS"),
    "ntu-120": ("SynSE", "PURLS"),
}
LOOKS = {  # method -> (colour, marker): our methods, then the published ones
    "tdsm": ("#0072B2", "o"),
    "cosine": ("#009E73", "s"),
    "ridge": ("#D55E00", "D"),
    "TDSM": ("#0072B2", "o"),
    "PURLS": ("#CC79A7", "^"),
    "ReViSE": ("#000000", "v"),
    "DeViSE": ("#56B4E9", "<"),
    "Global": ("#E69F00", ">"),
    "JPoSE": ("#56B4E9", "X"),
    "CADA-VAE": ("#E69F00", "P"),
    "SynSE": ("#009E73", "h"),
    "SMIE": ("#D55E00", "d"),
    "SA-DVAE": ("#009E73", "p"),
    "STAR": ("#CC79A7", "*"),
}


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """Draw unseen_classes.pdf and .png."""
    figure = Figure(figsize=(9.5, 7.2))
    used: set[str] = set()
    for ax, (dataset, protocols) in zip(figure.subplots(2, 2).ravel(), PANELS.items(), strict=True):
        rows = [row for row in all_benchmarks() if row.dataset == dataset and row.protocol in protocols]
        used |= panel(ax, sorted(rows, key=lambda row: len(row.draws[0])), results)
        ax.set_title(f"{SETS[dataset]}, {' and '.join(protocols)} splits")
    handles = {label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    first = sorted(handles, key=lambda label: "published" in label)
    figure.legend([handles[label] for label in first], first, loc="outside right center")
    note = "Published: as printed, most of it selected on test clips. This package: mean ± std over seeds, nothing selected on any test clip."
    caption(figure, "\n".join([note, *(result.source for result in results if result.file in used)]))
    return save(figure, out, "unseen_classes")


def panel(ax: Axes, rows: Sequence[Benchmark], results: Sequence[Result]) -> set[str]:
    """Draw the panel of one data set; returns the result files that it uses."""
    classes = [len(row.draws[0]) for row in rows]
    ax.plot(classes, [100 / count for count in classes], ":", color=style.MIDDLE, label="chance")
    for method in [method for method in LOOKS if any(method in row.published for row in rows)]:
        printed = [(count, 100 * number.mean) for count, row in zip(classes, rows, strict=True) for number in published(row) if number.method == method]
        colour, marker = LOOKS[method]
        ax.plot(*zip(*printed, strict=True), "--", color=colour, marker=marker, markerfacecolor="white", linewidth=0.9, label=f"{method}, published")
    used = set()
    for place, (method, title) in enumerate(OURS.items()):
        made = [(count, number) for count, row in zip(classes, rows, strict=True) if (number := newest(results, row.name, method))]
        if made:
            one_protocol([number for _, number in made])
            colour, marker = LOOKS[method]
            beside = 0.015 * (place - 1) * (classes[-1] - classes[0])  # so that bars do not cover each other
            shares, spread = zip(*((100 * number.mean, 100 * (number.std or 0)) for _, number in made), strict=True)
            at, label = [count + beside for count, _ in made], f"{title} ({_seeds(made)})"
            ax.errorbar(at, shares, spread, color=colour, marker=marker, linewidth=2, elinewidth=1.2, capsize=3, label=label)
            used |= {number.file for _, number in made}
    if not used:
        ax.text(0.97, 0.97, "this package: not run", transform=ax.transAxes, ha="right", va="top", color=style.MISS)
    ax.set(xlabel="unseen classes", ylabel="top-1 %", ylim=(0, None), xticks=classes)
    return used


def _seeds(made: Sequence[tuple[int, object]]) -> str:
    seeds = sorted({number.seeds for _, number in made})
    return f"{' or '.join(map(str, seeds))} seed{'s' if seeds != [1] else ''}"


if __name__ == "__main__":
    run(draw, __doc__)
