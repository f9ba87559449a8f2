"""Bodies that move: a player for notebooks; the still strip for paper goes with it (:mod:`tdsm.viz.stills`).

:func:`player` makes one HTML page that needs nothing from the network: the joints as 16-bit integers in base64, and a
canvas program of a few kilobytes (``player.html``, ``bodies.html``). It costs 10 to 50 kB a clip. :func:`gallery` puts several clips on one
page, with one clock and one camera. Scripts do not run on GitHub or in a PDF: follow a player by a :func:`strip` there.
"""

import base64
import html
import importlib.resources
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from tdsm.viz.stills import floor, head, limbs, seen_from_sensor, strip, verdict

__all__ = ["Player", "checked_scores", "gallery", "iframe", "payload", "player", "seen_from_sensor", "strip", "template", "thinned"]

MISSING = -32768
VALUES_PER_PAGE = 13_500  # coordinates of a clip; 36 kB in base64, which leaves 14 kB for the page around them
SCORES_SHOWN = 8


@dataclass(frozen=True)
class Player:
    """One or several clips as a web page; a notebook shows it when it is a cell's last value."""

    page: str  # the whole HTML document, and what it shows
    name: str
    height: int  # pixels it needs, and takes where there is room
    width: int = 520
    downloads: bool = False  # whether it has files to save

    def html(self) -> str:
        """The page: one self-contained HTML document."""
        return self.page

    def save(self, path: str | Path) -> Path:
        """Write the page to ``path``, atomically; returns the path."""
        return write_text(Path(path), self.page)

    def __repr__(self) -> str:
        return f"Player({self.name!r}, {len(self.page.encode()) / 1000:.0f} kB)"

    def _repr_html_(self) -> str:
        return iframe(self.page, f"max-width:{self.width}px;height:{self.height}px", self.downloads)


def iframe(page: str, size: str, downloads: bool = False) -> str:
    """A page inside a notebook's, of this size in CSS; it may run scripts and, if it is said, save files."""
    source = page.replace("&", "&amp;").replace('"', "&quot;")
    rights = "allow-scripts allow-downloads" if downloads else "allow-scripts"
    return f'<iframe srcdoc="{source}" sandbox="{rights}" style="border:0;width:100%;{size}"></iframe>'


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
    """A page that plays the clip: pause, scrub, speed, and (in three dimensions) views and a camera to drag round it.

    Args:
        clip: any layout, any number of persons; long clips are thinned to whole steps of frames, to stay under 50 kB.
        predicted, title: the label that a model gave it, and a heading in place of the clip's name.
        scores: label → score, higher is better; the best eight are drawn as bars.
        labels: K names, for ``scores_over_time``.
        scores_over_time: frames (W,) and scores (W, K), as :func:`tdsm.viz.motion.scores_over_time` gives: bars that move with the clip, in place of
            ``scores``. Between two windows they are interpolated.
        influence: part of the body → influence on the answer (:func:`tdsm.viz.motion.influence`); colours the limbs.

    Raises:
        InputError: nobody in any frame, a score that is not a finite number, labels that do not fit the scores, an unknown label or part.
    """
    title = clip.name if title is None else title
    data, step = payload(clip, influence)
    if scores_over_time is None:
        rows = _score_rows(clip, predicted, scores or {})
    elif scores:
        raise InputError(clip.name, "scores and scores_over_time are both given", "give one of them")
    else:
        rows, data["over"] = _moving_rows(clip, predicted, labels or (), *scores_over_time)
    return _page([_Cell(clip, title, predicted, rows, data)], title, thinned(step), influence)


