"""Widgets: the same pictures as elsewhere, with menus and sliders in front of them.

Each widget is a function of plain arguments that makes a picture or a table, and a few lines of ipywidgets that call it again
when something is chosen:

===================  =================================================  =================================
widget               what one chooses                                   the function behind it
===================  =================================================  =================================
`explore`            class, subject and number of a clip                `show_clip`
`ask`                a clip, and any labels, typed                      `rank`
`noise_study`        t_test, and how many noises                        `noise_scores`, `noise_effect`
`confusion_browser`  a cell of the confusion matrix, one of its clips   `clips_behind`, `show_confused`
`compare_runs`       two run folders                                    `compare`
`browse`             what to look for in a library                      `show_hits` (:mod:`tdsm.viz.found`)
===================  =================================================  =================================

A widget is returned, not shown: make it the last value of its cell. It needs a running kernel; call the function behind it in the
next cell, so that readers of the saved notebook see something too. Bad input, such as a label typed twice, shows its one line in
place of the picture. ipywidgets is imported only where a widget is made.
"""

import copy
import html
import os
from collections.abc import Callable, Sequence
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
from tdsm.viz.compare import Comparison, compare, png

if TYPE_CHECKING:
    from ipywidgets import Dropdown, GridBox, HBox, IntSlider, Output, ValueWidget, VBox, Widget

__all__ = [
    "Comparison", "ask", "clips_behind", "compare", "compare_runs", "confusion_browser", "explore", "noise_effect", "noise_scores", "noise_study", "rank",
    "row_of", "screen", "show_clip", "show_confused",
]  # fmt: skip

ANYONE = "anyone"
MOST_NOISES = 16  # where the slider ends
LABELS_SHOWN = 12
GRID_CLASSES = 20  # classes a side, beyond which the matrix is a picture and not a grid of buttons
FRESH_NOISE = 2**31  # seed of noises beyond those that a recognizer holds


# ---- explore


def show_clip(clips: ClipSet, label: str, subject: str | None = None, number: int = 1) -> Player:
    """One clip of a class, moving: of those by ``subject`` (None: anyone) the one of that number, counted from 1.

    Raises:
        InputError: no clip fits, or there are fewer than ``number``.
    """
    fitting = [clip for clip in clips if clip.label == label and subject in (None, clip.subject)]
    by = f" by {subject}" if subject else ""
    if not fitting:
        raise InputError(clips.name, f"has no clip of {label!r}{by}", "choose another class or subject")
    clip = _numbered(fitting, number, f"{clips.name}, {label}{by}")
    who = f"subject {clip.subject} · " if clip.subject else ""
    return player(clip, title=f"{clip.name} · {who}{number} of {len(fitting)}")


def explore(clips: ClipSet) -> "VBox":
    """Walk through a data set by class and subject; see :func:`show_clip`. Raises InputError: no clip has a label."""
    from ipywidgets import Dropdown, IntSlider, VBox

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
    moving = screen(lambda label, subject, number: show_clip(clips, label, subject or None, number), label=label, subject=subject, number=number)
    return VBox((row_of(label, subject, number), moving))


def _numbered(clips: Sequence[Clip], number: int, where: str) -> Clip:
    if not 1 <= number <= len(clips):
        raise InputError(where, f"number is {number}", f"give 1 to {len(clips)}")
    return clips[number - 1]


# ---- ask


def rank(recognizer: Recognizer, clip: Clip, text: str) -> Figure:
    """Labels typed by hand, ranked for one clip: bars, best on top; the clip's own label, where it was typed, is marked.

    The score is how far a label's denoising error lies below the worst label's. ``text``: labels separated by commas; what stands between two commas
    with nothing in it is left out.

    Raises:
        InputError: fewer than two labels, or one twice; or a clip of another body.
    """
    labels = [label.strip() for label in text.split(",") if label.strip()]
    if len(labels) < 2:
        raise InputError("labels", f"{len(labels)} typed", "type two or more names of actions, separated by commas")
    answer = recognizer.predict(clip, labels)
    figure, ax = plots.ranking(_scores(labels, answer.scores[0]), true=clip.label if clip.label in labels else None)
    figure.set_size_inches(7.0, figure.get_figheight() + 0.3)
    ax.set_xlabel("")
    _inscribe(figure, f"{clip.name}: {answer.top[0]}", "score: how far the denoising error lies below that of the worst label")
    return figure


def _inscribe(figure: Figure, title: str, below: str) -> None:
    """Words above and below the whole figure, not the axes, which are narrow beside long labels."""
    figure.suptitle(title, fontsize=style.TITLE, x=0.01, ha="left")
    figure.supxlabel(below, fontsize=style.AXIS)


def _scores(labels: Sequence[str], scores: np.ndarray) -> dict[str, float]:
    return {label: float(score - scores.min()) for label, score in zip(labels, scores, strict=True)}


