"""Measure CPU seconds and peak memory against the number of clips, labels, frames, classes and library rows (Linux).

    python benchmarks/scale.py                  # writes results/scale.json, which figures/scale.py draws; 5 to 10 minutes
    python benchmarks/scale.py --profile clips  # print a profile of the largest size

Each series runs in a separate process with one thread. The cost is the CPU time of the process, the minimum of a few runs, so other work on the machine has
little effect. Memory is the peak minus the memory before the call (with the inputs already loaded), as measured by the operating system. The slope is that of
log cost against log size, by least squares over the larger half of the sizes: 1 is linear, 0 is constant. Clips, names and library rows are generated; the
recognizer is the shipped one.
"""

import argparse
import cProfile
import ctypes
import gc
import itertools
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

import tdsm
from tdsm.backbones.base import Examples
from tdsm.config import Config, tuned
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import NTU_25
from tdsm.data.prompts.dictionary import load_dictionary
from tdsm.data.synthetic import UNSEEN, Take, perform, synthetic_clips
from tdsm.search import Library
from tdsm.spotting.takes import joined
from tdsm.text import TextFeatures
from tdsm.train import fit_matcher, train_recognizer
from tdsm.util.files import write_json
from tdsm.util.provenance import environment
from tdsm.util.tables import markdown_table

RESULT = Path(__file__).resolve().parents[1] / "results" / "scale.json"
PROTOCOL = {"setting": "inductive zero-shot: cost alone, no accuracy", "selection": "none: nothing is chosen", "partition": "none: generated clips"}
TUNED = tuned()
ENOUGH = 10.0  # CPU seconds of two or more runs after which a size is not run again
Calls = Callable[[int], Callable[[], object]]  # size -> the measured call, with its inputs prepared


@dataclass(frozen=True)
class Series:
    """A computation whose cost is measured at several sizes."""

    title: str
    unit: str
    sizes: tuple[int, ...]
    tiny: tuple[int, ...]
    prepare: Callable[[], Calls]


@dataclass(frozen=True)
class Measured:
    """The measurements of a series; lists have one entry per size."""

    name: str
    title: str
    unit: str
    sizes: list[int]
    seconds: list[float]
    megabytes: list[float]
    slope: float


