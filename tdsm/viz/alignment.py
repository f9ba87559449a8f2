"""Do skeleton and text features stand together? The pictures; each goes with numbers.

A two-dimensional map shows neighbours, not distances, and shows clusters in noise. So beside each picture belong numbers that are measured in the
full space (:mod:`tdsm.viz.measures`, whose functions can be had from here as well). The features come from :mod:`tdsm.viz.spaces`;
:func:`tdsm.viz.interactive.interactive_scatter` draws the map whose points play their clips.
"""

import textwrap
import warnings
from collections.abc import Mapping, Sequence

import matplotlib.patheffects
import numpy as np
import torch
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.util.errors import InputError
from tdsm.viz import style
from tdsm.viz.measures import Interval, gap_interval, interval, knn_agreement, modality_gap, neighbour_shares, own_label_rank, unit_rows
from tdsm.viz.spaces import fused

__all__ = [
    "Interval", "fused", "gap_interval", "interval", "knn_agreement", "modality_gap", "neighbour_shares", "own_label_rank", "project", "scatter",
    "scatter_prompts",
]  # fmt: skip


SHORT = 16  # letters of a name that may stand at its star


def project(features: Mapping[str, np.ndarray] | np.ndarray, method: str, seed: int = 0, neighbours: int = 15) -> np.ndarray:
    """A map of the features in the plane, (N, 2) float32.

    The same seed on the same machine gives the same map; another machine may give another, so save it, and never print it.
    The first UMAP of a process compiles for several seconds.

    Args:
        features: (N, D), or several such sets of one width D by name; sets are stacked in order and the map is fitted on all of them.
        method: "umap" (McInnes et al., 2018; cosine, min_dist 0.5) or "pca" (of the rows scaled to length 1).
        seed: of UMAP's optimiser.
        neighbours: that UMAP joins to each row, or as many as there are; more than a class has rows, and classes do not fall apart into islands.

    Raises:
        InputError: fewer than 3 rows, sets of different widths, NaN, or an unknown method.
    """
    sets = features if isinstance(features, Mapping) else {"features": features}
    rows = [unit_rows(values, name) for name, values in sets.items()]
    if len({values.shape[1] for values in rows}) > 1:
        raise InputError("project", f"widths differ: {dict(zip(sets, [values.shape[1] for values in rows], strict=True))}", "project sets of one width")
    stacked = np.concatenate(rows)
    if len(stacked) < 3:
        raise InputError("project", f"{len(stacked)} rows", "give 3 or more")
    if method == "pca":
        return _pca(stacked)
    if method == "umap":
        return _umap(stacked, seed, neighbours)
    raise InputError("project", f"method is {method!r}", "choose umap or pca")


