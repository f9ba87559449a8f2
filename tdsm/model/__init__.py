"""CrossDiT: a diffusion transformer that denoises a skeleton feature under a text prompt (paper, section 3.3).

Skeleton tokens and text tokens have separate projections and share one softmax attention. There are two ways to combine them. Both have the same
parameters, with the same names as in the paper's release, so its checkpoints can be loaded:

``joint``
    the paper's. Text tokens also attend to the skeleton, and the timestep scales and shifts them, so every (clip, label, noise) triple
    computes all text tokens in every block.
``cached``
    ours. Text tokens attend to text only, and z_g scales and shifts them without the timestep. A label's keys and values are then the same
    for all clips, noises and steps. :meth:`CrossDiT.encode_text` computes them once, and each (clip, label, noise) triple computes only its
    skeleton tokens.

Order of the computation: ``encode_text`` turns K labels into a :class:`TextStream`; ``denoise`` runs R rows of skeleton tokens under each label.
"""

import zipfile
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from tdsm.config import ModelConfig
from tdsm.model.blocks import CrossBlock, FinalLayer, Groups, TimestepEmbedder
from tdsm.util.errors import InputError
from tdsm.util.files import check_file
from tdsm.util.weights import check_weights

__all__ = ["CrossDiT", "TextStream", "Vectors", "official_denoiser"]


@dataclass(frozen=True)
class Vectors:
    """adaLN's vectors, computed from f_c: shift, scale and gate, two of each per block; shift and scale of the final layer. Leading axes (K, R or 1)."""

    skeleton: tuple[Tensor, ...]  # for each block (K, R, 6, D)
    text: tuple[Tensor, ...]  # the same for text tokens when joint; empty when cached
    final: Tensor  # (K, R, 2, D)


@dataclass(frozen=True)
class TextStream:
    """Features of K labels that do not depend on a clip."""

    condition: Tensor  # (K, D) embedding of z_g, one of the two terms of f_c
    tokens: Tensor | None  # (K, M_l, D) embedded z_l, the input of the joint blocks; None when cached
    keys: tuple[Tensor, ...]  # for each block (K, heads, D / heads, M_l), transposed for the product with queries; empty when joint
    values: tuple[Tensor, ...]  # for each block (K, heads, M_l, D / heads)
    hidden: Tensor  # (K, M_l) True for padding that is hidden from attention
    prior: Tensor | None = None  # (K, C) added to the prediction if :attr:`tdsm.config.ModelConfig.prior` is set; else None
    vectors: Vectors | None = None  # precomputed if all clips are scored at one timestep
    t: int | None = None  # this timestep

    def __len__(self) -> int:
        return len(self.condition)

    def select(self, labels: Int[Tensor, " label"] | slice) -> "TextStream":
        """The text stream of some of the labels. A slice copies no data."""
        return TextStream(**{field.name: _select(getattr(self, field.name), labels) for field in fields(self)})


def _select(part: object, labels: Tensor | slice) -> object:
    if isinstance(part, tuple):
        return tuple(_select(each, labels) for each in part)
    if isinstance(part, Vectors):
        return Vectors(*(_select(each, labels) for each in vars(part).values()))
    return part if part is None or isinstance(part, int) else part[labels]


