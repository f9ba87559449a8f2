"""Motion files are read as their formats mean them: known turns give known places, names and markers their joints, and bad files one line."""

import itertools
import warnings

import mocap
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mocap import CLIP, TURNS, WALK, J
from scipy.spatial.transform import Rotation

from tdsm.catalogue.doctor import inspect
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.convert import convert
from tdsm.data.examples import example_clips
from tdsm.data.layouts import BODY_15, COCO_17, SMPL_22
from tdsm.data.motion_files import save_bvh, save_csv
from tdsm.data.readers import asf_amc, bvh, load_clips, takes
from tdsm.data.readers.c3d import parse_c3d
from tdsm.data.readers.humanml3d import joints_of_vectors
from tdsm.data.readers.joint_names import joints_by_name
from tdsm.data.readers.reading import Reading
from tdsm.data.readers.smpl_npz import load_body_model
from tdsm.util.errors import InputError
from tdsm.viz.export import export

QUIET = Reading(progress=False)
UNIT = "its unit is not stated"
Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # from y up to z up


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 900
    return str(caught.value)


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def loaded(path, *args, **kwargs):
    """The clips and what was said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clips = load_clips(path, *args, reading=QUIET, **kwargs)
    return clips, " | ".join(str(one.message) for one in caught)


def assert_walk(clip, atol=2e-6, lacking=()):
    lost = np.isnan(clip.joints[0, 0]).any(axis=1)
    assert {SMPL_22.joints[joint] for joint in np.flatnonzero(lost)} == set(lacking)
    np.testing.assert_allclose(clip.joints[0][:, ~lost], WALK[: clip.frames, ~lost], atol=atol)


# BVH

ARM = """HIERARCHY
ROOT Upper
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition {order}
  JOINT Lower
  {{
    OFFSET {offset}
    CHANNELS {channels}
    End Site
    {{
      OFFSET 9 9 9
    }}
  }}
}}
MOTION
Frames: 1
Frame Time: 0.025
{row}
"""


@pytest.mark.parametrize(("order", "row", "offset", "place"), [
    ("Zrotation Xrotation Yrotation", "0 0 0 90 0 0", "1 0 0", (0, 1, 0)),  # Rz takes x to y
    ("Zrotation Xrotation Yrotation", "0 0 0 90 90 0", "0 1 0", (0, 0, 1)),  # Rz Rx: x first takes y to z, which z leaves
    ("Xrotation Zrotation Yrotation", "0 0 0 90 90 0", "0 1 0", (-1, 0, 0)),  # Rx Rz: z first takes y to -x, which x leaves
    ("Zrotation Xrotation Yrotation", "0 0 0 90 0 90", "0 0 1", (0, 1, 0)),  # Rz Ry: y first takes z to x, then z that to y
    ("Yrotation Xrotation Zrotation", "5 6 7 90 0 0", "0 0 2", (7, 6, 7)),  # Ry takes z to x, from where the root is
])  # fmt: skip
def test_a_bone_stands_where_its_turns_by_hand_lead_it(order, row, offset, place):
    text = ARM.format(order=order, offset=offset, channels="3 Zrotation Xrotation Yrotation", row=f"{row} 11 12 13")
    joints, rows, fps = bvh.parse_bvh(text.encode(), "arm.bvh")
    assert fps == pytest.approx(40)
    np.testing.assert_allclose(bvh.pose(joints, rows, [1])[0, 0], place, atol=1e-12)


def test_position_channels_take_the_place_of_the_offset_and_may_come_after_the_turns():
    text = ARM.format(order="Zrotation Yrotation Xrotation", offset="1 2 3", channels="4 Yposition Zrotation Yrotation Xrotation", row="0 0 0 90 0 0 5 0 0 0")
    joints, rows, _ = bvh.parse_bvh(text.encode(), "arm.bvh")
    np.testing.assert_allclose(bvh.pose(joints, rows, [1])[0, 0], [-5, 1, 3], atol=1e-12)  # (1, 5, 3), turned by 90 degrees about z
    turned = text.replace("Xposition Yposition Zposition Zrotation Yrotation Xrotation", "Zrotation Yrotation Xrotation Xposition Yposition Zposition")
    joints, rows, _ = bvh.parse_bvh(turned.replace("0 0 0 90 0 0 5", "90 0 0 0 0 0 5").encode(), "arm.bvh")
    np.testing.assert_allclose(bvh.pose(joints, rows, [1])[0, 0], [-5, 1, 3], atol=1e-12)


@pytest.mark.parametrize("family", mocap.NAMES)
def test_joints_are_known_by_the_names_of_exporters(tmp_path, family):
    names = mocap.NAMES[family]
    clips, said = loaded(written(tmp_path / "walk.bvh", mocap.bvh(names)))
    assert (clips.layout, clips[0].name, clips[0].label) == (SMPL_22, "walk", None)
    lacking = {joint for joint, name in names.items() if name is None} | ({"left collar", "right collar"} if family == "Acclaim" else set())
    assert_walk(clips[0], lacking=lacking)
    assert UNIT in said and "centimetres" in said
    mirrored = {joint: names[joint.replace("left", "?").replace("right", "left").replace("?", "right")] for joint in names}
    other = bvh.read_bvh(mocap.bvh(mirrored).encode(), "x").joints[0] / 100
    np.testing.assert_allclose(other[:, J["left elbow"]], WALK[:, J["right elbow"]], atol=1e-6)


@pytest.mark.parametrize("order", ["".join(order) for order in itertools.permutations("XYZ")])
def test_every_order_of_turns_and_positions(tmp_path, order):
    clips, _ = loaded(written(tmp_path / "walk.bvh", mocap.bvh(order=order, root=order[::-1])))
    assert_walk(clips[0])


@pytest.mark.parametrize(
    ("scale", "unit"), [(1, "metres"), (100, "centimetres"), (1000, "millimetres"), (1 / 0.0254, "inches"), (0.45 / 0.0254, "CMU's units")]
)
def test_the_unit_is_that_in_which_the_body_is_a_persons_and_is_said(tmp_path, scale, unit):
    clips, said = loaded(written(tmp_path / "walk.bvh", mocap.bvh(scale=scale)))
    assert_walk(clips[0], atol=1e-4)
    assert f"assumed to be {unit}" in said


def test_z_up_is_seen_and_turned_and_y_up_is_left(tmp_path):
    clips, said = loaded(written(tmp_path / "walk.bvh", mocap.bvh(turn=Z_UP)))
    assert_walk(clips[0])
    assert "z is taken as the upward axis" in said
    for family in ("Mixamo", "Xsens"):
        clips, said = loaded(written(tmp_path / "y.bvh", mocap.bvh(mocap.NAMES[family])))
        assert "upward axis" not in said


def test_somebody_who_lies_along_z_in_a_file_whose_resting_pose_stands_along_y_is_not_set_upright(tmp_path):
    lying = Rotation.from_euler("x", 90, degrees=True).as_matrix() @ TURNS[:, :1]
    clips, said = loaded(written(tmp_path / "x.bvh", mocap.bvh(local=np.concatenate([lying, TURNS[:, 1:]], axis=1))))
    assert "upward axis" not in said and "upright along z" in said
    assert np.ptp(clips[0].joints[0, 0, :, 1]) < np.ptp(clips[0].joints[0, 0, :, 2])


def test_frame_times_are_taken_as_they_stand(tmp_path):
    for text in ("0.0333333", "0.033333", "0.0333", "0.00833333", ".04", "1e-2"):
        clips, _ = loaded(written(tmp_path / "walk.bvh", mocap.bvh(seconds=text)))
        assert clips[0].fps == 1 / float(text) and not clips[0].fps_assumed


def test_line_ends_tabs_braces_on_the_line_a_mark_at_the_start_and_small_letters_are_all_one(tmp_path):
    text = mocap.bvh()
    head, rows = text.split("MOTION")
    forms = [
        text.replace("\n", "\r\n"), "\ufeff" + text, head + "MOTION" + rows.replace(" ", "\t").replace("Frame\tTime:\t", "Frame Time:\t"),
        head.replace("\n\t", "\n").replace("{\n", "{ ").replace("JOINT", "Joint").replace("Hips\n{", "Hips {") + "motion" + rows, text + "\n\n",
    ]  # fmt: skip
    for number, form in enumerate(forms):
        clips, _ = loaded(written(tmp_path / f"{number}.bvh", form))
        assert_walk(clips[0])


def test_two_roots_are_two_persons(tmp_path):
    one, rows = mocap.bvh().removeprefix("HIERARCHY").split("MOTION")
    numbers = rows.strip().split("\n")
    both = "\n".join(["HIERARCHY" + one + one + "MOTION", *numbers[:2], *(f"{row} {' '.join(['250', *row.split()[1:]])}" for row in numbers[2:])])
    clips, _ = loaded(written(tmp_path / "two.bvh", both))
    assert clips[0].joints.shape == (2, len(WALK), 22, 3)
    np.testing.assert_allclose(clips[0].joints[0], WALK, atol=2e-6)
    np.testing.assert_allclose(clips[0].joints[1] - clips[0].joints[1, :, :1], WALK - WALK[:, :1], atol=2e-6)
    assert clips[0].joints[1, 0, 0, 0] == pytest.approx(2.5)


WHOLE = mocap.bvh()
BAD_BVH = {
    "empty": ("", "0 bytes"),
    "no motion": (WHOLE.split("MOTION")[0], "no line MOTION"),
    "cut off in a row": (WHOLE[:-40], "frame 6 has"),
    "cut off behind a row": ("\n".join(WHOLE.split("\n")[:-3]) + "\n", "declares 6 frames but has 4"),
    "too many rows": (WHOLE.replace("Frames: 6", "Frames: 5"), "declares 5 frames but has 6"),
    "no frame": (WHOLE.split("Frames")[0] + "Frames: 0\nFrame Time: 0.1\n", "0 frames"),
    "a number that is none": (WHOLE.replace(WHOLE.split("\n")[-2].split()[7], "oops"), "values that are not numbers"),
    "a comma": (WHOLE.replace("Frame Time: 0.0333333", "Frame Time: 0,0333"), "no line 'frame time"),
    "no time": (WHOLE.replace("Frame Time: 0.0333333", "Frame Time: 0"), "Frame Time is 0"),
    "infinite": (WHOLE.replace(WHOLE.split("\n")[-2].split()[7], "inf"), "infinite"),
    "a channel": (WHOLE.replace("Zrotation", "Wrotation", 1), "is not a number followed by as many names from Xposition"),
    "a count of channels": (WHOLE.replace("CHANNELS 3", "CHANNELS 4", 1), "is not a number followed by as many"),
    "a brace": (WHOLE.replace("}", "", 1), "is not closed"),
    "an offset": (WHOLE.replace("OFFSET 0.0", "OFFSET nan", 1), "not three finite numbers"),
    "names": (mocap.bvh({joint: f"bone {number}" for number, joint in enumerate(SMPL_22.joints)}), "bone 0, bone 1"),
    "a side alone": (WHOLE.replace("LeftForeArm", "ForeArm"), "known as left elbow"),
    "one name twice": (WHOLE.replace("RightForeArm", "LeftForeArm"), "known as right elbow"),
    "two joints of one name": (WHOLE.replace("mixamorig:Spine2", "mixamorig:LeftLeg"), "two of its joints have the same name"),
}


@pytest.mark.parametrize(("content", "what"), BAD_BVH.values(), ids=BAD_BVH)
def test_a_bad_bvh_is_one_line_that_names_file_and_fault(tmp_path, content, what):
    path = written(tmp_path / "x.bvh", content)
    said = message(load_clips, path)
    assert what in said and "x.bvh" in said
    assert inspect(path).problems


def test_what_all_names_begin_with_is_no_part_of_them(tmp_path):
    for prefix in ("Robot_", "skeleton 01: ", "actor.left_"):
        names = {joint: prefix + name for joint, name in mocap.NAMES["LAFAN1"].items()}
        assert_walk(loaded(written(tmp_path / "x.bvh", mocap.bvh(names)))[0][0])


def test_names_that_fit_two_families_are_refused():
    names = [*mocap.NAMES["Mixamo"].values(), *mocap.NAMES["Xsens"].values()]
    assert "match two naming schemes" in message(joints_by_name, names, "x.bvh")


def test_a_frame_count_that_no_file_could_hold_costs_nothing(tmp_path):
    assert "9e+15 frames" in message(load_clips, written(tmp_path / "x.bvh", WHOLE.replace("Frames: 6", "Frames: 9000000000000000")))


# ASF and AMC


def test_a_bone_of_acclaim_turns_in_its_own_axes():
    asf = """:units
      length 0.45
      angle deg
    :root
      order TX TY TZ RX RY RZ
      axis XYZ
      position 0 0 0
      orientation 0 0 0
    :bonedata
      begin
        name bone
        direction 0 1 0
        length 2
        axis 0 0 90 XYZ
        dof rx
      end
      begin
        name tip
        direction 1 0 0
        length 1
      end
    :hierarchy
      begin
        root bone
        bone tip
      end
    """
    skeleton = asf_amc.parse_asf(asf.encode(), "x.asf")
    assert skeleton.metres == pytest.approx(0.0254 / 0.45)
    # Its x axis, turned by 90 degrees about z, is the world's y, along which it lies: turning about it moves neither the bone nor its end. Of 90 degrees
    # about the root's z, y becomes -x, and the bone's end is at (-2, 0, 0); from there the tip, first turned by 90 about y (x to -z), stays at -z.
    angles, degrees = asf_amc.parse_amc(b":FULLY-SPECIFIED\n:DEGREES\n1\nroot 0 0 0 0 0 90\nbone 90\n", skeleton, "x.amc")
    assert degrees
    np.testing.assert_allclose(asf_amc.starts(skeleton, angles)[0, 2], [-2, 0, 0], atol=1e-12)
    longer = asf.replace("root bone\n        bone tip", "root bone\n        bone tip\n        tip end").replace(
        "    :hierarchy", "      begin\n        name end\n        direction 0 0 1\n        length 1\n      end\n    :hierarchy"
    )
    skeleton = asf_amc.parse_asf(longer.encode(), "x.asf")
    angles, _ = asf_amc.parse_amc(b":DEGREES\n1\nroot 0 0 0 0 0 90\nbone 90\n", skeleton, "x.amc")
    np.testing.assert_allclose(asf_amc.starts(skeleton, angles)[0, 3], [-2, 0, -1], atol=1e-12)


ASF, AMC, STARTS = mocap.acclaim()
BONES = {"pelvis": "root", "spine 1": "upperback", "spine 2": "thorax", "neck": "lowerneck", "head": "head"} | {
    f"{side} {joint}": f"{side[0]}{bone}"
    for side in ("left", "right")
    for joint, bone in {
        **{"hip": "femur", "knee": "tibia", "ankle": "foot", "foot": "toes"},
        **{"shoulder": "humerus", "elbow": "radius", "wrist": "wrist"},
    }.items()
}


def assert_starts(clip, starts=STARTS, atol=2e-5):
    for joint, bone in BONES.items():
        np.testing.assert_allclose(clip.joints[0, :, J[joint]], starts[bone], atol=atol)


def test_a_take_of_cmu_with_its_body(tmp_path):
    written(tmp_path / "02" / "02.asf", ASF)
    clips, said = loaded(written(tmp_path / "02" / "02_04.amc", AMC))
    assert_starts(clips[0])
    assert np.isnan(clips[0].joints[0, :, [J["spine 3"], J["left collar"], J["right collar"]]]).all()
    assert UNIT not in said and "no frame rate is stated" in said
    assert loaded(tmp_path / "02" / "02_04.amc", fps=120)[0][0].fps == 120


def test_takes_find_their_bodies_in_folders_and_zips(tmp_path):
    other, take, starts = mocap.acclaim(seed=5)
    files = {"subjects/02/02.asf": ASF, "subjects/02/02_04.amc": AMC, "subjects/05/05.asf": other, "subjects/05/05_01.amc": take, "readme.txt": "CMU"}
    for name, content in files.items():
        written(tmp_path / "all" / name, content)
    for path in (tmp_path / "all", mocap.zipped(tmp_path / "all.zip", files)):
        clips, _ = loaded(path)
        assert [clip.name for clip in clips] == ["subjects/02/02_04", "subjects/05/05_01"]
        assert_starts(clips[0])
        assert_starts(clips[1], starts)
    clips, said = loaded(tmp_path / "all" / "subjects")
    assert [(clip.name, clip.label, clip.subject) for clip in clips] == [("02/02_04", None, "02"), ("05/05_01", None, "05")]
    assert "labels" not in said


def test_the_order_of_bones_in_the_file_does_not_matter_and_radians_are_read(tmp_path):
    lines = AMC.split("\n")
    frames = [lines[start : start + (len(lines) - 4) // 4] for start in range(3, len(lines) - 1, (len(lines) - 4) // 4)]
    shuffled = "\n".join([*lines[:3], *(line for frame in frames for line in (frame[0], *frame[:0:-1]))]) + "\n"
    written(tmp_path / "02.asf", ASF.replace(":units", "# a comment\n:units"))
    assert_starts(loaded(written(tmp_path / "02_04.amc", shuffled))[0][0])
    radians = []
    for line in lines:
        words = line.split()
        if len(words) > 1 and not line.startswith("#"):
            kept = 4 if words[0] == "root" else 1
            line = " ".join([*words[:kept], *(f"{np.deg2rad(float(word)):.9f}" for word in words[kept:])])
        radians.append(line)
    assert_starts(loaded(written(tmp_path / "02_04.amc", "\n".join(radians).replace(":DEGREES", ":RADIANS")))[0][0])


def test_a_length_of_1_says_no_unit_so_that_the_bodys_size_decides(tmp_path):
    asf, amc, starts = mocap.acclaim(length=1.0, scale=100)
    written(tmp_path / "x.asf", asf)
    clips, said = loaded(written(tmp_path / "x.amc", amc))
    assert UNIT in said and "centimetres" in said
    assert_starts(clips[0], starts)


BAD_AMC = {
    "no body": ({"02.asf": None}, "none of the 0 .asf files"),
    "two other bodies": ({"02.asf": None, "a.asf": ASF, "b.asf": ASF}, "none of the 2 .asf files in its folder matches its name"),
    "cut off": ({"02_04.amc": AMC[:-90]}, "so the file is truncated"),
    "cut off in numbers": ({"02_04.amc": AMC[: AMC.rindex("root ") + 30]}, "numbers for 6 dof"),
    "no frame": ({"02_04.amc": ":FULLY-SPECIFIED\n:DEGREES\n"}, "has no frame"),
    "a frame left out": ({"02_04.amc": AMC.replace("\n3\n", "\n4\n")}, "frame 4 does not follow frame 2"),
    "an unknown bone": ({"02_04.amc": AMC.replace("lhand", "lpaw")}, "'lpaw' is not a bone of its .asf"),
    "no number": ({"02_04.amc": AMC.replace("root ", "root x", 1)}, "values that are not numbers"),
    "not finite": ({"02_04.amc": AMC.replace("root ", "root nan ", 1)}, "7 numbers for 6 dof"),
    "no bones": ({"02.asf": ASF.split(":bonedata")[0]}, "no section :bonedata"),
    "no tree": ({"02.asf": ASF.split(":hierarchy")[0]}, "no section :hierarchy"),
    "a bone without a parent": ({"02.asf": ASF.replace("    lradius lwrist\n", "")}, "'lwrist' is not connected to the root"),
    "a bone without a length": ({"02.asf": ASF.replace("length 7", "size 7")}, "does not match the format"),
    "other names": ({"02.asf": ASF.replace("lfemur", "bone1"), "02_04.amc": AMC.replace("lfemur", "bone1")}, "is known as left hip"),
}


@pytest.mark.parametrize(("files", "what"), BAD_AMC.values(), ids=BAD_AMC)
def test_a_bad_take_of_acclaim_is_one_line(tmp_path, files, what):
    for name, content in ({"02.asf": ASF, "02_04.amc": AMC} | files).items():
        if content is not None:
            written(tmp_path / name, content)
    assert what in message(load_clips, tmp_path / "02_04.amc")


def test_a_body_alone_is_no_take(tmp_path):
    said = message(load_clips, written(tmp_path / "02.asf", ASF))
    assert "is the body of AMC motion files" in said and "give the .amc" in said


# SMPL


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.npz"
    np.savez(path, **mocap.body_model()[0], weird=np.array({"a": 1}, dtype=object))
    return path


def test_parameters_of_amass_become_joints_by_a_body_model(tmp_path, model):
    path = written(tmp_path / "walk_poses.npz", mocap.npz(mocap.amass(markers_latent_vids=np.array({"pickled": 1}, dtype=object))))
    clips, said = loaded(path, body_model=model)
    assert (clips[0].fps, clips[0].fps_assumed, clips[0].name) == (120, False, "walk_poses")
    assert_walk(clips[0], atol=1e-5)
    assert "unit" not in said and "upward axis" not in said
    parts = mocap.amass()
    poses = parts.pop("poses")
    parts |= {"root_orient": poses[:, :3], "pose_body": poses[:, 3:66], "mocap_frame_rate": np.array(60)}
    del parts["mocap_framerate"]
    clips, _ = loaded(written(tmp_path / "x.npz", mocap.npz(parts)), body_model=model)
    assert clips[0].fps == 60
    assert_walk(clips[0], atol=1e-5)


def test_shape_parameters_change_the_resting_body(tmp_path, model):
    betas = np.array([1.5, -2.0, 0.5])
    path = written(tmp_path / "x.npz", mocap.npz(mocap.amass(betas=np.r_[betas, np.zeros(13)], up="y")))
    rest = np.zeros((22, 3))
    for joint in range(1, 22):
        rest[joint] = rest[mocap.PARENTS[joint]] + mocap.OFFSETS[joint]
    rest = rest + mocap.body_model()[1][:, :, :3] @ betas
    offsets = np.array([rest[joint] - rest[max(0, parent)] for joint, parent in enumerate(mocap.PARENTS)])
    wanted = mocap.forward(TURNS, WALK[:, 0] + rest[0], offsets)
    clips, _ = loaded(path, body_model=model)
    np.testing.assert_allclose(clips[0].joints[0] @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]), wanted, atol=1e-5)  # z up, AMASS says


def test_parameters_without_a_body_model_say_which_file_is_needed_and_where_it_is_to_be_had(tmp_path):
    said = message(load_clips, written(tmp_path / "x.npz", mocap.npz(mocap.amass())))
    assert "body_model='.../model.npz'" in said and "mano.is.tue.mpg.de" in said and "x.npz" in said


@pytest.mark.parametrize("count", [22, 24, 52, 55])
def test_joints_that_are_given_are_taken_as_they_are(tmp_path, count):
    joints = np.concatenate([WALK, np.zeros((len(WALK), count - 22, 3))], axis=1)
    for name, more in (("joints", {"trans": WALK[:, 0], "fps": np.array(50)}), ("Jtr", {"betas": np.zeros(10), "fps": np.array(50)})):
        clips, _ = loaded(written(tmp_path / "x.npz", mocap.npz({name: joints, **more})))
        assert clips[0].fps == 50
        assert_walk(clips[0])
    clips, _ = loaded(written(tmp_path / "x.npz", mocap.npz({"joints": joints @ Z_UP.T, "trans": WALK[:, 0]})))
    assert clips[0].fps_assumed
    assert_walk(clips[0])


def test_clips_of_our_own_in_one_file_are_still_clips(tmp_path):
    clips = ClipSet((CLIP,))
    clips.save(tmp_path / "mine.npz")
    np.testing.assert_array_equal(loaded(tmp_path / "mine.npz")[0][0].joints, CLIP.joints)
    assert "array 'layout' is missing" in message(load_clips, written(tmp_path / "x.npz", mocap.npz({"joints": WALK})))


def test_amass_as_a_folder_and_a_zip(tmp_path, model):
    files = {"CMU/01/01_01_poses.npz": mocap.npz(mocap.amass()), "CMU/01/shape.npz": mocap.npz({"betas": np.zeros(16)}), "CMU/LICENSE.txt": b"x"}
    for name, content in files.items():
        written(tmp_path / "amass" / name, content)
    for path in (tmp_path / "amass", mocap.zipped(tmp_path / "amass.zip", files)):
        clips, _ = loaded(path, body_model=model)
        assert [clip.name for clip in clips] == ["CMU/01/01_01_poses"]
        assert_walk(clips[0], atol=1e-5)


def test_a_body_model_that_is_none_is_refused(tmp_path, model):
    arrays = mocap.body_model()[0]
    path = written(tmp_path / "walk.npz", mocap.npz(mocap.amass()))
    for change, what in (
        ({"J_regressor": arrays["J_regressor"][:5]}, "not those of a body"),
        ({"kintree_table": arrays["kintree_table"][:, ::-1]}, "not those"),
    ):
        np.savez(tmp_path / "bad.npz", **arrays | change)
        assert what in message(load_clips, path, body_model=tmp_path / "bad.npz")
    np.savez(tmp_path / "bad.npz", **{name: array for name, array in arrays.items() if name != "shapedirs"})
    assert "array 'shapedirs' is missing" in message(load_clips, path, body_model=tmp_path / "bad.npz")
    np.savez(tmp_path / "bad.npz", **arrays | {"J_regressor": np.array([{}], dtype=object)})
    assert "J_regressor" in message(load_clips, path, body_model=tmp_path / "bad.npz")
    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(b"\x80\x04.")
    assert "is a pickle" in message(load_clips, path, body_model=tmp_path / "SMPL_NEUTRAL.pkl")
    assert "no such file" in message(load_clips, path, body_model=tmp_path / "nothing.npz")
    assert load_body_model(model).rest.shape == (22, 3)


BAD_SMPL = {
    "no frame": ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, "0 frames"),
    "poses": ({"poses": np.zeros((6, 60))}, "poses have shape (6, 60)"),
    "trans": ({"trans": np.zeros((5, 3))}, "poses, trans and betas have shapes"),
    "a rate": ({"mocap_framerate": np.array(-1.0)}, "its frame rate is -1"),
    "text": ({"poses": np.array([["a"]])}, "not numbers"),
    "a pickle": ({"poses": np.array([{}], dtype=object)}, "array 'poses'"),
    "joints": ({"joints": np.zeros((6, 17, 3))}, "its joints have shape (6, 17, 3)"),
    "infinite": ({"trans": np.full((6, 3), np.inf)}, "infinite coordinates"),
    "nobody": ({"trans": np.full((6, 3), np.nan)}, "no body in any frame"),
}


@pytest.mark.parametrize(("change", "what"), BAD_SMPL.values(), ids=BAD_SMPL)
def test_a_bad_file_of_smpl_is_one_line(tmp_path, model, change, what):
    said = message(load_clips, written(tmp_path / "x.npz", mocap.npz(mocap.amass() | change)), body_model=model)
    assert what in said and "x.npz" in said
    half = mocap.npz(mocap.amass())
    message(load_clips, written(tmp_path / "half.npz", half[: len(half) // 2]), body_model=model)


# HumanML3D


def test_joints_of_humanml3d(tmp_path):
    np.save(tmp_path / "000001.npy", WALK.astype(np.float32))
    clips, said = loaded(tmp_path / "000001.npy")
    assert clips[0].fps == 20 and "read as HumanML3D" in said
    assert_walk(clips[0])
    clips, said = loaded(tmp_path / "000001.npy", "smpl-22")
    assert clips[0].fps_assumed and "HumanML3D" not in said
    for path in (tmp_path, mocap.zipped(tmp_path / "new_joints.zip", {"new_joints/000001.npy": (tmp_path / "000001.npy").read_bytes()})):
        clips, _ = loaded(path)
        assert_walk(clips[0])


def test_vectors_of_humanml3d_by_hand():
    """A body that steps 1 m ahead a frame and turns by 90 degrees between the first two: half the turn is stored, the step in the body's own frame."""
    vectors = np.zeros((3, 263))
    vectors[:, 3] = 0.9
    vectors[:, 4:7] = [1, 0.5, 0]  # the left hip, a metre to the left
    vectors[0, 0] = -np.pi / 4  # to the left, so that +z becomes +x
    vectors[:, 1:3] = [0, 1]
    joints = joints_of_vectors(vectors)
    np.testing.assert_allclose(joints[:, 0], [[0, 0.9, 0], [1, 0.9, 0], [2, 0.9, 0]], atol=1e-12)
    np.testing.assert_allclose(joints[:, 1], [[1, 0.5, 0], [1, 0.5, -1], [2, 0.5, -1]], atol=1e-12)


