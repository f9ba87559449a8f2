"""Columns of a file of clips: joints with axes in any order; labels, names and numbers of any type, as plain Python values.

Letters name the axes of an array of clips: N clips, M persons, T frames, V joints, C coordinates.
"""

import math
from collections.abc import Mapping

import numpy as np

from tdsm.data.labels import as_labels, check_name
from tdsm.util.errors import InputError

__all__ = ["class_column", "in_order", "joint_column", "label_column", "rate_column", "text_column", "whole_column"]

_ORDER = "NMTVC"
_ABSENT = ("", "nan", "NaN", "None")  # how numpy.array(["wave", nan]) and .astype(str) write a missing value


def joint_column(arrays: Mapping[str, np.ndarray], dims: int, where: object) -> list[np.ndarray]:
    """(M, T, V, C) of each clip, as views of ``joints``, which holds the clips one after another, or padded to one length.

    Raises:
        InputError: another shape or type, or ``order``, ``persons`` or ``frames`` that do not match it.
    """
    joints, persons = arrays["joints"], arrays.get("persons")
    if joints.dtype.kind not in "fiu" or (joints.ndim != 5 and "order" not in arrays if persons is None else joints.ndim != 3):
        remedy = "give numbers of shape (clips, persons, frames, joints, coordinates), or name the axes in an array order, such as 'NTVC'"
        raise InputError(where, f"joints are {joints.dtype} of shape {joints.shape}", remedy)
    if persons is None:
        joints = in_order(joints, str(arrays["order"]), dims, where) if "order" in arrays else joints
        frames = whole_column(arrays.get("frames", joints.shape[2]), len(joints), where, "frames", joints.shape[2])
        return [clip[:, :length] for clip, length in zip(joints, frames, strict=True)]
    persons, frames = (whole_column(arrays.get(key), persons.size, where, key, len(joints)) for key in ("persons", "frames"))
    ends = np.cumsum([many * length for many, length in zip(persons, frames, strict=True)], dtype=np.int64)
    if not len(ends) or ends[-1] != len(joints):
        raise InputError(where, f"persons times frames differs from the {len(joints):,} rows of joints", "write it with ClipSet.save")
    parts = np.split(joints, ends[:-1])
    return [part.reshape(many, length, *joints.shape[1:]) for part, many, length in zip(parts, persons, frames, strict=True)]


def in_order(joints: np.ndarray, order: str, dims: int, where: object) -> np.ndarray:
    """Reorder the axes of an array to the order of the package.

    Args:
        joints: an array with one axis per letter of ``order``.
        order: letters of NMTVC, each at most once, such as "NCTVM" (used by the GCN family) or "NTVC". N or M may be omitted if there is only one.
        dims: coordinates of the layout. If it is 2 and the array has 3, the third is the confidence of a joint, 0 for a missing one.
        where: source named in an error message.

    Returns:
        (N, M, T, V, C); NaN for a missing joint.

    Raises:
        InputError: an order with other letters, or with another number of axes than the array.
    """
    order = order.strip().upper()
    if len(set(order)) < len(order) or not set("TVC") <= set(order) <= set(_ORDER):
        raise InputError(where, f"order is {order!r}", f"name each axis once by a letter of {_ORDER}: clips, persons, frames, joints, coordinates")
    if joints.ndim != len(order):
        raise InputError(where, f"joints have shape {joints.shape}, but order {order!r} has {len(order)} axes", "name every axis of the array")
    missing = "".join(letter for letter in _ORDER if letter not in order)
    joints = joints.reshape(joints.shape + (1,) * len(missing))
    joints = joints.transpose([(order + missing).index(letter) for letter in _ORDER])
    return np.where(joints[..., 2:] > 0, joints[..., :2], np.nan) if (dims, joints.shape[-1]) == (2, 3) else joints


def text_column(values: object, count: int, where: object, key: str) -> list[str | None]:
    """(N,) text of each clip; a single text applies to all clips. Bytes are UTF-8, integers become text; "", NaN and None mean unknown.

    Raises:
        InputError: another shape or type.
    """
    array = _column(values, count, where, key)
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(where, f"{key}: bytes that are not UTF-8 ({error.reason})", "save them as text") from error
    if array.dtype.kind == "U":
        return [None if text.strip() in _ABSENT else text for text in array.tolist()]
    return [None if number is None else str(number) for number in _whole(array, where, key, "give text")]


