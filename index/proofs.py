"""INDEX/proofs: which encoders were proved to encode as the models do (`index.models.proof`).

    INDEX/proofs/<fingerprint of a side>.json   the versions of the libraries, the model's
                                                configuration as a hash, and the difference; of a
                                                vision side its vectors of the two pictures, too

A side is proved once for its weights, its configuration and the libraries that are installed. The
files only spare the proof; without them, or where the folder cannot be written, it is done again.

A fingerprint is of weights and preprocessing. A number of heads or an activation that changed
leaves it as it is, so where the configuration changed, the vectors of the pictures tell whether the
vision side is the one that built the index.
"""

import contextlib
import json
from pathlib import Path
from typing import Any, Literal

import torch
import xxhash

from index.errors import CueframeError
from index.known_models import PROOFS
from index.models.dual_model import DualModel
from index.models.library_versions import versions_here
from index.models.proof import (
    are_apart,
    picture_vectors,
    prove_images,
    prove_texts,
)
from index.storage.atomic_write import written_whole


def prove_once(
    index: Path,
    model: DualModel,
    side: Literal["vision", "text"],
    fingerprint: str,
    *,
    built: bool = False,
) -> bool:
    """Prove a side of a model, with float32 weights on the CPU, unless that was done before.

    Args:
        index: Folder of the index.
        model: The model.
        side: The side.
        fingerprint: Of the side, `index.models.encoder.vision_fingerprint` or
            `index.models.proof.text_fingerprint`.
        built: Whether vectors of this side are in the index already.

    Returns:
        Whether it is proved; not where a package that the model's own preparation needs is missing.

    Raises:
        CueframeError: As `index.models.proof.prove_images`; also if the vision side is not the one
            that built the index, by its vectors.
    """
    is_vision = side == "vision"
    path = index / PROOFS / f"{fingerprint}.json"
    configuration = xxhash.xxh3_64_hexdigest(repr(model.configuration()).encode())
    proved = {"versions": versions_here(), "configuration": configuration}
    known = _content(path)
    if all(known.get(name) == value for name, value in proved.items()):
        return True
    difference = (prove_images if is_vision else prove_texts)(model)
    content: dict[str, Any] = {"side": side, **proved, "difference": difference}
    if is_vision:
        vectors = picture_vectors(model)
        if built and _are_others(known, vectors):
            raise CueframeError(
                f"{model.name} has the weights that built {index}, and another configuration, by "
                "which it gives other vectors; restore its config.json, name another --index, or "
                "build anew with --rebuild"
            )
        content["vectors"] = vectors.tolist()
    if difference is not None:
        with (
            contextlib.suppress(CueframeError, OSError),  # an index may be read-only for queries
            written_whole(path) as temporary,
        ):
            temporary.write_text(json.dumps(content) + "\n")
    return difference is not None


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _are_others(known: dict[str, Any], vectors: torch.Tensor) -> bool:
    try:
        kept = torch.tensor(known["vectors"], dtype=torch.float32)
    except (KeyError, TypeError, ValueError, RuntimeError):
        return False
    return kept.ndim == vectors.ndim and are_apart(vectors, kept)
