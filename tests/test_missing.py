"""Joints that were not seen: one form inside the package, and what is made of them."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins import TINY_CLASSIFIER

from tdsm.config import PreprocessConfig
from tdsm.data.clips import Clip, ClipSet, normalised
from tdsm.data.convert import convert, convert_all
from tdsm.data.layouts import COCO_17, KINECT_20, LAYOUTS, MEDIAPIPE_33, NTU_25, OPENPOSE_18, OPENPOSE_25, Layout
from tdsm.data.missing import complete
from tdsm.data.preprocess import preprocess, preprocess_all, preprocess_usable
from tdsm.data.synthetic import SEEN, Take, perform, synthetic_clips
from tdsm.evaluate import zero_shot_report
from tdsm.recognizer import Recognizer
from tdsm.train import train_recognizer
from tdsm.util.errors import InputError
from tdsm.viz.animation import MISSING, gallery, player
from tdsm.viz.motion import save_gif
from tdsm.viz.parts import PARTS, held_still
from tdsm.viz.stills import seen_from_sensor, standard_view, strip


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


@pytest.mark.parametrize(
    ("layout", "origin", "unseen"),
    [
        (KINECT_20, ["hip centre"], []),
        (KINECT_20, ["shoulder centre"], []),
        (KINECT_20, ["left hand"], ["left hand"]),  # nobody centres a clip at a hand
        (KINECT_20, ["hip centre", "head", "right foot"], ["head", "right foot"]),
        (MEDIAPIPE_33, ["nose"], []),
        (MEDIAPIPE_33, ["left ear", "right ear"], ["left ear", "right ear"]),
        (COCO_17, ["nose"], ["nose"]),
    ],
)
def test_a_joint_at_the_origin_in_all_frames_is_one_that_the_clip_was_centred_at_or_was_not_seen(layout, origin, unseen):
    for persons in (1, 2):
        joints = body(layout, persons)
        joints[0][:, [layout.joints.index(joint) for joint in origin]] = 0
        joints[0, 4:] = 0  # there in the first four frames only
        missing = np.isnan(Clip(joints, layout).joints).all(axis=3)
        assert sorted(layout.joints[joint] for joint in np.flatnonzero(missing[0, 0])) == sorted(unseen)
        assert missing.sum() == 4 * len(unseen)


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
    once = normalised(joints, layout)
    assert normalised(once, layout) is once
    missing = np.isnan(once)
    assert (missing.all(axis=3) == missing.any(axis=3)).all()
    assert not missing[~np.nan_to_num(once).any(axis=(2, 3))].any()


def test_whole_clips_are_not_copied():
    joints = body(KINECT_20, persons=2)
    joints[1, 3:] = 0
    assert Clip(joints, KINECT_20).joints is joints


# What preprocessing makes of them

BODY = PreprocessConfig(frames=32)


def moving(layout, action="wave the right hand", frames=40):
    """A clip of one person; in pixels where the layout is 2-D."""
    clip = convert(Clip(perform(action, take=Take(frames=frames)), NTU_25), layout).clip
    return replace(clip, joints=300 * clip.joints + 600, name=action) if layout.dims == 2 else replace(clip, name=action)


def without(clip, joint, frames=slice(None), person=0):
    joints = clip.joints.copy()
    joints[person, frames, clip.layout.joints.index(joint) if isinstance(joint, str) else joint] = np.nan
    return replace(clip, joints=joints)


def change(clip, other, leave=()):
    """Mean change of the preprocessed joints, as a share of their mean size."""
    kept = [joint for joint in range(len(clip.layout)) if clip.layout.joints[joint] not in leave]
    one, two = (preprocess(each, BODY)[:, :, kept] for each in (clip, other))
    return np.abs(one - two).mean() / np.abs(one).mean()


def old_preprocess(joints, layout, frames):
    """What preprocessing gave before it knew of joints that were not seen, for one person who is always there, in three dimensions."""
    joints = joints.astype(np.float64)
    count = joints.shape[1]
    times = np.linspace(0, count - 1, frames)
    before = times.astype(int)
    weight = (times - before)[None, :, None, None]
    joints = joints[:, before] * (1 - weight) + joints[:, np.minimum(before + 1, count - 1)] * weight
    joints = joints - joints[0, 0, list(layout.torso[0])].mean(axis=0)

    def size():
        return np.median(np.linalg.norm(joints[0][:, child] - joints[0][:, parent], axis=-1).sum(axis=-1))

    child, parent = np.array(layout.bones).T
    start = joints[0, : max(1, round(frames / 10))]
    up = (start[:, list(layout.torso[1])].mean(axis=(0, 1)) - start[:, list(layout.torso[0])].mean(axis=(0, 1))) / size()
    right = (start[:, layout.shoulders[1]] - start[:, layout.shoulders[0]]).mean(axis=0) / size()
    up = up / np.linalg.norm(up)
    right = right - right @ up * up
    right = right / np.linalg.norm(right)
    joints = joints @ np.stack([right, up, np.cross(right, up)]).T
    return (joints / size()).astype(np.float32)


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout.dims == 3], ids=lambda layout: layout.name)
def test_clips_without_missing_joints_keep_their_bits(layout):
    clip = moving(layout)
    np.testing.assert_array_equal(preprocess(clip, BODY), old_preprocess(clip.joints, layout, 32))
    np.testing.assert_array_equal(complete(clip).joints, clip.joints)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_joint_lost_in_some_frames_is_interpolated_between_those_in_which_it_was_seen(layout):
    clip = moving(layout)
    joint = clip.layout.joints.index("right wrist")
    made = complete(without(clip, joint, [0, 5, 6, 39]))
    expected = clip.joints[0].astype(float)
    expected[5, joint] = (2 * expected[4, joint] + expected[7, joint]) / 3
    expected[6, joint] = (expected[4, joint] + 2 * expected[7, joint]) / 3
    expected[[0, 39], joint] = expected[[1, 38], joint]
    np.testing.assert_allclose(made.joints[0], expected, rtol=1e-6)
    assert (made.filling.bridged, made.filling.filled, made.filling.unseen) == (("right wrist",), (), 4)
    assert made.filling.positions == 40 * len(layout)
    assert "interpolated over time: right wrist" in made.filling.note


def test_interpolation_keeps_the_time_of_frames_without_the_person():
    clip = moving(KINECT_20)
    joints = clip.joints.copy()
    joints[0, :, 7] = np.arange(40)[:, None]
    joints[0, 10:13], joints[0, 13, 7] = 0, np.nan
    made = complete(replace(clip, joints=joints)).joints[0]
    np.testing.assert_allclose(made[13, 7], 13)
    assert not made[10:13].any()


@pytest.mark.parametrize("layout", [COCO_17, OPENPOSE_18, MEDIAPIPE_33], ids=lambda layout: layout.name)
def test_one_ear_never_seen_leaves_the_other_joints_where_they_are(layout):
    whole = moving(layout)
    zeros = whole.joints.copy()
    zeros[0, :, layout.joints.index("left ear")] = 0
    for never in (without(whole, "left ear"), replace(whole, joints=zeros)):
        assert change(whole, never, {"left ear"}) < 0.02
        assert complete(never).filling.filled == ("left ear",)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_joints_missing_at_random_hardly_change_the_body(layout, share):
    whole = moving(layout)
    lost = np.random.default_rng(0).random(whole.joints.shape[:3]) < share
    assert change(whole, replace(whole, joints=np.where(lost[..., None], np.nan, whole.joints))) < 0.02


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_joint_alone_may_be_one_that_was_never_seen(layout):
    whole = moving(layout)
    for joint in layout.joints:
        never = without(whole, joint)
        array = preprocess(never, BODY)
        assert np.isfinite(array).all() and change(whole, never, {joint}) < 0.15, joint
        assert complete(never).filling.filled == (joint,)


@pytest.mark.parametrize("layout", [KINECT_20, NTU_25, OPENPOSE_25], ids=lambda layout: layout.name)
def test_a_joint_inside_a_limb_is_filled_between_its_seen_neighbours(layout):
    whole = moving(layout)
    for joint, before, after in (("elbow", "shoulder", "wrist"), ("knee", "hip", "ankle"), ("wrist", "elbow", "hand"), ("ankle", "knee", "foot")):
        if f"right {after}" in layout.joints:
            ends = [whole.joints[0, :, layout.joints.index(f"right {end}")].astype(float) for end in (before, after)]
            made = complete(without(whole, f"right {joint}")).joints[0, :, layout.joints.index(f"right {joint}")]
            along = np.linalg.norm(made - ends[0], axis=1) + np.linalg.norm(ends[1] - made, axis=1)
            np.testing.assert_allclose(along, np.linalg.norm(ends[1] - ends[0], axis=1), rtol=1e-5)


def test_hips_or_shoulders_never_seen_are_filled_from_the_spine():
    whole = moving(KINECT_20)
    for part in ("hip", "shoulder"):
        never = without(without(whole, f"left {part}"), f"right {part}")
        assert change(whole, never, {f"left {part}", f"right {part}"}) < 0.05
        assert set(complete(never).filling.filled) == {f"left {part}", f"right {part}"}


def test_one_side_never_seen_is_taken_to_be_behind_the_other():
    whole = moving(COCO_17)
    never = without(without(whole, "left hip"), "left shoulder")
    made = complete(never).joints[0]
    for part in ("hip", "shoulder"):
        np.testing.assert_array_equal(made[:, COCO_17.joints.index(f"left {part}")], whole.joints[0, :, COCO_17.joints.index(f"right {part}")])
    assert np.isfinite(preprocess(never, BODY)).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(LAYOUTS), st.sampled_from(["body", "yaw", "none"]), st.booleans())
def test_nan_never_leaves_preprocessing(seed, layout, align, drop):
    rng = np.random.default_rng(seed)
    one = moving(layout, frames=int(rng.integers(1, 12)))
    joints = np.concatenate([one.joints, one.joints + 0.5])
    joints[rng.random(joints.shape[:3]) < rng.choice([0.02, 0.3, 0.8])] = np.nan
    joints[rng.random(joints.shape[:2]) < rng.choice([0, 0.5])] = 0
    joints[:, :, rng.random(len(layout)) < rng.choice([0, 0.2])] = np.nan
    config = PreprocessConfig(frames=int(rng.integers(0, 20)), bodies=int(rng.integers(1, 4)), align=align, drop_null=drop)
    try:
        array = preprocess(replace(one, joints=joints), config)
    except InputError as error:
        assert "remove" in str(error)
    else:
        assert np.isfinite(array).all() and array.any()


def mirrored(clip):
    axis = clip.layout.axes[0].nonzero()[0][0]
    joints = clip.joints[:, :, list(clip.layout.mirror)].copy()
    joints[..., axis] *= -1
    return replace(clip, joints=joints)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_filling_commutes_with_mirroring(layout):
    clip = moving(layout)
    clip = replace(clip, joints=np.where(np.random.default_rng(1).random(clip.joints.shape[:3])[..., None] < 0.2, np.nan, clip.joints))
    for never in (clip, without(clip, "left wrist"), without(without(clip, "left hip"), "right knee")):
        left, right = preprocess(mirrored(never), BODY)[0], preprocess(never, BODY)[0][:, list(layout.mirror)] * ([-1] + [1] * (layout.dims - 1))
        np.testing.assert_allclose(left, right, atol=1e-5)


def test_a_joint_of_an_unknown_layout_goes_where_its_parent_is():
    dog = Layout("dog-4", ("rump", "withers", "snout", "tail"), (-1, 0, 1, 0), ((0,), (1,)), (0, 0), (1, 1))
    joints = np.random.default_rng(0).normal(size=(1, 5, 4, 3)) + 3
    joints[0, :, 3] = np.nan
    made = complete(Clip(joints, dog))
    np.testing.assert_allclose(made.joints[0, :, 3], joints[0, :, 0], rtol=1e-6)
    assert made.filling.filled == ("tail",)


def test_converting_fills_as_preprocessing_does():
    never = without(without(moving(KINECT_20), "left elbow"), "head", [3, 4])
    made = convert(never, NTU_25)
    assert made.bridged == ("head",) and "left elbow" in made.filled and (made.unseen, made.positions) == (42, 800)
    common = [(KINECT_20.points.index(point), joint) for joint, point in enumerate(NTU_25.points) if point in KINECT_20.points]
    kinect, ntu = (list(side) for side in zip(*common, strict=True))
    flip = KINECT_20.axes.T @ NTU_25.axes
    np.testing.assert_allclose(made.clip.joints[:, :, ntu], complete(never).joints[:, :, kinect] @ flip, atol=1e-6)


# Clips of which too little is seen


def nobody(layout=KINECT_20):
    return Clip(np.zeros((1, 10, len(layout), layout.dims)), layout, "wave", name="empty")


def cut(clip):
    """Hips and everything below them outside of the picture."""
    low = [joint for joint, name in enumerate(clip.layout.joints) if name.split()[-1] in ("hip", "knee", "ankle")]
    return replace(without(clip, low), name="desk")


def test_too_little_seen_is_said():
    with pytest.raises(InputError, match=r"^desk: joints: 'left hip' cannot be placed, too many joints are missing; remove it"):
        preprocess(cut(moving(COCO_17)), BODY)
    with pytest.raises(InputError, match=r"^empty: joints: all zero, no body in any frame"):
        preprocess(nobody(), BODY)


def test_unusable_clips_are_left_out_with_one_warning():
    whole = moving(COCO_17)
    clips = ClipSet((nobody(COCO_17), replace(whole, label="wave"), cut(whole)), ("wave",), "mine")
    with pytest.warns(UserWarning, match=r"2 of 3 clips are not usable and are skipped; the first: empty: .*no body") as caught:
        x, rows = preprocess_usable(clips, BODY)
    assert len(caught) == 1
    assert rows == [1] and np.array_equal(x, preprocess_all([whole], BODY))
    assert preprocess_usable([whole, whole], BODY)[1] == [0, 1]
    with pytest.raises(InputError, match=r"clips: none of 2 is usable; the first: empty: .*no body"):
        preprocess_usable([clips[0], clips[2]], BODY)


def test_a_set_with_a_clip_that_cannot_be_converted_is_converted():
    clips = ClipSet((moving(COCO_17), cut(moving(COCO_17))))
    made = convert_all(clips, KINECT_20)
    assert made.left_out == 1
    assert [clip.joints.any() for clip in made.clips] == [True, False]
    with pytest.raises(InputError, match=r"desk: cannot be converted from coco-17 to kinect-20: no joint or rule gives"):
        convert_all(clips[1:], KINECT_20)


def test_training_and_prediction_leave_unusable_clips_out():
    clips = synthetic_clips(1)
    empty = replace(clips[0], joints=0 * clips[0].joints, name="empty")
    seen, unseen = clips.classes[:3], clips.classes[3:5]
    train = ClipSet((empty, *clips.of_classes(seen)), seen)
    with pytest.warns(UserWarning, match=r"1 of \d+ clips are not usable.*empty"):
        recognizer: Recognizer = train_recognizer(train, TINY_CLASSIFIER)
    with pytest.warns(UserWarning, match=r"1 of 3 clips are not usable.*empty"):
        answers = recognizer.predict([clips[0], empty, without(clips[1], "left wrist")], ["wave", "kick"])
    assert list(answers.clips) == [clips[0].name, clips[1].name]
    test = ClipSet((replace(empty, label=unseen[0]), *clips.of_classes(unseen)), unseen)
    with pytest.warns(UserWarning, match="are not usable"):
        report = zero_shot_report(recognizer, test)
    assert len(report.y) == len(test) - 1


# What is drawn


def holed(layout, name):
    clip = replace(moving(layout), name=name)
    joints = clip.joints.copy()
    joints[np.random.default_rng(0).random(joints.shape[:3]) < 0.1] = 0
    joints[:, :, [layout.joints.index("left wrist"), layout.joints.index("left ankle")]] = 0
    return replace(clip, joints=joints)


@pytest.mark.parametrize("layout", [COCO_17, KINECT_20], ids=lambda layout: layout.name)
def test_joints_not_seen_are_not_drawn(layout, tmp_path):
    clip = holed(layout, "holed")
    places = seen_from_sensor(clip, *standard_view(layout))[..., :2]
    assert np.isnan(places[:, :, [layout.joints.index(joint) for joint in ("left wrist", "left ankle")]]).all()
    places = places[np.isfinite(places[..., 0])]
    figure = strip(clip)
    for ax in figure.axes:
        drawn = np.concatenate([line for one in ax.collections for line in one.get_segments()])
        assert np.abs(drawn[:, None] - places).sum(axis=2).min(axis=1).max() < 1e-9  # every end is a joint that was seen
        assert len(drawn) <= 2 * len(layout.lines) - 4
    figure.savefig(tmp_path / "strip.png")
    assert save_gif(clip, tmp_path / "clip.gif").stat().st_size > 1000


def test_pages_hold_no_nan():
    for page in (player(holed(COCO_17, "picture")), player(holed(KINECT_20, "space")), gallery([holed(COCO_17, "one"), holed(KINECT_20, "two")])):
        data = re.search(r'id="clip">(.*?)</script>', page.html())[1]
        for clip in json.loads(data, parse_constant=lambda name: pytest.fail(name)):
            codes = np.frombuffer(base64.b64decode(clip["joints"]), "<i2").reshape(clip["shape"])
            assert 0.1 < (codes == MISSING).mean() < 0.4


def test_a_part_of_a_holed_body_is_held_still_where_it_was_seen():
    clip = holed(KINECT_20, "space")
    for part in PARTS:
        still = held_still(clip, part)
        np.testing.assert_array_equal(np.isnan(still.joints), np.isnan(clip.joints))


def test_a_set_shows_how_much_was_not_seen():
    clip = without(moving(KINECT_20), "left wrist", slice(0, 20))
    assert "missing joints</" in ClipSet((clip, moving(KINECT_20)))._repr_html_()
    assert "1.2%" in ClipSet((clip, moving(KINECT_20)))._repr_html_()
    assert "missing joints" not in ClipSet((moving(KINECT_20),))._repr_html_()


def test_a_joint_filled_at_exactly_the_origin_is_there():
    world = convert_all(synthetic_clips(1, seed=0, actions=SEEN[:1]), MEDIAPIPE_33).clips[0]
    left, right = MEDIAPIPE_33.hips
    joints = np.array(world.joints)
    joints[:, :, left] = -joints[:, :, right]  # MediaPipe's origin is between the hips in every frame
    joints[:, ::3, left] += 0.01  # and rounding sometimes puts it beside
    made = convert(replace(world, joints=joints), NTU_25).clip
    assert np.isfinite(made.joints).all()
    assert np.isfinite(preprocess(made, PreprocessConfig())).all()
    lost = np.array(made.joints)
    lost[:, 1::3, 0] = np.nan
    lost[:, :, 0] = np.where(np.isnan(lost[:, :, 0]), np.nan, [0, 0, 1])
    lost[:, ::3, 0] = [0, 0, -1]
    assert np.isfinite(preprocess(replace(made, joints=lost), PreprocessConfig())).all()
