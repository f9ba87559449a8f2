"""What is damaged: small files of every kind that the package reads, and how each is read."""

import functools
import io
import json
import pickle
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import mocap
import numpy as np
import scipy.io
import standins
import test_detector_files as detectors
import torch

from tdsm.backbones.classifier import Classifier
from tdsm.backbones.fit import load_backbone, save_backbone
from tdsm.backbones.nets import build_encoder
from tdsm.catalogue.doctor import inspect
from tdsm.catalogue.feature_files import read_features, save_features, write_flora, write_synse_folder
from tdsm.cli.options import sentences_of
from tdsm.config import Config, ModelConfig, PreprocessConfig
from tdsm.data.arrays import open_arrays, write_arrays
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.disk import ClipStore, open_store
from tdsm.data.features import FeatureSet
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.data.motion_files import save_csv
from tdsm.data.prompts import load_prompts
from tdsm.data.prompts.published import published_prompts
from tdsm.data.readers import Reading, load_clips
from tdsm.data.readers.smpl_npz import load_body_model
from tdsm.experiments.results import load_results, results_table
from tdsm.model import CrossDiT, official_denoiser
from tdsm.runs import Run
from tdsm.spotting.measures import Segment
from tdsm.spotting.spots import Spots
from tdsm.text import TextEncoder
from tdsm.util.files import read_text
from tdsm.util.history import write_history
from tdsm.util.weights import cached_tensors, load_tensors, save_tensors

__all__ = ["Target", "targets"]

