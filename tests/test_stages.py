"""Stages: computed once, found again by their inputs, computed anew when a file of theirs has changed; safe against kills and other processes."""

import ast
import json
import threading
import time
import zipfile
from pathlib import Path

import pytest

import tdsm
from tdsm.experiments import plan, stages
from tdsm.experiments.stages import code_of, count_files, new_stage, size_of
from tdsm.util.digest import digest_of
from tdsm.util.errors import InputError

PACKAGE = Path(tdsm.__file__).parent


class Work:
    """Writes two files, and counts how often."""

    def __init__(self, seconds=0.0):
        self.calls, self.seconds = 0, seconds

    def __call__(self, folder):
        self.calls += 1
        time.sleep(self.seconds)
        (folder / "numbers.txt").write_text("1 2 3")
        (folder / "part").mkdir(exist_ok=True)
        (folder / "part" / "more.txt").write_text("4")


def stage(out, make, name="features", inputs=None, code="c", **others):
    return new_stage(out, name, inputs or {"a": 1}, make, code=code, unit="clips", count=3, **others)


def test_a_stage_is_computed_once_and_says_what_it_was_computed_from(tmp_path):
    work = Work()
    assert not stage(tmp_path, work).done
    for _ in range(2):
        assert stage(tmp_path, work).path("numbers.txt").read_text() == "1 2 3"
    assert work.calls == 1
    (folder,) = tmp_path.iterdir()  # neither a partial folder nor a lock is left
    about = json.loads((folder / "stage.json").read_text())
    assert about["inputs"] == {"a": 1, "code": "c", "before": []}
    assert set(about["files"]) == {"numbers.txt", "part/more.txt"}
    assert {"command", "date", "commit", "hardware"} <= set(stage(tmp_path, work).about)


def test_other_inputs_other_code_or_another_stage_before_are_another_stage(tmp_path):
    work = Work()
    first, second = stage(tmp_path, work, "clips"), stage(tmp_path, work, "clips", {"a": 2})
    every = [
        stage(tmp_path, work),
        stage(tmp_path, work, inputs={"a": 2}),
        stage(tmp_path, work, inputs={"a": 1, "b": None}),
        stage(tmp_path, work, code="d"),
        stage(tmp_path, work, before=[first]),
        stage(tmp_path, work, before=[second]),
    ]
    assert len({one.folder for one in every}) == len(every)
    assert stage(tmp_path, work, before=[first]).folder == every[4].folder
    every[4].run()
    assert first.done
    assert not second.done
    assert work.calls == 2


def test_a_killed_stage_finds_what_it_left(tmp_path):
    def killed(folder):
        (folder / "half").write_text("done")
        raise KeyboardInterrupt

    def resumes(folder):
        assert (folder / "half").read_text() == "done"
        (folder / "half").rename(folder / "whole")

    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path, killed).run()
    assert not stage(tmp_path, killed).done
    assert stage(tmp_path, resumes).path("whole").read_text() == "done"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["numbers.txt", "part/more.txt", "stage.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove", "folder"])
def test_a_file_that_has_changed_is_noticed_and_the_stage_computed_again(tmp_path, capsys, name, damage):
    work = Work()
    made = stage(tmp_path, work)
    content = made.path("part/more.txt").read_bytes()
    path = made.folder / name
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "remove":
        changed = {"flip": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], "cut": whole[:middle], "empty": b""}[damage]
        path.write_bytes(changed)
    assert made.path("part/more.txt" if name == "part/more.txt" else "numbers.txt").exists()
    assert work.calls == 2
    assert made.path("part/more.txt").read_bytes() == content
    assert made.about["date"]
    error = capsys.readouterr().err
    if (name, damage) not in (("stage.json", "remove"), ("stage.json", "folder")):  # these were never finished
        assert error.count("\n") == 1
        assert "was damaged or changed; the stage is computed again" in error


def test_only_the_files_that_are_read_are_checked_or_all_of_them(tmp_path):
    work = Work()
    made = stage(tmp_path, work)
    made.run()
    (made.folder / "part/more.txt").write_text("5")
    assert made.intact("numbers.txt")
    assert not made.intact("part/more.txt")
    assert not made.intact("of no stage")
    assert made.checked("numbers.txt") == made.folder
    assert work.calls == 1
    made.checked()
    assert work.calls == 2


def test_a_damaged_record_is_one_line(tmp_path):
    made = stage(tmp_path, Work())
    made.run()
    path = made.folder / "stage.json"
    path.write_text(path.read_text().replace('"commit": "', '"commit": "x'))
    with pytest.raises(InputError, match=r"stage\.json: was damaged or changed; delete the folder"):
        _ = made.about


