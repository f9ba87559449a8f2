"""Find when actions happen in a long recording, for any labels, from a whole recording or frame by frame (METHOD, section "Long recordings, and search").

    frames    -> speed of the body, in hops of 0.13 s -> stretches of movement between rests
    a stretch -> cuts where the movement slows down -> each piece between two cuts -> recognizer -> the division with the largest total gain

A stretch ends when the body has rested for ``SpotConfig.rest`` seconds, which causes the latency. Only the current stretch is kept, so a recording may have any
length, and the result does not depend on how the frames are split into calls of :meth:`Spotter.push`. A body that does not rest is cut where it slows down
most; a body that does not slow down either is cut at even intervals. Adjacent pieces with the same label and no rest between them form one action: three waves
in a row are one action.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from tdsm.data.clips import Clip
from tdsm.data.labels import Label, as_labels, merged
from tdsm.data.layouts import Layout, as_layout
from tdsm.data.prompts import Descriptions
from tdsm.recognizer import Recognizer
from tdsm.spotting.measures import Segment
from tdsm.spotting.spots import Spots
from tdsm.spotting.windows import sure_of
from tdsm.util.errors import InputError

__all__ = ["SpotConfig", "Spotter", "spot", "still_frames"]

_FASTEST = 3  # number of joints whose speeds are averaged
_MOST_CUTS = 12  # per stretch, without its two ends
_AT_ONCE = 3000  # frames that are processed together


@dataclass(frozen=True)
class SpotConfig:
    """Settings that separate actions from rest and from each other. Times are in seconds, speeds in trunk lengths per second.

    Attributes:
        hop: time between two measurements of the speed.
        still: a body rests if the mean speed of its fastest joints is not above this.
        rest: duration of rest that ends an action.
        pad: duration of rest before and after an action that is included in the action.
        shortest, longest: shortest and longest piece that is recognised as one action.
        stretch: longest stretch of movement; a longer one is divided before the body rests.
        valley: a cut is tried where the speed is below this share of the peaks on both sides.
        cost: subtracted from the gain of each action, in seconds times probability.
        typical, spread, weight: cost of unusual lengths. An action of ``typical`` seconds costs nothing; one that is longer or shorter by the factor
            e^``spread`` costs ``weight`` / 2.
        background: a piece is not an action if its ``none_of_these`` is larger than this; with 1, every piece may be an action.

    Raises:
        InputError: a value that is not a number above 0 (pad, cost and weight may be 0), or lengths in the wrong order.
    """

    hop: float = 0.13
    still: float = 0.4
    rest: float = 0.35
    pad: float = 0.15
    shortest: float = 0.6
    longest: float = 5.0
    stretch: float = 20.0
    valley: float = 0.7
    cost: float = 0.25
    background: float = 1.0
    typical: float = 2.2
    spread: float = 0.5
    weight: float = 0.25

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < float("inf") or (value == 0 and name not in ("pad", "cost", "weight")):
                raise InputError("config", f"{name} is {value!r}", "give a number above 0")
        if self.shortest > self.longest or self.longest > self.stretch:
            raise InputError("config", "shortest, longest and stretch are not in this order", "give shortest <= longest <= stretch")


class Spotter:
    """Find actions while frames arrive.

    Args:
        recognizer: any recognizer. Without fitted confidence, its probabilities are only a fixed function of its scores.
        labels: names of the actions to find, at least one.
        layout: skeleton layout of the frames, or its name.
        fps: frames per second.
        config: settings; default: ``SpotConfig()``.
        descriptions: label -> sentence about the body's movement.

    Example:
        >>> import tdsm
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> clip = synthetic_clips(1, actions=["bow"])[0]
        >>> spotter = Spotter(tdsm.pretrained(), ["bow", "jump"], clip.layout, clip.fps)
        >>> found = [*spotter.push(clip.joints[:, :30]), *spotter.push(clip.joints[:, 30:]), *spotter.finish()]
        >>> [each.label for each in found]
        ['bow']

    Raises:
        InputError: labels that cannot be used, an unknown layout, a bad frame rate, or ``background`` below 1 with a recognizer without confidence.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        labels: Sequence[str | Label],
        layout: str | Layout,
        fps: float,
        config: SpotConfig | None = None,
        *,
        descriptions: Descriptions | None = None,
    ) -> None:
        self.recognizer, self.config, self.layout = recognizer, config or SpotConfig(), as_layout(layout)
        self.labels = as_labels(labels, merged(recognizer.descriptions, descriptions or {}))
        if recognizer.confidence is None and self.config.background < 1:
            raise InputError("background", "is below 1, and this recognizer has no fitted confidence", "leave it at 1, or use tdsm.pretrained()")
        self.fps = Clip(np.ones((1, 1, len(self.layout), self.layout.dims)), self.layout, fps=fps).fps  # checked
        self.hop = max(1, round(self.config.hop * self.fps))
        self._frames: np.ndarray | None = None  # (M, T, V, C), the frames that are still needed
        self._first = 0  # number of the first of these frames
        self._speeds: list[float] = []  # one per complete hop of _frames
        self._pace = _Pace(self.layout)

    @property
    def latency(self) -> float:
        """Seconds of frames from the end of an action to its answer, if the body then rests. Actions without rest between them are returned together."""
        return max(0, self._resting() - self._pad()) * self.hop / self.fps

    @property
    def remembered(self) -> int:
        """Number of frames in memory; at most those of ``SpotConfig.stretch`` plus those of one :meth:`push`."""
        return 0 if self._frames is None else self._frames.shape[1]

    def push(self, frames: Float[np.ndarray, "*person frame joint coord"]) -> list[Segment]:
        """Add frames, (T, V, C) or (M, T, V, C), and return the actions that have ended, in order of time.

        Raises:
            InputError: the frames have another layout, or another number of persons than before.
        """
        if np.ndim(frames) in (3, 4) and np.shape(frames)[-3] == 0:
            return []
        joints = Clip(frames, self.layout, fps=self.fps, name=f"frame {self._seen()}").joints
        if self._frames is None:
            self._frames = np.zeros((len(joints), 0, *joints.shape[2:]), np.float32)
        if len(joints) != len(self._frames):
            raise InputError(
                "frames", f"show {len(joints)} persons, {len(self._frames)} before", "give the same number each time, with zeros for absent persons"
            )
        found = []
        for start in range(0, joints.shape[1], _AT_ONCE):
            self._frames = np.concatenate((self._frames, joints[:, start : start + _AT_ONCE]), axis=1)
            found += self._advance(ended=False)
        return found

    def finish(self) -> list[Segment]:
        """End the recording, and return the actions that had not ended yet."""
        found = self._advance(ended=True) if self._frames is not None else []
        self._first, self._frames, self._speeds, self._pace = self._seen(), None, [], _Pace(self.layout)
        return found

    def _seen(self) -> int:
        return self._first + self.remembered

    def _resting(self) -> int:
        """Number of hops of rest that end an action."""
        return max(1, round(self.config.rest * self.fps / self.hop))

    def _pad(self) -> int:
        """Number of hops of rest that are included in an action on each side."""
        return round(self.config.pad * self.fps / self.hop)

    def _advance(self, ended: bool) -> list[Segment]:
        """Process the complete hops, and return the actions that have ended."""
        found, least = [], 1 if ended else self.hop  # the last hop of a recording may be shorter
        while self._frames.shape[1] - len(self._speeds) * self.hop >= least:
            start = len(self._speeds) * self.hop
            self._speeds.append(self._pace.next(self._frames[:, start : start + self.hop]) * self.fps / self.hop)
            found += self._settle(ended=False)
        return found + (self._settle(ended=True) if ended else [])

    def _settle(self, ended: bool) -> list[Segment]:
        """Return the actions of a stretch that has ended, and drop the frames that are no longer needed."""
        if not self._speeds:
            return []
        moving, pad = np.array(self._speeds) > self.config.still, self._pad()
        if not moving.any():
            self._forget(max(0, len(self._speeds) - 1 - pad))
            return []
        first, last = int(np.argmax(moving)), len(moving) - 1 - int(np.argmax(moving[::-1]))
        full = len(moving) * self.hop > self.config.stretch * self.fps
        if not (ended or full or len(moving) - 1 - last >= self._resting()):
            self._forget(max(0, first - pad - 1))
            return []
        cuts = self._cuts(max(0, first - pad), min(last + 1 + pad, len(moving)))
        if full and last == len(moving) - 1 and len(cuts) > 2 and not ended:  # the movement continues: keep the frames after the last cut
            cuts = cuts[:-1]
        found = self._divided(cuts)
        self._forget(cuts[-1])
        return found

    def _forget(self, hops: int) -> None:
        self._frames, self._first, self._speeds = self._frames[:, hops * self.hop :], self._first + hops * self.hop, self._speeds[hops:]

    def _cuts(self, first: int, end: int) -> list[int]:
        """Hops at which a stretch may be cut: its two ends, and hops where it slows down between two peaks."""
        speeds = np.array(self._speeds[first:end])
        depth = {}
        for hop in range(1, len(speeds) - 1):
            if speeds[hop] <= min(speeds[hop - 1], speeds[hop + 1]):
                peak = min(speeds[:hop].max(), speeds[hop + 1 :].max())
                if speeds[hop] < self.config.valley * peak:
                    depth[hop] = speeds[hop] / peak
        inner = sorted(sorted(depth, key=depth.get)[:_MOST_CUTS])
        return [first, *(first + hop for hop in inner), end]

    def _finer(self, cuts: list[int]) -> list[int]:
        """Add evenly spaced cuts to pieces that are longer than an action may be."""
        most, finer = self.config.longest * self.fps / self.hop, cuts[:1]
        for one, other in pairwise(cuts):
            parts = math.ceil((other - one) / most)
            finer += [one + round((other - one) * part / parts) for part in range(1, parts + 1)]
        return finer

    def _divided(self, cuts: list[int]) -> list[Segment]:
        """The division of a stretch into actions with the largest total gain: seconds times probability, minus the cost of each action."""
        seconds, cuts = self.hop / self.fps, self._finer(cuts)
        pairs = [(one, other) for one in range(len(cuts)) for other in range(one + 1, len(cuts))]
        pairs = [pair for pair in pairs if self.config.shortest <= (cuts[pair[1]] - cuts[pair[0]]) * seconds <= self.config.longest]
        answers = self._recognised([(cuts[one], cuts[other]) for one, other in pairs])
        best: list[tuple[float, tuple[Segment, ...]]] = [(0.0, ())]
        for other in range(1, len(cuts)):
            choices = [best[other - 1]]  # the last piece is not an action
            for (one, end), answer in zip(pairs, answers, strict=True):
                if end == other and answer is not None:
                    gain = self._gain((answer.end - answer.start) / self.fps, answer.score)
                    choices.append((best[one][0] + gain, (*best[one][1], answer)))
            best.append(max(choices, key=lambda choice: choice[0]))
        return _joined(best[-1][1])

    def _gain(self, seconds: float, probability: float) -> float:
        """Gain of an action, in seconds."""
        unusual = (math.log(seconds / self.config.typical) / self.config.spread) ** 2 / 2
        return seconds * probability - self.config.cost - self.config.weight * unusual

    def _recognised(self, pieces: Sequence[tuple[int, int]]) -> list[Segment | None]:
        """The answer for each piece (first hop, end hop); None for a piece that shows none of the labels."""
        clips = [Clip(self._frames[:, one * self.hop : other * self.hop], self.layout, fps=self.fps, name=f"{one} to {other}") for one, other in pieces]
        answers: list[Segment | None] = [None] * len(clips)
        for row, (given, lost) in enumerate(zip(*sure_of(self.recognizer, clips, self.labels), strict=True)):
            if not given.any() or lost > self.config.background:
                continue
            order = np.argsort(-given, kind="stable")
            top, second = given[order[0]], given[order[1]] if len(order) > 1 else 0.0
            start, end = (min(self._first + hop * self.hop, self._seen()) for hop in pieces[row])
            answers[row] = Segment(start, end, self.labels[order[0]].name, float(top), float(top - second))
        return answers


