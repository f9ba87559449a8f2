"""Motion files that leave something open or hold more than a body: nothing is guessed without a word, and one bad file is one line."""

from fractions import Fraction

import mocap
import numpy as np
import pytest
from test_mocap_files import loaded, message, written

from tdsm.data.clips import Clip
from tdsm.data.layouts import SMPL_22
from tdsm.data.motion_files import save_bvh, save_csv
from tdsm.data.readers import load_clips

# SMPL


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.npz"
    np.savez(path, **mocap.body_model()[0])
    return path


def smpl(**arrays):
    """An .npz of AMASS with other arrays in place of ``poses``."""
    return mocap.npz({name: array for name, array in mocap.amass().items() if name != "poses"} | arrays)


@pytest.mark.parametrize("shape", [(6, 24, 6), (6, 24, 4), (6, 24, 9), (6, 24, 3, 3), (6, 144), (6, 96), (6, 216), (6, 21, 3), (6,), ()])
def test_turns_that_are_no_axis_angles_are_refused(tmp_path, body, shape):
    said = message(load_clips, written(tmp_path / "x.npz", smpl(poses=np.full(shape, 0.1))), body_model=body)
    assert f"poses have shape {shape}" in said and "x.npz" in said and "axis-angles" in said


@pytest.mark.parametrize("shapes", [((6, 6), (6, 60)), ((6, 1, 3), (6, 21, 6)), ((6, 4), (6, 84)), ((6, 1, 3, 3), (6, 21, 3, 3)), ((6, 3), (5, 63))])
def test_parts_that_are_no_axis_angles_are_refused(tmp_path, body, shapes):
    root, rest = map(np.zeros, shapes)
    said = message(load_clips, written(tmp_path / "x.npz", smpl(global_orient=root, body_pose=rest)), body_model=body)
    assert f"global_orient and body_pose have shapes {shapes[0]} and {shapes[1]}" in said and "axis-angles" in said


@pytest.mark.parametrize("width", [66, 72, 156, 165])
def test_axis_angles_of_every_body_are_read_flat_and_by_joint(tmp_path, body, width):
    poses = np.zeros((len(mocap.WALK), 165))
    poses[:, :156] = mocap.amass()["poses"]
    forms = [{"poses": poses[:, :width]}, {"poses": poses[:, :width].reshape(len(poses), -1, 3)}]
    if width <= 72:
        forms += [{"global_orient": poses[:, :3], "body_pose": poses[:, 3:width]}]
        forms += [{"root_orient": poses[:, None, :3], "pose_body": poses[:, 3:width].reshape(len(poses), -1, 3)}]
    for form in forms:
        clips, _ = loaded(written(tmp_path / "x.npz", smpl(**form)), body_model=body)
        np.testing.assert_allclose(clips[0].joints[0], mocap.WALK, atol=1e-5)


EMPTY = {
    "parts": {"global_orient": np.zeros((0, 3)), "body_pose": np.zeros((0, 63))},
    "parts by joint": {"global_orient": np.zeros((0, 1, 3)), "body_pose": np.zeros((0, 21, 3))},
    "by joint": {"poses": np.zeros((0, 24, 3))},
    "flat": {"poses": np.zeros((0, 156))},
    "joints": {"joints": np.zeros((0, 22, 3))},
}


@pytest.mark.parametrize("arrays", EMPTY.values(), ids=EMPTY)
def test_an_empty_take_is_one_line_and_does_not_end_the_others(tmp_path, body, arrays):
    empty = written(tmp_path / "takes" / "a_empty.npz", smpl(**arrays, trans=np.zeros((0, 3))))
    said = message(load_clips, empty, body_model=body)
    assert "0 frames" in said and "a_empty.npz" in said
    written(tmp_path / "takes" / "walk.npz", mocap.npz(mocap.amass()))
    clips, said = loaded(tmp_path / "takes", body_model=body)
    assert [clip.name for clip in clips] == ["walk"]
    assert "1 recordings gave no clip" in said and "0 frames" in said


def test_the_remedy_for_parameters_says_that_it_is_given_in_python(tmp_path):
    assert "use tdsm.load_clips(path, body_model=" in message(load_clips, written(tmp_path / "x.npz", mocap.npz(mocap.amass())))


# Frames a second


def test_frames_a_second_of_the_user_win_over_those_that_no_file_states(tmp_path):
    np.save(tmp_path / "x.npy", mocap.WALK)
    clips, said = loaded(tmp_path / "x.npy")
    assert (clips[0].fps, clips[0].fps_assumed) == (20, False)
    assert "read as HumanML3D" in said and "frame rate is not stated; 20 is assumed" in said
    clips, said = loaded(tmp_path / "x.npy", fps=60)
    assert (clips[0].fps, clips[0].fps_assumed) == (60, False)
    assert "read as HumanML3D" in said and "frame rate" not in said
    for path in (tmp_path, mocap.zipped(tmp_path / "x.zip", {"new_joints/x.npy": mocap.npy(mocap.WALK)})):
        clips, said = loaded(path)
        assert clips[0].fps == 20 and "frame rate is not stated" in said
        clips, said = loaded(path, fps=60)
        assert clips[0].fps == 60 and "frame rate" not in said


