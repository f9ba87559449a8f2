"""What pose detectors write is read as its tool means it: people, frames, joints that were not found; bad files are named."""

import csv
import io
import json
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from tdsm.catalogue.doctor import inspect
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.convert import convert
from tdsm.data.layouts import COCO_17, MEDIAPIPE_33, NTU_25
from tdsm.data.motion_files import save_bvh
from tdsm.data.readers import load_clips
from tdsm.data.readers.reading import Reading
from tdsm.data.synthetic import Take, perform
from tdsm.util.errors import InputError

QUIET = Reading(progress=False)
T = 5
BODY = perform("wave the right hand", take=Take(frames=T))
PICTURE = convert(Clip(BODY, NTU_25), COCO_17).clip.joints[0] * 200 + [600, 400]  # (T, 17, 2), pixels
WORLD = convert(Clip(BODY, NTU_25), MEDIAPIPE_33).clip.joints[0]
WORLD = WORLD - WORLD[:, list(MEDIAPIPE_33.hips)].mean(axis=1, keepdims=True)  # (T, 33, 3), metres from the middle of the hips
SCORE = np.full((T, 17), 0.9)
SCORE[2, 9] = 0
SEEN = np.where(SCORE[..., None] > 0, PICTURE, np.nan).astype(np.float32)


