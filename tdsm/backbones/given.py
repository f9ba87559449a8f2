"""Published features instead of a skeleton encoder: z_x is given, and labels are encoded as in the paper."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tdsm.backbones.base import Backbone, Examples
from tdsm.backbones.classifier import prompt_features
from tdsm.config import PreprocessConfig
from tdsm.data.features import FeatureSet
from tdsm.data.labels import Label
from tdsm.text import TextFeatures, TextModel
from tdsm.util.errors import InputError

__all__ = ["Given", "fit_given"]


class Given(Backbone):
    """Published features. New clips cannot be encoded. ``labels`` are all classes of the data set, in its own order."""

    kind = "given"

    def __init__(self, features: FeatureSet, labels: Sequence[Label], text_encoder: TextModel) -> None:
        super().__init__()
        self.features, self.layout, self.preprocess = features.z_train.shape[-1], None, PreprocessConfig()
        self.lexicon = None
        self.seen, self.dataset, self.text_encoder = tuple(labels[index].name for index in features.seen), features.dataset, text_encoder

    def encode(self, x: Tensor) -> Tensor:
        """Raises InputError: published features come without an encoder."""
        raise InputError(self.dataset or "features", "are published features without an encoder", "train on clips if you need to encode new clips")

    def labels(self, labels: Sequence[Label]) -> TextFeatures:
        """Text features of two prompts per label, as in the paper."""
        return prompt_features(self.text_encoder, labels)


def fit_given(features: FeatureSet, labels: Sequence[Label], text_encoder: TextModel) -> tuple[Given, Examples]:
    """A backbone of published features (:class:`Given`), and the training data of the denoiser."""
    backbone = Given(features, labels, text_encoder)
    index = {original: row for row, original in enumerate(features.seen)}
    y = torch.tensor([index[label] for label in features.y_train.tolist()])
    return backbone, Examples(tokens(features.z_train), y, backbone.labels([labels[label] for label in features.seen]))


def tokens(z: object) -> Tensor:
    """Convert features (N, C) or (N, M_x, C) to (N, M_x, C)."""
    z_x = torch.as_tensor(z)
    return z_x.reshape(len(z_x), -1, z_x.shape[-1])
