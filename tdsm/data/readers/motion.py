"""Motion files, one take each: BVH, ASF with AMC, C3D, .npz of AMASS and SMPL, and HumanML3D's .npy; a file, or a folder or zip of them.

The content determines the format. Every take becomes a clip in the layout smpl-22, in metres with y up (:mod:`tdsm.data.readers.takes`), named by its file and
folders. Labels can come from folders or from a table (:mod:`tdsm.data.readers.listing`); folders named by numbers are people. Assumptions about a take, such as
its unit, are reported once, for the first take of a folder. If files do not state which axis points up, it is decided once for all files of one kind in a
folder, by the majority of the bodies that show it. Files that are not takes, such as AMASS's ``shape.npz``, are ignored.
"""

import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import SMPL_22
from tdsm.data.readers import asf_amc, c3d, humanml3d, smpl_npz
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.bvh import read_bvh
from tdsm.data.readers.folder import TABLE, Listed
from tdsm.data.readers.listing import Listing, listed_by
from tdsm.data.readers.npy import read_array
from tdsm.data.readers.parsing import read_bytes
from tdsm.data.readers.reading import Reading, Skipped, read_files
from tdsm.data.readers.smpl_npz import BodyModel
from tdsm.data.readers.sniff import HEAD, Kind, kind_of_bytes
from tdsm.data.readers.takes import Take, placed, rated, shown_up
from tdsm.util import npz
from tdsm.util.errors import InputError

__all__ = ["holds_motion", "is_motion", "read_motion", "read_motions"]

_MEMBER = re.compile(r".+\.(?:bvh|amc|c3d|npz|npy)", re.IGNORECASE)
_NO_TAKE = re.compile(r"(?:.*/)?(?:shape\.npz|[^/]*_stagei\.npz)")  # files of AMASS with a shape only
_LARGEST = 512 << 20  # most bytes of a take: an hour of BVH
_SMALL = 64 << 20  # most bytes of a file that is read to identify it
_ASKED = 50  # takes of one kind, evenly spread, that decide which axis points up
_MOTION = ("bvh", "amc", "asf", "c3d")


def is_motion(path: Path, kind: Kind) -> bool:
    """Whether a single file of this kind is a take, judged by its content."""
    if kind.name == "zip":
        with Archive(path) as archive:
            return _is_npz(archive.names)
    return kind.name in _MOTION or (kind.name == "npy" and humanml3d.is_humanml3d(read_array(path)))


def read_motion(path: Path, *, fps: float | None = None, model: BodyModel | None = None) -> ClipSet:
    """Read one file as one clip.

    Args:
        path: the file; the .asf of an .amc must be next to it.
        fps: frames per second if the file does not state them; None: unknown.
        model: body model, for parameters of SMPL.

    Raises:
        InputError: not a take, or an error in it.
    """
    beside = [file.name for file in path.parent.iterdir() if file.suffix.lower() == ".asf"]
    take = _take(read_bytes(path), path, path.name, model, lambda name: read_bytes(path.parent / name), beside)
    if take is None:
        raise InputError(path, "has no movement", "give a file with recorded movement")
    joints, notes = placed(take, path)
    rate, assumed = rated(take, None, fps)
    _say(path, notes + assumed + take.left_out)
    return ClipSet((Clip(joints, SMPL_22, None, None, rate, path.stem),), (), path.stem)


def holds_motion(archive: Archive) -> bool:
    """Whether one of the first files that may be takes is one. If there is a table, an array without a layout does not count."""
    members = [name for name in archive.names if _MEMBER.fullmatch(name) and not (TABLE in archive.names and name.lower().endswith(".npy"))]
    for name in members[:20]:
        try:
            if _is_take(archive, name):
                return True
        except InputError:
            continue
    return False


def read_motions(path: str | Path, *, fps: float | None = None, model: BodyModel | None = None, reading: Reading = Reading()) -> ClipSet:
    """Read a folder or zip of takes. Arguments: see :func:`read_motion`.

    Returns:
        ClipSet named after the folder, clips named by their files and folders.

    Raises:
        InputError: no usable take, an error in the table, or an error of :class:`~tdsm.data.readers.reading.Reading`.
    """
    with Archive(path) as archive:
        members = [name for name in archive.names if _MEMBER.fullmatch(name) and not _NO_TAKE.fullmatch(name)]
        bodies = tuple(name for name in archive.names if name.lower().endswith(".asf"))
        listing = _listed(archive, members)
        read = _ReadTake(fps, model, listing.table, listing.videos, bodies)
        read = replace(read, ups=_ups(archive, members, read))
        _say_first(archive, members, read)
    return read_files("motion", Path(path), members, read, reading, name=Path(path).resolve().stem, layout=SMPL_22, classes=listing.classes)


def _listed(archive: Archive, members: Sequence[str]) -> Listing:
    """Labels from the table or the folders. Folders whose names are all numbers are people, as in CMU, and not labels."""
    first = {name: PurePosixPath(name).parts[0] for name in members}
    if TABLE not in archive.names and first and all(folder.isdecimal() and folder != name for name, folder in first.items()):
        return Listing({name: Listed(subject=folder) for name, folder in first.items()}, (), "")
    return listed_by(archive, {name: PurePosixPath(name).with_suffix("").as_posix() for name in members})


