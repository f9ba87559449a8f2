"""Draw CPU time and memory against problem size, with one panel per series.

    python figures/scale.py

The source is results/scale.json, the output of benchmarks/scale.py. The dotted line through the largest size shows linear growth.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from common import HERE, caption, run, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdsm.experiments.results import Result
from tdsm.util.errors import InputError
from tdsm.util.files import read_object
from tdsm.viz import style

AGAIN = "create it with: python benchmarks/scale.py"
COLUMNS = 4


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """Draw scale.pdf and .png."""
    path = HERE.parent / "results" / "scale.json"
    found = read_object(path, AGAIN)
    about, series = found.get("environment"), found.get("series")
    if not about or not series:
        raise InputError(path, "has no environment or no series", AGAIN)
    rows = -(-len(series) // COLUMNS)
    figure = Figure(figsize=(7.6, 0.6 + 1.8 * rows))
    panels = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).ravel()
    for ax, measured in zip(panels, series, strict=False):
        panel(ax, measured)
    for ax in panels[len(series) :]:
        ax.set_axis_off()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    note = "Slope: of log CPU time against log size, over the larger half of the sizes; 1 is linear, 0 is constant. One thread."
    caption(figure, f"{note}\nresults/scale.json: commit {about['commit']}, {about['date'][:10]}, {about['hardware']}")
    return save(figure, out, "scale")


def panel(ax: Axes, measured: Mapping[str, Sequence]) -> None:
    """Draw one series: CPU time and memory relative to the smallest size, with absolute numbers at both ends of the axis."""
    sizes, seconds, memory = measured["sizes"], measured["seconds"], measured["megabytes"]
    costs = [each / seconds[0] for each in seconds]
    for number, (name, values, line) in enumerate((("CPU time", costs, "-"), ("peak memory", [each / memory[0] for each in memory], "--"))):
        colour, marker = style.look(number)
        ax.plot(sizes, values, line, color=colour, marker=marker, markersize=4, label=f"{name}, times that of the smallest size")
    ax.plot(sizes, [costs[-1] * size / sizes[-1] for size in sizes], ":", color=style.MIDDLE, label="linear")
    ax.set(xscale="log", yscale="log", ylim=(0.7, 300))
    ax.set_title(measured["title"].replace(", ", ",\n", 1), fontsize=style.AXIS)
    ax.text(0.04, 0.88, f"slope {measured['slope']:.2f}", transform=ax.transAxes, fontsize=style.SMALL)
    ends = [f"{sizes[end]:,}\n{seconds[end]:.2g} s\n{memory[end]:.0f} MB" for end in (0, -1)]
    ax.set_xticks([sizes[0], sizes[-1]], ends, fontsize=style.SMALL - 1)
    ax.set_yticks([1, 10, 100], ["1", "10", "100"])
    ax.minorticks_off()
    ax.set_xlabel(measured["unit"], labelpad=-26, fontsize=style.SMALL)


if __name__ == "__main__":
    run(draw, __doc__)
