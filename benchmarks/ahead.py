"""Is it really ahead? TDSM against each other method, paired by seed, with a 95 % interval (Student's t).

    tdsm evaluate UTD_ZIP UCLA_ZIP --seeds 10 --out runs/ours
    tdsm evaluate UTD_ZIP UCLA_ZIP --seeds 5 --preset benchmarks/paper_recipe_small.json --out runs/paper
    python benchmarks/ahead.py runs/ours runs/paper

Runs are read from the folders that `tdsm evaluate` leaves; nothing is trained. The second runs are paired by the seeds that both have. Against a
published number, which is single, the interval is that of our mean over seeds. Time is the median of a seed, all included.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from tdsm.catalogue.rows import Benchmark, benchmark_named
from tdsm.experiments.validation import paired_difference

METHODS = {"ridge": "ridge, same features and text", "cosine": "cosine, no denoiser"}


def main() -> None:
    """Read and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("second", type=Path, nargs="?", help="runs of another preset, such as the paper's recipe")
    args = parser.parse_args()
    print("| benchmark | seeds | TDSM | against | its top-1 % | TDSM is ahead by [95 %] | s a seed |\n" + "|---" * 7 + "|")
    for folder in sorted(folder for folder in args.runs.iterdir() if folder.is_dir()):
        for line in lines(benchmark_named(folder.name), folder, args.second and args.second / folder.name):
            print(line)


def lines(row: Benchmark, folder: Path, second: Path | None) -> list[str]:
    """Markdown rows of one benchmark."""
    runs = read(folder)
    ours = top1(runs, "tdsm")
    others = [(name, top1(runs, method), seconds(runs)) for method, name in METHODS.items() if method in runs[0]]
    if second is not None and second.is_dir():
        theirs = read(second)
        others.append(("second runs", top1(theirs, "tdsm")[: len(ours)], seconds(theirs)))
    others += [(f"{name} (published)", np.full(len(ours), value), "") for name, value in row.published.items()]
    made = []
    for name, values, time in others:
        same = ours[: len(values)]
        mean, low, high = paired_difference(same, values)
        ahead = f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
        made.append(f"| {row.name} | {len(same)} | {same.mean():.1f} ± {same.std(ddof=1):.1f} | {name} | {values.mean():.1f} | {ahead} | {time} |")
    return made


def read(folder: Path) -> list[dict]:
    """metrics.json of each seed, in order of seed."""
    return [json.loads((place / "metrics.json").read_text()) for place in sorted(folder.iterdir(), key=lambda place: int(place.name))]


def top1(runs: list[dict], method: str) -> np.ndarray:
    """Top-1 % of each seed."""
    return 100 * np.array([run[method]["top1"] for run in runs])


def seconds(runs: list[dict]) -> str:
    """Median time of a training."""
    return f"{np.median([run['seconds'] for run in runs]):.0f}"


if __name__ == "__main__":
    main()
