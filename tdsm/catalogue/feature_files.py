"""Feature files, published and our own. All readers return a :class:`~tdsm.data.features.FeatureSet`.

===================  ======================================================================================================================
SynSE folder         ``train.npy train_label.npy`` (seen classes, training part), ``ztest.npy z_label.npy`` (unseen, test part),
                     ``gtest.npy g_label.npy`` (all classes, test part; optional). ``gtest_out.npy``, the encoder's own logits,
                     is not read. P. Gupta, D. Sharma, R. K. Sarvadevabhatla, "Syntactically guided generative embeddings for zero-shot
                     skeleton action recognition", ICIP 2021; SA-DVAE, MSF-GZSSAR and TDSM use the same files.
Flora ``.npz``       ``train_data train_label zsl_data zsl_label gzsl_data gzsl_label``: the same three parts.
our ``.npz``         the fields of a FeatureSet, by name.
===================  ======================================================================================================================

In all three, labels are indices from 0 in the data set's own class order. A file whose labels count from 1, or were renumbered within the seen and the
unseen classes, is refused instead of corrected, because it does not state the class list. SynSE's folders with ``val`` in their names hold only seen
classes, divided again to tune a gate; they have the same form and are refused, too.
"""

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tdsm.data.features import FeatureSet, clean_features, clean_labels
from tdsm.util.errors import InputError
from tdsm.util.files import atomic
from tdsm.util.npz import read_npy, read_npz, write_npz

__all__ = [
    "is_features", "load_features", "read_features", "read_flora", "read_synse_folder", "save_features", "write_flora", "write_synse_folder",
]  # fmt: skip

_SYNSE = {"train": ("train.npy", "train_label.npy"), "unseen": ("ztest.npy", "z_label.npy"), "all": ("gtest.npy", "g_label.npy")}
_FLORA = {"train": ("train_data", "train_label"), "unseen": ("zsl_data", "zsl_label"), "all": ("gzsl_data", "gzsl_label")}
_OURS = {part: (f"z_{part}", f"y_{part}") for part in ("train", "unseen", "all")}


def is_features(path: str | Path) -> bool:
    """Whether :func:`read_features` would try to read this path. Only names are checked."""
    path = Path(path)
    if path.is_dir():
        return (path / "train.npy").exists() or (path / "ztest.npy").exists()
    try:
        with zipfile.ZipFile(path) as file:
            return bool({"train_data.npy", "z_train.npy"} & set(file.namelist()))
    except (OSError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile):  # RuntimeError includes NotImplementedError
        return False


def read_features(path: str | Path, classes: int | None = None) -> FeatureSet:
    """Read features of any of the three kinds, which are distinguished by their content.

    Args:
        path: a folder or an ``.npz``.
        classes: number of classes of the data set; default: derived from the largest label.

    Raises:
        InputError: none of the three kinds, or an error of the reader of its kind.
    """
    path = Path(path)
    if path.is_dir():
        return read_synse_folder(path, classes)
    arrays = read_npz(path)
    if "train_data" in arrays:
        return _published(path, arrays, _FLORA, classes)
    if "z_train" in arrays:
        return _ours(path, arrays, classes)
    raise InputError(path, f"holds no features; it has {', '.join(sorted(arrays)[:6])}", "give a folder with train.npy, or an .npz with train_data or z_train")


def read_synse_folder(path: str | Path, classes: int | None = None) -> FeatureSet:
    """Read a feature folder of the SynSE family; see :func:`read_features`.

    Raises:
        InputError: a ``val`` folder; a file that is missing, truncated or pickled; labels in another numbering; or what FeatureSet refuses.
    """
    path = Path(path)
    if not path.is_dir():
        raise InputError(path, "no such folder", "check the path, and unpack the archive")
    if (path / "val.npy").exists() or (path / "val_label.npy").exists():
        raise InputError(path, "is a val folder (seen classes divided again, to tune a gate)", "give the folder of the same name without val")
    if not is_features(path):
        inside = sorted(file.parent.relative_to(path).as_posix() for depth in ("*", "*/*") for file in path.glob(f"{depth}/train.npy"))
        raise InputError(path, "holds no train.npy", f"give one of: {', '.join(inside[:5])}" if inside else "give a folder of features")
    parts = [part for part, names in _SYNSE.items() if part != "all" or any((path / name).exists() for name in names)]
    arrays = {name: read_npy(path / name, remedy="get a complete copy of the folder") for part in parts for name in _SYNSE[part]}
    return _published(path, arrays, _SYNSE, classes)


