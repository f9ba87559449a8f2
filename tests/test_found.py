"""A library's clips, moving; and the widget that asks for them."""

import pytest

import tdsm
from tdsm.data.synthetic import synthetic_clips
from tdsm.util.errors import InputError
from tdsm.viz import panels
from tdsm.viz.found import browse, show_hits


@pytest.fixture(scope="module")
def library():
    return tdsm.Library.build(synthetic_clips(1, actions=["bow", "jump", "squat"]), tdsm.pretrained(), parts=True)


def test_hits_move_with_their_scores(library):
    page = show_hits(library, library.search("bow"), most=2)
    assert page.name == "2 clips"
    best = library.search("bow")[0]
    assert f"{best.score:.2f} · {best.name}" in page.html()


def test_a_library_without_clips_cannot_be_shown(library):
    bare = tdsm.Library(library.recognizer, library.z, library.names, library.labels, library.subjects)
    with pytest.raises(InputError, match="was opened without its clips"):
        show_hits(bare, bare.search("bow"))


def test_the_widget_asks_by_text_by_example_and_by_part(library, monkeypatch):
    shown, as_html = [], panels._as_html
    monkeypatch.setattr(panels, "_as_html", lambda made: (shown.append(made), as_html(made))[1])
    widget = browse(library, ["bow", "jump"], most=1)
    (example, part), text, like = widget.children[0].children, *widget.children[1:3]
    assert "bow #0" in shown[-1].html()
    example.value = "jump"
    assert text.value == "jump"
    assert "jump #0" in shown[-1].html()
    part.value, like.value = "left leg", 2
    assert "squat #0" in shown[-1].html()
    like.value, text.value = -1, "?"
    assert "has no letter" in widget.children[3].value
