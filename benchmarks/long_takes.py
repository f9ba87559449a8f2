"""Measure how well actions are found in long takes of several actions, with the recognizers given by --models.

    pip install ruptures
    python benchmarks/long_takes.py DATA ... --models runs/whole-*/model

A take is joined from whole recordings of one subject, one per class for five classes that the seed draws, in random order, and all of this twice. With "rests",
the pause between two recordings has 1 to 2.5 s: the body moves from the last pose to the next first pose in half a second, then rests with a small sway and
with sensor noise. With "no rests", there is only the transition of half a second. The true borders are those of the recordings.

windows              windows of 2 s, every half second; their probabilities are averaged per frame, and adjacent frames with the same best label form a segment
windows, rest        as "windows", but frames in which the body rests are background
change points        kernel change points of the joints by ruptures (penalty chosen on the synthetic body), where the body moves; each piece is recognised
time tokens          probabilities of the encoder's tokens, 16 per window of 4 s, where the body moves
rests and valleys    tdsm.spot
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import tdsm
from tdsm.data.convert import convert_all
from tdsm.data.layouts import BODY_15
from tdsm.data.preprocess import preprocess_usable
from tdsm.data.synthetic import synthetic_clips
from tdsm.evaluate import mean_std
from tdsm.recognizer.confidence import UNCALIBRATED
from tdsm.spotting.measures import Segment, edit_score, f1_score, frame_accuracy, mean_average_precision
from tdsm.spotting.spot import SpotConfig, spot, still_frames
from tdsm.spotting.takes import joined
from tdsm.spotting.windows import probabilities_of, probabilities_over_time
from tdsm.util.provenance import environment

CLASSES, ROUNDS = 5, 2
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
PENALTY = 3.0


def main() -> None:
    """Make takes, find actions in them, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", help="data sets; default: clips of the synthetic body")
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    about = environment(0)
    print(f"commit {about['commit']}, {about['date']}, {about['hardware']}; {len(args.models)} recognizers, one seed each\n")
    print("| data set | way | mAP@0.5 | mAP@0.1-0.7 | F1@10 | F1@25 | F1@50 | edit | frames |\n|---|---|---|---|---|---|---|---|---|")
    models = [tdsm.Recognizer.from_pretrained(path) for path in args.models]
    for path in args.data or [None]:
        clips = convert_all(synthetic_clips(16) if path is None else tdsm.load_clips(path), BODY_15).clips
        for rests in (True, False):
            found = defaultdict(list)
            for seed, recognizer in enumerate(models):
                takes = long_takes(clips, seed, rests)
                for way in args.ways:
                    found[way].append(measured([WAYS[way](recognizer, take, labels) for take, _, labels in takes], takes))
            for way, each in found.items():
                columns = [mean_std([row[column] for row in each]) for column in each[0]]
                print(f"| {clips.name}{'' if rests else ', no rests'} | {way} | {' | '.join(columns)} |", flush=True)


Take = tuple[tdsm.Clip, list[Segment], list[str]]


def long_takes(clips: tdsm.ClipSet, seed: int, rests: bool = True) -> list[Take]:
    """One take per subject with recordings of all five classes: the take, its true segments, and the five labels."""
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
            chosen = [recorded[label][rng.integers(len(recorded[label]))] for label in order]
            takes.append((*joined(chosen, int(rng.integers(2**31)), rests=rests, name=str(subject)), labels))
    return takes


def valleys(recognizer: tdsm.Recognizer, take: tdsm.Clip, labels: Sequence[str]) -> list[Segment]:
    """The method of this package."""
    return list(spot(recognizer, take, labels))


def windows(recognizer: tdsm.Recognizer, take: tdsm.Clip, labels: Sequence[str]) -> list[Segment]:
    """Plain sliding windows."""
    return runs(pooled(recognizer, take, labels), labels)


def windows_rest(recognizer: tdsm.Recognizer, take: tdsm.Clip, labels: Sequence[str]) -> list[Segment]:
    """Sliding windows, with frames in which the body rests as background."""
    return runs(pooled(recognizer, take, labels), labels, still_frames(take, SpotConfig()))


def pooled(recognizer: tdsm.Recognizer, take: tdsm.Clip, labels: Sequence[str], seconds: float = 2.0) -> np.ndarray:
    """(T, K) mean of the probabilities of the windows that contain a frame."""
    frames, half = np.zeros((take.frames, len(labels))), int(seconds * take.fps / 2)
    for middle, row in zip(*probabilities_over_time(recognizer, take, labels, seconds), strict=True):
        frames[max(0, middle - half) : middle + half] += row
    return frames / np.maximum(frames.sum(1, keepdims=True), 1e-9)


