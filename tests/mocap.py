"""Motion files in the forms that exporters give them, made from one body: for tests/test_mocap_files.py, the fuzzing and tests/make_mocap.py."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from tdsm.data.clips import Clip
from tdsm.data.layouts import SMPL_22
from tdsm.data.motion_files import _directions

FOLDER = Path(__file__).parent / "data" / "mocap"
J = {name: index for index, name in enumerate(SMPL_22.joints)}
PARENTS = SMPL_22.parents
_LENGTHS = {"hip": 0.11, "knee": 0.4, "ankle": 0.42, "foot": 0.13, "collar": 0.12, "shoulder": 0.13, "elbow": 0.28, "wrist": 0.25, "spine": 0.13, "neck": 0.2}
LENGTHS = np.array([next((length for word, length in _LENGTHS.items() if word in name), 0.09 if name == "head" else 0.0) for name in SMPL_22.joints])
OFFSETS = _directions() * LENGTHS[:, None]  # metres, a T that faces +z


def moving(frames=6, seed=0, size=0.4):
    """(T, 22, 3) joints in metres, y up, of a body whose joints turn smoothly, and the rotations (T, 22) of each in its parent's axes."""
    rng = np.random.default_rng(seed)
    turns = Rotation.from_rotvec((rng.normal(0, size, (1, 22, 3)) * np.sin(np.linspace(0.3, 2, frames))[:, None, None]).reshape(-1, 3))
    local = turns.as_matrix().reshape(frames, 22, 3, 3)
    path = np.array([0.3, 1.0, -0.2]) + np.linspace(0, 0.5, frames)[:, None] * [0, 0, 1]
    return forward(local, path), local


def forward(local, path, offsets=OFFSETS):
    """Joints (T, 22, 3) of a chain of rotations (T, 22, 3, 3), the plain way: one frame and one joint after the other."""
    joints = np.zeros((len(local), 22, 3))
    for frame in range(len(local)):
        above = {}
        for joint in range(22):
            parent = PARENTS[joint]
            joints[frame, joint] = path[frame] if parent < 0 else joints[frame, parent] + above[parent] @ offsets[joint]
            above[joint] = local[frame, joint] if parent < 0 else above[parent] @ local[frame, joint]
    return joints


WALK, TURNS = moving()
_STILL = np.eye(3)
CLIP = Clip(WALK, SMPL_22, None, None, 30.0, "walk")

_SIDES = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")


def _sided(form, words):
    """Names of the joints on both sides; ``form`` has {Left}, {left}, {L} or {l}, and {}."""
    names = {}
    for side in ("left", "right"):
        marks = {"Left": side.title(), "left": side, "L": side[0].upper(), "l": side[0]}
        names |= {f"{side} {joint}": form.format(word, **marks) for joint, word in zip(_SIDES, words, strict=True)}
    return names


def _trunk(pelvis, spines, neck, head):
    return dict(zip(("pelvis", "spine 1", "spine 2", "spine 3", "neck", "head"), (pelvis, *spines, neck, head), strict=True))


