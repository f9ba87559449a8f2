"""Experiments: every number of a table comes from stages that are computed once, resume after a kill, and are found again only by all their inputs."""

import csv
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import standins
from standins import TINY_ALIGNED, TINY_CLASSIFIER

import tdsm.backbones.classifier
import tdsm.train
from tdsm.backbones.base import seen_clips
from tdsm.backbones.classifier import Classifier
from tdsm.backbones.fit import fit_backbone, save_backbone
from tdsm.backbones.nets import build_encoder
from tdsm.catalogue.feature_files import read_features, write_flora, write_synse_folder
from tdsm.catalogue.rows import all_benchmarks
from tdsm.config import override, tuned
from tdsm.data.clips import ClipSet
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import load_clips
from tdsm.data.readers.nw_ucla import CLASSES
from tdsm.evaluate import zero_shot_report
from tdsm.experiments import estimate, work
from tdsm.experiments.cells import Source, cells_of, source_of
from tdsm.experiments.run import plan, plan_table, run, settings_of
from tdsm.experiments.table import lines_of, markdown, write_cells, write_tables
from tdsm.experiments.validation import pseudo_unseen_of
from tdsm.text import TextEncoder, cache_folder
from tdsm.train import train_recognizer
from tdsm.util.errors import InputError

ROWS = {row.name: row for row in all_benchmarks()}
ROW = ROWS["nw-ucla-purls-8-2"]
GRID = {"diffusion.target": ["epsilon", "sample"]}
CLASSIFIER = override(TINY_CLASSIFIER, {"encoder.kind": "tcn"})  # the quickest encoder
RECIPES = pytest.mark.parametrize("config", [CLASSIFIER, TINY_ALIGNED], ids=["classifier", "aligned"])


@functools.cache
def reader():
    return TextEncoder(CLASSIFIER.text, cache_folder())


@pytest.fixture(scope="module")
def clips():
    """Four subjects doing each of the ten actions once."""
    return standins.kinect_set("nw-ucla", CLASSES)


def cells(clips, config=CLASSIFIER, row=ROW, **others):
    return cells_of(row, Source(clips), config, text_encoder=reader(), **({"seeds": 1} | others))


def grid_cells(clips, grid=GRID, draws=2):
    return [cell for setting, config in settings_of(CLASSIFIER, grid) for cell in cells(clips, config, part="pseudo", draws=draws, setting=setting)]


def kinds(stages):
    return Counter(stage.folder.name.split("-")[0] for stage in stages)


def same(some, others):
    """Whether two runs gave the same bits."""
    return len(some) == len(others) and all(
        one.reports.keys() == other.reports.keys()
        and (one.train, one.single_noise) == (other.train, other.single_noise)
        and all(np.array_equal(one.reports[name].scores, other.reports[name].scores) for name in one.reports)
        for one, other in zip(some, others, strict=True)
    )


def near(one, other):
    """Whether two reports that came by different ways agree."""
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4, atol=1e-5)
    assert one.labels == other.labels
    assert np.array_equal(one.y, other.y)
    return True


@pytest.fixture
def trained(monkeypatch):
    """Counts what is trained."""
    counts = Counter()

    def counting(name, train, *args, **others):
        counts[name] += 1
        return train(*args, **others)

    for name in ("fit_backbone", "fit_matcher"):
        monkeypatch.setattr(work, name, functools.partial(counting, name, getattr(work, name)))
    return counts


@pytest.fixture
def steps(monkeypatch):
    """Counts training steps begun; the one numbered "kill" is killed."""
    counted = {"made": 0, "kill": None}

    def counting(*args, drawn=tdsm.train.batch_rows):
        counted["made"] += 1
        if counted["made"] == counted["kill"]:
            raise KeyboardInterrupt
        return drawn(*args)

    for module in (tdsm.backbones.classifier, tdsm.train):
        monkeypatch.setattr(module, "batch_rows", counting)
    return counted


# Computed once, and found again only by all inputs


