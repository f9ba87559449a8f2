"""PKU-MMD: 51 actions in long videos, two phases, up to two Kinect v2 bodies, three views.

Source: C. Liu, Y. Hu, Y. Li, S. Song, J. Liu, "PKU-MMD: A large scale benchmark for continuous multi-modal human action understanding", 2017; cite it. Phase I
has 1,076 videos with 21,545 actions of 66 performers. Each video is two files::

    PKU_Skeleton_Renew/0002-L.txt      one row per frame at 30 fps, 150 numbers: 25 joints x y z in metres of body 1, then of body 2 (0: absent)
    Train_Label_PKU_final/0002-L.txt   one row per action: number 1 to 51, first frame, last frame (both from 1), confidence; commas

Phase II has the same form; its videos have names such as ``A01N01-L``. L, M and R are the views: left, middle, right. Both files of a video have the same name;
their content (commas or not) distinguishes them. The joints are in the order of NTU RGB+D.

**Names.** A clip is named by its video and its row in the label file: ``0002-L#3`` is the third action of video 0002-L, in the literature also F002V001C008L003
(video, view, class, action in the video). :func:`video_of` gives the ids of the official splits, which :func:`read_split` reads. The performer is not stated.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import NTU_25
from tdsm.data.prompts import load_prompts
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.parsing import parse_rows, read_bytes
from tdsm.data.readers.reading import Reading, Skipped, read_files
from tdsm.util.errors import InputError

__all__ = ["CLASSES", "MEMBER", "read_pku_mmd", "read_split", "video_of"]

CLASSES = tuple(load_prompts("pku-mmd"))
MEMBER = re.compile(r"(\d{4}|A\d{2}N\d{2})-([LMR])\.txt")
_SHAPE = (2, 25, 3)  # shape of a row
_NUMBERS = 150
_AGAIN = "download the file again"
_OVERLAP = 20  # most simultaneous actions; in fact they follow one another
_ID = re.compile(r"(?:\d{4}|A\d{2}N\d{2})-[LMR]")


def read_pku_mmd(path: str | Path, *, reading: Reading = Reading()) -> ClipSet:
    """Read skeletons and labels, and cut the videos into clips.

    Args:
        path: a zip or a folder that contains both kinds of files of one phase, at any depth. Any part of the data set is accepted: labels of absent
            videos are ignored.
        reading: how to process the videos. An unusable video counts as one file, an action without a body (4 of phase I) as a part of one.

    Returns:
        ClipSet "pku-mmd": layout ntu-25, clips (M, T, 25, 3) in metres with M the number of present bodies, 1 or 2, 30 fps, no subjects, all 51
        classes in order. Clips are in the order of video and label row. An action that ends after the end of the video is cut off
        there. Actions without any body are skipped and reported.

    Raises:
        InputError: an unusable path or archive, no usable video, or an error of :class:`~tdsm.data.readers.reading.Reading`.
    """
    videos = defaultdict(list)
    with Archive(path) as archive:
        for name in archive.names:
            if MEMBER.fullmatch(PurePosixPath(name).name):
                videos[PurePosixPath(name).stem].append(name)
    if all(len(names) == 1 for names in videos.values()):
        raise InputError(path, "holds no video with both its skeleton and its labels", "give a path with PKU_Skeleton_Renew and Train_Label_PKU_final")
    return read_files("PKU-MMD", Path(path), sorted(videos), _Reader(videos), reading, name="pku-mmd", layout=NTU_25, classes=CLASSES)


def read_split(path: str | Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(training videos, test videos) of a file such as ``cross-subject.txt``: a heading, ids with commas, a heading, ids with commas.

    Raises:
        InputError: no such file, not two lists of ids, or a video in both.
    """
    lines = read_bytes(Path(path)).decode("utf-8", "replace").splitlines()
    lists = [ids for ids in (tuple(_ID.findall(line)) for line in lines) if ids]
    if len(lists) != 2:
        raise InputError(path, f"has {len(lists)} lines of video ids, not 2", "give a split file of PKU-MMD, one line of training and one of test ids")
    both = set(lists[0]) & set(lists[1])
    if both:
        raise InputError(path, f"video {min(both)} is in both lists", "download the file again")
    return lists[0], lists[1]


