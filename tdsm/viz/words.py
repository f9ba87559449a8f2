"""Influence of single words on an answer: words left out of a label's text, and attention of the denoiser.

**Occlusion** (:func:`without_each_word`): the text of a label is encoded again without one of its words, and the change of its score is measured. It needs
only scores, so it works for every recognizer. It shows what the score depends on, with three limits. A sentence with a missing word is unusual input for the
text encoder. If two words have the same meaning, leaving out one of them changes little. A change of the score does not say whether the answer is right.

**Attention** (:func:`attention_to_words`): the share of a skeleton token's attention that each text token gets, in each block of CrossDiT. It shows which
tokens are read, but not their effect: the value of a token with much attention may change nothing. The language model has already mixed the words, so a
token also contains information about its neighbours. In the aligned recipe a label is a single token, so only occlusion applies.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from tdsm.data.clips import Clip
from tdsm.data.labels import Label, as_labels, merged
from tdsm.data.missing import completed
from tdsm.recognizer import Recognizer
from tdsm.text import TextEncoder
from tdsm.text.language_model import load_tokenizer, locate
from tdsm.util.errors import InputError
from tdsm.viz import style
from tdsm.viz.parts import AGAINST, NEUTRAL, PARTS, SUPPORTS, held_still, looks, signed
from tdsm.viz.stills import strip

__all__ = ["Words", "attention_to_words", "decision", "draw_attention", "draw_words", "without_each_word"]


@dataclass(frozen=True)
class Words:
    """The words of one label, and the loss of its score without each of them.

    Attributes:
        label: the label.
        words: words of its name, followed by those of its description.
        loss: (word,) score with the word minus score without it. Positive: the word supports the label.
        margin: score of the label minus that of the best other label. If a loss is larger, another label becomes the answer.
        name_words: number of words that belong to the name.
    """

    label: str
    words: tuple[str, ...]
    loss: Float[np.ndarray, " word"]
    margin: float
    name_words: int


def without_each_word(recognizer: Recognizer, clip: Clip, labels: Sequence[str | Label], label: str) -> Words:
    """Leave out each word of a label's name and description in turn, and score the clip again.

    Args:
        clip: a clip in any layout.
        labels: two or more labels. A label without a description gets that of the recognizer, if there is one.
        label: name of the label whose words are left out. A name of one word is kept.

    Raises:
        InputError: fewer than two labels, ``label`` is not one of them or has a list of prompts, or input that ``recognizer.predict`` rejects.
    """
    asked = as_labels(labels, merged(recognizer.descriptions, {}))
    names = [each.name for each in asked]
    if len(names) < 2 or label not in names:
        raise InputError("labels", f"no label {label!r} among {len(names)}", "give two or more labels, this one among them")
    chosen = asked[names.index(label)]
    if isinstance(chosen.description, tuple):
        raise InputError("labels", f"{label!r} has a list of prompts", "give it one description")
    name, told = re.split(r"[\s_]+", chosen.name.strip()), (chosen.description or "").split()
    changed = [(word, Label(_without(name, place), chosen.description)) for place, word in enumerate(name) if len(name) > 1]
    count = len(changed)
    changed += [(word, replace(chosen, description=_without(told, place))) for place, word in enumerate(told) if len(told) > 1]
    if not changed:
        raise InputError("labels", f"{label!r} is one word without a description", "give it a description")
    z_x = recognizer.features(clip).to(recognizer.device)[:, None]
    scores, without = (-_errors(recognizer, z_x, several) for several in (asked, [variant for _, variant in changed]))
    own = scores[names.index(label)]
    margin = float(own - np.delete(scores, names.index(label)).max())
    return Words(label, tuple(word for word, _ in changed), own - without, margin, count)


def _errors(recognizer: Recognizer, z_x: torch.Tensor, labels: Sequence[Label]) -> np.ndarray:
    """Denoising errors of one clip under each label. Labels are encoded one by one, because several of them have the same name."""
    streams = [recognizer.matcher.encode_text(recognizer.backbone.labels([label]).to(recognizer.device)) for label in labels]
    return torch.cat([recognizer.matcher.errors(z_x, stream)[0] for stream in streams]).cpu().numpy()


def _without(words: Sequence[str], place: int) -> str:
    return " ".join([*words[:place], *words[place + 1 :]])


def draw_words(words: Words, ax: Axes | None = None) -> tuple[FigureBase, Axes]:
    """One bar per word, in the order of the text: the loss of the score without it. Green words support the label, pink words speak against it."""
    fig, ax = style.new_axes(ax, max(5.0, 0.42 * len(words.words) + 1.5), 2.9)
    bars = ax.bar(range(len(words.words)), words.loss, color=[SUPPORTS if loss > 0 else AGAINST for loss in words.loss], width=0.75)
    ax.bar_label(bars, [f"{loss:+.2f}" for loss in words.loss], padding=2, fontsize=style.SMALL - 1)
    ax.set_xticks(range(len(words.words)), words.words, rotation=40, ha="right", rotation_mode="anchor", fontsize=style.AXIS, parse_math=False)
    ax.axhline(0, color=style.MIDDLE, linewidth=0.8)
    if 0 < words.name_words < len(words.words):
        ax.axvline(words.name_words - 0.5, color=NEUTRAL, linewidth=1.2)
        ax.set_title("name", loc="left", fontsize=style.SMALL, color=style.MIDDLE)
        ax.set_title("description", loc="right", fontsize=style.SMALL, color=style.MIDDLE)
    if 0 < words.margin < 1.5 * max(words.loss.max(), 0):
        ax.axhline(words.margin, color=style.TEXT, linewidth=1.0, linestyle="--", label="margin: beyond it, another answer")
        ax.legend(fontsize=style.SMALL, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.08))
    ax.margins(y=0.22)
    ax.set_title(textwrap.fill(words.label, 60), fontsize=style.AXIS, parse_math=False)
    style.finish(ax, "", "score lost\nwithout the word", ticks="y")
    return fig, ax


def decision(recognizer: Recognizer, clip: Clip, labels: Sequence[str | Label], label: str, frames: int = 6) -> tuple[Figure, np.ndarray]:
    """Loss of one label's score if a part of the body is held still (top), and if a word of the label is left out (bottom).

    :mod:`tdsm.viz.parts` describes how parts are held still. Other labels that need the same part may lose as much;
    :func:`tdsm.viz.motion.influence` shows the effect on the answer.

    Raises:
        InputError: input that :func:`without_each_word` rejects.
    """
    words = without_each_word(recognizer, clip, labels, label)
    names = [each.name for each in as_labels(labels)]
    whole = completed(clip)
    scores = recognizer.predict([whole, *(held_still(whole, part) for part in PARTS)], labels).scores
    parts = dict(zip(PARTS, (scores[0] - scores[1:])[:, names.index(label)].tolist(), strict=True))
    figure = Figure(figsize=(max(9.0, 0.37 * len(words.words) + 1.5), 5.8), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(3.2, 2.9))
    left, right = above.subfigures(1, 2, width_ratios=(5, 3))
    strip(clip, names[int(scores[0].argmax())], frames, influence=parts, figure=left)
    ax, look = right.subplots(), looks(parts)
    bars = ax.barh(list(parts), list(parts.values()), color=[look[part][0] for part in parts])
    ax.bar_label(bars, [signed(loss) for loss in parts.values()], padding=3, fontsize=style.SMALL)
    ax.axvline(0, color=style.MIDDLE, linewidth=0.8)
    ax.invert_yaxis()
    ax.margins(x=0.25)
    ax.set_title(f"score of “{textwrap.shorten(label, 40, placeholder=' ...')}”", fontsize=style.AXIS, parse_math=False)
    style.finish(ax, "lost when the part is held still", ticks="x")
    _, under = draw_words(words, below.subplots())
    return figure, np.array([ax, under])


def attention_to_words(recognizer: Recognizer, clip: Clip, label: str | Label) -> tuple[list[str], Float[np.ndarray, "block token"]]:
    """Share of the skeleton's attention that each token of a label's text gets, per block: the mean over heads, test noises and skeleton tokens.

    The remainder to 1 of a row is the attention of skeleton tokens to themselves. Several prompts of a label are joined along the channels, so their tokens
    at the same position are one token of CrossDiT; they are written with "|" between them.

    Raises:
        InputError: the recognizer has an aligned backbone (one token per label) or the joint stream, or its text encoder has no tokens.
    """
    (asked,) = as_labels([label], merged(recognizer.descriptions, {}))
    denoiser, encoder = recognizer.matcher.denoiser, recognizer.backbone.text_encoder
    if recognizer.backbone.kind == "aligned" or denoiser.config.stream != "cached" or not isinstance(encoder, TextEncoder):
        what = f"backbone {recognizer.backbone.kind}, stream {denoiser.config.stream}"
        raise InputError("attention_to_words", what, "give a recognizer with a classifier backbone and the cached stream, such as that of tdsm.config.demo()")
    stream = recognizer.stream([asked])
    tokenizer = load_tokenizer(encoder.config, locate(encoder.config))
    pieces = [[tokenizer.decode([token]) for token in read] for read in tokenizer(asked.prompts, encoder.config.tokens)]
    places = max(map(len, pieces))
    tokens = [" | ".join(dict.fromkeys(piece[place] for piece in pieces if place < len(piece))) for place in range(places)]
    asked_of: list[torch.Tensor] = []
    hooks = [block.attn.qkv.register_forward_hook(lambda _module, _inputs, output: asked_of.append(output)) for block in denoiser.blocks]
    try:
        recognizer.matcher.fused(recognizer.features(clip).to(recognizer.device)[:, None], stream)
    finally:
        for hook in hooks:
            hook.remove()
    shares = [_shares(block.attn, qkv, keys, stream.hidden) for block, qkv, keys in zip(denoiser.blocks, asked_of, stream.keys, strict=True)]
    return tokens, torch.stack(shares)[:, :places].cpu().numpy()


def _shares(attn: torch.nn.Module, qkv: torch.Tensor, keys: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Shares (token,) of one label: the softmax over own tokens and words of :meth:`tdsm.model.blocks.CrossBlock.skeleton`, averaged."""
    q, k, _ = attn.split(qkv)  # (1, R, heads, M_x, part)
    q = q / q.shape[-1] ** 0.5
    to_words = (q @ keys[:, None]).masked_fill(hidden[:, None, None, None, :], float("-inf"))
    weights = torch.cat((q @ k.transpose(-2, -1), to_words), dim=-1).softmax(dim=-1)
    return weights[..., q.shape[-2] :].mean(dim=(0, 1, 2, 3))


def draw_attention(tokens: Sequence[str], shares: Float[np.ndarray, "block token"], ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Draw the shares of :func:`attention_to_words`: one row per block, one column per token; dark is a large share."""
    fig, ax = style.new_axes(ax, max(5.0, 0.42 * len(tokens) + 1.6), 0.5 * len(shares) + 1.7)
    picture = ax.imshow(shares, cmap="Blues", vmin=0, aspect="auto")
    ax.set_xticks(range(len(tokens)), tokens, rotation=40, ha="right", rotation_mode="anchor", fontsize=style.AXIS, parse_math=False)
    ax.set_yticks(range(len(shares)), [f"block {number}: {row.sum():.0%} on words" for number, row in enumerate(shares, 1)], fontsize=style.AXIS)
    fig.colorbar(picture, ax=ax, label="share of attention", shrink=0.9)
    return fig, ax
