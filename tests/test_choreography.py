"""Choreographies: poses are read as they are written, a body goes through them, and every action of the dictionary looks like what it is called."""

import itertools
import re

import numpy as np
import pytest
from standins import peaks

from tdsm.data.kinematics import REST, Body
from tdsm.data.layouts import NTU_25
from tdsm.data.procedural import Take, acting
from tdsm.data.procedural.acting import act, perform_score
from tdsm.data.procedural.choreography import MOST_TIMES, PLACES, Score, read_way, score_at
from tdsm.data.prompts.dictionary import load_dictionary
from tdsm.util.errors import InputError

ACTIONS = {action.name: action for action in load_dictionary()}
WAYS = [(name, way) for name, action in ACTIONS.items() for way in action.ways]
SAMPLE = WAYS[::9]
JOINT = {name: index for index, name in enumerate(NTU_25.joints)}
LEG = sum(Body().leg)
EVEN = np.linspace(0, 1, 121)
SWAPPED = {"L": "R", "R": "L", "l": "r", "r": "l", "EL": "ER", "ER": "EL"}
SIGNS = {"T": (1, -1, -1), "H": (1, -1, -1), "P": (-1, 1, 1), "W": (-1, 1, -1), "B": (1, -1)}
JUGGLE = {"from": {"LR": "belly", "T": [10, 5, 20], "B": [3, 8]}, "keys": [{"R": "up", "EL": [0.9, 0.1, 0.2], "H": [10, 15, -30], "W": [0.3, 1, 40]}]}
JUGGLE["keys"] += [{"L": [0.5, 0.5, 0.5], "l": [0.1, 0.4, 0.3], "P": [0.1, -0.2, 0.05], "B": [-40, 30], "d": 0.5}]


def still_take(times=EVEN):
    """A mean body that faces the sensor and holds no limb otherwise than is written."""
    return Take(Body(), times, 1.0, 0.0, {})


def performed(way, times=EVEN):
    """Joints (T, 25, 3) of a way, as it is written: x to the person's right, y up from the floor, z away from the sensor."""
    return perform_score(read_way(way), still_take(times), times) + np.array([0, 1, 0])


def mirror_image(joints):
    return joints[:, list(NTU_25.mirror)] * np.array([-1, 1, 1])


def mirrored_way(way):
    """The same movement written down for the other side."""

    def other(pose):
        return {SWAPPED.get(key, key): [sign * number for sign, number in zip(SIGNS[key], value, strict=False)] if key in SIGNS else value
                for key, value in pose.items()}  # fmt: skip

    return way | {key: other(way[key]) for key in ("from", "to") if key in way} | {"keys": [other(key) for key in way["keys"]]}


PLAIN = {"jump forward": 2, "kick": 3, "kick backward": 2, "lie down": 2, "shake head": 2, "squat": 3, "wave": 3}  # where more than the first way is plain


def ways_of(name):
    """The plain performances of an action, which stand first, each with how often its keys are gone through; later ways may sit, walk up, or use both hands."""
    ways = ACTIONS[name].ways[: PLAIN.get(name, 1)]
    assert ways
    return [(performed(way), way.get("n", 1)) for way in ways]


# ---- reading ----------------------------------------------------------------------------------------------------------------------------


def test_a_pose_keeps_what_it_does_not_name():
    score = read_way({"from": {"R": "up", "T": [20, 0, 0]}, "keys": [{"R": "fwd"}, {"T": [5, 0, 0]}]})
    np.testing.assert_array_equal(score.knots["right_hand"], [PLACES["up"], PLACES["fwd"], PLACES["fwd"], PLACES["up"]])
    np.testing.assert_array_equal(score.knots["torso"][:, 0], [20, 20, 5, 20])
    for control in ("left_elbow", "right_foot", "head", "pelvis"):
        np.testing.assert_array_equal(score.knots[control], np.tile(REST[control], (4, 1)))
    assert not score.knots["whole"].any()
    assert not score.knots["travel"].any()


