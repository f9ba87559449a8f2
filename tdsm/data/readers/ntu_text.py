"""The text of an NTU RGB+D ``.skeleton`` file: every body of every frame, as numbers.

:mod:`tdsm.data.readers.ntu` describes the format. A file of 100 frames with one body has 280 kB, of which a quarter is needed. :func:`_scan`, compiled by
numba, reads its bytes once: it parses x, y and z of the joints and counts the other fields. numpy alone needs many passes over the bytes and three times as
long, and readers of whole tables, such as numpy.loadtxt, even longer. The scanner parses the form that the recorder writes and stops at anything else. Then
:func:`_careful`, in plain Python and line by line, reads the file or reports the line of the error. Both give the same numbers to the last bit.

Starting the scanner takes about a second: importing numba, and loading machine code from numba's cache; two seconds more if it must be compiled, once per
machine. A process therefore reads its first files with the careful parser until this has taken about as long. :func:`prepare` announces that many files follow.
"""

import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple, no_type_check

import numpy as np

from tdsm.util.errors import InputError

__all__ = ["Bodies", "parse_bodies", "prepare"]

_JOINTS, _BODY_FIELDS, _JOINT_FIELDS = 25, 10, 12
_LINES = 2 + _JOINTS  # lines per body: itself, the number of joints, the joints


class Bodies(NamedTuple):
    """Content of a file: one row per body and frame.

    Attributes:
        frames: T, including those without bodies.
        frame: (R,) frame of each row, from 0.
        line: (R,) line of the row's first joint, from 0.
        ids: R tracking ids.
        joints: (R, 25, 3) in metres.
    """

    frames: int
    frame: np.ndarray
    line: np.ndarray
    ids: list[bytes]
    joints: np.ndarray


def parse_bodies(content: bytes, where: str) -> Bodies:
    """Parse a file.

    Raises:
        InputError: an error, with its line; a coordinate that is not finite; or no body in any frame.
    """
    scanning_pays = _compiled.cache_info().currsize > 0 or next(_files) > _MANY
    bodies = (_fast(content) if scanning_pays else None) or _careful(content, where)
    if not bodies.ids:
        raise InputError(where, f"has no body in any of its {bodies.frames} frames", "remove the file; its skeleton is missing")
    return bodies


_MANY = 300  # files: reading them carefully takes about as long as starting numba
_files = itertools.count(1)  # files that this process has read carefully


def prepare(files: int) -> None:
    """Compile or load the scanner if the number of files is large enough.

    Call it before other processes are started: forked processes inherit the code, others find it in numba's cache.
    """
    if files >= _MANY:
        _fast(b"0\n")


# The careful parser


class _Lines:
    """The lines of a file in order, with the current position for error messages."""

    def __init__(self, content: bytes, where: str) -> None:
        self.lines, self.where, self.at = content.split(b"\n"), where, 0

    def fault(self, what: str) -> InputError:
        """The error to raise for the line that was read last."""
        return InputError(f"{self.where} line {self.at}", what, "download the file again")

    def fields(self, count: int, what: str) -> list[bytes]:
        """The fields of the next line."""
        fields = self.lines[self.at].split() if self.at < len(self.lines) else []
        self.at += 1
        if not fields and not any(map(bytes.strip, self.lines[self.at :])):
            raise self.fault(f"the file ends before {what}")
        if len(fields) != count:
            raise self.fault(f"{len(fields)} fields, not the {count} of {what}")
        return fields

    def count(self, what: str) -> int:
        """The next line, which must be a count."""
        (field,) = self.fields(1, what)
        if not field.isdigit() or len(field) > 9:
            raise self.fault(f"{field[:20].decode('ascii', 'replace')!r} is not {what}")
        return int(field)

    def end(self) -> None:
        """Check that nothing follows."""
        following = next((number for number, line in enumerate(self.lines) if number >= self.at and line.strip()), None)
        if following is not None:
            self.at = following + 1
            raise self.fault("more lines than the number of frames in line 1 declares")


def _careful(content: bytes, where: str) -> Bodies:
    """Parse line by line: any white space, any number format; errors name their line."""
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
    bodies = Bodies(frames, np.array(frame, int), np.array(line, int), ids, np.array(joints, float).reshape(-1, _JOINTS, 3))
    bad = np.argwhere(~np.isfinite(bodies.joints))
    if len(bad):
        row, joint, axis = bad[0]
        value = bodies.joints[row, joint, axis]
        raise InputError(f"{where} line {line[row] + joint + 1}", f"{'xyz'[axis]} of a joint is {value}", "remove the file, or download it again")
    return bodies


def _point(lines: _Lines) -> list[float]:
    fields = lines.fields(_JOINT_FIELDS, "a joint")[:3]
    try:
        return [float(field) for field in fields]
    except ValueError as error:
        raise lines.fault(f"{b' '.join(fields)[:60].decode('ascii', 'replace')!r} is not three numbers x y z") from error


# The scanner: these functions are compiled; they are plain Python

