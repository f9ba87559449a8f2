#!/usr/bin/env bash
# Guess, written down before the first run: in a TRC file, where the cells of a marker that was not seen are empty, trc-data-reader gives NaN for this marker, and
# the others stay in their columns.
# Seen: in such a frame every marker to the right moves one place to the left. With HEAD, HAND and FOOT, and an empty HAND, the coordinates of FOOT are given to HAND
# and FOOT is NaN: the hand is at the floor for one frame, and the marker that was seen is the missing one. No word, also with verbose=True.
# Why: rows are cut at any white space, by which two tabs in a row count as one; the numbers are then dealt out from the left, and what is left over becomes NaN.
# Why it matters: empty cells are the usual way in which TRC files of capture systems leave out a marker, and gaps are short and common: the numbers that come out
# are finite and plausible, but of another part of the body.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet trc-data-reader==0.4.1 c3d==0.6.0 numpy==2.4.6
cat > "$work/look.py" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

from trc import TRCData

print({name: version(name) for name in ("trc-data-reader",)})
cells = [
    ["PathFileType", "4", "(X/Y/Z)", "walk.trc"],
    ["DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames"],
    ["100", "100", "3", "3", "mm", "100", "1", "3"],
    ["Frame#", "Time", "HEAD", "", "", "HAND", "", "", "FOOT", "", ""],
    ["", "", *(f"{axis}{marker}" for marker in (1, 2, 3) for axis in "XYZ")],
    [""],
]
head, hand, foot, unseen = ["10", "20", "1700"], ["30", "40", "900"], ["50", "60", "70"], ["", "", ""]
cells += [[str(number), f"{number / 100 - 0.01:.2f}", *head, *(unseen if number == 2 else hand), *foot] for number in (1, 2, 3)]
path = Path(sys.argv[1]) / "walk.trc"
path.write_text("".join("\t".join(row) + "\n" for row in cells))
take = TRCData()
take.load(str(path), verbose=True)
heights = {name: [str(point[2]) for point in take[name]] for name in take["Markers"]}
print("heights in the three frames, HAND not seen in the second:", heights)
assert heights == {"HEAD": ["1700.0"] * 3, "HAND": ["900.0", "70.0", "900.0"], "FOOT": ["70.0", "nan", "70.0"]}, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" "$work"
