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

from index.arrays import Bools, Floats, Integers
from index.spans import Spans, seconds_away
from infer.evaluation.bootstrap import ARITHMETIC, Average, geometric
from infer.evaluation.draws import Draws
from infer.evaluation.event_order import of_sequence, sequence
from infer.evaluation.exact_random import chance_of_none, ways_to_match
from infer.evaluation.ukss import LEAST_UKSS, ukss
from infer.evaluation.window_means import mean_and_best
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


def of_counted(figure: Counted, timed: TimedQuestion, draws: Draws) -> tuple[float, float]:
    """Return random and oracle of a figure that counts matches."""
    scenes = figure.scenes(timed.question)
    if not len(scenes.first):
        return _NONE
    met = scenes.shown_by(draws.shown, timed.tolerance_s)  # (S, F)
    return of_matches(met, draws, figure.counts, figure.worth)


def of_matches(
    met: Bools,
    draws: Draws,
    counts: Literal["spans", "picks"],
    worth: Callable[[int, int], float],
) -> tuple[float, float]:
    """Return random and oracle, given which rows match which of E ≥ 1 spans, met (E, F)."""
    ways = ways_to_match(met, draws.segment, draws.k, counts=counts)
    total = len(met) if counts == "spans" else draws.picks
    # The ways are integers that may exceed a float's range; their ratio does not.
    all_ways = sum(ways.values())
    expected = sum(worth(n, total) * (w / all_ways) for n, w in ways.items())
    return expected, worth(max(ways), total)


def of_segments(timed: TimedQuestion, draws: Draws) -> tuple[float, float]:
    """Return random and oracle of `infer.metrics.segments_hit`."""
    shown = evidence_shown(timed, draws.shown, draws.k)  # (H, F)
    return of_matches(shown, draws, "spans", share) if len(shown) else _NONE


def of_distance(timed: TimedQuestion, draws: Draws) -> tuple[float, float]:
    """Return random and oracle (the least) of `infer.metrics.distance_s`."""
    times_s = np.array(timed.question.support_frames, np.float64)  # (E,)
    if not len(times_s):
        return _NONE
    expected = [_mean_distance_s(away_s, draws) for away_s in seconds_away(*draws.shown, times_s)]
    return float(np.mean(expected)), _least_distance_s(draws, np.sort(times_s))