def gallery(clips: Sequence[Clip], predicted: Sequence[str | None] | None = None, scores: Sequence[Mapping[str, Real]] | None = None) -> Player:
    """Several clips side by side, three in a row, with one clock and one camera; a clip that ends early waits for the longest.

    Layouts may differ; each clip costs at most 50 kB, and has its own prediction and scores, as in :func:`player`.

    Raises:
        InputError: no clip, not one prediction or one set of scores a clip, or what :func:`player` refuses.
    """
    if not len(clips):
        raise InputError("gallery", "no clip", "give at least one")
    for name, values in (("predicted", predicted), ("scores", scores)):
        if values is not None and len(values) != len(clips):
            raise InputError("gallery", f"{name}: {len(values)} for {len(clips)} clips", "give one a clip")
    cells = []
    for clip, label, score in zip(clips, predicted or [None] * len(clips), scores or [{}] * len(clips), strict=True):
        data, step = payload(clip, None)
        cells.append(_Cell(clip, clip.name + thinned(step), label, _score_rows(clip, label, score), data))
    return _page(cells, f"{len(clips)} clips")


class _Cell(NamedTuple):
    """One clip on a page: what stands above it, its rows of scores, and what the canvas program reads."""

    clip: Clip
    title: str
    predicted: str | None
    rows: list[str]
    data: dict


def template(name: str) -> Template:
    """A page of this package; ``$bodies`` in it becomes the program that draws bodies."""
    folder = importlib.resources.files("tdsm.viz")
    text, bodies = ((folder / file).read_text(encoding="utf-8") for file in (name, "bodies.html"))
    return Template(text.replace("$bodies", bodies.strip()))


def thinned(step: int) -> str:
    """What a page says about frames that were left out."""
    ending = {2: "nd", 3: "rd"}.get(step, "th")
    return "" if step == 1 else f" · every {step}{ending} frame"


def _page(cells: list[_Cell], name: str, note: str = "", influence: Mapping[str, Real] | None = None) -> Player:
    columns, turns = min(3, len(cells)), any(cell.clip.layout.dims == 3 for cell in cells)
    width, tall = (504, 340) if columns == 1 else (340 * columns, 260)
    views = {"front": "[0,0]", "side": "[1.57,0]", "top": "[0,1.57]"} if turns else {}
    page = template("player.html").substitute(
        title=html.escape(name), width=width, tall=tall, columns=columns, cells="".join(map(_cell_html, cells)),
        cameras="".join(f'<button data-view="{view}">{label}</button>' for label, view in views.items()),
        legend=_legend(influence) + note + (" · drag to turn" if turns else ""),
        data=json.dumps([cell.data for cell in cells], separators=(",", ":")),
        floor=style.FLOOR, text=style.TEXT, bar=style.BAR,
    )  # fmt: skip
    lines = max(len(cell.rows) for cell in cells)
    height = 16 + math.ceil(len(cells) / columns) * (tall + 22 * lines + 76) + 36 + (48 if influence else 24)
    return Player(page, name, height, width + 16)


def _cell_html(cell: _Cell) -> str:
    words = "<br>".join(f'<span style="color:{colour}">{html.escape(piece)}</span>' for piece, colour in verdict(cell.clip.label, cell.predicted))
    return f"<div><h1>{html.escape(cell.title)}</h1><p>{words}</p><canvas></canvas>{''.join(cell.rows)}</div>"


def _legend(influence: Mapping[str, Real] | None) -> str:
    if influence is None:
        entries = [(style.LEFT, "left"), (style.RIGHT, "right"), (style.MIDDLE, "middle")]
        return " ".join(f'<span style="color:{colour}">▬ {words}</span>' for colour, words in entries)
    look = looks(influence)
    order = sorted(influence, key=lambda part: -influence[part])
    parts = " ".join(f'<span style="color:{look[part][0]}">▬</span> {part} {signed(influence[part])}' for part in order)
    ends = f'<span style="color:{SUPPORTS}">▬</span> speaks for the answer <span style="color:{NEUTRAL}">▬</span> neither '
    return f'{ends}<span style="color:{AGAINST}">▬</span> against<br>{parts}'


