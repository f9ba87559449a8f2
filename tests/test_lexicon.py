"""The lexicon: what a bare name would be told like, and that a data set's own sentences are not in it."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from standins import TINY_ALIGNED

from tdsm.backbones.lexicon import Lexicon, fit_lexicon, read_labels, sentences_of_others
from tdsm.config import override
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.labels import Label, normal_form
from tdsm.data.layouts import KINECT_20
from tdsm.data.prompts import load_prompts
from tdsm.recognizer import Recognizer
from tdsm.text import TextEncoder, TextModel, directions
from tdsm.train import train_recognizer
from tdsm.util.errors import InputError

TINY = override(TINY_ALIGNED, {"align.guess": 0.5})

SENTENCES = {
    "tennis serve": "The right arm swings from above the head down to the front.",
    "clap": "Both hands meet in front of the chest, again and again.",
    "kick": "The right leg swings forward and up.",
}


@pytest.fixture(scope="module")
def text_encoder():
    return TextEncoder(TINY.text)


@pytest.fixture(scope="module")
def lexicon(text_encoder, tmp_path_factory):
    return fit_lexicon(SENTENCES, 0.5, text_encoder, tmp_path_factory.mktemp("lexicon"))


def nearest(read, text_encoder, sentences=SENTENCES):
    known = text_encoder.read_sentences(list(sentences.values()))
    centre = known.mean(0)
    return list(sentences)[int(torch.cosine_similarity(read - centre, known - centre).argmax())]


@pytest.mark.parametrize("name, like", [("clapping hands", "clap"), ("kicking a ball", "kick"), ("serve in tennis", "tennis serve")])
def test_a_new_name_is_read_like_the_sentence_of_the_name_most_like_it(name, like, lexicon, text_encoder):
    assert nearest(read_labels([Label(name)], text_encoder, lexicon), text_encoder) == like


def test_a_bare_name_is_its_guess_and_a_sentence_is_met_half_way(lexicon, text_encoder):
    labels = [Label("clap"), Label("clap", "The left arm goes up.")]
    read, (name, sentence) = read_labels(labels, text_encoder, lexicon), text_encoder.read_sentences(["clap", "The left arm goes up."])
    guess = lexicon(name[None])[0]
    torch.testing.assert_close(read, torch.stack([guess, (guess + sentence) / 2]))
    torch.testing.assert_close(read_labels(labels, text_encoder, None), torch.stack([name, sentence]))


def test_a_guess_does_not_depend_on_the_other_names(lexicon, text_encoder):
    names = ["wave", "jump up", "sit down"]
    read = text_encoder.read_sentences(names)
    torch.testing.assert_close(torch.cat([lexicon(read[row : row + 1]) for row in range(3)]), lexicon(read))


def test_with_equal_kernels_it_is_kernel_ridge_regression():
    """Held against scikit-learn's, on the same directions."""
    kernel_ridge = KernelRidge(alpha=0.1, kernel="rbf", gamma=1.0)
    draw = torch.Generator().manual_seed(0)
    names, sentences, asked = (torch.randn(count, 8, generator=draw) for count in (20, 20, 5))
    made = Lexicon(20, 8, 0.5).fit(names, sentences)
    views = directions(torch.cat((names, asked)), made.center).numpy()
    kernel_ridge.fit(views[:20], (sentences - sentences.mean(0)).numpy())
    np.testing.assert_allclose(made(asked).numpy(), kernel_ridge.predict(views[20:]) + sentences.mean(0).numpy(), atol=1e-5)


@pytest.mark.parametrize("dataset", ["utd-mhad", "ntu-60", "pku-mmd", "kinetics-200"])
def test_what_a_data_set_has_itself_is_left_out_wherever_it_stands(dataset):
    found, own = sentences_of_others(dataset), load_prompts(dataset)
    assert len(found) > 150
    assert not set(own.values()) & set(found.values())
    assert not {normal_form(name) for name in own} & {normal_form(name) for name in found}


def test_sentences_for_a_new_data_set_are_all_there_are():
    found = sentences_of_others("my clips")
    assert set(load_prompts("utd-mhad")) | set(load_prompts("nw-ucla")) <= set(found)


