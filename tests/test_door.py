"""The door: each remark on clips that show the fault, and none on clips that do not."""

import json
import re
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdsm.cli import main
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.convert import convert_all
from tdsm.data.door import DoorWarning, Remark, admit, examine, mend_all
from tdsm.data.layouts import COCO_17, KINECT_20, LAYOUTS, MEDIAPIPE_33, NTU_25, OPENPOSE_18, OPENPOSE_25, SMPL_22, Layout
from tdsm.data.readers import load_clips
from tdsm.data.readers.reading import Reading
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


def pixels(clips: ClipSet, layout: Layout) -> ClipSet:
    """In a picture of 1920 x 1080."""
    return changed(convert_all(clips, layout).clips, lambda joints: joints * [300, 300] + [900, 600])


def remark(clips: ClipSet, kind: str) -> Remark:
    (found,) = (one for one in examine(clips) if one.kind == kind)
    return found


def kinds(clips: ClipSet) -> list[str]:
    return [remark.kind for remark in examine(clips)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_clean_clips_pass_without_a_remark(clean, layout):
    clips = convert_all(clean, layout).clips if layout.dims == 3 else pixels(clean, layout)
    assert examine(clips) == []
    same, said = mend_all(clips)
    assert said == ()
    assert all(np.array_equal(a.joints, b.joints) for a, b in zip(same, clips, strict=True))


@given(st.floats(-np.pi, np.pi), st.floats(0.7, 1.4), st.tuples(*[st.floats(-3, 3)] * 3))
@settings(max_examples=25, deadline=None)
def test_turned_about_the_vertical_moved_and_scaled_bodies_give_no_remark(turn, size, place):
    clips = synthetic_clips(1, seed=1, actions=SEEN[:4])
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    assert kinds(changed(clips, lambda joints: size * joints @ rotation.T + place)) == []


# Handedness


@pytest.mark.parametrize("layout", SPACE, ids=lambda layout: layout.name)
def test_mirrored_bodies_and_exchanged_sides_are_named_with_their_number(clean, layout):
    clips = convert_all(clean, layout).clips
    for fault in (lambda joints: joints * [-1, 1, 1], lambda joints: joints * [1, 1, -1], lambda joints: joints[:, :, list(layout.mirror)]):
        found = remark(changed(clips, fault), "mirrored")
        assert found.clips > 0.9 * len(clips)
        assert f"{found.clips} of 20 clips" in found.what


def test_bodies_without_feet_are_judged_by_their_forearms(clean):
    def footless(joints):
        joints = joints.copy()
        joints[:, :, [15, 19]] = joints[:, :, [14, 18]]
        return joints

    clips = changed(convert_all(clean, KINECT_20).clips, footless)
    assert "mirrored" not in kinds(clips)
    assert "mirrored" in kinds(changed(clips, lambda joints: joints * [-1, 1, 1]))


def test_a_mixture_is_not_called_mirrored_as_a_whole(clean):
    half = ClipSet(clean.clips[::2] + changed(clean[1::2], lambda joints: joints * [-1, 1, 1]).clips, clean.classes)
    assert "in the others forwards" in remark(half, "mirrored").what
    assert mend_all(half)[1] == ()


def test_a_mirrored_picture_is_a_doubt_only_where_faces_are_seen(clean):
    mirrored = changed(pixels(clean, COCO_17), lambda joints: joints * [-1, 1] + [1920, 0])
    assert "read as filmed from behind" in remark(mirrored, "mirrored").what

    def faceless(joints):
        joints = joints.copy()
        joints[:, :, :5] = np.nan
        return joints

    assert "mirrored" not in kinds(changed(mirrored, faceless))


# What can be mended


def right_handers(clips: int = 12) -> ClipSet:
    """Clips in which the right arm alone moves."""
    return synthetic_clips(clips, seed=0, actions=["wave the right hand"])


@pytest.mark.parametrize(("fault", "kind", "how"), [
    (lambda joints: joints * [-1, 1, 1], ["mirrored"], "x negated"),
    (lambda joints: joints[:, :, list(NTU_25.mirror)], ["mirrored"], "left and right joints exchanged, because one-handed"),
    (lambda joints: joints[..., [0, 2, 1]] * [1, -1, 1], ["up axis"], "z becomes y"),
    (lambda joints: joints * [1, -1, 1], ["up axis", "mirrored"], "-y becomes y"),
    (lambda joints: joints * 1000, ["unit"], "divided by 1000"),
    (lambda joints: joints * 100, ["unit"], "divided by 100"),
    (lambda joints: (joints[..., [0, 2, 1]] * 1000), ["unit", "up axis", "mirrored"], "divided by 1000"),
])  # fmt: skip
def test_what_is_mended_is_what_it_was(fault, kind, how):
    clips = right_handers()
    wrong = changed(clips, fault)
    assert kinds(wrong) == kind
    mended, said = mend_all(wrong)
    assert len(said) == len(kind)
    assert any(how in line for line in said)
    assert examine(mended) == []
    for a, b in zip(mended, clips, strict=True):  # as a rigid motion leaves it: the same distances, and the same hand that waves
        assert np.allclose(distances(a), distances(b), atol=1e-3)
        assert np.argmax(travelled(a)[[6, 10]]) == np.argmax(travelled(b)[[6, 10]]) == 1


def distances(clip: Clip) -> np.ndarray:
    joints = clip.joints[0, ::10]
    return np.linalg.norm(joints[:, :, None] - joints[:, None], axis=-1)


def travelled(clip: Clip) -> np.ndarray:
    return np.linalg.norm(np.diff(clip.joints[0], axis=0), axis=-1).sum(axis=0)


def test_a_picture_with_y_up_is_turned_over(clean):
    clips = pixels(clean, COCO_17)
    wrong = changed(clips, lambda joints: joints * [1, -1] + [0, 1080])
    assert kinds(wrong) == ["up axis"]
    assert examine(mend_all(wrong)[0]) == []


@pytest.mark.parametrize("layout", [NTU_25, COCO_17], ids=lambda layout: layout.name)
def test_frames_read_as_persons_are_refused_or_mended(clean, layout):
    clips = clean if layout.dims == 3 else pixels(clean, layout)
    both = [np.concatenate([clip.joints, 0 * clip.joints]) for clip in clips]  # a second person who is absent
    for arrays in ([clip.joints for clip in clips], both):
        wrong = ClipSet(tuple(Clip(joints.swapaxes(0, 1), layout) for joints in arrays))
        assert kinds(wrong) == ["axes"]
        with pytest.raises(InputError, match=r"first axis of 20 of 20 clips is time.*swapaxes"):
            admit(wrong)
        with pytest.warns(DoorWarning, match="fixed"):
            mended = admit(wrong, fix=True)
        assert all(np.array_equal(clip.joints, joints) for clip, joints in zip(mended, arrays, strict=True))


def test_a_crowd_in_a_short_clip_is_no_film(clean):
    bodies = np.concatenate([clip.joints[:, :3] + np.array([place, 0, 0]) for place, clip in enumerate(clean)])
    assert kinds(ClipSet((Clip(bodies, NTU_25),))) == ["crowd"]


@pytest.mark.parametrize("persons", [1, 2])
@pytest.mark.parametrize("scaled", [True, False])
def test_channels_read_as_persons_are_refused_or_mended(clean, persons, scaled):
    """(N, C, T, V, M) of the GCN family with M = 2, a confidence, and one or two persons there."""
    clips = pixels(clean, OPENPOSE_18)
    wrong = []
    for clip in clips:
        second = clip.joints + np.float32([250, 0]) if persons == 2 else 0 * clip.joints
        both = np.concatenate([clip.joints, second]) / ([1920, 1080] if scaled else 1)
        sure = np.where(both.any(axis=-1, keepdims=True), 0.8, 0)
        wrong.append(Clip(np.concatenate([both, sure], axis=-1).transpose(3, 1, 2, 0), OPENPOSE_18))
    wrong = ClipSet(tuple(wrong))
    with pytest.raises(InputError, match=r"person axis in 20 of 20 clips"):
        admit(wrong)
    mended, said = mend_all(wrong)
    assert "(C, T, V, M)" in said[0]
    assert all(one.joints.shape == (2, *clip.joints.shape[1:]) for one, clip in zip(mended, clips, strict=True))
    assert np.allclose(mended[0].joints[0], clips[0].joints[0] / ([1920, 1080] if scaled else 1), atol=1e-3)


def test_an_npz_may_name_the_order_of_its_axes(clean, tmp_path):
    joints = np.stack([clip.joints[:, :40] for clip in pixels(clean, OPENPOSE_18)])  # (N, M, T, V, C)
    sure = np.ones((*joints.shape[:-1], 1))
    sure[3, :, :, 7] = 0
    gcn = np.concatenate([joints, sure], axis=-1).transpose(0, 4, 2, 3, 1)
    for order, array in (("NCTVM", gcn), ("NTVC", joints[:, 0]), ("ntmvc", joints.swapaxes(1, 2))):
        np.savez(tmp_path / "own.npz", joints=array, layout="openpose-18", order=order)
        clips = ClipSet.load(tmp_path / "own.npz")
        assert np.array_equal(clips[0].joints, joints[0])
        assert np.isnan(clips[3].joints[:, :, 7]).all() == (order == "NCTVM")
    for order, says in (("NCTV", "has 4 axes"), ("NMTVX", "order is 'NMTVX'"), ("NNTVC", "order is 'NNTVC'")):
        np.savez(tmp_path / "own.npz", joints=joints, layout="openpose-18", order=order)
        with pytest.raises(InputError, match=says):
            ClipSet.load(tmp_path / "own.npz")


# Joints, units, pictures


def test_other_joint_orders_are_named(clean):
    kinect = convert_all(clean, KINECT_20).clips
    head_first = changed(kinect, lambda joints: joints[:, :, [3, 2, 1, 0, *range(4, 20)]])
    assert "order of UTD-MHAD" in remark(head_first, "joints").what
    assert np.array_equal(mend_all(head_first)[0][0].joints, kinect[0].joints)
    picture = pixels(clean, OPENPOSE_25)
    names = list(OPENPOSE_25.joints)
    body_25b = [names.index(joint) for joint in COCO_17.joints] + [names.index("neck"), names.index("nose"), *range(19, 25)]
    other = changed(picture, lambda joints: joints[:, :, body_25b])
    assert "BODY_25B" in remark(other, "joints").what
    mended = mend_all(other)[0]
    assert np.isnan(mended[0].joints[0, :, 8]).all()
    known = [joint for joint in range(25) if joint != 8]
    assert np.array_equal(mended[0].joints[:, :, known], picture[0].joints[:, :, known])


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_joints_in_any_other_order_are_seen(clean, layout):
    clips = convert_all(clean, layout).clips if layout.dims == 3 else pixels(clean, layout)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(layout))
        found = remark(changed(clips, lambda joints, order=order: joints[:, :, order]), "joints")
        assert found.clips >= 15
        assert found.mend is None