@RECIPES
def test_the_second_time_nothing_is_trained_and_the_numbers_say_what_made_them(clips, tmp_path, monkeypatch, trained, config):
    monkeypatch.setattr("tdsm.util.provenance._commit", lambda: "first")
    first = run(cells(clips, config, seeds=2), tmp_path)
    assert trained == {"fit_backbone": 2, "fit_matcher": 2}
    assert kinds(plan(cells(clips, config, seeds=2), tmp_path)) == {"arrays": 1, "backbone": 2, "features": 2, "scores": 2}
    assert set(first[0].reports) == {"tdsm", "ridge"} | ({"cosine"} if config is TINY_ALIGNED else set())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setattr("tdsm.util.provenance._commit", lambda: "later")
    again = run(cells(clips, config, seeds=2), tmp_path)
    assert trained == {"fit_backbone": 2, "fit_matcher": 2}
    assert same(again, first)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert again[0].environment["commit"] == "first"
    third = run(cells(clips, config, seeds=3), tmp_path)  # a larger run trains what is new
    assert trained == {"fit_backbone": 3, "fit_matcher": 3}
    assert same(third[:2], first)


@RECIPES
def test_seeds_differ_and_a_seed_repeats_itself(clips, tmp_path, config):
    first = run(cells(clips, config, seeds=2), tmp_path / "a")
    again = run(cells(clips, config, seeds=1), tmp_path / "b")
    assert same(first[:1], again)
    assert not np.allclose(first[0].reports["tdsm"].scores, first[1].reports["tdsm"].scores)


@RECIPES
def test_a_cell_scores_what_training_it_alone_scores(clips, tmp_path, config):
    train, test = pseudo_unseen_of(ROW, clips, 2)[1]
    alone = zero_shot_report(train_recognizer(train, config, descriptions=load_prompts("nw-ucla"), seed=0, text_encoder=reader()), test)
    scored = run(cells(clips, config, part="pseudo", draws=2), tmp_path)
    assert near(scored[1].reports["tdsm"], alone)
    assert scored[1].train == len(train)
    assert set(test.classes).isdisjoint(ROW.unseen_labels(CLASSES))


def test_other_descriptions_are_other_numbers_and_the_old_ones_come_back(clips, tmp_path, trained):
    first = run(cells(clips), tmp_path)
    other = load_prompts("nw-ucla") | {"sit down": "The left hand waves above the head.", "pick up with two hands": "Both legs jump."}
    changed = run(cells(clips, descriptions=other), tmp_path)
    assert trained == {"fit_backbone": 1, "fit_matcher": 2}  # a classifier learns nothing of descriptions
    assert not np.allclose(changed[0].reports["tdsm"].scores, first[0].reports["tdsm"].scores)
    run(cells(clips, descriptions={}), tmp_path)
    assert trained["fit_matcher"] == 3
    assert same(run(cells(clips), tmp_path), first)
    assert trained["fit_matcher"] == 3


def test_an_aligned_backbone_learns_from_descriptions_of_seen_classes(clips, tmp_path, trained):
    run(cells(clips, TINY_ALIGNED), tmp_path)
    run(cells(clips, TINY_ALIGNED, descriptions=load_prompts("nw-ucla") | {"throw": "The left knee goes up."}), tmp_path)
    assert trained == {"fit_backbone": 2, "fit_matcher": 2}
    spelled = {name.upper().replace(" ", "_"): text for name, text in load_prompts("nw-ucla").items()}
    run(cells(clips, TINY_ALIGNED, descriptions=spelled), tmp_path)  # the same by normal form
    assert trained == {"fit_backbone": 2, "fit_matcher": 2}


@pytest.mark.parametrize("change", ["joints", "label", "subject"])
def test_other_clips_of_the_same_size_are_trained_on_anew(clips, tmp_path, trained, change):
    first = run(cells(clips), tmp_path)
    one, last = clips[0], clips[-1]
    mended = {
        "joints": (replace(one, joints=np.where(np.arange(20)[:, None] == 7, one.joints + 0.01, one.joints)), *clips[1:]),
        "label": (replace(one, label=last.label), *clips[1:-1], replace(last, label=one.label)),
        "subject": (replace(one, subject="s99"), *clips[1:]),
    }[change]
    changed = run(cells(ClipSet(mended, clips.classes, clips.name)), tmp_path)
    assert trained == {"fit_backbone": 2, "fit_matcher": 2}
    assert changed[0].reports["tdsm"].scores.shape == first[0].reports["tdsm"].scores.shape


