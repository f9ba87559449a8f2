"""Actions named while frames come in: through a real pipe, with gaps, jitter and lines that are no frames."""

import io
import itertools
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import tdsm
from tdsm.app.live import PAUSE, Camera, answer_lines
from tdsm.data.clips import Clip
from tdsm.data.convert import convert
from tdsm.data.examples import example_clips
from tdsm.data.layouts import MEDIAPIPE_33, SMPL_22
from tdsm.spotting.spot import spot
from tdsm.util.errors import InputError

LABELS = ["jump straight up", "walk forward", "throw punches"]


@pytest.fixture(scope="module")
def recognizer():
    return tdsm.pretrained()


@pytest.fixture(scope="module")
def recording():
    """Three real clips with rests between them, (T, V, C) of smpl-22, 30 frames a second."""
    clips = example_clips()
    pieces = []
    for clip in (clips[1], clips[2], clips[1]):
        joints = clip.joints[0]
        pieces += [np.repeat(joints[:1], 30, axis=0), joints, np.repeat(joints[-1:], 45, axis=0)]
    return np.concatenate(pieces)


@pytest.fixture(scope="module")
def landmarks(recording):
    """The same as world landmarks of MediaPipe, rows of x, y, z, visibility, from the middle of the hips."""
    joints = convert(Clip(recording, SMPL_22), MEDIAPIPE_33).clip.joints[0]
    joints = joints - joints[:, MEDIAPIPE_33.hips].mean(axis=1, keepdims=True)
    return np.concatenate((joints, np.ones((*joints.shape[:2], 1))), axis=2).round(4).tolist()


def as_lines(frames, key="landmarks", start=100.0, step=1 / 30):
    return "".join(json.dumps({"t": round(start + number * step, 4), key: frame}) + "\n" for number, frame in enumerate(frames)).encode()


def answered(camera, content):
    said = []
    return [json.loads(line) for line in answer_lines(camera, io.BytesIO(content), said.append)], said


def test_the_answers_are_those_of_the_recording_as_a_whole(recognizer, recording):
    whole = spot(recognizer, Clip(recording, SMPL_22, fps=30.0), LABELS)
    found, said = answered(Camera(recognizer, LABELS, SMPL_22), as_lines(recording.tolist(), "joints"))
    assert not said
    assert len(found) == len(whole) >= 3
    for answer, (start, end, label, probability, margin) in zip(found, whole.rows(), strict=True):
        assert answer["label"] == label
        assert (answer["start"] - 100, answer["end"] - 100) == pytest.approx((start, end), abs=0.04)
        assert (answer["probability"], answer["margin"]) == pytest.approx((probability, margin), abs=0.05)


def test_landmarks_are_read_as_those_in_files_are(recognizer, landmarks):
    found, said = answered(Camera(recognizer, LABELS), as_lines(landmarks))
    assert not said
    assert [answer["label"] for answer in found].count("jump straight up") >= 2
    named = [[dict(zip(("x", "y", "z", "visibility"), row, strict=True)) for row in frame] for frame in landmarks]
    assert answered(Camera(recognizer, LABELS), as_lines(named))[0] == found
    hidden = [[[*row[:3], 0.05] if joint == 19 else row for joint, row in enumerate(frame)] for frame in landmarks]  # a finger
    assert [answer["label"] for answer in answered(Camera(recognizer, LABELS), as_lines(hidden))[0]] == [answer["label"] for answer in found]


def test_a_frame_that_jitters_or_is_lost_changes_little(recognizer, recording):
    steady, _ = answered(Camera(recognizer, LABELS, SMPL_22), as_lines(recording.tolist(), "joints"))
    generator = np.random.default_rng(0)
    kept = [number for number in range(len(recording)) if number < 30 or generator.random() > 0.15]
    times = np.array(kept) / 30 + generator.uniform(-0.01, 0.01, len(kept))
    lines = "".join(json.dumps({"t": 100 + time, "joints": recording[number].tolist()}) + "\n" for number, time in zip(kept, times, strict=True))
    found, said = answered(Camera(recognizer, LABELS, SMPL_22), lines.encode())
    assert not said
    assert [answer["label"] for answer in found] == [answer["label"] for answer in steady]
    assert [answer["start"] for answer in found] == pytest.approx([answer["start"] for answer in steady], abs=0.5)


def test_a_pause_ends_what_was_going_on_and_the_clock_goes_on(recognizer, recording):
    clip = example_clips()[1].joints[0]
    camera = Camera(recognizer, LABELS, SMPL_22)
    for number, pose in enumerate(clip):
        assert not [answer for answer in camera.push(pose, number / 30) if answer["end"] > number / 30 + 0.1]
    found = camera.push(clip[0], len(clip) / 30 + 10 * PAUSE)
    assert [answer["label"] for answer in found] == ["jump straight up"]
    late = [answer for number, pose in enumerate(clip[1:], 1) for answer in camera.push(pose, 200 + number / 30)] + camera.finish()
    assert late and all(answer["start"] >= 100 for answer in late)


BODY = [[0.1, 0.2, 0.3]] * 22
GOOD = json.dumps({"t": 1.0, "joints": BODY})
BAD = {
    "no JSON": "{",
    "a list": "[1, 2]",
    "nothing": "{}",
    "not UTF-8": b"\xff\xfe",
    "a deep one": "[" * 100_000,
    "text for t": json.dumps({"t": "now", "joints": BODY}),
    "true for t": json.dumps({"t": True, "joints": BODY}),
    "too few joints": json.dumps({"t": 1.02, "joints": BODY[:5]}),
    "text for joints": json.dumps({"t": 1.02, "joints": "x" * 22}),
    "two coordinates": json.dumps({"t": 1.02, "joints": [[1, 2]] * 22}),
    "words": json.dumps({"t": 1.02, "joints": [["a", "b", "c"]] * 22}),
    "infinite": '{"t": 1.02, "joints": [[1e999, 0, 0]' + ", [0, 0, 0]" * 21 + "]}",
    "time goes back": json.dumps({"t": 0.5, "joints": BODY}),
    "no time": json.dumps({"joints": BODY}),
    "landmarks for another layout": json.dumps({"t": 1.02, "landmarks": [[0, 0, 0, 1]] * 33}),
    "a line of two megabytes": json.dumps({"t": 1.02, "joints": BODY, "more": "x" * 2_000_000}),
}


