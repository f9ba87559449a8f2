"""The alignment view: what is measured, the spaces it is measured in, the denoiser's fused tokens, and the map whose points play their clips."""

import base64
import dataclasses
import io
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from tdsm.backbones.classifier import Classifier
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config, DiffusionConfig, EncoderConfig, ModelConfig, PreprocessConfig
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.labels import as_labels
from tdsm.data.layouts import NTU_25
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer, pretrained
from tdsm.text import LabelReading, TextFeatures, TextModel
from tdsm.util.errors import InputError
from tdsm.viz import alignment, interactive, spaces, style
from tdsm.viz.animation import player

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def draw():
    return np.random.default_rng(0)


class Words(TextModel):
    """Reads every prompt as noise of its own, so that no language model is loaded."""

    identity = "noise"

    def __init__(self):
        self.asked = []

    def examine(self, labels, lexicon=False, *, aligned=False):
        return tuple(LabelReading(label, "name") for label in as_labels(labels))

    def encode(self, prompts, prompts_per_class=None):
        self.asked.append(prompts)
        draws = [np.random.default_rng(list(" ".join(told).encode())) for told in prompts]
        z = torch.from_numpy(np.stack([draw.normal(size=(5, 12)).astype(np.float32) for draw in draws]))
        return TextFeatures(z[:, 0], z[:, 1:], torch.ones(len(z), 4, dtype=torch.bool))

    def read_sentences(self, sentences):
        raise NotImplementedError


def moved(stream, tokens=1):
    """A small matcher whose every weight has left its zero start."""
    torch.manual_seed(0)
    matcher = Matcher(8, tokens, 12, 4, ModelConfig(stream, 16, 2, 2, prior=False), DiffusionConfig(noises=3))
    for parameter in matcher.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return matcher.eval()


@pytest.fixture(scope="module")
def clips():
    return synthetic_clips(2, seed=0).of_classes(UNSEEN[:3])


@pytest.fixture(scope="module")
def recognizer():
    config = Config(
        backbone="classifier",
        preprocess=PreprocessConfig(frames=16),
        encoder=EncoderConfig(kind="shift-gcn", width=8, features=8),
        model=ModelConfig(prior=False),
    )
    net = build_encoder(config.encoder, NTU_25, config.preprocess.bodies, 2)
    return Recognizer(config, Classifier(net, config.preprocess, SEEN[:2], "synthetic", Words()), moved("cached"), {UNSEEN[0]: "The left hand swings."})


# What the denoiser fuses


@pytest.mark.parametrize("stream", ["joint", "cached"])
@pytest.mark.parametrize("tokens", [1, 3])
def test_the_hidden_token_is_the_last_before_the_final_layer(stream, tokens):
    matcher, text = moved(stream, tokens), Words().encode([["a"], ["b"]])
    told = matcher.encode_text(text)
    z_xt, t = torch.randn(2, 5, tokens, 8), torch.arange(10).reshape(2, 5)
    hidden, f_c = matcher.denoiser.hidden(z_xt, t, told)
    assert hidden.shape == (2, 5, tokens, 16)
    final = matcher.denoiser.final_layer
    torch.testing.assert_close(final(hidden, f_c), matcher.denoiser.denoise(z_xt, t, told))


@pytest.mark.parametrize("stream", ["joint", "cached"])
def test_a_fused_row_depends_on_its_own_clip_and_label_only(stream):
    matcher, text, z_x = moved(stream, 2), Words().encode([["a"], ["b"], ["c"]]), torch.randn(6, 2, 8)
    told = matcher.encode_text(text)
    fused = matcher.fused(z_x, told)
    assert fused.shape == (6, 3, 16) and not fused.requires_grad
    torch.testing.assert_close(matcher.fused(z_x, told, rows=1), fused)
    torch.testing.assert_close(matcher.fused(z_x[[4, 1]], matcher.encode_text(text.select(torch.tensor([2, 0])))), fused[[4, 1]][:, [2, 0]])
    assert (fused[:, 0] - fused[:, 1]).abs().max() > 1e-3 and (fused[0] - fused[1]).abs().max() > 1e-3


