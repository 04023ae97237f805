"""Load the encoder of the queries, check that it fits the index, and encode texts.

Q: texts, D: width of a vector.
"""

from collections.abc import Sequence
from itertools import accumulate, chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from index.errors import CueframeError
from index.finite import not_finite
from index.known_models import is_builder, known_model, remember, remember_files
from index.messages import say
from index.models.dual_model import DualModel
from index.models.encoder import (
    Encoder,
    encoder_on,
    load_dual_model,
    ready_encoder,
    vision_fingerprint,
)
from index.models.files_state import files_state
from index.models.long_texts import LongText, Text, read_as, shared_out
from index.models.model_files import files_fingerprint
from index.models.model_loading import Dtype
from index.models.proof import text_fingerprint
from index.proofs import prove_once
from index.storage.store import Profile


def load_query_encoder(
    index: Path,
    profile: Profile,
    *,
    model: str | None,
    dtype: Dtype,
    device: torch.device,
    text_only: bool = False,
) -> Encoder:
    """Load the encoder of the queries: `model`, or the one that built the index.

    With `text_only`, a model whose files are as they were when its vision side was compared and its
    text side proved is loaded without its vision side, where its library allows that
    (`index.known_models`).

    Args:
        index: Folder of the index.
        profile: Its profile.
        model: Folder or name on the hub; None is the one that built the index.
        dtype: As for `index.models.encoder.ready_encoder`.
        device: Device to compute on.
        text_only: Only texts are encoded, so the vision side may be left out.

    Raises:
        CueframeError: It cannot be loaded, its vision side is not the one that built the index, or
            it encodes texts in another way here than by its own processor.
    """
    name = model or profile.model
    if text_only and _is_known(index, profile, name):
        loaded = load_dual_model(name, profile.view, text_only=True)
        if _is_known(index, profile, name):  # nor has it been replaced meanwhile
            return encoder_on(loaded, dtype=dtype, device=device)
    state = files_state(name)
    loaded = load_dual_model(name, profile.view)
    refuse_other_model(index, profile, loaded)
    proved = prove_once(index, loaded, "text", text_fingerprint(loaded))
    encoder = ready_encoder(loaded, dtype=dtype, device=device)
    if proved and loaded.has_vision:
        remember(index, name, profile.view, state, profile.fingerprint, "text")
    return encoder


def _is_known(index: Path, profile: Profile, name: str) -> bool:
    known = known_model(index, name, profile.view)
    return is_builder(known, profile.fingerprint, "text")


def files_of_model(index: Path, profile: Profile, name: str) -> str:
    """Return the hash over all bytes of a model's files (`index.models.model_files`).

    Files that are as they were when they were hashed are not read again.

    Raises:
        CueframeError: As `index.models.model_files.files_fingerprint`.
    """
    known = known_model(index, name, profile.view)
    if known and known.files:
        return known.files
    files = files_fingerprint(name, "--model")
    if known and known == known_model(index, name, profile.view):
        remember_files(index, name, profile.view, known, files)
    return files


def refuse_other_model(index: Path, profile: Profile, model: DualModel) -> None:
    """Refuse a model whose texts do not compare with the index's vectors, as far as that is known.

    A text tower alone has no vision side to compare; that is said on stderr.

    Raises:
        CueframeError: Its vision side, or the width of its vectors, is another.
    """
    if model.has_vision:
        refuse_other_vision(index, profile, model.name, vision_fingerprint(model))
        return
    width = Encoder(model).text_width
    if width != profile.width:
        raise CueframeError(
            f"{model.name} gives texts {width} values, and the vectors of {index} have "
            f"{profile.width}; name the text tower that belongs to {profile.model}"
        )
    say(
        f"{model.name} has no vision side to compare with {index}; that its texts belong to the "
        f"pictures of {profile.model} is taken on trust"
    )


