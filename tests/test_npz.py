"""Arrays on disk: the same bits come back, mapped or read; damage and impossible sizes are one line; no memory is taken for what a file merely claims."""

import io
import resource
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from tdsm.util.errors import InputError
from tdsm.util.npz import read_npy, read_npz, write_npz

ARRAYS = {
    "joints": np.random.default_rng(0).normal(size=(7, 20, 3)).astype(np.float32),
    "labels": np.array(["wave", "Gruß", ""]),
    "count": np.array(3),
    "empty": np.zeros((0, 3)),
}
ARRAYS["joints"][2, 3] = np.nan
DTYPES = ["f2", "<f4", ">f4", "f8", "i1", "u8", "?", "c8", "S3", "<U4"]


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], strict=True)


def npy(header):
    """A file of numbers with this header, written by hand."""
    text = (header + " " * (-(len(header) + 11) % 64) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def test_arrays_come_back_read_or_mapped_and_give_the_same_bytes(tmp_path):
    path = write_npz(tmp_path / "x.npz", ARRAYS)
    same(read_npz(path), ARRAYS)
    mapped = read_npz(path, mapped={"joints", "labels", "count", "empty"})
    same(mapped, ARRAYS)
    assert not mapped["joints"].flags.owndata and mapped["joints"].flags.aligned
    mapped["joints"][0] = 0.0
    same(read_npz(path), ARRAYS)
    assert write_npz(tmp_path / "y.npz", ARRAYS).read_bytes() == path.read_bytes()
    with np.load(path) as file:  # numpy reads it, too
        same({name: file[name] for name in ARRAYS}, ARRAYS)


@settings(deadline=None, max_examples=60)
@given(
    array=hn.arrays(st.sampled_from(["f2", "<f4", ">f4", "f8", "i1", "u8", "?", "c8", "S3", "<U4"]), hn.array_shapes(min_dims=0, min_side=0)),
    packed=st.booleans(),
)
def test_what_numpy_writes_is_read_alike(tmp_path_factory, array, packed):
    folder = tmp_path_factory.mktemp("npz")
    (np.savez_compressed if packed else np.savez)(folder / "x.npz", a=array, b=np.asfortranarray(array) if array.ndim else array)
    for mapped in ((), ("a", "b")):
        same(read_npz(folder / "x.npz", mapped), {"a": array, "b": array})
    np.save(folder / "x.npy", array)
    np.testing.assert_array_equal(read_npy(folder / "x.npy"), array, strict=True)
    np.testing.assert_array_equal(read_npy((folder / "x.npy").read_bytes(), "x"), array, strict=True)


@pytest.mark.parametrize("code", [0x110000, 0xFFFFFFFF, 0xD800])
@pytest.mark.parametrize("order", ["<", ">"])
def test_text_that_is_no_unicode_is_refused(tmp_path, code, order):
    text = np.array([code, 65], f"{order}u4").view(f"{order}U1")
    np.savez(tmp_path / "x.npz", labels=text)
    for mapped in ((), ("labels",)):
        assert "text that is not valid Unicode" in message(read_npz, tmp_path / "x.npz", mapped)


def test_a_list_is_written_as_one_array(tmp_path):
    blocks = [ARRAYS["joints"][:2], ARRAYS["joints"][2:3], ARRAYS["joints"][3:]]
    same(read_npz(write_npz(tmp_path / "x.npz", {"joints": blocks})), {"joints": ARRAYS["joints"]})


def test_no_flipped_bit_changes_an_array_unnoticed(tmp_path):
    path = write_npz(tmp_path / "x.npz", ARRAYS)
    whole = path.read_bytes()
    noticed = 0
    for place in range(0, 8 * len(whole), 13):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        for mapped in ((), ("joints",)):
            try:
                same(read_npz(path, mapped), ARRAYS)
            except InputError:
                noticed += 1
    assert noticed > 0.8 * 2 * len(range(0, 8 * len(whole), 13))  # the rest are dates, and the like, of the zip's own
    for length in range(0, len(whole), 17):
        path.write_bytes(whole[:length])
        message(read_npz, path)


def test_a_file_whose_arrays_were_changed_says_so(tmp_path):
    path = write_npz(tmp_path / "x.npz", ARRAYS)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **(arrays | {"labels": np.array(["wave", "Gruß", "x"])}))
    assert "has changed since it was written; get another copy, or write it without the array 'checksum'" in message(read_npz, path)


@pytest.mark.parametrize(("header", "says"), [
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000)}", "does not fit"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}", "shape (-1, 3)"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 0)}", "does not fit"),
    ("{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000,)}", "does not fit"),
    ("{'descr': '|O', 'fortran_order': False, 'shape': (0,)}", "pickled objects are not read"),
    ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (0,)}", "an array of type"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}", "not a readable"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 5000 + ")" * 5000 + "}", "not a readable"),
    ("{'descr': '<f4'}", "not a readable"),
    ("import os", "not a readable"),
])  # fmt: skip
def test_a_header_that_claims_what_cannot_be_is_refused(tmp_path, header, says):
    (tmp_path / "x.npy").write_bytes(npy(header))
    assert says in message(read_npy, tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("joints.npy", npy(header))
    assert says in message(read_npz, tmp_path / "x.npz")


def test_a_zip_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("joints.npy", "w", force_zip64=True) as file:
        file.write(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (150000000,)}"))
        for _ in range(600):
            file.write(bytes(10**6))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "would unpack to 600,000,128" in message(read_npz, tmp_path / "x.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_what_is_in_a_zip_beside_arrays_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("readme.txt", "x")
    assert "'readme.txt' is not an array" in message(read_npz, tmp_path / "x.npz")
    content = io.BytesIO()
    np.save(content, np.ones(3))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "y.npz", "w") as archive:
        archive.writestr("a.npy", content.getvalue())
        archive.writestr("a.npy", content.getvalue())
    assert "occurs twice" in message(read_npz, tmp_path / "y.npz")
    assert "no such file" in message(read_npz, tmp_path / "absent.npz")
    assert "is a folder" in message(read_npy, tmp_path)
