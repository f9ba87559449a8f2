"""Spotting actions in long takes of several actions, with labels that were never trained on.

    python benchmarks/long_takes.py DATA ... --models runs/whole-*/model

A take is made of whole recordings of one subject, one of each of five classes drawn by the seed, in random order and twice over, with rests of 1 to 2.5 s
between them: half a second from the last pose to the next first one, then standing still, with the sensor's noise. The borders are those of the recordings.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

import tdsm
from tdsm.data.convert import convert_all
from tdsm.data.layouts import BODY_15
from tdsm.evaluate import mean_std
from tdsm.spotting.measures import Segment, edit_score, f1_score, frame_accuracy, mean_average_precision
from tdsm.spotting.spot import spot
from tdsm.util.provenance import environment

CLASSES, ROUNDS = 5, 2
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def main() -> None:
    """Make takes, spot, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    about = environment(0)
    print(f"commit {about['commit']}, {about['date']}, {about['hardware']}; {len(args.models)} recognizers, one seed each\n")
    print("| data set | way | mAP@0.5 | mAP@0.1-0.7 | F1@10 | F1@25 | F1@50 | edit | frames |\n|---|---|---|---|---|---|---|---|---|")
    models = [tdsm.Recognizer.from_pretrained(path) for path in args.models]
    for path in args.data:
        clips = convert_all(tdsm.load_clips(path), BODY_15).clips
        found = defaultdict(list)
        for seed, recognizer in enumerate(models):
            takes = long_takes(clips, seed)
            for way, finds in WAYS.items():
                found[way].append(measured([finds(recognizer, take, labels) for take, _, labels in takes], takes))
        for way, each in found.items():
            columns = [mean_std([row[column] for row in each]) for column in each[0]]
            print(f"| {clips.name} | {way} | {' | '.join(columns)} |", flush=True)


Take = tuple[tdsm.Clip, list[Segment], list[str]]


def long_takes(clips: tdsm.ClipSet, seed: int) -> list[Take]:
    """One take for each subject who has recorded all of five classes: the recording, what is in it, and the five labels."""
    rng = np.random.default_rng(seed)
    labels = [clips.classes[row] for row in sorted(rng.permutation(len(clips.classes))[:CLASSES])]
    of = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        if clip.label in labels:
            of[clip.subject][clip.label].append(clip)
    takes = []
    for subject, recorded in sorted(of.items()):
        if len(recorded) == CLASSES:
            order = [label for _ in range(ROUNDS) for label in rng.permutation(labels)]
            takes.append((*joined([recorded[label][rng.integers(len(recorded[label]))] for label in order], rng, f"{subject}"), labels))
    return takes


def joined(clips: Sequence[tdsm.Clip], rng: np.random.Generator, name: str) -> tuple[tdsm.Clip, list[Segment]]:
    """Recordings one after the other on one spot, with rests before, between and after."""
    fps, parts, borders, now = clips[0].fps, [], [], 0
    before = None
    for clip in clips:
        joints = clip.joints[:1, clip.joints[0].any(axis=(1, 2))]
        joints = joints - joints[:, :1, :1] * [1.0, 0.0, 1.0][: clip.layout.dims]
        noise = np.median(np.abs(np.diff(joints, n=3, axis=1))) / 0.6745 / 20**0.5
        still = int(rng.uniform(1.0, 2.5) * fps)
        blend = 0 if before is None else min(still, int(0.5 * fps))
        share = np.clip(np.arange(1, still + 1) / max(1, blend + 1), 0, 1)[None, :, None, None]
        rest = (joints[:, :1] if before is None else before * (1 - share) + joints[:, :1] * share) + np.zeros_like(share)
        parts += [rest + rng.normal(0, noise, rest.shape), joints]
        borders.append(Segment(now + still, now + still + joints.shape[1], clip.label))
        now, before = now + still + joints.shape[1], joints[:, -1:]
    parts.append(np.repeat(before, int(1.5 * fps), axis=1))
    return replace(clips[0], joints=np.concatenate(parts, axis=1).astype(np.float32), name=name, label=None), borders


def valleys(recognizer: tdsm.Recognizer, take: tdsm.Clip, labels: Sequence[str]) -> list[Segment]:
    """The package's."""
    return list(spot(recognizer, take, labels))


def windows(recognizer: tdsm.Recognizer, take: tdsm.Clip, labels: Sequence[str]) -> list[Segment]:
    """Plain sliding windows of 2 s, every half second; neighbours of one label are one segment."""
    length, step = int(2 * take.fps), int(0.5 * take.fps)
    starts = range(0, max(1, take.frames - length), step)
    clips = [replace(take, joints=take.joints[:, start : start + length], name=str(start)) for start in starts]
    probabilities = recognizer.predict(clips, labels).probabilities
    frames = np.zeros((take.frames, len(labels)))
    for start, row in zip(starts, probabilities, strict=True):
        frames[start : start + length] += row
    return runs(frames / np.maximum(frames.sum(1, keepdims=True), 1e-9), labels)


def runs(frames: np.ndarray, labels: Sequence[str]) -> list[Segment]:
    """Frames of one best label in a row."""
    best = frames.argmax(1)
    edges = [0, *np.flatnonzero(np.diff(best)) + 1, len(best)]
    return [Segment(int(one), int(other), labels[best[one]], float(frames[one:other, best[one]].mean())) for one, other in pairwise(edges)]


WAYS: dict[str, Callable] = {"windows of 2 s": windows, "rests and valleys": valleys}


def measured(found: Sequence[Sequence[Segment]], takes: Sequence[Take]) -> dict[str, float]:
    """All measures of one seed."""
    true = [segments for _, segments, _ in takes]
    some = {"mAP@0.5": mean_average_precision(found, true), "mAP": mean_average_precision(found, true, LEVELS)}
    some |= {f"F1@{round(100 * least)}": f1_score(found, true, least) for least in (0.1, 0.25, 0.5)}
    return some | {"edit": edit_score(found, true), "frames": frame_accuracy(found, true, [take.frames for take, *_ in takes])}


if __name__ == "__main__":
    main()
