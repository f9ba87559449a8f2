"""Every baseline must carry a map between text and feature over to unseen classes, and must learn it from the texts alone."""

import functools
import inspect
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from jaxtyping import TypeCheckError
from standins import TINY_ALIGNED, TINY_CLASSIFIER

from tdsm import baselines
from tdsm.backbones.base import Examples
from tdsm.baselines import _vae
from tdsm.baselines._fit import hinge, info_nce, prepare
from tdsm.baselines.flow_matching import attune
from tdsm.baselines.jpose import triplet
from tdsm.baselines.reports import compare, cosine_report, ridge_report
from tdsm.baselines.revise import mmd
from tdsm.config import override
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.evaluate import zero_shot_report
from tdsm.text import TextFeatures
from tdsm.train import fit_matcher, train_recognizer
from tdsm.util.errors import InputError

KNOWN, NEW, WORDS, CHANNELS = 40, 8, 8, 16
FITS = {  # with as little training as shows the effect
    "devise": functools.partial(baselines.devise.fit, steps=400),
    "revise": functools.partial(baselines.revise.fit, steps=300, batch=64, lr=3e-3),
    "jpose": functools.partial(baselines.jpose.fit, steps=200, batch=64, lr=5e-3),
    "contrastive": functools.partial(baselines.contrastive.fit, steps=200),
    "smie": functools.partial(baselines.smie.fit, hidden=(128, 64), steps=400, lr=2e-3),
    "purls": functools.partial(baselines.purls.fit, hidden=128, steps=200),
    "cada_vae": functools.partial(baselines.cada_vae.fit, latent=16, hidden=64, steps=300, lr=3e-3),
    "synse": functools.partial(baselines.synse.fit, latent=16, cycles=2, steps=300, lr=1e-2),
    "sa_dvae": functools.partial(baselines.sa_dvae.fit, semantic=16, other=4, cycles=2, steps=300, lr=1e-2),
    "flow_matching": functools.partial(baselines.flow_matching.fit, latent=16, hidden=64, steps=(200, 300), lr=3e-3),
}
each_method = pytest.mark.parametrize("method", FITS)


def steps(method, count):
    """The same with next to no training."""
    return functools.partial(FITS[method], steps=(count, count) if method == "flow_matching" else count)


@functools.cache
def planted():
    """Features that are a linear map of their class's text, and noise: (z_x, y, seen text, test z_x, test y, unseen text)."""
    draw = torch.Generator().manual_seed(0)
    text, mix = torch.randn(KNOWN + NEW, WORDS, generator=draw), torch.randn(WORDS, CHANNELS, generator=draw)
    y, test_y = torch.arange(600) % KNOWN, torch.arange(80) % NEW
    z_x, test_z_x = (3 + 5 * (t @ mix + 0.2 * torch.randn(len(t), CHANNELS, generator=draw)) for t in (text[y], text[KNOWN:][test_y]))
    return z_x, y, text[:KNOWN], test_z_x, test_y, text[KNOWN:]


@functools.cache
def fitted(method):
    z_x, y, text, *_ = planted()
    return FITS[method](z_x, y, text)


def accuracy(score):
    *_, test_z_x, test_y, unseen = planted()
    return (score(test_z_x, unseen).argmax(dim=1) == test_y).float().mean().item()


def test_every_method_of_the_package_is_tested_here():
    methods = {path.stem for path in Path(baselines.__file__).parent.glob("[a-z]*.py")} - {"reports"}
    assert methods == set(baselines.__all__) - {"Score"}
    assert methods == set(FITS) | {"ridge", "cosine", "tdsm"}  # these three are tested at the end


@each_method
def test_recovers_a_planted_map_on_unseen_classes(method):
    assert accuracy(fitted(method)) > 0.7  # chance 0.125


@each_method
def test_texts_of_other_classes_destroy_it(method):
    z_x, y, text, *_ = planted()
    wrong = text[torch.randperm(KNOWN, generator=torch.Generator().manual_seed(1))]
    assert accuracy(FITS[method](z_x, y, wrong)) < 0.5


