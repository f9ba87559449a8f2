"""Moving bodies: a player for notebooks. :mod:`tdsm.viz.stills` draws the same bodies on paper.

:func:`player` returns one HTML page that needs no network: the joints as 16-bit integers in base64, and a canvas program of a few kilobytes
(``player.html``, ``bodies.html``). :func:`gallery` shows several clips on one page, with one clock and one camera.

In a notebook the output holds a still picture twice: inside the HTML, below the frame of the page, and as PNG. An untrusted notebook has no frames and no
scripts, so the still is visible there, as in viewers that show pictures only and in PDF. Where scripts run, the page covers the still.
"""

import base64
import html
import importlib.resources
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from numbers import Real
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np

from tdsm.data.clips import Clip
from tdsm.util.errors import InputError
from tdsm.util.files import write_text
from tdsm.viz import style
from tdsm.viz.parts import AGAINST, NEUTRAL, SUPPORTS, looks, seen, signed
from tdsm.viz.stills import floor, head, limbs, seen_from_sensor, still, strip, verdict

__all__ = ["Player", "checked_scores", "gallery", "iframe", "payload", "picture", "player", "seen_from_sensor", "strip", "template", "thinned"]

MISSING = -32768
VALUES_PER_PAGE = 6_000  # coordinates of a clip: 16 kB in base64; the page around them has 7 kB, and the still 5 kB
SCORES_SHOWN = 8
NAMES, LETTER, LINE = 0.44, 7.0, 17  # share of a row's width that its name takes; pixels of a letter and of a line
NARROW = 400  # pixels: the width for which the height is computed


@dataclass(frozen=True)
class Player:
    """One or several clips as a web page; a notebook shows it when it is the last value of a cell.

    Attributes:
        page: the HTML document.
        name: what the page shows.
        height, width: pixels that the page needs; it takes the full width up to ``width``.
        downloads: whether the page offers files to save.
        draw: makes the still picture, a PNG; None: there is none.
    """

    page: str
    name: str
    height: int
    width: int = 520
    downloads: bool = False
    draw: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)

    @cached_property
    def still(self) -> bytes:
        """The still picture as PNG, drawn when it is first asked for; empty if there is none."""
        return self.draw() if self.draw else b""

    def html(self) -> str:
        """The page: one self-contained HTML document."""
        return self.page

    def save(self, path: str | Path) -> Path:
        """Write the page to ``path``, atomically; returns the path."""
        return write_text(Path(path), self.page)

    def __repr__(self) -> str:
        return f"Player({self.name!r}, {len(self.page.encode()) / 1000:.0f} kB)"

    def _repr_html_(self) -> str:
        return iframe(self.page, f"max-width:{self.width}px;height:{self.height}px", self.downloads, self.still, self.name)

    def _repr_png_(self) -> bytes | None:
        return self.still or None


def iframe(page: str, size: str, downloads: bool = False, still: bytes = b"", words: str = "") -> str:
    """A page in a frame of a notebook's page; where frames are not allowed, its still picture.

    Args:
        page: the HTML document. It may run scripts.
        size: size of the frame, in CSS.
        downloads: whether the page may save files.
        still: a PNG no taller than the frame; the frame covers it. Programs that remove frames from untrusted HTML keep it.
        words: alternative text of the still.
    """
    source = page.replace("&", "&amp;").replace('"', "&quot;")
    rights = "allow-scripts allow-downloads" if downloads else "allow-scripts"
    over = "grid-area:1/1;z-index:1;" if still else ""
    frame = f'<iframe srcdoc="{source}" sandbox="{rights}" style="border:0;width:100%;{over}{size}"></iframe>'
    return f'<div style="display:grid">{picture(still, words, "grid-area:1/1")}{frame}</div>' if still else frame


