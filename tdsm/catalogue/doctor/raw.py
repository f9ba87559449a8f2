"""Original downloads, recognised by their file names; no skeleton file is opened.

Only the labels of PKU-MMD and the label tables of Kinetics are read, because their file names do not show the classes. Pickles are searched for names.
"""

import io
import json
import mmap
import os
import re
import shlex
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tdsm.catalogue.doctor.derived import door
from tdsm.catalogue.doctor.finding import Finding, finding_of_clips, next_command, rows_served
from tdsm.catalogue.rows import dataset_facts
from tdsm.data.readers import kinetics, msr_action3d, ntu, nw_ucla, openpose_json, pku_mmd, utd_mhad

__all__ = ["Files", "open_files", "pickled", "raw_findings"]

Matches = list[tuple[str, re.Match]]  # file names and their matches
_NTU_60_ACTIONS, _NTU_60_SETUPS = 60, 17
_BY_NAMES = "counted from file names; no file was opened, so damage is only found when reading"
_NTU_NAME = re.compile(rb"S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}")
_READ = 20_000  # OpenPose files to check; more would take minutes
_LABEL_BYTES = 1 << 20  # largest label file of PKU-MMD; skeleton files are much larger
_KINETICS_TABLE = re.compile(r"(?:.*/)?kinetics_(train|val)_label\.json")


class Files:
    """The files of a folder or zip, by name. None is opened.

    Attributes:
        path: the folder or zip.
        names: names relative to it, with forward slashes, sorted.
        bases: the names without folders.
        size: function that returns the unpacked size of a file in bytes.
        open: function that opens a file for reading bytes.
    """

    def __init__(self, path: Path, names: Sequence[str], size: Callable[[str], int], open: Callable[[str], io.BufferedIOBase]) -> None:
        self.path, self.names, self.size, self.open = path, sorted(names), size, open
        self.bases = [name.rpartition("/")[2] for name in self.names]

    def matching(self, pattern: re.Pattern, whole: bool = False) -> Matches:
        """(name, match) of the files whose base name (or, with ``whole``, full name) matches."""
        texts = self.names if whole else self.bases
        return [(name, match) for name, text in zip(self.names, texts, strict=True) if (match := pattern.fullmatch(text))]


@contextmanager
def open_files(path: Path) -> Iterator[Files]:
    """The files of a folder at any depth, or of a zip.

    Raises:
        zipfile.BadZipFile: not a complete zip.
    """
    if path.is_dir():
        folders = ((Path(folder).relative_to(path).as_posix(), inside) for folder, _, inside in os.walk(path))
        names = [name if folder == "." else f"{folder}/{name}" for folder, inside in folders for name in inside]
        yield Files(path, names, lambda name: (path / name).stat().st_size, lambda name: (path / name).open("rb"))
        return
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        yield Files(path, names, lambda name: archive.getinfo(name).file_size, archive.open)


def raw_findings(files: Files) -> list[Finding]:
    """One finding per data set whose files are present."""
    recorded = (
        ("UTD-MHAD, original files", "utd-mhad", utd_mhad.MEMBER, utd_mhad.CLASSES, range(1, 28)),
        ("NW-UCLA as JSON files", "nw-ucla", nw_ucla.MEMBER, nw_ucla.CLASSES, (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)),
        ("MSR-Action3D, 3-D skeletons", "msr-action3d", msr_action3d.MEMBER, msr_action3d.CLASSES, range(1, 21)),
    )
    findings = []
    for kind, dataset, form, classes, codes in recorded:
        if matches := files.matching(form):
            findings.append(_recordings(files, kind, dataset, matches, classes, codes))
    for form, look in ((ntu.MEMBER, _ntu), (pku_mmd.MEMBER, _pku), (kinetics.MEMBER, _kinetics), (openpose_json.MEMBER, _openpose)):
        if matches := files.matching(form, whole=form is kinetics.MEMBER):
            findings.append(look(files, matches))
    return findings


