"""The state of an experiment: which cells and stages are done, running, waiting or lost, and what its workers do. It is read from files and squeue only."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tdsm.experiments.cells import Cell
from tdsm.experiments.plan import plan_of
from tdsm.experiments.run import plan
from tdsm.experiments.workers import Worker, is_alive, jobs_in_queue, last_line, log_of, read_workers
from tdsm.util.errors import InputError
from tdsm.util.files import is_locked, read_object, write_json
from tdsm.util.weights import about_of

__all__ = ["status_table", "write_plan"]

_END = ".plan.json"


def write_plan(cells: Sequence[Cell], out: Path, name: str) -> Path:
    """Write the cells and stages of an experiment to NAME.plan.json in ``out``, for :func:`status_table`; returns the path."""
    stages = [{"folder": stage.folder.name, "unit": stage.unit, "count": stage.count} for stage in plan(cells, out)]
    return write_json(out / f"{name}{_END}", {"cells": [{"name": _name(cell), "scores": plan_of(cell, out).folder.name} for cell in cells], "stages": stages})


def _name(cell: Cell) -> str:
    setting = [f"{name}={value}" for name, value in cell.setting.items()]
    return ", ".join([cell.benchmark.name, *setting, f"class list {cell.draw + 1}", f"seed {cell.seed}"])


def status_table(out: Path) -> str:
    """Text table of the cells, stages and workers of all experiments in a folder, during a run or after an interrupted one.

    A stage is "running" if a process computes it; the table then shows the step of the last checkpoint. A stage is "left" if an interrupted process began it.
    A cell is "lost" if its worker ended before the cell was done; the next call computes it. Cells and stages that no process has begun are "waiting".

    Raises:
        InputError: the folder contains no experiment, or one of its files is damaged.
    """
    plans = {path.name.removesuffix(_END): _read(path) for path in sorted(out.glob(f"*{_END}"))}
    if not plans:
        raise InputError(out, "holds no experiment", "give the --out folder of tdsm evaluate, study or reproduce")
    jobs, workers = jobs_in_queue(), read_workers(out)
    blocks = [_of_plan(out, name, about, workers, jobs) for name, about in plans.items()]
    return "\n\n".join([*blocks, *([_of_workers(out, workers, jobs)] if workers else [])])


def _read(path: Path) -> dict[str, list[dict]]:
    remedy = "delete it; the next call of the experiment writes it again"
    about = read_object(path, remedy)
    for key, kinds in (("cells", {"name": str, "scores": str}), ("stages", {"folder": str, "unit": str, "count": int})):
        entries = about.get(key)
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and all(isinstance(entry.get(name), kinds[name]) for name in kinds) for entry in entries
        ):
            raise InputError(path, f"is not a plan: {key} is missing or invalid", remedy)
    if not {cell["scores"] for cell in about["cells"]} <= {stage["folder"] for stage in about["stages"]}:
        raise InputError(path, "is damaged", remedy)
    return about


def _of_plan(out: Path, name: str, about: Mapping[str, list[dict]], workers: Sequence[Worker], jobs: Mapping[str, str] | None) -> str:
    stages = {stage["folder"]: _state(out / stage["folder"]) for stage in about["stages"]}
    holders = {cell: [worker for worker in workers if cell in worker.cells] for cell in (cell["scores"] for cell in about["cells"])}
    cells = {cell["scores"]: _of_cell(stages[cell["scores"]], [is_alive(worker, jobs) for worker in holders[cell["scores"]]]) for cell in about["cells"]}
    rows = [[f"stage of {name}", "state", ""]]
    rows += [[folder["folder"], stages[folder["folder"]], _step(out, folder, stages[folder["folder"]])] for folder in about["stages"]]
    rows += [["", "", ""], [f"cell of {name}", "state", ""]]
    rows += [[cell["name"], cells[cell["scores"]], ", ".join(worker.name for worker in holders[cell["scores"]])] for cell in about["cells"]]
    counts = ", ".join(f"{list(cells.values()).count(state)} {state}" for state in ("done", "running", "waiting", "lost"))
    return f"{_columns(rows)}\n{len(cells)} cells: {counts}"


def _state(folder: Path) -> str:
    partial = folder.with_name(f"{folder.name}.partial")
    if (folder / "stage.json").is_file():
        return "done"
    if not partial.is_dir():
        return "waiting"
    return "running" if is_locked(partial) else "left"


def _of_cell(scores: str, alive: Sequence[bool | None]) -> str:
    if scores in ("done", "running"):
        return scores
    held = any(there is not False for there in alive)
    return "lost" if not held and (scores == "left" or alive) else "waiting"


def _step(out: Path, stage: Mapping[str, object], state: str) -> str:
    """Progress of the training in a stage, from its checkpoint."""
    if state not in ("running", "left"):
        return ""
    step = about_of(out / f"{stage['folder']}.partial" / "training.safetensors").get("step")
    return f"{stage['count']:,} {stage['unit']}" + (f", checkpoint at step {step:,}" if isinstance(step, int) else "")


def _of_workers(out: Path, workers: Sequence[Worker], jobs: Mapping[str, str] | None) -> str:
    rows = [["worker", "state", "shard", "where", "log"]]
    lines = []
    for worker in workers:
        log = log_of(out, worker)
        rows.append([worker.name, _of_worker(worker, jobs), worker.shard, worker.where, str(log or "")])
        lines.append(f"    {worker.fault or last_line(log)}".rstrip())
    head, *table = _columns(rows).splitlines()
    return "\n".join([head, *(line for pair in zip(table, lines, strict=True) for line in pair if line)])


def _of_worker(worker: Worker, jobs: Mapping[str, str] | None) -> str:
    there = is_alive(worker, jobs)
    if worker.ended:
        return "failed" if worker.fault else "ended"
    if there is None:
        return "not known"
    if not there:
        return "lost"
    return (jobs or {}).get(worker.job, "RUNNING").lower() if worker.job else "running"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
