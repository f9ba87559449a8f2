"""Results of a search in a library: players on one page, and a widget to search, to look at the results and to search for similar clips."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tdsm.search import PARTS, Hits, Library
from tdsm.util.errors import InputError
from tdsm.viz.animation import Player, gallery
from tdsm.viz.panels import panel, row_of, screen

if TYPE_CHECKING:
    from ipywidgets import VBox

__all__ = ["browse", "show_hits"]

WHOLE = "whole body"


def show_hits(library: Library, hits: Hits, most: int = 6) -> Player:
    """A page that plays the first ``most`` clips side by side. The score of each, a cosine, precedes its name.

    Raises:
        InputError: the library was opened without its clips, or there is no clip to show.

    Example:
        >>> import tdsm
        >>> from tdsm.data.synthetic import synthetic_clips
        >>> library = tdsm.Library.build(synthetic_clips(1, actions=["bow", "jump"]), tdsm.pretrained())
        >>> show_hits(library, library.search("bow"))
        Player('2 clips', ... kB)
    """
    if library.clips is None:
        raise InputError("library", "was opened without its clips", "open it with clips=..., the clips that it was built from")
    return gallery([replace(library.clips[hit.row], name=f"{hit.score:.2f} · {hit.name}") for hit in hits.found[:most]])


def browse(library: Library, queries: Sequence[str] = ("someone waves with both hands", "throw a punch", "sit down"), most: int = 6) -> "VBox":
    """Search a library by a typed description or by one of its clips, for the whole body or for one part of it.

    Args:
        library: a library with its clips. A part can be chosen if it was built with ``parts=True``.
        queries: examples to choose from.
        most: number of clips to show.

    Raises:
        InputError: the library was opened without its clips.
    """
    from ipywidgets import Dropdown, Layout, Text

    if library.clips is None:
        raise InputError("library", "was opened without its clips", "open it with clips=..., the clips that it was built from")
    wide = Layout(width="95%")
    example = Dropdown(options=list(queries), description="example")
    text = Text(queries[0] if queries else "", description="text", continuous_update=False, layout=wide)
    part = Dropdown(options=[WHOLE, *(PARTS if library.parts else ())], description="part")
    like = Dropdown(options=[("the text", -1), *((f"{row}. {name}", row) for row, name in enumerate(library.names.tolist()))], description="like", layout=wide)

    def ask(text: str, part: str, like: int) -> Player:
        where = None if part == WHOLE else part
        hits = library.search(text, most, part=where) if like < 0 else library.like(library.clips[like], most, part=where)
        return show_hits(library, hits, most)

    example.observe(lambda change: (setattr(like, "value", -1), setattr(text, "value", change["new"])), "value")
    shown = screen(ask, busy="searching …", text=text, part=part, like=like)
    still = lambda: ask(text.value, part.value, like.value).still  # noqa: E731
    return panel(row_of(example, part), text, like, shown, name="Search the library", still=still)
