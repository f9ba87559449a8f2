"""Progress bars of tqdm, for terminals and notebooks."""

import os
from collections.abc import Iterable

from tqdm.auto import tqdm

__all__ = ["progress_bar"]


def progress_bar(iterable: Iterable | None = None, *, shown: bool = True, **options: object) -> tqdm:
    """A bar of ``tqdm.auto``. TQDM_DISABLE=1 also hides it in notebooks, where tqdm ignores this variable.

    Args:
        iterable, options: arguments of tqdm.
        shown: False hides the bar.
    """
    hidden = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    return tqdm(iterable, disable=hidden or not shown, **options)
