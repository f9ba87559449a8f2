"""Data sets from their owners' sites: open files are downloaded; for the others, the required steps are printed."""

import re
from pathlib import Path

from tdsm.catalogue.fetch.catalogue import RemoteFile, Source, source_named, sources, steps
from tdsm.catalogue.fetch.download import Patience, fetch_source
from tdsm.catalogue.fetch.unpack import unpack as unpack_archive

__all__ = ["Patience", "RemoteFile", "Source", "fetch", "fetch_source", "sources", "steps", "unpack_archive"]


def fetch(name: str, folder: str | Path = "data", *, progress: bool = True, unpack: bool = False, patience: Patience = Patience()) -> list[Path]:
    """Print the terms and steps of a source, and download its open files to ``folder/name``.

    Returns:
        The files in the source's order; empty if a person must download them. With ``unpack``, the unpacked folder replaces each archive.

    Raises:
        InputError: no such source, or an error of :func:`fetch_source`.
    """
    source = source_named(name)
    print(steps(name, folder))
    paths = fetch_source(source, folder, progress=progress, patience=patience)
    for place, path in enumerate(paths if unpack else ()):
        folder = path.with_name(re.sub(r"\.(zip|tar|tgz|tar\.\w+)$", "", path.name))  # archives lose their suffix; other files keep their name
        if folder != path and not folder.exists():
            unpack_archive(path, folder)
        paths[place] = folder
    return paths