def picture(png: bytes, words: str, look: str = "") -> str:
    """A PNG as an HTML image that holds its own data."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{html.escape(words)}" style="max-width:100%;{look}" src="data:image/png;base64,{data}">'


def player(
    clip: Clip,
    predicted: str | None = None,
    scores: Mapping[str, Real] | None = None,
    title: str | None = None,
    *,
    labels: Sequence[str] | None = None,
    scores_over_time: tuple[np.ndarray, np.ndarray] | None = None,
    influence: Mapping[str, Real] | None = None,
) -> Player:
    """A page that plays the clip, with pause, a time slider, speed and, for 3-D layouts, a camera that the mouse turns.

    Args:
        clip: a clip of any layout with any number of persons. Of a long clip only every n-th frame is kept, and the frames between are interpolated.
        predicted: the label that a model predicted.
        scores: label → score, higher is better. The eight best and the true label are shown as bars.
        title: a heading instead of the name of the clip.
        labels: K names, for ``scores_over_time``.
        scores_over_time: frames (W,) and scores (W, K) from :func:`tdsm.viz.motion.scores_over_time`: bars that change with the time of the clip and are
            sorted again at each time, instead of ``scores``. Scores between two windows are interpolated.
        influence: part of the body → influence on the prediction (:func:`tdsm.viz.motion.influence`); sets the colours of the limbs.

    Raises:
        InputError: the clip contains no person, a score is not finite, the labels do not fit the scores, or a label or part is unknown.
    """
    title = clip.name if title is None else title
    data, step = payload(clip, influence)
    if scores_over_time is None:
        rows = _score_rows(clip, predicted, scores or {})
    elif scores:
        raise InputError(clip.name, "scores and scores_over_time are both given", "give one of them")
    else:
        rows, data["over"] = _moving_rows(clip, predicted, labels or (), *scores_over_time)
    return _page([_Cell(clip, title + thinned(step) if title else thinned(step).removeprefix(" · "), predicted, rows, data)], title, influence)


def gallery(clips: Sequence[Clip], predicted: Sequence[str | None] | None = None, scores: Sequence[Mapping[str, Real]] | None = None) -> Player:
    """Several clips side by side, three in a row, with one clock and one camera. A shorter clip waits for the longest.

    The clips may have different layouts. Each clip takes at most 16 kB and has its own prediction and scores, as in :func:`player`.

    Raises:
        InputError: no clip, a number of predictions or scores other than the number of clips, or an input that :func:`player` does not accept.
    """
    if not len(clips):
        raise InputError("gallery", "no clip", "give at least one")
    for name, values in (("predicted", predicted), ("scores", scores)):
        if values is not None and len(values) != len(clips):
            raise InputError("gallery", f"{name}: {len(values)} for {len(clips)} clips", "give one per clip")
    cells = []
    for clip, label, score in zip(clips, predicted or [None] * len(clips), scores or [{}] * len(clips), strict=True):
        data, step = payload(clip, None)
        cells.append(_Cell(clip, clip.name + thinned(step), label, _score_rows(clip, label, score), data))
    return _page(cells, f"{len(clips)} clips")


class _Cell(NamedTuple):
    """One clip on a page: its title, its rows of scores, and the data of the canvas program."""

    clip: Clip
    title: str
    predicted: str | None
    rows: "_Rows"
    data: dict


class _Rows(NamedTuple):
    """Bars of scores: (label, roles, left end, right end, number) of each, the ends as shares of the bars' width, and the line below them."""

    bars: list[tuple[str, str, float, float, str]]
    zero: float | None = None  # where 0 is, as a share of the bars' width
    note: str = ""


def template(name: str) -> Template:
    """The template of a page of this package, with the program that draws bodies in place of ``$bodies``."""
    folder = importlib.resources.files("tdsm.viz")
    text, bodies = ((folder / file).read_text(encoding="utf-8") for file in (name, "bodies.html"))
    return Template(text.replace("$bodies", bodies.strip()))


def thinned(step: int) -> str:
    """A note on frames that were left out, such as " · every 2nd frame"; empty for a step of 1."""
    ending = {2: "nd", 3: "rd"}.get(step, "th")
    return "" if step == 1 else f" · every {step}{ending} frame"


