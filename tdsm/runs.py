"""The folder of a training run: settings, environment, history, weights and metrics. Each file is written atomically.

===============  ==========================================================================================
config.json      all settings (:class:`tdsm.config.Config`)
env.json         versions, commit, seed, date, hardware
training/        checkpoints, from which an interrupted run resumes
history.csv      one row per logged step; written when training ends
model/           files for :meth:`tdsm.recognizer.Recognizer.from_pretrained`; written when training ends
metrics.json     the score on unseen classes, if it was computed
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
from tdsm.util.tables import html_table

if TYPE_CHECKING:  # drawing is slow to import, and the recognizer imports this module
    import matplotlib.figure

    import tdsm.recognizer

__all__ = ["Run"]


class Run:
    """Open a run folder, such as ``Run("runs/demo")``.

    Attributes:
        folder: folder that ``tdsm train``, ``tdsm demo`` or ``train_recognizer(..., folder=...)`` wrote.
        config: settings of the run.
        environment: versions, commit, seed, date and hardware.
        history: stage -> logged steps; empty until training has ended.
        metrics: content of metrics.json; None if there is no such file.

    Raises:
        InputError: the folder is not a run, or a file in it is damaged or truncated.

    Example:
        >>> run = Run("run")  # a folder that train_recognizer wrote
        >>> run.config.backbone, "loss" in run.history["denoiser"][-1]
        ('aligned', True)
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        config, history, metrics = (self.folder / name for name in ("config.json", "history.csv", "metrics.json"))
        if not config.is_file():
            parent = self.folder.resolve().parent
            remedy = f"give {parent}" if (parent / "config.json").is_file() else "give a folder that `tdsm train` or `tdsm demo` wrote"
            raise InputError(self.folder, "is not a run: it has no config.json", remedy)
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
        """Draw the history with one panel per stage; returns the figure and its axes.

        Args:
            columns: columns of the history to draw; default: all except the learning rate.

        Raises:
            InputError: there is no history yet, or a stage lacks one of the columns.
        """
        from matplotlib.figure import Figure

        from tdsm.viz import plots

        if not self.history:
            raise InputError(self.folder, "has no history.csv: its training has not ended", "run the same training again, which resumes it")
        figure = Figure(figsize=(5.0 * len(self.history), 3.4), layout="constrained")
        axes = figure.subplots(1, len(self.history), squeeze=False)[0]
        for ax, (stage, rows) in zip(axes, self.history.items(), strict=True):
            plots.history(rows, columns or [name for name in rows[-1] if name not in ("step", "lr")], ax)
            ax.set_title(stage)
        return figure, axes

    def recognizer(self) -> "tdsm.recognizer.Recognizer":
        """Load the trained recognizer. Raises InputError: training has not ended, or a file is damaged."""
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
        scores = html_table(rows, ("on unseen classes", "top-1", "class mean", "chance")) if rows else "No metrics.json: no score was computed."
        return html_table(about, title=repr(self)) + scores


_SCORES = ("top1", "class_mean", "chance")