_BUILDER = ("UpLeg", "Leg", "Foot", "ToeBase", "Shoulder", "Arm", "ForeArm", "Hand")
_A = _trunk("Hips", ("Spine", "Spine1", "Spine2"), "Neck", "Head") | _sided("{Left}{}", _BUILDER)
NAMES = {  # joint of smpl-22 to its name
    "Mixamo": {joint: f"mixamorig:{name}" for joint, name in _A.items()},
    "Mixamo, by Blender": {joint: f"mixamorig{name}" for joint, name in _A.items()},
    "LAFAN1": _A | {"left foot": "LeftToe", "right foot": "RightToe"},
    "MotionBuilder": {joint: f"Character1_{name}" for joint, name in _A.items()},
    "Xsens": _trunk("Hips", ("Chest", "Chest3", "Chest4"), "Neck", "Head")
    | _sided("{Left}{}", ("Hip", "Knee", "Ankle", "Toe", "Collar", "Shoulder", "Elbow", "Wrist")),
    "Bandai-Namco": _trunk("Hips", ("Spine", "Chest", None), "Neck", "Head")
    | _sided("{}_{L}", ("UpperLeg", "LowerLeg", "Foot", "Toes", "Shoulder", "UpperArm", "LowerArm", "Hand")),
    "Rokoko": _trunk("Hips", ("Spine1", "Spine2", "Spine3"), "Neck", "Head")
    | _sided("{Left}{}", ("Thigh", "Shin", "Foot", "Toe", "Shoulder", "Arm", "ForeArm", "Hand")),
    "3ds Max": _trunk("Bip01 Pelvis", ("Bip01 Spine", "Bip01 Spine1", "Bip01 Spine2"), "Bip01 Neck", "Bip01 Head")
    | _sided("Bip01 {L} {}", ("Thigh", "Calf", "Foot", "Toe0", "Clavicle", "UpperArm", "Forearm", "Hand")),
    "Unreal": _trunk("pelvis", ("spine_01", "spine_02", "spine_03"), "neck_01", "head")
    | _sided("{}_{l}", ("thigh", "calf", "foot", "ball", "clavicle", "upperarm", "lowerarm", "hand")),
    "Blender": _trunk("hips", ("spine", "spine.001", "spine.002"), "neck", "head")
    | _sided("{}.{L}", ("thigh", "shin", "foot", "toe", "shoulder", "upper_arm", "forearm", "hand")),
    "SMPL": _trunk("Pelvis", ("Spine1", "Spine2", "Spine3"), "Neck", "Head")
    | _sided("{L}_{}", ("Hip", "Knee", "Ankle", "Foot", "Collar", "Shoulder", "Elbow", "Wrist")),
    "Acclaim": _trunk("root", ("upperback", "thorax", None), "lowerneck", "head")
    | _sided("{l}{}", ("femur", "tibia", "foot", "toes", "clavicle", "humerus", "radius", "wrist")),
}


