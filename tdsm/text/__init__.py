"""Labels to text features: z_g, one vector per class, and z_l, one vector per token (paper, section 3, E_d).

A class is described by one or several prompts: its label and, if there is one, a sentence that describes the movement. A frozen language model encodes each
prompt separately, padded and truncated to ``TextConfig.tokens``; the aligned backbone reads up to 64 tokens without padding
(:meth:`TextEncoder.read_sentences`). The prompts of a class are joined afterwards, so its features do not depend on the other classes.

Encoded prompts can be cached: in a cache folder, each prompt is one small file, named by the sha256 of everything that determines its content (the model's
files, the settings, the text). The language model is loaded only if a prompt has no file yet.

Padding: the paper's release passes no attention mask, so padding is treated as text (``mask_padding=False``). With ``mask_padding=True`` the language model
does not attend to padding; z_l is zero and ``mask`` is False at padding.
"""

import hashlib
import json
import re
import unicodedata
import warnings
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tdsm.config import TextConfig
from tdsm.data.labels import Label, as_labels, spoken
from tdsm.data.prompts import class_prompts, load_prompts
from tdsm.text.language_model import ModelFiles, Words, load_model, load_tokenizer, locate
from tdsm.util.errors import InputError
from tdsm.util.files import user_cache
from tdsm.util.progress import progress_bar
from tdsm.util.weights import cached_tensors

__all__ = ["LabelReading", "TextEncoder", "TextFeatures", "TextModel", "TextWarning", "cache_folder", "class_prompts", "directions", "load_prompts"]

_LONGEST = 64  # most tokens of a sentence for alignment
_MANY, _TOGETHER = 1000, 1024  # number of sentences above which a bar is shown; tokens per forward pass
CACHE_FORMAT = 3  # raise it when the computation changes, so that old cache files are not used


def cache_folder() -> Path:
    """The default folder for encoded prompts: tdsm/text in the user's cache folder."""
    return user_cache() / "text"


@dataclass(frozen=True, eq=False)
class TextFeatures:
    """Text features of K classes, the condition of the denoiser.

    Attributes:
        z_g: (K, C_g) float32, global.
        z_l: (K, M_l, C_l) float32, local.
        mask: (K, M_l) bool, True where a token can be attended to.
    """

    z_g: Float[Tensor, "K C_g"]
    z_l: Float[Tensor, "K M_l C_l"]
    mask: Bool[Tensor, "K M_l"]

    def __len__(self) -> int:
        return len(self.z_g)

    def to(self, device: str | torch.device) -> "TextFeatures":
        """The same features on another device."""
        return TextFeatures(self.z_g.to(device), self.z_l.to(device), self.mask.to(device))

    def select(self, indices: Sequence[int] | Tensor) -> "TextFeatures":
        """The classes at ``indices``, in that order."""
        rows = torch.as_tensor(indices, device=self.z_g.device)
        return TextFeatures(self.z_g[rows], self.z_l[rows], self.mask[rows])


class TextWarning(UserWarning):
    """A text may not be interpreted as intended: it is truncated, unknown to the text encoder, or has the same tokens as another text."""


@dataclass(frozen=True)
class LabelReading:
    """How the text encoder interprets a label; ``str`` gives it as one line.

    Attributes:
        how: the texts used: "name", "description" (with the name, in the paper's recipe and in the shipped recognizer), "prompts" (the label's own list),
            "lexicon" (the description predicted from its name) or "description+lexicon".
        remarks: problems with the label's texts, one phrase each.
        near: the action of the dictionary with the most similar name, and its sentence. If it is not the intended action, give the label a description.
    """

    label: Label
    how: str
    remarks: tuple[str, ...] = ()
    near: str = ""

    def __str__(self) -> str:
        return "; ".join((f"label {self.label.name!r}, read from its {self.how}", *((f"most like {self.near}",) if self.near else ()), *self.remarks))


