"""Long benchmarks in small steps: what one seed gave is kept in a file of its own, so that a killed command goes on where it stopped."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tdsm.config import Config
from tdsm.util.errors import InputError
from tdsm.util.files import write_json
from tdsm.util.provenance import environment

__all__ = ["kept", "mean_std"]


def kept(path: Path, config: Config, make: Callable[[], dict]) -> dict:
    """What ``make`` gave, now or at an earlier call; it stands in ``path`` with the settings, the commit, the date and the hardware.

    Raises:
        InputError: the file was made with other settings, or is damaged.
    """
    settings = asdict(config)
    if not path.exists():
        write_json(path, {"environment": environment(0), "settings": settings, "found": make()})
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        found, same = about["found"], about["settings"] == settings
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"not readable ({error!r})", "delete it; it is then made again") from error
    if not same:
        raise InputError(path, "was made with other settings", "give another --out")
    return found


def mean_std(values: np.ndarray) -> str:
    """A cell of a table: mean ± std over seeds, of a single seed the value."""
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}" if len(values) > 1 else f"{values.mean():.1f}"
