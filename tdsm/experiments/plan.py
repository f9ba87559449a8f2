"""Plan the stages of a cell, in order. Each stage is named by the hash of all its inputs. This module computes no stage.

clips -> arrays -> backbone -> features -> scores       (with published features, the plan has only ``scores``)
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from tdsm.backbones.fit import refuse_leak
from tdsm.backbones.lexicon import sentences_of_others
from tdsm.data.clips import ClipSet
from tdsm.experiments import work
from tdsm.experiments.cells import Cell, whole_set
from tdsm.experiments.stages import Stage, code_of, new_stage
from tdsm.util.digest import digest_of
from tdsm.util.errors import InputError
from tdsm.util.files import read_object
from tdsm.util.loop import fingerprint

__all__ = ["plan_of"]

_BACKBONES = ("data", "text", "util/loop.py", "backbones", "catalogue/partitions.py")
_CODE = {  # the code that a stage depends on, in addition to experiments/work.py and the stages before it
    "clips": ("data",),
    "arrays": ("data", "catalogue/rows.py", "catalogue/partitions.py"),
    "backbone": _BACKBONES,
    "features": (*_BACKBONES, "catalogue/feature_files.py"),
    "scores": (*_BACKBONES, "catalogue/feature_files.py", "model", "diffusion.py", "matcher.py", "train.py", "baselines"),
}


def plan_of(cell: Cell, out: Path) -> Stage:
    """The stage with the scores of this cell; :attr:`Stage.before` gives the stages that it needs."""
    if cell.source.features:
        return _scores(cell, out, cell.source.paths[cell.draw], None, {"features": cell.source.digests[cell.draw]})
    clips, count = _clips(cell, out)
    arrays = _arrays(cell, out, clips, count)
    division = work.Division(cell.benchmark.dataset, cell.benchmark.partition, cell.train_classes, cell.test_classes, cell.part)
    if cell.backbone is None:
        place = _backbone(cell, out, arrays, division)
        before, key = (arrays, place), place.folder.name
    else:
        _check_backbone(cell)
        place, before, key = cell.backbone, (arrays,), digest_of([cell.backbone])
    about = {"division": asdict(division), "backbone": key}
    make = functools.partial(work.make_features, arrays, place, division, cell.names, cell.text_encoder)
    size = 4 * count * (cell.config.align.width if cell.config.backbone == "aligned" else cell.config.encoder.features)
    features = _stage(out, "features", about, make, unit="clips encoded", count=count, size=size, before=before)
    return _scores(cell, out, features, place, {}, division, before)


def _clips(cell: Cell, out: Path) -> tuple[Stage | ClipSet, int]:
    if cell.source.clips is not None:
        return cell.source.clips, len(cell.source.clips)
    count, size = cell.source.extent
    make = functools.partial(work.make_clips, cell.source.paths)
    stage = _stage(out, "clips", {"data": cell.source.digests}, make, unit="files read", count=count, size=size // 4)
    return stage, cell.benchmark.counts.get("clips", count)


def _arrays(cell: Cell, out: Path, clips: Stage | ClipSet, count: int) -> Stage:
    p = cell.config.preprocess
    inputs = {"preprocess": asdict(p), "dataset": cell.benchmark.dataset, "classes": cell.names}
    inputs |= {"clips": cell.source.digests} if isinstance(clips, ClipSet) else {}
    before = (clips,) if isinstance(clips, Stage) else ()
    make = functools.partial(work.make_arrays, clips, cell.benchmark, p, cell.names)
    size = count * p.bodies * max(p.frames, 1) * 300
    return _stage(out, "arrays", inputs, make, unit="clips preprocessed", count=count, size=size, before=before)


def _backbone(cell: Cell, out: Path, arrays: Stage, division: work.Division) -> Stage:
    config, labels = cell.config, tuple(cell.labels[index] for index in cell.train_classes)
    settings = {"backbone": config.backbone, "precision": config.train.precision}
    settings |= {name: asdict(getattr(config, name)) for name in ("encoder", "text")}
    settings |= {"align": asdict(config.align)} if config.backbone == "aligned" else {}
    inputs = {"division": asdict(division), "settings": settings, "seed": cell.backbone_seed, "text model": _text_model(cell)}
    if config.backbone == "aligned":  # the training of a classifier does not use the texts of its labels
        lexicon = fingerprint(sentences_of_others(cell.benchmark.dataset)) if config.align.guess else ""
        inputs |= {"prompts": [label.prompts for label in labels], "lexicon": lexicon}
    make = functools.partial(work.make_backbone, arrays, division, labels, config, cell.backbone_seed, cell.text_encoder)
    first = 0 if config.align.start else config.align.pretrain_steps  # towers that start from shipped ones skip the stage of generated pairs
    steps = config.align.steps + first if config.backbone == "aligned" else config.encoder.steps
    return _stage(out, "backbone", inputs, make, unit="encoder steps", count=steps, size=15_000_000, before=(arrays,))


def _scores(
    cell: Cell, out: Path, features: Stage | Path, backbone: Stage | Path | None, inputs: Mapping, division: work.Division | None = None, before: tuple = ()
) -> Stage:
    settings = {name: asdict(getattr(cell.config, name)) for name in ("text", "diffusion", "model", "train")}
    every = {**inputs, "test": cell.test_classes, "prompts": [label.prompts for label in cell.labels], "settings": settings, "seed": cell.seed}
    every |= {"text model": _text_model(cell)}
    make = functools.partial(work.make_scores, cell, features, backbone, division, before[0] if before else None)
    weights = 144 * cell.config.model.depth * cell.config.model.width**2  # 36 * width^2 weights per block, 4 bytes per weight
    before = (*before, features) if isinstance(features, Stage) else ()
    return _stage(out, "scores", every, make, unit="denoiser steps", count=cell.config.train.steps, size=weights, before=before)


def _check_backbone(cell: Cell) -> None:
    about = read_object(cell.backbone / "backbone.json")
    theirs = whole_set(about.get("dataset"))
    if theirs != whole_set(cell.benchmark.dataset):
        remedy = "train a backbone on this data set: another data set may contain the same actions under other names"
        raise InputError(cell.backbone, f"was trained on {theirs}, but {cell.benchmark.name} uses {cell.benchmark.dataset}", remedy)
    refuse_leak(about.get("seen", ()), [cell.names[index] for index in cell.test_classes], cell.backbone)


def _text_model(cell: Cell) -> str:
    """Hash of the text model. A plan can be printed without the model; :func:`tdsm.experiments.run.run` checks for it before anything is computed."""
    try:
        return cell.text_encoder.identity
    except InputError:
        return "not at hand"


def _stage(out: Path, name: str, inputs: Mapping[str, object], make: Callable[[Path], None], **about: object) -> Stage:
    return new_stage(out, name, inputs, make, code=code_of("experiments/work.py", *_CODE[name]), **about)
