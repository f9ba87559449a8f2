"""Segments of actions over time: :func:`timeline`, a page to check and to correct them, and :func:`timeline_figure`, the same bands on paper.

The page needs no network and no kernel. It stores nothing: a person saves the corrected segments as CSV, COCO-style JSON or ELAN's EAF, and
:meth:`tdsm.spotting.spots.Spots.from_csv` reads them. Labels are inserted as text, never as HTML.
"""

import html
import json
import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from tdsm.data.clips import Clip
from tdsm.spotting.measures import Segment
from tdsm.spotting.spots import Spots
from tdsm.util.errors import InputError
from tdsm.viz import style
from tdsm.viz.animation import Player, checked_scores, payload, template, thinned
from tdsm.viz.stills import STILL, small_png, stacked, still

__all__ = ["timeline", "timeline_figure"]

COORDINATES = 70_000  # of the bodies on a page; 187 kB in base64
SCORES = 12_000  # on a page; 48 kB
ROWS = 12  # of labels that the page shows, if no more are in use
TALL, LANES = 300, 420  # pixels of the body, and of the rows at most


def timeline(
    spots: Spots, clip: Clip, scores: tuple[Int[np.ndarray, " window"], Float[np.ndarray, "window label"]] | None = None, *, title: str = ""
) -> Player:
    """A page to check and to correct segments: the moving body, a row of bands per label, and controls to edit and to save the segments.

    A click on a band plays its segment. A segment can be accepted, deleted, given another label, and changed by dragging its ends; new segments are added
    at the playhead. Segments do not overlap. A segment whose label a person chose has score 1 in the JSON.

    Args:
        spots: the segments that were found, with K labels.
        clip: the recording. Every n-th frame is kept, at most 70,000 coordinates, and the frames between are interpolated. For 2 minutes of one Kinect body
            this is 7.5 frames per second and a page of 210 to 260 kB. The ends of segments keep the full frame rate.
        scores: frames (W,) and scores (W, K), such as from :func:`tdsm.spotting.windows.probabilities_over_time`: a curve above the bands of each label, on
            one scale.
        title: a heading instead of the name of the recording.

    Raises:
        InputError: the clip has another length or frame rate than the spots, a segment ends after the clip, the clip contains no person, or the scores do
            not fit.

    Example:
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> clip = synthetic_clips(1, actions=["bow"])[0]
        >>> timeline(Spots((Segment(10, 30, "bow", 0.9),), clip.fps, clip.frames, ("bow", "jump"), clip.name), clip)
        Player('bow #0', ... kB)
    """
    _check(spots, clip)
    body, step = payload(clip, most=COORDINATES)
    labels, shown = spots.names(), title or spots.name
    data = {
        "name": spots.name,
        "fps": float(spots.fps),
        "frames": spots.frames,
        "labels": labels,
        "rows": ROWS,
        "palette": [(colour, _ink(colour)) for colour in style.COLOURS],
        "found": [(each.start, each.end, labels.index(each.label), round(float(each.score), 4)) for each in sorted(spots.found)],
        "scores": None if scores is None else _curves(spots, *scores),
        "clip": body,
    }
    views = {"front": "[0,0]", "side": "[1.57,0]", "top": "[0,1.57]"} if clip.layout.dims == 3 else {}
    row = 32 if scores is None else 54
    page = template("timeline.html").substitute(
        title=html.escape(shown), text=style.TEXT, miss=style.MISS, floor=style.FLOOR, tall=TALL, row=row, most=LANES,
        cameras="".join(f'<button data-view="{view}">{label}</button>' for label, view in views.items()),
        note=f" The body shows{thinned(step).replace(' ·', '')}." if step > 1 else "",
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
    )  # fmt: skip
    used = len({each.label for each in spots.found})
    rows = max(used, min(len(labels), ROWS))
    return Player(page, shown, TALL + 170 + min(LANES, 26 + row * rows), 1000, downloads=True, draw=partial(_still, spots, clip))


def _still(spots: Spots, clip: Clip) -> bytes:
    """A PNG of the body above the bands."""
    pictures = [still([(clip, None)])]
    if spots.names():
        figure = timeline_figure(spots)
        figure.set(size_inches=(STILL / 80, figure.get_figheight()), dpi=80)
        pictures.append(small_png(figure))
    return stacked(pictures)


