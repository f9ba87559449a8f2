"""The runner of `tdsm evaluate`, `tdsm study` and `tdsm reproduce`: it computes the scores of cells, and reuses finished stages."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from tdsm.config import Config, override, setting_names
from tdsm.evaluate import Report
from tdsm.experiments.cells import Cell
from tdsm.experiments.plan import plan_of
from tdsm.experiments.stages import Stage
from tdsm.util.errors import InputError
from tdsm.util.files import check_space, read_object

__all__ = ["Scored", "check", "plan", "plan_table", "run", "settings_of"]


@dataclass(frozen=True, eq=False)
class Scored:
    """A computed cell."""

    cell: Cell
    reports: Mapping[str, Report]  # "tdsm", "ridge" and, for an aligned backbone, "cosine" -> report on the test clips
    single_noise: float  # top-1 with a single test noise, as in the paper, mean over the test noises
    train: int  # number of training clips
    seconds: float | None  # training time of backbone and denoiser; None if a training was resumed or nothing was trained
    environment: Mapping[str, object]  # command, date, commit and hardware of the scores


def run(cells: Sequence[Cell], out: Path, report: Callable[[list[Scored]], object] | None = None) -> list[Scored]:
    """Compute the missing cells; returns all cells, in order.

    Args:
        cells: the cells of the experiment.
        out: folder of all stages, which several runs may share. A larger run computes only new stages; an interrupted run resumes.
        report: function that is called after each cell with all cells computed so far.

    Raises:
        InputError: a stage cannot be computed, the disk has too little free space, or `accelerate launch` started several processes.
    """
    check(cells, out)
    done: list[Scored] = []
    for cell in cells:
        done.append(_scored(cell, plan_of(cell, out)))
        if report is not None:
            report(done)
    return done


def check(cells: Sequence[Cell], out: Path) -> None:
    """Create the folder, and check the requirements of the cells before any computation.

    Raises InputError: no text model, too little free disk space, or `accelerate launch` started several processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError("accelerate launch", "starts several processes, but this command runs in one", "use `accelerate launch` only with `tdsm train`")
    for text_encoder in {cell.text_encoder for cell in cells}:
        text_encoder.check()
    out.mkdir(parents=True, exist_ok=True)
    check_space(out, sum(stage.bytes for stage in plan(cells, out) if not stage.done))


def _scored(cell: Cell, stage: Stage) -> Scored:
    with np.load(stage.path("scores.npz"), allow_pickle=False) as file:
        scores = {name: file[name] for name in file.files}
    labels = tuple(cell.labels[index].name for index in cell.test_classes)
    errors = scores["errors"]
    methods = {"tdsm": -errors.mean(axis=2)} | {name: scores[name] for name in ("ridge", "cosine") if name in scores}
    reports = {name: Report(values, scores["y"], labels, scores["subjects"]) for name, values in methods.items()}
    single = float(np.mean([(errors[..., noise].argmin(axis=1) == scores["y"]).mean() for noise in range(errors.shape[2])]))
    backbone = [before for before in stage.before if before.folder.name.startswith("backbone-") and before.intact("seconds.json")]
    seconds = [float(scores["seconds"]), *(read_object(before.folder / "seconds.json")["seconds"] for before in backbone)]
    known = np.isfinite(seconds[0]) and None not in seconds  # no training was resumed
    return Scored(cell, reports, single, int(scores["train"]), float(sum(seconds)) if known else None, stage.about)


def plan(cells: Sequence[Cell], out: Path) -> list[Stage]:
    """All stages of these cells, without duplicates, in an order in which they can be computed. Nothing is computed."""
    stages: dict[Path, Stage] = {}

    def add(stage: Stage) -> None:
        for before in stage.before:
            add(before)
        stages.setdefault(stage.folder, stage)

    for cell in cells:
        add(plan_of(cell, out))
    return list(stages.values())


def plan_table(stages: Sequence[Stage], seconds: Mapping[str, float]) -> str:
    """Text table of the stages: state, approximate size and, given seconds per unit (:mod:`tdsm.experiments.estimate`), approximate time."""
    rows = [f"{'stage':26} {'state':6} {'writes':>10} {'takes':>9}  goes through"]
    times = [seconds.get(stage.unit, 0.0) * stage.count for stage in stages]
    for stage, took in zip(stages, times, strict=True):
        time = f"{took / 3600:,.0f} h" if took > 7200 else f"{took / 60:,.0f} min" if took else ""
        cells = ["done", "", ""] if stage.done else ["to do", f"{stage.bytes / 1e6:,.0f} MB", time]
        rows.append(f"{stage.folder.name:26} {cells[0]:6} {cells[1]:>10} {cells[2]:>9}  {stage.count:,} {stage.unit}")
    left = [stage for stage in stages if not stage.done]
    total = sum(took for stage, took in zip(stages, times, strict=True) if not stage.done)
    size = sum(stage.bytes for stage in left) / 1e9
    rows.append(f"to do: {len(left)} stages, {size:,.1f} GB" + (f", about {total / 3600:,.1f} h on this machine" if total else ""))
    return "\n".join(rows)


def settings_of(base: Config, grid: Mapping[str, object]) -> list[tuple[dict[str, object], Config]]:
    """(overrides, settings) of all combinations in a grid such as ``{"train.steps": [150, 300]}``; the last field changes fastest.

    Raises:
        InputError: an unknown field, a value that is not a list of different values, or an invalid value in a list.
    """
    for name, values in grid.items():
        if name in setting_names() and (not isinstance(values, list | tuple) or not values or len(set(map(repr, values))) < len(values)):
            raise InputError(f"grid: {name}", f"{values!r} is not a list of different values", "give a list with at least one value")
    combinations = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    return [(setting, override(base, setting, "grid")) for setting in combinations]
