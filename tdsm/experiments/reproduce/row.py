"""Doing a plan, and the row that comes out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tdsm.catalogue.feature_files import read_features
from tdsm.catalogue.rows import Benchmark
from tdsm.experiments.reproduce.plan import Plan
from tdsm.train import SELECTION
from tdsm.util.files import check_space, write_json, write_text
from tdsm.util.provenance import environment

__all__ = ["Row", "markdown", "run_plan", "write_row"]


@dataclass(frozen=True)
class Row:
    """What came out, beside what was published; accuracies are shares, 0 to 1.

    Attributes:
        seen, unseen: numbers of classes, counted in the clips themselves.
        train, test: numbers of clips of each class list.
        tdsm, ridge: mean over class lists of the top-1 on unseen classes, one for each seed (ridge has no seed: one).
        single_noise: the mean over test noises of the top-1 under one noise alone, as the paper reports; one for each seed.
    """

    benchmark: Benchmark
    seen: int
    unseen: int
    train: tuple[int, ...]
    test: tuple[int, ...]
    tdsm: tuple[float, ...]
    single_noise: tuple[float, ...]
    ridge: float


def run_plan(plan: Plan) -> Row:
    """Do what is not done yet, and read the row from the scores.

    Raises:
        InputError: a stage cannot be made, or the disk has not enough room.
    """
    out = plan.stages[-1].folder.parent
    out.mkdir(parents=True, exist_ok=True)
    check_space(out, sum(each.bytes for each in plan.stages if not each.done))
    for each in plan.stages:
        each.run()
    return _row(plan)


def _row(plan: Plan) -> Row:
    loaded = [[dict(np.load(folder / "scores.npz", allow_pickle=False)) for folder in draws] for draws in plan.scores]
    tdsm = [[_top1(seed["errors"].mean(axis=2), seed["y"]) for seed in draw] for draw in loaded]
    single = [[np.mean([_top1(errors, seed["y"]) for errors in np.moveaxis(seed["errors"], 2, 0)]) for seed in draw] for draw in loaded]
    first = read_features(plan.features[0], plan.benchmark.classes)
    return Row(
        plan.benchmark,
        len(np.unique(first.y_train)),
        len(np.unique(first.y_unseen)),
        tuple(int(draw[0]["train"]) for draw in loaded),
        tuple(len(draw[0]["y"]) for draw in loaded),
        tuple(map(float, np.mean(tdsm, axis=0))),
        tuple(map(float, np.mean(single, axis=0))),
        float(np.mean([_top1(draw[0]["ridge"], draw[0]["y"]) for draw in loaded])),
    )


def _top1(errors: np.ndarray, y: np.ndarray) -> float:
    return float((errors.argmin(axis=1) == y).mean())


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table: top-1 % on unseen classes, ours as mean ± std over seeds, published numbers beside them."""
    methods = list(dict.fromkeys(method for row in rows for method in row.benchmark.published))
    head = ["benchmark", "seen/unseen", "clips train/test", *(f"{method} (published)" for method in methods), "ridge to text", "TDSM", "one noise", "seeds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        published = [f"{row.benchmark.published[method]:.2f}" if method in row.benchmark.published else "" for method in methods]
        clips = f"{np.mean(row.train):,.0f}/{np.mean(row.test):,.0f}"
        ours = [f"{100 * row.ridge:.1f}", _spread(row.tdsm), _spread(row.single_noise), str(len(row.tdsm))]
        lines.append("| " + " | ".join([row.benchmark.name, f"{row.seen}/{row.unseen}", clips, *published, *ours]) + " |")
    return "\n".join(lines)


def _spread(shares: Sequence[float]) -> str:
    return f"{100 * np.mean(shares):.1f} ± {100 * np.std(shares, ddof=1):.1f}" if len(shares) > 1 else f"{100 * shares[0]:.1f}"


def write_row(row: Row, out: Path) -> Path:
    """The row as NAME.md and NAME.json in ``out``; returns the first."""
    values = {name: value for name, value in asdict(row).items() if name != "benchmark"}
    write_json(out / f"{row.benchmark.name}.json", {"benchmark": asdict(row.benchmark), "row": values, "selection": SELECTION, "environment": environment(0)})
    return write_text(out / f"{row.benchmark.name}.md", markdown([row]) + "\n")
