"""The denoiser: parity with the official numbers and with our own, and what its two text streams promise."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import DATA
from make_golden import PATH, numbers

from tdsm.backbones.classifier import Classifier
from tdsm.backbones.nets import build_encoder
from tdsm.config import DiffusionConfig, EncoderConfig, ModelConfig, PreprocessConfig
from tdsm.data.clips import Clip
from tdsm.data.layouts import NTU_25
from tdsm.diffusion import add_noise, alphas_cumprod, diffusion_target, sample_errors, triplet_diffusion_loss
from tdsm.matcher import Matcher
from tdsm.model import CrossDiT, official_denoiser
from tdsm.model.blocks import MLP, Groups
from tdsm.recognizer import Recognizer
from tdsm.text import TextFeatures, TextModel
from tdsm.util.errors import InputError
from tdsm.util.loop import warmup_cosine

PAPER = DiffusionConfig(schedule="mild", target="epsilon", noises=3, margin=1.0, near=1.0)
TARGETS = ("epsilon", "sample", "v_prediction")


@pytest.fixture(scope="session")
def golden():
    """What the official computation gives; ``make_official.py`` made the file."""
    with np.load(DATA / "official_parity.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def official(golden) -> CrossDiT:
    model = CrossDiT(16, 24, 35, ModelConfig("joint", 32, 2, 4, prior=False))
    model.load_state_dict({key.removeprefix("weights."): value for key, value in golden.items() if key.startswith("weights.")})
    return model


def close(ours, theirs):
    torch.testing.assert_close(torch.as_tensor(ours, dtype=torch.float32), torch.as_tensor(theirs, dtype=torch.float32), rtol=1e-5, atol=1e-6)


def test_every_official_array_is_checked(golden):
    """So that no array of the file is forgotten below."""
    checked = ("schedule.", "weights.", "forward.", "train.", "score.")
    assert all(key.startswith(checked) for key in golden)


@pytest.mark.parametrize("steps", [1, 10, 50, 100, 500])
def test_schedule_is_the_official_one(golden, steps):
    close(alphas_cumprod(steps), golden[f"schedule.alphas_cumprod.T{steps}"])


@pytest.mark.parametrize(("given", "expected"), [("x", "prediction"), ("x_3tokens", "prediction_3tokens")])
def test_forward_is_the_official_one(golden, given, expected):
    text = golden["forward.global_text"], golden["forward.local_text"]
    made = official(golden)(golden[f"forward.{given}"], golden["forward.t"], torch.arange(6), *text, torch.ones(6, 35).bool())
    close(made.detach(), golden[f"forward.{expected}"])


@pytest.mark.parametrize("target", TARGETS)
def test_twelve_training_steps_and_scores_are_the_official_ones(golden, target):
    model, text = official(golden), golden["train.text"]
    matcher = Matcher(16, 1, 24, 35, ModelConfig("joint", 32, 2, 4, prior=False), replace(PAPER, target=target))
    matcher.denoiser = model
    matcher.test_noise.copy_(golden["score.noise"][:, 0])
    features = TextFeatures(text[:, 35], text[:, :35], torch.ones(7, 35).bool())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    for step in range(12):
        lr = warmup_cosine(step, 1e-3, 3, 12)
        close(lr, golden[f"train.{target}.lr"][step])
        optimizer.param_groups[0]["lr"] = lr
        rows = golden["train.batch_indices"][step]
        draws = (golden[f"train.{name}"][step] for name in ("negative_labels", "timesteps", "noise"))
        losses = matcher(golden["train.features"][rows][:, None], golden["train.labels"][rows], *draws, features)
        for name, official_name in (("loss", "loss"), ("diffusion", "diffusion_loss"), ("triplet", "triplet_loss")):
            close(losses[name].detach(), golden[f"train.{target}.{official_name}"][step])
        optimizer.zero_grad()
        losses["loss"].backward()
        for key in [key for key in golden if step == 0 and key.startswith(f"train.{target}.grad0.")]:
            close(model.get_parameter(key.removeprefix(f"train.{target}.grad0.")).grad, golden[key])
        optimizer.step()
    for key in [key for key in golden if key.startswith(f"train.{target}.final.")]:
        close(model.get_parameter(key.removeprefix(f"train.{target}.final.")).detach(), golden[key])
    stream = matcher.encode_text(features).select(golden["score.classes"])
    errors = matcher.errors(golden["train.features"][:12][:, None], stream)
    close(3 * errors, golden[f"score.{target}.error_sum_over_noises"])
    assert torch.equal(golden["score.classes"][errors.argmin(1)], golden[f"score.{target}.predicted"])


def test_an_official_checkpoint_loads(golden, tmp_path):
    weights = {key.removeprefix("weights."): value for key, value in golden.items() if key.startswith("weights.")}
    torch.save(weights, tmp_path / "release.pt")
    model = official_denoiser(tmp_path / "release.pt", heads=4)
    text = golden["forward.global_text"], golden["forward.local_text"]
    close(model(golden["forward.x"], golden["forward.t"], torch.arange(6), *text, torch.ones(6, 35).bool()).detach(), golden["forward.prediction"])


def words_of(golden):
    """A text encoder that gives the reference texts: 35 tokens of 24 channels, whatever it is asked."""

    class Words(TextModel):
        identity = "reference texts"

        def encode(self, prompts, prompts_per_class=None):
            rows = slice(0, len(prompts))
            return TextFeatures(golden["forward.global_text"][rows], golden["forward.local_text"][rows], torch.ones(len(prompts), 35).bool())

        def read_sentences(self, sentences):
            raise NotImplementedError

    return Words()


def test_an_official_checkpoint_becomes_a_recognizer_in_one_call(golden, tmp_path):
    weights = {key.removeprefix("weights."): value for key, value in golden.items() if key.startswith("weights.")}
    torch.save(weights, tmp_path / "release.pt")
    net = build_encoder(EncoderConfig(kind="shift-gcn", width=4, features=16), NTU_25, 1, 2)
    backbone = Classifier(net, PreprocessConfig(frames=8), ("walk", "sit"), "mine", words_of(golden))
    recognizer = Recognizer.from_release(tmp_path / "release.pt", backbone, heads=4)
    clip = Clip(np.random.default_rng(0).normal(size=(1, 9, 25, 3)), NTU_25)
    made = recognizer.predict([clip, clip], ["sit", "stand", "wave"])
    assert made.scores.shape == (2, 3)
    assert len(recognizer.matcher.test_noise) == 10
    errors = recognizer.matcher.errors(recognizer.features(clip)[:, None], recognizer.matcher.encode_text(recognizer.text(["sit", "stand", "wave"])))
    close(made.scores[:1], -errors)
    for name, value in weights.items():
        assert torch.equal(recognizer.matcher.denoiser.state_dict()[name], value), name
    wide = Classifier(
        build_encoder(EncoderConfig(kind="shift-gcn", width=4, features=8), NTU_25, 1, 2), PreprocessConfig(), ("walk", "sit"), "mine", words_of(golden)
    )
    with pytest.raises(InputError, match=r"release\.pt: needs 16 features, the backbone gives 8"):
        Recognizer.from_release(tmp_path / "release.pt", wide, heads=4)


class Bomb:
    """Unpickling this would make a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("damage", ["hostile", "empty", "other", "size", "blocks", "vector", "nan", "list", "pipe"])
