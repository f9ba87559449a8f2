"""Training of the shipped recognizer, the command ``tdsm pretrain`` (METHOD, section "The shipped recognizer").

generated movements and their texts -> towers (:mod:`tdsm.backbones.pretraining`) -> prototypes of the dictionary's actions -> confidence -> Recognizer
"""

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tdsm.backbones.aligned import Aligned
from tdsm.backbones.corruption import corrupt
from tdsm.backbones.lexicon import Prototypes
from tdsm.backbones.pretraining import NAME, Lessons, PretrainConfig, lessons, pretrain_towers
from tdsm.config import tuned
from tdsm.data.layouts import BODY_15
from tdsm.data.prompts.dictionary import load_dictionary
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.recognizer.confidence import Confidence, fit_confidence
from tdsm.text import TextEncoder, TextModel, cache_folder
from tdsm.util.errors import InputError
from tdsm.util.files import disk_faults, locked, read_object, write_json
from tdsm.util.loop import check_seed, device, mix
from tdsm.util.provenance import environment
from tdsm.util.settings import build

__all__ = ["pretrain"]

_WORSE = 3.0  # confidence is fitted with this many times the noise of training; fitted with the same noise, it is overconfident on recordings
_HELD = 0.1  # share of the actions that the towers for fitting confidence are not trained on


def pretrain(
    folder: str | Path,
    *,
    without: Iterable[str] = (),
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
    confidence: bool = True,
    text_encoder: TextModel | None = None,
    made: str | Path | None = None,
) -> Recognizer:
    """Train a recognizer for any skeleton layout and any labels on generated movement alone.

    Args:
        folder: folder for the training data, checkpoints (an interrupted call resumes) and ``model`` (files for :meth:`Recognizer.from_pretrained`).
        without: names of actions to be tested. They are left out of the dictionary, see :func:`tdsm.data.prompts.dictionary.load_dictionary`.
        settings: settings of :class:`~tdsm.backbones.pretraining.PretrainConfig`, name -> value.
        seed: seed of weights, batches and corruption.
        confidence: whether to fit confidence. For this, a second pair of towers is trained without a tenth of the actions, which doubles the time.
        text_encoder: encoder of the texts; default: the packaged one.
        made: folder of the generated movements and encoded texts, which several runs can share; default: a folder inside ``folder``.

    Raises:
        InputError: an unknown setting, or ``folder`` belongs to another run.
    """
    folder, without, recipe = Path(folder), _tested(without), tuned()
    check_seed(seed)
    config = build(PretrainConfig(), dict(settings or {}), "settings")
    text_encoder = text_encoder or TextEncoder(recipe.text, cache_folder())
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, wait=False, note="another process is pretraining in it"):
        about = json.loads(json.dumps({"settings": asdict(config), "recipe": asdict(recipe), "without": without, "seed": seed}))
        path = folder / "run.json"
        if path.exists() and {key: read_object(path).get(key) for key in about} != about:
            raise InputError(path, "belongs to another pretraining", "give another folder, or delete this one")
        write_json(path, about | {"environment": environment(seed)})
        learned = lessons(config, tuned(), text_encoder, without, Path(made) if made else folder / "made")
        sure = _confidence(learned, config, text_encoder, seed, folder / "confidence.safetensors") if confidence else None
        backbone, _ = pretrain_towers(learned, config, tuned(), text_encoder, seed=seed, checkpoint=folder / "towers.safetensors")
        backbone.prototypes = prototypes_of(backbone, learned, config, range(len(learned.slots) - learned.pairs), seed)
        backbone.dataset, backbone.left_out = "generated", tuple(without)
        matcher = Matcher(backbone.features, 1, backbone.features, 1, recipe.model, recipe.diffusion, seed)
        Recognizer(tuned(), backbone.half(), matcher.half(), confidence=sure).save_pretrained(folder / "model")
    return Recognizer.from_pretrained(folder / "model", text_encoder)


