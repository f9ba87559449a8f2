"""Ridge regression from the feature to the text: takes milliseconds, and must always stand beside a result."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["ridge_to_text"]


def ridge_to_text(
    z_x: Float[Tensor, "clip channel"],
    labels: Int[Tensor, " clip"],
    seen_text: Float[Tensor, "seen word"],
    test_z_x: Float[Tensor, "test channel"],
    candidates: Float[Tensor, "label word"],
    penalty: float = 1.0,
) -> Float[Tensor, "test label"]:
    """Cosine between the text predicted from each test feature and each candidate label's z_g; the largest is the answer.

    Features are centred and scaled to mean square 1 by the training clips; texts are scaled to length 1. ``penalty`` is a share of the
    number of clips, so that it means the same for every data set.
    """
    center = z_x.mean(dim=0)
    scale = (z_x - center).square().mean().sqrt()
    x, test = (z_x - center) / scale, (test_z_x - center) / scale
    text = F.normalize(seen_text, dim=-1)
    mean = text.mean(dim=0)
    gram = x.T @ x + penalty * len(x) * torch.eye(x.shape[1], device=x.device)
    weight = torch.linalg.solve(gram, x.T @ (text[labels] - mean))
    return F.normalize(test @ weight + mean, dim=-1) @ F.normalize(candidates, dim=-1).T
