"""Result files: each says what made it and under which protocol, and numbers of different protocols do not mix."""

import json

import numpy as np
import pytest
from standins import TINY_CLASSIFIER, kinect_set, scored

from tdsm.catalogue.rows import benchmark_named
from tdsm.data.prompts import load_prompts
from tdsm.evaluate import PROTOCOL
from tdsm.experiments.cells import Source, cells_of
from tdsm.experiments.results import average, load_results, newest, one_protocol, published, results_table, write_result
from tdsm.experiments.table import lines_of, write_tables
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


def table_of(folder, shares, name="table", **others):
    """What `tdsm evaluate` or `tdsm study` writes of these accuracies, a seed each."""
    source = Source(kinect_set("nw-ucla", load_prompts("nw-ucla"), 1))
    cells = cells_of(benchmark_named(NAME), source, TINY_CLASSIFIER, seeds=len(shares), **others)
    write_tables(lines_of([scored(cell, share, 10.0) for cell, share in zip(cells, shares, strict=True)]), folder, name)
    with_command(folder / f"{name}.json")
    (result,) = load_results(folder)
    return result


def test_the_table_of_a_run_is_a_result(tmp_path):
    result = table_of(tmp_path, [0.55, 0.65], NAME)
    assert [(number.method, number.mean, number.seeds) for number in result.numbers] == [("tdsm", pytest.approx(0.6), 2), ("ridge", pytest.approx(0.6), 2)]
    assert result.numbers[0].std == pytest.approx(np.std([0.55, 0.65], ddof=1))
    protocol = one_protocol(result.numbers)
    assert (protocol.setting, protocol.statistic, protocol.selection) == ("inductive zero-shot", "mean", "none")
    assert newest([result], NAME, "ridge").low == pytest.approx(0.6)
    assert newest([result], NAME, "cosine") is None


def test_of_one_seed_there_is_no_spread(tmp_path):
    result = table_of(tmp_path, [0.55])
    assert (result.numbers[0].std, result.numbers[0].protocol.statistic) == (None, "single")


def test_a_setting_of_a_study_is_a_variant_and_pseudo_unseen_classes_are_another_protocol(tmp_path):
    result = table_of(tmp_path / "a", [0.5, 0.6], part="pseudo", draws=1, setting={"train.steps": 3})
    assert newest([result], NAME, "tdsm") is None
    number = newest([result], NAME, "tdsm", {"train.steps": 3})
    with pytest.raises(InputError, match="partition"):
        one_protocol([number, table_of(tmp_path / "b", [0.5, 0.6]).numbers[0]])


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
        ({"benchmark": None}, "benchmark None is not a name"),
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
