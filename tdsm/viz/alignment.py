"""Do skeleton and text features stand together? A picture, and the numbers that go beside it.

A two-dimensional map shows neighbours, not distances, and shows clusters in noise. So each picture goes with numbers that
are measured in the full space: the share of near neighbours of the same class, and the gap between the modalities.
All of it looks at directions: features are compared by cosine, that is, after scaling each row to length 1.
"""

import warnings
from collections.abc import Mapping, Sequence

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.errors import InputError
from tdsm.viz import style

__all__ = ["knn_agreement", "modality_gap", "project", "scatter"]


def _unit(features: np.ndarray, name: str) -> np.ndarray:
    """(N, D) rows of length 1; a row of zeros stays."""
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or 0 in features.shape:
        raise InputError(name, f"features have shape {features.shape}", "give (clips, width)")
    if not np.isfinite(features).all():
        raise InputError(name, "features hold NaN or infinite values", "extract them again")
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def project(features: Mapping[str, np.ndarray] | np.ndarray, method: str, seed: int = 0) -> np.ndarray:
    """A map of the features in the plane, (N, 2) float32.

    The same seed on the same machine gives the same map; another machine may give another, so save it, and never print it.
    The first UMAP of a process compiles for several seconds.

    Args:
        features: (N, D), or several such sets of one width D by name; sets are stacked in order and the map is fitted on all of them.
        method: "umap" (McInnes et al., 2018; cosine, 15 neighbours or as many as there are) or "pca" (of the rows scaled to length 1).
        seed: of UMAP's optimiser.

    Raises:
        InputError: fewer than 3 rows, sets of different widths, NaN, or an unknown method.
    """
    sets = features if isinstance(features, Mapping) else {"features": features}
    rows = [_unit(values, name) for name, values in sets.items()]
    if len({values.shape[1] for values in rows}) > 1:
        raise InputError("project", f"widths differ: {dict(zip(sets, [values.shape[1] for values in rows], strict=True))}", "project sets of one width")
    stacked = np.concatenate(rows)
    if len(stacked) < 3:
        raise InputError("project", f"{len(stacked)} rows", "give 3 or more")
    if method == "pca":
        return _pca(stacked)
    if method == "umap":
        return _umap(stacked, seed)
    raise InputError("project", f"method is {method!r}", "choose umap or pca")


def _pca(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    directions = np.pad(directions[:2], ((0, max(0, 2 - len(directions))), (0, 0)))
    # The sign of a singular vector is arbitrary: its largest entry is made positive.
    largest = np.take_along_axis(directions, np.abs(directions).argmax(1, keepdims=True), 1)
    return (centred @ (directions * np.where(largest < 0, -1, 1)).T).astype(np.float32)


def _umap(rows: np.ndarray, seed: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # umap says so when TensorFlow is not there, which we do not use
        import umap
    # PCA as the start, not the spectral one, which fails on few rows and warns on separate clusters.
    mapper = umap.UMAP(n_neighbors=min(15, len(rows) - 1), metric="cosine", init=_spread(rows), random_state=seed, n_jobs=1)
    return mapper.fit_transform(rows.astype(np.float32))


def _spread(rows: np.ndarray) -> np.ndarray:
    """PCA scaled to UMAP's customary extent of 10."""
    start = _pca(rows)
    return 10 * start / max(float(np.abs(start).max()), 1e-12)


def knn_agreement(features: np.ndarray, labels: Sequence | np.ndarray, k: int = 10) -> float:
    """Share of the k nearest other rows (cosine) that have the row's own label, averaged over rows; 1 is perfect.

    By chance it is the share of one's own class among the others, 1/K for K even classes.

    Args:
        features: (N, D).
        labels: N class names or indices.
        k: neighbours a row.

    Raises:
        InputError: N labels are not given, or k is not between 1 and N - 1.
    """
    rows, labels = _unit(features, "knn_agreement"), np.asarray(labels)
    if labels.shape != (len(rows),):
        raise InputError("knn_agreement", f"{len(rows)} rows but labels of shape {labels.shape}", "give one label a row")
    if not 1 <= k < len(rows):
        raise InputError("knn_agreement", f"k is {k} for {len(rows)} rows", f"give a number from 1 to {len(rows) - 1}")
    likeness = rows @ rows.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
    return float((labels[nearest] == labels[:, None]).mean())


def modality_gap(a: np.ndarray, b: np.ndarray) -> float:
    """Distance between the means of two sets (N, D) and (K, D) whose rows were scaled to length 1, from 0 to 2 (Liang et al., 2022).

    Raises:
        InputError: widths differ.
    """
    a, b = _unit(a, "modality_gap: a"), _unit(b, "modality_gap: b")
    if a.shape[1] != b.shape[1]:
        raise InputError("modality_gap", f"widths differ: {a.shape[1]} and {b.shape[1]}", "give features of one space")
    return float(np.linalg.norm(a.mean(0) - b.mean(0)))


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

    Args:
        points: (N, 2), as from :func:`project`.
        labels: N class names.
        title: above the picture.
        caption: below it; put the number there, such as ``f"agreement of 10 neighbours: {value:.2f}"``.
        ax: axes to draw into.
        text_points: (K, 2) of the same map.
        text_labels: K class names.

    Raises:
        InputError: points and labels differ in number.
    """
    text_points = np.empty((0, 2)) if text_points is None else text_points
    for what, there, names in (("points", points, labels), ("text_points", text_points, text_labels)):
        if np.shape(there) != (len(names), 2):
            raise InputError("scatter", f"{what} have shape {np.shape(there)} for {len(names)} labels", f"give ({len(names)}, 2)")
    classes = [*dict.fromkeys(text_labels), *sorted(set(labels) - set(text_labels))]
    fig, ax = style.new_axes(ax, 7.5, 5.0)
    for index, name in enumerate(classes):
        colour, marker = style.look(index)
        own = points[np.asarray(labels) == name]
        ax.scatter(own[:, 0], own[:, 1], s=22, c=colour, marker=marker, alpha=0.75, linewidths=0, label=name)
    for (x, y), name in zip(text_points, text_labels, strict=True):
        _star(ax, x, y, name, style.look(classes.index(name))[0])
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.margins(0.1)
    ax.set_title(title, fontsize=style.TITLE)
    ax.set_xlabel(caption, fontsize=style.AXIS)
    ax.legend(fontsize=style.SMALL, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), ncols=1 + (len(classes) - 1) // 25)
    return fig, ax


def _star(ax: Axes, x: float, y: float, name: str, colour: str) -> None:
    halo = [matplotlib.patheffects.withStroke(linewidth=2.5, foreground="white")]
    ax.scatter([x], [y], s=190, c=colour, marker="*", edgecolors="black", linewidths=0.8, zorder=3)
    ax.annotate(name, (x, y), (0, 9), textcoords="offset points", ha="center", fontsize=style.SMALL, path_effects=halo, zorder=4)