_BLANK, _WORD, _OTHER = 0, 1, 2
_KIND = np.repeat(np.array([_OTHER, _BLANK, _WORD], np.uint8), [32, 1, 223])  # kind of each byte; line ends are _OTHER
_POWERS = 10.0 ** np.arange(23)  # exact in float64
_DIGITS = 15  # integers with this many digits are exact in float64, too
_SMALLEST = 2 * _BODY_FIELDS + 3 + _JOINTS * 2 * _JOINT_FIELDS  # least bytes of a body


@functools.cache
def _compiled() -> Callable:
    """:func:`_scan` as machine code."""
    import numba
    from numba.extending import register_jitable

    for part in (_rest, _count, _number):
        register_jitable(part)
    try:
        return numba.njit(cache=True)(_scan)
    except RuntimeError:  # numba has no cache folder
        return numba.njit(_scan)


def _fast(content: bytes) -> Bodies | None:
    """Parse the whole file at once. None if anything in it is unusual; :func:`_careful` then reads or refuses it."""
    first = content[: content.find(b"\n") + 1]
    if not first.strip().isdigit() or len(first) > 9:
        return None
    most = len(content) // _SMALLEST + 1
    frame, start, joints = np.empty(most, np.int64), np.empty(most, np.int64), np.empty((most, _JOINTS, 3))
    text = np.frombuffer(content + b"\n\n", np.uint8)  # each line then has an end and a successor
    rows, end = _compiled()(text, len(first), int(first), frame, start, joints)
    if rows < 0 or content[end:].strip():
        return None
    ids = [content[at : content.index(b" ", at)] for at in start[:rows].tolist()]
    frame = frame[:rows]
    return Bodies(int(first), frame, frame + _LINES * np.arange(rows) + 4, ids, joints[:rows])


@no_type_check
def _scan(text: np.ndarray, at: int, frames: int, frame: np.ndarray, start: np.ndarray, joints: np.ndarray) -> tuple[int, int]:
    """Fill frame, start of the line, and joints of each body. Returns the number of bodies, or -1 to give up, and the position where the scan ended."""
    row = 0
    for now in range(frames):
        bodies, at = _count(text, at)
        if bodies < 0:
            return -1, at
        for _ in range(bodies):
            frame[row], start[row] = now, at
            fields, following = _rest(text, at)
            if fields != _BODY_FIELDS or text[at] == ord(" "):
                return -1, at
            count, at = _count(text, following)
            if count != _JOINTS:
                return -1, at
            for joint in range(_JOINTS):
                for axis in range(3):
                    joints[row, joint, axis], at = _number(text, at)
                    if at < 0:
                        return -1, at
                fields, at = _rest(text, at)
                if fields != _JOINT_FIELDS - 3:
                    return -1, at
            row += 1
    return row, at


@no_type_check
def _rest(text: np.ndarray, at: int) -> tuple[int, int]:
    """Number of fields up to the end of the line (-1 if there is a control character), and the start of the next line."""
    fields, before, kind = 0, _BLANK, _KIND[text[at]]
    while kind != _OTHER:
        fields += kind & ~before
        before = kind
        at += 1
        kind = _KIND[text[at]]
    at += text[at] == ord("\r")
    return (fields if text[at] == ord("\n") else -1), at + 1


@no_type_check
def _count(text: np.ndarray, at: int) -> tuple[int, int]:
    """The number that is alone in a line (-1 if there is none), and the start of the next line."""
    value, first = 0, at
    while ord("0") <= text[at] <= ord("9"):
        value = 10 * value + text[at] - ord("0")
        at += 1
    fields, following = _rest(text, at)
    return (value if 0 < at - first < 10 and fields == 0 else -1), following


@no_type_check
def _number(text: np.ndarray, at: int) -> tuple[float, int]:
    """The number that starts here and ends with a blank, and the start of the next field: -1 for a number in another form.

    Its digits without the point are an integer below 2^53, with p digits after the point, so one division by 10^p <= 10^22
    rounds it correctly, as float() does. A negative exponent is added to p.
    """
    minus = text[at] == ord("-")
    at += minus
    value, first, point = 0, at, -1
    while True:
        digit = text[at] - ord("0")
        if 0 <= digit <= 9:
            value = 10 * value + digit
        elif digit == ord(".") - ord("0") and point < 0:
            point = at
        else:
            break
        at += 1
    digits, behind = at - first - (point >= 0), at - 1 - point if point >= 0 else 0
    if text[at] | 32 == ord("e") and text[at + 1] == ord("-"):
        at += 2
        exponent, first = 0, at
        while ord("0") <= text[at] <= ord("9") and at - first < 3:
            exponent = 10 * exponent + text[at] - ord("0")
            at += 1
        behind += exponent if at > first else len(_POWERS)
    if text[at] != ord(" ") or not 0 < digits <= _DIGITS or behind >= len(_POWERS):
        return 0.0, -1
    value = value / _POWERS[behind]
    return (-value if minus else value), at + 1
