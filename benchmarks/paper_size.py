"""The denoiser beside the paper's computation written out plainly, in turn, in one run: scoring, training, memory.

    python benchmarks/paper_size.py                      # 12 blocks, width 768, 64 clips x 12 labels; 10 to 15 minutes on two cores
    python benchmarks/paper_size.py --profile            # where the time of scoring goes, before everything else

The plain computation is that of METHOD: one call per label and noise, text tokens repeated per row, adaLN per row, softmax attention over the
concatenated tokens, one call per prompt in training. Weights are random and the same on both sides. Each pair of times is taken in turn, and the ratio is
that of the medians. ``cached`` is another model than ``joint`` with the same parameters; its answers are compared with the plain computation of its own
definition (text attends to text alone).

GFLOP of the products of both sides are printed beside the times: their ratio is the speed-up at equal use of the cores, and GFLOP over the printed speed of
one product is the time below which no exact computation of these products gets. The optimizer's time depends on the number of weights alone.

The last line: ``cached`` reads the labels' text and scores, ``known`` scores with the labels read before, ``joint`` scores with the paper's stream; then a
training step of each; then the peak of ``joint`` above its weights, as the operating system counts it.
"""

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from tdsm.config import DiffusionConfig, ModelConfig
from tdsm.diffusion import add_noise, alphas_cumprod
from tdsm.matcher import Matcher
from tdsm.model import TextStream
from tdsm.text import TextFeatures

WORDS, TEXT, FEATURES, STEPS, T_TEST = 35, 2048, 256, 50, 25
PAPER = DiffusionConfig(schedule="mild", target="epsilon", noises=1, margin=1.0, near=1.0)
Weights = Mapping[str, Tensor]


# The paper's computation, written out from METHOD (pipeline, steps 3 to 7).


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """x W + b."""
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def mlp(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Two layers, GELU (tanh) between them."""
    return linear(weights, f"{name}.fc2", F.gelu(linear(weights, f"{name}.fc1", x), approximate="tanh"))


def vectors(weights: Weights, name: str, f_c: Tensor, parts: int) -> tuple[Tensor, ...]:
    """adaLN: (rows, 1, width) each."""
    return linear(weights, f"{name}.1", F.silu(f_c))[:, None].chunk(parts, dim=-1)


def normed(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm without parameters, scale, shift."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Softmax attention of (rows, tokens, width)."""
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def plain_denoiser(weights: Weights, config: ModelConfig, z_xt: Tensor, t: Tensor, z_g: Tensor, z_l: Tensor) -> Tensor:
    """The prediction for rows z_xt (rows, tokens, C), each with its own text: z_g (rows, C_d), z_l (rows, words, C_d)."""
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(128, device=t.device) / 128)
    angles = t[:, None] * frequencies
    time_vector = linear(weights, "t_embedder.mlp.2", F.silu(linear(weights, "t_embedder.mlp.0", torch.cat((angles.cos(), angles.sin()), dim=-1))))
    text_vector = linear(weights, "fc_embedder.2", F.silu(linear(weights, "fc_embedder.0", z_g)))
    f_c = time_vector + text_vector
    text_c = f_c if config.stream == "joint" else text_vector
    x, text = linear(weights, "x_embedder", z_xt), linear(weights, "fl_embedder", z_l) + weights["fl_pos_embed"]
    for block in range(config.depth):
        name, own = f"blocks.{block}", x.shape[1]
        shift, scale, gate, shift2, scale2, gate2 = vectors(weights, f"{name}.adaLN_modulation", f_c, 6)
        shift_c, scale_c, gate_c, shift2_c, scale2_c, gate2_c = vectors(weights, f"{name}.adaLN_modulation_c", text_c, 6)
        ours = linear(weights, f"{name}.attn.qkv", normed(x, shift, scale)).chunk(3, dim=-1)
        words = linear(weights, f"{name}.attn.qkv_c", normed(text, shift_c, scale_c)).chunk(3, dim=-1)
        q, k, v = (torch.cat(pair, dim=1) for pair in zip(ours, words, strict=True))
        mixed = attend(q, k, v, config.heads)
        of_text = mixed[:, own:] if config.stream == "joint" else attend(*words, config.heads)
        x = x + gate * linear(weights, f"{name}.attn.proj", mixed[:, :own])
        x = x + gate2 * mlp(weights, f"{name}.mlp", normed(x, shift2, scale2))
        text = text + gate_c * linear(weights, f"{name}.attn.proj_c", of_text)
        text = text + gate2_c * mlp(weights, f"{name}.mlp_c", normed(text, shift2_c, scale2_c))
    shift, scale = vectors(weights, "final_layer.adaLN_modulation", f_c, 2)
    return linear(weights, "final_layer.linear", normed(x, shift, scale))


