"""Measure training and scoring at the paper's size on one GPU, beside the plain computation: clips per second, FLOP utilisation (MFU), memory, determinism.

    python benchmarks/gpu.py                         # 8 minutes at most; writes results/gpu.md and results/gpu.json after each row
    python benchmarks/gpu.py --only score compiled   # only cells whose names contain all these words
    python benchmarks/gpu.py --tiny --out /tmp       # small sizes, which take seconds on a CPU

Sizes: 12 blocks of width 768, 35 words of 2048 channels, 256 clips; 12 labels for scoring, 55 for training. The name of a cell is task/side/precision/mode:

side        ``plain`` is the paper's computation written out (benchmarks/paper_size.py); ``cached`` and ``joint`` are ours; ``known`` is ``cached`` with labels
            that were encoded before; ``-wide`` computes all rows at once, the others use blocks of tdsm.model.CrossDiT.rows_at_once rows. A training step is
            forward, backward and AdamW.
precision   fp32 (TF32 off), tf32, bf16: autocast for training and for the plain computation, ``precision="bf16"`` of the denoiser for scoring.
mode        eager or compiled: torch.compile of the methods of a block, which all blocks share; for the plain computation, of the whole denoiser. The compile
            time is the time of the first call minus that of a later call; no cache is used.

MFU: matrix products of the cell's own computation, counted by torch (two operations per multiplication, backward included), per second, as a share of the speed
of a large matrix product measured in this run with that precision, and as a share of the datasheet. Other operations are not counted. Times are medians of five
series of calls between synchronisations, after a warm-up. A cell that fails or takes too long gives a row with the reason. Cells run in a separate process,
which is replaced if it dies.
"""

import argparse
import copy
import gc
import json
import math
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import paper_size
import torch
from paper_size import batch_of, difference, matcher_of, plain_errors, plain_loss, text_of
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tdsm.config import ModelConfig
from tdsm.matcher import Matcher
from tdsm.model.blocks import CrossBlock
from tdsm.text import TextFeatures
from tdsm.util.errors import InputError
from tdsm.util.files import write_json, write_text
from tdsm.util.loop import device
from tdsm.util.provenance import environment
from tdsm.util.tables import markdown_table

RESULTS = Path(__file__).resolve().parents[1] / "results"
PROTOCOL = {"setting": "inductive zero-shot: cost alone, no accuracy", "selection": "none: nothing is chosen", "partition": "none: random features"}
PRECISIONS = ("fp32", "tf32", "bf16")
SIDES = {"train": ("cached", "joint", "plain"), "score": ("cached", "known", "known-wide", "joint", "joint-wide", "plain")}
H200 = {"fp32": 67.0, "tf32": 494.7, "bf16": 989.4}  # TFLOP/s of the datasheet (SXM), without sparsity
LIMITS = {"eager": 60.0, "compiled": 120.0}  # seconds per cell, including the start of a process
Row = dict[str, object]


@dataclass(frozen=True)
class Sizes:
    """Sizes of the computation."""

    depth: int = 12
    width: int = 768
    heads: int = 12
    words: int = 35
    channels: int = 2048
    clips: int = 256
    scored: int = 12  # labels
    trained: int = 55
    product: int = 8192  # size of the matrix product that measures the peak speed
    steps: int = 10  # training steps of the determinism cells
    stretch: float = 0.4  # seconds per series of calls

    def model(self, stream: str) -> ModelConfig:
        """Settings of the denoiser."""
        return ModelConfig(stream, self.width, self.depth, self.heads, prior=False)


PAPER = Sizes()
TINY = Sizes(2, 16, 2, 5, 12, 6, 3, 4, 64, 3, 0.01)


