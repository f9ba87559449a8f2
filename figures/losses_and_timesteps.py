"""The paper's ablations of the losses and of T: published on NTU RGB+D, ours on recordings and on the synthetic demo clips.

    python figures/losses_and_timesteps.py

They are of different data, so that only the shapes of the lines may be compared.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import paper
from common import ROWS, caption, run, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tables import SETS

from tdsm.catalogue.rows import benchmark_named
from tdsm.experiments.results import Number, Result, newest, one_protocol
from tdsm.viz import style

DEMO = "synthetic-demo"
RECIPE = {"recipe": "demo, 100 steps"}  # of benchmarks/ablations.py on recordings


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """ablations.pdf and .png."""
    worlds = {DEMO: ("synthetic demo", {}), **{row: (title, RECIPE) for row, title in ROWS.items()}}
    figure = Figure(figsize=(10.5, 4.6))
    left, right = figure.subplots(1, 2, sharey=True)
    published(left, range(3), paper.LOSSES.values(), joined=False)
    published(right, paper.TIMESTEPS, paper.TIMESTEPS.values(), joined=True)
    files = set()
    for index, (benchmark, (title, recipe)) in enumerate(worlds.items()):
        losses = [newest(results, benchmark, "tdsm", recipe | variant) for variant in paper.VARIANTS.values()]
        timesteps = [newest(results, benchmark, "tdsm", recipe | paper.variant_of(steps)) for steps in paper.TIMESTEPS]
        ours(left, range(3), losses, title, index)
        ours(right, paper.TIMESTEPS, timesteps, title, index)
        files |= {number.file for number in (*losses, *timesteps) if number}
    left.set_xticks(range(3), ["$L_{diff}$ only\n(λ = 0)", "$L_{TD}$ only\n(ours: λ = 1000)", "both\n(λ = 1)"])
    left.set(title="losses", ylabel="top-1 % on unseen classes", xlim=(-0.4, 2.4), ylim=(0, 100))
    right.set(title="diffusion timesteps, tested at T / 2", xscale="log", xlabel="T")
    right.set_xticks(list(paper.TIMESTEPS), list(map(str, paper.TIMESTEPS)))
    right.minorticks_off()
    figure.legend(*right.get_legend_handles_labels(), loc="outside right center")
    sources = [result.source for result in results if result.file in files]
    told = "Published: NTU RGB+D, selected on test clips. Ours: the paper's recipe cut short, mean ± std over seeds, nothing selected. Dotted: chance."
    caption(figure, "\n".join([told, *sources]))
    return save(figure, out, "ablations")


def published(ax: Axes, places: Sequence[int] | Mapping[int, object], printed: Sequence[Sequence[float]], *, joined: bool) -> None:
    """What was printed: a hollow marker for each split and setting, and lines between them where settings are numbers."""
    for index, (name, values) in enumerate(zip(paper.ABLATION_COLUMNS, zip(*printed, strict=True), strict=True)):
        row, (colour, marker) = benchmark_named(name), style.class_look(index + 3)
        label = f"{SETS[row.dataset]} {row.split}, published"
        ax.plot(list(places), values, linestyle="--" if joined else "none", color=colour, marker=marker, markerfacecolor="white", linewidth=0.8, label=label)


def ours(ax: Axes, places: Sequence[int] | Mapping[int, object], made: Sequence[Number | None], title: str, index: int) -> None:
    """One of our data sets: filled markers and lines of its own colour, with its chance dotted; nothing where it was not run."""
    if not all(made):
        return
    one_protocol(made)
    shares, spread = [100 * number.mean for number in made], [100 * (number.std or 0) for number in made]
    colour, marker = style.class_look(index)
    label = f"{title},\nthis package ({made[0].seeds} seeds)"
    ax.errorbar(list(places), shares, spread, color=colour, marker=marker, label=label, linewidth=2, elinewidth=1.2, capsize=3)
    ax.axhline(100 * made[0].chance, color=colour, linestyle=":", linewidth=1)


if __name__ == "__main__":
    run(draw, __doc__)
