"""What users hold shows itself: small tables that no label can break, and run folders that open in one line or say what is wrong."""

import dataclasses
from html.parser import HTMLParser

import numpy as np
import pytest

from tdsm.backbones.classifier import Classifier
from tdsm.backbones.nets import build_encoder
from tdsm.catalogue.rows import all_benchmarks, benchmark_named
from tdsm.config import Config, EncoderConfig, ModelConfig, PreprocessConfig
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import COCO_17, NTU_25
from tdsm.data.prompts import load_prompts
from tdsm.evaluate import Report
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.recognizer.predictions import Predictions
from tdsm.runs import Run
from tdsm.text import TextEncoder
from tdsm.util.errors import InputError
from tdsm.util.files import write_json, write_text
from tdsm.util.history import read_history, write_history
from tdsm.util.tables import html_table, shortened

HOSTILE = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>&lt;"
ALLOWED = {"b", "table", "tr", "th", "td", "small"}


class Page(HTMLParser):
    """Reads a table back: its tags with their attributes, and its words."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


def words_of(shown):
    """The words of what an object shows, after making sure that it holds no markup but a table's."""
    page = Page(shown._repr_html_())
    assert set(page.tags) <= ALLOWED
    assert set(page.attributes) <= {("style", "text-align:left"), ("style", "text-align:right")}
    assert len(shown._repr_html_()) < 20_000
    return " | ".join(page.words)


def a_clip(label, frames=6, persons=1, subject=None, name="clip"):
    joints = np.random.default_rng(0).normal(size=(persons, frames, len(NTU_25), 3))
    return Clip(joints, NTU_25, label, subject, 30.0, name)


def a_report(labels=("wave", "squat", "bow"), subjects=("p1", "p2", "p1", "p2", "p1", "p2")):
    y = np.array([0, 0, 1, 1, 2, 2])
    answers = np.array([0, 1, 1, 0, 0, 0])
    return Report(np.eye(len(labels))[answers], y, labels, np.array(subjects))


@pytest.fixture(scope="module")
def recognizer():
    config = Config(
        backbone="classifier",
        preprocess=PreprocessConfig(frames=8),
        encoder=EncoderConfig(kind="shift-gcn", width=4, features=16),
        model=ModelConfig(width=16, depth=1, heads=2, prior=False),
    )
    net = build_encoder(config.encoder, NTU_25, 1, 12)
    matcher = Matcher(16, 1, 24, 35, config.model, config.diffusion)
    seen = (HOSTILE, *(f"action {number}" for number in range(11)))
    return Recognizer(config, Classifier(net, config.preprocess, seen, HOSTILE, TextEncoder(config.text)), matcher, {HOSTILE: HOSTILE})


def test_a_table_shows_any_text_as_it_is():
    page = Page(html_table([(HOSTILE, 3)], (HOSTILE, "clips"), title=HOSTILE, note=HOSTILE))
    assert set(page.tags) == ALLOWED
    assert page.words == [HOSTILE, HOSTILE, "clips", HOSTILE, "3", HOSTILE]


def test_a_long_list_is_cut_and_counted():
    names = [f"c{number}" for number in range(12)]
    assert shortened(names) == "c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 2 more"
    assert shortened(names[:10]) == ", ".join(names[:10])


def test_clips_show_counts_body_persons_frames_and_subjects():
    labels = [f"class {number:02}" for number in range(13)]
    clips = ClipSet((a_clip(labels[0], 6, 1, "anna"), a_clip(labels[0], 15, 2, "ben"), a_clip(labels[12]), a_clip(None)), tuple(labels), name="mine")
    words = words_of(clips)
    for expected in ("ntu-25: 25 joints, 3 coordinates in m", "persons (M) | 1 to 2", "6 to 15 = 0.2 to 0.5 s", "anna, ben", "1 clips"):
        assert expected in words
    assert "class 00 | 2" in words
    assert "class 09 | 0" in words
    assert "class 10" not in words
    assert "and 3 more classes" in words
    assert "4 clips, 13 classes, 2 subjects" in repr(clips)