def bvh(names=None, local=TURNS, path=None, scale=100.0, order="ZXY", root="XYZ", seconds="0.0333333", turn=_STILL):
    """A BVH of the body; ``turn`` (3, 3) is applied to the whole scene. Joints without a name get a word that says nothing."""
    names, path = names or NAMES["Mixamo"], WALK[:, 0] if path is None else path
    children = {joint: [child for child in range(22) if PARENTS[child] == joint] for joint in range(-1, 22)}
    lines, sequence = ["HIERARCHY"], []

    def joint(index, pad):
        sequence.append(index)
        name = names[SMPL_22.joints[index]] or f"thing{index}"
        channels = "".join(f"{axis}rotation " for axis in order).strip()
        place = " ".join(f"{axis}position" for axis in root)
        lines.extend([f"{pad}{'JOINT' if pad else 'ROOT'} {name}", pad + "{", f"{pad}\tOFFSET {' '.join(map(str, (turn @ OFFSETS[index] * scale).round(6)))}"])
        lines.append(f"{pad}\tCHANNELS {'3 ' if pad else '6 ' + place + ' '}{channels}")
        for child in children[index]:
            joint(child, pad + "\t")
        if not children[index]:
            lines.extend([f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\tOFFSET 0 1 0", pad + "\t}"])
        lines.append(pad + "}")

    joint(0, "")
    angles = Rotation.from_matrix((turn @ local @ turn.T).reshape(-1, 3, 3)).as_euler(order, degrees=True).reshape(len(local), 22, 3)
    places = (path @ turn.T * scale)[:, ["XYZ".index(axis) for axis in root]]
    rows = np.concatenate([places, angles[:, sequence].reshape(len(local), -1)], axis=1)
    lines += ["MOTION", f"Frames: {len(rows)}", f"Frame Time: {seconds}", *(" ".join(f"{number:.6f}" for number in row) for row in rows)]
    return "\n".join(lines) + "\n"


# ASF and AMC, as CMU has them: each bone with axes of its own.
_CHAIN = {
    "lhipjoint": "root", "lfemur": "lhipjoint", "ltibia": "lfemur", "lfoot": "ltibia", "ltoes": "lfoot",
    "rhipjoint": "root", "rfemur": "rhipjoint", "rtibia": "rfemur", "rfoot": "rtibia", "rtoes": "rfoot",
    "lowerback": "root", "upperback": "lowerback", "thorax": "upperback", "lowerneck": "thorax", "upperneck": "lowerneck", "head": "upperneck",
    "lclavicle": "thorax", "lhumerus": "lclavicle", "lradius": "lhumerus", "lwrist": "lradius", "lhand": "lwrist",
    "rclavicle": "thorax", "rhumerus": "rclavicle", "rradius": "rhumerus", "rwrist": "rradius", "rhand": "rwrist",
}  # fmt: skip
_REACH = {
    "hipjoint": (0.6, -0.8, 0, 0.11), "femur": (0.3, -0.95, 0, 0.4), "tibia": (0.2, -0.98, 0, 0.42), "foot": (0, -0.2, 0.98, 0.13), "toes": (0, 0, 1, 0.06),
    "lowerback": (0, 1, 0, 0.12), "upperback": (0, 1, 0, 0.12), "thorax": (0, 1, 0, 0.12), "lowerneck": (0, 1, 0.1, 0.1), "upperneck": (0, 1, 0, 0.09),
    "head": (0, 1, 0, 0.1), "clavicle": (0.9, 0.3, 0, 0.2), "humerus": (1, 0, 0, 0.28), "radius": (1, 0, 0, 0.25), "wrist": (1, 0, 0, 0.1),
    "hand": (1, 0, 0, 0.05),
}  # fmt: skip
ASF_UNIT = 0.0254 / 0.45  # metres


def acclaim(frames=4, seed=0, length=0.45, scale=1 / ASF_UNIT):
    """(asf, amc, starts of the bones in metres by name): the plain way, one frame and one bone after the other."""
    rng = np.random.default_rng(seed)
    asf = [":version 1.10", ":name VICON", ":units", "  mass 1.0", f"  length {length}", "  angle deg", ":documentation", "   made for a test", ":root"]
    asf += ["   order TX TY TZ RX RY RZ", "   axis XYZ", "   position 0 0 0", "   orientation 0 0 0", ":bonedata"]
    reach, axes, dofs = {}, {}, {}
    for number, bone in enumerate(_CHAIN, 1):
        *direction, size = _REACH[bone if bone in _REACH else bone[1:]]
        direction = np.array(direction) * [-1 if bone[0] == "r" and bone[1:] in _REACH else 1, 1, 1]
        direction = (direction / np.linalg.norm(direction)).round(6)
        angles = rng.uniform(-90, 90, 3).round(3)
        dofs[bone] = [("rx", "ry", "rz"), ("rx", "rz"), ("rx",), ()][number % 4]
        reach[bone], axes[bone] = direction * size, Rotation.from_euler("xyz", angles, degrees=True)
        asf += ["  begin", f"     id {number}", f"     name {bone}", f"     direction {' '.join(map(str, direction))}", f"     length {size * scale:.6f}"]
        asf += [f"     axis {' '.join(map(str, angles))}  XYZ"]
        if dofs[bone]:
            asf += [f"    dof {' '.join(dofs[bone])}", *["    limits (-160.0 20.0)", *["           (-70.0 70.0)"] * (len(dofs[bone]) - 1)]]
        asf += ["  end"]
    children = {parent: [bone for bone in _CHAIN if _CHAIN[bone] == parent] for parent in ("root", *_CHAIN)}
    asf += [":hierarchy", "  begin", *(f"    {parent} {' '.join(few)}" for parent, few in children.items() if few), "  end", ""]
    amc, starts = ["#!OML:ASF made for a test", ":FULLY-SPECIFIED", ":DEGREES"], {bone: np.zeros((frames, 3)) for bone in ("root", *_CHAIN)}
    for frame in range(frames):
        place, turn = rng.uniform(-1, 1, 3).round(6) + np.eye(3)[1], rng.uniform(-40, 40, 3).round(4)
        amc += [str(frame + 1), "root " + " ".join(f"{number:.6f}" for number in (*(place * scale), *turn))]
        turns, ends = {"root": Rotation.from_euler("xyz", turn, degrees=True)}, {"root": place}
        starts["root"][frame] = place
        for bone, parent in _CHAIN.items():
            angles = rng.uniform(-40, 40, len(dofs[bone])).round(4)
            amc += [f"{bone} {' '.join(map(str, angles))}"] if dofs[bone] else []
            own = Rotation.from_euler("".join(dof[1] for dof in dofs[bone]), angles.reshape(1, -1), degrees=True)[0] if dofs[bone] else Rotation.identity()
            turns[bone] = turns[parent] * axes[bone] * own * axes[bone].inv()
            starts[bone][frame] = ends[parent]
            ends[bone] = ends[parent] + turns[bone].apply(reach[bone])
    return "\n".join(asf), "\n".join(amc) + "\n", starts


# SMPL


def body_model(seed=0, betas=4, joints=52):
    """(arrays of a body model of a few vertices whose 22 joints are those of OFFSETS, joints (22, 3, B) of its shapes)."""
    rng = np.random.default_rng(seed)
    regressor = rng.dirichlet(np.ones(60), joints)
    rest = np.zeros((joints, 3))
    for joint in range(1, 22):
        rest[joint] = rest[PARENTS[joint]] + OFFSETS[joint]
    mesh = np.linalg.lstsq(regressor, rest, rcond=None)[0]
    shapes = rng.normal(0, 0.01, (60, 3, betas))
    tree = np.array([[2**32 - 1, *PARENTS[1:], *[0] * (joints - 22)], [*range(joints)]], dtype=np.uint32)
    arrays = {"J_regressor": regressor, "v_template": mesh, "shapedirs": shapes, "kintree_table": tree, "f": np.zeros((3, 3), np.uint32)}
    return arrays, np.einsum("jv,vcb->jcb", regressor[:22], shapes)


def amass(local=TURNS, frames=None, up="z", **more):
    """Arrays of a file of AMASS that holds the body of WALK."""
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) if up == "z" else np.eye(3)
    vectors = Rotation.from_matrix(np.concatenate([turn @ local[:, :1], local[:, 1:]], axis=1).reshape(-1, 3, 3)).as_rotvec().reshape(len(local), 66)
    poses = np.concatenate([vectors, np.zeros((len(local), 156 - 66))], axis=1)
    trans = WALK[: len(local), 0] @ turn.T
    return {"poses": poses, "trans": trans, "betas": np.zeros(16), "gender": np.array("neutral"), "mocap_framerate": np.array(120.0)} | more


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def vectors_of(joints):
    """HumanML3D's numbers for joints (T + 1, 22, 3) whose first frame faces +z over the origin: (T, 263), the parts that joints need."""
    across = joints[:, J["right hip"]] - joints[:, J["left hip"]] + joints[:, J["right shoulder"]] - joints[:, J["left shoulder"]]
    forward = np.cross([0, 1, 0], across)
    angle = np.unwrap(np.arctan2(forward[:, 0], forward[:, 2]))
    back = Rotation.from_euler("y", -angle[:, None])
    vectors = np.zeros((len(joints) - 1, 263))
    vectors[:, 0] = -np.diff(angle) / 2
    step = np.diff(joints[:, 0], axis=0)
    vectors[:, 1:3] = back[1:].apply(step)[:, [0, 2]]
    vectors[:, 3] = joints[:-1, 0, 1]
    local = joints[:, 1:] - joints[:, :1] * [1, 0, 1]
    vectors[:, 4:67] = np.stack([turn.apply(body) for turn, body in zip(back, local, strict=True)])[:-1].reshape(len(vectors), 63)
    return vectors


