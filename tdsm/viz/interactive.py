"""A map to look around in: hover a point to read its class and clip, select it and the clip plays beside the map.

A notebook must stay small and work offline, and plotly's program alone is 4 MB. So a notebook shows the points as a plain SVG in a page of our
own; :meth:`InteractiveMap.save` writes the same page with a plotly figure in the SVG's place, for zooming and for hiding classes. Both pages need
nothing from the network, and both play clips with :func:`tdsm.viz.animation.player`. All clips share one budget of coordinates, so that many
clips cost frames, not size.
"""

import html
import importlib.resources
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

import numpy as np
import plotly.graph_objects as go
from matplotlib.markers import MarkerStyle

from tdsm.data.clips import Clip
from tdsm.util.errors import InputError
from tdsm.util.files import write_text
from tdsm.viz import style
from tdsm.viz.animation import iframe, player

__all__ = ["InteractiveMap", "interactive_scatter"]

VALUES = 120_000  # coordinates of all clips together; 320 kB in base64
FEWEST = 8  # frames that a clip keeps
SIDE, MARGIN, LEGEND = 460, 14, 220  # pixels: of the SVG, of its margin, and the most that its legend takes before it scrolls
SELECT_PLOTLY = "document.getElementById('{plot_id}').on('plotly_click', event => select(event.points[0].customdata));"
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "triangle-left", "triangle-right", "hexagon")
"""Plotly's names of :data:`tdsm.viz.style.MARKERS`."""


@dataclass(frozen=True, eq=False)
class InteractiveMap:
    """A map as a web page; a notebook shows it when it is a cell's last value."""

    points: np.ndarray  # (N, 2), with N class names in labels and N clip names in names
    labels: tuple[str, ...]
    names: tuple[str, ...]
    clips: Mapping[str, object]  # what the page needs to play clip i, see :func:`_packed`; empty without clips
    height: int  # pixels that the page needs

    @property
    def about(self) -> list[str]:
        """What is to be read of each point: class and name, or the name alone where it begins with the class."""
        return [name if name.startswith(label) else f"{label} · {name}" for label, name in zip(self.labels, self.names, strict=True)]

    def html(self) -> str:
        """The notebook's page: one self-contained HTML document, with the map as SVG."""
        return self._page(_svg(self.points, self.labels))

    def figure(self) -> go.Figure:
        """The map alone as a plotly figure, one trace a class."""
        figure = go.Figure()
        for index, name in enumerate(dict.fromkeys(self.labels)):
            rows = [row for row, label in enumerate(self.labels) if label == name]
            marker = {"color": style.look(index)[0], "symbol": SYMBOLS[index % len(SYMBOLS)], "size": 9, "opacity": 0.8}
            hover = [html.escape(self.about[row]) for row in rows]
            x, y = self.points[rows].T.tolist()
            figure.add_scatter(x=x, y=y, mode="markers", name=html.escape(name), marker=marker, customdata=rows, hovertext=hover, hoverinfo="text")
        figure.update_layout(template="simple_white", margin={"l": 10, "r": 10, "t": 30, "b": 10}, width=640, height=720)
        figure.update_layout(legend={"orientation": "h", "y": 0, "yanchor": "top"})
        figure.update_xaxes(visible=False)
        return figure.update_yaxes(visible=False, scaleanchor="x")

    def save(self, path: str | Path) -> Path:
        """Write the page with the plotly figure to ``path``, atomically; 5 MB, because plotly goes with it. Returns the path."""
        plot = self.figure().to_html(full_html=False, include_plotlyjs=True, post_script=SELECT_PLOTLY)
        return write_text(Path(path), self._page(plot))

    def _page(self, drawing: str) -> str:
        data = {"about": self.about, **self.clips}
        about = "select a point to play its clip" if self.clips else "point at a dot to read its clip"
        page = importlib.resources.files("tdsm.viz") / "map.html"
        return Template(page.read_text(encoding="utf-8")).substitute(
            drawing=drawing, text=style.TEXT, about=about, side=SIDE, legend=LEGEND,
            data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        )  # fmt: skip

    def __repr__(self) -> str:
        played = len(self.clips.get("clips", ()))
        return f"InteractiveMap({len(self.labels)} points, {len(set(self.labels))} classes, {played} clips, {len(self.html().encode()) / 1000:.0f} kB)"

    def _repr_html_(self) -> str:
        return iframe(self.html(), f"height:{self.height}px")


