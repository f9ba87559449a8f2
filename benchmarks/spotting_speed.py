"""How fast recordings are spotted, and how much is remembered, on one core.

    python benchmarks/spotting_speed.py

The synthetic body performs actions with rests, and without; its frames are pushed a second at a time. The time is that of the process, and so without what else
the machine does. Real time is 1.
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
    """(times real time, frames remembered at most) of ``minutes`` of a take, over and over."""
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
