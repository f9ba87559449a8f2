"""What is written as a detector's file comes back as it was; a filmed body is seen in perspective, noisy, and with joints lost."""

from dataclasses import replace

import numpy as np
import pytest

from tdsm.data.clips import Clip
from tdsm.data.convert import convert
from tdsm.data.detector_files import filmed, save_mediapipe, save_openpose, save_yolo
from tdsm.data.examples import example_clips
from tdsm.data.layouts import COCO_17, KINECT_20, LAYOUTS, MEDIAPIPE_33
from tdsm.data.missing import completed
from tdsm.data.readers import load_clips
from tdsm.data.synthetic import Take, perform
from tdsm.util.errors import InputError

JUMP = example_clips()[1]
WAYS = {
    "coco-17": lambda clip, folder: save_yolo(clip, folder / "film.json"),
    "openpose-18": lambda clip, folder: save_openpose(clip, folder / "poses"),
    "openpose-25": lambda clip, folder: save_openpose(clip, folder / "poses"),
    "mediapipe-33": lambda clip, folder: save_mediapipe(clip, folder / "film.json"),
}


@pytest.mark.filterwarnings("ignore::tdsm.data.door.DoorWarning")
@pytest.mark.parametrize("layout", WAYS)
def test_a_file_holds_what_was_filmed(layout, tmp_path):
    clip = filmed(JUMP, layout)
    holes = clip.joints.copy()
    holes[0, 7] = 0  # nobody in this frame
    clip = replace(clip, joints=holes)
    (read,) = load_clips(WAYS[layout](clip, tmp_path))
    assert (read.layout, read.frames) == (clip.layout, clip.frames)
    assert np.isnan(read.joints).sum() == np.isnan(clip.joints).sum() > 0
    origin = completed(clip).joints[:, :, list(MEDIAPIPE_33.hips)].mean(axis=2, keepdims=True) if layout == "mediapipe-33" else 0
    np.testing.assert_allclose(read.joints, clip.joints - origin, atol=1e-3)
    assert read.fps == pytest.approx(30, abs=0.05)


def test_two_people_stay_two(tmp_path):
    both = Clip(np.stack([perform("squat", take=Take(frames=20, place=(side, -1.0, 3.0))) for side in (-0.8, 0.8)]), example_ntu())
    flat = filmed(both, COCO_17, lost=0.0)
    (read,) = load_clips(save_yolo(flat, tmp_path / "film.json"), fps=30)
    np.testing.assert_allclose(read.joints, flat.joints, atol=1e-3)


def example_ntu():
    return next(layout for layout in LAYOUTS if layout.name == "ntu-25")


def test_the_person_fills_the_picture_and_is_smaller_further_away():
    far = JUMP.joints.copy()
    near = filmed(JUMP, COCO_17, lost=0.0).joints
    assert near[..., 0].min() > 0 and near[..., 0].max() < 1280
    assert near[..., 1].min() > 0 and near[..., 1].max() < 720
    assert np.ptp(near[0, :, :, 1]) > 250
    far[0, JUMP.frames // 2 :, :, 2] -= 4.0  # smpl-22 faces +z: away from the camera
    small = filmed(replace(JUMP, joints=far), COCO_17, lost=0.0).joints[0]
    head, ankle = COCO_17.joints.index("nose"), COCO_17.joints.index("left ankle")
    tall = small[:, ankle, 1] - small[:, head, 1]
    assert tall[-5:].mean() / tall[:5].mean() == pytest.approx(0.5, abs=0.05)  # twice as far away
    assert tall[:5].mean() > 0  # y points down


def test_world_landmarks_of_a_moving_person_have_their_origin_between_the_hips(tmp_path):
    (read,) = load_clips(save_mediapipe(convert(JUMP, MEDIAPIPE_33).clip, tmp_path / "film.json"))
    np.testing.assert_allclose(read.joints[:, :, list(MEDIAPIPE_33.hips)].mean(axis=2), 0, atol=1e-3)


def test_joints_are_lost_as_often_as_asked_and_for_a_while():
    clip = replace(JUMP, joints=np.tile(JUMP.joints, (1, 20, 1, 1)))
    for share in (0.3, 0.7, 0.95):
        seen = np.nan_to_num(filmed(clip, "openpose-25", lost=share).joints).any(axis=-1)  # a frame without joints is a frame without the person: zeros
        assert 1 - seen.mean() == pytest.approx(share, abs=0.02)
    gone = np.isnan(filmed(clip, "openpose-25", lost=0.05).joints[0, :, :, 0])
    assert gone.mean() == pytest.approx(0.05, abs=0.01)
    starts = (gone[1:] & ~gone[:-1]).sum()
    assert gone.sum() / starts > 6
    assert not np.isnan(filmed(clip, "openpose-25", lost=0.0).joints).any()


def test_world_landmarks_start_at_the_hips_and_err_most_in_depth():
    clip = filmed(JUMP, MEDIAPIPE_33, lost=0.0)
    true = convert(JUMP, MEDIAPIPE_33).clip.joints
    errors = clip.joints - (true - true[:, :, list(MEDIAPIPE_33.hips)].mean(axis=2, keepdims=True))
    spread = errors.std(axis=(0, 1, 2))
    assert 0.005 < spread[0] < 0.03
    assert spread[2] == pytest.approx(2.5 * spread[0], rel=0.2)
    assert (filmed(JUMP, MEDIAPIPE_33, seed=1).joints != filmed(JUMP, MEDIAPIPE_33).joints).any()


def test_bad_input_is_one_line(tmp_path):
    flat, nobody = filmed(JUMP, COCO_17), replace(JUMP, joints=np.full_like(JUMP.joints, np.nan))
    for call, says in (
        (lambda: filmed(flat, COCO_17), "is 2-D; give a 3-D clip"),
        (lambda: filmed(JUMP, KINECT_20), "no supported detector has layout kinect-20; choose coco-17"),
        (lambda: filmed(JUMP, COCO_17, size=(0, 720)), "size is .0, 720.; give width and height"),
        (lambda: filmed(JUMP, COCO_17, lost=8.0), "lost is 8.0; give the share"),
        (lambda: filmed(JUMP, COCO_17, lost=float("nan")), "lost is nan; give the share"),
        (lambda: filmed(JUMP, COCO_17, seed=-1), "seed is -1; give a whole number, 0 or more"),
        (lambda: filmed(nobody, COCO_17), "has no body in any frame"),
        (lambda: save_yolo(replace(flat, joints=np.zeros_like(flat.joints)), tmp_path), "has no body in any frame"),
        (lambda: save_openpose(flat, tmp_path), "the file holds openpose-18 or openpose-25; convert it: tdsm.convert"),
        (lambda: save_yolo(JUMP, tmp_path / "x"), "has layout smpl-22, and the file holds coco-17; convert it: .*filmed.clip, 'coco-17'.$"),
        (lambda: save_mediapipe(JUMP, tmp_path / "x"), "the file holds mediapipe-33"),
    ):
        with pytest.raises(InputError, match=says) as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::tdsm.data.door.DoorWarning")
def test_a_shorter_clip_does_not_get_the_end_of_a_longer_one(tmp_path):
    clip = filmed(JUMP, "openpose-25")
    short = replace(clip, joints=clip.joints[:, :20])
    save_openpose(clip, tmp_path)
    with pytest.raises(InputError, match=r"film_000000000020_keypoints\.json: belongs to a longer recording, and the clip has 20 frames"):
        save_openpose(short, tmp_path)
    assert load_clips(tmp_path)[0].frames == 69
    assert load_clips(save_openpose(short, tmp_path / "other"))[0].frames == 20
