"""The way through: clips of seen classes in, a recognizer and its honest score out.

    clips -> preprocess -> encoder -> z_x --\\
                                             matcher -> errors -> report
    labels -> prompts -> text encoder -> z --/
"""

from pathlib import Path

import torch

from tdsm.baselines import ridge_to_text
from tdsm.clips import ClipSet
from tdsm.config import Config
from tdsm.encoders import build_encoder
from tdsm.errors import InputError
from tdsm.evaluate import Report
from tdsm.features import extract
from tdsm.matching import Matcher
from tdsm.preprocess import preprocess_all
from tdsm.prompts import Descriptions
from tdsm.recognizer import Recognizer
from tdsm.runs import environment, is_main_process, write_history, write_json, write_text
from tdsm.text import TextEncoder, cache_folder, class_prompts
from tdsm.train import train_encoder, train_matcher

__all__ = ["check_run", "ridge_report", "train_recognizer", "zero_shot_report"]


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
    y = torch.from_numpy(clips.y)
    if len(clips.classes) < 2:
        raise InputError(clips.name, f"has {len(clips.classes)} class to train on", "give at least two seen classes")
    text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
    text = text_encoder.encode(class_prompts(clips.classes, descriptions), prompts_per_class=2)
    training = _open_run(folder, config, seed) if folder is not None else None
    x = torch.from_numpy(preprocess_all(clips, config.preprocess))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = build_encoder(config.encoder, clips.layout, config.preprocess.bodies, len(clips.classes))
    checkpoints = {name: training and training / f"{name}.safetensors" for name in ("encoder", "denoiser")}
    precision = config.train.precision
    history = {"encoder": train_encoder(encoder, x, y, config.encoder, seed=seed, checkpoint=checkpoints["encoder"], precision=precision)}
    z_x = extract(encoder, x)
    matcher = Matcher(z_x.shape[2], z_x.shape[1], text.z_g.shape[1], text.z_l.shape[1], config.model, config.diffusion, seed)
    if config.diffusion.scale_features:
        matcher.fit_scale(z_x.cpu())
    history["denoiser"] = train_matcher(matcher, z_x, y, text, config.train, seed=seed, checkpoint=checkpoints["denoiser"])
    recognizer = Recognizer(config, clips.layout, clips.classes, descriptions or {}, encoder, matcher, text_encoder)
    if folder is not None and is_main_process():
        write_history(folder / "history.csv", history)
        recognizer.save_pretrained(folder / "model")
    return recognizer


def check_run(folder: Path, config: Config) -> None:
    """Refuse a run folder in which other settings stand; a new folder will do.

    Raises:
        InputError: other settings, or a config.json that cannot be read.
    """
    path = folder / "config.json"
    if path.exists() and Config.from_json(path.read_text(encoding="utf-8"), str(path)) != config:
        raise InputError(path, "holds other settings", "give another run folder, or delete this one")


def _open_run(folder: Path, config: Config, seed: int) -> Path:
    """Write settings and surroundings into a run folder; returns its folder of training checkpoints."""
    check_run(folder, config)
    (folder / "training").mkdir(parents=True, exist_ok=True)
    if is_main_process():
        write_text(folder / "config.json", config.to_json() + "\n")
        write_json(folder / "env.json", environment(seed) | {"selection": SELECTION})
    return folder / "training"


def zero_shot_report(recognizer: Recognizer, clips: ClipSet) -> Report:
    """Zero-shot report: candidates are the classes of ``clips``, none of which the recognizer may have been trained on.

    Raises:
        InputError: a class of ``clips`` was trained on.
    """
    overlap = sorted(set(clips.classes) & set(recognizer.seen))
    if overlap:
        raise InputError(clips.name, f"class {overlap[0]!r} was trained on, so this is no zero-shot test", "test on unseen classes only")
    errors = recognizer.errors(recognizer.features(clips), clips.classes)
    return Report(errors.cpu().numpy(), clips.y, clips.classes, clips.subjects)


def ridge_report(recognizer: Recognizer, train: ClipSet, test: ClipSet) -> Report:
    """The simple baseline on the recognizer's own features and text: ridge regression to the text, candidates as in :func:`zero_shot_report`."""
    z_g = recognizer.text_encoder.encode(class_prompts((*train.classes, *test.classes), recognizer.descriptions), prompts_per_class=2).z_g
    seen, unseen = z_g[: len(train.classes)], z_g[len(train.classes) :]
    z_x, test_z_x = (recognizer.features(clips)[:, 0].cpu() for clips in (train, test))
    similarity = ridge_to_text(z_x, torch.from_numpy(train.y), seen, test_z_x, unseen)
    return Report(-similarity.numpy(), test.y, test.classes, test.subjects)
