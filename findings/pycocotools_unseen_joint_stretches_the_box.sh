#!/usr/bin/env bash
# Guess, written down before the first run: COCO.loadRes of keypoint results gives each person the box and the area of the joints that were detected. A
# joint that was not seen, which detectors write as x = y = 0 with score 0, is left out, and COCO's APs of medium and large persons follow the persons'
# sizes.
# Seen: the box reaches from the corner of the picture to the person. A person of 52 x 52 pixels with one joint unseen gets an area of 282,304 pixels
# instead of 2,704 and counts as large. Of two persons who are found perfectly, one medium and one large, and a medium false positive, AP(medium) is 0.5 and
# AP(large) 1.0. Once the false positive has an unseen joint, AP(medium) is 1.0 and AP(large) 0.5. AP over all sizes stays the same.
# Why: box and area are made from the smallest and largest x and y of all triples, with no look at the third number. The area decides to which size an
# unmatched detection belongs.
# Why it matters: detectors leave joints out where persons are small, hidden or cut by the picture's border, so AP(medium) comes out too good and AP(large)
# too bad. Whoever takes the boxes after loadRes, to crop or to track persons, gets wrong ones.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pycocotools==2.0.11 numpy==2.4.6
cat > "$work/look.py" <<'PY'
import contextlib
import io
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

print({name: version(name) for name in ("pycocotools", "numpy")})
places = np.random.default_rng(0).uniform(0, 1, (17, 2))


def person(x: int, y: int, size: int) -> np.ndarray:
    """17 joints (x, y, 2) in a square; the first two in its corners."""
    joints = np.full((17, 3), 2.0)
    joints[:, :2] = np.array([x, y]) + size * np.concatenate([[[0, 0], [1, 1]], places[2:]])
    return joints


medium, large, false = person(900, 600, 60), person(300, 300, 300), person(300, 750, 52)
annotations = [
    {"id": row + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "num_keypoints": 17, "keypoints": joints.ravel().tolist(), "area": float(size**2),
     "bbox": [*joints[0, :2].tolist(), size, size]}
    for row, (joints, size) in enumerate([(medium, 60), (large, 300)])
]
names = [f"joint {number}" for number in range(17)]
path = Path(sys.argv[1]) / "truth.json"
path.write_text(json.dumps({
    "images": [{"id": 1, "width": 1920, "height": 1080}],
    "categories": [{"id": 1, "name": "person", "keypoints": names, "skeleton": []}],
    "annotations": annotations,
}))


def evaluate(persons: dict[str, np.ndarray]) -> tuple[list[int], list[float]]:
    """Box of the false positive, and AP of all, medium and large persons."""
    results = [
        {"image_id": 1, "category_id": 1, "keypoints": joints.ravel().tolist(), "score": 0.9 if name == "false" else 0.8} for name, joints in persons.items()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        loaded = truth.loadRes(results)
        scored = COCOeval(truth, loaded, "keypoints")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    entry = loaded.dataset["annotations"][-1]
    return [round(float(number)) for number in (*entry["bbox"], entry["area"])], [round(float(scored.stats[place]), 3) for place in (0, 3, 4)]


unseen = false.copy()
unseen[5] = 0.0
seen = {name: evaluate({"medium": medium, "large": large, "false": joints}) for name, joints in (("all joints seen", false), ("one joint not seen", unseen))}
for name, (box, scores) in seen.items():
    print(f"false positive, {name}: box {box[:4]}, area {box[4]}; AP {scores[0]}, medium {scores[1]}, large {scores[2]}")
(box, scores), (far, others) = seen.values()
assert (box, far) == ([300, 750, 52, 52, 2704], [0, 0, 352, 802, 282304]), "the behaviour has changed"
assert (scores[1:], others[1:]) == ([0.5, 1.0], [1.0, 0.5]) and scores[0] == others[0], "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" "$work"
