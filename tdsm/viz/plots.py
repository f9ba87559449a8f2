"""Plots of a run: confusion matrix, training history, and the ranking of labels for one clip.

Each function takes ``ax``, the axes to draw into (default: new axes), returns ``(fig, ax)``, and shows nothing.
"""

import textwrap
from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.util.errors import InputError
from tdsm.viz import style

__all__ = ["by_accuracy", "confusion", "history", "ranking"]

WIDE = 9.8  # inches: at most, so that a figure at 100 dpi fits a notebook's column
NAMED = 12  # with more predicted labels than this, columns are numbered
WRAP, WRAP_BELOW = 30, 110  # letters of a line of a label, and of the list of numbered columns
LETTER = 0.068  # inches, of one letter of a label


def confusion(
    matrix: np.ndarray, true_labels: Sequence[str], predicted_labels: Sequence[str], ax: Axes | None = None, *, by_recall: bool = True
) -> tuple[Figure, Axes]:
    """Confusion matrix, at most 980 pixels wide at 100 dpi. Each row is scaled to 100 %; cells show percent and count where they are large enough.

    With more than 12 predicted labels the columns are numbered, and the same numbers follow the labels of the rows. Labels without a row are listed
    below the matrix. Labels are wrapped and never cut.

    Args:
        matrix: (K_true, K_predicted) counts, one row per true class. A row without clips stays empty.
        true_labels, predicted_labels: K_true and K_predicted class names. In the generalised setting there are more of the second.
        ax: axes to draw into. Default: new axes of suitable size.
        by_recall: sort the rows by the share of their clips that is right, highest first, and the columns likewise. False keeps the given order.

    Raises:
        InputError: the shape does not fit the labels, or a count is negative or not finite.
    """
    matrix = np.asarray(matrix)
    shape = (len(true_labels), len(predicted_labels))
    if matrix.shape != shape:
        raise InputError("confusion matrix", f"shape {matrix.shape}, but {shape[0]} true and {shape[1]} predicted labels", f"give {shape}")
    if not (np.isfinite(matrix).all() and (matrix >= 0).all()):
        raise InputError("confusion matrix", "a count is negative or not a number", "give counts of clips")
    rows, columns = by_accuracy(matrix, true_labels, predicted_labels) if by_recall else (list(range(shape[0])), list(range(shape[1])))
    matrix, true, predicted = matrix[np.ix_(rows, columns)], [true_labels[row] for row in rows], [predicted_labels[column] for column in columns]
    totals = matrix.sum(1, keepdims=True)
    share = np.divide(matrix, totals, out=np.zeros(shape), where=totals > 0)
    numbered = shape[1] > NAMED
    number_of = {label: number for number, label in enumerate(predicted, 1)} if numbered else {}
    names = [textwrap.fill(f"{label}\u00a0·\u00a0{number_of[label]}" if label in number_of else label, WRAP) for label in true]
    beside = LETTER * max((len(line) for name in names for line in name.split("\n")), default=0) + 1.5  # with the scale on the right
    lines = max((name.count("\n") + 1 for name in names), default=1)
    wide = min(0.62, (WIDE - beside) / max(1, shape[1]))
    tall = max(min(0.5, wide), 0.135 * lines)
    step = next(step for step in (1, 2, 5, 10, 20, 50) if step * wide >= 0.15 or step == 50) if numbered else 1  # numbers that do not touch
    heads = [str(number) for number in number_of.values()] if numbered else [textwrap.fill(label, WRAP) for label in predicted]
    others = textwrap.fill(" · ".join(f"{number}\u00a0{label}" for label, number in number_of.items() if label not in true), WRAP_BELOW)
    below = 0.9 if numbered else 0.9 + 0.75 * LETTER * max((len(line) for head in heads for line in head.split("\n")), default=0)
    below += 0.16 * (others.count("\n") + 1) if others else 0
    fig, ax = style.new_axes(ax, wide * shape[1] + beside, tall * shape[0] + below)
    picture = ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    small = min(style.AXIS, 90 * tall / lines * 0.6)
    slant = {"fontsize": style.AXIS if wide > 0.25 else 6.5}
    if not numbered:
        slant = {"fontsize": style.AXIS, "rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    shown = list(range(step - 1, shape[1], step))
    ax.set_xticks(shown, [heads[column] for column in shown], parse_math=False, **slant)
    ax.set_yticks(range(shape[0]), names, fontsize=small, parse_math=False)
    ax.set_xlabel("predicted" + (" (numbers: see the labels of the rows)" if numbered else "") + (f"\n{others}" if others else ""))
    ax.xaxis.label.set(fontsize=style.AXIS, parse_math=False)
    ax.set_ylabel("true", fontsize=style.AXIS)
    fig.colorbar(picture, ax=ax, format=lambda value, _: f"{value:.0%}", shrink=0.8, pad=0.02).ax.tick_params(labelsize=style.SMALL)
    _write_cells(ax, matrix, share, min(wide, tall))
    return fig, ax


def by_accuracy(matrix: np.ndarray, true_labels: Sequence[str], predicted_labels: Sequence[str]) -> tuple[list[int], list[int]]:
    """Orders of rows and columns: rows by the share of their clips that is right, highest first; columns alike, and those without a row after them."""
    totals = np.maximum(matrix.sum(1), 1)
    right = [matrix[row, list(predicted_labels).index(label)] / totals[row] if label in predicted_labels else 0.0 for row, label in enumerate(true_labels)]
    rows = sorted(range(len(true_labels)), key=lambda row: -right[row])
    first = {true_labels[row]: place for place, row in enumerate(rows)}
    return rows, sorted(range(len(predicted_labels)), key=lambda column: first.get(predicted_labels[column], len(first)))


def _write_cells(ax: Axes, matrix: np.ndarray, share: np.ndarray, side: float) -> None:
    """Percent and count in each filled cell, the count alone in small cells, nothing in cells below 0.22 inches."""
    if side < 0.22:
        return
    for row, column in np.argwhere(matrix > 0):
        colour, words = "white" if share[row, column] > 0.55 else style.TEXT, f"{matrix[row, column]:g}"
        words = f"{share[row, column]:.0%}\n{words}" if side >= 0.4 else words
        ax.text(column, row, words, ha="center", va="center", fontsize=style.SMALL if side >= 0.4 else 6.5, color=colour)


def history(rows: Sequence[Mapping[str, Real]], columns: Sequence[str] | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Training history: one line per column over ``step``, or over the number of the row if rows have no step.

    Args:
        rows: one mapping per logged step. A column may be missing in some rows.
        columns: the columns to draw. Default: all but ``step``.
        ax: axes to draw into. Default: new axes.

    Raises:
        InputError: no rows, or a column that is in no row.
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


def ranking(scores: Mapping[str, Real], true: str | None = None, top: int = 10, ax: Axes | None = None, *, form: str = ".3g") -> tuple[Figure, Axes]:
    """Scores of labels for one clip as bars from 0, sorted, highest on top. The true label is hatched and marked; labels are wrapped and never cut.

    Args:
        scores: label → score, higher is better.
        true: the label of the clip, if known.
        top: number of labels to draw. A true label with a lower rank is drawn below them.
        ax: axes to draw into. Default: new axes of suitable size.
        form: format of the numbers; ".0%" for probabilities.

    Raises:
        InputError: no score, a score that is not finite, or a true label without a score.
    """
    if not scores or not np.isfinite(list(scores.values())).all():
        raise InputError("ranking", "no score, or one that is not a number", "give one finite score per label")
    if true is not None and true not in scores:
        raise InputError("ranking", f"the true label {true!r} has no score", f"choose among: {', '.join(scores)}")
    ranked = sorted(scores, key=lambda label: -scores[label])
    shown = [(rank, label) for rank, label in enumerate(ranked, 1) if rank <= top or label == true]
    names = [textwrap.fill(f"{rank}. {label}{' ✓ true' if label == true else ''}", WRAP + 4) for rank, label in shown]
    lines = max(name.count("\n") + 1 for name in names)
    fig, ax = style.new_axes(ax, 6.0, max(0.32, 0.17 * lines + 0.03) * len(shown) + 0.6)
    bars = ax.barh(range(len(shown)), [scores[label] for _, label in shown], color=style.BAR, edgecolor="white")
    ax.bar_label(bars, [f"{scores[label]:{form}}" for _, label in shown], padding=3, fontsize=style.SMALL)
    for bar, (_, label) in zip(bars, shown, strict=True):
        if label == true:
            bar.set(hatch="///", facecolor=style.COLOURS[2])
    ax.axvline(0, color=style.MIDDLE, linewidth=0.8)
    ax.set_yticks(range(len(shown)), names, fontsize=style.AXIS, parse_math=False)
    ax.invert_yaxis()
    ax.margins(x=0.14)
    if form.endswith("%"):
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    style.finish(ax, "score", ticks="x")
    return fig, ax
