"""How near a student comes to its teacher on pairs that it has not seen, and which way is kept.

Each fold's texts get the vectors of a head, and of tuned layers, that learned from the other folds'
pairs alone.

Legend: n pairs, m texts besides that are asked, S and T widths of a student's and a teacher's
vector, C distinct texts of the teacher in a fold.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Bools, Floats, Integers
from index.errors import CueframeError
from infer.evaluation.bootstrap import Estimate, estimates
from infer.evaluation.rule_choice import folds_of
from train.distilling.hits import HitTable
from train.distilling.ridge import Head, cosines, unit
from train.distilling.tuned_layers import tune
from train.distilling.upper_layers import UpperLayers

FOLDS = 5
"""Each costs a tuning; with ten, a fold's heads would learn from 90 % of the pairs, not 80."""
_MOST_COMPARED = 1_000
"""Texts of a fold among which each translation's is looked for, so that time stays linear in n."""


class Folds(NamedTuple):
    """Which texts are held out together, and what is learned from meanwhile."""

    of: Integers
    """(n + m,) the fold of each pair, then of each asked text: one for all texts of a group."""
    seen: dict[int, Bools]
    """By fold, (n,) the pairs that its heads learn from: those of other folds, but none that has a
    text in common with one of the fold's own."""


def folds_of_pairs(
    groups: Sequence[str],
    pairs: Sequence[Collection[str]],
    asked: Sequence[Collection[str]],
    seed: int,
) -> Folds:
    """Divide pairs and asked texts into folds by their groups.

    Args:
        groups: (n + m,) the groups of the pairs, then of the asked texts.
        pairs: (n,) the texts of each pair.
        asked: (m,) an asked text, and what is known of it in other languages.
        seed: Seed of the division.

    Raises:
        CueframeError: All pairs are of one group.
    """
    own = groups[: len(pairs)]
    if len(set(own)) < 2:
        raise CueframeError(
            f"the {len(own)} pairs are all about one video or text, so none can be held out; give "
            "others with --pairs"
        )
    folds = folds_of(groups, seed, folds=FOLDS, splits=1)[:, 0]
    texts: dict[int, set[str]] = {}
    for fold, said in zip(folds.tolist(), [*pairs, *asked], strict=True):
        texts.setdefault(fold, set()).update(said)
    seen = {
        fold: (folds[: len(pairs)] != fold) & np.array([held.isdisjoint(said) for said in pairs])
        for fold, held in sorted(texts.items())
    }
    return Folds(folds, seen)


def ridge_vectors(heads: Mapping[int, Head], students: Floats, folds: Integers) -> Floats:
    """Return (N, T) float32 unit vectors of students (N, S), each by the head of its fold."""
    width = len(next(iter(heads.values())).bias)
    found = np.empty((len(students), width), np.float32)
    for fold, head in heads.items():
        out = folds == fold
        found[out] = head(students[out])
    return found


def tuned_vectors(
    layers: UpperLayers,
    numbers: Integers,
    heads: Mapping[int, Head],
    teachers: Floats,
    folds: Folds,
    *,
    seed: int,
) -> Floats:
    """Return (N, T) float32 unit vectors, each by layers tuned without the pairs of its fold.

    The layers are afterwards what they were.

    Args:
        layers: The student, with the states of the texts.
        numbers: (N,) the number in `layers` of each translation, then of each asked text.
        heads: By fold, its ridge head.
        teachers: (n, T) unit vectors of the pairs' texts.
        folds: The folds of the N = n + m texts.
        seed: Seed of the tuning.
    """
    found = np.empty((len(folds.of), teachers.shape[1]), np.float32)
    for fold, head in heads.items():
        seen, out = np.flatnonzero(folds.seen[fold]), np.flatnonzero(folds.of == fold)
        tuned = tune(layers, numbers[seen].tolist(), head, teachers[seen], seed=seed)
        found[out] = tuned(layers.all_vectors(numbers[out].tolist()).numpy())
        layers.restore()
    return found


