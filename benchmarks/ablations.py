"""The ablations of the paper on the synthetic demo clips, and what the pictures of the demo need: files in results/ that figures are drawn from.

    python benchmarks/ablations.py          # 4 seeds, about five minutes on two quiet cores; a killed call goes on

Each seed has clips, encoder and denoisers of its own (`tdsm.demo.demo_recognizer`; NTU-25 body, 42 seen and 10 unseen actions). The denoisers of a seed
differ in one setting and share encoder, features, texts, batches and noises. Settings are the demo's with half the denoiser's steps. Nothing is selected.
Written are

- ablations_demo.json: top-1 with the weight of the triplet loss 0, 1 and 1000, and with T = 1, 10, 50, 100, 500 (t_test = T / 2);
- t_test_demo.npz: ``top1`` (seed, step, noise), under each test noise alone, ``together`` (seed, step), under the mean error over noises, ``steps`` (step,);
- pictures_demo.npz, of seed 0: maps of unseen clips in the plane (UMAP, fitted here and not when drawn), and frames of one clip a class.

These clips are a teaching set: the numbers say nothing about recordings of real people, nor about the published ones.
"""

import argparse
import multiprocessing
import shlex
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tdsm.config import Config, demo
from tdsm.data.clips import ClipSet
from tdsm.demo import demo_recognizer
from tdsm.experiments.results import write_result
from tdsm.experiments.study import PROTOCOL
from tdsm.loop import train_matcher
from tdsm.model import TextStream
from tdsm.recognizer import Recognizer, label_text, new_matcher
from tdsm.train import ridge_report, zero_shot_report
from tdsm.viz.alignment import knn_agreement, project

Variant = Mapping[str, int | float]

