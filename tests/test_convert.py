"""Converting bodies: what has a counterpart survives, what has none is named, nobody is mirrored or put on the head."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tdsm.config import PreprocessConfig
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.convert import brought_to, convert, convert_all
from tdsm.data.layouts import BODY_15, COCO_17, KINECT_20, LAYOUTS, MEDIAPIPE_33, NTU_25, OPENPOSE_18, OPENPOSE_25, SMPL_22, Layout
from tdsm.data.missing import RECIPES
from tdsm.data.preprocess import align, preprocess
from tdsm.data.synthetic import Take, perform, synthetic_clips
from tdsm.util.errors import InputError

SPACE = [layout for layout in LAYOUTS if layout.dims == 3]
PICTURE = [layout for layout in LAYOUTS if layout.dims == 2]
PAIRS = list(itertools.permutations(LAYOUTS, 2))
of_each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
of_each_pair = pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda layout: layout.name)


def recorded(layout=NTU_25, label="wave the right hand", yaw=20.0):
    """A synthetic person who faces the sensor, in any layout."""
    clip = Clip(perform(label, take=Take(frames=12, yaw=yaw)), NTU_25, label, "p4", 25.0, "waving")
    return convert(clip, layout).clip


def of(clip, joint):
    """(T, C) of a joint of the first person."""
    return clip.joints[0, :, clip.layout.joints.index(joint)]


def at(clip, point):
    return clip.joints[0, :, clip.layout.points.index(point)]


def mirrored(clip):
    """The mirror image: left and right change their names, the viewer's left and right change places."""
    joints = clip.joints[:, :, list(clip.layout.mirror)] * np.array([-1] + [1] * (clip.layout.dims - 1), np.float32)
    return Clip(joints, clip.layout)


def bones(clip):
    """Mean length of each bone of the first person."""
    child, parent = np.array(clip.layout.bones).T
    return np.linalg.norm(clip.joints[0][:, child] - clip.joints[0][:, parent], axis=-1).mean(0)


# The tables


@of_each_layout
def test_every_joint_stands_at_a_point_of_its_own_side(layout):
    assert len(set(layout.points)) == len(layout)
    assert set(layout.anatomy) <= set(layout.joints)
    for joint, other in enumerate(layout.mirror):
        assert layout.points[other] == layout.points[joint].replace("left", "LEFT").replace("right", "left").replace("LEFT", "right")
    for child, parent in layout.bones:
        assert {layout.joints[child].split()[0], layout.joints[parent].split()[0]} != {"left", "right"}
        assert layout.parents[layout.mirror[child]] == layout.mirror[parent]


def test_layouts_agree_on_the_order_of_public_formats():
    assert [OPENPOSE_25.joints[joint] for joint in (0, 1, 4, 8, 9, 14, 19, 21, 24)] == [
        "nose", "neck", "right wrist", "middle hip", "right hip", "left ankle", "left big toe", "left heel", "right heel",
    ]  # fmt: skip
    assert [MEDIAPIPE_33.joints[joint] for joint in (0, 7, 11, 16, 19, 23, 28, 31)] == [
        "nose", "left ear", "left shoulder", "right wrist", "left index", "left hip", "right ankle", "left foot index",
    ]  # fmt: skip
    assert [SMPL_22.joints[joint] for joint in (0, 1, 3, 5, 10, 12, 13, 15, 21)] == [
        "pelvis", "left hip", "spine 1", "right knee", "left foot", "neck", "left collar", "head", "right wrist",
    ]  # fmt: skip


@of_each_layout
def test_the_lines_of_a_picture_hang_together_and_join_both_sides(layout):
    reached, edges = {0}, [set(line) for line in layout.lines]
    for _ in layout.joints:
        reached |= set().union(*(edge for edge in edges if edge & reached))
    assert reached == set(range(len(layout)))
    across = {frozenset(pair) for pair in (layout.hips, layout.shoulders)} & {frozenset(edge) for edge in edges}
    assert len(across) == {"coco-17": 2, "mediapipe-33": 2, "openpose-18": 1}.get(layout.name, 0)


