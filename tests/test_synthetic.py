import json
import re
from importlib import resources

import numpy as np
import pytest

from tdsm.data.kinematics import Body
from tdsm.data.layouts import NTU_25
from tdsm.data.synthetic import ACTIONS, SEEN, SUBJECTS, UNSEEN, Take, perform, synthetic_clips
from tdsm.util.errors import InputError

JOINT = {name: index for index, name in enumerate(NTU_25.joints)}
PROMPTS = json.loads(resources.files("tdsm").joinpath("data/prompts/synthetic.json").read_text())
FLOOR = Take().place[1]
AIRBORNE = {"jump", "jump while raising both arms", "do jumping jacks", "jog on the spot"}


@pytest.fixture(scope="module")
def clips():
    return synthetic_clips(8, seed=0)


def bone_lengths(joints):
    child, parent = np.array(NTU_25.bones).T
    return np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)


@pytest.mark.parametrize("label", ACTIONS)
def test_bones_keep_their_length(label):
    lengths = bone_lengths(perform(label, SUBJECTS["p2"]))
    assert np.abs(lengths - lengths[0]).max() < 1e-5


@pytest.mark.parametrize("body", SUBJECTS.values(), ids=SUBJECTS)
def test_bodies_have_human_sizes(body):
    joints = perform("nod the head", body)
    lengths = dict(zip([NTU_25.joints[child] for child, _ in NTU_25.bones], bone_lengths(joints)[0], strict=True))
    for side in ("left", "right"):
        assert 0.24 < lengths[f"{side} elbow"] < 0.36
        assert 0.20 < lengths[f"{side} wrist"] < 0.30
        assert 0.36 < lengths[f"{side} knee"] < 0.50
        assert 0.34 < lengths[f"{side} ankle"] < 0.48
        assert 0.13 < lengths[f"{side} shoulder"] < 0.25
    assert body.height - 0.16 < joints[0, JOINT["head"], 1] - FLOOR < body.height - 0.04


@pytest.mark.parametrize("label", ACTIONS)
def test_begins_and_ends_upright_on_the_floor_and_faces_the_sensor(label):
    joints = perform(label)
    for frame in joints[[0, -1]]:
        height = frame[:, 1] - FLOOR
        assert height[JOINT["head"]] > 1.5 > height[JOINT["spine base"]] > 0.8 > height[JOINT["left knee"]] > height[JOINT["left foot"]] > 0
        assert height[JOINT["left foot"]] < 0.06
        for part in ("shoulder", "hip", "foot", "hand"):
            assert frame[JOINT[f"left {part}"], 0] < frame[JOINT[f"right {part}"], 0]
        assert frame[JOINT["left foot"], 2] < frame[JOINT["left ankle"], 2], "toes point to the sensor"


@pytest.mark.parametrize("label", ACTIONS)
def test_nothing_sinks_into_the_floor_and_only_jumps_leave_it(label):
    lowest = perform(label)[:, :, 1].min(axis=1) - FLOOR
    assert lowest.min() > 0
    assert lowest.max() < 0.06 or label in AIRBORNE


