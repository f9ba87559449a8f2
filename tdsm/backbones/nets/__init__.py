"""Skeleton encoders E_x: clips ``(N, M, T, V, C)`` become features z_x.

Each is trained as a classifier of the seen classes (:mod:`tdsm.data.features`) and then read through ``tokens`` or ``pool``.
"""

from tdsm.backbones.nets.base import SkeletonEncoder
from tdsm.backbones.nets.shift_gcn import ShiftGCN
from tdsm.backbones.nets.st_gcn import STGCN
from tdsm.backbones.nets.tcn import TCN
from tdsm.config import EncoderConfig
from tdsm.data.layouts import Layout

__all__ = ["STGCN", "TCN", "ShiftGCN", "SkeletonEncoder", "build_encoder"]


def build_encoder(config: EncoderConfig, layout: Layout, bodies: int, classes: int) -> SkeletonEncoder | TCN:
    """A new, untrained encoder of ``config``'s kind, width and features, for M = ``bodies`` of this layout and so many seen classes."""
    net = {"tcn": TCN, "st-gcn": STGCN, "shift-gcn": ShiftGCN}[config.kind]
    return net(layout, bodies, classes, config.width, config.features)
