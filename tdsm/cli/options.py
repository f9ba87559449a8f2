"""Options shared by several commands, and the functions that parse them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tdsm.data.prompts import Descriptions
from tdsm.util.errors import InputError

if TYPE_CHECKING:
    from tdsm.config import Config
    from tdsm.experiments.launch import Launch

__all__ = [
    "Data", "Fps", "Labels", "Launcher", "Layout", "Model", "NoWait", "Preset", "Seed", "Sentences", "Settings", "ShardOf", "Size", "SlurmOptions", "Threads",
    "Workers", "config_of", "launch_of", "say", "sentences_of",
]  # fmt: skip

Data = Annotated[Path, typer.Argument(help="A data set as downloaded (zip or folder), a .npz or store of clips, or a folder with clips.csv.")]
Size = Annotated[str | None, typer.Option(help="Width and height of the picture, such as 1920x1080, for 2-D coordinates given as fractions of them (0 to 1).")]
Fps = Annotated[float | None, typer.Option(help="Frames per second, for clips whose files do not state it.")]
Layout = Annotated[str | None, typer.Option(help="Skeleton layout, for a folder of .npy files whose clips.csv does not name it.")]
Preset = Annotated[str, typer.Option(help="Settings: recommended, tuned, paper, demo, or a JSON file of differences from one of them.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="One setting, such as train.precision=bf16; the option may be repeated.")]
Seed = Annotated[int, typer.Option(help="Seed of weights, batches and noise.")]
Labels = Annotated[str, typer.Option(help="Comma-separated names of actions, seen in training or not; a name that contains a comma needs double quotes.")]
Model = Annotated[str | None, typer.Option(help="Folder written by save_pretrained or `tdsm train` (RUN/model), or a Hub id.")]
Sentences = Annotated[
    Path | None,
    typer.Option(
        help="JSON file that maps labels to sentences about the movement ({} alone: no label has one), or PURLS' gpt3_desc.xlsx. "
        "Default: the packaged ones, if any."
    ),
]
Launcher = Annotated[
    str | None, typer.Option(help="Compute in several processes: local (on this machine) or slurm (jobs on a cluster; pip install 'tdsm[cluster]').")
]
Workers = Annotated[int | None, typer.Option(min=1, help="With --launcher: number of processes or jobs at a time; default: 2.")]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="With --launcher: threads per process (slurm: also cpus-per-task). Default: OMP_NUM_THREADS, or cores / processes (slurm: 1)."),
]
ShardOf = Annotated[
    str | None,
    typer.Option("--shard", help="i/n: compute every n-th cell, starting with the i-th, and write no table; for your own scheduler."),
]
SlurmOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm", help="An option of sbatch, such as partition=gpu, gpus-per-node=1, mem=16G, time=2:00:00 (default 4 hours) or exclusive; may be repeated."
    ),
]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="With --launcher slurm: submit and return; a later call without this option waits and writes the table.")
]


def launch_of(launcher: str | None, workers: int | None, threads: int | None, slurm: list[str] | None, no_wait: bool, shard: str | None) -> "Launch | None":
    """How workers are started; None without a launcher. Raises InputError: options that need a launcher or another one, or a malformed shard."""
    from tdsm.experiments.launch import Launch
    from tdsm.util.shard import Shard

    if shard is not None:
        Shard.parse(shard)
    if launcher is None:
        given = {"--slurm": slurm, "--no-wait": no_wait, "--threads": threads, "--workers": workers}
        if alone := next((name for name, value in given.items() if value), None):
            raise InputError(alone, "is given without --launcher", "add --launcher")
        return None
    options = {name: value if sign else True for name, sign, value in (entry.partition("=") for entry in slurm or ())}
    return Launch(launcher, workers or 2, threads, options, not no_wait)


def say(*lines: str | None) -> None:
    """Print each line on stderr; None and empty lines are skipped."""
    for line in filter(None, lines):
        print(f"tdsm: {' '.join(line.split())}", file=sys.stderr)


def config_of(preset: str, settings: list[str] | None = None, paper: "Config | None" = None) -> "Config":
    """Settings of a preset or a JSON file, with the values of --set applied; ``paper``, if given, replaces the preset "paper"."""
    from tdsm import config
    from tdsm.util.files import read_text
    from tdsm.util.settings import assignments

    if preset == "paper" and paper is not None:
        base = paper
    elif preset in config.PRESETS:
        base = config.preset(preset)
    elif Path(preset).is_file():
        base = config.Config.from_json(read_text(Path(preset)), preset)
    else:
        raise InputError("--preset", f"{preset!r} is neither a preset nor a file", f"give {', '.join(config.PRESETS)} or a JSON file")
    return config.override(base, assignments(settings or (), "--set"), "--set")


def sentences_of(path: Path | None, dataset: str | None) -> Descriptions:
    """Descriptions of labels from a file, or those packaged for a data set. Raises InputError: the file does not hold descriptions."""
    from tdsm.data.prompts import load_prompts, packaged_prompts
    from tdsm.data.prompts.published import published_prompts
    from tdsm.util.files import read_object

    if path is None:
        return load_prompts(dataset) if dataset in packaged_prompts() else {}
    if dataset is not None and path.suffix in (".xlsx", ".csv", ".txt"):
        return published_prompts(path, dataset)
    remedy = 'give a UTF-8 file such as {"wave": "The right hand ..."}'
    sentences = read_object(path, remedy)
    for label, text in sentences.items():
        if not (isinstance(text, str) or (isinstance(text, list) and all(isinstance(prompt, str) for prompt in text))):
            raise InputError(path, f"the description of {label!r:.100} is neither a sentence nor a list of prompts", remedy)
    return sentences
