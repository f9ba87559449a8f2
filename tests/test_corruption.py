"""What a sensor does to a movement: it is drawn anew for every step, leaves a body where preprocessing would put it, and never makes numbers that are none."""

import math

import numpy as np
import pytest
import torch

from tdsm import convert
from tdsm.backbones.corruption import CorruptConfig, corrupt, normalised
from tdsm.config import PreprocessConfig
from tdsm.data.clips import Clip
from tdsm.data.layouts import BODY_15, COCO_17, NTU_25
from tdsm.data.preprocess import preprocess_all
from tdsm.data.synthetic import Take, perform, synthetic_clips
from tdsm.util.errors import InputError

LABELS = ["wave the right hand", "bow", "walk on the spot", "jump", "squat", "kick forward with the left leg"]
NOTHING = {"cut": 0.0, "bones": 0.0, "offset": 0.0, "noise": 0.0, "lost": 0.0, "flat": 0.0}
JOINT = {name: index for index, name in enumerate(BODY_15.joints)}


def only(**settings):
    return CorruptConfig(**NOTHING | settings)


def preprocessed(clips):
    return torch.from_numpy(preprocess_all(clips, PreprocessConfig()))


def recorded(**take):
    """Clips of a body that a sensor saw without any error, bones of constant length, not preprocessed."""
    return [convert(Clip(perform(label, take=Take(frames=40, **take)), NTU_25), BODY_15).clip for label in LABELS]


def distances(x):
    """Between all joints of a frame: what moving and turning a body do not change."""
    return torch.linalg.norm(x[..., :, None, :] - x[..., None, :, :], dim=-1)


def shapes(x):
    """The same without the size of a frame, which interpolation over time makes a little smaller."""
    return distances(x) / distances(x).mean(dim=(-2, -1), keepdim=True)


def lengths(x):
    child, parent = zip(*BODY_15.bones, strict=True)
    return (x[..., list(child), :] - x[..., list(parent), :]).norm(dim=-1)


@pytest.fixture(scope="module")
def clips():
    """(N, 1, 32, 15, 3) as a sensor with noise saw them."""
    return preprocessed(convert(synthetic_clips(2, actions=LABELS), BODY_15).clips)


@pytest.fixture(scope="module")
def perfect():
    """The same without any error of a sensor."""
    return preprocessed(recorded())


@pytest.fixture(scope="module")
def still(perfect):
    """Persons who hold a pose, each another one."""
    return normalised(perfect[:, 0, 12:13].expand(-1, 32, -1, -1), BODY_15, torch.zeros(len(perfect), dtype=torch.bool))[:, None]


# ---- what it depends on -----------------------------------------------------------------------------------------------------------------


def test_a_step_is_drawn_from_seed_and_number_alone(clips):
    torch.manual_seed(1)
    first = corrupt(clips, BODY_15, CorruptConfig(), 3, 8)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    assert torch.equal(first, corrupt(clips, BODY_15, CorruptConfig(), 3, 8))
    assert torch.equal(state, torch.random.get_rng_state())
    assert first.shape == clips.shape
    assert first.dtype == clips.dtype


@pytest.mark.parametrize(("seed", "step"), [(3, 9), (4, 8), (8, 3)])
def test_another_seed_or_step_is_another_sensor(clips, seed, step):
    difference = corrupt(clips, BODY_15, CorruptConfig(), 3, 8) - corrupt(clips, BODY_15, CorruptConfig(), seed, step)
    assert (difference.abs().amax(dim=(1, 2, 3, 4)) > 1e-3).all()


def test_clips_are_left_as_they_are_and_differ_in_what_is_done_to_them(clips):
    given = clips[:1].repeat(4, 1, 1, 1, 1)
    kept = given.clone()
    made = corrupt(given, BODY_15, CorruptConfig(), 0, 0)
    assert torch.equal(given, kept)
    assert all((made[one] - made[other]).abs().max() > 1e-3 for one in range(4) for other in range(one))


def test_a_clip_does_not_depend_on_its_neighbours(clips):
    made = corrupt(clips, BODY_15, CorruptConfig(), 0, 0)
    others = torch.cat((clips[:1], clips[1:].flip(0)))
    torch.testing.assert_close(corrupt(others, BODY_15, CorruptConfig(), 0, 0)[0], made[0])


# ---- what it leaves, and what each setting does -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(3))
def test_with_all_settings_zero_a_pose_stays_as_it_is(still, step):
    made = corrupt(still, BODY_15, only(), 0, step)
    torch.testing.assert_close(distances(made), distances(still), atol=1e-5, rtol=0)
    torch.testing.assert_close(made, still, atol=1e-5, rtol=0)  # it was turned, and preprocessing turned it back


