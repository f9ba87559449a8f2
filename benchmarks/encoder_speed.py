"""Measure the time of a training step of each skeleton encoder, relative to the first one.

    python benchmarks/encoder_speed.py --widths 16 32 64 --frames 64 --layout kinect-20

The encoders take turns in each round, and the best round of each encoder counts, so other work on the machine has little effect on the ratios.
Milliseconds depend on the machine; the ratios are comparable between machines.
"""

import argparse
import time

import torch
import torch.nn.functional as F

from tdsm.backbones.nets import SkeletonEncoder, build_encoder
from tdsm.config import EncoderConfig
from tdsm.data.layouts import LAYOUTS, layout_named


def seconds(encoder: SkeletonEncoder, x: torch.Tensor, labels: torch.Tensor) -> float:
    """Time of one forward and backward pass."""
    start = time.perf_counter()
    encoder.zero_grad()
    F.cross_entropy(encoder(x), labels).backward()
    return time.perf_counter() - start


def main() -> None:
    """Print one line per encoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=["shift-gcn", "st-gcn"])
    parser.add_argument("--widths", nargs="+", type=int, default=[16, 32, 64])
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--layout", default="kinect-20", choices=[layout.name for layout in LAYOUTS])
    parser.add_argument("--bodies", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()

    torch.manual_seed(0)
    layout, classes = layout_named(args.layout), 16
    x = torch.randn(args.batch, args.bodies, args.frames, len(layout), layout.dims)
    labels = torch.randint(0, classes, (args.batch,))
    configs = [EncoderConfig(kind=kind, width=width, features=args.features) for kind in args.kinds for width in args.widths]
    encoders = [build_encoder(config, layout, args.bodies, classes) for config in configs]
    for encoder in encoders:  # the first pass allocates
        seconds(encoder, x, labels)
    rounds = [[seconds(encoder, x, labels) for encoder in encoders] for _ in range(args.rounds)]
    best = [min(times) for times in zip(*rounds, strict=True)]

    print(f"{args.batch} clips, {args.frames} frames, {args.layout}, {args.bodies} bodies, {torch.get_num_threads()} threads")
    for config, encoder, time_taken in zip(configs, encoders, best, strict=True):
        size = sum(parameter.numel() for parameter in encoder.parameters())
        print(
            f"{config.kind:10s} width {config.width:3d}  features {config.features:3d}  {size:9,d} parameters  "
            f"{time_taken / args.batch * 1e3:7.2f} ms a clip  x {time_taken / best[0]:.2f}"
        )


if __name__ == "__main__":
    main()
