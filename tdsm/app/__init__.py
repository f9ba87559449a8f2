"""The page for the browser: drop a recording and type names of actions to see the answer, or type a text to find clips.

:func:`serve` is ``tdsm app``. :func:`build` makes the page without serving it, for a notebook or your own server. Both need Gradio,
``pip install "tdsm[app]"``. The page loads nothing from the network and sends no usage data. Uploads are stored in a temporary folder of the server and deleted
after they have been read; the folder is deleted when the server ends. The recordings stay in memory until the browser tab is closed.

:mod:`tdsm.app.live` recognises actions in frames as they arrive; :mod:`tdsm.app.demo` is ``tdsm demo``.
"""

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tdsm.app.desk import Desk
from tdsm.app.pieces import CSS
from tdsm.recognizer import Recognizer
from tdsm.search import Library
from tdsm.util.errors import InputError

if TYPE_CHECKING:
    import gradio

__all__ = ["LARGEST", "build", "serve"]

LARGEST = 200 * 2**20
"""Largest size of an uploaded file, in bytes."""

_QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "GRADIO_RUN_HISTORY": "False"}


def build(recognizer: Recognizer | None = None, library: Library | None = None) -> "gradio.Blocks":
    """Make the page without serving it.

    Args:
        recognizer: default: the shipped one.
        library: library to search, including its clips; default: the packaged examples.

    Raises:
        InputError: Gradio is not installed.

    Example:
        >>> page = build()  # doctest: +SKIP
        >>> page.launch(max_file_size="200mb")  # doctest: +SKIP
    """
    _require_gradio()
    from tdsm.app.page import page

    return page(Desk(recognizer, library))


def serve(host: str = "127.0.0.1", port: int = 7860, *, recognizer: Recognizer | None = None, library: str | Path | None = None) -> None:
    """Serve the page until the process is interrupted or terminated.

    Args:
        host: address to listen on. With the default, only this machine can connect. With any other address, everyone who can reach it can use the page.
        port: port to listen on; 0 chooses a free port. The address is printed.
        recognizer: default: the shipped one.
        library: clips to search, as a path for :func:`tdsm.load_clips`; default: the packaged examples.

    Raises:
        InputError: Gradio is not installed, the port is in use, the address does not belong to this machine, or the library cannot be read.
    """
    _require_gradio()
    port = _free(host, port)
    with tempfile.TemporaryDirectory(prefix="tdsm-app-", ignore_cleanup_errors=True) as folder:
        own = {**_QUIET, "GRADIO_TEMP_DIR": folder, "NO_PROXY": ",".join(filter(None, ("localhost,127.0.0.1", host, os.environ.get("NO_PROXY"))))}
        desk = Desk(recognizer, None if library is None else Library.build(library, recognizer))
        with _environment(own), _interrupted() as ended:
            from tdsm.app.page import page

            served = page(desk)
            served.launch(server_name=host, server_port=port, share=False, **_options())
            try:
                threading.Thread(target=desk.warm, daemon=True).start()
                shown = f"[{host}]" if ":" in host else host
                print(f"tdsm app: open http://{shown}:{port} in a browser; press Ctrl+C to stop", flush=True)
                if host not in ("127.0.0.1", "::1", "localhost"):
                    print(f"tdsm app: everyone who can reach {host} can use this page", flush=True)
                ended.wait()
            finally:
                served.close(verbose=False)
                desk.close()


def _options() -> dict[str, object]:
    """Options of the server: limited upload size, no tracebacks, no external links, no fonts from the network, no Node."""
    import gradio

    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return {
        "max_file_size": LARGEST, "show_error": False, "quiet": True, "prevent_thread_lock": True, "footer_links": [], "run_history": False,
        "enable_monitoring": False, "ssr_mode": False, "inbrowser": False, "theme": theme, "css": CSS,
    }  # fmt: skip


def _require_gradio() -> None:
    try:
        with _environment(_QUIET):
            import gradio  # noqa: F401
    except ImportError as error:
        raise InputError("tdsm app", f"needs Gradio, which cannot be imported ({error})", 'pip install "tdsm[app]"') from error


def _free(host: str, port: int) -> int:
    """The port, or a free port for 0. Raises InputError: the port is in use, or the address does not belong to this machine."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            return probe.getsockname()[1]
    except OSError as error:
        raise InputError(f"{host}:{port}", f"cannot be used ({error.strerror or error})", "choose another --port, or a --host of this machine") from error


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables within the context; some settings of Gradio can be set only in this way."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """An event that SIGINT (Ctrl+C) or SIGTERM sets, so that the server can be closed in order."""
    ended = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield ended
        return
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
