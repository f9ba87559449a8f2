"""Kinect v1 sets: MSR-Action3D from its text files, UWA3D Multiview II, whose files are not known, through a folder of arrays."""

import zipfile

import numpy as np
import pytest
from standins import write_msr

from tdsm.catalogue.rows import benchmark_named
from tdsm.config import PreprocessConfig
from tdsm.data.clips import ClipSet
from tdsm.data.layouts import KINECT_20
from tdsm.data.preprocess import preprocess
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import load_clips, msr_action3d, read_folder
from tdsm.data.readers.msr_action3d import read_msr_action3d
from tdsm.data.readers.reading import Reading
from tdsm.util.errors import InputError

BONES = """7-4 4-3 3-20 3-1 3-2 1-8 2-9 8-10 9-11 10-12 11-13 7-5 7-6 5-14 6-15 14-16 15-17 16-18 17-19"""  # of the authors' drawing script, from 1
NAME = "a{:02}_s{:02}_e{:02}_skeleton3D.txt"


def body(frames=4, seed=0):
    """(frames, 20 rows in the file's order, 3), metres."""
    return np.random.default_rng(seed).normal([0, 0, 2.5], 0.3, (frames, 20, 3)).round(6)


def text(joints):
    """A file: x y z confidence, four columns in exponents as MATLAB writes them."""
    return "".join("".join(f"  {value: .7e}" for value in (*row, 1.0)) + "\r\n" for row in joints.reshape(-1, 3))


def folder(path, files):
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content.encode())
    return path


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_clip_carries_what_its_name_says(tmp_path):
    clips = read_msr_action3d(folder(tmp_path, {NAME.format(20, 10, 3): text(body(5)), NAME.format(2, 1, 1): text(body(3))}))
    assert (clips.name, clips.layout, clips.classes) == ("msr-action3d", KINECT_20, msr_action3d.CLASSES)
    one, two = clips
    assert (one.name, one.label, one.subject, one.fps) == ("a02_s01_e01", "horizontal arm wave", "s01", 15.0)
    assert (two.name, two.label, two.subject) == ("a20_s10_e03", "pick up and throw", "s10")
    assert one.joints.shape == (1, 3, 20, 3) and two.joints.shape == (1, 5, 20, 3)


def test_the_joints_hang_together_as_in_the_authors_drawing(tmp_path):
    """Every bone of the layout is one of theirs, and ours start at the hip centre."""
    rows = np.broadcast_to(np.arange(1, 21)[:, None], (20, 3))  # each joint stands at its own row number
    (clip,) = read_msr_action3d(folder(tmp_path, {NAME.format(1, 1, 1): text(rows[None])}))
    row = clip.joints[0, 0, :, 0].astype(int)
    assert {frozenset((row[child], row[parent])) for child, parent in KINECT_20.bones} == {frozenset(map(int, bone.split("-"))) for bone in BONES.split()}
    named = dict(zip(KINECT_20.joints, row.tolist(), strict=True))
    assert (named["head"], named["shoulder centre"], named["spine"], named["hip centre"]) == (20, 3, 4, 7)
    assert (named["left shoulder"], named["left hand"], named["right hand"], named["left foot"], named["right knee"]) == (1, 12, 13, 18, 15)


J = {name: index for index, name in enumerate(KINECT_20.joints)}
ONE_SIDED = {"high arm wave": "hand", "hammer": "hand", "high throw": "hand", "draw x": "hand", "forward kick": "foot"}  # subjects were asked for the right


def seen(clip):
    return clip.joints[0][clip.joints[0].any(axis=(1, 2))].astype(float)


def right_moves_more(clip):
    left, right = (seen(clip)[:, J[f"{side} {ONE_SIDED[clip.label]}"]].std(axis=0).sum() for side in ("left", "right"))
    return right > left


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["stand-in", "real"])
def test_left_is_left(tmp_path, download, real):
    """By the toes, and by what was asked of the subjects."""
    path = download("msr_action3d_real_world_coordinates.zip") if real else write_msr(tmp_path)
    clips = read_msr_action3d(path, reading=Reading(progress=False, report=lambda skipped: None))
    assert np.mean([right_moves_more(clip) for clip in clips if clip.label in ONE_SIDED]) > 0.98


def test_zip_and_folder_read_alike_and_are_recognised(tmp_path):
    files = {NAME.format(action, 1, 1): text(body(seed=action)) for action in (3, 1, 2)}
    unpacked = folder(tmp_path / "x" / "MSRAction3DSkeletonReal3D", files)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for file in unpacked.iterdir():
            archive.write(file, f"MSRAction3DSkeletonReal3D/{file.name}")
    left, right = load_clips(tmp_path / "x"), load_clips(tmp_path / "x.zip")
    assert [clip.name for clip in left] == [clip.name for clip in right] == ["a01_s01_e01", "a02_s01_e01", "a03_s01_e01"]
    for one, two in zip(left, right, strict=True):
        np.testing.assert_array_equal(one.joints, two.joints)


