"""PKU-MMD: long videos and their label rows become clips that know which video they were cut from."""

import zipfile

import numpy as np
import pytest

from tdsm.data.layouts import NTU_25
from tdsm.data.readers import load_clips, pku_mmd, read_pku_mmd
from tdsm.data.readers.pku_mmd import read_split, video_of
from tdsm.data.readers.reading import Reading
from tdsm.util.errors import InputError

SKELETON, LABEL = "PKU_Skeleton_Renew/{}.txt", "Train_Label_PKU_final/{}.txt"


def bodies(frames=30, seed=0):
    """(T, 2, 25, 3); body 2 is there in frames 10 to 19 only."""
    joints = np.random.default_rng(seed).normal(size=(frames, 2, 25, 3))
    joints[:10, 1] = joints[20:, 1] = 0
    return joints


def rows(joints):
    """A skeleton file."""
    return "".join(" ".join(f"{value:.6f}" if value else "0" for value in row.ravel()) + " \r\n" for row in joints).encode()


def video(name="0002-L", skeleton=None, label=b"8,1,9,2\r\n12,8,22,1\r\n"):
    return {SKELETON.format(name): rows(bodies()) if skeleton is None else skeleton, LABEL.format(name): label}


def packed(path, *videos):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for members in videos:
            for name, content in members.items():
                archive.writestr(name, content)
    return path


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_label_rows_cut_the_video(tmp_path):
    one, two = read_pku_mmd(packed(tmp_path / "x.zip", video()))
    assert (one.name, one.label, one.subject, one.fps, one.layout) == ("0002-L#1", "drink water", None, 30.0, NTU_25)
    assert (two.name, two.label, video_of(two)) == ("0002-L#2", "giving something to other person", "0002-L")
    joints = bodies().round(6).astype(np.float32).swapaxes(0, 1)
    np.testing.assert_array_equal(one.joints, joints[:1, :9])
    np.testing.assert_array_equal(two.joints, joints[:, 7:22])


def test_zip_and_folder_read_alike_in_the_order_of_videos_and_are_recognised(tmp_path):
    path = packed(tmp_path / "any.zip", video("0010-M"), video("0002-R"), video("A01N02-L"))
    zipfile.ZipFile(path).extractall(tmp_path / "folder" / "deeper")
    (tmp_path / "folder" / "cross-subject.txt").write_text("Training videos:\n0002-R\n")
    zipped, unpacked = load_clips(path), load_clips(tmp_path / "folder")
    assert [clip.name for clip in zipped] == ["0002-R#1", "0002-R#2", "0010-M#1", "0010-M#2", "A01N02-L#1", "A01N02-L#2"]
    assert (zipped.name, zipped.classes) == ("pku-mmd", pku_mmd.CLASSES)
    for left, right in zip(zipped, unpacked, strict=True):
        assert left.name == right.name
        np.testing.assert_array_equal(left.joints, right.joints)


def test_it_is_the_content_that_tells_labels_from_skeletons(tmp_path):
    members = {f"{place}/0002-L.txt": content for place, content in zip(("b", "a"), video().values(), strict=True)}
    clips = read_pku_mmd(packed(tmp_path / "x.zip", members, {f"A/{name}": content for name, content in video("0003-L").items()}))
    assert [clip.name for clip in clips] == ["0002-L#1", "0002-L#2", "0003-L#1", "0003-L#2"]


def test_an_action_beyond_the_end_is_cut_off_there(tmp_path):
    (clip,) = read_pku_mmd(packed(tmp_path / "x.zip", video(label=b"1,25,40,2\n\n")))
    assert clip.frames == 6


def test_actions_of_nobody_are_left_out_and_named(tmp_path):
    joints = bodies()
    joints[:10] = 0
    with pytest.warns(UserWarning, match="1 recordings gave no clip: 0002-L#1: no body in frames 1 to 9"):
        (clip,) = read_pku_mmd(packed(tmp_path / "x.zip", video(skeleton=rows(joints))))
    assert clip.name == "0002-L#2"
    assert "none of its 1 files gives a clip; 0002-L#1: no body" in message(read_pku_mmd, packed(tmp_path / "y.zip", video(skeleton=rows(0 * joints))))


