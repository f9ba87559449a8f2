"""One loop over many files, which every reader of a data set goes through.

A reader knows which files there are and how one of them becomes clips; the rest is here: several processes, a progress bar, bad files that are skipped and
reported, and a clip store in place of memory, from which a killed reading goes on. No more than two chunks of :data:`_CHUNK` files a process wait to be kept.
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

_FILES_FOR_PROCESSES = 2000  # below that, starting processes costs more than it saves
_CHUNK = 16  # files: large against the cost of a message between processes, small in memory even for PKU-MMD's long videos


class NoClip(InputError):
    """No file that was read gives a clip."""


class Skipped(NamedTuple):
    """A file, or a part of one, that gave no clip, and why."""

    name: str
    reason: str


ReadOne = Callable[[Archive, str], Sequence[Clip | Skipped]]
"""Makes clips of one member of an archive. It may return none; what stands as :class:`Skipped` among the clips is reported; a file that cannot
be used raises InputError. It goes to other processes, so it is a function at the top of a module or a frozen dataclass with ``__call__``."""

_Result = tuple[str, Sequence[Clip | Skipped] | str]  # a file, and what it holds or why it cannot be used
Results = Callable[[Collection[str]], Iterator[_Result]]
"""From the files that are done already to one result for each of the others."""


def warn_skipped(skipped: Sequence[Skipped]) -> None:
    """One warning that counts what was skipped and gives the first five reasons; none when there is nothing."""
    if skipped:
        first = "; ".join(file.reason for file in skipped[:5])
        more = f"; and {len(skipped) - 5} more" if len(skipped) > 5 else ""
        warnings.warn(f"{len(skipped)} recordings gave no clip: {first}{more}", stacklevel=4)


@dataclass(frozen=True)
class Reading:
    """How a reader goes through many files.

    Attributes:
        progress: show a progress bar.
        workers: processes; left out: one a core, or this process alone for fewer than 2,000 files. Where processes are spawned (Windows,
            macOS), a script that reads with several must stand under ``if __name__ == "__main__":``.
        strict: raise at the first file that cannot be used, rather than skip it.
        store: a folder for a clip store (:mod:`tdsm.data.disk`) that holds the clips in place of the memory. One that is there is gone on with: its
            files are not read again, only those that are new or could not be used. The clips stand in the order in which they were read.
        report: called once at the end with what this reading skipped.
        shard: read only the files of this one of n shards, into a store of its own inside ``store`` (:mod:`tdsm.data.sharded`), and give their clips.

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
            raise InputError("Reading", "shard is given without a store", "give the folder of all shards as store")

    def refuse_shard(self, path: Path) -> None:
        """Raises InputError if a shard is asked of what is not read file by file."""
        if self.shard is not None:
            raise InputError(path, "is one file, or read as one, so that it has no shards", "leave --shard out")


def read_files(
    title: str, path: Path, files: Sequence[str], read_one: ReadOne, reading: Reading, *, name: str, layout: Layout, classes: Sequence[str]
) -> ClipSet:
    """Read files of one archive into a ClipSet, in their order.

    Args:
        title: what the progress bar says.
        path: the zip or the folder.
        files: members of it.
        read_one: makes clips of one member.
        reading: how to go through them.
        name: the data set's name.
        layout: the layout of all clips.
        classes: the class names, in the data set's own order.

    Raises:
        InputError: no file gives a clip (:class:`NoClip`), the store cannot be used, or (``strict``) a file cannot.
    """
    if reading.shard is not None:
        place, files = begin_shard(reading.store, files, reading.shard)
        reading = replace(reading, store=place)

    def results(done: Collection[str]) -> Iterator[_Result]:
        with closing(_results(path, [file for file in files if file not in done], read_one, reading.workers)) as each:
            for file, contents in each:
                if isinstance(contents, str) and reading.strict:
                    with Archive(path) as archive:
                        read_one(archive, file)  # raises here what it raised in its process
                yield file, contents

    settings = getattr(read_one, "__qualname__", None) or repr(read_one)  # a dataclass shows its fields, a function its name
    return keep_clips(title, path, "file", len(files), results, reading, settings, name=name, layout=layout, classes=classes)


def keep_clips(
    title: str, path: Path, unit: str, count: int, results: Results, reading: Reading, settings: str, *, name: str, layout: Layout, classes: Sequence[str]
) -> ClipSet:
    """Go through the files of a data set and keep their clips, in memory or in the store; the other arguments are those of :func:`read_files`.

    Args:
        unit: what messages call a file.
        count: how many there are.
        results: what the files hold.
        settings: what a store remembers of its reader, so that clips read in two ways never mix.
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
            raise NoClip(path, f"none of its {count} {unit}s gives a clip", skipped[0].reason if skipped else f"give {unit}s with somebody in them")
    if empty:  # the store of the shard is complete without one
        reading.report(skipped)
        raise NoClip(path, f"none of the {count} {unit}s of shard {reading.shard} gives a clip", "prepare the other shards")
    kept = ClipSet(tuple(clips), tuple(classes), name) if store is None else open_store(reading.store)
    reading.report(skipped)
    return kept


def _results(path: Path, files: Sequence[str], read_one: ReadOne, workers: int | None) -> Iterator[_Result]:
    """One result a file, in order."""
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
    """Give a new process once what all its chunks need: the index of a large archive, or a reader's table, is megabytes."""
    global _archive, _read_one
    _archive, _read_one = Archive(path), read_one
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's processes would otherwise wait for ever for the next chunk of a parent that was killed."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _read_chunk(files: Sequence[str]) -> list[_Result]:
    return [_attempt(_archive, file, _read_one) for file in files]


def _attempt(archive: Archive, file: str, read_one: ReadOne) -> _Result:
    try:
        return file, read_one(archive, file)
    except InputError as error:
        return file, str(error)