def test_a_checkpoint_that_is_none_is_refused_and_never_executed(golden, tmp_path, damage):
    weights = {key.removeprefix("weights."): value for key, value in golden.items() if key.startswith("weights.")}
    path = tmp_path / "release.pt"
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "hostile":
        torch.save({"x_embedder.weight": Bomb(tmp_path / "executed")}, path)
    elif damage == "other":
        torch.save({"fc.weight": torch.zeros(3)}, path)
    elif damage == "blocks":
        torch.save(weights | {"blocks.5000000.mlp.fc1.weight": torch.zeros(7, 7)}, path)
    elif damage == "vector":
        torch.save(weights | {"fl_embedder.weight": torch.zeros(3)}, path)
    elif damage == "nan":
        torch.save(weights | {"x_embedder.weight": torch.full_like(weights["x_embedder.weight"], torch.nan)}, path)
    elif damage == "list":
        torch.save([torch.zeros(3)], path)
    elif damage == "pipe":
        os.mkfifo(path)
    else:
        torch.save(weights | {"blocks.1.mlp.fc1.weight": torch.zeros(7, 7)}, path)
    with pytest.raises(InputError, match=r"release\.pt: (is )?not a") as caught:
        official_denoiser(path, heads=4)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "executed").exists()


def test_our_own_numbers_have_not_moved():
    made = numbers()
    with np.load(PATH) as golden:
        assert set(golden.files) == set(made)
        for key in golden.files:
            np.testing.assert_allclose(made[key], golden[key], rtol=2e-5, atol=1e-6, err_msg=key)


