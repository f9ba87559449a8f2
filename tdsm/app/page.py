"""The page itself: what stands where, and which part of it asks what. Needs Gradio."""

from collections.abc import Callable
from functools import wraps

import gradio as gr

from tdsm.app.desk import Answer, Desk, Recording, example_labels
from tdsm.app.pieces import fault
from tdsm.util.errors import InputError

__all__ = ["page"]

_WORDS = 20_000  # characters of a text box
_MOST_CLIPS = 500  # that can be chosen among
_SWEEP, _OLD = 300, 600  # seconds: how often leftovers of uploads are looked for, and how old they must be
_HOW = (
    "Drop a recording of a moving skeleton, or pick one, and type the names of any actions. Read are files of Kinect, MediaPipe, OpenPose, AlphaPose, MMPose "
    "and YOLO, arrays (.npz) and zips of these. A file is deleted as soon as it was read."
)


def page(desk: Desk) -> gr.Blocks:
    """Two tabs, Recognise and Search, in front of a desk."""
    with gr.Blocks(title="tdsm", analytics_enabled=False, delete_cache=(_SWEEP, _OLD), fill_width=False) as blocks:
        gr.HTML("<h1>tdsm</h1><p>Name an action that the model never saw, and it recognises people doing it, from moving skeletons alone.</p>")
        with gr.Tab("Recognise"):
            _recognise(desk)
        with gr.Tab("Search"):
            _search(desk)

        def leave(request: gr.Request) -> None:
            desk.forget(request.session_hash)

        blocks.unload(leave)
    return blocks


def _recognise(desk: Desk) -> None:
    examples = [(f"{clip.label} ({clip.name})", number) for number, clip in enumerate(desk.examples)]
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=320):
            gr.HTML(f"<p>{_HOW}</p>")
            file = gr.File(label="Recording", type="filepath", height=130, elem_id="file")
            example = gr.Dropdown(examples, value=None, label="Or an example", elem_id="example")
            clip = gr.Dropdown([], label="Clip of the file", visible=False, interactive=True, elem_id="clip")
            labels = gr.Textbox(label="Names of actions, with commas between them", lines=2, max_length=_WORDS, elem_id="labels", placeholder="wave, squat")
            with gr.Accordion("Descriptions, if a name does not say it", open=False, elem_id="more"):
                sentences = gr.Textbox(
                    label="One a line, name: sentence about the movement", lines=3, max_length=_WORDS, elem_id="sentences",
                    placeholder="squat: The knees bend and the hips sink low.",
                )  # fmt: skip
            ask = gr.Button("Recognise", variant="primary", elem_id="ask")
        with gr.Column(scale=3, min_width=340):
            message, body, ranking = gr.HTML(elem_id="message"), gr.HTML(elem_id="body"), gr.HTML(elem_id="ranking")
            found, readings, notes = gr.HTML(elem_id="found"), gr.HTML(elem_id="readings"), gr.HTML(elem_id="notes")
    shown = [message, body, ranking, readings, notes, found]

    @_told(1, 5)
    def upload(path: str | None, typed: str, descriptions: str, request: gr.Request) -> list:
        if path is None:
            desk.forget(request.session_hash)
            return [_no_clip(), *_pieces(Answer(""))]
        recording = desk.take(request.session_hash, path)
        return [_clips(recording), *_pieces(desk.answer(request.session_hash, 0, typed, descriptions))]

    @_told(2, 5)
    def pick(number: int | None, typed: str, descriptions: str, request: gr.Request) -> list:
        if number is None:
            return [gr.skip()] * (2 + len(shown))
        desk.example(request.session_hash, number)
        offered = example_labels(desk.examples[number].label, typed)
        return [_no_clip(), offered, *_pieces(desk.answer(request.session_hash, 0, offered, descriptions))]

    @_told(0, 5)
    def answer(number: int | None, typed: str, descriptions: str, request: gr.Request) -> list:
        if not typed.strip():
            raise InputError("labels", "none given", "give at least one name")
        return _pieces(desk.answer(request.session_hash, number or 0, typed, descriptions))

    @_told(0, 5)
    def turn(number: int | None, typed: str, descriptions: str, request: gr.Request) -> list:
        return _pieces(desk.answer(request.session_hash, number or 0, typed, descriptions))

    gr.on([file.upload, file.clear], upload, [file, labels, sentences], [clip, *shown], api_name="upload", concurrency_limit=None)
    example.input(pick, [example, labels, sentences], [clip, labels, *shown], api_name="example", concurrency_limit=None)
    clip.input(turn, [clip, labels, sentences], shown, api_name="clip", concurrency_limit=None)
    gr.on([ask.click, labels.submit], answer, [clip, labels, sentences], shown, api_name="recognise", concurrency_limit=None)


def _search(desk: Desk) -> None:
    gr.HTML(f"<p>Type a name, a phrase or a sentence: of {len(desk.library):,} clips, those that move most like it are shown.</p>")
    with gr.Row():
        text = gr.Textbox(label="Movement", max_length=_WORDS, scale=4, elem_id="text", placeholder="somebody jumps")
        count = gr.Slider(3, 12, value=6, step=3, label="How many", scale=1, elem_id="count")
        ask = gr.Button("Search", variant="primary", scale=1, elem_id="search")
    message, hits = gr.HTML(elem_id="search-message"), gr.HTML(elem_id="hits")

    @_told(0, 1)
    def find(words: str, most: float) -> list:
        return ["", desk.find(words, round(min(12, max(1, most))))]

    gr.on([ask.click, text.submit], find, [text, count], [message, hits], api_name="search", concurrency_limit=None)


def _told(before: int, after: int) -> Callable[[Callable[..., list]], Callable[..., list]]:
    """Bad input becomes one line on the page: ``before`` outputs stay, then comes the message, and what the ``after`` others showed goes."""

    def around(ask: Callable[..., list]) -> Callable[..., list]:
        @wraps(ask)
        def asked(*given: object) -> list:
            try:
                return ask(*given)
            except InputError as error:
                return [*[gr.skip()] * before, fault(error), *[""] * after]

        return asked

    return around


def _pieces(answer: Answer) -> list[str]:
    """Of an answer, in the order in which the page shows them; first comes the message, of which there is none."""
    return ["", answer.body, answer.ranking, _under("How each name was read", answer.readings), _under("Notes", answer.notes), _under("Actions", answer.found)]


def _under(title: str, piece: str) -> str:
    return f"<h3>{title}</h3>{piece}" if piece else ""


def _clips(recording: Recording) -> dict:
    names = recording.names[:_MOST_CLIPS]
    return gr.update(choices=[(name, number) for number, name in enumerate(names)], value=0, visible=len(names) > 1)


def _no_clip() -> dict:
    return gr.update(choices=[], value=None, visible=False)
