"""The dictionary of actions: some 4,000 actions with other names, one sentence each that describes the movement, and choreographies.

``actions/`` contains ``everyday``, ``gesture``, ``movement`` and ``sport``, written on 2026-11-29, and ``basic`` (the plainest verbs), written on 2026-11-30,
in several files. All were written from the names alone, before any evaluation with them and without consulting the descriptions or recordings of any data
set. The choreographies (:mod:`tdsm.data.procedural.choreography`) and texts were written on 2026-11-30 from name and sentence. 136 actions of ``movement``
were added because the 2,435 descriptions of CMU's motion capture, used as a list of what people do, named actions without a similar name in the dictionary.
Sentences have the style of :mod:`tdsm.data.prompts`: posture, body part, direction, height, path, repetition. Names are those that users would type; the
other names are synonyms and everyday phrases; texts are instructions, captions and plain descriptions. The names of ``basic`` are those of commonly known
lists of human actions, including names of benchmarks.

**Use in tests.** A test of an action that the dictionary describes is not a zero-shot test. :func:`load_dictionary` takes the names of the tested actions and
excludes every action if one of its names contains all content words of a tested name, or if one of its names or texts consists only of words of it: "right
hand wave" excludes "wave", "waving goodbye" and "wave with the left hand". Texts and sentences of other actions may contain the words. Sides, limbs and
numbers are ignored; parts in parentheses or separated by a slash are names of their own. Only words are compared: "salute" is kept if "military greeting" is
tested, unless one is a synonym of the other. An evaluation states which it used: the dictionary without the tested actions, or the whole dictionary, which is
what a user has.
"""

import importlib.resources
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from tdsm.data.labels import normal_form
from tdsm.util.errors import InputError

__all__ = ["Action", "load_dictionary"]

_NO_CONTENT = re.compile(
    r"an?|and|at|by|down|for|from|in|into|is|of|off|on|onto|or|other|others|out|own|objects?|person|things?|something|s|some|some(one|body)|their|the|them|to|up|with|your"
)
_IRREGULAR = {
    "lying": "lie", "tying": "tie", "dying": "die", "teeth": "tooth", "feet": "foot", "pickup": "pick", "threw": "throw", "drank": "drink", "sat": "sit",
    "stood": "stand", "ran": "run", "knelt": "kneel", "swung": "swing", "took": "take", "shook": "shake", "held": "hold", "caught": "catch", "bent": "bend",
    "ate": "eat", "drew": "draw", "fell": "fall", "rose": "rise", "went": "go", "swam": "swim", "hung": "hang", "dug": "dig", "wrote": "write",
    "spun": "spin", "crept": "creep", "swept": "sweep",
}  # fmt: skip
_JOINED = 6  # from this length on, a tested name is also searched without spaces: "pushups" in "wall push-ups"
_LIMBS = frozenset(("arm", "both", "foot", "hand", "left", "leg", "one", "right", "two"))


@dataclass(frozen=True)
class Action:
    """An action of the dictionary.

    Attributes:
        name: as a user would type it.
        synonyms: other names and everyday phrases; at least one.
        sentence: description of the movement.
        texts: other texts about the action: instructions, captions, plain descriptions.
        ways: its choreography, one object per way to perform it (:func:`tdsm.data.procedural.choreography.read_way`).
    """

    name: str
    synonyms: tuple[str, ...]
    sentence: str
    texts: tuple[str, ...] = ()
    ways: tuple[Mapping[str, object], ...] = field(default=(), compare=False, repr=False)


def load_dictionary(without: Iterable[str] = ()) -> tuple[Action, ...]:
    """The actions of the dictionary, sorted by file and name.

    Args:
        without: names of tested actions; actions that match one of them are excluded.

    Example:
        >>> actions = {action.name: action for action in load_dictionary()}
        >>> actions["tennis serve"].sentence
        'A ...'
        >>> len(load_dictionary(without=["tennis serve"])) < len(actions)
        True

    Raises:
        InputError: ``without`` is a single text, or contains something that is not text.
    """
    if isinstance(without, str):
        raise InputError("without", f"is the text {without!r:.60}", "give a list of names")
    without = list(without)
    if other := [name for name in without if not isinstance(name, str)]:
        raise InputError("without", f"holds {other[0]!r:.60}", "give names")
    forms = [normal_form(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)) for name in without]
    names = [part for form in forms for part in (*re.split(r"[/()]", form), re.sub(r"\(.*?\)", " ", form))]
    tested = [(words, _joined(name)) for name in names if (words := _content(name))]
    return tuple(action for action in _actions() if not any(_names_it(action, *each) for each in tested))


@cache
def _actions() -> tuple[Action, ...]:
    folder = importlib.resources.files("tdsm.data.prompts") / "actions"
    rows = [row for file in sorted(folder.iterdir(), key=lambda file: file.name) for row in json.loads(file.read_text(encoding="utf-8"))]
    return tuple(Action(row["name"], tuple(row["synonyms"]), row["sentence"], tuple(row["texts"]), tuple(row["ways"])) for row in rows)


def _names_it(action: Action, tested: frozenset[str], joined: str) -> bool:
    """Whether a tested name, given by its content words and in joined form, names this action."""
    names, texts, together = _words_of(action)
    if len(joined) >= _JOINED and any(joined in name for name in together):
        return True
    return any(tested <= words for words in names) or any(words <= tested for words in (*names, *texts))


@cache
def _words_of(action: Action) -> tuple[list[frozenset[str]], list[frozenset[str]], list[str]]:
    """Content words of the names and of the texts of an action, and its names in joined form."""
    both = (action.name, *action.synonyms), action.texts
    names, texts = ([words for text in several if (words := _content(text))] for several in both)
    return names, texts, [_joined(name) for name in both[0]]


def _joined(name: str) -> str:
    """The letters of a name, without a plural s."""
    return re.sub(r"\W", "", name.casefold()).removesuffix("s")


def _content(name: str) -> frozenset[str]:
    """The content words of a name, without endings: "Waving the hands" has those of "hand wave". For "both hands" no word is removed."""
    words = frozenset(_stem(word) for word in re.findall(r"\w+", name.casefold()) if not _NO_CONTENT.fullmatch(word))
    return words - _LIMBS or words


def _stem(word: str) -> str:
    """A word without endings of plural and verb forms. The result need not be a word, but it is the same for all forms."""
    word = _IRREGULAR.get(word, word)
    for ending in ("ing", "ies", "es", "ed", "er", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending) + ("y" if ending == "ies" else "")
            break
    if len(word) > 3 and word[-1] == word[-2]:  # "clapping", "clap"
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word
