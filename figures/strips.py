"""Recorded clips of unseen classes with their true and predicted labels: the first clip of each class, which nobody chose.

    python figures/strips.py

People face the sensor; blue is the person's left, orange the right.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from common import ROWS, caption, result_named, run, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.data.clips import Clip
from tdsm.data.layouts import layout_named
from tdsm.experiments.results import Result
from tdsm.viz import style
from tdsm.viz.stills import limbs, seen_from_sensor, standard_view, verdict

ROW = "utd-mhad-purls-18-9"
COLUMNS = 2
GAP = 0.1  # metres between two frames at the least


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """strips.pdf and .png."""
    made = result_named(results, f"pictures_{ROW}-tuned.npz")
    clips, answers = saved_clips(made)
    bodies = [over_one_floor(clip) for clip in clips]
    apart = GAP + max(np.ptp(each[..., 0]) for each in bodies)
    height = max(each[..., 1].max() for each in bodies)
    rows = -(-len(clips) // COLUMNS)
    figure = Figure(figsize=(13, 1.75 * rows + 0.5))
    axes = figure.subplots(rows, COLUMNS).ravel()
    for ax in axes[len(clips) :]:
        ax.set_axis_off()
    for ax, clip, places, answer in zip(axes, clips, bodies, answers, strict=False):
        strip(ax, clip, places, apart, answer)
        ax.set(xlim=(-0.55 * apart, (clip.frames - 0.45) * apart), ylim=(-0.3, height + 0.1), aspect="equal")
    right = sum(clip.label == answer for clip, answer in zip(clips, answers, strict=True))
    told = f"Clips of the unseen classes of {ROWS[ROW]}, the first of each class; {right} of these {len(clips)} are right (one seed)."
    told += " Blue: the person's left, orange: right."
    caption(figure, f"{told}\n{made.source}")
    return save(figure, out, "strips")


def saved_clips(made: Result) -> tuple[list[Clip], list[str]]:
    """The saved frames as clips, and the answer of each."""
    layout, labels = layout_named(str(made.arrays["layout"])), made.arrays["labels"]
    seconds = made.arrays["strip_seconds"]
    rates = (seconds.shape[1] - 1) / seconds[:, -1]
    clips = [Clip(joints[None], layout, str(label), fps=float(rate)) for joints, label, rate in zip(made.arrays["strip_joints"], labels, rates, strict=True)]
    return clips, [str(label) for label in labels[made.arrays["strip_scores"].argmax(axis=1)]]


def over_one_floor(clip: Clip) -> np.ndarray:
    """(T, V, 2) metres right and up: each frame's spine base over 0, the lowest joint of all frames at height 0."""
    bodies = seen_from_sensor(clip, *standard_view(clip.layout))[0][..., :2]
    return bodies - np.stack([bodies[:, :1, 0], np.full_like(bodies[:, :1, 1], bodies[..., 1].min())], axis=-1)


def strip(ax: Axes, clip: Clip, bodies: np.ndarray, apart: float, answer: str) -> None:
    """All frames of a clip side by side, ``apart`` metres from one to the next."""
    for number, body in enumerate(bodies):
        place = body + np.array([apart * number, 0])
        for one, other, colour, width in limbs(clip.layout, None):
            ax.plot(*place[[one, other]].T, color=colour, linewidth=1.5 * width, solid_capstyle="round")
        ax.plot(*place[clip.layout.joints.index("head")], "o", color=style.MIDDLE, markersize=4)
        ax.text(apart * number, -0.06, f"{number / clip.fps:.1f} s", ha="center", va="top", fontsize=style.SMALL - 1, color=style.MIDDLE)
    ax.axhline(0, color=style.FLOOR, linewidth=1, zorder=0)
    ax.set_axis_off()
    said = verdict(clip.label, answer)
    ax.set_title("     ".join(words for words, _ in said), color=said[-1][1], loc="left", fontsize=style.AXIS)


if __name__ == "__main__":
    run(draw, __doc__)