def change_points(recognizer: tdsm.Recognizer, take: tdsm.Clip, labels: Sequence[str]) -> list[Segment]:
    """Kernel change points of the joints, sampled every 0.2 s; frames in which the body rests are background."""
    import ruptures

    hop = max(1, round(0.2 * take.fps))
    places = take.joints[0, ::hop]
    places = places - places[:, :1]
    signal = np.nan_to_num(places).reshape(len(places), -1)
    ends = ruptures.KernelCPD(kernel="rbf", min_size=3, jump=1).fit(signal / signal.std()).predict(pen=PENALTY)
    moving = ~still_frames(take, SpotConfig())
    pieces = []
    for start, end in pairwise([0, *(min(end * hop, take.frames) for end in ends)]):
        inside = np.flatnonzero(moving[start:end])
        if len(inside) >= 0.6 * take.fps:
            pieces.append((start + int(inside[0]), start + int(inside[-1]) + 1))
    answers = probabilities_of(recognizer, take, pieces, labels)
    found = [Segment(start, end, labels[row.argmax()], float(row.max())) for (start, end), row in zip(pieces, answers, strict=True)]
    return merged(found, int(0.2 * take.fps))


def merged(found: Sequence[Segment], gap: int) -> list[Segment]:
    """Segments, with neighbours of the same label joined if they are at most ``gap`` frames apart."""
    kept = []
    for each in found:
        if kept and kept[-1].label == each.label and each.start - kept[-1].end <= gap:
            each = Segment(kept[-1].start, each.end, each.label, max(each.score, kept.pop().score))
        kept.append(each)
    return kept


def time_tokens(recognizer: tdsm.Recognizer, take: tdsm.Clip, labels: Sequence[str]) -> list[Segment]:
    """Probabilities of each token of the encoder, pooled with its two neighbours as if they were a short clip."""
    length, step = int(4 * take.fps), int(2 * take.fps)
    starts = list(range(0, max(1, take.frames - length + step), step))
    x, used = preprocess_usable([replace(take, joints=take.joints[:, start : start + length]) for start in starts], recognizer.backbone.preprocess)
    with torch.no_grad():
        tokens = recognizer.backbone.net.tokens(torch.from_numpy(x)).transpose(1, 2)
        around = torch.cat((F.avg_pool1d(tokens, 3, 1, 1, count_include_pad=False), F.max_pool1d(tokens, 3, 1, 1)), dim=1).transpose(1, 2)
        z_x = F.normalize(recognizer.backbone.project(around), dim=-1) * recognizer.backbone.features**0.5
    frames, count = np.zeros((take.frames, len(labels))), z_x.shape[1]
    for row, z in zip(used, z_x, strict=True):
        answers = (recognizer.confidence or UNCALIBRATED).probabilities(recognizer.scores(z, labels).numpy())
        borders = np.linspace(starts[row], min(starts[row] + length, take.frames), count + 1).astype(int)
        for token, (start, end) in enumerate(pairwise(borders)):
            frames[start:end] += answers[token]
    return runs(frames / np.maximum(frames.sum(1, keepdims=True), 1e-9), labels, still_frames(take, SpotConfig()))


def runs(frames: np.ndarray, labels: Sequence[str], still: np.ndarray | None = None) -> list[Segment]:
    """Segments of adjacent frames with the same best label, without frames in which the body rests."""
    best = np.where(still, -1, frames.argmax(1)) if still is not None else frames.argmax(1)
    edges = [0, *np.flatnonzero(np.diff(best)) + 1, len(best)]
    pieces = [(int(one), int(other), best[one]) for one, other in pairwise(edges) if best[one] >= 0]
    return [Segment(one, other, labels[row], float(frames[one:other, row].mean())) for one, other, row in pieces]


WAYS: dict[str, Callable] = {
    "windows": windows,
    "windows, rest": windows_rest,
    "change points": change_points,
    "time tokens": time_tokens,
    "rests and valleys": valleys,
}


def measured(found: Sequence[Sequence[Segment]], takes: Sequence[Take]) -> dict[str, float]:
    """All measures of one seed."""
    true = [segments for _, segments, _ in takes]
    some = {"mAP@0.5": mean_average_precision(found, true), "mAP": mean_average_precision(found, true, LEVELS)}
    some |= {f"F1@{round(100 * least)}": f1_score(found, true, least) for least in (0.1, 0.25, 0.5)}
    return some | {"edit": edit_score(found, true), "frames": frame_accuracy(found, true, [take.frames for take, *_ in takes])}


if __name__ == "__main__":
    main()
