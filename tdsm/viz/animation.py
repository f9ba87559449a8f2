"""Bodies that move: a player for notebooks and a still strip for paper.

:func:`player` makes one HTML page that needs nothing from the network: the joints as 16-bit integers in base64, and a
canvas program of a few kilobytes. It costs 10 to 50 kB a clip. :func:`strip` draws some frames side by side, for wherever
scripts do not run (GitHub, PDF).

Both look from the sensor (:attr:`tdsm.layouts.Layout.axes`): the right of the picture is -x for Kinect, whose x grows to its
own left, and +x for pixels.
"""

import base64
import html
import json
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from string import Template

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from tdsm.clips import Clip
from tdsm.errors import InputError
from tdsm.layouts import Layout
from tdsm.viz import style

__all__ = ["Player", "player", "seen_from_sensor", "strip"]

MISSING = -32768
VALUES_PER_PAGE = 14_000  # coordinates; 37 kB in base64, which leaves 13 kB for the page around them
SCORES_SHOWN = 8


def _present(clip: Clip) -> np.ndarray:
    """(M, T, V) bool: absent persons are all zeros, and so is a joint that a pixel detector missed."""
    joint = (clip.joints != 0).any(-1)
    person = joint.any(-1, keepdims=True)
    return joint if clip.layout.dims == 2 else np.broadcast_to(person, joint.shape)


def seen_from_sensor(clip: Clip, yaw: Real = 0.0, pitch: Real = 0.0) -> np.ndarray:
    """Joints as the picture has them: (M, T, V, 3) right, up and away, in the clip's unit; NaN where nothing was seen.

    Args:
        clip: any layout; pixels come out upright, with away 0 (then yaw and pitch do nothing useful: leave them 0).
        yaw: degrees that the camera walks round the scene.
        pitch: degrees that the camera rises.

    Raises:
        InputError: nobody in any frame.
    """
    present = _present(clip)
    if not present.any():
        raise InputError(clip.name, "joints are all zero: nobody to draw", "leave the clip out or load it again")
    right, up, away = np.moveaxis(clip.joints.astype(float) @ clip.layout.axes.T, -1, 0)
    turn, rise = math.radians(yaw), math.radians(pitch)
    right, away = right * math.cos(turn) + away * math.sin(turn), away * math.cos(turn) - right * math.sin(turn)
    up, away = up * math.cos(rise) + away * math.sin(rise), away * math.cos(rise) - up * math.sin(rise)
    return np.where(present[..., None], np.stack([right, up, away], -1), np.nan)


def _floor(up: np.ndarray) -> float:
    """Height of the floor: that of the lowest joint, but for one frame in twenty, where trackers throw a foot downwards."""
    seen = up.reshape(len(up), up.shape[1], -1)
    lowest = np.where(np.isnan(seen), np.inf, seen).min(axis=(0, 2))
    return float(np.percentile(lowest[np.isfinite(lowest)], 5))


def _limbs(layout: Layout) -> list[tuple[int, int, str]]:
    """(joint, joint, colour) of every line to draw: that of the body's side, or of its middle where a line goes from side to side."""
    side = {"left": style.LEFT, "right": style.RIGHT}
    first, second = ([layout.joints[line[end]].partition(" ")[0] for line in layout.lines] for end in (0, 1))
    return [
        (*line, style.MIDDLE if {one, other} == {"left", "right"} else side.get(one, style.MIDDLE))
        for line, one, other in zip(layout.lines, first, second, strict=True)
    ]


def _head(layout: Layout) -> int:
    """Index of the joint drawn as the head, -1 for a body without one."""
    return next((index for index, joint in enumerate(layout.joints) if joint in ("head", "nose")), -1)


def _verdict(label: str | None, predicted: str | None) -> list[tuple[str, str]]:
    """(words, colour) pieces that tell truth and prediction apart in words, symbol and colour."""
    if predicted is None:
        return [(label or "", style.TEXT)]
    if label is None:
        return [(f"predicted: {predicted}", style.TEXT)]
    if label == predicted:
        return [(f"✓ true and predicted: {label}", style.OK)]
    return [(f"true: {label}", style.TEXT), (f"✗ predicted: {predicted}", style.MISS)]


