"""Annotation pickles of pyskl and MMAction2: NTU RGB+D 60 and 120 in 3-D and 2-D, Kinetics-400 in 2-D, and users' own.

Source: H. Duan, J. Wang, K. Chen, D. Lin, "PYSKL: Towards good practices for skeleton action recognition", ACM MM 2022; the 2-D bodies were detected with
HRNet, H. Duan et al., "Revisiting skeleton-based action recognition", CVPR 2022. Published as ``ntu60_3danno.pkl``, ``ntu120_3danno.pkl``,
``ntu60_hrnet.pkl``, ``ntu120_hrnet.pkl``, ``k400_hrnet.pkl`` (pyskl) and ``ntu60_3d.pkl``, ``ntu60_2d.pkl``, ``ntu120_3d.pkl``, ``ntu120_2d.pkl``,
``k400_2d.pkl`` (MMAction2). Each is a pickle of a dictionary::

    split         {"xsub_train": [identifier, ...], ...}
    annotations   [{frame_dir: identifier, label: class from 0, total_frames: T, keypoint: (M, T, V, C),
                    in 2-D also: keypoint_score: (M, T, V), img_shape: (height, width)}, ...]

NTU RGB+D: identifiers are the names of the recordings, such as S001C001P001R001A001, so the name determines the partition, and the split lists are only
checked; V = 25 joints of Kinect v2 in metres, or V = 17 joints of COCO in pixels. The 3-D pickles of pyskl and of MMAction2 are not the same data: they removed
ghost bodies in different ways, and neither does the same as :mod:`tdsm.data.readers.ntu`.

Kinetics-400: the pickle is an index. Instead of ``keypoint`` each annotation has ``raw_file``, the name of one of many further pickles that must be downloaded
separately; ``frame_inds`` (N,), the frame (from 1) of each of N bodies; and ``box_score`` (N,). A further pickle is a dictionary
``{identifier: {"keypoint": (N, 17, 3)}}`` with x, y and score. These pickles are expected in ``kpfiles/`` next to the index. Persons are not identified across
frames: each frame keeps the bodies with the largest sum of scores, as for Kinetics-skeleton.

**Your own pickle**, as described in the guides for custom videos of pyskl and of MMAction2 0.x and 1.x: the same dictionary (or only the list of annotations)
with your own names, 17 joints of COCO in pixels (with ``keypoint_score``, or with the score as a third coordinate) or 25 joints of Kinect v2 in metres. Split
lists are not needed. Labels are class numbers; their names are read from ``label_map.txt`` next to the pickle, one per line. Without this file classes are
named "0", "1", ..., and one warning reports it. A missing label is unknown.

A joint with ``keypoint_score`` 0 is missing and becomes NaN, as everywhere in this package.

Everything is read by :mod:`tdsm.data.readers.safe_pickle`, which cannot execute code.
"""

import functools
import itertools
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import COCO_17, NTU_25, Layout
from tdsm.data.readers import kinetics, ntu
from tdsm.data.readers.reading import Reading, keep_clips
from tdsm.data.readers.safe_pickle import load_pickle
from tdsm.data.readers.sniff import shown
from tdsm.util.errors import InputError
from tdsm.util.files import read_text

__all__ = ["read_pyskl"]

_NTU_60_ACTIONS, _NTU_60_SETUPS = 60, 17
_LONGEST = 100_000  # most frames; clips of Kinetics last ten seconds
_LONGEST_NAME = 1000  # most characters
_MOST_CLASSES = 100_000
_LOOKED_AT = 100  # annotations that are checked to identify the pickle
_LABEL_MAP = "label_map.txt"
_LAYOUTS = {(25, 3): NTU_25, (17, 2): COCO_17, (17, 3): COCO_17}  # keys: joints and coordinates
_NTU_NAME = re.compile(r"S(\d{3})C\d{3}P\d{3}R\d{3}A(\d{3})")
_AGAIN = "download the file again"
_KPFILES = (
    "the bodies of Kinetics-400 are a download of their own: see Kinetics400 in tools/data/README.md of pyskl, or OpenMMLab/Kinetics400-skeleton on openxlab, "
    "and unpack it as kpfiles/ next to this file"
)


