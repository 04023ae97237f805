"""Baselines of a picker: uniform, random and oracle picks, for the figures.

Random and oracle follow the rule of `infer.selection.strategies`: one row of each of K equal
segments, and the places of segments without a row go to any rows left. Random is the exact
expectation over all its draws, oracle the best of them, for each figure separately. UKSS has
neither: it is no count of matches, so its draws cannot be counted by their number of matches.

Legend: E spans or support times of a question, F rows of its video, K picks, G segments with rows,
C candidates.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Bools, Floats
from index.spans import Spans, seconds_away
from infer.evaluation.bootstrap import ARITHMETIC, Average, geometric
from infer.evaluation.exact_random import chance_of_none, chance_of_span, ways_to_match
from infer.evaluation.ukss import LEAST_UKSS, ukss
from infer.evaluation.windows import iop, iou, window
from infer.metrics import (
    COUNTED,
    Counted,
    TimedQuestion,
    counted,
    distance_s,
    evidence_shown,
    segments_hit,
    share,
)

_NONE = float("nan"), float("nan")


def of_counted(figure: Counted, timed: TimedQuestion, k: int) -> tuple[float, float]:
    """Return random and oracle of a figure that counts matches."""
    scenes = figure.scenes(timed.question)
    if not len(scenes.first):
        return _NONE
    met = scenes.shown_by(timed.shown, timed.tolerance_s)  # (S, F)
    return of_matches(met, timed, k, figure.counts, figure.worth)


def of_matches(
    met: Bools,
    timed: TimedQuestion,
    k: int,
    counts: Literal["spans", "picks"],
    worth: Callable[[int, int], float],
) -> tuple[float, float]:
    """Return random and oracle, given which rows match which of E ≥ 1 spans, met (E, F)."""
    ways = ways_to_match(met, timed.segments(timed.time_s, k), k, counts=counts)
    total = len(met) if counts == "spans" else min(k, len(timed.time_s))
    # The ways are integers that may exceed a float's range; their ratio does not.
    draws = sum(ways.values())
    expected = sum(worth(n, total) * (w / draws) for n, w in ways.items())
    return expected, worth(max(ways), total)


def of_segments(timed: TimedQuestion, k: int) -> tuple[float, float]:
    """Return random and oracle of `infer.metrics.segments_hit`."""
    shown = evidence_shown(timed, timed.shown, k)  # (H, F)
    return of_matches(shown, timed, k, "spans", share) if len(shown) else _NONE


def of_distance(timed: TimedQuestion, k: int) -> tuple[float, float]:
    """Return random and oracle (the least) of `infer.metrics.distance_s`."""
    times_s = np.array(timed.question.support_frames, np.float64)  # (E,)
    if not len(times_s):
        return _NONE
    segment = timed.segments(timed.time_s, k)
    there, starts, sizes = np.unique(segment, return_index=True, return_counts=True)  # (G,)
    own = segment[:, None] == there  # (F, G)
    expected = []
    for away_s in seconds_away(*timed.shown, times_s):  # (F,)
        order = np.argsort(away_s, kind="stable")
        # Every draw has a row of each segment: once the nearer rows hold all of one, none follows.
        order = order[: np.maximum.reduceat(np.argsort(order), starts).min() + 1]
        # The nearest pick is the j-th nearest row: none of j-1 nearer rows is drawn, but one of j.
        none = chance_of_none(np.cumsum(own[order], axis=0), sizes, k)
        expected.append(float(away_s[order] @ -np.diff(none, prepend=1.0)))
    return float(np.mean(expected)), _least_distance_s(timed.shown, np.sort(times_s), segment, k)


def _least_distance_s(
    rows: Spans, times_s: Floats, segment: npt.NDArray[np.int64], k: int
) -> float:
    """Return the least mean distance of support times (E,), ascending, to the picks of any draw.

    Only the rows of `_nearest_candidates` are tried, by dynamic programming in order of time: for
    each last pick and number of spare picks used, the least cost of all times before that pick.
    """
    tried = _nearest_candidates(rows, times_s, segment)  # (C,)
    at_s = rows.time_s[tried]
    place = np.searchsorted(np.unique(segment), segment[tried])  # number of its segment, 0 … G-1
    spare = min(k, len(segment)) - len(np.unique(segment))

    # Cost of the times between two picks, each time assigned to the nearer one: (C, C).
    ahead = seconds_away(at_s, rows.end_s[tried], times_s).T  # (C, E)
    between = (times_s >= at_s[:, None, None]) & (times_s < at_s[None, :, None])  # (C, C, E)
    cost = (np.minimum(ahead[:, None], ahead[None, :]) * between).sum(axis=2)
    cost_before = (ahead * (times_s < at_s[:, None])).sum(axis=1)
    cost_after = (ahead * (times_s >= at_s[:, None])).sum(axis=1)

    best = np.full((len(tried), spare + 1), np.inf)  # by last pick and spare picks used
    best[place == 0, 0] = cost_before[place == 0]
    for last in range(len(tried)):
        follows = place[:last] == place[last] - 1
        shares = place[:last] == place[last]
        for used in range(spare + 1):
            options = [best[last, used], *(best[:last, used] + cost[:last, last])[follows]]
            if used:
                options += [*(best[:last, used - 1] + cost[:last, last])[shares]]
            best[last, used] = min(options)
    ends = place == place[-1]
    return float((best[ends].min(axis=1) + cost_after[ends]).min()) / len(times_s)


def _nearest_candidates(
    rows: Spans, times_s: Floats, segment: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the rows (C,), ascending, among which some picks of the least distance are.

    Of the rows of one segment that begin between two neighbouring support times, a pick that m
    earlier times and n later ones are nearest to costs m·start − n·end and a constant. So the rows
    that are best for some m and n are enough, and the last one, which alone may reach beyond the
    later time: its end is cut there.
    """
    gap = np.searchsorted(times_s, rows.time_s)  # the number of times before a row begins
    ends_s = np.minimum(rows.end_s, np.append(times_s, np.inf)[gap])
    changes = (np.diff(segment, prepend=-1) != 0) | (np.diff(gap, prepend=-1) != 0)
    starts = np.flatnonzero(changes).tolist()
    found: set[int] = set()
    for start, end in zip(starts, [*starts[1:], len(segment)], strict=True):
        begins_s, own_ends_s = rows.time_s[start:end], ends_s[start:end]
        before = int(gap[start])
        found.add(end - 1)
        for m, n in product(range(before + 1), range(len(times_s) - before + 1)):
            found.add(start + int((m * begins_s - n * own_ends_s).argmin()))
    return np.array(sorted(found), np.int64)


