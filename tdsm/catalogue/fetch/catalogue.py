"""Sources of data sets: the entries of ``sources.json`` as objects and as text.

The file lists addresses that the owners publish, terms, citations and, if known, size and SHA-256 of each file.
"""

import importlib.resources
import json
from dataclasses import dataclass
from pathlib import Path

from tdsm.util.errors import InputError

__all__ = ["RemoteFile", "Source", "source_named", "sources", "steps"]


@dataclass(frozen=True)
class RemoteFile:
    """A file that may be downloaded.

    Attributes:
        name: path relative to the source's folder, with forward slashes.
        urls: addresses of the same file; the first that answers is used.
        size, sha256: as published; None if unknown.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Source:
    """A data set, or a part of one, at one place.

    Attributes:
        name: name that the user gives.
        datasets: names of the data sets it belongs to, as the readers name them.
        page: the owners' page.
        licence, citation: the terms, and what to cite.
        next: the command to continue with; ``{folder}`` is the folder of the files.
        files: files that :func:`fetch` downloads; empty if an agreement, an account or a browser is needed.
        steps: what a person has to do, in order.
        look_for: names of the files that a person will find there.
        note: further information.
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    page: str
    licence: str
    citation: str
    next: str
    files: tuple[RemoteFile, ...] = ()
    steps: tuple[str, ...] = ()
    look_for: tuple[str, ...] = ()
    note: str = ""


def sources() -> list[Source]:
    """All sources, open ones first."""
    rows = json.loads((importlib.resources.files("tdsm.catalogue.fetch") / "sources.json").read_text(encoding="utf-8"))["sources"]
    every = []
    for row in rows:
        urls = row.pop("urls", ())
        files = [RemoteFile(urls=tuple(url.replace("{file}", file["name"]) for url in urls), **file) for file in row.pop("files", ())]
        lists = {key: tuple(row.pop(key, ())) for key in ("datasets", "steps", "look_for")}
        every.append(Source(**row, **lists, files=tuple(files)))
    return every


def source_named(name: str) -> Source:
    """The source with this name. Raises InputError: no such source."""
    by_name = {source.name: source for source in sources()}
    if name not in by_name:
        raise InputError("fetch", f"no source is called {name!r}", f"choose among: {', '.join(by_name)}")
    return by_name[name]


def steps(name: str, folder: str | Path = "data") -> str:
    """Terms, citation, steps and the next command of one source, as text.

    Args:
        name: name of the source.
        folder: the files go to ``folder/name``.

    Raises:
        InputError: no such source.
    """
    source, home = source_named(name), (Path(folder) / name).as_posix()
    lines = [source.title, f"  terms: {source.licence}", f"  cite:  {source.citation}", f"  page:  {source.page}"]
    lines += [f"  note:  {source.note}"] if source.note else []
    files = source.files[0].name if len(source.files) == 1 else f"{len(source.files)} files"
    lines += [f"  `tdsm fetch {name}` downloads {files} to {home}"] if source.files else ["  must be downloaded by hand:"]
    lines += [f"  {number}. {step.format(folder=home)}" for number, step in enumerate(source.steps, 1)]
    lines += [f"  look for: {', '.join(source.look_for)}"] if source.look_for else []
    return "\n".join([*lines, f"  then: {source.next.format(folder=home)}"])
