"""The command line: one verb a job, each a thin call of a function that a notebook can call too."""

import importlib.metadata
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tdsm.cli import answers
from tdsm.cli.options import (
    Data,
    Fps,
    Launcher,
    Layout,
    NoWait,
    Preset,
    Seed,
    Sentences,
    Settings,
    ShardOf,
    Size,
    SlurmOptions,
    Threads,
    Workers,
    config_of,
    launch_of,
    say,
    sentences_of,
)  # fmt: skip
from tdsm.data.labels import parse_labels, unmatched_line
from tdsm.util.errors import InputError
from tdsm.util.settings import parse_size

if TYPE_CHECKING:
    from tdsm.config import Config
    from tdsm.experiments.launch import Launch

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Zero-shot skeleton-based action recognition: name an action the model never saw, and it recognises people doing it.",
)


def _print_version(asked: bool | None) -> None:
    if asked:
        print(f"tdsm {importlib.metadata.version('tdsm')}")
        raise typer.Exit


@app.callback()
def options(version: Annotated[bool | None, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = None) -> None:
    """Options of the command itself; the help of ``tdsm`` is that of ``app``."""


@app.command()
def demo(out: Annotated[Path, typer.Option(help="Run folder to write.")] = Path("runs/demo"), seed: Seed = 0) -> None:
    """Name real clips with the shipped recognizer, then tune it to synthetic actions and recognise others; no download, under a minute."""
    from tdsm.app.demo import run_demo

    run_demo(out, seed=seed)


@app.command()
def benchmarks(data: Annotated[Path | None, typer.Argument(help="A folder of downloads: says what is there of each, and what is missing.")] = None) -> None:
    """List the published zero-shot splits, where their data come from, and what of it is on this disk."""
    from tdsm.catalogue.doctor import benchmark_table

    print(benchmark_table(data))


@app.command()
def doctor(path: Annotated[Path, typer.Argument(help="Any file or folder: a download, features, a run, an encoder, prompts.")]) -> None:
    """Say what a file or folder is, count it against the published protocols, and name what to do next."""
    from tdsm.catalogue.doctor import inspect

    print(inspect(path))


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="What to get; left out: a list of what there is.")] = "",
    to: Annotated[Path, typer.Option(help="Folder to put it in; a broken download goes on from there.")] = Path("data"),
    unpack: Annotated[bool, typer.Option("--unpack", help="Unpack archives, too; the readers do not need it.")] = False,
) -> None:
    """Download what may be had without an agreement; for the rest, print the steps and the page of the licence."""
    from tdsm.catalogue.fetch import fetch as fetch_files
    from tdsm.catalogue.fetch import sources

    if not name:
        for source in sources():
            print(f"{source.name:20} {'download' if source.files else 'by hand':9} {source.title}")
        return
    for path in fetch_files(name, to, unpack=unpack):
        print(path)


@app.command()
def prepare(
    data: Data,
    out: Annotated[Path, typer.Argument(help="A .npz to write, or a folder (a clip store, for sets larger than memory; a killed call goes on).")],
    layout: Layout = None,
    size: Size = None,
    fps: Fps = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a bad file or a doubt about the clips, rather than report it.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is known (mirrored bodies, up axis, unit, order of axes or joints); held in memory.")] = False,
) -> None:
    """Read raw skeleton files, check every clip, and write them as one .npz or as a clip store."""
    from tdsm.data.disk import ClipStore
    from tdsm.data.readers import load_clips
    from tdsm.data.readers.reading import Reading

    if out.suffix not in ("", ".npz"):
        raise InputError(out, f"ends in {out.suffix}", "name a .npz file, such as clips.npz, or a folder")
    store = out if out.suffix == "" else None
    held = fix or size is not None or fps is not None
    clips = load_clips(data, layout, size=parse_size(size), fps=fps, strict=strict, fix=fix, reading=Reading(strict=strict, store=None if held else store))
    if store is None:
        clips.save(out)
    elif held:
        with ClipStore(store, clips.name, clips.layout, clips.classes, f"clips {clips.digest} from {data.resolve()}") as mended:
            for row, clip in enumerate(clips):
                if str(row) not in mended.done:
                    mended.add(str(row), [clip])
    print(f"{clips}\nwritten to {out}")