@pytest.mark.parametrize(
    ("setting", "redone"),
    [
        ({"train.steps": 3}, {"scores"}),
        ({"diffusion.test_step": 10}, {"scores"}),
        ({"encoder.steps": 3}, {"backbone", "features", "scores"}),
        ({"text.tokens": 30}, {"backbone", "features", "scores"}),
        ({"train.precision": "bf16"}, {"backbone", "features", "scores"}),
        ({"preprocess.frames": 12}, {"arrays", "backbone", "features", "scores"}),
    ],
)
@RECIPES
def test_a_changed_setting_recomputes_only_what_depends_on_it(clips, tmp_path, config, setting, redone):
    before = {stage.folder for stage in plan(cells(clips, config), tmp_path)}
    assert redone == set(kinds(stage for stage in plan(cells(clips, override(config, setting)), tmp_path) if stage.folder not in before))


def test_settings_of_the_other_recipe_change_nothing(clips, tmp_path):
    other = override(CLASSIFIER, {"align.pairs": 64, "align.lr": 0.5})
    assert [one.folder for one in plan(cells(clips, other), tmp_path)] == [one.folder for one in plan(cells(clips), tmp_path)]


def test_a_changed_lexicon_is_another_backbone_where_there_is_one(clips, tmp_path, monkeypatch):
    with_lexicon = override(TINY_ALIGNED, {"align.guess": 0.5})
    before = {config.align.guess: {stage.folder for stage in plan(cells(clips, config), tmp_path)} for config in (TINY_ALIGNED, with_lexicon)}
    monkeypatch.setattr("tdsm.experiments.plan.sentences_of_others", lambda dataset: {"wave": "Both hands rest.", "kick": "The leg swings."})
    assert {stage.folder for stage in plan(cells(clips, TINY_ALIGNED), tmp_path)} == before[0.0]
    changed = [stage for stage in plan(cells(clips, with_lexicon), tmp_path) if stage.folder not in before[0.5]]
    assert set(kinds(changed)) == {"backbone", "features", "scores"}


