"""Widgets: the pictures behind them, that a choice shows the right one, and one line in place of a traceback."""

import ast
import inspect
from dataclasses import asdict

import numpy as np
import pytest
import torch
from ipywidgets import HTML, Button, Dropdown, GridBox, IntSlider, Select, Text, Textarea
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from standins import TINY_ALIGNED

import tdsm
from tdsm.config import override
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.prompts import load_prompts
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.evaluate import zero_shot_report
from tdsm.train import train_recognizer
from tdsm.util.errors import InputError
from tdsm.util.files import write_json
from tdsm.util.history import write_history
from tdsm.viz import asking, panels, plots, widgets
from tdsm.viz.compare import png

FEW = override(TINY_ALIGNED, {"diffusion.noises": 3, "train.steps": 2})


@pytest.fixture(scope="module")
def clips():
    return synthetic_clips(3, seed=0, actions=[*SEEN[:2], *UNSEEN[:4]])


@pytest.fixture(scope="module")
def unseen(clips):
    return clips.of_classes(UNSEEN[:4])


@pytest.fixture(scope="module")
def recognizer(clips):
    return train_recognizer(clips.of_classes(SEEN[:2]), FEW, descriptions=load_prompts("synthetic"))


@pytest.fixture(scope="module")
def report(recognizer, unseen):
    return zero_shot_report(recognizer, unseen)


@pytest.fixture
def shown(monkeypatch):
    """What the widgets show, in order: objects, HTML, and problems as HTML."""
    found, as_html, one_line = [], panels._as_html, panels.one_line
    monkeypatch.setattr(panels, "_as_html", lambda made: (found.append(made), as_html(made))[1])
    monkeypatch.setattr(panels, "one_line", lambda error: (found.append(one_line(error)), one_line(error))[1])
    return found


def parts(widget, kind):
    """All widgets of a kind inside another, by description, or by number where they have none."""
    waiting, found = [widget], {}
    while waiting:
        one = waiting.pop(0)
        waiting += getattr(one, "children", ())
        if isinstance(one, kind):
            found[getattr(one, "description", len(found))] = one
    return found


def parts_in_order(widget, kind):
    """All widgets of a kind inside another, depth first."""
    inner = [found for one in getattr(widget, "children", ()) for found in parts_in_order(one, kind)]
    return [widget, *inner] if isinstance(widget, kind) else inner


