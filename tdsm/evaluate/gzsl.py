"""Generalised zero-shot test: candidates are the seen and the unseen classes, and clips of both are tested.

A model that was trained on the seen classes prefers them, so that hardly any clip is given to an unseen class. Calibrated stacking (W.-L. Chao,
S. Changpinyo, B. Gong, F. Sha, "An Empirical Study and Analysis of Generalized Zero-Shot Learning", ECCV 2016) takes a constant gamma from the
score of every seen class. At one gamma, S is the accuracy on clips of seen classes, U that on clips of unseen classes, each among all candidates,
and H = 2SU / (S + U).

The clip's margin m = (largest score of a seen class) - (largest score of an unseen class) decides everything: it gets a seen class while
m > gamma. So the curve of (U, S) over all gammas has a corner only at margins of clips that are right within their own part, and is computed
from the sorted margins, exactly. Its area is AUSUC.

Accuracy is the share of clips, as in SynSE's evaluation; with ``per_class`` it is the mean over classes of each class's share.

Gamma is a setting. It is chosen on pseudo-unseen classes (:mod:`tdsm.data.holdout`): classes held out of the seen ones play the unseen part, clips of
the others that were kept from training the seen part. Unseen classes have no say in it.
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
    """Accuracies over all gammas: from the left end, where every clip gets a seen class, to the right end, where every clip gets an unseen one.

    Attributes:
        gamma: (P,) ascending, one out of the middle of each interval in which no accuracy changes (the two outermost have no middle).
        seen, unseen: (P,) S and U in these intervals, 0 to 1.
    """

    gamma: Float[np.ndarray, " point"]
    seen: Float[np.ndarray, " point"]
    unseen: Float[np.ndarray, " point"]

    @property
    def harmonic(self) -> Float[np.ndarray, " point"]:
        """H at each point."""
        return harmonic_mean(self.seen, self.unseen)

    @property
    def ausuc(self) -> float:
        """Area under the curve of S over U; corners are joined by straight lines, which matters only where margins are equal."""
        return float(np.sum(np.diff(self.unseen) * (self.seen[1:] + self.seen[:-1]) / 2))


@dataclass(frozen=True, eq=False)
class GeneralisedReport:
    """Scores of one trained model on test clips of seen and unseen classes.

    Attributes:
        scores: (B, K), higher is better, without gamma.
        y: (B,) index of the right label.
        labels: K candidate labels, seen and unseen.
        unseen_mask: (K,) which labels are unseen.
        gamma: what is subtracted from the scores of the seen labels.
        per_class: accuracies are means over classes instead of shares of clips.

    Raises:
        InputError: NaN, or no clip of a seen class or of an unseen class.
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
        """(B,) index of the answer at :attr:`gamma`."""
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
        """S and U over all gammas; it does not depend on :attr:`gamma`."""
        return seen_unseen_curve(self.scores, self.y, self.unseen_mask, self.per_class)

    def at(self, gamma: float) -> "GeneralisedReport":
        """The same scores at another gamma."""
        return replace(self, gamma=gamma)

    def metrics(self) -> dict:
        """What goes to metrics.json."""
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
    """Test a recognizer on clips of both parts; candidates are all classes it was trained on and all classes of ``unseen``.

    Args:
        seen: clips of classes that it was trained on, none of which (the clips) it was trained on: :func:`tdsm.data.holdout.holdout_clips`.
        unseen: clips of other classes.

    Raises:
        InputError: a class in the wrong part.
    """
    trained = {normal_form(label): label for label in recognizer.seen}
    wrong = next((label for label in unseen.classes if normal_form(label) in trained), None)
    if wrong is not None:
        raise InputError(unseen.name, f"class {wrong!r} was trained on, so it is not unseen", "give clips of unseen classes only")
    labels = (*recognizer.seen, *unseen.classes)
    strange = next((clip for clip in seen if clip.label is None or normal_form(clip.label) not in trained), None)
    if strange is not None:
        raise InputError(strange.name, f"class {strange.label!r} was not trained on", "give clips of the recognizer's seen classes")
    scores = np.concatenate([recognizer.scores(recognizer.features(clips), labels).cpu().numpy() for clips in (seen, unseen)])
    index = {normal_form(label): number for number, label in enumerate(labels)}
    y = np.array([index[normal_form(clip.label)] for clips in (seen, unseen) for clip in clips])
    return GeneralisedReport(scores, y, labels, np.arange(len(labels)) >= len(recognizer.seen), gamma, per_class)


