"""Result files: each says what made it and under which protocol, and numbers of different protocols do not mix."""

import json

import numpy as np
import pytest

from tdsm.catalogue.rows import benchmark_named
from tdsm.evaluate import Summary
from tdsm.experiments.reproduce.row import Row as ReproducedRow
from tdsm.experiments.reproduce.row import write_row
from tdsm.experiments.results import average, load_results, newest, one_protocol, published, results_table, write_result
from tdsm.experiments.study import PROTOCOL, Row, write_table
from tdsm.util.errors import InputError

NAME = "nw-ucla-purls-8-2"


def values(**changes) -> dict:
    """A result file as JSON, with some of it changed."""
    row = {"benchmark": NAME, "protocol": PROTOCOL, "tdsm": {"seeds": 5, "mean": 0.6, "std": 0.1, "chance": 0.5}}
    environment = {"command": "tdsm evaluate nw_ucla.zip", "commit": "abc", "date": "2026-11-23T05:30:25+00:00", "hardware": "CPU, 2 cores"}
    return {"environment": environment | changes.pop("environment", {}), "rows": [row | changes]}


def saved(folder, name="a.json", **changes):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(values(**changes)))
    return load_results(folder)


def with_command(path):
    """What the user who keeps a file adds to it."""
    about = json.loads(path.read_text())
    about["environment"]["command"] = "tdsm ..."
    path.write_text(json.dumps(about))


def test_what_a_study_writes_is_a_result_once_it_says_its_command(tmp_path):
    ours, ridge = Summary(10, 0.6, 0.1, 0.61, 0.5, 0.7, 0.5), Summary(10, 0.5, 0.02, 0.5, 0.45, 0.55, 0.5)
    write_table([Row(benchmark_named(NAME), ours, ridge, None, 10.0)], tmp_path)
    with_command(tmp_path / "table.json")
    (result,) = load_results(tmp_path)
    assert [(number.method, number.mean, number.std, number.seeds) for number in result.numbers] == [("tdsm", 0.6, 0.1, 10), ("ridge", 0.5, 0.02, 10)]
    protocol = one_protocol(result.numbers)
    assert (protocol.setting, protocol.statistic, protocol.selection) == ("inductive zero-shot", "mean", "none")
    assert newest([result], NAME, "ridge").low == 0.45
    assert newest([result], NAME, "cosine") is None


def test_what_reproduce_writes_is_a_result(tmp_path):
    row = ReproducedRow(benchmark_named("ntu-60-synse-55-5"), 55, 5, (100,), (20,), (0.8, 0.9), (0.7, 0.8), 0.5)
    write_row(row, tmp_path)
    with_command(tmp_path / "ntu-60-synse-55-5.json")
    tdsm, ridge = load_results(tmp_path)[0].numbers
    assert (tdsm.benchmark, tdsm.mean, tdsm.seeds, tdsm.chance) == ("ntu-60-synse-55-5", pytest.approx(0.85), 2, 0.2)
    assert tdsm.std == pytest.approx(np.std([0.8, 0.9], ddof=1))
    assert (ridge.mean, ridge.seeds, ridge.std, ridge.protocol.statistic) == (0.5, 1, None, "single")


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_written_result_comes_back(tmp_path, suffix):
    rows = values()["rows"] + [{"benchmark": NAME, "variant": {"diffusion.timesteps": 10}, "tdsm": {"seeds": 5, "mean": 0.7}}]
    arrays = {"top1": np.arange(6.0).reshape(2, 3)} if suffix == ".npz" else {}
    write_result(tmp_path / f"mine{suffix}", rows, command="python it.py --seeds 5", protocol=PROTOCOL, arrays=arrays)
    (result,) = load_results(tmp_path)
    assert result.command == "python it.py --seeds 5"
    assert newest([result], NAME, "tdsm").mean == 0.6
    assert newest([result], NAME, "tdsm", {"diffusion.timesteps": 10}).mean == 0.7
    assert newest([result], NAME, "tdsm", {"diffusion.timesteps": 11}) is None
    assert set(result.arrays) == set(arrays)
    assert all(np.array_equal(result.arrays[name], array) for name, array in arrays.items())


def test_arrays_alone_are_a_result_but_not_without_a_protocol(tmp_path):
    write_result(tmp_path / "a.npz", [], command="c", protocol=PROTOCOL, arrays={"x": np.ones(2)})
    assert load_results(tmp_path)[0].numbers == ()
    with pytest.raises(InputError, match='does not say its setting; add "setting"'):
        write_result(tmp_path / "b.npz", [], command="c", protocol={}, arrays={"x": np.ones(2)})


