"""What a stranger's model folder may hold: regular files of its own. Nothing is loaded for it."""

import json
from os.path import isdir
from pathlib import Path

from index.errors import CueframeError

DEFAULT_MODEL = "openai/clip-vit-large-patch14"
_MOST_JSON_BYTES = 256 << 20
"""The largest tokenizers have 35 MB."""


def is_folder(name: str) -> bool:
    """Return whether a model is given by its folder, not by its name on the hub."""
    return isdir(name)  # noqa: PTH112 - Path.is_dir raises where a name is too long for a path


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
