"""The recognizer and the way to it: same bits after reloading, any label, clear refusals, and the control that proves the text is read."""

import dataclasses
import json
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tdsm.backbones.base import extract
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config, DiffusionConfig, EncoderConfig, ModelConfig, PreprocessConfig, TrainConfig
from tdsm.data.clips import Clip
from tdsm.data.layouts import NTU_25
from tdsm.data.preprocess import preprocess_all
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.loop import train_encoder, train_matcher
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer
from tdsm.text import TextEncoder, class_prompts, load_prompts
from tdsm.train import ridge_report, train_recognizer, zero_shot_report
from tdsm.util.errors import InputError
from tdsm.util.files import locked

TINY = Config(
    preprocess=PreprocessConfig(frames=16),
    encoder=EncoderConfig(width=8, features=32, steps=12, batch=16),
    model=ModelConfig(width=32, depth=2, heads=2),
    diffusion=DiffusionConfig(noises=3),
    train=TrainConfig(steps=30, batch=16, lr=1e-2, warmup=2, save_every=8),
)


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
    assert np.array_equal(again.predict(clips[:5], labels).errors, recognizer.predict(clips[:5], labels).errors)


def test_scores_of_a_label_depend_on_that_label_only(run, clips):
    recognizer = run[1]
    every = recognizer.predict(clips[:4], UNSEEN).errors
    some = recognizer.predict(clips[:4], [UNSEEN[7], UNSEEN[2]]).errors
    np.testing.assert_allclose(some, every[:, [7, 2]], rtol=1e-5)
    alone = recognizer.predict(clips[2], UNSEEN).errors
    np.testing.assert_allclose(alone, every[2:3], rtol=1e-5)
    assert every.std(axis=1).min() > 1e-5


def test_a_description_changes_the_answer_for_its_label_only(run, clips):
    recognizer = run[1]
    bare = recognizer.predict(clips[:2], ["squat", "tennis serve"]).errors
    told = recognizer.predict(clips[:2], ["squat", "tennis serve"], {"squat": "The knees bend and the hips sink low."}).errors
    assert not np.allclose(told[:, 0], bare[:, 0], rtol=1e-4)
    np.testing.assert_allclose(told[:, 1], bare[:, 1], rtol=1e-5)


def test_predictions_show_themselves_and_escape_labels(run, clips):
    made = run[1].predict(clips[:2], ["<b>wave</b>", "squat"])
    assert made.top[0] == made.ranking(0)[0][0]
    assert made.ranking(0)[0][1] >= made.ranking(0)[1][1]
    assert "<b>wave" not in made._repr_html_()
    assert "&lt;b&gt;wave" in made._repr_html_()
    assert len(repr(made).splitlines()) == len(made) == 2


@pytest.mark.parametrize("labels", [[], ["a", "a"], [""], "wave", ["  "]])
def test_labels_that_make_no_sense_are_refused(run, clips, labels):
    with pytest.raises(InputError, match="labels"):
        run[1].predict(clips[0], labels)


def test_clips_of_another_body_are_refused(run):
    from tdsm.data.layouts import KINECT_20

    clip = Clip(np.random.default_rng(0).random((1, 5, 20, 3)), KINECT_20, name="mine.npy")
    with pytest.raises(InputError, match=r"mine\.npy: layout is kinect-20; convert them to ntu-25"):
        run[1].predict(clip, ["wave"])
    with pytest.raises(InputError, match="none given"):
        run[1].predict([], ["wave"])


