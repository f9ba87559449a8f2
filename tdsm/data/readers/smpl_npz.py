"""AMASS and other .npz of SMPL, SMPL-H and SMPL-X: joints, or the parameters ``poses``, ``trans`` and ``betas`` with a body model of the user's.

Joints (T, 22 or more, 3) are taken as they are, the first 22. Parameters become joints by a body model as .npz with the plain arrays ``J_regressor``,
``v_template``, ``shapedirs`` and ``kintree_table``: ``model.npz`` of "Extended SMPL+H" (mano.is.tue.mpg.de) or ``SMPLX_NEUTRAL.npz`` (smpl-x.is.tue.mpg.de),
after registration there. Take the one for the gender that the file names: shape parameters mean something else in each. The models of SMPL itself are
pickles, which are not read, as reading them runs what is in them. Of a model, joints of the resting body and a chain of rotations are all that is computed.

AMASS says its frames a second and has z up. Files that do not say theirs are read as of an unknown rate, and the bodies say what is up.
"""

import io
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from tdsm.data.layouts import SMPL_22
from tdsm.data.readers.bvh import cross_matrices
from tdsm.data.readers.takes import Take
from tdsm.util import npz
from tdsm.util.errors import InputError
from tdsm.util.files import check_file

__all__ = ["BodyModel", "is_smpl", "load_body_model", "posed", "read_smpl_npz"]

_RATES = ("mocap_framerate", "mocap_frame_rate", "mocap_fps", "fps")
_POSES = ("poses", "trans", "betas", "root_orient", "pose_body", "global_orient", "body_pose", "transl")
_JOINTS = ("joints", "Jtr", "jtr", "joints3d")
_WIDTHS = (66, 72, 156, 165)  # axis-angles of 22 joints, of SMPL, SMPL-H and SMPL-X; 24 rotations of 6 numbers would be 144
_EITHER = f"{', '.join(map(str, _WIDTHS[:-1]))} or {_WIDTHS[-1]}"
_COUNTS = {22, 24, 45, 52, 55, 73, 127, 144}  # joints of SMPL, SMPL-H and SMPL-X, with and without added points; all begin with the 22
_NEEDED = ("J_regressor", "v_template", "shapedirs", "kintree_table")
_LARGEST = 1 << 30  # bytes of one array, unpacked
_LARGEST_RATIO, _FREE = 200, 1 << 28
_MODEL = "in Python: tdsm.load_clips(path, body_model='.../model.npz'), with that of Extended SMPL+H (mano.is.tue.mpg.de) or SMPL-X (smpl-x.is.tue.mpg.de) "
_MODEL += "for the gender that the file names"
_BAD = (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, EOFError, KeyError)
BODY = len(SMPL_22)


@dataclass(frozen=True)
class BodyModel:
    """What of a body model gives joints.

    Attributes:
        rest: (22, 3) joints of the mean body, metres.
        shape: (22, 3, B) what a unit of each shape parameter adds.
        path: its file; a store remembers it.
    """

    rest: np.ndarray
    shape: np.ndarray
    path: str

    def __repr__(self) -> str:
        return f"BodyModel({self.path!r})"


def is_smpl(names: Collection[str]) -> bool:
    """Whether an .npz of these arrays is one of SMPL's parameters or joints.

    Example:
        >>> is_smpl(["poses", "trans", "gender"]), is_smpl(["joints", "layout"])
        (True, False)
    """
    return "layout" not in names and any(name in names for name in _POSES) and any(name in names for name in (*_JOINTS, "poses", "pose_body", "body_pose"))


def load_body_model(path: str | Path) -> BodyModel:
    """The joints of a body model; the mesh is not kept. Nothing in the file is ever executed.

    Raises:
        InputError: no .npz, a missing array, or arrays that do not fit together.
    """
    path = Path(path)
    check_file(path, _MODEL)
    if path.suffix.lower() in (".pkl", ".pickle"):
        raise InputError(path, "is a pickle, which could run anything when it is read", _MODEL)
    arrays = _read(path, _NEEDED, path)
    lacking = [name for name in _NEEDED if name not in arrays]
    if lacking:
        raise InputError(path, f"array {lacking[0]!r} is missing, so that it is no body model", _MODEL)
    regressor, mesh, shapes, tree = (arrays[name] for name in _NEEDED)
    vertices = regressor.shape[-1] if regressor.ndim else 0
    fits = regressor.ndim == 2 and len(regressor) >= BODY and mesh.shape == (vertices, 3) and shapes.ndim == 3 and shapes.shape[:2] == (vertices, 3)
    parents = tuple(tree[0, 1:BODY].tolist()) if tree.ndim == 2 and tree.shape[0] and tree.shape[1] >= BODY else ()
    if not fits or parents != SMPL_22.parents[1:]:
        raise InputError(path, "its arrays are not those of a body of SMPL, SMPL-H or SMPL-X", _MODEL)
    weights = regressor[:BODY].astype(float)
    return BodyModel(weights @ mesh, np.einsum("jv,vcb->jcb", weights, shapes, optimize=True), str(path))