def test_image_landmarks_are_no_world_landmarks(clean):
    world = convert_all(clean, MEDIAPIPE_33).clips
    centred = changed(world, lambda joints: joints - joints[:, :, [23, 24]].mean(axis=2, keepdims=True))
    assert examine(centred) == []
    image = changed(centred, lambda joints: joints * [0.25, 0.45, 0.25] + [0.5, 0.5, 0])
    assert kinds(image)[0] == "image landmarks"
    assert "unit" not in kinds(image)


@pytest.mark.parametrize("layout", [OPENPOSE_18, OPENPOSE_25, COCO_17], ids=lambda layout: layout.name)
def test_coordinates_that_are_no_pixels_ask_for_the_size_of_the_picture(clean, layout):
    clips = pixels(clean, layout)
    for scaled in (lambda joints: joints / [1920, 1080], lambda joints: joints / [960, 540] - 1):
        found = remark(changed(clips, scaled), "scaled")
        assert "give the size of the picture" in found.remedy
        assert "20 of 20 clips" in found.what


def test_a_unit_that_is_not_known_is_said_and_left(clean):
    small = changed(clean, lambda joints: joints / 7)
    assert "with an unknown scale" in remark(small, "unit").what
    assert mend_all(small)[1] == ()


# What the clips hold


