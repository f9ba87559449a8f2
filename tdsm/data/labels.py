"""Labels: the name of an action, an optional description of its movement, and the rule by which two names are equal.

Names are always compared in their normal form: "Tennis serve", "tennis_serve", "tennis-serve." and "tennis  serve" are the same label. The original
spelling is kept for display.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from tdsm.util.errors import InputError

__all__ = [
    "Descriptions", "Label", "as_labels", "check_name", "description_of", "merged", "normal_form", "parse_labels", "spoken", "unmatched", "unmatched_line",
]  # fmt: skip

Descriptions = Mapping[str, str | Sequence[str]]
"""Maps a label to a sentence about its movement, or to all prompts of the label (published prompt lists). Keys are compared in their normal form."""

_FINAL = ".,;:!?。、؟،؛।॥ "
_QUOTES = str.maketrans("‘’ʼ`“”", "''''\"\"")
_SHOWN = 3
_LONGEST = 10_000  # most characters of a name or a description
_LOOKED_AT, _COMPARED = 500, 60  # unmatched descriptions to compare with labels, and characters to compare


@lru_cache(maxsize=16384)
def normal_form(text: str) -> str:
    """The form in which labels are compared.

    NFKC and case folding; invisible characters are removed, typographic quotes become plain ones; runs of blanks, underscores and hyphens become one blank;
    final punctuation is removed. ``normal_form(normal_form(text)) == normal_form(text)``.
    """
    if text.isascii():
        return " ".join(text.casefold().translate(_ASCII).split()).rstrip(_FINAL)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(" " if _is_blank(char) else char for char in folded.translate(_QUOTES) if unicodedata.category(char) != "Cf")
    return " ".join(plain.split()).rstrip(_FINAL)


def _is_blank(char: str) -> bool:
    return char.isspace() or char in "_\N{MINUS SIGN}" or unicodedata.category(char) in ("Pd", "Pc", "Cc")


_ASCII = str.maketrans({char: " " for char in map(chr, range(128)) if _is_blank(char)} | {"`": "'"})  # the remaining steps for ASCII text


def spoken(name: str) -> str:
    """A name as input of the text encoder: underscores become blanks; invisible characters, double blanks and final punctuation are removed.

    Case and hyphens are kept. An ordinary name is returned unchanged.
    """
    if name.isascii():
        return " ".join(name.replace("_", " ").split()).rstrip(_FINAL)
    visible = "".join(" " if char == "_" else char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char) != "Cf")
    return " ".join(visible.split()).rstrip(_FINAL)


@dataclass(frozen=True)
class Label:
    """An action to be recognised.

    Attributes:
        name: name of the action, in the user's spelling.
        description: a sentence about the movement; a tuple of prompts that replace name and sentence (published prompt lists); or None.

    Raises:
        InputError: a name or a description that is not text, is empty, or has no letter, digit or symbol.

    Example:
        >>> Label("Tennis_serve", "One arm swings over the head.").key
        'tennis serve'
        >>> Label("squat").prompts
        ('squat',)
    """

    name: str
    description: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        for text in self.prompts:
            _check_text(text, f"description of {self.name!r}")

    @property
    def key(self) -> str:
        """The name in its normal form."""
        return normal_form(self.name)

    @property
    def prompts(self) -> tuple[str, ...]:
        """The texts of this label: its name, followed by its sentence if it has one, or its own list of prompts."""
        if isinstance(self.description, tuple):
            return self.description
        return (spoken(self.name),) if self.description is None else (spoken(self.name), self.description)

    def __str__(self) -> str:
        return self.name


def check_name(name: object, where: object = "label") -> str:
    """A label's name as plain ``str``. Raises InputError: not text, not valid Unicode, empty, or without a letter, digit or symbol."""
    text = _check_text(name, where)
    if not spoken(text):
        raise InputError(where, f"{_short(text)} has no words", "give the name of an action")
    return text


def as_labels(labels: object, descriptions: Mapping[str, object] | None = None, where: object = "labels") -> tuple[Label, ...]:
    """Labels in the given order, each with its description if there is one.

    Args:
        labels: a sequence of names, :class:`Label` objects or (name, description) pairs; or a mapping of names to descriptions.
        descriptions: :data:`Descriptions`, matched in normal form. A label's own description has priority.
        where: name of the list in messages.

    Raises:
        InputError: no label, an empty or non-text one, two with the same normal form, or one with two different descriptions.
    """
    if isinstance(labels, (str, Label)) or not isinstance(labels, Iterable):
        raise InputError(where, f"{_short(labels)} is not a list", 'give a list of names, such as ["sit down", "wave"]')
    listed = [_as_label(label, where) for label in (labels.items() if isinstance(labels, Mapping) else labels)]
    if not listed:
        raise InputError(where, "none given", "give at least one name")
    names: dict[str, str] = {}
    for label in listed:
        if label.key in names:
            first = names[label.key]
            what = f"{label.name!r} is given twice" if first == label.name else f"{first!r} and {label.name!r} are the same name"
            raise InputError(where, what, "give each label once; labels that differ only in case, blanks, hyphens, underscores or final punctuation are equal")
        names[label.key] = label.name
    texts = _by_form(merged({} if descriptions is None else descriptions), set(names))
    return tuple(label if label.description is not None or label.key not in texts else _described(label.name, texts[label.key]) for label in listed)


