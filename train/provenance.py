"""Where a model comes from: the commit that trained it, the device, its base and its languages."""

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCard

from index.languages import language_of
from index.models.model_folder import is_folder

_CHECKOUT = Path(__file__).resolve().parent.parent
_MOST_TEXTS = 2_000
"""Texts of which the language is guessed."""
_LEAST_SHARE = 0.1
"""Share of the texts from which on a language is named; short texts are often taken for others."""


def commit() -> str | None:
    """Return Cueframe's commit, "… with changes" if files differ from it; None without a checkout.

    Ask before the first step: what is loaded then is what runs.
    """
    if not (_CHECKOUT / ".git").exists():  # else git would find that of a folder around it
        return None
    head, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "-uno")
    if head is None or changes is None:
        return None
    return f"{head} with changes" if changes else head


def _git(*words: str) -> str | None:
    """Return what git prints; None where it fails or is not installed."""
    asked = ["git", "-C", str(_CHECKOUT), *words]
    try:
        said = subprocess.run(  # noqa: S603 - fixed words, no shell
            asked, capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()


def device_json(device: torch.device) -> dict[str, Any]:
    """Return the kind and the name of a device, and the threads that a process computes with."""
    if device.type == "cuda":
        return {"type": "cuda", "name": torch.cuda.get_device_name(device)}
    return {
        "type": device.type,
        "name": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def base_on_hub(model: str) -> str | None:
    """Return the name on the hub of the model that a model was trained from.

    Args:
        model: As --model: such a name, or a folder. A folder's own model card may tell.

    Returns:
        The name; None if the folder does not tell.
    """
    if not is_folder(model):
        return model
    try:
        named = ModelCard.load(Path(model) / "README.md").data.base_model
    except Exception:  # noqa: BLE001 - no card, or anything else under its name
        return None
    named = named[0] if isinstance(named, list) and named else named
    return named if isinstance(named, str) and not is_folder(named) else None


def languages_of(texts: Iterable[str]) -> list[str]:
    """Return the languages that many of the texts are in, the most frequent first, as codes."""
    codes = Counter(map(language_of, islice(dict.fromkeys(texts), _MOST_TEXTS)))
    least = _LEAST_SHARE * codes.total()
    return [code for code, count in codes.most_common() if count >= least]
