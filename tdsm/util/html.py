"""Small HTML tables, in which objects show themselves in a notebook.

Labels, names and notes come out of users' files, so every cell is escaped here and nowhere else: no text can become markup.
"""

import html
from collections.abc import Iterable, Sequence

__all__ = ["html_table", "shortened"]

SHOWN = 10
"""How many classes or names a table lists before it says how many more there are."""


def html_table(rows: Iterable[Sequence[object]], head: Sequence[object] = (), title: str = "", note: str = "") -> str:
    """One table; words stand left, numbers right.

    Args:
        rows: cells of each row, anything that ``str`` takes.
        head: titles of the columns.
        title: in bold above.
        note: small below.
    """
    lines = [_row("th", head)] if head else []
    lines += [_row("td", row) for row in rows]
    above = f"<b>{html.escape(title)}</b>" if title else ""
    below = f"<small>{html.escape(note)}</small>" if note else ""
    return f"{above}<table>{''.join(lines)}</table>{below}"


def shortened(names: Sequence[str], shown: int = SHOWN) -> str:
    """The first names and how many more there are: "squat, bow and 40 more"."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _row(tag: str, cells: Iterable[object]) -> str:
    sides = [(cell, "right" if isinstance(cell, int | float) else "left") for cell in cells]
    return "<tr>" + "".join(f"<{tag} style='text-align:{side}'>{html.escape(str(cell))}</{tag}>" for cell, side in sides) + "</tr>"
