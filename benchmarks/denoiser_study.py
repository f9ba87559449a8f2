"""Does the denoiser add anything to the towers that it stands on?

    python benchmarks/denoiser_study.py --runs runs/honest-* --made runs/made --on DATA ...

The towers of each run (`tdsm pretrain --without ...`) are frozen. Denoisers are trained on streamed movements, corrupted anew in every step:

uniform     the recommended recipe: negatives drawn uniformly from the texts of the batch
errors      the negative is the wrong text of the batch to which the towers give the largest cosine: what they confuse
twin        the same as "errors", without noise: t = 0 in training and in the test
windows     no denoiser: the mean of the cosines of the whole clip and of its first, middle and last half

Each is asked for actions of the dictionary that the run left out (generated movements, 20 names at a time, one of them right), on which a choice might be
made, and for the classes of the data sets, on which none may. Differences to the cosine are paired over runs: mean and 95 % interval (t).
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import tdsm
from tdsm.backbones.corruption import corrupt
from tdsm.backbones.pretraining import NAME, Lessons, PretrainConfig, lessons
from tdsm.config import tuned
from tdsm.data.convert import convert_all
from tdsm.data.layouts import BODY_15
from tdsm.data.preprocess import resample
from tdsm.data.prompts.dictionary import load_dictionary
from tdsm.experiments.validation import paired_difference
from tdsm.loop import mix
from tdsm.matcher import Matcher
from tdsm.text import TextFeatures
from tdsm.util.files import read_object
from tdsm.util.provenance import environment

STEPS, BATCH, LR = 300, 256, 1e-3


def main() -> None:
    """Train, ask and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--made", type=Path)
    parser.add_argument("--on", type=Path, nargs="+", required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    about = environment(0)
    print(f"commit {about['commit']}, {about['date']}, {about['hardware']}; {len(args.runs)} runs, {args.steps} steps")
    sets = [convert_all(tdsm.load_clips(path), BODY_15).clips for path in args.on]
    found = [study(run, args.made or run / "made", sets, args.steps) for run in args.runs]
    columns = list(found[0]["cosine"])
    print("| | " + " | ".join(columns) + " |\n" + "|---" * (1 + len(columns)) + "|")
    for way in found[0]:
        values = {column: np.array([100 * each[way][column] for each in found]) for column in columns}
        cosine = {column: np.array([100 * each["cosine"][column] for each in found]) for column in columns}
        cells = [f"{values[column].mean():.1f}" if way == "cosine" else difference(values[column], cosine[column]) for column in columns]
        print(f"| {way if way == 'cosine' else way + ' minus cosine'} | {' | '.join(cells)} |", flush=True)


def difference(values: np.ndarray, first: np.ndarray) -> str:
    """A cell: mean and interval of paired differences."""
    mean, low, high = paired_difference(values, first)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def study(run: Path, made: Path, sets: Sequence[tdsm.ClipSet], steps: int) -> dict[str, dict[str, float]]:
    """Way -> column -> share answered rightly, of one run."""
    recognizer, about = tdsm.Recognizer.from_pretrained(run / "model"), read_object(run / "run.json")
    encoder, seed, config = recognizer.backbone.text_encoder, about["seed"], PretrainConfig()
    learned = lessons(config, tuned(), encoder, about["without"], made)
    tasks = {"left-out actions": left_out(recognizer, config, about["without"], made)}
    tasks |= {clips.name: on_clips(recognizer, clips) for clips in sets}
    ways: dict[str, Callable] = {"cosine": lambda z_x, z_g, _: F.normalize(z_x, dim=-1) @ F.normalize(z_g, dim=-1).mT}
    ways["windows"] = windows
    for way, options in {"uniform": {}, "errors": {"hard": True}, "twin": {"hard": True, "noise": False}}.items():
        ways[way] = asked(trained(recognizer, learned, config, seed, steps, **options))
    return {way: {column: task(score) for column, task in tasks.items()} for way, score in ways.items()}


def trained(recognizer: tdsm.Recognizer, learned: Lessons, config: PretrainConfig, seed: int, steps: int, hard: bool = False, noise: bool = True) -> Matcher:
    """A denoiser on frozen towers."""
    backbone, recipe = recognizer.backbone, tuned()
    matcher = Matcher(backbone.features, 1, backbone.features, 1, recipe.model, recipe.diffusion, seed)
    optimizer = torch.optim.AdamW(matcher.parameters(), lr=LR, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, steps)
    for step in range(steps):
        draw = torch.Generator().manual_seed(mix(seed, step))
        rows = torch.randint(len(learned.x), (BATCH,), generator=draw)
        with torch.no_grad():
            z_x = backbone.encode(corrupt(learned.x[rows], BODY_15, config.corrupt, mix(seed, 7), step))
            slot = torch.randint(learned.slots.shape[2], (BATCH,), generator=draw)
            text = backbone.label_features(learned.texts[learned.slots[learned.subject[rows], learned.mirrored[rows], slot]])
        alike = F.normalize(z_x, dim=-1) @ F.normalize(text.z_g, dim=-1).T
        alike[learned.subject[rows][:, None] == learned.subject[rows]] = -2
        negative = alike.argmax(1) if hard else torch.randint(BATCH, (BATCH,), generator=draw)
        t = torch.randint(recipe.diffusion.timesteps if noise else 1, (BATCH,), generator=draw)
        losses = matcher(z_x[:, None], torch.arange(BATCH), negative, t, torch.randn(BATCH, 1, backbone.features, generator=draw), text)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        schedule.step()
    if not noise:
        matcher.diffusion = replace(recipe.diffusion, test_step=0)
    return matcher.eval()


def asked(matcher: Matcher) -> Callable:
    """The score of a denoiser: (z_x (B, C), z_g (K, C)) -> (B, K)."""

    def score(z_x: torch.Tensor, z_g: torch.Tensor, _: object) -> torch.Tensor:
        text = TextFeatures(z_g, z_g[:, None], torch.ones(len(z_g), 1, dtype=torch.bool))
        return -matcher.errors(z_x[:, None], matcher.encode_text(text))

    return score


def windows(z_x: torch.Tensor, z_g: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
    """Cosines of the whole and of three halves, averaged; ``parts`` (B, 3, C)."""
    every = F.normalize(torch.cat((z_x[:, None], parts), 1), dim=-1)
    return (every @ F.normalize(z_g, dim=-1).T).mean(1)


def halves(recognizer: tdsm.Recognizer, x: torch.Tensor) -> torch.Tensor:
    """z_x of the three overlapping halves of preprocessed clips (B, 1, T, V, C): (B, 3, C)."""
    frames = x.shape[2]
    cuts = [x[:, :, start : start + frames // 2] for start in (0, frames // 4, frames // 2)]
    long = [torch.from_numpy(np.stack([resample(clip, frames) for clip in cut.numpy()]).astype(np.float32)) for cut in cuts]
    return torch.stack([recognizer.backbone.rows(part) for part in long], 1)


def on_clips(recognizer: tdsm.Recognizer, clips: tdsm.ClipSet) -> Callable:
    """Share of a data set's clips answered rightly by a score, by names."""
    from tdsm.data.preprocess import preprocess_usable

    x, used = preprocess_usable(clips, recognizer.backbone.preprocess)
    z_x, parts = recognizer.backbone.rows(torch.from_numpy(x)), halves(recognizer, torch.from_numpy(x))
    z_g, y = recognizer.text(clips.classes).z_g, torch.from_numpy(clips.y[used])
    return lambda score: float((score(z_x, z_g, parts).argmax(1) == y).float().mean())


def left_out(recognizer: tdsm.Recognizer, config: PretrainConfig, without: Sequence[str], made: Path, tasks: int = 400) -> Callable:
    """Share of 20-way questions answered rightly, on generated movements of the actions that the run left out."""
    known = set(load_dictionary(without))
    gone = [number for number, action in enumerate(load_dictionary()) if action not in known]
    whole = lessons(config, tuned(), recognizer.backbone.text_encoder, (), made)
    rng = np.random.default_rng(0)
    questions = []
    for _ in range(tasks):
        numbers = rng.permutation(gone)[:20]
        rows = torch.nonzero(whole.subject == whole.pairs + int(numbers[0]))[:, 0]
        questions.append((int(rows[rng.integers(len(rows))]), whole.slots[whole.pairs + torch.from_numpy(numbers), 0, NAME]))
    x = corrupt(whole.x[[row for row, _ in questions]], BODY_15, config.corrupt, 11, 0)
    z_x, parts = recognizer.backbone.rows(x), halves(recognizer, x)
    texts = [recognizer.backbone.label_features(whole.texts[rows]).z_g for _, rows in questions]
    return lambda score: float(np.mean([int(score(z_x[[row]], z_g, parts[[row]]).argmax()) == 0 for row, z_g in enumerate(texts)]))


if __name__ == "__main__":
    main()
