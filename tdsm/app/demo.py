"""The demo: the shipped recognizer on real clips, then TDSM fine-tuned on seen classes of synthetic clips and tested on unseen classes."""

from pathlib import Path

import numpy as np

from tdsm.baselines.reports import cosine_report, ridge_report
from tdsm.config import Config, demo, override, tuned
from tdsm.data.clips import ClipSet
from tdsm.data.examples import RIVALS, example_clips
from tdsm.data.prompts import load_prompts
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.evaluate import PROTOCOL, Report, zero_shot_report
from tdsm.recognizer import Recognizer, pretrained
from tdsm.train import train_recognizer
from tdsm.util.files import write_json

__all__ = ["demo_recognizer", "most_certain", "name_examples", "run_demo", "scores_of"]


def run_demo(folder: Path, *, seed: int = 0, config: Config | None = None, clips_per_class: int = 16) -> dict[str, Report]:
    """Run both parts, print the results, and save pictures in ``folder``. An interrupted demo resumes.

    First, the shipped recognizer answers for the real clips of :mod:`tdsm.data.examples`; the candidates are the label of the clip and its rivals. Then TDSM
    is fine-tuned on the seen classes of the synthetic clips and tested on the unseen ones, beside the plain cosine and ridge regression on the same features.

    Args:
        folder: run folder. It gets examples/ (a player per real clip with its answer) from the first part, and the files of
            :func:`tdsm.train.train_recognizer`, metrics.json, confusion.png, clip.html and clip.png from the second part.
        seed: seed of clips, weights and noise.
        config: settings of the second part; default: :func:`tdsm.config.tuned`, with a denoiser trained for 60 steps to compare with the cosine.
        clips_per_class: number of clips to generate per action.

    Returns:
        method -> report on the unseen classes.
    """
    from tdsm.viz.animation import player, strip  # matplotlib, only needed here
    from tdsm.viz.plots import confusion

    name_examples(folder)
    clips = synthetic_clips(clips_per_class, seed)
    train, test = clips.of_classes(SEEN), clips.of_classes(UNSEEN)
    config = config or override(tuned(), {"train.steps": 60})
    recognizer = train_recognizer(train, config, descriptions=load_prompts("synthetic"), folder=folder, seed=seed, init="pretrained")
    reports = {"TDSM": zero_shot_report(recognizer, test), "cosine": cosine_report(recognizer, test), "ridge": ridge_report(recognizer, train, test)}
    report = reports["TDSM"]
    write_json(folder / "metrics.json", {"protocol": PROTOCOL, "seed": seed, **{name: each.metrics() for name, each in reports.items()}})
    surest = most_certain(report)
    clip, answer = test[surest], report.labels[report.predicted[surest]]
    for name, figure in {"confusion.png": confusion(report.confusion(), report.labels, report.labels)[0], "clip.png": strip(clip, answer)}.items():
        figure.savefig(folder / name, dpi=120, bbox_inches="tight")
    player(clip, answer, scores_of(report, surest)).save(folder / "clip.html")
    seen, unseen = len(recognizer.seen), len(report.labels)
    print(f"\nFine-tuned on {seen} synthetic actions, tested on {unseen} other actions without training clips, from names and descriptions:")
    print("  " + " | ".join(f"{name} {each.top1:.1%}" for name, each in reports.items()) + f" | chance {report.chance:.1%}")
    print(f"\nOpen next:\n  {folder}/examples/   the real clips, moving, with answers (any browser)")
    print(f"  {folder}/clip.html, {folder}/confusion.png, {folder}/metrics.json   of the second part")
    first = "; . .venv/bin/activate first" if Path(".venv", "bin", "activate").is_file() else ""
    print(f"  tdsm predict YOUR_CLIPS --labels 'any name, another name'   (your own clips and labels{first})")
    return reports


def name_examples(folder: Path) -> int:
    """Recognise the real example clips with the shipped recognizer, print its answers, and save one player per clip; returns the number of right answers."""
    from tdsm.viz.animation import player

    recognizer, clips = pretrained(), example_clips()
    print(f"The shipped recognizer, trained on no recording, names {len(clips)} real clips, each among four labels:")
    right = 0
    (folder / "examples").mkdir(parents=True, exist_ok=True)
    for number, clip in enumerate(clips, 1):
        labels = [clip.label, *RIVALS[clip.label]]
        answer = recognizer.predict(clip, labels)
        best, probabilities = answer.top[0], {label: answer.probability(0, label) for label in labels}
        right += best == clip.label
        mark = "right" if best == clip.label else f"wrong, it is: {clip.label}"
        print(f"  {clip.name:26} {best} ({probabilities[best]:.0%}) {mark}")
        player(clip, best, probabilities).save(folder / "examples" / f"{number:02} {clip.label}.html")
    print(f"{right} of {len(clips)} right; labels and rivals were written before it was asked, and nothing was tuned on these clips.")
    return right


def demo_recognizer(folder: Path, *, seed: int = 0, config: Config | None = None, clips_per_class: int = 16) -> tuple[Recognizer, ClipSet, ClipSet]:
    """The demo's recognizer, its training clips, and clips of unseen classes. If ``folder`` already contains the run, it is not trained again."""
    clips = synthetic_clips(clips_per_class, seed)
    train, test = clips.of_classes(SEEN), clips.of_classes(UNSEEN)
    return train_recognizer(train, config or demo(), descriptions=load_prompts("synthetic"), folder=folder, seed=seed), train, test


def most_certain(report: Report) -> int:
    """Index of the clip with the largest difference between its best and its second score, whether the answer is right or wrong."""
    second, best = np.sort(report.scores, axis=1)[:, -2:].T
    return int((best - second).argmax())


def scores_of(report: Report, clip: int) -> dict[str, float]:
    """Label -> score of one clip minus the score of the worst label; higher is better."""
    scores = report.scores[clip]
    return {label: float(score - scores.min()) for label, score in zip(report.labels, scores, strict=True)}