# C3D


def plug_in_gait(joints=WALK):
    """Marker to places (T, 3) in metres, such that the means of the markers are the joints."""
    left, right = joints[:, J["left hip"]], joints[:, J["right hip"]]
    width = np.linalg.norm(left - right, axis=1, keepdims=True) / 0.72
    aside = (left - right) / (0.72 * width)
    trunk = joints[:, J["neck"]] - (left + right) / 2
    up = trunk - (trunk * aside).sum(axis=1, keepdims=True) * aside
    up = up / np.linalg.norm(up, axis=1, keepdims=True)
    ahead = np.cross(aside, up)
    front = (left + right) / 2 + width * (0.19 * ahead + 0.30 * up)
    markers = {"LASI": front + width * aside / 2, "RASI": front - width * aside / 2}
    markers |= {"LPSI": front - 0.18 * ahead + 0.05 * aside, "RPSI": front - 0.18 * ahead - 0.05 * aside}
    for side in ("left", "right"):
        at = {joint: joints[:, J[f"{side} {joint}"]] for joint in ("shoulder", "elbow", "wrist", "knee", "ankle", "foot")}
        words = {"SHO": "shoulder", "ELB": "elbow", "KNE": "knee", "ANK": "ankle", "TOE": "foot"}
        markers |= {f"{side[0].upper()}{marker}": at[joint] for marker, joint in words.items()}
        markers |= {f"{side[0].upper()}WR{end}": at["wrist"] + sign * 0.03 * up for end, sign in (("A", 1), ("B", -1))}
    skull = 2 * joints[:, J["head"]] - joints[:, J["neck"]]
    for name, (x, z) in {"LFHD": (1, 1), "RFHD": (-1, 1), "LBHD": (1, -1), "RBHD": (-1, -1)}.items():
        markers[name] = skull + 0.07 * (x * aside + z * ahead)
    markers |= {"C7": joints[:, J["neck"]] - 0.05 * ahead, "CLAV": joints[:, J["neck"]] + 0.05 * ahead}
    return markers | {"T10": joints[:, J["spine 2"]] - 0.1 * ahead, "STRN": joints[:, J["spine 2"]] + 0.1 * ahead}


