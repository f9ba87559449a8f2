"""Measure the time to read .skeleton files of NTU RGB+D, beside a plain parser that works line by line, in one run.

    python benchmarks/read_ntu.py            # 20 generated files of 100 frames, with one and two bodies

The plain parser works as public readers do: it makes a dictionary of the 12 numbers of each joint, then copies it to an array. The first lines show the
start-up time of the compiled scanner per process. Then files in memory are read in one process: CPU time, so that neither the disk nor other work on the
machine counts; the minimum over rounds per file, averaged over files. Then a folder with copies of these files is read, in wall-clock time, by the plain parser
in one process and by ours in one and in several processes.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tdsm.data.readers import ntu_text
from tdsm.data.readers.ntu import NtuDenoise, read_ntu, read_skeleton
from tdsm.data.readers.reading import Reading

NAME = "S001C001P001R001A001.skeleton"
FIELDS = ("x", "y", "z", "depth x", "depth y", "colour x", "colour y", "w", "qx", "qy", "qz", "state")


def generated(frames: int, bodies: int, seed: int) -> bytes:
    """A file in the form that the recorder writes: 7 significant digits, CRLF."""
    rng = np.random.default_rng(seed)
    lines = [str(frames)]
    for _ in range(frames):
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"{72057594037931101 + body} 0 1 1 1 1 0 {rng.normal():.7g} {rng.normal():.7g} 2", "25"]
            numbers = np.hstack([rng.normal(size=(25, 3)), rng.uniform(0, 500, (25, 2)), rng.uniform(0, 1900, (25, 2)), rng.normal(size=(25, 4))])
            lines += [" ".join(f"{number:.7g}" for number in row) + " 2" for row in numbers]
    return ("\r\n".join(lines) + "\r\n").encode()


def plain(content: bytes) -> np.ndarray:
    """Joints (M, T, 25, 3), read line by line."""
    file = io.TextIOWrapper(io.BytesIO(content))
    frames = []
    for _ in range(int(file.readline())):
        frame = {}
        for _ in range(int(file.readline())):
            body = file.readline().split()[0]
            frame[body] = [dict(zip(FIELDS, map(float, file.readline().split()), strict=True)) for _ in range(int(file.readline()))]
        frames.append(frame)
    ids = sorted({body for frame in frames for body in frame})
    joints = np.zeros((len(ids), len(frames), 25, 3), np.float32)
    for time_, frame in enumerate(frames):
        for body, points in frame.items():
            for joint, point in enumerate(points):
                joints[ids.index(body), time_, joint] = [point["x"], point["y"], point["z"]]
    return joints


def start() -> None:
    """Print the time until a new process can scan files."""
    script = "import time; from tdsm.data.readers import ntu_text; start = time.perf_counter(); ntu_text.prepare(10**6); print(time.perf_counter() - start)"
    with tempfile.TemporaryDirectory() as cache:
        for what in ("compile it, once on a machine", "load it, once a process"):
            done = subprocess.run([sys.executable, "-c", script], env=os.environ | {"NUMBA_CACHE_DIR": cache}, capture_output=True, text=True, check=True)
            print(f"to import numba and {what}: {float(done.stdout):.2f} s")


def one_file(title: str, contents: list[bytes], rounds: int) -> None:
    """Print milliseconds per file and the ratios to the plain parser."""
    ways = {
        "plain": plain,
        "read_skeleton": lambda content: read_skeleton(content, NAME, denoise=NtuDenoise.none()).joints,
        "read_skeleton, denoised": lambda content: read_skeleton(content, NAME).joints,
        "  of which the text": lambda content: ntu_text.parse_bodies(content, NAME).joints,
        "  the text, line by line": lambda content: ntu_text._careful(content, NAME).joints,
    }
    for content in contents:
        np.testing.assert_array_equal(np.sort(ways["read_skeleton"](content), axis=0), np.sort(plain(content), axis=0))
    best = {
        way: sum(min(seconds(time.process_time, read, content) for _ in range(rounds)) for content in contents) / len(contents) for way, read in ways.items()
    }
    for way, mean in best.items():
        print(f"{title:10} {way:25} {1000 * mean:7.3f} ms a file {best['plain'] / mean:6.1f} times as fast as plain")


def seconds(clock: Callable[[], float], read: Callable, content: object) -> float:
    """Time of one call, in seconds."""
    start = clock()
    read(content)
    return clock() - start


def one_folder(contents: list[bytes], count: int, workers: int) -> None:
    """Print seconds for a folder of ``count`` files: the plain parser in one process, ours in one and in ``workers`` processes."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"S{1 + number // 900:03}C001P{1 + number % 100:03}R001A{1 + number // 100 % 9:03}.skeleton" for number in range(count)]
        for number, path in enumerate(paths):
            path.write_bytes(contents[number % len(contents)])
        theirs = seconds(time.perf_counter, lambda files: [plain(path.read_bytes()) for path in files], paths)
        print(f"folder of {count}, plain: {theirs:.2f} s")
        for processes in sorted({1, workers}):
            ours = seconds(time.perf_counter, lambda files, processes=processes: read_ntu(files, reading=Reading(workers=processes, progress=False)), folder)
            print(f"folder of {count}, read_ntu in {processes} processes: {ours:.2f} s, {theirs / ours:.1f} times as fast")


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--folder", type=int, default=1000, help="files in the folder")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    args = parser.parse_args()
    contents = [generated(args.frames, 1 + number % 2, number) for number in range(args.files)]
    start()
    ntu_text.prepare(10**6)
    one_file("one body", contents[::2], args.rounds)
    one_file("two bodies", contents[1::2], args.rounds)
    one_folder(contents, args.folder, args.workers)


if __name__ == "__main__":
    main()
