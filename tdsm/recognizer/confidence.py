"""Confidence of an answer: the probability of each candidate label, and the probability that none of them is right.

The scores of a recognizer can be compared between the labels of one clip, but they are not probabilities. One number converts them to probabilities; two more
numbers give the probability that no label fits. All three are fitted on generated movements of actions that the towers were not trained on; no recording is
used:

    p(label | one candidate is right) = softmax(sharpness * score)
    p(none of these)                  = sigmoid(level - slope * evidence)

The evidence compares the candidates with all actions of the dictionary: logsumexp(sharpness * cosine) over the candidates, minus the same over the dictionary.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tdsm.util.errors import InputError

__all__ = ["UNCALIBRATED", "Confidence", "evidence", "fit_confidence", "read_confidence"]

_ASKED = (3, 5, 10, 20)  # numbers of candidate labels in the random questions that confidence is fitted on
_QUESTIONS = 4000


@dataclass(frozen=True)
class Confidence:
    """The three numbers of the formulas above.

    Attributes:
        sharpness: factor of the scores, above 0.
        slope, level: parameters of the sigmoid.

    Raises:
        InputError: a value that is not a finite number, or a sharpness of 0 or less.
    """

    sharpness: float
    slope: float
    level: float

    def __post_init__(self) -> None:
        numbers = (self.sharpness, self.slope, self.level)
        if not all(isinstance(number, float | int) and not isinstance(number, bool) and abs(number) < 1e6 for number in numbers) or self.sharpness <= 0:
            raise InputError("confidence", f"is {numbers!r:.80}", "give three finite numbers, the first above 0")

    def probabilities(self, scores: Float[np.ndarray, "clip label"]) -> Float[np.ndarray, "clip label"]:
        """Probability (N, K) of each label, given that one of them is right; each row sums to 1."""
        logits = self.sharpness * (scores - scores.max(axis=1, keepdims=True))
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    def none_of_these(self, given: Float[np.ndarray, " clip"]) -> Float[np.ndarray, " clip"]:
        """Probability (N,) that none of the candidate labels is right, from :func:`evidence`."""
        return 1 / (1 + np.exp(np.clip(self.slope * given - self.level, -50, 50)))


UNCALIBRATED = Confidence(sharpness=10.0, slope=1.0, level=0.0)
"""Used by recognizers without fitted confidence. Its sharpness is near that of the shipped recognizer; its ``none_of_these`` is not meaningful."""


def evidence(asked: Float[Tensor, "clip label"], known: Float[Tensor, "clip action"], sharpness: float) -> Float[Tensor, " clip"]:
    """Evidence (N,) for the candidates, from the cosines of each clip with the candidates (``asked``) and with the dictionary's actions (``known``)."""
    return torch.logsumexp(sharpness * asked, dim=1) - torch.logsumexp(sharpness * known, dim=1)


def fit_confidence(cosines: Float[Tensor, "clip label"], y: Tensor, known: Float[Tensor, "clip action"], per_cosine: float, seed: int = 0) -> Confidence:
    """Fit confidence by maximum likelihood over random questions, on clips of labels that the towers were not trained on.

    Args:
        cosines: (N, K) cosine of each clip with every label.
        y: (N,) index of the right label of each clip.
        known: (N, A) cosine of each clip with the A actions of the dictionary.
        per_cosine: change of the recognizer's score per unit of the cosine.
        seed: seed of the random questions.
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


_PARTS = (lambda rows: rows[:-1], lambda rows: rows[1:])  # the question with its right label, and with another wrong label instead


def read_confidence(about: object) -> Confidence | None:
    """Confidence from the value in a JSON file; None stays None. Raises InputError: the value is not an object with the three numbers."""
    if about is None:
        return None
    if not isinstance(about, Mapping) or about.keys() != {"sharpness", "slope", "level"}:
        raise InputError("confidence", f"is {about!r:.80}", "give sharpness, slope and level")
    return Confidence(**about)
