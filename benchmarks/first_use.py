"""Measure the work before the first training or the first answer, in one run: generated pairs and their sentences, preprocessing, and questions with many
labels or many clips.

    OMP_NUM_THREADS=1 python benchmarks/first_use.py

Seconds are CPU seconds of all threads. Memory is measured by the operating system: the peak resident size, minus the resident size after the recognizer was
loaded and had answered once. "matrix products alone" is the time of the text encoder's matrix products for the same number of tokens, at the 32-bit speed of
such products on this machine, measured in the same run. It is a lower bound for the time of reading.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from tdsm.backbones.classifier import Classifier
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config, demo
from tdsm.data.labels import as_labels
from tdsm.data.layouts import NTU_25, Layout
from tdsm.data.preprocess import preprocess_all
from tdsm.data.procedural import procedural_clips
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer, pretrained
from tdsm.text import TextEncoder

VERBS = "raise lower push pull twist kick throw catch lift drop swing shake tap open close fold pour cut turn press"
THINGS = "arm leg hand cup ball box door bag chair rope book phone hat coat brush spoon stick bottle wheel paper lamp plate fork knife shoe"
WAYS = "slowly quickly twice high low sideways forward backward gently hard again alone together once here there outside indoors upward away"
MIB = 2**20


def names(count: int) -> list[str]:
    """``count`` different labels of four words each."""
    return [f"{verb} the {thing} {way}" for verb in VERBS.split() for thing in THINGS.split() for way in WAYS.split()][:count]


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    """CPU seconds and result of ``work``."""
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


def products(text_encoder: TextEncoder, tokens: int) -> float:
    """CPU seconds of the text encoder's matrix products for ``tokens`` tokens, at the best measured speed of one such product on this machine."""
    weights = [weight for weight in text_encoder._model.layers.parameters() if weight.ndim == 2]
    x, weight = torch.randn(1024, weights[0].shape[1]), weights[0].detach()
    best = min(seconds(lambda: torch.nn.functional.linear(x, weight))[0] for _ in range(20))
    return best / (len(x) * weight.numel()) * tokens * sum(weight.numel() for weight in weights)


def pairs(count: int, layout: Layout) -> None:
    """Generate pairs, preprocess them and encode their sentences, as :func:`tdsm.backbones.pairs.generated_pairs` does; prints the times."""
    config = Config()
    text_encoder = TextEncoder(config.text)
    text_encoder.read_sentences(["this loads the model"])
    generating, clips = seconds(lambda: procedural_clips(count, layout=layout))
    preparing, _ = seconds(lambda: preprocess_all(clips, config.preprocess))
    reading, _ = seconds(lambda: text_encoder.read_sentences([clip.label for clip in clips]))
    distinct = {tuple(words) for words in text_encoder._words(sorted({clip.label for clip in clips}), 64)}
    floor = products(text_encoder, sum(map(len, distinct)))
    print(
        f"{count:,} pairs: {generating + preparing + reading:.2f} s: generated {generating:.1f}, preprocessed {preparing:.1f}, "
        f"{len(distinct):,} different sentences read {reading:.1f} (matrix products alone {floor:.1f})"
    )
    for steady in (False, True):
        took, _ = seconds(lambda steady=steady: preprocess_all(clips, replace(config.preprocess, steady=steady)))
        print(f"preprocessing: {count / took:,.0f} clips a second ({layout.name}, 48 frames to {config.preprocess.frames}{', steady' if steady else ''})")


def of_demo_size() -> Recognizer:
    """A recognizer of the paper's recipe in the demo's size. Its weights are random, which does not change the amount of work."""
    config = demo()
    encoder = build_encoder(config.encoder, NTU_25, config.preprocess.bodies, 40)
    backbone = Classifier(encoder, config.preprocess, ["squat"], "synthetic", TextEncoder(config.text))
    text = backbone.labels(as_labels(["squat"]))
    return Recognizer(config, backbone, Matcher(backbone.features, 1, text.z_g.shape[1], text.z_l.shape[1], config.model, config.diffusion))


def resident() -> int:
    """Resident bytes of this process now (Linux); on other systems, the peak."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except FileNotFoundError:
        return most()


def most() -> int:
    """Peak resident bytes of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def question(kind: str, recognizer: Recognizer, clips: int, labels: int) -> None:
    """Ask one question and print time and memory."""
    asked, generated = names(labels), list(procedural_clips(min(clips, 100)))
    given = [generated[row % len(generated)] for row in range(clips)]
    recognizer.predict(given[:2], ["walk", "jump"])
    before, top = resident(), most()
    took, answer = seconds(lambda: recognizer.predict(given, asked))
    above = f"{(most() - before) / MIB:.0f} MiB above" if most() > top else f"no more than the {(top - before) / MIB:.0f} MiB above that were once needed"
    print(f"{labels:,} labels x {clips:,} clips, {kind}: {took:.2f} s, {above} the {before / MIB:.0f} MiB before; scores {answer.scores.shape}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=Config().align.pairs)
    parser.add_argument("--many", type=int, default=10_000, help="number of labels, then of clips")
    parser.add_argument("--few", type=int, default=10, help="number of clips, then of labels")
    parser.add_argument("--demo-size", action="store_true", help="also ask a recognizer of the paper's recipe in the demo's size (35 tokens per label)")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{args.threads} threads, torch {torch.__version__}")
    for kind, make in (("shipped", pretrained), ("demo size", of_demo_size))[: 1 + args.demo_size]:
        recognizer = make()
        question(kind, recognizer, args.few, args.many)
        question(kind, recognizer, args.many, args.few)
    text_encoder = TextEncoder(Config().text)
    text_encoder.read_sentences(["this loads the model"])
    tokens = sum(map(len, text_encoder._words(names(args.many), 64)))
    print(f"reading {args.many:,} labels, {tokens:,} tokens: matrix products alone {products(text_encoder, tokens):.1f} s")
    pairs(args.pairs, NTU_25)


if __name__ == "__main__":
    main()