def video_of(clip: Clip) -> str:
    """The video that a clip was cut from, such as "0002-L"."""
    return clip.name.partition("#")[0]


@dataclass(frozen=True)
class _Reader:
    """Cuts one video; ``videos`` are the member names of each video."""

    videos: Mapping[str, list[str]] = field(repr=False)

    def __call__(self, archive: Archive, video: str) -> Sequence[Clip | Skipped]:
        return list(_actions(archive, video, self.videos[video]))


def _actions(archive: Archive, video: str, names: list[str]) -> Iterator[Clip | Skipped]:
    """The actions of a video; empty if it has only labels."""
    contents = {name: archive.read(name) for name in names}
    labels = [name for name in names if b"," in contents[name].split(b"\n", 1)[0]]
    skeletons = [name for name in names if name not in labels]
    if not skeletons:
        return
    skeleton, table = _only(archive, skeletons, "skeleton", video), _only(archive, labels, "label", video)
    joints = _read_skeleton(contents[skeleton], archive.path / skeleton)
    for number, (action, first, last) in enumerate(_read_labels(contents[table], archive.path / table, len(joints)), 1):
        name, bodies = f"{video}#{number}", joints[first - 1 : last].swapaxes(0, 1)
        bodies = bodies[bodies.any(axis=(1, 2, 3))]
        if len(bodies):
            yield Clip(bodies, NTU_25, CLASSES[action - 1], None, 30.0, name)
        else:
            yield Skipped(name, f"{name}: no body in frames {first} to {last}")


def _only(archive: Archive, names: list[str], kind: str, video: str) -> str:
    if not names:
        raise InputError(archive.path, f"video {video} has no {kind} file", "put PKU_Skeleton_Renew and Train_Label_PKU_final in one folder or zip")
    if len(names) > 1:
        raise InputError(archive.path, f"video {video} has two {kind} files, {names[0]} and {names[1]}", "keep one copy, and one phase")
    return names[0]


def _read_skeleton(content: bytes, where: Path) -> np.ndarray:
    """(T, 2, 25, 3)."""
    lines, rows = parse_rows(content, _NUMBERS, where, _AGAIN)
    if not rows:
        raise InputError(where, "holds no frame", "download the data set again")
    joints = np.array(rows, np.float32).reshape(-1, *_SHAPE)
    bad = np.argwhere(~np.isfinite(joints))
    if len(bad):
        raise InputError(f"{where} line {lines[bad[0][0]]}", "a coordinate is NaN or infinite", "download the file again, or remove it")
    return joints


def _read_labels(content: bytes, where: Path, frames: int) -> Iterator[tuple[int, int, int]]:
    """(action, first frame, last frame), all from 1, of each row."""
    cut = 0
    for line, values in zip(*parse_rows(content, 4, where, _AGAIN, b","), strict=True):
        row = f"{where} line {line}"
        if not all(map(float.is_integer, values[:3])):
            raise InputError(row, f"{', '.join(map(str, values[:3]))} are not whole numbers", "download the labels again")
        action, first, last = map(int, values[:3])
        if not 1 <= action <= len(CLASSES):
            raise InputError(row, f"action {action} does not exist", f"actions are 1 to {len(CLASSES)}")
        if not 1 <= first <= min(last, frames):
            raise InputError(row, f"frames {first} to {last} are not within the video's {frames}", "give skeletons and labels of the same phase")
        cut += last - first + 1
        if cut > _OVERLAP * frames:  # each action copies its frames
            raise InputError(row, f"the actions up to here have more than {_OVERLAP} times the video's {frames} frames", "download the labels again")
        yield action, first, last