def spot(
    recognizer: Recognizer, clip: Clip, labels: Sequence[str | Label], config: SpotConfig | None = None, *, descriptions: Descriptions | None = None
) -> Spots:
    """Find the actions in a recording. The result has start, end, label, probability and margin of each action.

    Args:
        recognizer, labels, config, descriptions: see :class:`Spotter`.
        clip: the recording, with joints (M, T, V, C).

    Returns:
        the actions in order of time; a notebook displays them as a table.

    Example:
        >>> import tdsm
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> spot(tdsm.pretrained(), synthetic_clips(1, actions=["bow"])[0], ["bow", "jump"]).labels
        ('bow', 'jump')

    Raises:
        InputError: ``clip`` is not a Clip, or as in :class:`Spotter`.
    """
    if not isinstance(clip, Clip):
        raise InputError("recording", f"is a {type(clip).__name__}", "give a Clip, such as tdsm.load_clips(path)[0]")
    spotter = Spotter(recognizer, labels, clip.layout, clip.fps, config, descriptions=descriptions)
    found = [*spotter.push(clip.joints), *spotter.finish()]
    return Spots(tuple(found), spotter.fps, clip.frames, tuple(label.name for label in spotter.labels), clip.name)


def _joined(found: Sequence[Segment]) -> list[Segment]:
    """Segments in order of time, with adjacent segments of the same label joined; score and margin become the mean over time of those of the parts."""
    kept: list[Segment] = []
    for each in found:
        if kept and kept[-1].label == each.label and kept[-1].end == each.start:
            last = kept.pop()
            share = (each.end - each.start) / (each.end - last.start)
            score, margin = (share * getattr(each, name) + (1 - share) * getattr(last, name) for name in ("score", "margin"))
            each = Segment(last.start, each.end, each.label, score, margin)
        kept.append(each)
    return kept