@pytest.mark.parametrize("line", BAD.values(), ids=BAD)
def test_a_line_that_is_no_frame_is_one_line_with_its_number_and_the_rest_goes_on(recognizer, line):
    after = json.dumps({"t": 1.04, "joints": BODY})
    content = b"\n".join(each if isinstance(each, bytes) else each.encode() for each in (GOOD, "", line, after, ""))
    found, said = answered(Camera(recognizer, LABELS, SMPL_22), content)
    assert not found
    assert len(said) == 1 and "line 3" in said[0] and "\n" not in said[0] and "; " in said[0] and len(said[0]) < 500


def test_image_landmarks_are_refused(recognizer):
    content = as_lines([[[0.4 + joint / 100, 0.5, 0.0, 1.0] for joint in range(33)]] * 3)
    assert len(answered(Camera(recognizer, LABELS), content)[1]) == 3
    content = as_lines([[[400 + joint, 500, 0.0, 1.0] for joint in range(33)]] * 3)
    assert all("world landmarks" in line for line in answered(Camera(recognizer, LABELS), content)[1])


def test_a_stream_without_any_frame_ends_soon(recognizer):
    with pytest.raises(InputError, match="none of the first 20 lines is a frame"):
        answered(Camera(recognizer, LABELS), b"hello\n" * 1000)


def test_milliseconds_are_no_seconds(recognizer):
    with pytest.raises(InputError, match="seconds"):
        answered(Camera(recognizer, LABELS, SMPL_22), as_lines([BODY] * 40, "joints", step=33.3))
    with pytest.raises(InputError, match="seconds"):
        answered(Camera(recognizer, LABELS, SMPL_22, fps=30), as_lines([BODY] * 40, "joints", step=33.3))


def test_a_camera_whose_times_were_refused_keeps_no_frames(recognizer):
    camera = Camera(recognizer, LABELS, SMPL_22)
    for number in range(100):
        try:
            camera.push(np.array(BODY), 33.3 * number)
        except InputError:
            assert not camera._waiting
    assert len(camera._waiting) < 40


def test_times_may_be_left_out_where_the_rate_is_given(recognizer, recording):
    lines = "".join(json.dumps({"joints": pose}) + "\n" for pose in recording.tolist()).encode()
    found, said = answered(Camera(recognizer, LABELS, SMPL_22, fps=30), lines)
    assert found and not said
    assert found[0]["start"] < 3


def test_nobody_is_no_action(recognizer):
    assert answered(Camera(recognizer, LABELS), as_lines([[]] * 60 + [None] * 60)) == ([], [])


def test_memory_is_flat(recognizer):
    """Nobody for minutes, and a body at rest: what is kept does not grow."""
    camera = Camera(recognizer, LABELS, SMPL_22, fps=30)
    still = example_clips()[1].joints[0][0]
    for pose in itertools.chain([still] * 1000, [np.zeros_like(still)] * 1000):
        camera.push(pose)
    tracemalloc.start()
    try:
        for pose in itertools.chain([still] * 3000, [np.zeros_like(still)] * 3000):
            camera.push(pose)
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()


def test_answers_come_through_a_pipe_while_frames_still_do(landmarks):
    """The command itself: the first action is named before the pipe is closed, and a bad line is one line on stderr."""
    command = [sys.executable, "-m", "tdsm.cli", "live", "jump straight up, walk forward, throw punches"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        early, whole = landmarks[:160], as_lines(landmarks)
        lines = whole.splitlines(keepends=True)
        process.stdin.write(b"no frame\n" + b"".join(lines[: len(early)]))
        process.stdin.flush()
        timer = threading.Timer(100, process.kill)
        timer.start()
        first = json.loads(process.stdout.readline())
        assert first["label"] == "jump straight up" and 100 <= first["start"] < first["end"] < 106
        rest, said = process.communicate(b"".join(lines[len(early) :]))
        timer.cancel()
    assert process.returncode == 0
    assert said.decode().count("\n") == 1 and said.decode().startswith("tdsm: line 1: ")
    answers = [json.loads(line) for line in rest.splitlines()]
    assert [answer["label"] for answer in answers][-1] == "jump straight up"
    assert set(first) == {"start", "end", "label", "probability", "margin"}
    ends = [first["end"], *(answer["end"] for answer in answers)]
    assert ends == sorted(ends)


def test_ctrl_c_ends_it_with_what_was_going_on(recognizer, landmarks):
    class Stream(io.BytesIO):
        def readline(self, size):
            line = super().readline(size)
            if not line:
                raise KeyboardInterrupt
            return line

    lines = as_lines(landmarks[: 30 + example_clips()[1].frames])  # the jump is not over yet
    found = list(answer_lines(Camera(recognizer, LABELS), Stream(lines), pytest.fail))
    assert [json.loads(line)["label"] for line in found] == ["jump straight up"]


def test_a_frame_costs_less_time_than_it_lasts(recognizer, recording):
    camera = Camera(recognizer, LABELS, SMPL_22, fps=30)
    start = time.process_time()
    for pose in recording:
        camera.push(pose)
    assert time.process_time() - start < len(recording) / 30