def test_with_all_settings_zero_a_movement_keeps_its_frames_and_their_order(perfect):
    """Time runs unevenly, and some clips lag behind, but every frame is near one of the original, in its order, and the first is the first."""
    bow = perfect[LABELS.index("bow")].repeat(30, 1, 1, 1, 1)
    made, given = shapes(corrupt(bow, BODY_15, only(), 0, 0))[:, 0], shapes(bow)[:, 0]
    torch.testing.assert_close(made[:, 0], given[:, 0], atol=1e-5, rtol=0)
    apart = (made[:, :, None] - given[:, None]).abs().amax(dim=(3, 4))
    assert apart.min(2).values.max() < 0.03
    bending = apart[:, :10, :16].argmin(2)
    assert (bending.diff() >= 0).all()
    assert bending[:, -1].min() >= 6
    assert len(set(map(tuple, bending.tolist()))) > 5, "time runs unevenly"


def test_bones_get_other_lengths_which_last(still):
    made = lengths(corrupt(still, BODY_15, only(bones=0.05), 0, 0))[:, 0]
    before = lengths(still)[:, 0]
    factors = made / before
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors), atol=1e-4, rtol=0)
    assert 0.02 < factors[:, 0].std(dim=1).mean() < 0.08


def test_an_offset_of_a_joint_lasts(still):
    made = corrupt(still, BODY_15, only(offset=0.01), 0, 0)
    torch.testing.assert_close(made, made[:, :, :1].expand_as(made), atol=1e-5, rtol=0)
    assert (distances(made)[:, 0, 0] - distances(still)[:, 0, 0]).abs().mean() > 0.003


def test_noise_changes_from_frame_to_frame_and_is_larger_in_the_hands_than_in_the_trunk(still):
    many = still.repeat(16, 1, 1, 1, 1)
    made = corrupt(many, BODY_15, only(noise=0.004), 0, 0)
    spread = made.std(dim=2).norm(dim=-1).mean(dim=(0, 1))
    assert spread[JOINT["left wrist"]] > 1.5 * spread[JOINT["neck base"]] > 0
    louder = corrupt(many, BODY_15, only(noise=0.012), 0, 0).std(dim=2).norm(dim=-1).mean()
    assert 2 < louder / spread.mean() < 4


def test_a_cut_leaves_out_both_ends(perfect):
    bow = perfect[LABELS.index("bow")].repeat(30, 1, 1, 1, 1)
    whole, cut = (distances(corrupt(bow, BODY_15, only(cut=cut), 0, 0))[:, 0] for cut in (0.0, 0.4))
    late, early = ((cut[:, frame] - whole[:, frame]).abs().amax(dim=(1, 2)) for frame in (0, -1))
    assert late.median() > 0.01
    assert early.median() > 0.01
    assert (late < 0.01).any(), "clips are cut by different parts"


def test_lost_joints_move_straight_and_evenly(perfect):
    """A stretch of a path is straight where the joint is lost; without it hardly any frame of a moving hand is in the middle of its neighbours."""
    wave = perfect[LABELS.index("wave the right hand")].repeat(200, 1, 1, 1, 1)
    hand = JOINT["right wrist"]

    def straight(lost):
        path = corrupt(wave, BODY_15, only(lost=lost), 0, 0)[:, 0, :, hand]
        bend = (path[:, 2:] - 2 * path[:, 1:-1] + path[:, :-2]).norm(dim=-1)
        return (bend < 1e-6).float().mean(1)

    assert straight(0.0).max() < 0.1
    share = (straight(1.0) > 0.1).float().mean()
    assert 0.02 < share < 0.3


@pytest.mark.parametrize(("flat", "few", "most"), [(0.0, 0.0, 0.0), (0.3, 0.1, 0.5), (1.0, 1.0, 1.0)])
def test_the_share_of_flat_clips_is_what_is_asked_for_and_their_depth_is_zero(clips, flat, few, most):
    made = corrupt(clips.repeat(6, 1, 1, 1, 1), BODY_15, CorruptConfig(flat=flat), 0, 0)
    share = float((made[..., 2] == 0).all(dim=-1).all(dim=-1).float().mean())
    assert few <= share <= most
    assert (made[..., :2].abs().amax(dim=(1, 2, 3)) > 0.05).all()


def test_flat_clips_are_seen_from_different_sides(still):
    same = still[:1].repeat(40, 1, 1, 1, 1)
    wide = corrupt(same, BODY_15, only(flat=1.0), 0, 0)[:, 0, 0]
    shoulders = (wide[:, BODY_15.shoulders[1]] - wide[:, BODY_15.shoulders[0]]).norm(dim=-1)
    assert shoulders.max() > 1.5 * shoulders.min()


