"""How fast a .skeleton file of NTU RGB+D is read, against a plain parser that goes line by line, in one run.

    python benchmarks/read_ntu.py            # 20 generated files, one and two bodies in turn

The plain parser does what public readers do: a dictionary of the 12 numbers of every joint, then a copy into an array.
First on files in memory, so that neither disk nor zip counts: each file's minimum over rounds, averaged over files. Then on
a folder of copies of them, with every core.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tdsm.datasets.ntu import NtuDenoise, read_ntu, read_skeleton

FIELDS = ("x", "y", "z", "depth x", "depth y", "colour x", "colour y", "w", "qx", "qy", "qz", "state")


def generated(frames: int, bodies: int, seed: int) -> bytes:
    """A file as the recorder writes it: 7 significant digits, CRLF."""
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
    """(M, T, 25, 3), line by line."""
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


def one_file(contents: list[bytes], rounds: int) -> None:
    """Print milliseconds a file and the ratios to the plain parser."""
    name = "S001C001P001R001A001.skeleton"
    ways = {
        "plain": plain,
        "read_skeleton": lambda content: read_skeleton(content, name, denoise=NtuDenoise.none()).joints,
        "read_skeleton with denoise": lambda content: read_skeleton(content, name).joints,
    }
    for content in contents:
        np.testing.assert_array_equal(np.sort(ways["read_skeleton"](content), axis=0), np.sort(plain(content), axis=0))
    best = {way: sum(min(seconds(read, content) for _ in range(rounds)) for content in contents) / len(contents) for way, read in ways.items()}
    for way, mean in best.items():
        print(f"{way}: {1000 * mean:.2f} ms a file, {best['plain'] / mean:.1f} times as fast as plain")


def seconds(read: Callable[[bytes], np.ndarray], content: bytes) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    read(content)
    return time.perf_counter() - start


def one_folder(contents: list[bytes], count: int, workers: int) -> None:
    """Print seconds for a folder of ``count`` files, plain in one process and ours in ``workers``."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"S{1 + number // 900:03}C001P{1 + number % 100:03}R001A{1 + number // 100 % 9:03}.skeleton" for number in range(count)]
        for number, path in enumerate(paths):
            path.write_bytes(contents[number % len(contents)])
        start = time.perf_counter()
        for path in paths:
            plain(path.read_bytes())
        middle = time.perf_counter()
        read_ntu(folder, workers=workers, progress=False)
        theirs, ours = middle - start, time.perf_counter() - middle
    print(f"folder of {count}: plain {theirs:.1f} s, read_ntu with {workers} processes {ours:.1f} s, {theirs / ours:.1f} times as fast")


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--folder", type=int, default=1000, help="files in the folder")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    args = parser.parse_args()
    contents = [generated(args.frames, 1 + number % 2, number) for number in range(args.files)]
    one_file(contents, args.rounds)
    one_folder(contents, args.folder, args.workers)


if __name__ == "__main__":
    main()
