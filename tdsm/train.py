"""The way through: clips of seen classes in, a recognizer and its honest score out.

    clips -> preprocess -> encoder -> z_x --\\
                                             matcher -> errors -> report
    labels -> prompts -> text encoder -> z --/
"""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tdsm.backbones.aligned import Aligner, seen_with_mirrors, train_with_seen
from tdsm.backbones.base import extract
from tdsm.backbones.lexicon import fit_lexicon, read_labels, sentences_of_others
from tdsm.backbones.nets import build_encoder
from tdsm.backbones.pairs import generated_pairs, pretrained_aligner
from tdsm.baselines import ridge_to_text
from tdsm.config import Config
from tdsm.data.clips import ClipSet
from tdsm.data.labels import as_labels, normal_form, same_name
from tdsm.data.preprocess import preprocess_all, usable
from tdsm.data.prompts import Descriptions
from tdsm.evaluate import Report
from tdsm.loop import History, fingerprint, train_encoder, train_matcher
from tdsm.recognizer import Recognizer, label_text, new_matcher
from tdsm.text import TextEncoder, TextFeatures, cache_folder, class_prompts
from tdsm.util.errors import InputError
from tdsm.util.files import locked, read_object, read_text, write_json, write_text
from tdsm.util.history import write_history
from tdsm.util.provenance import environment, is_main_process

__all__ = ["check_run", "cosine_report", "ridge_report", "train_recognizer", "zero_shot_report"]


SELECTION = "none: a fixed number of steps, nothing is chosen on any test clip"


def train_recognizer(
    clips: ClipSet,
    config: Config,
    *,
    descriptions: Descriptions | None = None,
    folder: Path | None = None,
    seed: int = 0,
    text_encoder: TextEncoder | None = None,
) -> Recognizer:
    """Train encoder and denoiser on all clips given, which are therefore the seen classes; the number of steps is fixed.

    Args:
        clips: labelled clips; their classes are the seen classes. Clips of unseen classes must not be in here.
        config: settings.
        descriptions: label -> sentence about the movement; may hold more labels than are trained on.
        folder: run folder: config.json, env.json, history.csv, ``training`` (checkpoints: a killed run goes on from there) and
            ``model`` (what :meth:`Recognizer.from_pretrained` reads). None keeps everything in memory.
        seed: of weights, batches, noise.

    Raises:
        InputError: unlabelled clips, fewer than two classes, or a run folder made from something else.
    """
    if len(clips.classes) < 2:
        raise InputError(clips.name, f"has {len(clips.classes)} class to train on", "give at least two seen classes")
    clips = usable(clips, config.preprocess)
    y = torch.from_numpy(clips.y)
    text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
    text_encoder.check()
    text_encoder.examine(as_labels(clips.classes, descriptions), config.align.pairs > 0 and config.align.guess > 0, aligned=config.align.pairs > 0)
    x = torch.from_numpy(preprocess_all(clips, config.preprocess))
    if folder is None:
        return _train(x, y, clips, descriptions or {}, config, text_encoder, seed, None)
    said = {"seed": seed, "inputs": fingerprint(x, y, clips.classes, sorted((descriptions or {}).items()))}
    with locked(folder, wait=False, note="another process is training in it") if is_main_process() else nullcontext():
        _open_run(folder, config, said)
        return _train(x, y, clips, descriptions or {}, config, text_encoder, seed, folder)


def _train(
    x: Tensor, y: Tensor, clips: ClipSet, descriptions: Descriptions, config: Config, text_encoder: TextEncoder, seed: int, folder: Path | None
) -> Recognizer:
    training = None if folder is None else folder / "training"
    checkpoints = {name: training and training / f"{name}.safetensors" for name in ("encoder", "denoiser")}
    train = _align if config.align.pairs else _classify
    encoder, history, examples = train(x, y, clips, descriptions, config, text_encoder, seed, checkpoints["encoder"])
    matcher = new_matcher(examples.z_x, examples.text, config, seed)
    if config.diffusion.scale_features:
        matcher.fit_scale(examples.z_x.cpu())
    matcher.keep_reference(examples.z_x[len(y) :] if config.align.pairs else examples.z_x, seed)  # movements of all kinds, where there are such
    denoiser = train_matcher(matcher, examples.z_x, examples.y, examples.text, config.train, seed=seed, checkpoint=checkpoints["denoiser"])
    recognizer = Recognizer(config, clips.layout, clips.classes, descriptions, encoder, matcher, text_encoder)
    if folder is not None and is_main_process():
        write_history(folder / "history.csv", {"encoder": history, "denoiser": denoiser})
        recognizer.save_pretrained(folder / "model")
    return recognizer


class Examples(NamedTuple):
    """What the denoiser learns from: features (N, M_x, C), the text (N,) of each, and all texts; the seen clips come first."""

    z_x: Tensor
    y: Tensor
    text: TextFeatures


