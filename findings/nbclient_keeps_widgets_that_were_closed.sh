#!/usr/bin/env bash
# Guess, written down before the first run: a notebook executed by `jupyter nbconvert --execute --inplace` holds no state of widgets that were closed, such
# as progress bars of tqdm.notebook with leave=False. A notebook whose cells with widgets were deleted holds no states after it is executed again.
# Seen: all that a closed widget ever showed is in the file: 400,000 letters of an HTML widget, and every model of a closed bar. After its cell is deleted
# and the notebook is executed again, the same states are still in the file, and so after each later run. They go once a run shows any widget: the states of
# that run replace them.
# Why: nbclient collects states as widgets open and change, and ignores the messages that close them. It writes the states into the notebook's metadata only
# if the run had any, and never removes the entry.
# Why it matters: committed notebooks grow by what nobody sees (here 400 kB for one line of output), and what an author deleted is still in the published
# file. Remove metadata.widgets before a notebook is executed again.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet nbconvert==7.17.2 nbclient==0.11.0 nbformat==5.11.1 ipykernel==7.4.0 ipywidgets==8.1.9 tqdm==4.70.1
cat > "$work/look.py" <<'PY'
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nbformat

print({name: version(name) for name in ("nbconvert", "nbclient", "ipykernel", "ipywidgets", "tqdm")})
path = Path(sys.argv[1]) / "notebook.ipynb"
closed = """
import ipywidgets
from tqdm.notebook import tqdm

page = ipywidgets.HTML("one line" * 50_000)
display(page)
page.close()
for _ in tqdm(range(3), leave=False):
    pass
"""
slider = "import ipywidgets\nipywidgets.IntSlider()"


def write(*cells: str, metadata: dict) -> None:
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=metadata), path)


def executed() -> nbformat.NotebookNode:
    """The notebook, executed in place as nbconvert does, with this environment's kernel."""
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", str(path)]
    folders = {name: sys.argv[1] for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **folders})
    return nbformat.read(path, 4)


def look(what: str) -> tuple[int, bool]:
    """Number of models in the file, and whether what the closed widget showed is there."""
    notebook = executed()
    states = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    kept = any("one line" in str(entry["state"].get("value", "")) for entry in states.values())
    print(f"{what}: {len(states)} models, what was closed is {'there' if kept else 'not there'}, {path.stat().st_size:,} bytes")
    return len(states), kept


write(closed, "1 + 1", metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
first = look("widgets shown and closed")
write("1 + 1", metadata=nbformat.read(path, 4).metadata)
second = look("their cell deleted, executed again")
third = look("and once more")
write(slider, metadata=nbformat.read(path, 4).metadata)
last = look("a cell with a slider in their place")
assert first[0] > 10 and first == second == third and first[1] and not last[1] and last[0] < 5, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" "$work"
