"""Colours, markers and sizes of all pictures.

The colours are those of Okabe and Ito (2008), which people with the common colour vision deficiencies can distinguish. No meaning depends on colour alone:
classes also differ in their marker, right and wrong predictions in words and symbol.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "AXIS", "CLASSES", "COLOURS", "FLOOR", "LEFT", "MIDDLE", "MISS", "OK", "RIGHT", "SMALL", "TEXT", "TITLE", "class_look", "finish", "look", "new_axes",
    "side",
]  # fmt: skip

# Okabe-Ito without yellow, which is hard to see on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# For the classes of a map: no two colours that share a name, and all dark enough for white paper.
CLASSES = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#6A3D9A", "#9A8700", "#8C8C8C", "#7A4A21"),
    *("#E7298A", "#6DB31B", "#7B0020", "#1B1F8F", "#B39DE6", "#F2938B", "#0B5C5C", "#CDB54A", "#17CFCF"),
)
# Ten markers and seven colours: the pairs repeat after seventy classes.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
LINES = ("-", "--", "-.", ":")

LEFT, RIGHT, MIDDLE = "#0072B2", "#D55E00", "#4D4D4D"
OK, MISS = "#00795A", "#B34700"
TEXT, FLOOR, BAR = "#222222", "#C8C8C8", "#56B4E9"

TITLE, AXIS, SMALL = 11, 9, 8


def look(index: int) -> tuple[str, str]:
    """Colour and marker of class number ``index``."""
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]


def class_look(index: int) -> tuple[str, str]:
    """Colour and marker of class number ``index`` on a map: 19 colours that differ, then the same colours with other markers, up to 190 classes."""
    return CLASSES[index % len(CLASSES)], MARKERS[index % len(MARKERS)]


def side(joint: str) -> str:
    """Colour of a joint by its name: left, right or middle of the body."""
    return {"left": LEFT, "right": RIGHT}.get(joint.partition(" ")[0], MIDDLE)


def new_axes(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    """``ax`` with its figure, or new axes in a figure of that size in inches."""
    if ax is None:
        ax = Figure(figsize=(width, height), layout="constrained").subplots()
    return ax.figure, ax


def finish(ax: Axes, x: str = "", y: str = "", ticks: str = "both") -> None:
    """Set the titles of the axes, small tick labels on "x", "y" or "both", and remove the frame above and on the right."""
    ax.set_xlabel(x, fontsize=AXIS)
    ax.set_ylabel(y, fontsize=AXIS)
    ax.tick_params(axis=ticks, labelsize=SMALL)
    ax.spines[["top", "right"]].set_visible(False)
