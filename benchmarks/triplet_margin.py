"""Measure why the triplet loss lowers the accuracy on the synthetic demo, while it raises the accuracy in the paper.

    python benchmarks/triplet_margin.py          # 5 seeds, about ten minutes on one core

The setting is the demo of benchmarks/ablations.py (classifier features, the paper's mild noise) with one denoiser per weight and margin of the triplet loss;
everything else is shared. Columns: top-1 on unseen classes; the same after the mean score of each label over the test clips is subtracted (a diagnosis, not a
method); top-1 on training clips among the seen classes; and, at t_test, the denoising error of training clips under the right label and the increase under
wrong labels.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from ablations import CONFIG, with_denoiser

from tdsm.app.demo import demo_recognizer
from tdsm.config import override
from tdsm.data.clips import ClipSet
from tdsm.evaluate import mean_std, zero_shot_report
from tdsm.recognizer import Recognizer
from tdsm.util.provenance import environment

VARIANTS = {"none": {"diffusion.triplet_weight": 0.0}, "1, margin 1 (the paper's)": {}} | {
    f"{weight:g}, margin {margin:g}": {"diffusion.triplet_weight": weight, "diffusion.margin": margin}
    for weight, margin in ((1.0, 0.3), (1.0, 0.1), (0.1, 1.0))
}


def main() -> None:
    """Train and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=Path("runs/triplet"), help="folder of trained models")
    args = parser.parse_args()
    torch.set_num_threads(1)
    about = environment(0)
    found = defaultdict(lambda: defaultdict(list))
    for seed in range(args.seeds):
        base, train, test = demo_recognizer(args.runs / f"seed-{seed}", seed=seed, config=CONFIG)
        for name, variant in VARIANTS.items():
            recognizer = with_denoiser(base, train, override(CONFIG, variant), seed) if variant else base
            for column, value in measured(recognizer, train, test).items():
                found[name][column].append(value)
    print(f"commit {about['commit']}, {about['date']}, {about['hardware']}; {args.seeds} seeds\n")
    columns = list(next(iter(found.values())))
    print(f"| triplet loss | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for name, values in found.items():
        shares = [mean_std(values[column]) if "%" in column else f"{np.mean(values[column]):.2f}" for column in columns]
        print(f"| {name} | {' | '.join(shares)} |")


def measured(recognizer: Recognizer, train: ClipSet, test: ClipSet) -> dict[str, float]:
    """Numbers of one denoiser on unseen and on seen classes."""
    scores = zero_shot_report(recognizer, test).scores
    errors = recognizer.matcher.errors(recognizer.features(train)[:, None], recognizer.stream(train.classes)).cpu().numpy()
    right = errors[np.arange(len(train)), train.y]
    wrong = (errors.sum(1) - right) / (errors.shape[1] - 1)
    centred = scores - scores.mean(0)
    return {
        "unseen, top-1 %": float((scores.argmax(1) == test.y).mean()),
        "centred, %": float((centred.argmax(1) == test.y).mean()),
        "seen, training clips, %": float((errors.argmin(1) == train.y).mean()),
        "error of the right label": float(right.mean()),
        "wrong labels add": float((wrong - right).mean()),
    }


if __name__ == "__main__":
    main()
