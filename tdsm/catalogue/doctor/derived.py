"""Files made from a data set: clips, features, prompts, trained recognizers; ours or those of others."""

import csv
import json
import lzma
import shlex
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path

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

__all__ = ["DAMAGED", "door", "features", "is_class_list", "own_clips", "prompts", "read_clips", "recognizer"]

DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, KeyError, RuntimeError, NotImplementedError)
DAMAGED += (MemoryError, OverflowError, TypeError, SyntaxError, tokenize.TokenError)  # headers of arrays
"""Exceptions when a damaged zip or array is opened (RuntimeError: encrypted)."""


def door(path: Path) -> tuple[ClipSet | None, tuple[str, ...]]:
    """The clips of :func:`~tdsm.data.readers.load_clips` and its remarks, one line each; None and the reason if it refuses them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            clips = load_clips(path, reading=Reading(progress=False))
        except InputError as error:
            return None, (str(error),)
    return clips, tuple(str(warning.message) for warning in caught)


def read_clips(path: Path, kind: str) -> Finding:
    """Identify a clip store, or clips in one .npz."""
    clips, problems = door(path)
    if clips is None:
        return Finding(path, kind, problems=problems)
    names, labels = [clip.name for clip in clips], [clip.label for clip in clips]
    notes = [f"layout {clips.layout.name}"]
    return finding_of_clips(path, kind, clips.name, names, labels, clips.classes, notes=notes, problems=problems)


def own_clips(path: Path) -> Finding:
    """Identify a folder with clips.csv."""
    try:
        with (path / TABLE).open(encoding="utf-8-sig", newline="") as file:
            rows = [{(key or "").strip(): value for key, value in row.items()} for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return Finding(path, f"clips with {TABLE}", problems=(f"{TABLE} is not a UTF-8 table with commas ({error}); save it again",))
    names, labels = ([str(row.get(column) or "").strip() for row in rows] for column in ("file", "label"))
    lost = [name for name in names if not (path / name).is_file()]
    problems = [f"{len(lost)} files of {TABLE} are missing, first {lost[0]!r}; correct the names"] if lost else []
    clips, remarks = door(path)  # for result files the table may name videos
    problems = problems if clips is None and problems else remarks
    return finding_of_clips(path, f"your own clips, a folder with {TABLE}", "", names, labels, (), problems=problems)


def features(path: Path) -> Finding:
    """Identify features: a folder of the SynSE family, an .npz of Flora, or our own. Their labels determine which rows they fit."""
    try:
        published = read_features(path)
    except InputError as error:
        return Finding(path, "features", problems=(str(error),))
    fitting = _fitting(published, path)
    notes = [remark for remarks in fitting.values() for remark in remarks]
    if any("officially" in remark for remark in notes):
        notes.append("features may have fewer clips than officially stated; those of SynSE do (16,392 of 16,487 test clips of NTU-60)")
    train, test = len(published.y_train), len(published.y_unseen)
    kind = f"features: {train:,} clips of {len(published.seen)} seen classes, {test:,} of {len(published.unseen)} unseen ones"
    datasets = {row.dataset for row in all_benchmarks() if row.name in fitting}
    problems = () if fitting else ("its labels match the class lists of no published row; see docs/BENCHMARKS.md",)
    command = f"tdsm reproduce {next(iter(fitting))} --data {shlex.quote(str(path))}" if fitting else ""
    dataset = published.dataset or (min(datasets) if len(datasets) == 1 else "")
    return Finding(path, kind, dataset, train + test, benchmarks=tuple(fitting), notes=tuple(notes), problems=problems, next=command)


def _fitting(published: FeatureSet, path: Path) -> dict[str, list[str]]:
    """Remarks by row, for the rows whose class lists match these features. Rows of another partition are included only if no other row fits."""
    fitting = {}
    for row, draw in fitting_benchmarks(published):
        which = [f"{row.name}: class list {draw + 1} of {len(row.draws)}"] if len(row.draws) > 1 else []
        fitting[row.name] = which + [f"{row.name}: {remark}" for remark in check_against(published, row, draw, path)]
    return {name: remarks for name, remarks in fitting.items() if not any("the partition may not be" in remark for remark in remarks)} or fitting


def is_class_list(path: Path) -> bool:
    """Whether a file starts like a table of SA-DVAE."""
    with path.open("rb") as file:
        return file.readline(100).strip().removeprefix(b"\xef\xbb\xbf").startswith(b"idx,label")


def prompts(path: Path, kind: str) -> Finding:
    """Identify published prompts and the data sets that they fit."""
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
    return Finding(path, kind, notes=(f"prompts for {', '.join(fits)}",), next=f"tdsm.data.prompts.published.published_prompts({str(path)!r}, {fits[0]!r})")


def recognizer(path: Path, kind: str) -> Finding:
    """Identify a folder that save_pretrained wrote."""
    try:
        about = json.loads((path / "backbone.json").read_text(encoding="utf-8"))
        seen = f"{len(about['seen'])} classes: {', '.join(about['seen'])}" if about["seen"] else "generated movement only"
        notes = (f"trained on {seen}", f"layout {about['layout']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Finding(path, kind, problems=(f"backbone.json cannot be read ({error!r}); save it again",))
    lacking = [name for name in ("backbone.safetensors", "matcher.safetensors") if not (path / name).is_file()]
    problems = tuple(f"{name} is missing; get a complete copy" for name in lacking)
    return Finding(path, kind, notes=notes, problems=problems, next=f"tdsm predict {shlex.quote(str(path))} YOUR_CLIPS --labels 'any name, another name'")
