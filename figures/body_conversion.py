"""One pose in every layout: which joints are the same points of the body, and which a conversion fills from their neighbours.

Each row starts from one recording and shows it in all layouts, as the sensor sees it. Filled dots are joints that the recording has; hollow
ones were made up from others (:mod:`tdsm.data.convert`). The rows: a synthetic body as Kinect v2 would see it, its picture with the 17 joints of
COCO, and, where UTD-MHAD is given, a real body of Kinect v1.

    python figures/body_conversion.py [Skeleton.zip] [figures/out/body_conversion.png]
"""

import sys
from pathlib import Path

from common import save
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tdsm.data.clips import Clip
from tdsm.data.convert import Converted, convert
from tdsm.data.layouts import COCO_17, LAYOUTS, NTU_25
from tdsm.data.readers import read_utd_mhad
from tdsm.data.readers.reading import Reading
from tdsm.data.synthetic import Take, perform
from tdsm.viz import style
from tdsm.viz.animation import seen_from_sensor

OUT = Path(__file__).parent / "out" / "body_conversion.png"
LABEL = "raise the right arm"
REAL, FRAME = "a3_s1_t1", 0.5  # right hand wave, at this part of the clip


def recordings(utd: str | None) -> list[tuple[str, Clip]]:
    """(what it is, clip of one frame) of each row."""
    body = Clip(perform(LABEL, take=Take(frames=21, yaw=20.0))[10:11], NTU_25)
    rows = [("synthetic body\n(ntu-25)", body), ("its picture\n(coco-17)", convert(body, COCO_17).clip)]
    if utd is not None:
        (real,) = read_utd_mhad(utd, reading=Reading(progress=False)).where(lambda clip: clip.name == REAL)
        frame = round(FRAME * real.frames)
        rows.append(("real body\nof UTD-MHAD\n(kinect-20)", Clip(real.joints[:, frame : frame + 1], real.layout)))
    return rows


def draw(ax: Axes, made: Converted, title: str) -> None:
    """One body, its hips at the origin; the person's left in blue, right in orange."""
    layout = made.clip.layout
    sides = {"left": style.LEFT, "right": style.RIGHT}
    colours = [sides.get(joint.split()[0], style.MIDDLE) for joint in layout.joints]
    xy = seen_from_sensor(made.clip)[0, 0, :, :2]
    xy = xy - xy[list(layout.hips)].mean(axis=0)
    for one, other in layout.lines:
        colour = colours[one] if {colours[one], colours[other]} != set(sides.values()) else style.MIDDLE
        ax.plot(*xy[[one, other]].T, color=colour, linewidth=1.6, alpha=0.6, zorder=1)
    for joint, (x, y) in enumerate(xy):
        filled = layout.joints[joint] in made.filled
        ax.plot(x, y, "o", markersize=5.5, color=colours[joint], markerfacecolor="white" if filled else colours[joint], zorder=2 + filled)
    count = len(made.filled)
    words = "as recorded" if made.source == made.target else f"{count} of {len(layout)} filled" + (", flat" if made.flat else "")
    ax.set_title(f"{title}{words}", fontsize=12, color=style.TEXT)
    ax.set(aspect="equal", xlim=(-0.55, 0.55), ylim=(-1.0, 1.2))
    ax.set_axis_off()


def main(utd: str | None = None, out: Path = OUT) -> Path:
    """Draw a row for each recording and a column for each layout, and write ``out``."""
    rows = recordings(utd)
    figure = Figure(figsize=(16, 4.4 * len(rows) + 0.5), layout="constrained")
    axes = figure.subplots(len(rows), len(LAYOUTS))
    for line, (words, clip) in zip(axes, rows, strict=True):
        for ax, layout in zip(line, LAYOUTS, strict=True):
            draw(ax, convert(clip, layout), f"{layout.name}\n")
        line[0].text(-0.05, 0.5, words, transform=line[0].transAxes, rotation=90, ha="right", va="center", fontsize=12, color=style.TEXT)
    kinds = [
        ("the person's left", style.LEFT, None),
        ("right", style.RIGHT, None),
        ("middle", style.MIDDLE, None),
        ("filled from neighbours", style.TEXT, "white"),
    ]
    marks = [Line2D([], [], marker="o", linestyle="", markersize=7, color=colour, markerfacecolor=face or colour) for _, colour, face in kinds]
    figure.legend(marks, [words for words, _, _ in kinds], loc="outside lower center", ncols=len(kinds), frameon=False, fontsize=12)
    out.parent.mkdir(parents=True, exist_ok=True)
    save(figure, out.parent, out.stem, dpi=100)
    return out


if __name__ == "__main__":
    archives = [argument for argument in sys.argv[1:] if not argument.endswith(".png")]
    pictures = [Path(argument) for argument in sys.argv[1:] if argument.endswith(".png")]
    if len(archives) > 1 or len(pictures) > 1:
        sys.exit(__doc__)
    print(main(*archives[:1] or (None,), *pictures))
