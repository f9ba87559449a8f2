"""Widgets: menus and sliders in front of functions that make a picture or a table.

Each widget is a function of plain arguments and a few lines of ipywidgets that call this function again after every change:

===================  =================================================  =================================
widget               what a person chooses                              the function behind it
===================  =================================================  =================================
`explore`            class, subject and number of a clip                `show_clip`
`ask`                a clip; labels and descriptions, typed             `rank` (:mod:`tdsm.viz.asking`)
`noise_study`        t_test, and the number of noises                   `noise_scores`, `noise_effect`
`confusion_browser`  a cell of the confusion matrix, one of its clips   `clips_behind`, `show_confused`
`compare_runs`       two run folders                                    `compare`
`browse`             a query to a library                               `show_hits` (:mod:`tdsm.viz.found`)
===================  =================================================  =================================

A widget is returned, not shown: make it the last value of its cell. It needs a running kernel. The saved notebook shows a still picture of its first view.
Bad input, such as a label typed twice, shows one line instead of the picture. ipywidgets is imported only where a widget is made.
"""

import copy
import html
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure

from tdsm.data.clips import Clip, ClipSet
from tdsm.evaluate import Report
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError
from tdsm.viz import plots, style
from tdsm.viz.animation import Player, player
from tdsm.viz.asking import ask, rank
from tdsm.viz.compare import Comparison, compare
from tdsm.viz.panels import panel, row_of, screen
from tdsm.viz.stills import small_png

if TYPE_CHECKING:
    from ipywidgets import Dropdown, GridBox, IntSlider, VBox

__all__ = [
    "Comparison", "ask", "clips_behind", "compare", "compare_runs", "confusion_browser", "explore", "noise_effect", "noise_scores", "noise_study", "rank",
    "row_of", "screen", "show_clip", "show_confused",
]  # fmt: skip

ANYONE = "anyone"
MOST_NOISES = 16  # where the slider ends
LABELS_SHOWN = 12
GRID_CLASSES = 20  # classes at most for which the matrix is a grid of buttons
GRID, GRID_NAMES = 490, 130  # pixels: the width of the grid, and of its labels
FRESH_NOISE = 2**31  # seed of noises beyond those that a recognizer holds


# ---- explore


def show_clip(clips: ClipSet, label: str, subject: str | None = None, number: int = 1) -> Player:
    """A player of one clip of a class.

    Args:
        clips: clips with labels.
        label: the class.
        subject: only clips of this subject. None: of any subject.
        number: the number of the clip among those that fit, counted from 1.

    Raises:
        InputError: no clip fits, or fewer than ``number`` clips fit.
    """
    fitting = [clip for clip in clips if clip.label == label and subject in (None, clip.subject)]
    by = f" by {subject}" if subject else ""
    if not fitting:
        raise InputError(clips.name, f"has no clip of {label!r}{by}", "choose another class or subject")
    clip = _numbered(fitting, number, f"{clips.name}, {label}{by}")
    who = f"subject {clip.subject} · " if clip.subject else ""
    return player(clip, title=f"{clip.name} · {who}{number} of {len(fitting)}")


def explore(clips: ClipSet) -> "VBox":
    """Look through a data set by class and subject; see :func:`show_clip`. Raises InputError: no clip has a label."""
    from ipywidgets import Dropdown, IntSlider

    classes = [name for name in clips.classes if any(clip.label == name for clip in clips)]
    if not classes:
        raise InputError(clips.name, "no clip has a label", "label the clips, or show one with tdsm.viz.animation.player(clip)")
    subjects = [(ANYONE, ""), *((name, name) for name in sorted({clip.subject for clip in clips if clip.subject}))]
    label = Dropdown(options=classes, description="class")
    subject, number = Dropdown(options=subjects, description="subject"), IntSlider(1, 1, 1, description="clip", continuous_update=False)

    def limit(_: object = None) -> None:
        _reach(number, sum(clip.label == label.value and subject.value in ("", clip.subject) for clip in clips))

    for control in (label, subject):
        control.observe(limit, "value")
    limit()

    def shown(label: str, subject: str, number: int) -> Player:
        return show_clip(clips, label, subject or None, number)

    moving = screen(shown, label=label, subject=subject, number=number)
    still = lambda: shown(label.value, subject.value, number.value).still  # noqa: E731
    return panel(row_of(label, subject, number), moving, name="Look through the clips", still=still)


