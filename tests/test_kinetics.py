"""Kinetics-skeleton: one JSON a clip, in the form of ST-GCN's release, becomes clips in pixels."""

import json
import zipfile

import numpy as np
import pytest

from tdsm.data.layouts import OPENPOSE_18
from tdsm.data.readers import kinetics
from tdsm.data.readers.kinetics import read_kinetics, strongest
from tdsm.data.readers.reading import Reading
from tdsm.util.errors import InputError

PIXELS = np.array([340, 256])


def body(seed=0, score=0.5):
    """One person of a frame, with three decimals as in the release; the ears were not found."""
    rng = np.random.default_rng(seed)
    pose, scores = rng.uniform(0.1, 0.9, (18, 2)).round(3), np.full(18, score)
    pose[16:], scores[16:] = 0, 0
    return {"pose": pose.ravel().tolist(), "score": scores.tolist()}


def clip(*frames, first=1, label="javelin throw", index=166):
    """A clip's file; each argument is the list of persons of a frame."""
    data = [{"frame_index": number, "skeleton": list(persons)} for number, persons in enumerate(frames, first)]
    return {"data": data, "label": label, "label_index": index}


def row(label="javelin throw", index=166, has_skeleton=True):
    return {"has_skeleton": has_skeleton, "label": label, "label_index": index}


def pixels(*persons):
    """(persons, 18, 2); the ears, which were not found, are NaN."""
    joints = np.array([person["pose"] for person in persons]).reshape(-1, 18, 2) * PIXELS
    return np.where(joints.any(axis=2, keepdims=True), joints, np.nan)


def unpacked(folder, clips, tables=None):
    """``clips`` by "train/ID"; the label files list them all, and ``tables`` more."""
    for name, content in clips.items():
        part, ident = name.split("/")
        (folder / f"kinetics_{part}").mkdir(parents=True, exist_ok=True)
        (folder / f"kinetics_{part}" / f"{ident}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    for part in {name.split("/")[0] for name in clips}:
        table = {name.split("/")[1]: row() for name in clips if name.startswith(part)} | (tables or {}).get(part, {})
        (folder / f"kinetics_{part}_label.json").write_text(json.dumps(table, indent=4))
    return folder


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fault(folder, bad):
    """What is said of a bad clip that stands beside a good one."""
    said = []
    unpacked(folder, {"train/-Q_good0": clip([body()]), "train/bad": bad})
    found = read_kinetics(folder, reading=Reading(report=said.extend))
    assert [one.name for one in found] == ["train/-Q_good0"]
    ((name, reason),) = said
    assert name == "kinetics_train/bad.json" and "bad.json" in reason
    assert message(read_kinetics, folder, reading=Reading(strict=True)) == reason
    return reason


def test_the_classes_stand_in_the_order_of_the_release():
    assert list(kinetics.CLASSES) == sorted(kinetics.CLASSES) and len(kinetics.CLASSES) == 400
    assert (kinetics.CLASSES.index("testifying"), kinetics.CLASSES.index("javelin throw")) == (354, 166)  # as in the release's label files


def test_a_clip_is_in_pixels_of_the_video(tmp_path):
    frames = [[body(0)], [body(1)], []]
    (found,) = (clips := read_kinetics(unpacked(tmp_path, {"train/---QUuC4vJs": clip(*frames)})))
    assert (clips.name, clips.layout, clips.classes) == ("kinetics-400", OPENPOSE_18, kinetics.CLASSES)
    assert (found.name, found.label, found.subject, found.fps) == ("train/---QUuC4vJs", "javelin throw", None, 30.0)
    assert found.joints.shape == (1, 3, 18, 2)
    np.testing.assert_allclose(found.joints[0, :2], np.concatenate([pixels(body(0)), pixels(body(1))]), rtol=1e-6)
    assert not found.joints[0, 2].any()


def test_zip_and_folder_read_alike_and_train_comes_before_val(tmp_path):
    folder = unpacked(tmp_path / "kinetics-skeleton", {"val/aaa": clip([body(1)]), "train/ccc": clip([body(2)]), "train/bbb": clip([body(3)])})
    with zipfile.ZipFile(tmp_path / "k.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.json")):
            archive.write(file, file.relative_to(tmp_path))
    left, right = read_kinetics(folder), read_kinetics(tmp_path / "k.zip")
    assert [one.name for one in left] == [one.name for one in right] == ["train/bbb", "train/ccc", "val/aaa"]
    for one, two in zip(left, right, strict=True):
        np.testing.assert_array_equal(one.joints, two.joints)


