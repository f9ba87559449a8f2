"""Spotted segments on a page that people correct, on paper, and in files that other programs read and write."""

import json
import math
import re
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from browser import NEEDED, open_tab
from matplotlib.colors import to_hex

from tdsm.data.clips import Clip
from tdsm.data.convert import convert
from tdsm.data.layouts import COCO_17
from tdsm.data.synthetic import synthetic_clips
from tdsm.spotting.measures import Segment
from tdsm.spotting.spots import Spots
from tdsm.util.errors import InputError
from tdsm.viz import style
from tdsm.viz.timeline import _ink, timeline, timeline_figure

HOSTILE = '</script><b>x & "y"'
LABELS = ("wave the left hand", "squat", HOSTILE)
FPS, FRAMES = 30.0, 400
FOUND = (Segment(30, 90, LABELS[0], 0.91, 0.5), Segment(120, 200, LABELS[1], 0.8, 0.2), Segment(210, 300, LABELS[2], 0.7, 0.1))


def recording(frames=FRAMES, persons=1):
    """A body that squats over and over."""
    clip = synthetic_clips(1, actions=["squat"])[0]
    joints = np.resize(clip.joints[:1].swapaxes(0, 1), (frames, 1, *clip.joints.shape[2:])).swapaxes(0, 1)
    return replace(clip, joints=np.concatenate([joints + 0.5 * person * (joints != 0) for person in range(persons)]).astype(np.float32), name="take", fps=FPS)


def spotted(found=FOUND, frames=FRAMES):
    return Spots(tuple(found), FPS, frames, LABELS, "take")


def scores(frames=FRAMES, labels=3, every=10):
    at = np.arange(5, frames, every)
    return at, np.sin(at[:, None] / 40 + np.arange(labels)) - 3


def data_of(page):
    return json.loads(re.search(r'id="clip">(.*?)</script>', page, re.S).group(1))


# ---- files


