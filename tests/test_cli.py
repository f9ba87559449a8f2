"""The command line as a stranger meets it: help, and one clear line with exit code 2 for bad input."""

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from standins import TINY_ALIGNED, TINY_CLASSIFIER, kinect_set

import tdsm.cli
from tdsm.catalogue.rows import all_benchmarks
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.convert import convert_all
from tdsm.data.examples import example_clips
from tdsm.data.layouts import SMPL_22, layout_named
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import load_clips
from tdsm.data.synthetic import SEEN, synthetic_clips
from tdsm.train import train_recognizer
from tdsm.util.files import read_sealed, write_sealed


def call(monkeypatch, capsys, *args) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["tdsm", *map(str, args)])
    code = 0
    try:
        tdsm.cli.main()
    except SystemExit as error:
        code = error.code or 0
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture(scope="module")
def clips_file(tmp_path_factory):
    return synthetic_clips(3, seed=0, actions=SEEN[:5]).save(tmp_path_factory.mktemp("clips") / "mine.npz")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("settings") / "tiny.json"
    path.write_text(TINY_CLASSIFIER.to_json())
    return path


VERBS = (
    "demo", "benchmarks", "doctor", "fetch", "prepare", "export", "train", "evaluate", "study", "reproduce", "status", "results", "predict",
    "spot", "search", "app", "live",
)  # fmt: skip


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_there_for_every_verb(monkeypatch, capsys, verb):
    code, out, _ = call(monkeypatch, capsys, *([verb] if verb else []), "--help")
    assert code == 0
    assert "Usage" in out
    assert "Options" in out


def test_the_version_is_that_of_the_package(monkeypatch, capsys):
    version = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["version"]
    assert call(monkeypatch, capsys, "--version") == (0, f"tdsm {version}\n", "")


def test_help_names_every_verb_with_a_sentence(monkeypatch, capsys):
    _, out, _ = call(monkeypatch, capsys, "--help")
    for verb in VERBS:
        assert f"  {verb} " in out


def test_train_then_predict(monkeypatch, capsys, clips_file, settings, tmp_path):
    out = tmp_path / "run"
    code, printed, _ = call(monkeypatch, capsys, "train", clips_file, "--out", out, "--unseen", SEEN[4], "--preset", settings)
    assert code == 0
    assert json.loads((out / "metrics.json").read_text())["tdsm"]["clips"] == 3
    assert "4 seen labels" in printed
    code, printed, _ = call(monkeypatch, capsys, "predict", out / "model", clips_file, "--labels", "squat, tennis serve", "--best", 1)
    rows = printed.strip().splitlines()
    assert code == 0
    assert rows[0] == "clip,label 1,score 1"
    assert len(rows) == 1 + 15
    assert {row.split(",")[1] for row in rows[1:]} <= {"squat", "tennis serve"}


def test_spot_prints_or_writes_the_actions_of_a_recording(monkeypatch, capsys, tmp_path):
    pieces = []
    for clip in example_clips()[1:3]:
        pieces += [np.repeat(clip.joints[0, :1], 30, axis=0), clip.joints[0], np.repeat(clip.joints[0, -1:], 30, axis=0)]
    long = ClipSet((Clip(np.concatenate(pieces), SMPL_22, fps=30.0, name="long"),), (), "mine").save(tmp_path / "long.npz")
    code, printed, error = call(monkeypatch, capsys, "spot", long, "--labels", "jump straight up, throw punches")
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert code == 0, error
    assert [row["label"] for row in rows] == ["jump straight up", "throw punches"]
    assert 0.5 < float(rows[0]["start"]) < float(rows[0]["end"]) < float(rows[1]["start"])
    code, said, _ = call(monkeypatch, capsys, "spot", long, "--labels", "jump straight up, throw punches", "--csv", tmp_path / "found.csv")
    assert code == 0 and "2 actions in" in said and str(tmp_path / "found.csv") in said
    assert (tmp_path / "found.csv").read_text() == printed