def test_vectors_of_humanml3d_give_the_joints_that_they_were_made_from(tmp_path):
    joints, _ = mocap.moving(frames=40, seed=3)
    spin = Rotation.from_euler("y", np.linspace(0, 200, 40)[:, None], degrees=True)
    joints = np.stack([turn.apply(body) for turn, body in zip(spin, joints, strict=True)])
    joints = joints - joints[0, 0] * [1, 0, 1]
    across = joints[0, J["right hip"]] - joints[0, J["left hip"]] + joints[0, J["right shoulder"]] - joints[0, J["left shoulder"]]
    ahead = np.cross([0, 1, 0], across)
    joints = joints @ Rotation.from_euler("y", -np.arctan2(ahead[0], ahead[2])).as_matrix().T
    vectors = mocap.vectors_of(joints)
    np.testing.assert_allclose(joints_of_vectors(vectors), joints[:-1], atol=1e-9)
    np.save(tmp_path / "M000001.npy", vectors)
    clips, said = loaded(tmp_path / "M000001.npy")
    np.testing.assert_allclose(clips[0].joints[0], joints[:-1], atol=1e-5)
    assert "HumanML3D" in said
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 263)))
    assert "normalised for training" in message(load_clips, tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.zeros((0, 22, 3)))
    assert "0 frames" in message(load_clips, tmp_path / "x.npy")


