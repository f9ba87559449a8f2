"""The page: its elements and their events. Bad input is shown as one line in place of the answer. Needs Gradio."""

import gradio as gr

from tdsm.app.desk import Desk, Recording, example_labels
from tdsm.app.pieces import fault
from tdsm.data.layouts import LAYOUTS
from tdsm.util.errors import InputError

__all__ = ["page"]

_WORDS = 20_000  # characters per text box
_MOST_CLIPS = 500  # clips in the menu
_SWEEP, _OLD = 300, 600  # seconds: how often leftover uploads are deleted, and their minimum age
_AT_ONCE = {"concurrency_limit": None, "trigger_mode": "always_last"}  # the desk processes one request after another; the last press is kept
_HOW = (
    "Drop a skeleton recording, or pick an example, and type the names of any actions. The page reads files of Kinect, MediaPipe, OpenPose, AlphaPose, MMPose "
    "and YOLO, motion capture (BVH, ASF and AMC, C3D), arrays (.npz) and zip files of these. An uploaded file is deleted after it has been read."
)


def page(desk: Desk) -> gr.Blocks:
    """Make the page, with the tabs Recognise and Search; ``desk`` computes the answers. The value of a text box is None until the box has been drawn."""
    with gr.Blocks(title="tdsm", analytics_enabled=False, delete_cache=(_SWEEP, _OLD), fill_width=False) as blocks:
        gr.HTML("<h1>tdsm</h1><p>Recognise actions the model was never trained on, given only their names and a skeleton sequence.</p>")
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
            labels = gr.Textbox(label="Names of actions, separated by commas", lines=2, max_length=_WORDS, elem_id="labels", placeholder="wave, squat")
            with gr.Accordion("Descriptions, if a name is not enough", open=False, elem_id="more"):
                sentences = gr.Textbox(
                    label="One per line, name: sentence about the movement", lines=3, max_length=_WORDS, elem_id="sentences",
                    placeholder="squat: The knees bend and the hips sink low.",
                )  # fmt: skip
            with gr.Accordion("If the file lacks layout, rate or size", open=False, elem_id="unsaid"):
                gr.HTML("<p>Set these values before you drop the file; 0 means unknown.</p>")
                layout = gr.Dropdown([each.name for each in LAYOUTS], value=None, label="Skeleton layout, for .npy", elem_id="layout")
                with gr.Row():
                    fps = gr.Number(None, label="Frames per second", minimum=0, min_width=90, elem_id="fps")
                    width = gr.Number(None, label="Picture width, pixels", minimum=0, precision=0, min_width=90, elem_id="width")
                    height = gr.Number(None, label="Picture height, pixels", minimum=0, precision=0, min_width=90, elem_id="height")
            ask = gr.Button("Recognise", variant="primary", elem_id="ask")
        with gr.Column(scale=3, min_width=340):
            beside = gr.HTML(elem_id="answer", elem_classes="tdsm-answer")
    below = gr.HTML(elem_id="below", elem_classes="tdsm-answer")

    def ask_desk(request: gr.Request, number: int | None, typed: str, descriptions: str | None) -> list[str]:
        try:
            answer = desk.answer(request.session_hash, number or 0, typed, descriptions or "")
        except InputError as error:
            return [fault(error), ""]
        return [answer.beside, answer.below]

    def upload(
        path: str | None, typed: str | None, descriptions: str | None, body: str | None, rate: float | None, wide: int | None, tall: int | None,
        request: gr.Request,
    ) -> list:  # fmt: skip
        typed = example_labels(None, typed or "")
        if path is None:
            desk.forget(request.session_hash)
            return [_clips(None), None, typed, "", ""]
        try:
            recording = desk.take(request.session_hash, path, body or None, rate or None, (wide or 0, tall or 0) if wide or tall else None)
        except InputError as error:
            return [_clips(None), None, typed, fault(error), ""]
        return [_clips(recording), None, typed, *ask_desk(request, 0, typed, descriptions)]

    def pick(number: int | None, typed: str | None, descriptions: str | None, request: gr.Request) -> list:
        if number is None:
            return [gr.skip()] * 5
        desk.example(request.session_hash, number)
        offered = example_labels(desk.examples[number].label, typed or "")
        return [_clips(None), None, offered, *ask_desk(request, 0, offered, descriptions)]

    def turn(number: int | None, typed: str | None, descriptions: str | None, request: gr.Request) -> list:
        return ask_desk(request, number, typed or "", descriptions)

    def recognise(number: int | None, typed: str | None, descriptions: str | None, request: gr.Request) -> list:
        if not (typed or "").strip():
            return [fault(InputError("labels", "none given", "give at least one name")), ""]
        return ask_desk(request, number, typed, descriptions)

    gr.on(
        [file.upload, file.clear],
        upload,
        [file, labels, sentences, layout, fps, width, height],
        [clip, example, labels, beside, below],
        api_name="upload",
        **_AT_ONCE,
    )
    example.input(pick, [example, labels, sentences], [clip, file, labels, beside, below], api_name="example", **_AT_ONCE)
    clip.input(turn, [clip, labels, sentences], [beside, below], api_name="clip", **_AT_ONCE)
    gr.on([ask.click, labels.submit], recognise, [clip, labels, sentences], [beside, below], api_name="recognise", **_AT_ONCE)


def _search(desk: Desk) -> None:
    gr.HTML(f"<p>Type a name, a phrase or a sentence. The page shows the clips that fit it best, out of {len(desk.library):,} clips.</p>")
    with gr.Row():
        text = gr.Textbox(label="Movement", max_length=_WORDS, scale=4, elem_id="text", placeholder="somebody jumps")
        count = gr.Slider(3, 12, value=6, step=3, label="Number of clips", scale=1, elem_id="count")
        ask = gr.Button("Search", variant="primary", scale=1, elem_id="search")
    hits = gr.HTML(elem_id="hits", elem_classes="tdsm-answer")

    def find(words: str | None, most: float) -> str:
        try:
            return desk.find(words or "", round(min(12, max(1, most))))
        except InputError as error:
            return fault(error)

    gr.on([ask.click, text.submit], find, [text, count], hits, api_name="search", **_AT_ONCE)


def _clips(recording: Recording | None) -> dict:
    """The menu of clips, shown for a file with several clips."""
    names = recording.names[:_MOST_CLIPS] if recording else []
    return gr.update(choices=[(name, number) for number, name in enumerate(names)], value=0 if names else None, visible=len(names) > 1)
