"""Runs over seeds, and the demo: what they leave behind, and that an interrupted one goes on instead of starting over."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_recognizer import TINY

from tdsm.catalogue.rows import benchmarks_of
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import KINECT_20
from tdsm.data.readers.nw_ucla import CLASSES
from tdsm.data.synthetic import UNSEEN
from tdsm.demo import most_certain, run_demo, scores_of
from tdsm.evaluate import Report
from tdsm.experiments.study import markdown_table, run_benchmark, write_table
from tdsm.util.errors import InputError


@pytest.fixture(scope="module")
def clips():
    """Two subjects doing each of the ten actions twice; each action is a place that one joint goes to."""
    draw = np.random.default_rng(0)
    body = draw.uniform(-0.5, 0.5, (20, 3)) + np.array([0, 0, 3])
    made = []
    for index, label in enumerate(CLASSES):
        for subject in ("s01", "s01", "s02", "s02"):
            joints = body + 0.02 * draw.standard_normal((12, 20, 3))
            joints[:, 2 * index] += np.linspace(0, 1, 12)[:, None]
            made.append(Clip(joints, KINECT_20, label, subject))
    return ClipSet(tuple(made), CLASSES, "nw-ucla")


def test_a_study_leaves_scores_and_the_second_time_trains_nothing(clips, tmp_path, monkeypatch):
    benchmark = benchmarks_of("nw-ucla", "5/5")[0]
    monkeypatch.setattr("tdsm.util.provenance._commit", lambda: "first")
    first = run_benchmark(benchmark, clips, TINY, tmp_path, seeds=2)
    assert first.tdsm.seeds == first.ridge.seeds == 2
    assert first.tdsm.chance == 0.2
    metrics = json.loads((tmp_path / "1/metrics.json").read_text())
    assert metrics["tdsm"]["clips"] == 20
    assert "inductive" in metrics["protocol"]["setting"]

    about = (tmp_path / "1/env.json").read_bytes()

    def refuse(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr("tdsm.experiments.study.train_recognizer", refuse)
    monkeypatch.setattr("tdsm.util.provenance._commit", lambda: "later")
    assert run_benchmark(benchmark, clips, TINY, tmp_path, seeds=2) == first
    assert (tmp_path / "1/env.json").read_bytes() == about  # still says what made the scores
    with pytest.raises(AssertionError, match="trained again"):
        run_benchmark(benchmark, clips, TINY, tmp_path, seeds=3)
    text = write_table([first], tmp_path).read_text()
    assert text == markdown_table([first]) + "\n"
    assert "| nw-ucla-purls-5-5 | 20.0 | 45.0 | 36.0 | 46.8 | 49.5 |" in text
    row = json.loads((tmp_path / "table.json").read_text())["rows"][0]
    assert row["published"]["PURLS"] == 49.47
    assert row["protocol"]["partition"].startswith("all clips")


def test_a_row_of_several_class_lists_is_their_mean(clips, tmp_path):
    whole = benchmarks_of("nw-ucla", "8/2")[0]
    both = replace(whole, draws=((1, 4), (0, 9)), counts={})
    row = run_benchmark(both, clips, TINY, tmp_path / "both", seeds=2)
    top1 = np.array([
        [run_benchmark(replace(both, draws=(draw,)), clips, TINY, tmp_path / f"both/draw-{number}", seeds=seeds).tdsm.mean for seeds in (1, 2)]
        for number, draw in enumerate(both.draws, 1)
    ])  # fmt: skip
    first, mean = top1.mean(axis=0)  # of seed 0, of both seeds
    assert row.tdsm.mean == pytest.approx(mean)
    assert row.tdsm.std == pytest.approx(abs(first - mean) * np.sqrt(2))
    assert row.tdsm.low <= row.tdsm.mean <= row.tdsm.high
    labels = [set(json.loads((tmp_path / f"both/draw-{number}/0/metrics.json").read_text())["tdsm"]["per_class"]) for number in (1, 2)]
    assert labels == [set(both.unseen_labels(CLASSES, draw)) for draw in (0, 1)]


def test_a_study_of_an_official_partition_says_so_and_keeps_to_it(clips, tmp_path):
    named = ClipSet(
        tuple(replace(clip, name=f"a01_s01_e{number:02}_v0{1 + 2 * (clip.subject == 's02')}") for number, clip in enumerate(clips)), CLASSES, clips.name
    )
    benchmark = replace(benchmarks_of("nw-ucla", "8/2")[0], partition="official", counts={})
    run_benchmark(benchmark, named, TINY, tmp_path, seeds=1)
    metrics = json.loads((tmp_path / "0/metrics.json").read_text())
    assert metrics["protocol"]["partition"].startswith("official: seen classes of its training part train")
    assert metrics["tdsm"]["clips"] == 4


def test_seeds_differ_and_a_seed_repeats_itself(clips, tmp_path):
    benchmark = benchmarks_of("nw-ucla", "8/2")[0]
    run_benchmark(benchmark, clips, TINY, tmp_path / "a", seeds=2)
    run_benchmark(benchmark, clips, TINY, tmp_path / "b", seeds=1)
    errors = [np.load(tmp_path / place / "scores.npz")["errors"] for place in ("a/0", "a/1", "b/0")]
    assert np.array_equal(errors[0], errors[2])
    assert not np.allclose(errors[0], errors[1])


def test_a_study_of_other_settings_is_refused(clips, tmp_path):
    benchmark = benchmarks_of("nw-ucla", "8/2")[0]
    (tmp_path / "0").mkdir()
    (tmp_path / "0/config.json").write_text("{}")
    with pytest.raises(InputError, match="holds other settings"):
        run_benchmark(benchmark, clips, TINY, tmp_path, seeds=1)


@pytest.mark.slow
def test_the_demo_leaves_everything_it_promises(tmp_path):
    recognizer, report = run_demo(tmp_path / "demo", config=TINY, clips_per_class=2)
    folder = tmp_path / "demo"
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "env.json", "history.csv", "metrics.json", "training", "model",
        "confusion.png", "umap.png", "clip.html", "clip.png",
    }  # fmt: skip
    for name in ("confusion", "umap", "clip"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    shown = most_certain(report)
    page = (folder / "clip.html").read_text()
    assert report.labels[report.predicted[shown]] in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert set(report.labels) == set(UNSEEN)
    assert not set(recognizer.seen) & set(UNSEEN)
    assert set(json.loads((folder / "metrics.json").read_text())) == {"protocol", "seed", "tdsm", "ridge"}


def test_the_surest_clip_is_chosen_by_its_lead_not_by_being_right():
    errors = np.array([[0.5, 0.6, 0.9], [0.9, 0.1, 0.8], [0.2, 0.3, 0.25]])
    report = Report(errors, np.array([0, 0, 0]), ("a", "b", "c"), np.array(["s"] * 3))
    assert most_certain(report) == 1
    assert not report.correct[1]
    assert scores_of(report, 0) == pytest.approx({"a": 0.4, "b": 0.3, "c": 0.0})
