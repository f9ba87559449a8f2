"""Reports of the simple baselines, on the features and texts of a recognizer."""

import torch

from tdsm.baselines import cosine, ridge
from tdsm.data.clips import ClipSet
from tdsm.evaluate import Report
from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError

__all__ = ["cosine_report", "ridge_report"]


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
    seen, unseen = (recognizer.text(clips.classes).z_g.cpu() for clips in (train, test))
    (z_x, trained), (test_z_x, tested) = (recognizer.usable(clips) for clips in (train, test))
    score = ridge.fit(z_x.cpu(), torch.from_numpy(train.y[trained]), seen)
    return Report(score(test_z_x.cpu(), unseen).numpy(), test.y[tested], test.classes, test.subjects[tested])


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
