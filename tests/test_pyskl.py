"""Annotation pickles of pyskl and MMAction2 become clips, and no pickle can run code."""

import builtins
import importlib
import operator
import os
import pickle
import struct
import subprocess
import warnings

import numpy as np
import pytest

from tdsm.data.layouts import COCO_17, NTU_25
from tdsm.data.readers import kinetics, load_clips, ntu
from tdsm.data.readers.pyskl import read_pyskl
from tdsm.data.readers.reading import Reading
from tdsm.data.readers.safe_pickle import is_pickle, load_pickle
from tdsm.util.errors import InputError

CORE = "numpy._core" if np.__version__[0] == "2" else "numpy.core"
multiarray = importlib.import_module(f"{CORE}.multiarray")


def written(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Call:
    """Pickles as a call of anything, and then a change of what it gave."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments, state) if state is not None else (function, arguments)

    def __reduce__(self):
        return self.reduced


# Pickles of plain data

PLAIN = {
    "words": ["", "é€", "S001C001P001R001A001"], "numbers": (0, -1, 255, 70000, 2**70, 1.5, True, False, None), "bytes": b"\x00\xff", 7: {},
    "half": np.arange(24, dtype=np.float16).reshape(2, 3, 4), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "empty": np.zeros((0, 4), np.float32),
    "big end": np.arange(3, dtype=">i4"), "yes": np.array([True, False]), "one": np.array(2.5), "names": np.array(["ab", "c"]),
    "scalar": np.int64(3), "word": np.str_("abc"), "nothing": np.zeros(3, np.float32)[:0],
}  # fmt: skip


def alike(left, right):
    if isinstance(right, dict):
        return left.keys() == right.keys() and all(alike(left[key], right[key]) for key in right)
    if isinstance(right, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(alike, left, right))
    if isinstance(right, np.ndarray):
        return type(left) is np.ndarray and left.dtype == right.dtype and left.shape == right.shape and (left == right).all()
    return type(left) is type(right) and left == right


def of_numpy(pickled, core):
    """The same pickle as another numpy writes it: only the name of its inner package differs."""
    old, new = CORE.encode(), core.encode()
    for name in (b".multiarray", b".numeric"):
        pickled = pickled.replace(b"c" + old + name + b"\n", b"c" + new + name + b"\n")
        pickled = pickled.replace(b"\x8c" + bytes([len(old + name)]) + old + name, b"\x8c" + bytes([len(new + name)]) + new + name)
    if pickled[2:3] == b"\x95":
        pickled = pickled[:3] + struct.pack("<Q", len(pickled) - 11) + pickled[11:]
    return pickled


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_plain_data_come_back_as_they_were(tmp_path, protocol, core):
    path = tmp_path / "x.pkl"
    path.write_bytes(of_numpy(pickle.dumps(PLAIN, protocol), core))
    found = load_pickle(path)
    assert alike(found, PLAIN)
    assert not found["half"].flags.writeable


def test_what_is_there_twice_is_one_object(tmp_path):
    array = np.arange(3.0)
    found = load_pickle(written(tmp_path / "x.pkl", {"a": array, "b": [array], "c": array.dtype.type(1), "d": np.ones(2)}))
    assert found["a"] is found["b"][0]
    assert found["d"].dtype == np.float64


def test_only_the_start_tells_a_pickle(tmp_path):
    assert is_pickle(written(tmp_path / "x", 1, 2)) and is_pickle(written(tmp_path / "y", 1, 5))
    (tmp_path / "zip").write_bytes(b"PK\x03\x04")
    assert not any(map(is_pickle, (tmp_path / "zip", tmp_path / "no such", tmp_path, written(tmp_path / "old", [1], 0))))


def test_what_is_no_whole_pickle_is_refused(tmp_path):
    assert "no such file" in message(load_pickle, tmp_path / "no.pkl")
    for content, says in ((b"", "empty"), (b"a,b\n1,2\n", "not a pickle"), (pickle.dumps([1], 0), "not a pickle"), (b"\x80\x04\xff.", "not a complete pickle")):
        (tmp_path / "x.pkl").write_bytes(content)
        assert says in message(load_pickle, tmp_path / "x.pkl")


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_cut_off_anywhere_is_refused(tmp_path, protocol):
    whole = pickle.dumps({"a": np.arange(4, dtype=np.float16), "b": ["x", 1.5]}, protocol)
    for length in range(len(whole)):
        (tmp_path / "x.pkl").write_bytes(whole[:length])
        message(load_pickle, tmp_path / "x.pkl")


@pytest.mark.parametrize("protocol", [2, 4])
def test_damage_gives_one_line_or_other_data_but_nothing_worse(tmp_path, protocol):
    whole = pickle.dumps(PLAIN, protocol)
    rng = np.random.default_rng(protocol)
    refused = 0
    for _ in range(120):
        damaged = bytearray(whole)
        for place in rng.integers(2, len(whole), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        (tmp_path / "x.pkl").write_bytes(damaged)
        try:
            load_pickle(tmp_path / "x.pkl")
        except InputError:
            refused += 1
    assert refused > 30


# Pickles that would run code


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "function",
    [
        os.system, builtins.eval, builtins.exec, builtins.getattr, builtins.__import__, builtins.open, builtins.bytearray, operator.attrgetter("a"),
        importlib.import_module, subprocess.Popen, np.load, np.fromfile, np.memmap, np.frombuffer, np.array, multiarray.frombuffer, pickle.loads, Call,
    ],
)  # fmt: skip
def test_no_other_function_is_ever_named(tmp_path, function, protocol):
    ran = tmp_path / "ran"
    command = f"open({str(ran)!r}, 'w')" if function is builtins.eval else f"touch {ran}"
    said = message(load_pickle, written(tmp_path / "x.pkl", {"annotations": [Call(function, command)], "split": {}}, protocol))
    assert "would execute code" in said and str(tmp_path / "x.pkl") in said
    assert not ran.exists()


def test_the_name_in_the_message_is_the_one_in_the_file(tmp_path):
    assert "posix.system" in message(load_pickle, written(tmp_path / "x.pkl", Call(os.system, "true"))).replace("nt.system", "posix.system")
    f2py = b"\x80\x02cnumpy.f2py\ncompile\n(X\x04\x00\x00\x00codetR."
    chain = b"\x80\x04\x8c\x05numpy\x8c\x1a_core.multiarray.ndarray.tofile\x93."  # STACK_GLOBAL walks dots in Python's own reader
    for content, name in ((f2py, "numpy.f2py.compile"), (chain.replace(b"\x1a", b"\x1f"), "numpy._core.multiarray.ndarray.tofile")):
        (tmp_path / "x.pkl").write_bytes(content)
        assert name in message(load_pickle, tmp_path / "x.pkl")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02cnumpy\nndarray\n(J\xff\xff\xff\x7ftR.",  # ndarray itself, called
        b"\x80\x02cnumpy\nndarray\n)\x81.",  # made by NEWOBJ
        b"\x80\x02(inumpy\nndarray\n.",  # INST
        b"\x80\x02(cnumpy\nndarray\no.",  # OBJ
        b"\x80\x02X\x01\x00\x00\x00aQ.",  # a persistent id
        b"\x80\x02P1\n.",
        b"\x80\x02\x82\x01.",  # the extension registry
        b"\x80\x05\x97.",  # an out-of-band buffer
        b"\x80\x02}}b.",  # BUILD of a dictionary
        b"\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00aK\x01sb.",  # BUILD of a function
        b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.",
        b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00atR.",  # too few arguments
        b"\x80\x02K\x01K\x02\x86R.",  # one thing, taken for two
        b"\x80\x02K\x01K\x02K\x03R.",  # a number, called
        b"\x80\x02]h\x05a.",  # what was never kept
        b"\x80\x02q\x00.",  # nothing, kept
        b"\x80\x02t.",  # no mark
        b"\x80\x02((((.",
        b"\x80\x02K\x01K\x02.",  # two results
        b"\x80\x02.",
        b"\x80\x02})K\x01s.",  # a tuple as a key: its hash would walk it
        b"\x80\x02}]K\x01s.",
        b"\x80\x02K\x01K\x02a.",  # append to a number
        b"\x80\x02](K\x01K\x02u.",  # items of a list
        b"\x80\x02}(K\x01u.",  # half an item
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",  # a length that lies
        b"\x80\x05\x96" + struct.pack("<Q", 2**63) + b"x.",
        b"\x80\x02\x8b" + struct.pack("<i", -5) + b"x.",
        b"\x80\x04\x93.",
        b"\x80\x04K\x01K\x02\x93.",  # names that are numbers
        b"\x80\x04" + b")" + b"\x85" * 60_000 + b"K\x02\x93.",  # a name that is a deep tuple
    ],
)  # fmt: skip
def test_abuse_of_the_instructions_is_refused(tmp_path, content):
    (tmp_path / "x.pkl").write_bytes(content)
    message(load_pickle, tmp_path / "x.pkl")


def array_of(*state):
    return Call(multiarray._reconstruct, np.ndarray, (0,), b"b", state=state)


HALF = np.dtype(np.float16)


@pytest.mark.parametrize(
    "content",
    [
        array_of(1, (2**40, 2**40), HALF, False, b""),
        array_of(1, (2**47,), HALF, False, b"\x00" * 8),
        array_of(1, (-1, -4), HALF, False, b"\x00" * 8),
        array_of(1, (1,) * 33, HALF, False, b"\x00" * 2),
        array_of(1, (2.0, 2), HALF, False, b"\x00" * 8),
        array_of(1, [4], HALF, False, b"\x00" * 8),
        array_of(1, (4,), HALF, False, [1, 2, 3, 4]),
        array_of(1, (4,), "f2", False, b"\x00" * 8),
        array_of(1, (4,), HALF),
        array_of("weird"),
        {"a": Call(multiarray._reconstruct, np.ndarray, (10**9,), b"b", state={"shape": 1})},
        Call(multiarray._reconstruct, "ndarray", (0,), b"b"),
        np.array([print, None], dtype=object),
        np.array([{"a": 1}], dtype=object),
        np.zeros(2, [("a", "f4"), ("b", "O")]),
        np.zeros(2, [("a", "f4")]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.zeros(1, np.complex64),
        Call(np.dtype, "f2", False, True, state=(3, "<", None, ("a",), {"a": (HALF, 100)}, 4096, 1, 0)),
        Call(np.dtype, "f2", False, True, state=(3, "<", (HALF, (9, 9)), None, None, 9, 9, 0)),
        Call(np.dtype, "f2", False, True, state=(3, "?", None, None, None, -1, -1, 0)),
        Call(np.dtype, "f2", False, True, state="<"),
        Call(np.dtype, "O", False, True),
        Call(np.dtype, 5),
        Call(multiarray.scalar, HALF, b"\x00" * 7),
        Call(multiarray.scalar, np.dtype("O"), b"\x00" * 8),
        np.ma.masked_array([1.0], [True]),
        {"x": np.float16},
        {1, 2}, frozenset("ab"), 1j, bytearray(b"a") if not hasattr(pickle, "PickleBuffer") else range(3), slice(1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("protocol", [2, 4])
def test_abuse_of_what_is_allowed_is_refused(tmp_path, content, protocol):
    message(load_pickle, written(tmp_path / "x.pkl", content, protocol))


def test_a_list_that_holds_itself_and_deep_nesting_are_only_data(tmp_path):
    itself = []
    itself.append(itself)
    found = load_pickle(written(tmp_path / "x.pkl", itself))
    assert found[0] is found
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + b"]" * 60_000 + b"a" * 59_999 + b".")
    assert len(load_pickle(tmp_path / "x.pkl")) == 1


def test_a_far_memo_place_costs_nothing(tmp_path):
    """Python's own reader reserves memory for all the places before it."""
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02K\x07r\xff\xff\xff\xff0j\xff\xff\xff\xff.")
    assert load_pickle(tmp_path / "x.pkl") == 7


def test_a_small_file_cannot_unpack_to_a_large_one(tmp_path):
    text = b"X" + struct.pack("<I", 10_000) + b"a" * 10_000 + b"q\x00"
    again = b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R"
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02(" + text + b"c_codecs\nencode\nq\x01" + again * 1000 + b"t.")
    assert "more than its own size" in message(load_pickle, tmp_path / "x.pkl")


# Annotations


def ntu_annotation(name="S001C002P003R001A013", persons=2, frames=6, layout=NTU_25, seed=0, **changed):
    rng = np.random.default_rng(seed)
    made = {
        "frame_dir": name, "label": int(name[-3:]) - 1, "total_frames": frames,
        "keypoint": rng.normal(size=(persons, frames, len(layout), layout.dims)).astype(np.float16),
    }  # fmt: skip
    if layout is COCO_17:
        made |= {"keypoint_score": rng.uniform(size=(persons, frames, 17)).astype(np.float16), "img_shape": (1080, 1920), "original_shape": (1080, 1920)}
    return {key: value for key, value in (made | changed).items() if value is not None}


def ntu_pickle(path, *annotations, split=None, protocol=4):
    split = {"xsub_train": [one["frame_dir"] for one in annotations if "frame_dir" in one], "xsub_val": []} if split is None else split
    return written(path, {"split": split, "annotations": list(annotations)}, protocol)


def both(path, bad, **settings):
    """What is said of a bad annotation that stands beside a good one, and the clips."""
    said = []
    path = ntu_pickle(path, ntu_annotation("S001C001P001R001A001"), bad, **settings)
    clips = read_pyskl(path, reading=Reading(report=said.extend))
    (skipped,) = said
    assert message(read_pyskl, path, reading=Reading(strict=True)) == skipped.reason
    assert [clip.name for clip in clips] == ["S001C001P001R001A001"]
    return skipped.reason


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_ntu_in_space(tmp_path, protocol):
    first, second = ntu_annotation(), ntu_annotation("S017C001P040R002A060", persons=1, frames=3, seed=1)
    clips = load_clips(ntu_pickle(tmp_path / "any name", first, second, protocol=protocol))
    assert (clips.name, clips.layout, clips.classes) == ("ntu-60", NTU_25, ntu.CLASSES[:60])
    one, two = clips
    assert (one.name, one.label, one.subject, one.fps) == ("S001C002P003R001A013", "tear up paper", "P003", 30.0)
    assert (two.name, two.label, two.subject) == ("S017C001P040R002A060", "walking apart from each other", "P040")
    assert one.joints.dtype == np.float32
    np.testing.assert_array_equal(one.joints, first["keypoint"].astype(np.float32))
    np.testing.assert_array_equal(two.joints, second["keypoint"].astype(np.float32))


@pytest.mark.parametrize("name", ["S001C001P001R001A061", "S018C001P001R001A001"])
def test_an_action_or_a_setup_of_the_second_part_makes_it_ntu_120(tmp_path, name):
    clips = read_pyskl(ntu_pickle(tmp_path / "x.pkl", ntu_annotation(), ntu_annotation(name)))
    assert (clips.name, clips.classes) == ("ntu-120", ntu.CLASSES)


def test_ntu_in_the_plane_keeps_the_persons_with_the_best_scores(tmp_path):
    annotation = ntu_annotation(persons=4, layout=COCO_17)
    annotation["keypoint_score"] *= np.array([0.2, 1, 0.1, 0.5], np.float16)[:, None, None]
    annotation["keypoint_score"][1, 0, 3] = 0
    expected = annotation["keypoint"][[1, 3]].astype(np.float32)
    expected[0, 0, 3] = np.nan
    path = ntu_pickle(tmp_path / "ntu60_hrnet.pkl", annotation)
    (clip,) = read_pyskl(path)
    assert clip.layout is COCO_17
    np.testing.assert_array_equal(clip.joints, expected)
    assert read_pyskl(path, bodies=3)[0].joints.shape[0] == 3


def test_a_person_who_is_never_there_is_left_out_and_one_who_returns_stays(tmp_path):
    annotation = ntu_annotation(persons=2)
    annotation["keypoint"][0] = 0
    annotation["keypoint"][1, 2:4] = 0
    (clip,) = read_pyskl(ntu_pickle(tmp_path / "x.pkl", annotation))
    np.testing.assert_array_equal(clip.joints, annotation["keypoint"][1:].astype(np.float32))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"label": 12 + 1}, "label 13 contradicts the name, whose class is 12"),
        ({"label": "12"}, "label is not a whole number"),
        ({"label": None}, "label is not a whole number"),
        ({"total_frames": 7}, "total_frames is 7, keypoint has 6"),
        ({"keypoint": None}, "keypoint is not an array"),
        ({"keypoint": [[1.0]]}, "keypoint is not an array"),
        ({"keypoint": np.zeros((2, 6, 25, 2), np.float16)}, "keypoint has shape (2, 6, 25, 2)"),
        ({"keypoint": np.ones((2, 6, 17, 2), np.float16)}, "keypoint has shape (2, 6, 17, 2)"),
        ({"keypoint": np.zeros((2, 6, 25, 3), np.float16)}, "no body in any frame"),
        ({"keypoint": np.zeros((0, 6, 25, 3), np.float16)}, "no body in any frame"),
        ({"keypoint": np.zeros((2, 0, 25, 3), np.float16), "total_frames": 0}, "no body in any frame"),
        ({"keypoint": np.full((2, 6, 25, 3), np.nan, np.float16)}, "NaN"),
        ({"keypoint": np.full((2, 6, 25, 3), 1e300)}, "too large for 32 bits"),
        ({"frame_dir": "video 7"}, "not named like a recording"),
        ({"frame_dir": "S001C002P003R001A121"}, "A121 does not exist"),
        ({"frame_dir": None}, "not named like a recording"),
        ({"frame_dir": "S001C001P001R001A001", "label": 0}, "occurs twice"),
    ],
)
def test_a_bad_annotation_is_skipped_and_reported(tmp_path, changed, says):
    said = both(tmp_path / "x.pkl", ntu_annotation(**changed))
    assert says in said and str(tmp_path / "x.pkl") in said


