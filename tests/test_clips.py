"""Clips and layouts: round trips, and refusal of what does not fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import KINECT_20, LAYOUTS, NTU_25, layout_named
from tdsm.util.errors import InputError


def clip(frames=5, persons=1, label="wave", layout=KINECT_20, seed=0) -> Clip:
    joints = np.random.default_rng(seed).standard_normal((persons, frames, len(layout), layout.dims))
    return Clip(joints, layout, label, "s1", 30.0, f"clip {seed}")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_layout_is_a_tree_that_is_its_own_mirror(layout):
    assert layout.parents.count(-1) == 1
    for joint in range(len(layout)):
        seen = set()
        while joint >= 0:
            assert joint not in seen
            seen.add(joint)
            joint = layout.parents[joint]
    mirror = np.array(layout.mirror)
    assert (mirror[mirror] == np.arange(len(layout))).all()
    assert mirror[layout.hips[0]] == layout.hips[1]
    assert mirror[layout.shoulders[0]] == layout.shoulders[1]
    if layout.dims == 3:  # the faces of pixel layouts hang on the nose in a chain of their own
        assert all(layout.parents[mirror[child]] == mirror[parent] for child, parent in layout.bones)
    assert layout_named(layout.name) is layout


def test_an_unknown_layout_is_refused_with_the_known_ones():
    with pytest.raises(KeyError, match="ntu-25, kinect-20"):
        layout_named("smpl")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 2), st.sampled_from(["wave", "squat"])), min_size=1, max_size=5))
def test_saving_and_loading_gives_the_same_clips(tmp_path_factory, shapes):
    first = ClipSet(tuple(clip(frames, persons, label, NTU_25, seed) for seed, (frames, persons, label) in enumerate(shapes)), ("wave", "squat"), "mine")
    again = ClipSet.load(first.save(tmp_path_factory.mktemp("clips") / "mine.npz"))
    assert (again.classes, again.layout, again.name) == (first.classes, first.layout, "mine")
    for a, b in zip(again, first, strict=True):
        np.testing.assert_array_equal(a.joints, b.joints, strict=True)
        assert (a.label, a.subject, a.fps, a.name) == (b.label, b.subject, b.fps, b.name)


def test_a_long_clip_among_short_ones_costs_its_own_size(tmp_path):
    rng = np.random.default_rng(0)
    joints = [rng.normal(size=(1 + row % 2, frames, 20, 3)).astype(np.float32) for row, frames in enumerate([20_000, *[5] * 300])]
    joints[1][0, 2, 7] = np.nan
    first = ClipSet(tuple(Clip(one, KINECT_20, "wave", name=str(row)) for row, one in enumerate(joints)))
    path = first.save(tmp_path / "x.npz")
    size = sum(one.nbytes for one in joints)
    assert size < path.stat().st_size < 1.1 * size
    again = ClipSet.load(path)
    for a, b in zip(again, joints, strict=True):
        np.testing.assert_array_equal(a.joints, b, strict=True)
        assert not a.joints.flags.owndata  # a view of the file
    again[1].joints[:] = 0.0
    np.testing.assert_array_equal(ClipSet.load(path)[1].joints, joints[1])


def test_a_saved_file_with_one_wrong_bit_is_refused(tmp_path):
    path = ClipSet((clip(), clip(seed=1))).save(tmp_path / "x.npz")
    whole, first = path.read_bytes(), ClipSet.load(path)
    for place in range(0, 8 * len(whole), 37):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            again = ClipSet.load(path)
        except InputError:
            continue
        assert [repr(one) for one in again] == [repr(one) for one in first]
        assert all(np.array_equal(a.joints, b.joints, equal_nan=True) for a, b in zip(again, first, strict=True))


@pytest.mark.parametrize(("changes", "says"), [
    ({"persons": np.array([1, 2])}, "differs from the 8 rows"),
    ({"persons": np.array([2**62, 2**62])}, r"persons\[0\] is"),
    ({"persons": np.array(["a", "b"])}, "persons are <U1"),
    ({"frames": np.array([4, 4, 4])}, "3 entries|shape"),
    ({"joints": np.ones((8, 60), np.float32)}, "joints are float32 of shape"),
    ({"persons": np.zeros(0, int), "frames": np.zeros(0, int)}, "differs from the 8 rows"),
])  # fmt: skip
def test_clips_one_behind_the_other_must_fit_together(tmp_path, changes, says):
    base = {"joints": np.ones((8, 20, 3), np.float32), "persons": np.array([1, 1]), "frames": np.array([4, 4]), "layout": np.array("kinect-20")}
    np.savez(tmp_path / "x.npz", **base)
    assert [one.frames for one in ClipSet.load(tmp_path / "x.npz")] == [4, 4]
    np.savez(tmp_path / "x.npz", **(base | changes))
    with pytest.raises(InputError, match=says):
        ClipSet.load(tmp_path / "x.npz")


def test_a_saved_set_keeps_its_name_whatever_the_file_is_called(tmp_path):
    saved = ClipSet((clip(),), name="utd-mhad").save(tmp_path / "prepared.npz")
    assert ClipSet.load(saved).name == "utd-mhad"
    np.savez(tmp_path / "older.npz", **arrays())
    assert ClipSet.load(tmp_path / "older.npz").name == "older"
    assert [path.name for path in tmp_path.glob("prepared*")] == ["prepared.npz"]


@pytest.mark.parametrize(("joints", "says"), [
    (np.ones((2, 20)), "shape"),
    (np.ones((1, 0, 20, 3)), "shape"),
    (np.ones((1, 4, 19, 3)), "19 joints, but layout kinect-20 has 20"),
    (np.ones((1, 4, 20, 2)), "2 coordinates"),
    (np.where(np.arange(240).reshape(1, 4, 20, 3) == 125, np.inf, 1.0), r"infinite.*person 0, frame 2, joint 1 \(spine\)"),
    (np.full((1, 4, 20, 3), 1e39), "infinite"),
    (np.full((1, 4, 20, 3), "here"), "not an array of numbers"),
])  # fmt: skip
def test_joints_that_cannot_be_are_refused(joints, says):
    with pytest.raises(InputError, match=says) as caught:
        Clip(joints, KINECT_20, name="mine.npy")
    assert str(caught.value).startswith("mine.npy: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fps", ["30", [30], True, float("nan"), 0, -1, np.array([30.0])], ids=repr)
def test_a_frame_rate_is_a_number_above_0(fps):
    with pytest.raises(InputError, match="mine: fps is "):
        Clip(np.ones((4, 20, 3)), KINECT_20, fps=fps, name="mine")


def test_masked_joints_are_not_seen():
    masked = np.ma.masked_array(np.arange(240).reshape(1, 4, 20, 3) + 1, mask=False)
    masked[0, 2, 5, 1] = np.ma.masked
    missing = np.isnan(Clip(masked, KINECT_20).joints)
    assert missing[0, 2, 5].all()
    assert missing.sum() == 3


def test_a_clip_without_persons_axis_is_one_person():
    assert Clip(np.ones((4, 20, 3)), KINECT_20).joints.shape == (1, 4, 20, 3)


def test_a_set_refuses_what_does_not_belong_together():
    with pytest.raises(InputError, match="holds no clip"):
        ClipSet(())
    with pytest.raises(InputError, match="mixes layouts"):
        ClipSet((clip(), clip(layout=NTU_25)))
    with pytest.raises(InputError, match="label 'wave' is not among"):
        ClipSet((clip(),), ("jump",))
    with pytest.raises(InputError, match="has no label"):
        _ = ClipSet((clip(label=None),)).y
    with pytest.raises(InputError, match="has no class 'moonwalk'; choose among: wave"):
        ClipSet((clip(),)).of_classes(["moonwalk"])


def test_choosing_classes_reorders_them():
    clips = ClipSet(tuple(clip(label=label) for label in "abcab"), tuple("abc"))
    chosen = clips.of_classes(["c", "a"])
    assert chosen.classes == ("c", "a")
    assert chosen.y.tolist() == [1, 0, 1]
    assert clips[:2].classes == clips.classes
    assert len(clips.where(lambda one: one.label == "b")) == 2


def test_a_set_shows_itself_with_names_escaped():
    clips = ClipSet((clip(label="<i>wave"),))
    assert "1 clips, 1 classes, 1 subjects, kinect-20" in repr(clips)
    assert "<i>wave" not in clips._repr_html_()


def arrays(**changes):
    base = {"joints": np.ones((2, 1, 4, 20, 3), np.float32), "layout": np.array("kinect-20"), "labels": np.array(["a", "b"])}
    return {key: value for key, value in (base | changes).items() if value is not None}


@pytest.mark.parametrize(("changes", "says"), [
    ({"layout": None}, "array 'layout' is missing"),
    ({"layout": np.array("dragon")}, "no layout 'dragon'"),
    ({"labels": np.array(["a"])}, r"labels has shape \(1,\) for 2 clips"),
    ({"labels": np.array([{}, {}], dtype=object)}, "not a readable .npz of plain arrays"),
    ({"frames": np.array([4, 9])}, r"frames\[1\] is 9"),
    ({"fps": np.array(0.0)}, r"fps\[0\] is 0"),
    ({"joints": np.ones((4, 20, 3))}, r"joints are float64 of shape \(4, 20, 3\)"),
    ({"joints": np.full((2, 1, 4, 20, 3), "x")}, "joints are <U1"),
    ({"joints": np.ones((2, 1, 4, 20, 3), complex)}, "joints are complex128"),
    ({"joints": np.ones((2, 1, 4, 20, 3), "M8[D]")}, "joints are datetime64"),
    ({"fps": np.array("abc")}, "fps are <U3"),
    ({"fps": np.ones((2, 2))}, r"fps has shape \(2, 2\) for 2 clips"),
    ({"fps": np.array(np.inf)}, r"fps\[0\] is inf"),
    ({"fps": np.array([30.0, np.nan])}, r"fps\[1\] is nan"),
    ({"frames": np.array(["a", "b"])}, "frames are <U1"),
    ({"frames": np.array([np.nan, 1])}, r"frames\[0\] is NaN"),
    ({"frames": np.array([1.7, 2.0])}, r"frames\[0\] is 1.7"),
    ({"frames": np.array([4, 0])}, r"frames\[1\] is 0"),
    ({"frames": np.ones((2, 2), int)}, r"frames has shape \(2, 2\)"),
    ({"classes": np.array("a")}, r"classes have shape \(\)"),
    ({"classes": np.array(["a", "b", "A."])}, "'a' and 'A.' are the same name"),
    ({"classes": np.array(["a", "", "b"])}, "is empty"),
    ({"labels": np.array(["Wave", "wave_"])}, "'Wave' and 'wave_' are the same name"),
    ({"labels": np.array([["a"], ["b"]])}, r"labels has shape \(2, 1\)"),
    ({"labels": np.array([b"\xff", b"a"])}, "labels: bytes that are not UTF-8"),
    ({"labels": np.array([0, -1])}, r"labels\[1\] is -1; give numbers from 0"),
    ({"labels": np.array([0.5, 1])}, r"labels\[0\] is 0.5"),
    ({"labels": np.array([np.inf, 1])}, r"labels\[0\] is inf"),
    ({"labels": np.array([True, False])}, "labels are bool"),
    ({"labels": np.array([1j, 1])}, "labels are complex128"),
    ({"labels": np.array([0, 2]), "classes": np.array(["a", "b"])}, r"labels\[1\] is 2; give numbers from 0 to 1, one per entry"),
    ({"labels": np.array([[1, 1], [0, 1]])}, r"not one-hot \(row 0\)"),
    ({"labels": np.array([[1, 0], [0, 0.5]])}, r"not one-hot \(row 1\)"),
    ({"labels": np.array([[1], [1]])}, "not one-hot"),
    ({"labels": np.eye(2), "classes": np.array(["a", "b", "c"])}, "one-hot over 2 classes, but 3 classes"),
    ({"subjects": np.array([0.5, 1])}, r"subjects\[0\] is 0.5"),
    ({"classes": np.array(["a"])}, "label 'b' is not among"),
])  # fmt: skip
def test_files_that_do_not_fit_are_refused(tmp_path, changes, says):
    np.savez(tmp_path / "mine.npz", **arrays(**changes))
    with pytest.raises(InputError, match=says):
        ClipSet.load(tmp_path / "mine.npz")


@pytest.mark.parametrize(("labels", "classes", "names", "listed"), [
    (np.array([0, 1]), None, ["0", "1"], ("0", "1")),
    (np.array([10, 9]), None, ["10", "9"], ("9", "10")),
    (np.array([0.0, np.nan]), None, ["0", None], ("0",)),
    (np.array([1, 0], np.uint8), ["wave", "jump"], ["jump", "wave"], ("wave", "jump")),
    (np.array([[0, 1, 0], [1, 0, 0]]), None, ["1", "0"], ("0", "1", "2")),
    (np.array([[False, True], [True, False]]), ["wave", "jump"], ["jump", "wave"], ("wave", "jump")),
    (np.array([b"wave", "é".encode()]), None, ["wave", "é"], ("wave", "é")),
    (np.array(["wave", ""]), None, ["wave", None], ("wave",)),
    (np.array(["wave", np.nan]), None, ["wave", None], ("wave",)),
    (np.array(["wave", None]).astype(str), None, ["wave", None], ("wave",)),
    (np.array("wave"), None, ["wave", "wave"], ("wave",)),
    (np.array(["Tennis_serve", "JUMP."]), ["jump", "tennis serve"], ["tennis serve", "jump"], ("jump", "tennis serve")),
])  # fmt: skip
def test_labels_in_every_form(tmp_path, labels, classes, names, listed):
    np.savez(tmp_path / "mine.npz", **arrays(labels=labels, classes=classes and np.array(classes)))
    clips = ClipSet.load(tmp_path / "mine.npz")
    assert ([one.label for one in clips], clips.classes) == (names, listed)
    again = ClipSet.load(clips.save(tmp_path / "saved.npz"))
    assert ([one.label for one in again], again.classes) == (names, listed)


def test_subjects_and_names_may_be_numbers(tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays(subjects=np.array([0, 1]), names=np.array([b"one", b""])))
    clips = ClipSet.load(tmp_path / "mine.npz")
    assert [(one.subject, one.name) for one in clips] == [("0", "one"), ("1", "mine.npz[1]")]


def test_classes_are_found_by_any_spelling():
    clips = ClipSet(tuple(clip(label=label) for label in ("Tennis serve", "sit_down", "tennis-serve.")), ("tennis serve", "sit down", "jump"))
    assert [one.label for one in clips] == ["tennis serve", "sit down", "tennis serve"]
    assert clips.y.tolist() == [0, 1, 0]
    chosen = clips.of_classes(["SIT  DOWN", "Tennis_Serve"])
    assert (chosen.classes, chosen.y.tolist()) == (("sit down", "tennis serve"), [1, 0, 1])
    assert clips.without_classes(["Sit-down"]).classes == ("tennis serve", "jump")
    assert clips.without_classes([]).classes == clips.classes
    with pytest.raises(InputError, match="has no class 'sitt'"):
        clips.without_classes(["sitt"])
    with pytest.raises(InputError, match="are the same name"):
        clips.of_classes(["sit down", "Sit down"])


@pytest.mark.parametrize("label", ["", " ", "\u200b", "...", "\udce9"])
def test_a_label_is_a_name_or_none(label):
    with pytest.raises(InputError, match="label"):
        Clip(np.ones((4, 20, 3)), KINECT_20, label)
