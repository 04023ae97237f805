"""INDEX/proofs: which encoders were proved to encode as the models do (`index.models.proof`).

    INDEX/proofs/<fingerprint of a side>.json   the versions of the libraries, and the difference

A side is proved once for its weights and the libraries that are installed. The files only spare the
proof; without them, or where the folder cannot be written, it is done again.
"""

import contextlib
import json
from pathlib import Path
from typing import Literal

from index.errors import CueframeError
from index.models.dual_model import DualModel
from index.models.encoder import vision_fingerprint
from index.models.proof import prove_images, prove_texts, text_fingerprint, versions_here
from index.storage.atomic_write import written_whole

PROOFS = "proofs"


def prove_once(index: Path, model: DualModel, side: Literal["vision", "text"]) -> None:
    """Prove a side of a model, with float32 weights on the CPU, unless that was done before.

    Raises:
        CueframeError: As `index.models.proof.prove_images`.
    """
    is_vision = side == "vision"
    path = index / PROOFS / f"{(vision_fingerprint if is_vision else text_fingerprint)(model)}.json"
    versions = versions_here()
    if _versions_in(path) == versions:
        return
    difference = (prove_images if is_vision else prove_texts)(model)
    if difference is not None:
        content = {"side": side, "versions": versions, "difference": difference}
        with (
            contextlib.suppress(CueframeError, OSError),  # an index may be read-only for queries
            written_whole(path) as temporary,
        ):
            temporary.write_text(json.dumps(content, indent=2) + "\n")


def _versions_in(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())["versions"] if path.is_file() else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
