"""Downloads over a bad line, against a server on this machine; hostile archives; and the list of sources itself."""

import contextlib
import hashlib
import io
import json
import re
import resource
import shutil
import socket
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request

import numpy as np
import pytest

import tdsm.catalogue.fetch.catalogue
import tdsm.catalogue.fetch.download
from tdsm.catalogue.fetch import Patience, RemoteFile, Source, fetch, fetch_source, sources, steps
from tdsm.catalogue.fetch import unpack_archive as unpack
from tdsm.catalogue.fetch.download import _Redirects
from tdsm.catalogue.rows import all_benchmarks
from tdsm.util.errors import InputError

QUICK = Patience(attempts=4, wait=0.001, timeout=5.0)
CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)


# A server that does as it is told: one behaviour a request, the last one for all that follow


def send(handler, status: int, body: bytes = b"", length: int | None = None, **headers) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    with contextlib.suppress(ConnectionError):
        handler.wfile.write(body)


def whole(content: bytes, etag: str = '"1"', stop: int | None = None, heeds_if_range: bool = True) -> Callable:
    """An honest server, which knows Range; ``stop``: breaks the line after that many bytes."""

    def reply(handler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start = int(asked[1]) if asked and (not heeds_if_range or handler.headers.get("If-Range") == etag) else 0
        span = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        send(handler, 206 if start else 200, content[start:stop], len(content) - start, ETag=etag, **span)

    return reply


def plain(content: bytes, length: int | None = None, **headers) -> Callable:
    """A server that ignores Range."""
    return lambda handler: send(handler, 200, content, length, **headers)


def error(status: int) -> Callable:
    return lambda handler: send(handler, status, b"sorry")


def redirect(place: str) -> Callable:
    return lambda handler: send(handler, 302, Location=place)


class Server:
    def __init__(self) -> None:
        self.behaviours: list[Callable] = []
        self.seen: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.seen.append({"path": self.path, **dict(self.headers)})
                (outer.behaviours.pop(0) if len(outer.behaviours) > 1 else outer.behaviours[0])(self)

            def log_message(self, *_):
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def source(self, *behaviours: Callable, name: str = "clips.pkl", urls: tuple[str, ...] = (), **known) -> Source:
        self.behaviours = list(behaviours)
        file = RemoteFile(name, urls or (f"{self.url}/{name}",), **known)
        return Source("set", "A set", ("utd-mhad",), "https://example.org", "free", "cite", "tdsm evaluate {folder}", (file,))

    def ranges(self) -> list[str | None]:
        return [request.get("Range") for request in self.seen]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    running = Server()
    thread = threading.Thread(target=running.http.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    yield running
    running.http.shutdown()
    thread.join()
    running.http.server_close()


def get(source: Source, folder) -> bytes:
    (path,) = fetch_source(source, folder, patience=QUICK)
    assert path == folder / "set" / source.files[0].name
    assert not list(path.parent.rglob("*.part*"))
    return path.read_bytes()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# Downloads


def test_a_download_is_noted_and_not_repeated(server, tmp_path):
    source = server.source(whole(CONTENT), name="deep/down.pkl")
    assert get(source, tmp_path) == CONTENT
    note = json.loads((tmp_path / "set" / "fetched.json").read_text())["deep/down.pkl"]
    assert (note["url"], note["size"], note["sha256"]) == (source.files[0].urls[0], len(CONTENT), digest(CONTENT))
    assert get(source, tmp_path) == CONTENT
    assert len(server.seen) == 1


@pytest.mark.parametrize("known", [{}, {"size": len(CONTENT)}, {"sha256": digest(CONTENT)}], ids=["note", "size", "sha256"])
def test_a_file_that_was_changed_later_is_found_and_left_alone(server, tmp_path, known):
    source = server.source(whole(CONTENT), **known)
    get(source, tmp_path)
    path = tmp_path / "set" / "clips.pkl"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match=r"clips\.pkl: already exists with .* not .*; move it away"):
        fetch_source(source, tmp_path)
    assert path.read_bytes() == CONTENT[:-1]


def test_a_file_of_which_nothing_is_known_is_not_taken_for_the_download(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "clips.pkl").write_bytes(b"mine")
    with pytest.raises(InputError, match="no size or checksum is known"):
        fetch_source(server.source(whole(CONTENT)), tmp_path)
    assert server.seen == []


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    source = server.source(whole(CONTENT, stop=100_000), whole(CONTENT, stop=250_000), whole(CONTENT), sha256=digest(CONTENT))
    assert get(source, tmp_path) == CONTENT
    assert server.ranges() == [None, "bytes=100000-", "bytes=250000-"]
    assert server.seen[1]["If-Range"] == '"1"'


def test_a_later_run_goes_on_where_an_earlier_one_gave_up(server, tmp_path):
    with pytest.raises(InputError, match=r"broke off at 100000 of 300000 bytes \(4 attempts\); 100000 bytes are kept in clips\.pkl\.part"):
        fetch_source(server.source(whole(CONTENT, stop=100_000)), tmp_path, patience=QUICK)
    server.seen.clear()
    assert get(server.source(whole(CONTENT)), tmp_path) == CONTENT
    assert server.ranges() == ["bytes=100000-"]


def test_a_whole_file_that_was_not_yet_renamed_needs_no_network(server, tmp_path):
    source = server.source(whole(CONTENT))
    get(source, tmp_path)
    home = tmp_path / "set"
    (home / "clips.pkl").rename(home / "clips.pkl.part")
    (home / "clips.pkl.part.json").write_text(json.dumps({"url": source.files[0].urls[0], "tag": '"1"', "total": len(CONTENT)}))
    assert get(source, tmp_path) == CONTENT
    assert len(server.seen) == 1


def test_a_server_without_ranges_starts_over(server, tmp_path):
    source = server.source(whole(CONTENT, stop=100_000), plain(CONTENT))
    assert get(source, tmp_path) == CONTENT
    assert server.ranges() == [None, "bytes=100000-"]


def test_without_a_tag_nothing_is_pieced_together(server, tmp_path):
    assert get(server.source(plain(CONTENT[:100_000], len(CONTENT)), plain(CONTENT)), tmp_path) == CONTENT
    assert server.ranges() == [None, None]


@pytest.mark.parametrize("heeds", [True, False], ids=["If-Range heeded", "If-Range ignored"])
@pytest.mark.parametrize("new", [OTHER, OTHER[:200_000], OTHER + b"more"], ids=["same size", "shorter", "longer"])
def test_a_file_that_changes_meanwhile_starts_over(server, tmp_path, heeds, new):
    source = server.source(whole(CONTENT, stop=100_000), whole(new, etag='"2"', heeds_if_range=heeds))
    assert get(source, tmp_path) == new


@pytest.mark.parametrize("span", ["bytes 99999-299999/300000", "bytes 0-299999/300000", "bytes 100000-300000/300001"], ids=["before", "start", "total"])
def test_a_part_that_does_not_fit_starts_over(server, tmp_path, span):
    odd = lambda handler: send(handler, 206, CONTENT[100_000:], ETag='"1"', Content_Range=span)  # noqa: E731
    assert get(server.source(whole(CONTENT, stop=100_000), odd, whole(CONTENT)), tmp_path) == CONTENT
    assert server.ranges() == [None, "bytes=100000-", None]


def test_a_file_that_shrank_below_what_is_there_starts_over(server, tmp_path):
    assert get(server.source(whole(CONTENT, stop=100_000), error(416), whole(OTHER[:50_000], etag='"2"')), tmp_path) == OTHER[:50_000]


def test_a_note_that_makes_no_sense_starts_over(server, tmp_path):
    home = tmp_path / "set"
    home.mkdir()
    (home / "clips.pkl.part").write_bytes(b"x" * 1000)
    (home / "clips.pkl.part.json").write_text("[")
    assert get(server.source(whole(CONTENT)), tmp_path) == CONTENT


def test_a_file_shorter_than_its_announced_length_is_never_taken(server, tmp_path):
    with pytest.raises(InputError, match="broke off at 300000 of 300010 bytes"):
        fetch_source(server.source(plain(CONTENT, len(CONTENT) + 10, ETag='"1"')), tmp_path, patience=QUICK)
    assert not (tmp_path / "set" / "clips.pkl").exists()


def test_a_length_that_is_not_the_published_one_is_refused_before_downloading(server, tmp_path):
    with pytest.raises(InputError, match="offers 299990 bytes, expected 300000; try again later, or download the file from https://example"):
        fetch_source(server.source(plain(CONTENT, len(CONTENT) - 10), size=len(CONTENT)), tmp_path, patience=QUICK)
    assert [path.name for path in (tmp_path / "set").iterdir()] == []


def test_a_zip_cut_short_by_its_announced_length_is_refused(server, tmp_path):
    packed = zipped(tmp_path / "clips.zip", {"a.txt": b"a"}).read_bytes()
    with pytest.raises(InputError, match="not a complete zip"):
        fetch_source(server.source(plain(packed, len(packed) - 10), name="clips.zip"), tmp_path, patience=QUICK)


def test_a_wrong_checksum_names_both_and_keeps_the_file_aside(server, tmp_path):
    with pytest.raises(InputError) as caught:
        fetch_source(server.source(whole(OTHER), sha256=digest(CONTENT)), tmp_path, patience=QUICK)
    assert digest(OTHER) in str(caught.value)
    assert digest(CONTENT) in str(caught.value)
    assert "kept as clips.pkl.wrong" in str(caught.value)
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["clips.pkl.wrong"]


@pytest.mark.parametrize(
    ("behaviour", "message", "requests"),
    [
        (error(404), "answers 404", 1),
        (error(403), "answers 403", 1),
        (error(500), "answers 500 .*4 attempts", 4),
        (plain(b"  <!DOCTYPE html><title>Sign in</title>"), "returns a web page", 1),
        (plain(b""), "returns nothing", 1),
        (error(204), "answers 204", 1),
        (redirect("file:///etc/hostname"), "answers 302 .*file:", 1),
        (redirect("ftp://127.0.0.1/clips.pkl"), "answers 302 .*ftp:", 1),
        (redirect("/again"), "answers 302", None),
    ],
    ids=["404", "403", "500", "web page", "empty", "204", "to a file", "to ftp", "in circles"],
)
def test_what_a_server_may_say_instead(server, tmp_path, behaviour, message, requests):
    with pytest.raises(InputError, match=message) as caught:
        fetch_source(server.source(behaviour), tmp_path, patience=QUICK)
    assert "\n" not in str(caught.value)
    assert requests in (None, len(server.seen))
    assert list((tmp_path / "set").iterdir()) == []


def test_a_server_that_recovers(server, tmp_path):
    assert get(server.source(error(503), error(429), whole(CONTENT)), tmp_path) == CONTENT


def test_a_redirect_within_http_is_followed_and_keeps_the_range(server, tmp_path):
    source = server.source(redirect("/there"), whole(CONTENT, stop=100_000), redirect("/there"), whole(CONTENT))
    assert get(source, tmp_path) == CONTENT
    assert [(request["path"], request.get("Range")) for request in server.seen[2:]] == [("/clips.pkl", "bytes=100000-"), ("/there", "bytes=100000-")]


def test_the_second_address_when_the_first_is_gone(server, tmp_path):
    source = server.source(error(404), whole(CONTENT), urls=(f"{server.url}/old", f"{server.url}/new"))
    assert get(source, tmp_path) == CONTENT
    assert [request["path"] for request in server.seen] == ["/old", "/new"]


def test_addresses_where_nobody_answers(server, tmp_path):
    urls = ("file:///etc/hostname", "http://127.0.0.1:1/clips.pkl", server.url.replace("http:", "https:"))
    with pytest.raises(InputError) as caught:
        fetch_source(server.source(whole(CONTENT), urls=urls), tmp_path, patience=QUICK)
    assert "file:///etc/hostname is neither http nor https; http://127.0.0.1:1/clips.pkl cannot be reached" in str(caught.value)
    assert f"{urls[2]} cannot be reached" in str(caught.value)


def test_without_a_network_nobody_waits(server, tmp_path, monkeypatch):
    def getaddrinfo(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(time, "sleep", None)
    with pytest.raises(InputError, match=r"cannot be reached .*Name or service not known"):
        fetch_source(server.source(whole(CONTENT)), tmp_path)


@pytest.mark.parametrize("place", ["http://example.org/a", "ftp://example.org/a", "file:///a"])
def test_a_redirect_never_leaves_https(place):
    with pytest.raises(HTTPError, match="is not followed") as caught:
        _Redirects().redirect_request(Request("https://example.org/a"), io.BytesIO(), 302, "Found", {}, place)
    caught.value.close()
    assert _Redirects().redirect_request(Request("https://example.org/a"), io.BytesIO(), 302, "Found", {}, "https://example.org/b").full_url.endswith("/b")


# The disk


def test_too_little_space_is_said_before_anything_is_asked_for(server, tmp_path):
    with pytest.raises(InputError, match=r"GB are needed, .* GB are free"):
        fetch_source(server.source(whole(CONTENT), size=1 << 60), tmp_path)
    assert server.seen == []


def test_too_little_space_is_said_as_soon_as_the_length_is_known(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(InputError, match="GB are needed"):
        fetch_source(server.source(whole(CONTENT)), tmp_path, patience=QUICK)


def test_a_disk_that_fills_up_keeps_what_came(server, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    source = server.source(whole(CONTENT))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(InputError, match=r"cannot be written: File too large; free space"):
            fetch_source(source, tmp_path, patience=QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    kept = (tmp_path / "set" / "clips.pkl.part").stat().st_size
    assert 0 < kept <= 100_000
    assert get(source, tmp_path) == CONTENT
    assert server.ranges()[-1] == f"bytes={kept}-"


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "set").write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        fetch_source(server.source(whole(CONTENT)), tmp_path)


# Archives


def zipped(path, members: dict[str, bytes], link: str | None = None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.filename = name  # as it stands, whatever this system's separator
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFLNK if name == link else stat.S_IFREG) << 16
            archive.writestr(info, content)
    return path


def tarred(path, members: dict[str, bytes], link: str | None = None):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if name == link:
                info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc", 0
            archive.addfile(info, io.BytesIO(content))
    return path


PACKERS = pytest.mark.parametrize(("pack", "name"), [(zipped, "set.zip"), (tarred, "set.tar.gz")], ids=["zip", "tar"])


@PACKERS
def test_unpacking_gives_the_files(tmp_path, pack, name):
    members = {"./lists/a.txt": b"a", "lists/b.txt": CONTENT, "c.txt": b""}
    paths = unpack(pack(tmp_path / name, members), tmp_path / "out" / "set")
    assert [(path.relative_to(tmp_path / "out" / "set").as_posix(), path.read_bytes()) for path in paths] == [
        (name.removeprefix("./"), content) for name, content in members.items()
    ]
    with pytest.raises(InputError, match="already exists"):
        unpack(tmp_path / name, tmp_path / "out" / "set")


@PACKERS
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("../evil", "outside"),
        ("a/../../evil", "outside"),
        ("/evil", "outside"),
        ("C:/evil", "outside"),
        ("..\\evil", "outside"),
        ("link", "is a link or device"),
        ("GOOD.txt", "only in case"),
        ("good.txt/evil", "both a file and a folder"),
    ],
)
def test_hostile_names_are_refused_before_anything_is_written(tmp_path, pack, name, bad, message):
    archive = pack(tmp_path / name, {"good.txt": b"good", bad: b"evil"}, link="link")
    with pytest.raises(InputError, match=message):
        unpack(archive, tmp_path / "out" / "set")
    assert [path.name for path in tmp_path.rglob("*")] == [name]


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE])
def test_nothing_but_files_and_folders_comes_out_of_a_tar(tmp_path, kind):
    info = tarfile.TarInfo("odd")
    info.type, info.linkname = kind, "good"
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.addfile(info)
    with pytest.raises(InputError):
        unpack(tmp_path / "set.tar", tmp_path / "set")
    assert not (tmp_path / "set").exists()


