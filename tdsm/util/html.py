"""Small HTML tables, used to display objects in notebooks.

Labels, names and notes come from users' files, so every cell is escaped here, and only here: no text can become markup.
"""

import html
from collections.abc import Iterable, Sequence

__all__ = ["html_table", "shortened"]

SHOWN = 10
"""Number of classes or names that a table lists before it only counts the remaining ones."""


def html_table(rows: Iterable[Sequence[object]], head: Sequence[object] = (), title: str = "", note: str = "") -> str:
    """An HTML table; text is aligned left, numbers right.

    Args:
        rows: cells of each row; each cell is converted with ``str``.
        head: column titles.
        title: bold title above the table.
        note: small text below the table.
    """
    lines = [_row("th", head)] if head else []
    lines += [_row("td", row) for row in rows]
    above = f"<b>{html.escape(title)}</b>" if title else ""
    below = f"<small>{html.escape(note)}</small>" if note else ""
    return f"{above}<table>{''.join(lines)}</table>{below}"


def shortened(names: Sequence[str], shown: int = SHOWN) -> str:
    """The first names and the number of remaining ones: "squat, bow and 40 more"."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _row(tag: str, cells: Iterable[object]) -> str:
    sides = [(cell, "right" if isinstance(cell, int | float) else "left") for cell in cells]
    return "<tr>" + "".join(f"<{tag} style='text-align:{side}'>{html.escape(str(cell))}</{tag}>" for cell, side in sides) + "</tr>"