# C3D

MARKERS = mocap.plug_in_gait()
ESTIMATED = ("pelvis", "spine 1", "spine 3", "left collar", "right collar")


def assert_markers(clip, atol=1e-5, frames=slice(None)):
    for joint in set(SMPL_22.joints) - set(ESTIMATED):
        np.testing.assert_allclose(clip.joints[0, frames, J[joint]], WALK[frames, J[joint]], atol=atol, err_msg=joint)
    between = (MARKERS["LASI"] + MARKERS["RASI"] + MARKERS["LPSI"] + MARKERS["RPSI"]) / 4
    np.testing.assert_allclose(clip.joints[0, frames, 0], between[frames], atol=1e-5 + 3 * atol)


@pytest.mark.parametrize("machine", [84, 85, 86], ids=["Intel", "DEC", "MIPS"])
@pytest.mark.parametrize("scale", [-1.0, 0.125])
def test_plug_in_gait_of_every_machine_in_floats_and_integers(tmp_path, machine, scale):
    clips, said = loaded(written(tmp_path / "walk.c3d", mocap.c3d(MARKERS, machine=machine, scale=scale, analog=6)))
    assert (clips[0].fps, clips[0].fps_assumed, clips.layout) == (100, False, SMPL_22)
    assert_markers(clips[0], atol=1e-5 if scale < 0 else 4e-4)
    assert "estimated from markers" in said and UNIT not in said


