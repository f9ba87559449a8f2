"""Actions are found in long recordings, whole or as the frames come in; bad input is one line."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import tdsm
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.data.synthetic import synthetic_clips
from tdsm.spotting.measures import Segment, f1_score
from tdsm.spotting.spot import SpotConfig, Spotter, spot, still_frames
from tdsm.util.errors import InputError

LABELS = ["bow", "jump", "squat"]


@pytest.fixture(scope="module")
def recognizer():
    return tdsm.pretrained()


@pytest.fixture(scope="module")
def take():
    """(recording, what is in it): three actions, twice each, with two seconds of rest before each of them."""
    clips, parts, true, now = synthetic_clips(2, actions=LABELS), [], [], 0
    for clip in clips:
        joints = clip.joints[:1]
        parts += [np.repeat(joints[:, :1], 60, axis=1), joints]
        true.append(Segment(now + 60, now + 60 + clip.frames, clip.label))
        now += 60 + clip.frames
    parts.append(np.repeat(parts[-1][:, -1:], 60, axis=1))
    return replace(clips[0], joints=np.concatenate(parts, axis=1), label=None, name="take"), true


def stepwise(recognizer, clip, sizes, **options):
    """(segments, frames that had come in when each was answered) of a spotter that gets ``sizes`` frames at a time, in turn."""
    spotter, found, start, turn = Spotter(recognizer, LABELS, clip.layout, clip.fps, **options), [], 0, 0
    while start < clip.frames:
        size = sizes[turn % len(sizes)]
        found += [(each, min(start + size, clip.frames)) for each in spotter.push(clip.joints[:, start : start + size])]
        start, turn = start + size, turn + 1
    return [*found, *((each, clip.frames) for each in spotter.finish())]


def test_actions_between_rests_are_found_with_their_borders(recognizer, take):
    clip, true = take
    found = spot(recognizer, clip, LABELS)
    assert f1_score([list(found)], [true], 0.25) >= 0.8
    assert all(0 < each.score <= 1 and 0 <= each.margin <= each.score for each in found)
    assert [each.start for each in found] == sorted(each.start for each in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


@pytest.mark.parametrize("sizes", [[1], [7, 40, 3], [100_000]], ids=str)
def test_frames_may_come_in_any_pieces(recognizer, take, sizes):
    clip, _ = take
    whole = list(spot(recognizer, clip, LABELS))
    assert [each for each, _ in stepwise(recognizer, clip, sizes)] == whole


def test_an_action_is_answered_half_a_second_after_its_end(recognizer, take):
    clip, _ = take
    latency = Spotter(recognizer, LABELS, clip.layout, clip.fps).latency
    assert latency <= 0.5
    found = stepwise(recognizer, clip, [1])
    last = {each.end: when for each, when in found}  # of actions without rest between them, the last
    ends = [end for end in last if not any(other.start == end for other, _ in found)]
    assert ends
    assert all(last[end] - end <= latency * clip.fps for end in ends if last[end] < clip.frames)


def test_what_is_remembered_does_not_grow(recognizer, take):
    clip, _ = take
    config = SpotConfig(stretch=6.0)
    spotter = Spotter(recognizer, LABELS, clip.layout, clip.fps, config)
    restless = clip.joints[:, 60:150]
    for _ in range(12):
        spotter.push(restless)
        assert spotter.remembered <= (config.stretch + 1) * clip.fps
    for _ in range(12):
        spotter.push(np.repeat(clip.joints[:, :1], 90, axis=1))
    assert spotter.remembered <= clip.fps


def test_a_body_that_rests_does_nothing(recognizer, take):
    clip, _ = take
    still = replace(clip, joints=np.repeat(clip.joints[:, :1], 100, axis=1))
    assert len(spot(recognizer, still, LABELS)) == 0
    assert still_frames(still, SpotConfig()).all()
    assert len(spot(recognizer, replace(clip, joints=clip.joints[:, :1]), LABELS)) == 0  # one frame


def test_a_long_movement_without_a_pause_is_one_action(recognizer, take):
    clip, _ = take
    frames = np.arange(360)
    turning = np.repeat(clip.joints[:, :1], len(frames), axis=1)
    wrist = clip.layout.joints.index("right hand")
    turning[0, :, wrist] += 0.4 * np.stack((np.cos(frames / 4), np.sin(frames / 4), 0 * frames), axis=-1)  # a circle, always equally fast
    found = spot(recognizer, replace(clip, joints=turning), ["draw a circle in the air"])
    assert [(each.label, each.end - each.start > 340) for each in found] == [("draw a circle in the air", True)]


def test_nobody_and_gaps_are_no_actions(recognizer, take):
    clip, true = take
    empty = np.zeros_like(clip.joints[:, :90])
    gap = replace(clip, joints=np.concatenate((empty, clip.joints, empty), axis=1))
    found = spot(recognizer, gap, LABELS)
    assert len(found)
    assert all(each.start >= 85 and each.end <= gap.frames - 85 for each in found)
    assert f1_score([list(found)], [[replace(each, start=each.start + 90, end=each.end + 90) for each in true]], 0.25) >= 0.8


def test_background_keeps_only_what_was_asked(recognizer, take):
    clip, _ = take
    every = spot(recognizer, clip, LABELS, SpotConfig(background=1.0))
    assert len(spot(recognizer, clip, ["play the piano", "swim"], SpotConfig(background=0.05))) < len(every)


def test_a_recognizer_without_probabilities_spots_too(recognizer, take):
    clip, _ = take
    bare = tdsm.Recognizer(recognizer.config, recognizer.backbone, recognizer.matcher)
    assert [each.label for each in spot(bare, clip, LABELS)] == [each.label for each in spot(recognizer, clip, LABELS)]


@pytest.mark.parametrize(("change", "says"), [
    ({"hop": 0.0}, "hop is 0.0"), ({"cost": -1.0}, "cost is -1.0"), ({"shortest": 9.0}, "not in this order"), ({"still": float("nan")}, "still is nan"),
])  # fmt: skip
def test_settings_that_cannot_be_are_refused(change, says):
    with pytest.raises(InputError, match=says):
        SpotConfig(**change)


def test_what_does_not_fit_is_refused(recognizer, take):
    clip, _ = take
    with pytest.raises(InputError, match="'bow' is given twice"):
        spot(recognizer, clip, ["bow", "bow"])
    with pytest.raises(InputError, match="none given"):
        spot(recognizer, clip, [])
    spotter = Spotter(recognizer, LABELS, NTU_25, 30.0)
    with pytest.raises(InputError, match="frame 0: joints: 20 joints, but layout ntu-25 has 25"):
        spotter.push(np.ones((5, len(KINECT_20), 3)))
    spotter.push(clip.joints[:, :5])
    with pytest.raises(InputError, match="frames: show 2 persons, 1 before"):
        spotter.push(np.concatenate((clip.joints[:, :5], clip.joints[:, :5])))
    with pytest.raises(InputError, match="fps is 0"):
        Spotter(recognizer, LABELS, NTU_25, 0.0)


def found_in(recognizer, clip, joints):
    return [(each.label, each.start, each.end) for each in spot(recognizer, replace(clip, joints=joints), LABELS)]


def test_a_body_with_its_pelvis_at_0_moves_too(recognizer, take):
    """World landmarks, and many files, have the middle of the body at 0 in every frame."""
    clip, true = take
    centred = clip.joints - clip.joints[:, :, :1]
    assert f1_score([[Segment(start, end, label) for label, start, end in found_in(recognizer, clip, centred)]], [true], 0.25) >= 0.6


def test_a_joint_of_the_trunk_that_is_not_seen_for_a_moment_ends_no_action(recognizer, take):
    clip, true = take
    joints, middle = clip.joints.copy(), (true[0].start + true[0].end) // 2
    joints[:, middle : middle + 12, 0] = np.nan
    ends = {end for _, _, end in found_in(recognizer, clip, joints)}
    assert not [end for end in ends if middle <= end <= middle + 12]


@pytest.mark.parametrize("fps", [5.0, 14.985, 23.976, 59.94, 120.0])
def test_any_frame_rate_gives_the_same_for_any_pieces(recognizer, take, fps):
    clip, _ = take
    step = np.round(np.arange(0, clip.frames, 30 / fps)).astype(int)
    other = replace(clip, joints=clip.joints[:, np.minimum(step, clip.frames - 1)], fps=fps)
    whole = list(spot(recognizer, other, LABELS))
    assert whole
    assert [each for each, _ in stepwise(recognizer, other, [13])] == whole


def test_no_frames_are_no_news(recognizer, take):
    clip, _ = take
    spotter = Spotter(recognizer, LABELS, clip.layout, clip.fps)
    assert spotter.push(clip.joints[:, :0]) == []


def test_descriptions_replace_those_of_the_recognizer_whatever_the_spelling(recognizer, take):
    clip, _ = take
    knows = tdsm.Recognizer(recognizer.config, recognizer.backbone, recognizer.matcher, {"Bow": "The trunk leans."}, confidence=recognizer.confidence)
    assert Spotter(knows, LABELS, clip.layout, clip.fps, descriptions={"bow": "The head sinks."}).labels[0].description == "The head sinks."


def test_background_needs_a_recognizer_that_knows_it(recognizer, take):
    clip, _ = take
    bare = tdsm.Recognizer(recognizer.config, recognizer.backbone, recognizer.matcher)
    with pytest.raises(InputError, match="background: is below 1, and this recognizer has no fitted confidence"):
        spot(bare, clip, LABELS, SpotConfig(background=0.5))
