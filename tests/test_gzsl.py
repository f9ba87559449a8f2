"""Generalised zero-shot: the curve is what trying every gamma gives, and only differences within a clip count."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from standins import TINY_CLASSIFIER

from tdsm.backbones.classifier import Classifier
from tdsm.backbones.nets import build_encoder
from tdsm.data.layouts import NTU_25
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.evaluate import zero_shot_report
from tdsm.evaluate.gzsl import GeneralisedReport, choose_gamma, generalised_report, harmonic_mean, seen_unseen_curve
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.text import TextEncoder
from tdsm.util.errors import InputError


def drawn(seed, clips=40, seen=4, unseen=3, steps=None):
    """Scores with a bias for the seen labels; with ``steps`` they are multiples of 1/steps, so that margins coincide."""
    draw = np.random.default_rng(seed)
    y = np.concatenate([np.arange(seen + unseen), draw.integers(seen + unseen, size=clips)])
    scores = 0.4 * np.eye(seen + unseen)[y] - draw.random((len(y), seen + unseen))
    mask = draw.permutation(np.arange(seen + unseen) >= seen)
    scores = scores + 0.25 * ~mask
    return np.round(scores * steps) / steps if steps else scores, y, mask


def accuracies(scores, y, mask, gamma, per_class):
    """Straight from the definitions."""
    right = (scores - np.where(mask, 0.0, gamma)).argmax(axis=1) == y

    def mean(part):
        if per_class:
            return np.mean([right[y == label].mean() for label in np.flatnonzero(part) if (y == label).any()])
        return right[part[y]].mean()

    return mean(~mask), mean(mask)


@pytest.mark.parametrize("per_class", [False, True])
@given(seed=st.integers(0, 1000), steps=st.sampled_from([None, 8]))
@settings(max_examples=25, deadline=None)
def test_the_curve_is_what_every_gamma_gives(seed, steps, per_class):
    scores, y, mask = drawn(seed, steps=steps)
    curve = seen_unseen_curve(scores, y, mask, per_class)
    for point in zip(curve.gamma, curve.seen, curve.unseen, strict=True):
        assert point[1:] == pytest.approx(accuracies(scores, y, mask, point[0], per_class), abs=1e-12)
    known = np.stack([curve.seen, curve.unseen], axis=1)
    for gamma in np.linspace(-2.0003, 2.0001, 301):  # no multiple of 1/8: between margins there is nothing else than the points of the curve
        assert np.abs(known - accuracies(scores, y, mask, gamma, per_class)).max(axis=1).min() < 1e-12


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_curve_falls_in_s_rises_in_u_and_its_area_is_that_of_its_steps(seed):
    scores, y, mask = drawn(seed)
    curve = seen_unseen_curve(scores, y, mask)
    assert (np.diff(curve.gamma) > 0).all()
    assert (np.diff(curve.seen) < 1e-12).all()
    assert (np.diff(curve.unseen) > -1e-12).all()
    assert curve.unseen[0] == 0
    assert curve.seen[-1] == 0
    within = np.where(mask[y], np.where(mask, scores, -9).argmax(1), np.where(mask, -9, scores).argmax(1)) == y
    assert curve.seen[0] == pytest.approx(within[~mask[y]].mean())
    assert curve.unseen[-1] == pytest.approx(within[mask[y]].mean())
    steps = sum((right - left) * height for (left, right), height in zip(pairwise(curve.unseen), curve.seen, strict=False))
    assert curve.ausuc == pytest.approx(steps)  # no two margins are equal, so every piece is level or upright
    # the area is the chance that a random seen clip and a random unseen clip are both right at some gamma
    margin = np.where(mask, -9, scores).max(1) - np.where(mask, scores, -9).max(1)
    seen, unseen = (within & ~mask[y]), (within & mask[y])
    pairs = (margin[unseen][:, None] < margin[seen]).sum() / ((~mask[y]).sum() * mask[y].sum())
    assert curve.ausuc == pytest.approx(pairs)


def test_a_constant_on_all_scores_of_a_clip_changes_nothing():
    scores, y, mask = drawn(3)
    scores = np.round(scores * 2**20) / 2**20  # so that adding whole numbers is exact
    moved = scores + np.random.default_rng(1).integers(-50, 50, (len(scores), 1))
    one, other = seen_unseen_curve(scores, y, mask), seen_unseen_curve(moved, y, mask)
    assert np.array_equal(one.gamma, other.gamma)
    assert np.array_equal(one.seen, other.seen)
    assert np.array_equal(one.unseen, other.unseen)
    assert choose_gamma(scores, y, mask) == choose_gamma(moved, y, mask)


def test_a_constant_on_all_seen_scores_moves_gamma_and_no_area():
    scores, y, mask = drawn(4)
    moved = scores - np.where(mask, 0.0, 0.75)
    assert seen_unseen_curve(moved, y, mask).ausuc == pytest.approx(seen_unseen_curve(scores, y, mask).ausuc)
    assert GeneralisedReport(moved, y, tuple("abcdefg"), mask).at(choose_gamma(scores, y, mask) - 0.75).harmonic == pytest.approx(
        seen_unseen_curve(scores, y, mask).harmonic.max()
    )


@pytest.mark.parametrize("per_class", [False, True])
def test_the_chosen_gamma_is_the_best_there_is(per_class):
    for seed in range(10):
        scores, y, mask = drawn(seed, steps=16)
        best = GeneralisedReport(scores, y, tuple("abcdefg"), mask, choose_gamma(scores, y, mask, per_class), per_class)
        tried = [best.at(gamma).harmonic for gamma in np.linspace(-1.5003, 1.5001, 200)]
        assert best.harmonic >= max(tried) - 1e-12
        assert best.harmonic > best.at(0.0).harmonic - 1e-12


def test_of_equally_good_gammas_the_one_nearest_to_none_is_taken():
    mask = np.array([False, True])
    scores = -np.array([[0.0, 1.0], [0.0, 0.5], [0.0, 3.0], [0.0, 0.2]])  # margins 1 and 3 of seen clips, 0.5 and 0.2 of unseen ones
    y = np.array([0, 1, 0, 1])
    assert choose_gamma(scores, y, mask) == 0.75
    assert choose_gamma(scores * [1, -1], y, mask) == -0.35  # S = 0 from gamma = -3 on, and then U: below both, one right of each two
    hopeless = -np.array([[0.0, 1.0, 0.5], [1.0, 0.5, 0.0]])  # neither clip is right in its own part
    assert choose_gamma(hopeless, np.array([0, 2]), np.array([False, False, True])) == 0.0


def test_clips_weigh_alike_or_classes_do():
    mask = np.array([False, False, True])
    scores = -np.array([[0, 9, 5], [0, 9, 5], [0, 9, 5], [0, 9, 5], [0, 9, 1]], dtype=float)
    y = np.array([0, 0, 0, 1, 2])
    report = GeneralisedReport(scores, y, ("a", "b", "c"), mask, gamma=2.0)
    assert (report.seen, report.unseen) == (0.75, 1.0)
    assert report.harmonic == pytest.approx(6 / 7)
    assert GeneralisedReport(scores, y, ("a", "b", "c"), mask, 2.0, per_class=True).seen == 0.5
    assert "S 75.0%, U 100.0%, H 85.7% at gamma 2, AUSUC 0.750; share of clips, 5 clips, 2 seen and 1 unseen labels" in repr(report)
    assert report.metrics()["accuracy"] == "share of clips"
    assert harmonic_mean(0.0, 0.0) == 0.0


def test_scores_that_cannot_be_tested_are_refused():
    scores, y, mask = drawn(0)
    labels = tuple("abcdefg")
    with pytest.raises(InputError, match="NaN"):
        GeneralisedReport(np.where(scores == scores.max(), np.nan, scores), y, labels, mask)
    for part, name in ((mask, "an unseen"), (~mask, "a seen")):
        few = ~part[y]
        with pytest.raises(InputError, match=f"no clip of {name} class"):
            choose_gamma(scores[few], y[few], mask)
    with pytest.raises(ValueError, match="7 labels, but 6"):
        GeneralisedReport(scores, y, labels[:6], mask)


def test_a_recognizer_is_tested_among_all_labels():
    clips = synthetic_clips(2, seed=0)
    config = TINY_CLASSIFIER
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = Classifier(build_encoder(config.encoder, NTU_25, 1, 6), config.preprocess, SEEN[:6], "synthetic", TextEncoder(config.text))
        matcher = Matcher(config.encoder.features, 1, 768, config.text.tokens, config.model, config.diffusion)
        for weight in matcher.parameters():  # untrained, but not blind to labels
            torch.nn.init.normal_(weight, std=0.2)
    recognizer = Recognizer(config, backbone, matcher)
    seen, unseen = clips.of_classes(SEEN[1:5]), clips.of_classes(UNSEEN[:3])
    report = generalised_report(recognizer, seen, unseen)
    assert report.labels == (*SEEN[:6], *UNSEEN[:3])
    assert report.scores.shape == (len(seen) + len(unseen), 9)
    assert [report.labels[index] for index in report.y] == [clip.label for clip in (*seen, *unseen)]
    alone = zero_shot_report(recognizer, unseen)
    np.testing.assert_allclose(report.scores[len(seen) :, 6:], alone.scores, rtol=1e-5)
    assert alone.scores.std(axis=1).min() > 1e-4
    assert report.curve.unseen[-1] == pytest.approx(alone.top1)
    with pytest.raises(InputError, match="was trained on, so it is not unseen"):
        generalised_report(recognizer, seen, clips.of_classes([SEEN[0], UNSEEN[0]]))
    with pytest.raises(InputError, match="was not trained on"):
        generalised_report(recognizer, unseen, clips.of_classes(UNSEEN[3:5]))
