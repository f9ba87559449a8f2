"""Identify a file or folder, check that it is complete, and report what it can be used for: downloads, features, prompts, and files of this package.

The content decides, never the name of the file or folder. The check is fast: for raw recordings it looks only at file names (NTU RGB+D 120 has 114,480
files), for large files at headers and small tables. Nothing is unpacked, and no content is ever executed.

:mod:`~tdsm.catalogue.doctor.raw` handles downloads, :mod:`~tdsm.catalogue.doctor.derived` files made from them, and
:mod:`~tdsm.catalogue.doctor.finding` compares both with the protocols.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tdsm.catalogue.doctor.derived import DAMAGED, features, is_class_list, own_clips, prompts, read_clips, recognizer
from tdsm.catalogue.doctor.finding import Finding
from tdsm.catalogue.doctor.raw import Files, open_files, pickled, raw_findings
from tdsm.catalogue.feature_files import is_features
from tdsm.catalogue.fetch import sources
from tdsm.catalogue.rows import all_benchmarks, dataset_facts
from tdsm.data.disk import is_store
from tdsm.data.prompts import SUBSETS
from tdsm.data.readers import ntu
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.folder import TABLE
from tdsm.data.readers.humanml3d import is_humanml3d
from tdsm.data.readers.motion import holds_motion
from tdsm.data.readers.results import holds_results
from tdsm.data.readers.smpl_npz import is_smpl
from tdsm.data.readers.sniff import kind_of
from tdsm.data.sharded import is_sharded
from tdsm.util.errors import InputError

__all__ = ["Finding", "benchmark_table", "inspect", "present"]

_ARCHIVES = (".zip", ".npz", ".pkl", ".pickle")
_RESULTS = "output of a pose estimator"
_MOTION = "motion capture"
_MSR_SCREEN = re.compile(r"a\d\d_s\d\d_e\d\d_skeleton\.txt")


def inspect(path: str | Path) -> Finding:
    """Identify a file or folder. Defects of its content are part of the result and raise no exception. Raises InputError: the path does not exist."""
    path = Path(path)
    if not path.exists():
        raise InputError(path, "no such file or folder", "check the path")
    return _folder(path) if path.is_dir() else _file(path)


def present(root: str | Path) -> list[Finding]:
    """Identify the contents of a folder, one level deep, or the folder itself if a data set is spread over it. Raises InputError: no such path."""
    root = Path(root)
    whole = inspect(root)
    if root.is_file():
        return [whole]
    children = [child for child in sorted(root.iterdir()) if not child.name.startswith(".") and (child.is_dir() or child.suffix in _ARCHIVES)]
    parts = [inspect(child) for child in children]
    if not whole.dataset and not whole.benchmarks:
        return parts
    same = [part for part in parts if part.dataset == whole.dataset and part.clips == whole.clips]  # one child holds all of it
    return (same or [whole]) + [part for part in parts if part.dataset != whole.dataset or part.kind != whole.kind]


def benchmark_table(root: str | Path | None = None) -> str:
    """All rows of published tables as text. With a folder, also which of their data it holds and where to get the rest. Raises InputError: no such folder."""
    findings = present(root) if root is not None else []
    rows = [["row", "lists", "classes", "partition", "encoder", "TDSM", "paper", *(["here"] if root is not None else [])]]
    pages, lacking = {source.name: source.page for source in sources()}, {}
    for row in all_benchmarks():
        paths = [item.path.name + (" (see its problems)" if item.problems else "") for item in findings if row.name in item.benchmarks]
        published = f"{row.published['TDSM']:.2f}" if "TDSM" in row.published else ""
        cells = [row.name, str(len(row.draws)), row.split, row.partition, row.encoder, published, row.table]
        rows.append([*cells, *([", ".join(paths) or "missing"] if root is not None else [])])
        if not paths:
            lacking[row.dataset if row.dataset in pages else SUBSETS[row.dataset][0]] = None
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    problems = [f"{item.path}: {problem}" for item in findings if item.benchmarks for problem in item.problems]
    missing = [f"{name}: {dataset_facts()[name].title}, {pages[name]} (`tdsm fetch {name}` says how)" for name in lacking]
    return "\n".join([*lines, "", *problems, *missing])


def _folder(path: Path) -> Finding:
    if is_store(path) or is_sharded(path):
        return read_clips(path, "a clip store")
    if (path / TABLE).is_file():
        return own_clips(path)
    if (path / "recognizer.json").is_file():
        return recognizer(path, "a trained recognizer")
    if (path / "model" / "recognizer.json").is_file():
        return recognizer(path / "model", "the recognizer of a run folder")
    if is_features(path) or (path / "val.npy").is_file():
        return features(path)
    if any(map(is_class_list, path.glob("*.csv"))):
        return prompts(path, "class lists of SA-DVAE")
    with open_files(path) as files:
        return _members(files, f"a folder of {len(files.names):,} files")


def _members(files: Files, otherwise: str) -> Finding:
    findings = raw_findings(files)
    if len(findings) == 1:
        return findings[0]
    if findings:
        names = " and ".join(item.dataset or item.kind for item in findings)
        return Finding(files.path, f"several data sets: {names}", problems=("they cannot be read together; give the path of one data set",))
    with Archive(files.path) as archive:
        if holds_motion(archive):
            return read_clips(files.path, _MOTION)
        if holds_results(archive):
            return read_clips(files.path, _RESULTS)
    return Finding(files.path, otherwise, problems=(_unknown(files),))


def _unknown(files: Files) -> str:
    if not files.names:
        return "it is empty; download it again"
    if any(map(_MSR_SCREEN.fullmatch, files.bases)):
        return "MSR-Action3D in screen coordinates, which do not preserve proportions; use the archive of skeleton3D.txt files"
    inside = sorted({name.rpartition("/")[0] or "." for name, base in zip(files.names, files.bases, strict=True) if base == "train.npy"})
    if inside:
        return f"features are in subfolders; give one of {', '.join(inside[:8])}{' ...' if len(inside) > 8 else ''}"
    first = list(dict.fromkeys(name.partition("/")[0] for name in files.names))
    return f"no known file names; give one of its entries: {', '.join(first[:8])}{' ...' if len(first) > 8 else ''}"


def _file(path: Path) -> Finding:
    kind = kind_of(path)
    if kind.name == "empty":
        return Finding(path, "an empty file", problems=("0 bytes; download it again",))
    if kind.name == "zip":
        return _unless_damaged(path, _zip)
    if kind.name == "pickle":
        return pickled(path)
    if kind.name in ("bvh", "amc", "c3d"):
        return read_clips(path, kind.title)
    if kind.name == "npy":
        return _unless_damaged(path, _array)
    if ntu.MEMBER.fullmatch(path.name):
        return Finding(path, "one recording of NTU RGB+D", clips=1, problems=("give the folder or zip that it came from",))
    if kind.name in ("text", "csv") and (path.suffix == ".txt" or is_class_list(path)):
        return prompts(path, "a class list")
    if kind.name in ("json", "csv"):
        results = read_clips(path, _RESULTS)
        return results if results.clips is not None else Finding(path, kind.title, problems=results.problems)
    return Finding(path, kind.title, problems=(kind.remedy,))


def _array(path: Path) -> Finding:
    array = np.lib.format.open_memmap(path, mode="r")
    if is_humanml3d(array):
        return read_clips(path, _MOTION)
    shape = array.shape
    return Finding(path, f"one array of shape {shape}", problems=(f"give the folder it belongs to, {shlex.quote(str(path.parent))}",))


def _unless_damaged(path: Path, look: Callable[[Path], Finding]) -> Finding:
    try:
        return look(path)
    except DAMAGED as error:
        return Finding(path, "a truncated or damaged file", problems=(f"{error}; download it again",))


def _zip(path: Path) -> Finding:
    with open_files(path) as files:
        if "xl/workbook.xml" in files.names:
            return prompts(path, "a spreadsheet")
        if not (files.names and all(name.endswith(".npy") for name in files.names)):
            return _members(files, f"a zip of {len(files.names):,} files")
        keys = {name.removesuffix(".npy") for name in files.names}
        with Archive(path) as archive:
            if is_smpl(keys) or (keys.isdisjoint({"joints", "layout"}) and holds_motion(archive)):
                return read_clips(path, _MOTION)
    if is_features(path):
        return features(path)
    if {"joints", "layout"} <= keys:
        return read_clips(path, "clips in one .npz")
    if {"x_train", "y_train"} <= keys:
        remedy = "they hold no clip names, which the partition needs; use the .skeleton files or a pickle"
        return Finding(path, "arrays of the GCN family (CTR-GCN's .npz)", problems=(remedy,))
    problem = "it holds neither clips nor features; tdsm/data/clips.py says what clips need"
    return Finding(path, f"an .npz of {', '.join(sorted(keys)[:6])}", problems=(problem,))
