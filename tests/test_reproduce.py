"""Rows of published tables, end to end, on stand-ins in the real file formats: the counts are right, and nothing is done twice."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import standins

from tdsm.backbones.encoder_files import save_encoder
from tdsm.backbones.nets import build_encoder
from tdsm.catalogue.feature_files import read_features, write_flora, write_synse_folder
from tdsm.catalogue.rows import all_benchmarks, benchmark_named
from tdsm.config import Config, DiffusionConfig, EncoderConfig, ModelConfig, PreprocessConfig, TrainConfig
from tdsm.data.layouts import NTU_25
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import load_clips
from tdsm.experiments.reproduce import markdown, plan_row, run_plan, work, write_row
from tdsm.util.errors import InputError

TINY = Config(
    preprocess=PreprocessConfig(frames=8),
    encoder=EncoderConfig(width=4, features=16, steps=2, batch=16),
    model=ModelConfig(width=16, depth=1, heads=2),
    diffusion=DiffusionConfig(noises=2),
    train=TrainConfig(steps=2, batch=16, warmup=1),
)
ROWS = {row.name: row for row in all_benchmarks()}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The stand-in of each data set; NTU-60 is the first part of NTU-120's files, Kinetics-200 of Kinetics-400's."""
    folder = tmp_path_factory.mktemp("data")
    ntu = standins.write_ntu(folder / "ntu")
    kinetics = standins.write_kinetics(folder / "kinetics", load_prompts("kinetics-400"))
    found = {"ntu-60": ntu, "ntu-120": ntu, "pku-mmd": standins.write_pku(folder / "pku"), "kinetics-200": kinetics, "kinetics-400": kinetics}
    for name in ("utd-mhad", "nw-ucla", "uwa3dii"):
        found[name] = standins.kinect_set(name, load_prompts(name)).save(folder / f"{name}.npz")
    return found


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """One folder of stages for all rows, as a user would have it."""
    return tmp_path_factory.mktemp("out")


def planned(name, data, out, config=TINY, seeds=1, **others):
    row = ROWS[name]
    return plan_row(row, [data[row.dataset]], out, config, seeds=seeds, descriptions=load_prompts(row.dataset), **others)


def expected_clips(row):
    """(train, test) of the stand-ins: they have so many clips of every class in each part."""
    seen, unseen = map(int, row.split.split("/"))
    train, test = {"ntu": (2, 2), "pku": (6, 3), "kin": (2, 1), "utd": (4, 4), "nw-": (4, 4), "uwa": (4, 4)}[row.dataset[:3]]
    if row.name.startswith("pku") and row.partition == "xview":  # three videos, of which two views train and one tests
        train, test = 6, 3
    return seen * train, unseen * test


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_every_row_of_every_protocol_is_made_from_its_download(name, data, out):
    benchmark = ROWS[name]
    row = run_plan(planned(name, data, out))
    assert f"{row.seen}/{row.unseen}" == benchmark.split
    assert row.seen + row.unseen == benchmark.classes
    assert row.train == (expected_clips(benchmark)[0],) * len(benchmark.draws)
    assert row.test == (expected_clips(benchmark)[1],) * len(benchmark.draws)
    assert 0 <= row.tdsm[0] <= 1
    text = write_row(row, out).read_text()
    assert f"| {benchmark.name} | {benchmark.split} |" in text
    for method, published in benchmark.published.items():
        assert f"{method} (published)" in text
        assert f"{published:.2f}" in text
    assert json.loads((out / f"{name}.json").read_text())["selection"].startswith("none")


@pytest.mark.slow
def test_rows_of_one_data_set_share_what_they_can(data, out):
    """After all rows: every download was read once, and preprocessed once for each data set it serves."""
    names = list(ROWS)
    for name in names:
        run_plan(planned(name, data, out))
    made = Counter(folder.name.split("-")[0] for folder in out.iterdir() if folder.is_dir())
    lists = {(row.dataset, row.partition, draw) for row in ROWS.values() for draw in row.draws}
    assert made["clips"] == 6
    assert made["arrays"] == 8
    assert made["encoder"] == made["features"] == made["scores"] == len(lists)
    assert not list(out.glob("*.partial"))


@pytest.mark.slow
def test_a_pickle_serves_in_place_of_the_skeleton_files(data, tmp_path):
    name = "ntu-60-synse-48-12"
    pickled = standins.write_pyskl(tmp_path / "ntu60_3d.pkl", load_clips(data["ntu-60"]).where(lambda clip: clip.name.startswith(("S001", "S002"))))
    row = run_plan(planned(name, {"ntu-60": pickled}, tmp_path / "out"))
    assert (row.seen, row.unseen, row.train, row.test) == (48, 12, (96,), (24,))


