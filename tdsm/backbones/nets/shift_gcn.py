"""Shift-GCN (Cheng et al., CVPR 2020) in plain PyTorch, for any layout.

It replaces the graph convolution by shifts. Every channel is moved to another joint (channel c by c joints, cyclically), so a matrix product mixes the
joints. Every channel is also moved in time by a learned, fractional number of frames, so a matrix product mixes the frames. The released code implements
the temporal shift as a CUDA extension. Here it is a depthwise convolution whose kernel has two non-zero taps, the weights of linear interpolation. The
extension's offset along the joint axis, which never receives a gradient, is omitted.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.backbones.nets.base import FeatureNorm, SkeletonEncoder, unit_plan
from tdsm.data.layouts import Layout

__all__ = ["JointShift", "ShiftGCN", "TemporalShift"]


class _Permute(torch.autograd.Function):
    """Reorder the columns. PyTorch's own gradient adds into zeros, which takes twice as long as the reverse reordering."""

    @staticmethod
    def forward(ctx, x: Tensor, order: Tensor, reverse: Tensor) -> Tensor:  # noqa: ANN001
        ctx.save_for_backward(reverse)
        return x.index_select(1, order)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN001
        (reverse,) = ctx.saved_tensors
        return grad.index_select(1, reverse), None, None


class JointShift(nn.Module):
    """Channel c of joint v comes from joint v + c (direction 1) or v - c (direction -1, the inverse), modulo V."""

    order: Tensor
    reverse: Tensor

    def __init__(self, joints: int, channels: int, direction: int) -> None:
        super().__init__()
        joint, channel = torch.arange(joints)[:, None], torch.arange(channels)
        order = ((joint + direction * channel) % joints * channels + channel).flatten()
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("reverse", order.argsort(), persistent=False)

    def forward(self, x: Float[Tensor, "body time joint channel"]) -> Float[Tensor, "body time joint channel"]:
        """Permute the (joint, channel) pairs."""
        rows = x.reshape(-1, len(self.order))
        moved = _Permute.apply(rows, self.order, self.reverse) if torch.is_grad_enabled() else rows.index_select(1, self.order)
        return moved.view(x.shape)


