"""Maps of features, and measures of how near clips lie to their labels.

A map in the plane shows neighbours, not distances, and it shows clusters even in noise. The numbers are measured in the full space
(:mod:`tdsm.viz.measures`; its functions can be imported from here as well). The features come from :mod:`tdsm.viz.spaces`.
:func:`tdsm.viz.interactive.interactive_scatter` draws the map whose points play their clips.
"""

import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.patheffects
import numpy as np
import torch
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.util.errors import InputError
from tdsm.util.tables import html_table
from tdsm.viz import style
from tdsm.viz.measures import Interval, gap_interval, interval, knn_agreement, modality_gap, neighbour_shares, own_label_rank, unit_rows
from tdsm.viz.spaces import Pairs, Space, fused

__all__ = [
    "Interval", "Numbers", "fused", "gap_interval", "interval", "knn_agreement", "modality_gap", "neighbour_shares", "own_label_rank", "pair_numbers",
    "panels", "project", "scatter", "scatter_prompts", "space_numbers",
]  # fmt: skip


SHORT = 16  # letters of a name that may be written at its star


@dataclass(frozen=True)
class Numbers:
    """A table of measures with their 95 % intervals; shows itself.

    Attributes:
        rows: what was measured (a space, pairs) -> measure -> its value.
        note: the value expected by chance, and the unit of the bootstrap draws.
    """

    rows: Mapping[str, Mapping[str, Interval]]
    note: str

    def __repr__(self) -> str:
        names = list(next(iter(self.rows.values())))
        lines = [["", *names], *([row, *(str(values[name]) for name in names)] for row, values in self.rows.items())]
        widths = [max(len(line[column]) for line in lines) for column in range(len(names) + 1)]
        return "\n".join([*("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines), self.note])

    def _repr_html_(self) -> str:
        names = list(next(iter(self.rows.values())))
        return html_table([(row, *(values[name] for name in names)) for row, values in self.rows.items()], ["", *names], note=self.note)


def space_numbers(spaces: Mapping[str, Space], neighbours: int = 10) -> Numbers:
    """Measure how near clips lie to their own label, and to clips of the same action, in each space.

    The note of the result defines the columns. Ranks are by cosine, among all labels of the space.

    Raises:
        InputError: no space, or fewer clips of other persons than ``neighbours``.
    """
    if not spaces:
        raise InputError("space_numbers", "no space", "give at least one")
    rows = {}
    for name, space in spaces.items():
        persons, actions = space.of.subjects, np.array(space.actions)
        ranks = own_label_rank(unit_rows(space.clips, name) @ unit_rows(space.labels, name).T, space.of.y)
        others = neighbour_shares(space.clips, actions, neighbours, apart=[persons])
        rows[name] = {
            "neighbours": interval(neighbour_shares(space.clips, actions, neighbours), persons),
            "other persons": interval(others, persons),
            "gap": gap_interval(space.clips, space.labels, persons),
            "own label, persons drawn": interval(ranks, persons),
            "own label, actions drawn": interval(ranks, actions),
            "first, actions drawn": interval(ranks == 1, actions),
        }
    counts = sorted({len(space.labels) for space in spaces.values()})
    chance = ", ".join(f"{(count + 1) / 2:g} and {1 / count:.2f} among {count} labels" for count in counts)
    note = f"neighbours: share of the {neighbours} nearest clips that show the same action; other persons: the same without clips of the same person; "
    note += "gap: distance between the mean directions of clips and labels, 0 to 2; own label: rank of the right label; "
    note += f"first: share of clips for which it is 1; by chance: own label and first {chance}; "
    note += "in brackets: 95 % intervals, from drawing whole persons unless actions are named"
    return Numbers(rows, note)


def pair_numbers(pairs: Mapping[str, Pairs], neighbours: int = 10) -> Numbers:
    """Measure whether right pairs have right pairs, and wrong pairs wrong ones, as their nearest neighbours.

    The fair measure ignores neighbours with the same action or the same label: such pairs are alike in any feature.
    """
    rows = {}
    for name, each in pairs.items():
        fair = neighbour_shares(each.rows, each.right, neighbours, apart=[each.clip_y, each.label])
        rows[name] = {
            "all": interval(neighbour_shares(each.rows, each.right, neighbours), np.tile(each.of.subjects, 2)),
            "fair, persons drawn": interval(fair, np.tile(each.of.subjects, 2)),
            "fair, actions drawn": interval(fair, each.clip_y),
        }
    note = f"all: share of the {neighbours} nearest pairs that are right or wrong as the pair is; fair: the same, without neighbours of the same action "
    note += "or label; by chance: 0.5; in brackets: 95 % intervals"
    return Numbers(rows, note)


def project(features: Mapping[str, np.ndarray] | np.ndarray, method: str, seed: int = 0, neighbours: int = 15, dimensions: int = 2) -> np.ndarray:
    """A map of the features in the plane or in space, (N, ``dimensions``) float32.

    The same seed gives the same map on the same machine, but not always on another one. Save the coordinates if others need the same map, and do not test
    their values.
    The first UMAP of a process compiles for several seconds.

    Args:
        features: (N, D), or several such sets of one width D by name; sets are stacked in order and the map is fitted on all of them.
        method: "umap" (McInnes et al., 2018; cosine, min_dist 0.5) or "pca" (of the rows scaled to length 1).
        seed: of UMAP's optimiser.
        neighbours: number of neighbours that UMAP connects to each row (at most N - 1). If it is larger than the number of rows of a class, classes do not
            appear as separate islands.
        dimensions: 2 or 3.

    Raises:
        InputError: fewer than 3 rows, another number of dimensions, sets of different widths, NaN, or an unknown method.
    """
    sets = features if isinstance(features, Mapping) else {"features": features}
    rows = [unit_rows(values, name) for name, values in sets.items()]
    if len({values.shape[1] for values in rows}) > 1:
        raise InputError("project", f"widths differ: {dict(zip(sets, [values.shape[1] for values in rows], strict=True))}", "project sets of one width")
    stacked = np.concatenate(rows)
    if len(stacked) < 3:
        raise InputError("project", f"{len(stacked)} rows", "give 3 or more")
    if dimensions not in (2, 3):
        raise InputError("project", f"dimensions is {dimensions}", "give 2 or 3")
    if method == "pca":
        return _pca(stacked, dimensions)
    if method == "umap":
        return _umap(stacked, seed, neighbours, dimensions)
    raise InputError("project", f"method is {method!r}", "choose umap or pca")


def _pca(rows: np.ndarray, dimensions: int) -> np.ndarray:
    centred = rows - rows.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    directions = np.pad(directions[:dimensions], ((0, max(0, dimensions - len(directions))), (0, 0)))
    # The sign of a singular vector is arbitrary: its largest entry is made positive.
    largest = np.take_along_axis(directions, np.abs(directions).argmax(1, keepdims=True), 1)
    return (centred @ (directions * np.where(largest < 0, -1, 1)).T).astype(np.float32)


def _umap(rows: np.ndarray, seed: int, neighbours: int, dimensions: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # umap says so when TensorFlow is not there, which we do not use
        import umap
    threads = torch.get_num_threads()  # numba, once in a process, sets them for torch as well; training would then give other bits
    # PCA as the start, not the spectral one, which fails on few rows and warns on separate clusters; scaled to UMAP's customary extent of 10.
    start = _pca(rows, dimensions)
    start = 10 * start / max(float(np.abs(start).max()), 1e-12)
    near = min(neighbours, len(rows) - 1)
    mapper = umap.UMAP(n_neighbors=near, n_components=dimensions, min_dist=0.5, metric="cosine", init=start, random_state=seed, n_jobs=1)
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
    classes: Sequence[str] = (),
) -> tuple[Figure, Axes]:
    """The map: clips as small markers, labels as named stars; each class has a colour and a marker of its own.

    A star carries its name. Where one name is longer than 16 letters, stars carry their number in the legend instead.

    Args:
        points, labels: (N, 2), as from :func:`project`, and N class names.
        title, caption: above and below it; put the number into the caption, such as ``f"agreement of 10 neighbours: {value:.2f}"``.
        ax: axes to draw into.
        text_points, text_labels: (K, 2) of the same map, and K class names.
        classes: in the order of colours and legend, so that several maps agree; left out: those of the stars, then the others by name.

    Raises:
        InputError: points and labels differ in number.
    """
    text_points = np.empty((0, 2)) if text_points is None else text_points
    for what, places, names in (("points", points, labels), ("text_points", text_points, text_labels)):
        if np.shape(places) != (len(names), 2):
            raise InputError("scatter", f"{what} have shape {np.shape(places)} for {len(names)} labels", f"give ({len(names)}, 2)")
    classes = list(dict.fromkeys([*classes, *text_labels, *sorted(set(labels))]))
    numbered = any(len(name) > SHORT for name in text_labels)
    fig, ax = style.new_axes(ax, 8.5, 5.0)
    for index, name in enumerate(classes):
        colour, marker = style.class_look(index)
        own = points[np.asarray(labels) == name]
        shown = f"{index + 1}  {name}" if numbered and name in text_labels else name
        ax.scatter(own[:, 0], own[:, 1], s=22, c=colour, marker=marker, alpha=0.75, linewidths=0, label=textwrap.fill(shown, 28))
    halo = [matplotlib.patheffects.withStroke(linewidth=2.5, foreground="white")]
    for (x, y), name in zip(text_points, text_labels, strict=True):
        place = classes.index(name)
        ax.scatter([x], [y], s=190 if len(text_labels) <= 10 else 110, c=style.class_look(place)[0], marker="*", edgecolors="black", linewidths=0.8, zorder=3)
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


def panels(spaces: Mapping[str, Space], seed: int = 0, neighbours: int = 15) -> tuple[Figure, np.ndarray]:
    """One UMAP for each space, title -> space, side by side with one legend; clips are small markers and labels are stars.

    The spaces hold clips of the same classes. Each map is fitted on the clips and labels that it shows, so positions cannot be compared between maps, only
    neighbourhoods. Below each map is the mean rank of the clips' own labels in the full space.

    Raises:
        InputError: no space, or spaces of different classes.
    """
    if not spaces or len({space.of.classes for space in spaces.values()}) > 1:
        raise InputError("panels", f"{len(spaces)} spaces of {len({space.of.classes for space in spaces.values()})} sets of classes", "give spaces of one set")
    fig = Figure(figsize=(2.9 * len(spaces) + 2.3, 3.4), layout="constrained")
    axes = fig.subplots(1, len(spaces), squeeze=False)[0]
    for ax, (title, space) in zip(axes, spaces.items(), strict=True):
        points = project({"clips": space.clips, "labels": space.labels}, "umap", seed, neighbours)
        ranks = own_label_rank(unit_rows(space.clips, title) @ unit_rows(space.labels, title).T, space.of.y)
        count = len(space.of)
        scatter(points[:count], space.actions, title, f"own label: mean rank {ranks.mean():.1f} of {len(space.labels)}", ax, points[count:], space.of.classes)
        legend = ax.get_legend()
        handles, words = legend.legend_handles, [text.get_text() for text in legend.get_texts()]
        legend.remove()
        ax.set(aspect="auto", box_aspect=1)  # the axes of UMAP have no unit
    fig.legend(handles, words, loc="outside right center", fontsize=style.SMALL, frameon=False)
    return fig, axes


def scatter_prompts(
    points: np.ndarray, labels: Sequence[str] | np.ndarray, right: Bool[np.ndarray, " row"], title: str = "", caption: str = "", ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Map of fused pairs. A pair of a clip and its own label is filled; a pair with a wrong label is hollow and has another colour.

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
            ax.scatter(rows[:, 0], rows[:, 1], s=26, c=face, edgecolors=colour, marker=style.class_look(index)[1], linewidths=0.9, alpha=0.8)
    for index, name in enumerate(dict.fromkeys(labels)):
        ax.scatter([], [], s=26, c=style.MIDDLE, marker=style.class_look(index)[1], label=textwrap.fill(name, 28))
    _frame(ax, title, caption, entries=2 + len(set(labels)))
    return fig, ax
