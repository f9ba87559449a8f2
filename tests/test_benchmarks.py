"""Benchmarks are data: held against the protocols' own files, the official counts and the real archives."""

import json
import re
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tdsm.catalogue.partitions import PARTITIONS, Partition, in_test, in_training, partitions_of
from tdsm.catalogue.rows import Benchmark, all_benchmarks, benchmark_named, benchmarks_of, dataset_facts
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import ntu, nw_ucla, pku_mmd, utd_mhad
from tdsm.util.errors import InputError

THEIR_NAMES = {
    "ntu-60": "ntu60", "ntu-120": "ntu120", "pku-mmd": "pkummd", "kinetics-200": "kinetics-skeleton-200", "kinetics-400": "kinetics-skeleton-400",
}  # fmt: skip
EVERY = all_benchmarks()


def lists(benchmark, facts):
    """The entries of the reference that belong to a row, in order."""
    dataset = THEIR_NAMES.get(benchmark.dataset, benchmark.dataset)
    wanted = {"SA-DVAE": "SA-DVAE random", "STAR": "SynSE" if benchmark.dataset.startswith("ntu") else "STAR"}.get(benchmark.protocol, benchmark.protocol)
    found = [one for one in facts["protocols"] if (one["dataset"], one["protocol"]) == (dataset, wanted)]
    found = [one for one in found if one["split"].split()[0] == benchmark.split]
    return [one for one in found if ("SMIE" in one["split"]) == ("star-smie" in benchmark.name)]


# The lists


@pytest.mark.parametrize("benchmark", EVERY, ids=lambda one: one.name)
def test_class_lists_and_counts_are_those_of_the_protocol(benchmark, facts):
    entries = lists(benchmark, facts)
    assert [set(draw) for draw in benchmark.draws] == [set(one["unseen_classes"]) for one in entries]
    assert all(one["num_classes"] == benchmark.classes for one in entries)
    official = [one["counts"].get(benchmark.partition) for one in entries]
    if all(official):
        for ours, theirs in (("train_seen", "train_seen"), ("test_seen", "test_seen(gzsl)"), ("test_unseen", "test_unseen(zsl)")):
            assert benchmark.counts[ours] == tuple(one[theirs] for one in official)


def test_no_list_of_the_reference_is_left_out(facts):
    used = Counter(json.dumps(one) for benchmark in EVERY for one in lists(benchmark, facts))
    assert len(facts["protocols"]) == 47
    assert set(used) == {json.dumps(one) for one in facts["protocols"]}
    assert len({one.name for one in EVERY}) == len(EVERY) == 44


def test_lists_are_those_of_purls_own_files(facts):
    folders = {"kinetics-200": "kinetic200", "kinetics-400": "kinetic400", "ntu-60": "ntu60", "ntu-120": "ntu120"}
    held = set()
    for benchmark in EVERY:
        if benchmark.protocol in ("SynSE", "PURLS"):
            name = f"{folders.get(benchmark.dataset, benchmark.dataset)}/ru{benchmark.split.split('/')[1]}"
            assert sorted(benchmark.unseen()) == facts["purls_unseen"][name]
            held.add(name)
    assert held == set(facts["purls_unseen"])


def plain(name):
    return re.sub(r"\W+", " ", name).strip().lower()


def test_class_numbers_mean_the_same_classes_as_in_the_reference(facts):
    kinetics = tuple(load_prompts("kinetics-400"))
    ours = {
        "ntu-60": ntu.CLASSES, "ntu-120": ntu.CLASSES, "pku-mmd": pku_mmd.CLASSES, "kinetics-200": kinetics, "kinetics-400": kinetics,
        "nw-ucla": nw_ucla.CLASSES, "uwa3dii": tuple(load_prompts("uwa3dii")),
    }  # fmt: skip
    twice = {"sitting down chair": "sitting down"}  # UWA3D lists "sitting down" twice
    for benchmark in EVERY:
        for draw, entry in enumerate(lists(benchmark, facts)):
            named = dict(zip(entry["unseen_classes"], entry["unseen_names"], strict=True))
            if benchmark.dataset == "utd-mhad":  # whose classes have short names there and sentences here; the order is checked below
                continue
            for index, label in zip(benchmark.unseen(draw), benchmark.unseen_labels(ours[benchmark.dataset], draw), strict=True):
                assert twice.get(plain(label), plain(label)) == plain(named[index]), (benchmark.name, index)


