"""Training: killed runs resume to the same bits, several processes do what one does, checkpoints of other runs are refused."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from standins import TINY_ALIGNED, TINY_CLASSIFIER

from tdsm.backbones.base import Examples, SeenClips, seen_clips
from tdsm.backbones.classifier import train_net
from tdsm.backbones.fit import fit_backbone, load_backbone, save_backbone
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config, DiffusionConfig, ModelConfig, TrainConfig, override
from tdsm.data.arrays import Rows
from tdsm.data.clips import ClipSet
from tdsm.data.labels import Label
from tdsm.data.layouts import KINECT_20, Layout
from tdsm.data.synthetic import SEEN, synthetic_clips
from tdsm.diffusion import tdsm_loss
from tdsm.matcher import Matcher
from tdsm.text import TextFeatures
from tdsm.train import fit_matcher, matcher_for, train_recognizer
from tdsm.util.errors import InputError
from tdsm.util.loop import warmup_cosine

SCRIPT = """
import sys, torch
from pathlib import Path
sys.path.insert(0, {here!r})
from test_train import data, CONFIG
from tdsm.train import fit_matcher
torch.set_num_threads(1)
matcher, _ = fit_matcher(data(), CONFIG, seed=1, checkpoint=Path(sys.argv[1]))
torch.save(matcher.state_dict(), sys.argv[2])
"""
CONFIG = Config(
    model=ModelConfig("cached", 16, 2, 2, prior=False),
    diffusion=DiffusionConfig(schedule="mild", target="epsilon", noises=3, margin=1.0, near=1.0),
    train=TrainConfig(steps=240, batch=16, lr=1e-2, warmup=5, save_every=20),
)
SHORT = override(CONFIG, {"train.steps": 5})


def data(shift: float = 0.0) -> Examples:
    draw = torch.Generator().manual_seed(0)
    text = TextFeatures(torch.randn(4, 12, generator=draw), torch.randn(4, 6, 12, generator=draw), torch.ones(4, 6).bool())
    labels = torch.arange(40) % 4
    return Examples(torch.randn(40, 1, 8, generator=draw) + 2 * text.z_g[labels, None, :8] + shift, labels, text)


def right(matcher: Matcher) -> float:
    """Share of the training features whose own label has the smallest error."""
    examples = data()
    return (matcher.errors(examples.z_x, matcher.encode_text(examples.text)).argmin(1) == examples.y).float().mean().item()


def run(script: str, *args: object, wait: bool = True):
    environment = os.environ | {"TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, args)], env=environment)
    if wait:
        assert process.wait() == 0
    return process


def killed_once_there(script: str, checkpoint: Path, *args: object) -> None:
    process = run(script, *args, wait=False)
    while not checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_a_run_killed_with_kill_9_ends_in_the_same_bits(tmp_path):
    script = SCRIPT.format(here=str(Path(__file__).parent))
    run(script, tmp_path / "whole.safetensors", tmp_path / "whole.pt")
    checkpoint = tmp_path / "killed.safetensors"
    killed_once_there(script, checkpoint, checkpoint, tmp_path / "killed.pt")
    assert not (tmp_path / "killed.pt").exists(), "the kill came too late to prove anything"
    run(script, checkpoint, tmp_path / "killed.pt")
    whole, killed = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    assert not list(tmp_path.glob("*.partial"))


WHOLE = """
import sys
sys.path.insert(0, {here!r})
from test_train import RUNS
from tdsm.data.synthetic import SEEN, synthetic_clips
from tdsm.train import train_recognizer
train_recognizer(synthetic_clips(3, actions=SEEN[:4]), RUNS[sys.argv[1]], folder=sys.argv[2])
"""
LONG = {"train.steps": 100, "train.save_every": 3}
RUNS = {"aligned": override(TINY_ALIGNED, LONG), "classifier": override(TINY_CLASSIFIER, LONG)}


@pytest.mark.parametrize("recipe", ["aligned", pytest.param("classifier", marks=pytest.mark.slow)])
def test_a_killed_recognizer_ends_in_the_same_files(tmp_path, recipe):
    script = WHOLE.format(here=str(Path(__file__).parent))
    killed_once_there(script, tmp_path / "killed/training/denoiser.safetensors", recipe, tmp_path / "killed")
    assert not (tmp_path / "killed/model").exists(), "the kill came too late to prove anything"
    clips = synthetic_clips(3, actions=SEEN[:4])
    for name in ("whole", "killed"):
        train_recognizer(clips, RUNS[recipe], folder=tmp_path / name)
    for path in sorted((tmp_path / "whole/model").iterdir()):
        assert (tmp_path / "killed/model" / path.name).read_bytes() == path.read_bytes(), path.name
    assert (tmp_path / "killed/history.csv").read_text() == (tmp_path / "whole/history.csv").read_text()


def test_training_lowers_the_loss_and_right_prompts_denoise_better():
    matcher, history = fit_matcher(data(), CONFIG, seed=1)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert right(matcher) > 0.9


@pytest.mark.slow
def test_a_seed_repeats_its_bits_on_two_threads():
    draw = torch.Generator().manual_seed(0)
    text = TextFeatures(torch.randn(17, 64, generator=draw), torch.randn(17, 30, 64, generator=draw), torch.ones(17, 30).bool())
    examples = Examples(torch.randn(300, 1, 64, generator=draw), torch.randint(17, (300,), generator=draw), text)
    config = override(CONFIG, {"model.width": 64, "train.steps": 6, "train.batch": 128, "train.lr": 1e-3, "train.warmup": 2})
    threads, ends = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        for _ in range(2):
            matcher, _ = fit_matcher(examples, config)
            ends.append(torch.cat([parameter.detach().flatten() for parameter in matcher.parameters()]))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(ends[0], ends[1])


def test_seeds_differ_in_weights_batches_and_test_noise():
    one, other = (fit_matcher(data(), SHORT, seed=seed)[0] for seed in (0, 1))
    assert not torch.equal(one.test_noise, other.test_noise)
    assert not torch.equal(one.denoiser.x_embedder.weight, other.denoiser.x_embedder.weight)


def test_history_of_a_resumed_run_has_no_gap_and_no_double(tmp_path):
    checkpoint = tmp_path / "run.safetensors"
    fit_matcher(data(), CONFIG, seed=1, checkpoint=checkpoint)
    again, history = fit_matcher(data(), CONFIG, seed=1, checkpoint=checkpoint)
    assert [row["step"] for row in history] == [*range(0, 240, 10), 239]
    assert right(again) > 0.9


def cubed(e_p, e_n, same):
    """A loss of one's own."""
    return {"loss": torch.where(same, 0.0, (1 + e_p - e_n).clamp(min=0) ** 3).mean() + e_p.mean()}


