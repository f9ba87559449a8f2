"""Parts that skeleton encoders share: shapes, persons, and the layers from a feature map to tokens, a feature and logits.

Clips have the shape ``(N, M, T, V, C)``. Inside, persons are part of the batch axis and channels are the last axis, ``(N*M, T, V, C)``. The memory layout is
the same, so no copy is needed, 1x1 convolutions are matrix products, and temporal convolutions get PyTorch's channels-last format. An absent person is a
body of zeros and is included in the mean over persons, as in published code.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError

__all__ = ["FeatureNorm", "SkeletonEncoder", "check_clips", "unit_plan"]


def unit_plan(width: int, features: int) -> list[tuple[int, int, int]]:
    """The ten units of both papers, (input channels, output channels, temporal stride). An input of 0 means the number of coordinates."""
    outputs = [width] * 4 + [2 * width] * 3 + [features] * 3
    strides = [1, 1, 1, 1, 2, 1, 1, 2, 1, 1]
    return list(zip([0, *outputs[:-1]], outputs, strides, strict=True))


class FeatureNorm(nn.BatchNorm1d):
    """Batch normalisation over the last ``num_features`` numbers of each row, whether its shape is (C,), (V, C) or (M, V, C)."""

    def forward(self, x: Float[Tensor, "*row channel"]) -> Float[Tensor, "*row channel"]:
        """Normalise; the shape does not change."""
        return super().forward(x.reshape(-1, self.num_features)).view(x.shape)


def check_clips(x: Tensor, layout: Layout, bodies: int) -> None:
    """Raise InputError for clips with other numbers of persons, joints or coordinates than the encoder was built for."""
    if x.ndim != 5 or (x.shape[1], *x.shape[3:]) != (bodies, len(layout), layout.dims):
        what = f"shape {tuple(x.shape)} is not (N, {bodies}, T, {len(layout)}, {layout.dims})"
        raise InputError("clips", what, f"preprocess to {bodies} bodies in layout {layout.name}, or build an encoder for this shape")


class SkeletonEncoder(nn.Module):
    """E_x: encodes a clip as T' x V tokens, z_x (the mean of the tokens), and logits of the training classes.

    A subclass defines ``norm`` (of the input coordinates) and ``units`` (from ``(N*M, T, V, C)`` to the same form).

    Args:
        layout: skeleton layout, which defines V and C.
        bodies: M.
        classes: number of seen classes.
        features: channels of z_x.
    """

    norm: FeatureNorm
    units: nn.Sequential

    def __init__(self, layout: Layout, bodies: int, classes: int, features: int) -> None:
        super().__init__()
        self.layout, self.bodies, self.features = layout, bodies, features
        self.head = nn.Linear(features, classes)

    def tokens(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip token feature"]:
        """One vector for each of T' frames (T / 4, rounded up) and V joints, frame by frame, averaged over persons. See :func:`check_clips`."""
        check_clips(x, self.layout, self.bodies)
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)  # a row is one frame, of all persons or of a single one
        x = self.units(x.flatten(0, 1))  # (N*M, T', V, features)
        return x.unflatten(0, (-1, self.bodies)).mean(1).flatten(1, 2)

    def pool(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip feature"]:
        """z_x: the mean of the tokens."""
        return self.tokens(x).mean(1)

    def forward(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip label"]:
        """Logits of the seen classes."""
        return self.head(self.pool(x))
