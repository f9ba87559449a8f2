"""NTU RGB+D 60 and 120: 60 or 120 actions, 40 or 106 performers, 56,880 or 114,480 clips of Kinect v2 bodies.

Source: A. Shahroudy, J. Liu, T.-T. Ng, G. Wang, "NTU RGB+D: A large scale dataset for 3D human activity analysis", CVPR 2016; J. Liu et al., "NTU RGB+D 120",
TPAMI 2020; cite both. Handed out on request as ``nturgbd_skeletons_s001_to_s017.zip`` (NTU-60) and ``nturgbd_skeletons_s018_to_s032.zip`` (what NTU-120 adds;
unpack both into one folder). A file ``SsssCcccPpppRrrrAaaa.skeleton`` (setup, camera, performer, replication, action) is text, one record a line::

    frames
      bodies                                                      of each frame; 0 is legal
        id  6 flags and hand states  lean x  lean y  state        of each body, 10 fields
        25                                                        joints
          x y z  depth x y  colour x y  orientation w x y z  state    of each joint, 12 fields, x y z in metres

The last field of a joint says whether it was tracked (2), inferred (1) or not tracked (0). It is not used: the sensor gives a position that follows from the
rest of the body for joints in each state, the published numbers are of all of them, and in many clips whole legs are "inferred". Only a joint at
exactly (0, 0, 0), where no position was given, becomes NaN (in :class:`~tdsm.data.clips.Clip`).

**Samples with missing skeletons.** The authors hand out a list of the recordings in which bodies are missing (302 of NTU-60, 535 of NTU-120), under several
names, such as ``NTU_RGBD_samples_with_missing_skeletons.txt`` or ``ntu_rgb120_missings.txt``. It is recognised by what is in it: names of recordings, one a
line, at most 1,000, after at most three lines of heading, in a text file whose name or heading says "missing". Such a list beside the recordings is heeded,
another list of names (of a split, say) is not; one warning says either.

The text is read by :mod:`tdsm.data.readers.ntu_text`; :mod:`tdsm.data.readers.ntu_tracks` decides which of its bodies are people.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import NTU_25
from tdsm.data.prompts import load_prompts
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.ntu_text import parse_bodies, prepare
from tdsm.data.readers.ntu_tracks import NtuDenoise, persons
from tdsm.data.readers.parsing import read_bytes
from tdsm.data.readers.reading import Reading, read_files
from tdsm.util.errors import InputError

__all__ = ["CLASSES", "MEMBER", "NtuDenoise", "NtuName", "parse_name", "read_missing", "read_ntu", "read_skeleton"]

CLASSES = tuple(load_prompts("ntu-120"))
MEMBER = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})\.skeleton")
_NAME = re.compile(rb"S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}(?:\.skeleton|\.avi|_rgb\.avi)?")
_LISTS = (".txt", ".csv", ".lst", ".list", "")  # endings of files that may be a list of recordings
_MOST_MISSING, _HEADING = 1000, 3  # names, lines
_EXAMPLE = "S001C001P001R001A001.skeleton"
_ACTIONS_60, _SETUPS_60 = 60, 17  # NTU-60 is the first of both


class NtuName(NamedTuple):
    """What a file's name says: 1-based numbers."""

    setup: int
    camera: int
    performer: int
    replication: int
    action: int


def parse_name(name: str) -> NtuName:
    """Setup, camera, performer, replication and action from a file or clip name, with or without folders and ``.skeleton``.

    Raises:
        InputError: another form of name, or an action above 120.
    """
    match = MEMBER.fullmatch(f"{PurePath(name).name.removesuffix('.skeleton')}.skeleton")
    if not match:
        raise InputError(name, "is not named like a recording of NTU RGB+D", f"name it like {_EXAMPLE}")
    recording = NtuName(*map(int, match.groups()))
    if not 1 <= recording.action <= len(CLASSES):
        raise InputError(name, f"action A{recording.action:03} does not exist", f"actions are A001 to A{len(CLASSES)}")
    return recording


def read_skeleton(source: bytes | str | Path, name: str | None = None, *, bodies: int = 2, denoise: NtuDenoise = NtuDenoise()) -> Clip:
    """Read one ``.skeleton`` file.

    Args:
        source: its path or its content.
        name: what to call it, such as ``S001C001P001R001A001.skeleton``; left out: the path. Class and performer stand in it.
        bodies: how many persons to keep at most.
        denoise: what to do about ghosts.

    Returns:
        Clip (M, T, 25, 3) in metres with 1 <= M <= ``bodies``, strongest motion first, layout ntu-25, 30 fps, subject such
        as "P001", named by the file without its ending.

    Raises:
        InputError: no such file, a name of another form, a fault in the text (with its line), or nobody in any frame.
    """
    where = str(name or ("a .skeleton file" if isinstance(source, bytes) else source))
    recording = parse_name(where)
    content = source if isinstance(source, bytes) else read_bytes(Path(source))
    joints = persons(parse_bodies(content, where), where, bodies, denoise)
    return Clip(joints, NTU_25, CLASSES[recording.action - 1], f"P{recording.performer:03}", 30.0, PurePath(where).name.removesuffix(".skeleton"))


