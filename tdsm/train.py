"""Training of a recognizer: first the backbone, then the denoiser.

clips, labels     -> fit_backbone (tdsm.backbones.fit) -> backbone, and examples: z_x, z_g, z_l
examples          -> fit_matcher                       -> matcher
backbone, matcher                                      -> Recognizer
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from tdsm.backbones.base import Examples, seen_clips
from tdsm.backbones.fit import MakeNet, fit_backbone, on_start_body
from tdsm.config import Config, tuned
from tdsm.data.clips import ClipSet
from tdsm.data.holdout import holdout_clips, pseudo_unseen
from tdsm.data.labels import as_labels
from tdsm.data.prompts import Descriptions
from tdsm.diffusion import Loss
from tdsm.evaluate import SELECTION
from tdsm.evaluate.gzsl import choose_gamma, generalised_report
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.text import TextEncoder, TextModel, cache_folder
from tdsm.util.errors import InputError
from tdsm.util.files import locked, read_object, read_text, write_json, write_text
from tdsm.util.history import write_history
from tdsm.util.loop import Logged, batch_rows, check_seed, device, fingerprint, fit, mix
from tdsm.util.provenance import environment, is_main_process

__all__ = ["calibrated_gamma", "check_run", "fit_matcher", "matcher_for", "train_recognizer"]

_HELD_SUBJECTS = 0.25  # share of the subjects that calibration holds out of training


def fit_matcher(examples: Examples, config: Config, *, seed: int = 0, checkpoint: Path | None = None, loss: Loss | None = None) -> tuple[Matcher, list[Logged]]:
    """Train a denoiser on features and texts for a fixed number of steps. Negatives are drawn uniformly from the texts.

    Args:
        examples: features z_x of the training clips, their class indices, and the texts of the classes.
        config: settings; only ``diffusion``, ``model`` and ``train`` are used.
        seed: seed of weights, batches and noise.
        checkpoint: file from which an interrupted training resumes.
        loss: a custom loss in place of :func:`tdsm.diffusion.tdsm_loss`.

    Returns the matcher, in evaluation mode, and the logged steps.
    """
    matcher = matcher_for(examples, config, seed)
    if loss is not None:
        matcher.loss = loss
    if config.diffusion.scale_features:
        matcher.fit_scale(examples.z_x.cpu())
    z_x, y, text = examples.z_x.to(device()), examples.y.to(device()), examples.text.to(device())
    matcher.to(device())
    settings = config.train

    def losses(module: nn.Module, step: int, share: slice) -> dict[str, Tensor]:
        rows = batch_rows(len(z_x), settings.batch, seed, step)[share]
        draw = torch.Generator().manual_seed(mix(seed, step))
        size = min(settings.batch, len(z_x))
        negative = torch.randint(len(text), (size,), generator=draw)[share]
        t = torch.randint(matcher.diffusion.timesteps, (size,), generator=draw)[share]
        noise = torch.randn(size, *z_x.shape[1:], generator=draw)[share]
        return module(z_x[rows], y[rows], negative.to(y.device), t.to(y.device), noise.to(z_x.device), text)

    history = fit(
        matcher,
        torch.optim.AdamW(matcher.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True),
        losses,
        settings.steps,
        lr=settings.lr,
        warmup=settings.warmup,
        checkpoint=checkpoint,
        identity=fingerprint(settings, config.model, config.diffusion, z_x, y, text.z_g, text.z_l, seed, getattr(loss, "__qualname__", "")),
        save_every=settings.save_every,
        precision=settings.precision,
        seed=seed,
        title="denoiser",
    )
    return matcher, history


def matcher_for(examples: Examples, config: Config, seed: int = 0) -> Matcher:
    """An untrained matcher whose sizes fit these features and texts."""
    z_x, text = examples.z_x, examples.text
    return Matcher(z_x.shape[2], z_x.shape[1], text.z_g.shape[1], text.z_l.shape[1], config.model, config.diffusion, seed)


def train_recognizer(
    clips: ClipSet,
    config: Config | None = None,
    *,
    descriptions: Descriptions | None = None,
    folder: str | Path | None = None,
    seed: int = 0,
    calibrate: bool = False,
    text_encoder: TextModel | None = None,
    net: MakeNet | None = None,
    loss: Loss | None = None,
    init: str | Path | None = None,
) -> Recognizer:
    """Train a backbone and a denoiser on all given clips for a fixed number of steps. The classes of the clips are the seen classes.

    Args:
        clips: labelled clips of the seen classes. Clips of unseen classes must not be among them.
        config: settings; default: ``Config()``, the recommended recipe.
        descriptions: label -> sentence about the body's movement; it may contain labels that are not trained on.
        folder: run folder to write: config.json, env.json, history.csv, ``training`` (checkpoints, from which an interrupted run resumes) and
            ``model`` (files for :meth:`Recognizer.from_pretrained`). None keeps everything in memory.
        seed: seed of weights, batches and noise.
        calibrate: also train a second model without some of the seen classes, and use it to choose the number that is subtracted from the scores of
            seen labels when seen and unseen labels are candidates together (:func:`calibrated_gamma`). This doubles the time.
        text_encoder: encoder of the labels; default: the encoder of ``config.text``.
        net: a custom skeleton encoder, see :data:`tdsm.backbones.fit.MakeNet`.
        loss: a custom loss, see :data:`tdsm.diffusion.Loss`.
        init: "pretrained" fine-tunes the shipped recognizer (:func:`tdsm.pretrained`) on the seen classes, in seconds. Any other value is the path of a
            ``model`` folder that ``tdsm pretrain`` wrote. Clips are converted to the layout of that recognizer, and the default of ``config`` is
            :data:`tdsm.config.tuned`.

    Returns:
        the trained recognizer; its :attr:`Recognizer.seen` are the classes of ``clips``.

    Raises:
        InputError: a clip has no label, there are fewer than two classes, or ``folder`` is a run with other settings, clips, descriptions or seed.

    Example:
        >>> import tdsm
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> clips = synthetic_clips(2).of_classes(["squat", "bow", "jump"])
        >>> tiny = {"encoder.steps": 2, "encoder.width": 4, "train.steps": 2, "preprocess.frames": 8}
        >>> tdsm.train_recognizer(clips, tdsm.override(tdsm.config.demo(), tiny)).seen
        ('squat', 'bow', 'jump')
    """
    folder = None if folder is None else Path(folder)
    check_seed(seed)
    if not isinstance(clips, ClipSet):
        raise InputError("clips", f"are a {type(clips).__name__}", "give a ClipSet of labelled clips: tdsm.ClipSet(clips), or tdsm.load_clips(path)")
    if init is not None:
        config = config or tuned()
        if not isinstance(init, str | Path) or not str(init) or config.backbone != "aligned":
            what = f"is {init!r:.60}, with backbone {config.backbone}"
            raise InputError("init", what, 'give "pretrained" or the `model` folder of a `tdsm pretrain`, with settings such as tdsm.config.tuned()')
        config = replace(config, align=replace(config.align, start="shipped" if init == "pretrained" else str(init)))
    config = config or Config()
    clips = on_start_body(clips, config)
    text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
    text_encoder.check()
    aligned = config.backbone == "aligned"
    text_encoder.examine(as_labels(clips.classes, descriptions), aligned and config.align.guess > 0, aligned=aligned)  # raises before any work is done
    if calibrate:
        try:
            _held_out(clips, seed)  # raises before any work is done
        except InputError as error:
            raise InputError("calibration", str(error), "or train without it: calibrate=False, --no-calibrate") from error
    parts = {"descriptions": descriptions or {}, "text_encoder": text_encoder, "net": net, "loss": loss}
    if folder is None:
        recognizer, _ = _train(clips, config, None, seed, **parts)
        recognizer.gamma = calibrated_gamma(clips, config, seed=seed, **parts) if calibrate else None
        return recognizer
    inputs = _inputs(clips, descriptions or {}, text_encoder, net, loss)
    with locked(folder, wait=False, note="another process is training in it") if is_main_process() else nullcontext():
        check_run(folder, config, seed, inputs)
        (folder / "training").mkdir(parents=True, exist_ok=True)
        if is_main_process() and not (folder / "env.json").exists():
            write_text(folder / "config.json", config.to_json() + "\n")
            write_json(folder / "env.json", environment(seed) | {"selection": SELECTION, "inputs": inputs})
        recognizer, history = _train(clips, config, folder / "training", seed, **parts)
        recognizer.gamma = calibrated_gamma(clips, config, seed=seed, **parts) if calibrate else None
        if is_main_process():
            write_history(folder / "history.csv", history)
            recognizer.save_pretrained(folder / "model")
    return recognizer


def _train(
    clips: ClipSet,
    config: Config,
    training: Path | None,
    seed: int,
    descriptions: Descriptions,
    text_encoder: TextModel,
    net: MakeNet | None,
    loss: Loss | None,
) -> tuple[Recognizer, dict[str, list[Logged]]]:
    seen = seen_clips(clips, config.preprocess, descriptions)
    files = {name: training and training / f"{name}.safetensors" for name in ("encoder", "denoiser")}
    backbone, examples, encoder = fit_backbone(seen, config, seed=seed, checkpoint=files["encoder"], text_encoder=text_encoder, net=net)
    matcher, denoiser = fit_matcher(examples, config, seed=seed, checkpoint=files["denoiser"], loss=loss)
    return Recognizer(config, backbone, matcher, descriptions), {"encoder": encoder, "denoiser": denoiser}


def calibrated_gamma(
    clips: ClipSet,
    config: Config,
    *,
    seed: int = 0,
    descriptions: Descriptions | None = None,
    text_encoder: TextModel | None = None,
    net: MakeNet | None = None,
    loss: Loss | None = None,
) -> float:
    """Choose gamma, the number to subtract from the scores of seen labels when seen and unseen labels are candidates together.

    ``clips`` are the training clips of the recognizer. A second model is trained without a quarter of the classes, which serve as pseudo-unseen classes,
    and without a quarter of the subjects. The result is the gamma with the largest harmonic mean on the held-out clips
    (:func:`tdsm.evaluate.gzsl.choose_gamma`). No clip of a truly unseen class is used. Arguments as in :func:`train_recognizer`.

    Raises:
        InputError: fewer than four classes, or no clip can be held out.
    """
    part, held, pseudo = _held_out(clips, seed)
    text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
    recognizer, _ = _train(part, config, None, seed, descriptions or {}, text_encoder, net, loss)
    report = generalised_report(recognizer, held.of_classes(part.classes), pseudo)
    return choose_gamma(report.scores, report.y, report.unseen_mask)


def _held_out(clips: ClipSet, seed: int) -> tuple[ClipSet, ClipSet, ClipSet]:
    """What :func:`calibrated_gamma` trains on, the clips of held-out subjects, and the clips of pseudo-unseen classes."""
    train, held = holdout_clips(clips, _HELD_SUBJECTS, seed)
    ((part, pseudo),) = pseudo_unseen(train, max(2, len(clips.classes) // 4), draws=1, seed=seed)
    return part, held, pseudo


def check_run(folder: Path, config: Config, seed: int | None = None, inputs: Mapping[str, str] | None = None) -> None:
    """Check that a folder is new, or a run with the same settings, clips, descriptions and seed. Nothing in it is changed.

    Raises:
        InputError: the folder is another run, or a file in it cannot be read.
    """
    path, env, remedy = folder / "config.json", folder / "env.json", "give another run folder, or delete this one"
    if not path.exists():
        return
    if Config.from_json(read_text(path), str(path)) != config:
        raise InputError(path, "holds other settings", remedy)
    about = read_object(env) if env.exists() else {}
    if seed is not None and about.get("seed", seed) != seed:
        raise InputError(env, "is of a run with another seed", remedy)
    known = about.get("inputs") if isinstance(about.get("inputs"), dict) else {}
    other = next((name for name, key in (inputs or {}).items() if known.get(name, key) != key), None)
    if other:
        raise InputError(env, f"is of a run with other {other}", remedy)


def _inputs(clips: ClipSet, descriptions: Descriptions, text_encoder: TextModel, net: MakeNet | None, loss: Loss | None) -> dict[str, str]:
    """Hashes of the inputs of a run other than settings and seed."""
    prompts = [label.prompts for label in as_labels(clips.classes, descriptions)]
    inputs = {"clips": clips.digest, "descriptions": json.dumps(prompts), "text model": text_encoder.identity}
    inputs |= {"net": getattr(net, "__qualname__", ""), "loss": getattr(loss, "__qualname__", "")}
    return {name: hashlib.sha256(value.encode()).hexdigest()[:16] for name, value in inputs.items()}
