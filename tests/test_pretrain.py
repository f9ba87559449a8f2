"""Pretraining: from generated movement to a saved recognizer; resuming, leaving actions out, confidence."""

import json

import numpy as np
import pytest
import torch

import tdsm
from tdsm.backbones import pretraining
from tdsm.backbones.lexicon import Prototypes
from tdsm.config import tuned
from tdsm.data.layouts import BODY_15
from tdsm.data.prompts.dictionary import load_dictionary
from tdsm.data.synthetic import synthetic_clips
from tdsm.experiments.pretrain import pretrain
from tdsm.recognizer import Recognizer
from tdsm.recognizer.confidence import Confidence, fit_confidence
from tdsm.text import TextEncoder
from tdsm.util.errors import InputError
from tdsm.util.files import read_sealed, write_sealed

TINY = {"pairs": 16, "performances": 2, "steps": 6, "pairs_batch": 8, "acted_batch": 16, "negated": 4}
FEW = load_dictionary()[::100]


@pytest.fixture(autouse=True)
def few_actions(monkeypatch):
    def some(without=()):
        left = {action.name for action in load_dictionary(without)}
        return tuple(action for action in FEW if action.name in left)

    monkeypatch.setattr(pretraining, "load_dictionary", some)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(pretraining, "load_dictionary", lambda without=(): FEW)
    folder = tmp_path_factory.mktemp("pretrained")
    recognizer = pretrain(folder, settings=TINY)
    patch.undo()
    return folder, recognizer


def test_a_pretrained_recognizer_answers_for_any_body_with_probabilities(run):
    _, recognizer = run
    clips = synthetic_clips(1, actions=["bow", "jump"])
    assert (recognizer.layout, recognizer.seen) == (BODY_15, ())
    for layout in ("ntu-25", "kinect-20", "coco-17", "openpose-25", "mediapipe-33", "smpl-22"):
        answer = recognizer.predict(tdsm.convert(clips, layout).clips, ["bow", "jump", "anything else"])
        assert np.allclose(answer.probabilities.sum(1), 1)
        assert ((answer.none_of_these > 0) & (answer.none_of_these < 1)).all()
        assert [note for note in answer.notes if note.startswith(f"converted from {layout} to body-15")]
        assert (answer.probabilities.argmax(1) == answer.scores.argmax(1)).all()


def test_the_same_command_gives_the_same_bytes_and_what_is_done_is_not_done_again(run, tmp_path, monkeypatch):
    written = {path.name: path.read_bytes() for path in (run[0] / "model").iterdir()}
    pretrain(tmp_path, settings=TINY)
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == written
    (tmp_path / "model" / "backbone.safetensors").unlink()
    for step in ("batch_rows", "act", "clips_of"):
        monkeypatch.setattr(pretraining, step, lambda *args, **kwargs: pytest.fail("made or trained again"))
    pretrain(tmp_path, settings=TINY)
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == written


def test_a_folder_of_another_pretraining_is_refused(run):
    with pytest.raises(InputError, match=r"run\.json: belongs to another pretraining"):
        pretrain(run[0], settings=TINY | {"steps": 7})
    with pytest.raises(InputError, match="unknown key 'stepz'"):
        pretrain(run[0], settings={"stepz": 7})
    with pytest.raises(InputError, match="pairs is too small"):
        pretrain(run[0], settings={"pairs": 2})


def test_tested_actions_are_left_out(tmp_path):
    name = FEW[3].name
    recognizer = pretrain(tmp_path, settings=TINY, without=iter([name]), confidence=False)
    assert len(recognizer.backbone.prototypes.names) < len(FEW)
    assert recognizer.confidence is None
    assert json.loads((tmp_path / "run.json").read_text())["without"] == [name]
    answer = recognizer.predict(synthetic_clips(1, actions=["bow"]), ["bow", "jump"])
    assert answer.probabilities is None
    assert answer.none_of_these is None
    assert recognizer.backbone.left_out == (name,)


@pytest.mark.parametrize(("options", "what"), [
    ({"without": "wave"}, "without"), ({"without": [3]}, "without"), ({"seed": -1}, "seed"), ({"seed": 1.5}, "seed"), ({"seed": 2**70}, "seed"),
    ({"settings": TINY | {"corrupt": {"noise": -1.0}}}, "noise"),
])  # fmt: skip
def test_what_cannot_be_is_refused_before_any_work(tmp_path, options, what):
    with pytest.raises((InputError, TypeError), match=what):
        pretrain(tmp_path / "run", **{"settings": TINY} | options)
    assert not (tmp_path / "run" / "run.json").exists()


def test_names_that_leave_nothing_out_are_said(tmp_path):
    with pytest.warns(UserWarning, match=r"1 of 2 names match no action of the dictionary \(first: 'qqq'\)"):
        pretrain(tmp_path, settings=TINY, without=[FEW[3].name, "qqq"], confidence=False)


def test_what_a_pretraining_left_out_is_not_rehearsed_either():
    read = []

    class Reads(TextEncoder):
        def read_sentences(self, sentences, batch=64):
            read.extend(sentences)
            return super().read_sentences(sentences, batch)

    recipe, texts, count = tuned(), Reads(tuned().text, None), 6 * len(FEW)
    told = set(pretraining._voices(FEW[3]))
    pretraining.rehearsal(count, recipe, texts)
    assert told & set(read)
    read.clear()
    pairs = pretraining.rehearsal(count, recipe, texts, [FEW[3].name])
    assert len(pairs.x) == len(read) == count
    assert not told & set(read)