def test_hostile_names_stay_words_everywhere(recognizer, tmp_path):
    clips = ClipSet((a_clip(HOSTILE, subject=HOSTILE, name=HOSTILE),), name=HOSTILE)
    report = a_report((HOSTILE, "squat", "bow"), (HOSTILE, "p") * 3)
    benchmark = dataclasses.replace(all_benchmarks()[0], note=HOSTILE, published={HOSTILE: 1.0})
    made = Predictions((HOSTILE,), (HOSTILE, "squat"), np.array([[1.0, 0.0]]), notes=(HOSTILE,))
    folder = a_run(tmp_path / "run")
    write_json(folder / "env.json", {"commit": HOSTILE, "date": [HOSTILE], "seed": 0})
    write_json(folder / "metrics.json", {HOSTILE: {"top1": 0.5, "class_mean": 0.5, "chance": 0.1}})
    for shown in (clips, report, benchmark, made, recognizer, Run(folder)):
        assert HOSTILE in words_of(shown)


def test_a_report_shows_score_interval_and_worst_confusions():
    report = a_report()
    words = words_of(report)
    assert "top-1 | 33.3%" in words
    assert "class mean | 33.3%" in words
    assert "chance | 33.3%" in words
    assert "over 2 subjects" in words
    assert words.endswith("bow | wave | 2 | 100% | wave | squat | 1 | 50% | squat | wave | 1 | 50%")
    assert "none: 1 subjects are known" in words_of(a_report(subjects=("p1", "") * 3))
    assert repr(report).startswith("Report(top-1 33.3%")


def test_a_report_without_a_fault_says_so():
    report = Report(np.eye(2), np.arange(2), ("wave", "bow"), np.array(["a", "b"]))
    assert "Nothing was confused." in words_of(report)


@pytest.mark.parametrize("benchmark", all_benchmarks(), ids=lambda benchmark: benchmark.name)
def test_every_benchmark_shows_itself(benchmark):
    words = words_of(benchmark)
    assert f"partition | {benchmark.partition}" in words
    for method, value in benchmark.published.items():
        assert f"{method} | {value:g}" in words
    assert len(repr(benchmark)) < 160
    assert "\n" not in repr(benchmark)


def test_a_benchmark_shows_its_counts_and_unseen_classes():
    words = words_of(benchmark_named("ntu-60-synse-55-5"))
    assert "clips with a body | 56,578" in words
    assert "test clips of unseen classes | 1,368" in words
    benchmark = benchmark_named("ntu-60-synse-55-5")
    assert "unseen | " + ", ".join(benchmark.unseen_labels(tuple(load_prompts("ntu-60")))) in words
    several = next(one for one in all_benchmarks() if len(one.draws) == 3)
    assert "unseen, list 3" in words_of(several)
    assert "3 class lists" in repr(several)


def test_a_recognizer_shows_its_body_labels_and_sizes(recognizer):
    words = words_of(recognizer)
    weights = sum(weight.numel() for weight in recognizer.backbone.parameters())
    for expected in ("ntu-25: 25 joints", "12 seen labels", "and 2 more", "8 frames", f"z_x of 16 numbers, {weights:,} weights", "1 blocks of width 16"):
        assert expected in words
    assert "12 seen labels" in repr(recognizer)


# Run folders


def a_run(folder, history=True):
    write_text(folder / "config.json", Config(model=ModelConfig(width=16, heads=2)).to_json())
    write_json(folder / "env.json", {"seed": 3, "commit": "abc", "date": "2026-11-23", "hardware": "CPU"})
    if history:
        write_history(folder / "history.csv", STAGES)
    return folder


STAGES = {
    "encoder": [{"step": 0, "lr": 0.05, "loss": 2.5, "accuracy": 0.1}, {"step": 10, "lr": 0.01, "loss": 1.25, "accuracy": 0.5}],
    "denoiser": [{"step": 0, "lr": 1e-4, "loss": 1.0, "triplet": 0.5}, {"step": 9, "lr": 0.0, "loss": 0.1, "triplet": 1e-7}],
}


def test_a_run_opens_in_one_line_and_shows_what_it_was(tmp_path):
    folder = a_run(tmp_path / "one")
    write_json(folder / "metrics.json", {"protocol": {"setting": "x"}, "seed": 3, "tdsm": a_report().metrics(), "ridge": {"top1": "?"}})
    run = Run(str(folder))
    assert run.history == STAGES
    assert run.config.model.width == 16
    assert run.environment["commit"] == "abc"
    assert list(run.scores) == ["tdsm"]
    assert repr(run) == "Run('one': seed 3, encoder to step 10, denoiser to step 9, tdsm top-1 33.3%)"
    assert "tdsm | 33.3% | 33.3% | 33.3%" in words_of(run)
    assert "2 logged steps; the last: step 10, lr 0.01, loss 1.25, accuracy 0.5" in words_of(run)


