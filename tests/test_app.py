"""The page for the browser: what stands behind it, the server with ten users at once, and the whole way of a user in Chromium.

What needs Gradio is skipped without it (``pip install "tdsm[app]"``).
"""

import base64
import csv
import importlib.util
import io
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import NEEDED, Tab, answers, open_tab, running, wait_for

import tdsm
from tdsm.app.desk import Desk, example_labels, sentences_of
from tdsm.app.pieces import bars, bodies, fault, lines
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.examples import RIVALS, example_clips
from tdsm.data.layouts import SMPL_22
from tdsm.recognizer.predictions import Predictions
from tdsm.search import Library
from tdsm.spotting.spot import spot
from tdsm.util.errors import InputError
from tdsm.viz.animation import player

needs_gradio = pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason='no Gradio: pip install "tdsm[app]"')
UNSAID = (None,) * 4  # layout, frames a second, width and height
NASTY = "<img src=x onerror=alert(1)> ${alert(2)} {{value}} \"'&amp;"


@pytest.fixture(scope="module")
def desk():
    return Desk()


def long_recording():
    """Real clips with rests between them, 30 s."""
    pieces = []
    for clip in example_clips()[1:6]:
        joints = clip.joints[0]
        pieces += [np.repeat(joints[:1], 30, axis=0), joints, np.repeat(joints[-1:], 30, axis=0)]
    return Clip(np.concatenate(pieces), SMPL_22, fps=30.0, name="a long one")


def saved(folder, name="mine.npz", clips=None):
    path = folder / name
    clips = example_clips() if clips is None else clips
    return clips.save(path)


def text_of(page):
    """The words that a browser would show, without those in frames."""
    words = []
    reader = HTMLParser()
    reader.handle_data = words.append
    reader.feed(page)
    return " ".join(" ".join(words).split())


