"""The doctor: what stands inside decides, faults are part of the answer, and raw recordings are counted by their names alone."""

import html
import itertools
import json
import pickle
import re
import shlex
import zipfile

import numpy as np
import pytest

from tdsm.catalogue.doctor import benchmark_table, inspect, present
from tdsm.catalogue.doctor.raw import Files, raw_findings
from tdsm.catalogue.fetch import sources
from tdsm.catalogue.rows import all_benchmarks, benchmark_named, dataset_facts
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.disk import ClipStore
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.data.prompts import SUBSETS
from tdsm.data.readers import kinetics, ntu, pku_mmd
from tdsm.util.errors import InputError


def ntu_names(actions=range(1, 61), each=948, setups=range(1, 18)):
    """As many recordings of each action as asked, with names as in the data set."""
    takes = [f"S{s:03}C{c:03}P{p:03}R{r:03}" for s, c, p, r in itertools.product(setups, (1, 2, 3), range(1, 41), (1, 2))][:each]
    return [f"{take}A{action:03}" for action in actions for take in takes]


def write(folder, names, content="not a skeleton"):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def zipped(path, names, content="x"):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def refuse(*args):
    raise AssertionError("opened a file")


# NTU RGB+D


def test_a_whole_ntu_60_is_judged_by_its_names_alone(tmp_path):
    names = [f"nturgb+d_skeletons/{name}.skeleton" for name in ntu_names()]
    (found,) = raw_findings(Files(tmp_path, names, refuse, refuse))
    assert (found.dataset, found.clips, found.problems) == ("ntu-60", 56_880, ())
    assert list(found.classes) == list(ntu.CLASSES[:60])
    assert set(found.classes.values()) == {948}
    assert sum(found.parts["xsub"]) == sum(found.parts["xview"]) == 56_880
    assert any("302 of them are listed as having no skeleton, 56,578 remain" in text for text in found.notes)
    assert set(found.benchmarks) == {one.name for one in all_benchmarks() if one.dataset == "ntu-60"}
    assert found.next == f"tdsm reproduce ntu-60-synse-55-5 --data {tmp_path}"


def test_what_is_lacking_is_named(tmp_path):
    found = inspect(write(tmp_path / "nw-ucla", [f"{name}.skeleton" for name in ntu_names(range(1, 59), 3)]))
    assert found.dataset == "ntu-60"  # not what the folder is called
    assert found.problems == (
        "174 of 56,578 clips; complete the download",
        "2 classes have no clip: walking towards each other, walking apart from each other; complete the download",
    )
    assert found.parts == {"xsub": (174, 0), "xview": (0, 174)}
    (tmp_path / "nw-ucla/copy").mkdir()
    (tmp_path / "nw-ucla/copy/S001C001P001R001A001.skeleton").write_text("again")
    assert "1 recordings occur more than once, first S001C001P001R001A001; keep one copy" in inspect(tmp_path / "nw-ucla").problems
    write(tmp_path / "nw-ucla", ["S001C001P041R001A001.skeleton"])
    assert "1 clips are in no official part: S001C001P041R001A001; remove them" in inspect(tmp_path / "nw-ucla").problems


def test_the_second_archive_of_ntu_120_asks_for_the_first(tmp_path):
    second = inspect(zipped(tmp_path / "a.zip", [f"{name}.skeleton" for name in ntu_names(range(61, 121), 2, (18,))]))
    assert second.dataset == "ntu-120"
    assert "also needs nturgbd_skeletons_s001_to_s017.zip" in second.problems[0]
    assert not any(name.startswith("ntu-60") for name in second.benchmarks)
    assert second.next.count("--data") == 2
    both = write(tmp_path / "both", [f"{name}.skeleton" for name in [*ntu_names(range(1, 61), 2), *ntu_names(range(61, 121), 2, (18,))]])
    assert "ntu-60-synse-55-5" in inspect(both).benchmarks
    assert inspect(both).benchmarks[0] == "ntu-120-synse-110-10"


