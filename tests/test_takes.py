"""Long takes of known borders, and probabilities of windows."""

import numpy as np
import pytest

import tdsm
from tdsm.data.convert import convert_all
from tdsm.data.layouts import COCO_17
from tdsm.data.synthetic import synthetic_clips
from tdsm.spotting.takes import joined, pieces
from tdsm.spotting.windows import probabilities_of, probabilities_over_time
from tdsm.util.errors import InputError

CLIPS = synthetic_clips(1, actions=["bow", "jump"])


@pytest.mark.parametrize("rests", [True, False])
def test_recordings_stand_in_a_take_as_they_were(rests):
    take, inside = joined(CLIPS, seed=3, rests=rests)
    for clip, segment in zip(CLIPS, inside, strict=True):
        assert (segment.label, segment.end - segment.start) == (clip.label, clip.frames)
        here = take.joints[0, segment.start : segment.end]
        np.testing.assert_allclose(np.diff(here, axis=0), np.diff(clip.joints[0], axis=0), atol=1e-5)
    gaps = np.diff([0, *(frame for segment in inside for frame in (segment.start, segment.end)), take.frames])[::2] / take.fps
    assert all(1.0 <= gap <= 2.5 for gap in gaps[:-1]) if rests else gaps[:-1] == pytest.approx([0.5, 0.5])


def test_a_take_never_jumps():
    take, _ = joined(CLIPS, seed=0)
    steps = np.linalg.norm(np.diff(take.joints[0], axis=0), axis=-1)
    recorded = max(np.linalg.norm(np.diff(clip.joints[0], axis=0), axis=-1).max() for clip in CLIPS)
    assert steps.max() <= recorded + 0.05


def test_a_take_depends_on_its_seed_alone():
    one, other, third = (joined(CLIPS, seed)[0].joints for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, other)
    assert one.shape != third.shape or not np.array_equal(one, third)


def test_clips_that_make_no_take_are_refused():
    flat = convert_all(CLIPS, COCO_17).clips
    for clips, says in (([], "no clip"), ([CLIPS[0], flat[0]], "is coco-17 at"), ([tdsm.Clip(CLIPS[0].joints, CLIPS.layout)], "has no label")):
        with pytest.raises(InputError, match=says):
            joined(clips)


def test_windows_are_probabilities_at_their_middles():
    recognizer, (take, inside) = tdsm.pretrained(), joined(CLIPS)
    frames, given = probabilities_over_time(recognizer, take, ["bow", "jump"], 2.0, 0.5)
    np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-5)
    assert np.diff(frames).min() > 0
    assert frames[-1] < take.frames
    sure = {label: frames[given[:, row].argmax()] for row, label in enumerate(("bow", "jump"))}
    assert all(segment.start <= sure[segment.label] < segment.end for segment in inside)
    short, given = probabilities_over_time(recognizer, CLIPS[0], ["bow", "jump"], 1000.0)
    assert (len(short), given.shape) == (1, (1, 2))
    with pytest.raises(InputError, match="seconds is 0"):
        probabilities_over_time(recognizer, take, ["bow", "jump"], 0.0)


def test_pieces_that_show_nobody_have_no_probabilities():
    recognizer, clip = tdsm.pretrained(), CLIPS[0]
    nobody = tdsm.Clip(np.concatenate((clip.joints[:1], np.zeros_like(clip.joints[:1])), axis=1), clip.layout)
    given = probabilities_of(recognizer, nobody, [(0, clip.frames), (clip.frames, 2 * clip.frames)], ["bow", "jump"])
    assert given.sum(axis=1).tolist() == pytest.approx([1, 0])
    assert not probabilities_of(recognizer, nobody, [(clip.frames, 2 * clip.frames)], ["bow", "jump"]).any()
    assert probabilities_of(recognizer, nobody, [], ["bow", "jump"]).shape == (0, 2)


def test_joints_that_are_not_seen_harm_no_other(recwarn):
    gone = CLIPS[0].joints.copy()
    gone[0, 0, 0], gone[0, 0, 5] = np.nan, np.nan
    take, inside = joined([tdsm.Clip(gone, CLIPS.layout, "bow", fps=30.0), CLIPS[1]])
    bow = take.joints[0, inside[0].start : inside[0].end]
    assert np.isfinite(bow[1:]).all()
    assert np.isnan(bow[0]).sum() == 6
    assert take.joints[0].any(axis=(1, 2)).all()


def test_pieces_overlap_and_are_the_frames_of_their_recording():
    cut = pieces(CLIPS, seconds=1.0, step=0.5)
    clip = CLIPS[0]
    length, hop = round(clip.fps), round(clip.fps / 2)
    first = [piece for piece in cut if piece.label == clip.label]
    assert len(first) == (clip.frames - length) // hop + 1 > 2
    np.testing.assert_array_equal(first[2].joints, clip.joints[:, 2 * hop : 2 * hop + length])
    assert {(piece.label, piece.subject) for piece in cut} == {(each.label, each.subject) for each in CLIPS}
    assert len({piece.name for piece in cut}) == len(cut)


def test_a_recording_shorter_than_a_piece_stays_whole():
    assert [piece.frames for piece in pieces(CLIPS, seconds=1000.0)] == [clip.frames for clip in CLIPS]


@pytest.mark.parametrize(("seconds", "step"), [(0.0, 1.0), (1.0, 0.0), (float("inf"), 1.0), (1.0, -1.0)])
def test_lengths_of_pieces_are_above_nothing(seconds, step):
    with pytest.raises(InputError, match="give numbers above 0"):
        pieces(CLIPS, seconds, step)
