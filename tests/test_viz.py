import base64
import dataclasses
import html
import io
import json
import os
import re
import subprocess
import sys
import warnings
from itertools import pairwise

import nbformat
import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from nbconvert import HTMLExporter
from PIL import Image

from tdsm.data.clips import Clip
from tdsm.data.layouts import COCO_17, NTU_25, OPENPOSE_18
from tdsm.util.errors import InputError
from tdsm.viz import alignment, animation, charts, plots, stills, style

# Where the joints of a standing person are, in metres: (left of the body's middle, up, towards the sensor).
PLACES = {
    "spine base": (0, 0.95, 0), "spine middle": (0, 1.2, 0), "spine shoulder": (0, 1.42, 0), "neck": (0, 1.5, 0), "head": (0, 1.65, 0),
    "nose": (0, 1.65, 0.1), "eye": (0.03, 1.68, 0.08), "ear": (0.07, 1.66, 0), "shoulder": (0.2, 1.42, 0), "elbow": (0.24, 1.15, 0), "wrist": (0.25, 0.9, 0.05),
    "hand": (0.25, 0.82, 0.05), "hand tip": (0.25, 0.75, 0.05), "thumb": (0.22, 0.8, 0.1), "hip": (0.1, 0.92, 0), "knee": (0.11, 0.5, 0.02),
    "ankle": (0.11, 0.08, 0), "foot": (0.11, 0.03, 0.12),
}  # fmt: skip


def standing(layout, frames=12, label="raise both arms", name="raising"):
    """A person who faces the sensor and raises both arms to the side: in sensor metres, or pixels where the layout has them."""
    joints = np.zeros((frames, len(layout), 3))
    for index, joint in enumerate(layout.joints):
        side, _, rest = joint.partition(" ")
        sign = {"left": 1, "right": -1}.get(side, 0)
        out, up, towards = PLACES[rest if sign else joint]
        for frame, turn in enumerate(np.linspace(0, np.pi / 2, frames)):
            if rest in ("elbow", "wrist", "hand", "hand tip", "thumb"):
                length = 1.42 - PLACES[rest][1]
                out, up = 0.2 + length * np.sin(turn), 1.42 - length * np.cos(turn)
            # Kinect's x grows to its own left, which is the right of a person who faces it.
            joints[frame, index] = -sign * out, up - 1.0, 3.0 - towards
    if layout.dims == 2:
        joints = np.stack([400 - 200 * joints[..., 0], 300 - 200 * joints[..., 1]], -1)
    return Clip(joints, layout, label, name=name)


def payload(page):
    (clip,) = json.loads(re.search(r'id="clip">(.*?)</script>', page, re.S).group(1))
    return clip


def decoded(data):
    codes = np.frombuffer(base64.b64decode(data["joints"]), "<i2").reshape(data["shape"])
    return np.where(codes == animation.MISSING, np.nan, np.array(data["offset"]) + data["step"] * codes)


def test_player_page_needs_no_network_and_is_small():
    crowd = np.tile(standing(NTU_25).joints, (2, 25, 1, 1))
    page = animation.player(Clip(crowd, NTU_25, "hug"), "punch", {f"class {i}": 1 / (i + 1) for i in range(60)}).html()
    assert not re.search(r"https?://|//[a-z]+\.|\bsrc=|\bimport\b|fetch\(|@import|url\(", page)
    assert page.startswith("<!DOCTYPE html>")
    assert len(page.encode()) <= 50_000
    assert "every 8th frame" in page


@pytest.mark.parametrize("layout", [NTU_25, OPENPOSE_18, COCO_17], ids=lambda layout: layout.name)
def test_player_joints_equal_the_clip_within_a_step(layout):
    clip = standing(layout)
    data = payload(animation.player(clip).html())
    assert decoded(data).shape == clip.joints.shape
    assert np.abs(decoded(data) - clip.joints).max() <= data["step"]
    assert data["step"] < np.ptp(clip.joints) / 60_000


