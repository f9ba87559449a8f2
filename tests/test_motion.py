"""Predictions against motion: body parts of every layout, parts held still, scores over time, and the pages and pictures of them."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from PIL import Image

from tdsm.backbones.classifier import Classifier
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config, DiffusionConfig, EncoderConfig, ModelConfig, PreprocessConfig
from tdsm.data.clips import Clip
from tdsm.data.convert import convert
from tdsm.data.labels import as_labels
from tdsm.data.layouts import COCO_17, KINECT_20, LAYOUTS, NTU_25, OPENPOSE_18
from tdsm.data.synthetic import Take, perform, synthetic_clips
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.recognizer.predictions import Predictions
from tdsm.text import LabelReading, TextFeatures, TextModel
from tdsm.util.errors import InputError
from tdsm.viz import motion, parts
from tdsm.viz.animation import player

LABELS = ("move the left hand", "stand still", "walk about")


def moving(layout=NTU_25, label="wave both hands while walking on the spot", frames=48):
    """A synthetic action in any layout."""
    clip = Clip(perform(label, take=Take(frames=frames)), NTU_25, label, name=label)
    return convert(clip, layout).clip


def with_gap(clip, first, last):
    """Nobody in frames ``first`` to ``last``."""
    joints = clip.joints.copy()
    joints[:, first:last] = 0
    return dataclasses.replace(clip, joints=joints)


def path_length(clip, joint, anchor):
    """How far a joint travels relative to another."""
    names = clip.layout.joints
    track = clip.joints[0, :, names.index(joint)] - clip.joints[0, :, names.index(anchor)]
    return float(np.linalg.norm(np.diff(track, axis=0), axis=-1).sum())


class HandWatcher(Recognizer):
    """A recognizer whose scores are known: the first label's is the travel of the left wrist relative to the left shoulder, the others are constant."""

    def __init__(self):
        self.asked = []

    def predict(self, clips, labels, descriptions=None):
        self.asked = list(clips)
        scores = np.array([[path_length(clip, "left wrist", "left shoulder"), 0.5, 0.25] for clip in clips], np.float32)
        return Predictions(tuple(clip.name for clip in clips), tuple(labels), scores[:, : len(labels)])


class Words(TextModel):
    """Random text features, the same for the same label."""

    identity = "random"

    def examine(self, labels, lexicon=False, *, aligned=False):
        return tuple(LabelReading(label, "name") for label in as_labels(labels))

    def encode(self, prompts, prompts_per_class=None):
        rows = [torch.randn(6, 8, generator=torch.Generator().manual_seed(len(told[0]))) for told in prompts]
        z_l = torch.stack(rows)
        return TextFeatures(z_l[:, 0], z_l, torch.ones(z_l.shape[:2], dtype=torch.bool))

    def read_sentences(self, sentences):
        raise NotImplementedError


def untrained(layout):
    """A recognizer of two bodies with random weights."""
    config = Config(
        backbone="classifier",
        preprocess=PreprocessConfig(frames=16, bodies=2),
        encoder=EncoderConfig(kind="shift-gcn", width=8, features=32),
        model=ModelConfig(width=32, depth=1, heads=2, prior=False),
        diffusion=DiffusionConfig(noises=2),
    )
    net, matcher = build_encoder(config.encoder, layout, 2, 4), Matcher(32, 1, 8, 6, config.model, config.diffusion)
    for number, weight in enumerate(matcher.parameters()):
        weight.data = 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(number))
    return Recognizer(config, Classifier(net, config.preprocess, ("squat",), "mine", Words()), matcher)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_parts_split_every_layout_and_mirror_each_other(layout):
    found = parts.body_parts(layout)
    assert tuple(found) == parts.PARTS
    assert sorted(joint for joints in found.values() for joint in joints) == list(range(len(layout)))
    assert all(found.values())
    for limb in ("arm", "leg"):
        assert {layout.mirror[joint] for joint in found[f"left {limb}"]} == set(found[f"right {limb}"])
    names = {part: {layout.joints[joint] for joint in joints} for part, joints in found.items()}
    assert {"left elbow", "left wrist"} <= names["left arm"]
    assert {"right knee", "right ankle"} <= names["right leg"]
    assert {"left shoulder", "right hip"} <= names["torso"]
    assert names["head"] & {"head", "nose"}


