"""Every figure and table that is drawn from result files alone: what `make figures` runs.

    python figures/all.py

Nothing is trained. The other scripts of this folder draw from recordings or generated clips, and are run by hand.
"""

from collections.abc import Sequence
from pathlib import Path

import losses_and_timesteps
import never_met
import pipeline
import scale
import strips
import t_test
import tables
import triplet
import umap_panels
import unseen_classes
from common import run

from tdsm.experiments.results import Result

FIGURES = (tables, unseen_classes, never_met, t_test, losses_and_timesteps, triplet, umap_panels, strips, pipeline, scale)


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """All of them."""
    return [path for figure in FIGURES for path in figure.draw(results, out)]


if __name__ == "__main__":
    run(draw, __doc__)
