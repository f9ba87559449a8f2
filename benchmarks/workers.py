"""Compare a study of 8 cells in one process with the same study in two workers of this machine, in one run: time, and whether the tables are equal.

    python benchmarks/workers.py nw_ucla_all_sqe.zip --set encoder.kind=tcn --set encoder.steps=300 --set train.steps=300

The study has two settings, two draws of pseudo-unseen classes and two seeds, with one thread per process. Each call starts in an empty folder; both use the
same cache of texts, which is filled beforehand. Wall-clock times include the start of Python. CPU seconds are those of all processes of a call. If other work
uses the cores, the ratio of the CPU seconds of one process to half the CPU seconds of two workers estimates the speed-up on an idle machine.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

GRID = '{"train.batch": [128, 64]}'


def main() -> None:
    """Run both calls, and print one line per call and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a data set as downloaded")
    parser.add_argument("--split", default="8/2")
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--set", action="append", default=[], help="a setting of the study, such as train.steps=100")
    args = parser.parse_args()
    options = [str(args.data), "--split", args.split, "--preset", args.preset, *(word for setting in args.set for word in ("--set", setting))]
    study = [sys.executable, "-m", "tdsm.cli", "study", GRID, *options, "--draws", "2", "--seeds", "2"]
    with tempfile.TemporaryDirectory() as folder:
        short = ("--set", "train.steps=1", "--set", "encoder.steps=1", "--draws", "1", "--seeds", "1")
        timed([sys.executable, "-m", "tdsm.cli", "study", "{}", *options, *short, "--out", f"{folder}/texts"])
        one = timed([*study, "--out", f"{folder}/one"])
        two = timed([*study, "--out", f"{folder}/two", "--launcher", "local", "--workers", "2", "--threads", "1"])
        same = Path(folder, "one/table.md").read_bytes() == Path(folder, "two/table.md").read_bytes()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, 8 cells, 1 thread a process")
    for name, (clock, cpu) in (("one process", one), ("two workers", two)):
        print(f"{name}: {clock:.1f} s, {cpu:.1f} CPU s")
    sooner, by_cpu = one[0] / two[0], one[1] / (two[1] / 2)
    print(f"two workers are {sooner:.2f}x as fast by the clock, {by_cpu:.2f}x by CPU seconds of each; tables {'are' if same else 'ARE NOT'} the same bytes")


def timed(command: Sequence[str]) -> tuple[float, float]:
    """(wall-clock seconds, CPU seconds) of a command and its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