def test_search_prints_the_clips_that_fit_and_keeps_the_library(monkeypatch, capsys, clips_file, tmp_path):
    code, printed, _ = call(monkeypatch, capsys, "search", clips_file, "somebody is bowing", "--best", 2, "--library", tmp_path / "library")
    rows = [line.split(",") for line in printed.strip().splitlines()]
    assert (code, rows[0], len(rows)) == (0, ["score", "clip", "label", "subject"], 3)
    assert {path.name for path in (tmp_path / "library").iterdir()} >= {"library.json", "z.npy"}
    assert call(monkeypatch, capsys, "search", clips_file, "somebody is bowing", "--best", 2, "--library", tmp_path / "library")[1] == printed
    code, _, error = call(monkeypatch, capsys, "search", clips_file, "?")
    assert (code, error.count("\n")) == (2, 1)


def test_spot_asks_which_clip_is_meant(monkeypatch, capsys, clips_file):
    code, printed, error = call(monkeypatch, capsys, "spot", clips_file, "--labels", "bow, jump")
    assert (code, printed) == (2, "") and "holds 15 clips; choose one of them, --clip 0 to 14" in error and error.count("\n") == 1
    assert call(monkeypatch, capsys, "spot", clips_file, "--labels", "bow, jump", "--clip", 15)[0] == 2
    assert call(monkeypatch, capsys, "spot", clips_file, "--labels", "bow, jump", "--clip", 14)[0] == 0


