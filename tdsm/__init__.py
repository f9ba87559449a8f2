"""Zero-shot skeleton-based action recognition by Triplet Diffusion for Skeleton-Text Matching (TDSM).

clips = tdsm.load_clips("utd_mhad_skeleton.zip")
recognizer = tdsm.train_recognizer(clips.of_classes(seen), tdsm.default())
recognizer.predict(clip, ["squat", "tennis serve", "any other name"])
"""

from tdsm.config import Config, default, paper
from tdsm.data.clips import Clip, ClipSet
from tdsm.data.prompts import load_prompts
from tdsm.data.readers import load_clips
from tdsm.recognizer import Recognizer
from tdsm.runs import Run
from tdsm.train import train_recognizer, zero_shot_report
from tdsm.util.errors import InputError

__all__ = [
    "Clip",
    "ClipSet",
    "Config",
    "InputError",
    "Recognizer",
    "Run",
    "default",
    "load_clips",
    "load_prompts",
    "paper",
    "train_recognizer",
    "zero_shot_report",
]
__version__ = "0.1.0"
