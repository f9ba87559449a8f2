"""The recognizer inside the package: what it holds, and that it is right on what a stranger tries first."""

import html
import json

import numpy as np
import pytest

import tdsm
from tdsm.backbones.fit import SHIPPED
from tdsm.data.examples import RIVALS, example_clips
from tdsm.data.synthetic import Take, perform
from tdsm.text import TextEncoder

SAID = {  # what is done -> the ways it may be asked for
    "wave the right hand": ("wave", "Waving", "waves", "a person is waving", "WAVE!", "wave hello"),
    "squat": ("squat", "Squats", "squatting", "do a squat", "deep squat", "a person squats"),
    "sit down": ("sit down", "Sitting down", "sits down", "SIT DOWN", "take a seat", "a person sits down"),
    "do jumping jacks": ("jumping jacks", "Jumping Jack", "doing jumping jacks", "star jumps", "JUMPING JACKS", "a person does jumping jacks"),
    "kick forward with the right leg": ("kick", "Kicking", "kicks", "front kick", "a kick", "a person kicks"),
}


@pytest.fixture(scope="module")
def recognizer():
    return tdsm.pretrained()


def test_the_weights_are_small_and_have_a_card():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 12_000_000
    card = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert all(word in card for word in ("Data", "Licence", "Numbers", "Limits"))
    assert json.loads((SHIPPED / "recognizer.json").read_text())["confidence"]


def write_mediapipe(path, clip):
    joints = tdsm.convert(clip, "mediapipe-33").clip.joints[0]
    joints = joints - joints[:, [23, 24]].mean(1, keepdims=True)
    points = [[dict(zip("xyz", map(float, point), strict=True)) | {"visibility": 0.9} for point in frame] for frame in joints]
    path.write_text(json.dumps([{"timestamp_ms": round(1000 * t / 30), "pose_world_landmarks": frame} for t, frame in enumerate(points)]))


def write_openpose(path, clip):
    joints = tdsm.convert(clip, "openpose-25").clip.joints[0]
    pixels = joints * 200 + (640, 400)
    path.mkdir()
    for t, frame in enumerate(pixels):
        keypoints = np.concatenate([frame, np.full((25, 1), 0.9)], axis=1).ravel().tolist()
        (path / f"film_{t:012}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": keypoints}]}))


@pytest.fixture(scope="module", params=["mediapipe", "openpose"])
def files(request, tmp_path_factory):
    """Performances by the hand-made body of tdsm.data.synthetic, half turned from the camera, in the files that pose estimators leave."""
    folder = tmp_path_factory.mktemp(request.param)
    for action in SAID:
        joints = perform(action, take=Take(yaw=35))
        joints = joints[:36] if action == "sit down" else joints  # later it stands up again
        clip = tdsm.Clip(joints, tdsm.data.layouts.NTU_25, fps=30.0, name=action)
        if request.param == "mediapipe":
            write_mediapipe(folder / f"{action}.json", clip)
        else:
            write_openpose(folder / action, clip)
    return folder


@pytest.mark.parametrize("phrase", range(6))
def test_a_strangers_own_files_get_the_right_answer_in_any_phrasing(recognizer, files, phrase):
    labels = [phrases[phrase] for phrases in SAID.values()]
    wrong = []
    for number, action in enumerate(SAID):
        clips = tdsm.load_clips(next(path for path in files.iterdir() if path.stem == action))
        answer = recognizer.predict(clips, labels)
        if answer.top != [labels[number]]:
            wrong.append((action, answer[0][:2]))
    assert wrong == []


def test_real_clips_are_named(recognizer):
    """Of twelve recordings, each among four labels, chance is three right."""
    right = sum(recognizer.predict(clip, [clip.label, *RIVALS[clip.label]]).top[0] == clip.label for clip in example_clips())
    assert right >= 6


def test_each_label_shows_what_it_is_taken_for(recognizer):
    answer = recognizer.predict(example_clips()[:1], ["doing squats", "wave goodbye"])
    assert "squat" in answer.readings[0].near
    assert "wav" in answer.readings[1].near
    assert html.escape(answer.readings[1].near) in answer._repr_html_()


def test_a_description_decides_when_it_is_given(recognizer):
    clip = tdsm.Clip(perform("squat"), tdsm.data.layouts.NTU_25, fps=30.0)
    told = {"exercise seven": "The knees bend deeply and the hips sink low, then the legs straighten again.", "exercise two": "One hand waves beside the head."}
    assert recognizer.predict(clip, list(told), told).top == ["exercise seven"]


def test_a_card_shows_itself(recognizer):
    assert "generated" in recognizer._repr_html_()


def test_a_name_unlike_any_action_is_remarked_on():
    about = tdsm.pretrained().predict(example_clips()[:1], ["asdfgh", "tennis serve", "chop onions", tdsm.Label("blorptastic", "A person waves.")]).readings
    assert [bool([remark for remark in reading.remarks if "the dictionary has no action" in remark]) for reading in about] == [True, False, False, False]


def test_labels_are_read_once_for_a_question_and_not_again_for_the_next(recognizer, monkeypatch):
    read, read_sentences = [], TextEncoder.read_sentences
    monkeypatch.setattr(TextEncoder, "read_sentences", lambda self, sentences: read.append(len(sentences)) or read_sentences(self, sentences))
    clip, labels = example_clips()[0], ["juggle three balls", "peel a potato"]
    first = recognizer.predict(clip, labels)
    assert read == [2]
    again = recognizer.predict(clip, labels)
    assert read == [2]
    np.testing.assert_array_equal(first.scores, again.scores)
    assert first.readings == again.readings
    told = recognizer.predict(clip, labels, {"peel a potato": "Both hands are held before the chest and one rubs along the other."})
    assert read == [2, 4]
    assert [reading.how for reading in told.readings] == ["name", "description"]
