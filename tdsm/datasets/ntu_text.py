"""The text of an NTU RGB+D ``.skeleton`` file: every body of every frame, as numbers.

The form of the file stands in :mod:`tdsm.datasets.ntu`. A file is 280 kB of numbers of which a quarter is wanted. :func:`_fast` finds
lines and numbers for the whole file at once with numpy and turns digits to values by one matrix product. It gives up on whatever is
unusual in the file, and :func:`_careful`, plain and line by line, reads it instead or says in which line the fault is.
"""

from typing import NamedTuple

import numpy as np

from tdsm.errors import InputError

__all__ = ["Bodies", "parse_bodies"]

_JOINTS, _BODY_FIELDS, _JOINT_FIELDS = 25, 10, 12


class Bodies(NamedTuple):
    """What a file holds: one row for each body of each frame.

    Attributes:
        frames: T, those without bodies included.
        frame: (R,) frame of each row, from 0.
        line: (R,) line of the row's first joint, from 0.
        ids: R tracking ids.
        joints: (R, 25, 3) metres.
    """

    frames: int
    frame: np.ndarray
    line: np.ndarray
    ids: list[bytes]
    joints: np.ndarray


def parse_bodies(content: bytes, where: str) -> Bodies:
    """What stands in a file.

    Raises:
        InputError: a fault, with its line; a coordinate that is not finite; or no body in any frame.
    """
    found = _fast(content) or _careful(content, where)
    if not found.ids:
        raise InputError(where, f"holds no body in any of its {found.frames} frames", "leave the file out: its skeleton is missing")
    _check_finite(found, where)
    return found


def _check_finite(found: Bodies, where: str) -> None:
    bad = np.argwhere(~np.isfinite(found.joints))
    if len(bad):
        row, joint, axis = bad[0]
        value = found.joints[row, joint, axis]
        raise InputError(f"{where} line {found.line[row] + joint + 1}", f"{'xyz'[axis]} of a joint is {value}", "leave the file out, or download it again")


# The careful parser


class _Lines:
    """The lines of a file, one after the other; knows where it is when something is wrong."""

    def __init__(self, content: bytes, where: str) -> None:
        self.lines, self.where, self.at = content.split(b"\n"), where, 0

    def fault(self, what: str) -> InputError:
        """To be raised: the fault is in the line that was read last."""
        return InputError(f"{self.where} line {self.at}", what, "download the file again")

    def fields(self, count: int, what: str) -> list[bytes]:
        """The fields of the next line."""
        fields = self.lines[self.at].split() if self.at < len(self.lines) else []
        self.at += 1
        if not fields and not any(map(bytes.strip, self.lines[self.at :])):
            raise self.fault(f"the file ends where {what} should stand")
        if len(fields) != count:
            raise self.fault(f"{len(fields)} fields, not the {count} of {what}")
        return fields

    def count(self, what: str) -> int:
        """The next line, which is a number of things."""
        (field,) = self.fields(1, what)
        if not field.isdigit() or len(field) > 9:
            raise self.fault(f"{field[:20].decode('ascii', 'replace')!r} is not {what}")
        return int(field)

    def end(self) -> None:
        """Nothing may follow."""
        following = [number for number, line in enumerate(self.lines) if number >= self.at and line.strip()]
        if following:
            self.at = following[0] + 1
            raise self.fault("more lines than the number of frames in line 1 announces")


def _careful(content: bytes, where: str) -> Bodies:
    """Line by line: any white space, any way to write a number; faults are named by their line."""
    lines = _Lines(content, where)
    frame, line, ids, joints = [], [], [], []
    frames = lines.count("the number of frames")
    for now in range(frames):
        for _ in range(lines.count("the number of bodies")):
            ids.append(lines.fields(_BODY_FIELDS, "a body")[0])
            if lines.count("the number of joints") != _JOINTS:
                raise lines.fault(f"not {_JOINTS} joints")
            frame.append(now)
            line.append(lines.at)
            joints.append([_point(lines) for _ in range(_JOINTS)])
    lines.end()
    return Bodies(frames, np.array(frame, int), np.array(line, int), ids, np.array(joints, float).reshape(-1, _JOINTS, 3))


def _point(lines: _Lines) -> list[float]:
    fields = lines.fields(_JOINT_FIELDS, "a joint")[:3]
    try:
        return [float(field) for field in fields]
    except ValueError as error:
        raise lines.fault(f"{b' '.join(fields)[:60].decode('ascii', 'replace')!r} are not three numbers x y z") from error


# The fast parser

_DIGITS = 15  # longest number that is read fast, in characters: its digits are exact in float64
_ROW = 3 * (_DIGITS + 1)
_BLOCK = 1000  # lines at a time, so that what is computed stays in the processor's cache