def _say(where: object, notes: Sequence[str]) -> None:
    if notes:
        warnings.warn(f"{where}: {'; '.join(notes)}", stacklevel=4)


def _ups(archive: Archive, members: Sequence[str], read: "_ReadTake") -> dict[str, tuple[int, int]]:
    """The upward axis of files of each kind (by suffix) that do not state it: y, or z if more bodies show it. A warning reports it unless all show y."""
    kinds: dict[str, list[str]] = {}
    for name in members:
        kinds.setdefault(_kind(name), []).append(name)
    ups = {}
    for kind, names in kinds.items():
        votes = Counter(_votes(archive, names[:: -(-len(names) // _ASKED)], read))
        if not votes:
            continue
        y, z, where = votes[1, 1], votes[2, 1], f"{archive.path}, {len(names):,} {kind}"
        ups[kind] = (1, 1) if y >= z else (2, 1)
        if not y + z:
            _say(where, ["their bodies do not show the upward axis; y is assumed"])
        elif z:
            axis, turned = ("y", "") if y >= z else ("z", ", and rotated to y")
            _say(where, [f"bodies are upright along {axis} in {max(y, z)} of {y + z} takes that show it; {axis} is taken as the upward axis of all{turned}"])
    return ups


def _votes(archive: Archive, names: Sequence[str], read: "_ReadTake") -> Iterator[tuple[int, int] | None]:
    """The upward axis of each take, or None if the take does not show it. The iteration ends at a take that states it."""
    for name in names:
        try:
            take = _member(archive, name, read.bodies, read.model)
            if take is None:
                continue
            if take.up is not None:
                return
            shown = shown_up(take, archive.path / name)
        except InputError:
            continue
        yield shown


def _kind(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _say_first(archive: Archive, members: Sequence[str], read: "_ReadTake") -> None:
    """Report the assumptions about the first take. The same is assumed for the others, each according to its own body."""
    for name in members:
        try:
            take = _member(archive, name, read.bodies, read.model)
            notes = placed(take, archive.path / name, read.ups.get(_kind(name)))[1] + rated(take, read.listed[name].fps, read.fps)[1] if take else ()
        except InputError:
            continue
        if take is not None:
            _say(f"{archive.path / name}{' (and the others, each according to its own body)' if len(members) > 1 and notes else ''}", notes)
            return


def _member(archive: Archive, name: str, bodies: Sequence[str], model: BodyModel | None) -> Take | None:
    return _take(archive.read(name, _LARGEST), archive.path / name, name, model, archive.read, bodies)


@dataclass(frozen=True)
class _ReadTake:
    """Reads one take."""

    fps: float | None
    model: BodyModel | None
    table: str
    listed: Mapping[str, Listed] = field(repr=False)
    bodies: tuple[str, ...] = field(repr=False)
    ups: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __call__(self, archive: Archive, name: str) -> Sequence[Clip | Skipped]:
        take, about = _member(archive, name, self.bodies, self.model), self.listed[name]
        if take is None:
            return []
        joints, _ = placed(take, archive.path / name, self.ups.get(_kind(name)))
        rate, _ = rated(take, about.fps, self.fps)
        clip = Clip(joints, SMPL_22, about.label, about.subject, rate, PurePosixPath(name).with_suffix("").as_posix())
        return [clip, *(Skipped(name, f"{archive.path / name}: {left}") for left in take.left_out)]


def _is_take(archive: Archive, name: str) -> bool:
    head = archive.head(name, HEAD)
    kind = kind_of_bytes(head).name if head else "empty"
    if kind == "npy":
        return humanml3d.is_humanml3d(npz.read_npy(archive.read(name, _SMALL)))
    return kind in _MOTION or (kind == "zip" and _is_npz(_names(archive, name)))


def _names(archive: Archive, name: str) -> list[str]:
    """Members of a zip inside a folder or zip; empty if it is damaged."""
    try:
        with zipfile.ZipFile(archive.path / name if archive.path.is_dir() else io.BytesIO(archive.read(name, _LARGEST))) as inner:
            return inner.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def _is_npz(names: Sequence[str]) -> bool:
    return all(name.endswith(".npy") for name in names) and smpl_npz.is_smpl([name.removesuffix(".npy") for name in names])


def _take(content: bytes, where: object, name: str, model: BodyModel | None, asf: Callable[[str], bytes], bodies: Sequence[str]) -> Take | None:
    """The take in a file of any format. ``asf`` reads a body's file, one of ``bodies``."""
    kind = kind_of_bytes(content[:HEAD]) if content else Kind("empty", "empty (0 bytes)", "get another copy")
    if kind.name == "zip":
        return smpl_npz.read_smpl_npz(content, where, model)
    if kind.name == "amc":
        body = asf_amc.asf_of(name, bodies, where)
        return asf_amc.read_amc(content, asf(body), where, body)
    read = {"npy": humanml3d.read_humanml3d, "c3d": c3d.read_c3d, "bvh": read_bvh}.get(kind.name)
    if read is None:
        raise InputError(where, f"is {kind.title}", kind.remedy)
    return read(content, where)