@pytest.mark.parametrize("unit", ["mm", "m", "cm", ""])
def test_units_of_points(tmp_path, unit):
    clips, said = loaded(written(tmp_path / "walk.c3d", mocap.c3d(MARKERS, unit=unit)))
    assert_markers(clips[0])
    assert (UNIT in said) == (unit == "")


def test_markers_of_cmu_with_names_of_people_and_z_up(tmp_path):
    renamed = {"ASI": "FWT", "PSI": "BWT", "LWRA": "LIWR", "LWRB": "LOWR", "RWRA": "RIWR", "RWRB": "ROWR"}
    markers = {}
    for name, places in MARKERS.items():
        for old, new in renamed.items():
            name = name.replace(old, new)
        markers[f"Ann:{name}"] = places @ Z_UP.T
        markers[f"Ben:{name}"] = (places + np.array([2, 0, 0])) @ Z_UP.T
    clips, said = loaded(written(tmp_path / "two.c3d", mocap.c3d(markers)))
    assert clips[0].joints.shape[0] == 2 and "upward axis" in said
    assert_markers(clips[0])
    np.testing.assert_allclose(clips[0].joints[1], clips[0].joints[0] + np.array([2, 0, 0], np.float32), atol=1e-5)


def test_gaps_are_not_seen_whatever_marks_them(tmp_path):
    markers = {name: places.copy() for name, places in MARKERS.items()}
    markers["LELB"][1] = np.nan
    markers["RKNE"][2] = 0
    lost = [(3, list(markers).index("C7"))]
    clips, _ = loaded(written(tmp_path / "gaps.c3d", mocap.c3d(markers, lost=lost)))
    seen = np.isfinite(clips[0].joints[0, :, :, 0])
    assert [SMPL_22.joints[joint] for joint in np.flatnonzero(~seen[1])] == ["spine 1", "spine 3", "left collar", "right collar", "left elbow"]
    assert set(np.flatnonzero(~seen[2])) - set(np.flatnonzero(~seen[0])) == {J["right knee"]}
    assert set(np.flatnonzero(~seen[3])) - set(np.flatnonzero(~seen[0])) == {J["neck"], J["head"]}
    assert_markers(clips[0], frames=[0, 4, 5])