def _fast(content: bytes) -> Bodies | None:
    """The whole file at once; None when anything in it is unusual, for :func:`_careful` to read or to refuse."""
    text = np.frombuffer(content, np.uint8)
    starts = np.concatenate([[0], np.flatnonzero(text == ord("\n")) + 1, [len(text) + 1]])
    try:
        frames, frame, line, ids = _walk(content, starts.tolist())
    except (ValueError, IndexError):
        return None
    spaces = np.count_nonzero(text == ord(" "))
    if not ids or spaces != len(ids) * (_BODY_FIELDS - 1 + _JOINTS * (_JOINT_FIELDS - 1)):
        return None
    rows, first = _windows(content + b" " * _ROW, _ROW), starts[np.add.outer(line, np.arange(_JOINTS)).ravel()]
    parts = [_coordinates(rows[first[at : at + _BLOCK]].view(np.uint8)) for at in range(0, len(first), _BLOCK)]
    if any(part is None for part in parts):
        return None
    return Bodies(frames, np.array(frame), np.array(line), ids, np.concatenate(parts).reshape(-1, _JOINTS, 3))


def _walk(content: bytes, starts: list[int]) -> tuple[int, list[int], list[int], list[bytes]]:
    """Number of frames; then frame, line of the first joint, and id of each body.

    Raises:
        ValueError, IndexError: the counts do not lead to the end of the file.
    """
    frame, line, ids, at = [], [], [], 1
    frames = int(content[: starts[1] - 1])
    for now in range(frames):
        bodies = int(content[starts[at] : starts[at + 1] - 1])
        if bodies < 0:
            raise ValueError
        for body in range(at + 1, at + 1 + bodies * (_JOINTS + 2), _JOINTS + 2):
            if int(content[starts[body + 1] : starts[body + 2] - 1]) != _JOINTS:
                raise ValueError
            ids.append(content[starts[body] : starts[body + 1]].split(b" ", 1)[0])
            frame.append(now)
            line.append(body + 2)
        at += 1 + bodies * (_JOINTS + 2)
    if content[starts[at] :].strip():
        raise ValueError
    return frames, frame, line, ids


def _coordinates(rows: np.ndarray) -> np.ndarray | None:
    """(lines, 3): the first three numbers of lines, of each of which ``rows`` holds _ROW bytes; None when they are not plain and short."""
    gaps = np.flatnonzero(rows <= ord(" "))
    begin = np.arange(0, len(rows), _ROW)
    first = np.searchsorted(gaps, begin)
    if first[-1] + 2 >= len(gaps):
        return None
    ends = gaps[first + np.arange(3)[:, None]]
    lengths = ends - np.stack([begin, ends[0] + 1, ends[1] + 1])
    if lengths.min() < 1 or lengths.max() > _DIGITS or (ends[2] >= begin + _ROW).any():
        return None
    values = _decimals(rows, ends.ravel(), lengths.ravel())
    return None if values is None else values.reshape(3, -1).T


def _decimals(text: np.ndarray, ends: np.ndarray, lengths: np.ndarray) -> np.ndarray | None:
    """The numbers of ``lengths`` characters that end before ``ends``, as float() reads them; None when it refuses one.

    A number is digits with one point: let p digits stand behind it. Read with a 0 in place of the point, its digits give
    head * 10^(p+1) + tail, exactly; so less 9 * head * 10^p it is the number without a point, and one division by 10^p
    rounds it correctly. Others, such as 1e-05 or 2, are left to float().
    """
    width = int(lengths.max())
    place = np.arange(width - 1, -1, -1, dtype=np.uint8)[:, None]  # of each character, counted from the last
    padded = np.concatenate([np.zeros(width, np.uint8), text])
    chars = np.ascontiguousarray(_windows(padded, width)[ends].view(np.uint8).reshape(-1, width).T)  # (width, numbers)
    chars *= place < lengths.astype(np.uint8)
    digits, point, minus = chars - np.uint8(ord("0")), chars == ord("."), chars[width - lengths, np.arange(len(ends))] == ord("-")
    known = digits < 10
    whole = (10.0 ** place[:, 0]) @ (digits * known)
    power = (10.0 ** np.arange(width))[np.minimum((point * place).sum(0, dtype=np.uint8), width - 1)]
    values = (whole - 9 * np.floor(whole / (10 * power)) * power) / power * np.where(minus, -1.0, 1.0)
    plain = (known.sum(0, dtype=np.uint8) + minus + 1 == lengths) & (point.sum(0, dtype=np.uint8) == 1)
    return _with_float(values, np.flatnonzero(~plain), text, ends, lengths)


def _with_float(values: np.ndarray, others: np.ndarray, text: np.ndarray, ends: np.ndarray, lengths: np.ndarray) -> np.ndarray | None:
    """``values``, with these ``others`` read by float()."""
    for index in others:
        try:
            values[index] = float(text[ends[index] - lengths[index] : ends[index]].tobytes())
        except ValueError:
            return None
    return values


def _windows(buffer: bytes | np.ndarray, width: int) -> np.ndarray:
    """Every ``width`` bytes in a row, as one opaque element each, without a copy."""
    return np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, 0, (1,))
