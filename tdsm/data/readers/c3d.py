"""C3D (c3d.org): markers of optical motion capture, from Vicon, Qualisys, OptiTrack and others; integers or floats of Intel, DEC and MIPS machines.

A marker was not seen where its residual is below 0, where a coordinate is NaN, and where all three are exactly 0. Units are those of ``POINT:UNITS``, frames a
second those of ``POINT:RATE``. Analog channels are skipped. How many frames there are is said in 16 bits, in up to four places; a take of more than 65,535 is
read whole, by the file's size. Joints come from the markers: see :mod:`tdsm.data.readers.markers`.
"""

# A parser of our own: of the packages for C3D one gives 65,535 frames of longer takes without a word, the other none.
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
        places: (T, n, 3) in the file's unit, NaN where a marker was not seen.
        fps: frames a second.
        unit: as the file has it, "" where it does not say.
    """

    labels: tuple[str, ...]
    places: np.ndarray
    fps: float
    unit: str


class _Head(NamedTuple):
    points: int
    analog: int  # numbers a frame
    first: int
    last: int
    scale: float
    data: int  # byte
    rate: float


def read_c3d(content: bytes, where: object) -> Take:
    """One file; markers of several people are several persons.

    Args:
        content: the file.
        where: what to name in a message.

    Raises:
        InputError: no C3D, one that was cut off, no frame, or markers of no known set.
    """
    recording = parse_c3d(content, where)
    joints, left = persons_of(recording.labels, recording.places, where)
    metres = UNITS.get(recording.unit.lower().rstrip("."))
    return Take(joints, recording.fps, metres, notes=(NOTE,), left_out=left)


def parse_c3d(content: bytes, where: object) -> Recording:
    """Labels, places and rate. What the header claims is compared with the file's size before anything is made of it.

    Raises:
        InputError: as :func:`read_c3d`, but for the set of markers.
    """
    if not content or kind_of_bytes(content[:HEAD]).name != "c3d":
        raise InputError(where, "is no C3D file, or was cut off in its header", "take another copy")
    start = _BLOCK * (content[0] - 1)
    machine = content[start + 3]
    try:
        head = _head(content, machine)
        known = _parameters(content[start : start + _BLOCK * max(1, content[start + 2])], machine)
        data = _BLOCK * (int(_first(known, "POINT:DATA_START", 0)) - 1)
    except (struct.error, ValueError, IndexError, OverflowError) as error:
        raise InputError(where, f"its header is damaged ({str(error)[:60]})", "take another copy") from error
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
        raise InputError(where, f"its frames a second (POINT:RATE) are {fps:g}", "correct them in the program that exported it")
    unit = known.get("POINT:UNITS")
    return Recording(labels, places, fps, unit[0].strip() if unit and isinstance(unit[0], str) else "")


def _padding(content: bytes, data: int, size: int) -> int:
    """How many frames of nothing but zeros are in the last block, which is filled up with them."""
    count = (len(content) - data) // size
    rest = (len(content) - data) - count * size
    zeros = 0
    while rest + (zeros + 1) * size <= _BLOCK and not any(content[data + (count - zeros - 1) * size : data + (count - zeros) * size]):
        zeros += 1
    return zeros


def _order(machine: int) -> str:
    return ">" if machine == _MIPS else "<"


def _float(content: bytes, machine: int) -> np.ndarray:
    """4-byte floats; those of DEC have their halves exchanged and are 4 times as large."""
    if machine != _DEC:
        return np.frombuffer(content, f"{_order(machine)}f4")
    halves = np.frombuffer(content, "<u2").reshape(-1, 2)[:, ::-1]
    return np.ascontiguousarray(halves).view("<f4")[:, 0] / np.float32(4)


def _head(content: bytes, machine: int) -> _Head:
    points, analog, first, last, _ = struct.unpack_from(f"{_order(machine)}5H", content, 2)
    scale, rate = _float(content[12:16], machine)[0], _float(content[20:24], machine)[0]
    (block,) = struct.unpack_from(f"{_order(machine)}H", content, 16)
    if block < 2 or not math.isfinite(scale) or scale == 0:
        raise ValueError("no place of its data, or no scale")
    return _Head(points, analog, first, last, float(scale), _BLOCK * (block - 1), float(rate))


def _parameters(section: bytes, machine: int) -> dict[str, list]:
    """GROUP:NAME to its values, texts or numbers, in file order."""
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
        raise InputError(where, f"has {points} markers and {len(labels)} names for them (POINT:LABELS)", "name the markers in the program that recorded them")
    return tuple(labels[:points])


def _frames(head: _Head, known: dict[str, list], room: int, where: object) -> int:
    """How many frames there are: as the file says, or as many as it holds where it cannot say."""
    said = head.last - head.first + 1
    if head.last == _MANY:  # it may be more; other places are believed only then, as programs that cut a take leave them as they were
        ends = [known.get(f"TRIAL:ACTUAL_{end}_FIELD") for end in ("START", "END")]
        long = [int(_first(known, "POINT:LONG_FRAMES", 0))]
        if all(end and len(end) > 1 and not isinstance(end[0], str) for end in ends):
            first, last = (int(end[0]) + 65_536 * int(end[1]) for end in ends)
            long.append(last - first + 1)
        said = next((frames for frames in long if _MANY < frames <= room), max(said, room))
    if said < 1 or room < 1:
        raise InputError(where, f"says that it has {max(0, said):,} frames, and holds {max(0, room):,}", _AGAIN)
    if said > room:
        raise InputError(where, f"says that it has {said:,} frames, and holds {max(0, room):,}, so that it was cut off", "take another copy")
    return said


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
