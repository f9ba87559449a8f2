"""Plotly figures with a static picture for saved notebooks.

The output of a plotly figure has only plotly's own MIME type, which nbconvert's HTML, GitHub and PDF omit without an error. A :class:`Chart` adds a static
picture of the same data, drawn by matplotlib, so no browser and no kaleido are needed. JupyterLab first shows the picture, and replaces it by the interactive
figure when the mouse enters it, also in an untrusted notebook.
"""

import html
import json
import math
import re
from base64 import b64encode
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure

from tdsm.util.errors import InputError
from tdsm.viz import style
from tdsm.viz.compare import png

__all__ = ["PLOTLY", "Chart", "drawn"]

PLOTLY = "application/vnd.plotly.v1+json"
_MARKERS = {"circle": "o", "square": "s", "triangle-up": "^", "diamond": "D", "triangle-down": "v", "cross": "P", "x": "X"}
_MARKERS |= {"triangle-left": "<", "triangle-right": ">", "hexagon": "h"}


@dataclass(frozen=True, eq=False)
class Chart:
    """A plotly figure with a static picture. A notebook displays it if it is the last value of a cell.

    Attributes:
        figure: the plotly figure.
        still: a matplotlib figure of the same data. Default: :func:`drawn` makes it from the traces.

    Example:
        >>> Chart(go.Figure(go.Scatter(x=[0, 1], y=[1, 0], mode="markers", name="wave")))
        Chart(1 trace)
    """

    figure: go.Figure
    still: Figure | None = None

    def picture(self) -> bytes:
        """The static picture as PNG. Raises InputError: there is no ``still``, and :func:`drawn` cannot draw the figure."""
        return png(self.still or drawn(self.figure))

    def __repr__(self) -> str:
        count = len(self.figure.data)
        return f"Chart({count} trace{'s' * (count != 1)})"

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return {PLOTLY: json.loads(self.figure.to_json()), "image/png": b64encode(self.picture()).decode("ascii"), "text/plain": repr(self)}


def drawn(figure: go.Figure) -> Figure:
    """Draw the scatter and scatter3d traces of a plotly figure with matplotlib: markers, lines and text, title and legend.

    Traces that are initially hidden are omitted.

    Raises:
        InputError: another type of trace, both 2-D and 3-D traces, or a colour that matplotlib cannot parse.
    """
    other = [trace.type for trace in figure.data if trace.type not in ("scatter", "scattergl", "scatter3d")]
    if other:
        raise InputError("chart", f"a trace of type {other[0]!r} has no static picture", "give Chart a matplotlib figure as still")
    deep = any(trace.type == "scatter3d" for trace in figure.data)
    if deep and any(trace.type != "scatter3d" for trace in figure.data):
        raise InputError("chart", "2-D traces beside 3-D traces have no static picture", "give Chart a matplotlib figure as still")
    made = Figure(figsize=(7.2, 5.4), layout="constrained")
    ax = made.add_subplot(projection="3d" if deep else None)
    for number, trace in ((number, trace) for number, trace in enumerate(figure.data) if trace.visible in (None, True)):
        _draw(ax, trace, number, deep)
    if deep:
        eye = figure.layout.scene.camera.eye
        x, y, z = (1.25 if side is None else side for side in (eye.x, eye.y, eye.z))
        ax.view_init(math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x)))
        ax.tick_params(labelsize=6)
    else:
        if figure.layout.yaxis.scaleanchor:
            ax.set_aspect("equal", adjustable="datalim")
        ax.axis("on" if figure.layout.xaxis.visible is not False else "off")
    if figure.layout.title.text:
        ax.set_title(_plain(figure.layout.title.text), fontsize=style.TITLE, parse_math=False)
    handles, names = ax.get_legend_handles_labels()
    if names and figure.layout.showlegend is not False:
        legend = made.legend(handles, names, loc="outside right upper", fontsize=style.SMALL, frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return made


def _draw(ax: Axes, trace: go.Scatter | go.Scatter3d, number: int, deep: bool) -> None:
    """Draw one trace, in its own colours, or else in those of its number."""
    given = (trace.x, trace.y, trace.z) if deep else (trace.x, trace.y)
    count = max((len(values) for values in given if values is not None), default=0)
    places = [np.arange(count) if values is None else np.asarray(values) for values in given]  # plotly's default is 0, 1, 2, ...
    colour, marker = style.look(number)
    mode = trace.mode or "markers+lines"
    look = trace.marker
    label = _plain(trace.name) if trace.name and trace.showlegend is not False else None
    if "lines" in mode:
        line = trace.line.color if isinstance(trace.line.color, str) else look.color if isinstance(look.color, str) else colour
        ax.plot(*places, color=_colour(line), linewidth=1.2, label=None if "markers" in mode else label)
    if "markers" in mode:
        several = look.color if look.color is None or isinstance(look.color, str) else list(look.color)
        colours = _colour(several or colour) if not isinstance(several, list) else [_colour(one) if isinstance(one, str) else one for one in several]
        symbol = look.symbol.removesuffix("-open") if isinstance(look.symbol, str) else None
        size = float(look.size) if isinstance(look.size, int | float) else 6.0
        shade = {"alpha": look.opacity if isinstance(look.opacity, int | float) else 0.85, "marker": _MARKERS.get(symbol, marker if symbol is None else "o")}
        ax.scatter(*places, c=colours, s=0.45 * size**2, label=label, linewidths=0, **shade)
    if "text" in mode and trace.text is not None:
        words = [trace.text] * len(places[0]) if isinstance(trace.text, str) else trace.text
        for *place, word in zip(*places, words, strict=False):  # plotly takes fewer words than points
            ax.text(*place, _plain(word), fontsize=style.SMALL, parse_math=False)


def _colour(css: str) -> str | tuple[float, ...]:
    """Convert a plotly colour for matplotlib, which cannot parse "rgb(213, 94, 0)" and "rgba(213, 94, 0, 0.5)"."""
    if rgb := re.fullmatch(r"rgba?\(([\d.,\s]+)\)", css.strip()):
        red, green, blue, *alpha = map(float, rgb[1].split(","))
        return (red / 255, green / 255, blue / 255, *alpha)
    if not is_color_like(css):
        raise InputError("chart", f"the colour {css!r} has no static picture", "write it as #D55E00 or rgb(213, 94, 0)")
    return css


def _plain(words: object) -> str:
    """Text without HTML: plotly interprets text as HTML, matplotlib does not."""
    return html.unescape(str(words).replace("<br>", "\n"))
