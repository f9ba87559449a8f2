"""Training, saving and loading a backbone."""

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tdsm.backbones.aligned import Aligned, Pairs, seen_with_mirrors, train_with_seen
from tdsm.backbones.base import Backbone, Examples, SeenClips
from tdsm.backbones.classifier import Classifier, fit_classifier
from tdsm.backbones.lexicon import Lexicon, Prototypes, fit_lexicon, read_labels, sentences_of_others
from tdsm.backbones.nets import build_encoder
from tdsm.backbones.pairs import generated_pairs, pretrained
from tdsm.backbones.pretraining import rehearsal
from tdsm.config import Config
from tdsm.data.clips import ClipSet
from tdsm.data.convert import convert_all
from tdsm.data.labels import Label, normal_form
from tdsm.data.layouts import BODY_15, Layout, layout_named
from tdsm.text import TextEncoder, TextModel, cache_folder
from tdsm.util.errors import InputError
from tdsm.util.files import read_sealed, write_sealed
from tdsm.util.hub import hub_folder
from tdsm.util.loop import Logged
from tdsm.util.weights import loaded, save_weights, sizes_of

__all__ = ["SHIPPED", "MakeNet", "examples_of", "fit_backbone", "load_backbone", "on_start_body", "refuse_leak", "save_backbone"]

MakeNet = Callable[[Layout, int, int], nn.Module]
"""Function (layout, persons M, classes) -> skeleton encoder: a module with ``pool`` (N, M, T, V, C) -> (N, C), ``features`` C, ``layout`` and ``bodies``. For
the classifier backbone its forward pass returns logits (N, classes)."""

_FORMAT = 2

SHIPPED = Path(__file__).resolve().parents[1] / "recognizer" / "weights"
"""Folder of the shipped recognizer inside the package."""


def fit_backbone(
    clips: SeenClips, config: Config, *, seed: int = 0, checkpoint: Path | None = None, text_encoder: TextModel | None = None, net: MakeNet | None = None
) -> tuple[Backbone, Examples, list[Logged]]:
    """Train all parts before the denoiser on the seen classes, for a fixed number of steps.

    Args:
        clips: preprocessed clips of the seen classes.
        config: settings; the parts ``backbone``, ``preprocess``, ``encoder``, ``align``, ``text`` and ``train.precision`` are used.
        seed: seed of weights, batches and noise.
        checkpoint: file from which an interrupted training resumes.
        text_encoder, net: your own text and skeleton encoders; default: those of ``config``.

    Returns:
        The backbone, the training data of the denoiser, and the logged steps.
    """
    text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
    fit = _fit_aligned if config.backbone == "aligned" else fit_classifier
    return fit(clips, config, text_encoder, seed=seed, checkpoint=checkpoint, net=net)


def _fit_aligned(
    clips: SeenClips, config: Config, text_encoder: TextModel, *, seed: int = 0, checkpoint: Path | None = None, net: MakeNet | None = None
) -> tuple[Aligned, Examples, list[Logged]]:
    """Train on generated pairs, or load towers that were, then add the seen clips. The denoiser is trained on both."""
    backbone = _started(config, text_encoder, seed) if config.align.start else pretrained(config, clips.layout, text_encoder, seed, net=net)
    if backbone.layout.name != clips.layout.name:
        raise InputError(clips.dataset, f"layout is {clips.layout.name}", f"convert the clips: tdsm.convert(clips, {backbone.layout.name!r}).clips")
    pairs = _pairs(backbone, config)
    backbone.seen, backbone.dataset = tuple(label.name for label in clips.labels), clips.dataset
    if config.align.guess and not config.align.start:
        described = {label.name: label.prompts[-1] for label in clips.labels if normal_form(label.prompts[-1]) != label.key}
        backbone.lexicon = fit_lexicon(sentences_of_others(clips.dataset) | described, config.align.guess, text_encoder)
    seen = seen_with_mirrors(clips, lambda labels: read_labels(labels, text_encoder, backbone.lexicon))
    history = train_with_seen(backbone, pairs, seen, config.align, seed=seed, checkpoint=checkpoint, precision=config.train.precision)
    return backbone, examples_of(backbone, backbone.rows(clips.x), clips.y, clips.labels, config), history


def examples_of(backbone: Backbone, z_x: Float[Tensor, "clip channel"], y: Int[Tensor, " clip"], labels: Sequence[Label], config: Config) -> Examples:
    """Training data of the denoiser: the seen clips and, for an aligned backbone, its generated pairs after them.

    ``z_x`` are this backbone's features of the seen clips (N, C); ``y`` (N,) are indices into the seen classes ``labels``.
    """
    if backbone.kind != "aligned":
        return Examples(z_x[:, None], y, backbone.labels(labels))
    pairs = _pairs(backbone, config)
    z_g = read_labels(labels, backbone.text_encoder, backbone.lexicon)
    features = torch.cat((z_x.to(backbone.offset.device), backbone.rows(pairs.x - backbone.offset.cpu())))
    text = backbone.label_features(torch.cat((z_g.to(pairs.z_g.device), pairs.z_g)))
    return Examples(features[:, None], torch.cat((y, len(labels) + torch.arange(len(pairs.x)))), text)


def _pairs(backbone: Aligned, config: Config) -> Pairs:
    """Generated movements and texts of the kind that the towers were trained on."""
    if not config.align.start:
        return generated_pairs(config, backbone.layout, backbone.text_encoder)
    return rehearsal(config.align.pairs, config, backbone.text_encoder, backbone.left_out, cache_folder().parent / "rehearsed")


def on_start_body(clips: ClipSet, config: Config) -> ClipSet:
    """Convert clips to the skeleton layout of the towers of ``config.align.start``. Without ``start`` the clips are returned unchanged."""
    return convert_all(clips, BODY_15).clips if config.align.start else clips


