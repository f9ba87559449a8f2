"""Training in several processes: each computes a share of the rows of a batch, and together they obtain the gradient of a single process.

Process p of n has rows p, p + n, p + 2n, ... of the global batch (``share`` of :func:`tdsm.util.loop.fit`). Values that depend on more than one row are
computed from all rows: losses and negatives after :func:`joined`, batch normalisation under :func:`synced_norms`. Every process then has the same loss.
The gradients are returned to the process of each row, and their mean over processes, which DistributedDataParallel computes, equals the gradient of a
single process. With a single process nothing here changes the result. Dropout masks are the exception: each process draws them for its own rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["joined", "synced_norms"]


class _Sum(torch.autograd.Function):
    """Sum over processes; the gradient is summed over processes, too."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        x = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def joined(part: Tensor) -> Tensor:
    """Gather the rows of all processes in the order of the global batch. With a single process this returns ``part`` itself.

    Every process has to call this function equally often.

    Args:
        part: rows of this process, (rows, ...), numbers or bools; the numbers of rows differ by at most one between processes.
    """
    if not _several():
        return part
    total = torch.tensor(len(part), device=part.device)
    dist.all_reduce(total)
    whole = part.new_zeros(int(total), *part.shape[1:], dtype=torch.uint8 if part.dtype == torch.bool else part.dtype)
    whole[dist.get_rank() :: dist.get_world_size()] = part
    return _Sum.apply(whole).to(part.dtype)


@contextmanager
def synced_norms(module: nn.Module) -> Iterator[None]:
    """Compute batch normalisation of ``module`` in training over the rows of all processes. With a single process nothing changes."""
    norms = {norm: type(norm) for norm in module.modules() if isinstance(norm, _BatchNorm)} if _several() else {}
    for norm, kind in norms.items():
        norm.__class__ = type(kind.__name__, (kind, _Synced), {})
    try:
        yield
    finally:
        for norm, kind in norms.items():
            norm.__class__ = kind


class _Synced(_BatchNorm):
    """``nn.SyncBatchNorm`` for any device; torch's own needs a GPU."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        rows, shape = [0, *range(2, x.ndim)], [1, -1, *[1] * (x.ndim - 2)]
        count = torch.tensor(float(x.numel() // x.shape[1]), device=x.device)
        dist.all_reduce(count)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = _Sum.apply(wide.sum(rows)) / count
        centred = wide - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(rows)) / count
        if self.track_running_stats:
            self.num_batches_tracked.add_(1)
            weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.detach(), weight)
            self.running_var.lerp_(variance.detach() * count / (count - 1), weight)
        normal = centred * torch.rsqrt(variance + self.eps).view(shape)
        return (normal * self.weight.view(shape) + self.bias.view(shape) if self.affine else normal).to(x.dtype)