def _page(cells: list[_Cell], name: str, influence: Mapping[str, Real] | None = None) -> Player:
    columns, turns = min(3, len(cells)), any(cell.clip.layout.dims == 3 for cell in cells)
    width, tall = (504, 320) if columns == 1 else (330 * columns, 250)
    views = {"front": "[0,0]", "side": "[1.57,0]", "top": "[0,1.57]"} if turns else {}
    page = template("player.html").substitute(
        title=html.escape(name), width=width, tall=tall, columns=columns, cells="".join(map(_cell_html, cells)),
        cameras="".join(f'<button data-view="{view}">{label}</button>' for label, view in views.items()),
        legend=_legend(influence) + (" · drag to turn" if turns else ""), names=f"{NAMES:.0%}",
        data=json.dumps([cell.data for cell in cells], separators=(",", ":")),
        floor=style.FLOOR, text=style.TEXT, bar=style.BAR, line=LINE,
    )  # fmt: skip
    space = min(width, NARROW) if columns == 1 else 0.85 * width / columns  # on a narrow page texts need more lines
    letters, wide = int(NAMES * space / LETTER), int(space / (1.2 * LETTER))
    rows = max(sum(5 + LINE * math.ceil(len(label + roles) / letters) for label, roles, *_ in cell.rows.bars) + LINE * bool(cell.rows.note) for cell in cells)
    heads = [[piece for piece, _ in verdict(cell.clip.label, cell.predicted)] for cell in cells]
    head = max(19 * max(2, sum(math.ceil(len(piece) / wide) for piece in pieces)) for pieces in heads) + 40
    height = 16 + math.ceil(len(cells) / columns) * (tall + rows + head) + 36 + (48 if influence else 24)
    return Player(page, name, height, width + 16, draw=partial(still, [(cell.clip, cell.predicted) for cell in cells], influence))


def _cell_html(cell: _Cell) -> str:
    words = "<br>".join(f'<span style="color:{colour}">{html.escape(piece)}</span>' for piece, colour in verdict(cell.clip.label, cell.predicted))
    rows = "".join(_row(cell.rows.zero, *bar) for bar in cell.rows.bars)
    note = f"<small>{cell.rows.note}</small>" if cell.rows.note else ""
    return f"<div><h1>{html.escape(cell.title)}</h1><p>{words}</p><canvas></canvas>{rows}{note}</div>"


def _legend(influence: Mapping[str, Real] | None) -> str:
    if influence is None:
        entries = [(style.LEFT, "left"), (style.RIGHT, "right"), (style.MIDDLE, "middle")]
        return " ".join(f'<span style="color:{colour}">▬ {words}</span>' for colour, words in entries)
    look = looks(influence)
    order = sorted(influence, key=lambda part: -influence[part])
    parts = " ".join(f'<span style="color:{look[part][0]}">▬</span> {part} {signed(influence[part])}' for part in order)
    ends = f'<span style="color:{SUPPORTS}">▬</span> supports the answer <span style="color:{NEUTRAL}">▬</span> no effect '
    return f'{ends}<span style="color:{AGAINST}">▬</span> opposes it<br>{parts}'


def payload(clip: Clip, influence: Mapping[str, Real] | None = None, most: int = VALUES_PER_PAGE) -> tuple[dict, int]:
    """The data of the canvas program, numbers and colours without any text of the user, and the step between the frames that are kept.

    At most ``most`` coordinates are kept, of 2.7 bytes each. Raises InputError: the clip contains no person, or a part is unknown.
    """
    present, world = seen(clip), seen_from_sensor(clip)
    bodies = present.any((1, 2))
    step = math.ceil(int(bodies.sum()) * clip.joints[0].size / most)
    joints, present, world = clip.joints[bodies, ::step], present[bodies, ::step], world[bodies]
    quantum, offset, codes = _quantise(joints, present)
    low, high = np.nanmin(world, axis=(0, 1, 2)), np.nanmax(world, axis=(0, 1, 2))
    return {
        "shape": codes.shape,
        "joints": base64.b64encode(codes.astype("<i2").tobytes()).decode("ascii"),
        "step": quantum,
        "offset": offset.tolist(),
        "axes": clip.layout.axes.tolist(),
        "centre": ((low + high) / 2).tolist(),
        "half": np.maximum((high - low) / 2, 1e-6).tolist(),
        "floor": floor(world[..., 1]),
        "fps": clip.fps / step,
        "smooth": step > 1,
        "limbs": [(child, parent, colour, round(4 * width, 1)) for child, parent, colour, width in limbs(clip.layout, influence)],
        "head": head(clip.layout, influence),
    }, step


