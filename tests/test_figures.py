"""Figures are drawn from result files alone, the same bytes every time, and say what is published, what is ours and what was not run."""

import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.style
import numpy as np
import pytest
from PIL import Image
from standins import TINY_CLASSIFIER

from tdsm.catalogue.rows import benchmark_named
from tdsm.config import override
from tdsm.data.prompts import load_prompts
from tdsm.data.synthetic import SEEN, UNSEEN, synthetic_clips
from tdsm.evaluate import PROTOCOL, zero_shot_report
from tdsm.experiments.results import load_results, write_result
from tdsm.train import train_recognizer
from tdsm.util.errors import InputError
from tdsm.viz import style

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "figures"
PICTURES = [
    f"{name}.{kind}"
    for name in ("ablations", "pipeline", "strips", "t_test", "triplet", "umap", "never_met", "unseen_classes", "scale")
    for kind in ("pdf", "png")
]
TABLES = [f"table_{name}.{kind}" for name in ("1", "2", "ablations", "small_sets") for kind in ("md", "tex")]


@pytest.fixture
def figure(monkeypatch):
    """A script of figures/ as a module, by name."""
    monkeypatch.syspath_prepend(str(FIGURES))
    return importlib.import_module


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """All figures, drawn twice side by side by processes whose hashes of strings differ."""
    folders = [tmp_path_factory.mktemp(f"drawn{seed}") for seed in (1, 2)]
    calls = [
        subprocess.Popen([sys.executable, FIGURES / "all.py", "--out", folder], env=os.environ | {"PYTHONHASHSEED": str(seed)}, stdout=subprocess.DEVNULL)
        for seed, folder in enumerate(folders, 1)
    ]
    assert [call.wait() for call in calls] == [0, 0]
    return folders


def numbers(folder, name, **rows):
    """A result file of NTU RGB+D: benchmark -> (mean, seeds)."""
    made = [{"benchmark": row.replace("_", "-"), "tdsm": {"seeds": seeds, "mean": mean, "std": 0.05}} for row, (mean, seeds) in rows.items()]
    write_result(folder / name, made, command="tdsm reproduce ...", protocol=PROTOCOL, arrays={})
    return load_results(folder)


@pytest.mark.slow
def test_two_runs_draw_the_same_bytes(drawn):
    digests = [{path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} for folder in drawn]
    assert digests[0] == digests[1]
    assert set(digests[0]) == {*PICTURES, *TABLES}


@pytest.mark.slow
def test_pictures_hold_neither_date_nor_software_and_are_small(drawn):
    for name in PICTURES:
        content = (drawn[0] / name).read_bytes()
        assert content.startswith({"pdf": b"%PDF", "png": b"\x89PNG"}[name[-3:]])
        assert not any(word in content for word in (b"CreationDate", b"atplotlib", b"Software"))
    assert sum(path.stat().st_size for path in drawn[0].iterdir()) < 1_500_000


def test_every_figure_is_committed_and_all_of_them_are_small():
    committed = {path.name for path in (FIGURES / "out").iterdir()}
    assert {*PICTURES, *TABLES} <= committed
    assert sum(path.stat().st_size for path in (FIGURES / "out").iterdir()) < 3_000_000


@pytest.mark.slow
def test_committed_tables_are_those_of_the_committed_results(drawn):
    for name in TABLES:
        assert (FIGURES / "out" / name).read_text() == (drawn[0] / name).read_text(), f"{name}: run make figures"


def test_the_style_has_the_colours_of_the_package():
    with matplotlib.style.context(["default", FIGURES / "style.mplstyle"]):
        cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
        assert [f"#{colour.lstrip('#')}" for colour in cycle] == list(style.COLOURS)
        assert f"#{matplotlib.rcParams['text.color'].lstrip('#')}" == style.TEXT


def test_what_the_paper_prints_twice_is_the_same(figure):
    paper = figure("paper")
    printed = tuple(benchmark_named(name).published["TDSM"] for name in paper.ABLATION_COLUMNS)
    assert paper.LOSSES["both"] == paper.TIMESTEPS[50] == printed
    rows = [*paper.TABLE_1, *(name for names in paper.TABLE_2.values() for name in names)]
    assert {benchmark_named(name).table for name in rows} == {"Table 1", "Table 2"}


def test_without_results_tables_say_not_run_and_pictures_what_to_do(figure, tmp_path):
    (tmp_path / "results").mkdir()
    tables, found = figure("tables"), load_results(tmp_path / "results")
    tables.draw(found, tmp_path)
    text = (tmp_path / "table_1.md").read_text()
    assert "| TDSM | 86.49 | 56.03 | 36.09 | 25.88 | 74.15 | 65.06 | 36.95 | 27.21 |" in text
    assert "| SMIE | 77.98 | 40.18 | – | – | 65.74 | 45.30 | – | – |" in text
    assert "| TDSM, this package |" + " not run |" * 8 in text
    with pytest.raises(InputError, match=r"python benchmarks/ablations\.py"):
        figure("strips").draw(found, tmp_path)


