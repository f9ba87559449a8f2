"""Draw the order of joints: one frame of UTD-MHAD and of NW-UCLA, with the order that the reader uses and with the two orders exchanged.

Both data sets have the 20 joints of Kinect v1, but files of UTD-MHAD start at the head and files of NW-UCLA at the hip centre.
The right order gives a person. With the other order, arms are attached to the spine and legs to the head, and bones are a
third longer. The tests check this for every clip (tests/test_readers.py).

    python figures/kinect20_joint_order.py Skeleton.zip all_sqe.zip [figures/out/kinect20_joint_order.png]
"""

import sys
from pathlib import Path

import numpy as np
from common import save
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.data.clips import Clip
from tdsm.data.layouts import KINECT_20
from tdsm.data.readers import Reading, read_nw_ucla, read_utd_mhad
from tdsm.viz import style

OUT = Path(__file__).parent / "out" / "kinect20_joint_order.png"
EXCHANGE = [3, 2, 1, 0, *range(4, 20)]
CLIPS = {read_utd_mhad: "a4_s1_t1", read_nw_ucla: "a09_s04_e01_v02"}
TITLES = {read_utd_mhad: "UTD-MHAD", read_nw_ucla: "NW-UCLA"}


def widest_frame(clip: Clip) -> np.ndarray:
    """(V, 2) x and y in metres, with the hip centre at the origin, of the frame in which the hands are farthest from the hips."""
    joints = clip.joints[0] - clip.joints[0][:, :1]
    reach = np.abs(joints[:, [7, 11], 0]).sum(axis=1) - np.abs(joints[:, [7, 11], 1] - 0.2).sum(axis=1)
    return joints[reach.argmax(), :, :2]


def bones_sum(xy: np.ndarray) -> float:
    """Sum of the bone lengths in the picture, in metres."""
    return sum(float(np.linalg.norm(xy[child] - xy[parent])) for child, parent in KINECT_20.bones)


def draw(ax: Axes, places: np.ndarray, order: list[int], grey: bool, title: str) -> None:
    """Draw one skeleton with the names of its joints; joint j of the tree is at places[order[j]]."""
    xy = places[order]
    for child, parent in KINECT_20.bones:
        colour = "#b0b0b0" if grey else style.side(KINECT_20.joints[child])
        ax.plot(*xy[[child, parent]].T, color=colour, linewidth=2.5, solid_capstyle="round")
    ax.plot(*xy.T, "o", color="#8a8a8a" if grey else "#222222", markersize=4)
    for (x, y), (label_x, label_y), joint in zip(xy, label_places(xy), KINECT_20.joints, strict=True):
        ax.annotate(
            joint,
            (x, y),
            (label_x, label_y),
            fontsize=8,
            color="#777777" if grey else "#111111",
            va="center",
            ha="right" if label_x < 0 else "left",
            arrowprops={"arrowstyle": "-", "color": "#cccccc", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 2},
        )
    ax.set(aspect="equal", title=title, xlim=(-1.35, 1.35), ylim=(-1.15, 0.85), xlabel="x (m)", ylabel="y (m)")


def label_places(xy: np.ndarray) -> np.ndarray:
    """(V, 2) places of the names, in two columns left and right of the body, spaced evenly in order of height."""
    places = np.empty_like(xy)
    middle = np.argsort(np.argsort(xy[:, 0])) < len(xy) // 2
    for side, x in ((middle, -0.85), (~middle, 0.85)):
        rows = np.flatnonzero(side)
        rows = rows[np.argsort(-xy[rows, 1])]
        places[rows, 0] = x
        places[rows, 1] = np.linspace(0.72, -1.05, len(rows))
    return places


def main(paths: list[str], out: Path = OUT) -> Path:
    """Draw both data sets with the right and the wrong order, and write ``out``."""
    figure = Figure(figsize=(13, 10.5), layout="constrained")
    axes = figure.subplots(2, 2)
    for row, (read, path) in zip(axes, zip(CLIPS, paths, strict=True), strict=True):
        (clip,) = read(path, reading=Reading(progress=False)).where(lambda clip, name=CLIPS[read]: clip.name == name)
        places = widest_frame(clip)
        for ax, order, grey in ((row[0], list(range(20)), False), (row[1], EXCHANGE, True)):
            what = "the two orders exchanged" if grey else "order as read"
            draw(ax, places, order, grey, f"{TITLES[read]}, {clip.label}: {what}\nbones sum to {bones_sum(places[order]):.1f} m in this view")
    figure.suptitle("Kinect v1, 20 joints, seen from behind a person who faces the sensor. Blue: the person's left; orange: right", fontsize=12)
    out.parent.mkdir(parents=True, exist_ok=True)
    save(figure, out.parent, out.stem, dpi=110)
    return out


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    print(main(sys.argv[1:3], Path(sys.argv[3]) if len(sys.argv) == 4 else OUT))