def replaced(clips: ClipSet, row: int, **changes) -> ClipSet:
    return ClipSet(tuple(replace(clip, **changes) if one == row else clip for one, clip in enumerate(clips)), clips.classes, clips.name)


def test_joints_that_are_not_seen_are_counted_and_named(clean):
    joints = clean[3].joints.copy()
    joints[:, :, 7] = np.nan
    joints[:, :5, 11] = np.nan
    found = remark(replaced(clean, 3, joints=joints), "missing joints")
    assert found.clips == 1
    assert "missing in a whole clip and filled from other joints: left hand (1)" in found.what
    assert "right hand" not in found.what


def test_a_clip_of_which_too_little_is_seen_is_named(clean):
    joints = clean[3].joints.copy()
    joints[:, :, [0, 12, 16]] = np.nan
    found = remark(replaced(clean, 3, joints=joints), "too little seen")
    assert f"1 of 20 clips (first {clean[3].name})" in found.what


def test_a_clip_that_holds_nobody_is_left_out(clean):
    empty = replaced(clean, 3, joints=0 * clean[3].joints)
    assert f"1 of 20 clips (first {clean[3].name}): they are skipped" in remark(empty, "nobody").what
    with pytest.warns(DoorWarning, match="no body in any frame"):
        kept = admit(empty)
    assert [clip.name for clip in kept] == [clip.name for clip in clean if clip.name != clean[3].name]
    with pytest.raises(InputError, match="no body in any frame of 20 of 20 clips"):
        admit(changed(clean, lambda joints: 0 * joints))