def times(document):
    """(label, start, end) in milliseconds of each tier of a document of ELAN."""
    root = ElementTree.fromstring(document.encode())
    assert [child.tag for child in root][:2] == ["HEADER", "TIME_ORDER"]
    assert root.find("HEADER").get("TIME_UNITS") == "milliseconds"
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in root.iter("TIER")} == {kind.get("LINGUISTIC_TYPE_ID") for kind in root.iter("LINGUISTIC_TYPE")}
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    numbers = [each.get("ANNOTATION_ID") for each in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(set(numbers)) == len(numbers)
    return {
        tier.get("TIER_ID"): [
            (each.findtext("ANNOTATION_VALUE"), slots[each.get("TIME_SLOT_REF1")], slots[each.get("TIME_SLOT_REF2")])
            for each in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        for tier in root.iter("TIER")
    }


def test_elan_reads_labels_and_milliseconds(tmp_path):
    text = spotted().to_eaf(tmp_path / "take.eaf").read_text(encoding="utf-8")
    assert times(text) == {"actions": [(LABELS[0], 1000, 3000), (LABELS[1], 4000, 6667), (HOSTILE, 7000, 10000)]}
    assert times(spotted(()).to_eaf(tmp_path / "none.eaf").read_text()) == {"actions": []}


def test_segments_that_overlap_stand_in_tiers_of_their_own_and_no_sign_breaks_the_document(tmp_path):
    found = [Segment(0, 30, "a"), Segment(15, 60, "b\x00\x1b]]>"), Segment(30, 45, "c"), Segment(20, 90, "d")]
    tiers = times(spotted(found).to_eaf(tmp_path / "take.eaf").read_text(encoding="utf-8"))
    assert {name: [label for label, *_ in tier] for name, tier in tiers.items()} == {
        "actions": ["a", "c"],
        "actions 2": ["b\ufffd\ufffd]]>"],
        "actions 3": ["d"],
    }


@pytest.mark.parametrize("fps", [7.5, 29.97, 30.0, 120])
def test_csv_comes_back_as_it_was(fps, tmp_path):
    found = [replace(each, score=0.25, margin=0.125) for each in FOUND]
    spots = Spots(tuple(found), float(fps), FRAMES, LABELS, "take")
    again = Spots.from_csv(spots.to_csv(tmp_path / "take.csv"), fps, FRAMES)
    assert again.found == spots.found
    assert (again.fps, again.frames, again.labels, again.name) == (fps, FRAMES, LABELS, "take")


def test_csv_of_a_spreadsheet_and_of_a_person(tmp_path):
    path = tmp_path / "take.csv"
    path.write_text("label;start;end;note\njump; 3,5 ;4,0;\nbow;0,1;1\n".replace("1\n", "1;late\n", 1).replace(";1\n", ";1;x\n"), encoding="utf-8-sig")
    assert Spots.from_csv(path, 30, 120).found == (Segment(3, 30, "bow"), Segment(105, 120, "jump"))
    path.write_text("start,end,label\n")
    assert len(Spots.from_csv(path, 30, 120)) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column start is missing"),
        ("start,end\n1,2\n", "column label is missing"),
        ("start,end,label\n0,1,bow\n1,x,bow\n", "row 3: end is 'x'; give seconds"),
        ("start,end,label\nnan,1,bow\n", "row 2: start is 'nan'"),
        ("start,end,label\n1,2, \n", "row 2: has no label"),
        ("start,end,label\n2,1,bow\n", r"row 2: runs from 2 to 1 s, in a recording of 4\.000 s; give 0 <= start < end"),
        ("start,end,label\n1,1.001,bow\n", "at least one frame long"),
        ("start,end,label\n-1,1,bow\n", "row 2: runs from -1 to 1 s"),
        ("start,end,label\n1,4.1,bow\n", "row 2: runs from 1 to 4.1 s"),
        ("start,end,label\n1,1e300,bow\n", "row 2: runs from 1 to 1e300 s"),
        ("start,end,label,probability\n1,2,bow,sure\n", "row 2: probability is 'sure'"),
        ("start,end,label\n1,2\n", "row 2 has 2 cells, not 3"),
    ],
)
def test_what_is_wrong_in_a_csv_is_one_line(text, message, tmp_path):
    path = tmp_path / "take.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        Spots.from_csv(path, 30, 120)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("fps", "frames", "message"), [(0, 120, "fps: is 0"), (math.nan, 120, "fps: is nan"), (30, 0, "frames: is 0")])
def test_a_recording_that_cannot_be_is_refused(fps, frames, message, tmp_path):
    with pytest.raises(InputError, match=message):
        Spots.from_csv(tmp_path / "take.csv", fps, frames)
    with pytest.raises(InputError, match="no such file"):
        Spots.from_csv(tmp_path / "take.csv", 30, 120)


def test_labels_of_a_persons_own_have_a_place_in_the_json(tmp_path):
    spots = replace(spotted(), found=(*FOUND, Segment(310, 320, "new")))
    written = json.loads(spots.to_json(tmp_path / "take.json").read_text())
    assert [each["name"] for each in written["categories"]] == [*LABELS, "new"]
    assert written["annotations"][-1]["category_id"] == 3


# ---- the page as text


def test_a_page_of_two_minutes_is_small_and_its_borders_stay_exact():
    frames, labels = 3600, tuple(f"label number {number}" for number in range(40))
    found = [Segment(start, start + 61, labels[start % 7]) for start in range(7, frames - 70, 90)]
    spots = Spots(tuple(found), FPS, frames, labels, "take")
    for persons in (1, 2):
        shown = timeline(spots, recording(frames, persons), scores(frames, 40, 1))
        data = data_of(shown.html())
        assert len(shown.html().encode()) < 300_000
        assert [(start, end, labels[label]) for start, end, label, _ in data["found"]] == [(each.start, each.end, each.label) for each in found]
        assert data["clip"]["shape"][1] / data["clip"]["fps"] == pytest.approx(frames / FPS, abs=0.5)
    assert data["clip"]["shape"][0] == 2
    assert "every" in re.search(r"The body shows[^<]*", shown.html()).group()


