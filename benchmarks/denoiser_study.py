"""Measure whether a denoiser improves on the cosine of the towers that it is trained on.

    python benchmarks/denoiser_study.py --runs runs/honest-* --made runs/made --on DATA ...

The towers of each run (`tdsm pretrain --without ...`) are frozen, except in "end to end". All methods are trained on a stream of movements that are corrupted
anew in each step; none of them is mirrored:

uniform       the recommended recipe: negatives are drawn uniformly from the texts of the batch
errors        the negative is the wrong text of the batch with the largest cosine, that is, the text that the towers confuse most
twin          as "errors", without noise: t = 0 in training and in the test
tokens        8 tokens per clip (over time) against words; the negative is the edited own text (clauses in another order; a side, direction, level, limb
              or speed exchanged with its opposite), or, if no edit is possible, the negative of "errors"
tokens twin   as "tokens", without noise
tokens prior  no denoiser: the mean of the tokens' cosines, which is the answer of an untrained denoiser
late          no denoiser: the mean over words of the largest cosine with one of the 8 tokens, both after a trained linear map
late prior    as "late", untrained
end to end    as "uniform", with the skeleton tower trained as well, by the loss of the denoiser and the contrastive loss
windows       no denoiser: the mean of the cosines of the whole clip and of its first, middle and last half

There are three kinds of test: actions of the dictionary that the run left out (generated movements, 20 candidate names of which one is right); the own sentence
of a random movement against the same sentence edited ("edits", chance is 50); and the classes of the data sets. Choices may be made on the first two, never on
the third. Differences to the cosine are paired over runs: mean and 95 % interval (t).
"""

import argparse
import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import tdsm
from tdsm.backbones.aligned import Aligned, exchange_sides
from tdsm.backbones.corruption import corrupt
from tdsm.backbones.pretraining import Lessons, PretrainConfig, lessons
from tdsm.config import tuned
from tdsm.data.convert import convert_all
from tdsm.data.labels import spoken
from tdsm.data.layouts import BODY_15
from tdsm.data.preprocess import preprocess_usable, resample
from tdsm.data.procedural import draw_movement
from tdsm.data.prompts.dictionary import load_dictionary
from tdsm.experiments.validation import paired_difference
from tdsm.matcher import Matcher
from tdsm.text import TextEncoder, TextFeatures, cache_folder
from tdsm.util.files import read_object, write_json
from tdsm.util.loop import mix
from tdsm.util.provenance import environment

STEPS, BATCH, LR = 200, 192, 1e-3
NOISES, MOST = 2, 300  # number of test noises, and of evenly spaced test clips per data set
RANDOM, ASKED, WORDS = 4000, 300, 40  # number of random movements in training and in the test; maximum number of words per text
OPPOSITES = (("upward", "downward"), ("forward", "backward"), ("raises", "lowers"), ("in front", "behind the body"), ("shoulder level", "waist level"))
OPPOSITES += (("hand", "foot"), ("both", "one"), ("repeatedly", "once"), ("at a fast pace", "slowly"))


class Clips(NamedTuple):
    """Features of B clips: pooled (B, C), tokens (B, 8, C), and the features of three overlapping halves (B, 3, C)."""

    z_x: Tensor
    tokens: Tensor
    halves: Tensor


class Texts(NamedTuple):
    """Features of K texts in the common space: z_g (K, C), words (K, 40, C), and a mask of the words that exist (K, 40)."""

    z_g: Tensor
    words: Tensor
    mask: Tensor

    def take(self, rows: Tensor) -> "Texts":
        """The texts with these row numbers."""
        return Texts(*(part[rows] for part in self))


Score = Callable[[Clips, Texts], Tensor]


class Batch(NamedTuple):
    """The clips of a step, the rows of their texts and of their edited texts in ``table``, and the movement or action in each clip."""

    clips: Clips
    table: Texts
    said: Tensor
    edit: Tensor
    subject: Tensor

    @property
    def texts(self) -> Texts:
        """The own text of each clip."""
        return self.table.take(self.said)


