#!/usr/bin/env bash
# Guess, written down before the first run: UMAP with n_jobs=1 and a random_state works on one thread, and the number of threads
# that torch was told to use is none of its business.
# Seen: the first fit_transform of a process sets torch's number of threads to numba's (the number of cores), whatever n_jobs says, whatever
# OMP_NUM_THREADS says, and although torch.set_num_threads was called; once torch is set back, later fits leave it alone. Training after the
# map therefore gives other last digits than training before it, and runs in more threads than the user allowed.
# Why: numba's OpenMP layer starts its pool in the libgomp that torch has loaded, and sets the number of threads there.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 umap-learn==0.5.12 numba==0.68.1 numpy==2.4.6
cat > "$work/look.py" <<'PY'
from importlib.metadata import version

import numpy as np
import torch
import umap

print({name: version(name) for name in ("torch", "umap-learn", "numba", "numpy")})
cores = torch.get_num_threads()
wanted = cores + 1
torch.set_num_threads(wanted)
features = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
seen = [torch.get_num_threads()]
for _ in range(2):
    umap.UMAP(random_state=0, n_jobs=1).fit_transform(features)
    seen.append(torch.get_num_threads())
    torch.set_num_threads(wanted)
import numba  # noqa: E402 - its number is asked for after the fact

print(f"torch's threads: {seen[0]} as set, {seen[1]} after the first map, {seen[2]} (set again) after the second; numba has {numba.config.NUMBA_NUM_THREADS}")
print("threading layer:", numba.threading_layer())
assert seen == [wanted, numba.config.NUMBA_NUM_THREADS, wanted], "the behaviour has changed"
PY
"$work/venv/bin/python" -W ignore "$work/look.py"
