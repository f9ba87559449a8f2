"""Commands for experiments: evaluate a recipe, study its settings, reproduce a published row, show the progress of these, list saved results."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tdsm.cli.options import (
    Launcher,
    NoWait,
    Preset,
    Sentences,
    Settings,
    ShardOf,
    SlurmOptions,
    Threads,
    Workers,
    config_of,
    launch_of,
    say,
    sentences_of,
)  # fmt: skip
from tdsm.data.labels import unmatched_line
from tdsm.util.errors import InputError

if TYPE_CHECKING:
    from tdsm.config import Config
    from tdsm.experiments.launch import Launch

__all__ = ["evaluate", "reproduce", "results", "status", "study"]


def evaluate(
    data: Annotated[list[Path], typer.Argument(help="UTD-MHAD, NW-UCLA or both, as downloaded (zip or unpacked folder).")],
    split: Annotated[str | None, typer.Option(help="One published split or row, such as 22/5; default: all of each data set.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds; a backbone and a denoiser are trained per seed.")] = 5,
    out: Annotated[Path, typer.Option(help="Folder of all stages and the table; an interrupted evaluation resumes from it.")] = Path("runs/evaluate"),
    preset: Preset = "recommended",
    settings: Settings = None,
    descriptions: Sentences = None,
    launcher: Launcher = None,
    workers: Workers = None,
    threads: Threads = None,
    slurm: SlurmOptions = None,
    no_wait: NoWait = False,
    shard: ShardOf = None,
) -> None:
    """Compute zero-shot accuracy on published splits.

    The table has mean and std over seeds, beside published numbers, ridge regression and the plain cosine.
    """
    from tdsm.experiments.cells import cells_of, source_of

    launch = launch_of(launcher, workers, threads, slurm, no_wait, shard)
    config, cells = config_of(preset, settings), []
    for clips, benchmark in _work(data, split, config):
        sentences = sentences_of(descriptions, clips.name)
        say(unmatched_line(sentences, clips.classes))
        cells += cells_of(benchmark, source_of(benchmark, clips), config, seeds=seeds, descriptions=sentences)
    _compute(cells, out, "table", shard, launch)


def study(
    grid: Annotated[str, typer.Argument(help='Settings to try, as JSON: {"train.steps": [300, 600]}; {} for the preset alone.')],
    data: Annotated[list[Path], typer.Argument(help="Data sets as downloaded, one or several.")],
    split: Annotated[str | None, typer.Option(help="One published split or row; default: all of each data set.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="Number of random choices of the seen classes that serve as pseudo-unseen classes.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 2,
    unseen: Annotated[bool, typer.Option("--unseen", help="Report on the true unseen classes instead. Never use this to choose a setting.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of all stages; an interrupted study resumes, a larger one computes only new cells.")] = Path("runs/study"),
    preset: Preset = "recommended",
    settings: Settings = None,
    descriptions: Sentences = None,
    launcher: Launcher = None,
    workers: Workers = None,
    threads: Threads = None,
    slurm: SlurmOptions = None,
    no_wait: NoWait = False,
    shard: ShardOf = None,
) -> None:
    """Compare settings on pseudo-unseen classes.

    These classes are held out of the seen ones. The table has mean, spread and paired differences.
    """
    from tdsm.experiments.cells import cells_of, source_of
    from tdsm.experiments.run import settings_of
    from tdsm.util.files import parse_json

    launch = launch_of(launcher, workers, threads, slurm, no_wait, shard)
    values = parse_json(grid, "grid")
    if not isinstance(values, dict):
        raise InputError("grid", f"{grid!r} is not a JSON object", "give an object such as '{\"train.steps\": [300, 600]}'")
    base, part, cells = config_of(preset, settings), "unseen" if unseen else "pseudo", []
    every = settings_of(base, values)
    for clips, benchmark in _work(data, split, base):
        common = {"seeds": seeds, "descriptions": sentences_of(descriptions, clips.name), "part": part, "draws": draws}
        for setting, config in every:
            cells += cells_of(benchmark, source_of(benchmark, clips), config, setting=setting, **common)
    _compute(cells, out, "table", shard, launch)


def reproduce(
    name: Annotated[str, typer.Argument(help="A row of a published table, such as ntu-60-synse-55-5 (`tdsm benchmarks` lists them).")],
    data: Annotated[list[Path], typer.Option(help="Download or published features; repeat the option for further parts or class lists.")],
    out: Annotated[Path, typer.Option(help="Folder of all stages and rows; finished stages are not computed again.")] = Path("runs/reproduce"),
    preset: Annotated[str, typer.Option(help="Settings: paper, recommended, tuned, demo, or a JSON file of differences from one of them.")] = "paper",
    settings: Settings = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of denoisers, one per seed.")] = 5,
    prompts: Annotated[Path | None, typer.Option(help="Published prompts: SA-DVAE's class_lists or PURLS' gpt3_desc.xlsx. Default: the packaged ones.")] = None,
    backbone: Annotated[Path | None, typer.Option(help="Trained backbone (the `model` folder of a run); refused if it was trained on an unseen class.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan with sizes and times, and compute nothing.")] = False,
    launcher: Launcher = None,
    workers: Workers = None,
    threads: Threads = None,
    slurm: SlurmOptions = None,
    no_wait: NoWait = False,
    shard: ShardOf = None,
) -> None:
    """Compute one row of a published table.

    The command does all steps from the download to the number beside the published one.
    """
    from tdsm.catalogue.rows import benchmark_named
    from tdsm.config import paper
    from tdsm.data.layouts import NTU_25
    from tdsm.data.prompts.published import published_prompts
    from tdsm.experiments.cells import cells_of, source_of
    from tdsm.experiments.estimate import seconds_per_unit
    from tdsm.experiments.run import plan, plan_table

    launch = launch_of(launcher, workers, threads, slurm, no_wait, shard)
    benchmark = benchmark_named(name)
    config = config_of(preset, settings, paper(benchmark.encoder))
    source = source_of(benchmark, data)
    descriptions = published_prompts(prompts, benchmark.dataset) if prompts else None
    shared = config.backbone == "classifier"  # as in the paper: one encoder per class list
    cells = cells_of(benchmark, source, config, seeds=seeds, descriptions=descriptions, backbone=backbone, shared_backbone=shared)
    say(*source.remarks)
    if dry_run:
        print(plan_table(plan(cells, out), seconds_per_unit(config, NTU_25, benchmark.classes)))
        return
    _compute(cells, out, benchmark.name, shard, launch)


def _work(data: list[Path], split: str | None, config: "Config") -> list:
    """(clips, row) of each data set, with clips in the layout of the pretrained towers that ``config`` starts from, if any.

    Raises InputError: a data set has rows of several protocols.
    """
    from tdsm.backbones.fit import on_start_body
    from tdsm.catalogue.rows import benchmarks_of
    from tdsm.data.readers import load_clips

    work = []
    for clips in map(load_clips, data):
        clips = on_start_body(clips, config)
        rows = benchmarks_of(clips.name, split)
        if len({row.protocol for row in rows}) > 1:
            raise InputError(clips.name, f"has {len(rows)} rows of several protocols", f"choose one with --split, such as --split {rows[0].name}")
        work += [(clips, row) for row in rows]
    return work


def _compute(cells: list, out: Path, name: str, shard: str | None, how: "Launch | None") -> None:
    """Run all cells here or in workers, or one shard of them; write cells.csv after each cell and the table at the end, and print the table."""
    from tdsm.experiments.launch import launch, run_shard
    from tdsm.experiments.run import run
    from tdsm.experiments.status import write_plan
    from tdsm.experiments.table import lines_of, markdown, write_cells, write_tables

    write_plan(cells, out, name)
    if shard is not None:
        print(run_shard(cells, out, shard))
        return
    if how is not None and not launch(cells, out, how, sys.argv[1:]):
        return
    scored = run(cells, out, lambda done: write_cells(done, out / "cells.csv"))
    lines = lines_of(scored)
    path, part = write_tables(lines, out, name), "unseen" if cells[0].part == "unseen" else "pseudo-unseen"
    print(f"{markdown(lines)}\n\nTop-1 % on {part} classes, inductive, nothing selected on test clips; written to {path}, every cell to {out}/cells.csv")


def status(out: Annotated[Path, typer.Argument(help="The --out folder of tdsm evaluate, study or reproduce.")]) -> None:
    """Show the progress of an experiment and its workers.

    The table shows which cells and stages are done, running, waiting or lost. The command works during a run and after an interrupted one.
    """
    from tdsm.experiments.status import status_table

    print(status_table(out))


def results(folder: Annotated[Path, typer.Argument(help="Folder of result files.")] = Path("results")) -> None:
    """List saved results and their origin.

    The table has the command, commit, date, hardware and protocol of each number.
    """
    from tdsm.experiments.results import load_results, results_table

    print(results_table(load_results(folder)))
