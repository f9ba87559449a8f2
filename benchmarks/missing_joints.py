"""Measure how many points of accuracy unseen joints cost on data sets that were not used in training.

    python benchmarks/missing_joints.py UTD_ZIP UCLA_ZIP --on FLORENCE MSR JHMDB

One recognizer per seed and layout is trained with the default settings and the packaged descriptions on all clips of the first paths, which are converted to
the layout of the ``--on`` data set. It is tested on the classes of each ``--on`` data set by their names alone. Joints are set to NaN in the test clips only: a
random share of all joint positions, or two whole joints of each person, drawn per clip. A clip without an answer counts as wrong. The draws are the same for
all training seeds.
"""

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import tdsm
from tdsm.data.convert import convert_all
from tdsm.data.layouts import Layout
from tdsm.data.prompts import packaged_prompts
from tdsm.evaluate import mean_std

WAYS = {"2 % of joints": 0.02, "10 %": 0.1, "30 %": 0.3, "two joints never seen": 2}


def main() -> None:
    """Train, test and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path, nargs="+")
    parser.add_argument("--on", type=Path, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    train = [tdsm.load_clips(path) for path in args.train]
    print("| data set | clips | clean, top-1 % | " + " | ".join(f"{way}: points lost" for way in WAYS) + " |\n" + "|---" * (3 + len(WAYS)) + "|")
    recognizers: dict[str, list[tdsm.Recognizer]] = {}
    for path in args.on:
        test = tdsm.load_clips(path)
        if test.layout.name not in recognizers:
            recognizers[test.layout.name] = trained(train, test.layout, args.seeds)
        cells = lost(recognizers[test.layout.name], test)
        print(f"| {test.name} | {len(test)} | {' | '.join(cells)} |", flush=True)


def trained(sets: Sequence[tdsm.ClipSet], layout: Layout, seeds: int) -> list[tdsm.Recognizer]:
    """A recognizer per seed, trained on all sets together in one layout."""
    converted = [convert_all(clips, layout).clips for clips in sets]
    classes = tuple(dict.fromkeys(label for clips in converted for label in clips.classes))
    together = tdsm.ClipSet(tuple(clip for clips in converted for clip in clips), classes, " and ".join(clips.name for clips in converted))
    described = [tdsm.load_prompts(clips.name) for clips in converted if clips.name in packaged_prompts()]
    descriptions = {label: sentence for known in described for label, sentence in known.items()}
    return [tdsm.train_recognizer(together, descriptions=descriptions, seed=seed) for seed in range(seeds)]


def lost(recognizers: Sequence[tdsm.Recognizer], test: tdsm.ClipSet) -> list[str]:
    """Cells of the table: top-1 % on the unchanged clips, and the points lost for each way of removing joints."""
    clean = np.array([top1(recognizer, test) for recognizer in recognizers])
    cells = [mean_std(clean)]
    for how in WAYS.values():
        rng = np.random.default_rng(0)
        holed = tdsm.ClipSet(tuple(without(clip, how, rng) for clip in test), test.classes, test.name)
        cost = clean - np.array([top1(recognizer, holed) for recognizer in recognizers])
        cells.append(mean_std(cost))
    return cells


def without(clip: tdsm.Clip, how: float, rng: np.random.Generator) -> tdsm.Clip:
    """The clip without a share of its joint positions (``how`` below 1), or without that many joints of each person."""
    joints = clip.joints.copy()
    if how < 1:
        joints[rng.random(joints.shape[:3]) < how] = np.nan
    for person in joints if how >= 1 else ():
        person[:, rng.permutation(len(clip.layout))[: int(how)]] = np.nan
    joints[~clip.joints.any(axis=(2, 3))] = 0.0
    return replace(clip, joints=joints)


def top1(recognizer: tdsm.Recognizer, test: tdsm.ClipSet, names: Sequence[str] | None = None) -> float:
    """Share of clips with the right answer, 0 to 1; a clip without an answer counts as wrong. ``names`` replace the class names, in the same order."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*are not usable")  # counted as wrong
        z_x, used = recognizer.usable(test)
    answered = recognizer.scores(z_x, list(names or test.classes)).argmax(1).cpu().numpy()
    return float((answered == test.y[used]).sum()) / len(test)


if __name__ == "__main__":
    main()