@pytest.mark.parametrize("other", ["steps", "model", "diffusion", "seed", "data", "loss"])
def test_a_checkpoint_of_another_run_is_refused(tmp_path, other):
    checkpoint = tmp_path / "run.safetensors"
    fit_matcher(data(), SHORT, checkpoint=checkpoint)
    before = checkpoint.read_bytes()
    changed = {"steps": {"train.steps": 6}, "model": {"model.heads": 4}, "diffusion": {"diffusion.margin": 0.5}}.get(other, {})
    with pytest.raises(InputError, match="another run"):
        fit_matcher(
            data(float(other == "data")),
            override(SHORT, changed),
            seed=int(other == "seed"),
            checkpoint=checkpoint,
            loss=cubed if other == "loss" else None,
        )
    assert checkpoint.read_bytes() == before


def test_a_truncated_checkpoint_is_refused_by_name(tmp_path):
    checkpoint = tmp_path / "run.safetensors"
    fit_matcher(data(), SHORT, checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"run\.safetensors: not a readable safetensors file.*delete it"):
        fit_matcher(data(), SHORT, checkpoint=checkpoint)


def test_a_loss_of_ones_own_is_what_is_minimised():
    seen = []

    def counted(e_p, e_n, same):
        seen.append((len(e_p), len(e_n), same.dtype))
        return cubed(e_p, e_n, same)

    matcher, history = fit_matcher(data(), override(CONFIG, {"train.steps": 60}), seed=1, loss=counted)
    assert seen == [(16, 16, torch.bool)] * 60
    assert set(history[0]) == {"step", "lr", "loss"}
    assert history[-1]["loss"] < history[0]["loss"]
    usual, _ = fit_matcher(data(), override(CONFIG, {"train.steps": 60}), seed=1)
    assert not torch.equal(usual.denoiser.x_embedder.weight, matcher.denoiser.x_embedder.weight)
    same, _ = fit_matcher(data(), override(CONFIG, {"train.steps": 60}), seed=1, loss=lambda *errors: tdsm_loss(*errors, weight=1.0, margin=1.0))
    assert torch.equal(usual.denoiser.x_embedder.weight, same.denoiser.x_embedder.weight)


def test_features_are_scaled_where_the_settings_say_so():
    scaled, plain = (fit_matcher(data(), override(SHORT, {"diffusion.scale_features": scale}))[0] for scale in (True, False))
    assert scaled.normalise(data().z_x).square().mean().item() == pytest.approx(1, abs=1e-4)
    assert torch.equal(plain.normalise(data().z_x), data().z_x)


def test_the_prior_needs_texts_as_wide_as_features():
    with pytest.raises(InputError, match=r"model\.prior, but z_x has 8 channels and z_g 12"):
        matcher_for(data(), replace(CONFIG, model=ModelConfig("cached", 16, 2, 2)))