def test_scores_are_curves_on_one_scale():
    at, values = scores()
    curves = data_of(timeline(spotted(), recording(), (at, values)).html())["scores"]
    assert curves["at"] == at.tolist()
    drawn = np.array(curves["values"]).T
    assert (drawn.min(), drawn.max()) == (0, 1000)
    np.testing.assert_allclose(drawn / 1000, (values - values.min()) / np.ptp(values), rtol=0, atol=1e-3)
    assert data_of(timeline(spotted(), recording()).html())["scores"] is None
    assert data_of(timeline(spotted(), recording(), (at[:1], np.full((1, 3), 2.0))).html())["scores"]["values"] == [[0], [0], [0]]


def test_a_page_shows_itself_in_a_notebook_and_may_save_files():
    shown = timeline(spotted(()), convert(recording(), COCO_17).clip, title=HOSTILE)
    assert 'sandbox="allow-scripts allow-downloads"' in shown._repr_html_()
    assert "data-view" not in shown.html().partition("<script")[0]  # pixels do not turn
    assert not re.findall(r'(?:src|href)="?http', shown.html())
    assert shown.html().count(HOSTILE) == 0


def test_words_on_colours_can_be_read():
    assert {_ink(colour) for colour in style.COLOURS} == {"#000", "#fff"}
    assert _ink("#000000") == _ink("#0072B2") == "#fff"
    assert _ink("#56B4E9") == _ink("#E69F00") == "#000"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"spots": spotted(frames=401)}, "take: 400 frames at 30 fps, but the spots are of 401"),
        ({"spots": replace(spotted(), fps=25.0)}, "spots are of 400 at 25 fps"),
        ({"spots": spotted([Segment(390, 410, "squat")])}, "'squat' ends at frame 410 of 400"),
        ({"scores": scores(labels=2)}, r"scores \(40, 2\) for 40 frames and 3 labels"),
        ({"scores": (np.array([1, 1]), np.zeros((2, 3)))}, "frames do not increase"),
        ({"scores": (np.array([1, 2]), np.full((2, 3), np.nan))}, "not finite"),
        ({"clip": Clip(np.zeros((1, FRAMES, 17, 2), np.float32), COCO_17, fps=FPS)}, "nobody to draw"),
    ],
)
def test_a_page_refuses_what_does_not_fit(changed, message):
    given = {"spots": spotted(), "clip": recording(), "scores": None} | changed
    with pytest.raises(InputError, match=message):
        timeline(**given)


# ---- on paper


def bands(ax):
    """(from, to, middle, colour of the edge or else of the face) of every band drawn, by hatch."""
    found = {}
    for collection in ax.collections:
        for path in collection.get_paths():
            (left, low), (right, high) = path.get_extents().get_points()
            if right > left:
                colour = to_hex((*collection.get_edgecolor(), collection.get_facecolor()[0])[0])
                found.setdefault(collection.get_hatch(), []).append((round(left, 3), round(right, 3), round((low + high) / 2, 2), colour))
    return found


def test_a_figure_has_found_bands_over_true_ones_in_the_row_of_their_label():
    figure = timeline_figure(spotted(), [Segment(33, 90, LABELS[0]), Segment(300, 360, "fall")])
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == [*LABELS, "fall"]
    drawn = bands(ax)
    assert [each[:3] for each in drawn[None]] == [(1, 3, -0.2), (4, 6.667, 0.8), (7, 10, 1.8)]
    assert [each[:3] for each in drawn["//////"]] == [(1.1, 3, 0.2), (10, 12, 3.2)]
    assert drawn["//////"][0][3] == style.COLOURS[0].lower()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["found (above)", "true (below)"]
    assert ax.yaxis_inverted()
    figure.draw_without_rendering()


def test_a_figure_without_truth_or_without_segments():
    (ax,) = timeline_figure(spotted()).axes
    assert set(bands(ax)) == {None}
    assert ax.get_legend() is None
    (ax,) = timeline_figure(spotted(())).axes
    assert len(ax.get_yticks()) == 3
    with pytest.raises(InputError, match="no segment and no label"):
        timeline_figure(Spots((), FPS, FRAMES, ()))
    with pytest.raises(InputError, match="ends at frame 500 of 400"):
        timeline_figure(spotted(), [Segment(0, 500, "squat")])


