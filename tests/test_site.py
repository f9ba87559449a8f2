"""The documentation: the site builds without a warning, links resolve, pointers into METHOD name its headings, and the code on its pages is real."""

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "results/README.md", *sorted((ROOT / "docs").glob("*.md"))]
MINE = [path for path in PAGES if path.name != "LOG.md"]  # the log keeps what was true on its day
SOURCES = [path for folder in ("tdsm", "benchmarks", "figures") for path in sorted((ROOT / folder).rglob("*.py"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def builder():
    spec = importlib.util.spec_from_file_location("build_docs", ROOT / "docs/build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_links_of_readme_and_notebooks_resolve():
    assert list(builder().dead_links_of_sources()) == []


def test_a_dead_link_of_a_page_is_found(tmp_path):
    (tmp_path / "one.html").write_text('<a id="here" href="two.html#there">two</a><a href="#gone">x</a><img src="missing.png">')
    (tmp_path / "two.html").write_text('<p id="there">there</p><a href="one.html#here">one</a><a href="https://example.org/x">elsewhere</a>')
    assert list(builder().dead_links_of_site(tmp_path)) == ["one.html: #gone", "one.html: missing.png"]


@pytest.mark.parametrize("path", MINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_on_a_page_exist(path):
    import tdsm.cli

    verbs = {command.callback.__name__ for command in tdsm.cli.app.registered_commands}
    text = "\n".join([*blocks(path, "sh"), *re.findall(r"`([^`\n]+)`", path.read_text(encoding="utf-8"))])
    assert set(re.findall(r"(?:^|\| |&& )tdsm ([a-z]+)\b", text, re.MULTILINE)) <= verbs
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [target for target in re.findall(r"^make ([a-z-]+)", text, re.MULTILINE) if f"\n{target}:" not in makefile] == []


@pytest.mark.parametrize("path", MINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_of_the_package_on_a_page_exist(path):
    """Names such as tdsm.data.convert, in code and in prose."""
    text = "\n".join([*blocks(path, "python"), *re.findall(r"`([^`\n]+)`", path.read_text(encoding="utf-8"))])
    assert [name for name in sorted(set(re.findall(r"(?<![\w/.-])tdsm(?:\.[A-Za-z_]\w*)+", text))) if not exists(name)] == []


def test_names_in_roles_of_docstrings_exist():
    """Names such as :func:`tdsm.convert`; Sphinx itself would pass over those that have no page."""
    gone = []
    for path in SOURCES:
        for name in re.findall(r":[a-z]+:`~?(tdsm\.[\w.]+)`", path.read_text(encoding="utf-8")):
            gone += [] if exists(name) else [f"{path.relative_to(ROOT)}: {name}"]
    assert gone == []


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or in one: a name, an attribute of a class, a field of a dataclass, or an attribute that the docstring lists."""
    found, parts = importlib.import_module("tdsm"), name.split(".")[1:]
    for depth, part in enumerate(parts, 1):
        if not hasattr(found, part):
            if isinstance(found, type):
                return depth == len(parts) and (part in found.__annotations__ or f" {part}:" in (found.__doc__ or ""))
            try:
                importlib.import_module(".".join(["tdsm", *parts[:depth]]))
            except ModuleNotFoundError:
                return False
        found = getattr(found, part)
    return True


def test_every_public_name_is_on_the_api_page():
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\.\. auto\w+:: (\w+)$", text, re.MULTILINE)) == set(importlib.import_module("tdsm").__all__)


def test_files_named_on_pages_exist():
    gone = []
    for path in MINE:
        for name in re.findall(r"`((?:tdsm|tests|benchmarks|figures|results|docs)/[\w./-]+)`", path.read_text(encoding="utf-8")):
            gone += [] if (ROOT / name).exists() else [f"{path.name}: {name}"]
    assert gone == []


def test_pointers_into_the_method_name_its_headings():
    """`METHOD, section "The lexicon"`, or in short `METHOD: losses, pipeline step 3`, in docstrings and comments."""
    text = (ROOT / "docs/METHOD.md").read_text(encoding="utf-8")
    titles = {title.lower() for title in re.findall(r"^##+ (.*)$", text, re.MULTILINE)}
    assert re.findall(r"^(\d)\. \*\*", text.split("### Pipeline")[1].split("###")[0], re.MULTILINE) == list("1234567")
    named = []
    for path in SOURCES:
        for note in notes(path):
            quoted = re.findall(r'"([^"]+)"', " ".join(re.findall(r'\bMETHOD(?:\.md)?,? sections? (?:(?:, |,? and )?"[^"]+")+', note)))
            short = re.split(", ", ", ".join(re.findall(r"\bMETHOD: ([^;).]+)", note)))
            assert not re.search(r'\bMETHOD(?:\.md)?,? sections? (?!")', note), f"{path.relative_to(ROOT)}: put the title of the section in quotes"
            named += [(path.name, title.lower()) for title in (*quoted, *(re.sub(r" steps? [1-7]( to [1-7])?$", "", title) for title in short)) if title]
    assert len(named) >= 3
    assert [(file, title) for file, title in named if title not in titles] == []


def notes(path: Path) -> list[str]:
    """Docstrings and comments of a file, each on one line."""
    source = path.read_text(encoding="utf-8")
    strings = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant) and isinstance(node.value, str) and "METHOD" in node.value]
    comments = re.findall(r"#(.*METHOD.*)$", source, re.MULTILINE)
    return [" ".join(each.split()) for each in (*strings, *comments)]


@pytest.mark.slow
def test_the_tour_prints_what_it_shows(tmp_path, monkeypatch, capsys):
    """Every block of code of the tour runs, one after the other, and prints the block below it."""
    monkeypatch.chdir(tmp_path)
    text, names = (ROOT / "docs/tour.md").read_text(encoding="utf-8"), {}
    parts = re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", text, re.MULTILINE | re.DOTALL)
    assert len([shown for _, shown in parts if shown]) >= 3
    for code, shown in parts:
        *body, last = ast.parse(code).body
        exec(compile(ast.Module(body, []), "docs/tour.md", "exec"), names)
        if shown and isinstance(last, ast.Expr):  # as a notebook shows the last expression of a cell
            value = eval(compile(ast.Expression(last.value), "docs/tour.md", "eval"), names)
            print("" if value is None else repr(value))
        else:
            exec(compile(ast.Module([last], []), "docs/tour.md", "exec"), names)
        printed = capsys.readouterr().out
        assert not shown or printed.strip() == shown.strip()


@pytest.mark.slow
def test_the_site_builds_twice_to_the_same_bytes(tmp_path):
    """Warnings are errors, and every link resolves."""
    sites = []
    for name in ("one", "two"):
        run = subprocess.run(
            [sys.executable, ROOT / "docs/build.py", tmp_path / name], capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        assert run.returncode == 0, run.stdout + run.stderr
        sites.append({path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()})
    assert sites[0].keys() == sites[1].keys()
    assert [path for path in sites[0] if sites[0][path] != sites[1][path]] == []
    assert Path("docs/index.html") in sites[0]
