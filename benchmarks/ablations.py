"""The ablations of the paper on clips that anyone can have, and what their pictures need: files in results/ that figures are drawn from.

    python benchmarks/ablations.py                                                    # the synthetic demo clips
    python benchmarks/ablations.py UTD_ZIP --row utd-mhad-purls-18-9                  # recordings, the paper's recipe cut to minutes
    python benchmarks/ablations.py UTD_ZIP --row utd-mhad-purls-18-9 --recipe tuned   # recordings, the shipped towers tuned to the seen classes

On two quiet cores the first takes about five minutes, the others up to ten; a killed call resumes.

Each seed has an encoder and denoisers of its own; in the demo also clips of its own (`tdsm.app.demo.demo_recognizer`; NTU-25 body, 42 seen and 10 unseen
actions). Denoisers of a seed differ in one setting and share backbone, features, texts, batches and noises. The paper's recipe has the demo's settings with
half the denoiser's steps. Nothing is selected. Written are, with "demo" or the row (and the recipe) in place of NAME:

- ablations_NAME.json: top-1 with the weight of the triplet loss 0, 1 and 1000, with smaller margins, and (not of "tuned") with
  T = 1, 10, 50, 100, 500 (t_test = T / 2);
- t_test_NAME.npz: ``top1`` (seed, step, noise), under each test noise alone, ``together`` (seed, step), under the mean over noises, ``steps`` (step,);
  and top-1 of each seed with each setting, ``top1_variants`` (seed, variant), ``variants`` (variant,);
- pictures_NAME.npz, of seed 0: maps of unseen clips in the plane (UMAP, fitted here and not when drawn), and frames of one clip a class.

The demo clips are a teaching set: their numbers say nothing about recordings of real people. The shipped towers have met most of the recorded actions by
name, as generated movement (`tdsm/recognizer/weights/README.md`): numbers of the recipe "tuned" compare denoisers with each other and are no zero-shot test.
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

from tdsm.app.demo import demo_recognizer
from tdsm.backbones.fit import examples_of
from tdsm.baselines.reports import ridge_report
from tdsm.catalogue.rows import benchmark_named
from tdsm.config import Config, demo, override, tuned
from tdsm.data.clips import ClipSet
from tdsm.data.labels import as_labels
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import load_clips
from tdsm.evaluate import PROTOCOL, zero_shot_report
from tdsm.experiments.results import write_result
from tdsm.recognizer import Recognizer, pretrained
from tdsm.train import fit_matcher, train_recognizer
from tdsm.viz.alignment import knn_agreement, project
from tdsm.viz.spaces import common_space, untrained

Variant = Mapping[str, int | float]

NAME = "synthetic-demo"
CONFIG = override(demo(), {"train.steps": 100})
TUNED = override(tuned(), {"train.steps": 60, "diffusion.margin": 1.0})
VARIANTS: tuple[Variant, ...] = (  # against the preset: weight 1, margin 1, T = 50
    {"diffusion.triplet_weight": 0.0},
    {"diffusion.triplet_weight": 1000.0},  # AdamW forgets the loss's scale, so this is the triplet loss all but alone
    *({"diffusion.margin": margin} for margin in (0.3, 0.1)),
    *({"diffusion.timesteps": steps, "diffusion.test_step": steps // 2} for steps in (1, 10, 100, 500)),
)
STEPS = range(5, 50, 5)  # the paper's figure
FRAMES = 7


class Seed(NamedTuple):
    """What one seed gave; shares of right answers.

    Attributes:
        tdsm: of the preset and of each variant.
        ridge: of ridge regression.
        alone, together: of :func:`by_test_step`.
        chance: of a uniform guess.
    """

    tdsm: list[float]
    ridge: float
    alone: np.ndarray
    together: np.ndarray
    chance: float


class World(NamedTuple):
    """What a call is about.

    Attributes:
        archive: recordings; None: the synthetic demo clips.
        row: of the catalogue, which divides the recordings into seen and unseen classes.
        recipe: "demo", the paper's cut short, or "tuned".
    """

    archive: Path | None
    row: str
    recipe: str

    @property
    def config(self) -> Config:
        """The settings that variants differ from."""
        return TUNED if self.recipe == "tuned" else CONFIG

    @property
    def name(self) -> str:
        """In the names of files."""
        return "-".join([self.row or "demo", *([] if self.recipe == "demo" else [self.recipe])])

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What is varied: of the recipe "tuned" only the loss."""
        return tuple(variant for variant in VARIANTS if self.recipe == "demo" or "diffusion.timesteps" not in variant)

    def variant(self, changes: Variant) -> dict[str, object]:
        """What a result file says of a variant: on recordings also the recipe, so that nobody takes it for the number of a preset."""
        return {"recipe": f"{self.recipe}, {self.config.train.steps} steps"} | changes if self.archive else dict(changes)

    def trained(self, seed: int, folder: Path) -> tuple[Recognizer, ClipSet, ClipSet]:
        """The recognizer of a seed, the clips that it was trained on, and clips of unseen classes."""
        if self.archive is None:
            return demo_recognizer(folder, seed=seed, config=self.config)
        row = benchmark_named(self.row)
        train, test = row.divide(load_clips(self.archive))
        init = "pretrained" if self.recipe == "tuned" else None
        return train_recognizer(train, self.config, descriptions=load_prompts(row.dataset), folder=folder, seed=seed, init=init), train, test