def test_an_annotation_in_no_split_list_is_reported(tmp_path):
    said = both(tmp_path / "x.pkl", ntu_annotation(), split={"xsub_train": ["S001C001P001R001A001"], "xsub_val": []})
    assert "S001C002P003R001A013: is in no split list" in said


def test_scores_must_fit(tmp_path):
    path = ntu_pickle(tmp_path / "x.pkl", ntu_annotation(layout=COCO_17, keypoint_score=np.ones((2, 6, 16), np.float16)))
    assert "keypoint_score has shape (2, 6, 16)" in message(read_pyskl, path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], "'annotations' is not a list"),
        ({"split": {}}, "is neither a dictionary with 'annotations'"),
        ({"annotations": [], "split": {}}, "'annotations' is not a list"),
        ({"annotations": [1], "split": {}}, "'annotations' is not a list"),
        ({"annotations": [ntu_annotation()], "split": ["a"]}, "'split' is not a dictionary"),
        ({"annotations": [ntu_annotation()], "split": {"a": [1]}}, "'split' is not a dictionary"),
        ({"annotations": [ntu_annotation(frame_dir="x", keypoint=np.zeros((1, 4, 21, 3), np.float16))]}, "no annotation has a keypoint array"),
        ({"annotations": [ntu_annotation(keypoint=None)], "split": {}}, "no annotation has a keypoint array"),
    ],
)
def test_other_pickles_are_refused(tmp_path, content, says):
    assert says in message(read_pyskl, written(tmp_path / "x.pkl", content))


