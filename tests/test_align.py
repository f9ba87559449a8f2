"""Alignment: two towers that learn which words go with which movement, from generated pairs and then with seen clips, and what is kept of it."""

import dataclasses

import numpy as np
import pytest
import torch

from tdsm.backbones.aligned import Aligner, Pairs, augment, exchange_sides, mirror, seen_with_mirrors, train_on_pairs, train_with_seen
from tdsm.backbones.nets import TCN
from tdsm.backbones.pairs import generated_pairs, pretrained_aligner
from tdsm.config import AlignConfig, Config, DiffusionConfig, EncoderConfig, ModelConfig, PreprocessConfig, TrainConfig, default
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.data.preprocess import preprocess_all
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.diffusion import alphas_cumprod
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.text import TextEncoder, TextFeatures, load_prompts
from tdsm.train import cosine_report, ridge_report, train_recognizer, zero_shot_report
from tdsm.util.errors import InputError

SMALL = AlignConfig(pairs=32, width=16, pretrain_steps=6, steps=4, batch=16, seen_batch=8)
TINY = Config(
    preprocess=PreprocessConfig(frames=16),
    encoder=EncoderConfig(kind="tcn", width=8, features=16),
    align=SMALL,
    model=ModelConfig(width=16, depth=1, heads=2),
    diffusion=DiffusionConfig(schedule="cosine", target="sample", noises=2, scale_features=False, near=0.9, reference=8),
    train=TrainConfig(steps=6, batch=16, warmup=1),
)


def towers(seed=0, words=32):
    torch.manual_seed(seed)
    return Aligner(TCN(KINECT_20, 1, 1, 16, 32), words, 16)


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
    torch.testing.assert_close(aligner.pool(pairs.x).square().mean(1), torch.ones(10))
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
    seen = seen_with_mirrors(pairs.x[:40] + moved, torch.arange(40) % 2, ["up", "down"], ["up", "down"], read, KINECT_20)
    train_with_seen(aligner, pairs, seen._replace(x=pairs.x[:40] + moved, y=torch.arange(40) % 2), dataclasses.replace(SMALL, pairs=200))
    torch.testing.assert_close(aligner.offset.mean((0, 1, 2)), -moved, atol=5e-3, rtol=0)


def read(labels, sentences):
    assert len(labels) == len(sentences)
    return torch.stack([torch.arange(32) * sum(map(ord, sentence)) % 7 + 1.0 for sentence in sentences])


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
    texts = ["squat down", "raise the left hand"]
    seen = seen_with_mirrors(x, y, ["squat", "raise"], texts, read, KINECT_20)
    assert seen.y.tolist() == [0, 1, 0, 1, 0, 2, 0, 2]
    assert torch.equal(seen.z_g, read("abc", [*texts, "raise the right hand"]))


def test_a_class_whose_name_alone_says_a_side_has_a_mirror_class_too():
    seen = seen_with_mirrors(torch.randn(2, 1, 6, 20, 3), torch.tensor([0, 1]), ["left punch", "squat"], ["punch", "squat down"], read, KINECT_20)
    assert seen.y.tolist() == [0, 1, 2, 1]


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
    assert np.array_equal(again.predict(clips[:5], labels).errors, recognizer.predict(clips[:5], labels).errors)


