"""From the people that a pose detector found, frame by frame, to the persons of a clip.

Detectors of poses in pictures find people in each frame anew. Their readers bring every frame to a list of :class:`Person`; here persons are followed from
frame to frame, and become an array (M, T, V, C).

**Following.** Where every person has a number of the tool's own tracker, that number says who is who. Otherwise a person continues as the one whose joints were
nearest when last seen: on average over the joints found both times, nearest pairs first, and no further than half that person's extent (the diagonal of the box
round it); whoever is left is somebody new. A person who has not been found for :data:`MEMORY` seconds is forgotten: in that time anybody who walks is out of
that reach, and without forgetting, the cost would grow with the square of the film's length.

**Missing.** A joint that was not found (confidence 0, or exactly at (0, 0)) is NaN; a person who was not found in a frame is zeros in it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tdsm.data.clips import ASSUMED_FPS
from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError

__all__ = ["MEMORY", "Film", "Frames", "Person", "joints_of", "person"]

MEMORY = 2.0  # seconds
_REACH = 0.5  # of a person's extent: further than that nobody gets from one frame to the next
_CROWD = 200  # people in one frame
_LONGEST = 500_000  # frames: more than four hours


class Person(NamedTuple):
    """Somebody in one frame: (V, C) joints, NaN where one was not found, and what the tool's tracker calls this person, if it has one."""

    joints: np.ndarray
    number: int | str | None = None


Frames = dict[int, list[Person]]
"""Frame number to the people in it; numbers that are left out are frames with nobody."""


class Film(NamedTuple):
    """What a tool's file holds; ``fps`` is None where it does not say."""

    layout: Layout
    frames: Frames
    fps: float | None = None


def person(places: np.ndarray, confidence: np.ndarray | None, number: int | str | None = None) -> Person | None:
    """Somebody of whom at least one joint was found, else None.

    Args:
        places: (V, C) coordinates; NaN and, in the plane, (0, 0) are "not found".
        confidence: (V,), 0 or less is "not found" and NaN is unknown; None when the tool gives none.
        number: of the tool's tracker.
    """
    lost = np.isnan(places).any(axis=1)
    if places.shape[1] == 2:
        lost |= (places == 0).all(axis=1)
    if confidence is not None:
        lost |= confidence <= 0
    return None if lost.all() else Person(np.where(lost[:, None], np.nan, places), number)


def joints_of(frames: Mapping[int, Sequence[Person]], where: object, fps: float | None, bodies: int) -> np.ndarray:
    """The clip's joints.

    Args:
        frames: frame number to the people in it; numbers that are left out are frames with nobody.
        where: what to name in a message.
        fps: frames a second; None: not known.
        bodies: how many persons to keep at most: those found in most frames.

    Returns:
        (M, T, V, C) float32 with 1 <= M <= ``bodies``, from the first to the last number.

    Raises:
        InputError: nobody in any frame, too many people in one, or numbers too far apart.
    """
    numbers = sorted(frames)
    crowd = max(map(len, frames.values()), default=0)
    if not crowd:
        raise InputError(where, "nobody was found in any frame of this video", "leave its files out")
    if crowd > _CROWD:
        raise InputError(where, f"holds {crowd:,} people in one frame, more than the {_CROWD} that can be followed", "leave out the weakest ones")
    count = numbers[-1] - numbers[0] + 1
    if count > min(_LONGEST, 10_000 + 100 * len(numbers)):
        raise InputError(where, f"frame numbers {numbers[0]} to {numbers[-1]} with {len(numbers):,} frames", "number the frames one by one, and cut the film")
    tracks = sorted(_tracks(frames, numbers, max(1, round(MEMORY * (fps or ASSUMED_FPS)))), key=len, reverse=True)[:bodies]
    joints = np.zeros((len(tracks), count, *next(iter(tracks[0].values())).shape), np.float32)
    for slot, track in zip(joints, tracks, strict=True):
        for number, places in track.items():
            slot[number - numbers[0]] = places
    return joints


_Track = dict[int, np.ndarray]  # frame number to (V, C)


def _tracks(frames: Mapping[int, Sequence[Person]], numbers: Sequence[int], memory: int) -> list[_Track]:
    """Each person, in the order in which they come in."""
    names = [[person.number for person in people] for people in frames.values()]
    if all(None not in people and len(set(people)) == len(people) for people in names):  # the tool's tracker says of everybody who it is
        named: dict[int | str | None, _Track] = {}
        for number in numbers:
            for person in frames[number]:
                named.setdefault(person.number, {})[number] = person.joints
        return list(named.values())
    tracks: list[_Track] = []
    active: list[int] = []  # indices of the tracks that are remembered
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
    """Person -> the one of ``last`` as whom it continues: nearest pairs first, nobody twice."""
    if not last or not people:
        return {}
    before, now = np.stack(last), np.stack(people)
    low, high, start, end = np.nanmin(before, axis=1), np.nanmax(before, axis=1), np.nanmin(now, axis=1), np.nanmax(now, axis=1)
    extent = np.linalg.norm(high - low, axis=1)
    room = _REACH * extent[:, None]
    # a mean within reach needs one joint within reach, so the boxes must come that near; this leaves few pairs to measure
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
