"""The lexicon: predicts the embedding of a description from the embedding of an action's name.

The text tower (:mod:`tdsm.backbones.aligned`) is trained on sentences about limbs in one style. It represents bare names ("tennis serve") and sentences in
other styles poorly. The package contains hundreds of (name, description) pairs of actions, and the seen classes can add more. Kernel ridge regression
learns a smooth map from the embeddings of the names, X, to the embeddings of the descriptions, Y:

    guess(q) = mean(Y) + k(q, X) (k(X, X) + 0.1 I)^-1 (Y - mean(Y)),    k(a, b) = exp(-|a - b|^2)

A name is therefore represented by a blend of the descriptions of similar names. Kernel and penalty were chosen by leave-one-out: each pair was predicted
from the others, and its description was ranked among all descriptions (docs/LOG.md); no clip was involved. A label without a description is represented by
its prediction, a label with a description by a weighted mean of description and prediction (``AlignConfig.guess``). The map hardly depends on word order:
"sit to stand" and "stand to sit" get similar predictions and need descriptions.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.data.labels import Label, normal_form, spoken
from tdsm.data.prompts import SUBSETS, load_prompts, packaged_prompts
from tdsm.text import TextModel, cache_folder, directions
from tdsm.util.errors import InputError
from tdsm.util.weights import cached_tensors

__all__ = ["Lexicon", "Prototypes", "blended", "fit_lexicon", "read_labels", "read_names", "sentences_of_others"]

_PENALTY = 0.1
_TOGETHER = 1024  # names per block of the kernel matrix
_FORMAT = 3  # raise it when the computation of an embedding changes, so that old cache files are not used


class Lexicon(nn.Module):
    """The map from names to descriptions, both as embeddings of :meth:`tdsm.text.TextEncoder.read_sentences`.

    Args:
        pairs: number N of (name, description) pairs.
        words: C, channels of an embedding; its two halves have equal weight.
        share: weight of the prediction for a label with a description, 0 to 1.
    """

    def __init__(self, pairs: int, words: int, share: float) -> None:
        super().__init__()
        self.share = share
        self.register_buffer("center", torch.zeros(words))
        self.register_buffer("names", torch.zeros(pairs, words))
        self.register_buffer("usual", torch.zeros(words))
        self.register_buffer("weights", torch.zeros(pairs, words))

    def fit(self, names: Float[Tensor, "pair word"], sentences: Float[Tensor, "pair word"]) -> "Lexicon":
        """Fit to N pairs of embeddings; returns itself."""
        self.center.copy_(names.mean(0))
        self.names.copy_(directions(names, self.center))
        self.usual.copy_(sentences.mean(0))
        alike = self._alike(self.names).double() + _PENALTY * torch.eye(len(names), dtype=torch.float64)
        self.weights.copy_(torch.linalg.solve(alike, (sentences - self.usual).double()))
        return self

    def forward(self, names: Float[Tensor, "label word"]) -> Float[Tensor, "label word"]:
        """Predict the embeddings of the descriptions of these names."""
        return torch.cat([self.usual + self._alike(part) @ self.weights for part in directions(names, self.center).split(_TOGETHER)])

    def _alike(self, names: Tensor) -> Tensor:
        return torch.exp(-torch.cdist(names, self.names).square())


class Prototypes(nn.Module):
    """Directions of the dictionary's actions in the aligned space, and a prediction of the direction for any name, by the same kernel ridge regression.

    Args:
        actions: number N of actions.
        words: C, channels of a text embedding.
        width: channels of the aligned space.
    """

    def __init__(self, actions: int, words: int, width: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(words))
        self.register_buffer("names", torch.zeros(actions, words))
        self.register_buffer("usual", torch.zeros(width))
        self.register_buffer("weights", torch.zeros(actions, width))
        self._actions: Tensor | None = None

    def fit(self, names: Float[Tensor, "action word"], places: Float[Tensor, "action width"]) -> "Prototypes":
        """Fit to N embeddings of names and N directions of length 1; returns itself."""
        self.center.copy_(names.mean(0))
        self.names.copy_(directions(names, self.center).half())  # half precision, as in the shipped weights
        self.usual.copy_(places.mean(0))
        alike = torch.exp(-torch.cdist(self.names, self.names).square()).double() + _PENALTY * torch.eye(len(names), dtype=torch.float64)
        self.weights.copy_(torch.linalg.solve(alike, (places - self.usual).double()))
        return self

    def forward(self, names: Float[Tensor, "label word"]) -> Float[Tensor, "label width"]:
        """Predict directions of length 1 from embeddings of names."""
        return self._places(directions(names, self.center))

    def actions(self) -> Float[Tensor, "action width"]:
        """Directions of the dictionary's own actions, computed once."""
        if self._actions is None or self._actions.device != self.names.device:
            self._actions = self._places(self.names)
        return self._actions

    def nearest(self, names: Float[Tensor, "label word"]) -> tuple[Tensor, Tensor]:
        """For each embedding, the index of the action with the most similar name, and their cosine."""
        near = [(part @ self.names.T).max(dim=1) for part in directions(names, self.center).split(_TOGETHER)]
        return torch.cat([rows for _, rows in near]), torch.cat([cosines for cosines, _ in near])

    def _places(self, names: Tensor) -> Tensor:
        return torch.cat([self._places_of(part) for part in names.split(_TOGETHER)])

    def _places_of(self, names: Tensor) -> Tensor:
        return F.normalize(self.usual + torch.exp(-torch.cdist(names, self.names).square()) @ self.weights, dim=-1)