class _Tokens(NamedTuple):
    """Tokens of one text: those that are used, the number of all tokens, and the number of used tokens that the model knows."""

    read: tuple[int, ...]
    total: int
    known: int


class _Prompt(NamedTuple):
    z_g: Float[Tensor, " C"]
    z_l: Float[Tensor, "tokens C"]
    mask: Bool[Tensor, " tokens"]


class TextModel(ABC):
    """Base class of text encoders: :class:`TextEncoder`, or a subclass of your own. ``config`` holds its settings, if it has any."""

    config: TextConfig | None = None

    @property
    @abstractmethod
    def identity(self) -> str:
        """Identifies what the model computes: equal only for models with equal results. Part of cache keys, and stored with a trained recognizer."""

    @abstractmethod
    def encode(self, prompts: Sequence[Sequence[str]], prompts_per_class: int | None = None) -> "TextFeatures":
        """Features of K classes, each with one or more prompts. See :meth:`TextEncoder.encode`."""

    @abstractmethod
    def read_sentences(self, sentences: Sequence[str]) -> Float[Tensor, "sentence word"]:
        """Two views of each sentence, concatenated, of equal width and each of length 1, for the aligned backbone. See :meth:`TextEncoder.read_sentences`."""

    def check(self) -> None:  # noqa: B027
        """Raise errors such as missing model files now instead of in the middle of a run."""

    def examine(self, labels: Sequence[Label], lexicon: bool = False, *, aligned: bool = False) -> "tuple[LabelReading, ...]":
        """How each label is interpreted, see :meth:`TextEncoder.examine`. This default returns nothing."""
        return ()