def _recordings(files: Files, kind: str, dataset: str, matches: Matches, classes: Sequence[str], codes: Sequence[int], group: int = 1) -> Finding:
    """Files whose names hold the class as a number in ``group`` of the match; the k-th of ``codes`` is the k-th class."""
    label = dict(zip(codes, classes, strict=True))
    names = [match[0].partition(".")[0] for _, match in matches]
    labels = [label.get(int(match[group])) for _, match in matches]
    twice = [name for name, count in Counter(names).items() if count > 1]
    problems = [f"{len(twice)} recordings occur more than once, first {twice[0]}; keep one copy"] if twice else []
    problems += [f"{labels.count(None)} files have unknown action numbers; remove them"] if None in labels else []
    return finding_of_clips(files.path, kind, dataset, names, labels, classes, notes=[_BY_NAMES], problems=problems, raw=True)


def _ntu(files: Files, matches: Matches) -> Finding:
    setups, actions = ([int(match[group]) for _, match in matches] for group in (1, 5))
    in_60 = max(setups) <= _NTU_60_SETUPS and max(actions) <= _NTU_60_ACTIONS
    dataset = "ntu-60" if in_60 else "ntu-120"
    classes = ntu.CLASSES[: dataset_facts()[dataset].classes]
    finding = _recordings(files, "NTU RGB+D, .skeleton files", dataset, matches, classes, range(1, len(classes) + 1), 5)
    if in_60 or min(setups) <= _NTU_60_SETUPS:
        return finding
    first = "only the archive of setups 18 to 32; NTU RGB+D 120 also needs nturgbd_skeletons_s001_to_s017.zip: give both"
    command = f"tdsm reproduce {rows_served('ntu-120')[0]} --data nturgbd_skeletons_s001_to_s017.zip --data {shlex.quote(str(files.path))}"
    rows = tuple(name for name in finding.benchmarks if name.startswith("ntu-120"))
    return replace(finding, benchmarks=rows, problems=(first,), next=command)


def _pku(files: Files, matches: Matches) -> Finding:
    labels, skeletons = defaultdict(list), set()
    for name, match in matches:
        rows = _pku_rows(files, name)
        if rows is None:
            skeletons.add(match[0].removesuffix(".txt"))
        else:
            labels[match[0].removesuffix(".txt")] += rows
    names, actions = [], []
    for video in sorted(skeletons & labels.keys()):
        names += [f"{video}#{number}" for number in range(1, 1 + len(labels[video]))]
        actions += [pku_mmd.CLASSES[action - 1] if 1 <= action <= len(pku_mmd.CLASSES) else None for action in labels[video]]
    second = any(video.startswith("A") for video in skeletons | labels.keys())
    whole = dataset_facts()["pku-mmd"].videos
    bare, orphans = sorted(skeletons - labels.keys()), sorted(labels.keys() - skeletons)
    problems = [
        f"{len(bare)} videos have no labels, first {bare[0]}; put Train_Label_PKU_final next to the skeletons" if bare else "",
        f"{len(orphans)} label files have no video, first {orphans[0]}; put PKU_Skeleton_Renew next to the labels" if orphans else "",
        f"{len(skeletons):,} of {whole:,} videos; complete the download" if not second and len(skeletons) < whole else "",
    ]
    kind = f"PKU-MMD, phase {'II' if second else 'I'}, {len(skeletons):,} videos with labels"
    notes = ["the label files define the clips; the skeletons were not opened"]
    if second:
        rows = "no row of a published table uses phase II"
        counts = dict(Counter(action for action in actions if action))
        return Finding(files.path, kind, "pku-mmd", len(names), counts, notes=(*notes, rows), problems=tuple(filter(None, problems)))
    return finding_of_clips(files.path, kind, "pku-mmd", names, actions, pku_mmd.CLASSES, notes=notes, problems=problems, raw=True)


def _pku_rows(files: Files, name: str) -> list[int] | None:
    """Action numbers of a label file; None for another file. Label files have commas, skeleton files have none."""
    if files.size(name) > _LABEL_BYTES:
        return None
    with files.open(name) as file:
        content = file.read()
    lines = [line for line in content.split(b"\n") if line.strip()]
    if not lines or b"," not in lines[0]:
        return None
    return [int(number) if (number := line.partition(b",")[0].strip()).isdigit() else 0 for line in lines]


