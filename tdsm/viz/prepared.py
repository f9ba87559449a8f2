"""Pictures and tables of skeletons before the encoder: one pose in every layout, properties of data sets, and the steps of preprocessing."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.config import PreprocessConfig
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.convert import Converted, convert
from tdsm.data.layouts import LAYOUTS, Layout
from tdsm.data.missing import completed
from tdsm.data.preprocess import align, body_size, center, drop_null_frames, keep_bodies, resample, scale
from tdsm.util.errors import InputError
from tdsm.util.tables import Table
from tdsm.viz import style
from tdsm.viz.stills import limbs, seen_from_sensor

__all__ = ["draw_converted", "from_above", "one_pose", "sensors", "steps"]


def one_pose(clip: Clip, frame: int, layouts: Sequence[Layout] = LAYOUTS) -> Figure:
    """One frame of a clip in every layout, seen from the sensor. Hollow joints are filled from their neighbours (:mod:`tdsm.data.convert`)."""
    pose = Clip(clip.joints[:1, frame : frame + 1], clip.layout)
    columns = (len(layouts) + 1) // 2
    body = seen_from_sensor(pose)[0, 0, :, :2]
    body = body - body[list(clip.layout.hips)].mean(axis=0)
    margin = 0.12 * np.ptp(body, axis=0).max()  # for hands and feet that the clip's layout does not have
    (left, low), (right, high) = body.min(axis=0) - margin, body.max(axis=0) + margin
    figure = Figure(figsize=(2.2 * columns, 4.4 * (high - low) / (right - left) + 1.4), layout="constrained")
    axes = list(figure.subplots(2, columns, squeeze=False).flat)
    for ax in axes:
        ax.set_axis_off()
    for ax, layout in zip(axes, layouts, strict=False):
        draw_converted(ax, convert(pose, layout), f"{layout.name}\n{len(layout)} joints, {layout.dims}-D\n")
        ax.set(xlim=(left, right), ylim=(low, high))
    return figure


def draw_converted(ax: Axes, made: Converted, title: str = "", size: float = style.AXIS) -> None:
    """Draw the first person in the first frame of a converted clip, hips at the origin: left blue, right orange, filled joints hollow."""
    layout = made.clip.layout
    xy = seen_from_sensor(made.clip)[0, 0, :, :2]
    xy = xy - xy[list(layout.hips)].mean(axis=0)
    for one, other, colour, _ in limbs(layout, None):
        ax.plot(*xy[[one, other]].T, color=colour, linewidth=1.6, alpha=0.6, zorder=1)
    for joint, (x, y) in enumerate(xy):
        filled, colour = layout.joints[joint] in made.filled, style.side(layout.joints[joint])
        ax.plot(x, y, "o", markersize=5.0, color=colour, markerfacecolor="white" if filled else colour, zorder=2 + filled)
    words = "as recorded" if made.source == made.target else f"{len(made.filled)} filled" + (", flat" if made.flat else "")
    ax.set_title(title + words, fontsize=size, color=style.TEXT)
    ax.set(aspect="equal", xlim=(-0.55, 0.55), ylim=(-1.0, 1.2))
    ax.set_axis_off()


def sensors(sets: Sequence[ClipSet]) -> Table:
    """Properties of data sets: layout, number of joints, frames per second, share of missing joints, and variation of bone lengths.

    The variation is the standard deviation of a bone's length over time, relative to its mean; the median over the bones of the first person and over clips.
    It is near 0 for a rigid body in space, and larger for one projected to an image.
    """
    return Table(("set", "layout", "joints", "frames/s", "joints not seen", "bones change by"), tuple(map(_sensor, sets)))


def _sensor(clips: ClipSet) -> tuple[str, ...]:
    child, parent = np.array(clips.layout.bones).T
    change, lost = [], []
    for clip in clips:
        lost.append(np.isnan(clip.joints[..., 0]).mean())
        body = completed(clip).joints[0].astype(float)
        body = body[body.any(axis=(1, 2))]
        lengths = np.linalg.norm(body[:, child] - body[:, parent], axis=-1)
        change.append(np.median(lengths.std(axis=0) / np.maximum(lengths.mean(axis=0), 1e-9)))
    rates = ", ".join(f"{fps:g}" for fps in sorted({round(clip.fps, 2) for clip in clips}))
    return clips.name, clips.layout.name, str(len(clips.layout)), rates, f"{np.mean(lost):.1%}", f"{np.median(change):.1%}"


def steps(clip: Clip, config: PreprocessConfig) -> Table:
    """State of a clip after each step of preprocessing (:mod:`tdsm.data.preprocess`).

    The columns are the pelvis and the angle of the shoulders in the first frame, the total length of all bones, and the shape (M, T, V, C).

    Raises:
        InputError: a 2-D clip.
    """
    joints, layout = _in_space(clip), clip.layout
    rows = [("as recorded", *_measured(joints, layout))]
    for name, step in {
        "drop_null_frames": drop_null_frames,
        "keep_bodies": lambda joints: keep_bodies(joints, config.bodies),
        "resample": lambda joints: resample(joints, config.frames),
        "center": lambda joints: center(joints, layout),
        "align": lambda joints: align(joints, layout, config.align),
        "scale": lambda joints: scale(joints, layout),
    }.items():
        joints = step(joints)
        rows.append((name, *_measured(joints, layout)))
    return Table(("step", "pelvis (x, y, z)", "shoulders turned", "bones", "shape"), tuple(rows))


def _in_space(clip: Clip) -> np.ndarray:
    if clip.layout.dims != 3:
        raise InputError(clip.name, f"has layout {clip.layout.name}, which is 2-D", "give a 3-D clip")
    return completed(clip).joints.astype(float)


def _measured(joints: np.ndarray, layout: Layout) -> tuple[str, ...]:
    left, right = layout.shoulders
    x, _, z = joints[0, 0, right] - joints[0, 0, left]
    hips = ", ".join(f"{value + 0.0:.2f}" for value in joints[0, 0, list(layout.torso[0])].mean(axis=0).round(2))
    turned = np.degrees(np.arctan2(z, x)).round() + 0.0
    return f"({hips})", f"{turned:.0f}°", f"{body_size(joints, layout):.2f}", str(joints.shape)


def from_above(clip: Clip) -> Figure:
    """The first frame seen from above, as recorded and after :func:`~tdsm.data.preprocess.center` and :func:`~tdsm.data.preprocess.align`.

    The black line joins the shoulders and the star is the lower end of the torso; the sensor is below the picture.

    Raises:
        InputError: a clip in the plane.
    """
    layout, joints = clip.layout, _in_space(clip)
    figure = Figure(figsize=(8.0, 3.8), layout="constrained")
    moved = align(center(joints, layout), layout, "body")
    for ax, title, body in zip(figure.subplots(1, 2), ("as recorded", "after center and align"), (joints, moved), strict=True):
        above = body[0, 0][:, [0, 2]]
        colours = [style.side(joint) for joint in layout.joints]
        ax.plot(*above[layout.lines].transpose(2, 1, 0), color=style.FLOOR, zorder=1)
        ax.plot(*above[list(layout.shoulders)].T, color=style.TEXT, linewidth=3, zorder=2)
        ax.scatter(*above.T, s=18, color=colours, zorder=3)
        x, z = above[list(layout.torso[0])].mean(axis=0)
        ax.plot(x, z, "*", color=style.COLOURS[4], markersize=14, zorder=4)
        ax.set(title=title, aspect="equal", xlim=(x + 0.5, x - 0.5), ylim=(z - 0.45, z + 0.45))
        style.finish(ax, "x, metres", "z, metres")
    return figure