def still_frames(clip: Clip, config: SpotConfig) -> Bool[np.ndarray, " frame"]:
    """(T,) bool: whether each frame belongs to a hop in which the body rests."""
    hop, pace = max(1, round(config.hop * clip.fps)), _Pace(clip.layout)
    speeds = [pace.next(clip.joints[:, start : start + hop]) * clip.fps / hop for start in range(0, clip.frames, hop)]
    return np.repeat(np.array(speeds) <= config.still, hop)[: clip.frames]


class _Pace:
    """Distance that the fastest joints of the fastest person move from one hop to the next, in lengths of that person's last seen trunk."""

    def __init__(self, layout: Layout) -> None:
        self.lower, self.upper = (list(ends) for ends in layout.torso)
        self.before: np.ndarray | None = None  # (M, V, C), mean places in the hop before
        self.trunks: np.ndarray | None = None  # (M,)

    def next(self, frames: Float[np.ndarray, "person frame joint coord"]) -> float:
        """Distance from the previous hop to this one; 0 if it is unknown."""
        there = frames.any(axis=(2, 3), keepdims=True)  # only an all-zero person is absent: an unseen joint is NaN, and a seen joint may be at 0
        seen = np.where(there, frames, np.nan)
        count = np.isfinite(seen).sum(axis=1)
        now = np.where(count > 0, np.nansum(seen, axis=1) / np.maximum(count, 1), np.nan)
        trunks = np.linalg.norm(_mean(now[:, self.upper]) - _mean(now[:, self.lower]), axis=-1)
        self.trunks = trunks if self.trunks is None else np.where(trunks > 0, trunks, self.trunks)
        before, self.before = self.before, now
        return 0.0 if before is None else max((self._of(*person) for person in zip(before, now, self.trunks, strict=True)), default=0.0)

    def _of(self, before: np.ndarray, now: np.ndarray, trunk: float) -> float:
        gone = np.linalg.norm(now - before, axis=-1)
        gone = np.sort(gone[np.isfinite(gone)])[-_FASTEST:]
        return float(gone.mean() / trunk) if len(gone) and trunk > 0 else 0.0


def _mean(places: Float[np.ndarray, "person some coord"]) -> Float[np.ndarray, "person coord"]:
    """Mean place of the seen joints; NaN if no joint is seen."""
    count = np.isfinite(places).sum(axis=1)
    return np.where(count > 0, np.nansum(places, axis=1) / np.maximum(count, 1), np.nan)
