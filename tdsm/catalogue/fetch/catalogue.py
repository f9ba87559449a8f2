"""What can be had and from where: ``sources.json`` as objects, and in words.

The file holds facts: addresses that the owners publish, terms, what to cite and, where it is known, size and SHA-256 of each file.
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
        name: where it goes, relative to the source's folder, with forward slashes.
        urls: addresses of the same file, the first that answers is taken.
        size, sha256: as published; None where nobody says.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Source:
    """A data set, or a part of one, at one place.

    Attributes:
        name: what a user types.
        datasets: names of the data sets it belongs to, as the readers give them.
        page: the owners' page.
        licence, citation: their terms, and what to cite.
        next: the command to go on with; ``{folder}`` is where the files are.
        files: what :func:`fetch` downloads; empty when an agreement, an account or a browser is needed.
        steps: what a person has to do, in order.
        look_for: names of the files that a person will find there.
        note: what else there is to know.
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
    """All sources, the open ones first."""
    rows = json.loads((importlib.resources.files("tdsm.catalogue.fetch") / "sources.json").read_text(encoding="utf-8"))["sources"]
    every = []
    for row in rows:
        urls = row.pop("urls", ())
        files = [RemoteFile(urls=tuple(url.replace("{file}", file["name"]) for url in urls), **file) for file in row.pop("files", ())]
        lists = {key: tuple(row.pop(key, ())) for key in ("datasets", "steps", "look_for")}
        every.append(Source(**row, **lists, files=tuple(files)))
    return every


def source_named(name: str) -> Source:
    """The source of this name. Raises InputError: no such source."""
    by_name = {source.name: source for source in sources()}
    if name not in by_name:
        raise InputError("fetch", f"no source is called {name!r}", f"choose among: {', '.join(by_name)}")
    return by_name[name]


def steps(name: str, folder: str | Path = "data") -> str:
    """What a person must know and do for one source, as text: terms, what to cite, the steps, and the command to go on with.

    Args:
        name: of the source.
        folder: the files go to ``folder/name``.

    Raises:
        InputError: no such source.
    """
    source, home = source_named(name), (Path(folder) / name).as_posix()
    lines = [source.title, f"  terms: {source.licence}", f"  cite:  {source.citation}", f"  page:  {source.page}"]
    lines += [f"  note:  {source.note}"] if source.note else []
    files = source.files[0].name if len(source.files) == 1 else f"{len(source.files)} files"
    lines += [f"  `tdsm fetch {name}` downloads {files} to {home}"] if source.files else ["  not for a program to download:"]
    lines += [f"  {number}. {step.format(folder=home)}" for number, step in enumerate(source.steps, 1)]
    lines += [f"  look for: {', '.join(source.look_for)}"] if source.look_for else []
    return "\n".join([*lines, f"  then: {source.next.format(folder=home)}"])
