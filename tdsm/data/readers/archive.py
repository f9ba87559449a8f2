"""Files of a data set, in a zip or in an unpacked folder.

Readers do not depend on whether a data set was unpacked: an :class:`Archive` lists the members whose base names match a pattern, and reads them as bytes. Every
problem with a download (missing path, empty, truncated, or another kind of file) is reported here.
"""

import lzma
import re
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tdsm.data.readers.sniff import check_path, kind_of, unreadable
from tdsm.util.errors import InputError

__all__ = ["LARGEST", "Archive"]

LARGEST = 32 << 20  # most bytes of one member; the largest are videos of PKU-MMD with about 20 MB

_UNREADABLE = (zipfile.BadZipFile, NotImplementedError, struct.error, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)
"""Exceptions when a damaged zip is opened or read (RuntimeError: encrypted; NotImplementedError: unknown compression)."""


class Archive:
    """The member files of a zip or a folder; used as a context manager.

    Attributes:
        path: the zip or the folder.
        names: member names relative to it, with forward slashes, sorted.

    Raises:
        InputError: no such path, an empty file, or a file that is not a complete zip (the message says what it is).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = check_path(path)
        self._zip: zipfile.ZipFile | None = None
        if self.path.is_dir():
            self.names = sorted(file.relative_to(self.path).as_posix() for file in self.path.rglob("*") if file.is_file())
            return
        kind = kind_of(self.path)
        try:
            self._zip = zipfile.ZipFile(self.path)
        except _UNREADABLE as error:
            if kind.name != "zip":
                raise unreadable(self.path, kind) from error
            raise InputError(self.path, f"not a complete zip ({error})", kind.remedy) from error
        self.names = sorted(name for name in self._zip.namelist() if not name.endswith("/"))

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()

    def size(self, name: str) -> int:
        """Unpacked size of a member in bytes, from the zip's directory."""
        return (self.path / name).stat().st_size if self._zip is None else self._zip.getinfo(name).file_size

    def head(self, name: str, count: int) -> bytes:
        """The first bytes of a member, which may be empty.

        Raises:
            InputError: the member cannot be read.
        """
        try:
            with (self.path / name).open("rb") if self._zip is None else self._zip.open(name) as file:
                return file.read(count)
        except _UNREADABLE as error:
            raise InputError(self.path / name, f"cannot be read ({error})", "download the data set again") from error

    def read(self, name: str, largest: int = LARGEST) -> bytes:
        """Content of one member.

        Args:
            name: name of the member.
            largest: most bytes, unpacked; a larger member is refused before anything is read.

        Raises:
            InputError: the member is empty, damaged, encrypted or too large.
        """
        try:
            size = self.size(name)
            if size > largest:
                raise InputError(self.path / name, f"has {size / 1e6:,.0f} MB, more than the {largest / 1e6:,.0f} MB of such files", "remove it")
            content = (self.path / name).read_bytes() if self._zip is None else self._zip.read(name)
        except (InputError, KeyError):
            raise
        except _UNREADABLE as error:
            raise InputError(self.path / name, f"cannot be read ({error})", "download the data set again") from error
        if not content:
            raise InputError(self.path / name, "is empty (0 bytes)", "download the data set again")
        return content

    def matching(self, pattern: re.Pattern, example: str) -> list[tuple[str, re.Match]]:
        """(member name, match) for members whose base name matches all of ``pattern``, ordered by the numbers in the groups.

        Args:
            pattern: a pattern whose groups are all numbers.
            example: a matching name, for the message.

        Raises:
            InputError: no member matches, or a base name occurs in two folders.
        """
        members: dict[str, tuple[str, re.Match]] = {}
        for name in self.names:
            match = pattern.fullmatch(PurePosixPath(name).name)
            if match and match[0] in members:
                raise InputError(self.path, f"{match[0]} occurs twice, as {members[match[0]][0]} and {name}", "keep one copy")
            if match:
                members[match[0]] = (name, match)
        if not members:
            first = f"the first is {self.names[0]}" if self.names else "it is empty"
            raise InputError(self.path, f"none of its {len(self.names)} files is called like {example} ({first})", "give the archive or folder that holds them")
        return sorted(members.values(), key=lambda member: tuple(map(int, member[1].groups())))
