"""The pages of docs/EXTENDING.md run as they are printed: each trains with something from outside, saves the recognizer and reads it back."""

import re
from pathlib import Path

import pytest

from tdsm.recognizer import Recognizer
from tdsm.util.errors import InputError

DOCUMENT = Path(__file__).parents[1] / "docs/EXTENDING.md"
PAGES = dict(re.findall(r"^## (.*?)\n.*?^```python\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


@pytest.fixture
def page(tmp_path, monkeypatch, capsys):
    """Run a page in an empty folder; returns its names."""
    monkeypatch.chdir(tmp_path)

    def run(title: str) -> dict:
        names = {"__name__": "__main__"}
        exec(compile(PAGES[title], f"{DOCUMENT.name}: {title}", "exec"), names)
        assert capsys.readouterr().out.strip() == repr(names["answer"])
        assert type(names["again"]) is Recognizer
        return names

    return run


def test_there_are_four_pages():
    assert list(PAGES) == ["A loss", "A skeleton encoder", "A text encoder", "A data set"]


def test_a_loss_of_ones_own(page):
    names = page("A loss")
    assert names["recognizer"].matcher.loss is names["soft_margin"]


def test_a_skeleton_encoder_of_ones_own(page):
    names = page("A skeleton encoder")
    for recognizer in (names["recognizer"], names["again"]):
        assert type(recognizer.backbone.net) is names["Recurrent"]
        assert recognizer.backbone.kind == "aligned"
    with pytest.raises(InputError, match=r"backbone\.safetensors"):
        Recognizer.from_pretrained("my-encoder")


def test_a_text_encoder_of_ones_own(page):
    names = page("A text encoder")
    assert type(names["again"].backbone.text_encoder) is names["Trigrams"]
    assert names["again"].text(["walk"]).z_g.shape == (1, 128)
    with pytest.raises(InputError, match=r"backbone\.json: was trained with a different text model"):
        Recognizer.from_pretrained("my-text-encoder")


def test_a_data_set_of_ones_own(page):
    names = page("A data set")
    assert names["again"].seen == tuple(names["moves"])
    assert names["again"].layout.name == "kinect-20"
    assert names["again"].backbone.dataset == "my set"
