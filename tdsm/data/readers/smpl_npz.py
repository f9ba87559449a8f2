"""AMASS and other .npz files of SMPL, SMPL-H and SMPL-X: joints, or the parameters ``poses``, ``trans`` and ``betas`` with a body model of the user.

For joints (T, 22 or more, 3) the first 22 are used directly. Parameters are converted to joints by a body model as .npz with the plain arrays ``J_regressor``,
``v_template``, ``shapedirs`` and ``kintree_table``: ``model.npz`` of "Extended SMPL+H" (mano.is.tue.mpg.de) or ``SMPLX_NEUTRAL.npz`` (smpl-x.is.tue.mpg.de),
after registration there. Use the model for the gender that the file names: shape parameters have a different meaning in each. The models of SMPL itself are
pickles and are not read, because reading them executes their content. Only the joints of the rest pose and a chain of rotations are computed from a model.

AMASS states its frame rate and has z up. If a file does not state its frame rate, the rate is unknown, and the bodies determine the upward axis.
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
_WIDTHS = (66, 72, 156, 165)  # numbers of axis-angles: 22 joints, SMPL, SMPL-H and SMPL-X; not 144, which is 24 rotations of 6 numbers
_EITHER = f"{', '.join(map(str, _WIDTHS[:-1]))} or {_WIDTHS[-1]}"
_COUNTS = {22, 24, 45, 52, 55, 73, 127, 144}  # joints of SMPL, SMPL-H and SMPL-X, with and without additional points; all start with the 22
_NEEDED = ("J_regressor", "v_template", "shapedirs", "kintree_table")
_LARGEST = 1 << 30  # most bytes of one array, unpacked
_LARGEST_RATIO, _FREE = 200, 1 << 28
_MODEL = "use tdsm.load_clips(path, body_model='.../model.npz'), with the model of Extended SMPL+H (mano.is.tue.mpg.de) or SMPL-X (smpl-x.is.tue.mpg.de) "
_MODEL += "for the gender that the file names"
_BAD = (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, EOFError, KeyError)
BODY = len(SMPL_22)


@dataclass(frozen=True)
class BodyModel:
    """The part of a body model that determines the joints.

    Attributes:
        rest: (22, 3) joints of the mean body, in metres.
        shape: (22, 3, B) change of the joints per unit of each shape parameter.
        path: its file; recorded in a store.
    """

    rest: np.ndarray
    shape: np.ndarray
    path: str

    def __repr__(self) -> str:
        return f"BodyModel({self.path!r})"


def is_smpl(names: Collection[str]) -> bool:
    """Whether an .npz with these arrays holds SMPL's parameters or joints.

    Example:
        >>> is_smpl(["poses", "trans", "gender"]), is_smpl(["joints", "layout"])
        (True, False)
    """
    return "layout" not in names and any(name in names for name in _POSES) and any(name in names for name in (*_JOINTS, "poses", "pose_body", "body_pose"))


def load_body_model(path: str | Path) -> BodyModel:
    """The joints of a body model; the mesh is not kept. The file's content is never executed.

    Raises:
        InputError: not an .npz, a missing array, or arrays of inconsistent shapes.
    """
    path = Path(path)
    check_file(path, _MODEL)
    if path.suffix.lower() in (".pkl", ".pickle"):
        raise InputError(path, "is a pickle, which could execute code when it is read", _MODEL)
    arrays = _read(path, _NEEDED, path)
    lacking = [name for name in _NEEDED if name not in arrays]
    if lacking:
        raise InputError(path, f"array {lacking[0]!r} is missing, so it is not a body model", _MODEL)
    regressor, mesh, shapes, tree = (arrays[name] for name in _NEEDED)
    vertices = regressor.shape[-1] if regressor.ndim else 0
    fits = regressor.ndim == 2 and len(regressor) >= BODY and mesh.shape == (vertices, 3) and shapes.ndim == 3 and shapes.shape[:2] == (vertices, 3)
    parents = tuple(tree[0, 1:BODY].tolist()) if tree.ndim == 2 and tree.shape[0] and tree.shape[1] >= BODY else ()
    if not fits or parents != SMPL_22.parents[1:]:
        raise InputError(path, "its arrays are not those of a body of SMPL, SMPL-H or SMPL-X", _MODEL)
    weights = regressor[:BODY].astype(float)
    return BodyModel(weights @ mesh, np.einsum("jv,vcb->jcb", weights, shapes, optimize=True), str(path))


def read_smpl_npz(content: bytes, where: object, model: BodyModel | None = None) -> Take | None:
    """Read one file. Returns None for a file with only a shape, such as AMASS's ``shape.npz``.

    Args:
        content: the file.
        where: source named in messages.
        model: body model, for files without joints.

    Raises:
        InputError: not an .npz, arrays of inconsistent shapes, rotations that are not axis-angles, no frame, or parameters without a body model.
    """
    wanted = (*_JOINTS, *_POSES, *_RATES)
    arrays = _read(io.BytesIO(content), wanted, where, len(content))
    rate = next((arrays[name] for name in _RATES if name in arrays), None)
    fps = None if rate is None or rate.size != 1 or rate.dtype.kind not in "fiu" else float(rate.reshape(-1)[0])
    if fps is not None and not 0 < fps < 1e6:
        raise InputError(where, f"its frame rate is {fps:g}", "correct mocap_framerate in it")
    up = (2, 1) if any(name in arrays for name in _RATES[:2]) else None
    given = next((arrays[name] for name in _JOINTS if name in arrays), None)
    if given is not None:
        if given.ndim != 3 or given.shape[1] not in _COUNTS or given.shape[2] != 3:
            raise InputError(where, f"its joints have shape {given.shape}, not (frames, {' or '.join(map(str, sorted(_COUNTS)))}, 3)", "save SMPL's joints")
        if not len(given):
            raise InputError(where, "has 0 frames", "remove the file")
        return Take(given[None, :, :BODY], fps, 1.0, up)
    poses = _angles(arrays, where)
    if poses is None:
        return None
    if model is None:
        raise InputError(where, "has parameters of SMPL, which need a body model to give joints", _MODEL)
    frames = len(poses)
    trans = arrays.get("trans", arrays.get("transl", np.zeros((frames, 3))))
    betas = arrays.get("betas", np.zeros(0))
    betas = betas[0] if betas.ndim == 2 and len(betas) else betas
    if trans.shape != (frames, 3) or betas.ndim != 1:
        raise InputError(where, f"poses, trans and betas have shapes {poses.shape}, {trans.shape} and {betas.shape}", "give the file as AMASS has it")
    return Take(posed(model, poses.reshape(frames, BODY, 3), trans, betas)[None], fps, 1.0, up)


def _angles(arrays: dict[str, np.ndarray], where: object) -> np.ndarray | None:
    """(T, 66) axis-angles of the 22 joints; None if there are none.

    Raises:
        InputError: rotations that are not axis-angles, such as matrices, quaternions or 6 numbers per joint, or no frame.
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
        raise InputError(where, f"has 0 frames ({what})", "remove the file")
    return poses[:, : 3 * BODY].astype(float)


