"""A data set that several processes prepare: each file by one of them, and all opened as one process would have read them."""

import json
import shutil

import pytest
import standins
import test_cli

from tdsm.catalogue.doctor import inspect
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.disk import ClipStore
from tdsm.data.layouts import NTU_25
from tdsm.data.readers import load_clips
from tdsm.data.readers.reading import Reading
from tdsm.data.sharded import is_sharded, missing_shards, open_shards
from tdsm.util.errors import InputError
from tdsm.util.shard import Shard


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return standins.write_ucla(tmp_path_factory.mktemp("data") / "ucla.zip")


@pytest.fixture
def prepare(monkeypatch, capsys, data):
    def call(out, *options, source=data):
        return test_cli.call(monkeypatch, capsys, "prepare", source, out, *options)

    return call


def same(one, other):
    assert [(clip.name, clip.label, clip.subject, clip.fps) for clip in one] == [(clip.name, clip.label, clip.subject, clip.fps) for clip in other]
    assert (one.name, one.classes, one.digest) == (other.name, other.classes, other.digest)


def test_shards_open_as_what_one_process_reads(prepare, data, tmp_path):
    plain, out = load_clips(data), tmp_path / "store"
    for number in (2, 1, 3):
        code, printed, _ = prepare(out, "--shard", f"{number}/3")
        assert code == 0
    assert printed.splitlines()[-1] == f"shard 3/3 written to {out}, which now holds all shards"
    same(load_clips(out), plain)
    names = [{path.split("/")[-1].removesuffix(".json") for path in json.loads((out / "files.json").read_text())["files"]}]
    parts = [{clip.name for clip in load_clips(out / f"{number}-of-3")} for number in (1, 2, 3)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(plain) == len(names[0])
    assert all(0.15 < len(part) / len(plain) < 0.55 for part in parts)
    assert inspect(out).kind == "a clip store"
    before = {path: path.read_bytes() for path in out.rglob("*.*") if path.is_file()}
    assert prepare(out, "--shard", "1/3")[0] == 0  # done already
    assert {path: path.read_bytes() for path in out.rglob("*.*") if path.is_file()} == before


def test_a_zip_and_its_folder_have_the_same_shards(prepare, data, tmp_path):
    shutil.unpack_archive(data, tmp_path / "unpacked")
    for source, out in ((data, tmp_path / "a"), (tmp_path / "unpacked", tmp_path / "b")):
        prepare(out, "--shard", "1/2", source=source)
    same(load_clips(tmp_path / "a/1-of-2"), load_clips(tmp_path / "b/1-of-2"))


def test_missing_shards_are_named_in_one_line(prepare, tmp_path):
    code, printed, _ = prepare(tmp_path / "store", "--shard", "2/4")
    assert code == 0
    assert printed.endswith("missing: 1/4, 3/4, 4/4\n")
    with pytest.raises(InputError, match=r"shards 1/4, 3/4, 4/4 are missing or incomplete; run `tdsm prepare`"):
        load_clips(tmp_path / "store")


def test_more_shards_than_files_are_refused_in_one_line(prepare, tmp_path):
    code, _, said = prepare(tmp_path / "store", "--shard", "7/2000000")
    assert code == 2
    assert "shard: 7/2000000 has more shards than there are files" in said
    assert not (tmp_path / "store").exists()


def test_a_shard_without_clips_is_complete_too(prepare, data, tmp_path):
    plain = load_clips(data)
    shards = len(plain)
    files = [f"all_sqe/{clip.name}.json" for clip in plain]
    empty = next(number for number in range(1, shards + 1) if not any(Shard((number,), shards).holds(file) for file in files))
    code, _, said = prepare(tmp_path / "store", "--shard", f"{empty}/{shards}")
    assert code == 0
    assert f"none of the 0 files of shard {empty}/{shards} gives a clip" in said
    assert f"{empty}/{shards}" not in missing_shards(tmp_path / "store")
    assert len(missing_shards(tmp_path / "store")) == shards - 1


def test_a_shard_that_was_cut_off_is_gone_on_with(prepare, data, tmp_path, monkeypatch):
    out, add, added = tmp_path / "store", ClipStore.add, []

    def killed(store, file, clips):
        if len(added) == 5:
            raise KeyboardInterrupt
        added.append(file)
        add(store, file, clips)

    monkeypatch.setattr(ClipStore, "add", killed)
    with pytest.raises(KeyboardInterrupt):
        load_clips(data, reading=Reading(store=out, shard=Shard.parse("1/2")))
    assert missing_shards(out) == ["1/2", "2/2"]
    monkeypatch.setattr(ClipStore, "add", add)
    for number in (1, 2):
        assert prepare(out, "--shard", f"{number}/2")[0] == 0
    same(open_shards(out), load_clips(data))


def test_what_cannot_be_sharded_is_refused_in_one_line(prepare, data, tmp_path):
    saved = load_clips(data).save(tmp_path / "clips.npz")
    for options, source, message in [
        (("--shard", "1/2"), saved, "clips.npz: is a single file, or read as one, and has no shards; remove --shard"),
        (("--shard", "1/2", "--fix"), data, "--shard: cannot be combined with --fix, --size or --fps"),
        (("--shard", "1,2/2"), data, "1,2/2 is more than one"),
        (("--shard", "3/2"), data, "not from 1 to 2"),
    ]:
        code, printed, said = prepare(tmp_path / "store", *options, source=source)
        assert (code, printed) == (2, "")
        assert message in said
        assert not is_sharded(tmp_path / "store")
    assert prepare(tmp_path / "store", "--shard", "1/2")[0] == 0
    assert "was started for other files or another number of shards" in prepare(tmp_path / "store", "--shard", "1/3")[2]
    clip = Clip(standins.motion(0)[None], NTU_25, "drink water", "P001", 30.0, "S001C001P001R001A001")
    pickled = standins.write_pyskl(tmp_path / "x.pkl", ClipSet((clip,), name="ntu-60"))
    assert "has no shards" in prepare(tmp_path / "other", "--shard", "1/2", source=pickled)[2]
    with pytest.raises(InputError, match="shard is given without a store"):
        Reading(shard=Shard.parse("1/2"))


def test_every_name_is_in_one_shard_the_same_on_every_machine():
    names = [f"S001C001P001R001A{number:03}.skeleton" for number in range(200)]
    holders = [[number for number in range(1, 5) if Shard((number,), 4).holds(name)] for name in names]
    assert all(len(holder) == 1 for holder in holders)
    assert [holder[0] for holder in holders[:8]] == [3, 3, 1, 3, 1, 1, 4, 3]