def test_utd_classes_stand_in_the_order_of_the_reference(facts):
    short = facts["class_names"]["utd-mhad"]
    words = {"swipe left": "to the left", "swipe right": "to the right", "arm cross": "cross arms", "draw x": "draw x", "pickup and throw": "pick up and throw"}
    words |= {"draw circle clockwise": "circle clockwise", "draw circle counter clockwise": "counter clockwise", "tennis swing": "tennis right hand"}
    words |= {"jog": "jogging", "walk": "walking", "baseball swing": "baseball swing"}
    for theirs, ours in zip(short, utd_mhad.CLASSES, strict=True):
        assert words.get(plain(theirs), plain(theirs)) in plain(ours)


# The numbers


def test_published_numbers_are_those_of_the_reference_table(facts):
    for benchmark in EVERY:
        dataset = THEIR_NAMES.get(benchmark.dataset, benchmark.dataset)
        splits = (benchmark.split, f"{benchmark.split} mean of 3") if len(benchmark.draws) > 1 else (benchmark.split,)
        for method, value in benchmark.published.items():
            rows = [row for row in facts["zsl_accuracies"] if row[0] == dataset and row[1] in splits]
            values = [printed for _, _, name, printed, _ in rows if name.startswith(method)]
            assert value in values, (benchmark.name, method)


def test_the_tables_of_the_tdsm_paper_are_whole():
    tables = {table: [one for one in EVERY if one.table == table] for table in ("Table 1", "Table 2")}
    assert [one.published["TDSM"] for one in tables["Table 1"]] == [86.49, 56.03, 74.15, 65.06, 36.09, 25.88, 36.95, 27.21]
    assert [(one.protocol, one.published["TDSM"]) for one in tables["Table 2"]] == [
        ("SMIE", 88.88), ("SMIE", 69.47), ("SMIE", 70.76), ("SA-DVAE", 88.88), ("SA-DVAE", 69.47), ("SA-DVAE", 70.76),
    ]  # fmt: skip
    assert all(len(one.draws) == 3 and one.encoder == "st-gcn" for one in tables["Table 2"])


def test_the_smie_benchmark_is_two_different_triples_of_lists():
    for row in ("ntu-60-{}-55-5", "ntu-120-{}-110-10", "pku-mmd-{}-46-5"):
        smie, sadvae = row.format("smie"), row.format("sadvae")
        assert not set(map(frozenset, benchmark_named(smie).draws)) & set(map(frozenset, benchmark_named(sadvae).draws))
    star, smie = (list(map(frozenset, benchmark_named(f"pku-mmd-{name}46-5").draws)) for name in ("star-smie-xsub-", "smie-"))
    assert [draw in smie for draw in star] == [True, True, False]
    assert benchmark_named("pku-mmd-star-xsub-46-5").unseen() == benchmark_named("pku-mmd-smie-46-5").unseen(0)


def misfits(values, clips):
    """How many percentages are not k/clips to two digits, rounded or cut off."""
    percent = 10000 * np.arange(clips + 1) // clips / 100
    return sum(np.abs(percent - value).min() > 0.0101 for value in values)


@pytest.mark.parametrize(("dataset", "one_frame_clips", "other_digits"), [("utd-mhad", 0, 2), ("nw-ucla", 2, 0)])
def test_the_digits_that_purls_prints_are_of_the_clips_we_test_on(dataset, one_frame_clips, other_digits):
    """PURLS does not state its test part; its digits do: all clips of the unseen classes (less NW-UCLA's two clips of one frame)."""
    odd = sum(misfits(one.published.values(), one.counts["test_unseen"][0] - one_frame_clips) for one in benchmarks_of(dataset))
    assert odd == other_digits  # two of UTD-MHAD's twelve numbers, both of "Global", do not fit


@pytest.mark.parametrize(("dataset", "split", "source", "clips", "values"), [
    ("ntu60", "55/5", "PURLS supplementary", 1_368, 5),  # the official number
    ("ntu60", "55/5", "EHZ9NIWI7/MSF-GZSSAR", 1_356, 9),  # on SynSE's features
    ("ntu60", "48/12", "EHZ9NIWI7/MSF-GZSSAR", 3_270, 10),
    ("kinetics-skeleton-200", "180/20", "PURLS supplementary", 990, 5),  # about 50 clips of validation a class
])  # fmt: skip
def test_other_printed_digits_that_docs_benchmarks_speaks_of(facts, dataset, split, source, clips, values):
    printed = {value for *row, _, value, place in facts["zsl_accuracies"] if row == [dataset, split] and place.startswith(source)}
    assert len(printed) == values
    assert misfits(printed, clips) == 0


