"""Data sets from the places where their owners publish them: what is open is downloaded, for the rest the steps are said."""

import re
from pathlib import Path

from tdsm.catalogue.fetch.catalogue import RemoteFile, Source, source_named, sources, steps
from tdsm.catalogue.fetch.download import Patience, fetch_source
from tdsm.catalogue.fetch.unpack import unpack as unpack_archive

__all__ = ["Patience", "RemoteFile", "Source", "fetch", "fetch_source", "sources", "steps", "unpack_archive"]


def fetch(name: str, folder: str | Path = "data", *, progress: bool = True, unpack: bool = False, patience: Patience = Patience()) -> list[Path]:
    """Print the terms and steps of a source, and download what is open of it to ``folder/name``.

    Returns:
        The files in the source's order, none when a person must get them; with ``unpack`` the unpacked folder in place of each archive.

    Raises:
        InputError: no such source, or whatever :func:`fetch_source` finds.
    """
    source = source_named(name)
    print(steps(name, folder))
    paths = fetch_source(source, folder, progress=progress, patience=patience)
    for place, path in enumerate(paths if unpack else ()):
        folder = path.with_name(re.sub(r"\.(zip|tar|tgz|tar\.\w+)$", "", path.name))  # an archive's name without its ending; other files as they are
        if folder != path and not folder.exists():
            unpack_archive(path, folder)
        paths[place] = folder
    return paths
