"""A small temporal convolutional net: joints and their speeds are channels, and time is convolved. No graph, 0.3 million weights, a tenth of a GCN's time.

It reads what the graph networks have to find out, the whole body at once, and so needs few clips and few steps: what zero-shot work on small sets is
short of. Its z_x is the mean and the maximum over time of the last map, so that a brief gesture is not averaged away.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.backbones.nets.base import check_clips
from tdsm.data.layouts import Layout

__all__ = ["TCN"]

_POSITION, _SPEED = 8.0, 32.0  # preprocessed bodies have bones that sum to 1; these bring both to about unit size at 32 frames


class TCN(nn.Module):
    """E_x: clips (N, M, T, V, C) to features, and to logits of the classes it is trained on.

    Args:
        layout, bodies, classes: the body, which gives V and C; M, whose coordinates stand side by side on the channels; number of seen classes.
        width: channels of the first three convolutions.
        features: width of z_x; half of it the mean over time, half the maximum.
    """

    def __init__(self, layout: Layout, bodies: int, classes: int, width: int = 96, features: int = 256) -> None:
        super().__init__()
        self.layout, self.bodies, self.features = layout, bodies, features
        self.enter = _Unit(2 * bodies * len(layout) * layout.dims, width, kernel=1)
        self.units = nn.Sequential(_Unit(width, width), _Unit(width, width, stride=2), _Unit(width, features // 2, stride=2))
        self.head = nn.Linear(features, classes)

    def tokens(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip token feature"]:
        """One vector of ``features / 2`` for each of T / 4 stretches of time. See :func:`~tdsm.backbones.nets.base.check_clips`."""
        check_clips(x, self.layout, self.bodies)
        place = x.transpose(1, 2).flatten(2).transpose(1, 2)  # (N, M * V * C, T)
        speed = torch.diff(place, dim=2, prepend=place[..., :1])
        return self.units(self.enter(torch.cat((_POSITION * place, _SPEED * speed), dim=1))).transpose(1, 2)

    def pool(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip feature"]:
        """z_x: mean and maximum of the tokens."""
        tokens = self.tokens(x)
        return torch.cat((tokens.mean(1), tokens.amax(1)), dim=1)

    def forward(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip label"]:
        """Logits of the seen classes."""
        return self.head(self.pool(x))


class _Unit(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int = 5, stride: int = 1) -> None:
        super().__init__(nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2), nn.BatchNorm1d(outputs), nn.ReLU())
