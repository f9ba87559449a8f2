"""CrossDiT: a diffusion transformer that denoises a skeleton feature under a text prompt (paper, section 3.3).

Skeleton tokens and text tokens have projections of their own and meet in one softmax attention. Two ways to let them meet, with the
same parameters under the same names as the paper's release, so that its checkpoints load:

``joint``
    the paper's. Text tokens attend to the skeleton as well and are scaled and shifted by the timestep, so every (clip, label, noise)
    pays for all text tokens in every block.
``cached``
    ours. Text tokens attend to text alone and are scaled and shifted by the prompt's z_g without the timestep. A label's keys and values
    are then the same for all clips, noises and steps: :meth:`CrossDiT.encode_text` computes them once, and each (clip, label, noise)
    pays for its skeleton tokens only.

Reading order: ``encode_text`` turns K labels into a :class:`TextStream`; ``denoise`` runs R rows of skeleton tokens under each of them.
"""

import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from tdsm.config import ModelConfig
from tdsm.util.errors import InputError
from tdsm.util.files import check_file
from tdsm.util.weights import check_weights

__all__ = ["CrossDiT", "TextStream", "official_denoiser"]


@dataclass(frozen=True)
class TextStream:
    """What the denoiser knows of K labels before it sees a clip."""

    condition: Tensor  # (K, D) embedding of z_g, one half of f_c
    tokens: Tensor | None  # (K, M_l, D) embedded z_l, what the joint blocks start from; None when cached
    keys: tuple[Tensor, ...]  # for each block (K, heads, M_l, D / heads); empty when joint
    values: tuple[Tensor, ...]
    hidden: Tensor  # (K, M_l) True for padding that nobody may attend to
    prior: Tensor | None = None  # (K, C) what the prediction starts from, with :attr:`tdsm.config.ModelConfig.prior`; else None

    def __len__(self) -> int:
        return len(self.condition)

    def select(self, labels: Int[Tensor, " row"]) -> "TextStream":
        """The stream of one label a row.

        By index_select, whose gradient adds rows in order on a CPU: that of plain indexing adds them as threads come, and a run would not
        repeat its own bits.
        """
        rows = {name: value.index_select(0, labels) for name, value in vars(self).items() if isinstance(value, Tensor)}
        keys, values = (tuple(block.index_select(0, labels) for block in blocks) for blocks in (self.keys, self.values))
        return replace(self, keys=keys, values=values, **rows)


class Attention(nn.Module):
    """The projections of one block: (qkv, proj) for the skeleton, (qkv_c, proj_c) for the text."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.qkv_c, self.proj_c = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def split(self, qkv: Float[Tensor, "*batch token three_width"]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, values, each (*batch, heads, token, D / heads)."""
        return qkv.unflatten(-1, (3, self.heads, -1)).movedim(-3, 0).transpose(-3, -2).unbind(0)

    @staticmethod
    def merge(heads: Float[Tensor, "*batch head token part"]) -> Float[Tensor, "*batch token width"]:
        """Heads back side by side."""
        return heads.transpose(-3, -2).flatten(-2)


class MLP(nn.Module):
    """Linear, GELU (tanh), Linear; four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """Same shape in and out."""
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def modulate(x: Float[Tensor, "*batch token width"], shift: Float[Tensor, "*batch width"], scale: Float[Tensor, "*batch width"]) -> Tensor:
    """LayerNorm without parameters, then scale and shift, the same for all tokens of a row."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale.unsqueeze(-2)) + shift.unsqueeze(-2)


def adaln(width: int, parts: int) -> nn.Sequential:
    """SiLU and a linear layer that makes ``parts`` vectors from f_c; starts at zero (adaLN-zero)."""
    return nn.Sequential(nn.SiLU(), nn.Linear(width, parts * width))


