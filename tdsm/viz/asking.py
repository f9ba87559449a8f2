"""Labels that a person types, ranked for one clip: :func:`rank`, and the widget :func:`ask` in front of it."""

import html
import textwrap
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from tdsm.data.clips import Clip, ClipSet
from tdsm.recognizer import Predictions, Recognizer
from tdsm.util.errors import InputError
from tdsm.util.tables import html_table
from tdsm.viz import plots, style
from tdsm.viz.animation import picture, player
from tdsm.viz.compare import png
from tdsm.viz.panels import panel, row_of, screen
from tdsm.viz.stills import small_png, stacked, still

if TYPE_CHECKING:
    from ipywidgets import VBox

__all__ = ["ask", "predicted", "rank"]

TRIED = 12  # clips at most among which the widget looks for its first one


def predicted(recognizer: Recognizer, clip: Clip, text: str, descriptions: str = "") -> Predictions:
    """The answer for one clip and labels that were typed.

    Args:
        recognizer: any recognizer.
        clip: a clip of any layout that the recognizer accepts.
        text: labels, separated by commas. Empty labels are ignored.
        descriptions: a line per description: label, colon, a sentence about the movement. Labels without one are read from their name.

    Raises:
        InputError: fewer than two labels, a label twice, a line without a colon or of a label that was not typed, or a clip that cannot be converted.
    """
    labels = [label.strip() for label in text.split(",") if label.strip()]
    if len(labels) < 2:
        raise InputError("labels", f"{len(labels)} typed", "type two or more names of actions, separated by commas")
    given = {}
    for line in filter(None, map(str.strip, descriptions.splitlines())):
        label, colon, sentence = (part.strip() for part in line.partition(":"))
        if not colon or not sentence:
            raise InputError("descriptions", f"{line!r:.80} has no sentence after a colon", "type lines such as squat: bend both knees")
        if label not in labels:
            raise InputError("descriptions", f"{label!r:.80} is not among the labels", f"choose among: {', '.join(labels)}")
        given[label] = sentence
    return recognizer.predict(clip, labels, given)


def rank(recognizer: Recognizer, clip: Clip, text: str, descriptions: str = "") -> Figure:
    """Labels that were typed as bars, ranked for one clip. The clip's own label is marked if it was typed.

    The bars are probabilities, given that one of the labels is right, and the line below names the probability of none of them. For a recognizer without
    probabilities a bar is the difference between the label's score and the lowest score. Arguments as for :func:`predicted`.

    Raises:
        InputError: as :func:`predicted`.
    """
    return _bars(predicted(recognizer, clip, text, descriptions), clip)


def _bars(answer: Predictions, clip: Clip, width: float = 7.0) -> Figure:
    sure = answer.probabilities is not None
    values = answer.probabilities[0] if sure else answer.scores[0] - answer.scores[0].min()
    values = {label: float(value) for label, value in zip(answer.labels, values, strict=True)}
    figure, ax = plots.ranking(values, true=clip.label if clip.label in values else None, form=".0%" if sure else ".3g")
    below = f"probability, if one of these is right · none of these: {answer.none_of_these[0]:.0%}" if sure else "difference to the lowest score"
    figure.set_size_inches(width, figure.get_figheight() + 0.3)
    ax.set_xlabel("")
    figure.suptitle(textwrap.fill(f"{clip.name}: {answer.top[0]}", int(12 * width)), fontsize=style.TITLE, x=0.01, ha="left", parse_math=False)
    figure.supxlabel(below, fontsize=style.AXIS)
    return figure


def _answered(answer: Predictions, clip: Clip) -> str:
    """The bars and, as a table, how each label was read."""
    where = [label for label, _ in answer[0]]
    place = f"The true label has rank {where.index(clip.label) + 1} of {len(where)}." if clip.label in where else "The true label is not among these labels."
    rows = [(reading.label.name, reading.how, reading.near, "; ".join(reading.remarks)) for reading in answer.readings]
    head = ("label", "read from", "nearest action of the dictionary", "remarks")
    kept = [column for column in range(4) if column < 2 or any(row[column] for row in rows)]
    table = html_table([[row[column] for column in kept] for row in rows], [head[column] for column in kept]) if rows else ""
    notes = "".join(f"<br>{html.escape(note)}" for note in answer.notes)
    folded = f"<details open><summary>how each label was read</summary><div style='overflow:auto;max-height:260px'>{table}</div></details>" if table else ""
    return f'<div style="line-height:1.4">{picture(png(_bars(answer, clip, 4.8)), place)}<p>{place if clip.label else ""}{notes}</p>{folded}</div>'


def ask(recognizer: Recognizer, clips: ClipSet) -> "VBox":
    """Type labels and descriptions, and see how each label ranks for a clip, how it was read, and the moving clip beside.

    The widget opens on the first clip whose own label ranks first. It looks at the first clip of each of at most 12 classes, and says for how many of
    these the own label ranks first. See :func:`rank`.
    """
    from ipywidgets import HTML, Dropdown, Layout, Text, Textarea, VBox

    opening, words = _opening(recognizer, clips)
    options = [(f"{row}. {clip.name}", row) for row, clip in enumerate(clips)]
    clip = Dropdown(options=options, value=opening, description="clip", layout=Layout(width="32em", max_width="98%"))
    text = Text(", ".join(clips.classes), description="labels", continuous_update=False, layout=Layout(width="98%"))
    example = "one per line, optional; for example  squat: bend both knees while the back stays upright. Leave the field to rank again."
    sentences = Textarea("", description="descriptions", placeholder=example, continuous_update=False, rows=2, layout=Layout(width="98%"))

    def answer(clip: int, text: str, descriptions: str) -> str:
        return _answered(predicted(recognizer, clips[clip], text, descriptions), clips[clip])

    moving = screen(lambda clip: player(clips[clip]), clip=clip)
    ranked = screen(answer, busy="ranking the labels …", clip=clip, text=text, descriptions=sentences)

    def first_view() -> bytes:
        return stacked([still([(clips[clip.value], None)]), small_png(rank(recognizer, clips[clip.value], text.value, sentences.value))])

    note = HTML(f'<div style="line-height:1.4">{html.escape(words)}</div>')
    return panel(clip, VBox((text, sentences), layout=Layout(width="100%")), note, row_of(ranked, moving), name="Rank labels for a clip", still=first_view)


def _opening(recognizer: Recognizer, clips: ClipSet) -> tuple[int, str]:
    """The number of the clip to open on, and what was tried to choose it."""
    first = {clip.label: row for row, clip in reversed(list(enumerate(clips))) if clip.label in clips.classes}
    tried = sorted(first.values())[:TRIED]
    if len(clips.classes) < 2 or not tried:
        return 0, ""
    z_x, usable = recognizer.usable([clips[row] for row in tried])
    tried = [tried[place] for place in usable]
    best = recognizer.probabilities(z_x, clips.classes)[0].argmax(axis=1)
    right = [row for row, place in zip(tried, best, strict=True) if clips.classes[place] == clips[row].label]
    said = f"With all {len(clips.classes)} labels, the true label ranks first for {len(right)} of the {len(tried)} clips tried (the first of each class)"
    return (right[0], f"{said}. The widget opens on one of them.") if right else (tried[0], f"{said}.")
