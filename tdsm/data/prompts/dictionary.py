"""What people do, in words and in motion: some 4,000 actions with other names, one sentence each about how the body moves, and choreographies.

``actions/`` has ``everyday``, ``gesture``, ``movement`` and ``sport``, written on 2026-11-29, and ``basic`` (the plainest verbs), written on 2026-11-30, in
several files, all from the names alone, before any evaluation with them and without a look at the descriptions or recordings of any data set; the
choreographies (:mod:`tdsm.data.procedural.choreography`) and texts were written on 2026-11-30 from name and sentence. 136 actions of ``movement`` were added
where the 2,435 descriptions of CMU's motion capture, taken as a list of what people do, had no name like them. Sentences are in the voice of
:mod:`tdsm.data.prompts`: posture, body part, direction, height, path, repetition. Names are what users type; the other names are synonyms and everyday
phrases; instructions, captions and plain descriptions are texts beside them. The names of ``basic`` are those of lists of human actions as anybody knows
them, benchmarks' names among them.

**What may be used in a test.** A test of an action that the dictionary describes is no zero-shot test. :func:`load_dictionary` takes the names of the tested
actions and leaves out each action of which one name has all content words of a tested name, or a name or text none but words of it: "right hand wave"
leaves out "wave", "waving goodbye" and "wave with the left hand". Texts and sentences of others may use the words. Sides, limbs and numbers do not count; what
stands in parentheses or beside a slash is a name of its own. It is the words that are compared:
"salute" stays where "military greeting" is tested, unless one is a synonym of the other. An evaluation says which it used: the dictionary without the
tested actions, or the whole of it, which is what a user has.
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
_JOINED = 6  # letters from which on a tested name is also looked for with its spaces left out: "pushups" in "wall push-ups"
_LIMBS = frozenset(("arm", "both", "foot", "hand", "left", "leg", "one", "right", "two"))


@dataclass(frozen=True)
class Action:
    """An action of the dictionary.

    Attributes:
        name: as a user would type it.
        synonyms: other names and everyday phrases; at least one.
        sentence: how the body moves.
        texts: what else it may be called in a sentence: instructions, captions, plain descriptions.
        ways: its choreography, one object for each way to do it (:func:`tdsm.data.procedural.choreography.read_way`).
    """

    name: str
    synonyms: tuple[str, ...]
    sentence: str
    texts: tuple[str, ...] = ()
    ways: tuple[Mapping[str, object], ...] = field(default=(), compare=False, repr=False)


def load_dictionary(without: Iterable[str] = ()) -> tuple[Action, ...]:
    """The actions of the dictionary, sorted by file and name.

    Args:
        without: names of tested actions; whatever one of them names is left out.

    Example:
        >>> actions = {action.name: action for action in load_dictionary()}
        >>> actions["tennis serve"].sentence
        'A ...'
        >>> len(load_dictionary(without=["tennis serve"])) < len(actions)
        True

    Raises:
        InputError: ``without`` is one text, or holds what is none.
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
    """Whether the action is what a tested name, given by its content words and joined into one, names."""
    names, texts, together = _told(action)
    if len(joined) >= _JOINED and any(joined in name for name in together):
        return True
    return any(tested <= words for words in names) or any(words <= tested for words in (*names, *texts))


@cache
def _told(action: Action) -> tuple[list[frozenset[str]], list[frozenset[str]], list[str]]:
    """Content words of the names and of the texts of an action, and its names joined."""
    both = (action.name, *action.synonyms), action.texts
    names, texts = ([words for text in told if (words := _content(text))] for told in both)
    return names, texts, [_joined(name) for name in both[0]]


def _joined(name: str) -> str:
    """The letters of a name alone, without a plural's s."""
    return re.sub(r"\W", "", name.casefold()).removesuffix("s")


def _content(name: str) -> frozenset[str]:
    """The words of a name that carry its meaning, without endings: "Waving the hands" has those of "hand wave"; of "both hands" none are left out."""
    words = frozenset(_stem(word) for word in re.findall(r"\w+", name.casefold()) if not _NO_CONTENT.fullmatch(word))
    return words - _LIMBS or words


def _stem(word: str) -> str:
    """Without the endings of plural and of verb forms; what is left need not be a word, only the same for all forms."""
    word = _IRREGULAR.get(word, word)
    for ending in ("ing", "ies", "es", "ed", "er", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending) + ("y" if ending == "ies" else "")
            break
    if len(word) > 3 and word[-1] == word[-2]:  # "clapping", "clap"
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word
