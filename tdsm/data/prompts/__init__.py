"""Names of the classes of each data set, and one sentence per class that describes the movement of the body.

There is one JSON file per data set. The sentences were written from the class names alone, before any evaluation with them, in a uniform style: posture,
body part, direction, height, path, repetition; never a purpose. Each fits the 35 tokens that the paper uses. There is also a clause for each body part
("parts": head, hands, torso, legs) and for each phase ("phases": start, middle, end).

:mod:`tdsm.data.prompts.published` reads the prompts that papers published, from files that you provide.
"""

import importlib.resources
import json
from collections.abc import Sequence
from dataclasses import dataclass

from tdsm.data.labels import Descriptions, Label, as_labels
from tdsm.util.errors import InputError

__all__ = ["SUBSETS", "Descriptions", "Motion", "class_prompts", "load_motions", "load_prompts", "packaged_prompts"]

SUBSETS = {"ntu-60": ("ntu-120", 60), "kinetics-200": ("kinetics-400", 200)}
"""Data set -> the larger data set whose first classes it has, and their number.

For NTU RGB+D 60 this holds by definition. For Kinetics-200 it is an assumption: the files of PURLS give its unseen classes as numbers below 200 and no list
of names, so we use the first 200 names in alphabetical order. (Mini-Kinetics-200 is another choice of 200.)
"""


@dataclass(frozen=True)
class Motion:
    """The movement of one class in words.

    Attributes:
        sentence: the whole movement.
        parts: a clause for each of "head", "hands", "torso", "legs", in this order.
        phases: a clause for each of "start", "middle", "end", in this order.
    """

    sentence: str
    parts: dict[str, str]
    phases: dict[str, str]


def load_prompts(dataset: str) -> dict[str, str]:
    """Class name -> description of the movement, for a data set such as "utd-mhad"; in the data set's own order.

    Raises:
        InputError: no descriptions for this data set.

    Example:
        >>> load_prompts("utd-mhad")["tennis serve"]
        '...'
        >>> len(load_prompts("ntu-60"))
        60
    """
    return {row["name"]: row["description"] for row in _rows(dataset)}


def load_motions(dataset: str) -> dict[str, Motion]:
    """Class name -> sentence, body parts and phases, in the data set's own order. The sentences are those of :func:`load_prompts`.

    Raises:
        InputError: no descriptions for this data set.

    Example:
        >>> list(load_motions("utd-mhad")["tennis serve"].parts)
        ['head', 'hands', 'torso', 'legs']
    """
    return {row["name"]: Motion(row["description"], row["parts"], row["phases"]) for row in _rows(dataset)}


def packaged_prompts() -> list[str]:
    """The data sets that :func:`load_prompts` knows.

    Example:
        >>> "ntu-120" in packaged_prompts()
        True
    """
    files = [path.name for path in importlib.resources.files("tdsm.data.prompts").iterdir()]
    return sorted([*SUBSETS, *(name.removesuffix(".json").replace("_", "-") for name in files if name.endswith(".json"))])


def _rows(dataset: str) -> list[dict]:
    if dataset not in packaged_prompts():
        raise InputError("prompts", f"no descriptions for data set {dataset!r}", f"choose among: {', '.join(packaged_prompts())}")
    whole, count = SUBSETS.get(dataset, (dataset, None))
    text = (importlib.resources.files("tdsm.data.prompts") / f"{whole.replace('-', '_')}.json").read_text(encoding="utf-8")
    return json.loads(text)["classes"][:count]


def class_prompts(labels: Sequence[str | Label], descriptions: Descriptions | None = None) -> list[tuple[str, ...]]:
    """The prompts of each class: (name, sentence) if the label has a sentence, its list of prompts if it has one, otherwise (name,).

    Labels and descriptions are matched in their normal form (:mod:`tdsm.data.labels`).

    Raises:
        InputError: no label, a label or a description that is empty or not text, or two labels with the same normal form.

    Example:
        >>> class_prompts(["jump", "bow"], {"bow": "The torso bends forward."})
        [('jump',), ('bow', 'The torso bends forward.')]
    """
    return [label.prompts for label in as_labels(labels, descriptions)]