def test_saved_again_it_says_the_same(run, tmp_path):
    recognizer = run[1]
    clips = synthetic_clips(1, actions=["bow", "jump"])
    again = Recognizer.from_pretrained(recognizer.save_pretrained(tmp_path))
    first, second = (each.predict(clips, ["bow", "jump"]) for each in (recognizer, again))
    assert np.array_equal(first.scores, second.scores)
    assert np.array_equal(first.none_of_these, second.none_of_these)


@pytest.mark.parametrize("value", [{"sharpness": 1.0}, {"sharpness": 0, "slope": 1, "level": 1}, {"sharpness": "x", "slope": 1, "level": 1}, [1, 2, 3]])
def test_a_damaged_confidence_is_refused(run, tmp_path, value):
    run[1].save_pretrained(tmp_path)
    write_sealed(tmp_path / "recognizer.json", read_sealed(tmp_path / "recognizer.json") | {"confidence": value})
    with pytest.raises(InputError, match="confidence"):
        Recognizer.from_pretrained(tmp_path)


def test_prototypes_give_back_what_they_learned_and_similar_names_lie_near():
    draw = torch.Generator().manual_seed(0)
    names = torch.nn.functional.normalize(torch.randn(12, 8, generator=draw), dim=-1)
    places = torch.nn.functional.normalize(torch.randn(12, 4, generator=draw), dim=-1)
    prototypes = Prototypes(12, 8, 4).fit(names, places)
    assert ((prototypes(names) * places).sum(1) > 0.9).all()
    assert torch.allclose(prototypes.actions(), prototypes(names), atol=2e-3)  # names are kept in half precision
    rows, cosine = prototypes.nearest(names[[5, 2]] + 1e-3)
    assert rows.tolist() == [5, 2]
    assert (cosine > 0.99).all()


def test_confidence_is_calibrated_and_tells_when_no_label_fits():
    """Cosines whose true sharpness is known: the right label is drawn from their softmax."""
    draw, clips, labels, sharp = np.random.default_rng(0), 3000, 30, 12.0
    cosines = draw.uniform(-1, 1, (clips, labels))
    y = np.array([draw.choice(labels, p=np.exp(sharp * row) / np.exp(sharp * row).sum()) for row in cosines])
    known = torch.from_numpy(draw.uniform(-1, 1, (clips, 200)))
    sure = fit_confidence(torch.from_numpy(cosines), torch.from_numpy(y), known, per_cosine=2.0)
    assert sure.sharpness == pytest.approx(sharp / 2, rel=0.15)
    assert sure.slope > 0  # more evidence, less doubt
    assert sure.none_of_these(np.array([5.0])) < sure.none_of_these(np.array([-5.0]))
    assert Confidence(2.0, 1.0, 0.0).probabilities(np.array([[0.0, 0.0]])).tolist() == [[0.5, 0.5]]


def test_the_ways_of_an_action_take_turns():
    action = next(action for action in load_dictionary() if len(action.ways) > 3)
    takes = [pretraining._take(action, 7, draw) for draw in range(2 * len(action.ways))]
    assert [way for *_, way in takes] == [*action.ways, *action.ways]
    assert [take[:2] for take in takes] == [(7, draw) for draw in range(len(takes))]


def test_a_size_that_a_file_claims_takes_no_memory(run, tmp_path):
    run[1].save_pretrained(tmp_path)
    about = read_sealed(tmp_path / "backbone.json")
    for change in ({"actions": 10**12}, {"names": 10**12}):
        write_sealed(tmp_path / "backbone.json", about | {"sizes": about["sizes"] | change})
        with pytest.raises(InputError, match=r"backbone\.safetensors: .* but the settings need"):
            Recognizer.from_pretrained(tmp_path)


def test_several_persons_are_counted_in_a_note(run):
    one = synthetic_clips(1, actions=["bow", "jump"])
    both = tdsm.Clip(np.concatenate([one[0].joints[:, :40], one[1].joints[:, :40]]), one.layout)
    assert "1 of 1 clips show more than 1 person: those who move most are used" in run[1].predict(both, ["bow", "jump"]).notes
    assert not [note for note in run[1].predict(one, ["bow", "jump"]).notes if "person" in note]


@pytest.mark.parametrize(("init", "config"), [("", None), (True, None), ("no/such/folder", None), ("pretrained", tdsm.demo()), ("pretrained", tdsm.Config())])
def test_a_start_that_cannot_be_is_refused(init, config):
    with pytest.raises(InputError, match=r"init|no/such/folder|encoder\.width"):
        tdsm.train_recognizer(synthetic_clips(1, actions=["bow", "jump"]), config, init=init)


def test_towers_of_other_settings_are_refused_and_the_setting_is_named():
    config = tdsm.override(tuned(), {"encoder.steps": 1})
    with pytest.raises(InputError, match=r"encoder\.steps: is 1, but \d+ in the towers of .* from which training starts; set it to \d+"):
        tdsm.train_recognizer(synthetic_clips(1, actions=["bow", "jump"]), config)


def test_what_is_no_clip_set_or_folder_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="clips: are a list; give a ClipSet"):
        tdsm.train_recognizer(list(synthetic_clips(1, actions=["bow", "jump"])), init="pretrained")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be written"):
        pretrain(tmp_path / "file", settings=TINY)
    with pytest.raises(InputError, match="file: cannot be written"):
        run[1].save_pretrained(tmp_path / "file")


def test_a_number_of_timesteps_that_a_file_claims_takes_no_memory(run, tmp_path):
    run[1].save_pretrained(tmp_path)
    about = read_sealed(tmp_path / "recognizer.json")
    about["config"]["diffusion"]["timesteps"] = 10**12
    write_sealed(tmp_path / "recognizer.json", about)
    with pytest.raises(InputError, match=r"matcher\.safetensors: alpha_bar is \(50,\), but the settings need \(1000000000000,\)"):
        Recognizer.from_pretrained(tmp_path)