@pytest.mark.parametrize("damaged", [False, True])
def test_of_two_at_once_one_computes_and_both_read(tmp_path, damaged):
    work, found, faults = Work(seconds=0.3), [], []
    if damaged:
        stage(tmp_path, work).path("numbers.txt").write_text("4 5 6")

    def read():
        try:
            found.append(stage(tmp_path, work).path("numbers.txt").read_text())
        except BaseException as error:
            faults.append(error)

    others = [threading.Thread(target=read) for _ in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert faults == []
    assert found == ["1 2 3"] * 3
    assert work.calls == 1 + damaged
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_without_a_record_is_not_taken_for_a_result(tmp_path):
    work = Work()
    made = stage(tmp_path, work)
    made.folder.mkdir(parents=True)
    (made.folder / "numbers.txt").write_text("not ours")
    assert made.path("numbers.txt").read_text() == "1 2 3"


# Code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one module; the hash of its code."""
    monkeypatch.setattr(stages, "_PACKAGE", tmp_path)
    (tmp_path / "room").mkdir()

    def written(text, path="room/one.py"):
        (tmp_path / path).write_text(text)
        return code_of.__wrapped__("room")

    return written


PLAIN = '"""What it does."""\n\n\ndef area(side):\n    """The area of a square."""\n    return side * side\n'


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("The area of a square.", "Said in other words."),
        PLAIN.replace('"""What it does."""\n', ""),
        PLAIN.replace('    """The area of a square."""\n', ""),
        PLAIN.replace("return side * side", "return (side *\n            side)  # by the formula"),
    ],
)
def test_words_and_layout_do_not_change_the_code(package, text):
    assert package(text) == package(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("side * side", "side + side"),
        PLAIN.replace("def area(side):", "def area(side=1):"),
        PLAIN + '\n\nNAME = "a"\n',
        PLAIN.replace("return side * side", 'return "side"'),
    ],
)
def test_a_formula_a_default_and_a_constant_do(package, text):
    assert package(text) != package(PLAIN)


def test_another_module_or_another_name_of_it_changes_the_code(package):
    first = package(PLAIN)
    assert package(PLAIN, "room/two.py") != first


NO_NUMBER = {"util", "viz", "config.py", "evaluate", "recognizer", "data/door.py", "data/holdout.py", "experiments/stages.py"}
"""Modules that put no number into a stage: settings are hashed by value, reports are computed from finished stages, the door only speaks."""


def imported(path):
    """Modules of the package that a file imports outside of `if TYPE_CHECKING`."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tdsm":
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            place = PACKAGE.parent / name.replace(".", "/")
            if name != "tdsm" and name.startswith("tdsm"):
                yield from (file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file())


def files_of(path):
    place = PACKAGE / path
    return {place} if place.is_file() else set(place.rglob("*.py"))


def everything_imported(paths):
    known, todo = set(), [file for path in paths for file in files_of(path)]
    while todo:
        if (file := todo.pop()) not in known:
            known.add(file)
            todo += imported(file)
    return known


BEFORE = {"clips": [], "arrays": ["clips"], "backbone": ["arrays"], "features": ["backbone", "arrays"], "scores": []}  # published features have none before


@pytest.mark.parametrize("name", plan._CODE)
def test_a_stage_is_hashed_with_all_code_that_its_numbers_come_from(name):
    hashed = set().union(*(files_of(path) for one in (name, *BEFORE[name]) for path in plan._CODE[one]))
    missing = {file.relative_to(PACKAGE).as_posix() for file in everything_imported(plan._CODE[name]) - hashed}
    assert {path for path in missing if path not in NO_NUMBER and path.split("/")[0] not in NO_NUMBER} == set()


# What a download is known by


def test_a_mended_file_of_the_same_size_is_another_download(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.skeleton").write_text("1 2 3")
    (folder / "b.skeleton").write_text("4 5 6")
    before = digest_of([folder])
    assert digest_of([folder]) == before
    (folder / "b.skeleton").write_text("4 5 7")
    mended = digest_of([folder])
    assert mended != before
    (folder / "b.skeleton").rename(folder / "c.skeleton")
    assert digest_of([folder]) not in (before, mended)


def test_a_zip_is_known_by_its_members(tmp_path):
    def packed(text, name="one.zip", member="a"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, text)
        return digest_of([tmp_path / name])

    first = packed("12345")
    assert packed("12345", "other.zip") == first
    assert packed("12346") != first
    assert packed("12345", member="b") != first
    assert count_files([tmp_path / "one.zip", tmp_path / "other.zip"]) == 2
    assert size_of([tmp_path / "one.zip"]) == (tmp_path / "one.zip").stat().st_size
    with pytest.raises(InputError, match="no such file or folder"):
        digest_of([tmp_path / "nowhere"])


def test_code_that_is_not_there_is_not_hashed_in_silence():
    with pytest.raises(FileNotFoundError, match=r"no code at .*loop\.py"):
        code_of("data", "loop.py")