def main() -> None:
    """Train, test and write the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, nargs="?", help="recordings; left out: the synthetic demo clips")
    parser.add_argument("--row", default="", help="row of the catalogue that divides the recordings, such as utd-mhad-purls-18-9")
    parser.add_argument("--recipe", choices=("demo", "tuned"), default="demo", help="the paper's recipe cut short, or the shipped towers, tuned")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2, help="seeds at once, each on one core")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of result files")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"), help="folder of trained models")
    args = parser.parse_args()
    if bool(args.archive) != bool(args.row) or (args.recipe == "tuned" and not args.archive):
        parser.error("give an archive and its --row together; --recipe tuned needs both")
    world = World(args.archive, args.row, args.recipe)
    given = [Path(word).name if args.archive and word == str(args.archive) else word for word in sys.argv[1:]]
    command = shlex.join(["python", "benchmarks/ablations.py", *given])
    folders = [args.runs / world.name / f"seed-{seed}" if args.archive else args.runs / f"seed-{seed}" for seed in range(args.seeds)]
    with ProcessPoolExecutor(args.processes, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        write(world, list(pool.map(run_seed, [world] * args.seeds, range(args.seeds), folders)), args.out, command)
    recognizer, _, test = world.trained(0, folders[0])
    arrays = (towers(recognizer, test) if world.recipe == "tuned" else maps(recognizer, test)) | strips(recognizer, test)
    print(write_result(args.out / f"pictures_{world.name}.npz", [], command=command, protocol=PROTOCOL | {"statistic": "single"}, arrays=arrays))


def run_seed(world: World, seed: int, folder: Path) -> Seed:
    """Train and test the preset and all variants with one seed."""
    recognizer, train, test = world.trained(seed, folder)
    reports = [zero_shot_report(recognizer, test)]
    for number, variant in enumerate(world.variants):
        changed = with_denoiser(recognizer, train, override(world.config, variant), seed, folder / f"variant-{number}.safetensors")
        reports.append(zero_shot_report(changed, test))
        print(f"seed {seed}, {variant}: top-1 {reports[-1].top1:.1%}; the preset {reports[0].top1:.1%}", file=sys.stderr, flush=True)
    alone, together = by_test_step(recognizer, test)
    return Seed([report.top1 for report in reports], ridge_report(recognizer, train, test).top1, alone, together, reports[0].chance)


def with_denoiser(base: Recognizer, train: ClipSet, config: Config, seed: int, checkpoint: Path | None = None) -> Recognizer:
    """The backbone of ``base`` with a denoiser trained under other settings, as :func:`tdsm.train.train_recognizer` would."""
    labels = as_labels(train.classes, base.descriptions)
    examples = examples_of(base.backbone, base.features(train), torch.from_numpy(train.y), labels, config)
    return Recognizer(config, base.backbone, fit_matcher(examples, config, seed=seed, checkpoint=checkpoint)[0], base.descriptions)


def by_test_step(recognizer: Recognizer, test: ClipSet) -> tuple[np.ndarray, np.ndarray]:
    """Share of right answers at each of ``STEPS``, (step, noise) under each test noise alone, and (step,) under their mean."""
    z_x, stream, matcher = recognizer.features(test)[:, None], recognizer.stream(test.classes), recognizer.matcher
    settings, alone, together = matcher.diffusion, [], []
    for step in STEPS:
        matcher.diffusion = replace(settings, test_step=step * settings.timesteps // 50)
        errors = matcher.noise_errors(z_x, stream).cpu().numpy()  # (B, K, S)
        alone.append((errors.argmin(axis=1) == test.y[:, None]).mean(axis=0))
        together.append((errors.mean(axis=2).argmin(axis=1) == test.y).mean())
    matcher.diffusion = settings
    return np.array(alone), np.array(together)


def write(world: World, seeds: Sequence[Seed], out: Path, command: str) -> None:
    """ablations_NAME.json and t_test_NAME.npz of all seeds."""
    rows = [
        {"benchmark": world.row or NAME, "variant": world.variant(variant), "tdsm": summary([seed.tdsm[number] for seed in seeds], seeds[0].chance)}
        for number, variant in enumerate(({}, *world.variants))
    ]
    rows[0]["ridge"] = summary([seed.ridge for seed in seeds], seeds[0].chance)
    protocol = PROTOCOL | {"statistic": "mean"} if len(seeds) > 1 else PROTOCOL
    print(write_result(out / f"ablations_{world.name}.json", rows, command=command, protocol=protocol, arrays={}))
    steps = {"top1": np.stack([seed.alone for seed in seeds]), "together": np.stack([seed.together for seed in seeds]), "steps": np.array(STEPS)}
    steps |= {"top1_variants": np.array([seed.tdsm for seed in seeds]), "variants": np.array([str(dict(variant)) for variant in ({}, *world.variants)])}
    print(write_result(out / f"t_test_{world.name}.npz", [], command=command, protocol=protocol, arrays=steps))


def summary(shares: Sequence[float], chance: float) -> dict[str, float | None]:
    """What a result file says of one method: mean and std over seeds."""
    std = float(np.std(shares, ddof=1)) if len(shares) > 1 else None
    return {"seeds": len(shares), "mean": float(np.mean(shares)), "std": std, "chance": chance}


def maps(recognizer: Recognizer, test: ClipSet) -> dict[str, np.ndarray]:
    """Where unseen clips lie in the plane, and the share of near neighbours of the same class in the full space, seen three ways.

    "encoder": z_x. "denoiser": the denoiser's last hidden state under all labels, side by side. "errors": the scores under all labels, less
    their mean over labels. None of the three knows a clip's class.
    """
    z_x, stream = recognizer.features(test), recognizer.stream(test.classes)
    report = zero_shot_report(recognizer, test)
    views = {
        "encoder": z_x.cpu().numpy(),
        "denoiser": recognizer.matcher.fused(z_x[:, None], stream).flatten(1).cpu().numpy(),
        "errors": report.scores - report.scores.mean(axis=1, keepdims=True),
    }
    made = {"labels": np.array(test.classes), "y": test.y}
    for name, rows in views.items():
        made |= {f"map_{name}": project(rows, "umap").astype(np.float32), f"agreement_{name}": np.array(knn_agreement(rows, test.y))}
    return made


def towers(recognizer: Recognizer, test: ClipSet) -> dict[str, np.ndarray]:
    """Where unseen clips and their labels lie in the one space of an aligned recognizer: with untrained towers, with the shipped ones, and with tuned ones.

    "map_NAME" holds the clips and, behind them, the labels; UMAP is fitted on both.
    """
    shipped = pretrained()
    shipped.descriptions = recognizer.descriptions
    made = {"labels": np.array(test.classes), "y": test.y}
    for name, each in {"untrained": untrained(shipped), "shipped": shipped, "tuned": recognizer}.items():
        space = common_space(each, test)
        points = project({"clips": space.clips, "labels": space.labels}, "umap", neighbours=40)
        first = float(((space.clips @ space.labels.T).argmax(1) == test.y).mean())
        made |= {f"map_{name}": points.astype(np.float32), f"first_{name}": np.array(first)}
    return made


def strips(recognizer: Recognizer, test: ClipSet) -> dict[str, np.ndarray]:
    """The first clip of each class, which nobody chose: some frames (clip, frame, joint, coordinate), their seconds, and the score of each label."""
    first = [int(np.flatnonzero(test.y == label)[0]) for label in range(len(test.classes))]
    frames = [np.linspace(0, test[clip].frames - 1, FRAMES).round().astype(int) for clip in first]
    return {
        "strip_joints": np.stack([test[clip].joints[0, chosen] for clip, chosen in zip(first, frames, strict=True)]).astype(np.float32),
        "strip_seconds": np.stack([chosen / test[clip].fps for clip, chosen in zip(first, frames, strict=True)]).astype(np.float32),
        "strip_scores": zero_shot_report(recognizer, test).scores[first],
        "layout": np.array(test.layout.name),
    }


if __name__ == "__main__":
    main()
