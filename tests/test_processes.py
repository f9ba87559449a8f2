"""Training in several processes: together they learn what one process learns, in both recipes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from standins import TINY_ALIGNED, TINY_CLASSIFIER

from tdsm.backbones import fit, pairs
from tdsm.backbones.aligned import Pairs
from tdsm.backbones.base import seen_clips
from tdsm.config import override
from tdsm.data.synthetic import SEEN, synthetic_clips
from tdsm.recognizer import Recognizer
from tdsm.text import TextEncoder, TextFeatures, cache_folder
from tdsm.train import fit_matcher

# 15 and 7 rows: the processes have shares of different sizes
ODD = {"align.batch": 15, "align.seen_batch": 7, "encoder.batch": 7, "train.batch": 15}
RECIPES = {config.backbone: override(config, ODD) for config in (TINY_ALIGNED, TINY_CLASSIFIER)}
SCRIPT = "import sys; sys.path.insert(0, {here!r}); import test_processes; test_processes.train(sys.argv[1])\n"


class Wide:
    """A text encoder that gives doubles."""

    def __init__(self, encoder):
        self.encoder, self.identity = encoder, encoder.identity

    def read_sentences(self, sentences):
        return self.encoder.read_sentences(sentences).double()

    def encode(self, prompts, **options):
        text = self.encoder.encode(prompts, **options)
        return TextFeatures(text.z_g.double(), text.z_l.double(), text.mask)


def train(out):
    """Backbone and denoiser of every recipe, in double precision: in single precision Adam makes whole steps of the rounding of gradients that are 0."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    generated = pairs.generated_pairs
    fit.generated_pairs = pairs.generated_pairs = lambda *args, **options: Pairs(*(part.double() for part in generated(*args, **options)))
    weights = {}
    for name, config in RECIPES.items():
        clips = seen_clips(synthetic_clips(3, actions=SEEN[:4]), config.preprocess)
        encoder = Wide(TextEncoder(config.text, cache_folder()))
        backbone, examples, history = fit.fit_backbone(replace(clips, x=clips.x.double()), config, seed=2, text_encoder=encoder)
        matcher, more = fit_matcher(examples, config, seed=2)
        parts = {"backbone": backbone.state_dict(), "denoiser": matcher.state_dict()}
        weights |= {f"{name}: {part} {key}": value for part, state in parts.items() for key, value in state.items()}
        weights[f"{name}: losses"] = torch.tensor([row["loss"] for row in history + more])
    weights["processes"] = torch.tensor(int(os.environ.get("WORLD_SIZE", "1")))
    if os.environ.get("RANK", "0") == "0":
        torch.save(weights, out)


def launch(processes: int, cache: Path, *args: object) -> str:
    """`accelerate launch --cpu` starts one process, whatever number it is told; torchrun starts all."""
    settings = {"TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", *map(str, args)]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_train_as_one_does(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(here=str(Path(__file__).parent)))
    for processes in (1, 2):
        launch(processes, tmp_path / f"cache {processes}", script, tmp_path / f"{processes}.pt")  # a cache each: neither finds what the other has learned
    one, two = (torch.load(tmp_path / f"{processes}.pt", weights_only=True) for processes in (1, 2))
    assert (one.pop("processes"), two.pop("processes")) == (1, 2)
    assert one.keys() == two.keys()
    for name, value in one.items():
        size = max(value.double().abs().max(), 1e-3)  # a bias before a batch normalisation is 0, but for rounding
        assert (two[name].double() - value.double()).abs().max() < 1e-6 * size, name


@pytest.mark.parametrize("recipe", [TINY_ALIGNED, pytest.param(TINY_CLASSIFIER, marks=pytest.mark.slow)], ids=lambda config: config.backbone)
def test_the_whole_command_runs_in_two_processes(tmp_path, recipe):
    clips = synthetic_clips(3, actions=SEEN[:4])
    clips.save(tmp_path / "clips.npz")
    (tmp_path / "tiny.json").write_text(recipe.to_json())
    printed = launch(2, tmp_path / "cache", "-m", "tdsm.cli", "train", tmp_path / "clips.npz", "--out", tmp_path / "run", "--preset", tmp_path / "tiny.json")
    assert printed.count("written to") == 2  # by each process
    assert Recognizer.from_pretrained(tmp_path / "run/model").predict(clips[:2], ["wave"]).scores.shape == (2, 1)
    assert not list(tmp_path.rglob("*.partial"))