def test_a_joint_of_score_0_is_nowhere(tmp_path):
    person = body()
    person["score"][3] = 0
    (found,) = read_kinetics(unpacked(tmp_path, {"train/a": clip([person])}))
    assert np.flatnonzero(np.isnan(found.joints[0, 0]).all(axis=1)).tolist() == [3, 16, 17]
    assert np.isfinite(found.joints[0, 0, 4]).all()


def test_the_two_strongest_of_the_first_five_stay_frame_by_frame(tmp_path):
    six = [body(seed, score) for seed, score in enumerate((0.1, 0.4, 0.2, 0.6, 0.3, 0.9))]
    frames = [six, [six[1], six[3]], [six[0]], []]
    folder = unpacked(tmp_path, {"train/a": clip(*frames)})
    expected = np.zeros((2, 4, 18, 2))
    expected[:, 0] = expected[:, 1] = pixels(six[3], six[1])
    expected[0, 2] = pixels(six[0])
    np.testing.assert_allclose(read_kinetics(folder)[0].joints, expected, rtol=1e-6)
    np.testing.assert_allclose(read_kinetics(folder, bodies=1)[0].joints, expected[:1], rtol=1e-6)
    assert read_kinetics(folder, bodies=9)[0].joints.shape[0] == 5


def test_strongest_keeps_the_order_of_equals():
    joints = np.arange(8.0).reshape(4, 1, 2)
    found = strongest(np.array([1, 0, 1, 1]), joints, np.array([[1.0], [1.0], [1.0], [2.0]]), 3, 2)
    np.testing.assert_array_equal(found[:, :, 0, 0], [[2, 6, 0], [0, 0, 0]])
    np.testing.assert_array_equal(found[1, 1, 0], joints[0, 0])


@pytest.mark.parametrize("first", [0, 1])
def test_frames_stand_where_their_index_says_from_0_or_1(tmp_path, first):
    content = clip([body(0)], [body(1)], [body(2)], [body(3)], first=first)
    content["data"] = [content["data"][place] for place in (2, 0, 3)]  # not in order, and the second is not there
    (found,) = read_kinetics(unpacked(tmp_path, {"val/a": content}))
    expected = np.concatenate([pixels(body(0)), np.zeros((1, 18, 2)), pixels(body(2)), pixels(body(3))])
    np.testing.assert_allclose(found.joints[0], expected, rtol=1e-6)


def test_a_clip_that_starts_late_keeps_its_time(tmp_path):
    (found,) = read_kinetics(unpacked(tmp_path, {"val/a": clip([body(0)], first=3)}))
    assert found.joints.shape[1] == 3 and not found.joints[0, :2].any()


def test_clips_without_a_skeleton_are_counted_and_not_opened(tmp_path):
    folder = unpacked(
        tmp_path,
        {"train/a": clip([body()]), "train/b": "not JSON", "val/c": clip([])},
        {"train": {"b": row(has_skeleton=False)}, "val": {"c": row(has_skeleton=False)}},
    )
    with pytest.warns(UserWarning, match="2 clips have no skeleton"):
        (found,) = read_kinetics(folder, reading=Reading(report=lambda skipped: pytest.fail(str(skipped)) if skipped else None))
    assert found.name == "train/a"