def test_a_store_is_gone_on_with(tmp_path):
    names = ["S001C001P001R001A001", "S001C001P002R001A002", "S001C001P003R001A003"]
    good = [ntu_annotation(name, seed=seed) for seed, name in enumerate(names)]
    bad = [good[0], good[1] | {"label": 5}, good[2]]
    said = []
    reading = Reading(store=tmp_path / "store", report=said.extend)
    assert [clip.name for clip in read_pyskl(ntu_pickle(tmp_path / "x.pkl", *bad), reading=reading)] == [names[0], names[2]]
    assert [one.name for one in said] == [names[1]]
    clips = read_pyskl(ntu_pickle(tmp_path / "x.pkl", *good), reading=reading)  # the file was mended
    assert [clip.name for clip in clips] == [names[0], names[2], names[1]]
    np.testing.assert_array_equal(clips[2].joints, good[1]["keypoint"].astype(np.float32))
    assert len(said) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"label": 10**5000},
        {"label": -(10**5000)},
        {"total_frames": 10**5000},
        {"frame_dir": "a" * 5000},
        {"frame_dir": "a\0b"},
        {"frame_dir": 7},
        {"frame_dir": ["a"]},
    ],
)
def test_an_absurd_annotation_is_skipped_and_the_others_are_read(tmp_path, bad):
    assert len(both(tmp_path / "x.pkl", ntu_annotation() | bad, split={"all": ["S001C001P001R001A001", "S001C002P003R001A013"]})) < 300


