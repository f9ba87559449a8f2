"""Stages: folders that are computed once, because their names are the hash of everything they depend on.

    clips -> arrays -> backbone -> features -> scores

A stage being computed is a folder ``NAME.partial``, from which a killed call resumes; a finished one is renamed to NAME and holds ``stage.json``: its
inputs, where and when it was computed, and the sha256 of each file. A file whose content has changed since is noticed when it is read, and the stage
is computed again. Two processes never compute one stage at the same time: the second waits, and then finds it.

The hash covers the code of the stage as well (:func:`code_of`): its modules without comments and docstrings, so that a changed formula recomputes what
depends on it and a changed sentence does not.
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

    folder: Path  # its result; the name ends in the hash of its inputs
    make: Callable[[Path], None]  # writes into a folder that may hold what a killed call left
    unit: str  # what it goes through and how often, such as 50,000 "denoiser steps"
    count: int
    bytes: int  # about how much it writes
    inputs: Mapping[str, object]  # what the hash is of, and the stages it reads
    before: tuple["Stage", ...] = ()

    @property
    def done(self) -> bool:
        """Whether it has been computed."""
        return (self.folder / "stage.json").is_file()

    def run(self) -> None:
        """Compute it and the stages before it, unless they have been computed."""
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
                if self.folder.exists():  # without stage.json: not ours, or damaged
                    shutil.rmtree(self.folder)
                partial.rename(self.folder)

    def path(self, name: str) -> Path:
        """A file of the finished stage (:meth:`checked`)."""
        return self.checked(name) / name

    def checked(self, *names: str) -> Path:
        """The folder of the finished stage, with the content of these files (left out: of all) as it was written; computed again if it is not.

        Raises:
            InputError: it cannot be computed.
        """
        self.run()
        if (changed := self._changed(names)) is not None:
            with locked(self._partial):
                if self.done and self._changed(names) is not None:  # no other process has been faster
                    print(f"tdsm: {self.folder / changed} was damaged or changed; the stage is computed again", file=sys.stderr)
                    shutil.rmtree(self.folder)
            self.run()
        return self.folder

    def intact(self, name: str) -> bool:
        """Whether the stage is finished and this file of it has the content that was written."""
        return self._changed((name,)) is None

    def _changed(self, names: Sequence[str]) -> str | None:
        """The first file that is not as it was written."""
        try:
            files = self._record["files"]
        except InputError:
            return "stage.json"
        return next((name for name in names or files if not _is(self.folder / name, files.get(name))), None)

    @property
    def about(self) -> dict:
        """What stage.json holds of its making: command, date, commit, hardware; :class:`InputError` if it is not there or damaged."""
        return self._record["environment"]

    @property
    def _partial(self) -> Path:
        return self.folder.with_name(self.folder.name + ".partial")

    @property
    def _record(self) -> dict:
        """stage.json, checked."""
        about = read_object(self.folder / "stage.json")
        if about.pop("sha256", None) != _sum(about):
            raise InputError(self.folder / "stage.json", "was damaged or changed", "delete the folder; it is then computed again")
        return about


def new_stage(
    out: Path, name: str, inputs: Mapping, make: Callable[[Path], None], *, code: str, unit: str, count: int, size: int = 0, before: Sequence[Stage] = ()
) -> Stage:
    """A stage in ``out``, whose folder is called by ``name`` and the hash of ``inputs`` (anything JSON can hold), of ``code`` and of the stages before."""
    every = {**inputs, "code": code, "before": [stage.folder.name for stage in before]}
    key = hashlib.sha256(json.dumps(every, sort_keys=True).encode()).hexdigest()[:16]
    return Stage(out / f"{name}-{key}", make, unit, count, size, every, tuple(before))


@cache
def code_of(*paths: str) -> str:
    """Hash of the code of modules, files or folders such as "matcher.py" or "backbones", without comments and docstrings.

    Raises:
        FileNotFoundError: a path at which there is no code.
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
    """The syntax tree of a module without its docstrings; most modules are asked for by several stages."""
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
    """Files in folders and zips; another file counts as one."""
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
    """Bytes on disk."""
    return sum(sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size for path in paths)
