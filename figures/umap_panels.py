"""Recorded clips of unseen classes in the plane: in the space of the aligned recipe, and on the way through the paper's recipe.

    python figures/umap_panels.py

Above, clips and labels in one space: with untrained towers, with the shipped ones (generated pairs alone), and tuned to clips of the seen classes. Below,
the same clips as the paper's recipe has them: from the encoder, after the denoiser's last block, and by their errors. Coordinates were computed when the
result files were made (benchmarks/ablations.py), so that every drawing is the same.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from common import ROWS, caption, result_named, run, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.experiments.results import Result
from tdsm.viz import style
from tdsm.viz.alignment import scatter

ROW = "utd-mhad-purls-18-9"
ALIGNED = {"untrained": "before training", "shipped": "generated pairs only", "tuned": "tuned to seen clips"}
PAPER = {"encoder": "paper's recipe: encoder, $z_x$", "denoiser": "denoiser: last hidden state", "errors": "denoising errors"}


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """umap.pdf and .png."""
    aligned, paper = (result_named(results, f"pictures_{name}.npz") for name in (f"{ROW}-tuned", ROW))
    labels = [str(label) for label in aligned.arrays["labels"]]
    figure = Figure(figsize=(13, 8.2))
    axes = figure.subplots(2, 3)
    for ax, (name, title) in zip(axes[0], ALIGNED.items(), strict=True):
        points, first = aligned.arrays[f"map_{name}"], float(aligned.arrays[f"first_{name}"])
        clips = len(aligned.arrays["y"])
        actions = np.array(labels)[aligned.arrays["y"]]
        scatter(points[:clips], actions, title, f"own label nearest: {first:.0%}; chance {1 / len(labels):.0%}", ax, points[clips:], labels)
        finish(ax, points)
    for ax, (name, title) in zip(axes[1], PAPER.items(), strict=True):
        points, agreement = paper.arrays[f"map_{name}"], float(paper.arrays[f"agreement_{name}"])
        scatter(points, np.array(labels)[paper.arrays["y"]], title, f"10 nearest neighbours of the same class: {agreement:.0%}", ax, classes=labels)
        finish(ax, points)
    figure.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside right center", fontsize=style.SMALL)
    told = f"{len(aligned.arrays['y'])} recorded clips of the {len(labels)} unseen classes of {ROWS[ROW]}, one seed. UMAP (cosine), fitted on each panel alone."
    known = "Stars: labels. No panel below knows a clip's class: hidden states and errors are those under all labels."
    caption(figure, f"{told} {known}\n{aligned.source}; {paper.source}")
    return save(figure, out, "umap")


def finish(ax: Axes, points: np.ndarray) -> None:
    """A square frame around all points, and no legend of its own."""
    ax.get_legend().remove()
    middle, half = (points.max(axis=0) + points.min(axis=0)) / 2, 0.55 * np.ptp(points, axis=0).max()
    ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
    ax.spines[:].set(visible=True, color=style.FLOOR)


if __name__ == "__main__":
    run(draw, __doc__)