def payload(clip: Clip, influence: Mapping[str, Real] | None = None, most: int = VALUES_PER_PAGE) -> tuple[dict, int]:
    """What the canvas program reads, and the step between the frames kept: numbers and colours only, never a user's text.

    ``most`` coordinates are kept at most, of 2.7 bytes each. Raises InputError: nobody in any frame, or an unknown part.
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
        "limbs": [(child, parent, colour, round(4 * width, 1)) for child, parent, colour, width in limbs(clip.layout, influence)],
        "head": head(clip.layout, influence),
    }, step


def _quantise(joints: np.ndarray, present: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Step, offset (C,) and 16-bit codes (M, T, V, C): ``joints = offset + step * codes``; MISSING where nothing was seen."""
    values = joints[present].astype(float)
    low, high = values.min(0), values.max(0)
    offset = (low + high) / 2
    step = max(float((high - low).max()), 1e-6) / 65_534
    codes = np.where(present[..., None], np.clip(np.round((joints - offset) / step), -32_767, 32_767), MISSING)
    return step, offset, codes.astype(np.int16)


def _row(clip: Clip, predicted: str | None, label: str, share: float, number: str) -> str:
    """A bar; a long name is cut, but never what it is (true, predicted)."""
    roles = "".join(f" ({role})" for role, other in (("true", clip.label), ("predicted", predicted)) if other == label)
    name, shown = html.escape(label), roles.replace(" (", "&nbsp;(")
    return f'<div class=row><span title="{name}{roles}"><em>{name}</em>{shown}</span><i style="width:{38 * share:.1f}%"></i><b>{number}</b></div>'


def _score_rows(clip: Clip, predicted: str | None, scores: Mapping[str, Real]) -> list[str]:
    for label, score in scores.items():
        if not math.isfinite(score):
            raise InputError(clip.name, f"score of {label!r} is {score}", "give finite scores, higher is better")
    best = sorted(scores.items(), key=lambda item: -item[1])[:SCORES_SHOWN]
    low = min(0.0, *scores.values()) if scores else 0.0
    span = max((score - low for _, score in best), default=0.0) or 1.0
    return [_row(clip, predicted, label, (score - low) / span, f"{score:.3g}") for label, score in best]


def _moving_rows(clip: Clip, predicted: str | None, labels: Sequence[str], frames: np.ndarray, scores: np.ndarray) -> tuple[list[str], dict]:
    """The rows of the labels that are ever among the best, true and predicted one included, and what the canvas program moves them by."""
    scores = checked_scores(clip.name, labels, frames, scores)
    if predicted is not None and predicted not in labels:
        raise InputError(clip.name, f"predicted is {predicted!r}, which has no score", f"choose among: {', '.join(labels)}")
    kept = sorted(range(len(labels)), key=lambda k: (labels[k] not in (clip.label, predicted), -scores[:, k].max()))[:SCORES_SHOWN]
    kept.sort(key=lambda k: -scores[:, k].max())
    low, high = float(scores.min()), float(scores[:, kept].max())
    over = {"at": [round(float(frame) / clip.fps, 3) for frame in frames], "low": low, "high": max(high, low + 1e-6)}
    over["scores"] = [[round(float(score), 4) for score in scores[:, k]] for k in kept]
    return [_row(clip, predicted, labels[k], 0.0, "") for k in kept], over


def checked_scores(where: str, labels: Sequence[str], frames: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores (W, K) over time as floats. Raises InputError: they do not fit the labels (K,) and frames (W,), are not finite, or the frames do not grow."""
    scores = np.asarray(scores, dtype=float)
    if scores.shape != (len(frames), len(labels)) or 0 in scores.shape:
        raise InputError(where, f"scores_over_time: scores {scores.shape} for {len(frames)} frames and {len(labels)} labels", "give (frames, labels)")
    if not np.isfinite(scores).all() or (np.diff(frames) <= 0).any():
        raise InputError(where, "scores_over_time: a score is not finite, or frames do not grow", "take them from scores_over_time")
    return scores
