"""NTU RGB+D 60 and 120: 60 or 120 actions, 40 or 106 performers, 56,880 or 114,480 clips of Kinect v2 bodies.

Source: A. Shahroudy, J. Liu, T.-T. Ng, G. Wang, "NTU RGB+D: A large scale dataset for 3D human activity analysis", CVPR
2016; J. Liu et al., "NTU RGB+D 120", TPAMI 2020; cite both. Handed out on request as ``nturgbd_skeletons_s001_to_s017.zip``
(NTU-60) and ``nturgbd_skeletons_s018_to_s032.zip`` (what NTU-120 adds; unpack both into one folder). A file
``SsssCcccPpppRrrrAaaa.skeleton`` (setup, camera, performer, replication, action) is text, one record a line::

    frames
      bodies                                                      of each frame; 0 is legal
        id  6 flags and hand states  lean x  lean y  state        of each body, 10 fields
        25                                                        joints
          x y z  depth x y  colour x y  orientation w x y z  state    of each joint, 12 fields, x y z in metres

The text is read by :mod:`tdsm.datasets.ntu_text`; which of its bodies are people is decided by :mod:`tdsm.datasets.ntu_tracks`. At most
``bodies`` persons stay, the one that moves most first.
"""

import functools
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from tdsm.clips import Clip, ClipSet
from tdsm.datasets.archive import Archive
from tdsm.datasets.ntu_text import parse_bodies
from tdsm.datasets.ntu_tracks import NtuDenoise, persons
from tdsm.errors import InputError
from tdsm.layouts import NTU_25

__all__ = ["CLASSES", "MEMBER", "NtuDenoise", "NtuName", "Skipped", "parse_name", "read_missing", "read_ntu", "read_skeleton", "warn_skipped"]

CLASSES = (
    "drink water", "eat meal/snack", "brushing teeth", "brushing hair", "drop", "pickup", "throw", "sitting down",
    "standing up (from sitting position)", "clapping", "reading", "writing", "tear up paper", "wear jacket", "take off jacket", "wear a shoe",
    "take off a shoe", "wear on glasses", "take off glasses", "put on a hat/cap", "take off a hat/cap", "cheer up", "hand waving",
    "kicking something", "reach into pocket", "hopping (one foot jumping)", "jump up", "make a phone call/answer phone", "playing with phone/tablet",
    "typing on a keyboard", "pointing to something with finger", "taking a selfie", "check time (from watch)", "rub two hands together",
    "nod head/bow", "shake head", "wipe face", "salute", "put the palms together", "cross hands in front (say stop)", "sneeze/cough", "staggering",
    "falling", "touch head (headache)", "touch chest (stomachache/heart pain)", "touch back (backache)", "touch neck (neckache)",
    "nausea or vomiting condition", "use a fan (with hand or paper)/feeling warm", "punching/slapping other person", "kicking other person",
    "pushing other person", "pat on back of other person", "point finger at the other person", "hugging other person",
    "giving something to other person", "touch other person's pocket", "handshaking", "walking towards each other", "walking apart from each other",
    "put on headphone", "take off headphone", "shoot at the basket", "bounce ball", "tennis bat swing", "juggling table tennis balls", "hush (quite)",
    "flick hair", "thumb up", "thumb down", "make ok sign", "make victory sign", "staple book", "counting money", "cutting nails",
    "cutting paper (using scissors)", "snapping fingers", "open bottle", "sniff (smell)", "squat down", "toss a coin", "fold paper", "ball up paper",
    "play magic cube", "apply cream on face", "apply cream on hand back", "put on bag", "take off bag", "put something into a bag",
    "take something out of a bag", "open a box", "move heavy objects", "shake fist", "throw up cap/hat", "hands up (both hands)", "cross arms",
    "arm circles", "arm swings", "running on the spot", "butt kicks (kick backward)", "cross toe touch", "side kick", "yawn", "stretch oneself",
    "blow nose", "hit other person with something", "wield knife towards other person", "knock over other person (hit with body)",
    "grab other person’s stuff", "shoot at other person with a gun", "step on foot", "high-five", "cheers and drink",
    "carry something with other person", "take a photo of other person", "follow other person", "whisper in other person’s ear",
    "exchange things with other person", "support somebody with hand", "finger-guessing game (playing rock-paper-scissors)",
)  # fmt: skip