def _flat(turns: np.ndarray, widths: Collection[int]) -> np.ndarray | None:
    """Axis-angles (T, width) from (T, width) or (T, width / 3, 3); None for another shape."""
    if turns.ndim == 3 and turns.shape[2] == 3:
        turns = turns.reshape(len(turns), 3 * turns.shape[1])
    return turns if turns.ndim == 2 and turns.shape[1] in widths else None


def posed(
    model: BodyModel, angles: Float[np.ndarray, "t 22 3"], trans: Float[np.ndarray, "t 3"], betas: Float[np.ndarray, " b"]
) -> Float[np.ndarray, "t 22 3"]:
    """Joints in metres. Each rotation, an axis-angle in radians, rotates the descendants of its joint about that joint."""
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
    """Those of the wanted arrays that exist. The other arrays, which may be pickles, are not read."""
    size = file.stat().st_size if size is None else size
    read = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            for name in wanted:
                if name in members:
                    info = members[name]
                    if info.file_size > min(_LARGEST, _LARGEST_RATIO * size + _FREE):
                        raise InputError(where, f"array {name!r} declares {info.file_size:,} bytes in a file of {size:,}", "get another copy")
                    read[name] = npz.read_npy(archive.read(info), f"{where}, array {name!r}")
    except InputError:
        raise
    except _BAD as error:
        raise InputError(where, f"not a readable .npz ({' '.join(str(error).split())[:100]})", "get another copy") from error
    wrong = next((name for name, array in read.items() if array.dtype.kind not in "fiu"), None)
    if wrong is not None:
        raise InputError(where, f"array {wrong!r} holds {read[wrong].dtype}, not numbers", "give the file as AMASS has it")
    return read