def _numbered(clips: Sequence[Clip], number: int, where: str) -> Clip:
    if not 1 <= number <= len(clips):
        raise InputError(where, f"number is {number}", f"give 1 to {len(clips)}")
    return clips[number - 1]


# ---- noise study


def noise_scores(
    recognizer: Recognizer, clip: Clip, labels: Sequence[str], t: int | None = None, noises: int | None = None
) -> Float[np.ndarray, "label noise"]:
    """Scores of one clip under each test noise alone, (K, S): minus the denoising errors at ``t``.

    The mean over noises is the score that the recognizer would give with these settings. The recognizer is not changed. Its own noises come first; further
    noises are drawn from a fixed seed.

    Args:
        recognizer, clip, labels: as for :meth:`tdsm.recognizer.Recognizer.predict`, with K labels.
        t: t_test. Default: the recognizer's own.
        noises: S, the number of noises. Default: the recognizer's own.

    Raises:
        InputError: t is outside the schedule, there is no noise, or the clip or the labels cannot be used.
    """
    z_x = recognizer.features(clip).to(recognizer.device)[:, None]
    own = recognizer.matcher.diffusion
    matcher = _with_settings(recognizer.matcher, own.test_step if t is None else t, own.noises if noises is None else noises)
    return -matcher.noise_errors(z_x, recognizer.stream(labels))[0].cpu().numpy()


def _with_settings(matcher: Matcher, t: int, noises: int) -> Matcher:
    """A copy of the matcher with another t_test and other noises, which shares the weights with the matcher."""
    other = copy.deepcopy(matcher, {id(matcher.denoiser): matcher.denoiser})
    other.diffusion = replace(matcher.diffusion, test_step=t, noises=noises)
    held = len(matcher.test_noise)
    drawn = torch.randn(max(0, noises - held), *matcher.test_noise.shape[1:], generator=torch.Generator().manual_seed(FRESH_NOISE))
    other.test_noise = torch.cat((matcher.test_noise, drawn.to(matcher.test_noise)))[:noises]
    return other


def noise_effect(recognizer: Recognizer, clip: Clip, labels: Sequence[str], t: int | None = None, noises: int | None = None) -> Figure:
    """Scores of one clip at one t_test: a dot per label and noise and a diamond for the mean over noises, best label on top.

    A dot is the mean error of all labels under the same noise minus the error of the label. Arguments as for :func:`noise_scores`.

    Raises:
        InputError: as :func:`noise_scores`.
    """
    single = noise_scores(recognizer, clip, labels, t, noises)
    scores = single - single.mean(axis=0)
    mean = scores.mean(axis=1)
    order = np.argsort(-mean, kind="stable")
    shown = [index for place, index in enumerate(order) if place < LABELS_SHOWN or labels[index] == clip.label]
    fig, ax = style.new_axes(None, 7.0, 0.34 * len(shown) + 1.3)
    for row, index in enumerate(shown):
        ax.plot(scores[index], np.full(scores.shape[1], row), "o", color=style.BAR, alpha=0.6, markersize=5, markeredgewidth=0)
        ax.plot(mean[index], row, "D", color=style.TEXT, markersize=6)
    ax.axvline(0, color=style.FLOOR, linewidth=1, zorder=0)
    ax.set_yticks(range(len(shown)), [labels[index] + (" ✓ true" if labels[index] == clip.label else "") for index in shown], fontsize=style.AXIS)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    style.finish(ax, ticks="x")
    step = recognizer.matcher.diffusion.test_step if t is None else t
    agree = int((single.argmax(axis=0) == order[0]).sum())
    title = f"t_test = {step}: {labels[order[0]]}\n{agree} of {single.shape[1]} noises agree, each taken alone"
    _inscribe(fig, title, "mean error of all labels minus the label's error, per noise (dots); mean over noises (diamond)")
    return fig


