"""C3D (c3d.org): markers of optical motion capture, from Vicon, Qualisys, OptiTrack and others; integers or floats of Intel, DEC and MIPS machines.

A marker is missing if its residual is below 0, a coordinate is NaN, or all three are exactly 0. The unit is ``POINT:UNITS``, the frame rate ``POINT:RATE``.
Analog channels are skipped. The number of frames is stored in 16 bits, in up to four places; a take of more than 65,535 frames is read completely, using the
file's size. Joints are computed from the markers: see :mod:`tdsm.data.readers.markers`.
"""

# Our own parser: of the packages for C3D, one truncates longer takes to 65,535 frames without a warning, the other reads no frames of them.
import math
import struct
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from tdsm.data.readers.markers import NOTE, persons_of
from tdsm.data.readers.sniff import HEAD, kind_of_bytes
from tdsm.data.readers.takes import UNITS, Take
from tdsm.util.errors import InputError

__all__ = ["Recording", "parse_c3d", "read_c3d"]

_AGAIN = "export it again"
_BLOCK = 512  # bytes
_DEC, _MIPS = 85, 86
_MANY = 65_535


class Recording(NamedTuple):
    """Markers of a take.

    Attributes:
        labels: n names.
        places: (T, n, 3) in the file's unit, NaN for a missing marker.
        fps: frames per second.
        unit: name of the unit in the file, "" if not stated.
    """

    labels: tuple[str, ...]
    places: np.ndarray
    fps: float
    unit: str


class _Head(NamedTuple):
    points: int
    analog: int  # numbers per frame
    first: int
    last: int
    scale: float
    data: int  # byte offset
    rate: float


def read_c3d(content: bytes, where: object) -> Take:
    """Read one file. Markers of several people give several persons.

    Args:
        content: the file.
        where: source named in messages.

    Raises:
        InputError: not a C3D file, truncated, no frame, or markers of no known set.
    """
    recording = parse_c3d(content, where)
    joints, left = persons_of(recording.labels, recording.places, where)
    metres = UNITS.get(recording.unit.lower().rstrip("."))
    return Take(joints, recording.fps, metres, notes=(NOTE,), left_out=left)