def interactive_scatter(
    points: np.ndarray, labels: Sequence[str] | np.ndarray, names: Sequence[str] | np.ndarray, clips: Sequence[Clip] | None = None
) -> InteractiveMap:
    """The map of :func:`tdsm.viz.alignment.project`, to look around in: hover shows class and clip, selecting a point plays its clip.

    Args:
        points, labels: (N, 2), and N class names: colour and marker.
        names: N clip names, or whatever else is to be read of a point.
        clips: N clips of one layout; one that stands there several times is kept once. They are thinned to share 320 kB.

    Raises:
        InputError: points, labels, names or clips differ in number, points are no finite numbers, or the clips are too many for one page.
    """
    points = np.asarray(points, dtype=float)
    if points.shape != (len(labels), 2) or len(names) != len(labels) or (clips is not None and len(clips) != len(labels)):
        counts = f"points {points.shape}, {len(labels)} labels, {len(names)} names" + ("" if clips is None else f", {len(clips)} clips")
        raise InputError("interactive_scatter", counts, "give one of each a point")
    if not len(points) or not np.isfinite(points).all():
        raise InputError("interactive_scatter", "no points, or some that are NaN", "project at least 3 rows of finite features")
    packed = {} if clips is None else _packed(clips)
    height = max(SIDE + min(LEGEND, 20 * len(set(labels))), packed.get("height", 0) + 20) + 70
    return InteractiveMap(points, tuple(map(str, labels)), tuple(map(str, names)), packed, height)


def _packed(clips: Sequence[Clip]) -> dict[str, object]:
    """What plays clip i: the page ``head + clips[of[i]] + tail``, ``height`` pixels tall.

    Pages of the player are alike but for the joints, so what all have in common is kept once.
    """
    clips = list(clips)  # held, so that one clip is one object
    unique = {id(clip): clip for clip in clips}
    place = {key: index for index, key in enumerate(unique)}
    players = [player(_thinned(clip, VALUES // len(unique)), title="") for clip in unique.values()]
    pages = [page.html() for page in players]
    head = _beginning(pages)
    rests = [page[len(head) :] for page in pages]
    tail = _beginning([rest[::-1] for rest in rests])[::-1]
    joints = [rest.removesuffix(tail) for rest in rests]
    return {"of": [place[id(clip)] for clip in clips], "head": head, "tail": tail, "clips": joints, "height": max(page.height for page in players)}


def _beginning(texts: Sequence[str]) -> str:
    """What all begin with: as far as the first and the last in alphabetical order agree."""
    first, last = min(texts), max(texts)
    return first[: next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _thinned(clip: Clip, values: int) -> Clip:
    """The clip without label, at whole steps of frames, with at most about ``values`` coordinates."""
    joints = clip.joints[(clip.joints != 0).any((1, 2, 3))]
    if not len(joints):
        raise InputError(clip.name, "joints are all zero: nobody to draw", "leave the clip out or load it again")
    keep = values // joints[:, 0].size
    if keep < min(FEWEST, clip.frames):
        raise InputError("interactive_scatter", f"clips would be left with {keep} frames each", "give fewer points, such as every second one")
    step = math.ceil(clip.frames / keep)
    return replace(clip, joints=joints[:, ::step], fps=clip.fps / step, label=None)


def _svg(points: np.ndarray, labels: Sequence[str]) -> str:
    """Points with equal axes in a square, one symbol a class, and a legend."""
    low, high = points.min(0), points.max(0)
    scale = (SIDE - 2 * MARGIN) / max(float((high - low).max()), 1e-12)
    places = SIDE / 2 + (points - (low + high) / 2) * scale * [1, -1]
    order = {name: index for index, name in enumerate(dict.fromkeys(labels))}
    symbols = "".join(f'<symbol id="m{index}" overflow="visible"><path d="{_outline(style.look(index)[1])}"/></symbol>' for index in range(len(order)))
    dots = "".join(
        f'<use href="#m{order[label]}" x="{x:.1f}" y="{y:.1f}" fill="{style.look(order[label])[0]}" data-i="{row}" tabindex="0"/>'
        for row, ((x, y), label) in enumerate(zip(places, labels, strict=True))
    )
    legend = "".join(
        f'<span><svg width="14" height="14" viewBox="-7 -7 14 14"><use href="#m{index}" fill="{style.look(index)[0]}"/></svg>{html.escape(name)}</span>'
        for name, index in order.items()
    )
    return f'<svg id="map" viewBox="0 0 {SIDE} {SIDE}" role="group" aria-label="map"><defs>{symbols}</defs>{dots}</svg><div class="legend">{legend}</div>'


def _outline(marker: str) -> str:
    """SVG path of a matplotlib marker, 8 pixels across, y downwards."""
    look = MarkerStyle(marker)
    outline = look.get_path().transformed(look.get_transform()).to_polygons()
    return "".join("M" + "L".join(f"{8 * x:.1f} {-8 * y:.1f}" for x, y in polygon) + "Z" for polygon in outline)
