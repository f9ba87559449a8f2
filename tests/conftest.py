"""Shapes in signatures are checked here, in the tests, and nowhere else."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

os.environ["TQDM_DISABLE"] = "1"
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="tdsm-tests-")  # not the user's own cache
PACKAGE = Path(__file__).resolve().parents[1]
SHAPED = [path for path in sorted((PACKAGE / "tdsm").rglob("*.py")) if "from jaxtyping" in path.read_text(encoding="utf-8")]
install_import_hook([".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in SHAPED], "beartype.beartype")

DOWNLOADS = Path(os.environ.get("TDSM_DOWNLOADS", Path(__file__).resolve().parents[2] / "shared/data"))
DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def download() -> Callable[[str], Path]:
    """Find a file or folder as downloaded (in $TDSM_DOWNLOADS): only tests of real downloads may ask for it, since they are skipped without."""

    def find(name: str) -> Path:
        if not (DOWNLOADS / name).exists():
            pytest.skip(f"{name} has not been downloaded")
        return DOWNLOADS / name

    return find


@pytest.fixture(scope="session", params=["stand-ins", pytest.param("downloads", marks=pytest.mark.slow)])
def recordings(request, download, tmp_path_factory) -> dict:
    """UTD-MHAD and NW-UCLA as their readers read them: from files of the same form written here and, if they are there, from the downloads."""
    from standins import write_ucla, write_utd

    from tdsm.data.readers import read_nw_ucla, read_utd_mhad
    from tdsm.data.readers.reading import Reading

    if request.param == "downloads":
        utd, ucla = download("utd_mhad_skeleton.zip"), download("nw_ucla_all_sqe.zip")
    else:
        folder = tmp_path_factory.mktemp("recordings")
        utd, ucla = write_utd(folder / "utd.zip"), write_ucla(folder / "ucla.zip")
    return {"utd": read_utd_mhad(utd, reading=Reading(progress=False)), "ucla": read_nw_ucla(ucla, reading=Reading(progress=False))}


@pytest.fixture(scope="session")
def facts() -> dict:
    """Facts of the data sets and of published protocols; ``make_official.py`` says which."""
    return json.loads((DATA / "official_facts.json").read_text(encoding="utf-8"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stand-ins for downloads are often noise, which is no body: only the tests of the door itself take its warnings for errors."""
    for item in items:
        if item.path.name != "test_door.py":
            item.add_marker(pytest.mark.filterwarnings("ignore::tdsm.data.door.DoorWarning"))
        if item.path.name not in ("test_text.py", "test_labels.py"):  # tiny text models read three or four tokens
            item.add_marker(pytest.mark.filterwarnings("ignore::tdsm.text.TextWarning"))
