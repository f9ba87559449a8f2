"""What each stage does: everything it needs is given, and everything it makes is in the folder it is given last."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from tdsm.backbones.base import extract
from tdsm.backbones.encoder_files import load_encoder, save_encoder
from tdsm.backbones.nets import build_encoder
from tdsm.baselines import ridge_to_text
from tdsm.catalogue.feature_checks import check_against
from tdsm.catalogue.feature_files import read_features, save_features
from tdsm.catalogue.partitions import in_test, in_training
from tdsm.catalogue.rows import Benchmark
from tdsm.config import Config
from tdsm.data.arrays import open_arrays, write_arrays
from tdsm.data.clips import ClipSet
from tdsm.data.features import FeatureSet
from tdsm.data.prompts import Descriptions, class_prompts
from tdsm.data.readers import load_clips
from tdsm.data.readers.reading import Reading
from tdsm.loop import train_encoder, train_matcher
from tdsm.matcher import Matcher
from tdsm.text import TextEncoder
from tdsm.train import SELECTION
from tdsm.util.errors import InputError
from tdsm.util.files import atomic, write_json
from tdsm.util.history import write_history
from tdsm.util.weights import save_weights

__all__ = ["make_arrays", "make_clips", "make_encoder", "make_features", "make_scores"]


def make_clips(data: tuple[Path, ...], folder: Path) -> None:
    """Download -> a clip store for each part that was given; a killed call goes on file by file."""
    for number, path in enumerate(data):
        load_clips(path, reading=Reading(store=folder / str(number)))


def make_arrays(clips_folder: Path, benchmark: Benchmark, config: Config, classes: tuple[str, ...], folder: Path) -> None:
    """Clip stores -> preprocessed arrays of the row's data set, in its official class order."""
    parts = [load_clips(part) for part in sorted(clips_folder.iterdir()) if part.is_dir()]
    clips = tuple(clip for part in parts for clip in benchmark.select(part))
    write_arrays(folder, ClipSet(clips, classes, benchmark.dataset), config.preprocess)