@pytest.mark.parametrize(("stage", "name"), [("scores", "scores.npz"), ("features", "features.npz"), ("backbone", "backbone.safetensors"), ("arrays", "x.npy")])
def test_a_damaged_stage_is_computed_again_with_the_same_result(clips, tmp_path, capsys, stage, name):
    first = run(cells(clips), tmp_path)
    (path,) = tmp_path.glob(f"{stage}-*/{name}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    if stage != "scores":  # all that follows is gone, so that the damaged file is read
        for folder in tmp_path.iterdir():
            if folder.name.split("-")[0] in ("scores", "features", "backbone")[: ("features", "backbone", "arrays").index(stage) + 1]:
                (folder / "stage.json").unlink()
    assert same(run(cells(clips), tmp_path), first)
    assert capsys.readouterr().err.count(f"{name} was damaged or changed") == 1


@pytest.mark.slow
def test_two_processes_on_one_folder_give_one_result(tmp_path):
    data = standins.kinect_set("nw-ucla", CLASSES).save(tmp_path / "clips.npz")
    (tmp_path / "config.json").write_text(CLASSIFIER.to_json())
    command = [sys.executable, "-m", "tdsm.cli", "reproduce", ROW.name, "--data", data, "--out", tmp_path / "out", "--preset", tmp_path / "config.json"]
    calls = [subprocess.Popen([*command, "--seeds", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [call.communicate() for call in calls]
    assert [call.returncode for call in calls] == [0, 0], printed
    assert printed[0][0] == printed[1][0]
    assert "Traceback" not in printed[0][1] + printed[1][1]
    assert Counter(path.name.split("-")[0] for path in (tmp_path / "out").iterdir() if path.is_dir()) == {
        "clips": 1, "arrays": 1, "backbone": 1, "features": 1, "scores": 2,
    }  # fmt: skip
    assert not [path for path in (tmp_path / "out").iterdir() if path.suffix in (".partial", ".lock")]


# Rows and their tables


def test_the_table_shows_our_numbers_beside_the_published_ones(clips, tmp_path):
    scored = run(cells(clips, TINY_ALIGNED, seeds=3), tmp_path)
    (line,) = lines_of(scored)
    top1 = [one.reports["tdsm"].top1 for one in scored]
    text = write_tables([line], tmp_path).read_text()
    assert text == markdown([line]) + "\n"
    head, _, row = text.splitlines()
    assert head.startswith("| benchmark | clips train/test | chance | ")
    assert "PURLS (published)" in head
    assert "| ridge to text | cosine, no denoiser | TDSM |" in head
    assert row.startswith("| nw-ucla-purls-8-2 | 32/8 | 50.0 | ")
    for value in ROW.published.values():
        assert f"| {value:.1f} |" in row
    assert f"| {100 * np.mean(top1):.1f} ± {100 * np.std(top1, ddof=1):.1f} |" in row
    saved = json.loads((tmp_path / "table.json").read_text())["rows"][0]
    assert saved["published"]["PURLS"] == 75.84
    assert saved["protocol"]["setting"].startswith("inductive")
    assert saved["protocol"]["partition"].startswith("all clips")
    assert saved["tdsm"]["seeds"] == 3
    assert saved["train"] == [32] * 3


def test_one_seed_has_no_spread(clips, tmp_path):
    assert "±" not in markdown(lines_of(run(cells(clips), tmp_path)))


def test_a_row_of_several_class_lists_is_their_mean(clips, tmp_path):
    both = replace(ROW, draws=((1, 4), (0, 9)), counts={})
    scored = run(cells(clips, row=both, seeds=2), tmp_path)
    (line,) = lines_of(scored)
    alone = [lines_of(run(cells(clips, row=replace(both, draws=(draw,)), seeds=2), tmp_path))[0].methods["tdsm"] for draw in both.draws]
    ours = line.methods["tdsm"]
    assert ours.mean == pytest.approx(np.mean([one.mean for one in alone]))
    top1 = np.array([one.reports["tdsm"].top1 for one in scored]).reshape(2, 2).mean(axis=0)  # of each seed over both lists
    assert ours.std == pytest.approx(np.std(top1, ddof=1))
    assert ours.low <= ours.mean <= ours.high
    assert {one.reports["tdsm"].labels for one in scored} == {both.unseen_labels(CLASSES, draw) for draw in (0, 1)}


def test_an_official_partition_is_kept_to_and_said(clips, tmp_path):
    named = tuple(replace(clip, name=f"a01_s01_e{number:02}_v0{1 + 2 * (clip.subject == 's03')}") for number, clip in enumerate(clips))
    official = replace(ROW, partition="official", counts={})
    scored = run(cells(ClipSet(named, CLASSES, clips.name), row=official), tmp_path)
    assert (scored[0].train, len(scored[0].reports["tdsm"].y)) == (24, 2)  # three subjects of eight classes train, one of two tests
    assert set(scored[0].reports["tdsm"].subjects) == {"s03"}
    write_tables(lines_of(scored), tmp_path)
    assert json.loads((tmp_path / "table.json").read_text())["rows"][0]["protocol"]["partition"].startswith("official: seen classes of its training part train")


# Grids on pseudo-unseen classes


@pytest.fixture(scope="module")
def bench(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    return folder, run(grid_cells(clips), folder, lambda done: write_cells(done, folder / "cells.csv"))


def test_the_csv_is_tidy_and_the_table_compares_with_the_first_setting(bench):
    folder, scored = bench
    read = list(csv.DictReader((folder / "cells.csv").read_text().splitlines()))
    assert list(read[0]) == ["diffusion.target", "benchmark", "draw", "seed", "part", "method", "top1", "class_mean", "seconds", "commit", "date"]
    assert len(read) == 2 * len(scored) == 2 * 2 * 2  # settings, draws, methods
    assert {(row["draw"], row["seed"], row["part"], row["method"]) for row in read} == {(d, "0", "pseudo", m) for d in "01" for m in ("tdsm", "ridge")}
    assert [float(row["top1"]) for row in read] == [report.top1 for one in scored for report in one.reports.values()]
    assert all(float(row["seconds"]) > 0 for row in read)
    shown = markdown(lines_of(scored)).splitlines()
    assert len(shown) == 2 + 2
    assert shown[2].startswith("| nw-ucla-purls-8-2 | diffusion.target=epsilon | ")
    assert "published" not in shown[0]
    assert shown[3].count("[") == 1


def test_what_cells_share_is_computed_once(bench):
    names = Counter(path.name.split("-")[0] for path in bench[0].iterdir() if path.is_dir())
    assert names == {"arrays": 1, "backbone": 2, "features": 2, "scores": 4}
    assert not list(bench[0].rglob("training.safetensors"))  # checkpoints of finished trainings


def test_a_larger_grid_trains_what_is_new(bench, clips, steps):
    folder, scored = bench
    assert same(run(grid_cells(clips), folder), scored)
    assert steps["made"] == 0
    run(grid_cells(clips, {"diffusion.target": ["epsilon", "sample", "v_prediction"]}), folder)
    assert steps["made"] == 2 * 6  # draws, steps


# Steps 1 to 4 train the backbone, then come two denoisers of 6; the backbone saves at its end, denoisers every second step.
@pytest.mark.parametrize(("kill", "again", "written", "resumed"), [(3, 3, 0, [False, False]), (8, 2, 0, [True, False]), (14, 2, 1, [False, True])])
def test_a_killed_run_resumes_and_ends_alike(bench, clips, tmp_path, steps, kill, again, written, resumed):
    steps["kill"] = kill
    done = []
    with pytest.raises(KeyboardInterrupt):
        run(grid_cells(clips, draws=1), tmp_path, done.append)
    assert len(done) == written
    scored = run(grid_cells(clips, draws=1), tmp_path)
    assert steps["made"] == 4 + 6 + 6 + again
    assert same(scored, bench[1][::2])  # the first draw of each setting
    assert not list(tmp_path.glob("*.partial*"))
    assert [one.seconds is None for one in scored] == resumed  # the time of a training that was cut by a kill is not known


def test_a_part_that_does_not_exist_is_refused(clips):
    with pytest.raises(InputError, match="choose pseudo or unseen"):
        cells(clips, part="test")


def test_differences_are_paired_and_pooled(clips):
    levels, settings = {"one": [0.2, 0.6], "two": [0.4, 0.8]}, [{"train.steps": 0}, {"train.steps": 1}]
    base = cells(clips, part="pseudo", draws=2)
    scored = [
        standins.scored(
            replace(cell, benchmark=replace(ROW, name=name), setting=setting), level + 0.1 * number + 0.02 * cell.draw * number, None if cell.draw else 30.0
        )
        for name, top1 in levels.items()
        for number, setting in enumerate(settings)
        for cell, level in zip(base, top1, strict=True)
    ]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown(lines_of(scored)).splitlines()]
    assert shown[0] == [
        "benchmark", "setting", "clips train/test", "chance", "ridge to text", "TDSM", "TDSM, one noise", "TDSM, 95 % over subjects", "seeds",
        "to the first setting, points [95 %]",
    ]  # fmt: skip
    assert [line[0] for line in shown[2:]] == ["one", "one", "two", "two", "all", "all"]
    assert shown[2][1:] == ["train.steps=0", "8/100", "50.0", "40.0", "40.0", "40.0", "", "1", ""]
    assert shown[3][5:] == ["51.0", "51.0", "", "1", "+11.0 [-1.7, +23.7]"]
    assert shown[-1][1:] == ["train.steps=1", "", "", "", "61.0 ± 26.9", "", "", "4", "+11.0 [+9.2, +12.8]"]


def test_settings_are_every_combination():
    made = settings_of(CLASSIFIER, {"train.steps": [150, 300], "diffusion.target": ["epsilon", "sample"]})
    assert [setting["train.steps"] for setting, _ in made] == [150, 150, 300, 300]
    assert [(config.train.steps, config.diffusion.target) for _, config in made] == [(150, "epsilon"), (150, "sample"), (300, "epsilon"), (300, "sample")]
    assert made[0][1].encoder == CLASSIFIER.encoder
    assert settings_of(TINY_ALIGNED, {}) == [({}, TINY_ALIGNED)]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"train.step": [1]}, r"no setting 'train\.step'; choose among: train\.steps"),
        ({"lr": [1e-3]}, r"no setting 'lr'; choose among: encoder\.lr, .*train\.lr"),
        ({"train": [1]}, "no setting 'train'"),
        ({"train.steps": ["many"]}, r"grid: train: steps: 'many' is not int"),
        ({"train.steps": [np.int64(3)]}, "is not int"),
        ({"train.steps": [10, -1]}, "steps is -1; give 0 or more"),
        ({"diffusion.target": "sample"}, r"grid: diffusion\.target: 'sample' is not a list"),
        ({"train.steps": 5}, "is not a list of different values"),
        ({"train.steps": []}, "is not a list of different values"),
        ({"train.steps": [5, 5]}, "is not a list of different values"),
        ({"model.width": [64], "model.heads": [4, 5]}, "multiple of heads"),
    ],
)
def test_settings_that_cannot_be_are_refused(grid, message):
    with pytest.raises(InputError, match=message):
        settings_of(CLASSIFIER, grid)


