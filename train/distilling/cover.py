"""Few texts that stand for many: greedy maximisation of a facility location function.

The value of a choice is the sum over all texts of the largest cosine to a chosen one, where cosines
below 0 count as 0. It is monotone and submodular, so the greedy choice has at least 1 − 1/e of the
best value (Nemhauser, Wolsey and Fisher 1978). Gains only fall while the choice grows, so that few
have to be computed again for each text (lazy evaluation, Minoux 1978).

Legend: N texts, M ≤ N texts that shall be covered, D width of a vector, b texts of a block.
"""

from collections.abc import Iterator

import numpy as np

from index.arrays import Floats, Integers
from index.progress import bar

MOST_COVERED = 10_000
"""M, at most: of more texts, as many are taken from all parts of the file, so that time grows with
N and not with its square. Any text can be chosen still."""
_CANDIDATES = 512
_COVERED = 2048
"""Texts whose cosines to each other are held at once."""
_AGAIN = 32
"""Gains computed again at once, at first: for one alone, reading all vectors takes as long. It
doubles until the best is found: after the first choice nearly all gains are to be computed."""
_ROUNDING = 1e-6
"""Gains that differ by less, as a part of the largest, are equal: sums of float32 are rounded."""


def covering(vectors: Floats, k: int) -> tuple[Integers, Floats]:
    """Choose the texts that cover all of them best, the most useful first.

    Args:
        vectors: (N, D) unit vectors.
        k: How many are wanted.

    Returns:
        Rows (min(k, N),) of the chosen texts, and the cover (min(k, N),) after each: the mean over
        the texts of the largest cosine to a text chosen so far, at least 0. Ties go to the earlier
        row.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    total = len(vectors)
    wanted = vectors if total <= MOST_COVERED else vectors[_spread(total, MOST_COVERED)]
    covered = np.zeros(len(wanted), np.float32)
    gains = np.concatenate([np.zeros(0), *_first_gains(vectors, wanted)])
    rows: list[int] = []
    cover: list[float] = []
    for _ in bar(range(min(k, total)), "text", min(k, total)):
        row = _best(vectors, wanted, covered, gains)
        gains[row] = -np.inf
        np.maximum(covered, wanted @ vectors[row], out=covered)
        rows.append(row)
        cover.append(float(covered.mean(dtype=np.float64)))
    return np.array(rows, np.int64), np.array(cover)


def _spread(total: int, count: int) -> Integers:
    """Return count different numbers below total, at equal distances."""
    return np.arange(count, dtype=np.int64) * total // count


def _first_gains(vectors: Floats, wanted: Floats) -> Iterator[Floats]:
    """Yield the gains (b,) of each block of texts (N, D) while none is chosen."""
    nothing = np.zeros(len(wanted), np.float32)
    starts = range(0, len(vectors), _CANDIDATES)
    for start in bar(starts, "block", len(starts)):
        yield _gains(vectors[start : start + _CANDIDATES], wanted, nothing)


def _gains(candidates: Floats, wanted: Floats, covered: Floats) -> Floats:
    """Return how much each of some texts (b, D) adds to the sum over those wanted (M, D), (b,)."""
    gains = np.zeros(len(candidates))
    for start in range(0, len(wanted), _COVERED):
        block = slice(start, start + _COVERED)
        more = candidates @ wanted[block].T
        more -= covered[block]
        np.maximum(more, 0, out=more)
        gains += more.sum(1)
    return gains


def _best(vectors: Floats, wanted: Floats, covered: Floats, gains: Floats) -> int:
    """Return the row of the largest gain, the first of those that differ by rounding alone.

    `gains` (N,) holds bounds from above, which become gains where they are computed again.
    """
    fresh = np.zeros(len(gains), bool)
    again = _AGAIN
    while True:
        near = gains >= gains.max() * (1 - _ROUNDING)
        if fresh[near].all():
            return int(np.argmax(near))
        bounds = np.where(fresh, -np.inf, gains)
        again = min(again, len(gains))
        stale = np.argpartition(bounds, -again)[-again:]
        stale = stale[np.isfinite(bounds[stale])]
        fresh[stale] = True
        gains[stale] = _gains(vectors[stale], wanted, covered)
        again = min(2 * again, _CANDIDATES)
