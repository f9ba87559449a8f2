"""Draw twelve generated pairs: a sentence and the movement that it describes, with time from left to right.

The person faces the sensor, so the left hand (blue) is on the right of the picture. The pairs are the first twelve of a seed; none was
selected.

    python figures/procedural.py [seed] [figures/out/procedural.png]
"""

import sys
import textwrap
from pathlib import Path

import numpy as np
from common import save
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from tdsm.data.clips import Clip
from tdsm.data.procedural import procedural_clips
from tdsm.viz import style
from tdsm.viz.animation import seen_from_sensor

OUT = Path(__file__).parent / "out" / "procedural.png"
COLUMNS, ROWS, FRAMES = 3, 4, 8
GAP = 0.35  # metres between two frames


def draw(ax: Axes, clip: Clip) -> None:
    """Draw eight frames side by side on one floor. The movement of the person across the floor is removed."""
    bodies = seen_from_sensor(clip, yaw=20)[0][np.linspace(0, clip.frames - 1, FRAMES).round().astype(int)]
    bodies = bodies - bodies[:, :1] * (1, 0, 1)  # the spine base of each frame at the origin of its place
    apart = np.ptp(bodies[..., 0]) + GAP
    for number, body in enumerate(bodies):
        body = body[:, :2] + (apart * number, 0)
        colours = [style.side(clip.layout.joints[child]) for child, _ in clip.layout.bones]
        ax.add_collection(LineCollection([body[list(bone)] for bone in clip.layout.bones], colors=colours, linewidths=1.8, capstyle="round"))
        ax.plot(*body[clip.layout.joints.index("head")], "o", color=style.MIDDLE, markersize=5)
        ax.text(apart * number, -1.28, f"{clip.frames / clip.fps * number / (FRAMES - 1):.1f} s", ha="center", fontsize=style.SMALL, color=style.MIDDLE)
    ax.axhline(-1.0, color=style.FLOOR, linewidth=1, zorder=0)
    ax.set(xlim=(-0.6 * apart, (FRAMES - 0.4) * apart), ylim=(-1.3, 1.35), aspect="equal")
    ax.set_axis_off()
    ax.set_title(textwrap.fill(clip.label, 74), fontsize=style.TITLE, color=style.TEXT, loc="left", wrap=False)


def main(seed: int = 0, out: Path = OUT) -> Path:
    """Draw the first twelve pairs of ``seed`` and write ``out``."""
    figure = Figure(figsize=(21, 13), layout="constrained")
    for ax, clip in zip(figure.subplots(ROWS, COLUMNS).ravel(), procedural_clips(ROWS * COLUMNS, seed), strict=True):
        draw(ax, clip)
    figure.suptitle("Procedural pairs: the person faces the sensor; blue: the person's left, orange: right", fontsize=style.TITLE + 3)
    out.parent.mkdir(parents=True, exist_ok=True)
    save(figure, out.parent, out.stem, dpi=80)
    return out


if __name__ == "__main__":
    numbers = [argument for argument in sys.argv[1:] if argument.isdigit()]
    pictures = [argument for argument in sys.argv[1:] if argument.endswith(".png")]
    if len(numbers) > 1 or len(pictures) > 1 or len(numbers) + len(pictures) < len(sys.argv) - 1:
        sys.exit(__doc__)
    print(main(*(int(numbers[0]) if numbers else 0, Path(pictures[0]) if pictures else OUT)))
