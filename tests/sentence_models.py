"""Small random models as sentence-transformers saves them."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipProcessor,
)

from tests.other_libraries import EMBED, WORDS, sentence_transformers_or_skip, word_tokenizer

_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_VOCABULARY = {
    "vocab_size": 3 + len(WORDS),
    "max_position_embeddings": 16,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 1,
}
QUERY = "where is "
"""The prompt of models that have one."""


def make(kind: str, folder: Path) -> Path:
    """Save a random model of a kind below, always with the same weights."""
    sentence_transformers_or_skip()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        KINDS[kind](folder)
    return folder


def transformers_clip(folder: Path) -> Path:
    """Save a small CLIP of transformers."""
    words = PreTrainedTokenizerFast.from_pretrained(word_tokenizer(folder))
    config = CLIPConfig(
        text_config=_TOWER | _VOCABULARY,
        vision_config=_TOWER | {"image_size": 32, "patch_size": 8},
        projection_dim=EMBED,
    )
    size: dict[str, Any] = {
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
    }
    CLIPModel(config).save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessorPil(**size), words).save_pretrained(folder)
    return folder


def transformers_siglip(folder: Path) -> Path:
    """Save a small SigLIP of transformers."""
    words = PreTrainedTokenizerFast.from_pretrained(word_tokenizer(folder))
    config = SiglipConfig(
        text_config=_TOWER | _VOCABULARY, vision_config=_TOWER | {"image_size": 48, "patch_size": 8}
    )
    SiglipModel(config).save_pretrained(folder)
    pixels = SiglipImageProcessorPil(size={"height": 48, "width": 48})
    SiglipProcessor(pixels, words).save_pretrained(folder)
    return folder


def transformers_text(folder: Path) -> Path:
    """Save a small text model of transformers."""
    config = DistilBertConfig(
        vocab_size=3 + len(WORDS),
        dim=24,
        hidden_dim=48,
        n_layers=2,
        n_heads=4,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    DistilBertModel(config).save_pretrained(folder)
    return word_tokenizer(folder, longest=64)


def _save(folder: Path, modules: list[Any], **settings: Any) -> None:
    library = sentence_transformers_or_skip()
    model = library.SentenceTransformer(modules=modules, device="cpu", **settings)
    model.save_pretrained(str(folder), create_model_card=False)


def _parts() -> Any:
    return sentence_transformers_or_skip().sentence_transformer.modules


def _clip(folder: Path) -> None:
    plain = transformers_clip(folder.with_name(folder.name + "-plain"))
    _save(folder, [_parts().Transformer(str(plain))])


def _old_clip(folder: Path) -> None:
    """The layout of sentence-transformers/clip-ViT-B-32: a folder within, and old names."""
    transformers_clip(folder / "0_CLIPModel")
    kind = "sentence_transformers.models.CLIPModel"
    modules = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": kind}]
    (folder / "modules.json").write_text(json.dumps(modules))
    versions = {"__version__": {"sentence_transformers": "2.0.0"}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(versions))


def _siglip(folder: Path) -> None:
    """With a prompt, a layer that both sides go through, and vectors cut to their first values."""
    plain = transformers_siglip(folder.with_name(folder.name + "-plain"))
    parts = _parts()
    padded = {"text": {"padding": "max_length"}}
    first = parts.Transformer(str(plain), processing_kwargs=padded)
    layers = [first, parts.Dense(32, 40), parts.Normalize()]
    _save(folder, layers, prompts={"query": QUERY, "document": ""}, truncate_dim=24)


def _ragged_siglip(folder: Path) -> None:
    """As the library pads it by itself, so that a text's vector depends on the texts beside it."""
    plain = transformers_siglip(folder.with_name(folder.name + "-plain"))
    _save(folder, [_parts().Transformer(str(plain))])


def _text(folder: Path) -> None:
    """The layout of sentence-transformers/clip-ViT-B-32-multilingual-v1."""
    plain = transformers_text(folder.with_name(folder.name + "-plain"))
    parts = _parts()
    projection = parts.Dense(24, EMBED, bias=False, activation_function=torch.nn.Identity())
    _save(folder, [parts.Transformer(str(plain)), parts.Pooling(24), projection])


def _prompted_text(folder: Path) -> None:
    """One whose mean leaves the prompt out, and which has a default prompt alone."""
    plain = transformers_text(folder.with_name(folder.name + "-plain"))
    parts = _parts()
    pooling = parts.Pooling(24, include_prompt=False)
    _save(
        folder,
        [parts.Transformer(str(plain)), pooling, parts.Dense(24, EMBED)],
        prompts={"search": QUERY},
        default_prompt_name="search",
    )


KINDS = {
    "clip": _clip,
    "old-clip": _old_clip,
    "siglip": _siglip,
    "ragged-siglip": _ragged_siglip,
    "text": _text,
    "prompted-text": _prompted_text,
}