def write_synse_folder(path: str | Path, features: FeatureSet) -> Path:
    """Write features as a SynSE folder (float32, int64), which other projects can read; returns the path.

    Raises:
        InputError: the folder already holds features, or a clip has more than one token.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    for name in (name for names in _SYNSE.values() for name in names):
        if (path / name).exists():
            raise InputError(path / name, "already exists", "give a new folder")
    for name, array in reversed(_arrays(features, _SYNSE, path).items()):  # train.npy last: an incomplete folder lacks it and is not read
        with atomic(path / name) as partial, partial.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    return path


def read_flora(path: str | Path, classes: int | None = None) -> FeatureSet:
    """Read a feature file of Flora; see :func:`read_features`.

    Raises:
        InputError: not a complete ``.npz`` of plain arrays; a missing array; labels in another numbering; or what FeatureSet refuses.
    """
    path = Path(path)
    return _published(path, read_npz(path), _FLORA, classes)


def write_flora(path: str | Path, features: FeatureSet) -> Path:
    """Write features as Flora's ``.npz`` (float32, int64); returns the path. Raises InputError: a clip has more than one token."""
    return write_npz(Path(path), _arrays(features, _FLORA, path), checksum=False)


def save_features(path: str | Path, features: FeatureSet) -> Path:
    """Write features with all their metadata; :func:`load_features` reads them back bit by bit. Returns the path."""
    values = {name: getattr(features, name) for part in _OURS.values() for name in part if getattr(features, name) is not None}
    if features.encoder_seen is not None:
        values["encoder_seen"] = np.array(features.encoder_seen, dtype=np.str_)
    values |= {"classes": np.array(features.classes), "dataset": np.array(features.dataset)}
    return write_npz(Path(path), values | {"class_names": np.array(features.class_names, dtype=np.str_)})


def load_features(path: str | Path, classes: int | None = None) -> FeatureSet:
    """Read a file of :func:`save_features`.

    Raises:
        InputError: not a complete ``.npz`` of plain arrays; a missing array; a number of classes other than ``classes``; or what FeatureSet refuses.
    """
    path = Path(path)
    return _ours(path, read_npz(path), classes)


def _ours(path: Path, arrays: Mapping[str, np.ndarray], classes: int | None) -> FeatureSet:
    parts = _parts(path, arrays, _OURS)
    for key in ("classes", "dataset", "class_names"):
        if key not in arrays:
            raise InputError(path, f"array {key!r} is missing", "write it with save_features")
    if arrays["classes"].shape != () or arrays["classes"].dtype.kind != "i" or classes not in (None, int(arrays["classes"])):
        raise InputError(path, f"classes is {arrays['classes'].tolist()!r}, not {classes or 'a number'}", "give the features of this data set")
    seen = tuple(map(str, arrays["encoder_seen"].ravel())) if "encoder_seen" in arrays else None
    names = tuple(map(str, arrays["class_names"].ravel()))
    return FeatureSet(*parts, int(arrays["classes"]), seen, str(arrays["dataset"]), names, str(path))


def _published(path: Path, arrays: Mapping[str, np.ndarray], keys: Mapping[str, tuple[str, str]], classes: int | None) -> FeatureSet:
    z_train, y_train, z_unseen, y_unseen, z_all, y_all = _parts(path, arrays, keys)
    seen, unseen = set(y_train.tolist()), set(y_unseen.tolist())
    present = seen | unseen | set(() if y_all is None else y_all.tolist())
    top = max(present)
    classes = classes or 1 + top  # labels must be indices from 0 in the data set's own order
    if 0 not in present and (top == classes or present == set(range(1, top + 1))):
        raise InputError(path, f"labels run from {min(present)} to {top}, so they seem to count from 1", "subtract 1 from all of its labels")
    if seen & unseen and seen == set(range(len(seen))) and unseen == set(range(len(unseen))):
        what = f"labels are renumbered, 0 to {max(seen)} in the seen and 0 to {max(unseen)} in the unseen classes"
        raise InputError(path, what, "restore the data set's own class indices with the class lists of the split")
    return FeatureSet(z_train, y_train, z_unseen, y_unseen, z_all, y_all, classes, name=str(path))


def _parts(path: Path, arrays: Mapping[str, np.ndarray], keys: Mapping[str, tuple[str, str]]) -> list[np.ndarray | None]:
    """z and y of the three parts, checked under their names in the file; None for the last part if the file has neither of its arrays."""
    parts: list[np.ndarray | None] = []
    for part, (z_name, y_name) in keys.items():
        if part == "all" and not {z_name, y_name} & set(arrays):
            parts += [None, None]
            continue
        for name in (z_name, y_name):
            if name not in arrays:
                raise InputError(path, f"array {name!r} is missing", "get a complete copy")
        z = clean_features(path / z_name, arrays[z_name])
        parts += [z, clean_labels(path / y_name, arrays[y_name], len(z))]
    return parts


def _arrays(features: FeatureSet, keys: Mapping[str, tuple[str, str]], where: object) -> dict[str, np.ndarray]:
    """The arrays of a published kind by name; (N, 1, C) becomes (N, C)."""
    arrays = {}
    for part, (z_name, y_name) in keys.items():
        z, y = getattr(features, f"z_{part}"), getattr(features, f"y_{part}")
        if z is None:
            continue
        if z.ndim == 3 and z.shape[1] > 1:
            raise InputError(where, f"{z.shape[1]} tokens per clip, but published files hold one", "use save_features")
        arrays |= {z_name: z.reshape(len(z), -1), y_name: y}
    return arrays
