"""Measures of segments, each against a case that was worked by hand."""

import pytest

from tdsm.spotting.measures import Segment, average_precision, edit_score, f1_score, frame_accuracy, mean_average_precision, overlap
from tdsm.util.errors import InputError

TRUE = [[Segment(10, 20, "wave"), Segment(30, 50, "squat"), Segment(60, 70, "wave")]]


def test_overlap_is_intersection_over_union_and_touching_is_none():
    assert overlap(Segment(0, 10, "a"), Segment(5, 20, "a")) == 5 / 20
    assert overlap(Segment(0, 10, "a"), Segment(10, 20, "a")) == 0
    assert overlap(Segment(0, 10, "a"), Segment(2, 4, "a")) == 0.2


def test_what_is_right_is_one():
    found = [list(TRUE[0])]
    assert mean_average_precision(found, TRUE, [0.1, 0.5, 0.7]) == 1
    assert f1_score(found, TRUE, 0.5) == edit_score(found, TRUE) == frame_accuracy(found, TRUE, [80]) == 1


def test_average_precision_by_hand():
    """Four claims of "wave", surest first: right, wrong, a second one for what is taken (wrong), right. Precision 1, 1/2, 1/3, 2/4 at recall 1/2, 1/2, 1/2,
    1: made monotonous, 1 up to a half and 1/2 from there."""
    found = [[Segment(10, 20, "wave", 0.9), Segment(0, 5, "wave", 0.8), Segment(11, 20, "wave", 0.7), Segment(61, 70, "wave", 0.6)]]
    assert average_precision(found, TRUE, "wave", 0.5) == 0.5 * 1 + 0.5 * 0.5
    assert mean_average_precision(found, TRUE) == 0.75 / 2  # no squat was found


def test_segments_of_one_score_count_together_in_whatever_order_they_stand():
    right, wrong = Segment(10, 20, "wave", 0.5), Segment(0, 5, "wave", 0.5)
    assert average_precision([[right, wrong]], TRUE, "wave", 0.5) == average_precision([[wrong, right]], TRUE, "wave", 0.5) == 0.25


def test_a_segment_is_right_for_one_true_one_and_for_the_one_it_overlaps_most():
    true = [[Segment(0, 10, "wave"), Segment(10, 20, "wave")]]
    assert f1_score([[Segment(4, 20, "wave")]], true, 0.25) == 2 * 1 / 3
    assert average_precision([[Segment(4, 20, "wave", 0.9), Segment(0, 10, "wave", 0.8)]], true, "wave", 0.25) == 1


def test_an_overlap_of_just_the_threshold_is_enough():
    assert f1_score([[Segment(0, 5, "wave")]], [[Segment(0, 10, "wave")]], 0.5) == 1
    assert f1_score([[Segment(0, 4, "wave")]], [[Segment(0, 10, "wave")]], 0.5) == 0


def test_a_claim_in_another_recording_or_of_another_label_is_wrong():
    true = [[Segment(0, 10, "wave")], [Segment(0, 10, "squat")]]
    assert f1_score([[Segment(0, 10, "squat")], [Segment(0, 10, "wave")]], true, 0.1) == 0
    assert mean_average_precision([[], []], true) == 0


def test_edit_score_by_hand():
    """wave squat wave against wave wave: one is to be deleted, of three."""
    found = [[Segment(0, 5, "wave"), Segment(70, 75, "wave")]]
    assert edit_score(found, TRUE) == pytest.approx(2 / 3)
    assert edit_score([[]], TRUE) == 0
    assert edit_score([[]], [[]]) == 1


def test_frame_accuracy_counts_background_and_gaps_between_segments():
    """80 frames: right in 0-10 and 20-30 and 50-60 and 70-80 (nothing), 10-15 and 60-70 (wave); wrong in 15-20 and 30-50."""
    found = [[Segment(10, 15, "wave"), Segment(60, 70, "wave")]]
    assert frame_accuracy(found, TRUE, [80]) == 55 / 80


def test_where_found_segments_overlap_the_surest_counts_in_each_frame():
    found = [[Segment(0, 10, "wave", 0.9), Segment(5, 15, "squat", 0.2)]]
    assert frame_accuracy(found, [[Segment(0, 10, "wave"), Segment(10, 15, "squat")]], [15]) == 1


@pytest.mark.parametrize("call", [
    lambda: Segment(5, 5, "wave"),
    lambda: Segment(-1, 5, "wave"),
    lambda: f1_score([[]], [], 0.5),
    lambda: mean_average_precision([[]], [[]]),
    lambda: average_precision([[]], TRUE, "jump", 0.5),
])  # fmt: skip
def test_what_cannot_be_measured_is_refused(call):
    with pytest.raises(InputError):
        call()


def test_the_order_of_equally_sure_segments_does_not_matter():
    true = [[Segment(0, 10, "wave"), Segment(10, 20, "wave")]]
    wide, near = Segment(3, 15, "wave", 0.9), Segment(0, 8, "wave", 0.9)
    assert average_precision([[wide, near]], true, "wave", 0.25) == average_precision([[near, wide]], true, "wave", 0.25) == 1.0