def moved(stream: str, tokens: int = 1) -> Matcher:
    """A small matcher whose every weight has left its zero start."""
    torch.manual_seed(0)
    matcher = Matcher(8, tokens, 12, 7, ModelConfig(stream, 16, 2, 2, prior=False), PAPER)
    for parameter in matcher.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return matcher.eval()


def some_text(labels: int = 5) -> TextFeatures:
    generator = torch.Generator().manual_seed(3)
    mask = torch.arange(7) < torch.tensor([[7], [4], [5], [3], [6]])[:labels]
    return TextFeatures(torch.randn(labels, 12, generator=generator), torch.randn(labels, 7, 12, generator=generator), mask)


@pytest.mark.parametrize("stream", ["joint", "cached"])
@pytest.mark.parametrize("tokens", [1, 3])
def test_a_score_depends_on_its_own_clip_and_label_only(stream, tokens):
    matcher, text, z_x = moved(stream, tokens), some_text(), torch.randn(6, tokens, 8)
    errors = matcher.errors(z_x, matcher.encode_text(text))
    order = torch.tensor([3, 0, 4])
    few = TextFeatures(text.z_g[order], text.z_l[order], text.mask[order])
    close(matcher.errors(z_x, matcher.encode_text(few)), errors[:, order])
    close(matcher.errors(z_x, matcher.encode_text(text), rows=1), errors)
    close(matcher.errors(z_x[[4, 1]], matcher.encode_text(text)), errors[[4, 1]])
    assert errors.std() > 1e-3


@pytest.mark.parametrize("stream", ["joint", "cached"])
def test_words_under_the_mask_change_nothing(stream):
    matcher, text, z_x = moved(stream), some_text(), torch.randn(4, 1, 8)
    noisy = TextFeatures(text.z_g, torch.where(text.mask[..., None], text.z_l, 100.0), text.mask)
    errors = matcher.errors(z_x, matcher.encode_text(text))
    close(matcher.errors(z_x, matcher.encode_text(noisy)), errors)
    seen = TextFeatures(text.z_g, noisy.z_l, torch.ones_like(text.mask))
    assert not torch.allclose(matcher.errors(z_x, matcher.encode_text(seen)), errors, rtol=1e-3)


def test_cached_text_does_not_know_the_clip_and_joint_text_does():
    """The one difference between the streams: with one text token and one block they agree; with two blocks they do not."""
    for depth, same in ((1, True), (2, False)):
        torch.manual_seed(0)
        joint, cached = (CrossDiT(8, 12, 7, ModelConfig(stream, 16, depth, 2, prior=False)) for stream in ("joint", "cached"))
        for parameter in joint.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        for layer in joint.t_embedder.mlp:  # without a timestep both scale the text alike
            for parameter in layer.parameters():
                torch.nn.init.zeros_(parameter)
        cached.load_state_dict(joint.state_dict())
        text, z = some_text(), torch.randn(5, 2, 8)
        made = [model(z, torch.zeros(5, dtype=torch.long), torch.arange(5), text.z_g, text.z_l, text.mask) for model in (joint, cached)]
        assert torch.allclose(*made, rtol=1e-4, atol=1e-5) is same