def noise_study(recognizer: Recognizer, clip: Clip, labels: Sequence[str]) -> "VBox":
    """Change t_test and the number of noises, and see the scores of one clip. The recognizer is not changed. See :func:`noise_effect`."""
    from ipywidgets import IntSlider

    own = recognizer.matcher.diffusion
    t = IntSlider(own.test_step, 0, own.timesteps - 1, description="t_test", continuous_update=False)
    noises = IntSlider(own.noises, 1, max(MOST_NOISES, own.noises), description="noises", continuous_update=False)

    def shown(t: int, noises: int) -> Figure:
        return noise_effect(recognizer, clip, labels, t, noises)

    scores = screen(shown, busy="computing the scores …", t=t, noises=noises)
    return panel(row_of(t, noises), scores, name="Change t_test and the noises", still=lambda: small_png(shown(t.value, noises.value)))


# ---- confusion matrix


def clips_behind(report: Report, clips: ClipSet, true: str, predicted: str) -> list[Clip]:
    """The clips in one cell of the confusion matrix: clips of class ``true`` with the prediction ``predicted``. There may be none.

    Raises:
        InputError: a label is unknown, or the report was made from other clips.
    """
    return [clips[row] for row in _rows_behind(report, clips, true, predicted)]


def _rows_behind(report: Report, clips: ClipSet, true: str, predicted: str) -> list[int]:
    for label in (true, predicted):
        if label not in report.labels:
            raise InputError("report", f"has no label {label!r}", f"choose among: {', '.join(report.labels)}")
    if [clip.label for clip in clips] != [report.labels[index] for index in report.y]:
        raise InputError("report", f"is not of these {len(clips)} clips in this order", "give the clips that it was made from")
    return np.flatnonzero((report.y == report.labels.index(true)) & (report.predicted == report.labels.index(predicted))).tolist()


def show_confused(report: Report, clips: ClipSet, true: str, predicted: str, number: int = 1) -> Player:
    """A player of one clip in a cell of the confusion matrix (:func:`clips_behind`), with its scores. ``number`` counts from 1.

    Raises:
        InputError: as :func:`clips_behind`, or there are fewer than ``number`` clips.
    """
    rows = _rows_behind(report, clips, true, predicted)
    if not rows:
        raise InputError("report", f"no clip of {true!r} was answered {predicted!r}", "choose another cell")
    clip = _numbered([clips[row] for row in rows], number, f"{true} answered {predicted}")
    own = report.scores[rows[number - 1]]
    scores = dict(zip(report.labels, (own - own.min()).tolist(), strict=True))
    return player(clip, predicted, scores, title=f"{clip.name} · {number} of {len(rows)}")


def confusion_browser(report: Report, clips: ClipSet) -> "VBox":
    """Click a cell of the confusion matrix, and the clips in it play beside the matrix. The menu lists errors first. See :func:`show_confused`.

    With more than 20 classes the cells are a list, and the matrix is a picture below.
    """
    from ipywidgets import Dropdown, IntSlider, Layout, Select, VBox

    counts = report.confusion()
    filled = sorted(((int(i), int(j)) for i, j in np.argwhere(counts)), key=lambda at: (at[0] == at[1], -counts[at]))
    named = [(f"{report.labels[i]} → {report.labels[j]}: {counts[i, j]}", (i, j)) for i, j in filled]
    grid = len(report.labels) <= GRID_CLASSES
    if grid:
        cell = Dropdown(options=named, description="cell", layout=Layout(width="36em", max_width="98%"))
    else:
        cell = Select(options=named, rows=18, layout=Layout(width=f"{GRID}px", max_width="98%"))
    number = IntSlider(1, 1, 1, description="clip", continuous_update=False)
    cell.observe(lambda _: _reach(number, int(counts[cell.value])), "value")
    _reach(number, int(counts[cell.value]))
    matrix = lambda: plots.confusion(counts, report.labels, report.labels)[0]  # noqa: E731
    moving = screen(lambda cell, number: show_confused(report, clips, *(report.labels[index] for index in cell), number), cell=cell, number=number)
    beside = [VBox((number, moving), layout=Layout(flex="1 1 380px", min_width="0"))]
    parts = [cell, row_of(_grid(counts, report.labels, cell), *beside)] if grid else [row_of(cell, *beside), screen(matrix)]
    return panel(*parts, name="Open the cells of the confusion matrix", still=lambda: small_png(matrix()))