def test_a_run_draws_one_panel_a_stage(tmp_path):
    run = Run(a_run(tmp_path / "one"))
    figure, axes = run.plot()
    assert [ax.get_title() for ax in axes] == ["encoder", "denoiser"]
    assert [line.get_label() for line in axes[0].lines] == ["loss", "accuracy"]
    assert axes[1].lines[0].get_xydata().tolist() == [[0, 1.0], [9, 0.1]]
    assert [len(ax.lines) for ax in run.plot(["loss"])[1]] == [1, 1]
    assert len(figure.axes) == 2
    with pytest.raises(InputError, match="no column 'accuracy'"):
        run.plot(["accuracy"])


def test_a_run_that_is_not_done_opens_and_says_so(tmp_path):
    run = Run(a_run(tmp_path / "one", history=False))
    assert run.history == {}
    assert run.metrics is None
    assert "training not ended" in repr(run)
    assert "No metrics.json" in words_of(run)
    with pytest.raises(InputError, match=r"has no history\.csv: its training has not ended"):
        run.plot()
    with pytest.raises(InputError, match=r"recognizer\.json: no such file"):
        run.recognizer()


def test_a_run_gives_back_its_recognizer(recognizer, tmp_path):
    folder = a_run(tmp_path / "one")
    recognizer.save_pretrained(folder / "model")
    assert Run(folder).recognizer().seen == recognizer.seen
    with pytest.raises(InputError, match=r"model: is not a run: it has no config\.json; give .*one$"):
        Run(folder / "model")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is not a run: it has no config\.json; give a folder that `tdsm train`"):
        Run(tmp_path)
    with pytest.raises(InputError, match="is not a run"):
        Run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.json", "{", r"config\.json: not JSON"),
        ("config.json", '{"modle": {}}', r"config\.json: unknown key 'modle'"),
        ("env.json", "{", r"env\.json: not JSON"),
        ("env.json", "[]", r"env\.json: holds a list, not an object"),
        ("metrics.json", '{"tdsm": ', r"metrics\.json: not JSON"),
        ("history.csv", "", r"history\.csv: is truncated"),
        ("history.csv", "stage,step,loss\nencoder,0,2.5\nencoder,10,1.", r"history\.csv: is truncated"),
        ("history.csv", "file,label\na.npy,wave\n", r"history\.csv line 1: is not the head"),
        ("history.csv", "stage,step,loss\nencoder,0,2.5\nencoder,10\n", r"history\.csv line 3: has 2 cells for 3 columns"),
        ("history.csv", "stage,step,loss\nencoder,0,2.5,7\n", r"history\.csv line 2: has 4 cells for 3 columns"),
        ("history.csv", "stage,step,loss\nencoder,0,two\n", r"history\.csv line 2: has a value that is not a number"),
        ("history.csv", "stage,step,loss\nencoder,,2.5\n", r"history\.csv line 2: has a value that is not a number"),
    ],
)
def test_damaged_files_of_a_run_are_named(tmp_path, name, text, message):
    folder = a_run(tmp_path / "one")
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        Run(folder)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_text_are_named(tmp_path):
    folder = a_run(tmp_path / "one")
    (folder / "history.csv").write_bytes(b"stage,step\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"history\.csv: is not UTF-8 text"):
        Run(folder)


def test_a_history_cut_off_anywhere_is_refused_or_ends_with_a_whole_line(tmp_path):
    whole = write_history(tmp_path / "history.csv", STAGES).read_text()
    for end in range(len(whole)):
        (tmp_path / "cut.csv").write_text(whole[:end])
        if whole[:end].endswith("\n"):
            rows = sum(map(len, read_history(tmp_path / "cut.csv").values()))
            assert rows == whole[:end].count("\n") - 1
        else:
            with pytest.raises(InputError, match="truncated"):
                read_history(tmp_path / "cut.csv")


def test_flat_bodies_are_named_in_pixels():
    clips = ClipSet((Clip(np.ones((1, 2, 17, 2)), COCO_17, "wave"),))
    assert "coco-17: 17 joints, 2 coordinates in px" in words_of(clips)
