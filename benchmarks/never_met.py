"""Measure recognizers that were trained on generated movement alone on data sets that were not used in training.

    tdsm pretrain runs/whole-0 --seed 0                          (and so on, for each seed)
    tdsm pretrain runs/honest-0 --seed 0 --without "NAMES"       (names: printed by --names)
    tdsm train UTD_ZIP --preset tuned --seed 0 --set align.start=runs/whole-{seed}/model --no-calibrate --out runs/with-utd-0   (with recordings)
    python benchmarks/never_met.py DATA ... --models runs/whole-*/model --what accuracy voices noise confidence

All classes of a data set are candidates, by name alone except in "voices". Nothing is trained or selected on recordings. "accuracy" compares the recognizer
with ridge regression from its features to its texts (fitted on generated movements). "noise" removes joints or adds noise, and reports the points lost.
"voices" uses other wordings of the same labels (``voices.json``, written from the names). "confidence" reports the expected calibration error (15 bins of
equal count), and how well ``none_of_these`` separates clips whose label is not a candidate from clips whose label is (AUROC).
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from missing_joints import top1, without

import tdsm
from tdsm.backbones.pretraining import rehearsal
from tdsm.baselines import cosine, ridge
from tdsm.config import tuned
from tdsm.data.convert import convert_all
from tdsm.data.door import mend_all
from tdsm.data.layouts import BODY_15
from tdsm.evaluate import mean_std
from tdsm.text import cache_folder
from tdsm.util.provenance import environment

NOISE = {"5 cm": 0.05, "10 cm": 0.10}
MISSING = {"10 % of joints": 0.1, "30 %": 0.3, "two joints never seen": 2}


def main() -> None:
    """Test and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--models", type=Path, nargs="+", default=[])
    parser.add_argument("--what", nargs="+", choices=("accuracy", "voices", "noise", "confidence"), default=["accuracy"])
    parser.add_argument("--names", action="store_true", help="print the names of all classes, for `tdsm pretrain --without`")
    args = parser.parse_args()
    sets = [tdsm.load_clips(path) for path in args.data]
    if args.names:
        print(",".join(json.dumps(name) if "," in name else name for name in sorted({name for clips in sets for name in clips.classes})))
        return
    about = environment(0)
    print(f"commit {about['commit']}, {about['date']}, {about['hardware']}")
    print(f"{len(args.models)} recognizers: {', '.join(path.parent.name for path in args.models)}\n")
    models = [tdsm.Recognizer.from_pretrained(path) for path in args.models]
    bodies = [convert_all(clips, BODY_15).clips for clips in sets]
    for what in args.what:
        print({"accuracy": accuracy, "voices": voices, "noise": noise, "confidence": confidence}[what](models, sets, bodies), "\n", flush=True)


