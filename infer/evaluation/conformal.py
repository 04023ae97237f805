"""Split conformal prediction: how large sets have to be so that they hold evidence.

Calibration questions about n videos tell how large a set each of them needs. If the videos asked
about are drawn as these were, a question about a new video gets a set that holds evidence with at
least the probability asked for, on average over calibrations, whatever the encoder is worth (Vovk,
Gammerman and Shafer, 2005). Questions about one video succeed or fail together, so the videos are
what is drawn: each of them weighs 1/(n+1), shared among its questions, and so does the new one,
which may need anything (Lee, Barber and Willett, 2023, arXiv 2306.06342).

Legend: N calibration questions, n their videos, α one minus the coverage.
"""

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from index.arrays import Floats

_ROUNDING = 1e-12
"""By which a sum of N weights may be below the sum of the exact ones."""


def fewest_videos(coverage: float) -> int:
    """Return ⌈1/α⌉ − 1, with fewer than which no finite set is large enough.

    The coverage is taken as it is written: 0.9 needs 9 videos, though 1 − 0.9 is below 0.1.
    """
    return math.ceil(1 / (1 - Fraction(str(coverage)))) - 1


def threshold_of(needed: Floats, videos: Sequence[str], coverage: float) -> float:
    """Return the least threshold that enough calibration questions need at most.

    Args:
        needed: (N,) the threshold from which on each question's set holds evidence; infinite where
            none does.
        videos: (N,) each question's video.
        coverage: The share of questions that shall be covered, between 0 and 1.

    Returns:
        One of `needed`; infinite where the videos are fewer than `fewest_videos`.
    """
    of_video = Counter(videos)
    shares = np.array([1 / of_video[video] for video in videos]) / (len(of_video) + 1)
    order = np.argsort(needed, kind="stable")
    reached = np.cumsum(shares[order]) >= coverage - _ROUNDING
    return float(needed[order[reached.argmax()]]) if reached.any() else math.inf


def floor_of(videos: int, coverage: float, chance: float = 0.05) -> float:
    """Return the coverage below which a single calibration falls with a chance of 5 %.

    With one question for each of n videos, the coverage of one calibration is drawn from the beta
    distribution of n+1−l and l, l = ⌊(n+1)·α⌋ (Vovk, 2012, arXiv 1209.2673; Angelopoulos and Bates,
    2021, arXiv 2107.07511); this is its 5 % quantile. Questions that share videos are not
    independent, and several for each video tell more than one: so it is a guide, not a promise.
    0 where the videos are fewer than `fewest_videos` says: there is no calibration.
    """
    above = int((videos + 1) * (1 - Fraction(str(coverage))))
    if above < 1:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_least(videos + 1 - above, videos, middle) < chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _at_least(successes: int, draws: int, share: float) -> float:
    """Return the chance of so many successes or more, which is that of a beta value below `share`.

    Beta(a, b) is the a-th least of a+b−1 uniform draws, so it is at most x if a of them are.
    """
    if not 0 < share < 1:
        return float(share >= 1 or successes <= 0)
    m = np.arange(successes, draws + 1)
    logs = [
        math.lgamma(draws + 1) - math.lgamma(k + 1) - math.lgamma(draws - k + 1) for k in m.tolist()
    ]
    return float(
        np.exp(np.array(logs) + m * math.log(share) + (draws - m) * math.log1p(-share)).sum()
    )
