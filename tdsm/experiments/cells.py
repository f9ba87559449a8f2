"""Cells: a cell is one setting on one list of classes with one seed. This module only describes cells and computes nothing.

Nothing is selected on any test clip: backbone and denoiser are trained on the seen classes for a fixed number of steps, and the candidates are the
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
    """The data set that ``dataset`` is a subset of, or ``dataset`` itself."""
    return SUBSETS.get(dataset, (dataset, 0))[0]


@dataclass(frozen=True, eq=False)
class Source:
    """The files or clips from which a benchmark is computed."""

    clips: ClipSet | None = None  # a data set in memory, or None
    paths: tuple[Path, ...] = ()  # downloads, or published features, one per class list of the row
    features: bool = False  # whether the paths are features
    remarks: tuple[str, ...] = ()  # about data or features whose numbers of clips differ from the official ones

    @functools.cached_property
    def digests(self) -> tuple[str, ...]:
        """Hash of the clips, or of the content of each path; computed once."""
        return (self.clips.digest,) if self.clips is not None else tuple(digest_of([path]) for path in self.paths)

    @functools.cached_property
    def extent(self) -> tuple[int, int]:
        """Number of files and of bytes in all paths."""
        return count_files(self.paths), size_of(self.paths)


@dataclass(frozen=True, eq=False)
class Cell:
    """One setting on one list of classes with one seed."""

    benchmark: Benchmark  # the row of a published table
    source: Source  # its clips or features
    config: Config
    labels: tuple[Label, ...]  # all classes of the data set, in its own order, with their descriptions
    draw: int  # index of the class list
    train_classes: tuple[int, ...]  # class indices
    test_classes: tuple[int, ...]  # class indices: the unseen classes of the row, or, for "pseudo", some of its seen classes
    part: str  # "unseen" (the row's own test) or "pseudo"
    seed: int  # of the denoiser
    backbone_seed: int  # of the backbone; rows of the paper share one backbone among denoisers
    text_encoder: TextModel
    setting: Mapping[str, object] = field(default_factory=dict)  # settings that differ from the first setting of a grid, by dotted name
    backbone: Path | None = None  # folder of a trained backbone that replaces the training of one

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
        benchmark: the row of a published table.
        source: its clips or features.
        config: settings of the cells.
        seeds: number of seeds, one denoiser per seed.
        descriptions: label -> description of every class; default: the packaged descriptions.
        part: "unseen", the row's own test, or "pseudo", a test on some seen classes that are held out of training.
        draws: number of random choices of pseudo-unseen classes. With "unseen", all class lists of the row are used instead.
        setting: settings that differ from the first setting of a grid, by dotted name.
        backbone: folder of a trained backbone that replaces the training of one; its own settings are used. A backbone that was trained on a test
            class is refused when the cell is planned.
        shared_backbone: whether all seeds of a class list share one backbone, as in the paper.
        text_encoder: encoder of the labels; default: the encoder of ``config.text``.

    Raises:
        InputError: an unknown part, clips of variable length, or a class without a name.
    """
    if part not in ("pseudo", "unseen"):
        raise InputError("part", f"is {part!r}", "choose pseudo or unseen")
    if config.preprocess.frames == 0:
        raise InputError("config", "preprocess.frames is 0, so clips differ in length", "set preprocess.frames to the number of frames of all clips")
    names = tuple(load_prompts(benchmark.dataset))
    labels = as_labels(names, load_prompts(benchmark.dataset) if descriptions is None else descriptions)
    if backbone is not None:
        trained = load_backbone(backbone, text_encoder)[1]  # clips and texts are processed with the settings of its training
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
    """The source of a row's clips or features. Its files are checked against the row by name, before any long computation.

    Raises:
        InputError: no data, another data set, raw data together with features, or features that fit no class list of the row.
    """
    if isinstance(data, ClipSet):
        return Source(data)
    paths = tuple(data)
    if not paths:
        raise InputError(benchmark.name, "no data given", f"give {benchmark.dataset}; `tdsm benchmarks` lists where to download it")
    if all(map(is_features, paths)):
        matched, remarks = _match_features(benchmark, paths)
        return Source(None, matched, True, remarks)
    if any(map(is_features, paths)):
        raise InputError(paths[0], "raw data and features are given together", "give only one of the two")
    remarks = []
    for path in paths:
        finding = inspect(path)
        if whole_set(finding.dataset) != whole_set(benchmark.dataset):
            raise InputError(path, f"is {finding.kind}, which {benchmark.name} does not use", f"give {benchmark.dataset}; `tdsm fetch` says where it is")
        remarks += [f"{path}: {problem}" for problem in finding.problems]
    return Source(None, paths, False, tuple(remarks))


def _match_features(benchmark: Benchmark, data: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The given features in the order of the row's class lists, and remarks on their numbers of clips."""
    if len(data) != len(benchmark.draws):
        raise InputError(benchmark.name, f"{len(data)} sets of features for {len(benchmark.draws)} class lists", "give one set per class list, in any order")
    sets = [read_features(path, benchmark.classes) for path in data]
    place = {frozenset(features.unseen): number for number, features in enumerate(sets)}
    order = [place.get(frozenset(draw), number) for number, draw in enumerate(benchmark.draws)]  # features that fit no list are refused below
    remarks = [f"{data[number]}: {remark}" for draw, number in enumerate(order) for remark in check_against(sets[number], benchmark, draw, str(data[number]))]
    return tuple(data[number] for number in order), tuple(remarks)