@torch.no_grad()
def plain_errors(weights: Weights, config: ModelConfig, z_x: Tensor, noises: Tensor, text: TextFeatures) -> Tensor:
    """(clip, label) mean error: one call per label and noise."""
    clips, alpha_bar = len(z_x), alphas_cumprod(STEPS).to(z_x)
    t = torch.full((clips,), T_TEST, device=z_x.device)
    errors = torch.zeros(clips, len(text), device=z_x.device)
    for noise in noises:
        target = noise.expand_as(z_x)
        z_xt = add_noise(z_x, target, t, alpha_bar)
        for label in range(len(text)):
            z_g, z_l = text.z_g[label].repeat(clips, 1), text.z_l[label].repeat(clips, 1, 1)
            errors[:, label] += (plain_denoiser(weights, config, z_xt, t, z_g, z_l) - target).square().mean(dim=(1, 2))
    return errors / len(noises)


def plain_loss(weights: Weights, config: ModelConfig, batch: tuple[Tensor, ...], text: TextFeatures) -> Tensor:
    """L = L_diff + L_TD: two calls, each row with a copy of its text."""
    z_x, positive, negative, t, noise = batch
    z_xt = add_noise(z_x, noise, t, alphas_cumprod(STEPS).to(z_x))
    right, wrong = (
        (plain_denoiser(weights, config, z_xt, t, text.z_g[labels], text.z_l[labels]) - noise).square().mean(dim=(1, 2)) for labels in (positive, negative)
    )
    return right.mean() + torch.where(positive == negative, 0.0, (right - wrong + 1).clamp(min=0)).mean()


# Both sides on the same inputs.


def text_of(labels: int, words: int = WORDS, channels: int = TEXT) -> TextFeatures:
    """Random texts."""
    draw = torch.Generator().manual_seed(1)
    z_l = torch.randn(labels, words, channels, generator=draw)
    return TextFeatures(torch.randn(labels, channels, generator=draw), z_l, torch.ones(labels, words, dtype=torch.bool))


def matcher_of(config: ModelConfig, diffusion: DiffusionConfig = PAPER, words: int = WORDS, channels: int = TEXT) -> Matcher:
    """Random weights, those that start at zero included, so that every part of the computation shows."""
    matcher = Matcher(FEATURES, 1, channels, words, config, diffusion)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, value in matcher.denoiser.named_parameters():
            if "adaLN" in name or "final_layer" in name:
                value.copy_(0.02 * torch.randn(value.shape, generator=draw))
    return matcher


def batch_of(size: int, labels: int) -> tuple[Tensor, ...]:
    """z_x, right and wrong label, timestep, noise."""
    draw = torch.Generator().manual_seed(3)
    z_x, noise = torch.randn(2, size, 1, FEATURES, generator=draw)
    positive, negative = torch.randint(labels, (2, size), generator=draw)
    return z_x, positive, negative, torch.randint(STEPS, (size,), generator=draw), noise


def plain_step(matcher: Matcher, batch: tuple[Tensor, ...], text: TextFeatures) -> Callable[[], Tensor]:
    """A training step of the plain computation, with torch's own AdamW."""
    weights = {name: value.detach().clone().requires_grad_() for name, value in matcher.denoiser.named_parameters()}
    optimizer = torch.optim.AdamW(weights.values(), lr=1e-4, weight_decay=0.01)

    def step() -> Tensor:
        loss = plain_loss(weights, matcher.denoiser.config, batch, text)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def our_step(matcher: Matcher, batch: tuple[Tensor, ...], text: TextFeatures) -> Callable[[], Tensor]:
    """A training step as :func:`tdsm.train.fit_matcher` takes it."""
    optimizer = torch.optim.AdamW(matcher.parameters(), lr=1e-4, weight_decay=0.01, fused=True)

    def step() -> Tensor:
        loss = matcher(*batch, text)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def in_turn(*calls: Callable[[], object], runs: int) -> list[float]:
    """Median seconds of each call, taken in turn after one of each that is not counted."""
    times: list[list[float]] = [[] for _ in calls]
    for run in range(1 + runs):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if run:
                taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def gflop(call: Callable[[], object]) -> float:
    """GFLOP of the matrix products in a call, gradients included; attention inside torch's fused kernel, below 1 % here, is not counted."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e9


def difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest relative difference."""
    return ((ours - theirs).abs() / theirs.abs()).max().item()