POSE = np.random.default_rng(1).standard_normal((20, 3))


def moving_clips(count=24):
    draw = np.random.default_rng(0)
    joints = POSE + 0.02 * draw.standard_normal((count, 1, 20, 20, 3)).cumsum(axis=2)
    labels = ["clap", "kick", "wave"]
    made = tuple(Clip(one.astype(np.float32), KINECT_20, label=labels[row % 3], name=f"clip {row}") for row, one in enumerate(joints))
    return ClipSet(made, tuple(labels), "mine")


@pytest.fixture(scope="module")
def recognizers(text_encoder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        told = {"Clap": SENTENCES["clap"], "kick": SENTENCES["kick"]}
        yield [train_recognizer(moving_clips(), override(TINY, {"align.guess": guess}), descriptions=told, text_encoder=text_encoder) for guess in (0.5, 0.0)]


def test_a_trained_recognizer_reads_labels_with_its_lexicon_if_it_has_one(recognizers, text_encoder):
    labels = [Label("clap", SENTENCES["clap"]), Label("playing tennis")]
    for recognizer in recognizers:
        read = read_labels(labels, text_encoder, recognizer.backbone.lexicon)
        torch.testing.assert_close(recognizer.text(["clap", "playing tennis"]).z_g, recognizer.backbone.label_features(read).z_g)
    assert recognizers[0].backbone.lexicon.share == 0.5
    assert recognizers[1].backbone.lexicon is None
    assert ["lexicon" in recognizer._repr_html_() for recognizer in recognizers] == [True, False]


def test_the_sentences_of_the_seen_classes_are_learned_too(recognizers):
    names = recognizers[0].backbone.lexicon.names
    assert len(names) == len(sentences_of_others("mine") | {"clap": "", "kick": ""})


def test_the_lexicon_is_saved_with_the_model(recognizers, text_encoder, tmp_path):
    clips = moving_clips(3)
    for recognizer in recognizers:
        again = Recognizer.from_pretrained(recognizer.save_pretrained(tmp_path / str(recognizer.config.align.guess)), text_encoder)
        labels = ["clap", "playing tennis"]
        np.testing.assert_array_equal(again.predict(clips, labels).scores, recognizer.predict(clips, labels).scores)


def test_a_saved_recognizer_asks_for_the_text_model_it_was_trained_with(recognizers, tmp_path):
    folder = recognizers[0].save_pretrained(tmp_path)
    other = Counts()
    with pytest.raises(InputError, match=r"backbone\.json: was trained with a different text model"):
        Recognizer.from_pretrained(folder, other)


class Counts(TextModel):
    """A text model of one's own, which counts letters."""

    identity = "letters"

    def encode(self, prompts, prompts_per_class=None):
        raise NotImplementedError

    def read_sentences(self, sentences):
        rows = [[sentence.count(letter) + 1.0 for letter in "abcdefgh"] for sentence in sentences]
        view = torch.nn.functional.normalize(torch.tensor(rows), dim=1)
        return torch.cat((view, view.flip(1)), dim=1)


def test_a_text_model_without_settings_can_be_learned_from_and_has_a_cache_of_its_own(text_encoder, tmp_path):
    fit_lexicon(SENTENCES, 0.5, text_encoder, tmp_path)
    own = fit_lexicon(SENTENCES, 0.5, Counts(), tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    assert own.names.shape == (3, 16)


def test_too_few_sentences_are_named(text_encoder, tmp_path):
    with pytest.raises(InputError, match=r"lexicon.*1 descriptions.*at least two"):
        fit_lexicon({"clap": "x"}, 0.5, text_encoder, tmp_path)


def test_a_damaged_cache_is_made_anew(text_encoder, tmp_path):
    first = fit_lexicon(SENTENCES, 0.5, text_encoder, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:40])
    with pytest.warns(UserWarning, match=f"creating a cache file again: .*{file.name}"):
        again = fit_lexicon(SENTENCES, 0.5, text_encoder, tmp_path)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