def test_clips_of_seen_and_unseen_classes_make_up_the_test_part():
    for one in EVERY:
        parts = dataset_facts()[one.dataset].parts.get(one.partition)
        for seen, unseen in zip(one.counts.get("test_seen", ()), one.counts.get("test_unseen", ()), strict=False):
            assert seen + unseen == parts[1]
        assert all(train < parts[0] for train in one.counts.get("train_seen", ()) if one.partition != "all")


def test_the_document_has_every_row_as_it_is():
    document = (Path(__file__).parents[1] / "docs/BENCHMARKS.md").read_text(encoding="utf-8")
    for one in EVERY:
        numbers = [one.counts.get(part) for part in ("train_seen", "test_unseen")]
        clips = " / ".join(", ".join(f"{number:,}" for number in part) for part in numbers) if all(numbers) else "not stated"
        published = f"{one.published['TDSM']:.2f}" if "TDSM" in one.published else ""
        assert f"| `{one.name}` | {len(one.draws)} | {one.partition} | {one.encoder} | {clips} | {published} |" in document, one.name


# Partitions


def test_partitions_are_the_official_lists(facts):
    official = facts["sizes"]
    ntu_60, ntu_120 = official["ntu60"], official["ntu120"]
    for name, lists_of, key, values in (
        ("ntu-60", ntu_60, "xsub", "subjects"), ("ntu-60", ntu_60, "xview", "cameras"),
        ("ntu-120", ntu_120, "xsub", "subjects"), ("ntu-120", ntu_120, "xset", "setups"),
    ):  # fmt: skip
        partition = PARTITIONS[name, key]
        assert partition.train == set(lists_of[f"{key}_train_{values}"])
        assert partition.test == set(lists_of[f"{key}_test_{values}"])
    for name in ("utd-mhad", "msr-action3d"):
        assert PARTITIONS[name, "official"].train == set(official[name]["train_subjects"])
        assert PARTITIONS[name, "official"].test == set(official[name]["test_subjects"])


def test_whole_data_sets_are_those_of_the_reference(facts):
    official, known = facts["sizes"], dataset_facts()
    for name in ("ntu-60", "ntu-120"):
        ours, theirs = known[name], official[THEIR_NAMES[name]]
        assert (ours.clips, ours.without_skeleton) == (theirs["samples_total"], theirs["missing_skeletons"])
        assert ours.parts == {part: tuple(numbers) for part, numbers in theirs["counts"].items()}
        assert all(sum(numbers) == ours.clips - ours.without_skeleton for numbers in ours.parts.values())
        assert set(ours.parts) == set(partitions_of(name))
    pku = official["pkummd"]
    assert (known["pku-mmd"].clips, known["pku-mmd"].videos, known["pku-mmd"].without_skeleton) == (
        pku["instances"], pku["videos"], pku["samples_without_skeleton_phase1"],
    )  # fmt: skip
    for name, part in (("utd-mhad", ("train_n", "test_n")), ("uwa3dii", ()), ("msr-action3d", ())):
        theirs = official[name]
        assert known[name].clips == theirs.get("samples", theirs.get("files"))
        assert known[name].parts == ({"official": tuple(theirs[key] for key in part)} if part else {})
    assert known["nw-ucla"].parts == {"official": (official["nw-ucla"]["train"], official["nw-ucla"]["test"])}
    assert {one.dataset for one in EVERY} <= set(known)
    assert all(one.classes == known[one.dataset].classes for one in EVERY)


@pytest.mark.parametrize(("dataset", "partition", "train", "test"), [
    ("ntu-60", "xsub", "S001C001P038R001A060", "S001C001P040R001A060"),
    ("ntu-60", "xview", "S001C003P003R001A001", "S001C001P001R001A001.skeleton"),
    ("ntu-120", "xsub", "S018C001P103R001A001", "S018C001P106R001A001"),
    ("ntu-120", "xset", "S032C001P106R001A120", "S001C001P001R001A001"),
    ("pku-mmd", "xsub", "0290-L#1", "0291-M#12"),
    ("pku-mmd", "xsub", "0335-R#1", "0334-R#1"),
    ("pku-mmd", "xview", "0300-M#2", "0002-L#3"),
    ("kinetics-400", "official", "train/-3B32lodo2M", "val/train12345_"),
    ("kinetics-200", "official", "train/--07WQ2iBlw", "val/--07WQ2iBlw"),
    ("utd-mhad", "official", "a27_s7_t1", "a8_s2_t4_skeleton.mat"),
    ("nw-ucla", "official", "a01_s03_e00_v02", "a12_s01_e04_v03.json"),
    ("msr-action3d", "official", "a20_s09_e03", "a01_s10_e01_skeleton3D.txt"),
])  # fmt: skip
def test_the_name_says_which_part_a_clip_is_in(dataset, partition, train, test):
    assert in_training(dataset, partition, train)
    assert not in_test(dataset, partition, train)
    assert in_test(dataset, partition, test)
    assert not in_training(dataset, partition, test)
    assert in_training(dataset, "all", test)
    assert in_test(dataset, "all", train)