def found_first(
    vectors: Floats, teachers: Floats, texts: Sequence[str], folds: Integers
) -> npt.NDArray[np.float64]:
    """Return (n,) whether the nearest of its fold's texts is a translation's own: 0 or 1.

    Args:
        vectors: (n, T) unit vectors of the translations.
        teachers: (n, T) unit vectors of their texts.
        texts: (n,) these texts; equal ones are one.
        folds: (n,) the fold of each pair.
    """
    found = np.full(len(texts), np.nan)
    numbers = np.unique(np.array(texts, np.str_), return_inverse=True)[1]
    for fold in np.unique(folds).tolist():
        out = np.flatnonzero(folds == fold)
        first = out[np.unique(numbers[out], return_index=True)[1]][:_MOST_COMPARED]  # (C,)
        out = out[np.isin(numbers[out], numbers[first])]
        nearest = first[(vectors[out] @ teachers[first].T).argmax(axis=1)]
        found[out] = numbers[nearest] == numbers[out]
    return found


def by_chance(teachers: Floats, texts: Sequence[str], folds: Integers) -> Floats:
    """Return (n, 2) cosine to the mean of the other folds' texts, and the chance to be found first.

    Arguments are those of `found_first`.
    """
    found = np.empty((len(texts), 2))
    for fold in np.unique(folds).tolist():
        out = folds == fold
        mean = unit(teachers[~out].mean(axis=0, keepdims=True))
        among = min(
            len({text for text, own in zip(texts, out, strict=True) if own}), _MOST_COMPARED
        )
        found[out] = np.stack(
            [(teachers[out] @ mean.T)[:, 0], np.full(out.sum(), 1 / among)], axis=1
        )
    return found


class Decision(NamedTuple):
    """Which way is kept, with what it is decided on."""

    head: str
    """ridge or tuned."""
    why: str
    rows: dict[str, dict[str, Estimate]]
    """By ridge, tuned, their difference and chance, the mean cosine to the teacher and the share
    found first, of held-out pairs, with intervals by groups."""


def decide(
    ways: Mapping[str, Floats],
    teachers: Floats,
    texts: Sequence[str],
    groups: Sequence[str],
    folds: Integers,
    *,
    wanted: str,
    not_tuned: str,
    hits: Mapping[str, HitTable],
    seed: int,
) -> Decision:
    """Keep the tuned layers only where they hit more, beyond chance.

    Without labelled questions: where they are nearer to the teacher.

    Args:
        ways: (n, T) held-out unit vectors by ridge, and perhaps by tuned.
        teachers: (n, T) unit vectors of the pairs' texts.
        texts: (n,) these texts.
        groups: (n,) the pairs' groups, which the bootstrap draws whole.
        folds: (n,) the fold of each pair.
        wanted: auto, or what is kept in any case.
        not_tuned: Why auto keeps ridge where nothing was tuned.
        hits: By language, the hits of labelled questions.
        seed: Seed of the bootstrap.
    """
    tables = {
        name: np.stack(
            [cosines(vectors, teachers), found_first(vectors, teachers, texts, folds)], axis=1
        )
        for name, vectors in ways.items()
    }
    tables["chance"] = by_chance(teachers, texts, folds)
    if "tuned" in tables:
        tables["tuned − ridge"] = tables["tuned"] - tables["ridge"]
    rows = {
        name: dict(zip(("cosine", "found first"), estimates(table, groups, seed), strict=True))
        for name, table in tables.items()
    }
    if wanted != "auto":
        return Decision(wanted, f"--head {wanted}", rows)
    if "tuned" not in tables:
        return Decision("ridge", not_tuned, rows)
    lead, what = [rows["tuned − ridge"]["cosine"].low], "are nearer to the teacher"
    if hits:
        lead = [table.rows["student, tuned − student, ridge"].low for table in hits.values()]
        what = "hit more"
    if min(lead) > 0:
        return Decision("tuned", f"on unseen pairs, tuned layers {what}", rows)
    return Decision("ridge", f"that tuned layers {what} on unseen pairs may be chance", rows)
