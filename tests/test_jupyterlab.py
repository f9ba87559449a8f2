"""The whole way that a user goes: JupyterLab in a browser, all cells run, widgets moved with keyboard and mouse.

Without Chromium the test is skipped (``browser.py``).
"""

import json
import os
import socket
import sys
import time

import nbformat
import pytest
from browser import NEEDED, answers, open_tab, running, wait_for

pytestmark = NEEDED

CELLS = (
    """\
%matplotlib inline
import tdsm
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.viz.widgets import ask, confusion_browser, explore, noise_study

clips = synthetic_clips(4, actions=[*SEEN[:3], *UNSEEN[:3]])
test = clips.of_classes(UNSEEN[:3])
config = tdsm.override(tdsm.demo(), {"encoder.steps": 10, "train.steps": 20, "train.batch": 12, "train.warmup": 2, "train.lr": 1e-2})
recognizer = tdsm.train_recognizer(clips.of_classes(SEEN[:3]), config)""",
    "explore(clips)",
    "ask(recognizer, test)",
    "noise_study(recognizer, test[0], test.classes)",
    "confusion_browser(tdsm.zero_shot_report(recognizer, test), test)",
    "print('all', 'cells', 'ran')",
)
"""The last one prints words that do not stand together in its source."""


def write_notebook(path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


@pytest.fixture
def lab(tmp_path):
    """Address of a JupyterLab of its own: own port, own settings, no token, no user's files."""
    write_notebook(tmp_path / "widgets.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: str(tmp_path / "jupyter" / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(tmp_path / "jupyter" / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={tmp_path}"]
    options += [
        "--IdentityProvider.token=",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    log = tmp_path / "jupyter.log"
    with running([sys.executable, "-m", "jupyter", "lab", *options], log, cwd=tmp_path, env=os.environ | own) as process:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{address}/api/status"), "start of JupyterLab", process, log)
        yield address


@pytest.fixture
def tab(tmp_path):
    with open_tab(tmp_path) as made:
        yield made


def test_a_notebook_runs_in_jupyterlab_and_its_widgets_answer(lab, tab):
    tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
    tab.call("Page.navigate", url=f"{lab}/lab/tree/widgets.ipynb")
    tab.wait(f"window.jupyterapp && cell({len(CELLS) - 1}) !== undefined")
    tab.click("cell(0)")
    tab.wait("jupyterapp.shell.currentWidget.sessionContext.isReady && jupyterapp.commands.isEnabled('notebook:run-all-cells')")
    tab.value("void jupyterapp.commands.execute('notebook:run-all-cells')")
    tab.wait("cell(5).innerText.includes('all cells ran')")
    assert (
        tab.value('document.querySelectorAll(\'[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"]\').length')
        == 0
    )
    for step in (explore_another_class, type_labels, move_t_test, open_a_cell_of_the_matrix):
        step(tab)
    tab.picture("end")


def explore_another_class(tab):
    player = "cell(1).querySelector('iframe')"
    names = tab.wait("[...cell(1).querySelector('select').options].map(one => one.value)")
    tab.wait(f"{player}.srcdoc.includes('{names[0]} #0')")
    choose(tab, "cell(1).querySelector('select')", 1)
    tab.wait(f"{player}.srcdoc.includes('{names[1]} #0')")
    assert tab.value("cell(1).querySelectorAll('iframe').length") == 1
    box = tab.box(player)
    body = {"x": box["x"], "y": box["y"] + 80, "width": box["width"], "height": 260, "scale": 1}  # no words, no slider
    still = tab.picture("body", clip=body)
    end = time.monotonic() + 20
    while tab.picture("body", clip=body) == still:
        assert time.monotonic() < end, f"nobody moves; see {tab.pictures / 'body.png'}"


def choose(tab, menu, index):
    """The open menu is drawn by the system, out of the protocol's reach: say what it would."""
    tab.value(f"void ({menu}.selectedIndex = {index}, {menu}.dispatchEvent(new Event('change', {{bubbles: true}})))")


def type_labels(tab):
    text, picture = "cell(2).querySelector('input[type=text]')", "cell(2).querySelector('img')"
    last, heights, sources = tab.wait(f"{picture}.naturalHeight && {picture}.src"), [], []
    for labels in ("jump, squat", "jump, squat, wave hello, bow, swim"):
        tab.type_over(text, labels)
        last = tab.wait(f"{picture}.naturalHeight && {picture}.src !== {json.dumps(last)} && {picture}.src")
        heights.append(tab.value(f"{picture}.naturalHeight"))
        sources.append(last)
    assert heights[1] - heights[0] == pytest.approx(3 * 0.32 * 100, abs=2)  # three more bars
    tab.type_over(text, "jump, squat, jump")
    tab.wait("cell(2).innerText.includes(\"labels: 'jump' is given twice; give each label once\")")
    assert not tab.value("cell(2).innerText.includes('Traceback')")
    tab.picture("message")
    tab.type_over(text, "jump, squat")
    tab.wait(f"{picture}.src === {json.dumps(sources[0])}")  # the same labels, the same picture


def move_t_test(tab):
    picture, handle = "cell(3).querySelector('img')", "cell(3).querySelector('.noUi-handle')"
    before = tab.wait(f"{picture}.naturalHeight && {picture}.src")
    assert tab.value("cell(3).querySelector('.widget-readout').innerText") == "25"
    tab.value(f"{handle}.focus()")
    tab.press("ArrowRight", 39)
    tab.wait("cell(3).querySelector('.widget-readout').innerText === '26'")
    tab.wait(f"{picture}.src !== {json.dumps(before)}")


def open_a_cell_of_the_matrix(tab):
    filled = "[...cell(4).querySelectorAll('button')].filter(one => !one.disabled)"
    chosen = tab.value(f"{filled}.map(one => one.title)")
    assert sum(int(title.rpartition(": ")[2]) for title in chosen) == 12
    for index, title in enumerate(chosen):
        tab.click(f"{filled}[{index}]")
        true, predicted = title.rpartition(": ")[0].split(" → ")
        words = f"true: {true}", f"predicted: {predicted}"
        if true == predicted:
            words = (f"true and predicted: {true}",)
        tab.wait(" && ".join(f"cell(4).querySelector('iframe').srcdoc.includes('{word}')" for word in words))