def scoring(sizes: ModelConfig, clips: int, labels: int, runs: int) -> dict[str, float]:
    """Ratios of scoring: cached, known, known with bf16, joint, joint with bf16."""
    text, z_x = text_of(labels), batch_of(clips, labels)[0]
    ratios = {}
    for stream in ("cached", "joint"):
        matcher = matcher_of(ModelConfig(stream, sizes.width, sizes.depth, sizes.heads, prior=False)).eval()
        weights, config = dict(matcher.denoiser.named_parameters()), matcher.denoiser.config
        read = matcher.encode_text(text)

        def score(precision: str, matcher: Matcher = matcher, read: TextStream | None = None) -> Tensor:
            matcher.denoiser.precision = precision
            return matcher.errors(z_x, read or matcher.encode_text(text))

        theirs = plain_errors(weights, config, z_x, matcher.test_noise, text)
        for precision in ("no", "bf16"):
            ours = score(precision)
            alike = (ours.argmin(1) == theirs.argmin(1)).float().mean().item()
            print(f"scoring, {stream}, precision {precision}: errors differ by {difference(ours, theirs):.1e} of their size, {alike:.1%} of the answers alike")
        calls = {"plain": partial(plain_errors, weights, replace(config, stream="joint"), z_x, matcher.test_noise, text), stream: partial(score, "no")}
        calls |= {"known": partial(score, "no", read=read)} if stream == "cached" else {}
        calls |= {f"{list(calls)[-1]} bf16": partial(score, "bf16", read=read if stream == "cached" else None)}
        seconds = dict(zip(calls, in_turn(*calls.values(), runs=runs), strict=True))
        ratios |= {name: seconds["plain"] / took for name, took in seconds.items() if name != "plain"}
        print("scoring, s: " + ", ".join(f"{name} {took:.3f}" for name, took in seconds.items()))
        products = {name: gflop(call) for name, call in calls.items() if "bf16" not in name}
        print("scoring, GFLOP of products: " + ", ".join(f"{name} {value:.0f} ({products['plain'] / value:.1f}x)" for name, value in products.items()))
    return ratios


def training(sizes: ModelConfig, batch: int, labels: int, runs: int, steps: int) -> dict[str, float]:
    """Ratios of a training step, both streams; the losses of the first steps are compared with the plain computation's of the same stream."""
    text, data, ratios = text_of(labels), batch_of(batch, labels), {}
    for stream in ("cached", "joint"):
        matcher = matcher_of(replace(sizes, stream=stream)).train()
        ours, plain = our_step(matcher, data, text), plain_step(matcher, data, text)
        theirs = [plain().item() for _ in range(steps)]
        gap = difference(torch.tensor([ours().item() for _ in range(steps)]), torch.tensor(theirs))
        if stream == "cached":  # the paper's computation is joint
            del plain
            plain = plain_step(matcher_of(replace(sizes, stream="joint")), data, text)
        seconds = in_turn(plain, ours, runs=runs)
        print(f"training step {sizes.depth} x {sizes.width}, batch {batch}, {stream}: s {seconds[0]:.3f} {seconds[1]:.3f}, losses differ by {gap:.1e}")
        products = gflop(plain), gflop(ours)
        fitted = [parameter for parameter in matcher.parameters() if parameter.grad is not None]
        updating = in_turn(torch.optim.AdamW(fitted, lr=1e-4, fused=True).step, runs=1)[0]
        print(f"  GFLOP of products {products[0]:.0f} {products[1]:.0f} ({products[0] / products[1]:.1f}x); the optimizer alone {updating:.3f} s")
        ratios[stream] = seconds[0] / seconds[1]
        del plain, ours, matcher, fitted
    return ratios


