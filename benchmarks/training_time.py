"""Compare the training time of the recommended recipe with that of the paper's recipe at our size, alternately, in one run.

    OMP_NUM_THREADS=1 python benchmarks/training_time.py utd_mhad_skeleton.zip --split 18/9 --runs 2

The text encoder is loaded beforehand. "from nothing" includes the generation of the pairs (once per machine) and the training on them (once per seed); "later"
finds both in the cache. The table (Markdown) goes to stdout, with each time and the ratio of the means.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tdsm.catalogue.rows import benchmarks_of
from tdsm.config import Config
from tdsm.data.clips import ClipSet
from tdsm.data.prompts import Descriptions, load_prompts
from tdsm.data.readers import load_clips
from tdsm.text import TextEncoder
from tdsm.train import train_recognizer
from tdsm.util.files import read_text

PAPER = Path(__file__).with_name("paper_recipe_small.json")


def main() -> None:
    """Train alternately and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="UTD-MHAD or NW-UCLA, as downloaded")
    parser.add_argument("--split", required=True, help="one published split, such as 18/9")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--preset", type=Path, help="a JSON file of settings in place of the recommended recipe")
    parser.add_argument("--paper", type=Path, default=PAPER, help="settings of the paper's recipe")
    args = parser.parse_args()
    clips = load_clips(args.data)
    row = benchmarks_of(clips.name, args.split)[0]
    train, descriptions = row.divide(clips)[0], load_prompts(row.dataset)
    paper, ours = (Config.from_json(read_text(path), str(path)) if path else Config() for path in (args.paper, args.preset))
    seconds: dict[str, list[float]] = {"the paper's recipe": [], "recommended, from nothing": [], "recommended, later": []}
    for seed in range(args.runs):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["XDG_CACHE_HOME"] = cache  # folder of the generated pairs
            for name, config in zip(seconds, (paper, ours, ours), strict=True):
                seconds[name].append(_time(train, descriptions, config, seed))
                print(f"seed {seed}, {name}: {seconds[name][-1]:.0f} s", file=sys.stderr, flush=True)
    print(f"{row.name}, {len(train)} clips to train on\n\n| preset | seconds of each seed | the paper's recipe takes |\n|---|---|---|")
    papers = sum(seconds["the paper's recipe"])
    for name, times in seconds.items():
        print(f"| {name} | {' '.join(f'{each:.0f}' for each in times)} | {papers / sum(times):.1f} times as long |")


def _time(train: ClipSet, descriptions: Descriptions, config: Config, seed: int) -> float:
    text_encoder = TextEncoder(config.text)
    text_encoder.read_sentences(["this loads the model"])
    start = time.monotonic()
    train_recognizer(train, config, descriptions=descriptions, seed=seed, text_encoder=text_encoder)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