@dataclass(frozen=True)
class Player:
    """One clip as a web page; a notebook shows it when it is a cell's last value.

    Attributes:
        page: the whole HTML document.
        name: what it shows.
        height: pixels it needs.
    """

    page: str
    name: str
    height: int

    def html(self) -> str:
        """The page: one self-contained HTML document."""
        return self.page

    def save(self, path: str | Path) -> Path:
        """Write the page to ``path``, atomically; returns the path."""
        path = Path(path)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(self.page, encoding="utf-8")
        return partial.replace(path)

    def __repr__(self) -> str:
        return f"Player({self.name!r}, {len(self.page.encode()) / 1000:.0f} kB)"

    def _repr_html_(self) -> str:
        source = self.page.replace("&", "&amp;").replace('"', "&quot;")
        return f'<iframe srcdoc="{source}" sandbox="allow-scripts" style="border:0;width:100%;max-width:520px;height:{self.height}px"></iframe>'


def player(clip: Clip, predicted: str | None = None, scores: Mapping[str, Real] | None = None, title: str | None = None) -> Player:
    """A page that plays the clip: pause, scrub, speed, and (in three dimensions) drag to walk round it.

    Args:
        clip: any layout, any number of persons; long clips are thinned to whole steps of frames, to stay under 50 kB.
        predicted: the label that a model gave it.
        scores: label → score, higher is better; the best eight are drawn as bars.
        title: heading; the clip's name when left out.

    Raises:
        InputError: nobody in any frame, or a score that is not a finite number.
    """
    title = clip.name if title is None else title
    data, step = _payload(clip)
    bars = _score_rows(clip, predicted, scores or {})
    verdict = "<br>".join(f'<span style="color:{colour}">{html.escape(words)}</span>' for words, colour in _verdict(clip.label, predicted))
    page = Template(PAGE).substitute(
        title=html.escape(title),
        verdict=verdict,
        note=("" if step == 1 else f" · every {step}th frame") + (" · drag to turn" if clip.layout.dims == 3 else ""),
        bars="".join(bars),
        data=json.dumps(data, separators=(",", ":")),
        left=style.LEFT, right=style.RIGHT, middle=style.MIDDLE, floor=style.FLOOR, text=style.TEXT, bar=style.BAR,
    )  # fmt: skip
    return Player(page, title, 480 + 22 * len(bars))


def _payload(clip: Clip) -> tuple[dict, int]:
    """What the canvas program reads, and the step between the frames kept: numbers and colours only, never a user's text."""
    present = _present(clip)
    world = seen_from_sensor(clip)
    bodies = present.any((1, 2))
    values = int(bodies.sum()) * clip.joints[0].size
    step = math.ceil(values / VALUES_PER_PAGE)
    joints, present, world = clip.joints[bodies, ::step], present[bodies, ::step], world[bodies]
    quantum, offset, codes = _quantise(joints, present)
    low, high = np.nanmin(world, axis=(0, 1, 2)), np.nanmax(world, axis=(0, 1, 2))
    return {
        "shape": codes.shape,
        "joints": base64.b64encode(codes.astype("<i2").tobytes()).decode("ascii"),
        "step": quantum,
        "offset": offset.tolist(),
        "axes": clip.layout.axes.tolist(),
        "centre": ((low + high) / 2).tolist(),
        "half": np.maximum((high - low) / 2, 1e-6).tolist(),
        "floor": _floor(world[..., 1]),
        "fps": clip.fps / step,
        "limbs": _limbs(clip.layout),
        "head": _head(clip.layout),
    }, step


