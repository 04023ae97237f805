"""Load what an open_clip folder holds, and refuse one that is not whole.

open_clip itself leaves weights random where a folder has none, opens pickles, fits position
embeddings of another size, and takes settings for its tokenizer from the folder.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub import snapshot_download
from safetensors import safe_open

from index.errors import CueframeError
from index.models.libraries import (
    KINDS,
    OPEN_CLIP_CONFIG,
    OPEN_CLIP_WEIGHTS,
    fetch,
    package_of,
    quiet,
)
from index.models.model_folder import is_folder, refuse_odd_files
from index.models.model_loading import (
    in_one_line,
    load_config,
    refuse_absurd_depth,
    refuse_other_vocabulary,
    refuse_other_weights,
)
from index.models.model_size import LEAST_BYTES

_TOKENIZER_SETTINGS = {"additional_special_tokens", "clean", "language", "strip_sep_token"}
"""Those that are safe and leave a text's tokens the same each time."""


class OpenClipParts(NamedTuple):
    """A model of open_clip with what belongs to it."""

    model: Any
    tokenizer: Any
    config: dict[str, Any]
    """The content of open_clip_config.json."""


def load_open_clip_parts(name: str, flag: str) -> OpenClipParts:
    """Load a model in eval mode with float32 weights, every weight from its file.

    Args:
        name: Folder with open_clip_config.json, or hf-hub:OWNER/NAME.
        flag: The flag that names the model, for error messages.

    Raises:
        ModelError: It is not a folder, and not available from the hub.
        CueframeError: open_clip is not installed; the folder cannot be used.
    """
    open_clip = package_of("open_clip", name)
    with in_one_line(name, flag), quiet(), torch.random.fork_rng(devices=[]):
        folder = fetch(name, "open_clip")
        refuse_odd_files(folder)
        config = _read_config(folder)
        weights = _weights_of(folder)
        text = config["model_cfg"]["text_cfg"]
        if text.get("hf_model_name"):
            load_config(str(text["hf_model_name"]), flag)  # refuses one with code of its own
        local = f"local-dir:{folder}"
        how = {"load_weights": False, "pretrained_text": False}
        with torch.device("meta"):
            planned = open_clip.create_model(local, device="meta", **how)
        known = sum(weight.numel() for weight in planned.parameters())
        held = weights.stat().st_size
        if known * LEAST_BYTES > held:
            raise CueframeError(
                f"{weights} has {held:,} bytes, and {OPEN_CLIP_CONFIG} beside it describes "
                f"{known:,} weights; fetch or save the model again"
            )
        model = open_clip.create_model(local, **how)
        _load_weights(open_clip, model, weights, name)
        tokenizer = _load_tokenizer(open_clip, name, folder, text)
        inner = getattr(tokenizer, "tokenizer", None)
        own = getattr(model, "text", model)
        refuse_other_vocabulary(
            tokenizer.vocab_size if inner is None else len(inner), int(own.vocab_size), name
        )
    model.eval()
    return OpenClipParts(model, tokenizer, config)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / OPEN_CLIP_CONFIG
    if not path.is_file():
        raise CueframeError(
            f"{folder} has no {OPEN_CLIP_CONFIG}; give a folder or name of an open_clip model"
        )
    config = json.loads(path.read_bytes())
    parts = config.get("model_cfg") if isinstance(config, dict) else None
    if not isinstance(parts, dict) or not all(
        isinstance(parts.get(part), dict) for part in ("text_cfg", "vision_cfg")
    ):
        raise CueframeError(
            f"{path} has no model_cfg with a vision_cfg and a text_cfg; fetch or save the model "
            "again"
        )
    refuse_absurd_depth(config, str(folder))
    trunk = str(parts["vision_cfg"].get("timm_model_name") or "")
    if ":" in trunk:
        raise CueframeError(
            f"{path} names a vision tower elsewhere ({trunk}); name a model whose folder is whole"
        )
    unknown = set(parts["text_cfg"].get("tokenizer_kwargs") or {}) - _TOKENIZER_SETTINGS
    if unknown:
        raise CueframeError(
            f"{path} gives its tokenizer {min(unknown)}, with which Cueframe does not read texts; "
            "name another model with --model"
        )
    return dict(config)


def _weights_of(folder: Path) -> Path:
    for name in OPEN_CLIP_WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    pickles = sorted(path.name for kind in ("*.bin", "*.pt", "*.pth") for path in folder.glob(kind))
    if pickles:
        raise CueframeError(
            f"{folder} has its weights as a pickle ({pickles[0]}), which can run code when it is "
            "opened; where you trust it, load it with open_clip, and write its state_dict with "
            f"safetensors as {OPEN_CLIP_WEIGHTS[0]}"
        )
    raise CueframeError(f"{folder} has no {OPEN_CLIP_WEIGHTS[0]}; fetch or save the model again")


def _load_weights(open_clip: Any, model: Any, weights: Path, name: str) -> None:
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    with safe_open(weights, "pt") as file:
        held = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - the file is no mapping
    # open_clip would fit position embeddings of another size, and make up a bias of 0.
    misshapen = [
        (key, held[key], wanted[key])
        for key in held.keys() & wanted.keys()
        if held[key] != wanted[key] and not key.startswith("logit_")
    ]
    missing = {"logit_bias"} if "logit_bias" in wanted and "logit_bias" not in held else set()
    kinds: dict[str, Any] = {"config": OPEN_CLIP_CONFIG}
    refuse_other_weights(name, missing=missing, misshapen=misshapen, surplus=(), **kinds)
    found = open_clip.load_checkpoint(model, str(weights), strict=False)
    refuse_other_weights(
        name, missing=found.missing_keys, misshapen=(), surplus=found.unexpected_keys, **kinds
    )


def _load_tokenizer(open_clip: Any, name: str, folder: Path, text: dict[str, Any]) -> Any:
    """Load what open_clip.get_tokenizer would, but nothing with code of its own."""
    named = text.get("hf_tokenizer_name")
    if not named:
        return open_clip.get_tokenizer(f"local-dir:{folder}")
    if not is_folder(name):
        kinds = [kind for kind in KINDS if kind != "*.safetensors"]
        folder = Path(snapshot_download(named, allow_patterns=kinds, ignore_patterns=["*/*"]))
        refuse_odd_files(folder)
    return open_clip.tokenizer.HFTokenizer(
        str(folder),
        context_length=text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH),
        tokenizer_mode=text.get("tokenizer_mode"),
        trust_remote_code=False,
        **(text.get("tokenizer_kwargs") or {}),
    )
