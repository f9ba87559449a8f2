"""Check that features belong to a given row of a published table.

Published features do not state their origin. Their labels identify them: the classes in the training part and in the zero-shot test must be exactly the
class lists of the benchmark, or the resulting number is not comparable with it.
"""

from collections.abc import Collection

import numpy as np

from tdsm.backbones.fit import refuse_leak
from tdsm.catalogue.rows import Benchmark, all_benchmarks
from tdsm.data.features import FeatureSet
from tdsm.util.errors import InputError

__all__ = ["check_against", "fitting_benchmarks"]

_CLOSE = 0.02  # tolerance on official clip numbers: SynSE's features lack up to 1 % (16,392 of 16,487)


def fitting_benchmarks(features: FeatureSet) -> list[tuple[Benchmark, int]]:
    """The published benchmarks whose seen and unseen classes match ``features``, each with the number of its class list (from 0)."""
    return [
        (benchmark, draw)
        for benchmark in all_benchmarks()
        for draw in range(len(benchmark.draws))
        if features.dataset in ("", benchmark.dataset) and not _faults(features, benchmark, draw)
    ]


def check_against(features: FeatureSet, benchmark: Benchmark, draw: int = 0, where: object = None) -> list[str]:
    """Refuse features whose classes are not those of a benchmark, or whose encoder was trained on an unseen class.

    Args:
        features: from :func:`tdsm.catalogue.feature_files.read_features`, or computed here.
        benchmark: the row with which they are to be scored.
        draw: index of its class list.
        where: source named in messages; default: ``features.name``.

    Returns:
        Remarks on numbers of clips that differ from the official ones; empty if none differs. They are no errors, because published features lack some
        clips, but only these numbers show the partition (``xsub`` or ``xview``).

    Raises:
        InputError: the first difference, and the benchmarks that the labels do fit.
    """
    where = where or features.name
    if features.dataset not in ("", benchmark.dataset):
        raise InputError(where, f"holds features of {features.dataset}, but {benchmark.name} needs {benchmark.dataset}", "give features of that data set")
    faults = _faults(features, benchmark, draw)
    if faults:
        fitting = fitting_benchmarks(features)
        remedy = "they match no known benchmark"
        if fitting:
            remedy = f"they are the classes of {', '.join(_title(row, number) for row, number in fitting)}"
        elif (*features.seen, *features.unseen) == tuple(range(features.classes)):
            remedy = "the labels seem to be renumbered, seen classes first; restore the data set's own class indices"
        raise InputError(where, f"not the classes of {_title(benchmark, draw)}: {faults[0]}", remedy)
    if features.encoder_seen is not None:
        refuse_leak(features.encoder_seen, benchmark.unseen_labels(features.class_names, draw), where)
    return _remarks(features, benchmark, draw)


def _remarks(features: FeatureSet, benchmark: Benchmark, draw: int) -> list[str]:
    official = {part: numbers[draw] for part, numbers in benchmark.counts.items() if part != "clips"}
    remarks = []
    for title, have, parts in (
        ("training part", len(features.y_train), ("train_seen",)),
        ("zero-shot test", len(features.y_unseen), ("test_unseen",)),
        ("test of all classes", None if features.y_all is None else len(features.y_all), ("test_seen", "test_unseen")),
    ):
        wanted = sum(official.get(part, 0) for part in parts)
        if have is None or have == wanted or not official.keys() >= set(parts):
            continue
        close = abs(have - wanted) <= _CLOSE * wanted
        remarks.append(f"{title}: {have:,} clips, officially {wanted:,}" + ("" if close else f"; the partition may not be {benchmark.partition}"))
    if features.y_all is not None and (twins := int(np.isin(features.y_all, features.unseen).sum())) != len(features.y_unseen):
        remarks.append(f"test of all classes: {twins:,} clips of unseen classes, the zero-shot test has {len(features.y_unseen):,}")
    return remarks


def _faults(features: FeatureSet, benchmark: Benchmark, draw: int) -> list[str]:
    """The differences between the labels and the benchmark."""
    unseen = set(benchmark.unseen(draw))
    seen = set(range(benchmark.classes)) - unseen
    have_seen, have_unseen = set(features.seen), set(features.unseen)
    sets = [
        ("training labels hold unseen classes", have_seen & unseen),
        ("test labels hold seen classes", have_unseen & seen),
        (f"labels hold classes that {benchmark.dataset} does not have", (have_seen | have_unseen) - seen - unseen),
        ("training labels lack seen classes", seen - have_seen),
        ("test labels lack unseen classes", unseen - have_unseen),
    ]
    if features.y_all is not None:
        sets.append(("labels of the test of all classes lack", (seen | unseen) - set(features.y_all.tolist())))
    return [f"{fault} {_listed(classes, features.class_names)}" for fault, classes in sets if classes]


def _listed(classes: Collection[int], names: tuple[str, ...]) -> str:
    """The first ten classes, with their names if known."""
    shown = [f"{index} ({names[index]})" if index < len(names) else str(index) for index in sorted(classes)[:10]]
    return ", ".join(shown) + (f" and {len(classes) - 10} more" if len(classes) > 10 else "")


def _title(benchmark: Benchmark, draw: int) -> str:
    return benchmark.name if len(benchmark.draws) == 1 else f"{benchmark.name} (draw {draw})"
