"""Corruption of generated movements: random errors of sensors, pose estimators and cameras, drawn anew for every clip of every batch.

Generated bodies have no measurement errors; recorded ones have. A clip is cut at both ends and its speed is varied. Bone lengths are scaled. Joints get
constant offsets, because sensors place joints differently, and slow and fast noise, which is larger towards the hands and in depth. A clip may lag
(smoothing), lose limbs for some frames (interpolated), or be expressed relative to the hips, which then do not move. Some clips are projected from a random
side to a 2-D body, z = 0. Finally the body is centred, rotated and scaled again as in :mod:`tdsm.data.preprocess`, so training clips have the same form as
clips at inference.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from tdsm.data.layouts import Layout
from tdsm.util.errors import InputError
from tdsm.util.loop import mix

__all__ = ["CorruptConfig", "at_times", "corrupt", "normalised"]

_OUTER = {"wrist": 1.6, "ankle": 1.3, "elbow": 1.2, "head": 1.0, "knee": 1.0, "shoulder": 0.8, "hip": 0.7}  # factor on the noise of a joint; 0.6 in the trunk
_SHORTEST = 1e-3  # relative to the body's size; shorter torsos or shoulder lines define no rotation
_DEPTH = 1.5  # factor on the noise along the line of sight


@dataclass(frozen=True)
class CorruptConfig:
    """Strength of the corruption. Lengths are relative to the sum of all bone lengths, which is about 4 m.

    Attributes:
        cut: largest part of a clip that is cut off at either end, from 0 to 0.45.
        bones: standard deviation of the factor on each bone length.
        offset: standard deviation of a joint's constant offset.
        noise: median noise level of a clip.
        lost: share of clips in which joints may be lost for some frames.
        centred: share of clips with fixed hips, as in the world landmarks of MediaPipe, where a squat lifts the feet.
        flat: share of clips that are projected to two dimensions from a random side.
    """

    cut: float = 0.12
    bones: float = 0.05
    offset: float = 0.0025
    noise: float = 0.00375
    lost: float = 0.5
    centred: float = 0.2
    flat: float = 0.3

    def __post_init__(self) -> None:
        for name in ("bones", "offset", "noise"):
            if not getattr(self, name) >= 0:
                raise InputError("config", f"corrupt.{name} is {getattr(self, name)!r}", "give a number, 0 or more")
        for name in ("cut", "lost", "centred", "flat"):
            if not 0 <= getattr(self, name) <= (0.45 if name == "cut" else 1):
                raise InputError("config", f"corrupt.{name} is {getattr(self, name)!r}", "give a number from 0 to 1; cut is 0.45 at most")


def corrupt(x: Float[Tensor, "clip 1 time joint 3"], layout: Layout, config: CorruptConfig, seed: int, step: int) -> Float[Tensor, "clip 1 time joint 3"]:
    """Corrupt preprocessed clips of one person, then preprocess them again. The result depends on (seed, step) only.

    Lengths in ``config`` are relative to the sum of all bone lengths (4 m), the unit of preprocessed bodies.
    """
    draw = torch.Generator().manual_seed(mix(seed, step))
    clips, frames, joints = len(x), x.shape[2], len(layout)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    outer = torch.tensor([_OUTER.get(name.split()[-1], 0.6) for name in layout.joints])[:, None]
    body = _cut(x[:, 0].cpu(), config.cut * uniform(clips, 1), 1 - config.cut * uniform(clips, 1), 0.25 * (uniform(clips, 1) - 0.5))
    body = _stretched(body, layout, 1 + config.bones * normal(clips, joints)) + config.offset * outer * normal(clips, 1, joints, 3)
    drift = normal(clips, frames + 6, joints, 3).unfold(1, 7, 1).mean(-1) * 7**0.5
    level = config.noise * torch.exp(0.7 * normal(clips, 1, 1, 1)) * outer * torch.tensor([1.0, 1.0, _DEPTH])
    body = body + level * (drift + 0.5 * normal(clips, frames, joints, 3))
    smoothed = torch.cat((body[:, :1].expand(-1, 4, -1, -1), body), 1).unfold(1, 5, 1).mean(-1)
    body = torch.where((uniform(clips) < 0.3)[:, None, None, None], smoothed, body)
    lost = (uniform(clips, joints) < 0.12) & (uniform(clips, 1) < config.lost)
    body = _interpolated(body, lost, uniform(clips, joints), uniform(clips, joints))
    hips = body[:, :, list(layout.torso[0])].mean(2, keepdim=True)
    body = torch.where((uniform(clips) < config.centred)[:, None, None, None], body - hips + hips[:, :1], body)
    flat = uniform(clips) < config.flat
    angles = normal(clips, 3) * torch.tensor([0.12, 1.0, 0.06])
    angles[:, 1] *= torch.where(flat, 0.6, 0.1)
    body = torch.einsum("nij,ntvj->ntvi", _rotations(angles), body - body[:, :1, :1])
    return normalised(body, layout, flat)[:, None].to(x.device)


def normalised(body: Float[Tensor, "clip time joint 3"], layout: Layout, flat: Bool[Tensor, " clip"]) -> Float[Tensor, "clip time joint 3"]:
    """Position, rotation and size of bodies as in :func:`tdsm.data.preprocess.preprocess` (``align="body"``). Depth is 0 where ``flat`` is True."""
    body = torch.where(flat[:, None, None, None], body * torch.tensor([1.0, 1.0, 0.0]), body)
    lower, upper = (list(ends) for ends in layout.torso)
    body = body - body[:, :1, lower].mean(2, keepdim=True)
    child, parent = (torch.tensor(ends) for ends in zip(*layout.bones, strict=True))
    size = (body[:, :, child] - body[:, :, parent]).norm(dim=-1).sum(-1).quantile(0.5, dim=1).clamp(min=1e-6)  # equals NumPy's median
    lead = body[:, : max(1, round(body.shape[1] / 10))]
    torso = (lead[:, :, upper].mean(2) - lead[:, :, lower].mean(2)).mean(1)
    up = F.normalize(torso, dim=-1)
    right = (lead[:, :, layout.shoulders[1]] - lead[:, :, layout.shoulders[0]]).mean(1)
    right = right - (right * up).sum(-1, keepdim=True) * up
    short = torch.minimum(torso.norm(dim=-1), right.norm(dim=-1)) <= _SHORTEST * size  # too short to define a direction
    right = F.normalize(right, dim=-1)
    turn = torch.where(short[:, None, None], torch.eye(3), torch.stack([right, up, torch.linalg.cross(right, up, dim=-1)], 1))
    return torch.einsum("nij,ntvj->ntvi", turn, body) / size[:, None, None, None]


def at_times(x: Float[Tensor, "clip person time joint coord"], times: Float[Tensor, "clip frame"]) -> Float[Tensor, "clip person frame joint coord"]:
    """Clips sampled at other times, in frames, by linear interpolation."""
    last = x.shape[2] - 1
    before = times.floor().long().clamp(0, max(0, last - 1))
    weight = (times - before)[:, None, :, None, None]
    index = before[:, None, :, None, None].expand(-1, x.shape[1], -1, *x.shape[3:])
    return torch.gather(x, 2, index) * (1 - weight) + torch.gather(x, 2, (index + 1).clamp(max=last)) * weight


def _cut(body: Tensor, start: Tensor, end: Tensor, bend: Tensor) -> Tensor:
    """The part of each clip from ``start`` to ``end`` (fractions of the clip); ``bend`` makes one half faster than the other."""
    frames = body.shape[1]
    even = torch.linspace(0, 1, frames)[None]
    times = (start + (end - start) * (even + 2 * bend * torch.sin(torch.pi * even) * even * (1 - even))) * (frames - 1)
    return at_times(body[:, None], times)[:, 0]


def _stretched(body: Tensor, layout: Layout, factors: Tensor) -> Tensor:
    """Scale each bone by its factor (N, V), and rebuild the body from the root."""
    places: dict[int, Tensor] = {}
    left = list(range(len(layout)))
    while left:
        joint = next(joint for joint in left if layout.parents[joint] < 0 or layout.parents[joint] in places)
        parent = layout.parents[joint]
        bone = 0 if parent < 0 else factors[:, joint, None, None] * (body[:, :, joint] - body[:, :, parent])
        places[joint] = body[:, :, joint] if parent < 0 else places[parent] + bone
        left.remove(joint)
    return torch.stack([places[joint] for joint in range(len(layout))], 2)


def _interpolated(body: Tensor, lost: Tensor, start: Tensor, length: Tensor) -> Tensor:
    """Replace joints in ``lost`` (N, V) by linear interpolation from ``start`` over ``length`` (fractions of the clip; ``length`` is at most half of it)."""
    frames = body.shape[1]
    first = (start * 0.8 * frames).long()
    count = (length * 0.5 * frames).long().clamp(min=1)
    last, frame = (first + count).clamp(max=frames - 1), torch.arange(frames)[None, :, None]
    row, joint = torch.arange(len(body))[:, None], torch.arange(body.shape[2])[None]
    share = ((frame - first[:, None]) / count[:, None]).clamp(0, 1)[..., None]
    straight = body[row, first, joint][:, None] * (1 - share) + body[row, last, joint][:, None] * share
    inside = (frame >= first[:, None]) & (frame < (first + count)[:, None]) & lost[:, None]
    return torch.where(inside[..., None], straight, body)


def _rotations(angles: Float[Tensor, "clip 3"]) -> Float[Tensor, "clip 3 3"]:
    """Rotation matrices for angles (N, 3) in radians about x, y and z, applied in the order y, x, z."""
    skew = torch.zeros(len(angles), 3, 3, 3)
    for axis, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
        skew[:, axis, i, j], skew[:, axis, j, i] = -angles[:, axis], angles[:, axis]
    x, y, z = torch.linalg.matrix_exp(skew).unbind(1)
    return z @ x @ y