def test_bf16_follows_float32_without_being_it():
    losses = {}
    for precision in ("no", "bf16"):
        settings = {"train.steps": 21, "train.warmup": 2, "train.precision": precision}
        matcher, history = fit_matcher(data(), override(CONFIG, settings), seed=1)
        losses[precision] = [row["loss"] for row in history]
        assert matcher.denoiser.x_embedder.weight.dtype == torch.float32
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.03)
    assert losses["bf16"] != losses["no"]


@pytest.mark.parametrize("recipe", [TINY_ALIGNED, TINY_CLASSIFIER], ids=lambda config: config.backbone)
def test_bf16_reaches_the_backbone_too(recipe):
    seen = seen_clips(synthetic_clips(2, actions=SEEN[:3]), recipe.preprocess)
    histories = {precision: fit_backbone(seen, override(recipe, {"train.precision": precision}))[2] for precision in ("no", "bf16")}
    losses = {precision: [row["loss"] for row in history] for precision, history in histories.items()}
    assert losses["bf16"][0] == pytest.approx(losses["no"][0], rel=0.05)
    assert losses["bf16"] != losses["no"]


def test_a_loss_that_is_not_finite_stops_at_once():
    examples = data()
    with pytest.raises(InputError, match="step 0; lower lr"):
        fit_matcher(replace(examples, z_x=examples.z_x * float("inf")), CONFIG)


# The backbone

LABELS = (Label("lift the head"), Label("lift a hand", "A hand goes up."), Label("lift a foot"))


def planted(classes: int = 3, count: int = 24, layout: Layout = KINECT_20) -> SeenClips:
    """Clips of which each class lifts a joint of its own."""
    draw = torch.Generator().manual_seed(0)
    x, y = 0.01 * torch.randn(count, 1, 8, len(layout), layout.dims, generator=draw), torch.arange(count) % classes
    x[torch.arange(count), 0, :, 4 + y, 1] += torch.linspace(0, 1, 8)
    return SeenClips(x, y, LABELS[:classes], layout, "mine")


def test_the_classifier_learns_its_classes_and_counts_in_rows_of_ten():
    clips = planted()
    config = override(TINY_CLASSIFIER, {"encoder.steps": 40, "encoder.batch": 12})
    torch.manual_seed(0)
    net = build_encoder(config.encoder, clips.layout, 1, 3)
    history = train_net(net, clips, config)
    assert [row["step"] for row in history] == [0, 10, 20, 30, 39]
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert history[-1]["accuracy"] > 0.8


def test_clips_in_memory_and_rows_of_a_file_train_the_same_bits(tmp_path):
    clips = planted()
    np.save(tmp_path / "x.npy", clips.x.numpy())
    order = np.random.default_rng(0).permutation(len(clips.x))  # rows of the file in another order than the clips
    mapped = replace(clips, x=Rows(np.load(tmp_path / "x.npy", mmap_mode="r")[order], np.argsort(order), "x"))
    for config in (TINY_CLASSIFIER, TINY_ALIGNED):
        one, other = (fit_backbone(part, config)[0] for part in (clips, mapped))
        assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("recipe", [TINY_ALIGNED, TINY_CLASSIFIER], ids=lambda config: config.backbone)
def test_a_backbone_is_saved_and_gives_the_same_bits(tmp_path, recipe):
    clips = synthetic_clips(2, actions=SEEN[:3])
    backbone, examples, _ = fit_backbone(seen_clips(clips, recipe.preprocess), recipe, seed=2)
    again, config = load_backbone(save_backbone(tmp_path, backbone, recipe))
    assert config == recipe
    assert torch.equal(again.clips(clips), backbone.clips(clips))
    assert torch.equal(again.clips(clips)[:, None], examples.z_x[: len(clips)])
    assert torch.equal(again.labels(LABELS).z_g, backbone.labels(LABELS).z_g)
    assert {path.name for path in tmp_path.iterdir()} == {"backbone.json", "backbone.safetensors"}


def test_one_class_is_nothing_to_train_on():
    with pytest.raises(InputError, match="1 seen class; give at least two seen classes"):
        seen_clips(synthetic_clips(2, actions=SEEN[:1]), TINY_CLASSIFIER.preprocess)


def test_learning_rate_warms_up_and_ends_at_zero():
    rates = [warmup_cosine(step, 2.0, 10, 100) for step in range(101)]
    assert rates[0] == 0
    assert rates[10] == max(rates) == 2.0
    assert rates[100] == pytest.approx(0)
    assert rates[10:] == sorted(rates[10:], reverse=True)


@pytest.mark.parametrize("config", [TINY_ALIGNED, TINY_CLASSIFIER])
def test_labels_that_cannot_be_told_apart_are_refused_before_any_work(tmp_path, config):
    clips = synthetic_clips(1, actions=SEEN[:3])
    names = dict(zip(clips.classes, ("wave", "\U0001f44b", "\U0001f98b"), strict=True))
    renamed = ClipSet(tuple(replace(clip, label=names[clip.label]) for clip in clips))
    with pytest.raises(InputError, match="knows no word of"):
        train_recognizer(renamed, config, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
