"""An interactive map of clips. Pointing at a mark shows its class and clip; selecting it plays the clip beside the map.

A map of three dimensions turns when it is dragged. Marks may be coloured by class, person, time or anything else; a list above the map chooses.

A notebook must stay small and work offline, and plotly's program alone is 4 MB. In a notebook the map is therefore a plain SVG in a page of our own.
:meth:`InteractiveMap.figure` gives the map as a plotly figure, and :meth:`InteractiveMap.save` writes the page with that figure in the SVG's place. No page
needs the network, and both play clips with :func:`tdsm.viz.animation.player`. All clips share one budget of coordinates, so that many clips cost frames and
not size.
"""

import html
import importlib.resources
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from string import Template

import matplotlib
import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import to_hex
from matplotlib.markers import MarkerStyle

from tdsm.data.clips import Clip
from tdsm.util.errors import InputError
from tdsm.util.files import write_text
from tdsm.viz import style
from tdsm.viz.alignment import scatter
from tdsm.viz.animation import iframe, player
from tdsm.viz.stills import small_png

__all__ = ["InteractiveMap", "interactive_scatter"]

VALUES = 120_000  # coordinates of all clips together; 320 kB in base64
FEWEST = 8  # frames that a clip keeps
SIDE, MARGIN, LEGEND = 460, 14, 220  # pixels: of the SVG, of its margin, and the most that its legend takes before it scrolls
SELECT_PLOTLY = "document.getElementById('{plot_id}').on('plotly_click', event => select(event.points[0].customdata));"
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "triangle-left", "triangle-right", "hexagon")
"""Plotly's names of :data:`tdsm.viz.style.MARKERS`."""
SYMBOLS_3D = ("circle", "square", "diamond", "cross", "x", "circle-open", "square-open", "diamond-open")
STILL_COLOURS = 64  # of the still: with 16, many classes are grey
YAW, PITCH = 0.6, 0.4  # radians: how a map of three dimensions is turned at first
SCALE = "viridis"  # colours of numbers, in matplotlib and in plotly