def test_keys_are_gone_through_n_times_with_their_durations():
    way = {"keys": [{"R": "up", "d": 0.5}, {"R": "hip", "d": 2}], "n": 3}
    score = read_way(way)
    np.testing.assert_array_equal(score.steps, [0.5, 2] * 3 + [1])
    np.testing.assert_array_equal(score.knots["right_hand"][1:-1], [PLACES["up"], PLACES["hip"]] * 3)
    assert {len(knots) for knots in score.knots.values()} == {8}
    assert len(read_way(way, times=1).steps) == 3
    assert len(read_way({"keys": way["keys"]}).steps) == 3


def test_a_movement_ends_as_it_began_but_where_it_has_walked_to():
    score = read_way({"from": {"P": [0, -0.5, -0.4]}, "keys": [{"P": [0, 0, 0], "B": [-90, 0]}, {"W": [0.5, 2, 90]}]})
    np.testing.assert_array_equal(score.knots["pelvis"][-1], (0, -0.5, -0.4))
    np.testing.assert_array_equal(score.knots["travel"][-1], (0.5, 2, 90))
    np.testing.assert_array_equal(score.knots["whole"][-1], (0, 0, 0))


def test_to_changes_the_last_key():
    score = read_way({"from": {"L": "hip"}, "keys": [{"P": [0, -0.3, 0], "R": "fwd"}], "to": {"R": "up"}})
    np.testing.assert_array_equal(score.knots["pelvis"][-1], (0, -0.3, 0))
    np.testing.assert_array_equal(score.knots["right_hand"][-1], PLACES["up"])
    np.testing.assert_array_equal(score.knots["left_hand"][-1], PLACES["hip"])
    assert len(score.knots["head"]) == len(score.steps) + 1 == 3


@pytest.mark.parametrize(
    ("both", "one", "value", "others"), [("LR", "R", "hip", "left_hand"), ("lr", "r", [0, 0.2, 0], "left_foot"), ("E", "ER", [1, 0, 0], "left_elbow")]
)
@pytest.mark.parametrize("first", [0, 1])
def test_one_side_counts_more_than_both_whichever_stands_first(both, one, value, others, first):
    named = [(both, [0.1, 0.4, 0.3]), (one, value)]
    score = read_way({"keys": [dict(named[first:] + named[:first])]})
    np.testing.assert_array_equal(score.knots[others][1], (0.1, 0.4, 0.3))
    np.testing.assert_array_equal(score.knots[others.replace("left", "right")][1], PLACES.get(value, value) if isinstance(value, str) else value)