def _pca(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    directions = np.pad(directions[:2], ((0, max(0, 2 - len(directions))), (0, 0)))
    # The sign of a singular vector is arbitrary: its largest entry is made positive.
    largest = np.take_along_axis(directions, np.abs(directions).argmax(1, keepdims=True), 1)
    return (centred @ (directions * np.where(largest < 0, -1, 1)).T).astype(np.float32)


def _umap(rows: np.ndarray, seed: int, neighbours: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # umap says so when TensorFlow is not there, which we do not use
        import umap
    threads = torch.get_num_threads()  # numba, once in a process, sets them for torch as well; training would then give other bits
    # PCA as the start, not the spectral one, which fails on few rows and warns on separate clusters; scaled to UMAP's customary extent of 10.
    start = _pca(rows)
    start = 10 * start / max(float(np.abs(start).max()), 1e-12)
    mapper = umap.UMAP(n_neighbors=min(neighbours, len(rows) - 1), min_dist=0.5, metric="cosine", init=start, random_state=seed, n_jobs=1)
    try:
        return mapper.fit_transform(rows.astype(np.float32))
    finally:
        torch.set_num_threads(threads)


def scatter(
    points: np.ndarray,
    labels: Sequence[str] | np.ndarray,
    title: str = "",
    caption: str = "",
    ax: Axes | None = None,
    text_points: np.ndarray | None = None,
    text_labels: Sequence[str] | np.ndarray = (),
) -> tuple[Figure, Axes]:
    """The map: skeleton features as dots, text features as named stars, one colour and marker a class.

    Stars carry their name, or where one is longer than 16 letters their number in the legend, so that names do not cover the picture.

    Args:
        points, labels: (N, 2), as from :func:`project`, and N class names.
        title, caption: above and below it; put the number into the caption, such as ``f"agreement of 10 neighbours: {value:.2f}"``.
        ax: axes to draw into.
        text_points, text_labels: (K, 2) of the same map, and K class names.

    Raises:
        InputError: points and labels differ in number.
    """
    text_points = np.empty((0, 2)) if text_points is None else text_points
    for what, places, names in (("points", points, labels), ("text_points", text_points, text_labels)):
        if np.shape(places) != (len(names), 2):
            raise InputError("scatter", f"{what} have shape {np.shape(places)} for {len(names)} labels", f"give ({len(names)}, 2)")
    classes = [*dict.fromkeys(text_labels), *sorted(set(labels) - set(text_labels))]
    numbered = any(len(name) > SHORT for name in text_labels)
    fig, ax = style.new_axes(ax, 8.5, 5.0)
    for index, name in enumerate(classes):
        colour, marker = style.look(index)
        own = points[np.asarray(labels) == name]
        shown = f"{index + 1}  {name}" if numbered and name in text_labels else name
        ax.scatter(own[:, 0], own[:, 1], s=22, c=colour, marker=marker, alpha=0.75, linewidths=0, label=textwrap.fill(shown, 34))
    halo = [matplotlib.patheffects.withStroke(linewidth=2.5, foreground="white")]
    for (x, y), name in zip(text_points, text_labels, strict=True):
        place = classes.index(name)
        ax.scatter([x], [y], s=190, c=style.look(place)[0], marker="*", edgecolors="black", linewidths=0.8, zorder=3)
        written = {"textcoords": "offset points", "ha": "center", "fontsize": style.SMALL, "path_effects": halo, "zorder": 4}
        ax.annotate(str(place + 1) if numbered else name, (x, y), (0, 9), **written)
    _frame(ax, title, caption, len(classes))
    return fig, ax


def _frame(ax: Axes, title: str, caption: str, entries: int) -> None:
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.margins(0.1)
    ax.set_title(title, fontsize=style.TITLE)
    ax.set_xlabel(caption, fontsize=style.AXIS)
    ax.legend(fontsize=style.SMALL, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), ncols=1 + (entries - 1) // 25)


def scatter_prompts(
    points: np.ndarray, labels: Sequence[str] | np.ndarray, right: Bool[np.ndarray, " row"], title: str = "", caption: str = "", ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """The map of fused pairs: filled where the clip stands with its own label, hollow and in another colour where with a wrong one.

    Args:
        points: (N, 2), as from :func:`project`.
        labels: N class names, of the clip or of the label it stands with: the marker.
        right: (N,) whether the row's label is its clip's own.
        title, caption, ax: as for :func:`scatter`.

    Raises:
        InputError: points, labels and right differ in number.
    """
    if np.shape(points) != (len(labels), 2) or np.shape(right) != (len(labels),):
        raise InputError("scatter_prompts", f"{len(points)} points, {len(labels)} labels, {len(right)} right or wrong", "give one of each a row")
    fig, ax = style.new_axes(ax, 8.5, 5.0)
    for own, colour, words in ((True, style.OK, "with its own label"), (False, style.MISS, "with a wrong label")):
        face = colour if own else "none"
        ax.scatter([], [], s=40, c=face, edgecolors=colour, label=words)
        for index, name in enumerate(dict.fromkeys(labels)):
            rows = points[(np.asarray(labels) == name) & (right == own)]
            ax.scatter(rows[:, 0], rows[:, 1], s=26, c=face, edgecolors=colour, marker=style.look(index)[1], linewidths=0.9, alpha=0.8)
    for index, name in enumerate(dict.fromkeys(labels)):
        ax.scatter([], [], s=26, c=style.MIDDLE, marker=style.look(index)[1], label=textwrap.fill(name, 34))
    _frame(ax, title, caption, entries=2 + len(set(labels)))
    return fig, ax