def _started(config: Config, text_encoder: TextModel, seed: int) -> Aligned:
    """Load the towers of ``config.align.start``: the shipped ones, or those of a folder, its ``model`` folder or a Hub repository."""
    place = config.align.start.replace("{seed}", str(seed))
    folder = SHIPPED if place == "shipped" else hub_folder(place, ("backbone.json", "backbone.safetensors"))
    folder = folder / "model" if (folder / "model" / "backbone.json").is_file() else folder
    if not (folder / "backbone.json").is_file():
        raise InputError(folder, "holds no backbone.json", 'give "pretrained", or a folder that `tdsm pretrain` wrote')
    backbone, known = load_backbone(folder, text_encoder)
    theirs = _towers(known)
    for name, value in _towers(config).items():
        if value != theirs[name]:
            raise InputError(
                name,
                f"is {value!r}, but {theirs[name]!r} in the towers of {folder} from which training starts",
                f"set it to {theirs[name]!r} (tdsm.config.tuned() matches the shipped towers)",
            )
    return backbone


def _towers(config: Config) -> dict[str, object]:
    """The settings that determine the towers' features of clips and texts, by dotted name."""
    parts = {f"{part}.{field}": value for part in ("encoder", "preprocess") for field, value in asdict(getattr(config, part)).items()}
    return parts | {"align.width": config.align.width, "align.hidden": config.align.hidden}


def save_backbone(folder: Path, backbone: Backbone, config: Config) -> Path:
    """Write backbone.json and backbone.safetensors, each atomically; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    about: dict[str, object] = {"format": _FORMAT, "kind": backbone.kind, "layout": backbone.layout.name, "dataset": backbone.dataset}
    about |= {"seen": list(backbone.seen), "text_model": _hash(backbone.text_encoder.identity), "sizes": backbone.sizes(), "config": asdict(config)}
    about |= {"left_out": list(backbone.left_out)} if backbone.kind == "aligned" and backbone.left_out else {}
    save_weights(backbone, folder / "backbone.safetensors")
    write_sealed(folder / "backbone.json", about)
    return folder


def load_backbone(folder: Path, text_encoder: TextModel | None = None, net: MakeNet | None = None) -> tuple[Backbone, Config]:
    """Load a folder of :func:`save_backbone`. It holds only JSON and safetensors, so nothing in it is executed.

    ``text_encoder`` and ``net`` are needed if the backbone was trained with your own.

    Raises:
        InputError: a file is missing or damaged, the weights have another size, or the backbone was trained with another text model.
    """
    path = folder / "backbone.json"
    about = read_sealed(path)
    try:
        config = Config.from_json(json.dumps(about["config"]), str(path))
        kind, layout, seen, dataset = about["kind"], layout_named(about["layout"]), tuple(about["seen"]), about["dataset"]
        left_out = tuple(about.get("left_out", ()))
        words, names, actions = (about["sizes"].get(what, 0) for what in ("words", "names", "actions"))
        text_model = about["text_model"]
        texts = (dataset, text_model, *seen, *left_out)
        if about["format"] != _FORMAT or kind not in ("classifier", "aligned") or not all(isinstance(label, str) for label in texts):
            raise ValueError(f"format {about['format']}, kind {kind}")
        if (len(seen) < 2 and kind == "classifier") or not isinstance(about["seen"], list) or (kind == "aligned" and not words):
            raise ValueError(f"seen is {about['seen']!r:.60}, {words} words")
        text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
        build = functools.partial(_build, config, kind, layout, seen, dataset, words, names, actions, text_encoder, net)
        sizes = sizes_of(build)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError, AttributeError) as error:
        raise InputError(path, f"does not describe a backbone ({error!s:.200})", "train the backbone again, or get another copy") from error
    if _hash(text_encoder.identity) != text_model:
        raise InputError(path, "was trained with a different text model than the given or installed one", "give text_encoder=..., or train the backbone again")
    backbone = loaded(build, sizes, folder / "backbone.safetensors").eval()
    if kind == "aligned":
        backbone.left_out = left_out
    return backbone, config


def _build(
    config: Config, kind: str, layout: Layout, seen: Sequence[str], dataset: str, words: int, names: int, actions: int, text: TextModel, net: MakeNet | None
) -> Backbone:
    """An untrained backbone of the given sizes."""
    classes = 1 if kind == "aligned" else len(seen)
    encoder = net(layout, config.preprocess.bodies, classes) if net else build_encoder(config.encoder, layout, config.preprocess.bodies, classes)
    if kind == "classifier":
        return Classifier(encoder, config.preprocess, seen, dataset, text)
    backbone = Aligned(encoder, words, config.align.width, config.preprocess, text, config.align.hidden)
    backbone.seen, backbone.dataset = tuple(seen), dataset
    backbone.lexicon = Lexicon(names, words, config.align.guess) if names else None
    backbone.prototypes = Prototypes(actions, words, config.align.width) if actions else None
    return backbone


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def refuse_leak(seen: Sequence[str], unseen: Sequence[str], where: object) -> None:
    """Refuse a zero-shot test on classes that a backbone was trained on.

    Names are compared in their normal form. Other data sets may use another name for the same action ("standing up"), so this check cannot verify a
    backbone that was trained on another data set.

    Raises:
        InputError: a class is both seen and unseen; the message names the first one.
    """
    known = {normal_form(label) for label in seen}
    leaked = [label for label in unseen if normal_form(label) in known]
    if leaked:
        more = f" and {len(leaked) - 1} more" if len(leaked) > 1 else ""
        what = f"the encoder was trained on {leaked[0]!r}{more}, an unseen class"
        raise InputError(where, what, "this would not be a zero-shot test; use an encoder trained on the seen classes only")
