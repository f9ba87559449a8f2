"""Features on disk in the field's formats and ours; whose classes they are; and extraction from arrays larger than the memory."""

import pickle
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tdsm.backbones.classifier import Classifier
from tdsm.backbones.nets import build_encoder
from tdsm.catalogue.feature_checks import check_against
from tdsm.catalogue.feature_files import (
    is_features,
    load_features,
    read_features,
    read_flora,
    read_synse_folder,
    save_features,
    write_flora,
    write_synse_folder,
)
from tdsm.catalogue.rows import benchmark_named
from tdsm.config import EncoderConfig, PreprocessConfig, TextConfig
from tdsm.data.arrays import Rows
from tdsm.data.features import FeatureSet, made_up
from tdsm.data.layouts import KINECT_20
from tdsm.text import TextEncoder
from tdsm.util.errors import InputError

SYNSE_55_5 = benchmark_named("ntu-60-synse-55-5")
WIDTH = 6
FILES = {"train.npy": "train_label.npy", "ztest.npy": "z_label.npy", "gtest.npy": "g_label.npy"}
FLORA = {"train_data": "train_label", "zsl_data": "zsl_label", "gzsl_data": "gzsl_label"}
CLASS_NAMES = tuple(f"class {index}" for index in range(60))


def z(clips, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((clips, WIDTH)).astype(dtype)


def labels_of(benchmark, draw=0):
    """Original indices as the published files have them: two training clips a seen class, three test clips a class; not sorted."""
    unseen = np.array(benchmark.draws[draw])
    seen = np.setdiff1d(np.arange(benchmark.classes), unseen)
    shuffle = np.random.default_rng(1).permutation
    return shuffle(np.repeat(seen, 2)), shuffle(np.repeat(unseen, 3)), shuffle(np.repeat(np.arange(benchmark.classes), 3))


def published(benchmark=SYNSE_55_5, draw=0, dtype=np.float32):
    """name -> array, as SynSE's archive holds them."""
    arrays = {}
    for (z_name, y_name), y in zip(FILES.items(), labels_of(benchmark, draw), strict=True):
        arrays |= {z_name: z(len(y), len(arrays), dtype), y_name: y.astype(np.int64)}
    return arrays


def folder_of(path, arrays):
    path.mkdir()
    for name, array in arrays.items():
        np.save(path / name, array)
    return path


def features(benchmark=SYNSE_55_5, draw=0, **more):
    train, unseen, every = labels_of(benchmark, draw)
    parts = (z(len(train), 0), train, z(len(unseen), 2), unseen, z(len(every), 4), every)
    return FeatureSet(*parts, benchmark.classes, **more)


def same(one, other):
    return all(
        (getattr(one, part) is None and getattr(other, part) is None) or np.array_equal(getattr(one, part), getattr(other, part))
        for part in ("z_train", "y_train", "z_unseen", "y_unseen", "z_all", "y_all")
    )


# SynSE folders


def test_a_published_folder_comes_back_byte_by_byte(tmp_path):
    path = folder_of(tmp_path / "shift_5_r", published())
    np.save(path / "gtest_out.npy", z(180))  # the encoder's logits: not ours to read
    read = read_synse_folder(path, 60)
    assert (read.classes, read.unseen, len(read.seen), read.encoder_seen) == (60, SYNSE_55_5.unseen(), 55, None)
    again = write_synse_folder(tmp_path / "again", read)
    assert {file.name for file in again.iterdir()} == {*FILES, *FILES.values()}
    for file in again.iterdir():
        assert file.read_bytes() == (path / file.name).read_bytes(), file.name


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_features_become_float32_and_columns_of_float_labels_vectors_of_int64(tmp_path, dtype):
    arrays = published(dtype=dtype)
    path = folder_of(tmp_path / "f", arrays | {name: arrays[name].astype(np.float64)[:, None] for name in FILES.values()})
    read = read_synse_folder(path, 60)
    assert (read.z_train.dtype, read.y_train.dtype, read.y_train.shape) == (np.float32, np.int64, (110,))
    assert np.array_equal(read.z_unseen, arrays["ztest.npy"].astype(np.float32)) and np.array_equal(read.y_unseen, arrays["z_label.npy"])


def test_without_the_generalised_test_there_is_none(tmp_path):
    arrays = published()
    path = folder_of(tmp_path / "f", {name: arrays[name] for name in ("train.npy", "train_label.npy", "ztest.npy", "z_label.npy")})
    read = read_synse_folder(path, 60)
    assert read.z_all is None and read.y_all is None
    assert same(read_synse_folder(write_synse_folder(tmp_path / "again", read)), read)
    np.save(path / "gtest.npy", arrays["gtest.npy"])
    with pytest.raises(InputError, match=r"g_label\.npy: no such file"):
        read_synse_folder(path)


@pytest.mark.parametrize("missing", [*FILES, *FILES.values()])
def test_a_missing_file_is_named(tmp_path, missing):
    path = folder_of(tmp_path / "f", published())
    (path / missing).unlink()
    with pytest.raises(InputError, match=rf"{missing}: no such file"):
        read_features(path)


def test_a_folder_of_feature_folders_says_which_to_give(tmp_path):
    folder_of(tmp_path / "shift_5_r", published())
    with pytest.raises(InputError, match=r"holds no train\.npy; give one of: shift_5_r"):
        read_features(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_synse_folder(tmp_path / "none")


def test_a_val_folder_is_told_apart_and_explained(tmp_path):
    arrays = published()
    path = folder_of(tmp_path / "shift_ntu60_val_5_r", {name: arrays[name] for name in ("train.npy", "train_label.npy", "ztest.npy", "z_label.npy")})
    np.save(path / "val.npy", z(4))
    with pytest.raises(InputError, match=r"is a val folder.*without val"):
        read_features(path)


@pytest.mark.parametrize("keep", [0, 5, 60, 200, -1])
def test_a_file_cut_off_is_refused(tmp_path, keep):
    path = folder_of(tmp_path / "f", published())
    (path / "ztest.npy").write_bytes((path / "ztest.npy").read_bytes()[:keep])
    with pytest.raises(InputError, match=r"ztest\.npy: not a readable \.npy"):
        read_features(path)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_pickles_are_refused_and_not_executed(tmp_path):
    path = folder_of(tmp_path / "f", published())
    np.save(path / "train_label.npy", np.array([Trap()] * 110, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"train_label\.npy: not a readable \.npy.*pickled objects are not read"):
        read_features(path)
    (path / "train_label.npy").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match=r"train_label\.npy: not a readable \.npy"):
        read_features(path)
    np.savez(tmp_path / "f.npz", train_data=np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"f\.npz: not a readable \.npz.*pickled objects are not read"):
        read_features(tmp_path / "f.npz")


def header(shape, descr="<f4"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("content", [header("(1000000000000, 256)"), header("(" * 3000), header("(-1, 6)"), header("(2, 6)", "|O"), b"PK\x03\x04"])
def test_headers_that_cannot_be_are_refused(tmp_path, content):
    path = folder_of(tmp_path / "f", published())
    (path / "gtest.npy").write_bytes(content + b"\0" * 64)
    with pytest.raises(InputError, match=r"gtest\.npy: not a readable \.npy"):
        read_features(path)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("train.npy", lambda a: np.where(np.arange(110)[:, None] == 7, np.nan, a), "train.npy: NaN or infinite in 1 of 110 rows, first in row 7"),
        ("ztest.npy", lambda a: a.astype(np.float64) * 1e300, "ztest.npy: NaN or infinite in 15 of 15 rows"),
        ("ztest.npy", lambda a: a[:, :0], r"ztest.npy: shape \(15, 0\)"),
        ("ztest.npy", lambda a: a[:0], r"ztest.npy: shape \(0, 6\)"),
        ("gtest.npy", lambda a: a[:, 0], r"gtest.npy: shape \(180,\)"),
        ("gtest.npy", lambda a: a[:, :-1], "z_all: shape .*5.* per clip, z_train has .*6"),
        ("train.npy", lambda a: a.astype(int), "train.npy: shape .* of int64"),
        ("z_label.npy", lambda a: a[:-1], r"z_label.npy: shape \(14,\) of int64 for 15 clips"),
        ("z_label.npy", lambda a: np.eye(60)[a], r"z_label.npy: shape \(15, 60\)"),
        ("z_label.npy", lambda a: a.astype(str), "z_label.npy: shape .* of <U"),
        ("g_label.npy", lambda a: a + 0.5, "g_label.npy: label .*5 in row 0; give whole numbers"),
        ("g_label.npy", lambda a: np.where(np.arange(180) == 3, np.nan, a), "g_label.npy: label nan in row 3"),
        ("g_label.npy", lambda a: a.astype(np.uint64) + np.uint64(2**63), "g_label.npy: label .* in row 0"),
        ("g_label.npy", lambda a: np.where(a == 4, -1, a), "y_all: contains label -1, but there are 60 classes"),
        ("g_label.npy", lambda a: np.where(a == 4, 77, a), "y_all: contains label 77, but there are 60 classes"),
        ("z_label.npy", lambda a: np.where(a == 10, 0, a), "class 0 is both seen and unseen"),
        ("g_label.npy", lambda a: np.where(a == 10, 0, a), "unseen class 10 is not in the test of all classes"),
        ("train_label.npy", lambda a: np.where(a == 3, 4, a), "class 3 of the test of all classes is neither seen nor unseen"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_with_the_file_and_the_fault(tmp_path, name, damage, message):
    arrays = published()
    path = folder_of(tmp_path / "f", arrays | {name: damage(arrays[name])})
    with pytest.raises(InputError, match=message) as error:
        read_features(path, 60)
    assert str(error.value).startswith(str(path))


# How labels are numbered


@pytest.mark.parametrize("classes", [60, None])
def test_labels_that_count_from_1_are_refused(tmp_path, classes):
    arrays = published()
    path = folder_of(tmp_path / "f", arrays | {name: arrays[name] + 1 for name in FILES.values()})
    with pytest.raises(InputError, match="labels run from 1 to 60, so they seem to count from 1; subtract 1"):
        read_features(path, classes)


def renumbered(y, benchmark, first):
    """Position in the split's list, seen and unseen each from 0, or one behind the other."""
    unseen = list(benchmark.draws[0])
    seen = [index for index in range(benchmark.classes) if index not in unseen]
    place = {index: position for position, index in enumerate(seen)} | {index: first + position for position, index in enumerate(unseen)}
    return np.array([place[index] for index in y])


def test_labels_numbered_anew_are_refused(tmp_path):
    arrays = published()
    path = folder_of(tmp_path / "f", arrays | {name: renumbered(arrays[name], SYNSE_55_5, 0) for name in FILES.values()})
    with pytest.raises(InputError, match="labels are renumbered, 0 to 54 in the seen and 0 to 4 in the unseen classes"):
        read_features(path, 60)
    path = folder_of(tmp_path / "g", arrays | {name: renumbered(arrays[name], SYNSE_55_5, 55) for name in FILES.values()})
    with pytest.raises(InputError, match="renumbered, seen classes first"):
        check_against(read_features(path, 60), SYNSE_55_5)


# Flora


def flora_of(path, arrays):
    np.savez(path, **dict(zip([name for pair in FLORA.items() for name in pair], arrays.values(), strict=True)))
    return path


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_flora_file_comes_back_byte_by_byte(tmp_path):
    path = flora_of(tmp_path / "f.npz", published())
    read = read_flora(path, 60)
    assert same(read, read_synse_folder(folder_of(tmp_path / "f", published())))
    again = write_flora(tmp_path / "again.npz", read)
    assert members(again) == members(path)
    assert again.read_bytes() == write_flora(tmp_path / "twice.npz", read).read_bytes()


def test_a_flora_file_with_an_array_missing_or_cut_off_is_refused(tmp_path):
    path = flora_of(tmp_path / "f.npz", published())
    content = path.read_bytes()
    for keep in (0, 10, 1000, len(content) - 1):
        path.write_bytes(content[:keep])
        with pytest.raises(InputError, match=r"f\.npz: not a readable \.npz"):
            read_flora(path)
    arrays = published()
    np.savez(path, train_data=arrays["train.npy"], train_label=arrays["train_label.npy"], zsl_data=arrays["ztest.npy"])
    with pytest.raises(InputError, match="array 'zsl_label' is missing"):
        read_flora(path)


# Ours


@pytest.mark.parametrize("more", [{}, {"encoder_seen": (), "class_names": CLASS_NAMES}, {"encoder_seen": CLASS_NAMES[:3], "class_names": CLASS_NAMES}])
def test_our_own_files_keep_everything(tmp_path, more):
    wide = features(dataset="ntu-60", **more)
    tokens = replace(wide, z_train=wide.z_train.reshape(110, 2, 3), z_unseen=wide.z_unseen.reshape(15, 2, 3), z_all=None, y_all=None)
    for one in (wide, tokens):
        again = load_features(save_features(tmp_path / "deep" / "f.npz", one), 60)
        assert same(again, one)
        assert all(getattr(again, name) == getattr(one, name) for name in ("classes", "encoder_seen", "dataset", "class_names"))
    with pytest.raises(InputError, match="classes is 60, not 120"):
        load_features(tmp_path / "deep" / "f.npz", 120)


def test_published_formats_hold_one_token_a_clip(tmp_path):
    wide = features()
    one = replace(wide, z_train=wide.z_train[:, None], z_unseen=wide.z_unseen[:, None], z_all=wide.z_all[:, None])
    assert same(read_flora(write_flora(tmp_path / "f.npz", one)), wide)
    two = replace(wide, z_train=wide.z_train.reshape(110, 2, 3), z_unseen=wide.z_unseen.reshape(15, 2, 3), z_all=wide.z_all.reshape(180, 2, 3))
    with pytest.raises(InputError, match="2 tokens per clip"):
        write_synse_folder(tmp_path / "f", two)


def test_a_folder_that_holds_features_is_not_written_into(tmp_path):
    path = write_synse_folder(tmp_path / "f", features())
    with pytest.raises(InputError, match=r"train\.npy: already exists"):
        write_synse_folder(path, replace(features(), z_all=None, y_all=None))


@pytest.mark.parametrize("name", ["classes", "dataset", "class_names", "y_train"])
def test_our_own_file_without_one_of_its_arrays_is_refused(tmp_path, name):
    path = save_features(tmp_path / "f.npz", features())
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files if key not in (name, "checksum")}
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=f"array '{name}' is missing"):
        read_features(path)


def test_what_kind_of_features_it_is_shows_inside(tmp_path):
    one = features()
    paths = [write_synse_folder(tmp_path / "a", one), write_flora(tmp_path / "b.npz", one), save_features(tmp_path / "c.npz", one)]
    assert all(map(is_features, paths))
    assert all(same(read_features(path), one) and read_features(path).classes == 60 for path in paths)
    np.savez(tmp_path / "clips.npz", joints=np.zeros(3))
    assert not any(map(is_features, (tmp_path, tmp_path / "clips.npz", tmp_path / "none", paths[0] / "train.npy")))
    with pytest.raises(InputError, match="holds no features; it has joints"):
        read_features(tmp_path / "clips.npz")
    with pytest.raises(InputError, match="no such file"):
        read_features(tmp_path / "none")
    with pytest.raises(InputError, match=r"not a readable \.npz"):
        read_features(paths[0] / "train.npy")


# Whose classes they are


def test_the_classes_of_the_benchmark_are_accepted_and_numbers_of_clips_remarked(tmp_path):
    read = read_features(folder_of(tmp_path / "f", published()), 60)
    remarks = check_against(read, SYNSE_55_5)
    assert remarks[0] == "training part: 110 clips, officially 36,758; the partition may not be xsub"
    assert [remark.split(":")[0] for remark in remarks] == ["training part", "zero-shot test", "test of all classes"]
    counts = {"clips": 56578, "train_seen": (111,), "test_unseen": (15,), "test_seen": (166,)}
    assert check_against(read, replace(SYNSE_55_5, counts=counts)) == [
        "training part: 110 clips, officially 111",
        "test of all classes: 180 clips, officially 181",
    ]
    assert check_against(read, replace(SYNSE_55_5, counts={})) == []
    fewer = replace(read, z_unseen=read.z_unseen[:-1], y_unseen=read.y_unseen[:-1])
    assert check_against(fewer, replace(SYNSE_55_5, counts={})) == ["test of all classes: 15 clips of unseen classes, the zero-shot test has 14"]


def test_the_classes_of_another_benchmark_are_refused_and_named(tmp_path):
    path = folder_of(tmp_path / "f", published())
    with pytest.raises(InputError) as error:
        check_against(read_features(path, 60), benchmark_named("ntu-60-synse-48-12"))
    message = str(error.value)
    assert message.startswith(f"{path}: not the classes of ntu-60-synse-48-12: training labels hold unseen classes 3, 5, 9, ")
    assert "they are the classes of ntu-60-synse-55-5, ntu-60-star-xsub-55-5, ntu-60-star-xview-55-5" in message


def test_the_lists_of_a_row_of_several_are_told_apart():
    benchmark = benchmark_named("ntu-60-sadvae-55-5")
    second = features(benchmark, draw=1)
    check_against(second, benchmark, 1)
    with pytest.raises(
        InputError, match=r"given\.npz: not the classes of ntu-60-sadvae-55-5 \(draw 0\).*they are the classes of ntu-60-sadvae-55-5 \(draw 1\)"
    ):
        check_against(second, benchmark, 0, "given.npz")


def cut(one, part, keep):
    return replace(one, **{f"{axis}_{part}": getattr(one, f"{axis}_{part}")[keep] for axis in "zy"})


def test_missing_classes_are_named():
    one = replace(features(class_names=CLASS_NAMES), z_all=None, y_all=None)
    with pytest.raises(InputError, match=r"training labels lack seen classes 7 \(class 7\), 8 \(class 8\); they match no known benchmark"):
        check_against(cut(one, "train", ~np.isin(one.y_train, (7, 8))), SYNSE_55_5)
    with pytest.raises(InputError, match=r"test labels lack unseen classes 56 \(class 56\)"):
        check_against(cut(one, "unseen", one.y_unseen != 56), SYNSE_55_5)
    with pytest.raises(InputError, match=r"lack seen classes .* and 44 more"):
        check_against(cut(one, "train", one.y_train == 0), SYNSE_55_5)
    every = features()
    with pytest.raises(InputError, match="labels of the test of all classes lack 0;"):
        check_against(cut(every, "all", every.y_all != 0), SYNSE_55_5)


def test_another_data_set_is_refused():
    with pytest.raises(InputError, match="holds features of pku-mmd, but ntu-60-synse-55-5 needs ntu-60"):
        check_against(features(dataset="pku-mmd"), SYNSE_55_5)
    with pytest.raises(InputError, match=r"labels hold unseen classes .*they are the classes of ntu-120-synse-110-10"):
        check_against(features(benchmark_named("ntu-120-synse-110-10")), SYNSE_55_5)


def test_an_encoder_that_saw_an_unseen_class_is_refused():
    seen = tuple(CLASS_NAMES[index] for index in range(60) if index not in SYNSE_55_5.unseen())
    check_against(features(encoder_seen=seen, class_names=CLASS_NAMES), SYNSE_55_5)
    leaking = features(encoder_seen=(*seen, "class 26"), class_names=CLASS_NAMES)
    with pytest.raises(InputError, match="the encoder was trained on 'class 26', an unseen class"):
        check_against(leaking, SYNSE_55_5)
    with pytest.raises(InputError, match="give class_names"):
        features(encoder_seen=seen)
    with pytest.raises(InputError, match="59 class names for 60 classes"):
        features(class_names=(*CLASS_NAMES[:59], "class 0"))


def test_half_a_generalised_test_is_refused():
    one = features()
    with pytest.raises(InputError, match="only one of z_all and y_all"):
        replace(one, y_all=None)


# Extraction


def backbone_of(net):
    return Classifier(net, PreprocessConfig(frames=12, bodies=2), ("a", "b", "c"), "nw-ucla", TextEncoder(TextConfig()))


def test_tensors_arrays_and_mapped_files_give_the_same_features(tmp_path):
    torch.manual_seed(0)
    backbone = backbone_of(build_encoder(EncoderConfig(kind="shift-gcn", width=4, features=8), KINECT_20, 2, 3))
    x = torch.randn(7, 2, 12, 20, 3)
    np.save(tmp_path / "x.npy", x.numpy())
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = backbone.rows(x, batch=3)
    assert expected.shape == (7, 8) and not backbone.training
    for other in (x.numpy(), mapped, torch.from_file(str(tmp_path / "raw"), shared=True, size=x.numel()).view(x.shape).copy_(x)):
        torch.testing.assert_close(backbone.rows(other, batch=3), expected)
    torch.testing.assert_close(backbone.rows(Rows(mapped, np.array([5, 1, 1, 6]), "x"), batch=4), expected[[5, 1, 1, 6]])
    torch.testing.assert_close(backbone.rows(x.numpy().astype(np.float16)), expected, atol=0.02, rtol=0.02)
    with pytest.raises(InputError, match="none given"):
        backbone.rows(x[:0])


class MeanPose(nn.Module):
    """An encoder quick enough for many clips."""

    features, layout, bodies = 3, KINECT_20, 2

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def pool(self, x):
        return x.mean((1, 2, 3)) * self.weight


def test_extraction_never_holds_more_than_a_batch(tmp_path):
    shape = (2000, 2, 32, 20, 3)  # 31 MB
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=shape)
    mapped[:, 0, 0, 0, 0] = np.arange(2000)
    backbone = backbone_of(MeanPose())
    tracemalloc.start()
    try:
        features = backbone.rows(mapped, batch=50)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert features.shape == (2000, 3) and features[1999, 0] == pytest.approx(1999 / (2 * 32 * 20))
    assert peak < mapped.nbytes / 8


def test_made_up_features_are_a_split_that_is_read_again(tmp_path):
    features = made_up(SYNSE_55_5.classes, SYNSE_55_5.draws[0], clips=4, channels=WIDTH)
    assert features.unseen == tuple(sorted(SYNSE_55_5.draws[0]))
    again = read_features(write_synse_folder(tmp_path / "made", features), SYNSE_55_5.classes)
    np.testing.assert_array_equal(again.z_train, features.z_train)
    assert (len(again.y_train), len(again.y_unseen), len(again.y_all)) == (4 * 55, 2 * 5, 60)
    assert not np.array_equal(made_up(6, [5], seed=1).z_train, made_up(6, [5]).z_train)
