"""The training loop, which is independent of the model.

All random numbers of step i depend on (seed, i) only. A killed run therefore resumes exactly from its last checkpoint without saved generator states, and
every process of a multi-GPU run draws the same global batch and uses its share of it. A run has a fixed number of steps: no step is selected on any clip.
"""

import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from tdsm.util.errors import InputError
from tdsm.util.processes import synced_norms
from tdsm.util.progress import progress_bar
from tdsm.util.weights import load_tensors, save_tensors

__all__ = ["Logged", "batch_rows", "check_seed", "device", "fingerprint", "fit", "mix", "warmup_cosine"]

Logged = dict[str, int | float]
"""A logged step: "step", "lr" and the named losses."""
LossOfStep = Callable[[nn.Module, int, slice], dict[str, Tensor]]


def fit(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of_step: LossOfStep,
    steps: int,
    *,
    lr: float,
    warmup: int,
    checkpoint: Path | None = None,
    identity: str = "",
    save_every: int = 200,
    precision: str = "no",
    seed: int = 0,
    title: str = "train",
) -> list[Logged]:
    """Train ``module`` in place for ``steps`` steps; returns the history, one row per ten steps.

    Args:
        loss_of_step: maps ``(module, step, share)`` to named losses of the global batch; "loss" is minimised. ``share`` selects the rows of this
            process (:mod:`tdsm.util.processes`).
        lr, warmup: arguments of :func:`warmup_cosine`.
        checkpoint: file in which to save every ``save_every`` steps (atomically). An incomplete existing checkpoint is resumed, a complete one only loaded.
        identity: identifies the data and settings of the run; a checkpoint with another identity is refused.
        precision: "no" or "bf16".

    Raises:
        InputError: the checkpoint is damaged or belongs to another run, or the loss is not finite.
    """
    from accelerate import Accelerator  # slow to import, needed only for training
    from accelerate.utils import DistributedDataParallelKwargs

    start, history = _load(checkpoint, module, optimizer, identity) if checkpoint is not None and checkpoint.exists() else (0, [])
    accelerator = Accelerator(kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])
    autocast = torch.autocast(accelerator.device.type, torch.bfloat16, enabled=precision == "bf16")
    module.train()
    wrapped, prepared = accelerator.prepare(module, optimizer)
    share = slice(accelerator.process_index, None, accelerator.num_processes)
    bar = progress_bar(range(start, steps), shown=accelerator.is_main_process, desc=title, initial=start, total=steps)
    with torch.random.fork_rng(), synced_norms(module):
        for step in bar:
            torch.manual_seed(mix(seed, step))  # for dropout
            for group in optimizer.param_groups:
                group["lr"] = warmup_cosine(step, lr, warmup, steps)
            with autocast:
                losses = loss_of_step(wrapped, step, share)
            prepared.zero_grad()
            accelerator.backward(losses["loss"])
            prepared.step()
            if step % 10 == 0 or step == steps - 1:
                row = {"step": step, "lr": warmup_cosine(step, lr, warmup, steps)} | {name: value.item() for name, value in losses.items()}
                if not math.isfinite(row["loss"]):
                    raise InputError(title, f"the loss is {row['loss']} at step {step}", "lower lr")
                history.append(row)
                bar.set_postfix(loss=f"{row['loss']:.3f}")
            if checkpoint is not None and accelerator.is_main_process and ((step + 1) % save_every == 0 or step == steps - 1):
                _save(checkpoint, module, optimizer, step + 1, history, identity)
    module.eval()
    return history


def warmup_cosine(step: int, lr: float, warmup: int, steps: int) -> float:
    """Learning rate of a step: linear warm-up from 0 over ``warmup`` steps, then half a cosine to 0."""
    if step < warmup:
        return lr * step / warmup
    return lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def fingerprint(*parts: object) -> str:
    """sha256 over settings (by repr) and tensors (by their bytes)."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.detach().cpu().contiguous().numpy().tobytes() if isinstance(part, Tensor) else repr(part).encode())
    return digest.hexdigest()


def device() -> torch.device:
    """The GPU of this process, or the CPU."""
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if torch.cuda.is_available() else torch.device("cpu")


def check_seed(seed: int) -> None:
    """Raise InputError for a seed that the random generators do not accept."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError("seed", f"is {seed!r:.60}", "give a whole number from 0 to 4294967295")


def mix(seed: int, step: int) -> int:
    """A seed for (seed, step); neighbouring values give unrelated seeds."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{step}".encode()).digest()[:7], "big")


def batch_rows(clips: int, batch: int, seed: int, step: int) -> Tensor:
    """Row indices of a global batch. Each epoch is a shuffle, whose incomplete last batch is dropped."""
    batch = min(batch, clips)
    epoch, place = divmod(step, clips // batch)
    order = torch.randperm(clips, generator=torch.Generator().manual_seed(mix(seed, -1 - epoch)))
    return order[place * batch : (place + 1) * batch]


def _save(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, step: int, history: list[Logged], identity: str) -> None:
    tensors = {f"module.{name}": value for name, value in module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None}
    save_tensors(path, tensors, {"step": step, "identity": identity, "history": history}, key="training")


def _load(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, identity: str) -> tuple[int, list[Logged]]:
    tensors, about = load_tensors(path, key="training", remedy="delete it to start over")
    if about.get("identity") != identity:
        raise InputError(path, "is a checkpoint of another run (other data, text, settings or seed)", "give another run folder, or delete it")
    module.load_state_dict({name.removeprefix("module."): value for name, value in tensors.items() if name.startswith("module.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return about["step"], about["history"]