@each_method
def test_a_score_depends_on_one_clip_and_one_label(method):
    *_, test_z_x, _, unseen = planted()
    score = fitted(method)
    whole = score(test_z_x, unseen)
    assert whole.shape == (80, NEW)
    assert not whole.requires_grad
    torch.testing.assert_close(score(test_z_x[3:4], unseen), whole[3:4], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(score(test_z_x, unseen[[2, 0]]), whole[:, [2, 0]], rtol=1e-4, atol=1e-4)
    assert torch.equal(score(test_z_x, unseen), whole)


@each_method
def test_same_seed_same_bits_and_the_callers_generator_untouched(method):
    z_x, y, text, test_z_x, _, unseen = planted()
    before = torch.random.get_rng_state()
    first, again, other = (steps(method, 3)(z_x, y, text, seed=seed)(test_z_x, unseen) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


@each_method
def test_units_of_features_and_lengths_of_texts_do_not_matter(method):
    z_x, y, text, test_z_x, _, unseen = planted()
    plain = steps(method, 3)(z_x, y, text)(test_z_x, unseen)
    moved = steps(method, 3)(8 * z_x - 16, y, 4 * text)(8 * test_z_x - 16, 4 * unseen)
    torch.testing.assert_close(moved, plain, rtol=1e-3, atol=1e-3)


@each_method
def test_input_that_does_not_fit_is_refused(method):
    z_x, y, text, test_z_x, _, unseen = planted()
    fit = steps(method, 1)
    with pytest.raises((InputError, TypeCheckError)):
        fit(z_x, y[:-1], text)
    with pytest.raises(InputError, match="labels from 0 to 39 for 39 texts"):
        fit(z_x, y, text[:-1])
    with pytest.raises(InputError, match="at least two classes"):
        fit(z_x, torch.zeros_like(y), text[:1])
    with pytest.raises(InputError, match="NaN"):
        fit(torch.full_like(z_x, torch.nan), y, text)
    score = fit(z_x, y, text)
    with pytest.raises(InputError, match="features of shape"):
        score(test_z_x[:, :-1], unseen)
    with pytest.raises(InputError, match="texts of shape"):
        score(test_z_x, unseen[:, :-1])


@pytest.mark.parametrize("method", ["jpose", "synse", "purls"])
def test_parts_must_divide_the_text(method):
    z_x, y, text, *_ = planted()
    if method == "purls":  # parts are for tokens
        z_x = z_x[:, None].expand(-1, 3, -1)
    with pytest.raises(InputError, match="8 numbers in 3 parts"):
        FITS[method](z_x, y, text, parts=3)


def test_every_method_takes_the_same_arguments():
    for name in (*FITS, "ridge", "cosine"):
        parameters = inspect.signature(getattr(baselines, name).fit).parameters
        assert list(parameters)[:4] == ["z_x", "labels", "text", "seed"]
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in list(parameters.values())[3:])


def test_part_aware_purls_finds_what_single_tokens_hold():
    """Token p holds only prompt p, beside noise tokens, three times as large, that a mean over tokens takes in."""
    draw = torch.Generator().manual_seed(1)
    text, mix = torch.randn(KNOWN + NEW, WORDS, generator=draw), torch.randn(2, WORDS // 2, CHANNELS, generator=draw)
    marks = 4 * F.normalize(torch.randn(4, CHANNELS, generator=draw), dim=1)

    def clips(y):
        first, second = (half @ mix[index] for index, half in enumerate(text[y].chunk(2, dim=1)))
        noise = 3 * torch.randn(2, len(y), CHANNELS, generator=draw)
        return torch.stack([first, second, *noise], dim=1) + marks

    y, test_y = torch.arange(600) % KNOWN, torch.arange(80) % NEW
    z_x, test_z_x = clips(y), clips(test_y + KNOWN)
    aware = baselines.purls.fit(z_x, y, text[:KNOWN], hidden=128, steps=300)
    pooled = baselines.purls.fit(z_x.mean(dim=1), y, text[:KNOWN], hidden=128, steps=300)
    right = [(answer.argmax(dim=1) == test_y).float().mean().item() for answer in (aware(test_z_x, text[KNOWN:]), pooled(test_z_x.mean(dim=1), text[KNOWN:]))]
    assert right[0] > 0.6
    assert right[0] > right[1]


def test_hinge_is_the_sum_over_wrong_labels():
    similarity = torch.tensor([[0.5, 0.45, 0.1], [0.0, 0.3, 0.35]])
    assert hinge(similarity, torch.tensor([0, 1]), 0.1).item() == pytest.approx((0.05 + 0.15) / 2)


def test_info_nce_calls_no_clip_of_the_same_class_wrong():
    logits = 50 * F.one_hot(torch.tensor([0, 0, 2]), 4).float()
    assert info_nce(logits, torch.tensor([0, 0, 2])).item() == pytest.approx(torch.log(torch.tensor(2.0)).item() * 0.25, abs=1e-4)


def test_mmd_is_zero_for_equal_samples_only():
    a, b = torch.randn(2, 50, 5, generator=torch.Generator().manual_seed(0))
    assert mmd(a, a.flip(0), 1.0).item() == pytest.approx(0, abs=1e-6)
    assert mmd(a, b.abs(), 1.0).item() > 0.05


def test_triplet_is_zero_where_classes_lie_apart():
    v = F.normalize(torch.tensor([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]]), dim=1)
    assert triplet(v, torch.tensor([0, 0, 1, 1]), 0.3).item() == 0
    assert triplet(v, torch.tensor([0, 1, 0, 1]), 0.3).item() > 1


def test_divergence_agrees_with_torchs():
    mean, log_variance = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    normal = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(normal(mean, torch.exp(log_variance / 2)), normal(0.0, 1.0)).sum(dim=1).mean()
    torch.testing.assert_close(_vae.divergence(mean, log_variance), wanted)


def test_discriminant_orders_like_the_density_of_each_class():
    test, centres, log_variance = torch.randn(5, 3), torch.randn(4, 3), torch.randn(1, 3)
    density = torch.distributions.Normal(centres, torch.exp(log_variance / 2)).log_prob(test[:, None]).sum(dim=2)
    made = _vae.discriminant(test, centres, log_variance)
    torch.testing.assert_close(made - made[:, :1], density - density[:, :1])


def test_schedule_is_reconstruction_first_and_texts_in_later_cycles():
    assert _vae.cycle(0.25, 2) == (0.0, 0.0, 0.0)
    kl, of_text, cross = _vae.cycle(0.49, 2)
    assert (0 < kl < 0.1, of_text, cross) == (True, 0.0, 1.0)
    assert _vae.cycle(0.99, 2)[1] > 0


def test_attuned_text_moves_towards_its_neighbours_not_itself():
    seen = torch.tensor([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.0]])
    made = attune(seen, seen, 1, 0.5)
    torch.testing.assert_close(made[0], seen[0] + 0.5 * 0.8 * seen[1])
    assert torch.equal(attune(seen, seen, 1, 0.0), seen)


