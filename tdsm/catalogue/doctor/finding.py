"""The result of the doctor for a path, and its comparison with the protocols: counts, partitions, and rows of published tables that it allows."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tdsm.catalogue.partitions import PARTITIONS, partitions_of
from tdsm.catalogue.rows import all_benchmarks, dataset_facts
from tdsm.data.prompts import SUBSETS
from tdsm.util.errors import InputError
from tdsm.util.tables import html_table

__all__ = ["Finding", "finding_of_clips", "next_command", "rows_served"]

_MOST_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """What a path is. It is displayed as text and, in a notebook, as a table.

    Attributes:
        path: the file or folder.
        kind: a description of it.
        dataset: the data set it belongs to, or "".
        clips: expected number of clips, or None if only reading all files would show it.
        classes: clips per class, as far as names or small tables show.
        parts: official partition -> (training clips, test clips), from the clips' names.
        benchmarks: names of the rows of published tables that can be computed from it.
        notes: further information that is not a problem.
        problems: what is wrong or missing, each with its remedy.
        next: the command to continue with, or "".
    """

    path: Path
    kind: str
    dataset: str = ""
    clips: int | None = None
    classes: dict[str, int] = field(default_factory=dict)
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)
    benchmarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    next: str = ""

    def _lines(self) -> list[tuple[str, str]]:
        """All information as (heading, text)."""
        lines = [("what", self.kind + (f" ({self.dataset})" if self.dataset else ""))]
        if self.clips is not None:
            held = [count for count in self.classes.values() if count]
            spread = f" of {len(held)} classes, {' to '.join(f'{count:,}' for count in sorted({min(held), max(held)}))} per class" if held else ""
            lines.append(("clips", f"{self.clips:,}" + spread))
        official = dataset_facts()[self.dataset].parts if self.dataset in dataset_facts() else {}
        for name, (train, test) in self.parts.items():
            stated = f"; officially {official[name][0]:,} and {official[name][1]:,}" if name in official else ""
            lines.append((name, f"{train:,} train, {test:,} test{stated}"))
        lines += [("rows", ", ".join(self.benchmarks))] if self.benchmarks else []
        lines += [("note", text) for text in self.notes] + [("problem", text) for text in self.problems]
        return lines + ([("next", self.next)] if self.next else [])

    def __str__(self) -> str:
        return "\n".join([str(self.path), *(f"  {heading:<10}{text}" for heading, text in self._lines())])

    def _repr_html_(self) -> str:
        return html_table(self._lines(), title=str(self.path))


def finding_of_clips(
    path: Path, kind: str, dataset: str, names: Sequence[str], labels: Iterable[str | None], classes: Sequence[str],
    *, notes: Sequence[str] = (), problems: Sequence[str] = (), raw: bool = False,
) -> Finding:  # fmt: skip
    """The finding for these clips, compared with the protocols of their data set if it has any.

    Args:
        path, kind, dataset: see :class:`Finding`.
        names: names of the clips.
        labels: their class names, None or "" if unknown.
        classes: all class names of the data set, in order.
        notes, problems: see :class:`Finding`.
        raw: True for original recordings, which still include those without a body.
    """
    counts = Counter(label for label in labels if label)
    per_class = {label: counts[label] for label in classes or sorted(counts)}
    parts, outside = _count_parts(dataset, names)
    more_notes, faults = _against_facts(dataset, len(names), raw)
    if dataset in dataset_facts():
        faults += [_listed("{} classes have no clip: {}; complete the download", [label for label, count in per_class.items() if not count])]
    faults.append(_listed("{} clips are in no official part: {}; remove them", outside))
    wrong = tuple(text for text in (*problems, *faults) if text)
    command = next_command(path, dataset, bool(counts))
    return Finding(path, kind, dataset, len(names), per_class, parts, rows_served(dataset), (*notes, *more_notes), wrong, command)


def rows_served(dataset: str) -> tuple[str, ...]:
    """Names of the rows that clips of this data set can serve: its own rows, then those of a data set that it contains."""
    parts = [name for name, (whole, _) in SUBSETS.items() if whole == dataset]
    return tuple(row.name for name in (dataset, *parts) for row in all_benchmarks() if row.dataset == name)


def next_command(path: Path, dataset: str, labelled: bool = True) -> str:
    """The command to continue with, for clips at a path."""
    place, rows = shlex.quote(str(path)), rows_served(dataset)
    if dataset in ("utd-mhad", "nw-ucla"):
        return f"tdsm evaluate {place}"
    if rows:
        return f"tdsm reproduce {rows[0]} --data {place}"
    if labelled:
        return f"tdsm train {place} --unseen 'a label, another label'"
    return f"tdsm predict {place} --labels 'any name, another name'"


def _count_parts(dataset: str, names: Sequence[str]) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """Partition -> (training, test), and the names that are in neither part of a partition."""
    parts, outside = {}, {}
    for partition in partitions_of(dataset):
        rule, train, test = PARTITIONS[dataset, partition], 0, 0
        for name in names:
            try:
                trains = rule.value(name) in rule.train
            except InputError:
                outside[name] = None
            else:
                train, test = train + trains, test + (not trains)
        parts[partition] = (train, test)
    return parts, list(outside)


def _against_facts(dataset: str, clips: int, raw: bool) -> tuple[list[str], list[str]]:
    """(information, problems) about a number of clips."""
    facts = dataset_facts().get(dataset)
    if facts is None or facts.clips is None:
        return [], []
    whole, without = facts.clips, facts.without_skeleton
    if without and clips == whole - without:
        return [f"{clips:,} is the official number without the {without:,} recordings that are listed as having no skeleton"], []
    if clips == whole:
        stay = f"; {without:,} of them are listed as having no skeleton, {whole - without:,} remain" if without else ""
        return [f"{clips:,} is the official number{stay}"], []
    if not raw and whole - without < clips < whole:
        return [f"{clips:,} clips; {whole:,} were recorded, of which {without:,} are listed as having no skeleton"], []
    if clips < whole - without:
        return [], [f"{clips:,} of {whole - without:,} clips; complete the download"]
    return [], [f"{clips:,} clips, officially {whole:,}; complete the download, or keep one copy of each file"]


def _listed(text: str, names: Sequence[str]) -> str:
    """``text`` with the number of names and the first names; "" if there are none."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return text.format(len(names), ", ".join(names[:_MOST_NAMED]) + more) if names else ""
