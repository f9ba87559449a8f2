"""Generalised zero-shot test: candidates are the seen and the unseen classes, and clips of both are tested.

A model prefers the seen classes, on which it was trained, and assigns few clips to unseen classes. Calibrated stacking (W.-L. Chao,
S. Changpinyo, B. Gong, F. Sha, "An Empirical Study and Analysis of Generalized Zero-Shot Learning", ECCV 2016) subtracts a constant gamma from the
score of every seen class. For a given gamma, S is the accuracy on clips of seen classes, U is the accuracy on clips of unseen classes, both among all
candidates, and H = 2SU / (S + U).

The margin of a clip is m = (largest score of a seen class) - (largest score of an unseen class). The answer is a seen class if m > gamma, and an unseen class
otherwise. S and U therefore change only at the margins of clips whose best label among the classes of their own part (seen or unseen) is right. The curve is
computed exactly from the sorted margins. The area under it is AUSUC.

Accuracy is the share of clips, as in SynSE's evaluation. With ``per_class`` it is the mean over classes of the share per class.

Gamma is a setting. It is chosen on pseudo-unseen classes (:mod:`tdsm.data.holdout`): some seen classes are held out and take the role of the unseen
classes, and held-out clips of the other seen classes take the role of the seen test clips. Unseen classes are never used to choose it.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from tdsm.data.clips import ClipSet
from tdsm.data.labels import normal_form
from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError

__all__ = ["Curve", "GeneralisedReport", "calibrated_stacking", "choose_gamma", "generalised_report", "harmonic_mean", "seen_unseen_curve"]


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracies over all gammas. At the first point every clip gets a seen class; at the last point every clip gets an unseen class.

    Attributes:
        gamma: (P,) ascending, the midpoint of each interval in which no accuracy changes. The two outermost intervals are unbounded; their gamma lies
            beyond all margins.
        seen, unseen: (P,) S and U in these intervals, 0 to 1.
    """

    gamma: Float[np.ndarray, " point"]
    seen: Float[np.ndarray, " point"]
    unseen: Float[np.ndarray, " point"]

    @property
    def harmonic(self) -> Float[np.ndarray, " point"]:
        """(P,) H at each point."""
        return harmonic_mean(self.seen, self.unseen)

    @property
    def ausuc(self) -> float:
        """Area under the curve of S over U, 0 to 1. Corners are joined by straight lines, which makes a difference only for equal margins."""
        return float(np.sum(np.diff(self.unseen) * (self.seen[1:] + self.seen[:-1]) / 2))


