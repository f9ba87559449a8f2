"""The trained recognizer: takes clips and any label names, and returns a ranking of the labels per clip.

    clips  -> Backbone.clips  -> z_x ----------------\\
                                                      Matcher -> denoising errors -> scores -> Predictions
    labels -> Backbone.labels -> z_g, z_l -> stream -/

A new label needs no retraining, only its text. A score is the negated denoising error, so higher is better.
"""

import html
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.backbones.base import Backbone
from tdsm.backbones.fit import SHIPPED, MakeNet, load_backbone, save_backbone
from tdsm.config import Config, paper
from tdsm.data.clips import Clip, ClipSet, as_clips
from tdsm.data.convert import brought_to
from tdsm.data.labels import Label, as_labels, merged, normal_form, unmatched_line
from tdsm.data.layouts import Layout
from tdsm.data.prompts import Descriptions
from tdsm.data.remarks import remarks_on_bodies
from tdsm.matcher import Matcher
from tdsm.model import TextStream, official_denoiser
from tdsm.recognizer.confidence import UNCALIBRATED, Confidence, evidence, read_confidence
from tdsm.recognizer.predictions import Predictions
from tdsm.text import LabelReading, TextFeatures, TextModel
from tdsm.util.errors import InputError
from tdsm.util.files import disk_faults, read_sealed, read_text, write_sealed, write_text
from tdsm.util.hub import hub_folder
from tdsm.util.tables import html_table, shortened
from tdsm.util.weights import loaded, save_weights, sizes_of

__all__ = ["Predictions", "Recognizer", "pretrained"]

_FILES = ("recognizer.json", "backbone.json", "backbone.safetensors", "matcher.safetensors", "README.md")


