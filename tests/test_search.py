"""A library of clips: found by words and by likeness, built in pieces, refused when it is another's."""

from dataclasses import replace

import numpy as np
import pytest
from standins import TINY_CLASSIFIER

import tdsm
from tdsm import search
from tdsm.data.layouts import LAYOUTS
from tdsm.data.synthetic import synthetic_clips
from tdsm.search import PARTS, Library
from tdsm.util.errors import InputError
from tdsm.util.files import read_sealed

ACTIONS = ["bow", "squat", "jump", "wave both hands", "walk on the spot"]


@pytest.fixture(scope="module")
def clips():
    return synthetic_clips(3, actions=ACTIONS)


@pytest.fixture(scope="module")
def recognizer():
    return tdsm.pretrained()


@pytest.fixture(scope="module")
def library(clips, recognizer):
    return Library.build(clips, recognizer, parts=True)


def test_words_find_the_clips_that_they_name(library):
    hits = library.search("someone takes a bow", k=3)
    assert [hit.label for hit in hits] == ["bow"] * 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert "bow" in repr(hits)
    assert "<table>" in hits._repr_html_()


def test_scores_are_the_cosines_with_the_recognizers_features(library, clips, recognizer):
    z_x, z_g = recognizer.features(list(clips)).numpy(), recognizer.text(["jump"]).z_g.numpy()[0]
    cosines = z_x @ z_g / np.linalg.norm(z_x, axis=1) / np.linalg.norm(z_g)
    hits = library.search("jump", k=len(clips))
    assert [hit.row for hit in hits] == np.argsort(-cosines, kind="stable").tolist()
    assert np.allclose([hit.score for hit in hits], np.sort(cosines)[::-1], atol=2e-3)  # half precision


def test_a_clip_is_most_like_itself_and_then_like_its_kind(library, clips):
    first, second, *_ = library.like(clips[4], k=3)
    assert first.row == 4
    assert first.score == pytest.approx(1, abs=2e-3)
    assert second.label == clips[4].label


def test_a_part_alone_is_compared(library, clips):
    """Another clip's legs under these arms: as a whole it is not the same, its arms are."""
    wave = next(clip for clip in clips if clip.label == "wave both hands")
    other = next(clip for clip in clips if clip.label == "squat" and clip.frames >= 1)
    frames = min(wave.frames, other.frames)
    joints = wave.joints[:, :frames].copy()
    arms = [number for number, joint in enumerate(wave.layout.joints) if joint.startswith(("left shoulder", "left elbow", "left wrist", "left hand"))]
    for part in PARTS:
        assert library.like(wave, k=1, part=part)[0].name == wave.name
    joints[:, :, arms] = joints[:, :1, arms]
    still = replace(wave, joints=joints)
    assert library.like(still, k=1, part="left arm")[0].score < 0.999


def test_labels_and_subjects_filter(library, clips):
    assert {hit.label for hit in library.search("bow", k=15, label="squat")} == {"squat"}
    subject = clips[0].subject
    assert {hit.subject for hit in library.search("bow", k=15, subject=subject)} == {subject}
    with pytest.raises(InputError, match="no clip has 'polka'"):
        library.search("bow", label="polka")


def test_fewer_clips_than_asked_for_are_all_of_them(library, clips):
    assert len(library.search("bow", k=1000)) == len(clips)


@pytest.mark.parametrize(("call", "what"), [
    (lambda library: library.search("bow", k=0), "k"),
    (lambda library: library.search("bow", k=True), "k"),
    (lambda library: library.search("", k=3), "labels"),
    (lambda library: library.search("bow", part="tail"), "part"),
])  # fmt: skip
def test_what_cannot_be_searched_is_one_line(library, call, what):
    with pytest.raises(InputError, match=what):
        call(library)


def test_a_library_on_disk_is_opened_again_and_gives_the_same(clips, recognizer, tmp_path):
    built = Library.build(clips, recognizer, tmp_path / "library")
    opened = Library.open(tmp_path / "library", recognizer)
    assert repr(opened.search("jump")) == repr(built.search("jump"))
    assert opened.clips is None
    with pytest.raises(InputError, match="without parts"):
        opened.like(clips[0], part="left arm")
    before = (tmp_path / "library" / "z.npy").stat().st_mtime_ns
    Library.build(clips, recognizer, tmp_path / "library")
    assert (tmp_path / "library" / "z.npy").stat().st_mtime_ns == before


