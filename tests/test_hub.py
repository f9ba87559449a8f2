"""Files of the Hub: what is here is taken as it is, what is not is asked for by its id, and what cannot be had gets one line."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from tdsm.util.errors import InputError
from tdsm.util.hub import hub_folder

NOT_AVAILABLE = "^owner/name: neither a local folder nor available from the Hub "
FILES = ("recognizer.json", "weights.safetensors")


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What the Hub is asked for; it has everything, in the folder "snapshot"."""
    calls = []

    def download(repo_id, allow_patterns):
        calls.append((repo_id, allow_patterns))
        return str(tmp_path / "snapshot")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return calls


def refused(monkeypatch, error):
    def download(*_, **__):
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)


def test_an_id_is_asked_for_with_the_named_files_and_nothing_else(asked, tmp_path):
    assert hub_folder("owner/name", FILES) == tmp_path / "snapshot"
    assert asked == [("owner/name", list(FILES))]


def test_a_local_folder_of_two_names_is_no_id(asked, tmp_path, monkeypatch):
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert hub_folder("owner/name", FILES) == Path("owner/name")
    assert hub_folder(str(tmp_path), FILES) == tmp_path
    assert asked == []


def test_a_path_is_never_asked_for_even_where_nothing_is(asked):
    assert hub_folder(Path("owner/name"), FILES) == Path("owner/name")
    assert asked == []


@pytest.mark.parametrize("place", ["model", "runs/my/model", "./model", "../model", "/nowhere", "~/model"])
def test_what_can_be_no_id_is_a_path(asked, place):
    assert hub_folder(place, FILES) == Path(place)
    assert asked == []


@pytest.mark.parametrize("place", ["owner/", "runs/my model", "runs/..", "a--b/c", "-runs/model"])
def test_what_the_hub_takes_for_no_id_is_a_path(place):
    """Asked of the Hub's own client, which looks at the id before it goes anywhere."""
    assert hub_folder(place, FILES) == Path(place)


def test_without_a_network_an_id_gets_one_line(monkeypatch, tmp_path):
    """The Hub's own client, told that there is no network."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=NOT_AVAILABLE + r"\(.+\); check the path, the id and the network$") as raised:
        hub_folder("owner/name", FILES)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError("no route\nand more lines"), "no route"),
        (OSError("\n401 Client Error.\n\nRepository Not Found"), "401 Client Error."),
        (ValueError("no such revision"), "no such revision"),
        (ConnectionResetError(), "ConnectionResetError"),
        (OSError("x" * 400), "x{150}"),
    ],
)
def test_whatever_the_hub_answers_becomes_one_line(monkeypatch, error, reason):
    refused(monkeypatch, error)
    with pytest.raises(InputError, match=NOT_AVAILABLE + rf"\({reason}\); check the path") as raised:
        hub_folder("owner/name", FILES)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is error