# ---- the page in a browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with open_tab(tmp_path_factory.mktemp("chromium"), "900,900") as tab:
        yield tab


@pytest.fixture(params=[900, 520])
def page(request, chromium, tmp_path):
    """A page that is open, at two widths, and tells of errors."""
    return opened(chromium, tmp_path, timeline(spotted(), recording(), scores()), request.param)


def opened(tab, folder, shown, width=900):
    path = shown.save(folder / "timeline.html")
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=1200, deviceScaleFactor=1, mobile=False)
    tab.call("Page.navigate", url=path.as_uri())
    tab.wait("document.readyState === 'complete' && document.getElementById('time').textContent")
    tab.value("void (window.faults = [], addEventListener('error', e => faults.push(e.message)))")
    return tab


def band(number):
    return f"document.querySelector('.band[data-id=\"{number}\"]')"


def now(tab):
    return float(tab.value("get('ticks').getAttribute('aria-valuenow')"))


def told(tab):
    """Rows of the CSV text."""
    return tab.value("get('text').value").splitlines()[1:]


def press(tab, element, at=0.5):
    """Mouse down and up, at a share of an element's width."""
    pull(tab, element, 0, at)


def pull(tab, element, by, at=0.5):
    """Drag an element by pixels to the right."""
    box = tab.box(element)
    x, y = box["x"] + at * box["width"], box["y"] + box["height"] / 2
    tab.call("Input.dispatchMouseEvent", type="mousePressed", button="left", clickCount=1, x=x, y=y)
    for share in (0.3, 0.7, 1) if by else ():
        tab.call("Input.dispatchMouseEvent", type="mouseMoved", button="left", buttons=1, x=x + share * by, y=y)
    tab.call("Input.dispatchMouseEvent", type="mouseReleased", button="left", clickCount=1, x=x + by, y=y)


def whole(tab):
    """No error, nothing wider than the window, and playing still goes on."""
    assert tab.value("faults") == []
    assert tab.value("document.documentElement.scrollWidth <= innerWidth")


def pixels(tab, seconds):
    return seconds * FPS / FRAMES * tab.value("get('ticks').clientWidth")


WRITTEN = ["1.000,3.000,wave the left hand", "4.000,6.667,squat", '7.000,10.000,"</script><b>x & ""y"""']