@pytest.mark.parametrize("layout", [NTU_25, KINECT_20, COCO_17, OPENPOSE_18], ids=lambda layout: layout.name)
@pytest.mark.parametrize(("part", "joint", "anchor"), [("left arm", "left wrist", "left shoulder"), ("right leg", "right ankle", "right hip")])
def test_a_held_limb_stops_and_the_rest_goes_on(layout, part, joint, anchor):
    clip = moving(layout)
    held = parts.held_still(clip, part)
    assert path_length(clip, joint, anchor) > 1e-2
    assert path_length(held, joint, anchor) == pytest.approx(0, abs=2e-3)
    own = list(parts.body_parts(layout)[part])
    others = [index for index in range(len(layout)) if index not in own]
    assert np.array_equal(held.joints[:, :, others], clip.joints[:, :, others])
    assert held.label == clip.label


@pytest.mark.parametrize("layout", [NTU_25, COCO_17], ids=lambda layout: layout.name)
def test_a_held_limb_is_a_pose_of_the_clip_wherever_the_recording_begins(layout):
    clip = moving(layout)
    held, turned = parts.held_still(clip, "left arm"), dataclasses.replace(clip, joints=np.roll(clip.joints, 7, axis=1))
    shoulder, elbow, wrist = (layout.joints.index(f"left {name}") for name in ("shoulder", "elbow", "wrist"))
    offset = held.joints[0, 0, wrist] - held.joints[0, 0, shoulder]
    taken = clip.joints[0, :, wrist] - clip.joints[0, :, shoulder]
    assert np.abs(taken - offset).max(axis=1).min() < 1e-4 * np.abs(clip.joints).max()
    again = parts.held_still(turned, "left arm").joints[0, 0]
    np.testing.assert_allclose(again[wrist] - again[shoulder], offset, rtol=0, atol=1e-4 * np.abs(clip.joints).max())
    bone = np.linalg.norm(held.joints[0, :, elbow] - held.joints[0, :, wrist], axis=-1)
    assert np.ptp(bone) < 1e-4 * np.abs(clip.joints).max()


@pytest.mark.parametrize("layout", [NTU_25, COCO_17], ids=lambda layout: layout.name)
def test_a_held_torso_stands_and_its_limbs_go_on_moving(layout):
    clip = moving(layout, "squat")
    held = parts.held_still(clip, "torso")
    own = list(parts.body_parts(layout)["torso"])
    assert np.ptp(clip.joints[:, :, own], axis=1).max() > 0.05 * np.ptp(clip.joints)
    assert np.ptp(held.joints[:, :, own], axis=1).max() == 0
    for joint, anchor in (("left wrist", "left shoulder"), ("right ankle", "right hip")):
        assert path_length(held, joint, anchor) == pytest.approx(path_length(clip, joint, anchor), rel=1e-2)


def test_what_was_not_seen_stays_unseen():
    clip = with_gap(moving(COCO_17), 5, 9)
    joints = clip.joints.copy()
    joints[0, 20, [7, 5, 15]] = 0  # left elbow, left shoulder, left ankle
    clip = Clip(np.concatenate([joints, 0 * joints]), COCO_17, clip.label)
    for part in parts.PARTS:
        held = parts.held_still(clip, part)
        assert np.array_equal((held.joints != 0).any(-1), (clip.joints != 0).any(-1)), part
    with pytest.raises(InputError, match="no part 'tail'"):
        parts.held_still(clip, "tail")


def test_only_the_part_that_is_looked_at_has_influence():
    clip, watcher = moving(), HandWatcher()
    changes = motion.occlusion(watcher, clip, LABELS)
    assert list(changes) == list(parts.PARTS)
    assert changes["left arm"][0] < -1
    assert all(np.abs(change).max() < 1e-4 for part, change in changes.items() if part != "left arm")
    assert np.abs(changes["left arm"][1:]).max() == 0
    scores = watcher.predict([clip], LABELS).scores[0]
    found = motion.influence(LABELS, scores, changes)
    assert found["left arm"] == pytest.approx(path_length(clip, "left wrist", "left shoulder"), rel=1e-3)
    assert found["left arm"] > motion.margin(LABELS, scores)  # without it, another answer
    assert motion.influence(LABELS, scores, changes, "stand still")["left arm"] < -1


def test_sliding_windows_follow_the_movement():
    clip = moving()
    joints = clip.joints.copy()
    joints[:, :24] = joints[:, :1]  # still at first
    frames, scores = motion.scores_over_time(HandWatcher(), dataclasses.replace(clip, joints=joints), LABELS, windows=8)
    assert (frames.shape, scores.shape) == ((8,), (8, 3))
    assert (np.diff(frames) > 0).all()
    assert frames[0] == 12
    assert frames[-1] == 36
    assert scores[0, 0] == pytest.approx(0, abs=1e-4)
    assert (scores[1:, 0] > 0.5).all()