def read_pyskl(path: str | Path, *, bodies: int = 2, reading: Reading = Reading()) -> ClipSet:
    """Read an annotation pickle; its content determines the data set.

    Args:
        path: the ``.pkl``. Its content is never executed. It is completely in memory while it is read.
        bodies: most persons per clip. In 3-D the first ones are used (these pickles have at most two); in 2-D those with the
            highest mean score.
        reading: how to process the annotations; one process reads them all.

    Returns:
        ClipSet "ntu-60" (60 classes; all actions up to 60, all setups up to 17) or "ntu-120" (120), named by the recordings, subjects such as "P001",
        layout ntu-25 in metres or coco-17 in pixels; or "kinetics-400" (400), coco-17, named "train/ID" and "val/ID" according to the split lists; or, for a
        user's own pickle, a set named after the file, without subjects. Clips are (M, T, V, C) float32 with 1 <= M <= ``bodies``, 30 fps, in the order of
        the annotations (Kinetics: of the files with the bodies).

    Raises:
        InputError: no such pickle, or one that would execute code; bodies with other joints; no usable annotation; or (``strict``) a bad one: a label that
            contradicts the name, an identifier in no split list, a wrong shape, NaN, no body. Such annotations are otherwise skipped and reported.
    """
    path = Path(path)
    reading.refuse_shard(path)
    annotations, splits = _content(path)
    if "raw_file" in annotations[0]:
        source = _kinetics(annotations, splits, path, bodies)
    elif any(_NTU_NAME.fullmatch(_name(annotation)) for annotation in annotations[:_LOOKED_AT]):
        source = _ntu(annotations, splits, path, bodies)
    else:
        source = _own(annotations, path, bodies)

    def results(done: Collection[str]) -> Iterator[tuple[str, list[Clip] | str]]:
        seen: set[str] = set()
        for index in range(len(annotations)):
            annotation, annotations[index] = annotations[index], {}  # to free its memory as soon as it is a clip
            name = _name(annotation) or f"annotation {index}"
            twice = name in seen
            seen.add(name)
            if name in done and not twice:
                continue
            try:
                if twice:
                    raise InputError(f"{path}/{name}", "occurs twice", _AGAIN)
                contents = [source.clip(annotation, f"{path}/{name}")]
            except InputError as error:
                if reading.strict:
                    raise
                contents = str(error)
            yield name, contents

    about = {"name": source.name, "layout": source.layout, "classes": source.classes}
    return keep_clips(source.name, path, "annotation", len(annotations), results, reading, f"pyskl, at most {bodies} bodies", **about)


class _Source(NamedTuple):
    """A data set, and the function that converts its annotations to clips."""

    name: str
    layout: Layout
    classes: Sequence[str]
    clip: Callable[[dict, str], Clip]


def _content(path: Path) -> tuple[list[dict], dict[str, list[str]]]:
    """The annotations and the split lists."""
    content = load_pickle(path)
    if isinstance(content, list):
        content = {"annotations": content}
    if not isinstance(content, dict) or "annotations" not in content:
        raise InputError(path, "is neither a dictionary with 'annotations' nor a list of them", "give an annotation file of pyskl or MMAction2")
    annotations, splits = content["annotations"], content.get("split", {})
    if not isinstance(annotations, list) or not annotations or not all(isinstance(annotation, dict) for annotation in annotations):
        raise InputError(path, "'annotations' is not a list of dictionaries, or is empty", _AGAIN)
    if not isinstance(splits, dict) or not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in splits.values()):
        raise InputError(path, "'split' is not a dictionary of lists of identifiers", _AGAIN)
    return annotations, splits


# NTU RGB+D


def _ntu(annotations: list[dict], splits: dict[str, list[str]], path: Path, bodies: int) -> _Source:
    names = filter(None, (_NTU_NAME.fullmatch(_name(annotation)) for annotation in annotations))
    small = all(int(name[1]) <= _NTU_60_SETUPS and int(name[2]) <= _NTU_60_ACTIONS for name in names)
    classes = ntu.CLASSES[:_NTU_60_ACTIONS] if small else ntu.CLASSES
    layout = next(filter(None, map(_layout_of, annotations)), None)
    if layout is None:
        raise InputError(path, "no annotation has a keypoint array (persons, frames, 25 joints, 3) or (persons, frames, 17 joints, 2)", _AGAIN)
    listed = frozenset(itertools.chain.from_iterable(splits.values()))
    return _Source(f"ntu-{len(classes)}", layout, classes, functools.partial(_ntu_clip, layout=layout, listed=listed, bodies=bodies))


def _layout_of(annotation: dict) -> Layout | None:
    shape = annotation["keypoint"].shape if isinstance(annotation.get("keypoint"), np.ndarray) else ()
    return _LAYOUTS.get(shape[2:]) if len(shape) == 4 else None