def ask(recognizer: Recognizer, clips: ClipSet) -> "VBox":
    """Type labels, separated by commas, and press Enter: how does each rank for this clip? See :func:`rank`."""
    from ipywidgets import Dropdown, Layout, Text, VBox

    clip = Dropdown(options=[(f"{row}. {clip.name}", row) for row, clip in enumerate(clips)], description="clip", layout=Layout(width="32em"))
    text = Text(", ".join(clips.classes), description="labels", continuous_update=False, layout=Layout(width="95%"))
    moving = screen(lambda clip: player(clips[clip]), clip=clip)
    ranked = screen(lambda clip, text: rank(recognizer, clips[clip], text), clip=clip, text=text)
    return VBox((clip, text, row_of(ranked, moving)))


# ---- noise study


def noise_scores(
    recognizer: Recognizer, clip: Clip, labels: Sequence[str], t: int | None = None, noises: int | None = None
) -> Float[np.ndarray, "label noise"]:
    """Scores of one clip under each test noise alone, (K, S), minus the denoising errors, at another t_test or with more noises than the recognizer holds.

    The mean over noises is what the recognizer would answer with these settings. The recognizer is not changed. Its own noises come first;
    more are drawn from a fixed seed. ``t`` is t_test and ``noises`` S, the recognizer's own when left out.

    Raises:
        InputError: t outside the schedule, no noise, or a clip or labels that cannot be used.
    """
    z_x = recognizer.features(clip).to(recognizer.device)[:, None]
    own = recognizer.matcher.diffusion
    matcher = _with_settings(recognizer.matcher, own.test_step if t is None else t, own.noises if noises is None else noises)
    return -matcher.noise_errors(z_x, recognizer.stream(labels))[0].cpu().numpy()


def _with_settings(matcher: Matcher, t: int, noises: int) -> Matcher:
    """The matcher with another t_test and other noises: a copy that shares the weights; the one given stays as it is."""
    other = copy.deepcopy(matcher, {id(matcher.denoiser): matcher.denoiser})
    other.diffusion = replace(matcher.diffusion, test_step=t, noises=noises)
    held = len(matcher.test_noise)
    drawn = torch.randn(max(0, noises - held), *matcher.test_noise.shape[1:], generator=torch.Generator().manual_seed(FRESH_NOISE))
    other.test_noise = torch.cat((matcher.test_noise, drawn.to(matcher.test_noise)))[:noises]
    return other


def noise_effect(recognizer: Recognizer, clip: Clip, labels: Sequence[str], t: int | None = None, noises: int | None = None) -> Figure:
    """What t_test and the noises do to one clip's scores: a dot for each label and noise, a diamond for the mean, best label on top.

    The score of a dot is how far the label's error lies below the mean of all labels under the same noise. Arguments as for :func:`noise_scores`.

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
    title = f"t_test = {step}: {labels[order[0]]}\nso say {agree} of {single.shape[1]} noises, each taken alone"
    _inscribe(fig, title, "score: error below the mean of all labels under the same noise (dots); mean over noises (diamond)")
    return fig


def noise_study(recognizer: Recognizer, clip: Clip, labels: Sequence[str]) -> "VBox":
    """Move t_test and the number of noises, and see the scores of one clip; the recognizer stays as it is. See :func:`noise_effect`."""
    from ipywidgets import IntSlider, VBox

    own = recognizer.matcher.diffusion
    t = IntSlider(own.test_step, 0, own.timesteps - 1, description="t_test", continuous_update=False)
    noises = IntSlider(own.noises, 1, max(MOST_NOISES, own.noises), description="noises", continuous_update=False)
    return VBox((row_of(t, noises), screen(lambda t, noises: noise_effect(recognizer, clip, labels, t, noises), t=t, noises=noises)))


# ---- confusion matrix


def clips_behind(report: Report, clips: ClipSet, true: str, predicted: str) -> list[Clip]:
    """The clips in one cell of the confusion matrix: those of class ``true`` that were answered ``predicted``; there may be none.

    Raises:
        InputError: an unknown label, or a report of other clips.
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
    """One clip out of a cell of the confusion matrix (:func:`clips_behind`), moving, with the scores of all labels; ``number`` counts from 1.

    Raises:
        InputError: as :func:`clips_behind`; or fewer than ``number`` clips.
    """
    rows = _rows_behind(report, clips, true, predicted)
    if not rows:
        raise InputError("report", f"no clip of {true!r} was answered {predicted!r}", "choose another cell")
    clip = _numbered([clips[row] for row in rows], number, f"{true} answered {predicted}")
    scores = _scores(report.labels, report.scores[rows[number - 1]])
    return player(clip, predicted, scores, title=f"{clip.name} · {number} of {len(rows)}")


