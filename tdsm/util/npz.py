"""Arrays on disk: .npy, and .npz with a checksum, whose large members can be mapped into memory. Nothing in them is ever executed.

What a file claims (how many numbers an array has, how large a member of a zip is) is compared with the size of the file before memory is taken for it.
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
_AGAIN = "take another copy; it must hold plain arrays of numbers or text, as numpy.savez writes them"
_LARGEST_RATIO, _FREE = 200, 2**28  # a zip may unpack to 200 times its size and 256 MB more
_LONGEST_HEADER = 65_536
_UNREADABLE = (
    *(ValueError, TypeError, KeyError, EOFError, OSError, OverflowError, MemoryError, SyntaxError, tokenize.TokenError, struct.error),  # headers and sizes
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError),  # RuntimeError: encrypted, nested too deeply
)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray | Sequence[np.ndarray]], checksum: bool = True) -> Path:
    """Write arrays to an uncompressed .npz, atomically; returns the path. The same arrays give the same bytes.

    Args:
        path: the file.
        arrays: by name; a list of arrays is written as one, joined along the first axis, without being copied together first.
        checksum: add a checksum, as one more array; False for files in a format of others.

    Raises:
        InputError: the disk refuses.
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
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:  # ZipInfo: with the same date each time
        head = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        for block in blocks:
            file.write(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data if block.nbytes else b"")


def _seal(archive: zipfile.ZipFile) -> str:
    """sha256 over name, size and CRC-32 of each member; the CRC-32 are held against the content whenever a member is read."""
    members = sorted((info.filename, info.file_size, info.CRC) for info in archive.infolist() if info.filename != f"{_CHECKSUM}.npy")
    return hashlib.sha256(json.dumps(members).encode()).hexdigest()


def read_npz(path: str | Path, mapped: Collection[str] = (), remedy: str = _AGAIN) -> dict[str, np.ndarray]:
    """All arrays of a .npz, by name.

    Args:
        path: a file of :func:`write_npz`, numpy.savez or numpy.savez_compressed.
        mapped: names of arrays to map into memory instead of reading them, where they are not compressed; a change in memory does not reach the file. Their
            content is read once, for its checksum.
        remedy: what to do about a damaged file, for the message.

    Raises:
        InputError: missing, damaged, changed since :func:`write_npz` wrote it, pickled objects inside, or a size that the file cannot hold.
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
        raise InputError(path, "has changed since it was written", f"take another copy, or write it without the array {_CHECKSUM!r} if you changed it")
    return arrays


def _count(path: Path, size: int) -> int | None:
    """How many members a zip says it has at its very end; zipfile does not compare this with those that it finds. None where a comment stands there."""
    with path.open("rb") as file:
        file.seek(max(0, size - 22))
        end = file.read()
    return struct.unpack("<H", end[10:12])[0] if end.startswith(b"PK\x05\x06") else None


def _check_members(members: Sequence[zipfile.ZipInfo], size: int, count: int | None) -> None:
    names = [info.filename for info in members]
    if len(set(names)) < len(names) or count not in (None, len(names)):
        raise ValueError("its list of members is damaged, or one is there twice")
    for info in members:
        if not info.filename.endswith(".npy"):
            raise ValueError(f"{info.filename[:60]!r} is no array")
        if info.compress_type == zipfile.ZIP_STORED and info.file_size > size:
            raise ValueError(f"{info.filename[:60]!r} claims {info.file_size:,} bytes of a file of {size:,}")
    if (total := sum(info.file_size for info in members)) > _LARGEST_RATIO * size + _FREE:
        raise ValueError(f"{size:,} bytes claim to unpack to {total:,}; numpy.savez writes without compression")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, mapped: Collection[str]) -> np.ndarray:
    with archive.open(info) as file:
        shape, order, dtype = _read_header(file, info.file_size)
        start = file.tell()
        if info.filename.removesuffix(".npy") not in mapped or info.compress_type != zipfile.ZIP_STORED or start == info.file_size:
            return _read_numbers(file, info.file_size - start, dtype).reshape(shape, order=order)
    with path.open("rb") as file:  # the content begins after the member's own header, which zipfile has checked
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
    """One array of a .npy.

    Args:
        source: the file, or its content.
        where: what to name in messages; left out: the file.
        remedy: what to do about a damaged file, for the message.

    Raises:
        InputError: missing, damaged, pickled objects, or a size that the file cannot hold.
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
    """A .npy file mapped into memory, for reading ("r") or also for writing ("r+"). Raises InputError: missing, damaged, or with pickled objects."""
    try:
        with path.open("rb") as file:
            _read_header(file, path.stat().st_size)  # numpy would make a file longer that is too short, and fill it with zeros
        return np.lib.format.open_memmap(path, mode=mode, max_header_size=_LONGEST_HEADER)
    except _UNREADABLE as error:
        raise InputError(path, f"cannot be mapped ({' '.join(str(error).split())[:200]})", remedy) from error


def _read_header(file: io.BufferedIOBase, size: int) -> tuple[tuple[int, ...], str, np.dtype]:
    """Shape, order ("C" or "F") and type, after a check that an array of this shape fills the rest of ``size`` bytes."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Python 2 wrote it
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
            raise EOFError("was cut off")
        done += count
    if file.read(1):  # of a zip, the checksum is compared here
        raise ValueError("has more than its array")
    return _checked(content.view(dtype)) if size else np.empty(0, dtype)


def _checked(array: np.ndarray) -> np.ndarray:
    """The array; text is refused that could be neither printed nor saved."""
    codes = array.view(array.dtype.byteorder.replace("|", "=") + "u4") if array.dtype.kind == "U" else np.zeros(0, "u4")
    if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise ValueError("text that is no Unicode")
    return array


def _first_line(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:300]
