#!/usr/bin/env bash
# Guess, written down before the first run: a C3D whose marker was not seen for three frames (residual -1, as the format says) is read with ezc3d, which gives
# NaN there; the gap is filled in data.points, the file written under another name, and read again: the filled coordinates come back.
# Seen: no NaN is left in the array that is written, and the file read back has NaN in the same three frames; the package c3d, too, says "not seen" there.
# A gap that was stored as NaN without a residual, the form that ezc3d itself gives NaN when told nothing else, does stay filled: two files that read alike differ.
# Why: residuals are kept apart from the coordinates, in data.meta_points.residuals, where the -1 stays, and on reading a residual below 0 wins over the coordinates.
# Why it matters: filling gaps is the usual first step on marker data, and it is undone without a word; set the residuals to 0 where coordinates were filled in.
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
folder, frames, gap = Path(sys.argv[1]), 10, slice(3, 6)


def take(seen_by_residual: bool) -> Path:
    """Two markers, the second of which is not seen in three frames."""
    made, points = ezc3d.c3d(), np.ones((4, 2, frames))
    made["parameters"]["POINT"]["RATE"]["value"] = [100]
    made["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    made["parameters"]["POINT"]["LABELS"]["value"] = ("A", "B")
    points[0] = 100.0 + np.arange(frames)
    if seen_by_residual:
        points[:3, 1, gap] = 0.0
        residuals = np.zeros((1, 2, frames))
        residuals[0, 1, gap] = -1.0
        made["data"]["meta_points"]["residuals"] = residuals
        made["data"]["meta_points"]["camera_masks"] = np.zeros((7, 2, frames), dtype=bool)
    else:
        points[:3, 1, gap] = np.nan
    made["data"]["points"] = points
    path = folder / f"gap{seen_by_residual}.c3d"
    made.write(str(path))
    return path


def missing(path: Path) -> list[int]:
    return np.flatnonzero(np.isnan(ezc3d.c3d(str(path))["data"]["points"][0, 1])).tolist()


def after_filling(path: Path, residual: float | None = None) -> Path:
    read = ezc3d.c3d(str(path))
    read["data"]["points"][:3, 1, gap] = read["data"]["points"][:3, 0, gap]
    assert not np.isnan(read["data"]["points"]).any()
    if residual is not None:
        read["data"]["meta_points"]["residuals"][0, 1, gap] = residual
    written = path.with_name(f"filled{residual}{path.name}")
    read.write(str(written))
    return written


by_residual, by_nan = take(True), take(False)
filled = after_filling(by_residual)
with filled.open("rb") as file:
    other = [number for number, (_, points, _) in enumerate(c3d.Reader(file).read_frames()) if points[1, 3] < 0]
seen = [missing(by_residual), missing(filled), other, missing(after_filling(by_residual, 0.0)), missing(by_nan), missing(after_filling(by_nan))]
print(f"gap as residual -1: frames missing {seen[0]}, after filling and saving {seen[1]} (c3d: {seen[2]}), with the residuals set to 0 {seen[3]}")
print(f"gap as NaN: frames missing {seen[4]}, after filling and saving {seen[5]}")
assert seen == [[3, 4, 5], [3, 4, 5], [3, 4, 5], [], [3, 4, 5], []], "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" "$work"
