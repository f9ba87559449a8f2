"""Every method of tdsm.baselines on the same features and texts: which of them gains what, at equal encoder, prompts and protocol.

    python benchmarks/baselines.py utd_mhad_skeleton.zip nw_ucla_all_sqe.zip --seeds 5

For each row of the published table and each seed the default encoder is trained on the seen classes; z_x and z_g (name and sentence, side by side) then
go to every method. Nothing is selected on test clips, and answers are inductive. Progress goes to stderr, the table (Markdown) to stdout.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tdsm import baselines
from tdsm.benchmarks import Benchmark, benchmarks_of
from tdsm.clips import ClipSet
from tdsm.config import Config, default
from tdsm.datasets import load_clips
from tdsm.encoders import build_encoder
from tdsm.features import extract
from tdsm.preprocess import preprocess_all
from tdsm.prompts import load_prompts
from tdsm.text import TextEncoder, cache_folder, class_prompts
from tdsm.train import train_encoder


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


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", help="UTD-MHAD, NW-UCLA or both, as downloaded")
    parser.add_argument("--split", help="one published split or row, such as 22/5; left out: all of each data set")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config, rows = default(), []
    for path in args.data:
        clips = load_clips(path)
        rows += [(row, accuracies(row, clips, config, args.seeds)) for row in benchmarks_of(clips.name, args.split)]
    print(table(rows))


def accuracies(row: Benchmark, clips: ClipSet, config: Config, seeds: int) -> np.ndarray:
    """Top-1 % on unseen classes, (method, seed); of several class lists the mean over them."""
    text_encoder = TextEncoder(config.text, cache_folder())
    made = np.zeros((len(METHODS), seeds, len(row.draws)))
    for draw in range(len(row.draws)):
        train, test = row.divide(clips, draw)
        prompts = class_prompts((*train.classes, *test.classes), load_prompts(row.dataset))
        seen, unseen = text_encoder.encode(prompts, prompts_per_class=2).z_g.split([len(train.classes), len(test.classes)])
        for seed in range(seeds):
            start = time.monotonic()
            z_x, test_z_x = features(train, test, config, seed)
            print(f"{row.name} list {draw + 1} seed {seed}: encoder {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
            for method, (title, _, fit) in enumerate(METHODS):
                start = time.monotonic()
                answers = fit(z_x, torch.from_numpy(train.y), seen, seed=seed)(test_z_x, unseen).argmax(dim=1)
                made[method, seed, draw] = 100 * (answers.numpy() == test.y).mean()
                print(f"    {title}: {made[method, seed, draw]:.1f} % ({time.monotonic() - start:.1f} s)", file=sys.stderr, flush=True)
    return made.mean(axis=2)


def features(train: ClipSet, test: ClipSet, config: Config, seed: int) -> tuple[Tensor, Tensor]:
    """z_x (clip, channel) of both, by an encoder trained on the first."""
    x, test_x = (torch.from_numpy(preprocess_all(clips, config.preprocess)) for clips in (train, test))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = build_encoder(config.encoder, train.layout, config.preprocess.bodies, len(train.classes))
    train_encoder(encoder, x, torch.from_numpy(train.y), config.encoder, seed=seed)
    return extract(encoder, x)[:, 0].cpu(), extract(encoder, test_x)[:, 0].cpu()


def table(rows: list[tuple[Benchmark, np.ndarray]]) -> str:
    """A line a method; of each benchmark ours (mean ± std over seeds) and, beside it, what was published."""
    head = [cell for row, _ in rows for cell in (row.name, "published")]
    lines = [f"| method | {' | '.join(head)} |", "|" + "---|" * (len(head) + 1)]
    for method, (title, name, _) in enumerate(METHODS):
        cells = [cell for row, made in rows for cell in (_mean_std(made[method]), _published(row, name))]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    others = dict.fromkeys(name for row, _ in rows for name in row.published if name not in {method[1] for method in METHODS})
    lines += [f"| {name} | {' | '.join(cell for row, _ in rows for cell in ('', _published(row, name)))} |" for name in others]
    chance = " | ".join(f"{100 / len(row.draws[0]):.1f} | " for row, _ in rows)
    return "\n".join([*lines, f"| chance | {chance} |"])


def _mean_std(values: np.ndarray) -> str:
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}" if len(values) > 1 else f"{values.mean():.1f}"


def _published(row: Benchmark, method: str) -> str:
    return f"{row.published[method]:.1f}" if method in row.published else ""


if __name__ == "__main__":
    main()
