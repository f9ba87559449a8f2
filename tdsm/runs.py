"""What a run leaves behind: settings, surroundings, numbers, weights; each file written whole or not at all.

===============  ==========================================================================================
config.json      all settings (:class:`tdsm.config.Config`)
env.json         versions, commit, seed, date, hardware
training/        checkpoints, from which a killed run goes on
history.csv      one row for each logged step; there once training has come to its end
model/           what :meth:`tdsm.recognizer.Recognizer.from_pretrained` reads; there at the end, too
metrics.json     the score on unseen classes, where somebody asked for one
===============  ==========================================================================================

:class:`Run` opens such a folder.
"""

import csv
import io
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tdsm.config import Config
from tdsm.errors import InputError
from tdsm.files import atomic
from tdsm.tables import html_table

if TYPE_CHECKING:  # drawing is slow to import, and the recognizer imports this module
    import matplotlib.figure

    import tdsm.recognizer

__all__ = ["Run", "environment", "is_main_process", "write_history", "write_json", "write_text"]

History = dict[str, list[dict[str, int | float]]]
"""Stage ("encoder", "denoiser") -> a mapping for each logged step, with "step", "lr" and the stage's losses."""


class Run:
    """A run folder, opened: ``Run("runs/demo")``.

    Args:
        folder: what ``tdsm train``, ``tdsm demo`` or ``train_recognizer(..., folder=...)`` wrote.

    Attributes:
        folder: where it is.
        config: its settings.
        environment: versions, commit, seed, date and hardware.
        history: stage -> logged steps; empty as long as the training has not come to its end.
        metrics: what metrics.json holds, None without one.

    Raises:
        InputError: a folder that is no run, or a file in it that is damaged or cut off.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        config, history, metrics = (self.folder / name for name in ("config.json", "history.csv", "metrics.json"))
        if not config.is_file():
            parent = self.folder.resolve().parent
            remedy = f"give {parent}" if (parent / "config.json").is_file() else "give a folder that `tdsm train` or `tdsm demo` wrote"
            raise InputError(self.folder, "is no run: it has no config.json", remedy)
        self.config = Config.from_json(_read(config), str(config))
        self.environment = _read_object(self.folder / "env.json")
        self.history: History = read_history(history) if history.is_file() else {}
        self.metrics = _read_object(metrics) if metrics.is_file() else None

    @property
    def scores(self) -> dict[str, dict]:
        """Method ("tdsm", "ridge", ...) -> its "top1", "class_mean" and "chance", each 0 to 1; empty without metrics.json."""
        return {name: found for name, found in (self.metrics or {}).items() if isinstance(found, dict) and _are_numbers(found, _SCORES)}

    def plot(self, columns: Sequence[str] | None = None) -> "tuple[matplotlib.figure.Figure, np.ndarray]":
        """The history, one panel a stage.

        Args:
            columns: what to draw of it; left out: all but the learning rate.

        Returns:
            The figure and its axes, one a stage.

        Raises:
            InputError: no history yet, or a column that a stage does not have.
        """
        from matplotlib.figure import Figure

        from tdsm.viz import plots

        if not self.history:
            raise InputError(self.folder, "has no history.csv: its training has not come to its end", "run the same training again, it goes on")
        figure = Figure(figsize=(5.0 * len(self.history), 3.4), layout="constrained")
        axes = figure.subplots(1, len(self.history), squeeze=False)[0]
        for ax, (stage, rows) in zip(axes, self.history.items(), strict=True):
            plots.history(rows, columns or [name for name in rows[-1] if name not in ("step", "lr")], ax)
            ax.set_title(stage)
        return figure, axes

    def recognizer(self) -> "tdsm.recognizer.Recognizer":
        """The trained recognizer.

        Raises:
            InputError: none is there yet, or it is damaged.
        """
        from tdsm.recognizer import Recognizer

        return Recognizer.from_pretrained(self.folder / "model")

    def __repr__(self) -> str:
        steps = [f"{stage} to step {rows[-1]['step']}" for stage, rows in self.history.items()] or ["training not ended"]
        scores = [f"{name} top-1 {found['top1']:.1%}" for name, found in self.scores.items()]
        words = ", ".join([f"seed {self.environment.get('seed')}", *steps, *scores])
        return f"Run({self.folder.name!r}: {words})"

    def _repr_html_(self) -> str:
        about = [(name, str(self.environment.get(name, "unknown"))) for name in ("date", "commit", "seed", "hardware")]
        about += [("settings", f"{self.config.encoder.kind}, {self.config.model.stream} text stream, {self.config.preprocess.frames} frames")]
        about += [(stage, _last(rows)) for stage, rows in self.history.items()]
        rows = [(name, *(f"{found[key]:.1%}" for key in _SCORES)) for name, found in self.scores.items()]
        scores = html_table(rows, ("on unseen classes", "top-1", "class mean", "chance")) if rows else "No metrics.json: nobody has asked for a score."
        return html_table(about, title=repr(self)) + scores


_SCORES = ("top1", "class_mean", "chance")


def _are_numbers(values: dict, keys: Sequence[str]) -> bool:
    return all(isinstance(values.get(key), int | float) for key in keys)


def _last(rows: list[dict[str, int | float]]) -> str:
    return f"{len(rows)} logged steps; the last: " + ", ".join(f"{name} {value:.4g}" for name, value in rows[-1].items())


def read_history(path: Path) -> History:
    """What :func:`write_history` wrote; an empty cell is left out of its row.

    Raises:
        InputError: no such table, or one that was cut off or changed.
    """
    again = "copy the run again, or delete this file to do without it"
    text = _read(path)
    if not text.endswith("\n"):
        raise InputError(path, "was cut off: its last line has no end", again)
    columns, *lines = (line.split(",") for line in text.splitlines())
    if columns[:2] != ["stage", "step"]:
        raise InputError(f"{path} line 1", "is not the head of a history, which begins with stage,step", again)
    stages: History = {}
    for number, (stage, *cells) in enumerate(lines, 2):
        where = f"{path} line {number}"
        if len(cells) != len(columns) - 1:
            raise InputError(where, f"has {1 + len(cells)} cells for {len(columns)} columns", again)
        try:
            row = {name: float(cell) for name, cell in zip(columns[1:], cells, strict=True) if cell}
            stages.setdefault(stage, []).append(row | {"step": int(cells[0])})
        except ValueError as error:
            raise InputError(where, f"holds something that is no number ({error})", again) from error
    return stages


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read as text ({error})", "copy the run again") from error


def _read_object(path: Path) -> dict[str, object]:
    try:
        values = json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise InputError(path, f"not JSON ({error})", "copy the run again") from error
    if not isinstance(values, dict):
        raise InputError(path, "holds no object", "copy the run again")
    return values


def is_main_process() -> bool:
    """False in all but the first process of a multi-process launch; only the first writes files."""
    return int(os.environ.get("RANK", "0")) == 0


def write_text(path: Path, text: str) -> Path:
    """Write through a neighbour file and rename, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, values: object) -> Path:
    """`write_text` of indented JSON."""
    return write_text(path, json.dumps(values, indent=2) + "\n")


def write_history(path: Path, stages: dict[str, list[dict[str, int | float]]]) -> Path:
    """history.csv: one row for each logged step of each stage, with the columns of all stages."""
    columns = ["stage", *dict.fromkeys(name for rows in stages.values() for row in rows for name in row)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for stage, rows in stages.items():
        writer.writerows({"stage": stage} | row for row in rows)
    return write_text(path, text.getvalue())


def environment(seed: int) -> dict[str, object]:
    """Versions, commit, seed, date and hardware: what one must know to make a number again."""
    import torch

    return {
        "command": " ".join(Path(word).name if "/" in word else word for word in sys.argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "seed": seed,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("tdsm", "torch", "numpy", "transformers", "accelerate", "umap-learn")},
        "hardware": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} cores, {platform.machine()}",
        "system": f"{platform.system()} {platform.release()}",
    }


def _commit() -> str:
    """The checkout's commit, with "+changes" when the tree is not clean; "unknown" for an installed package outside git, or without git."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return "unknown"
    described = subprocess.run(["git", "-C", str(folder), "describe", "--always", "--dirty=+changes", "--abbrev=12"], capture_output=True, text=True)
    return described.stdout.strip() or "unknown"
