"""The actions found in a long recording, shown as a table in a notebook and written as CSV, COCO's JSON or ELAN's EAF."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from tdsm.spotting.exchange import eaf, read_segments
from tdsm.spotting.measures import Segment
from tdsm.util.files import write_text
from tdsm.util.tables import html_table

__all__ = ["Spots"]


@dataclass(frozen=True, eq=False)
class Spots(Sequence):
    """The actions in a recording, in order of time. A notebook displays them as a table.

    Attributes:
        found: segments, in frames; ``score`` is the probability among the candidate labels.
        fps: frames per second.
        frames: number of frames of the recording.
        labels: the candidate labels.
        name: name of the recording.
    """

    found: tuple[Segment, ...]
    fps: float
    frames: int
    labels: tuple[str, ...]
    name: str = "recording"

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: int) -> Segment:
        return self.found[index]

    def rows(self) -> list[tuple[float, float, str, float, float]]:
        """(start, end, label, probability, margin) of each action; start and end are in seconds."""
        return [(each.start / self.fps, each.end / self.fps, each.label, each.score, each.margin) for each in self.found]

    def names(self) -> tuple[str, ...]:
        """The candidate labels, followed by labels that occur only in segments, such as those that a person added."""
        return tuple(dict.fromkeys([*self.labels, *(each.label for each in self.found)]))

    @classmethod
    def from_csv(cls, path: str | Path, fps: Real, frames: int) -> "Spots":
        """Read segments that a person corrected, from the columns start, end (seconds) and label. :meth:`to_csv` and ``viz.timeline`` write such files.

        Args:
            path: file with commas, semicolons or tabs between columns. The columns probability and margin are optional; other columns are ignored.
            fps: frames per second of the recording; borders are rounded to the nearest frame.
            frames: number of frames of the recording.

        Returns:
            spots whose labels are those of the segments in order of time, named after the file.

        Example:
            >>> spots = Spots((Segment(30, 75, "wave", 0.9),), 30.0, 300, ("wave", "bow"))
            >>> again = Spots.from_csv(spots.to_csv("found.csv"), 30, 300)
            >>> again.found, again.labels
            ((Segment(start=30, end=75, label='wave', score=0.9, margin=0.0),), ('wave',))

        Raises:
            InputError: a column or a label is missing, a cell is not a number, or a segment is empty or outside the recording.
        """
        found = read_segments(Path(path), fps, frames)
        return cls(tuple(found), float(fps), frames, tuple(dict.fromkeys(each.label for each in found)), Path(path).stem)

    def csv(self) -> str:
        """The table as CSV text with the columns start, end (seconds), label, probability, margin, start_frame, end_frame."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(("start", "end", "label", "probability", "margin", "start_frame", "end_frame"))
        lines.writerows(
            (f"{start:.3f}", f"{end:.3f}", label, f"{score:.4f}", f"{margin:.4f}", each.start, each.end)
            for (start, end, label, score, margin), each in zip(self.rows(), self.found, strict=True)
        )
        return text.getvalue()

    def to_csv(self, path: str | Path) -> Path:
        """Write the text of :meth:`csv` to a file; returns the path."""
        return write_text(Path(path), self.csv())

    def to_json(self, path: str | Path) -> Path:
        """Write JSON in the style of COCO: videos, categories, and annotations with segments in seconds and a score; returns the path."""
        number = {label: row for row, label in enumerate(self.names())}
        about = {
            "videos": [{"id": 0, "name": self.name, "fps": self.fps, "frames": self.frames}],
            "categories": [{"id": row, "name": label} for label, row in number.items()],
            "annotations": [
                {"id": row, "video_id": 0, "category_id": number[label], "segment": [round(start, 3), round(end, 3)], "score": round(score, 4)}
                for row, (start, end, label, score, _) in enumerate(self.rows())
            ],
        }
        return write_text(Path(path), json.dumps(about, indent=2) + "\n")

    def to_eaf(self, path: str | Path) -> Path:
        """Write an ELAN document (EAF 3.0) with times in milliseconds: tier "actions", overlapping segments in "actions 2" and so on; returns the path."""
        return write_text(Path(path), eaf(self.found, self.fps))

    def __repr__(self) -> str:
        lines = [f"{start:7.2f} to {end:7.2f} s  {label}  {score:.0%}" for start, end, label, score, _ in self.rows()]
        return "\n".join([f"{len(self)} actions in {self.frames / self.fps:.1f} s of {self.name}", *lines])

    def _repr_html_(self) -> str:
        rows = [(f"{start:.2f}", f"{end:.2f}", label, f"{score:.0%}", f"{margin:.0%}") for start, end, label, score, margin in self.rows()]
        return html_table(
            rows, ("from, s", "to, s", "label", "probability", "margin"), title=f"{len(self)} actions in {self.frames / self.fps:.1f} s of {self.name}"
        )
