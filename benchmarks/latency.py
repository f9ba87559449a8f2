"""Measure the time to rank many labels for one clip: the shipped recognizer, the default settings, and the demo's settings with both text streams, in one run.

    python benchmarks/latency.py            # 60 labels

Times are medians. The denoiser of the shipped recognizer is untrained and is not computed. The others have random weights, also in the denoiser, which does
not change the amount of work: the default settings (``tdsm.Config()``: a TCN, a denoiser of 2 blocks, 4 noises, 1 text token per label) and those of the demo
(Shift-GCN, 3 blocks, 10 noises, 35 text tokens per label). The first call, which encodes the texts of the labels, is shown beside the later calls, which
reuse them. GFLOP counts the matrix products of one call; divided by the speed of one large product in the same run, it gives a lower bound of the time of an
exact computation.
"""

import argparse
import statistics
import time

import torch
from paper_size import gflop, machine

from tdsm.backbones.aligned import Aligned
from tdsm.backbones.classifier import Classifier
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config, demo, override
from tdsm.data.labels import as_labels
from tdsm.data.synthetic import synthetic_clips
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer, pretrained
from tdsm.text import TextEncoder, cache_folder


def recognizer_of(config: Config) -> Recognizer:
    """A recognizer with these settings and random weights."""
    layout, reader = synthetic_clips(1, actions=["squat"])[0].layout, TextEncoder(config.text, cache_folder())
    net = build_encoder(config.encoder, layout, config.preprocess.bodies, 40)
    if config.backbone == "aligned":
        channels = reader.read_sentences(["squat"]).shape[1]
        backbone = Aligned(net, channels, config.align.width, config.preprocess, reader, config.align.hidden)
    else:
        backbone = Classifier(net, config.preprocess, ["squat"], "synthetic", reader)
    text = backbone.labels(as_labels(["squat"]))
    matcher = Matcher(backbone.features, 1, text.z_g.shape[1], text.z_l.shape[1], config.model, config.diffusion)
    torch.nn.init.normal_(matcher.denoiser.final_layer.linear.weight, std=0.02)  # it starts at zero, and a denoiser with zero output is not computed
    return Recognizer(config, backbone, matcher)


def main() -> None:
    """Print the first time and the median of the later times per recognizer, and the ratio of the two text streams."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clip = synthetic_clips(1, actions=["squat"])[0]
    labels = [f"action number {number} of many" for number in range(args.labels)]
    medians = {}
    settings = {"default": Config(), "demo, cached": demo(), "demo, joint": override(demo(), {"model.stream": "joint"})}
    for name in ("shipped", *settings):
        recognizer, times = recognizer_of(settings[name]) if name in settings else pretrained(), []
        for _ in range(1 + args.runs):
            start = time.perf_counter()
            recognizer.predict(clip, labels)
            times.append(1000 * (time.perf_counter() - start))
        medians[name] = statistics.median(times[1:])
        print(f"{name}: {medians[name]:.1f} ms a clip with {args.labels} labels (first call {times[0]:.0f} ms), {args.threads} threads")
        products = gflop(lambda recognizer=recognizer: recognizer.predict(clip, labels))
        print(f"  {products:.2f} GFLOP of products: {1000 * products / machine():.1f} ms at this machine's speed of one product")
    print(f"joint / cached: {medians['demo, joint'] / medians['demo, cached']:.1f}")


if __name__ == "__main__":
    main()
