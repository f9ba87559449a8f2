"""Clip and ClipSet: the single representation of skeleton data, in memory and on disk.

Every reader in :mod:`tdsm.data.readers` returns clips, and all other modules start from them. A clip is an array ``(M, T, V, C)``: M persons, T frames,
V joints in the order of its layout, C coordinates. A person who is absent in a frame is all zeros in it. A missing joint of a present person is NaN in all
coordinates (:func:`normalised` converts other conventions to this one). Users can provide their own clips as one ``.npz`` of these arrays:

==============  =====================  ==============================================================
array           shape                  meaning
==============  =====================  ==============================================================
``joints``      (N, M, T, V, C) float  clips, padded with zeros after their last frame
``frames``      (N,) int               number of frames of each clip (default: T)
``labels``      (N,) str               class name of each clip, "" if unknown (default: unknown); or integers, indices
                                       of ``classes``; or (N, K) one-hot rows
``subjects``    (N,) str               person who moves (default: unknown)
``names``       (N,) str               name of the clip in messages (default: its number)
``fps``         () or (N,) float       frames per second (default: unknown, 30 is assumed)
``fps_assumed`` () or (N,) bool        whether ``fps`` was assumed (default: no)
``layout``      () str                 a name of :data:`tdsm.data.layouts.LAYOUTS`
``classes``     (K,) str               class names in order (default: sorted labels)
``order``       () str                 letters of the axes of ``joints`` if not NMTVC, such as NCTVM or NTVC
``dataset``     () str                 name of the data set (default: the file's name without its suffix)
==============  =====================  ==============================================================

:meth:`ClipSet.save` does not pad: ``joints`` (sum of M T, V, C) float32 holds the clips one after another, ``persons`` and ``frames`` (N,) hold M and T of
each clip, and a checksum is stored. When such a file is loaded, ``joints`` are memory-mapped and read once to verify the checksum.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

import numpy as np

from tdsm.data.columns import class_column, joint_column, label_column, rate_column, text_column
from tdsm.data.labels import as_labels, check_name, normal_form
from tdsm.data.layouts import LAYOUTS, Layout, as_layout
from tdsm.util.errors import InputError
from tdsm.util.npz import read_npz, write_npz
from tdsm.util.tables import SHOWN, html_table, shortened

__all__ = ["ASSUMED_FPS", "Clip", "ClipSet", "as_clips", "normalised"]

_LOOKED_AT = 1000  # most clips whose joints are read to display a set, which may be memory-mapped
ASSUMED_FPS = 30.0  # used if no file states the frame rate


@dataclass(frozen=True, eq=False)
class Clip:
    """One recording.

    Attributes:
        joints: (M, T, V, C) float32 in the form of :func:`normalised`: absent persons are zeros, missing or masked joints are NaN.
        layout: names and order of the V joints.
        label: class name, or None if unknown.
        subject: the person who moves, or None. Confidence intervals are bootstrapped over subjects.
        fps: frames per second; None (unknown) is replaced by 30.
        name: name of the clip in messages, usually its file.
        fps_assumed: True if ``fps`` was not stated by the source.

    Raises:
        InputError: wrong number of axes, no frame, wrong number of joints or coordinates, infinite values, or values that are not numbers.

    Example:
        >>> import numpy as np
        >>> from tdsm.data.layouts import KINECT_20
        >>> clip = Clip(np.ones((40, 20, 3)), KINECT_20, label="wave", name="mine")  # one person: (T, V, C) becomes (1, T, V, C)
        >>> clip
        Clip('mine', label='wave', subject=None, (M, T, V, C)=(1, 40, 20, 3), kinect-20, 30 fps)
        >>> clip.frames
        40
    """

    joints: np.ndarray
    layout: Layout
    label: str | None = None
    subject: str | None = None
    fps: float | None = ASSUMED_FPS
    name: str = "clip"
    fps_assumed: bool = False

    def __post_init__(self) -> None:
        try:
            with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused
                joints = self.joints.astype(np.float32).filled(np.nan) if np.ma.isMaskedArray(self.joints) else np.asarray(self.joints, dtype=np.float32)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # RuntimeError: a tensor that requires grad
            what = f"joints are not an array of numbers ({' '.join(str(error).split())})"
            raise InputError(self.name, what, "give (persons, frames, joints, coordinates)") from error
        if joints.ndim == 3:
            joints = joints[None]
        if joints.ndim != 4 or 0 in joints.shape:
            raise InputError(self.name, f"joints have shape {joints.shape}", "give (persons, frames, joints, coordinates), none of them 0")
        if joints.shape[2] != len(self.layout):
            raise InputError(
                self.name,
                f"joints: {joints.shape[2]} joints, but layout {self.layout.name} has {len(self.layout)}",
                f"choose another layout ({', '.join(known.name for known in LAYOUTS)}) or reorder the joints",
            )
        if joints.shape[3] != self.layout.dims:
            raise InputError(self.name, f"joints: {joints.shape[3]} coordinates, layout {self.layout.name} has {self.layout.dims}", "keep x, y(, z) only")
        infinite = np.isinf(joints)
        if infinite.any():
            person, frame, joint, _ = np.argwhere(infinite)[0]
            raise InputError(
                self.name,
                f"joints: infinite (in 32 bits), first at person {person}, frame {frame}, joint {joint} ({self.layout.joints[joint]})",
                "give NaN for a missing joint",
            )
        if self.label is not None:
            object.__setattr__(self, "label", check_name(self.label, f"{self.name}, label"))
        fps = ASSUMED_FPS if self.fps is None else self.fps
        if isinstance(fps, bool) or not isinstance(fps, Real) or not 0 < fps < math.inf:
            raise InputError(self.name, f"fps is {fps!r:.60}", "give frames per second, a finite number above 0")
        vars(self).update(fps=float(fps), fps_assumed=self.fps is None or (self.fps_assumed and fps == ASSUMED_FPS))
        object.__setattr__(self, "joints", normalised(joints, self.layout))

    @classmethod
    def checked_before(
        cls, joints: np.ndarray, layout: Layout, label: str | None, subject: str | None, fps: float, name: str, fps_assumed: bool = False
    ) -> "Clip":
        """A clip with the joints of another Clip, (M, T, V, C) float32, which are checked and normalised already, as in a clip store."""
        clip = object.__new__(cls)
        vars(clip).update(joints=joints, layout=layout, label=label, subject=subject, fps=fps, name=name, fps_assumed=fps_assumed)
        return clip

    @property
    def frames(self) -> int:
        """T."""
        return self.joints.shape[1]

    def __repr__(self) -> str:
        persons, frames, joints, dims = self.joints.shape
        shape = f"(M, T, V, C)=({persons}, {frames}, {joints}, {dims})"
        return f"Clip({self.name!r}, label={self.label!r}, subject={self.subject!r}, {shape}, {self.layout.name}, {self.fps:g} fps)"


def normalised(joints: np.ndarray, layout: Layout) -> np.ndarray:
    """Convert the conventions of files for missing data to that of the package.

    1. A joint with a NaN coordinate is NaN in all coordinates: it is missing.
    2. A person with only NaN and zeros in a frame is absent in it: all zeros.
    3. In 2-D, a joint of a present person at exactly (0, 0) becomes NaN, because detectors write missing joints as (0, 0). In 3-D, so does a joint at
       exactly the origin, except a joint of the body's midline that is at the origin in all of its person's frames: the clip may be centred there. If
       there are several such joints, only the lower end of the torso is kept, if it is among them.

    Args:
        joints: (M, T, V, C).
        layout: layout of the joints.

    Returns:
        The same array if nothing has to be changed, otherwise a new one.

    Example:
        >>> import numpy as np
        >>> from tdsm.data.layouts import COCO_17
        >>> joints = np.ones((1, 1, 17, 2), np.float32)
        >>> joints[0, 0, 1] = 0  # how a detector writes a missing joint
        >>> normalised(joints, COCO_17)[0, 0, :3]
        array([[ 1.,  1.],
               [nan, nan],
               [ 1.,  1.]], dtype=float32)
    """
    lost = np.isnan(joints).any(axis=3)
    zero = ~joints.any(axis=3)
    present = ~(lost | zero).all(axis=2, keepdims=True)
    if layout.dims == 3 and zero.any():
        zero &= ~_centre(zero, present, layout)
    missing = (lost | zero) & present
    if (np.isnan(joints) == missing[..., None]).all():
        return joints
    return np.where(missing[..., None], np.float32(np.nan), np.where(present[..., None], joints, np.float32(0)))


def _centre(zero: np.ndarray, present: np.ndarray, layout: Layout) -> np.ndarray:
    """(M, 1, V) bool: joints at which a 3-D clip may be centred. ``zero`` (M, T, V) is True for joints at the origin."""
    middle = np.array(layout.mirror) == np.arange(len(layout))
    centre = (zero | ~present).all(axis=1) & present.any(axis=1) & middle
    lower = centre & np.isin(np.arange(len(layout)), layout.torso[0])
    return np.where(lower.any(axis=1, keepdims=True), lower, centre)[:, None]


@dataclass(frozen=True, eq=False)
class ClipSet(Sequence):
    """Clips of one layout, with an ordered list of class names.

    Attributes:
        clips: the clips.
        classes: class names in the data set's own order (default: the sorted labels). Names are compared in their normal form (:mod:`tdsm.data.labels`).
            A label that spells a class differently is replaced by the spelling of the class.
        name: name of the data set.

    Raises:
        InputError: no clip, clips of different layouts, a label outside ``classes``, or a label in two spellings.

    Example:
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> clips = synthetic_clips(2, actions=["bow", "squat", "jump"])
        >>> clips
        ClipSet('synthetic': 6 clips, 3 classes, ... subjects, ntu-25)
        >>> clips.of_classes(["jump", "bow"]).y
        array([1, 1, 0, 0])
        >>> len(clips.where(lambda clip: clip.label != "bow")), clips[0].label
        (4, 'bow')
    """

    clips: tuple[Clip, ...]
    classes: tuple[str, ...] = ()
    name: str = "clips"
    _index: dict = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        clips = tuple(self.clips)
        if not clips:
            raise InputError(self.name, "holds no clip", "check the path and the selection")
        layouts = {clip.layout.name for clip in clips}
        if len(layouts) > 1:
            raise InputError(self.name, f"mixes layouts {sorted(layouts)}", "load each layout into its own ClipSet")
        classes = tuple(self.classes) or sorted({clip.label for clip in clips if clip.label is not None})
        labels = as_labels(classes, where=f"{self.name}, classes") if classes else ()
        object.__setattr__(self, "classes", tuple(label.name for label in labels))
        self._index.update({label.key: index for index, label in enumerate(labels)})
        object.__setattr__(self, "clips", tuple(self._spelled(clip) for clip in clips))

    def _spelled(self, clip: Clip) -> Clip:
        """The clip, with its label in the spelling of the class."""
        if clip.label is None:
            return clip
        index = self._index.get(normal_form(clip.label))
        if index is None:
            what = f"label {clip.label!r} is not among the {len(self.classes)} classes of {self.name}"
            raise InputError(clip.name, what, "correct the label or add the class")
        if clip.label == self.classes[index]:
            return clip
        return Clip.checked_before(clip.joints, clip.layout, self.classes[index], clip.subject, clip.fps, clip.name, clip.fps_assumed)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index):  # noqa: ANN001 - a slice gives a ClipSet, an int gives a Clip
        if isinstance(index, slice):
            return ClipSet(self.clips[index], self.classes, self.name)
        return self.clips[index]

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @property
    def layout(self) -> Layout:
        """The common layout of all clips."""
        return self.clips[0].layout

    @property
    def subjects(self) -> np.ndarray:
        """(N,) subject of each clip; "" if unknown."""
        return np.array([clip.subject or "" for clip in self.clips])

    @property
    def y(self) -> np.ndarray:
        """(N,) class index of each clip. Raises InputError: a clip without a label."""
        for clip in self.clips:
            if clip.label is None:
                raise InputError(clip.name, "has no label", "label every clip that is used for training or testing")
        return np.array([self._index[normal_form(clip.label)] for clip in self.clips])

    @property
    def digest(self) -> str:
        """sha256 over all clips: names, labels, subjects, frame rates and joints, and over classes and layout."""
        digest = hashlib.sha256(repr((self.classes, self.layout.name, self.name)).encode())
        for clip in self.clips:
            digest.update(repr((clip.name, clip.label, clip.subject, clip.fps, clip.joints.shape)).encode())
            digest.update(np.ascontiguousarray(clip.joints))
        return digest.hexdigest()

    def where(self, keep: Callable[[Clip], bool]) -> "ClipSet":
        """The clips for which ``keep(clip)`` is true, in order. The class list does not change."""
        return ClipSet(tuple(clip for clip in self.clips if keep(clip)), self.classes, self.name)

    def of_classes(self, labels: Sequence[str]) -> "ClipSet":
        """The clips of these classes. The classes become the class list, in the order of ``labels`` and in the spelling of the set.

        Args:
            labels: class names, compared in their normal form.

        Raises:
            InputError: no class, an unknown one, or a repeated one.
        """
        asked = as_labels(labels, where=f"{self.name}, classes")
        for label in asked:
            if label.key not in self._index:
                raise InputError(self.name, f"has no class {label.name!r}", f"choose among: {shortened(self.classes)}")
        classes = tuple(self.classes[self._index[label.key]] for label in asked)
        wanted = set(classes)
        return ClipSet(tuple(clip for clip in self.clips if clip.label in wanted), classes, self.name)

    def without_classes(self, labels: Sequence[str]) -> "ClipSet":
        """The clips of all other classes; for example, the seen classes if ``labels`` are the unseen ones.

        Raises:
            InputError: an unknown class, a repeated one, or no class left.
        """
        out = {normal_form(label) for label in self.of_classes(labels).classes} if labels else set()
        return self.of_classes([label for label in self.classes if normal_form(label) not in out])

    def save(self, path: str | Path) -> Path:
        """Write all clips to one ``.npz`` (the second format at the top of this module), atomically; returns the path.

        Raises InputError: the file cannot be written.
        """
        joints = [clip.joints.reshape(-1, *clip.joints.shape[2:]) for clip in self.clips]
        columns = {
            "persons": np.array([len(clip.joints) for clip in self.clips]),
            "frames": np.array([clip.frames for clip in self.clips]),
            "labels": np.array([clip.label or "" for clip in self.clips]),
            "subjects": self.subjects,
            "names": np.array([clip.name for clip in self.clips]),
            "fps": np.array([clip.fps for clip in self.clips]),
            "fps_assumed": np.array([clip.fps_assumed for clip in self.clips]),
            "layout": np.array(self.layout.name),
            "classes": np.array(self.classes, dtype=np.str_),
            "dataset": np.array(self.name),
        }
        return write_npz(Path(path), {"joints": joints} | columns)

    @classmethod
    def load(cls, path: str | Path) -> "ClipSet":
        """Read a ``.npz`` in one of the formats at the top of this module. Its content is never executed.

        Raises:
            InputError: not an npz, damaged, a pickled object inside, a missing array, an unknown layout, or an invalid clip.
        """
        path = Path(path)
        arrays = read_npz(path, mapped={"joints"}, remedy="write it with ClipSet.save or numpy.savez, without object arrays")
        for key in ("joints", "layout"):
            if key not in arrays:
                raise InputError(path, f"array {key!r} is missing", "see Formats in docs/clips.md")
        layout = as_layout(str(arrays["layout"]), path, "layout: ")
        joints = joint_column(arrays, layout.dims, path)
        count = len(joints)
        labels, classes = label_column(arrays.get("labels", ""), class_column(arrays.get("classes", ()), path), count, path)
        subjects, names = (text_column(arrays.get(key, ""), count, path, key) for key in ("subjects", "names"))
        fps = rate_column(arrays, count, path)
        clips = [Clip(joints[row], layout, labels[row], subjects[row], fps[row], names[row] or f"{path.name}[{row}]") for row in range(count)]
        return cls(tuple(clips), classes, str(arrays.get("dataset", path.stem)))

    def __repr__(self) -> str:
        subjects = len(set(self.subjects) - {""})
        return f"ClipSet({self.name!r}: {len(self)} clips, {len(self.classes)} classes, {subjects} subjects, {self.layout.name})"

    def _repr_html_(self) -> str:
        layout, frames = self.layout, [clip.frames for clip in self.clips]
        seconds = [clip.frames / clip.fps for clip in self.clips]
        subjects = sorted(set(self.subjects.tolist()) - {""})
        about = [
            ("layout", f"{layout.name}: {len(layout)} joints, {layout.dims} coordinates in {layout.unit}"),
            ("persons (M)", _span([clip.joints.shape[0] for clip in self.clips])),
            ("frames (T)", f"{_span(frames)} = {_span(seconds, '.1f')} s"),
            ("subjects", shortened(subjects) if subjects else "unknown"),
        ]
        counts = Counter(clip.label for clip in self.clips)
        unseen = sum(int(np.isnan(clip.joints[..., 0]).sum()) for clip in self.clips[:_LOOKED_AT])
        if unseen:
            positions = len(layout) * sum(int(clip.joints.any(axis=(2, 3)).sum()) for clip in self.clips[:_LOOKED_AT])
            some = f" (first {_LOOKED_AT} clips)" if len(self) > _LOOKED_AT else ""
            about += [("missing joints", f"{unseen / positions:.1%}{some}; interpolated and filled in preprocessing")]
        about += [("without a label", f"{counts[None]} clips")] if counts[None] else []
        note = f"and {more} more classes" if (more := len(self.classes) - SHOWN) > 0 else ""
        rows = [(label, counts[label]) for label in self.classes[:SHOWN]]
        return html_table(about, title=repr(self)) + html_table(rows, ("class", "clips"), note=note)


def as_clips(clips: Clip | Sequence | np.ndarray, layout: str | Layout | None = None) -> list[Clip]:
    """Convert clips or arrays to a list of clips.

    ``clips``: a clip, a sequence of clips, arrays (T, V, C), (M, T, V, C) or (N, M, T, V, C), or a list of arrays of the first two shapes. ``layout``: layout
    of the arrays.

    Raises:
        InputError: no clip, arrays without a layout, or an error of :class:`Clip`.
    """
    if isinstance(clips, Clip):
        return [clips]
    arrays = hasattr(clips, "ndim")
    if not arrays and (isinstance(clips, str) or not isinstance(clips, Iterable)):
        raise InputError("clips", f"{clips!r:.60} is not a list of clips", "give clips or arrays; tdsm.load_clips(path) reads files")
    if arrays and np.ndim(clips) not in (3, 4, 5):
        raise InputError("clips", f"an array has shape {np.shape(clips)}", "give (T, V, C), (M, T, V, C) or (N, M, T, V, C)")
    several = [clips] if arrays and np.ndim(clips) < 5 else list(clips)
    if not several:
        raise InputError("clips", "none given", "give at least one clip")
    if layout is None and not all(isinstance(clip, Clip) for clip in several):
        raise InputError("clips", "arrays without a layout", f"give layout=..., one of {', '.join(known.name for known in LAYOUTS)}")
    return [clip if isinstance(clip, Clip) else Clip(clip, as_layout(layout), name=f"array {number}") for number, clip in enumerate(several)]


def _span(values: Sequence[int | float], form: str = "d") -> str:
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"