class _SignGradient(torch.autograd.Function):
    """Identity whose gradient keeps only its sign: +-0.01, and 0.0001 where it is zero."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # noqa: ANN001
        return x.clone()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # noqa: ANN001
        return torch.where(grad == 0, 1e-4, 0.01 * grad.sign())


class TemporalShift(nn.Module):
    """Channel c of frame t comes from frame t + offset[c], by linear interpolation between frames; values outside the clip are 0.

    Args:
        channels: C.
        stride: 2 keeps every second frame (including the last one if their number is odd) and reads half a frame later.
        sign_gradient: True: give the offsets the gradient of the released kernel, +-0.01 by sign (0.0001 at zero). False: the true gradient.
    """

    def __init__(self, channels: int, stride: int = 1, sign_gradient: bool = False) -> None:
        super().__init__()
        self.stride, self.sign_gradient = stride, sign_gradient
        self.offset = nn.Parameter(torch.empty(channels).uniform_(-1, 1))
        self._cached: tuple[Tensor, Tensor] | None = None  # offsets, and the kernel computed from them without a gradient

    def kernel(self) -> Float[Tensor, "channel 1 tap 1"]:
        """Interpolation weights; the middle tap is the current frame."""
        offset = _SignGradient.apply(self.offset) if self.sign_gradient else self.offset
        offset = offset + (self.stride - 1) / 2
        whole = offset.detach().floor()
        part = (offset - whole)[:, None]
        reach = int(torch.maximum(-whole, whole + 1).max())
        ahead = torch.arange(-reach, reach + 1, device=offset.device) - whole[:, None]
        return ((ahead == 0) * (1 - part) + (ahead == 1) * part)[:, None, :, None]

    def forward(self, x: Float[Tensor, "body time joint channel"]) -> Float[Tensor, "body frame joint channel"]:
        """Shift in time; T becomes T / stride, rounded up."""
        kernel = (self.kernel() if torch.is_grad_enabled() else self._known_kernel()).to(x.dtype)
        x = F.conv2d(x.permute(0, 3, 1, 2), kernel, stride=(self.stride, 1), padding=(kernel.shape[2] // 2, 0), groups=len(kernel))
        return x.permute(0, 2, 3, 1)

    def _known_kernel(self) -> Tensor:
        """The kernel, computed again only if the offsets have changed; for one clip, computing it takes as long as the shift itself."""
        cached = self._cached
        if cached is None or cached[0].device != self.offset.device or not torch.equal(cached[0], self.offset):
            self._cached = cached = (self.offset.detach().clone(), self.kernel())
        return cached[1]


class _SpatialUnit(nn.Module):
    """Shift, mask, matrix product and inverse shift, with a residual connection."""

    def __init__(self, joints: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shift_in, self.shift_out = JointShift(joints, inputs, 1), JointShift(joints, outputs, -1)
        self.mask = nn.Parameter(torch.zeros(joints, inputs))
        self.linear = nn.Linear(inputs, outputs)
        self.norm = FeatureNorm(joints * outputs)
        self.residual = nn.Identity() if inputs == outputs else _projection(inputs, outputs)
        nn.init.normal_(self.linear.weight, std=1 / math.sqrt(outputs))
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        shifted = self.shift_in(x) * (self.mask.tanh() + 1)
        return (self.norm(self.shift_out(self.linear(shifted))) + self.residual(x)).relu_()


class _TemporalUnit(nn.Sequential):
    """Shift, matrix product, shift; the second shift has the stride."""

    def __init__(self, channels: int, stride: int, sign_gradient: bool) -> None:
        super().__init__(
            FeatureNorm(channels),
            TemporalShift(channels, 1, sign_gradient),
            _linear(channels, channels),
            nn.ReLU(),
            TemporalShift(channels, stride, sign_gradient),
            FeatureNorm(channels),
        )


class _Unit(nn.Module):
    """One of the ten units: space, then time, with a residual connection around both (except in the first unit)."""

    def __init__(self, joints: int, inputs: int, outputs: int, stride: int, residual: bool, sign_gradient: bool) -> None:
        super().__init__()
        self.space = _SpatialUnit(joints, inputs, outputs)
        self.time = _TemporalUnit(outputs, stride, sign_gradient)
        self.stride = stride
        plain = inputs == outputs and stride == 1
        self.residual = (nn.Identity() if plain else _projection(inputs, outputs)) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.time(self.space(x))
        if self.residual is not None:
            out = out + self.residual(x[:, :: self.stride])
        return out.relu_()


class ShiftGCN(SkeletonEncoder):
    """Shift-GCN with non-local shift (section 3 of its paper).

    Args:
        layout, bodies, classes: see :class:`SkeletonEncoder`; each body has its own normalisation of the input.
        width: channels of units 1-4; units 5-7 have twice as many.
        features: channels of units 8-10 and of z_x.
        sign_gradient: train the offsets with the gradient of the released kernel; see :class:`TemporalShift`.
    """

    def __init__(self, layout: Layout, bodies: int, classes: int, width: int = 64, features: int = 256, sign_gradient: bool = False) -> None:
        super().__init__(layout, bodies, classes, features)
        joints = len(layout)
        self.norm = FeatureNorm(bodies * joints * layout.dims)
        self.units = nn.Sequential(
            *(_Unit(joints, inputs or layout.dims, outputs, stride, inputs > 0, sign_gradient) for inputs, outputs, stride in unit_plan(width, features))
        )
        nn.init.normal_(self.head.weight, std=math.sqrt(2 / classes))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A 1x1 convolution on the last axis, initialised as in the release."""
    linear = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(linear.weight, mode="fan_out")
    nn.init.zeros_(linear.bias)
    return linear


def _projection(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_linear(inputs, outputs), FeatureNorm(outputs))
