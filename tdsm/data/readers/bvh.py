"""BVH: a tree of joints with offsets, and a row of angles per frame.

A joint's matrix is the product of its channels' rotations in the given order, the first outermost, in degrees. Position channels, of the root or of any joint,
replace the joint's offset. ``Frame Time`` is used exactly: 0.033333 gives 30.0003 frames per second. End Sites are not read, as many exporters invent them.
The format states neither unit nor axes: see :mod:`tdsm.data.readers.takes`.
"""

# Our own parser: of the packages for BVH, one rounds frame times by their number of digits, and others refuse tabs or read truncated files without an error.
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from tdsm.data.readers.joint_names import joints_by_name
from tdsm.data.readers.takes import Take, axis_along, smpl_joints
from tdsm.util.errors import InputError

__all__ = ["Joint", "cross_matrices", "parse_bvh", "pose", "read_bvh", "rotation"]

_AGAIN = "export it again"
_MOST = 2000  # most joints
_BLOCK = 4096  # frames processed together
_MOTION = re.compile(rb"^[ \t]*MOTION[ \t\r]*$", re.MULTILINE | re.IGNORECASE)
_CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)


class Joint(NamedTuple):
    """A joint, which follows its parent in the list; ``channels`` are (axis, whether it is a rotation, column in the row of numbers)."""

    name: str
    parent: int
    offset: tuple[float, ...]
    channels: tuple[tuple[int, bool, int], ...]


def read_bvh(content: bytes, where: object) -> Take:
    """Read one file. Several roots are several persons. A root that is not a body, such as a prop, is skipped with a note if another root is a body.

    Args:
        content: the file.
        where: source named in messages.

    Raises:
        InputError: no hierarchy, a row with another length than the channels, another number of rows than stated, a value that is not a number, or unknown
            joints.
    """
    joints, rows, fps = parse_bvh(content, where)
    persons, stands, faults = [], [], {}
    for first, last in _persons(joints):
        try:
            known = joints_by_name([joint.name for joint in joints[first:last]], where)
        except InputError as error:
            faults[first, last] = error
            continue
        wanted = {joint: first + index for joint, index in known.items()}
        places = pose(joints, rows, list(wanted.values()))
        persons.append(smpl_joints({joint: places[:, index] for index, joint in enumerate(wanted)}, len(rows)))
        stands.append(_rest(joints, wanted))
    if not persons:
        raise faults[max(faults, key=lambda root: root[1] - root[0])]
    left = (f"the root {joints[first].name!r} was skipped: {_reason(error, where)}" for (first, _), error in faults.items())
    return Take(np.stack(persons), fps, rest=stands[0], left_out=tuple(left))


def _reason(error: InputError, where: object) -> str:
    """The problem stated by a message, without the file and the remedy."""
    return str(error).removeprefix(f"{where}: ").rsplit("; ", 1)[0]


def parse_bvh(content: bytes, where: object) -> tuple[list[Joint], Float[np.ndarray, "t n"], float]:
    """Joints, numbers by frame and channel, and frames per second.

    Raises:
        InputError: as :func:`read_bvh`, except for joint names.
    """
    start = _MOTION.search(content)
    if start is None:
        raise InputError(where, "has no line MOTION; it is truncated or holds a body without movement", _AGAIN)
    joints = _hierarchy(content[: start.start()].decode("utf-8-sig", "replace"), where)
    lines = [line for line in content[start.end() :].split(b"\n") if line.strip()]
    frames = _field(lines[:1], b"frames", where)
    seconds = _field(lines[1:2], b"frame time", where)
    width = sum(len(joint.channels) for joint in joints)
    if frames != len(lines) - 2 or not frames:
        raise InputError(where, f"declares {frames:g} frames but has {max(0, len(lines) - 2):,}", "export it again, or correct the line Frames")
    if not 0 < seconds < 1000:
        raise InputError(where, f"Frame Time is {seconds:g}", "give the seconds between frames")
    return joints, _rows(lines[2:], width, where), 1.0 / seconds


def _field(line: Sequence[bytes], name: bytes, where: object) -> float:
    found = re.match(rb"\s*" + name + rb"\s*:?\s*(\S+)\s*$", line[0], re.IGNORECASE) if line else None
    try:
        return float(found[1])
    except (TypeError, ValueError) as error:
        raise InputError(where, f"has no line '{name.decode()}: NUMBER' after MOTION", _AGAIN) from error


def _rows(lines: Sequence[bytes], width: int, where: object) -> np.ndarray:
    rows = np.empty((len(lines), width))
    for number, line in enumerate(lines):
        fields = line.split()
        if len(fields) != width:
            raise InputError(where, f"frame {number + 1} has {len(fields)} numbers for {width} channels", _AGAIN)
        try:
            rows[number] = fields
        except ValueError as error:
            raise InputError(where, f"frame {number + 1} has values that are not numbers ({str(error)[:60]})", _AGAIN) from error
    if np.isinf(rows).any():
        raise InputError(where, "holds infinite numbers", _AGAIN)
    return rows


