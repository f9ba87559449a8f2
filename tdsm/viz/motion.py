"""Predictions against motion: when in a clip an answer arises, and which part of the body it hangs on.

**When.** :func:`scores_over_time` asks the recognizer about windows of the clip. A sliding window holds half the clip and says what that half looks like;
a growing window begins at the first frame and says what the answer would have been, had the clip ended there. The recognizer stretches every window to
its own number of frames, so a window looks like a slower movement than the clip: its scores are compared between labels, not with those of the clip.

**Which part.** :func:`occlusion` takes one part's movement out of the clip and asks again (Zeiler and Fergus, 2014, did so with patches of images). The
part is held still as :func:`tdsm.viz.parts.held_still` says. What this takes away is movement; a pose that is held all the time, such as an arm stretched
out, stays.

Joints that were not seen are filled first, from the whole clip (:mod:`tdsm.data.missing`), so that every window and every variant has them.

Occlusion proves nothing. A held part is a movement that nobody makes and the encoder never saw; two parts that say the same hide each other; and a part can
matter to the model for a reason that has nothing to do with the action.
"""

import math
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import chain
from numbers import Real
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from tdsm.data.clips import Clip
from tdsm.data.missing import completed
from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError
from tdsm.util.files import atomic
from tdsm.viz import style
from tdsm.viz.animation import gallery
from tdsm.viz.parts import PARTS, held_still, looks, signed
from tdsm.viz.stills import box, draw_frame, seen_from_sensor, standard_view, strip, verdict

__all__ = ["gallery", "influence", "influence_strip", "margin", "occlusion", "save_gif", "save_mp4", "score_timeline", "scores_over_time", "settled"]

LINES_SHOWN = 6


