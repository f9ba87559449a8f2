"""The door: each remark on clips that show the fault, and none on clips that do not."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.convert import convert_all
from tdsm.data.door import DoorWarning, examine
from tdsm.data.layouts import KINECT_20, LAYOUTS, MEDIAPIPE_33, NTU_25, SMPL_22, Layout
from tdsm.data.readers import load_clips
from tdsm.data.synthetic import SEEN, synthetic_clips
from tdsm.util.errors import InputError

SPACE = (NTU_25, KINECT_20, SMPL_22, MEDIAPIPE_33)


@pytest.fixture(scope="module")
def clean() -> ClipSet:
    return synthetic_clips(2, seed=0, actions=SEEN[:10])


def changed(clips: ClipSet, change, layout: Layout | None = None) -> ClipSet:
    """Each clip's joints through ``change``, absent persons left alone."""
    made = []
    for clip in clips:
        there = clip.joints.any(axis=(2, 3))[..., None, None]
        joints = np.where(there, change(clip.joints), 0)
        made.append(Clip(joints, layout or clip.layout, clip.label, clip.subject, clip.fps, clip.name))
    return ClipSet(tuple(made), clips.classes, clips.name)


def kinds(clips: ClipSet) -> list[str]:
    return [remark.kind for remark in examine(clips)]


@pytest.mark.parametrize("layout", SPACE, ids=lambda layout: layout.name)
def test_clean_clips_pass_without_a_remark(clean, layout):
    assert kinds(convert_all(clean, layout).clips) == []


# Handedness


@pytest.mark.parametrize("layout", SPACE, ids=lambda layout: layout.name)
def test_mirrored_bodies_and_exchanged_sides_are_named_with_their_number(clean, layout):
    clips = convert_all(clean, layout).clips
    for fault in (lambda joints: joints * [-1, 1, 1], lambda joints: joints * [1, 1, -1], lambda joints: joints[:, :, list(layout.mirror)]):
        (remark,) = (one for one in examine(changed(clips, fault)) if one.kind == "mirrored")
        assert remark.clips > 0.9 * len(clips)
        assert f"{remark.clips} of 20 clips" in remark.what


def test_bodies_without_feet_are_judged_by_their_forearms(clean):
    def footless(joints):
        joints = joints.copy()
        joints[:, :, [15, 19]] = joints[:, :, [14, 18]]
        return joints

    clips = changed(convert_all(clean, KINECT_20).clips, footless)
    assert "mirrored" not in kinds(clips)
    assert "mirrored" in kinds(changed(clips, lambda joints: joints * [-1, 1, 1]))


@given(st.floats(-np.pi, np.pi), st.floats(0.7, 1.4), st.tuples(*[st.floats(-3, 3)] * 3))
@settings(max_examples=25, deadline=None)
def test_a_body_turned_about_the_vertical_moved_and_scaled_is_not_mirrored(turn, size, place):
    clips = synthetic_clips(1, seed=1, actions=SEEN[:4])
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    assert "mirrored" not in kinds(changed(clips, lambda joints: size * joints @ rotation.T + place))


def test_a_mixture_is_not_called_mirrored_as_a_whole(clean):
    half = ClipSet(clean.clips[::2] + changed(clean[1::2], lambda joints: joints * [-1, 1, 1]).clips, clean.classes)
    (remark,) = examine(half)
    assert "in the others to the front" in remark.what


# What load_clips does with them


def test_load_clips_warns_once_per_kind_and_refuses_when_strict(clean, tmp_path):
    path = changed(clean, lambda joints: joints * [-1, 1, 1]).save(tmp_path / "mirrored.npz")
    with pytest.warns(DoorWarning) as caught:
        assert len(load_clips(path)) == len(clean)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    with pytest.raises(InputError, match=r"toes or forearms point to the back in 20 of 20 clips.*tdsm prepare --fix"):
        load_clips(path, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_clips(clean.save(tmp_path / "clean.npz"), strict=True)


def test_every_layout_is_examined(clean):
    for layout in LAYOUTS:
        examine(convert_all(clean[:2], layout).clips)