# From the download: every row, on stand-ins in the real file formats


class StandIns:
    """Data set -> its stand-in, written when it is asked for; NTU-60 is the first part of NTU-120's files, Kinetics-200 of Kinetics-400's."""

    def __init__(self, folder):
        self.folder = folder

    @functools.cache  # noqa: B019 - as long as this module's tests
    def __getitem__(self, name):
        if name in ("ntu-60", "kinetics-200"):
            return self[{"ntu-60": "ntu-120", "kinetics-200": "kinetics-400"}[name]]
        place = self.folder / name
        if name == "ntu-120":
            return standins.write_ntu(place)
        if name == "kinetics-400":
            return standins.write_kinetics(place, load_prompts(name))
        return standins.write_pku(place) if name == "pku-mmd" else standins.kinect_set(name, load_prompts(name)).save(place.with_suffix(".npz"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return StandIns(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """One folder of stages for all rows, as a user would have it."""
    return tmp_path_factory.mktemp("out")


TINIER = override(TINY_CLASSIFIER, {"encoder.steps": 2, "train.steps": 2})


def planned(name, data, config=CLASSIFIER, seeds=1, **others):
    row = ROWS[name]
    return cells_of(row, source_of(row, [data[row.dataset]]), config, seeds=seeds, shared_backbone=True, text_encoder=reader(), **others)


def expected_clips(row):
    """(train, test) of the stand-ins: they have so many clips of every class in each part."""
    seen, unseen = map(int, row.split.split("/"))
    train, test = {"ntu": (2, 2), "pku": (6, 3), "kin": (2, 1), "utd": (4, 4), "nw-": (4, 4), "uwa": (4, 4)}[row.dataset[:3]]
    return seen * train, unseen * test


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_every_row_of_every_protocol_is_computed_from_its_download(name, data, out):
    row = ROWS[name]
    scored = run(planned(name, data, TINIER), out)
    assert len(scored) == len(row.draws)
    for one in scored:
        assert (one.train, len(one.reports["tdsm"].y)) == expected_clips(row)
        assert one.reports["tdsm"].labels == row.unseen_labels(tuple(load_prompts(row.dataset)), one.cell.draw)
    text = write_tables(lines_of(scored), out, name).read_text()
    assert f"| {name} | " in text
    for method, published in row.published.items():
        assert f"{method} (published)" in text
        assert f"{published:.1f}" in text
    assert json.loads((out / f"{name}.json").read_text())["rows"][0]["protocol"]["selection"].startswith("none")


@pytest.mark.slow
def test_rows_of_one_data_set_share_what_they_can(data, out):
    """After all rows: every download was read once, and preprocessed once for each data set it serves."""
    for name in ROWS:
        run(planned(name, data, TINIER), out)
    made = Counter(folder.name.split("-")[0] for folder in out.iterdir() if folder.is_dir())
    lists = {(row.dataset, row.partition, row.unseen(draw)) for row in ROWS.values() for draw in range(len(row.draws))}
    assert made == {"clips": 6, "arrays": 8, "backbone": len(lists), "features": len(lists), "scores": len(lists)}
    assert not list(out.glob("*.partial*"))


@pytest.mark.slow
def test_a_pickle_serves_in_place_of_the_skeleton_files(data, tmp_path):
    pickled = standins.write_pyskl(tmp_path / "ntu60_3d.pkl", load_clips(data["ntu-60"]).where(lambda clip: clip.name.startswith(("S001", "S002"))))
    (one,) = run(planned("ntu-60-synse-48-12", {"ntu-60": pickled}, TINIER), tmp_path / "out")
    assert (one.train, len(one.reports["tdsm"].y)) == (96, 24)


@pytest.fixture
def small(tmp_path):
    """A row that is quick to compute: its data and its folder."""
    return ROW.name, {"nw-ucla": standins.kinect_set("nw-ucla", CLASSES).save(tmp_path / "clips.npz")}, tmp_path / "out"


@RECIPES
def test_a_row_goes_from_the_download_to_the_number_in_both_recipes(small, clips, monkeypatch, config):
    name, data, out = small
    first = run(planned(name, data, config), out)
    assert near(first[0].reports["tdsm"], run(cells(clips, config), out)[0].reports["tdsm"])  # of clips in memory
    for what in ("load_clips", "write_arrays", "fit_backbone", "load_backbone", "fit_matcher", "read_features"):
        monkeypatch.delattr(work, what)
    assert same(run(planned(name, data, config), out), first)


def test_a_mended_download_is_read_again(small, trained):
    name, data, out = small
    run(planned(name, data), out)
    mended = load_clips(data["nw-ucla"])
    joints = mended[0].joints.copy()
    joints[0, 3, 5] += 0.01
    ClipSet((replace(mended[0], joints=joints), *mended[1:]), mended.classes, mended.name).save(data["nw-ucla"])
    run(planned(name, data), out)
    assert trained == {"fit_backbone": 2, "fit_matcher": 2}


def test_a_stage_that_was_interrupted_resumes_and_ends_alike(small, tmp_path, monkeypatch, steps):
    name, data, out = small
    whole = run(planned(name, data), tmp_path / "whole")
    answers, begun = work._answers, steps["made"]

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "_answers", killed)
    with pytest.raises(KeyboardInterrupt):
        run(planned(name, data), out)
    assert [path.name.split("-")[0] for path in out.glob("*.partial")] == ["scores"]
    monkeypatch.setattr(work, "_answers", answers)
    assert same(run(planned(name, data), out), whole)
    assert steps["made"] == 2 * begun
    assert not list(out.glob("*.partial*"))


@pytest.mark.slow
def test_kill_minus_nine_anywhere_changes_nothing(small, tmp_path):
    name, data, out = small
    config = override(CLASSIFIER, {"train.steps": 40, "train.save_every": 5, "encoder.steps": 40})
    whole = run(planned(name, data, config), tmp_path / "whole")
    (tmp_path / "config.json").write_text(config.to_json())
    options = ["--data", data["nw-ucla"], "--out", out, "--preset", tmp_path / "config.json", "--seeds", "1"]
    command = [sys.executable, "-m", "tdsm.cli", "reproduce", name, *options]
    kills = 0
    for sign in ("backbone-*.partial", "scores-*.partial/training.safetensors"):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"TQDM_DISABLE": "1"})
        deadline = time.monotonic() + 120
        while process.poll() is None and not list(out.glob(sign)) and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 1
    assert subprocess.run(command, capture_output=True, env=os.environ | {"TQDM_DISABLE": "1"}).returncode == 0
    assert same(run(planned(name, data, config), out), whole)


