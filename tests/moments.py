"""The moments of a score curve by a plain reading, for those who find."""

from collections.abc import Sequence
from statistics import median


def plain_moments(scores: Sequence[float]) -> list[tuple[int, int, int]]:
    """Peak, first and last row of each, the best first."""
    found: list[tuple[int, int, int]] = []
    for peak in sorted(range(len(scores)), key=lambda row: (-scores[row], row)):
        first, last = _stretch(scores, peak, scores[peak])
        before = scores[first - 1] if first else -9.0
        after = scores[last + 1] if last + 1 < len(scores) else -9.0
        if first < peak or before > scores[peak] or after > scores[peak]:
            continue  # not the first of equals, or not the highest
        half = (scores[peak] + median(scores)) / 2
        first, last = _stretch(scores, peak, min(scores[peak], half))
        if all(last < start or end < first for _, start, end in found):
            found.append((peak, first, last))
    return found


def _stretch(scores: Sequence[float], row: int, least: float) -> tuple[int, int]:
    first = last = row
    while first and scores[first - 1] >= least:
        first -= 1
    while last + 1 < len(scores) and scores[last + 1] >= least:
        last += 1
    return first, last
