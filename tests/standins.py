"""Stand-ins for data that may not be handed on: whole data sets in their real file formats, made from the synthetic body.

A class is a synthetic action (there are fewer actions than classes; they go round), so that clips move like people and classes differ. Every class
has clips in the training and in the test part of every official partition, and every file is written as the data set's own recorder writes it.
"""

import io
import json
import pickle
import zipfile
from itertools import cycle, islice, product
from pathlib import Path

import numpy as np
import scipy.io

from tdsm.config import AlignConfig, Config, DiffusionConfig, EncoderConfig, ModelConfig, PreprocessConfig, TrainConfig
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.layouts import KINECT_20
from tdsm.data.readers import nw_ucla, utd_mhad
from tdsm.data.synthetic import ACTIONS, SUBJECTS, Take, perform
from tdsm.evaluate import Report
from tdsm.experiments.run import Scored

FRAMES = 12
_BODIES = list(SUBJECTS.values())

# Settings small enough for a test: the recommended recipe (without its lexicon, whose 600 descriptions take seconds to read), and the paper's recipe with our
# text stream
TINY_ALIGNED = Config(
    preprocess=PreprocessConfig(frames=8),
    encoder=EncoderConfig(width=8, features=16),
    align=AlignConfig(pairs=32, width=16, pretrain_steps=6, steps=4, batch=16, seen_batch=8, guess=0.0),
    model=ModelConfig(width=16, depth=1, heads=2),
    diffusion=DiffusionConfig(noises=2),
    train=TrainConfig(steps=6, batch=16, lr=1e-2, warmup=1, save_every=2),
)
TINY_CLASSIFIER = Config(
    backbone="classifier",
    preprocess=PreprocessConfig(frames=8),
    encoder=EncoderConfig(kind="shift-gcn", width=4, features=16, steps=4, batch=8),
    model=ModelConfig(width=16, depth=1, heads=2, prior=False),
    diffusion=DiffusionConfig(schedule="mild", target="epsilon", noises=3, margin=1.0, near=1.0, scale_features=True),
    train=TrainConfig(steps=6, batch=16, lr=1e-2, warmup=1, save_every=2),
)


def peaks(values):
    """How often a curve rises above three quarters of its range; before it counts again, it must fall below one quarter."""
    share = (values - values.min()) / np.ptp(values)
    count, low = 0, True
    for value in share:
        if low and value > 0.75:
            count, low = count + 1, False
        elif value < 0.25:
            low = True
    return count


def scored(cell, top1, seconds=None):
    """A cell as if it had been computed, with so many of 100 clips right by every method."""
    right = np.arange(100) < round(100 * top1)
    report = Report(np.stack([np.where(right, 1.0, 0.0), np.full(100, 0.5)], axis=1), np.zeros(100, int), ("a", "b"), np.full(100, "s"))
    return Scored(cell, {"tdsm": report, "ridge": report}, top1, 8, seconds, {})


