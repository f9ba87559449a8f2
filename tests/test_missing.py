"""Joints that were not seen: one form inside the package, and what is made of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdsm.data.clips import Clip, normalised
from tdsm.data.layouts import COCO_17, KINECT_20, LAYOUTS


def body(layout, persons=1, frames=6, seed=0):
    """(M, T, V, C) away from the origin."""
    return (2.0 + np.random.default_rng(seed).uniform(size=(persons, frames, len(layout), layout.dims))).astype(np.float32)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_joint_at_the_origin_in_one_frame_was_not_seen(layout):
    joints = body(layout)
    joints[0, 2, 5] = 0
    clip = Clip(joints, layout)
    assert np.argwhere(np.isnan(clip.joints).all(axis=3)).tolist() == [[0, 2, 5]]
    assert np.isfinite(joints).all()  # the user's own array stays as it is
    np.testing.assert_array_equal(clip.joints[0, 2, 6], joints[0, 2, 6])


def test_a_joint_at_the_origin_in_all_frames_is_a_root_in_space_and_not_seen_in_a_picture():
    for layout, missing in ((KINECT_20, False), (COCO_17, True)):
        joints = body(layout)
        joints[0, :, 0] = 0
        assert np.isnan(Clip(joints, layout).joints[0, :, 0]).all() == missing
    joints = body(KINECT_20)
    joints[0, :4, 0], joints[0, 4:] = 0, 0  # there in the first four frames only, and at the origin in all of these
    assert not np.isnan(Clip(joints, KINECT_20).joints).any()


@pytest.mark.parametrize("layout", [KINECT_20, COCO_17], ids=lambda layout: layout.name)
def test_a_joint_with_one_coordinate_lost_is_lost_and_a_person_with_no_joint_is_absent(layout):
    joints = body(layout, persons=2)
    joints[0, 1, 3, 1] = np.nan
    joints[1, 2] = np.nan
    joints[1, 3, ::2], joints[1, 3, 1::2] = np.nan, 0
    clip = Clip(joints, layout)
    assert np.argwhere(np.isnan(clip.joints).all(axis=3)).tolist() == [[0, 1, 3]]
    assert np.isnan(clip.joints).sum() == layout.dims
    assert clip.joints.any(axis=(2, 3)).tolist() == [[True] * 6, [True, True, False, False, True, True]]


@given(st.integers(0, 2**32 - 1), st.sampled_from([KINECT_20, COCO_17]))
@settings(deadline=None, max_examples=50)
def test_the_form_is_reached_in_one_step(seed, layout):
    rng = np.random.default_rng(seed)
    joints = rng.choice([0.0, 0.0, 1.0, np.nan], (2, 4, len(layout), layout.dims), p=rng.dirichlet(np.ones(4))).astype(np.float32)
    joints[rng.random(joints.shape[:3]) < 0.3] = rng.choice([0, np.nan])
    once = normalised(joints)
    assert normalised(once) is once
    missing = np.isnan(once)
    assert (missing.all(axis=3) == missing.any(axis=3)).all()
    assert not missing[~np.nan_to_num(once).any(axis=(2, 3))].any()


def test_whole_clips_are_not_copied():
    joints = body(KINECT_20, persons=2)
    joints[1, 3:] = 0
    assert Clip(joints, KINECT_20).joints is joints
