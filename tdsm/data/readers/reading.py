"""The loop over many files that all readers of data sets share.

A reader lists its files and converts one of them to clips. This module provides the rest: several processes, a progress bar, bad files that are skipped and
reported, and a clip store instead of memory, with which an interrupted reading resumes. At most two chunks of :data:`_CHUNK` files per process wait to be
stored.
"""

import multiprocessing
import os
import threading
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.disk import ClipStore, open_store
from tdsm.data.layouts import Layout
from tdsm.data.readers.archive import Archive
from tdsm.data.sharded import begin_shard
from tdsm.util.errors import InputError
from tdsm.util.progress import progress_bar
from tdsm.util.shard import Shard

__all__ = ["NoClip", "ReadOne", "Reading", "Results", "Skipped", "keep_clips", "read_files", "warn_skipped"]

_FILES_FOR_PROCESSES = 2000  # below this number, starting processes costs more than it saves
_CHUNK = 16  # files per message between processes: enough to amortise it, small in memory even for PKU-MMD's long videos


class NoClip(InputError):
    """None of the files gives a clip."""


class Skipped(NamedTuple):
    """A file, or a part of one, that gave no clip, and the reason."""

    name: str
    reason: str


ReadOne = Callable[[Archive, str], Sequence[Clip | Skipped]]
"""Converts one member of an archive to clips. It may return none; an entry of type :class:`Skipped` is reported; an unusable file raises InputError. It is
sent to other processes, so it must be a module-level function or a frozen dataclass with ``__call__``."""

_Result = tuple[str, Sequence[Clip | Skipped] | str]  # a file, and its clips or the reason why it is unusable
Results = Callable[[Collection[str]], Iterator[_Result]]
"""Maps the files that are already done to an iterator with one result for each of the others."""


def warn_skipped(skipped: Sequence[Skipped]) -> None:
    """One warning with the number of skipped files and the first five reasons; none if nothing was skipped."""
    if skipped:
        first = "; ".join(file.reason for file in skipped[:5])
        more = f"; and {len(skipped) - 5} more" if len(skipped) > 5 else ""
        warnings.warn(f"{len(skipped)} recordings gave no clip: {first}{more}", stacklevel=4)


@dataclass(frozen=True)
class Reading:
    """How a reader processes many files.

    Attributes:
        progress: show a progress bar.
        workers: number of processes; default: one per core, or only this process for fewer than 2,000 files. If processes are spawned (Windows,
            macOS), a script that uses several must be protected by ``if __name__ == "__main__":``.
        strict: raise an error at the first unusable file instead of skipping it.
        store: folder of a clip store (:mod:`tdsm.data.disk`) that holds the clips instead of memory. An existing store is continued: its files are not
            read again, only new or previously unusable ones. The clips are in the order in which they were read.
        report: function that is called once at the end with the skipped files.
        shard: read only the files of this shard of n, into a separate store inside ``store`` (:mod:`tdsm.data.sharded`), and return their clips.

    Raises:
        InputError: fewer than one process, or a shard without a store.
    """

    progress: bool = True
    workers: int | None = None
    strict: bool = False
    store: str | Path | None = None
    report: Callable[[Sequence[Skipped]], object] = warn_skipped
    shard: Shard | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise InputError("Reading", f"workers is {self.workers}", "give 1 or more processes")
        if self.shard is not None and self.store is None:
            raise InputError("Reading", "shard is given without a store", "give the folder of all shards as the store")

    def refuse_shard(self, path: Path) -> None:
        """Raise InputError if a shard is requested but the data are not read file by file."""
        if self.shard is not None:
            raise InputError(path, "is a single file, or read as one, and has no shards", "remove --shard")