def test_growing_windows_end_in_the_whole_clip():
    clip, watcher = moving(), HandWatcher()
    frames, scores = motion.scores_over_time(watcher, clip, LABELS, windows=6, growing=True)
    assert frames.tolist() == [7, 15, 23, 31, 39, 47]
    assert [piece.frames for piece in watcher.asked] == [8, 16, 24, 32, 40, 48]
    np.testing.assert_allclose(scores[-1], watcher.predict([clip], LABELS).scores[0], rtol=1e-5)


def test_an_answer_is_settled_from_when_it_stays_ahead():
    frames, ahead = np.array([4, 9, 14, 19]), np.eye(3)
    assert motion.settled(frames, ahead[[0, 1, 0, 0]]) == 14
    assert motion.settled(frames, ahead[[0, 0, 0, 2]]) == 19
    assert motion.settled(frames, ahead[[1, 1, 1, 1]]) == 4


def test_windows_leave_out_frames_without_anybody():
    frames, _ = motion.scores_over_time(watcher := HandWatcher(), with_gap(moving(), 10, 30), LABELS, windows=4)
    assert all(piece.joints.any(axis=(0, 2, 3)).all() for piece in watcher.asked)
    assert not set(range(10, 30)) & set(frames.tolist())


@pytest.mark.parametrize(
    ("clip", "labels", "windows", "message"),
    [
        (moving(frames=20), LABELS, 12, "20 frames with somebody in them are too few for 12 windows; ask for at most 10"),
        (moving(), LABELS[:1], 12, "nothing to choose between"),
        (moving(), "squat", 12, "nothing to choose between"),
        (moving(), LABELS, 1, "windows is 1"),
        (with_gap(moving(), 0, 48), LABELS, 12, "no body in any frame"),
    ],
)
def test_scores_over_time_refuse_what_cannot_be_asked(clip, labels, windows, message):
    with pytest.raises(InputError, match=message):
        motion.scores_over_time(HandWatcher(), clip, labels, windows)


def test_margin_and_influence_refuse_what_does_not_fit():
    scores, changes = np.array([2.0, 1.0, 0.5]), {"head": np.zeros(3)}
    assert motion.margin(LABELS, scores) == 1
    assert motion.margin(LABELS, scores, "walk about") == -1.5
    with pytest.raises(InputError, match="no label 'fly'; choose among: move"):
        motion.influence(LABELS, scores, changes, "fly")
    with pytest.raises(InputError, match="nothing to choose between"):
        motion.influence(LABELS[:1], scores[:1], changes)
    with pytest.raises(InputError, match=r"shape \(2,\) for 3 labels"):
        motion.margin(LABELS, scores[:2])
    with pytest.raises(InputError, match="nothing to choose between"):
        motion.occlusion(HandWatcher(), moving(), ["squat"])


@pytest.mark.parametrize("layout", [NTU_25, COCO_17], ids=lambda layout: layout.name)
def test_a_real_recognizer_answers_for_clips_with_absent_bodies(layout):
    recognizer = untrained(layout)
    clip = with_gap(moving(layout), 0, 6)
    other = with_gap(clip, 20, 30).joints * (clip.joints != 0)
    clip = dataclasses.replace(clip, joints=np.concatenate([clip.joints, np.where(other != 0, other + 1, 0)]))
    frames, scores = motion.scores_over_time(recognizer, clip, LABELS, windows=5, growing=True)
    np.testing.assert_allclose(scores[-1], recognizer.predict(clip, LABELS).scores[0], rtol=1e-3)
    assert frames[0] >= 6
    changes = motion.occlusion(recognizer, clip, LABELS)
    assert all(np.isfinite(change).all() for change in changes.values())
    assert max(np.abs(change).max() for change in changes.values()) > 0
    with pytest.raises(InputError, match="no body in any frame"):
        motion.occlusion(recognizer, with_gap(clip, 0, 48), LABELS)


def data_of(page):
    return json.loads(re.search(r'id="clip">(.*?)</script>', page, re.S).group(1))


def over_time(clip, labels=LABELS, windows=12):
    rng = np.random.default_rng(0)
    return np.linspace(0, clip.frames - 1, windows).astype(int), rng.normal(size=(windows, len(labels))) - 3


