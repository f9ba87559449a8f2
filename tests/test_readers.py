"""Readers: what is on disk, zipped or unpacked, becomes the same ClipSet; joints stand where the layout says; bad input is named."""

import io
import json
import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.data.readers import load_clips, nw_ucla, read_folder, read_nw_ucla, read_utd_mhad, utd_mhad
from tdsm.data.readers.mat5 import read_mat_array
from tdsm.data.readers.reading import Reading
from tdsm.util.errors import InputError

QUIET = Reading(progress=False)
J = {name: index for index, name in enumerate(KINECT_20.joints)}
UTD_NAME, UCLA_NAME = "Skeleton/a3_s2_t1_skeleton.mat", "all_sqe/a11_s04_e02_v03.json"


def mat(**variables):
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=True)
    return file.getvalue()


def recording(frames=5, joints=20):
    return np.random.default_rng(0).normal(size=(frames, joints, 3))


def d_skel(array):
    return mat(d_skel=array.transpose(1, 2, 0))


def record(array):
    return json.dumps({"file_name": "x", "skeletons": array.tolist(), "label": 9}).encode()


def packed(path, **members):
    """A zip of these members."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def utd_zip(tmp_path, content=None, name=UTD_NAME):
    return packed(tmp_path / "any.zip", **{name: d_skel(recording()) if content is None else content})


def ucla_zip(tmp_path, content=None, name=UCLA_NAME):
    return packed(tmp_path / "any.zip", **{name: record(recording()) if content is None else content})


def message(read, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        read(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What the readers give


def test_utd_joints_are_turned_to_the_layouts_order(tmp_path):
    array = recording()
    (clip,) = read_utd_mhad(utd_zip(tmp_path, d_skel(array)), reading=QUIET)
    assert (clip.label, clip.subject, clip.fps, clip.name) == ("right hand wave", "s2", 30.0, "a3_s2_t1")
    in_file = ["head", "shoulder centre", "spine", "hip centre", *KINECT_20.joints[4:]]
    for row, joint in enumerate(in_file):
        np.testing.assert_array_equal(clip.joints[0, :, J[joint]], array[:, row].astype(np.float32))


def test_ucla_keeps_its_order_and_its_view(tmp_path):
    array = recording()
    clips = read_nw_ucla(ucla_zip(tmp_path, record(array)), reading=QUIET)
    np.testing.assert_array_equal(clips[0].joints[0], array.astype(np.float32))
    assert (clips[0].label, clips[0].subject, clips[0].name) == ("throw", "s04", "a11_s04_e02_v03")
    assert (clips.name, clips.classes) == ("nw-ucla", nw_ucla.CLASSES)


def test_ucla_frames_with_a_joint_in_the_sensor_are_left_out(tmp_path):
    array = recording()
    array[2, 7] = 0
    (clip,) = read_nw_ucla(ucla_zip(tmp_path, record(array)), reading=QUIET)
    np.testing.assert_array_equal(clip.joints[0], np.delete(array, 2, axis=0).astype(np.float32))


@pytest.mark.parametrize(("make", "name"), [(utd_zip, "utd-mhad"), (ucla_zip, "nw-ucla")])
def test_zip_and_unpacked_folder_read_alike_whatever_they_are_called(tmp_path, make, name):
    path = make(tmp_path)
    misleading = path.rename(tmp_path / ("ucla.npz" if name == "utd-mhad" else "utd_mhad.npz"))
    zipfile.ZipFile(misleading).extractall(tmp_path / "unpacked" / "deeper")
    (tmp_path / "unpacked" / "notes.txt").write_text("mine")
    zipped, unpacked = load_clips(misleading, reading=QUIET), load_clips(tmp_path / "unpacked", reading=QUIET)
    assert zipped.name == unpacked.name == name
    np.testing.assert_array_equal(zipped[0].joints, unpacked[0].joints)


def test_clips_stand_in_numeric_order(tmp_path):
    names = [f"a{a}_s{s}_t1_skeleton.mat" for a in (10, 2) for s in (2, 1)]
    clips = read_utd_mhad(packed(tmp_path / "x.zip", **{name: d_skel(recording()) for name in names}), reading=QUIET)
    assert [clip.name for clip in clips] == ["a2_s1_t1", "a2_s2_t1", "a10_s1_t1", "a10_s2_t1"]


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1"])
def test_mat_arrays_read_as_scipy_wrote_them(compress, dtype):
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype)
    file = io.BytesIO()
    scipy.io.savemat(file, {"other": np.ones(3), "d_skel": array, "text": "abc"}, do_compression=compress)
    np.testing.assert_array_equal(read_mat_array(file.getvalue(), "d_skel"), array)
    assert read_mat_array(file.getvalue(), "absent") is None
    with pytest.raises(ValueError, match="real numbers"):
        read_mat_array(file.getvalue(), "text")


def test_damaged_mat_files_raise_valueerror_and_nothing_else():
    whole, rng = d_skel(recording()), np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        damaged = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        try:
            read_mat_array(bytes(damaged), "d_skel")
        except ValueError:
            refused += 1
    assert refused > 200


# Bad input


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", UTD_NAME, "empty"),
        (b"garbage" * 50, UTD_NAME, "MATLAB 5"),
        (mat(other=np.ones(3)), UTD_NAME, "d_skel is missing"),
        (mat(d_skel="text"), UTD_NAME, "real numbers"),
        (d_skel(recording(joints=19)), UTD_NAME, r"\(19, 3, 5\)"),
        (d_skel(np.where(np.arange(300).reshape(5, 20, 3) == 3 * 60 + 3 * 3, np.inf, recording())), UTD_NAME, r"infinite.*frame 3, joint 0 \(hip centre\)"),
        (None, "a28_s1_t1_skeleton.mat", "a28 does not exist"),
        (None, "Skeleton/readme.txt", "none of its 1 files.*a1_s1_t1_skeleton.mat"),
    ],
)
def test_bad_utd_file(tmp_path, content, name, says):
    text = message(read_utd_mhad, utd_zip(tmp_path, content, name), reading=QUIET)
    assert re.search(says, text)
    assert Path(name).name.removesuffix("_skeleton.mat").removesuffix(".json") in text


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", UCLA_NAME, "empty"),
        (b'{"skeletons": [[[1, 2', UCLA_NAME, "not JSON"),
        (b"[" * 200_000, UCLA_NAME, "not JSON"),
        (b'{"label": 1}', UCLA_NAME, "'skeletons' is missing"),
        (b"[1]", UCLA_NAME, "'skeletons' is missing"),
        (b'{"skeletons": [[1, 2], [3]]}', UCLA_NAME, "differ in length"),
        (b'{"skeletons": []}', UCLA_NAME, "shape"),
        (b'{"skeletons": "abc"}', UCLA_NAME, "shape"),
        (record(recording(joints=19)), UCLA_NAME, r"\(5, 19, 3\)"),
        (record(np.where(np.arange(300).reshape(5, 20, 3) == 3 * 60 + 3 * 3, np.inf, recording())), UCLA_NAME, r"infinite.*frame 3, joint 3 \(head\)"),
        (record(np.zeros((4, 20, 3))), UCLA_NAME, "lost"),
        (None, "a07_s01_e00_v01.json", "action code 07 does not exist"),
        (None, "other.json", "none of its 1 files"),
    ],
)
def test_bad_ucla_file(tmp_path, content, name, says):
    text = message(read_nw_ucla, ucla_zip(tmp_path, content, name), reading=QUIET)
    assert re.search(says, text)
    assert Path(name).name.removesuffix("_skeleton.mat").removesuffix(".json") in text


def test_bad_archives(tmp_path):
    assert "no such file" in message(read_utd_mhad, tmp_path / "absent.zip")
    (tmp_path / "empty.zip").touch()
    assert "0 bytes" in message(load_clips, tmp_path / "empty.zip")
    whole = utd_zip(tmp_path).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert "not a complete zip" in message(load_clips, tmp_path / "cut.zip")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    (tmp_path / "flipped.zip").write_bytes(flipped)
    assert "cannot be read" in message(load_clips, tmp_path / "flipped.zip", reading=QUIET)


def test_one_recording_in_two_folders_is_refused(tmp_path):
    path = packed(tmp_path / "x.zip", **{f"{folder}/a1_s1_t1_skeleton.mat": d_skel(recording()) for folder in "ab"})
    assert "twice" in message(read_utd_mhad, path)


def test_unknown_and_mixed_contents(tmp_path):
    text = message(load_clips, packed(tmp_path / "utd_mhad_skeleton.zip", **{"a.txt": b"x"}))
    assert all(name in text for name in ("UTD-MHAD", "NW-UCLA", ".npz", "clips.csv"))
    (tmp_path / "nothing").mkdir()
    assert "UTD-MHAD" in message(load_clips, tmp_path / "nothing")
    assert "both" in message(load_clips, packed(tmp_path / "both.zip", **{UTD_NAME: d_skel(recording()), UCLA_NAME: record(recording())}))
    assert "layout kinect-20, not ntu-25" in message(load_clips, utd_zip(tmp_path), layout="ntu-25", reading=QUIET)


def test_npz_is_known_by_its_members(tmp_path):
    saved = ClipSet((Clip(recording(), KINECT_20, "wave"),)).save(tmp_path / "clips.bin")
    assert load_clips(saved)[0].label == "wave"


def test_one_file_is_copied_to_a_store_when_one_is_asked_for(tmp_path):
    clips = ClipSet(tuple(Clip(recording(frames), KINECT_20, "wave", name=f"{frames}") for frames in (3, 5)), name="mine")
    saved, stored = clips.save(tmp_path / "clips.npz"), Reading(store=tmp_path / "store")
    for _ in range(2):
        again = load_clips(saved, reading=stored)
        assert (again.name, [clip.name for clip in again]) == ("mine", ["3", "5"])
    assert [clip.name for clip in load_clips(tmp_path / "store", reading=Reading(store=tmp_path / "copy"))] == ["3", "5"]
    os.utime(clips[:1].save(saved), ns=(0, 0))
    assert "store of another reader" in message(load_clips, saved, reading=stored)


def test_data_sets_are_known_by_the_names_of_their_files(tmp_path):
    for title, name in (
        ("MSR-Action3D", "a01_s01_e01_skeleton3D.txt"),
        ("Kinetics-skeleton", "kinetics_val/-0a_bcdefgh.json"),
        ("OpenPose", "me_000000000012_keypoints.json"),
        ("NTU RGB+D", "S001C001P001R001A001.skeleton"),
        ("PKU-MMD", "0002-L.txt"),
    ):
        path = packed(tmp_path / "x.zip", **{f"deeper/{name}": b"x", "deeper/a1_s1_t1_skeleton.mat": b"x"})
        assert f"holds both UTD-MHAD and {title};" in message(load_clips, path)


class Hostile:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


def test_pickles_are_never_opened(tmp_path):
    array = np.array([Hostile(tmp_path / "owned")], dtype=object)
    np.savez(tmp_path / "x.npz", joints=array, layout="kinect-20")
    message(load_clips, tmp_path / "x.npz")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"annotations": array}))
    assert "x.pkl" in message(load_clips, tmp_path / "x.pkl")
    folder = tmp_path / "clips"
    folder.mkdir()
    np.save(folder / "x.npy", array)
    (folder / "clips.csv").write_text("file,layout\nx.npy,kinect-20\n")
    assert "x.npy" in message(load_clips, folder, reading=QUIET)
    (folder / "x.npy").write_bytes((tmp_path / "x.npz").read_bytes())
    assert "x.npy" in message(load_clips, folder, reading=QUIET)
    assert not (tmp_path / "owned").exists()


# A user's own folder


def my_folder(tmp_path, table, **arrays):
    folder = tmp_path / "mine"
    (folder / "more").mkdir(parents=True)
    for name, array in (arrays or {"a": recording(), "more/b": recording(7)[None]}).items():
        np.save(folder / f"{name}.npy", array)
    (folder / "clips.csv").write_text(table, encoding="utf-8")
    return folder


def test_folder_with_all_columns(tmp_path):
    table = "\ufefffile, label,subject,fps,layout\na.npy,wave,anna,25,kinect-20\n\nmore/b.npy,jump,,,kinect-20\n"
    clips = load_clips(my_folder(tmp_path, table), reading=QUIET)
    assert [(c.name, c.label, c.subject, c.fps, c.joints.shape) for c in clips] == [
        ("a.npy", "wave", "anna", 25.0, (1, 5, 20, 3)),
        ("more/b.npy", "jump", None, 30.0, (1, 7, 20, 3)),
    ]
    assert (clips.name, clips.classes) == ("mine", ("jump", "wave"))
    np.testing.assert_array_equal(clips[0].joints[0], recording().astype(np.float32))


def test_folder_takes_the_layout_from_the_argument(tmp_path):
    folder = my_folder(tmp_path, "file\na.npy\nb.npy\n", a=recording(joints=25), b=recording(joints=25))
    clips = load_clips(folder, layout="ntu-25", reading=QUIET)
    assert (clips.layout, clips[0].label, clips.classes) == (NTU_25, None, ())
    assert "layout is not given" in message(read_folder, folder, reading=QUIET)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "column 'file' is missing"),
        ("file;layout\na.npy;kinect-20\n", "column 'file' is missing.*commas"),
        ("file,lable\na.npy,wave\n", "'lable' is unknown"),
        ("file,layout\n", "lists no clip"),
        ("file,layout\na.npy,kinect-20\n,kinect-20\n", "line 3: file is empty"),
        ("file,layout\nc.npy,kinect-20\n", "line 2: file 'c.npy' does not exist"),
        ("file,layout\na.npy,kinect-21\nmore/b.npy,kinect-20\n", "line 2: no layout 'kinect-21'.*kinect-20"),
        ("file,layout\na.npy,ntu-25\nmore/b.npy,ntu-25\n", "a.npy: joints: 20 joints, but layout ntu-25 has 25"),
        ("file,layout\na.npy,kinect-20\n", r"does not list more/b\.npy"),
        ("file,layout\na.npy,kinect-20\na.npy,kinect-20\n", "twice"),
        ("file,layout\n../out.npy,kinect-20\n", "line 2: .*outside"),
        ("file,layout\n/etc/passwd,kinect-20\n", "line 2: .*outside"),
        ("file,label,layout\na.npy,wave,kinect-20\n\nmore/b.npy,,kinect-20\n", "line 4: label of 'more/b.npy' is empty"),
        ("file,fps,layout\na.npy,fast,kinect-20\nmore/b.npy,,kinect-20\n", "line 2: fps 'fast'"),
        ("file,fps,layout\na.npy,0,kinect-20\nmore/b.npy,,kinect-20\n", "line 2: fps '0'"),
        ("file,layout\na.npy,kinect-20,more\n", "line 2: more cells"),
    ],
)
def test_bad_folder_table(tmp_path, table, says):
    folder = my_folder(tmp_path, table)
    np.save(tmp_path / "out.npy", recording())
    assert re.search(says, message(load_clips, folder, reading=QUIET))


def test_bad_folder_arrays(tmp_path):
    folder = my_folder(tmp_path, "file,layout\na.npy,kinect-20\n", a=np.array(["text"]))
    assert "a.npy: holds" in message(load_clips, folder, reading=QUIET)
    (folder / "a.npy").write_bytes(b"")
    assert "a.npy: not a readable .npy" in message(load_clips, folder, reading=QUIET)
    (folder / "a.npy").unlink()
    (tmp_path / "out.npy").touch()
    (folder / "a.npy").symlink_to(tmp_path / "out.npy")
    assert "outside" in message(load_clips, folder, reading=QUIET)
    assert "clips.csv: no such file" in message(read_folder, tmp_path)
    (folder / "clips.csv").write_bytes(b"file\n\xff\xfe.npy\n")
    assert "UTF-8" in message(load_clips, folder)


# Whole data sets: stand-ins of the same form and, if they are there, the downloads


EXCHANGE = [3, 2, 1, 0, *range(4, 20)]  # from one data set's order to the other's; its own inverse
REHUNG = [J[name] for name in ("left shoulder", "right shoulder", "left hip", "right hip")]  # hang elsewhere when the orders are exchanged


def bone_lengths(joints, children):
    """(T, bones) in metres."""
    return np.linalg.norm(joints[:, children] - joints[:, [KINECT_20.parents[child] for child in children]], axis=-1)


def right_left_travel(clip):
    """How far right and left wrist move, relative to the hip centre."""
    joints = clip.joints[0] - clip.joints[0][:, :1]
    return (np.linalg.norm(np.diff(joints[:, J[f"{side} wrist"]], axis=0), axis=-1).sum() for side in ("right", "left"))


@pytest.mark.slow
def test_sizes_of_the_downloads(download):
    utd, ucla = (load_clips(download(name), reading=QUIET) for name in ("utd_mhad_skeleton.zip", "nw_ucla_all_sqe.zip"))
    assert (len(utd), len(utd.classes), set(utd.subjects)) == (861, 27, {f"s{i}" for i in range(1, 9)})
    assert (len(ucla), len(ucla.classes), set(ucla.subjects)) == (1484, 10, {f"s{i:02}" for i in range(1, 11)})
    assert set(utd.y) == set(range(27)) and set(ucla.y) == set(range(10))
    assert sum("_v03" in clip.name for clip in ucla) == 464
    assert min(clip.frames for clip in ucla) == 1
    assert (utd.name, ucla.name) == ("utd-mhad", "nw-ucla")


@pytest.mark.slow
def test_mat_files_of_the_download_read_as_scipy_reads_them(download):
    path = download("utd_mhad_skeleton.zip")
    with zipfile.ZipFile(path) as archive:
        for clip in read_utd_mhad(path, reading=QUIET).clips[::100]:
            theirs = scipy.io.loadmat(io.BytesIO(archive.read(f"Skeleton/{clip.name}_skeleton.mat")))["d_skel"]
            np.testing.assert_array_equal(clip.joints[0][:, EXCHANGE], theirs.transpose(2, 0, 1).astype(np.float32))


@pytest.mark.slow
def test_ucla_labels_agree_with_the_label_inside_the_files(download):
    path = download("nw_ucla_all_sqe.zip")
    with zipfile.ZipFile(path) as archive:
        for clip in read_nw_ucla(path, reading=QUIET).clips[::50]:
            assert json.loads(archive.read(f"all_sqe/{clip.name}.json"))["label"] == nw_ucla.CLASSES.index(clip.label) + 1


@pytest.mark.parametrize("name", ["utd", "ucla"])
def test_right_tree_has_shorter_bones_in_every_clip(recordings, name):
    children = list(range(1, 20))
    for clip in recordings[name]:
        joints = clip.joints[0]
        assert bone_lengths(joints, children).mean(0).sum() < 0.9 * bone_lengths(joints[:, EXCHANGE], children).mean(0).sum(), clip.name


@pytest.mark.parametrize("name", ["utd", "ucla"])
def test_bones_of_the_right_tree_vary_less(recordings, name):
    """Standard deviation in metres: a share of the length would favour the wrong tree, whose bones run from head to hip."""
    longer = [clip.joints[0] for clip in recordings[name] if clip.frames > 5]
    right = np.array([bone_lengths(joints, REHUNG).std(axis=0).mean() for joints in longer])
    wrong = np.array([bone_lengths(joints[:, EXCHANGE], REHUNG).std(axis=0).mean() for joints in longer])
    assert right.mean() < 0.8 * wrong.mean()
    assert (right < wrong).mean() > 0.7
    assert np.median(right) < 0.03


@pytest.mark.parametrize("name", ["utd", "ucla"])
def test_heads_are_above_and_feet_below_the_hips(recordings, name):
    joints = np.concatenate([clip.joints[0] for clip in recordings[name]])
    height = joints[..., 1] - joints[:, :1, 1]
    for above in ("spine", "shoulder centre", "head"):
        assert (height[:, J[above]] > 0).mean() > 0.99
    for below in ("left foot", "right foot", "left ankle", "right ankle"):
        assert (height[:, J[below]] < 0).mean() > 0.99
    assert (height[:, J["head"]] > height[:, J["shoulder centre"]]).mean() > 0.97


def forward(joints):
    """(T, 3): Kinect's axes are right-handed, so up x right is where a person looks whose left is left."""
    up = joints[:, J["shoulder centre"]] - joints[:, J["hip centre"]]
    return np.cross(up, joints[:, J["right shoulder"]] - joints[:, J["left shoulder"]])


