"""OpenPose's files: one a frame, persons in any order, joints that were not found; bad files are named."""

import json
import zipfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from tdsm.data.clips import Clip
from tdsm.data.convert import convert, convert_all
from tdsm.data.layouts import COCO_17, MEDIAPIPE_33, NTU_25, OPENPOSE_18, OPENPOSE_25
from tdsm.data.readers import detections, load_clips, read_folder
from tdsm.data.readers.detections import Person, joints_of
from tdsm.data.readers.openpose_json import MEMBER, read_openpose_json
from tdsm.data.readers.reading import Reading
from tdsm.data.synthetic import ACTIONS, Take, perform
from tdsm.util.errors import InputError

QUIET = Reading(progress=False)
STRICT = Reading(progress=False, strict=True)


BODIES = {
    len(layout): convert(Clip(perform("wave the right hand", take=Take(frames=2))[:1], NTU_25), layout).clip.joints[0, 0]
    for layout in (OPENPOSE_25, OPENPOSE_18)
}


def person(joints=25, at=(300.0, 200.0), seed=0):
    """(V, 3): somebody about 200 pixels tall; each seed has a body of its own."""
    body = BODIES[joints] - BODIES[joints].mean(axis=0)
    places = body * 200 / np.ptp(body[:, 1]) + np.random.default_rng(seed).uniform(-3, 3, (joints, 2)) + at
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
    ("[]", r"000000000001_keypoints\.json: field 'people' is missing or not a list"),
    ('{"people": {}}', r"field 'people' is missing or not a list"),
    ('{"people": [{}]}', r"people\[0\]: pose_keypoints_2d has no numbers, not 75 or 54; run OpenPose with --model_pose"),
    (json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 45}]}), r"people\[0\]: pose_keypoints_2d has 45 numbers, not 75 or 54"),
    (json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 74 + ["x"]}]}), r"people\[0\]: pose_keypoints_2d has values that are not numbers"),
    (json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 74 + [[]]}]}), r"people\[0\]: pose_keypoints_2d has values that are not numbers"),
    (json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 74 + [float("nan")]}]}), r"people\[0\]: pose_keypoints_2d holds NaN"),
    (frame(person(18)), r"000000000001_keypoints\.json: a person has 18 joints, but those before have 25"),
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
    assert "no person was found in any frame of this video" in skipped[0].reason