@pytest.mark.parametrize("layout", [NTU_25, COCO_17, OPENPOSE_18], ids=lambda layout: layout.name)
def test_a_clip_with_everything_on_it_costs_at_most_50_kb_of_the_notebook(layout):
    long = np.tile(moving(layout).joints, (2, 20, 1, 1))
    clip = Clip(long, layout, "clap")
    labels = [f"an action with quite a long name number {number}" for number in range(60)]
    shown = player(clip, labels[3], labels=labels, scores_over_time=over_time(clip, labels, 24), influence=dict.fromkeys(parts.PARTS, 0.5))
    assert len(json.dumps(shown._repr_html_(), ensure_ascii=False).encode()) <= 50_000
    page = motion.gallery([clip] * 4, [labels[0]] * 4)
    assert len(json.dumps(page._repr_html_(), ensure_ascii=False).encode()) <= 4 * 50_000


def test_bars_over_time_keep_true_and_predicted_and_share_one_range():
    labels = [f"label {number}" for number in range(12)]
    clip = dataclasses.replace(moving(), label="label 11")
    frames, scores = over_time(clip, labels)
    scores[:, 11] = -9.0
    scores[:, 10] = -8.0
    page = player(clip, "label 10", labels=labels, scores_over_time=(frames, scores)).html()
    rows = re.findall(r"<div class=row><span>(.*?)</span>", page)
    assert len(rows) == 8
    assert rows[-2:] == ["label 10 &nbsp;(predicted)", "label 11 &nbsp;(true)"]
    over = data_of(page)[0]["over"]
    assert over["at"][-1] == pytest.approx(frames[-1] / clip.fps, abs=1e-3)
    assert over["scores"][-1] == [-9.0] * 12
    assert over["low"] == -9
    assert over["high"] == pytest.approx(scores.max())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": LABELS[:2]}, r"scores \(12, 3\) for 12 frames and 2 labels"),
        ({"labels": None}, "and 0 labels"),
        ({"predicted": "fly"}, "predicted is 'fly', which has no score"),
        ({"scores": {"a": 1.0}}, "both given"),
        ({"influence": {"tail": 1.0}}, "no part 'tail'"),
        ({"influence": {"head": float("nan")}}, "head: nan"),
    ],
)
def test_the_player_refuses_what_does_not_fit(changed, message):
    clip = moving()
    with pytest.raises(InputError, match=message):
        player(clip, **({"labels": LABELS, "scores_over_time": over_time(clip)} | changed))


def test_limbs_wear_the_colour_of_their_parts_in_page_and_strip():
    clip, found = moving(), {"left arm": 2.0, "right leg": -1.0}
    limbs = {(child, parent): (colour, width) for child, parent, colour, width in data_of(player(clip, influence=found).html())[0]["limbs"]}
    wrist, elbow, knee, hip = (NTU_25.joints.index(name) for name in ("left wrist", "left elbow", "right knee", "right hip"))
    assert limbs[wrist, elbow][0] == to_hex(parts.SUPPORTS)
    assert limbs[wrist, elbow][1] > limbs[knee, hip][1] > limbs[3, 2][1]
    assert limbs[3, 2][0] == to_hex(parts.NEUTRAL)
    figure, ax = motion.influence_strip(clip, found, frames=4, margin=1.5)
    assert [bar.get_width() for bar in ax.patches] == [0, 0, 2, 0, 0, -1]
    colours = {to_hex(bar.get_facecolor()) for bar in ax.patches}
    panels = [panel for panel in figure.axes if panel is not ax]
    assert len(panels) == 4
    (lines,) = (artist for artist in panels[0].collections if isinstance(artist, LineCollection))
    assert {to_hex(colour) for colour in lines.get_colors()} == colours
    assert ax.get_legend().get_texts()[0].get_text().startswith("margin")
    figure.draw_without_rendering()


def test_gallery_shares_one_page_and_mixes_layouts():
    clips = [moving(), moving(COCO_17, "squat", 30), moving(label="bow")]
    page = motion.gallery(clips, [clips[0].label, "bow", None]).html()
    assert [cell["shape"][2] for cell in data_of(page)] == [25, 17, 25]
    assert page.count("<canvas>") == 3
    assert "true: squat" in page
    assert "✗ predicted: bow" in page
    assert page.count('type="range"') == 1
    with pytest.raises(InputError, match="gallery: no clip"):
        motion.gallery([])
    with pytest.raises(InputError, match="predicted: 1 for 3 clips"):
        motion.gallery(clips, ["bow"])
    with pytest.raises(InputError, match="nobody to draw"):
        motion.gallery([with_gap(clips[0], 0, 48)])


