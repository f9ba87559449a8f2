"""What nbval does not compare: pictures, widgets and progress bars. Text that a cell prints is compared."""


def pytest_collectstart(collector):
    """Tell nbval's collector of each notebook what to skip."""
    if collector.__class__.__name__ == "IPyNbFile":
        collector.skip_compare += ("text/html", "image/png", "application/vnd.plotly.v1+json", "stderr")
