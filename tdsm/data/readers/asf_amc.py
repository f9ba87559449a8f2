"""ASF and AMC, the files of Acclaim: the bones of a body (``02.asf``) and the angles of a take (``02_04.amc``), as in CMU and HDM05.

A bone extends from its parent's end along ``direction`` for ``length``. The angles of a take rotate it in its own axes, which ``axis`` rotates. Rotations are
applied in the order of ``dof``, the first one innermost; the same holds for ``axis``. Joints are the starting points of the bones. ``length`` under
``:units`` defines the scale: with CMU's 0.45, a metre is 0.45 / 0.0254 units; with 1 the unit is unknown and the body's size determines it. AMC does not
state the frame rate (takes of CMU and HDM05 have 120 frames per second).
"""

# Our own parser, because no maintained package on PyPI reads the two formats.
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from tdsm.data.readers.bvh import rotation
from tdsm.data.readers.joint_names import joints_by_name
from tdsm.data.readers.takes import Take, smpl_joints
from tdsm.util.errors import InputError

__all__ = ["Bone", "Skeleton", "asf_of", "parse_amc", "parse_asf", "read_amc", "starts"]

_AGAIN = "get another copy of the file"
_MOST = 500  # most bones
_CMU = 0.45


@dataclass(frozen=True)
class Bone:
    """A bone.

    Attributes:
        name, parent: names.
        reach: (3,) from start to end in the rest pose.
        axes: (3, 3) its own axes.
        dof: axes of its angles in order, such as ("rx", "rz"); the root also has "tx", "ty" and "tz".
    """

    name: str
    parent: str
    reach: np.ndarray
    axes: np.ndarray
    dof: tuple[str, ...]


@dataclass(frozen=True)
class Skeleton:
    """Bones, each after its parent, root first; length of the unit in metres, or None if unknown; whether angles are in degrees."""

    bones: tuple[Bone, ...]
    metres: float | None
    degrees: bool


def asf_of(amc: str, names: Sequence[str], where: object) -> str:
    """The .asf of a take among the names of files: the one in its folder with whose name the take's name begins, otherwise the only one in the folder.

    Example:
        >>> asf_of("02/02_04.amc", ["02/02.asf", "02/02_04.amc", "05/05.asf"], "cmu.zip")
        '02/02.asf'
    """
    take = PurePosixPath(amc)
    beside = [name for name in names if PurePosixPath(name).parent == take.parent and name.lower().endswith(".asf")]
    begun = [name for name in beside if take.stem.lower().startswith(PurePosixPath(name).stem.lower())]
    if begun or len(beside) == 1:
        return max(begun or beside, key=len)
    what = f"holds only angles, and none of the {len(beside)} .asf files in its folder matches its name"
    raise InputError(where, what, "put the body's .asf next to it, such as 02.asf for 02_04.amc")


def read_amc(amc: bytes, asf: bytes, where: object, body: object) -> Take:
    """Read one take of one person.

    Args:
        amc, asf: contents of the files.
        where, body: sources named in messages, for the take and for its body.

    Raises:
        InputError: an error in either file, angles that do not match the bones, or unknown bones.
    """
    skeleton = parse_asf(asf, body)
    wanted = joints_by_name([bone.name for bone in skeleton.bones], body)
    angles, degrees = parse_amc(amc, skeleton, where)
    places = starts(skeleton, angles if degrees else {name: _in_degrees(bone, angles) for name, bone in _by_name(skeleton).items()})
    return Take(smpl_joints({joint: places[:, index] for joint, index in wanted.items()}, len(places))[None], None, skeleton.metres)


def _by_name(skeleton: Skeleton) -> dict[str, Bone]:
    return {bone.name: bone for bone in skeleton.bones}


def _in_degrees(bone: Bone, angles: dict[str, np.ndarray]) -> np.ndarray:
    return angles[bone.name] * [180 / np.pi if dof[0] == "r" else 1.0 for dof in bone.dof]


def parse_asf(content: bytes, where: object) -> Skeleton:
    """Parse the body.

    Raises:
        InputError: a missing section, a bone without a parent, or a value that is not a number.
    """
    sections: dict[str, list[list[str]]] = {}
    part: list[list[str]] = []
    for line in content.decode("utf-8-sig", "replace").splitlines():
        words = line.split("#")[0].split()
        if words and words[0].startswith(":"):
            part = sections.setdefault(words[0].lower(), [])
        elif words:
            part.append(words)
    lacking = [name for name in (":root", ":bonedata", ":hierarchy") if not sections.get(name)]
    if lacking:
        raise InputError(where, f"has no section {lacking[0]}", "give the .asf that belongs to the take")
    units = {words[0].lower(): words[-1] for words in sections.get(":units", ())}
    degrees = not units.get("angle", "deg").lower().startswith("rad")
    parents = {child: words[0] for words in sections[":hierarchy"] for child in words[1:]}
    try:
        bones = [_root(sections[":root"], degrees), *_bones(sections[":bonedata"], parents, degrees)]
        length = float(units.get("length", 1))
    except (ValueError, LookupError) as error:
        raise InputError(where, f"a bone does not match the format ({str(error)[:80]})", _AGAIN) from error
    return Skeleton(_ordered(bones, where), 0.0254 / length if length == _CMU else None, degrees)


def _root(lines: Sequence[Sequence[str]], degrees: bool) -> Bone:
    fields = {words[0].lower(): words[1:] for words in lines}
    order, dof = (fields.get("axis") or ["XYZ"])[0], tuple(map(str.lower, fields["order"]))
    if not set(dof) <= {"tx", "ty", "tz", "rx", "ry", "rz"}:
        raise ValueError(f"order {' '.join(dof)} of the root")
    return Bone("root", "", np.zeros(3), _axes(fields.get("orientation") or ["0", "0", "0"], order, degrees), dof)