@pytest.mark.parametrize(
    ("way", "what"),
    [
        (5, "5 does not describe a way"),
        ([{"R": "up"}], "does not describe a way"),
        ({}, "does not describe a way"),
        ({"keys": []}, "does not describe a way"),
        ({"keys": "R"}, "does not describe a way"),
        ({"keys": {"R": "up"}}, "does not describe a way"),
        ({"keys": [{}], "times": 2}, "'times': 2.* does not describe a way"),
        *[({"keys": [{}], "n": n}, f"n is {re.escape(repr(n))}; give a whole number") for n in (0, -1, 51, 2.5, "3", None, [1])],
        *[({"keys": [{"d": d}]}, f"d is {re.escape(repr(d))}; give a number") for d in (0, -1, 11, "1", None, float("nan"), float("inf"))],
        ({"keys": [{}, 5]}, "5 is not a pose"),
        ({"keys": [["R", "up"]]}, "is not a pose"),
        ({"keys": [{}], "from": 7}, "7 is not a pose"),
        ({"keys": [{}], "to": "rest"}, "'rest' is not a pose"),
        *[({"keys": [{key: [0, 0, 0]}]}, f"no control {key!r}; choose among L, R, ") for key in ("X", "RL", "", "left_hand", "D", 3)],
        ({"keys": [{}], "from": {"X": "up"}}, "no control 'X'"),
        ({"keys": [{}], "to": {"X": "up"}}, "no control 'X'"),
        ({"keys": [{"R": "elsewhere"}]}, "right_hand is 'elsewhere'; .* name of a place"),
        ({"keys": [{"LR": "elsewhere"}]}, "left_hand is 'elsewhere'"),
        ({"keys": [{"T": "up"}]}, "torso is 'up'"),
        ({"keys": [{"l": "up"}]}, "left_foot is 'up'"),
        ({"keys": [{"L": [3, 0, 0]}]}, r"left_hand is \[3, 0, 0\], longer than an arm"),
        ({"keys": [{"R": [0.9, 0.9, 0.1]}]}, "right_hand is .*, longer than an arm"),
        ({"keys": [{"R": [0, 1]}]}, r"right_hand is \[0, 1\]; give three numbers"),
        ({"keys": [{"P": 0.5}]}, "pelvis is 0.5; give three numbers"),
        ({"keys": [{"P": [0, "low", 0]}]}, "pelvis is"),
        ({"keys": [{"P": [0, -1.5, 0]}]}, "pelvis is .*of at most 1.2"),
        ({"keys": [{"P": [0, float("nan"), 0]}]}, "pelvis is"),
        ({"keys": [{"EL": [float("inf"), 0, 0]}]}, "left_elbow is"),
        ({"keys": [{"T": [0, 0, 151]}]}, "torso is .*of at most 150"),
        ({"keys": [{"H": None}]}, "head is None"),
        ({"keys": [{"W": [0, 0, 900]}]}, "travel is .*of at most 800"),
        ({"keys": [{"B": [10]}]}, r"whole is \[10\]"),
        ({"keys": [{"B": [0, -400]}]}, "whole is"),
    ],
)  # fmt: skip
def test_what_is_no_way_to_do_it_gets_one_line_that_names_the_action_and_the_field(way, what):
    with pytest.raises(InputError, match=rf"^juggle: .*{what}") as raised:
        read_way(way, "juggle")
    assert len(str(raised.value).splitlines()) == 1


# ---- from poses to movement -------------------------------------------------------------------------------------------------------------


def random_score(seed, knots=7):
    rng = np.random.default_rng(seed)
    return Score({control: rng.normal(0, 0.4, (knots, 3)) for control in [*REST, "travel", "whole"]}, np.exp(rng.normal(0, 1, knots - 1)))


def moments(score):
    return np.concatenate([[0.0], np.cumsum(score.steps)]) / score.steps.sum()


def far(knots):
    """The poses in which a hand is no nearer to the shoulder than an arm can fold."""
    return np.linalg.norm(knots, axis=1) >= 0.3