@of_each_layout
def test_axes_are_right_handed_in_space_and_upright(layout):
    right, up, away = layout.axes
    assert up[layout.up[0]] == layout.up[1]
    if layout.dims == 3:
        np.testing.assert_array_equal(np.cross(away, up), right)
        assert np.linalg.det(layout.axes) == pytest.approx(-1)  # (right, up, away) is left-handed, as pictures with depth are
    else:
        assert not away.any()


def test_weights_of_every_recipe_sum_to_one_and_are_the_same_on_both_sides():
    for point, recipes in RECIPES.items():
        assert all(sum(recipe.values()) == pytest.approx(1) for recipe in recipes), point

    def other(point):
        side, _, rest = point.partition(" ")
        return {"left": f"right {rest}", "right": f"left {rest}"}.get(side, point)

    for point, recipes in RECIPES.items():
        assert RECIPES[other(point)] == tuple({other(part): weight for part, weight in recipe.items()} for recipe in recipes), point


# Any body to any body


@of_each_pair
def test_counterparts_survive_and_everything_else_is_named(source, target):
    clip = recorded(source)
    made = convert(clip, target)
    assert (made.source, made.target, made.flat) == (source.name, target.name, source.dims < target.dims)
    assert (made.clip.label, made.clip.subject, made.clip.fps, made.clip.name) == ("wave the right hand", "p4", 25.0, "waving")
    assert set(made.filled) == {joint for joint, point in zip(target.joints, target.points, strict=True) if point not in source.points}
    for point in set(source.points) & set(target.points):
        before, after = at(clip, point) @ source.axes.T, at(made.clip, point) @ target.axes.T
        depth = 3 if min(source.dims, target.dims) == 3 else 2
        np.testing.assert_allclose(after[:, :depth], before[:, :depth], atol=2e-6)
        assert depth == 3 or not after[:, 2].any()


@pytest.mark.parametrize("target", LAYOUTS[1:], ids=lambda layout: layout.name)
def test_there_and_back_again_keeps_counterparts_and_puts_the_rest_within_a_hand(target):
    clip = recorded()
    back = convert(convert(clip, target).clip, NTU_25).clip
    for joint, point in zip(NTU_25.joints, NTU_25.points, strict=True):
        apart = (of(back, joint) - of(clip, joint))[:, : target.dims]
        near = 0.13 if "foot" in joint and target is BODY_15 else 0.07  # nothing in it says which way a foot points
        assert np.linalg.norm(apart, axis=1).max() < (2e-6 if point in target.points else near), joint


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(SPACE, 2)), ids=lambda layout: layout.name)
def test_limbs_keep_their_lengths_and_all_bones_are_human(source, target):
    made = convert(recorded(source), target).clip
    lengths = dict(zip(target.bones, bones(made), strict=True))
    for child, parent, low, high in (("knee", "hip", 0.35, 0.5), ("ankle", "knee", 0.35, 0.5), ("elbow", "shoulder", 0.2, 0.35), ("wrist", "elbow", 0.2, 0.3)):
        for side in ("left", "right"):
            assert low < lengths[target.joints.index(f"{side} {child}"), target.joints.index(f"{side} {parent}")] < high
    assert max(lengths.values()) < 0.6


@of_each_layout
def test_a_person_who_faces_the_viewer_has_the_left_on_the_viewers_right(layout):
    clip = recorded(layout)
    for joint in layout.joints:
        if joint.startswith("left ") and not any(arm in joint for arm in ("wrist", "hand", "thumb", "index", "pinky")):
            left, right = (of(clip, f"{side} {joint[5:]}") @ layout.axes.T for side in ("left", "right"))
            assert (left[:, 0] > right[:, 0]).all(), joint
    heights = [(of(clip, f"left {part}") @ layout.axes.T)[:, 1] for part in ("ankle", "knee", "hip", "shoulder")]
    assert (np.diff(heights, axis=0) > 0).all()


