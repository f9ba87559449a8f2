"""Unpacking of untrusted archives: every name is checked before anything is written.

Archives are unpacked only on request, because the readers read zips directly.
"""

import lzma
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tdsm.util.errors import InputError
from tdsm.util.files import check_space, disk_faults

__all__ = ["unpack"]

_CHUNK = 1 << 18
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, UnicodeError, RuntimeError)  # the last one: encrypted


class _Entry(NamedTuple):
    """A member of an archive; ``kind`` is "file", "folder" or "link or device"."""

    name: str
    size: int
    kind: str
    open: Callable[[], IO[bytes] | None]

    @property
    def parts(self) -> tuple[str, ...]:
        return PurePosixPath(self.name).parts


def unpack(archive: str | Path, folder: str | Path, *, most_bytes: int = 200 << 30, most_ratio: float = 200) -> list[Path]:
    """Unpack a zip or a tar (plain or compressed) into a new folder, which appears only when it is complete.

    All names are checked before anything is written. A name must not lead out of the folder (absolute paths, ``..``, drive letters, backslashes), be a link
    or device, or differ from another name only in case. Only plain files are created.

    Args:
        archive: the file.
        folder: the new folder, which must not exist.
        most_bytes: largest total size of the files.
        most_ratio: largest total size relative to the archive's size, beyond 100 MiB.

    Returns:
        The files, in the archive's order.

    Raises:
        InputError: not a zip or tar, damaged or encrypted, an unsafe name or size, ``folder`` exists, or the disk is full.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists():
        raise InputError(folder, "already exists", "give a new folder, or remove it")
    partial = folder.with_name(folder.name + ".partial")
    with disk_faults(folder), _opened(archive) as entries:
        checked = _checked(archive, entries, min(most_bytes, max(100 << 20, int(most_ratio * archive.stat().st_size))))
        check_space(folder, sum(entry.size for entry in checked))
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            for entry in checked:
                path = partial.joinpath(*entry.parts)
                (path if entry.kind == "folder" else path.parent).mkdir(parents=True, exist_ok=True)
                if entry.kind == "file":
                    with entry.open() as content, path.open("xb") as out:
                        shutil.copyfileobj(content, out, _CHUNK)
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return [folder.joinpath(*entry.parts) for entry in checked if entry.kind == "file"]


@contextmanager
def _opened(archive: Path) -> Iterator[Iterable[_Entry]]:
    """The members; an error for damage that is found while they are read is one line."""
    if not archive.is_file():
        raise InputError(archive, "no such file", "check the path")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as content:
                yield _zip_entries(content)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as content:
                yield _tar_entries(content)
        else:
            raise InputError(archive, "is neither a zip nor a tar", "unpack .7z and .rar with 7-Zip (`7z x`) or `unar`")
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # an error of the disk; those of gzip and bz2 have no errno
            raise
        raise InputError(archive, f"cannot be unpacked ({error})", "download it again") from error


def _zip_entries(content: zipfile.ZipFile) -> Iterator[_Entry]:
    for info in content.infolist():
        plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
        kind = "link or device" if not plain else "folder" if info.is_dir() else "file"
        yield _Entry(info.filename, info.file_size, kind, lambda info=info: content.open(info))


def _tar_entries(content: tarfile.TarFile) -> Iterator[_Entry]:
    for info in content:
        kind = "folder" if info.isdir() else "file" if info.isreg() and not info.issparse() else "link or device"
        yield _Entry(info.name, info.size, kind, lambda info=info: content.extractfile(info))
    if content.fileobj.read(1 << 20) and content.fileobj.read(1):  # read to the end, where a compressed tar has its checksum
        raise tarfile.ReadError("data after the end of the archive")


def _checked(archive: Path, entries: Iterable[_Entry], most: int) -> list[_Entry]:
    """The entries, after checking all of them. Sizes are summed meanwhile, so a zip bomb is detected before all its entries are listed."""
    total, files, folders = 0, set(), set()
    checked = []
    for entry in entries:
        bad = entry.size < 0 or entry.name.startswith("/") or ".." in entry.parts or re.search(r"^[A-Za-z]:|[\\\0]", entry.name)
        if bad or entry.kind not in ("file", "folder") or (entry.kind == "file" and not entry.parts):
            what = "would be written outside the folder" if bad else f"is a {entry.kind}"
            raise InputError(archive, f"entry {entry.name!r} {what}", "do not unpack it; ask its owners")
        total += entry.size
        if total > most:
            raise InputError(archive, f"unpacks to more than {most} bytes, too much for its size", "do not unpack it, or raise the limits if you trust it")
        keys = [unicodedata.normalize("NFC", "/".join(entry.parts[:depth])).casefold() for depth in range(1, 1 + len(entry.parts))]
        if entry.kind == "file":
            if keys[-1] in files | folders:
                raise InputError(archive, f"entry {entry.name!r} occurs twice, or differs from another only in case", "unpack it by hand and choose")
            files.add(keys.pop())
        folders.update(keys)
        checked.append(entry)
    if files & folders:
        raise InputError(archive, f"{min(files & folders)!r} is both a file and a folder", "do not unpack it; ask its owners")
    return checked
