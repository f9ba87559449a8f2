"""Small files: written whole or not at all, read with every fault as one line, shared by one process at a time; tensors with a checksum."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tdsm.util.errors import InputError
from tdsm.util.files import atomic, check_file, disk_faults, locked, parse_json, read_object, read_text, write_json
from tdsm.util.weights import cached_tensors, load_tensors, save_tensors, save_weights


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def content(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


# Writing


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "x.txt"
    for text in ("one", "two"):
        with atomic(path) as partial:
            partial.write_text(text)
            assert partial.parent == path.parent and partial.suffix == ".partial"
    with pytest.raises(KeyError), atomic(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert content(path.parent) == {"x.txt": b"two"}


def write_with_limit(folder, size):
    """In a child process that may write files of ``size`` bytes at most: the message of each refusal."""
    script = """if True:
        import resource, signal, sys, torch
        from pathlib import Path
        from tdsm.util.errors import InputError
        from tdsm.util.files import write_text
        from tdsm.util.weights import save_weights
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
        for write in (lambda path: write_text(path / "a.json", "x" * 10**6), lambda path: save_weights(torch.nn.Linear(300, 300), path / "a.safetensors")):
            try:
                write(Path(sys.argv[1]))
            except InputError as error:
                print(error)
    """
    return subprocess.run([sys.executable, "-c", script, folder, str(size)], capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_disk_that_is_full_is_one_line_and_the_old_file_stays(tmp_path):
    save_weights(torch.nn.Linear(2, 2), tmp_path / "a.safetensors")
    write_json(tmp_path / "a.json", {})
    before = content(tmp_path)
    lines = write_with_limit(tmp_path, 4096)
    assert [line.partition(": cannot be written: ")[0] for line in lines] == [str(tmp_path / "a.json"), str(tmp_path / "a.safetensors")]
    assert all("free space" in line for line in lines)
    assert content(tmp_path) == before


@pytest.mark.parametrize(("code", "remedy"), [
    (errno.ENOSPC, "free space"), (errno.EDQUOT, "free space"), (errno.EROFS, "write permission"), (errno.EACCES, "write permission"),
    (errno.EIO, "check the path"),
])  # fmt: skip
def test_what_the_system_refuses_names_the_file_and_a_remedy(tmp_path, code, remedy):
    with pytest.raises(InputError, match=f"out: cannot be written: .*{remedy}"), disk_faults(tmp_path / "out"):
        raise OSError(code, os.strerror(code))


def test_a_name_that_cannot_be_written_is_refused(tmp_path):
    assert "choose a shorter name" in message(write_json, tmp_path / ("x" * 300), {})
    (tmp_path / "file").write_text("")
    assert "cannot be written" in message(write_json, tmp_path / "file" / "x.json", {})
    assert "cannot be written" in message(save_weights, torch.nn.Linear(2, 2), tmp_path / "file" / "x.safetensors")
    assert list(content(tmp_path)) == ["file"]


# Reading


@pytest.mark.parametrize(("data", "says"), [
    ('{"a": 1}'.encode("utf-16"), "is not UTF-8 text"),
    ('{"a": "é"}'.encode("latin-1"), "is not UTF-8 text"),
    (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"a":' * 100_000, "nested too deeply"),
    (b'{"a": NaN}', "NaN is not a number"),
    (b'{"a": -Infinity}', "-Infinity is not a number"),
    (b'{"a": 1e999}', "1e999 is too large"),
    (b'{"a": 1, "a": 2}', "'a' is given twice"),
    (b'{"a": "\\ud800"}', "not JSON"),
    (b'{"a": 1', "not JSON"),
    (b"", "not JSON"),
    (b"[1]", "holds a list, not an object"),
])  # fmt: skip
def test_a_file_that_is_no_json_object_is_one_line(tmp_path, data, says):
    (tmp_path / "c.json").write_bytes(data)
    text = message(read_object, tmp_path / "c.json", "write it again")
    assert text.startswith(f"{tmp_path / 'c.json'}: ") and says in text and text.endswith("; write it again")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "c.json").write_bytes('{"ä": "\\ud83d\\ude00"}'.encode("utf-8-sig"))
    assert read_object(tmp_path / "c.json") == {"ä": "😀"}
    assert parse_json('{"ä": 1}'.encode("utf-8-sig"), "x") == {"ä": 1}


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in message(read_text, tmp_path / "pipe")
    assert "is a folder" in message(read_text, tmp_path)
    assert "no such file" in message(read_text, tmp_path / "absent")
    assert "no such file" in message(read_text, tmp_path / "a\0b")
    (tmp_path / "large").write_text("x" * 100)
    assert check_file(tmp_path / "large") == 100
    assert "limited to 0 MB" in message(read_text, tmp_path / "large", limit=99)


# Sharing


def test_one_process_at_a_time(tmp_path, capfd):
    path, order = tmp_path / "stage", []
    with locked(path):
        with pytest.raises(InputError, match=r"stage: another process is working in it; wait"), locked(path, wait=False):
            pass
        thread = threading.Thread(target=lambda: _append(path, order))
        thread.start()
        time.sleep(1.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert capfd.readouterr().err == f"tdsm: {path}: another process is working in it; waiting for it\n"
    assert content(tmp_path) == {}


def _append(path, order):
    with locked(path):
        order.append("second")


@pytest.mark.slow
def test_a_counter_that_many_processes_raise_loses_none(tmp_path):
    script = """if True:
        import sys
        from pathlib import Path
        from tdsm.util.files import locked
        path = Path(sys.argv[1])
        for _ in range(50):
            with locked(path):
                path.write_text(str(1 + int(path.read_text())))
    """
    (tmp_path / "n").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", script, tmp_path / "n"]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert content(tmp_path) == {"n": b"150"}


def test_a_killed_process_leaves_no_lock(tmp_path):
    script = "import sys, time; from tdsm.util.files import locked\nwith locked(sys.argv[1]):\n    print('in', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", script, tmp_path / "x"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "in\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with locked(tmp_path / "x", wait=False):
        pass


# Tensors


def tensors():
    draw = torch.Generator().manual_seed(0)
    values = {"a": torch.randn(3, 4, generator=draw), "b": torch.tensor(3), "mask": torch.tensor([True, False]), "none": torch.zeros(0, 2)}
    values["a"][0, 0], values["half"] = torch.nan, torch.randn(5, generator=draw).bfloat16()
    return values


def same(left, right):
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and left[name].reshape(-1).view(torch.uint8).tolist() == right[name].reshape(-1).view(torch.uint8).tolist()
        for name in left
    )


def test_tensors_come_back_bit_by_bit_and_give_the_same_bytes(tmp_path):
    about = {"step": 3, "history": [{"loss": 0.1}], "text": 'é "quoted"'}
    path = save_tensors(tmp_path / "deep" / "x.safetensors", tensors(), about, key="k")
    found, said = load_tensors(path, key="k")
    assert same(found, tensors()) and said == about
    assert save_tensors(tmp_path / "y.safetensors", tensors(), about, key="k").read_bytes() == path.read_bytes()


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path):
    path = save_tensors(tmp_path / "x.safetensors", tensors(), {"step": 3})
    whole = path.read_bytes()
    for place in range(0, 8 * len(whole), 7):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            found, about = load_tensors(path)
        except InputError:
            continue
        assert same(found, tensors()) and about == {"step": 3}, f"bit {place}"  # of a blank in the header, say
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        message(load_tensors, path)


def test_files_that_were_exchanged_or_have_no_checksum_are_refused(tmp_path):
    path = save_tensors(tmp_path / "x.safetensors", tensors(), key="one")
    assert "exchanged" in message(load_tensors, path, key="other")
    save_file({"a": torch.zeros(2)}, path)
    assert "has no checksum" in message(load_tensors, path)
    path.write_bytes(b"\xff" * 8 + b"{}")  # a header of 2^64 bytes
    assert "not a readable safetensors file" in message(load_tensors, path)


def test_a_cache_is_made_once_and_made_anew_with_one_line_when_it_is_damaged(tmp_path):
    path, calls = tmp_path / "cache" / "x.safetensors", []

    def make():
        calls.append(1)
        return tensors()

    assert same(cached_tensors(path, make), tensors()) and same(cached_tensors(path, make), tensors())
    assert len(calls) == 1
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.warns(UserWarning, match=r"creating a cache file again: .*x\.safetensors.*wrong checksum") as caught:
        assert same(cached_tensors(path, make), tensors())
    assert len(caught) == 1 and len(calls) == 2
    assert content(path.parent) == {"x.safetensors": whole}


def test_a_damaged_cache_that_takes_long_to_make_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    cached_tensors(path, tensors, remake=False)
    path.write_bytes(path.read_bytes()[:-1])
    assert message(cached_tensors, path, tensors, remake=False).endswith("delete it; it will be created again")


def test_two_processes_make_a_cache_file_once(tmp_path):
    script = """if True:
        import sys, time, torch
        from pathlib import Path
        from tdsm.util.weights import cached_tensors
        def make():
            print("made")
            time.sleep(0.5)
            return {"x": torch.ones(2)}
        cached_tensors(Path(sys.argv[1]), make)
    """
    processes = [subprocess.Popen([sys.executable, "-c", script, tmp_path / "x"], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert "".join(process.communicate(timeout=60)[0] for process in processes) == "made\n"