def peak(code: str) -> float:
    """GB that scoring adds to a process of its own, above weights, texts and libraries: VmHWM, reset before scoring."""
    run = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--peak-of", code], check=True, capture_output=True, text=True)
    return float(run.stdout.split()[-1])


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def print_peak(side: str, sizes: ModelConfig, clips: int, labels: int) -> None:
    """In a process of its own: score once, and print the peak above what was there before, in GB."""
    stream = "joint" if side == "plain" else side
    text, z_x = text_of(labels), batch_of(clips, labels)[0]
    small = matcher_of(ModelConfig(stream, 64, 1, 1, prior=False)).eval()  # loads what the libraries load at first use
    matcher = matcher_of(ModelConfig(stream, sizes.width, sizes.depth, sizes.heads, prior=False)).eval()
    small.errors(z_x, small.encode_text(text))
    weights = dict(matcher.denoiser.named_parameters())
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    if side == "plain":
        plain_errors(weights, matcher.denoiser.config, z_x, matcher.test_noise, text)
    else:
        matcher.errors(z_x, matcher.encode_text(text))
    print((_status("VmHWM") - before) / 2**20)


def profile(sizes: ModelConfig, clips: int, labels: int) -> None:
    """Where the time of scoring goes, by operation."""
    text, z_x = text_of(labels), batch_of(clips, labels)[0]
    for stream in ("cached", "joint"):
        matcher = matcher_of(ModelConfig(stream, sizes.width, sizes.depth, sizes.heads, prior=False)).eval()
        weights, config = dict(matcher.denoiser.named_parameters()), matcher.denoiser.config
        sides = {"plain": partial(plain_errors, weights, config, z_x, matcher.test_noise, text)} if stream == "joint" else {}
        sides |= {stream: lambda matcher=matcher: matcher.errors(z_x, matcher.encode_text(text))}
        for name, call in sides.items():
            call()
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as events:
                call()
            print(f"{name}\n{events.key_averages().table(sort_by='self_cpu_time_total', row_limit=12, max_name_column_width=40)}")


def machine() -> float:
    """GFLOP/s of a large matrix product in this run."""
    a, b = torch.randn(2304, 768), torch.randn(768, 3072)
    return 2 * a.shape[0] * a.shape[1] * b.shape[1] / in_turn(lambda: a @ b, runs=20)[0] / 1e9


def main() -> None:
    """Print every comparison, then the line of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--labels", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--large-batch", type=int, default=128, help="batch of the step at the paper's size; at 128 the plain one needs 18 GB of memory")
    parser.add_argument("--small", default="4x192", help="depth x width of the second training step")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sizes = ModelConfig("joint", args.width, args.depth, args.heads, prior=False)
    depth, width = map(int, args.small.split("x"))
    if args.peak_of:
        print_peak(args.peak_of, sizes, args.clips, args.labels)
        return
    if args.profile:
        profile(sizes, args.clips, args.labels)
    print(f"{args.depth} blocks of {args.width}, {args.clips} clips x {args.labels} labels, {args.threads} threads; a product reaches {machine():.0f} GFLOP/s")
    scored = scoring(sizes, args.clips, args.labels, args.runs)
    small = training(ModelConfig("joint", width, depth, min(args.heads, 4), prior=False), args.batch, args.labels, 5 * args.runs, steps=3)
    large = training(sizes, args.large_batch, args.labels, 1, steps=1)
    print("training step at the paper's size: " + ", ".join(f"{name} {ratio:.1f}x" for name, ratio in large.items()))
    print("with bf16: " + ", ".join(f"{name} {scored[name]:.1f}x" for name in ("known bf16", "joint bf16")))
    peaks = {side: peak(side) for side in ("plain", "cached", "joint")}
    print("peak above the weights, GB: " + ", ".join(f"{name} {value:.2f}" for name, value in peaks.items()))
    print(
        f"cached {scored['cached']:.1f}x known {scored['known']:.1f}x joint {scored['joint']:.1f}x "
        f"train cached {small['cached']:.1f}x train joint {small['joint']:.1f}x memory {peaks['joint']:.2f} GB"
    )


if __name__ == "__main__":
    main()