@PACKERS
def test_a_bomb_is_refused(tmp_path, pack, name):
    bomb = pack(tmp_path / name, dict.fromkeys(("a", "b"), bytes(60 << 20)))
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="unpacks to more than"):
        unpack(bomb, tmp_path / "set")
    small = pack(tmp_path / f"small-{name}", {"a": bytes(10_000)})
    with pytest.raises(InputError, match="unpacks to more than 9999 bytes"):
        unpack(small, tmp_path / "set", most_bytes=9_999)
    assert not (tmp_path / "set").exists()


@PACKERS
def test_a_damaged_archive_leaves_nothing(tmp_path, pack, name):
    archive = pack(tmp_path / name, {"a": b"a", "b": CONTENT})
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 255
    archive.write_bytes(content)
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_other_archives_are_named(tmp_path):
    (tmp_path / "Skeleton.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(600))
    with pytest.raises(InputError, match=r"neither a zip nor a tar; unpack \.7z and \.rar with"):
        unpack(tmp_path / "Skeleton.7z", tmp_path / "set")
    with pytest.raises(InputError, match="no such file"):
        unpack(tmp_path / "none.zip", tmp_path / "set")


# The sources


def test_fetch_unpacks_on_request(server, tmp_path, monkeypatch, capsys):
    packed = zipped(tmp_path / "clips.zip", {"a.txt": b"a"}).read_bytes()
    source = server.source(whole(packed), name="clips.zip")
    monkeypatch.setattr(tdsm.catalogue.fetch.catalogue, "sources", lambda: [source])
    assert fetch("set", tmp_path, progress=False) == [tmp_path / "set" / "clips.zip"]
    for _ in range(2):  # the second time it is there
        assert fetch("set", tmp_path, progress=False, unpack=True) == [tmp_path / "set" / "clips"]
    assert (tmp_path / "set" / "clips" / "a.txt").read_bytes() == b"a"
    assert "terms: free" in capsys.readouterr().out
    assert len(server.seen) == 1


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"no source is called 'ntu'; choose among: utd-mhad, .*sa-dvae-features"):
        fetch("ntu", tmp_path)
    with pytest.raises(InputError, match="choose among"):
        steps("ntu")


