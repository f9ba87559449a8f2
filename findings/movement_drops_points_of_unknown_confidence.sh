#!/usr/bin/env bash
# Guess, written down before the first run: filter_by_confidence of movement keeps a point whose confidence is unknown. Positions without confidences are a
# documented input: load_poses.from_numpy then fills the confidences with NaN. Motion capture and many files have none.
# Seen: every point is dropped at any threshold, 0 included, without a warning: 60 numbers in, 0 out. With confidences of 0.0 all are kept at threshold 0.
# Why: a point is kept where its confidence is at least the threshold, and no comparison with NaN is true.
# Why it matters: a pipeline written for one detector's files continues with an empty body when a file has no confidences: interpolation then has nothing to
# start from, and all speeds and distances are NaN.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-deps movement==0.15.0 sleap-io==0.9.5  # without what their windows and videos need
"$work/venv/bin/pip" install --quiet xarray==2026.9.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 pynwb==4.2.0 ndx-pose==0.4.0 loguru==0.7.3 \
  lazy-loader==0.6 simplejson==4.3.0 imageio==2.38.1 tqdm==4.70.1 2> "$work/pip" || { cat "$work/pip"; exit 1; }
cat > "$work/look.py" <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
from movement.filtering import filter_by_confidence
from movement.io import load_poses

print({name: version(name) for name in ("movement", "xarray", "numpy")})
positions = np.arange(60.0).reshape(10, 2, 3, 1)  # frames, x and y, three joints, one person
kept = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for what, confidences in (("no confidences", None), ("confidences of 0", np.zeros((10, 3, 1)))):
        poses = load_poses.from_numpy(
            positions.copy(), confidence_array=confidences, individual_names=["person"], keypoint_names=["head", "hand", "foot"], fps=25
        )
        for threshold in (0.6, 0.0):
            kept[what, threshold] = int(np.isfinite(filter_by_confidence(poses.position, poses.confidence, threshold=threshold)).sum())
            print(f"{what}, threshold {threshold}: {kept[what, threshold]} of {positions.size} numbers are kept")
said = [str(warning.message) for warning in said if "confidence" in str(warning.message).lower()]
print("warnings on confidences:", said)
assert list(kept.values()) == [0, 0, 0, 60] and not said, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" 2> "$work/said" || { cat "$work/said"; exit 1; }
grep -i "confidence" "$work/said" || echo "nothing on confidences on stderr either"
