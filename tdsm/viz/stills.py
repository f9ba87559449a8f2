"""Static pictures of bodies: the colours of a skeleton, one frame, a strip of frames (:func:`strip`), and a small PNG (:func:`still`).

All pictures look from the sensor (:attr:`tdsm.data.layouts.Layout.axes`). The right of the picture is -x for Kinect, whose x axis points to the sensor's
left, and +x for pixels. :mod:`tdsm.viz.animation` plays the same bodies in the same colours.
"""

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, FigureBase
from PIL import Image

from tdsm.data.clips import Clip
from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError
from tdsm.viz import style
from tdsm.viz.parts import body_parts, looks, seen

__all__ = [
    "box", "draw_frame", "floor", "head", "limbs", "printable", "seen_from_sensor", "small_png", "stacked", "standard_view", "still", "strip",
    "verdict",
]  # fmt: skip

STILL, STILL_OF_MANY = 504, 250  # pixels: the width of a still of one clip, and of each clip where there are several, three in a row
STILL_BODY, STILL_LINE = 132, 15  # pixels: the height of a body, and of a line of text
STILL_COLOURS = 16


def seen_from_sensor(clip: Clip, yaw: Real = 0.0, pitch: Real = 0.0) -> np.ndarray:
    """Joints in the axes of the picture, (M, T, V, 3): right, up and away, in the clip's unit. Joints that were not seen are NaN.

    Args:
        clip: a clip of any layout. For pixels the third coordinate is 0, and yaw and pitch have to be 0.
        yaw, pitch: rotation of the camera around the scene and its elevation, in degrees.

    Raises:
        InputError: nobody in any frame.
    """
    present = seen(clip)
    if not present.any():
        raise InputError(clip.name, "joints are all zero: nobody to draw", "leave the clip out or load it again")
    right, up, away = np.moveaxis(clip.joints.astype(float) @ clip.layout.axes.T, -1, 0)
    turn, rise = math.radians(yaw), math.radians(pitch)
    right, away = right * math.cos(turn) + away * math.sin(turn), away * math.cos(turn) - right * math.sin(turn)
    up, away = up * math.cos(rise) + away * math.sin(rise), away * math.cos(rise) - up * math.sin(rise)
    return np.where(present[..., None], np.stack([right, up, away], -1), np.nan)


def floor(up: np.ndarray) -> float:
    """Height of the floor: the 5th percentile over frames of the height of the lowest joint, which ignores frames in which a tracker loses a foot."""
    heights = up.reshape(len(up), up.shape[1], -1)
    lowest = np.where(np.isnan(heights), np.inf, heights).min(axis=(0, 2))
    return float(np.percentile(lowest[np.isfinite(lowest)], 5))


def limbs(layout: Layout, influence: Mapping[str, Real] | None) -> list[tuple[int, int, str, float]]:
    """(joint, joint, colour, width) of every line of a skeleton.

    The colour names the side of the body, or the middle for a line between the sides. With ``influence`` it is the colour of the outer joint's part.
    """
    if influence is not None:
        part_of, look = {joint: part for part, joints in body_parts(layout).items() for joint in joints}, looks(influence)
        return [(*line, *look[part_of[line[0]]]) for line in layout.lines]
    sides = [style.side(joint) for joint in layout.joints]
    colours = [style.MIDDLE if {sides[one], sides[other]} == {style.LEFT, style.RIGHT} else sides[one] for one, other in layout.lines]
    return [(*line, colour, 1.0) for line, colour in zip(layout.lines, colours, strict=True)]


def head(layout: Layout, influence: Mapping[str, Real] | None) -> tuple[int, str] | None:
    """(index, colour) of the joint drawn as the head, None for a body without one."""
    colour = style.MIDDLE if influence is None else looks(influence)["head"][0]
    return next(((index, colour) for index, joint in enumerate(layout.joints) if joint in ("head", "nose")), None)


def verdict(label: str | None, predicted: str | None) -> list[tuple[str, str]]:
    """(words, colour) pairs that distinguish the true label from the prediction by words, symbol and colour."""
    if predicted is None:
        return [(label or "", style.TEXT)]
    if label is None:
        return [(f"predicted: {predicted}", style.TEXT)]
    if label == predicted:
        return [(f"✓ true and predicted: {label}", style.OK)]
    return [(f"true: {label}", style.TEXT), (f"✗ predicted: {predicted}", style.MISS)]