def test_a_pickle_is_searched_and_never_followed(tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("executed",)

    names = ntu_names(range(1, 61), 2)
    annotations = [{"frame_dir": name, "label": 0, "total_frames": 1, "keypoint": np.zeros((1, 1, 25, 3), np.float16)} for name in names]
    path = tmp_path / "some.pkl"
    path.write_bytes(pickle.dumps({"split": {"xsub_train": names}, "annotations": annotations, "trap": Trap()}))
    found = inspect(path)
    assert (found.dataset, found.clips, "in 3-D" in found.kind) == ("ntu-60", 120, True)
    assert sum(found.parts["xsub"]) == 120
    path.write_bytes(pickle.dumps({"split": {}, "annotations": [one | {"keypoint_score": 0} for one in annotations]}, 2))
    assert "COCO-17" in inspect(path).kind
    path.write_bytes(pickle.dumps({"split": {"train": ["a"]}, "annotations": [{"raw_file": "x.pkl", "frame_dir": "a"}]}))
    assert inspect(path).dataset == "kinetics-400"
    assert "the folder kpfiles/ is missing" in inspect(path).problems[0]
    path.write_bytes(pickle.dumps([1, 2]))
    assert "no annotations" in inspect(path).problems[0]


# Other downloads


@pytest.mark.slow
def test_the_real_archives(download, tmp_path):
    utd, ucla = inspect(download("utd_mhad_skeleton.zip")), inspect(download("nw_ucla_all_sqe.zip"))
    assert (utd.dataset, utd.clips, utd.parts, utd.problems) == ("utd-mhad", 861, {"official": (431, 430)}, ())
    assert (ucla.dataset, ucla.clips, ucla.parts, ucla.problems) == ("nw-ucla", 1484, {"official": (1020, 464)}, ())
    assert set(utd.classes.values()) == {31, 32}
    assert utd.next.startswith("tdsm evaluate ")
    assert "861 of 27 classes, 31 to 32 per class" in str(utd)
    (tmp_path / "utd_mhad_skeleton.zip").symlink_to(utd.path)
    table = benchmark_table(tmp_path)
    assert re.search(r"^utd-mhad-purls-22-5 .* utd_mhad_skeleton\.zip$", table, re.M)
    assert re.search(r"^ntu-60-synse-55-5 .* missing$", table, re.M)


def pku(folder, videos=("0002-L", "0291-R"), actions=range(1, 52)):
    (folder / "skeletons").mkdir(parents=True)
    (folder / "labels").mkdir()
    for video in videos:
        (folder / "skeletons" / f"{video}.txt").write_text("0.1 0.2 0.3\n")
        (folder / "labels" / f"{video}.txt").write_text("".join(f"{action},1,2,2\n" for action in actions))
    return folder


def test_pku_mmd_is_counted_by_its_labels(tmp_path):
    found = inspect(pku(tmp_path / "a"))
    assert (found.dataset, found.clips, found.parts) == ("pku-mmd", 102, {"xsub": (51, 51), "xview": (51, 51)})
    assert found.classes == dict.fromkeys(pku_mmd.CLASSES, 2)
    assert "2 of 1,076 videos; complete the download" in found.problems
    (tmp_path / "a/labels/0002-L.txt").unlink()
    (tmp_path / "a/skeletons/0291-R.txt").unlink()
    alone = inspect(tmp_path / "a")
    assert alone.clips == 0
    assert [text.partition(",")[0] for text in alone.problems[:2]] == ["1 videos have no labels", "1 label files have no video"]
    second = inspect(pku(tmp_path / "b", ("A01N01-L",)))
    assert "phase II" in second.kind
    assert second.benchmarks == ()


def test_kinetics_is_counted_by_its_label_tables(tmp_path):
    rows = {f"id_{label:03}": {"has_skeleton": label != 7, "label": name, "label_index": label} for label, name in enumerate(kinetics.CLASSES)}
    write(tmp_path / "k", [f"kinetics_train/{name}.json" for name in rows] + [f"kinetics_val/{name}.json" for name in list(rows)[1:]], "{}")
    for part in ("train", "val"):
        (tmp_path / f"k/kinetics_{part}_label.json").write_text(json.dumps(rows))
    found = inspect(tmp_path / "k")
    assert (found.dataset, found.clips, found.parts) == ("kinetics-400", 797, {"official": (399, 398)})
    assert found.problems == ("1 clips of the label tables are missing, first val/id_000; complete the download",
                              f"1 classes have no clip: {kinetics.CLASSES[7]}; complete the download")  # fmt: skip
    assert "2 clips have no skeleton according to the label tables and are skipped" in found.notes
    assert "kinetics-200-purls-180-20" in found.benchmarks
    (tmp_path / "k/kinetics_val_label.json").write_text("[]")
    assert "kinetics_val_label.json is not a label table; download it again" in inspect(tmp_path / "k").problems


@pytest.mark.parametrize(("names", "kind", "clips"), [
    ([f"a{action:02}_s{subject:02}_e01_skeleton3D.txt" for action in range(1, 21) for subject in (1, 2)], "MSR-Action3D", 40),
    ([f"v/{video}_{frame:012}_keypoints.json" for video in ("ann", "ben") for frame in range(3)], "poses by OpenPose, 2 videos", 2),
])  # fmt: skip
def test_other_kinds_of_download(tmp_path, names, kind, clips):
    for path in (write(tmp_path / "folder", names), zipped(tmp_path / "packed.zip", names)):
        found = inspect(path)
        assert found.kind.startswith(kind)
        assert found.clips == clips
        assert found.next.startswith("tdsm ")


def test_several_data_sets_in_one_place_are_told_apart(tmp_path):
    write(tmp_path / "ntu", [f"{name}.skeleton" for name in ntu_names(range(1, 61), 1)])
    zipped(tmp_path / "utd.zip", [f"a{action}_s1_t1_skeleton.mat" for action in range(1, 28)])
    write(tmp_path / "ucla", ["a01_s01_e00_v01.json"])
    assert inspect(tmp_path).kind == "several data sets: nw-ucla and ntu-60"
    assert [(found.path.name, found.dataset) for found in present(tmp_path)] == [("ntu", "ntu-60"), ("ucla", "nw-ucla"), ("utd.zip", "utd-mhad")]
    (tmp_path / "ucla/a01_s01_e00_v01.json").unlink()
    assert [(found.path.name, found.dataset) for found in present(tmp_path)][::2] == [("ntu", "ntu-60"), ("utd.zip", "utd-mhad")]
    assert [found.path.name for found in present(tmp_path / "ntu")] == ["ntu"]
    assert [found.dataset for found in present(pku(tmp_path / "deep/pku").parent)] == ["pku-mmd"]
    assert present(tmp_path / "deep/pku")[0].clips == 102


# What was made


def ucla_clips():
    clips = [
        Clip(np.ones((1, 2, 20, 3)), KINECT_20, f"class {label}", "s01", name=f"a{code:02}_s01_e0{view}_v0{view}")
        for label, code in enumerate((1, 2, 3, 4, 5, 6, 8, 9, 11, 12))
        for view in (1, 3)
    ]
    return ClipSet(tuple(clips), tuple(f"class {label}" for label in range(10)), "nw-ucla")


def test_clips_in_one_file_or_a_store(tmp_path):
    clips = ucla_clips()
    clips.save(tmp_path / "any.npz")
    with ClipStore(tmp_path / "store", "nw-ucla", KINECT_20, clips.classes) as kept:
        kept.add("a file", clips.clips)
    for path in (tmp_path / "any.npz", tmp_path / "store"):
        found = inspect(path)
        assert (found.dataset, found.clips, found.parts) == ("nw-ucla", 20, {"official": (10, 10)})
        assert "20 of 1,484 clips; complete the download" in found.problems
        assert "layout kinect-20" in found.notes[0]
    with (tmp_path / "store/joints.f32").open("ab") as file:
        file.write(b"1234")
    assert "do not end at the same clip" in inspect(tmp_path / "store").problems[0]


def test_your_own_clips(tmp_path):
    write(tmp_path, ["a.npy"])
    (tmp_path / "clips.csv").write_text("file,label\na.npy,wave\nb.npy,jump\n")
    found = inspect(tmp_path)
    assert (found.dataset, found.clips, found.classes) == ("", 2, {"jump": 1, "wave": 1})
    assert found.problems == ("1 files of clips.csv are missing, first 'b.npy'; correct the names",)
    assert found.next.startswith("tdsm train ")
    np.savez(tmp_path / "own.npz", joints=np.ones((3, 1, 2, 25, 3)), layout=NTU_25.name)
    assert (inspect(tmp_path / "own.npz").clips, inspect(tmp_path / "own.npz").next.split()[1]) == (3, "predict")


def feature_folder(path, benchmark, draw=0, sizes=None):
    """A SynSE folder of a row's class lists; sizes of train, ztest, gtest."""
    unseen = np.array(benchmark.unseen(draw))
    seen = np.setdiff1d(np.arange(benchmark.classes), unseen)
    train, zero, general = sizes or (len(seen), len(unseen), benchmark.classes)
    y = {"train": np.resize(seen, train), "ztest": np.resize(unseen, zero)}
    y["gtest"] = np.concatenate([y["ztest"], np.resize(seen, general - zero)])
    path.mkdir()
    for part, labels in (("train", "train_label"), ("ztest", "z_label"), ("gtest", "g_label")):
        np.save(path / f"{part}.npy", np.ones((len(y[part]), 4), np.float32))
        np.save(path / f"{labels}.npy", y[part])
    return path


def test_known_sizes_of_published_features_are_no_fault(tmp_path):
    benchmark = benchmark_named("ntu-60-synse-55-5")
    found = inspect(feature_folder(tmp_path / "ntu120_val", benchmark, sizes=(36_758, 1_356, 16_392)))
    assert found.problems == ()
    assert found.dataset == "ntu-60"
    assert set(found.benchmarks) == {"ntu-60-synse-55-5", "ntu-60-star-xsub-55-5"}  # by its numbers of clips it is not xview
    assert any("16,392 clips, officially 16,487" in text for text in found.notes)
    assert found.next == f"tdsm reproduce ntu-60-synse-55-5 --data {tmp_path / 'ntu120_val'}"


def test_features_say_which_class_list_they_are(tmp_path):
    benchmark = benchmark_named("ntu-60-sadvae-55-5")
    found = inspect(feature_folder(tmp_path / "a", benchmark, 2))
    assert found.benchmarks == ("ntu-60-sadvae-55-5",)
    assert "ntu-60-sadvae-55-5: class list 3 of 3" in found.notes
    arrays = {
        f"{part}_{what}": np.ones((59, 4), np.float32) if what == "data" else np.arange(1, 60)
        for part in ("train", "zsl", "gzsl")
        for what in ("data", "label")
    }
    np.savez(tmp_path / "flora.npz", **arrays)
    assert "seem to count from 1" in inspect(tmp_path / "flora.npz").problems[0]
    (tmp_path / "a/val.npy").write_bytes(b"")
    assert "is a val folder" in inspect(tmp_path / "a").problems[0]
    assert "features are in subfolders; give one of a" in inspect(tmp_path).problems[0]


def test_a_recognizer_and_its_run_folder(tmp_path):
    model = write(tmp_path / "run/model", ["backbone.safetensors", "recognizer.json"])
    (model / "backbone.json").write_text(json.dumps({"seen": ["wave", "jump"], "layout": "ntu-25"}))
    for path in (model, tmp_path / "run"):
        found = inspect(path)
        assert found.path == model
        assert found.notes[0] == "trained on 2 classes: wave, jump"
        assert found.problems == ("matcher.safetensors is missing; get a complete copy",)
    (model / "backbone.json").write_text("{}")
    assert "cannot be read" in inspect(model).problems[0]


def test_published_prompts(download):
    assert "prompts for ntu-60, ntu-120, pku-mmd" in inspect(download("sa_dvae/class_lists")).notes
    assert "utd-mhad" in inspect(download("purls/gpt3_desc.xlsx")).notes[0]


def test_a_class_list_that_fits_no_data_set(tmp_path):
    write(tmp_path, ["x.csv"], "idx,label\n1,wave\n")
    assert inspect(tmp_path).problems
    assert inspect(tmp_path / "x.csv").kind == "a class list"


# What is broken


@pytest.mark.parametrize(("name", "content", "kind", "problem"), [
    ("ntu.zip", b"", "an empty file", "download it again"),
    ("ntu.zip.part", b"PK", "an incomplete download", "again"),
    ("ntu.zip", b"PK\x03\x04 and then the line broke", "a truncated or damaged file", "not a zip file; download it again"),
    ("ntu.zip", b"<!DOCTYPE html><html>Sign in</html>", "a web page or other markup", "log-in"),
    ("a.rar", b"Rar!\x1a\x07", "a .rar archive", "unpack it"),
    ("a.npy", b"\x93NUMPY\x01\x00", "a truncated or damaged file", "download it again"),
    ("S001C001P001R001A001.skeleton", b"1\n", "one recording of NTU RGB+D", "folder or zip"),
    ("a.mp4", b"\x00\x00\x00\x18ftyp", "a video", "pose estimator"),
    ("a.bin", b"\x00\x01\x02", "a file of an unknown kind", "give a download"),
])  # fmt: skip
def test_broken_and_unknown_files(tmp_path, name, content, kind, problem):
    (tmp_path / name).write_bytes(content)
    found = inspect(tmp_path / name)
    assert (found.kind, found.next) == (kind, "")
    assert problem in found.problems[0]


def test_arrays_without_names_are_explained(tmp_path):
    np.savez(tmp_path / "NTU60_CS.npz", x_train=np.zeros((2, 300, 150)), y_train=np.zeros((2, 60)))
    assert "GCN family" in inspect(tmp_path / "NTU60_CS.npz").kind
    np.savez(tmp_path / "other.npz", a=1)
    assert inspect(tmp_path / "other.npz").kind == "an .npz of a"
    np.save(tmp_path / "one.npy", np.zeros((3, 4)))
    assert inspect(tmp_path / "one.npy").kind == "one array of shape (3, 4)"
    np.savez(tmp_path / "objects.npz", joints=np.zeros((1, 1, 1, 25, 3)), layout=np.array("ntu-25"), labels=np.array([{}], object))
    assert "not a readable .npz of plain arrays" in inspect(tmp_path / "objects.npz").problems[0]


def test_folders_that_hold_nothing_known(tmp_path):
    (tmp_path / "empty").mkdir()
    assert inspect(tmp_path / "empty").problems == ("it is empty; download it again",)
    assert "screen coordinates" in inspect(write(tmp_path / "msr", ["a01_s01_e01_skeleton.txt"])).problems[0]
    assert "give one of its entries: notes" in inspect(write(tmp_path / "x", ["notes/a.md"])).problems[0]
    with pytest.raises(InputError, match="no such file or folder; check the path"):
        inspect(tmp_path / "nowhere")


# What it says


def test_the_next_command_can_be_typed(tmp_path):
    found = inspect(write(tmp_path / "my data; rm", [f"{name}.skeleton" for name in ntu_names(range(1, 61), 1)]))
    assert shlex.split(found.next) == ["tdsm", "reproduce", "ntu-60-synse-55-5", "--data", str(tmp_path / "my data; rm")]


def test_a_finding_shows_the_same_in_text_and_html(tmp_path):
    found = inspect(write(tmp_path / "<b>", [f"{name}.skeleton" for name in ntu_names(range(1, 61), 1)]))
    shown = html.unescape(re.sub(r"<[^&]*?>", " ", found._repr_html_()))
    for word in (*found.benchmarks, *found.problems, "officially 40,091 and 16,487", found.next):
        assert word in str(found)
        assert word in shown
    assert "&lt;b&gt;" in found._repr_html_()


def test_the_table_has_every_row_and_says_where_to_get_what_is_missing(tmp_path):
    alone, here = benchmark_table(), benchmark_table(tmp_path)
    for one in all_benchmarks():
        assert re.search(rf"^{one.name} .* {one.partition} ", alone, re.M)
    assert re.search(r"^ntu-60-smie-55-5 +3 +55/5 +xsub +st-gcn +88\.88 +Table 2$", alone, re.M)
    known = {source.name for source in sources()}
    for name in {one.dataset for one in all_benchmarks()}:
        where = name if name in known else SUBSETS[name][0]
        assert f"`tdsm fetch {where}`" in here
    assert set(SUBSETS) | known >= set(dataset_facts())
    clips = zipped(tmp_path / "ucla.zip", ["a01_s01_e00_v01.json"])
    there = benchmark_table(tmp_path)
    assert re.search(r"^nw-ucla-purls-8-2 .* ucla\.zip \(see its problems\)$", there, re.M)
    assert f"{clips}: 1 of 1,484 clips; complete the download" in there
    assert "`tdsm fetch nw-ucla`" not in there
