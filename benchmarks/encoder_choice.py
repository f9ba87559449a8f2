"""Measure accuracy per CPU second of the skeleton encoders; the default was chosen by this. Supervised UTD-MHAD, cross-subject, all settings in one run.

    python benchmarks/encoder_choice.py utd_mhad_skeleton.zip

Subjects 1, 3, 5, 7 are used for training and 2, 4, 6, 8 for testing, with all 27 classes known. No zero-shot split is used.
"""

import argparse
import time

import torch

from tdsm.backbones.base import SeenClips
from tdsm.backbones.classifier import train_net
from tdsm.backbones.nets import build_encoder
from tdsm.config import demo, override
from tdsm.data.labels import as_labels
from tdsm.data.preprocess import preprocess_all
from tdsm.data.readers import read_utd_mhad

SETTINGS = [  # frames, encoder, width, steps, batch
    (32, "shift-gcn", 16, 300, 16),
    (32, "shift-gcn", 16, 150, 32),
    (32, "shift-gcn", 32, 300, 16),
    (32, "st-gcn", 16, 300, 16),
    (64, "shift-gcn", 16, 300, 16),
]


def main() -> None:
    """Print one line per setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="UTD-MHAD as downloaded")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clips = read_utd_mhad(args.data)
    odd = torch.tensor([int(subject[1:]) % 2 == 1 for subject in clips.subjects])
    y = torch.from_numpy(clips.y)
    labels = as_labels(clips.classes)
    print("frames encoder width steps batch | seconds | test top-1 % of each seed")
    for frames, kind, width, steps, batch in SETTINGS:
        values = {"preprocess.frames": frames, "encoder.kind": kind, "encoder.width": width, "encoder.steps": steps, "encoder.batch": batch}
        config = override(demo(), values)
        x = torch.from_numpy(preprocess_all(clips, config.preprocess))
        accuracies, start = [], time.perf_counter()
        for seed in range(args.seeds):
            torch.manual_seed(seed)
            encoder = build_encoder(config.encoder, clips.layout, 1, len(clips.classes))
            train_net(encoder, SeenClips(x[odd], y[odd], labels, clips.layout, clips.name), config, seed)
            with torch.no_grad():
                accuracies.append(100 * (encoder(x[~odd]).argmax(1) == y[~odd]).float().mean().item())
        seconds = (time.perf_counter() - start) / args.seeds
        print(f"{frames} {kind} {width} {steps} {batch} | {seconds:.0f} | {' '.join(f'{accuracy:.1f}' for accuracy in accuracies)}", flush=True)


if __name__ == "__main__":
    main()
