"""Text that others wrote, read without surprises: JSON of bounded size, and lists of numbers in it."""

import json
from collections.abc import Sequence

import numpy as np

from tdsm.util.errors import InputError

__all__ = ["numbers", "parse_json"]

_LARGEST = 1 << 30  # bytes of memory for what stands in one JSON file
_CONTAINER, _ITEM = 88, 40  # bytes of memory, about: an empty list or dictionary with its place, a number with its place


def parse_json(content: bytes, where: object, remedy: str) -> object:
    """What a JSON file holds.

    Args:
        content: the file.
        where: what to name in a message.
        remedy: what to do when it is no JSON.

    Raises:
        InputError: no JSON, numbers of thousands of digits, nesting of thousands of levels, or more than fits into a gigabyte of memory.
    """
    if _CONTAINER * (content.count(b"[") + 3 * content.count(b"{")) + _ITEM * content.count(b",") + len(content) > _LARGEST:
        raise InputError(
            where, f"is {len(content) / 1e6:.0f} MB of JSON, which needs more than 1 GB of memory", "split it, for instance into one file per video"
        )
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"not JSON ({str(error)[:200]})", remedy) from error


def numbers(values: object, width: int, what: str, where: object) -> np.ndarray:
    """A flat list of ``width`` numbers for each joint as (V, width) float64; None and NaN, which are "unknown", become NaN.

    Raises:
        InputError: no list of numbers, another length, or infinite numbers.
    """
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) % width:
        raise InputError(where, f"{what} is no list of {width} numbers for each joint", "give the file as the tool wrote it")
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(where, f"{what} holds something else than numbers ({str(error)[:100]})", "give the file as the tool wrote it") from error
    if array.ndim != 1 or np.isinf(array).any():
        raise InputError(where, f"{what} holds lists or infinite numbers", "give the file as the tool wrote it")
    return array.reshape(-1, width)
