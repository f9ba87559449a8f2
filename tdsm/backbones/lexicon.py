"""Names of actions as their sentences would be read.

An aligned recognizer (:mod:`tdsm.backbones.aligned`) has learned to read sentences about limbs, in one voice. Of a bare name ("tennis serve") it knows little,
and of a sentence in another voice not much more. But the package has hundreds of (name, sentence) pairs of actions, and the seen classes may bring more. From
how their names are read, X, to how their sentences are read, Y, there is a smooth map, found by kernel ridge regression:

    guess(q) = mean(Y) + k(q, X) (k(X, X) + 0.1 I)^-1 (Y - mean(Y)),    k(a, b) = exp(-|a - b|^2)

so that a name is read as a blend of the sentences of names like it. Kernel and penalty were chosen by leaving out each pair in turn and ranking its own
sentence among all (docs/LOG.md); no clip had a say. A label without a sentence is read as its guess, a label with one half as that sentence and half
as the guess (``AlignConfig.guess``). Word order is weak in it: "sit to stand" and "stand to sit" are guessed nearly alike, and want sentences.
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
_TOGETHER = 1024  # names that are compared with all others at a time
_FORMAT = 3  # raise it when the computation of a reading changes, so that files of the old one are left alone


class Lexicon(nn.Module):
    """The map from names to sentences, both as :meth:`tdsm.text.TextEncoder.read_sentences` reads them.

    Args:
        pairs: number N of (name, sentence) pairs.
        words: C, the width of a reading; its two halves count alike.
        share: of the guess in what a label with a sentence is read as, 0 to 1.
    """

    def __init__(self, pairs: int, words: int, share: float) -> None:
        super().__init__()
        self.share = share
        self.register_buffer("center", torch.zeros(words))
        self.register_buffer("names", torch.zeros(pairs, words))
        self.register_buffer("usual", torch.zeros(words))
        self.register_buffer("weights", torch.zeros(pairs, words))

    def fit(self, names: Float[Tensor, "pair word"], sentences: Float[Tensor, "pair word"]) -> "Lexicon":
        """Learn from N pairs; returns itself."""
        self.center.copy_(names.mean(0))
        self.names.copy_(directions(names, self.center))
        self.usual.copy_(sentences.mean(0))
        alike = self._alike(self.names).double() + _PENALTY * torch.eye(len(names), dtype=torch.float64)
        self.weights.copy_(torch.linalg.solve(alike, (sentences - self.usual).double()))
        return self

    def forward(self, names: Float[Tensor, "label word"]) -> Float[Tensor, "label word"]:
        """What the sentences of these names would be read as."""
        return torch.cat([self.usual + self._alike(part) @ self.weights for part in directions(names, self.center).split(_TOGETHER)])

    def _alike(self, names: Tensor) -> Tensor:
        return torch.exp(-torch.cdist(names, self.names).square())


class Prototypes(nn.Module):
    """Where the actions of the dictionary lie in the common space of an aligned backbone, and where an action of any name would, by the same kernel ridge.

    Args:
        actions: number N of actions.
        words: C, the width of a reading.
        width: channels of the common space.
    """

    def __init__(self, actions: int, words: int, width: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(words))
        self.register_buffer("names", torch.zeros(actions, words))
        self.register_buffer("usual", torch.zeros(width))
        self.register_buffer("weights", torch.zeros(actions, width))
        self._actions: Tensor | None = None

    def fit(self, names: Float[Tensor, "action word"], places: Float[Tensor, "action width"]) -> "Prototypes":
        """Learn from N readings of names and N directions of length 1; returns itself."""
        self.center.copy_(names.mean(0))
        self.names.copy_(directions(names, self.center).half())  # as they are shipped
        self.usual.copy_(places.mean(0))
        alike = torch.exp(-torch.cdist(self.names, self.names).square()).double() + _PENALTY * torch.eye(len(names), dtype=torch.float64)
        self.weights.copy_(torch.linalg.solve(alike, (places - self.usual).double()))
        return self

    def forward(self, names: Float[Tensor, "label word"]) -> Float[Tensor, "label width"]:
        """Directions of length 1, of readings of names."""
        return self._places(directions(names, self.center))

    def actions(self) -> Float[Tensor, "action width"]:
        """Directions of the dictionary's own actions, computed once."""
        if self._actions is None or self._actions.device != self.names.device:
            self._actions = self._places(self.names)
        return self._actions

    def nearest(self, names: Float[Tensor, "label word"]) -> tuple[Tensor, Tensor]:
        """Of each reading the action with the most similar name, and the cosine of the two."""
        near = [(part @ self.names.T).max(dim=1) for part in directions(names, self.center).split(_TOGETHER)]
        return torch.cat([rows for _, rows in near]), torch.cat([cosines for cosines, _ in near])

    def _places(self, names: Tensor) -> Tensor:
        return torch.cat([self._places_of(part) for part in names.split(_TOGETHER)])

    def _places_of(self, names: Tensor) -> Tensor:
        return F.normalize(self.usual + torch.exp(-torch.cdist(names, self.names).square()) @ self.weights, dim=-1)


