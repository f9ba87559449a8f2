"""The demo: train on seen classes of the embedded clips, recognise unseen ones, leave a run folder with pictures."""

from pathlib import Path

import numpy as np

from tdsm.baselines.reports import ridge_report
from tdsm.config import Config, demo
from tdsm.data.clips import ClipSet
from tdsm.data.prompts import load_prompts
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.evaluate import PROTOCOL, Report, zero_shot_report
from tdsm.recognizer import Recognizer
from tdsm.train import train_recognizer
from tdsm.util.files import write_json

__all__ = ["demo_recognizer", "most_certain", "run_demo", "scores_of"]


def run_demo(folder: Path, *, seed: int = 0, config: Config | None = None, clips_per_class: int = 16) -> tuple[Recognizer, Report]:
    """Everything from clips to pictures in ``folder``; a killed demo goes on where it stopped.

    Args:
        folder: run folder; see :func:`tdsm.train.train_recognizer` for what training leaves there. The demo adds metrics.json,
            confusion.png, umap.png, clip.html and clip.png.
        config: :func:`tdsm.config.demo` when left out.
        seed, clips_per_class: of clips, weights and noise; and how many clips of each action to animate.
    """
    from tdsm.viz.alignment import knn_agreement, project, scatter  # matplotlib, only needed here
    from tdsm.viz.animation import player, strip
    from tdsm.viz.plots import confusion

    recognizer, train, test = demo_recognizer(folder, seed=seed, config=config, clips_per_class=clips_per_class)
    report, ridge = zero_shot_report(recognizer, test), ridge_report(recognizer, train, test)
    write_json(folder / "metrics.json", {"protocol": PROTOCOL, "seed": seed, "tdsm": report.metrics(), "ridge": ridge.metrics()})
    z_x, labels = recognizer.features(test).cpu().numpy(), [clip.label for clip in test]
    caption = f"10 nearest neighbours of the same class: {knn_agreement(z_x, labels):.0%}. UMAP fitted on these {len(test)} clips."
    surest = most_certain(report)
    clip, answer = test[surest], report.labels[report.predicted[surest]]
    pictures = {
        "confusion.png": confusion(report.confusion(), report.labels, report.labels)[0],
        "umap.png": scatter(project(z_x, "umap"), labels, "z_x of unseen classes", caption)[0],
        "clip.png": strip(clip, answer),
    }
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=120, bbox_inches="tight")
    player(clip, answer, scores_of(report, surest)).save(folder / "clip.html")
    return recognizer, report


def demo_recognizer(folder: Path, *, seed: int = 0, config: Config | None = None, clips_per_class: int = 16) -> tuple[Recognizer, ClipSet, ClipSet]:
    """The demo's recognizer, its training clips and clips of unseen classes; what ``folder`` holds already is not trained again."""
    clips = synthetic_clips(clips_per_class, seed)
    train, test = clips.of_classes(SEEN), clips.of_classes(UNSEEN)
    return train_recognizer(train, config or demo(), descriptions=load_prompts("synthetic"), folder=folder, seed=seed), train, test


def most_certain(report: Report) -> int:
    """The clip whose best label is furthest ahead of its second, be it right or wrong."""
    second, best = np.sort(report.scores, axis=1)[:, -2:].T
    return int((best - second).argmax())


def scores_of(report: Report, clip: int) -> dict[str, float]:
    """Label -> score of one clip, higher is better, above the worst label's."""
    scores = report.scores[clip]
    return {label: float(score - scores.min()) for label, score in zip(report.labels, scores, strict=True)}