def test_poses_and_gaps_are_named(clean):
    assert "nothing moves in 1 of 20 clips" in remark(replaced(clean, 3, joints=clean[3].joints[:, :1]), "no movement").what
    assert "nothing moves" in remark(replaced(clean, 3, joints=np.repeat(clean[3].joints[:, :1], 9, axis=1)), "no movement").what
    joints = clean[3].joints.copy()
    joints[:, 10:14] = 0
    joints[:, :2] = 0  # before anybody came: no gap
    assert "4 frames between others, in 1 of 20 clips" in remark(replaced(clean, 3, joints=joints), "gaps").what


def test_copies_are_named_and_so_is_a_copy_with_another_label(clean):
    copied = replaced(clean, 3, joints=clean[8].joints)
    found = remark(copied, "copies")
    assert found.clips == 1
    assert f"{clean[8].name} is {clean[3].name}" in found.what
    assert "1 of them with another label" in found.what


def test_labels_persons_and_frame_rates(clean):
    assert "no label in 1 of 20 clips" in remark(replaced(clean, 3, label=None), "no label").what
    numbered = remark(ClipSet(tuple(replace(clip, label=str(row % 3)) for row, clip in enumerate(clean))), "numbered")
    assert numbered.what.startswith("labels are numbers in 20 of 20 clips (0, 1, 2)")
    assert kinds(ClipSet(tuple(replace(clip, label=None) for clip in clean))) == []
    crowd = np.concatenate([clean[3].joints + np.array([shift, 0, 0]) for shift in range(4)])
    assert "up to 4" in remark(replaced(clean, 3, joints=crowd), "crowd").what
    assert "not 30 in 1 of 20 clips (30 (19), 10 (1))" in remark(replaced(clean, 3, fps=10.0), "frame rates").what
    assert "frame rates" not in kinds(replaced(clean, 3, fps=29.97))