def refuse_other_vision(index: Path, profile: Profile, name: str, fingerprint: str) -> None:
    """Refuse a model whose vision side did not make the vectors; its text side may differ."""
    if fingerprint != profile.fingerprint:
        raise CueframeError(
            f"the vision side of {name} is not, or no longer, the one that built {index} "
            f"({profile.model}), so a text would not compare with its vectors; name the right "
            "--model, or build anew with python index/build.py --rebuild"
        )


def print_long_texts(names: Sequence[str], long_text: LongText, max_tokens: int) -> None:
    """Print to stderr how many texts are longer than the model reads, and what became of them.

    Args:
        names: Whose texts they are, in order.
        long_text: How they were read.
        max_tokens: Number of tokens that the model reads at once.
    """
    if not names:
        return
    if long_text == "windows":
        say(
            f"{len(names)} texts are longer than the {max_tokens} tokens that the model reads, the "
            f"first that of {names[0]}; they are read in windows"
        )
    else:
        say(
            f"warning: the model reads {max_tokens} tokens and did not see the end of {len(names)} "
            f"longer texts, the first that of {names[0]}"
        )


def encode_texts(
    encoder: Encoder, texts: Sequence[Text], long_text: LongText
) -> tuple[list[npt.NDArray[np.float32]], npt.NDArray[np.bool_]]:
    """Encode any number of texts that are asked, each by the side of the model that reads it.

    Args:
        encoder: The encoder.
        texts: The texts.
        long_text: How those that are longer than the model reads are read.

    Returns:
        For each text (w, D) float32 unit vectors of its w windows, one if it fits, of which the
        best counts (`infer.selection.frame_scores.text_scores`); (Q,) which texts are too long.

    Raises:
        CueframeError: A vector is not finite, as when float16 overflows.
    """
    vectors: dict[int, npt.NDArray[np.float32]] = {}
    too_long = np.zeros(len(texts), np.bool_)
    for side, places in shared_out(texts, encoder.model):
        by = encoder if side is encoder.model else Encoder(side)
        read, too_long[places] = _encoded(by, [texts[n] for n in places], long_text)
        vectors |= zip(places, read, strict=True)
    return [vectors[n] for n in range(len(texts))], too_long


def _encoded(
    encoder: Encoder, texts: Sequence[Text], long_text: LongText
) -> tuple[list[npt.NDArray[np.float32]], npt.NDArray[np.bool_]]:
    """Encode texts, one at least, by one side; see `encode_texts`."""
    read, too_long = read_as(texts, long_text, encoder.model)
    every = [text for one in read for text in (*one.windows, *one.own)]
    vectors, _ = encoder.texts(every)  # (windows of all, D)
    if not np.isfinite(vectors).all():
        raise not_finite(encoder.name, encoder.dtype)
    ends = np.cumsum([len(one.windows) + len(one.own) for one in read])
    of_each = np.split(vectors, ends[:-1])
    joined = [
        _with_own(own, len(one.windows)) if one.own else own
        for one, own in zip(read, of_each, strict=True)
    ]
    return joined, np.array(too_long)


def encode_each(
    encoder: Encoder, texts: Sequence[Sequence[Text]], long_text: LongText
) -> tuple[list[list[npt.NDArray[np.float32]]], list[bool]]:
    """Encode the texts of each of some questions, as `encode_texts` does.

    Returns:
        For each question the vectors of its texts, and whether one of them is too long.
    """
    vectors, too_long = encode_texts(encoder, [*chain.from_iterable(texts)], long_text)
    ends = [*accumulate(map(len, texts))]
    parts = [slice(end - len(own), end) for own, end in zip(texts, ends, strict=True)]
    return [vectors[part] for part in parts], [bool(too_long[part].any()) for part in parts]


def _with_own(vectors: npt.NDArray[np.float32], shared: int) -> npt.NDArray[np.float32]:
    """Average the vector of each shared window and that of the own part, the mean of its windows'.

    All that a choice says shall be seen, and of the question's sentences the one that tells where.
    """
    own = vectors[shared:].mean(axis=0)
    both = vectors[:shared] + own / np.linalg.norm(own)
    joined: npt.NDArray[np.float32] = both / np.linalg.norm(both, axis=1, keepdims=True)
    return joined
