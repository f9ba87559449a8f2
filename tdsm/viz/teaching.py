"""Figures for the notebooks 03, 07 and 08; each shows one idea on a small example.

The toy (:func:`toy`, :func:`toy_matcher`) is the real matcher on features of two numbers, so that its errors can be drawn over the plane: three classes
are three clouds of points, and a prompt is one vector. Everything here returns ``(fig, ax)`` or numbers, and never shows; ``ax`` are axes to draw into.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from tdsm.backbones.base import Examples
from tdsm.config import ModelConfig, TrainConfig, demo
from tdsm.diffusion import add_noise, alphas_cumprod
from tdsm.evaluate.gzsl import Curve
from tdsm.matcher import Matcher
from tdsm.text import TextFeatures
from tdsm.train import fit_matcher
from tdsm.util.errors import InputError
from tdsm.viz import style
from tdsm.viz.spaces import Space

__all__ = ["attention", "cosines", "error_planes", "noise_errors", "noised", "schedules", "seed_bars", "seen_unseen", "tokens", "toy", "toy_matcher"]

SCHEDULES = {"mild": "mild (the paper's)", "cosine": "cosine"}
_GRID = 61  # points a side of a drawn plane


def toy(points: int = 80, seed: int = 0, spread: float = 0.8) -> tuple[Float[Tensor, "point one two"], Int[Tensor, " point"], TextFeatures]:
    """Features of two numbers in three clouds, their classes, and one prompt per class: a vector that points to the centre of its cloud.

    ``points`` of each class; ``spread`` is the standard deviation of a cloud: the centres lie 1.5 from the origin, so that 0.8 lets clouds overlap.
    """
    draw = torch.Generator().manual_seed(seed)
    angle = torch.tensor([90.0, 210.0, 330.0]).deg2rad()
    centres = 1.5 * torch.stack((angle.cos(), angle.sin()), dim=1)
    y = torch.arange(3).repeat_interleave(points)
    z_x = centres[y] + spread * torch.randn(len(y), 2, generator=draw)
    return z_x[:, None], y, TextFeatures(centres, centres[:, None], torch.ones(3, 1, dtype=torch.bool))


def toy_matcher(
    z_x: Float[Tensor, "point one two"], y: Int[Tensor, " point"], text: TextFeatures, triplet_weight: float, steps: int = 200, seed: int = 0
) -> Matcher:
    """A small matcher trained on the toy with ``triplet_weight`` as lambda; everything else is the paper's."""
    model, diffusion = ModelConfig(width=32, depth=2, heads=2, prior=False), replace(demo().diffusion, triplet_weight=triplet_weight)
    train = TrainConfig(steps=steps, batch=64, lr=3e-3, warmup=10)
    matcher, _ = fit_matcher(Examples(z_x, y, text), replace(demo(), model=model, diffusion=diffusion, train=train), seed=seed)
    return matcher.cpu()


def tokens(clips: int, labels: int, noises: int, words: int, skeleton: int = 1) -> dict[str, int]:
    """Tokens that each block of CrossDiT has to process to score ``clips`` under ``labels``, for each text stream.

    ``noises`` is S, ``words`` M_l, the text tokens of a label, ``skeleton`` M_x, the tokens of a clip.
    """
    rows = clips * labels * noises
    return {"joint": rows * (skeleton + words), "cached": rows * skeleton + labels * words}


