"""Search for clips by text, or by a similar clip, in a library of any size.

    clips -> recognizer -> z_x of the whole body (and of each part of it) -> z.npy, memory-mapped
    text  -> recognizer -> z_g --\\
                                  cosines with all rows -> the best rows, reranked by the denoiser -> Hits
    clip  -> z_x ---------------/

A library is a folder with two files. ``z.npy`` (1 or 6, N, C) holds unit vectors in half precision. ``library.json`` holds the clip of each row, the identity
of the recognizer, and a checksum. The search is exact: a matrix product over all rows, in blocks of 65,536 rows.
"""

import hashlib
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from tdsm.data.clips import Clip, ClipSet, as_clips
from tdsm.data.convert import brought_to
from tdsm.data.labels import as_labels
from tdsm.data.layouts import Layout
from tdsm.data.preprocess import preprocess_usable
from tdsm.data.readers import load_clips
from tdsm.recognizer import Recognizer, pretrained
from tdsm.util.errors import InputError
from tdsm.util.files import atomic, check_space, disk_faults, locked, read_sealed, write_sealed
from tdsm.util.npz import map_npy
from tdsm.util.progress import progress_bar
from tdsm.util.tables import html_table

__all__ = ["PARTS", "Hit", "Hits", "Library"]

_BLOCK = 512  # clips that are encoded and saved at a time
_ROWS = 65_536  # rows per matrix product
_FORMAT = 1
_AGAIN = "build the library again"

_LIMBS = {"arm": "collar|shoulder|elbow|wrist|hand|thumb|index|pinky", "leg": "hip|knee|ankle|foot|heel|big toe|small toe"}
PARTS = ("left arm", "right arm", "left leg", "right leg", "trunk")
"""Parts of the body for ``part=...``. The trunk contains every joint that belongs to no arm or leg, including the head."""


@dataclass(frozen=True)
class Hit:
    """One result of a search.

    Attributes:
        row: index of the clip in the library and in ``Library.clips``, which contain only usable clips.
        score: cosine of clip and query, at most 1. Reranking changes the order but not the scores.
        name, label, subject: name, label and subject of the clip; "" if it has none.
    """

    row: int
    score: float
    name: str
    label: str
    subject: str


@dataclass(frozen=True, eq=False)
class Hits(Sequence):
    """The results of a search, best first. A notebook displays them as a table.

    Attributes:
        query: the text, or the name of the clip, that was searched for.
        found: the hits.
        notes: one line per part of the text that was not understood.
    """

    query: str
    found: tuple[Hit, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: int) -> Hit:
        return self.found[index]

    def __repr__(self) -> str:
        lines = [f"{hit.score:.3f}  {hit.name}{f' ({hit.label})' if hit.label else ''}" for hit in self.found]
        return "\n".join([f"Hits for {self.query!r}:", *lines, *(f"({note})" for note in self.notes)])

    def _repr_html_(self) -> str:
        rows = [(f"{hit.score:.3f}", hit.name, hit.label, hit.subject) for hit in self.found]
        return html_table(rows, ("score", "clip", "label", "subject"), title=f"Hits for {self.query!r}", note="; ".join(self.notes))


