"""The answer of a recognizer for some clips and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from tdsm.text import LabelReading
from tdsm.util.errors import InputError
from tdsm.util.tables import html_table

if TYPE_CHECKING:
    import pandas

__all__ = ["Predictions"]


@dataclass(frozen=True, eq=False)
class Predictions(Sequence):
    """The answer for B clips and K labels. A notebook displays it as a table.

    ``predictions[i]`` is the ranking for clip i: (label, score) pairs, best first.

    Attributes:
        clips: names of the B clips.
        labels: the K candidate labels, in the order given.
        scores: (B, K), higher is better: the negated denoising errors, comparable between the labels of one clip. With calibration, gamma is already
            subtracted from the scores of seen labels.
        readings: how each label was read (from its description, from its name, through the lexicon), and which parts of it were not understood.
        notes: one line per assumption, such as a converted layout.
        probabilities: (B, K) probability of each label, given that one of them is right; each row sums to 1. None if the recognizer has no confidence.
        none_of_these: (B,) probability that none of the labels is right; None if the recognizer has no confidence.

    Example:
        >>> import numpy as np
        >>> answer = Predictions(("a.npy",), ("squat", "wave"), np.array([[-0.9, -0.2]]))
        >>> answer[0]
        [('wave', -0.2), ('squat', -0.9)]
        >>> answer.top
        ['wave']
    """

    clips: tuple[str, ...]
    labels: tuple[str, ...]
    scores: Float[np.ndarray, "clip label"]
    readings: tuple[LabelReading, ...] = ()
    notes: tuple[str, ...] = ()
    probabilities: Float[np.ndarray, "clip label"] | None = None
    none_of_these: Float[np.ndarray, " clip"] | None = None

    @property
    def top(self) -> list[str]:
        """The best label for each of the B clips."""
        return [self.labels[index] for index in self.scores.argmax(axis=1)]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> list[tuple[str, float]]:
        row = self.scores[index]
        return [(self.labels[place], float(row[place])) for place in np.argsort(-row, kind="stable")]

    def probability(self, index: int, label: str) -> float:
        """Probability of ``label`` for clip ``index``, given that one candidate is right. Raises ValueError: not a candidate, or no confidence."""
        if self.probabilities is None:
            raise ValueError("this recognizer has no confidence")
        return float(self.probabilities[index, self.labels.index(label)])

    def table(self, best: int = 3) -> list[list[str]]:
        """A header row, then one row per clip: its name and its ``best`` labels with their probabilities, and the probability of "none of these".

        Without confidence, the rows hold scores in place of probabilities.
        """
        sure, count = self.probabilities is not None, min(best, len(self.labels))
        head = [f"{what} {place}" for place in range(1, 1 + count) for what in ("label", "probability" if sure else "score")]
        rows = [["clip", *head, *(["none of these"] if sure else [])]]
        for row, name in enumerate(self.clips):
            numbers = [(label, f"{self.probability(row, label):.3f}" if sure else f"{score:.5f}") for label, score in self[row][:count]]
            rows.append([name, *(cell for pair in numbers for cell in pair), *([f"{self.none_of_these[row]:.3f}"] if sure else [])])
        return rows

    def to_pandas(self) -> "pandas.DataFrame":
        """A DataFrame of scores with one row per clip and one column per label. Raises InputError: pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise InputError("to_pandas", "pandas is not installed", "pip install pandas") from error
        return pandas.DataFrame(self.scores, index=list(self.clips), columns=list(self.labels))

    def _rows(self, best: int = 5) -> list[list[str]]:
        if self.probabilities is None:
            return [[name, *(f"{label} ({score:.4f})" for label, score in self[row][:best])] for row, name in enumerate(self.clips)]
        rows = [[name, *(f"{label} ({self.probability(row, label):.0%})" for label, _ in self[row][:best])] for row, name in enumerate(self.clips)]
        return rows if self.none_of_these is None else [[*cells, f"none of these ({none:.0%})"] for cells, none in zip(rows, self.none_of_these, strict=True)]

    def __repr__(self) -> str:
        lines = []
        for clip, *cells in self._rows():
            ranked, none = (cells, []) if self.none_of_these is None else (cells[:-1], cells[-1:])
            lines.append(f"{clip}: " + "; ".join([", ".join(f"{place}. {cell}" for place, cell in enumerate(ranked, 1)), *none]))
        return "\n".join([*lines, *self.remarks])

    @property
    def remarks(self) -> list[str]:
        """The notes and the remarks about labels, one line each."""
        return [*self.notes, *(f"label {reading.label.name!r}: {remark}" for reading in self.readings for remark in reading.remarks)]

    def _repr_html_(self) -> str:
        rows = self._rows()
        head = ["clip", *(f"{place}." for place in range(1, len(rows[0])))]
        if self.none_of_these is not None:
            head[-1] = ""
        note = "score: minus the denoising error, higher is better" if self.probabilities is None else "probability of each, if one of them is right"
        tables = [html_table(rows, head, note=note)]
        if self.readings:
            how = [(reading.label.name, reading.how, reading.near, "; ".join(reading.remarks)) for reading in self.readings]
            head = ("label", "read from", "most like, in the dictionary", "remarks")
            empty = not any(reading.near for reading in self.readings)
            tables.append(html_table([row[:2] + row[3:] for row in how] if empty else how, head[:2] + head[3:] if empty else head))
        return "".join(tables) + (html_table([(note,) for note in self.notes]) if self.notes else "")
