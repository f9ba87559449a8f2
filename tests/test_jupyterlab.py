"""The whole way that a user goes: JupyterLab in a browser, all cells run, widgets moved with keyboard and mouse.

Chromium is driven through its own DevTools protocol, over the websocket client that Jupyter brings along: no driver program has to
match the browser's version, and nothing more has to be installed. Without Chromium the test is skipped. Pictures of the page go
to the folder that TDSM_SCREENSHOTS names, or to the test's own.
"""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import nbformat
import pytest
import websocket

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path: apt-get install chromium"),
    pytest.mark.skipif(os.name != "posix", reason="processes are ended in the way of POSIX"),
]

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


@contextmanager
def running(command, log, **options):
    """A program with its children, all of which are ended at the end."""
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            process.terminate()  # Jupyter ends its kernels on this
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(find, what, process, log, seconds=60):
    """What ``find`` returns once it is true; the program's own words where it ends or takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        found = find()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"{what} within {seconds} s did not happen: {log.read_text()[-3000:]}")


def answers(url):
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as reply:
        return json.load(reply)


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


class Tab:
    """A page in Chromium, over the DevTools protocol (https://chromedevtools.github.io/devtools-protocol)."""

    def __init__(self, socket_address, pictures):
        self.socket = websocket.create_connection(socket_address, suppress_origin=True, timeout=60)
        self.numbers, self.pictures = count(1), pictures

    def call(self, method, **parameters):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (reply := json.loads(self.socket.recv())).get("id") != number:
            pass  # events
        assert "error" not in reply, reply
        return reply["result"]

    def value(self, expression):
        """The value of a JavaScript expression, in which ``cell(n)`` is the n-th cell of the notebook."""
        cell = "const cell = n => document.querySelectorAll('.jp-Notebook .jp-CodeCell')[n];"
        reply = self.call("Runtime.evaluate", expression=f"(() => {{ {cell} return {expression}; }})()", returnByValue=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]["exception"]["description"]
        return reply["result"].get("value")

    def wait(self, condition, seconds=60):
        """Until a JavaScript condition holds; returns its value."""
        end, problem = time.monotonic() + seconds, ""
        while time.monotonic() < end:
            try:
                if found := self.value(condition):
                    return found
            except AssertionError as error:  # an element that is not there yet
                problem = str(error)
            time.sleep(0.1)
        self.picture("stuck")
        shown = self.value("document.body.innerText")[-2000:]
        pytest.fail(f"waited {seconds} s for {condition}; {problem}; see {self.pictures / 'stuck.png'}; the page says: {shown}", pytrace=False)

    def press(self, key, code):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def type_over(self, element, text):
        self.value(f"({element}.focus(), {element}.select())")
        self.call("Input.insertText", text=text)
        self.press("Enter", 13)

    def box(self, element):
        return self.wait(f"({element}.scrollIntoView({{block: 'nearest'}}), {element}.getBoundingClientRect().toJSON())")

    def click(self, element):
        box = self.box(element)
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def picture(self, name, **options):
        data = base64.b64decode(self.call("Page.captureScreenshot", **options)["data"])
        (self.pictures / f"{name}.png").write_bytes(data)
        return data


@pytest.fixture
def tab(tmp_path):
    pictures = Path(os.environ.get("TDSM_SCREENSHOTS", tmp_path))
    pictures.mkdir(parents=True, exist_ok=True)
    log, profile = tmp_path / "chromium.log", tmp_path / "chromium"
    # Root, as in containers, has no sandbox in Chromium; the page is our own.
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"]
    options += ["--remote-debugging-port=0", f"--user-data-dir={profile}", "--window-size=1300,4200", "about:blank"]
    with running([CHROMIUM, *options], log, env=os.environ | {"HOME": str(tmp_path)}) as process:
        port = wait_for(
            lambda: (profile / "DevToolsActivePort").is_file() and (profile / "DevToolsActivePort").read_text().split()[0], "start of Chromium", process, log
        )
        pages = wait_for(lambda: answers(f"http://127.0.0.1:{port}/json/list"), "page of Chromium", process, log)
        made = Tab(next(page for page in pages if page["type"] == "page")["webSocketDebuggerUrl"], pictures)
        yield made
        made.socket.close()


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