@pytest.mark.parametrize(("dataset", "partition", "name", "message"), [
    ("ntu-60", "xset", "S001C001P001R001A001", "ntu-60 has no partition 'xset'; choose among: xsub, xview, all"),
    ("uwa3dii", "xview", "a01", "choose among: all"),
    ("ntu-60", "xsub", "S018C001P041R001A001", "performer 41 is in neither part"),
    ("ntu-60", "xsub", "S001C001P0011R001A001", "has no performer in its name"),
    ("ntu-60", "xview", "drinking.npy", "has no camera in its name.*S001C001P001R001A001"),
    ("pku-mmd", "xsub", "0365-L#1", "video of phase I 365 is in neither part"),
    ("pku-mmd", "xsub", "A01N01-L#1", "has no video of phase I in its name"),
    ("kinetics-400", "official", "-3B32lodo2M", "has no folder in its name"),
    ("nw-ucla", "official", "a01_s01_e00_v04", "view 4 is in neither part"),
])  # fmt: skip
def test_a_name_that_does_not_tell_is_refused(dataset, partition, name, message):
    with pytest.raises(InputError, match=message):
        in_training(dataset, partition, name)


def test_a_partition_that_overlaps_is_refused():
    with pytest.raises(ValueError, match="in both parts"):
        Partition("view", re.compile("(.)"), "a", frozenset({1, 2}), frozenset({2}))


@pytest.mark.parametrize(("archive", "dataset", "pattern"), [
    ("utd_mhad_skeleton.zip", "utd-mhad", r"a(\d+)_s.*_skeleton\.mat"), ("nw_ucla_all_sqe.zip", "nw-ucla", r"a(\d+)_s.*\.json"),
])  # fmt: skip
def test_the_real_archives_have_the_official_counts(download, archive, dataset, pattern):
    with zipfile.ZipFile(download(archive)) as file:
        found = [match for name in file.namelist() if (match := re.fullmatch(pattern, name.split("/")[-1]))]
    train = [in_training(dataset, "official", match[0]) for match in found]
    facts = dataset_facts()[dataset]
    assert len(found) == facts.clips
    assert (sum(train), len(train) - sum(train)) == facts.parts["official"]
    codes = sorted({int(match[1]) for match in found})
    counts = Counter(codes.index(int(match[1])) for match in found)
    for benchmark in benchmarks_of(dataset):
        unseen = sum(counts[index] for index in benchmark.unseen())
        assert benchmark.counts == {"clips": len(found), "train_seen": (len(found) - unseen,), "test_unseen": (unseen,)}


# Dividing


def ntu_clips(classes=60, name="ntu-60"):
    """Of every class one clip of a training performer and one of a test performer."""
    clips = [
        Clip(np.ones((1, 2, 25, 3)), NTU_25, ntu.CLASSES[index], f"P{performer:03}", name=f"S{setup:03}C001P{performer:03}R001A{index + 1:03}")
        for index in range(classes)
        for setup, performer in (((1, 1), (2, 3)) if index < 60 else ((18, 45), (19, 41)))
    ]
    return ClipSet(tuple(clips), ntu.CLASSES[:classes], name)


def kinect_clips(classes, unlabelled=0):
    labels = tuple(load_prompts("nw-ucla"))[:classes]
    return ClipSet(tuple(Clip(np.ones((1, 2, 20, 3)), KINECT_20, label) for label in (*labels, *[None] * unlabelled)), labels, "nw-ucla")


