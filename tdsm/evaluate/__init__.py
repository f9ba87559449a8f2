"""Zero-shot evaluation: accuracy, its confidence interval, and the accuracy of a uniform guess.

All measures are inductive: the answer for a clip never depends on other test clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tdsm.data.clips import ClipSet
from tdsm.data.labels import normal_form
from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError
from tdsm.util.tables import html_table

__all__ = ["PROTOCOL", "SELECTION", "Report", "Summary", "mean_std", "protocol_of", "subject_interval", "summarise", "zero_shot_report"]

SELECTION = "none: a fixed number of steps, nothing is chosen on any test clip"


def protocol_of(partition: str = "all", part: str = "unseen") -> dict[str, str]:
    """Description of the protocol that is saved beside every number, with the keys "setting", "selection" and "partition".

    Args:
        partition: "all", or the name of an official partition of the data set.
        part: "unseen", or "pseudo" if some seen classes are tested.
    """
    test = "unseen" if part == "unseen" else "pseudo-unseen"
    if part == "pseudo":
        division = f"{partition}: of its training part, some seen classes train and others test"
    elif partition == "all":
        division = "all clips of the seen classes train, all clips of the unseen classes test"
    else:
        division = f"{partition}: seen classes of its training part train, unseen classes of its test part test"
    return {"setting": f"inductive zero-shot; candidates are the {test} classes", "selection": SELECTION, "partition": division}


PROTOCOL = protocol_of()
_WORST = 5  # number of confusions that a report displays


@dataclass(frozen=True, eq=False)
class Report:
    """Scores of one trained model on B test clips with K candidate labels. A notebook displays it as a table.

    Attributes:
        scores: (B, K), higher is better: negated denoising errors, or similarities. The label with the largest score of a row is the answer.
        y: (B,) index of the right label.
        labels: the K candidate labels, which are the unseen classes.
        subjects: (B,) name of the recorded person, "" if unknown.

    Raises:
        InputError: a score is NaN or infinite.
        ValueError: the shapes do not fit.

    Example:
        >>> scores = np.array([[0.9, 0.1], [0.4, 0.3], [0.2, 0.8], [0.6, 0.5]])
        >>> report = Report(scores, np.array([0, 0, 1, 1]), ("bow", "jump"), np.array(["p1", "p1", "p2", "p2"]))
        >>> report.top1, report.chance
        (0.75, 0.5)
        >>> report.confusion().tolist()  # rows: the right label, columns: the answer
        [[2, 0], [1, 1]]
    """

    scores: np.ndarray
    y: np.ndarray
    labels: tuple[str, ...]
    subjects: np.ndarray

    def __post_init__(self) -> None:
        if self.scores.shape != (len(self.y), len(self.labels)) or len(self.subjects) != len(self.y):
            raise ValueError(f"scores {self.scores.shape}, {len(self.y)} clips, {len(self.subjects)} subjects, {len(self.labels)} labels do not fit")
        if not np.isfinite(self.scores).all():
            raise InputError("scores", "are NaN or infinite", "lower lr, or train longer, and check the clips")

    @property
    def predicted(self) -> np.ndarray:
        """(B,) index of the answer."""
        return self.scores.argmax(axis=1)

    @property
    def correct(self) -> np.ndarray:
        """(B,) bool: whether the answer is the right label."""
        return self.predicted == self.y

    @property
    def top1(self) -> float:
        """Share of clips with the right answer, 0 to 1."""
        return float(self.correct.mean())

    @property
    def per_class(self) -> dict[str, float]:
        """Class -> share of its clips with the right answer, 0 to 1; classes without clips are left out."""
        return {label: float(self.correct[self.y == index].mean()) for index, label in enumerate(self.labels) if (self.y == index).any()}

    @property
    def class_mean(self) -> float:
        """Mean of :attr:`per_class`."""
        return float(np.mean(list(self.per_class.values())))

    @property
    def chance(self) -> float:
        """Expected top-1 of a uniform guess, 1 / K."""
        return 1 / len(self.labels)

    def confusion(self) -> np.ndarray:
        """(K, K) counts of clips; rows are the right labels, columns the answers."""
        counts = np.zeros((len(self.labels), len(self.labels)), int)
        np.add.at(counts, (self.y, self.predicted), 1)
        return counts

    def metrics(self) -> dict:
        """The values that are written to metrics.json."""
        return {"top1": self.top1, "class_mean": self.class_mean, "chance": self.chance, "clips": len(self.y), "per_class": self.per_class}

    def __repr__(self) -> str:
        return f"Report(top-1 {self.top1:.1%}, class mean {self.class_mean:.1%}, chance {self.chance:.1%}, {len(self.y)} clips, {len(self.labels)} labels)"

    def _repr_html_(self) -> str:
        known = len(set(self.subjects.tolist()) - {""})
        interval = f"none: {known} subjects are known"
        if known > 1:
            low, high = subject_interval(self.correct, self.subjects)
            interval = f"{low:.1%} to {high:.1%}, over {known} subjects"
        about = [("top-1", f"{self.top1:.1%}"), ("95 % interval", interval), ("class mean", f"{self.class_mean:.1%}")]
        about += [("chance", f"{self.chance:.1%}"), ("clips, labels", f"{len(self.y)}, {len(self.labels)}")]
        wrong = self.confusion()
        clips = wrong.sum(axis=1)
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:_WORST]
        pairs = [(true, answer) for true, answer in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[true, answer]]
        worst = [(self.labels[true], self.labels[answer], int(wrong[true, answer]), f"{wrong[true, answer] / clips[true]:.0%}") for true, answer in pairs]
        confused = html_table(worst, ("true", "answered", "clips", "of its class"), title="worst confusions") if worst else "Nothing was confused."
        return html_table(about, title="Report on test clips") + confused


@dataclass(frozen=True)
class Summary:
    """Summary of the reports of several seeds; all shares are 0 to 1.

    Attributes:
        seeds: number of seeds.
        mean, std: mean and standard deviation of top-1 over seeds (with n - 1; 0 for one seed).
        class_mean: mean over seeds of the per-class mean.
        low, high: 95 % bootstrap interval of the mean over subjects.
        chance: expected top-1 of a uniform guess.
    """

    seeds: int
    mean: float
    std: float
    class_mean: float
    low: float
    high: float
    chance: float

    def __str__(self) -> str:
        spread = f" ± {self.std:.1%}" if self.seeds > 1 else ""
        return f"{self.mean:.1%}{spread} (95 % over subjects {self.low:.1%} to {self.high:.1%}; {self.seeds} seed{'s' if self.seeds > 1 else ''})"


def zero_shot_report(recognizer: Recognizer, clips: ClipSet) -> Report:
    """Test a recognizer on clips of unseen classes. The candidates are the K classes of ``clips``.

    Clips in which too few joints are seen are left out, with one warning.

    Args:
        recognizer: a recognizer that was trained on other classes.
        clips: labelled clips of unseen classes.

    Raises:
        InputError: the recognizer was trained on a class of ``clips``, or no clip can be used.

    Example:
        >>> report = zero_shot_report(recognizer, test)  # the recognizer was trained on other classes
        >>> report.labels, report.scores.shape
        (('squat', 'bow'), (4, 2))
    """
    overlap = sorted({normal_form(label) for label in clips.classes} & {normal_form(label) for label in recognizer.seen})
    if overlap:
        raise InputError(clips.name, f"class {overlap[0]!r} was trained on, so this is not a zero-shot test", "test on unseen classes only")
    z_x, rows = recognizer.usable(clips)
    return Report(recognizer.scores(z_x, clips.classes).cpu().numpy(), clips.y[rows], clips.classes, clips.subjects[rows])


def mean_std(shares: Sequence[float], digits: int = 1) -> str:
    """Text of a table cell in percent: mean ± std over seeds (with n - 1). For a single seed it is the value alone.

    >>> mean_std([0.5, 0.7]), mean_std([0.5])
    ('60.0 ± 14.1', '50.0')
    """
    mean = f"{100 * float(np.mean(shares)):.{digits}f}"
    return mean if len(shares) < 2 else f"{mean} ± {100 * float(np.std(shares, ddof=1)):.{digits}f}"


def summarise(reports: Sequence[Report]) -> Summary:
    """Mean ± std over seeds, and a bootstrap interval over subjects. Raises ValueError: no report, or reports of different clips."""
    if not reports or any(not np.array_equal(report.y, reports[0].y) for report in reports):
        raise ValueError("summarise needs reports of the same clips, one per seed")
    top1 = [report.top1 for report in reports]
    low, high = subject_interval(np.mean([report.correct for report in reports], axis=0), reports[0].subjects)
    return Summary(
        seeds=len(reports),
        mean=float(np.mean(top1)),
        std=float(np.std(top1, ddof=1)) if len(top1) > 1 else 0.0,
        class_mean=float(np.mean([report.class_mean for report in reports])),
        low=low,
        high=high,
        chance=reports[0].chance,
    )


def subject_interval(correct: np.ndarray, subjects: np.ndarray, draws: int = 2000, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Bootstrap interval (low, high) of the mean accuracy, 0 to 1.

    Whole subjects are drawn with replacement, because the clips of one person resemble each other.

    Args:
        correct: (B,) share of seeds with the right answer per clip.
        subjects: (B,) recorded person of each clip.
        draws: number of bootstrap samples.
        level: confidence level of the interval.
    """
    _, index = np.unique(subjects, return_inverse=True)
    right, clips = np.bincount(index, weights=correct), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(clips), size=(draws, len(clips)))
    accuracy = right[drawn].sum(axis=1) / clips[drawn].sum(axis=1)
    low, high = np.quantile(accuracy, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
