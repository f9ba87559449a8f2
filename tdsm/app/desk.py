"""The logic behind the page: the recording of each session, and answers as HTML. It does not depend on Gradio and works without a browser.

Only one request is processed at a time, over all sessions. The reason is that readers and the recognizer report doubts as Python warnings, which are collected
per process; two requests at the same time could receive each other's warnings. All texts of users are escaped in the returned HTML.
"""

import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tdsm.app.pieces import bars, bodies, csv_link, lines, readings, section, segments, still_to_ask
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.examples import RIVALS, example_clips
from tdsm.data.labels import Label, as_labels, normal_form, parse_labels
from tdsm.data.readers import load_clips
from tdsm.recognizer import Recognizer, pretrained
from tdsm.search import Library
from tdsm.spotting.spot import Spotter
from tdsm.spotting.spots import Spots
from tdsm.text import TextWarning
from tdsm.util.errors import InputError
from tdsm.viz.animation import gallery, player
from tdsm.viz.timeline import timeline

__all__ = ["LONG", "Answer", "Desk", "Recording", "example_labels", "sentences_of"]

LONG = 8.0
"""Recordings longer than this many seconds are also searched for several actions."""

_PIECE = 1_000  # frames of a long recording that are processed in one turn
_SESSIONS = 50  # number of sessions whose recordings are kept; the oldest one is dropped
_MOST_LABELS = 300
_MOST_FRAMES = 200_000  # per recording: nearly two hours


@dataclass(frozen=True)
class Recording:
    """The clips of a session, and the warnings that were given when they were read."""

    clips: ClipSet
    notes: tuple[str, ...] = ()
    source: str = ""  # path of the upload, which is deleted after reading, and the options of the reader

    @property
    def names(self) -> list[str]:
        """Names of the clips, numbered, because several clips may have the same name."""
        return [f"{number}: {clip.name}" for number, clip in enumerate(self.clips, 1)]


@dataclass(frozen=True)
class Answer:
    """Pieces of HTML; "" for a piece that does not apply.

    Attributes:
        body: a player of the clip; "" for a long recording.
        ranking: labels with bars of their probabilities.
        readings: how each label was read.
        notes: one line per assumption.
        found: actions in a long recording: a timeline with a player, a table, and a link to the table as CSV.
    """

    body: str = ""
    ranking: str = ""
    readings: str = ""
    notes: str = ""
    found: str = ""

    @property
    def beside(self) -> str:
        """The pieces for the column beside the input."""
        titles = {"body": "", "ranking": "", "readings": "How each name was read", "notes": "Notes"}
        return "".join(section(name, title, getattr(self, name)) for name, title in titles.items())

    @property
    def below(self) -> str:
        """The piece that needs the full width."""
        return section("found", "Actions over time", self.found)