_FILMS = ("alphapose, tracked", "coco results", "mmpose, demo", "yolo, numbered", "yolo, csv")
_TIMES = (0, 33, 66, 200, 233)


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Attributes:
        write: makes a file or a folder of files at a path.
        read: what is got of it, as something with a repr that tells any two contents apart.
        sealed: with a checksum: a damaged file gives the same answer or none.
    """

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    sealed: bool = False


def _clips(path: Path, layout: str | None = None) -> object:
    return _content(load_clips(path, layout, reading=Reading(progress=False, workers=1)))


def _content(clips: ClipSet) -> object:
    return clips.name, clips.classes, [(repr(clip), clip.joints.tobytes()) for clip in clips]


def _some(layout: str = "ntu-25") -> ClipSet:
    body = KINECT_20 if layout == "kinect-20" else NTU_25
    joints = [standins.motion(label, number, frames=6 + number) for label in range(2) for number in range(2)]
    joints = [one[:, [0, 1, 20, 3, *range(4, 20)]] if body is KINECT_20 else one for one in joints]
    return ClipSet(tuple(Clip(one, body, "ab"[row // 2], f"s{row}", 30.0, f"clip {row}") for row, one in enumerate(joints)), ("a", "b"), "mine")


def _utd(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, clip in enumerate(_some("kinect-20")):
            file = io.BytesIO()
            scipy.io.savemat(file, {"d_skel": clip.joints[0].transpose(1, 2, 0)}, do_compression=number % 2 == 0)
            archive.writestr(f"Skeleton/a{1 + number}_s1_t1_skeleton.mat", file.getvalue())


def _ucla(path: Path, packed: bool = False) -> None:
    files = {
        f"a{code:02}_s01_e00_v01.json": json.dumps({"skeletons": clip.joints[0].round(4).tolist(), "label": 1})
        for code, clip in zip((1, 2, 3), _some("kinect-20"), strict=False)
    }
    if packed:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(f"all_sqe/{name}", text)
        return
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)


def _openpose(path: Path) -> None:
    path.mkdir()
    rng = np.random.default_rng(0)
    for frame in range(4):
        people = [{"pose_keypoints_2d": np.c_[rng.normal(300, 80, (25, 2)), np.full(25, 0.8)].ravel().round(3).tolist()}]
        (path / f"clip_{frame:012}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))


def _folder(path: Path) -> None:
    path.mkdir()
    rows = ["file,layout,label,subject,fps"]
    for row, clip in enumerate(_some()):
        np.save(path / f"{row}.npy", clip.joints)
        rows.append(f"{row}.npy,ntu-25,{clip.label},anna,30")
    (path / "clips.csv").write_text("\n".join(rows) + "\n")


def _padded(path: Path) -> None:
    joints = np.zeros((4, 1, 7, 25, 3), np.float32)
    for row, clip in enumerate(_some()):
        joints[row, :, : clip.frames] = clip.joints
    frames, labels = np.array([clip.frames for clip in _some()]), np.array(["a", "a", "b", "b"])
    np.savez_compressed(path, joints=joints, frames=frames, labels=labels, fps=np.array(30.0), layout=np.array("ntu-25"))


def _store(path: Path) -> None:
    with ClipStore(path, "mine", NTU_25, ("a", "b")) as store:
        for clip in _some():
            store.add(clip.name, [clip])


def _features() -> FeatureSet:
    rng = np.random.default_rng(0)
    return FeatureSet(
        rng.normal(size=(8, 4)).astype("f4"), np.repeat([0, 1, 2, 3], 2), rng.normal(size=(4, 4)).astype("f4"), np.array([4, 4, 5, 5]), None, None, 6
    )


@functools.cache
def _reader() -> TextEncoder:
    return TextEncoder(standins.TINY_CLASSIFIER.text)


def _backbone(path: Path) -> None:
    config = standins.TINY_CLASSIFIER
    torch.manual_seed(0)
    net = build_encoder(config.encoder, KINECT_20, config.preprocess.bodies, 2)
    save_backbone(path, Classifier(net, config.preprocess, ("a", "b"), "mine", _reader()), config)


def _backbone_content(path: Path) -> object:
    backbone, config = load_backbone(path, _reader())
    return config.to_json(), backbone.seen, backbone.dataset, [value.numpy().tobytes() for value in backbone.state_dict().values()]


def _release(path: Path) -> None:
    torch.manual_seed(0)
    torch.save(CrossDiT(8, 8, 4, ModelConfig("joint", 16, 2, 2)).state_dict(), path)


def _run(path: Path) -> None:
    path.mkdir()
    (path / "config.json").write_text(Config().to_json())
    (path / "env.json").write_text(json.dumps({"seed": 0, "date": "2026-01-01", "commit": "abc", "hardware": "CPU", "versions": {"tdsm": "1"}}))
    (path / "metrics.json").write_text(json.dumps({"tdsm": {"top1": 0.5, "class_mean": 0.5, "chance": 0.2}, "seed": 0}))
    write_history(path / "history.csv", {"encoder": [{"step": 0, "lr": 0.1, "loss": 1.5}, {"step": 10, "lr": 0.05, "loss": 1.0}]})


def _run_content(path: Path) -> object:
    run = Run(path)
    return repr(run), run._repr_html_(), run.history


def _results(path: Path, arrays: bool = False) -> None:
    path.mkdir()
    protocol = {"setting": "inductive zero-shot", "selection": "none", "partition": "all", "statistic": "mean"}
    rows = [{"benchmark": "nw-ucla-purls-8-2", "variant": {"a.b": 1}, "protocol": protocol, "tdsm": {"seeds": 5, "mean": 0.6, "std": 0.1, "chance": 0.5}}]
    about = {"environment": {"command": "c", "commit": "c", "date": "2026-01-01T00:00:00+00:00", "hardware": "h"}, "rows": rows}
    if arrays:
        np.savez_compressed(path / "a.npz", about=np.array(json.dumps(about)), x=np.arange(5.0))
    else:
        (path / "a.json").write_text(json.dumps(about))


def _results_content(path: Path) -> object:
    results = load_results(path)
    return results_table(results), [result.when for result in results]


def _pyskl(path: Path) -> None:
    rows = [
        {"frame_dir": f"S001C001P001R001A00{1 + row}", "label": row, "total_frames": clip.frames, "keypoint": clip.joints.astype("f2")}
        for row, clip in enumerate(_some())
    ]
    path.write_bytes(
        pickle.dumps({"split": {"xsub_train": [rows[0]["frame_dir"]], "xsub_val": [row["frame_dir"] for row in rows[1:]]}, "annotations": rows}, 4)
    )


def _tensors() -> dict[str, torch.Tensor]:
    return {"z": torch.arange(12.0).reshape(3, 4), "mask": torch.tensor([True, False])}


def _tensor_content(tensors: dict[str, torch.Tensor]) -> object:
    return {name: value.tolist() for name, value in sorted(tensors.items())}


def _cache(path: Path) -> object:
    return _tensor_content(cached_tensors(path, _tensors))


def _ntu(path: Path) -> None:
    path.mkdir()
    for action in (1, 2):
        (path / f"S001C001P001R001A{action:03}.skeleton").write_text(standins.skeleton_text(standins.motion(action, 0, 4)[None]), newline="")


def _class_list(path: Path) -> None:
    path.mkdir()
    names = list(load_prompts("pku-mmd"))
    (path / "pku51.csv").write_text("idx,label\n" + "".join(f"{row},{name}\n" for row, name in enumerate(names)))


def _segments(path: Path) -> None:
    Spots((Segment(30, 75, "wave", 0.9, 0.4), Segment(100, 220, "sit, down", 0.6)), 30.0, 300, ("wave", "sit, down")).to_csv(path)


def _kinetics(path: Path) -> None:
    standins.write_kinetics(path, ["abseiling", "air drumming"])


def _arrays_content(path: Path) -> object:
    arrays = open_arrays(path)
    return arrays.x.tobytes(), arrays.y.tolist(), arrays.names, arrays.subjects.tolist(), arrays.classes, arrays.layout.name


def _acclaim(path: Path) -> None:
    path.mkdir()
    asf, amc, _ = mocap.acclaim()
    (path / "02.asf").write_text(asf)
    (path / "02_04.amc").write_text(amc)


def _amass(path: Path) -> object:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.npz"
        np.savez(model, **mocap.body_model()[0])
        return _content(load_clips(path, body_model=model, reading=Reading(progress=False, workers=1)))


def _motion() -> dict[str, Target]:
    model = {name: array.astype(float) for name, array in mocap.body_model()[0].items()}
    joints = {"joints": mocap.WALK, "trans": mocap.WALK[:, 0], "fps": np.array(30.0)}
    return {
        "motion: BVH": Target(lambda path: path.write_text(mocap.bvh()), _clips),
        "motion: ASF and AMC": Target(_acclaim, _clips),
        "motion: C3D": Target(lambda path: path.write_bytes(mocap.c3d(mocap.plug_in_gait())), _clips),
        "motion: C3D, integers": Target(lambda path: path.write_bytes(mocap.c3d(mocap.plug_in_gait(), machine=86, scale=0.1, analog=3)), _clips),
        "motion: AMASS": Target(lambda path: path.write_bytes(mocap.npz(mocap.amass())), _amass),
        "motion: SMPL's joints": Target(lambda path: path.write_bytes(mocap.npz(joints)), _clips),
        "motion: body model": Target(lambda path: path.write_bytes(mocap.npz(model)), lambda path: load_body_model(path).shape.tobytes()),
        "motion: HumanML3D": Target(lambda path: path.write_bytes(mocap.npy(mocap.WALK)), _clips),
        "motion: a table of joints": Target(lambda path: save_csv(mocap.CLIP, path), _clips),
    }


def targets() -> dict[str, Target]:
    """Name -> target."""
    msr = Target(standins.write_msr, _clips)
    clip = functools.partial(np.save, arr=_some()[0].joints)
    found = {
        "UTD-MHAD zip": Target(_utd, _clips),
        "NW-UCLA folder": Target(_ucla, _clips),
        "NW-UCLA zip": Target(functools.partial(_ucla, packed=True), _clips),
        "NTU .skeleton": Target(_ntu, _clips),
        "PKU-MMD": Target(functools.partial(standins.write_pku, classes=2), _clips),
        "MSR-Action3D": msr,
        "Kinetics-skeleton": Target(_kinetics, _clips),
        "OpenPose": Target(_openpose, _clips),
        **{f"detector: {name}": Target(functools.partial(detectors.written, value=detectors.FILMS[name]), _clips) for name in _FILMS},
        "detector: MediaPipe": Target(functools.partial(detectors.written, value=next(detectors.timed("timestamp_ms", _TIMES))), _clips),
        "detector: MediaPipe, csv": Target(functools.partial(detectors.written, value=detectors.MEDIAPIPE["csv, x1"]), _clips),
        **_motion(),
        "pyskl pickle": Target(_pyskl, _clips),
        "clips.csv folder": Target(_folder, _clips),
        "one .npy": Target(lambda path: clip(path.with_suffix(".npy")), lambda path: _clips(path, "ntu-25")),
        "user's .npz": Target(_padded, _clips),
        "saved .npz": Target(lambda path: _some().save(path), _clips, sealed=True),
        "clip store": Target(_store, lambda path: _content(open_store(path)), sealed=True),
        "arrays": Target(lambda path: write_arrays(path, _some(), PreprocessConfig(frames=4), progress=False), _arrays_content, sealed=True),
        "features, SynSE": Target(lambda path: write_synse_folder(path, _features()), lambda path: repr(asdict(read_features(path)))),
        "features, Flora": Target(lambda path: write_flora(path, _features()), lambda path: repr(asdict(read_features(path)))),
        "features, ours": Target(lambda path: save_features(path, _features()), lambda path: repr(asdict(read_features(path))), sealed=True),
        "backbone": Target(_backbone, _backbone_content),
        "checkpoint": Target(
            lambda path: save_tensors(path, _tensors(), {"step": 3}, "training"),
            lambda path: (_tensor_content(load_tensors(path, "training")[0]), load_tensors(path, "training")[1]),
            sealed=True,
        ),
        "cache": Target(lambda path: cached_tensors(path, _tensors), _cache, sealed=True),
        "release .pt": Target(_release, lambda path: [value.numpy().tobytes() for value in official_denoiser(path, 2).state_dict().values()]),
        "config.json": Target(lambda path: path.write_text(Config().to_json()), lambda path: Config.from_json(read_text(path), str(path))),
        "descriptions": Target(lambda path: path.write_text('{"wave": "The right hand goes up.", "sit": ["a", "b"]}'), lambda path: sentences_of(path, None)),
        "segments .csv": Target(_segments, lambda path: repr(Spots.from_csv(path, 30, 300).found)),
        "class lists": Target(_class_list, lambda path: published_prompts(path, "pku-mmd")),
        "run folder": Target(_run, _run_content),
        "results .json": Target(_results, _results_content),
        "results .npz": Target(functools.partial(_results, arrays=True), _results_content),
    }
    doctored = ("user's .npz", "saved .npz", "clip store", "features, SynSE", "run folder", "clips.csv folder", "pyskl pickle", "NW-UCLA zip")
    return found | {f"doctor: {name}": Target(found[name].write, lambda path: inspect(path)) for name in doctored}


warnings.simplefilter("ignore")
