"""A benchmark over several seeds: the mean, its spread, the simple baseline and the published numbers in one table.

Each (split, seed) trains its own encoder and denoiser and leaves its scores in a folder, so that an interrupted study goes on where it
stopped. Nothing is selected on unseen clips, and no test clip's answer depends on another's (inductive).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tdsm.benchmarks import Benchmark
from tdsm.clips import ClipSet
from tdsm.config import Config
from tdsm.evaluate import Report, Summary, summarise
from tdsm.pipeline import SELECTION, check_run, ridge_report, train_recognizer, zero_shot_report
from tdsm.runs import environment, write_json, write_text
from tdsm.text import TextEncoder, cache_folder

__all__ = ["PROTOCOL", "Row", "markdown_table", "run_benchmark", "write_table"]

PROTOCOL = {
    "setting": "inductive zero-shot; candidates are the unseen classes",
    "selection": SELECTION,
    "partition": "all clips of the seen classes train, all clips of the unseen classes test",
}


@dataclass(frozen=True)
class Row:
    """One benchmark: ours, the baseline on the same features and text, and what was published."""

    benchmark: Benchmark
    tdsm: Summary
    ridge: Summary
    seconds: float


def run_benchmark(
    benchmark: Benchmark,
    clips: ClipSet,
    config: Config,
    folder: Path,
    *,
    seeds: int = 5,
    descriptions: Mapping[str, str] | None = None,
    text_encoder: TextEncoder | None = None,
) -> Row:
    """Train and test ``seeds`` times; seed s uses ``folder/s`` and is skipped when its scores stand there already."""
    train, test = benchmark.divide(clips)
    text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
    reports, ridges, seconds = [], [], []
    for seed in range(seeds):
        place = folder / str(seed)
        check_run(place, config)
        if not (place / "scores.npz").exists():
            start = time.monotonic()
            recognizer = train_recognizer(train, config, descriptions=descriptions, folder=place, seed=seed, text_encoder=text_encoder)
            report, ridge = zero_shot_report(recognizer, test), ridge_report(recognizer, train, test)
            _save(place, report, ridge, time.monotonic() - start)
        with np.load(place / "scores.npz", allow_pickle=False) as scores:
            reports.append(Report(scores["errors"], test.y, test.classes, test.subjects))
            ridges.append(Report(scores["ridge"], test.y, test.classes, test.subjects))
            seconds.append(float(scores["seconds"]))
    return Row(benchmark, summarise(reports), summarise(ridges), float(np.mean(seconds)))


def _save(place: Path, report: Report, ridge: Report, seconds: float) -> None:
    write_json(place / "metrics.json", {"protocol": PROTOCOL, "seconds": seconds, "tdsm": report.metrics(), "ridge": ridge.metrics()})
    partial = place / "scores.npz.partial"
    with partial.open("wb") as file:
        np.savez_compressed(file, errors=report.errors, ridge=ridge.errors, seconds=np.array(seconds))
    partial.replace(place / "scores.npz")


def markdown_table(rows: Sequence[Row]) -> str:
    """The rows as Markdown: top-1 % on unseen classes, mean ± std over seeds and the 95 % interval over subjects."""
    methods = list(dict.fromkeys(method for row in rows for method in row.benchmark.published))
    head = ["benchmark", "chance", *(f"{method} (published)" for method in methods), "ridge to text", "TDSM", "TDSM, 95 % over subjects", "seeds", "s a seed"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        published = [f"{row.benchmark.published[method]:.1f}" if method in row.benchmark.published else "" for method in methods]
        ours = [f"{100 * one.mean:.1f} ± {100 * one.std:.1f}" for one in (row.ridge, row.tdsm)]
        interval = f"{100 * row.tdsm.low:.1f} to {100 * row.tdsm.high:.1f}"
        cells = [row.benchmark.name, f"{100 * row.tdsm.chance:.1f}", *published, *ours, interval, str(row.tdsm.seeds), f"{row.seconds:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_table(rows: Sequence[Row], folder: Path) -> Path:
    """table.md and table.json in ``folder``; returns the first."""
    values = [
        {"benchmark": row.benchmark.name, "published": row.benchmark.published, "tdsm": vars(row.tdsm), "ridge": vars(row.ridge), "seconds": row.seconds}
        for row in rows
    ]
    write_json(folder / "table.json", {"protocol": PROTOCOL, "environment": environment(0), "rows": values})
    return write_text(folder / "table.md", markdown_table(rows) + "\n")
