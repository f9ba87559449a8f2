"""Export of clips: BVH for animation programs, CSV for spreadsheets and other languages. Animated pictures are in :mod:`tdsm.viz.motion`.

BVH stores less than a clip: one person in the layout smpl-22 (other layouts are converted, :mod:`tdsm.data.convert`), every joint in every frame (missing ones
are interpolated), and one length per bone (its median). A clip does not contain the rotation of a limb about its own axis, so the smallest rotation to its
direction is written. One warning lists which of these changed the clip. Numbers are centimetres, y points up, and the rest pose is a T that faces +z. Joints
have Mixamo's names. If a joint has several children, each child hangs on an additional joint at the same position (``LeftUpLegRoot``), as in CMU's files, so
that hips and shoulders can move relative to the trunk.
"""

import csv
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from tdsm.data.clips import Clip
from tdsm.data.convert import convert
from tdsm.data.layouts import SMPL_22
from tdsm.data.missing import complete
from tdsm.data.readers.bvh import cross_matrices
from tdsm.data.readers.joint_table import HEAD, columns
from tdsm.util.errors import InputError
from tdsm.util.files import write_text

__all__ = ["BVH_NAMES", "save_bvh", "save_csv"]

_SIDED = {"hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase", "collar": "Shoulder", "shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand"}
BVH_NAMES = {"pelvis": "Hips", "spine 1": "Spine", "spine 2": "Spine1", "spine 3": "Spine2", "neck": "Neck", "head": "Head"} | {
    f"{side} {joint}": f"{side.title()}{name}" for side in ("left", "right") for joint, name in _SIDED.items()
}
"""Joint of smpl-22 -> its name in a BVH."""
# Direction from the parent to the joint in the rest pose, for the left side; on the right, x changes its sign.
_REST = {"hip": (0.6, -0.8, 0.0), "knee": (0, -1, 0), "ankle": (0, -1, 0), "foot": (0, -0.4, 0.9), "collar": (0.6, 0.8, 0.0)}
_REST |= dict.fromkeys(("shoulder", "elbow", "wrist"), (1, 0, 0)) | dict.fromkeys(("spine 1", "spine 2", "spine 3", "neck", "head"), (0, 1, 0))
_CENTIMETRES = 100.0
_NOTICED = 0.002  # in metres; smaller deviations are not reported
_CHILDREN = [[child for child, parent in SMPL_22.bones if parent == joint] for joint in range(len(SMPL_22))]


def save_bvh(clip: Clip, path: str | Path, *, person: int | None = None) -> Path:
    """Write one person of a clip as BVH, atomically; returns the path. The top of this module lists what BVH cannot store.

    Args:
        clip: (M, T, V, 3) in any 3-D layout.
        path: the file.
        person: index of the person; optional if the clip has a single person.

    Raises:
        InputError: a 2-D clip, several persons without a choice, no body, or a file that cannot be written.

    Example:
        >>> import tempfile
        >>> from tdsm.data.examples import example_clips
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_bvh(example_clips()[0], Path(folder) / "walk.bvh").read_text().splitlines()[:2]
        ['HIERARCHY', 'ROOT Hips']
    """
    if clip.layout.dims != 3:
        raise InputError(clip.name, f"its layout {clip.layout.name} is 2-D", "give a 3-D clip, such as MediaPipe's world landmarks")
    joints, lost = _whole(clip, _chosen(clip, person))
    lengths = np.array([0.0, *(np.median(np.linalg.norm(joints[:, child] - joints[:, parent], axis=1)) for child, parent in SMPL_22.bones)])
    offsets = _directions() * lengths[:, None]
    moved = _moved(joints, offsets)
    away = float(np.abs(moved.places - joints).max())
    lost += [f"bones of varying length (joints move by up to {100 * away:.1f} cm)"] if away > _NOTICED else []
    lost += ["an unknown frame rate (30 was written)"] if clip.fps_assumed else []
    if lost:
        warnings.warn(f"{path}: BVH cannot store {'; '.join(lost)}", stacklevel=2)
    rows = np.concatenate([joints[:, 0] * _CENTIMETRES, *(_euler(turn) for turn in moved.turns)], axis=1)
    motion = ["MOTION", f"Frames: {len(joints)}", f"Frame Time: {1 / clip.fps!r}", *(" ".join(f"{number:.6f}" for number in row) for row in rows)]
    return write_text(Path(path), "\n".join(["HIERARCHY", *_hierarchy(offsets * _CENTIMETRES), *motion, ""]))


