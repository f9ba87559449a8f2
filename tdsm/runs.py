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

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tdsm.config import Config
from tdsm.util.errors import InputError
from tdsm.util.files import read_object, read_text
from tdsm.util.history import History, read_history
from tdsm.util.html import html_table

if TYPE_CHECKING:  # drawing is slow to import, and the recognizer imports this module
    import matplotlib.figure

    import tdsm.recognizer

__all__ = ["Run"]


class Run:
    """A run folder, opened: ``Run("runs/demo")``.

    Attributes:
        folder: what ``tdsm train``, ``tdsm demo`` or ``train_recognizer(..., folder=...)`` wrote.
        config: its settings.
        environment: versions, commit, seed, date and hardware.
        history: stage -> logged steps; empty as long as the training has not come to its end.
        metrics: what metrics.json holds, None without one.

    Raises:
        InputError: a folder that is no run, or a file in it that is damaged or cut off.

    Example:
        >>> run = Run("run")  # the folder of a training
        >>> run.config.backbone, "loss" in run.history["denoiser"][-1]
        ('aligned', True)
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        config, history, metrics = (self.folder / name for name in ("config.json", "history.csv", "metrics.json"))
        if not config.is_file():
            parent = self.folder.resolve().parent
            remedy = f"give {parent}" if (parent / "config.json").is_file() else "give a folder that `tdsm train` or `tdsm demo` wrote"
            raise InputError(self.folder, "is no run: it has no config.json", remedy)
        self.config = Config.from_json(read_text(config), str(config))
        self.environment = read_object(self.folder / "env.json")
        self.history: History = read_history(history) if history.is_file() else {}
        self.metrics = read_object(metrics) if metrics.is_file() else None

    @property
    def scores(self) -> dict[str, dict]:
        """Method ("tdsm", "ridge", ...) -> its "top1", "class_mean" and "chance", each 0 to 1; empty without metrics.json."""
        metrics = {name: values for name, values in (self.metrics or {}).items() if isinstance(values, dict)}
        return {name: values for name, values in metrics.items() if all(isinstance(values.get(key), int | float) for key in _SCORES)}

    def plot(self, columns: Sequence[str] | None = None) -> "tuple[matplotlib.figure.Figure, np.ndarray]":
        """The history, one panel a stage: the figure and its axes. ``columns``: what to draw; left out: all but the learning rate.

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
        """The trained recognizer; :class:`InputError` if none is there yet, or it is damaged."""
        from tdsm.recognizer import Recognizer

        return Recognizer.from_pretrained(self.folder / "model")

    def __repr__(self) -> str:
        steps = [f"{stage} to step {rows[-1]['step']}" for stage, rows in self.history.items()] or ["training not ended"]
        scores = [f"{name} top-1 {values['top1']:.1%}" for name, values in self.scores.items()]
        words = ", ".join([f"seed {self.environment.get('seed')}", *steps, *scores])
        return f"Run({self.folder.name!r}: {words})"

    def _repr_html_(self) -> str:
        about = [(name, str(self.environment.get(name, "unknown"))) for name in ("date", "commit", "seed", "hardware")]
        about += [("settings", f"{self.config.encoder.kind}, {self.config.model.stream} text stream, {self.config.preprocess.frames} frames")]
        for stage, rows in self.history.items():
            last = ", ".join(f"{name} {value:.4g}" for name, value in rows[-1].items())
            about.append((stage, f"{len(rows)} logged steps; the last: {last}"))
        rows = [(name, *(f"{values[key]:.1%}" for key in _SCORES)) for name, values in self.scores.items()]
        scores = html_table(rows, ("on unseen classes", "top-1", "class mean", "chance")) if rows else "No metrics.json: nobody has asked for a score."
        return html_table(about, title=repr(self)) + scores


_SCORES = ("top1", "class_mean", "chance")