def parse_c3d(content: bytes, where: object) -> Recording:
    """Labels, positions and rate. Sizes in the header are compared with the file's size before they are used.

    Raises:
        InputError: as :func:`read_c3d`, except for the set of markers.
    """
    if not content or kind_of_bytes(content[:HEAD]).name != "c3d":
        raise InputError(where, "is not a C3D file, or its header is truncated", "get another copy")
    start = _BLOCK * (content[0] - 1)
    machine = content[start + 3]
    try:
        head = _head(content, machine)
        known = _parameters(content[start : start + _BLOCK * max(1, content[start + 2])], machine)
        data = _BLOCK * (int(_first(known, "POINT:DATA_START", 0)) - 1)
    except (struct.error, ValueError, IndexError, OverflowError) as error:
        raise InputError(where, f"its header is damaged ({str(error)[:60]})", "get another copy") from error
    head = head if data <= 0 or head.data > 0 else head._replace(data=data)
    labels = _labels(known, head.points, where)
    floats = head.scale < 0
    size = (4 if floats else 2) * (4 * head.points + head.analog)
    frames = _frames(head, known, (len(content) - head.data) // size if size else 0, where)
    places = _places(np.frombuffer(content, np.uint8, frames * size, head.data).reshape(frames, size), head, machine, floats)
    if frames > _MANY:
        places = places[: max(_MANY, frames - _padding(content, head.data, size))]
    fps = float(_first(known, "POINT:RATE", head.rate)) or head.rate
    if not (math.isfinite(fps) and fps > 0):
        raise InputError(where, f"its frame rate (POINT:RATE) is {fps:g}", "correct it in the program that exported it")
    unit = known.get("POINT:UNITS")
    return Recording(labels, places, fps, unit[0].strip() if unit and isinstance(unit[0], str) else "")


def _padding(content: bytes, data: int, size: int) -> int:
    """Number of frames in the last block that contain only zeros, which are padding."""
    count = (len(content) - data) // size
    rest = (len(content) - data) - count * size
    zeros = 0
    while rest + (zeros + 1) * size <= _BLOCK and not any(content[data + (count - zeros - 1) * size : data + (count - zeros) * size]):
        zeros += 1
    return zeros


def _order(machine: int) -> str:
    return ">" if machine == _MIPS else "<"


def _float(content: bytes, machine: int) -> np.ndarray:
    """4-byte floats; those of DEC have exchanged halves and are 4 times as large."""
    if machine != _DEC:
        return np.frombuffer(content, f"{_order(machine)}f4")
    halves = np.frombuffer(content, "<u2").reshape(-1, 2)[:, ::-1]
    return np.ascontiguousarray(halves).view("<f4")[:, 0] / np.float32(4)


def _head(content: bytes, machine: int) -> _Head:
    points, analog, first, last, _ = struct.unpack_from(f"{_order(machine)}5H", content, 2)
    scale, rate = _float(content[12:16], machine)[0], _float(content[20:24], machine)[0]
    (block,) = struct.unpack_from(f"{_order(machine)}H", content, 16)
    if block < 2 or not math.isfinite(scale) or scale == 0:
        raise ValueError("no offset of its data, or no scale")
    return _Head(points, analog, first, last, float(scale), _BLOCK * (block - 1), float(rate))


def _parameters(section: bytes, machine: int) -> dict[str, list]:
    """GROUP:NAME -> its values, texts or numbers, in file order."""
    groups: dict[int, str] = {}
    found: list[tuple[int, str, list]] = []
    at = 4
    while at + 5 <= len(section) and section[at]:
        length, group = (int.from_bytes(section[place : place + 1], "little", signed=True) for place in (at, at + 1))
        body = at + 2 + abs(length)
        name = section[at + 2 : body].decode("ascii", "replace").strip().upper()
        (step,) = struct.unpack_from(f"{_order(machine)}H", section, body)
        if group < 0:
            groups[-group] = name
        else:
            found.append((group, name, _values(section, body + 2, machine)))
        if step == 0:
            break
        at = body + step
    return {f"{groups.get(group, '')}:{name}": values for group, name, values in found}


def _values(section: bytes, at: int, machine: int) -> list:
    kind = int.from_bytes(section[at : at + 1], "little", signed=True)
    shape = tuple(section[at + 2 : at + 2 + section[at + 1]])
    count, start = math.prod(shape), at + 2 + section[at + 1]
    raw = section[start : start + count * abs(kind)]
    if len(raw) < count * abs(kind):
        raise ValueError("a parameter is longer than its section")
    if kind == -1:
        width = shape[0] if shape else 1
        return [raw[first : first + width].decode("latin-1").rstrip("\0 ") for first in range(0, len(raw), width or 1)]
    if kind == 4:
        return _float(raw, machine).tolist()
    return np.frombuffer(raw, f"{_order(machine)}u2" if kind == 2 else "u1").tolist()


def _first(known: dict[str, list], name: str, otherwise: int | float) -> int | float:
    values = known.get(name)
    return values[0] if values and not isinstance(values[0], str) else otherwise


def _labels(known: dict[str, list], points: int, where: object) -> tuple[str, ...]:
    labels = [label for number in range(1, 10) for label in known.get(f"POINT:LABELS{'' if number == 1 else number}", ())]
    if not points or len(labels) < points or not all(isinstance(label, str) for label in labels):
        raise InputError(where, f"has {points} markers but {len(labels)} names (POINT:LABELS)", "name the markers in the program that recorded them")
    return tuple(labels[:points])


def _frames(head: _Head, known: dict[str, list], room: int, where: object) -> int:
    """Number of frames: as stated, or as many as the file holds if it cannot state more."""
    declared = head.last - head.first + 1
    if head.last == _MANY:  # there may be more; only then use the other places, which programs that cut a take do not update
        ends = [known.get(f"TRIAL:ACTUAL_{end}_FIELD") for end in ("START", "END")]
        long = [int(_first(known, "POINT:LONG_FRAMES", 0))]
        if all(end and len(end) > 1 and not isinstance(end[0], str) for end in ends):
            first, last = (int(end[0]) + 65_536 * int(end[1]) for end in ends)
            long.append(last - first + 1)
        declared = next((frames for frames in long if _MANY < frames <= room), max(declared, room))
    if declared < 1 or room < 1:
        raise InputError(where, f"declares {max(0, declared):,} frames but holds {max(0, room):,}", _AGAIN)
    if declared > room:
        raise InputError(where, f"declares {declared:,} frames but holds {max(0, room):,}, so it is truncated", "get another copy")
    return declared


def _places(rows: np.ndarray, head: _Head, machine: int, floats: bool) -> Float[np.ndarray, "t n 3"]:
    wide = np.ascontiguousarray(rows[:, : 4 * head.points * (4 if floats else 2)])
    if floats:
        points = _float(wide.tobytes(), machine).reshape(len(rows), head.points, 4)
        places, residual = points[..., :3].astype(np.float32), points[..., 3]
    else:
        points = np.frombuffer(wide.tobytes(), f"{_order(machine)}i2").reshape(len(rows), head.points, 4)
        places, residual = points[..., :3] * np.float32(head.scale), points[..., 3]
    lost = (residual < 0) | ~np.isfinite(places).all(axis=2) | ~places.any(axis=2)
    return np.where(lost[..., None], np.float32(np.nan), places)
