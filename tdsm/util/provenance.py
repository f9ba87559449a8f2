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
    """The commit of the checkout; "unknown" without git or outside a repository.

    "+changes" is added if tracked files have uncommitted changes, except in ``results``, where a benchmark writes several files one after the other.
    """
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return "unknown"

    def git(*command: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True).stdout.strip()

    commit = git("rev-parse", "--short=12", "HEAD")
    changes = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)results")
    return f"{commit}+changes" if commit and changes else commit or "unknown"
