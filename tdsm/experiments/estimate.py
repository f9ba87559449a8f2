"""Estimate how long the stages of a plan take on this machine. Each unit of work is run three times at a small size and timed."""

import os
import time
from collections.abc import Callable

import numpy as np
import torch

from tdsm.backbones.nets import build_encoder
from tdsm.config import Config
from tdsm.data.clips import Clip
from tdsm.data.layouts import Layout
from tdsm.data.preprocess import preprocess
from tdsm.matcher import Matcher
from tdsm.text import TextFeatures
from tdsm.util.loop import device

__all__ = ["seconds_per_unit"]

_FILES_A_SECOND = 500.0  # approximate speed of one core with NTU RGB+D (benchmarks/read_ntu.py)
_FRAMES = 80  # approximate mean length of NTU RGB+D clips
_SMALL, _LARGER = 1, 3  # batch sizes that are timed


def seconds_per_unit(config: Config, layout: Layout, classes: int) -> dict[str, float]:
    """Unit of work (as in :class:`tdsm.experiments.stages.Stage`) -> estimated seconds, accurate to a factor of two.

    Args:
        config: settings of the experiment.
        layout: skeleton layout of the clips.
        classes: number of seen classes.
    """
    body = np.random.default_rng(0).normal(size=(2, _FRAMES, len(layout), layout.dims)).astype(np.float32)
    encoder = build_encoder(config.encoder, layout, config.preprocess.bodies, classes).to(device())
    batch = config.align.batch + config.align.seen_batch if config.backbone == "aligned" else config.encoder.batch

    def clips(count: int) -> torch.Tensor:
        return torch.randn(count, config.preprocess.bodies, config.preprocess.frames, len(layout), layout.dims, device=device())

    def train(count: int) -> Callable[[], object]:
        x = clips(count)
        return lambda: encoder(x).sum().backward()

    def encode(count: int) -> Callable[[], object]:
        x = clips(count)
        return torch.no_grad()(lambda: encoder.pool(x))

    return {
        "files read": 1 / _FILES_A_SECOND / (os.cpu_count() or 1),
        "clips preprocessed": _timed(lambda: preprocess(Clip(body, layout), config.preprocess)),
        "encoder steps": _of_batch(batch, train),
        "clips encoded": _of_batch(64, encode) / 64,
        "denoiser steps": _denoiser(config, classes),
    }


def _denoiser(config: Config, classes: int) -> float:
    features, channels, tokens = config.encoder.features, 2 * (1024 if config.text.family == "clip" else 384), config.text.tokens
    if config.backbone == "aligned":  # clips and labels are unit vectors in the same space
        features, channels, tokens = config.align.width, config.align.width, 1
    text = TextFeatures(torch.randn(classes, channels), torch.randn(classes, tokens, channels), torch.ones(classes, tokens, dtype=torch.bool)).to(device())
    matcher = Matcher(features, 1, channels, tokens, config.model, config.diffusion).to(device())

    def step(clips: int) -> Callable[[], object]:
        z_x = torch.randn(clips, 1, features, device=device())
        label = torch.randint(classes, (2, clips), device=device())
        return lambda: matcher(z_x, label[0], label[1], torch.zeros_like(label[0]), z_x, text)["loss"].backward()

    return _of_batch(config.train.batch, step)


def _of_batch(batch: int, work_of_size: Callable[[int], Callable[[], object]]) -> float:
    """Seconds for a whole batch. On a GPU the batch is timed; on a CPU the time is extrapolated linearly from two small batches."""
    if torch.cuda.is_available():
        return _timed(work_of_size(batch))
    small, larger = (_timed(work_of_size(size)) for size in (_SMALL, _LARGER))
    return small + max(0.0, larger - small) / (_LARGER - _SMALL) * (batch - _SMALL)


def _timed(work: Callable[[], object]) -> float:
    """Seconds of a call: the shortest of three calls, because the first one includes the warm-up and other programs may use the processor."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return min(taken)
