#!/usr/bin/env bash
# Guess, written down before the first run, by what its documentation says ("allowed error (in points)"), though not without suspicion: precision_recall of
# ruptures counts a border that is margin frames off as found, and two segmentations that agree that nothing changes get (1, 1), or NaN.
# Seen: a border that is off by the margin is a miss; it must be less than the margin away. margin=1 asks for the very frame, and margin=0 is refused. A recording
# without a border, in which none was found either, gets precision 0 and recall 0, the same as one in which every border was missed.
# Why: the comparison is strict on both sides, and a found segmentation of one piece is answered with (0, 0) before anything is compared.
# Why it matters: numbers at "a tolerance of 5 frames" are those of 4, so that they do not compare with measures that include the tolerance, and a mean over
# recordings marks down whoever rightly leaves one whole.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ruptures==1.1.10 numpy==2.4.6 scipy==1.17.1
cat > "$work/look.py" <<'PY'
from importlib.metadata import version

from ruptures.metrics import precision_recall

print({name: version(name) for name in ("ruptures", "numpy", "scipy")})
true, end = 100, 200
found = {margin: [off for off in range(-7, 8) if precision_recall([true, end], [true + off, end], margin=margin) == (1.0, 1.0)] for margin in (1, 2, 5)}
print("frames off that are found at each margin:", found)
assert found == {margin: list(range(1 - margin, margin)) for margin in (1, 2, 5)}, "the behaviour has changed"
whole, missed = precision_recall([end], [end], margin=5), precision_recall([true, end], [end], margin=5)
print(f"precision and recall: no border and none found {whole}, one border and none found {missed}")
assert whole == missed == (0, 0), "the behaviour has changed"
try:
    refused = not precision_recall([true, end], [true, end], margin=0)
except AssertionError:
    refused = True
print("margin=0 is refused:", refused)
assert refused, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py"
