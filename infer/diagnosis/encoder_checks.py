"""The encoder of the questions: loaded, compared with the index, and measured on translations.

Legend: N texts, U different translations, D width of a vector.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
from accelerate import PartialState

from index.arrays import Floats
from index.errors import CueframeError, ModelError
from index.models.dual_model import DualModel
from index.models.encoder import Encoder, load_dual_model, ready_encoder
from index.models.model_loading import Dtype
from index.models.text_languages import TextLanguages, text_languages
from index.progress import bar
from index.storage.store import Profile
from infer.diagnosis.commands import Commands
from infer.diagnosis.findings import Finding, of_error
from infer.diagnosis.text_tokens import Pieces, pieces_of
from infer.diagnosis.translations import Nearness, Pair, nearest_shares, spread, wilson
from infer.evaluation.bootstrap import estimates
from infer.query_encoder import encode_texts, refuse_other_model

_AT_ONCE = 64
"""Texts that are encoded before the bar moves."""


class Loaded(NamedTuple):
    """The encoder of the questions, or why there is none."""

    model: DualModel | None
    languages: TextLanguages | None
    """Those that it was trained to read, where that is known."""
    found: list[Finding]
    """What is wrong with it."""


def load_for(
    model: str | None, index: Path | None, profile: Profile | None, commands: Commands
) -> Loaded:
    """Load --model, or else the encoder of the index; that this cannot be had is a finding.

    Raises:
        CueframeError: --model cannot be loaded, or encodes no text.
    """
    name = model or (profile.model if profile else None)
    if name is None:
        return Loaded(None, None, [])
    found: list[Finding] = []
    try:
        loaded = _with_view(name, profile)
        for side in loaded.text_sides():
            Encoder(side).check_texts()
    except CueframeError as error:
        if model:
            raise
        return Loaded(None, None, [of_error("model", error)])
    if index and profile:
        try:
            refuse_other_model(index, profile, loaded)
        except CueframeError as error:
            found.append(of_error("other_model", error)._replace(advice=commands.own_model(name)))
    return Loaded(loaded, text_languages(loaded), found)


def _with_view(name: str, profile: Profile | None) -> DualModel:
    """Load a model with the view of the index, or its own where it has no such view."""
    try:
        return load_dual_model(name, profile.view if profile else None)
    except ModelError:
        raise
    except CueframeError:
        if profile is None:
            raise
        return load_dual_model(name, None)


def measure(
    model: DualModel, groups: Sequence[Sequence[Pair]], *, dtype: Dtype, seed: int
) -> list[Nearness]:
    """Measure groups of pairs, each of one pair of languages.

    Args:
        model: The model, which is moved to the device.
        groups: The pairs; of each group as many are measured as `spread` leaves.
        dtype: As for `index.models.encoder.ready_encoder`.
        seed: Seed of the bootstrap over videos.

    Raises:
        CueframeError: A vector is not finite.
    """
    encoder = ready_encoder(model, dtype=dtype, device=PartialState().device)
    found = []
    for group in groups:
        pairs = spread(group)
        others = list(dict.fromkeys(pair.other for pair in pairs))
        place = {text: n for n, text in enumerate(others)}
        own_texts = [pair.text for pair in pairs]
        texts = _vectors(encoder, own_texts)  # (N, D)
        cosines = texts @ _vectors(encoder, others).T  # (N, U)
        right = nearest_shares(cosines, [place[pair.other] for pair in pairs])
        videos = [pair.video for pair in pairs]
        (estimate,) = estimates(right[:, None], videos, seed)
        if estimate.low == estimate.high:  # every resample of texts that all end alike is the same
            low, high = wilson(estimate.mean, len(set(videos)))
            estimate = estimate._replace(low=low, high=high)
        own, other = (_pieces(every, model) for every in (own_texts, others))
        found.append(
            Nearness(
                pairs[0].languages,
                len(group),
                len(pairs),
                estimate,
                1 / len(others),
                pairs[0].file,
                (own.of_a_unit, other.of_a_unit),
                (own.too_many, other.too_many),
            )
        )
    return found


def _pieces(texts: Sequence[str], model: DualModel) -> Pieces:
    return reduce(Pieces.with_, pieces_of(texts, model), Pieces())


def _vectors(encoder: Encoder, texts: Sequence[str]) -> Floats:
    """Return (N, D) float64 unit vectors; of a long text, the mean of its windows."""
    rows: list[Floats] = []
    for block in bar(_blocks(texts), "block", -(-len(texts) // _AT_ONCE)):
        rows += [own.mean(axis=0) for own in encode_texts(encoder, block, "windows")[0]]
    vectors = np.stack(rows).astype(np.float64)
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), _AT_ONCE):
        yield texts[start : start + _AT_ONCE]