@pytest.mark.parametrize("name", ["ezc3d", "c3d"])
def test_files_that_libraries_wrote(name):
    path = mocap.FOLDER / f"walk_{name}.c3d"
    clips, _ = loaded(path)
    assert clips[0].fps == 100
    assert_markers(clips[0], atol=2e-5)


def test_a_take_of_more_than_65535_frames_is_read_whole(tmp_path):
    count, labels = 70_001, list("ABC")
    few = {label: np.full((2, 3), 0.5) for label in labels}
    whole = mocap.c3d(few, frames=65_535)
    data = np.ones((count, 3, 4), "<f4")
    data[:, :, 0], data[:, :, 3] = np.arange(1, count + 1)[:, None], 0
    raw = data.tobytes()
    content = whole[: 3 * 512] + raw + bytes(512 - len(raw) % 512)
    recording = parse_c3d(content, "long.c3d")
    assert recording.places.shape == (count, 3, 3)
    assert recording.places[-1, 0].tolist() == [count, 1, 1]
    exact = parse_c3d(whole[: 3 * 512] + raw[: 65_535 * 48] + bytes(512), "x.c3d")
    assert exact.places.shape == (65_535, 3, 3)


GOOD_C3D = mocap.c3d(MARKERS)
BAD_C3D = {
    "cut off": (GOOD_C3D[:-1024], "so it is truncated"),
    "cut off in its header": (GOOD_C3D[:600], "its header is damaged"),
    "a frame count": (mocap.c3d(MARKERS, frames=60_000), "declares 60,000 frames"),
    "no frame": (mocap.c3d(MARKERS, frames=0), "0 frames"),
    "other markers": (mocap.c3d({f"M{number}": places for number, places in enumerate(MARKERS.values())}), "none represents left shoulder"),
    "no pelvis": (mocap.c3d({name: places for name, places in MARKERS.items() if "SI" not in name}), "none represents the pelvis"),
    "no rate": (mocap.c3d(MARKERS, fps=0.0), "its frame rate"),
}