def read_smpl_npz(content: bytes, where: object, model: BodyModel | None = None) -> Take | None:
    """One file; None for one of a shape alone, such as AMASS's ``shape.npz``.

    Args:
        content: the file.
        where: what to name in messages.
        model: for files without joints.

    Raises:
        InputError: no .npz, arrays that do not fit together, turns that are no axis-angles, no frame, or parameters without a body model.
    """
    wanted = (*_JOINTS, *_POSES, *_RATES)
    arrays = _read(io.BytesIO(content), wanted, where, len(content))
    rate = next((arrays[name] for name in _RATES if name in arrays), None)
    fps = None if rate is None or rate.size != 1 or rate.dtype.kind not in "fiu" else float(rate.reshape(-1)[0])
    if fps is not None and not 0 < fps < 1e6:
        raise InputError(where, f"its frames a second are {fps:g}", "correct mocap_framerate in it")
    up = (2, 1) if any(name in arrays for name in _RATES[:2]) else None
    given = next((arrays[name] for name in _JOINTS if name in arrays), None)
    if given is not None:
        if given.ndim != 3 or given.shape[1] not in _COUNTS or given.shape[2] != 3:
            raise InputError(where, f"its joints have shape {given.shape}, not (frames, {' or '.join(map(str, sorted(_COUNTS)))}, 3)", "save SMPL's joints")
        if not len(given):
            raise InputError(where, "has 0 frames", "leave the file out")
        return Take(given[None, :, :BODY], fps, 1.0, up)
    poses = _angles(arrays, where)
    if poses is None:
        return None
    if model is None:
        raise InputError(where, "holds parameters of SMPL, from which joints follow only with a body model", _MODEL)
    frames = len(poses)
    trans = arrays.get("trans", arrays.get("transl", np.zeros((frames, 3))))
    betas = arrays.get("betas", np.zeros(0))
    betas = betas[0] if betas.ndim == 2 and len(betas) else betas
    if trans.shape != (frames, 3) or betas.ndim != 1:
        raise InputError(where, f"poses, trans and betas have shapes {poses.shape}, {trans.shape} and {betas.shape}", "give the file as AMASS has it")
    return Take(posed(model, poses.reshape(frames, BODY, 3), trans, betas)[None], fps, 1.0, up)


def _angles(arrays: dict[str, np.ndarray], where: object) -> np.ndarray | None:
    """(T, 66) axis-angles of the 22 joints; None where there are none.

    Raises:
        InputError: something else than axis-angles, such as matrices, quaternions or 6 numbers a joint, or no frame.
    """
    if "poses" in arrays:
        poses = _flat(arrays["poses"], _WIDTHS)
        what = f"poses have shape {arrays['poses'].shape}"
    else:
        names = [next((name for name in pair if name in arrays), None) for pair in (("root_orient", "global_orient"), ("pose_body", "body_pose"))]
        if None in names:
            return None
        root, body = _flat(arrays[names[0]], {3}), _flat(arrays[names[1]], {width - 3 for width in _WIDTHS})
        poses = None if root is None or body is None or len(root) != len(body) else np.concatenate([root, body], axis=1)
        what = f"{' and '.join(names)} have shapes {' and '.join(str(arrays[name].shape) for name in names)}"
    if poses is None:
        raise InputError(where, f"{what}, not (frames, {_EITHER}) or (frames, joints, 3)", "give axis-angles of all joints, as AMASS has them")
    if not len(poses):
        raise InputError(where, f"has 0 frames ({what})", "leave the file out")
    return poses[:, : 3 * BODY].astype(float)


def _flat(turns: np.ndarray, widths: Collection[int]) -> np.ndarray | None:
    """(T, width) of axis-angles (T, width) or (T, width / 3, 3); None where they have another form."""
    if turns.ndim == 3 and turns.shape[2] == 3:
        turns = turns.reshape(len(turns), 3 * turns.shape[1])
    return turns if turns.ndim == 2 and turns.shape[1] in widths else None


def posed(
    model: BodyModel, angles: Float[np.ndarray, "t 22 3"], trans: Float[np.ndarray, "t 3"], betas: Float[np.ndarray, " b"]
) -> Float[np.ndarray, "t 22 3"]:
    """Joints in metres: each rotation, an axis-angle in radians, turns what hangs on its joint, about that joint."""
    count = min(len(betas), model.shape.shape[2])
    rest = model.rest + model.shape[:, :, :count] @ betas[:count].astype(float)
    turns, places = [_matrices(angles[:, 0])], [rest[0] + trans]
    for joint in range(1, BODY):
        parent = SMPL_22.parents[joint]
        places.append(places[parent] + turns[parent] @ (rest[joint] - rest[parent]))
        turns.append(turns[parent] @ _matrices(angles[:, joint]))
    return np.stack(places, axis=1)


def _matrices(angles: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "t 3 3"]:
    """Rodrigues' formula."""
    size = np.linalg.norm(angles, axis=1)[:, None, None]
    cross = cross_matrices(angles / np.maximum(size[:, 0], 1e-12))
    return np.eye(3) + np.sin(size) * cross + (1 - np.cos(size)) * cross @ cross


def _read(file: Path | io.BytesIO, wanted: Collection[str], where: object, size: int | None = None) -> dict[str, np.ndarray]:
    """Those of the wanted arrays that are there; the others, which may be pickles, are not touched."""
    size = file.stat().st_size if size is None else size
    read = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            for name in wanted:
                if name in members:
                    info = members[name]
                    if info.file_size > min(_LARGEST, _LARGEST_RATIO * size + _FREE):
                        raise InputError(where, f"array {name!r} claims {info.file_size:,} bytes of a file of {size:,}", "take another copy")
                    read[name] = npz.read_npy(archive.read(info), f"{where}, array {name!r}")
    except InputError:
        raise
    except _BAD as error:
        raise InputError(where, f"not a readable .npz ({' '.join(str(error).split())[:100]})", "take another copy") from error
    wrong = next((name for name, array in read.items() if array.dtype.kind not in "fiu"), None)
    if wrong is not None:
        raise InputError(where, f"array {wrong!r} holds {read[wrong].dtype}, not numbers", "give the file as AMASS has it")
    return read
