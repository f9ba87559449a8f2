"""Plots of a run: which classes are confused, how training went, how a clip's labels rank.

Each takes ``ax``, axes to draw into (left out: fresh ones), returns ``(fig, ax)``, and never shows.
"""

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.util.errors import InputError
from tdsm.viz import style

__all__ = ["confusion", "history", "ranking"]

CELLS_WITH_TEXT = 20  # classes a side, beyond which numbers in the cells can no longer be read


def confusion(matrix: np.ndarray, true_labels: Sequence[str], predicted_labels: Sequence[str], ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Confusion matrix, each row scaled to 100 %, with percent and count in the cell.

    Args:
        matrix: (K_true, K_predicted) counts, one row a true class; a row without clips stays empty.
        true_labels, predicted_labels: K_true and K_predicted class names; the second are more in the generalised setting.

    Raises:
        InputError: the shape does not fit the labels, or a count below 0.
    """
    matrix = np.asarray(matrix)
    shape = (len(true_labels), len(predicted_labels))
    if matrix.shape != shape:
        raise InputError("confusion matrix", f"shape {matrix.shape}, but {shape[0]} true and {shape[1]} predicted labels", f"give {shape}")
    if not (np.isfinite(matrix).all() and (matrix >= 0).all()):
        raise InputError("confusion matrix", "a count is negative or not a number", "give counts of clips")
    totals = matrix.sum(1, keepdims=True)
    share = np.divide(matrix, totals, out=np.zeros(shape), where=totals > 0)
    long = 0.075 * max(map(len, [*true_labels, *predicted_labels]), default=0)
    cell = 0.62 if max(shape) <= CELLS_WITH_TEXT else 0.2
    fig, ax = style.new_axes(ax, cell * shape[1] + long + 1.6, cell * shape[0] + 0.7 * long + 0.9)
    picture = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(shape) <= CELLS_WITH_TEXT else {"rotation": 90}
    ax.set_xticks(range(shape[1]), predicted_labels, fontsize=style.AXIS, **slant)
    ax.set_yticks(range(shape[0]), true_labels, fontsize=style.AXIS)
    ax.set_xlabel("predicted", fontsize=style.AXIS)
    ax.set_ylabel("true", fontsize=style.AXIS)
    fig.colorbar(picture, ax=ax, format=lambda value, _: f"{value:.0%}", shrink=0.8).ax.tick_params(labelsize=style.SMALL)
    if max(shape) <= CELLS_WITH_TEXT:
        for row, column in np.argwhere(matrix > 0):
            colour = "white" if share[row, column] > 0.55 else style.TEXT
            ax.text(column, row, f"{share[row, column]:.0%}\n{matrix[row, column]:g}", ha="center", va="center", fontsize=style.SMALL, color=colour)
    return fig, ax


def history(rows: Sequence[Mapping[str, Real]], columns: Sequence[str] | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Training history, one line a column, over ``step`` (or the row's number where rows have no step).

    Args:
        rows: one mapping a logged step; a column may be missing in some rows.
        columns: what to draw; left out: every column but ``step``.

    Raises:
        InputError: no rows, or a column that no row has.
    """
    if not rows:
        raise InputError("history", "no rows", "give the log of at least one step")
    known = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "step"]
    fig, ax = style.new_axes(ax, 6.0, 3.4)
    for index, name in enumerate(known if columns is None else columns):
        points = [(row.get("step", number), row[name]) for number, row in enumerate(rows) if name in row]
        if not points:
            raise InputError("history", f"no column {name!r}", f"choose among: {', '.join(known)}")
        colour, marker = style.look(index)
        marks = {"marker": marker, "markevery": max(1, len(points) // 10), "markersize": 4}
        ax.plot(*zip(*points, strict=True), color=colour, linestyle=style.LINES[index % len(style.LINES)], linewidth=1.4, label=name, **marks)
    style.finish(ax, "step" if "step" in rows[0] else "row")
    ax.legend(fontsize=style.SMALL, frameon=False)
    return fig, ax


def ranking(scores: Mapping[str, Real], true: str | None = None, top: int = 10, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Labels of one clip as bars, best on top; the true one is hatched and marked with a tick and the word.

    Args:
        scores: label → score, higher is better.
        true: the clip's own label, where known.
        top: how many labels to draw at most; the true one joins them when it ranks lower.

    Raises:
        InputError: no score, one that is not a finite number, or a true label without a score.
    """
    if not scores or not np.isfinite(list(scores.values())).all():
        raise InputError("ranking", "no score, or one that is not a number", "give a finite score a label")
    if true is not None and true not in scores:
        raise InputError("ranking", f"the true label {true!r} has no score", f"choose among: {', '.join(scores)}")
    ranked = sorted(scores, key=lambda label: -scores[label])
    shown = [(rank, label) for rank, label in enumerate(ranked, 1) if rank <= top or label == true]
    fig, ax = style.new_axes(ax, 6.0, 0.32 * len(shown) + 0.6)
    bars = ax.barh(range(len(shown)), [scores[label] for _, label in shown], color=style.BAR, edgecolor="white")
    ax.bar_label(bars, [f"{scores[label]:.3g}" for _, label in shown], padding=3, fontsize=style.SMALL)
    for bar, (_, label) in zip(bars, shown, strict=True):
        if label == true:
            bar.set(hatch="///", facecolor=style.COLOURS[2])
    ax.set_yticks(range(len(shown)), [f"{rank}. {label}{' ✓ true' if label == true else ''}" for rank, label in shown], fontsize=style.AXIS)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    style.finish(ax, "score", ticks="x")
    return fig, ax