def motion(label, number=0, frames=FRAMES):
    """(T, 25, 3) metres before the sensor: class ``label`` done by the ``number``-th body."""
    action = next(islice(cycle(ACTIONS), label, None))
    return perform(action, _BODIES[(number + label // len(ACTIONS)) % len(_BODIES)], Take(frames=frames))


def skeleton_text(bodies):
    """A .skeleton file; ``bodies`` is (M, T, 25, 3)."""
    tail = "277.419 191.8218 1036.233 519.1677 -0.2059419 0.05349901 0.9692109 -0.1239193 2"
    lines = [str(bodies.shape[1])]
    for frame in np.swapaxes(bodies, 0, 1):
        lines.append(str(len(frame)))
        for number, points in enumerate(frame):
            lines += [f"{72057594037931101 + number} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            lines += [f"{x:.7g} {y:.7g} {z:.7g} {tail}" for x, y, z in points]
    return "\r\n".join(lines) + "\r\n"


def write_ntu(folder: Path, classes=120) -> Path:
    """.skeleton files: for each class two performers of each part; the first 60 classes in setups 1 and 2, the others in 18 and 19."""
    folder.mkdir(parents=True)
    for action in range(1, classes + 1):
        even, odd = (2, 1) if action <= 60 else (18, 19)  # xset: even setups train
        for number, (setup, camera, performer) in enumerate([(even, 2, 1), (even, 3, 2), (odd, 1, 3), (odd, 1, 6)]):
            bodies = motion(action - 1, number)[None] + [0.0, 0.0, 0.01 * number]
            if action in range(50, 61):  # two people
                bodies = np.concatenate([bodies, motion(action, number + 1)[None] + [0.8, 0.0, 0.0]])
            (folder / f"S{setup:03}C{camera:03}P{performer:03}R001A{action:03}.skeleton").write_text(skeleton_text(bodies), newline="")
    return folder


def write_pyskl(path: Path, clips: ClipSet) -> Path:
    """The same clips as MMAction2 and pyskl hand them out: one pickle of annotations with the names of each part."""
    names = [clip.name for clip in clips]
    train = [name for name in names if name[8:12] in ("P001", "P002")]
    annotations = [
        {"frame_dir": clip.name, "label": clips.classes.index(clip.label), "total_frames": clip.frames, "keypoint": clip.joints.astype(np.float16)}
        for clip in clips
    ]
    split = {"xsub_train": train, "xsub_val": [name for name in names if name not in train]}
    path.write_bytes(pickle.dumps({"split": split, "annotations": annotations}, protocol=4))
    return path


def write_pku(folder: Path, classes=51) -> Path:
    """PKU-MMD phase I: videos 0002 and 0003 (training) and 0291 (test), each from the left, middle and right, with every action once."""
    for part in ("PKU_Skeleton_Renew", "Train_Label_PKU_final"):
        (folder / part).mkdir(parents=True)
    for number, (video, view) in enumerate(product(("0002", "0003", "0291"), "LMR")):
        rows, labels = [], []
        for label in range(classes):
            first = 1 + len(rows)
            for points in motion(label, number):
                rows.append(" ".join(f"{value:.6f}" for value in np.concatenate([points.ravel(), np.zeros(75)])))
            labels.append(f"{label + 1},{first},{len(rows)},2")
        (folder / "PKU_Skeleton_Renew" / f"{video}-{view}.txt").write_text("\n".join(rows) + "\n")
        (folder / "Train_Label_PKU_final" / f"{video}-{view}.txt").write_text("\r\n".join(labels) + "\r\n", newline="")
    return folder


# NTU-25 joints that stand for OpenPose's 18 (its ears and eyes all lie at the head)
_OPENPOSE = (3, 20, 8, 9, 10, 4, 5, 6, 16, 17, 18, 12, 13, 14, 3, 3, 3, 3)


def write_kinetics(folder: Path, names) -> Path:
    """Kinetics-skeleton as ST-GCN's authors released it: two training clips and one of validation for each class."""
    for part, count in (("train", 2), ("val", 1)):
        (folder / f"kinetics_{part}").mkdir(parents=True)
        table = {}
        for label, name in enumerate(names):
            for number in range(count):
                key = f"{part}_{label:03}_{number}_xx"[-11:]
                about = {"label": name, "label_index": label}
                frames = [{"frame_index": index, "skeleton": [_pose(points)]} for index, points in enumerate(motion(label, number, 6), 1)]
                (folder / f"kinetics_{part}" / f"{key}.json").write_text(json.dumps({"data": frames, **about}))
                table[key] = {"has_skeleton": True, **about}
        (folder / f"kinetics_{part}_label.json").write_text(json.dumps(table))
    return folder


def _pose(points):
    joints = points[list(_OPENPOSE), :2]
    pixels = 0.5 + np.stack([joints[:, 0], -joints[:, 1]], axis=1) / 4
    return {"pose": [round(float(value), 3) for value in pixels.ravel()], "score": [0.9] * 18}


_KINECT = (0, 1, 20, 3, *range(4, 20))  # NTU-25 joints in the order of Kinect-20
_RIGHT_HAND = ("wave the right hand", "punch with the right hand", "throw a ball overhead with the right hand", "circle the right arm")
_LIKE = {
    "two hand front clap": "clap in front of the chest", "arm curl (two arms)": "raise both arms", "jogging in place": "jog on the spot",
    "squat (two arms stretched out)": "squat while stretching both arms out sideways", "walking in place": "walk on the spot",
    "sit to stand": "squat", "stand to sit": "squat", "forward lunge (left foot forward)": "lunge forward with the left leg",
    "sit down": "squat", "stand up": "squat", "walk around": "walk on the spot", "donning": "raise both arms", "doffing": "wave both hands",
    "pick up with two hands": "push forward with both hands", "carry": "walk on the spot", "cross arms in the chest": "clap in front of the chest",
    "front boxing": "punch with both hands", "basketball shoot": "push forward with both hands", "two hand push": "push forward with both hands",
}  # fmt: skip


def _take(label, number, body):
    """(T, 20, 3) metres: a synthetic action like the class ``label``; what is not listed is done with the right hand."""
    action = _LIKE.get(label, _RIGHT_HAND[number % len(_RIGHT_HAND)])
    return perform(action, _BODIES[body % len(_BODIES)], Take(frames=20))[:, _KINECT]


def write_utd(path: Path, subjects=4) -> Path:
    """UTD-MHAD's zip of .mat files: every class once by each subject."""
    in_file = [3, 2, 1, 0, *range(4, 20)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for (number, label), subject in product(enumerate(utd_mhad.CLASSES), range(1, subjects + 1)):
            file = io.BytesIO()
            scipy.io.savemat(file, {"d_skel": _take(label, number, subject)[:, in_file].transpose(1, 2, 0)})
            archive.writestr(f"Skeleton/a{number + 1}_s{subject}_t1_skeleton.mat", file.getvalue())
    return path


def write_ucla(path: Path, subjects=4) -> Path:
    """NW-UCLA's zip of .json files: every class once by each subject, in one of the three views."""
    codes = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for (number, label), subject in product(enumerate(nw_ucla.CLASSES), range(1, subjects + 1)):
            name = f"a{codes[number]:02}_s{subject:02}_e00_v{1 + subject % 3:02}"
            record = {"file_name": name, "skeletons": _take(label, number, subject).round(6).tolist(), "label": number + 1}
            archive.writestr(f"all_sqe/{name}.json", json.dumps(record))
    return path


def kinect_set(name, classes, clips_per_class=4) -> ClipSet:
    """Clips of a data set with Kinect-20 bodies, as a reader would give them."""
    clips = [
        Clip(motion(label, number)[:, _KINECT], KINECT_20, text, f"s{number:02}", 30.0, f"{label}-{number}")
        for label, text in enumerate(classes)
        for number in range(clips_per_class)
    ]
    return ClipSet(tuple(clips), tuple(classes), name)


# the joint of the layout kinect-20 in each of the 20 rows of a frame of MSR-Action3D, as its recordings have them
MSR_ROWS = (
    "left shoulder", "right shoulder", "shoulder centre", "spine", "left hip", "right hip", "hip centre", "left elbow", "right elbow", "left wrist",
    "right wrist", "left hand", "right hand", "left knee", "right knee", "left ankle", "right ankle", "left foot", "right foot", "head",
)  # fmt: skip


def write_msr(folder: Path) -> Path:
    """MSR-Action3D: "high arm wave" and "forward kick", done by the right limbs, 20 rows ``x y z confidence`` a frame."""
    folder.mkdir(parents=True, exist_ok=True)
    kinect = dict(zip(KINECT_20.joints, [0, 1, 20, 3, *range(4, 20)], strict=True))
    for action, performed in ((1, "wave the right hand"), (14, "kick forward with the right leg")):
        joints = perform(performed, _BODIES[action % len(_BODIES)], Take(frames=24))[:, [kinect[joint] for joint in MSR_ROWS]]
        rows = [f"{x:.6f} {y:.6f} {z:.6f} {0.0 if row % 3 else 1.0:.6f}" for row, (x, y, z) in enumerate(joints.reshape(-1, 3))]
        (folder / f"a{action:02}_s01_e01_skeleton3D.txt").write_text("\n".join(rows) + "\n")
    return folder