@pytest.mark.parametrize(("content", "what"), BAD_C3D.values(), ids=BAD_C3D)
def test_a_bad_c3d_is_one_line(tmp_path, content, what):
    said = message(load_clips, written(tmp_path / "x.c3d", content))
    assert "x.c3d" in said and what in said


# All of them


def test_a_folder_of_several_kinds_with_labels_by_table_or_folders(tmp_path):
    files = {"walk/a.bvh": mocap.bvh(), "walk/b.c3d": mocap.c3d(MARKERS), "jump/02.asf": ASF, "jump/02_04.amc": AMC}
    for name, content in files.items():
        written(tmp_path / "films" / name, content)
    written(tmp_path / "films" / "walk" / "broken.bvh", WHOLE[:-40])
    clips, said = loaded(tmp_path / "films")
    assert {clip.name: clip.label for clip in clips} == {"walk/a": "walk", "walk/b": "walk", "jump/02_04": "jump"}
    assert "used as the labels" in said and "frame 6 has" in said
    (tmp_path / "films" / "walk" / "broken.bvh").unlink()
    written(tmp_path / "films" / "clips.csv", "file,label,subject,fps\nwalk/a.bvh,march,anna,\nwalk/b,march,ben,\njump/02_04.amc,leap,,120\n")
    for path in (tmp_path / "films", mocap.zipped(tmp_path / "films.zip", files | {"clips.csv": (tmp_path / "films" / "clips.csv").read_text()})):
        clips, _ = loaded(path)
        assert {(clip.name, clip.label, clip.subject, round(clip.fps)) for clip in clips} == {
            ("walk/a", "march", "anna", 30), ("walk/b", "march", "ben", 100), ("jump/02_04", "leap", None, 120),
        }  # fmt: skip


