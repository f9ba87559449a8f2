"""The way from a clip and label names to an answer, as a diagram.

python figures/pipeline.py
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from common import result_named, run, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from strips import ROW, saved_clips

from tdsm.data.clips import Clip
from tdsm.experiments.results import Result
from tdsm.viz import style
from tdsm.viz.stills import limbs, seen_from_sensor, standard_view

SKELETON, TEXT, MEETING, PLAIN = "#D6E7F3", "#FBE3D3", "#D5EFE6", "#F1F1F1"  # tints of the style's blue, orange and green; grey
UP, DOWN, MIDDLE = 3.55, 1.05, 2.3  # heights of the two streams and of what joins them


class Box(NamedTuple):
    """A box of the diagram: its middle, its size, its words, its colour."""

    x: float
    y: float
    width: float
    height: float
    words: str
    colour: str


BOXES = {
    "preprocess": Box(2.75, UP, 1.5, 0.95, "preprocess\n(body frame,\nsize, length)", SKELETON),
    "encoder": Box(4.75, UP, 1.6, 0.95, "skeleton\nencoder $E_x$\n(then frozen)", SKELETON),
    "diffusion": Box(7.2, UP, 2.0, 0.95, "forward diffusion\n" r"$\sqrt{\bar\alpha_t}\,z_x+\sqrt{1-\bar\alpha_t}\,\epsilon$", SKELETON),
    "prompts": Box(2.75, DOWN, 1.5, 0.95, "prompts:\nname and\nsentence", TEXT),
    "text": Box(4.75, DOWN, 1.6, 0.95, "text\nencoder $E_d$\n(frozen)", TEXT),
    "denoiser": Box(9.6, MIDDLE, 1.7, 2.0, "CrossDiT\n\nattention of\nskeleton and\nword tokens", MEETING),
    "train": Box(12.65, UP, 2.5, 1.05, "training\n" r"$L = L_{diff} + \lambda\,L_{TD}$" "\n" r"$L_{diff}=e_p$,  $L_{TD}=[e_p-e_n+\tau]_+$", PLAIN),
    "test": Box(12.65, DOWN, 2.5, 1.05, "test, at $t_{test}$, fixed noises\nanswer: the label with\nthe smallest error", PLAIN),
}


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """pipeline.pdf and .png."""
    figure = Figure(figsize=(14, 4.2))
    ax = figure.subplots()
    ax.set(xlim=(0, 14), ylim=(0.4, 4.6), aspect="equal")
    ax.set_axis_off()
    for box in BOXES.values():
        corner = (box.x - box.width / 2, box.y - box.height / 2)
        ax.add_patch(FancyBboxPatch(corner, box.width, box.height, "round,pad=0,rounding_size=0.1", facecolor=box.colour, edgecolor=style.MIDDLE))
        ax.text(box.x, box.y, box.words, ha="center", va="center")
    clips, _ = saved_clips(result_named(results, f"pictures_{ROW}-tuned.npz"))
    poses(ax, clips[0])
    ax.text(1.0, DOWN, "label names,\nseen or not:\n“squat”, “wave”, ...", ha="center", va="center", style="italic")
    streams(ax)
    return save(figure, out, "pipeline")


def streams(ax: Axes) -> None:
    """All arrows and the names of what flows along them."""
    arrow(ax, (1.7, UP), left("preprocess"))
    arrow(ax, right("preprocess"), left("encoder"))
    arrow(ax, right("encoder"), left("diffusion"), "$z_x$")
    arrow(ax, (7.2, 4.5), (7.2, UP + 0.48))
    ax.text(7.3, 4.42, r"noise $\epsilon$, timestep $t$", va="center")
    arrow(ax, right("diffusion"), (8.75, MIDDLE + 0.75), "$z_{x,t}$", (0.3, 0.12))
    arrow(ax, (1.72, DOWN), left("prompts"))
    arrow(ax, right("prompts"), left("text"))
    arrow(ax, right("text"), (8.75, MIDDLE - 0.3), "$z_l$, one vector a word", (-0.55, 0.17))
    arrow(ax, (5.55, DOWN - 0.2), (8.75, MIDDLE - 0.85), "$z_g$, one vector a text; joins $t$", (0.75, -0.12))
    ax.text(10.85, MIDDLE + 0.14, r"$\hat\epsilon$  (or $\hat z_x$)", ha="center", va="bottom")
    arrow(ax, right("denoiser"), (11.4, MIDDLE))
    ax.text(12.65, MIDDLE, r"error $e=\frac{1}{C}\|\epsilon-\hat\epsilon\|^2$ under each label", ha="center", va="center")
    arrow(ax, (12.65, MIDDLE + 0.3), (12.65, UP - 0.55), "$e_p$: right label,\n$e_n$: another", (0.1, 0))
    arrow(ax, (12.65, MIDDLE - 0.3), (12.65, DOWN + 0.55))


def left(name: str) -> tuple[float, float]:
    """The middle of a box's left side."""
    return BOXES[name].x - BOXES[name].width / 2, BOXES[name].y


def right(name: str) -> tuple[float, float]:
    """The middle of a box's right side."""
    return BOXES[name].x + BOXES[name].width / 2, BOXES[name].y


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], words: str = "", beside: tuple[float, float] = (0, 0.12)) -> None:
    """An arrow with words beside its middle."""
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=style.MIDDLE, shrinkA=2, shrinkB=2))
    x, y = (start[0] + end[0]) / 2 + beside[0], (start[1] + end[1]) / 2 + beside[1]
    ax.text(x, y, words, ha="left" if beside[1] == 0 else "center", va="center")


def poses(ax: Axes, clip: Clip) -> None:
    """Three frames of a clip where the skeleton stream begins."""
    bodies = seen_from_sensor(clip, *standard_view(clip.layout))[0][:: max(1, clip.frames // 2 - 1)][:3, :, :2]
    bodies = 0.62 * (bodies - bodies[:, :1])
    for place, body in zip((0.4, 0.95, 1.5), bodies, strict=True):
        for one, other, colour, width in limbs(clip.layout, None):
            ax.plot(*(body[[one, other]] + (place, UP + 0.05)).T, color=colour, linewidth=width, solid_capstyle="round")
        ax.plot(*(body[clip.layout.joints.index("head")] + (place, UP + 0.05)), "o", color=style.MIDDLE, markersize=3)
    ax.text(0.95, UP - 0.85, "clip: (M, T, V, C)", ha="center", va="center", style="italic")


if __name__ == "__main__":
    run(draw, __doc__)
