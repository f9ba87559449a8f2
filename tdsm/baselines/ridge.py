"""Ridge regression from the feature to the text. It takes milliseconds; every result is reported beside it."""

import torch
import torch.nn.functional as F

from tdsm.baselines._fit import Features, Labels, Score, Texts

__all__ = ["fit"]


def fit(z_x: Features, labels: Labels, text: Texts, *, seed: int = 0, penalty: float = 1.0) -> Score:
    """Fit on the seen classes. The score is the cosine between the text predicted from a test feature and the z_g of a candidate label.

    Features are centred and scaled to mean square 1 with statistics of the training clips; texts are scaled to length 1.

    Args:
        z_x: (N, C) features of the training clips.
        labels: (N,) index of each clip's text in ``text``.
        text: (K, D) z_g of the seen classes.
        seed: not used.
        penalty: ridge penalty per training clip, so that its effect does not depend on the size of the data set.
    """
    center = z_x.mean(dim=0)
    scale = (z_x - center).square().mean().sqrt()
    x = (z_x - center) / scale
    seen = F.normalize(text, dim=-1)
    mean = seen.mean(dim=0)
    gram = x.T @ x + penalty * len(x) * torch.eye(x.shape[1], device=x.device)
    weight = torch.linalg.solve(gram, x.T @ (seen[labels] - mean))
    return lambda test_z_x, candidates: F.normalize((test_z_x - center) / scale @ weight + mean, dim=-1) @ F.normalize(candidates, dim=-1).T