def test_a_store_keeps_takes(tmp_path):
    written(tmp_path / "films" / "a.bvh", mocap.bvh())
    with pytest.warns(UserWarning, match=UNIT):
        clips = load_clips(tmp_path / "films", reading=Reading(progress=False, store=tmp_path / "store"))
    assert_walk(clips[0])


@pytest.mark.parametrize("name", ["a.bvh", "b.c3d", "c.npz", "d.npy", "films", "e.zip"])
def test_the_doctor_names_motion(tmp_path, name):
    np.save(tmp_path / "d.npy", WALK)
    files = {"a.bvh": mocap.bvh(), "b.c3d": mocap.c3d(MARKERS), "c.npz": mocap.npz({"joints": WALK, "trans": WALK[:, 0]}), "films/a.bvh": mocap.bvh()}
    for each, content in files.items():
        written(tmp_path / each, content)
    mocap.zipped(tmp_path / "e.zip", {"new_joints/0.npy": (tmp_path / "d.npy").read_bytes()})
    found = inspect(tmp_path / name)
    assert found.clips == 1 and "layout smpl-22" in found.notes


def test_a_take_without_its_unit_of_a_body_too_small_or_large_gets_the_nearest(tmp_path):
    for tall, unit in ((9, "CMU's units"), (3.2, "metres")):
        joints = WALK[None] * tall / 1.42
        _, notes = takes.placed(takes.Take(joints, None), "x")
        assert f"assumed to be {unit}" in notes[0]


