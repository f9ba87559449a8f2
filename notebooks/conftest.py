"""How the notebooks are tested: text that a cell prints is compared; pictures, widgets and progress bars are not.

Without ``--every-cell`` a notebook runs up to its first cell tagged ``slow``.
"""

import pytest


def pytest_addoption(parser):
    parser.addoption("--every-cell", action="store_true", help="run the notebooks beyond their first cell tagged slow")


def pytest_collectstart(collector):
    """Tell nbval's collector of each notebook what to skip."""
    if collector.__class__.__name__ == "IPyNbFile":
        collector.skip_compare += ("text/html", "image/png", "application/vnd.plotly.v1+json", "stderr")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out each notebook's cells from the first slow one on."""
    if config.getoption("--every-cell"):
        return
    kept, left_out, slow = [], [], set()
    for item in items:
        if "slow" in item.cell.get("metadata", {}).get("tags", ()):
            slow.add(item.path)
        (left_out if item.path in slow else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)
