"""benchmarks/: every command runs, on stand-ins and with settings that take seconds."""

import functools
import importlib
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import standins
import torch
from standins import TINY_ALIGNED, TINY_CLASSIFIER

from tdsm.app.demo import demo_recognizer
from tdsm.backbones import pretraining
from tdsm.backbones.fit import SHIPPED
from tdsm.config import Config, demo, override, tuned
from tdsm.data.prompts import load_prompts
from tdsm.data.prompts.dictionary import load_dictionary
from tdsm.data.readers import load_clips
from tdsm.data.synthetic import UNSEEN, synthetic_clips
from tdsm.experiments.pretrain import pretrain
from tdsm.experiments.results import load_results

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
pytestmark = pytest.mark.slow


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a script with a command line; returns the module and what it printed. ``changes`` replace what the module has."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr("torch.set_num_threads", lambda threads: None)
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ["XDG_CACHE_HOME"])  # back at the end, whatever the script sets

    def run(name, *args, **changes):
        module = importlib.import_module(name)
        for key, value in changes.items():
            monkeypatch.setattr(module, key, value)
        monkeypatch.setattr(sys, "argv", [name, *map(str, args)])
        module.main()
        return module, capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Clips of NW-UCLA and of UTD-MHAD, and settings of both recipes."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in ("nw-ucla", "utd-mhad"):
        standins.kinect_set(name, load_prompts(name)).save(folder / f"{name}.npz")
    for name, config in (("aligned", TINY_ALIGNED), ("classifier", TINY_CLASSIFIER)):
        (folder / f"{name}.json").write_text(config.to_json())
    return folder


def test_the_papers_recipe_at_our_size_is_a_difference_from_the_demo():
    config = Config.from_json((FOLDER / "paper_recipe_small.json").read_text())
    wanted = {"encoder.steps": 300, "train.steps": 250, "text.mask_padding": False, "diffusion.scale_features": False}
    assert config == override(demo(), wanted | {"model.stream": "joint", "model.depth": 2})


@pytest.mark.parametrize("recipe", ["aligned", "classifier"])
def test_baselines(command, inputs, tmp_path, recipe):
    methods = importlib.import_module("tdsm.baselines")
    few = (("ridge to text", "", methods.ridge.fit), ("contrastive", "", methods.contrastive.fit))
    titles = (("ridge to text", ""), ("contrastive", ""), ("TDSM, the paper's recipe", "TDSM"), ("TDSM, this preset", ""))
    args = ("baselines", inputs / "nw-ucla.npz", "--split", "8/2", "--seeds", 2, "--preset", inputs / f"{recipe}.json", "--out", tmp_path)
    _, printed = command(*args, METHODS=few, TITLES=titles)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines()]
    assert rows[0] == ["method", "nw-ucla-purls-8-2", "published"]
    assert [row[0] for row in rows[2:6]] == [title for title, _ in titles]
    assert all("±" in row[1] for row in rows[2:6])
    assert ["PURLS", "", "75.8"] in rows
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert command(*args, METHODS=few, TITLES=titles)[1] == printed
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_every_method_of_the_package_is_among_the_baselines(command):
    module, methods = importlib.import_module("baselines"), importlib.import_module("tdsm.baselines")
    fits = {fit for _, _, fit in module.METHODS}
    assert fits == {getattr(methods, name).fit for name in methods.__all__ if name not in ("Score", "cosine", "tdsm")}
    assert {name for _, name in module.TITLES if name} <= {"DeViSE", "ReViSE", "JPoSE", "Global", "SMIE", "CADA-VAE", "SynSE", "SA-DVAE", "Flora", "TDSM"}


def test_generalised(command, inputs, tmp_path):
    args = ("generalised", inputs / "nw-ucla.npz", "--split", "8/2", "--seeds", 1, "--preset", inputs / "aligned.json", "--out", tmp_path)
    module, printed = command(*args)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines()]
    assert rows[0] == ["benchmark", "method", "S", "U", "H", "AUSUC", "H at gamma 0", "seeds"]
    assert [row[1] for row in rows[2:]] == list(module.METHODS.values())
    for row in rows[2:]:
        seen, unseen, harmonic = (float(cell) for cell in row[2:5])
        assert harmonic == pytest.approx(2 * seen * unseen / max(seen + unseen, 1e-9), abs=0.1)
    assert command(*args)[1] == printed


