#!/usr/bin/env bash
# Guess, written down before the first run: Markers.from_c3d of pyomeca with prefix_delimiter=":", on a C3D of two persons whose markers are A:LSHO, A:RSHO,
# B:LSHO and B:RSHO, keeps the persons apart, or refuses names that come twice; usecols=["LSHO"] gives both, or an error.
# Seen: usecols=["LSHO", "RSHO"] gives the markers of A alone, without a word about B. Without usecols all four are there, named LSHO, RSHO, LSHO, RSHO, and
# sel(channel="LSHO") gives two markers where a recording of one person gives one.
# Why: prefixes are cut off before names are looked up, and a name is looked up by its first occurrence.
# Why it matters: capture systems name the person (or the object) of a marker by this prefix. A script that cuts it off to read all subjects alike loses the
# second person of a handshake; the order of the markers in the file decides who is the second.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyomeca==2026.0.2 ezc3d==1.7.2 xarray==2026.9.0 numpy==2.4.6
cat > "$work/look.py" <<'PY'
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import ezc3d
import numpy as np

print({name: version(name) for name in ("pyomeca", "ezc3d", "xarray", "numpy")})
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pyomeca import Markers

path = Path(sys.argv[1]) / "two.c3d"
take, points = ezc3d.c3d(), np.ones((4, 4, 5))
points[:3] = 100.0 * (1 + np.arange(4))[:, None]
take["parameters"]["POINT"]["RATE"]["value"] = [100]
take["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
take["parameters"]["POINT"]["LABELS"]["value"] = ("A:LSHO", "A:RSHO", "B:LSHO", "B:RSHO")
take["data"]["points"] = points
take.write(str(path))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    every = Markers.from_c3d(str(path), prefix_delimiter=":")
    chosen = Markers.from_c3d(str(path), prefix_delimiter=":", usecols=["LSHO", "RSHO"])
    shoulder = every.sel(channel="LSHO")
names, heights = every.channel.values.tolist(), chosen.values[2, :, 0].tolist()
print(f"all: {names}; LSHO and RSHO: heights {heights} of {points[2, :, 0].tolist()}; sel LSHO: dimensions {shoulder.dims}; warnings {len(said)}")
assert names == ["LSHO", "RSHO", "LSHO", "RSHO"] and heights == [100.0, 200.0], "the behaviour has changed"
assert shoulder.sizes["channel"] == 2 and not said, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" "$work"
