"""Preprocessing: what the encoder should not see makes no difference, and each step is what removes it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdsm.config import PreprocessConfig
from tdsm.data.clips import Clip
from tdsm.data.convert import convert
from tdsm.data.layouts import COCO_17, KINECT_20, LAYOUTS, NTU_25, OPENPOSE_18
from tdsm.data.preprocess import (
    align,
    body_size,
    center,
    drop_null_frames,
    keep_bodies,
    preprocess,
    preprocess_all,
    preprocess_each,
    resample,
    scale,
    steady,
)  # fmt: skip
from tdsm.data.procedural.acting import act
from tdsm.data.prompts.dictionary import load_dictionary
from tdsm.data.synthetic import synthetic_clips
from tdsm.util.errors import InputError

SEEDS = st.integers(0, 2**32 - 1)
BODY, YAW = PreprocessConfig(frames=64), PreprocessConfig(frames=64, align="yaw")


def stick_figure(layout):
    """(V, C) an upright person built from the layout's roles: enough shape for a torso, shoulders and bones."""
    rng = np.random.default_rng(len(layout))
    joints = rng.uniform(-0.3, 0.3, (len(layout), layout.dims))
    joints[list(layout.torso[1]), 1] += 0.6
    joints[layout.shoulders[0], 0], joints[layout.shoulders[1], 0] = -0.25, 0.25
    if layout.dims == 2:
        joints = joints * [200, -200] + 500
    return joints


def random_clip(seed, layout=KINECT_20, persons=1, frames=20):
    """Persons who stand apart and move smoothly, the later ones less."""
    rng = np.random.default_rng(seed)
    unit = 1.0 if layout.dims == 3 else 200.0
    waves = np.sin(np.linspace(0, 3, frames)[:, None, None] * rng.uniform(0.5, 2, (1, len(layout), layout.dims)))
    sizes = unit * np.array([0.15, 0.05, 0.02][:persons])
    bodies = [stick_figure(layout) + unit * (2 + person) + size * waves for person, size in enumerate(sizes)]
    return Clip(np.array(bodies), layout, name=f"random {seed}")


def with_joints(clip, joints):
    return replace(clip, joints=joints)


def present(joints):
    return joints.any(axis=(2, 3), keepdims=True)


def rotation(seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def turned(clip, seed):
    return with_joints(clip, clip.joints.astype(float) @ rotation(seed).T)


def turned_about_vertical(clip, seed):
    angle = np.random.default_rng(seed).uniform(0.5, 5.5)
    matrix = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return with_joints(clip, clip.joints.astype(float) @ matrix.T)


def turned_in_image(clip, seed):
    angle = np.random.default_rng(seed).uniform(0.5, 5.5)
    return with_joints(clip, clip.joints.astype(float) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]))


def shifted(clip, seed):
    shift = np.random.default_rng(seed).uniform(0.5, 2, clip.layout.dims)
    return with_joints(clip, np.where(present(clip.joints), clip.joints + shift, 0))


def scaled(clip, seed):
    return with_joints(clip, clip.joints.astype(float) * np.random.default_rng(seed).uniform(1.5, 3))


def slowed(clip, seed=0):
    joints = clip.joints.astype(float)
    slow = np.empty((joints.shape[0], 2 * clip.frames - 1, *joints.shape[2:]))
    slow[:, ::2] = joints
    slow[:, 1::2] = (joints[:, 1:] + joints[:, :-1]) / 2
    return with_joints(clip, slow)


def with_null_frames(clip, seed):
    where = np.random.default_rng(seed).integers(1, clip.frames, 3)
    return with_joints(clip, np.insert(clip.joints, [0, 0, *where, clip.frames, clip.frames], 0, axis=1))


def difference(one, other, config):
    first, second = preprocess(one, config), preprocess(other, config)
    return np.inf if first.shape != second.shape else np.abs(first - second).max()


CASES = [
    pytest.param(turned, BODY, {"align": "yaw"}, id="turned"),
    pytest.param(turned_about_vertical, BODY, {"align": "none"}, id="turned about the vertical, body"),
    pytest.param(turned_about_vertical, YAW, {"align": "none"}, id="turned about the vertical, yaw"),
    pytest.param(shifted, BODY, {"center": False}, id="shifted"),
    pytest.param(shifted, YAW, {"center": False}, id="shifted, yaw"),
    pytest.param(scaled, BODY, {"scale": False}, id="scaled"),
    pytest.param(scaled, YAW, {"scale": False}, id="scaled, yaw"),
    pytest.param(slowed, BODY, {"frames": 0}, id="slowed"),
    pytest.param(with_null_frames, BODY, {"drop_null": False}, id="null frames"),
]