def _classify(
    x: Tensor, y: Tensor, clips: ClipSet, descriptions: Descriptions, config: Config, text_encoder: TextEncoder, seed: int, checkpoint: Path | None
) -> tuple[nn.Module, History, Examples]:
    """The paper's way: an encoder trained as a classifier of the seen classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = build_encoder(config.encoder, clips.layout, config.preprocess.bodies, len(clips.classes))
    history = train_encoder(encoder, x, y, config.encoder, seed=seed, checkpoint=checkpoint, precision=config.train.precision)
    return encoder, history, Examples(extract(encoder, x), y, label_text(encoder, text_encoder, clips.classes, descriptions))


def _align(
    x: Tensor, y: Tensor, clips: ClipSet, descriptions: Descriptions, config: Config, text_encoder: TextEncoder, seed: int, checkpoint: Path | None
) -> tuple[nn.Module, History, Examples]:
    """Ours: an encoder aligned with sentences on generated pairs, and then on the seen clips too; the denoiser learns from both."""
    pairs = generated_pairs(config, clips.layout, text_encoder)
    aligner = pretrained_aligner(config, clips.layout, text_encoder, seed)
    told = [prompts[-1] for prompts in class_prompts(clips.classes, descriptions)]
    if config.align.guess:
        described = {label: text for label, text in zip(clips.classes, told, strict=True) if not same_name(label, text)}
        aligner.lexicon = fit_lexicon(sentences_of_others(clips.name) | described, config.align.guess, text_encoder)
    read = partial(read_labels, text_encoder=text_encoder, lexicon=aligner.lexicon)
    seen = seen_with_mirrors(x, y, clips.classes, told, read, clips.layout)
    history = train_with_seen(aligner, pairs, seen, config.align, seed=seed, checkpoint=checkpoint)
    z_x = torch.cat((extract(aligner, x), extract(aligner, pairs.x - aligner.offset.cpu())))
    z_g = torch.cat((seen.z_g[: len(clips.classes)], pairs.z_g))
    return aligner, history, Examples(z_x, torch.cat((y, len(clips.classes) + torch.arange(len(pairs.x)))), aligner.label_features(z_g))


def check_run(folder: Path, config: Config) -> None:
    """Refuse a run folder in which other settings stand; a new folder will do.

    Raises:
        InputError: other settings, or a config.json that cannot be read.
    """
    path = folder / "config.json"
    if path.exists() and Config.from_json(read_text(path), str(path)) != config:
        raise InputError(path, "holds other settings", "give another run folder, or delete this one")


def _open_run(folder: Path, config: Config, said: dict[str, object]) -> None:
    """Write settings and surroundings into a run folder, after a check that it is new or of the same run; a refused one is left as it is."""
    check_run(folder, config)
    path = folder / "env.json"
    there = read_object(path) if path.exists() else {}
    for name, what in (("seed", "another seed"), ("inputs", "other clips, labels or descriptions")):
        if there.get(name, said[name]) != said[name]:
            raise InputError(path, f"is of a run with {what}", "give another run folder, or delete this one")
    if is_main_process():
        write_text(folder / "config.json", config.to_json() + "\n")
        write_json(path, environment(said["seed"]) | said | {"selection": SELECTION})


def zero_shot_report(recognizer: Recognizer, clips: ClipSet) -> Report:
    """Zero-shot report: candidates are the classes of ``clips``, none of which the recognizer may have been trained on.

    Raises:
        InputError: a class of ``clips`` was trained on.
    """
    clips = usable(clips, recognizer.config.preprocess)
    seen = {normal_form(label) for label in recognizer.seen}
    overlap = sorted(label for label in clips.classes if normal_form(label) in seen)
    if overlap:
        raise InputError(clips.name, f"class {overlap[0]!r} was trained on, so this is no zero-shot test", "test on unseen classes only")
    errors = recognizer.errors(recognizer.features(clips), clips.classes)
    return Report(errors.cpu().numpy(), clips.y, clips.classes, clips.subjects)


def ridge_report(recognizer: Recognizer, train: ClipSet, test: ClipSet) -> Report:
    """The simple baseline on the recognizer's own features and text: ridge regression to the text, candidates as in :func:`zero_shot_report`."""
    train, test = (usable(clips, recognizer.config.preprocess) for clips in (train, test))
    labels = (*train.classes, *test.classes)
    z_g = label_text(recognizer.encoder, recognizer.text_encoder, labels, recognizer.descriptions).z_g.cpu()
    seen, unseen = z_g[: len(train.classes)], z_g[len(train.classes) :]
    z_x, test_z_x = (recognizer.features(clips)[:, 0].cpu() for clips in (train, test))
    similarity = ridge_to_text(z_x, torch.from_numpy(train.y), seen, test_z_x, unseen)
    return Report(-similarity.numpy(), test.y, test.classes, test.subjects)


def cosine_report(recognizer: Recognizer, test: ClipSet) -> Report:
    """What an aligned encoder answers without the denoiser: the cosine of clip and label, with the labels' bias taken off as the denoiser's is.

    Raises:
        ValueError: the recognizer's encoder is not aligned.
    """
    if not isinstance(recognizer.encoder, Aligner):
        raise ValueError("cosine_report needs an aligned encoder")
    test = usable(test, recognizer.config.preprocess)
    told = label_text(recognizer.encoder, recognizer.text_encoder, test.classes, recognizer.descriptions).z_g
    similarity, usual = ((z_x[:, 0] @ told.T / told.shape[1]).cpu() for z_x in (recognizer.features(test), recognizer.matcher.reference))
    bias = usual.mean(0) if len(usual) else 0.0
    return Report((bias - similarity).numpy(), test.y, test.classes, test.subjects)
