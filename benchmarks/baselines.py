"""Every method of tdsm.baselines on the same features and texts: which of them gains what, at equal encoder, prompts and protocol.

    python benchmarks/baselines.py utd_mhad_skeleton.zip nw_ucla_all_sqe.zip --seeds 5         aligned features (the default preset)
    python benchmarks/baselines.py ... --preset benchmarks/paper_recipe_small.json            a classifier's, as in the field
    python benchmarks/baselines.py ... --runs runs/evaluate                                   encoders that `tdsm evaluate` left, in place of new ones

For each row of the published table and each seed the preset's encoder is trained on the seen classes; its z_x and z_g then go to every method. The
last two are TDSM: in the paper's recipe (joint stream, mild noise, noise prediction, z_x as it is; steps and sizes cut to the preset's), and as the
preset has it; with --runs the latter is the run's own. Nothing is selected on test clips, and answers are inductive. Progress goes to stderr, the
table (Markdown) to stdout. Finished seeds are kept in --out, so that a killed command goes on.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from cells import kept, mean_std
from torch import Tensor

from tdsm import baselines
from tdsm.catalogue.rows import Benchmark, benchmarks_of
from tdsm.config import Config, default, paper
from tdsm.data.clips import ClipSet
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import load_clips
from tdsm.recognizer import Recognizer, label_text
from tdsm.text import TextEncoder, cache_folder
from tdsm.train import check_run, train_recognizer, zero_shot_report


def fit_ridge(z_x: Tensor, labels: Tensor, text: Tensor, *, seed: int = 0) -> baselines.Score:
    """Ridge regression in the form of the others; it draws nothing, so the seed does not matter."""
    return lambda test_z_x, candidates: baselines.ridge_to_text(z_x, labels, text, test_z_x, candidates)


METHODS: tuple[tuple[str, str, Callable[..., baselines.Score]], ...] = (  # ours, the same among the published, fit
    ("ridge to text", "", fit_ridge),
    ("DeViSE", "DeViSE", baselines.fit_devise),
    ("ReViSE", "ReViSE", baselines.fit_revise),
    ("JPoSE", "JPoSE", baselines.fit_jpose),
    ("contrastive", "", baselines.fit_contrastive),
    ("PURLS, global part", "Global", baselines.fit_purls),
    ("SMIE, global part", "SMIE", baselines.fit_smie),
    ("CADA-VAE", "CADA-VAE", baselines.fit_cada_vae),
    ("SynSE", "SynSE", baselines.fit_synse),
    ("SA-DVAE", "SA-DVAE", baselines.fit_sa_dvae),
    ("Flora's flow matching", "Flora", baselines.fit_flow_matching),
)


def paper_recipe(config: Config) -> Config:
    """The paper's diffusion and text stream at the size and number of steps of ``config``."""
    return replace(config, diffusion=paper().diffusion, model=replace(config.model, stream="joint", prior=False))


def as_it_is(config: Config) -> Config:
    """The preset's own."""
    return config


TDSM = {"TDSM, the paper's recipe": paper_recipe, "TDSM, this preset": as_it_is}
TITLES = (*((title, name) for title, name, _ in METHODS), *zip(TDSM, ("TDSM", ""), strict=True))


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", help="UTD-MHAD, NW-UCLA or both, as downloaded")
    parser.add_argument("--split", help="one published split or row, such as 22/5; left out: all of each data set")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--preset", type=Path, help="a config.json; left out: the default preset")
    parser.add_argument("--runs", type=Path, help="folder of `tdsm evaluate`, made with the same preset")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="folder of finished seeds; default: runs/baselines/PRESET")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config, rows = Config.from_json(args.preset.read_text(), str(args.preset)) if args.preset else default(), []
    out = args.out or Path("runs/baselines") / (args.preset.stem if args.preset else "default")
    text_encoder = TextEncoder(config.text, cache_folder())
    for path in args.data:
        clips = load_clips(path)
        for row in benchmarks_of(clips.name, args.split):
            made = np.zeros((len(TITLES), args.seeds, len(row.draws)))
            for draw, seed in np.ndindex(len(row.draws), args.seeds):
                made_before = args.runs and args.runs / row.name / (f"draw-{draw + 1}" if len(row.draws) > 1 else "") / str(seed)
                make = partial(accuracies, row, clips, draw, config, seed, text_encoder, made_before)
                found = kept(out / row.name / f"{draw}-{seed}.json", config, make)
                made[:, seed, draw] = [found[title] for title, _ in TITLES]
            rows.append((row, made.mean(axis=2)))
    print(table(rows))


def accuracies(row: Benchmark, clips: ClipSet, draw: int, config: Config, seed: int, text_encoder: TextEncoder, run: Path | None) -> dict[str, float]:
    """Method -> top-1 % on the unseen classes of one class list."""
    encoder_only, made = replace(config, train=replace(config.train, steps=1)), {}
    train, test = row.divide(clips, draw)
    start = time.monotonic()
    if run:
        check_run(run, config)
        recognizer = Recognizer.from_pretrained(run / "model", text_encoder)
    else:
        recognizer = train_recognizer(train, encoder_only, descriptions=load_prompts(row.dataset), seed=seed, text_encoder=text_encoder)
    z_x, test_z_x = (recognizer.features(part)[:, 0].cpu() for part in (train, test))
    print(f"{row.name} list {draw + 1} seed {seed}: encoder {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    told = label_text(recognizer.encoder, text_encoder, (*train.classes, *test.classes), recognizer.descriptions).to("cpu")
    y, rows = torch.from_numpy(train.y), torch.arange(len(told.z_g)).split([len(train.classes), len(test.classes)])
    seen, unseen = (told.select(index) for index in rows)
    scores = [(title, partial(fit, z_x, y, seen.z_g, seed=seed), unseen.z_g) for title, _, fit in METHODS]
    scores += [(title, partial(baselines.fit_tdsm, z_x, y, seen, each(config), seed=seed), unseen) for title, each in TDSM.items()]
    for title, fit, candidates in scores:
        start = time.monotonic()
        if run and title in TDSM and TDSM[title](config) == config:  # the run has it
            made[title] = 100 * zero_shot_report(recognizer, test).top1
        else:
            made[title] = 100 * float((fit()(test_z_x, candidates).argmax(dim=1).numpy() == test.y).mean())
        print(f"    {title}: {made[title]:.1f} % ({time.monotonic() - start:.1f} s)", file=sys.stderr, flush=True)
    return made


def table(rows: list[tuple[Benchmark, np.ndarray]]) -> str:
    """A line a method; of each benchmark ours (mean ± std over seeds) and, beside it, what was published."""
    head = [cell for row, _ in rows for cell in (row.name, "published")]
    lines = [f"| method | {' | '.join(head)} |", "|" + "---|" * (len(head) + 1)]
    for method, (title, name) in enumerate(TITLES):
        cells = [cell for row, made in rows for cell in (mean_std(made[method]), _published(row, name))]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    others = dict.fromkeys(name for row, _ in rows for name in row.published if name not in {name for _, name in TITLES})
    lines += [f"| {name} | {' | '.join(cell for row, _ in rows for cell in ('', _published(row, name)))} |" for name in others]
    chance = " | ".join(f"{100 / len(row.draws[0]):.1f} | " for row, _ in rows)
    return "\n".join([*lines, f"| chance | {chance} |"])


def _published(row: Benchmark, method: str) -> str:
    return f"{row.published[method]:.1f}" if method in row.published else ""


if __name__ == "__main__":
    main()