def confusion_browser(report: Report, clips: ClipSet) -> "VBox":
    """Click a cell of the confusion matrix and see the clips behind it; mistakes come first in the menu. See :func:`show_confused`."""
    from ipywidgets import Dropdown, IntSlider, Layout, VBox

    counts = report.confusion()
    filled = sorted(((int(i), int(j)) for i, j in np.argwhere(counts)), key=lambda at: (at[0] == at[1], -counts[at]))
    named = [(f"{report.labels[i]} → {report.labels[j]}: {counts[i, j]}", (i, j)) for i, j in filled]
    cell = Dropdown(options=named, description="cell", layout=Layout(width="36em"))
    number = IntSlider(1, 1, 1, description="clip", continuous_update=False)
    cell.observe(lambda _: _reach(number, int(counts[cell.value])), "value")
    _reach(number, int(counts[cell.value]))
    if len(report.labels) <= GRID_CLASSES:
        matrix = _grid(counts, report.labels, cell)
    else:
        matrix = screen(lambda: plots.confusion(counts, report.labels, report.labels)[0])
    moving = screen(lambda cell, number: show_confused(report, clips, *(report.labels[index] for index in cell), number), cell=cell, number=number)
    return VBox((row_of(cell, number), row_of(matrix, moving)))


def _grid(counts: np.ndarray, labels: Sequence[str], cell: "Dropdown") -> "GridBox":
    """The matrix (K, K) as buttons, shaded by the share of their row; a click chooses that cell in the menu ``cell``."""
    from ipywidgets import HTML, Button, GridBox, Layout

    size = {"width": "36px", "height": "30px", "margin": "1px", "padding": "0"}
    frames = [Layout(**size), Layout(**size, border=f"2px solid {style.TEXT}")]  # the second on the diagonal
    empty = [Button(disabled=True, layout=frame, style={"button_color": "#ffffff"}) for frame in frames]  # one for all: each costs 4 kB in a saved notebook

    def button(i: int, j: int) -> Button:
        if not counts[i, j]:
            return empty[i == j]
        share = counts[i, j] / counts[i].sum()
        shade = "#" + "".join(f"{round(255 + share * (full - 255)):02x}" for full in (0, 80, 150))  # from white at 0 to a dark blue at 1
        colours = {"button_color": shade, "text_color": "white" if share > 0.55 else style.TEXT}
        filled = Button(description=str(counts[i, j]), tooltip=f"{labels[i]} → {labels[j]}: {counts[i, j]}", layout=frames[i == j], style=colours)
        filled.on_click(lambda _: setattr(cell, "value", (i, j)))
        return filled

    upright = '<div style="writing-mode:vertical-rl;transform:rotate(180deg);line-height:1.2;margin:auto">{}</div>'
    children = [HTML("<b>true</b> ↓ &nbsp; <b>predicted</b> →"), *(HTML(upright.format(html.escape(label))) for label in labels)]
    for i, label in enumerate(labels):
        children += [HTML(f'<div style="text-align:right;white-space:nowrap">{html.escape(label)}</div>'), *(button(i, j) for j in range(len(labels)))]
    return GridBox(children, layout=Layout(grid_template_columns=f"max-content repeat({len(labels)}, 40px)", align_items="flex-end", width="max-content"))


# ---- two runs


def compare_runs(folders: Sequence[str | Path]) -> "VBox":
    """Choose two of these run folders and see them side by side; see :func:`compare`. Raises InputError: fewer than two folders."""
    from ipywidgets import Dropdown, VBox

    places = [Path(folder).resolve() for folder in folders]
    if len(places) < 2:
        raise InputError("compare_runs", f"{len(places)} folders", "give two or more run folders")
    above = os.path.commonpath([place.parent for place in places])
    named = {place.relative_to(above).as_posix(): place for place in places}
    first, second = (Dropdown(options=list(named), index=at, description=what) for at, what in enumerate(("first", "second")))
    both = screen(lambda first, second: compare(named[first], named[second], (first, second)), first=first, second=second)
    return VBox((row_of(first, second), both))


# ---- what the widgets share


def screen(make: Callable[..., object], **controls: "ValueWidget") -> "Output":
    """An area that shows what ``make(**values)`` returns, again after every change; for bad input, the one line that says so."""
    from IPython.display import HTML, Image, display
    from ipywidgets import interactive_output

    def show(**chosen: object) -> None:
        try:
            shown = make(**chosen)
        except InputError as error:
            shown = HTML(f'<p style="color:{style.MISS}">{html.escape(str(error))}</p>')
        display(Image(png(shown)) if isinstance(shown, Figure) else shown)

    area = interactive_output(show, controls)
    area.layout.min_width = "540px"  # a player takes the width that is there, and needs 520
    return area


def _reach(number: "IntSlider", count: int) -> None:
    """Let the slider go from 1 to ``count``; it starts again at 1."""
    number.value = 1
    number.max = max(1, count)


def row_of(*parts: "Widget") -> "HBox":
    """Widgets side by side, in several rows where the page is narrow."""
    from ipywidgets import HBox, Layout

    return HBox(parts, layout=Layout(flex_flow="row wrap", align_items="flex-start"))