def test_ahead(command, tmp_path):
    head = "benchmark,draw,seed,part,method,top1,class_mean,seconds,commit,date"
    for name, shares in (("ours", {"tdsm": (0.8, 0.9, 0.85), "ridge": (0.7, 0.7, 0.75)}), ("paper", {"tdsm": (0.5, 0.7)})):
        lines = [f"nw-ucla-purls-8-2,0,{seed},unseen,{method},{top1},0.5,{10 + seed},c,d" for method, each in shares.items() for seed, top1 in enumerate(each)]
        (tmp_path / name).mkdir()
        (tmp_path / name / "cells.csv").write_text("\n".join([head, *lines]) + "\n")
    _, printed = command("ahead", tmp_path / "ours", tmp_path / "paper")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines()][2:]
    assert rows[0][:5] == ["nw-ucla-purls-8-2", "3", "85.0 ± 5.0", "ridge, same features and text", "71.7"]
    assert rows[0][5].startswith("+13.3 [")
    assert rows[0][6] == "11"
    assert rows[1][1:5] == ["2", "85.0 ± 7.1", "second runs", "60.0"]
    assert {row[3] for row in rows[2:]} == {"ReViSE (published)", "DeViSE (published)", "Global (published)", "PURLS (published)"}


class InTurn:
    """Stands for a pool of processes: works in this process, where the module's settings are small."""

    def __init__(self, *args):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    map = staticmethod(map)


def test_ablations(command, tmp_path):
    config = override(TINY_CLASSIFIER, {"train.steps": 4})
    args = ("--seeds", 2, "--processes", 1, "--out", tmp_path / "results", "--runs", tmp_path / "runs")
    small = {"CONFIG": config, "VARIANTS": ({"diffusion.triplet_weight": 0.0},), "demo_recognizer": functools.partial(demo_recognizer, clips_per_class=2)}
    command("ablations", *args, **small, ProcessPoolExecutor=InTurn, maps=lambda *given: {})
    results = {result.file: result for result in load_results(tmp_path / "results")}
    assert set(results) == {"ablations_demo.json", "t_test_demo.npz", "pictures_demo.npz"}
    assert {(number.method, number.seeds, bool(number.variant)) for number in results["ablations_demo.json"].numbers} == {
        ("tdsm", 2, False), ("ridge", 2, False), ("tdsm", 2, True),
    }  # fmt: skip
    assert results["t_test_demo.npz"].arrays["top1"].shape == (2, 9, config.diffusion.noises)
    assert np.isfinite(results["pictures_demo.npz"].arrays["strip_scores"]).all()


def test_ablations_on_recordings_name_their_row_and_recipe(command, inputs, tmp_path):
    args = ("--row", "utd-mhad-purls-22-5", "--seeds", 2, "--processes", 1, "--out", tmp_path / "results", "--runs", tmp_path / "runs")
    small = {"CONFIG": override(TINY_CLASSIFIER, {"train.steps": 4}), "VARIANTS": ({"diffusion.triplet_weight": 0.0}, {"diffusion.timesteps": 5})}
    small["VARIANTS"][1]["diffusion.test_step"] = 2
    command("ablations", inputs / "utd-mhad.npz", *args, **small, ProcessPoolExecutor=InTurn, maps=lambda *given: {})
    (numbers,) = [result.numbers for result in load_results(tmp_path / "results") if result.file == "ablations_utd-mhad-purls-22-5.json"]
    assert {(number.benchmark, number.variant["recipe"], number.seeds) for number in numbers} == {("utd-mhad-purls-22-5", "demo, 4 steps", 2)}
    (made,) = [result for result in load_results(tmp_path / "results") if result.file == "t_test_utd-mhad-purls-22-5.npz"]
    assert made.arrays["top1_variants"].shape == (2, 3) and made.arrays["variants"][1] == "{'diffusion.triplet_weight': 0.0}"
    assert str(inputs) not in made.command and "utd-mhad.npz" in made.command
    with pytest.raises(SystemExit):
        command("ablations", inputs / "utd-mhad.npz")


def test_training_time(command, inputs):
    recipes = ("--preset", inputs / "aligned.json", "--paper", inputs / "classifier.json")
    _, printed = command("training_time", inputs / "nw-ucla.npz", "--split", "8/2", "--runs", 1, *recipes)
    assert "nw-ucla-purls-8-2, 32 clips to train on" in printed
    assert [line.split("|")[1].strip() for line in printed.splitlines()[4:]] == ["the paper's recipe", "recommended, from nothing", "recommended, later"]


