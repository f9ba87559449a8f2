"""sha256 of the content of files and folders, used as keys of cached results."""

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from tdsm.util.errors import InputError
from tdsm.util.files import read_sealed, user_cache, write_sealed
from tdsm.util.progress import progress_bar

__all__ = ["digest_of"]

_SHOWN = 2**30  # a progress bar is shown from this number of bytes on
_SETTLED = 2.0  # seconds after its last change; a file's times identify its content only if it is older
_Entries = dict[str, list[int | str]]  # path -> [size, mtime, ctime, inode, sha256]


def digest_of(paths: Sequence[Path], cache: Path | None = None) -> str:
    """sha256 over the names and contents of all files in folders, and over the contents of single files such as zips.

    Each file is read once. Its sha256 is kept in the user's cache folder together with the file's size, modification time, change time and inode, and is
    computed again when one of these differs. (No program can set the change time, so copying an old modification time does not hide new content.)

    Args:
        paths: files and folders; their order matters.
        cache: folder of the kept digests; default: a folder in the user's cache.

    Raises:
        InputError: a path does not exist, or a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        entries = _entries(Path(path), cache or user_cache() / "digests")
        digest.update(repr(entries if path.is_dir() else [sha256 for _, sha256 in entries]).encode())
    return digest.hexdigest()


def _entries(path: Path, cache: Path) -> list[tuple[str, str]]:
    """(name relative to ``path``, sha256) of each file, sorted by name."""
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
        raise InputError(path, f"cannot be read ({error.strerror})", "make it readable, or get another copy") from error


def _known(kept: Path) -> _Entries:
    """The kept digests. A damaged file is ignored, because the digests can be computed again."""
    if not os.path.lexists(kept):
        return {}
    try:
        return read_sealed(kept)["files"]
    except (InputError, KeyError):
        return {}
