"""Pseudo-unseen classes of a benchmark, paired comparison of two settings on the same classes and seeds, and the value of the best of several seeds."""

import numpy as np
from jaxtyping import Float

from tdsm.catalogue.rows import Benchmark
from tdsm.data.clips import ClipSet
from tdsm.data.holdout import held_classes, pseudo_unseen

__all__ = ["best_of", "paired_difference", "pseudo_unseen_of"]


def pseudo_unseen_of(benchmark: Benchmark, clips: ClipSet, draws: int, seed: int = 0) -> list[tuple[ClipSet, ClipSet]]:
    """(training clips, test clips) of each draw: :func:`pseudo_unseen` on a benchmark's seen classes, with :func:`held_classes` pseudo-unseen classes.

    Args:
        benchmark: the row. Only its training part is used. With several class lists, only classes that are unseen in none of them are used.
        clips: the data set.
        draws: number of random choices of pseudo-unseen classes.

    Raises:
        InputError: as in :meth:`tdsm.catalogue.rows.Benchmark.divide` and :func:`pseudo_unseen`.
    """
    divided = [benchmark.divide(clips, draw) for draw in range(len(benchmark.draws))]
    ever, seen = {label for _, test in divided for label in test.classes}, divided[0][0]
    seen = seen.of_classes([label for label in seen.classes if label not in ever])
    return pseudo_unseen(seen, held_classes(len(seen.classes), len(benchmark.draws[0])), draws, seed)


def paired_difference(values: Float[np.ndarray, " pair"], first: Float[np.ndarray, " pair"]) -> tuple[float, float, float]:
    """(mean, low, high) of the paired differences ``values - first``, with the 95 % interval of Student's t; infinite for a single pair."""
    difference = np.subtract(values, first)
    mean, pairs = float(difference.mean()), len(difference)
    if pairs == 1:
        return mean, -np.inf, np.inf
    # With t = sqrt(f) tan(a), Student's t of f = pairs - 1 degrees of freedom has a density of cos(a) ** (f - 1) in a.
    angle = np.linspace(0, np.pi / 2, 100_001)
    mass = np.cumsum(np.cos((angle[1:] + angle[:-1]) / 2) ** (pairs - 2))
    t = np.sqrt(pairs - 1) * np.tan(np.interp(0.95, mass / mass[-1], angle[1:]))
    half = float(t * difference.std(ddof=1) / np.sqrt(pairs))
    return mean, mean - half, mean + half


def best_of(seeds: int, draws: int = 20_000) -> float:
    """How far the best of several seeds lies above their mean, in standard deviations: the expected largest of that many normal draws.

    >>> round(best_of(5), 1), round(best_of(100), 1)
    (1.2, 2.5)
    """
    return float(np.random.default_rng(0).normal(size=(draws, seeds)).max(axis=1).mean())
