"""Benchmarks: which classes of which data set are unseen, and what has been published on them.

The lists are data (``benchmarks.json``), each an index list into the data set's own class order.
"""

import json
from dataclasses import dataclass
from importlib import resources

import numpy as np

from tdsm.clips import ClipSet
from tdsm.errors import InputError

__all__ = ["Benchmark", "benchmarks_of"]


@dataclass(frozen=True)
class Benchmark:
    """One zero-shot split of a data set.

    Attributes:
        dataset: the data set's name, as its reader gives it.
        split: "seen/unseen" counts, such as "22/5".
        classes: number of classes in all.
        unseen: indices of the unseen classes.
        published: top-1 % of earlier methods (source: METHOD, Table 8 of the PURLS supplement).
    """

    dataset: str
    split: str
    classes: int
    unseen: tuple[int, ...]
    published: dict[str, float]

    def __post_init__(self) -> None:
        seen, unseen = map(int, self.split.split("/"))
        if seen + unseen != self.classes or len(set(self.unseen)) != unseen or not all(0 <= index < self.classes for index in self.unseen):
            raise ValueError(f"{self.name}: {len(self.unseen)} unseen of {self.classes} classes do not make a split {self.split}")

    @property
    def name(self) -> str:
        """Such as "utd-mhad 22/5"."""
        return f"{self.dataset} {self.split}"

    def divide(self, clips: ClipSet) -> tuple[ClipSet, ClipSet]:
        """(training clips of the seen classes, test clips of the unseen classes): all clips of each.

        Raises:
            InputError: the clips are of another data set, or a class has no clip.
        """
        if clips.name != self.dataset or len(clips.classes) != self.classes:
            raise InputError(clips.name, f"has {len(clips.classes)} classes; {self.name} needs the {self.classes} of {self.dataset}", "give that data set")
        counts = np.bincount(clips.y, minlength=self.classes)
        if not counts.all():
            raise InputError(clips.name, f"class {clips.classes[int(counts.argmin())]!r} has no clip", "complete the download")
        unseen = [clips.classes[index] for index in sorted(self.unseen)]
        seen = [label for label in clips.classes if label not in unseen]
        return clips.of_classes(seen), clips.of_classes(unseen)


def benchmarks_of(dataset: str, split: str | None = None) -> list[Benchmark]:
    """The benchmarks of a data set, in the paper's order; one of them when ``split`` is given.

    Raises:
        InputError: unknown data set or split.
    """
    entries = json.loads((resources.files("tdsm") / "benchmarks.json").read_text())["benchmarks"]
    every = [Benchmark(**{**entry, "unseen": tuple(entry["unseen"])}) for entry in entries]
    found = [one for one in every if one.dataset == dataset]
    if not found:
        raise InputError("benchmark", f"no data set {dataset!r}", f"choose among: {', '.join(sorted({one.dataset for one in every}))}")
    if split is None:
        return found
    chosen = [one for one in found if one.split == split]
    if not chosen:
        raise InputError("benchmark", f"{dataset} has no split {split!r}", f"choose among: {', '.join(one.split for one in found)}")
    return chosen
