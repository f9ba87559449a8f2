"""Labels: which names are the same, what is refused, which description belongs to which label."""

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tdsm.data.labels
from tdsm.data.labels import _LOOKED_AT, Label, as_labels, description_of, merged, normal_form, parse_labels, spoken, unmatched, unmatched_line
from tdsm.data.prompts import class_prompts, load_prompts, packaged_prompts
from tdsm.util.errors import InputError

SPELLINGS = (
    "Tennis serve",
    "TENNIS SERVE",
    "tennis serve.",
    "tennis  serve",
    " tennis serve\n",
    "tennis_serve",
    "tennis-serve",
    "Tennis – Serve!",
    "tennis\u2011serve",
    "tennis\u00a0serve",
    "\ufefftennis ser\u200bve",
    "ｔｅｎｎｉｓ　ｓｅｒｖｅ．",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_one_name(spelling: str) -> None:
    assert normal_form(spelling) == "tennis serve"
    sentence = load_prompts("utd-mhad")["tennis serve"]
    assert as_labels([spelling], load_prompts("utd-mhad")) == (Label(spelling, sentence),)
    assert class_prompts([spelling], load_prompts("utd-mhad"))[0][-1] == sentence


@pytest.mark.parametrize(
    ("one", "other"), [("cafe\u0301", "caf\u00e9"), ("STRASSE", "straße"), ("other person’s ear", "other person's ear"), ("ﬁst bump", "fist bump")]
)
def test_unicode_forms(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


def test_different_names_stay_different() -> None:
    names = ("wave", "waves", "wave left", "left wave", "wave (left)", "wave/left", "wäve", "0", "1")
    assert len({normal_form(name) for name in names}) == len(names)
    for dataset in packaged_prompts():
        assert len({normal_form(name) for name in load_prompts(dataset)}) == len(load_prompts(dataset))


@given(st.text())
def test_the_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)
    assert normal_form(spoken(text)) == normal_form(text)


def test_packaged_names_are_read_as_they_are_spelled() -> None:
    for dataset in packaged_prompts():
        for name, sentence in load_prompts(dataset).items():
            assert Label(name, sentence).prompts == (name, sentence)


@pytest.mark.parametrize("name", ["", "  ", "\u200b", "\ufeff", "\u0301", "...", "-_-", "caf\udce9", 0, 1.5, None, b"wave", float("nan"), ["wave"]])
def test_what_is_no_name_is_refused_in_one_line(name: object) -> None:
    with pytest.raises(InputError) as refusal:
        as_labels(["walk", name])
    assert "\n" not in str(refusal.value)
    str(refusal.value).encode("utf-8")  # can be printed


@pytest.mark.parametrize("description", ["", " ", "\u200b", "...", (), ("a", ""), 3, ("a", 3), {"a": 1}])
def test_what_is_no_description_is_refused(description: object) -> None:
    with pytest.raises(InputError, match="description of 'wave'"):
        as_labels(["wave"], {"Wave": description})


def test_one_name_twice_is_refused() -> None:
    with pytest.raises(InputError, match="'wave' is given twice"):
        as_labels(["wave", "walk", "wave"])
    with pytest.raises(InputError, match="are the same name"):
        as_labels(["sit-down", "walk", "Sit down."])
    for nothing in ([], (), "wave", Label("wave"), 3):
        with pytest.raises(InputError):
            as_labels(nothing)


def test_names_labels_and_pairs() -> None:
    given = ["wave", Label("walk", "The legs swing."), ("jump", "Both feet leave the floor."), ("sit", None), ("bow", ["bow", "The trunk leans."])]
    labels = as_labels(given, {"WAVE": "The hand swings.", "walk": "not this", "bow": "nor this", "unused": "x"})
    assert [label.description for label in labels] == [
        "The hand swings.",
        "The legs swing.",
        "Both feet leave the floor.",
        None,
        ("bow", "The trunk leans."),
    ]
    assert [label.prompts for label in labels][3:] == [("sit",), ("bow", "The trunk leans.")]
    assert as_labels(labels) == labels
    assert as_labels({"walk": "The legs swing.", "sit": None}) == (Label("walk", "The legs swing."), Label("sit"))


@pytest.mark.parametrize("descriptions", [3, "text", ["text"], {3: "text"}, 0])
def test_descriptions_are_a_mapping_of_names(descriptions: object) -> None:
    with pytest.raises(InputError, match="is not a mapping"):
        as_labels(["walk"], descriptions)


def test_two_descriptions_of_one_label() -> None:
    with pytest.raises(InputError, match="'wave' and 'Wave' are the same label with different texts"):
        as_labels(["WAVE"], {"wave": "a", "Wave": "b"})
    assert as_labels(["WAVE"], {"wave": "a", "Wave": "a"})[0].description == "a"
    assert as_labels(["walk"], {"wave": "a", "Wave": "b"})[0].description is None  # nobody asked
    assert merged({"wave": "a", "walk": "c"}, {"Wave": "b"}) == {"Wave": "b", "walk": "c"}
    with pytest.raises(InputError, match="the same label with different texts"):
        as_labels(["wave"], merged({"wave": "c"}, {"wave": "a", "Wave": "b"}))
    assert description_of("tennis_serve", {"Tennis serve": "a"}) == "a"
    assert description_of("tennis", {"Tennis serve": "a"}) is None


def test_descriptions_of_no_label_are_named() -> None:
    labels = ["tennis serve", "wave", "sit down"]
    descriptions = {"tenis serve": "a", "Wave.": "b", "squat": "c"}
    assert unmatched(descriptions, labels) == [("tenis serve", "tennis serve"), ("squat", None)]
    assert unmatched_line(descriptions, labels) == (
        "descriptions: 2 of 3 match no label and are not used: 'tenis serve' (did you mean 'tennis serve'?), 'squat'"
    )
    assert unmatched_line({"Sit_down": "a"}, labels) is None
    assert "and 7 more" in unmatched_line({str(number): "a" for number in range(10)}, labels)


def test_only_the_first_of_many_descriptions_are_compared_with_the_labels() -> None:
    labels = [f"label {number}" for number in range(5)]
    compared = []
    for count in (2 * _LOOKED_AT, 4 * _LOOKED_AT):
        with patch.object(tdsm.data.labels, "get_close_matches", wraps=tdsm.data.labels.get_close_matches) as search:
            assert f"descriptions: {count} of {count} match no label" in unmatched_line({f"text {number}": "a" for number in range(count)}, labels)
        compared.append(search.call_count)
    assert compared == [_LOOKED_AT] * 2


def test_labels_of_a_command_line_are_comma_separated_values() -> None:
    assert parse_labels('walk, "stand, then sit" ,jump,') == ["walk", "stand, then sit", "jump"]
    assert parse_labels('"say ""hello""",wave\n') == ['say "hello"', "wave"]
    assert parse_labels("") == parse_labels(" , ") == []
    for wrong, says in (
        ('"walk, jump', "comma-separated"),
        ("walk,Walk.", "are the same name"),
        ("walk,caf\udce9", "not valid Unicode"),
        ("walk,...", "no letter"),
    ):
        with pytest.raises(InputError, match=says) as refusal:
            parse_labels(wrong, "--labels")
        assert str(refusal.value).startswith("--labels: ") and "\n" not in str(refusal.value)