class TestDesk:
    def test_an_example_is_answered(self, desk):
        for number in (0, 1, 5):
            label = desk.examples[number].label
            desk.example("me", number)
            answer = desk.answer("me", 0, example_labels(label, ""))
            names = re.findall(r'class="tdsm-bar[^>]*><span>([^<]*)</span>', answer.ranking)
            assert set(names) == {label, *RIVALS[label], "none of these"} and names[-1] == "none of these"
            assert "<iframe" in answer.body and not answer.found
            assert label in text_of(answer.readings)
            assert "smpl-22" in text_of(answer.notes)

    def test_it_says_what_the_recognizer_says(self, desk):
        labels = ["jump straight up", "walk forward", "bow, slowly"]
        desk.example("me", 1)
        direct = desk.recognizer.predict(desk.examples[1], labels)
        shown = text_of(desk.answer("me", 0, 'jump straight up, walk forward, "bow, slowly"').ranking)
        for label in labels:
            assert f"{label} {direct.probability(0, label):.0%}" in shown
        assert f"none of these {direct.none_of_these[0]:.0%}" in shown

    def test_descriptions_are_read(self, desk):
        desk.example("me", 1)
        answer = desk.answer("me", 0, "hop, walk", "hop: Both feet leave the floor.\n\nrun: The legs are fast.")
        assert "description" in text_of(answer.readings)
        assert "1 of 2 match no label" in text_of(answer.notes)

    def test_a_file_is_read_and_gone(self, desk, tmp_path):
        path = saved(tmp_path)
        recording = desk.take("me", path)
        assert not path.exists()
        assert len(recording.names) == len(example_clips()) and len(set(recording.names)) == len(recording.names)
        assert "jump straight up" in desk.answer("me", 1, "jump straight up, walk forward").ranking

    def test_an_array_is_read_with_its_layout_and_rate(self, desk, tmp_path):
        np.save(tmp_path / "mine.npy", example_clips()[1].joints)
        with pytest.raises(InputError, match="layout"):
            desk.take("me", tmp_path / "mine.npy")
        np.save(tmp_path / "mine.npy", example_clips()[1].joints)
        (clip,) = desk.take("me", tmp_path / "mine.npy", "smpl-22", 25.0).clips
        assert (clip.layout.name, clip.fps) == ("smpl-22", 25.0)

    def test_right_or_wrong_is_said_only_of_a_label_that_was_asked(self, desk):
        desk.example("me", 1)
        assert "true" in desk.answer("me", 0, "Jump_straight up, walk").body
        assert "true: " not in desk.answer("me", 0, "leap, walk").body

    def test_two_sessions_may_drop_the_same_file_at_once(self, desk, tmp_path):
        path = saved(tmp_path)
        desk.take("one", path)
        assert len(desk.take("two", path).clips) == len(example_clips())  # it lay at the same place, and was read and deleted

    def test_what_was_doubted_when_reading_is_a_note(self, desk, tmp_path):
        clip = example_clips()[1]
        desk.take("me", saved(tmp_path, clips=ClipSet((Clip(clip.joints, SMPL_22, fps=None, name="no rate"),), (), "mine")))
        assert "30" in text_of(desk.answer("me", 0, "jump, walk").notes)

    def test_a_long_recording_has_segments(self, desk, tmp_path):
        clip, labels = long_recording(), ["jump straight up", "throw punches", "climb a ladder"]
        desk.take("me", saved(tmp_path, clips=ClipSet((clip,), (), "mine")))
        answer = desk.answer("me", 0, ", ".join(labels))
        spots = spot(desk.recognizer, desk._held["me"].clips[0], labels)
        assert len(spots) >= 2 and not answer.body and answer.found.count("<iframe") == 1
        for label in {each.label for each in spots.found}:
            assert label in text_of(answer.found)
        data = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]*)"', answer.found)[1]
        rows = list(csv.DictReader(io.StringIO(base64.b64decode(data).decode())))
        assert [row["label"] for row in rows] == [each.label for each in spots.found]
        assert [int(row["start_frame"]) for row in rows] == [each.start for each in spots.found]

    def test_another_session_sees_nothing_of_it_and_a_session_that_is_over_is_forgotten(self, desk, tmp_path):
        desk.take("me", saved(tmp_path))
        with pytest.raises(InputError, match="none is chosen"):
            desk.answer("somebody else", 0, "walk, jump")
        desk.forget("me")
        with pytest.raises(InputError, match="none is chosen"):
            desk.answer("me", 0, "walk, jump")

    def test_the_oldest_of_many_sessions_are_forgotten(self, desk):
        for number in range(120):
            desk.example(f"user {number}", 1)
        assert len(desk._held) == 50
        assert desk.answer("user 119", 0, "jump, walk").ranking

    @pytest.mark.parametrize(("content", "words"), [
        (b"", "empty"), (b"hello", ""), (b"\x89PNG\r\n\x1a\n", ""), (b"{}", ""), (b"[]", ""), (b"a,b\n1,2\n", ""), (b"PK\x03\x04broken", ""),
        (b"\x80\x04\x95cos\nsystem\n", ""), (b"[" * 100_000, ""), (b"\x93NUMPY", ""),
    ], ids=["empty", "text", "picture", "object", "list", "table", "zip", "pickle", "deep", "npy"])  # fmt: skip
    def test_a_wrong_file_is_one_line_without_its_folder(self, desk, tmp_path, content, words):
        folder = tmp_path / "secret place"
        folder.mkdir()
        (folder / "mine.npz").write_bytes(content)
        with pytest.raises(InputError) as caught:
            desk.take("me", folder / "mine.npz")
        message = str(caught.value)
        assert message.startswith("mine.npz: ") and "secret" not in message and "\n" not in message and words in message
        assert not (folder / "mine.npz").exists()

    @pytest.mark.parametrize("frames", [1, 2, 240_000])
    def test_very_short_and_very_long_recordings(self, desk, tmp_path, frames):
        joints = np.resize(example_clips()[1].joints[0], (frames, 22, 3))
        desk.take("me", saved(tmp_path, clips=ClipSet((Clip(joints, SMPL_22, fps=30.0),), (), "mine")))
        if frames > 200_000:
            with pytest.raises(InputError, match="240,000 frames"):
                desk.answer("me", 0, "walk, jump")
        else:
            assert desk.answer("me", 0, "walk, jump").ranking

    @pytest.mark.parametrize(
        "labels", ["walk, Walk", "walk, walk", ",", '"walk', "walk, \u200b", "x" * 20_000, ", ".join(f"name {number}" for number in range(301))]
    )
    def test_labels_that_cannot_be_asked_are_one_line(self, desk, labels):
        desk.example("me", 1)
        with pytest.raises(InputError) as caught:
            desk.answer("me", 0, labels)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400

    @pytest.mark.parametrize("text", ["squat", "squat:", ": sentence", "a: b\na: c"])
    def test_descriptions_of_another_form_are_one_line(self, text):
        with pytest.raises(InputError, match="descriptions, line"):
            sentences_of(text)

    def test_no_text_of_a_user_becomes_markup(self, desk, tmp_path):
        clip = Clip(long_recording().joints, SMPL_22, label=NASTY, fps=30.0, name=NASTY)
        desk.take("me", saved(tmp_path, clips=ClipSet((clip,), (NASTY,), "mine")))
        quoted = '"' + NASTY.replace('"', '""') + '"'
        answers = [desk.answer("me", 0, f"{quoted}, jump straight up", f"{NASTY.replace(':', ' ')}: {NASTY}"), desk.answer("me", 0, "")]
        pages = [page for answer in answers for page in (answer.beside, answer.below)]
        pages += [fault(InputError("file", NASTY, NASTY)), lines([NASTY])]
        for page in pages:
            assert "<img" not in page
            assert "<script" not in re.sub(r'srcdoc="[^"]*"', "", page)
        assert NASTY.split(" ${")[0] in text_of(pages[0])

    def test_a_recognizer_without_probabilities_shows_scores(self):
        answer = Predictions(("a",), ("walk", "jump"), np.array([[-0.9, -0.2]], np.float32))
        shown = text_of(bars(answer))
        assert shown.startswith("jump -0.2 walk -0.9") and "none of these" not in shown and "%" not in shown

    def test_labels_of_an_example_give_way_to_a_users_own(self):
        offered = example_labels("walk forward", "")
        assert set(offered.split(", ")) == {"walk forward", *RIVALS["walk forward"]}
        assert "throw punches" in example_labels("throw punches", offered)
        assert example_labels("walk forward", "my own, labels") == "my own, labels"
        assert (example_labels(None, offered), example_labels(None, "my own")) == ("", "my own")

    def test_a_library_of_ones_own_is_searched(self, desk, tmp_path):
        library = Library.build(saved(tmp_path, clips=ClipSet(tuple(example_clips()[:3]), tuple(clip.label for clip in example_clips()[:3]), "mine")))
        assert desk.find("dance", 12).count("CMU ") == 12 and Desk(desk.recognizer, library).find("dance", 12).count("CMU ") == 3

    def test_clips_are_found_by_words(self, desk):
        page = desk.find("jump up with both feet", 3)
        assert "jump straight up" in page.replace("&quot;", '"') and page.count("<iframe") == 1
        with pytest.raises(InputError):
            desk.find(" ", 3)

    def test_the_body_is_the_page_of_the_player(self):
        made = player(example_clips()[1])
        source = re.search(r'srcdoc="([^"]*)"', bodies(made))[1]
        for code, char in (("&lt;", "<"), ("&quot;", '"'), ("&amp;", "&")):
            source = source.replace(code, char)
        assert source == made.html()

    def test_ten_questions_at_once_are_answered_each_for_itself(self, desk):
        """The recognizer alone, without the desk's lock: what it keeps of labels mixes nothing."""
        asked = [(clip, [clip.label, *RIVALS[clip.label]]) for clip in example_clips()[:10]]
        alone = [desk.recognizer.predict(clip, labels).scores for clip, labels in asked]
        with ThreadPoolExecutor(10) as pool:
            for _ in range(3):
                together = list(pool.map(lambda pair: desk.recognizer.predict(*pair).scores, asked))
                assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(alone, together, strict=True))