MEMBER = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})\.skeleton")
_EXAMPLE = "S001C001P001R001A001.skeleton"
_NTU_60 = 60  # its actions are the first 60
_FILES_FOR_PROCESSES = 2000  # below that, starting processes costs more than it saves


class NtuName(NamedTuple):
    """What a file's name says: 1-based numbers."""

    setup: int
    camera: int
    performer: int
    replication: int
    action: int


class Skipped(NamedTuple):
    """A file that gave no clip, and why."""

    name: str
    reason: str


def parse_name(name: str) -> NtuName:
    """Setup, camera, performer, replication and action from a file or clip name, with or without folders and ``.skeleton``.

    Raises:
        InputError: another form of name, or an action above 120.
    """
    match = MEMBER.fullmatch(f"{PurePath(name).name.removesuffix('.skeleton')}.skeleton")
    if not match:
        raise InputError(name, "is not named like a recording of NTU RGB+D", f"name it like {_EXAMPLE}")
    found = NtuName(*map(int, match.groups()))
    if not 1 <= found.action <= len(CLASSES):
        raise InputError(name, f"action A{found.action:03} does not exist", f"actions are A001 to A{len(CLASSES)}")
    return found


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
    parse_name(where)
    content = source if isinstance(source, bytes) else _file(Path(source))
    return _clip(where, persons(parse_bodies(content, where), where, bodies, denoise))


def read_missing(path: str | Path) -> frozenset[str]:
    """Names in the authors' list of samples with missing skeletons (302 for NTU-60, 535 for NTU-120); other lines are ignored.

    Raises:
        InputError: no such file, or no name in it.
    """
    names = frozenset(re.findall(r"\bS\d{3}C\d{3}P\d{3}R\d{3}A\d{3}\b", _file(Path(path)).decode("utf-8", "replace")))
    if not names:
        raise InputError(path, "names no recording", "give the list of samples with missing skeletons, one name such as S001C002P005R002A008 a line")
    return names


def warn_skipped(skipped: Sequence[Skipped]) -> None:
    """One warning that counts the skipped files and gives the first five with their reasons; none when there are none."""
    if skipped:
        first = "; ".join(file.reason for file in skipped[:5])
        more = f"; and {len(skipped) - 5} more" if len(skipped) > 5 else ""
        warnings.warn(f"NTU RGB+D: {len(skipped)} files gave no clip: {first}{more}", stacklevel=3)


