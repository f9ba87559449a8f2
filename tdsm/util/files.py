"""Reading and writing small files: atomic writing, one-line errors when reading, and locks between processes."""

import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NoReturn

from safetensors import SafetensorError

from tdsm.util.errors import InputError

__all__ = [
    "atomic", "check_file", "check_space", "disk_faults", "is_locked", "locked", "parse_json", "read_object", "read_sealed", "read_text", "user_cache",
    "write_json", "write_sealed", "write_text",
]  # fmt: skip

AGAIN = "get another copy of the file"
TEXT_LIMIT = 256 * 2**20
"""Size in bytes of the largest file that is read as text."""


def user_cache() -> Path:
    """The package's folder in the user's cache (XDG_CACHE_HOME, or ~/.cache)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tdsm"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path next to ``path`` to write to. It replaces ``path`` at the end, and is removed if an exception is raised.

    A reader never sees a partly written file, even after the process was killed. Two processes can write the same file at the same time, because the
    temporary name contains the process number; the last one wins.

    Args:
        path: the file; its folder is created if needed.

    Raises:
        InputError: the file cannot be written; the old file, if any, is unchanged.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with disk_faults(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


@contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Convert errors of the disk while ``path``, a file or folder, is written into a one-line error.

    Raises:
        InputError: in place of an OSError, or of the exception that safetensors raises when it cannot write.
    """
    try:
        yield
    except OSError as error:
        where = path if error.filename is None or str(error.filename).endswith(".partial") else error.filename
        raise InputError(where, f"cannot be written: {error.strerror or error}", _remedy(error.errno)) from error
    except SafetensorError as error:
        raise InputError(path, f"cannot be written: {error}", _remedy(errno.ENOSPC)) from error


def _remedy(code: int | None) -> str:
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "free space, or choose a folder on another disk"
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "choose a folder with write permission"
    if code == errno.ENAMETOOLONG:
        return "choose a shorter name"
    return "check the path and the disk"


def check_space(folder: Path, size: int) -> None:
    """Check that ``size`` bytes are free on the disk of ``folder``, which may not exist yet. Raises InputError: there is less free space."""
    home = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if size > (free := shutil.disk_usage(home).free):
        raise InputError(folder, f"{size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free", "free space, or choose a folder on another disk")


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text atomically; returns the path."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, values: object) -> Path:
    """:func:`write_text` of indented JSON."""
    return write_text(path, json.dumps(values, indent=2) + "\n")


def write_sealed(path: Path, values: Mapping[str, object]) -> Path:
    """Write a JSON object with a checksum, atomically. For files that only the package itself reads and writes."""
    return write_json(path, dict(values) | {"sha256": _seal(values)})


def _seal(values: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def check_file(path: Path, remedy: str = "check the path") -> int:
    """Size in bytes of a regular file. A pipe or a device, which could be read without end, is refused.

    Raises:
        InputError: the file does not exist, is not a regular file, or cannot be accessed.
    """
    try:
        if path.is_file():
            return path.stat().st_size
        what = "is a folder, not a file" if path.is_dir() else "is not a regular file" if path.exists() else "no such file"
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        what = f"cannot be opened ({getattr(error, 'strerror', None) or error})"
    raise InputError(path, what, remedy)


def read_text(path: Path, remedy: str = AGAIN, limit: int = TEXT_LIMIT) -> str:
    """The text of a UTF-8 file, with or without a byte order mark.

    Args:
        path: the file.
        remedy: remedy in the error message if the file cannot be read.
        limit: size in bytes; a larger file is refused before it is read.

    Raises:
        InputError: the file is missing, too large, in another encoding, or cannot be read.
    """
    size = check_file(path, remedy)
    if size > limit:
        raise InputError(path, f"has {size / 1e6:.0f} MB; text files are limited to {limit / 1e6:.0f} MB", remedy)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "cannot be read"
        raise InputError(path, f"{what} ({error})", remedy) from error


def parse_json(text: str | bytes, where: object, remedy: str = AGAIN) -> object:
    """Parse JSON strictly: duplicate names, NaN, infinity and invalid Unicode are refused.

    Args:
        text: JSON; bytes are decoded as UTF-8.
        where: source named in the error message.
        remedy: remedy in the error message.

    Raises:
        InputError: not JSON, or its numbers or nesting exceed what can be read.
    """
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        values = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
        if "\\ud" in text.lower():
            json.dumps(values, ensure_ascii=False).encode()  # a lone surrogate cannot be printed or saved
    except RecursionError as error:
        raise InputError(where, "not JSON (nested too deeply)", remedy) from error
    except ValueError as error:  # includes JSONDecodeError, UnicodeError and Python's limit on digits
        raise InputError(where, f"not JSON ({error})", remedy) from error
    return values


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is given twice")
    return values


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def read_object(path: Path, remedy: str = AGAIN, limit: int = TEXT_LIMIT) -> dict[str, object]:
    """A JSON object from a file. Arguments as in :func:`read_text`. Raises InputError: the file cannot be read, is not JSON, or is not an object."""
    values = parse_json(read_text(path, remedy, limit), path, remedy)
    if not isinstance(values, dict):
        raise InputError(path, f"holds a {type(values).__name__}, not an object", remedy)
    return values


def read_sealed(path: Path, remedy: str = AGAIN) -> dict[str, object]:
    """Read an object that :func:`write_sealed` wrote. Raises InputError: the file cannot be read, or was changed after it was written."""
    values = read_object(path, remedy, limit=2**31)
    if "sha256" not in values:
        raise InputError(path, "has no checksum; tdsm did not write it, or an earlier version did", remedy)
    if values.pop("sha256") != _seal(values):
        raise InputError(path, "is damaged (wrong checksum)", remedy)
    return values


@contextmanager
def locked(path: Path, wait: bool = True, note: str = "another process is working in it") -> Iterator[None]:
    """Lock a file or folder, so that only one process at a time works on it. It works only if all of these processes use this function.

    The lock is held on a file ``path.lock``, which is removed at the end. If the process is killed, the file remains but no longer locks anything. A process
    that holds the lock must not request it again.

    Args:
        path: the file or folder; it need not exist.
        wait: True: wait until the lock is free; after one second a line on stderr reports it. False: raise an error instead.
        note: what the other process is doing, for the message.

    Raises:
        InputError: another process holds the lock and ``wait`` is False, or the lock file cannot be written.
    """
    path = Path(path)
    lock = path.with_name(f"{path.name}.lock")
    with disk_faults(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = _acquire(lock, path, wait, note)
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink(missing_ok=True)
        file.close()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of this file or folder now. Also True if this cannot be determined: a lock file on a file system without locks."""
    try:
        with path.with_name(f"{path.name}.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _acquire(lock: Path, path: Path, wait: bool, note: str) -> BinaryIO:
    start, announced = time.monotonic(), False
    while True:
        file = lock.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file  # otherwise its holder has just removed it, and other processes will lock a new file
        except FileNotFoundError:
            pass  # removed between the two checks
        except BlockingIOError:
            if not wait:
                file.close()
                raise InputError(path, note, "wait until it has ended, or give another folder") from None
            if not announced and time.monotonic() - start > 1:
                print(f"tdsm: {path}: {note}; waiting for it", file=sys.stderr)
                announced = True
            time.sleep(0.05)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                file.close()
                raise
            warnings.warn(f"{path}: this file system does not support locks; let only one process work in it", stacklevel=4)
            return file
        file.close()
