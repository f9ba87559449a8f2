"""Stages: folders that are computed once. The name of a stage contains the hash of everything that it depends on.

    clips -> arrays -> backbone -> features -> scores

While a stage is computed, its folder is ``NAME.partial``; an interrupted call resumes from it. A finished stage is renamed to NAME and contains ``stage.json``:
its inputs, where and when it was computed, and the sha256 of each file. If the content of a file has changed, this is detected when the file is read, and the
stage is computed again. Two processes never compute the same stage at the same time: the second process waits, and then uses the result of the first.

The hash includes the code of the stage (:func:`code_of`), that is, its modules without comments and docstrings. A changed formula recomputes the stages that
depend on it; a changed docstring does not.
"""

import ast
import hashlib
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tdsm.util.errors import InputError
from tdsm.util.files import disk_faults, locked, read_object, write_json
from tdsm.util.provenance import environment

__all__ = ["Stage", "code_of", "count_files", "new_stage", "size_of"]

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Stage:
    """One step of a plan."""

    folder: Path  # folder of the result; the name ends in the hash of the inputs
    make: Callable[[Path], None]  # writes the result to a folder, which may contain files of an interrupted call
    unit: str  # unit of work, such as "denoiser steps"
    count: int  # number of units
    bytes: int  # approximate size of the result
    inputs: Mapping[str, object]  # the hashed inputs
    before: tuple["Stage", ...] = ()  # stages that this stage reads

    @property
    def done(self) -> bool:
        """Whether the stage is finished."""
        return (self.folder / "stage.json").is_file()

    def run(self) -> None:
        """Compute the stage and the stages before it, unless they are finished."""
        if self.done:
            return
        for stage in self.before:
            stage.run()
        partial = self._partial
        with locked(partial, note="another process is computing this stage"):
            if self.done:
                return
            with disk_faults(partial):
                partial.mkdir(parents=True, exist_ok=True)
            self.make(partial)
            files = {path.relative_to(partial).as_posix(): _sha256(path) for path in sorted(partial.rglob("*")) if path.is_file()}
            about = {"inputs": self.inputs, "environment": environment(0), "files": files}
            write_json(partial / "stage.json", about | {"sha256": _sum(about)})
            with disk_faults(self.folder):
                if self.folder.exists():  # without stage.json: foreign or damaged
                    shutil.rmtree(self.folder)
                partial.rename(self.folder)

    def path(self, name: str) -> Path:
        """Path of a file of the finished stage, with checked content (:meth:`checked`)."""
        return self.checked(name) / name

    def checked(self, *names: str) -> Path:
        """The folder of the finished stage. If these files (default: all files) do not have the content that was written, the stage is computed again.

        Raises:
            InputError: the stage cannot be computed.
        """
        self.run()
        if (changed := self._changed(names)) is not None:
            with locked(self._partial):
                if self.done and self._changed(names) is not None:  # no other process has done this already
                    print(f"tdsm: {self.folder / changed} was damaged or changed; the stage is computed again", file=sys.stderr)
                    shutil.rmtree(self.folder)
            self.run()
        return self.folder

    def intact(self, name: str) -> bool:
        """Whether the stage is finished and this file has the content that was written."""
        return self._changed((name,)) is None

    def _changed(self, names: Sequence[str]) -> str | None:
        """The first file whose content differs from what was written; None if there is none."""
        try:
            files = self._record["files"]
        except InputError:
            return "stage.json"
        return next((name for name in names or files if not _is(self.folder / name, files.get(name))), None)

    @property
    def about(self) -> dict:
        """Command, date, commit and hardware of the computation, from stage.json. Raises InputError: stage.json is missing or damaged."""
        return self._record["environment"]

    @property
    def _partial(self) -> Path:
        return self.folder.with_name(self.folder.name + ".partial")

    @property
    def _record(self) -> dict:
        """Content of stage.json, checked."""
        about = read_object(self.folder / "stage.json")
        if about.pop("sha256", None) != _sum(about):
            raise InputError(self.folder / "stage.json", "was damaged or changed", "delete the folder; it is then computed again")
        return about


def new_stage(
    out: Path, name: str, inputs: Mapping, make: Callable[[Path], None], *, code: str, unit: str, count: int, size: int = 0, before: Sequence[Stage] = ()
) -> Stage:
    """A stage in ``out``. The name of its folder is ``name`` and the hash of ``inputs`` (JSON values), of ``code`` and of the stages before."""
    every = {**inputs, "code": code, "before": [stage.folder.name for stage in before]}
    key = hashlib.sha256(json.dumps(every, sort_keys=True).encode()).hexdigest()[:16]
    return Stage(out / f"{name}-{key}", make, unit, count, size, every, tuple(before))


@cache
def code_of(*paths: str) -> str:
    """Hash of the code of files or folders such as "matcher.py" or "backbones", without comments and docstrings.

    Raises:
        FileNotFoundError: there is no code at a path.
    """
    digest = hashlib.sha256()
    for path in paths:
        place = _PACKAGE / path
        files = [place] if place.is_file() else sorted(place.rglob("*.py"))
        if not files:
            raise FileNotFoundError(f"no code at {place}")
        for file in files:
            digest.update(f"{file.relative_to(_PACKAGE)} {_without_words(file.read_bytes())}".encode())
    return digest.hexdigest()[:16]


@cache
def _without_words(code: bytes) -> str:
    """The syntax tree of a module without its docstrings; cached, because several stages use the same modules."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def _sum(about: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _is(path: Path, digest: str | None) -> bool:
    try:
        return _sha256(path) == digest
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_files(paths: Sequence[Path]) -> int:
    """Number of files in folders and zip files; any other file counts as one."""
    count = 0
    for path in paths:
        if path.is_dir():
            count += sum(file.is_file() for file in path.rglob("*"))
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                count += len(archive.namelist())
        else:
            count += 1
    return count


def size_of(paths: Sequence[Path]) -> int:
    """Number of bytes on disk."""
    return sum(sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size for path in paths)