def test_a_name_that_is_a_deep_list_is_skipped(tmp_path):
    path = ntu_pickle(tmp_path / "x.pkl", ntu_annotation("S001C001P001R001A001"), ntu_annotation(frame_dir="MARKERMARKER"), protocol=2)
    mark = b"X\x0c\x00\x00\x00MARKERMARKER"
    content = pickle.dumps({"annotations": [ntu_annotation("S001C001P001R001A001"), ntu_annotation() | {"frame_dir": "MARKERMARKER"}],
                            "split": {"a": ["S001C001P001R001A001"]}}, protocol=2)  # fmt: skip
    path.write_bytes(content.replace(mark, b"]" * 5000 + b"a" * 4999))
    said = []
    assert [clip.name for clip in read_pyskl(path, reading=Reading(report=said.extend))] == ["S001C001P001R001A001"]
    assert "not named like a recording" in said[0].reason


# Users' own


def own_annotation(name="video_1", label=0, layout=COCO_17, **changed):
    made = ntu_annotation(layout=layout, **changed)
    return made | {"frame_dir": name, "label": label}


@pytest.mark.parametrize(
    "wrapped", [lambda them: {"annotations": them}, lambda them: {"annotations": them, "split": {"train": ["video_1"]}}, lambda them: them]
)
def test_own_videos_are_read_and_their_class_numbers_become_names(tmp_path, wrapped):
    content = [own_annotation(f"video_{number}", label, seed=number) for number, label in enumerate((2, 0, 2))]
    content[1] |= {"label": None}
    with pytest.warns(UserWarning, match="class numbers, 2 to 2.*put label_map.txt") as caught:
        clips = load_clips(written(tmp_path / "mine.pkl", wrapped(content)))
    assert len([one for one in caught if "label_map" in str(one.message)]) == 1
    assert (clips.name, clips.layout, clips.classes) == ("mine", COCO_17, ("2",))
    assert [(clip.name, clip.label) for clip in clips] == [("video_0", "2"), ("video_1", None), ("video_2", "2")]


