"""Skeleton encoders E_x: clips ``(N, M, T, V, C)`` to features z_x.

Each is trained as a classifier of the seen classes (:mod:`tdsm.backbones.classifier`); afterwards ``pool`` or ``tokens`` computes its features.
"""

from tdsm.backbones.nets.base import SkeletonEncoder
from tdsm.backbones.nets.shift_gcn import ShiftGCN
from tdsm.backbones.nets.st_gcn import STGCN
from tdsm.backbones.nets.tcn import TCN
from tdsm.config import EncoderConfig
from tdsm.data.layouts import Layout

__all__ = ["STGCN", "TCN", "ShiftGCN", "SkeletonEncoder", "build_encoder"]


def build_encoder(config: EncoderConfig, layout: Layout, bodies: int, classes: int) -> SkeletonEncoder | TCN:
    """A new, untrained encoder with the kind, width and features of ``config``, for M = ``bodies`` of this layout and ``classes`` seen classes."""
    net = {"tcn": TCN, "st-gcn": STGCN, "shift-gcn": ShiftGCN}[config.kind]
    return net(layout, bodies, classes, config.width, config.features)
