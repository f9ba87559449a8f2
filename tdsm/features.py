"""z_x: what a frozen skeleton encoder makes of clips."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["extract"]


@torch.no_grad()
def extract(encoder: nn.Module, x: Float[Tensor, "clip person time joint coord"], batch: int = 64) -> Float[Tensor, "clip one channel"]:
    """Pooled features of preprocessed clips, as one token a clip (M_x = 1, as in the paper's release), on the encoder's device."""
    encoder.eval()
    device = next(encoder.parameters()).device
    return torch.cat([encoder.pool(chunk.to(device)) for chunk in x.split(batch)])[:, None]