def test_a_killed_build_resumes_and_gives_the_same_bytes(clips, recognizer, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "_BLOCK", 4)
    whole = Library.build(clips, recognizer, tmp_path / "whole")
    calls, directions = [], search._directions

    def dies(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return directions(*args)

    monkeypatch.setattr(search, "_directions", dies)
    with pytest.raises(KeyboardInterrupt):
        Library.build(clips, recognizer, tmp_path / "killed")
    with pytest.raises(InputError, match="not complete: 8 of 15"):
        Library.open(tmp_path / "killed", recognizer)
    Library.build(clips, recognizer, tmp_path / "killed")
    assert len(calls) == 5  # two blocks, the one that died, the two that were left
    assert (tmp_path / "killed" / "z.npy").read_bytes() == (tmp_path / "whole" / "z.npy").read_bytes()
    assert len(whole) == len(clips)


def test_a_clip_of_nobody_is_left_out_and_the_others_keep_their_clips(clips, recognizer, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "_BLOCK", 1)  # a block in which nobody can be used
    several = [*clips[:2], replace(clips[2], joints=np.zeros_like(clips[2].joints), name="nobody"), clips[3]]
    with pytest.warns(UserWarning, match="usable"):
        library = Library.build(tdsm.ClipSet(tuple(several), clips.classes, "some"), recognizer, tmp_path / "library")
    assert library.names.tolist() == [several[row].name for row in (0, 1, 3)]
    assert library.z.shape == (1, 3, recognizer.backbone.features)
    assert [library.clips[row].name for row in range(3)] == library.names.tolist()


def test_another_recognizer_or_other_clips_are_refused(clips, recognizer, tmp_path, monkeypatch):
    Library.build(clips, recognizer, tmp_path / "library")
    with pytest.raises(InputError, match="other clips"):
        Library.open(tmp_path / "library", recognizer, clips.of_classes(["bow"]))
    with pytest.raises(InputError, match="another library"):
        Library.build(clips.of_classes(["bow"]), recognizer, tmp_path / "library")
    monkeypatch.setattr(search, "_identity", lambda recognizer: "another")
    with pytest.raises(InputError, match="another recognizer"):
        Library.open(tmp_path / "library", recognizer)


def test_a_damaged_library_is_one_line(clips, recognizer, tmp_path):
    folder = tmp_path / "library"
    Library.build(clips, recognizer, folder)
    about = read_sealed(folder / "library.json")
    (folder / "z.npy").write_bytes((folder / "z.npy").read_bytes()[:100])
    with pytest.raises(InputError, match=r"z\.npy"):
        Library.open(folder, recognizer)
    (folder / "library.json").write_text((folder / "library.json").read_text().replace(about["names"][0], "other"))
    with pytest.raises(InputError, match="checksum"):
        Library.open(folder, recognizer)


def test_the_denoiser_ranks_the_best_again(clips, recognizer, monkeypatch):
    """A denoiser that loves what the cosine loves least turns the first rows round, and no others."""
    library = Library.build(clips, recognizer)
    plain = [hit.row for hit in library.search("bow", k=15)]
    monkeypatch.setattr(recognizer, "config", tdsm.override(recognizer.config, {"train.steps": 1}))
    monkeypatch.setattr(recognizer, "scores", lambda z_x, labels: -(z_x @ recognizer.text(labels).z_g.T))
    assert [hit.row for hit in library.search("bow", k=15, rerank=5)] == [*plain[:5][::-1], *plain[5:]]
    assert [hit.row for hit in library.search("bow", k=15, rerank=0)] == plain


def test_an_index_finds_what_the_exact_search_finds(library, clips):
    pytest.importorskip("faiss")
    indexed = library.indexed()
    for text in ("someone takes a bow", "jump"):
        exact, near = library.search(text, k=5), indexed.search(text, k=5)
        assert [hit.row for hit in near] == [hit.row for hit in exact]
        assert [hit.score for hit in near] == pytest.approx([hit.score for hit in exact], abs=1e-3)
    assert {hit.label for hit in indexed.search("jump", k=3, label="bow")} == {"bow"}
    assert len(indexed.search("jump", k=1000)) == len(clips)


def test_an_index_that_answers_too_little_is_not_trusted(library, monkeypatch):
    """faiss fills with -1 where it finds fewer than were asked for."""

    class Short:
        hnsw = type("Settings", (), {})()

        def search(self, query, count):
            return np.full((1, count), np.nan, np.float32), np.full((1, count), -1)

    assert [hit.row for hit in replace(library, index=Short()).search("jump", k=4)] == [hit.row for hit in library.search("jump", k=4)]


def test_an_index_needs_its_package_and_neighbours(library, monkeypatch):
    with pytest.raises(InputError, match="neighbours: is 1"):
        library.indexed(1)
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(InputError, match="needs faiss"):
        library.indexed()


def test_a_kill_while_the_vectors_are_shortened_harms_nothing(clips, recognizer, tmp_path, monkeypatch):
    several = [replace(clips[0], joints=np.zeros_like(clips[0].joints), name="nobody"), *clips[1:]]

    def dies(file, array):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(search.np, "save", dies)
    with pytest.warns(UserWarning, match="usable"), pytest.raises(KeyboardInterrupt):
        Library.build(several, recognizer, tmp_path / "library")
    monkeypatch.undo()
    library = Library.build(several, recognizer, tmp_path / "library")
    assert len(library) == len(clips) - 1
    np.testing.assert_allclose(np.linalg.norm(library.z[0].astype(np.float32), axis=1), 1, atol=1e-2)


def test_vectors_that_are_cut_short_are_refused(clips, recognizer, tmp_path):
    Library.build(clips, recognizer, tmp_path / "library")
    path = tmp_path / "library" / "z.npy"
    path.write_bytes(path.read_bytes()[:-100])
    for ask in (lambda: Library.open(tmp_path / "library", recognizer), lambda: Library.build(clips, recognizer, tmp_path / "library")):
        with pytest.raises(InputError, match=r"z\.npy: cannot be mapped"):
            ask()


def test_rows_are_those_of_the_clips_that_are_in_the_library(clips, recognizer):
    several = [replace(clips[0], joints=np.zeros_like(clips[0].joints), name="nobody"), *clips[1:]]
    with pytest.warns(UserWarning, match="usable"):
        library = Library.build(several, recognizer)
    assert all(library.clips[hit.row].name == hit.name for hit in library.search("bow", k=20))


def test_a_library_with_parts_serves_those_who_ask_for_none(clips, recognizer, tmp_path):
    Library.build(clips, recognizer, tmp_path / "parts", parts=True)
    assert Library.build(clips, recognizer, tmp_path / "parts").parts
    Library.build(clips, recognizer, tmp_path / "whole")
    with pytest.raises(InputError, match="holds a library without parts"):
        Library.build(clips, recognizer, tmp_path / "whole", parts=True)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_each_joint_of_each_layout_belongs_to_one_part(layout):
    parts = search._joints(layout)
    assert parts.sum(dim=0).tolist() == [1] * len(layout)
    named = {part: {layout.joints[row] for row in np.flatnonzero(moving)} for part, moving in zip(PARTS, parts.numpy(), strict=True)}
    assert all(joint.startswith(part.split()[0]) for part, joints in named.items() if part != "trunk" for joint in joints)
    assert not [joint for joint in named["trunk"] if any(word in joint for word in ("elbow", "wrist", "hand", "knee", "ankle", "foot"))]


def test_what_cannot_be_searched_is_refused(library, clips):
    seen = clips.of_classes(ACTIONS[:3])
    with pytest.raises(InputError, match="recognizer: has a classifier backbone"):
        Library.build(clips, tdsm.train_recognizer(seen, TINY_CLASSIFIER))
    for wrong in (-1, True):
        with pytest.raises(InputError, match="rerank: is"):
            library.search("bow", rerank=wrong)


def test_equal_cosines_come_in_the_order_of_rows(library, clips):
    z = np.concatenate([library.z[:, [3]]] * 5 + [library.z], axis=1)
    count = z.shape[1]
    blank = np.full(count, "")
    several = Library(library.recognizer, z, np.arange(count).astype(np.str_), blank, blank)
    direction = library.z[0, 3].astype(np.float32)
    exact = np.argsort(-(z[0].astype(np.float32) @ direction), kind="stable")
    for k in (1, 4, 7, count):
        assert [hit.row for hit in several.like(clips[3], k=k)][:4] == exact[: min(k, 4)].tolist() == list(range(min(k, 4)))
