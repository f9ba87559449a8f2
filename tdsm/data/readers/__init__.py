"""Readers: one module per data set or file format. Each converts files to a :class:`~tdsm.data.clips.ClipSet`."""

import math
import warnings
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from tdsm.data.clips import ClipSet
from tdsm.data.disk import ClipStore, is_store, open_store
from tdsm.data.door import admit
from tdsm.data.readers import kinetics, msr_action3d, ntu, nw_ucla, openpose_json, pku_mmd, utd_mhad
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.folder import TABLE, read_folder
from tdsm.data.readers.kinetics import read_kinetics
from tdsm.data.readers.motion import holds_motion, is_motion, read_motion, read_motions
from tdsm.data.readers.msr_action3d import read_msr_action3d
from tdsm.data.readers.npy import read_npy
from tdsm.data.readers.ntu import read_ntu
from tdsm.data.readers.nw_ucla import read_nw_ucla
from tdsm.data.readers.openpose_json import read_openpose_json
from tdsm.data.readers.pku_mmd import read_pku_mmd
from tdsm.data.readers.pyskl import read_pyskl
from tdsm.data.readers.reading import Reading
from tdsm.data.readers.results import holds_results, read_result, read_results
from tdsm.data.readers.smpl_npz import BodyModel, load_body_model
from tdsm.data.readers.sniff import check_path, kind_of
from tdsm.data.readers.utd_mhad import read_utd_mhad
from tdsm.data.sharded import is_sharded, open_shards
from tdsm.util.digest import digest_of
from tdsm.util.errors import InputError

__all__ = [
    "Reading", "load_clips", "read_folder", "read_kinetics", "read_motions", "read_msr_action3d", "read_ntu", "read_nw_ucla", "read_openpose_json",
    "read_pku_mmd", "read_pyskl", "read_results", "read_utd_mhad",
]  # fmt: skip

_READERS = (  # data set, pattern of its file names (with or without folders), reader
    ("UTD-MHAD", utd_mhad.MEMBER, read_utd_mhad),
    ("NW-UCLA", nw_ucla.MEMBER, read_nw_ucla),
    ("MSR-Action3D", msr_action3d.MEMBER, read_msr_action3d),
    ("NTU RGB+D", ntu.MEMBER, read_ntu),
    ("PKU-MMD", pku_mmd.MEMBER, read_pku_mmd),
    ("Kinetics-skeleton", kinetics.MEMBER, read_kinetics),
    ("OpenPose", openpose_json.MEMBER, read_openpose_json),
)
_SUPPORTED = (
    "give UTD-MHAD's Skeleton.zip, NW-UCLA's all_sqe zip, NTU RGB+D's .skeleton files, PKU-MMD's skeletons with its labels, MSR-Action3D's "
    "..._skeleton3D.txt, Kinetics-skeleton's kinetics_train and kinetics_val, what OpenPose's --write_json wrote, JSON or CSV of AlphaPose, MMPose, YOLO or "
    "MediaPipe, BVH, AMC with ASF, C3D, AMASS or HumanML3D, any of them as a zip or a folder, a pickle of pyskl, a .npz of ClipSet.save, a clip store, or a "
    "folder with clips.csv"
)


def load_clips(
    path: str | Path,
    layout: str | None = None,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    strict: bool = False,
    fix: bool = False,
    body_model: str | Path | None = None,
    reading: Reading = Reading(),
) -> ClipSet:
    """Read skeleton clips from any supported path. The content decides the format, never the name of the file or folder.

    Args:
        path: a data set (UTD-MHAD, NW-UCLA, MSR-Action3D, NTU RGB+D, PKU-MMD, Kinetics-skeleton) or output of OpenPose, as a zip or a folder; JSON or
            CSV of AlphaPose, MMPose, YOLO or MediaPipe (:mod:`tdsm.data.readers.results`) or motion as BVH, AMC with ASF, C3D, AMASS or HumanML3D
            (:mod:`tdsm.data.readers.motion`), as a file, zip or folder; a pickle of pyskl or MMAction2; a ``.npz`` in the format of
            :mod:`tdsm.data.clips`; a ``.npy`` with its ``layout``; a clip store (:mod:`tdsm.data.disk`, :mod:`tdsm.data.sharded`); or a folder of ``.npy``
            with ``clips.csv`` in the format of :mod:`tdsm.data.readers.folder`.
        layout: layout name, for a ``.npy`` and for a folder whose table has no layout.
        size: (width, height) of the picture in pixels, for 2-D coordinates that are fractions of these (0 to 1); no file states it.
        fps: frames per second of clips whose files do not state it. If omitted, 30 is assumed and one warning says so.
        strict: raise an error instead of a warning for clips that do not match their layout (see :mod:`tdsm.data.door`).
        fix: fix such clips in memory as far as possible, and report each fix.
        body_model: a .npz of SMPL-H or SMPL-X, for files of AMASS that hold only parameters (:mod:`tdsm.data.readers.smpl_npz`).
        reading: how to process many files, and whether to keep the clips in a store.

    Raises:
        InputError: the path holds no supported file or more than one data set, the clips have another layout than requested, the reader found an error, or
            (``strict``) there is a remark about the clips.

    Example:
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> path = synthetic_clips(2, actions=["bow", "jump"]).save("mine.npz")
        >>> load_clips(path)
        ClipSet('synthetic': 4 clips, 2 classes, ... subjects, ntu-25)
    """
    for key, value in (("size", size), ("fps", fps)):
        if value is not None and reading.store is not None:
            raise InputError(path, f"{key} cannot be used with a store, which holds clips as they were read", "remove the store option, and save the clips")
    if fps is not None and not 0 < fps < math.inf:
        raise InputError(path, f"fps is {fps!r:.60}", "give frames per second, a finite number above 0")
    model = None if body_model is None else load_body_model(body_model)
    clips = _load(check_path(path), layout, size is not None, fps, model, reading)
    if size is not None:
        clips = _in_pixels(clips, size, Path(path))
    if fps is not None:
        rated = (replace(clip, fps=float(fps), fps_assumed=False) if clip.fps_assumed else clip for clip in clips)
        clips = ClipSet(tuple(rated), clips.classes, clips.name)
    if layout is not None and clips.layout.name != layout:
        raise InputError(path, f"its clips have layout {clips.layout.name}, not {layout}", "remove the layout option; the data determine it")
    return admit(clips, strict=strict, fix=fix)


