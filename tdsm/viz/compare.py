"""Two runs side by side: the test, the accuracies, the settings that differ, and the losses."""

import io
import operator
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.config import Config, setting_names
from tdsm.runs import Run
from tdsm.util.errors import InputError
from tdsm.util.tables import html_table
from tdsm.viz import style

__all__ = ["Comparison", "compare", "png"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs side by side. A notebook shows a table above a figure.

    Attributes:
        names: the names of the runs.
        rows: (quantity, first, second) as text: the test, the accuracies, and every setting in which the runs differ.
        figure: top-1 of each class that both runs were tested on, and the losses of both denoisers.
    """

    names: tuple[str, str]
    rows: tuple[tuple[str, str, str], ...]
    figure: Figure

    def __repr__(self) -> str:
        lines = [("", *self.names), *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(3)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)

    def _repr_html_(self) -> str:
        picture = b64encode(png(self.figure)).decode("ascii")
        return html_table(self.rows, ("", *self.names)) + f'<img style="width:100%;max-width:800px" src="data:image/png;base64,{picture}">'


def compare(first: str | Path, second: str | Path, names: tuple[str, str] | None = None) -> Comparison:
    """Compare two runs from the files in their folders.

    Args:
        first, second: folders of ``tdsm demo``, or of one seed of ``tdsm evaluate``.
        names: names of the runs. Default: the last names of the folders.

    Raises:
        InputError: a run has no scores or no history, a file is damaged, or the runs were tested on no class in common.
    """
    runs = Run(first), Run(second)
    names = names or (runs[0].folder.name, runs[1].folder.name)
    shares, others = (_per_class(run) for run in runs)
    common = sorted(set(shares) & set(others), key=lambda label: (shares[label] - others[label], label))
    if not common:
        raise InputError(second, f"was tested on no class that {names[0]} was tested on", "choose runs of one data set and split")
    figure = Figure(figsize=(10.0, max(3.4, 0.27 * len(common) + 1.2)), layout="constrained")
    classes, losses = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_classes(classes, [(label, shares[label], others[label]) for label in common], names)
    _draw_losses(losses, [run.history["denoiser"] for run in runs], names)
    return Comparison(names, tuple(_differences(*runs)), figure)


def _per_class(run: Run) -> dict[str, float]:
    """Class → top-1 of TDSM. Raises InputError: the run has no scores or no history."""
    shares = run.scores.get("tdsm", {}).get("per_class")
    if not shares or "denoiser" not in run.history:
        missing = "history.csv of a denoiser" if shares else "scores of tdsm in a metrics.json"
        raise InputError(run.folder, f"has no {missing}", "give a finished run of `tdsm demo` or of one seed of `tdsm evaluate`")
    return shares


def _differences(first: Run, second: Run) -> list[tuple[str, str, str]]:
    rows = [("tested on", *(f"{run.scores['tdsm'].get('clips', '?')} clips of {len(_per_class(run))} classes" for run in (first, second)))]
    if first.metrics.get("protocol") != second.metrics.get("protocol") or set(_per_class(first)) != set(_per_class(second)):
        rows.append(("NOT THE SAME TEST", *("the protocol or the classes differ" for _ in range(2))))
    for name in dict.fromkeys((*first.scores, *second.scores)):
        for key, words in (("top1", "top-1"), ("class_mean", "class mean")):
            rows.append((f"{name}, {words}", *(f"{run.scores[name][key]:.1%}" if name in run.scores else "none" for run in (first, second))))
    rows.append(("chance", *(f"{run.scores['tdsm']['chance']:.1%}" for run in (first, second))))
    settings = [{"seed": run.environment.get("seed")} | _settings(run.config) for run in (first, second)]
    return rows + [(name, *(str(values[name]) for values in settings)) for name in settings[0] if settings[0][name] != settings[1][name]]


def _settings(config: Config) -> dict[str, object]:
    """Dotted name → value."""
    return {name: operator.attrgetter(name)(config) for name in setting_names()}


def _draw_classes(ax: Axes, classes: Sequence[tuple[str, float, float]], names: Sequence[str]) -> None:
    """Draw a line for each (class, top-1 of the first run, of the second); the class with the largest gain of the second run is on top."""
    ax.hlines(range(len(classes)), *zip(*(shares for _, *shares in classes), strict=True), color=style.FLOOR, linewidth=3, zorder=0)
    for run, name in enumerate(names):
        colour, marker = style.look(run)
        size, inside = ((9, "none"), (5, colour))[run]  # where both are alike, the second lies in the ring of the first
        ax.plot([row[1 + run] for row in classes], range(len(classes)), marker, color=colour, markersize=size, markerfacecolor=inside, label=name)
    ax.set_yticks(range(len(classes)), [label for label, *_ in classes], fontsize=style.AXIS)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.invert_yaxis()
    style.finish(ax, "top-1 of the class", ticks="x")
    _legend(ax)


def _draw_losses(ax: Axes, histories: Sequence[Sequence[Mapping[str, int | float]]], names: Sequence[str]) -> None:
    for run, (rows, name) in enumerate(zip(histories, names, strict=True)):
        colour, marker = style.look(run)
        steps, losses = [row["step"] for row in rows], [row["loss"] for row in rows]
        ax.plot(steps, losses, color=colour, marker=marker, markevery=max(1, len(rows) // 8), markersize=4, linestyle=style.LINES[run], label=name)
    style.finish(ax, "step", "loss of the denoiser")
    _legend(ax)


def _legend(ax: Axes) -> None:
    ax.legend(fontsize=style.SMALL, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()
