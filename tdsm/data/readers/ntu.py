"""NTU RGB+D 60 and 120: 60 or 120 actions, 40 or 106 performers, 56,880 or 114,480 clips of Kinect v2 bodies.

Source: A. Shahroudy, J. Liu, T.-T. Ng, G. Wang, "NTU RGB+D: A large scale dataset for 3D human activity analysis", CVPR 2016; J. Liu et al., "NTU RGB+D 120",
TPAMI 2020; cite both. Available on request as ``nturgbd_skeletons_s001_to_s017.zip`` (NTU-60) and ``nturgbd_skeletons_s018_to_s032.zip`` (additional files of
NTU-120; unpack both into one folder). A file ``SsssCcccPpppRrrrAaaa.skeleton`` (setup, camera, performer, replication, action) is text, one record per line::

    frames
      bodies                                                      per frame; 0 is valid
        id  6 flags and hand states  lean x  lean y  state        per body, 10 fields
        25                                                        joints
          x y z  depth x y  colour x y  orientation w x y z  state    per joint, 12 fields, x y z in metres

The last field of a joint is its tracking state: tracked (2), inferred (1) or not tracked (0). It is not used: the sensor estimates a position from the rest of
the body for joints in each state, published results use all of them, and in many clips whole legs are "inferred". Only a joint at exactly (0, 0, 0), without a
position, becomes NaN (in :class:`~tdsm.data.clips.Clip`).

**Samples with missing skeletons.** The authors provide a list of the recordings with missing bodies (302 of NTU-60, 535 of NTU-120), under several names,
such as ``NTU_RGBD_samples_with_missing_skeletons.txt`` or ``ntu_rgb120_missings.txt``. It is recognised by its content: a text file whose name or heading
contains "missing", with at most three lines of heading, then names of recordings, one per line, at most 1,000. Such a list next to the recordings is applied;
another list of names (of a split, for example) is not. One warning reports either case.

:mod:`tdsm.data.readers.ntu_text` reads the text; :mod:`tdsm.data.readers.ntu_tracks` decides which of its bodies are people.
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
_LISTS = (".txt", ".csv", ".lst", ".list", "")  # suffixes of files that may be a list of recordings
_MOST_MISSING, _HEADING = 1000, 3  # most names, most lines of heading
_EXAMPLE = "S001C001P001R001A001.skeleton"
_ACTIONS_60, _SETUPS_60 = 60, 17  # last action and setup of NTU-60


class NtuName(NamedTuple):
    """The 1-based numbers in a file's name."""

    setup: int
    camera: int
    performer: int
    replication: int
    action: int


def parse_name(name: str) -> NtuName:
    """Setup, camera, performer, replication and action from a file or clip name, with or without folders and ``.skeleton``.

    Raises:
        InputError: a name in another form, or an action above 120.
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
        source: path or content of the file.
        name: name of the file, such as ``S001C001P001R001A001.skeleton``, which contains class and performer; default: the path.
        bodies: most persons to keep.
        denoise: how to handle ghost bodies.

    Returns:
        Clip (M, T, 25, 3) in metres with 1 <= M <= ``bodies``, strongest motion first, layout ntu-25, 30 fps, subject such
        as "P001", named by the file without its suffix.

    Raises:
        InputError: no such file, a name in another form, an error in the text (with its line), or no body in any frame.
    """
    where = str(name or ("a .skeleton file" if isinstance(source, bytes) else source))
    recording = parse_name(where)
    content = source if isinstance(source, bytes) else read_bytes(Path(source))
    joints = persons(parse_bodies(content, where), where, bodies, denoise)
    return Clip(joints, NTU_25, CLASSES[recording.action - 1], f"P{recording.performer:03}", 30.0, PurePath(where).name.removesuffix(".skeleton"))


def read_missing(path: str | Path) -> frozenset[str]:
    """Names in the authors' list of samples with missing skeletons (302 for NTU-60, 535 for NTU-120). Other lines are ignored.

    Raises:
        InputError: no such file, or no name in it.
    """
    names = frozenset(re.findall(r"\bS\d{3}C\d{3}P\d{3}R\d{3}A\d{3}\b", read_bytes(Path(path)).decode("utf-8", "replace")))
    if not names:
        raise InputError(path, "lists no recording", "give the list of samples with missing skeletons, one name such as S001C002P005R002A008 per line")
    return names


def read_ntu(
    path: str | Path, *, missing: str | Path | None = None, denoise: NtuDenoise = NtuDenoise(), bodies: int = 2, reading: Reading = Reading()
) -> ClipSet:
    """Read a downloaded zip, or a folder that contains ``.skeleton`` files at any depth. Any part of the data set is accepted.

    Args:
        path: the zip or the folder.
        missing: the authors' list of samples with missing skeletons. These files are skipped without being opened or reported. Lists among the
            files are also applied, with a warning.
        denoise: how to handle ghost bodies.
        bodies: most persons per clip.
        reading: how to process the files.

    Returns:
        ClipSet "ntu-60" (60 classes), or "ntu-120" (120) if there is a file of an action above 60 or a setup above 17, with clips as
        in :func:`read_skeleton`, in the order of setup, camera, performer, replication, action.

    Raises:
        InputError: an unusable path or archive, no usable file, or an error of :class:`~tdsm.data.readers.reading.Reading`.
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
    """The recordings in the authors' list among the files, under any name."""
    recordings = {PurePath(name).name.removesuffix(".skeleton") for name in archive.names}
    missing: frozenset[str] = frozenset()
    for member in archive.names:
        if PurePath(member).suffix.lower() not in _LISTS or not 0 < archive.size(member) <= 64 * _MOST_MISSING:
            continue
        try:
            lines = [line.strip() for line in archive.read(member).splitlines() if line.strip()]
        except InputError:
            continue  # a damaged file that is not a recording is not a list
        heading = next((number for number, line in enumerate(lines) if _NAME.fullmatch(line)), len(lines))
        if heading > _HEADING or len(lines) <= heading or not all(map(_NAME.fullmatch, lines[heading:])):
            continue
        names = frozenset(line[:20].decode() for line in lines[heading:]) & recordings
        if len(lines) - heading <= _MOST_MISSING and b"missing" in (PurePath(member).name.encode() + b" ".join(lines[:heading])).lower():
            if names - missing:
                what = f"{len(names)} of its recordings are skipped, which {member} lists as samples with missing skeletons"
                warnings.warn(f"{archive.path}: {what}; remove the list to read them", stacklevel=4)
            missing |= names
        elif names:
            what, remedy = f"{member} lists {len(names)} of its recordings and is ignored", "give it as missing=..., or add 'missing' to its name"
            warnings.warn(f"{archive.path}: {what}; if they are samples with missing skeletons, {remedy}", stacklevel=4)
    return missing


@dataclass(frozen=True)
class _Reader:
    """Reads one member of an archive."""

    bodies: int
    denoise: NtuDenoise

    def __call__(self, archive: Archive, name: str) -> Sequence[Clip]:
        return [read_skeleton(archive.read(name), str(archive.path / name), bodies=self.bodies, denoise=self.denoise)]
