"""Data sets: one module each, from the download to a :class:`~tdsm.clips.ClipSet`."""

import zipfile
from pathlib import Path, PurePosixPath

from tdsm.clips import ClipSet
from tdsm.datasets import ntu, nw_ucla, pku_mmd, utd_mhad
from tdsm.datasets.archive import Archive
from tdsm.datasets.folder import TABLE, read_folder
from tdsm.datasets.ntu import read_ntu
from tdsm.datasets.nw_ucla import read_nw_ucla
from tdsm.datasets.pku_mmd import read_pku_mmd
from tdsm.datasets.utd_mhad import read_utd_mhad
from tdsm.errors import InputError

__all__ = ["load_clips", "read_folder", "read_ntu", "read_nw_ucla", "read_pku_mmd", "read_utd_mhad"]

_SUPPORTED = (
    "give UTD-MHAD's Skeleton.zip, NW-UCLA's all_sqe zip, NTU RGB+D's .skeleton files, PKU-MMD's skeletons with its labels, "
    "any of them unpacked, a .npz of ClipSet.save, or a folder with clips.csv"
)


def load_clips(path: str | Path, layout: str | None = None, progress: bool = True) -> ClipSet:
    """Read skeleton clips, whatever the path is: what stands inside decides, never the name of the file or folder.

    Args:
        path: UTD-MHAD, NW-UCLA, NTU RGB+D or PKU-MMD (zip or unpacked), a ``.npz`` in the format of :mod:`tdsm.clips`, or a folder of ``.npy``
            with ``clips.csv`` in the format of :mod:`tdsm.datasets.folder`.
        layout: layout name, for a folder whose table gives none.
        progress: show a progress bar.

    Raises:
        InputError: nothing known is inside, more than one data set is inside, the clips have another layout than asked
            for, or the reader found a fault.
    """
    clips = _load(Path(path), layout, progress)
    if layout is not None and clips.layout.name != layout:
        raise InputError(path, f"its clips have layout {clips.layout.name}, not {layout}", "leave the layout out: the data say it")
    return clips


def _load(path: Path, layout: str | None, progress: bool) -> ClipSet:
    if (path / TABLE).is_file():
        return read_folder(path, layout, progress)
    with Archive(path) as archive:
        bases = [PurePosixPath(name).name for name in archive.names]
    if zipfile.is_zipfile(path) and bases and all(base.endswith(".npy") for base in bases):
        return ClipSet.load(path)
    readers = (
        ("UTD-MHAD", read_utd_mhad, utd_mhad.MEMBER),
        ("NW-UCLA", read_nw_ucla, nw_ucla.MEMBER),
        ("NTU RGB+D", read_ntu, ntu.MEMBER),
        ("PKU-MMD", read_pku_mmd, pku_mmd.MEMBER),
    )
    fitting = {name: read for name, read, pattern in readers if any(map(pattern.fullmatch, bases))}
    if len(fitting) > 1:
        raise InputError(path, f"holds both {' and '.join(fitting)}", "give the path of one of them")
    if not fitting:
        raise InputError(path, f"none of its {len(bases)} files belongs to a known data set", _SUPPORTED)
    (read,) = fitting.values()
    return read(path, progress=progress)
