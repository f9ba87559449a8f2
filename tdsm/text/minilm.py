"""The packaged sentence encoder MiniLM (a BERT with 6 layers), built from torch's own encoder layers, because importing transformers takes seconds.
Its outputs equal those of ``transformers.BertModel``; a test verifies this."""

from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

__all__ = ["MiniLM"]

_WORDS, _POSITIONS, _WIDTH, _HEADS, _HIDDEN, _LAYERS, _EPS = 30522, 512, 384, 12, 1536, 6, 1e-12
_NAMES = {
    "attention.output.dense": "self_attn.out_proj", "attention.output.LayerNorm": "norm1", "intermediate.dense": "linear1", "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}  # fmt: skip


class _Read(NamedTuple):
    last_hidden_state: Float[Tensor, "text token 384"]


class MiniLM(nn.Module):
    """all-MiniLM-L6-v2: one vector of 384 channels per token."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = (nn.Embedding.from_pretrained(torch.empty(rows, _WIDTH)) for rows in (_WORDS, _POSITIONS))  # no random initialisation
        self.norm = nn.LayerNorm(_WIDTH, _EPS)
        layers = [nn.TransformerEncoderLayer(_WIDTH, _HEADS, _HIDDEN, 0.0, "gelu", _EPS, batch_first=True) for _ in range(_LAYERS)]
        self.layers = nn.ModuleList(layers)

    def get_input_embeddings(self) -> nn.Embedding:
        """The word embeddings, under the method name of transformers' models."""
        return self.words

    def forward(self, input_ids: Int[Tensor, "text token"], attention_mask: Int[Tensor, "text token"] | None = None) -> _Read:
        """``attention_mask`` is 0 at tokens that are hidden from attention."""
        x = self.norm(self.words(input_ids) + self.positions.weight[: input_ids.shape[1]])
        ignored = None if attention_mask is None or attention_mask.all() else attention_mask == 0
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=ignored)
        return _Read(x)

    @classmethod
    def from_file(cls, path: Path) -> "MiniLM":
        """Load a checkpoint with BERT's parameter names."""
        given = load_file(path)
        own = {"words.weight": given["embeddings.word_embeddings.weight"]}
        own["positions.weight"] = given["embeddings.position_embeddings.weight"] + given["embeddings.token_type_embeddings.weight"][0]  # token type 0
        own |= {f"norm.{kind}": given[f"embeddings.LayerNorm.{kind}"] for kind in ("weight", "bias")}
        for layer in range(_LAYERS):
            theirs, ours = f"encoder.layer.{layer}", f"layers.{layer}"
            for kind in ("weight", "bias"):
                parts = [given[f"{theirs}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
                own[f"{ours}.self_attn.in_proj_{kind}"] = torch.cat(parts)
                own |= {f"{ours}.{name}.{kind}": given[f"{theirs}.{old}.{kind}"] for old, name in _NAMES.items()}
        with torch.device("meta"):
            model = cls()
        model.load_state_dict(own, assign=True)
        return model.eval().requires_grad_(False)
