"""NTU RGB+D: files as the Kinect recorder wrote them, ghosts and damage included, become clips of people."""

import zipfile

import numpy as np
import pytest

from tdsm.data.layouts import NTU_25
from tdsm.data.readers import load_clips, ntu, read_ntu
from tdsm.data.readers.ntu import NtuDenoise, parse_name, read_missing, read_skeleton
from tdsm.data.readers.reading import Reading
from tdsm.util.errors import InputError

NAME = "S017C003P020R002A060.skeleton"
ANNA, BEN, SOFA = "72057594037931101", "72057594037931102", "72057594037931103"
RAW = NtuDenoise.none()


def text(value):
    return f"{value:.7g}"


def joint_line(point):
    return " ".join([*map(text, point), "277.419 191.8218 1036.233 519.1677 -0.2059419 0.05349901 0.9692109 -0.1239193 2"])


def skeleton(frames, newline="\r\n"):
    """The bytes of a file; ``frames`` is a list of {id: (25, 3)}."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for body, joints in bodies.items():
            lines += [f"{body} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25", *map(joint_line, joints)]
    return (newline.join(lines) + newline).encode()


def person(frames=20, move=0.1, width=0.4, height=1.7, seed=0):
    """(T, 25, 3) metres: 25 points of a box of that size, which wanders by ``move`` from frame to frame."""
    rng = np.random.default_rng(seed)
    box = rng.uniform(-0.5, 0.5, (25, 3))
    box = (box - box.min(0)) / np.ptp(box, axis=0) * [width, height, 0.3]
    way = np.cumsum(rng.normal(0, move, (frames, 1, 3)), axis=0) if move else np.zeros((frames, 1, 3))
    return box + np.array([0, -0.9, 3]) + way


def rounded(joints):
    """As the file holds it, then as float32."""
    return np.vectorize(lambda value: float(text(value)))(joints).astype(np.float32)


def scene(count=20, **tracks):
    """Frames for :func:`skeleton` from ``name=(id, first frame, joints)``."""
    frames = [{} for _ in range(count)]
    for body, first, joints in tracks.values():
        for number, points in enumerate(joints, first):
            frames[number][body] = points
    return frames


def read(frames, **options):
    return read_skeleton(skeleton(frames), NAME, **options).joints


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# One file


@pytest.mark.parametrize("newline", ["\r\n", "\n", " \r\n"])
def test_a_file_becomes_a_clip(tmp_path, newline):
    path = tmp_path / NAME
    path.write_bytes(skeleton(scene(anna=(ANNA, 0, person())), newline))
    clip = read_skeleton(path)
    assert (clip.name, clip.label, clip.subject, clip.fps, clip.layout) == (NAME[:-9], "walking apart from each other", "P020", 30.0, NTU_25)
    np.testing.assert_array_equal(clip.joints, rounded(person())[None])


def test_a_track_follows_its_id_when_bodies_change_places():
    anna, ben = person(seed=1, move=0.3), person(seed=2)
    frames = scene(anna=(ANNA, 0, anna), ben=(BEN, 0, ben))
    swapped = [dict(reversed(list(bodies.items()))) if number % 2 else bodies for number, bodies in enumerate(frames)]
    np.testing.assert_array_equal(read(swapped), np.stack([rounded(anna), rounded(ben)]))


def test_frames_without_bodies_are_dropped_or_zeros():
    frames = [{}, *scene(anna=(ANNA, 0, person())), {}, {}]
    assert read(frames).shape == (1, 20, 25, 3)
    joints = read(frames, denoise=RAW)
    np.testing.assert_array_equal(joints[0].any(axis=(1, 2)), [False, *[True] * 20, False, False])


def test_a_body_that_leaves_and_returns_keeps_its_frames():
    anna, ben = person(40, move=0.5), person(40, seed=1)
    frames = scene(40, ben=(BEN, 0, ben), first=(ANNA, 0, anna[:15]), second=(ANNA, 25, anna[25:]))
    joints = read(frames)
    there = np.r_[np.ones(15), np.zeros(10), np.ones(15)].astype(bool)
    np.testing.assert_array_equal(joints[0].any(axis=(1, 2)), there)
    np.testing.assert_array_equal(joints[0][there], rounded(anna)[there])
    np.testing.assert_array_equal(joints[1], rounded(ben))


@pytest.mark.parametrize("denoise", [NtuDenoise(), RAW])
def test_of_many_bodies_those_that_move_most_stay_in_order(denoise):
    many = {body: person(move=move, seed=1) for body, move in ((SOFA, 0.0), (ANNA, 0.4), ("7", 0.01), (BEN, 0.1))}
    frames = scene(**{f"b{body}": (body, 0, joints) for body, joints in many.items()})
    order = [ANNA, BEN, "7", SOFA]
    for bodies in (1, 2, 3, 4, 5):
        np.testing.assert_array_equal(read(frames, bodies=bodies, denoise=denoise), np.stack([rounded(many[body]) for body in order[:bodies]]))


# Ghosts


def test_short_tracks_are_removed():
    for length, persons in ((11, 1), (12, 2)):
        frames = scene(anna=(ANNA, 0, person()), ghost=(SOFA, 5, person(length, seed=1, move=1.0)))
        assert len(read(frames)) == persons
        assert len(read(frames, denoise=NtuDenoise(shortest=1))) == 2


def test_wide_tracks_are_removed():
    for width, persons in ((0.7, 2), (0.9, 1)):
        frames = scene(anna=(ANNA, 0, person(move=0)), sofa=(SOFA, 0, person(move=1.0, width=width, height=1.0)))
        assert len(read(frames)) == persons
        assert len(read(frames, denoise=NtuDenoise(widest=float("inf")))) == 2


def test_a_track_that_is_wide_now_and_then_is_measured_by_its_good_frames():
    wide, narrow = person(20, move=0.0, width=3.0, height=1.0), person(20, move=0.0)
    for noisy, persons in ((13, 2), (14, 1)):  # of 20 frames; the limit is 0.69754
        jumpy = np.concatenate([wide[:noisy], narrow[noisy:]])
        frames = scene(jumpy=(SOFA, 0, jumpy), anna=(ANNA, 0, person(move=0.2)))
        joints = read(frames)
        assert len(joints) == persons
        np.testing.assert_array_equal(joints[0], rounded(person(move=0.2)))
        np.testing.assert_array_equal(read(frames, denoise=RAW)[0], rounded(jumpy))


def test_tracks_that_share_no_frame_are_one_person():
    anna, late, ben = person(20, move=0.5), person(20, move=0.2, seed=1), person(40, move=0.02, seed=2)
    frames = scene(40, anna=(ANNA, 0, anna), late=("9", 20, late), ben=(BEN, 0, ben))
    np.testing.assert_array_equal(read(frames), np.stack([rounded(np.concatenate([anna, late])), rounded(ben)]))
    apart = read(frames, denoise=NtuDenoise(join=False))
    np.testing.assert_array_equal(apart[0, 20:], 0)
    np.testing.assert_array_equal(apart[1, 20:], rounded(late))


def test_the_last_track_is_never_removed():
    assert read(scene(short=(SOFA, 3, person(4, width=3.0)))).shape == (1, 4, 25, 3)
    both = scene(short=(SOFA, 3, person(4, width=3.0)), shorter=(ANNA, 3, person(2, move=0.0)))
    np.testing.assert_array_equal(read(both), rounded(person(4, width=3.0))[None])
    sofas = scene(one=(SOFA, 0, person(width=3.0, move=0.0)), two=(ANNA, 0, person(width=3.0)))
    np.testing.assert_array_equal(read(sofas), rounded(person(width=3.0))[None])


def test_denoise_refuses_numbers_out_of_range():
    for bad in ({"shortest": 0}, {"widest": 0.0}, {"noisy": 0.0}, {"noisy": 1.5}):
        assert next(iter(bad)) in message(NtuDenoise, **bad)


# Damage


def damaged(line, new):
    """A file of three frames with one body each, 28 lines a frame; 1-based ``line`` becomes ``new``."""
    lines = skeleton(scene(3, anna=(ANNA, 0, person(3)))).split(b"\r\n")
    lines[line - 1] = new
    return b"\r\n".join(lines)


WHOLE = skeleton(scene(3, anna=(ANNA, 0, person(3))))
GOOD_TAIL = b" 1 2 3 4 5 6 7 8 2"


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (damaged(1, b"4"), 86, "ends before the number of bodies"),
        (damaged(1, b"2"), 58, "more lines than the number of frames"),
        (WHOLE + b"\r\nend\r\n", 87, "more lines than the number of frames"),
        (damaged(1, b"many"), 1, "'many' is not the number of frames"),
        (damaged(1, b"9" * 5000), 1, "is not the number of frames"),
        (damaged(1, b"-3"), 1, "'-3' is not"),
        (damaged(2, b"2"), 30, "1 fields, not the 10 of a body"),
        (damaged(30, b"0"), 31, "10 fields, not the 1 of the number of bodies"),
        (damaged(30, b"-1"), 30, "'-1' is not the number of bodies"),
        (damaged(4, b"24"), 4, "not 25 joints"),
        (damaged(3, b"72057594037931101 0 1"), 3, "3 fields, not the 10 of a body"),
        (damaged(10, b"1 2 3"), 10, "3 fields, not the 12 of a joint"),
        (damaged(10, b""), 10, "0 fields, not the 12"),
        (damaged(10, b"1 2 three" + GOOD_TAIL), 10, "'1 2 three' is not three numbers"),
        (damaged(10, b"1 2-1 3" + GOOD_TAIL), 10, "not three numbers"),
        (damaged(10, b"1 2.5.1 3" + GOOD_TAIL), 10, "not three numbers"),
        (damaged(10, b"1 nan 3" + GOOD_TAIL), 10, "y of a joint is nan"),
        (damaged(66, b"1 2 -1.#IND" + GOOD_TAIL), 66, "not three numbers"),
        (damaged(66, b"1 2 -Infinity" + GOOD_TAIL), 66, "z of a joint is -inf"),
        (WHOLE[: len(WHOLE) // 2], 45, "fields, not the 12|ends before"),
        (b"\r\n".join(WHOLE.split(b"\r\n")[:80]), 81, "ends before a joint"),
        (skeleton([{ANNA: person(1)[0], BEN: person(1)[0]}]).replace(BEN.encode(), ANNA.encode()), 30, f"body {ANNA} occurs twice"),
        (b"PK\x03\x04\xff\xfe\x00", 1, "is not the number of frames"),
    ],
)
def test_damage_is_named_by_file_and_line(content, line, says):
    with pytest.raises(InputError, match=rf"folder/{NAME} line {line}: .*({says}).*; (download|remove)"):
        read_skeleton(content, f"folder/{NAME}")


@pytest.mark.parametrize("content", [b"0\r\n", b"3\r\n0\r\n0\r\n0\r\n"])
def test_a_file_with_nobody_is_refused(content):
    assert "no body in any of its" in message(read_skeleton, content, NAME)


def test_names():
    assert parse_name("a/b/S018C002P106R001A120.skeleton") == parse_name("S018C002P106R001A120") == (18, 2, 106, 1, 120)
    assert "A121" in message(parse_name, "S018C002P106R001A121.skeleton")
    assert "S001C001P001R001A001.skeleton" in message(read_skeleton, WHOLE, "my.skeleton")
    assert "No such file" in message(read_skeleton, f"absent/{NAME}")


# The data set


NAMES = [f"S001C00{camera}P00{performer}R001A0{action}" for camera in (1, 2) for performer in (1, 3) for action in (12, 50)]


def files(names=NAMES):
    return {f"nturgb+d_skeletons/{name}.skeleton": skeleton(scene(4, anna=(ANNA, 0, person(4, seed=number)))) for number, name in enumerate(names)}


def packed(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in reversed(members.items()):
            archive.writestr(name, content)
    return path


def same(left, right):
    assert [clip.name for clip in left] == [clip.name for clip in right]
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a.joints, b.joints)


def test_zip_and_folder_read_alike_and_are_recognised(tmp_path):
    path = packed(tmp_path / "any.zip", files())
    zipfile.ZipFile(path).extractall(tmp_path / "deep" / "er")
    clips = load_clips(path)
    assert (clips.name, clips.classes, [clip.name for clip in clips]) == ("ntu-60", ntu.CLASSES[:60], NAMES)
    assert set(clips.subjects) == {"P001", "P003"} and set(clips.y) == {11, 49}
    same(clips, load_clips(tmp_path / "deep"))


def test_an_action_above_60_makes_it_ntu_120(tmp_path):
    clips = read_ntu(packed(tmp_path / "x.zip", files([*NAMES, "S018C001P041R001A061"])))
    assert (clips.name, clips.classes, clips[-1].label) == ("ntu-120", ntu.CLASSES, "put on headphone")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # 2026-11: Python 3.12+ says so whenever torch is loaded
def test_processes_and_a_store_change_nothing(tmp_path):
    members = files() | {f"{NAMES[0]}x/S001C003P001R001A001.skeleton": b"5\r\n"}
    path, kept = packed(tmp_path / "x.zip", members), []
    plain = read_ntu(path, reading=Reading(report=kept.extend))
    stored = Reading(workers=2, store=tmp_path / "store", report=kept.extend)
    same(plain, read_ntu(path, reading=stored))
    assert len(kept) == 2 and kept[0] == kept[1]
    same(plain, load_clips(tmp_path / "store"))
    assert "another reader" in message(read_ntu, path, bodies=1, reading=stored)


def test_bad_files_are_skipped_and_reported_once(tmp_path):
    members = files() | {"S001C003P001R001A001.skeleton": b"5\r\n", "S001C003P001R001A002.skeleton": b"0\r\n", "S001C003P001R001A121.skeleton": WHOLE}
    members["S001C003P001R001A003.skeleton"] = b""
    path, skipped = packed(tmp_path / "x.zip", members), []
    with pytest.warns(UserWarning, match=r"4 recordings gave no clip: .*A001\.skeleton line 2: the file ends.*no body.*0 bytes.*A121") as caught:
        clips = read_ntu(path)
    assert len(caught) == 1 and len(clips) == len(NAMES)
    read_ntu(path, reading=Reading(report=skipped.extend))
    assert [file.name[-13:-9] for file in skipped] == ["A001", "A002", "A003", "A121"]
    assert "line 2" in message(read_ntu, path, reading=Reading(strict=True))
    assert "none of its 4 files" in message(read_ntu, packed(tmp_path / "bad.zip", {k: v for k, v in members.items() if "C003" in k}))


def test_the_list_of_missing_skeletons_is_left_out(tmp_path):
    listed = tmp_path / "missing.txt"
    listed.write_text(f"The following are missing.\nNames:\n\n{NAMES[0]}\n{NAMES[3]}\nS001C003P001R001A002\n")
    assert read_missing(listed) == {NAMES[0], NAMES[3], "S001C003P001R001A002"}
    path = packed(tmp_path / "x.zip", files() | {"S001C003P001R001A002.skeleton": b"0\r\n"})
    assert [clip.name for clip in read_ntu(path, missing=listed)] == [name for name in NAMES if name not in (NAMES[0], NAMES[3])]
    among = packed(tmp_path / "y.zip", files() | {"lists/NTU_RGBD120_samples_with_missing_skeletons.txt": listed.read_bytes()})
    with pytest.warns(UserWarning, match="2 of its recordings are skipped, which lists/NTU_RGBD120"):
        assert [clip.name for clip in load_clips(among)] == [name for name in NAMES if name not in (NAMES[0], NAMES[3])]
    listed.write_text("nothing here")
    assert "missing.txt" in message(read_ntu, path, missing=listed)


@pytest.mark.parametrize("called", ["samples_with_missing_skeletons.txt", "ntu_rgb120_missings.txt", "MISSING", "statistics/missing skeletons 60.csv"])
@pytest.mark.parametrize("heading", ["", "A heading\r\n\r\nof two lines\r\n"])
def test_the_list_of_missing_skeletons_is_known_by_what_is_in_it(tmp_path, called, heading):
    path = packed(tmp_path / "x.zip", files() | {called: f"{heading}{NAMES[0]}\r\n{NAMES[1]}.skeleton\r\nS017C003P020R002A060".encode()})
    with pytest.warns(UserWarning, match="2 of its recordings are skipped, which .* lists as samples with missing skeletons"):
        assert [clip.name for clip in read_ntu(path)] == NAMES[2:]


def test_a_list_that_does_not_say_missing_is_named_and_not_heeded(tmp_path):
    for called, content in {"train.txt": NAMES[0], "skes_available_name.txt": "\n".join(NAMES)}.items():
        with pytest.warns(UserWarning, match=f"{called} lists . of its recordings and is ignored; .*missing="):
            assert len(read_ntu(packed(tmp_path / "x.zip", files() | {called: content.encode()}))) == len(NAMES)
    for content in (b"", b"\xff\xfe", b"notes on missing recordings", b"a\n" * 9 + NAMES[0].encode()):  # no lists, and no word about them
        assert len(read_ntu(packed(tmp_path / "x.zip", files() | {"missing.txt": content}))) == len(NAMES)


def test_class_names_are_the_data_sets(facts):
    assert list(ntu.CLASSES) == facts["class_names"]["ntu-120"]