def schedules(timesteps: int = 50, test_step: int = 25, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """alpha-bar of both schedules over t, 0 to T = ``timesteps``, with the test step marked."""
    fig, ax = style.new_axes(ax, 6.0, 3.2)
    for index, (name, title) in enumerate(SCHEDULES.items()):
        alpha_bar = alphas_cumprod(timesteps, name).numpy()
        colour, marker = style.look(index)
        ax.plot(alpha_bar, color=colour, linestyle=style.LINES[index], linewidth=1.6, label=title)
        ax.plot(test_step, alpha_bar[test_step], marker, color=colour, markersize=7)
        ax.annotate(f"{alpha_bar[test_step]:.2f}", (test_step, alpha_bar[test_step]), (6, 5), textcoords="offset points", fontsize=style.AXIS, color=colour)
    ax.axvline(test_step, color=style.FLOOR, linewidth=1, zorder=0)
    ax.set_ylim(0, 1.08)
    style.finish(ax, "timestep t", "ᾱ: share of the feature's energy left")
    ax.legend(fontsize=style.AXIS, frameon=False, loc="lower left")
    return fig, ax


def noised(z_x: Float[Tensor, "point one two"], y: Int[Tensor, " point"], steps: Sequence[int] = (0, 25, 49), timesteps: int = 50) -> tuple[Figure, np.ndarray]:
    """The toy's points under the noise of each schedule (rows) at some timesteps (columns), scaled as the matcher sees them."""
    fig = Figure(figsize=(2.5 * len(steps), 5.2), layout="constrained")
    axes = fig.subplots(len(SCHEDULES), len(steps), sharex=True, sharey=True, squeeze=False)
    scaled = z_x / z_x.square().mean().sqrt()
    noise = torch.randn(z_x.shape, generator=torch.Generator().manual_seed(1))
    for row, (name, title) in zip(axes, SCHEDULES.items(), strict=True):
        alpha_bar = alphas_cumprod(timesteps, name)
        for ax, step in zip(row, steps, strict=True):
            _clouds(ax, add_noise(scaled, noise, torch.full((len(scaled),), step), alpha_bar)[:, 0].numpy(), y.numpy())
            ax.set_title(f"{title}, t = {step}\nᾱ = {alpha_bar[step]:.3f}", fontsize=style.AXIS)
            ax.set(xlim=(-3.4, 3.4), ylim=(-3.4, 3.4), aspect="equal")
            style.finish(ax)
    return fig, axes


def attention(words: int = 6) -> tuple[Figure, np.ndarray]:
    """Which token may attend to which in the two text streams: a row is a query, and a filled cell is a token that it attends to. One skeleton token,
    ``words`` text tokens."""
    fig = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = fig.subplots(1, 2)
    names = ["skeleton", *(f"word {number}" for number in range(1, 1 + words))]
    for ax, stream in zip(axes, ("joint", "cached"), strict=True):
        read = np.ones((1 + words, 1 + words))
        read[1:, 0] = stream == "joint"
        ax.pcolormesh(read[::-1], cmap=ListedColormap(["white", style.BAR]), edgecolor=style.FLOOR, linewidth=0.8, vmin=0, vmax=1)
        ax.set_xticks(np.arange(1 + words) + 0.5, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=style.SMALL)
        ax.set_yticks(np.arange(1 + words) + 0.5, names[::-1], fontsize=style.SMALL)
        ax.set_xlabel("is read", fontsize=style.AXIS)
        ax.set_aspect("equal")
        ax.set_title("joint: words read the skeleton" if stream == "joint" else "cached: words read words alone", fontsize=style.AXIS)
    axes[0].set_ylabel("reads", fontsize=style.AXIS)
    return fig, axes


def cosines(spaces: Mapping[str, Space]) -> tuple[Figure, np.ndarray]:
    """The cosine of each clip (row) with each label (column) in each space, title -> space; a ring marks the best label of a clip.

    Clips are ordered by class, so that right answers lie on the diagonal.
    """
    tallest = max(len(space.of) for space in spaces.values())
    fig = Figure(figsize=(3.4 * len(spaces) + 3.2, 0.24 * tallest + 1.9), layout="constrained")
    axes = fig.subplots(1, len(spaces), sharey=True, squeeze=False)[0]
    for ax, (title, space) in zip(axes, spaces.items(), strict=True):
        order = np.argsort(space.of.y, kind="stable")
        values = (space.clips @ space.labels.T)[order]
        best = values.argmax(axis=1)
        ax.imshow(values, cmap="Blues", aspect="auto")
        ax.plot(best, np.arange(len(values)), "o", color=style.MISS, markerfacecolor="none", markersize=7)
        right = (best == space.of.y[order]).mean()
        ax.set_title(f"{title}\nthe best label is right: {right:.0%}", fontsize=style.AXIS)
        ax.set_xticks(range(len(space.of.classes)), space.of.classes, rotation=60, ha="right", rotation_mode="anchor", fontsize=style.SMALL)
        ax.set_yticks(range(len(values)), [space.of[row].label for row in order], fontsize=style.SMALL)
    axes[0].set_ylabel("clip of", fontsize=style.AXIS)
    return fig, axes


def error_planes(
    matchers: Mapping[str, Matcher], z_x: Float[Tensor, "point one two"], y: Int[Tensor, " point"], text: TextFeatures
) -> tuple[Figure, np.ndarray]:
    """For each matcher a row: the error over the plane under each prompt (dark is small), then the prompt of the smallest error.

    All panels share one scale. The line is where the error is 1, as large as that of a denoiser that always answers "no noise".

    ``matchers``: title -> matcher trained on the toy data; the other arguments are these data.
    """
    labels, reach = len(text), float(1.05 * z_x.abs().max())
    side = torch.linspace(-reach, reach, _GRID)
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).flatten(0, 1)[:, None]
    fig = Figure(figsize=(2.5 * (labels + 1), 2.6 * len(matchers)), layout="constrained")
    axes = fig.subplots(len(matchers), labels + 1, sharex=True, sharey=True, squeeze=False)
    for row, (title, matcher) in zip(axes, matchers.items(), strict=True):
        errors = matcher.errors(grid, matcher.encode_text(text)).unflatten(0, (_GRID, _GRID)).numpy()
        picture = _plane_row(row, side.numpy(), errors)
        for ax in row:
            _clouds(ax, z_x[:, 0].numpy(), y.numpy(), size=6)
            ax.set_aspect("equal")
            ax.tick_params(labelsize=style.SMALL)
        row[0].set_ylabel(title, fontsize=style.TITLE)
    bar = fig.colorbar(picture, ax=axes, shrink=0.7, pad=0.02, label="error (log scale)")
    bar.set_ticks([0.5, 1, 2, 5, 10], labels=["0.5", "1", "2", "5", "10"], minor=False)
    bar.ax.minorticks_off()
    return fig, axes


