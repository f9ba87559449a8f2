import functools
import importlib.resources
import json
import re

import numpy as np
import pytest
from standins import peaks

from tdsm.data.kinematics import Body
from tdsm.data.layouts import COCO_17, KINECT_20, NTU_25
from tdsm.data.procedural import Take, draw_movement, perform, procedural_clip, procedural_clips
from tdsm.data.procedural.body import crouch, move_torso
from tdsm.data.procedural.draft import Draft
from tdsm.data.procedural.hands import move_hands
from tdsm.data.procedural.legs import move_legs
from tdsm.util.errors import InputError

JOINT = {name: index for index, name in enumerate(NTU_25.joints)}
MANY = 1500
RUN = 6  # words in a row that no sentence may share with a packaged description
TIMES = {"": 1, " once": 1, " twice": 2, " two times": 2, " three times": 3, " four times": 4, " five times": 5}
COUNT = "(" + "|".join(sorted(TIMES, key=len, reverse=True)) + ")"
HAND = r"[a-z]+s the (left|right) (?:hand|arm|wrist)(?:, elbow \w+,)?"  # a verb and one hand
FAR = r"(?: far| a long way| slightly| a little| over| round)*"


def movement(number):
    return draw_movement(np.random.default_rng([0, number]))


@pytest.fixture(scope="module")
def sentences():
    return [movement(number)[1] for number in range(MANY)]


@functools.cache
def words_of_part(part):
    """What the part says with each of many seeds; how often is told in numbers."""
    words = [part(Draft(np.random.default_rng(seed)), 0.0, 0.9) for seed in range(1500 if part is move_hands else 400)]
    return [re.sub("repeatedly|over and over", "?", clause) for clause in words]


def told(part, pattern):
    """A few movements of one part whose words fit a pattern, each with the match."""
    matches = [(seed, re.fullmatch(pattern, words)) for seed, words in enumerate(words_of_part(part))]
    found = [(seed, match) for seed, match in matches if match][:6]
    assert len(found) >= 3
    for seed, match in found:
        draft = Draft(np.random.default_rng(seed))
        part(draft, 0.0, 0.9)
        yield draft, match


def joints_of(draft, times=None):
    """Noise-free (T, 25, 3) of a mean body that faces the sensor: x to the person's right, y up from the floor, z away from the sensor."""
    take = Take(Body(), np.linspace(0, 1, 121) if times is None else np.array(times), 1.0, 0.0, {})
    return perform(draft, take) + np.array([0, 1, 0])


def at_points(draft, side):
    """Joints (K, 25, 3) at the moments at which a hand is at the points of its path."""
    return joints_of(draft, [time for time, *_ in draft.hands[side]][2:])


# ---- text and motion agree ------------------------------------------------------------------------------------------------------------


def test_a_hand_told_overhead_is_above_the_head_and_the_other_is_not():
    for draft, match in told(move_hands, rf"{HAND} (?:straight )?overhead\b.*"):
        side, frame = match[1], at_points(draft, match[1])[0]
        other = {"left": "right", "right": "left"}[side]
        assert frame[JOINT[f"{side} wrist"], 1] > frame[JOINT["head"], 1] > frame[JOINT["spine middle"], 1] > frame[JOINT[f"{other} wrist"], 1]


@pytest.mark.parametrize(
    ("word", "axis", "sign"), [("to the left", 0, -1), ("to the right", 0, 1), ("upward", 1, 1), ("downward", 1, -1), ("forward", 2, -1), ("backward", 2, 1)]
)
def test_a_hand_moves_in_the_direction_that_is_told(word, axis, sign):
    for draft, match in told(move_hands, rf"{HAND} {word}(?: and [a-z ]+)? (?:until it is|to a point) .*"):
        before, after = at_points(draft, match[1])[:2, JOINT[f"{match[1]} wrist"], axis]
        assert sign * (after - before) > 0


def test_a_hand_told_across_the_body_is_beyond_its_middle():
    for draft, match in told(move_hands, rf"{HAND} across to the (left|right) .*"):
        frame = at_points(draft, match[1])[0]
        beyond = frame[JOINT[f"{match[1]} wrist"], 0] - frame[JOINT["spine shoulder"], 0]
        assert match[1] != match[2]
        assert beyond * {"left": -1, "right": 1}[match[2]] > -0.05


