"""Search a library of clips by the names of its classes, and measure recall and time.

    python benchmarks/text_to_clips.py DATA ... --models runs/whole-*/model

Recall at k is the share of names for which one of the first k clips is of that class; classes with the same name in two data sets count as one. The second
table has the times of a search in a library of ``--clips`` random unit vectors, without and with reranking of the first 50 by the denoiser. The last line has
the speed of building a library.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import tdsm
from tdsm.evaluate import mean_std
from tdsm.search import Library
from tdsm.util.provenance import environment

DEPTHS = (1, 5, 10)


def main() -> None:
    """Build libraries, search them, and print two Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    parser.add_argument("--clips", type=int, default=100_000)
    args = parser.parse_args()
    about = environment(0)
    print(f"commit {about['commit']}, {about['date']}, {about['hardware']}; {len(args.models)} recognizers, one seed each\n")
    sets = [tdsm.load_clips(path) for path in args.data]
    found = []
    for path in args.models:
        recognizer = tdsm.Recognizer.from_pretrained(path)
        libraries = [Library.build(clips, recognizer, progress=False) for clips in sets]
        found.append((recalls(joined(libraries), 0), recalls(joined(libraries), 50)))
    clips, names = sum(map(len, sets)), len({label.lower() for clips in sets for label in clips.classes})
    print(f"| {clips} clips, {names} names | {' | '.join(f'R@{depth}' for depth in DEPTHS)} |\n|---|---|---|---|")
    for way, row in (("cosine", 0), ("first 50 ranked again by the denoiser", 1)):
        print(f"| {way} | {' | '.join(mean_std([each[row][place] for each in found]) for place in range(len(DEPTHS)))} |")
    speed(recognizer, max(sets, key=len), args.clips)


def joined(libraries: list[Library]) -> Library:
    """Join several libraries of one recognizer, with labels in lower case."""
    columns = {name: np.concatenate([getattr(each, name) for each in libraries]) for name in ("names", "labels", "subjects")}
    columns["labels"] = np.char.lower(columns["labels"])
    return replace(libraries[0], z=np.concatenate([each.z for each in libraries], axis=1), clips=None, **columns)


def recalls(library: Library, rerank: int) -> list[float]:
    """Recall at each depth."""
    names = sorted(set(library.labels.tolist()))
    hits = [[hit.label == name for hit in library.search(name, k=max(DEPTHS), rerank=rerank)] for name in names]
    return [float(np.mean([any(each[:depth]) for each in hits])) for depth in DEPTHS]


def speed(recognizer: tdsm.Recognizer, clips: tdsm.ClipSet, count: int) -> None:
    """Print milliseconds per search, and clips per second of building."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1, count, recognizer.backbone.features)).astype(np.float32)
    z = (z / np.linalg.norm(z, axis=2, keepdims=True)).astype(np.float16)
    blank = np.full(count, "")
    library = Library(recognizer, z, np.arange(count).astype(np.str_), blank, blank)
    print(f"\n| {count:,} clips | median ms of 20 queries |\n|---|---|")
    for way, rerank in (("cosine", 0), ("first 50 ranked again", 50)):
        times = []
        for query in range(21):
            start = time.perf_counter()
            library.search(f"wave {query} times", rerank=rerank)
            times.append(time.perf_counter() - start)
        print(f"| {way} | {1000 * float(np.median(times[1:])):.0f} |")
    start = time.perf_counter()
    Library.build(clips, recognizer, progress=False)
    print(f"\nbuilding: {len(clips) / (time.perf_counter() - start):.0f} clips of {clips.name} a second, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
