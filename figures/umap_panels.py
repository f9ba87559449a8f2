"""Draw UMAP maps of recorded clips of unseen classes, in the space of the aligned recipe and in three spaces of the paper's recipe.

    python figures/umap_panels.py

The first line shows clips and labels in one space: with untrained towers, with the shipped towers (trained on generated pairs only), and after tuning to clips
of the seen classes. The second line shows the same clips in the paper's recipe: features of the encoder, hidden states after the last block of the denoiser,
and denoising errors. The coordinates were computed together with the result files (benchmarks/ablations.py), so every drawing is the same.
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
    """Draw umap.pdf and .png."""
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
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", fontsize=style.SMALL)
    note = f"{len(aligned.arrays['y'])} recorded clips of the {len(labels)} unseen classes of {ROWS[ROW]}, one seed. UMAP (cosine), fitted on each panel alone."
    known = "Stars: labels. Second line: hidden states and errors are those under all labels, so no panel uses a clip's class."
    caption(figure, f"{note} {known}\n{aligned.source}; {paper.source}")
    return save(figure, out, "umap")


def finish(ax: Axes, points: np.ndarray) -> None:
    """A square frame around all points, and no legend of its own."""
    ax.get_legend().remove()
    middle, half = (points.max(axis=0) + points.min(axis=0)) / 2, 0.55 * np.ptp(points, axis=0).max()
    ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
    ax.spines[:].set(visible=True, color=style.FLOOR)


if __name__ == "__main__":
    run(draw, __doc__)