def cells() -> list[str]:
    """Names of all cells, the most informative first. Compiled cells take longest and come last, since the time may run out before the end."""
    eager = [f"{task}/{side}/{precision}/eager" for task, sides in SIDES.items() for precision in ("bf16", "fp32", "tf32") for side in sides]
    compiled = [f"{task}/{side}/{precision}/compiled" for precision in ("bf16", "fp32", "tf32") for side in SIDES["train"] for task in SIDES]
    same = [
        f"{kind}/{side}/{precision}/eager" for kind in ("repeat", "repeat-strict", "alone") for side in ("cached", "joint") for precision in ("fp32", "bf16")
    ]
    return [*(f"peak/product/{precision}/eager" for precision in PRECISIONS), *eager, *same, *compiled]


# The computation of a cell.


def stream_of(side: str) -> str:
    """Text stream of the denoiser; the plain computation has that of the paper."""
    return "joint" if side in ("joint", "joint-wide", "plain") else "cached"


@cache
def inputs(stream: str, sizes: Sizes) -> Matcher:
    """A matcher with random weights, kept on the CPU."""
    return matcher_of(sizes.model(stream), words=sizes.words, channels=sizes.channels)


def matcher_on(side: str, sizes: Sizes) -> Matcher:
    """A new copy of the matcher on the device."""
    return copy.deepcopy(inputs(stream_of(side), sizes)).to(device())


def texts(labels: int, sizes: Sizes) -> TextFeatures:
    """Random texts on the device."""
    return text_of(labels, sizes.words, sizes.channels).to(device())


def features(sizes: Sizes) -> tuple[Tensor, ...]:
    """z_x, right and wrong labels, timesteps and noise, on the device."""
    return tuple(part.to(device()) for part in batch_of(sizes.clips, sizes.trained))


def autocast(precision: str) -> AbstractContextManager:
    """Autocast context of training."""
    return torch.autocast(device().type, torch.bfloat16) if precision == "bf16" else nullcontext()


def scoring(side: str, precision: str, sizes: Sizes) -> Callable[[], Tensor]:
    """A call that computes the errors (clip, label) of all clips under all labels."""
    matcher, text, z_x = matcher_on(side, sizes).eval(), texts(sizes.scored, sizes), features(sizes)[0]
    if side == "plain":
        weights = dict(matcher.denoiser.named_parameters())

        def plain() -> Tensor:
            with autocast(precision):
                return plain_errors(weights, matcher.denoiser.config, z_x, matcher.test_noise, text)

        return plain
    matcher.denoiser.precision = "bf16" if precision == "bf16" else "no"
    read = matcher.encode_text(text) if side.startswith("known") else None
    rows = len(z_x) * len(text) if side.endswith("-wide") else None
    return lambda: matcher.errors(z_x, read or matcher.encode_text(text), rows)


def losses(side: str, sizes: Sizes) -> tuple[Callable[[], Tensor], list[Tensor]]:
    """A call that computes the loss of one batch, and the parameters to train."""
    matcher, text, batch = matcher_on(side, sizes).train(), texts(sizes.trained, sizes), features(sizes)
    if side == "plain":
        weights = dict(matcher.denoiser.named_parameters())
        return partial(plain_loss, weights, matcher.denoiser.config, batch, text), list(weights.values())
    return lambda: matcher(*batch, text)["loss"], list(matcher.parameters())


def training(side: str, precision: str, sizes: Sizes) -> Callable[[], Tensor]:
    """A call that makes a training step as in benchmarks/paper_size.py and returns the loss."""
    return stepping(*losses(side, sizes), precision, fused=side != "plain")


def stepping(loss_of: Callable[[], Tensor], parameters: list[Tensor], precision: str, fused: bool = True) -> Callable[[], Tensor]:
    """A call that makes a step of AdamW on these parameters."""
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01, fused=fused)

    def step() -> Tensor:
        with autocast(precision):
            loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