@pytest.mark.parametrize("score", [random_score(0), random_score(1, knots=2), read_way(JUGGLE), read_way(ACTIONS["squat"].ways[0])])
def test_a_movement_passes_through_its_poses_at_their_times(score):
    controls = score_at(score, moments(score))
    assert controls.keys() == {*REST, "travel", "whole"}
    for control, knots in score.knots.items():
        reached = far(knots) if control.endswith("hand") else slice(None)
        np.testing.assert_allclose(controls[control][reached], knots[reached], atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_movement_never_goes_beyond_the_poses_it_is_between(seed):
    score = random_score(seed)
    times = moments(score)
    for start, (early, late) in enumerate(itertools.pairwise(times)):
        for control, path in score_at(score, np.linspace(early, late, 50)).items():
            if not control.endswith("hand"):
                ends = score.knots[control][start : start + 2]
                assert (path >= ends.min(axis=0) - 1e-9).all()
                assert (path <= ends.max(axis=0) + 1e-9).all()


def test_a_movement_rests_at_both_ends_and_where_it_turns_back_but_not_where_it_goes_on():
    score = Score({"torso": np.outer([0, 10, 40, 0], [1, 1, 1])}, np.array([1.0, 1, 2]))
    speed = [float(np.abs(np.subtract(*(score_at(score, np.array([t + dt]))["torso"] for dt in (1e-4, -1e-4))) / 2e-4).max()) for t in moments(score)]
    assert max(speed[0], speed[2], speed[3]) < 0.1
    assert speed[1] > 20


def test_a_movement_stands_still_before_its_beginning_and_after_its_end():
    score = read_way(JUGGLE)
    for control, path in score_at(score, np.array([-0.5, 0, 1, 1.5])).items():
        np.testing.assert_array_equal(path[::3], path[1:3])
        np.testing.assert_allclose(path[1:3], score.knots[control][[0, -1]], atol=1e-9)


def test_a_hand_goes_round_the_shoulder_and_not_through_it():
    score = read_way({"from": {"R": [0.9, 0.1, 0.05]}, "keys": [{"R": [-0.8, 0.1, 0.05]}]})
    assert np.linalg.norm(score_at(score, EVEN)["right_hand"], axis=1).min() > 0.4


def test_hands_hang_to_the_floor_however_the_chest_is_bent():
    for bend in (0, 30, 60, 90):
        joints = performed({"from": {"T": [bend, 0, 0], "LR": "down"}, "keys": [{}]}, EVEN[:1])[0]
        for side in ("left", "right"):
            along = joints[JOINT[f"{side} wrist"]] - joints[JOINT[f"{side} shoulder"]]
            assert along[1] < -0.9 * sum(Body().arm), (bend, side)


NEAR = {
    "mouth": "head",
    "eye": "head",
    "crown": "head",
    "ear": "head",
    "nape": "neck",
    "hip": "right hip",
    "belly": "spine middle",
    "shoulder": "right shoulder",
}


@pytest.mark.parametrize(("place", "near"), NEAR.items())
def test_places_are_where_their_names_say(place, near):
    joints = performed({"from": {"R": place}, "keys": [{}]}, EVEN[:1])[0]
    hand = joints[JOINT["right wrist"]]
    assert np.linalg.norm(hand - joints[JOINT[near]]) < 0.35
    others = [joints[JOINT[joint]] for joint in ("left shoulder", "left wrist", "right ankle")]
    assert min(np.linalg.norm(hand - other) for other in others) > np.linalg.norm(hand - joints[JOINT[near]])


@pytest.mark.parametrize(("place", "axis", "sign"), [("up", 1, 1), ("fwd", 2, -1), ("side", 0, 1), ("rest", 1, -1), ("down", 1, -1)])
def test_a_straight_arm_points_where_its_place_says(place, axis, sign):
    joints = performed({"from": {"R": place}, "keys": [{}]}, EVEN[:1])[0]
    assert sign * (joints[JOINT["right wrist"]] - joints[JOINT["right shoulder"]])[axis] > 0.9 * sum(Body().arm)


@pytest.mark.parametrize(
    ("walked", "goes"),
    [
        ([{"W": [0, 2, 0]}], (0, -2)),
        ([{"W": [0, -1, 0]}], (0, 1)),
        ([{"W": [1, 0, 0]}], (-1, 0)),
        ([{"W": [0, 0, 90]}, {"W": [0, 2, 90]}], (-2, 0)),
        ([{"W": [0, 0, -90]}, {"W": [0, 2, -90]}], (2, 0)),
        ([{"W": [0, 0, 180]}, {"W": [0, 2, 180]}], (0, 2)),
    ],
)
def test_a_body_walks_the_way_it_faces(walked, goes):
    base = performed({"keys": walked})[:, JOINT["spine base"]]
    np.testing.assert_allclose((base[-1] - base[0])[[0, 2]], np.multiply(goes, LEG), atol=1e-6)


@pytest.mark.parametrize(("tipped", "axis", "sign"), [([90, 0], 2, -1), ([-90, 0], 2, 1), ([0, 90], 0, -1), ([0, -90], 0, 1)])
def test_whoever_is_tipped_over_lies_on_the_floor_that_way(tipped, axis, sign):
    joints = performed({"keys": [{"B": tipped}, {}], "to": {}})[-1]
    assert joints[:, 1].min() == pytest.approx(0.04)
    assert joints[:, 1].max() < 0.6
    assert sign * (joints[JOINT["head"]] - joints[JOINT["spine base"]])[axis] > 0.5


def test_whoever_leans_a_little_in_a_jump_is_not_put_to_the_floor():
    upright, leaning = (performed({"keys": [{"P": [0, 0.4, 0], "lr": [0, 0.4, 0], "B": [degrees, 0]}]})[..., 1].min(axis=1) for degrees in (0, 5))
    assert upright.max() > 0.25
    np.testing.assert_allclose(leaning, upright, atol=0.03)


# ---- the dictionary ---------------------------------------------------------------------------------------------------------------------


def test_every_way_of_every_action_can_be_read():
    assert all(action.ways for action in ACTIONS.values())
    for name, way in WAYS:
        score = read_way(way, name)
        assert all(np.isfinite(knots).all() and knots.shape == (len(score.steps) + 1, 3) for knots in score.knots.values()), name
        assert (score.steps > 0).all()


def test_performances_are_those_of_a_body_on_a_floor():
    """As they are written: bones keep their lengths, and nobody is more than 25 cm under the floor."""
    child, parent = np.array(NTU_25.bones).T
    for name, way in SAMPLE:
        joints = performed(way, EVEN[::3])
        assert np.isfinite(joints).all(), name
        lengths = np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-5, name
        assert joints[..., 1].min() > -0.25, name


def test_a_performance_by_anybody_is_of_a_body_too():
    child, parent = np.array(NTU_25.bones).T
    for number, action in enumerate(list(ACTIONS.values())[::25]):
        joints, _ = act(action.ways[-1], np.random.default_rng([7, number]))
        assert joints.shape == (48, 25, 3)
        assert np.isfinite(joints).all(), action.name
        lengths = np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-5, action.name
        assert lengths.min() > 0.03, action.name
        assert lengths.max() < 0.55, action.name
        assert joints[..., 1].min() + 1 > -0.35, action.name


def test_a_way_written_for_the_other_side_is_performed_as_the_mirror_image():
    for name, way in [*SAMPLE[::6], ("juggle", JUGGLE)]:
        np.testing.assert_allclose(performed(mirrored_way(way), EVEN[::8]), mirror_image(performed(way, EVEN[::8])), atol=1e-9, err_msg=name)


# ---- actions look like what they are called ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "hand"), [("wave", "right wrist"), ("wave with the left hand", "left wrist")])
def test_a_waving_hand_is_lifted_and_goes_to_and_fro_beside_the_head(name, hand):
    other = {"left": "right", "right": "left"}[hand.split()[0]]
    highest = []
    for joints, _ in ways_of(name):
        assert joints[0, JOINT[f"{other} wrist"], 1] == pytest.approx(joints[:, JOINT[f"{other} wrist"], 1].max())
        lifted = joints[20:100]
        assert (lifted[:, JOINT[hand], 1] > lifted[:, JOINT["spine middle"], 1]).all()
        highest.append(lifted[:, JOINT[hand], 1].max())
        aside = lifted[:, JOINT[hand], 0]
        assert np.ptp(aside) > 0.1
        assert peaks(aside) >= 3
    assert max(highest) > joints[0, JOINT["neck"], 1]


@pytest.mark.parametrize("name", ["raise left arm", "raise right arm", "raise the left arm overhead", "raise the right arm overhead"])
def test_a_raised_arm_is_that_of_the_side_that_is_named(name):
    side, other = re.search("left|right", name)[0], {"left": "right", "right": "left"}[re.search("left|right", name)[0]]
    for joints, _ in ways_of(name):
        heights = joints[..., 1].max(axis=0)
        assert heights[JOINT[f"{side} wrist"]] > heights[JOINT["head"]] > heights[JOINT[f"{other} shoulder"]] > heights[JOINT[f"{other} wrist"]]


def test_the_hand_or_arm_that_a_name_names_moves_most():
    named = [name for name in ACTIONS if re.search(r"\b(left|right) (hand|arm|wrist|elbow)\b", name)]
    one_sided = [name for name in named if len(set(re.findall(r"\b(?:left|right)\b", name))) == 1]
    assert len(one_sided) > 20
    for name in one_sided:
        side = re.search("left|right", name)[0]
        for joints, _ in ways_of(name):
            moved = {which: np.abs(np.diff(joints[:, JOINT[f"{which} wrist"]] - joints[:, 0], axis=0)).sum() for which in ("left", "right")}
            assert moved[side] >= max(moved.values()), name


def test_who_squats_goes_down_and_comes_up_as_often_as_is_written():
    for joints, times in ways_of("squat"):
        hips = joints[:, JOINT["spine base"], 1]
        assert hips.min() < 0.75 * hips[0]
        assert hips[-1] == pytest.approx(hips[0])
        assert peaks(-hips) == times
        assert joints[:, [JOINT["left ankle"], JOINT["right ankle"]], 1].max() < 0.1


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("sit down on a chair", (0.85, 1), (0.4, 0.6)),
        ("stand up from a chair", (0.4, 0.6), (0.85, 1)),
        ("sit down on the floor", (0.85, 1), (0.05, 0.25)),
        ("stand up from the floor", (0.05, 0.25), (0.85, 1)),
        ("lie down", (0.4, 1), (0, 0.15)),
        ("fall backward", (0.85, 1), (0, 0.3)),
    ],
)
def test_who_sits_or_lies_down_ends_low_and_who_stands_up_ends_high(name, first, last):
    for joints, _ in ways_of(name):
        hips = joints[:, JOINT["spine base"], 1]
        assert first[0] < hips[0] < first[1]
        assert last[0] < hips[-1] < last[1]


