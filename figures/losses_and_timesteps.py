"""The paper's ablations of the losses and of T: published on NTU RGB+D, ours on the synthetic demo clips.

    python figures/losses_and_timesteps.py

The two use different data, so only the shapes of the lines can be compared.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import paper
from common import caption, run, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tables import SETS

from tdsm.catalogue.rows import benchmark_named
from tdsm.experiments.results import Number, Result, newest, one_protocol
from tdsm.viz import style

DEMO = "synthetic-demo"


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """Draw ablations.pdf and .png."""
    losses = {name: newest(results, DEMO, "tdsm", variant) for name, variant in paper.VARIANTS.items()}
    timesteps = {steps: newest(results, DEMO, "tdsm", paper.variant_of(steps)) for steps in paper.TIMESTEPS}
    figure = Figure(figsize=(9.5, 4.2))
    left, right = figure.subplots(1, 2, sharey=True)
    panel(left, range(3), paper.LOSSES.values(), list(losses.values()), joined=False)
    left.set_xticks(range(3), ["$L_{diff}$ only\n(λ = 0)", "$L_{TD}$ only\n(demo: λ = 1000)", "both\n(λ = 1)"])
    left.set(title="losses", ylabel="top-1 % on unseen classes", xlim=(-0.4, 2.4), ylim=(0, 100))
    panel(right, paper.TIMESTEPS, paper.TIMESTEPS.values(), list(timesteps.values()), joined=True)
    right.set(title="diffusion timesteps, tested at T / 2", xscale="log", xlabel="T")
    right.set_xticks(list(paper.TIMESTEPS), list(map(str, paper.TIMESTEPS)))
    right.minorticks_off()
    figure.legend(*right.get_legend_handles_labels(), loc="outside right center")
    files = {number.file for number in (*losses.values(), *timesteps.values()) if number}
    sources = [result.source for result in results if result.file in files]
    note = "Published: NTU RGB+D, selected on test clips. Synthetic demo: generated clips, mean ± std over seeds, nothing selected."
    caption(figure, "\n".join([note, *sources]))
    return save(figure, out, "ablations")


def panel(ax: Axes, places: Sequence[int] | Mapping[int, object], printed: Sequence[Sequence[float]], made: Sequence[Number | None], *, joined: bool) -> None:
    """Draw one ablation: a marker per published split and setting, and our numbers if they exist; ``joined`` connects the markers with lines."""
    for index, (name, values) in enumerate(zip(paper.ABLATION_COLUMNS, zip(*printed, strict=True), strict=True)):
        row, (colour, marker) = benchmark_named(name), style.look(index + 1)
        label = f"{SETS[row.dataset]} {row.split}, published"
        ax.plot(list(places), values, linestyle="--" if joined else "none", color=colour, marker=marker, markerfacecolor="white", linewidth=0.9, label=label)
    if not all(made):
        ax.text(0.03, 0.03, "this package: not run", transform=ax.transAxes, color=style.MISS)
        return
    one_protocol(made)
    shares, spread = [100 * number.mean for number in made], [100 * (number.std or 0) for number in made]
    colour, marker = style.look(0)
    label = f"synthetic demo,\nthis package ({made[0].seeds} seeds)"
    lines = {"linestyle": "-" if joined else "none", "linewidth": 2, "elinewidth": 1.2, "capsize": 3}
    ax.errorbar(list(places), shares, spread, color=colour, marker=marker, label=label, **lines)
    ax.axhline(100 * made[0].chance, color=style.MIDDLE, linestyle=":", label="chance, synthetic demo")


if __name__ == "__main__":
    run(draw, __doc__)