def _bones(lines: Sequence[Sequence[str]], parents: dict[str, str], degrees: bool) -> list[Bone]:
    bones, fields = [], {}
    for words in lines:
        if words[0].lower() == "begin":
            fields = {}
        elif words[0].lower() == "end" and fields:
            reach = np.array(fields["direction"][:3], float) * float(fields["length"][0])
            if reach.shape != (3,) or not np.isfinite(reach).all():
                raise ValueError(f"direction and length of {fields['name']}")
            dof, name = tuple(map(str.lower, fields.get("dof", ()))), fields["name"][0]
            if not set(dof) <= {"rx", "ry", "rz"}:
                raise ValueError(f"dof {' '.join(dof)} of {name}")
            axis = fields.get("axis") or ["0", "0", "0", "XYZ"]
            bones.append(Bone(name, parents.get(name, ""), reach, _axes(axis[:3], axis[3], degrees), dof))
            fields = {}
        else:
            fields[words[0].lower()] = words[1:]
    return bones


def _axes(angles: Sequence[str], order: str, degrees: bool) -> np.ndarray:
    turn = np.eye(3)
    for letter, angle in zip(order.upper(), np.array(angles, float), strict=True):
        turn = rotation("XYZ".index(letter), np.array([angle if degrees else np.rad2deg(angle)]))[0] @ turn
    return turn


def _ordered(bones: Sequence[Bone], where: object) -> tuple[Bone, ...]:
    """The bones, parents first."""
    by_name = {bone.name: bone for bone in bones}
    children: dict[str, list[Bone]] = {}
    for bone in bones[1:]:
        children.setdefault(bone.parent, []).append(bone)
    ordered = [by_name["root"]]
    for bone in ordered:
        ordered += children.pop(bone.name, [])
    if len(ordered) != len(bones) or len(by_name) != len(bones) or len(bones) > _MOST:
        led = {bone.name for bone in ordered}
        lost = next((bone.name for bone in bones if bone.name not in led), bones[-1].name)
        raise InputError(where, f"bone {lost[:60]!r} is not connected to the root in :hierarchy, occurs twice, or is one of more than {_MOST}", _AGAIN)
    return tuple(ordered)


def parse_amc(content: bytes, skeleton: Skeleton, where: object) -> tuple[dict[str, np.ndarray], bool]:
    """Numbers (T, dof) by bone, in the order of its dof, and whether angles are in degrees; 0 for bones that the take does not name.

    Raises:
        InputError: no frame, frames that are not consecutive, a frame without a bone, an unknown bone, or another count of numbers than its dof.
    """
    bones, degrees = _by_name(skeleton), skeleton.degrees
    frames: list[dict[str, list[float]]] = []
    first = 0
    for place, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0].startswith(":"):
            degrees = {":degrees": True, ":radians": False}.get(words[0].lower(), degrees)
        elif len(words) == 1 and re.fullmatch(r"\d{1,9}", words[0]):
            first = first if frames else int(words[0])
            if int(words[0]) != first + len(frames):
                raise InputError(f"{where} line {place}", f"frame {words[0]} does not follow frame {first + len(frames) - 1}", _AGAIN)
            frames.append({})
        else:
            _add(words, frames, bones, f"{where} line {place}")
    lacking = next((number for number, frame in enumerate(frames) if set(frame) != set(frames[0])), None)
    if not frames or not frames[0] or lacking is not None:
        what = "has no frame" if lacking is None else f"frame {first + lacking} does not have the bones of the first, so the file is truncated"
        raise InputError(where, what, _AGAIN)
    return {name: np.array([frame.get(name, [0.0] * len(bone.dof)) for frame in frames]) for name, bone in bones.items()}, degrees


def _add(words: Sequence[str], frames: list[dict[str, list[float]]], bones: dict[str, Bone], where: str) -> None:
    bone = bones.get(words[0])
    if bone is None or not frames:
        what = f"{words[0][:60]!r} is not a bone of its .asf" if frames else "numbers before the first frame"
        raise InputError(where, what, "give the .asf of the same person")
    if len(words) - 1 != len(bone.dof):
        raise InputError(where, f"{bone.name} has {len(words) - 1} numbers for {len(bone.dof)} dof", "give the .asf of the same person, or another copy")
    try:
        numbers = list(map(float, words[1:]))
    except ValueError as error:
        raise InputError(where, f"{bone.name} has values that are not numbers ({str(error)[:60]})", _AGAIN) from error
    if not np.isfinite(numbers).all():
        raise InputError(where, f"{bone.name} has numbers that are not finite", _AGAIN)
    frames[-1][bone.name] = numbers


def starts(skeleton: Skeleton, angles: dict[str, np.ndarray]) -> np.ndarray:
    """Starting points of the bones (T, bones, 3), from numbers (T, dof) by bone, angles in degrees."""
    frames = len(next(iter(angles.values())))
    turns, ends, at = {}, {"": np.zeros((frames, 3))}, []
    for bone in skeleton.bones:
        turn = np.broadcast_to(np.eye(3), (frames, 3, 3))
        start = ends[bone.parent].copy()
        for column, dof in enumerate(bone.dof):
            axis = "xyz".index(dof[1])
            if dof[0] == "r":
                turn = rotation(axis, angles[bone.name][:, column]) @ turn
            else:
                start[:, axis] += angles[bone.name][:, column]
        turn = bone.axes @ turn @ bone.axes.T
        turns[bone.name] = turns[bone.parent] @ turn if bone.parent else turn
        ends[bone.name] = start + turns[bone.name] @ bone.reach
        at.append(start)
    return np.stack(at, axis=1)
