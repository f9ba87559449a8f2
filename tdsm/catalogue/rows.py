"""Benchmarks: the unseen classes of a data set, its training and test clips, and the published results.

A benchmark is one row of a published table: data set x class lists x partition x skeleton encoder. All rows are data (``benchmarks.json``), taken from the
protocols' own files; docs/BENCHMARKS.md lists the sources and their disagreements. Classes are numbered from 0 in the data set's own order. Rows of random
class lists ("draws") are the mean over the draws.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources

from tdsm.catalogue.partitions import in_test, in_training, partitions_of
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.labels import normal_form
from tdsm.data.prompts import SUBSETS, load_prompts
from tdsm.data.readers.ntu import parse_name
from tdsm.util.errors import InputError
from tdsm.util.tables import html_table, shortened

__all__ = ["Benchmark", "DatasetFacts", "all_benchmarks", "benchmark_named", "benchmarks_of", "dataset_facts"]

_NTU_60_SETUPS = 17
_COUNTED = {
    "clips": "clips with a body", "train_seen": "training clips of seen classes",
    "test_seen": "test clips of seen classes", "test_unseen": "test clips of unseen classes",
}  # fmt: skip


@dataclass(frozen=True)
class DatasetFacts:
    """Contents of a complete data set according to its authors; :mod:`tdsm.catalogue.fetch` lists where to get it.

    Attributes:
        name: name that its reader gives, such as "ntu-60".
        title: name that its authors give.
        classes: number of classes.
        clips: number of recordings, or None if not stated exactly.
        without_skeleton: number of recordings without a body in any frame.
        videos: number of videos, for a data set that is cut out of longer videos.
        parts: partition -> (training clips, test clips), without recordings without a body.
    """

    name: str
    title: str
    classes: int
    clips: int | None = None
    without_skeleton: int = 0
    videos: int | None = None
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """One row of a published table.

    Attributes:
        name: name that the user gives, such as "ntu-60-synse-55-5".
        dataset: name of the data set, as its reader gives it.
        protocol: source of the class lists and the setting: "SynSE", "PURLS", "SMIE", "SA-DVAE" or "STAR".
        split: numbers of classes as "seen/unseen", such as "55/5".
        classes: number of all classes.
        draws: lists of unseen classes: one list, or several over which the row is the mean.
        partition: one of :mod:`tdsm.catalogue.partitions`. Seen classes of its training part are for training, unseen classes of its test part for testing.
        encoder: "shift-gcn" or "st-gcn".
        source: origin of the class lists.
        table: table of the TDSM paper with this row: "Table 1", "Table 2" or "".
        note: assumptions, and what to know before comparing numbers.
        counts: number of "clips" of the data set with a body and, one number per draw, "train_seen", "test_seen", "test_unseen", from official metadata.
        published: method -> published top-1 % on unseen classes; most methods were selected on test clips.
    """

    name: str
    dataset: str
    protocol: str
    split: str
    classes: int
    draws: tuple[tuple[int, ...], ...]
    partition: str
    encoder: str
    source: str
    table: str = ""
    note: str = ""
    counts: dict[str, int | tuple[int, ...]] = field(default_factory=dict)
    published: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen, unseen = map(int, self.split.split("/"))
        if seen + unseen != self.classes or not self.draws:
            raise ValueError(f"{self.name}: {len(self.draws)} lists of {self.classes} classes do not make a split {self.split}")
        for draw in self.draws:
            if len(draw) != unseen or len(set(draw)) != unseen or not all(0 <= index < self.classes for index in draw):
                raise ValueError(f"{self.name}: {draw} are not {unseen} different classes of {self.classes}, so they do not make a split {self.split}")
        if self.partition not in (*partitions_of(self.dataset), "all"):
            raise ValueError(f"{self.name}: {self.dataset} has no partition {self.partition!r}")
        if self.encoder not in ("shift-gcn", "st-gcn"):
            raise ValueError(f"{self.name}: no encoder {self.encoder!r}")
        for what, numbers in self.counts.items():
            if what != "clips" and len(numbers) != len(self.draws):
                raise ValueError(f"{self.name}: {what} has {len(numbers)} numbers for {len(self.draws)} lists")

    def unseen(self, draw: int = 0) -> tuple[int, ...]:
        """Unseen classes of one list, in ascending order."""
        return tuple(sorted(self.draws[draw]))

    def unseen_labels(self, classes: Sequence[str], draw: int = 0) -> tuple[str, ...]:
        """Names of the unseen classes. ``classes`` are all names in the data set's order, or a longer list of a larger data set."""
        return tuple(classes[index] for index in self.unseen(draw))

    def select(self, clips: ClipSet) -> tuple[Clip, ...]:
        """The clips of this benchmark's data set: all clips, or, from a larger data set that contains it, those of its classes (and setups).

        A smaller data set that it contains, such as NTU-60 in NTU-120, is used completely, because it is one of the two archives.

        Raises:
            InputError: another data set.
        """
        if clips.name == self.dataset or _larger(clips.name) == self.dataset:
            return clips.clips
        if _larger(self.dataset) != clips.name:
            raise InputError(clips.name, f"is not {self.dataset}, which {self.name} needs", f"give clips of {self.dataset}")
        labels = set(clips.classes[: self.classes])
        chosen = tuple(clip for clip in clips if clip.label in labels)
        return tuple(clip for clip in chosen if parse_name(clip.name).setup <= _NTU_60_SETUPS) if self.dataset == "ntu-60" else chosen

    def divide(self, clips: ClipSet, draw: int = 0) -> tuple[ClipSet, ClipSet]:
        """(seen classes of the training part, unseen classes of the test part) for one list of unseen classes, both in the data set's own order.

        Raises:
            InputError: another data set, a clip whose name does not match the partition, or a class without a clip in its part.
        """
        chosen, classes = self.select(clips), tuple(load_prompts(self.dataset))
        names = {normal_form(label) for label in classes}
        strange = next((clip for clip in chosen if clip.label is None or normal_form(clip.label) not in names), None)
        if strange is not None:
            what = f"label {strange.label!r} is not one of the {self.classes} classes of {self.dataset}"
            raise InputError(strange.name, what, "use the class names of tdsm.load_prompts as labels")
        chosen, unseen = ClipSet(chosen, classes, self.dataset), self.unseen_labels(classes, draw)  # with the spelling of the class names
        seen = tuple(label for label in classes if label not in unseen)
        train = [clip for clip in chosen if clip.label not in unseen and in_training(self.dataset, self.partition, clip.name)]
        test = [clip for clip in chosen if clip.label in unseen and in_test(self.dataset, self.partition, clip.name)]
        return self._part(train, seen, "in the training part"), self._part(test, unseen, "in the test part")

    def _part(self, clips: list[Clip], classes: tuple[str, ...], what: str) -> ClipSet:
        labels = {clip.label for clip in clips}
        missing = [label for label in classes if label not in labels]
        if missing:
            raise InputError(self.name, f"class {missing[0]!r} has no clip {what} ({len(missing)} such classes)", "complete the download")
        return ClipSet(tuple(clips), classes, self.dataset)

    def __repr__(self) -> str:
        lists = f", {len(self.draws)} class lists" if len(self.draws) > 1 else ""
        return f"Benchmark({self.name!r}: {self.protocol}'s {self.split} split of {self.dataset}, partition {self.partition}, {self.encoder}{lists})"

    def _repr_html_(self) -> str:
        classes, several = tuple(load_prompts(self.dataset)), len(self.draws) > 1
        about = [("partition", self.partition), ("skeleton encoder", self.encoder), ("table of the TDSM paper", self.table or "none")]
        about += [(f"unseen, list {draw + 1}" if several else "unseen", shortened(self.unseen_labels(classes, draw))) for draw in range(len(self.draws))]
        counts = {what: (count,) if isinstance(count, int) else count for what, count in self.counts.items()}
        about += [(_COUNTED[what], ", ".join(f"{number:,}" for number in numbers)) for what, numbers in counts.items()]
        about += [("class lists from", self.source)] + ([("note", self.note)] if self.note else [])
        rows = [(method, f"{value:g}") for method, value in self.published.items()]
        published = html_table(rows, ("published", "top-1 %"), note="most of them were selected on test clips") if rows else "No number has been published."
        return html_table(about, title=repr(self)) + published