class Recognizer:
    """A trained backbone and matcher.

    Args:
        config: settings of the training.
        backbone, matcher: trained modules.
        descriptions: label -> sentence about the movement, used whenever one of these labels is a candidate. Other labels are read from their name
            alone, or through the lexicon of an aligned backbone (:mod:`tdsm.backbones.lexicon`).
        gamma: number subtracted from the scores of seen labels when seen and unseen labels are candidates together; None if not calibrated.
        confidence: converts scores to probabilities (:mod:`tdsm.recognizer.confidence`); None if it was not fitted.
        card: text of the model card: data, licences, numbers, limits.

    Example:
        >>> recognizer.seen  # a recognizer returned by train_recognizer
        ('jump', 'clap overhead')
        >>> recognizer.predict(test, ["squat", "bow", "wave with both hands"]).scores.shape
        (4, 3)
        >>> recognizer.features(test).shape
        torch.Size([4, 16])
        >>> again = Recognizer.from_pretrained(recognizer.save_pretrained("mine"))
    """

    def __init__(
        self,
        config: Config,
        backbone: Backbone,
        matcher: Matcher,
        descriptions: Descriptions | None = None,
        gamma: float | None = None,
        confidence: Confidence | None = None,
        card: str = "",
    ) -> None:
        self.config, self.backbone, self.matcher = config, backbone.eval(), matcher.eval()
        self.descriptions, self.gamma, self.confidence, self.card = dict(descriptions or {}), gamma, confidence, card
        self._asked: tuple[tuple[Label, ...], TextFeatures, TextStream] | None = None  # for the most recent labels
        self._examined: tuple[tuple[Label, ...], tuple[LabelReading, ...]] | None = None

    @property
    def layout(self) -> Layout:
        """Skeleton layout it was trained on."""
        return self.backbone.layout

    @property
    def seen(self) -> tuple[str, ...]:
        """Labels it was trained on."""
        return self.backbone.seen

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.matcher.test_noise.device

    def to(self, device: torch.device | str | None = None, *, precision: str | None = None) -> "Recognizer":
        """Move the weights, and set the precision of the denoiser, "no" or "bf16" (:attr:`tdsm.model.CrossDiT.precision`); returns self.

        Raises:
            InputError: an unknown precision.
        """
        if precision not in (None, "no", "bf16"):
            raise InputError("precision", f"is {precision!r:.60}", "choose no or bf16")
        if device is not None:
            self.backbone.to(device)
            self.matcher.to(device)
        self.matcher.denoiser.precision = precision or self.matcher.denoiser.precision
        self._asked = None
        return self

    def features(self, clips: Clip | Sequence[Clip | np.ndarray] | np.ndarray, layout: str | None = None) -> Float[Tensor, "clip channel"]:
        """z_x of N clips, (N, C); ``clips`` and ``layout`` as in :meth:`predict`. Raises InputError: no clip, or one that cannot be converted."""
        return self.backbone.clips(self._bodies(clips, layout)[0])

    def usable(self, clips: Sequence[Clip]) -> tuple[Float[Tensor, "clip channel"], list[int]]:
        """z_x of the usable clips, and their indices: :meth:`tdsm.backbones.base.Backbone.usable` for clips in any layout."""
        return self.backbone.usable(self._bodies(clips, None)[0])

    def _bodies(self, clips: Clip | Sequence[Clip | np.ndarray] | np.ndarray, layout: str | None) -> tuple[list[Clip], list[str]]:
        """Clips in the layout of the training, and one note per other layout that says which joints were filled in."""
        given = as_clips(clips, layout)
        return brought_to(given, self.layout) if self.layout else (given, [])

    def text(self, labels: Sequence[str | Label], descriptions: Descriptions | None = None) -> TextFeatures:
        """z_g and z_l of K labels, the text input of the denoiser. Raises InputError: no label, an empty label, or a label given twice."""
        return self.backbone.labels(self._labels(labels, descriptions))

    def stream(self, labels: Sequence[str | Label], descriptions: Descriptions | None = None) -> TextStream:
        """The part of the denoiser's computation that depends on the labels alone; cached for the most recent labels."""
        return self._read(self._labels(labels, descriptions))[1]

    def _read(self, asked: tuple[Label, ...]) -> tuple[TextFeatures, TextStream]:
        """Text features and text stream of labels; cached for the most recent labels."""
        known = self._asked
        if known is None or known[0] != asked:
            text = self.backbone.labels(asked).to(self.device)
            read = text, self.matcher.encode_text(text)
            self._asked = asked, *read
            return read  # not self._asked, which another thread may have replaced
        return known[1:]

    def _readings(self, asked: tuple[Label, ...]) -> tuple[LabelReading, ...]:
        """How each label is read; cached for the most recent labels."""
        known = self._examined
        if known is None or known[0] != asked:
            self._examined = known = asked, self.backbone.readings(asked)
        return known[1]

    def scores(
        self, z_x: Float[Tensor, "clip channel"], labels: Sequence[str | Label], descriptions: Descriptions | None = None
    ) -> Float[Tensor, "clip label"]:
        """Scores (N, K) of features (N, C) under K labels: the negated denoising errors, higher is better. A column depends on no other column."""
        return self._scores(z_x, self._labels(labels, descriptions))

    def _scores(self, z_x: Float[Tensor, "clip channel"], asked: tuple[Label, ...]) -> Float[Tensor, "clip label"]:
        return -self.matcher.errors(z_x.to(self.device)[:, None], self._read(asked)[1])

    def predict(
        self,
        clips: Clip | Sequence[Clip | np.ndarray] | np.ndarray,
        labels: Sequence[str | Label],
        descriptions: Descriptions | None = None,
        *,
        layout: str | None = None,
        calibrate: bool | float = True,
    ) -> Predictions:
        """Rank ``labels`` for each clip. Clips in which too few joints of every person are seen are left out with a warning.

        Clips in a layout other than that of the training are converted (:mod:`tdsm.data.convert`); a note names the joints that were filled in.

        Args:
            clips: a clip, a list of clips, a ClipSet, arrays (T, V, C), (M, T, V, C) or (N, M, T, V, C), or a list of arrays.
            labels: K names of actions, seen in training or not, or :class:`~tdsm.data.labels.Label` with descriptions.
            descriptions: label -> sentence about the body's movement.
            layout: layout of arrays; default: the layout of the training, which must fit their shape.
            calibrate: subtract :attr:`gamma` from the scores of seen labels when seen and unseen labels are candidates together. A number replaces
                gamma; False leaves the scores unchanged.

        Raises:
            InputError: clips or labels that cannot be used.
        """
        asked = self._labels(labels, descriptions)
        if not isinstance(calibrate, bool | int | float) or not math.isfinite(calibrate):
            raise InputError("calibrate", f"is {calibrate!r:.60}", "give True, False or a number")
        readings = self._readings(asked)
        if isinstance(clips, Iterator):
            clips = list(clips)
        given = as_clips(clips, layout or self.layout.name)
        doubts = _doubts(given, [clips] if isinstance(clips, Clip) else clips)
        clips, converted = self._bodies(given, None)
        z_x, rows = self.backbone.usable(clips)
        scores = self._scores(z_x, asked).cpu().numpy()
        notes = [line for line in [*doubts, *converted, unmatched_line(descriptions or {}, asked)] if line]
        notes += [f"{len(clips) - len(rows)} of {len(clips)} clips have no answer: too little of a person is seen"] if len(rows) < len(clips) else []
        crowded = sum(int(clips[row].joints.any(axis=(1, 2, 3)).sum() > self.config.preprocess.bodies) for row in rows)
        if crowded:
            notes.append(f"{crowded} of {len(rows)} clips show more than {self.config.preprocess.bodies} person: those who move most are used")
        scores, calibration = self._calibrated(scores, asked, calibrate)
        notes += calibration
        sure = () if self.confidence is None else (self.confidence.probabilities(scores), self._none_of_these(z_x, asked))
        return Predictions(tuple(clips[row].name for row in rows), tuple(label.name for label in asked), scores, readings, tuple(notes), *sure)

    @torch.no_grad()
    def _none_of_these(self, z_x: Float[Tensor, "clip channel"], asked: tuple[Label, ...]) -> Float[np.ndarray, " clip"]:
        """Probability (N,) that none of the labels is right, from the cosines of features with the labels and with the actions of the dictionary."""
        directions, z_g = F.normalize(z_x, dim=-1), F.normalize(self._read(asked)[0].z_g, dim=-1)
        known = self.backbone.prototypes.actions()
        given = evidence(directions @ z_g.T, directions @ known.T, 2 * self.confidence.sharpness)  # a score is 2 * cosine minus a constant
        return self.confidence.none_of_these(given.cpu().numpy())

    def _labels(self, labels: Sequence[str | Label], descriptions: Descriptions | None) -> tuple[Label, ...]:
        return as_labels(labels, merged(self.descriptions, descriptions or {}))

    def probabilities(
        self, z_x: Float[Tensor, "clip channel"], labels: Sequence[str | Label]
    ) -> tuple[Float[np.ndarray, "clip label"], Float[np.ndarray, " clip"]]:
        """Probabilities (N, K) of K labels for features (N, C), as in :meth:`predict`, and the probability (N,) that none of the labels is right.

        A recognizer without fitted confidence uses the sharpness of :data:`~tdsm.recognizer.confidence.UNCALIBRATED`, and returns 0 for the second.
        """
        asked = self._labels(labels, None)
        scores, _ = self._calibrated(self._scores(z_x, asked).cpu().numpy(), asked, True)
        none = np.zeros(len(z_x)) if self.confidence is None else self._none_of_these(z_x, asked)
        return (self.confidence or UNCALIBRATED).probabilities(scores), none

    def _calibrated(self, scores: np.ndarray, asked: tuple[Label, ...], calibrate: bool | float) -> tuple[np.ndarray, list[str]]:
        """Scores, with gamma subtracted from seen labels if seen and unseen labels are candidates together; and a note about it."""
        seen = np.isin([normal_form(label.name) for label in asked], [normal_form(label) for label in self.seen])
        if not seen.any() or seen.all():
            return scores, []
        gamma, note = self._calibration(calibrate, int(seen.sum()), len(asked))
        return scores - np.where(seen, np.float32(gamma), np.float32(0)), [note]

    def _calibration(self, calibrate: bool | float, seen: int, labels: int) -> tuple[float, str]:
        mixed = f"{seen} of the {labels} labels were trained on, and score higher for it"
        if calibrate is False:
            return 0.0, f"{mixed}; calibration is switched off"
        gamma = self.gamma if calibrate is True else calibrate
        if gamma is None:
            return 0.0, f"{mixed}; train with calibrate=True, or ask seen and unseen labels separately"
        return gamma, f"{mixed}: {gamma:.4g} is subtracted from their scores"

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write recognizer.json, backbone.json, the safetensors files and the model card, if any, each atomically; returns the folder."""
        folder = Path(folder)
        with disk_faults(folder):
            save_backbone(folder, self.backbone, self.config)
        save_weights(self.matcher, folder / "matcher.safetensors")
        tokens, channels = self.matcher.denoiser.fl_pos_embed.shape[1], self.matcher.denoiser.fl_embedder.in_features
        about = {"format": 2, "descriptions": self.descriptions, "gamma": None if self.gamma is None else float(self.gamma)}
        about |= {"text": {"tokens": tokens, "channels": channels}, "confidence": asdict(self.confidence) if self.confidence else None}
        write_sealed(folder / "recognizer.json", about | {"config": asdict(self.config)})
        if self.card:
            write_text(folder / "README.md", self.card)
        return folder

    @classmethod
    def from_pretrained(cls, folder: str | Path, text_encoder: TextModel | None = None, net: MakeNet | None = None) -> "Recognizer":
        """Read a recognizer that :meth:`save_pretrained` wrote. The files are JSON and safetensors, so loading executes no code.

        Args:
            folder: a folder, or the id of a repository on the Hub ("owner/name") with the same files.
            text_encoder, net: custom modules, if the recognizer was trained with them.

        Raises:
            InputError: a file is missing or damaged, its size differs from recognizer.json, or the Hub does not have the repository.
        """
        folder = hub_folder(folder, _FILES)
        path = folder / "recognizer.json"
        if not path.is_file():
            raise InputError(path, "no such file", "give a folder that save_pretrained wrote, or the `model` folder of `tdsm train`")
        about = read_sealed(path)
        if about.get("format") != 2:
            raise InputError(path, f"has format {about.get('format')!r}, this version reads 2", "train the recognizer again")
        backbone, _ = load_backbone(folder, text_encoder, net)
        try:
            config = Config.from_json(json.dumps(about["config"]), str(path))
            tokens, channels = about["text"]["tokens"], about["text"]["channels"]
            gamma, descriptions = about["gamma"], _descriptions(about["descriptions"])
            confidence = read_confidence(about.get("confidence"))
            if not (gamma is None or (isinstance(gamma, int | float) and not isinstance(gamma, bool))):
                raise ValueError(f"gamma {gamma!r}")
            make = partial(Matcher, backbone.features, 1, channels, tokens, config.model, config.diffusion)
            sizes = sizes_of(make)
        except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise InputError(path, f"is not the description of a recognizer ({error!s:.200})", "save the recognizer again, or use another copy") from error
        matcher = loaded(make, sizes, folder / "matcher.safetensors")
        card = read_text(folder / "README.md") if (folder / "README.md").is_file() else ""
        return cls(config, backbone, matcher, descriptions, gamma, confidence if getattr(backbone, "prototypes", None) else None, card)

    @classmethod
    def from_release(
        cls,
        checkpoint: str | Path,
        backbone: Backbone,
        config: Config | None = None,
        *,
        descriptions: Descriptions | None = None,
        heads: int = 12,
        seed: int = 0,
    ) -> "Recognizer":
        """Make a recognizer from a denoiser checkpoint of the paper's release.

        A checkpoint of the release holds only the denoiser. ``backbone`` encodes the clips and must be trained in the same way as the backbone of the
        release; its text encoder, that of Stable Diffusion 2.1, reads the labels.

        Args:
            checkpoint, heads: see :func:`tdsm.model.official_denoiser`.
            backbone: a classifier backbone, such as ``Recognizer.from_pretrained(folder).backbone``.
            config: diffusion settings; default: those of the paper.
            seed: seed of the test noises.

        Raises:
            InputError: not a checkpoint of the release, or the widths of its features or texts differ from those of ``backbone``.
        """
        denoiser = official_denoiser(checkpoint, heads)
        config = replace(config or paper(), model=denoiser.config)
        read = backbone.labels(as_labels(["walk"]))
        widths = {"features": (denoiser.x_embedder.in_features, backbone.features), "text channels": (denoiser.fl_embedder.in_features, read.z_l.shape[2])}
        widths |= {"text tokens": (denoiser.fl_pos_embed.shape[1], read.z_l.shape[1])}
        for what, (theirs, ours) in widths.items():
            if theirs != ours:
                raise InputError(checkpoint, f"needs {theirs} {what}, the backbone gives {ours}", "give the backbone and text encoder of its training")
        matcher = Matcher(backbone.features, 1, read.z_l.shape[2], read.z_l.shape[1], denoiser.config, config.diffusion, seed)
        matcher.denoiser.load_state_dict(denoiser.state_dict())
        return cls(config, backbone, matcher, descriptions)

    def __repr__(self) -> str:
        return (
            f"Recognizer({self.layout.name if self.layout else 'published features'}, {self.backbone.kind}, {self.config.model.stream} text stream, "
            f"{len(self.seen)} seen labels: {', '.join(self.seen[:3])}{', ...' if len(self.seen) > 3 else ''})"
        )

    def _repr_html_(self) -> str:
        config, layout, backbone = self.config, self.layout, self.backbone
        about = [
            ("body", f"{layout.name}: {len(layout)} joints, {layout.dims} coordinates in {layout.unit}" if layout else "published features"),
            ("clips are resampled to", f"{config.preprocess.bodies} person(s), {config.preprocess.frames or 'their own number of'} frames"),
            ("backbone", f"{backbone.kind} ({config.encoder.kind}), z_x of {backbone.features} numbers, {_weights_of(backbone)}"),
            ("denoiser", f"{config.model.depth} blocks of width {config.model.width}, {config.model.stream} text stream, {_weights_of(self.matcher.denoiser)}"),
            ("test", f"error over {config.diffusion.noises} fixed noises at step {config.diffusion.test_step} of {config.diffusion.timesteps}"),
            ("text encoder", f"{config.text.repo}, {config.text.tokens} tokens per prompt"),
            (f"{len(self.seen)} seen labels", shortened(self.seen) if self.seen else "none: trained on generated movement alone"),
            ("descriptions", f"for {len(self.descriptions)} labels"),
            *([("lexicon", f"{len(backbone.lexicon.names)} actions, for labels without a description")] if backbone.lexicon else []),
            ("calibration", "none" if self.gamma is None else f"{self.gamma:.4g} off the scores of seen labels among unseen ones"),
            ("weights are on", self.device),
        ]
        table = html_table(about, title="Recognizer", note="predict(clips, labels, descriptions) ranks any labels, seen or not")
        return table + (f"<details><summary>model card</summary><pre>{html.escape(self.card)}</pre></details>" if self.card else "")


def _doubts(clips: Sequence[Clip], given: Iterable[object]) -> list[str]:
    """Warnings about the ``clips`` that were given as arrays. Other clips were checked when they were loaded."""
    looked_at = {id(clip) for clip in given}
    arrays = tuple(clip for clip in clips if id(clip) not in looked_at)
    few = "; ignore this if the person lies" if len(arrays) < 4 else ""
    remarks = remarks_on_bodies(ClipSet(arrays, (), "arrays")) if arrays else []
    return [f"arrays: {remark}{few if remark.kind == 'up axis' else ''}" for remark in remarks]


def _descriptions(values: object) -> dict[str, str | tuple[str, ...]]:
    """Descriptions read from JSON, checked."""
    if not isinstance(values, dict):
        raise ValueError("descriptions are not an object")
    descriptions = {label: value if isinstance(value, str) else tuple(value) for label, value in values.items()}
    if not all(isinstance(part, str) for value in descriptions.values() for part in value):
        raise ValueError("descriptions contain a value that is not text")
    return descriptions


def _weights_of(module: nn.Module) -> str:
    return f"{sum(weight.numel() for weight in module.parameters()):,} weights"


def pretrained() -> Recognizer:
    """Load the recognizer that is packaged with tdsm.

    It needs no download and no training, and accepts clips in any layout of :mod:`tdsm.data.layouts` and any labels. Its model card is
    ``weights/README.md``; METHOD, section "The shipped recognizer", says how it was trained. Raises InputError: a packaged file is missing or damaged.

    Example:
        >>> from tdsm.data.examples import example_clips
        >>> answer = pretrained().predict(example_clips()[:2], ["walk", "jump", "sit down"])
        >>> answer.probabilities.shape, answer.none_of_these.shape
        ((2, 3), (2,))
    """
    return Recognizer.from_pretrained(SHIPPED)