NAME = "synthetic-demo"
CONFIG = replace(demo(), train=replace(demo().train, steps=100))
VARIANTS: tuple[Variant, ...] = (  # against the preset: weight 1, T = 50
    {"diffusion.triplet_weight": 0.0},
    {"diffusion.triplet_weight": 1000.0},  # AdamW forgets the loss's scale, so this is the triplet loss all but alone
    *({"diffusion.timesteps": steps, "diffusion.test_step": steps // 2} for steps in (1, 10, 100, 500)),
)
STEPS = range(5, 50, 5)  # the paper's figure
FRAMES = 7


class Seed(NamedTuple):
    """What one seed gave; shares of right answers.

    Attributes:
        tdsm: of the preset and of each of ``VARIANTS``.
        ridge: of ridge regression.
        alone, together: of :func:`by_test_step`.
        chance: of a uniform guess.
    """

    tdsm: list[float]
    ridge: float
    alone: np.ndarray
    together: np.ndarray
    chance: float


def main() -> None:
    """Train, test and write the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2, help="seeds at once, each on one core")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of result files")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"), help="folder of trained models")
    args = parser.parse_args()
    command = shlex.join(["python", "benchmarks/ablations.py", *sys.argv[1:]])
    folders = [args.runs / f"seed-{seed}" for seed in range(args.seeds)]
    with ProcessPoolExecutor(args.processes, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        write(list(pool.map(run_seed, range(args.seeds), folders)), args.out, command)
    recognizer, _, test = demo_recognizer(folders[0], config=CONFIG)
    arrays = maps(recognizer, test) | strips(recognizer, test)
    print(write_result(args.out / "pictures_demo.npz", [], command=command, protocol=PROTOCOL | {"statistic": "single"}, arrays=arrays))


def run_seed(seed: int, folder: Path) -> Seed:
    """Train and test the preset and all variants with one seed."""
    recognizer, train, test = demo_recognizer(folder, seed=seed, config=CONFIG)
    reports = [zero_shot_report(recognizer, test)]
    for number, variant in enumerate(VARIANTS):
        changed = with_denoiser(recognizer, train, varied(CONFIG, variant), seed, folder / f"variant-{number}.safetensors")
        reports.append(zero_shot_report(changed, test))
        print(f"seed {seed}, {variant}: top-1 {reports[-1].top1:.1%}; the preset {reports[0].top1:.1%}", file=sys.stderr, flush=True)
    alone, together = by_test_step(recognizer, test)
    return Seed([report.top1 for report in reports], ridge_report(recognizer, train, test).top1, alone, together, reports[0].chance)


def varied(config: Config, variant: Variant) -> Config:
    """Settings with those of the variant in place, all of which are of the diffusion."""
    return replace(config, diffusion=replace(config.diffusion, **{name.removeprefix("diffusion."): value for name, value in variant.items()}))


def with_denoiser(base: Recognizer, train: ClipSet, config: Config, seed: int, checkpoint: Path | None = None) -> Recognizer:
    """The encoder of ``base`` with a denoiser trained under other settings, as :func:`tdsm.train.train_recognizer` would."""
    z_x = base.features(train)
    text = label_text(base.encoder, base.text_encoder, train.classes, base.descriptions)
    matcher = new_matcher(z_x, text, config, seed)
    if config.diffusion.scale_features:
        matcher.fit_scale(z_x.cpu())
    train_matcher(matcher, z_x, torch.from_numpy(train.y), text, config.train, seed=seed, checkpoint=checkpoint)
    return Recognizer(config, base.layout, base.seen, base.descriptions, base.encoder, matcher, base.text_encoder)


def by_test_step(recognizer: Recognizer, test: ClipSet) -> tuple[np.ndarray, np.ndarray]:
    """Share of right answers at each of ``STEPS``, (step, noise) under each test noise alone, and (step,) under their mean error."""
    z_x, stream, matcher = *_asked(recognizer, test), recognizer.matcher
    settings, alone, together = matcher.diffusion, [], []
    for step in STEPS:
        matcher.diffusion = replace(settings, test_step=step * settings.timesteps // 50)
        errors = matcher.noise_errors(z_x, stream).cpu().numpy()  # (B, K, S)
        alone.append((errors.argmin(axis=1) == test.y[:, None]).mean(axis=0))
        together.append((errors.mean(axis=2).argmin(axis=1) == test.y).mean())
    matcher.diffusion = settings
    return np.array(alone), np.array(together)


def _asked(recognizer: Recognizer, test: ClipSet) -> tuple[Tensor, TextStream]:
    """z_x of the clips, and the text of their classes as the denoiser reads it."""
    told = label_text(recognizer.encoder, recognizer.text_encoder, test.classes, recognizer.descriptions)
    return recognizer.features(test), recognizer.matcher.encode_text(told.to(recognizer.device))


def write(seeds: Sequence[Seed], out: Path, command: str) -> None:
    """ablations_demo.json and t_test_demo.npz of all seeds."""
    rows = [
        {"benchmark": NAME, "variant": variant, "tdsm": summary([seed.tdsm[number] for seed in seeds], seeds[0].chance)}
        for number, variant in enumerate(({}, *VARIANTS))
    ]
    rows[0]["ridge"] = summary([seed.ridge for seed in seeds], seeds[0].chance)
    protocol = PROTOCOL | {"statistic": "mean"} if len(seeds) > 1 else PROTOCOL
    print(write_result(out / "ablations_demo.json", rows, command=command, protocol=protocol, arrays={}))
    steps = {"top1": np.stack([seed.alone for seed in seeds]), "together": np.stack([seed.together for seed in seeds]), "steps": np.array(STEPS)}
    print(write_result(out / "t_test_demo.npz", [], command=command, protocol=protocol, arrays=steps))


def summary(shares: Sequence[float], chance: float) -> dict[str, float | None]:
    """What a result file says of one method: mean and std over seeds."""
    std = float(np.std(shares, ddof=1)) if len(shares) > 1 else None
    return {"seeds": len(shares), "mean": float(np.mean(shares)), "std": std, "chance": chance}


def maps(recognizer: Recognizer, test: ClipSet) -> dict[str, np.ndarray]:
    """Where unseen clips lie in the plane, and the share of near neighbours of the same class in the full space, seen three ways.

    "encoder": z_x. "denoiser": the denoiser's last hidden state under all labels, side by side. "errors": the errors under all labels, less
    their mean over labels. None of the three knows a clip's class.
    """
    z_x, stream = _asked(recognizer, test)
    report = zero_shot_report(recognizer, test)
    views = {
        "encoder": z_x[:, 0].cpu().numpy(),
        "denoiser": recognizer.matcher.fused(z_x, stream).flatten(1).cpu().numpy(),
        "errors": report.errors - report.errors.mean(axis=1, keepdims=True),
    }
    made = {"labels": np.array(test.classes), "y": test.y}
    for name, rows in views.items():
        made |= {f"map_{name}": project(rows, "umap").astype(np.float32), f"agreement_{name}": np.array(knn_agreement(rows, test.y))}
    return made


def strips(recognizer: Recognizer, test: ClipSet) -> dict[str, np.ndarray]:
    """The first clip of each class, which nobody chose: some frames (clip, frame, joint, coordinate), their seconds, and the score of each label."""
    first = [int(np.flatnonzero(test.y == label)[0]) for label in range(len(test.classes))]
    frames = [np.linspace(0, test[clip].frames - 1, FRAMES).round().astype(int) for clip in first]
    return {
        "strip_joints": np.stack([test[clip].joints[0, chosen] for clip, chosen in zip(first, frames, strict=True)]).astype(np.float32),
        "strip_seconds": np.stack([chosen / test[clip].fps for clip, chosen in zip(first, frames, strict=True)]).astype(np.float32),
        "strip_scores": -zero_shot_report(recognizer, test).errors[first],
        "layout": np.array(test.layout.name),
    }


if __name__ == "__main__":
    main()