@pytest.fixture
def small(tmp_path):
    """A row that is quick to make: its data and its folder."""
    data = {"nw-ucla": standins.kinect_set("nw-ucla", load_prompts("nw-ucla")).save(tmp_path / "clips.npz")}
    return "nw-ucla-purls-8-2", data, tmp_path / "out"


def test_a_second_run_does_nothing(small, monkeypatch):
    name, data, out = small
    first = run_plan(planned(name, data, out))
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}

    def refuse(*args, **kwargs):
        raise AssertionError("did it again")

    for what in ("load_clips", "write_arrays", "train_encoder", "extract", "train_matcher"):
        monkeypatch.setattr(f"tdsm.experiments.reproduce.work.{what}", refuse)
    assert run_plan(planned(name, data, out)) == first
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


@pytest.mark.parametrize(
    "part, change, redone",
    [
        ("train", {"steps": 3}, {"scores"}),
        ("diffusion", {"test_step": 10}, {"scores"}),
        ("encoder", {"steps": 3}, {"encoder", "features", "scores"}),
        ("preprocess", {"frames": 12}, {"arrays", "encoder", "features", "scores"}),
    ],
)
def test_a_changed_option_redoes_only_what_depends_on_it(small, part, change, redone):
    name, data, out = small
    before = {stage.folder.name for stage in planned(name, data, out).stages}
    config = dataclasses.replace(TINY, **{part: dataclasses.replace(getattr(TINY, part), **change)})
    after = {stage.folder.name for stage in planned(name, data, out, config).stages}
    assert {stage.split("-")[0] for stage in after - before} == redone


def test_another_prompt_or_another_download_is_another_result(small, tmp_path):
    name, data, out = small
    before = {stage.folder.name for stage in planned(name, data, out).stages}
    told = load_prompts("nw-ucla") | {"throw": "The right hand goes up and forward."}
    other = plan_row(ROWS[name], [data["nw-ucla"]], out, TINY, seeds=1, descriptions=told)
    assert {stage.folder.name.split("-")[0] for stage in other.stages if stage.folder.name not in before} == {"scores"}
    standins.kinect_set("nw-ucla", load_prompts("nw-ucla"), 5).save(data["nw-ucla"])
    assert not before & {stage.folder.name for stage in planned(name, data, out).stages}


def test_a_stage_that_was_interrupted_goes_on_and_ends_alike(small, tmp_path, monkeypatch):
    name, data, out = small
    whole = run_plan(planned(name, data, tmp_path / "whole"))
    save_weights = work.save_weights
    monkeypatch.setattr(work, "save_weights", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run_plan(planned(name, data, out))
    assert [path.name.split("-")[0] for path in out.glob("*.partial")] == ["scores"]
    monkeypatch.setattr(work, "save_weights", save_weights)
    assert run_plan(planned(name, data, out)) == whole
    assert not list(out.glob("*.partial"))


@pytest.mark.slow
def test_kill_minus_nine_anywhere_changes_nothing(small, tmp_path):
    name, data, out = small
    config = dataclasses.replace(TINY, train=dataclasses.replace(TINY.train, steps=40, save_every=5), encoder=dataclasses.replace(TINY.encoder, steps=40))
    whole = run_plan(planned(name, data, tmp_path / "whole", config))
    (tmp_path / "config.json").write_text(config.to_json())
    command = [
        sys.executable,
        "-m",
        "tdsm.cli",
        "reproduce",
        name,
        "--data",
        data["nw-ucla"],
        "--out",
        out,
        "--preset",
        tmp_path / "config.json",
        "--seeds",
        "1",
    ]
    kills = 0
    for sign in ("encoder-*.partial", "scores-*.partial/training.safetensors"):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"TQDM_DISABLE": "1"})
        deadline = time.monotonic() + 60
        while process.poll() is None and not list(out.glob(sign)) and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 1
    assert subprocess.run(command, capture_output=True, env=os.environ | {"TQDM_DISABLE": "1"}).returncode == 0
    assert run_plan(planned(name, data, out, config)) == whole


