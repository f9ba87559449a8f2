"""The demo: what it leaves behind, that a second one trains nothing, and which clip it shows."""

import json

import numpy as np
import pytest
import torch
from standins import TINY_CLASSIFIER

from tdsm.app.demo import demo_recognizer, most_certain, run_demo, scores_of
from tdsm.config import override, tuned
from tdsm.data.examples import example_clips
from tdsm.data.synthetic import SEEN, UNSEEN
from tdsm.evaluate import PROTOCOL, Report


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.fixture(scope="module")
def trained(folder):
    return demo_recognizer(folder, config=TINY_CLASSIFIER, clips_per_class=2)


def test_the_demo_tests_on_actions_that_it_was_not_trained_on(trained):
    recognizer, train, test = trained
    assert recognizer.seen == train.classes == SEEN
    assert test.classes == UNSEEN
    assert not set(SEEN) & set(UNSEEN)
    assert len(train) == 2 * len(SEEN)


def test_a_second_demo_trains_nothing_and_says_the_same(trained, folder, monkeypatch):
    recognizer, _, test = trained
    monkeypatch.setattr(torch.Tensor, "backward", lambda *args, **kwargs: pytest.fail("trained again"))
    again, *_ = demo_recognizer(folder, config=TINY_CLASSIFIER, clips_per_class=2)
    assert np.array_equal(again.predict(test[:3], UNSEEN).scores, recognizer.predict(test[:3], UNSEEN).scores)


@pytest.mark.slow
def test_the_demo_leaves_everything_it_promises(tmp_path, capsys):
    config = override(tuned(), {"align.steps": 2, "align.pairs": 96, "train.steps": 2})
    reports = run_demo(tmp_path, config=config, clips_per_class=2)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json", "env.json", "history.csv", "metrics.json", "training", "model", "examples", "confusion.png", "clip.html", "clip.png",
    }  # fmt: skip
    for name in ("confusion", "clip"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    report = reports["TDSM"]
    page = (tmp_path / "clip.html").read_text()
    assert report.labels[report.predicted[most_certain(report)]] in page
    assert "http" not in page.replace("http://www.w3.org", "")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics) == {"protocol", "seed", "TDSM", "cosine", "ridge"}
    assert metrics["protocol"] == PROTOCOL
    assert metrics["TDSM"]["top1"] == report.top1
    printed = capsys.readouterr().out
    assert f"of {len(example_clips())} right" in printed
    assert all(name in printed for name in ("TDSM", "cosine", "ridge"))
    assert len(list((tmp_path / "examples").glob("*.html"))) == len(example_clips())


def test_the_surest_clip_is_chosen_by_its_lead_not_by_being_right():
    scores = np.array([[-0.5, -0.6, -0.9], [-0.9, -0.1, -0.8], [-0.2, -0.3, -0.25]])
    report = Report(scores, np.array([0, 0, 0]), ("a", "b", "c"), np.array(["s"] * 3))
    assert most_certain(report) == 1
    assert not report.correct[1]
    assert scores_of(report, 0) == pytest.approx({"a": 0.4, "b": 0.3, "c": 0.0})
