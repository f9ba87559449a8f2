"""A trained skeleton encoder in one file, so that it can make features of new clips, here or elsewhere.

A ``.safetensors`` file (:mod:`tdsm.util.weights`) that also says the encoder's settings, the preprocessing it was trained behind, the
layout, the data set, and the classes it was trained on. The last two are there because of the commonest mistake of zero-shot work: an
encoder that was trained on a class has seen it, and no test on its features is a test of an unseen class any more.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from tdsm.backbones.nets import build_encoder
from tdsm.backbones.nets.base import SkeletonEncoder
from tdsm.config import Config, EncoderConfig, PreprocessConfig
from tdsm.data.labels import normal_form
from tdsm.data.layouts import Layout, layout_named
from tdsm.util.errors import InputError
from tdsm.util.weights import check_weights, load_tensors, save_weights

__all__ = ["EncoderAbout", "load_encoder", "refuse_leak", "save_encoder"]


@dataclass(frozen=True)
class EncoderAbout:
    """What an encoder file says of its encoder.

    Attributes:
        config: settings of the encoder and of its training.
        preprocess: what a clip must go through before the encoder.
        layout: the body.
        dataset: name of the data set it was trained on; class names mean the same only within one data set.
        classes: names of the classes it was trained on, in the order of its logits.
    """

    config: EncoderConfig
    preprocess: PreprocessConfig
    layout: Layout
    dataset: str
    classes: tuple[str, ...]


def save_encoder(
    path: str | Path,
    encoder: SkeletonEncoder,
    config: EncoderConfig,
    preprocess: PreprocessConfig,
    layout: Layout,
    dataset: str,
    classes: Sequence[str],
) -> Path:
    """Write an encoder to one ``.safetensors`` file, atomically; returns the path. The same encoder gives the same bytes.

    Args:
        config, preprocess, layout, dataset, classes: see :class:`EncoderAbout`.

    Raises:
        InputError: the encoder is not one that these settings make.
    """
    path = Path(path)
    check_weights(_expected(EncoderAbout(config, preprocess, layout, dataset, tuple(classes))), encoder.state_dict(), path)
    values = {
        "format": 1,
        "dataset": dataset,
        "layout": layout.name,
        "classes": list(classes),
        "encoder": asdict(config),
        "preprocess": asdict(preprocess),
    }
    return save_weights(encoder, path, values)


def load_encoder(path: str | Path) -> tuple[SkeletonEncoder, EncoderAbout]:
    """Read what :func:`save_encoder` wrote: the encoder, on the CPU and in evaluation mode, and what it is. Nothing in the file is executed.

    Raises:
        InputError: missing, cut off, a pickle, a safetensors file of something else, or weights of another size than it says.
    """
    path = Path(path)
    tensors, values = load_tensors(path)
    if "encoder" not in values:
        raise InputError(path, "does not say what encoder it holds", "give a file that save_encoder wrote; a recognizer's folder is read as a whole")
    about = _parse(values, path)
    try:
        expected = _expected(about)
    except (RuntimeError, TypeError, OverflowError) as error:  # what PyTorch raises depends on by how much
        raise InputError(path, "says sizes that no encoder can have", "take another copy") from error
    check_weights(expected, tensors, path)
    encoder = build_encoder(about.config, about.layout, about.preprocess.bodies, len(about.classes))
    encoder.load_state_dict(tensors)
    return encoder.eval(), about


def refuse_leak(seen: Sequence[str], unseen: Sequence[str], where: object) -> None:
    """Refuse zero-shot work on classes that an encoder was trained on.

    Names are compared exactly, as they stand in one data set's class list. Other data sets call the same action otherwise ("standing up"), so
    passing says nothing of an encoder of another data set; :attr:`EncoderAbout.dataset` tells.

    Args:
        seen: names of the classes the encoder was trained on.
        unseen: names of the classes to be tested.
        where: what to name in the message, usually the encoder's file.

    Raises:
        InputError: a class is in both; the message names the first of them.
    """
    trained = {normal_form(label) for label in seen}
    leaked = [label for label in unseen if normal_form(label) in trained]
    if leaked:
        more = f" and {len(leaked) - 1} more" if len(leaked) > 1 else ""
        what = f"its encoder was trained on {leaked[0]!r}{more}, which is to be unseen"
        raise InputError(where, what, "this would be no zero-shot test: take an encoder that was trained on the seen classes alone")


def _expected(about: EncoderAbout) -> dict[str, torch.Tensor]:
    """Names and shapes of the weights of such an encoder; no memory is taken for them, whatever sizes a file may claim."""
    with torch.device("meta"):
        return build_encoder(about.config, about.layout, about.preprocess.bodies, len(about.classes)).state_dict()


def _parse(values: dict[str, object], path: Path) -> EncoderAbout:
    try:
        config = Config.from_json(json.dumps({"encoder": values["encoder"], "preprocess": values["preprocess"]}), str(path))
        layout, dataset, classes = layout_named(values["layout"]), values["dataset"], values["classes"]
        if not isinstance(dataset, str) or not isinstance(classes, list) or not classes or not all(isinstance(label, str) for label in classes):
            raise TypeError("dataset or classes")
    except (ValueError, KeyError, TypeError) as error:  # InputError is a ValueError; here it names the file too
        raise InputError(path, f"its description of the encoder is damaged ({error!r})", "take another copy") from error
    return EncoderAbout(config.encoder, config.preprocess, layout, dataset, tuple(classes))
