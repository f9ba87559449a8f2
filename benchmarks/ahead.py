"""Compare TDSM with each other method: differences paired by seed, with a 95 % interval (Student's t).

    tdsm evaluate UTD_ZIP UCLA_ZIP --seeds 10 --out runs/ours
    tdsm evaluate UTD_ZIP UCLA_ZIP --seeds 5 --preset benchmarks/paper_recipe_small.json --out runs/paper
    python benchmarks/ahead.py runs/ours runs/paper

Runs are read from the cells.csv of `tdsm evaluate`; nothing is trained. The second runs are paired by the seeds that both have. A published number is a
single number, so the interval of its difference is that of our mean over seeds. Time is the median training time of a seed.
"""

import argparse
import csv
import io
from pathlib import Path

import numpy as np

from tdsm.catalogue.rows import Benchmark, benchmark_named
from tdsm.evaluate import mean_std
from tdsm.experiments.validation import paired_difference
from tdsm.util.errors import InputError
from tdsm.util.files import read_text

METHODS = {"ridge": "ridge, same features and text", "cosine": "cosine, no denoiser"}
Runs = dict[str, dict[str, np.ndarray]]
"""Benchmark -> method -> top-1 of each seed, 0 to 1, mean over class lists; the method "seconds" has the time of each training."""


def main() -> None:
    """Read the runs and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("second", type=Path, nargs="?", help="runs of another preset, such as the paper's recipe")
    args = parser.parse_args()
    first, second = read(args.runs), read(args.second) if args.second else {}
    print("| benchmark | seeds | TDSM | against | its top-1 % | TDSM is ahead by [95 %] | s per seed |\n" + "|---" * 7 + "|")
    for name, methods in first.items():
        print("\n".join(lines(benchmark_named(name), methods, second.get(name))))


def lines(row: Benchmark, methods: dict[str, np.ndarray], second: dict[str, np.ndarray] | None) -> list[str]:
    """Markdown rows of one benchmark."""
    ours = methods["tdsm"]
    others = [(name, methods[method], seconds(methods)) for method, name in METHODS.items() if method in methods]
    if second is not None:
        others.append(("second runs", second["tdsm"][: len(ours)], seconds(second)))
    others += [(f"{name} (published)", np.full(len(ours), value / 100), "") for name, value in row.published.items()]
    found = []
    for name, values, time in others:
        same = ours[: len(values)]
        mean, low, high = paired_difference(100 * same, 100 * values)
        ahead = f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
        found.append(f"| {row.name} | {len(same)} | {mean_std(same.tolist())} | {name} | {100 * values.mean():.1f} | {ahead} | {time} |")
    return found


def read(folder: Path) -> Runs:
    """Read the cells.csv of a folder.

    Raises:
        InputError: the file is missing, or `tdsm evaluate` did not write it.
    """
    path = folder / "cells.csv"
    cells: dict[str, dict[str, dict[int, list[float]]]] = {}
    try:
        for line in csv.DictReader(io.StringIO(read_text(path, "give the --out folder of `tdsm evaluate`"))):
            methods = cells.setdefault(line["benchmark"], {})
            methods.setdefault(line["method"], {}).setdefault(int(line["seed"]), []).append(float(line["top1"]))
            if line["method"] == "tdsm" and line["seconds"]:
                methods.setdefault("seconds", {}).setdefault(int(line["seed"]), []).append(float(line["seconds"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"is not what `tdsm evaluate` writes ({error!r})", "give the --out folder of `tdsm evaluate`") from error
    return {
        name: {method: np.array([np.mean(values) for _, values in sorted(seeds.items())]) for method, seeds in methods.items()}
        for name, methods in cells.items()
    }


def seconds(methods: dict[str, np.ndarray]) -> str:
    """Text of the median training time; "" if no time is known."""
    return f"{np.median(methods['seconds']):.0f}" if "seconds" in methods else ""


if __name__ == "__main__":
    main()
