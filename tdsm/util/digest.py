"""sha256 of the content of files and folders, for the keys of what is computed from them."""

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from tdsm.util.errors import InputError
from tdsm.util.files import read_sealed, user_cache, write_sealed
from tdsm.util.progress import progress_bar

__all__ = ["digest_of"]

_SHOWN = 2**30  # bytes to be read from which on a bar is shown
_SETTLED = 2.0  # seconds after its last change from which on a file's time tells it from a later version of itself
_Entries = dict[str, list[int | str]]  # path -> size, two times and inode of a file, and its sha256


def digest_of(paths: Sequence[Path], cache: Path | None = None) -> str:
    """sha256 over names and content of all files in folders, and over the content of single files, zips among them.

    Each file is read once: its sha256 is kept in the user's cache folder together with its size, the times of its last change and its inode, and is computed
    again when one of these is another. (The time at which the system recorded a change cannot be set by any program, so that copying an old time does not
    hide a new content.)

    Args:
        paths: files and folders; the order counts.
        cache: folder of the kept digests; left out: the user's.

    Raises:
        InputError: a path does not exist, or a file in it cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        entries = _entries(Path(path), cache or user_cache() / "digests")
        digest.update(repr(entries if path.is_dir() else [sha256 for _, sha256 in entries]).encode())
    return digest.hexdigest()


def _entries(path: Path, cache: Path) -> list[tuple[str, str]]:
    """(name relative to ``path``, sha256) of each file, by name."""
    if not path.exists():
        raise InputError(path, "no such file or folder", "check the path")
    kept = cache / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"
    known = _known(kept)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    stamps = {path.name if file == path else file.relative_to(path).as_posix(): (file, _stamp(file)) for file in files}
    todo = {name for name, (_, stamp) in stamps.items() if known.get(name, [])[:4] != stamp}
    size = sum(stamps[name][1][0] for name in todo)
    settled: _Entries = {name: known[name] for name in stamps.keys() - todo}
    fresh: _Entries = {}
    for name in progress_bar(sorted(todo), shown=size > _SHOWN, desc="checksums", unit="file"):
        file, stamp = stamps[name]
        entry = [*stamp, _sha256(file)]
        (settled if time.time() - max(stamp[1], stamp[2]) / 1e9 > _SETTLED else fresh)[name] = entry
    if settled != known:
        write_sealed(kept, {"files": settled})
    both = settled | fresh
    return [(name, str(both[name][4])) for name in sorted(both)]


def _stamp(path: Path) -> list[int]:
    about = path.stat()
    return [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "make it readable, or take another copy") from error


def _known(kept: Path) -> _Entries:
    """What is kept; a damaged file counts as none, since all of it can be computed again."""
    if not os.path.lexists(kept):
        return {}
    try:
        return read_sealed(kept)["files"]
    except (InputError, KeyError):
        return {}
