"""The fuzzer itself works: every kind of file can be written, read whole, and read damaged (``make fuzz`` damages thousands)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_damaged_files_give_an_answer_or_one_line():
    command = [sys.executable, "-m", "tests.fuzz", "--mutants", "3"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert ran.returncode == 0, ran.stdout + ran.stderr