def _grid(counts: np.ndarray, labels: Sequence[str], cell: "Dropdown") -> "GridBox":
    """The matrix (K, K) as buttons, shaded by the share of their row and sorted as in the picture. A click chooses that cell in the menu ``cell``."""
    from ipywidgets import HTML, Button, GridBox, Layout

    side = min(40, (GRID - GRID_NAMES) // len(labels))
    size = {"width": f"{side - 2}px", "height": "28px", "margin": "1px", "padding": "0"}
    borders = ("", f"2px solid {style.TEXT}", f"3px solid {style.COLOURS[1]}")  # elsewhere, on the diagonal, of the chosen cell
    frames = [Layout(**size, border=border) for border in borders]
    empty = [Button(disabled=True, layout=frame, style={"button_color": "#ffffff"}) for frame in frames[:2]]  # one for all: each costs 4 kB in a saved notebook
    order, _ = plots.by_accuracy(counts, labels, labels)
    filled: dict[tuple[int, int], Button] = {}

    def button(i: int, j: int) -> Button:
        if not counts[i, j]:
            return empty[i == j]
        share = counts[i, j] / counts[i].sum()
        shade = "#" + "".join(f"{round(255 + share * (full - 255)):02x}" for full in (0, 80, 150))  # from white at 0 to a dark blue at 1
        colours = {"button_color": shade, "text_color": "white" if share > 0.55 else style.TEXT, "font_size": "12px"}
        filled[i, j] = made = Button(description=str(counts[i, j]), tooltip=f"{labels[i]} → {labels[j]}: {counts[i, j]}", layout=frames[i == j], style=colours)
        made.on_click(lambda _: setattr(cell, "value", (i, j)))
        return made

    def mark(change: dict) -> None:
        for at, look in ((change["old"], change["old"] and frames[change["old"][0] == change["old"][1]]), (change["new"], frames[2])):
            if at in filled:
                filled[at].layout = look

    head = '<div style="text-align:center;line-height:1.2;font-size:11px" title="{}">{}</div>'
    name = '<div style="text-align:right;line-height:1.2;font-size:12px;overflow-wrap:anywhere">{} <b>{}</b></div>'
    children = [HTML('<div style="line-height:1.2;font-size:12px"><b>true</b> ↓ &nbsp; <b>predicted</b> →</div>')]
    children += [HTML(head.format(html.escape(labels[j]), place)) for place, j in enumerate(order, 1)]
    for place, i in enumerate(order, 1):
        children += [HTML(name.format(html.escape(labels[i]), place)), *(button(i, j) for j in order)]
    cell.observe(mark, "value")
    mark({"old": None, "new": cell.value})
    columns = f"{GRID_NAMES}px repeat({len(labels)}, {side}px)"
    width = f"{GRID_NAMES + len(labels) * side}px"
    return GridBox(children, layout=Layout(grid_template_columns=columns, align_items="center", flex="0 0 auto", width=width, overflow="visible"))


# ---- two runs


def compare_runs(folders: Sequence[str | Path]) -> "VBox":
    """Choose two of these run folders and see them side by side; see :func:`compare`. Raises InputError: fewer than two folders."""
    from ipywidgets import Dropdown

    places = [Path(folder).resolve() for folder in folders]
    if len(places) < 2:
        raise InputError("compare_runs", f"{len(places)} folders", "give two or more run folders")
    above = os.path.commonpath([place.parent for place in places])
    named = {place.relative_to(above).as_posix(): place for place in places}
    first, second = (Dropdown(options=list(named), index=at, description=what) for at, what in enumerate(("first", "second")))

    def shown(first: str, second: str) -> Comparison:
        return compare(named[first], named[second], (first, second))

    still = lambda: small_png(shown(first.value, second.value).figure)  # noqa: E731
    return panel(row_of(first, second), screen(shown, first=first, second=second), name="Compare two runs", still=still)


# ---- what the widgets share


def _inscribe(figure: Figure, title: str, below: str) -> None:
    """Write a title above and a line below the whole figure, not the axes, which are narrow beside long labels."""
    figure.suptitle(title, fontsize=style.TITLE, x=0.01, ha="left", parse_math=False)
    figure.supxlabel(below, fontsize=style.AXIS)


def _reach(number: "IntSlider", count: int) -> None:
    """Let the slider run from 1 to ``count``, and set it to 1."""
    number.value = 1
    number.max = max(1, count)
