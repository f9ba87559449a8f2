"""Provenance of numbers: the commit and whether the code was changed since."""

import subprocess

import pytest

from tdsm.util import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository of its own with a file of code and a file of results, from which the package seems to be imported."""

    def git(*command):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.c", *command], check=True, capture_output=True)

    (tmp_path / "results").mkdir()
    for name in ("code.py", "results/numbers.json"):
        (tmp_path / name).write_text("1")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "tdsm/util/provenance.py"))
    return tmp_path


def commit():
    return provenance.environment(0)["commit"]


def test_changed_code_is_marked_and_changed_results_are_not(checkout):
    clean = commit()
    assert len(clean) == 12 and int(clean, 16)
    (checkout / "results/numbers.json").write_text("2")  # the first file that a benchmark writes
    (checkout / "notes.txt").write_text("not tracked")
    assert commit() == clean
    (checkout / "code.py").write_text("2")
    assert commit() == f"{clean}+changes"


def test_without_a_repository_the_commit_is_unknown(checkout):
    (checkout / ".git").rename(checkout / "gone")
    assert commit() == "unknown"
