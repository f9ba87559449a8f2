"""Measure the speed and the memory of spotting, on one core.

    python benchmarks/spotting_speed.py

The synthetic body performs actions with and without rests; its frames are pushed in parts of one second. The time is CPU time of the process, so other work on
the machine does not count. A speed of 1 is real time.
"""

import argparse
import resource
import time

import numpy as np
import torch

import tdsm
from tdsm.data.synthetic import UNSEEN, synthetic_clips
from tdsm.spotting.takes import joined
from tdsm.util.provenance import environment


def main() -> None:
    """Push frames and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60])
    args = parser.parse_args()
    torch.set_num_threads(1)
    about = environment(0)
    print(f"commit {about['commit']}, {about['date']}, {about['hardware']}\n")
    print("| recording | minutes | times real time | frames remembered at most | memory of the process, MB |\n|---|---|---|---|---|")
    recognizer = tdsm.pretrained()
    clips = synthetic_clips(1, actions=UNSEEN)
    for rests in (True, False):
        take, _ = joined(list(clips), 0, rests=rests)
        for minutes in args.minutes:
            times, most = pushed(recognizer, take, minutes)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"| {'with rests' if rests else 'no rests'} | {minutes:g} | {times:.0f} | {most} | {memory:.0f} |", flush=True)


def pushed(recognizer: tdsm.Recognizer, take: tdsm.Clip, minutes: float) -> tuple[float, int]:
    """(speed relative to real time, largest number of frames in memory) for ``minutes`` of a repeated take."""
    spotter, second = tdsm.Spotter(recognizer, list(UNSEEN), take.layout, take.fps), round(take.fps)
    spotter.push(take.joints[:, :second])  # reads the labels
    start, most = time.process_time(), 0
    for number in range(round(60 * minutes)):
        spotter.push(np.take(take.joints, range(number * second, (number + 1) * second), axis=1, mode="wrap"))
        most = max(most, spotter.remembered)
    spotter.finish()
    return 60 * minutes / (time.process_time() - start), most


if __name__ == "__main__":
    main()
