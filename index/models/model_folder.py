"""What a stranger's model folder may hold: regular files of its own, and weights for its size."""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig

from index.errors import CueframeError

_MOST_JSON_BYTES = 256 << 20
"""The largest tokenizers have 35 MB."""
LEAST_BYTES = 0.25
"""Bytes of a file for each weight; four bits are the fewest in use."""


def refuse_odd_files(folder: Path) -> None:
    """Refuse files at which reading would not end, and weights that lie in another folder.

    Raises:
        CueframeError: A pipe, a device or a huge text in place of a file, or such weights.
    """
    for path in (*folder.iterdir(), *folder.glob("*/*.jinja")):
        if path.exists() and not path.is_dir():
            if not path.is_file():
                raise CueframeError(f"{path} is no regular file; fetch the model again")
            if path.suffix == ".json" and path.stat().st_size > _MOST_JSON_BYTES:
                raise CueframeError(
                    f"{path} has {path.stat().st_size:,} bytes, more than any model's; fetch the "
                    "model again"
                )
    for path in folder.glob("*.index.json"):
        for name in json.loads(path.read_bytes())["weight_map"].values():
            if Path(name).name != name:
                raise CueframeError(
                    f"{path} names weights outside of its folder ({name}); fetch the model again"
                )


def refuse_missing_bytes(kind: Any, config: PreTrainedConfig, folder: Path) -> None:
    """Refuse a config.json of more weights than the files can hold: they would fill the memory.

    Raises:
        ValueError: It is one.
    """
    files = list(folder.glob("*.safetensors"))
    if not files:  # transformers says which one is missing
        return
    held = sum(path.stat().st_size for path in files)
    with (
        warnings.catch_warnings(action="ignore"),  # of layers of size 0
        torch.random.fork_rng(devices=[]),
        torch.device("meta"),
    ):
        if hasattr(kind, "from_config"):
            model = kind.from_config(config, trust_remote_code=False)
        else:  # a class of one kind of model
            model = kind._from_config(config)
    weights = sum(weight.numel() for weight in model.parameters())
    if weights * LEAST_BYTES > held:
        raise ValueError(
            f"its files have {held:,} bytes of weights, and its config.json describes {weights:,}"
        )