class TextEncoder(TextModel):
    """E_d: encodes prompts with a frozen language model, which is loaded when first needed.

    Args:
        config: the model, and how prompts are encoded.
        cache: folder for encoded prompts; None keeps them in memory only.
    """

    def __init__(self, config: TextConfig, cache: str | Path | None = None) -> None:
        self.config = config
        self.cache = None if cache is None else Path(cache)
        self._known: dict[str, _Prompt] = {}
        if self.cache and self.cache.exists() and not self.cache.is_dir():
            raise InputError(self.cache, "the text cache is a file", "give a folder")

    def encode(self, prompts: Sequence[Sequence[str]], prompts_per_class: int | None = None) -> TextFeatures:
        """Features of K classes, each described by one or more prompts.

        The number of prompts P determines the shape: prompts are joined along the channels, C_g = C_l = P·C. A class with fewer prompts repeats its first.

        Warns (:class:`TextWarning`) about truncated prompts, classes without a known token, and classes with the same tokens.

        Args:
            prompts: K sequences of prompts, as from :func:`tdsm.data.prompts.class_prompts`.
            prompts_per_class: P; None takes the largest number of prompts of a class. Set it if the classes must fit a trained model.

        Raises:
            InputError: no class, a class without a prompt, a prompt without words, more prompts than P, two classes without a known token, a
                model that is not available or does not fit the settings, or a cache folder that cannot be written.
        """
        count = _check_prompts(prompts, prompts_per_class)
        self._warn(prompts)
        classes = [_join([self._prompt(text) for text in of_class], count) for of_class in prompts]
        return TextFeatures(*(torch.stack(part) for part in zip(*classes, strict=True)))

    @torch.no_grad()
    def read_sentences(self, sentences: Sequence[str], batch: int = 128) -> Float[Tensor, "sentence word"]:
        """Two views of sentences, concatenated and each of length 1 (:mod:`tdsm.backbones.aligned`): z_g, and the mean of the words' input embeddings.

        The second view identifies the words before attention mixes them with their context. A sentence may have 64 tokens; longer ones are truncated
        (:meth:`examine` reports this for labels). Sentences of equal length are encoded together, at most ``batch`` sentences and 1024 tokens, so no
        padding is needed. Repeated sentences are encoded once. Results are not cached.

        Raises:
            InputError: a sentence without a token.
        """
        model, texts = self._model, list(dict.fromkeys(sentences))
        tokens = dict(zip(texts, map(tuple, self._words(texts, _LONGEST)), strict=True))
        for text in (text for text, words in tokens.items() if len(words) <= 2):
            raise _no_words(text)
        distinct = sorted(set(tokens.values()), key=lambda words: (len(words), words))
        chunks: list[list[tuple[int, ...]]] = []
        for words in distinct:
            if not chunks or len(words) != len(chunks[-1][0]) or len(chunks[-1]) >= min(batch, _TOGETHER // len(words)):
                chunks.append([])
            chunks[-1].append(words)
        read = []
        for chunk in progress_bar(chunks, shown=len(distinct) > _MANY, desc="sentences", unit="batch", leave=False):
            ids = torch.tensor(chunk)
            output = model(input_ids=ids)
            z_g = output.pooler_output if self.config.family == "clip" else output.last_hidden_state.mean(1)
            words = model.get_input_embeddings()(ids[:, 1:-1]).mean(1)  # without the start and end tokens
            read.append(torch.cat([F.normalize(view, dim=1) for view in (z_g, words)], dim=1))
        row = {words: number for number, words in enumerate(distinct)}
        return torch.cat(read)[[row[tokens[sentence]] for sentence in sentences]]

    def check(self) -> None:
        """Find the model's files now, before any work depends on them. Raises InputError: they are not available."""
        _ = self._source

    def examine(self, labels: Sequence[str | Label], lexicon: bool = False, *, aligned: bool = False) -> tuple[LabelReading, ...]:
        """How each label is interpreted, and which problems its texts have.

        Args:
            labels: see :func:`tdsm.data.labels.as_labels`.
            lexicon: an aligned backbone with a lexicon encodes the labels (:mod:`tdsm.backbones.lexicon`).
            aligned: an aligned backbone encodes the labels with :meth:`read_sentences`; otherwise they are encoded with :meth:`encode`.

        Raises:
            InputError: labels that cannot be used, a text without a token, or two labels without a known token, which would be identical.
        """
        asked = as_labels(labels)
        limit = _LONGEST if aligned or lexicon else self.config.tokens
        texts = [_texts_of(label, aligned or lexicon, lexicon) for label in asked]
        tokens = self._tokens({text for of_label in texts for text, _ in of_label}, limit)
        _refuse_unknown([label.name for label in asked], [[tokens[text] for text, _ in of_label] for of_label in texts])
        equal = _equal([label.name for label in asked], [tuple(tokens[text].read for text, _ in of_label) for of_label in texts])
        readings = []
        for label, of_label in zip(asked, texts, strict=True):
            remarks = [remark for text, what in of_label for remark in self._remarks(text, what, tokens[text])]
            only_number = any(map(str.isdigit, label.name)) and not any(map(str.isalpha, label.name))
            remarks += ["its name is only a number"] if label.description is None and only_number else []
            remarks += [f"has the same tokens as {_listed([repr(name) for name in equal[label.name]])}"] if label.name in equal else []
            readings.append(LabelReading(label, _how(label, lexicon), tuple(dict.fromkeys(remarks))))
        return tuple(readings)

    def _remarks(self, text: str, what: str, tokens: _Tokens) -> list[str]:
        """Problems with one text of a label, one phrase each."""
        unknown, remarks = len(tokens.read) - tokens.known, []
        if not tokens.known:
            remarks.append(f"the text encoder knows no word of its {what}")
        elif unknown:
            remarks.append(f"{unknown} of {len(tokens.read)} tokens of its {what} are unknown to the text encoder")
        if tokens.total > len(tokens.read):
            end = self._words.decode(tokens.read[-4:]).strip()
            remarks.append(f"its {what} is truncated: {len(tokens.read)} of {tokens.total} tokens are used, up to '... {end}'")
        if negation := _NEGATION.search(text):
            remarks.append(f"negation ({negation[0]!r}) is not understood")
        english = self.config.repo == "minilm-wheel" or self.config.family == "clip"
        if script := _foreign_script(text) if english and not text.isascii() else None:
            remarks.append(f"its {what} is in {script} script; the text encoder was trained on English")
        return remarks

    def _warn(self, prompts: Sequence[Sequence[str]]) -> None:
        """Warn once per kind of problem with the prompts."""
        tokens = self._tokens({text for of_class in prompts for text in of_class}, self.config.tokens)
        names, of_classes = [_shown(of_class[0]) for of_class in prompts], [[tokens[text] for text in of_class] for of_class in prompts]
        _refuse_unknown(names, of_classes)
        lines = []
        if cut := [text for text, counted in tokens.items() if counted.total > len(counted.read)]:
            read, total = len(tokens[cut[0]].read), tokens[cut[0]].total
            lines.append(f"{len(cut)} of {len(tokens)} prompts are truncated, the first, {_shown(cut[0])}, to {read} of {total} tokens; shorten them")
        lines += [f"the text encoder knows no word of {name}; give a description or another name" for name in _unknown(names, of_classes)]
        for row, others in _equal(range(len(prompts)), [tuple(text.read for text in of_class) for of_class in of_classes]).items():
            if row < others[0]:
                lines.append(f"{_listed([names[place] for place in (row, *others)])} have the same tokens and cannot be distinguished; use other names")
        for line in lines:
            warnings.warn(line, TextWarning, stacklevel=3)

    def _tokens(self, texts: Iterable[str], limit: int) -> dict[str, _Tokens]:
        """The tokens of each text, without the start and end tokens."""
        texts = sorted(texts)
        special, room = self._words.special, limit - self._words.marks
        tokens = {}
        for text, ids in zip(texts, self._words(texts), strict=True):
            if not ids:
                raise _no_words(text)
            tokens[text] = _Tokens(tuple(ids[:room]), len(ids), sum(token not in special for token in ids[:room]))
        return tokens

    def _prompt(self, text: str) -> _Prompt:
        if text not in self._known and self.cache:
            settings = [CACHE_FORMAT, self.config.family, self.config.tokens, self.config.mask_padding, self.identity, text]
            path = self.cache / f"{hashlib.sha256(json.dumps(settings).encode()).hexdigest()}.safetensors"
            self._known[text] = _Prompt(**cached_tensors(path, lambda: self._read_alone(text)._asdict()))
        elif text not in self._known:
            self._known[text] = self._read_alone(text)
        return self._known[text]

    # One prompt per call instead of a batch: equally fast on a CPU, and the features of a prompt do not depend on other prompts in any bit.
    @torch.no_grad()
    def _read_alone(self, text: str) -> _Prompt:
        read = self._words([text], self.config.tokens)[0]
        ids = torch.tensor([read + [self._words.pad] * (self.config.tokens - len(read))])
        words = (torch.arange(self.config.tokens) < len(read)).long()[None]
        attended = words if self.config.mask_padding else torch.ones_like(words)
        output = self._model(input_ids=ids, attention_mask=attended)
        z_l, mask = output.last_hidden_state[0], attended[0].bool()
        z_g = output.pooler_output[0] if self.config.family == "clip" else F.normalize(z_l[words[0].bool()].mean(0), dim=0)
        return _Prompt(z_g, torch.where(mask[:, None], z_l, 0.0), mask)

    @property
    def identity(self) -> str:
        """Equal for two encoders only if their model files are equal; used in cache keys."""
        return self._source.identity

    @cached_property
    def _source(self) -> ModelFiles:
        return locate(self.config)

    @cached_property
    def _words(self) -> Words:
        return load_tokenizer(self.config, self._source)

    @cached_property
    def _model(self) -> nn.Module:
        return load_model(self.config, self._source, len(self._words))


def directions(read: Float[Tensor, "sentence word"], center: Float[Tensor, " word"]) -> Float[Tensor, "sentence word"]:
    """Output of :meth:`TextEncoder.read_sentences` minus the common part ``center``, scaled to length 1; both views have equal weight."""
    return (F.normalize((read - center).unflatten(-1, (2, -1)), dim=-1) / 2**0.5).flatten(-2)


_NEGATION = re.compile(r"\b(?:not|no|never|without|neither|nor|cannot)\b|\b\w+n['’]t\b", re.IGNORECASE)


def _texts_of(label: Label, aligned: bool, lexicon: bool) -> list[tuple[str, str]]:
    """The texts used for a label, each with its kind."""
    if label.description is None:
        return [(spoken(label.name), "name")]
    prompts = label.prompts[-1:] if aligned else label.prompts
    kind = "description" if isinstance(label.description, str) else "prompt"
    texts = [(text, "name" if text == spoken(label.name) else kind) for text in prompts]
    return [*texts, (spoken(label.name), "name")] if lexicon else texts


def _how(label: Label, lexicon: bool) -> str:
    if label.description is None:
        return "lexicon" if lexicon else "name"
    return ("description" if isinstance(label.description, str) else "prompts") + ("+lexicon" if lexicon else "")


def _unknown(names: Sequence[str], tokens: Sequence[Sequence[_Tokens]]) -> list[str]:
    return [name for name, of_label in zip(names, tokens, strict=True) if not any(text.known for text in of_label)]


def _refuse_unknown(names: Sequence[str], tokens: Sequence[Sequence[_Tokens]]) -> None:
    unknown = _unknown(names, tokens)
    if len(unknown) > 1:
        raise InputError("labels", f"the text encoder knows no word of {_listed(unknown)}, so they cannot be distinguished", "give descriptions or other names")


def _equal(names: Sequence, keys: Sequence[tuple]) -> dict:
    """Maps each name that shares its key to the other names with the same key."""
    groups = defaultdict(list)
    for name, key in zip(names, keys, strict=True):
        groups[key].append(name)
    return {name: [other for other in group if other != name] for group in groups.values() if len(group) > 1 for name in group}


def _foreign_script(text: str) -> str | None:
    """Name of the first non-Latin script in a text, such as "Cyrillic"."""
    letters = (char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) in ("Lu", "Ll", "Lt", "Lo"))
    scripts = (unicodedata.name(char, "UNKNOWN").split()[0] for char in letters)
    script = next((script for script in scripts if script not in ("LATIN", "FEMININE", "MASCULINE")), None)
    return script if script in (None, "CJK") else script.capitalize()


