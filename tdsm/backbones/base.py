"""z_x of preprocessed clips."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.data.arrays import Rows
from tdsm.util.errors import InputError

__all__ = ["extract"]


@torch.no_grad()
def extract(
    encoder: nn.Module,
    x: Float[Tensor, "clip person time joint coord"] | Float[np.ndarray, "clip person time joint coord"] | Rows,
    batch: int = 64,
) -> Float[Tensor, "clip one channel"]:
    """Pooled features of preprocessed clips, as one token a clip (M_x = 1, as in the paper's release), on the encoder's device.

    Args:
        encoder: put into evaluation mode, and left there.
        x: preprocessed clips. Only ``batch`` of them are held at a time, so a memory-mapped array may be larger than the memory.
        batch: how many clips go through the encoder at once.

    Raises:
        InputError: no clip.
    """
    if len(x) == 0:
        raise InputError("clips", "none given", "give at least one clip")
    encoder.eval()
    device = next(encoder.parameters()).device
    features = []
    for start in range(0, len(x), batch):
        clips = x[start : start + batch]
        if isinstance(clips, np.ndarray):
            clips = torch.from_numpy(np.array(clips, dtype=np.float32))
        features.append(encoder.pool(clips.to(device)))
    return torch.cat(features)[:, None]
