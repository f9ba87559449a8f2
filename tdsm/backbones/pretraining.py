"""Pretraining of towers for any body and any text, on generated movements only: the training of :func:`tdsm.pretrained`.

There are two kinds of movements, on the body of fifteen joints (:data:`tdsm.data.layouts.BODY_15`). Random movements with sentences
(:mod:`tdsm.data.procedural`) teach words for limbs, directions and levels. Acted movements (:mod:`tdsm.data.procedural.acting`) teach how actions look. The
text of an acted movement is its name, another of its names, one of its texts or its sentence, drawn in each step, so that no style is preferred. Negated
texts are negatives of every movement.

    movement -> corrupt -> skeleton tower --\\
                                              InfoNCE
    one of its texts    -> text tower     --/
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tdsm.backbones.aligned import SAME, Aligned, Pairs, exchange_sides
from tdsm.backbones.corruption import CorruptConfig, corrupt
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config
from tdsm.data.clips import Clip
from tdsm.data.convert import brought_to
from tdsm.data.labels import spoken
from tdsm.data.layouts import BODY_15, NTU_25
from tdsm.data.preprocess import preprocess_all
from tdsm.data.procedural import clips_of, draw_movement
from tdsm.data.procedural.acting import act
from tdsm.data.prompts.dictionary import Action, load_dictionary
from tdsm.text import TextModel, directions
from tdsm.util.errors import InputError
from tdsm.util.loop import Logged, batch_rows, device, fingerprint, fit, mix
from tdsm.util.progress import progress_bar
from tdsm.util.weights import cached_tensors

__all__ = ["Lessons", "PretrainConfig", "lessons", "pretrain_towers", "rehearsal"]

_SEED = 0  # seed of the generated movements, the same in all trainings
_FORMAT = 2  # raise it when generation changes
_BLOCK = 2000  # movements per cached block
_KEEP = 0.998  # decay of the running mean of the weights, per step
_SLOTS = 16  # texts of a movement, one of which is drawn per step; a quarter are its sentence

NAME = _SLOTS // 4
"""The slot of an action's own name. Its sentence is in the slots before, its other names and texts in the slots after."""