def test_a_layout_of_which_no_body_is_known_is_examined_for_what_it_holds():
    tail = Layout("dog", ("nose", "tail", "left hip", "right hip", "left shoulder", "right shoulder"), (-1, 0, 1, 1, 0, 0), ((1,), (0,)), (2, 3), (4, 5))
    moving = np.random.default_rng(0).normal(size=(1, 5, 6, 3))
    assert kinds(ClipSet((Clip(moving, tail), Clip(moving, tail)))) == ["copies"]


# What load_clips does with them


def test_load_clips_warns_once_per_kind_and_refuses_when_strict(clean, tmp_path):
    path = changed(clean, lambda joints: joints * [-1, 1, 1]).save(tmp_path / "mirrored.npz")
    with pytest.warns(DoorWarning) as caught:
        assert len(load_clips(path)) == len(clean)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    with pytest.raises(InputError, match=r"toes or forearms point backwards in 20 of 20 clips.*tdsm prepare --fix"):
        load_clips(path, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_clips(clean.save(tmp_path / "clean.npz"), strict=True)


def test_the_command_line_says_each_doubt_in_one_line_and_mends_on_request(clean, tmp_path, monkeypatch, capsys):
    path = changed(clean, lambda joints: joints * [-1, 1, 1]).save(tmp_path / "mirrored.npz")

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["tdsm", *map(str, args)])
        code = 0
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            try:
                main()
            except SystemExit as error:
                code = error.code or 0
        return code, capsys.readouterr()

    code, said = call("prepare", path, tmp_path / "as_is.npz")
    assert code == 0
    assert re.fullmatch(r"tdsm: synthetic: the toes or forearms point backwards in 20 of 20 clips.*tdsm prepare --fix\n", said.err)
    code, said = call("prepare", path, tmp_path / "strict.npz", "--strict")
    assert code == 2
    assert said.err.count("\n") == 1
    assert not (tmp_path / "strict.npz").exists()
    for out in ("fixed.npz", "fixed"):
        code, said = call("prepare", path, tmp_path / out, "--fix")
        assert code == 0
        assert re.fullmatch(r"tdsm: synthetic: fixed: .*: x negated, left and right joints kept.*\n", said.err)
        assert all(np.array_equal(a.joints, b.joints) for a, b in zip(load_clips(tmp_path / out), clean, strict=True))
    np.savez(tmp_path / "bare.npz", joints=clean[0].joints[None], layout="ntu-25")
    code, said = call("prepare", tmp_path / "bare.npz", tmp_path / "rated.npz")
    assert "tdsm: bare: no frame rate is stated for 1 of 1 clips" in said.err
    for out in ("rated.npz", "rated"):
        code, said = call("prepare", tmp_path / "bare.npz", tmp_path / out, "--fps", "12.5")
        assert (code, said.err, load_clips(tmp_path / out)[0].fps) == (0, "", 12.5)
    code, said = call("doctor", path)
    assert "problem   synthetic: the toes or forearms point backwards" in said.out
    code, said = call("doctor", tmp_path / "fixed")
    assert "toes" not in said.out