@app.command()
def export(data: Data, to: Annotated[Path, typer.Option(help="A .bvh, .csv, .gif or .mp4.")], layout: Layout = None, fps: Fps = None) -> None:
    """Write clips for other programs, by the ending of the file; of several clips each file gets a number."""
    from tdsm.data.readers import load_clips
    from tdsm.viz.export import export as write

    print(*write(load_clips(data, layout, fps=fps), to), sep="\n")


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Run folder to write; a killed training resumes from it.")],
    unseen: Annotated[str, typer.Option(help="Comma-separated labels to keep out of training and test on.")] = "",
    split: Annotated[str | None, typer.Option(help="A published split of the data set instead, such as 22/5.")] = None,
    preset: Preset = "recommended",
    settings: Settings = None,
    descriptions: Sentences = None,
    layout: Layout = None,
    seed: Seed = 0,
    calibrate: Annotated[bool, typer.Option(help="Also learn how to weigh seen against unseen labels; doubles the time.")] = True,
) -> None:
    """Train a recognizer on seen classes, and test it on the unseen ones if any are named."""
    from tdsm.catalogue.rows import benchmarks_of
    from tdsm.data.readers import load_clips
    from tdsm.evaluate import PROTOCOL, protocol_of, zero_shot_report
    from tdsm.train import train_recognizer
    from tdsm.util.files import write_json

    config = config_of(preset, settings)
    clips = load_clips(data, layout)
    if split is not None:
        benchmark = benchmarks_of(clips.name, split)[0]
        protocol, (seen, test) = protocol_of(benchmark.partition), benchmark.divide(clips)
    else:
        protocol, held = PROTOCOL, parse_labels(unseen, "--unseen")
        test = clips.of_classes(held) if held else None
        seen = clips.without_classes(held)
    sentences = sentences_of(descriptions, clips.name)
    say(unmatched_line(sentences, clips.classes))
    recognizer = train_recognizer(seen, config, descriptions=sentences, folder=out, seed=seed, calibrate=calibrate and len(seen.classes) >= 4)
    print(f"{recognizer}\nwritten to {out}/model")
    if test is not None:
        report = zero_shot_report(recognizer, test)
        write_json(out / "metrics.json", {"protocol": protocol, "seed": seed, "tdsm": report.metrics()})
        print(report)


@app.command()
def evaluate(
    data: Annotated[list[Path], typer.Argument(help="UTD-MHAD, NW-UCLA or both, as downloaded (zip or unpacked folder).")],
    split: Annotated[str | None, typer.Option(help="One published split or row, such as 22/5; left out: all of each data set.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, each with a backbone and a denoiser of its own.")] = 5,
    out: Annotated[Path, typer.Option(help="Folder of all stages and the table; an interrupted evaluation resumes from it.")] = Path("runs/evaluate"),
    preset: Preset = "recommended",
    settings: Settings = None,
    descriptions: Sentences = None,
    launcher: Launcher = None,
    workers: Workers = 2,
    threads: Threads = None,
    slurm: SlurmOptions = None,
    no_wait: NoWait = False,
    shard: ShardOf = None,
) -> None:
    """Zero-shot accuracy on published splits, mean and std over seeds, beside published numbers, ridge regression and the plain cosine."""
    from tdsm.experiments.cells import cells_of, source_of

    launch = launch_of(launcher, workers, threads, slurm, no_wait)
    config, cells = config_of(preset, settings), []
    for clips, benchmark in _work(data, split, config):
        sentences = sentences_of(descriptions, clips.name)
        say(unmatched_line(sentences, clips.classes))
        cells += cells_of(benchmark, source_of(benchmark, clips), config, seeds=seeds, descriptions=sentences)
    _compute(cells, out, "table", shard, launch)