@dataclass(frozen=True, eq=False)
class InteractiveMap:
    """A map as a web page; a notebook shows it when it is a cell's last value."""

    points: np.ndarray  # (N, 2) or (N, 3), with N class names in labels and N clip names in names
    labels: tuple[str, ...]
    names: tuple[str, ...]
    clips: Mapping[str, object]  # what the page needs to play clip i, see :func:`_packed`; empty without clips
    height: int  # pixels that the page needs
    colours: Mapping[str, tuple] = field(default_factory=dict)  # what marks may be coloured by besides their class -> N names or numbers
    stars: Mapping[str, np.ndarray] = field(default_factory=dict)  # label -> its point

    @property
    def about(self) -> list[str]:
        """What is to be read of each point: class and name, or the name alone where it begins with the class."""
        return [name if name.startswith(label) else f"{label} · {name}" for label, name in zip(self.labels, self.names, strict=True)]

    def html(self) -> str:
        """The notebook's page: one self-contained HTML document, with the map as SVG."""
        return self._page(_svg(self), tuple(self.colours))

    def figure(self) -> go.Figure:
        """The map alone as a plotly figure, in two or three dimensions: one trace for each class, and buttons where there are other colours."""
        figure, deep, groups = go.Figure(), self.points.shape[1] == 3, []
        draw, symbols = (go.Scatter3d, SYMBOLS_3D) if deep else (go.Scatter, SYMBOLS)
        for title, values in {"class": self.labels, **self.colours}.items():
            groups += [title] * _add_traces(figure, self, title, values, draw, symbols)
        for name, point in self.stars.items():
            place = dict(zip("xyz", ([float(value)] for value in point), strict=False))
            marker = {"color": _class_colours([*self.stars], self.labels)[name], "symbol": "diamond" if deep else "star", "size": 9 if deep else 16}
            marker["line"] = {"color": "#000", "width": 1}
            figure.add_trace(draw(**place, mode="markers+text", text=[html.escape(name)], name=html.escape(name), marker=marker, showlegend=False))
        if self.colours:
            shown = [{"label": title, "method": "update", "args": [{"visible": [group == title for group in groups] + [True] * len(self.stars)}]}
                     for title in dict.fromkeys(groups)]  # fmt: skip
            figure.update_layout(updatemenus=[{"buttons": shown, "type": "buttons", "direction": "right", "x": 0, "y": 1.08, "xanchor": "left"}])
        figure.update_layout(template="simple_white", margin={"l": 10, "r": 10, "t": 30, "b": 10}, width=640, height=720)
        figure.update_layout(legend={"orientation": "h", "y": 0, "yanchor": "top"})
        hidden = {"visible": False}
        if deep:
            return figure.update_layout(scene={"xaxis": hidden, "yaxis": hidden, "zaxis": hidden, "aspectmode": "data"})
        figure.update_xaxes(visible=False)
        return figure.update_yaxes(visible=False, scaleanchor="x")

    def save(self, path: str | Path) -> Path:
        """Write the page with the plotly figure to ``path``, atomically; 5 MB, because plotly goes with it. Returns the path."""
        plot = self.figure().to_html(full_html=False, include_plotlyjs=True, post_script=SELECT_PLOTLY)
        return write_text(Path(path), self._page(plot))  # plotly's own buttons change the colours

    def _page(self, drawing: str, colours: Sequence[str] = ()) -> str:
        data = {"about": [*self.about, *(f"label: {name}" for name in self.stars)], **self.clips, **_looks(self)}
        about = "select a point to play its clip" if self.clips else "point at a dot to read its clip"
        page = importlib.resources.files("tdsm.viz") / "map.html"
        options = "".join(f"<option>{html.escape(title)}</option>" for title in ("class", *colours))
        colour = f'<label>colour: <select id="colour">{options}</select></label>' if colours else ""
        turns = self.points.shape[1] == 3
        return Template(page.read_text(encoding="utf-8")).substitute(
            drawing=drawing, text=style.TEXT, about=about + ("; drag to turn the map" if turns else ""), side=SIDE, legend=LEGEND, colour=colour,
            data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        )  # fmt: skip

    def __repr__(self) -> str:
        played = len(self.clips.get("clips", ()))
        return f"InteractiveMap({len(self.labels)} points, {len(set(self.labels))} classes, {played} clips, {len(self.html().encode()) / 1000:.0f} kB)"

    def still(self) -> bytes:
        """The map as a small PNG, for readers that run no scripts; three dimensions as they are turned at first."""
        flat = _turned(_centred(self), YAW, PITCH) if self.points.shape[1] == 3 else np.array([*self.points, *self.stars.values()])
        count = len(self.points)
        drawn, _ = scatter(flat[:count], list(self.labels), text_points=flat[count:], text_labels=list(self.stars))
        for _ in range(3):  # each call brings a legend of several columns nearer to its place; after one it is cut
            drawn.draw_without_rendering()
        return small_png(drawn, STILL_COLOURS)

    def _repr_html_(self) -> str:
        return iframe(self.html(), f"height:{self.height}px", still=self.still(), words=repr(self))

    def _repr_png_(self) -> bytes:
        return self.still()


