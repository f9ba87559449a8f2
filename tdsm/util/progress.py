"""Progress bars: tqdm's, for a terminal or a notebook, whichever it is."""

import os
from collections.abc import Iterable

from tqdm.auto import tqdm

__all__ = ["progress_bar"]


def progress_bar(iterable: Iterable | None = None, *, shown: bool = True, **options: object) -> tqdm:
    """A bar of ``tqdm.auto``; TQDM_DISABLE=1 hides it in notebooks too, where tqdm overlooks its own variable.

    Args:
        iterable, options: what tqdm takes.
        shown: False hides it.
    """
    hidden = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    return tqdm(iterable, disable=hidden or not shown, **options)