def test_standardised_by_the_training_clips_alone():
    z_x, y, text, test_z_x, *_ = planted()
    data = prepare(z_x, y, text)
    assert data.x.mean(dim=0).abs().max() < 1e-4
    assert data.x.square().mean().item() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(data.features(test_z_x[:1]), data.features(test_z_x)[:1])


# Ridge, the plain cosine, and TDSM itself


def test_ridge_recovers_a_linear_map_to_unseen_texts():
    draw = torch.Generator().manual_seed(0)
    text, mix = torch.randn(30, 16, generator=draw), torch.randn(16, 32, generator=draw)
    labels = torch.arange(2000) % 25
    z_x = text[labels] @ mix + 0.1 * torch.randn(2000, 32, generator=draw)
    test = text[25:] @ mix
    similarity = baselines.ridge.fit(z_x, labels, text[:25], penalty=1e-3)(test, text[25:])
    assert similarity.argmax(1).tolist() == [0, 1, 2, 3, 4]
    moved = baselines.ridge.fit(5 * z_x + 2, labels, text[:25], penalty=1e-3)(5 * test + 2, text[25:])
    torch.testing.assert_close(moved, similarity, rtol=1e-3, atol=1e-4)
    assert torch.equal(baselines.ridge.fit(z_x, labels, text[:25], penalty=1e-3, seed=5)(test, text[25:]), similarity)  # nothing is drawn