def test_a_frame_of_zeros_stays_as_a_frame_without_anybody(tmp_path):
    joints = body(4)
    joints[1] = 0
    (clip,) = read_msr_action3d(folder(tmp_path, {NAME.format(1, 1, 1): text(joints)}))
    assert clip.frames == 4 and not clip.joints[0, 1].any()
    assert preprocess(clip, PreprocessConfig(frames=0, bodies=1)).shape[1] == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (text(np.zeros((3, 20, 3))), "no body in any frame"),
        ("", "empty (0 bytes)"),
        (" \r\n\r\n", "no frame"),
        (text(body()).rsplit("\n", 2)[0], "79 rows are not a multiple of 20"),
        (text(body())[:-20], "line 80: 3 numbers, not 4"),
        ("1 2 3\n" * 20, "line 1: 3 numbers, not 4"),
        ("1 2 3 4 5\n" * 20, "line 1: 5 numbers, not 4"),
        ("\n1 2 x 1\n" * 20, "line 2: not numbers"),
        ("1 2 3 1\n" * 21 + "1 nan 3 1\n" * 19, "line 22: a coordinate is NaN"),
        ("1 2 inf 1\n" * 20, "line 1: a coordinate is NaN or infinite"),
    ],
)
def test_a_bad_file_is_skipped_and_reported(tmp_path, content, says):
    said = []
    files = {NAME.format(13, 9, 1): text(body()), NAME.format(13, 9, 2): content}
    (clip,) = read_msr_action3d(folder(tmp_path, files), reading=Reading(report=said.extend))
    assert clip.name == "a13_s09_e01"
    ((_, reason),) = said
    assert says in reason and "a13_s09_e02_skeleton3D.txt" in reason
    assert message(read_msr_action3d, tmp_path, reading=Reading(strict=True)) == reason


def test_an_action_that_does_not_exist_is_refused(tmp_path):
    assert "action a21 does not exist" in message(read_msr_action3d, folder(tmp_path, {NAME.format(21, 1, 1): text(body())}))


def test_screen_coordinates_are_refused(tmp_path):
    said = message(read_msr_action3d, folder(tmp_path, {"a01_s01_e01_skeleton.txt": text(body())}))
    assert "screen coordinates" in said and "MSRAction3DSkeletonReal3D" in said


def test_other_folders_are_refused(tmp_path):
    assert "a01_s01_e01_skeleton3D.txt" in message(read_msr_action3d, folder(tmp_path, {"readme.txt": "MSR"}))


# UWA3D Multiview II: the format of its files could not be confirmed, so a user brings arrays of 20 Kinect v1 joints in the order of kinect-20


def uwa3dii_folder(path):
    """Two takes of each of the 30 classes."""
    path.mkdir(parents=True)
    lines = ["file,label,subject,fps,layout"]
    for action, label in enumerate(load_prompts("uwa3dii"), 1):
        for take in (1, 2):
            name = f"a{action:02}_s{take:02}_v01.npy"
            np.save(path / name, body(6, seed=100 * take + action))
            lines.append(f"{name},{label},s{take:02},30,kinect-20")
    (path / "clips.csv").write_text("\n".join(lines) + "\n")
    return path


def test_uwa3d_comes_in_as_a_folder_and_goes_on_as_an_npz_with_its_name_and_classes(tmp_path):
    """``ClipSet(clips, classes in the data set's own order, "uwa3dii").save`` is the whole way: benchmarks go by that order."""
    found = read_folder(uwa3dii_folder(tmp_path / "uwa3dii"))
    names = tuple(load_prompts("uwa3dii"))
    assert set(found.classes) == set(names) and len(names) == 30
    path = ClipSet(found.clips, names, "uwa3dii").save(tmp_path / "any name.npz")
    clips = load_clips(path)
    assert (clips.name, clips.layout, clips.classes, len(clips)) == ("uwa3dii", KINECT_20, names, 60)
    np.testing.assert_allclose(clips[0].joints, found[0].joints)
    assert preprocess(clips[0], PreprocessConfig()).shape[2] == 20


def test_uwa3d_serves_its_benchmark(tmp_path):
    names = tuple(load_prompts("uwa3dii"))
    clips = ClipSet(read_folder(uwa3dii_folder(tmp_path / "uwa3dii")).clips, names, "uwa3dii")
    benchmark = benchmark_named("uwa3dii-purls-24-6")
    train, test = benchmark.divide(clips)
    assert (len(train), len(test)) == (48, 12)
    assert {clip.label for clip in test} == {names[index] for index in benchmark.unseen()}
