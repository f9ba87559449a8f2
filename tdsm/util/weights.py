"""Weights on disk: safetensors, which holds named arrays and a line of text, and nothing that could be executed."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tdsm.util.errors import InputError
from tdsm.util.files import atomic

__all__ = ["check_weights", "load_weights", "read_weights", "save_weights"]


def save_weights(module: nn.Module, path: Path, metadata: dict[str, str] | None = None) -> Path:
    """Write a module's state, atomically; returns the path.

    Args:
        metadata: texts to keep beside the weights. One entry at most keeps the file's bytes the same from one writing to the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial:
        save_file({name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}, partial, metadata=metadata)
    return path


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(weights by name, metadata) of a safetensors file.

    Raises:
        InputError: missing, or not a whole safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 - not a dict
    except FileNotFoundError as error:
        raise InputError(path, "no such file", "check the path, or take a complete copy of the folder") from error
    except (SafetensorError, OSError) as error:
        raise InputError(path, f"not a readable safetensors file ({error})", "take another copy; pickled checkpoints (.pt) are not accepted") from error


def check_weights(expected: dict[str, Tensor], tensors: dict[str, Tensor], where: object) -> None:
    """Refuse weights that do not have exactly these names and shapes, or are not finite.

    Raises:
        InputError: the first name, in alphabetical order, that is wrong.
    """
    for name in sorted(expected.keys() | tensors.keys()):
        have, want = tensors.get(name), expected.get(name)
        if have is None or want is None or have.shape != want.shape:
            found, needed = ("absent" if tensor is None else tuple(tensor.shape) for tensor in (have, want))
            raise InputError(where, f"{name} is {found}, but the settings need {needed}", "use weights and settings of the same model")
        if not have.isfinite().all():
            raise InputError(where, f"{name} is NaN or infinite", "take another copy, or train again with a lower lr")


def load_weights(module: nn.Module, path: Path) -> None:
    """Load safetensors into a module of exactly these names and shapes.

    Raises:
        InputError: missing, damaged, or a checkpoint of another model or size.
    """
    tensors, _ = read_weights(path)
    check_weights(module.state_dict(), tensors, path)
    module.load_state_dict(tensors)