@dataclass(frozen=True, eq=False)
class GeneralisedReport:
    """Scores of one trained model on B test clips of seen and unseen classes.

    Attributes:
        scores: (B, K), higher is better, before gamma is subtracted.
        y: (B,) index of the right label.
        labels: the K candidate labels, seen and unseen.
        unseen_mask: (K,) bool, True for unseen labels.
        gamma: number that is subtracted from the scores of the seen labels.
        per_class: whether accuracies are means over classes instead of shares of clips.

    Raises:
        InputError: a score is NaN or infinite, or there is no clip of a seen class or of an unseen class.
        ValueError: the shapes do not fit.
    """

    scores: Float[np.ndarray, "clip label"]
    y: Int[np.ndarray, " clip"]
    labels: tuple[str, ...]
    unseen_mask: Bool[np.ndarray, " label"]
    gamma: float = 0.0
    per_class: bool = False

    def __post_init__(self) -> None:
        if self.scores.shape[1] != len(self.labels):
            raise ValueError(f"scores of {self.scores.shape[1]} labels, but {len(self.labels)} labels are named")
        _check(self.scores, self.y, self.unseen_mask)

    @property
    def predicted(self) -> Int[np.ndarray, " clip"]:
        """(B,) index of the answer with :attr:`gamma` subtracted."""
        return calibrated_stacking(self.scores, self.unseen_mask, self.gamma).argmax(axis=1)

    @property
    def seen(self) -> float:
        """S, 0 to 1."""
        return self._accuracy(~self.unseen_mask)

    @property
    def unseen(self) -> float:
        """U, 0 to 1."""
        return self._accuracy(self.unseen_mask)

    @property
    def harmonic(self) -> float:
        """H = 2SU / (S + U)."""
        return float(harmonic_mean(self.seen, self.unseen))

    @property
    def curve(self) -> Curve:
        """S and U over all gammas. The curve does not depend on :attr:`gamma`."""
        return seen_unseen_curve(self.scores, self.y, self.unseen_mask, self.per_class)

    def at(self, gamma: float) -> "GeneralisedReport":
        """A report of the same scores with another gamma."""
        return replace(self, gamma=gamma)

    def metrics(self) -> dict:
        """The values that are written to metrics.json."""
        shares = {"seen": self.seen, "unseen": self.unseen, "harmonic": self.harmonic, "gamma": self.gamma, "ausuc": self.curve.ausuc}
        return shares | {"accuracy": self._over, "clips": len(self.y)}

    @property
    def _over(self) -> str:
        return "mean over classes" if self.per_class else "share of clips"

    def _accuracy(self, part: np.ndarray) -> float:
        return float(_weights(self.y, self.unseen_mask, self.per_class)[part[self.y] & (self.predicted == self.y)].sum())

    def __repr__(self) -> str:
        unseen = int(self.unseen_mask.sum())
        numbers = f"S {self.seen:.1%}, U {self.unseen:.1%}, H {self.harmonic:.1%} at gamma {self.gamma:.3g}, AUSUC {self.curve.ausuc:.3f}"
        return f"GeneralisedReport({numbers}; {self._over}, {len(self.y)} clips, {len(self.labels) - unseen} seen and {unseen} unseen labels)"


def generalised_report(recognizer: Recognizer, seen: ClipSet, unseen: ClipSet, gamma: float = 0.0, per_class: bool = False) -> GeneralisedReport:
    """Test a recognizer on clips of seen and unseen classes. Candidates are all classes it was trained on and all classes of ``unseen``.

    Args:
        recognizer: a trained recognizer.
        seen: clips of the classes it was trained on that were held out of training (:func:`tdsm.data.holdout.holdout_clips`).
        unseen: clips of other classes.
        gamma, per_class: see :class:`GeneralisedReport`.

    Raises:
        InputError: a clip is in the wrong part, or a part has no clip.
    """
    trained = {normal_form(label): label for label in recognizer.seen}
    wrong = next((label for label in unseen.classes if normal_form(label) in trained), None)
    if wrong is not None:
        raise InputError(unseen.name, f"class {wrong!r} was trained on, so it is not unseen", "give clips of unseen classes only")
    labels = (*recognizer.seen, *unseen.classes)
    strange = next((clip for clip in seen if clip.label is None or normal_form(clip.label) not in trained), None)
    if strange is not None:
        raise InputError(strange.name, f"class {strange.label!r} was not trained on", "give only clips of the recognizer's seen classes")
    scores = np.concatenate([recognizer.scores(recognizer.features(clips), labels).cpu().numpy() for clips in (seen, unseen)])
    index = {normal_form(label): number for number, label in enumerate(labels)}
    y = np.array([index[normal_form(clip.label)] for clips in (seen, unseen) for clip in clips])
    return GeneralisedReport(scores, y, labels, np.arange(len(labels)) >= len(recognizer.seen), gamma, per_class)


def calibrated_stacking(scores: Float[np.ndarray, "clip label"], unseen_mask: Bool[np.ndarray, " label"], gamma: float) -> Float[np.ndarray, "clip label"]:
    """Scores (B, K), float64, with a finite ``gamma`` subtracted from those of the seen labels. A gamma above 0 favours the unseen labels."""
    return scores.astype(np.float64) - np.where(unseen_mask, 0.0, gamma)