@dataclass(frozen=True, eq=False)
class Library:
    """A searchable set of N encoded clips. :meth:`build` makes a library, and :meth:`open` reads it from its folder.

    Attributes:
        recognizer: encodes the queries; it also encoded the clips.
        z: (1 or 6, N, C) float16, unit vectors of the clips: of the whole body, then of each part in the order of :data:`PARTS`.
        names, labels, subjects: (N,) text arrays; "" where a clip has none.
        clips: the clips themselves; None for a library that was opened without them.
        index: index made by :meth:`indexed`; with None the search is exact.

    Example:
        >>> import tdsm
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> library = Library.build(synthetic_clips(1, actions=["bow", "squat", "jump"]), tdsm.pretrained())
        >>> len(library), len(library.search("somebody squats", k=2))
        (3, 2)
    """

    recognizer: Recognizer
    z: np.ndarray
    names: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray
    clips: ClipSet | None = None
    index: Any = None

    @classmethod
    def build(
        cls,
        clips: ClipSet | Sequence[Clip] | str | Path,
        recognizer: Recognizer | None = None,
        folder: str | Path | None = None,
        *,
        parts: bool = False,
        progress: bool = True,
    ) -> "Library":
        """Encode all clips once. An interrupted call resumes at its last saved block of clips.

        Args:
            clips: clips, or a file or folder for :func:`tdsm.load_clips`. Clips in which too few joints are seen are left out, with a warning.
            recognizer: an aligned recognizer; default: the shipped one.
            folder: folder to save the library in; default: the library stays in memory.
            parts: also encode the movement of each part of the body, for ``part=...``; six times the time and size.

        Raises:
            InputError: no usable clip, a folder with another library, a recognizer without a common space of clips and texts, or a full or read-only disk.
        """
        recognizer = _aligned(recognizer or pretrained())
        clips = _clip_set(clips)
        if folder is None:
            made = list(_blocks(recognizer, clips, 0, parts, progress))
            rows, z = [row for block, _ in made for row in block], np.concatenate([z for _, z in made], axis=1)
            _require_some(clips, rows)
            return cls(recognizer, z, *(np.array(column, dtype=np.str_) for column in _columns(clips, rows).values()), _those(clips, rows))
        folder = Path(folder)
        with locked(folder, wait=False, note="another process is building it"):
            about = {"format": _FORMAT, "recognizer": _identity(recognizer), "clips": clips.digest, "parts": parts, "total": len(clips)}
            _write(folder, clips, recognizer, about, progress)
        return cls.open(folder, recognizer, clips)

    @classmethod
    def open(cls, folder: str | Path, recognizer: Recognizer | None = None, clips: ClipSet | None = None) -> "Library":
        """Open a library that :meth:`build` wrote; its vectors are memory-mapped.

        Args:
            recognizer: the recognizer that built it; default: the shipped one.
            clips: the clips of the library, needed only to display results.

        Raises:
            InputError: the library is incomplete or damaged, or was built with another recognizer or other clips.
        """
        folder, recognizer = Path(folder), _aligned(recognizer or pretrained())
        about = read_sealed(folder / "library.json", _AGAIN)
        if about.get("format") != _FORMAT:
            raise InputError(folder, f"has format {about.get('format')!r}, this version reads {_FORMAT}", _AGAIN)
        if about.get("recognizer") != _identity(recognizer):
            raise InputError(folder, "was built with another recognizer", f"open it with that recognizer, or {_AGAIN}")
        if clips is not None and about.get("clips") != clips.digest:
            raise InputError(folder, "was built from other clips", f"give those clips, or {_AGAIN}")
        if not about.get("complete"):
            raise InputError(folder, f"is not complete: {about.get('done')} of {about.get('total')} clips", "call build again, which resumes")
        z = map_npy(folder / "z.npy", remedy=_AGAIN)
        if (z.dtype, z.shape) != (np.float16, (1 + len(PARTS) * about["parts"], len(about["names"]), recognizer.backbone.features)):
            raise InputError(folder / "z.npy", f"is {z.dtype} of shape {z.shape} for {len(about['names'])} clips", _AGAIN)
        columns = (np.array(about[column], dtype=np.str_) for column in ("names", "labels", "subjects"))
        return cls(recognizer, z, *columns, None if clips is None else _those(clips, _used(len(clips), about["left_out"])))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def parts(self) -> bool:
        """Whether the library contains vectors of single parts of the body."""
        return len(self.z) > 1

    def search(self, text: str, k: int = 12, *, part: str | None = None, label: str | None = None, subject: str | None = None, rerank: int = 50) -> Hits:
        """Find the k clips that fit a text best.

        Args:
            text: a name, a phrase or a sentence.
            k: number of clips to return.
            part: one of :data:`PARTS`, to compare only the movement of that part.
            label, subject: search only clips with this label or subject.
            rerank: number of the best clips by cosine that the denoiser ranks again; no effect without a trained denoiser.

        Raises:
            InputError: a text without words, k below 1, an unknown part, or a label or subject that no clip has.
        """
        if isinstance(rerank, bool) or not isinstance(rerank, int) or rerank < 0:
            raise InputError("rerank", f"is {rerank!r:.60}", "give a number of clips, 0 or more")
        z_g = self.recognizer.text([text]).z_g
        rows, scores = self._best(F.normalize(z_g, dim=-1).cpu()[0], max(k, rerank), part, label, subject, k)
        if rerank and part is None and self.recognizer.config.train.steps:
            first = torch.from_numpy(np.array(self.z[0, rows[:rerank]], np.float32)) * self.z.shape[2] ** 0.5
            order = self.recognizer.scores(first, [text])[:, 0].cpu().numpy().argsort()[::-1]
            rows[:rerank], scores[:rerank] = rows[:rerank][order], scores[:rerank][order]
        notes = tuple(remark for reading in self.recognizer.backbone.readings(as_labels([text])) for remark in reading.remarks)
        return self._hits(text, rows[:k], scores[:k], notes)

    def like(self, clip: Clip, k: int = 12, *, part: str | None = None, label: str | None = None, subject: str | None = None) -> Hits:
        """Find the k clips most similar to ``clip``, which comes first if it is in the library. Other arguments and errors as in :meth:`search`."""
        place = self._place(part)
        if not isinstance(clip, Clip):
            raise InputError("clip", f"is a {type(clip).__name__}", "give a Clip, such as library.clips[0]")
        direction = _directions(self.recognizer, [clip], part is not None)[0][place, 0]
        rows, scores = self._best(direction, k, part, label, subject, k)
        return self._hits(f"like {clip.name}", rows, scores, ())

    def indexed(self, neighbours: int = 32) -> "Library":
        """The same library with a faiss index (HNSW, inner product; ``pip install "tdsm[index]"``), for more than a million clips.

        Searches over the whole body without filters use the index, which may miss a clip. All other searches, and those for which the index returns too
        few clips, are exact. The index is built in memory and is about three times as large as ``z``.

        Args:
            neighbours: neighbours per clip in the index. A larger number misses fewer clips and takes longer.

        Raises:
            InputError: faiss is not installed, or ``neighbours`` is below 2.
        """
        if isinstance(neighbours, bool) or not isinstance(neighbours, int) or neighbours < 2:
            raise InputError("neighbours", f"is {neighbours!r}", "give 2 or more; 32 is usual")
        try:
            import faiss
        except ImportError as error:
            raise InputError("index", "needs faiss", 'pip install "tdsm[index]"') from error
        index = faiss.IndexHNSWFlat(self.z.shape[2], neighbours, faiss.METRIC_INNER_PRODUCT)
        for start in range(0, len(self), _ROWS):
            index.add(np.ascontiguousarray(self.z[0, start : start + _ROWS], dtype=np.float32))
        return replace(self, index=index)

    def _nearest(self, direction: Float[Tensor, " channel"], count: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The rows and scores that the index returns, best first; None if it returns fewer than ``count`` rows (it fills the rest with -1)."""
        self.index.hnsw.efSearch = max(64, 2 * count)
        scores, rows = (each[0] for each in self.index.search(direction.numpy()[None], count))
        found = (rows >= 0) & np.isfinite(scores)
        order = np.lexsort((rows[found], -scores[found]))
        return (rows[found][order], scores[found][order]) if found.sum() == count else None

    def _place(self, part: str | None) -> int:
        if part is None:
            return 0
        if part not in PARTS:
            raise InputError("part", f"{part!r} is not a part of the body", f"choose {', '.join(PARTS)}")
        if len(self.z) == 1:
            raise InputError("part", "the library was built without parts", "build it with parts=True")
        return 1 + PARTS.index(part)

    def _best(
        self, direction: Float[Tensor, " channel"], count: int, part: str | None, label: str | None, subject: str | None, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and cosines of the ``count`` best clips; rows with equal cosines are in ascending order."""
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise InputError("k", f"is {k!r}", "give a number of clips, 1 or more")
        if self.index is not None and (part, label, subject) == (None, None, None):
            found = self._nearest(direction, min(count, len(self)))
            if found is not None:
                return found
        z, allowed = self.z[self._place(part)], np.ones(len(self), bool)
        for what, values, wanted in (("label", self.labels, label), ("subject", self.subjects, subject)):
            if wanted is not None:
                allowed &= values == wanted
                if not (values == wanted).any():
                    raise InputError(what, f"no clip has {wanted!r}", f"choose among {', '.join(map(str, np.unique(values)[:8]))}")
        scores = np.concatenate([(torch.from_numpy(np.array(z[start : start + _ROWS])).float() @ direction).numpy() for start in range(0, len(z), _ROWS)])
        scores[~allowed] = -np.inf
        count = min(count, int(allowed.sum()))
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        rows = np.flatnonzero(scores >= least)
        return (rows := rows[np.argsort(-scores[rows], kind="stable")][:count]), scores[rows]

    def _hits(self, query: str, rows: np.ndarray, scores: np.ndarray, notes: tuple[str, ...]) -> Hits:
        columns = zip(rows.tolist(), scores.tolist(), self.names[rows], self.labels[rows], self.subjects[rows], strict=True)
        return Hits(query, tuple(Hit(row, score, str(name), str(label), str(subject)) for row, score, name, label, subject in columns), notes)

    def __repr__(self) -> str:
        return f"Library({len(self)} clips, {len(set(self.labels.tolist()) - {''})} labels{', parts' if len(self.z) > 1 else ''})"


def _write(folder: Path, clips: ClipSet, recognizer: Recognizer, about: dict[str, object], progress: bool) -> None:
    """Write the parts of a library that are missing; ``library.json`` records the progress after each block."""
    path, width, layers = folder / "library.json", recognizer.backbone.features, 1 + len(PARTS) * bool(about["parts"])
    state = about | {"done": 0, "complete": False, "left_out": []}
    if path.exists():
        state = read_sealed(path, _AGAIN)
        if {key: state.get(key) for key in about} | {"parts": 0} != about | {"parts": 0}:
            raise InputError(folder, "holds another library", "give another folder, or delete this one")
        if about["parts"] and not state["parts"]:
            raise InputError(folder, "holds a library without parts", "give another folder, or delete this one")
        layers = 1 + len(PARTS) * bool(state["parts"])
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            check_space(folder, 2 * layers * len(clips) * width)
            np.lib.format.open_memmap(folder / "z.npy", mode="w+", dtype=np.float16, shape=(layers, len(clips), width)).flush()
            write_sealed(path, state)
    if state["complete"]:
        return
    z = map_npy(folder / "z.npy", "r+", _AGAIN)
    for block, found in _blocks(recognizer, clips, int(state["done"]), layers > 1, progress):
        start, end = int(state["done"]), min(int(state["done"]) + _BLOCK, len(clips))
        kept = start - len(state["left_out"])
        z[:, kept : kept + len(block)] = found
        z.flush()
        state |= {"done": end, "left_out": [*state["left_out"], *sorted(set(range(start, end)) - set(block))]}
        write_sealed(path, state)
    rows = _used(len(clips), state["left_out"])
    _require_some(clips, rows)
    if len(rows) < z.shape[1]:  # drop the rows of clips that could not be used
        with disk_faults(folder), atomic(folder / "z.npy") as partial, partial.open("wb") as file:
            np.save(file, np.array(z[:, : len(rows)]))
    write_sealed(path, state | _columns(clips, rows) | {"complete": True})


def _used(count: int, left_out: Sequence[int]) -> list[int]:
    """Indices of the clips that are in a library, out of ``count`` clips."""
    return sorted(set(range(count)) - set(left_out))


def _blocks(recognizer: Recognizer, clips: ClipSet, start: int, parts: bool, progress: bool) -> Iterator[tuple[list[int], np.ndarray]]:
    """Blocks of clips from ``start`` on: the indices of the usable clips, and their unit vectors in half precision."""
    for first in progress_bar(range(start, len(clips), _BLOCK), shown=progress and len(clips) > _BLOCK, desc="library", unit=f"{_BLOCK} clips"):
        block = [clips[row] for row in range(first, min(first + _BLOCK, len(clips)))]
        try:
            found, used = _directions(recognizer, block, parts)
        except InputError as error:  # no clip of the block can be used
            warnings.warn(str(error), stacklevel=4)
            found, used = torch.zeros(1 + len(PARTS) * parts, 0, recognizer.backbone.features), []
        yield [first + row for row in used], found.half().numpy()


def _columns(clips: ClipSet, rows: Sequence[int]) -> dict[str, list[str]]:
    chosen = [clips[row] for row in rows]
    return {"names": [clip.name for clip in chosen], "labels": [clip.label or "" for clip in chosen], "subjects": [clip.subject or "" for clip in chosen]}


def _those(clips: ClipSet, rows: Sequence[int]) -> ClipSet:
    return clips if len(rows) == len(clips) else ClipSet(tuple(clips[row] for row in rows), clips.classes, clips.name)


def _clip_set(clips: ClipSet | Sequence[Clip] | str | Path) -> ClipSet:
    if isinstance(clips, str | Path):
        return load_clips(clips)
    return clips if isinstance(clips, ClipSet) else ClipSet(tuple(as_clips(clips)), name="clips")


def _aligned(recognizer: Recognizer) -> Recognizer:
    """Return the recognizer. Raises InputError: its clips and texts have no common space in which they can be compared."""
    if recognizer.backbone.kind != "aligned" or recognizer.layout is None:
        raise InputError("recognizer", f"has a {recognizer.backbone.kind} backbone", "use tdsm.pretrained(), or a recognizer trained with Config() or init")
    return recognizer


def _require_some(clips: ClipSet, rows: Sequence[int]) -> None:
    if not rows:
        raise InputError(clips.name, "too few joints are seen in every clip", "give other clips")


@torch.no_grad()
def _directions(recognizer: Recognizer, clips: Sequence[Clip], parts: bool) -> tuple[Float[Tensor, "layer clip channel"], list[int]]:
    """Unit vectors of the usable clips (whole body, then parts), and their indices. For a part, all other joints keep their place of the first frame."""
    bodies, _ = brought_to(list(clips), recognizer.layout)
    x, used = preprocess_usable(bodies, recognizer.backbone.preprocess)
    x = torch.from_numpy(x)
    layers = [x]
    for moving in _joints(recognizer.layout) if parts else ():
        layers.append(torch.where(moving[:, None], x, x[:, :, :1]))
    return torch.stack([F.normalize(recognizer.backbone.rows(layer), dim=-1).cpu() for layer in layers]), list(used)


def _joints(layout: Layout) -> Bool[Tensor, "part joint"]:
    """(5, V) bool: the joints of each part. Each joint belongs to exactly one part."""
    limbs = [f"{part.split()[0]} ({_LIMBS[part.split()[1]]})" for part in PARTS[:-1]]
    moving = torch.tensor([[re.match(limb, joint) is not None for joint in layout.joints] for limb in limbs])
    return torch.cat((moving, ~moving.any(dim=0, keepdim=True)))


def _identity(recognizer: Recognizer) -> str:
    """sha256 of the backbone's weights and of its preprocessing."""
    digest = hashlib.sha256(repr(recognizer.backbone.preprocess).encode())
    for name, tensor in sorted(recognizer.backbone.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
