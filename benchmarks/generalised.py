"""Generalised zero-shot test on real data: S, U, H and the area under the curve, with gamma from pseudo-unseen classes.

    python benchmarks/generalised.py utd_mhad_skeleton.zip nw_ucla_all_sqe.zip --seeds 5

Of each row of the published table and each seed: a quarter of the subjects is kept from all training. Some of the seen classes play the unseen ones
for a first model, on which gamma is chosen (largest H). A second model is trained on all seen classes; candidates are all classes, S is its accuracy on clips
of seen classes by the subjects kept out, U on all clips of unseen classes. Ridge and the plain cosine have the same features, texts and way to their
own gamma. Inductive; no unseen clip has a say in anything. Nobody published such numbers on these rows. The table (Markdown) goes to stdout.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from cells import kept, mean_std

from tdsm.baselines import ridge_to_text
from tdsm.catalogue.rows import Benchmark, benchmarks_of
from tdsm.config import Config, default
from tdsm.data.clips import ClipSet
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import load_clips
from tdsm.experiments.validation import held_classes, holdout_clips, pseudo_unseen
from tdsm.gzsl import GeneralisedReport, choose_gamma, generalised_report
from tdsm.recognizer import Recognizer, label_text
from tdsm.text import TextEncoder, cache_folder
from tdsm.train import train_recognizer

METHODS = {"ridge": "ridge to text", "cosine": "cosine, no denoiser", "tdsm": "TDSM"}
NUMBERS = {"seen": "S", "unseen": "U", "harmonic": "H", "ausuc": "AUSUC", "uncalibrated": "H at gamma 0"}


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", help="UTD-MHAD, NW-UCLA or both, as downloaded")
    parser.add_argument("--split", help="one published split or row, such as 22/5; left out: all of each data set")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/generalised"), help="folder of finished seeds; a killed command goes on from it")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = default()
    text_encoder = TextEncoder(config.text, cache_folder())
    print("| benchmark | method | " + " | ".join(NUMBERS.values()) + " | seeds |\n" + "|---" * (len(NUMBERS) + 3) + "|")
    for path in args.data:
        clips = load_clips(path)
        for row in benchmarks_of(clips.name, args.split):
            if len(row.draws) > 1:
                sys.exit(f"{row.name}: has {len(row.draws)} class lists; give --split of a row with one")
            made = [_cell(row, clips, config, seed, text_encoder, args.out) for seed in range(args.seeds)]
            for method, title in METHODS.items():
                cells = [mean_std(100 * np.array([found[method][number] for found in made])) for number in NUMBERS]
                print(f"| {row.name} | {title} | " + " | ".join(cells) + f" | {args.seeds} |", flush=True)


def _cell(row: Benchmark, clips: ClipSet, config: Config, seed: int, text_encoder: TextEncoder, out: Path) -> dict:
    def make() -> dict:
        start = time.monotonic()
        found = measure(row, clips, config, seed, text_encoder)
        print(f"{row.name} seed {seed}: {time.monotonic() - start:.0f} s, H {100 * found['tdsm']['harmonic']:.1f} %", file=sys.stderr, flush=True)
        return found

    return kept(out / row.name / f"{seed}.json", config, make)


def measure(row: Benchmark, clips: ClipSet, config: Config, seed: int, text_encoder: TextEncoder) -> dict[str, dict[str, float]]:
    """Method -> S, U and H at its gamma, the area, gamma, and H without gamma; 0 to 1."""
    seen, unseen = row.divide(clips)
    fit, held = holdout_clips(seen, share=0.25, seed=seed)
    ((part, pseudo),) = pseudo_unseen(fit, held_classes(len(seen.classes), len(unseen.classes)), draws=1, seed=seed)
    chosen = reports(_train(part, row, config, seed, text_encoder), part, held.of_classes(part.classes), pseudo)
    gammas = {method: choose_gamma(report.errors, report.y, report.unseen_mask) for method, report in chosen.items()}
    tested = reports(_train(fit, row, config, seed, text_encoder), fit, held, unseen)
    return {method: report.at(gammas[method]).metrics() | {"uncalibrated": report.at(0.0).harmonic} for method, report in tested.items()}


def _train(clips: ClipSet, row: Benchmark, config: Config, seed: int, text_encoder: TextEncoder) -> Recognizer:
    return train_recognizer(clips, config, descriptions=load_prompts(row.dataset), seed=seed, text_encoder=text_encoder)


def reports(recognizer: Recognizer, train: ClipSet, seen: ClipSet, unseen: ClipSet) -> dict[str, GeneralisedReport]:
    """The same test by each method; ``train`` are the clips that the recognizer was trained on, ``seen`` others of the same classes."""
    tdsm = generalised_report(recognizer, seen, unseen)
    told = label_text(recognizer.encoder, recognizer.text_encoder, tdsm.labels, recognizer.descriptions).z_g.cpu()
    known, seen_x, unseen_x = (recognizer.features(clips)[:, 0].cpu() for clips in (train, seen, unseen))
    tested, usual = torch.cat((seen_x, unseen_x)), recognizer.matcher.reference[:, 0].cpu() @ told.T
    cosine = (usual.mean(0) if len(usual) else 0.0) - tested @ told.T  # as tdsm.train.cosine_report
    y = torch.tensor([recognizer.seen.index(clip.label) for clip in train])
    ridge = -ridge_to_text(known, y, told[: len(recognizer.seen)], tested, told)
    errors = {"ridge": ridge.numpy(), "cosine": (cosine / told.shape[1]).numpy(), "tdsm": tdsm.errors}
    return {method: replace(tdsm, errors=each) for method, each in errors.items()}


if __name__ == "__main__":
    main()
