"""Safe reader for pickles of plain data, which cannot execute code.

A pickle is a program: the usual reader imports and calls whatever the file names. This reader never imports anything and never looks up a name. Python's own
``pickletools`` splits the file into instructions, and :class:`_Machine` executes those that build plain data: None, booleans, numbers, strings, bytes, lists,
tuples, dictionaries (with keys that are strings, bytes or numbers) and numpy arrays and numbers of plain types. Of the globals that a pickle can name, only
those that numpy writes are accepted, by their exact module and name. Each is replaced by a function of this module that checks all its arguments. Everything
else is refused.

A subclass of ``pickle.Unpickler`` with an allow-list would not be safe: numpy's own functions can be abused (a crafted data type makes numpy write outside its
memory), and a crafted memo index makes that reader reserve all available memory.

Protocols 2 to 5 are read as Python 3 writes them (PEP 307, 3154, 574), with the arrays of numpy 1 and 2. The whole file is in memory while it is read; arrays
of a protocol 2 pickle are in memory twice. A file cannot request more memory than a fixed multiple of its size.
"""

import math
import pickletools
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, BinaryIO

import numpy as np

from tdsm.data.readers.sniff import check_path
from tdsm.util.errors import InputError

__all__ = ["is_pickle", "load_pickle"]


def is_pickle(path: str | Path) -> bool:
    """Whether a file starts like a pickle of protocol 2 to 5. The rest is not read."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(2)
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def load_pickle(path: str | Path) -> object:
    """The data in a pickle. Its content is never executed.

    Args:
        path: the file.

    Returns:
        The pickled data. Arrays are read-only.

    Raises:
        InputError: no such file; an empty, truncated or damaged file; not a pickle; or a pickle that would execute code or
            contains anything other than plain data.
    """
    path = check_path(path)
    if not path.is_file():
        raise InputError(path, "is not a file", "check the path")
    if path.stat().st_size == 0:
        raise InputError(path, "is empty (0 bytes)", "download it again")
    if not is_pickle(path):
        raise InputError(path, "is not a pickle of protocol 2 to 5", "check the path, or download the file again")
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pickletools warns about odd strings in instructions that are refused afterwards
            return _Machine(path).run(file)
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, OverflowError, MemoryError, RecursionError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        raise InputError(path, f"is not a complete pickle of plain data ({reason})", "download it again") from error


# Replacements of the globals. numpy pickles an array as _reconstruct(ndarray, (0,), b"b") with a state that fills it, a data type as
# dtype("f2", False, True) with a state that gives its byte order; Python 3 writes bytes in protocol 2 as encode(text, "latin1").


class _Unfilled:
    """An array or data type between the instruction that creates it and the one that fills it."""

    def __init__(self, fill: Callable[[object], object]) -> None:
        self.fill = fill
        self.places: list[int] = []  # entries of the memo that must be replaced by the filled one


_PLAIN = re.compile(r"[biuf][0-9]{1,2}|[SU][0-9]{1,6}")  # booleans, numbers, strings of fixed length: no objects, no records, no dates


def _dtype(code: object, align: object = False, copy: object = False) -> _Unfilled:
    if not isinstance(code, str) or not _PLAIN.fullmatch(code):
        raise ValueError(f"an array of objects, or of another type than plain numbers and strings{f': {code[:20]!r}' if isinstance(code, str) else ''}")
    plain = np.dtype(code)

    def fill(state: object) -> np.dtype:
        version, order, *parts = _tuple(state, 5, 9)
        if version not in (3, 4) or order not in ("<", ">", "=", "|") or any(part is not None for part in parts[:3]) or not plain.itemsize:
            raise ValueError("a data type is not plain")
        return plain if order == "|" else plain.newbyteorder(order)

    return _Unfilled(fill)


def _reconstruct(kind: object, shape: object, code: object) -> _Unfilled:
    if kind is not np.ndarray:
        raise ValueError("a subclass of arrays")

    def fill(state: object) -> np.ndarray:
        _, shape, dtype, fortran, raw = _tuple(state, 5, 5)
        return _array(raw, dtype, shape, "F" if fortran else "C")

    return _Unfilled(fill)


def _array(raw: object, dtype: object, shape: object, order: object) -> np.ndarray:
    """An array that shares memory with the bytes."""
    sizes = _tuple(shape, 0, 32)
    if not isinstance(raw, bytes | bytearray) or not isinstance(dtype, np.dtype) or order not in ("C", "F"):
        raise ValueError("an array without bytes or data type")
    if not all(type(size) is int and 0 <= size < 2**48 for size in sizes):
        raise ValueError("an array with an invalid size")
    if math.prod(sizes) * dtype.itemsize != len(raw):
        raise ValueError(f"an array of {len(raw)} bytes cannot have shape {sizes}")
    array = np.ndarray(sizes, dtype, raw, order=order)
    array.flags.writeable = False
    return array


def _scalar(dtype: object, raw: object) -> np.generic:
    return _array(raw, dtype, (), "C")[()]


def _encode(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes in another encoding than latin1")
    return text.encode("latin-1")


def _tuple(value: object, shortest: int, longest: int) -> tuple:
    if not isinstance(value, tuple) or not shortest <= len(value) <= longest:
        raise ValueError("the state of an array is damaged")
    return value


_GLOBALS = {
    ("numpy", "ndarray"): np.ndarray,  # may be named but not called
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _array,
    ("numpy._core.numeric", "_frombuffer"): _array,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): lambda: b"",  # protocol 2 writes empty bytes as a call without arguments
    ("builtins", "bytes"): lambda: b"",
}


class _Machine:
    """Executes the instructions of one pickle, with a stack, marks on it, and a memo of repeated objects."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.room = 4 * path.stat().st_size  # most bytes that calls create; valid pickles create less

    def run(self, file: BinaryIO) -> object:
        for opcode, argument, _ in pickletools.genops(file):
            name = opcode.name
            if name in _VALUES:
                self.stack.append(argument)
            elif name in _FRESH:
                self.stack.append(_FRESH[name]())
            elif name in _ACTIONS:
                _ACTIONS[name](self, argument)
            elif name not in ("PROTO", "FRAME", "STOP"):
                raise InputError(self.path, f"holds {_OTHER.get(name, 'other things than plain data')} ({name})", "do not use this file")
        (result,) = self.stack
        return result

    def from_mark(self) -> list:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def known(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("names something without a name")
        if (module, name) not in _GLOBALS:
            called = f"{module}.{name}".replace("\r", " ")[:100]
            raise InputError(self.path, f"would execute code: it names {called}, which is not data", "do not use this file, and inform its source")
        self.stack.append(_GLOBALS[module, name])

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, FunctionType) or not isinstance(arguments, tuple):
            raise ValueError("calls something that is not a function")
        value = function(*arguments)
        if isinstance(value, bytes | str):
            self.room -= len(value)
        if self.room < 0:
            raise ValueError("unpacks to far more than its own size")
        self.stack.append(value)

    def build(self) -> None:
        state, unfilled = self.stack.pop(), self.stack.pop()
        if not isinstance(unfilled, _Unfilled):
            raise ValueError(f"changes a {type(unfilled).__name__}")
        filled = unfilled.fill(state)
        self.memo.update(dict.fromkeys(unfilled.places, filled))
        self.stack.append(filled)

    def keep(self, place: int) -> None:
        value = self.stack[-1]
        self.memo[place] = value
        if isinstance(value, _Unfilled):
            value.places.append(place)

    def fill_list(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise ValueError(f"appends to a {type(target).__name__}")
        target.extend(items)

    def fill_dict(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise ValueError(f"sets an item of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int, float, bytes):  # hashing a deep tuple would exhaust the interpreter's stack
                raise ValueError(f"a key is a {type(key).__name__}")
            target[key] = value

    def take(self, count: int) -> list:
        if len(self.stack) < count:
            raise ValueError("takes more than the stack holds")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items


# Instructions that push what pickletools has read, those that push a new object, and the rest

_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_FRESH: dict[str, Callable[[], object]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict,
}  # fmt: skip
_ACTIONS: dict[str, Callable[[_Machine, Any], object]] = {
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.from_mark(),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.from_mark())),
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.take(3))),
    "APPEND": lambda machine, _: machine.fill_list(machine.take(1)),
    "APPENDS": lambda machine, _: machine.fill_list(machine.from_mark()),
    "SETITEM": lambda machine, _: machine.fill_dict(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.fill_dict(machine.from_mark()),
    "GLOBAL": lambda machine, name: machine.known(*name.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.known(*machine.take(2)),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
    "BINPUT": lambda machine, place: machine.keep(place),
    "LONG_BINPUT": lambda machine, place: machine.keep(place),
    "MEMOIZE": lambda machine, _: machine.keep(len(machine.memo)),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
}
_OTHER = dict.fromkeys(("PERSID", "BINPERSID", "NEXT_BUFFER"), "a reference to something outside the file")
_OTHER |= {"SHORT_BINSTRING": "strings of Python 2", "BINSTRING": "strings of Python 2", "EMPTY_SET": "a set"}
