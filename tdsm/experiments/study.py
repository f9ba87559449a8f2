"""A benchmark over several seeds: the mean, its spread, the simple baseline and the published numbers in one table.

Each (split, seed) trains its own encoder and denoiser and leaves its scores in a folder, so that an interrupted study goes on where it
stopped. Nothing is selected on unseen clips, and no test clip's answer depends on another's (inductive).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tdsm.catalogue.rows import Benchmark
from tdsm.config import Config
from tdsm.data.clips import ClipSet
from tdsm.data.prompts import Descriptions
from tdsm.evaluate import Report, Summary, summarise
from tdsm.text import TextEncoder, cache_folder
from tdsm.train import SELECTION, check_run, cosine_report, ridge_report, train_recognizer, zero_shot_report
from tdsm.util.files import atomic, write_json, write_text
from tdsm.util.provenance import environment

__all__ = ["PROTOCOL", "Row", "markdown_table", "protocol_of", "run_benchmark", "write_table"]

PROTOCOL = {
    "setting": "inductive zero-shot; candidates are the unseen classes",
    "selection": SELECTION,
    "partition": "all clips of the seen classes train, all clips of the unseen classes test",
}


@dataclass(frozen=True)
class Row:
    """One benchmark: ours, the baseline on the same features and text, and what was published.

    Attributes:
        benchmark: the row.
        tdsm, ridge: of several class lists (draws) the mean over them, as published; see :func:`run_benchmark`.
        cosine: of an aligned encoder, what it answers without the denoiser; else None.
        seconds: mean time of one training.
    """

    benchmark: Benchmark
    tdsm: Summary
    ridge: Summary
    cosine: Summary | None
    seconds: float


def protocol_of(benchmark: Benchmark) -> dict[str, str]:
    """What to write beside every number of this benchmark."""
    if benchmark.partition == "all":
        return PROTOCOL
    parts = f"{benchmark.partition}: seen classes of its training part train, unseen classes of its test part test"
    return PROTOCOL | {"partition": parts}


def run_benchmark(
    benchmark: Benchmark,
    clips: ClipSet,
    config: Config,
    folder: Path,
    *,
    seeds: int = 5,
    descriptions: Descriptions | None = None,
    text_encoder: TextEncoder | None = None,
) -> Row:
    """Train and test ``seeds`` times on every class list of the row.

    Seed s uses ``folder/s``, or ``folder/draw-1/s`` and so on where there are several class lists, and is skipped when its scores stand there
    already. Accuracies of several lists are the mean over the lists, seed by seed. So is the 95 % interval: the mean of the lists' lower and upper
    bounds, which is not narrower than the interval of the mean.
    """
    text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
    draws = []
    for draw in range(len(benchmark.draws)):
        place = folder / f"draw-{draw + 1}" if len(benchmark.draws) > 1 else folder
        train, test = benchmark.divide(clips, draw)
        made = [_run(protocol_of(benchmark), train, test, config, place / str(seed), seed, descriptions, text_encoder) for seed in range(seeds)]
        draws.append(made)
    found = {name: _over_draws([[run[0][name] for run in made] for made in draws]) for name in draws[0][0][0]}
    seconds = float(np.mean([run[1] for made in draws for run in made]))
    return Row(benchmark, found["errors"], found["ridge"], found.get("cosine"), seconds)


def _run(
    protocol: Mapping[str, str],
    train: ClipSet,
    test: ClipSet,
    config: Config,
    place: Path,
    seed: int,
    descriptions: Descriptions | None,
    text_encoder: TextEncoder,
) -> tuple[dict[str, Report], float]:
    """Reports of TDSM ("errors"), ridge regression and, of an aligned encoder, the cosine alone; and seconds: of one training, now or earlier."""
    check_run(place, config)
    if not (place / "scores.npz").exists():
        start = time.monotonic()
        recognizer = train_recognizer(train, config, descriptions=descriptions, folder=place, seed=seed, text_encoder=text_encoder)
        reports = {"errors": zero_shot_report(recognizer, test), "ridge": ridge_report(recognizer, train, test)}
        if config.align.pairs:
            reports["cosine"] = cosine_report(recognizer, test)
        _save(place, protocol, reports, time.monotonic() - start)
    with np.load(place / "scores.npz", allow_pickle=False) as scores:
        names = [name for name in ("errors", "ridge", "cosine") if name in scores.files]
        return {name: Report(scores[name], test.y, test.classes, test.subjects) for name in names}, float(scores["seconds"])


def _over_draws(draws: Sequence[Sequence[Report]]) -> Summary:
    """The summary of one row; ``draws`` holds the reports of each class list, one a seed."""
    each = [summarise(reports) for reports in draws]
    top1 = np.mean([[report.top1 for report in reports] for reports in draws], axis=0)
    mean = {name: float(np.mean([getattr(one, name) for one in each])) for name in ("mean", "class_mean", "low", "high", "chance")}
    return replace(each[0], **mean, std=float(np.std(top1, ddof=1)) if len(top1) > 1 else 0.0)


def _save(place: Path, protocol: Mapping[str, str], reports: Mapping[str, Report], seconds: float) -> None:
    metrics = {"tdsm" if name == "errors" else name: report.metrics() for name, report in reports.items()}
    write_json(place / "metrics.json", {"protocol": protocol, "seconds": seconds} | metrics)
    with atomic(place / "scores.npz") as partial, partial.open("wb") as file:
        np.savez_compressed(file, seconds=np.array(seconds), **{name: report.errors for name, report in reports.items()})


def markdown_table(rows: Sequence[Row]) -> str:
    """The rows as Markdown: top-1 % on unseen classes, mean ± std over seeds and the 95 % interval over subjects."""
    methods = list(dict.fromkeys(method for row in rows for method in row.benchmark.published))
    aligned = any(row.cosine for row in rows)
    ours = ["ridge to text", *(["cosine, no denoiser"] if aligned else []), "TDSM"]
    head = ["benchmark", "chance", *(f"{method} (published)" for method in methods), *ours, "TDSM, 95 % over subjects", "seeds", "s a seed"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        published = [f"{row.benchmark.published[method]:.1f}" if method in row.benchmark.published else "" for method in methods]
        made = [row.ridge, *([row.cosine] if aligned else []), row.tdsm]
        found = [f"{100 * one.mean:.1f} ± {100 * one.std:.1f}" if one else "" for one in made]
        interval = f"{100 * row.tdsm.low:.1f} to {100 * row.tdsm.high:.1f}"
        cells = [row.benchmark.name, f"{100 * row.tdsm.chance:.1f}", *published, *found, interval, str(row.tdsm.seeds), f"{row.seconds:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_table(rows: Sequence[Row], folder: Path) -> Path:
    """table.md and table.json in ``folder``; returns the first."""
    values = [
        {"benchmark": row.benchmark.name, "protocol": protocol_of(row.benchmark), "published": row.benchmark.published}
        | {"tdsm": vars(row.tdsm), "ridge": vars(row.ridge), "cosine": vars(row.cosine) if row.cosine else None, "seconds": row.seconds}
        for row in rows
    ]
    write_json(folder / "table.json", {"environment": environment(0), "rows": values})
    return write_text(folder / "table.md", markdown_table(rows) + "\n")