def test_player_leaves_out_absent_persons_and_missed_joints():
    one = standing(COCO_17).joints
    missed = one.copy()
    missed[0, 3, 7] = 0
    missed[0, 5] = 0
    joints = decoded(payload(animation.player(Clip(np.concatenate([missed, 0 * one, one]), COCO_17)).html()))
    assert joints.shape[0] == 2
    assert np.isnan(joints[0, 3, 7]).all()
    assert np.isnan(joints[0, 5]).all()
    assert np.isnan(joints).sum() == 2 + 2 * 17


def test_player_escapes_what_users_name():
    evil = '</script><b>"x"&'
    shown = animation.player(dataclasses.replace(standing(NTU_25), label=evil, name=evil), evil, {evil: 1.0})
    page = shown.html()
    assert "<b>&quot;" not in page
    assert '<b>"' not in page
    assert page.count("</script>") == animation.player(standing(NTU_25)).html().count("</script>")
    assert html.escape(evil) in page
    frame = shown._repr_html_()
    words, source = re.fullmatch(
        r'<div style="[^"]*"><img alt="([^"]*)" style="[^"]*" src="data:[\w/;,+=]*"><iframe srcdoc="([^"]*)" sandbox="allow-scripts"[^>]*></iframe></div>',
        frame,
    ).groups()
    assert html.unescape(source) == page
    assert html.unescape(words) == evil


@pytest.mark.parametrize("layout", [NTU_25, OPENPOSE_18, COCO_17], ids=lambda layout: layout.name)
def test_a_player_carries_a_still_of_the_body_twice(layout):
    joints = np.tile(standing(layout).joints, (1, 20, 1, 1))
    clip = Clip(joints, layout, "挥手 $x_$ " + "a long label " * 6)
    shown = animation.player(clip, "throw")
    png = shown._repr_png_()
    assert base64.b64encode(png).decode() in shown._repr_html_()
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert picture.shape[1] == 504
    assert len(png) < 9_000
    body = picture[-stills.STILL_BODY - stills.STILL_LINE :]
    for colour in (style.LEFT, style.RIGHT):  # limbs of both sides, to the resolution of the palette
        wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
        assert (np.abs(body.astype(int) - wanted).max(axis=-1) < 40).sum() > 100
    assert len(shown._repr_html_().encode()) + 4 * len(png) / 3 < 50_000
    assert animation.player(clip, "throw").still == png


def test_a_gallery_has_one_still_of_all_its_clips():
    shown = animation.gallery([standing(NTU_25, label=f"label {number}") for number in range(4)])
    assert Image.open(io.BytesIO(shown.still)).size == (3 * stills.STILL_OF_MANY, 2 * (stills.STILL_BODY + 2 * stills.STILL_LINE))


def test_true_and_predicted_differ_in_words_and_symbol():
    clip = standing(NTU_25)
    wrong, right = animation.player(clip, "throw").html(), animation.player(clip, clip.label).html()
    assert "true: raise both arms" in wrong
    assert "✗ predicted: throw" in wrong
    assert "✓ true and predicted: raise both arms" in right
    assert animation.strip(clip, "throw").get_suptitle().split("     ") == ["true: raise both arms", "✗ predicted: throw"]


def test_player_saves_the_page_and_leaves_nothing_else(tmp_path):
    shown = animation.player(standing(NTU_25))
    path = shown.save(tmp_path / "clip.html")
    assert path.read_text(encoding="utf-8") == shown.html()
    assert [file.name for file in tmp_path.iterdir()] == ["clip.html"]
    assert "raising" in repr(shown)


def bars(page):
    """(label, left end, width) of each bar, in percent."""
    found = re.findall(r'<div class=row><span>(.*?)</span><i>.*?<u style="left:([\d.]+)%;width:([\d.]+)%">', page)
    return [(name, float(left), float(width)) for name, left, width in found]


