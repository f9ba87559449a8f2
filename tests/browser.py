"""A page in Chromium that tests can press and look at.

Chromium is driven through its own DevTools protocol, over the websocket client that Jupyter brings along: no driver program has to
match the browser's version, and nothing more has to be installed. Pictures of the page go to the folder that TDSM_SCREENSHOTS names,
or to the test's own.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
import websocket

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
NEEDED = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path: apt-get install chromium"),
    pytest.mark.skipif(os.name != "posix", reason="processes are ended in the way of POSIX"),
]


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

    def press(self, key, code=0):
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
        self.press_at(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def press_at(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, x=x, y=y)

    def picture(self, name, **options):
        data = base64.b64decode(self.call("Page.captureScreenshot", **options)["data"])
        (self.pictures / f"{name}.png").write_bytes(data)
        return data


@contextmanager
def open_tab(tmp_path, size="1300,4200"):
    """A Chromium of its own with one empty page, a window of that many pixels."""
    pictures = Path(os.environ.get("TDSM_SCREENSHOTS", tmp_path))
    pictures.mkdir(parents=True, exist_ok=True)
    log, profile = tmp_path / "chromium.log", tmp_path / "chromium"
    # Root, as in containers, has no sandbox in Chromium; the page is our own.
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"]
    options += ["--remote-debugging-port=0", f"--user-data-dir={profile}", f"--window-size={size}", "about:blank"]
    with running([CHROMIUM, *options], log, env=os.environ | {"HOME": str(tmp_path)}) as process:
        port = wait_for(
            lambda: (profile / "DevToolsActivePort").is_file() and (profile / "DevToolsActivePort").read_text().split()[0], "start of Chromium", process, log
        )
        pages = wait_for(lambda: answers(f"http://127.0.0.1:{port}/json/list"), "page of Chromium", process, log)
        made = Tab(next(page for page in pages if page["type"] == "page")["webSocketDebuggerUrl"], pictures)
        yield made
        made.socket.close()
