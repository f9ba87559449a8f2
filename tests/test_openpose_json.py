"""OpenPose's files: one a frame, persons in any order, joints that were not found; bad files are named."""

import json
import zipfile

import numpy as np
import pytest

from tdsm.data.clips import Clip
from tdsm.data.convert import convert, convert_all
from tdsm.data.layouts import MEDIAPIPE_33, NTU_25, OPENPOSE_18, OPENPOSE_25
from tdsm.data.readers import read_folder
from tdsm.data.readers.openpose_json import MEMBER, read_openpose_json
from tdsm.data.readers.reading import Reading
from tdsm.data.synthetic import Take, perform
from tdsm.util.errors import InputError

QUIET = Reading(progress=False)
STRICT = Reading(progress=False, strict=True)


def person(joints=25, at=(300.0, 200.0), seed=0):
    """(V, 3): somebody about 200 pixels tall."""
    places = np.random.default_rng(seed).uniform((-40, -100), (40, 100), (joints, 2)) + at
    return np.hstack([places, np.full((joints, 1), 0.8)])


def walk(joints=25, start=300.0, frames=6, seed=0):
    """A person who goes to the right by 10 pixels a frame."""
    return [person(joints, (start + 10 * frame, 200.0), seed) for frame in range(frames)]


def frame(*people):
    """The content of one file."""
    fields = {"face_keypoints_2d": [], "hand_left_keypoints_2d": [], "pose_keypoints_3d": []}
    return json.dumps({"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": body.ravel().tolist(), **fields} for body in people]})


