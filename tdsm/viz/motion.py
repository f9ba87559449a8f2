"""Predictions and motion: at what time of a clip a prediction arises, and on which part of the body it depends.

**Time.** :func:`scores_over_time` scores windows of the clip. A sliding window holds half of the clip. A growing window begins at the first frame, and its
scores are those of a clip that ends with the window. The recognizer resamples every window to its own number of frames, so that a window looks like a
slower movement. Compare scores of one window between labels, not with the scores of the clip.

**Part of the body.** :func:`occlusion` removes the movement of one part and scores the clip again (Zeiler and Fergus, 2014, did so with patches of images).
:func:`tdsm.viz.parts.held_still` defines how a part is held still. This removes movement only: a constant pose, such as a stretched arm, stays.

Joints that were not seen are filled first, from the whole clip (:mod:`tdsm.data.missing`), so that every window and every variant has them.

Occlusion is no proof. A body with one part held still is a movement that no person makes and that the encoder was not trained on. Two parts with the same
information hide each other's influence. A part can matter to the model for a reason that is unrelated to the action.
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
        clip: a clip of the recognizer's layout. Frames without a person are removed first.
        labels: K names of actions, seen or not.
        windows: W, at least 2 and at most half the number of frames.
        growing: each window begins at the first frame, and the last one is the whole clip. Otherwise each window holds half of the clip.

    Returns:
        The frame of each window, (W,): its centre, or the last frame of a growing window; and the scores, (W, K).

    Raises:
        InputError: fewer than two labels or windows, no person in the clip, a clip too short for this number of windows, or an input that
            ``recognizer.predict`` does not accept.
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
    """The first of the frames (W,) after which the best label of the scores (W, K) no longer changes."""
    ahead = scores.argmax(axis=1)
    others = np.flatnonzero(ahead != ahead[-1])
    return int(frames[others[-1] + 1 if len(others) else 0])


def _check_labels(labels: Sequence[str]) -> None:
    if isinstance(labels, str) or len(labels) < 2:
        raise InputError("labels", f"{labels!r}: nothing to choose between", "give a list of at least two names")


def occlusion(recognizer: Recognizer, clip: Clip, labels: Sequence[str]) -> dict[str, Float[np.ndarray, " label"]]:
    """Change of each label's score when one part of the body is held still: the score without its movement minus the score with it.

    Args:
        recognizer, clip: a recognizer and a clip of its layout.
        labels: K names of actions, seen or not.

    Returns:
        Part → changes (K,), in the order of :data:`tdsm.viz.parts.PARTS`.

    Raises:
        InputError: fewer than two labels, no person in the clip, or an input that ``recognizer.predict`` does not accept.
    """
    _check_labels(labels)
    clip = completed(clip)
    scores = recognizer.predict([clip, *(held_still(clip, part) for part in PARTS)], labels).scores
    return dict(zip(PARTS, scores[1:] - scores[0], strict=True))


def margin(labels: Sequence[str], scores: np.ndarray, answer: str | None = None) -> float:
    """The score of the answer minus the best score of the other labels; below 0 if another label is better.

    Args:
        labels: K labels.
        scores: (K,), higher is better.
        answer: one of the labels. Default: the label with the best score.

    Raises:
        InputError: fewer than two labels, a number of scores other than K, or an unknown answer.
    """
    _check_labels(labels)
    scores = np.asarray(scores)
    if scores.shape != (len(labels),):
        raise InputError("scores", f"shape {scores.shape} for {len(labels)} labels", "give one number per label")
    index = int(scores.argmax()) if answer is None else _index(labels, answer)
    return float(scores[index] - np.delete(scores, index).max())


def influence(labels: Sequence[str], scores: np.ndarray, changes: Mapping[str, np.ndarray], answer: str | None = None) -> dict[str, float]:
    """Decrease of the answer's :func:`margin` when a part is held still. A decrease larger than the margin changes the answer.

    The movement of a part with positive influence supports the answer, with negative influence it opposes it.

    Args:
        labels, scores, answer: of the whole clip, as for :func:`margin`, which also checks them.
        changes: part → changes of scores (K,), from :func:`occlusion`.
    """
    whole = margin(labels, scores, answer)
    answer = labels[int(np.argmax(scores))] if answer is None else answer
    return {part: whole - margin(labels, np.asarray(scores) + change, answer) for part, change in changes.items()}


def influence_strip(
    clip: Clip, influence: Mapping[str, Real], predicted: str | None = None, frames: int = 5, view: tuple[Real, Real] | None = None, margin: Real | None = None
) -> tuple[Figure, Axes]:
    """A strip of frames whose limbs are coloured by the influence of their part on the answer; bars beside it show the influences and are the legend.

    Thick green parts support the answer, thick pink parts oppose it, thin grey parts have no influence.

    Args:
        influence: part → influence, from :func:`influence`.
        clip, predicted, frames, view: as for :func:`~tdsm.viz.stills.strip`.
        margin: the margin of the answer, from :func:`margin`, drawn as a dashed line. A part whose bar is longer changes the answer.

    Raises:
        InputError: the clip contains no person, ``frames`` is below 1, or a part is unknown.
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
        ax.axvline(float(margin), color=style.TEXT, linewidth=1.0, linestyle="--", label="margin: a longer bar changes the answer")
        ax.legend(fontsize=style.SMALL, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    ax.invert_yaxis()
    ax.margins(x=0.25)
    ax.set_xlabel("decrease of the margin when the part is held still\n(opposes the answer ← → supports it)", fontsize=style.SMALL)
    ax.tick_params(labelsize=style.SMALL)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return figure, ax


def score_timeline(
    clip: Clip, labels: Sequence[str], over_time: tuple[np.ndarray, np.ndarray], predicted: str | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Scores of labels over the seconds of a clip. Markers show the windows in which a label has the highest score.

    Args:
        over_time: frames (W,) and scores (W, K), from :func:`scores_over_time`.
        predicted: the prediction for the whole clip. It and the true label are drawn as thick lines, the four best others as thin lines.
        ax: axes to draw into. Default: new axes.

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
    ax.legend(fontsize=style.SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), title="marker: highest score", title_fontsize=style.SMALL)
    return fig, ax


def save_gif(
    clip: Clip, path: str | Path, predicted: str | None = None, influence: Mapping[str, Real] | None = None, view: tuple[Real, Real] | None = None
) -> Path:
    """Write at most 40 frames of the clip as an animated GIF that loops, for slides and for viewers without scripts. Returns the path.

    Args:
        clip: a clip of any layout. It plays at its own speed, rounded to hundredths of a second per frame.
        path: file to write, atomically.
        predicted, influence, view: as for :func:`~tdsm.viz.stills.strip`.

    Raises:
        InputError: the clip contains no person, or a part is unknown.
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
    """Write the clip as a film (MP4, H.264), for slides and the web. Returns the path. ffmpeg is needed; ``pip install "tdsm[mocap]"`` installs it.

    Args:
        clip: a clip of any layout. It plays at its own speed, at about 30 frames per second.
        path: file to write, atomically.
        predicted, influence, view: as for :func:`~tdsm.viz.stills.strip`.

    Raises:
        InputError: ffmpeg is missing or fails, the clip contains no person, or a part is unknown.
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
    """The ffmpeg program, from the system or from the package imageio-ffmpeg."""
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
    """Every ``step``-th frame as a picture with even height and width, with the true label and the prediction above."""
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