def _mean_distance_s(away_s: Floats, draws: Draws) -> float:
    """Return the expected distance of the nearest pick, given that of each row (F,)."""
    order = np.argsort(away_s, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    # Every draw has a row of each segment: once the nearer rows hold all of one, none follows.
    order = order[: np.maximum.reduceat(place, draws.starts).min() + 1]
    # The nearest pick is the j-th nearest row: none of j-1 nearer rows is drawn, but one of j.
    near, own = np.unique(draws.segment[order], return_inverse=True)  # of G, a few
    inside = np.cumsum(own[:, None] == np.arange(len(near)), axis=0)
    sizes = draws.sizes[np.searchsorted(draws.segment[draws.starts], near)]
    none = chance_of_none(inside, sizes, draws.left, draws.spare)
    return float(away_s[order] @ -np.diff(none, prepend=1.0))


def _least_distance_s(draws: Draws, times_s: Floats) -> float:
    """Return the least mean distance of support times (E,), ascending, to the picks of any draw.

    Only the rows of `_nearest_candidates` are tried, by dynamic programming in order of time: for
    each last pick and number of spare picks used, the least cost of all times before that pick.
    """
    tried = _nearest_candidates(draws, times_s)  # (C,)
    at_s = draws.shown.time_s[tried]
    away_s = seconds_away(at_s, draws.shown.end_s[tried], times_s).T  # (C, E)

    def cost(one: slice, other: slice) -> Floats:
        """Return (C, C) the cost of the times between two picks, each at the nearer one."""
        between = (times_s >= at_s[one, None, None]) & (times_s < at_s[other, None])  # (C, C, E)
        costs: Floats = np.minimum(away_s[one, None], away_s[other]) * between
        return np.asarray(costs.sum(axis=2))

    starts = np.flatnonzero(np.diff(draws.segment[tried], prepend=-1)).tolist()
    before, best = slice(0, 0), np.empty((0, draws.spare + 1))
    for start, end in zip(starts, [*starts[1:], len(tried)], strict=True):
        here = slice(start, end)
        costs, earlier = cost(before, here), best
        best = np.full((end - start, draws.spare + 1), np.inf)  # by last pick and spare picks used
        if start:
            best = (earlier[:, None] + costs[:, :, None]).min(axis=0)
        else:
            best[:, 0] = (away_s[here] * (times_s < at_s[here, None])).sum(axis=1)
        if draws.spare:
            costs = cost(here, here)
            for last in range(1, end - start):
                spent = (best[:last, :-1] + costs[:last, last, None]).min(axis=0)
                best[last, 1:] = np.minimum(best[last, 1:], spent)
        before = here
    after = (away_s[before] * (times_s >= at_s[before, None])).sum(axis=1)
    return float((best.min(axis=1) + after).min()) / len(times_s)


def _nearest_candidates(draws: Draws, times_s: Floats) -> Integers:
    """Return the rows (C,), ascending, among which some picks of the least distance are.

    Of the rows of one segment that begin between two neighbouring support times, a pick that m
    earlier times and n later ones are nearest to costs m·start − n·end and a constant. So the rows
    that are best for some m and n are enough, and the last one, which alone may reach beyond the
    later time: its end is cut there. Times before all rows of the segment before, or after all of
    the next one, are nearer to a pick there.
    """
    rows = draws.shown
    gap = np.searchsorted(times_s, rows.time_s)  # the number of times before a row begins
    ends_s = np.minimum(rows.end_s, np.append(times_s, np.inf)[gap])
    # By segment: the numbers of times before the first and the last row of its neighbours.
    passed = [0, *gap[draws.starts[:-1]].tolist()]
    reached = [*gap[(draws.starts + draws.sizes - 1)[1:]].tolist(), len(times_s)]
    begins = np.diff(draws.segment, prepend=-1) != 0
    place = (np.cumsum(begins) - 1).tolist()
    starts = np.flatnonzero(begins | (np.diff(gap, prepend=-1) != 0)).tolist()
    found: set[int] = set()
    for start, end in zip(starts, [*starts[1:], len(gap)], strict=True):
        begins_s, own_ends_s = rows.time_s[start:end], ends_s[start:end]
        before = int(gap[start])
        earlier = range(before - passed[place[start]] + 1)
        later = range(reached[place[start]] - before + 1)
        found.add(end - 1)
        for m, n in product(earlier, later):
            found.add(start + int((m * begins_s - n * own_ends_s).argmin()))
    return np.array(sorted(found), np.int64)


def of_window(
    overlap: Callable[[Floats, Floats, Floats], Floats], timed: TimedQuestion, draws: Draws
) -> tuple[float, float]:
    """Return random and oracle of `infer.evaluation.windows.iop` or `iou`."""
    ranges_s = np.array(timed.question.support_ranges, np.float64)
    if not len(ranges_s):
        return _NONE
    if draws.picks == 1:
        figures = overlap(*draws.shown, ranges_s).max(axis=0)
        return float(figures.mean()), float(figures.max())
    return mean_and_best(overlap, draws.shown, draws.ends, draws.picks, ranges_s)


def no_baselines(_timed: TimedQuestion, _draws: Draws) -> tuple[float, float]:
    """Return NaN for random and oracle of a figure whose draws are not counted."""
    return _NONE


class Figure(NamedTuple):
    """A figure of one question; NaN if the question has no label for it."""

    value: Callable[[TimedQuestion, Spans, int], float]
    """The figure of picks, from `infer.metrics.picked_spans`."""
    random_and_oracle: Callable[[TimedQuestion, Draws], tuple[float, float]]
    average: Average = ARITHMETIC
    """How it is averaged over questions. Only an arithmetic mean has a difference to uniform."""


FIGURES: dict[str, Figure] = {
    **{
        name: Figure(partial(counted, figure), partial(of_counted, figure))
        for name, figure in COUNTED.items()
    },
    "sequence": Figure(sequence, of_sequence),
    "segments": Figure(segments_hit, of_segments),
    "distance_s": Figure(distance_s, of_distance),
    "IoP": Figure(partial(window, iop), partial(of_window, iop)),
    "IoU": Figure(partial(window, iou), partial(of_window, iou)),
    "UKSS": Figure(ukss, no_baselines, geometric(LEAST_UKSS)),
}
"""All figures by the name of their column. All are shares from 0 to 1, higher is better, except
`distance_s`."""