def _ntu_clip(annotation: dict, where: str, *, layout: Layout, listed: Collection[str], bodies: int) -> Clip:
    name = _name(annotation)
    if not _NTU_NAME.fullmatch(name):
        raise InputError(where, "is not named like a recording of NTU RGB+D", _AGAIN)
    recording = ntu.parse_name(where)
    if name not in listed:
        raise InputError(where, "is in no split list", _AGAIN)
    if _whole(annotation, "label", where) != recording.action - 1:
        raise InputError(where, f"label {annotation['label']} contradicts the name, whose class is {recording.action - 1}", _AGAIN)
    joints = _numbers(annotation, "keypoint", where, 4)
    _check_shape(joints, layout, where, _AGAIN)
    if joints.shape[1] != _whole(annotation, "total_frames", where):
        raise InputError(where, f"total_frames is {annotation['total_frames']}, keypoint has {joints.shape[1]}", _AGAIN)
    if layout is COCO_17:
        joints = _best_scored(joints, _numbers(annotation, "keypoint_score", where, 3), where)
    joints = _present_persons(joints, bodies, where)
    return Clip(joints, layout, ntu.CLASSES[recording.action - 1], f"P{recording.performer:03}", 30.0, name)


def _check_shape(joints: np.ndarray, layout: Layout, where: str, remedy: str) -> None:
    if joints.shape[2:] != (len(layout), layout.dims):
        raise InputError(where, f"keypoint has shape {joints.shape}, not (persons, frames, {len(layout)}, {layout.dims})", remedy)


def _best_scored(joints: np.ndarray, scores: np.ndarray, where: str) -> np.ndarray:
    """Persons, highest mean score first; equal ones keep their order. A joint with score 0 becomes NaN."""
    if scores.shape != joints.shape[:3]:
        raise InputError(where, f"keypoint_score has shape {scores.shape}, keypoint {joints.shape}", _AGAIN)
    order = np.argsort(-scores.sum(axis=(1, 2)), kind="stable")
    return np.where(scores[order, ..., None] > 0, joints[order], np.float32(np.nan))


def _present_persons(joints: np.ndarray, bodies: int, where: str) -> np.ndarray:
    """The first persons who are present in some frame."""
    joints = joints[np.nan_to_num(joints).any(axis=(1, 2, 3))][:bodies]
    if not joints.size:
        raise InputError(where, "has no body in any frame", "remove the annotation")
    return joints


# Users' own


def _own(annotations: list[dict], path: Path, bodies: int) -> _Source:
    layout = next(filter(None, map(_layout_of, annotations)), None)
    if layout is None:
        what = "no annotation has a keypoint array (persons, frames, 25 joints, 3), (persons, frames, 17 joints, 2) or the latter with a score"
        raise InputError(path, what, "save bodies of other joints as .npz, see Formats in docs/clips.md")
    numbers = {label for label in (annotation.get("label") for annotation in annotations) if _is_whole(label) and 0 <= label < _MOST_CLASSES}
    names = _label_map(path, max(numbers, default=-1))
    if names is None:
        names = {number: str(number) for number in sorted(numbers)}
        if names:
            what = f"its labels are class numbers, {min(names)} to {max(names)}, which are used as class names"
            warnings.warn(f"{path}: {what}; put {_LABEL_MAP} with one name per line next to it", stacklevel=4)
    return _Source(path.stem, layout, tuple(names.values()), functools.partial(_own_clip, layout=layout, names=names, bodies=bodies))


def _label_map(path: Path, most: int) -> dict[int, str] | None:
    """Class number -> name, from the list next to the pickle; None if there is none."""
    file = path.parent / _LABEL_MAP
    if not file.is_file():
        return None
    names = [line.strip() for line in read_text(file, "save it as UTF-8, one class name per line").splitlines()]
    while names and not names[-1]:
        names.pop()
    if "" in names or len(set(names)) < len(names) or most >= len(names):
        what = f"has {len(names)} lines, with blanks, repetitions, or too few for class number {most}"
        raise InputError(file, what, "give one name per line, in the order of the classes")
    return dict(enumerate(names))