@pytest.mark.parametrize(("name", "forward"), [("kick", True), ("kick backward", False)])
def test_who_kicks_lifts_one_foot_and_stands_on_the_other(name, forward):
    for joints, _ in ways_of(name):
        ankles = joints[:, [JOINT["left ankle"], JOINT["right ankle"]]]
        lifted = int(ankles[..., 1].max(axis=0).argmax())
        assert np.ptp(ankles[:, lifted, 1]) > 0.3
        assert np.ptp(ankles[:, 1 - lifted, 1]) < 0.05
        assert ankles[-1, lifted, 1] == pytest.approx(ankles[0, lifted, 1])
        away = ankles[:, lifted] - ankles[:1, lifted]
        reach = away[np.abs(away[:, [0, 2]]).max(axis=1).argmax()]
        assert (reach[2] < -0.3 or abs(reach[0]) > 0.3) if forward else reach[2] > 0.3


@pytest.mark.parametrize(("name", "low"), [("bow", 1.4), ("touch the toes", 1.0)])
def test_who_bends_lowers_the_head_and_not_the_hips(name, low):
    for joints, _ in ways_of(name):
        assert joints[[0, -1], JOINT["head"], 1].min() > 1.5
        assert joints[:, JOINT["head"], 1].min() < low
        assert np.ptp(joints[:, JOINT["spine base"], 1]) < 0.05


