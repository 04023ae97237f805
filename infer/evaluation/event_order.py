"""The figure `sequence`: each event of a question has its frame, in order.

    sequence     pick i is shown during event i, for every event

Event i is seen during support range i where there is a range for each event, else within 0.5 s of
support time i where there is a time for each. (A range says when an event is on the screen, and a
right pick far from its middle is no worse.)

Legend: E events of a question, F rows of its video, P picks in order of time.
"""

from collections import Counter
from itertools import accumulate
from math import comb, nan, prod

import numpy as np

from index.arrays import Bools, Floats
from index.spans import Spans, shown_during
from infer.evaluation.draws import Draws
from infer.metrics import DELTA_S, TimedQuestion, spans_around
from infer.questions import Question


def spans_of_events(question: Question) -> Floats:
    """Return (E, 2) when each event is seen, in seconds; E = 0 without a label for each."""
    events = len(question.events)
    if events and len(question.support_ranges) == events:
        return np.array(question.support_ranges, np.float64)
    if events and len(question.support_frames) == events:
        return spans_around(DELTA_S, question)
    return np.empty((0, 2))


def sequence(timed: TimedQuestion, picked: Spans, _k: int) -> float:
    """Return whether pick i is shown during event i, for all; NaN unless there is one for each.

    The picks are in the order of their events, which need not be that of time.
    """
    spans_s = spans_of_events(timed.question)
    if not len(spans_s) or len(spans_s) != len(picked.time_s):
        return nan
    return float(shown_during(*picked, spans_s, timed.tolerance_s).diagonal().all())


def of_sequence(timed: TimedQuestion, draws: Draws) -> tuple[float, float]:
    """Return random and oracle of `sequence`: of all draws of E rows, each in order of time."""
    spans_s = spans_of_events(timed.question)
    if not len(spans_s) or len(spans_s) != draws.picks:
        return nan, nan
    right = ways_in_order(shown_during(*draws.shown, spans_s, timed.tolerance_s), draws)
    # Integers that may exceed a float's range; their ratio does not.
    every = prod(draws.sizes.tolist()) * comb(draws.left, draws.spare)
    return right / every, float(right > 0)


def ways_in_order(met: Bools, draws: Draws) -> int:
    """Count the random draws of E rows of which row i, in order of time, is one of met[i] (E, F).

    Rows are walked segment by segment; the state is how many are taken so far. Of a segment's rows,
    c ≥ 1 are taken, one of them by the segment's own draw and the others for segments without a
    row, which makes c ways, as in `infer.evaluation.exact_random`.
    """
    ways = Counter({0: 1})
    ends = (draws.starts + draws.sizes).tolist()
    for passed, (start, end) in enumerate(zip(draws.starts.tolist(), ends, strict=True)):
        here = met[:, start:end]
        own = here[:, here.any(axis=0)].tolist()  # rows that show none are in no right draw
        after: Counter[int] = Counter()
        for before, many in ways.items():
            # By row: how often it is the c-th that is taken in this segment.
            last = [int(shows) for shows in own[before]]
            for c in range(1, 2 + draws.spare - (before - passed)):
                if c > 1:
                    earlier = [0, *accumulate(last)][:-1]
                    shown = own[before + c - 1]
                    last = [n if shows else 0 for n, shows in zip(earlier, shown, strict=True)]
                after[before + c] += many * c * sum(last)
        ways = after
    return ways[len(met)]