class TestPage:
    """What a person does."""

    pytestmark = NEEDED

    def test_labels_are_shown_as_text(self, page):
        assert told(page) == WRITTEN
        assert page.value("[...document.querySelectorAll('.row .name')].map(one => one.textContent)") == list(LABELS)
        assert page.value(f"{band(2)}.textContent") == HOSTILE
        assert page.value("[...document.querySelectorAll('b')].every(one => one.parentNode.className.startsWith('band'))")
        assert page.value("document.querySelectorAll('.track svg polyline').length") == 3
        whole(page)

    def test_a_click_on_a_band_plays_its_segment_over_and_over(self, page):
        page.value("void (get('speed').value = '4')")
        press(page, band(0))
        page.wait("+get('ticks').getAttribute('aria-valuenow') > 0")
        seen = set()
        for _ in range(12):
            seen.add(now(page))
            time.sleep(0.1)
        assert len(seen) > 3
        assert all(1 <= at <= 3 for at in seen)  # two digits: 2.996 is told as 3.00
        assert page.value("get('which').textContent") == "Segment 1 of 3"
        page.press(" ", 32)
        page.wait("get('play').textContent === 'play'")
        still = page.value("frameNow()")
        page.press("ArrowRight", 39)
        assert page.value("frameNow()") == still + 1
        page.press("ArrowLeft", 37)
        page.press("ArrowLeft", 37)
        assert page.value("frameNow()") == still - 1
        press(page, f"{band(1)}.querySelector('.edge[data-side=end]')")
        page.wait("get('play').textContent === 'pause' && +get('ticks').getAttribute('aria-valuenow') >= 4")
        assert told(page) == WRITTEN
        whole(page)

    def test_a_click_on_the_axis_goes_there(self, page):
        press(page, "get('ticks')", 0.25)
        page.wait("+get('ticks').getAttribute('aria-valuenow') > 0")
        assert now(page) == pytest.approx(0.25 * FRAMES / FPS, abs=0.05)
        page.press("End", 35)
        page.wait(f"+get('ticks').getAttribute('aria-valuenow') >= {(FRAMES - 1) / FPS - 0.01}")
        for _ in range(3):
            page.press("ArrowRight", 39)
        page.press("Home", 36)
        page.wait("+get('ticks').getAttribute('aria-valuenow') === 0")
        whole(page)

    def test_borders_are_dragged_and_stop_at_neighbours_and_undo_restores(self, page):
        edge = f"{band(1)}.querySelector('.edge[data-side=%s]')"
        pull(page, edge % "start", pixels(page, -0.5))
        start, end, label = told(page)[1].split(",")
        assert float(start) == pytest.approx(3.5, abs=0.07)
        assert (end, label) == ("6.667", "squat")
        assert now(page) == pytest.approx(float(start), abs=0.01)  # the body of that moment
        pull(page, edge % "start", pixels(page, -3))
        assert told(page)[1] == "3.000,6.667,squat"
        pull(page, edge % "end", pixels(page, 5))
        assert told(page)[1] == "3.000,7.000,squat"
        pull(page, edge % "end", pixels(page, -9))
        assert told(page)[1] == "3.000,3.033,squat"
        for left in (3, 2, 1, 0):
            page.value("void get('undo').click()")
            assert page.value("past.length") == left
        assert told(page) == WRITTEN
        assert page.value("get('undo').disabled")
        whole(page)

    def test_the_first_and_the_last_border_stay_in_the_recording(self, page):
        pull(page, f"{band(0)}.querySelector('.edge[data-side=start]')", pixels(page, -3))
        pull(page, f"{band(2)}.querySelector('.edge[data-side=end]')", pixels(page, 3.5))
        assert told(page)[0].startswith("0.000,3.000")
        assert told(page)[2].startswith("7.000,13.333")
        whole(page)

    def test_a_label_is_corrected_by_the_menu_or_typed(self, page):
        press(page, band(0))
        page.value("void (get('label').value = 'squat', get('label').dispatchEvent(new Event('change')))")
        assert told(page)[0] == "1.000,3.000,squat"
        page.type_over("get('typed')", ' <img src=x onerror="faults.push(1)"> ')
        assert told(page)[0] == '1.000,3.000,"<img src=x onerror=""faults.push(1)"">"'
        assert page.value("document.querySelectorAll('img').length") == 0
        assert page.value("[...get('label').options].length") == 4
        assert page.value("coco()").count("<img") == 1
        assert json.loads(page.value("coco()"))["annotations"][0]["score"] == 1
        page.type_over("get('typed')", "   ")
        page.press("Escape", 27)
        page.value("void document.activeElement.blur()")
        page.call("Input.dispatchKeyEvent", type="keyDown", key="z", windowsVirtualKeyCode=90, modifiers=2)
        assert told(page)[0] == "1.000,3.000,squat"
        page.value("void undo()")
        assert told(page) == WRITTEN
        whole(page)

    def test_segments_are_accepted_added_and_deleted(self, page):
        press(page, band(1))
        press(page, "get('accept')")
        assert page.value(f"{band(1)}.textContent").startswith("✓")
        assert "accepted" in page.value(f"{band(1)}.getAttribute('aria-label')")
        press(page, "get('only')")
        assert told(page) == WRITTEN[1:2]
        press(page, "get('only')")
        press(page, "get('delete')")
        assert told(page) == [WRITTEN[0], WRITTEN[2]]
        page.value("void go(180)")
        press(page, "get('add')")
        assert told(page)[1] == "6.000,7.000,wave the left hand"  # up to its neighbour
        press(page, "get('add')")
        assert "already" in page.value("get('note').textContent")
        assert len(told(page)) == 3
        page.value("void (go(150), document.activeElement.blur())")
        page.press("[", 219)
        assert told(page)[1] == "5.000,7.000,wave the left hand"
        page.press("Delete", 46)
        assert len(told(page)) == 2
        whole(page)

    def test_numbers_are_another_way_to_borders(self, page):
        press(page, band(1))
        for side, number, row in (("start", "5.01", "5.000,6.667"), ("end", "99", "5.000,7.000"), ("end", "", "5.000,7.000"), ("start", "-4", "3.000,7.000")):
            page.value(f"void (get('{side}').value = '{number}', get('{side}').dispatchEvent(new Event('change')))")
            assert told(page)[1] == f"{row},squat"
        assert page.value("[get('start').value, get('end').value]") == ["3.000", "7.000"]
        whole(page)

    def test_the_keyboard_reaches_everything(self, page):
        page.value("void document.activeElement.blur()")
        reached = []
        for _ in range(40):
            page.call("Input.dispatchKeyEvent", type="rawKeyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
            page.call("Input.dispatchKeyEvent", type="keyUp", key="Tab", code="Tab", windowsVirtualKeyCode=9)
            reached.append(page.value("document.activeElement.id || document.activeElement.getAttribute('aria-label')"))
            if reached[-1] == "squat, 4.000 to 6.667 s":
                page.press("Enter", 13)
        edit = {"label", "typed", "use", "start", "end", "accept", "delete", "add", "csv", "json", "eaf", "only", "text"}
        assert {"play", "speed", "ticks", "in", "out"} | edit <= set(reached)
        assert page.value("get('which').textContent") == "Segment 2 of 3"
        named = "one.textContent.trim() || one.labels?.length || one.getAttribute('aria-label')"
        assert page.value(f"[...document.querySelectorAll('button, select, input, textarea, canvas, [tabindex]')].every(one => {named})")
        whole(page)

    def test_what_is_saved_is_what_python_writes(self, page, tmp_path):
        spots = spotted()
        assert json.loads(page.value("coco()")) == json.loads(spots.to_json(tmp_path / "take.json").read_text())
        assert times(page.value("eaf()")) == times(spots.to_eaf(tmp_path / "take.eaf").read_text(encoding="utf-8"))
        (tmp_path / "take.csv").write_text(page.value("csv()"), encoding="utf-8")
        again = Spots.from_csv(tmp_path / "take.csv", FPS, FRAMES)
        assert [(each.start, each.end, each.label) for each in again] == [(each.start, each.end, each.label) for each in spots]
        page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved"))
        for kind in ("csv", "json", "eaf"):
            press(page, f"get('{kind}')")
            end = time.monotonic() + 20
            while not (saved := tmp_path / "saved" / f"take.{kind}").is_file() or not saved.read_text():
                assert time.monotonic() < end, f"no {kind} was saved"
                time.sleep(0.05)
        assert (tmp_path / "saved/take.csv").read_text() == (tmp_path / "take.csv").read_text()
        whole(page)

    def test_time_grows_and_stays_in_view(self, page):
        before = page.value("get('ticks').clientWidth")
        press(page, "get('in')")
        press(page, "get('in')")
        assert page.value("get('ticks').clientWidth") == pytest.approx(4 * before, abs=2)
        page.press("End", 35)
        page.wait("get('lanes').scrollLeft > 0")
        shown = page.value("[get('mark').getBoundingClientRect().x, get('lanes').getBoundingClientRect().right]")
        assert shown[0] < shown[1]
        page.picture(f"timeline-{page.value('innerWidth')}")
        whole(page)


@pytest.mark.browser
@NEEDED[1]
def test_segments_that_overlap_and_a_recording_without_any(chromium, tmp_path):
    found = [Segment(0, 100, "squat"), Segment(50, 150, "squat"), Segment(0, 400, LABELS[0])]
    tab = opened(chromium, tmp_path, timeline(spotted(found), recording()))
    pull(tab, f"{band(1)}.querySelector('.edge[data-side=end]')", pixels(tab, 2))
    assert len(told(tab)) == 3
    assert list(times(tab.value("eaf()"))) == ["actions", "actions 2", "actions 3"]
    tab = opened(chromium, tmp_path, timeline(Spots((), FPS, FRAMES, ()), recording()))
    press(tab, "get('add')")
    assert told(tab) == ["0.000,1.000,action"]
    whole(tab)