@pytest.fixture(scope="module")
def model(clips_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    train_recognizer(load_clips(clips_file), TINY_CLASSIFIER, descriptions=load_prompts("synthetic"), folder=out)
    return out / "model"


def predicted(monkeypatch, capsys, model, clips, labels, *more):
    """The table as rows, and what is said on stderr."""
    code, printed, error = call(monkeypatch, capsys, "predict", model, clips, "--labels", labels, *more)
    assert code == 0, error
    return list(csv.reader(io.StringIO(printed))), error


def test_commas_and_quotes_in_labels_and_names(monkeypatch, capsys, model, clips_file, tmp_path):
    first = load_clips(clips_file)[0]
    own = ClipSet((dataclasses.replace(first, name='wave, "anna".npy'),)).save(tmp_path / "own.npz")
    rows, _ = predicted(monkeypatch, capsys, model, own, 'jump,"stand, then ""sit""",squat')
    assert rows[0] == ["clip", "label 1", "score 1", "label 2", "score 2", "label 3", "score 3"]
    assert rows[1][0] == 'wave, "anna".npy' and set(rows[1][1::2]) == {"jump", 'stand, then "sit"', "squat"}


def test_how_labels_are_read_is_said_and_descriptions_of_no_label_are_named(monkeypatch, capsys, model, clips_file, tmp_path):
    (tmp_path / "d.json").write_text(json.dumps({"Squat.": "The knees bend and the hips sink low.", "jmup": "Both feet leave the floor."}))
    rows, said = predicted(monkeypatch, capsys, model, clips_file, "squat,jump,sit_down,42", "--descriptions", tmp_path / "d.json")
    assert "tdsm: descriptions: 1 of 2 match no label and are not used: 'jmup' (did you mean 'jump'?)" in said
    assert "'squat'" in said and "from its description" in said
    assert "only a number" in said
    bare, _ = predicted(monkeypatch, capsys, model, clips_file, "squat,jump,sit_down,42")
    assert bare != rows


def test_a_label_finds_its_description_in_any_spelling(monkeypatch, capsys, model, clips_file):
    label = next(iter(load_prompts("synthetic")))
    plain, said = predicted(monkeypatch, capsys, model, clips_file, f"{label},jump")
    shouted, also = predicted(monkeypatch, capsys, model, clips_file, f"{label.upper().replace(' ', '_')}.,jump")
    assert "from its description" in said and "from its description" in also
    assert [row[2::2] for row in plain[1:]] == [row[2::2] for row in shouted[1:]]


@pytest.mark.parametrize("labels", ["walk,caf\udce9", "walk,\u200b", "walk,\u0301", "walk,\ufeff", "walk, Walk.", '"walk, jump', "walk,\ufffd", ",", "挥,👋"])
def test_labels_that_cannot_be_asked_are_one_line(monkeypatch, capsys, model, clips_file, labels):
    code, printed, error = call(monkeypatch, capsys, "predict", model, clips_file, "--labels", labels)
    assert (code, printed) == (2, "")
    assert error.count("\n") == 1 and "label" in error


@pytest.mark.parametrize("content", [
    b'{"squat": ""}', b'{"squat": 3}', b'{"squat": null}', b'{"squat": {"a": "b"}}', b'{"squat": [3]}', b'{"squat": []}', b'["squat"]', b'"squat"',
    b'{"squat": "a", "Squat": "b"}', b'{"squat": "a", "squat": "b"}', b'{"squat": ' + b"9" * 5000 + b"}", b"[" * 100_000,
    '{"squat": "é"}'.encode("utf-16"), '{"squat": "é"}'.encode("latin-1"), b'{"squat": "\\ud800"}', b"", b"PK\x03\x04",
])  # fmt: skip
def test_descriptions_that_cannot_be_used_are_one_line(monkeypatch, capsys, model, clips_file, tmp_path, content):
    (tmp_path / "d.json").write_bytes(content)
    code, printed, error = call(monkeypatch, capsys, "predict", model, clips_file, "--labels", "squat,jump", "--descriptions", tmp_path / "d.json")
    assert (code, printed) == (2, "")
    assert error.count("\n") == 1 and len(error) < 600


def test_unseen_labels_are_kept_out_of_training_in_any_spelling(monkeypatch, capsys, clips_file, settings, tmp_path):
    unseen = SEEN[4].upper().replace(" ", "-") + "."
    code, printed, _ = call(monkeypatch, capsys, "train", clips_file, "--out", tmp_path / "run", "--unseen", unseen, "--preset", settings)
    assert code == 0 and "4 seen labels" in printed


def test_prepare_writes_what_it_read(monkeypatch, capsys, clips_file, tmp_path):
    code, printed, _ = call(monkeypatch, capsys, "prepare", clips_file, tmp_path / "again.npz")
    assert code == 0
    assert "15 clips, 5 classes" in printed
    again, first = ClipSet.load(tmp_path / "again.npz"), ClipSet.load(clips_file)
    assert all(np.array_equal(a.joints, b.joints) and (a.label, a.subject, a.fps) == (b.label, b.subject, b.fps) for a, b in zip(again, first, strict=True))


class Bomb:
    """Creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def bad(tmp_path, kind):
    """A path to something unusable, and what the message must say."""
    path = tmp_path / f"{kind}.npz"
    good = {"joints": np.ones((1, 1, 4, 25, 3), np.float32), "layout": np.array("ntu-25"), "labels": np.array(["wave"])}
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "infinite":
        good["joints"][0, 0, 2, 7] = np.inf
        np.savez(path, **good)
    elif kind == "joints":
        np.savez(path, **good | {"joints": np.ones((1, 1, 4, 19, 3))})
    elif kind == "pickle":
        np.savez(path, **good | {"labels": np.array([{"a": 1}], dtype=object)})
    elif kind == "labels":
        np.savez(path, **good | {"classes": np.array(["jump"])})
    elif kind == "pt":
        path = tmp_path / "hostile.pt"
        torch.save({"weight": Bomb(tmp_path / "out")}, path)
    elif kind == "csv":
        path = tmp_path / "folder"
        path.mkdir()
        np.save(path / "a.npy", good["joints"][0])
        np.save(path / "b.npy", good["joints"][0])
        (path / "clips.csv").write_text("file,label,layout\na.npy,wave,ntu-25\nb.npy,,ntu-25\n")
    elif kind == "mat":
        path = tmp_path / "utd.zip"
        scipy.io.savemat(tmp_path / "other.mat", {"skeleton": np.ones((20, 3, 5))})
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "other.mat", "Skeleton/a1_s1_t1_skeleton.mat")
    elif kind == "zip":
        path = tmp_path / "cut.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a1_s1_t1_skeleton.mat", b"x" * 2000)
        path.write_bytes(path.read_bytes()[:-40])
    return path


@pytest.mark.parametrize(("kind", "says"), [
    ("missing", "no such"), ("empty", "is empty"), ("infinite", "frame 2, joint 7"), ("joints", "19 joints"),
    ("pickle", "not a readable"), ("labels", "'wave' is not among"), ("zip", "cut.zip"),
    ("pt", "hostile.pt"), ("csv", "clips.csv"), ("mat", "d_skel"),
])  # fmt: skip
def test_bad_data_is_one_line_and_exit_code_2_and_touches_nothing(monkeypatch, capsys, tmp_path, kind, says):
    path, out = bad(tmp_path, kind), tmp_path / "out"
    code, printed, error = call(monkeypatch, capsys, "train", path, "--out", out)
    assert code == 2
    assert printed == ""
    assert error.startswith("tdsm: ")
    assert error.count("\n") == 1
    assert says in error
    assert not out.exists()


@pytest.mark.parametrize(("args", "says"), [
    (("evaluate", "CLIPS"), "no data set 'synthetic'"),
    (("train", "CLIPS", "--out", "OUT", "--split", "22/5"), "no data set 'synthetic'"),
    (("train", "CLIPS", "--out", "OUT", "--unseen", "moonwalk"), "no class 'moonwalk'"),
    (("train", "CLIPS", "--out", "OUT", "--preset", "best"), "neither a preset nor a file"),
    (("train", "CLIPS", "--out", "OUT", "--descriptions", "CLIPS"), "give a UTF-8 file such as"),
    (("predict", "OUT", "CLIPS", "--labels", "wave"), "recognizer.json: no such file"),
    (("prepare", "CLIPS", "OUT.csv"), "ends in .csv"),
    (("reproduce", "ntu-60", "--data", "CLIPS"), "no row 'ntu-60'"),
    (("reproduce", "ntu-60-synse-55-5", "--data", "OUT"), "no such file or folder"),
    (("study", "{", "CLIPS", "--out", "OUT"), "grid: not JSON"),
    (("study", "[1]", "CLIPS", "--out", "OUT"), "is not a JSON object"),
    (("study", '{"train.step": [1]}', "CLIPS", "--out", "OUT"), "no setting 'train.step'"),
    (("train", "CLIPS", "--out", "OUT", "--set", "train.step=1"), "no setting 'train.step'"),
    (("evaluate", "CLIPS", "--set", "train.steps"), "give NAME=VALUE"),
    (("reproduce", "nw-ucla-purls-8-2", "--data", "CLIPS", "--out", "OUT", "--set", "train.steps=0"), "steps is 0"),
    (("reproduce", "nw-ucla-purls-8-2", "--data", "CLIPS", "--out", "OUT"), "which nw-ucla-purls-8-2 does not use"),
    (("study", "{}", "CLIPS", "--out", "OUT"), "no data set 'synthetic'"),
    (("doctor", "OUT"), "no such file or folder"),
    (("results", "OUT"), "no such folder"),
    (("fetch", "ntu"), "no source is called 'ntu'"),
])  # fmt: skip
def test_bad_options_are_one_line_and_exit_code_2(monkeypatch, capsys, tmp_path, clips_file, args, says):
    given = [{"CLIPS": clips_file, "OUT": tmp_path / "out"}.get(arg, arg) for arg in args]
    code, _, error = call(monkeypatch, capsys, *given)
    assert code == 2
    assert error.count("\n") == 1
    assert says in error
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_size_is_one_line_and_exit_code_2(monkeypatch, capsys, clips_file, settings, tmp_path):
    call(monkeypatch, capsys, "train", clips_file, "--out", tmp_path / "run", "--preset", settings)
    path = tmp_path / "run/model/recognizer.json"
    about = read_sealed(path)
    write_sealed(path, about | {"config": about["config"] | {"model": about["config"]["model"] | {"depth": 2}}})
    code, _, error = call(monkeypatch, capsys, "predict", tmp_path / "run/model", clips_file, "--labels", "wave")
    assert code == 2
    assert error.count("\n") == 1
    assert "matcher.safetensors: denoiser.blocks.1" in error


def test_an_unknown_split_of_a_data_set_is_refused(monkeypatch, capsys, tmp_path):
    path = kinect_set("utd-mhad", load_prompts("utd-mhad"), 1).save(tmp_path / "utd.npz")
    code, _, error = call(monkeypatch, capsys, "evaluate", path, "--split", "20/7", "--out", tmp_path / "out")
    assert code == 2
    assert "utd-mhad has no split '20/7'; choose among: 22/5, 18/9, 14/13" in error
    assert not (tmp_path / "out").exists()


def test_the_installed_command_runs_and_importing_stays_light():
    code = "import sys, tdsm; print(sorted({'matplotlib', 'umap', 'transformers', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_store_is_prepared_and_trained_on_like_a_file(monkeypatch, capsys, clips_file, tmp_path):
    assert call(monkeypatch, capsys, "prepare", clips_file, tmp_path / "store")[0] == 0
    stored, whole = load_clips(tmp_path / "store"), load_clips(clips_file)
    assert [clip.name for clip in stored] == [clip.name for clip in whole]
    assert all(np.array_equal(a.joints, b.joints) for a, b in zip(stored, whole, strict=True))
    code, printed, _ = call(monkeypatch, capsys, "doctor", tmp_path / "store")
    assert code == 0
    assert "a clip store (synthetic)" in printed
    assert "15 of 5 classes" in printed


def test_clips_of_a_webcam_get_an_answer_and_a_note(monkeypatch, capsys, clips_file, settings, tmp_path):
    """Trained on NTU-25, asked about MediaPipe-33."""
    assert call(monkeypatch, capsys, "train", clips_file, "--out", tmp_path / "run", "--unseen", SEEN[4], "--preset", settings)[0] == 0
    own = convert_all(load_clips(clips_file), layout_named("mediapipe-33")).clips.save(tmp_path / "own.npz")
    code, printed, error = call(monkeypatch, capsys, "predict", tmp_path / "run/model", own, "--labels", "squat, tennis serve", "--best", 1)
    assert code == 0
    assert len(printed.strip().splitlines()) == 1 + 15
    assert "tdsm: converted from mediapipe-33 to ntu-25: " in error
    assert "spine middle" in error


def test_benchmarks_are_listed_with_what_is_there(monkeypatch, capsys, tmp_path):
    code, printed, _ = call(monkeypatch, capsys, "benchmarks")
    assert code == 0
    for row in all_benchmarks():
        assert row.name in printed
    code, printed, _ = call(monkeypatch, capsys, "benchmarks", tmp_path)
    assert code == 0
    assert "missing" in printed


def test_fetch_lists_sources_and_explains_what_needs_an_agreement(monkeypatch, capsys, tmp_path):
    code, printed, _ = call(monkeypatch, capsys, "fetch")
    assert code == 0
    assert "utd-mhad" in printed
    code, printed, _ = call(monkeypatch, capsys, "fetch", "ntu-120", "--to", tmp_path)
    assert code == 0
    assert "rose1.ntu.edu.sg" in printed
    assert list(tmp_path.iterdir()) == []


def test_the_size_of_the_picture_is_given_on_the_command_line(monkeypatch, capsys, tmp_path):
    points = np.random.default_rng(0).uniform(0.2, 0.8, (6, 1, 17, 2))
    people = [[{"name": "person", "class": 0, "keypoints": {"x": body[:, 0].tolist(), "y": body[:, 1].tolist()}} for body in frame] for frame in points]
    (tmp_path / "yolo.json").write_text(json.dumps(people))
    assert call(monkeypatch, capsys, "prepare", tmp_path / "yolo.json", tmp_path / "out.npz", "--size", "1920x1080")[0] == 0
    (clip,) = ClipSet.load(tmp_path / "out.npz")
    np.testing.assert_allclose(clip.joints[0], points[:, 0] * [1920, 1080], rtol=1e-5)
    assert "--size: is '1920'" in call(monkeypatch, capsys, "prepare", tmp_path / "yolo.json", tmp_path / "out.npz", "--size", "1920")[2]


# Experiments


@pytest.fixture(scope="module")
def nw_ucla(tmp_path_factory):
    return kinect_set("nw-ucla", load_prompts("nw-ucla")).save(tmp_path_factory.mktemp("nw-ucla") / "nw_ucla.npz")


@pytest.mark.slow
def test_evaluate_prints_what_it_writes_and_sets_what_it_is_told_to(monkeypatch, capsys, nw_ucla, settings, tmp_path):
    given = ("evaluate", nw_ucla, "--split", "8/2", "--seeds", 2, "--preset", settings, "--out", tmp_path / "out")
    code, printed, _ = call(monkeypatch, capsys, *given)
    assert code == 0
    assert "| nw-ucla-purls-8-2 | 32/8 | 50.0 |" in printed
    assert "Top-1 % on unseen classes, inductive, nothing selected on test clips" in printed
    assert (tmp_path / "out/table.md").read_text() in printed
    assert json.loads((tmp_path / "out/table.json").read_text())["rows"][0]["tdsm"]["seeds"] == 2
    assert call(monkeypatch, capsys, *given)[1] == printed
    before = len(list((tmp_path / "out").glob("scores-*")))
    assert call(monkeypatch, capsys, *given, "--set", "train.steps=5")[0] == 0
    assert len(list((tmp_path / "out").glob("scores-*"))) == before + 2
    (tmp_path / "names.json").write_text("{}")
    assert call(monkeypatch, capsys, *given, "--descriptions", tmp_path / "names.json")[0] == 0
    assert len(list((tmp_path / "out").glob("scores-*"))) == before + 4
    assert len(list((tmp_path / "out").glob("backbone-*"))) == 2


def test_study_compares_settings_on_pseudo_unseen_classes(monkeypatch, capsys, nw_ucla, settings, tmp_path):
    options = ("--split", "8/2", "--draws", 1, "--seeds", 1, "--preset", settings, "--out", tmp_path / "out")
    code, printed, _ = call(monkeypatch, capsys, "study", '{"train.steps": [2, 4]}', nw_ucla, *options)
    assert code == 0
    assert "| nw-ucla-purls-8-2 | train.steps=2 | 24/8 |" in printed
    assert "| nw-ucla-purls-8-2 | train.steps=4 | 24/8 |" in printed
    assert "Top-1 % on pseudo-unseen classes" in printed
    lines = (tmp_path / "out/cells.csv").read_text().splitlines()
    assert lines[0].startswith("train.steps,benchmark,draw,seed,part,method")
    assert len(lines) == 1 + 4


def test_reproduce_plans_computes_and_prints_a_row_in_the_recommended_recipe(monkeypatch, capsys, nw_ucla, tmp_path):
    (tmp_path / "aligned.json").write_text(TINY_ALIGNED.to_json())
    given = ("reproduce", "nw-ucla-purls-8-2", "--data", nw_ucla, "--preset", tmp_path / "aligned.json", "--seeds", 1, "--out", tmp_path / "out")
    code, printed, _ = call(monkeypatch, capsys, *given, "--dry-run")
    assert code == 0
    assert [line.split("-")[0] for line in printed.splitlines()[1:-1]] == ["clips", "arrays", "backbone", "features", "scores"]
    assert "to do: 5 stages" in printed
    assert " h on this machine" in printed
    assert not (tmp_path / "out").exists()
    code, printed, _ = call(monkeypatch, capsys, *given)
    assert code == 0
    assert "cosine, no denoiser" in printed
    assert "PURLS (published)" in printed
    assert "| nw-ucla-purls-8-2 | 32/8 | 50.0 | 69.1 | 72.8 | 73.5 | 75.8 |" in printed
    assert (tmp_path / "out/nw-ucla-purls-8-2.md").read_text() in printed
    assert " done " in call(monkeypatch, capsys, *given, "--dry-run")[1]


def test_the_tuned_preset_takes_clips_of_any_body(monkeypatch, capsys, clips_file, tmp_path):
    quick = [part for setting in ("align.pairs=8", "align.batch=8", "align.steps=2", "train.steps=2") for part in ("--set", setting)]
    out = tmp_path / "run"
    code, shown, error = call(monkeypatch, capsys, "train", clips_file, "--out", out, "--preset", "tuned", *quick, "--unseen", SEEN[0], "--no-calibrate")
    assert code == 0, error
    assert "Recognizer(body-15" in shown
    assert (out / "metrics.json").is_file()


@pytest.mark.filterwarnings("always::UserWarning")
def test_clips_are_exported_by_the_ending_of_the_file_and_come_back(monkeypatch, capsys, clips_file, tmp_path):
    count = len(load_clips(clips_file))
    code, shown, error = call(monkeypatch, capsys, "export", clips_file, "--to", tmp_path / "out" / "clip.csv")
    assert code == 0, error
    files = [Path(line) for line in shown.splitlines()]
    assert len(files) == count
    np.testing.assert_array_equal(load_clips(files[0])[0].joints, load_clips(clips_file)[0].joints)
    code, shown, error = call(monkeypatch, capsys, "export", files[0], "--to", tmp_path / "one.bvh")
    assert (code, shown.strip()) == (0, str(tmp_path / "one.bvh"))
    assert "BVH cannot store" in error
    code, _, error = call(monkeypatch, capsys, "export", files[0], "--to", tmp_path / "one.fbx")
    assert code == 2 and "ends in .fbx" in error and error.count("\n") == 1
