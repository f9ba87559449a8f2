#!/usr/bin/env bash
# Guess, written down before the first run, when merging in GIF was already named as something to look at: animated PNG and WebP files of Pillow keep every frame
# they are given, only GIF merges equal ones; a GIF at 33 ms a frame keeps the total time; matplotlib's PillowWriter rounds 1/60 s to 20 ms.
# Seen: all three formats drop frames equal to the one before: of 20 frames with a rest of 8, 13 are stored, and n_frames and imageio's reading say 13. Frame
# number 15 of the file is none, number 10 is number 17 of the motion. PNG and WebP keep the total time. GIF cuts (not rounds) each stored frame to whole
# hundredths of a second after merging: moving frames of 33 ms last 30, the rest of 8 x 33 lasts 260 and not 240, so that a movement runs 10 % too fast and
# a rest 1.5 %. matplotlib's fps=60 gives 10 ms (100 fps), fps=120 gives 0 ms.
# Why: equal pictures become one with the sum of their durations, and a GIF counts in hundredths of a second, of which Pillow takes the whole ones.
# Why it matters: a skeleton that stands still, as at the ends of many clips, draws equal pictures. Whoever reads such a file back frame by frame to compare it
# with labels is off by the length of all rests so far. Give GIF durations in multiples of 10 ms, and go by the durations, not by the numbers of frames.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pillow==13.0.0 imageio==2.38.1 matplotlib==3.11.2 numpy==2.4.6
cat > "$work/look.py" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import imageio.v3 as iio
import matplotlib
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.figure import Figure
from PIL import Image

matplotlib.use("Agg")
print({name: version(name) for name in ("pillow", "imageio", "matplotlib", "numpy")})
folder = Path(sys.argv[1])
places = [0, 1, 2, 3, 4, 5, 6, *[6] * 7, 7, 8, 9, 10, 11, 12]  # 20 frames; the seventh and the seven after it are equal
pictures = []
for place in places:
    picture = np.zeros((40, 40, 3), dtype=np.uint8)
    picture[5:10, 2 * place : 2 * place + 5] = 255
    pictures.append(Image.fromarray(picture))


def durations(path: Path) -> list[float]:
    with Image.open(path) as film:
        found = []
        for number in range(film.n_frames):
            film.seek(number)
            film.load()
            found.append(film.info.get("duration", 0))
    return found


stored = {}
for kind in ("gif", "png", "webp"):
    path = folder / f"film.{kind}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=33, loop=0)
    stored[kind] = durations(path)
    read = len(iio.imread(path, index=...))
    listed = ", ".join(f"{each:g}" for each in stored[kind])
    print(f"{kind}: of 20 frames of 33 ms, 660 ms, {len(stored[kind])} are stored ({read} read by imageio), {sum(stored[kind]):g} ms: {listed}")
    assert read == len(stored[kind]) == 13, "the behaviour has changed"
assert stored["gif"] == [30] * 6 + [260] + [30] * 6 and sum(stored["png"]) == sum(stored["webp"]) == 660, "the behaviour has changed"

first = {}
for fps in (30, 60, 120):
    figure = Figure(figsize=(1, 1))
    (line,) = figure.subplots().plot([0, 1], [0, 1])

    def draw(number: int, line=line) -> tuple:
        line.set_data([0, 1], [0, number / 10])
        return (line,)

    path = folder / f"{fps}.gif"
    FuncAnimation(figure, draw, frames=10).save(path, writer=PillowWriter(fps=fps))
    first[fps] = durations(path)[1]
print("milliseconds of a moving frame of matplotlib's PillowWriter at each fps:", first)
assert first == {30: 30, 60: 10, 120: 0}, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" "$work"