def test_latency(command):
    _, printed = command("latency", "--labels", 2, "--runs", 1)
    assert [line.split(":")[0] for line in printed.splitlines() if line[0] != " "] == ["shipped", "default", "demo, cached", "demo, joint", "joint / cached"]
    assert all(float(products) > 0 for products in re.findall("([0-9.]+) GFLOP of products", printed))


def test_encoder_choice(command, inputs):
    few = [(8, "shift-gcn", 4, 2, 8)]
    _, printed = command("encoder_choice", inputs / "utd-mhad.npz", SETTINGS=few, read_utd_mhad=load_clips)
    assert printed.splitlines()[1].startswith("8 shift-gcn 4 2 8 | ")


def test_encoder_speed(command):
    _, printed = command("encoder_speed", "--widths", 4, "--features", 8, "--frames", 8, "--batch", 2, "--rounds", 1, "--kinds", "shift-gcn", "tcn")
    assert len(printed.splitlines()) == 3


def test_where_they_differ_counts_answers_that_change(command, tmp_path):
    """Two classes of 4 clips; TDSM wins 2 of class "a" back from "b" and loses 1 of "b" to "a"."""
    for seed in range(2):
        folder = tmp_path / f"scores-{seed}"
        folder.mkdir()
        (folder / "about.json").write_text(json.dumps({"labels": ["a", "b"]}))
        y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
        cosine, tdsm = np.array([0, 0, 1, 1, 1, 1, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1, 0])
        np.savez(folder / "scores.npz", y=y, cosine=np.eye(2)[cosine], errors=np.repeat(-np.eye(2)[tdsm][..., None], 3, 2))
    _, printed = command("where_they_differ", tmp_path)
    cells = [cell.strip() for cell in printed.splitlines()[-1].strip("|").split("|")]
    assert cells[:4] == ["2 (a, ...)", "2", "75.0 ± 0.0", "87.5 ± 0.0"]
    assert cells[6:] == ["a +2.0: b -> a 2.0", "b -1.0: b -> a 1.0"]


def test_triplet_margin(command, tmp_path):
    config = override(TINY_CLASSIFIER, {"train.steps": 4})
    small = {"CONFIG": config, "VARIANTS": {"none": {"diffusion.triplet_weight": 0.0}, "1": {}}}
    _, printed = command("triplet_margin", "--seeds", 2, "--runs", tmp_path, **small, demo_recognizer=functools.partial(demo_recognizer, clips_per_class=2))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line.startswith("|")]
    assert [row[0] for row in rows[2:]] == ["none", "1"]
    assert all(len(row) == len(rows[0]) == 6 for row in rows[2:])


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    """A pretraining of a few actions, some of them left out."""
    few = load_dictionary()[::150]
    settings = {"pairs": 30, "performances": 1, "steps": 3, "pairs_batch": 8, "acted_batch": 8, "negated": 4}
    gone = {action.name for action in few[:4]}
    patch = pytest.MonkeyPatch()
    kept = lambda without=(): tuple(action for action in few if not without or action.name not in gone)  # noqa: E731
    patch.setattr(pretraining, "load_dictionary", kept)
    folder = tmp_path_factory.mktemp("tower") / "run-0"
    pretrain(folder, settings=settings, without=sorted(gone), confidence=True)
    yield folder, kept, replace(pretraining.PretrainConfig(), **settings)
    patch.undo()


def test_denoiser_study(command, inputs, tower):
    folder, kept, config = tower
    sizes = {"BATCH": 8, "RANDOM": 16, "ASKED": 4, "load_dictionary": kept, "PretrainConfig": lambda: config}
    module, printed = command("denoiser_study", "--runs", folder, folder, "--on", inputs / "nw-ucla.npz", "--steps", 2, "--out", folder.parent, **sizes)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line.startswith("|")]
    assert rows[0][1:] == ["left-out actions", "edits", "nw-ucla"]
    assert [row[0].removesuffix(" minus cosine") for row in rows[2:]] == [
        "cosine", "windows", "uniform", "errors", "twin", "tokens", "tokens twin", "tokens prior", "late", "late prior", "end to end",
    ]  # fmt: skip
    assert all(cell.endswith("]") for row in rows[3:] for cell in row[1:])
    rng = np.random.default_rng(0)
    assert module.edited("Someone standing nods, then sits down.", rng) == "Someone standing sits down, then nods."
    assert module.edited("Someone standing nods once.", rng) == "Someone standing nods repeatedly."
    assert module.edited("Someone standing nods.", rng) == "Someone standing nods."


