"""The motion dictionary: many actions, each described once, in terms of the body, in its own words; and tested actions left out."""

import re
from collections import Counter

import pytest

from tdsm.data.labels import normal_form
from tdsm.data.prompts import load_prompts, packaged_prompts
from tdsm.data.prompts.dictionary import load_dictionary
from tdsm.util.errors import InputError

ACTIONS = load_dictionary()
PARTS = set(
    re.findall(
        r"\w+",
        """head face chin mouth eyes ear ears nose forehead cheek neck shoulder shoulders arm arms elbow elbows forearm forearms wrist wrists hand hands palm
        palms fist fists finger fingers fingertips thumb thumbs chest back belly torso trunk waist hip hips pelvis leg legs thigh thighs knee knees shin shins
        calf ankle ankles foot feet toe toes heel heels body bodies spine buttocks heads chests trunks""",
    )
)


def words(text):
    return re.findall(r"[a-z'-]+", text.lower())


def test_there_are_three_thousand_actions_and_no_name_stands_twice():
    assert len(ACTIONS) >= 3000
    names = Counter(normal_form(name) for action in ACTIONS for name in (action.name, *action.synonyms))
    assert [name for name, count in names.items() if count > 1] == []
    assert all(action.synonyms for action in ACTIONS)


def test_texts_are_no_names_and_belong_to_one_action():
    names = {normal_form(name) for action in ACTIONS for name in (action.name, *action.synonyms)}
    texts = Counter(normal_form(text) for action in ACTIONS for text in action.texts)
    assert [text for text, count in texts.items() if count > 1 or text in names] == []
    assert sum(len(action.texts) for action in ACTIONS) >= 10_000


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_side_in_a_name_is_in_its_texts(side):
    assert [text for action in ACTIONS for text in action.texts if side in words(action.name) and not re.search(rf"\b{side}\b", text)] == []


def test_sentences_differ_and_describe_a_body():
    assert len({normal_form(action.sentence) for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        assert re.fullmatch(r"(A|An|One|Two|Three|Several) [^.]*\.", action.sentence), action
        assert 10 <= len(words(action.sentence)) <= 32, action
        assert set(words(action.sentence)) & PARTS, action


@pytest.mark.parametrize("side", ["left", "right", "both"])
def test_a_side_in_a_name_is_in_its_sentence(side):
    assert [action.name for action in ACTIONS if side in words(action.name) and side not in words(action.sentence)] == []


def test_no_sentence_is_one_of_a_data_set():
    """Nor nearly one: of the words of two sentences at most four in five are common."""
    described = [(name, set(words(text))) for dataset in packaged_prompts() for name, text in load_prompts(dataset).items()]
    for action in ACTIONS:
        own = set(words(action.sentence))
        near = [name for name, other in described if len(own & other) > 0.8 * len(own | other)]
        assert near == [], action


@pytest.mark.parametrize(
    ("tested", "gone", "kept"),
    [
        ("right hand wave", ["wave with the left hand", "waving goodbye"], ["tennis serve"]),
        ("Tennis Serve", ["tennis serve", "table tennis serve"], ["tennis forehand", "golf drive"]),
        ("jog in place (slowly)", ["jog in place"], ["sit down on a chair"]),
        ("stand_up", ["stand up from a chair"], ["golf drive"]),
    ],
)
def test_what_is_tested_is_left_out_under_all_its_names(tested, gone, kept):
    left = load_dictionary(without=[tested])
    names = {normal_form(name) for action in left for name in (action.name, *action.synonyms)}
    assert not names & set(map(normal_form, gone))
    assert set(kept) <= {action.name for action in left}


def test_no_action_of_a_tested_data_set_is_left():
    for dataset in packaged_prompts():
        left = {normal_form(name) for action in load_dictionary(load_prompts(dataset)) for name in (action.name, *action.synonyms)}
        assert not left & set(map(normal_form, load_prompts(dataset)))


def test_a_text_of_nothing_but_tested_words_leaves_its_action_out_and_one_with_more_does_not():
    some = {action.name: action.texts for action in ACTIONS if action.texts}
    for name in list(some)[::200]:
        text = some[name][0]
        assert name not in {action.name for action in load_dictionary([text])}
    kept = {action.name: action for action in load_dictionary(["throw"])}
    assert any("throw" in words(text) for action in kept.values() for text in action.texts)


@pytest.mark.parametrize(("written", "plain"), [("pushups", "push up"), ("highfive", "high five"), ("JumpRope", "jump rope"), ("sat down", "sit down")])
def test_other_spellings_leave_out_what_the_plain_one_names(written, plain):
    gone = {action.name for action in ACTIONS} - {action.name for action in load_dictionary([written])}
    named = {action.name for action in ACTIONS if words(plain)[0] in words(action.name) and words(plain)[1] in words(action.name)}
    assert named
    assert named & gone


def test_names_may_come_from_a_generator():
    assert load_dictionary(name for name in ["squat"]) == load_dictionary(["squat"]) != ACTIONS


def test_what_is_no_name_is_refused():
    with pytest.raises(InputError, match="without: holds 3"):
        load_dictionary([3])


def test_nothing_tested_leaves_nothing_out():
    assert load_dictionary([]) == load_dictionary(["", "qqq"]) == ACTIONS
