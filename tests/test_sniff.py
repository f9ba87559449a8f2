"""A file is named by what is in it, with a remedy that fits; the names of files and what they claim decide nothing."""

import gzip
import io
import json
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from tdsm.catalogue.doctor import inspect
from tdsm.data.layouts import LAYOUTS
from tdsm.data.readers import load_clips
from tdsm.data.readers.archive import Archive
from tdsm.data.readers.mat5 import read_mat_array
from tdsm.data.readers.reading import Reading
from tdsm.data.readers.sniff import kind_of
from tdsm.util.errors import InputError

QUIET = Reading(progress=False)


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tar(name="x"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


KINDS = [
    (b"Kaydara FBX Binary  \0", "fbx", "is an FBX motion file", "export it as BVH"),
    (b"<!DOCTYPE html><html>Sign in</html>", "page", "is a web page", "log-in"),
    (b"\xef\xbb\xbf \n<html>", "page", "is a web page", "log-in"),
    (b"version https://git-lfs.github.com/spec/v1\n", "page", "a pointer of git-lfs", "download the file itself"),
    (gzip.compress(b"x"), "packed", "is a .gz archive", "unpack it"),
    (b"Rar!\x1a\x07\x00", "packed", "is a .rar archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "packed", "is a .7z archive", "unpack it"),
    (tar(), "packed", "is a .tar archive", "unpack it"),
    (b"\x00\x00\x00\x18ftypmp42", "video", "is a video", "pose estimator"),
    (b"\x89PNG\r\n", "picture", "is a picture", "pose estimator"),
    (b"\x89HDF\r\n", "hdf5", "is an HDF5 file", ".npy"),
    (b"wave a hand\nsit down\n", "text", "is a text file", "folder or zip"),
    (b"\x00\x01\x02\x03", "other", "is a file of an unknown kind", "give a download"),
    (b"", "empty", "is empty (0 bytes)", "download it again"),
]


@pytest.mark.parametrize(("content", "name", "title", "remedy"), KINDS, ids=[name for _, name, _, _ in KINDS])
@pytest.mark.parametrize("called", ["clips.zip", "clips.json", "clips"])
def test_readers_and_doctor_name_a_file_by_its_content(tmp_path, content, name, title, remedy, called):
    path = tmp_path / called
    path.write_bytes(content)
    assert kind_of(path).name == name
    said = message(load_clips, path)
    assert title in said and remedy in said and "zip)" not in said
    (problem,) = inspect(path).problems
    assert remedy in problem


def test_a_single_array_is_one_clip_with_its_layout_and_asks_for_it_without(tmp_path):
    body = np.random.default_rng(0).normal(size=(4, 25, 3))
    np.save(tmp_path / "x.npy", body)
    said = message(load_clips, tmp_path / "x.npy")
    assert "is an array of shape (4, 25, 3)" in said and "with 25 joints: ntu-25, openpose-25" in said
    (clip,) = load_clips(tmp_path / "x.npy", "ntu-25")
    np.testing.assert_array_equal(clip.joints[0], body.astype(np.float32))
    assert "no layout 'ntu'" in message(load_clips, tmp_path / "x.npy", "ntu")
    assert "25 joints, but layout kinect-20" in message(load_clips, tmp_path / "x.npy", "kinect-20")
    np.save(tmp_path / "y.npy", body[:, :7])
    assert all(layout.name in message(load_clips, tmp_path / "y.npy") for layout in LAYOUTS)


@pytest.mark.parametrize("shape", [(5, 17, 3), (2, 5, 17, 3)])
def test_a_third_channel_of_the_plane_is_a_confidence(tmp_path, shape):
    array = np.random.default_rng(0).uniform(100, 900, shape).astype(np.float32)
    array[..., 2] = 0.9
    array[..., 1, 4, 2] = 0
    with pytest.warns(UserWarning, match="third channel, between 0 and 1, is used as the confidence"):
        np.save(tmp_path / "x.npy", array)
        (clip,) = load_clips(tmp_path / "x.npy", "coco-17")
    array[..., 1, 4, :] = np.nan
    np.testing.assert_array_equal(clip.joints, array[..., :2].reshape(-1, 5, 17, 2))
    array[..., 2] = 7.0
    np.save(tmp_path / "x.npy", array)
    assert "3 coordinates, layout coco-17 has 2" in message(load_clips, tmp_path / "x.npy", "coco-17")


def test_a_third_channel_in_a_folder_of_arrays_is_said_once(tmp_path):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.concatenate([np.full((5, 17, 2), 50.0), np.ones((5, 17, 1))], axis=2) + np.arange(17)[:, None] * [1, 1, 0])
    (tmp_path / "clips.csv").write_text("file,layout\na.npy,coco-17\nb.npy,coco-17\n")
    with pytest.warns(UserWarning) as caught:
        clips = load_clips(tmp_path, reading=QUIET)
    assert sum("third channel" in str(one.message) for one in caught) == 1
    assert [clip.joints.shape for clip in clips] == [(1, 5, 17, 2)] * 2


# What claims more than it is


def test_an_array_that_claims_more_than_its_file_holds_is_refused_before_it_is_allocated(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 25, 3), np.float32))
    whole = (tmp_path / "x.npy").read_bytes()
    for claimed in (b"(10**9,)", b"(999999999, 25, 3)", b"(4, 25, 3)", b"(-3, 25, 3)", b"(2, 25, 3)"):
        header = whole[10:128].replace(b"(3, 25, 3)", claimed).rstrip(b" \n").ljust(117) + b"\n"
        (tmp_path / "x.npy").write_bytes(whole[:10] + header + whole[128:])
        assert "x.npy" in message(load_clips, tmp_path / "x.npy", "ntu-25")


