"""Tables that benchmarks printed are read again with what made them, and drawn as they are."""

from pathlib import Path

import numpy as np
import pytest

from tdsm.catalogue.rows import benchmark_named
from tdsm.evaluate import PROTOCOL
from tdsm.experiments.results import load_results, read_tables, standings, write_result
from tdsm.util.errors import InputError
from tdsm.util.tables import Table
from tdsm.viz import results as drawn

RESULTS = Path(__file__).resolve().parents[1] / "results"
README = """# Results

| file | command | commit | date | hardware |
|---|---|---|---|---|
| `a.txt` | `python a.py` | abc1234 | 2026-11-30 | CPU |
"""
TEXT = """some words

| set | way | top-1 % | published |
|---|---|---|---|
| one | ridge | 12.5 ± 1.5 | 30.0 |
| one | TDSM | 20.0 (5) | |
| two | TDSM | - | -1.5 [-2.0, -1.0] |

more

| set | n |
|---|---|
| chance | 7 |
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "README.md").write_text(README)
    (tmp_path / "a.txt").write_text(TEXT)
    return tmp_path


def test_tables_of_a_text_file_are_read_with_what_made_them(folder):
    first, second = read_tables(folder / "a.txt")
    assert first.head == ("set", "way", "top-1 %", "published")
    assert len(first.rows) == 3
    assert second.rows == (("chance", "7"),)
    assert first.source == second.source == "results/a.txt: commit abc1234, 2026-11-30, CPU: python a.py"


def test_numbers_are_means_with_their_spread_and_what_is_none_is_left_out(folder):
    table = read_tables(folder / "a.txt")[0]
    assert table.where("way", "TDSM").shares("top-1 %") == {"one": (20.0, 0.0)}
    assert table.where("way", "ridge").shares("top-1 %") == {"one": (12.5, 1.5)}
    assert table.where("set", "two").shares(3) == {"two": (-1.5, 0.0)}
    assert table.columns("top-1 %", "set").rows[1] == ("20.0 (5)", "one")
    assert table.columns("top-1 %", "published").rows == (("12.5 ± 1.5", "30.0"), ("-", "-1.5 [-2.0, -1.0]"))  # one row has nothing in "published"


def test_a_column_that_is_not_there_is_one_line(folder):
    with pytest.raises(InputError, match="has no column 'top-5 %'"):
        read_tables(folder / "a.txt")[0].columns("top-5 %")


@pytest.mark.parametrize("column", [4, -1, "top-5 %"])
def test_numbers_of_a_column_that_is_not_there_are_one_line(folder, column):
    with pytest.raises(InputError, match=f"has no column {column!r}; choose among set, way"):
        read_tables(folder / "a.txt")[0].where("way", "ridge").shares(column)


def test_rows_of_one_name_are_not_counted_as_one(folder):
    with pytest.raises(InputError, match="has several rows 'one'; select one of them first, with where"):
        read_tables(folder / "a.txt")[0].shares("top-1 %")


def test_standings_of_an_unknown_data_set_are_one_line():
    with pytest.raises(InputError, match="'nonsense' has no published split; choose among"):
        standings([], ["nonsense"])


def test_a_file_without_table_or_origin_is_refused(folder):
    (folder / "b.txt").write_text("no table")
    with pytest.raises(InputError, match="holds no table"):
        read_tables(folder / "b.txt")
    (folder / "b.txt").write_text(TEXT)
    with pytest.raises(InputError, match=r"does not say what made b\.txt"):
        read_tables(folder / "b.txt")
    (folder / "README.md").write_text("| `b.txt` | a command |\n")
    with pytest.raises(InputError, match=r"does not say what made b\.txt"):
        read_tables(folder / "b.txt")


def test_a_row_that_does_not_fit_its_head_is_refused(folder):
    (folder / "a.txt").write_text("| set | n |\n|---|---|\n| one |\n")
    with pytest.raises(InputError, match=r"a\.txt: a row of 1 cells, 'one', under 2 columns"):
        read_tables(folder / "a.txt")


@pytest.mark.parametrize("name", ["never_met", "tuned_splits", "generalised", "baselines_aligned", "baselines_classifier", "long_takes", "text_to_clips"])
def test_committed_tables_say_what_made_them(name):
    for table in read_tables(RESULTS / f"{name}.txt"):
        assert "commit" in table.source
        assert all(len(row) == len(table.head) for row in table.rows)


def test_standings_are_the_newest_numbers_of_each_split(tmp_path):
    name = "nw-ucla-purls-8-2"
    row = {"benchmark": name, "ridge": {"seeds": 3, "mean": 0.5}, "tdsm": {"seeds": 5, "mean": 0.6, "std": 0.1, "low": 0.55, "high": 0.65}}
    write_result(tmp_path / "x.json", [row], command="tdsm evaluate x", protocol=PROTOCOL, arrays={})
    table = standings(load_results(tmp_path))
    best = max(benchmark_named(name).published.items(), key=lambda pair: pair[1])
    assert table.rows == ((name, "50.0", f"{best[1]:.1f} ({best[0]})", "not run", "50.0 (3 seeds)", "not run", "60.0 ± 10.0", "55.0 to 65.0", "5"),)
    assert "tdsm evaluate x" in table.source


def test_committed_standings_have_every_number():
    table = standings(load_results(RESULTS))
    assert len(table.rows) == 5
    assert not any(cell in ("", "not run") for row in table.rows for cell in row)


def test_a_dot_is_drawn_where_the_mean_is_and_its_bar_is_one_standard_deviation():
    fig, ax = drawn.dots({"ridge": {"a": (10.0, 2.0), "b": (20.0, 0.0)}, "TDSM": {"b": (30.0, 4.0)}}, {"a": (5.0, 0.0)}, {"b": (25.0, 0.0)})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert {text.get_text() for text in ax.texts} == {"10.0", "20.0", "30.0", "25.0"}
    ridge, tdsm = ax.containers
    assert ridge.lines[0].get_xdata().tolist() == [10.0, 20.0]
    low, high = ridge.lines[2][0].get_segments()[0]
    assert (low[0], high[0]) == (8.0, 12.0)
    assert 0.5 < tdsm.lines[0].get_ydata()[0] < 1.5
    assert [text.get_text() for text in fig.axes[0].get_legend().get_texts()] == ["chance", "best published", "ridge", "TDSM"]


def test_nothing_to_draw_is_refused():
    with pytest.raises(InputError, match="no number to draw"):
        drawn.dots({"ridge": {}})
    with pytest.raises(InputError, match="no table"):
        drawn.methods({}, ["x"])
    for head, rows in ((("method", "x"), (("ridge", "1.0"), ("chance", "5.0"))), (("method", "x", "published"), (("ridge", "1.0", "2.0"),))):
        with pytest.raises(InputError, match="the first table has no row 'chance', or no column behind 'x'"):
            drawn.methods({"a": Table(head, rows, "")}, ["x"])


def test_each_benchmark_has_a_panel_with_each_tables_methods():
    head = ("method", "one", "published", "two", "published")
    table = Table(head, (("ridge", "10.0 ± 1.0", "", "20.0", "15.0"), ("PURLS", "", "30.0", "", ""), ("chance", "5.0", "", "50.0", "")), "here")
    other = Table(head, (("ridge", "12.0", "", "22.0", ""), ("chance", "5.0", "", "50.0", "")), "there")
    fig, axes = drawn.methods({"first": table, "second": other}, ["one", "two"])
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["ridge", "PURLS"]
    assert np.concatenate([box.lines[0].get_xdata() for box in axes[1].containers]).tolist() == [20.0, 22.0]
    assert {text.get_text() for text in fig.legends[0].get_texts()} == {"chance", "published", "first", "second"}
    with pytest.raises(InputError, match="no column 'three'"):
        drawn.methods({"first": table}, ["three"])