def copy_of(folder, tmp_path):
    for path in (folder / "model").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_weights_of_another_size_are_refused(run, tmp_path):
    folder = copy_of(run[0], tmp_path)
    about = json.loads((folder / "recognizer.json").read_text())
    about["config"]["model"]["width"] = 64
    (folder / "recognizer.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"matcher\.safetensors: .* but the settings need"):
        Recognizer.from_pretrained(folder)


@pytest.mark.parametrize("damage", ["pickle", "truncated", "missing", "extra"])
def test_damaged_weights_are_refused_and_never_executed(run, tmp_path, damage):
    folder, marker = copy_of(run[0], tmp_path), tmp_path / "executed"
    path = folder / "encoder.safetensors"
    if damage == "pickle":
        path.write_bytes(b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR.")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "missing":
        path.unlink()
    else:
        save_file(load_file(path) | {"intruder": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"encoder\.safetensors"):
        Recognizer.from_pretrained(folder)
    assert not marker.exists()


@pytest.mark.parametrize("text", ["", "{", '{"layout": "ntu-25"}', '{"layout": "dragon"}', "[]"])
def test_a_damaged_recognizer_json_is_refused(run, tmp_path, text):
    folder = copy_of(run[0], tmp_path)
    (folder / "recognizer.json").write_text(text)
    with pytest.raises(InputError, match=r"recognizer\.json"):
        Recognizer.from_pretrained(folder)


def test_a_run_folder_with_other_settings_is_refused(run, clips):
    other = dataclasses.replace(TINY, train=TrainConfig(steps=13))
    with pytest.raises(InputError, match=r"config\.json: holds other settings"):
        train_recognizer(clips.of_classes(SEEN[:6]), other, folder=run[0], seed=3)
    assert Config.from_json((run[0] / "config.json").read_text()) == TINY


def test_a_refused_training_leaves_the_run_as_it_was(run, clips):
    before = {path: path.read_bytes() for path in run[0].rglob("*") if path.is_file()}
    seen, told = clips.of_classes(SEEN[:6]), load_prompts("synthetic")
    with pytest.raises(InputError, match=r"env\.json: is of a run with another seed"):
        train_recognizer(seen, TINY, descriptions=told, folder=run[0], seed=4)
    for other, sentences in ((seen[1:], told), (seen, told | {SEEN[0]: "something else"})):
        with pytest.raises(InputError, match=r"env\.json: is of a run with other clips, labels or descriptions"):
            train_recognizer(other, TINY, descriptions=sentences, folder=run[0], seed=3)
    with locked(run[0]), pytest.raises(InputError, match="another process is training in it"):
        train_recognizer(seen, TINY, descriptions=told, folder=run[0], seed=3)
    assert {path: path.read_bytes() for path in run[0].rglob("*") if path.is_file()} == before


def test_seen_classes_are_no_zero_shot_test(run, clips):
    with pytest.raises(InputError, match="was trained on"):
        zero_shot_report(run[1], clips.of_classes([SEEN[0], UNSEEN[0]]))
    with pytest.raises(InputError, match="1 class to train on"):
        train_recognizer(clips.of_classes(SEEN[:1]), TINY)


def test_evaluation_covers_every_test_clip_once(run, clips):
    test = clips.of_classes(UNSEEN)
    report = zero_shot_report(run[1], test)
    assert report.confusion().sum() == len(test) == 4 * len(UNSEEN)
    assert report.chance == 1 / len(UNSEEN)
    assert ridge_report(run[1], clips.of_classes(SEEN[:6]), test).errors.shape == report.errors.shape


@pytest.mark.slow
def test_with_label_texts_shuffled_among_classes_unseen_accuracy_falls_to_chance():
    """The control: what the demo recognises, it recognises by reading the labels."""
    clips = synthetic_clips(6, seed=1)
    train, test = clips.of_classes(SEEN), clips.of_classes(UNSEEN)
    encoder_config = EncoderConfig(width=16, features=128, steps=200, batch=16)
    torch.manual_seed(0)
    encoder = build_encoder(encoder_config, NTU_25, 1, len(SEEN))
    settings = PreprocessConfig(frames=24)
    x, x_test = (torch.from_numpy(preprocess_all(part, settings)) for part in (train, test))
    train_encoder(encoder, x, torch.from_numpy(train.y), encoder_config)
    z_x, z_test = extract(encoder, x), extract(encoder, x_test)
    prompts = class_prompts([*SEEN, *UNSEEN], load_prompts("synthetic"))
    text = TextEncoder(Config().text).encode(prompts, prompts_per_class=2)

    def accuracy(order: torch.Tensor) -> float:
        told = text.select(order)
        seen, unseen = told.select(torch.arange(len(SEEN))), told.select(torch.arange(len(SEEN), len(order)))
        matcher = Matcher(128, 1, text.z_g.shape[1], text.z_l.shape[1], ModelConfig(width=64, depth=2, heads=4), DiffusionConfig())
        matcher.fit_scale(z_x)
        train_matcher(matcher, z_x, torch.from_numpy(train.y), seen, TrainConfig(steps=300, batch=64, lr=2e-3, warmup=10))
        answers = matcher.errors(z_test, matcher.encode_text(unseen)).argmin(1)
        return (answers == torch.from_numpy(test.y)).float().mean().item()

    true = accuracy(torch.arange(len(prompts)))
    shuffled = [accuracy(torch.randperm(len(prompts), generator=torch.Generator().manual_seed(seed))) for seed in range(3)]
    assert true > 0.35
    assert np.mean(shuffled) < 0.2  # chance is 0.1
    assert true > max(shuffled) + 0.1


def test_one_clip_and_sixty_labels_take_no_retraining(clips):
    """The answer's shape and that labels are encoded once; how long it takes is measured in benchmarks/latency.py."""
    config = Config()
    torch.manual_seed(0)
    encoder = build_encoder(config.encoder, NTU_25, config.preprocess.bodies, 5)
    matcher = Matcher(256, 1, 768, config.text.tokens, config.model, config.diffusion)
    recognizer = Recognizer(config, NTU_25, SEEN[:5], {}, encoder, matcher)
    labels = [f"action number {number}" for number in range(60)]
    start = time.perf_counter()
    first = recognizer.predict(clips[0], labels)
    middle = time.perf_counter()
    second = recognizer.predict(clips[0], labels)
    assert first.errors.shape == (1, 60)
    assert np.array_equal(first.errors, second.errors)
    assert time.perf_counter() - middle < middle - start
