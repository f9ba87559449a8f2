"""Files of a data set, whether it is still a zip or already unpacked.

A reader need not care whether its user unpacked a data set: it asks an :class:`Archive` for the members whose base names match a pattern, and reads them as
bytes. All that can be wrong with what was downloaded (no such path, nothing in it, cut off in the middle, something else altogether) is reported here.
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

LARGEST = 32 << 20  # bytes of one member; the largest of the data sets are videos of PKU-MMD with about 20 MB

_UNREADABLE = (zipfile.BadZipFile, NotImplementedError, struct.error, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)
"""What opening or reading a damaged zip raises (RuntimeError: encrypted; NotImplementedError: packed in an unknown way)."""


class Archive:
    """The member files of a zip or of a folder; a context manager.

    Attributes:
        path: the zip or the folder.
        names: member names relative to it, with forward slashes, sorted.

    Raises:
        InputError: no such path, an empty file, or a file that is not a whole zip (what it is instead is said).
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
        """Bytes of one member, unpacked, by the zip's own table."""
        return (self.path / name).stat().st_size if self._zip is None else self._zip.getinfo(name).file_size

    def head(self, name: str, count: int) -> bytes:
        """The first bytes of one member, which may be empty.

        Raises:
            InputError: it cannot be read.
        """
        try:
            with (self.path / name).open("rb") if self._zip is None else self._zip.open(name) as file:
                return file.read(count)
        except _UNREADABLE as error:
            raise InputError(self.path / name, f"cannot be read ({error})", "download the data set again") from error

    def read(self, name: str, largest: int = LARGEST) -> bytes:
        """Content of one member.

        Args:
            name: of the member.
            largest: bytes that it may have, unpacked; more is refused before anything is read.

        Raises:
            InputError: the member is empty, damaged, encrypted or too large.
        """
        try:
            size = self.size(name)
            if size > largest:
                raise InputError(self.path / name, f"has {size / 1e6:,.0f} MB, where {largest / 1e6:,.0f} MB are the most that such a file has", "leave it out")
            content = (self.path / name).read_bytes() if self._zip is None else self._zip.read(name)
        except (InputError, KeyError):
            raise
        except _UNREADABLE as error:
            raise InputError(self.path / name, f"cannot be read ({error})", "download the data set again") from error
        if not content:
            raise InputError(self.path / name, "is empty (0 bytes)", "download the data set again")
        return content

    def matching(self, pattern: re.Pattern, example: str) -> list[tuple[str, re.Match]]:
        """(member name, match) for members whose base name matches all of ``pattern``, ordered by the numbers it captures.

        Args:
            pattern: its groups are all numbers.
            example: a name that matches, for the message.

        Raises:
            InputError: no member matches, or one base name stands in two folders.
        """
        members: dict[str, tuple[str, re.Match]] = {}
        for name in self.names:
            match = pattern.fullmatch(PurePosixPath(name).name)
            if match and match[0] in members:
                raise InputError(self.path, f"{match[0]} is there twice, as {members[match[0]][0]} and {name}", "keep one copy")
            if match:
                members[match[0]] = (name, match)
        if not members:
            first = f"the first is {self.names[0]}" if self.names else "it is empty"
            raise InputError(self.path, f"none of its {len(self.names)} files is named like {example} ({first})", "give the archive or folder that holds them")
        return sorted(members.values(), key=lambda member: tuple(map(int, member[1].groups())))