def _parameter(group, name, kind, shape, raw, order):
    body = struct.pack("bB", kind, len(shape)) + bytes(shape) + raw + b"\0"
    return struct.pack("bb", len(name), group) + name.encode() + struct.pack(f"{order}h", 2 + len(body)) + body


def _number(value, machine):
    if machine == 85 and value:  # VAX: four times as large, halves exchanged
        raw = np.array(value * 4, "<f4").tobytes()
        return raw[2:] + raw[:2]
    return struct.pack(">f" if machine == 86 else "<f", value)


def c3d(markers, fps=100.0, unit="mm", machine=84, scale=-1.0, frames=None, lost=(), analog=0):
    """A C3D by the format's own description; ``scale`` above 0 writes integers. ``lost`` are (frame, marker) of residual -1."""
    order, labels = ">" if machine == 86 else "<", list(markers)
    places = np.stack(list(markers.values()), axis=1) * {"mm": 1000, "m": 1, "cm": 100}.get(unit, 1000)
    count = len(places)
    width = max(map(len, labels))
    section = b"\x01\x50\x02" + bytes([machine])
    section += struct.pack("bb", 5, -1) + b"POINT" + struct.pack(f"{order}h", 3) + b"\0"
    section += _parameter(1, "LABELS", -1, (width, len(labels)), "".join(label.ljust(width) for label in labels).encode(), order)
    section += _parameter(1, "UNITS", -1, (len(unit),), unit.encode(), order) if unit else b""
    section += _parameter(1, "RATE", 4, (), _number(fps, machine), order)
    section = (section + b"\0\0").ljust(1024, b"\0")
    header = struct.pack(f"{order}BB5H", 2, 80, len(labels), analog, 1, count if frames is None else frames, 10) + _number(scale, machine)
    header = (header + struct.pack(f"{order}2H", 4, 0) + _number(fps, machine)).ljust(512, b"\0")
    floats = scale < 0
    data = []
    for frame in range(count):
        for marker in range(len(labels)):
            values = [*places[frame, marker], -1.0 if (frame, marker) in lost else 0.0]
            if floats:
                data += [_number(float(value), machine) for value in values]
            else:
                data.append(struct.pack(f"{order}4h", *(round(value / scale) for value in values[:3]), int(values[3])))
        data.append((b"\1\1\1\1" if floats else b"\1\1") * analog)
    body = b"".join(data)
    return header + section + body + bytes(-len(body) % 512)


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