def test_score_bars_are_sorted_and_begin_at_zero():
    page = animation.player(standing(NTU_25), scores={"a": -2.0, "raise both arms": 3.0, "c": 0.5}).html()
    assert bars(page) == [("raise both arms &nbsp;(true)", 40.0, 60.0), ("c", 40.0, 10.0), ("a", 0.0, 40.0)]
    assert page.count('<s style="left:40.0%">') == 3  # the line of 0
    page = animation.player(standing(NTU_25), scores={"a": -2.0, "raise both arms": -1.0}).html()
    assert bars(page) == [("raise both arms &nbsp;(true)", 0.0, 100.0), ("a", 0.0, 0.0)]
    assert "Bars begin at the lowest score, -2." in page
    long = {f"label {number}": 10.0 - number for number in range(10)} | {"raise both arms": 0.0}
    assert [name for name, *_ in bars(animation.player(standing(NTU_25), scores=long).html())][7:] == ["label 7", "raise both arms &nbsp;(true)"]
    with pytest.raises(InputError, match="'a' is nan"):
        animation.player(standing(NTU_25), scores={"a": float("nan")})


def test_nobody_to_draw_is_an_input_error():
    empty = Clip(np.zeros((1, 4, 25, 3)), NTU_25, name="empty.npy")
    for draw in (animation.player, animation.strip):
        with pytest.raises(InputError, match=r"empty\.npy: joints are all zero"):
            draw(empty)
    with pytest.raises(InputError, match="frames is 0"):
        animation.strip(standing(NTU_25), frames=0)


@pytest.mark.parametrize("layout", [NTU_25, OPENPOSE_18, COCO_17], ids=lambda layout: layout.name)
def test_strip_stands_upright_on_one_scale(layout):
    figure = animation.strip(standing(layout), frames=6)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 6
    figure.draw_without_rendering()
    for ax in figure.axes:
        (limbs,) = (artist for artist in ax.collections if isinstance(artist, LineCollection))
        feet = min(segment[:, 1].min() for segment in limbs.get_segments())
        (head,) = (artist for artist in ax.lines if artist.get_gid() == "head")
        to_screen = ax.transData.transform
        assert to_screen((0, head.get_ydata()[0]))[1] > to_screen((0, feet))[1] + 50
        assert ax.get_aspect() == 1
        assert (ax.get_xlim(), ax.get_ylim()) == (figure.axes[0].get_xlim(), figure.axes[0].get_ylim())


@pytest.mark.parametrize("layout", [NTU_25, COCO_17], ids=lambda layout: layout.name)
def test_the_sensor_sees_the_left_of_a_facing_person_on_its_right(layout):
    seen = animation.seen_from_sensor(standing(layout))
    left, right = layout.hips
    assert (seen[..., left, 0] > seen[..., right, 0]).all()


def test_walking_round_keeps_heights_and_distances():
    clip = standing(NTU_25)
    straight, turned = animation.seen_from_sensor(clip), animation.seen_from_sensor(clip, yaw=40)
    assert turned[..., 1] == pytest.approx(straight[..., 1])
    assert np.linalg.norm(turned[0, :, 0] - turned[0, :, 7], axis=-1) == pytest.approx(np.linalg.norm(straight[0, :, 0] - straight[0, :, 7], axis=-1))


def test_strip_of_a_short_clip_of_two_persons():
    joints = standing(NTU_25, frames=3).joints
    figure = animation.strip(Clip(np.concatenate([joints, joints + np.array([1.0, 0, 0])]), NTU_25), frames=7)
    assert len(figure.axes) == 3
    assert all(len([line for line in ax.lines if line.get_gid() == "head"]) == 2 for ax in figure.axes)


def test_confusion_writes_percent_and_count_and_leaves_empty_rows():
    figure, ax = plots.confusion(np.array([[3, 1], [0, 0]]), ["sit down", "stand up"], ["sit down", "stand up"])
    assert [text.get_text() for text in ax.texts] == ["75%\n3", "25%\n1"]
    assert ax.images[0].get_array().sum() == pytest.approx(1)
    figure.draw_without_rendering()


def test_confusion_sorts_rows_by_recall_and_columns_alike():
    matrix = np.array([[0, 4, 0], [0, 3, 1], [2, 0, 2]])
    _, ax = plots.confusion(matrix, ["a", "b", "c"], ["a", "b", "c"])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [tick.get_text() for tick in ax.get_xticklabels()] == ["b", "c", "a"]
    assert ax.images[0].get_array().tolist() == [[0.75, 0.25, 0.0], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]
    _, ax = plots.confusion(matrix, ["a", "b", "c"], ["a", "b", "c"], by_recall=False)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize("classes", [3, 12, 13, 27, 60, 120])
