"""Files of a model repository on the Hub."""

from collections.abc import Sequence
from pathlib import Path

from tdsm.util.errors import InputError

__all__ = ["fetched", "hub_folder"]


def hub_folder(place: str | Path, files: Sequence[str]) -> Path:
    """The local folder ``place`` if it is a path; otherwise a local copy of ``files`` from the Hub repository with that id ("owner/name").

    Code and pickled weights are never downloaded.

    Raises:
        InputError: the Hub does not know the id, or there is no network.
    """
    if isinstance(place, Path) or Path(place).exists() or place.count("/") != 1 or place.startswith((".", "/", "~")):
        return Path(place)
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(place)
    except HFValidationError:
        return Path(place)
    return fetched(place, files, place, "check the path, the id and the network")


def fetched(repo: str, files: Sequence[str], where: object, remedy: str, **options: str | None) -> Path:
    """The local copy of ``files`` (patterns) of a Hub repository. ``where`` and ``remedy`` are used in the error message.

    ``options`` are passed to ``huggingface_hub.snapshot_download``. Raises InputError: the files cannot be downloaded.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo, allow_patterns=list(files), **options))
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(where, f"neither a local folder nor available from the Hub ({reason:.150})", remedy) from error