@pytest.mark.parametrize("label", ACTIONS)
def test_knees_bend_forward_and_hanging_elbows_backward(label):
    joints = perform(label)
    for side in ("left", "right"):
        hip, knee, ankle, shoulder, elbow, wrist = (joints[:, JOINT[f"{side} {part}"]] for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"))
        hinge = np.cross(knee - hip, ankle - knee)[:, 0]
        bend = np.arccos(np.clip(((knee - hip) * (ankle - knee)).sum(-1) / np.linalg.norm(knee - hip, axis=-1) / np.linalg.norm(ankle - knee, axis=-1), -1, 1))
        assert (hinge[bend > 0.2] < 0).all()
        assert elbow[0, 2] > (shoulder[0, 2] + wrist[0, 2]) / 2


def other_side(label):
    return re.sub(r"left|right", lambda side: {"left": "right", "right": "left"}[side.group()], label)


@pytest.mark.parametrize("label", [label for label in ACTIONS if "left" in label and other_side(label) in ACTIONS])
def test_left_and_right_are_mirror_images(label):
    mirrored = perform(label)[:, list(NTU_25.mirror)] * (-1, 1, 1)
    np.testing.assert_allclose(perform(other_side(label)), mirrored, atol=1e-9)


@pytest.mark.parametrize(("one", "parts", "half"), [
    ("wave both hands while walking on the spot", ("wave both hands", "walk on the spot"), "left knee"),
    ("raise the right arm while squatting", ("raise the right arm", "squat"), "left knee"),
])  # fmt: skip
def test_a_combination_is_made_of_its_parts(one, parts, half):
    arms, legs = (perform(part) for part in parts)
    whole = perform(one)
    assert np.allclose(whole[:, JOINT[half]], legs[:, JOINT[half]])
    from_shoulder = [joints[:, JOINT["right wrist"]] - joints[:, JOINT["right shoulder"]] for joints in (whole, arms)]
    assert np.abs(np.linalg.norm(from_shoulder[0], axis=-1) - np.linalg.norm(from_shoulder[1], axis=-1)).max() < 0.01


def test_turning_and_placing_move_the_body_as_a_whole():
    plain = perform("squat")
    turned = perform("squat", take=Take(yaw=90.0, place=(0.5, -0.8, 2.0)))
    x, y, z = np.moveaxis(plain - Take().place, -1, 0)
    np.testing.assert_allclose(turned - (0.5, -0.8, 2.0), np.stack([z, y, -x], -1), atol=1e-9)


def test_no_joint_moves_faster_than_people_can(clips):
    fastest = max(np.linalg.norm(np.diff(perform(label, take=Take(frames=50)), axis=0), axis=-1).max() * 30 for label in ACTIONS)
    assert fastest < 15  # metres a second, at the finger tips


def test_set_is_deterministic_and_a_part_of_it_is_the_same(clips):
    again = synthetic_clips(8, seed=0)
    assert all(np.array_equal(a.joints, b.joints) for a, b in zip(clips, again, strict=True))
    part = synthetic_clips(3, seed=0, actions=("squat", "bow"))
    assert part.classes == ("squat", "bow")
    whole = list(clips.of_classes(("bow",)))[:3]
    assert all(np.array_equal(a.joints, b.joints) for a, b in zip(part.of_classes(("bow",)), whole, strict=True))
    other = synthetic_clips(1, seed=1, actions=("bow",))
    assert other[0].joints.shape != whole[0].joints.shape or not np.allclose(other[0].joints, whole[0].joints)


def test_set_varies_in_people_length_and_place(clips):
    assert clips.layout is NTU_25
    assert set(clips.subjects) == set(SUBJECTS)
    lengths = {clip.frames for clip in clips}
    assert min(lengths) >= 40
    assert max(lengths) <= 90
    assert len(lengths) > 20
    depth = np.array([clip.joints[0, 0, 0, 2] for clip in clips])
    assert 2.3 < depth.min() < 2.8 < 3.2 < depth.max() < 3.7


def test_noise_is_a_few_millimetres(clips):
    deviation = np.concatenate([(bone_lengths(clip.joints[0]) - bone_lengths(clip.joints[0]).mean(0)).ravel() for clip in clips])
    assert 0.002 < deviation.std() < 0.008


def features(clip):
    """Pooled joint positions and speeds about the pelvis, the body turned to face the sensor."""
    joints = clip.joints[0] - clip.joints[0, :1, :1]
    across = joints[:5, JOINT["right hip"]].mean(0) - joints[:5, JOINT["left hip"]].mean(0)
    cosine, sine = across[[0, 2]] / np.linalg.norm(across[[0, 2]])
    joints = joints @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    late = joints[len(joints) // 4 : -len(joints) // 4]
    speed = np.linalg.norm(np.diff(late[::3], axis=0), axis=-1).mean(0)
    return np.concatenate([late.mean(0).ravel(), late.std(0).ravel(), speed])


def test_actions_can_be_told_apart(clips):
    table = np.array([features(clip) for clip in clips]).reshape(len(ACTIONS), 8, -1)
    centroids = table[:, :4].mean(1)  # of the people p1 to p4
    scale = table[:, :4].std((0, 1)) + 0.01
    distance = np.linalg.norm((table[:, 4:, None] - centroids) / scale, axis=-1)  # (action, p5 to p8, centroid)
    own = distance[np.arange(len(ACTIONS)), :, np.arange(len(ACTIONS))]
    separated = (own[:, :, None] < distance).mean(1) >= 0.75
    assert (distance.argmin(-1) == np.arange(len(ACTIONS))[:, None]).mean() > 0.85
    assert separated[~np.eye(len(ACTIONS), dtype=bool)].mean() > 0.99


def test_labels_and_descriptions_agree():
    assert [row["name"] for row in PROMPTS["classes"]] == list(ACTIONS)
    assert PROMPTS["dataset"] == "synthetic"
    descriptions = [row["description"] for row in PROMPTS["classes"]]
    assert len(set(descriptions)) == len(descriptions)
    assert all(8 <= len(text.split()) <= 30 and text.endswith(".") and text.count(".") == 1 for text in descriptions)


def test_split_covers_all_and_unseen_words_are_seen():
    assert len(ACTIONS) >= 40
    assert len(UNSEEN) == 10
    assert not set(SEEN) & set(UNSEEN)
    assert set(SEEN) | set(UNSEEN) == set(ACTIONS)
    seen_words = {word for label in SEEN for word in label.split()}
    assert {word for label in UNSEEN for word in label.split()} <= seen_words


@pytest.mark.parametrize("label", sorted(set(UNSEEN) - {"clap overhead"}))  # a clap, seen, where raised arms are, seen
def test_unseen_limb_motion_is_seen_on_some_limb(label):
    def limbs(action):
        return {poses for name, poses in vars(action).items() if name.endswith(("hand", "foot"))}

    seen = set().union(*(limbs(ACTIONS[other]) for other in SEEN))
    for poses in limbs(ACTIONS[label]):
        assert any(poses[shift:] + poses[:shift] in seen for shift in range(len(poses)))


def test_unknown_action_names_the_nearest():
    with pytest.raises(InputError, match=r"'wave the left hnd'.*wave the left hand"):
        synthetic_clips(1, actions=("wave the left hnd",))
    with pytest.raises(InputError, match="choose one, such as"):
        perform("qqq")
    with pytest.raises(InputError, match="clips_per_class is 0"):
        synthetic_clips(0)
    with pytest.raises(InputError, match="no clip"):
        synthetic_clips(1, actions=())


def test_proportions_change_the_body_only_where_they_say():
    plain, long_arms = (bone_lengths(perform("bow", body))[0] for body in (Body(), Body(arms=1.1)))
    changed = {NTU_25.joints[child] for (child, _), a, b in zip(NTU_25.bones, plain, long_arms, strict=True) if abs(a - b) > 1e-6}
    assert changed == {f"{side} {part}" for side in ("left", "right") for part in ("elbow", "wrist")}