def performed(frames: int) -> list[Clip]:
    """Four clips of ``frames`` frames, each with one repeated action."""
    return [Clip(perform(label, take=Take(frames=frames, cycles=max(1, frames // 30))), NTU_25, label, fps=30.0) for label in UNSEEN[:4]]


def many(count: int, labels: Sequence[str] = UNSEEN) -> list[Clip]:
    """``count`` separate clips, with a few performances repeated."""
    some = synthetic_clips(4, actions=UNSEEN)
    return [replace(some[row % len(some)], name=str(row), label=labels[row % len(labels)]) for row in range(count)]


def new_names(count: int, call: int = 0) -> list[str]:
    """``count`` names that no other ``call`` has; they are shuffled, so that their mean length is similar for all sizes."""
    actions = np.random.default_rng(0).permutation([action.name for action in load_dictionary()]).tolist()
    return [f"{actions[row % len(actions)]}, {2 + row // len(actions)} times in round {call}" for row in range(count)]


def of_clips() -> Calls:
    """Clips with ten labels that were used before."""
    recognizer = tdsm.pretrained()
    recognizer.predict(many(2), UNSEEN)

    def calls(count: int) -> Callable[[], object]:
        clips = many(count)
        return lambda: recognizer.predict(clips, UNSEEN)

    return calls


def of_new_labels() -> Calls:
    """Ten clips with labels that were not used before, so their names are encoded."""
    recognizer, clips, call = tdsm.pretrained(), many(10), itertools.count()
    return lambda count: lambda: recognizer.predict(clips, new_names(count, next(call)))


def of_known_labels() -> Calls:
    """Ten clips with labels that were used in the previous call."""
    recognizer, clips = tdsm.pretrained(), many(10)

    def calls(count: int) -> Callable[[], object]:
        names = new_names(count)
        recognizer.predict(clips, names)
        return lambda: recognizer.predict(clips, names)

    return calls


def of_long_clips() -> Calls:
    """Four clips of increasing length with ten labels."""
    recognizer = tdsm.pretrained()

    def calls(frames: int) -> Callable[[], object]:
        clips = performed(frames)
        return lambda: recognizer.predict(clips, UNSEEN)

    return calls


def of_spotting() -> Calls:
    """A recording of actions with rests, pushed in parts of one second."""
    recognizer, (take, _) = tdsm.pretrained(), joined(list(synthetic_clips(1, actions=UNSEEN)), 0)
    second = round(take.fps)

    def spot(frames: int) -> None:
        spotter = tdsm.Spotter(recognizer, list(UNSEEN), take.layout, take.fps)
        for start in range(0, frames, second):
            spotter.push(np.take(take.joints, range(start, min(frames, start + second)), axis=1, mode="wrap"))
        spotter.finish()

    return lambda frames: lambda: spot(frames)


def of_denoiser_classes() -> Calls:
    """Twenty training steps of the denoiser, with given features and texts of an increasing number of classes."""
    config = Config()
    config = replace(config, train=replace(config.train, steps=20), model=replace(config.model, prior=False))

    def calls(classes: int) -> Callable[[], object]:
        draw = torch.Generator().manual_seed(0)
        z_l = torch.randn(classes, 35, 256, generator=draw)
        text = TextFeatures(torch.randn(classes, 256, generator=draw), z_l, torch.ones(classes, 35, dtype=torch.bool))
        examples = Examples(torch.randn(4096, 1, 256, generator=draw), torch.arange(4096) % classes, text)
        return lambda: fit_matcher(examples, config)

    return calls


def of_tuned_classes() -> Calls:
    """Fine-tuning of the shipped recognizer on an increasing number of classes with four clips each."""

    def calls(classes: int) -> Callable[[], object]:
        labels = tuple(new_names(classes))
        clips = ClipSet(tuple(many(4 * classes, labels)), labels, "generated")
        return lambda: train_recognizer(clips, TUNED, init="pretrained")

    return calls


def of_library() -> Calls:
    """One search in a library of an increasing number of clips."""
    recognizer, call = tdsm.pretrained(), itertools.count()

    def calls(count: int) -> Callable[[], object]:
        z = np.random.default_rng(0).standard_normal((1, count, recognizer.backbone.features), dtype=np.float32)
        z /= np.linalg.norm(z, axis=2, keepdims=True)
        blank = np.full(count, "")
        library = Library(recognizer, z.astype(np.float16), np.arange(count).astype(np.str_), blank, blank)
        return lambda: library.search(f"somebody waves {next(call)} times")

    return calls


ALL = {
    "clips": Series("clips, 10 labels known", "clips", (64, 128, 256, 512, 1024), (4, 8), of_clips),
    "new_labels": Series("labels never asked, 10 clips", "labels", (64, 128, 256, 512, 1024), (4, 8), of_new_labels),
    "known_labels": Series("labels known, 10 clips", "labels", (128, 256, 512, 1024, 2048), (4, 8), of_known_labels),
    "frames": Series("frames of a clip, 4 clips", "frames", (256, 1024, 4096, 16384, 65536), (30, 60), of_long_clips),
    "spotting": Series("frames of a recording, spotted", "frames", (900, 1800, 3600, 7200, 14400), (60, 120), of_spotting),
    "denoiser": Series("classes, 20 steps of the denoiser", "classes", (16, 64, 256, 1024, 4096), (2, 4), of_denoiser_classes),
    "tuning": Series("classes of 4 clips, tuning the shipped model", "classes", (8, 16, 32, 64, 128), (2, 3), of_tuned_classes),
    "library": Series("clips of a library, one question", "clips", (2**14, 2**16, 2**18, 2**20, 2**21), (64, 128), of_library),
}


def slope(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Slope of log cost against log size by least squares over the larger half of the sizes, including the middle one."""
    start = (len(sizes) - 1) // 2
    return float(np.polyfit(np.log(sizes[start:]), np.log(costs[start:]), 1)[0])


def megabytes(field: str) -> float:
    """VmRSS or VmHWM of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def cost(call: Callable[[], object]) -> tuple[float, float]:
    """Minimum CPU seconds over up to four runs (more if these are short), and the peak memory of the first run minus the memory before, in MB."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # return freed memory to the system
    before, taken = megabytes("VmRSS"), []
    Path("/proc/self/clear_refs").write_text("5")  # reset VmHWM
    while len(taken) < 4 or (sum(taken) < 0.5 and len(taken) < 20):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
        if len(taken) == 1:
            memory = megabytes("VmHWM") - before
        if len(taken) > 1 and sum(taken) > ENOUGH:
            break
    return min(taken), memory


def measure(name: str, sizes: Sequence[int]) -> Measured:
    """Measure one series in this process."""
    series, seconds, memory = ALL[name], [], []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache  # an empty cache of texts
        calls = series.prepare()
        calls(sizes[0])()  # the first use loads further parts of libraries
        for size in sizes:
            took, most = cost(calls(size))
            seconds.append(took)
            memory.append(most)
    return Measured(name, series.title, series.unit, list(sizes), seconds, memory, slope(sizes, seconds))


def alone(name: str) -> Measured:
    """Measure one series in a separate process."""
    run = subprocess.run([sys.executable, __file__, "--series", name], check=True, stdout=subprocess.PIPE, text=True, env=os.environ | {"TQDM_DISABLE": "1"})
    return Measured(**json.loads(run.stdout.splitlines()[-1]))


def print_profile(name: str) -> None:
    """Print the functions that take most time at the largest size."""
    series = ALL[name]
    calls = series.prepare()
    calls(series.sizes[0])()
    call, profile = calls(series.sizes[-1]), cProfile.Profile()
    profile.runcall(call)
    pstats.Stats(profile).sort_stats("tottime").print_stats(15)


def rows_of(measured: Measured) -> list[list[str]]:
    """The rows of a series in the table."""
    return [
        [measured.title, f"{size:,}", f"{size / measured.sizes[0]:g}", f"{seconds:.3f}", f"{seconds / measured.seconds[0]:.1f}", f"{memory:.0f}"]
        for size, seconds, memory in zip(measured.sizes, measured.seconds, measured.megabytes, strict=True)
    ]


def main() -> None:
    """Measure every series, print two Markdown tables, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", choices=ALL, help="measure one series in this process, and print it as JSON")
    parser.add_argument("--profile", choices=ALL, help="only print a profile of the largest size of one series")
    parser.add_argument("--tiny", action="store_true", help="small sizes, which take seconds, all in this process")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.profile:
        print_profile(args.profile)
        return
    if args.series:
        print(json.dumps(asdict(measure(args.series, ALL[args.series].tiny if args.tiny else ALL[args.series].sizes))))
        return
    about = {"environment": environment(0) | {"command": "python benchmarks/scale.py", "threads": 1}, "protocol": PROTOCOL, "rows": []}
    found = []
    for name, series in ALL.items():
        found.append(measure(name, series.tiny) if args.tiny else alone(name))
        print(f"{name}: {', '.join(f'{seconds:.3f}' for seconds in found[-1].seconds)} CPU s, slope {found[-1].slope:.2f}", file=sys.stderr, flush=True)
    head = ["series", "size", "times the smallest", "CPU s", "times the smallest", "peak, MB"]
    print(markdown_table([head, *(row for measured in found for row in rows_of(measured))]))
    print("\n" + markdown_table([["series", "slope over the larger half"], *([measured.title, f"{measured.slope:.2f}"] for measured in found)]))
    write_json(args.out, about | {"series": [asdict(measured) for measured in found]})


if __name__ == "__main__":
    main()
