"""What both skeleton encoders share: shapes, persons, and the way from a map to tokens, a feature and logits.

Clips come as ``(N, M, T, V, C)``. Inside, the persons stand in the batch and the features on the last axis, ``(N*M, T, V, C)``:
that is the same memory, so the way in costs no copy, 1x1 convolutions are plain matrix products, and temporal convolutions see
PyTorch's channels-last format. An absent person is a body of zeros and counts in the mean over persons, as in the field.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError

__all__ = ["FeatureNorm", "SkeletonEncoder", "check_clips", "unit_plan"]


def unit_plan(width: int, features: int) -> list[tuple[int, int, int]]:
    """The ten units of both papers, (channels in, channels out, stride in time); the 0 stands for the coordinates."""
    outputs = [width] * 4 + [2 * width] * 3 + [features] * 3
    strides = [1, 1, 1, 1, 2, 1, 1, 2, 1, 1]
    return list(zip([0, *outputs[:-1]], outputs, strides, strict=True))


class FeatureNorm(nn.BatchNorm1d):
    """Batch normalisation of the last ``num_features`` numbers of each row, be they (C,), (V, C) or (M, V, C)."""

    def forward(self, x: Float[Tensor, "*row channel"]) -> Float[Tensor, "*row channel"]:
        """Normalise; the shape stays."""
        return super().forward(x.reshape(-1, self.num_features)).view(x.shape)


def check_clips(x: Tensor, layout: Layout, bodies: int) -> None:
    """Refuse clips (InputError) whose persons, joints or coordinates are not those that an encoder was made for."""
    if x.ndim != 5 or (x.shape[1], *x.shape[3:]) != (bodies, len(layout), layout.dims):
        what = f"shape {tuple(x.shape)} where (N, {bodies}, T, {len(layout)}, {layout.dims}) belongs"
        raise InputError("clips", what, f"preprocess to {bodies} bodies in layout {layout.name}, or make an encoder for this shape")


class SkeletonEncoder(nn.Module):
    """E_x: a clip becomes T' x V tokens, their mean z_x, and logits of the classes it is trained on.

    A subclass fills ``norm`` (of the input coordinates) and ``units`` (maps from ``(N*M, T, V, C)`` to the same form).

    Args:
        layout: the body, which gives V and C.
        bodies: M.
        classes: number of seen classes.
        features: width of z_x.
    """

    norm: FeatureNorm
    units: nn.Sequential

    def __init__(self, layout: Layout, bodies: int, classes: int, features: int) -> None:
        super().__init__()
        self.layout, self.bodies, self.features = layout, bodies, features
        self.head = nn.Linear(features, classes)

    def tokens(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip token feature"]:
        """One vector for each of T' frames (T / 4, rounded up) and V joints, frame by frame; the mean over persons. See :func:`check_clips`."""
        check_clips(x, self.layout, self.bodies)
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)  # a row is one frame, of all persons or of one
        x = self.units(x.flatten(0, 1))  # (N*M, T', V, features)
        return x.unflatten(0, (-1, self.bodies)).mean(1).flatten(1, 2)

    def pool(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip feature"]:
        """z_x: the mean of the tokens."""
        return self.tokens(x).mean(1)

    def forward(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip label"]:
        """Logits of the seen classes."""
        return self.head(self.pool(x))