def written(folder, frames, video="clip_", first=0):
    """A folder as --write_json leaves it; ``frames`` are lists of persons, or contents."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, people in enumerate(frames, first):
        (folder / f"{video}{number:012}_keypoints.json").write_text(people if isinstance(people, str) else frame(*people))
    return folder


def test_names_that_are_read():
    assert [MEMBER.fullmatch(name).groups() for name in ("a_b_000000000012_keypoints.json", "000000000000_keypoints.json", "IMG_7_keypoints.json")] == [
        ("a_b", "000000000012"), (None, "000000000000"), ("IMG", "7"),
    ]  # fmt: skip
    assert not any(map(MEMBER.fullmatch, ("portrait_keypoints.json", "a11_s04_e02_v03.json", "clip_000000000012_keypoints.json.bak")))


@pytest.mark.parametrize("layout", [OPENPOSE_25, OPENPOSE_18], ids=lambda layout: layout.name)
def test_one_person(tmp_path, layout):
    body = walk(len(layout))
    clips = read_openpose_json(written(tmp_path / "poses", [[one] for one in body]), fps=25.0, reading=QUIET)
    assert (clips.name, clips.layout, clips.classes, len(clips)) == ("poses", layout, (), 1)
    assert (clips[0].name, clips[0].label, clips[0].fps) == ("clip", None, 25.0)
    np.testing.assert_allclose(clips[0].joints, np.stack(body)[None, ..., :2], rtol=1e-6)


def test_videos_that_share_a_folder_and_a_zip_of_them(tmp_path):
    folder = tmp_path / "poses"
    written(folder, [[one] for one in walk()], "b_", first=998)
    written(folder, [[one] for one in walk(frames=3)], "a_2_")
    written(folder / "webcam", [[one] for one in walk(frames=4)], "")
    (folder / "notes.txt").write_text("mine")
    clips = read_openpose_json(folder, reading=QUIET)
    assert {clip.name: clip.frames for clip in clips} == {"a_2": 3, "b": 6, "webcam": 4}
    assert (np.diff(next(clip for clip in clips if clip.name == "b").joints[0, :, 0, 0]) > 9).all()  # frames in numeric order
    with zipfile.ZipFile(tmp_path / "poses.zip", "w") as archive:
        for file in folder.rglob("*.json"):
            archive.write(file, file.relative_to(folder).as_posix())
    packed = read_openpose_json(tmp_path / "poses.zip", reading=QUIET)
    assert packed.name == "poses"
    for one, other in zip(clips, packed, strict=True):
        np.testing.assert_array_equal(one.joints, other.joints)


def test_a_webcam_in_the_folder_itself_is_named_after_it(tmp_path):
    assert read_openpose_json(written(tmp_path / "desk", [[person()]], ""), reading=QUIET)[0].name == "desk"


def test_persons_keep_their_place_when_their_order_changes(tmp_path):
    anna, ben = walk(seed=1), walk(start=700.0, seed=2)
    frames = [[a, b] if number % 2 else [b, a] for number, (a, b) in enumerate(zip(anna, ben, strict=True))]
    (clip,) = read_openpose_json(written(tmp_path, frames), reading=QUIET)
    np.testing.assert_allclose(clip.joints, np.stack([ben, anna])[..., :2], rtol=1e-6)


def test_a_person_may_leave_and_come_back_and_the_one_seen_longest_is_first(tmp_path):
    anna, ben, passer = walk(seed=1), walk(start=700.0, seed=2), person(at=(60, 60), seed=3)
    frames = [[ben[0], anna[0]], [anna[1]], [anna[2], passer], [ben[3], anna[3]], [], [anna[5]]]
    (clip,) = read_openpose_json(written(tmp_path, frames), reading=QUIET)
    assert clip.joints.any(axis=(2, 3)).tolist() == [[True, True, True, True, False, True], [True, False, False, True, False, False]]
    np.testing.assert_allclose(clip.joints[1, 3], ben[3][:, :2], rtol=1e-6)
    assert read_openpose_json(tmp_path, bodies=5, reading=QUIET)[0].joints.shape[0] == 3
    assert read_openpose_json(tmp_path, bodies=1, reading=QUIET)[0].joints.shape[0] == 1


def test_somebody_far_away_is_somebody_new(tmp_path):
    (clip,) = read_openpose_json(written(tmp_path, [[person()], [person(at=(500.0, 200.0))]]), reading=QUIET)
    assert clip.joints.any(axis=(2, 3)).tolist() == [[True, False], [False, True]]


def test_joints_and_persons_that_were_not_found(tmp_path):
    lost, nobody = person(), np.zeros((25, 3))
    lost[3] = 250.0, 100.0, 0.0  # with --keypoint_scale a lost joint may lie elsewhere than at 0
    (clip,) = read_openpose_json(written(tmp_path, [[person()], [nobody, lost]]), reading=QUIET)
    assert clip.joints.shape == (1, 2, 25, 2)
    assert np.argwhere(np.isnan(clip.joints).all(axis=3)).tolist() == [[0, 1, 3]]
    assert np.isfinite(clip.joints[0, 0]).all()


def test_from_a_webcam_to_a_kinect_body(tmp_path):
    """What a recognizer trained on NTU RGB+D is given: an upright body whose right hand waves."""
    joints = perform("wave the right hand", take=Take(frames=10))
    picture = 400 + 200 * convert(Clip(joints, NTU_25), OPENPOSE_25).clip.joints[0]
    frames = [[np.hstack([body, np.full((25, 1), 0.9)])] for body in picture]
    made = convert_all(read_openpose_json(written(tmp_path, frames), reading=QUIET), NTU_25)
    wrists = [made.clips[0].joints[0, :, NTU_25.joints.index(f"{side} wrist"), 1] for side in ("left", "right")]
    assert made.flat
    assert (wrists[1] - wrists[0]).max() > 100


def test_mediapipe_arrays_come_through_a_folder_of_npy(tmp_path):
    body = np.random.default_rng(0).normal(size=(4, 33, 3)).astype(np.float32)
    np.save(tmp_path / "wave.npy", body)
    (tmp_path / "clips.csv").write_text("file,fps,layout\nwave.npy,30,mediapipe-33\n")
    (clip,) = read_folder(tmp_path)
    assert clip.layout is MEDIAPIPE_33
    np.testing.assert_array_equal(clip.joints[0], body)


def test_a_store_goes_on_where_reading_stopped(tmp_path):
    written(tmp_path / "poses", [[person()]], "a_")
    reading = Reading(progress=False, store=tmp_path / "store")
    assert len(read_openpose_json(tmp_path / "poses", reading=reading)) == 1
    written(tmp_path / "poses", [[person()]], "b_")
    assert [clip.name for clip in read_openpose_json(tmp_path / "poses", reading=reading)] == ["a", "b"]


# Bad input


BAD = [
    ("{", r"clip_000000000001_keypoints\.json: not JSON"),
    ("[]", r"000000000001_keypoints\.json: field 'people' is missing or no list"),
    ('{"people": {}}', r"field 'people' is missing or no list"),
    ('{"people": [{}]}', r"people\[0\]: pose_keypoints_2d holds no numbers, not 75 or 54; run OpenPose with --model_pose"),
    (json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 45}]}), r"people\[0\]: pose_keypoints_2d holds 45 numbers, not 75 or 54"),
    (json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 74 + ["x"]}]}), r"people\[0\]: pose_keypoints_2d holds something else than numbers"),
    (json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 74 + [[]]}]}), r"people\[0\]: pose_keypoints_2d holds something else than numbers"),
    (json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 74 + [float("nan")]}]}), r"people\[0\]: pose_keypoints_2d holds NaN or infinite numbers"),
    (frame(person(18)), r"000000000001_keypoints\.json: a person has 18 joints, where those before have 25"),
]


@pytest.mark.parametrize(("content", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_a_faulty_file_is_named_and_its_video_skipped(tmp_path, content, message):
    written(tmp_path, [[person()], content, [person()]])
    with pytest.raises(InputError, match=message) as caught:
        read_openpose_json(tmp_path, reading=STRICT)
    assert "\n" not in str(caught.value)
    written(tmp_path, [[person()]], "whole_")
    skipped = []
    clips = read_openpose_json(tmp_path, reading=Reading(progress=False, report=skipped.extend))
    assert [clip.name for clip in clips] == ["whole"]
    assert [file.name for file in skipped] == ["clip_000000000000_keypoints.json"]


def test_a_video_without_anybody_is_skipped(tmp_path):
    written(tmp_path, [[], []], "empty_")
    written(tmp_path, [[person()]], "full_")
    skipped = []
    assert len(read_openpose_json(tmp_path, reading=Reading(progress=False, report=skipped.extend))) == 1
    assert "nobody was found in any frame of this video" in skipped[0].reason


def test_nothing_to_read(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        read_openpose_json(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"none of its 1 files is named like NAME_000000000012_keypoints\.json"):
        read_openpose_json(tmp_path)
    with pytest.raises(InputError, match="nobody was found in any frame"):
        read_openpose_json(written(tmp_path / "empty", [[], []]))
    with pytest.raises(InputError, match="not JSON"):
        read_openpose_json(written(tmp_path / "broken", ["{"]))
    for settings in ({"fps": 0.0}, {"bodies": 0}):
        with pytest.raises(InputError, match="give frames a second above 0, and 1 person or more"):
            read_openpose_json(tmp_path / "empty", **settings)