@pytest.mark.parametrize(("layout", "left", "up", "front"), [(KINECT_20, -1, 1, -1), (MEDIAPIPE_33, 1, -1, -1), (SMPL_22, 1, 1, 1), (COCO_17, 1, -1, 0)])
def test_where_the_formats_put_a_person_who_faces_the_viewer(layout, left, up, front):
    """Signs of x, y and z towards the person's left, head and front, as the makers of the formats have them."""
    clip = recorded(layout, yaw=0.0)
    lengths = [of(clip, "left hip") - of(clip, "right hip"), of(clip, "left hip") - of(clip, "left ankle")]
    signs = [np.sign(lengths[0][:, 0]), np.sign(lengths[1][:, 1])]
    if layout.dims == 3:
        toes = "left foot index" if layout is MEDIAPIPE_33 else "left foot"
        signs.append(np.sign((of(clip, toes) - of(clip, "left ankle"))[:, 2]))
    for sign, want in zip(signs, (left, up, front), strict=False):
        assert (sign == want).all()


def test_the_raised_hand_stays_the_right_one():
    for source, target in PAIRS:
        made = convert(recorded(source, "raise the right arm"), target).clip
        height = {side: (of(made, f"{side} wrist") @ target.axes.T)[6, 1] for side in ("left", "right")}
        assert height["right"] > height["left"] + 0.5, (source.name, target.name)


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(SPACE, 2)), ids=lambda layout: layout.name)
def test_converting_commutes_with_turning_and_moving(source, target):
    clip = recorded(source)
    turn, place = np.radians(70), np.array([0.4, -0.2, 1.5])  # of the viewer's right, up and away
    round_up = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])

    def elsewhere(clip):
        axes = clip.layout.axes
        return Clip((clip.joints @ axes.T @ round_up.T + place) @ axes, clip.layout)

    np.testing.assert_allclose(convert(elsewhere(clip), target).clip.joints, elsewhere(convert(clip, target).clip).joints, atol=1e-5)


@of_each_pair
def test_converting_commutes_with_mirroring_and_scaling(source, target):
    clip = recorded(source)
    once = convert(clip, target).clip
    np.testing.assert_allclose(convert(mirrored(clip), target).clip.joints, mirrored(once).joints, atol=1e-5)
    np.testing.assert_allclose(convert(Clip(100 * clip.joints, source), target).clip.joints, 100 * once.joints, atol=1e-3)


@of_each_pair
def test_preprocessing_makes_every_converted_body_upright_with_the_right_shoulder_on_plus_x(source, target):
    joints = preprocess(convert(recorded(source, yaw=-25.0), target).clip, PreprocessConfig(frames=8, bodies=1, align="body"))[0]
    lower, upper = (joints[:, list(end)].mean(1) for end in target.torso)
    left, right = (joints[:, index] for index in target.shoulders)
    assert ((upper - lower)[:, 1] > 0.9 * np.linalg.norm(upper - lower, axis=1)).all()
    assert ((right - left)[:, 0] * (1 if target.dims == 3 else -1) > 0).all()  # a picture is not turned about the vertical: the person faces us


@pytest.mark.parametrize("source", PICTURE, ids=lambda layout: layout.name)
@pytest.mark.parametrize("target", SPACE, ids=lambda layout: layout.name)
@pytest.mark.parametrize("yaw", [0.0, 180.0])
def test_a_picture_becomes_a_flat_body_that_is_never_mirrored(source, target, yaw):
    waving = Clip(600 + 200 * recorded(source, "raise the right arm", yaw).joints, source)
    made = convert(waving, target)
    assert made.flat
    assert "depth missing" in made.note
    assert np.ptp(made.clip.joints[..., 2]) == 0
    joints = align(made.clip.joints - made.clip.joints[:, :, :1], target, "body")[0]
    index = target.joints.index
    reach = joints[6] - joints[6, list(target.torso[0])].mean(0)
    assert reach[index("right wrist"), 1] > reach[index("left wrist"), 1]
    assert reach[index("right elbow"), 0] > 0 > reach[index("left elbow"), 0]