def _tested(without: Iterable[str]) -> list[str]:
    """The names to be left out, sorted; warns about names that match no action of the dictionary."""
    without = without if isinstance(without, str) else list(without)  # load_dictionary refuses a single string
    everything, left = load_dictionary(), load_dictionary(without)
    without = sorted(without)
    if len(left) < 2:
        raise InputError("without", f"leaves {len(left)} actions of the dictionary", "leave out fewer actions")
    if idle := [name for name in without if len(load_dictionary([name])) == len(everything)]:
        warnings.warn(f"without: {len(idle)} of {len(without)} names match no action of the dictionary (first: {idle[0]!r}) and have no effect", stacklevel=3)
    return without


@torch.no_grad()
def prototypes_of(backbone: Aligned, learned: Lessons, config: PretrainConfig, actions: Iterable[int], seed: int) -> Prototypes:
    """Prototypes of the actions: the normalised sum of the mean direction of its performances, of its sentence and of its names, per action."""
    rows, chosen = _directions(backbone, learned, config, seed), list(actions)
    moved = torch.zeros(len(learned.slots), backbone.features).index_add(0, learned.subject[learned.pairs :], rows)[learned.pairs :][chosen]
    slots = learned.slots[learned.pairs :, 0][chosen]
    texts = backbone.text(learned.texts.to(device())).cpu()
    names = torch.stack([texts[row[NAME:]].mean(0) for row in slots])
    places = F.normalize(F.normalize(moved, dim=-1) + texts[slots[:, 0]] + F.normalize(names, dim=-1), dim=-1)
    return Prototypes(len(chosen), learned.texts.shape[1], backbone.features).fit(learned.texts[slots[:, NAME]], places)


def _directions(backbone: Aligned, learned: Lessons, config: PretrainConfig, seed: int) -> Tensor:
    """z_x of every performance, after corruption."""
    acted = learned.x[learned.pairs :].split(512)
    seen = [corrupt(part, BODY_15, config.corrupt, mix(seed, -2), number) for number, part in enumerate(acted)]
    return torch.cat([backbone.skeleton(part.to(device())).cpu() for part in seen])


def _confidence(learned: Lessons, config: PretrainConfig, text_encoder: TextModel, seed: int, checkpoint: Path) -> Confidence:
    """Train towers without some of the actions, and fit confidence on these actions."""
    count = len(learned.slots) - learned.pairs
    held = np.random.default_rng(seed).permutation(count)[: max(2, int(_HELD * count))]
    keep = torch.ones(len(learned.slots), dtype=torch.bool)
    keep[learned.pairs + torch.from_numpy(held)] = False
    known, names = np.setdiff1d(np.arange(count), held).tolist(), learned.texts[learned.slots[learned.pairs + torch.from_numpy(held), 0, NAME]]
    part = _of_subjects(learned, keep)
    backbone, _ = pretrain_towers(part, config, tuned(), text_encoder, seed=seed, checkpoint=checkpoint)
    with torch.no_grad():
        prototypes = prototypes_of(backbone, part, config, range(len(known)), seed)
        rows = torch.isin(learned.subject[learned.pairs :], learned.pairs + torch.from_numpy(held))
        usual = config.corrupt
        worse = replace(usual, noise=_WORSE * usual.noise, offset=_WORSE * usual.offset, bones=2 * usual.bones, lost=min(1.0, _WORSE * usual.lost))
        z_x = _directions(backbone, learned, replace(config, corrupt=worse), seed + 1)[rows]
        place = {int(action): row for row, action in enumerate(held)}
        y = torch.tensor([place[int(subject) - learned.pairs] for subject in learned.subject[learned.pairs :][rows]])
        asked = F.normalize(backbone.text(names.to(device())).cpu() + prototypes(names), dim=-1)
        return fit_confidence(z_x @ asked.T, y, z_x @ prototypes.actions().T, per_cosine=2.0, seed=seed)


def _of_subjects(learned: Lessons, keep: Tensor) -> Lessons:
    """The lessons of the kept subjects, which include all random movements."""
    number = torch.cumsum(keep, 0) - 1
    rows = keep[learned.subject]
    return learned._replace(x=learned.x[rows], subject=number[learned.subject[rows]], mirrored=learned.mirrored[rows], slots=learned.slots[keep])