def sentences_of_others(dataset: str) -> dict[str, str]:
    """Packaged descriptions of the actions of all recorded data sets except ``dataset``, by name.

    Actions that also occur in ``dataset``, by name or by description, are excluded, so that a test with bare names is valid.
    """
    own = load_prompts(dataset) if dataset in packaged_prompts() else {}
    names, sentences = {normal_form(name) for name in own}, set(own.values())
    others: dict[str, str] = {}
    for other in packaged_prompts():
        if other not in ("synthetic", *SUBSETS):
            others = load_prompts(other) | others
    return {name: sentence for name, sentence in others.items() if normal_form(name) not in names and sentence not in sentences}


def fit_lexicon(sentences: Mapping[str, str], share: float, text_encoder: TextModel, cache: Path | None = None) -> Lexicon:
    """Fit a lexicon to descriptions by name. Embeddings are cached in the folder ``cache`` (default: the user's). ``share``: see :class:`Lexicon`.

    Raises:
        InputError: fewer than two descriptions.
    """
    if len(sentences) < 2:
        raise InputError("lexicon", f"{len(sentences)} descriptions", "give at least two")
    settings = text_encoder.config and asdict(text_encoder.config)
    key = json.dumps([_FORMAT, list(sentences.items()), settings, text_encoder.identity])
    path = (cache or cache_folder().parent / "lexicon") / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
    texts = {"names": list(sentences), "sentences": list(sentences.values())}
    read = cached_tensors(path, lambda: {kind: text_encoder.read_sentences(values) for kind, values in texts.items()})
    return Lexicon(*read["names"].shape, share).fit(read["names"], read["sentences"])


def read_labels(labels: Sequence[Label], text_encoder: TextModel, lexicon: Lexicon | None) -> Float[Tensor, "label word"]:
    """Text embeddings of labels: the description (the last one if there are several), blended with the prediction of ``lexicon`` from the name.

    A label without a description is represented by the prediction, or without a lexicon by its name.
    """
    return blended(labels, *read_names(labels, text_encoder), lexicon)


def read_names(labels: Sequence[Label], text_encoder: TextModel) -> tuple[Float[Tensor, "label word"], Float[Tensor, "label word"]]:
    """Embeddings of the names of labels, and of their descriptions (names, for labels without one). Repeated texts are encoded once."""
    names, texts = [spoken(label.name) for label in labels], [label.prompts[-1] for label in labels]
    if names == texts:
        read = text_encoder.read_sentences(names)
        return read, read
    return text_encoder.read_sentences([*names, *texts]).chunk(2)


def blended(labels: Sequence[Label], names: Tensor, described: Tensor, lexicon: Lexicon | None) -> Float[Tensor, "label word"]:
    """:func:`read_labels` on the output of :func:`read_names`."""
    if lexicon is None:
        return described
    guess = lexicon(names.to(lexicon.center.device)).to(described.device)
    bare = torch.tensor([normal_form(label.prompts[-1]) == label.key for label in labels])
    return torch.where(bare[:, None], guess, (1 - lexicon.share) * described + lexicon.share * guess)