def test_never_met(command, inputs, tower):
    folder, _, _ = tower
    what = ("--what", "accuracy", "confidence", "noise")
    _, printed = command("never_met", inputs / "nw-ucla.npz", "--models", folder / "model", folder / "model", *what)
    rows = [[cell.strip() for cell in line.strip(" |").split("|")] for line in printed.splitlines() if line.startswith("| nw-ucla")]
    assert [len(row) for row in rows] == [7, 4, 8]
    assert rows[0][3] == rows[0][4]  # of an untrained denoiser the answer is the cosine's
    assert "± 0.0" in rows[2][1]


def test_long_takes(command):
    few = {"synthetic_clips": lambda count: synthetic_clips(2, actions=UNSEEN[:5]), "ROUNDS": 1}
    _, printed = command("long_takes", "--models", SHIPPED, "--ways", "windows", "windows, rest", "time tokens", "rests and valleys", **few)
    rows = [line.split(" | ") for line in printed.splitlines()[4:]]
    assert [row[1] for row in rows] == 2 * ["windows", "windows, rest", "time tokens", "rests and valleys"]
    assert all(0 <= float(cell.rstrip(" |")) <= 100 for row in rows for cell in row[2:])


def test_text_to_clips(command, tmp_path):
    synthetic_clips(2, actions=UNSEEN[:3]).save(tmp_path / "clips.npz")
    _, printed = command("text_to_clips", tmp_path / "clips.npz", "--models", SHIPPED, "--clips", 100)
    assert "| 6 clips, 3 names | R@1 | R@5 | R@10 |" in printed
    assert "| cosine | " in printed
    assert "building: " in printed


def test_spotting_speed(command):
    _, printed = command("spotting_speed", "--minutes", 0.1)
    assert [line.split("|")[1].strip() for line in printed.splitlines()[4:]] == ["with rests", "no rests"]


def test_paper_size(command):
    """Both sides compute the same, whatever their speed; the peaks are measured in processes of their own."""
    sizes = ("--depth", 2, "--width", 32, "--heads", 2, "--clips", 6, "--labels", 3, "--batch", 8, "--large-batch", 4, "--small", "1x16", "--runs", 1)
    _, printed = command("paper_size", *sizes, "--profile")
    assert max(float(number) for number in re.findall(r"precision no: errors differ by (\S+)", printed)) < 1e-5
    assert max(float(number) for number in re.findall(r"losses differ by (\S+)", printed)) < 1e-5
    assert len(re.findall(r"100.0% of the answers alike", printed)) == 4
    ratio, last = r"[0-9.]+x", printed.splitlines()[-1]
    assert re.fullmatch(rf"cached {ratio} known {ratio} joint {ratio} train cached {ratio} train joint {ratio} memory [0-9.-]+ GB", last)


def test_first_use(command):
    _, printed = command("first_use", "--pairs", 70, "--many", 12, "--few", 2, "--demo-size")
    lines = printed.splitlines()[1:]
    assert [re.split(r", shipped|, demo size|:", line)[0] for line in lines] == [
        *2 * ["12 labels x 2 clips", "2 labels x 12 clips"], "reading 12 labels, 72 tokens", "70 pairs", *2 * ["preprocessing"],
    ]  # fmt: skip
    assert [line.rpartition("scores ")[2] for line in lines[:4]] == 2 * ["(2, 12)", "(12, 2)"]
    assert all(float(number) > 0 for number in re.findall(r"([0-9.]+) s[,:]", printed))


def test_scale(command, tmp_path):
    """Every series at tiny sizes; what it writes is a result file without accuracies."""
    few = override(tuned(), {"align.steps": 1, "align.pairs": 20, "align.batch": 4})
    module, printed = command("scale", "--tiny", "--out", tmp_path / "scale.json", ENOUGH=0.0, TUNED=few)
    rows = [[cell.strip() for cell in line.strip(" |").split("|")] for line in printed.splitlines() if line.startswith("|")]
    assert [row[0] for row in rows[2:-10:2]] == [series.title for series in module.ALL.values()]
    assert all(float(row[3]) > 0 for row in rows[2:-10])
    (result,) = load_results(tmp_path)
    assert result.numbers == ()
    assert [each["name"] for each in json.loads((tmp_path / "scale.json").read_text())["series"]] == list(module.ALL)
    _, printed = command("scale", "--series", "frames", "--tiny")
    assert json.loads(printed)["sizes"] == list(module.ALL["frames"].tiny)


