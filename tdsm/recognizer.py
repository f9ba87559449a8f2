"""What a user holds after training: clips and any label names in, a ranking out.

A clip goes preprocess -> encoder -> z_x; a label goes prompts -> text encoder -> z_g, z_l; the matcher says how badly z_x is denoised
under each label. A new label needs no retraining, only its text.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.backbones.aligned import Aligner
from tdsm.backbones.base import extract
from tdsm.backbones.lexicon import Lexicon, read_labels
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config
from tdsm.data.clips import Clip
from tdsm.data.labels import Label, as_labels, merged
from tdsm.data.layouts import Layout, layout_named
from tdsm.data.preprocess import preprocess_all, usable
from tdsm.data.prompts import Descriptions
from tdsm.matcher import Matcher
from tdsm.model import TextStream
from tdsm.text import LabelReading, TextEncoder, TextFeatures, cache_folder, class_prompts
from tdsm.util.errors import InputError
from tdsm.util.files import write_json
from tdsm.util.html import html_table, shortened
from tdsm.util.weights import load_weights, save_weights

__all__ = ["Predictions", "Recognizer"]


@dataclass(frozen=True, eq=False)
class Predictions:
    """The answer for B clips and K labels; shows itself as a table.

    Attributes:
        clips: B clip names.
        labels: K labels, as asked.
        errors: (B, K) denoising errors, comparable between labels of one clip; the smallest is the answer.
        readings: how each label was read, and what was not understood of it.
    """

    clips: tuple[str, ...]
    labels: tuple[str, ...]
    errors: np.ndarray
    readings: tuple[LabelReading, ...] = ()

    @property
    def top(self) -> list[str]:
        """The answer for each clip."""
        return [self.labels[index] for index in self.errors.argmin(axis=1)]

    def ranking(self, clip: int = 0) -> list[tuple[str, float]]:
        """(label, score) of one clip, best first; the score is minus the denoising error, so that more is better."""
        order = np.argsort(self.errors[clip], kind="stable")
        return [(self.labels[index], -float(self.errors[clip, index])) for index in order]

    def __len__(self) -> int:
        return len(self.clips)

    def _rows(self, best: int = 5) -> list[list[str]]:
        return [[name, *(f"{label} ({score:.4f})" for label, score in self.ranking(row)[:best])] for row, name in enumerate(self.clips)]

    def __repr__(self) -> str:
        lines = [f"{row[0]}: " + ", ".join(f"{place}. {cell}" for place, cell in enumerate(row[1:], 1)) for row in self._rows()]
        return "\n".join([*lines, *(str(reading) for reading in self.readings if reading.remarks)])

    def _repr_html_(self) -> str:
        rows = self._rows()
        head = ["clip", *(f"{place}." for place in range(1, len(rows[0])))]
        answer = html_table(rows, head, note="score: minus the denoising error, higher is better")
        read = [(reading.label, reading.how, "; ".join(reading.remarks)) for reading in self.readings]
        return answer + (html_table(read, ("label", "read from", "remarks")) if read else "")


class Recognizer:
    """A trained encoder and matcher, with the text encoder they were trained with.

    Args:
        config: the settings it was trained with.
        layout: the body it was trained on.
        seen: labels it was trained on.
        descriptions: label -> sentence about the movement, used as second prompt for these labels. Others have their name alone, or what an
            aligned encoder's lexicon makes of it (:mod:`tdsm.backbones.lexicon`).
        encoder, matcher: trained modules.
        text_encoder: made from ``config.text`` when left out; it keeps prompts in the user's cache folder.
    """

    def __init__(
        self,
        config: Config,
        layout: Layout,
        seen: Sequence[str],
        descriptions: Descriptions,
        encoder: nn.Module,
        matcher: Matcher,
        text_encoder: TextEncoder | None = None,
    ) -> None:
        self.config, self.layout, self.seen, self.descriptions = config, layout, tuple(seen), dict(descriptions)
        self.encoder, self.matcher = encoder.eval(), matcher.eval()
        self.text_encoder = text_encoder or TextEncoder(config.text, cache_folder())
        self._streams: dict[tuple[tuple[str, ...], ...], tuple[TextStream, Tensor]] = {}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.matcher.test_noise.device

    def to(self, device: torch.device | str) -> "Recognizer":
        """Move the weights; returns itself."""
        self.encoder.to(device)
        self.matcher.to(device)
        self._streams = {}
        return self

    def features(self, clips: Clip | Sequence[Clip]) -> Float[Tensor, "clip one channel"]:
        """z_x of clips.

        Raises:
            InputError: no clip, or a clip of another layout.
        """
        clips = [clips] if isinstance(clips, Clip) else list(clips)
        if not clips:
            raise InputError("clips", "none given", "give at least one clip")
        for clip in clips:
            if clip.layout.name != self.layout.name:
                raise InputError(
                    clip.name,
                    f"layout is {clip.layout.name}",
                    f"convert them to {self.layout.name}, on which it was trained: tdsm.data.convert.convert_all(clips, recognizer.layout).clips",
                )
        if self.config.preprocess.frames == 0:  # clips keep their own lengths, so each goes alone
            return torch.cat([extract(self.encoder, self._prepared([clip])) for clip in clips])
        return extract(self.encoder, self._prepared(clips))

    def _prepared(self, clips: Sequence[Clip]) -> Tensor:
        return torch.from_numpy(preprocess_all(clips, self.config.preprocess))

    def errors(
        self, z_x: Float[Tensor, "clip one channel"], labels: Sequence[str | Label], descriptions: Descriptions | None = None
    ) -> Float[Tensor, "clip label"]:
        """Denoising errors of features under labels. Nothing in a column depends on the other columns.

        Raises:
            InputError: no label, an empty one, or one twice.
        """
        asked = as_labels(labels, merged(self.descriptions, descriptions or {}))
        labels, descriptions = [label.name for label in asked], {label.name: label.description for label in asked if label.description}
        prompts = tuple(class_prompts(labels, descriptions))
        if prompts not in self._streams:
            stream = self.matcher.encode_text(label_text(self.encoder, self.text_encoder, labels, descriptions).to(self.device))
            self._streams = {prompts: (stream, self.matcher.bias(stream))}
        stream, bias = self._streams[prompts]
        return self.matcher.errors(z_x.to(self.device), stream) - bias

    def predict(self, clips: Clip | Sequence[Clip], labels: Sequence[str | Label], descriptions: Descriptions | None = None) -> Predictions:
        """Rank ``labels``, any names at all, for each clip; clips in which nobody, or too little of everybody, is seen are left out with a warning.

        Args:
            clips: a clip, a list of clips or a ClipSet, of the layout that was trained on.
            labels: names of actions, seen or not.
            descriptions: label -> a sentence about the body's movement; a label without one, and not described in training, goes by its name.

        Raises:
            InputError: clips or labels that cannot be used.
        """
        asked = as_labels(labels, merged(self.descriptions, descriptions or {}))
        aligned = isinstance(self.encoder, Aligner)
        readings = self.text_encoder.examine(asked, _lexicon_of(self.encoder) is not None, aligned=aligned)
        clips = usable([clips] if isinstance(clips, Clip) else list(clips), self.config.preprocess)
        errors = self.errors(self.features(clips), labels, descriptions)
        return Predictions(tuple(clip.name for clip in clips), tuple(label.name for label in asked), errors.cpu().numpy(), readings)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write recognizer.json, encoder.safetensors and matcher.safetensors, each atomically; returns the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, module in (("encoder", self.encoder), ("matcher", self.matcher)):
            save_weights(module, folder / f"{name}.safetensors")
        tokens, channels = self.matcher.denoiser.fl_pos_embed.shape[1], self.matcher.denoiser.fl_embedder.in_features
        about = {
            "format": 1,
            "layout": self.layout.name,
            "seen": self.seen,
            "descriptions": self.descriptions,
            "text": {"tokens": tokens, "channels": channels} | (_reading(self.encoder) if isinstance(self.encoder, Aligner) else {}),
            "config": asdict(self.config),
        }
        write_json(folder / "recognizer.json", about)
        return folder

    @classmethod
    def from_pretrained(cls, folder: str | Path, text_encoder: TextEncoder | None = None) -> "Recognizer":
        """Read what :meth:`save_pretrained` wrote; only JSON and safetensors, so nothing in it is executed.

        Raises:
            InputError: a file is missing, damaged, or of another size than recognizer.json says.
        """
        folder = Path(folder)
        path = folder / "recognizer.json"
        if not path.is_file():
            raise InputError(path, "no such file", "give a folder that save_pretrained or `tdsm train` wrote (its `model` folder)")
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            layout = layout_named(about["layout"])
            config = Config.from_json(json.dumps(about["config"]), str(path))
            tokens, channels, seen, descriptions = about["text"]["tokens"], about["text"]["channels"], about["seen"], about["descriptions"]
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise InputError(path, f"not a recognizer ({error!r})", "save it again, or take another copy") from error
        encoder = build_encoder(config.encoder, layout, config.preprocess.bodies, 1 if config.align.pairs else len(seen))
        if config.align.pairs:
            words, names = about["text"]["words"], about["text"].get("names", 0)
            encoder = Aligner(encoder, words, config.align.width)
            encoder.lexicon = Lexicon(names, words, config.align.guess) if names else None
        matcher = Matcher(encoder.features, 1, channels, tokens, config.model, config.diffusion)
        for name, module in (("encoder", encoder), ("matcher", matcher)):
            load_weights(module, folder / f"{name}.safetensors")
        return cls(config, layout, seen, descriptions, encoder, matcher, text_encoder)

    def __repr__(self) -> str:
        return (
            f"Recognizer({self.layout.name}, {self.config.encoder.kind}, {self.config.model.stream} text stream, "
            f"{len(self.seen)} seen labels: {', '.join(self.seen[:3])}{', ...' if len(self.seen) > 3 else ''})"
        )

    def _repr_html_(self) -> str:
        config, layout = self.config, self.layout
        about = [
            ("body", f"{layout.name}: {len(layout)} joints, {layout.dims} coordinates in {layout.unit}"),
            ("clips are taken to", f"{config.preprocess.bodies} person(s), {config.preprocess.frames or 'their own number of'} frames"),
            ("skeleton encoder", f"{config.encoder.kind}, z_x of {self.encoder.features} numbers, {_weights_of(self.encoder)}"),
            ("denoiser", f"{config.model.depth} blocks of width {config.model.width}, {config.model.stream} text stream, {_weights_of(self.matcher.denoiser)}"),
            ("test", f"error over {config.diffusion.noises} fixed noises at step {config.diffusion.test_step} of {config.diffusion.timesteps}"),
            ("text encoder", f"{config.text.repo}, {config.text.tokens} tokens a prompt"),
            (f"{len(self.seen)} seen labels", shortened(self.seen)),
            ("sentences", f"for {len(self.descriptions)} labels"),
            *([("lexicon", f"{len(self.encoder.lexicon.names)} actions, for labels without a sentence")] if _lexicon_of(self.encoder) else []),
            ("weights are on", self.device),
        ]
        return html_table(about, title="Recognizer", note="predict(clips, labels, descriptions) ranks any labels, seen or not")


def _reading(aligner: Aligner) -> dict[str, int]:
    """The sizes that a saved aligner's text side has."""
    return {"words": aligner.read.in_features, "names": len(aligner.lexicon.names) if aligner.lexicon else 0}


