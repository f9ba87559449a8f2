"""Digests of files and folders: content decides, and a file that has not changed is read once."""

import os
import time
from pathlib import Path

import pytest

from tdsm.util import digest
from tdsm.util.digest import digest_of
from tdsm.util.errors import InputError
from tdsm.util.files import read_sealed, write_sealed


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(digest, "_SETTLED", 0.0)  # else the test would have to wait
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "deep/c.txt"):
        (tmp_path / "data" / name).write_text(name)
    return tmp_path / "data"


def test_what_is_in_the_files_decides_and_so_do_their_names(folder, tmp_path):
    cache, first = tmp_path / "cache", digest_of([folder], tmp_path / "cache")
    (folder / "b.txt").write_text("B.txt")
    second = digest_of([folder], cache)
    (folder / "b.txt").rename(folder / "B.txt")
    third = digest_of([folder], cache)
    (folder / "B.txt").rename(folder / "b.txt")
    (folder / "b.txt").write_text("b.txt")
    assert len({first, second, third}) == 3 and digest_of([folder], cache) == first
    assert digest_of([folder / "a.txt"], cache) != digest_of([folder / "b.txt"], cache)
    (folder / "copy").write_text("a.txt")
    assert digest_of([folder / "a.txt"], cache) == digest_of([folder / "copy"], cache)


def test_a_file_of_the_same_size_and_the_same_old_date_is_another(folder, tmp_path):
    first = digest_of([folder], tmp_path / "cache")
    about = (folder / "a.txt").stat()
    (folder / "a.txt").write_text("A.txt")
    os.utime(folder / "a.txt", ns=(about.st_atime_ns, about.st_mtime_ns))
    assert digest_of([folder], tmp_path / "cache") != first


def test_only_what_has_changed_is_read_again(folder, tmp_path, monkeypatch):
    read, whole = [], digest._sha256
    monkeypatch.setattr(digest, "_sha256", lambda path: read.append(path.name) or whole(path))
    time.sleep(0.02)
    first = digest_of([folder], tmp_path / "cache")
    assert digest_of([folder], tmp_path / "cache") == first and sorted(read) == ["a.txt", "b.txt", "c.txt"]
    (folder / "a.txt").write_text("A.txt")
    time.sleep(0.02)
    assert digest_of([folder], tmp_path / "cache") != first and read[3:] == ["a.txt"]


def test_a_file_written_a_moment_ago_is_not_kept(folder, tmp_path, monkeypatch):
    """Its time could be that of a later version, too."""
    monkeypatch.setattr(digest, "_SETTLED", 60.0)
    digest_of([folder], tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_damaged_cache_costs_time_and_nothing_else(folder, tmp_path):
    time.sleep(0.02)
    first = digest_of([folder], tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    text = kept.read_text()
    kept.write_text(text.replace("5,", "6,", 1))
    assert kept.read_text() != text
    assert digest_of([folder], tmp_path / "cache") == first
    assert set(read_sealed(kept)["files"]) == {"a.txt", "b.txt", "deep/c.txt"}


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="absent: no such file or folder"):
        digest_of([tmp_path / "absent"])


def test_a_sealed_file_with_one_other_digit_is_refused(tmp_path):
    path = write_sealed(tmp_path / "x.json", {"rows": [1, 2, 3], "name": "ä"})
    assert read_sealed(path) == {"rows": [1, 2, 3], "name": "ä"}
    text = Path(path).read_text()
    path.write_text(text.replace("2,", "4,", 1))
    with pytest.raises(InputError, match="wrong checksum"):
        read_sealed(path)