def all_benchmarks() -> list[Benchmark]:
    """All rows, in the order of the file: SynSE, PURLS, STAR, SMIE, SA-DVAE."""
    return [Benchmark(**_tuples(entry)) for entry in _read("benchmarks")]


def benchmark_named(name: str) -> Benchmark:
    """The row with this name. Raises InputError: no such row."""
    rows = {row.name: row for row in all_benchmarks()}
    if name in rows:
        return rows[name]
    near = [row.name for row in rows.values() if name.startswith(row.dataset)] or sorted({row.dataset for row in rows.values()})
    raise InputError("benchmark", f"no row {name!r}", f"choose among: {', '.join(near)}")


def benchmarks_of(dataset: str, split: str | None = None) -> list[Benchmark]:
    """The rows of a data set. With ``split`` (such as "22/5", or the name of a row) only those of the split, SynSE's or PURLS' first.

    Raises:
        InputError: unknown data set or split.
    """
    every = all_benchmarks()
    rows = [row for row in every if row.dataset == dataset]
    if not rows:
        raise InputError("benchmark", f"no data set {dataset!r}", f"choose among: {', '.join(sorted({row.dataset for row in every}))}")
    chosen = [row for row in rows if split in (None, row.split, row.name)]
    if not chosen:
        splits = dict.fromkeys(row.split for row in rows)
        raise InputError("benchmark", f"{dataset} has no split {split!r}", f"choose among: {', '.join(splits)}, or name a row: {rows[0].name} ...")
    return chosen


def dataset_facts() -> dict[str, DatasetFacts]:
    """Facts about each complete data set, by name."""
    return {entry["name"]: DatasetFacts(**_tuples(entry)) for entry in _read("datasets")}


def _larger(dataset: str) -> str | None:
    """The data set whose first classes are those of this one."""
    return SUBSETS[dataset][0] if dataset in SUBSETS else None


def _read(part: str) -> list[dict]:
    return json.loads((resources.files("tdsm.catalogue") / "rows.json").read_text(encoding="utf-8"))[part]


def _tuples(value: object) -> object:
    """The value with lists replaced by tuples, at any depth."""
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return {key: _tuples(inner) for key, inner in value.items()} if isinstance(value, dict) else value