@pytest.mark.parametrize("stream", ["joint", "cached"])
@pytest.mark.parametrize("tokens", [1, 3])
def test_training_and_scoring_compute_the_same_prediction(stream, tokens):
    """Rows gathered by label with a timestep each, against every row under every label at one timestep."""
    matcher, text, z_x = moved(stream, tokens), some_text(), torch.randn(6, tokens, 8)
    labels, t = torch.randint(5, (2, 6), generator=torch.Generator().manual_seed(1)), torch.full((6,), 25)
    trained = matcher.denoiser(z_x, t, labels, text.z_g, text.z_l, text.mask)
    scored = matcher.denoiser.denoise(z_x[None], None, matcher.encode_text(text))
    close(trained.detach(), scored[labels, torch.arange(6)].detach())
    each = matcher.denoiser.denoise(z_x.expand(5, -1, -1, -1), t.expand(5, -1), matcher.encode_text(text))
    close(each.detach(), scored.detach())


@pytest.mark.parametrize("stream", ["joint", "cached"])
def test_labels_that_were_read_are_right_at_every_timestep(stream):
    matcher, text, z_x = moved(stream), some_text(), torch.randn(4, 1, 8)
    kept = matcher.encode_text(text)
    unbound = matcher.denoiser.encode_text(text.z_g, text.z_l, text.mask)
    for t in (25, 3):
        matcher.diffusion = replace(PAPER, test_step=t)
        fresh = matcher.errors(z_x, matcher.encode_text(text))
        assert torch.equal(matcher.errors(z_x, kept), fresh)
        close(matcher.errors(z_x, unbound), fresh)