class Desk:
    """Read recordings, answer and search for all sessions of a server.

    Args:
        recognizer: default: the shipped one.
        library: library to search; default: the packaged examples.

    Example:
        >>> desk = Desk()
        >>> _ = desk.example("me", 1)
        >>> "jump straight up" in desk.answer("me", 0, "jump straight up, walk").ranking
        True
        >>> desk.forget("me")
    """

    def __init__(self, recognizer: Recognizer | None = None, library: Library | None = None) -> None:
        self.recognizer = recognizer or pretrained()
        self.examples = example_clips()
        self.library = library or Library.build(self.examples, self.recognizer, progress=False)
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Recording] = OrderedDict()

    def warm(self) -> None:
        """Load everything that the first answer needs, before the first request."""
        self.example("nobody", 0)
        self.answer("nobody", 0, str(self.examples[0].label))
        self.forget("nobody")

    def close(self) -> None:
        """Wait for the current request, and accept no further request, because torch must not run in a thread when the process ends."""
        self._lock.acquire()
        self._held.clear()

    def take(self, session: str, path: str | Path, layout: str | None = None, fps: float | None = None, size: tuple[int, int] | None = None) -> Recording:
        """Read an uploaded file, and delete it.

        Args:
            session: name of the session.
            path: the uploaded file.
            layout, fps, size: as in :func:`tdsm.load_clips`, for files that do not state them.

        Raises:
            InputError: the file cannot be read by :func:`tdsm.load_clips`.
        """
        path = Path(path)
        with self._lock, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            source = f"{path} {layout} {fps} {size}"
            known = next((held for held in self._held.values() if held.source == source), None)  # the same file, from two sessions at once
            try:
                recording = known or Recording(load_clips(path, layout, fps=fps, size=size), source=source)
            except InputError as error:
                self._held.pop(session, None)
                raise InputError(path.name, *_named(error, path)) from error
            finally:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            notes = known.notes if known else tuple(str(one.message).replace(str(path), path.name) for one in said)
            return self._hold(session, Recording(recording.clips, notes, source))

    def example(self, session: str, number: int) -> Recording:
        """Use a packaged example as the recording of the session."""
        with self._lock:
            return self._hold(session, Recording(ClipSet((self.examples[number],), (self.examples[number].label,), "example")))

    def forget(self, session: str) -> None:
        """End a session, and drop its recording."""
        with self._lock:
            self._held.pop(session, None)

    def answer(self, session: str, number: int, labels: str, descriptions: str = "") -> Answer:
        """The answer for one clip of the session's recording.

        Args:
            session: name of the session.
            number: index of the clip.
            labels: comma-separated names; "" shows only the moving body.
            descriptions: one line per described label, "label: sentence".

        Raises:
            InputError: no recording, no person in it, or labels or descriptions that cannot be used.
        """
        with self._turn():
            recording = self._held.get(session)
            if recording is None:
                raise InputError("recording", "none is chosen", "drop a file or pick an example")
            clip = recording.clips[min(max(0, int(number)), len(recording.clips) - 1)]
            if clip.frames > _MOST_FRAMES:
                raise InputError(clip.name, f"has {clip.frames:,} frames, the page takes at most {_MOST_FRAMES:,}", "cut it, or use `tdsm spot`")
            if not labels.strip():
                return Answer(bodies(player(clip)), still_to_ask(), notes=lines(recording.notes))
            asked = as_labels(parse_labels(labels, "labels"))
            if len(asked) > _MOST_LABELS:
                raise InputError("labels", f"are {len(asked)}, the page takes at most {_MOST_LABELS}", "give fewer labels at a time")
            sentences = sentences_of(descriptions)
            answer = self.recognizer.predict(clip, asked, sentences)
            if not len(answer):
                raise InputError(clip.name, "too few joints of a person are seen", "choose another clip")
            long = clip.frames / clip.fps > LONG
            given = bars(answer, whole=long), readings(answer), lines([*recording.notes, *answer.notes])
            if not long:
                known = normal_form(clip.label or "") in {label.key for label in asked}  # otherwise the answer is neither right nor wrong
                return Answer(bodies(player(clip if known else replace(clip, label=None), answer.top[0])), *given)
        spots = self._spotted(clip, asked, sentences)
        return Answer("", *given, bodies(timeline(spots, clip)) + segments(spots) + csv_link(spots))

    def _spotted(self, clip: Clip, asked: Sequence[Label], sentences: dict[str, str]) -> Spots:
        """The result of :func:`tdsm.spotting.spot.spot`, computed piece by piece, so that other requests are processed in between."""
        with self._turn():
            spotter, found = Spotter(self.recognizer, asked, clip.layout, clip.fps, descriptions=sentences), []
        for start in range(0, clip.frames, _PIECE):
            with self._turn():
                found += spotter.push(clip.joints[:, start : start + _PIECE])
        with self._turn():
            found += spotter.finish()
        return Spots(tuple(found), spotter.fps, clip.frames, tuple(label.name for label in spotter.labels), clip.name)

    def find(self, text: str, count: int = 6) -> str:
        """Players of the ``count`` library clips that fit a text best, with their scores.

        Raises:
            InputError: a text without words, or no clip to show.
        """
        with self._turn():
            hits = self.library.search(text, int(count))
            if self.library.clips is None:
                return hits._repr_html_()
            found = [replace(self.library.clips[hit.row], name=f"{hit.name} · cosine {hit.score:.2f}") for hit in hits]
            return bodies(gallery(found)) + lines(hits.notes)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", TextWarning)  # the readings say the same, per label
            yield

    def _hold(self, session: str, recording: Recording) -> Recording:
        self._held.pop(session, None)
        self._held[session] = recording
        while len(self._held) > _SESSIONS:
            self._held.popitem(last=False)
        return recording


def sentences_of(text: str) -> dict[str, str]:
    """Parse descriptions from lines "label: sentence".

    >>> sentences_of("squat: The knees bend.")
    {'squat': 'The knees bend.'}

    Raises:
        InputError: a line has another form, or a label occurs twice.
    """
    sentences: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        label, colon, sentence = (part.strip() for part in line.partition(":"))
        if not line.strip():
            continue
        if not (colon and label and sentence):
            raise InputError(f"descriptions, line {number}", f"{line[:60]!r} is not of the form label: sentence", "write one description per line")
        if label in sentences:
            raise InputError(f"descriptions, line {number}", f"{label[:60]!r} already has a description", "give one description per label")
        sentences[label] = sentence
    return sentences


def example_labels(label: str | None, typed: str) -> str:
    """Text of the label box for an example: its label among wrong ones, or the text that the user typed; for ``label`` None, only the user's text."""
    offered = {own: ", ".join(sorted((own, *rivals))) for own, rivals in RIVALS.items()}
    return offered.get(label, "") if not typed.strip() or typed in offered.values() else typed


def _named(error: InputError, path: Path) -> tuple[str, str]:
    """The problem and the remedy of an error, without the folder of the upload."""
    words = str(error).replace(str(path.parent) + "/", "")
    what, _, remedy = words.removeprefix(f"{path.name}: ").rpartition("; ")
    return (what, remedy) if what else (remedy, "give another file")