@pytest.mark.parametrize(("name", "toward"), [("walk", -1), ("walk backwards", 1), ("jump forward", -1), ("jump backward", 1)])
def test_who_goes_somewhere_gets_there(name, toward):
    for joints, _ in ways_of(name):
        gone = joints[-1, JOINT["spine base"]] - joints[0, JOINT["spine base"]]
        assert toward * gone[2] > 0.5
        assert abs(gone[0]) < 0.1


def test_who_turns_around_faces_the_other_way():
    for joints, _ in ways_of("turn around"):
        across = joints[:, JOINT["right shoulder"]] - joints[:, JOINT["left shoulder"]]
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        assert across[0] @ across[-1] < -0.95


def test_who_shakes_the_head_turns_it_to_both_sides_again_and_again():
    for joints, times in ways_of("shake head"):
        aside = joints[:, JOINT["head"], 0] - joints[:, JOINT["neck"], 0]
        assert aside.min() < -0.015 < 0.015 < aside.max()
        assert peaks(aside) == times


def test_who_jumps_has_both_feet_in_the_air():
    for joints, _ in ways_of("jump and reach up"):
        assert joints[:, [JOINT["left foot"], JOINT["right foot"]], 1].min(axis=1).max() > 0.15
        assert joints[:, JOINT["head"], 1].max() > joints[0, JOINT["head"], 1] + 0.15


