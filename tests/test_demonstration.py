"""The demo: what it leaves behind, and which clip it shows."""

import json

import numpy as np
import pytest
from standins import TINY_CLASSIFIER

from tdsm.data.synthetic import UNSEEN
from tdsm.demonstration import most_certain, run_demo, scores_of
from tdsm.evaluate import Report


@pytest.mark.slow
def test_the_demo_leaves_everything_it_promises(tmp_path):
    recognizer, report = run_demo(tmp_path / "demo", config=TINY_CLASSIFIER, clips_per_class=2)
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
    scores = -np.array([[0.5, 0.6, 0.9], [0.9, 0.1, 0.8], [0.2, 0.3, 0.25]])
    report = Report(scores, np.array([0, 0, 0]), ("a", "b", "c"), np.array(["s"] * 3))
    assert most_certain(report) == 1
    assert not report.correct[1]
    assert scores_of(report, 0) == pytest.approx({"a": 0.4, "b": 0.3, "c": 0.0})
