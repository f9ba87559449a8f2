"""What all baselines share: checked and standardised input, one training loop, and two losses.

Features are centred and scaled to mean square 1 by the training clips. Texts are scaled to length 1, then centred and scaled in the same way by the
texts of the seen classes, for sentence encoders put all texts near one point. Both hold for every method, whatever its paper does, so that methods
and not preprocessings are compared.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from tdsm.util.errors import InputError

__all__ = ["Features", "Labels", "Score", "Texts", "Training", "hinge", "info_nce", "mlp", "prepare", "seeded", "slices", "train"]

Features = Float[Tensor, "clip channel"]
Labels = Int[Tensor, " clip"]
Texts = Float[Tensor, "seen word"]

Score = Callable[[Float[Tensor, "test channel"], Float[Tensor, "label word"]], Float[Tensor, "test label"]]
"""Test features and candidates' texts to similarities; of a row the largest is the answer."""


class Training(NamedTuple):
    """Standardised training clips x (clip, channel), their labels y, the texts t (seen, word), and how to bring test input to the same scale."""

    x: Tensor
    y: Tensor
    t: Tensor
    features: Callable[[Tensor], Tensor]
    texts: Callable[[Tensor], Tensor]


def prepare(z_x: Float[Tensor, "clip *token channel"], labels: Labels, text: Texts) -> Training:
    """Check and standardise; everything is computed on the CPU.

    Raises:
        InputError: fewer than two classes or no clip, a label without text, unequal lengths, NaN, or numbers that are all the same. The two functions
            of the result raise it for another width.
    """
    if len(text) < 2 or len(z_x) == 0 or len(z_x) != len(labels):
        what = f"{len(z_x)} features, {len(labels)} labels, {len(text)} seen classes"
        raise InputError("baseline", what, "give a label for each feature and a text for each of at least two classes")
    if labels.min() < 0 or labels.max() >= len(text):
        raise InputError("baseline", f"labels from {labels.min()} to {labels.max()} for {len(text)} texts", f"give labels from 0 to {len(text) - 1}")
    features, unit = _scaler("features", z_x.cpu()), F.normalize(text.cpu(), dim=-1)
    scale_text = _scaler("texts", unit)

    def texts(candidates: Tensor) -> Tensor:
        return scale_text(F.normalize(candidates.cpu(), dim=-1))

    return Training(features(z_x), labels.cpu(), scale_text(unit), features, texts)


def _scaler(what: str, known: Tensor) -> Callable[[Tensor], Tensor]:
    center = known.flatten(0, -2).mean(dim=0)  # of a channel, over clips and tokens: what tells tokens apart stays
    scale = (known - center).square().mean().sqrt()
    if not (torch.isfinite(scale) and scale > 0):
        raise InputError("baseline", f"{what} are NaN, infinite or all the same", "extract them again")

    def scaled(values: Tensor) -> Tensor:
        if values.shape[1:] != known.shape[1:]:
            raise InputError("baseline", f"{what} of shape {tuple(values.shape[1:])}, trained on {tuple(known.shape[1:])}", "take one encoder's")
        return (values.cpu() - center) / scale

    return scaled


def slices(t: Float[Tensor, "label word"], parts: int) -> tuple[Tensor, ...]:
    """The prompts of a class, which stand side by side along the channels, one by one: ``parts`` tensors (label, word / parts).

    Raises:
        InputError: they cannot all be equally long.
    """
    if parts < 1 or t.shape[1] % parts:
        raise InputError("baseline", f"texts of {t.shape[1]} numbers in {parts} parts", "let parts be the number of prompts joined for a class")
    return t.chunk(parts, dim=1)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw weights, batches and noise from ``seed``, and leave the caller's generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def train(module: nn.Module, loss_of_batch: Callable[[Tensor, float], Tensor], clips: int, *, steps: int, batch: int, lr: float, decay: float = 0.0) -> None:
    """Adam for a fixed number of steps on random batches; the module ends frozen, in evaluation mode.

    ``loss_of_batch``: (row numbers, share of the steps that is done, from 0 to 1) to the loss; ``decay``: weight decay.

    Raises:
        InputError: the last loss is not finite.
    """
    optimizer = torch.optim.Adam(module.parameters(), lr=lr, weight_decay=decay, fused=True)
    loss = torch.zeros(())
    for step in range(steps):
        loss = loss_of_batch(torch.randperm(clips)[:batch], step / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if not torch.isfinite(loss):
        raise InputError("baseline", f"the loss is {loss.item()} after {steps} steps", "lower lr")
    module.eval().requires_grad_(False)


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with a ReLU between each two."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def hinge(similarity: Float[Tensor, "clip seen"], y: Int[Tensor, " clip"], margin: float) -> Float[Tensor, ""]:
    """Mean over clips of the sum over wrong classes j of max(0, margin - s_y + s_j)."""
    right = similarity.gather(1, y[:, None])
    wrong = torch.ones_like(similarity).scatter(1, y[:, None], 0.0)
    return (wrong * F.relu(margin - right + similarity)).sum(dim=1).mean()


def info_nce(logits: Float[Tensor, "clip seen"], y: Int[Tensor, " clip"]) -> Float[Tensor, ""]:
    """Mean of clip -> class and class -> clip cross-entropy; all clips of a class in the batch are equally right, so that none is a false negative."""
    present, index = y.unique(return_inverse=True)
    right = F.one_hot(index).float().T
    return (F.cross_entropy(logits, y) + F.cross_entropy(logits.T[present], right / right.sum(dim=1, keepdim=True))) / 2