def strip(
    clip: Clip,
    predicted: str | None = None,
    frames: int = 7,
    view: tuple[Real, Real] | None = None,
    *,
    influence: Mapping[str, Real] | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """Frames of a clip from left to right on one scale. The true label and the prediction are above, the time in seconds below.

    Args:
        clip: a clip of any layout.
        predicted: the label that a model predicted.
        frames: number of frames, evenly spaced over the frames that contain a person.
        view: (yaw, pitch) of the camera in degrees. Default: 18 degrees of yaw for 3-D layouts, 0 for pixels.
        influence: part of the body → influence on the prediction (:func:`tdsm.viz.motion.influence`); sets the colours of the limbs.
        figure: a figure or subfigure to draw into. Default: a new figure of suitable size.

    Raises:
        InputError: the clip contains no person, ``frames`` is below 1, or a part is unknown.
    """
    if frames < 1:
        raise InputError("strip", f"frames is {frames}", "give 1 or more")
    joints = seen_from_sensor(clip, *(view or standard_view(clip.layout)))
    occupied = np.flatnonzero(~np.isnan(joints).all((0, 2, 3)))
    chosen = occupied[np.linspace(0, len(occupied) - 1, min(frames, len(occupied))).round().astype(int)]
    low, high = box(joints)
    wide, tall = high - low
    width = min(2.4 * wide / tall, 13.0 / len(chosen))
    if figure is None:
        figure = Figure(figsize=(max(width * len(chosen), 5.0), width * tall / wide + 0.75), layout="constrained")
    for ax, frame in zip(figure.subplots(1, len(chosen), squeeze=False)[0], chosen.tolist(), strict=True):
        draw_frame(ax, joints, frame, clip.layout, influence)
        ax.set_title(f"{frame / clip.fps:.1f} s", fontsize=style.SMALL, y=-0.1, color=style.MIDDLE)
    words, colours = zip(*verdict(clip.label, predicted), strict=True)
    figure.suptitle(textwrap.fill(printable("     ".join(words)), 90), fontsize=style.TITLE, color=colours[-1], parse_math=False)
    return figure


def still(clips: Sequence[tuple[Clip, str | None]], influence: Mapping[str, Real] | None = None) -> bytes:
    """A small PNG of clips with their predictions: 504 pixels wide for one clip, three clips in a row for several; about 3 to 5 kB per row.

    A notebook shows it wherever the moving player cannot run. Bodies are centred in each frame, so that a person who walks stays large.

    Raises:
        InputError: a clip contains no person, or a part is unknown.
    """
    columns = min(3, len(clips))
    wide, gap = (STILL, 0) if columns == 1 else (STILL_OF_MANY, 10)
    heads = [textwrap.wrap(printable(" · ".join(piece for piece, _ in verdict(clip.label, predicted)) or clip.name), wide // 6) for clip, predicted in clips]
    text = STILL_LINE * max(map(len, heads))
    tall = text + STILL_BODY + STILL_LINE
    rows = math.ceil(len(clips) / columns)
    figure = Figure(figsize=(columns * wide / 100, rows * tall / 100), dpi=100)
    for index, ((clip, predicted), lines) in enumerate(zip(clips, heads, strict=True)):
        left, top = index % columns * wide, (rows - index // columns) * tall
        colour = verdict(clip.label, predicted)[-1][1]
        above = {"fontsize": style.SMALL, "color": colour, "va": "top", "parse_math": False, "linespacing": 1.25}
        figure.text((left + 4) / (columns * wide), (top - 3) / (rows * tall), "\n".join(lines), **above)
        place = (left / (columns * wide), (top - tall) / (rows * tall), (wide - gap) / (columns * wide), (tall - text) / (rows * tall))
        _draw_row(figure.add_axes(place), clip, wide - gap, influence)
    return small_png(figure)


def _draw_row(ax: Axes, clip: Clip, wide: int, influence: Mapping[str, Real] | None) -> None:
    """As many evenly spaced frames of the clip as fit into ``wide`` pixels, at most 6, with their time below."""
    joints = seen_from_sensor(clip, *standard_view(clip.layout))
    occupied = np.flatnonzero(~np.isnan(joints).all((0, 2, 3)))
    left, right = (extreme(joints[:, occupied][..., 0], axis=(0, 2)) for extreme in (np.nanmin, np.nanmax))
    low, high = (side[1] for side in box(joints))
    pitch = max(1.08 * float((right - left).max()), 0.3 * (high - low))
    count = int(np.clip(wide * (high - low) / (pitch * STILL_BODY), 1, min(6, len(occupied))))
    pitch = max(pitch, wide * (high - low) / (count * STILL_BODY))  # spread over the width
    ax.set(xlim=(0, count * pitch), ylim=(low - (high - low) * STILL_LINE / STILL_BODY, high), aspect="equal", anchor="W")
    ax.set_axis_off()
    ax.axhline(floor(joints[..., 1]), color=style.FLOOR, linewidth=1, zorder=0)
    for number, at in enumerate(((np.arange(count) + 0.5) / count * len(occupied)).astype(int).tolist()):
        shift = np.array([(number + 0.5) * pitch - (left[at] + right[at]) / 2, 0.0, 0.0])
        for person, body in enumerate(joints[:, occupied[at]]):
            _draw_body(ax, body + shift, clip.layout, influence, alpha=1.0 if person == 0 else 0.5)
        ax.text((number + 0.5) * pitch, low, f"{occupied[at] / clip.fps:.1f} s", fontsize=6.5, color=style.MIDDLE, ha="center", va="top")


def small_png(figure: Figure, colours: int = STILL_COLOURS) -> bytes:
    """The figure as a PNG of at most so many colours, which a notebook holds in a few kB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return _packed(Image.fromarray(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])), colours)


def stacked(pngs: Sequence[bytes]) -> bytes:
    """PNGs of :func:`small_png` below each other as one."""
    pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png in pngs]
    whole = Image.new("RGB", (max(each.width for each in pictures), sum(each.height for each in pictures)), "white")
    for number, each in enumerate(pictures):
        whole.paste(each, (0, sum(above.height for above in pictures[:number])))
    return _packed(whole)


def _packed(whole: Image.Image, colours: int = STILL_COLOURS) -> bytes:
    file = io.BytesIO()
    whole.quantize(colours, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def printable(words: str) -> str:
    """The words with "?" in place of each character that matplotlib's font lacks, such as a Chinese one."""
    known = font_manager.get_font(font_manager.findfont(font_manager.FontProperties())).get_charmap()
    return "".join(" " if letter.isspace() else letter if ord(letter) in known else "?" for letter in words)


def standard_view(layout: Layout) -> tuple[float, float]:
    """The default camera, (yaw, pitch) in degrees: 18 degrees of yaw for 3-D layouts, 0 for pixels."""
    return (18.0, 0.0) if layout.dims == 3 else (0.0, 0.0)


def box(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners (low, high), each (2,) as right and up, of a box with a margin around all joints (M, T, V, 3) of :func:`seen_from_sensor`."""
    low, high = (extreme(joints, axis=(0, 1, 2))[:2] for extreme in (np.nanmin, np.nanmax))
    margin = 0.08 * max((high - low).max(), 1e-6)
    return low - margin, high + margin


def draw_frame(ax: Axes, joints: np.ndarray, frame: int, layout: Layout, influence: Mapping[str, Real] | None = None) -> None:
    """Draw one frame of (M, T, V, 3) joints from :func:`seen_from_sensor` into ``ax``. The limits come from all frames, so that frames share a scale."""
    low, high = box(joints)
    ax.axhline(floor(joints[..., 1]), color=style.FLOOR, linewidth=1, zorder=0)
    for person, body in enumerate(joints[:, frame]):
        _draw_body(ax, body, layout, influence, alpha=1.0 if person == 0 else 0.5)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    ax.set_axis_off()


def _draw_body(ax: Axes, body: np.ndarray, layout: Layout, influence: Mapping[str, Real] | None, alpha: float) -> None:
    """Draw one body (V, 3) into ``ax``, far limbs first. Limbs with a NaN joint are left out."""
    drawn = [(body[[a, b]], colour, 2.2 * width) for a, b, colour, width in limbs(layout, influence) if np.isfinite(body[[a, b]]).all()]
    drawn.sort(key=lambda limb: -limb[0][:, 2].mean())
    lines, colours, widths = [ends[:, :2] for ends, *_ in drawn], [colour for _, colour, _ in drawn], [width for *_, width in drawn]
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=widths, alpha=alpha, capstyle="round"))
    top = head(layout, influence)
    if top is not None:
        ax.plot(*body[top[0], :2], "o", color=top[1], markersize=5.5, alpha=alpha, gid="head")
