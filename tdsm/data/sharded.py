"""A clip store that several processes wrote: a folder with one store per shard of the files, which is opened as a single set.

The folder holds ``files.json``, with the number of shards and the names of all files in the order of the data set, and the stores ``1-of-4``, ``2-of-4`` and
so on (:mod:`tdsm.data.disk`). The hash of a file's name determines its shard (:meth:`tdsm.util.shard.Shard.holds`). When the folder is opened, clips are in
the order of the files, as if a single process had read them.
"""

from collections.abc import Sequence
from pathlib import Path

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.disk import is_store, read_store
from tdsm.util.errors import InputError
from tdsm.util.files import read_sealed, write_sealed
from tdsm.util.shard import Shard

__all__ = ["begin_shard", "is_sharded", "missing_shards", "open_shards"]

_HEAD = "files.json"
_FORMAT = "tdsm sharded clip store 1"


def is_sharded(folder: str | Path) -> bool:
    """Whether this is a folder of shards, judged by the file names in it."""
    return (Path(folder) / _HEAD).is_file()


def begin_shard(folder: str | Path, files: Sequence[str], shard: Shard) -> tuple[Path, list[str]]:
    """The store of one shard, and its files.

    Args:
        folder: folder of all shards; new, or started for the same files.
        files: all files of the data set, in its order.
        shard: one of n.

    Raises:
        InputError: several shards at once, or the folder was started for other files or another number of shards, or holds other content.
    """
    folder, head = Path(folder), {"format": _FORMAT, "shards": shard.of, "files": list(files)}
    if len(shard.numbers) != 1:
        raise InputError("shard", f"{shard} is more than one shard", "give one, such as 1/4")
    if shard.of > max(1, len(files)):
        raise InputError("shard", f"{shard} has more shards than there are files ({len(files):,})", "give fewer shards")
    others = folder.is_dir() and any(path.suffix != ".partial" for path in folder.iterdir())  # checked first: another process may start the folder meanwhile
    if is_sharded(folder):
        if read_sealed(folder / _HEAD) != head:
            raise InputError(folder, "was started for other files or another number of shards", "give another folder, or delete this one")
    elif others:
        raise InputError(folder, "holds files and no shards", "give an empty or a new folder")
    else:
        write_sealed(folder / _HEAD, head)
    return folder / f"{shard.numbers[0]}-of-{shard.of}", [file for file in files if shard.holds(file)]


def missing_shards(folder: str | Path) -> list[str]:
    """Shards, such as "2/4", that are missing or incomplete."""
    count = _head(Path(folder))["shards"]
    return [f"{number}/{count}" for number in range(1, count + 1) if not _complete(Path(folder) / f"{number}-of-{count}")]


def _complete(store: Path) -> bool:
    return is_store(store) and read_sealed(store / "about.json").get("complete") is True


def open_shards(folder: str | Path, *, verify: bool = True) -> ClipSet:
    """The clips of all shards, in the order of the data set. Arguments: see :func:`tdsm.data.disk.open_store`.

    Raises:
        InputError: shards are missing, do not belong together or have changed, or no shard has a clip.
    """
    folder = Path(folder)
    if missing := missing_shards(folder):
        more = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
        raise InputError(folder, f"shards {', '.join(missing[:5])}{more} are missing or incomplete", "run `tdsm prepare` with each of them as --shard")
    head = _head(folder)
    stores = [read_store(folder / f"{number}-of-{head['shards']}", verify=verify) for number in range(1, head["shards"] + 1)]
    first = stores[0][0]
    if any(about[key] != first[key] for about, _ in stores for key in ("dataset", "layout", "classes", "reader")):
        raise InputError(folder, "its shards were read in different ways", "delete it and prepare the data set again")
    sources: dict[str, list[Clip]] = {name: clips for _, store in stores for name, clips in store.items()}
    clips = [clip for name in head["files"] for clip in sources.get(name, ())]
    if len(names := {clip.name for clip in clips}) < len(clips):
        raise InputError(folder, f"{len(clips) - len(names)} clip names occur twice, in different files", "delete one of the files and prepare again")
    if not clips:
        raise InputError(folder, "none of its files has a clip", "give files with bodies")
    return ClipSet(tuple(clips), tuple(first["classes"]), first["dataset"])


def _head(folder: Path) -> dict:
    head = read_sealed(folder / _HEAD, "delete the folder and prepare the data set again")
    if head.get("format") != _FORMAT or not isinstance(head.get("shards"), int) or not isinstance(head.get("files"), list):
        raise InputError(folder / _HEAD, f"does not describe a {_FORMAT}", "open it with the version of tdsm that wrote it")
    return head
