"""Moving pictures of README: one clip and its ranking, what is found in a long recording while it runs, and what a library finds for three texts.

    python figures/moving.py

The twelve CMU recordings of the package, and the shipped recognizer. People face the sensor; blue is the person's left, orange the right.
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
from tdsm.data.examples import RIVALS, example_clips
from tdsm.spotting.measures import Segment
from tdsm.spotting.takes import joined
from tdsm.util.files import atomic
from tdsm.viz import style
from tdsm.viz.stills import box, draw_frame, seen_from_sensor, standard_view, verdict

OUT = Path(__file__).resolve().parent / "out"
HERO = OUT.parents[1] / "docs" / "img" / "hero.gif"
SHOWN = ("jump straight up", "dance ballet", "climb a ladder")  # two right answers that change on the way, and a wrong one
RATE, HERO_RATE = 5, 10  # pictures a second
COLOURS = 48  # of a GIF
HOLD = 2.0  # seconds for which an answer stays
SECONDS = 28  # of the recording
ASKED = ("walk forward", "jump straight up", "throw punches", "pick something up from the floor", "wash under the arms", "climb a ladder")
TEXTS = ("a ballerina", "somebody hits with the fists", "hang on and swing")


def main() -> None:
    """Draw all three."""
    recognizer = tdsm.pretrained()
    save(hero(recognizer), HERO, HERO_RATE)
    save(spotting(recognizer), OUT / "spotting.gif")
    save(search(recognizer), OUT / "search.gif")


def hero(recognizer: tdsm.Recognizer) -> Iterable[np.ndarray]:
    """Takes of CMU, and beside each its label and three rivals, ranked again with every picture: the recognizer is asked about the clip so far."""
    clips = example_clips()
    asked = {clip.label: (clip.label, *RIVALS[clip.label]) for clip in clips}
    right = sum(recognizer.predict(clip, asked[clip.label]).top == [clip.label] for clip in clips)
    below = f"The recognizer has seen no recording. It names {right} of the package's {len(clips)} takes correctly among such rivals."
    for clip in clips.of_classes(SHOWN):
        step, labels, bodies = round(clip.fps / HERO_RATE), asked[clip.label], flat(clip)
        ends = range(2 * step, clip.frames + 1, step)
        shares = recognizer.predict([replace(clip, joints=clip.joints[:, :end]) for end in ends], labels).probabilities
        rows = ranks(shares[0])
        for end, now in zip(ends, shares, strict=True):
            rows += 0.6 * (ranks(now - 0.03 * rows) - rows)  # a bar slides to its new place, if it is clearly ahead
            yield ranked(clip, bodies, end, dict(zip(labels, now, strict=True)), rows, below)
        words = verdict(clip.label, labels[int(shares[-1].argmax())])
        last = ranked(clip, bodies, clip.frames, dict(zip(labels, shares[-1], strict=True)), ranks(shares[-1]), below, words)
        yield from [last] * round(HOLD * HERO_RATE)


def ranked(clip: Clip, bodies: np.ndarray, end: int, shares: dict[str, float], rows: np.ndarray, below: str, words: Sequence = ()) -> np.ndarray:
    """The last of ``end`` frames beside a bar for each label, and the verdict above once it is known."""
    figure = Figure(figsize=(9.0, 3.3), dpi=90)
    body, bars = figure.add_axes((0.0, 0.02, 0.33, 0.86)), figure.add_axes((0.34, 0.14, 0.65, 0.72))
    draw(body, clip, bodies, end - 1, 0.55)
    for row, (label, share) in zip(rows, shares.items(), strict=True):
        bars.barh(row, share, 0.4, color=style.LEFT if share == max(shares.values()) else style.BAR)
        bars.text(0, row - 0.27, label, fontsize=style.TITLE, color=style.TEXT, va="bottom")
        bars.text(share + 0.01, row, f"{share:.0%}", fontsize=style.AXIS, color=style.TEXT, va="center")
    bars.set(xlim=(0, 1.1), ylim=(len(shares) - 0.7, -0.75))
    bars.axis("off")
    figure.text(0.02, 0.91, f"{end / clip.fps:.1f} s of motion capture", fontsize=style.TITLE, color=style.MIDDLE)
    for place, (piece, colour) in enumerate(words or [("Which of these four actions is it, given the clip so far?", style.TEXT)]):
        figure.text(0.34 + 0.27 * place, 0.91, piece, fontsize=style.TITLE, color=colour)
    figure.text(0.34, 0.03, below, fontsize=style.SMALL, color=style.MIDDLE)
    return drawn(figure)


def ranks(shares: np.ndarray) -> np.ndarray:
    """The place of each label, 0 for the likeliest."""
    return np.argsort(np.argsort(-shares, kind="stable"), kind="stable").astype(float)


def spotting(recognizer: tdsm.Recognizer) -> Iterable[np.ndarray]:
    """The body, and below it the actions, each from the moment on at which it was answered."""
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
    """Segments as bars in the row of their label, ``shift`` below its middle."""
    for segment in segments:
        row = ASKED.index(segment.label)
        colour = style.look(row)[0]
        how = {"color": colour} if solid else {"color": "white", "edgecolor": colour, "hatch": "////"}
        ax.barh(row + shift, (segment.end - segment.start) / fps, height, segment.start / fps, **how)


def search(recognizer: tdsm.Recognizer) -> Iterable[np.ndarray]:
    """The best three pieces for each text, moving side by side."""
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
    """Joints as the standard view sees them."""
    return seen_from_sensor(clip, *standard_view(clip.layout))


def draw(ax, clip: Clip, bodies: np.ndarray, frame: int, wide: float = 0.8) -> None:
    """One frame, with the axes around the body in it, so far to both sides, in parts of the height."""
    draw_frame(ax, bodies, frame, clip.layout)
    middle = bodies[0, frame, 0, :2]
    low, high = box(bodies)
    tall = high[1] - low[1]
    ax.set(xlim=(middle[0] - wide * tall, middle[0] + wide * tall), ylim=(low[1] - 0.05 * tall, high[1] + 0.05 * tall), aspect="equal")
    ax.axis("off")


def drawn(figure: Figure) -> np.ndarray:
    """Its pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(pictures: Iterable[np.ndarray], path: Path, rate: int = RATE) -> None:
    """A GIF that loops, so many pictures a second, all of them in the same colours."""
    pictures = list(pictures)
    colours = Image.fromarray(np.concatenate(pictures[:: max(1, len(pictures) // 12)])).quantize(COLOURS)
    shades = np.reshape(colours.getpalette(), (-1, 3))
    colours.putpalette(np.where(shades.min(axis=1, keepdims=True) > 240, 255, shades).ravel().tolist())  # what is almost white becomes white
    images = [Image.fromarray(picture).quantize(palette=colours, dither=Image.Dither.NONE) for picture in pictures]
    with atomic(path) as partial:
        images[0].save(partial, "GIF", save_all=True, append_images=images[1:], duration=round(1000 / rate, -1), loop=0, optimize=True)
    print(path.relative_to(OUT.parents[1]), len(images), f"{path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
