"""The paper's backbone: a skeleton encoder trained as a classifier of the seen classes and then frozen; a frozen language model encodes prompts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdsm.backbones.base import Backbone, Examples, SeenClips
from tdsm.backbones.nets import build_encoder
from tdsm.config import Config, PreprocessConfig
from tdsm.data.labels import Label
from tdsm.text import TextFeatures, TextModel
from tdsm.util.loop import Logged, batch_rows, device, fingerprint, fit
from tdsm.util.processes import joined

__all__ = ["Classifier", "fit_classifier", "prompt_features"]


class Classifier(Backbone):
    """An encoder with ``pool`` (preprocessed clips -> z_x), whose forward pass returns logits of the seen classes.

    Args:
        net: any module with ``pool``, ``features``, ``layout`` and ``bodies`` that returns logits.
        preprocess, seen, dataset, text_encoder: see :class:`~tdsm.backbones.base.Backbone`.
    """

    kind = "classifier"

    def __init__(self, net: nn.Module, preprocess: PreprocessConfig, seen: Sequence[str], dataset: str, text_encoder: TextModel) -> None:
        super().__init__()
        self.net, self.preprocess, self.seen, self.dataset, self.text_encoder = net, preprocess, tuple(seen), dataset, text_encoder
        self.lexicon = None
        self.features, self.layout = net.features, net.layout

    def encode(self, x: Float[Tensor, "clip person time joint coord"]) -> Float[Tensor, "clip channel"]:
        """z_x: the pooled feature of the net."""
        return self.net.pool(x)

    def labels(self, labels: Sequence[Label]) -> TextFeatures:
        """Text features of two prompts per label, as in the paper; see :func:`prompt_features`."""
        return prompt_features(self.text_encoder, labels)


def prompt_features(text_encoder: TextModel, labels: Sequence[Label]) -> TextFeatures:
    """z_g and z_l of each label's name and description, joined along the channels. A label without a description uses its name twice."""
    return text_encoder.encode([label.prompts for label in labels], prompts_per_class=2)


def fit_classifier(
    clips: SeenClips, config: Config, text_encoder: TextModel, *, seed: int = 0, checkpoint: Path | None = None, net: Callable[..., nn.Module] | None = None
) -> tuple[Classifier, Examples, list[Logged]]:
    """Train an encoder on the seen classes: cross-entropy, SGD with Nesterov momentum, cosine schedule to 0, a fixed number of steps.

    Arguments and results: see :func:`tdsm.backbones.fit.fit_backbone`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        count, bodies = len(clips.labels), config.preprocess.bodies
        encoder = net(clips.layout, bodies, count) if net else build_encoder(config.encoder, clips.layout, bodies, count)
    history = train_net(encoder, clips, config, seed, checkpoint)
    backbone = Classifier(encoder, config.preprocess, [label.name for label in clips.labels], clips.dataset, text_encoder)
    return backbone, Examples(backbone.rows(clips.x)[:, None], clips.y, backbone.labels(clips.labels)), history


def train_net(net: nn.Module, clips: SeenClips, config: Config, seed: int = 0, checkpoint: Path | None = None) -> list[Logged]:
    """Train an encoder in place; returns the logged steps."""
    settings = config.encoder
    net.to(device())

    def losses(module: nn.Module, step: int, share: slice) -> dict[str, Tensor]:
        rows = batch_rows(len(clips.x), settings.batch, seed, step)
        target = clips.y[rows].to(device())
        logits = joined(module(clips.x[rows[share]].to(device())))
        return {"loss": F.cross_entropy(logits.float(), target), "accuracy": (logits.argmax(1) == target).float().mean()}

    optimizer = torch.optim.SGD(net.parameters(), lr=settings.lr, momentum=0.9, nesterov=True, weight_decay=settings.weight_decay)
    return fit(
        net,
        optimizer,
        losses,
        settings.steps,
        lr=settings.lr,
        warmup=settings.steps // 20,
        checkpoint=checkpoint,
        identity=fingerprint(settings, clips.x, clips.y, seed),
        precision=config.train.precision,
        seed=seed,
        title="encoder",
    )