def ticks(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


# ---- explore


def test_a_clip_is_found_by_class_subject_and_number(clips):
    label = UNSEEN[1]
    subjects = [clip.subject for clip in clips if clip.label == label]
    assert len(subjects) == 3
    assert widgets.show_clip(clips, label).name == f"{label} #0 · subject {subjects[0]} · 1 of 3"
    assert widgets.show_clip(clips, label, number=3).name == f"{label} #2 · subject {subjects[2]} · 3 of 3"
    assert widgets.show_clip(clips, label, subjects[1]).name == f"{label} #1 · subject {subjects[1]} · 1 of 1"


def test_a_clip_that_is_not_there_is_refused(clips):
    with pytest.raises(InputError, match="has no clip of 'sing'"):
        widgets.show_clip(clips, "sing")
    with pytest.raises(InputError, match="by p77; choose"):
        widgets.show_clip(clips, UNSEEN[0], "p77")
    for number in (0, 4):
        with pytest.raises(InputError, match=f"number is {number}; give 1 to 3"):
            widgets.show_clip(clips, UNSEEN[0], number=number)


def test_explore_shows_what_is_chosen_and_never_asks_for_more_clips_than_there_are(clips, shown):
    made = widgets.explore(clips)
    menus, number = parts(made, Dropdown), parts(made, IntSlider)["clip"]
    assert shown[-1].name == widgets.show_clip(clips, clips.classes[0]).name
    assert number.max == 3
    number.value = 3
    assert " 3 of 3" in shown[-1].name
    menus["subject"].value = clips[1].subject
    assert (number.value, number.max) == (1, 1)
    menus["class"].value = UNSEEN[2]
    assert shown[-1].name == widgets.show_clip(clips, UNSEEN[2], clips[1].subject).name
    assert not [one for one in shown if isinstance(one, str)]


def test_a_class_that_the_subject_never_did_is_said_in_one_line(clips, shown):
    lacking = ClipSet(tuple(clip for clip in clips if (clip.label, clip.subject) != (SEEN[1], "p1")), clips.classes, "lacking")
    menus = parts(widgets.explore(lacking), Dropdown)
    menus["subject"].value = "p1"
    menus["class"].value = SEEN[1]
    assert "lacking: has no clip of" in shown[-1]
    assert "Traceback" not in shown[-1]


# ---- ask


def test_typed_labels_are_ranked_as_the_recognizer_ranks_them(recognizer, unseen):
    clip = unseen[4]
    typed = ["wave hello", clip.label, "kick a ball"]
    figure = widgets.rank(recognizer, clip, f" {typed[0]},{typed[1]} ,, {typed[2]},")
    ranking = recognizer.predict(clip, typed)[0]
    expected = [f"{place}. {label}{' ✓ true' if label == clip.label else ''}" for place, (label, _) in enumerate(ranking, 1)]
    assert ticks(figure.axes[0]) == expected
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(widths, [score - ranking[-1][1] for _, score in ranking], atol=1e-7)
    assert widths[-1] == 0


def test_ask_shows_a_new_ranking_for_other_labels_and_one_line_for_bad_ones(recognizer, unseen, shown):
    made = widgets.ask(recognizer, unseen)
    text, clip = parts(made, Text)["labels"], parts(made, Dropdown)["clip"]
    assert text.value == ", ".join(unseen.classes)
    assert "data:image/png" in shown[-1]
    assert "The true label has rank 1 of 4." in shown[-1] or "ranks first for 0 of the 4" in first_words(made)
    before = len(shown)
    text.value = "jump, swim"
    assert len(shown) == before + 1  # the clip continues to play
    assert "The true label is not among these labels." in shown[-1]
    for bad, words in (
        ("", "labels: 0 typed; type two or more"),
        (" ,jump,", "labels: 1 typed"),
        ("jump, swim, jump", "&#x27;jump&#x27; is given twice; give each label once"),
    ):
        text.value = bad
        assert words in shown[-1], bad
    text.value = "<b>jump</b>, <b>jump</b>"
    assert "<b>" not in shown[-1]
    text.value = "jump, swim"
    clip.value = 5
    assert shown[-2].name == unseen[5].name
    assert "data:image/png" in shown[-1]


def first_words(made):
    """What the widget says above its panes."""
    return " ".join(area.value for area in parts_in_order(made, HTML) if "iframe" not in area.value and "image/png" not in area.value)


def test_an_old_ranking_is_gone_while_a_new_one_is_computed(recognizer, unseen):
    made = widgets.ask(recognizer, unseen)
    (ranked,) = (area for area in parts_in_order(made, HTML) if "data:image/png" in area.value)
    seen, old = [], ranked.value
    ranked.observe(lambda change: seen.append(change["new"]), "value")
    parts(made, Text)["labels"].value = "jump, swim"
    assert len(seen) == 2
    assert "ranking the labels" in seen[0]
    assert "data:image" not in seen[0]
    assert seen[1] != old
    assert "jump" in seen[1]


def test_a_problem_of_another_kind_is_shown_and_raised():
    def make(value):
        if value:
            raise RuntimeError("<out of memory>")
        return "fine"

    control = Text("")
    area = panels.screen(make, busy="computing", value=control)
    assert area.value == "fine"
    with pytest.raises(RuntimeError, match="out of memory"):
        control.value = "x"
    assert "RuntimeError: &lt;out of memory&gt;" in area.value


def test_descriptions_that_are_typed_reach_the_recognizer_and_how_a_label_is_read(recognizer, unseen):
    clip = unseen[0]
    plain = asking.predicted(recognizer, clip, "jump, something else")
    given = asking.predicted(recognizer, clip, "jump, something else", " something else : the body bends forwards: deeply\n\n")
    asked = recognizer.predict(clip, ["jump", "something else"], {"something else": "the body bends forwards: deeply"})
    np.testing.assert_array_equal(given.scores, asked.scores)
    assert given.scores[0, 0] == plain.scores[0, 0]
    assert given.scores[0, 1] != plain.scores[0, 1]
    assert "description" in given.readings[1].how
    assert f"<td style='text-align:left'>{given.readings[1].how}</td>" in asking._answered(given, clip)
    for bad, words in (("no colon here", "has no sentence"), ("jump:", "has no sentence"), ("swim: arms move", "'swim' is not among the labels")):
        with pytest.raises(InputError, match=words):
            asking.predicted(recognizer, clip, "jump, something else", bad)
    made = widgets.ask(recognizer, unseen)
    ranked = next(area for area in parts_in_order(made, HTML) if "data:image/png" in area.value)
    parts(made, Text)["labels"].value = "jump, swim"
    before = ranked.value
    parts(made, Textarea)["descriptions"].value = "jump: both feet leave the ground"
    assert ranked.value != before


def test_probabilities_are_shown_where_the_recognizer_has_them(unseen):
    figure = widgets.rank(tdsm.pretrained(), unseen[0], ", ".join(UNSEEN[:4]))
    answer = tdsm.pretrained().predict(unseen[0], list(UNSEEN[:4]))
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(widths, sorted(answer.probabilities[0], reverse=True), atol=1e-6)
    assert f"none of these: {answer.none_of_these[0]:.0%}" in figure.get_supxlabel()


def test_a_saved_widget_has_a_still_picture_and_words(recognizer, unseen):
    for made in (widgets.ask(recognizer, unseen), widgets.explore(unseen), widgets.noise_study(recognizer, unseen[0], UNSEEN[:4])):
        bundle = made._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in bundle
        assert bundle["image/png"] in bundle["text/html"]
        assert len(bundle["image/png"]) < 40_000
        assert bundle["text/plain"].endswith("this is its first view.")


# ---- noise study


def test_with_the_recognizers_own_settings_the_mean_over_noises_is_its_answer(recognizer, unseen):
    labels = [*UNSEEN[:4], "something nobody described"]
    alone = widgets.noise_scores(recognizer, unseen[2], labels)
    assert alone.shape == (5, 3)
    np.testing.assert_allclose(alone.mean(axis=1), recognizer.scores(recognizer.features(unseen[2]), labels)[0], rtol=1e-4, atol=1e-6)
    assert alone.std(axis=1).min() > 0


def test_more_noises_keep_the_first_and_another_step_gives_other_scores(recognizer, unseen):
    own = widgets.noise_scores(recognizer, unseen[0], UNSEEN[:4])
    more = widgets.noise_scores(recognizer, unseen[0], UNSEEN[:4], noises=7)
    np.testing.assert_allclose(more[:, :3], own, rtol=1e-4, atol=1e-6)
    assert len(np.unique(more[0].round(7))) == 7
    np.testing.assert_array_equal(more, widgets.noise_scores(recognizer, unseen[0], UNSEEN[:4], noises=7))
    np.testing.assert_allclose(widgets.noise_scores(recognizer, unseen[0], UNSEEN[:4], noises=2), own[:, :2], rtol=1e-4, atol=1e-6)
    assert not np.allclose(widgets.noise_scores(recognizer, unseen[0], UNSEEN[:4], t=2), own, rtol=1e-2)


def test_the_study_leaves_the_recognizer_as_it_was(recognizer, unseen, shown):
    matcher = recognizer.matcher
    before = {name: value.clone() for name, value in matcher.state_dict().items()}
    settings, scores = matcher.diffusion, recognizer.predict(unseen, UNSEEN[:4]).scores
    sliders = parts(widgets.noise_study(recognizer, unseen[0], UNSEEN[:4]), IntSlider)
    assert (sliders["t_test"].value, sliders["t_test"].max, sliders["noises"].value) == (25, 49, 3)
    sliders["t_test"].value = 5
    sliders["noises"].value = 16
    assert len(shown) == 3
    assert len({png(one) for one in shown}) == 3
    assert matcher.diffusion is settings
    after = matcher.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    np.testing.assert_array_equal(recognizer.predict(unseen, UNSEEN[:4]).scores, scores)


def test_the_noise_figure_says_how_many_noises_agree(recognizer, unseen):
    clip = unseen[0]
    alone = widgets.noise_scores(recognizer, clip, UNSEEN[:4], 10, 9)
    best = int(alone.mean(axis=1).argmax())
    figure = widgets.noise_effect(recognizer, clip, UNSEEN[:4], 10, 9)
    ax = figure.axes[0]
    assert ticks(ax)[0].removesuffix(" ✓ true") == UNSEEN[best]
    assert f"{clip.label} ✓ true" in ticks(ax)
    agree = int((alone.argmax(axis=0) == best).sum())
    assert figure.get_suptitle() == f"t_test = 10: {UNSEEN[best]}\n{agree} of 9 noises agree, each taken alone"


@pytest.mark.parametrize(("asked", "words"), [({"t": 50}, "test_step"), ({"t": -1}, "test_step"), ({"noises": 0}, "noises")])
def test_settings_outside_the_schedule_are_refused(recognizer, unseen, asked, words):
    with pytest.raises(InputError, match=words):
        widgets.noise_scores(recognizer, unseen[0], UNSEEN[:4], **asked)
    with pytest.raises(InputError, match="given twice"):
        widgets.noise_scores(recognizer, unseen[0], ["a", "a"])


# ---- confusion matrix


def test_the_cells_hold_every_clip_once(report, unseen):
    counts, seen = report.confusion(), []
    for i, true in enumerate(report.labels):
        for j, predicted in enumerate(report.labels):
            behind = widgets.clips_behind(report, unseen, true, predicted)
            assert len(behind) == counts[i, j]
            assert {clip.label for clip in behind} <= {true}
            seen += behind
    assert len(seen) == len(unseen) == len({id(clip) for clip in seen})


def test_a_report_of_other_clips_is_refused(report, unseen):
    with pytest.raises(InputError, match="not of these 11 clips"):
        widgets.clips_behind(report, unseen[1:], UNSEEN[0], UNSEEN[0])
    with pytest.raises(InputError, match="no label 'swim'"):
        widgets.clips_behind(report, unseen, UNSEEN[0], "swim")
    i, j = np.argwhere(report.confusion() == 0)[0]
    with pytest.raises(InputError, match="choose another cell"):
        widgets.show_confused(report, unseen, report.labels[i], report.labels[j])


def test_a_click_on_a_cell_opens_the_clips_behind_it(report, unseen, shown):
    made = widgets.confusion_browser(report, unseen)
    menu, number = parts(made, Dropdown)["cell"], parts(made, IntSlider)["clip"]
    (grid,) = parts(made, GridBox).values()
    buttons = [child for child in grid.children if isinstance(child, Button)]
    counts = report.confusion()
    order, _ = plots.by_accuracy(counts, report.labels, report.labels)
    cells = [(i, j) for i in order for j in order]
    assert [int(button.description or 0) for button in buttons] == [counts[at] for at in cells]
    assert [button.disabled for button in buttons] == [counts[at] == 0 for at in cells]
    for (i, j), button in zip(cells, buttons, strict=True):
        if button.disabled:
            continue
        button.click()
        assert menu.value == (i, j)
        assert [other for other in buttons if other.layout.border_top.startswith("3px")] == [button]
        assert number.max == counts[i, j]
        number.value = number.max
        behind = widgets.clips_behind(report, unseen, report.labels[i], report.labels[j])
        assert shown[-1].name == f"{behind[-1].name} · {len(behind)} of {len(behind)}"
        assert "predicted" in shown[-1].html()


def test_many_classes_give_a_picture_in_place_of_buttons(report, unseen, shown, monkeypatch):
    monkeypatch.setattr(widgets, "GRID_CLASSES", 3)
    made = widgets.confusion_browser(report, unseen)
    assert not parts(made, GridBox)
    assert isinstance(shown[-1], Figure)
    (cells,) = parts(made, Select).values()
    cells.value = cells.options[-1][1]
    true, predicted = (report.labels[index] for index in cells.value)
    assert shown[-1].name == widgets.show_confused(report, unseen, true, predicted).name


# ---- two runs


def write_run(folder, seed=0, steps=200, per_class=None, **other):
    config = override(FEW, {"train.steps": steps})
    per_class = per_class or {"squat": 0.5, "wave": 0.25, "clap": 1.0}
    top1 = float(np.mean(list(per_class.values())))
    score = {"top1": top1, "class_mean": top1, "chance": 1 / len(per_class), "clips": 12, "per_class": per_class}
    write_json(folder / "config.json", asdict(config))
    write_json(folder / "env.json", {"seed": seed})
    write_json(folder / "metrics.json", {"protocol": {"setting": "inductive"}, "tdsm": score, "ridge": score | {"top1": 0.4}} | other)
    log = [{"step": step, "lr": 0.1, "loss": 10.0 / step} for step in range(10, steps + 1, 10)]
    write_history(folder / "history.csv", {"encoder": log, "denoiser": log})
    return folder


def test_two_runs_side_by_side_show_scores_and_every_setting_that_differs(tmp_path):
    first = write_run(tmp_path / "a")
    second = write_run(tmp_path / "b", seed=4, steps=300, per_class={"squat": 0.75, "wave": 0.0, "clap": 1.0})
    made = widgets.compare(first, second)
    assert made.rows == (
        ("tested on", "12 clips of 3 classes", "12 clips of 3 classes"),
        ("tdsm, top-1", "58.3%", "58.3%"),
        ("tdsm, class mean", "58.3%", "58.3%"),
        ("ridge, top-1", "40.0%", "40.0%"),
        ("ridge, class mean", "58.3%", "58.3%"),
        ("chance", "33.3%", "33.3%"),
        ("seed", "0", "4"),
        ("train.steps", "200", "300"),
    )
    classes, losses = made.figure.axes
    assert ticks(classes) == ["squat", "clap", "wave"]
    (lines,) = [part for part in classes.collections if isinstance(part, LineCollection)]
    assert [ends[:, 0].tolist() for ends in lines.get_segments()] == [[0.5, 0.75], [1.0, 1.0], [0.25, 0.0]]
    assert [line.get_xdata()[-1] for line in losses.lines] == [200, 300]
    assert str(made).splitlines()[0].split() == ["a", "b"]
    assert made._repr_html_().count("<tr>") == 9
    assert "data:image/png;base64," in made._repr_html_()


def test_runs_that_were_not_tested_alike_are_said_to_be(tmp_path):
    first = write_run(tmp_path / "a")
    for second in (write_run(tmp_path / "b", per_class={"squat": 0.5, "jump": 0.5}), write_run(tmp_path / "c", protocol={"setting": "generalised"})):
        assert widgets.compare(first, second).rows[1][0] == "NOT THE SAME TEST"
    with pytest.raises(InputError, match="no class that a was tested on"):
        widgets.compare(first, write_run(tmp_path / "d", per_class={"jump": 0.5}))


@pytest.mark.parametrize("missing", ["config.json", "metrics.json", "history.csv"])
def test_an_unfinished_run_is_refused(tmp_path, missing):
    first, second = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    (second / missing).unlink()
    with pytest.raises(InputError, match=missing):
        widgets.compare(first, second)


def test_compare_runs_names_folders_by_what_tells_them_apart(tmp_path, shown):
    folders = [write_run(tmp_path / place, seed) for seed, place in enumerate(("ours/0", "ours/1", "paper/0"))]
    menus = parts(widgets.compare_runs(folders), Dropdown)
    assert menus["first"].options == ("ours/0", "ours/1", "paper/0")
    assert shown[-1].names == ("ours/0", "ours/1")
    menus["second"].value = "paper/0"
    assert shown[-1].names == ("ours/0", "paper/0")
    assert ("seed", "0", "2") in shown[-1].rows
    (folders[1] / "metrics.json").unlink()
    menus["first"].value = "ours/1"
    assert "metrics.json" in shown[-1]
    with pytest.raises(InputError, match="1 folders"):
        widgets.compare_runs(folders[:1])


def test_no_label_is_read_as_markup(tmp_path):
    first = write_run(tmp_path / "a", per_class={"<i>wave</i>": 0.5})
    made = widgets.compare(first, first, ("<b>one</b>", "two"))
    assert "<b>one" not in made._repr_html_()
    assert isinstance(made.figure, Figure)


def test_ipywidgets_is_imported_only_where_a_widget_is_made():
    imports = [node for node in ast.parse(inspect.getsource(widgets)).body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [ast.unparse(node) for node in imports if "ipywidgets" in ast.unparse(node) or "IPython" in ast.unparse(node)]


def test_clips_without_subjects_can_be_explored(shown):
    one = synthetic_clips(1, actions=[SEEN[0]])[0]
    nobody = ClipSet((Clip(one.joints, one.layout, "wave", name="mine"), Clip(one.joints, one.layout, "jump", name="other")))
    assert parts(widgets.explore(nobody), Dropdown)["subject"].options == (("anyone", ""),)
    assert shown[-1].name == "other · 1 of 1"
    with pytest.raises(InputError, match="no clip has a label"):
        widgets.explore(ClipSet((Clip(one.joints, one.layout),)))