def test_a_label_map_beside_own_videos_names_the_classes(tmp_path):
    path = written(tmp_path / "mine.pkl", {"annotations": [own_annotation(label=1, layout=NTU_25)]})
    (tmp_path / "label_map.txt").write_text("wave\nclap\njump\n\n")
    clips = read_pyskl(path)
    assert (clips.layout, clips.classes, clips[0].label) == (NTU_25, ("wave", "clap", "jump"), "clap")
    for content in ("wave\n", "wave\n\nclap\n", "wave\nwave\n"):
        (tmp_path / "label_map.txt").write_text(content)
        assert "label_map.txt" in message(read_pyskl, path)


def test_own_scores_of_0_are_joints_not_seen_as_a_field_or_as_a_third_channel(tmp_path):
    field = own_annotation(label=None)
    field["keypoint_score"][:, 2, 5] = 0
    channel = {key: value for key, value in field.items() if key != "keypoint_score"}
    channel["keypoint"] = np.concatenate([field["keypoint"], field["keypoint_score"][..., None]], axis=3)
    one, two = (read_pyskl(written(tmp_path / "x.pkl", [annotation]))[0].joints for annotation in (field, channel))
    np.testing.assert_array_equal(one, two)
    assert np.isnan(one[:, 2, 5]).all() and np.isfinite(one[:, 3]).all()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"label": 1.5}, "label is not a class number"), ({"label": [1]}, "label is not a class number"), ({"label": 10**5000}, "label is not a class number"),
        ({"frame_dir": None}, "frame_dir, its name, is missing"), ({"keypoint": np.zeros((1, 6, 25, 3))}, "keypoint has shape (1, 6, 25, 3)"),
        ({"keypoint": np.full((2, 6, 17, 2), np.inf)}, "infinite"), ({"keypoint": np.full((2, 6, 17, 2), np.nan)}, "no body in any frame"),
        ({"keypoint_score": np.ones((2, 6, 16))}, "keypoint_score has shape"), ({"frame_dir": "video_1"}, "occurs twice"),
    ],
)  # fmt: skip
def test_a_bad_own_annotation_is_skipped_and_reported(tmp_path, changed, says):
    said = []
    path = written(tmp_path / "x.pkl", [own_annotation(label=None), own_annotation("video_2") | changed])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clips = read_pyskl(path, reading=Reading(report=said.extend))
    assert [clip.name for clip in clips] == ["video_1"]
    assert says in said[0].reason and len(said[0].reason) < 400