def test_a_member_of_a_zip_that_unpacks_to_much_is_skipped_and_the_others_are_read(tmp_path):
    good = json.dumps({"skeletons": np.random.default_rng(0).normal(size=(3, 20, 3)).tolist()})
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a01_s01_e00_v01.json", good)
        archive.writestr("a01_s01_e00_v02.json", b" " * (40 << 20))
    said = []
    assert len(load_clips(tmp_path / "x.zip", reading=Reading(progress=False, report=said.extend))) == 1
    assert "has 42 MB, more than the 34 MB" in said[0].reason


def test_a_mat_file_of_many_empty_elements_or_much_padding_costs_little():
    file = io.BytesIO()
    scipy.io.savemat(file, {"d_skel": np.zeros((20, 3, 4))}, do_compression=True)
    head = file.getvalue()[:128]

    for inner in (b"\x0e\x00\x00\x00" + (8 * 7_000_000).to_bytes(4, "little") + b"\x01\x00\x00\x00\x00\x00\x00\x00" * 7_000_000, b"\0" * (1 << 27)):
        packed = zlib.compress(inner, 9)
        content = head + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
        try:
            assert read_mat_array(content, "d_skel") is None
        except ValueError as error:
            assert "unpacks to more than" in str(error)


@pytest.mark.parametrize("path", ["a\0b", "a" * 5000, "loop"])
def test_a_path_that_cannot_be_one_is_one_line(tmp_path, path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    said = message(load_clips, path)
    assert "check the path" in said and len(said) < 500
    assert message(Archive, path) == said


def test_a_row_whose_file_cannot_be_reached_is_skipped_and_the_others_are_read(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(3, 20, 3)))
    (tmp_path / "b.npy").symlink_to("b.npy")
    for row in ("a\0.npy", "a" * 5000 + ".npy", "b.npy"):
        (tmp_path / "clips.csv").write_text(f"file,layout\na.npy,kinect-20\n{row},kinect-20\n")
        said = []
        assert [clip.name for clip in load_clips(tmp_path, reading=Reading(progress=False, report=said.extend))] == ["a.npy"]
        assert len(said) == 1 and "numpy.save" in said[0].reason
