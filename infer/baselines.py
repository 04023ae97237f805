"""What a picker must beat, and the table that says so: uniform, random and oracle picks.

Random and oracle follow the rule of `infer.pick`: one row of each of K equal segments, and the
places of segments without a row go to any rows left. Random is the exact expectation over all its
draws, oracle the best of them, for each figure by itself.

Both come from one count. A span of time is a run of rows, so rows are walked in time order by
*cells*, runs of rows inside the same spans, and a pick matches those spans of its cell that the
pick before it was not inside. So the last pick's spans are all of the past that matters, and the
count is exact for any number of spans, rows and picks.

Legend: E spans of a question, F rows of its video, K picks, M metrics.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import comb
from typing import Any, Literal, NamedTuple, TextIO

import numpy as np
import numpy.typing as npt

from index.errors import CueframeError
from infer.metrics import METRICS, Metric, inside, value
from infer.pick import pick_uniform, segments
from infer.questions import Question

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]


class Asked(NamedTuple):
    """A labelled question and the timeline of its video: all that a baseline looks at."""

    question: Question
    time_s: Floats
    """(F,) seconds of the video's rows, at least one, ascending."""
    duration_s: float


def uniform_value(metric: Metric, asked: Asked, k: int) -> float:
    """The figure of `infer.pick.pick_uniform`; NaN where the question has no such label."""
    rows = pick_uniform(asked.time_s, asked.duration_s, k)
    return value(metric, asked.question, asked.time_s[rows])


def random_and_oracle(metric: Metric, asked: Asked, k: int) -> tuple[float, float]:
    """The figure's exact expectation under `infer.pick.pick_random`, and the best such pick's.

    NaN where the question has no such label.
    """
    spans = metric.spans(asked.question)
    if not len(spans):
        return float("nan"), float("nan")
    met = inside(asked.time_s, spans)  # (E, F)
    segment = segments(asked.time_s, asked.duration_s, k)
    ways = ways_to_match(met, segment, k, counts=metric.counts)
    total = len(spans) if metric.counts == "spans" else min(k, len(asked.time_s))
    # The ways are whole numbers beyond a float's range; their ratio is not.
    draws = sum(ways.values())
    expected = sum(metric.worth(n, total) * (w / draws) for n, w in ways.items())
    return expected, metric.worth(max(ways), total)


def ways_to_match(
    met: Bools, segment: npt.NDArray[np.int64], k: int, *, counts: Literal["spans", "picks"]
) -> dict[int, int]:
    """Count the random draws by how many spans, or picks, they match.

    A draw takes one row of each segment and then fills the empty ones' places from the rows left.
    A set of rows comes out in as many ways as there are choices of which row of each segment was
    its first: of the ways with c rows of a segment, c.

    Args:
        met: (E, F) which rows are inside which spans; a span's rows are a run without a gap.
        segment: (F,) ascending, from `infer.pick.segments`.
        k: K.
        counts: "spans" that have a pick inside, or "picks" that are inside a span.

    Returns:
        {number matched: ways}, all draws being equally likely ways.
    """
    if counts == "picks":
        met = np.any(met, axis=0, keepdims=True)
    spare = min(k, len(segment)) - len(np.unique(segment))
    # (picks left for empty segments, number matched, spans of the last pick): ways
    ways = Counter({(spare, 0, 0): 1})
    for cells in _cells(met, segment):
        # The same, after the number of rows taken in this segment.
        here = Counter({(0, *state): n for state, n in ways.items()})
        for spans, rows in cells:
            before = list(here.items())  # the states in which the cell is passed over remain
            for (taken, spare, matched, last), n in before:
                new = (spans & ~last).bit_count()
                for more in range(1, min(rows, 1 + spare - taken) + 1):
                    gain = new if counts == "spans" else more * spans
                    state = (taken + more, spare, matched + gain, spans)
                    here[state] += n * comb(rows, more)
        ways = Counter()
        for (taken, spare, matched, last), n in here.items():
            if taken:
                ways[spare - (taken - 1), matched, last] += n * taken
    by_number: Counter[int] = Counter()
    for (spare, matched, _), n in ways.items():
        if not spare:
            by_number[matched] += n
    return dict(by_number)


