"""Code shared by all figures: the style, saving, and the command line.

A figure is a function ``draw(results, out) -> paths`` in its own script. It reads result files (:mod:`tdsm.experiments.results`), trains nothing, and writes
PDF and PNG files (for tables: Markdown and LaTeX). The same results, drawn with the same matplotlib and fonts, give the same bytes.
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
ROWS = {
    "utd-mhad-purls-18-9": "UTD-MHAD 18/9",
    "nw-ucla-purls-5-5": "NW-UCLA 5/5",
}  # rows of recordings on which benchmarks/ablations.py was run -> name in figures
OURS = {"tdsm": "TDSM, this package", "cosine": "cosine, no denoiser", "ridge": "ridge to text"}  # method in a result file -> name in figures

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
    """Write ``name``.pdf and .png without date and software name, so that their bytes depend on the picture alone. The PNG has a palette."""
    paths = [out / f"{name}.pdf", out / f"{name}.png"]
    with atomic(paths[0]) as partial:
        figure.savefig(partial, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None}, dpi=dpi or matplotlib.rcParams["savefig.dpi"])
    with atomic(paths[1]) as partial:
        Image.open(picture).convert("RGB").quantize(240, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(partial, "PNG", optimize=True)
    return paths


def caption(figure: Figure, text: str) -> None:
    """Add small text below the figure, such as the origin of the numbers."""
    figure.supxlabel(text, fontsize=style.SMALL - 1, color=style.MIDDLE, x=0.01, ha="left")


def result_named(results: Sequence[Result], file: str) -> Result:
    """The result with this file name.

    Raises:
        InputError: there is no such result file.
    """
    for result in results:
        if result.file == file:
            return result
    raise InputError(f"results/{file}", "no such file", "create it with: python benchmarks/ablations.py")