def _quantise(joints: np.ndarray, present: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Step, offset (C,) and 16-bit codes (M, T, V, C), with ``joints = offset + step * codes``; MISSING for joints that were not seen."""
    values = joints[present].astype(float)
    low, high = values.min(0), values.max(0)
    offset = (low + high) / 2
    step = max(float((high - low).max()), 1e-6) / 65_534
    codes = np.where(present[..., None], np.clip(np.round((joints - offset) / step), -32_767, 32_767), MISSING)
    return step, offset, codes.astype(np.int16)


def _row(zero: float | None, label: str, roles: str, start: float, end: float, number: str) -> str:
    """A bar with its label, which is wrapped and never cut."""
    line = "" if zero is None else f'<s style="left:{100 * zero:.1f}%"></s>'
    bar = f'<u style="left:{100 * start:.1f}%;width:{100 * (end - start):.1f}%"></u>'
    return f"<div class=row><span>{html.escape(label)}{roles.replace(' (', ' &nbsp;(')}</span><i>{line}{bar}</i><b>{number}</b></div>"


def _roles(clip: Clip, predicted: str | None, label: str) -> str:
    return "".join(f" ({role})" for role, other in (("true", clip.label), ("predicted", predicted)) if other == label)


def _score_rows(clip: Clip, predicted: str | None, scores: Mapping[str, Real]) -> _Rows:
    for label, score in scores.items():
        if not math.isfinite(score):
            raise InputError(clip.name, f"score of {label!r} is {score}", "give finite scores, higher is better")
    if not scores:
        return _Rows([])
    ranked = sorted(scores, key=lambda label: -scores[label])
    shown = [label for place, label in enumerate(ranked) if place < SCORES_SHOWN or label == clip.label]
    low, high = min(scores.values()), max(scores.values())
    base = 0.0 if high >= 0 else low  # scores below 0 are minus errors: their bars begin at the lowest
    first = min(base, low)
    span = (high - first) or 1.0
    ends = [sorted((base, float(scores[label]))) for label in shown]
    bars = [
        (label, _roles(clip, predicted, label), (start - first) / span, (end - first) / span, f"{scores[label]:.3g}")
        for label, (start, end) in zip(shown, ends, strict=True)
    ]
    return _Rows(bars, (base - first) / span, "" if base == 0 else f"Bars begin at the lowest score, {low:.3g}.")


def _moving_rows(clip: Clip, predicted: str | None, labels: Sequence[str], frames: np.ndarray, scores: np.ndarray) -> tuple[_Rows, dict]:
    """The rows of the true label, the prediction and the labels with the highest scores, and the data by which the canvas program changes them."""
    scores = checked_scores(clip.name, labels, frames, scores)
    if predicted is not None and predicted not in labels:
        raise InputError(clip.name, f"predicted is {predicted!r}, which has no score", f"choose among: {', '.join(labels)}")
    kept = sorted(range(len(labels)), key=lambda k: (labels[k] not in (clip.label, predicted), -scores[:, k].max()))[:SCORES_SHOWN]
    kept.sort(key=lambda k: -scores[:, k].max())
    low, high = min(0.0, float(scores.min())), float(scores[:, kept].max())
    low = low if high >= 0 else float(scores.min())
    over = {"at": [round(float(frame) / clip.fps, 3) for frame in frames], "low": low, "high": max(high, low + 1e-6), "zero": 0.0 if high >= 0 else low}
    over["scores"] = [[round(float(score), 4) for score in scores[:, k]] for k in kept]
    zero = (over["zero"] - low) / (over["high"] - low)
    note = "" if high >= 0 else f"Bars begin at the lowest score, {low:.3g}."
    return _Rows([(labels[k], _roles(clip, predicted, labels[k]), zero, zero, "") for k in kept], zero, note), over


def checked_scores(where: str, labels: Sequence[str], frames: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores (W, K) over time as floats. Raises InputError: the shape does not fit K labels and W frames, a score is not finite, or frames do not increase."""
    scores = np.asarray(scores, dtype=float)
    if scores.shape != (len(frames), len(labels)) or 0 in scores.shape:
        raise InputError(where, f"scores_over_time: scores {scores.shape} for {len(frames)} frames and {len(labels)} labels", "give (frames, labels)")
    if not np.isfinite(scores).all() or (np.diff(frames) <= 0).any():
        raise InputError(where, "scores_over_time: a score is not finite, or frames do not increase", "take them from scores_over_time")
    return scores
