"""The order of the rooms of the package: imports point to the left only, in no circle; rooms, files and functions stay small."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (
    *("util", "config", "data", "text", "diffusion", "model", "matcher", "backbones", "recognizer", "evaluate", "train"),
    *("baselines", "catalogue", "experiments", "search", "spotting", "viz", "runs", "app", "cli"),
)
# (module, what it imports) against the order, and files that are too long: debts, which only shrink.
LONG_FILES: set[str] = set()
AGAINST_THE_ORDER = {("tdsm.viz.compare", "tdsm.runs")}  # runs are compared in pictures, and a run draws its history


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for path in sorted((ROOT / "tdsm").rglob("*.py"))}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, everywhere: bool) -> set[str]:
    """Modules of the package that a file imports, by their full names; ``everywhere``: inside functions too."""
    found = set()
    for node in ast.walk(tree(path)) if everywhere else tree(path).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of the module"
            names = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if full in FILES else node.module for full in names.values()}
    return {name for name in found if name.split(".")[0] == "tdsm"}


def room(module: str) -> str:
    return module.split(".")[1]


def test_there_are_at_most_twenty_rooms_and_all_have_a_place_in_the_order():
    entries = {path.stem for path in (ROOT / "tdsm").iterdir() if path.name not in ("__init__.py", "__pycache__") and (path.is_dir() or path.suffix == ".py")}
    assert entries <= set(ROOMS)
    assert len(entries) <= 20


def test_no_module_imports_a_room_to_its_right_not_even_inside_a_function():
    inner = {module: path for module, path in FILES.items() if module != "tdsm"}
    pairs = {(module, target) for module, path in inner.items() for target in imported(path, everywhere=True)}
    assert not [pair for pair in pairs if pair[1] == "tdsm"], "import the module itself, not the front door"
    assert {pair for pair in pairs if ROOMS.index(room(pair[1])) > ROOMS.index(room(pair[0]))} <= AGAINST_THE_ORDER


@pytest.mark.parametrize("everywhere", [False, True], ids=["at the top of files", "inside functions too"])
def test_no_imports_go_in_a_circle(everywhere):
    graph = {module: imported(path, everywhere) - {module} for module, path in FILES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("imports in a circle: " + " -> ".join(error.args[1]))


def test_every_folder_of_code_is_a_package():
    """A folder without __init__.py would not be installed."""
    folders = {path.parent for path in FILES.values()}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


def test_functions_and_files_stay_short():
    functions = [
        (node.end_lineno - node.lineno + 1, f"{module}.{node.name}")
        for module, path in FILES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    files = [(path.read_text(encoding="utf-8").count("\n"), module) for module, path in FILES.items()]
    assert [entry for entry in functions if entry[0] > 100] == []
    assert [entry for entry in files if entry[0] > 400 and entry[1] not in LONG_FILES] == []