def test_the_newest_file_counts_not_the_best(tmp_path):
    saved(tmp_path, "new.json", environment={"date": "2026-12-01T00:00:00+02:00"}, tdsm={"seeds": 5, "mean": 0.55})
    found = saved(tmp_path, "old.json", environment={"date": "2026-11-23"}, tdsm={"seeds": 5, "mean": 0.65})
    assert newest(found, NAME, "tdsm").mean == 0.55


@pytest.mark.parametrize(
    ("field", "other", "why"),
    [
        ("protocol", PROTOCOL | {"setting": "transductive zero-shot"}, "'inductive zero-shot'.*'transductive zero-shot'"),
        ("protocol", PROTOCOL | {"setting": "inductive generalised zero-shot"}, "generalised"),
        ("protocol", PROTOCOL | {"statistic": "best"}, "statistic 'mean' of a.json .* 'best' of b.json"),
        ("protocol", PROTOCOL | {"selection": "test clips: the best epoch"}, "'none'.*'test clips'"),
        ("protocol", PROTOCOL | {"partition": "official: its parts"}, "partition"),
        ("tdsm", {"seeds": 1, "mean": 0.5, "std": 0.0}, "'mean'.*'single'"),
    ],
)
def test_protocols_do_not_mix(tmp_path, field, other, why):
    saved(tmp_path, "a.json")
    numbers = [number for result in saved(tmp_path, "b.json", **{field: other}) for number in result.numbers]
    for combine in (one_protocol, average):
        with pytest.raises(InputError, match=why):
            combine(numbers)
        combine(numbers[:1])
        combine(numbers[1:])


def test_numbers_of_one_protocol_do(tmp_path):
    saved(tmp_path, "a.json")
    longer = PROTOCOL | {"selection": "none: in other words"}
    numbers = [number for result in saved(tmp_path, "b.json", protocol=longer, tdsm={"seeds": 10, "mean": 0.7}) for number in result.numbers]
    assert average(numbers) == pytest.approx(0.65)


def test_published_numbers_are_marked_and_never_averaged_with_ours(tmp_path):
    theirs = published(benchmark_named(NAME))
    assert {number.method: round(100 * number.mean, 2) for number in theirs}["PURLS"] == 75.84
    assert {number.file for number in theirs} == {"published"}
    with pytest.raises(InputError, match="'published'"):
        average([*theirs, *saved(tmp_path)[0].numbers])
    with pytest.raises(InputError, match="no number"):
        average([])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"environment": {"command": None}}, 'does not say its command; add "command"'),
        ({"environment": {"commit": ""}}, "does not say its commit"),
        ({"environment": {"hardware": 3}}, "does not say its hardware"),
        ({"environment": {"date": "yesterday"}}, "date is 'yesterday'"),
        ({"protocol": {"setting": "inductive", "partition": "all"}}, "does not say its selection"),
        ({"protocol": PROTOCOL | {"setting": "zero-shot"}}, "begin it with inductive or transductive"),
        ({"protocol": PROTOCOL | {"statistic": "median"}}, "statistic is 'median'"),
        ({"tdsm": {"seeds": 5, "mean": 60.0}}, "mean of tdsm on nw-ucla-purls-8-2 is 60.0; give a share"),
        ({"tdsm": {"seeds": 5, "mean": float("nan")}}, "NaN is not a number"),
        ({"tdsm": {"seeds": 0, "mean": 0.5}}, "seeds of tdsm"),
        ({"tdsm": 0.5}, "not a result file"),
        ({"benchmark": None}, "benchmark None is no name"),
    ],
)
def test_a_file_that_does_not_say_enough_is_one_clear_line(tmp_path, changes, why):
    with pytest.raises(InputError, match=why) as caught:
        saved(tmp_path, "wrong.json", **changes)
    assert "wrong.json" in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"{}"])
@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_damaged_file_is_one_clear_line(tmp_path, content, suffix):
    (tmp_path / f"bad{suffix}").write_bytes(content)
    with pytest.raises(InputError, match="bad"):
        load_results(tmp_path)


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "bad.npz", about=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"not a readable \.npz of plain arrays"):
        load_results(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        load_results(tmp_path / "nowhere")


def test_the_table_says_what_made_each_number(tmp_path):
    saved(tmp_path, "a.json", variant={"diffusion.timesteps": 10})
    text = results_table(saved(tmp_path, "b.json", tdsm={"seeds": 1, "mean": 0.5}))
    assert "| nw-ucla-purls-8-2 | tdsm | diffusion.timesteps=10 | 60.0 ± 10.0 | 5 | inductive zero-shot, mean, selection: none | a.json |" in text
    assert "| nw-ucla-purls-8-2 | tdsm |  | 50.0 | 1 | inductive zero-shot, single, selection: none | b.json |" in text
    assert "| a.json | `tdsm evaluate nw_ucla.zip` | abc | 2026-11-23 | CPU, 2 cores |" in text
