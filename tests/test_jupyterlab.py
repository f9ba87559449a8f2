"""Notebooks in a real JupyterLab in Chromium, in a column of about 1,000 pixels: live widgets, and saved outputs in trusted and untrusted notebooks.

All tests share one JupyterLab and one page. Without Chromium they are skipped (``browser.py``).
"""

import base64
import json
import os
import socket
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import plotly.graph_objects as go
import pytest
from browser import NEEDED, answers, open_tab, running, wait_for
from IPython.core.formatters import DisplayFormatter
from nbformat.sign import NotebookNotary

from tdsm.data.examples import example_clips
from tdsm.spotting.measures import Segment
from tdsm.spotting.spots import Spots
from tdsm.viz.animation import gallery, player
from tdsm.viz.charts import Chart
from tdsm.viz.timeline import timeline
from tdsm.viz.widgets import explore

pytestmark = NEEDED

LIVE = (
    """\
%matplotlib inline
import tdsm
from tdsm.data.examples import RIVALS, example_clips
from tdsm.viz.interactive import interactive_scatter
from tdsm.viz.widgets import ask, confusion_browser, explore, noise_study

clips, recognizer = example_clips(), tdsm.pretrained()""",
    "explore(clips)",
    "ask(recognizer, clips)",
    "noise_study(recognizer, clips[0], clips.classes)",
    "confusion_browser(tdsm.zero_shot_report(recognizer, clips), clips)",
    "interactive_scatter(recognizer.features(clips)[:, :2].numpy(), [clip.label for clip in clips], [clip.name for clip in clips], clips)",
    "print('all', 'cells', 'ran')",
)
"""The last one prints words that do not stand together in its source."""

SAVED = ("player", "gallery", "timeline", "widget", "chart")


def saved_outputs():
    """What a kernel would store of one object of each kind, as JSON."""
    clips = example_clips()
    clip = clips[0]
    spots = Spots((Segment(5, min(60, clip.frames), clip.label, 0.9),), clip.fps, clip.frames, (clip.label, "nothing"), clip.name)
    points = go.Scatter(x=[0, 1, 2], y=[0, 1, 0], mode="markers", name="clips")
    shown = player(clip, "throw", {clip.label: 0.2, "throw": 0.8}), gallery(clips[:3]), timeline(spots, clip), explore(clips), Chart(go.Figure(points))
    stored = []
    for one in shown:
        data, _ = DisplayFormatter().format(one)
        stored.append({kind: value if isinstance(value, str | dict) else base64.b64encode(value).decode() for kind, value in data.items()})
    return stored


