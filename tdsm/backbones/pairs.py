"""Generated pairs and the towers trained on them alone. Both are computed once, cached in the user's cache folder, and used for every data set.

They depend on the settings, the text model's files and a seed, and on no recording. The cache key is a hash of these.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from tdsm.backbones.aligned import Aligned, Pairs, train_on_pairs
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config
from tdsm.data.layouts import Layout
from tdsm.data.preprocess import preprocess_all
from tdsm.data.procedural import procedural_clips
from tdsm.text import TextModel, cache_folder
from tdsm.util.weights import cached_tensors, check_weights

__all__ = ["generated_pairs", "pretrained"]

_SEED = 0  # seed of the generated pairs, the same in all runs
_FORMAT = 2  # raise it when the generator changes, so that old cache files are not used


def generated_pairs(config: Config, layout: Layout, text_encoder: TextModel, cache: Path | None = None) -> Pairs:
    """``config.align.pairs`` preprocessed movements in this layout, and their sentences, cached in the folder ``cache`` (default: the user's)."""

    def make() -> dict[str, Tensor]:
        clips = procedural_clips(config.align.pairs, _SEED, layout)
        x = torch.from_numpy(preprocess_all(clips, config.preprocess, progress=True))
        return {"x": x, "z_g": text_encoder.read_sentences([clip.label for clip in clips])}

    return Pairs(**cached_tensors(_place(cache, "pairs", config, layout, text_encoder), make, remake=False))


def pretrained(
    config: Config, layout: Layout, text_encoder: TextModel, seed: int = 0, cache: Path | None = None, net: Callable[..., nn.Module] | None = None
) -> Aligned:
    """An aligned backbone trained on generated pairs alone (:func:`tdsm.backbones.aligned.train_on_pairs`).

    ``net``: (layout, persons, classes) -> your own skeleton encoder, which is trained again in every call; default: that of ``config.encoder``, cached.
    """
    pairs = generated_pairs(config, layout, text_encoder, cache)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = net(layout, config.preprocess.bodies, 1) if net else build_encoder(config.encoder, layout, config.preprocess.bodies, 1)
        backbone = Aligned(encoder, pairs.z_g.shape[1], config.align.width, config.preprocess, text_encoder, config.align.hidden)
    path = _place(cache, "aligned", config, layout, text_encoder, seed)
    checkpoint = None if net else path.with_name(f"{path.stem}.training.safetensors")

    def make() -> dict[str, Tensor]:
        train_on_pairs(backbone, pairs, config.align, seed=seed, checkpoint=checkpoint, precision=config.train.precision)
        return backbone.cpu().state_dict()

    if net:
        make()
        return backbone
    weights = cached_tensors(path, make, collective=int(os.environ.get("WORLD_SIZE", "1")) > 1)
    check_weights(backbone.state_dict(), weights, path)
    backbone.load_state_dict(weights)
    checkpoint.unlink(missing_ok=True)
    return backbone


def _place(cache: Path | None, name: str, config: Config, layout: Layout, text_encoder: TextModel, seed: int | None = None) -> Path:
    text = {"text": asdict(config.text), "files": text_encoder.identity}
    parts = {"generator": _FORMAT, "pairs": config.align.pairs, "preprocess": asdict(config.preprocess), "layout": layout.name} | text
    if seed is not None:
        stage = {key: value for key, value in asdict(config.align).items() if key in ("width", "pretrain_steps", "batch", "lr", "weight_decay")}
        parts |= {"encoder": asdict(config.encoder), "align": stage, "seed": seed, "precision": config.train.precision}
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return (cache or cache_folder().parent) / name / f"{key}.safetensors"
