"""Mapping of a motion file's joints to smpl-22, by the names that exporters give them.

Supported are the names of Mixamo, MotionBuilder, LAFAN1 and Perception Neuron (LeftUpLeg, LeftForeArm), CMU's as BVH and as ASF (lfemur, lradius), Xsens and
Biovision (LeftHip, LeftElbow), Bandai-Namco, VRM and Unity (UpperLeg_L, LowerArm_L), Rokoko (LeftThigh, LeftShin), 3ds Max, Unreal and Blender (L Calf,
upperarm_l, forearm.L) and SMPL (left_hip). Prefixes such as ``mixamorig:``, and a common beginning of all names, are removed. The same word can mean different
joints in two families ("LeftShoulder" is the shoulder for Xsens and the collar for Mixamo), so arms and legs are each read with a family of which every joint
is present. Left and right are determined by the names only.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

from tdsm.util.errors import InputError

__all__ = ["joints_by_name"]

_REMEDY = (
    "name them as Mixamo, CMU, Xsens, Rokoko, Bandai-Namco, Unity or SMPL do, or save the joints in metres as a .npy of shape (T, 22, 3), with layout smpl-22"
)
_PREFIX = re.compile(r"(?:.*:|mixamorig\d*_?|character\d+_|bip(?:ed)?_?\d+[ _]?(?=.))", re.IGNORECASE)
_SHARED = re.compile(r".*[_:. -]")  # common beginning of all names, up to its last separator
_TOES = ("toe", "toes", "toebase", "toe0", "ball")

# Joints of smpl-22 on either side, and the words for each. A joint with "?" is optional.
_LEGS = (
    {"hip": ("upleg",), "knee": ("leg",), "ankle": ("foot",), "foot?": _TOES},
    {"hip": ("hip",), "knee": ("knee",), "ankle": ("ankle",), "foot?": (*_TOES, "foot")},
    {"hip": ("upperleg",), "knee": ("lowerleg",), "ankle": ("foot",), "foot?": _TOES},
    {"hip": ("thigh",), "knee": ("shin", "calf"), "ankle": ("foot",), "foot?": _TOES},
    {"hip": ("femur",), "knee": ("tibia",), "ankle": ("foot",), "foot?": ("toes",)},
)
_ARMS = (
    {"shoulder": ("arm",), "elbow": ("forearm",), "wrist": ("hand",), "collar?": ("shoulder",)},
    {"shoulder": ("shoulder",), "elbow": ("elbow",), "wrist": ("wrist",), "collar?": ("collar", "clavicle")},
    {"shoulder": ("upperarm", "shldr"), "elbow": ("lowerarm", "forearm"), "wrist": ("hand",), "collar?": ("shoulder", "collar", "clavicle")},
    {"shoulder": ("humerus",), "elbow": ("radius",), "wrist": ("wrist",)},  # a bone of ASF starts at its parent's end: the collar bones at the neck
)
# Three joints of the spine, from the lowest up, "" if there is none: the first row of which all are present is used.
_SPINES = (
    *(("spine", "spine1", "spine2"), ("spine1", "spine2", "spine3"), ("spine", "spine1", ""), ("spine1", "spine2", "")),
    *(("chest", "chest3", "chest4"), ("spine", "chest", "upperchest"), ("spine", "chest", ""), ("chest", "chest2", ""), ("upperback", "thorax", "")),
    *(("spine", "", ""), ("chest", "", "")),
)
_TRUNK = {"pelvis": ("hips", "pelvis", "hip", "root"), "neck": ("neck", "lowerneck", "neck1"), "head": ("head",)}


def joints_by_name(names: Sequence[str], where: object) -> dict[str, int]:
    """Joint of smpl-22 -> index in ``names`` of the corresponding joint. Joints of the trunk, collars and feet are optional.

    Args:
        names: names of a file's joints, in any order.
        where: source named in messages.

    Raises:
        InputError: hips, knees, ankles, shoulders, elbows or wrists are not found or are ambiguous.

    Example:
        >>> names = [f"{side}{joint}" for side in ("Left", "Right") for joint in ("UpLeg", "Leg", "Foot", "Arm", "ForeArm", "Hand")]
        >>> joints_by_name(["mixamorig:Hips", *names], "walk.bvh")["right elbow"]
        11
    """
    found: dict[str, list[int]] = {}
    alike = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(min(names), max(names), strict=False))) if len(names) > 1 else ""
    shared = _SHARED.match(alike)
    for index, name in enumerate(names):
        found.setdefault(_plain(name[shared.end() :] if shared else name), []).append(index)
    legs, arms = (_family(families, found, names, where) for families in (_LEGS, _ARMS))
    words = {joint: next((word for word in several if word in found), "") for joint, several in _TRUNK.items()}
    spine = next((row for row in _SPINES if all(not word or word in found for word in row)), ("", "", ""))
    words |= {f"spine {number}": word for number, word in enumerate(spine, 1)} | legs | arms
    twice = next((word for word in words.values() if len(found.get(word, ())) > 1), None)
    if twice is not None:
        both = " and ".join(names[index] for index in found[twice][:2])
        raise InputError(where, f"two of its joints have the same name ({both})", "give each joint a unique name, and each person a file")
    return {joint: found[word][0] for joint, word in words.items() if word}


def _plain(name: str) -> str:
    """Lower-case letters and digits, without a prefix: "mixamorig:Spine_01" gives "spine1"."""
    rest = _PREFIX.sub("", name.strip(), count=1) or name
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[^0-9a-z]", "", rest.lower()))


def _family(families: Sequence[dict[str, tuple[str, ...]]], found: dict, names: Sequence[str], where: object) -> dict[str, str]:
    """Joint, with its side -> the word for it, from the one family of which all joints are present."""
    best, fitting = [], []
    for family in families:
        words = {f"{side} {joint.strip('?')}": _word(cores, side, found) for side in ("left", "right") for joint, cores in family.items()}
        lacking = [f"{side} {joint}" for side in ("left", "right") for joint in family if "?" not in joint and not words[f"{side} {joint}"]]
        if not lacking:
            fitting.append({joint: word for joint, word in words.items() if word})
        elif not best or len(lacking) < len(best):
            best = lacking
    if len(fitting) == 1:
        return fitting[0]
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    if fitting:
        raise InputError(where, f"its joints ({shown}) match two naming schemes that differ", _REMEDY)
    raise InputError(where, f"none of its {len(names)} joints ({shown[:300]}) is known as {' or '.join(best[:3])}", _REMEDY)


def _word(cores: Sequence[str], side: str, found: dict) -> str:
    return next((word for core in cores for word in _spellings(core, side) if word in found), "")


def _spellings(core: str, side: str) -> Iterator[str]:
    for mark in (side, side[0]):
        yield f"{mark}{core}"
        yield f"{core}{mark}"
