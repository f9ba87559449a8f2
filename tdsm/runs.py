"""What a run leaves behind besides weights: settings, surroundings, numbers; each file written whole or not at all."""

import csv
import io
import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tdsm.files import atomic

__all__ = ["environment", "is_main_process", "write_history", "write_json", "write_text"]


def is_main_process() -> bool:
    """False in all but the first process of a multi-process launch; only the first writes files."""
    return int(os.environ.get("RANK", "0")) == 0


def write_text(path: Path, text: str) -> Path:
    """Write through a neighbour file and rename, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, values: object) -> Path:
    """`write_text` of indented JSON."""
    return write_text(path, json.dumps(values, indent=2) + "\n")


def write_history(path: Path, stages: dict[str, list[dict[str, int | float]]]) -> Path:
    """history.csv: one row for each logged step of each stage, with the columns of all stages."""
    columns = ["stage", *dict.fromkeys(name for rows in stages.values() for row in rows for name in row)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for stage, rows in stages.items():
        writer.writerows({"stage": stage} | row for row in rows)
    return write_text(path, text.getvalue())


def environment(seed: int) -> dict[str, object]:
    """Versions, commit, seed, date and hardware: what one must know to make a number again."""
    import torch

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "seed": seed,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("tdsm", "torch", "numpy", "transformers", "accelerate", "umap-learn")},
        "hardware": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} cores, {platform.machine()}",
        "system": f"{platform.system()} {platform.release()}",
    }


def _commit() -> str:
    """The checkout's commit, with "+changes" when the tree is not clean; "unknown" for an installed package outside git, or without git."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return "unknown"
    described = subprocess.run(["git", "-C", str(folder), "describe", "--always", "--dirty=+changes", "--abbrev=12"], capture_output=True, text=True)
    return described.stdout.strip() or "unknown"
