"""Compare all methods of tdsm.baselines on the same features and texts, with the same encoder, prompts and protocol.

    python benchmarks/baselines.py utd_mhad_skeleton.zip nw_ucla_all_sqe.zip --seeds 5         aligned features (the recommended recipe)
    python benchmarks/baselines.py ... --preset benchmarks/paper_recipe_small.json            features of a classifier, as in the literature

For each row of the published table and each seed, the preset's backbone is trained on the seen classes; all methods use its z_x and z_g. The last two
methods are TDSM: with the paper's recipe (joint stream, mild noise, noise prediction, unscaled z_x; steps and sizes reduced to those of the preset), and with
the preset. Nothing is selected on test clips, and answers are inductive. Progress goes to stderr, the table (Markdown) to stdout. All stages are kept in --out,
which may be the --out folder of `tdsm evaluate`: finished stages are not computed again, and an interrupted command resumes.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tdsm import baselines
from tdsm.backbones.fit import load_backbone
from tdsm.catalogue.feature_files import read_features
from tdsm.catalogue.rows import Benchmark, benchmarks_of
from tdsm.config import Config, paper
from tdsm.data.readers import load_clips
from tdsm.evaluate import mean_std
from tdsm.experiments.cells import Cell, Source, cells_of
from tdsm.experiments.plan import plan_of
from tdsm.experiments.run import run
from tdsm.experiments.stages import Stage, code_of, new_stage
from tdsm.util.files import read_object, read_text, write_json

METHODS: tuple[tuple[str, str, Callable[..., baselines.Score]], ...] = (  # title, name among the published methods, fit
    ("ridge to text", "", baselines.ridge.fit),
    ("DeViSE", "DeViSE", baselines.devise.fit),
    ("ReViSE", "ReViSE", baselines.revise.fit),
    ("JPoSE", "JPoSE", baselines.jpose.fit),
    ("contrastive", "", baselines.contrastive.fit),
    ("PURLS, global part", "Global", baselines.purls.fit),
    ("SMIE, global part", "SMIE", baselines.smie.fit),
    ("CADA-VAE", "CADA-VAE", baselines.cada_vae.fit),
    ("SynSE", "SynSE", baselines.synse.fit),
    ("SA-DVAE", "SA-DVAE", baselines.sa_dvae.fit),
    ("Flora's flow matching", "Flora", baselines.flow_matching.fit),
)
PAPERS, OURS = "TDSM, the paper's recipe", "TDSM, this preset"
TITLES = (*((title, name) for title, name, _ in METHODS), (PAPERS, "TDSM"), (OURS, ""))


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path, help="UTD-MHAD, NW-UCLA or both, as downloaded")
    parser.add_argument("--split", help="one published split or row, such as 22/5; default: all of each data set")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--preset", type=Path, help="a JSON file of settings; default: the recommended recipe")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/evaluate"), help="folder of all stages")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config, rows = Config.from_json(read_text(args.preset), str(args.preset)) if args.preset else Config(), []
    for clips in map(load_clips, args.data):
        source = Source(clips)
        for row in benchmarks_of(clips.name, args.split):
            shares = np.zeros((len(TITLES), args.seeds, len(row.draws)))
            for cell in cells_of(row, source, config, seeds=args.seeds):
                found = read_object(stage_of(cell, args.out).path("top1.json"))
                shares[:, cell.seed, cell.draw] = [found[title] for title, _ in TITLES]
            rows.append((row, shares.mean(axis=2)))
    print(table(rows))


def paper_recipe(config: Config) -> Config:
    """The paper's diffusion and text stream at the size and number of steps of ``config``."""
    return replace(config, diffusion=paper().diffusion, model=replace(config.model, stream="joint", prior=False))


def stage_of(cell: Cell, out: Path) -> Stage:
    """The shares of right answers of every method, computed once."""
    scores, papers = plan_of(cell, out), paper_recipe(cell.config)
    inputs = {"methods": [title for title, _ in TITLES], "recipe": {name: asdict(getattr(papers, name)) for name in ("diffusion", "model", "train")}}
    make = partial(write_shares, cell, out)
    return new_stage(out, "baselines", inputs, make, code=code_of("baselines"), unit="methods", count=len(TITLES), before=(scores,))


def write_shares(cell: Cell, out: Path, folder: Path) -> None:
    """Fit every method on the features of one cell; top1.json holds method -> share of right answers on the unseen classes."""
    (scored,) = run([cell], out)
    _, trained, extracted = plan_of(cell, out).before
    backbone, _ = load_backbone(trained.checked("backbone.json", "backbone.safetensors"), cell.text_encoder)
    features = read_features(extracted.path("features.npz"), cell.benchmark.classes)
    z_x, test_z_x = (torch.from_numpy(part) for part in (features.z_train, features.z_unseen))
    y, test_y = (np.searchsorted(classes, part) for classes, part in ((cell.train_classes, features.y_train), (cell.test_classes, features.y_unseen)))
    seen, unseen = (backbone.labels([cell.labels[index] for index in part]).to("cpu") for part in (cell.train_classes, cell.test_classes))
    scores: list[tuple[str, Callable[[], Callable[..., Tensor]], object]]
    scores = [(title, partial(fit, z_x, torch.from_numpy(y), seen.z_g, seed=cell.seed), unseen.z_g) for title, _, fit in METHODS]
    scores.append((PAPERS, partial(baselines.tdsm.fit, z_x, torch.from_numpy(y), seen, paper_recipe(cell.config), seed=cell.seed), unseen))
    found = {OURS: scored.reports["tdsm"].top1}
    for title, fit, candidates in scores:
        start = time.monotonic()
        found[title] = float((fit()(test_z_x, candidates).argmax(dim=1).numpy() == test_y).mean())
        took = f"{time.monotonic() - start:.1f} s"
        print(f"{cell.benchmark.name} list {cell.draw + 1} seed {cell.seed} {title}: {found[title]:.1%} ({took})", file=sys.stderr, flush=True)
    write_json(folder / "top1.json", found)


def table(rows: list[tuple[Benchmark, np.ndarray]]) -> str:
    """One row per method; for each benchmark our number (mean ± std over seeds) and the published number."""
    head = [cell for row, _ in rows for cell in (row.name, "published")]
    lines = [f"| method | {' | '.join(head)} |", "|" + "---|" * (len(head) + 1)]
    for method, (title, name) in enumerate(TITLES):
        cells = [cell for row, shares in rows for cell in (mean_std(shares[method].tolist()), _published(row, name))]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    others = dict.fromkeys(name for row, _ in rows for name in row.published if name not in {name for _, name in TITLES})
    lines += [f"| {name} | {' | '.join(cell for row, _ in rows for cell in ('', _published(row, name)))} |" for name in others]
    chance = " | ".join(f"{100 / len(row.draws[0]):.1f} | " for row, _ in rows)
    return "\n".join([*lines, f"| chance | {chance} |"])


def _published(row: Benchmark, method: str) -> str:
    return f"{row.published[method]:.1f}" if method in row.published else ""


if __name__ == "__main__":
    main()
