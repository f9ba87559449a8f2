"""Settings: the recommended recipe and its variants, differences from a named base, single settings on the command line, refusal of what cannot be."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

import tdsm
from tdsm.cli.options import config_of
from tdsm.config import (
    PRESETS,
    SD21,
    AlignConfig,
    Config,
    DiffusionConfig,
    EncoderConfig,
    ModelConfig,
    TextConfig,
    TrainConfig,
    demo,
    override,
    paper,
    preset,
    setting_names,
)
from tdsm.util.errors import InputError

PACKAGE = Path(tdsm.__file__).parent


# Presets


def test_the_bare_config_is_the_recommended_recipe():
    config = Config()
    assert preset("recommended") == config == Config.from_json("{}")
    assert (config.backbone, config.encoder.kind, config.align.pairs, config.align.guess) == ("aligned", "tcn", 20_000, 0.5)
    assert (config.model.stream, config.model.width, config.model.depth, config.model.prior) == ("cached", 128, 2, True)
    diffusion = config.diffusion
    assert (diffusion.schedule, diffusion.target, diffusion.margin, diffusion.noises, diffusion.near) == ("cosine", "sample", 0.3, 4, 0.9)
    assert (config.train.steps, config.train.batch, config.train.lr, config.train.warmup) == (100, 96, 1e-3, 30)


def test_the_paper_preset_holds_the_published_settings():
    config = paper()
    assert config.backbone == "classifier"
    assert (config.model.width, config.model.depth, config.model.heads, config.model.stream, config.model.prior) == (768, 12, 12, "joint", False)
    assert (config.train.steps, config.train.batch, config.train.lr, config.train.weight_decay, config.train.warmup) == (50_000, 256, 1e-4, 0.01, 100)
    diffusion = config.diffusion
    assert (diffusion.timesteps, diffusion.test_step, diffusion.triplet_weight, diffusion.margin) == (50, 25, 1.0, 1.0)
    assert (diffusion.schedule, diffusion.target, diffusion.scale_features, diffusion.near) == ("mild", "epsilon", False, 1.0)
    assert config.text == SD21
    assert (config.text.tokens, config.text.mask_padding) == (35, False)
    assert (config.encoder.kind, config.encoder.width, config.encoder.features, config.preprocess.frames, config.preprocess.bodies) == (
        "shift-gcn", 64, 256, 300, 2,
    )  # fmt: skip
    assert (paper("st-gcn").encoder.kind, paper("st-gcn").preprocess.frames) == ("st-gcn", 100)


def test_the_demo_is_the_papers_recipe_in_small():
    config = demo()
    assert (config.backbone, config.diffusion.schedule, config.diffusion.target, config.model.stream) == ("classifier", "mild", "epsilon", "cached")
    assert (demo(4).train.steps, demo(4).encoder.steps) == (4 * config.train.steps, 4 * config.encoder.steps)


@pytest.mark.parametrize("config", [Config(), demo(), paper(), paper("st-gcn"), demo(4)])
def test_presets_go_to_json_and_back(config):
    assert Config.from_json(config.to_json()) == config


def test_an_unknown_preset_is_refused():
    with pytest.raises(InputError, match="no preset 'best'; choose recommended, tuned, paper, demo"):
        preset("best")


def test_every_setting_is_read_somewhere():
    text = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "config.py")
    unread = [name for name in setting_names() if not re.search(rf"\.{name.split('.')[-1]}\b", text)]
    assert unread == []


# JSON


def test_a_partial_file_is_a_difference_from_the_recommended_recipe():
    assert Config.from_json('{"train": {"precision": "bf16"}}') == dataclasses.replace(Config(), train=TrainConfig(precision="bf16"))


@pytest.mark.parametrize("base", PRESETS)
def test_a_partial_file_may_name_its_base(base):
    config = Config.from_json(json.dumps({"base": base, "encoder": {"width": 8}, "train": {"steps": 3, "save_every": 1}}))
    assert config == override(PRESETS[base](), {"encoder.width": 8, "train.steps": 3, "train.save_every": 1})


def test_a_whole_file_means_the_same_under_every_base():
    whole = json.loads(paper().to_json())
    assert {Config.from_json(json.dumps({"base": base} | whole)) for base in PRESETS} == {paper()}


@pytest.mark.parametrize(("change", "says"), [
    ({"modle": {}}, "mine.json: unknown key 'modle' for Config; known keys: backbone, preprocess, encoder"),
    ({"model": {"widht": 3}}, "mine.json: model: unknown key 'widht' for ModelConfig"),
    ({"model": {"width": "wide"}}, "mine.json: model: width: 'wide' is not int"),
    ({"model": {"width": True}}, "True is not int"),
    ({"model": {"width": 2.5}}, "2.5 is not int"),
    ({"model": {"width": 10**30}}, "is not int"),
    ({"model": {"prior": 1}}, "1 is not bool"),
    ({"model": {"stream": "both"}}, "'both' is not 'joint' or 'cached'"),
    ({"model": {"stream": ["joint"]}}, "is not 'joint' or 'cached'"),
    ({"model": {"width": 10, "heads": 4}}, "width is 10; give a multiple of heads"),
    ({"diffusion": {"test_step": 50}}, "test_step is 50"),
    ({"diffusion": {"margin": None}}, "None is not float"),
    ({"train": 3}, "mine.json: train: 3 is not an object"),
    ({"train": None}, "None is not an object"),
    ({"backbone": "best"}, "'best' is not 'aligned' or 'classifier'"),
    ({"backbone": "classifier"}, "model.prior is True; set it to false: it needs backbone aligned"),
    ({"base": "best"}, "mine.json: base is 'best'; choose recommended, tuned, paper, demo"),
    ({"base": ["paper"]}, "base is"),
    ({"base": None}, "base is None"),
    ([1], "mine.json: holds list, not an object"),
])  # fmt: skip
def test_a_file_that_does_not_fit_is_one_line(change, says):
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        Config.from_json(json.dumps(change), "mine.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [
    "", "{", "[" * 100_000, '{"train": {"lr": NaN}}', '{"train": {"lr": 1e999}}', '{"train": {"lr": -Infinity}}', '{"train": {}, "train": {"steps": 3}}',
    '{"text": {"repo": "\\ud800"}}', '{"train": {"steps": ' + "9" * 5000 + "}}",
])  # fmt: skip
def test_what_is_no_strict_json_is_one_line(text):
    with pytest.raises(InputError, match=r"mine\.json") as caught:
        Config.from_json(text, "mine.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: EncoderConfig(width=0),
        lambda: EncoderConfig(kind="mlp"),
        lambda: AlignConfig(pairs=1),
        lambda: AlignConfig(guess=1.0),
        lambda: TextConfig(tokens=2),
        lambda: DiffusionConfig(timesteps=0),
        lambda: DiffusionConfig(noises=0),
        lambda: TrainConfig(steps=-1),
        lambda: Config(train=TrainConfig(steps=0), diffusion=DiffusionConfig(target="epsilon")),
        lambda: TrainConfig(lr=-1.0),
        lambda: ModelConfig(heads=5),
        lambda: Config(backbone="classifier"),
        lambda: paper("tcn"),
    ],
)
def test_settings_check_themselves_when_constructed(make):
    with pytest.raises((InputError, TypeError)):  # a wrong word is found by the checker of annotations first
        make()


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().model.width = 3  # type: ignore[misc]


# Single settings


def test_every_setting_can_be_replaced_by_its_dotted_name():
    def at(config, name):
        for part in name.split("."):
            config = getattr(config, part)
        return config

    for name in setting_names():
        other = at(paper(), name)
        if name not in ("backbone", "model.prior", "model.width", "model.heads"):  # these depend on each other
            assert at(override(Config(), {name: other}), name) == other
    whole = {name: at(paper(), name) for name in setting_names()}
    assert override(Config(), whole) == paper()
    assert override(Config(), {}) == Config()


@pytest.mark.parametrize(("settings", "says"), [
    ({"steps": 3}, "settings: no setting 'steps'; choose among: encoder.steps, align.steps, train.steps"),
    ({"train.step": 3}, "settings: no setting 'train.step'; choose among: train.steps"),
    ({"train": {"steps": 3}}, "settings: no setting 'train'"),
    ({"train.steps": "many"}, "settings: train: steps: 'many' is not int"),
    ({"train.steps": -1}, "steps is -1; give 0 or more"),
    ({"train.steps": 0, "model.prior": False}, "train.steps is 0; give 1 or more; 0 needs model.prior"),
    ({"backbone": "classifier"}, "model.prior is True"),
])  # fmt: skip
def test_a_setting_that_cannot_be_is_one_line(settings, says):
    with pytest.raises(InputError, match=re.escape(says)):
        override(Config(), settings)


def test_the_command_line_sets_numbers_words_and_switches():
    given = ["train.steps=3", "train.lr=1e-4", "train.precision=bf16", " model.prior = false", "encoder.kind=shift-gcn", "train.steps=4", "text.revision=null"]
    config = config_of("recommended", given)
    assert config == override(
        Config(), {"train.steps": 4, "train.lr": 1e-4, "train.precision": "bf16", "model.prior": False, "encoder.kind": "shift-gcn", "text.revision": None}
    )
    assert config_of("demo", None) == demo()
    assert config_of("demo", ["backbone=aligned", "model.prior=true"]).model.prior
    assert config_of("paper", [], paper("st-gcn")) == paper("st-gcn")


def test_the_command_line_takes_a_file_as_preset(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"base": "demo", "train": {"steps": 3}}')
    assert config_of(str(path), ["encoder.steps=2"]) == override(demo(), {"train.steps": 3, "encoder.steps": 2})


@pytest.mark.parametrize(("given", "says"), [
    (["train.steps"], "--set: 'train.steps' has no =; give NAME=VALUE, such as train.precision=bf16"),
    (["train.steps=many"], "--set: train: steps: 'many' is not int"),
    (["train.steps=NaN"], "--set: train: steps: 'NaN' is not int"),
    (["train.lr=NaN"], "--set: train: lr: 'NaN' is not float"),
    (["train.steps="], "--set: train: steps: '' is not int"),
    (["precision=bf16"], "--set: no setting 'precision'; choose among: train.precision"),
    (["=3"], "--set: no setting ''"),
])  # fmt: skip
def test_a_setting_on_the_command_line_that_cannot_be_is_one_line(given, says):
    with pytest.raises(InputError, match=re.escape(says)):
        config_of("recommended", given)
