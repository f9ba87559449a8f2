"""What has to be done for a row: the stages, in order, each named by the hash of what it depends on. Nothing is done here."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tdsm.backbones.encoder_files import load_encoder, refuse_leak
from tdsm.catalogue.doctor import inspect
from tdsm.catalogue.feature_checks import check_against
from tdsm.catalogue.feature_files import is_features, read_features
from tdsm.catalogue.rows import Benchmark
from tdsm.config import Config
from tdsm.data.prompts import SUBSETS, Descriptions
from tdsm.experiments.reproduce import work
from tdsm.experiments.stages import Stage, count_files, listing, new_stage, size_of
from tdsm.text import TextEncoder, cache_folder
from tdsm.util.errors import InputError

__all__ = ["Plan", "plan_row"]


@dataclass(frozen=True)
class Plan:
    """All stages of a row, in order.

    Attributes:
        features, scores: folders of each class list, and of each class list and seed.
        remarks: on data or features that do not hold the official numbers of clips.
    """

    benchmark: Benchmark
    config: Config
    stages: tuple[Stage, ...]
    features: tuple[Path, ...]
    scores: tuple[tuple[Path, ...], ...]
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.table({})

    def table(self, seconds: Mapping[str, float]) -> str:
        """The stages, what is done, about how much each writes and, given seconds a unit (:mod:`tdsm.experiments.reproduce.estimate`), how long it takes."""
        rows = [f"{'stage':26} {'state':6} {'writes':>10} {'takes':>9}  goes through"]
        for each in self.stages:
            took = seconds.get(each.unit, 0) * each.count
            cells = ["done", "", ""] if each.done else ["to do", f"{each.bytes / 1e6:,.0f} MB", _time(took)]
            rows.append(f"{each.folder.name:26} {cells[0]:6} {cells[1]:>10} {cells[2]:>9}  {each.count:,} {each.unit}")
        left = [each for each in self.stages if not each.done]
        total = sum(seconds.get(each.unit, 0) * each.count for each in left)
        rows.append(
            f"to do: {len(left)} stages, {sum(each.bytes for each in left) / 1e9:,.1f} GB" + (f", about {total / 3600:,.1f} h on this machine" if total else "")
        )
        return "\n".join(rows)


def _time(seconds: float) -> str:
    return "" if not seconds else f"{seconds / 3600:,.0f} h" if seconds > 7200 else f"{seconds / 60:,.0f} min"


def plan_row(
    benchmark: Benchmark,
    data: Sequence[Path],
    out: Path,
    config: Config,
    *,
    seeds: int = 5,
    descriptions: Descriptions,
    encoder: Path | None = None,
    text_encoder: TextEncoder | None = None,
) -> Plan:
    """What has to be done for one row; nothing is done yet.

    Args:
        benchmark: the row.
        data: the download, unpacked or not (several parts are joined), or published features, one folder or file for each class list of the row.
        out: folder of all stages, shared by all rows.
        config: settings; :func:`tdsm.config.paper` with the row's encoder is the paper's.
        seeds: how many denoisers.
        descriptions: class name -> sentence, or several prompts, for every class; its order is the data set's own class order.
        encoder: an encoder file to use in place of training one; refused if it saw an unseen class.
        text_encoder: left out: made from ``config.text``.

    Raises:
        InputError: no data, raw data and features at once, features that fit no class list of the row, or an encoder that saw unseen classes.
    """
    classes = tuple(descriptions)
    if len(classes) != benchmark.classes:
        raise InputError("prompts", f"{len(classes)} classes, but {benchmark.name} has {benchmark.classes}", "give one description for every class")
    if config.align.pairs:
        what = "asks for alignment on generated pairs, which no published row has"
        raise InputError("config", what, "take the preset paper, or set align.pairs to 0; `tdsm evaluate` runs our own way")
    if not data:
        raise InputError(benchmark.name, "no data given", f"`tdsm benchmarks` says where to get it: {benchmark.dataset}")
    if all(map(is_features, data)):
        matched, remarks = _match_features(benchmark, data)
        before, features = [], [(path, listing([path])) for path in matched]
    elif any(map(is_features, data)):
        raise InputError(data[0], "raw data and features are given at once", "give one kind")
    else:
        remarks = _check_raw(benchmark, data)
        before, features = _from_raw(benchmark, data, out, config, classes, encoder)
    text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
    weights = 144 * config.model.depth * config.model.width**2  # 36 squares of the width a block, 4 bytes a number
    scores = []
    for draw, (folder, key) in enumerate(features):
        for seed in range(seeds):
            inputs = {"features": key, "unseen": benchmark.draws[draw], "prompts": descriptions} | _denoiser_settings(config) | {"seed": seed}
            make = functools.partial(work.make_scores, benchmark, draw, seed, folder, config, dict(descriptions), text_encoder)
            scores.append(new_stage(out, "scores", inputs, make, "denoiser steps", config.train.steps, weights))
    grouped = tuple(tuple(each.folder for each in scores[start : start + seeds]) for start in range(0, len(scores), seeds))
    return Plan(benchmark, config, (*before, *scores), tuple(folder for folder, _ in features), grouped, tuple(remarks))


def _check_raw(benchmark: Benchmark, data: Sequence[Path]) -> list[str]:
    """Refuse another data set by the names of its files, before hours go into reading it; returns what is wrong or missing otherwise."""
    remarks = []
    for path in data:
        found = inspect(path)
        if SUBSETS.get(found.dataset, (found.dataset, 0))[0] != SUBSETS.get(benchmark.dataset, (benchmark.dataset, 0))[0]:
            raise InputError(path, f"is {found.kind}, which {benchmark.name} is not made of", f"give {benchmark.dataset}; `tdsm fetch` says where it is")
        remarks += [f"{path}: {problem}" for problem in found.problems]
    return remarks


def _from_raw(
    benchmark: Benchmark, data: Sequence[Path], out: Path, config: Config, classes: tuple[str, ...], encoder: Path | None
) -> tuple[list[Stage], list[tuple[Path, str]]]:
    """The stages up to the features, and (folder, key) of the features of each class list."""
    clips = new_stage(
        out, "clips", {"data": listing(data)}, functools.partial(work.make_clips, tuple(data)), "files read", count_files(data), size_of(data) // 4
    )
    number = benchmark.counts.get("clips", clips.count)
    p = config.preprocess
    size = number * p.bodies * p.frames * 300
    inputs = {"clips": clips.folder.name, "preprocess": asdict(p), "dataset": benchmark.dataset}
    arrays = new_stage(out, "arrays", inputs, functools.partial(work.make_arrays, clips.folder, benchmark, config, classes), "clips preprocessed", number, size)
    stages, features = [clips, arrays], []
    for draw, unseen in enumerate(benchmark.draws):
        about = {"arrays": arrays.folder.name, "unseen": unseen, "partition": benchmark.partition}
        if encoder is None:
            inputs = about | {"encoder": asdict(config.encoder), "precision": config.train.precision}
            make = functools.partial(work.make_encoder, arrays.folder, benchmark, draw, config)
            trained = new_stage(out, "encoder", inputs, make, "encoder steps", config.encoder.steps, 15_000_000)
            stages.append(trained)
            source, key = trained.folder / "encoder.safetensors", trained.folder.name
        else:
            _check_encoder(encoder, benchmark, classes, draw)
            source, key = encoder, listing([encoder])
        make = functools.partial(work.make_features, arrays.folder, source, benchmark, draw)
        extracted = new_stage(out, "features", about | {"encoder": key}, make, "clips encoded", number, number * config.encoder.features * 4)
        stages.append(extracted)
        features.append((extracted.folder / "features.npz", extracted.folder.name))
    return stages, features


def _check_encoder(path: Path, benchmark: Benchmark, classes: tuple[str, ...], draw: int) -> None:
    about = load_encoder(path)[1]
    theirs, ours = (SUBSETS.get(name, (name, 0))[0] for name in (about.dataset, benchmark.dataset))
    if theirs != ours:
        remedy = "train one on this data set: the classes of another may be the same actions under other names"
        raise InputError(path, f"was trained on {about.dataset}, {benchmark.name} is of {benchmark.dataset}", remedy)
    refuse_leak(about.classes, benchmark.unseen_labels(classes, draw), path)


def _denoiser_settings(config: Config) -> dict[str, object]:
    return {name: asdict(getattr(config, name)) for name in ("text", "diffusion", "model", "train")}


def _match_features(benchmark: Benchmark, data: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The given features in the order of the row's class lists, and remarks on their numbers of clips."""
    if len(data) != len(benchmark.draws):
        raise InputError(benchmark.name, f"{len(data)} sets of features for {len(benchmark.draws)} class lists", "give one for each, in any order")
    sets = [read_features(path, benchmark.classes) for path in data]
    place = {frozenset(features.unseen): number for number, features in enumerate(sets)}
    order = [place.get(frozenset(draw), number) for number, draw in enumerate(benchmark.draws)]  # one that fits no list is refused below
    remarks = [f"{data[number]}: {remark}" for draw, number in enumerate(order) for remark in check_against(sets[number], benchmark, draw, str(data[number]))]
    return [data[number] for number in order], remarks
