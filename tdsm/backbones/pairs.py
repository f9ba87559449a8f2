"""Generated pairs, ready for alignment, and what is learned from them alone: made once, kept in the user's cache folder, and used by every data set.

Both depend on settings and a seed and on no recording, so that they are found again by the hash of these.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from tdsm.backbones.aligned import Aligner, Pairs, train_on_pairs
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config
from tdsm.data.layouts import Layout
from tdsm.data.preprocess import preprocess_all
from tdsm.data.procedural import procedural_clips
from tdsm.text import TextEncoder, cache_folder
from tdsm.util.files import atomic
from tdsm.util.weights import load_weights, save_weights

__all__ = ["generated_pairs", "pretrained_aligner"]

_SEED = 0  # of the generated pairs; runs differ in everything else
_FORMAT = 1  # raise it when the generator changes, so that pairs of the old one are left alone


def generated_pairs(config: Config, layout: Layout, text_encoder: TextEncoder, cache: Path | None = None) -> Pairs:
    """``config.align.pairs`` preprocessed movements, and the sentences that tell them.

    Args:
        config: says how many, how they are preprocessed and which text encoder reads them.
        layout: the body they are converted to.
        text_encoder: made from ``config.text``.
        cache: folder; left out: the user's.
    """
    path = _place(cache, "pairs", ".npz", config, layout)
    if not path.exists():
        clips = procedural_clips(config.align.pairs, _SEED, layout)
        x = preprocess_all(clips, config.preprocess, progress=True)
        z_g = text_encoder.read_sentences([clip.label for clip in clips]).numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as partial, partial.open("wb") as file:
            np.savez(file, x=x, z_g=z_g)
    with np.load(path, allow_pickle=False) as pairs:
        return Pairs(torch.from_numpy(pairs["x"]), torch.from_numpy(pairs["z_g"]))


def pretrained_aligner(config: Config, layout: Layout, text_encoder: TextEncoder, seed: int = 0, cache: Path | None = None) -> Aligner:
    """An aligner that has learned from generated pairs alone (:func:`tdsm.backbones.aligned.train_on_pairs`)."""
    pairs = generated_pairs(config, layout, text_encoder, cache)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = build_encoder(config.encoder, layout, config.preprocess.bodies, 1)
        aligner = Aligner(encoder, pairs.z_g.shape[1], config.align.width)
    path = _place(cache, "aligned", ".safetensors", config, layout, seed)
    if path.exists():
        load_weights(aligner, path)
        return aligner
    checkpoint = path.with_name(f"{path.stem}.training.safetensors")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    train_on_pairs(aligner, pairs, config.align, seed=seed, checkpoint=checkpoint)
    save_weights(aligner.cpu(), path)
    checkpoint.unlink(missing_ok=True)
    return aligner


def _place(cache: Path | None, name: str, ending: str, config: Config, layout: Layout, seed: int | None = None) -> Path:
    parts = {"generator": _FORMAT, "pairs": config.align.pairs, "preprocess": asdict(config.preprocess), "text": asdict(config.text), "layout": layout.name}
    if seed is not None:
        stage = {key: value for key, value in asdict(config.align).items() if key in ("width", "pretrain_steps", "batch", "lr", "weight_decay")}
        parts |= {"encoder": asdict(config.encoder), "align": stage, "seed": seed}
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return (cache or cache_folder().parent) / name / f"{key}{ending}"