def test_the_same_layout_is_untouched_even_where_joints_are_lost():
    joints = recorded(COCO_17).joints.copy()
    joints[0, 3, 7] = 0
    clip = Clip(joints, COCO_17)
    made = convert(clip, COCO_17)
    assert np.isnan(clip.joints[0, 3, 7]).all()
    assert made.clip is clip
    assert (made.filled, made.bridged, made.flat, made.left_out, made.note) == ((), (), False, 0, "")


def test_what_the_note_says():
    note = convert(recorded(KINECT_20), NTU_25).note
    assert note.startswith("converted from kinect-20 to ntu-25: 6 joints filled from their neighbours (spine middle, neck, left hand tip,")
    assert "depth" not in note
    assert convert(recorded(OPENPOSE_25), COCO_17).note == "converted from openpose-25 to coco-17: every joint has its counterpart"


# Absent persons and lost joints


@pytest.mark.parametrize("target", [NTU_25, OPENPOSE_25, MEDIAPIPE_33], ids=lambda layout: layout.name)
def test_absent_persons_stay_absent(target):
    one = recorded(COCO_17).joints
    both = np.concatenate([one, one, 0 * one])
    both[1, 4:] = 0
    made = convert(Clip(both, COCO_17), target)
    present = made.clip.joints.any(axis=(2, 3))
    assert present.tolist() == [[True] * 12, [True] * 4 + [False] * 8, [False] * 12]
    assert made.left_out == 0


def test_a_joint_at_the_origin_of_space_does_not_count_as_lost_in_a_picture():
    clip = recorded(SMPL_22)
    rooted = Clip(clip.joints - clip.joints[:, :, :1], SMPL_22)
    picture = convert(rooted, OPENPOSE_25)
    assert picture.clip.joints.any(axis=-1).all()
    assert convert(picture.clip, NTU_25).bridged == ()


def test_a_joint_lost_in_some_frames_is_drawn_through_time_and_named():
    clip = recorded(OPENPOSE_18)
    wrist = OPENPOSE_18.joints.index("right wrist")
    joints = 300 + 100 * clip.joints
    joints[0, :, wrist] = np.arange(24).reshape(12, 2) + 50.0
    whole = convert(Clip(joints, OPENPOSE_18), NTU_25)
    joints[0, [3, 4, 7], wrist] = 0
    made = convert(Clip(joints, OPENPOSE_18), NTU_25)
    assert (whole.bridged, made.bridged, made.filled) == ((), ("right wrist",), whole.filled)
    np.testing.assert_allclose(made.clip.joints, whole.clip.joints, rtol=1e-5, atol=1e-3)
    joints[0, 10:, wrist] = 0
    held = of(convert(Clip(joints, OPENPOSE_18), COCO_17).clip, "right wrist")
    np.testing.assert_allclose(held[9:], np.tile(held[9], (3, 1)))


def test_frames_without_the_person_are_not_drawn_through():
    joints = 300 + 100 * recorded(OPENPOSE_18).joints
    joints[0, 4:6] = 0
    made = convert(Clip(joints, OPENPOSE_18), NTU_25)
    assert made.bridged == ()
    assert not made.clip.joints[0, 4:6].any()


def test_joints_that_are_never_seen_are_filled_and_named():
    joints = 300 + 100 * recorded(OPENPOSE_25).joints
    legs = [joint for joint, name in enumerate(OPENPOSE_25.joints) if name.split()[-1] in ("knee", "ankle", "toe", "heel")]
    ear, hip = (OPENPOSE_25.joints.index(name) for name in ("left ear", "left hip"))
    joints[0][:, [*legs, ear, hip]] = 0
    made = convert(Clip(joints, OPENPOSE_25), NTU_25)
    whole = convert(Clip(300 + 100 * recorded(OPENPOSE_25).joints, OPENPOSE_25), NTU_25)
    assert set(made.filled) - set(whole.filled) == {f"{side} {part}" for side in ("left", "right") for part in ("knee", "ankle")} | {"left hip"}
    up = NTU_25.axes[1]
    for side in ("left", "right"):
        assert (of(made.clip, f"{side} hip") @ up > of(made.clip, f"{side} knee") @ up + 20).all()
        assert (of(made.clip, f"{side} knee") @ up > of(made.clip, f"{side} ankle") @ up + 20).all()
    np.testing.assert_allclose(of(made.clip, "left hip") - of(made.clip, "spine base"), of(made.clip, "spine base") - of(made.clip, "right hip"), atol=1e-3)


