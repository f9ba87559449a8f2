"""Provenance of a number: command, date, commit, versions, seed and hardware."""

import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

__all__ = ["environment", "is_main_process"]


def is_main_process() -> bool:
    """False in all processes of a multi-process launch except the first, which alone writes files."""
    return int(os.environ.get("RANK", "0")) == 0


def environment(seed: int) -> dict[str, object]:
    """Versions, commit, seed, date and hardware, as needed to reproduce a number."""
    import torch

    return {
        "command": " ".join(Path(word).name if "/" in word else word for word in sys.argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "seed": seed,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("tdsm", "torch", "numpy", "transformers", "accelerate", "umap-learn")},
        "hardware": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} cores, {platform.machine()}",
        "system": f"{platform.system()} {platform.release()}",
    }


def _commit() -> str:
    """The commit of the checkout, with "+changes" if there are uncommitted changes; "unknown" without git or outside a repository."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return "unknown"
    described = subprocess.run(["git", "-C", str(folder), "describe", "--always", "--dirty=+changes", "--abbrev=12"], capture_output=True, text=True)
    return described.stdout.strip() or "unknown"
