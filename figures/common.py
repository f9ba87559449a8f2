"""What all figures share: one style, one way to save, one way to run.

A figure is a function ``draw(results, out) -> paths`` in a script of its own. It reads result files (:mod:`tdsm.experiments.results`), trains nothing, and
writes PDF and PNG (tables: Markdown and LaTeX) whose bytes are the same whenever the same results are drawn with the same matplotlib and fonts.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure
from PIL import Image

from tdsm.experiments.results import Result, load_results
from tdsm.util.errors import InputError
from tdsm.util.files import atomic
from tdsm.viz import style

HERE = Path(__file__).parent
NOT_RUN = "not run"
ROWS = {"utd-mhad-purls-18-9": "UTD-MHAD 18/9", "nw-ucla-purls-5-5": "NW-UCLA 5/5"}  # rows of recordings that benchmarks/ablations.py was run on -> words
OURS = {"tdsm": "TDSM, this package", "cosine": "cosine, no denoiser", "ridge": "ridge to text"}  # method in a result file -> words

Draw = Callable[[Sequence[Result], Path], list[Path]]


def run(draw: Draw, text: str) -> None:
    """The command line of a figure's script; ``text`` is its docstring."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--results", type=Path, default=HERE.parent / "results", help="folder of result files")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder of pictures and tables")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with matplotlib.style.context(["default", HERE / "style.mplstyle"]):
        for path in draw(load_results(args.results), args.out):
            print(path)


def save(figure: Figure, out: Path, name: str, dpi: int | None = None) -> list[Path]:
    """Write ``name``.pdf and .png without date or software, so that their bytes hang on the picture alone; the PNG has a palette, which keeps it small."""
    paths = [out / f"{name}.pdf", out / f"{name}.png"]
    with atomic(paths[0]) as partial:
        figure.savefig(partial, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None}, dpi=dpi or matplotlib.rcParams["savefig.dpi"])
    with atomic(paths[1]) as partial:
        Image.open(picture).convert("RGB").quantize(96, dither=Image.Dither.NONE).save(partial, "PNG", optimize=True)
    return paths


def caption(figure: Figure, text: str) -> None:
    """Small words below the figure: what is whose, and what made it."""
    figure.supxlabel(text, fontsize=style.SMALL - 1, color=style.MIDDLE, x=0.01, ha="left")


def result_named(results: Sequence[Result], file: str) -> Result:
    """One result file.

    Raises:
        InputError: it is not there.
    """
    for result in results:
        if result.file == file:
            return result
    raise InputError(f"results/{file}", "no such file", "make it with: python benchmarks/ablations.py")
