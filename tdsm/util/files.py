"""Reading and writing small files: written whole or not at all, read with every fault as one line, shared between processes by a lock."""

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

AGAIN = "take another copy of the file"
TEXT_LIMIT = 256 * 2**20
"""Bytes of the largest file that is read as text."""


def user_cache() -> Path:
    """The package's folder in the user's cache folder (XDG_CACHE_HOME, or ~/.cache)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tdsm"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A neighbour of ``path`` to write to; it takes the place of ``path`` at the end, and is removed if anything is raised.

    No reader ever sees half a file, and neither does the next run after a kill. Two processes may write the same file at once, because the neighbour's
    name holds the process number; the last one wins.

    Args:
        path: the file; its folder is created if needed.

    Raises:
        InputError: the disk refuses to write; the old file, if any, is unchanged.
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
    """Turn what the disk refuses while ``path``, a file or folder, is written into one line.

    Raises:
        InputError: in place of an OSError, or of what safetensors raises when it cannot write.
    """
    try:
        yield
    except OSError as error:
        where = path if error.filename is None or str(error.filename).endswith(".partial") else error.filename
        raise InputError(where, f"the disk refuses: {error.strerror or error}", _remedy(error.errno)) from error
    except SafetensorError as error:
        raise InputError(path, f"the disk refuses: {error}", _remedy(errno.ENOSPC)) from error


def _remedy(code: int | None) -> str:
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "free space, or choose a folder on another disk"
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "choose a folder that you may write to"
    if code == errno.ENAMETOOLONG:
        return "choose a shorter name"
    return "check the path and the disk"


def check_space(folder: Path, size: int) -> None:
    """Refuse to begin what cannot end: ``size`` bytes on the disk of ``folder``, which need not exist yet. Raises InputError: less is free."""
    home = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if size > (free := shutil.disk_usage(home).free):
        raise InputError(folder, f"{size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free", "free space, or choose a folder on another disk")


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text, atomically; returns the path."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, values: object) -> Path:
    """`write_text` of indented JSON."""
    return write_text(path, json.dumps(values, indent=2) + "\n")


def write_sealed(path: Path, values: Mapping[str, object]) -> Path:
    """A JSON object with a checksum, for files that only the package itself reads and writes; written atomically."""
    return write_json(path, dict(values) | {"sha256": _seal(values)})


def _seal(values: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def check_file(path: Path, remedy: str = "check the path") -> int:
    """Size in bytes of a regular file; a pipe or a device, which could be read forever, is refused.

    Raises:
        InputError: there is no such file, it is no regular file, or it may not be looked at.
    """
    try:
        if path.is_file():
            return path.stat().st_size
        what = "is a folder, not a file" if path.is_dir() else "is not a regular file" if path.exists() else "no such file"
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        what = f"cannot be opened ({getattr(error, 'strerror', None) or error})"
    raise InputError(path, what, remedy)


def read_text(path: Path, remedy: str = AGAIN, limit: int = TEXT_LIMIT) -> str:
    """A UTF-8 file, with or without a byte order mark.

    Args:
        path: the file.
        remedy: what to do about a file that cannot be read, for the message.
        limit: bytes; a larger file is refused unread.

    Raises:
        InputError: missing, too large, in another encoding, or not readable.
    """
    size = check_file(path, remedy)
    if size > limit:
        raise InputError(path, f"has {size / 1e6:.0f} MB, more than the {limit / 1e6:.0f} MB that a text file may have", remedy)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "cannot be read"
        raise InputError(path, f"{what} ({error})", remedy) from error


def parse_json(text: str | bytes, where: object, remedy: str = AGAIN) -> object:
    """JSON, strictly: a name given twice, NaN, infinity, and text that is no Unicode are refused.

    Args:
        text: JSON; bytes are UTF-8.
        where: what to name in the message.
        remedy: what to do, for the message.

    Raises:
        InputError: not JSON, or with numbers or a depth beyond what can be read.
    """
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        values = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
        if "\\ud" in text.lower():
            json.dumps(values, ensure_ascii=False).encode()  # half of a surrogate pair could never be printed or saved
    except RecursionError as error:
        raise InputError(where, "not JSON (nested too deeply)", remedy) from error
    except ValueError as error:  # with JSONDecodeError, UnicodeError and the limit on digits of a number
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
    """A JSON object; the arguments are those of :func:`read_text`. Raises InputError: not readable, not JSON, or no object."""
    values = parse_json(read_text(path, remedy, limit), path, remedy)
    if not isinstance(values, dict):
        raise InputError(path, f"holds a {type(values).__name__}, not an object", remedy)
    return values


def read_sealed(path: Path, remedy: str = AGAIN) -> dict[str, object]:
    """What :func:`write_sealed` wrote. Raises InputError: not readable, or changed since it was written."""
    values = read_object(path, remedy, limit=2**31)
    if "sha256" not in values:
        raise InputError(path, "has no checksum: it is none of the package's files, or of an earlier version of it", remedy)
    if values.pop("sha256") != _seal(values):
        raise InputError(path, "damaged: its checksum is wrong", remedy)
    return values


@contextmanager
def locked(path: Path, wait: bool = True, note: str = "another process is working in it") -> Iterator[None]:
    """Work on a file or folder that other processes may want to work on too, one at a time; they all must use this.

    The lock is held on a file ``path.lock``, which is removed at the end; if the process is killed, the file stays, but no longer locks anything. A process
    that holds the lock must not ask for it again.

    Args:
        path: the file or folder; it need not exist.
        wait: until another process is done; one line on stderr says so after a second. False: refuse instead.
        note: what another process is doing, for the message.

    Raises:
        InputError: another process holds the lock and ``wait`` is False, or the disk refuses.
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
    """Whether a process is inside :func:`locked` of this file or folder now; True as well where that cannot be seen (a lock file, but no locks)."""
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
                return file  # else its holder has just removed it, and the next process will look for a new one
        except FileNotFoundError:
            pass  # removed between the two looks at it
        except BlockingIOError:
            if not wait:
                file.close()
                raise InputError(path, note, "wait until it has ended, or name another folder") from None
            if not announced and time.monotonic() - start > 1:
                print(f"tdsm: {path}: {note}; waiting for it", file=sys.stderr)
                announced = True
            time.sleep(0.05)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                file.close()
                raise
            warnings.warn(f"{path}: this file system has no locks; let only one process work in it", stacklevel=4)
            return file
        file.close()
