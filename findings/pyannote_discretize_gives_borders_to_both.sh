#!/usr/bin/env bash
# Guess, written down before the first run: Annotation.discretize of pyannote.core, at the frame rate at which the segments were cut, gives each frame to the one
# segment that it lies in; segments that touch share no frame, and none is lost.
# Seen: each border between two touching segments gives one frame to both labels: the last of the left segment if the border's number is odd, the first of the
# right one if it is even. A pause of one frame between two actions (borders 10 and 11) is gone, and both have it. Of a recording of 41 frames cut at frame
# borders only 40 come back. It is so with frames of 1/8 s, where no rounding error is at work.
# Why: a segment takes all frames from the one whose centre is nearest its start to the one nearest its end, both included. A border on the edge of two frames is
# equally far from both centres, and numpy's rint then takes the even number. With the usual 10 ms frames of sound it is one in hundreds; here it is one in 30.
# Why it matters: targets made so are not one label a frame. argmax gives a shared frame to the label that is first in the alphabet, whatever the actions were.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyannote.core==6.1.0 numpy==2.4.6
cat > "$work/look.py" <<'PY'
from importlib.metadata import version

import numpy as np
from pyannote.core import Annotation, Segment

print({name: version(name) for name in ("pyannote.core", "numpy")})


def frames(segments: dict[str, tuple[int, int]], total: int, fps: int) -> tuple[dict[str, tuple[int, int]], int]:
    """Frames [from, to) that each label has after discretize, and how many frames there are in all."""
    cut = Annotation()
    for label, (start, end) in segments.items():
        cut[Segment(start / fps, end / fps)] = label
    found = cut.discretize(Segment(0, total / fps), resolution=1 / fps)
    having = {label: np.flatnonzero(column) for label, column in zip(found.labels, found.data.T, strict=True)}
    return {label: (int(numbers[0]), int(numbers[-1]) + 1) for label, numbers in having.items()}, len(found.data)


cases = {
    "an even border": {"sit": (0, 8), "wave": (8, 16)},
    "an odd border": {"sit": (0, 9), "wave": (9, 16)},
    "a pause of one frame": {"sit": (0, 10), "wave": (11, 16)},
}
seen = {}
for name, segments in cases.items():
    seen[name], count = frames(segments, 16, 8)
    print(f"{name}: {segments} became {seen[name]}, {count} frames")
    assert count == 16, "the behaviour has changed"
assert list(seen.values()) == [{"sit": (0, 9), "wave": (8, 16)}, {"sit": (0, 9), "wave": (8, 16)}, {"sit": (0, 11), "wave": (10, 16)}], "the behaviour has changed"
_, count = frames({"sit": (0, 20), "wave": (20, 41)}, 41, 8)
print(f"41 frames in, {count} out")
assert count == 40, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py"