def _no_words(text: str) -> InputError:
    return InputError("labels", f"{_shown(text)} has no token for the text encoder", "give it words")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 60 else repr(text[:57] + "...")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _check_prompts(prompts: Sequence[Sequence[str]], prompts_per_class: int | None) -> int:
    if not prompts:
        raise InputError("prompts", "no class", "give at least one")
    for index, of_class in enumerate(prompts):
        if isinstance(of_class, str) or not of_class or not all(isinstance(text, str) and text.strip() for text in of_class):
            raise InputError("prompts", f"class {index} is {of_class!r}", 'give each class a list of non-empty texts, such as ["sit down"]')
    most = max(len(of_class) for of_class in prompts)
    if prompts_per_class is not None and most > prompts_per_class:
        raise InputError("prompts", f"a class has {most} prompts, but prompts_per_class is {prompts_per_class}", "remove prompts or increase prompts_per_class")
    return prompts_per_class or most


def _join(prompts: list[_Prompt], count: int) -> _Prompt:
    """The prompts of a class, joined along the channels and repeated to ``count`` prompts."""
    z_g, z_l, mask = zip(*prompts, *[prompts[0]] * (count - len(prompts)), strict=True)
    return _Prompt(torch.cat(z_g), torch.cat(z_l, dim=1), torch.stack(mask).any(0))
