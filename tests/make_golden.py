"""Make tests/golden.npz: small numbers of our own denoiser, so that a change of its arithmetic is noticed, in the cached stream too.

Run it after a deliberate change only: ``python tests/make_golden.py``. What it computes is also what test_model.py computes.
"""

from pathlib import Path

import numpy as np
import torch

from tdsm.config import DiffusionConfig, ModelConfig
from tdsm.matcher import Matcher
from tdsm.text import TextFeatures

PATH = Path(__file__).parent / "golden.npz"


def numbers() -> dict[str, np.ndarray]:
    """Twelve training steps of each stream and target from fixed weights and inputs; losses, then scores of 6 clips by 5 labels."""
    draw = np.random.default_rng(0)
    text = TextFeatures(*(torch.from_numpy(draw.standard_normal(shape, dtype=np.float32)) for shape in ((5, 12), (5, 7, 12))), torch.ones(5, 7).bool())
    z_x = torch.from_numpy(draw.standard_normal((6, 2, 8), dtype=np.float32))
    made = {}
    for stream in ("joint", "cached"):
        for target in ("epsilon", "sample", "v_prediction"):
            diffusion = DiffusionConfig(schedule="mild", target=target, noises=3, margin=1.0, near=1.0)
            matcher = Matcher(8, 2, 12, 7, ModelConfig(stream, 16, 2, 2, prior=False), diffusion)
            weights = np.random.default_rng(1)
            with torch.no_grad():
                for parameter in matcher.parameters():
                    parameter.copy_(torch.from_numpy(0.1 * weights.standard_normal(parameter.shape, dtype=np.float32)))
                matcher.test_noise.copy_(torch.from_numpy(weights.standard_normal((3, 2, 8), dtype=np.float32)))
            optimizer = torch.optim.AdamW(matcher.parameters(), lr=1e-3, weight_decay=0.01)
            losses = []
            for _ in range(12):
                positive, negative, t = (torch.from_numpy(weights.integers(0, high, 6)) for high in (5, 5, 50))
                noise = torch.from_numpy(weights.standard_normal((6, 2, 8), dtype=np.float32))
                loss = matcher(z_x, positive, negative, t, noise, text)
                optimizer.zero_grad()
                loss["loss"].backward()
                optimizer.step()
                losses.append([loss[name].item() for name in ("loss", "diffusion", "triplet")])
            made[f"{stream}.{target}.losses"] = np.array(losses, np.float32)
            made[f"{stream}.{target}.errors"] = matcher.errors(z_x, matcher.encode_text(text)).numpy()
    return made


if __name__ == "__main__":
    np.savez_compressed(PATH, **numbers())
