"""Numbers that go beside a map of features: agreement of neighbours, distance between the modalities, rank of the own label.

All are measured in the full space, not in the picture, and all look at directions: features are compared by cosine, that is, after scaling each
row to length 1. Each has a 95 % interval from seeded bootstrap draws of whole subjects.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real, Shaped

from tdsm.evaluate import subject_interval
from tdsm.util.errors import InputError

__all__ = ["Interval", "gap_interval", "interval", "knn_agreement", "modality_gap", "neighbour_shares", "own_label_rank", "unit_rows"]


def unit_rows(features: np.ndarray, name: str) -> np.ndarray:
    """(N, D) rows of length 1, float64; a row of zeros stays. ``name`` is what an error calls them.

    Raises:
        InputError: not two axes, nothing in them, or NaN.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or 0 in features.shape:
        raise InputError(name, f"features have shape {features.shape}", "give (clips, width)")
    if not np.isfinite(features).all():
        raise InputError(name, "features hold NaN or infinite values", "extract them again")
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def neighbour_shares(features: np.ndarray, labels: Sequence | np.ndarray, k: int = 10, apart: Sequence[Sequence | np.ndarray] = ()) -> np.ndarray:
    """Share of the k nearest other rows (cosine) that have the row's own label, (N,).

    Args:
        features, labels: (N, D), and N class names or indices.
        k: number of neighbours per row.
        apart: groupings of the rows, N names each; the neighbours of a row are taken only from rows that share no group with it.

    Raises:
        InputError: N labels (or groups) are not given, or some row has fewer than k others.
    """
    rows, labels = unit_rows(features, "knn_agreement"), np.asarray(labels)
    likeness = rows @ rows.T
    np.fill_diagonal(likeness, -np.inf)
    for names in (labels, *map(np.asarray, apart)):
        if names.shape != (len(rows),):
            raise InputError("knn_agreement", f"{len(rows)} rows but labels of shape {names.shape}", "give one label a row")
        if names is not labels:
            likeness[names[:, None] == names] = -np.inf
    most = int(np.isfinite(likeness).sum(1).min())
    if not 1 <= k <= most:
        raise InputError("knn_agreement", f"k is {k} for {len(rows)} rows", f"give a number from 1 to {most}" if most else "group the rows more finely")
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
    return (labels[nearest] == labels[:, None]).mean(1)


def knn_agreement(features: np.ndarray, labels: Sequence | np.ndarray, k: int = 10) -> float:
    """:func:`neighbour_shares` averaged over rows; 1 is perfect. By chance it is the share of one's own class among the others, 1/K for K even classes."""
    return float(neighbour_shares(features, labels, k).mean())


def modality_gap(a: np.ndarray, b: np.ndarray) -> float:
    """Distance between the means of two sets (N, D) and (K, D) whose rows were scaled to length 1, from 0 to 2 (Liang et al., 2022).

    Raises:
        InputError: widths differ.
    """
    a, b = unit_rows(a, "modality_gap: a"), unit_rows(b, "modality_gap: b")
    if a.shape[1] != b.shape[1]:
        raise InputError("modality_gap", f"widths differ: {a.shape[1]} and {b.shape[1]}", "give features of one space")
    return float(np.linalg.norm(a.mean(0) - b.mean(0)))


def own_label_rank(scores: Real[np.ndarray, "clip label"], y: Int[np.ndarray, " clip"]) -> Float[np.ndarray, " clip"]:
    """Place of each clip's own label, from 1 (best) to K; labels that tie share the mean of their places, so that by chance it is (K + 1) / 2.

    Scores are (B, K), higher is better; y is the index (B,) of the own label.
    """
    own = scores[np.arange(len(y)), y][:, None]
    return 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2


class Interval(NamedTuple):
    """A mean and its 95 % bootstrap interval; printed as ``0.96 [0.94, 0.98]``."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def _groups(count: int, subjects: Sequence | np.ndarray | None) -> np.ndarray:
    """(N,) index of what is drawn as a whole: the row's subject, or the row."""
    names = np.arange(count) if subjects is None else np.asarray(subjects)
    if names.shape != (count,):
        raise InputError("interval", f"subjects of shape {names.shape} for {count} rows", "give one subject a row")
    groups = np.unique(names, return_inverse=True)[1]
    if groups.max(initial=0) < 1:
        raise InputError("interval", "all rows are of one subject", "leave subjects out: rows are then drawn one by one")
    return groups


def interval(values: Shaped[np.ndarray, " row"], subjects: Sequence | np.ndarray | None = None, seed: int = 0) -> Interval:
    """Mean of the values with its 95 % interval from 2000 bootstrap draws.

    Args:
        values: (N,), one per clip: shares of neighbours, ranks, or 0 and 1 for wrong and right. Neighbours are not computed again for each draw.
        subjects: (N,) who moved; whole subjects are drawn, because clips of one person are alike. None draws single clips; the interval is then too narrow if
            a person has several clips. With class names in place of subjects, the interval shows how much the mean depends on the choice of classes.
        seed: of the draws.

    Raises:
        InputError: subjects do not fit the values, or there is only one.
    """
    return Interval(float(values.mean()), *subject_interval(values, _groups(len(values), subjects), seed=seed))


def gap_interval(a: np.ndarray, b: np.ndarray, subjects: Sequence | np.ndarray | None = None, seed: int = 0) -> Interval:
    """:func:`modality_gap` of clips (N, D) and labels (K, D) with its 95 % interval: clips, or whole subjects, are drawn; the labels stay.

    Raises:
        InputError: widths differ, subjects do not fit the rows, or there is only one.
    """
    gap, groups = modality_gap(a, b), _groups(len(a), subjects)
    rows, middle, count = unit_rows(a, "gap_interval"), unit_rows(b, "gap_interval").mean(0), groups.max() + 1
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, groups, rows)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=2000)
    means = drawn @ sums / (drawn @ np.bincount(groups))[:, None]
    return Interval(gap, *map(float, np.quantile(np.linalg.norm(means - middle, axis=1), [0.025, 0.975])))
