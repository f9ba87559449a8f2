"""Measure the memory needed to read many NTU RGB+D files, into memory and into a clip store, in one run (Linux).

    python benchmarks/read_memory.py            # 1,000 and 4,000 generated files, two processes

Each case runs in a new process. This script records the peak of RssAnon (memory that the system cannot drop; memory-mapped files do not
count) of the reading process and of its largest worker. The count of a worker includes memory that it shares with its parent since the fork. The
growth per file is the slope between the two sizes; it is extrapolated linearly to the 114,480 clips of NTU-120.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from read_ntu import generated

from tdsm.data.readers import Reading, read_ntu

NTU_120 = 114_480
MIB = 2**20


def folder_of(contents: list[Path], count: int, folder: Path) -> Path:
    """A folder of ``count`` recordings, which are links to a few files."""
    folder.mkdir()
    for number in range(count):
        name = f"S{1 + number // 9000:03}C001P{1 + number % 100:03}R{1 + number // 4500 % 2:03}A{1 + number // 100 % 45:03}.skeleton"
        os.link(contents[number % len(contents)], folder / name)
    return folder


def anonymous(process: int) -> int:
    """RssAnon of a process in bytes; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def children(process: int) -> list[int]:
    """Ids of the child processes."""
    try:
        return [int(child) for task in Path(f"/proc/{process}/task").iterdir() for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def watch(folder: Path, workers: int, store: str) -> tuple[int, int, int]:
    """RssAnon of a new process that reads the folder: before it reads, its peak, and the peak of its largest worker."""
    command = [sys.executable, __file__, "--folder", str(folder), "--workers", str(workers), *(["--store", store] if store else [])]
    before = parent = worker = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        before = anonymous(process.pid)
        process.stdout.close()
        while process.poll() is None:
            parent = max(parent, anonymous(process.pid))
            worker = max([worker, *map(anonymous, children(process.pid))])
            time.sleep(0.005)
    if process.returncode:
        raise SystemExit(f"the reading process ended with {process.returncode}")
    return before, parent, worker


def compare(frames: int, sizes: tuple[int, int], workers: int) -> None:
    """Print the peaks of both ways at both sizes, and the extrapolation."""
    with tempfile.TemporaryDirectory() as place:
        contents = [Path(place) / f"{number}.txt" for number in range(20)]
        for number, path in enumerate(contents):
            path.write_bytes(generated(frames, 1 + number % 2, number))
        folders = [folder_of(contents, size, Path(place) / f"files{size}") for size in sizes]
        for way in ("memory", "store"):
            peaks = []
            for size, folder in zip(sizes, folders, strict=True):
                before, parent, worker = watch(folder, workers, f"{place}/store{size}" if way == "store" else "")
                peaks.append(parent)
                print(f"{way}, {size} files: {before / MIB:.0f} MiB before, peak {parent / MIB:.0f} MiB, worker {worker / MIB:.0f} MiB", flush=True)
            slope = (peaks[1] - peaks[0]) / (sizes[1] - sizes[0])
            whole = peaks[1] + slope * (NTU_120 - sizes[1])
            print(f"{way}: {slope / 1024:.1f} KiB a file, so {whole / 2**30:.2f} GiB for NTU-120", flush=True)


def main() -> None:
    """Compare, or (in the measured process) read one folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=80)
    parser.add_argument("--sizes", type=int, nargs=2, default=(1000, 4000))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", help="read this folder and end")
    parser.add_argument("--store")
    args = parser.parse_args()
    if args.folder:
        print("ready", flush=True)
        time.sleep(0.2)
        read_ntu(args.folder, reading=Reading(progress=False, workers=args.workers, store=args.store))
    else:
        compare(args.frames, tuple(args.sizes), args.workers)


if __name__ == "__main__":
    main()