def timeline_figure(spots: Spots, true: Sequence[Segment] | None = None) -> Figure:
    """A figure of segments over time, one row per label: found segments filled, true segments hatched below them.

    Args:
        spots: the segments that were found.
        true: the true segments, in frames of the same recording. Default: found segments only.

    Raises:
        InputError: a segment ends after the recording, or there is neither a segment nor a label.

    Example:
        >>> spots = Spots((Segment(30, 75, "wave", 0.9),), 30.0, 300, ("wave", "bow"))
        >>> [text.get_text() for text in timeline_figure(spots, [Segment(33, 80, "wave")]).axes[0].get_yticklabels()]
        ['wave']
    """
    _within(spots, [*spots.found, *(true or ())])
    order = dict.fromkeys([*spots.names(), *(each.label for each in true or ())])
    used = {each.label for each in (*spots.found, *(true or ()))}
    rows = [label for label in order if label in used] or list(order)[:ROWS]
    if not rows:
        raise InputError(spots.name, "no segment and no label", "give spots with labels")
    figure = Figure(figsize=(8.0, 1.0 + 0.36 * len(rows)), layout="constrained")
    ax = figure.subplots()
    sides = [(spots.found, "found", 0.0 if true is None else -0.2)] + ([] if true is None else [(true, "true", 0.2)])
    for segments, side, middle in sides:
        half = 0.32 if true is None else 0.16
        for row, label in enumerate(rows):
            bands = [(each.start / spots.fps, (each.end - each.start) / spots.fps) for each in segments if each.label == label]
            colour = style.look(list(order).index(label))[0]
            filled = {"facecolor": colour} if side == "found" else {"facecolor": "white", "edgecolor": colour, "hatch": "//////"}
            ax.broken_barh(bands, (row + middle - half, 2 * half), linewidth=0.8, **filled)
    ax.set_yticks(range(len(rows)), rows, parse_math=False)
    ax.set(xlim=(0, spots.frames / spots.fps), ylim=(len(rows) - 0.5, -0.5))
    style.finish(ax, "seconds")
    ax.set_title(spots.name, fontsize=style.TITLE, loc="left", parse_math=False)
    if true is not None:
        looks = [{"facecolor": style.MIDDLE}, {"facecolor": "white", "edgecolor": style.MIDDLE, "hatch": "//////"}]
        keys = [ax.fill_between([], [], label=words, **look) for words, look in zip(("found (above)", "true (below)"), looks, strict=True)]
        ax.legend(handles=keys, fontsize=style.SMALL, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1)
    return figure


def _check(spots: Spots, clip: Clip) -> None:
    if clip.frames != spots.frames or not math.isclose(clip.fps, spots.fps, rel_tol=1e-6):
        what = f"{clip.frames} frames at {clip.fps:g} fps, but the spots are of {spots.frames} at {spots.fps:g} fps"
        raise InputError(clip.name, what, "give the clip that was searched")
    _within(spots, spots.found)


def _within(spots: Spots, segments: Sequence[Segment]) -> None:
    for each in segments:
        if each.end > spots.frames:
            raise InputError(spots.name, f"{each.label!r} ends at frame {each.end} of {spots.frames}", "give segments of this recording")


def _curves(spots: Spots, frames: np.ndarray, scores: np.ndarray) -> dict:
    """The frames of the windows, and the scores of each label scaled to 0 (lowest of all labels) to 1000 (highest)."""
    scores = checked_scores(spots.name, spots.labels, frames, scores)
    step = math.ceil(scores.size / SCORES)
    low, high = scores.min(), scores.max()
    values = np.round(1000 * (scores[::step] - low) / max(high - low, 1e-9)).astype(int)
    return {"at": [round(float(frame), 1) for frame in frames[::step]], "values": values.T.tolist()}


def _ink(colour: str) -> str:
    """Black or white, whichever has the higher WCAG 2 contrast with a colour."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    light = sum(
        share * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4) for share, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
    )
    return "#000" if light + 0.05 > (0.05 * 1.05) ** 0.5 else "#fff"