def test_timeline_marks_who_is_ahead_and_names_true_and_predicted():
    clip = dataclasses.replace(moving(), label="stand still")
    frames, scores = np.array([0, 15, 30]), np.array([[1.0, 0, -1], [0.5, 2, -1], [0, 3, -1]])
    figure, ax = motion.score_timeline(clip, LABELS, (frames, scores), "move the left hand")
    assert {line.get_label(): line.get_markevery() for line in ax.lines} == {
        "stand still (true)": [1, 2],
        "move the left hand (predicted)": [0],
        "walk about": [],
    }
    assert ax.lines[0].get_xdata().tolist() == [0, 0.5, 1.0]
    figure.draw_without_rendering()
    with pytest.raises(InputError, match="no label 'fly'"):
        motion.score_timeline(clip, LABELS, (frames, scores), "fly")
    with pytest.raises(InputError, match=r"scores \(3, 3\) for 3 frames and 2 labels"):
        motion.score_timeline(clip, LABELS[:2], (frames, scores))


@pytest.mark.parametrize("layout", [NTU_25, OPENPOSE_18], ids=lambda layout: layout.name)
def test_gif_plays_at_the_speed_of_the_clip(layout, tmp_path):
    clip = with_gap(moving(layout, frames=16), 4, 6)
    path = motion.save_gif(clip, tmp_path / "clip.gif", "squat")
    assert [file.name for file in tmp_path.iterdir()] == ["clip.gif"]
    with Image.open(path) as image:
        frames, seconds = [], 0.0
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("L"), int))
            seconds += image.info["duration"] / 1000
        assert image.info["loop"] == 0
    assert seconds == pytest.approx(16 / 30, rel=0.15)
    assert np.abs(frames[0] - frames[3]).max() > 100
    body = frames[0][70:-20]
    assert (body < 128).any()
    with pytest.raises(InputError, match="nobody to draw"):
        motion.save_gif(with_gap(clip, 0, 16), tmp_path / "none.gif")
    assert not (tmp_path / "none.gif").exists()


@pytest.mark.parametrize(("fps", "frames"), [(30.0, 16), (100.0, 6), (12.5, 16)])
def test_a_film_plays_at_the_speed_of_the_clip(fps, frames, tmp_path):
    program = shutil.which("ffmpeg") or pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    clip = dataclasses.replace(moving(NTU_25, frames=16), fps=fps)
    path = motion.save_mp4(clip, tmp_path / "clip.mp4", "squat")
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]
    read = subprocess.run([program, "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-fps_mode", "passthrough", "-"], capture_output=True, check=True)
    about = read.stderr.decode()
    wide, tall = map(int, re.search(r"h264.* yuv420p.* (\d+)x(\d+)", about).groups())
    pictures = np.frombuffer(read.stdout, np.uint8).reshape(-1, tall, wide).astype(int)
    assert len(pictures) == frames
    seconds = float(re.search(r"Duration: 00:00:([0-9.]+)", about)[1])
    assert seconds == pytest.approx(16 / fps, rel=0.15)
    assert np.abs(pictures - pictures[0]).max() > 100
    with pytest.raises(InputError, match="nobody to draw"):
        motion.save_mp4(with_gap(clip, 0, 16), tmp_path / "none.mp4")
    assert not (tmp_path / "none.mp4").exists()


def test_a_film_without_its_library_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"pip install .tdsm\[mocap\]."):
        motion.save_mp4(moving(), tmp_path / "clip.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to run the page in")
def test_the_page_runs_and_its_bars_move(tmp_path):
    clip = moving()
    frames, scores = over_time(clip)
    path = player(clip, LABELS[0], labels=LABELS, scores_over_time=(frames, scores)).save(tmp_path / "clip.html")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=700", "--dump-dom", path.as_uri()]
    page = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    widths = [float(width) for width in re.findall(r'<u style="[^"]*width: ([\d.]+)%', page)]
    assert len(widths) == 3
    assert max(widths) > 0
    assert page.count('class="row ahead"') == 1
    assert re.search(r'id="time">[\d.]+ s<', page)


@pytest.mark.parametrize("fps", [25.0, 100.0, 120.0])
def test_a_gif_plays_at_the_speed_of_its_clip(tmp_path, fps):
    clip = synthetic_clips(1, actions=["jump"])[0]
    fast = dataclasses.replace(clip, joints=clip.joints[:, :36], fps=fps)
    with Image.open(motion.save_gif(fast, tmp_path / "fast.gif")) as image:
        total = 0
        for frame in range(image.n_frames):
            image.seek(frame)
            total += image.info["duration"]
    assert total == pytest.approx(1000 * 36 / fps, rel=0.25)