@pytest.mark.parametrize("name", ["utd", "ucla"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_left_is_left_because_toes_point_forward(recordings, name, side):
    joints = np.concatenate([clip.joints[0] for clip in recordings[name]])
    toes = joints[:, J[f"{side} foot"]] - joints[:, J[f"{side} ankle"]]
    assert ((toes * forward(joints)).sum(-1) > 0).mean() > 0.8


@pytest.mark.parametrize(("name", "labels"), [("utd", utd_mhad.CLASSES), ("ucla", ["sit down", "stand up"])])
@pytest.mark.parametrize("side", ["left", "right"])
def test_left_is_left_because_knees_bend_forward(recordings, name, labels, side):
    """In NW-UCLA's other classes people turn their backs, and the tracker takes the back for the front."""
    joints = np.concatenate([clip.joints[0] for clip in recordings[name].of_classes(labels)])
    hip, knee, ankle = (joints[:, J[f"{side} {joint}"]] for joint in ("hip", "knee", "ankle"))
    bend = knee - (hip + ankle) / 2
    bent = np.linalg.norm(bend, axis=-1) > 0.15
    assert bent.sum() > 50
    assert ((bend * forward(joints)).sum(-1)[bent] > 0).mean() > 0.85


ONE_ARM = [label for label in utd_mhad.CLASSES if label.startswith("right")] + ["draw triangle", "bowling (right hand)", "tennis right hand forehand swing"]


def test_right_arm_actions_move_the_right_arm(recordings):
    for label in ONE_ARM:
        travel = [right > left for right, left in map(right_left_travel, recordings["utd"].of_classes([label]))]
        assert np.mean(travel) > 0.95, label


def test_two_arm_actions_move_both(recordings):
    for label in ("two hand front clap", "arm curl (two arms)", "squat (two arms stretched out)"):
        ratio = [right / left for right, left in map(right_left_travel, recordings["utd"].of_classes([label]))]
        assert 0.6 < np.median(ratio) < 1.6, label
