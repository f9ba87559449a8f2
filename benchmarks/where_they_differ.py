"""Compare the answers of TDSM and of the plain cosine, and measure how much of the difference is a preference for some labels.

    tdsm evaluate DATA ... --seeds 5 --out runs/published
    python benchmarks/where_they_differ.py runs/published

For each row of `tdsm evaluate`, the table has top-1 of both; top-1 of both after the mean score of each label over all test clips is subtracted (a diagnosis,
not a method, because it uses all test clips together); and the classes whose clips gain and lose most, in clips per seed, with the most frequent change of
answer, cosine -> TDSM.
"""

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from tdsm.evaluate import mean_std
from tdsm.util.provenance import environment


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what `tdsm evaluate --out` wrote")
    args = parser.parse_args()
    about = environment(0)
    print(f"commit {about['commit']}, {about['date']}, {about['hardware']}\n")
    print("| unseen classes | seeds | cosine | TDSM | cosine, centred | TDSM, centred | gains most | loses most |\n|---|---|---|---|---|---|---|---|")
    rows = defaultdict(list)
    for path in sorted(args.folder.glob("scores-*/scores.npz")):
        rows[tuple(json.loads((path.parent / "about.json").read_text())["labels"])].append(np.load(path))
    for labels, cells in sorted(rows.items(), key=lambda row: len(row[0])):
        print(row(labels, cells))


def row(labels: tuple[str, ...], cells: list) -> str:
    """The table row of one list of unseen classes; each entry of ``cells`` is one seed."""
    found, gained, lost = defaultdict(list), Counter(), Counter()
    for cell in cells:
        y, scores = cell["y"], {"cosine": cell["cosine"], "TDSM": -cell["errors"].mean(2)}
        for name, each in scores.items():
            found[name].append(float((each.argmax(1) == y).mean()))
            found[f"{name}, centred"].append(float(((each - each.mean(0)).argmax(1) == y).mean()))
        answers = list(zip(y.tolist(), scores["cosine"].argmax(1).tolist(), scores["TDSM"].argmax(1).tolist(), strict=True))
        gained.update((true, one, other) for true, one, other in answers if one != true == other)
        lost.update((true, one, other) for true, one, other in answers if one == true != other)
    net = [sum(count * sign for counts, sign in ((gained, 1), (lost, -1)) for key, count in counts.items() if key[0] == true) for true in range(len(labels))]
    columns = [mean_std(found[name]) for name in ("cosine", "TDSM", "cosine, centred", "TDSM, centred")]
    most = [_most(labels, true, net[true] / len(cells), counts, len(cells)) for true, counts in ((int(np.argmax(net)), gained), (int(np.argmin(net)), lost))]
    return f"| {len(labels)} ({labels[0]}, ...) | {len(cells)} | {' | '.join([*columns, *most])} |"


def _most(labels: tuple[str, ...], true: int, net: float, counts: Counter, seeds: int) -> str:
    """Text for one class: its gain or loss, and the most frequent change of answer."""
    exchanges = [(count, one, other) for (of, one, other), count in counts.items() if of == true]
    if not exchanges:
        return "none"
    count, one, other = max(exchanges)
    return f"{labels[true]} {net:+.1f}: {labels[one]} -> {labels[other]} {count / seeds:.1f}"


if __name__ == "__main__":
    main()
