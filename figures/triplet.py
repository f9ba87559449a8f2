"""Draw the effect of the triplet loss: accuracy with it minus accuracy without it.

    python figures/triplet.py

Accuracy is top-1 on unseen classes, with the same features, texts, batches and noises. Published numbers are those of the paper's ablation. Our numbers are
from benchmarks/ablations.py, with the paper's margin and with smaller ones.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import paper
from common import ROWS, caption, run, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tables import SETS

from tdsm.catalogue.rows import benchmark_named
from tdsm.experiments.results import Result
from tdsm.viz import style

SETTINGS = {"margin 1 (the paper's)": {}, "margin 0.3": {"diffusion.margin": 0.3}, "margin 0.1": {"diffusion.margin": 0.1}}
WORLDS = {"demo": "synthetic demo, paper's recipe"}
WORLDS |= {row: f"{title}, paper's recipe" for row, title in ROWS.items()}
WORLDS |= {f"{row}-tuned": f"{title}, aligned recipe" for row, title in ROWS.items()}


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """triplet.pdf and .png."""
    files = {result.file: result for result in results}
    made = {title: files[f"t_test_{name}.npz"] for name, title in WORLDS.items() if f"t_test_{name}.npz" in files}
    names = [f"{SETS[benchmark_named(name).dataset]} {benchmark_named(name).split}, published" for name in paper.ABLATION_COLUMNS]
    names += made
    figure = Figure(figsize=(9.0, 0.42 * len(names) + 1.5))
    ax = figure.subplots()
    gains = [both - alone for alone, both in zip(paper.LOSSES["L_diff only"], paper.LOSSES["both"], strict=True)]
    ax.plot(gains, range(len(gains)), "D", color=style.MIDDLE, markerfacecolor="white", label="published, margin 1")
    for place, result in enumerate(made.values(), len(gains)):
        ours(ax, place, result)
    ax.axvline(0, color=style.MIDDLE, linewidth=1)
    ax.set_yticks(range(len(names)), names, fontsize=style.AXIS)
    ax.invert_yaxis()
    style.finish(ax, "points of top-1 on unseen classes that the triplet loss adds (left: it hurts, right: it helps)")
    handles = {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    ax.legend(handles.values(), handles.keys(), fontsize=style.SMALL, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4)
    seeds = sorted({len(result.arrays["top1_variants"]) for result in made.values()})
    note = f"Mean of the differences over seeds ({' or '.join(map(str, seeds))}), bars: ± their std.\n"
    note += "Ours: nothing selected. Published: selected on test clips."
    caption(figure, "\n".join([note, *(result.source for result in made.values())]))
    return save(figure, out, "triplet")


def ours(ax: Axes, place: int, result: Result) -> None:
    """Draw the differences of one data set, one marker per margin, from its ``top1_variants`` (seed, variant) and ``variants``."""
    top1, names = 100 * result.arrays["top1_variants"], [str(name) for name in result.arrays["variants"]]
    without = top1[:, names.index(str({"diffusion.triplet_weight": 0.0}))]
    for number, (title, setting) in enumerate(SETTINGS.items()):
        if str(setting) not in names:
            continue
        gain = top1[:, names.index(str(setting))] - without
        colour, marker = style.class_look(number)
        spread = float(np.std(gain, ddof=1)) if len(gain) > 1 else 0.0
        ax.errorbar([gain.mean()], [place + 0.2 * (number - 1)], xerr=[spread], fmt=marker, color=colour, capsize=2, elinewidth=1, label=title)


if __name__ == "__main__":
    run(draw, __doc__)
