"""The layers of CrossDiT: the block, used by both text streams, and the layers before and after the blocks.

Shapes: skeleton tokens x (K, R, M_x, D), with R rows under each of K labels; text tokens (K, R, M_l, D); adaLN's vectors (K, R, 6, D). An axis of
size 1 means that the values are the same for all labels or rows and are computed once. In training K is the number of prompts per row.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["CrossBlock", "FinalLayer", "Groups", "TimestepEmbedder", "adaln"]


@dataclass(frozen=True)
class Groups:
    """Rows grouped by label, so that each label's keys and values are read once. Short groups are padded with row 0, and the padding is ignored."""

    places: Tensor  # (K, R) row indices of each label
    back: Tensor  # (rows,) index of each row in the flattened places

    @classmethod
    def of(cls, labels: Int[Tensor, " row"], count: int) -> "Groups":
        """Group rows by their label, from 0 to ``count`` - 1."""
        order, sizes = labels.argsort(stable=True), labels.bincount(minlength=count)
        sorted_labels = labels[order]
        column = torch.arange(len(labels), device=labels.device) - (sizes.cumsum(0) - sizes)[sorted_labels]
        places = labels.new_zeros(count, int(sizes.max()))
        places[sorted_labels, column] = order
        return cls(places, torch.empty_like(labels).index_copy_(0, order, sorted_labels * places.shape[1] + column))