@pytest.mark.parametrize("name", ["ntu-60-synse-55-5", "ntu-60-smie-55-5", "ntu-60-purls-30-30"])
@pytest.mark.parametrize("clips", [ntu_clips(), ntu_clips(120, "ntu-120")], ids=["ntu-60", "in ntu-120"])
def test_dividing_takes_seen_classes_of_training_and_unseen_of_test(name, clips):
    benchmark = benchmark_named(name)
    for draw in range(len(benchmark.draws)):
        train, test = benchmark.divide(clips, draw)
        assert train.name == test.name == "ntu-60"
        assert {clip.subject for clip in train} == {"P001"}
        assert {clip.subject for clip in test} == {"P003"}
        assert set(test.classes) == {clip.label for clip in test} == {ntu.CLASSES[index] for index in benchmark.draws[draw]}
        assert not set(train.classes) & set(test.classes)
        assert set(train.classes) | set(test.classes) == set(ntu.CLASSES[:60])
        assert len(train) == len(train.classes)


def test_without_a_partition_all_clips_count():
    train, test = benchmarks_of("nw-ucla", "8/2")[0].divide(kinect_clips(10))
    assert test.classes == ("pick up with two hands", "sit down")
    assert len(train) == len(train.classes) == 8


def test_the_order_in_which_a_user_lists_the_classes_changes_nothing():
    clips = kinect_clips(10)
    benchmark = benchmarks_of("nw-ucla", "5/5")[0]
    for given, turned in zip(benchmark.divide(clips), benchmark.divide(ClipSet(clips.clips, tuple(sorted(clips.classes)), "nw-ucla")), strict=True):
        assert given.classes == turned.classes
        assert given.y.tolist() == turned.y.tolist()


def test_an_archive_of_a_set_that_comes_in_two_is_taken_whole():
    benchmark = benchmark_named("ntu-120-synse-110-10")
    assert len(benchmark.select(ntu_clips())) == 120
    with pytest.raises(InputError, match="has no clip in the training part"):
        benchmark.divide(ntu_clips())
    second = ntu_clips(120, "ntu-120").where(lambda clip: clip.name.startswith(("S018", "S019")))
    assert benchmark_named("ntu-60-synse-55-5").select(second) == ()
    assert sum(map(len, benchmark.divide(ntu_clips(120, "ntu-120")))) == 120


@pytest.mark.parametrize(("call", "message"), [
    (lambda: benchmarks_of("ntu"), "no data set 'ntu'.*choose among"),
    (lambda: benchmarks_of("nw-ucla", "7/3"), "no split '7/3'.*8/2, 5/5"),
    (lambda: benchmark_named("ntu-60-synse"), "no row 'ntu-60-synse'.*ntu-60-synse-55-5"),
    (lambda: benchmark_named("x"), "no row 'x'.*kinetics-400"),
    (lambda: benchmarks_of("nw-ucla", "8/2")[0].divide(kinect_clips(9)), "class .carry. has no clip in the training part"),
    (lambda: benchmark_named("ntu-60-synse-55-5").divide(kinect_clips(10)), "nw-ucla: is not ntu-60, which ntu-60-synse-55-5 needs"),
    (lambda: benchmark_named("ntu-60-synse-55-5").divide(ntu_clips()[1:]), "class 'drink water' has no clip in the training part"),
    (lambda: benchmark_named("ntu-60-purls-40-20").divide(ntu_clips()[2:]), "class 'drink water' has no clip in the test part"),
    (lambda: benchmarks_of("nw-ucla", "8/2")[0].divide(kinect_clips(10, unlabelled=1)), "label None is not one of the 10 classes"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_split_finds_its_rows_and_a_row_itself():
    assert [one.name for one in benchmarks_of("utd-mhad", "22/5")] == ["utd-mhad-purls-22-5"]
    assert benchmarks_of("ntu-60", "55/5")[0].protocol == "SynSE"
    assert benchmarks_of("ntu-60", "ntu-60-sadvae-55-5") == [benchmark_named("ntu-60-sadvae-55-5")]


@pytest.mark.parametrize(("changes", "message"), [
    ({"draws": ((1, 1),)}, "do not make a split"),
    ({"draws": ((1, 2), (1,))}, "do not make a split"),
    ({"draws": ((1, 10),)}, "do not make a split"),
    ({"draws": ()}, "do not make a split"),
    ({"split": "8/3"}, "do not make a split"),
    ({"partition": "xsub"}, "no partition 'xsub'"),
    ({"encoder": "pose"}, "no encoder 'pose'"),
    ({"counts": {"train_seen": (1, 2)}}, "train_seen has 2 numbers for 1 lists"),
])  # fmt: skip
def test_a_benchmark_that_contradicts_itself_is_refused(changes, message):
    whole: Benchmark = benchmarks_of("nw-ucla", "8/2")[0]
    with pytest.raises(ValueError, match=message):
        replace(whole, **changes)
