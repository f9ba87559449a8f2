"""The project's own promises: one list of dependencies, executed notebooks, no path of a machine, a README whose commands exist."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=~!\[; ]", line)[0].lower().replace("_", "-") for line in requirements}


def test_environment_yml_adds_no_dependency_of_its_own():
    text = (ROOT / "environment.yml").read_text()
    python = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    entries = [line.strip().removeprefix("- ") for line in text.splitlines() if line.strip().startswith("- ")]
    assert entries == ["conda-forge", f"python{python}", "pip", "pip:", "-c constraints.txt", "-e .[app,dev,docs]"]


def test_every_dependency_is_pinned_within_its_range_and_without_an_address():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-"): line.split("==")[1] for line in lines}
    assert names(wanted) <= set(pinned)
    from packaging.requirements import Requirement

    for line in wanted:
        requirement = Requirement(line)
        assert requirement.specifier.contains(pinned[requirement.name.lower()]), line
    assert not {"torchvision", "torchaudio", "timm"} & set(pinned)


def test_the_version_and_its_date_are_the_same_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    module = re.search(r'^__version__ = "(.+)"$', (ROOT / "tdsm" / "__init__.py").read_text(), re.MULTILINE)
    cited = dict(re.findall(r"^(version|date-released): (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE))
    newest = re.search(r"^## (\S+) - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert (module[1], cited["version"], newest[1]) == (version, version, version)
    assert cited["date-released"] == newest[2]


def test_every_finding_has_a_row_in_the_table():
    scripts = {path.name for path in (ROOT / "findings").glob("*.sh")}
    assert set(re.findall(r"^\| \[(\w+\.sh)\]\(\1\) \|", (ROOT / "findings" / "README.md").read_text(), re.MULTILINE)) == scripts


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_executed_in_order_without_error_and_small(path):
    assert path.stat().st_size < 1_000_000
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, 1 + len(cells)))
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "README.md", ROOT / "constraints.txt", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name)
def test_no_path_of_one_machine_is_committed(path):
    text = path.read_text()
    for place in (str(ROOT.parent), str(Path.home()), "/tmp/", "file://"):
        assert place == "/" or f"{place.rstrip('/')}/" not in text, f"{place} in {path.name}"


def test_commands_in_the_readme_exist():
    text, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake ([a-z]+)", text)):
        assert f"\n{target}:" in makefile, target
    import tdsm.cli

    verbs = {command.callback.__name__ for command in tdsm.cli.app.registered_commands}
    for verb in set(re.findall(r"\btdsm ([a-z]+)\b", text)) - {"import"}:
        assert verb in verbs, verb


def test_every_file_of_the_package_is_installed():
    """What is no Python file has to be named under package-data."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["tdsm"]
    named = {path for pattern in patterns for path in (ROOT / "tdsm").glob(pattern)}
    there = {path for path in (ROOT / "tdsm").rglob("*") if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__"}
    assert there == named


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_quick_cells_of_a_notebook_are_more_than_its_imports(path):
    """`make test` runs a notebook up to its first cell tagged slow."""
    tags = [cell["metadata"].get("tags", []) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    slow = [index for index, names in enumerate(tags) if "slow" in names]
    assert not slow or slow[0] >= 4


def test_the_hero_of_the_readme_moves_and_loads_fast():
    path = ROOT / "docs" / "img" / "hero.gif"
    assert path.stat().st_size <= 1_000_000
    with Image.open(path) as hero:
        assert hero.n_frames > 50 and hero.info["loop"] == 0  # for ever