def test_published_features_serve_in_place_of_the_download(clips, tmp_path):
    """A row from features alone, in each of their forms, is the row that the same features gave on the way from the clips."""
    row = replace(ROW, draws=((1, 4), (0, 9), (2, 3)), counts={})
    way = cells(clips, row=row)
    raw = run(way, tmp_path / "raw")
    paths = [stage.path("features.npz") for stage in plan(way, tmp_path / "raw") if stage.folder.name.startswith("features-")]
    sets = [read_features(path, 10) for path in paths]
    folders = [write_synse_folder(tmp_path / "a", sets[0]), write_flora(tmp_path / "b.npz", sets[1]), paths[2]]
    for given in (folders, folders[::-1]):
        scored = run(cells_of(row, source_of(row, given), CLASSIFIER, seeds=1, text_encoder=reader()), tmp_path / "features")
        assert all(near(one.reports[name], other.reports[name]) for one, other in zip(scored, raw, strict=True) for name in ("tdsm", "ridge"))
    with pytest.raises(InputError, match="one set per class list"):
        source_of(row, folders[:1])
    with pytest.raises(InputError, match="not the classes of"):
        source_of(ROWS["nw-ucla-purls-5-5"], folders[:1])


def test_a_trained_backbone_serves_in_place_of_a_new_one_with_its_own_settings(small, clips, tmp_path):
    name, data, out = small
    seen = [label for index, label in enumerate(CLASSES) if index not in ROW.draws[0]]
    part = seen_clips(clips.of_classes(seen), CLASSIFIER.preprocess)
    folder = save_backbone(tmp_path / "trained", fit_backbone(part, CLASSIFIER, text_encoder=reader())[0], CLASSIFIER)
    given = planned(name, data, override(CLASSIFIER, {"preprocess.frames": 12, "encoder.width": 6}), backbone=folder)
    assert [stage.folder.name.split("-")[0] for stage in plan(given, out)] == ["clips", "arrays", "features", "scores"]
    assert near(run(given, out)[0].reports["tdsm"], run(planned(name, data), out)[0].reports["tdsm"])


