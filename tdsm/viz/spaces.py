"""Spaces in which clips and labels can stand together: before alignment, and inside the denoiser.

z_x and z_g have different widths, so there is no distance between a clip and a label until something is fitted. Two ways, both fitted on seen
classes only, so that unseen ones are met as a test meets them:

:func:`by_pca`
    each modality by its own principal components. No clip ever meets a label, so the axes of the two have nothing to do with each other:
    this is what two modalities look like *before* alignment.
:func:`by_ridge`
    ridge regression predicts z_x from z_g, which is the simplest alignment there is.

Inside CrossDiT (:func:`fused`) there is no point for a clip and no point for a label any more, but one for each pair of the two. What such pairs
show by their making alone, without any model, :func:`side_by_side` tells.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from tdsm.data.clips import Clip
from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError

__all__ = ["by_pca", "by_ridge", "fused", "right_and_wrong", "side_by_side", "text_features"]

Clips = Float[np.ndarray, "clip channel"]
Labels = Float[np.ndarray, "label word"]
SeenClips = Float[np.ndarray, "seen_clip channel"]
SeenLabels = Float[np.ndarray, "seen_label word"]


def text_features(recognizer: Recognizer, labels: Sequence[str]) -> Float[np.ndarray, "label word"]:
    """z_g of labels, as the denoiser reads them: (K, C_g) float32."""
    return recognizer.text(labels).z_g.cpu().numpy()


def fused(recognizer: Recognizer, clips: Clip | Sequence[Clip], labels: Sequence[str]) -> Float[np.ndarray, "clip label width"]:
    """What CrossDiT makes of every clip under every label: (B, K, D) float32.

    It is the hidden skeleton token after the last block, at t_test, just before the final layer turns it into a prediction; the mean over the
    test noises and the skeleton tokens. A row depends on its own clip and label only.

    Raises:
        InputError: no label, or clips that the recognizer cannot read.
    """
    if isinstance(labels, str) or not labels:
        raise InputError("labels", f"{labels!r}", "give a list of at least one name")
    z_x = recognizer.features(clips).to(recognizer.device)[:, None]
    return recognizer.matcher.fused(z_x, recognizer.stream(labels)).float().cpu().numpy()


def side_by_side(z_x: Clips, z_g: Labels, seen_z_x: SeenClips, seen_z_g: SeenLabels) -> Float[np.ndarray, "clip label both"]:
    """The control for :func:`fused`: every clip's z_x with every label's z_g written behind it, (B, K, C + C_g), and nothing fused at all.

    Each modality is centred by its seen rows and brought to their mean length, so that both weigh alike.
    """
    clips, labels = ((rows - seen.mean(0)) / np.sqrt(np.square(seen - seen.mean(0)).sum(1).mean()) for rows, seen in ((z_x, seen_z_x), (z_g, seen_z_g)))
    shape = len(clips), len(labels)
    return np.concatenate([np.broadcast_to(clips[:, None], (*shape, clips.shape[1])), np.broadcast_to(labels, (*shape, labels.shape[1]))], axis=2)


def right_and_wrong(
    pairs: Float[np.ndarray, "clip label width"], y: Int[np.ndarray, " clip"], seed: int = 0
) -> tuple[Float[np.ndarray, "row width"], Bool[np.ndarray, " row"], Int[np.ndarray, " row"]]:
    """Each clip under its own label, then each clip under one wrong label, drawn evenly from the others: rows (2B, D), right (2B,), label (2B,).

    ``pairs`` are from :func:`fused`, ``y`` (B,) is the index of each clip's own label.

    Raises:
        InputError: one label only, or an index that is none.
    """
    clips, labels = pairs.shape[:2]
    if labels < 2:
        raise InputError("right_and_wrong", "one label", "give two or more, so that there is a wrong one")
    if len(y) != clips or not ((y >= 0) & (y < labels)).all():
        raise InputError("right_and_wrong", f"{len(y)} label indices for {clips} clips and {labels} labels", f"give one a clip, 0 to {labels - 1}")
    wrong = (y + np.random.default_rng(seed).integers(1, labels, clips)) % labels
    shown = np.concatenate([y, wrong])
    return pairs[np.tile(np.arange(clips), 2), shown], np.arange(2 * clips) < clips, shown


def by_pca(
    z_x: Clips, z_g: Labels, seen_z_x: SeenClips, seen_z_g: SeenLabels, width: int = 16
) -> tuple[Float[np.ndarray, "clip common"], Float[np.ndarray, "label common"]]:
    """Clips and labels, each in the first ``width`` principal components of its own modality, centred and fitted on the seen rows.

    Raises:
        InputError: fewer seen clips or labels than ``width`` + 1, which have no so many components.
    """
    most = min(len(seen_z_x), len(seen_z_g)) - 1
    if not 1 <= width <= min(most, z_x.shape[1], z_g.shape[1]):
        raise InputError("by_pca", f"width is {width}", f"give 1 to {min(most, z_x.shape[1], z_g.shape[1])}, what the seen rows can hold")
    return _components(z_x, seen_z_x, width), _components(z_g, seen_z_g, width)


def _components(rows: np.ndarray, seen: np.ndarray, width: int) -> np.ndarray:
    centre = seen.mean(0)
    return (rows - centre) @ np.linalg.svd(seen - centre, full_matrices=False)[2][:width].T


def by_ridge(
    z_x: Clips, z_g: Labels, seen_z_x: SeenClips, seen_z_g: SeenLabels, seen_y: Int[np.ndarray, " seen_clip"], penalty: float = 1.0
) -> tuple[Float[np.ndarray, "clip channel"], Float[np.ndarray, "label channel"]]:
    """Clips as they are and labels where ridge regression expects their clips, both less the mean seen clip.

    Fitted on seen clips: z_x from the z_g of their label, scaled to length 1, centred, at mean square 1. ``penalty`` is a share of the number of
    clips, as in :mod:`tdsm.baselines.ridge`, which goes the other way.
    """
    seen_text, text = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (seen_z_g, z_g))
    centre, middle = seen_text[seen_y].mean(0), seen_z_x.mean(0)
    scale = np.sqrt(np.square(seen_text[seen_y] - centre).mean())
    x = (seen_text[seen_y] - centre) / scale
    weight = np.linalg.solve(x.T @ x + penalty * len(x) * np.eye(x.shape[1], dtype=x.dtype), x.T @ (seen_z_x - middle))
    return z_x - middle, (text - centre) / scale @ weight