def save_csv(clip: Clip, path: str | Path) -> Path:
    """Write a clip as a table, atomically; returns the path. :func:`tdsm.load_clips` reads it; :mod:`tdsm.data.readers.joint_table` describes its format.

    Args:
        clip: a clip in any layout; its label, subject and name are not stored.
        path: the file.

    Raises:
        InputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from tdsm.data.examples import example_clips
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_csv(example_clips()[1], Path(folder) / "jump.csv").read_text().splitlines()[1]
        '0,0,30,smpl-22,...
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*HEAD, *columns(clip.layout)])
    fps = "" if clip.fps_assumed else f"{clip.fps:.12g}"
    present = clip.joints.any(axis=(2, 3))
    for frame in range(clip.frames):
        for person, joints in enumerate(clip.joints[:, frame]):
            cells = [f"{number:.9g}" if number == number and present[person, frame] else "" for number in joints.ravel().tolist()]
            table.writerow([frame, person, fps, clip.layout.name, *cells])
    return write_text(Path(path), text.getvalue())


def _chosen(clip: Clip, person: int | None) -> int:
    there = np.flatnonzero(clip.joints.any(axis=(1, 2, 3))).tolist()
    if person is None and len(there) == 1:
        return there[0]
    if person is None or person not in there:
        what = f"it has {len(there)} persons" if person is None else f"it has no person {person!r:.20}"
        raise InputError(clip.name, what, f"choose one: person={' or '.join(map(str, there)) or 0}")
    return person


def _whole(clip: Clip, person: int) -> tuple[Float[np.ndarray, "t 22 3"], list[str]]:
    """Every joint of smpl-22 in every frame, in metres, y up, and the data that were filled."""
    one = Clip(clip.joints[person : person + 1], clip.layout, None, None, clip.fps, clip.name)
    converted = convert(one, SMPL_22)
    joints = complete(converted.clip).joints[0]
    lost = [f"missing joints ({np.isnan(one.joints[..., 0]).sum():,} were filled)"] if np.isnan(one.joints).any() else []
    lost += [f"the layout {clip.layout.name} ({converted.note})"] if converted.note else []
    present = np.flatnonzero(joints.any(axis=(1, 2)))
    if not len(present):
        raise InputError(clip.name, "too many joints of the person are missing", "give a clip with hips and shoulders")
    if len(present) < len(joints):
        lost.append(f"frames without the person ({len(joints) - len(present)} were interpolated)")
        flat = joints.reshape(len(joints), -1)
        joints = np.stack([np.interp(np.arange(len(flat)), present, column) for column in flat[present].T], axis=1).reshape(joints.shape)
    return joints, lost


def _directions() -> Float[np.ndarray, "22 3"]:
    """Unit vector from each joint's parent to the joint in the rest pose; 0 for the root."""
    directions = np.zeros((len(SMPL_22), 3))
    for joint, name in enumerate(SMPL_22.joints[1:], 1):
        side, _, rest = name.partition(" ")
        sided = side in ("left", "right")
        direction = np.array(_REST[rest if sided else name], float) * [-1 if side == "right" else 1, 1, 1]
        directions[joint] = direction / np.linalg.norm(direction)
    return directions


class _Moved(NamedTuple):
    places: np.ndarray  # (T, 22, 3) positions with bones of fixed length
    turns: list[np.ndarray]  # rotations (T, 3, 3) relative to the parent, in the order of the hierarchy


def _moved(joints: Float[np.ndarray, "t 22 3"], offsets: Float[np.ndarray, "22 3"]) -> _Moved:
    """Rotations that move bones of fixed length towards the joints; each bone starts at the end of its parent."""
    places, turns = np.repeat(joints[:, :1], len(SMPL_22), axis=1), []

    def turned(joint: int, above: np.ndarray) -> None:
        children = _CHILDREN[joint]
        own = above
        if len(children) > 1:
            own = _fitted(joints[:, children] - places[:, joint, None], offsets[children])
        elif children:
            own = _swung(above, offsets[children[0]], joints[:, children[0]] - places[:, joint])
        turns.append(above.transpose(0, 2, 1) @ own)
        for child in children:
            carrier = own
            if len(children) > 1:
                carrier = _swung(own, offsets[child], joints[:, child] - places[:, joint])
                turns.append(own.transpose(0, 2, 1) @ carrier)
            places[:, child] = places[:, joint] + carrier @ offsets[child]
            turned(child, carrier)

    turned(0, np.broadcast_to(np.eye(3), (len(joints), 3, 3)))
    return _Moved(places, turns)