def _plane_row(row: np.ndarray, side: np.ndarray, errors: np.ndarray) -> QuadMesh:
    """One matcher's panels; returns what a bar of colours needs."""
    for label, ax in enumerate(row[:-1]):
        picture = ax.pcolormesh(side, side, errors[..., label], cmap="Greys_r", norm=LogNorm(0.3, 12), shading="nearest", rasterized=True)
        ax.contour(side, side, errors[..., label], [1.0], colors=style.TEXT, linewidths=0.9)
        ax.set_title(f"error under prompt {label + 1}", fontsize=style.AXIS, color=style.look(label)[0])
    colours = ListedColormap(style.COLOURS[: errors.shape[-1]])
    row[-1].pcolormesh(side, side, errors.argmin(-1), cmap=colours, vmin=-0.5, vmax=errors.shape[-1] - 0.5, alpha=0.35, shading="nearest", rasterized=True)
    row[-1].set_title("smallest error", fontsize=style.AXIS)
    return picture


def noise_errors(errors: Float[np.ndarray, "label noise"], labels: Sequence[str], true: str, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """One clip's error under each label: a dot for each test noise, a bar at their mean, the smallest mean on top.

    Raises:
        InputError: the number of labels differs from the number of errors, or ``true`` is not among the labels.
    """
    if len(errors) != len(labels) or true not in labels:
        what = f"{len(errors)} rows of errors, {len(labels)} labels, the true one {true!r}"
        raise InputError("noise_errors", what, "give a name a row, the true one among them")
    order = errors.mean(axis=1).argsort(kind="stable")
    fig, ax = style.new_axes(ax, 7.4, 0.34 * len(labels) + 0.9)
    for place, label in enumerate(order):
        own = labels[label] == true
        colour = style.COLOURS[2] if own else style.COLOURS[0]
        ax.plot(errors[label], np.full(errors.shape[1], place), "D" if own else "o", color=colour, alpha=0.55, markersize=4.5, markeredgewidth=0)
        ax.plot([errors[label].mean()] * 2, [place - 0.32, place + 0.32], color=colour, linewidth=2.6)
    ax.set_yticks(range(len(order)), [f"{labels[label]}{' ✓ true' if labels[label] == true else ''}" for label in order], fontsize=style.AXIS)
    ax.invert_yaxis()
    style.finish(ax, "denoising error (dot: one noise, bar: their mean)")
    return fig, ax


def seed_bars(shares: Mapping[str, Sequence[float]], chance: float | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Accuracies of several methods, name -> top-1 of each seed, 0 to 1: a bar for the mean, a dot for each seed, a dashed line for chance.

    Raises:
        InputError: no method, or one without a seed.
    """
    if not shares or not all(len(each) for each in shares.values()):
        raise InputError("seed_bars", "no method, or one without a seed", "give at least one number a method")
    fig, ax = style.new_axes(ax, 7.0, 0.34 * len(shares) + 1.0)
    for place, each in enumerate(shares.values()):
        mean = 100 * float(np.mean(each))
        ax.barh(place, mean, color=style.BAR, height=0.7, zorder=1)
        ax.plot(100 * np.asarray(each), np.full(len(each), place), "o", color=style.TEXT, markersize=4, zorder=3)
        ax.annotate(f"mean {mean:.0f}", (100 * max(*each, mean / 100), place), (8, 0), textcoords="offset points", va="center", fontsize=style.AXIS)
    if chance is not None:
        ax.axvline(100 * chance, color=style.MISS, linestyle="--", linewidth=1.4, zorder=2, label=f"chance, {chance:.0%}")
        ax.legend(fontsize=style.AXIS, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
    ax.set_yticks(range(len(shares)), list(shares), fontsize=style.AXIS)
    ax.invert_yaxis()
    ax.margins(x=0.1)
    ax.set_xlim(left=0)
    style.finish(ax, "top-1 on unseen classes, % (bar: mean, dot: a seed)")
    return fig, ax


def seen_unseen(curve: Curve, marks: Mapping[str, tuple[float, float]], ax: Axes | None = None) -> tuple[Figure, Axes]:
    """S over U for every gamma there is (:func:`tdsm.evaluate.gzsl.seen_unseen_curve`), with some marked: ``marks`` name -> (U, S), 0 to 1."""
    fig, ax = style.new_axes(ax, 6.4, 4.0)
    ax.plot(100 * curve.unseen, 100 * curve.seen, color=style.MIDDLE, linewidth=1.4, drawstyle="steps-pre")
    ax.fill_between(100 * curve.unseen, 100 * curve.seen, step="pre", color=style.BAR, alpha=0.25, linewidth=0, label=f"area {curve.ausuc:.2f} (AUSUC)")
    for index, (name, (unseen, seen)) in enumerate(marks.items()):
        colour, marker = style.look(index)
        harmonic = 200 * unseen * seen / (unseen + seen) if unseen + seen else 0.0
        ax.plot(100 * unseen, 100 * seen, marker, color=colour, markersize=9, linestyle="none", label=f"{name}: H {harmonic:.0f}", clip_on=False, zorder=3)
    ax.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    ax.legend(fontsize=style.AXIS, frameon=False, loc="upper right")
    style.finish(ax, "U: unseen clips right among all labels, %", "S: seen clips right among all labels, %")
    return fig, ax


def _clouds(ax: Axes, points: np.ndarray, y: np.ndarray, size: int = 8) -> None:
    for label in np.unique(y):
        colour, marker = style.look(int(label))
        ax.scatter(*points[y == label].T, s=size, color=colour, marker=marker, linewidths=0, alpha=0.8)