def sentences_of_others(dataset: str) -> dict[str, str]:
    """Name -> packaged sentence of the actions of all recorded data sets but this one.

    Actions that this one has too, by name or by sentence, are left out wherever they stand, so that a test with bare names is one.
    """
    own = load_prompts(dataset) if dataset in packaged_prompts() else {}
    names, sentences = {normal_form(name) for name in own}, set(own.values())
    others: dict[str, str] = {}
    for other in packaged_prompts():
        if other not in ("synthetic", *SUBSETS):
            others = load_prompts(other) | others
    return {name: sentence for name, sentence in others.items() if normal_form(name) not in names and sentence not in sentences}


def fit_lexicon(sentences: Mapping[str, str], share: float, text_encoder: TextModel, cache: Path | None = None) -> Lexicon:
    """Learn from name -> sentence; the readings are kept in the folder ``cache``, left out: the user's. ``share``: see :class:`Lexicon`.

    Raises:
        InputError: fewer than two sentences.
    """
    if len(sentences) < 2:
        raise InputError("lexicon", f"{len(sentences)} sentences", "give two at least")
    settings = text_encoder.config and asdict(text_encoder.config)
    key = json.dumps([_FORMAT, list(sentences.items()), settings, text_encoder.identity])
    path = (cache or cache_folder().parent / "lexicon") / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
    texts = {"names": list(sentences), "sentences": list(sentences.values())}
    read = cached_tensors(path, lambda: {kind: text_encoder.read_sentences(values) for kind, values in texts.items()})
    return Lexicon(*read["names"].shape, share).fit(read["names"], read["sentences"])


def read_labels(labels: Sequence[Label], text_encoder: TextModel, lexicon: Lexicon | None) -> Float[Tensor, "label word"]:
    """Text features of labels: of each its description (the last of several), blended with what ``lexicon`` predicts from its name.

    A label without description is the prediction alone; without a lexicon, its name.
    """
    return blended(labels, *read_names(labels, text_encoder), lexicon)


def read_names(labels: Sequence[Label], text_encoder: TextModel) -> tuple[Float[Tensor, "label word"], Float[Tensor, "label word"]]:
    """Readings of the names of labels, and of their descriptions, which are the names where there is none; what is said several times is read once."""
    names, told = [spoken(label.name) for label in labels], [label.prompts[-1] for label in labels]
    if names == told:
        read = text_encoder.read_sentences(names)
        return read, read
    return text_encoder.read_sentences([*names, *told]).chunk(2)


def blended(labels: Sequence[Label], names: Tensor, told: Tensor, lexicon: Lexicon | None) -> Float[Tensor, "label word"]:
    """:func:`read_labels`, of what :func:`read_names` gave."""
    if lexicon is None:
        return told
    guess = lexicon(names.to(lexicon.center.device)).to(told.device)
    bare = torch.tensor([normal_form(label.prompts[-1]) == label.key for label in labels])
    return torch.where(bare[:, None], guess, (1 - lexicon.share) * told + lexicon.share * guess)
