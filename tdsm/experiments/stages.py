"""Stages: folders that are made once, because their names hold the hash of everything they depend on.

A stage under way is in ``NAME.partial`` and resumes from there when it was killed; only a finished one is renamed to its name. Of several processes one
makes it and the others wait. The code
itself is not part of the hash: after a change to it, delete the stages it concerns.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tdsm.util.digest import digest_of
from tdsm.util.files import disk_faults, locked, write_json
from tdsm.util.provenance import environment

__all__ = ["Stage", "count_files", "listing", "new_stage", "size_of"]


@dataclass(frozen=True)
class Stage:
    """One step of a plan.

    Attributes:
        folder: what it makes; the name holds the hash of its inputs.
        make: writes into a folder that may hold what a killed call left.
        unit, count: what it goes through and how often, such as 50,000 "denoiser steps".
        bytes: about how much it writes.
        inputs: what the hash was taken of.
    """

    folder: Path
    make: Callable[[Path], None]
    unit: str
    count: int
    bytes: int
    inputs: Mapping[str, object]

    @property
    def done(self) -> bool:
        """Whether it has been made."""
        return self.folder.is_dir()

    def run(self) -> None:
        """Make it, unless it has been made."""
        if self.done:
            return
        with locked(self.folder, note="another process is making this stage"):
            if self.done:
                return
            partial = self.folder.with_name(self.folder.name + ".partial")
            with disk_faults(partial):
                partial.mkdir(parents=True, exist_ok=True)
            self.make(partial)
            write_json(partial / "stage.json", {"inputs": self.inputs, "environment": environment(0)})
            with disk_faults(self.folder):
                partial.rename(self.folder)


def new_stage(out: Path, name: str, inputs: Mapping[str, object], make: Callable[[Path], None], unit: str, count: int, size: int) -> Stage:
    """A stage in ``out``, whose folder is called by ``name`` and the hash of ``inputs`` (anything JSON can hold)."""
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    return Stage(out / f"{name}-{key}", make, unit, count, size, inputs)


listing = digest_of
"""sha256 over names and content of files and folders."""


def count_files(paths: Sequence[Path]) -> int:
    """Files in folders and zips; another file counts as one."""
    return sum(sum(1 for file in path.rglob("*") if file.is_file()) if path.is_dir() else _members(path) for path in paths)


def _members(path: Path) -> int:
    if not zipfile.is_zipfile(path):
        return 1
    with zipfile.ZipFile(path) as archive:
        return len(archive.namelist())


def size_of(paths: Sequence[Path]) -> int:
    """Bytes on disk."""
    return sum(sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size for path in paths)
