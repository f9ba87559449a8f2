"""The command line: one command per task. Each command calls a function that a notebook can call as well."""

import importlib.metadata
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tdsm.cli import answers, experiments
from tdsm.cli.options import Data, Fps, Layout, Preset, Seed, Sentences, Settings, Size, config_of, say, sentences_of
from tdsm.data.labels import parse_labels, unmatched_line
from tdsm.util.errors import InputError
from tdsm.util.settings import parse_size
from tdsm.util.shard import Shard

if TYPE_CHECKING:
    from tdsm.data.readers.reading import Reading

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Zero-shot skeleton-based action recognition: recognise actions the model was never trained on, given only their names and a skeleton sequence.",
)


def _print_version(asked: bool | None) -> None:
    if asked:
        print(f"tdsm {importlib.metadata.version('tdsm')}")
        raise typer.Exit


@app.callback()
def options(version: Annotated[bool | None, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = None) -> None:
    """Options of ``tdsm`` itself; its help text is the one given to ``app``."""


@app.command()
def demo(out: Annotated[Path, typer.Option(help="Run folder to write.")] = Path("runs/demo"), seed: Seed = 0) -> None:
    """Run the demo on real and on synthetic clips.

    The shipped recognizer answers for real clips. Then it is fine-tuned on synthetic actions and tested on others. No download; under a minute.
    """
    from tdsm.app.demo import run_demo

    run_demo(out, seed=seed)


@app.command()
def benchmarks(
    data: Annotated[Path | None, typer.Argument(help="A folder of downloads; the table then shows which files are present or missing.")] = None,
) -> None:
    """List the published splits and the source of their data.

    With a folder, the table also shows which of these data are in it.
    """
    from tdsm.catalogue.doctor import benchmark_table

    print(benchmark_table(data))


@app.command()
def doctor(path: Annotated[Path, typer.Argument(help="Any file or folder: a download, features, a run, an encoder, prompts.")]) -> None:
    """Identify a file or folder, and print the next step.

    The numbers of clips are compared with those of the published protocols.
    """
    from tdsm.catalogue.doctor import inspect

    print(inspect(path))


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Name of the data to download; without a name, the command lists what is available.")] = "",
    to: Annotated[Path, typer.Option(help="Folder to write to; an interrupted download resumes from it.")] = Path("data"),
    unpack: Annotated[bool, typer.Option("--unpack", help="Also unpack the archives; the readers do not need this.")] = False,
) -> None:
    """Download data, or print the steps to get them.

    Data that need an agreement are not downloaded; the command prints the steps and the address of the licence.
    """
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
    out: Annotated[Path, typer.Argument(help="A .npz file to write, or a folder (a clip store, for data larger than memory; an interrupted call resumes).")],
    layout: Layout = None,
    size: Size = None,
    fps: Fps = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at a bad file or a suspicious clip instead of reporting it.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Correct detected faults (mirrored bodies, up axis, unit, order of axes or joints); all clips are held in memory.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(help="i/n: read only the i-th of n parts of the files (by the hash of their names); n parts in one folder open as one store.")
    ] = None,
) -> None:
    """Read and check skeleton files, and write them as clips.

    The output is one .npz file or a clip store.
    """
    from tdsm.data.disk import ClipStore
    from tdsm.data.readers import load_clips
    from tdsm.data.readers.reading import Reading

    if out.suffix not in ("", ".npz"):
        raise InputError(out, f"ends in {out.suffix}", "name a .npz file, such as clips.npz, or a folder")
    store = out if out.suffix == "" else None
    held = fix or size is not None or fps is not None
    if shard is not None:
        if held or store is None:
            raise InputError(
                "--shard", f"cannot be combined with {out.suffix or '--fix, --size or --fps'}", "write the shards to a folder, then run prepare on that folder"
            )
        _prepare_shard(data, layout, Reading(strict=strict, store=store, shard=Shard.parse(shard)))
        return
    clips = load_clips(data, layout, size=parse_size(size), fps=fps, strict=strict, fix=fix, reading=Reading(strict=strict, store=None if held else store))
    if store is None:
        clips.save(out)
    elif held:
        with ClipStore(store, clips.name, clips.layout, clips.classes, f"clips {clips.digest} from {data.resolve()}") as mended:
            for row, clip in enumerate(clips):
                if str(row) not in mended.done:
                    mended.add(str(row), [clip])
    print(f"{clips}\nwritten to {out}")


def _prepare_shard(data: Path, layout: str | None, reading: "Reading") -> None:
    from tdsm.data.readers import load_clips
    from tdsm.data.readers.reading import NoClip
    from tdsm.data.sharded import missing_shards

    try:
        print(load_clips(data, layout, strict=reading.strict, reading=reading))
    except NoClip as error:
        say(str(error))
    missing = missing_shards(reading.store)
    print(f"shard {reading.shard} written to {reading.store}" + (f"; missing: {', '.join(missing)}" if missing else ", which now holds all shards"))


@app.command()
def export(data: Data, to: Annotated[Path, typer.Option(help="File to write: .bvh, .csv, .gif or .mp4.")], layout: Layout = None, fps: Fps = None) -> None:
    """Write clips for other programs.

    The file ending sets the format. Several clips are written to numbered files.
    """
    from tdsm.data.readers import load_clips
    from tdsm.viz.export import export as write

    print(*write(load_clips(data, layout, fps=fps), to), sep="\n")


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Run folder to write; an interrupted training resumes from it.")],
    unseen: Annotated[str, typer.Option(help="Comma-separated labels to exclude from training and to test on.")] = "",
    split: Annotated[str | None, typer.Option(help="A published split of the data set, such as 22/5; replaces --unseen.")] = None,
    preset: Preset = "recommended",
    settings: Settings = None,
    descriptions: Sentences = None,
    layout: Layout = None,
    seed: Seed = 0,
    calibrate: Annotated[bool, typer.Option(help="Also calibrate the scores of seen against unseen labels; doubles the time.")] = True,
) -> None:
    """Train a recognizer on the seen classes of a data set.

    It is tested on the unseen classes if any are given.
    """
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


for _verb in (experiments.evaluate, experiments.study, experiments.reproduce, experiments.status, experiments.results):
    app.command()(_verb)
for _verb in (answers.predict, answers.spot, answers.search, answers.app, answers.live):
    app.command()(_verb)


@app.command()
def pretrain(
    out: Annotated[Path, typer.Argument(help="Folder to write: `model` (the recognizer), its training data and checkpoints; an interrupted call resumes.")],
    without: Annotated[str, typer.Option(help="Comma-separated names of actions to be tested; they are left out of the dictionary in training.")] = "",
    settings: Annotated[list[str] | None, typer.Option("--set", help="One setting of tdsm.backbones.pretraining.PretrainConfig, such as steps=100.")] = None,
    seed: Seed = 0,
) -> None:
    """Train a recognizer on generated movement alone.

    The recognizer accepts any skeleton layout and any labels. The shipped one was trained by this command.
    """
    from tdsm.experiments.pretrain import pretrain as run
    from tdsm.util.settings import assignments

    recognizer = run(out, without=parse_labels(without, "--without") if without else (), settings=assignments(settings or (), "--set"), seed=seed)
    print(f"{recognizer}\nwritten to {out}/model")


def main() -> None:
    """Run the command line. Bad input prints one line on stderr and exits with code 2; a warning prints one line on stderr."""
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
