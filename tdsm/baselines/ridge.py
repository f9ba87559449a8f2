"""Ridge regression from the feature to the text: takes milliseconds, and must always be shown beside a result."""

import torch
import torch.nn.functional as F

from tdsm.baselines._fit import Features, Labels, Score, Texts

__all__ = ["fit"]


def fit(z_x: Features, labels: Labels, text: Texts, *, seed: int = 0, penalty: float = 1.0) -> Score:
    """Fit on the seen classes; the score is the cosine between the text predicted from a test feature and a candidate label's z_g.

    Features are centred and scaled to mean square 1 by the training clips; texts are scaled to length 1.
    ``penalty`` is a share of the number of clips, so that it means the same for every data set; nothing is drawn from ``seed``.
    """
    center = z_x.mean(dim=0)
    scale = (z_x - center).square().mean().sqrt()
    x = (z_x - center) / scale
    seen = F.normalize(text, dim=-1)
    mean = seen.mean(dim=0)
    gram = x.T @ x + penalty * len(x) * torch.eye(x.shape[1], device=x.device)
    weight = torch.linalg.solve(gram, x.T @ (seen[labels] - mean))
    return lambda test_z_x, candidates: F.normalize((test_z_x - center) / scale @ weight + mean, dim=-1) @ F.normalize(candidates, dim=-1).T