@pytest.mark.parametrize(("change", "config", "off"), CASES)
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_invariances_of_random_clips(change, config, off, seed):
    clip = random_clip(seed)
    assert difference(clip, change(clip, seed), config) < 1e-4
    assert difference(clip, change(clip, seed), replace(config, **off)) > 1e-3  # a turn may happen to be nearly about the vertical


@pytest.mark.parametrize(("change", "config", "off"), CASES)
def test_invariances_of_real_clips(recordings, change, config, off):
    without = []
    for seed, clip in enumerate([*recordings["utd"].clips[::60], *(clip for clip in recordings["ucla"].clips[::60] if clip.frames > 1)]):
        assert difference(clip, change(clip, seed), config) < 1e-4, clip.name
        without.append(difference(clip, change(clip, seed), replace(config, **off)))
    assert np.median(without) > 1e-2


@pytest.mark.parametrize("layout", [OPENPOSE_18, COCO_17], ids=lambda layout: layout.name)
@pytest.mark.parametrize("change", [turned_in_image, shifted, scaled, slowed, with_null_frames])
def test_invariances_in_the_image(layout, change):
    for seed in range(5):
        clip = random_clip(seed, layout)
        assert difference(clip, change(clip, seed), BODY) < 1e-4


def test_the_whole_chain_at_once():
    clip = random_clip(3, NTU_25, persons=2)
    other = slowed(scaled(shifted(turned(clip, 4), 5), 6))
    assert difference(clip, with_null_frames(other, 7), replace(BODY, bodies=2)) < 1e-4


@pytest.mark.parametrize("bodies", [1, 2, 3])
def test_order_of_bodies_in_the_file_does_not_matter(bodies):
    clip = random_clip(0, NTU_25, persons=2)
    swapped = with_joints(clip, clip.joints[::-1])
    assert difference(clip, swapped, replace(BODY, bodies=bodies)) < 1e-6


# What comes out


@pytest.mark.parametrize("mode", ["body", "yaw"])
def test_lead_stands_upright_with_shoulders_along_x(recordings, mode):
    for clip in [*recordings["utd"].clips[::40], *recordings["ucla"].clips[::40]]:
        start = preprocess(clip, replace(BODY, align=mode))[0, :6].astype(float)
        joint = {name: start[:, index].mean(axis=0) for index, name in enumerate(clip.layout.joints)}
        shoulders = joint["right shoulder"] - joint["left shoulder"]
        torso = joint["shoulder centre"] - joint["hip centre"]
        assert shoulders[0] > 0 and abs(shoulders[2]) < 1e-5
        assert torso[1] > 0
        if mode == "body":
            np.testing.assert_allclose(torso[[0, 2]], 0, atol=1e-5)


def test_handedness_is_kept_and_toes_point_to_minus_z(recordings):
    toes = []
    for clip in recordings["utd"].clips[::10]:
        start = preprocess(clip, BODY)[0, :6].mean(axis=0)
        toes.append(start[[15, 19], 2].mean() - start[[14, 18], 2].mean())
    assert np.mean(np.array(toes) < 0) > 0.95


def test_yaw_keeps_the_height_of_every_joint():
    clip = random_clip(1)
    config = replace(YAW, center=False, scale=False, frames=0)
    np.testing.assert_allclose(preprocess(clip, config)[..., 1], clip.joints[..., 1], atol=1e-6)


def test_yaw_does_not_depend_on_the_unit():
    clip = random_clip(1)
    millimetres = with_joints(clip, clip.joints * 1000)
    assert difference(clip, millimetres, YAW) < 1e-4


def test_image_is_turned_y_up():
    clip = random_clip(0, OPENPOSE_18)
    for mode in ("body", "yaw"):
        start = preprocess(clip, replace(BODY, align=mode))[0, :6].mean(axis=0)
        torso = start[1] - start[[8, 11]].mean(axis=0)
        assert torso[1] > 0
        assert mode == "yaw" or abs(torso[0]) < 1e-6
    np.testing.assert_array_equal(preprocess(clip, PreprocessConfig(0, 1, False, False, "yaw", False)), clip.joints * np.float32([1, -1]))


def test_hips_start_at_the_origin_and_bones_sum_to_one():
    array = preprocess(random_clip(2), BODY)
    np.testing.assert_allclose(array[0, 0, 0], 0, atol=1e-6)
    assert body_size(array.astype(float), KINECT_20) == pytest.approx(1, abs=1e-5)


