"""The packaged example clips: real bodies of a few seconds, few bytes, one clip a label, and rivals that are no label."""

from pathlib import Path

import numpy as np
import pytest
from standins import write_ucla, write_utd

import tdsm.data.examples
from tdsm.data.examples import RIVALS, example_clips, recordings
from tdsm.data.labels import normal_form
from tdsm.data.layouts import SMPL_22
from tdsm.util.errors import InputError

FILE = Path(tdsm.data.examples.__file__).with_name("cmu.npz")
CLIPS = example_clips()


def test_there_are_twelve_clips_of_several_persons_in_a_small_file():
    assert len(CLIPS) == 12
    assert CLIPS.layout is SMPL_22
    assert len(set(CLIPS.subjects)) == 5
    assert FILE.stat().st_size < 400_000


def test_labels_differ_and_stand_in_the_order_of_the_rivals():
    assert [clip.label for clip in CLIPS] == list(RIVALS)
    assert len({normal_form(clip.label) for clip in CLIPS}) == len(CLIPS)


def test_each_label_has_two_or_three_rivals_and_none_is_a_label_or_told_twice():
    rivals = [normal_form(rival) for several in RIVALS.values() for rival in several]
    assert {len(several) for several in RIVALS.values()} <= {2, 3}
    assert len(set(rivals)) == len(rivals)
    assert not set(rivals) & {normal_form(label) for label in RIVALS}


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.label)
def test_a_clip_is_a_recording_of_one_body(clip):
    """Bones keep their length but for the errors of the recording, and no two frames are the same, as they would be in a still or padded clip."""
    joints = clip.joints.astype(float)
    assert joints.shape[0] == 1
    assert np.isfinite(joints).all()
    parents = np.array(clip.layout.parents[1:])
    bones = np.linalg.norm(joints[0, :, 1:] - joints[0][:, parents], axis=2)
    assert (np.ptp(bones, axis=0) < 0.1 * bones.mean(axis=0)).all()
    assert np.linalg.norm(np.diff(joints[0], axis=0), axis=2).max(axis=1).min() > 0


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.label)
def test_a_clip_lasts_as_long_as_its_name_says_and_names_its_subject(clip):
    take, stretch = clip.name.removeprefix("CMU ").removesuffix(" s").split(", ")
    start, end = map(float, stretch.split("-"))
    assert (clip.fps, clip.fps_assumed) == (30, False)
    assert 2 <= clip.frames / clip.fps <= 8
    assert clip.frames / clip.fps == pytest.approx(end - start)
    assert clip.subject == take.partition("_")[0]


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.label)
def test_a_clip_starts_above_the_origin_upright_and_facing_the_viewer(clip):
    first = clip.joints[0, :15].astype(float).mean(axis=0)
    names = clip.layout.joints
    assert np.abs(clip.joints[0, 0, 0, [0, 2]]).max() < 1e-6
    left = sum(first[names.index(f"left {joint}")] - first[names.index(f"right {joint}")] for joint in ("hip", "shoulder"))
    assert left[0] > 0
    assert abs(left[2]) < 0.02
    assert first[names.index("head"), 1] > first[0, 1] > 0.8
    assert clip.joints[..., 1].min() > -0.05


@pytest.mark.parametrize("place", ["utd-mhad/Skeleton.zip", "utd_mhad_skeleton.zip"])
def test_recordings_are_read_where_they_were_downloaded(place, tmp_path, monkeypatch, capsys):
    (tmp_path / "data" / place).parent.mkdir(parents=True)
    write_utd(tmp_path / "data" / place)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.delenv("TDSM_DOWNLOADS", raising=False)
    for folder in (tmp_path, tmp_path / "notebooks"):
        monkeypatch.chdir(folder)
        clips = recordings("utd-mhad")
        assert clips.name == "utd-mhad"
        assert capsys.readouterr().out.splitlines()[0] == f"utd-mhad: {len(clips)} recorded clips of 'utd-mhad'"


def test_the_environment_names_the_folder_of_downloads(tmp_path, monkeypatch):
    write_ucla(tmp_path / "nw_ucla_all_sqe.zip")
    monkeypatch.setenv("TDSM_DOWNLOADS", str(tmp_path))
    assert recordings("nw-ucla").name == "nw-ucla"
    assert recordings("nw-ucla", folder=tmp_path / "elsewhere").name == "cmu examples"


def test_without_a_download_other_clips_are_given_and_one_line_says_so(tmp_path, capsys):
    few = CLIPS[:3]
    assert recordings("utd-mhad", otherwise=lambda: few, folder=tmp_path) is few
    assert capsys.readouterr().out == "utd-mhad: not downloaded (`tdsm fetch utd-mhad`); 3 clips of 'cmu examples' in its place\n"


def test_what_the_reader_remarks_is_printed_without_a_path(tmp_path, capsys):
    write_ucla(tmp_path / "nw_ucla_all_sqe.zip")  # some of whose classes do the same
    recordings("nw-ucla", folder=tmp_path)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "nw-ucla: 40 recorded clips of 'nw-ucla'"
    assert second.startswith("remark: nw-ucla: the joints equal those of another clip in ")
    assert str(tmp_path) not in second


@pytest.mark.parametrize("name", ["", "*", "UTD MHAD", None])
def test_a_name_that_is_not_one_of_a_source_is_refused(name, tmp_path):
    with pytest.raises(InputError, match="not the name of a source"):
        recordings(name, folder=tmp_path)


def test_a_folder_of_downloads_that_does_not_exist_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("TDSM_DOWNLOADS", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"TDSM_DOWNLOADS: .*gone is not a folder"):
        recordings("utd-mhad")