def scores_over_time(
    recognizer: Recognizer, clip: Clip, labels: Sequence[str], windows: int = 12, growing: bool = False
) -> tuple[Int[np.ndarray, " window"], Float[np.ndarray, "window label"]]:
    """Scores of windows of the clip, higher is better: minus the denoising errors.

    Args:
        clip: of the recognizer's layout; frames in which nobody stands are left out before windows are laid.
        labels: K names of actions, seen or not.
        windows: W, at least 2, at most half the frames.
        growing: each window begins at the first frame; the last is the whole clip. Otherwise each holds half the clip.

    Returns the frame of the clip that each window stands for (its centre; of a growing window its last), and the scores.

    Raises:
        InputError: fewer than two labels or windows, nobody in any frame, a clip too short for so many windows, or what ``recognizer.predict`` refuses.
    """
    _check_labels(labels)
    clip = completed(clip)
    occupied = np.flatnonzero(clip.joints.any(axis=(0, 2, 3)))
    if windows < 2:
        raise InputError(clip.name, f"windows is {windows}", "give 2 or more")
    count, half = len(occupied), len(occupied) // 2
    if count < 2 * windows:
        raise InputError(clip.name, f"{count} frames with somebody in them are too few for {windows} windows", f"ask for at most {half}")
    last = np.linspace(count / windows if growing else half, count, windows).round().astype(int)
    first = np.zeros_like(last) if growing else last - half
    frames = occupied[last - 1] if growing else occupied[(first + last) // 2]
    pieces = [replace(clip, joints=clip.joints[:, occupied[start:end]]) for start, end in zip(first, last, strict=True)]
    return frames, recognizer.predict(pieces, labels).scores


def _index(labels: Sequence[str], label: str) -> int:
    if label not in labels:
        raise InputError("labels", f"no label {label!r}", f"choose among: {', '.join(labels)}")
    return list(labels).index(label)


def settled(frames: np.ndarray, scores: np.ndarray) -> int:
    """The first of the frames (W,) from which the label that is ahead at the end of the scores (W, K) is ahead of all others, without a break."""
    ahead = scores.argmax(axis=1)
    others = np.flatnonzero(ahead != ahead[-1])
    return int(frames[others[-1] + 1 if len(others) else 0])


def _check_labels(labels: Sequence[str]) -> None:
    if isinstance(labels, str) or len(labels) < 2:
        raise InputError("labels", f"{labels!r}: nothing to choose between", "give a list of at least two names")


def occlusion(recognizer: Recognizer, clip: Clip, labels: Sequence[str]) -> dict[str, Float[np.ndarray, " label"]]:
    """How each label's score changes when one part of the body is held still: its score without the movement minus its score with it.

    Part to (K,) changes, parts in the order of :data:`tdsm.viz.parts.PARTS`, for a clip of the recognizer's layout and K labels, seen or not.

    Raises:
        InputError: fewer than two labels, nobody in any frame, or what ``recognizer.predict`` refuses.
    """
    _check_labels(labels)
    clip = completed(clip)
    scores = recognizer.predict([clip, *(held_still(clip, part) for part in PARTS)], labels).scores
    return dict(zip(PARTS, scores[1:] - scores[0], strict=True))


def margin(labels: Sequence[str], scores: np.ndarray, answer: str | None = None) -> float:
    """The answer's score minus the best other label's; below 0 it is not the answer any more.

    The scores are (K,), higher is better; the answer is the label with the best of them when left out.

    Raises:
        InputError: fewer than two labels, not one score a label, or an unknown answer.
    """
    _check_labels(labels)
    scores = np.asarray(scores)
    if scores.shape != (len(labels),):
        raise InputError("scores", f"shape {scores.shape} for {len(labels)} labels", "give one number a label")
    index = int(scores.argmax()) if answer is None else _index(labels, answer)
    return float(scores[index] - np.delete(scores, index).max())


def influence(labels: Sequence[str], scores: np.ndarray, changes: Mapping[str, np.ndarray], answer: str | None = None) -> dict[str, float]:
    """How far the answer's :func:`margin` falls when a part is held still; further than the margin itself, and the answer is another.

    A positive influence means that the part's movement speaks for the answer, a negative one that it speaks against.

    Args:
        labels, scores, answer: of the whole clip, and refused, as in :func:`margin`.
        changes: part to (K,), from :func:`occlusion`.
    """
    whole = margin(labels, scores, answer)
    answer = labels[int(np.argmax(scores))] if answer is None else answer
    return {part: whole - margin(labels, np.asarray(scores) + change, answer) for part, change in changes.items()}


def influence_strip(
    clip: Clip, influence: Mapping[str, Real], predicted: str | None = None, frames: int = 5, view: tuple[Real, Real] | None = None, margin: Real | None = None
) -> tuple[Figure, Axes]:
    """Still frames with every part of the body coloured by its influence on the answer, and beside them the influences as bars, which are the legend.

    Green and thick speaks for the answer, pink and thick against it, grey and thin does neither.

    Args:
        influence: part to influence, from :func:`influence`.
        predicted, frames, view: see :func:`~tdsm.viz.stills.strip`.
        margin: the answer's margin, from :func:`margin`; a dashed line: a bar that reaches beyond it turns the answer into another.

    Raises:
        InputError: nobody in any frame, no frame asked for, or an unknown part.
    """
    look = looks(influence)
    low, high = box(seen_from_sensor(clip, *(view or standard_view(clip.layout))))
    wide, tall = high - low
    width = min(2.4 * wide / tall, 8.5 / max(frames, 1))
    strip_width = max(width * frames, 4.5)
    figure = Figure(figsize=(strip_width + 3.6, max(width * tall / wide, 2.0) + 0.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(strip_width, 3.6))
    strip(clip, predicted, frames, view, influence=influence, figure=left)
    ax = right.subplots()
    values = [float(influence.get(part, 0.0)) for part in PARTS]
    bars = ax.barh(PARTS, values, color=[look[part][0] for part in PARTS])
    ax.bar_label(bars, [signed(value) for value in values], padding=3, fontsize=style.SMALL)
    ax.axvline(0, color=style.MIDDLE, linewidth=0.8)
    if margin is not None:
        ax.axvline(float(margin), color=style.TEXT, linewidth=1.0, linestyle="--", label="margin: beyond it, another answer")
        ax.legend(fontsize=style.SMALL, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    ax.invert_yaxis()
    ax.margins(x=0.25)
    ax.set_xlabel("margin lost when the part is held still\n(against the answer ← → for it)", fontsize=style.SMALL)
    ax.tick_params(labelsize=style.SMALL)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return figure, ax


def score_timeline(
    clip: Clip, labels: Sequence[str], over_time: tuple[np.ndarray, np.ndarray], predicted: str | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Scores of labels over the seconds of a clip; marks stand where a label is ahead of all others.

    Args:
        over_time: frames (W,) and scores (W, K), from :func:`scores_over_time`.
        predicted: the label that a model gave the whole clip. It and the true one are drawn thick, and four others thin; the rest is left out.
        ax: axes to draw into; left out: fresh ones.

    Raises:
        InputError: scores that do not fit the labels, or an unknown predicted label.
    """
    frames, scores = over_time
    if np.shape(scores) != (len(frames), len(labels)):
        raise InputError("score_timeline", f"scores {np.shape(scores)} for {len(frames)} frames and {len(labels)} labels", "give (frames, labels)")
    if predicted is not None:
        _index(labels, predicted)
    seconds = np.asarray(frames) / clip.fps
    fig, ax = style.new_axes(ax, 8.0, 3.0)
    named = [label for label in dict.fromkeys((clip.label, predicted)) if label in labels]
    others = sorted(set(labels) - set(named), key=lambda label: -scores[:, labels.index(label)].max())
    for number, label in enumerate([*named, *others[: LINES_SHOWN - len(named)]]):
        roles = [role for role, other in (("true", clip.label), ("predicted", predicted)) if other == label]
        words, mine = f"{label} ({' and '.join(roles)})" if roles else label, scores[:, labels.index(label)]
        colour, marker = style.look(number)
        ahead = np.flatnonzero(mine == scores.max(axis=1)).tolist()
        looks_like = {"linestyle": style.LINES[number % 4], "linewidth": 2.6 if roles else 1.1, "marker": marker, "markersize": 6, "markevery": ahead}
        ax.plot(seconds, mine, color=colour, label=words, **looks_like)
    style.finish(ax, "seconds of the clip", "score")
    ax.legend(fontsize=style.SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), title="marks: this label is ahead", title_fontsize=style.SMALL)
    return fig, ax


def save_gif(
    clip: Clip, path: str | Path, predicted: str | None = None, influence: Mapping[str, Real] | None = None, view: tuple[Real, Real] | None = None
) -> Path:
    """Write the clip as an animated GIF that loops, at most 40 frames of it, for slides and wherever no script runs; returns the path.

    Args:
        clip: any layout; it plays at its own speed, to the hundredth of a second a frame that the format knows.
        path: file to write, atomically.
        predicted, influence, view: see :func:`~tdsm.viz.stills.strip`.

    Raises:
        InputError: nobody in any frame, or an unknown part.
    """
    step = max(math.ceil(clip.frames / 40), math.ceil(clip.fps / 50))  # no frame is shown for less than 20 ms
    images = [Image.fromarray(picture).quantize(32) for picture in _drawn(clip, step, predicted, influence, view)]
    duration = max(20, round(1000 * step / clip.fps, -1))
    with atomic(Path(path)) as partial:
        images[0].save(partial, "GIF", save_all=True, append_images=images[1:], duration=duration, loop=0)
    return Path(path)


def save_mp4(
    clip: Clip, path: str | Path, predicted: str | None = None, influence: Mapping[str, Real] | None = None, view: tuple[Real, Real] | None = None
) -> Path:
    """Write the clip as a film (MP4, H.264), for slides and the web; returns the path. It needs ffmpeg, which ``pip install "tdsm[mocap]"`` brings.

    Args:
        clip: any layout; it plays at its own speed. Of more than 45 frames a second every second one is left out, and so on.
        path: file to write, atomically.
        predicted, influence, view: see :func:`~tdsm.viz.stills.strip`.

    Raises:
        InputError: no ffmpeg, or one that refuses, nobody in any frame, or an unknown part.
    """
    step, program = max(1, round(clip.fps / 30)), _ffmpeg(path)
    with closing(_drawn(clip, step, predicted, influence, view)) as pictures:
        first = next(pictures)
        form = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{first.shape[1]}x{first.shape[0]}", "-r", f"{clip.fps / step:.6g}", "-i", "-"]
        with atomic(Path(path)) as partial:
            command = [program, "-y", "-loglevel", "error", *form, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "mp4", str(partial)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                with suppress(BrokenPipeError):
                    for picture in chain([first], pictures):
                        process.stdin.write(picture.tobytes())
                said = process.communicate()[1].decode("utf-8", "replace").strip()
            if process.returncode:
                raise InputError(path, f"ffmpeg could not write it ({said[-200:]})", "write a GIF, or install another ffmpeg")
    return Path(path)


def _ffmpeg(path: str | Path) -> str:
    """The program, of the system or of the package imageio-ffmpeg."""
    if (found := shutil.which("ffmpeg")) is not None:
        return found
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise InputError(path, "a film is written by ffmpeg, which is not installed", 'pip install "tdsm[mocap]", or write a GIF') from error
    return imageio_ffmpeg.get_ffmpeg_exe()


def _drawn(
    clip: Clip, step: int, predicted: str | None, influence: Mapping[str, Real] | None, view: tuple[Real, Real] | None
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Every ``step``-th frame as a picture, height and width even, with truth and prediction above."""
    joints = seen_from_sensor(clip, *(view or standard_view(clip.layout)))
    low, high = box(joints)
    wide, tall = high - low
    figure = Figure(figsize=(round(40 * max(2.4, min(4.8, 3.2 * wide / tall))) / 40, 3.8), dpi=80)
    canvas, ax = FigureCanvasAgg(figure), figure.add_axes((0.0, 0.0, 1.0, 0.84))
    words = verdict(clip.label, predicted)
    figure.text(0.5, 0.97, "\n".join(piece for piece, _ in words), ha="center", va="top", fontsize=style.SMALL, color=words[-1][1], wrap=True)
    for frame in range(0, clip.frames, step):
        ax.clear()
        draw_frame(ax, joints, frame, clip.layout, influence)
        canvas.draw()
        yield np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