def test_confusion_fits_a_notebooks_column_and_cuts_no_label(classes):
    labels = [f"pick up a box with both hands and put it on shelf number {number}" for number in range(classes)]
    figure, ax = plots.confusion(np.eye(classes, classes + 1), labels, [*labels, "walk"])
    figure.draw_without_rendering()
    assert figure.get_figwidth() <= 10
    names = [tick.get_text().replace("\n", " ") for tick in ax.get_yticklabels()]
    numbered = classes + 1 > plots.NAMED
    assert names == [f"{label}\u00a0·\u00a0{number}" if numbered else label for number, label in enumerate(labels, 1)]
    boxes = [tick.get_window_extent() for tick in ax.get_yticklabels()]
    assert min(box.x0 for box in boxes) >= 0
    assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(boxes))  # no label on another
    assert (f"{classes + 1}\u00a0walk" in ax.get_xlabel()) == numbered


@pytest.mark.parametrize(
    ("matrix", "message"),
    [(np.eye(3), r"shape \(3, 3\)"), (np.ones(4), r"shape \(4,\)"), (-np.ones((2, 2)), "negative"), (np.full((2, 2), np.nan), "not a number")],
)
def test_confusion_refuses_what_does_not_fit(matrix, message):
    with pytest.raises(InputError, match=message):
        plots.confusion(matrix, ["a", "b"], ["a", "b"])


def test_history_draws_each_column_where_it_has_values():
    rows = [{"step": 10, "loss": 2.0}, {"step": 20, "loss": 1.0, "accuracy": 0.5}]
    _, ax = plots.history(rows)
    assert {line.get_label(): line.get_xdata().tolist() for line in ax.lines} == {"loss": [10, 20], "accuracy": [20]}
    assert len({line.get_linestyle() for line in ax.lines}) == 2
    figure = Figure()
    given = figure.subplots()
    assert plots.history(rows, ["loss"], ax=given) == (figure, given)
    with pytest.raises(InputError, match="no column 'lost'; choose among: loss, accuracy"):
        plots.history(rows, ["lost"])
    with pytest.raises(InputError, match="no rows"):
        plots.history([])


