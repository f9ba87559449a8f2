"""The simple baselines as reports, on a recognizer's own features and texts."""

import torch

from tdsm.baselines import cosine, ridge
from tdsm.data.clips import ClipSet
from tdsm.evaluate import Report
from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError

__all__ = ["cosine_report", "ridge_report"]


def ridge_report(recognizer: Recognizer, train: ClipSet, test: ClipSet) -> Report:
    """Ridge regression from z_x to the text (:mod:`tdsm.baselines.ridge`), fitted on the training clips; candidates are the classes of ``test``.

    Example:
        >>> ridge_report(recognizer, train, test).scores.shape  # the clips it was trained on, and clips of two other classes
        (4, 2)
    """
    seen, unseen = (recognizer.text(clips.classes).z_g.cpu() for clips in (train, test))
    (z_x, trained), (test_z_x, tested) = (recognizer.usable(clips) for clips in (train, test))
    score = ridge.fit(z_x.cpu(), torch.from_numpy(train.y[trained]), seen)
    return Report(score(test_z_x.cpu(), unseen).numpy(), test.y[tested], test.classes, test.subjects[tested])


def cosine_report(recognizer: Recognizer, test: ClipSet) -> Report:
    """What an aligned backbone answers without the denoiser (:mod:`tdsm.baselines.cosine`); candidates are the classes of ``test``.

    Raises:
        InputError: the backbone is not aligned, so that z_x and z_g lie in different spaces.

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