def test_scores_of_a_label_depend_on_that_label_only(run):
    _, clips, recognizer = run
    every = recognizer.predict(clips[:4], UNSEEN).errors
    np.testing.assert_allclose(recognizer.predict(clips[:4], [UNSEEN[7], UNSEEN[2]]).errors, every[:, [7, 2]], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(recognizer.predict(clips[2], UNSEEN).errors, every[2:3], rtol=1e-4, atol=1e-5)


def test_all_three_reports_are_of_the_same_clips(run):
    _, clips, recognizer = run
    test, train = clips.of_classes(UNSEEN), clips.of_classes(SEEN[:6])
    reports = zero_shot_report(recognizer, test), ridge_report(recognizer, train, test), cosine_report(recognizer, test)
    assert len({report.errors.shape for report in reports}) == 1
    assert not np.allclose(reports[0].errors, reports[2].errors)


def test_pairs_and_what_is_learned_from_them_are_made_once(tmp_path, monkeypatch):
    text_encoder = TextEncoder(TINY.text)
    first = pretrained_aligner(TINY, KINECT_20, text_encoder, 0, tmp_path)
    assert len(list(tmp_path.rglob("*"))) == 4  # two folders with a file each

    def refuse(*args, **kwargs):
        raise AssertionError("made again")

    monkeypatch.setattr("tdsm.backbones.pairs.procedural_clips", refuse)
    monkeypatch.setattr("tdsm.backbones.pairs.train_on_pairs", refuse)
    again = pretrained_aligner(TINY, KINECT_20, text_encoder, 0, tmp_path)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
    with pytest.raises(AssertionError, match="made again"):
        pretrained_aligner(TINY, KINECT_20, text_encoder, 1, tmp_path)  # another seed learns anew, from the same pairs
    pairs = generated_pairs(TINY, KINECT_20, text_encoder, tmp_path)
    assert pairs.x.shape == (32, 1, 16, 20, 3)
    torch.testing.assert_close(pairs.z_g.unflatten(1, (2, -1)).norm(dim=2), torch.ones(32, 2))


def test_sentences_read_together_are_read_as_if_alone():
    text_encoder = TextEncoder(TINY.text)
    told = list(load_prompts("nw-ucla").values())
    together = text_encoder.read_sentences(told)
    torch.testing.assert_close(text_encoder.read_sentences(told[3:4])[0], together[3], atol=1e-5, rtol=0)
    torch.testing.assert_close(together[:, : together.shape[1] // 2], text_encoder.encode([[one] for one in told]).z_g, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(2, 2, 16, 20, 3), (2, 1, 16, 25, 3)])
def test_the_tcn_refuses_other_bodies(shape):
    with pytest.raises(InputError, match="belongs"):
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


def test_bias_is_the_mean_error_of_the_reference_clips():
    diffusion = DiffusionConfig(noises=2, reference=5)
    matcher = Matcher(8, 1, 6, 3, ModelConfig(width=16, depth=1, heads=2), diffusion)
    torch.nn.init.normal_(matcher.denoiser.final_layer.linear.weight)
    z_x = torch.randn(20, 1, 8)
    matcher.keep_reference(z_x)
    assert all((row == z_x).flatten(1).all(1).any() for row in matcher.reference)
    text = matcher.encode_text(TextFeatures(torch.randn(4, 6), torch.randn(4, 3, 6), torch.ones(4, 3, dtype=torch.bool)))
    torch.testing.assert_close(matcher.bias(text), matcher.errors(matcher.reference, text).mean(0))
    plain = Matcher(8, 1, 6, 3, ModelConfig(width=16, depth=1, heads=2), DiffusionConfig(noises=2))
    assert torch.equal(plain.bias(text), torch.zeros(4))


def test_negatives_that_say_the_same_do_not_count():
    text = TextFeatures(torch.tensor([[1.0, 0, 0], [1.0, 0.1, 0], [0, 1.0, 0]]), torch.randn(3, 2, 3), torch.ones(3, 2, dtype=torch.bool))
    matcher = Matcher(8, 1, 3, 2, ModelConfig(width=16, depth=1, heads=2), DiffusionConfig(near=0.9))
    z_x, t, noise = torch.randn(4, 1, 8), torch.full((4,), 3), torch.randn(4, 1, 8)
    right = torch.zeros(4, dtype=torch.long)
    assert matcher(z_x, right, right + 1, t, noise, text)["triplet"] == 0
    assert matcher(z_x, right, right + 2, t, noise, text)["triplet"] > 0


def test_the_default_preset_is_the_aligned_one():
    assert default().align.pairs
    assert default().encoder.kind == "tcn"
    assert Config.from_json(default().to_json()) == default()


def test_clips_of_any_layout_can_be_aligned():
    from tdsm.data.convert import convert_all

    clips = convert_all(synthetic_clips(2, seed=0, actions=SEEN[:2]), KINECT_20).clips
    assert preprocess_all(clips, TINY.preprocess).shape[1:] == (1, 16, 20, 3)
    assert train_recognizer(clips, TINY, seed=0).predict(clips, ["squat", "wave"]).errors.shape == (4, 2)