class CrossDiT(nn.Module):
    """The denoiser T_diff.

    Args:
        features: C, channels of z_x (256).
        text_channels: channels of z_g and of z_l, which are equal in every encoder of :mod:`tdsm.text`.
        text_tokens: M_l, tokens of z_l.
        config: stream and sizes.

    Attributes:
        precision: "no" or "bf16". With "bf16", the matrix products of the blocks use bfloat16 when clips are scored; CPUs with AMX or AVX512-BF16 and
            GPUs compute these several times as fast. Texts, embeddings and the final layer stay float32. Errors change by about 1e-3 of their size, so the
            answer can change where two labels are that close.

    Example:
        >>> model = CrossDiT(features=8, text_channels=12, text_tokens=5, config=ModelConfig(width=16, depth=1, heads=2, prior=False))
        >>> z_g, z_l, mask = torch.randn(3, 12), torch.randn(3, 5, 12), torch.ones(3, 5, dtype=torch.bool)
        >>> text = model.encode_text(z_g, z_l, mask)  # three labels
        >>> model.denoise(torch.randn(3, 4, 1, 8), torch.zeros(3, 4, dtype=torch.long), text).shape  # four clips under each
        torch.Size([3, 4, 1, 8])
    """

    def __init__(self, features: int, text_channels: int, text_tokens: int, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        if config.prior and features != text_channels:
            what = f"model.prior, but z_x has {features} channels and z_g {text_channels}"
            raise InputError("config", what, "set model.prior to false, or use the aligned backbone")
        self.config, self.precision = config, "no"
        self.x_embedder = nn.Linear(features, width)
        self.t_embedder = TimestepEmbedder(width)
        self.fc_embedder = nn.Sequential(nn.Linear(text_channels, width), nn.SiLU(), nn.Linear(width, width))
        self.fl_embedder = nn.Linear(text_channels, width)
        self.fl_pos_embed = nn.Parameter(torch.zeros(1, text_tokens, width))
        self.blocks = nn.ModuleList(CrossBlock(width, config.heads) for _ in range(config.depth))
        self.final_layer = FinalLayer(width, features)
        if not self.fl_pos_embed.is_meta:  # on meta only sizes are needed; random numbers would load torch's compiler
            self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.fl_pos_embed, std=0.02)
        for layer in (self.t_embedder.mlp[0], self.t_embedder.mlp[2]):
            nn.init.normal_(layer.weight, std=0.02)
        zeros = [self.final_layer.linear, self.final_layer.adaLN_modulation[1]]
        for block in self.blocks:
            zeros += [block.adaLN_modulation[1], block.adaLN_modulation_c[1]]
        for layer in zeros:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def encode_text(
        self,
        z_g: Float[Tensor, "label text_channel"],
        z_l: Float[Tensor, "label word text_channel"],
        mask: Bool[Tensor, "label word"],
        t: int | None = None,
    ) -> TextStream:
        """Compute everything about K labels that does not depend on a clip.

        Args:
            z_g, z_l: global and local text features, (K, C_text) and (K, M_l, C_text).
            mask: True for tokens that can be attended to, (K, M_l).
            t: the timestep of all clips, if there is only one. adaLN's vectors are then computed per label, too.
        """
        condition, tokens = self.fc_embedder(z_g), self.fl_embedder(z_l) + self.fl_pos_embed
        prior = z_g if self.config.prior else None
        if self.config.stream == "joint":
            text = TextStream(condition, tokens, (), (), ~mask, prior)
        else:
            text = TextStream(condition, None, *self._words(tokens, condition, mask), ~mask, prior)
        return text if t is None else self.at(text, t)

    def _words(self, tokens: Tensor, condition: Tensor, mask: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Keys and values of each block of the cached stream."""
        keys, values = [], []
        for index, block in enumerate(self.blocks):
            tokens, key, value = block.text_alone(tokens, condition, ~mask, last=index == len(self.blocks) - 1)
            keys.append(key)
            values.append(value)
        return tuple(keys), tuple(values)

    def at(self, text: TextStream, t: int) -> TextStream:
        """The same labels for clips at timestep ``t``. Only adaLN's vectors depend on it."""
        if text.t == t:
            return text
        time = self.t_embedder(torch.full((1,), t, device=text.condition.device))
        return replace(text, vectors=self.vectors(text.condition[:, None] + time), t=t)

    def rows_at_once(self, tokens: int) -> int:
        """Number of rows of ``tokens`` skeleton tokens to score at once, so that the activations of a layer take some MB (on a GPU: 1 GB)."""
        joint = self.config.stream == "joint"
        numbers = 2**25 if self.fl_pos_embed.is_cuda else 2 ** (20 + joint)
        return max(1, numbers // (self.config.width * (tokens + joint * self.fl_pos_embed.shape[1])))

    def vectors(self, f_c: Float[Tensor, "label row width"]) -> Vectors:
        """adaLN's vectors of all blocks and of the final layer, computed from f_c."""
        active = F.silu(f_c)

        def parts(layer: nn.Sequential, count: int) -> Tensor:
            return layer[1](active).unflatten(-1, (count, -1))

        text = tuple(parts(block.adaLN_modulation_c, 6) for block in self.blocks) if self.config.stream == "joint" else ()
        return Vectors(tuple(parts(block.adaLN_modulation, 6) for block in self.blocks), text, parts(self.final_layer.adaLN_modulation, 2))

    def denoise(
        self, z_xt: Float[Tensor, "#label row token channel"], t: Int[Tensor, "label row"] | None, text: TextStream
    ) -> Float[Tensor, "label row token channel"]:
        """Predict the target for R rows under each of K labels.

        Args:
            z_xt: noisy features (K, R, M_x, C); (1, R, M_x, C) uses the same rows for every label.
            t: timesteps (K, R); None: the timestep that ``text`` was encoded for.
            text: K labels.

        Returns:
            Predictions (K, R, M_x, C).
        """
        if not torch.is_grad_enabled() and not any(part.any() for part in self.final_layer.linear.parameters()):  # untrained: the prediction is the prior
            start = z_xt.new_zeros(len(text), 1, 1, 1) if text.prior is None else text.prior[:, None, None]
            return start.expand(-1, *z_xt.shape[1:])
        prediction = self.final_layer(*self.hidden(z_xt, t, text))
        return prediction if text.prior is None else prediction + text.prior[:, None, None]

    def hidden(
        self, z_xt: Float[Tensor, "#label row token channel"], t: Int[Tensor, "label row"] | None, text: TextStream
    ) -> tuple[Float[Tensor, "label row token width"], Tensor]:
        """Skeleton tokens after the last block, and the vectors of the final layer (K, R, 2, D). The arguments are those of :meth:`denoise`."""
        vectors = text.vectors if t is None else self.vectors(self.t_embedder(t.flatten()).unflatten(0, t.shape) + text.condition[:, None])
        tokens = None if text.tokens is None else text.tokens[:, None]
        hidden = text.hidden if tokens is None else text.hidden[:, None]
        x = self.x_embedder(z_xt)
        with torch.autocast(x.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext():
            return self._blocks(x, vectors, text, tokens, hidden, None), vectors.final

    def _blocks(self, x: Tensor, vectors: Vectors, text: TextStream, tokens: Tensor | None, hidden: Tensor, groups: Groups | None) -> Tensor:
        if self.config.stream == "cached":
            for block, own, key, value in zip(self.blocks, vectors.skeleton, text.keys, text.values, strict=True):
                x = block.skeleton(x, own, key, value, hidden, groups)
            return x
        for index, (block, own, words) in enumerate(zip(self.blocks, vectors.skeleton, vectors.text, strict=True)):
            x, tokens = block.joint(x, tokens, own, words, hidden, last=index == len(self.blocks) - 1)
        return x

    def forward(
        self,
        z_xt: Float[Tensor, "row token channel"],
        t: Int[Tensor, " row"],
        labels: Int[Tensor, "*prompt row"],
        z_g: Float[Tensor, "label text_channel"],
        z_l: Float[Tensor, "label word text_channel"],
        mask: Bool[Tensor, "label word"],
    ) -> Float[Tensor, "*prompt row token channel"]:
        """Training forward pass: each row under one or several labels, which share its features, timestep and noise. The K texts are encoded once.

        Rows of the text are selected by index_select: on a CPU its gradient adds them in a fixed order. The gradient of plain indexing adds them in the
        order of the threads, so a run could not be repeated bit by bit.
        """
        text, flat = self.encode_text(z_g, z_l, mask), labels.flatten()

        def of_rows(part: Tensor) -> Tensor:
            return part.index_select(0, flat).unflatten(0, (-1, len(t)))

        vectors = self.vectors(self.t_embedder(t) + of_rows(text.condition))
        x = self.x_embedder(z_xt)[None]
        if text.tokens is None:
            x = self._blocks(x, vectors, text, None, text.hidden, Groups.of(flat, len(z_g)))
        else:
            x = self._blocks(x, vectors, text, of_rows(text.tokens), of_rows(text.hidden), None)
        prediction = self.final_layer(x, vectors.final)
        if text.prior is not None:
            prediction = prediction + of_rows(text.prior).unsqueeze(-2)
        return prediction.reshape(*labels.shape, *prediction.shape[2:])


def official_denoiser(path: str | Path, heads: int = 12) -> CrossDiT:
    """Load the denoiser from a checkpoint of the paper's release. Parameter names are the same, and sizes are inferred from the weights.

    Args:
        path: a .safetensors file, or a .pt / .bin file that holds only tensors (loaded with ``weights_only``, so no code is executed).
        heads: number of attention heads, which cannot be inferred from the weights (12 in the release).

    Raises:
        InputError: the file cannot be read, holds anything other than tensors, or is not a CrossDiT state dict.

    Example:
        >>> weights = CrossDiT(8, 12, 5, ModelConfig("joint", width=16, depth=2, heads=2, prior=False)).state_dict()
        >>> torch.save(weights, "release.pt")
        >>> model = official_denoiser("release.pt", heads=2)
        >>> model.config.depth, model.training
        (2, False)
    """
    path, remedy = Path(path), "give the denoiser's state_dict of the release"
    weights = {str(name).removeprefix("module."): value for name, value in _checkpoint(path).items()}
    try:
        width, features = weights["x_embedder.weight"].shape
        blocks = {int(name.split(".")[1]) for name in weights if name.startswith("blocks.")}
        if blocks != set(range(len(blocks))):
            raise ValueError(f"its {len(blocks)} blocks are not numbered from 0")
        sizes = features, weights["fl_embedder.weight"].shape[1], weights["fl_pos_embed"].shape[1], ModelConfig("joint", width, len(blocks), heads, prior=False)
        with torch.device("meta"):  # allocate no memory before all sizes are checked
            expected = CrossDiT(*sizes).state_dict()
        check_weights(expected, weights, path)
        model = CrossDiT(*sizes)
        model.load_state_dict(weights)
    except InputError as error:
        raise InputError(path, f"not a CrossDiT state dict ({error})", remedy) from error
    except (AttributeError, IndexError, KeyError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(path, f"not a CrossDiT state dict ({_first_line(error)})", remedy) from error
    return model.eval()


def _checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by name. Pickled files are loaded with ``weights_only``."""
    size, remedy = check_file(path), "save a state_dict with safetensors or torch.save"
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(info.file_size for info in archive.infolist()) > size:
                    raise ValueError("declares more bytes than the file has")
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a damaged file can raise almost any exception
        raise InputError(path, f"not a checkpoint of plain tensors ({_first_line(error)})", remedy) from error
    if not isinstance(weights, dict) or not weights or not all(isinstance(value, Tensor) and value.is_floating_point() for value in weights.values()):
        raise InputError(path, "not a checkpoint of plain tensors (it holds something else)", remedy)
    return weights


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