def test_slopes_are_those_of_the_larger_half(command):
    module = importlib.import_module("scale")
    sizes = [1, 2, 4, 8, 16]
    assert module.slope(sizes, [7, 7, 3, 6, 12]) == pytest.approx(1)
    assert module.slope(sizes, [1, 2, 5, 5, 5]) == pytest.approx(0)
    assert module.slope([2, 4], [3, 12]) == pytest.approx(2)


def test_gpu_on_a_cpu(command, tmp_path):
    """Cells of one precision: a row each, in the table and in a result file without accuracies."""
    module, printed = command("gpu", "--tiny", "--only", "eager", "fp32", "--out", tmp_path)
    names = [name for name in module.cells() if name.endswith("fp32/eager")]
    cells = json.loads((tmp_path / "gpu.json").read_text())["cells"]
    assert list(cells) == names
    assert not [row for row in cells.values() if "failed" in row]
    rows = {cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.strip(" |").split("|")] for line in printed.splitlines() if line.startswith("|"))}
    assert rows["train/plain/fp32/eager"][1] == rows["score/plain/fp32/eager"][1] == "1.0"
    assert {rows[name][0] for name in names if name.startswith(("repeat", "alone"))} == {"yes"}
    assert all(cells[name]["difference"] < 1e-5 for name in names if name.startswith("score"))
    assert load_results(tmp_path)[0].numbers == ()
    _, printed = command("gpu", "--tiny", "--only", "compiled", "score/cached/fp32", "--backend", "aot_eager", "--out", tmp_path)
    assert "Not measured" not in printed
    (row,) = json.loads((tmp_path / "gpu.json").read_text())["cells"].values()
    assert row["compile_seconds"] > 0
    assert row["difference"] < 1e-5


def test_operations_are_two_a_multiplication_of_the_papers_computation(command):
    module = importlib.import_module("gpu")
    s, features = module.TINY, importlib.import_module("paper_size").FEATURES
    tokens, square = 1 + s.words, s.width**2
    inputs = 256 * s.width + s.channels * s.width + features * s.width + s.words * s.channels * s.width  # of products whose input is given
    block = 12 * square + 12 * square * tokens + 2 * tokens**2 * s.width
    one = inputs + 2 * square + s.depth * block + 2 * square + s.width * features
    assert module.operations("score", "plain", s) == 2 * one * s.clips * s.scored
    unread = 9 * square * s.words  # behind the attention of the last block, text that no loss depends on
    assert module.operations("train", "plain", s) == 2 * 2 * s.clips * (3 * one - inputs - 2 * unread)


def test_a_cell_that_fails_is_a_row_and_leaves_nothing_behind(command, monkeypatch):
    module = importlib.import_module("gpu")
    block = module.CrossBlock.skeleton

    def full(*args):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory\nmore")

    with monkeypatch.context() as changed:
        changed.setattr(module, "seconds_of", full)
        assert module.row_of("score/cached/fp32/compiled", module.TINY, "eager") == {"failed": "OutOfMemoryError: CUDA out of memory"}
    assert module.CrossBlock.skeleton is block


def test_a_process_that_hangs_or_dies_costs_one_cell(command, monkeypatch):
    module = importlib.import_module("gpu")
    monkeypatch.setattr(module, "LIMITS", {"eager": 3.0})
    code = """
import os, sys, time
for name in sys.argv[2:]:
    time.sleep(60 if name == "hang/eager" else 0)
    if name == "die/eager":
        os._exit(3)
    print("some warning", "row {}", sep="\\n", flush=True)
"""
    rows = dict(module.run_cells(["a/eager", "hang/eager", "b/eager", "die/eager", "c/eager"], [sys.executable, "-c", code], 60))
    assert [rows[name] for name in ("a/eager", "b/eager", "c/eager")] == [{}, {}, {}]
    assert rows["hang/eager"]["failed"] == "stopped after 3 s"
    assert rows["die/eager"]["failed"] == "the process ended with 3"
    assert dict(module.run_cells(["a/eager"], [sys.executable, "-c", code], 0)) == {"a/eager": {"failed": "not run: no time left"}}
