"""The experiment bench: a grid of settings x benchmarks x draws x seeds, in one process, on one csv.

Settings are chosen on *pseudo-unseen* classes (:mod:`tdsm.experiments.validation`); the part "unseen" reports on the real ones, and nothing may be
chosen there. A cell is one setting, benchmark, draw and seed, trained by :func:`tdsm.train.train_recognizer`. What cells have in common is made once, in
folders named by the hash of what they depend on (:mod:`tdsm.experiments.stages`), so that a killed bench goes on, and a larger grid does only what is new:

- ``encoder-*``: ``train_recognizer`` with a single denoiser step. What was trained before the denoiser stands complete in its checkpoints, and
  ``train_recognizer`` takes complete checkpoints as they are; it refuses those of other clips, settings or seeds.
- ``ridge-*``: ridge regression on these features.
- ``denoiser-*``: ``train_recognizer`` with the checkpoints of ``encoder-*``, and its errors on the test clips.
Clips are preprocessed and encoded again in every cell, a few per cent of a denoiser's training.

Columns of results.csv: dotted names of the overridden settings; benchmark; draw, of pseudo-unseen classes or of the row's lists; seed; part; method,
"tdsm", "ridge" or, of aligned encoders, "cosine" (no denoiser); top1 and class_mean, 0 to 1; seconds_encoder, of the stage that cells may share
(the first also reads the texts); seconds_denoiser, with preparing the clips (both empty where a killed stage went on); commit and date of the making.
"""

import csv
import functools
import hashlib
import io
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tdsm.catalogue.rows import Benchmark
from tdsm.config import Config
from tdsm.data.clips import ClipSet
from tdsm.data.prompts import Descriptions, class_prompts, load_prompts
from tdsm.experiments.stages import Stage, new_stage
from tdsm.experiments.validation import paired_difference, pseudo_unseen_of
from tdsm.recognizer import Recognizer
from tdsm.text import TextEncoder, cache_folder
from tdsm.train import cosine_report, ridge_report, train_recognizer, zero_shot_report
from tdsm.util.errors import InputError
from tdsm.util.files import atomic, write_json, write_text

__all__ = ["run_grid", "settings_of", "table"]

Row = dict[str, object]
_DENOISER = ("diffusion", "model", "train")  # parts of a Config on which nothing before the denoiser depends; all others count for it


def run_grid(
    grid: Mapping[str, Sequence[object]],
    work: Sequence[tuple[Benchmark, ClipSet]],
    out: Path,
    *,
    base: Config | None = None,
    part: str = "pseudo",
    draws: int = 3,
    seeds: int = 2,
    descriptions: Mapping[str, Descriptions] | None = None,
) -> list[Row]:
    """Train and test every cell that is not made yet; returns all rows of the grid, for :func:`table`.

    ``out/results.csv`` is written after each cell, ``out/table.md`` at the end.

    Args:
        grid: dotted name of a :class:`Config` field -> values, such as ``{"train.steps": [150, 300]}``; every combination is a setting, the first
            of them the one that others are compared with.
        work: benchmarks, each with the clips of its data set.
        out: folder of all stages, which several benches may share.
        base: settings that the grid overrides; default: ``Config()``.
        part: "pseudo" divides the seen classes of the row's training part (those that no list of the row has as unseen); "unseen" is the row's own test.
        draws: how many pseudo-unseen draws; "unseen" takes all lists of the row.
        seeds: how many seeds.
        descriptions: data set -> label -> sentence; left out: the packaged ones.

    Raises:
        InputError: a setting that cannot be, before anything is trained; or what training raises.
    """
    settings = settings_of(base or Config(), grid)
    encoders = {config.text: TextEncoder(config.text, cache_folder()) for _, config in settings}
    jobs = [job for benchmark, clips in work for job in _jobs(benchmark, clips, part, draws, descriptions or {})]
    cells = [_plan(job, setting, config, seed, out, encoders[config.text]) for job in jobs for seed in range(seeds) for setting, config in settings]
    made = {number: _rows(about, stages) for number, (about, stages) in enumerate(cells) if all(stage.done for stage in stages)}
    for number, (about, stages) in enumerate(cells):
        for stage in stages:
            stage.run()
        made[number] = _rows(about, stages)
        rows = [row for one in sorted(made) for row in made[one]]
        write_text(out / "results.csv", _as_csv(rows))
    write_text(out / "table.md", table(rows) + "\n")
    return rows


