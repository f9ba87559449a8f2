"""The recognizer and the way to it: same bits after reloading, any label, clear refusals, and the control that proves the text is read."""

import dataclasses
import json
import sys
from types import ModuleType
from unittest.mock import patch

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from standins import TINY_CLASSIFIER

from tdsm.backbones.base import Examples, seen_clips
from tdsm.backbones.classifier import Classifier, fit_classifier
from tdsm.backbones.fit import load_backbone
from tdsm.backbones.nets import build_encoder
from tdsm.baselines.reports import cosine_report, ridge_report
from tdsm.config import Config, override, paper
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.convert import convert
from tdsm.data.labels import Label
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.data.prompts import load_prompts
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.evaluate import zero_shot_report
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.recognizer.predictions import Predictions
from tdsm.text import TextEncoder
from tdsm.train import calibrated_gamma, fit_matcher, train_recognizer
from tdsm.util.errors import InputError
from tdsm.util.files import locked, read_sealed, write_sealed

TINY = override(TINY_CLASSIFIER, {"encoder.steps": 12, "train.steps": 30})


@pytest.fixture(scope="module")
def clips():
    return synthetic_clips(4, seed=0)


@pytest.fixture(scope="module")
def run(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    return folder, train_recognizer(clips.of_classes(SEEN[:6]), TINY, descriptions=load_prompts("synthetic"), folder=folder, seed=3)


def test_a_run_folder_says_what_was_done(run):
    folder, recognizer = run
    assert Config.from_json((folder / "config.json").read_text()) == TINY
    about = json.loads((folder / "env.json").read_text())
    assert about["seed"] == 3
    assert about["selection"].startswith("none: a fixed number of steps")
    assert about["versions"]["torch"] == torch.__version__
    assert {"date", "commit", "hardware"} <= set(about)
    lines = (folder / "history.csv").read_text().splitlines()
    assert lines[0] == "stage,step,lr,loss,accuracy,diffusion,triplet"
    assert [line.split(",")[0] for line in lines[1:]] == ["encoder"] * 3 + ["denoiser"] * 4
    assert recognizer.seen == SEEN[:6]


def test_a_reloaded_recognizer_scores_bit_for_bit_alike(run, clips):
    folder, recognizer = run
    again = Recognizer.from_pretrained(folder / "model")
    labels = [*UNSEEN, "something nobody described"]
    assert np.array_equal(again.predict(clips[:5], labels).scores, recognizer.predict(clips[:5], labels).scores)


def test_a_part_left_in_training_mode_does_not_change_the_features(run, clips):
    recognizer = run[1]
    before = recognizer.features(clips[:3])
    for part in recognizer.backbone.children():
        part.train()
    assert torch.equal(recognizer.features(clips[:3]), before)


def test_scores_of_a_label_depend_on_that_label_only(run, clips):
    recognizer = run[1]
    every = recognizer.predict(clips[:4], UNSEEN).scores
    some = recognizer.predict(clips[:4], [UNSEEN[7], UNSEEN[2]]).scores
    np.testing.assert_allclose(some, every[:, [7, 2]], rtol=1e-5)
    alone = recognizer.predict(clips[2], UNSEEN).scores
    np.testing.assert_allclose(alone, every[2:3], rtol=1e-5)
    assert every.std(axis=1).min() > 1e-5


def test_a_description_changes_the_answer_for_its_label_only(run, clips):
    recognizer = run[1]
    bare = recognizer.predict(clips[:2], ["squat", "tennis serve"]).scores
    told = recognizer.predict(clips[:2], ["squat", "tennis serve"], {"squat": "The knees bend and the hips sink low."}).scores
    assert not np.allclose(told[:, 0], bare[:, 0], rtol=1e-4)
    np.testing.assert_allclose(told[:, 1], bare[:, 1], rtol=1e-5)


def test_predictions_show_themselves_and_escape_labels(run, clips):
    made = run[1].predict(clips[:2], ["<b>wave</b>", "squat"])
    assert made.top[0] == made[0][0][0]
    assert made[0][0][1] >= made[0][1][1]
    assert "<b>wave" not in made._repr_html_()
    assert "&lt;b&gt;wave" in made._repr_html_()
    assert len(repr(made).splitlines()) == len(made) == 2


def test_higher_is_better_and_a_row_is_a_ranking(run, clips):
    recognizer = run[1]
    made = recognizer.predict(clips[:3], UNSEEN)
    assert np.array_equal(made.scores, recognizer.scores(recognizer.features(clips[:3]), UNSEEN).numpy())
    for row, ranking in enumerate(made):
        assert ranking == sorted(ranking, key=lambda pair: -pair[1])
        assert dict(ranking) == dict(zip(UNSEEN, made.scores[row].tolist(), strict=True))
        assert made.top[row] == UNSEEN[made.scores[row].argmax()] == ranking[0][0]
    assert made[-1] == made[2]
    errors = recognizer.matcher.errors(recognizer.features(clips[:3])[:, None], recognizer.stream(UNSEEN))
    assert np.array_equal(made.scores, -errors.numpy())
    with pytest.raises(IndexError):
        made[3]


def test_scores_go_into_pandas(run, clips, monkeypatch):
    """Held against a stand-in, so that pandas need not be installed."""
    made, pandas = run[1].predict(clips[:2], ["bow", "squat", "clap"]), ModuleType("pandas")

    class DataFrame:
        def __init__(self, data, index, columns):
            self.data, self.index, self.columns = data, index, columns

    pandas.DataFrame = DataFrame
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    table = made.to_pandas()
    assert table.columns == ["bow", "squat", "clap"]
    assert table.index == [clips[0].name, clips[1].name]
    assert np.array_equal(table.data, made.scores)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pandas is not installed; pip install pandas"):
        made.to_pandas()


def test_features_and_texts_are_one_row_each(run, clips):
    recognizer = run[1]
    z_x, text = recognizer.features(clips[:5]), recognizer.text(["bow", "an action that nobody described"])
    assert z_x.shape == (5, 16)
    torch.testing.assert_close(recognizer.features(clips[3]), z_x[3:4])
    assert text.z_g.shape == (2, 768)
    assert text.z_l.shape == (2, TINY.text.tokens, 768)
    torch.testing.assert_close(recognizer.text(["bow"]).z_g[0], text.z_g[0])
    assert recognizer.stream(["bow", "clap"]) is recognizer.stream(["bow", "clap"])
    assert recognizer.stream(["bow", "clap"]) is not recognizer.stream(["clap", "bow"])


@pytest.mark.parametrize("spelling", ["WAVE THE LEFT HAND", "wave_the-left  hand.", "Wave the left hand!"])
def test_another_spelling_of_a_label_is_the_same_label(run, clips, spelling):
    recognizer, plain = run[1], "wave the left hand"
    assert plain in recognizer.descriptions
    told = recognizer.text([Label(plain), "squat"]).z_g
    other = recognizer.text([spelling, "squat"]).z_g
    half = told.shape[1] // 2  # the name, then the description
    torch.testing.assert_close(other[:, half:], told[:, half:])
    with pytest.raises(InputError, match="are the same name"):
        recognizer.predict(clips[0], [plain, spelling])


def test_a_label_may_bring_its_own_description(run, clips):
    recognizer, sentence = run[1], "The knees bend and the hips sink low."
    given = recognizer.predict(clips[:2], ["bow", "squat"], {"Squat": sentence}).scores
    assert np.array_equal(recognizer.predict(clips[:2], ["bow", Label("squat", sentence)]).scores, given)


def test_a_description_that_belongs_to_no_label_is_named(run, clips):
    made = run[1].predict(clips[0], ["bow", "jump over"], {"jmup over": "The feet leave the floor."})
    assert made.notes == ("descriptions: 1 of 1 match no label and are not used: 'jmup over' (did you mean 'jump over'?)",)
    assert made.notes[0] in repr(made)
    assert "jmup over" in made._repr_html_()


@pytest.mark.parametrize("shape", ["(T, V, C)", "(M, T, V, C)", "(N, M, T, V, C)", "a list"])
def test_arrays_are_clips_of_the_recognizers_body(run, clips, shape):
    recognizer = run[1]
    expected = recognizer.predict(clips[:1], UNSEEN).scores
    array = clips[0].joints
    given = {"(T, V, C)": array[0], "(M, T, V, C)": array, "(N, M, T, V, C)": array[None], "a list": [array[0]]}[shape]
    assert np.array_equal(recognizer.predict(given, UNSEEN).scores, expected)
    assert np.array_equal(recognizer.predict(given, UNSEEN, layout="ntu-25").scores, expected)
    torch.testing.assert_close(recognizer.features(given, layout="ntu-25"), recognizer.features(clips[0]))


def test_arrays_that_do_not_fit_are_refused(run, clips):
    recognizer = run[1]
    with pytest.raises(InputError, match="joints"):
        recognizer.predict(clips[0].joints[:, :, :20], UNSEEN)
    with pytest.raises(InputError, match="give layout"):
        recognizer.features(clips[0].joints)
    with pytest.raises(InputError, match="an array has shape"):
        recognizer.predict(np.zeros((25, 3), np.float32), UNSEEN)


@pytest.mark.parametrize("labels", [[], ["a", "a"], [""], "wave", ["  "]])
def test_labels_that_make_no_sense_are_refused(run, clips, labels):
    with pytest.raises(InputError, match="labels"):
        run[1].predict(clips[0], labels)


def test_clips_of_another_body_are_converted_and_the_answer_says_so(run, clips):
    recognizer = run[1]
    other = convert(clips[0], KINECT_20).clip
    answer = recognizer.predict([other, clips[1]], UNSEEN)
    assert [note for note in answer.notes if note.startswith("converted from kinect-20 to ntu-25: ")]
    expected = recognizer.predict([convert(other, NTU_25).clip, clips[1]], UNSEEN)
    assert np.array_equal(answer.scores, expected.scores)
    assert not expected.notes


def test_clips_that_cannot_be_used_are_refused(run):
    nobody = Clip(np.pad(np.ones((1, 5, 1, 3)), ((0, 0), (0, 0), (0, 19), (0, 0))), KINECT_20, name="mine.npy")
    with pytest.raises(InputError, match=r"mine\.npy: cannot be converted from kinect-20 to ntu-25"):
        run[1].predict(nobody, ["wave"])
    with pytest.raises(InputError, match="none given"):
        run[1].predict([], ["wave"])


def copy_of(folder, tmp_path):
    for path in (folder / "model").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_weights_of_another_size_are_refused(run, tmp_path):
    folder = copy_of(run[0], tmp_path)
    about = read_sealed(folder / "recognizer.json")
    about["config"]["model"]["width"] = 64
    write_sealed(folder / "recognizer.json", about)
    with pytest.raises(InputError, match=r"matcher\.safetensors: .* but the settings need"):
        Recognizer.from_pretrained(folder)


@pytest.mark.parametrize("damage", ["pickle", "truncated", "missing", "extra"])
def test_damaged_weights_are_refused_and_never_executed(run, tmp_path, damage):
    folder, marker = copy_of(run[0], tmp_path), tmp_path / "executed"
    path = folder / "backbone.safetensors"
    if damage == "pickle":
        path.write_bytes(b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR.")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "missing":
        path.unlink()
    else:
        save_file(load_file(path) | {"intruder": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"backbone\.safetensors"):
        Recognizer.from_pretrained(folder)
    assert not marker.exists()


@pytest.mark.parametrize("text", ["", "{", '{"format": 1}', '{"format": 2}', '{"format": 2, "text": {"tokens": 1e9}}', "[]", "null", '"model"'])
@pytest.mark.parametrize("name", ["recognizer.json", "backbone.json"])
def test_a_damaged_description_is_refused(run, tmp_path, name, text):
    folder = copy_of(run[0], tmp_path)
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=name.replace(".", r"\.")) as caught:
        Recognizer.from_pretrained(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        *[("recognizer.json", "gamma", value) for value in ("0.1", [1], True)],
        *[("recognizer.json", "descriptions", value) for value in (["a"], {"a": 3}, {"a": [None]}, {"a": None})],
        *[("recognizer.json", "text", value) for value in ({}, None, {"tokens": 10**9, "channels": 10**9}, {"tokens": 35, "channels": -4})],
        *[("backbone.json", "kind", value) for value in ("given", "aligned", None)],
        *[("backbone.json", "layout", value) for value in ("dragon", None, "kinect-20")],
        *[("backbone.json", "seen", value) for value in ("squat", [1, 2], [])],
        *[("backbone.json", "config", value) for value in ({}, {"encoder": {"width": 10**9}}, {"modle": {}}, None)],
        ("backbone.json", "text_model", "another model"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_in_one_line(run, tmp_path, name, key, value):
    folder = copy_of(run[0], tmp_path)
    about = read_sealed(folder / name)
    assert key in about
    write_sealed(folder / name, about | {key: value})
    with pytest.raises(InputError) as caught:
        Recognizer.from_pretrained(folder)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"recognizer\.json: no such file; give a folder that save_pretrained"):
        Recognizer.from_pretrained(tmp_path)


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def other_clips(clips):
    """As many clips of the same shape and the same labels, of which one moves otherwise."""
    return ClipSet((dataclasses.replace(clips[0], joints=clips[0].joints + np.float32(0.5)), *clips.clips[1:]), clips.classes, clips.name)


@pytest.mark.parametrize("other", ["settings", "clips", "descriptions", "seed", "loss"])
def test_another_run_in_the_same_folder_is_refused_and_touches_nothing(run, clips, other):
    folder, seen = run[0], clips.of_classes(SEEN[:6])
    config, given, seed, loss = TINY, load_prompts("synthetic"), 3, None
    if other == "settings":
        config = override(TINY, {"train.steps": 13})
    elif other == "clips":
        seen = other_clips(seen)
    elif other == "descriptions":
        given = given | {SEEN[2]: "Another sentence."}
    elif other == "loss":
        loss = cubed
    else:
        seed = 4
    before = contents(folder)
    with pytest.raises(InputError, match={"settings": "other settings", "seed": "another seed"}.get(other, f"other {other}")):
        train_recognizer(seen, config, descriptions=given, folder=folder, seed=seed, loss=loss)
    assert contents(folder) == before


def cubed(e_p, e_n, same):
    return {"loss": (e_p - e_n).exp().mean()}


def test_the_same_run_again_trains_nothing_and_gives_the_same_bits(run, clips, monkeypatch):
    folder, first = run
    weights = contents(folder / "model")
    monkeypatch.setattr(torch.Tensor, "backward", lambda *args, **kwargs: pytest.fail("trained again"))
    again = train_recognizer(clips.of_classes(SEEN[:6]), TINY, descriptions=load_prompts("synthetic"), folder=folder, seed=3)
    assert np.array_equal(again.predict(clips[:5], UNSEEN).scores, first.predict(clips[:5], UNSEEN).scores)
    assert contents(folder / "model") == weights


def test_the_backbone_alone_can_be_read(run, clips):
    folder, recognizer = run
    backbone, config = load_backbone(folder / "model")
    assert config == TINY
    assert (backbone.kind, backbone.seen, backbone.dataset, backbone.layout) == ("classifier", SEEN[:6], "synthetic", NTU_25)
    assert torch.equal(backbone.clips(clips[:3]), recognizer.features(clips[:3]))


def test_a_refused_training_leaves_the_run_as_it_was(run, clips):
    before = {path: path.read_bytes() for path in run[0].rglob("*") if path.is_file()}
    seen, told = clips.of_classes(SEEN[:6]), load_prompts("synthetic")
    with pytest.raises(InputError, match=r"env\.json: is of a run with another seed"):
        train_recognizer(seen, TINY, descriptions=told, folder=run[0], seed=4)
    for other, sentences in ((seen[1:], told), (seen, told | {SEEN[0]: "something else"})):
        with pytest.raises(InputError, match=r"env\.json: is of a run with other (clips|descriptions)"):
            train_recognizer(other, TINY, descriptions=sentences, folder=run[0], seed=3)
    with locked(run[0]), pytest.raises(InputError, match="another process is training in it"):
        train_recognizer(seen, TINY, descriptions=told, folder=run[0], seed=3)
    assert {path: path.read_bytes() for path in run[0].rglob("*") if path.is_file()} == before


def test_seen_classes_are_no_zero_shot_test(run, clips):
    with pytest.raises(InputError, match="was trained on"):
        zero_shot_report(run[1], clips.of_classes([SEEN[0], UNSEEN[0]]))
    with pytest.raises(InputError, match="1 seen class"):
        train_recognizer(clips.of_classes(SEEN[:1]), TINY)


def test_seen_classes_in_another_spelling_are_none_either(run, clips):
    renamed = ClipSet(tuple(dataclasses.replace(clip, label=clip.label.upper().replace(" ", "_")) for clip in clips.of_classes(SEEN[:2])))
    with pytest.raises(InputError, match="was trained on"):
        zero_shot_report(run[1], renamed)


def test_evaluation_covers_every_test_clip_once(run, clips):
    test = clips.of_classes(UNSEEN)
    report = zero_shot_report(run[1], test)
    assert report.confusion().sum() == len(test) == 4 * len(UNSEEN)
    assert report.chance == 1 / len(UNSEEN)
    assert np.array_equal(report.predicted, report.scores.argmax(axis=1))
    assert ridge_report(run[1], clips.of_classes(SEEN[:6]), test).scores.shape == report.scores.shape
    with pytest.raises(InputError, match="lie in different spaces"):
        cosine_report(run[1], test)


# Seen and unseen labels together


def test_seen_labels_among_unseen_ones_are_said_to_be(run, clips):
    recognizer, labels = run[1], [SEEN[0].upper(), *UNSEEN[:2]]
    made = recognizer.predict(clips[:2], labels)
    assert made.notes == ("1 of the 3 labels were trained on, and score higher for it; train with calibrate=True, or ask seen and unseen labels separately",)
    assert made.notes[0] in repr(made)
    for alone in (list(SEEN[:2]), list(UNSEEN[:2])):
        assert recognizer.predict(clips[:2], alone).notes == ()


def test_calibration_takes_gamma_from_seen_labels_only(run, clips):
    recognizer, labels = run[1], [UNSEEN[0], SEEN[0], UNSEEN[1]]
    plain = recognizer.predict(clips[:4], labels, calibrate=False)
    assert plain.notes[0].endswith("calibration is switched off")
    made = recognizer.predict(clips[:4], labels, calibrate=0.25)
    np.testing.assert_allclose(plain.scores - made.scores, np.tile([0, 0.25, 0], (4, 1)), atol=1e-6)
    assert made.notes[0].endswith("0.25 is subtracted from their scores")
    assert set(recognizer.predict(clips[:4], labels, calibrate=1e6).top) <= set(UNSEEN)
    assert set(recognizer.predict(clips[:4], labels, calibrate=-1e6).top) == {SEEN[0]}
    unmixed = recognizer.predict(clips[:4], UNSEEN, calibrate=0.25).scores
    assert np.array_equal(unmixed, recognizer.predict(clips[:4], UNSEEN).scores)


def test_gamma_is_chosen_without_unseen_classes_and_saved(clips, tmp_path):
    seen, tiny = clips.of_classes(SEEN[:6]), override(TINY, {"encoder.steps": 4, "train.steps": 6})
    recognizer = train_recognizer(seen, tiny, folder=tmp_path, seed=1, calibrate=True)
    assert recognizer.gamma == calibrated_gamma(seen, tiny, seed=1)
    again = Recognizer.from_pretrained(tmp_path / "model")
    assert again.gamma == recognizer.gamma
    labels = [*SEEN[:2], *UNSEEN[:2]]
    plain = again.predict(clips[:3], labels, calibrate=False).scores
    np.testing.assert_allclose(again.predict(clips[:3], labels).scores, plain - np.float32([again.gamma, again.gamma, 0, 0]), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="hold out at least 2"):
        calibrated_gamma(clips.of_classes(SEEN[:3]), tiny)
    with pytest.raises(InputError, match=r"^calibration: .*classes.*; or train without it: calibrate=False, --no-calibrate$"):
        train_recognizer(clips.of_classes(SEEN[:3]), tiny, folder=tmp_path / "refused", calibrate=True)
    assert not (tmp_path / "refused").exists()  # before any work


# What the answer rests on


@pytest.mark.slow
def test_with_label_texts_shuffled_among_classes_unseen_accuracy_falls_to_chance():
    """The control: what the demo recognises, it recognises by reading the labels."""
    clips = synthetic_clips(6, seed=1)
    train, test = clips.of_classes(SEEN), clips.of_classes(UNSEEN)
    settings = {"preprocess.frames": 24, "encoder.width": 16, "encoder.features": 128, "encoder.steps": 200, "encoder.batch": 16}
    settings |= {"diffusion.noises": 10, "model.width": 64, "model.depth": 2, "model.heads": 4}
    config = override(TINY_CLASSIFIER, settings | {"train.steps": 300, "train.batch": 64, "train.lr": 2e-3, "train.warmup": 10})
    backbone, examples, _ = fit_classifier(seen_clips(train, config.preprocess), config, TextEncoder(config.text))
    z_test = backbone.clips(test)[:, None]
    told = load_prompts("synthetic")
    text = backbone.labels([Label(name, told[name]) for name in (*SEEN, *UNSEEN)])

    def accuracy(order: torch.Tensor) -> float:
        mixed = text.select(order)
        seen, unseen = mixed.select(torch.arange(len(SEEN))), mixed.select(torch.arange(len(SEEN), len(order)))
        matcher, _ = fit_matcher(Examples(examples.z_x, examples.y, seen), config)
        answers = matcher.errors(z_test, matcher.encode_text(unseen)).argmin(1)
        return (answers.cpu() == torch.from_numpy(test.y)).float().mean().item()

    true = accuracy(torch.arange(len(text)))
    shuffled = [accuracy(torch.randperm(len(text), generator=torch.Generator().manual_seed(seed))) for seed in range(3)]
    assert true > 0.35
    assert np.mean(shuffled) < 0.2  # chance is 0.1
    assert true > max(shuffled) + 0.1


def test_one_clip_and_sixty_labels_take_no_retraining(clips):
    """The answer's shape and that labels are encoded once; how long it takes is measured in benchmarks/latency.py."""
    config = dataclasses.replace(Config(), backbone="classifier", model=dataclasses.replace(Config().model, prior=False))
    torch.manual_seed(0)
    net = build_encoder(config.encoder, NTU_25, config.preprocess.bodies, 5)
    matcher = Matcher(256, 1, 768, config.text.tokens, config.model, config.diffusion)
    recognizer = Recognizer(config, Classifier(net, config.preprocess, SEEN[:5], "synthetic", TextEncoder(config.text)), matcher)
    labels = [f"action number {number}" for number in range(60)]
    with patch.object(TextEncoder, "encode", autospec=True, side_effect=TextEncoder.encode) as encode:
        first = recognizer.predict(clips[0], labels)
        asked = encode.call_count
        second = recognizer.predict(clips[0], labels)
    assert first.scores.shape == (1, 60)
    assert np.array_equal(first.scores, second.scores)
    assert encode.call_count == asked > 0


def test_a_recognizer_of_the_papers_recipe_is_put_together_as_any_other(clips):
    """The joint stream with the paper's target, on two persons of two frames, untrained."""
    config = override(paper(), {"preprocess.frames": 2, "encoder.width": 4, "encoder.features": 16, "model.width": 24, "model.depth": 1, "text.tokens": 5})
    config = override(config, {"text.family": "sentence", "text.repo": "minilm-wheel"})
    net = build_encoder(config.encoder, NTU_25, 2, 2)
    backbone = Classifier(net, config.preprocess, SEEN[:2], "synthetic", TextEncoder(config.text))
    recognizer = Recognizer(config, backbone, Matcher(16, 1, 768, 5, config.model, config.diffusion))
    assert recognizer.predict(clips[:2], UNSEEN[:3]).scores.shape == (2, 3)
    assert "joint text stream" in repr(recognizer)


def test_a_recognizer_may_score_in_bf16(run, clips):
    recognizer = Recognizer.from_pretrained(run[0] / "model")
    whole = recognizer.predict(clips[:3], UNSEEN).scores
    lower = recognizer.to(precision="bf16").predict(clips[:3], UNSEEN).scores
    assert 0 < np.abs(lower / whole - 1).max() < 1e-3
    assert np.array_equal(recognizer.to("cpu").predict(clips[:3], UNSEEN).scores, lower)
    assert np.array_equal(recognizer.to(precision="no").predict(clips[:3], UNSEEN).scores, whole)
    with pytest.raises(InputError, match="precision: is 'fp8'; choose no or bf16"):
        recognizer.to(precision="fp8")


def test_predictions_show_readings_and_notes():
    made = Predictions(("a.npy",), ("bow",), np.zeros((1, 1), np.float32), (), ("something was assumed",))
    assert repr(made).splitlines() == ["a.npy: 1. bow (0.0000)", "something was assumed"]
    assert "something was assumed" in made._repr_html_()


def test_none_of_these_has_no_rank_in_print():
    made = Predictions(("a.npy",), ("bow", "hop"), np.array([[0.0, 1.0]]), probabilities=np.array([[0.25, 0.75]]), none_of_these=np.array([0.9]))
    assert repr(made) == "a.npy: 1. hop (75%), 2. bow (25%); none of these (90%)"


@pytest.mark.parametrize(("name", "old", "new"), [("backbone.json", '"frames": ', '"frames": 1'), ("recognizer.json", '"test_step": ', '"test_step": 1')])
def test_settings_that_were_changed_beside_the_weights_are_noticed(run, tmp_path, name, old, new):
    folder = copy_of(run[0], tmp_path)
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=name.replace(".", r"\.") + r": is damaged \(wrong checksum\)"):
        Recognizer.from_pretrained(folder)


@pytest.mark.parametrize("change", [lambda x: x.bfloat16(), lambda x: x.requires_grad_()], ids=["bfloat16", "gradient"])
def test_tensors_that_numpy_cannot_read_are_refused_in_one_line(run, clips, change):
    with pytest.raises(InputError, match="array 0: joints are not an array of numbers"):
        run[1].predict(change(torch.from_numpy(clips[0].joints.copy())), UNSEEN)


@pytest.mark.parametrize("calibrate", [float("nan"), float("inf"), None, "x"])
def test_a_calibration_that_is_no_number_is_refused(run, clips, calibrate):
    with pytest.raises((InputError, TypeError), match="calibrate"):
        run[1].predict(clips[:1], UNSEEN, calibrate=calibrate)


def test_a_class_of_which_no_clip_can_be_used_is_not_seen(clips):
    lost = [dataclasses.replace(clip, joints=np.full_like(clip.joints, np.nan)) if clip.label == clips.classes[0] else clip for clip in clips]
    with pytest.warns(UserWarning, match="1 classes without usable clips are not trained"), pytest.warns(UserWarning, match="clips are not usable"):
        seen = seen_clips(ClipSet(tuple(lost), clips.classes, "some"), TINY_CLASSIFIER.preprocess)
    assert [label.name for label in seen.labels] == list(clips.classes[1:])
    assert sorted(set(seen.y.tolist())) == list(range(len(clips.classes) - 1))


def test_a_gamma_of_numpy_is_saved(run, tmp_path, monkeypatch):
    monkeypatch.setattr(run[1], "gamma", np.float32(0.25))
    assert Recognizer.from_pretrained(run[1].save_pretrained(tmp_path)).gamma == 0.25


def test_arrays_whose_bodies_look_odd_are_answered_with_a_note(run, clips):
    upright = [clip.joints for clip in clips[:4]]
    notes = run[1].predict(upright, ["wave", "squat"], layout=clips.layout.name).notes
    assert not [note for note in notes if note.startswith("arrays:")]
    mirrored = run[1].predict([joints * [-1, 1, 1] for joints in upright], ["wave", "squat"], layout=clips.layout.name).notes
    assert [note for note in mirrored if "the bodies are mirrored" in note]
    lying = run[1].predict([joints[..., [0, 2, 1]] for joints in upright], ["wave", "squat"], layout=clips.layout.name).notes
    assert [note for note in lying if "bodies are upright along z" in note]


@pytest.mark.parametrize("value", [None, 5, "clips.npz"])
def test_what_is_no_clip_is_refused_in_one_line(run, value):
    with pytest.raises(InputError, match=r"clips: .* is not a list of clips; give clips or arrays"):
        run[1].predict(value, ["wave", "squat"])


def test_arrays_are_looked_at_whatever_they_come_in_and_beside(run, clips):
    odd = [clip.joints * [-1, 1, 1] for clip in clips[:4]]
    for given in (odd, iter(odd), (joints for joints in odd), [*odd, clips[5]]):
        notes = run[1].predict(given, ["wave", "squat"], layout=clips.layout.name).notes
        assert [note for note in notes if "in 4 of 4 clips, so the bodies are mirrored" in note]
    other = convert(clips[0], KINECT_20).clip
    assert len(run[1].predict([other, odd[0]], ["wave", "squat"], layout=clips.layout.name)) == 2


def test_a_file_without_checksum_says_so(run, tmp_path):
    folder = copy_of(run[0], tmp_path)
    about = json.loads((folder / "recognizer.json").read_text())
    del about["sha256"]
    (folder / "recognizer.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"recognizer\.json: has no checksum; tdsm did not write it, or an earlier version did"):
        Recognizer.from_pretrained(folder)