def _cells(met: Bools, segment: npt.NDArray[np.int64]) -> Iterator[list[tuple[int, int]]]:
    """For each segment with rows its cells: (spans as bits, number of rows), in time order."""
    changes = np.diff(segment, prepend=-1) != 0
    changes[1:] |= (met[:, 1:] != met[:, :-1]).any(axis=0)
    starts = np.flatnonzero(changes)
    sizes = np.diff(starts, append=len(segment))
    spans = [sum(1 << e for e in np.flatnonzero(met[:, row]).tolist()) for row in starts]
    cells = list(zip(spans, sizes.tolist(), strict=True))
    borders = np.flatnonzero(np.diff(segment[starts], prepend=-1)).tolist()
    for first, end in zip(borders, [*borders[1:], len(cells)], strict=True):
        yield cells[first:end]


class Panel(NamedTuple):
    """Means over the labelled questions."""

    rows: dict[str, dict[str, float]]
    """{"trained": {"hit": 0.97, …}, …, "uniform": …, "random": …, "oracle": …}. A metric that no
    question has the label for is left out; one that some have is their mean."""
    questions: int
    """Questions with support times or ranges."""
    skipped: int
    """Questions without."""


def panel(asked: Sequence[Asked], picks: Mapping[str, Sequence[Floats]], k: int) -> Panel:
    """Score pickers beside uniform, random and oracle.

    Args:
        asked: The questions.
        picks: For each picker's name, the times in seconds of its picks for each question.
        k: K, which the baselines are held to.

    Raises:
        CueframeError: No question is labelled.
    """
    tables = scores(asked, picks, k)
    labelled = [bool(len(METRICS["hit"].spans(one.question))) for one in asked]
    if not any(labelled):
        raise CueframeError(
            f"none of {len(asked)} questions has support_frames or support_ranges; give labelled "
            "questions to be scored"
        )
    rows = {name: _means(table) for name, table in tables.items()}
    return Panel(rows, sum(labelled), len(asked) - sum(labelled))


def scores(
    asked: Sequence[Asked], picks: Mapping[str, Sequence[Floats]], k: int
) -> dict[str, npt.NDArray[np.float64]]:
    """(questions, M) figures of each picker and of uniform, random and oracle.

    Columns stand as in `METRICS`; NaN is a question without the label.
    """
    metrics = METRICS.values()
    tables: dict[str, list[list[float]]] = {}
    for name, own in picks.items():
        pairs = zip(asked, own, strict=True)
        tables[name] = [
            [value(m, one.question, times_s) for m in metrics] for one, times_s in pairs
        ]
    tables["uniform"] = [[uniform_value(m, one, k) for m in metrics] for one in asked]
    both = [[random_and_oracle(m, one, k) for m in metrics] for one in asked]
    tables["random"] = [[random for random, _ in row] for row in both]
    tables["oracle"] = [[oracle for _, oracle in row] for row in both]
    return {name: np.array(table).reshape(-1, len(METRICS)) for name, table in tables.items()}


def _means(table: npt.NDArray[np.float64]) -> dict[str, float]:
    known = ~np.isnan(table)
    return {
        name: float(table[known[:, m], m].mean())
        for m, name in enumerate(METRICS)
        if known[:, m].any()
    }


def print_table(rows: Mapping[str, Mapping[str, float]], file: TextIO | None = None) -> None:
    """Print rows of shares (0 to 1) in per cent, aligned, to stderr or another file.

    The columns are those of all rows; "–" stands where a row has no such figure.
    """
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = [["%", *columns]]
    for name, row in rows.items():
        shown = [f"{100 * row[column]:.1f}" if column in row else "–" for column in columns]
        cells.append([name, *shown])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for name, *figures in cells:
        right = (text.rjust(width) for text, width in zip(figures, widths[1:], strict=True))
        print("  ".join([name.ljust(widths[0]), *right]), file=file or sys.stderr)
