"""Generalised zero-shot test on real data: S, U, H and the area under the curve, with gamma from pseudo-unseen classes.

    python benchmarks/generalised.py utd_mhad_skeleton.zip nw_ucla_all_sqe.zip --seeds 5

For each row of the published table and each seed, a quarter of the subjects is held out of all training. A first model is trained without some of the seen
classes, which serve as pseudo-unseen classes; gamma is the one with the largest H on them. A second model is trained on all seen classes. Its candidates are
all classes; S is its accuracy on clips of seen classes by the held-out subjects, U its accuracy on all clips of unseen classes. Ridge and the plain cosine use
the same features and texts, and their own gamma is chosen in the same way. The test is inductive; no unseen clip is used for any choice. No such numbers are
published for these rows. The table (Markdown) goes to stdout. Finished seeds are kept in --out, named by the hash of everything that they depend on.
"""

import argparse
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch

from tdsm.baselines import cosine, ridge
from tdsm.catalogue.rows import Benchmark, benchmarks_of
from tdsm.config import Config
from tdsm.data.clips import ClipSet
from tdsm.data.holdout import held_classes, holdout_clips, pseudo_unseen
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import load_clips
from tdsm.evaluate import mean_std
from tdsm.evaluate.gzsl import GeneralisedReport, choose_gamma, generalised_report
from tdsm.experiments.stages import Stage, code_of, new_stage
from tdsm.recognizer import Recognizer
from tdsm.text import TextEncoder, cache_folder
from tdsm.train import train_recognizer
from tdsm.util.files import read_object, read_text, write_json

METHODS = {"ridge": "ridge to text", "cosine": "cosine, no denoiser", "tdsm": "TDSM"}
NUMBERS = {"seen": "S", "unseen": "U", "harmonic": "H", "ausuc": "AUSUC", "uncalibrated": "H at gamma 0"}
CODE = ("backbones", "baselines", "data", "text", "model", "diffusion.py", "matcher.py", "util/loop.py", "train.py", "recognizer", "evaluate")


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path, help="UTD-MHAD, NW-UCLA or both, as downloaded")
    parser.add_argument("--split", help="one published split or row, such as 22/5; default: all of each data set")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--preset", type=Path, help="a JSON file of settings with the aligned backbone; default: the recommended recipe")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/generalised"), help="folder of finished seeds; an interrupted command resumes from it")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = Config.from_json(read_text(args.preset), str(args.preset)) if args.preset else Config()
    text_encoder = TextEncoder(config.text, cache_folder())
    print("| benchmark | method | " + " | ".join(NUMBERS.values()) + " | seeds |\n" + "|---" * (len(NUMBERS) + 3) + "|")
    for clips in map(load_clips, args.data):
        for row in benchmarks_of(clips.name, args.split):
            if len(row.draws) > 1:
                sys.exit(f"{row.name}: has {len(row.draws)} class lists; give --split of a row with one")
            found = [read_object(stage_of(row, clips, config, seed, text_encoder, args.out).path("found.json")) for seed in range(args.seeds)]
            for method, title in METHODS.items():
                cells = [mean_std([one[method][number] for one in found]) for number in NUMBERS]
                print(f"| {row.name} | {title} | " + " | ".join(cells) + f" | {args.seeds} |", flush=True)


def stage_of(row: Benchmark, clips: ClipSet, config: Config, seed: int, text_encoder: TextEncoder, out: Path) -> Stage:
    """The stage with the numbers of one seed, computed once."""

    def make(folder: Path) -> None:
        start = time.monotonic()
        found = measure(row, clips, config, seed, text_encoder)
        print(f"{row.name} seed {seed}: {time.monotonic() - start:.0f} s, H {100 * found['tdsm']['harmonic']:.1f} %", file=sys.stderr, flush=True)
        write_json(folder / "found.json", found)

    inputs = {"clips": clips.digest, "draws": row.draws, "partition": row.partition, "descriptions": load_prompts(row.dataset), "config": asdict(config)}
    inputs |= {"seed": seed, "text model": text_encoder.identity}
    return new_stage(out, "generalised", inputs, make, code=code_of(*CODE), unit="trainings", count=2)


def measure(row: Benchmark, clips: ClipSet, config: Config, seed: int, text_encoder: TextEncoder) -> dict[str, dict[str, float]]:
    """Method -> S, U and H at its gamma, AUSUC, gamma, and H at gamma 0; shares are 0 to 1."""
    train = partial(train_recognizer, config=config, descriptions=load_prompts(row.dataset), seed=seed, text_encoder=text_encoder)
    seen, unseen = row.divide(clips)
    fit, held = holdout_clips(seen, share=0.25, seed=seed)
    ((part, pseudo),) = pseudo_unseen(fit, held_classes(len(seen.classes), len(unseen.classes)), draws=1, seed=seed)
    chosen = reports(train(part), part, held.of_classes(part.classes), pseudo)
    gammas = {method: choose_gamma(report.scores, report.y, report.unseen_mask) for method, report in chosen.items()}
    tested = reports(train(fit), fit, held, unseen)
    return {method: report.at(gammas[method]).metrics() | {"uncalibrated": report.at(0.0).harmonic} for method, report in tested.items()}


def reports(recognizer: Recognizer, train: ClipSet, seen: ClipSet, unseen: ClipSet) -> dict[str, GeneralisedReport]:
    """The same test for each method. ``train`` are the clips that the recognizer was trained on, ``seen`` are other clips of the same classes."""
    tdsm = generalised_report(recognizer, seen, unseen)
    z_g = recognizer.text(tdsm.labels).z_g.cpu()
    z_x, tested = recognizer.features(train).cpu(), torch.cat([recognizer.features(clips) for clips in (seen, unseen)]).cpu()
    y = torch.tensor([recognizer.seen.index(clip.label) for clip in train])
    simple = {name: method.fit(z_x, y, z_g[: len(recognizer.seen)])(tested, z_g).numpy() for name, method in (("ridge", ridge), ("cosine", cosine))}
    return {method: replace(tdsm, scores=simple.get(method, tdsm.scores)) for method in METHODS}


if __name__ == "__main__":
    main()