def class_column(values: object, where: object) -> tuple[str, ...]:
    """(K,) class names, in order. Raises InputError: not a list of names, an empty name, or two names that are the same label."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise InputError(where, f"classes have shape {array.shape}", "give a list of class names, shape (classes,)")
    names = text_column(array, len(array), where, "classes") if len(array) else []
    return tuple(label.name for label in as_labels([name or "" for name in names], where=f"{where}, classes")) if names else ()


def label_column(values: object, classes: tuple[str, ...], count: int, where: object) -> tuple[list[str | None], tuple[str, ...]]:
    """The label of each clip, None if unknown, and the class names in order (empty: the sorted labels).

    Text and bytes are names. Integers are indices of ``classes``; without ``classes``, each integer is a class of its own, "0", "1", ...
    One-hot rows (N, K) are indices, too. "", NaN and None mean that the label is unknown.

    Raises:
        InputError: another shape or type, a negative or fractional number, an index outside ``classes``, or a row without exactly one 1.
    """
    array = np.asarray(values)
    if array.ndim == 2 and array.dtype.kind in "biuf":
        array = _hot(array, where)
        classes = classes or tuple(str(number) for number in range(array.shape[1]))
        if array.shape[1] != len(classes):
            raise InputError(where, f"labels are one-hot over {array.shape[1]} classes, but {len(classes)} classes are named", "give one name per column")
        array = array.argmax(axis=1)
    array = _column(array, count, where, "labels")
    if array.dtype.kind in "US":
        return [None if name is None else check_name(name, where) for name in text_column(array, count, where, "labels")], classes
    numbers = _whole(array, where, "labels", "give names, or class numbers from 0 together with `classes`")
    used = sorted({number for number in numbers if number is not None})
    names = dict(enumerate(classes)) if classes else {number: str(number) for number in used if number >= 0}
    wrong = next((row for row, number in enumerate(numbers) if number is not None and number not in names), None)
    if wrong is not None:
        allowed = f"numbers from 0 to {len(classes) - 1}, one per entry of `classes`" if classes else "numbers from 0, and NaN for an unknown label"
        raise InputError(where, f"labels[{wrong}] is {numbers[wrong]}", f"give {allowed}")
    return [None if number is None else names[number] for number in numbers], classes or tuple(names.values())


def rate_column(arrays: Mapping[str, object], count: int, where: object) -> list[float | None]:
    """(N,) frames per second, from the arrays ``fps`` and ``fps_assumed``; None if not stated. A single number applies to all clips.

    Raises:
        InputError: another shape or type, or a number that is not finite and above 0.
    """
    if "fps" not in arrays:
        return [None] * count
    array, assumed = (_column(arrays.get(key, False), count, where, key) for key in ("fps", "fps_assumed"))
    if array.dtype.kind not in "iuf" or assumed.dtype.kind != "b":
        raise InputError(where, f"fps are {array.dtype}, fps_assumed {assumed.dtype}", "give finite numbers above 0, and True or False")
    for row, number in enumerate(array.tolist()):
        if not (math.isfinite(number) and number > 0):
            raise InputError(where, f"fps[{row}] is {number}", "give a finite number above 0")
    return [None if guess else float(number) for number, guess in zip(array.tolist(), assumed.tolist(), strict=True)]


def whole_column(values: object, count: int, where: object, key: str, most: int) -> list[int]:
    """(N,) whole numbers from 1 to ``most``; a single number applies to all clips.

    Raises:
        InputError: another shape or type, or a number outside this range.
    """
    numbers = _whole(_column(values, count, where, key), where, key, f"give whole numbers from 1 to {most}")
    for row, number in enumerate(numbers):
        if number is None or not 1 <= number <= most:
            raise InputError(where, f"{key}[{row}] is {'NaN' if number is None else number}", f"give a whole number from 1 to {most}")
    return numbers


def _column(values: object, count: int, where: object, key: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim == 0:
        array = np.broadcast_to(array, (count,))
    if array.shape != (count,):
        raise InputError(where, f"{key} has shape {array.shape} for {count} clips", "give one entry per clip")
    return array


def _whole(array: np.ndarray, where: object, key: str, remedy: str) -> list[int | None]:
    if array.dtype.kind not in "iuf":
        raise InputError(where, f"{key} are {array.dtype}", remedy)
    known = ~np.isnan(array) if array.dtype.kind == "f" else np.ones(len(array), bool)
    with np.errstate(invalid="ignore"):
        broken = known & (array != np.trunc(array)) | np.isinf(array)
    if broken.any():
        raise InputError(where, f"{key}[{broken.argmax()}] is {array[broken.argmax()]}", remedy)
    return [int(number) if given else None for number, given in zip(array.tolist(), known.tolist(), strict=True)]


def _hot(array: np.ndarray, where: object) -> np.ndarray:
    """One-hot rows as booleans. Raises InputError: rows without exactly one 1."""
    hot = array == 1
    broken = (hot.sum(axis=1) != 1) | (~hot & (array != 0)).any(axis=1) | (array.shape[1] < 2)
    if broken.any():
        what = f"labels of shape {array.shape} are not one-hot (row {broken.argmax()})"
        raise InputError(where, what, "give one label per clip, shape (clips,), or rows with exactly one 1")
    return hot