def seen_unseen_curve(
    scores: Float[np.ndarray, "clip label"], y: Int[np.ndarray, " clip"], unseen_mask: Bool[np.ndarray, " label"], per_class: bool = False
) -> Curve:
    """Exact S and U over all gammas. Arguments and errors are those of :class:`GeneralisedReport`."""
    _check(scores, y, unseen_mask)
    scores, of_unseen = scores.astype(np.float64), unseen_mask[y]
    parts = [np.where(mask, scores, -np.inf) for mask in (~unseen_mask, unseen_mask)]
    margin = parts[0].max(axis=1) - parts[1].max(axis=1)
    right = np.where(of_unseen, parts[1].argmax(axis=1), parts[0].argmax(axis=1)) == y  # best label within the clip's own part is right
    corners = np.unique(margin[right])
    weight = _weights(y, unseen_mask, per_class)

    def gathered(part: np.ndarray) -> np.ndarray:
        """(P,) accuracy that the chosen clips of a part whose margin lies below each gamma add up to."""
        chosen = right & part
        at = np.bincount(np.searchsorted(corners, margin[chosen]), weight[chosen], minlength=len(corners))
        return np.concatenate([[0.0], np.cumsum(at)])

    below = gathered(~of_unseen)
    gamma = np.zeros(1)
    if len(corners):  # one below all corners, one in the middle between each two, and one above all
        beyond = np.abs(corners).max() + 1.0
        gamma = np.concatenate([[-beyond], (corners[1:] + corners[:-1]) / 2, [beyond]])
    return Curve(gamma, below[-1] - below, gathered(of_unseen))


def choose_gamma(
    scores: Float[np.ndarray, "clip label"], y: Int[np.ndarray, " clip"], unseen_mask: Bool[np.ndarray, " label"], per_class: bool = False
) -> float:
    """The gamma with the largest H; of several such gammas, the one nearest to 0. Call it with scores of pseudo-unseen classes, never of unseen classes.

    Gamma has the unit of the scores. It is valid for truly unseen classes only if the two models have similar scores and similar numbers of candidates.

    Arguments and errors are those of :class:`GeneralisedReport`; labels held out of training count as unseen.
    """
    curve = seen_unseen_curve(scores, y, unseen_mask, per_class)
    best = curve.gamma[curve.harmonic >= curve.harmonic.max() - 1e-12]  # equal up to rounding
    return float(best[np.abs(best).argmin()])


def harmonic_mean(seen: float | np.ndarray, unseen: float | np.ndarray) -> float | np.ndarray:
    """H = 2SU / (S + U), and 0 where both are 0."""
    return 2 * seen * unseen / np.where(seen + unseen > 0, seen + unseen, 1.0)


def _weights(y: np.ndarray, unseen_mask: np.ndarray, per_class: bool) -> np.ndarray:
    """(B,) how much each clip, if right, adds to the accuracy of its part."""
    clips = np.bincount(y, minlength=len(unseen_mask))
    total = np.where(unseen_mask, (clips * unseen_mask).sum(), (clips * ~unseen_mask).sum())
    classes = np.where(unseen_mask, ((clips > 0) & unseen_mask).sum(), ((clips > 0) & ~unseen_mask).sum())
    return 1.0 / (clips * classes if per_class else total)[y]


def _check(scores: np.ndarray, y: np.ndarray, unseen_mask: np.ndarray) -> None:
    if scores.shape != (len(y), len(unseen_mask)):
        raise ValueError(f"scores {scores.shape}, {len(y)} clips and {len(unseen_mask)} labels do not fit")
    if not np.isfinite(scores).all():
        raise InputError("scores", "are NaN or infinite", "lower lr, or train longer, and check the clips")
    for part, clips in (("a seen", ~unseen_mask[y]), ("an unseen", unseen_mask[y])):
        if not clips.any():
            raise InputError("generalised test", f"no clip of {part} class", "test on clips of both parts, with seen-class clips held out of training")