def settings_of(base: Config, grid: Mapping[str, Sequence[object]]) -> list[tuple[dict[str, object], Config]]:
    """(overrides, settings) of every combination, the last field changing fastest.

    Raises:
        InputError: an unknown field, no list of different values, or what :meth:`Config.from_json` refuses.
    """
    known = list(_fields(asdict(base)))
    for name, values in grid.items():
        if name not in known:
            near = [other for other in known if other.endswith("." + name.split(".")[-1])] or get_close_matches(name, known) or known
            raise InputError("grid", f"no setting {name!r}", f"choose among: {', '.join(near)}")
        if isinstance(values, str) or not isinstance(values, Sequence) or not values or len(set(map(repr, values))) < len(values):
            raise InputError(f"grid: {name}", f"{values!r} is no list of different values", "give one, with one value at least")
    made = []
    for values in product(*grid.values()):
        setting, told = dict(zip(grid, values, strict=True)), asdict(base)
        for name, value in setting.items():
            *path, last = name.split(".")
            functools.reduce(dict.__getitem__, path, told)[last] = value
        made.append((setting, Config.from_json(json.dumps(told, default=repr), "grid")))
    return made


def table(rows: Sequence[Row]) -> str:
    """Markdown: of each benchmark and of all, top-1 % as mean ± std over draws and seeds, the difference to the first setting, and seconds a cell.

    The difference is paired over (benchmark, draw, seed), with a 95 % interval of Student's t. Pairs of one draw share its classes and are alike, so
    that with few draws the interval is rather too narrow. "all" pools the cells of all benchmarks.
    """
    head = ["benchmark", "method", "setting", "cells", "top-1 %", "class mean %", "to the first, points [95 %]", "s encoder", "s denoiser"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    names = list(dict.fromkeys(row["benchmark"] for row in rows))
    for name in [*names, "all"] if len(names) > 1 else names:
        for method in dict.fromkeys(row["method"] for row in rows):
            chosen = [row for row in rows if row["method"] == method and name in (row["benchmark"], "all")]
            lines += ["| " + " | ".join([str(name), method, *cells]) + " |" for cells in _compared(chosen)]
    return "\n".join(lines)


class _Job(NamedTuple):
    """Clips to train and test on; ``keys`` are their hashes, ``about`` its columns in results.csv."""

    about: Row
    train: ClipSet
    test: ClipSet
    told: Descriptions
    keys: tuple[str, str]


def _jobs(benchmark: Benchmark, clips: ClipSet, part: str, draws: int, descriptions: Mapping[str, Descriptions]) -> Iterator[_Job]:
    if part not in ("pseudo", "unseen"):
        raise InputError("part", f"{part!r}", "choose pseudo or unseen")
    lists = range(len(benchmark.draws))
    divided = pseudo_unseen_of(benchmark, clips, draws) if part == "pseudo" else [benchmark.divide(clips, draw) for draw in lists]
    told = descriptions.get(benchmark.dataset) or load_prompts(benchmark.dataset)
    for draw, (train, test) in enumerate(divided):
        about = {"benchmark": benchmark.name, "draw": draw, "seed": None, "part": part}
        yield _Job(about, train, test, told, (_digest(train), _digest(test)))


def _digest(clips: ClipSet) -> str:
    digest = hashlib.sha256(repr((clips.classes, clips.layout.name)).encode())
    for clip in clips:
        digest.update(repr((clip.name, clip.label, clip.joints.shape)).encode())
        digest.update(np.ascontiguousarray(clip.joints))
    return digest.hexdigest()


def _plan(job: _Job, setting: Row, config: Config, seed: int, out: Path, text: TextEncoder) -> tuple[Row, list[Stage]]:
    """What a cell is called, and its stages: encoder, ridge, denoiser."""
    settings = asdict(config)
    before = {name: value for name, value in settings.items() if name not in _DENOISER} | {"precision": config.train.precision}
    prompts = class_prompts((*job.train.classes, *job.test.classes), job.told)
    inputs = {"clips": job.keys[0], "prompts": prompts, "settings": before, "seed": seed}
    encoder = new_stage(out, "encoder", inputs, functools.partial(_make_encoder, job, config, seed, text), "encoder steps", config.encoder.steps, 0)
    inputs = {"encoder": encoder.folder.name, "test": job.keys[1]}
    ridge = new_stage(out, "ridge", inputs, functools.partial(_make_ridge, job, encoder.folder, text), "clips", len(job.train), 0)
    make = functools.partial(_make_denoiser, job, config, seed, text, encoder.folder)
    denoiser = new_stage(out, "denoiser", inputs | {"settings": settings}, make, "denoiser steps", config.train.steps, 0)
    return setting | job.about | {"seed": seed}, [encoder, ridge, denoiser]


def _make_encoder(job: _Job, config: Config, seed: int, text: TextEncoder, folder: Path) -> None:
    fresh = not (folder / "training").exists()
    for name in ("config.json", "training/denoiser.safetensors"):  # left by a killed call, maybe of another denoiser on this encoder
        (folder / name).unlink(missing_ok=True)
    start = time.monotonic()
    one_step = replace(config, train=replace(config.train, steps=1))
    train_recognizer(job.train, one_step, descriptions=job.told, folder=folder, seed=seed, text_encoder=text)
    write_json(folder / "metrics.json", {"seconds": time.monotonic() - start if fresh else None})


def _make_ridge(job: _Job, encoder: Path, text: TextEncoder, folder: Path) -> None:
    report = ridge_report(Recognizer.from_pretrained(encoder / "model", text), job.train, job.test)
    write_json(folder / "metrics.json", report.metrics() | {"seconds": None})


def _make_denoiser(job: _Job, config: Config, seed: int, text: TextEncoder, encoder: Path, folder: Path) -> None:
    training = folder / "training"
    fresh = not training.exists()
    training.mkdir(exist_ok=True)
    for checkpoint in (encoder / "training").glob("*.safetensors"):
        if checkpoint.name != "denoiser.safetensors":
            with atomic(training / checkpoint.name) as partial:
                shutil.copyfile(checkpoint, partial)
    start = time.monotonic()
    recognizer = train_recognizer(job.train, config, descriptions=job.told, folder=folder, seed=seed, text_encoder=text)
    seconds = time.monotonic() - start if fresh else None
    report = zero_shot_report(recognizer, job.test)
    with atomic(folder / "scores.npz") as partial, partial.open("wb") as file:
        np.savez_compressed(file, errors=report.errors, y=report.y, labels=np.array(report.labels), subjects=report.subjects)
    cosine = {"cosine": cosine_report(recognizer, job.test).metrics()} if config.align.pairs else {}
    write_json(folder / "metrics.json", report.metrics() | {"seconds": seconds} | cosine)
    for place in (training, folder / "model"):  # large, and only the scores are wanted
        shutil.rmtree(place)


def _rows(about: Row, stages: Sequence[Stage]) -> list[Row]:
    encoder, ridge, denoiser = ([json.loads((stage.folder / name).read_text()) for name in ("metrics.json", "stage.json")] for stage in stages)
    rows: list[Row] = []
    reports = {"tdsm": denoiser, "ridge": ridge}
    if "cosine" in denoiser[0]:
        reports["cosine"] = denoiser[0]["cosine"] | {"seconds": None}, denoiser[1]
    for method, (scores, stage) in reports.items():
        numbers = {"top1": scores["top1"], "class_mean": scores["class_mean"]}
        seconds = {"seconds_encoder": encoder[0]["seconds"], "seconds_denoiser": scores["seconds"]}
        rows.append(about | {"method": method} | numbers | seconds | {name: stage["environment"][name] for name in ("commit", "date")})
    return rows


def _as_csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _fields(values: Mapping[str, object], before: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield from _fields(value, f"{before}{name}.") if isinstance(value, dict) else [before + name]


def _compared(rows: Sequence[Row]) -> list[list[str]]:
    """Table cells of each setting, in the order in which they come; the settings are the columns before "benchmark"."""
    groups: dict[str, dict[tuple, Row]] = {}
    for row in rows:
        setting = ", ".join(f"{name}={row[name]}" for name in list(row)[: list(row).index("benchmark")])
        groups.setdefault(setting or "base", {})[row["benchmark"], row["draw"], row["seed"]] = row
    first, lines = next(iter(groups.values())), []
    for setting, group in groups.items():
        top1, class_mean = (100 * np.array([row[name] for row in group.values()]) for name in ("top1", "class_mean"))
        spread = f"{top1.mean():.1f} ± {top1.std(ddof=1) if len(top1) > 1 else 0:.1f}"
        mean, low, high = paired_difference(top1, np.array([100 * first[pair]["top1"] for pair in group]))
        difference = "" if group is first else f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
        known = [[row[name] for row in group.values() if row[name] is not None] for name in ("seconds_encoder", "seconds_denoiser")]
        seconds = [f"{np.mean(each):.0f}" if each else "" for each in known]
        lines.append([setting, str(len(group)), spread, f"{class_mean.mean():.1f}", difference, *seconds])
    return lines
