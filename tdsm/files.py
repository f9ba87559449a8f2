"""Files are written whole or not at all, and a disk that refuses is one clear line."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tdsm.errors import InputError

__all__ = ["atomic", "check_space", "disk_faults"]


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