@pytest.mark.parametrize("name", [source.name for source in sources() if not source.files])
def test_what_needs_a_person_is_explained_without_touching_network_or_disk(tmp_path, monkeypatch, capsys, name):
    monkeypatch.setattr(tdsm.catalogue.fetch.download, "_answer", None)
    assert fetch(name, tmp_path) == []
    assert capsys.readouterr().out == steps(name, tmp_path) + "\n"
    assert list(tmp_path.iterdir()) == []


DATASETS = {benchmark.dataset for benchmark in all_benchmarks()} | {"msr-action3d"}  # the last has a reader, and no published split


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_every_source_is_well_formed(source):
    assert source.title
    assert source.licence
    assert source.citation
    assert source.datasets
    assert set(source.datasets) <= DATASETS
    assert source.files or len(source.steps) > 1
    assert urlsplit(source.page).scheme == "https"
    for file in source.files:
        assert not file.name.startswith("/")
        assert ".." not in file.name.split("/")
        assert file.urls
        assert all(urlsplit(url).scheme in ("http", "https") and "{" not in url for url in file.urls)
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert (file.size is None) == (file.sha256 is None)
    text = steps(source.name, "data")
    assert "{" not in text
    assert f"data/{source.name}" in text
    assert source.licence in text


def test_names_of_sources_and_files_are_distinct():
    names = [source.name for source in sources()]
    assert len(set(names)) == len(names)
    for source in sources():
        assert len({file.name.casefold() for file in source.files}) == len(source.files)


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_the_next_command_exists(source):
    import tdsm.cli
    import tdsm.data.readers

    verbs = {command.callback.__name__ for command in tdsm.cli.app.registered_commands}
    command = re.match(r"tdsm (\w+) \S", source.next)
    function = re.match(r"tdsm\.data\.readers\.(\w+)\(", source.next)
    assert (command and command[1] in verbs) or (function and hasattr(tdsm.data.readers, function[1])) or source.next.startswith("cp ")
    assert "{folder}" in source.next


def test_checksums_are_those_of_the_files(download):
    places = {"purls": download("purls"), "sa-dvae-texts": download("sa_dvae")}
    for source in sources():
        for file in source.files if source.name in places else ():
            content = (places[source.name] / file.name).read_bytes()
            assert (len(content), digest(content)) == (file.size, file.sha256), file.name