class Attention(nn.Module):
    """The projections of one block: (qkv, proj) for the skeleton, (qkv_c, proj_c) for the text."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.qkv_c, self.proj_c = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def split(self, qkv: Float[Tensor, "*batch token widths"], parts: int = 3) -> tuple[Tensor, ...]:
        """Queries, keys, values (or the last ``parts`` of them), each (*batch, heads, token, D / heads)."""
        return qkv.unflatten(-1, (parts, self.heads, -1)).movedim(-3, 0).transpose(-3, -2).unbind(0)

    @staticmethod
    def merge(heads: Float[Tensor, "*batch head token part"]) -> Float[Tensor, "*batch token width"]:
        """Concatenate the heads."""
        return heads.transpose(-3, -2).flatten(-2)


_LINEAR, _CUBIC = 2 * math.sqrt(2 / math.pi), 0.044715
_SLAB = 2**17  # elements per slab, which stays in a core's cache between elementwise operations


def _gelu_(y: Tensor, bias: Tensor) -> Tensor:
    """GELU (tanh) of y + bias, in place, for scoring on a CPU: y sigmoid(a y (1 + b y^2)). Equal to torch's GELU, with less time and memory."""
    rows = max(1, _SLAB // y.shape[-1])
    room = y.new_empty(rows, y.shape[-1])
    for part in y.view(-1, y.shape[-1]).split(rows):
        part.add_(bias)
        gate = torch.mul(part, part, out=room[: len(part)])
        part.mul_(torch.addcmul(part, part, gate, value=_CUBIC, out=gate).mul_(_LINEAR).sigmoid_())
    return y


class MLP(nn.Module):
    """Linear, GELU (tanh), Linear, with a hidden layer four times as wide."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """Input and output have the same shape."""
        if x.is_cuda or torch.is_grad_enabled():
            return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        return self.fc2(_gelu_(F.linear(x, self.fc1.weight), self.fc1.bias))


def modulate(x: Float[Tensor, "*#batch token width"], shift: Float[Tensor, "*#batch width"], scale: Float[Tensor, "*#batch width"]) -> Tensor:
    """LayerNorm without parameters, then scale and shift with the same values for all tokens of a row."""
    return torch.addcmul(shift.unsqueeze(-2), F.layer_norm(x, x.shape[-1:], eps=1e-6), (1 + scale).unsqueeze(-2))


def gated(x: Float[Tensor, "*#batch token width"], gate: Float[Tensor, "*#batch width"], change: Float[Tensor, "*#batch token width"]) -> Tensor:
    """x + gate * change."""
    return torch.addcmul(x, gate.unsqueeze(-2), change)


def adaln(width: int, parts: int) -> nn.Sequential:
    """SiLU and a linear layer that computes ``parts`` vectors from f_c; its weights are initialised to zero (adaLN-zero)."""
    return nn.Sequential(nn.SiLU(), nn.Linear(width, parts * width))


class CrossBlock(nn.Module):
    """One CrossDiT block.

    Shapes: skeleton tokens x (K, R, M_x, D), with R rows under each of K labels; text tokens (K, R, M_l, D); adaLN's vectors (K, R, 6, D). An axis of
    size 1 means that the values are the same for all labels or rows.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.mlp, self.mlp_c = MLP(width), MLP(width)
        self.adaLN_modulation, self.adaLN_modulation_c = adaln(width, 6), adaln(width, 6)

    def joint(self, x: Tensor, text: Tensor, vectors: Tensor, vectors_c: Tensor, hidden: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """The paper's block. The output text of the last block is not used, so only its keys and values are computed."""
        shift, scale, gate, shift2, scale2, gate2 = vectors.unbind(-2)
        shift_c, scale_c, gate_c, shift2_c, scale2_c, gate2_c = vectors_c.unbind(-2)
        own, words = self.attn.qkv(modulate(x, shift, scale)), self._words(modulate(text, shift_c, scale_c), last)
        rows, tokens = torch.broadcast_shapes(own.shape[:2], words.shape[:2]), x.shape[-2]
        own, words = own.expand(*rows, -1, -1), words.expand(*rows, -1, -1)
        if last:
            queries, own = own.split((x.shape[-1], 2 * x.shape[-1]), dim=-1)
            q, (k, v) = *self.attn.split(queries, 1), self.attn.split(torch.cat((own, words), dim=-2), 2)
        else:
            q, k, v = self.attn.split(torch.cat((own, words), dim=-2))
        seen = F.pad(~hidden, (tokens, 0), value=True)[:, :, None, None].expand(*rows, 1, 1, -1).flatten(0, 1) if hidden.any() else None
        mixed = F.scaled_dot_product_attention(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), attn_mask=seen)
        mixed, of_text = self.attn.merge(mixed).unflatten(0, rows).split((tokens, 0 if last else text.shape[-2]), dim=-2)
        x = gated(x, gate, self.attn.proj(mixed))
        x = gated(x, gate2, self.mlp(modulate(x, shift2, scale2)))
        if not last:
            text = gated(text, gate_c, self.attn.proj_c(of_text))
            text = gated(text, gate2_c, self.mlp_c(modulate(text, shift2_c, scale2_c)))
        return x, text

    def _words(self, text: Tensor, last: bool) -> Tensor:
        """Queries, keys and values of text tokens, concatenated. The last block has no text queries, because their output is not used."""
        layer = self.attn.qkv_c
        skipped = layer.in_features if last else 0
        return F.linear(text, layer.weight[skipped:], layer.bias[skipped:])

    def text_alone(self, text: Tensor, condition: Tensor, hidden: Tensor, last: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Text half of the cached stream, (K, M_l, D): the next text tokens, and the keys and values for the skeleton tokens."""
        shift, scale, gate, shift2, scale2, gate2 = self.adaLN_modulation_c(condition).chunk(6, dim=-1)
        words = self._words(modulate(text, shift, scale), last)
        *q, k, v = self.attn.split(words, 2 if last else 3)
        if not last:
            mixed = self.attn.merge(F.scaled_dot_product_attention(*q, k, v, attn_mask=~hidden[:, None, None, :]))
            text = gated(text, gate, self.attn.proj_c(mixed))
            text = gated(text, gate2, self.mlp_c(modulate(text, shift2, scale2)))
        return text, k.transpose(-2, -1).contiguous(), v.contiguous()

    def skeleton(self, x: Tensor, vectors: Tensor, keys: Tensor, values: Tensor, hidden: Tensor, groups: Groups | None) -> Tensor:
        """Skeleton half of the cached stream: x attends to the tokens of its own row and to the keys of its label (K, heads, D / heads, M_l).

        ``groups`` holds the rows of each label; if it is None, the first axis of x is the label.
        """
        shift, scale, gate, shift2, scale2, gate2 = vectors.unbind(-2)
        own = self.attn.qkv(modulate(x, shift, scale))
        if groups is None:
            mixed = self._attend(self.attn.split(own), keys, values, hidden)
        else:
            gathered = own.flatten(0, 1).index_select(0, groups.places.flatten()).unflatten(0, groups.places.shape)
            mixed = self._attend(self.attn.split(gathered), keys, values, hidden)
            mixed = mixed.flatten(0, 1).index_select(0, groups.back).unflatten(0, own.shape[:2])
        x = gated(x, gate, self.attn.proj(mixed))
        return gated(x, gate2, self.mlp(modulate(x, shift2, scale2)))

    def _attend(self, own: tuple[Tensor, Tensor, Tensor], keys: Tensor, values: Tensor, hidden: Tensor) -> Tensor:
        """One softmax over a row's own tokens and the words, without copying the words to every row: (K, R, M_x, D)."""
        q, k, v = own  # (K, R, heads, M_x, part)
        q = q / math.sqrt(q.shape[-1])
        rows, tokens = q.shape[1], q.shape[3]
        flat = q.transpose(1, 2).flatten(2, 3)  # (K, heads, R * M_x, part)
        to_words = (flat @ keys).masked_fill(hidden[:, None, None, :], float("-inf"))
        alone = tokens == 1  # an elementwise product and sum is faster than many 1 x 1 matrix products
        to_own = (q * k).sum(-1, keepdim=True) if alone else q @ k.transpose(-2, -1)
        weights = torch.cat((to_own.transpose(1, 2).flatten(2, 3), to_words), dim=-1).softmax(dim=-1)
        to_own = weights[..., :tokens].unflatten(2, (rows, tokens)).transpose(1, 2)
        own_part = to_own * v if alone else to_own @ v
        word_part = (weights[..., tokens:] @ values).unflatten(2, (rows, tokens)).transpose(1, 2)
        return self.attn.merge(own_part + word_part)


class TimestepEmbedder(nn.Module):
    """256 sinusoids of t, then Linear, SiLU, Linear."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        """One vector per row."""
        frequencies = torch.exp(-math.log(10000.0) * torch.arange(128, device=t.device, dtype=torch.float32) / 128)
        angles = t[:, None].float() * frequencies
        return self.mlp(torch.cat((angles.cos(), angles.sin()), dim=-1).to(self.mlp[0].weight.dtype))


class FinalLayer(nn.Module):
    """LayerNorm, scale and shift, and a linear layer back to the feature width."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, features)
        self.adaLN_modulation = adaln(width, 2)

    def forward(self, x: Float[Tensor, "*#batch token width"], vectors: Float[Tensor, "*#batch 2 width"]) -> Float[Tensor, "*#batch token features"]:
        """Predict the target. ``vectors`` are shift and scale."""
        return self.linear(modulate(x, *vectors.unbind(-2)))