def _hierarchy(text: str, where: object) -> list[Joint]:
    path, names, offsets, channels = [], [], [], []
    ending, column = False, 0
    for words in _lines(text):
        key = words[0].upper()
        if key in ("ROOT", "JOINT"):
            if len(words) < 2 or len(names) > _MOST or (key == "JOINT" and not path):
                raise InputError(where, f"{key} has no name or parent, or there are more than {_MOST} joints", _AGAIN)
            names.append((" ".join(words[1:]), path[-1] if path else -1))
            offsets.append((0.0, 0.0, 0.0))
            channels.append(())
        elif key == "END" and path:
            ending = True
        elif key == "{" and names:
            path.append(path[-1] if ending else len(names) - 1)
        elif key == "}":
            if not path:
                raise InputError(where, "has more closing braces than opening ones", _AGAIN)
            path.pop()
            ending = False
        elif key == "OFFSET" and path and not ending:
            offsets[path[-1]] = _numbers(words[1:], where)
        elif key == "CHANNELS" and path and not ending and not channels[path[-1]]:
            channels[path[-1]] = _channels(words[1:], column, where)
            column += len(channels[path[-1]])
        elif key not in ("HIERARCHY", "OFFSET"):
            raise InputError(where, f"{' '.join(words)[:60]!r} is not a line of a hierarchy", _AGAIN)
    if path or not names:
        raise InputError(where, "its hierarchy has no root or is not closed", _AGAIN)
    return [Joint(name, parent, offset, each) for (name, parent), offset, each in zip(names, offsets, channels, strict=True)]


def _lines(text: str) -> Iterator[list[str]]:
    """Words of each line; braces are lines of their own."""
    for line in re.sub(r"([{}])", r"\n\1\n", text).splitlines():
        if words := line.split():
            yield words


def _numbers(words: Sequence[str], where: object) -> tuple[float, ...]:
    try:
        numbers = tuple(map(float, words))
    except ValueError as error:
        raise InputError(where, f"OFFSET {' '.join(words)[:60]} has values that are not numbers", _AGAIN) from error
    if len(numbers) != 3 or not np.isfinite(numbers).all():
        raise InputError(where, f"OFFSET {' '.join(words)[:60]} is not three finite numbers", _AGAIN)
    return numbers


def _channels(words: Sequence[str], column: int, where: object) -> tuple[tuple[int, bool, int], ...]:
    found = [_CHANNEL.fullmatch(word) for word in words[1:]]
    if not all(found) or words[:1] != [str(len(found))]:
        raise InputError(where, f"CHANNELS {' '.join(words)[:80]} is not a number followed by as many names from Xposition to Zrotation", _AGAIN)
    return tuple(("XYZ".index(match[1].upper()), match[2].lower() == "rotation", column + place) for place, match in enumerate(found))


def _persons(joints: Sequence[Joint]) -> Iterator[tuple[int, int]]:
    """First joint of each root's tree, and the one after its last joint."""
    roots = [index for index, joint in enumerate(joints) if joint.parent < 0]
    return zip(roots, [*roots[1:], len(joints)], strict=True)


def cross_matrices(axes: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "t 3 3"]:
    """Matrices that map a vector v to axis x v, the cross product."""
    x, y, z = axes.T
    zero = 0 * x
    return np.moveaxis(np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]), 2, 0)


def rotation(axis: int, degrees: np.ndarray) -> Float[np.ndarray, "t 3 3"]:
    """Matrices that rotate column vectors by (T,) degrees about a coordinate axis, right-handed.

    Example:
        >>> (rotation(2, np.array([90.0])) @ [1.0, 0.0, 0.0]).round(6)[0]
        array([0., 1., 0.])
    """
    angle = np.deg2rad(degrees)
    turn = np.zeros((len(angle), 3, 3))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    turn[:, axis, axis] = 1
    turn[:, one, one] = turn[:, two, two] = np.cos(angle)
    turn[:, one, two], turn[:, two, one] = -np.sin(angle), np.sin(angle)
    return turn


def pose(joints: Sequence[Joint], rows: Float[np.ndarray, "t n"], wanted: Sequence[int]) -> Float[np.ndarray, "t w 3"]:
    """Positions of the wanted joints in each frame, in the file's unit.

    Example:
        >>> arm = [Joint("upper", -1, (0, 0, 0), ((2, True, 0),)), Joint("lower", 0, (1, 0, 0), ((2, True, 1),)), Joint("hand", 1, (1, 0, 0), ())]
        >>> pose(arm, np.array([[90.0, 0.0], [0.0, 90.0]]), [2]).round(6)[:, 0]
        array([[0., 2., 0.],
               [1., 1., 0.]])
    """
    places = np.empty((len(rows), len(wanted), 3))
    needed: set[int] = set()
    for index in wanted:
        while index >= 0 and index not in needed:
            needed.add(index)
            index = joints[index].parent
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        matrices, at = {-1: np.broadcast_to(np.eye(3), (len(block), 3, 3))}, {-1: np.zeros((len(block), 3))}
        for index in sorted(needed):
            joint = joints[index]
            offset, turn = np.tile(np.array(joint.offset, float), (len(block), 1)), matrices[joint.parent]
            for axis, turns, column in joint.channels:
                if turns:
                    turn = turn @ rotation(axis, block[:, column])
                else:
                    offset[:, axis] = block[:, column]
            at[index] = at[joint.parent] + np.einsum("tij,tj->ti", matrices[joint.parent], offset)
            matrices[index] = turn
        places[first : first + _BLOCK] = np.stack([at[index] for index in wanted], axis=1)
    return places


def _rest(joints: Sequence[Joint], wanted: dict[str, int]) -> tuple[int, int] | None:
    """The upward axis of the body if all angles are 0. None if the body is not upright then: many exporters lay all bones along one axis."""
    still = pose([joint._replace(channels=()) for joint in joints], np.zeros((1, 0)), list(wanted.values()))[0]
    at = dict(zip(wanted, still, strict=True))
    hips = (at["left hip"] + at["right hip"]) / 2
    trunk = (at["left shoulder"] + at["right shoulder"]) / 2 - hips
    legs = hips - (at["left ankle"] + at["right ankle"]) / 2
    sizes = [np.linalg.norm(part) for part in (trunk, legs)]
    if min(sizes) == 0:
        return None
    along = [axis_along(part / size, 0.8) for part, size in zip((trunk, legs), sizes, strict=True)]
    return along[0] if along[0] == along[1] else None
