"""Files of a data set, whether it is still a zip or already unpacked.

Data sets are handed out as zips of many small files. A reader need not care whether its user unpacked one: it asks an
:class:`Archive` for the members whose base names match a pattern, and reads them as bytes. All that can be wrong with
what was downloaded (no such path, nothing in it, cut off in the middle, something else altogether) is reported here.
"""

import lzma
import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tdsm.util.errors import InputError

__all__ = ["Archive"]

_UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)  # RuntimeError: encrypted, unknown method


class Archive:
    """The member files of a zip or of a folder; a context manager.

    Attributes:
        path: the zip or the folder.
        names: member names relative to it, with forward slashes, sorted.

    Raises:
        InputError: no such path, an empty file, or a file that is not a whole zip.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._zip: zipfile.ZipFile | None = None
        if not self.path.exists():
            raise InputError(self.path, "no such file or folder", "check the path")
        if self.path.is_dir():
            self.names = sorted(file.relative_to(self.path).as_posix() for file in self.path.rglob("*") if file.is_file())
            return
        if self.path.is_file() and self.path.stat().st_size == 0:
            raise InputError(self.path, "is empty (0 bytes)", "download it again")
        try:
            self._zip = zipfile.ZipFile(self.path)
        except _UNREADABLE as error:
            raise InputError(self.path, f"not a complete zip ({error})", "download it again, or give the unpacked folder") from error
        self.names = sorted(name for name in self._zip.namelist() if not name.endswith("/"))

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()

    def read(self, name: str) -> bytes:
        """Content of one member.

        Raises:
            InputError: the member is empty, damaged or encrypted.
        """
        try:
            content = (self.path / name).read_bytes() if self._zip is None else self._zip.read(name)
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
        found: dict[str, tuple[str, re.Match]] = {}
        for name in self.names:
            base = PurePosixPath(name).name
            match = pattern.fullmatch(base)
            if match and base in found:
                raise InputError(self.path, f"{base} is there twice, as {found[base][0]} and {name}", "keep one copy")
            if match:
                found[base] = (name, match)
        if not found:
            first = f"the first is {self.names[0]}" if self.names else "it is empty"
            raise InputError(self.path, f"none of its {len(self.names)} files is named like {example} ({first})", "give the archive or folder that holds them")
        return sorted(found.values(), key=lambda item: tuple(map(int, item[1].groups())))
