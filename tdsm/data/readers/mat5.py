"""Reader for one numeric array of a MATLAB 5 ``.mat`` file.

``scipy.io.loadmat`` reads the complete format in C and crashes the interpreter on some damaged files, without an error message. Skeletons only need plain
arrays, and these are simple: a 128-byte header, then elements, each a tag (type, size) and a body padded to 8 bytes. A variable is an element with four parts:
flags, shape, name, values. A compressed element is a deflated element. Tests compare the result with scipy on all of UTD-MHAD.
"""

import struct
import zlib
from collections.abc import Iterator
from itertools import islice

import numpy as np

__all__ = ["read_mat_array"]

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_VALUES = {1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
_NUMERIC_CLASSES = range(6, 16)  # double, single, and the eight integers
_COMPLEX = 0x0800
_LARGEST = 1 << 26  # most bytes after decompression; a clip of UTD-MHAD has 0.1 MB
_PARTS = 4  # parts of an array: flags, shape, name, values


def read_mat_array(content: bytes, name: str) -> np.ndarray | None:
    """The array called ``name``, or None if the file has no such variable.

    Args:
        content: a little-endian MATLAB 5 file, compressed or not (as MATLAB's ``save -v7`` and ``-v6`` write it).
        name: name of the variable.

    Raises:
        ValueError: not such a file, damaged, or the variable is not a real numeric array.
    """
    if content[126:128] != b"IM" or content[124:126] != b"\x00\x01":
        raise ValueError("no little-endian MATLAB 5 header")
    room = _LARGEST
    for kind, body in _elements(content[_HEADER:]):
        if kind == _COMPRESSED:
            inflated = _inflate(body, room)
            room -= len(inflated)
            kind, body = next(_elements(inflated), (0, b""))
        if kind != _MATRIX:
            continue
        parts = list(islice(_elements(body), _PARTS + 1))
        if len(parts) > 2 and parts[2][1] == name.encode():
            return _array(parts, name)
    return None


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind >> 16:  # up to 4 bytes are stored in the tag itself
            kind, size = kind & 0xFFFF, kind >> 16
            start, following = at + 4, at + 8
        else:
            start = at + 8
            following = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > len(data) or (start == at + 4 and size > 4):
            raise ValueError("an element reaches beyond the end")
        yield kind, data[start : start + size]
        at = following


def _inflate(body: bytes, room: int) -> bytes:
    try:
        stream = zlib.decompressobj()
        inflated = stream.decompress(body, room + 1)
        if len(inflated) > room:
            raise ValueError(f"unpacks to more than {_LARGEST >> 20} MB")
        return inflated
    except zlib.error as error:
        raise ValueError(f"damaged compression: {error}") from error


def _array(parts: list[tuple[int, bytes]], name: str) -> np.ndarray:
    flags = int.from_bytes(parts[0][1][:4], "little")
    if flags & 0xFF not in _NUMERIC_CLASSES or flags & _COMPLEX or len(parts) != _PARTS or parts[3][0] not in _VALUES:
        raise ValueError(f"{name} is not an array of real numbers")
    shape = np.frombuffer(parts[1][1], "<i4")
    values = np.frombuffer(parts[3][1], _VALUES[parts[3][0]])
    if (shape < 0).any() or np.prod(shape, dtype=float) != values.size:
        raise ValueError(f"{name} has {values.size} values for shape {tuple(shape.tolist())}")
    return values.reshape(shape, order="F")
