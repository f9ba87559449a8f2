#!/usr/bin/env bash
# No guess: met by accident, while another behaviour of movement was tried. Expected when it was seen: the velocity of a frame in which the joint was not
# seen is either missing or computed from its two neighbours, at every frame rate alike.
# Seen: a joint is not seen in frame 9. At 10, 25, 30, 50, 60, 100 and 120 frames per second the velocity is missing in frames 8, 9 and 10. At 8, 16 and 64
# frames per second, and with time counted in frames, it is missing in frames 8 and 10 only.
# Why: numpy.gradient, which xarray's differentiate calls, has a formula for equal steps, in which the frame itself has no part, and one for unequal steps,
# in which the frame has a weight that is almost 0; 0 times NaN is NaN. Equality of the steps is tested to the last bit, and multiples of 1/10 s are rounded
# while those of 1/8 s are exact.
# Why it matters: the number of missing speeds, and what a threshold on the speed finds at a gap, differ between recordings that differ in the frame rate
# alone, and between seconds and frames for one recording.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-deps movement==0.15.0 sleap-io==0.9.5  # without what their windows and videos need
"$work/venv/bin/pip" install --quiet xarray==2026.9.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 pynwb==4.2.0 ndx-pose==0.4.0 loguru==0.7.3 \
  lazy-loader==0.6 simplejson==4.3.0 imageio==2.38.1 tqdm==4.70.1 2> "$work/pip" || { cat "$work/pip"; exit 1; }
cat > "$work/look.py" <<'PY'
from importlib.metadata import version

import numpy as np
from movement.io import load_poses
from movement.kinematics import compute_velocity

print({name: version(name) for name in ("movement", "xarray", "numpy")})
positions = np.arange(40.0).reshape(20, 2, 1, 1)  # one joint of one person, which moves evenly
positions[9] = np.nan
missing = {}
for fps in (None, 8, 16, 64, 10, 25, 30, 50, 60, 100, 120):
    poses = load_poses.from_numpy(positions.copy(), confidence_array=np.ones((20, 1, 1)), individual_names=["person"], keypoint_names=["hand"], fps=fps)
    missing[fps] = np.flatnonzero(np.isnan(compute_velocity(poses.position).values[:, 0, 0, 0])).tolist()
    print(f"{'time in frames' if fps is None else f'{fps} frames a second'}: velocity missing in frames {missing[fps]}")
assert all(frames == ([8, 10] if fps in (None, 8, 16, 64) else [8, 9, 10]) for fps, frames in missing.items()), "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" 2> "$work/said" || { cat "$work/said"; exit 1; }
