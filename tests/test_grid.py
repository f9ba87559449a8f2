"""The bench: nothing is made twice, a killed one goes on, and a cell scores what training it alone scores."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from test_recognizer import TINY
from test_study import clips  # noqa: F401 - a fixture

import tdsm.loop
from tdsm.catalogue.rows import benchmarks_of
from tdsm.config import Config, EncoderConfig, ModelConfig
from tdsm.data.prompts import load_prompts
from tdsm.data.readers.nw_ucla import CLASSES
from tdsm.experiments.grid import run_grid, settings_of, table
from tdsm.experiments.validation import pseudo_unseen_of
from tdsm.train import train_recognizer, zero_shot_report
from tdsm.util.errors import InputError

SMALL = replace(
    TINY,
    preprocess=replace(TINY.preprocess, frames=8),
    encoder=EncoderConfig(width=4, features=16, steps=4, batch=8),
    model=ModelConfig(width=16, depth=1, heads=2),
    train=replace(TINY.train, steps=6, save_every=2),
)
GRID = {"diffusion.target": ["epsilon", "sample"]}
ROW = benchmarks_of("nw-ucla", "8/2")[0]


def lines(folder):
    return list(csv.DictReader((folder / "results.csv").read_text().splitlines()))


@pytest.fixture
def steps(monkeypatch):
    """Counts training steps begun; the one numbered "kill" is killed."""
    counted = {"made": 0, "kill": None}
    drawn = tdsm.loop.batch_rows

    def counting(*args):
        counted["made"] += 1
        if counted["made"] == counted["kill"]:
            raise KeyboardInterrupt
        return drawn(*args)

    monkeypatch.setattr(tdsm.loop, "batch_rows", counting)
    return counted


@pytest.fixture(scope="module")
def bench(clips, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("bench")
    return folder, run_grid(GRID, [(ROW, clips)], folder, base=SMALL, draws=2, seeds=1)


def test_the_csv_is_tidy_and_the_table_compares_with_the_first_setting(bench):
    folder, rows = bench
    read = lines(folder)
    assert list(read[0]) == [
        "diffusion.target", "benchmark", "draw", "seed", "part", "method", "top1", "class_mean",
        "seconds_encoder", "seconds_denoiser", "commit", "date",
    ]  # fmt: skip
    assert len(read) == len(rows) == 2 * 2 * 2  # draws, settings, methods
    assert {(row["draw"], row["seed"], row["part"], row["method"]) for row in read} == {(d, "0", "pseudo", m) for d in "01" for m in ("tdsm", "ridge")}
    assert [float(row["top1"]) for row in read] == [row["top1"] for row in rows]
    assert all(float(row["seconds_denoiser"]) > 0 for row in read if row["method"] == "tdsm")
    assert {row["seconds_denoiser"] for row in read if row["method"] == "ridge"} == {""}
    shown = (folder / "table.md").read_text().splitlines()
    assert len(shown) == 2 + 2 * 2
    assert shown[2].startswith("| nw-ucla-purls-8-2 | tdsm | diffusion.target=epsilon | 2 |")
    assert "+0.0 [+0.0, +0.0]" in shown[-1]  # ridge does not know the denoiser's settings


def test_what_cells_share_is_made_once(bench):
    names = [path.name.split("-")[0] for path in bench[0].iterdir() if path.is_dir()]
    assert {name: names.count(name) for name in names} == {"encoder": 2, "ridge": 2, "denoiser": 4}
    assert not [path for path in bench[0].glob("denoiser-*/*") if path.name in ("training", "model")]  # too large to keep


def test_a_cell_scores_what_training_it_alone_scores(bench, clips):  # noqa: F811
    folder, rows = bench
    train, test = pseudo_unseen_of(ROW, clips, 2)[1]
    config = replace(SMALL, diffusion=replace(SMALL.diffusion, target="sample"))
    report = zero_shot_report(train_recognizer(train, config, descriptions=load_prompts("nw-ucla"), seed=0), test)
    found = [np.load(path)["errors"] for path in folder.glob("denoiser-*/scores.npz")]
    assert sum(np.array_equal(report.errors, errors) for errors in found if errors.shape == report.errors.shape) == 1
    assert rows[-2]["top1"] == report.top1
    assert set(test.classes).isdisjoint(ROW.unseen_labels(CLASSES))


def test_the_second_time_nothing_is_trained_and_a_larger_grid_trains_what_is_new(bench, clips, steps):  # noqa: F811
    folder, rows = bench
    before = (folder / "results.csv").read_bytes()
    assert run_grid(GRID, [(ROW, clips)], folder, base=SMALL, draws=2, seeds=1) == rows
    assert steps["made"] == 0
    assert (folder / "results.csv").read_bytes() == before
    run_grid({"diffusion.target": ["epsilon", "sample", "v_prediction"]}, [(ROW, clips)], folder, base=SMALL, draws=2, seeds=1)
    assert steps["made"] == 2 * 6  # draws, steps
    assert len(lines(folder)) == len(rows) * 3 // 2


# Steps 1 to 4 train the encoder, 5 is its single denoiser step, then come two denoisers of 6; the encoder saves at its end, denoisers every second step.
@pytest.mark.parametrize(("kill", "again", "cells"), [(3, 3, 0), (5, 1, 0), (9, 2, 0), (16, 1, 1)])
def test_a_killed_bench_goes_on_and_ends_alike(bench, clips, tmp_path, steps, kill, again, cells):  # noqa: F811
    steps["kill"] = kill
    with pytest.raises(KeyboardInterrupt):
        run_grid(GRID, [(ROW, clips)], tmp_path, base=SMALL, draws=1, seeds=1)
    assert (len(lines(tmp_path)) if cells else 0) == 2 * cells
    rows = run_grid(GRID, [(ROW, clips)], tmp_path, base=SMALL, draws=1, seeds=1)
    assert steps["made"] == 4 + 1 + 6 + 6 + again
    assert [row["top1"] for row in rows] == [row["top1"] for row in bench[1][:4]]
    scores = {path.parent.name: np.load(path)["errors"] for path in tmp_path.glob("denoiser-*/scores.npz")}
    assert len(scores) == 2
    for name, errors in scores.items():
        assert np.array_equal(errors, np.load(bench[0] / name / "scores.npz")["errors"])
    assert not list(tmp_path.glob("*.partial"))
    tdsm_rows = [row for row in rows if row["method"] == "tdsm"]
    assert [row["seconds_encoder"] is None for row in tdsm_rows] == [kill <= 5] * 2  # a time that a kill has cut is left out
    assert [row["seconds_denoiser"] is None for row in tdsm_rows] == [kill == 9, kill == 16]


def test_the_unseen_part_is_the_benchmarks_own_test(clips, tmp_path):  # noqa: F811
    both = replace(ROW, draws=((1, 4), (0, 9)), counts={})
    rows = run_grid({}, [(both, clips)], tmp_path, base=SMALL, part="unseen", seeds=1)
    assert [(row["draw"], row["part"]) for row in rows] == [(0, "unseen")] * 2 + [(1, "unseen")] * 2
    labels = {tuple(np.load(path)["labels"]) for path in tmp_path.glob("denoiser-*/scores.npz")}
    assert labels == {both.unseen_labels(CLASSES, draw) for draw in (0, 1)}
    with pytest.raises(InputError, match="choose pseudo or unseen"):
        run_grid({}, [(both, clips)], tmp_path, base=SMALL, part="test")


def row(setting, benchmark, draw, top1):
    numbers = {"top1": top1, "class_mean": top1 / 2, "seconds_encoder": 60.0, "seconds_denoiser": None if draw else 30.0}
    return {"a.b": setting, "benchmark": benchmark, "draw": draw, "seed": 0, "part": "pseudo", "method": "tdsm"} | numbers


def test_differences_are_paired_and_pooled():
    levels = {"one": [0.2, 0.6], "two": [0.4, 0.8]}
    rows = [
        row(setting, name, draw, top1 + 0.1 * setting + 0.02 * draw * setting)
        for name in levels
        for draw, top1 in enumerate(levels[name])
        for setting in (0, 1)
    ]
    rows = [{**one, "method": method} for one in rows for method in ("tdsm", "ridge")]
    shown = [line.split(" | ") for line in table(rows).splitlines()]
    assert [line[0].strip("| ") for line in shown[2:]] == ["one"] * 4 + ["two"] * 4 + ["all"] * 4
    assert shown[3][2:] == ["a.b=1", "2", "51.0 ± 29.7", "25.5", "+11.0 [-1.7, +23.7]", "60", "30 |"]
    assert shown[-1][3:7] == ["4", "61.0 ± 26.9", "30.5", "+11.0 [+9.2, +12.8]"]


def test_settings_are_every_combination():
    made = settings_of(Config(), {"train.steps": [150, 300], "diffusion.target": ["epsilon", "sample"]})
    assert [setting["train.steps"] for setting, _ in made] == [150, 150, 300, 300]
    assert [(config.train.steps, config.diffusion.target) for _, config in made] == [(150, "epsilon"), (150, "sample"), (300, "epsilon"), (300, "sample")]
    assert made[0][1].encoder == Config().encoder
    assert settings_of(SMALL, {}) == [({}, SMALL)]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"train.step": [1]}, r"no setting 'train\.step'; choose among: train\.steps"),
        ({"lr": [1e-3]}, r"no setting 'lr'; choose among: encoder\.lr, .*train\.lr"),
        ({"train": [1]}, "no setting 'train'"),
        ({"train.steps": ["many"]}, r"grid: train: steps: 'many' is not int"),
        ({"train.steps": [np.int64(3)]}, "is not int"),
        ({"train.steps": [10, 0]}, "steps is 0; give a number above 0"),
        ({"diffusion.target": "sample"}, r"grid: diffusion\.target: 'sample' is no list"),
        ({"train.steps": []}, "no list of different values"),
        ({"train.steps": [5, 5]}, "no list of different values"),
        ({"model.width": [64], "model.heads": [4, 5]}, "multiple of heads"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_trained(grid, message, tmp_path, clips):  # noqa: F811
    with pytest.raises(InputError, match=message):
        run_grid(grid, [(ROW, clips)], tmp_path, base=SMALL)
    assert not list(tmp_path.iterdir())
