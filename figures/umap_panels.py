"""Draw UMAP maps of unseen clips in three spaces: features of the encoder, hidden states after the last block of the denoiser, and denoising errors.

    python figures/umap_panels.py

The coordinates were computed together with the result file (benchmarks/ablations.py), so every drawing is the same.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from common import caption, result_named, run, save
from matplotlib.figure import Figure

from tdsm.experiments.results import Result
from tdsm.viz import style
from tdsm.viz.alignment import scatter

PANELS = {
    "encoder": "encoder: $z_x$",
    "denoiser": "denoiser: last hidden state",
    "errors": "denoising errors",
}


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """Draw umap.pdf and .png."""
    made = result_named(results, "pictures_demo.npz")
    labels = made.arrays["labels"][made.arrays["y"]]
    figure = Figure(figsize=(13, 4.4))
    for ax, (name, title) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        agreement = float(made.arrays[f"agreement_{name}"])
        scatter(made.arrays[f"map_{name}"], labels, title, f"10 nearest neighbours of the same class: {agreement:.0%}", ax)
        ax.get_legend().remove()
        points = made.arrays[f"map_{name}"]
        middle, half = (points.max(axis=0) + points.min(axis=0)) / 2, 0.55 * np.ptp(points, axis=0).max()
        ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
        ax.spines[:].set(visible=True, color=style.FLOOR)
    handles, words = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside right center", fontsize=style.SMALL)
    note = f"{len(labels)} synthetic clips of {len(words)} unseen classes, one seed; UMAP (cosine) fitted on these clips alone."
    known = "Hidden states and errors are those under all labels: no panel knows a clip's class."
    caption(figure, f"{note} {known}\n{made.source}")
    return save(figure, out, "umap")


if __name__ == "__main__":
    run(draw, __doc__)