def _fitted(found: Float[np.ndarray, "t k 3"], rest: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, "t 3 3"]:
    """Rotations that bring k vectors as close as possible to the given ones (Kabsch)."""
    left, _, right = np.linalg.svd(np.einsum("tki,kj->tij", found, rest))
    left[:, :, 2] *= np.linalg.det(left @ right)[:, None]
    return left @ right


def _swung(above: Float[np.ndarray, "t 3 3"], rest: Float[np.ndarray, "3"], found: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "t 3 3"]:
    """The smallest rotation, applied after ``above``, that turns ``rest`` into the given direction."""
    start = above @ (rest / max(np.linalg.norm(rest), 1e-12))
    size = np.linalg.norm(found, axis=1, keepdims=True)
    end = np.where(size > 1e-9, found / np.maximum(size, 1e-12), start)
    cross = cross_matrices(np.cross(start, end))
    along = (start * end).sum(axis=1)[:, None, None]
    turn = np.eye(3) + cross + cross @ cross / np.maximum(1 + along, 1e-9)
    aside = np.cross(start, np.eye(3)[np.abs(start).argmin(axis=1)])
    aside = aside / np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-12)
    back = 2 * aside[:, :, None] * aside[:, None] - np.eye(3)  # half a turn if the two are opposite
    return np.where(along > -1 + 1e-7, turn, back) @ above


def _euler(turn: Float[np.ndarray, "t 3 3"]) -> Float[np.ndarray, "t 3"]:
    """Angles in degrees about z, x and y, in the order of the channels, without jumps of full turns."""
    x = np.arcsin(np.clip(turn[:, 2, 1], -1, 1))
    locked = np.abs(turn[:, 2, 1]) > 1 - 1e-9  # gimbal lock: z and y have the same axis
    z = np.where(locked, np.arctan2(turn[:, 1, 0], turn[:, 0, 0]), np.arctan2(-turn[:, 0, 1], turn[:, 1, 1]))
    y = np.where(locked, 0.0, np.arctan2(-turn[:, 2, 0], turn[:, 2, 2]))
    return np.rad2deg(np.unwrap(np.stack([z, x, y], axis=1), axis=0))


def _hierarchy(offsets: Float[np.ndarray, "22 3"]) -> Iterator[str]:
    """Lines from ROOT to its closing brace, in the order of the rotations."""

    def numbers(offset: np.ndarray) -> str:
        return " ".join(f"{number:.6f}" for number in offset)

    def opened(kind: str, name: str, offset: np.ndarray, depth: int) -> Iterator[str]:
        position = "6 Xposition Yposition Zposition" if kind == "ROOT" else "3"
        yield from (f"{'  ' * depth}{line}" for line in (f"{kind} {name}", "{"))
        yield from (f"{'  ' * depth}  {line}" for line in (f"OFFSET {numbers(offset)}", f"CHANNELS {position} Zrotation Xrotation Yrotation"))

    def joint(index: int, offset: np.ndarray, depth: int) -> Iterator[str]:
        name, children, pad = BVH_NAMES[SMPL_22.joints[index]], _CHILDREN[index], "  " * depth
        yield from opened("JOINT" if index else "ROOT", name, offset, depth)
        for child in children:
            if len(children) > 1:
                yield from opened("JOINT", f"{BVH_NAMES[SMPL_22.joints[child]]}Root", np.zeros(3), depth + 1)
                yield from joint(child, offsets[child], depth + 2)
                yield f"{pad}  }}"
            else:
                yield from joint(child, offsets[child], depth + 1)
        if not children:
            yield from (f"{pad}  {line}" for line in ("End Site", "{", f"  OFFSET {numbers(offset / 2)}", "}"))
        yield f"{pad}}}"

    yield from joint(0, np.zeros(3), 0)
