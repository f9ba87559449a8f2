"""Arrays on disk: .npy, and .npz with a checksum, whose large members can be memory-mapped. No content is ever executed.

The sizes that a file declares (numbers of an array, bytes of a zip member) are compared with the size of the file before memory is allocated.
"""

import hashlib
import io
import json
import lzma
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from tdsm.util.errors import InputError
from tdsm.util.files import atomic, check_file

__all__ = ["map_npy", "read_npy", "read_npz", "write_npz"]

_CHECKSUM = "checksum"
_AGAIN = "get another copy; it must hold plain arrays of numbers or text, as numpy.savez writes them"
_LARGEST_RATIO, _FREE = 200, 2**28  # a zip may unpack to 200 times its size plus 256 MB
_LONGEST_HEADER = 65_536
_UNREADABLE = (
    *(ValueError, TypeError, KeyError, EOFError, OSError, OverflowError, MemoryError, SyntaxError, tokenize.TokenError, struct.error),  # headers and sizes
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError),  # RuntimeError: encrypted, nested too deeply
)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray | Sequence[np.ndarray]], checksum: bool = True) -> Path:
    """Write arrays to an uncompressed .npz, atomically; returns the path. The same arrays give the same bytes.

    Args:
        path: the file.
        arrays: arrays by name; a list of arrays is written as one array, joined along the first axis, without a joined copy in memory.
        checksum: add a checksum as an additional array; False for file formats that other programs read.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, value in arrays.items():
            _write_member(archive, name, list(value) if isinstance(value, list | tuple) else [np.asarray(value)])
        if checksum:
            _write_member(archive, _CHECKSUM, [np.array(_seal(archive))])
    return path


def _write_member(archive: zipfile.ZipFile, name: str, blocks: list[np.ndarray]) -> None:
    first = blocks[0]
    shape = (sum(len(block) for block in blocks), *first.shape[1:]) if first.ndim else ()
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:  # ZipInfo: the date is always the same
        head = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        for block in blocks:
            file.write(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data if block.nbytes else b"")


def _seal(archive: zipfile.ZipFile) -> str:
    """sha256 over name, size and CRC-32 of each member. The CRC-32 is compared with the content whenever a member is read."""
    members = sorted((info.filename, info.file_size, info.CRC) for info in archive.infolist() if info.filename != f"{_CHECKSUM}.npy")
    return hashlib.sha256(json.dumps(members).encode()).hexdigest()


def read_npz(path: str | Path, mapped: Collection[str] = (), remedy: str = _AGAIN) -> dict[str, np.ndarray]:
    """All arrays of a .npz, by name.

    Args:
        path: a file of :func:`write_npz`, numpy.savez or numpy.savez_compressed.
        mapped: names of arrays to memory-map instead of reading them, if they are not compressed. Changes in memory are not written to the file. Their
            content is read once, for the checksum.
        remedy: remedy in the error message for a damaged file.

    Raises:
        InputError: the file is missing, damaged, changed after :func:`write_npz` wrote it, holds pickled objects, or declares a size that it cannot hold.
    """
    path = Path(path)
    size = check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist(), size, _count(path, size))
            arrays = {info.filename.removesuffix(".npy"): _read_member(archive, info, path, mapped) for info in archive.infolist()}
            seal = _seal(archive)
    except _UNREADABLE as error:
        raise InputError(path, f"not a readable .npz of plain arrays ({_first_line(error)})", remedy) from error
    kept = arrays.pop(_CHECKSUM, None)
    if kept is not None and str(kept) != seal:
        raise InputError(path, "has changed since it was written", f"get another copy, or write it without the array {_CHECKSUM!r} if you changed it")
    return arrays


def _count(path: Path, size: int) -> int | None:
    """Number of members that a zip declares at its end, which zipfile does not compare with the members it finds. None if the zip ends in a comment."""
    with path.open("rb") as file:
        file.seek(max(0, size - 22))
        end = file.read()
    return struct.unpack("<H", end[10:12])[0] if end.startswith(b"PK\x05\x06") else None


def _check_members(members: Sequence[zipfile.ZipInfo], size: int, count: int | None) -> None:
    names = [info.filename for info in members]
    if len(set(names)) < len(names) or count not in (None, len(names)):
        raise ValueError("its list of members is damaged, or a member occurs twice")
    for info in members:
        if not info.filename.endswith(".npy"):
            raise ValueError(f"{info.filename[:60]!r} is not an array")
        if info.compress_type == zipfile.ZIP_STORED and info.file_size > size:
            raise ValueError(f"{info.filename[:60]!r} declares {info.file_size:,} bytes in a file of {size:,}")
    if (total := sum(info.file_size for info in members)) > _LARGEST_RATIO * size + _FREE:
        raise ValueError(f"{size:,} bytes would unpack to {total:,}; numpy.savez writes without compression")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, mapped: Collection[str]) -> np.ndarray:
    with archive.open(info) as file:
        shape, order, dtype = _read_header(file, info.file_size)
        start = file.tell()
        if info.filename.removesuffix(".npy") not in mapped or info.compress_type != zipfile.ZIP_STORED or start == info.file_size:
            return _read_numbers(file, info.file_size - start, dtype).reshape(shape, order=order)
    with path.open("rb") as file:  # the content begins after the member's own header, which zipfile has already checked
        file.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
    whole = np.memmap(path, np.uint8, "c", info.header_offset + 30 + name + extra, (info.file_size,))
    crc = 0
    for first in range(0, len(whole), 2**24):
        crc = zlib.crc32(whole[first : first + 2**24], crc)
    if crc != info.CRC:
        raise ValueError(f"the checksum of {info.filename!r} is wrong")
    return _checked(np.asarray(whole)[start:].view(dtype)).reshape(shape, order=order)


def read_npy(source: str | Path | bytes, where: object = None, remedy: str = _AGAIN) -> np.ndarray:
    """Read one array of a .npy.

    Args:
        source: the file, or its content.
        where: source named in error messages; default: the file.
        remedy: remedy in the error message for a damaged file.

    Raises:
        InputError: the file is missing, damaged, holds pickled objects, or declares a size that it cannot hold.
    """
    where = where or source
    try:
        size = len(source) if isinstance(source, bytes) else check_file(Path(source), remedy)
        with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
            shape, order, dtype = _read_header(file, size)
            return _read_numbers(file, size - file.tell(), dtype).reshape(shape, order=order)
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(where, f"not a readable .npy of plain numbers ({_first_line(error)})", remedy) from error


def map_npy(path: Path, mode: str = "r", remedy: str = _AGAIN) -> np.memmap:
    """A memory-mapped .npy, for reading ("r") or also writing ("r+"). Raises InputError: the file is missing, damaged, or holds pickled objects."""
    try:
        with path.open("rb") as file:
            _read_header(file, path.stat().st_size)  # numpy would extend a truncated file with zeros
        return np.lib.format.open_memmap(path, mode=mode, max_header_size=_LONGEST_HEADER)
    except _UNREADABLE as error:
        raise InputError(path, f"cannot be mapped ({' '.join(str(error).split())[:200]})", remedy) from error


def _read_header(file: io.BufferedIOBase, size: int) -> tuple[tuple[int, ...], str, np.dtype]:
    """Shape, order ("C" or "F") and dtype, after a check that an array of this shape fills the rest of ``size`` bytes."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning that Python 2 wrote the file
        shape, fortran, dtype = read(file, _LONGEST_HEADER)
    if dtype.hasobject:
        raise ValueError("pickled objects are not read")
    if dtype.names is not None or dtype.subdtype is not None or min(shape, default=1) < 0:
        raise ValueError(f"an array of type {dtype} and shape {shape}")
    if max(1, dtype.itemsize) * math.prod(max(1, side) for side in shape) > size + 2**20 or dtype.itemsize * math.prod(shape) != size - file.tell():
        raise ValueError(f"shape {shape} of {dtype} does not fit {size - file.tell():,} bytes")
    return shape, "F" if fortran else "C", dtype


def _read_numbers(file: io.BufferedIOBase, size: int, dtype: np.dtype) -> np.ndarray:
    content = np.empty(size, np.uint8)
    done, view = 0, memoryview(content)
    while done < size:
        count = file.readinto(view[done : done + 2**24])
        if not count:
            raise EOFError("is truncated")
        done += count
    if file.read(1):  # for a zip member, zipfile compares its checksum here
        raise ValueError("has bytes after its array")
    return _checked(content.view(dtype)) if size else np.empty(0, dtype)


def _checked(array: np.ndarray) -> np.ndarray:
    """The array itself; text that cannot be printed or saved is refused."""
    codes = array.view(array.dtype.byteorder.replace("|", "=") + "u4") if array.dtype.kind == "U" else np.zeros(0, "u4")
    if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise ValueError("text that is not valid Unicode")
    return array


def _first_line(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:300]
