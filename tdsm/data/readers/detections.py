"""Conversion of a pose detector's persons, frame by frame, to the persons of a clip.

Pose detectors find people in each frame independently. Their readers convert every frame to a list of :class:`Person`. Here persons are tracked from frame to
frame and become an array (M, T, V, C).

**Tracking.** If every person has a number from the tool's own tracker, this number identifies the person. Otherwise a detection continues the track whose last
joints are nearest, on average over the joints present in both. Nearest pairs are matched first, up to a distance of half the person's extent (the diagonal of
the bounding box). Unmatched detections start new tracks. A track without a detection for :data:`MEMORY` seconds is closed: a walking person moves further than
the limit in this time, and without closing tracks the cost would grow with the square of the video's length.

**Missing data.** A joint that was not found (confidence 0, or exactly at (0, 0)) is NaN; a person who was not found in a frame is zeros in it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tdsm.data.clips import ASSUMED_FPS
from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError

__all__ = ["MEMORY", "Film", "Frames", "Person", "joints_of", "person"]

MEMORY = 2.0  # seconds
_REACH = 0.5  # largest distance between frames, relative to a person's extent
_CROWD = 200  # most people in one frame
_LONGEST = 500_000  # most frames: more than four hours


class Person(NamedTuple):
    """A person in one frame: joints (V, C), NaN for missing ones, and the identity given by the tool's tracker, if any."""

    joints: np.ndarray
    number: int | str | None = None


Frames = dict[int, list[Person]]
"""Frame number -> persons in the frame; omitted numbers are frames without persons."""


class Film(NamedTuple):
    """Content of a tool's file; ``fps`` is None if not stated."""

    layout: Layout
    frames: Frames
    fps: float | None = None


def person(places: np.ndarray, confidence: np.ndarray | None, number: int | str | None = None) -> Person | None:
    """A person with at least one joint, otherwise None.

    Args:
        places: (V, C) coordinates; NaN and, in 2-D, (0, 0) mean missing.
        confidence: (V,), 0 or less means missing and NaN unknown; None if the tool gives none.
        number: identity given by the tool's tracker.
    """
    lost = np.isnan(places).any(axis=1)
    if places.shape[1] == 2:
        lost |= (places == 0).all(axis=1)
    if confidence is not None:
        lost |= confidence <= 0
    return None if lost.all() else Person(np.where(lost[:, None], np.nan, places), number)


def joints_of(frames: Mapping[int, Sequence[Person]], where: object, fps: float | None, bodies: int) -> np.ndarray:
    """The joints of a clip.

    Args:
        frames: frame number -> persons in the frame; omitted numbers are frames without persons.
        where: source named in messages.
        fps: frames per second; None if unknown.
        bodies: most persons to keep: those found in most frames.

    Returns:
        (M, T, V, C) float32 with 1 <= M <= ``bodies``, from the first to the last number.

    Raises:
        InputError: no person in any frame, too many people in one frame, or numbers too far apart.
    """
    numbers = sorted(frames)
    crowd = max(map(len, frames.values()), default=0)
    if not crowd:
        raise InputError(where, "no person was found in any frame of this video", "remove its files")
    if crowd > _CROWD:
        raise InputError(where, f"holds {crowd:,} people in one frame, more than the {_CROWD} that can be tracked", "remove those with the lowest confidence")
    count = numbers[-1] - numbers[0] + 1
    if count > min(_LONGEST, 10_000 + 100 * len(numbers)):
        raise InputError(
            where, f"frame numbers go from {numbers[0]} to {numbers[-1]}, with {len(numbers):,} frames", "number them consecutively, or split the video"
        )
    tracks = sorted(_tracks(frames, numbers, max(1, round(MEMORY * (fps or ASSUMED_FPS)))), key=len, reverse=True)[:bodies]
    joints = np.zeros((len(tracks), count, *next(iter(tracks[0].values())).shape), np.float32)
    for slot, track in zip(joints, tracks, strict=True):
        for number, places in track.items():
            slot[number - numbers[0]] = places
    return joints


_Track = dict[int, np.ndarray]  # frame number -> (V, C)


def _tracks(frames: Mapping[int, Sequence[Person]], numbers: Sequence[int], memory: int) -> list[_Track]:
    """The track of each person, in order of first appearance."""
    names = [[person.number for person in people] for people in frames.values()]
    if all(None not in people and len(set(people)) == len(people) for people in names):  # the tool's tracker identifies everybody
        named: dict[int | str | None, _Track] = {}
        for number in numbers:
            for person in frames[number]:
                named.setdefault(person.number, {})[number] = person.joints
        return list(named.values())
    tracks: list[_Track] = []
    active: list[int] = []  # indices of the open tracks
    for number in numbers:
        people = [person.joints for person in frames[number]]
        active = sorted((track for track in active if number - _seen(tracks[track]) <= memory), key=lambda track: -_seen(tracks[track]))[: 4 * _CROWD]
        last = [next(reversed(tracks[track].values())) for track in active]
        continued = _continued(last, people)
        for index, places in enumerate(people):
            if index in continued:
                tracks[active[continued[index]]][number] = places
            else:
                active.append(len(tracks))
                tracks.append({number: places})
    return tracks


def _seen(track: _Track) -> int:
    """The last frame in which this person was found."""
    return next(reversed(track))


def _continued(last: Sequence[np.ndarray], people: Sequence[np.ndarray]) -> dict[int, int]:
    """Person -> the entry of ``last`` that it continues; nearest pairs first, each used once."""
    if not last or not people:
        return {}
    before, now = np.stack(last), np.stack(people)
    low, high, start, end = np.nanmin(before, axis=1), np.nanmax(before, axis=1), np.nanmin(now, axis=1), np.nanmax(now, axis=1)
    extent = np.linalg.norm(high - low, axis=1)
    room = _REACH * extent[:, None]
    # a mean within reach needs one joint within reach, so the boxes must be that close; this leaves few pairs to measure
    near = ((low - room)[:, None] <= end[None]).all(axis=2) & ((high + room)[:, None] >= start[None]).all(axis=2) & (extent > 0)[:, None]
    tracks, indices = np.nonzero(near)
    away = np.linalg.norm(before[tracks] - now[indices], axis=2)
    both = np.isfinite(away)
    far = np.where(both, away, 0).sum(axis=1) / np.maximum(both.sum(axis=1), 1) / extent[tracks]
    continued: dict[int, int] = {}
    taken: set[int] = set()
    for pair in np.lexsort((indices, tracks, far)):
        track, index = int(tracks[pair]), int(indices[pair])
        if both[pair].any() and far[pair] <= _REACH and index not in continued and track not in taken:
            continued[index] = track
            taken.add(track)
    return continued