def read_missing(path: str | Path) -> frozenset[str]:
    """Names in the authors' list of samples with missing skeletons (302 for NTU-60, 535 for NTU-120); other lines are ignored.

    Raises:
        InputError: no such file, or no name in it.
    """
    names = frozenset(re.findall(r"\bS\d{3}C\d{3}P\d{3}R\d{3}A\d{3}\b", read_bytes(Path(path)).decode("utf-8", "replace")))
    if not names:
        raise InputError(path, "names no recording", "give the list of samples with missing skeletons, one name such as S001C002P005R002A008 a line")
    return names


def read_ntu(
    path: str | Path, *, missing: str | Path | None = None, denoise: NtuDenoise = NtuDenoise(), bodies: int = 2, reading: Reading = Reading()
) -> ClipSet:
    """Read a zip as downloaded, or a folder that holds ``.skeleton`` files at any depth. Any part of the set will do.

    Args:
        path: the zip or the folder.
        missing: the authors' list of samples with missing skeletons; those are left out without being opened or reported. Lists that lie among
            the files are taken, too, with a warning.
        denoise: what to do about ghosts.
        bodies: how many persons a clip keeps at most.
        reading: how to go through the files.

    Returns:
        ClipSet "ntu-60" (60 classes), or "ntu-120" (120) when there is a file of an action above 60 or a setup above 17, of
        clips as :func:`read_skeleton` gives them, in the order of setup, camera, performer, replication, action.

    Raises:
        InputError: an unusable path or archive, no usable file, or what :class:`~tdsm.data.readers.reading.Reading` raises.
    """
    left_out = frozenset() if missing is None else read_missing(missing)
    with Archive(path) as archive:
        left_out |= _listed_missing(archive)
        files = {name: match for name, match in archive.matching(MEMBER, _EXAMPLE) if match[0].removesuffix(".skeleton") not in left_out}
    prepare(len(files))
    more = any(int(match[1]) > _SETUPS_60 or _ACTIONS_60 < int(match[5]) <= len(CLASSES) for match in files.values())
    name, classes = ("ntu-120", CLASSES) if more else ("ntu-60", CLASSES[:_ACTIONS_60])
    return read_files("NTU RGB+D", Path(path), list(files), _Reader(bodies, denoise), reading, name=name, layout=NTU_25, classes=classes)


def _listed_missing(archive: Archive) -> frozenset[str]:
    """The recordings that the authors' list among the files names, whatever it is called."""
    recordings = {PurePath(name).name.removesuffix(".skeleton") for name in archive.names}
    missing: frozenset[str] = frozenset()
    for member in archive.names:
        if PurePath(member).suffix.lower() not in _LISTS or not 0 < archive.size(member) <= 64 * _MOST_MISSING:
            continue
        try:
            lines = [line.strip() for line in archive.read(member).splitlines() if line.strip()]
        except InputError:
            continue  # a damaged file that is no recording is nobody's list
        heading = next((number for number, line in enumerate(lines) if _NAME.fullmatch(line)), len(lines))
        if heading > _HEADING or len(lines) <= heading or not all(map(_NAME.fullmatch, lines[heading:])):
            continue
        names = frozenset(line[:20].decode() for line in lines[heading:]) & recordings
        if len(lines) - heading <= _MOST_MISSING and b"missing" in (PurePath(member).name.encode() + b" ".join(lines[:heading])).lower():
            if names - missing:
                what = f"{len(names)} of its recordings are left out, which {member} lists as samples with missing skeletons"
                warnings.warn(f"{archive.path}: {what}; move the list away to read them", stacklevel=4)
            missing |= names
        elif names:
            what, remedy = f"{member} lists {len(names)} of its recordings and is not heeded", "give it as missing=..., or put 'missing' in its name"
            warnings.warn(f"{archive.path}: {what}; if they are samples with missing skeletons, {remedy}", stacklevel=4)
    return missing


@dataclass(frozen=True)
class _Reader:
    """Reads one member of an archive."""

    bodies: int
    denoise: NtuDenoise

    def __call__(self, archive: Archive, name: str) -> Sequence[Clip]:
        return [read_skeleton(archive.read(name), str(archive.path / name), bodies=self.bodies, denoise=self.denoise)]
