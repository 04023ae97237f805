"""Whether a model's files are large enough for the weights that its config.json describes."""

import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig

LEAST_BYTES = 0.25
"""Bytes of a file for each weight; four bits are the fewest in use."""


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