@cache
def operations(task: str, side: str, sizes: Sizes) -> int:
    """Floating-point operations of the matrix products of one call, including those of attention."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # computes attention as two products, which are counted on every device
        if task == "train":
            losses(side, sizes)[0]().backward()
        else:
            call = scoring(side, "fp32", sizes)
            before = counter.get_total_flops()  # operations for labels that are encoded before
            call()
            return counter.get_total_flops() - before
    return counter.get_total_flops()


def compiled(side: str, backend: str) -> None:
    """Replace the methods of the denoiser's blocks, or the whole plain denoiser, by compiled ones in this process."""
    if side == "plain":
        paper_size.plain_denoiser = torch.compile(paper_size.plain_denoiser, backend=backend, dynamic=False)
        return
    for name in ("joint", "text_alone", "skeleton"):
        setattr(CrossBlock, name, torch.compile(getattr(CrossBlock, name), backend=backend, dynamic=False))


# The measurement of a cell.


def synchronise() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(call: Callable[[], object], times: int = 1) -> float:
    """Seconds per call."""
    synchronise()
    start = time.perf_counter()
    for _ in range(times):
        call()
    synchronise()
    return (time.perf_counter() - start) / times


def seconds_of(call: Callable[[], object], stretch: float) -> tuple[float, float]:
    """Seconds per call: (median of later calls, after a warm-up; first call)."""
    first = timed(call)
    timed(call, 2)
    times = max(1, min(200, math.ceil(stretch / timed(call))))
    return statistics.median(timed(call, times) for _ in range(5)), first


def timing(task: str, side: str, precision: str, mode: str, sizes: Sizes, backend: str) -> Row:
    """The row of a training or scoring cell."""
    flops = operations(task, side, sizes)
    reference = theirs(side, sizes) if task == "score" else None
    fresh_memory()
    if mode == "compiled":
        compiled(side, backend)
    call = (training if task == "train" else scoring)(side, precision, sizes)
    second, first = seconds_of(call, sizes.stretch)
    answer = call()
    if not answer.isfinite().all():
        raise InputError("answer", "is not finite", "use another precision")
    row: Row = {"seconds": second, "clips_per_second": sizes.clips / second, "flops": flops, **memory(side, sizes)}
    if mode == "compiled":
        row["compile_seconds"] = max(0.0, first - second)
    if reference is not None:
        row["difference"] = difference(answer.float(), reference)
    return row


@cache
def theirs(side: str, sizes: Sizes) -> Tensor:
    """Errors of the plain computation with the text stream of this side, in float32."""
    matcher = matcher_on(side, sizes).eval()
    weights, config = dict(matcher.denoiser.named_parameters()), matcher.denoiser.config
    return plain_errors(weights, config, features(sizes)[0], matcher.test_noise, texts(sizes.scored, sizes))


