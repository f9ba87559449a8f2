"""Shapes in signatures are checked here, in the tests, and nowhere else."""

import os
import tempfile
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

os.environ["TQDM_DISABLE"] = "1"
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="tdsm-tests-")  # not the user's own cache
install_import_hook("tdsm", "beartype.beartype")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and reference numbers beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside the checkout")
    return SHARED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stand-ins for downloads are often noise, which is no body: only the tests of the door itself take its warnings for errors."""
    for item in items:
        if item.path.name != "test_door.py":
            item.add_marker(pytest.mark.filterwarnings("ignore::tdsm.data.door.DoorWarning"))
