#!/usr/bin/env bash
# Guess (written down after a first look, not before it): of a C3D with 300 named markers, the reader of the package c3d gives 300 names (point_labels) for
# the 300 points (point_used) of each frame; the format keeps names beyond 255 under LABELS2.
# Seen: 300 points a frame and 255 names, without a word; zip(reader.point_labels, points) drops the last 45 markers. ezc3d gives 255 names under
# POINT:LABELS as well, but the other 45 under POINT:LABELS2, which its own documentation of the format says.
# Why: point_labels reads POINT:LABELS alone, and a parameter's dimension is one byte.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ezc3d==1.7.2 c3d==0.6.0 numpy==2.4.6
cat > "$work/look.py" <<'PY'
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import c3d
import ezc3d
import numpy as np

warnings.simplefilter("ignore")
print({name: version(name) for name in ("ezc3d", "c3d", "numpy")})
count, path = 300, Path(sys.argv[1]) / "many.c3d"
take = ezc3d.c3d()
take["parameters"]["POINT"]["RATE"]["value"] = [100]
take["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
take["parameters"]["POINT"]["LABELS"]["value"] = tuple(f"M{number}" for number in range(count))
points = np.ones((4, count, 5))
points[:3] = np.arange(count)[None, :, None] + 1.0
take["data"]["points"] = points
take.write(str(path))

again = ezc3d.c3d(str(path))["parameters"]["POINT"]
with path.open("rb") as file:
    reader = c3d.Reader(file)
    names, used = len(reader.point_labels), reader.point_used
    shapes = {frame.shape for _, frame, _ in reader.read_frames()}
split = [len(again[key]["value"]) for key in ("LABELS", "LABELS2")]
print(f"c3d: {names} names, point_used {used}, points a frame {shapes}; ezc3d: {split} names under LABELS and LABELS2")
assert (names, used, shapes, split) == (255, 300, {(300, 5)}, [255, 45]), "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" "$work"
