"""Reports of the simple baselines, on the features and texts of a recognizer."""

from collections.abc import Callable, Mapping

import torch

from tdsm.baselines import cosine, ridge, tdsm
from tdsm.baselines._fit import Score
from tdsm.config import Config
from tdsm.data.clips import ClipSet
from tdsm.evaluate import Report
from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError

__all__ = ["compare", "cosine_report", "ridge_report"]


def compare(
    recognizer: Recognizer, train: ClipSet, test: ClipSet, methods: Mapping[str, Callable[..., Score] | Config], seeds: int = 5
) -> dict[str, list[Report]]:
    """Compare several methods on the same frozen features and texts. Each is trained on ``train`` once per seed; candidates are the classes of ``test``.

    The recognizer's encoder is not trained here, so the seeds are those of the methods alone.

    Args:
        methods: title -> a ``fit`` of :mod:`tdsm.baselines`, or settings with which a denoiser is trained (:mod:`tdsm.baselines.tdsm`).
        seeds: 0 to ``seeds - 1``.

    Returns:
        title -> reports, one per seed.

    Example:
        >>> reports = compare(recognizer, train, test, {"ridge": ridge.fit}, seeds=2)
        >>> len(reports["ridge"]), reports["ridge"][0].labels
        (2, ('squat', 'bow'))
    """
    seen, unseen = (recognizer.text(clips.classes).to("cpu") for clips in (train, test))
    (z_x, trained), (test_z_x, tested) = (recognizer.usable(clips) for clips in (train, test))
    z_x, test_z_x, y = z_x.cpu(), test_z_x.cpu(), torch.from_numpy(train.y[trained])

    def report(method: Callable[..., Score] | Config, seed: int) -> Report:
        if isinstance(method, Config):
            scores = tdsm.fit(z_x, y, seen, method, seed=seed)(test_z_x, unseen)
        else:
            scores = method(z_x, y, seen.z_g, seed=seed)(test_z_x, unseen.z_g)
        return Report(scores.numpy(), test.y[tested], test.classes, test.subjects[tested])

    return {title: [report(method, seed) for seed in range(seeds)] for title, method in methods.items()}


def ridge_report(recognizer: Recognizer, train: ClipSet, test: ClipSet) -> Report:
    """Test ridge regression from z_x to z_g (:mod:`tdsm.baselines.ridge`). The candidates are the classes of ``test``.

    Args:
        recognizer: a trained recognizer, which encodes clips and labels.
        train: clips of the seen classes, on which the regression is fitted.
        test: clips of the unseen classes.

    Returns:
        a report whose scores (N, K) are cosines between the predicted text and z_g of each candidate.

    Raises:
        InputError: a set has no usable clip, or a class name cannot be used as a label.

    Example:
        >>> ridge_report(recognizer, train, test).scores.shape  # the clips it was trained on, and clips of two other classes
        (4, 2)
    """
    return compare(recognizer, train, test, {"ridge": ridge.fit}, seeds=1)["ridge"][0]


def cosine_report(recognizer: Recognizer, test: ClipSet) -> Report:
    """Test the plain cosine of z_x and z_g, without the denoiser (:mod:`tdsm.baselines.cosine`). The candidates are the classes of ``test``.

    Args:
        recognizer: a recognizer with an aligned backbone.
        test: clips of the unseen classes.

    Returns:
        a report whose scores (N, K) are cosines.

    Raises:
        InputError: the backbone is not aligned, so z_x and z_g are in different spaces; or no clip can be used.

    Example:
        >>> cosine_report(recognizer, test).labels
        ('squat', 'bow')
    """
    if recognizer.backbone.kind != "aligned":
        raise InputError("cosine", f"the backbone is a {recognizer.backbone.kind}, whose z_x and z_g lie in different spaces", "use an aligned backbone")
    z_g = recognizer.text(test.classes).z_g.cpu()
    z_x, rows = recognizer.usable(test)
    score = cosine.fit(z_g, torch.arange(len(z_g)), z_g)(z_x.cpu(), z_g)
    return Report(score.numpy(), test.y[rows], test.classes, test.subjects[rows])