def test_all_steps_off_gives_the_clip_back():
    clip = random_clip(0, NTU_25, persons=2)
    untouched = PreprocessConfig(frames=0, bodies=2, drop_null=False, center=False, align="none", scale=False)
    np.testing.assert_array_equal(preprocess(clip, untouched), clip.joints)


def test_preprocessing_leaves_the_clip_alone():
    clip = random_clip(0)
    before = clip.joints.copy()
    preprocess(clip, BODY)
    np.testing.assert_array_equal(clip.joints, before)


# The steps alone


def test_strongest_bodies_first_absent_last_ties_in_file_order():
    rng = np.random.default_rng(0)
    still, calm, wild = np.ones((9, 20, 3)), rng.normal(size=(9, 20, 3)), 5 * rng.normal(size=(9, 20, 3))
    absent = np.zeros_like(still)
    np.testing.assert_array_equal(keep_bodies(np.array([absent, still, calm, wild]), 4), [wild, calm, still, absent])
    np.testing.assert_array_equal(keep_bodies(np.array([calm, calm + 7, -calm]), 2), [calm, calm + 7])
    np.testing.assert_array_equal(keep_bodies(np.array([calm]), bodies=3), [calm, absent, absent])


def test_coming_and_going_is_not_motion():
    still, calm = np.ones((9, 20, 3)) * 100, np.random.default_rng(0).normal(size=(9, 20, 3))
    still[4:] = 0
    np.testing.assert_array_equal(keep_bodies(np.array([still, calm]), 1), [calm])


def test_which_body_leads_does_not_depend_on_the_view():
    """Along one axis or along a diagonal, the same path is the same motion."""
    path = np.zeros((2, 9, 20, 3)) + 5
    path[0, :, :, 0] += np.linspace(0, 1.1, 9)[:, None]
    path[1] += np.linspace(0, 1 / np.sqrt(3), 9)[:, None, None]
    np.testing.assert_array_equal(keep_bodies(path, 2), path)


def test_resample_keeps_the_ends_and_lines():
    line = np.linspace(1, 2, 11)[None, :, None, None] * np.ones((1, 1, 20, 3))
    for frames in (2, 7, 64):
        np.testing.assert_allclose(resample(line, frames)[0, :, 0, 0], np.linspace(1, 2, frames), atol=1e-12)
    np.testing.assert_array_equal(resample(line, 1), line[:, :1])
    np.testing.assert_array_equal(resample(line[:, :1], 5), np.repeat(line[:, :1], 5, axis=1))


def test_resample_never_blends_a_person_with_nobody():
    joints = np.ones((2, 10, 20, 3))
    joints[1, 3:7] = 0
    values = np.unique(resample(joints, 64))
    np.testing.assert_allclose(values[values > 0], 1, atol=1e-12)
    assert not resample(joints, 64)[1, 22:36].any()
    assert resample(joints, 64)[0].all()


def test_absent_persons_stay_zero_through_all_steps():
    clip = random_clip(0, NTU_25, persons=2)
    joints = clip.joints.copy()
    joints[1, :10] = 0
    array = preprocess(with_joints(clip, joints), replace(BODY, frames=20, bodies=3))
    np.testing.assert_array_equal(array.any(axis=(2, 3)), [[True] * 20, [False] * 10 + [True] * 10, [False] * 20])


def test_lead_may_come_late():
    clip = random_clip(0, NTU_25, persons=2)
    joints = clip.joints.copy()
    joints[0, :5] = 0
    array = preprocess(with_joints(clip, joints), replace(BODY, frames=0, bodies=2))
    np.testing.assert_allclose(array[0, 5, 0], 0, atol=1e-6)
    assert not array[0, :5].any()


def test_first_person_who_is_there_leads():
    """The strongest may be gone after resampling; then the next one is measured."""
    clip = random_clip(0, NTU_25, persons=1, frames=9)
    flash = np.zeros_like(clip.joints)
    flash[:, 1:3] = 10 * clip.joints[:, [3, 7]]
    array = preprocess(with_joints(clip, np.concatenate([flash, clip.joints])), replace(BODY, frames=3, bodies=2))
    assert not array[0].any()
    np.testing.assert_allclose(array[1:], preprocess(clip, replace(BODY, frames=3)), atol=1e-6)


def test_null_frames_only_where_nobody_is():
    joints = np.ones((2, 4, 20, 3))
    joints[0, :2] = 0
    joints[1, 1:3] = 0
    assert drop_null_frames(joints).shape == (2, 3, 20, 3)