def test_without_gradio_it_is_one_line(monkeypatch, capsys):
    import tdsm.cli

    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr(sys, "argv", ["tdsm", "app"])
    with pytest.raises(SystemExit) as ended:
        tdsm.cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1 and 'pip install "tdsm[app]"' in said


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """``tdsm app`` as a process of its own, with the folder of its temporary files, and how long it took to start."""

    def __init__(self, folder, process, port, log, started):
        self.folder, self.process, self.port, self.log, self.started = folder, process, port, log, started
        self.address = f"http://127.0.0.1:{port}"

    def files(self):
        return [path for path in self.folder.rglob("*") if path.is_file() and path.stat().st_size]


def serving(tmp_path, *options):
    """A server that ends with the test."""
    port, log, folder = free_port(), tmp_path / "app.log", tmp_path / "temporary"
    folder.mkdir()
    environment = os.environ | {"TMPDIR": str(folder), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    start = time.monotonic()
    with running([sys.executable, "-m", "tdsm.cli", "app", "--port", str(port), *options], log, env=environment) as process:
        wait_for(lambda: f"http://127.0.0.1:{port}" in log.read_text(), "start of the server", process, log, 120)
        yield Server(folder, process, port, log, time.monotonic() - start)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    yield from serving(tmp_path_factory.mktemp("server"))


class User:
    """A session with a server over plain HTTP, as a browser has it."""

    def __init__(self, server):
        self.server, self.session = server, secrets.token_hex(8)

    def send(self, path, content, kind):
        request = urllib.request.Request(f"{self.server.address}/gradio_api/{path}", content, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=100) as reply:
            return json.load(reply)

    def upload(self, path):
        head = f'--edge\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'.encode()
        (place,) = self.send("upload", head + path.read_bytes() + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge")
        return {"path": place, "meta": {"_type": "gradio.FileData"}}

    def ask(self, name, *data):
        """What the page gets for an answer: the values of its outputs."""
        event = self.send(f"call/{name}", json.dumps({"data": data, "session_hash": self.session}).encode(), "application/json")["event_id"]
        with urllib.request.urlopen(f"{self.server.address}/gradio_api/call/{name}/{event}", timeout=100) as reply:
            lines = [line.decode().strip() for line in reply if line.strip()]
        assert lines[-2] == "event: complete", lines
        return json.loads(lines[-1].removeprefix("data: "))


@needs_gradio
@pytest.mark.slow
class TestServer:
    def test_ten_users_at_once_get_each_their_own_answer(self, server, desk, tmp_path):
        asked = [(clip, [clip.label, *RIVALS[clip.label]]) for clip in example_clips()[:10]]
        direct = [desk.recognizer.predict(clip, labels) for clip, labels in asked]
        files = [saved(tmp_path, f"{number}.npz", ClipSet((clip,), (clip.label,), "mine")) for number, (clip, _) in enumerate(asked)]
        ready = threading.Barrier(len(asked))

        def use(number):
            user, labels = User(server), ", ".join(asked[number][1])
            ready.wait(60)
            user.ask("upload", user.upload(files[number]), "", "", *UNSAID)
            return [user.ask("recognise", None, labels, "")[0] for _ in range(3)]

        with ThreadPoolExecutor(len(asked)) as pool:
            answers = list(pool.map(use, range(len(asked))))
        for (clip, labels), mine, pages in zip(asked, direct, answers, strict=True):
            for page in pages:
                shown = text_of(re.sub(r"<iframe.*?</iframe>", "", page))
                for label in labels:
                    said = re.search(re.escape(label) + r" (\d+)%", shown)
                    assert abs(int(said[1]) - 100 * mine.probability(0, label)) < 1, (clip.name, label, shown)
                assert clip.name in page
        assert not server.files()

    def test_ten_users_may_drop_the_same_file_at_once(self, server, tmp_path):
        path, ready = saved(tmp_path), threading.Barrier(10)

        def use(_):
            user = User(server)
            ready.wait(60)
            return user.ask("upload", user.upload(path), "", "", *UNSAID)[-2]

        with ThreadPoolExecutor(10) as pool:
            assert all("<iframe" in page for page in pool.map(use, range(10)))
        assert not server.files()

    def test_bad_input_is_one_line_and_the_server_lives(self, server, tmp_path):
        user = User(server)
        (tmp_path / "letter.txt").write_text("Dear all, <b>hello</b>")
        *_, page, below = user.ask("upload", user.upload(tmp_path / "letter.txt"), "walk", "", *UNSAID)
        assert 'role="alert"' in page and "letter.txt: " in page and "Traceback" not in page and str(server.folder) not in page
        assert below == ""
        assert "none is chosen" in user.ask("recognise", None, "walk", "")[0]
        assert "none given" in user.ask("recognise", None, "", "")[0]
        assert "jump straight up" in user.ask("example", 1, None, None)[-2]
        assert "given twice" in user.ask("recognise", None, "walk, walk", None)[0]
        assert "jump straight up" in user.ask("search", "jump up", 3)[0].replace("&quot;", '"')
        assert 'role="alert"' in user.ask("search", " ", 3)[0]
        assert "Traceback" not in server.log.read_text()
        assert not server.files()

    def test_a_file_that_is_too_large_is_refused(self, server):
        boundary, size = "edge", 201 * 2**20
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="big.npz"\r\n\r\n'.encode()
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
            line.sendall(
                f"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n"
                f"Content-Length: {len(head) + size}\r\nConnection: close\r\n\r\n".encode()
                + head
            )
            with suppress(OSError):  # it may hang up before it has heard everything
                for _ in range(size // 2**20):
                    line.sendall(bytes(2**20))
            with suppress(OSError):
                assert b" 413 " in line.recv(100)
        wait_for(lambda: sum(path.stat().st_size for path in server.files()) < 2**20, "end of the upload", server.process, server.log)

    def test_it_listens_at_loopback_alone(self, server):
        own = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
        for address in own:
            with pytest.raises(OSError), socket.create_connection((address, server.port), timeout=2):
                pass

    def test_nothing_but_uploads_is_given_out(self, server):
        for path in ("/gradio_api/file=/etc/hostname", f"/gradio_api/file={Path(tdsm.__file__)}", "/gradio_api/file=pyproject.toml", "/monitoring"):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(server.address + path, timeout=10)


@needs_gradio
@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_when_the_server_ends_its_folder_is_gone(tmp_path, ending):
    for server in serving(tmp_path):
        long = Clip(np.resize(long_recording().joints[0], (60_000, 22, 3)), SMPL_22, fps=30.0)
        user = User(server)
        user.ask("upload", user.upload(saved(tmp_path, "long.npz", ClipSet((long,), (), "mine"))), "", "", *UNSAID)
        user.send("call/recognise", json.dumps({"data": [None, "walk, jump", ""], "session_hash": user.session}).encode(), "application/json")
        user.upload(saved(tmp_path))  # and the page is closed before it was read
        assert len(server.files()) == 1
        server.process.send_signal(ending)
        assert server.process.wait(30) == 0, server.log.read_text()
        assert not list(server.folder.glob("tdsm-app-*"))
        assert "Traceback" not in server.log.read_text()


@needs_gradio
@pytest.mark.slow
def test_what_cannot_be_served_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, words in (
            (["--port", port], f"127.0.0.1:{port}: "),
            (["--port", "0", "--host", "203.0.113.7"], "203.0.113.7"),
            (["--library", "none"], "none: "),
        ):
            ended = subprocess.run([sys.executable, "-m", "tdsm.cli", "app", *options], capture_output=True, text=True, timeout=100)
            assert ended.returncode == 2
            assert ended.stderr.count("\n") == 1 and words in ended.stderr


# ---- the whole way of a user


def by_id(name):
    return f"document.getElementById('{name}')"


def shown(tab, words, place="answer", seconds=60):
    """Until these words stand in a part of the page."""
    tab.wait(f"{by_id(place)}.innerText.includes({json.dumps(words)})", seconds)


def open_page(tab, server):
    tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
    tab.call("Page.navigate", url=server.address)
    tab.wait(f"!!{by_id('example')} && !!{by_id('ask')} && !!document.querySelector('#file input[type=file]')")
    tab.value("void (window.faults = [], addEventListener('error', e => faults.push(e.message)))")


def drop(tab, path):
    root = tab.call("DOM.getDocument")["root"]["nodeId"]
    chooser = tab.call("DOM.querySelector", nodeId=root, selector="#file input[type=file]")["nodeId"]
    tab.call("DOM.setFileInputFiles", nodeId=chooser, files=[str(path)])


def type_in(tab, name, text):
    tab.value(f"void ({by_id(name)}.querySelector('textarea, input').focus(), {by_id(name)}.querySelector('textarea, input').select())")
    tab.call("Input.insertText", text=text)


def until(tab, condition, act):
    """Act, again if the page or frame was not yet awake, until a condition holds in it."""
    end = time.monotonic() + 20
    while not tab.value(condition):
        assert time.monotonic() < end, f"{condition} does not come"
        act()
        time.sleep(0.2)


def press_until(tab, element, condition):
    """Click an element until a condition holds."""
    until(tab, condition, lambda: tab.click(element))


def choose(tab, name, number):
    """Open a menu and take one of its lines."""
    press_until(tab, f"{by_id(name)}.querySelector('input')", "document.querySelectorAll('[role=option]').length")
    tab.click(f"document.querySelectorAll('[role=option]')[{number}]")


@contextmanager
def inside(tab, folder):
    """The page in the frame, which is a process of its own."""
    port = (folder / "chromium" / "DevToolsActivePort").read_text().split()[0]
    end = time.monotonic() + 20
    while time.monotonic() < end:
        frames = [page for page in answers(f"http://127.0.0.1:{port}/json/list") if page["type"] == "iframe"]
        if len(frames) == 1:
            frame = Tab(frames[0]["webSocketDebuggerUrl"], tab.pictures)
            with closing(frame.socket):
                yield frame
            return
        time.sleep(0.1)
    pytest.fail(f"there are {len(frames)} frames, not one")


def press_inside(tab, frame, element, condition):
    """Mouse down and up in the frame, by way of the page, as a user's is, until the frame, another process, has heard it."""

    def press():
        inner = frame.box(element)  # first: it may scroll the page
        outer = tab.box("document.querySelector('#below iframe')")
        tab.press_at(outer["x"] + inner["x"] + inner["width"] / 2, outer["y"] + inner["y"] + inner["height"] / 2)

    until(frame, condition, press)


def nothing_went_wrong(tab, server):
    assert tab.value("faults") == []
    assert "Traceback" not in server.log.read_text()
    foreign = "performance.getEntriesByType('resource').map(one => one.name).filter(name => !name.startsWith(location.origin) && !/^(data|blob):/.test(name))"
    assert tab.value(foreign) == []


@needs_gradio
class TestBrowser:
    pytestmark = NEEDED

    @pytest.fixture
    def tab(self, tmp_path):
        with open_tab(tmp_path, "1300,2100") as made:
            yield made

    def test_an_example_is_the_first_answer(self, tab, tmp_path):
        """From the command to the answer, with the time that it takes."""
        start = time.monotonic()
        for server in serving(tmp_path):
            opened = time.monotonic()
            open_page(tab, server)
            choose(tab, "example", 1)
            shown(tab, "none of these")
            now = time.monotonic()
            print(
                f"server ready after {server.started:.1f} s; first answer {now - opened:.1f} s after the page was opened, {now - start:.1f} s after the command"
            )
            for words in (*RIVALS["jump straight up"], "How each name was read", "Notes"):
                shown(tab, words)
            time.sleep(1)
            tab.picture("example")
            nothing_went_wrong(tab, server)

    def test_upload_type_answer_and_timeline(self, tab, server, tmp_path):
        path = saved(tmp_path, "long.npz", ClipSet((long_recording(), example_clips()[1]), ("jump straight up",), "mine"))
        open_page(tab, server)
        drop(tab, path)
        shown(tab, "Type the names")
        assert not server.files()
        type_in(tab, "labels", "jump straight up, throw punches, climb a ladder")
        tab.click(by_id("ask"))
        shown(tab, "actions in 29.4 s", "below")
        shown(tab, "none of these")
        with inside(tab, tmp_path) as frame:
            bands = frame.wait("document.querySelectorAll('.band').length")
            rows = tab.wait("document.querySelectorAll('#below table tr').length - 1")
            assert bands == rows >= 3
            assert frame.value("+get('ticks').getAttribute('aria-valuenow')") == 0
            press_inside(tab, frame, "document.querySelectorAll('.band')[2]", "document.querySelectorAll('.band.on').length && get('start').value")
            start, end = (float(frame.value(f"get('{name}').value")) for name in ("start", "end"))
            assert start > 1
            frame.wait(f"+get('ticks').getAttribute('aria-valuenow') >= {start}")
            assert frame.value("+get('ticks').getAttribute('aria-valuenow')") <= end
            assert frame.value("document.querySelectorAll('.band.on').length") == 1
        tab.picture("timeline")
        link = tab.value("document.querySelector('#below a[download]').href")
        assert base64.b64decode(link.partition("base64,")[2]).decode().splitlines()[0].startswith("start,end,label")
        choose(tab, "clip", 1)  # the short one of the file
        shown(tab, "none of these")
        tab.wait(f"{by_id('below')}.innerText.trim() === '' && !!document.querySelector('#answer iframe')")
        tab.picture("second clip")
        nothing_went_wrong(tab, server)

    def test_bad_input_is_one_line_on_the_page(self, tab, server, tmp_path):
        (tmp_path / "letter.txt").write_text("Dear all, <b>hello</b>")
        open_page(tab, server)
        type_in(tab, "labels", "walk, jump")
        tab.click(by_id("ask"))
        shown(tab, "recording: none is chosen; drop a file or pick an example")
        drop(tab, tmp_path / "letter.txt")
        shown(tab, "letter.txt: ")
        assert tab.value("document.querySelectorAll('#answer [role=alert]').length") == 1
        tab.picture("wrong file")
        tab.click("document.querySelector('#file button[aria-label]')")
        tab.wait(f"{by_id('answer')}.innerText.trim() === ''")
        drop(tab, saved(tmp_path, "<img src=x onerror=faults.push(1)>.npz"))
        shown(tab, "none of these")
        for labels, words in {
            "walk, walk": "given twice",
            ",": "label",
            "walk, <img src=x onerror=faults.push(2)>": "<img src=x onerror=faults.push(2)>",
        }.items():
            type_in(tab, "labels", labels)
            tab.click(by_id("ask"))
            shown(tab, words)
        shown(tab, "none of these")
        assert tab.value("document.querySelectorAll('#answer img').length") == 0
        type_in(tab, "labels", "walk, ${faults.push(3)}, {{value}}")
        tab.click(by_id("ask"))
        shown(tab, "${faults.push(3)}")
        tab.picture("odd labels")
        nothing_went_wrong(tab, server)

    def test_clips_are_found_by_a_text(self, tab, server):
        open_page(tab, server)
        press_until(tab, "document.querySelectorAll('[role=tab]')[1]", f"!!{by_id('text')}")
        type_in(tab, "text", "somebody jumps")
        tab.click(by_id("search"))
        tab.wait("!!document.querySelector('#hits iframe')")
        assert tab.value("document.querySelector('#hits iframe').srcdoc.includes('jump straight up')")
        time.sleep(1)
        tab.picture("search")
        type_in(tab, "text", " ")
        tab.click(by_id("search"))
        tab.wait("!!document.querySelector('#hits [role=alert]')")
        nothing_went_wrong(tab, server)

    def test_a_page_that_is_closed_leaves_nothing(self, tab, server, tmp_path):
        open_page(tab, server)
        drop(tab, saved(tmp_path))
        shown(tab, "Type the names")
        addresses = "performance.getEntriesByType('resource').map(one => one.name)"
        user = User(server)
        user.session = tab.wait(f"{addresses}.map(one => one.match(/session_hash=(\\w+)/)?.[1]).find(Boolean)")  # listed once its stream has ended
        assert "<iframe" in user.ask("recognise", None, "walk, jump", "")[0]
        tab.call("Page.navigate", url="about:blank")
        wait_for(lambda: "none is chosen" in user.ask("recognise", None, "walk, jump", "")[0], "end of the session", server.process, server.log)