def test_gradients_of_training_are_those_of_plain_operations():
    """An MLP in training and in scoring against plain operations, in double precision."""
    mlp, x = MLP(6).double(), torch.randn(3, 2, 6, dtype=torch.float64, requires_grad=True)
    plain = mlp.fc2(torch.nn.functional.gelu(mlp.fc1(x), approximate="tanh"))
    weights = torch.randn_like(plain)
    wanted = torch.autograd.grad((plain * weights).sum(), (x, *mlp.parameters()))
    made = mlp(x)
    torch.testing.assert_close(made, plain)
    for ours, theirs in zip(torch.autograd.grad((made * weights).sum(), (x, *mlp.parameters())), wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    with torch.no_grad():
        torch.testing.assert_close(mlp(x), plain)
        extreme = torch.tensor([-1e4, -60.0, -5.0, 0.0, 5.0, 60.0, 1e4], dtype=torch.float64)
    flat = MLP(1).double()
    for layer, weight in ((flat.fc1, 1.0), (flat.fc2, 0.25)):
        torch.nn.init.constant_(layer.weight, weight)
        torch.nn.init.zeros_(layer.bias)
    value = extreme[:, None].requires_grad_()
    gradient = torch.autograd.grad(flat(value).sum(), value)[0]
    assert gradient.isfinite().all() and gradient[0] == 0 and gradient[-1] == 1


def test_rows_are_gathered_by_label_and_go_back():
    labels = torch.tensor([2, 0, 2, 2, 0, 4])
    groups = Groups.of(labels, 5)
    assert groups.places.shape == (5, 3)
    assert groups.places.flatten()[groups.back].tolist() == list(range(6))
    assert [set(groups.places[label].tolist()) - {0} for label in (2, 4)] == [{2, 3}, {5}]
    assert (groups.back // 3 == labels).all()


def test_an_untrained_denoiser_adds_nothing_and_is_not_computed():
    matcher, text = Matcher(12, 1, 12, 7, ModelConfig("cached", 16, 2, 2, prior=True), replace(PAPER, target="sample")).eval(), some_text()
    z_x, stream = torch.randn(4, 1, 12), matcher.encode_text(text)
    errors = matcher.errors(z_x, stream)
    matcher.denoiser.blocks[0].forward = matcher.denoiser.blocks[0].skeleton = None  # would be called in vain
    assert torch.equal(matcher.errors(z_x, stream), errors)
    close(errors, (z_x - text.z_g).square().mean(dim=2))
    matcher.denoiser.final_layer.linear.bias.data[3] = 1.0
    with pytest.raises(TypeError):
        matcher.errors(z_x, stream)


@pytest.mark.parametrize("stream", ["joint", "cached"])
def test_bf16_changes_errors_by_less_than_a_thousandth(stream):
    torch.manual_seed(0)
    matcher, text = Matcher(64, 1, 12, 7, ModelConfig(stream, 64, 3, 2, prior=False), PAPER).eval(), some_text()
    for name, parameter in matcher.denoiser.named_parameters():
        if "adaLN" in name or "final" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    z_x = torch.randn(20, 1, 64)
    read = matcher.encode_text(text)
    errors = matcher.errors(z_x, read)
    matcher.denoiser.precision = "bf16"
    lower = matcher.errors(z_x, read)
    assert 0 < ((lower - errors) / errors).abs().max() < 1e-3
    read_again = matcher.encode_text(text)
    assert all(torch.equal(one, other) for one, other in zip(read.keys, read_again.keys, strict=True))


def test_targets_are_three_views_of_one_thing():
    torch.manual_seed(0)
    z_x, noise, t, alpha_bar = torch.randn(5, 2, 8), torch.randn(5, 2, 8), torch.randint(50, (5,)), alphas_cumprod(50)
    z_xt = add_noise(z_x, noise, t, alpha_bar)
    velocity = diffusion_target("v_prediction", z_x, noise, t, alpha_bar)
    a = alpha_bar[t][:, None, None]
    close(a.sqrt() * z_xt - (1 - a).sqrt() * velocity, z_x)
    close((1 - a).sqrt() * z_xt + a.sqrt() * velocity, noise)
    with pytest.raises(ValueError, match="none of epsilon"):
        diffusion_target("flow", z_x, noise, t, alpha_bar)


def test_triplet_loss_counts_only_wrong_prompts_within_the_margin():
    e_p, e_n = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([1.5, 3.0, 0.0])
    assert triplet_diffusion_loss(e_p, e_n, torch.tensor([False, False, True]), 1.0).item() == pytest.approx(0.5 / 3)
    assert sample_errors(torch.zeros(2, 3, 4), torch.full((2, 3, 4), 2.0)).tolist() == [4.0, 4.0]


def test_scaling_features_is_undone_by_fit_scale():
    matcher, z_x = moved("cached"), torch.randn(50, 1, 8)
    matcher.fit_scale(z_x)
    normal = matcher.normalise(z_x)
    assert normal.square().mean().item() == pytest.approx(1, abs=1e-5)
    matcher.fit_scale(7 * z_x + 3)
    close(matcher.normalise(7 * z_x + 3), normal)


@pytest.mark.parametrize("stream", ["joint", "cached"])
def test_with_prior_an_untrained_denoiser_ranks_by_distance_to_the_text(stream):
    draw = torch.Generator().manual_seed(0)
    z_x, z_g = torch.randn(5, 1, 8, generator=draw), torch.randn(3, 8, generator=draw)
    text = TextFeatures(z_g, z_g[:, None], torch.ones(3, 1, dtype=torch.bool))
    matcher = Matcher(8, 1, 8, 1, ModelConfig(stream, width=16, depth=1, heads=2, prior=True), DiffusionConfig(target="sample", noises=2))
    errors = matcher.errors(z_x, matcher.encode_text(text))
    torch.testing.assert_close(errors, (z_x - z_g).square().mean(-1))


def test_prior_needs_features_in_the_space_of_texts():
    with pytest.raises(InputError, match=r"model.prior, but z_x has 8 channels and z_g 6"):
        Matcher(8, 1, 6, 1, ModelConfig(width=16, depth=1, heads=2, prior=True), DiffusionConfig())