def test_fused_is_a_mean_over_the_test_noises():
    matcher, told = moved("cached"), moved("cached").encode_text(Words().encode([["a"], ["b"]]))
    z_x, every = torch.randn(4, 1, 8), []
    whole = matcher.fused(z_x, told)
    for noise in matcher.test_noise.clone():
        matcher.test_noise = noise[None]
        every.append(matcher.fused(z_x, told))
    torch.testing.assert_close(torch.stack(every).mean(0), whole)


def test_fused_reads_the_recognizers_own_sentences_and_refuses_no_label(recognizer, clips):
    made = alignment.fused(recognizer, clips, UNSEEN[:3])
    assert made.shape == (6, 3, 16) and made.dtype == np.float32
    assert "The left hand swings." in recognizer.backbone.text_encoder.asked[-1][0]
    np.testing.assert_allclose(alignment.fused(recognizer, clips[1], [UNSEEN[2]])[0, 0], made[1, 2], atol=1e-5)
    for labels in ([], UNSEEN[0]):
        with pytest.raises(InputError, match="give a list of at least one name"):
            alignment.fused(recognizer, clips, labels)


def test_every_clip_meets_its_own_label_and_one_that_is_wrong():
    many = still(np.tile(np.arange(4), 500))
    made = np.stack([np.repeat(many.y[:, None], 4, 1), np.tile(np.arange(4), (2000, 1))], axis=2).astype(float)  # (clip's class, label)
    pairs = spaces.right_and_wrong(made, many)
    assert (pairs.right == (pairs.rows[:, 0] == pairs.rows[:, 1])).all() and pairs.right[:2000].all() and not pairs.right[2000:].any()
    assert (pairs.rows[:, 1] == pairs.label).all() and (pairs.rows[:, 0] == pairs.clip_y).all()
    assert pairs.actions[2001] == "action b"
    wrong = np.bincount((pairs.label[2000:] - many.y) % 4, minlength=4) / 2000
    assert wrong == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3], abs=0.05)
    assert (pairs.label == spaces.right_and_wrong(made, many).label).all()
    assert (pairs.label != spaces.right_and_wrong(made, many, seed=1).label).any()
    with pytest.raises(InputError, match=r"pairs \(2000, 3, 2\) for 2000 clips of 4 classes"):
        spaces.right_and_wrong(made[:, :3], many)
    alone = many.of_classes(["action a"])
    with pytest.raises(InputError, match="one class"):
        spaces.right_and_wrong(made[:500, :1], alone)


# Spaces in which clips and labels lie together


@pytest.fixture(scope="module")
def shipped():
    return pretrained()


def test_a_cosine_in_the_common_space_is_the_recognizers_score(shipped, clips):
    space = spaces.common_space(shipped, clips)
    assert np.linalg.norm(space.clips, axis=1) == pytest.approx(1, abs=1e-5) == np.linalg.norm(space.labels, axis=1)
    cosines, scores = space.clips @ space.labels.T, shipped.predict(clips, clips.classes).scores
    assert (cosines.argsort(1) == scores.argsort(1)).all()  # no denoiser was trained, so that the ranking is that of the cosine
    assert space.actions == [clip.label for clip in clips]


def test_untrained_towers_have_the_same_sizes_other_weights_and_know_nothing(shipped, clips):
    fresh = spaces.untrained(shipped)
    sizes = [{name: value.shape for name, value in each.backbone.named_parameters()} for each in (fresh, shipped)]
    assert sizes[0] == sizes[1]
    assert fresh.backbone.prototypes is None
    before, after = spaces.common_space(fresh, clips), spaces.common_space(shipped, clips)
    assert before.clips.shape == after.clips.shape and np.abs(before.clips - after.clips).max() > 0.05
    assert alignment.modality_gap(before.clips, before.labels) > alignment.modality_gap(after.clips, after.labels)
    np.testing.assert_array_equal(spaces.common_space(spaces.untrained(shipped), clips).clips, before.clips)
    assert np.abs(spaces.common_space(spaces.untrained(shipped, seed=1), clips).clips - before.clips).max() > 0.01