def test_a_backbone_that_saw_unseen_classes_or_another_body_is_refused(small, tmp_path):
    name, data, out = small

    def saved(seen, layout=KINECT_20, dataset="nw-ucla"):
        net = build_encoder(CLASSIFIER.encoder, layout, 1, len(seen))
        return save_backbone(tmp_path / "trained", Classifier(net, CLASSIFIER.preprocess, seen, dataset, reader()), CLASSIFIER)

    for every in (CLASSES, [label.title() for label in CLASSES]):
        with pytest.raises(InputError, match="an unseen class"):
            plan(planned(name, data, backbone=saved(every)), out)
    seen = [label for index, label in enumerate(CLASSES) if index not in ROW.draws[0]]
    with pytest.raises(InputError, match="was trained on utd-mhad"):
        plan(planned(name, data, backbone=saved(seen, dataset="utd-mhad")), out)
    with pytest.raises(InputError, match="was trained on ntu-25, the clips are kinect-20"):
        run(planned(name, data, backbone=saved(seen, NTU_25)), out)


def test_what_cannot_be_done_is_said_before_anything_is_done(small, tmp_path, monkeypatch):
    name, data, _ = small
    with pytest.raises(InputError, match="no such file"):
        source_of(ROW, [tmp_path / "nothing"])
    with pytest.raises(InputError, match="no data given"):
        source_of(ROW, [])
    with pytest.raises(InputError, match="which utd-mhad-purls-22-5 does not use"):
        source_of(ROWS["utd-mhad-purls-22-5"], [data["nw-ucla"]])
    with pytest.raises(InputError, match=r"preprocess\.frames is 0"):
        planned(name, data, override(CLASSIFIER, {"preprocess.frames": 0}))
    monkeypatch.setattr("tdsm.util.files.shutil.disk_usage", lambda path: type("usage", (), {"free": 1000}))
    with pytest.raises(InputError, match=r"GB are needed, 0\.0 GB are free"):
        run(planned(name, data), tmp_path / "full")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="accelerate launch"):
        run(planned(name, data), tmp_path / "several")


