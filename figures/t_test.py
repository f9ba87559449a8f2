"""Accuracy against the timestep t_test at which clips are tested, with its band over test noises: the paper's figure, one panel a split.

    python figures/t_test.py

The panels above are ours: recordings, and the synthetic demo clips. Those below wait for runs on NTU RGB+D (a result file ``t_test_NAME.npz`` in the form
that benchmarks/ablations.py writes); they show what was printed: TDSM at t_test = 25 and the best earlier method.
"""

from collections.abc import Sequence
from pathlib import Path

import paper
from common import ROWS, caption, run, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tables import SETS

from tdsm.catalogue.rows import benchmark_named
from tdsm.experiments.results import Result
from tdsm.viz import style

EARLIER = paper.METHODS[:-1]


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """t_test.pdf and .png."""
    files = {result.file: result for result in results}
    figure = Figure(figsize=(12, 6.4))
    above, below = figure.subfigures(2, 1)
    axes, sources = [*above.subplots(1, 1 + len(ROWS)), *below.subplots(1, len(paper.ABLATION_COLUMNS))], []
    for ax, title in zip(axes, (*ROWS.values(), "synthetic demo, 10 unseen"), strict=False):
        ax.set(title=title, ylabel="top-1 % on unseen classes")
    for ax, name in zip(axes, (*ROWS, "demo", *paper.ABLATION_COLUMNS), strict=True):
        made = files.get(f"t_test_{name}.npz")
        if made:
            sources.append(made.source)
            ours(ax, made)
        else:
            ax.text(0.5, 0.04, "this package: not run", transform=ax.transAxes, ha="center", color=style.MISS)
        if name in paper.ABLATION_COLUMNS:
            theirs(ax, name)
        else:
            ax.axhline(10 if name == "demo" else 100 / len(benchmark_named(name).draws[0]), color=style.MIDDLE, linestyle=":", label="chance")
        ax.set(xlabel="$t_{test}$", xticks=range(5, 50, 10), xlim=(2, 48), ylim=(0, 100))
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))
    told = (
        "Published: as printed, most of it selected on test clips. This package: the paper's recipe cut short; mean over seeds, band: lowest to highest noise."
    )
    caption(figure, "\n".join([told, *sources]))
    return save(figure, out, "t_test")


def ours(ax: Axes, made: Result) -> None:
    """Line and band of a result file with ``top1`` (seed, step, noise), ``together`` (seed, step) and ``steps`` (step,)."""
    top1, together, steps = (made.arrays[name] for name in ("top1", "together", "steps"))
    seeds, _, noises = top1.shape
    colour = style.COLOURS[0]
    ax.fill_between(steps, 100 * top1.min(axis=2).mean(axis=0), 100 * top1.max(axis=2).mean(axis=0), color=colour, alpha=0.25, linewidth=0)
    ax.plot(steps, 100 * top1.mean(axis=(0, 2)), "o-", color=colour, label=f"this package, one noise at a time, {seeds} seeds × {noises} noises")
    ax.plot(steps, 100 * together.mean(axis=0), "s--", color=style.COLOURS[1], markersize=4, label=f"error averaged over {noises} noises")


def theirs(ax: Axes, name: str) -> None:
    """What was printed for one split."""
    row = benchmark_named(name)
    best = max((method for method in EARLIER if method in row.published), key=row.published.__getitem__)
    ax.axhline(row.published[best], color=style.COLOURS[3], linestyle="--", label="best earlier method, published")
    ax.text(47, row.published[best] + 1, best, ha="right", va="bottom", fontsize=style.SMALL, color=style.TEXT)
    ax.plot([25], [row.published["TDSM"]], "D", color=style.COLOURS[2], markerfacecolor="white", label="TDSM, published")
    ax.set(title=f"{SETS[row.dataset]} {row.split}", ylim=(0, 100))


if __name__ == "__main__":
    run(draw, __doc__)