def test_a_frame_rate_that_nothing_states_is_said_once_for_a_set_until_it_is_given(clean, tmp_path):
    for fps in ([None] * 20, [25.0] * 5 + [None] * 15):
        clips = ClipSet(tuple(Clip(clip.joints, clip.layout, clip.label, clip.subject, rate, clip.name) for clip, rate in zip(clean, fps, strict=True)))
        found = remark(clips, "assumed frame rate")
        assert f"for {fps.count(None)} of 20 clips" in found.what and "30 is assumed" in found.what and "--fps 25" in found.remedy
        assert {clip.fps for clip in clips if clip.fps_assumed} == {30.0}

    def said(path, **more):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            clips = load_clips(path, reading=Reading(progress=False, **more.pop("reading", {})), **more)
        return clips, [str(one.message) for one in caught if "frame rate is stated" in str(one.message)]

    folder = tmp_path / "folder"
    folder.mkdir()
    for row, clip in enumerate(clean):
        np.save(folder / f"{row}.npy", clip.joints)
    for column, cells in (("", [""] * 20), (",fps", [","] * 20)):
        (folder / "clips.csv").write_text("file,layout" + column + "\n" + "".join(f"{row}.npy,ntu-25{cell}\n" for row, cell in enumerate(cells)))
        clips, lines = said(folder)
        assert len(lines) == 1 and "for 20 of 20 clips (first 0.npy): 30 is assumed" in lines[0]
    np.savez(tmp_path / "bare.npz", joints=clean[0].joints[None], layout="ntu-25")
    np.save(tmp_path / "one.npy", clean[0].joints)
    (tmp_path / "poses").mkdir()
    for frame, body in enumerate(pixels(clean, OPENPOSE_18)[0].joints[0]):
        people = [{"pose_keypoints_2d": np.column_stack([body, np.ones(18)]).ravel().tolist()}]
        (tmp_path / "poses" / f"a_{frame:012}_keypoints.json").write_text(json.dumps({"people": people}))
    stored = {"store": tmp_path / "store"}
    kept = clips.save(tmp_path / "saved.npz")
    for path, layout, reading in ((folder, None, {}), (folder, None, stored), (tmp_path / "store", None, {}), (kept, None, {}),
                                  (tmp_path / "bare.npz", None, {}), (tmp_path / "one.npy", "ntu-25", {}), (tmp_path / "poses", None, {})):  # fmt: skip
        assert len(said(path, layout=layout, reading=reading)[1]) == 1, path
        if not reading:
            clips, lines = said(path, layout=layout, fps=25)
            assert (lines, {(clip.fps, clip.fps_assumed) for clip in clips}) == ([], {(25.0, False)})
    for path in (clean.save(tmp_path / "stated.npz"), clips.save(tmp_path / "given.npz")):
        assert said(path)[1] == []
        assert {clip.fps for clip in said(path, fps=50)[0]} <= {25.0, 30.0}, "fps= is only for what is not stated"
    with pytest.raises(InputError, match="fps cannot be used with a store"):
        load_clips(folder, fps=25, reading=Reading(progress=False, store=tmp_path / "other"))
    with pytest.raises(InputError, match="fps is nan"):
        load_clips(folder, fps=float("nan"))


def test_sets_of_a_sensor_of_known_rate_say_nothing(tmp_path):
    from standins import write_ucla, write_utd

    for path in (write_utd(tmp_path / "utd.zip"), write_ucla(tmp_path / "ucla.zip")):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            load_clips(path, reading=Reading(progress=False))
        assert not [one for one in caught if "frame rate is stated" in str(one.message)]


@pytest.mark.slow
def test_real_data_give_no_false_alarm(download):
    found = {}
    for name in ("utd_mhad_skeleton.zip", "nw_ucla_all_sqe.zip", "msr_action3d_real_world_coordinates.zip", "florence3d/clips.npz", "jhmdb/clips.npz"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            load_clips(download(name))
        found[name] = [str(one.message) for one in caught if issubclass(one.category, DoorWarning)]
    # 95 clips of NW-UCLA are copies of another view's, two have one frame; 15 of MSR-Action3D have frames without anybody
    assert {name: len(lines) for name, lines in found.items()} == dict(zip(found, (0, 2, 1, 0, 0), strict=True))
    assert "95 of 1,484 clips" in found["nw_ucla_all_sqe.zip"][1]