def test_the_plan_says_what_is_done_and_what_is_not(small):
    name, data, out = small
    shown = plan_table(plan(planned(name, data, seeds=3), out), {"denoiser steps": 3600.0})
    assert [line.split("-")[0] for line in shown.splitlines()[1:-1]] == ["clips", "arrays", "backbone", "features", "scores", "scores", "scores"]
    assert "to do: 7 stages" in shown
    assert "about 18.0 h" in shown  # three denoisers of six steps
    assert not out.exists()
    run(planned(name, data), out)
    shown = plan_table(plan(planned(name, data, seeds=3), out), {})
    assert shown.count(" done ") == 5
    assert "to do: 2 stages" in shown


@pytest.mark.parametrize(("start", "steps"), [("", 800 + 60), ("shipped", 60)])
def test_a_plan_counts_no_steps_of_towers_that_are_already_trained(small, start, steps):
    name, data, out = small
    config = override(tuned(), {"align.start": start, "align.pretrain_steps": 800, "align.steps": 60})
    assert f" {steps} encoder steps" in plan_table(plan(planned(name, data, config), out), {})


def test_a_slow_first_call_does_not_hide_that_a_larger_batch_takes_longer(monkeypatch):
    """As on a CPU, where the first call of the small batch also warms up: 2 s once, then 0.1 s and 0.05 s per clip."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    now = [0.0]
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: now[0])

    def of_size(clips):
        pauses = [2.0 if clips == 1 else 0.0, 0.0, 0.0]

        def work():
            now[0] += 0.1 + 0.05 * clips + pauses.pop(0)

        return work

    assert estimate._of_batch(256, of_size) == pytest.approx(0.1 + 0.05 * 256)