def test_a_circle_goes_the_way_that_is_told():
    ways = {"upward": (0, 1), "downward": (0, -1), "to the left": (-1, 0), "to the right": (1, 0)}
    for draft, match in told(move_hands, rf"{HAND} (?:in a[a-z ]*|round in a) (?:circle|ring) in front .*, going ({'|'.join(ways)}), .*"):
        wrist = at_points(draft, match[1])[:3, JOINT[f"{match[1]} wrist"], :2]
        assert (wrist[2] - wrist[0]) @ ways[match[2]] > 0.02


def test_a_hand_goes_back_and_forth_as_often_as_told():
    for draft, match in told(move_hands, rf"moves the (left|right) \w+ back and forth between [a-z ]+?{COUNT}"):
        times, count = [time for time, *_ in draft.hands[match[1]]][2:], TIMES[match[2]]
        wrist = joints_of(draft, np.linspace(times[0], times[2 * count - 1], 200))[:, JOINT[f"{match[1]} wrist"]]
        assert peaks((wrist - wrist[0]) @ (wrist[-1] - wrist[0])) == count
        assert len(times) <= 2 * count + 1, "nothing follows but the way back"


@pytest.mark.parametrize(
    ("part", "words", "joint", "sign"),
    [
        (move_legs, rf"(?:lifts|pulls|draws up) the left knee[a-z ]*?{COUNT}", "left knee", 1),
        (move_legs, rf"(?:jumps|leaps|springs|hops)[a-z ]*?{COUNT}", "left foot", 1),
        (move_torso, rf"(?:bends|tips|inclines)(?! sideways)[a-z ]*?(?<!stays that way){COUNT}", "head", -1),
        (crouch, rf"[a-z ]+(?: and straightens up|, then comes up| and comes back up){COUNT}", "spine base", -1),
    ],
    ids=["knee", "jump", "bend", "crouch"],
)
def test_the_body_moves_as_often_as_told(part, words, joint, sign):
    for draft, match in told(part, words):
        assert peaks(sign * joints_of(draft)[:, JOINT[joint], 1]) == TIMES[match[1]]


def test_both_feet_leave_the_floor_in_a_jump():
    for draft, _ in told(move_legs, "(?:jumps|leaps|springs|hops).*"):
        assert np.ptp(joints_of(draft)[:, [JOINT["left foot"], JOINT["right foot"]], 1].min(axis=1)) > 0.05


def test_the_trunk_leans_to_the_side_that_is_told():
    for draft, match in told(move_torso, rf"(?:leans|bends sideways){FAR} to the (left|right).*"):
        aside = {"left": -1, "right": 1}[match[1]] * joints_of(draft)[:, JOINT["head"], 0]
        assert aside.max() > 0.1
        assert aside.min() > -0.03


def test_the_trunk_turns_to_the_side_that_is_told():
    for draft, match in told(move_torso, rf"(?:turns the chest|twists the shoulders|rotates the trunk){FAR} to the (left|right).*"):
        joints = joints_of(draft)
        back = joints[:, JOINT[f"{match[1]} shoulder"], 2] - joints[:, JOINT["spine shoulder"], 2]  # that shoulder goes away from the sensor
        assert back.max() > 0.05
        assert back.min() > -0.03


def test_a_person_walks_where_it_is_told():
    ways = {"forward": (0, -1), "backward": (0, 1), "to the left": (-1, 0), "to the right": (1, 0)}
    walk = "(?:walks|goes|travels|paces)"
    for draft, match in told(move_legs, rf"{walk} ({'|'.join(ways)})(?: on alternate feet| step after step)?(?: in a straight line)?"):
        hips = joints_of(draft)[[0, -1], JOINT["spine base"]][:, [0, 2]]
        assert (hips[1] - hips[0]) @ ways[match[1]] > 1.0
    for draft, match in told(move_legs, rf"{walk} forward[a-z ]* (?:in a bend|round) to the (left|right).*"):
        assert (joints_of(draft)[-1, JOINT["spine base"], 0] < 0) == (match[1] == "left")


def test_a_foot_goes_where_it_is_told():
    for draft, match in told(move_legs, r"(?:flings|sets|puts) the (left|right) foot (?:down |high |low )?(?:[a-z ]+ )?(forward|backward).*"):
        depth = joints_of(draft)[:, JOINT[f"{match[1]} ankle"], 2]
        there = depth[np.abs(depth - depth[0]).argmax()] - depth[0]
        assert (there < -0.1) if match[2] == "forward" else (there > 0.1)


