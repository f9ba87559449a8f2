"""Settings as nested frozen dataclasses: replace some of their fields by plain values, such as those of JSON or the command line."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from tdsm.util.errors import InputError
from tdsm.util.files import parse_json

__all__ = ["assignments", "build", "names", "parse_size"]


def build(base: object, values: object, where: str) -> typing.Any:
    """``base``, a dataclass, with the fields in ``values`` replaced, at any depth.

    Raises:
        InputError: an unknown field, or a value of the wrong type or range.
    """
    if not isinstance(values, dict):
        raise InputError(where, f"{values!r:.60} is not an object", f"give the fields of {type(base).__name__}")
    hints = typing.get_type_hints(type(base))
    unknown = set(values) - set(hints)
    if unknown:
        raise InputError(where, f"unknown key {sorted(unknown)[0]!r:.60} for {type(base).__name__}", f"known keys: {', '.join(hints)}")
    new = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(hints[name]):
            value = build(getattr(base, name), value, f"{where}: {name}")
        else:
            _check_type(value, hints[name], f"{where}: {name}")
        new[name] = value
    return replace(base, **new)


def _check_type(value: object, hint: object, where: str) -> None:
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    if choices:
        ok = isinstance(value, str) and value in choices
    elif hint is float:
        ok = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    elif hint is int:
        ok = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
    else:
        ok = isinstance(value, hint)
    if not ok:
        expected = " or ".join(map(repr, choices)) or getattr(hint, "__name__", str(hint))
        raise InputError(where, f"{value!r:.60} is not {expected}", "correct the value")


def names(values: Mapping[str, object], before: str = "") -> Iterator[str]:
    """Dotted names of all fields of nested mappings, such as "train.steps"."""
    for name, value in values.items():
        yield from names(value, f"{before}{name}.") if isinstance(value, dict) else [before + name]


def assignments(texts: Sequence[str], where: str) -> dict[str, object]:
    """Names and values of texts such as "train.steps=300". A value that is not JSON is kept as text.

    Raises:
        InputError: a text without "=".

    >>> assignments(["train.steps=300", "train.precision=bf16"], "--set")
    {'train.steps': 300, 'train.precision': 'bf16'}
    """
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(where, f"{text!r} has no =", "give NAME=VALUE, such as train.precision=bf16")
        try:
            values[name.strip()] = parse_json(value, where)
        except InputError:
            values[name.strip()] = value.strip()
    return values


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Width and height of a picture in pixels, as given by --size; None for None. Raises InputError: not two whole numbers.

    Example:
        >>> parse_size("1920x1080")
        (1920, 1080)
    """
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and len(text) < 16):
        raise InputError("--size", f"is {text[:40]!r}", "give width and height in pixels, such as 1920x1080")
    return int(width), int(height)