def test_a_person_without_shoulders_is_left_out_and_a_clip_of_such_persons_refused():
    whole = 300 + 100 * recorded(COCO_17).joints
    cut = whole.copy()
    cut[0][:, 5:7] = 0
    made = convert(Clip(np.concatenate([whole, cut]), COCO_17), NTU_25)
    assert made.left_out == 1
    assert "persons removed" in made.note
    assert made.clip.joints.any(axis=(1, 2, 3)).tolist() == [True, False]
    with pytest.raises(InputError, match=r"desk\.npy: cannot be converted from coco-17 to ntu-25: no joint or rule gives '.*'; give clips with hips"):
        convert(Clip(cut, COCO_17, name="desk.npy"), NTU_25)


# Bad input, sets, real recordings


def test_a_layout_that_nothing_leads_to_is_refused():
    dog = Layout("dog-2", ("nose", "tail"), (-1, 0), ((1,), (0,)), (0, 1), (0, 1))
    for clip, target in ((recorded(), dog), (Clip(np.ones((3, 2, 3)), dog, name="rex"), NTU_25)):
        with pytest.raises(InputError, match=r"cannot be converted from .* to .*: no joint or rule gives '.*'"):
            convert(clip, target)


def test_infinite_numbers_never_reach_a_conversion():
    joints = recorded().joints.copy()
    joints[0, 2, 5] = np.inf
    with pytest.raises(InputError, match=r"infinite.*first at person 0, frame 2, joint 5 \(left elbow\)"):
        convert(Clip(joints, NTU_25), KINECT_20)


def test_a_set_is_converted_as_its_clips_and_gathers_what_was_made_up():
    clips = [Clip(300 + 100 * recorded(COCO_17).joints, COCO_17, label, name=label) for label in ("wave", "jump")]
    clips[1].joints[0, 2, 9] = np.nan
    clips[1].joints[0, :, 15] = np.nan
    made = convert_all(ClipSet(tuple(clips), ("jump", "wave", "sit"), "mine"), NTU_25)
    assert (made.clips.name, made.clips.classes, made.clips.layout) == ("mine", ("jump", "wave", "sit"), NTU_25)
    assert made.bridged == ("left wrist",)
    assert made.filled == tuple(joint for joint in NTU_25.joints if joint in {*convert(clips[0], NTU_25).filled, "left ankle"})
    for before, after in zip(clips, made.clips, strict=True):
        np.testing.assert_allclose(after.joints, convert(before, NTU_25).clip.joints, atol=1e-6)
    assert made.flat


def test_a_real_kinect_body_has_the_proportions_of_a_kinect_2_body(recordings):
    clips = recordings["utd"].clips[::90]
    real = np.median([bones(convert(clip, NTU_25).clip) for clip in clips], axis=0)
    model = np.median([bones(clip) for clip in synthetic_clips(1, actions=["wave the left hand", "bow", "walk on the spot"])], axis=0)
    for (child, _), have, want in zip(NTU_25.bones, real / real.sum(), model / model.sum(), strict=True):
        assert 0.6 * want < have < 1.4 * want, NTU_25.joints[child]
    assert 3.8 < real.sum() < 4.8  # metres


def test_a_set_and_the_name_of_a_layout_are_accepted():
    clips = synthetic_clips(1, seed=0, actions=["bow", "jump"])
    by_name, one_by_one = convert(clips, "kinect-20"), convert_all(clips, KINECT_20)
    assert by_name.note == one_by_one.note
    assert all((a.joints == b.joints).all() for a, b in zip(by_name.clips, one_by_one.clips, strict=True))
    with pytest.raises(InputError, match=r"no layout .kinect.*kinect-20"):
        convert(clips[0], "kinect")


