"""The pictures of a run: what was confused with what, where features and texts lie, and one clip with its answer."""

from pathlib import Path

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.evaluate import Report
from tdsm.viz.alignment import knn_agreement, project, scatter
from tdsm.viz.animation import player, strip
from tdsm.viz.plots import confusion

__all__ = ["save_clip", "save_confusion", "save_features"]


def save_confusion(report: Report, path: Path) -> Path:
    """Confusion matrix of a report as PNG."""
    figure, _ = confusion(report.confusion(), report.labels, report.labels)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    return path


def save_features(z_x: np.ndarray, clips: ClipSet, path: Path) -> Path:
    """UMAP of (B, C) features, coloured by class, with the share of neighbours of the same class beside it, as PNG."""
    labels = [clip.label or "" for clip in clips]
    caption = f"10 nearest neighbours of the same class: {knn_agreement(z_x, labels):.0%}. UMAP fitted on these {len(clips)} clips."
    figure, _ = scatter(project(z_x, "umap"), labels, title="z_x of unseen classes", caption=caption)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    return path


def save_clip(clip: Clip, predicted: str, scores: dict[str, float], path: Path) -> Path:
    """A clip with its answer: ``path`` as self-contained HTML, and its still strip as PNG beside it."""
    player(clip, predicted, scores).save(path)
    strip(clip, predicted).savefig(path.with_suffix(".png"), dpi=120, bbox_inches="tight")
    return path
