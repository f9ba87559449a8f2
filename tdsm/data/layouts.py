"""Skeleton layouts: the order of the joints, and the bones between them.

A layout contains everything that the package knows about a skeleton format. Joints are named in their order on the V axis of ``(M, T, V, C)``. ``parents``
defines a tree of joints whose root has parent -1. The few joints that preprocessing needs (hips, shoulders, ends of the torso) are named as roles, so no
other module contains joint indices.

Sensor spaces are right-handed. Each layout defines which directions point up and away from the viewer; the direction to the right follows from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tdsm.util.errors import InputError

__all__ = [
    "BODY_15",
    "COCO_17",
    "KINECT_20",
    "LAYOUTS",
    "MEDIAPIPE_33",
    "NTU_25",
    "OPENPOSE_18",
    "OPENPOSE_25",
    "SMPL_22",
    "Layout",
    "as_layout",
    "layout_named",
]


@dataclass(frozen=True)
class Layout:
    """A skeleton format.

    Attributes:
        name: short name used in files and on the command line.
        joints: V joint names, in file order.
        parents: V indices; ``parents[j]`` is the parent of joint j, -1 for the root.
        torso: (lower, upper) joint index lists; the mean of each list is an end of the torso, and their difference points up the body.
        hips: (left, right) joint indices.
        shoulders: (left, right) joint indices.
        dims: C, 3 for 3-D coordinates in metres, 2 for pixels.
        unit: unit of the coordinates.
        up: index and sign of the coordinate axis that points up in the sensor's space.
        away: sign of the axis (z) that points away from the viewer. SMPL has no camera; its bodies face +z and therefore the viewer.
        mirror: V indices; ``mirror[j]`` is joint j of the other side of the body (derived from the names).
        anatomy: joint -> point of the body, for joints whose name does not identify the point: see :mod:`tdsm.data.convert`.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    torso: tuple[tuple[int, ...], tuple[int, ...]]
    hips: tuple[int, int]
    shoulders: tuple[int, int]
    dims: int = 3
    unit: str = "m"
    up: tuple[int, int] = (1, 1)
    away: int = 1
    anatomy: Mapping[str, str] = field(default_factory=dict, hash=False)
    mirror: tuple[int, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        if len(self.parents) != len(self.joints):
            raise ValueError(f"layout {self.name}: {len(self.joints)} joints but {len(self.parents)} parents")
        names = {name: index for index, name in enumerate(self.joints)}
        swapped = {"left": "right", "right": "left"}
        mirror = []
        for joint in self.joints:
            side, _, rest = joint.partition(" ")
            mirror.append(names[f"{swapped[side]} {rest}"] if side in swapped else names[joint])
        object.__setattr__(self, "mirror", tuple(mirror))

    def __len__(self) -> int:
        """Number of joints V."""
        return len(self.joints)

    @property
    def bones(self) -> list[tuple[int, int]]:
        """(child, parent) pairs, without the root."""
        return [(child, parent) for child, parent in enumerate(self.parents) if parent >= 0]

    @property
    def lines(self) -> list[tuple[int, int]]:
        """Lines of a picture: the bones, and a line across hips or shoulders if there is no joint in their middle."""
        return self.bones + [pair for pair, middle in zip((self.hips, self.shoulders), self.torso, strict=True) if len(middle) == 2]

    @property
    def points(self) -> tuple[str, ...]:
        """The point of the body of each of the V joints; points have the same names in all layouts."""
        return tuple(self.anatomy.get(joint, joint) for joint in self.joints)

    @property
    def axes(self) -> np.ndarray:
        """(3, C): directions right, up and away as the viewer sees them, in the clip's coordinates. In two dimensions "away" is zero."""
        axis, sign = self.up
        unit = np.eye(3)
        up, away = sign * unit[axis], self.away * unit[1 if axis == 2 else 2]
        if self.dims == 2:
            return np.stack([unit[1 - axis], up, 0 * up])[:, :2]
        return np.stack([np.cross(away, up), up, away])


NTU_25 = Layout(
    name="ntu-25",
    joints=(
        "spine base", "spine middle", "neck", "head",
        "left shoulder", "left elbow", "left wrist", "left hand",
        "right shoulder", "right elbow", "right wrist", "right hand",
        "left hip", "left knee", "left ankle", "left foot",
        "right hip", "right knee", "right ankle", "right foot",
        "spine shoulder", "left hand tip", "left thumb", "right hand tip", "right thumb",
    ),
    parents=(-1, 0, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 1, 7, 7, 11, 11),
    torso=((0,), (20,)), hips=(12, 16), shoulders=(4, 8),
    anatomy={"spine base": "pelvis", "spine middle": "middle spine", "spine shoulder": "neck base"},
)  # fmt: skip

KINECT_20 = Layout(
    name="kinect-20",
    joints=(
        "hip centre", "spine", "shoulder centre", "head",
        "left shoulder", "left elbow", "left wrist", "left hand",
        "right shoulder", "right elbow", "right wrist", "right hand",
        "left hip", "left knee", "left ankle", "left foot",
        "right hip", "right knee", "right ankle", "right foot",
    ),
    parents=(-1, 0, 1, 2, 2, 4, 5, 6, 2, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18),
    torso=((0,), (2,)), hips=(12, 16), shoulders=(4, 8),
    anatomy={"hip centre": "pelvis", "spine": "lower spine", "shoulder centre": "neck base"},
)  # fmt: skip

OPENPOSE_18 = Layout(
    name="openpose-18",
    joints=(
        "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
        "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
        "right eye", "left eye", "right ear", "left ear",
    ),
    parents=(1, -1, 1, 2, 3, 1, 5, 6, 1, 8, 9, 1, 11, 12, 0, 0, 14, 15),
    torso=((8, 11), (1,)), hips=(11, 8), shoulders=(5, 2), dims=2, unit="px", up=(1, -1),
    anatomy={"neck": "neck base"},
)  # fmt: skip

COCO_17 = Layout(
    name="coco-17",
    joints=(
        "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow",
        "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee",
        "left ankle", "right ankle",
    ),
    parents=(-1, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
    torso=((11, 12), (5, 6)), hips=(11, 12), shoulders=(5, 6), dims=2, unit="px", up=(1, -1),
)  # fmt: skip

# OpenPose's BODY_25. The neck is the midpoint of the shoulders, the middle hip the midpoint of the hips.
OPENPOSE_25 = Layout(
    name="openpose-25",
    joints=(
        "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
        "middle hip", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
        "right eye", "left eye", "right ear", "left ear",
        "left big toe", "left small toe", "left heel", "right big toe", "right small toe", "right heel",
    ),
    parents=(1, 8, 1, 2, 3, 1, 5, 6, -1, 8, 9, 10, 8, 12, 13, 0, 0, 15, 16, 14, 19, 14, 11, 22, 11),
    torso=((8,), (1,)), hips=(12, 9), shoulders=(5, 2), dims=2, unit="px", up=(1, -1),
    anatomy={"neck": "neck base", "middle hip": "pelvis"},
)  # fmt: skip

# World landmarks of MediaPipe's pose landmarker (BlazePose GHUM): metres. The midpoint of the hips is the origin of every frame, so walking and jumping from
# place to place are not recorded. In the picture x points right and y down; z points away from the camera.
MEDIAPIPE_33 = Layout(
    name="mediapipe-33",
    joints=(
        "nose", "left eye inner", "left eye", "left eye outer", "right eye inner", "right eye", "right eye outer", "left ear", "right ear",
        "left mouth", "right mouth", "left shoulder", "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist",
        "left pinky", "right pinky", "left index", "right index", "left thumb", "right thumb",
        "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle", "left heel", "right heel",
        "left foot index", "right foot index",
    ),
    parents=(-1, 0, 1, 2, 0, 4, 5, 3, 6, 0, 0, 0, 0, 11, 12, 13, 14, 15, 16, 15, 16, 15, 16, 11, 12, 23, 24, 25, 26, 27, 28, 27, 28),
    torso=((23, 24), (11, 12)), hips=(23, 24), shoulders=(11, 12), up=(1, -1),
    anatomy={"left foot index": "left big toe", "right foot index": "right big toe"},
)  # fmt: skip

# The body of SMPL (and of SMPL-H and SMPL-X) without its hands, y up as in HumanML3D. The neck is between the collar bones, the head at the base of the
# skull.
SMPL_22 = Layout(
    name="smpl-22",
    joints=(
        "pelvis", "left hip", "right hip", "spine 1", "left knee", "right knee", "spine 2", "left ankle", "right ankle", "spine 3",
        "left foot", "right foot", "neck", "left collar", "right collar", "head",
        "left shoulder", "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist",
    ),
    parents=(-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19),
    torso=((0,), (12,)), hips=(1, 2), shoulders=(16, 17), away=-1,
    anatomy={"spine 1": "lower spine", "spine 2": "middle spine", "spine 3": "upper spine", "neck": "neck base", "head": "skull base"},
)  # fmt: skip

# Joints that every sensor and pose estimator detects, or that lie between joints that it detects. The shipped recognizer is trained on this body and converts
# all other layouts to it.
BODY_15 = Layout(
    name="body-15",
    joints=(
        "pelvis", "neck base", "head", "left shoulder", "left elbow", "left wrist", "right shoulder", "right elbow", "right wrist",
        "left hip", "left knee", "left ankle", "right hip", "right knee", "right ankle",
    ),
    parents=(-1, 0, 1, 1, 3, 4, 1, 6, 7, 0, 9, 10, 0, 12, 13),
    torso=((0,), (1,)), hips=(9, 12), shoulders=(3, 6),
)  # fmt: skip

LAYOUTS = (NTU_25, KINECT_20, OPENPOSE_18, COCO_17, OPENPOSE_25, MEDIAPIPE_33, SMPL_22, BODY_15)


def layout_named(name: str) -> Layout:
    """The layout with this name.

    Raises:
        KeyError: no such layout; the message lists the names.

    Example:
        >>> layout = layout_named("coco-17")
        >>> len(layout), layout.dims, layout.joints[layout.shoulders[0]]
        (17, 2, 'left shoulder')
    """
    for layout in LAYOUTS:
        if layout.name == name:
            return layout
    raise KeyError(f"no layout {name!r}; known: {', '.join(layout.name for layout in LAYOUTS)}")


def as_layout(layout: str | Layout, where: object = "layout", field: str = "", remedy: str = "give one of these") -> Layout:
    """The layout itself, or the one with this name. Raises InputError: an unknown name; the message lists the known ones."""
    try:
        return layout if isinstance(layout, Layout) else layout_named(layout)
    except KeyError as error:
        raise InputError(where, field + error.args[0], remedy) from error