def of_window(
    overlap: Callable[[Floats, Floats, Floats], Floats], timed: TimedQuestion, k: int
) -> tuple[float, float]:
    """Return random and oracle of `infer.evaluation.windows.iop` or `iou`."""
    ranges_s = np.array(timed.question.support_ranges, np.float64)
    if not len(ranges_s):
        return _NONE
    rows, segment = timed.shown, timed.segments(timed.time_s, k)
    expected, best = 0.0, 0.0
    for first, last, chances in chance_of_span(segment, k):  # never all pairs at once
        figures = overlap(rows.time_s[first], rows.end_s[last], ranges_s)
        expected += float((figures * chances).sum())
        best = max(best, float(figures.max()))
    return expected, best


def no_baselines(_timed: TimedQuestion, _k: int) -> tuple[float, float]:
    """Return NaN for random and oracle of a figure whose draws are not counted."""
    return _NONE


class Figure(NamedTuple):
    """A figure of one question; NaN if the question has no label for it."""

    value: Callable[[TimedQuestion, Spans, int], float]
    """The figure of picks, from `infer.metrics.picked_spans`."""
    random_and_oracle: Callable[[TimedQuestion, int], tuple[float, float]]
    average: Average = ARITHMETIC
    """How it is averaged over questions. Only an arithmetic mean has a difference to uniform."""


FIGURES: dict[str, Figure] = {
    **{
        name: Figure(partial(counted, figure), partial(of_counted, figure))
        for name, figure in COUNTED.items()
    },
    "segments": Figure(segments_hit, of_segments),
    "distance_s": Figure(distance_s, of_distance),
    "IoP": Figure(partial(window, iop), partial(of_window, iop)),
    "IoU": Figure(partial(window, iou), partial(of_window, iou)),
    "UKSS": Figure(ukss, no_baselines, geometric(LEAST_UKSS)),
}
"""All figures by the name of their column. All are shares from 0 to 1, higher is better, except
`distance_s`."""
