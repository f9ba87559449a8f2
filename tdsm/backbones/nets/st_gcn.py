"""ST-GCN (Yan et al., AAAI 2018) in plain PyTorch, for any layout.

Each unit mixes neighbouring joints, then nine neighbouring frames. There are three weight matrices for joints: for the joint itself, for neighbours that
are not nearer to the centre of the body, and for neighbours that are nearer.

Two known properties of the released code matter. First, it computes hop distances up to one hop only; all longer distances are infinite and therefore equal.
Away from the centre, both directions of a bone use the second matrix, and the partition of the paper exists only around the centre. This is reproduced here,
because every published ST-GCN result has it. Second, its NTU graph connects each hand tip to the thumb. Here the bones are those of the layout, which
connects the hand tip to the hand (as in MMAction2); this changes one bone per arm.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.backbones.nets.base import FeatureNorm, SkeletonEncoder, unit_plan
from tdsm.data.layouts import Layout

__all__ = ["STGCN", "spatial_partition"]

FRAMES_MIXED = 9


def spatial_partition(layout: Layout) -> Float[Tensor, "3 joint joint"]:
    """Matrices A_k with ``out[w] = sum_v x[v] A_k[v, w]``: the joint itself, neighbours not nearer to the centre, nearer neighbours.

    The columns of their sum add up to 1. The centre is the joint at the upper end of the torso, or the layout's root if the torso ends between joints.
    """
    count = len(layout)
    upper = layout.torso[1]
    centre = upper[0] if len(upper) == 1 else layout.parents.index(-1)
    itself, neighbours = torch.eye(count), torch.zeros(count, count)
    for child, parent in layout.bones:
        neighbours[child, parent] = neighbours[parent, child] = 1
    hops = torch.full((count,), torch.inf)
    hops[neighbours[centre] > 0] = 1
    hops[centre] = 0
    nearer = hops[:, None] < hops
    return torch.stack([itself, neighbours * ~nearer, neighbours * nearer]) / (itself + neighbours).sum(0)


class _SpatialUnit(nn.Module):
    """Gather each joint's three kinds of neighbours, with learned importance, then sum one matrix product per kind.

    The paper multiplies before it gathers. The result is the same, and the batched product over joints costs less on the narrower side.
    """

    adjacency: Tensor

    def __init__(self, adjacency: Float[Tensor, "3 joint joint"], inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.importance = nn.Parameter(torch.ones_like(adjacency))
        self.linear = nn.Linear(inputs, len(adjacency) * outputs)

    def forward(self, x: Float[Tensor, "body time joint channel"]) -> Float[Tensor, "body time joint feature"]:
        kinds = len(self.adjacency)
        graph = self.adjacency * self.importance
        mix = graph.permute(2, 0, 1).flatten(0, 1)  # (joint * kind, joint)
        rows = x.flatten(0, 1)
        near = torch.bmm(mix.expand(len(rows), -1, -1), rows).view(*x.shape[:3], -1)  # (body, time, joint, kind * channel)
        weight = self.linear.weight.unflatten(0, (kinds, -1)).transpose(0, 1).flatten(1)
        bias = graph.sum(1).T @ self.linear.bias.unflatten(0, (kinds, -1))  # (joint, feature)
        return F.linear(near, weight) + bias


class _TemporalUnit(nn.Module):
    """Normalise, convolve over nine frames, normalise."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.norm_in, self.norm_out = FeatureNorm(channels), FeatureNorm(channels)
        self.conv = nn.Conv2d(channels, channels, (FRAMES_MIXED, 1), (stride, 1), (FRAMES_MIXED // 2, 0))

    def forward(self, x: Float[Tensor, "body time joint channel"]) -> Float[Tensor, "body frame joint channel"]:
        return self.norm_out(self.conv(self.norm_in(x).relu().permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


class _Unit(nn.Module):
    """One of the ten units: space, then time, with a residual connection around both (except in the first unit)."""

    def __init__(self, adjacency: Tensor, inputs: int, outputs: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.space = _SpatialUnit(adjacency, inputs, outputs)
        self.time = _TemporalUnit(outputs, stride)
        self.stride = stride
        plain = inputs == outputs and stride == 1
        projection = nn.Identity() if plain else nn.Sequential(nn.Linear(inputs, outputs), FeatureNorm(outputs))
        self.residual = projection if residual else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.time(self.space(x))
        if self.residual is not None:
            out = out + self.residual(x[:, :: self.stride])
        return out.relu_()


class STGCN(SkeletonEncoder):
    """ST-GCN with spatial partition and learned edge importance (section 3 of its paper).

    Args:
        layout, bodies, classes: see :class:`SkeletonEncoder`; the bones define the graph, and all bodies share the normalisation of the input.
        width: channels of units 1-4; units 5-7 have twice as many.
        features: channels of units 8-10 and of z_x.
    """

    def __init__(self, layout: Layout, bodies: int, classes: int, width: int = 64, features: int = 256) -> None:
        super().__init__(layout, bodies, classes, features)
        adjacency = spatial_partition(layout)
        self.norm = FeatureNorm(len(layout) * layout.dims)
        self.units = nn.Sequential(
            *(_Unit(adjacency, inputs or layout.dims, outputs, stride, inputs > 0) for inputs, outputs, stride in unit_plan(width, features))
        )
