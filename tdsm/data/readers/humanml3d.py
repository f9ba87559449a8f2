"""HumanML3D's motions: joints (T, 22, 3), ``new_joints/000000.npy``, or 263 numbers per frame computed from them, ``new_joint_vecs/000000.npy``.

22 joints of SMPL, metres, y up, 20 frames per second (stated by the data set, not by its files). The 263 numbers are relative to the body. Joints are recovered
as in the authors' code: the first number is half the rotation about y to the next frame, two are the step on the floor, one is the height of the pelvis, and 63
are the other joints relative to the point under the pelvis. Vectors that were normalised by mean and standard deviation for training are refused.
"""

import numpy as np
from jaxtyping import Float

from tdsm.data.layouts import SMPL_22
from tdsm.data.readers.takes import Take
from tdsm.util import npz
from tdsm.util.errors import InputError

__all__ = ["FPS", "is_humanml3d", "joints_of_vectors", "read_humanml3d", "take_of"]

FPS = 20.0
_WIDTH = 263
_NOTE = "read as HumanML3D: 22 joints of SMPL in metres, y up; if this is wrong, give the layout"


def is_humanml3d(array: np.ndarray) -> bool:
    """Whether an array has the shape of a file of HumanML3D."""
    return array.dtype.kind == "f" and array.ndim in (2, 3) and array.shape[1:] in ((len(SMPL_22), 3), (_WIDTH,))


def read_humanml3d(content: bytes, where: object) -> Take:
    """Read one file.

    Args:
        content: the file.
        where: source named in messages.

    Raises:
        InputError: not an array of such a shape, no frame, or normalised vectors.
    """
    array = npz.read_npy(content, where)
    if not is_humanml3d(array):
        raise InputError(where, f"is an array of shape {array.shape}, not (T, 22, 3) or (T, 263) as in HumanML3D", "list it in a clips.csv with its layout")
    return take_of(array, where)


def take_of(array: np.ndarray, where: object) -> Take:
    """The take in an array of either shape; ``where`` is the source named in messages."""
    if not len(array):
        raise InputError(where, "has 0 frames", "remove the file")
    joints = array if array.ndim == 3 else joints_of_vectors(array.astype(float))
    bones = np.linalg.norm(np.stack([joints[:, child] - joints[:, parent] for child, parent in SMPL_22.bones]), axis=-1)
    if array.ndim == 2 and not (bones.std(axis=1) < 0.1 * bones.mean(axis=1)).all():
        what = "its bones change their length, so the vectors seem to be normalised for training"
        raise InputError(where, what, "multiply them by Std.npy and add Mean.npy, or give the files of new_joints")
    return Take(joints[None], None, 1.0, (1, 1), notes=(_NOTE,), usual_fps=FPS)


def joints_of_vectors(vectors: Float[np.ndarray, "t 263"]) -> Float[np.ndarray, "t 22 3"]:
    """Joints in metres; in the first frame the body is above the origin and faces +z."""
    half = np.concatenate([[0.0], np.cumsum(vectors[:-1, 0])])
    sine, cosine = np.sin(2 * half), np.cos(2 * half)
    turn = np.zeros((len(vectors), 3, 3))  # about y, inverse
    turn[:, 1, 1] = 1
    turn[:, 0, 0] = turn[:, 2, 2] = cosine
    turn[:, 0, 2], turn[:, 2, 0] = -sine, sine
    step = np.zeros((len(vectors), 3))
    step[1:, [0, 2]] = vectors[:-1, 1:3]
    path = np.cumsum(np.einsum("tij,tj->ti", turn, step), axis=0)
    others = np.einsum("tij,tvj->tvi", turn, vectors[:, 4:67].reshape(len(vectors), -1, 3)) + path[:, None]
    pelvis = path + vectors[:, 3, None] * [0, 1, 0]
    return np.concatenate([pelvis[:, None], others], axis=1)
