"""Preprocessed clips on disk, for sets that do not fit in memory.

A folder: ``x.npy`` (N, M, T, V, C) float32, which is mapped and never read whole; ``rows.json``, what stands in each row. NTU RGB+D 120 at the
paper's 300 frames and two bodies is 20 GB of these. Writing goes on where it was killed: ``written.json`` says how far the rows are safe.
"""

import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tdsm.config import PreprocessConfig
from tdsm.data.clips import ClipSet
from tdsm.data.layouts import Layout, layout_named
from tdsm.data.preprocess import preprocess
from tdsm.util.errors import InputError
from tdsm.util.files import write_json
from tdsm.util.progress import progress_bar

__all__ = ["Arrays", "Rows", "open_arrays", "write_arrays"]

_SAFE_EVERY = 500  # clips


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a mapped array; asking for a part of them reads that part only.

    Attributes:
        array: (N, ...) float32.
        index: (R,) which rows.
        identity: what tells the array from another one, for fingerprints.
    """

    array: np.ndarray
    index: np.ndarray
    identity: str

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        return torch.from_numpy(np.array(self.array[self.index[rows]]))

    def split(self, size: int) -> Iterator[Tensor]:
        """The rows in order, ``size`` at a time."""
        return (self[slice(start, start + size)] for start in range(0, len(self), size))

    def __repr__(self) -> str:
        return f"Rows({self.identity}, {self.index.tolist()})"


@dataclass(frozen=True, eq=False)
class Arrays:
    """What :func:`write_arrays` wrote.

    Attributes:
        x: (N, M, T, V, C) float32, mapped.
        y: (N,) class index.
        names, subjects: N of each.
        classes: class names.
        layout: the body.
        identity: what tells these arrays from others.
    """

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    subjects: np.ndarray
    classes: tuple[str, ...]
    layout: Layout
    identity: str

    def rows(self, index: np.ndarray) -> Rows:
        """Some of the clips, ready for training an encoder or extracting features."""
        return Rows(self.x, np.asarray(index), self.identity)


def write_arrays(folder: Path, clips: ClipSet, config: PreprocessConfig, progress: bool = True) -> None:
    """Preprocess every clip into ``folder``; a killed call goes on. Clips that cannot be used are left out, with one warning that names them.

    Raises:
        InputError: ``config.frames`` is 0 (clips would differ in length), or no clip can be used.
    """
    if config.frames == 0:
        raise InputError("config", "frames is 0, so that clips differ in length", "give frames, the length of all of them")
    shape = (len(clips), config.bodies, config.frames, len(clips.layout), clips.layout.dims)
    kept, start, x = _begin(folder, shape)
    bad = []
    for number in progress_bar(range(start, len(clips)), shown=progress, desc="preprocess", unit="clip", initial=start, total=len(clips)):
        try:
            x[len(kept)] = preprocess(clips[number], config)
            kept.append(number)
        except InputError as error:
            bad.append(str(error))
        if (number + 1) % _SAFE_EVERY == 0:
            x.flush()
            write_json(folder / "written.json", {"clips": number + 1, "kept": kept})
    x.flush()
    if not kept:
        raise InputError(clips.name, "no clip can be used", bad[0])
    if bad:
        warnings.warn(f"{len(bad)} clips cannot be used and are left out: {'; '.join(bad[:3])}", stacklevel=2)
    rows = {
        "y": clips.y[kept].tolist(),
        "names": [clips[number].name for number in kept],
        "subjects": clips.subjects[kept].tolist(),
        "classes": clips.classes,
        "layout": clips.layout.name,
        "preprocess": asdict(config),
    }
    write_json(folder / "rows.json", rows)


def _begin(folder: Path, shape: tuple[int, ...]) -> tuple[list[int], int, np.memmap]:
    """(clips that stand in the rows so far, first clip to do, the rows)."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "written.json").exists():
        written = json.loads((folder / "written.json").read_text())
        x = np.lib.format.open_memmap(folder / "x.npy", mode="r+")
        if x.shape == shape:
            return written["kept"], written["clips"], x
    return [], 0, np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.float32, shape=shape)


def open_arrays(folder: Path) -> Arrays:
    """Map what :func:`write_arrays` wrote.

    Raises:
        InputError: a file is missing or damaged.
    """
    try:
        rows = json.loads((folder / "rows.json").read_text())
        x = np.load(folder / "x.npy", mmap_mode="r", allow_pickle=False)
        return Arrays(
            x,
            np.array(rows["y"]),
            tuple(rows["names"]),
            np.array(rows["subjects"]),
            tuple(rows["classes"]),
            layout_named(rows["layout"]),
            folder.name,
        )
    except (OSError, ValueError, KeyError) as error:
        raise InputError(folder, f"holds no whole arrays ({error})", "delete the folder and make it again") from error
