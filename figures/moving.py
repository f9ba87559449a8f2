"""Draw the animations of the README: actions found in a long recording while it plays, and the search results of a library for three texts.

    python figures/moving.py

They use the twelve CMU recordings of the package and the shipped recognizer. Persons face the sensor; blue is the person's left side, orange the right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import tdsm
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.examples import example_clips
from tdsm.spotting.measures import Segment
from tdsm.spotting.takes import joined
from tdsm.util.files import atomic
from tdsm.viz import style
from tdsm.viz.stills import box, draw_frame, seen_from_sensor, standard_view

OUT = Path(__file__).resolve().parent / "out"
RATE = 5  # pictures per second
SECONDS = 28  # length of the recording that is shown
ASKED = ("walk forward", "jump straight up", "throw punches", "pick something up from the floor", "wash under the arms", "climb a ladder")
TEXTS = ("a ballerina", "somebody hits with the fists", "hang on and swing")


def main() -> None:
    """Draw both animations."""
    recognizer = tdsm.pretrained()
    save(spotting(recognizer), OUT / "spotting.gif")
    save(search(recognizer), OUT / "search.gif")


def spotting(recognizer: tdsm.Recognizer) -> Iterable[np.ndarray]:
    """The body, and below it the actions; each action appears at the time at which it was answered."""
    take, inside = joined([clip for clip in example_clips() if clip.label in ASKED], seed=0)
    frames = min(take.frames, round(SECONDS * take.fps))
    spotter, answered = tdsm.Spotter(recognizer, ASKED, take.layout, take.fps), []
    step = round(take.fps / RATE)
    bodies = flat(take)
    for start in range(0, frames, step):
        answered += spotter.push(take.joints[:, start : start + step])
        figure = Figure(figsize=(6.0, 3.4), dpi=75, layout="constrained")
        above, below = figure.subplots(2, 1, height_ratios=(1.5, 1))
        now = start / take.fps
        draw(above, take, bodies, start)
        said = f"{answered[-1].label} ({answered[-1].score:.0%})" if answered else ""
        figure.suptitle(f"{now:4.1f} s   {said}", fontsize=style.TITLE, x=0.02, ha="left")
        bands(below, inside, take.fps, 0.22, 0.3, solid=False)
        bands(below, answered, take.fps, -0.18, 0.4, solid=True)
        below.axvline(now, color=style.TEXT, linewidth=1)
        below.set(xlim=(0, frames / take.fps), ylim=(len(ASKED) - 0.4, -0.6))
        below.set_yticks(range(len(ASKED)), ASKED)
        style.finish(below, "seconds (solid: found, hatched: true)")
        yield drawn(figure)


def bands(ax, segments: Sequence[Segment], fps: float, shift: float, height: float, solid: bool) -> None:
    """Draw segments as bars in the row of their label, ``shift`` below the middle of the row."""
    for segment in segments:
        row = ASKED.index(segment.label)
        colour = style.look(row)[0]
        how = {"color": colour} if solid else {"color": "white", "edgecolor": colour, "hatch": "////"}
        ax.barh(row + shift, (segment.end - segment.start) / fps, height, segment.start / fps, **how)


def search(recognizer: tdsm.Recognizer) -> Iterable[np.ndarray]:
    """The best three pieces per text, playing side by side."""
    pieces = []
    for clip in example_clips():
        length = int(2 * clip.fps)
        for start in range(0, clip.frames - length + 1, length // 2):
            pieces.append(replace(clip, joints=clip.joints[:, start : start + length], name=f"{clip.name} {start}"))
    library = tdsm.Library.build(ClipSet(tuple(pieces), name="pieces"), recognizer, progress=False)
    for text in TEXTS:
        found = [(hit.score, library.clips[hit.row]) for hit in library.search(text, k=3)]
        bodies = [flat(clip) for _, clip in found]
        for frame in range(0, min(clip.frames for _, clip in found), round(found[0][1].fps / RATE)):
            figure = Figure(figsize=(6.0, 2.3), dpi=80, layout="constrained")
            figure.suptitle(f"“{text}”", fontsize=style.TITLE)
            for ax, (score, clip), body in zip(figure.subplots(1, 3), found, bodies, strict=True):
                draw(ax, clip, body, frame)
                ax.set_title(f"{score:.2f}\n{clip.label}", fontsize=style.SMALL)
            yield drawn(figure)


def flat(clip: Clip) -> np.ndarray:
    """Joints in the standard view."""
    return seen_from_sensor(clip, *standard_view(clip.layout))


def draw(ax, clip: Clip, bodies: np.ndarray, frame: int) -> None:
    """Draw one frame, with axes limits around the body in this frame."""
    draw_frame(ax, bodies, frame, clip.layout)
    middle = bodies[0, frame, 0, :2]
    low, high = box(bodies)
    tall = high[1] - low[1]
    ax.set(xlim=(middle[0] - 0.8 * tall, middle[0] + 0.8 * tall), ylim=(low[1] - 0.05 * tall, high[1] + 0.05 * tall), aspect="equal")
    ax.axis("off")


def drawn(figure: Figure) -> np.ndarray:
    """Pixels of the figure, (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(pictures: Iterable[np.ndarray], path: Path) -> None:
    """Write a looping GIF."""
    images = [Image.fromarray(picture).quantize(32) for picture in pictures]
    with atomic(path) as partial:
        images[0].save(partial, "GIF", save_all=True, append_images=images[1:], duration=round(1000 / RATE, -1), loop=0, optimize=True)
    print(path, len(images), f"{path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
