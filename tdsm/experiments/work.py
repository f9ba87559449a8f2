"""The computation of each stage. A function gets everything it needs as arguments, and writes its result to the folder that is its last argument."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tdsm.backbones.base import Backbone, Examples, SeenClips
from tdsm.backbones.fit import examples_of, fit_backbone, load_backbone, save_backbone
from tdsm.backbones.given import fit_given, tokens
from tdsm.baselines import cosine, ridge
from tdsm.catalogue.feature_checks import check_against
from tdsm.catalogue.feature_files import read_features, save_features
from tdsm.catalogue.partitions import in_test, in_training
from tdsm.catalogue.rows import Benchmark
from tdsm.config import Config, PreprocessConfig
from tdsm.data.arrays import Arrays, open_arrays, write_arrays
from tdsm.data.clips import ClipSet
from tdsm.data.features import FeatureSet
from tdsm.data.labels import Label
from tdsm.data.readers import load_clips
from tdsm.data.readers.reading import Reading
from tdsm.evaluate import SELECTION
from tdsm.experiments.cells import Cell
from tdsm.experiments.stages import Stage
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.text import TextModel
from tdsm.train import fit_matcher
from tdsm.util.errors import InputError
from tdsm.util.files import atomic, write_json
from tdsm.util.history import write_history
from tdsm.util.loop import device

__all__ = ["Division", "make_arrays", "make_backbone", "make_clips", "make_features", "make_scores"]


@dataclass(frozen=True)
class Division:
    """Training and test clips, by class indices. With ``part`` "unseen" test clips are from the test part of the partition, else from its training part."""

    dataset: str
    partition: str
    train_classes: tuple[int, ...]
    test_classes: tuple[int, ...]
    part: str

    def rows(self, names: Sequence[str], y: np.ndarray) -> dict[str, np.ndarray]:
        """Row numbers of the training clips ("train"), of the test clips ("unseen") and, if the parts differ, of all clips of the test part ("all").

        Raises:
            InputError: a class has no clip in its part.
        """
        train, test = (np.array([within(self.dataset, self.partition, name) for name in names]) for within in (in_training, in_test))
        of_train, of_test = np.isin(y, self.train_classes), np.isin(y, self.test_classes)
        tested = train if self.part == "pseudo" else test
        rows = {"train": np.flatnonzero(train & of_train), "unseen": np.flatnonzero(tested & of_test)}
        every = np.flatnonzero(test & ~train & (of_train | of_test))
        if self.part == "unseen" and len(every):
            rows["all"] = every
        for part, wanted in (("train", self.train_classes), ("unseen", self.test_classes)):
            missing = sorted(set(wanted) - set(y[rows[part]].tolist()))
            if missing:
                raise InputError(
                    self.dataset, f"no clip of class {missing[0]} (counted from 0) in {part}, one of {len(missing)} such classes", "complete the download"
                )
        return rows


def make_clips(data: tuple[Path, ...], folder: Path) -> None:
    """Downloads -> one clip store per download; an interrupted call resumes at the next file."""
    for number, path in enumerate(data):
        load_clips(path, reading=Reading(store=folder / str(number)))


def make_arrays(clips: Stage | ClipSet, benchmark: Benchmark, config: PreprocessConfig, classes: tuple[str, ...], folder: Path) -> None:
    """Clips -> preprocessed arrays of the row's data set, with classes in the official order."""
    parts = [clips] if isinstance(clips, ClipSet) else [load_clips(part) for part in sorted(clips.checked().iterdir()) if part.is_dir()]
    chosen = tuple(clip for part in parts for clip in benchmark.select(part))
    write_arrays(folder, ClipSet(chosen, classes, benchmark.dataset), config)


def make_backbone(arrays: Stage, division: Division, labels: tuple[Label, ...], config: Config, seed: int, text_encoder: TextModel, folder: Path) -> None:
    """Arrays -> a backbone trained on the seen classes of the training part, for a fixed number of steps."""
    opened = _open(arrays)
    rows = division.rows(opened.names, opened.y)["train"]
    y = torch.from_numpy(np.searchsorted(division.train_classes, opened.y[rows]))
    clips = SeenClips(opened.rows(rows), y, labels, opened.layout, division.dataset)
    checkpoint = folder / "training.safetensors"
    fresh, start = not checkpoint.exists(), time.monotonic()
    backbone, _, history = fit_backbone(clips, config, seed=seed, checkpoint=checkpoint, text_encoder=text_encoder)
    write_history(folder / "history.csv", {"encoder": history})
    save_backbone(folder, backbone, config)
    write_json(folder / "seconds.json", {"seconds": time.monotonic() - start if fresh else None})
    checkpoint.unlink(missing_ok=True)


def _open(arrays: Stage) -> Arrays:
    return open_arrays(arrays.checked("x.npy", "rows.json"))


