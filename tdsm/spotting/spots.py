"""What was found in a long recording, as a table in a notebook and as files of other programs: CSV, COCO's JSON, ELAN's EAF."""

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
from tdsm.util.html import html_table

__all__ = ["Spots"]


@dataclass(frozen=True, eq=False)
class Spots(Sequence):
    """The actions of a recording, in order of time; shows itself as a table.

    Attributes:
        found: segments, in frames; ``score`` is the probability among the labels that were asked.
        fps: frames per second.
        frames: number of frames of the recording.
        labels: what was asked.
        name: of the recording.
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
        """(start, end) in seconds, label, probability, margin, of each."""
        return [(each.start / self.fps, each.end / self.fps, each.label, each.score, each.margin) for each in self.found]

    def names(self) -> tuple[str, ...]:
        """The labels that were asked, and after them those that only segments bear (a person's own)."""
        return tuple(dict.fromkeys([*self.labels, *(each.label for each in self.found)]))

    @classmethod
    def from_csv(cls, path: str | Path, fps: Real, frames: int) -> "Spots":
        """Segments that a person corrected, from the columns start, end (seconds) and label; :meth:`to_csv` and the page of ``viz.timeline`` write them.

        Args:
            path: with commas, semicolons or tabs; probability and margin are read where they are there, other columns are not.
            fps, frames: of the recording; borders go to the nearest frame.

        The labels are those of the segments, in order of time; the name is that of the file.

        Example:
            >>> spots = Spots((Segment(30, 75, "wave", 0.9),), 30.0, 300, ("wave", "bow"))
            >>> again = Spots.from_csv(spots.to_csv("found.csv"), 30, 300)
            >>> again.found, again.labels
            ((Segment(start=30, end=75, label='wave', score=0.9, margin=0.0),), ('wave',))

        Raises:
            InputError: not a table with these columns, a cell that is no number, no label, or a segment that is empty or leaves the recording.
        """
        found = read_segments(Path(path), fps, frames)
        return cls(tuple(found), float(fps), frames, tuple(dict.fromkeys(each.label for each in found)), Path(path).stem)

    def csv(self) -> str:
        """A table as text: start, end (seconds), label, probability, margin, start_frame, end_frame."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(("start", "end", "label", "probability", "margin", "start_frame", "end_frame"))
        lines.writerows(
            (f"{start:.3f}", f"{end:.3f}", label, f"{score:.4f}", f"{margin:.4f}", each.start, each.end)
            for (start, end, label, score, margin), each in zip(self.rows(), self.found, strict=True)
        )
        return text.getvalue()

    def to_csv(self, path: str | Path) -> Path:
        """Write what :meth:`csv` gives; returns the path."""
        return write_text(Path(path), self.csv())

    def to_json(self, path: str | Path) -> Path:
        """Write the form of COCO: videos, categories and annotations with segments in seconds and a score."""
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
        """Write a document of ELAN (EAF 3.0): the segments in milliseconds, in the tier "actions"; those that overlap in "actions 2" and so on."""
        return write_text(Path(path), eaf(self.found, self.fps))

    def __repr__(self) -> str:
        lines = [f"{start:7.2f} to {end:7.2f} s  {label}  {score:.0%}" for start, end, label, score, _ in self.rows()]
        return "\n".join([f"{len(self)} actions in {self.frames / self.fps:.1f} s of {self.name}", *lines])

    def _repr_html_(self) -> str:
        rows = [(f"{start:.2f}", f"{end:.2f}", label, f"{score:.0%}", f"{margin:.0%}") for start, end, label, score, margin in self.rows()]
        return html_table(
            rows, ("from, s", "to, s", "label", "probability", "margin"), title=f"{len(self)} actions in {self.frames / self.fps:.1f} s of {self.name}"
        )
