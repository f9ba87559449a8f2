"""Files of a model repository on the Hub."""

from collections.abc import Sequence
from pathlib import Path

from tdsm.util.errors import InputError

__all__ = ["hub_folder"]


def hub_folder(place: str | Path, files: Sequence[str]) -> Path:
    """``place`` itself if it is a path, or the local copy of ``files`` of the Hub repository of that id ("owner/name"); never code, never pickled weights.

    Raises:
        InputError: an id that the Hub does not know, or no network.
    """
    if isinstance(place, Path) or Path(place).exists() or place.count("/") != 1 or place.startswith((".", "/", "~")):
        return Path(place)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(place, allow_patterns=list(files)))
    except HFValidationError:
        return Path(place)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        what = f"neither a local folder nor to be had from the Hub ({reason:.150})"
        raise InputError(place, what, "check the path, the id and the network") from error
