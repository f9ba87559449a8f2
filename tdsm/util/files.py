"""Files are written whole or not at all, and a disk that refuses is one clear line."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tdsm.util.errors import InputError

__all__ = ["atomic", "check_space", "disk_faults", "read_object", "read_text", "write_json", "write_text"]


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A neighbour of ``path`` to write to; it takes the place of ``path`` at the end, or goes away when anything is raised.

    Nobody ever sees half a file: not a reader, not the next run after a kill. Two processes that write the same file do
    not meet, because the process number stands in the neighbour's name; the last one wins.

    Args:
        path: the file; its folder must exist.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def disk_faults(folder: Path) -> Iterator[None]:
    """Turns what the disk refuses into one line.

    Raises:
        InputError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise InputError(where, f"the disk refuses: {error.strerror or error}", "free space, or choose a folder you may write to; what came is kept") from error


def check_space(folder: Path, size: int) -> None:
    """Refuse to begin what cannot end: ``size`` bytes on the disk of ``folder``, which need not exist yet.

    Raises:
        InputError: less is free.
    """
    home = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if size > (free := shutil.disk_usage(home).free):
        raise InputError(folder, f"{size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free", "free space, or choose a folder on another disk")


def write_text(path: Path, text: str) -> Path:
    """Write through a neighbour file and rename, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, values: object) -> Path:
    """`write_text` of indented JSON."""
    return write_text(path, json.dumps(values, indent=2) + "\n")


def read_text(path: Path) -> str:
    """A UTF-8 file.

    Raises:
        InputError: it cannot be read as text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read as text ({error})", "copy the run again") from error


def read_object(path: Path) -> dict[str, object]:
    """A JSON object.

    Raises:
        InputError: not JSON, or no object.
    """
    try:
        values = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(path, f"not JSON ({error})", "copy the run again") from error
    if not isinstance(values, dict):
        raise InputError(path, "holds no object", "copy the run again")
    return values
