"""Tables and pictures of bodies before they are encoded: they say what the arrays say."""

from dataclasses import replace

import numpy as np
import pytest

from tdsm.config import PreprocessConfig
from tdsm.data.clips import ClipSet
from tdsm.data.convert import convert
from tdsm.data.examples import example_clips
from tdsm.data.layouts import COCO_17, LAYOUTS, NTU_25
from tdsm.data.synthetic import synthetic_clips
from tdsm.util.errors import InputError
from tdsm.viz.prepared import from_above, one_pose, sensors, steps

TAKES = example_clips()
CLIP = synthetic_clips(1, actions=["bow"])[0]


def columns(table):
    return dict(zip(table.head, zip(*table.rows, strict=True), strict=True))


def test_the_steps_end_with_the_pelvis_at_the_origin_shoulders_straight_and_size_one():
    table = columns(steps(CLIP, PreprocessConfig(frames=16)))
    assert table["step"][0] == "as recorded" and table["step"][-1] == "scale"
    assert table["pelvis (x, y, z)"][0] != "(0.00, 0.00, 0.00)" == table["pelvis (x, y, z)"][-1]
    assert abs(int(table["shoulders turned"][-1].rstrip("°"))) < 5 < abs(int(table["shoulders turned"][0].rstrip("°")))
    assert table["bones"][-1] == "1.00"
    assert table["shape"][0] == str(CLIP.joints.shape) and table["shape"][-1] == "(1, 16, 25, 3)"


def test_a_sensor_that_stretches_bones_or_loses_joints_is_seen():
    noisy = np.random.default_rng(0)
    shaken = ClipSet(tuple(replace(clip, joints=clip.joints + noisy.normal(0, 0.01, clip.joints.shape)) for clip in TAKES[:4]), TAKES.classes, "shaken")
    holed = ClipSet(tuple(replace(clip, joints=np.where(noisy.random(clip.joints.shape[:3])[..., None] < 0.1, np.nan, clip.joints)) for clip in TAKES[:4]))
    table = columns(sensors([TAKES[:4], shaken, holed]))
    assert table["set"][1] == "shaken"
    change, lost = ([float(value.rstrip("%")) for value in table[name]] for name in ("bones change by", "joints not seen"))
    assert change[0] < 0.5 and change[1] > 3
    assert lost == [0, 0, pytest.approx(10, abs=1)]
    assert "shaken" in repr(sensors([shaken])) and "<table>" in sensors([shaken])._repr_html_()


def test_one_pose_has_a_drawing_per_layout_whose_hollow_joints_are_the_filled_ones():
    figure = one_pose(CLIP, 10)
    assert len(figure.axes) == len(LAYOUTS) + len(LAYOUTS) % 2
    for ax, layout in zip(figure.axes, LAYOUTS, strict=False):
        hollow = sum(line.get_marker() == "o" and line.get_markerfacecolor() == "white" for line in ax.lines)
        assert hollow == len(convert(CLIP, layout).filled), layout.name


def test_from_above_the_pelvis_is_at_the_origin_after_preprocessing():
    first, second = from_above(CLIP).axes
    (x,), (z,) = second.lines[-1].get_data()
    assert abs(x) < 0.02 and abs(z) < 0.02
    (x,), (z,) = first.lines[-1].get_data()
    assert z == pytest.approx(CLIP.joints[0, 0, list(NTU_25.torso[0]), 2].mean(), abs=1e-6)


def test_steps_of_a_picture_are_refused_in_one_line():
    flat = convert(CLIP, COCO_17).clip
    for call in (lambda: steps(flat, PreprocessConfig()), lambda: from_above(flat)):
        with pytest.raises(InputError, match="has layout coco-17, which is 2-D; give a 3-D clip"):
            call()
