"""Bodies on paper: how a skeleton is seen and coloured, one frame of it, and a strip of frames.

Everything looks from the sensor (:attr:`tdsm.data.layouts.Layout.axes`): the right of the picture is -x for Kinect, whose x grows to its
own left, and +x for pixels. :mod:`tdsm.viz.animation` plays the same bodies in the same colours.
"""

import math
import textwrap
from collections.abc import Mapping
from numbers import Real

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, FigureBase

from tdsm.data.clips import Clip
from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError
from tdsm.viz import style
from tdsm.viz.parts import body_parts, looks, seen

__all__ = ["box", "draw_frame", "floor", "head", "limbs", "seen_from_sensor", "standard_view", "strip", "verdict"]


def seen_from_sensor(clip: Clip, yaw: Real = 0.0, pitch: Real = 0.0) -> np.ndarray:
    """Joints as the picture has them: (M, T, V, 3) right, up and away, in the clip's unit; NaN where nothing was seen.

    Args:
        clip: any layout; pixels come out upright, with away 0 (then yaw and pitch do nothing useful: leave them 0).
        yaw, pitch: degrees that the camera walks round the scene, and rises.

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
    """Height of the floor: that of the lowest joint, but for one frame in twenty, where trackers throw a foot downwards."""
    heights = up.reshape(len(up), up.shape[1], -1)
    lowest = np.where(np.isnan(heights), np.inf, heights).min(axis=(0, 2))
    return float(np.percentile(lowest[np.isfinite(lowest)], 5))


def limbs(layout: Layout, influence: Mapping[str, Real] | None) -> list[tuple[int, int, str, float]]:
    """(joint, joint, colour, width) of every line to draw.

    The colour is that of the body's side, or of its middle where a line goes from side to side; with ``influence`` that of the part of the outer joint.
    """
    if influence is not None:
        part_of, look = {joint: part for part, joints in body_parts(layout).items() for joint in joints}, looks(influence)
        return [(*line, *look[part_of[line[0]]]) for line in layout.lines]
    side = {"left": style.LEFT, "right": style.RIGHT}
    sides = [tuple(layout.joints[joint].partition(" ")[0] for joint in line) for line in layout.lines]
    colours = [style.MIDDLE if set(ends) == {"left", "right"} else side.get(ends[0], style.MIDDLE) for ends in sides]
    return [(*line, colour, 1.0) for line, colour in zip(layout.lines, colours, strict=True)]


def head(layout: Layout, influence: Mapping[str, Real] | None) -> tuple[int, str] | None:
    """(index, colour) of the joint drawn as the head, None for a body without one."""
    colour = style.MIDDLE if influence is None else looks(influence)["head"][0]
    return next(((index, colour) for index, joint in enumerate(layout.joints) if joint in ("head", "nose")), None)


def verdict(label: str | None, predicted: str | None) -> list[tuple[str, str]]:
    """(words, colour) pieces that tell truth and prediction apart in words, symbol and colour."""
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
    """Frames of the clip from left to right, all on one scale, with truth and prediction above and seconds below.

    Args:
        predicted: the label that a model gave it.
        frames: how many, evenly spread over the frames in which somebody stands.
        view: (yaw, pitch) of the camera in degrees; left out: 18 degrees of yaw in three dimensions, none for pixels.
        influence: part of the body → influence on the answer (:func:`tdsm.viz.motion.influence`); colours the limbs.
        figure: where to draw, such as a subfigure; left out: a new figure that fits.

    Raises:
        InputError: nobody in any frame, no frame asked for, or an unknown part.
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
    figure.suptitle(textwrap.fill("     ".join(words), 90), fontsize=style.TITLE, color=colours[-1])
    return figure


def standard_view(layout: Layout) -> tuple[float, float]:
    """(yaw, pitch) in degrees from which a body is drawn when nobody says: a little from the side, pixels as they are."""
    return (18.0, 0.0) if layout.dims == 3 else (0.0, 0.0)


def box(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, high), each (2,) right and up, around everything that (M, T, V, 3) :func:`seen_from_sensor` shows, with a margin."""
    low, high = (extreme(joints, axis=(0, 1, 2))[:2] for extreme in (np.nanmin, np.nanmax))
    margin = 0.08 * max((high - low).max(), 1e-6)
    return low - margin, high + margin


def draw_frame(ax: Axes, joints: np.ndarray, frame: int, layout: Layout, influence: Mapping[str, Real] | None = None) -> None:
    """One frame of (M, T, V, 3) :func:`seen_from_sensor` into ``ax``; the limits are those of all frames, so that frames share a scale."""
    low, high = box(joints)
    ax.axhline(floor(joints[..., 1]), color=style.FLOOR, linewidth=1, zorder=0)
    for person, body in enumerate(joints[:, frame]):
        _draw_body(ax, body, layout, influence, alpha=1.0 if person == 0 else 0.5)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    ax.set_axis_off()


def _draw_body(ax: Axes, body: np.ndarray, layout: Layout, influence: Mapping[str, Real] | None, alpha: float) -> None:
    """One body (V, 3) into ``ax``, far limbs first; joints that are NaN are left out."""
    drawn = [(body[[a, b]], colour, 2.2 * width) for a, b, colour, width in limbs(layout, influence) if np.isfinite(body[[a, b]]).all()]
    drawn.sort(key=lambda limb: -limb[0][:, 2].mean())
    lines, colours, widths = [ends[:, :2] for ends, *_ in drawn], [colour for _, colour, _ in drawn], [width for *_, width in drawn]
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=widths, alpha=alpha, capstyle="round"))
    top = head(layout, influence)
    if top is not None:
        ax.plot(*body[top[0], :2], "o", color=top[1], markersize=5.5, alpha=alpha, gid="head")