def make_encoder(arrays_folder: Path, benchmark: Benchmark, draw: int, config: Config, folder: Path) -> None:
    """Arrays -> an encoder trained on the seen classes of the training part, for a fixed number of steps."""
    arrays = open_arrays(arrays_folder)
    rows = _divide(benchmark, draw, arrays.names, arrays.y)["train"]
    seen = [label for index, label in enumerate(arrays.classes) if index not in benchmark.draws[draw]]
    y = torch.from_numpy(np.searchsorted([arrays.classes.index(label) for label in seen], arrays.y[rows]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = build_encoder(config.encoder, arrays.layout, config.preprocess.bodies, len(seen))
    checkpoint = folder / "training.safetensors"
    history = train_encoder(encoder, arrays.rows(rows), y, config.encoder, checkpoint=checkpoint, precision=config.train.precision)
    write_history(folder / "history.csv", {"encoder": history})
    save_encoder(folder / "encoder.safetensors", encoder, config.encoder, config.preprocess, arrays.layout, benchmark.dataset, seen)
    checkpoint.unlink()


def make_features(arrays_folder: Path, encoder_file: Path, benchmark: Benchmark, draw: int, folder: Path) -> None:
    """Arrays and an encoder -> z_x of what trains, of the unseen test and, where the parts differ, of the whole test part."""
    arrays = open_arrays(arrays_folder)
    encoder, about = load_encoder(encoder_file)
    if about.layout != arrays.layout:
        raise InputError(encoder_file, f"was trained on {about.layout.name}, the clips are {arrays.layout.name}", "give an encoder of this body")
    encoder.to("cuda" if torch.cuda.is_available() else "cpu")
    parts = {
        name: (extract(encoder, arrays.rows(rows))[:, 0].cpu().numpy(), arrays.y[rows])
        for name, rows in _divide(benchmark, draw, arrays.names, arrays.y).items()
    }
    save_features(folder / "features.npz", _feature_set(benchmark, arrays.classes, about.classes, parts))


def _feature_set(benchmark: Benchmark, classes: tuple[str, ...], seen: Sequence[str], parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> FeatureSet:
    z_all, y_all = parts.get("all", (None, None))
    return FeatureSet(*parts["train"], *parts["unseen"], z_all, y_all, len(classes), tuple(seen), benchmark.dataset, classes)


def _divide(benchmark: Benchmark, draw: int, names: Sequence[str], y: np.ndarray) -> dict[str, np.ndarray]:
    """Row numbers of seen ∩ train, of unseen ∩ test, and, where the parts differ, of all classes ∩ test.

    Raises:
        InputError: one of the first two is empty.
    """
    unseen = np.isin(y, benchmark.draws[draw])
    train, test = (np.array([within(benchmark.dataset, benchmark.partition, name) for name in names]) for within in (in_training, in_test))
    rows = {"train": np.flatnonzero(train & ~unseen), "unseen": np.flatnonzero(test & unseen), "all": np.flatnonzero(test & ~train)}
    if not len(rows["all"]):  # every clip is in both parts, so that no seen clip is left to test on
        del rows["all"]
    for part, wanted in (("train", set(range(benchmark.classes)) - set(benchmark.draws[draw])), ("unseen", set(benchmark.draws[draw]))):
        missing = sorted(wanted - set(y[rows[part]].tolist()))
        if missing:
            raise InputError(benchmark.name, f"no clip of class {missing[0]} (from 0) in {part}, {len(missing)} such classes", "complete the download")
    return rows


def make_scores(
    benchmark: Benchmark,
    draw: int,
    seed: int,
    features_path: Path,
    config: Config,
    descriptions: Descriptions,
    text_encoder: TextEncoder,
    folder: Path,
) -> None:
    """Features and prompts -> a denoiser and its errors (clip, label, noise) on unseen clips, with ridge regression beside it."""
    features = read_features(features_path, benchmark.classes)
    check_against(features, benchmark, draw, str(features_path))
    classes = tuple(descriptions)
    unseen = sorted(benchmark.draws[draw])
    seen = [index for index in range(benchmark.classes) if index not in unseen]
    text = text_encoder.encode(class_prompts(classes, descriptions), prompts_per_class=2)
    z_x = torch.from_numpy(features.z_train.reshape(len(features.y_train), -1, features.z_train.shape[-1]))
    y = torch.from_numpy(np.searchsorted(seen, features.y_train))
    test_z_x = torch.from_numpy(features.z_unseen.reshape(len(features.y_unseen), -1, features.z_unseen.shape[-1]))
    matcher = Matcher(z_x.shape[2], z_x.shape[1], text.z_g.shape[1], text.z_l.shape[1], config.model, config.diffusion, seed)
    if config.diffusion.scale_features:
        matcher.fit_scale(z_x)
    checkpoint = folder / "training.safetensors"
    start = time.monotonic()
    history = train_matcher(matcher, z_x, y, text.select(seen), config.train, seed=seed, checkpoint=checkpoint)
    matcher.eval()
    device = matcher.test_noise.device
    errors = matcher.noise_errors(test_z_x.to(device), matcher.encode_text(text.select(unseen).to(device))).cpu().numpy()
    ridge = ridge_to_text(z_x.mean(1), y, text.z_g[seen], test_z_x.mean(1), text.z_g[unseen]).numpy()
    write_history(folder / "history.csv", {"denoiser": history})
    with atomic(folder / "scores.npz") as path, path.open("wb") as file:
        answers = np.searchsorted(unseen, features.y_unseen)
        np.savez_compressed(file, errors=errors, ridge=-ridge, y=answers, train=len(y), seconds=time.monotonic() - start)
    write_json(folder / "about.json", {"labels": [classes[index] for index in unseen], "selection": SELECTION, "seed": seed})
    save_weights(matcher, folder / "matcher.safetensors")
    checkpoint.unlink()
