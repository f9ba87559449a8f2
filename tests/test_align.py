"""Alignment: two towers that learn which words go with which movement, from generated pairs and then with seen clips, and what is kept of it."""

import dataclasses

import numpy as np
import pytest
import torch
from standins import TINY_ALIGNED

from tdsm.backbones.aligned import Aligned, Pairs, augment, exchange_sides, mirror, seen_with_mirrors, train_on_pairs, train_with_seen
from tdsm.backbones.base import SeenClips, seen_clips
from tdsm.backbones.fit import examples_of, fit_backbone
from tdsm.backbones.nets import TCN
from tdsm.backbones.pairs import generated_pairs, pretrained
from tdsm.baselines.reports import cosine_report, ridge_report
from tdsm.config import AlignConfig, Config, DiffusionConfig, ModelConfig, PreprocessConfig, override
from tdsm.data.convert import convert_all
from tdsm.data.labels import Label
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.data.preprocess import preprocess_all
from tdsm.data.prompts import load_prompts
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.diffusion import alphas_cumprod
from tdsm.evaluate import zero_shot_report
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.text import TextEncoder, TextFeatures
from tdsm.train import train_recognizer
from tdsm.util.errors import InputError

SMALL = TINY_ALIGNED.align
TINY = override(TINY_ALIGNED, {"preprocess.frames": 16})


def towers(seed=0, words=32):
    torch.manual_seed(seed)
    return Aligned(TCN(KINECT_20, 1, 1, 16, 32), words, 16, PreprocessConfig(frames=16), TextEncoder(TINY.text))


def planted(count=200, kinds=8, seed=0, words=32):
    """Pairs in which the text says which joint goes up."""
    draw = np.random.default_rng(seed)
    kind = torch.from_numpy(draw.integers(kinds, size=count))
    x = torch.from_numpy(0.002 * draw.standard_normal((count, 1, 16, 20, 3)).astype(np.float32))
    x[torch.arange(count), 0, :, 4 + kind, 1] += torch.linspace(0, 0.2, 16)
    return Pairs(x, torch.from_numpy(draw.standard_normal((kinds, words)).astype(np.float32))[kind]), kind


def rank_of_own_text(aligner, pairs, kind):
    texts = torch.stack([pairs.z_g[kind == one][0] for one in range(8)])
    aligner.eval()
    with torch.no_grad():
        return (aligner.skeleton(pairs.x) @ aligner.text(texts).T).argmax(1) == kind


def test_the_towers_learn_which_text_goes_with_which_movement():
    pairs, kind = planted()
    aligner = towers()
    before = rank_of_own_text(aligner, pairs, kind).float().mean()
    history = train_on_pairs(aligner, pairs, AlignConfig(pairs=200, width=16, pretrain_steps=150, batch=32))
    assert history[-1]["loss"] < history[0]["loss"] - 0.5
    assert rank_of_own_text(aligner, pairs, kind).float().mean() > max(0.9, before)


def test_directions_have_length_one_and_features_mean_square_one():
    aligner = towers().eval()
    pairs, _ = planted(10)
    torch.testing.assert_close(aligner.skeleton(pairs.x).norm(dim=1), torch.ones(10))
    torch.testing.assert_close(aligner.text(pairs.z_g).norm(dim=1), torch.ones(10))
    torch.testing.assert_close(aligner.encode(pairs.x).square().mean(1), torch.ones(10))
    told = aligner.label_features(pairs.z_g)
    assert told.z_g.shape == (10, 16)
    assert torch.equal(told.z_l[:, 0], told.z_g)
    assert told.mask.all()


def test_texts_told_alike_are_no_negatives_of_each_other():
    """Two pairs with one sentence: the loss does not fall when their clips are driven apart."""
    aligner = towers().eval()
    pairs, _ = planted(4)
    same = pairs.z_g[[0, 0, 2, 3]]
    assert aligner(pairs.x, same)["loss"] < aligner(pairs.x, same + 0.01 * torch.randn(4, 32))["loss"]


def test_recorded_bodies_are_moved_to_where_generated_ones_begin():
    aligner, (pairs, _) = towers(), planted()
    moved = torch.tensor([0.3, -0.2, 0.1])
    seen = seen_with_mirrors(SeenClips(pairs.x[:40] + moved, torch.arange(40) % 2, (Label("up"), Label("down")), KINECT_20, "mine"), read)
    train_with_seen(aligner, pairs, seen._replace(x=pairs.x[:40] + moved, y=torch.arange(40) % 2), dataclasses.replace(SMALL, pairs=200))
    torch.testing.assert_close(aligner.offset.mean((0, 1, 2)), -moved, atol=5e-3, rtol=0)


