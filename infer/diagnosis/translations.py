"""How near texts are to their translations and other wordings: does a model read a language at all?

A text's vector is compared with those of all translations. Where the model reads both languages,
its own translation is the nearest; where it does not, any other is as near.

Legend: N texts, U different translations.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Floats
from infer.evaluation.bootstrap import Estimate

MOST_PAIRS = 500
"""Pairs that are measured of a group, evenly spread."""
_SAME = 1e-6
"""Cosines that are this close are equal."""


class Pair(NamedTuple):
    """A text and another that says the same."""

    video: str
    text: str
    other: str
    languages: tuple[str, str]
    """Of both texts."""


class Nearness(NamedTuple):
    """How often a text's own translation is the nearest, in a group of pairs of two languages."""

    languages: tuple[str, str]
    pairs: int
    """Pairs that there are."""
    measured: int
    """Pairs that were measured."""
    nearest: Estimate
    """Share of the texts whose own translation is the nearest."""
    chance: float
    """The same of a model to which all are alike."""


class Measured(NamedTuple):
    """What was measured."""

    groups: Sequence[Nearness]
    without: int
    """Questions that have no translation in the file of --translations; 0 without the flag."""


def spread(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """Return at most `MOST_PAIRS` of some pairs, evenly spread."""
    return pairs[:: 1 + (len(pairs) - 1) // MOST_PAIRS]


def nearest_shares(cosines: Floats, own: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return (N,) 1 where a text's own translation is the nearest, of several as near its share.

    Args:
        cosines: (N, U) of texts and translations.
        own: (N,) the place of each text's translation.
    """
    best = cosines.max(axis=1, keepdims=True)
    near = cosines >= best - _SAME
    right: npt.NDArray[np.float64] = near[np.arange(len(own)), list(own)] / near.sum(axis=1)
    return right
