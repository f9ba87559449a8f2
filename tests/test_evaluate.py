"""Reports, seeds, intervals, and the simple baseline."""

import numpy as np
import pytest

from tdsm.baselines import ridge_to_text
from tdsm.evaluate import Report, subject_interval, summarise
from tdsm.util.errors import InputError


def report(answers, y, labels=("a", "b", "c"), subjects=None) -> Report:
    errors = np.ones((len(y), len(labels)))
    errors[np.arange(len(y)), answers] = 0
    return Report(errors, np.array(y), labels, np.array(subjects or ["s"] * len(y)))


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


def test_ridge_recovers_a_linear_map_to_unseen_texts():
    import torch

    torch.manual_seed(0)
    text, mix = torch.randn(30, 16), torch.randn(16, 32)
    labels = torch.arange(2000) % 25
    z_x = text[labels] @ mix + 0.1 * torch.randn(2000, 32)
    test = text[25:] @ mix
    similarity = ridge_to_text(z_x, labels, text[:25], test, text[25:], penalty=1e-3)
    assert similarity.argmax(1).tolist() == [0, 1, 2, 3, 4]
    moved = ridge_to_text(5 * z_x + 2, labels, text[:25], 5 * test + 2, text[25:], penalty=1e-3)
    torch.testing.assert_close(moved, similarity, rtol=1e-3, atol=1e-4)