def read_files(
    title: str, path: Path, files: Sequence[str], read_one: ReadOne, reading: Reading, *, name: str, layout: Layout, classes: Sequence[str]
) -> ClipSet:
    """Read files of one archive into a ClipSet, in their order.

    Args:
        title: text of the progress bar.
        path: the zip or the folder.
        files: members of it.
        read_one: converts one member to clips.
        reading: how to process the files.
        name: name of the data set.
        layout: layout of all clips.
        classes: class names, in the data set's own order.

    Raises:
        InputError: no file gives a clip (:class:`NoClip`), the store is not usable, or (``strict``) a file is not usable.
    """
    if reading.shard is not None:
        place, files = begin_shard(reading.store, files, reading.shard)
        reading = replace(reading, store=place)

    def results(done: Collection[str]) -> Iterator[_Result]:
        with closing(_results(path, [file for file in files if file not in done], read_one, reading.workers)) as each:
            for file, contents in each:
                if isinstance(contents, str) and reading.strict:
                    with Archive(path) as archive:
                        read_one(archive, file)  # raises its error in this process
                yield file, contents

    settings = getattr(read_one, "__qualname__", None) or repr(read_one)  # a dataclass is identified by its fields, a function by its name
    return keep_clips(title, path, "file", len(files), results, reading, settings, name=name, layout=layout, classes=classes)


def keep_clips(
    title: str, path: Path, unit: str, count: int, results: Results, reading: Reading, settings: str, *, name: str, layout: Layout, classes: Sequence[str]
) -> ClipSet:
    """Keep the clips of a data set's files, in memory or in the store. Other arguments: see :func:`read_files`.

    Args:
        unit: word for a file in messages.
        count: number of files.
        results: results of the files.
        settings: the reader's settings, which a store records so that clips read in two ways are never mixed.
    """
    clips: list[Clip] = []
    skipped: list[Skipped] = []
    store = None if reading.store is None else ClipStore(reading.store, name, layout, classes, settings)
    with store or nullcontext():
        done = frozenset() if store is None else frozenset(store.done)
        bar = progress_bar(shown=reading.progress, desc=title, total=count, initial=len(done), unit=unit, leave=False)
        with closing(results(done)) as each, bar:
            for file, contents in each:
                bar.update()
                if isinstance(contents, str):
                    skipped.append(Skipped(file, contents))
                    continue
                usable = [clip for clip in contents if isinstance(clip, Clip)]
                skipped += [part for part in contents if isinstance(part, Skipped)]
                clips.extend(usable) if store is None else store.add(file, usable)
        empty = not (clips if store is None else store.clips)
        if empty and reading.shard is None:
            raise NoClip(path, f"none of its {count} {unit}s gives a clip", skipped[0].reason if skipped else f"give {unit}s with bodies")
    if empty:  # the store of the shard is complete, without clips
        reading.report(skipped)
        raise NoClip(path, f"none of the {count} {unit}s of shard {reading.shard} gives a clip", "prepare the other shards")
    kept = ClipSet(tuple(clips), tuple(classes), name) if store is None else open_store(reading.store)
    reading.report(skipped)
    return kept


def _results(path: Path, files: Sequence[str], read_one: ReadOne, workers: int | None) -> Iterator[_Result]:
    """One result per file, in order."""
    count = workers or (1 if len(files) < _FILES_FOR_PROCESSES else os.cpu_count() or 1)
    if count == 1:
        with Archive(path) as archive:
            yield from (_attempt(archive, file, read_one) for file in files)
        return
    size = max(1, min(_CHUNK, len(files) // (4 * count)))
    waiting = deque()
    pool = ProcessPoolExecutor(count, initializer=_start, initargs=(path, read_one))
    try:
        for first in range(0, len(files), size):
            waiting.append(pool.submit(_read_chunk, files[first : first + size]))
            if len(waiting) == 2 * count:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start(path: Path, read_one: ReadOne) -> None:
    """Give a new process everything that its chunks share, once: the index of a large archive or a reader's table has megabytes."""
    global _archive, _read_one
    _archive, _read_one = Archive(path), read_one
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End with the parent process. Otherwise a pool's processes wait forever for the next chunk after the parent was killed."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _read_chunk(files: Sequence[str]) -> list[_Result]:
    return [_attempt(_archive, file, _read_one) for file in files]


def _attempt(archive: Archive, file: str, read_one: ReadOne) -> _Result:
    try:
        return file, read_one(archive, file)
    except InputError as error:
        return file, str(error)
