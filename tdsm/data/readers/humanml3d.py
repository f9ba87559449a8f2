"""HumanML3D's motions: joints (T, 22, 3), ``new_joints/000000.npy``, or the 263 numbers a frame made of them, ``new_joint_vecs/000000.npy``.

22 joints of SMPL, metres, y up, 20 frames a second (which the data set says, not its files). Of the 263 numbers, which are in the body's own frame, joints
are recovered as the data set's authors do: the first holds half the turn about y to the next frame, two the step on the floor, one the height of the pelvis,
and 63 the other joints from the point under the pelvis. Vectors that were normalised by mean and standard deviation for training are refused.
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
_NOTE = "taken as HumanML3D's: 22 joints of SMPL in metres, y up; if they are not, give the layout"


def is_humanml3d(array: np.ndarray) -> bool:
    """Whether an array has the form of a file of HumanML3D."""
    return array.dtype.kind == "f" and array.ndim in (2, 3) and array.shape[1:] in ((len(SMPL_22), 3), (_WIDTH,))


def read_humanml3d(content: bytes, where: object) -> Take:
    """One file.

    Args:
        content: the file.
        where: what to name in a message.

    Raises:
        InputError: no array of such a form, no frame, or normalised vectors.
    """
    array = npz.read_npy(content, where)
    if not is_humanml3d(array):
        raise InputError(where, f"is an array of shape {array.shape}, not (T, 22, 3) or (T, 263) as in HumanML3D", "list it in a clips.csv with its layout")
    return take_of(array, where)


def take_of(array: np.ndarray, where: object) -> Take:
    """The take in an array of either form; messages name ``where``."""
    if not len(array):
        raise InputError(where, "has 0 frames", "leave the file out")
    joints = array if array.ndim == 3 else joints_of_vectors(array.astype(float))
    bones = np.linalg.norm(np.stack([joints[:, child] - joints[:, parent] for child, parent in SMPL_22.bones]), axis=-1)
    if array.ndim == 2 and not (bones.std(axis=1) < 0.1 * bones.mean(axis=1)).all():
        what = "its bones change their length, as of vectors that were normalised for training"
        raise InputError(where, what, "multiply them by Std.npy and add Mean.npy, or give the files of new_joints")
    return Take(joints[None], None, 1.0, (1, 1), notes=(_NOTE,), usual_fps=FPS)


def joints_of_vectors(vectors: Float[np.ndarray, "t 263"]) -> Float[np.ndarray, "t 22 3"]:
    """Joints in metres; the first frame stands over the origin and faces +z."""
    half = np.concatenate([[0.0], np.cumsum(vectors[:-1, 0])])
    sine, cosine = np.sin(2 * half), np.cos(2 * half)
    turn = np.zeros((len(vectors), 3, 3))  # about y, backwards
    turn[:, 1, 1] = 1
    turn[:, 0, 0] = turn[:, 2, 2] = cosine
    turn[:, 0, 2], turn[:, 2, 0] = -sine, sine
    step = np.zeros((len(vectors), 3))
    step[1:, [0, 2]] = vectors[:-1, 1:3]
    path = np.cumsum(np.einsum("tij,tj->ti", turn, step), axis=0)
    others = np.einsum("tij,tvj->tvi", turn, vectors[:, 4:67].reshape(len(vectors), -1, 3)) + path[:, None]
    pelvis = path + vectors[:, 3, None] * [0, 1, 0]
    return np.concatenate([pelvis[:, None], others], axis=1)