_NEGATIONS = ("not {}", "no {}", "never {}", "without {}", "does not {}", "{} is not what happens")


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of pretraining on generated movements and texts.

    Attributes:
        pairs: number of generated (movement, sentence) pairs.
        performances: number of performances of each way to perform an action of the dictionary.
        steps, lr, weight_decay: AdamW with a cosine schedule.
        pairs_batch, acted_batch, negated: pairs, performances and negated texts (negatives of every movement) per batch.
        near: two actions are not negatives of each other if the cosine of the embeddings of their names is larger than this.
    """

    pairs: int = 20_000
    performances: int = 4
    steps: int = 2_000
    lr: float = 2e-3
    weight_decay: float = 0.01
    pairs_batch: int = 96
    acted_batch: int = 192
    negated: int = 32
    near: float = 0.8
    corrupt: CorruptConfig = field(default_factory=CorruptConfig)

    def __post_init__(self) -> None:
        small = [name for name in ("performances", "steps", "lr", "pairs_batch", "acted_batch", "near", "negated") if getattr(self, name) <= 0]
        if small or self.pairs < self.pairs_batch:
            raise InputError("config", f"{small[0] if small else 'pairs'} is too small", "give numbers above 0, and at least one batch of pairs")
        if self.near > 1:
            raise InputError("config", f"near is {self.near}", "give a cosine of at most 1")


class Lessons(NamedTuple):
    """Training data of pretraining.

    Attributes:
        x: (N, 1, T, V, 3) preprocessed movements; the first ``pairs`` are random ones.
        subject: (N,) index of the random movement or of the action that each clip shows.
        mirrored: (N,) 0 or 1.
        texts: (S, C) embeddings of all texts.
        slots: (subjects, 2, 16) rows of ``texts`` for a movement and for its mirror image.
        negated: rows of ``texts`` that describe no movement.
        pairs: number of random movements.
    """

    x: Tensor
    subject: Tensor
    mirrored: Tensor
    texts: Tensor
    slots: Tensor
    negated: Tensor
    pairs: int


def lessons(config: PretrainConfig, recipe: Config, text_encoder: TextModel, without: Iterable[str] = (), folder: Path | None = None) -> Lessons:
    """Generate movements and encode their texts; blocks that are already in ``folder`` are loaded.

    Args:
        config: numbers of movements.
        recipe: settings, of which the preprocessing is used.
        text_encoder: encodes the texts.
        without: names of tested actions, which are excluded from the dictionary (:func:`tdsm.data.prompts.dictionary.load_dictionary`).
        folder: folder for blocks of movements and of embeddings; None stores nothing.
    """
    everything, kept = load_dictionary(), set(load_dictionary(without))
    actions = {number: action for number, action in enumerate(everything) if action in kept}
    drawn = [_take(action, number, draw) for number, action in enumerate(everything) for draw in range(config.performances * len(action.ways))]
    sentences = [draw_movement(np.random.default_rng([_SEED, number]))[1] for number in range(config.pairs)]
    pairs, _ = _movements("random", range(config.pairs), lambda block: [(clip, False) for clip in clips_of(block, _SEED, BODY_15)], recipe, folder)
    acted, mirrored = _movements("acted", drawn, _acted, recipe, folder)  # of all actions, so that one folder serves any `without`
    used = torch.tensor([number in actions for number, *_ in drawn])
    place = {number: len(sentences) + row for row, number in enumerate(actions)}
    voices = [[[sentence] * _SLOTS] * 2 for sentence in sentences]
    voices += [[_voices(action), [exchange_sides(text) for text in _voices(action)]] for action in actions.values()]
    negated = [_NEGATIONS[row % len(_NEGATIONS)].format(spoken(action.name)) for row, action in enumerate(actions.values())]
    of_actions = list(dict.fromkeys(text for both in voices[len(sentences) :] for text in (*both[0], *both[1])))
    texts = list(dict.fromkeys([*sentences, *of_actions, *negated]))
    row = {text: number for number, text in enumerate(texts)}
    return Lessons(
        torch.cat((pairs, acted[used])),
        torch.tensor([*range(len(pairs)), *(place[number] for number, *_ in drawn if number in place)]),
        torch.cat((torch.zeros(len(pairs), dtype=torch.long), mirrored[used])),
        _read(texts, text_encoder, folder),
        torch.tensor([[[row[text] for text in one] for one in both] for both in voices]),
        torch.tensor([row[text] for text in negated]),
        len(pairs),
    )


def rehearsal(count: int, recipe: Config, text_encoder: TextModel, without: Iterable[str] = (), folder: Path | None = None) -> Pairs:
    """``count`` performances of actions of the dictionary, each with one of its texts. They are mixed with the seen clips so that towers do not forget.

    ``without``: names of tested actions, which are excluded as in :func:`lessons`.
    """
    everything, kept, rng = load_dictionary(), set(load_dictionary(without)), np.random.default_rng([_SEED, count])
    numbers = rng.permutation([number for number, action in enumerate(everything) if action in kept])
    draws = [_take(everything[number], int(number), place // len(numbers)) for place, number in enumerate(np.resize(numbers, count))]
    x, mirrored = _movements("rehearsed", draws, _acted, recipe, folder)
    voices = [_voices(everything[number])[slot] for (number, *_), slot in zip(draws, rng.integers(_SLOTS, size=count), strict=True)]
    texts = [exchange_sides(text) if turned else text for text, turned in zip(voices, mirrored.tolist(), strict=True)]
    return Pairs(x, _read(texts, text_encoder, folder))


def _voices(action: Action) -> list[str]:
    """The texts of an action, each repeated in proportion to how often it is drawn."""
    names = [spoken(name) for name in (action.name, *action.synonyms, *action.texts)]
    return [action.sentence] * NAME + [names[slot % len(names)] for slot in range(_SLOTS - NAME)]


def _take(action: Action, number: int, draw: int) -> tuple[int, int, Mapping[str, object]]:
    """Performance ``draw`` of action ``number`` of the dictionary: (number, draw, way). The ways alternate."""
    return number, draw, action.ways[draw % len(action.ways)]


def _acted(takes: Sequence[tuple[int, int, Mapping[str, object]]]) -> list[tuple[Clip, bool]]:
    performed = [act(way, np.random.default_rng([_SEED, number, draw])) for number, draw, way in takes]
    named = zip(takes, performed, strict=True)
    clips = [Clip(joints, NTU_25, None, "acted", 15.0, f"acted {number}, {draw}") for (number, draw, _), (joints, _) in named]
    return [(clip, mirrored) for clip, (_, mirrored) in zip(brought_to(clips, BODY_15)[0], performed, strict=True)]


def _movements(kind: str, drawn: Sequence, make: Callable, recipe: Config, folder: Path | None) -> tuple[Tensor, Tensor]:
    """Preprocessed movements (N, 1, T, V, 3), and whether each is mirrored (N,). They are generated in blocks, which are stored in ``folder``."""
    settings = replace(recipe.preprocess, steady=False)  # generated bodies have no noise
    blocks = [drawn[start : start + _BLOCK] for start in range(0, len(drawn), _BLOCK)]
    movements = []
    for block in progress_bar(blocks, shown=True, desc=f"{kind} movements", unit=f"{_BLOCK} clips", leave=False):
        path = folder and folder / f"{kind}-{fingerprint(_FORMAT, kind, list(block), settings)[:16]}.safetensors"

        def draw(block: Sequence = block) -> dict[str, Tensor]:
            clips, mirrored = zip(*make(block), strict=True)
            return {"x": torch.from_numpy(preprocess_all(clips, settings)).half(), "mirrored": torch.tensor(mirrored).long()}

        movements.append(_kept(path, draw))
    return torch.cat([block["x"] for block in movements]).float(), torch.cat([block["mirrored"] for block in movements])


def _read(texts: Sequence[str], text_encoder: TextModel, folder: Path | None) -> Tensor:
    """Embeddings (S, C) of texts, in blocks, which are stored in ``folder``. The texts of the random movements come first and serve every dictionary."""
    readings = []
    for start in range(0, len(texts), _BLOCK):
        block = list(texts[start : start + _BLOCK])
        path = folder and folder / f"texts-{fingerprint(block, text_encoder.identity)[:16]}.safetensors"
        readings.append(_kept(path, lambda block=block: {"z_g": text_encoder.read_sentences(block)})["z_g"])
    return torch.cat(readings)


def _kept(path: Path | None, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    return cached_tensors(path, make) if path else make()


def pretrain_towers(
    learned: Lessons, config: PretrainConfig, recipe: Config, text_encoder: TextModel, *, seed: int = 0, checkpoint: Path | None = None
) -> tuple[Aligned, list[Logged]]:
    """Train the two towers for a fixed number of steps; returns the running mean of their weights, and the logged steps.

    Args:
        learned: training data from :func:`lessons`.
        config: settings of the training.
        recipe: settings of the encoder, the aligned space and the preprocessing.
        text_encoder: the encoder that encoded the texts of ``learned``.
        seed: seed of weights, batches and corruption.
        checkpoint: file from which an interrupted training resumes.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = build_encoder(recipe.encoder, BODY_15, recipe.preprocess.bodies, 1)
        backbone = Aligned(encoder, learned.texts.shape[1], recipe.align.width, recipe.preprocess, text_encoder, recipe.align.hidden)
    backbone.text_center.copy_(learned.texts.mean(0))
    trained = _Averaged(backbone).to(device())
    names = directions(learned.texts[learned.slots[learned.pairs :, 0, NAME]], backbone.text_center.cpu())
    random, acted = learned.pairs, len(learned.x) - learned.pairs

    def losses(module: nn.Module, step: int, share: slice) -> dict[str, Tensor]:
        draw = torch.Generator().manual_seed(mix(seed, -1 - step))
        rows = torch.cat((batch_rows(random, config.pairs_batch, seed, step), random + batch_rows(acted, config.acted_batch, seed + 1, step)))
        subject, slot = learned.subject[rows], torch.randint(_SLOTS, (len(rows),), generator=draw)
        texts = learned.texts[learned.slots[subject, learned.mirrored[rows], slot]]
        negated = learned.texts[learned.negated[torch.randint(len(learned.negated), (config.negated,), generator=draw)]]
        action = subject - random
        alike = torch.zeros(len(rows), len(rows), dtype=torch.bool)
        is_acted = action >= 0
        alike[is_acted.nonzero(), is_acted.nonzero().T] = (names[action[is_acted]] @ names[action[is_acted]].T) > config.near
        x = corrupt(learned.x[rows], BODY_15, config.corrupt, seed, step)
        return module(*(part.to(device()) for part in (x, texts, negated, alike)))

    optimizer = torch.optim.AdamW(backbone.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    identity = fingerprint(config, recipe.encoder, recipe.align.width, recipe.preprocess, *learned[:6], seed)
    options = {"checkpoint": checkpoint, "identity": identity, "seed": seed, "title": "towers", "precision": recipe.train.precision}
    history = fit(trained, optimizer, losses, config.steps, lr=config.lr, warmup=max(1, config.steps // 20), **options)
    return trained.mean(), history


class _Averaged(nn.Module):
    """The towers in training, and the running mean of their weights over about 500 steps, which is the result."""

    def __init__(self, backbone: Aligned) -> None:
        super().__init__()
        self.backbone = backbone
        self.average = copy.deepcopy(backbone).requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor, texts: Tensor, negated: Tensor, alike: Tensor) -> dict[str, Tensor]:
        """Losses of a batch. The mean is first updated with the weights of the previous step."""
        self._follow()
        z_x, z_t, scale = self.backbone.skeleton(x), self.backbone.text(torch.cat((texts, negated))), self.backbone.scale()
        own = torch.arange(len(x), device=x.device)
        same = (alike | (z_t[: len(x)] @ z_t[: len(x)].T > SAME)) & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
        logits = (scale * z_x @ z_t.T).masked_fill(F.pad(same, (0, len(negated))), -1e4)
        loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits[:, : len(x)].T, own)) / 2
        return {"loss": loss}

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(_KEEP, (1 + int(self.steps)) / (10 + int(self.steps)))
        for mean, value in zip(self.average.state_dict().values(), self.backbone.state_dict().values(), strict=True):
            mean.copy_(keep * mean + (1 - keep) * value if mean.is_floating_point() else value)
        self.steps += 1

    def mean(self) -> Aligned:
        """The averaged towers, including the last step."""
        self._follow()
        return self.average.eval()
