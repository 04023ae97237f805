"""How near texts are to their translations and other wordings: does a model read a language at all?

A text's vector is compared with those of all translations. Where the model reads both languages,
its own translation is the nearest; where it does not, any other is as near.

Legend: N texts, U different translations.
"""

import math
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
    file: str = ""
    """The file of the other text; "" where it stands in the same question."""


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
    file: str = ""
    """The file of the other texts, as `Pair.file`."""
    pieces: tuple[float, float] = (0.0, 0.0)
    """Tokens of a word in both languages."""
    too_many_pieces: tuple[bool, bool] = (False, False)
    """Whether they are so many that the tokenizer was not made for the language."""


class Measured(NamedTuple):
    """What was measured."""

    groups: Sequence[Nearness]
    without: Sequence[str]
    """Ids of questions that the file of --translations lacks; none without the flag."""


def spread(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """Return `MOST_PAIRS` of some pairs, evenly spread, or all where there are no more."""
    many = min(len(pairs), MOST_PAIRS)
    return [pairs[place * len(pairs) // many] for place in range(many)]


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share of independent trials.

    It has a width where all trials end alike, which a bootstrap then lacks. Source: E. B. Wilson,
    "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
    Statistical Association 22 (1927), 209-212.

    Args:
        share: Of the trials that succeed.
        count: How many trials there are, 1 at least.
    """
    z2 = 1.959964**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


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