def test_who_sits_is_low_at_first_and_who_rises_is_high_at_last(sentences):
    seated = [number for number, sentence in enumerate(sentences) if sentence.startswith(("Someone sitting", "A person on a"))]
    assert len(seated) > 0.08 * MANY
    for number in seated[:30]:
        hips = joints_of(movement(number)[0], [0, 1])[:, JOINT["spine base"], 1]
        assert hips[0] < 0.75
        if re.search(r"(gets|stands|pushes|comes) (up|onto)[a-z ]*\.", sentences[number]):
            assert hips[1] > 0.85


# ---- bodies -----------------------------------------------------------------------------------------------------------------------------


def test_bones_keep_their_length_and_nothing_sinks_into_the_floor():
    child, parent = np.array(NTU_25.bones).T
    for number in range(40):
        draft, sentence = movement(number)
        joints = joints_of(draft)
        lengths = np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
        assert np.isfinite(joints).all()
        assert np.abs(lengths - lengths[0]).max() < 1e-5
        assert joints[..., 1].min() > -0.05, sentence
        feet = joints[:, [JOINT["left foot"], JOINT["right foot"]], 1].min(axis=1)
        assert feet.max() < 0.08 or re.search("jumps|leaps|springs|hops|bouncing|treads|raises one foot|lifts the two knees", sentence), sentence


# ---- pairs ------------------------------------------------------------------------------------------------------------------------------


def test_fewer_pairs_are_the_beginning_of_more():
    few, many = procedural_clips(4, seed=3), procedural_clips(7, seed=3)
    for one, same in zip(few, many, strict=False):
        assert one.label == same.label
        np.testing.assert_array_equal(one.joints, same.joints)
    assert many.classes[: len(few.classes)] == few.classes
    np.testing.assert_array_equal(procedural_clip(6, seed=3).joints, many[6].joints)
    assert procedural_clip(6, seed=4).label != many[6].label


def test_pairs_are_a_clip_set_whose_classes_are_the_sentences():
    clips = procedural_clips(6)
    assert [clips.classes[index] for index in clips.y] == [clip.label for clip in clips]
    assert clips[0].joints.shape == (1, 48, 25, 3)
    assert clips[0].label == movement(0)[1]


@pytest.mark.parametrize("layout", [KINECT_20, COCO_17], ids=lambda layout: layout.name)
def test_pairs_come_in_any_layout(layout):
    (clip,) = procedural_clips(1, layout=layout)
    assert clip.layout == layout
    assert clip.label == procedural_clip(0).label
    assert clip.joints.shape == (1, 48, len(layout), layout.dims)


@pytest.mark.parametrize(("bad", "what"), [({"count": 0}, "count is 0"), ({"count": 1, "seed": -1}, "seed is -1")])
def test_bad_numbers_get_one_clear_line(bad, what):
    with pytest.raises(InputError, match=what):
        procedural_clips(**bad)


# ---- sentences --------------------------------------------------------------------------------------------------------------------------


def words_of(text):
    return re.findall(r"[a-z']+", text.lower())


def runs(text):
    words = words_of(text)
    return {tuple(words[first : first + RUN]) for first in range(len(words) - RUN + 1)}


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def test_no_sentence_shares_six_words_in_a_row_with_any_packaged_description(sentences):
    files = [path for path in importlib.resources.files("tdsm.data.prompts").iterdir() if path.name.endswith(".json")]
    assert {"utd_mhad.json", "nw_ucla.json", "ntu_120.json", "kinetics_400.json"} <= {path.name for path in files}
    written = set().union(*(runs(text) for path in files for text in strings(json.loads(path.read_text(encoding="utf-8"))["classes"])))
    copied = {" ".join(run) for sentence in sentences for run in runs(sentence) & written}
    assert not copied


def test_most_sentences_are_different_and_all_are_clean(sentences):
    assert len(set(sentences)) > 0.9 * MANY
    for sentence in sentences:
        assert re.fullmatch(r"[A-Z][a-z]*(?:[,:]? [a-z]+)*\.", sentence), sentence
        assert not re.search(r"\b(\w+) \1\b", sentence), sentence