def _own_clip(annotation: dict, where: str, *, layout: Layout, names: dict[int, str], bodies: int) -> Clip:
    if not _name(annotation):
        raise InputError(where, "frame_dir, its name, is missing or not text", "name each annotation")
    joints = _numbers(annotation, "keypoint", where, 4, lost=True)
    score = annotation.get("keypoint_score")
    if layout is COCO_17 and joints.shape[2:] == (17, 3):
        joints, score = joints[..., :2], joints[..., 2] if score is None else score
    _check_shape(joints, layout, where, "save each layout in a separate pickle")
    if score is not None and layout is COCO_17:
        joints = _best_scored(joints, _numbers({"keypoint_score": score}, "keypoint_score", where, 3), where)
    label = annotation.get("label")
    if label is not None and (not _is_whole(label) or label not in names):
        raise InputError(where, "label is not a class number", f"give a whole number from 0 to {max(names, default=0)}")
    return Clip(_present_persons(joints, bodies, where), layout, None if label is None else names[int(label)], None, None, _name(annotation))


# Kinetics-400


def _kinetics(annotations: list[dict], splits: dict[str, list[str]], path: Path, bodies: int) -> _Source:
    partition = {name: part for part in ("train", "val") for name in splits.get(part, [])}
    if not any(_is_file(_kpfile(path, file)) for file in set(map(_raw_file, annotations))):
        raise InputError(path, "is an index, and none of its files is in kpfiles/ next to it", _KPFILES)
    annotations.sort(key=_raw_file)  # to open each file only once
    opened: dict[Path, object] = {}  # the file opened last, or its error

    def clip(annotation: dict, _: str) -> Clip:
        file = _kpfile(path, _raw_file(annotation))
        if file not in opened:
            opened.clear()
            try:
                opened[file] = load_pickle(file)
            except InputError as error:
                opened[file] = error
        return _kinetics_clip(annotation, f"{shown(file)}/{_name(annotation)}", opened[file], partition, bodies)

    return _Source("kinetics-400", COCO_17, kinetics.CLASSES, clip)


def _kpfile(path: Path, raw_file: str) -> Path:
    return path.parent / "kpfiles" / PurePosixPath(raw_file).name


def _raw_file(annotation: dict) -> str:
    file = annotation.get("raw_file")
    return file if isinstance(file, str) else ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # the name is too long or contains NUL
        return False


def _kinetics_clip(annotation: dict, where: str, points: object, partition: dict[str, str], bodies: int) -> Clip:
    if isinstance(points, InputError):
        raise points
    name, label = _name(annotation), _whole(annotation, "label", where)
    if name not in partition:
        raise InputError(where, "is in neither split list, train nor val", _AGAIN)
    if not 0 <= label < len(kinetics.CLASSES):
        raise InputError(where, f"label {label} does not exist", f"classes are 0 to {len(kinetics.CLASSES) - 1}")
    entry = points.get(name) if isinstance(points, dict) else None
    if not isinstance(entry, dict):
        raise InputError(where, "is not in that file", _AGAIN)
    joints, frame = _numbers(entry, "keypoint", where, 3), _numbers(annotation, "frame_inds", where, 1)
    if not len(joints) or joints.shape != (len(frame), len(COCO_17), 3):
        raise InputError(where, f"keypoint has shape {joints.shape} for {len(frame)} bodies in frame_inds, not (bodies, 17, 3)", _AGAIN)
    frames, first = _whole(annotation, "total_frames", where), min(1, int(frame.min()))
    if first < 0 or not frame.max() - first < frames <= _LONGEST:
        raise InputError(where, f"frame_inds are {frame.min():g} to {frame.max():g}, total_frames is {frames}", _AGAIN)
    places = np.where(joints[..., 2:] > 0, joints[..., :2], np.float32(np.nan))
    joints = _present_persons(kinetics.strongest(frame.astype(int) - first, places, joints[..., 2], frames, bodies), bodies, where)
    return Clip(joints, COCO_17, kinetics.CLASSES[label], None, None, f"{partition[name]}/{PurePosixPath(name).name}")


# Fields


def _name(annotation: dict) -> str:
    """The name of the annotation; "" if it is not text or is far too long."""
    name = annotation.get("frame_dir")
    return name if isinstance(name, str) and len(name) <= _LONGEST_NAME else ""


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _whole(annotation: dict, field: str, where: str) -> int:
    value = annotation.get(field)
    if not _is_whole(value):
        raise InputError(where, f"{field} is not a whole number", _AGAIN)
    return int(value)


def _numbers(annotation: dict, field: str, where: str, axes: int, lost: bool = False) -> np.ndarray:
    """An array of finite numbers, float32; with ``lost`` it may contain NaN."""
    values = annotation.get(field)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu" or values.ndim != axes:
        raise InputError(where, f"{field} is not an array of numbers with {axes} axes", _AGAIN)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if np.isinf(values).any() or not (lost or np.isfinite(values).all()):
        raise InputError(where, f"{field}: NaN, infinite or too large for 32 bits", "remove the annotation")
    return values