def test_nothing_to_read(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        read_openpose_json(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"none of its 1 files is called like NAME_000000000012_keypoints\.json"):
        read_openpose_json(tmp_path)
    with pytest.raises(InputError, match="no person was found in any frame"):
        read_openpose_json(written(tmp_path / "empty", [[], []]))
    with pytest.raises(InputError, match="not JSON"):
        read_openpose_json(written(tmp_path / "broken", ["{"]))
    for settings in ({"fps": 0.0}, {"bodies": 0}):
        with pytest.raises(InputError, match="give fps above 0, and bodies 1 or more"):
            read_openpose_json(tmp_path / "empty", **settings)


# Frames that are left out, other models, labels


def test_a_first_number_that_is_not_0_is_no_gap_and_a_number_left_out_is_a_frame_with_nobody(tmp_path):
    written(tmp_path / "poses", [[one] for one in walk()], first=40)
    assert read_openpose_json(tmp_path / "poses", reading=QUIET)[0].frames == 6
    (tmp_path / "poses" / "clip_000000000042_keypoints.json").unlink()
    with pytest.warns(UserWarning, match="1 of 1 videos have missing frame numbers, 1 in all .first clip.*kept as frames without persons"):
        (clip,) = read_openpose_json(tmp_path / "poses", reading=QUIET)
    assert clip.joints.any(axis=(0, 2, 3)).tolist() == [True, True, False, True, True, True]


def test_numbers_far_apart_are_refused_before_anything_is_allocated(tmp_path):
    for number in (0, 10**17):
        written(tmp_path, [[person()]], first=number)
    with pytest.warns(UserWarning, match="have missing frame numbers"), pytest.raises(InputError, match="frame numbers go from 0 to 1000000000000000"):
        read_openpose_json(tmp_path, reading=STRICT)


def test_one_frame_twice_is_refused(tmp_path):
    written(tmp_path, [[person()]])
    (tmp_path / "clip_0_keypoints.json").write_text(frame(person()))
    with pytest.raises(InputError, match="is frame 0 of its video, and so is"):
        read_openpose_json(tmp_path, reading=QUIET)


def test_the_key_of_versions_before_1_2_is_read_alike(tmp_path):
    for name, key in (("new", "pose_keypoints_2d"), ("old", "pose_keypoints")):
        written(tmp_path / name, [frame(one).replace("pose_keypoints_2d", key) for one in walk(18)])
    new, old = (read_openpose_json(tmp_path / name, reading=QUIET)[0].joints for name in ("new", "old"))
    np.testing.assert_array_equal(new, old)


def body_25b(body):
    """The same body as OpenPose's BODY_25B writes it: COCO's 17, upper neck, top of the head, the feet."""
    of = {name: body[index] for index, name in enumerate(OPENPOSE_25.joints)}
    up = of["neck"] - of["middle hip"]
    rows = [of[joint] for joint in COCO_17.joints] + [of["neck"] + 0.12 * up, of["neck"] + 0.5 * up] + [of[joint] for joint in OPENPOSE_25.joints[19:]]
    return np.stack(rows) * [1, 1, 0] + [0, 0, 0.8]


def test_body_25b_is_recognised_by_its_bones_and_brought_to_openpose_25(tmp_path):
    people = walk()
    with pytest.warns(UserWarning, match="order of OpenPose's BODY_25B.*converted to openpose-25"):
        (clip,) = read_openpose_json(written(tmp_path, [[body_25b(one)] for one in people]), reading=QUIET)
    joint = {name: index for index, name in enumerate(OPENPOSE_25.joints)}
    same = [index for name, index in joint.items() if name not in ("neck", "middle hip")]
    np.testing.assert_allclose(clip.joints[0][:, same], np.stack(people)[:, same, :2], rtol=1e-5)
    hips = clip.joints[0][:, [joint["left hip"], joint["right hip"]]].mean(axis=1)
    np.testing.assert_allclose(clip.joints[0][:, joint["middle hip"]], hips, rtol=1e-5)


@pytest.mark.parametrize("action", ["wave the left hand", "kick forward with the right leg", "sit down", "clap"])
@pytest.mark.parametrize("yaw", [0.0, 60.0, 120.0])
def test_body_25_is_never_taken_for_body_25b(tmp_path, action, yaw):
    joints = perform(next(name for name in ACTIONS if name.startswith(action)), take=Take(frames=8, yaw=yaw))
    picture = 400 + 200 * convert(Clip(joints, NTU_25), OPENPOSE_25).clip.joints[0]
    frames = [[np.hstack([body, np.full((25, 1), 0.9)])] for body in picture]
    read_openpose_json(written(tmp_path, frames), reading=QUIET)  # a warning would be an error


def test_folders_are_labels_where_all_videos_stand_in_two_or_more(tmp_path):
    for label, videos in {"wave": ("a_", "b_"), "clap": ("a_",)}.items():
        for video in videos:
            written(tmp_path / label, [[person()]], video)
    with pytest.warns(UserWarning, match="names of its 2 folders .clap, wave. are used as the labels of 3 videos"):
        clips = read_openpose_json(tmp_path, reading=QUIET)
    assert {clip.name: clip.label for clip in clips} == {"wave/a": "wave", "wave/b": "wave", "clap/a": "clap"}
    assert clips.classes == ("clap", "wave")
    written(tmp_path, [[person()]], "loose_")
    assert read_openpose_json(tmp_path, reading=QUIET).classes == ()


def test_a_table_beside_the_videos_gives_labels_subjects_and_frames_a_second(tmp_path):
    for name in ("x/anna_", "x/ben_"):
        written((tmp_path / name).parent, [[person()]], Path(name).name)
    written(tmp_path / "y" / "desk", [[person()]], "")
    table = tmp_path / "clips.csv"
    table.write_text('file,label,subject,fps\nanna.mp4,"wave, twice",anna,25\nx/ben,clap,,\ny/desk,type,carl,15\n')
    clips = load_clips(tmp_path, reading=QUIET)
    assert {clip.name: (clip.label, clip.subject, clip.fps) for clip in clips} == {
        "x/anna": ("wave, twice", "anna", 25.0), "x/ben": ("clap", None, 30.0), "y/desk": ("type", "carl", 15.0),
    }  # fmt: skip
    for rows, says in (
        ("anna,wave,,\nben,clap,,\n", "does not list 1 of 3 videos, first y/desk"),
        ("anna,wave,,\nanna.mp4,clap,,\n", "lists 'anna.mp4' twice"),
        ("dora,wave,,\n", "file 'dora' is not a video here"),
        ("anna,,,\n", "label of 'anna' is empty"),
    ):
        table.write_text("file,label,subject,fps\n" + rows)
        with pytest.raises(InputError, match=says):
            load_clips(tmp_path, reading=QUIET)


# Many people


def test_who_has_not_been_found_for_two_seconds_is_forgotten(tmp_path):
    for name, away in (("short", 20), ("long", 21)):
        (clip,) = read_openpose_json(written(tmp_path / name, [[person()], *[[]] * away, [person()]]), fps=10.5, reading=QUIET)
        assert len(clip.joints) == (1 if name == "short" else 2)


def test_persons_with_numbers_are_followed_by_them():
    body = person()[:, :2]
    frames = {number: [Person(body, 7 + number % 2), Person(body + 10, 8 - number % 2)] for number in range(4)}
    joints = joints_of(frames, "x", 30.0, 2)
    np.testing.assert_allclose(joints[0, :, 0, 0] - body[0, 0], [0, 10, 0, 10], atol=1e-4)


@pytest.mark.slow
def test_the_cost_is_linear_in_the_film(tmp_path):
    """Five people who are new in each frame: pairs that are compared, not seconds, which a busy machine would spoil."""
    compared = []
    for count in (150, 300, 600):
        rng = np.random.default_rng(0)
        frames = {number: [Person(person(seed=number)[:, :2] + rng.uniform(0, 20_000, 2)) for _ in range(5)] for number in range(count)}
        with patch.object(detections, "_continued", wraps=detections._continued) as continued:
            joints_of(frames, "film", 30.0, 2)
        compared.append(sum(len(call.args[0]) * len(call.args[1]) for call in continued.call_args_list))
    assert compared[2] - compared[1] == pytest.approx(2 * (compared[1] - compared[0]), rel=0.05)


def test_a_crowd_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="holds 201 people in one frame"):
        read_openpose_json(written(tmp_path, [[person(seed=seed) for seed in range(201)]]), reading=STRICT)