def test_frames_a_second_that_a_file_states_win_over_the_users(tmp_path):
    clips, _ = loaded(written(tmp_path / "x.npz", mocap.npz({"joints": mocap.WALK, "trans": mocap.WALK[:, 0], "fps": np.array(50)})), fps=60)
    assert clips[0].fps == 50
    clips, _ = loaded(written(tmp_path / "x.npz", mocap.npz({"joints": mocap.WALK, "trans": mocap.WALK[:, 0]})), fps=60)
    assert (clips[0].fps, clips[0].fps_assumed) == (60, False)


# Tables of joints


def test_a_row_of_a_table_given_twice_is_refused(tmp_path):
    path = save_csv(mocap.CLIP, tmp_path / "x.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[2]]) + "\n")
    said = message(load_clips, path)
    assert f"x.csv row {len(lines) + 1}: " in said and "frame 1 of person 0" in said and "twice" in said
    absent = ",".join([*lines[2].split(",")[:4], *[""] * 66])
    path.write_text("\n".join([*lines, absent]) + "\n")
    assert "twice" in message(load_clips, path)


# BVH


def of_roots(*texts):
    """One BVH of several."""
    heads, rows = zip(*(text.removeprefix("HIERARCHY").split("MOTION") for text in texts), strict=True)
    frames, seconds, *numbers = zip(*(part.strip().split("\n") for part in rows), strict=True)
    return "\n".join(["HIERARCHY" + "".join(heads) + "MOTION", frames[0], seconds[0], *(" ".join(each) for each in numbers)]) + "\n"


def prop(name):
    frames = len(mocap.WALK)
    head = f"HIERARCHY\nROOT {name}\n{{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\nJOINT {name}Tip\n{{\nOFFSET 0 1 0\nCHANNELS 0\n}}\n}}\n"
    return head + f"MOTION\nFrames: {frames}\nFrame Time: 0.0333333\n" + "1 2 3\n" * frames


@pytest.mark.parametrize("first", [True, False])
def test_a_root_that_is_a_prop_is_left_out_and_named(tmp_path, first):
    roots = [mocap.bvh(), prop("Sword")]
    clips, said = loaded(written(tmp_path / "x.bvh", of_roots(*roots[:: -1 if first else 1])))
    assert clips[0].joints.shape[0] == 1
    np.testing.assert_allclose(clips[0].joints[0], mocap.WALK, atol=2e-6)
    assert "'Sword'" in said and "was skipped" in said and "left hip" in said


def test_roots_that_are_all_props_are_one_line(tmp_path):
    said = message(load_clips, written(tmp_path / "x.bvh", of_roots(prop("Sword"), prop("Ball"))))
    assert "SwordTip" in said and "known as left hip" in said
    broken = mocap.bvh().replace("LeftForeArm", "ForeArm")
    assert "known as left elbow" in message(load_clips, written(tmp_path / "x.bvh", of_roots(prop("Sword"), broken)))


# C3D

MARKERS = mocap.plug_in_gait()
UNSEEN = np.full((len(mocap.WALK), 3), np.nan)


def of_people(**people):
    return {f"{name}:{marker}": places for name, markers in people.items() for marker, places in markers.items()}


def test_a_marker_that_is_never_seen_gives_way_to_one_of_its_meaning_that_is(tmp_path):
    plain = loaded(written(tmp_path / "x.c3d", mocap.c3d(MARKERS)))[0][0].joints
    for name, more in {
        "a second marker": {"LELBM": UNSEEN},
        "another name": {"LSHO": UNSEEN, "LSHOULDER": MARKERS["LSHO"]},
        "the pelvis": {"LASI": UNSEEN, "LASIS": MARKERS["LASI"], "RASIS": MARKERS["RASI"], "LPSIS": MARKERS["LPSI"], "RPSIS": MARKERS["RPSI"]},
        "the trunk": {"CLAV": UNSEEN},
    }.items():
        clips, _ = loaded(written(tmp_path / "x.c3d", mocap.c3d(MARKERS | more)))
        seen = np.isfinite(clips[0].joints)
        np.testing.assert_array_equal(seen, np.isfinite(plain), err_msg=name)
        np.testing.assert_allclose(clips[0].joints[seen], plain[seen], atol=1e-5 if name != "the trunk" else 0.06, err_msg=name)


def test_a_marker_that_is_never_seen_and_has_no_other_leaves_its_joint_not_seen(tmp_path):
    clips, _ = loaded(written(tmp_path / "x.c3d", mocap.c3d(MARKERS | {"LELB": UNSEEN})))
    assert np.isnan(clips[0].joints[0, :, mocap.J["left elbow"]]).all()
    assert np.isfinite(clips[0].joints[0, :, mocap.J["right elbow"]]).all()


@pytest.mark.parametrize("folder", [False, True])
def test_who_is_left_out_for_a_marker_is_named_with_the_joint(tmp_path, folder):
    ben = {name: places + np.array([1, 0, 0]) for name, places in MARKERS.items() if name != "LELB"}
    path = written(tmp_path / "two.c3d", mocap.c3d(of_people(Ann=MARKERS, Ben=ben)))
    if folder:
        written(tmp_path / "a.c3d", mocap.c3d(MARKERS))
        path = tmp_path
    clips, said = loaded(path)
    assert [clip.joints.shape[0] for clip in clips] == [1] * len(clips) and len(clips) == 1 + folder
    assert "two.c3d: " in said and "'Ben' was skipped" in said and "left elbow" in said and "'Ann'" not in said


def test_markers_of_nobody_are_no_person_that_was_left_out(tmp_path):
    clips, said = loaded(written(tmp_path / "x.c3d", mocap.c3d(of_people(Ann=MARKERS) | {"*101": MARKERS["C7"], "stick": MARKERS["LKNE"]})))
    assert clips[0].joints.shape[0] == 1 and "left out" not in said


# Which way is up

UP_Z = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # from y up to z up
SIDEWAYS = np.array([[0, 1.0, 0], [-1, 0, 0], [0, 0, 1]])  # y becomes -x
SUPINE = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # y becomes -z
SHOWN = "upward axis"


def of_markers(turn=None):
    return mocap.c3d({name: places if turn is None else places @ turn.T for name, places in MARKERS.items()})


@pytest.mark.parametrize("turn", [SIDEWAYS, SUPINE])
def test_y_up_is_said_where_nobody_stands(tmp_path, turn):
    clips, said = loaded(written(tmp_path / "x.c3d", of_markers(turn)))
    assert "do not show the upward axis; y is assumed" in said
    plain = loaded(written(tmp_path / "y.c3d", of_markers()))
    assert SHOWN not in plain[1]
    seen = np.isfinite(clips[0].joints)
    np.testing.assert_allclose(clips[0].joints[seen], (plain[0][0].joints @ turn.T)[seen], atol=1e-5)


def test_y_up_is_said_of_somebody_who_lies_though_the_resting_pose_stands(tmp_path):
    local = mocap.TURNS.copy()
    local[:, 0] = SIDEWAYS @ local[:, 0]
    _, said = loaded(written(tmp_path / "x.bvh", mocap.bvh(local=local)))
    assert "do not show the upward axis; y is assumed" in said and "rest pose" in said


@pytest.mark.parametrize("zipped", [False, True])
def test_takes_of_one_folder_agree_on_what_is_up(tmp_path, zipped):
    """In a session with z up somebody lies along y, in one with y up along z, and in both along x: read alone, these would get other axes."""
    for up, turns in {"z": (UP_Z, UP_Z, None, SIDEWAYS), "y": (None, None, UP_Z, SIDEWAYS)}.items():
        files = {f"take{number}.c3d": of_markers(turn) for number, turn in enumerate(turns)}
        for name, content in files.items():
            written(tmp_path / up / name, content)
        clips, said = loaded(mocap.zipped(tmp_path / f"{up}.zip", files) if zipped else tmp_path / up)
        plain = loaded(written(tmp_path / "plain.c3d", of_markers()))[0][0].joints
        seen = np.isfinite(plain)
        for clip, turn in zip(clips, turns, strict=True):
            whole = np.eye(3) if turn is None else turn
            wanted = plain @ (np.linalg.inv(UP_Z) @ whole if up == "z" else whole).T
            np.testing.assert_allclose(clip.joints[seen], wanted[seen], atol=1e-5, err_msg=f"{up}, {clip.name}")
        assert f"{up} in 2 of 3 takes" in said and f"{up} is taken as the upward axis of all" in said


def test_kinds_of_files_in_a_folder_are_judged_apart(tmp_path):
    for name, content in {"a.bvh": mocap.bvh(), "b.bvh": mocap.bvh(), "c.c3d": of_markers(UP_Z)}.items():
        written(tmp_path / name, content)
    clips, said = loaded(tmp_path)
    assert ".c3d: " in said and "z is taken as the upward axis" in said and "y is taken" not in said
    for clip in clips:
        assert np.ptp(clip.joints[0, 0, [mocap.J["neck"], mocap.J["left ankle"]], 1]) > 0.9


def test_a_folder_in_which_nobody_stands_says_that_y_was_taken(tmp_path):
    for name in ("a", "b"):
        written(tmp_path / f"{name}.c3d", of_markers(SIDEWAYS))
    assert "do not show the upward axis; y is assumed" in loaded(tmp_path)[1]


# Out


@pytest.mark.parametrize("fps", [np.float32(30), np.float64(30), Fraction(30)])
def test_frames_a_second_of_any_type_are_written_as_a_number(tmp_path, fps):
    text = save_bvh(Clip(mocap.WALK, SMPL_22, fps=fps), tmp_path / "x.bvh").read_text()
    assert f"Frame Time: {1 / 30!r}\n" in text
    assert loaded(tmp_path / "x.bvh")[0][0].fps == 30