# Kinetics-400


def k400(folder, *, kpfiles=True, **changed):
    """A table of contents of three clips, the first two in one file."""
    rng = np.random.default_rng(0)
    annotations, files = [], {}
    for index, (name, raw_file) in enumerate((("bb", "part1.pkl"), ("aa", "part0.pkl"), ("cc", "part1.pkl"))):
        points = rng.uniform(1, 200, (5, 17, 3)).astype(np.float16)
        points[..., 2] = np.array([1, 3, 2, 1, 5])[:, None]
        files.setdefault(raw_file, {})[name] = {"keypoint": points}
        annotations.append(
            {
                "frame_dir": name, "label": index + 10, "raw_file": f"data/k400/kpfiles/{raw_file}", "frame_inds": np.array([1, 1, 1, 3, 4], np.int16),
                "box_score": np.full(5, 0.9, np.float16), "valid": {0.5: 3}, "total_frames": 5, "img_shape": (256, 340), "original_shape": (256, 340),
            }
        )  # fmt: skip
    annotations[0] |= changed
    if kpfiles:
        (folder / "kpfiles").mkdir(parents=True, exist_ok=True)
        for raw_file, content in files.items():
            written(folder / "kpfiles" / raw_file, content)
    return written(folder / "k400_hrnet.pkl", {"split": {"train": ["aa", "bb"], "val": ["cc"]}, "annotations": annotations}), files


