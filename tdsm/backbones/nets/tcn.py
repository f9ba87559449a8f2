"""A small temporal convolutional net: the positions and velocities of the joints are channels, and it convolves over time. It has no graph and 0.3 million
weights, and needs a tenth of a GCN's time.

It sees the whole body at once, which graph networks must learn to combine, and therefore needs few clips and few steps; zero-shot work on small data sets
has few clips. Its z_x is the mean and the maximum over time of the last feature map, so that a short gesture is not averaged away.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.backbones.nets.base import check_clips
from tdsm.data.layouts import Layout

__all__ = ["TCN"]

_POSITION, _SPEED = 8.0, 32.0  # preprocessed bones sum to 1; these scale both inputs to about 1 at 32 frames


class TCN(nn.Module):
    """E_x: clips (N, M, T, V, C) to features, and to logits of the training classes.

    Args:
        layout, bodies, classes: skeleton layout (V and C), M (coordinates of all bodies are joined along the channels), number of seen classes.
        width: channels of the first three convolutions.
        features: channels of z_x; one half is the mean over time, the other half the maximum.
    """

    def __init__(self, layout: Layout, bodies: int, classes: int, width: int = 96, features: int = 256) -> None:
        super().__init__()
        self.layout, self.bodies, self.features = layout, bodies, features
        self.enter = _Unit(2 * bodies * len(layout) * layout.dims, width, kernel=1)
        self.units = nn.Sequential(_Unit(width, width), _Unit(width, width, stride=2), _Unit(width, features // 2, stride=2))
        self.head = nn.Linear(features, classes)

    def tokens(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip token feature"]:
        """One vector of ``features / 2`` channels for each of T / 4 intervals of time. See :func:`~tdsm.backbones.nets.base.check_clips`."""
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
