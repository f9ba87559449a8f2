"""Training: killed runs go on to the same bits, several processes do what one does, other runs' checkpoints are refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tdsm.config import DiffusionConfig, ModelConfig, TrainConfig
from tdsm.loop import train_matcher, warmup_cosine
from tdsm.matcher import Matcher
from tdsm.text import TextFeatures
from tdsm.util.errors import InputError

SCRIPT = """
import sys, torch
from pathlib import Path
sys.path.insert(0, {here!r})
from test_train import data, matcher, SETTINGS
from tdsm.loop import train_matcher
torch.set_num_threads(1)
model = matcher()
train_matcher(model, *data(), SETTINGS, checkpoint=Path(sys.argv[1]))
torch.save(model.state_dict(), sys.argv[2])
"""
SETTINGS = TrainConfig(steps=240, batch=16, lr=1e-2, warmup=5, save_every=20)


def data():
    draw = torch.Generator().manual_seed(0)
    text = TextFeatures(torch.randn(4, 12, generator=draw), torch.randn(4, 6, 12, generator=draw), torch.ones(4, 6).bool())
    labels = torch.arange(40) % 4
    return torch.randn(40, 1, 8, generator=draw) + 2 * text.z_g[labels, None, :8], labels, text


def matcher() -> Matcher:
    return Matcher(8, 1, 12, 6, ModelConfig("cached", 16, 2, 2), DiffusionConfig(noises=3), seed=1)


def run(script: str, *args: object, wait: bool = True):
    environment = os.environ | {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, args)], env=environment)
    if wait:
        assert process.wait() == 0
    return process


def test_a_run_killed_with_kill_9_ends_in_the_same_bits(tmp_path):
    script = SCRIPT.format(here=str(Path(__file__).parent))
    run(script, tmp_path / "whole.safetensors", tmp_path / "whole.pt")
    checkpoint = tmp_path / "killed.safetensors"
    process = run(script, checkpoint, tmp_path / "killed.pt", wait=False)
    while not checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed.pt").exists(), "the kill came too late to prove anything"
    run(script, checkpoint, tmp_path / "killed.pt")
    whole, killed = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    assert not list(tmp_path.glob("*.partial"))


def test_training_lowers_the_loss_and_right_prompts_denoise_better():
    model, (z_x, labels, text) = matcher(), data()
    history = train_matcher(model, z_x, labels, text, SETTINGS)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    errors = model.errors(z_x, model.encode_text(text))
    assert (errors.argmin(1) == labels).float().mean() > 0.9


def test_a_seed_repeats_its_bits_on_two_threads():
    draw = torch.Generator().manual_seed(0)
    text = TextFeatures(torch.randn(17, 64, generator=draw), torch.randn(17, 30, 64, generator=draw), torch.ones(17, 30).bool())
    z_x, labels = torch.randn(300, 1, 64, generator=draw), torch.randint(17, (300,), generator=draw)
    threads, ends = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        for _ in range(3):
            model = Matcher(64, 1, 64, 30, ModelConfig("cached", 64, 2, 2), DiffusionConfig())
            train_matcher(model, z_x, labels, text, TrainConfig(steps=20, batch=128, lr=1e-3, warmup=2))
            ends.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])


def test_history_of_a_resumed_run_has_no_gap_and_no_double(tmp_path):
    checkpoint, (z_x, labels, text) = tmp_path / "run.safetensors", data()
    train_matcher(matcher(), z_x, labels, text, SETTINGS, checkpoint=checkpoint)
    again = matcher()
    history = train_matcher(again, z_x, labels, text, SETTINGS, checkpoint=checkpoint)
    assert [row["step"] for row in history] == [*range(0, 240, 10), 239]
    errors = again.errors(z_x, again.encode_text(text))
    assert (errors.argmin(1) == labels).float().mean() > 0.9


@pytest.mark.parametrize("other", ["settings", "seed", "data"])
def test_a_checkpoint_of_another_run_is_refused(tmp_path, other):
    checkpoint, (z_x, labels, text) = tmp_path / "run.safetensors", data()
    short = TrainConfig(steps=5, batch=16)
    train_matcher(matcher(), z_x, labels, text, short, checkpoint=checkpoint)
    before = checkpoint.read_bytes()
    settings = TrainConfig(steps=6, batch=16) if other == "settings" else short
    with pytest.raises(InputError, match="another run"):
        train_matcher(matcher(), z_x + (other == "data"), labels, text, settings, checkpoint=checkpoint, seed=int(other == "seed"))
    assert checkpoint.read_bytes() == before


def test_a_truncated_checkpoint_is_refused_by_name(tmp_path):
    checkpoint, short = tmp_path / "run.safetensors", TrainConfig(steps=5, batch=16)
    train_matcher(matcher(), *data(), short, checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"run\.safetensors: not a readable safetensors file.*delete it"):
        train_matcher(matcher(), *data(), short, checkpoint=checkpoint)


def test_bf16_follows_float32_without_being_it():
    losses = {}
    for precision in ("no", "bf16"):
        model = matcher()
        history = train_matcher(model, *data(), TrainConfig(steps=21, batch=16, lr=1e-2, warmup=2, precision=precision))
        losses[precision] = [row["loss"] for row in history]
        assert model.denoiser.x_embedder.weight.dtype == torch.float32
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.03)
    assert losses["bf16"] != losses["no"]


def test_a_loss_that_is_not_finite_stops_at_once():
    z_x, labels, text = data()
    with pytest.raises(FloatingPointError, match="step 0"):
        train_matcher(matcher(), z_x * float("inf"), labels, text, SETTINGS)


LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]


def launch(processes: int, *args: object) -> str:
    environment = os.environ | {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*LAUNCH, f"--num_processes={processes}", "--main_process_port=0", *map(str, args)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_whole_command_runs_in_two_processes(tmp_path):
    from test_recognizer import TINY

    from tdsm.data.synthetic import SEEN, synthetic_clips
    from tdsm.recognizer import Recognizer

    clips = synthetic_clips(3, actions=SEEN[:4])
    clips.save(tmp_path / "clips.npz")
    (tmp_path / "tiny.json").write_text(TINY.to_json())
    launch(2, "-m", "tdsm.cli", "train", tmp_path / "clips.npz", "--out", tmp_path / "run", "--preset", tmp_path / "tiny.json")
    assert Recognizer.from_pretrained(tmp_path / "run/model").predict(clips[:2], ["wave"]).errors.shape == (2, 1)
    assert not list(tmp_path.rglob("*.partial"))


def test_two_processes_train_as_one_does(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(here=str(Path(__file__).parent)))
    for processes in (1, 2):
        launch(processes, script, tmp_path / f"{processes}.safetensors", tmp_path / f"{processes}.pt")
    one, two = (torch.load(tmp_path / f"{processes}.pt", weights_only=True) for processes in (1, 2))
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-4)
    assert not torch.equal(matcher().denoiser.x_embedder.weight, one["denoiser.x_embedder.weight"])


def test_learning_rate_warms_up_and_ends_at_zero():
    rates = [warmup_cosine(step, 2.0, 10, 100) for step in range(101)]
    assert rates[0] == 0
    assert rates[10] == max(rates) == 2.0
    assert rates[100] == pytest.approx(0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