def test_kinetics_is_put_together_from_its_files(tmp_path):
    path, files = k400(tmp_path)
    clips = read_pyskl(path)
    assert (clips.name, clips.layout, clips.classes) == ("kinetics-400", COCO_17, kinetics.CLASSES)
    assert [(clip.name, clip.label) for clip in clips] == [
        ("train/aa", kinetics.CLASSES[11]), ("train/bb", kinetics.CLASSES[10]), ("val/cc", kinetics.CLASSES[12]),
    ]  # fmt: skip
    points = files["part1.pkl"]["bb"]["keypoint"].astype(np.float32)[..., :2]
    expected = np.zeros((2, 5, 17, 2), np.float32)
    expected[0, [0, 2, 3]] = points[[1, 3, 4]]
    expected[1, 0] = points[2]
    np.testing.assert_array_equal(clips[1].joints, expected)


def test_kinetics_without_its_files_says_what_to_download(tmp_path):
    path, _ = k400(tmp_path, kpfiles=False)
    said = message(read_pyskl, path)
    assert "is an index" in said and "kpfiles/" in said and "openxlab" in said


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"label": 400}, "label 400 does not exist"),
        ({"frame_dir": "dd"}, "neither split list"),
        ({"total_frames": 3}, "frame_inds are 1 to 4, total_frames is 3"),
        ({"total_frames": 10**12}, "total_frames is 1000000000000"),
        ({"frame_inds": np.array([1, 2], np.int16)}, "for 2 bodies in frame_inds"),
        ({"frame_inds": np.array([-1, 1, 1, 1, 1], np.int16)}, "frame_inds are -1"),
        ({"raw_file": "data/k400/kpfiles/part9.pkl"}, "no such file"),
        ({"raw_file": "part0.pkl"}, "is not in that file"),
        ({"raw_file": "a" * 5000}, "cannot be reached"),
        ({"raw_file": "a\0b"}, "cannot be reached"),
        ({"raw_file": ["a"]}, "kpfiles"),
        ({"total_frames": 10**5000}, "total_frames is not a whole number"),
    ],
)
def test_a_bad_clip_of_kinetics_is_reported_and_the_others_are_read(tmp_path, changed, says):
    path, _ = k400(tmp_path, **changed)
    said = []
    assert [clip.name for clip in read_pyskl(path, reading=Reading(report=said.extend))] == ["train/aa", "val/cc"]
    assert len(said) == 1 and says in said[0].reason and "kpfiles" in said[0].reason


def test_a_hostile_file_of_bodies_is_not_run(tmp_path):
    path, _ = k400(tmp_path)
    written(tmp_path / "kpfiles" / "part1.pkl", Call(os.system, f"touch {tmp_path / 'ran'}"))
    said = []
    assert [clip.name for clip in read_pyskl(path, reading=Reading(report=said.extend))] == ["train/aa"]
    assert all("would execute code" in one.reason for one in said) and len(said) == 2
    assert not (tmp_path / "ran").exists()
