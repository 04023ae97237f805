"""Fit a head, and perhaps upper layers, and find out how good they are on unseen texts.

Legend: n pairs, m texts besides that are asked, N = n + m, S and T widths of a student's and a
teacher's vector.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from index.arrays import Floats
from index.messages import say
from index.models.sentence_model import SentenceModel
from train.distilling.cross_validation import (
    Decision,
    Folds,
    decide,
    ridge_vectors,
    tuned_vectors,
)
from train.distilling.encoding import student_vectors
from train.distilling.ridge import Head, cross_validate, decompose
from train.distilling.tuned_layers import tune
from train.distilling.upper_layers import NotTunableError, UpperLayers

TUNED_FROM = 200
"""Pairs from which `auto` tries to tune layers. Of 100 pairs the cosine on unseen ones rose from
0.887 to 0.889, of 200 from 0.905 to 0.915, of 416 from 0.913 to 0.935."""

Wanted = Literal["auto", "ridge", "tuned"]


class Fitted(NamedTuple):
    """A student's head; its upper layers are changed where it is tuned."""

    head: Head
    strength: float
    decision: Decision
    asked: dict[str, Floats]
    """(m, T) unit vectors of the asked texts by what has not seen them, the kept way first."""


def fit(
    student: SentenceModel,
    texts: Sequence[str],
    teachers: Floats,
    folds: Folds,
    *,
    groups: Sequence[str],
    own: Sequence[str],
    wanted: Wanted,
    count: int,
    seed: int,
) -> Fitted:
    """Fit on n pairs, in the way that is wanted, or better by cross-validation.

    Args:
        student: The student on its device, with float32 weights.
        texts: (N,) the pairs' translations, then the asked texts, as the student reads them.
        teachers: (n, T) unit vectors of the pairs' texts.
        folds: The folds of all.
        groups: (n,) the groups of the pairs.
        own: The pairs' texts in the teacher's language, of the first pairs, which are compared.
        wanted: The way, or auto.
        count: Upper layers to be tuned.
        seed: Seed of the tuning and of the bootstrap.

    Raises:
        CueframeError: The student has no layers that can be tuned, and that is wanted.
    """
    n = len(teachers)
    unique = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    numbers = np.array([unique[text] for text in texts], np.int64)
    tried = wanted == "tuned" or (wanted == "auto" and n >= TUNED_FROM)
    layers = _layers(student, count, list(unique), wanted) if tried else None
    vectors = (
        layers.all_vectors(range(len(unique))).numpy()
        if layers
        else student_vectors(student, list(unique))
    )[numbers]  # (N, S)
    found = cross_validate(vectors[:n], teachers, folds.of[:n], folds.seen)
    ways = {"ridge": ridge_vectors(found.heads, vectors, folds.of)}
    if layers:
        ways["tuned"] = tuned_vectors(layers, numbers, found.heads, teachers, folds, seed=seed)
    shown = len(own)
    decision = decide(
        {name: held_out[:shown] for name, held_out in ways.items()},
        teachers[:shown],
        own,
        groups[:shown],
        folds.of[:shown],
        wanted=wanted,
        too_few=f"layers are tuned from {TUNED_FROM} pairs on"
        if n < TUNED_FROM
        else "its layers cannot be tuned",
        seed=seed,
    )
    head = decompose(vectors[:n], teachers).head(found.best)
    if layers and decision.head == "tuned":
        head = tune(layers, numbers[:n].tolist(), head, teachers, seed=seed)
    kept = sorted(ways, key=lambda name: name != decision.head)
    return Fitted(head, found.best, decision, {name: ways[name][n:] for name in kept})


def _layers(
    student: SentenceModel, count: int, texts: Sequence[str], wanted: Wanted
) -> UpperLayers | None:
    try:
        return UpperLayers(student, count, texts)
    except NotTunableError as error:
        if wanted == "tuned":
            raise
        say(f"no layers are tuned: {error}")
        return None
