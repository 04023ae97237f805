"""Students are loaded as sentence-transformers encodes, or refused; a head is a linear map."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from index.errors import CueframeError
from index.models.encoder import Encoder
from index.models.sentence_model import SentenceModel, load_sentence_model
from index.models.student import load_student, with_head
from tests.distilled_models import WIDTH, head, make_bert, make_xlm
from tests.model_families import xlm_tokens
from tests.sentence_models import QUERY, make, transformers_clip, transformers_text

TEXTS = ["xe tải đỏ", "a red truck passes", "the bus", "xe"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def xlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_xlm(tmp_path_factory.mktemp("students") / "xlm")


def vectors(student: SentenceModel) -> Any:
    return Encoder(student).texts(TEXTS)[0]


def refused(folder: Path, match: str, pooling: str | None = "mean", **more: Any) -> None:
    with pytest.raises(CueframeError, match=match) as caught:
        load_student(str(folder), pooling=pooling, **{"prompt": None, **more})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_a_plain_encoder_is_pooled(pooling: str, xlm: Path) -> None:
    student = load_student(str(xlm), pooling=pooling, prompt=None)
    tokens = student.tokens(TEXTS)
    with torch.inference_mode():
        hidden = student.module[0].model(**tokens).last_hidden_state  # (Q, L, D)
        mask = tokens["attention_mask"].unsqueeze(-1)
        wanted = {
            "mean": (hidden * mask).sum(1) / mask.sum(1),
            "cls": hidden[:, 0],
            "max": hidden.masked_fill(mask == 0, -torch.inf).amax(1),
        }[pooling]
    np.testing.assert_allclose(vectors(student), F.normalize(wanted, dim=-1), atol=1e-6)
    assert not student.has_vision
    assert not student.module.training


@pytest.mark.parametrize("maker", [make_xlm, make_bert])
def test_a_student_is_the_same_at_each_loading(maker: Any, tmp_path: Path) -> None:
    folder = maker(tmp_path / "model")
    first, again = (load_student(str(folder), pooling="mean", prompt=None) for _ in range(2))
    weights = first.module.state_dict()
    assert weights.keys() == again.module.state_dict().keys()
    assert not any("pooler" in name for name in weights)
    for name, value in again.module.state_dict().items():
        assert torch.equal(value, weights[name])


@pytest.mark.parametrize("prompt", [None, "query: "])
def test_a_head_is_a_map_of_unit_vectors_and_is_saved(
    prompt: str | None, xlm: Path, tmp_path: Path
) -> None:
    student = load_student(str(xlm), pooling="mean", prompt=prompt)
    weight, bias = head(40)
    taught = with_head(student, weight, bias)
    wanted = F.normalize(torch.from_numpy(vectors(student)) @ weight.T + bias, dim=-1)
    np.testing.assert_allclose(vectors(taught), wanted, atol=1e-6)
    assert taught.max_tokens == student.max_tokens
    taught.save(tmp_path / "saved")
    again = load_sentence_model(str(tmp_path / "saved"), None)
    np.testing.assert_array_equal(vectors(again), vectors(taught))
    assert again.module.prompts["query"] == (prompt or "")
    heads = [name for name in taught.module.state_dict() if taught.is_head(name)]
    assert [taught.module.state_dict()[name].shape for name in heads] == [(40, WIDTH), (40,)]
    # The head reads unit vectors where the student's modules end without a Normalize, too.
    bare = load_student(str(make("text", tmp_path / "text")), pooling=None, prompt=None)
    own = torch.from_numpy(vectors(bare))
    weight, bias = torch.randn(5, own.shape[1]), torch.randn(5)
    wanted = F.normalize(own @ weight.T + bias, dim=-1)
    np.testing.assert_allclose(vectors(with_head(bare, weight, bias)), wanted, atol=1e-5)


def test_the_pooling_has_to_be_known(xlm: Path, tmp_path: Path) -> None:
    refused(xlm, "--pooling mean", pooling=None)
    refused(xlm, "--pooling 'middle' is unknown; want one of cls, max, mean", pooling="middle")
    known = make("text", tmp_path / "text")
    load_student(str(known), pooling="mean", prompt=None)
    refused(known, "--pooling cls is not that of .* trained with mean", pooling="cls")


def test_a_prompt_that_is_given_or_known(tmp_path: Path, capsys: Capture) -> None:
    prompted = make("prompted-text", tmp_path / "prompted")
    own, other = (load_student(str(prompted), pooling=None, prompt=p) for p in (None, "ask: "))
    assert own.module.prompts.get("search") == QUERY
    assert (vectors(own) != vectors(other)).any()
    assert other.count_tokens(["a"]) != load_student(
        str(prompted), pooling=None, prompt="a b c d e "
    ).count_tokens(["a"])
    assert capsys.readouterr().err == ""
    e5 = make_xlm(tmp_path / "multilingual-e5-small")
    student = load_student(str(e5), pooling="mean", prompt=None)
    assert student.module.prompts["query"] == "query: "
    assert f"{e5} is an E5 without prompts" in capsys.readouterr().err
    given = load_student(str(e5), pooling="mean", prompt="xe ")
    assert given.module.prompts["query"] == "xe "
    assert capsys.readouterr().err == ""
    instructed = Path(shutil.copytree(e5, tmp_path / "multilingual-e5-large-instruct"))
    refused(instructed, "with --prompt")
    load_student(str(instructed), pooling="mean", prompt="Instruct: a. Query: ")
    for name in ("e5000", "like5", "me5x"):
        folder = Path(shutil.copytree(e5, tmp_path / name))
        load_student(str(folder), pooling="mean", prompt=None)
    assert capsys.readouterr().err == ""


def test_a_text_never_has_more_tokens_than_positions(tmp_path: Path) -> None:
    folder = make_xlm(tmp_path / "model")
    xlm_tokens(10**9).save_pretrained(folder)
    student = load_student(str(folder), pooling="mean", prompt=None)
    assert student.max_tokens == 512
    with torch.inference_mode():
        assert student.text_vectors(student.tokens(["xe " * 2000])).isfinite().all()
    student.save(tmp_path / "saved")
    assert load_sentence_model(str(tmp_path / "saved"), None).max_tokens == 512


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_what_is_no_text_encoder(tmp_path: Path) -> None:
    refused(transformers_clip(tmp_path / "clip"), "has a vision side")
    refused(make("clip", tmp_path / "st-clip"), "has a vision side", pooling=None)
    refused(tmp_path / "none", "is no folder here|cannot be had from the hub")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "cannot be loaded")
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "open_clip_config.json").write_text("{}")
    refused(tmp_path / "open", "is a model of open_clip")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "distilled.json").write_text("{}")
    refused(tmp_path / "made", "is distilled already")
    for kind in ("gpt2", "t5", "vit"):
        folder = transformers_text(tmp_path / kind)
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
        refused(folder, f"is a {kind} model, not a text encoder")


def test_a_plain_folder_is_refused_like_any_other(xlm: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(xlm, tmp_path / name))

    folder = copy("pickle")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, r"weights as a pickle \(pytorch_model.bin\)")
    folder = copy("lacking")
    tensors = load_file(folder / "model.safetensors")
    lost = min(name for name in tensors if "layer.1" in name)
    del tensors[lost]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    refused(folder, "lacks 1 weights")
    folder = copy("code")
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    edit(
        folder / "config.json",
        model_type="own",
        auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model"},
    )
    refused(folder, "brings code of its own")
    assert not ran.exists()
    folder = copy("tokens")
    (folder / "tokenizer.json").unlink()
    refused(folder, "tokenizer|cannot be loaded")
    folder = copy("adapter")
    (folder / "adapter_config.json").write_text("{}")
    refused(folder, "holds an adapter")
    folder = copy("deep")
    edit(folder / "config.json", num_hidden_layers=10**7)
    refused(folder, "more than 1000")


def test_vectors_that_are_cut(tmp_path: Path) -> None:
    folder = make("text", tmp_path / "text")
    edit(folder / "config_sentence_transformers.json", truncate_dim=8)
    refused(folder, "cuts its vectors to 8 values", pooling=None)
