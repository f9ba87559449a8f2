"""Pseudo-unseen classes and kept clips: parts that never meet, no class lost, draws that stay."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from scipy import stats

from tdsm.catalogue.rows import benchmarks_of
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.holdout import held_classes, holdout_clips, pseudo_unseen
from tdsm.data.layouts import KINECT_20
from tdsm.data.readers.nw_ucla import CLASSES
from tdsm.experiments.validation import best_of, paired_difference, pseudo_unseen_of
from tdsm.util.errors import InputError


def made(classes=8, subjects=("s1", "s2", "s3", "s4", "s5"), times=2):
    labels = [f"class {index}" for index in range(classes)][::-1]  # an order that is not sorted
    clips = [
        Clip(np.ones((2, 20, 3)), KINECT_20, label, subject, name=f"{label} {subject} {time}")
        for label in labels
        for subject in subjects
        for time in range(times)
    ]
    return ClipSet(tuple(clips), tuple(labels), "made")


def test_draws_are_distinct_and_divide_classes_and_clips():
    clips = made()
    for train, test in pseudo_unseen(clips, held=3, draws=20, seed=1):
        assert len(test.classes) == 3
        assert set(train.classes) | set(test.classes) == set(clips.classes)
        assert not set(train.classes) & set(test.classes)
        assert len(train) + len(test) == len(clips)
        assert {clip.label for clip in test} == set(test.classes)
        assert [label for label in clips.classes if label in train.classes] == list(train.classes)
    sets = [frozenset(test.classes) for _, test in pseudo_unseen(clips, held=3, draws=20, seed=1)]
    assert len(set(sets)) == 20


def test_every_set_there_is_can_be_drawn_and_no_more():
    clips = made(classes=4, subjects=("s",))
    assert len({test.classes for _, test in pseudo_unseen(clips, 2, 6)}) == 6
    with pytest.raises(InputError, match=r"cannot make 7 different draws of 2 of 4 classes; give 1 to 6"):
        pseudo_unseen(clips, 2, 7)


def test_classes_are_held_out_in_turn_and_more_draws_keep_the_first_ones():
    def held(draws, seed):
        return [test.classes for _, test in pseudo_unseen(made(), 2, draws, seed)]

    assert sorted(chain(*held(4, seed=5))) == sorted(made().classes)
    assert held(9, seed=5)[:4] == held(4, seed=5)
    assert held(4, seed=5) != held(4, seed=6)


@pytest.mark.parametrize("held", [0, 1, 5])
def test_tests_that_mean_nothing_are_refused(held):
    with pytest.raises(InputError, match=f"made: cannot hold out {held} of 8 classes"):
        pseudo_unseen(made(), held, 1)


def test_a_class_without_a_clip_takes_no_part():
    clips = made()
    some = clips.where(lambda clip: clip.label not in ("class 0", "class 1"))
    assert all({"class 0", "class 1"}.isdisjoint((*train.classes, *test.classes)) for train, test in pseudo_unseen(some, 2, 3))


def test_as_many_are_held_out_as_are_unseen_but_half_at_most():
    assert [held_classes(*split) for split in ((22, 5), (14, 13), (8, 2), (5, 5))] == [5, 7, 2, 2]


def test_of_a_benchmark_only_classes_that_are_never_unseen_and_training_clips_are_used():
    clips = tuple(
        Clip(np.ones((2, 20, 3)), KINECT_20, label, "s01", name=f"a01_s01_e{number:02}_v0{view}") for number, label in enumerate(CLASSES) for view in (1, 2, 3)
    )
    row = replace(benchmarks_of("nw-ucla", "8/2")[0], draws=((1, 4), (0, 9)), partition="official", counts={})
    for train, test in pseudo_unseen_of(row, ClipSet(clips, CLASSES, "nw-ucla"), draws=3):
        assert set(train.classes) | set(test.classes) == {CLASSES[index] for index in (2, 3, 5, 6, 7, 8)}
        assert len(test.classes) == 2
        assert {clip.name[-1] for clip in (*train, *test)} == {"1", "2"}  # view 3 is the test part


@pytest.mark.parametrize("pairs", [2, 3, 6, 40])
def test_the_paired_interval_is_that_of_students_t(pairs):
    one, other = np.random.default_rng(pairs).normal(0, 3, (2, pairs))
    low, high = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert paired_difference(one, other) == pytest.approx(((one - other).mean(), low, high), rel=1e-3)
    assert paired_difference(one[:1], other[:1]) == (one[0] - other[0], -np.inf, np.inf)


def test_whole_subjects_are_kept_from_training():
    clips = made()
    train, held = holdout_clips(clips, 0.4, seed=2)
    assert len(set(held.subjects)) == 2
    assert not set(train.subjects) & set(held.subjects)
    assert len(train) + len(held) == len(clips)
    assert train.classes == held.classes == clips.classes
    assert {frozenset(holdout_clips(clips, 0.4, seed)[1].subjects) for seed in range(20)} > {frozenset(held.subjects)}


def test_a_subject_without_whom_a_class_would_be_lost_is_passed_over():
    clips = made()
    alone = clips.where(lambda clip: clip.label != "class 3" or clip.subject == "s1")
    for seed in range(10):
        train, held = holdout_clips(alone, 0.8, seed)
        assert {clip.label for clip in train} == set(clips.classes)
        assert "s1" not in held.subjects
    with pytest.raises(InputError, match="no clip can be held out"):
        holdout_clips(made(subjects=("s1",)), 0.5)


def test_without_subjects_a_share_of_each_class_is_kept():
    clips = made(subjects=(None,), times=10)
    train, held = holdout_clips(clips, 0.3)
    assert np.bincount(held.y).tolist() == [3] * 8
    assert np.bincount(train.y).tolist() == [7] * 8
    assert not {clip.name for clip in train} & {clip.name for clip in held}
    few = made(subjects=(None, ""), times=1)
    assert np.bincount(holdout_clips(few, 0.9)[1].y).tolist() == [1] * 8
    with pytest.raises(InputError, match="no clip can be held out"):
        holdout_clips(made(subjects=(None,), times=1), 0.5)


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5, -0.1, float("nan")])
def test_shares_that_make_no_sense_are_refused(share):
    with pytest.raises(InputError, match="share"):
        holdout_clips(made(), share)


def test_the_best_of_more_seeds_lies_further_above_their_mean():
    assert best_of(1) == pytest.approx(0, abs=0.03)
    assert best_of(2) == pytest.approx(np.pi**-0.5, abs=0.03)  # the expected larger of two normal draws
    assert best_of(2) < best_of(5) < best_of(20)
