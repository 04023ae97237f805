"""Small random students, and distilled models of them."""

from pathlib import Path
from typing import Any

import torch
import transformers as hf

from index.models.distilled_model import Distilled, DistilledModel
from index.models.encoder import load_dual_model
from index.models.student import load_student, with_head
from tests.model_families import bert_tokens, texts_of, xlm_tokens
from tests.other_libraries import sentence_transformers_or_skip

WIDTH = 32
"""D_s of the students."""


def make_xlm(folder: Path, **more: Any) -> Path:
    """Save a small random XLM-R, as it is trained to fill in words: with a head, without pooler."""
    tokenizer = xlm_tokens()
    return _saved(folder, tokenizer, hf.XLMRobertaForMaskedLM, hf.XLMRobertaConfig, 514, **more)


def make_bert(folder: Path, **more: Any) -> Path:
    """Save a small random BERT with its pooler."""
    return _saved(folder, bert_tokens(), hf.BertModel, hf.BertConfig, 512, **more)


def _saved(folder: Path, tokenizer: Any, kind: Any, config: Any, length: int, **more: Any) -> Path:
    sentence_transformers_or_skip()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = kind(config(**texts_of(tokenizer, length, **more)))
        with torch.no_grad():
            for weight in model.parameters():  # as it is made, all texts are nearly one to it
                weight.add_(0.2 * torch.randn_like(weight))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def head(width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A random head onto a teacher's width: weight and bias."""
    generator = torch.Generator().manual_seed(11)
    return (
        torch.randn(width, WIDTH, generator=generator),
        torch.randn(width, generator=generator),
    )


def make_distilled(
    folder: Path, teacher: Path, student: Path, *, route: str | None, languages: str = "vi"
) -> Path:
    """Save a distilled model with a random head; `languages` are parted by blanks."""
    dual = load_dual_model(str(teacher), None)
    with torch.inference_mode():
        width = dual.text_vectors(dual.tokens(["a"])).shape[1]
    taught = with_head(load_student(str(student), pooling="mean", prompt=None), *head(width))
    settings = Distilled(route=route, languages=tuple(languages.split()))
    model = DistilledModel(str(folder), dual, taught, settings)
    model.ready_to_save()
    model.save(folder)
    return folder
