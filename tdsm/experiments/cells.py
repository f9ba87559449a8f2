"""Cells: one setting on one list of classes with one seed. Nothing is computed here.

Nothing is selected on any test clip: backbone and denoiser are trained on seen classes for a fixed number of steps, and the candidates are the
unseen classes (zero-shot, inductive).
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tdsm.backbones.fit import load_backbone
from tdsm.catalogue.doctor import inspect
from tdsm.catalogue.feature_checks import check_against
from tdsm.catalogue.feature_files import is_features, read_features
from tdsm.catalogue.rows import Benchmark
from tdsm.config import Config
from tdsm.data.clips import ClipSet
from tdsm.data.holdout import held_classes, pseudo_unseen_classes
from tdsm.data.labels import Label, as_labels
from tdsm.data.prompts import SUBSETS, Descriptions, load_prompts
from tdsm.experiments.stages import count_files, size_of
from tdsm.text import TextEncoder, TextModel, cache_folder
from tdsm.util.digest import digest_of
from tdsm.util.errors import InputError

__all__ = ["Cell", "Source", "cells_of", "source_of", "whole_set"]


def whole_set(dataset: str | None) -> str | None:
    """The data set that this one is a part of, or itself."""
    return SUBSETS.get(dataset, (dataset, 0))[0]


@dataclass(frozen=True, eq=False)
class Source:
    """Where the clips or features of a benchmark come from."""

    clips: ClipSet | None = None  # a data set in memory, or None
    paths: tuple[Path, ...] = ()  # downloads, or published features, one for each class list of the row
    features: bool = False  # the paths hold features
    remarks: tuple[str, ...] = ()  # on data or features that do not hold the official numbers of clips

    @functools.cached_property
    def digests(self) -> tuple[str, ...]:
        """Hash of the clips, or of the content of each path, computed once."""
        return (self.clips.digest,) if self.clips is not None else tuple(digest_of([path]) for path in self.paths)

    @functools.cached_property
    def extent(self) -> tuple[int, int]:
        """Number of files and of bytes in all paths."""
        return count_files(self.paths), size_of(self.paths)


@dataclass(frozen=True, eq=False)
class Cell:
    """One setting on one list of classes with one seed."""

    benchmark: Benchmark  # the row, and its clips or features
    source: Source
    config: Config
    labels: tuple[Label, ...]  # all classes of the data set, in its own order, with their descriptions
    draw: int  # number of the class list
    train_classes: tuple[int, ...]  # indices; "unseen" classes are those of the row, "pseudo" ones play the unseen classes among the seen ones
    test_classes: tuple[int, ...]
    part: str  # "unseen" (the row's own test) or "pseudo"
    seed: int  # of the denoiser and of the backbone; rows of the paper share one backbone among denoisers
    backbone_seed: int
    text_encoder: TextModel
    setting: Mapping[str, object] = field(default_factory=dict)  # those that differ from the first setting of a grid, by dotted name
    backbone: Path | None = None  # folder of a trained backbone to use instead of training one

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all classes."""
        return tuple(label.name for label in self.labels)


def cells_of(
    benchmark: Benchmark,
    source: Source,
    config: Config,
    *,
    seeds: int = 5,
    descriptions: Descriptions | None = None,
    part: str = "unseen",
    draws: int = 3,
    setting: Mapping[str, object] | None = None,
    backbone: Path | None = None,
    shared_backbone: bool = False,
    text_encoder: TextModel | None = None,
) -> list[Cell]:
    """The cells of one row: every class list with every seed.

    Args:
        seeds, descriptions: how many denoisers, and label -> description of every class; left out: the packaged ones.
        part: "unseen", the row's own test, or "pseudo", which holds some of the seen classes out.
        draws: how many times pseudo-unseen classes are drawn; the row's own class lists are all taken.
        backbone: a trained backbone to use instead of training one, with its own settings; refused if it saw a class to be tested.
        shared_backbone: one backbone per class list, as in the paper, instead of one per seed.

    Raises:
        InputError: an unknown part, or a class without a name.
    """
    if part not in ("pseudo", "unseen"):
        raise InputError("part", f"{part!r}", "choose pseudo or unseen")
    if config.preprocess.frames == 0:
        raise InputError("config", "preprocess.frames is 0, so that clips differ in length", "give frames, the length of all of them")
    names = tuple(load_prompts(benchmark.dataset))
    labels = as_labels(names, load_prompts(benchmark.dataset) if descriptions is None else descriptions)
    if backbone is not None:
        trained = load_backbone(backbone, text_encoder)[1]  # clips and texts go through what it was trained with
        config = replace(config, **{name: getattr(trained, name) for name in ("backbone", "preprocess", "encoder", "align", "text")})
    text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
    return [
        Cell(benchmark, source, config, labels, draw, train, test, part, seed, 0 if shared_backbone else seed, text_encoder, setting or {}, backbone)
        for draw, (train, test) in enumerate(_class_lists(benchmark, part, draws))
        for seed in range(seeds)
    ]


def _class_lists(benchmark: Benchmark, part: str, draws: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """(classes to train on, classes to test on) of each draw."""
    every = range(benchmark.classes)
    if part == "unseen":
        return [(tuple(index for index in every if index not in unseen), tuple(sorted(unseen))) for unseen in benchmark.draws]
    ever = {index for unseen in benchmark.draws for index in unseen}
    seen = [index for index in every if index not in ever]
    held = held_classes(len(seen), len(benchmark.draws[0]))
    drawn = pseudo_unseen_classes(seen, held, draws, where=benchmark.name)
    return [(tuple(index for index in seen if index not in out), tuple(index for index in seen if index in out)) for out in drawn]


def source_of(benchmark: Benchmark, data: ClipSet | Sequence[Path]) -> Source:
    """Clips or features, checked against the row by the names of files, before hours are spent on them.

    Raises:
        InputError: no data, another data set, raw data and features at once, or features that fit no class list of the row.
    """
    if isinstance(data, ClipSet):
        return Source(data)
    paths = tuple(data)
    if not paths:
        raise InputError(benchmark.name, "no data given", f"`tdsm benchmarks` says where to get it: {benchmark.dataset}")
    if all(map(is_features, paths)):
        matched, remarks = _match_features(benchmark, paths)
        return Source(None, matched, True, remarks)
    if any(map(is_features, paths)):
        raise InputError(paths[0], "raw data and features are given at once", "give one kind")
    remarks = []
    for path in paths:
        finding = inspect(path)
        if whole_set(finding.dataset) != whole_set(benchmark.dataset):
            raise InputError(path, f"is {finding.kind}, which {benchmark.name} is not made of", f"give {benchmark.dataset}; `tdsm fetch` says where it is")
        remarks += [f"{path}: {problem}" for problem in finding.problems]
    return Source(None, paths, False, tuple(remarks))


def _match_features(benchmark: Benchmark, data: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The given features in the order of the row's class lists, and remarks on their numbers of clips."""
    if len(data) != len(benchmark.draws):
        raise InputError(benchmark.name, f"{len(data)} sets of features for {len(benchmark.draws)} class lists", "give one for each, in any order")
    sets = [read_features(path, benchmark.classes) for path in data]
    place = {frozenset(features.unseen): number for number, features in enumerate(sets)}
    order = [place.get(frozenset(draw), number) for number, draw in enumerate(benchmark.draws)]  # one that fits no list is refused below
    remarks = [f"{data[number]}: {remark}" for draw, number in enumerate(order) for remark in check_against(sets[number], benchmark, draw, str(data[number]))]
    return tuple(data[number] for number in order), tuple(remarks)
