"""Reports, seeds and intervals."""

import numpy as np
import pytest

from tdsm.evaluate import Report, mean_std, protocol_of, subject_interval, summarise
from tdsm.util.errors import InputError


def report(answers, y, labels=("a", "b", "c"), subjects=None) -> Report:
    scores = np.zeros((len(y), len(labels)))
    scores[np.arange(len(y)), answers] = 1
    return Report(scores, np.array(y), labels, np.array(subjects or ["s"] * len(y)))


def test_top1_class_mean_and_confusion():
    made = report([0, 0, 0, 1, 0, 2], [0, 0, 0, 1, 1, 1])
    assert made.top1 == pytest.approx(4 / 6)
    assert made.per_class == {"a": 1.0, "b": pytest.approx(1 / 3)}  # c has no clip
    assert made.class_mean == pytest.approx(2 / 3)
    assert made.chance == pytest.approx(1 / 3)
    assert made.confusion().tolist() == [[3, 0, 0], [1, 1, 1], [0, 0, 0]]


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="NaN"):
        Report(np.array([[np.nan, 1]]), np.array([0]), ("a", "b"), np.array(["s"]))


def test_summary_is_mean_and_sample_std_over_seeds():
    y = [0, 0, 1, 1]
    made = summarise([report([0, 0, 1, 1], y), report([0, 0, 0, 0], y), report([0, 1, 1, 1], y)])
    assert made.mean == pytest.approx(0.75)
    assert made.std == pytest.approx(0.25)
    assert made.seeds == 3
    with pytest.raises(ValueError, match="same clips"):
        summarise([report([0], [0]), report([0], [1])])


def test_interval_over_subjects_is_wider_than_over_clips_when_subjects_differ():
    correct = np.repeat([1.0, 0.0, 1.0, 0.0], 100)
    low, high = subject_interval(correct, np.repeat(list("pqrs"), 100))
    low_clips, high_clips = subject_interval(correct, np.arange(400).astype(str))
    assert high - low > 3 * (high_clips - low_clips)
    assert low <= 0.5 <= high
    assert subject_interval(np.ones(20), np.repeat(["p", "q"], 10)) == (1.0, 1.0)


def test_a_cell_of_a_table_has_a_spread_only_over_several_seeds():
    assert mean_std([0.5, 0.7]) == "60.0 ± 14.1"
    assert mean_std([0.501], digits=0) == "50"
    y = [0, 0, 1, 1]
    one, two = (str(summarise([report(answers, y) for answers in every])) for every in ([[0, 0, 1, 0]], [[0, 0, 1, 0], [0, 0, 1, 1]]))
    assert one.startswith("75.0% (95 % over subjects")
    assert two.startswith("87.5% ± 17.7% (95 % over subjects")


@pytest.mark.parametrize(
    ("partition", "part", "wanted"),
    [
        ("all", "unseen", "all clips of the seen"),
        ("xsub", "unseen", "xsub: seen classes of its training part"),
        ("xsub", "pseudo", "xsub: of its training part"),
    ],
)
def test_what_was_tested_is_said_beside_a_number(partition, part, wanted):
    said = protocol_of(partition, part)
    assert set(said) == {"setting", "selection", "partition"}
    assert said["setting"].startswith("inductive zero-shot")
    assert ("pseudo-unseen" in said["setting"]) == (part == "pseudo")
    assert said["selection"].startswith("none")
    assert said["partition"].startswith(wanted)
