"""Clip stores and the loop over many files: nothing that was written is lost, nothing that is bad gets in, nothing is read twice."""

import io
import os
import resource
import select
import shutil
import signal
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.disk import ClipStore, is_store, open_store
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.data.readers import load_clips, reading
from tdsm.data.readers.reading import Reading, Skipped, read_files
from tdsm.util import progress
from tdsm.util.errors import InputError
from tdsm.util.files import read_sealed, write_sealed

CLASSES = ("wave, or \"greet\"\n", "jump", "Gruß")  # fmt: skip
KIND = ("mine", KINECT_20, CLASSES)
FILES = [f"{number}.txt" for number in range(1, 8)]


def clip(name="clip", frames=3, persons=1, label=CLASSES[0], layout=KINECT_20, subject="s1"):
    rng = np.random.default_rng(abs(hash((frames, persons))) % 1000)
    return Clip(rng.normal(size=(persons, frames, len(layout), layout.dims)), layout, label, subject, 25.0, name)


def clips_of(file):
    """Of file n: n % 3 clips."""
    number = int(file.removesuffix(".txt"))
    return [clip(f"{number}#{part}", number + part, 1 + part, CLASSES[number % 3] if number != 4 else None, subject=None) for part in range(number % 3)]


def same(left, right):
    assert (left.name, left.classes, left.layout, len(left)) == (right.name, right.classes, right.layout, len(right))
    for a, b in zip(left, right, strict=True):
        assert (a.name, a.label, a.subject, a.fps) == (b.name, b.label, b.subject, b.fps)
        np.testing.assert_array_equal(a.joints, b.joints, strict=True)


def write(folder, files=FILES):
    """Go on with a store; returns the files that were added."""
    with ClipStore(folder, *KIND) as store:
        todo = [file for file in files if file not in store.done]
        for file in todo:
            store.add(file, clips_of(file))
    return todo


