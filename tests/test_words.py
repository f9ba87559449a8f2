"""Words left out of a label and attention to words: what they say is what the recognizer computes."""

import numpy as np
import pytest
import torch

from tdsm.backbones.classifier import Classifier
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config, DiffusionConfig, EncoderConfig, ModelConfig, PreprocessConfig
from tdsm.data.examples import example_clips
from tdsm.data.labels import Label
from tdsm.data.layouts import NTU_25
from tdsm.data.synthetic import SEEN, synthetic_clips
from tdsm.matcher import Matcher
from tdsm.recognizer import Recognizer, pretrained
from tdsm.text import TextEncoder
from tdsm.util.errors import InputError
from tdsm.viz import words
from tdsm.viz.parts import held_still

TELL = "Both legs push off the ground and the body rises."


@pytest.fixture(scope="module")
def shipped():
    return pretrained()


@pytest.fixture(scope="module")
def reader():
    """A recognizer whose skeleton tokens attend to words: random weights, real sentences."""
    config = Config(
        backbone="classifier",
        preprocess=PreprocessConfig(frames=16),
        encoder=EncoderConfig(kind="shift-gcn", width=8, features=8),
        model=ModelConfig(width=16, depth=2, heads=2, prior=False),
    )
    encoder = TextEncoder(config.text)
    net = build_encoder(config.encoder, NTU_25, config.preprocess.bodies, 2)
    torch.manual_seed(0)
    matcher = Matcher(8, 1, 768, 35, config.model, DiffusionConfig(noises=3))
    for parameter in matcher.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return Recognizer(config, Classifier(net, config.preprocess, SEEN[:2], "synthetic", encoder), matcher.eval())


def test_a_word_left_out_is_the_label_read_without_it(shipped):
    clip, labels = example_clips()[1], [Label("jump up", TELL), "squat"]
    made = words.without_each_word(shipped, clip, labels, "jump up")
    assert made.words == ("jump", "up", *TELL.split()) and made.name_words == 2
    scores = shipped.predict(clip, labels).scores[0]
    assert made.margin == pytest.approx(scores[0] - scores[1], abs=1e-4)
    place = made.words.index("rises.")
    without = shipped.predict(clip, [Label("jump up", TELL.removesuffix(" rises.")), "squat"]).scores[0, 0]
    assert made.loss[place] == pytest.approx(scores[0] - without, abs=1e-4)
    assert made.loss[0] == pytest.approx(scores[0] - shipped.predict(clip, [Label("up", TELL), "squat"]).scores[0, 0], abs=1e-4)
    figure, ax = words.draw_words(made)
    assert [text.get_text() for text in ax.get_xticklabels()] == list(made.words)
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(list(made.loss))
    figure.draw_without_rendering()


def test_words_with_dollar_signs_are_drawn_as_they_are():
    made = words.Words("pay $5 or $_ more", ("pay", "$5", "or", "$_", "$"), np.arange(5.0), 1.0, 5)
    figure, ax = words.draw_words(made)
    figure.draw_without_rendering()
    assert not any(text.get_parse_math() for text in (ax.title, *ax.get_xticklabels()))


def test_a_decision_shows_what_the_own_score_loses(shipped):
    clip, labels = example_clips()[1], [Label("jump up", TELL), Label("squat", "The knees bend.")]
    figure, (parts, below) = words.decision(shipped, clip, labels, "jump up")
    lost = dict(zip([text.get_text() for text in parts.get_yticklabels()], [bar.get_width() for bar in parts.patches], strict=True))
    known = {each.name: each.description for each in labels}
    told = shipped.predict([clip, held_still(clip, "left leg")], list(known), known).scores[:, 0]
    assert lost["left leg"] == pytest.approx(told[0] - told[1], abs=1e-4)
    assert [text.get_text() for text in below.get_xticklabels()][:2] == ["jump", "up"]
    figure.draw_without_rendering()


def test_words_of_a_label_that_has_none_to_leave_out_are_refused(shipped):
    clip = example_clips()[1]
    for labels, label, message in (
        (["squat", "jump"], "jump", "is one word without a description"),
        (["squat", "jump"], "bow", "no label 'bow' among 2"),
        (["jump"], "jump", "give two or more labels"),
        ([Label("jump", ("a jump", "to jump")), "bow"], "jump", "has a list of prompts"),
    ):
        with pytest.raises(InputError, match=message):
            words.without_each_word(shipped, clip, labels, label)


def test_attention_is_what_a_block_computes(reader):
    """Values of one word replaced by a large number: the block's output moves by the attention to it."""
    clip = synthetic_clips(1, seed=0)[0]
    tokens, shares = words.attention_to_words(reader, clip, Label("jump", TELL))
    assert tokens[0] == "[CLS]" and tokens[1] == "jump | both" and len(tokens) == shares.shape[1]
    assert shares.shape[0] == 2 and (shares > 0).all() and (shares.sum(1) < 1).all()
    stream = reader.stream([Label("jump", TELL)])
    block, z_x = reader.matcher.denoiser.blocks[0], reader.features(clip)[:, None]
    taken = []
    hook = block.attn.proj.register_forward_hook(lambda _module, inputs, _output: taken.append(inputs[0]))
    reader.matcher.fused(z_x, stream)
    stream.values[0][:, :, 3] += 1.0
    reader.matcher.fused(z_x, stream)
    hook.remove()
    np.testing.assert_allclose((taken[1] - taken[0]).mean().item(), shares[0, 3], rtol=1e-3)
    figure, ax = words.draw_attention(tokens, shares)
    assert [text.get_text() for text in ax.get_xticklabels()] == tokens
    figure.draw_without_rendering()


def test_a_label_of_one_token_has_no_words_to_attend_to(shipped):
    with pytest.raises(InputError, match="backbone aligned"):
        words.attention_to_words(shipped, example_clips()[0], "jump")
