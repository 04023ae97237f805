"""Small random models of open_clip, and what those of other libraries share."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.model_families import word_tokens

WORDS = "a an the red blue green truck bus car passes left right of on where is".split()
EMBED = 32
MEAN, STD = [0.4, 0.5, 0.45], [0.25, 0.3, 0.28]


def open_clip_or_skip() -> Any:
    """Import open_clip, or skip the test that asks for it.

    It needs torchvision, which has to be compiled for the installed torch: beside a torch of
    another index it cannot be imported, and transformers cannot either. So it is not among what
    `dev` installs; `pip install -e .[dev,open-clip]` with both of one index has it.
    """
    try:
        return import_module("open_clip")
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"open_clip cannot be imported: {error}")


def sentence_transformers_or_skip() -> Any:
    """Import sentence_transformers, or skip the test that asks for it."""
    return pytest.importorskip("sentence_transformers", reason="it is not installed")


def clip_config(size: int | list[int] = 32, **more: Any) -> dict[str, Any]:
    """A small CLIP of open_clip; `more` overrides its parts."""
    vision = {"image_size": size, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    return {"embed_dim": EMBED, "vision_cfg": vision, "text_cfg": text} | more


def save_open_clip(
    folder: Path, config: dict[str, Any], *, tokenizer: Path | None = None, **preprocess: Any
) -> Path:
    """Save a random model of a configuration, in the layout of open_clip's hub."""
    open_clip = open_clip_or_skip()
    factory = open_clip.factory
    content = {"model_cfg": config, "preprocess_cfg": {"mean": MEAN, "std": STD} | preprocess}
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = factory.create_model(f"local-dir:{folder}", pretrained_text=False)
        for weight in model.parameters():  # towers that begin at 0 would tell nothing apart
            if weight.ndim and not weight.abs().sum():
                torch.nn.init.normal_(weight, std=0.02)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    if tokenizer:
        open_clip.tokenizer.HFTokenizer(str(tokenizer)).save_pretrained(folder)
    return folder


def word_tokenizer(folder: Path, longest: int = 16) -> Path:
    """Save a tokenizer of transformers that knows a few words."""
    word_tokens(WORDS, longest, ("input_ids", "attention_mask")).save_pretrained(folder)
    return folder