def read(labels):
    """A stand-in for the text encoder: each text is numbers of its own."""
    return torch.stack([torch.arange(32) * sum(map(ord, label.prompts[-1])) % 7 + 1.0 for label in labels])


@pytest.mark.parametrize("layout", [KINECT_20, NTU_25])
def test_a_mirror_image_of_a_mirror_image_is_the_clip(layout):
    x = torch.randn(3, 2, 5, len(layout), 3)
    once = mirror(x, layout)
    assert torch.equal(mirror(once, layout), x)
    left, right = layout.joints.index("left hand"), layout.joints.index("right hand")
    assert torch.equal(once[..., left, 1:], x[..., right, 1:])
    assert torch.equal(once[..., left, 0], -x[..., right, 0])


def test_a_mirrored_clip_is_told_with_sides_exchanged():
    assert exchange_sides("the right hand goes left, rightly") == "the left hand goes right, rightly"
    x, y = torch.randn(4, 1, 6, 20, 3), torch.tensor([0, 1, 0, 1])
    labels = Label("squat", "squat down"), Label("raise", "raise the left hand")
    seen = seen_with_mirrors(SeenClips(x, y, labels, KINECT_20, "mine"), read)
    assert seen.y.tolist() == [0, 1, 0, 1, 0, 2, 0, 2]
    assert torch.equal(seen.z_g, read([*labels, Label("raise", "raise the right hand")]))


def test_a_class_whose_name_alone_says_a_side_has_a_mirror_class_too():
    labels = Label("left punch", "punch"), Label("squat", "squat down")
    seen = seen_with_mirrors(SeenClips(torch.randn(2, 1, 6, 20, 3), torch.tensor([0, 1]), labels, KINECT_20, "mine"), read)
    assert seen.y.tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("text", "other"),
    [("Left arm up, RIGHT arm down", "Right arm up, LEFT arm down"), ("leftover", "leftover"), ("left-hand", "right-hand"), ("", "")],
)
def test_sides_are_exchanged_in_whatever_case(text, other):
    assert exchange_sides(text) == other
    assert exchange_sides(other) == text


def test_augmentation_is_small_and_repeats_itself():
    x = torch.randn(6, 1, 16, 20, 3)
    once = augment(x, 3, 7)
    assert torch.equal(once, augment(x, 3, 7))
    assert not torch.allclose(once, augment(x, 3, 8))
    still = torch.ones(6, 1, 16, 20, 3).cumsum(-1)
    assert (augment(still, 0, 0) - still).norm() / still.norm() < 0.3


def test_a_killed_alignment_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    pairs, _ = planted()
    config = AlignConfig(pairs=200, width=16, pretrain_steps=8, batch=32)
    whole = towers()
    train_on_pairs(whole, pairs, config)
    broken = towers()
    real, calls = torch.Tensor.backward, []

    def stop(*args, **kwargs):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    import tdsm.backbones.aligned

    fit = tdsm.backbones.aligned.fit
    monkeypatch.setattr(tdsm.backbones.aligned, "fit", lambda *args, **kwargs: fit(*args, **kwargs | {"save_every": 2}))
    monkeypatch.setattr(torch.Tensor, "backward", stop)
    with pytest.raises(KeyboardInterrupt):
        train_on_pairs(broken, pairs, config, checkpoint=tmp_path / "c.safetensors")
    monkeypatch.setattr(torch.Tensor, "backward", real)
    again = towers(seed=5)
    train_on_pairs(again, pairs, config, checkpoint=tmp_path / "c.safetensors")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    clips = synthetic_clips(4, seed=0)
    folder = tmp_path_factory.mktemp("aligned")
    return folder, clips, train_recognizer(clips.of_classes(SEEN[:6]), TINY, descriptions=load_prompts("synthetic"), folder=folder, seed=1)


def test_an_aligned_recognizer_is_saved_and_scores_alike(run):
    folder, clips, recognizer = run
    again = Recognizer.from_pretrained(folder / "model")
    labels = [*UNSEEN[:4], "something nobody described"]
    assert np.array_equal(again.predict(clips[:5], labels).scores, recognizer.predict(clips[:5], labels).scores)
    assert (again.backbone.kind, again.backbone.dataset, again.seen) == ("aligned", "synthetic", SEEN[:6])