def calibrated_stacking(scores: Float[np.ndarray, "clip label"], unseen_mask: Bool[np.ndarray, " label"], gamma: float) -> Float[np.ndarray, "clip label"]:
    """The scores with ``gamma`` subtracted from those of the seen labels (gamma is finite; above 0 it favours the unseen ones); float64."""
    return scores.astype(np.float64) - np.where(unseen_mask, 0.0, gamma)


def seen_unseen_curve(
    scores: Float[np.ndarray, "clip label"], y: Int[np.ndarray, " clip"], unseen_mask: Bool[np.ndarray, " label"], per_class: bool = False
) -> Curve:
    """S and U at every gamma there is, exactly; arguments and errors as in :class:`GeneralisedReport`."""
    _check(scores, y, unseen_mask)
    scores, of_unseen = scores.astype(np.float64), unseen_mask[y]
    parts = [np.where(mask, scores, -np.inf) for mask in (~unseen_mask, unseen_mask)]
    margin = parts[0].max(axis=1) - parts[1].max(axis=1)
    right = np.where(of_unseen, parts[1].argmax(axis=1), parts[0].argmax(axis=1)) == y  # among the labels of its own part
    corners = np.unique(margin[right])
    weight = _weights(y, unseen_mask, per_class)

    def gathered(part: np.ndarray) -> np.ndarray:
        """(P,) share of the right clips of a part whose margin lies below each gamma."""
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
    """The gamma with the largest H; of several, the one nearest to 0. To be called with scores of pseudo-unseen classes, never of unseen ones.

    It has the unit of the scores. It carries over to truly unseen classes as far as the two models' scores are alike, and their numbers of candidates.

    Arguments and errors as in :class:`GeneralisedReport`; the labels held out of training count as unseen.
    """
    curve = seen_unseen_curve(scores, y, unseen_mask, per_class)
    best = curve.gamma[curve.harmonic >= curve.harmonic.max() - 1e-12]  # equal but for rounding
    return float(best[np.abs(best).argmin()])


def harmonic_mean(seen: float | np.ndarray, unseen: float | np.ndarray) -> float | np.ndarray:
    """H = 2SU / (S + U), and 0 where both are 0."""
    return 2 * seen * unseen / np.where(seen + unseen > 0, seen + unseen, 1.0)


def _weights(y: np.ndarray, unseen_mask: np.ndarray, per_class: bool) -> np.ndarray:
    """(B,) what a right clip adds to the accuracy of its part."""
    clips = np.bincount(y, minlength=len(unseen_mask))
    total = np.where(unseen_mask, (clips * unseen_mask).sum(), (clips * ~unseen_mask).sum())
    classes = np.where(unseen_mask, ((clips > 0) & unseen_mask).sum(), ((clips > 0) & ~unseen_mask).sum())
    return 1.0 / (clips * classes if per_class else total)[y]


def _check(scores: np.ndarray, y: np.ndarray, unseen_mask: np.ndarray) -> None:
    if scores.shape != (len(y), len(unseen_mask)):
        raise ValueError(f"scores {scores.shape}, {len(y)} clips and {len(unseen_mask)} labels do not fit")
    if not np.isfinite(scores).all():
        raise InputError("scores", "NaN or infinite", "lower lr, or train longer, and check the clips")
    for part, clips in (("a seen", ~unseen_mask[y]), ("an unseen", unseen_mask[y])):
        if not clips.any():
            raise InputError("generalised test", f"no clip of {part} class", "test on clips of both parts, seen ones kept from training")
