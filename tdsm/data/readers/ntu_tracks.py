"""From the bodies of an NTU RGB+D file to persons: tracks, and the handling of ghost bodies.

Bodies have no fixed order and can appear and disappear; a track consists of the bodies with the same id. Some bodies are ghosts: furniture, or a person
detected twice. :class:`NtuDenoise` defines how they are handled: the steps of CTR-GCN's script, in our own code, each of which can be switched off. There are
two differences from that script. A body that leaves and returns keeps the frames in which it was present (the script treats its frames as contiguous). Two
tracks overlap if they share a frame (in the script: if their intervals from first to last frame overlap).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tdsm.data.readers.ntu_text import Bodies
from tdsm.util.errors import InputError

__all__ = ["NtuDenoise", "persons"]


@dataclass(frozen=True)
class NtuDenoise:
    """Handling of ghost bodies. Each step runs while more than one track is left, and never removes the last one.

    Attributes:
        shortest: tracks with fewer frames are removed; 1 switches the step off.
        widest: a frame is noisy if the width (x) of the body is larger than this times its height (y); infinity switches the step off.
        noisy: a track with at least this share of noisy frames is removed; the motion of any other track is measured in its good frames.
        join: tracks without a common frame become one person, as when the sensor gives a person a new id.
        drop_empty: frames without any remaining body are dropped.

    Raises:
        InputError: a number out of its range.
    """

    shortest: int = 12
    widest: float = 0.8
    noisy: float = 0.69754
    join: bool = True
    drop_empty: bool = True

    def __post_init__(self) -> None:
        remedies = {"shortest": "give 1 or more frames", "widest": "give a ratio above 0", "noisy": "give a share above 0 and at most 1"}
        sound = {"shortest": self.shortest >= 1, "widest": self.widest > 0, "noisy": 0 < self.noisy <= 1}
        for name, remedy in remedies.items():
            if not sound[name]:
                raise InputError("NtuDenoise", f"{name} is {getattr(self, name)}", remedy)

    @classmethod
    def none(cls) -> "NtuDenoise":
        """All steps off: the tracks of the file are not changed."""
        return cls(shortest=1, widest=float("inf"), join=False, drop_empty=False)


def persons(records: Bodies, where: str, bodies: int, denoise: NtuDenoise) -> np.ndarray:
    """(M, T, 25, 3) float32 of the remaining persons, at most ``bodies``, strongest motion first.

    Raises:
        InputError: an id that occurs twice in a frame.
    """
    rows: dict[bytes, list[int]] = {}
    for row, body in enumerate(records.ids):
        rows.setdefault(body, []).append(row)
    tracks = _strongest_first([_track(records, np.array(own), where) for own in rows.values()])
    if len(tracks) > 1:  # if no track passes a step, the strongest one is kept
        tracks = [track for track in tracks if len(track.frames) >= denoise.shortest] or tracks[:1]
    if len(tracks) > 1:
        tracks = list(filter(None, (_without_noise(track, denoise) for track in tracks))) or tracks[:1]
    return _actors(_strongest_first(tracks), records.frames, bodies, denoise)


class _Track(NamedTuple):
    """The bodies with the same id: (T',) frames, (T', 25, 3) joints, and the amount of motion."""

    frames: np.ndarray
    joints: np.ndarray
    motion: float


def _track(records: Bodies, rows: np.ndarray, where: str) -> _Track:
    frames, joints = records.frame[rows], records.joints[rows]
    again = np.flatnonzero(frames[1:] == frames[:-1]) + 1
    if len(again):
        row = rows[again[0]]
        body = records.ids[row].decode("ascii", "replace")
        raise InputError(f"{where} line {records.line[row] - 1}", f"body {body} occurs twice in one frame", "remove the file")
    return _Track(frames, joints, _motion(joints))


def _motion(joints: np.ndarray) -> float:
    """Sum of the variances of x, y and z over all joints and frames, in square metres."""
    frames = joints.reshape(len(joints), -1)  # numpy sums long rows much faster than rows of three
    centre = frames.mean(axis=0).reshape(-1, 3).mean(axis=0)
    return 3 * float(((frames - np.tile(centre, joints.shape[1])) ** 2).mean())


def _strongest_first(tracks: list[_Track]) -> list[_Track]:
    return sorted(tracks, key=lambda track: -track.motion)


def _without_noise(track: _Track, rules: NtuDenoise) -> _Track | None:
    """The track, measured in its good frames; None if too many frames are noisy."""
    by_joint = track.joints.swapaxes(0, 1).reshape(track.joints.shape[1], -1)  # numpy compares long rows much faster than rows of three
    width, height, _ = np.ptp(by_joint, axis=0).reshape(-1, 3).T
    good = width <= rules.widest * height
    if 1 - good.mean() >= rules.noisy:
        return None
    return track if good.all() else track._replace(motion=min(track.motion, _motion(track.joints[good])))


def _actors(tracks: list[_Track], frames: int, bodies: int, rules: NtuDenoise) -> np.ndarray:
    """(M, T, 25, 3) float32: each track is assigned to the first person who is free, in its frames (``join``) or altogether."""
    joints = np.zeros((bodies, frames, *tracks[0].joints.shape[1:]), np.float32)
    taken = np.zeros((bodies, frames), bool)
    for track in tracks:
        free = np.flatnonzero(~(taken[:, track.frames] if rules.join else taken).any(axis=1))
        if len(free):
            joints[free[0], track.frames] = track.joints
            taken[free[0], track.frames] = True
    joints = joints[taken.any(axis=1)]
    return joints[:, taken.any(axis=0)] if rules.drop_empty else joints