def _load(place: Stage | Path, text_encoder: TextModel) -> Backbone:
    """The backbone of a stage, or of a folder that the user gave."""
    folder = place.checked("backbone.json", "backbone.safetensors") if isinstance(place, Stage) else place
    return load_backbone(folder, text_encoder)[0].to(device())


def make_features(arrays: Stage, place: Stage | Path, division: Division, classes: tuple[str, ...], text_encoder: TextModel, folder: Path) -> None:
    """Arrays and a backbone -> z_x of the training clips, of the test clips and, if the parts differ, of the whole test part."""
    opened, encoder = _open(arrays), _load(place, text_encoder)
    if encoder.layout != opened.layout:
        where = place.folder if isinstance(place, Stage) else place
        raise InputError(where, f"was trained on {encoder.layout.name}, the clips are {opened.layout.name}", "give a backbone of the layout of the clips")
    parts = {name: (encoder.rows(opened.rows(rows)).cpu().numpy(), opened.y[rows]) for name, rows in division.rows(opened.names, opened.y).items()}
    z_all, y_all = parts.get("all", (None, None))
    features = FeatureSet(*parts["train"], *parts["unseen"], z_all, y_all, len(classes), encoder.seen, division.dataset, classes)
    save_features(folder / "features.npz", features)


def make_scores(cell: Cell, features: Stage | Path, place: Stage | Path | None, division: Division | None, arrays: Stage | None, folder: Path) -> None:
    """Features and texts -> a denoiser and its errors (clip, label, noise) on the test clips; also the scores of ridge and, if aligned, of the cosine."""
    read = read_features(features if isinstance(features, Path) else features.path("features.npz"), cell.benchmark.classes)
    backbone, examples, subjects = _examples(cell, read, place, division, arrays)
    checkpoint = folder / "training.safetensors"
    fresh, start = not checkpoint.exists(), time.monotonic()
    matcher, history = fit_matcher(examples, cell.config, seed=cell.seed, checkpoint=checkpoint)
    seconds = time.monotonic() - start if fresh else np.nan
    labels = [cell.labels[index] for index in cell.test_classes]
    y_train = torch.from_numpy(np.searchsorted(cell.train_classes, read.y_train))  # class indices are ascending
    scores = _answers(backbone, matcher, examples, tokens(read.z_unseen), y_train, labels)
    write_history(folder / "history.csv", {"denoiser": history})
    with atomic(folder / "scores.npz") as path, path.open("wb") as file:
        y = np.searchsorted(cell.test_classes, read.y_unseen)
        np.savez_compressed(file, **scores, y=y, subjects=subjects, train=len(read.y_train), seconds=seconds)
    write_json(folder / "about.json", {"labels": [label.name for label in labels], "selection": SELECTION, "seed": cell.seed})
    if place is not None:
        descriptions = {label.name: label.prompts for label in cell.labels if label.description is not None}
        Recognizer(cell.config, backbone.cpu(), matcher.cpu(), descriptions).save_pretrained(folder / "model")
    checkpoint.unlink(missing_ok=True)


def _examples(
    cell: Cell, features: FeatureSet, place: Stage | Path | None, division: Division | None, arrays: Stage | None
) -> tuple[Backbone, Examples, np.ndarray]:
    """The backbone, the training examples of the denoiser, and the subject of each test clip."""
    if place is None:
        check_against(features, cell.benchmark, cell.draw, features.name)
        backbone, examples = fit_given(features, cell.labels, cell.text_encoder)
        return backbone, examples, np.full(len(features.y_unseen), "")
    backbone, opened = _load(place, cell.text_encoder), open_arrays(arrays.checked("rows.json"))
    y = torch.from_numpy(np.searchsorted(cell.train_classes, features.y_train))
    labels = tuple(cell.labels[index] for index in cell.train_classes)
    examples = examples_of(backbone, torch.from_numpy(features.z_train), y, labels, cell.config)
    return backbone, examples, opened.subjects[division.rows(opened.names, opened.y)["unseen"]]


def _answers(
    backbone: Backbone, matcher: Matcher, examples: Examples, test_z_x: torch.Tensor, y: torch.Tensor, labels: Sequence[Label]
) -> dict[str, np.ndarray]:
    """Denoising errors per noise, and the scores of the simple methods on the same features and texts."""
    where = matcher.test_noise.device
    text = backbone.labels(labels)
    errors = matcher.noise_errors(test_z_x.to(where), matcher.encode_text(text.to(where)))
    seen, pooled, test = examples.text.z_g[: len(backbone.seen)].cpu(), examples.z_x[: len(y)].mean(1).cpu(), test_z_x.mean(1).cpu()
    scores = {"errors": errors.cpu().numpy(), "ridge": ridge.fit(pooled, y, seen)(test, text.z_g.cpu()).numpy()}
    if backbone.kind == "aligned":
        scores["cosine"] = cosine.fit(pooled, y, seen)(test, text.z_g.cpu()).numpy()
    return scores
