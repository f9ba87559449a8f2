"""benchmarks/cells.py: finished seeds are kept, and never mixed with those of other settings."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from tdsm.config import default, demo
from tdsm.util.errors import InputError


@pytest.fixture(scope="module")
def kept():
    spec = importlib.util.spec_from_file_location("cells", Path(__file__).parents[1] / "benchmarks" / "cells.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.kept


def never():
    raise AssertionError("was made again")


def test_a_finished_cell_is_not_made_again(kept, tmp_path):
    path = tmp_path / "row" / "0.json"
    assert kept(path, default(), lambda: {"ridge": 0.25}) == {"ridge": 0.25}
    assert kept(path, default(), never) == {"ridge": 0.25}


def test_a_cell_that_failed_is_not_kept(kept, tmp_path):
    with pytest.raises(AssertionError, match="made again"):
        kept(tmp_path / "0.json", default(), never)
    assert not list(tmp_path.iterdir())


def test_other_settings_and_damage_are_refused(kept, tmp_path):
    path = tmp_path / "0.json"
    kept(path, default(), dict)
    for other in (demo(), replace(default(), align=replace(default().align, guess=0.0))):
        with pytest.raises(InputError, match=r"0\.json.*other settings.*another --out"):
            kept(path, other, never)
    path.write_text(path.read_text()[:50])
    with pytest.raises(InputError, match=r"0\.json.*not readable.*delete it"):
        kept(path, default(), never)
