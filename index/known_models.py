"""INDEX/proofs/model-….json: what is known of a model's files, so that they need not be loaded.

    state    of the files and the libraries (`index.models.files_state`)
    vision   fingerprint of the vision side
    proved   the sides that were proved to encode as the model does (`index.proofs`)
    files    hash over all bytes (`index.models.model_files`), once it was asked for

There is a file for each name of a model and each view. It only spares work: without it, or where
anything in it is not as it is now, the model is loaded and looked at as a whole.
"""

import contextlib
import json
from pathlib import Path
from typing import Literal

import xxhash
from pydantic import BaseModel, ConfigDict, ValidationError

from index.errors import CueframeError
from index.models.files_state import files_state
from index.models.model_folder import is_folder
from index.models.preprocess import ViewMode
from index.storage.atomic_write import written_whole

PROOFS = "proofs"
_LONGEST_BYTES = 1 << 16

SideName = Literal["vision", "text"]


class KnownModel(BaseModel):
    """What is known of a model, where its files are as they were."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    state: str
    vision: str
    proved: list[SideName]
    files: str | None = None


def known_model(index: Path, name: str, view: ViewMode) -> KnownModel | None:
    """Return what is known of a model as its files are now; None if nothing is.

    Args:
        index: Folder of the index.
        name: Folder of the model, or its name on the hub.
        view: The view of the index: the fingerprint holds it.
    """
    known = _read(_path(index, name, view))
    return known if known and known.state == files_state(name) else None


def is_builder(known: KnownModel | None, fingerprint: str, side: SideName) -> bool:
    """Return whether a model is known to be the one that built an index, and a side to be proved.

    Args:
        known: Of `known_model`.
        fingerprint: Of the vision side that built it.
        side: The side that is needed.
    """
    return known is not None and known.vision == fingerprint and side in known.proved


def remember(
    index: Path, name: str, view: ViewMode, state: str | None, vision: str, side: SideName
) -> None:
    """Write down that a model has this vision side, and that a side of it is proved.

    Args:
        index: Folder of the index.
        name: Folder of the model, or its name on the hub.
        view: The view of the index.
        state: Of its files before it was loaded, `index.models.files_state.files_state`; where it
            is None, or another by now, nothing is written.
        vision: Fingerprint of the vision side.
        side: The side.
    """
    if state is None or files_state(name) != state:
        return
    known = _read(_path(index, name, view))
    if known is None or (known.state, known.vision) != (state, vision):
        known = KnownModel(state=state, vision=vision, proved=[])
    proved = sorted({*known.proved, side})
    _write(_path(index, name, view), known.model_copy(update={"proved": proved}))


def remember_files(index: Path, name: str, view: ViewMode, known: KnownModel, files: str) -> None:
    """Write down the hash over all bytes of a model's files, which are as `known` says."""
    _write(_path(index, name, view), known.model_copy(update={"files": files}))


def _path(index: Path, name: str, view: ViewMode) -> Path:
    place = str(Path(name).resolve()) if is_folder(name) else name
    key = xxhash.xxh3_64_hexdigest(f"{place}\0{view}".encode(errors="surrogateescape"))
    return index / PROOFS / f"model-{key}.json"


def _read(path: Path) -> KnownModel | None:
    try:
        if path.is_file() and path.stat().st_size <= _LONGEST_BYTES:
            return KnownModel.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, RecursionError):
        pass
    return None


def _write(path: Path, known: KnownModel) -> None:
    with (
        contextlib.suppress(CueframeError, OSError),  # an index may be read-only for queries
        written_whole(path) as temporary,
    ):
        temporary.write_text(json.dumps(known.model_dump()) + "\n")
