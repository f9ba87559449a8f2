"""Zero-shot skeleton-based action recognition by Triplet Diffusion for Skeleton-Text Matching (TDSM).

Train a recognizer on clips of seen classes, then rank labels that were not part of the training::

    clips = tdsm.load_clips("utd_mhad_skeleton.zip")
    recognizer = tdsm.train_recognizer(clips.without_classes(["tennis serve"]))
    recognizer.predict(clips[0], ["squat", "tennis serve", "any other name"])
"""

from tdsm.baselines.reports import cosine_report as cosine
from tdsm.baselines.reports import ridge_report as ridge
from tdsm.config import Config, demo, override, paper
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.convert import convert
from tdsm.data.labels import Label
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import load_clips
from tdsm.evaluate import Report, zero_shot_report
from tdsm.recognizer import Recognizer, pretrained
from tdsm.recognizer.predictions import Predictions
from tdsm.runs import Run
from tdsm.search import Library
from tdsm.spotting.spot import Spotter, spot
from tdsm.train import train_recognizer
from tdsm.util.errors import InputError

__all__ = [
    "Clip", "ClipSet", "Config", "InputError", "Label", "Library", "Predictions", "Recognizer", "Report", "Run", "Spotter", "convert", "cosine",
    "demo", "load_clips", "load_prompts", "override", "paper", "pretrained", "ridge", "spot", "train_recognizer", "zero_shot_report",
]  # fmt: skip
__version__ = "0.2.0"