def test_a_classifier_has_no_common_space(recognizer, clips):
    for ask in (lambda: spaces.common_space(recognizer, clips), lambda: spaces.untrained(recognizer), lambda: spaces.moments(recognizer, clips)):
        with pytest.raises(InputError, match="z_x and z_g lie in different spaces"):
            ask()


def test_moments_are_windows_of_each_clip_in_order(shipped, clips):
    made = spaces.moments(shipped, clips[:2], windows=4)
    assert made.rows.shape[0] == 8 and made.place.tolist() == [0] * 4 + [1] * 4
    assert made.actions[5] == clips[1].label and made.persons[5] == clips[1].subject and made.names[5].startswith(clips[1].name)
    assert (np.diff(made.seconds[:4]) > 0).all() and made.seconds[3] < clips[0].frames / clips[0].fps
    first = dataclasses.replace(clips[0], joints=clips[0].joints[:, : clips[0].frames // 2])
    whole = shipped.features(first).cpu().numpy()[0]
    np.testing.assert_allclose(made.rows[0], whole / np.linalg.norm(whole), atol=1e-5)
    for windows, message in ((1, "windows is 1"), (4000, "frames are too few for 4000 windows")):
        with pytest.raises(InputError, match=message):
            spaces.moments(shipped, clips, windows)


def test_exchanged_names_keep_clips_and_classes_and_leave_no_class_its_own():
    clips = synthetic_clips(2, seed=0).of_classes(UNSEEN[:5])
    other = spaces.exchanged(clips)
    assert other.classes == clips.classes
    assert all(mine.joints is theirs.joints and mine.label != theirs.label for mine, theirs in zip(clips, other, strict=True))
    assert sorted(other.y) == sorted(clips.y)


def still(y):
    """A clip for each class index, all of one still body."""
    body, names = np.ones((1, 3, 25, 3), dtype=np.float32), [f"action {letter}" for letter in "abcdefghijkl"[: max(y) + 1]]
    return ClipSet(tuple(Clip(body, NTU_25, names[label]) for label in y), tuple(names))


def modalities(draw):
    """Clips that are a linear function of their label: unseen (20 clips of 4 labels) and seen (60 of 12)."""
    y, seen_y, text = np.repeat(np.arange(4), 5), np.repeat(np.arange(12), 5), draw.normal(size=(16, 9))
    weight = draw.normal(size=(9, 9))
    z_x = text @ weight + 3
    return spaces.Space(z_x[12:][y], text[12:], still(y)), spaces.Space(z_x[:12][seen_y], text[:12], still(seen_y))


def test_ridge_puts_a_label_where_its_clips_are_and_knows_no_unseen_clip(draw):
    unseen, seen = modalities(draw)
    moved = spaces.by_ridge(unseen, seen, penalty=1e-9)
    np.testing.assert_allclose(moved.labels[unseen.of.y], moved.clips, atol=1e-5)
    few = spaces.by_ridge(spaces.Space(unseen.clips[:3], unseen.labels[2:3], unseen.of), seen, penalty=1e-9)
    np.testing.assert_allclose(few.clips, moved.clips[:3])
    np.testing.assert_allclose(few.labels, moved.labels[2:3])
    assert np.abs(spaces.by_ridge(unseen, seen, penalty=1e9).labels).max() < 1e-6  # nothing learned: every label at the mean seen clip


def test_side_by_side_holds_both_modalities_at_one_weight_and_nothing_else(draw):
    unseen, seen = modalities(draw)
    pairs = spaces.side_by_side(unseen, seen)
    assert pairs.shape == (20, 4, 18)
    assert (pairs[3, 0, :9] == pairs[3, 2, :9]).all() and (pairs[3, 1, 9:] == pairs[8, 1, 9:]).all()
    known = spaces.side_by_side(seen, seen)
    assert np.square(known[..., :9]).sum(2).mean() == pytest.approx(1) == np.square(known[..., 9:]).sum(2).mean()


# Numbers


def test_rank_of_the_own_label_and_ties_are_chance():
    scores = np.array([[0.5, 0.1, 0.3], [0.5, 0.1, 0.3], [0.2, 0.2, 0.2], [0.3, 0.3, 0.1]])
    assert alignment.own_label_rank(scores, np.array([0, 1, 2, 0])).tolist() == [1, 3, 2, 1.5]
    assert alignment.own_label_rank(-scores, np.array([0, 1, 2, 0])).tolist() == [3, 1, 2, 2.5]


def test_an_interval_is_seeded_holds_the_mean_and_draws_whole_subjects(draw):
    of_subject = draw.normal(size=10)
    subjects = np.repeat(np.arange(10), 20)
    values = of_subject[subjects] + 0.01 * draw.normal(size=200)
    rows, whole = alignment.interval(values), alignment.interval(values, subjects)
    assert whole == alignment.interval(values, [f"p{subject}" for subject in subjects])
    assert (whole.mean, rows.mean) == pytest.approx((values.mean(), values.mean()))
    assert whole.low < rows.low < values.mean() < rows.high < whole.high
    assert str(alignment.Interval(0.957, 0.9, 1)) == "0.96 [0.90, 1.00]"
    assert alignment.interval(values > 0).mean == pytest.approx((values > 0).mean())
    for subjects, message in ((["p1"] * 200, "of one subject; leave subjects out"), (["p1", "p2"], "give one subject a row")):
        with pytest.raises(InputError, match=message):
            alignment.interval(values, subjects)


def test_an_interval_covers_the_truth_about_as_often_as_it_says(draw):
    held = [alignment.interval(draw.normal(size=60), seed=seed) for seed in range(150)]
    assert 0.88 < np.mean([made.low < 0 < made.high for made in held]) <= 1


def test_the_gap_has_an_interval_of_its_own(draw):
    clips, labels = draw.normal(size=(80, 5)) + 2, draw.normal(size=(6, 5)) - 2
    gap = alignment.gap_interval(clips, labels)
    assert gap.mean == pytest.approx(alignment.modality_gap(clips, labels))
    assert gap.low < gap.mean < gap.high < 2
    assert alignment.gap_interval(3 * clips, labels) == pytest.approx(gap)  # directions only: the scale does not count
    pairs = alignment.gap_interval(np.repeat(clips, 10, axis=0), labels, np.repeat(np.arange(80), 10))
    assert pairs == pytest.approx(gap)  # a clip copied is no new evidence
    with pytest.raises(InputError, match="widths differ"):
        alignment.gap_interval(clips, labels[:, :3])
    with pytest.raises(InputError, match="of one subject"):
        alignment.gap_interval(clips, labels, ["p1"] * 80)


def test_groups_that_explain_a_neighbourhood_can_be_left_out(draw):
    """Four tight groups; right and wrong differ between groups, and in nothing that groups share."""
    group = np.repeat(np.arange(4), 12)
    right = group < 2
    rows = np.eye(4)[group] + 0.01 * draw.normal(size=(48, 4))
    assert alignment.neighbour_shares(rows, right, k=10).mean() == 1 == alignment.knn_agreement(rows, right)
    assert alignment.neighbour_shares(rows, right, k=10, apart=[group]).mean() < 0.7
    shared = rows + np.where(right, 1, -1)[:, None]  # now something is shared
    assert alignment.neighbour_shares(shared, right, k=10, apart=[group]).mean() == 1
    with pytest.raises(InputError, match="k is 40 for 48 rows; give a number from 1 to 36"):
        alignment.neighbour_shares(rows, right, k=40, apart=[group])
    with pytest.raises(InputError, match="group the rows more finely"):
        alignment.neighbour_shares(rows, right, k=1, apart=[np.zeros(48)])


def test_the_table_of_spaces_tells_near_labels_from_far_ones(draw):
    y = np.repeat(np.arange(3), 20)
    people = tuple(f"p{number % 4}" for number in range(60))
    clips = still(y)
    clips = ClipSet(tuple(dataclasses.replace(clip, subject=person) for clip, person in zip(clips, people, strict=True)), clips.classes)
    text = np.eye(3, 8)
    near, noise = text[y] + 0.1 * draw.normal(size=(60, 8)), draw.normal(size=(60, 8))
    made = alignment.space_numbers({"near": spaces.Space(near, text, clips), "noise": spaces.Space(noise, text, clips)}, neighbours=5)
    assert made.rows["near"]["own label, persons drawn"].mean == 1 == made.rows["near"]["first, actions drawn"].mean
    assert made.rows["noise"]["own label, persons drawn"].mean > 1.5
    assert made.rows["near"]["other persons"].mean > 0.9 > made.rows["noise"]["other persons"].mean
    assert "own label and first 2 and 0.33 among 3 labels" in made.note
    with pytest.raises(InputError, match="space_numbers: no space; give at least one"):
        alignment.space_numbers({})
    lines = repr(made).splitlines()
    assert lines[0].startswith("       neighbours") and lines[1].startswith("near   1.00 [") and lines[-1] == made.note
    assert "<td style='text-align:left'>noise</td>" in made._repr_html_()
    figure, axes = alignment.panels({"near": spaces.Space(near, text, clips)}, neighbours=10)
    assert axes[0].get_xlabel() == "own label: mean rank 1.0 of 3"
    assert len(figure.legends[0].get_texts()) == 3 and axes[0].get_legend() is None
    with pytest.raises(InputError, match="give spaces of one set"):
        alignment.panels({"a": spaces.Space(near, text, clips), "b": spaces.Space(near, text, still(np.arange(2)))})


def test_fair_neighbours_of_pairs_that_are_only_put_side_by_side_are_chance(draw):
    y = np.repeat(np.arange(6), 12)
    clips = still(y)
    clips = ClipSet(tuple(dataclasses.replace(clip, subject=f"p{number % 4}") for number, clip in enumerate(clips)), clips.classes)
    space = spaces.Space(np.eye(6, 9)[y] + 0.2 * draw.normal(size=(72, 9)), draw.normal(size=(6, 9)), clips)
    made = alignment.pair_numbers({"side by side": spaces.right_and_wrong(spaces.side_by_side(space, space), clips)}).rows["side by side"]
    assert made["all"].mean > 0.7
    assert made["fair, persons drawn"].mean == made["fair, actions drawn"].mean < made["all"].mean - 0.1


# Pictures


def test_pca_does_without_umap(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "umap", None)
    assert alignment.project(draw.normal(size=(9, 4)), "pca").shape == (9, 2)
    with pytest.raises(ImportError):
        alignment.project(draw.normal(size=(9, 4)), "umap")


def test_a_map_has_two_or_three_dimensions(draw):
    rows = draw.normal(size=(30, 6))
    flat, deep = alignment.project(rows, "pca"), alignment.project(rows, "pca", dimensions=3)
    np.testing.assert_allclose(deep[:, :2], flat, atol=1e-6)
    assert alignment.project(rows, "umap", dimensions=3).shape == (30, 3)
    with pytest.raises(InputError, match="dimensions is 4; give 2 or 3"):
        alignment.project(rows, "pca", dimensions=4)


def test_long_names_of_stars_are_numbers_in_the_legend(draw):
    points, names = draw.normal(size=(4, 2)), ["clap overhead", "raise the left knee while stretching both arms out sideways"]
    figure, ax = alignment.scatter(points, names * 2, text_points=points[:2], text_labels=names)
    assert [text.get_text() for text in ax.texts] == ["1", "2"]
    told = [text.get_text().replace("\n", " ") for text in ax.get_legend().get_texts()]
    assert told == [f"1  {names[0]}", f"2  {names[1]}"]
    figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().x1 <= figure.bbox.x1 + 1


def test_right_is_filled_wrong_is_hollow_and_the_class_is_the_marker(draw):
    points, right = draw.normal(size=(4, 2)), np.array([True, False, True, False])
    _, ax = alignment.scatter_prompts(points, ["a", "a", "b", "b"], right, "map", "agreement 0.5")
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["with its own label", "with a wrong label", "a", "b"]
    assert ax.get_xlabel() == "agreement 0.5" and ax.get_aspect() == 1
    outlines = []
    for own in range(4):
        (dots,) = [dots for dots in ax.collections if (dots.get_offsets() == points[own]).all() and len(dots.get_offsets())]
        assert (len(dots.get_facecolor()) == 0) is (not right[own])
        outlines.append(len(dots.get_paths()[0].vertices))
    assert outlines[0] == outlines[1] != outlines[2] == outlines[3]
    with pytest.raises(InputError, match="4 points, 3 labels, 4 right or wrong"):
        alignment.scatter_prompts(points, ["a", "a", "b"], right)


# The map to look around in


def packed(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S).group(1))


def page_of(data, point):
    return data["head"] + data["clips"][data["of"][point]] + data["tail"]


def test_a_selected_point_plays_its_own_clip_and_a_clip_is_kept_once(clips, draw):
    both = [*clips, *clips]
    shown = interactive.interactive_scatter(draw.normal(size=(12, 2)), ["right"] * 6 + ["wrong"] * 6, [clip.name for clip in both], both)
    data = packed(shown.html())
    assert len(data["clips"]) == 6 and data["of"] == [0, 1, 2, 3, 4, 5] * 2
    for point in (0, 4, 10):
        thin = interactive._thinned(both[point], interactive.VALUES // 6)
        assert page_of(data, point) == player(thin, title="").html()
    assert data["about"][7] == f"wrong · {clips[1].name}"
    assert "6 clips" in repr(shown) and f"height:{shown.height}px" in shown._repr_html_()


def test_one_point_alone_plays_too(clips):
    data = packed(interactive.interactive_scatter(np.zeros((1, 2)), ["a"], ["b"], clips[:1]).html())
    assert page_of(data, 0) == player(interactive._thinned(clips[0], interactive.VALUES), title="").html()


def test_many_clips_cost_frames_and_not_size_until_there_are_too_many(clips, draw):
    copies = [dataclasses.replace(clip) for clip in [*clips] * 20]
    points = draw.normal(size=(120, 2))
    shown = interactive.interactive_scatter(points, ["a"] * 120, ["b"] * 120, copies)
    assert len(shown.html()) < 450_000
    assert shown._repr_png_().startswith(b"\x89PNG") and len(shown.still()) < 40_000
    thin = interactive._thinned(copies[0], interactive.VALUES // 120)
    assert interactive.FEWEST <= thin.frames < copies[0].frames
    assert thin.frames / thin.fps == pytest.approx(copies[0].frames / copies[0].fps, rel=0.2)
    with pytest.raises(InputError, match="would be left with 6 frames each; give fewer points"):
        interactive._thinned(copies[0], 500)


def test_the_page_needs_no_network_and_executes_no_name(draw):
    hostile = '</script><script>alert("x")</script>'
    shown = interactive.interactive_scatter(draw.normal(size=(3, 2)), ["a", hostile, "a"], [hostile, "b", "c"])
    page = shown.html()
    assert "<script>alert" not in page
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", page) and "import(" not in page
    data = packed(page)
    assert data["about"] == [f"a · {hostile}", f"{hostile} · b", "a · c"] and "clips" not in data
    assert page.count("<use ") == 3 + 2  # points and legend


def test_the_svg_has_equal_axes_and_up_is_up():
    page = interactive.interactive_scatter(np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 1.0]]), ["a"] * 3, ["b"] * 3).html()
    places = np.array([[float(value) for value in found] for found in re.findall(r'<use href="#m0" x="([\d.]+)" y="([\d.]+)"', page)])
    across, up = places[1] - places[0], places[2] - places[0]
    assert across[1] == 0 == up[0] and across[0] == pytest.approx(-4 * up[1], abs=0.5) and across[0] > 0


def test_a_saved_map_holds_plotly_and_the_clips(clips, tmp_path, draw):
    shown = interactive.interactive_scatter(draw.normal(size=(6, 2)), [clip.label for clip in clips], [clip.name for clip in clips], clips)
    text = shown.save(tmp_path / "map.html").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["map.html"]
    assert "plotly_click" in text and len(text) > 1_000_000
    assert packed(text) == packed(shown.html())
    figure = shown.figure()
    assert [trace.name for trace in figure.data] == list(UNSEEN[:3])
    assert [row for trace in figure.data for row in trace.customdata] == list(range(6))
    assert figure.data[0].hovertext[1] == clips[1].name


def test_a_map_in_three_dimensions_is_drawn_as_its_script_turns_it_and_takes_other_colours(draw):
    points, people, seconds = draw.normal(size=(6, 3)), ["p1", "p2"] * 3, np.linspace(0.5, 3.0, 6)
    shown = interactive.interactive_scatter(
        points, ["a", "b", "c"] * 2, ["n"] * 6, colours={"person": people, "seconds": seconds}, stars={"b": np.zeros(3), "new": np.ones(3)}
    )
    page = shown.html()
    data = packed(page)
    assert re.findall(r"<option>(.*?)</option>", page) == ["class", "person", "seconds"] == list(data["fills"]) == list(data["legends"])
    assert data["fills"]["person"] == [style.class_look(0)[0], style.class_look(1)[0]] * 3
    assert len(set(data["fills"]["seconds"])) == 6 and "0.5" in data["legends"]["seconds"] and "3.0" in data["legends"]["seconds"]
    assert base64.b64encode(shown.still()).decode() in shown._repr_html_()
    assert data["about"][6:] == ["label: b", "label: new"] and page.count('href="#star"') == 2
    assert np.linalg.norm(data["places"], axis=1).max() == pytest.approx(1, abs=1e-3)
    yaw, pitch = data["turn"]
    (x, y, z), (across, up) = data["places"][0], re.search(r'x="([\d.]+)" y="([\d.]+)"[^>]*data-i="0"', page).groups()
    right, ahead = x * np.cos(yaw) + z * np.sin(yaw), z * np.cos(yaw) - x * np.sin(yaw)
    reach = interactive.SIDE / 2 - interactive.MARGIN
    assert float(across) == pytest.approx(interactive.SIDE / 2 + reach * right, abs=0.5)
    assert float(up) == pytest.approx(interactive.SIDE / 2 - reach * (y * np.cos(pitch) - ahead * np.sin(pitch)), abs=0.5)
    figure = shown.figure()
    assert [trace.type for trace in figure.data] == ["scatter3d"] * (3 + 2 + 1 + 2)
    assert [trace.visible for trace in figure.data] == [True] * 3 + [False] * 3 + [None] * 2
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == ["class", "person", "seconds"]
    assert list(figure.layout.updatemenus[0].buttons[2].args[0]["visible"]) == [False] * 5 + [True] * 3
    for colours, stars, message in (
        ({"person": ["p1"]}, {}, "1 values of 'person' for 6 points"),
        ({"class": ["p1"] * 6}, {}, "colours called 'class', which the map has already"),
        ({}, {"b": np.zeros(2)}, "stars that are not points of 3"),
        ({}, {"b": np.full(3, np.nan)}, "no points, or some that are NaN"),
    ):
        with pytest.raises(InputError, match=message):
            interactive.interactive_scatter(points, ["a"] * 6, ["n"] * 6, colours=colours, stars=stars)


def test_numbers_beside_words_are_words():
    shown = interactive.interactive_scatter(np.eye(3, 2), ["a"] * 3, ["n"] * 3, colours={"seconds": [1, 2.5, "unknown"]})
    assert shown.colours == {"seconds": ("1", "2.5", "unknown")}
    assert "unknown" in shown.html()


def test_the_still_of_a_map_keeps_the_colours_of_its_classes(draw):
    names = [f"class {number}" for number in range(12)]
    still = Image.open(io.BytesIO(interactive.interactive_scatter(draw.normal(size=(12, 2)), names, names).still())).convert("RGB")
    inside = np.asarray(still)[..., :3].reshape(-1, 3).astype(int)
    for index in range(12):
        red, green, blue = (255 * (0.75 * np.array(to_rgb(style.class_look(index)[0])) + 0.25)).round().astype(int)  # 0.75 opaque
        assert np.abs(inside - [red, green, blue]).max(axis=1).min() < 45


@pytest.mark.parametrize("count", [27, 40])
def test_the_legend_of_a_still_is_not_cut(count, draw):
    names = [f"class number {number}" for number in range(count)]
    still = Image.open(io.BytesIO(interactive.interactive_scatter(draw.normal(size=(count, 2)), names, names).still())).convert("L")
    assert np.asarray(still)[:, -3:].min() > 200


@pytest.mark.parametrize(
    ("points", "labels", "names", "message"),
    [
        (np.zeros((3, 2)), ["a"] * 3, ["b"] * 2, "2 names; give one of each"),
        (np.zeros((3, 4)), ["a"] * 3, ["b"] * 3, r"points \(3, 4\)"),
        (np.full((3, 2), np.nan), ["a"] * 3, ["b"] * 3, "NaN"),
        (np.zeros((0, 2)), [], [], "no points"),
    ],
)
def test_the_map_refuses_what_does_not_fit(points, labels, names, message):
    with pytest.raises(InputError, match=message):
        interactive.interactive_scatter(points, labels, names)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to run the page in")
def test_selecting_a_point_plays_in_a_browser(clips, tmp_path, draw):
    shown = interactive.interactive_scatter(draw.normal(size=(6, 2)), [clip.label for clip in clips], [clip.name for clip in clips], clips)
    tell = "document.title = get('now').textContent + '|' + get('stage').contentDocument.getElementById('time').textContent"
    script = f"get('stage').onload = () => setTimeout(() => {{ {tell}; }}, 400); map.querySelector('[data-i=\"4\"]').dispatchEvent"
    script = f"<script>{script}(new MouseEvent('click', {{bubbles: true}}));</script></body>"
    page = tmp_path / "map.html"
    page.write_text(shown.html().replace(' sandbox="allow-scripts"', "").replace("</body>", script), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2500", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    title = re.search("<title>(.*?)</title>", done.stdout).group(1)
    assert re.fullmatch(rf"{re.escape(clips[4].name)}\|\d+\.\d s", title)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to run the page in")
def test_a_map_in_three_dimensions_turns_and_changes_its_colours_in_a_browser(tmp_path, draw):
    points = draw.normal(size=(6, 3))
    shown = interactive.interactive_scatter(points, ["a", "b", "c"] * 2, ["n"] * 6, colours={"second": np.arange(6.0)}, stars={"b": np.zeros(3)})
    script = """<script>
const mark = i => map.querySelector(`[data-i="${i}"]`), at = i => [mark(i).getAttribute('x'), mark(i).getAttribute('y')].join(' '), before = at(0);
const point = (kind, x, y) => new PointerEvent(kind, {clientX: x, clientY: y, bubbles: true});
map.dispatchEvent(point('pointerdown', 100, 100)); window.dispatchEvent(point('pointermove', 220, 100)); window.dispatchEvent(point('pointerup', 220, 100));
get('colour').value = 'second'; get('colour').dispatchEvent(new Event('change'));
mark(6).dispatchEvent(new PointerEvent('pointerover', {bubbles: true}));
document.title = [before, at(0), mark(5).getAttribute('fill'), get('legend').textContent, get('about').textContent].join('|');
</script></body>"""
    page = tmp_path / "map.html"
    page.write_text(shown.html().replace("</body>", script), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2500", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    before, after, fill, legend, about = re.search("<title>(.*?)</title>", done.stdout).group(1).split("|")
    places = interactive.SIDE / 2 + (interactive.SIDE / 2 - interactive.MARGIN) * interactive._turned(
        interactive._centred(shown), interactive.YAW + 1.0, interactive.PITCH
    ) * [1, -1]  # 120 pixels to the right are one radian
    assert before != after
    assert [float(value) for value in after.split()] == pytest.approx(places[0], abs=0.5)
    assert fill == packed(shown.html())["fills"]["second"][5] and legend == "0.05.0" and about == "label: b"
