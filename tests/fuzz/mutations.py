"""Damage: one file's bytes in, other bytes out. All that is random comes from the generator that is given."""

import io
import json
import random
import re
import struct
import zipfile

import numpy as np

__all__ = ["mutated"]

_HUGE = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", struct.pack("<Q", 2**62), struct.pack("<I", 10**9), b"\0" * 8]
_NUMBERS = ["-1", "0", "1e999", "nan", "-inf", "9" * 30, "9" * 5000, "2147483648", "1e-400", "0x10", "1.5", ""]
_VALUES = [None, True, -1, 0, 1.5, 10**30, 1e308, "", "x", "é" * 50, [], {}, [[]], [None], {"a": 1}, "\u0000", 2**31, [1, "a", None]]


def mutated(content: bytes, draw: random.Random) -> bytes:
    """One of the kinds of damage below; some apply to text or JSON only, and fall back on flipped bits elsewhere."""
    kinds = [_flip, _flip, _truncate, _cut_out, _swap, _repeat, _insert, _claim, _claim, _zero, _number, _number, _json, _json, _json, _deep, _encode]
    if content.startswith(b"PK") and draw.random() < 0.6:
        return _member(content, draw)
    return draw.choice(kinds)(bytearray(content), draw)


def _place(content: bytearray, draw: random.Random) -> int:
    """Anywhere, but half of the time near an end, where headers and directories are."""
    size = max(1, len(content))
    return min(size - 1, draw.choice([draw.randrange(size), draw.randrange(min(size, 200)), size - 1 - draw.randrange(min(size, 300))]))


def _flip(content: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.choice([1, 1, 1, 3, 20]) if content else 0):
        content[_place(content, draw)] ^= 1 << draw.randrange(8)
    return bytes(content)


def _truncate(content: bytearray, draw: random.Random) -> bytes:
    return bytes(content[: draw.choice([0, 1, len(content) - 1, draw.randrange(len(content) + 1), _place(content, draw)])])


def _cut_out(content: bytearray, draw: random.Random) -> bytes:
    start = _place(content, draw)
    del content[start : start + draw.choice([1, 2, 8, 64, 1000])]
    return bytes(content)


def _swap(content: bytearray, draw: random.Random) -> bytes:
    size = draw.choice([1, 4, 16, 100])
    one, other = _place(content, draw), _place(content, draw)
    content[one : one + size], content[other : other + size] = content[other : other + size], content[one : one + size]
    return bytes(content)


def _repeat(content: bytearray, draw: random.Random) -> bytes:
    start, size = _place(content, draw), draw.choice([1, 10, 100, 1000])
    return bytes(content[: start + size] + content[start:])


def _insert(content: bytearray, draw: random.Random) -> bytes:
    start = _place(content, draw)
    return bytes(content[:start] + draw.randbytes(draw.choice([1, 3, 50])) + content[start:])


def _claim(content: bytearray, draw: random.Random) -> bytes:
    """Other sizes in a binary header."""
    start, huge = _place(content, draw), draw.choice(_HUGE)
    content[start : start + len(huge)] = huge
    return bytes(content)


def _zero(content: bytearray, draw: random.Random) -> bytes:
    start, size = _place(content, draw), draw.choice([4, 32, 500])
    content[start : start + size] = b"\0" * len(content[start : start + size])
    return bytes(content)


def _number(content: bytearray, draw: random.Random) -> bytes:
    """Another number in a text."""
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", bytes(content[:200_000])))
    if not found:
        return _flip(content, draw)
    chosen = draw.choice([draw.choice(found), draw.choice(found[:20])])
    return bytes(content[: chosen.start()]) + draw.choice(_NUMBERS).encode() + bytes(content[chosen.end() :])


def _json(content: bytearray, draw: random.Random) -> bytes:
    """A value of another type, a key removed, renamed or given twice, anywhere in a JSON text."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return _number(content, draw)
    places: list[tuple[dict | list, str | int]] = []
    _walk(values, places, 0)
    if not places:
        return json.dumps(draw.choice(_VALUES)).encode()
    inside, key = draw.choice([draw.choice(places), draw.choice(places[:30])])
    change = draw.choice(["value", "value", "remove", "rename", "twice"])
    if change == "remove":
        del inside[key]
    elif change == "rename" and isinstance(inside, dict):
        inside[f"{key}x"] = inside.pop(key)
    elif change == "twice" and isinstance(inside, dict):
        text, name = json.dumps(values), json.dumps(key)
        return text.replace(f"{name}:", f"{name}: {json.dumps(draw.choice(_VALUES))}, {name}:", 1).encode()
    else:
        inside[key] = draw.choice(_VALUES)
    return json.dumps(values).encode()


def _walk(values: object, places: list, depth: int) -> None:
    if depth > 6 or len(places) > 5000:
        return
    for key in values if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ():
        places.append((values, key))
        _walk(values[key], places, depth + 1)


def _deep(content: bytearray, draw: random.Random) -> bytes:
    return draw.choice([b"[" * 100_000, b'{"a":' * 100_000, b'{"train": {"steps": ' + b"9" * 5000 + b"}}", b"(" * 20_000, bytes(content) * 3])


def _member(content: bytes, draw: random.Random) -> bytes:
    """A zip, whole, in which one member is damaged, or, as an array, has another type or shape."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = draw.choice(sorted(members))
    members[name] = _array(members[name], draw) if name.endswith(".npy") and draw.random() < 0.6 else mutated(members[name], draw)
    if draw.random() < 0.1:
        del members[name]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _array(content: bytes, draw: random.Random) -> bytes:
    """Another array: another type, shape or values."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    numbers = array.size if array.dtype.kind in "US" else array
    other = draw.choice([
        lambda: np.zeros(array.shape, draw.choice(["U3", "S2", "c8", "M8[D]", "?", "i1", "u8", "f2", "V4", "m8[s]"])),
        lambda: array.ravel(), lambda: array[None], lambda: array[:0] if array.ndim else array, lambda: array[..., :0] if array.ndim else array,
        lambda: np.zeros(()), lambda: np.full(array.shape, draw.choice([np.nan, np.inf, -1.0, 1e300, 2.0**63])),
        lambda: np.concatenate([array, array]) if array.ndim else array, lambda: np.asfortranarray(array), lambda: np.asarray(numbers) * -1,
        lambda: np.array(draw.choice(["", "x" * 1000, "ntu-25"])), lambda: array.astype(array.dtype.newbyteorder()),
    ])()  # fmt: skip
    file = io.BytesIO()
    np.save(file, other, allow_pickle=False)
    return file.getvalue()


def _encode(content: bytearray, draw: random.Random) -> bytes:
    """Another encoding of a text."""
    try:
        return content.decode().encode(draw.choice(["utf-16", "utf-8-sig", "utf-32", "latin-1"]), "replace")
    except UnicodeDecodeError:
        return _flip(content, draw)