def _as_label(label: object, where: object) -> Label:
    if isinstance(label, Label):
        return label
    name, description = label if isinstance(label, (tuple, list)) and len(label) == 2 else (label, None)
    return Label(check_name(name, where)) if description is None else _described(check_name(name, where), description)


def _described(name: str, description: object) -> Label:
    where = f"description of {name!r}"
    if isinstance(description, str):
        return Label(name, _check_text(description, where))
    if not isinstance(description, Sequence) or not description:
        raise InputError(where, f"is {_short(description)}", "give a sentence, or a list of at least one prompt")
    return Label(name, tuple(_check_text(text, where) for text in description))


def parse_labels(text: str, where: object = "labels") -> list[str]:
    """Names from one line of comma-separated values. A name that contains a comma must be in double quotes. Empty fields are ignored.

    Raises:
        InputError: unbalanced quotes, a field that is not a name, or a repeated name.

    >>> parse_labels('walk, "stand, then sit"')
    ['walk', 'stand, then sit']
    """
    try:
        closed = io.StringIO(re.sub(r'"\s+(,|$)', r'"\1', text), newline="")  # no blank after a closing quote
        fields = [field.strip() for row in csv.reader(closed, skipinitialspace=True, strict=True) for field in row]
    except csv.Error as error:
        raise InputError(where, f"cannot be read as comma-separated names ({error})", "put double quotes around a name that contains a comma") from error
    names = [field for field in fields if field]
    return [label.name for label in as_labels(names, where=where)] if names else []


def description_of(name: str, descriptions: Descriptions) -> str | tuple[str, ...] | None:
    """The description whose key equals ``name`` in normal form; None if there is none.

    Raises:
        InputError: two such keys with different texts.
    """
    return _by_form(descriptions, {normal_form(name)}).get(normal_form(name))


def _by_form(descriptions: Mapping[str, object], wanted: set[str]) -> dict[str, object]:
    """Descriptions of the labels in ``wanted``, by normal form."""
    keys, texts = {}, {}
    for key, text in descriptions.items():
        form = normal_form(key) if isinstance(key, str) else None
        if form not in wanted:
            continue
        text = tuple(text) if isinstance(text, list) else text
        first = keys.setdefault(form, key)
        if texts.setdefault(form, text) != text:
            raise InputError("descriptions", f"{first!r} and {key!r} are the same label with different texts", "keep one of them")
    return texts


def merged(*several: Descriptions) -> dict[str, str | Sequence[str]]:
    """All descriptions in one mapping. A later mapping replaces entries of an earlier one whose keys have the same normal form.

    Raises:
        InputError: not a mapping, or a key that is not text.
    """
    together: dict[str, str | Sequence[str]] = {}
    for descriptions in several:
        if not isinstance(descriptions, Mapping) or not all(isinstance(key, str) for key in descriptions):
            raise InputError("descriptions", f"{_short(descriptions)} is not a mapping", 'give a mapping such as {"wave": "A raised hand swings."}')
        forms = {normal_form(key) for key in descriptions}
        together = {key: text for key, text in together.items() if normal_form(key) not in forms} | dict(descriptions)
    return together


def unmatched(descriptions: Descriptions, labels: Iterable[str | Label]) -> list[tuple[str, str | None]]:
    """The descriptions that match none of ``labels``, each with the most similar label without a description, or None."""
    forms = {normal_form(name): name for name in (label.name if isinstance(label, Label) else label for label in labels)}
    keys = {key: normal_form(key) for key in descriptions}
    described = set(keys.values())
    bare = {form[:_COMPARED]: name for form, name in forms.items() if form not in described}
    missing = [key for key, form in keys.items() if form not in forms]
    near = [get_close_matches(keys[key][:_COMPARED], bare, n=1) for key in missing[:_LOOKED_AT]] + [[]] * len(missing[_LOOKED_AT:])
    return [(key, bare[names[0]] if names else None) for key, names in zip(missing, near, strict=True)]


def unmatched_line(descriptions: Descriptions, labels: Iterable[str | Label]) -> str | None:
    """One line that names the unmatched descriptions, those with a similar label first; None if every description is used."""
    missing = sorted(unmatched(descriptions, labels), key=lambda pair: pair[1] is None)
    if not missing:
        return None
    named = [f"{_short(key)} (did you mean {near!r}?)" if near else _short(key) for key, near in missing]
    shown = min(3 * _SHOWN, max(_SHOWN, sum(near is not None for _, near in missing)))
    more = f" and {len(named) - shown} more" if len(named) > shown else ""
    return f"descriptions: {len(missing)} of {len(descriptions)} match no label and are not used: {', '.join(named[:shown])}{more}"


def _check_text(text: object, where: object) -> str:
    if not isinstance(text, str):
        raise InputError(where, f"{_short(text)} is {type(text).__name__}, not text", "give it as text")
    text = str(text)  # converts numpy's strings
    if len(text) > _LONGEST:
        raise InputError(where, f"{_short(text)} has {len(text):,} characters", f"give at most {_LONGEST:,}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(where, f"{_short(text)} is not valid Unicode", "give it as UTF-8") from error
    if not any(unicodedata.category(char) in ("So", "Sm", "Sc") or unicodedata.category(char)[0] in "LN" for char in text):
        raise InputError(where, f"{_short(text)} has no letter, digit or symbol" if text.strip() else "is empty", "give a text with words")
    return text


def _short(value: object, most: int = 60) -> str:
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."