def fresh_memory() -> None:
    """Free the memory of the previous cell, and reset the peak."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def memory(side: str, sizes: Sizes) -> Row:
    """Peak of the GPU memory that torch allocated since :func:`fresh_memory`, and this peak minus the weights, in GB."""
    if not torch.cuda.is_available():
        return {}
    peak = torch.cuda.max_memory_allocated()
    weights = sum(each.nbytes for each in inputs(stream_of(side), sizes).parameters())
    return {"peak_gb": peak / 1e9, "above_weights_gb": (peak - weights) / 1e9}


def product(precision: str, sizes: Sizes) -> Row:
    """The row of a large matrix product."""
    a, b = torch.randn(2, sizes.product, sizes.product, device=device(), dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    second, _ = seconds_of(lambda: a @ b, sizes.stretch)
    return {"seconds": second, "flops": 2 * sizes.product**3}


def sameness(kind: str, side: str, precision: str, sizes: Sizes) -> Row:
    """Whether two results are equal bit for bit, and their largest relative difference: two training runs, or a clip scored alone and with others."""
    if kind == "alone":
        matcher, z_x = matcher_on(side, sizes).eval(), features(sizes)[0]
        matcher.denoiser.precision = "bf16" if precision == "bf16" else "no"
        read = matcher.encode_text(texts(sizes.scored, sizes))
        pairs = [(matcher.errors(z_x[:1], read), matcher.errors(z_x, read)[:1])]
    else:
        pairs = list(zip(*(trained(side, precision, sizes) for _ in range(2)), strict=True))
    same = all(torch.equal(*pair) for pair in pairs)
    gap = max(((a - b).abs().max() / b.abs().max().clamp(min=1e-30)).item() for a, b in pairs)
    return {"same_bits": same, "largest_difference": gap}


def trained(side: str, precision: str, sizes: Sizes) -> list[Tensor]:
    """All parameters after some training steps."""
    loss_of, parameters = losses(side, sizes)
    step = stepping(loss_of, parameters, precision)
    for _ in range(sizes.steps):
        step()
    return [each.detach() for each in parameters]


def row_of(name: str, sizes: Sizes, backend: str) -> Row:
    """The row of a cell; for a cell without numbers, the reason in one line."""
    task, side, precision, mode = name.split("/")
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    kept = {name: getattr(CrossBlock, name) for name in ("joint", "text_alone", "skeleton")}
    whole = paper_size.plain_denoiser
    torch.use_deterministic_algorithms(task == "repeat-strict")
    try:
        if task == "peak":
            return product(precision, sizes)
        if task in ("train", "score"):
            return timing(task, side, precision, mode, sizes, backend)
        return sameness(task, side, precision, sizes)
    except Exception as error:  # the error becomes the row of this cell, and the other cells still run
        return {"failed": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:150]}"}
    finally:
        torch.use_deterministic_algorithms(False)
        paper_size.plain_denoiser = whole
        for method, value in kept.items():
            setattr(CrossBlock, method, value)
        torch._dynamo.reset()


def serve(names: Sequence[str], sizes: Sizes, backend: str) -> None:
    """Print the row of each cell, in a separate process. It ends early if an error has left the GPU unusable."""
    for name in names:
        print(f"row {json.dumps(row_of(name, sizes, backend))}", flush=True)
        synchronise()
        fresh_memory()


# The supervising process.


def run_cells(names: Sequence[str], command: Sequence[str], seconds: float) -> Iterator[tuple[str, Row]]:
    """Name and row of each cell, as soon as it is measured. If a cell takes too long or its process dies, its row says so, and a new process runs the rest."""
    left, end = list(names), time.monotonic() + seconds
    environ = os.environ | {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1", "TQDM_DISABLE": "1"}
    while left and time.monotonic() < end:
        process = subprocess.Popen([*command, "--serve", *left], stdout=subprocess.PIPE, bufsize=0, env=environ, start_new_session=True)
        try:
            alive = True
            while left and alive:
                row, alive = next_row(process, min(LIMITS[left[0].split("/")[-1]], end - time.monotonic()))
                yield left.pop(0), row
        finally:
            stop(process)
    yield from ((name, {"failed": "not run: no time left"}) for name in left)


def next_row(process: subprocess.Popen, limit: float) -> tuple[Row, bool]:
    """The next row that a process prints, and whether the process can continue. After ``limit`` seconds, or if it ends, the row has the reason."""
    end = time.monotonic() + limit
    while select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
        line = process.stdout.readline()
        if not line:
            return {"failed": f"the process ended with {process.wait()}"}, False
        if line.startswith(b"row "):
            return json.loads(line[4:]), True
    return {"failed": f"stopped after {limit:.0f} s"}, False


def stop(process: subprocess.Popen) -> None:
    """Kill a process and all processes that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()


def tables(rows: dict[str, Row], datasheet: dict[str, float]) -> str:
    """All rows as Markdown tables."""
    speeds = {name.split("/")[2]: row["flops"] / row["seconds"] for name, row in rows.items() if name.startswith("peak/") and "seconds" in row}
    head = ["cell", "clips/s", "times plain", "ms", "TFLOP", "TFLOP/s", "MFU, product", "MFU, datasheet", "compile s", "peak GB", "above weights", "differs"]
    made, same, peaks, failed = [head], [["cell", "same bits", "largest difference"]], [["precision", "TFLOP/s of a product", "datasheet"]], []
    for name, row in rows.items():
        task, _, precision, _ = name.split("/")
        if "failed" in row:
            failed.append(f"- {name}: {row['failed']}")
        elif task == "peak":
            peaks.append([precision, f"{speeds[precision] / 1e12:.1f}", f"{datasheet[precision]:g}"])
        elif "same_bits" in row:
            same.append([name, "yes" if row["same_bits"] else "no", f"{row['largest_difference']:.1e}"])
        else:
            made.append(line_of(name, row, rows, speeds.get(precision), datasheet[precision]))
    parts = [markdown_table(part) for part in (peaks, made, same) if len(part) > 1]
    return "\n\n".join([*parts, *(["Not measured:\n\n" + "\n".join(failed)] if failed else [])]) + "\n"


