"""Result tables as pictures: dots for means, bars for standard deviations over seeds, one row for each benchmark or method.

Numbers come from :class:`tdsm.util.tables.Table`, so that a picture and the table beside it cannot differ. Each function returns ``(fig, ax)`` and shows
nothing.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.util.errors import InputError
from tdsm.util.tables import Table
from tdsm.viz import style

__all__ = ["dots", "methods"]

Shares = Mapping[str, tuple[float, float]]  # row -> mean and std, in percent


def dots(
    series: Mapping[str, Shares], chance: Shares | None = None, published: Shares | None = None, *, x: str = "top-1 %", ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """A row for each benchmark, a dot for each series in it, with its mean in numbers and ± one standard deviation as a bar.

    Args:
        series: title -> row -> (mean, std), as :meth:`Table.shares` gives. A series may lack rows.
        chance: drawn as a short grey line across the row.
        published: drawn as hollow diamonds.
        x: title of the axis.

    Raises:
        InputError: no number at all.
    """
    rows = list(dict.fromkeys(row for shares in series.values() for row in shares))
    if not rows:
        raise InputError("dots", "no number to draw", "give at least one series with a row")
    step = 0.8 / (len(series) + (published is not None))
    fig, ax = style.new_axes(ax, 8.0, (0.17 * (len(series) + 1) + 0.12) * len(rows) + 1.0)
    for place in range(len(rows)):
        ax.axhspan(place - 0.5, place + 0.5, color="#F4F4F4" if place % 2 else "white", linewidth=0, zorder=0)
    known = [(rows.index(row), value) for row, (value, _) in (chance or {}).items() if row in rows]
    if known:
        at, values = zip(*known, strict=True)
        ax.vlines(values, np.array(at) - 0.45, np.array(at) + 0.45, linestyles=":", color=style.MIDDLE, label="chance", zorder=1)
    known = [(rows.index(row) - 0.4 + 0.5 * step, value) for row, (value, _) in (published or {}).items() if row in rows]
    if known:
        at, values = zip(*known, strict=True)
        ax.plot(values, at, "D", markerfacecolor="white", color=style.MIDDLE, linestyle="none", label="best published", zorder=3)
        for y, value in known:
            _number(ax, value, y, value)
    for index, (title, shares) in enumerate(series.items()):
        colour, marker = style.look(index)
        at = [rows.index(row) - 0.4 + (index + 0.5 + (published is not None)) * step for row in shares]
        mean, std = (np.array([share[part] for share in shares.values()]) for part in (0, 1))
        ax.errorbar(mean, at, xerr=std, fmt=marker, color=colour, capsize=2, markersize=5, elinewidth=1.2, label=title, zorder=3)
        for value, spread, y in zip(mean, std, at, strict=True):
            _number(ax, value + spread, y, value)
    ax.set_yticks(range(len(rows)), rows, fontsize=style.AXIS)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(min(0.0, ax.get_xlim()[0]), 1.05 * ax.get_xlim()[1])
    ax.legend(fontsize=style.SMALL, frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
    style.finish(ax, x)
    ax.tick_params(axis="y", length=0, labelsize=style.AXIS)
    return fig, ax


def _number(ax: Axes, x: float, y: float, value: float) -> None:
    ax.annotate(f"{value:.1f}", (x, y), (6, 0), textcoords="offset points", va="center", fontsize=style.SMALL - 1, color=style.TEXT)


def methods(tables: Mapping[str, Table], benchmarks: Sequence[str]) -> tuple[Figure, np.ndarray]:
    """Tables with a row for each method, such as results/baselines_aligned.txt, in one panel for each benchmark.

    Args:
        tables: title -> table. The column after that of a benchmark has the published numbers, and the row "chance" its chance level.
        benchmarks: columns to draw.

    Raises:
        InputError: no table, a benchmark that a table does not have, or a first table without a column behind it or a row "chance".
    """
    if not tables or not benchmarks:
        raise InputError("methods", "no table, or no benchmark", "give at least one of each")
    for table in tables.values():
        table.columns(*benchmarks)
    first = next(iter(tables.values()))
    for benchmark in benchmarks:
        if (place := first.head.index(benchmark)) + 1 == len(first.head) or "chance" not in first.shares(place):
            what = f"the first table has no row 'chance', or no column behind {benchmark!r}"
            raise InputError("methods", what, "give a table such as results/baselines_aligned.txt")
    names = list(dict.fromkeys(row[0] for table in tables.values() for row in table.rows if row[0] != "chance"))
    fig = Figure(figsize=(1.5 * len(benchmarks) + 2.2, 0.32 * len(names) + 1.2), layout="constrained")
    axes = fig.subplots(1, len(benchmarks), sharey=True, squeeze=False)[0]
    for ax, benchmark in zip(axes, benchmarks, strict=True):
        for index, (title, table) in enumerate(tables.items()):
            _column(ax, table, table.head.index(benchmark), names, index, title)
        ax.set_title("\n".join((benchmark.split("-purls-")[0].upper(), benchmark.split("-purls-")[-1].replace("-", "/"))), fontsize=style.AXIS)
        ax.set_xlim(0, 100)
        style.finish(ax, "top-1 %")
    axes[0].set_yticks(range(len(names)), names, fontsize=style.AXIS)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    handles = {label: handle for handle, label in zip(*axes[0].get_legend_handles_labels(), strict=True)}
    fig.legend(handles.values(), handles, loc="outside upper center", ncols=len(handles), fontsize=style.SMALL, frameon=False)
    return fig, axes


def _column(ax: Axes, table: Table, column: int, names: Sequence[str], index: int, title: str) -> None:
    shares, colour, marker = table.shares(column), *style.look(index)
    for name in names:
        ax.axhline(names.index(name), color="#EFEFEF", linewidth=0.8, zorder=0)
    known = [name for name in names if name in shares]
    mean, std = (np.array([shares[name][part] for name in known]) for part in (0, 1))
    at = np.array([names.index(name) for name in known]) + 0.16 * (2 * index - 1)
    ax.errorbar(mean, at, xerr=std, fmt=marker, color=colour, markersize=4, elinewidth=1, label=title, zorder=3)
    if not index:
        printed = {name: share for name, share in table.shares(column + 1).items() if name in names}
        ax.plot([value for value, _ in printed.values()], [names.index(name) for name in printed], "D", color=style.MIDDLE, markerfacecolor="white",
                markersize=4, label="published", linestyle="none", zorder=2)  # fmt: skip
        ax.axvline(shares["chance"][0], linestyle=":", color=style.MIDDLE, label="chance", zorder=1)