@app.command()
def study(
    grid: Annotated[str, typer.Argument(help='Settings to try, as JSON: {"train.steps": [300, 600]}; {} for the preset alone.')],
    data: Annotated[list[Path], typer.Argument(help="Data sets as downloaded, one or several.")],
    split: Annotated[str | None, typer.Option(help="One published split or row; left out: all of each data set.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="How many times some seen classes play the unseen ones.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 2,
    unseen: Annotated[bool, typer.Option("--unseen", help="Report on the true unseen classes instead. Never choose anything by it.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of all stages; an interrupted study resumes, a larger one computes what is new.")] = Path("runs/study"),
    preset: Preset = "recommended",
    settings: Settings = None,
    descriptions: Sentences = None,
    launcher: Launcher = None,
    workers: Workers = 2,
    threads: Threads = None,
    slurm: SlurmOptions = None,
    no_wait: NoWait = False,
    shard: ShardOf = None,
) -> None:
    """Compare settings on pseudo-unseen classes (held out of the seen ones): mean, spread, paired differences."""
    from tdsm.experiments.cells import cells_of, source_of
    from tdsm.experiments.run import settings_of
    from tdsm.util.files import parse_json

    launch = launch_of(launcher, workers, threads, slurm, no_wait)
    values = parse_json(grid, "grid")
    if not isinstance(values, dict):
        raise InputError("grid", f"{grid!r} is no object", "give for instance '{\"train.steps\": [300, 600]}'")
    base, part, cells = config_of(preset, settings), "unseen" if unseen else "pseudo", []
    every = settings_of(base, values)
    for clips, benchmark in _work(data, split, base):
        common = {"seeds": seeds, "descriptions": sentences_of(descriptions, clips.name), "part": part, "draws": draws}
        for setting, config in every:
            cells += cells_of(benchmark, source_of(benchmark, clips), config, setting=setting, **common)
    _compute(cells, out, "table", shard, launch)


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="A row of a published table, such as ntu-60-synse-55-5 (`tdsm benchmarks` lists them).")],
    data: Annotated[list[Path], typer.Option(help="Download or published features; give it again for further parts or class lists.")],
    out: Annotated[Path, typer.Option(help="Folder of all stages and rows; what has been computed is not computed again.")] = Path("runs/reproduce"),
    preset: Annotated[str, typer.Option(help="Settings: paper, recommended, demo, or a JSON file of differences from one of them.")] = "paper",
    settings: Settings = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many denoisers.")] = 5,
    prompts: Annotated[Path | None, typer.Option(help="Published prompts: SA-DVAE's class_lists or PURLS' gpt3_desc.xlsx. Left out: ours.")] = None,
    backbone: Annotated[Path | None, typer.Option(help="A trained backbone (the `model` folder of a run) to use; refused if it saw an unseen class.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, with sizes and times, and compute nothing.")] = False,
    launcher: Launcher = None,
    workers: Workers = 2,
    threads: Threads = None,
    slurm: SlurmOptions = None,
    no_wait: NoWait = False,
    shard: ShardOf = None,
) -> None:
    """Compute one row of a published table, from the download to the number beside the published one."""
    from tdsm.catalogue.rows import benchmark_named
    from tdsm.config import paper
    from tdsm.data.layouts import NTU_25
    from tdsm.data.prompts.published import published_prompts
    from tdsm.experiments.cells import cells_of, source_of
    from tdsm.experiments.estimate import seconds_per_unit
    from tdsm.experiments.run import plan, plan_table

    launch = launch_of(launcher, workers, threads, slurm, no_wait)
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
    """(clips, row) of each data set, its clips on the body of the towers that ``config`` begins with; its rows must be of one protocol."""
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
    """Run cells, here, in workers or a shard of them; write cells.csv after each of them and the table at the end, and print it."""
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


@app.command()
def status(out: Annotated[Path, typer.Argument(help="Folder of --out of tdsm evaluate, study or reproduce.")]) -> None:
    """Say which cells and stages are done, running, waiting or lost, and what each worker does; while they run, or after a kill."""
    from tdsm.experiments.status import status_table

    print(status_table(out))


@app.command()
def results(folder: Annotated[Path, typer.Argument(help="Folder of result files.")] = Path("results")) -> None:
    """List saved results: which number came from which command, commit, date and hardware, and under which protocol."""
    from tdsm.experiments.results import load_results, results_table

    print(results_table(load_results(folder)))


for _verb in (answers.predict, answers.spot, answers.search, answers.app, answers.live):
    app.command()(_verb)


@app.command()
def pretrain(
    out: Annotated[Path, typer.Argument(help="Folder to write: `model`, a recognizer, and what it is made from; a killed call resumes from it.")],
    without: Annotated[str, typer.Option(help="Comma-separated names of actions that are to be tested: the dictionary is used without them.")] = "",
    settings: Annotated[list[str] | None, typer.Option("--set", help="One setting of tdsm.backbones.pretraining.PretrainConfig, such as steps=100.")] = None,
    seed: Seed = 0,
) -> None:
    """Train a recognizer for any body and any words on generated movement alone, as the shipped one was."""
    from tdsm.experiments.pretrain import pretrain as run
    from tdsm.util.settings import assignments

    recognizer = run(out, without=parse_labels(without, "--without") if without else (), settings=assignments(settings or (), "--set"), seed=seed)
    print(f"{recognizer}\nwritten to {out}/model")


def main() -> None:
    """Run the command line; bad input is one line on stderr and exit code 2, a warning one line on stderr."""
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
        if issubclass(category, UserWarning):
            say(str(message))
        else:
            shown(message, category, *place, **more)

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files that are not UTF-8
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show
            app()
    except InputError as error:
        print(f"tdsm: {error}", file=sys.stderr)
        sys.exit(2)