def test_steps_have_their_inverse_effect_once_only():
    joints = random_clip(0).joints.astype(float)
    for step in (center, scale, lambda x, layout: align(x, layout, "body"), lambda x, layout: align(x, layout, "yaw")):
        once = step(joints, KINECT_20)
        np.testing.assert_allclose(step(once, KINECT_20), once, atol=1e-9)
        assert np.abs(once - joints).max() > 1e-3


def flat(joint_from, joint_to):
    clip = random_clip(0)
    joints = clip.joints.copy()
    joints[:, :, joint_to] = joints[:, :, joint_from]
    return with_joints(clip, joints)


@pytest.mark.parametrize("clip", [flat(2, 0), flat(4, 8)], ids=["no torso", "no shoulders"])
def test_without_torso_or_shoulders_nothing_is_turned(clip):
    assert difference(clip, clip, BODY) == 0
    np.testing.assert_array_equal(preprocess(clip, BODY), preprocess(clip, replace(BODY, align="none")))


def test_one_frame_is_enough():
    clip = random_clip(0, frames=1)
    array = preprocess(clip, BODY)
    assert array.shape == (1, 64, 20, 3)
    np.testing.assert_array_equal(array, np.repeat(array[:, :1], 64, axis=1))


# Bad input


@pytest.mark.parametrize("config", [BODY, PreprocessConfig(0, 1, False, False, "none", False)])
def test_nobody_there(config):
    with pytest.raises(InputError, match=r"ghost.*no body.*remove the clip"):
        preprocess(Clip(np.zeros((2, 5, 20, 3)), KINECT_20, name="ghost"), config)


@pytest.mark.parametrize("place", [1.0, 1e-3, 1e4])
def test_no_size(place):
    dot = Clip(np.full((1, 5, 20, 3), place), KINECT_20, name="dot")
    with pytest.raises(InputError, match=r"dot.*no size.*scale"):
        preprocess(dot, BODY)
    assert np.isfinite(preprocess(dot, replace(BODY, scale=False))).all()


def test_all_clips_need_one_length():
    clips = [random_clip(0, frames=5), random_clip(1, frames=8)]
    with pytest.raises(InputError, match="5 to 8 frames"):
        preprocess_all(clips, replace(BODY, frames=0))
    assert preprocess_all(clips[:1], replace(BODY, frames=0)).shape == (1, 1, 5, 20, 3)
    np.testing.assert_allclose(preprocess_all(clips, BODY)[1], preprocess(clips[1], BODY), atol=1e-6)


# Many at once


def varied(layout, count=12):
    """Clips of one or two persons and of two lengths, some with joints that were not seen, absences, or trembling bodies."""
    rng, clips = np.random.default_rng(len(layout)), []
    for number, clip in enumerate(synthetic_clips(1)[:count]):
        joints = convert(clip, layout).clip.joints[:, : (30, 24)[number % 2]].copy()
        if number % 4 == 1:  # a second person, who comes late and goes for a while
            other = joints + np.float32(1 + 0.5 * number)
            other[:, [0, 1, 9, 10]] = 0
            joints = np.concatenate([joints, other])
        if number % 4 == 2:
            joints[:, ::3, 3], joints[:, :, 7] = np.nan, np.nan
        if number % 5 == 0:
            joints[:, 4:8] = 0
        if number % 3 == 0:
            joints = np.where(joints.any(axis=(2, 3), keepdims=True), joints + rng.normal(0, 0.04, joints.shape).astype(np.float32), joints)
        clips.append(Clip(joints, layout, fps=(15.0, 30.0)[number % 7 == 0], name=f"clip {number}"))
    return clips


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize(
    "config", [PreprocessConfig(), PreprocessConfig(steady=True, bodies=2), PreprocessConfig(7, 3, False, False, "yaw", False, True)], ids=str
)
def test_many_clips_at_once_give_what_each_gives_alone(layout, config):
    clips = varied(layout)
    together = preprocess_all(clips, config)
    assert together.shape == (len(clips), config.bodies, config.frames, len(layout), layout.dims)
    for clip, array in zip(clips, together, strict=True):
        np.testing.assert_allclose(array, preprocess(clip, config), atol=1e-6, rtol=1e-6, err_msg=clip.name)


def test_clips_that_keep_their_length_give_what_each_gives_alone():
    clips = varied(NTU_25, 8)[::2]
    config = PreprocessConfig(frames=0, drop_null=False)
    for clip, array in zip(clips, preprocess_all(clips, config), strict=True):
        np.testing.assert_allclose(array, preprocess(clip, config), atol=1e-6)