def _lexicon_of(encoder: nn.Module) -> Lexicon | None:
    return encoder.lexicon if isinstance(encoder, Aligner) else None


def _weights_of(module: nn.Module) -> str:
    return f"{sum(weight.numel() for weight in module.parameters()):,} weights"


def label_text(encoder: nn.Module, text_encoder: TextEncoder, labels: Sequence[str], descriptions: Descriptions | None = None) -> TextFeatures:
    """What the denoiser is told of labels: their prompts as read, or, for an aligned encoder, the direction of each label's last prompt.

    An aligned encoder also has a lexicon, which says what a name would be told like (:mod:`tdsm.backbones.lexicon`).
    """
    prompts = class_prompts(labels, descriptions)
    if not isinstance(encoder, Aligner):
        return text_encoder.encode(prompts, prompts_per_class=2)
    return encoder.label_features(read_labels(labels, [told[-1] for told in prompts], text_encoder, encoder.lexicon))


def new_matcher(z_x: Float[Tensor, "clip token channel"], text: TextFeatures, config: Config, seed: int) -> Matcher:
    """A matcher of the size of these features and texts."""
    return Matcher(z_x.shape[2], z_x.shape[1], text.z_g.shape[1], text.z_l.shape[1], config.model, config.diffusion, seed)