def test_published_features_serve_in_place_of_the_download(data, tmp_path):
    """A row from features alone, in each of their forms, is the row that the same features gave on the way from the download."""
    benchmark = ROWS["pku-mmd-smie-46-5"]
    plan = planned(benchmark.name, data, tmp_path / "raw")
    raw = run_plan(plan)
    sets = [read_features(path, 51) for path in plan.features]
    folders = [write_synse_folder(tmp_path / "a", sets[0]), write_flora(tmp_path / "b.npz", sets[1]), plan.features[2]]
    told = load_prompts("pku-mmd")
    for given in (folders, folders[::-1]):
        row = run_plan(plan_row(benchmark, given, tmp_path / "features", TINY, seeds=1, descriptions=told))
        assert row == raw
    with pytest.raises(InputError, match="one for each"):
        plan_row(benchmark, folders[:1], tmp_path / "features", TINY, seeds=1, descriptions=told)
    with pytest.raises(InputError, match="not the classes of"):
        plan_row(ROWS["pku-mmd-star-xsub-39-12"], folders[:1], tmp_path / "features", TINY, seeds=1, descriptions=told)


def test_an_encoder_that_saw_unseen_classes_is_refused(small, tmp_path):
    name, data, out = small
    classes = tuple(load_prompts("nw-ucla"))
    encoder = build_encoder(TINY.encoder, standins.KINECT_20, 1, 10)
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, encoder, TINY.encoder, TINY.preprocess, standins.KINECT_20, "nw-ucla", classes)
    with pytest.raises(InputError, match="unseen"):
        planned(name, data, out, encoder=path)
    seen = [label for index, label in enumerate(classes) if index not in ROWS[name].draws[0]]
    save_encoder(path, build_encoder(TINY.encoder, standins.KINECT_20, 1, 8), TINY.encoder, TINY.preprocess, standins.KINECT_20, "nw-ucla", seen)
    plan = planned(name, data, out, encoder=path)
    assert [stage.folder.name.split("-")[0] for stage in plan.stages] == ["clips", "arrays", "features", "scores"]
    assert run_plan(plan).unseen == 2
    save_encoder(path, build_encoder(TINY.encoder, NTU_25, 1, 8), TINY.encoder, TINY.preprocess, NTU_25, "nw-ucla", seen)
    with pytest.raises(InputError, match="ntu-25"):
        run_plan(planned(name, data, out, encoder=path))


def test_what_cannot_be_done_is_said_before_anything_is_done(small, tmp_path, monkeypatch):
    name, data, out = small
    with pytest.raises(InputError, match="no such file"):
        plan_row(ROWS[name], [tmp_path / "nothing"], out, TINY, descriptions=load_prompts("nw-ucla"))
    with pytest.raises(InputError, match="no data given"):
        plan_row(ROWS[name], [], out, TINY, descriptions=load_prompts("nw-ucla"))
    with pytest.raises(InputError, match="27 classes, but"):
        plan_row(ROWS[name], [data["nw-ucla"]], out, TINY, descriptions=load_prompts("utd-mhad"))
    with pytest.raises(InputError, match="which utd-mhad-purls-22-5 is not made of"):
        plan_row(ROWS["utd-mhad-purls-22-5"], [data["nw-ucla"]], out, TINY, descriptions=load_prompts("utd-mhad"))
    monkeypatch.setattr("tdsm.util.files.shutil.disk_usage", lambda path: type("usage", (), {"free": 1000}))
    with pytest.raises(InputError, match=r"GB are needed, 0\.0 GB are free"):
        run_plan(planned(name, data, tmp_path / "full"))


def test_the_dry_run_prints_the_plan_and_makes_nothing(small, tmp_path, capsys, monkeypatch):
    from tdsm import cli

    name, data, out = small
    (tmp_path / "config.json").write_text(TINY.to_json())
    given = ["tdsm", "reproduce", name, "--data", str(data["nw-ucla"]), "--out", str(out), "--preset", str(tmp_path / "config.json"), "--seeds", "3"]
    monkeypatch.setattr(sys, "argv", [*given, "--dry-run"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert [line.split("-")[0] for line in text.splitlines()[1:-1]] == ["clips", "arrays", "encoder", "features", "scores", "scores", "scores"]
    assert "to do: 7 stages" in text
    assert not out.exists()
    monkeypatch.setattr(sys, "argv", given)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "PURLS (published)" in printed
    assert "| nw-ucla-purls-8-2 | 8/2 | 32/8 | 69.12 | 72.81 | 73.49 | 75.84 |" in printed


def test_the_table_has_mean_and_spread_over_seeds(small):
    name, data, out = small
    row = run_plan(planned(name, data, out, seeds=3))
    assert len(row.tdsm) == 3
    mean, std = 100 * np.mean(row.tdsm), 100 * np.std(row.tdsm, ddof=1)
    assert f"| {mean:.1f} ± {std:.1f} |" in markdown([row])
    assert benchmark_named(name).published["PURLS"] == 75.84