def test_a_clip_that_cannot_be_used_is_told_in_its_place_and_spoils_no_other():
    good = [random_clip(seed) for seed in range(3)]
    ghost, dot = (Clip(np.full((1, 20, 20, 3), value), KINECT_20, name=name) for name, value in (("ghost", 0.0), ("dot", 1.0)))
    made = preprocess_each([good[0], ghost, good[1], dot, good[2]], BODY)
    assert [str(each).split(":")[0] for each in (made[1], made[3])] == ["ghost", "dot"]
    for clip, array in zip(good, made[::2], strict=True):
        np.testing.assert_allclose(array, preprocess(clip, BODY), atol=1e-6)
    with pytest.raises(InputError, match="ghost"):
        preprocess_all([good[0], ghost, dot], BODY)


# Real data


def test_all_of_both_data_sets(recordings):
    for clips in recordings.values():
        array = preprocess_all(clips, BODY)
        assert array.shape == (len(clips), 1, 64, 20, 3) and array.dtype == np.float32
        assert np.isfinite(array).all()
        assert np.abs(array).max() < 3  # in body sizes; the room is no larger


def test_a_trembling_body_is_smoothed_and_a_clean_one_is_left_alone_to_the_bit():
    for name, most in (("wave both hands", 0.4), ("bow", 0.25)):
        clip, rng = synthetic_clips(1, actions=[name])[0], np.random.default_rng(0)
        assert np.array_equal(steady(clip.joints, clip.layout, 30.0), clip.joints)
        for spread in (0.05, 0.1):
            noisy = clip.joints + rng.normal(0, spread, clip.joints.shape).astype(np.float32)
            smooth = steady(noisy, clip.layout, 30.0)
            assert np.abs(smooth - clip.joints).mean() < most * np.abs(noisy - clip.joints).mean()


def test_smoothing_is_no_wider_than_the_clip_however_many_frames_a_second_are_claimed():
    clip = synthetic_clips(1, actions=["bow"])[0]
    noisy = clip.joints + np.random.default_rng(0).normal(0, 0.1, clip.joints.shape)
    assert np.isfinite(steady(noisy, clip.layout, 1e13)).all()


def test_smoothing_keeps_who_is_absent_absent_and_does_not_depend_on_the_unit():
    clip = synthetic_clips(1, actions=["bow"])[0]
    noisy = clip.joints + np.random.default_rng(0).normal(0, 0.05, clip.joints.shape)
    noisy[:, 10:14] = 0
    smooth = steady(noisy, clip.layout, 30.0)
    assert not smooth[:, 10:14].any()
    assert np.allclose(steady(1000 * noisy, clip.layout, 30.0), 1000 * smooth)
    config = PreprocessConfig(steady=True)
    there = replace(clip, joints=noisy.astype(np.float32))
    assert not np.array_equal(preprocess(there, config), preprocess(there, replace(config, steady=False)))
    assert np.array_equal(preprocess(clip, config), preprocess(clip, replace(config, steady=False)))


@pytest.mark.parametrize("fps", [10.0, 15.0, 30.0])
def test_fast_movements_are_not_taken_for_noise(fps):
    frames = np.linspace(0, 47, round(1.6 * fps)).astype(int)  # 48 frames in 1.6 s
    for name in ("burpee", "jumping jack", "run", "cartwheel"):
        action = next(action for action in load_dictionary() if action.name == name)
        joints = act(action.ways[0], np.random.default_rng(0))[0][None, frames]
        assert np.array_equal(steady(joints, NTU_25, fps), joints), name
        assert not np.array_equal(steady(joints + np.random.default_rng(1).normal(0, 0.05, joints.shape), NTU_25, fps), joints)


def test_nobody_is_dragged_across_an_absence():
    clip = synthetic_clips(1, actions=["bow"])[0]
    noisy = clip.joints[:1] + np.random.default_rng(0).normal(0, 0.05, clip.joints[:1].shape)
    shift = np.array([3.0, 0, 0])
    away = np.concatenate([noisy, np.zeros_like(noisy[:, :10]), noisy + shift], axis=1)
    smooth = steady(away, clip.layout, 30.0)
    alone = steady(noisy, clip.layout, 30.0)
    assert np.abs(smooth[:, : noisy.shape[1]] - alone).max() < 0.05
    assert np.abs(smooth[:, -noisy.shape[1] :] - shift - alone).max() < 0.05