def test_clips_of_many_bodies_are_brought_to_one_in_their_order():
    given = [recorded(layout, label) for label in ("bow", "jump") for layout in (KINECT_20, COCO_17, BODY_15)]
    brought, lines = brought_to(given, BODY_15)
    assert [clip.label for clip in brought] == ["bow"] * 3 + ["jump"] * 3
    for before, after in zip(given, brought, strict=True):
        assert after.layout == BODY_15
        np.testing.assert_array_equal(after.joints, convert(before, BODY_15).clip.joints)
    assert brought[2] is given[2]
    assert lines == [convert(given[0], BODY_15).note, convert(given[1], BODY_15).note]
    assert "depth missing" not in lines[0]
    assert "depth missing and set to 0" in lines[1]


@pytest.mark.parametrize("given", [[], [recorded(BODY_15), recorded(BODY_15, "jump")]], ids=["nothing", "all there"])
def test_nothing_to_bring_is_nothing_to_say(given):
    brought, lines = brought_to(given, BODY_15)
    assert lines == []
    assert len(brought) == len(given)
    assert all(after is before for before, after in zip(given, brought, strict=True))
    assert brought is not given


def test_a_line_gathers_what_was_made_up_for_all_clips_of_its_body():
    lost = 300 + 100 * recorded(COCO_17).joints
    lost[0, 3, 9] = np.nan
    given = [Clip(300 + 100 * recorded(COCO_17).joints, COCO_17), recorded(), Clip(lost, COCO_17)]
    _, lines = brought_to(given, BODY_15)
    assert lines[0] == convert_all(ClipSet((replace(given[0], label="a"), replace(given[2], label="b")), ("a", "b")), BODY_15).note
    assert "interpolated over time: left wrist" in lines[0]
    assert lines[1:] == ["converted from ntu-25 to body-15: every joint has its counterpart"]


def test_a_clip_that_cannot_be_brought_is_empty_beside_one_that_can_and_refused_alone():
    whole = 300 + 100 * recorded(COCO_17).joints
    cut = whole.copy()
    cut[0][:, 5:7] = 0
    desk, room = Clip(cut, COCO_17, name="desk.npy"), Clip(whole, COCO_17)
    brought, (line,) = brought_to([desk, room, recorded()], NTU_25)
    assert [bool(clip.joints.any()) for clip in brought] == [False, True, True]
    assert "persons removed because too many joints are missing: 1" in line
    with pytest.raises(InputError, match=r"^desk\.npy: cannot be converted from coco-17 to ntu-25: no joint or rule gives"):
        brought_to([recorded(), desk], NTU_25)


@of_each_layout
def test_clips_converted_together_are_what_each_is_alone(layout):
    """Of one or two persons, some of whom are absent for a while, or have joints that were not seen now and then, or never."""
    clips = []
    for number, clip in enumerate(synthetic_clips(1)[:6]):
        joints = np.concatenate([clip.joints, clip.joints + 1])[: 1 + number % 2, : 20 + number].copy()
        joints[-1, 3:6] = 0
        if number % 3 == 1:
            joints[:, 7:9, 2] = np.nan
        if number % 3 == 2:
            joints[:, :, [3, 20 - number]] = np.nan
        clips.append(replace(clip, joints=np.where(joints.any(axis=(2, 3), keepdims=True), joints, 0)))
    together = convert_all(ClipSet(tuple(clips)), layout)
    each = [convert(clip, layout) for clip in clips]
    for clip, alone in zip(together.clips, each, strict=True):
        np.testing.assert_allclose(clip.joints, alone.clip.joints, atol=1e-6, rtol=1e-6)
        assert (clip.layout, clip.label, clip.subject, clip.fps, clip.name) == (
            layout,
            *(getattr(alone.clip, key) for key in ("label", "subject", "fps", "name")),
        )
    assert together.unseen == sum(alone.unseen for alone in each)
    assert set(together.filled) == {joint for alone in each for joint in alone.filled}