@pytest.mark.parametrize("flat", [0.0, 1.0])
def test_what_comes_out_is_preprocessed(clips, flat):
    """Preprocessing it once more changes nothing, not even where it stood elsewhere."""
    made = corrupt(clips, BODY_15, CorruptConfig(flat=flat), 0, 4)
    again = preprocessed([Clip(clip.numpy() + 1, BODY_15) for clip in made])
    torch.testing.assert_close(again, made, atol=1e-5, rtol=0)


# ---- preprocessing again ----------------------------------------------------------------------------------------------------------------


def not_preprocessed(clips):
    return preprocess_all(clips, PreprocessConfig(align="none", center=False, scale=False))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("frames", [1, 8, 31, 32])
def test_bodies_are_put_where_preprocessing_puts_them(flat, frames):
    given = convert(synthetic_clips(1, actions=LABELS), BODY_15).clips
    raw = preprocess_all(given, PreprocessConfig(frames=frames, align="none", center=False, scale=False))
    if flat:
        raw[..., 2] = 0
    expected = preprocess_all([Clip(clip, BODY_15) for clip in raw], PreprocessConfig(frames=frames))[:, 0]
    made = normalised(torch.from_numpy(raw[:, 0]), BODY_15, torch.full((len(raw),), flat))
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_clips_of_a_picture_are_put_where_preprocessing_puts_them():
    pictures = [convert(convert(clip, COCO_17).clip, BODY_15).clip for clip in recorded(yaw=30.0)]
    raw = torch.from_numpy(not_preprocessed(pictures))[:, 0]
    torch.testing.assert_close(normalised(raw, BODY_15, torch.ones(len(raw), dtype=torch.bool)), preprocessed(pictures)[:, 0], atol=1e-5, rtol=0)


def test_only_bodies_that_are_said_to_be_flat_lose_their_depth(clips):
    flat = torch.arange(len(clips)) % 2 == 0
    made = normalised(clips[:, 0], BODY_15, flat)
    assert ((made[..., 2] == 0).all(dim=-1).all(dim=-1) == flat).all()
    torch.testing.assert_close(made[~flat], clips[~flat, 0], atol=1e-5, rtol=0)


def without_shoulders(x):
    """In profile, as a picture sees it: both shoulders at the base of the neck."""
    x = x.clone()
    for shoulder in BODY_15.shoulders:
        x[..., shoulder, :] = x[..., JOINT["neck base"], :]
    return x


def without_torso(x):
    x = x.clone()
    x[..., JOINT["neck base"], :] = x[..., JOINT["pelvis"], :]
    return x


@pytest.mark.parametrize("spoil", [without_shoulders, without_torso])
@pytest.mark.parametrize("flat", [False, True])
def test_where_no_direction_is_to_be_had_nobody_is_turned_as_in_preprocessing(spoil, flat):
    leaning = torch.from_numpy(not_preprocessed(recorded(yaw=20.0)))
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.3, 0.0], [0.3, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    raw = spoil(leaning @ turn.T) * torch.tensor([1.0, 1.0, 0.0 if flat else 1.0])
    expected = preprocessed([Clip(clip.numpy(), BODY_15) for clip in raw])[:, 0]
    torch.testing.assert_close(normalised(raw[:, 0], BODY_15, torch.full((len(raw),), flat)), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("flat", [0.0, 1.0])
@pytest.mark.parametrize(
    "spoil",
    [without_shoulders, without_torso, torch.zeros_like, lambda x: x[:, :, :1].expand_as(x), lambda x: x[:, :, :1], lambda x: x[:, :, :2]],
    ids=["no shoulders", "no torso", "nobody", "still", "one frame", "two frames"],
)
def test_numbers_stay_finite_and_of_a_body_whatever_is_given(clips, spoil, flat):
    given = spoil(clips)
    for config in (CorruptConfig(flat=flat), only(flat=flat)):
        made = corrupt(given, BODY_15, config, 0, 1)
        assert made.shape == given.shape
        assert made.isfinite().all()
        assert made.abs().max() < 3


# ---- settings ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"cut": 0.46}, "corrupt.cut is 0.46"),
        ({"cut": -0.1}, "corrupt.cut is -0.1"),
        ({"lost": 1.1}, "corrupt.lost is 1.1"),
        ({"flat": -1.0}, "corrupt.flat is -1.0"),
        ({"flat": math.nan}, "corrupt.flat is nan"),
    ],
)
def test_a_share_beyond_its_range_gets_one_line(settings, what):
    with pytest.raises(InputError, match=rf"^config: {what}; give a number from 0 to 1"):
        CorruptConfig(**settings)