def content(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "store"
    write(folder)
    return folder


# A store


def test_a_store_gives_back_its_clips_as_views_of_the_file(whole):
    clips = open_store(whole)
    same(clips, ClipSet(tuple(one for file in FILES for one in clips_of(file)), CLASSES, "mine"))
    same(clips, load_clips(whole))
    for one in clips:
        assert not one.joints.flags.owndata and not one.joints.flags.writeable
        base = one.joints
        while not isinstance(base, np.memmap):
            base = base.base
    assert sum(one.joints.nbytes for one in clips) == (whole / "joints.f32").stat().st_size
    assert is_store(whole) and not is_store(whole.parent)


def test_a_file_without_clips_is_done_too(whole):
    assert clips_of("3.txt") == []
    assert write(whole) == []


@settings(deadline=None, max_examples=80)
@given(joints=st.floats(0, 1), index=st.floats(0, 1), complete=st.booleans())
def test_whatever_a_kill_leaves_behind_is_gone_on_with(whole, tmp_path_factory, joints, index, complete):
    """Both files are cut off anywhere; the next run ends with the very bytes of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("cut") / "store"
    shutil.copytree(whole, folder)
    for name, share in (("joints.f32", joints), ("clips.jsonl", index)):
        os.truncate(folder / name, int(share * (folder / name).stat().st_size))
    write_sealed(folder / "about.json", read_sealed(folder / "about.json") | {"complete": complete})
    added = write(folder)
    assert added == FILES[len(FILES) - len(added) :]
    assert content(folder) == content(whole)


def test_bytes_behind_the_last_line_are_cut_off(whole, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    for name in ("joints.f32", "clips.jsonl"):
        with (folder / name).open("ab") as file:
            file.write(b'["8.txt", 1')
    assert "do not end at the same clip" in message(open_store, folder)
    assert write(folder) == []
    assert content(folder) == content(whole)


def test_a_store_that_is_not_finished_says_so(tmp_path, whole):
    with pytest.raises(KeyError), ClipStore(tmp_path / "store", *KIND) as store:
        store.add(FILES[0], clips_of(FILES[0]))
        raise KeyError
    with pytest.warns(UserWarning, match="the store of mine is incomplete"):
        assert len(open_store(tmp_path / "store")) == 1
    assert write(tmp_path / "store") == FILES[1:]
    same(open_store(tmp_path / "store"), open_store(whole))


def test_no_byte_of_a_finished_store_can_go_unnoticed(whole, tmp_path):
    folder = tmp_path / "store"
    for name in ("joints.f32", "clips.jsonl"):
        size = (whole / name).stat().st_size
        for keep in {0, 1, size // 3, size // 2, size - 1}:
            shutil.copytree(whole, folder)
            os.truncate(folder / name, keep)
            assert str(folder) in message(open_store, folder)
            shutil.rmtree(folder)


def test_checksums_find_flipped_bits(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "store")
    with (tmp_path / "store" / "joints.f32").open("r+b") as file:
        file.seek(len(clips_of("1.txt")[0].joints.tobytes()) + 10)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    same(open_store(whole, verify=False), open_store(whole))
    assert len(open_store(tmp_path / "store", verify=False)) == len(open_store(whole))
    assert "joints of 2.txt have changed" in message(open_store, tmp_path / "store")


@pytest.mark.parametrize("name", ["about.json", "clips.jsonl", "joints.f32"])
def test_no_flipped_bit_changes_a_clip_unnoticed(whole, tmp_path, name):
    shutil.copytree(whole, tmp_path / "store")
    path, first = tmp_path / "store" / name, open_store(whole)
    content = path.read_bytes()
    for place in range(0, 8 * len(content), max(1, 8 * len(content) // 150)):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            again = open_store(tmp_path / "store")
        except InputError:
            continue
        same(again, first)


@pytest.mark.parametrize(("change", "says"), [
    ({"format": "tdsm clip store 3"}, "about.json: does not describe"),
    ({"layout": "dragon"}, "no layout 'dragon'"),
    ({"layout": "ntu-25"}, "clips.jsonl line 1: its numbers are inconsistent"),
    ({"classes": None}, "field 'classes' is missing or not of type list"),
    ({"classes": [{}, "jump"]}, "must hold names only"),
    ({"classes": ["jump"]}, "is not among the 1 classes"),
])  # fmt: skip
def test_a_head_that_does_not_fit_is_refused(whole, tmp_path, change, says):
    shutil.copytree(whole, tmp_path / "store")
    write_sealed(tmp_path / "store" / "about.json", read_sealed(whole / "about.json") | change)
    assert says in message(open_store, tmp_path / "store")


@pytest.mark.parametrize("line", [
    b"[]", b"{", b"7", b'["1.txt", 720, 0]', b'["1.txt", -720, 0, [["a", null, null, 30.0, -1, 3]]]', b'["1.txt", 720, 0, [["a", null, null, 0, 1, 3]]]',
    b'["1.txt", 720, 0, [["a", null, null, 30.0, "b", 3]]]', b'["1.txt", 1e999, 0, [["a", 5, null, 30.0, 1, 3]]]', b'["1.txt", 720, 0, 5]',
])  # fmt: skip
def test_a_line_that_was_changed_is_named(whole, tmp_path, line):
    shutil.copytree(whole, tmp_path / "store")
    (tmp_path / "store" / "clips.jsonl").write_bytes(b"%08x %b\n" % (zlib.crc32(line), line))
    assert "clips.jsonl line 1: " in message(open_store, tmp_path / "store")
    assert "clips.jsonl line 1: " in message(ClipStore, tmp_path / "store", *KIND)


@pytest.mark.parametrize(("kind", "says"), [
    (("yours", *KIND[1:]), "store of another dataset (mine, not yours)"),
    (("mine", NTU_25, CLASSES), "store of another layout (kinect-20, not ntu-25)"),
    (("mine", KINECT_20, CLASSES[::-1]), "store of another classes"),
    ((*KIND, "other settings"), "store of another reader"),
])  # fmt: skip
def test_a_store_of_another_kind_is_left_alone(whole, kind, says):
    before = content(whole)
    assert says in message(ClipStore, whole, *kind)
    assert content(whole) == before


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    assert "holds files and is not a clip store" in message(ClipStore, tmp_path, *KIND)
    assert "cannot be written" in message(ClipStore, tmp_path / "thesis.txt", *KIND)
    assert "is not a clip store" in message(open_store, tmp_path)
    assert "is not a clip store" in message(open_store, tmp_path / "absent")
    assert content(tmp_path) == {"thesis.txt": b"precious"}


def test_clips_that_do_not_belong_are_refused_before_anything_is_written(tmp_path):
    with ClipStore(tmp_path / "store", *KIND) as store:
        store.add("1.txt", [clip("a")])
        assert "layout is ntu-25" in message(store.add, "2.txt", [clip("b"), clip("c", layout=NTU_25)])
        assert "label 'sit' is not among" in message(store.add, "2.txt", [clip("b"), clip("c", label="sit")])
        assert "2.txt: clip a: is already in " in message(store.add, "2.txt", [clip("b"), clip("a")])
        assert "clip b: is already in " in message(store.add, "2.txt", [clip("b"), clip("b")])
        assert (store.done, store.clips) == ({"1.txt"}, 1)
    assert [one.name for one in open_store(tmp_path / "store")] == ["a"]


def test_two_writers_do_not_mix(tmp_path):
    with ClipStore(tmp_path / "store", *KIND) as one, ClipStore(tmp_path / "store", *KIND) as two:
        one.add("1.txt", [clip("a")])
        assert "another process is writing" in message(two.add, "2.txt", [clip("b")])


def test_an_empty_store_holds_no_clip(tmp_path):
    with ClipStore(tmp_path / "store", *KIND) as store:
        store.add("1.txt", [])
    assert "holds no clip" in message(open_store, tmp_path / "store")


# Reading many files


@dataclass(frozen=True)
class Reader:
    """Reads files that hold "good", or anything else."""

    kill_at: str = ""
    parent: bool = False

    def __call__(self, archive, file):
        if file == self.kill_at:
            os.kill(os.getppid() if self.parent else os.getpid(), signal.SIGKILL)
        if archive.read(file) != b"good":
            raise InputError(archive.path / file, "is bad", "mend it")
        return clips_of(file)

    def __repr__(self):
        return "Reader()"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for file in FILES:
        (folder / file).write_text("good")
    return folder


def read(folder, read_one=Reader(), **options):
    return read_files("mine", folder, FILES, read_one, Reading(**options), name="mine", layout=KINECT_20, classes=CLASSES)


FORK = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # 2026-11: Python 3.12+ says so whenever torch is loaded


@FORK
def test_memory_processes_and_stores_give_the_same_clips(data, whole, tmp_path):
    for options in ({}, {"workers": 1}, {"workers": 2}, {"store": tmp_path / "a"}, {"store": tmp_path / "b", "workers": 3}):
        same(read(data, **options), open_store(whole))


@FORK
@pytest.mark.parametrize("file", FILES)
def test_a_killed_reading_goes_on_where_it_stopped(data, whole, tmp_path, monkeypatch, file):
    if (child := os.fork()) == 0:
        try:
            read(data, Reader(kill_at=file), store=tmp_path / "store")
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    opened = []
    monkeypatch.setattr("tdsm.data.readers.archive.Archive.read", lambda self, name: opened.append(name) or b"good")
    same(read(data, store=tmp_path / "store"), open_store(whole))
    assert opened == FILES[FILES.index(file) :]


@FORK
def test_the_processes_of_a_killed_reading_end_too(data, whole, tmp_path):
    ended, held = os.pipe()  # whoever lives holds the other end open
    if (child := os.fork()) == 0:
        try:
            read(data, Reader(kill_at=FILES[3], parent=True), workers=3, store=tmp_path / "store")
        finally:
            os._exit(1)
    os.close(held)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert select.select([ended], [], [], 60)[0] and os.read(ended, 1) == b""
    os.close(ended)
    same(read(data, store=tmp_path / "store"), open_store(whole))


@FORK
@pytest.mark.parametrize("room", [0, 100, 1500, 6000])
def test_a_reading_that_a_full_disk_has_stopped_goes_on(data, whole, tmp_path, room):
    if (child := os.fork()) == 0:
        try:
            store = ClipStore(tmp_path / "store", *KIND, "Reader()")
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            with store:
                for file in FILES:
                    store.add(file, clips_of(file))
        except InputError as error:
            os._exit(7 if "cannot be written (File too large); free space and run the command again" in str(error) else 1)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    same(read(data, store=tmp_path / "store"), open_store(whole))


def test_bad_files_are_skipped_reported_and_tried_again(data, whole, tmp_path):
    (data / FILES[1]).write_text("bad")
    (data / FILES[4]).write_text("")
    seen = []
    clips = read(data, store=tmp_path / "store", report=lambda skipped: seen.append(list(skipped)))
    assert [(file.name, file.reason) for file in seen[0]] == [
        (FILES[1], f"{data / FILES[1]}: is bad; mend it"),
        (FILES[4], f"{data / FILES[4]}: is empty (0 bytes); download the data set again"),
    ]
    (data / FILES[1]).write_text("good")
    again = read(data, store=tmp_path / "store", report=lambda skipped: seen.append(list(skipped)))
    assert seen[1] == seen[0][1:]
    same(again, ClipSet((*clips, *clips_of(FILES[1])), CLASSES, "mine"))
    with pytest.warns(UserWarning, match=r"1 recordings gave no clip: .*5.txt: is empty") as caught:
        read(data)
    assert len(caught) == 1


@FORK
@pytest.mark.parametrize("workers", [1, 2])
def test_strict_reading_stops_at_the_first_bad_file(data, whole, tmp_path, workers):
    (data / FILES[4]).write_text("bad")
    assert message(read, data, workers=workers, strict=True, store=tmp_path / "store") == f"{data / FILES[4]}: is bad; mend it"
    (data / FILES[4]).write_text("good")
    same(read(data, store=tmp_path / "store"), open_store(whole))


def test_a_reading_without_any_clip_is_refused(data, tmp_path):
    for file in FILES:
        (data / file).write_text("bad")
    for options in ({}, {"store": tmp_path / "store"}):
        assert message(read, data, **options) == f"{data}: none of its 7 files gives a clip; {data / FILES[0]}: is bad; mend it"
    assert "with bodies" in message(read, data, lambda archive, file: [])


def test_parts_of_a_file_can_be_skipped(data):
    seen = []
    clips = read(data, lambda archive, file: [Skipped(f"{file}#0", "nobody there"), clip(file)], report=seen.extend, strict=True)
    assert [one.name for one in clips] == FILES
    assert seen == [(f"{file}#0", "nobody there") for file in FILES]


def test_results_do_not_pile_up_when_they_are_kept_slowly(data, monkeypatch):
    """However many files there are, only a few chunks are out at a time."""
    out, most = 0, 0

    class Pool:
        def __init__(self, *args, **kwargs):
            pass

        def submit(self, call, files):
            nonlocal out, most
            out += 1
            most = max(most, out)
            return type("Future", (), {"result": lambda self: taken([(file, []) for file in files])})()

        def shutdown(self, cancel_futures):
            assert cancel_futures

    def taken(results):
        nonlocal out
        out -= 1
        return results

    monkeypatch.setattr(reading, "ProcessPoolExecutor", Pool)
    files = [f"{number}.txt" for number in range(10_000)]
    assert [file for file, _ in reading._results(data, files, Reader(), 3)] == files
    assert out == 0 and most == 6


def test_the_progress_bar_counts_files_and_goes_away(data, monkeypatch):
    made = []

    class Bar(progress.tqdm):
        def __init__(self, *args, **kwargs):
            made.append(self)
            super().__init__(*args, **{"disable": False, "file": io.StringIO()} | kwargs)

        def close(self):
            self.closed = True
            super().close()

    monkeypatch.setattr(progress, "tqdm", Bar)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    read(data, progress=False)
    assert made.pop().disable
    read(data)
    assert (made[0].desc, made[0].n, made[0].total, made.pop().closed) == ("mine", 7, 7, True)
    (data / FILES[2]).write_text("bad")
    message(read, data, strict=True)
    assert made[0].closed


def test_there_is_no_reading_with_no_process():
    assert "workers is 0" in message(Reading, workers=0)
