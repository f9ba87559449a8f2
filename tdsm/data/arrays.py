"""Preprocessed clips on disk, for data sets that do not fit in memory.

A folder holds ``x.npy`` (N, M, T, V, C) float32, which is memory-mapped and read once for its checksum when it is opened, and ``rows.json``, which describes
each row. NTU RGB+D 120 at the paper's 300 frames and two bodies takes 20 GB. An interrupted writing resumes: ``written.json`` records how many rows are
complete.
"""

import warnings
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tdsm.config import PreprocessConfig
from tdsm.data.clips import ClipSet
from tdsm.data.layouts import Layout, layout_named
from tdsm.data.preprocess import preprocess_each
from tdsm.util.errors import InputError
from tdsm.util.files import disk_faults, read_sealed, write_sealed
from tdsm.util.npz import map_npy
from tdsm.util.progress import progress_bar

__all__ = ["Arrays", "Rows", "open_arrays", "write_arrays"]

_SAFE_EVERY = 500  # clips between two records of written.json
_AGAIN = "delete the folder and create it again"


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a memory-mapped array. Indexing reads only the requested rows.

    Attributes:
        array: (N, ...) float32.
        index: (R,) indices of the rows.
        identity: identifies the content of the array, for fingerprints.
    """

    array: np.ndarray
    index: np.ndarray
    identity: str

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        return torch.from_numpy(np.array(self.array[self.index[rows]]))

    def split(self, size: int) -> Iterator[Tensor]:
        """The rows in order, in blocks of ``size``."""
        return (self[slice(start, start + size)] for start in range(0, len(self), size))

    def __repr__(self) -> str:
        return f"Rows({self.identity}, {self.index.tolist()})"


@dataclass(frozen=True, eq=False)
class Arrays:
    """Arrays that :func:`write_arrays` wrote.

    Attributes:
        x: (N, M, T, V, C) float32, memory-mapped.
        y: (N,) class indices.
        names, subjects: names and subjects of the N clips.
        classes: class names.
        layout: skeleton layout.
        identity: identifies the content of the arrays.
    """

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    subjects: np.ndarray
    classes: tuple[str, ...]
    layout: Layout
    identity: str

    def rows(self, index: np.ndarray) -> Rows:
        """Some of the clips, for training an encoder or extracting features."""
        return Rows(self.x, np.asarray(index), self.identity)


def write_arrays(folder: Path, clips: ClipSet, config: PreprocessConfig, progress: bool = True) -> None:
    """Preprocess every clip into ``folder``. An interrupted call resumes. Unusable clips are skipped, with one warning that names them.

    Raises:
        InputError: ``config.frames`` is 0 (clips would differ in length), or no clip is usable.
    """
    if config.frames == 0:
        raise InputError("config", "frames is 0, so clips differ in length", "give frames above 0")
    shape = (len(clips), config.bodies, config.frames, len(clips.layout), clips.layout.dims)
    kept, start, x = _begin(folder, shape)
    bad = []
    with progress_bar(shown=progress, desc="preprocess", unit="clip", initial=start, total=len(clips)) as bar:
        while start < len(clips):
            block = range(start, min(start + _SAFE_EVERY, len(clips)))
            for number, made in zip(block, preprocess_each([clips[number] for number in block], config), strict=True):
                if isinstance(made, InputError):
                    bad.append(str(made))
                else:
                    x[len(kept)] = made
                    kept.append(number)
            start = block.stop
            x.flush()
            write_sealed(folder / "written.json", {"clips": start, "kept": kept})
            bar.update(len(block))
    x.flush()
    if not kept:
        raise InputError(clips.name, "no clip is usable", bad[0])
    if bad:
        warnings.warn(f"{len(bad)} clips are not usable and are skipped: {'; '.join(bad[:3])}", stacklevel=2)
    rows = {"y": clips.y[kept].tolist(), "names": [clips[number].name for number in kept], "subjects": clips.subjects[kept].tolist()}
    about = {"classes": clips.classes, "layout": clips.layout.name, "preprocess": asdict(config), "crc": _crc(x)}
    write_sealed(folder / "rows.json", rows | about)


def _crc(x: np.ndarray) -> int:
    crc = 0
    for row in x:
        crc = zlib.crc32(row, crc)
    return crc


def _begin(folder: Path, shape: tuple[int, ...]) -> tuple[list[int], int, np.memmap]:
    """(indices of the clips in the rows so far, first clip to process, the rows)."""
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "written.json").exists():
            written = read_sealed(folder / "written.json", _AGAIN)
            x = map_npy(folder / "x.npy", "r+", _AGAIN)
            if x.shape == shape:
                return written["kept"], written["clips"], x
        return [], 0, np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.float32, shape=shape)


def open_arrays(folder: Path) -> Arrays:
    """Memory-map the arrays of :func:`write_arrays`. Raises InputError: a file is missing or damaged."""
    rows, x = read_sealed(folder / "rows.json", _AGAIN), map_npy(folder / "x.npy", "r", _AGAIN)
    if _crc(x) != rows.get("crc"):
        raise InputError(folder / "x.npy", "is damaged (wrong checksum)", _AGAIN)
    try:
        y, subjects, layout = np.array(rows["y"]), np.array(rows["subjects"]), layout_named(rows["layout"])
        return Arrays(x, y, tuple(rows["names"]), subjects, tuple(rows["classes"]), layout, folder.name)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(folder / "rows.json", f"does not describe arrays ({error})", _AGAIN) from error
