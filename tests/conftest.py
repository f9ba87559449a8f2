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
