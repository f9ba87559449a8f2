"""Small tables: :class:`Table`, and the HTML and Markdown of tables in notebooks and files.

Labels, names and notes come from users' files, so every cell is escaped here, and only here: no text can become markup.
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tdsm.util.errors import InputError

__all__ = ["Table", "html_table", "markdown_table", "shortened"]

SHOWN = 10
"""Number of classes or names that a table lists before it only counts the remaining ones."""


@dataclass(frozen=True)
class Table:
    """A table of text cells. A notebook displays it as HTML, ``print`` as Markdown.

    Attributes:
        head: column titles.
        rows: one cell per column. A number is written as "65.3" or "65.3 ± 4.3"; text may follow it.
        source: origin of the numbers, displayed below the table; "" without one.

    Example:
        >>> Table(("method", "top-1 %"), (("ridge", "41.0 ± 2.5"), ("chance", "9.1"))).shares("top-1 %")
        {'ridge': (41.0, 2.5), 'chance': (9.1, 0.0)}
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    source: str = ""

    def columns(self, *names: str) -> "Table":
        """The named columns, in this order, without rows in which only the first of them has text. Raises InputError: an unknown column."""
        places = [self._place(name) for name in names]
        rows = (tuple(row[place] for place in places) for row in self.rows)
        return Table(names, tuple(row for row in rows if len(row) == 1 or any(row[1:])), self.source)

    def where(self, column: str, value: str) -> "Table":
        """The rows with this value in ``column``. Raises InputError: an unknown column."""
        place = self._place(column)
        return Table(self.head, tuple(row for row in self.rows if row[place] == value), self.source)

    def shares(self, column: str | int) -> dict[str, tuple[float, float]]:
        """First cell of each row -> mean and std (0 if none is printed) in ``column``, a title or an index. Rows without a number there are left out.

        Raises:
            InputError: an unknown column, or two rows with the same first cell.
        """
        place = self._place(column)
        names = [row[0] for row in self.rows]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InputError("table", f"has several rows {twice!r}", f"select one of them first, with where: the columns are {', '.join(self.head)}")
        found = {row[0]: re.match(r"(-?\d+(?:\.\d+)?)(?: ± (\d+(?:\.\d+)?))?", row[place]) for row in self.rows}
        return {name: (float(match[1]), float(match[2] or 0)) for name, match in found.items() if match}

    def _place(self, column: str | int) -> int:
        if isinstance(column, int) and 0 <= column < len(self.head):
            return column
        if column not in self.head:
            raise InputError("table", f"has no column {column!r}", f"choose among {', '.join(dict.fromkeys(self.head))}")
        return self.head.index(column)

    def __repr__(self) -> str:
        return markdown_table([self.head, *self.rows]) + (f"\n{self.source}" if self.source else "")

    def _repr_html_(self) -> str:
        return html_table(self.rows, self.head, note=self.source)


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


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is the header."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:]))


def shortened(names: Sequence[str], shown: int = SHOWN) -> str:
    """The first names and the number of remaining ones: "squat, bow and 40 more"."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _row(tag: str, cells: Iterable[object]) -> str:
    sides = [(cell, "right" if isinstance(cell, int | float) else "left") for cell in cells]
    return "<tr>" + "".join(f"<{tag} style='text-align:{side}'>{html.escape(str(cell))}</{tag}>" for cell, side in sides) + "</tr>"
