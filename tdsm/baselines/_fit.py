"""Code shared by all baselines: checked and standardised input, one training loop, and two losses.

Features are centred and scaled to mean square 1, with statistics of the training clips. Texts are scaled to length 1, then centred and scaled to mean square 1
with statistics of the texts of the seen classes, because sentence encoders map all texts close to one point. This preprocessing is the same for every method,
even where a paper uses another one, so that the comparison is between methods and not between preprocessing steps.
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
"""Function from test features (N, C) and texts of K candidates to similarities (N, K); the label with the largest similarity of a row is the answer."""


class Training(NamedTuple):
    """Standardised training data: features x (clip, channel), labels y (clip,), texts t (seen, word), and functions that scale test input in the same way."""

    x: Tensor
    y: Tensor
    t: Tensor
    features: Callable[[Tensor], Tensor]
    texts: Callable[[Tensor], Tensor]


def prepare(z_x: Float[Tensor, "clip *token channel"], labels: Labels, text: Texts) -> Training:
    """Check and standardise the training data, on the CPU.

    Raises:
        InputError: fewer than two classes or no clip, a label without text, unequal lengths, NaN, or numbers that are all the same. The two functions
            of the result raise it for input of another width.
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
    center = known.flatten(0, -2).mean(dim=0)  # per channel, over clips and tokens, so that differences between tokens remain
    scale = (known - center).square().mean().sqrt()
    if not (torch.isfinite(scale) and scale > 0):
        raise InputError("baseline", f"{what} are NaN, infinite or all the same", f"compute the {what} again")

    def scaled(values: Tensor) -> Tensor:
        if values.shape[1:] != known.shape[1:]:
            raise InputError(
                "baseline", f"{what} of shape {tuple(values.shape[1:])}, trained on {tuple(known.shape[1:])}", "use the same encoder for training and test"
            )
        return (values.cpu() - center) / scale

    return scaled


def slices(t: Float[Tensor, "label word"], parts: int) -> tuple[Tensor, ...]:
    """Split texts into the prompts of a class, which are concatenated along the channels: ``parts`` tensors (label, word / parts).

    Raises:
        InputError: the channels cannot be divided into ``parts`` equal parts.
    """
    if parts < 1 or t.shape[1] % parts:
        raise InputError("baseline", f"texts of {t.shape[1]} numbers in {parts} parts", "set parts to the number of prompts per class")
    return t.chunk(parts, dim=1)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw weights, batches and noise from ``seed``, and restore the state of the caller's generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def train(module: nn.Module, loss_of_batch: Callable[[Tensor, float], Tensor], clips: int, *, steps: int, batch: int, lr: float, decay: float = 0.0) -> None:
    """Train with Adam for a fixed number of steps on random batches; afterwards the module is frozen and in evaluation mode.

    Args:
        loss_of_batch: function from (indices of the batch, share of finished steps, 0 to 1) to the loss.
        decay: weight decay.

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
    """Linear layers of these widths, with a ReLU between two layers."""
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
    """Mean of clip -> class and class -> clip cross-entropy. All clips of a class in the batch are positives with equal weight; none is a false negative."""
    present, index = y.unique(return_inverse=True)
    right = F.one_hot(index).float().T
    return (F.cross_entropy(logits, y) + F.cross_entropy(logits.T[present], right / right.sum(dim=1, keepdim=True))) / 2