def test_who_turns_a_cartwheel_is_upside_down_in_the_middle_and_upright_in_the_end():
    for joints, _ in ways_of("cartwheel"):
        above = joints[:, JOINT["spine base"], 1] - joints[:, JOINT["head"], 1]
        assert above[0] < -0.5
        assert above[-1] < -0.5
        assert above.max() > 0.4


# ---- acting -----------------------------------------------------------------------------------------------------------------------------


class Coin(np.random.Generator):
    """A generator whose single draws, by which sides and cuts are decided, are all the same; everything else is drawn from the seed."""

    def __init__(self, seed, single):
        super().__init__(np.random.PCG64(seed))
        self.single = single

    def random(self, size=None):
        drawn = super().random(size)
        return self.single if size is None else drawn


def test_the_same_generator_gives_the_same_performance_and_another_a_different_one():
    first, again, other = (act(ACTIONS["tennis serve"].ways[0], np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert np.abs(first[0] - other[0]).max() > 0.05


def test_a_mirrored_performance_is_the_mirror_image(monkeypatch):
    """The performer, drawn apart from the movement, is held still: nobody's body and posture are mirrored."""
    monkeypatch.setattr(acting, "draw_take", lambda rng: still_take(EVEN[::8]))
    for number, (name, way) in enumerate([*SAMPLE[1::12], ("juggle", JUGGLE)]):
        (plain, no), (mirrored, yes) = (act(way, Coin(number, single)) for single in (0.6, 0.4))
        assert (no, yes) == (False, True)
        np.testing.assert_allclose(mirrored, mirror_image(plain), atol=1e-9, err_msg=name)


def test_about_half_the_performances_are_mirrored_and_say_so():
    told = []
    for seed in range(60):
        joints, mirrored = act({"keys": [{"R": "up"}, {}]}, np.random.default_rng(seed))
        highest = joints[:, [JOINT["left wrist"], JOINT["right wrist"]], 1].max(axis=0)
        assert (highest[0] > highest[1] + 0.3) == mirrored
        assert (highest[1] > highest[0] + 0.3) != mirrored
        told.append(mirrored)
    assert 15 < sum(told) < 45


def test_performances_differ_in_body_and_number():
    heights, counts = [], []
    for seed in range(60):
        joints, mirrored = act({"keys": [{"R": "up"}, {"R": "rest"}], "n": 3}, np.random.default_rng(seed))
        heights.append(joints[0, JOINT["head"], 1])
        hand = joints[:, JOINT["left wrist" if mirrored else "right wrist"], 1] - joints[:, JOINT["spine base"], 1]
        counts.append(peaks(hand))
    assert np.ptp(heights) > 0.2
    assert {2, 3, 4} <= set(counts)


def test_a_way_that_is_gone_through_as_often_as_may_be_can_be_acted():
    for seed in range(8):
        joints, _ = act({"keys": [{"R": "up"}, {"R": "rest"}], "n": MOST_TIMES}, np.random.default_rng(seed))
        assert np.isfinite(joints).all()
