"""How long one clip takes to be ranked under many labels, cached against joint text stream, in one run.

    python benchmarks/latency.py            # 60 labels, the default size

Times are medians; the weights are random, since they do not change the work. The first call, which reads the labels' text, is told apart
from the later ones, which know it.
"""

import argparse
import dataclasses
import statistics
import time

import torch

from tdsm.backbones.nets import build_encoder
from tdsm.config import Config, ModelConfig
from tdsm.data.synthetic import synthetic_clips
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer


def recognizer_with(stream: str) -> Recognizer:
    """A recognizer of the default size with random weights."""
    config = dataclasses.replace(Config(), model=ModelConfig(stream=stream))
    layout = synthetic_clips(1, actions=["squat"])[0].layout
    encoder = build_encoder(config.encoder, layout, config.preprocess.bodies, 40)
    prompts = 2 if config.text.combine == "channels" else 1
    matcher = Matcher(config.encoder.features, 1, prompts * 384, config.text.tokens, config.model, config.diffusion)
    return Recognizer(config, layout, ["squat"], {}, encoder, matcher)


def main() -> None:
    """Print first and median later time of each stream, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clip = synthetic_clips(1, actions=["squat"])[0]
    labels = [f"action number {number} of many" for number in range(args.labels)]
    medians = {}
    for stream in ("cached", "joint"):
        recognizer, times = recognizer_with(stream), []
        for _ in range(1 + args.runs):
            start = time.perf_counter()
            recognizer.predict(clip, labels)
            times.append(1000 * (time.perf_counter() - start))
        medians[stream] = statistics.median(times[1:])
        print(f"{stream}: {medians[stream]:.1f} ms a clip with {args.labels} labels (first call {times[0]:.0f} ms), {args.threads} threads")
    print(f"joint / cached: {medians['joint'] / medians['cached']:.1f}")


if __name__ == "__main__":
    main()
