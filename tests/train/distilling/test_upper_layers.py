from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers as hf
from torch import Tensor

from index.errors import CueframeError
from index.models.sentence_model import SentenceModel
from index.models.student import load_student
from tests.distilled_models import make_bert, make_xlm
from tests.model_families import texts_of, word_tokens
from train.distilling.upper_layers import NotTunableError, UpperLayers

TEXTS = ["the red bus passes", "xe", "where is the truck on the left of the car", "xe tải đỏ", "a"]
LAYERS = 4


def student_of(folder: Path) -> SentenceModel:
    return load_student(str(folder), pooling="mean", prompt=None)


def made(kind: str, folder: Path) -> Path:
    if kind in ("xlm", "bert"):
        maker = make_xlm if kind == "xlm" else make_bert
        return maker(folder, num_hidden_layers=LAYERS)
    tokenizer = word_tokens(length=64, inputs=("input_ids", "attention_mask"))
    values = texts_of(tokenizer, 64, num_hidden_layers=LAYERS)
    config = {
        "mpnet": hf.MPNetConfig,
        "modernbert": hf.ModernBertConfig,
        "deberta-v2": hf.DebertaV2Config,
        "albert": hf.AlbertConfig,
    }[kind](**values | {"cls_token_id": 1, "sep_token_id": 1, "bos_token_id": 1})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        hf.AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def whole(student: SentenceModel, texts: list[str]) -> Tensor:
    return F.normalize(student.text_vectors(student.tokens(texts)), dim=-1)


@pytest.mark.parametrize("kind", ["xlm", "bert", "mpnet", "modernbert"])
@pytest.mark.parametrize("count", [1, 2, LAYERS])
def test_vectors_and_gradients_are_those_of_the_whole_model(
    kind: str, count: int, tmp_path: Path
) -> None:
    student = student_of(made(kind, tmp_path / "model"))
    layers = UpperLayers(student, count, TEXTS)
    numbers = [2, 0, 3]
    weights = torch.linspace(0, 1, 32)

    def gradients(vectors: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad((vectors * weights).sum(), layers.learning))

    ours, theirs = layers.vectors(numbers), whole(student, [TEXTS[n] for n in numbers])
    assert torch.allclose(ours, theirs, atol=1e-6)
    found, wanted = (torch.cat([g.flatten() for g in gradients(v)]) for v in (ours, theirs))
    assert float(wanted.norm()) > 1e-3
    assert float((found - wanted).norm()) <= 1e-5 * float(wanted.norm())
    per_layer = len(layers.learning) // count
    assert per_layer > 1
    assert torch.allclose(layers.all_vectors(range(5)), whole(student, TEXTS), atol=1e-6)


def test_only_the_upper_layers_learn_and_are_restored(tmp_path: Path) -> None:
    student = student_of(make_xlm(tmp_path / "model"))
    before = {name: value.clone() for name, value in student.module.state_dict().items()}
    layers = UpperLayers(student, 1, TEXTS)
    names = {n for n, p in student.module.named_parameters() if p.requires_grad}
    assert names
    assert all(".layer.1." in name for name in names)
    with torch.no_grad():
        for weight in layers.learning:
            weight.add_(1.0)
    assert not torch.allclose(whole(student, TEXTS), layers.all_vectors(range(5)) * 0)
    layers.restore()
    after = student.module.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("kind", ["albert", "deberta-v2"])
def test_a_model_without_such_layers_is_refused_in_a_line(kind: str, tmp_path: Path) -> None:
    student = student_of(made(kind, tmp_path / "model"))
    with pytest.raises(NotTunableError, match="use --head ridge") as caught:
        UpperLayers(student, 1, TEXTS)
    assert "\n" not in str(caught.value)


def test_too_many_layers_are_refused(tmp_path: Path) -> None:
    student = student_of(make_xlm(tmp_path / "model"))
    with pytest.raises(CueframeError, match=r"--tune-student is 3, and .* has 2 layers"):
        UpperLayers(student, 3, TEXTS)


def test_other_vectors_than_the_whole_model_s_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(self: Any, numbers: Any) -> Tensor:
        return F.normalize(torch.ones(len(numbers), 32), dim=-1)

    monkeypatch.setattr(UpperLayers, "vectors", wrong)
    with pytest.raises(NotTunableError):
        UpperLayers(student_of(make_xlm(tmp_path / "model")), 1, TEXTS)