class CrossBlock(nn.Module):
    """One CrossDiT block. Skeleton tokens x are (K, R, M_x, D): R rows under each of K labels; text tokens are (K, M_l, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.mlp, self.mlp_c = MLP(width), MLP(width)
        self.adaLN_modulation, self.adaLN_modulation_c = adaln(width, 6), adaln(width, 6)

    def joint(self, x: Tensor, text: Tensor, f_c: Tensor, hidden: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """The paper's block on flat rows: x (N, M_x, D), text (N, M_l, D), f_c (N, D). The last block's text is never read."""
        shift, scale, gate, shift2, scale2, gate2 = self.adaLN_modulation(f_c).chunk(6, dim=-1)
        shift_c, scale_c, gate_c, shift2_c, scale2_c, gate2_c = self.adaLN_modulation_c(f_c).chunk(6, dim=-1)
        own = self.attn.split(self.attn.qkv(modulate(x, shift, scale)))
        words = self.attn.split(self.attn.qkv_c(modulate(text, shift_c, scale_c)))
        q, k, v = (torch.cat(pair, dim=-2) for pair in zip(own, words, strict=True))
        seen = F.pad(~hidden, (x.shape[1], 0), value=True)[:, None, None, :] if hidden.any() else None
        mixed = self.attn.merge(F.scaled_dot_product_attention(q, k, v, attn_mask=seen))
        x = x + gate.unsqueeze(1) * self.attn.proj(mixed[:, : x.shape[1]])
        x = x + gate2.unsqueeze(1) * self.mlp(modulate(x, shift2, scale2))
        if not last:
            text = text + gate_c.unsqueeze(1) * self.attn.proj_c(mixed[:, x.shape[1] :])
            text = text + gate2_c.unsqueeze(1) * self.mlp_c(modulate(text, shift2_c, scale2_c))
        return x, text

    def text_alone(self, text: Tensor, condition: Tensor, hidden: Tensor, last: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The cached stream's text half: next text tokens, and the keys and values that skeletons will attend to."""
        shift, scale, gate, shift2, scale2, gate2 = self.adaLN_modulation_c(condition).chunk(6, dim=-1)
        q, k, v = self.attn.split(self.attn.qkv_c(modulate(text, shift, scale)))
        if not last:
            mixed = self.attn.merge(F.scaled_dot_product_attention(q, k, v, attn_mask=~hidden[:, None, None, :]))
            text = text + gate.unsqueeze(1) * self.attn.proj_c(mixed)
            text = text + gate2.unsqueeze(1) * self.mlp_c(modulate(text, shift2, scale2))
        return text, k, v

    def skeleton(self, x: Tensor, f_c: Tensor, keys: Tensor, values: Tensor, hidden: Tensor) -> Tensor:
        """The cached stream's skeleton half: x (K, R, M_x, D) attends to its own row and to its label's keys (K, heads, M_l, D / heads)."""
        shift, scale, gate, shift2, scale2, gate2 = self.adaLN_modulation(f_c).chunk(6, dim=-1)
        mixed = self._attend(self.attn.split(self.attn.qkv(modulate(x, shift, scale))), keys, values, hidden)
        x = x + gate.unsqueeze(-2) * self.attn.proj(mixed)
        return x + gate2.unsqueeze(-2) * self.mlp(modulate(x, shift2, scale2))

    def _attend(self, own: tuple[Tensor, Tensor, Tensor], keys: Tensor, values: Tensor, hidden: Tensor) -> Tensor:
        """One softmax over own tokens and words, without copying the words to every row: (K, R, M_x, D)."""
        q, k, v = own  # (K, R, heads, M_x, part)
        q = q / math.sqrt(q.shape[-1])
        rows, tokens = q.shape[1], q.shape[3]
        flat = q.transpose(1, 2).flatten(2, 3)  # (K, heads, R * M_x, part)
        to_words = (flat @ keys.transpose(-2, -1)).masked_fill(hidden[:, None, None, :], float("-inf"))
        to_own = (q @ k.transpose(-2, -1)).transpose(1, 2).flatten(2, 3)  # (K, heads, R * M_x, M_x)
        weights = torch.cat((to_own, to_words), dim=-1).softmax(dim=-1)
        own_part = weights[..., :tokens].unflatten(2, (rows, tokens)).transpose(1, 2) @ v
        word_part = (weights[..., tokens:] @ values).unflatten(2, (rows, tokens)).transpose(1, 2)
        return self.attn.merge(own_part + word_part)


