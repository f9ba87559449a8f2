"""Trained encoders on disk, and the refusal of encoders that saw what is to be unseen."""

import pickle
from dataclasses import replace

import pytest
import torch

from tdsm.backbones.encoder_files import load_encoder, refuse_leak, save_encoder
from tdsm.backbones.nets import build_encoder
from tdsm.config import EncoderConfig, PreprocessConfig
from tdsm.data.layouts import KINECT_20, NTU_25
from tdsm.util.errors import InputError
from tdsm.util.weights import load_tensors, load_weights, save_tensors, save_weights

CLASSES = ("reading", "writing", "sit down")
CONFIG = EncoderConfig(width=4, features=8)
PREPROCESS = PreprocessConfig(frames=12, bodies=2)


def trained(config=CONFIG, layout=KINECT_20):
    torch.manual_seed(0)
    encoder = build_encoder(config, layout, PREPROCESS.bodies, len(CLASSES))
    encoder(torch.randn(4, 2, 12, len(layout), layout.dims))  # running statistics that are not those of a new encoder
    return encoder.eval()


def saved(folder, encoder=None):
    return save_encoder(folder / "e.safetensors", encoder or trained(), CONFIG, PREPROCESS, KINECT_20, "utd-mhad", list(CLASSES))


@pytest.mark.parametrize("kind", ["shift-gcn", "st-gcn"])
@pytest.mark.parametrize("layout", [KINECT_20, NTU_25], ids=lambda layout: layout.name)
def test_an_encoder_comes_back_with_its_bits_and_all_that_is_known_of_it(tmp_path, kind, layout):
    config = replace(CONFIG, kind=kind, lr=0.125)
    encoder = trained(config, layout)
    path = save_encoder(tmp_path / "deep" / "e.safetensors", encoder, config, PREPROCESS, layout, "ntu-60", CLASSES)
    again, about = load_encoder(path)
    assert (about.config, about.preprocess, about.layout, about.dataset, about.classes) == (config, PREPROCESS, layout, "ntu-60", CLASSES)
    x = torch.randn(3, 2, 12, len(layout), layout.dims)
    assert not again.training
    assert torch.equal(again.pool(x), encoder.pool(x)) and torch.equal(again(x), encoder(x))


def test_the_same_encoder_gives_the_same_bytes(tmp_path):
    first = saved(tmp_path).read_bytes()
    encoder, about = load_encoder(tmp_path / "e.safetensors")
    again = save_encoder(tmp_path / "f.safetensors", encoder, about.config, about.preprocess, about.layout, about.dataset, about.classes)
    assert again.read_bytes() == first
    assert sorted(file.name for file in tmp_path.iterdir()) == ["e.safetensors", "f.safetensors"]


@pytest.mark.parametrize("length", [0, 4, 100, 2000, -1])
def test_a_file_cut_off_is_refused(tmp_path, length):
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_encoder(path)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_a_pickle_is_refused_and_not_executed(tmp_path):
    path = tmp_path / "e.pt"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match=r"e\.pt: not a readable safetensors file.*\.pt\) are not accepted"):
        load_encoder(path)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_encoder(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="is a folder"):
        load_encoder(tmp_path)


def rewrite(path, change):
    """The file with another description and a fitting checksum."""
    tensors, values = load_tensors(path)
    return save_tensors(path, tensors, change(values) or values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values["encoder"].update(width=8), r"is \(.*but the settings need"),
        (lambda values: values["encoder"].update(width=10**7), r"is \(.*but the settings need"),  # 400 TB, if it were made
        (lambda values: values["encoder"].update(width=10**10), "sizes that no encoder can have"),
        (lambda values: values["encoder"].update(features=10**30), "sizes that no encoder can have"),
        (lambda values: values["encoder"].update(kind="st-gcn"), "but the settings need"),
        (lambda values: values["classes"].append("running"), r"head\.bias is \(3,\), but the settings need \(4,\)"),
        (lambda values: values.update(layout="ntu-25"), "but the settings need"),
        (lambda values: values.update(layout="octopus"), "description of the encoder is damaged.*octopus"),
        (lambda values: values.__delitem__("dataset"), "description of the encoder is damaged.*dataset"),
        (lambda values: values.update(classes="abc"), "description of the encoder is damaged"),
        (lambda values: values.update(classes=[1, 2, 3]), "description of the encoder is damaged"),
        (lambda values: values.update(encoder=[]), "EncoderConfig"),
        (lambda values: values["encoder"].update(colour="red"), "unknown key 'colour'"),
        (lambda values: values["encoder"].update(width=-1), "width is -1"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(tmp_path, change, message):
    path = rewrite(saved(tmp_path), change)
    with pytest.raises(InputError, match=message) as error:
        load_encoder(path)
    assert str(error.value).startswith(f"{path}: ")


def test_weights_alone_are_no_encoder_file(tmp_path):
    encoder = trained()
    save_weights(encoder, tmp_path / "encoder.safetensors")
    with pytest.raises(InputError, match="does not say what encoder it holds"):
        load_encoder(tmp_path / "encoder.safetensors")
    other = build_encoder(CONFIG, KINECT_20, PREPROCESS.bodies, len(CLASSES))
    load_weights(other, tmp_path / "encoder.safetensors")
    wanted = encoder.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items())


def test_weights_that_are_not_finite_are_neither_written_nor_read(tmp_path):
    path = saved(tmp_path)
    before = path.read_bytes()
    encoder = trained()
    encoder.head.bias.data[1] = torch.nan
    with pytest.raises(InputError, match=r"head\.bias is NaN"):
        saved(tmp_path, encoder)
    assert path.read_bytes() == before
    save_weights(encoder, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"head\.bias is NaN"):
        load_weights(trained(), tmp_path / "w.safetensors")


def test_an_encoder_is_not_saved_under_a_description_of_another(tmp_path):
    with pytest.raises(InputError, match="but the settings need"):
        save_encoder(tmp_path / "e.safetensors", trained(), replace(CONFIG, width=8), PREPROCESS, KINECT_20, "utd-mhad", CLASSES)
    with pytest.raises(InputError, match=r"head\.bias"):
        save_encoder(tmp_path / "e.safetensors", trained(), CONFIG, PREPROCESS, KINECT_20, "utd-mhad", CLASSES[:2])
    assert not list(tmp_path.iterdir())


def test_an_encoder_that_saw_an_unseen_class_is_refused():
    refuse_leak(CLASSES, ("running", "jump up"), "e.safetensors")
    refuse_leak(CLASSES, ("Reading",), "e.safetensors")  # names are compared exactly
    refuse_leak((), CLASSES, "e.safetensors")
    with pytest.raises(InputError, match=r"e\.safetensors: its encoder was trained on 'writing', which is to be unseen"):
        refuse_leak(CLASSES, ("running", "writing"), "e.safetensors")
    with pytest.raises(InputError, match="'sit down' and 1 more"):
        refuse_leak(CLASSES, ("sit down", "reading"), "e.safetensors")
