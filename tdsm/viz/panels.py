"""Parts that all widgets share: an area that shows a result and is marked while it is computed, rows of widgets, and a still picture.

A widget needs a running kernel. :func:`panel` gives it a still picture of its first view, which the saved notebook shows without one. ipywidgets is imported
only where a widget is made.
"""

import html
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from tdsm.util.errors import InputError
from tdsm.viz import style
from tdsm.viz.animation import Player, picture
from tdsm.viz.compare import png

if TYPE_CHECKING:
    from ipywidgets import HTML, HBox, ValueWidget, VBox, Widget

__all__ = ["PANE", "one_line", "panel", "row_of", "screen"]

PANE = {"flex": "1 1 400px", "min_width": "0"}
"""Layout of an area beside another one: two of them share a notebook's column."""


def screen(make: Callable[..., object], *, busy: str = "", **controls: "ValueWidget") -> "HTML":
    """An area that shows the result of ``make(**values)``, computed again after every change of a control.

    Args:
        make: returns a figure, a player, another object with an HTML representation, or HTML as a string.
        busy: words to show instead of the old result while ``make`` computes. Without them the old result stays until the new one is there.
        controls: widgets; their values are the arguments of ``make``.

    An :class:`InputError` is shown as its one line. Another exception is shown by its name, and raised.
    """
    from ipywidgets import HTML, Layout

    area = HTML(layout=Layout(**PANE))

    def show(_: object = None) -> None:
        if busy:
            area.value = f'<div role="status" style="min-height:240px"><progress></progress> {html.escape(busy)}</div>'
        try:
            area.value = _as_html(make(**{name: control.value for name, control in controls.items()}))
        except InputError as error:
            area.value = one_line(error)
        except BaseException as error:
            area.value = one_line(f"{type(error).__name__}: {error}")
            raise

    for control in controls.values():
        control.observe(show, "value")
    show()
    return area


def one_line(error: object) -> str:
    """A problem as one line of HTML."""
    return f'<p role="alert" style="color:{style.MISS};line-height:1.4">{html.escape(str(error))}</p>'


def _as_html(shown: object) -> str:
    if isinstance(shown, str):
        return shown
    if isinstance(shown, Figure):
        return picture(png(shown), "")
    if isinstance(shown, Player):  # without its still: the frame runs where the widget runs
        return shown.frame()
    return shown._repr_html_()


def row_of(*parts: "Widget") -> "HBox":
    """Widgets side by side, in several rows on a narrow page."""
    from ipywidgets import HBox, Layout

    return HBox(parts, layout=Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="0 12px"))


def panel(*parts: "Widget", name: str, still: Callable[[], bytes]) -> "VBox":
    """Widgets below each other as one, with a still picture for saved notebooks.

    Args:
        parts: the widgets.
        name: what the widget is, in words.
        still: returns a PNG of its first view. It is called when the widget is displayed.
    """
    from ipywidgets import VBox

    class Panel(VBox):
        def _repr_mimebundle_(self, **options: object) -> dict[str, object]:
            words, png = f"{name}: a widget. Run the cell in a notebook to use it; this is its first view.", still()
            shown = {"text/plain": words, "text/html": f"<p><i>{html.escape(words)}</i></p>{picture(png, words)}", "image/png": b64encode(png).decode("ascii")}
            return {**super()._repr_mimebundle_(**options), **shown}

    return Panel(parts)