def message(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700
    return str(caught.value)


def written(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def triples(frame, extra=0):
    """[x, y, score, ...] of a frame, with some more joints behind the 17."""
    return np.concatenate([np.hstack([PICTURE[frame], SCORE[frame][:, None]]), np.ones((extra, 3))]).ravel().tolist()


def alphapose(extra=0, **more):
    return [{"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": triples(frame, extra), "score": 2.5} | more for frame in range(T)]


def instance(frame, **more):
    return {"keypoints": PICTURE[frame].tolist(), "keypoint_scores": SCORE[frame].tolist(), "bbox": [[0, 0, 9, 9]], "bbox_score": 1.0} | more


def yolo(frame, /, **more):
    x, y = PICTURE[frame].T.tolist()
    points = {"x": x, "y": y, "visible": SCORE[frame].tolist()}
    return {"name": "person", "class": 0, "confidence": 0.9, "box": {"x1": 0.0, "y1": 0.0, "x2": 9.0, "y2": 9.0}, "keypoints": points} | more


def landmarks(frame, body=WORLD, visibility=0.9):
    return [{"x": float(x), "y": float(y), "z": float(z), "visibility": visibility} for x, y, z in body[frame]]


def table(rows):
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


FILMS = {
    "alphapose": alphapose(), "alphapose, 26 joints of Halpe": alphapose(9), "alphapose, tracked": alphapose(idx=3), "alphapose, 136": alphapose(119),
    "coco results": [entry | {"image_id": number} for number, entry in enumerate(alphapose())],
    "mmpose, video": [{"frame_id": frame, "instances": [instance(frame)]} for frame in range(T)],
    "mmpose, demo": {"meta_info": {"dataset_name": "coco", "keypoint_id2name": {str(i): name.replace(" ", "_") for i, name in enumerate(COCO_17.joints)}},
                     "instance_info": [{"frame_id": frame + 1, "instances": [instance(frame)]} for frame in range(T)]},
    "mmpose, returned": {"predictions": [[instance(frame)] for frame in range(T)], "visualization": []},
    "yolo": [[yolo(frame)] for frame in range(T)], "yolo, a cat": [[yolo(frame), yolo(frame, name="cat")] for frame in range(T)],
    "yolo, lines": "\n".join(json.dumps([yolo(frame)]) for frame in range(T)) + "\n",
    "yolo, by frame": {str(frame): [yolo(frame, track_id=7)] for frame in range(T)},
    "yolo, numbered": [{"frame": frame + 10, "detections": [yolo(frame)]} for frame in range(T)],
    "yolo, people with frames": [yolo(frame, frame=frame) for frame in range(T)],
    "yolo, csv": table([{key: str(value) for key, value in yolo(frame, frame=frame).items()} for frame in range(T)]),
}  # fmt: skip


@pytest.mark.parametrize("value", FILMS.values(), ids=FILMS.keys())
@pytest.mark.parametrize("called", ["wave.json", "no ending"])
def test_one_film_in_one_file(tmp_path, value, called):
    (clip,) = clips = load_clips(written(tmp_path / called, value))
    assert (clips.layout, clip.label, clip.fps) == (COCO_17, None, 30.0)
    np.testing.assert_allclose(clip.joints, SEEN[None], rtol=1e-5)


@pytest.mark.parametrize("kind", ["alphapose", "mmpose", "yolo"])
def test_frames_that_are_left_out_or_empty_are_frames_with_nobody(tmp_path, kind):
    value = {"alphapose": alphapose(), "mmpose": FILMS["mmpose, video"], "yolo": FILMS["yolo"]}[kind]
    value = [*value[:3], *([[]] if kind == "yolo" else []), *value[4:]]
    (clip,) = load_clips(written(tmp_path / "x.json", value))
    assert clip.joints[0].any(axis=(1, 2)).tolist() == [True, True, True, False, True]


def test_two_people_are_followed_by_the_tools_numbers_or_by_their_places(tmp_path):
    for numbers in ((4, 9), (None, None)):
        frames = []
        for frame in range(T):
            near, far = yolo(frame), yolo(frame)
            far["keypoints"] = far["keypoints"] | {"x": [x + 500 for x in far["keypoints"]["x"]]}
            pair = [one | ({"track_id": number} if number else {}) for one, number in zip((near, far), numbers, strict=True)]
            frames.append(pair if frame % 2 else pair[::-1])
        (clip,) = load_clips(written(tmp_path / "x.json", frames))
        assert np.ptp(np.nanmean(clip.joints[..., 0], axis=2), axis=1).max() < 100


def test_visibility_that_is_left_out_or_null_is_unknown_and_a_joint_at_0_0_is_not_seen(tmp_path):
    for change in ({}, {"visible": None}):
        frame = yolo(0)
        points = {key: value for key, value in frame["keypoints"].items() if key != "visible"} | change
        points["x"][3] = points["y"][3] = 0.0
        (clip,) = load_clips(written(tmp_path / "x.json", [[frame | {"keypoints": points}]]))
        assert np.isnan(clip.joints[0, 0]).any(axis=1).nonzero()[0].tolist() == [3]


def test_a_folder_and_a_zip_of_films_with_labels(tmp_path):
    for label, names in {"wave": ("anna", "ben"), "clap": ("anna",)}.items():
        for name in names:
            written(tmp_path / "films" / label / f"{name}.json", alphapose())
    with pytest.warns(UserWarning, match="folders .clap, wave. are used as the labels of 3 videos"):
        clips = load_clips(tmp_path / "films", reading=QUIET)
    assert {clip.name: clip.label for clip in clips} == {"wave/anna": "wave", "wave/ben": "wave", "clap/anna": "clap"}
    (tmp_path / "films" / "clips.csv").write_text("file,label,fps\nwave/anna.json,hello,25\nben,hello,25\nclap/anna,clap,50\n")
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        for file in (tmp_path / "films").rglob("*.*"):
            archive.write(file, file.relative_to(tmp_path / "films").as_posix())
    for path in (tmp_path / "films", tmp_path / "films.zip"):
        assert {(clip.name, clip.label, clip.fps) for clip in load_clips(path, reading=QUIET)} == {
            ("wave/anna", "hello", 25.0), ("wave/ben", "hello", 25.0), ("clap/anna", "clap", 50.0),
        }  # fmt: skip


@pytest.mark.parametrize(
    "make", [lambda frame: [yolo(frame)], lambda frame: [instance(frame)], lambda frame: table([{k: str(v) for k, v in yolo(frame).items()}])]
)
def test_a_folder_of_single_frames_is_one_film_for_each_name(tmp_path, make):
    for frame in range(T):
        for name in ("a_", "b_"):
            value = make(frame)
            written(tmp_path / f"{name}{frame + 8}.{'csv' if isinstance(value, str) else 'json'}", value)
    clips = load_clips(tmp_path, reading=QUIET)
    assert [clip.name for clip in clips] == ["a", "b"]
    np.testing.assert_allclose(clips[1].joints, SEEN[None], rtol=1e-5)


def test_a_folder_of_takes_and_films_says_which_of_them_are_read(tmp_path):
    (tmp_path / "about.json").write_text('{"made by": "hand"}')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        save_bvh(Clip(BODY, NTU_25, name="take"), tmp_path / "take.bvh")
        load_clips(tmp_path, reading=QUIET)
    assert not any("are not" in str(remark.message) for remark in caught)  # a file without joints is left out in silence
    written(tmp_path / "film.json", FILMS["yolo"])
    with pytest.warns(UserWarning) as remarks:
        clips = load_clips(tmp_path, reading=QUIET)
    assert [clip.name for clip in clips] == ["take"]
    assert any("motion capture is read; JSON or CSV files with joints beside it are not; move them" in str(remark.message) for remark in remarks)


# MediaPipe


def row(frame, names, at=WORLD):
    cells = {}
    for index, point in enumerate(at[frame]):
        for axis, value in zip("xyzv", (*point, 0.9), strict=True):
            cells[names(index, axis)] = float(value)
    return cells


def official(index):
    """MediaPipe's name of a landmark."""
    side, _, rest = MEDIAPIPE_33.joints[index].partition(" ")
    return "MOUTH_" + side.upper() if rest == "mouth" else MEDIAPIPE_33.joints[index].replace(" ", "_").upper()


MEDIAPIPE = {
    "frames": [landmarks(frame) for frame in range(T)],
    "rows": [[[*map(float, point), 0.9] for point in WORLD[frame]] for frame in range(T)],
    "rows without visibility": WORLD.tolist(),
    "people": [[landmarks(frame)] for frame in range(T)],
    "under names": {"fps": 30, "frames": [{"frame": frame, "landmarks": landmarks(frame)} for frame in range(T)]},
    "tasks": [{"pose_landmarks": [landmarks(frame, WORLD + 9)], "pose_world_landmarks": [landmarks(frame)]} for frame in range(T)],
    "protobuf": [{"poseWorldLandmarks": {"landmark": landmarks(frame)}} for frame in range(T)],
    "null visibility": [landmarks(frame, visibility=None) for frame in range(T)],
    "csv, x0": table([row(frame, lambda index, axis: f"{axis}{index}") for frame in range(T)]),
    "csv, x1": table([{"frame": frame} | row(frame, lambda index, axis: f"{axis}{index + 1}") for frame in range(T)]),
    "csv, 0_x": table([row(frame, lambda index, axis: f"{index}_{'visibility' if axis == 'v' else axis}") for frame in range(T)]),
    "csv, names": table([row(frame, lambda index, axis: f"{official(index)}_{axis}") for frame in range(T)]),
}


@pytest.mark.parametrize("value", MEDIAPIPE.values(), ids=MEDIAPIPE.keys())
def test_world_landmarks(tmp_path, value):
    (clip,) = load_clips(written(tmp_path / "x", value))
    assert clip.layout is MEDIAPIPE_33
    np.testing.assert_allclose(clip.joints[0], WORLD, atol=1e-5)


def test_landmarks_of_low_visibility_and_frames_with_nobody(tmp_path):
    frames = [landmarks(frame) for frame in range(T)]
    frames[1][7]["visibility"] = 0.02
    frames[3] = []
    (clip,) = load_clips(written(tmp_path / "x.json", frames))
    assert np.argwhere(np.isnan(clip.joints[0]).all(axis=2)).tolist() == [[1, 7]]
    assert clip.joints[0].any(axis=(1, 2)).tolist() == [True, True, True, False, True]


def timed(key, times, **columns):
    """A frame each with its time, as JSON and as a table."""
    more = [{name: values[frame] for name, values in columns.items()} for frame in range(T)]
    yield [{key: times[frame], "landmarks": landmarks(frame)} | more[frame] for frame in range(T)]
    yield table([{key: times[frame]} | more[frame] | row(frame, lambda index, axis: f"{axis}{index}") for frame in range(T)])


@pytest.mark.parametrize(("key", "times", "fps"), [
    ("timestamp_ms", [7000, 7033, 7067, 7100, 7133], 4000 / 133), ("time_ms", [0, 0.5, 1, 1.5, 2], 2000.0), ("timestamp", [0, 40, 80, 120, 160], 25.0),
    ("timestamp", [0, 40_000, 80_000, 120_000, 160_000], 25.0), ("time", [1.7e9 + 0.25 * frame for frame in range(T)], 4.0),
    ("t", [0, 0.04, 0.08, 0.12, 0.16], 25.0), ("t", [0, 41, 79, 121, 160], 25.0),
])  # fmt: skip
def test_times_of_landmarks_give_the_frame_rate(tmp_path, key, times, fps):
    for number, value in enumerate(timed(key, times)):
        (clip,) = load_clips(written(tmp_path / str(number), value))
        assert (clip.frames, clip.fps_assumed) == (T, False)
        assert clip.fps == pytest.approx(fps)
        np.testing.assert_allclose(clip.joints[0], WORLD, atol=1e-5)


def test_a_gap_in_time_is_one_of_frames_and_times_in_whole_milliseconds_make_no_gap(tmp_path):
    for number, value in enumerate(timed("timestamp_ms", [0, 33, 66, 200, 233])):
        (clip,) = load_clips(written(tmp_path / str(number), value))
        assert clip.joints[0].any(axis=(1, 2)).tolist() == [True, True, True, False, False, False, True, True]
        np.testing.assert_allclose(clip.joints[0, [0, 1, 2, 6, 7]], WORLD, atol=1e-5)
        assert clip.fps == pytest.approx(1000 / 33)
    frames = [{"t": 1000 * frame // 30, "landmarks": landmarks(frame % T)} for frame in range(400)]
    (clip,) = load_clips(written(tmp_path / "long", frames))
    assert clip.frames == 400
    assert clip.fps == pytest.approx(30)
    frames[7:9] = [None, []]  # nobody, and no time
    (clip,) = load_clips(written(tmp_path / "nobody", frames))
    assert np.flatnonzero(~clip.joints[0].any(axis=(1, 2))).tolist() == [7, 8]


def test_numbers_place_the_frames_and_times_give_the_rate(tmp_path):
    for number, value in enumerate(timed("timestamp_ms", [1000, 1050, 1150, 1200, 1250], frame=[3, 4, 6, 7, 9])):
        (clip,) = load_clips(written(tmp_path / str(number), value))
        assert clip.joints[0].any(axis=(1, 2)).tolist() == [True, True, False, True, True, False, True]
        assert clip.fps == pytest.approx(1000 / np.mean([50, 50, 50, 25]))
    (clip,) = load_clips(written(tmp_path / "one", [{"t": 3.5, "landmarks": landmarks(0)}]))
    assert (clip.frames, clip.fps, clip.fps_assumed) == (1, 30.0, True)
    (clip,) = load_clips(written(tmp_path / "under names", {"fps": 12.5, "frames": [{"landmarks": landmarks(frame)} for frame in range(T)]}))
    assert (clip.fps, clip.fps_assumed) == (12.5, False)


@pytest.mark.parametrize(
    "times", [[0, 33, 33, 66, 99], [0, 66, 33, 99, 132], [0, 33, "soon", 99, 132], [0, 33, float("nan"), 99, 132], [0, 33, 1e300, 2e300, 3e300]]
)
def test_times_that_do_not_rise_are_named_with_their_row(tmp_path, times):
    for number, (value, place) in enumerate(zip(timed("timestamp", times), ("frame 2", "row 3"), strict=True)):
        path = written(tmp_path / str(number), value)
        said = message(load_clips, path)
        assert f"{path} {place}: timestamp is" in said
        assert "give increasing times for all frames" in said
    frames = [{"timestamp": frame, "landmarks": landmarks(frame)} for frame in range(T)]
    del frames[2]["timestamp"]
    assert "frame 2: has no timestamp, but other frames have one" in message(load_clips, written(tmp_path / "without", frames))


def test_image_landmarks_are_refused_under_any_name_and_read_in_pixels_when_the_size_is_given(tmp_path):
    image = WORLD * 0.3 + 0.5
    path = written(tmp_path / "x.json", [{"pose_world_landmarks": landmarks(frame, image)} for frame in range(T)])
    said = message(load_clips, path)
    assert "image landmarks" in said and "size=(1920, 1080)" in said
    clips = load_clips(path, size=(1920, 1080))
    assert clips.layout is COCO_17
    nose = MEDIAPIPE_33.joints.index("nose")
    np.testing.assert_allclose(clips[0].joints[0, :, 0], image[:, nose, :2] * [1920, 1080], rtol=1e-5)


def test_a_size_is_for_parts_of_a_picture_alone(tmp_path):
    assert "remove the size" in message(load_clips, written(tmp_path / "x.json", alphapose()), size=(1920, 1080))
    assert "give (width, height)" in message(load_clips, tmp_path / "x.json", size=(0, 1080))
    parts = [[yolo(frame)] for frame in range(T)]
    for (person,) in parts:
        person["keypoints"] |= {"x": [x / 1920 for x in person["keypoints"]["x"]], "y": [y / 1080 for y in person["keypoints"]["y"]]}
    (clip,) = load_clips(written(tmp_path / "x.json", parts), size=(1920, 1080))
    np.testing.assert_allclose(clip.joints, SEEN[None], rtol=1e-5)


# Bad files

BAD = [
    ([{"image_id": "1.jpg", "keypoints": [1, 2]}], "keypoints is not a list of 3 numbers"),
    ([{"image_id": "1.jpg", "keypoints": [1.0] * 60}], "keypoints has 20 joints"),
    ([{"image_id": "one.jpg", "keypoints": triples(0)}], "image_id has no number"),
    ([{"image_id": ["1"], "keypoints": triples(0)}], "image_id has no number"),
    ([*alphapose(), 3], "[5]: is not an entry"),
    ([*alphapose(), {"image_id": "other7.jpg", "keypoints": triples(0)}], "pictures of 2 videos"),
    ([*alphapose(), alphapose()[0] | {"image_id": 10**17}], "frame numbers go from 0 to 100000000000000000"),
    ([{"image_id": "1.jpg", "keypoints": ["x"] * 51}], "values that are not numbers"),
    ([{"image_id": "1.jpg", "keypoints": [10**400] * 51}], "values that are not numbers"),
    ('[{"image_id": "1.jpg", "keypoints": [' + "1e999, " * 50 + "1]}]", "infinite"),
    ('[{"image_id": "1.jpg", "keypoints": [' + "9" * 5000 + "]}]", "not JSON"),
    ([{"image_id": "1.jpg", "keypoints": [0.0] * 51}], "no person was found"),
    ("[" * 100_000, "not JSON"),
    ("[" + "{}," * 20_000_000 + "{}]", "more than 1 GB of memory"),
    ([instance(0, keypoints=[[1, 2, 3]] * 17)], "lifted to 3-D"),
    ([instance(0, keypoint_scores=[1.0] * 16)], "17 joints and 16 scores"),
    ([{"frame_id": 0, "instances": 7}], "is not a frame with a unique frame_id"),
    ({"instance_info": 7}, "instance_info is not a list"),
    ({"meta_info": {"keypoint_id2name": {"0": "root"}}, "instance_info": []}, "its joint 0 is 'root'"),
    ([[yolo(0, keypoints={"x": [1.0], "y": [1.0]})]], "keypoints has 1 joints"),
    ([[yolo(0)], 7], "is not a list of people"),
    ({"seven": [yolo(0)]}, "the frame is not a whole number"),
    (table([{"name": "person", "class": "0", "keypoints": "__import__('os')"}]), "cannot be read"),
    ([landmarks(0), landmarks(1)[:32]], "frame 1: is not a frame"),
    (table([row(0, lambda index, axis: f"{axis}{index}") | {"x5": "left"}]), "is 'left', not a number"),
    ({"a": 1}, "no known pose detector"),
    ([1, 2], "no known pose detector"),
    ("a,b\n1,2\n", "no known pose detector"),
    ("a,b\n" + "1,2\n" * 4_000_000, "more than 1 GB of memory"),
    ("a,b\n1,2,3\n", "row 2 has 3 cells, not 2"),
    ("a,a\n1,2\n", "several columns with the same name"),
]


@pytest.mark.parametrize(("value", "says"), BAD, ids=[says for _, says in BAD])
def test_a_bad_file_is_one_line(tmp_path, value, says):
    assert says in message(load_clips, written(tmp_path / "x.json", value))


def test_a_bad_file_among_good_ones_is_skipped_and_reported(tmp_path):
    written(tmp_path / "good.json", alphapose())
    written(tmp_path / "bad.json", [{"image_id": "1.jpg", "keypoints": [1, 2]}])
    written(tmp_path / "worse.json", "[" * 100_000)
    written(tmp_path / "other.json", MEDIAPIPE["frames"])
    said = []
    assert [clip.name for clip in load_clips(tmp_path, reading=Reading(progress=False, report=said.extend))] == ["good"]
    assert {one.name for one in said} == {"bad.json", "worse.json", "other.json"}


def test_the_doctor_knows_these_files_too(tmp_path):
    file = written(tmp_path / "films/a.json", [{"frame": frame, "landmarks": landmarks(frame)} for frame in range(T)])
    for path in (file, file.parent):
        finding = inspect(path)
        assert (finding.clips, finding.notes) == (1, ("layout mediapipe-33",))
        assert ["no frame rate is stated" in problem for problem in finding.problems] == [True]
    assert inspect(written(tmp_path / "b.json", {"a": 1})).clips is None


@pytest.mark.parametrize("value", [
    [{"landmarks": landmarks(frame)} | ({"frame": 10 + frame} if frame % 2 else {}) for frame in range(T)],
    [{"frame": 10 + frame, "detections": [yolo(frame)]} if frame % 2 else [yolo(frame)] for frame in range(T)],
    [yolo(frame) | ({"frame": frame} if frame else {}) for frame in range(T)],
])  # fmt: skip
def test_frames_of_which_only_some_are_numbered_are_refused(tmp_path, value):
    assert "number all frames, or none" in message(load_clips, written(tmp_path / "x.json", value))


def test_the_frame_without_a_number_is_named_by_its_place_in_the_file(tmp_path):
    value = [[], {"frame": 1, "detections": [yolo(1)]}, [yolo(2)]]
    assert "entry 2: has no frame number" in message(load_clips, written(tmp_path / "x.json", value))


def test_a_rate_that_no_sensor_has_is_said(tmp_path):
    with pytest.warns(UserWarning, match="the frame rate is not between 1 and 500 per second in 1 of 1 clips .*: 3e.04"):
        load_clips(written(tmp_path / "x.json", next(timed("timestamp_ms", [frame / 30 for frame in range(T)]))))
    for fps in (1e-5, 1e300):
        with pytest.warns(UserWarning, match="odd|between 1 and 500 per second"):
            load_clips(written(tmp_path / "y.json", MEDIAPIPE["frames"]), fps=fps)


def test_a_rate_that_was_assumed_stays_so_through_files_and_is_corrected(tmp_path):
    unknown, known = Clip(WORLD, MEDIAPIPE_33, fps=None, name="a"), Clip(WORLD, MEDIAPIPE_33, fps=24, name="b")
    assert (replace(unknown, fps=25).fps, replace(unknown, fps=25).fps_assumed, replace(unknown, name="c").fps_assumed) == (25, False, True)
    path = ClipSet((unknown, known), (), "mine").save(tmp_path / "mine.npz")
    assert [(clip.fps, clip.fps_assumed) for clip in ClipSet.load(path)] == [(30.0, True), (24.0, False)]
    assert [clip.fps for clip in load_clips(path, fps=60, reading=QUIET)] == [60.0, 24.0]