class TimestepEmbedder(nn.Module):
    """Sinusoids of t (256 of them), then Linear, SiLU, Linear."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        """One vector a row."""
        frequencies = torch.exp(-math.log(10000.0) * torch.arange(128, device=t.device, dtype=torch.float32) / 128)
        angles = t[:, None].float() * frequencies
        return self.mlp(torch.cat((angles.cos(), angles.sin()), dim=-1).to(self.mlp[0].weight.dtype))


class FinalLayer(nn.Module):
    """LayerNorm, scale and shift, Linear back to the feature's width."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, features)
        self.adaLN_modulation = adaln(width, 2)

    def forward(self, x: Float[Tensor, "*batch token width"], f_c: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch token features"]:
        """The prediction."""
        shift, scale = self.adaLN_modulation(f_c).chunk(2, dim=-1)
        return self.linear(modulate(x, shift, scale))


class CrossDiT(nn.Module):
    """The denoiser T_diff.

    Args:
        features: C, channels of z_x (256).
        text_channels, text_tokens: channels of z_g and of z_l (they are equal in every encoder of :mod:`tdsm.text`), and M_l.
        config: stream and sizes.

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
        self.config = config
        self.x_embedder = nn.Linear(features, width)
        self.t_embedder = TimestepEmbedder(width)
        self.fc_embedder = nn.Sequential(nn.Linear(text_channels, width), nn.SiLU(), nn.Linear(width, width))
        self.fl_embedder = nn.Linear(text_channels, width)
        self.fl_pos_embed = nn.Parameter(torch.zeros(1, text_tokens, width))
        self.blocks = nn.ModuleList(CrossBlock(width, config.heads) for _ in range(config.depth))
        self.final_layer = FinalLayer(width, features)
        if not self.fl_pos_embed.is_meta:  # where sizes alone are asked, drawing numbers would load torch's compiler, which takes seconds
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
        self, z_g: Float[Tensor, "label text_channel"], z_l: Float[Tensor, "label word text_channel"], mask: Bool[Tensor, "label word"]
    ) -> TextStream:
        """What can be known of K labels without a clip. ``mask`` is True for tokens that may be attended to."""
        condition, tokens = self.fc_embedder(z_g), self.fl_embedder(z_l) + self.fl_pos_embed
        prior = z_g if self.config.prior else None
        if self.config.stream == "joint":
            return TextStream(condition, tokens, (), (), ~mask, prior)
        keys, values = [], []
        for index, block in enumerate(self.blocks):
            tokens, key, value = block.text_alone(tokens, condition, ~mask, last=index == len(self.blocks) - 1)
            keys.append(key)
            values.append(value)
        return TextStream(condition, None, tuple(keys), tuple(values), ~mask, prior)

    def denoise(
        self, z_xt: Float[Tensor, "label row token channel"], t: Int[Tensor, "label row"], text: TextStream
    ) -> Float[Tensor, "label row token channel"]:
        """Predict the target for R rows under each of K labels."""
        prediction = self.final_layer(*self.hidden(z_xt, t, text))
        return prediction if text.prior is None else prediction + text.prior[:, None, None]

    def hidden(
        self, z_xt: Float[Tensor, "label row token channel"], t: Int[Tensor, "label row"], text: TextStream
    ) -> tuple[Float[Tensor, "label row token width"], Float[Tensor, "label row width"]]:
        """Skeleton tokens after the last block, where clip and label have met, and f_c, which the final layer needs beside them."""
        labels, rows = z_xt.shape[:2]
        f_c = self.t_embedder(t.flatten()).unflatten(0, (labels, rows)) + text.condition[:, None]
        x = self.x_embedder(z_xt)
        if self.config.stream == "cached":
            for block, key, value in zip(self.blocks, text.keys, text.values, strict=True):
                x = block.skeleton(x, f_c, key, value, text.hidden)
            return x, f_c
        x, f_c = x.flatten(0, 1), f_c.flatten(0, 1)
        tokens, hidden = text.tokens.repeat_interleave(rows, dim=0), text.hidden.repeat_interleave(rows, dim=0)
        for index, block in enumerate(self.blocks):
            x, tokens = block.joint(x, tokens, f_c, hidden, last=index == len(self.blocks) - 1)
        return x.unflatten(0, (labels, rows)), f_c.unflatten(0, (labels, rows))

    def forward(
        self,
        z_xt: Float[Tensor, "row token channel"],
        t: Int[Tensor, " row"],
        labels: Int[Tensor, " row"],
        z_g: Float[Tensor, "label text_channel"],
        z_l: Float[Tensor, "label word text_channel"],
        mask: Bool[Tensor, "label word"],
    ) -> Float[Tensor, "row token channel"]:
        """Training entry: each row under one label of its own, the text of all K labels encoded once."""
        text = self.encode_text(z_g, z_l, mask).select(labels)
        return self.denoise(z_xt[:, None], t[:, None], text)[:, 0]


def official_denoiser(path: str | Path, heads: int = 12) -> CrossDiT:
    """The denoiser in a checkpoint of the paper's release: same parameter names, sizes read off the weights.

    Args:
        path: .safetensors, or .pt / .bin holding nothing but tensors (unpickled with ``weights_only``, so no code runs).
        heads: attention heads, which no weight tells (12 in the release).

    Raises:
        InputError: unreadable, more than tensors inside, or not a CrossDiT.

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
        with torch.device("meta"):  # no memory is taken before all sizes are known to fit
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
    """The tensors of a checkpoint, by name; pickles are read with ``weights_only``."""
    size, remedy = check_file(path), "save a state_dict with safetensors or torch.save"
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(info.file_size for info in archive.infolist()) > size:
                    raise ValueError("claims to hold more than the file")
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what unpickling raises of a damaged file has no common kind
        raise InputError(path, f"not a checkpoint of plain tensors ({_first_line(error)})", remedy) from error
    if not isinstance(weights, dict) or not weights or not all(isinstance(value, Tensor) and value.is_floating_point() for value in weights.values()):
        raise InputError(path, "not a checkpoint of plain tensors (it holds something else)", remedy)
    return weights


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