def _load(path: Path, layout: str | None, sized: bool, fps: float | None, model: BodyModel | None, reading: Reading) -> ClipSet:
    if is_sharded(path):
        return _kept(open_shards(path), path, reading)
    if is_store(path):
        return _kept(open_store(path), path, reading)
    kind = "folder" if path.is_dir() else kind_of(path).name
    if kind == "pickle":
        return read_pyskl(path, reading=reading)
    if kind != "folder" and (layout is None or kind != "npy") and is_motion(path, kind_of(path)):
        return _kept(read_motion(path, fps=fps, model=model), path, reading)
    if kind == "npy":
        return _kept(read_npy(path, layout), path, reading)
    if kind in ("json", "csv"):
        return _kept(read_result(path, sized=sized, fps=fps), path, reading)
    with Archive(path) as archive:
        names = archive.names
        bases = [PurePosixPath(name).name for name in names]
        motion = {"joints.npy", "layout.npy"}.isdisjoint(names) and holds_motion(archive)
        if kind != "folder" and bases and all(base.endswith(".npy") for base in bases) and not motion:
            return _kept(ClipSet.load(path), path, reading)
        fitting = {title: read for title, pattern, read in _READERS if any(map(pattern.fullmatch, bases)) or any(map(pattern.fullmatch, names))}
        results = not fitting and not any(base.endswith(".npy") for base in bases) and holds_results(archive)
    if motion and not fitting:
        if results:
            what = "motion capture is read; JSON or CSV files with joints beside it are not"
            warnings.warn(f"{path}: {what}; move them to a folder of their own to read them", stacklevel=3)
        return read_motions(path, fps=fps, model=model, reading=reading)
    if results:
        return read_results(path, sized=sized, fps=fps, reading=reading)
    if kind == "folder" and TABLE in names and set(fitting) != {"OpenPose"}:
        return read_folder(path, layout, reading=reading)
    if len(fitting) > 1:
        raise InputError(path, f"holds both {' and '.join(fitting)}", "give the path of one of these data sets")
    if not fitting:
        raise InputError(path, f"none of its {len(bases)} files belongs to a known data set", _SUPPORTED)
    (read,) = fitting.values()
    if read is read_openpose_json:
        return read_openpose_json(path, fps=fps, reading=reading)
    return read(path, reading=reading)


def _in_pixels(clips: ClipSet, size: tuple[int, int], path: Path) -> ClipSet:
    """Multiply coordinates that are fractions of the picture's width and height by these."""
    if len(size) != 2 or not all(0 < side < 1e6 for side in size):
        raise InputError(path, f"size is {size!r:.60}", "give (width, height) in pixels")
    if clips.layout.dims != 2 or any(np.nanmax(np.abs(clip.joints)) > 3 for clip in clips):
        raise InputError(path, "size is given, but coordinates are not fractions of a picture's width and height", "remove the size")
    scaled = tuple(replace(clip, joints=clip.joints * np.array(size, np.float32)) for clip in clips)
    return ClipSet(scaled, clips.classes, clips.name)


def _kept(clips: ClipSet, path: Path, reading: Reading) -> ClipSet:
    """The clips of one file: unchanged, or copied to the store of ``reading``, which records the file and its content."""
    reading.refuse_shard(path)
    if reading.store is None:
        return clips
    source = f"{path.resolve()} with sha256 {digest_of([path])}"
    with ClipStore(reading.store, clips.name, clips.layout, clips.classes, source) as store:
        for row, clip in enumerate(clips):
            if str(row) not in store.done:
                store.add(str(row), [clip])
    return open_store(reading.store)