def interactive_scatter(
    points: np.ndarray,
    labels: Sequence[str] | np.ndarray,
    names: Sequence[str] | np.ndarray,
    clips: Sequence[Clip] | None = None,
    *,
    colours: Mapping[str, Sequence | np.ndarray] | None = None,
    stars: Mapping[str, np.ndarray] | None = None,
) -> InteractiveMap:
    """The map of :func:`tdsm.viz.alignment.project`, to look around in: hovering shows class and clip, selecting a point plays its clip.

    Args:
        points, labels: (N, 2) or (N, 3), and N class names: colour and marker.
        names: N clip names, or whatever else is to be read of a point.
        clips: N clips of one layout; a repeated clip is stored once. Frames are dropped so that all clips together take at most 320 kB.
        colours: what points may be coloured by besides their class, such as "person" or "seconds" -> N names or N numbers.
        stars: labels to draw as stars -> their point on the same map.

    Raises:
        InputError: points, labels, names, colours or clips differ in number, points or stars are not finite, a colouring is named "class", or the clips
            are too many for one page.
    """
    points, colours, stars = np.asarray(points, dtype=float), dict(colours or {}), dict(stars or {})
    fits = points.ndim == 2 and points.shape[1] in (2, 3) and len(points) == len(labels) == len(names)
    if not fits or (clips is not None and len(clips) != len(labels)):
        counts = f"points {points.shape}, {len(labels)} labels, {len(names)} names" + ("" if clips is None else f", {len(clips)} clips")
        raise InputError("interactive_scatter", counts, "give one of each a point, and points of two or three numbers")
    for title, values in colours.items():
        if len(values) != len(labels):
            raise InputError("interactive_scatter", f"{len(values)} values of {title!r} for {len(labels)} points", "give one a point")
        if title == "class":
            raise InputError("interactive_scatter", "colours called 'class', which the map has already", "choose another name")
    if any(np.shape(point) != points.shape[1:] for point in stars.values()):
        raise InputError("interactive_scatter", f"stars that are not points of {points.shape[1]} numbers", "project labels and clips together")
    if not len(points) or not np.isfinite([*points, *stars.values()]).all():
        raise InputError("interactive_scatter", "no points, or some that are NaN", "project at least 3 rows of finite features")
    packed = {} if clips is None else _packed(clips)
    height = max(SIDE + min(LEGEND, 20 * len(set(labels))), packed.get("height", 0) + 20) + 70 + 24 * bool(colours)
    kept = {title: tuple(values if _numeric(values) else map(str, values)) for title, values in colours.items()}
    return InteractiveMap(points, tuple(map(str, labels)), tuple(map(str, names)), packed, height, kept, stars)


