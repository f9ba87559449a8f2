"""Where TDSM and the plain cosine answer differently, and how much of it is a preference for some labels.

    tdsm evaluate DATA ... --seeds 5 --out runs/published
    python benchmarks/where_they_differ.py runs/published

Of each row of `tdsm evaluate`: top-1 of both; top-1 of both after the mean score of each label over all test clips is taken off (a diagnosis, no answer: it
uses the test clips together); and the exchange of labels that makes up most of the difference, as true class: answer of the cosine -> answer of TDSM.
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
    print("| unseen classes | seeds | cosine | TDSM | cosine, centred | TDSM, centred | largest exchange, clips per seed |\n|---|---|---|---|---|---|---|")
    rows = defaultdict(list)
    for path in sorted(args.folder.glob("scores-*/scores.npz")):
        rows[tuple(json.loads((path.parent / "about.json").read_text())["labels"])].append(np.load(path))
    for labels, cells in sorted(rows.items(), key=lambda row: len(row[0])):
        print(row(labels, cells))


def row(labels: tuple[str, ...], cells: list) -> str:
    """The row of one list of unseen classes; a cell is one seed."""
    found, exchanged = defaultdict(list), Counter()
    for cell in cells:
        y, scores = cell["y"], {"cosine": cell["cosine"], "TDSM": -cell["errors"].mean(2)}
        for name, each in scores.items():
            found[name].append(float((each.argmax(1) == y).mean()))
            found[f"{name}, centred"].append(float(((each - each.mean(0)).argmax(1) == y).mean()))
        answers = y, scores["cosine"].argmax(1), scores["TDSM"].argmax(1)
        exchanged.update((labels[true], labels[one], labels[other]) for true, one, other in zip(*answers, strict=True) if one != other)
    shown = [f"{true}: {one} -> {other}, {count / len(cells):.0f}" for (true, one, other), count in exchanged.most_common(2)]
    columns = [mean_std(found[name]) for name in ("cosine", "TDSM", "cosine, centred", "TDSM, centred")]
    return f"| {len(labels)} ({labels[0]}, ...) | {len(cells)} | {' | '.join(columns)} | {'; '.join(shown)} |"


if __name__ == "__main__":
    main()