def _kinetics(files: Files, matches: Matches) -> Finding:
    clips = {f"{match[1]}/{match[2]}" for _, match in matches}
    tables, problems = {}, []
    for name, match in files.matching(_KINETICS_TABLE, whole=True):
        rows = _kinetics_rows(files, name)
        problems += [] if rows else [f"{name} is not a label table; download it again"]
        tables |= {f"{match[1]}/{clip}": row for clip, row in rows.items()}
    parts = {name.partition("/")[0] for name in clips}
    tabled = {name.partition("/")[0] for name in tables}
    problems += [f"kinetics_{part}_label.json is missing, so the classes of {part} are unknown; add it" for part in sorted(parts - tabled)]
    problems += [f"kinetics_{part} is missing; complete the download" for part in sorted({"train", "val"} - parts)]
    lost = [name for name in tables if name not in clips and name.partition("/")[0] in parts]
    problems += [f"{len(lost):,} clips of the label tables are missing, first {lost[0]}; complete the download"] if lost else []
    empty = sum(not tables[name].get("has_skeleton", True) for name in clips & tables.keys())
    names = sorted(name for name in clips if tables.get(name, {}).get("has_skeleton", True))
    labels = [tables.get(name, {}).get("label") for name in names]
    notes = ["counted by file names and label tables; no skeleton was opened", "officially about 240,000 train and 20,000 test"]
    notes += [f"{empty:,} clips have no skeleton according to the label tables and are skipped"] if empty else []
    return finding_of_clips(files.path, "Kinetics-skeleton", "kinetics-400", names, labels, kinetics.CLASSES, notes=notes, problems=problems, raw=True)


def _kinetics_rows(files: Files, name: str) -> dict[str, dict]:
    """Rows of a label table by ID; empty if the file is not such a table."""
    with files.open(name) as file:
        try:
            table = json.load(file)
        except (ValueError, RecursionError):
            return {}
    return table if isinstance(table, dict) and all(isinstance(row, dict) for row in table.values()) else {}


def _openpose(files: Files, matches: Matches) -> Finding:
    videos = {f"{PurePosixPath(name).parent}/{match[1] or ''}" for name, match in matches}
    notes = (f"{len(matches):,} frames; the files hold neither labels nor the frame rate",)
    command = f"tdsm predict {shlex.quote(str(files.path))} --labels 'any name, another name'"
    problems = door(files.path)[1] if len(matches) <= _READ else ()
    return Finding(files.path, f"poses by OpenPose, {len(videos)} videos", clips=len(videos), notes=notes, problems=problems, next=command)


def pickled(path: Path) -> Finding:
    """Identify an annotation pickle by the words and names in it. It is searched as bytes; none of its instructions is executed."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        annotated, tabled, scored = (content.find(word) >= 0 for word in (b"annotations", b"raw_file", b"keypoint_score"))
        names = sorted({match[0].decode() for match in _NTU_NAME.finditer(content)})
    if annotated and tabled:
        return _kinetics_pickle(path)
    if not annotated or not names:
        return Finding(path, "a pickle", problems=("it holds no annotations of NTU RGB+D or Kinetics; give a pickle of pyskl or MMAction2",))
    recordings = [ntu.parse_name(name) for name in names if 1 <= int(name[-3:]) <= len(ntu.CLASSES)]
    in_60 = all(recording.action <= _NTU_60_ACTIONS and recording.setup <= _NTU_60_SETUPS for recording in recordings)
    classes = ntu.CLASSES[:_NTU_60_ACTIONS] if in_60 else ntu.CLASSES
    kind = f"NTU RGB+D {'in 2-D (COCO-17)' if scored else 'in 3-D'}, annotation pickle"
    notes = ["counted from the names in it; pyskl and MMAction2 removed ghost bodies differently, so their pickles differ"]
    labels = [ntu.CLASSES[recording.action - 1] for recording in recordings]
    return finding_of_clips(path, kind, f"ntu-{len(classes)}", names, labels, classes, notes=notes)


def _kinetics_pickle(path: Path) -> Finding:
    notes = ("an index; the skeletons are in the folder kpfiles/ next to it",)
    lacking = () if (path.parent / "kpfiles").is_dir() else ("the folder kpfiles/ is missing; tdsm/data/readers/pyskl.py says where to get it",)
    kind, command = "Kinetics in 2-D (COCO-17), annotation pickle", next_command(path, "kinetics-400")
    return Finding(path, kind, "kinetics-400", benchmarks=rows_served("kinetics-400"), notes=notes, problems=lacking, next=command)
