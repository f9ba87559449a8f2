"""Identification of a single file by its first bytes: never by its name, and without reading more than 64 kB of it.

The readers and :mod:`tdsm.catalogue.doctor` share this module, so both give a file the same description and the same remedy.
"""

import re
import stat
from pathlib import Path
from typing import NamedTuple

from tdsm.util.errors import InputError

__all__ = ["HEAD", "Kind", "check_path", "kind_of", "kind_of_bytes", "shown", "unreadable"]

HEAD = 1 << 16
"""Number of bytes that are read."""


class Kind(NamedTuple):
    """The kind of a file.

    Attributes:
        name: a short name: "zip", "pickle", "npy", "json", "csv", "bvh", "amc", "c3d", "text", "packed", "page", "empty", "part", "other" ...
        title: description for users, with an article.
        remedy: what to do if the file cannot be read directly.
    """

    name: str
    title: str
    remedy: str


_UNPACK = "unpack it and give the folder"
_PAGE = "download the file itself; this was delivered in its place (a log-in page or a size warning)"
_POSES = "run a pose estimator such as MediaPipe, OpenPose, MMPose or YOLO on it first, and give its output"
_MOTION = "export it as BVH, or save the 3-D positions of the joints as a .npy of shape (T, V, 3), and list them in a clips.csv with their layout"
_TAKE = "export it again, as one take of one or more whole bodies"
_ACCLAIM = re.compile(rb"(?:\s*(?:#[^\n]*)?\n)*\s*:(?:(FULLY-SPECIFIED|DEGREES|RADIANS)|(VERSION|NAME|UNITS))\b", re.IGNORECASE)
_ARRAY = "give it with layout=..., or put it in a folder with a clips.csv"
_TEXT = "give the folder or zip that it belongs to; single files must be JSON, CSV, .npy, .npz or pickle"
_MAGIC = (  # the first bytes
    (b"PK\x03\x04", "zip", "a zip", "download it again, or give the unpacked folder"),
    (b"PK\x05\x06", "zip", "a zip", "download it again, or give the unpacked folder"),
    (b"\x93NUMPY", "npy", "a .npy array", _ARRAY),
    (b"Rar!", "packed", "a .rar archive", _UNPACK),
    (b"\x1f\x8b", "packed", "a .gz archive", _UNPACK),
    (b"7z\xbc\xaf", "packed", "a .7z archive", _UNPACK),
    (b"BZh", "packed", "a .bz2 archive", _UNPACK),
    (b"\xfd7zXZ", "packed", "an .xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed", "a .zst archive", _UNPACK),
    (b"\x89HDF", "hdf5", "an HDF5 file (MATLAB 7.3, Keras)", "save its joints as a .npy array"),
    (b"MATLAB 5.0", "mat", "a MATLAB file", "give the folder or zip that contains it, or save its joints as a .npy array"),
    (b"version https://git-lfs", "page", "a pointer of git-lfs", _PAGE),
    (b"HIERARCHY", "bvh", "a BVH motion file", _TAKE),
    (b"Kaydara FBX", "fbx", "an FBX motion file", _MOTION),
    (b"RIFF", "video", "a video or sound", _POSES),
    (b"\x1aE\xdf\xa3", "video", "a video", _POSES),
    (b"\x89PNG", "picture", "a picture", _POSES),
    (b"\xff\xd8\xff", "picture", "a picture", _POSES),
    (b"GIF8", "picture", "a picture", _POSES),
    (b"\xff\xfe", "text", "a text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text", "a text in UTF-16", "save it as UTF-8"),
)
_PART = (".part", ".partial", ".crdownload")


def check_path(path: str | Path) -> Path:
    """The path, if it exists.

    Raises:
        InputError: the path does not exist, or its name is invalid (too long, NUL, circular links).
    """
    try:
        Path(path).stat()
    except FileNotFoundError as error:
        raise InputError(shown(path), "no such file or folder", "check the path") from error
    except (OSError, ValueError) as error:
        raise InputError(shown(path), f"cannot be reached ({getattr(error, 'strerror', None) or error})", "check the path") from error
    return Path(path)


def shown(path: str | Path) -> str:
    """The path for a message, shortened if it is very long."""
    text = str(path).replace("\0", "\\0")
    return text if len(text) <= 300 else f"{text[:300]}..."


def kind_of(path: str | Path) -> Kind:
    """The kind of a file.

    Raises:
        InputError: not a file, or a file that cannot be opened.
    """
    path = check_path(path)
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device could block
        raise InputError(path, "is not a file", "give a file or a folder")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check its permissions") from error
    if not head:
        return Kind("empty", "empty (0 bytes)", "download it again")
    if path.suffix in _PART:
        return Kind("part", "an incomplete download", "start the same download again")
    return kind_of_bytes(head)


def kind_of_bytes(head: bytes) -> Kind:
    """The kind of a file that starts with these bytes (at least one); 64 kB are enough for all kinds.

    Example:
        >>> kind_of_bytes(b"HIERARCHY\\nROOT Hips").title
        'a BVH motion file'
    """
    if len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return Kind("pickle", "a pickle", "give an annotation pickle of pyskl or MMAction2, or save its arrays as .npy")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, name, title, remedy in _MAGIC:
        if head.startswith(magic) or (name in ("page", "bvh") and start.startswith(magic)):
            return Kind(name, title, remedy)
    if head[4:8] == b"ftyp":
        return Kind("video", "a video", _POSES)
    if head[257:262] == b"ustar":
        return Kind("packed", "a .tar archive", _UNPACK)
    if _is_c3d(head):
        return Kind("c3d", "a C3D motion file", _TAKE)
    if acclaim := _ACCLAIM.match(start):
        return Kind("amc", "an AMC motion file", _TAKE) if acclaim[1] else Kind("asf", "the body of AMC motion files", "give the .amc and keep this next to it")
    return _text(start)


def _is_c3d(head: bytes) -> bool:
    """Whether it is a C3D: its first byte is the number of the parameter block, whose fourth byte is the machine type."""
    at = 512 * (head[0] - 1) if len(head) > 512 and head[1] == 80 and head[0] > 1 else len(head)
    return len(head) > at + 3 and head[at + 3] in (84, 85, 86)


def _text(start: bytes) -> Kind:
    """The kind of a text, judged by its first characters."""
    if not start:
        return Kind("text", "a text of blanks only", _TEXT)
    if b"\0" in start:
        return Kind("other", "a file of an unknown kind", "give a download, an .npz, a pickle, a pose detector's JSON or CSV, or a folder of these")
    if start.startswith(b"<"):
        return Kind("page", "a web page or other markup", _PAGE)
    if start[:1] in b"{[":
        return Kind("json", "a JSON file", "give JSON as OpenPose, AlphaPose, MMPose, YOLO or MediaPipe write it, or save the joints as .npy")
    first = start.partition(b"\n")[0]
    if b"," in first or b";" in first or b"\t" in first:
        return Kind("csv", "a table (CSV)", "give a table of MediaPipe landmarks or of YOLO, or save the joints as .npy with a clips.csv")
    return Kind("text", "a text file", _TEXT)


def unreadable(path: Path, kind: Kind) -> InputError:
    """The error to raise if a file of this kind cannot be read."""
    return InputError(path, f"is {kind.title}", kind.remedy)
