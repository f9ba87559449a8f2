"""The examples in docstrings run, and every exported name has one."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from standins import TINY_ALIGNED

import tdsm
from tdsm.data.synthetic import synthetic_clips

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
TRAINED = ("tdsm.baselines.reports", "tdsm.evaluate", "tdsm.recognizer", "tdsm.runs")  # their examples begin with a trained recognizer


def modules() -> list[str]:
    return sorted(module.name for module in pkgutil.walk_packages(tdsm.__path__, "tdsm."))


def documented(module: object) -> Iterator[tuple[str, str]]:
    """(name, docstring) of the module and of all that is defined in it and has an example. Checks of shapes wrap functions, so doctest's finder cannot."""
    found = {module.__name__: module}
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) == module.__name__ and (inspect.isclass(value) or inspect.isroutine(value)):
            found[f"{module.__name__}.{name}"] = value
            if inspect.isclass(value):
                found |= {f"{module.__name__}.{name}.{key}": inspect.unwrap(getattr(part, "__func__", part)) for key, part in vars(value).items()}
    for name, value in found.items():
        text = getattr(value, "__doc__", None)
        if isinstance(text, str) and ">>> " in text:
            yield name, text


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict]:
    """A folder with a training in ``run``, and what the examples of ``TRAINED`` begin with."""
    folder = tmp_path_factory.mktemp("trained")
    train, test = (synthetic_clips(2, actions=actions) for actions in (("jump", "clap overhead"), ("squat", "bow")))
    recognizer = tdsm.train_recognizer(train, TINY_ALIGNED, folder=folder / "run")
    return folder, {"recognizer": recognizer, "train": train, "test": test}


@pytest.mark.parametrize("name", modules())
def test_examples_of_a_module_run(name, tmp_path, monkeypatch, request):
    module = importlib.import_module(name)
    folder, given = request.getfixturevalue("trained") if name in TRAINED else (tmp_path, {})
    monkeypatch.chdir(folder)
    for place, text in documented(module):
        report: list[str] = []
        test = doctest.DocTestParser().get_doctest(text, vars(module) | given, place, inspect.getsourcefile(module), 0)
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
        assert not report, "".join(report)


def test_every_exported_name_has_an_example():
    assert {name for name in tdsm.__all__ if ">>> " not in (inspect.getdoc(getattr(tdsm, name)) or "")} == set()


def test_an_example_that_is_wrong_is_found():
    module = importlib.import_module("tdsm.util.errors")
    assert [name for name, _ in documented(module)] == ["tdsm.util.errors.InputError"]
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(optionflags=FLAGS).run(test, out=lambda text: None).failed == 1
