"""Fit a head, and perhaps upper layers, and find out how good they are on unseen texts.

Legend: n pairs, m texts besides that are asked, N = n + m, S and T widths of a student's and a
teacher's vector.
"""

from collections.abc import Callable, Mapping, Sequence
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
from train.distilling.hits import HitTable
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
    hits: dict[str, HitTable]
    """By language, the hits of the asked texts by what has not seen them."""


def fit(
    student: SentenceModel,
    texts: Sequence[str],
    teachers: Floats,
    folds: Folds,
    *,
    groups: Sequence[str],
    own: Sequence[str],
    hits_by: Callable[[Mapping[str, Floats]], dict[str, HitTable]],
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
        hits_by: Returns the hits by language of each way's (m, T) vectors of the asked texts.
        wanted: The way, or auto.
        count: Upper layers to be tuned.
        seed: Seed of the tuning and of the bootstrap.

    Raises:
        CueframeError: The student has no layers that can be tuned, and that is wanted.
    """
    n, shown = len(teachers), len(own)
    unique = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    numbers = np.array([unique[text] for text in texts], np.int64)
    vectors = student_vectors(student, list(unique))[numbers]  # (N, S)
    found = cross_validate(vectors[:n], teachers, folds.of[:n], folds.seen)
    ways = {"ridge": ridge_vectors(found.heads, vectors, folds.of)}
    hits = hits_by({"ridge": ways["ridge"][n:]})
    not_tuned = _why_not_tuned(wanted, n, hits)
    layers = None if not_tuned else _layers(student, count, list(unique), wanted)
    if layers:
        ways["tuned"] = tuned_vectors(layers, numbers, found.heads, teachers, folds, seed=seed)
        hits = hits_by({name: way[n:] for name, way in ways.items()})
    decision = decide(
        {name: held_out[:shown] for name, held_out in ways.items()},
        teachers[:shown],
        own,
        groups[:shown],
        folds.of[:shown],
        wanted=wanted,
        not_tuned=not_tuned or "its layers cannot be tuned",
        hits=hits,
        seed=seed,
    )
    head = decompose(vectors[:n], teachers).head(found.best)
    if layers and decision.head == "tuned":
        head = tune(layers, numbers[:n].tolist(), head, teachers, seed=seed)
    return Fitted(head, found.best, decision, hits)


def _why_not_tuned(wanted: Wanted, pairs: int, hits: Mapping[str, HitTable]) -> str | None:
    """Return why no layers are tuned, None where they are."""
    if wanted == "tuned":
        return None
    if wanted == "ridge":
        return "--head ridge"
    if pairs < TUNED_FROM:
        return f"layers are tuned from {TUNED_FROM} pairs on"
    leads = [table.leads.get("ridge") for table in hits.values()]
    if leads and all(lead is not None and lead.high >= 0 for lead in leads):
        return "it hits no less than the teacher, beyond chance, and tuned layers cannot do better"
    return None


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
