"""What each class is called and, in one sentence a class, how the body moves in it.

One JSON file a data set. The sentences were written from the class names alone, before any evaluation with them, in one voice: posture,
body part, direction, height, path, repetition; never a purpose. Each fits the 35 tokens that the paper reads. The larger data sets also
have a clause for each body part ("parts": head, hands, torso, legs) and for each stretch of time ("phases": start, middle, end).
"""

import importlib.resources
import json
from collections.abc import Mapping, Sequence

from tdsm.errors import InputError

__all__ = ["class_prompts", "load_prompts", "packaged_prompts"]


def load_prompts(dataset: str) -> dict[str, str]:
    """Class name -> description of the movement, in the data set's own order, for a data set such as "utd-mhad".

    Raises:
        InputError: no descriptions for this data set.
    """
    if dataset not in packaged_prompts():
        raise InputError("prompts", f"no descriptions for data set {dataset!r}", f"choose among: {', '.join(packaged_prompts())}")
    text = (importlib.resources.files("tdsm.prompts") / f"{dataset.replace('-', '_')}.json").read_text(encoding="utf-8")
    return {row["name"]: row["description"] for row in json.loads(text)["classes"]}


def packaged_prompts() -> list[str]:
    """The data sets that :func:`load_prompts` knows."""
    files = [path.name for path in importlib.resources.files("tdsm.prompts").iterdir()]
    return sorted(name.removesuffix(".json").replace("_", "-") for name in files if name.endswith(".json"))


def class_prompts(labels: Sequence[str], descriptions: Mapping[str, str] | None = None) -> list[tuple[str, ...]]:
    """The prompts of each class: (label, description), or (label,) alone where there is no description."""
    described = descriptions or {}
    return [(label, described[label]) if label in described else (label,) for label in labels]