def test_the_plain_cosine_is_that_of_clip_and_label():
    z_x, z_g = (20**0.5 * F.normalize(torch.randn(count, 20, generator=torch.Generator().manual_seed(count)), dim=1) for count in (5, 3))
    score = baselines.cosine.fit(z_g, torch.arange(3), z_g)
    torch.testing.assert_close(score(z_x, z_g), F.cosine_similarity(z_x[:, None], z_g[None], dim=2))


def texts(z_g):
    return TextFeatures(z_g, z_g[:, None], torch.ones(len(z_g), 1, dtype=torch.bool))


def test_tdsm_scores_as_its_matcher_does_higher_is_better():
    z_x, y, text, test_z_x, _, unseen = planted()
    config = override(TINY_CLASSIFIER, {"train.steps": 4})
    score = baselines.tdsm.fit(z_x, y, texts(text), config, seed=3)
    matcher, _ = fit_matcher(Examples(z_x[:, None], y, texts(text)), config, seed=3)
    torch.testing.assert_close(score(test_z_x, texts(unseen)), -matcher.errors(test_z_x[:, None], matcher.encode_text(texts(unseen))))
    assert not torch.allclose(baselines.tdsm.fit(z_x, y, texts(text), config, seed=4)(test_z_x, texts(unseen)), score(test_z_x, texts(unseen)))


@pytest.fixture(scope="module")
def divided():
    clips = synthetic_clips(2, seed=0)
    return clips.of_classes(SEEN[:4]), clips.of_classes(UNSEEN[:3])


@pytest.mark.parametrize("config", [TINY_CLASSIFIER, TINY_ALIGNED], ids=["classifier", "aligned"])
def test_reports_of_ridge_and_cosine_are_on_the_recognizers_own_features(divided, config):
    train, test = divided
    recognizer = train_recognizer(train, config)
    report = ridge_report(recognizer, train, test)
    assert report.labels == zero_shot_report(recognizer, test).labels == test.classes
    seen, unseen = (recognizer.text(part.classes).z_g for part in (train, test))
    score = baselines.ridge.fit(recognizer.features(train), torch.from_numpy(train.y), seen)
    torch.testing.assert_close(torch.from_numpy(report.scores), score(recognizer.features(test), unseen))
    if config is TINY_ALIGNED:
        wanted = F.cosine_similarity(recognizer.features(test)[:, None], unseen[None], dim=2)
        torch.testing.assert_close(torch.from_numpy(cosine_report(recognizer, test).scores), wanted, rtol=1e-4, atol=1e-5)
    else:
        with pytest.raises(InputError, match="the backbone is a classifier, whose z_x and z_g lie in different spaces"):
            cosine_report(recognizer, test)


def test_methods_are_compared_on_the_recognizers_own_features_one_report_for_each_seed(divided):
    train, test = divided
    recognizer = train_recognizer(train, TINY_CLASSIFIER)
    contrastive = functools.partial(baselines.contrastive.fit, steps=5)
    found = compare(recognizer, train, test, {"contrastive": contrastive, "TDSM": TINY_CLASSIFIER}, seeds=2)
    assert {name: len(reports) for name, reports in found.items()} == {"contrastive": 2, "TDSM": 2}
    seen, unseen = (recognizer.text(part.classes) for part in (train, test))
    z_x, y, test_z_x = recognizer.features(train), torch.from_numpy(train.y), recognizer.features(test)
    wanted = contrastive(z_x, y, seen.z_g, seed=1)(test_z_x, unseen.z_g)
    torch.testing.assert_close(torch.from_numpy(found["contrastive"][1].scores), wanted)
    wanted = baselines.tdsm.fit(z_x, y, seen, TINY_CLASSIFIER, seed=1)(test_z_x, unseen)
    torch.testing.assert_close(torch.from_numpy(found["TDSM"][1].scores), wanted)
