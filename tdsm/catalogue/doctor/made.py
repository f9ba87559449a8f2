"""What was made of a data set: clips, features, prompts, trained recognizers; by us or by others."""

import csv
import io
import json
import lzma
import shlex
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from tdsm.catalogue.doctor.finding import Finding, finding_of_clips
from tdsm.catalogue.feature_checks import check_against, fitting_benchmarks
from tdsm.catalogue.feature_files import read_features
from tdsm.catalogue.rows import all_benchmarks, dataset_facts
from tdsm.data.clips import ClipSet
from tdsm.data.features import FeatureSet
from tdsm.data.prompts.published import published_prompts
from tdsm.data.readers import load_clips
from tdsm.data.readers.folder import TABLE
from tdsm.data.readers.reading import Reading
from tdsm.util.errors import InputError

__all__ = ["DAMAGED", "array", "class_lists", "clips_npz", "door", "features", "own_clips", "prompts", "recognizer", "store"]

DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, KeyError, RuntimeError, NotImplementedError)
DAMAGED += (MemoryError, OverflowError, TypeError, SyntaxError, tokenize.TokenError)  # headers of arrays
"""What opening a damaged zip or array raises (RuntimeError: encrypted)."""


# Clips


def door(path: Path) -> tuple[ClipSet | None, tuple[str, ...]]:
    """The clips as :func:`~tdsm.data.readers.load_clips` reads them and what it says of them, a line each; None with the reason where it refuses them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            clips = load_clips(path, reading=Reading(progress=False))
        except InputError as error:
            return None, (str(error),)
    return clips, tuple(str(one.message) for one in caught)


def store(path: Path) -> Finding:
    """A clip store."""
    return _read_clips(path, "a clip store")


def clips_npz(path: Path) -> Finding:
    """Clips in one .npz."""
    return _read_clips(path, "clips in one .npz")


def _read_clips(path: Path, kind: str) -> Finding:
    clips, said = door(path)
    if clips is None:
        return Finding(path, kind, problems=said)
    names, labels = [clip.name for clip in clips], [clip.label for clip in clips]
    return finding_of_clips(path, kind, clips.name, names, labels, clips.classes, known=[f"layout {clips.layout.name}"], problems=said)


def own_clips(path: Path) -> Finding:
    """A folder with clips.csv."""
    try:
        with (path / TABLE).open(encoding="utf-8-sig", newline="") as file:
            rows = [{(key or "").strip(): value for key, value in row.items()} for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return Finding(path, f"clips with {TABLE}", problems=(f"{TABLE} is no UTF-8 table with commas ({error}); save it again",))
    names, labels = ([str(row.get(column) or "").strip() for row in rows] for column in ("file", "label"))
    lost = [name for name in names if not (path / name).is_file()]
    problems = [f"{len(lost)} files of {TABLE} are not there, first {lost[0]!r}; correct the names"] if lost else []
    problems += [] if lost else door(path)[1]
    return finding_of_clips(path, f"your own clips, a folder with {TABLE}", "", names, labels, (), problems=problems)


def array(path: Path) -> Finding:
    """A .npy; may raise what is in :data:`DAMAGED`."""
    with path.open("rb") as file:
        shape = _shape(file)
    return Finding(path, f"one array of shape {shape}", problems=(f"give the folder it belongs to, {shlex.quote(str(path.parent))}",))


def _shape(file: io.BufferedIOBase) -> tuple[int, ...]:
    """The shape of a .npy, from its header."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)[0]


# Features


def features(path: Path) -> Finding:
    """A folder of the SynSE family, an .npz of Flora, or our own; their labels say which rows they fit."""
    kind = "features"
    try:
        found = read_features(path)
    except InputError as error:
        return Finding(path, kind, problems=(str(error),))
    fitting = _fitting(found, path)
    known = [remark for remarks in fitting.values() for remark in remarks]
    if any("officially" in remark for remark in known):
        known.append("features need not hold the official numbers: those of SynSE do not (16,392 of 16,487 test clips of NTU-60)")
    kind += f": {len(found.y_train):,} clips of {len(found.seen)} seen classes, {len(found.y_unseen):,} of {len(found.unseen)} unseen ones"
    datasets = {one.dataset for one in all_benchmarks() if one.name in fitting}
    problems = () if fitting else ("its labels are the class lists of no published row; docs/BENCHMARKS.md has them",)
    command = f"tdsm reproduce {next(iter(fitting))} --data {shlex.quote(str(path))}" if fitting else ""
    dataset = found.dataset or (min(datasets) if len(datasets) == 1 else "")
    clips = len(found.y_train) + len(found.y_unseen)
    return Finding(path, kind, dataset, clips, benchmarks=tuple(fitting), known=tuple(known), problems=problems, next=command)


def _fitting(found: FeatureSet, path: Path) -> dict[str, list[str]]:
    """Row -> remarks, for the rows whose class lists these features have; those of another partition only when no other fits."""
    fitting = {}
    for one, draw in fitting_benchmarks(found):
        which = [f"{one.name}: class list {draw + 1} of {len(one.draws)}"] if len(one.draws) > 1 else []
        fitting[one.name] = which + [f"{one.name}: {remark}" for remark in check_against(found, one, draw, path)]
    return {name: remarks for name, remarks in fitting.items() if not any("another partition" in remark for remark in remarks)} or fitting


# Prompts and models


def class_lists(path: Path) -> list[Path]:
    """The files of a folder that start as SA-DVAE's tables do."""
    found = []
    for file in sorted(path.glob("*.csv")):
        with file.open("rb") as opened:
            if opened.readline(100).strip().removeprefix(b"\xef\xbb\xbf") == b"idx,label":
                found.append(file)
    return found


def prompts(path: Path, kind: str) -> Finding:
    """Published prompts: for which data sets do they serve?"""
    fits, faults = [], []
    for dataset in dataset_facts():
        try:
            published_prompts(path, dataset)
        except InputError as error:
            faults.append(str(error))
        else:
            fits.append(dataset)
    if not fits:
        return Finding(path, kind, problems=(f"fits no data set: {faults[0]}",))
    return Finding(path, kind, known=(f"prompts for {', '.join(fits)}",), next=f"tdsm.data.prompts.published.published_prompts({str(path)!r}, {fits[0]!r})")


def recognizer(path: Path, kind: str) -> Finding:
    """What save_pretrained wrote."""
    try:
        about = json.loads((path / "recognizer.json").read_text(encoding="utf-8"))
        known = (f"trained on {len(about['seen'])} classes: {', '.join(about['seen'])}", f"layout {about['layout']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Finding(path, kind, problems=(f"recognizer.json cannot be read ({error!r}); save it again",))
    lacking = [name for name in ("encoder.safetensors", "matcher.safetensors") if not (path / name).is_file()]
    problems = tuple(f"{name} is missing; take a complete copy" for name in lacking)
    return Finding(path, kind, known=known, problems=problems, next=f"tdsm predict {shlex.quote(str(path))} YOUR_CLIPS --labels 'any name, another name'")