def test_a_new_result_fills_its_cell_and_names_its_file(figure, tmp_path):
    found = numbers(tmp_path, "mine.json", ntu_60_synse_55_5=(0.815, 5))
    table = figure("tables").table_1(found)
    assert "| TDSM, this package | 81.5 ± 5.0 (5) |" + " not run |" * 7 in table.markdown()
    assert "results/mine.json: commit " in table.markdown()
    assert r"TDSM, this package & 81.5 $\pm$ 5.0 (5) & not run" in table.latex()
    assert "& 86.49 &" in table.latex()


def test_a_row_of_two_protocols_is_refused(figure, tmp_path):
    numbers(tmp_path, "mean.json", ntu_60_synse_55_5=(0.8, 5))
    found = numbers(tmp_path, "once.json", ntu_60_synse_48_12=(0.9, 1))
    with pytest.raises(InputError, match=r"'mean' of mean\.json .* 'single' of once\.json"):
        figure("tables").table_1(found)


def test_names_are_escaped_for_latex(figure):
    assert figure("tables")._escaped("50 % of z_g & L_diff ± a_b, λ –") == r"50 \% of $z_{\mathrm{g}}$ \& $L_{\mathrm{diff}}$ $\pm$ a\_b, $\lambda$ --"


def test_the_band_spans_the_noises_and_the_line_lies_within(figure, tmp_path):
    top1 = np.linspace(0.2, 0.6, 2 * 3 * 4).reshape(2, 3, 4)
    arrays = {"top1": top1, "together": top1.mean(axis=2), "steps": np.array([5, 25, 45])}
    write_result(tmp_path / "t_test_demo.npz", [], command="c", protocol=PROTOCOL, arrays=arrays)
    _, ax = style.new_axes(None, 3.0, 3.0)
    figure("t_test").ours(ax, load_results(tmp_path)[0])
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(100 * top1.min(axis=2).mean(axis=0)[0])
    assert band[:, 1].max() == pytest.approx(100 * top1.max(axis=2).mean(axis=0)[-1])
    assert ax.lines[0].get_ydata() == pytest.approx(100 * top1.mean(axis=(0, 2)))


def test_a_gain_of_the_triplet_loss_is_the_mean_of_the_differences_of_seeds(figure, tmp_path):
    names = [{}, {"diffusion.triplet_weight": 0.0}, {"diffusion.margin": 0.1}]
    arrays = {"top1_variants": np.array([[0.5, 0.6, 0.7], [0.6, 0.8, 0.6]]), "variants": np.array(list(map(str, names)))}
    write_result(tmp_path / "t_test_x.npz", [], command="c", protocol=PROTOCOL, arrays=arrays)
    _, ax = style.new_axes(None, 3.0, 3.0)
    figure("triplet").ours(ax, 4, load_results(tmp_path)[0])
    gains = {bars.get_label(): bars.lines[0].get_xdata()[0] for bars in ax.containers}
    assert gains == pytest.approx({"margin 1 (the paper's)": -15.0, "margin 0.1": -5.0})


def test_a_palette_changes_no_colour(figure, tmp_path):
    figure_of, ax = style.new_axes(None, 3.0, 3.0)
    for index, colour in enumerate(style.CLASSES):
        ax.bar(index, 1, width=1.0, color=colour, linewidth=0)
    common = figure("common")
    paths = common.save(figure_of, tmp_path, "colours")
    assert [path.name for path in paths] == ["colours.pdf", "colours.png"]
    seen = {color[1] for color in Image.open(paths[1]).convert("RGB").getcolors(10_000)}
    for colour in style.CLASSES:
        wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
        assert min(np.abs(np.array(each) - wanted).max() for each in seen) <= 3


def test_a_denoiser_trained_alone_is_that_of_the_whole_way_and_test_steps_are_told_apart(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    made = importlib.import_module("ablations")
    train, test = synthetic_clips(3, seed=0, actions=SEEN[:4]), synthetic_clips(4, seed=0, actions=UNSEEN[:3])
    config = override(TINY_CLASSIFIER, {"train.steps": 30})
    base = train_recognizer(train, config, descriptions=load_prompts("synthetic"))
    scores = zero_shot_report(base, test).scores
    np.testing.assert_allclose(zero_shot_report(made.with_denoiser(base, train, config, 0), test).scores, scores, rtol=1e-4)
    shorter = override(config, {"diffusion.timesteps": 10, "diffusion.test_step": 5})
    assert not np.allclose(zero_shot_report(made.with_denoiser(base, train, shorter, 0), test).scores, scores)
    alone, together = made.by_test_step(base, test)
    assert alone.shape == (9, config.diffusion.noises)
    assert together[list(made.STEPS).index(config.diffusion.test_step)] == zero_shot_report(base, test).top1
    assert base.matcher.diffusion == config.diffusion
    shown = made.strips(base, test)
    assert shown["strip_joints"].shape == (3, made.FRAMES, 25, 3)
    assert np.array_equal(shown["strip_joints"][0, 0], test[int(np.flatnonzero(test.y == 0)[0])].joints[0, 0].astype(np.float32))
    assert np.array_equal(shown["strip_scores"][0], scores[int(np.flatnonzero(test.y == 0)[0])])
