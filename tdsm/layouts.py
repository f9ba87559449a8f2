"""Bodies: which joint stands where, and how joints hang together.

A layout is everything the rest of the package knows about a skeleton format. Joints are named in the order in which they
stand on the V axis of ``(M, T, V, C)``; ``parents`` makes them a tree whose root has parent -1. The few joints that
preprocessing needs (hips, shoulders, the ends of the torso) are named as roles, so that no other module holds an index.
"""

from dataclasses import dataclass, field

__all__ = ["COCO_17", "KINECT_20", "LAYOUTS", "NTU_25", "OPENPOSE_18", "Layout", "layout_named"]


@dataclass(frozen=True)
class Layout:
    """A skeleton format.

    Attributes:
        name: short name used in files and on the command line.
        joints: V joint names, in file order.
        parents: V indices; ``parents[j]`` is the joint that j hangs on, -1 for the root.
        torso: (lower, upper) joint index lists; the mean of each is an end of the torso, and their difference points up the body.
        hips: (left, right) joint indices.
        shoulders: (left, right) joint indices.
        dims: C, 3 for metres in space, 2 for pixels.
        unit: unit of the coordinates.
        up: which coordinate axis points up in the sensor's space, and its sign.
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
        """V, the number of joints."""
        return len(self.joints)

    @property
    def bones(self) -> list[tuple[int, int]]:
        """(child, parent) pairs, root left out."""
        return [(child, parent) for child, parent in enumerate(self.parents) if parent >= 0]


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

LAYOUTS = (NTU_25, KINECT_20, OPENPOSE_18, COCO_17)


def layout_named(name: str) -> Layout:
    """The layout of that name.

    Raises:
        KeyError: no such layout; the message lists the names.
    """
    for layout in LAYOUTS:
        if layout.name == name:
            return layout
    raise KeyError(f"no layout {name!r}; known: {', '.join(layout.name for layout in LAYOUTS)}")
