"""Commands that query a trained recognizer: one answer per clip, actions in a recording, clips that fit a text, a page in the browser, live frames."""

import csv
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tdsm.cli.options import Fps, Labels, Layout, Model, Sentences, Size, say, sentences_of
from tdsm.data.labels import as_labels, parse_labels
from tdsm.util.errors import InputError
from tdsm.util.settings import parse_size

if TYPE_CHECKING:
    from tdsm.recognizer import Recognizer

__all__ = ["app", "live", "predict", "search", "spot"]


def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="[MODEL] DATA", help="Clips to recognise. A model folder before them has the same effect as --model.")],
    labels: Labels,
    model: Model = None,
    descriptions: Sentences = None,
    layout: Layout = None,
    size: Size = None,
    fps: Fps = None,
    best: Annotated[int, typer.Option(min=1, help="Number of labels to print per clip.")] = 3,
    precision: Annotated[str, typer.Option(help="no or bf16. bf16 makes a trained denoiser faster on some processors; scores differ by 0.05 to 0.2 %.")] = "no",
) -> None:
    """Rank any label names for each clip.

    The shipped recognizer answers, or your own. Clips in another layout are converted, and a note names the joints that were filled in.
    """
    from tdsm.data.readers import load_clips
    from tdsm.text import TextWarning

    names = parse_labels(labels, "--labels")
    sentences = sentences_of(descriptions, None)
    models = [*([] if model is None else [model]), *map(str, paths[:-1])]
    if len(models) > 1:
        raise InputError(paths[-1], "is one path too many", "give one file or folder of clips, or a model followed by clips")
    recognizer = _recognizer(models[0] if models else None).to(precision=precision)
    clips = load_clips(paths[-1], layout, size=parse_size(size), fps=fps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TextWarning)  # the readings say the same, per label
        answer = recognizer.predict(clips, names, sentences)
    say(*answer.notes, *map(str, answer.readings))
    csv.writer(sys.stdout, lineterminator="\n").writerows(answer.table(best))


def spot(
    path: Annotated[Path, typer.Argument(metavar="CLIP", help="A recording, in any format that holds clips.")],
    labels: Labels,
    model: Model = None,
    descriptions: Sentences = None,
    layout: Layout = None,
    size: Size = None,
    fps: Fps = None,
    number: Annotated[int | None, typer.Option("--clip", min=0, help="Number of the clip, counted from 0, if the file holds several.")] = None,
    out: Annotated[Path | None, typer.Option("--csv", help="Write the table to this file instead of printing it.")] = None,
) -> None:
    """Find actions of any names in a long recording.

    The table has start and end in seconds, label, probability, and margin over the second label.
    """
    from tdsm.data.readers import load_clips
    from tdsm.spotting.spot import spot as find

    names, sentences = parse_labels(labels, "--labels"), sentences_of(descriptions, None)
    clips = load_clips(path, layout, size=parse_size(size), fps=fps)
    if number is None and len(clips) > 1:
        raise InputError(path, f"holds {len(clips)} clips", f"choose one of them, --clip 0 to {len(clips) - 1}")
    if number is not None and number >= len(clips):
        raise InputError("--clip", f"is {number}, but {path} holds {len(clips)} clips", f"give 0 to {len(clips) - 1}")
    spots = find(_recognizer(model), clips[number or 0], names, descriptions=sentences)
    print(spots.csv() if out is None else f"{spots}\nwritten to {spots.to_csv(out)}", end="" if out is None else "\n")


def search(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Clips, in any format that holds clips.")],
    text: Annotated[str, typer.Argument(help="What to look for: a name, a phrase or a sentence.")],
    library: Annotated[Path | None, typer.Option(help="Folder that stores the encoded clips, so that the next search does not encode them again.")] = None,
    best: Annotated[int, typer.Option(min=1, help="Number of clips to print.")] = 12,
    part: Annotated[str | None, typer.Option(help="Compare only the movement of this part: left arm, right arm, left leg, right leg or trunk.")] = None,
    model: Model = None,
    layout: Layout = None,
    size: Size = None,
    fps: Fps = None,
) -> None:
    """Find the clips that fit a text best.

    The table has score (a cosine), clip, label and subject.
    """
    from tdsm.data.readers import load_clips
    from tdsm.search import PARTS, Library

    if part is not None and part not in PARTS:
        raise InputError("--part", f"is {part!r:.60}", f"choose {', '.join(PARTS)}")
    as_labels([text], where="TEXT")
    clips = load_clips(data, layout, size=parse_size(size), fps=fps)
    hits = Library.build(clips, _recognizer(model), library, parts=part is not None).search(text, best, part=part)
    say(*hits.notes)
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerows([("score", "clip", "label", "subject"), *((f"{hit.score:.3f}", hit.name, hit.label, hit.subject) for hit in hits)])


def app(
    host: Annotated[str, typer.Option(help="Address to listen on; any other than the default lets other machines connect.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 7860,
    library: Annotated[Path | None, typer.Option(help="Clips to search, in any format that holds clips; default: the packaged examples.")] = None,
    model: Model = None,
) -> None:
    """Serve a page for the browser.

    Drop a recording and type names to see the answer, or type a text to find clips. Needs pip install "tdsm[app]".
    """
    from tdsm.app import serve

    serve(host, port, recognizer=_recognizer(model), library=library)


def live(
    labels: Annotated[str, typer.Argument(help="Comma-separated names of actions.")],
    layout: Annotated[str, typer.Option(help="Skeleton layout of input lines with joints; lines with landmarks are always MediaPipe's.")] = "mediapipe-33",
    fps: Annotated[float | None, typer.Option(help="Frames per second; default: computed from the times of the first lines.")] = None,
    model: Model = None,
    descriptions: Sentences = None,
) -> None:
    """Recognise actions in a live stream of frames.

    The command reads frames as JSON lines from stdin, and prints one JSON line on stdout as soon as an action ends.
    """
    from tdsm.app.live import Camera, answer_lines

    camera = Camera(_recognizer(model), parse_labels(labels, "LABELS"), layout, fps, descriptions=sentences_of(descriptions, None))
    for line in answer_lines(camera, sys.stdin.buffer, say):
        print(line, flush=True)


def _recognizer(model: str | None) -> "Recognizer":
    from tdsm.recognizer import Recognizer, pretrained

    return pretrained() if model is None else Recognizer.from_pretrained(model)