def main() -> None:
    """Train, test and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--made", type=Path)
    parser.add_argument("--on", type=Path, nargs="+", required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=Path("runs/denoiser-study"), help="folder of the numbers of each run; finished runs are not computed again")
    args = parser.parse_args()
    about = environment(0)
    print(f"commit {about['commit']}, {about['date']}, {about['hardware']}; {len(args.runs)} runs, {args.steps} steps")
    sets = [convert_all(tdsm.load_clips(path), BODY_15).clips for path in args.on]
    found, encoder = [], TextEncoder(tuned().text, cache_folder())
    for run in args.runs:
        kept = args.out / f"{run.name}-{args.steps}.json"
        if not kept.exists():
            args.out.mkdir(parents=True, exist_ok=True)
            write_json(kept, study(run, args.made or run / "made", sets, args.steps, encoder))
        found.append(read_object(kept))
    columns = list(found[0]["cosine"])
    print("| | " + " | ".join(columns) + " |\n" + "|---" * (1 + len(columns)) + "|")
    for way in found[0]:
        values = {column: np.array([100 * each[way][column] for each in found]) for column in columns}
        cosine = {column: np.array([100 * each["cosine"][column] for each in found]) for column in columns}
        cells = [f"{values[column].mean():.1f}" if way == "cosine" else difference(values[column], cosine[column]) for column in columns]
        print(f"| {way if way == 'cosine' else way + ' minus cosine'} | {' | '.join(cells)} |", flush=True)


def difference(values: np.ndarray, first: np.ndarray) -> str:
    """Text of a cell: mean and interval of paired differences."""
    mean, low, high = paired_difference(values, first)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def study(run: Path, made: Path, sets: Sequence[tdsm.ClipSet], steps: int, encoder: TextEncoder) -> dict[str, dict[str, float]]:
    """Method -> column -> share of right answers, for one run."""
    recognizer, about = tdsm.Recognizer.from_pretrained(run / "model", encoder), read_object(run / "run.json")
    backbone, seed, config = recognizer.backbone, about["seed"], PretrainConfig()
    learned = lessons(config, tuned(), backbone.text_encoder, about["without"], made)
    stream = list(batches(backbone, learned, config, about["without"], seed, steps))
    train = partial(trained, backbone, stream, seed)
    ways: dict[str, Score] = {"cosine": lambda clips, texts: cosine(clips.z_x, texts.z_g), "windows": windows}
    ways |= {"uniform": train(), "errors": train(hard=True), "twin": train(hard=True, noise=False)}
    ways |= {"tokens": train(hard=True, tokens=True), "tokens twin": train(hard=True, tokens=True, noise=False), "tokens prior": mean_token}
    ways |= {"late": late(stream, backbone.features), "late prior": late([], backbone.features)}
    found = {way: {} for way in (*ways, "end to end")}
    moved, score = end_to_end(backbone, learned, config, seed, steps)
    for tower, chosen in ((backbone, ways), (moved, {"end to end": score})):
        recognizer.backbone = tower
        tasks = {"left-out actions": left_out(tower, config, about["without"], made), "edits": edits(tower, learned, config)}
        tasks |= {clips.name: on_clips(recognizer, clips) for clips in sets}
        for way, score in chosen.items():
            found[way] = {column: task(score) for column, task in tasks.items()}
    return found


def edited(sentence: str, rng: np.random.Generator) -> str:
    """The sentence with its clauses in another order or with one exchanged word; unchanged if there is nothing to exchange."""
    changed = [exchange_sides(sentence)]
    if match := re.fullmatch(r"((?:A person who|Someone) \w+) (.*?),? (?:and )?then (.*)\.", sentence):
        changed.append(f"{match[1]} {match[3]}, then {match[2]}.")
    for one, other in OPPOSITES:
        swap = {one: other, other: one}
        changed.append(re.sub(rf"\b({one}|{other})\b", lambda found, swap=swap: swap[found[0]], sentence))
    changed = [text for text in changed if text != sentence]
    return changed[rng.integers(len(changed))] if changed else sentence


def in_space(backbone: Aligned, texts: Sequence[str]) -> Texts:
    """Features of texts in the space of a tower: the whole text, and each word alone. The text tower is linear, so a sentence is near the mean of its words."""
    width, read = backbone.features, read_words(backbone.text_encoder, tuple(texts))
    words = torch.zeros(len(texts), WORDS, width)
    with torch.no_grad():
        for rows in torch.arange(len(texts)).split(512):
            there, part = read.mask[rows], torch.zeros(len(rows), WORDS, width)
            part[there] = backbone.text(read.words[rows][there].float()) * width**0.5
            words[rows] = part
    return Texts(backbone.label_features(read.z_g).z_g, words, read.mask)


@cache
def read_words(encoder: TextEncoder, texts: tuple[str, ...]) -> Texts:
    """Output of the text encoder for whole texts and for each word alone; it is the same for the towers of all runs."""
    words, mask = torch.zeros(len(texts), WORDS, 768, dtype=torch.float16), torch.zeros(len(texts), WORDS, dtype=torch.bool)
    tokens = encoder._words(list(texts), WORDS + 2)
    for length in sorted({len(ids) for ids in tokens}):
        for rows in torch.tensor([row for row, ids in enumerate(tokens) if len(ids) == length]).split(256):
            ids = torch.tensor([tokens[row] for row in rows.tolist()])
            with torch.no_grad():
                views = encoder._model(input_ids=ids).last_hidden_state, encoder._model.get_input_embeddings()(ids)
                words[rows, : length - 2] = torch.cat([F.normalize(view[:, 1:-1], dim=-1) for view in views], -1).half()
            mask[rows, : length - 2] = True
    return Texts(encoder.read_sentences(list(texts)), words, mask)


@torch.no_grad()
def seen_as(backbone: Aligned, x: Tensor, whole: bool = True) -> Clips:
    """Features of preprocessed clips (B, 1, T, V, C); the halves are computed only if ``whole``."""
    maps = backbone.net.tokens(x + backbone.offset)  # for a single time step, mean and maximum over time are equal
    pooled = torch.cat((maps.mean(1), maps.amax(1)), -1), torch.cat((maps, maps), -1)
    z_x, tokens = (F.normalize(backbone.project(features), dim=-1) * backbone.features**0.5 for features in pooled)
    return Clips(z_x, tokens, halves(backbone, x) if whole else z_x[:, None])


def batches(backbone: Aligned, learned: Lessons, config: PretrainConfig, without: Sequence[str], seed: int, steps: int) -> Iterator[Batch]:
    """The training batches of all methods: half random movements, half performances; each corruption is used once."""
    rng = np.random.default_rng(seed)
    sentences = [draw_movement(np.random.default_rng([0, number]))[1] for number in range(RANDOM)]
    changed = [edited(sentence, np.random.default_rng(number)) for number, sentence in enumerate(sentences)]
    actions = load_dictionary(without)
    voices = [[action.sentence, *map(spoken, (action.name, *action.synonyms[:2]))] for action in actions]
    texts = [*sentences, *changed, *(text for voice in voices for text in voice)]
    table = in_space(backbone, list(dict.fromkeys(texts)))
    row = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    own, other = (torch.tensor([row[text] for text in part]) for part in (sentences, changed))
    spoken_of = [torch.tensor([row[text] for text in voice]) for voice in voices]
    acted = torch.nonzero((torch.arange(len(learned.x)) >= learned.pairs) & (learned.mirrored == 0))[:, 0].numpy()
    for step in range(steps):
        rows = np.concatenate((rng.integers(RANDOM, size=BATCH // 2), rng.choice(acted, BATCH // 2)))
        subject = learned.subject[rows]
        voices_of = [own[[number]] if number < learned.pairs else spoken_of[number - learned.pairs] for number in subject.tolist()]
        said = torch.stack([voice[rng.integers(len(voice))] for voice in voices_of])
        edit = torch.cat((other[subject[: BATCH // 2]], said[BATCH // 2 :]))
        clips = seen_as(backbone, corrupt(learned.x[rows], BODY_15, config.corrupt, mix(seed, 7), step), whole=False)
        yield Batch(clips, table, said, edit, subject)


def trained(backbone: Aligned, stream: Sequence[Batch], seed: int, hard: bool = False, noise: bool = True, tokens: bool = False) -> Score:
    """Train a denoiser on frozen towers; returns its score."""
    recipe, width = tuned(), backbone.features
    matcher = Matcher(width, stream[0].clips.tokens.shape[1] if tokens else 1, width, WORDS if tokens else 1, recipe.model, recipe.diffusion, seed)
    optimizer = torch.optim.AdamW(matcher.parameters(), lr=LR, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, len(stream))
    for step, batch in enumerate(stream):
        draw = torch.Generator().manual_seed(mix(seed, step))
        negative = confused(batch) if hard else torch.randint(BATCH, (BATCH,), generator=draw)
        texts = batch.texts
        if tokens:
            negative = torch.where(batch.edit != batch.said, BATCH + torch.arange(BATCH), negative)
            texts = batch.table.take(torch.cat((batch.said, batch.edit)))
        t = torch.randint(recipe.diffusion.timesteps if noise else 1, (BATCH,), generator=draw)
        z_x = batch.clips.tokens if tokens else batch.clips.z_x[:, None]
        losses = matcher(z_x, torch.arange(BATCH), negative, t, torch.randn(z_x.shape, generator=draw), as_features(texts, tokens))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        schedule.step()
    matcher.test_noise = matcher.test_noise[: NOISES if noise else 1]
    if not noise:
        matcher.diffusion = replace(recipe.diffusion, test_step=0)
    return asked(matcher.eval(), tokens)


def confused(batch: Batch) -> Tensor:
    """For each clip, the index of the wrong text of the batch with the largest cosine."""
    alike = cosine(batch.clips.z_x, batch.texts.z_g)
    return alike.masked_fill(batch.subject[:, None] == batch.subject, -2).argmax(1)


def as_features(texts: Texts, tokens: bool) -> TextFeatures:
    """Text input of a denoiser: the words as tokens, or the whole text as one token."""
    if tokens:
        return TextFeatures(texts.z_g, texts.words, texts.mask)
    return TextFeatures(texts.z_g, texts.z_g[:, None], torch.ones(len(texts.z_g), 1, dtype=torch.bool))


def asked(matcher: Matcher, tokens: bool) -> Score:
    """The score of a trained denoiser."""

    def score(clips: Clips, texts: Texts) -> Tensor:
        return -matcher.errors(clips.tokens if tokens else clips.z_x[:, None], matcher.encode_text(as_features(texts, tokens)))

    return score


def mean_token(clips: Clips, texts: Texts) -> Tensor:
    """Mean cosine of the tokens with the whole text."""
    return F.normalize(clips.tokens, dim=-1).mean(1) @ F.normalize(texts.z_g, dim=-1).T


def late(stream: Sequence[Batch], width: int) -> Score:
    """Late interaction, trained with InfoNCE on the batches of ``stream``; untrained if there are none."""
    maps = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(2))
    for part in maps:
        nn.init.eye_(part.weight)
    optimizer = torch.optim.AdamW(maps.parameters(), lr=LR, weight_decay=0.0)

    def score(clips: Clips, texts: Texts) -> Tensor:
        tokens, words = F.normalize(maps[0](clips.tokens), dim=-1), F.normalize(maps[1](texts.words), dim=-1)
        best = torch.cat([(part @ words.flatten(0, 1).T).unflatten(2, words.shape[:2]).amax(1) for part in tokens.split(64)])
        return (best * texts.mask).sum(-1) / texts.mask.sum(-1)

    for batch in stream:
        loss = F.cross_entropy(10 * score(batch.clips, batch.texts).masked_fill(same(batch), -9), torch.arange(BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.no_grad()(score)


def same(batch: Batch) -> Tensor:
    """(B, B) bool: pairs of different clips that show the same action, which are not used as negatives."""
    return (batch.subject[:, None] == batch.subject) & ~torch.eye(BATCH, dtype=torch.bool)


def end_to_end(backbone: Aligned, learned: Lessons, config: PretrainConfig, seed: int, steps: int) -> tuple[Aligned, Score]:
    """Train a copy of the towers together with a denoiser; returns the copy and the score."""
    recipe, moved = tuned(), copy.deepcopy(backbone).train()
    matcher = Matcher(moved.features, 1, moved.features, 1, recipe.model, recipe.diffusion, seed)
    optimizer = torch.optim.AdamW([{"params": matcher.parameters()}, {"params": moved.parameters(), "lr": LR / 5}], lr=LR, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [LR, LR / 5], total_steps=steps)
    rng = np.random.default_rng(seed)
    rows_of = np.arange(learned.pairs), np.arange(learned.pairs, len(learned.x))
    for step in range(steps):
        draw = torch.Generator().manual_seed(mix(seed, step))
        rows = torch.from_numpy(np.concatenate([rng.choice(part, BATCH // 2) for part in rows_of]))
        subject, slot = learned.subject[rows], torch.randint(learned.slots.shape[2], (BATCH,), generator=draw)
        texts = moved.text(learned.texts[learned.slots[subject, learned.mirrored[rows], slot]])
        z_x = moved.skeleton(corrupt(learned.x[rows], BODY_15, config.corrupt, mix(seed, 7), step))
        alike = (subject[:, None] == subject) & ~torch.eye(BATCH, dtype=torch.bool)
        logits = (moved.scale() * z_x @ texts.T).masked_fill(alike, -1e4)
        contrast = (F.cross_entropy(logits, torch.arange(BATCH)) + F.cross_entropy(logits.T, torch.arange(BATCH))) / 2
        z_x, z_g = z_x * moved.features**0.5, texts * moved.features**0.5
        read = TextFeatures(z_g, z_g[:, None], torch.ones(BATCH, 1, dtype=torch.bool))
        negative, t = (torch.randint(most, (BATCH,), generator=draw) for most in (BATCH, recipe.diffusion.timesteps))
        losses = matcher(z_x[:, None], torch.arange(BATCH), negative, t, torch.randn(BATCH, 1, moved.features, generator=draw), read)
        optimizer.zero_grad()
        (losses["loss"] + contrast).backward()
        optimizer.step()
        schedule.step()
    matcher.test_noise = matcher.test_noise[:NOISES]
    moved.eval().prototypes = None  # they belong to the towers before this training
    return moved, asked(matcher.eval(), tokens=False)


def cosine(z_x: Tensor, z_g: Tensor) -> Tensor:
    """Cosines (B, K) of B clips with K texts."""
    return F.normalize(z_x, dim=-1) @ F.normalize(z_g, dim=-1).mT


def windows(clips: Clips, texts: Texts) -> Tensor:
    """Mean of the cosines of the whole clip and of its three halves."""
    every = F.normalize(torch.cat((clips.z_x[:, None], clips.halves), 1), dim=-1)
    return (every @ F.normalize(texts.z_g, dim=-1).T).mean(1)


def halves(backbone: Aligned, x: Tensor) -> Tensor:
    """z_x of the three overlapping halves of preprocessed clips (B, 1, T, V, C): (B, 3, C)."""
    frames = x.shape[2]
    cuts = [x[:, :, start : start + frames // 2] for start in (0, frames // 4, frames // 2)]
    long = [torch.from_numpy(np.stack([resample(clip, frames) for clip in cut.numpy()]).astype(np.float32)) for cut in cuts]
    return torch.stack([backbone.rows(part) for part in long], 1)


def on_clips(recognizer: tdsm.Recognizer, clips: tdsm.ClipSet) -> Callable[[Score], float]:
    """A test on a data set: the share of right answers of a score, with label names."""
    x, used = preprocess_usable(clips, recognizer.backbone.preprocess)
    some = np.linspace(0, len(x) - 1, min(MOST, len(x))).astype(int)
    x, used = x[some], np.array(used)[some]
    seen = Clips(*map(torch.cat, zip(*(seen_as(recognizer.backbone, part) for part in torch.from_numpy(x).split(256)), strict=True)))
    texts = in_space(recognizer.backbone, list(map(spoken, clips.classes)))._replace(z_g=recognizer.text(clips.classes).z_g)
    y = torch.from_numpy(clips.y[used])
    return lambda score: float((score(seen, texts).argmax(1) == y).float().mean())


def left_out(backbone: Aligned, config: PretrainConfig, without: Sequence[str], made: Path) -> Callable[[Score], float]:
    """A test on generated movements of the actions that the run left out: the share of right answers of a score, with 20 candidate names."""
    known, everything = set(load_dictionary(without)), load_dictionary()
    gone = [number for number, action in enumerate(everything) if action not in known]
    whole = lessons(config, tuned(), backbone.text_encoder, (), made)
    rng, rows, asked_for = np.random.default_rng(0), [], []
    for _ in range(ASKED):
        numbers = rng.permutation(gone)[:20]
        rows.append(int(rng.choice(torch.nonzero(whole.subject == whole.pairs + int(numbers[0]))[:, 0])))
        asked_for.append(torch.tensor([gone.index(number) for number in numbers]))
    seen = seen_as(backbone, corrupt(whole.x[rows], BODY_15, config.corrupt, 11, 0))
    texts = in_space(backbone, [spoken(everything[number].name) for number in gone])
    return lambda score: rightly(score, seen, [texts.take(numbers) for numbers in asked_for])


def edits(backbone: Aligned, learned: Lessons, config: PretrainConfig) -> Callable[[Score], float]:
    """A test on random movements that no denoiser was trained on: the share of movements whose own sentence scores higher than the edited one."""
    rng, rows = np.random.default_rng(1), range(RANDOM, RANDOM + ASKED)
    pairs = [(row, sentence, edited(sentence, rng)) for row in rows for sentence in [draw_movement(np.random.default_rng([0, row]))[1]]]
    pairs = [pair for pair in pairs if pair[1] != pair[2]]
    seen = seen_as(backbone, corrupt(learned.x[[row for row, *_ in pairs]], BODY_15, config.corrupt, 12, 0))
    texts = in_space(backbone, [text for _, *both in pairs for text in both])
    return lambda score: rightly(score, seen, [texts.take(torch.tensor([2 * place, 2 * place + 1])) for place in range(len(pairs))])


def rightly(score: Score, clips: Clips, texts: Sequence[Texts]) -> float:
    """Share of clips whose first text scores highest among the texts of the clip."""
    first = [score(Clips(*(part[[row]] for part in clips)), asked_for).argmax() == 0 for row, asked_for in enumerate(texts)]
    return float(np.mean(first))


if __name__ == "__main__":
    main()