def test_ranking_always_shows_the_true_label():
    _, ax = plots.ranking({"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.0}, true="d", top=2)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["1. a", "2. b", "4. d ✓ true"]
    assert ax.lines[0].get_xdata() == [0, 0]  # bars begin there
    long = "throw a ball overhead with the right hand while standing on one leg"
    figure, ax = plots.ranking({long: 0.75, "b": 0.25}, true=long, form=".0%")
    assert ax.get_yticklabels()[0].get_text().replace("\n", " ") == f"1. {long} ✓ true"
    assert [text.get_text() for text in ax.texts] == ["75%", "25%"]
    figure.draw_without_rendering()
    assert min(tick.get_window_extent().x0 for tick in ax.get_yticklabels()) >= 0
    with pytest.raises(InputError, match="'e' has no score"):
        plots.ranking({"a": 1.0}, true="e")
    with pytest.raises(InputError, match="not a number"):
        plots.ranking({"a": float("inf")})


def clusters(classes=4, each=15, width=16, noise=0.05):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    return np.eye(width)[labels] + noise * rng.normal(size=(len(labels), width)), labels


def test_pca_is_deterministic_and_keeps_the_two_widest_directions():
    features, _ = clusters()
    points = alignment.project(features, "pca")
    assert points.shape == (60, 2)
    assert (points == alignment.project({"clips": features[:50], "text": features[50:]}, "pca")).all()
    assert points == pytest.approx(alignment.project(7 * features, "pca"), abs=1e-6)
    assert points.mean(0) == pytest.approx(0, abs=1e-6)
    assert points[:, 0].var() >= points[:, 1].var()


@pytest.mark.slow
def test_the_first_umap_of_a_process_leaves_the_number_of_threads():
    """numba would set torch's to the number of cores: what is trained after a map would not be, bit for bit, what is trained before one."""
    code = """
import numpy as np, torch
from tdsm.viz.alignment import project
torch.set_num_threads(1)
before = torch.get_num_threads()  # asked, as by any parallel work, torch sets up its threads
project(np.random.default_rng(0).normal(size=(100, 4)), "umap")
print(before, torch.get_num_threads())
"""
    environment = os.environ | {"NUMBA_NUM_THREADS": "2"}
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout == "1 1\n"


@pytest.mark.slow
def test_umap_is_seeded_silent_and_takes_few_rows():
    features, labels = clusters()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points = alignment.project(features, "umap", seed=3)
        assert (points == alignment.project(features, "umap", seed=3)).all()
        assert alignment.project(features[:3], "umap").shape == (3, 2)
    near = ((points[:, None] - points[None]) ** 2).sum(-1) + np.diag(np.full(60, np.inf))
    assert (labels[near.argmin(1)] == labels).mean() > 0.95


@pytest.mark.parametrize(
    ("features", "method", "message"),
    [
        (np.ones((2, 4)), "pca", "2 rows"),
        (np.ones(4), "pca", "shape"),
        (np.full((4, 4), np.nan), "pca", "NaN"),
        ({"a": np.ones((4, 4)), "b": np.ones((4, 5))}, "pca", "widths differ"),
        (np.ones((4, 4)), "tsne", "choose umap or pca"),
    ],
)
def test_project_refuses_bad_input(features, method, message):
    with pytest.raises(InputError, match=message):
        alignment.project(features, method)


def test_knn_agreement_is_one_for_clusters_and_chance_for_shuffled_labels():
    features, labels = clusters(each=50)
    assert alignment.knn_agreement(features, labels) == 1
    shuffled = np.random.default_rng(1).permutation(labels)
    assert alignment.knn_agreement(features, shuffled) == pytest.approx(0.25, abs=0.05)
    assert alignment.knn_agreement(features * np.linspace(1, 9, 200)[:, None], labels) == 1
    for k in (0, 200):
        with pytest.raises(InputError, match=f"k is {k} for 200 rows"):
            alignment.knn_agreement(features, labels, k)
    with pytest.raises(InputError, match="one label a row"):
        alignment.knn_agreement(features, labels[:-1])


def test_modality_gap_goes_from_nothing_to_opposite():
    features, _ = clusters()
    assert alignment.modality_gap(features, 3 * features) == pytest.approx(0)
    assert alignment.modality_gap(np.array([[5.0, 0]]), np.array([[-1.0, 0]])) == pytest.approx(2)
    with pytest.raises(InputError, match="widths differ"):
        alignment.modality_gap(features, features[:, :3])


def test_scatter_names_the_stars_and_matches_their_colours():
    points = np.array([[0, 0], [1, 1], [2, 0]])
    figure, ax = alignment.scatter(points, ["b", "a", "b"], "map", "agreement 0.5", text_points=points[:2] + 0.1, text_labels=["b", "c"])
    assert [text.get_text() for text in ax.texts] == ["b", "c"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["b", "c", "a"]
    assert ax.get_xlabel() == "agreement 0.5"
    assert ax.collections[0].get_facecolor()[0, :3] == pytest.approx(ax.collections[3].get_facecolor()[0, :3])
    figure.draw_without_rendering()
    with pytest.raises(InputError, match="text_points"):
        alignment.scatter(points, ["b", "a", "b"], text_points=points, text_labels=["b"])


def test_seventy_classes_look_different():
    assert len({style.look(index) for index in range(70)}) == 70


def chart():
    figure = go.Figure()
    figure.add_scatter3d(
        x=[0.0, 1.0], y=[0.0, 2.0], z=[0.0, 1.0], mode="markers+text", text=["a<br>b", "c"], name="wave &amp; clap", marker={"symbol": "diamond"}
    )
    figure.add_scatter3d(x=[0.0, 1.0], y=[1.0, 1.0], z=[0.0, 1.0], mode="lines", line={"color": "#D55E00"}, showlegend=False)
    figure.add_scatter3d(x=[0.0, 1.0], y=[1.0, 0.0], z=[0.0, 1.0], mode="markers", marker={"color": [0.1, 0.9], "size": 4}, name="time")
    return charts.Chart(figure.update_layout(title="a map"))


def test_a_plotly_figure_survives_in_a_page_of_nbconvert():
    shown = chart()._repr_mimebundle_()
    assert shown[charts.PLOTLY]["data"][1]["line"]["color"] == "#D55E00"
    output = nbformat.v4.new_output("display_data", data=shown)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("chart", outputs=[output])])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert f"data:image/png;base64,{shown['image/png']}" in page.replace("\n", "")


def test_the_static_picture_of_a_chart_has_its_data():
    figure = charts.drawn(chart().figure)
    (ax,) = figure.axes
    assert ax.name == "3d"
    assert ax.get_title() == "a map"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["wave & clap", "time"]
    assert [text.get_text() for text in ax.texts] == ["a\nb", "c"]
    first, second = ax.collections
    assert np.array(first._offsets3d).tolist() == [[0, 1], [0, 2], [0, 1]]
    assert second.get_array().tolist() == [0.1, 0.9]
    assert ax.lines[0].get_color() == "#D55E00"
    flat = charts.drawn(go.Figure(go.Scatter(x=[1, 2], y=[3, 4], mode="markers")).update_xaxes(visible=False))
    assert flat.axes[0].collections[0].get_offsets().tolist() == [[1, 3], [2, 4]]
    assert not flat.axes[0].axison
    with pytest.raises(InputError, match="type 'bar' has no static picture"):
        charts.Chart(go.Figure(go.Bar(y=[1]))).picture()
    own = Figure(figsize=(1, 1))
    assert charts.Chart(go.Figure(go.Bar(y=[1])), own).picture().startswith(b"\x89PNG")


def test_the_static_picture_of_a_chart_reads_what_plotly_reads():
    hidden = go.Figure([go.Scatter(y=[1, 2], mode="markers", name="a"), go.Scatter(y=[5, 5], name="b", visible=False)])
    hidden.add_scatter(x=[7], y=[7], name="c", visible="legendonly")
    (ax,) = charts.drawn(hidden).axes
    assert [each.get_offsets().tolist() for each in ax.collections] == [[[0, 1], [1, 2]]]
    marks = {"color": ["rgb(255, 0, 0)", "rgba(0, 0, 255, 0.5)"]}
    (ax,) = charts.drawn(go.Figure(go.Scatter(x=[1, 2], y=[1, 2], mode="markers+text", marker=marks, text=["one"]))).axes
    np.testing.assert_allclose(ax.collections[0].get_facecolors()[:, :3], [[1, 0, 0], [0, 0, 1]])
    assert [text.get_text() for text in ax.texts] == ["one"]
    assert charts.drawn(go.Figure(go.Scatter())).axes
    for figure, says in (
        (go.Figure([go.Scatter(y=[1]), go.Scatter3d(x=[1], y=[1], z=[1])]), "2-D traces beside 3-D traces"),
        (go.Figure(go.Scatter(y=[1], line={"color": "hsl(20,50%,50%)"})), r"the colour 'hsl\(20,50%,50%\)' has no static picture; write it as #D55E00"),
    ):
        with pytest.raises(InputError, match=says):
            charts.drawn(figure)


def test_classes_of_a_map_have_colours_that_nobody_confuses():
    """No two orange: any two of the colours differ clearly in hue or in lightness (in the space OKLab), and all show on white."""
    colours = [style.class_look(index)[0] for index in range(19)]
    lab = np.array([oklab(colour) for colour in colours])
    apart = np.linalg.norm(lab[:, None] - lab, axis=2)[np.triu_indices(19, 1)]
    assert apart.min() > 0.09
    assert lab[:, 0].max() < 0.82
    assert len({style.class_look(index) for index in range(190)}) == 190


def oklab(colour):
    """B. Ottosson's OKLab of a colour."""
    share = np.array(to_rgb(colour))
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    cone = np.cbrt(
        np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]]) @ linear
    )
    return (
        np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099], [0.0259040371, 0.7827717662, -0.8086757660]]) @ cone
    )