def test_scores_of_a_label_depend_on_that_label_only(run):
    _, clips, recognizer = run
    every = recognizer.predict(clips[:4], UNSEEN).scores
    np.testing.assert_allclose(recognizer.predict(clips[:4], [UNSEEN[7], UNSEEN[2]]).scores, every[:, [7, 2]], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(recognizer.predict(clips[2], UNSEEN).scores, every[2:3], rtol=1e-4, atol=1e-5)


def test_all_three_reports_are_of_the_same_clips(run):
    _, clips, recognizer = run
    test, train = clips.of_classes(UNSEEN), clips.of_classes(SEEN[:6])
    reports = zero_shot_report(recognizer, test), ridge_report(recognizer, train, test), cosine_report(recognizer, test)
    assert len({report.scores.shape for report in reports}) == 1
    assert not np.allclose(reports[0].scores, reports[2].scores)
    z_x, z_g = recognizer.features(test), recognizer.text(test.classes).z_g
    cosine = torch.nn.functional.cosine_similarity(z_x[:, None], z_g[None], dim=2)
    np.testing.assert_allclose(reports[2].scores, cosine.numpy(), atol=1e-5)


def test_the_denoiser_is_trained_on_seen_clips_and_on_generated_pairs(run):
    _, clips, recognizer = run
    seen = seen_clips(clips.of_classes(SEEN[:6]), TINY.preprocess, load_prompts("synthetic"))
    z_x = recognizer.backbone.rows(seen.x)
    examples = examples_of(recognizer.backbone, z_x, seen.y, seen.labels, TINY)
    assert len(examples.text) == 6 + TINY.align.pairs
    assert examples.z_x.shape == (24 + TINY.align.pairs, 1, 16)
    assert torch.equal(examples.z_x[:24, 0], z_x)
    assert examples.y.tolist() == [*seen.y.tolist(), *range(6, 6 + TINY.align.pairs)]
    torch.testing.assert_close(examples.text.z_g[:6], recognizer.text(SEEN[:6]).z_g)


def test_other_descriptions_of_the_seen_classes_train_another_backbone(run):
    _, clips, recognizer = run
    seen = seen_clips(clips.of_classes(SEEN[:6]), TINY.preprocess, load_prompts("synthetic") | {SEEN[0]: "Another sentence."})
    other, *_ = fit_backbone(seen, TINY, seed=1)
    same, *_ = fit_backbone(seen_clips(clips.of_classes(SEEN[:6]), TINY.preprocess, load_prompts("synthetic")), TINY, seed=1)
    x = recognizer.features(clips[:3])
    assert torch.equal(same.clips(clips[:3]), x)
    assert not torch.allclose(other.clips(clips[:3]), x, rtol=1e-3)


@pytest.fixture
def text_encoder():
    return TextEncoder(TINY.text)


def test_pairs_and_what_is_learned_from_them_are_made_once(tmp_path, monkeypatch, text_encoder):
    first = pretrained(TINY, KINECT_20, text_encoder, 0, tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2

    def refuse(*args, **kwargs):
        raise AssertionError("made again")

    monkeypatch.setattr("tdsm.backbones.pairs.procedural_clips", refuse)
    monkeypatch.setattr("tdsm.backbones.pairs.train_on_pairs", refuse)
    again = pretrained(TINY, KINECT_20, text_encoder, 0, tmp_path)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
    pairs = generated_pairs(TINY, KINECT_20, text_encoder, tmp_path)
    assert pairs.x.shape == (32, 1, 16, 20, 3)
    torch.testing.assert_close(pairs.z_g.unflatten(1, (2, -1)).norm(dim=2), torch.ones(32, 2))
    for other, seed in (({}, 1), ({"align.lr": 1e-4}, 0), ({"encoder.width": 4}, 0), ({"train.precision": "bf16"}, 0)):
        with pytest.raises(AssertionError, match="made again"):  # learns anew, from the same pairs
            pretrained(override(TINY, other), KINECT_20, text_encoder, seed, tmp_path)
    for other in ({"align.pairs": 16}, {"preprocess.frames": 12}, {"text.tokens": 20}):
        with pytest.raises(AssertionError, match="made again"):
            generated_pairs(override(TINY, other), KINECT_20, text_encoder, tmp_path)


def test_a_net_of_ones_own_is_trained_anew_and_never_taken_from_the_cache(tmp_path, text_encoder):
    usual = pretrained(TINY, KINECT_20, text_encoder, 0, tmp_path)
    asked = []

    def net(layout, bodies, classes):
        asked.append((layout.name, bodies, classes))
        return TCN(layout, bodies, classes, 4, 12)

    own = [pretrained(TINY, KINECT_20, text_encoder, 0, tmp_path, net) for _ in range(2)]
    assert asked == [("kinect-20", 1, 1)] * 2
    assert all(torch.equal(value, own[1].state_dict()[name]) for name, value in own[0].state_dict().items())
    assert own[0].project.in_features == 12 != usual.project.in_features


def test_sentences_read_together_are_read_as_if_alone():
    text_encoder = TextEncoder(TINY.text)
    told = list(load_prompts("nw-ucla").values())
    together = text_encoder.read_sentences(told)
    torch.testing.assert_close(text_encoder.read_sentences(told[3:4])[0], together[3], atol=1e-5, rtol=0)
    torch.testing.assert_close(together[:, : together.shape[1] // 2], text_encoder.encode([[one] for one in told]).z_g, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(2, 2, 16, 20, 3), (2, 1, 16, 25, 3)])
def test_the_tcn_refuses_other_bodies(shape):
    with pytest.raises(InputError, match=r"is not \(N, 1, T, 20, 3\)"):
        TCN(KINECT_20, 1, 4).tokens(torch.zeros(shape))


def test_the_tcn_reads_persons_frames_and_joints():
    encoder = TCN(KINECT_20, 2, 5, 8, 16).eval()
    x = torch.randn(3, 2, 32, 20, 3)
    assert encoder.tokens(x).shape == (3, 8, 8)
    assert encoder.pool(x).shape == (3, 16)
    assert encoder(x).shape == (3, 5)
    assert not torch.allclose(encoder.pool(x), encoder.pool(x.flip(2)))


# The denoiser's part


def test_the_cosine_schedule_ends_in_noise():
    alpha_bar = alphas_cumprod(50, "cosine")
    assert (alpha_bar.diff() < 0).all()
    assert alpha_bar[0] > 0.99
    assert alpha_bar[-1] < 0.01
    assert alphas_cumprod(50)[-1] > 0.7


def test_negatives_that_say_the_same_do_not_count():
    text = TextFeatures(torch.tensor([[1.0, 0, 0], [1.0, 0.1, 0], [0, 1.0, 0]]), torch.randn(3, 2, 3), torch.ones(3, 2, dtype=torch.bool))
    matcher = Matcher(8, 1, 3, 2, ModelConfig(width=16, depth=1, heads=2, prior=False), DiffusionConfig(near=0.9))
    z_x, t, noise = torch.randn(4, 1, 8), torch.full((4,), 3), torch.randn(4, 1, 8)
    right = torch.zeros(4, dtype=torch.long)
    assert matcher(z_x, right, right + 1, t, noise, text)["triplet"] == 0
    assert matcher(z_x, right, right + 2, t, noise, text)["triplet"] > 0


def test_the_recommended_recipe_is_the_aligned_one():
    assert Config().backbone == "aligned"
    assert Config().encoder.kind == "tcn"
    assert Config().model.prior


def test_clips_of_any_layout_can_be_aligned():
    clips = convert_all(synthetic_clips(2, seed=0, actions=SEEN[:2]), KINECT_20).clips
    assert preprocess_all(clips, TINY.preprocess).shape[1:] == (1, 16, 20, 3)
    assert train_recognizer(clips, TINY, seed=0).predict(clips, ["squat", "wave"]).scores.shape == (4, 2)


def test_clips_that_keep_their_own_lengths_are_read_one_by_one(run):
    """With ``frames=0`` no clip is resampled, so that clips of different lengths cannot share an array."""
    _, clips, recognizer = run
    free = dataclasses.replace(recognizer.backbone.preprocess, frames=0)
    backbone, *_ = fit_backbone(seen_clips(clips.of_classes(SEEN[:2]), TINY.preprocess), TINY, seed=1)
    backbone.preprocess = free
    short, long = clips[0], dataclasses.replace(clips[1], joints=clips[1].joints[:, :40])
    assert torch.equal(backbone.clips([short, long])[1:], backbone.clips([long]))