def write_notebook(path, sources, outputs=None):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    for cell, data in zip(cells, outputs or [], strict=False):
        cell.outputs = [nbformat.v4.new_output("execute_result", data=data, execution_count=1)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return notebook


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab of its own: own port, own settings, no token, no user's files."""
    folder = tmp_path_factory.mktemp("lab")
    own = {name: str(folder / "jupyter" / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(folder / "jupyter" / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    write_notebook(folder / "live.ipynb", LIVE)
    outputs = saved_outputs()
    write_notebook(folder / "untrusted.ipynb", SAVED, outputs)
    trusted = write_notebook(folder / "trusted.ipynb", SAVED, outputs)
    Path(own["JUPYTER_DATA_DIR"]).mkdir(parents=True)
    NotebookNotary(data_dir=own["JUPYTER_DATA_DIR"]).sign(trusted)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    options += [
        "--IdentityProvider.token=",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    log = folder / "jupyter.log"
    with running([sys.executable, "-m", "jupyter", "lab", *options], log, cwd=folder, env=os.environ | own) as process:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{address}/api/status"), "start of JupyterLab", process, log)
        yield address


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with open_tab(tmp_path_factory.mktemp("tab"), "1330,5200") as made:
        made.call("Emulation.setFocusEmulationEnabled", enabled=True)
        yield made


def open_notebook(tab, lab, name, cells):
    tab.call("Page.navigate", url=f"{lab}/lab/workspaces/{name.partition('.')[0]}/tree/{name}")  # a workspace of its own: no other notebook is open
    tab.wait(f"window.jupyterapp && location.pathname.endsWith('{name}') && cell({cells - 1}) !== undefined")
    assert 950 < tab.wait("document.querySelector('.jp-Notebook').clientWidth") < 1080  # a column of about 1,000 pixels


IMAGE, FRAME = "cell({}).querySelector('.jp-OutputArea-output img')", "cell({}).querySelector('.jp-OutputArea-output iframe')"


def test_an_untrusted_notebook_shows_a_still_of_every_output(lab, tab):
    open_notebook(tab, lab, "untrusted.ipynb", len(SAVED))
    for number, kind in enumerate(SAVED[:4]):
        assert tab.wait(f"{IMAGE.format(number)}.naturalWidth") > 400, kind
        assert tab.value(f"{IMAGE.format(number)}.getBoundingClientRect().height") > 100, kind
    tab.wait("cell(4).querySelectorAll('.js-plotly-plot, .jp-OutputArea-output img').length")
    tab.picture("untrusted")
    assert tab.value("document.querySelectorAll('.jp-OutputArea-output iframe').length") == 0


def test_in_a_trusted_notebook_the_moving_page_covers_the_still(lab, tab):
    open_notebook(tab, lab, "trusted.ipynb", len(SAVED))
    for number in range(3):
        frame = tab.box(FRAME.format(number))
        still = tab.wait(f"{IMAGE.format(number)}.naturalWidth && {IMAGE.format(number)}.getBoundingClientRect().toJSON()")
        assert frame["left"] <= still["left"]
        assert frame["right"] >= still["right"]
        assert frame["top"] <= still["top"]
        assert frame["bottom"] >= still["bottom"]
        assert tab.value(f"document.elementFromPoint({still['x'] + 50}, {still['y'] + 50}).tagName") == "IFRAME"
        if number < 2:  # the timeline waits for a click
            moves(tab, FRAME.format(number))
    tab.picture("trusted")
    enter(tab, "cell(4).querySelector('.jp-OutputArea-output img')")
    tab.wait("cell(4).querySelectorAll('.scatterlayer .point').length === 3")  # plotly's extension draws when the mouse enters the picture
    tab.picture("chart")


def enter(tab, element):
    box = tab.box(element)
    for step in (0, 5):
        tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=box["x"] + 50 + step, y=box["y"] + 50)


def moves(tab, frame, left=0.0):
    """Whether a body moves in a frame, to the right of this share of its width."""
    box = tab.box(frame)
    body = {"x": box["x"] + left * box["width"], "y": box["y"] + 80, "width": (1 - left) * box["width"], "height": 200, "scale": 1}  # no words, no slider
    still, end = tab.picture("body", clip=body), time.monotonic() + 20
    while tab.picture("body", clip=body) == still:
        assert time.monotonic() < end, f"nobody moves; see {tab.pictures / 'body.png'}"


def test_widgets_answer_in_a_live_notebook(lab, tab):
    open_notebook(tab, lab, "live.ipynb", len(LIVE))
    tab.click("cell(0)")
    tab.wait("jupyterapp.shell.currentWidget.sessionContext.isReady && jupyterapp.commands.isEnabled('notebook:run-all-cells')")
    tab.value("void jupyterapp.commands.execute('notebook:run-all-cells')")
    tab.wait(f"cell({len(LIVE) - 1}).innerText.includes('all cells ran')", 120)
    for kind in ("error", "stderr"):
        assert tab.value(f"document.querySelectorAll('[data-mime-type=\"application/vnd.jupyter.{kind}\"]').length") == 0
    for step in (explore_another_class, type_labels, move_t_test, open_cells_of_the_matrix, a_clip_plays_beside_the_map):
        step(tab)
        tab.picture(step.__name__)


def explore_another_class(tab):
    shown = "cell(1).querySelector('iframe')"
    names = tab.wait("[...cell(1).querySelector('select').options].map(one => one.value)")
    for number in (0, 1):
        choose(tab, "cell(1).querySelector('select')", number)
        tab.wait(f"{shown}.srcdoc.includes({json.dumps(names[number])})")
    assert tab.value("cell(1).querySelectorAll('iframe').length") == 1
    moves(tab, shown)


def choose(tab, menu, index):
    """The open menu is drawn by the system, out of the protocol's reach: say what it would."""
    tab.value(f"void ({menu}.selectedIndex = {index}, {menu}.dispatchEvent(new Event('change', {{bubbles: true}})))")


def beside(tab, left, right):
    """Whether two elements stand side by side, both in view of one column."""
    one, other = tab.box(left), tab.box(right)
    assert one["right"] <= other["left"] + 1
    assert abs(one["top"] - other["top"]) < 80
    column = tab.box("document.querySelector('.jp-Notebook')")
    assert other["right"] <= column["right"]


SEE_BUSY = "() => { if (cell(2).querySelector('progress')) window.busy++; }"


def type_labels(tab):
    text, picture, sources = "cell(2).querySelector('input[type=text]')", "cell(2).querySelector('img')", []
    beside(tab, picture, "cell(2).querySelector('iframe')")
    assert tab.value("cell(2).innerText.includes('nearest action of the dictionary')")
    assert tab.value("/true label has rank 1 of|ranks first for 0 of/.test(cell(2).innerText)")
    last = tab.wait(f"{picture}.naturalHeight && {picture}.src")
    for labels in ("jump, squat", "jump, squat, wave hello, bow, swim"):
        tab.value(f"void (window.busy = 0, new MutationObserver({SEE_BUSY}).observe(cell(2), {{childList: true, subtree: true}}))")
        tab.type_over(text, labels)
        last = tab.wait(f"{picture} && {picture}.naturalHeight && {picture}.src !== {json.dumps(last)} && {picture}.src")
        assert tab.value("busy") > 0
        sources.append(last)
    sentences = "cell(2).querySelector('textarea')"
    tab.value(f"({sentences}.focus(), {sentences}.select())")
    tab.call("Input.insertText", text="swim: both arms circle through the air, the body lies flat")
    tab.value(f"{sentences}.blur()")
    tab.wait(f"{picture} && {picture}.naturalHeight && {picture}.src !== {json.dumps(last)} && cell(2).innerText.includes('description')")
    tab.picture("ask_with_a_description")
    tab.type_over(text, "jump, squat, jump")
    tab.wait("cell(2).innerText.includes(\"'swim' is not among the labels\")")
    tab.value(f"({sentences}.focus(), {sentences}.select())")
    tab.press("Delete", 46)
    tab.value(f"{sentences}.blur()")
    tab.wait("cell(2).innerText.includes(\"labels: 'jump' is given twice; give each label once\")")
    assert not tab.value("cell(2).innerText.includes('Traceback')")
    tab.type_over(text, "jump, squat")
    tab.wait(f"{picture} && {picture}.src === {json.dumps(sources[0])}")  # the same labels, the same picture


def move_t_test(tab):
    picture, handle, readout = "cell(3).querySelector('img')", "cell(3).querySelector('.noUi-handle')", "cell(3).querySelector('.widget-readout').innerText"
    before, step = tab.wait(f"{picture}.naturalHeight && {picture}.src"), int(tab.value(readout))
    tab.value(f"{handle}.focus()")
    tab.press("ArrowRight", 39)
    tab.wait(f"{readout} === '{step + 1}'")
    tab.wait(f"{picture} && {picture}.src !== {json.dumps(before)}")


def open_cells_of_the_matrix(tab):
    filled = "[...cell(4).querySelectorAll('button')].filter(one => !one.disabled)"
    chosen = tab.value(f"{filled}.map(one => one.title)")
    assert sum(int(title.rpartition(": ")[2]) for title in chosen) == len(example_clips())
    for index in np.linspace(0, len(chosen) - 1, 4).astype(int).tolist():
        tab.click(f"{filled}[{index}]")
        true, predicted = chosen[index].rpartition(": ")[0].split(" → ")
        words = (f"true and predicted: {true}",) if true == predicted else (f"true: {true}", f"predicted: {predicted}")
        tab.wait(" && ".join(f"cell(4).querySelector('iframe').srcdoc.includes({json.dumps(word)})" for word in words))
        beside(tab, "cell(4).querySelector('.widget-gridbox')", "cell(4).querySelector('iframe')")
        tab.wait(f"{filled}[{index}].style.borderTopWidth === '3px'")


def a_clip_plays_beside_the_map(tab):
    """tests/test_alignment.py selects a point of the same page."""
    frame = "cell(5).querySelector('iframe')"
    assert tab.box(frame)["height"] > 450
    moves(tab, frame, left=0.55)
