"""How sure an answer is: probabilities of the labels that were asked, and of none of them being right.

Scores of a recognizer are comparable between labels of one clip, and say nothing of how likely each is. One number makes them probabilities, and two more say
when no label fits. They are fitted on generated movements of actions that the towers were not trained on, so that no recording has a say:

    p(label | one of those asked is right) = softmax(sharpness * score)
    p(none of these)                       = sigmoid(level - slope * evidence)

The evidence compares the labels that were asked with all that might have been: the log of the sum of exp(sharpness * cosine) over the former, minus that over
the actions of the dictionary.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tdsm.util.errors import InputError

__all__ = ["UNCALIBRATED", "Confidence", "evidence", "fit_confidence", "read_confidence"]

_ASKED = (3, 5, 10, 20)  # numbers of labels in the questions that confidence is fitted on
_QUESTIONS = 4000


@dataclass(frozen=True)
class Confidence:
    """The three numbers.

    Attributes:
        sharpness: factor on scores, above 0.
        slope, level: of the sigmoid.
    """

    sharpness: float
    slope: float
    level: float

    def __post_init__(self) -> None:
        numbers = (self.sharpness, self.slope, self.level)
        if not all(isinstance(number, float | int) and not isinstance(number, bool) and abs(number) < 1e6 for number in numbers) or self.sharpness <= 0:
            raise InputError("confidence", f"is {numbers!r:.80}", "give three finite numbers, the first above 0")

    def probabilities(self, scores: Float[np.ndarray, "clip label"]) -> Float[np.ndarray, "clip label"]:
        """Of each label, given that one of them is right; rows sum to 1."""
        logits = self.sharpness * (scores - scores.max(axis=1, keepdims=True))
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    def none_of_these(self, given: Float[np.ndarray, " clip"]) -> Float[np.ndarray, " clip"]:
        """Probability that no label that was asked is right, from :func:`evidence`."""
        return 1 / (1 + np.exp(np.clip(self.slope * given - self.level, -50, 50)))


UNCALIBRATED = Confidence(sharpness=10.0, slope=1.0, level=0.0)
"""For recognizers without a fitted one: a sharpness near that of the shipped recognizer's; its probability of none of the labels says nothing."""


def evidence(asked: Float[Tensor, "clip label"], known: Float[Tensor, "clip action"], sharpness: float) -> Float[Tensor, " clip"]:
    """How much the labels that were asked outweigh everything that might have been asked; cosines of both with each clip."""
    return torch.logsumexp(sharpness * asked, dim=1) - torch.logsumexp(sharpness * known, dim=1)


def fit_confidence(cosines: Float[Tensor, "clip label"], y: Tensor, known: Float[Tensor, "clip action"], per_cosine: float, seed: int = 0) -> Confidence:
    """Fit on clips of labels that were not trained on, by maximum likelihood over random questions.

    Args:
        cosines: of each clip with every label.
        y: (clips,) the right label of each.
        known: cosines with the actions of the dictionary.
        per_cosine: change of a recognizer's score with the cosine.
    """
    rng = np.random.default_rng(seed)
    questions = []
    for clip in rng.integers(len(y), size=_QUESTIONS):
        others = rng.permutation(np.delete(np.arange(cosines.shape[1]), int(y[clip])))[: int(rng.choice(_ASKED))]
        questions.append((int(clip), torch.from_numpy(np.concatenate([[int(y[clip])], others]))))
    grid = np.geomspace(2, 80, 60)
    likelihood = [np.mean([float(torch.log_softmax(sharp * cosines[clip, rows[:-1]], 0)[0]) for clip, rows in questions[:1500]]) for sharp in grid]
    sharpness = float(grid[int(np.argmax(likelihood))])
    right, wrong = (torch.stack([evidence(cosines[[clip]][:, part(rows)], known[[clip]], sharpness)[0] for clip, rows in questions]) for part in _PARTS)
    x, target = torch.cat((right, wrong)), torch.cat((torch.zeros(len(right)), torch.ones(len(wrong))))
    line = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(line[1] - line[0] * x, target)
        value.backward()
        return value

    optimizer.step(loss)
    slope, level = line.tolist()
    return Confidence(sharpness / per_cosine, slope, level)


_PARTS = (lambda rows: rows[:-1], lambda rows: rows[1:])  # with the right label, and with one more wrong one in its place


def read_confidence(about: object) -> Confidence | None:
    """Confidence out of a JSON file; None for none. Raises InputError: something else."""
    if about is None:
        return None
    if not isinstance(about, Mapping) or about.keys() != {"sharpness", "slope", "level"}:
        raise InputError("confidence", f"is {about!r:.80}", "give sharpness, slope and level")
    return Confidence(**about)