def _class_colours(names: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """The colour of each name: its class's, where it is one of the labels of points, or one of its own."""
    order = {name: index for index, name in enumerate(dict.fromkeys([*labels, *names]))}
    return {name: style.class_look(order[name])[0] for name in names}


def _numeric(values: Sequence) -> bool:
    return all(isinstance(value, Real) for value in values)


def _add_traces(figure: go.Figure, shown: InteractiveMap, title: str, values: Sequence, draw: type, symbols: Sequence[str]) -> int:
    """Points coloured by ``values``: one trace a name, or one with a scale for numbers; how many traces were added."""
    deep, first = shown.points.shape[1] == 3, title == "class"
    groups = (
        {title: range(len(values))} if _numeric(values) else {name: [row for row, own in enumerate(values) if own == name] for name in dict.fromkeys(values)}
    )
    for index, (name, rows) in enumerate(groups.items()):
        colour = [float(values[row]) for row in rows] if _numeric(values) else style.class_look(index)[0]
        marker = {"color": colour, "symbol": symbols[index % len(symbols)], "size": 5 if deep else 9, "opacity": 0.8}
        marker |= {"colorscale": SCALE, "colorbar": {"title": title}} if _numeric(values) else {}
        place = dict(zip("xyz", shown.points[rows].T.tolist(), strict=False))
        hover = [html.escape(shown.about[row]) for row in rows]
        about = {"name": html.escape(name), "customdata": list(rows), "hovertext": hover, "hoverinfo": "text", "visible": first}
        figure.add_trace(draw(**place, mode="markers", marker=marker, **about))
    return len(groups)


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


def _looks(shown: InteractiveMap) -> dict[str, object]:
    """What the page needs to turn a map of three dimensions and to change colours: nothing for a plain one."""
    needs: dict[str, object] = {}
    if shown.points.shape[1] == 3:
        needs |= {"turn": [YAW, PITCH], "places": np.round(_centred(shown), 3).tolist()}
    if shown.colours:
        each = {"class": shown.labels, **shown.colours}
        needs |= {"fills": {title: _fills(values) for title, values in each.items()}, "legends": {title: _legend(values) for title, values in each.items()}}
    return needs


def _centred(shown: InteractiveMap) -> np.ndarray:
    """Points and stars about the middle of all, with the farthest at 1."""
    every = np.concatenate([shown.points, *(np.asarray(point, dtype=float)[None] for point in shown.stars.values())])
    every = every - (every.min(0) + every.max(0)) / 2
    return every / max(float(np.linalg.norm(every, axis=1).max()), 1e-12)


def _fills(values: Sequence) -> list[str]:
    """The colour of each value: classes have those of the style, numbers a scale from the smallest to the largest."""
    if _numeric(values):
        low, high = min(values), max(values)
        return [to_hex(matplotlib.colormaps[SCALE]((value - low) / ((high - low) or 1.0))) for value in values]
    order = {name: index for index, name in enumerate(dict.fromkeys(values))}
    return [style.class_look(order[value])[0] for value in values]


def _legend(values: Sequence) -> str:
    """The legend as HTML; the symbols are those of the map."""
    if _numeric(values):
        stops = ",".join(to_hex(matplotlib.colormaps[SCALE](share)) for share in (0, 0.25, 0.5, 0.75, 1.0))
        bar = f'<i style="display:inline-block;width:160px;height:10px;margin:0 6px;background:linear-gradient(90deg,{stops})"></i>'
        return f"<span>{min(values):.1f}{bar}{max(values):.1f}</span>"
    names = dict.fromkeys(values)
    return "".join(
        f'<span><svg width="14" height="14" viewBox="-7 -7 14 14"><use href="#m{index}" fill="{style.class_look(index)[0]}"/></svg>{html.escape(name)}</span>'
        for index, name in enumerate(names)
    )


def _svg(shown: InteractiveMap) -> str:
    """Points with equal axes in a square, one symbol a class, stars for labels, and a legend; three dimensions are seen from where the page turns on."""
    if shown.points.shape[1] == 3:
        places = SIDE / 2 + (SIDE / 2 - MARGIN) * _turned(_centred(shown), YAW, PITCH) * [1, -1]
    else:
        every = np.concatenate([shown.points, *(np.asarray(point, dtype=float)[None] for point in shown.stars.values())])
        low, high = every.min(0), every.max(0)
        scale = (SIDE - 2 * MARGIN) / max(float((high - low).max()), 1e-12)
        places = SIDE / 2 + (every - (low + high) / 2) * scale * [1, -1]
    order = {name: index for index, name in enumerate(dict.fromkeys(shown.labels))}
    count = max(map(len, (order, *(set(values) for values in shown.colours.values() if not _numeric(values)))))
    symbols = "".join(f'<symbol id="m{index}" overflow="visible"><path d="{_outline(style.class_look(index)[1])}"/></symbol>' for index in range(count))
    symbols += f'<symbol id="star" overflow="visible"><path d="{_outline("*", 15)}" stroke="#000" stroke-width="1"/></symbol>' if shown.stars else ""
    looks = [(f"m{order[label]}", style.class_look(order[label])[0]) for label in shown.labels]
    looks += [("star", colour) for colour in _class_colours([*shown.stars], shown.labels).values()]
    dots = "".join(
        f'<use href="#{symbol}" x="{x:.1f}" y="{y:.1f}" fill="{colour}" data-i="{row}" tabindex="0"/>'
        for row, ((x, y), (symbol, colour)) in enumerate(zip(places, looks, strict=True))
    )
    drawing = f'<svg id="map" viewBox="0 0 {SIDE} {SIDE}" role="group" aria-label="map"><defs>{symbols}</defs>{dots}</svg>'
    return f'{drawing}<div class="legend" id="legend">{_legend(shown.labels)}</div>'


def _turned(points: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """(N, 2) right and up of (N, 3) points, turned about the upright axis and then towards the reader, as the page's script does."""
    x, y, z = points.T
    right, ahead = x * math.cos(yaw) + z * math.sin(yaw), z * math.cos(yaw) - x * math.sin(yaw)
    return np.stack([right, y * math.cos(pitch) - ahead * math.sin(pitch)], axis=1)


def _outline(marker: str, across: float = 8) -> str:
    """SVG path of a matplotlib marker, so many pixels across, y downwards."""
    look = MarkerStyle(marker)
    outline = look.get_path().transformed(look.get_transform()).to_polygons()
    return "".join("M" + "L".join(f"{across * x:.1f} {-across * y:.1f}" for x, y in polygon) + "Z" for polygon in outline)