# Out


@pytest.mark.parametrize("clip", [CLIP, *list(example_clips())[:3]], ids=lambda clip: clip.name)
def test_a_clip_written_as_bvh_comes_back(tmp_path, clip):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = save_bvh(clip, tmp_path / "x.bvh")
    back = loaded(path)[0][0]
    assert back.fps == clip.fps
    np.testing.assert_allclose(back.joints, clip.joints, atol=1e-3 if clip is CLIP else 1e-2)


@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.1, 1.0, 3.0]))
@settings(max_examples=15, deadline=None)
def test_bones_of_fixed_length_come_back_from_a_bvh_to_a_millimetre(tmp_path_factory, seed, size):
    joints, _ = mocap.moving(frames=3, seed=seed, size=size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is lost
        path = save_bvh(Clip(joints, SMPL_22, fps=24.0), tmp_path_factory.mktemp("bvh") / "x.bvh")
    fps = bvh.parse_bvh(path.read_bytes(), path)[2]
    found = bvh.read_bvh(path.read_bytes(), path).joints[0] / 100
    np.testing.assert_allclose(found, joints, atol=1e-3)
    assert fps == 24


def test_what_a_bvh_does_not_keep_is_said_in_one_line(tmp_path):
    joints = WALK.copy()
    joints[2, J["left wrist"]] = np.nan
    joints[:, J["head"]] += np.linspace(0, 0.1, len(joints))[:, None]
    with pytest.warns(UserWarning) as caught:
        save_bvh(Clip(joints, SMPL_22, fps=None), tmp_path / "x.bvh")
    (said,) = [str(one.message) for one in caught]
    assert "(1 were filled)" in said and "varying length" in said and "30 was written" in said
    with pytest.warns(UserWarning, match="converted from smpl-22|converted from body-15"):
        save_bvh(convert(CLIP, BODY_15).clip, tmp_path / "x.bvh")
    two = np.stack([WALK, WALK + 1])
    two[0, :2] = 0
    assert "it has 2 persons; choose one: person=0 or 1" in message(save_bvh, Clip(two, SMPL_22), tmp_path / "y.bvh")
    with pytest.warns(UserWarning, match="frames without the person .2 were interpolated"):
        save_bvh(Clip(two, SMPL_22), tmp_path / "y.bvh", person=0)
    assert "is 2-D" in message(save_bvh, convert(CLIP, COCO_17).clip, tmp_path / "z.bvh")
    assert not (tmp_path / "z.bvh").exists()


def test_a_clip_written_as_a_table_comes_back_to_the_bit(tmp_path):
    joints = np.stack([WALK, WALK + 1]).astype(np.float32)
    joints[0, 2, J["left wrist"]] = np.nan
    joints[1, :3] = 0
    joints[:, 4] = 0
    clip = Clip(joints, SMPL_22, "walk", fps=29.97)
    back = loaded(save_csv(clip, tmp_path / "x.csv"))[0][0]
    np.testing.assert_array_equal(back.joints, clip.joints)
    assert (back.fps, back.layout) == (29.97, SMPL_22)
    plane = convert(CLIP, COCO_17).clip
    back = loaded(save_csv(Clip(plane.joints * 100, COCO_17, fps=None), tmp_path / "y.csv"))[0][0]
    np.testing.assert_array_equal(back.joints, plane.joints * 100)
    assert back.fps_assumed
    text = (tmp_path / "x.csv").read_text()
    for old, new, what in ((",smpl-22,", ",smpl,", "no layout 'smpl'"), ("pelvis_x", "pelvis_q", "'pelvis_x' of layout smpl-22 is missing"),
                           ("29.97", "-1", "is not a number above 0"), ("\n1,0,", "\none,0,", "row 4: has values that are not numbers")):  # fmt: skip
        assert what in message(load_clips, written(tmp_path / "bad.csv", text.replace(old, new)))


def test_export_goes_by_the_ending_and_numbers_several_clips(tmp_path):
    clips = list(example_clips())[:2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [path.name for path in export(clips, tmp_path / "out" / "x.BVH")] == ["x-1.BVH", "x-2.BVH"]
    assert [path.name for path in export(clips[:1], tmp_path / "x.gif")] == ["x.gif"]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["x-1.BVH", "x-2.BVH", "x.gif"]
    for call in ((clips, tmp_path / "x.fbx"), (clips, tmp_path / "x"), ([], tmp_path / "x.csv")):
        message(export, *call)