def test_without_a_label_file_every_clip_is_tried(tmp_path):
    folder = unpacked(tmp_path, {"train/a": clip([body()])})
    (folder / "kinetics_train_label.json").unlink()
    assert [one.name for one in read_kinetics(folder)] == ["train/a"]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (clip([], []), "no body in any frame"),
        (clip(), "no body in any frame"),
        (clip([body(score=0)]), "all scores are 0"),
        ("", "empty (0 bytes)"),
        (json.dumps(clip([body()]))[:-40], "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ({"label": "javelin throw", "label_index": 166}, "'data' is not a list"),
        ({"data": [1], "label": "javelin throw", "label_index": 166}, "'data' is not a list"),
        (clip([body()], label="abseiling"), "label 'abseiling' contradicts label_index 166, which is 'javelin throw'"),
        (clip([body()], index=167), "label 'javelin throw' contradicts label_index 167, which is 'jetskiing'"),
        (clip([body()], index=400), "label_index is 400 (label 'javelin throw')"),
        (clip([body()], label="unknown", index=-1), "label_index is -1 (label 'unknown')"),  # the packer's own default
        (clip([body()], index="166"), "label_index is '166'"),
        (clip([{"pose": [0.1] * 35, "score": [0.5] * 18}]), "pose: a body does not have 36 numbers"),
        (clip([body(), {"pose": [0.1] * 36, "score": [0.5] * 17}]), "score: a body does not have 18 numbers"),
        (clip([{"pose": ["0.1"] * 36, "score": [0.5] * 18}]), "pose: a body does not have 36 numbers"),
        (clip([{"pose": [float("nan")] * 36, "score": [0.5] * 18}]), "pose: NaN"),
        (clip([{"pose": [0.1] * 36}]), "frame_index 1: field 'skeleton' is not a list of bodies"),
        ({"data": [{"frame_index": 1}], "label": "javelin throw", "label_index": 166}, "field 'skeleton' is not a list"),
        ({"data": [{"skeleton": []}], "label": "javelin throw", "label_index": 166}, "frame_index is None"),
        (clip([body()], first=-1), "frame_index is -1"),
        (clip([body()], first=10**9), "frame_index is 1000000000"),
        ({"data": 2 * clip([body()])["data"], "label": "javelin throw", "label_index": 166}, "frame_index 1 occurs twice"),
    ],
)  # fmt: skip
def test_a_bad_clip_is_skipped_and_reported(tmp_path, bad, says):
    assert says in fault(tmp_path, bad)


def test_spelling_that_differs_in_marks_only_is_no_contradiction(tmp_path):
    content = clip([body()], label="passing_american_football_in_game", index=kinetics.CLASSES.index("passing American football (in game)"))
    content["label"] = content["label"].replace("_", " ")
    (found,) = read_kinetics(unpacked(tmp_path, {"train/a": content}))
    assert found.label == "passing American football (in game)"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"z": row(index=3)}, "z: label 'javelin throw' contradicts label_index 3, which is 'applauding'"),
        ({"z": 5}, "z: has no has_skeleton"),
        ({"z": {"has_skeleton": True}}, "z: label_index is None"),
    ],
)
def test_a_label_file_of_other_classes_is_refused_before_anything_is_read(tmp_path, table, says):
    said = message(read_kinetics, unpacked(tmp_path, {"train/a": clip([body()])}, {"train": table}))
    assert says in said and "kinetics_train_label.json" in said


def test_folders_that_cannot_be_read_are_refused(tmp_path):
    folder = unpacked(tmp_path / "k", {"train/a": clip([body()])})
    assert "kinetics_train/ID.json" in message(read_kinetics, folder / "kinetics_train")
    unpacked(folder / "copy", {"train/a": clip([body()])})
    assert "train/a occurs twice" in message(read_kinetics, folder)
    assert "none of its 1 files gives a clip" in message(read_kinetics, unpacked(tmp_path / "empty", {"train/a": clip([])}))
    assert "no such file" in message(read_kinetics, tmp_path / "no")


def test_a_store_holds_the_same_clips(tmp_path):
    folder = unpacked(tmp_path / "k", {"train/a": clip([body(0)], [body(1), body(2)]), "val/b": clip([body(3)])})
    stored, here = read_kinetics(folder, reading=Reading(store=tmp_path / "store")), read_kinetics(folder)
    for left, right in zip(stored, here, strict=True):
        assert (left.name, left.label) == (right.name, right.label)
        np.testing.assert_array_equal(left.joints, right.joints)
