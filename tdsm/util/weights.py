"""Tensors on disk: safetensors with a checksum. The files hold named arrays and JSON, and nothing that could be executed.

The metadata of each file has one entry, ``tdsm``: ``{"sha256": ..., "about": {...}}``. The checksum covers names, dtypes, shapes and content of all
tensors, ``about``, and the file's ``key``, which identifies the purpose of the file. If two files were exchanged, both are therefore refused.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tdsm.util.errors import InputError
from tdsm.util.files import atomic, check_file, locked, parse_json

M = TypeVar("M", bound=nn.Module)
__all__ = ["about_of", "cached_tensors", "check_weights", "load_tensors", "loaded", "save_tensors", "save_weights", "sizes_of"]

_ENTRY = "tdsm"
_AGAIN = "get another copy, or make the file again; pickled checkpoints (.pt) are not accepted"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, object] | None = None, key: str = "") -> Path:
    """Write tensors with a checksum, atomically; returns the path. The same content gives the same bytes.

    Args:
        path: a .safetensors file.
        tensors: tensors by name, on any device.
        about: further values to store, anything that JSON can represent.
        key: purpose of the file; :func:`load_tensors` must be given the same key.

    Raises:
        InputError: the file cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    about = dict(about or {})
    entry = json.dumps({"sha256": _digest(tensors, about, key), "about": about})
    with atomic(path) as partial:
        save_file(tensors, partial, metadata={_ENTRY: entry})  # one entry: safetensors writes several entries in varying order
    return path


def load_tensors(path: Path, key: str = "", remedy: str = _AGAIN) -> tuple[dict[str, Tensor], dict[str, object]]:
    """(tensors by name, about) of a file that :func:`save_tensors` wrote.

    Raises:
        InputError: the file is missing, truncated, has no checksum, was changed after it was written, or was written for another ``key``.
    """
    check_file(path, "check the path, or get a complete copy of the folder")
    try:
        with safe_open(path, framework="pt") as file:  # compares the sizes in the header with the size of the file
            entry = (file.metadata() or {}).get(_ENTRY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:  # the exception for an unknown dtype depends on the version
        raise InputError(path, f"not a readable safetensors file ({error})", remedy) from error
    if entry is None:
        raise InputError(path, "has no checksum, so its content cannot be verified", remedy)
    head = parse_json(entry, path, remedy)
    about = head.get("about") if isinstance(head, dict) else None
    if not isinstance(about, dict) or head.get("sha256") != _digest(tensors, about, key):
        raise InputError(path, "is damaged or was exchanged with another file (wrong checksum)", remedy)
    return tensors, about


def about_of(path: Path) -> dict[str, object]:
    """The ``about`` of a file of :func:`save_tensors`. Nothing else is read or verified. Empty if it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            head = parse_json((file.metadata() or {}).get(_ENTRY, "{}"), path)
    except (SafetensorError, OSError, InputError):
        return {}
    about = head.get("about") if isinstance(head, dict) else None
    return about if isinstance(about, dict) else {}


def cached_tensors(path: Path, make: Callable[[], Mapping[str, Tensor]], *, remake: bool = True, collective: bool = False) -> dict[str, Tensor]:
    """Tensors of a cache file. If the file does not exist, one process creates it while others wait.

    Args:
        path: the file; its name identifies its content and is used as its ``key``.
        make: computes the tensors.
        remake: True: create a damaged file again, with one warning. False, for results that take minutes: refuse it.
        collective: all processes of a multi-process launch compute ``make`` together, so none of them waits for another.

    Raises:
        InputError: the file cannot be written, or it is damaged and ``remake`` is False.
    """
    if (kept := _cached(path, remake)) is not None:
        return kept
    with nullcontext() if collective else locked(path, note="another process is making this file"):
        if (kept := _cached(path, remake, quiet=True)) is not None:
            return kept
        tensors = dict(make())
        save_tensors(path, tensors, key=path.name)
    return tensors


def _cached(path: Path, remake: bool, quiet: bool = False) -> dict[str, Tensor] | None:
    try:
        return load_tensors(path, path.name, "delete it; it will be created again")[0] if path.exists() else None
    except InputError as error:
        if not remake:
            raise
        if not quiet:
            warnings.warn(f"creating a cache file again: {error}", stacklevel=4)
        return None


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, object], key: str) -> str:
    names = sorted(tensors)
    head = [key, about, [[name, str(tensors[name].dtype), list(tensors[name].shape)] for name in names]]
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for name in names:
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def save_weights(module: nn.Module, path: Path, about: Mapping[str, object] | None = None) -> Path:
    """Write the state of a module with :func:`save_tensors`; returns the path."""
    return save_tensors(path, module.state_dict(), about)


def check_weights(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor], where: object) -> None:
    """Check that weights have exactly the expected names and shapes, and are finite.

    Raises:
        InputError: names the first wrong weight, in alphabetical order.
    """
    for name in sorted(expected.keys() | tensors.keys()):
        have, want = tensors.get(name), expected.get(name)
        if have is None or want is None or have.shape != want.shape:
            shape, needed = ("absent" if tensor is None else tuple(tensor.shape) for tensor in (have, want))
            raise InputError(where, f"{name} is {shape}, but the settings need {needed}", "use weights and settings of the same model")
        if not have.isfinite().all():
            raise InputError(where, f"{name} is NaN or infinite", "get another copy, or train again with a lower lr")


def sizes_of(make: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Names and shapes of the weights of a module, without allocating memory for them."""
    with torch.device("meta"):
        return make().state_dict()


def loaded(make: Callable[[], M], sizes: Mapping[str, Tensor], path: Path) -> M:
    """The module of ``make`` with the weights of ``path`` (:func:`save_weights`). ``sizes`` (:func:`sizes_of`) are checked before memory is allocated.

    Raises:
        InputError: the file is missing or damaged, or holds weights of another model or size.
    """
    tensors, _ = load_tensors(path)
    check_weights(sizes, tensors, path)
    module = make()
    module.load_state_dict(tensors)
    return module
