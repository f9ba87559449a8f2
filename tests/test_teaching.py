"""Drawings that teach: the toy is what it says, a picture shows the numbers it was given, and what cannot be drawn is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

from tdsm.baselines import tdsm
from tdsm.config import DiffusionConfig, ModelConfig, TrainConfig, demo
from tdsm.data.synthetic import synthetic_clips
from tdsm.diffusion import alphas_cumprod
from tdsm.evaluate.gzsl import seen_unseen_curve
from tdsm.text import TextFeatures
from tdsm.util.errors import InputError
from tdsm.viz import style, teaching
from tdsm.viz.spaces import Space

TINY = replace(
    demo(),
    diffusion=DiffusionConfig(noises=2, scale_features=True),
    model=ModelConfig(width=16, depth=1, heads=2, prior=False),
    train=TrainConfig(steps=60, batch=32, lr=1e-2, warmup=5),
)


@pytest.fixture(scope="module")
def matcher():
    return teaching.toy_matcher(*teaching.toy(), triplet_weight=1.0, steps=60)


def test_a_prompt_of_the_toy_points_where_its_cloud_lies():
    z_x, y, text = teaching.toy(200, seed=3)
    assert z_x.shape == (600, 1, 2)
    centres = torch.stack([z_x[y == label, 0].mean(0) for label in range(3)])
    torch.testing.assert_close(centres, text.z_g, rtol=0, atol=0.25)
    assert torch.equal(z_x, teaching.toy(200, seed=3)[0])
    assert not torch.equal(z_x, teaching.toy(200, seed=4)[0])


def test_the_toy_is_learned(matcher):
    z_x, y, text = teaching.toy(seed=1)
    assert (matcher.errors(z_x, matcher.encode_text(text)).argmin(1) == y).float().mean() > 0.7


def test_tokens_are_those_that_each_stream_has_to_process():
    assert teaching.tokens(clips=2, labels=3, noises=4, words=5) == {"joint": 2 * 3 * 4 * (1 + 5), "cached": 2 * 3 * 4 + 3 * 5}
    assert teaching.tokens(1, 1, 1, words=35, skeleton=4) == {"joint": 39, "cached": 39}


def test_tdsm_on_features_scores_each_label_alone_and_repeats_itself():
    draw = torch.Generator().manual_seed(0)
    text = TextFeatures(torch.randn(6, 8, generator=draw), torch.randn(6, 3, 8, generator=draw), torch.ones(6, 3, dtype=torch.bool))
    y = torch.arange(60) % 4
    z_x = text.z_g[y] + 0.3 * torch.randn(60, 8, generator=draw)
    seen = text.select(range(4))
    state = torch.get_rng_state()
    score = tdsm.fit(z_x, y, seen, TINY, seed=2)
    assert torch.equal(state, torch.get_rng_state())
    similarity = score(z_x, seen)
    assert (similarity.argmax(1) == y).float().mean() > 0.8
    assert torch.equal(similarity, tdsm.fit(z_x, y, seen, TINY, seed=2)(z_x, seen))
    torch.testing.assert_close(score(z_x, text)[:, :4], similarity)


def test_schedules_are_drawn_as_they_are():
    _, ax = teaching.schedules(20, test_step=7)
    curves = [line for line in ax.lines if len(line.get_ydata()) == 20]
    assert [line.get_label() for line in curves] == ["mild (the paper's)", "cosine"]
    for line, name in zip(curves, ("mild", "cosine"), strict=True):
        np.testing.assert_allclose(line.get_ydata(), alphas_cumprod(20, name).numpy())
    assert f"{alphas_cumprod(20)[7]:.2f}" in {text.get_text() for text in ax.texts}


def test_noise_leaves_the_clouds_in_place_under_the_mild_schedule_only():
    z_x, y, _ = teaching.toy(spread=0.3)
    _, axes = teaching.noised(z_x, y, steps=(0, 49))
    assert axes.shape == (2, 2)
    assert all(ax.get_aspect() == 1 for ax in axes.flat)
    first, last = ([np.array(cloud.get_offsets()).mean(0) for cloud in ax.collections] for ax in axes[0])
    np.testing.assert_allclose(last, first, atol=0.3)
    gone = [np.array(cloud.get_offsets()).mean(0) for cloud in axes[1, 1].collections]
    np.testing.assert_allclose(gone, np.zeros((3, 2)), atol=0.4)


def test_only_the_joint_stream_lets_words_read_the_skeleton():
    _, axes = teaching.attention(words=3)
    joint, cached = (np.asarray(ax.collections[0].get_array()).reshape(4, 4)[::-1] for ax in axes)
    assert joint.all()
    assert cached[0].all()
    assert cached[1:, 1:].all()
    assert not cached[1:, 0].any()


def test_planes_show_the_errors_and_the_answer(matcher):
    z_x, y, text = teaching.toy(20)
    _, axes = teaching.error_planes({"one": matcher, "two": matcher}, z_x, y, text)
    assert axes.shape == (2, 4)
    assert all(ax.get_aspect() == 1 for ax in axes.flat)
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["one", "two"]
    planes = [np.asarray(ax.collections[0].get_array()) for ax in axes[0]]
    assert planes[0].shape == (61, 61)
    assert np.array_equal(planes[3], np.argmin(planes[:3], axis=0))
    reach = float(1.05 * z_x.abs().max())
    corner = matcher.errors(torch.tensor([[[-reach, -reach]]]), matcher.encode_text(text))[0]  # where the grid begins
    np.testing.assert_allclose([plane[0, 0] for plane in planes[:3]], corner.numpy(), rtol=1e-4)


def test_noises_are_dots_and_the_smallest_mean_is_on_top():
    errors = np.array([[3.0, 5.0], [1.0, 2.0], [2.0, 2.0]])
    _, ax = teaching.noise_errors(errors, ("a", "b", "c"), true="c")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "c ✓ true", "a"]
    assert ax.yaxis_inverted()
    dots, bar = ax.lines[:2]
    assert list(dots.get_xdata()) == [1.0, 2.0]
    assert list(bar.get_xdata()) == [1.5, 1.5]
    assert ax.lines[2].get_marker() != dots.get_marker()


@pytest.mark.parametrize(("labels", "true"), [(("a", "b"), "a"), (("a", "b", "c"), "d")])
def test_noises_of_other_labels_are_refused(labels, true):
    with pytest.raises(InputError, match="give a name a row"):
        teaching.noise_errors(np.ones((3, 2)), labels, true)


def test_bars_are_means_and_dots_are_seeds():
    _, ax = teaching.seed_bars({"one": [0.2, 0.4], "other": [0.5]}, chance=0.1)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([30.0, 50.0])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "other"]
    assert [text.get_text() for text in ax.texts] == ["mean 30", "mean 50"]
    assert list(ax.lines[0].get_xdata()) == pytest.approx([20.0, 40.0])
    assert ax.get_legend().get_texts()[0].get_text() == "chance, 10%"


@pytest.mark.parametrize("shares", [{}, {"one": []}])
def test_bars_of_nothing_are_refused(shares):
    with pytest.raises(InputError, match="at least one number"):
        teaching.seed_bars(shares)


def test_marks_of_the_seen_unseen_curve_say_their_h():
    curve = seen_unseen_curve(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]), np.array([False, True]))
    _, ax = teaching.seen_unseen(curve, {"here": (0.5, 1.0), "nothing": (0.0, 0.0)})
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["area 1.00 (AUSUC)", "here: H 67", "nothing: H 0"]
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 100), (0, 100))
    assert ax.lines[1].get_color() == style.COLOURS[0]


def test_all_colours_are_of_the_house():
    _, ax = teaching.seed_bars({"one": [0.2]})
    assert ax.patches[0].get_facecolor() == to_rgba(style.BAR)


def test_cosines_ring_the_best_label_of_each_clip():
    clips = synthetic_clips(1, actions=["bow", "jump", "squat"])
    space = Space(np.eye(3, 5)[[0, 2, 2]], np.eye(3, 5), clips)  # the second clip lies at the third label
    _, (ax,) = teaching.cosines({"after": space})
    rings = ax.lines[0]
    assert rings.get_xdata().tolist() == [0, 2, 2] and rings.get_ydata().tolist() == [0, 1, 2]
    assert ax.get_title() == "after\nthe best label is right: 67%"
    assert [text.get_text() for text in ax.get_yticklabels()] == ["bow", "jump", "squat"]