def read_ntu(
    path: str | Path,
    *,
    missing: str | Path | None = None,
    denoise: NtuDenoise = NtuDenoise(),
    bodies: int = 2,
    progress: bool = True,
    workers: int | None = None,
    strict: bool = False,
    store: str | Path | None = None,
    report: Callable[[Sequence[Skipped]], object] = warn_skipped,
) -> ClipSet:
    """Read a zip as downloaded, or a folder that holds ``.skeleton`` files at any depth. Any part of the set will do.

    Args:
        path: the zip or the folder.
        missing: the authors' list of samples with missing skeletons; those are left out without being opened or reported.
        denoise: what to do about ghosts.
        bodies: how many persons a clip keeps at most.
        progress: show a progress bar.
        workers: processes; left out: one a core, or this process alone for fewer than 2,000 files. Where processes are
            spawned (Windows, macOS), a script that reads the whole set must stand under ``if __name__ == "__main__":``.
        strict: raise at the first file that cannot be used, rather than skip it.
        store: a new file that holds the joints (float32) in place of the memory, for machines that cannot hold the whole
            set; it must live as long as the clips.
        report: called once at the end with the files that gave no clip.

    Returns:
        ClipSet "ntu-60" (60 classes), or "ntu-120" (120) when there is an action above 60, of clips as
        :func:`read_skeleton` gives them, in the order of setup, camera, performer, replication, action.

    Raises:
        InputError: an unusable path or archive, no usable file, an existing ``store``, or (``strict``) a bad file.
    """
    if store is not None and Path(store).exists():
        raise InputError(store, "exists already", "delete it, or name another file for the joints")
    left_out = read_missing(missing) if missing is not None else frozenset()
    skipped: list[Skipped] = []
    with Archive(path) as archive:
        names = [name for name, match in archive.matching(MEMBER, _EXAMPLE) if match[0].removesuffix(".skeleton") not in left_out]
        read = _Reader(bodies, denoise)
        with closing(_read_all(archive, names, read, workers)) as results:
            bar = tqdm(results, "NTU RGB+D", len(names), unit="clip", leave=False, **({} if progress else {"disable": True}))
            good = _good(zip(names, bar, strict=True), archive, read, strict, skipped)
            arrays = list(good) if store is None else _on_disk(good, Path(store))
    if not arrays:
        raise InputError(path, f"none of its {len(names)} files can be used", skipped[0].reason if skipped else "give files that are not in the missing list")
    report(skipped)
    clips = [_clip(name, joints) for name, joints in arrays]
    classes = CLASSES if any(clip.label in CLASSES[_NTU_60:] for clip in clips) else CLASSES[:_NTU_60]
    return ClipSet(tuple(clips), classes, f"ntu-{len(classes)}")


# Many files


@dataclass(frozen=True)
class _Reader:
    """Reads one member of an archive: its joints, or the reason why there are none."""

    bodies: int
    denoise: NtuDenoise

    def joints(self, archive: Archive, name: str) -> np.ndarray:
        where = str(archive.path / name)
        parse_name(where)
        return persons(parse_bodies(archive.read(name), where), where, self.bodies, self.denoise)

    def __call__(self, archive: Archive, name: str) -> np.ndarray | str:
        try:
            return self.joints(archive, name)
        except InputError as error:
            return str(error)


def _read_all(archive: Archive, names: list[str], read: _Reader, workers: int | None) -> Iterator[np.ndarray | str]:
    count = workers or (1 if len(names) < _FILES_FOR_PROCESSES else os.cpu_count() or 1)
    if count == 1:
        yield from (read(archive, name) for name in names)
        return
    with ProcessPoolExecutor(count) as pool:
        yield from pool.map(functools.partial(_read_in_worker, archive.path, read), names, chunksize=64)


def _read_in_worker(path: Path, read: _Reader, name: str) -> np.ndarray | str:
    return read(_opened(path), name)


@functools.cache
def _opened(path: Path) -> Archive:
    """An archive that stays open as long as the worker process lives."""
    return Archive(path)


def _good(results: Iterator, archive: Archive, read: _Reader, strict: bool, skipped: list[Skipped]) -> Iterator[tuple[str, np.ndarray]]:
    """(name, joints) of the files that can be used; the others go to ``skipped``."""
    for name, joints in results:
        if not isinstance(joints, str):
            yield name, joints
        elif strict:
            read.joints(archive, name)  # raises here what it raised in the worker
        else:
            skipped.append(Skipped(PurePath(name).stem, joints))


def _on_disk(pairs: Iterator[tuple[str, np.ndarray]], store: Path) -> list[tuple[str, np.ndarray]]:
    """The same pairs, with joints that are parts of one memory-mapped file."""
    names, shapes = [], []
    with store.open("xb") as file:
        for name, joints in pairs:
            file.write(joints.tobytes())
            names.append(name)
            shapes.append(joints.shape)
    if not names:
        return []
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(np.asarray(np.memmap(store, np.float32, "r")), ends[:-1])
    return [(name, part.reshape(shape)) for name, part, shape in zip(names, parts, shapes, strict=True)]


# One file


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path") from error


def _clip(name: str, joints: np.ndarray) -> Clip:
    found = parse_name(name)
    return Clip(joints, NTU_25, CLASSES[found.action - 1], f"P{found.performer:03}", 30.0, PurePath(name).name.removesuffix(".skeleton"))