def test_labels_of_absent_videos_are_left_aside(tmp_path):
    only_labels = {LABEL.format("0003-L"): b"1,1,5,2\n"}
    assert len(read_pku_mmd(packed(tmp_path / "x.zip", video(), only_labels))) == 2
    assert "PKU_Skeleton_Renew" in message(read_pku_mmd, packed(tmp_path / "y.zip", only_labels))


def test_missing_and_double_files(tmp_path):
    lonely, strict = {SKELETON.format("0003-L"): rows(bodies())}, Reading(strict=True)
    path = packed(tmp_path / "x.zip", video(), lonely)
    assert "video 0003-L has no label file" in message(read_pku_mmd, path, reading=strict)
    with pytest.warns(UserWarning, match="1 recordings gave no clip: .*video 0003-L has no label file"):
        assert len(read_pku_mmd(path)) == 2
    double = {"old/0002-L.txt": rows(bodies())}
    assert "two skeleton files, PKU_Skeleton_Renew/0002-L.txt and old/0002-L.txt" in message(read_pku_mmd, packed(tmp_path / "y.zip", video(), double))


@pytest.mark.parametrize(
    ("skeleton", "label", "says"),
    [
        (rows(bodies()).replace(b" \r\n", b" 1.0\r\n", 3), None, "Renew/0002-L.txt line 1: 151 numbers, not 150"),
        (b"\r\n".join(rows(bodies()).split(b"\r\n")[:4])[:-3], None, "line 4: 149 numbers, not 150"),
        (b"\n" + rows(bodies()).replace(b"\r\n", b"\n").replace(b" 0 \n", b" nan \n", 1), None, "line 2: a coordinate is NaN"),
        (rows(bodies()).replace(b" 0 \r\n", b" 1e999 \r\n", 1), None, "line 1: a coordinate is NaN or infinite"),
        (rows(bodies()).replace(b" 0 \r\n", b" x \r\n", 1), None, "line 1: not numbers"),
        (b"\r\n \r\n", None, "0002-L.txt: holds no frame"),
        (None, b"8,1,9\n", "final/0002-L.txt line 1: 3 numbers, not 4"),
        (None, b"8,1,9,2\n\n52,1,9,2\n", "line 3: action 52 does not exist"),
        (None, b"0,1,9,2\n", "line 1: action 0 does not exist"),
        (None, b"8,0,9,2\n", "line 1: frames 0 to 9"),
        (None, b"8,9,8,2\n", "line 1: frames 9 to 8"),
        (None, b"8,31,40,2\n", "line 1: frames 31 to 40 are not within the video's 30"),
        (None, b"8,1.5,9,2\n", "line 1: .* not whole numbers"),
        (None, b"8,inf,9,2\n", "line 1: .* not whole numbers"),
        (None, b"drink,1,9,2\n", "line 1: not numbers"),
        (None, b"", r"0002-L\.txt: is empty"),
    ],
)
def test_bad_rows_are_named_by_file_and_line(tmp_path, skeleton, label, says):
    content = video(skeleton=skeleton) if label is None else video(label=label)
    with pytest.raises(InputError, match=f"{says}.*; "):
        read_pku_mmd(packed(tmp_path / "x.zip", content))


def test_split_files(tmp_path):
    path = tmp_path / "cross-subject.txt"
    path.write_text("Training videos:\n0002-L, 0002-M, 0003-R\nValidataion videos:\n0291-L, 0334-R, \n")
    assert read_split(path) == (("0002-L", "0002-M", "0003-R"), ("0291-L", "0334-R"))
    path.write_text("Training videos:\nA01N01-L,A01N02-M\nTest:\nA01N01-R\n")
    train, test = read_split(path)
    assert (train, test) == (("A01N01-L", "A01N02-M"), ("A01N01-R",))
    path.write_text("Training videos:\n0002-L\n")
    assert "has 1 lines" in message(read_split, path)
    path.write_text("Training videos:\n0002-L,0003-L\nTest:\n0003-L\n")
    assert "0003-L is in both" in message(read_split, path)
    assert "absent.txt" in message(read_split, tmp_path / "absent.txt")


def test_split_ids_choose_clips(tmp_path):
    clips = read_pku_mmd(packed(tmp_path / "x.zip", video("0002-L"), video("0291-L")))
    assert [clip.name for clip in clips.where(lambda clip: video_of(clip) in {"0291-L"})] == ["0291-L#1", "0291-L#2"]


def test_class_names_are_the_data_sets(facts):
    assert list(pku_mmd.CLASSES) == facts["class_names"]["pku-mmd"]