def line_of(name: str, row: Row, rows: dict[str, Row], product_speed: float | None, datasheet: float) -> list[str]:
    """One row of the table of times; numbers that do not exist are empty."""
    task, _, precision, _ = name.split("/")
    plain, speed = rows.get(f"{task}/plain/{precision}/eager", {}).get("seconds"), row["flops"] / row["seconds"]
    return [
        name,
        f"{row['clips_per_second']:.0f}",
        f"{plain / row['seconds']:.1f}" if plain else "",
        f"{1000 * row['seconds']:.2f}",
        f"{row['flops'] / 1e12:.3f}",
        f"{speed / 1e12:.1f}",
        f"{speed / product_speed:.1%}" if product_speed else "",
        f"{speed / 1e12 / datasheet:.1%}",
        *(f"{row[key]:{form}}" if key in row else "" for key, form in (("compile_seconds", ".1f"), ("peak_gb", ".2f"), ("above_weights_gb", ".2f"))),
        f"{row['difference']:.0e}" if "difference" in row else "",
    ]


def driver() -> str:
    """Version of NVIDIA's driver, or "none"."""
    if shutil.which("nvidia-smi") is None:
        return "none"
    asked = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True, text=True)
    return (asked.stdout.split() or ["none"])[0]


def main() -> None:
    """Run the cells; write the table and the JSON file after each cell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="time limit of the whole run")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of gpu.md and gpu.json")
    parser.add_argument("--only", nargs="+", default=[], help="run only cells whose names contain all these words")
    parser.add_argument("--datasheet", nargs="+", default=[], metavar="PRECISION=TFLOP/s", help=f"peak speeds; default: {H200}")
    parser.add_argument("--backend", default="inductor", help="backend of torch.compile")
    parser.add_argument("--tiny", action="store_true", help="small sizes, which take seconds on a CPU")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    started, sizes = time.monotonic(), TINY if args.tiny else PAPER
    if args.serve:
        serve(args.serve, sizes, args.backend)
        return
    if not args.tiny and not torch.cuda.is_available():
        raise SystemExit("no CUDA device: give --tiny")
    datasheet = H200 | {name: float(value) for name, value in (entry.split("=") for entry in args.datasheet)}
    about = environment(0) | {"cuda": str(torch.version.cuda), "driver": driver()}
    said = f"commit {about['commit']}, {about['date']}, {about['hardware']}, torch {torch.__version__}, CUDA {about['cuda']}, driver {about['driver']}; {sizes}"
    command, rows = [sys.executable, __file__, "--backend", args.backend, *(["--tiny"] if args.tiny else [])], {}
    names = [name for name in cells() if all(word in name for word in args.only)]
    for name, row in run_cells(names, command, 60 * args.minutes - (time.monotonic() - started) - 5):
        rows[name] = row
        print(f"{time.monotonic() - started:.0f} s {name}: {row}", file=sys.stderr, flush=True)
        write_text(args.out / "gpu.md", f"{said}\n\n{tables(rows, datasheet)}")
        about_cells = {"sizes": asdict(sizes), "datasheet_tflops": datasheet, "cells": rows}
        write_json(args.out / "gpu.json", {"environment": about, "protocol": PROTOCOL, "rows": []} | about_cells)
    print((args.out / "gpu.md").read_text())


if __name__ == "__main__":
    main()