def accuracy(models: Sequence[tdsm.Recognizer], sets: Sequence[tdsm.ClipSet], bodies: Sequence[tdsm.ClipSet]) -> str:
    """Top-1 by name, beside the plain cosine, ridge and chance."""
    linear = []
    for model in models:
        pairs = rehearsal(3000, tuned(), model.backbone.text_encoder, model.backbone.left_out, cache_folder().parent / "rehearsed")
        text = model.backbone.label_features(pairs.z_g).z_g
        linear.append(ridge.fit(model.backbone.rows(pairs.x), torch.arange(len(text)), text))
    rows = ["| data set | classes | clips | answer, top-1 % | cosine | ridge | chance |", "|---|---|---|---|---|---|---|"]
    for clips, body in zip(sets, bodies, strict=True):
        found, plain, angle = [], [], []
        for model, score in zip(models, linear, strict=True):
            z_x, used = model.usable(body)
            y = torch.from_numpy(body.y[used])
            found.append(float((model.scores(z_x, body.classes).argmax(1) == y).sum()) / len(body))
            z_g = model.text(body.classes).z_g
            plain.append(float((score(z_x, z_g).argmax(1) == y).sum()) / len(body))
            angle.append(float((cosine.fit(z_x, y, z_g)(z_x, z_g).argmax(1) == y).sum()) / len(body))
        cells = [clips.name, str(len(clips.classes)), str(len(clips)), *map(mean_std, (found, angle, plain)), f"{100 / len(clips.classes):.1f}"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def noise(models: Sequence[tdsm.Recognizer], sets: Sequence[tdsm.ClipSet], bodies: Sequence[tdsm.ClipSet]) -> str:
    """Points lost when joints of the original clips are missing or noisy, or when x is negated.

    The noise is white, with this standard deviation per coordinate (3-D data sets only). Mirrored bodies are corrected as with ``--fix``.
    """
    ways: dict[str, Callable] = {name: lambda clip, rng, how=how: without(clip, how, rng) for name, how in MISSING.items()}
    ways |= {name: lambda clip, rng, spread=spread: shaken(clip, spread, rng) for name, spread in NOISE.items()}
    ways["mirrored"] = lambda clip, rng: replace(clip, joints=clip.joints * [-1.0, *[1.0] * (clip.layout.dims - 1)])
    rows = ["| data set | clean | " + " | ".join(ways) + " |\n|---|---" + "|---" * len(ways) + "|"]
    for clips, body in zip(sets, bodies, strict=True):
        clean, cells = np.array([top1(model, body) for model in models]), []
        for name, change in ways.items():
            if name in NOISE and clips.layout.dims == 2:
                cells.append("-")
                continue
            rng = np.random.default_rng(0)
            changed = tdsm.ClipSet(tuple(change(clip, rng) for clip in clips), clips.classes, clips.name)
            changed = mend_all(changed)[0] if name == "mirrored" else changed  # as `--fix` does
            there = convert_all(changed, BODY_15).clips
            cells.append(mean_std(clean - np.array([top1(model, there) for model in models])))
        rows.append(f"| {clips.name} | {mean_std(clean)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def shaken(clip: tdsm.Clip, spread: float, rng: np.random.Generator) -> tdsm.Clip:
    """The clip with white noise of ``spread`` metres on every coordinate of the persons present."""
    there = clip.joints.any(axis=(2, 3), keepdims=True)
    return replace(clip, joints=np.where(there, clip.joints + rng.normal(0, spread, clip.joints.shape), 0.0))


def voices(models: Sequence[tdsm.Recognizer], sets: Sequence[tdsm.ClipSet], bodies: Sequence[tdsm.ClipSet]) -> str:
    """Top-1 with other wordings of the classes, and how often "not X" ranks first for clips of X, among all other classes."""
    path = Path(__file__).with_name("voices.json")
    wordings = json.loads(path.read_text(encoding="utf-8"))
    rows = []
    for clips, body in zip(sets, bodies, strict=True):
        if clips.name not in wordings:
            continue
        asked = {"names": list(clips.classes)} | {voice: [words[name] for name in clips.classes] for voice, words in wordings[clips.name].items()}
        cells = [f"{voice} {mean_std([top1(model, body, names) for model in models])}" for voice, names in asked.items()]
        negated = [float(np.mean([negation_wins(model, body, name) for name in clips.classes])) for model in models]
        rows.append(f'{clips.name}: {"; ".join(cells)}; a negated label, "not NAME", ranks first for {mean_std(negated)} % of the clips of NAME')
    return "\n".join(rows)


def negation_wins(model: tdsm.Recognizer, body: tdsm.ClipSet, name: str) -> float:
    """Share of the clips of ``name`` for which "not NAME" is the answer, with all classes except NAME as the other candidates."""
    z_x, _ = model.usable(body.of_classes([name]))
    labels = [other for other in body.classes if other != name] + [f"not {name}"]
    return float((model.scores(z_x, labels).argmax(1) == len(labels) - 1).float().mean())


def confidence(models: Sequence[tdsm.Recognizer], sets: Sequence[tdsm.ClipSet], bodies: Sequence[tdsm.ClipSet]) -> str:
    """Calibration error of the first recognizer that has a confidence, and AUROC of ``none_of_these``."""
    model = next(model for model in models if model.confidence)
    rows = ["| data set | top-1 % | ECE % | AUROC of none of these |", "|---|---|---|---|"]
    for clips, body in zip(sets, bodies, strict=True):
        answer = model.predict([replace(clip, name=str(row)) for row, clip in enumerate(body)], body.classes)
        y = body.y[[int(name) for name in answer.clips]]
        right, sure = answer.scores.argmax(1) == y, answer.probabilities.max(1)
        order = np.array_split(np.argsort(sure), 15)
        ece = sum(len(part) * abs(right[part].mean() - sure[part].mean()) for part in order) / len(y)
        gone = np.concatenate(
            [model.predict(body.of_classes([name]).clips, [other for other in body.classes if other != name]).none_of_these for name in body.classes]
        )
        rows.append(f"| {clips.name} | {100 * right.mean():.1f} | {100 * ece:.1f} | {auroc(gone, answer.none_of_these):.2f} |")
    return "\n".join(rows)


def auroc(high: np.ndarray, low: np.ndarray) -> float:
    """Share of pairs in which the number of ``high`` is above the number of ``low``; ties count half."""
    low = np.sort(low)
    return float((np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")).mean() / (2 * len(low)))


if __name__ == "__main__":
    main()