def _quantise(joints: np.ndarray, present: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Step, offset (C,) and 16-bit codes (M, T, V, C): ``joints = offset + step * codes``; MISSING where nothing was seen."""
    seen = joints[present].astype(float)
    low, high = seen.min(0), seen.max(0)
    offset = (low + high) / 2
    step = max(float((high - low).max()), 1e-6) / 65_534
    codes = np.where(present[..., None], np.clip(np.round((joints - offset) / step), -32_767, 32_767), MISSING)
    return step, offset, codes.astype(np.int16)


def _score_rows(clip: Clip, predicted: str | None, scores: Mapping[str, Real]) -> list[str]:
    for label, score in scores.items():
        if not math.isfinite(score):
            raise InputError(clip.name, f"score of {label!r} is {score}", "give finite scores, higher is better")
    best = sorted(scores.items(), key=lambda item: -item[1])[:SCORES_SHOWN]
    low = min(0.0, *scores.values()) if scores else 0.0
    span = max((score - low for _, score in best), default=0.0) or 1.0
    rows = []
    for label, score in best:
        words = "".join(f" ({role})" for role, other in (("true", clip.label), ("predicted", predicted)) if other == label)
        text = html.escape(label + words)
        rows.append(f'<div class=row><span title="{text}">{text}</span><i style="width:{38 * (score - low) / span:.1f}%"></i><b>{score:.3g}</b></div>')
    return rows


def strip(clip: Clip, predicted: str | None = None, frames: int = 7, view: tuple[Real, Real] | None = None) -> Figure:
    """Frames of the clip from left to right, all on one scale, with truth and prediction above and seconds below.

    Args:
        clip: any layout, any number of persons.
        predicted: the label that a model gave it.
        frames: how many, evenly spread over the frames in which somebody stands.
        view: (yaw, pitch) of the camera in degrees; left out: 18 degrees of yaw in three dimensions, none for pixels.

    Raises:
        InputError: nobody in any frame, or no frame asked for.
    """
    if frames < 1:
        raise InputError("strip", f"frames is {frames}", "give 1 or more")
    joints = seen_from_sensor(clip, *(view or ((18.0, 0.0) if clip.layout.dims == 3 else (0.0, 0.0))))
    occupied = np.flatnonzero(~np.isnan(joints).all((0, 2, 3)))
    chosen = occupied[np.linspace(0, len(occupied) - 1, min(frames, len(occupied))).round().astype(int)]
    low, high = np.nanmin(joints, axis=(0, 1, 2)), np.nanmax(joints, axis=(0, 1, 2))
    margin = 0.08 * max((high - low)[:2].max(), 1e-6)
    wide, tall, _ = high - low + 2 * margin
    width = min(2.4 * wide / tall, 13.0 / len(chosen))
    figure = Figure(figsize=(max(width * len(chosen), 5.0), width * tall / wide + 0.75), layout="constrained")
    for ax, frame in zip(figure.subplots(1, len(chosen), squeeze=False)[0], chosen, strict=True):
        ax.axhline(_floor(joints[..., 1]), color=style.FLOOR, linewidth=1, zorder=0)
        for person, body in enumerate(joints[:, frame]):
            _draw_body(ax, body, clip.layout, faint=person > 0)
        ax.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin), aspect="equal")
        ax.set_axis_off()
        ax.set_title(f"{frame / clip.fps:.1f} s", fontsize=style.SMALL, y=-0.1, color=style.MIDDLE)
    words = "     ".join(words for words, _ in _verdict(clip.label, predicted))
    figure.suptitle(textwrap.fill(words, 90), fontsize=style.TITLE, color=_verdict(clip.label, predicted)[-1][1])
    return figure


def _draw_body(ax, body: np.ndarray, layout: Layout, faint: bool) -> None:  # noqa: ANN001 - matplotlib Axes
    """One body (V, 3) into ``ax``, far limbs first; joints that are NaN are left out."""
    limbs = [(body[[a, b]], colour) for a, b, colour in _limbs(layout) if np.isfinite(body[[a, b]]).all()]
    limbs.sort(key=lambda limb: -limb[0][:, 2].mean())
    lines, colours, alpha = [ends[:, :2] for ends, _ in limbs], [colour for _, colour in limbs], 0.5 if faint else 1.0
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=2.2, alpha=alpha, capstyle="round"))
    head = _head(layout)
    if head >= 0:
        ax.plot(*body[head, :2], "o", color=style.MIDDLE, markersize=5.5, alpha=alpha, gid="head")


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title><style>
body{margin:0;padding:8px;font:14px/1.4 system-ui,sans-serif;color:$text;background:#fff;max-width:504px}
h1{font-size:13px;font-weight:400;margin:0;opacity:.75}p{margin:0 0 4px;font-weight:600;min-height:2.8em}
canvas{width:100%;height:340px;touch-action:none;display:block}
.bar{display:flex;gap:8px;align-items:center}.bar input{flex:1}.bar button{width:4.5em}
.row{display:flex;gap:6px;align-items:center;height:22px}.row span{width:50%;text-align:right;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.row i{background:$bar;height:12px}.row b{font-weight:400}
</style></head><body><h1>$title</h1><p>$verdict</p><canvas id="c"></canvas>
<div class="bar"><button id="play">pause</button>
<input id="at" type="range" min="0" value="0" aria-label="frame"><span id="time"></span>
<select id="speed" aria-label="speed"><option value=".25">¼×</option><option value=".5">½×</option><option selected value="1">1×</option>
<option value="2">2×</option></select></div>
<small><span style="color:$left">▬ left</span> <span style="color:$right">▬ right</span> <span style="color:$middle">▬ middle</span>$note</small>
$bars<script type="application/json" id="clip">$data</script><script>
const get = id => document.getElementById(id), clip = JSON.parse(get('clip').textContent), [M, T, V, C] = clip.shape;
const codes = new Int16Array(Uint8Array.from(atob(clip.joints), c => c.charCodeAt(0)).buffer);
const world = new Float32Array(M * T * V * 3);
for (let i = 0; i < M * T * V; i++) for (let r = 0; r < 3; r++) {
  let sum = -clip.centre[r];
  for (let c = 0; c < C; c++) sum += codes[i * C + c] === -32768 ? NaN : clip.axes[r][c] * (clip.offset[c] + clip.step * codes[i * C + c]);
  world[i * 3 + r] = sum;
}
const canvas = get('c'), pen = canvas.getContext('2d'), flat = C === 2, home = flat ? [0, 0] : [.3, .15];
let [yaw, pitch] = home, at = 0, last = null, held = null, playing = !matchMedia('(prefers-reduced-motion: reduce)').matches, wide, tall, scale;
const reach = flat ? clip.half[0] : Math.hypot(clip.half[0], clip.half[2]);
function fit() {
  const ratio = devicePixelRatio || 1;
  wide = canvas.clientWidth; tall = canvas.clientHeight; canvas.width = wide * ratio; canvas.height = tall * ratio;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0); scale = .45 * Math.min(wide / reach, tall / (clip.half[1] + (flat ? 0 : .2 * reach)));
}
function look(x, y, z) {
  const cy = Math.cos(yaw), sy = Math.sin(yaw), cp = Math.cos(pitch), sp = Math.sin(pitch), depth = z * cy - x * sy;
  return [wide / 2 + scale * (x * cy + z * sy), tall / 2 - scale * (y * cp + depth * sp), depth * cp - y * sp];
}
function line(a, b, colour, width) {
  pen.strokeStyle = colour; pen.lineWidth = width; pen.beginPath(); pen.moveTo(a[0], a[1]); pen.lineTo(b[0], b[1]); pen.stroke();
}
function draw() {
  const frame = Math.min(T - 1, Math.floor(at)), y = clip.floor - clip.centre[1], r = 1.1 * reach, d = flat ? 0 : r, parts = [];
  pen.clearRect(0, 0, wide, tall); pen.lineCap = 'round';
  for (let k = -4; k <= 4; k++) {
    line(look(k * r / 4, y, -d), look(k * r / 4, y, d), '$floor', 1); line(look(-r, y, k * d / 4), look(r, y, k * d / 4), '$floor', 1);
  }
  for (let m = 0; m < M; m++) {
    const point = v => { const i = 3 * ((m * T + frame) * V + v); return look(world[i], world[i + 1], world[i + 2]); };
    for (const [child, parent, colour] of clip.limbs) {
      const a = point(child), b = point(parent);
      if (!isNaN(a[0] + b[0])) parts.push([(a[2] + b[2]) / 2, () => line(a, b, colour, 4), m]);
    }
    const head = clip.head < 0 ? [NaN] : point(clip.head);
    if (!isNaN(head[0])) parts.push([head[2], () => line(head, head, '$middle', 14), m]);
  }
  for (const [, paint, m] of parts.sort((a, b) => b[0] - a[0])) { pen.globalAlpha = m ? .55 : 1; paint(); }
  pen.globalAlpha = 1; get('at').value = frame; get('time').textContent = (frame / clip.fps).toFixed(1) + ' s';
  get('play').textContent = playing ? 'pause' : 'play';
}
function tick(now) {
  if (playing && last !== null) at = (at + (now - last) / 1000 * clip.fps * get('speed').value) % T;
  last = now; draw(); requestAnimationFrame(tick);
}
get('at').max = T - 1; get('at').oninput = e => { playing = false; at = +e.target.value; }; get('play').onclick = () => { playing = !playing; };
canvas.onpointerdown = e => { if (!flat) { held = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); } };
canvas.onpointermove = e => {
  if (!held) return;
  yaw += (held[0] - e.clientX) * .01; pitch = Math.max(-1.5, Math.min(1.5, pitch + (e.clientY - held[1]) * .01)); held = [e.clientX, e.clientY];
};
canvas.onpointerup = canvas.onpointercancel = () => { held = null; }; canvas.ondblclick = () => { [yaw, pitch] = home; };
addEventListener('resize', fit); fit(); requestAnimationFrame(tick);
</script></body></html>
"""
