"""The score table: pickers beside uniform, random and oracle, with 95 % intervals.

Differences to uniform are paired: the same questions, the same resamples.

Legend: N questions, M figures.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Floats, Integers
from index.progress import bar
from infer.evaluation.baselines import FIGURES
from infer.evaluation.bootstrap import ARITHMETIC, Average, Estimate, estimates
from infer.evaluation.draws import by_rows, with_draws
from infer.metrics import TimedQuestion, picked_spans, require_labels
from infer.selection.strategies import pick_uniform

FigureTables = dict[str, npt.NDArray[np.float64]]
"""(N, M) figures by picker; NaN for a question without the label."""
Row = dict[str, Estimate]
"""Estimates by figure, without the figures for which no question has the label."""


class ScoreTable(NamedTuple):
    """Scores of pickers on the same questions."""

    rows: dict[str, Row]
    """Rows of the pickers, then of uniform, random and oracle."""
    minus_uniform: dict[str, Row]
    """Paired differences to uniform, of all rows but uniform; of figures with arithmetic means."""
    questions: int
    """Number of questions with support times, ranges or scenes."""
    skipped: int
    """Number of questions without any."""


def each_k(k: int | Sequence[int], questions: int) -> Sequence[int]:
    """Return (N,) each question's K, given one for all or one for each."""
    return [k] * questions if isinstance(k, int) else k


def uniform_picks(timed: Sequence[TimedQuestion], k: int | Sequence[int]) -> list[Floats]:
    """Return the times in seconds of each question's uniform picks; none without rows.

    Those about the same rows share one array.
    """
    picks: list[Floats] = [np.empty(0)] * len(timed)
    for numbers, own_k in by_rows(timed, each_k(k, len(timed))):
        one = timed[numbers[0]]
        times_s = one.time_s[uniform_rows(one, own_k)]
        for n in numbers:
            picks[n] = times_s
    return picks


def uniform_rows(one: TimedQuestion, k: int) -> Integers:
    """Return the rows (min(K, F),) of a question's uniform picks, which may be those of a part."""
    time_s, end_s = (s - one.start_s for s in one.shown)
    return pick_uniform(time_s, one.duration_s, k, end_s)


def figure_tables(
    timed: Sequence[TimedQuestion], picks: Mapping[str, Sequence[Floats]], k: int | Sequence[int]
) -> FigureTables:
    """Score pickers beside uniform, random and oracle; columns are in the order of `FIGURES`.

    Args:
        timed: The N questions. One whose duration is not known has NaN in the baselines' rows.
        picks: For each picker's name, the ascending times in seconds of its picks for each
            question.
        k: K of the baselines, for all questions or (N,) for each.
    """
    ks = each_k(k, len(timed))
    uniform = uniform_picks(timed, ks)
    names = (*picks, "uniform", "random", "oracle")
    tables = {name: np.full((len(timed), len(FIGURES)), np.nan) for name in names}
    given = list(zip(timed, *picks.values(), strict=True))
    for n, one, draws in bar(with_draws(timed, ks), "question", len(timed)):
        own = dict(zip(picks, given[n][1:], strict=True))
        if len(one.time_s):
            own["uniform"] = uniform[n]
            both = [figure.random_and_oracle(one, draws) for figure in FIGURES.values()]
            tables["random"][n], tables["oracle"][n] = zip(*both, strict=True)
        for name, picked_s in own.items():
            spans = picked_spans(one, picked_s)
            tables[name][n] = [figure.value(one, spans, draws.k) for figure in FIGURES.values()]
    return tables


def score_table(
    timed: Sequence[TimedQuestion], tables: FigureTables, columns: Sequence[str], seed: int
) -> ScoreTable:
    """Compute means, intervals and differences to uniform.

    Args:
        timed: The N questions.
        tables: From `figure_tables`, perhaps with more columns, such as those of `sim_m`.
        columns: Names of the columns.
        seed: Seed of the bootstrap.

    Raises:
        CueframeError: No question is labelled.
    """
    known = require_labels(one.question for one in timed)
    videos = [one.video for one in timed]

    averages = [FIGURES[name].average if name in FIGURES else ARITHMETIC for name in columns]
    differing = {name for name, one in zip(columns, averages, strict=True) if one is ARITHMETIC}

    def row(table: npt.NDArray[np.float64], averages: Sequence[Average]) -> Row:
        found = zip(columns, estimates(table, videos, seed, averages), strict=True)
        return {name: estimate for name, estimate in found if estimate.questions}

    def lead(table: npt.NDArray[np.float64]) -> Row:
        found = row(table - tables["uniform"], [ARITHMETIC] * len(columns))
        return {name: estimate for name, estimate in found.items() if name in differing}

    return ScoreTable(
        rows={name: row(table, averages) for name, table in tables.items()},
        minus_uniform={name: lead(table) for name, table in tables.items() if name != "uniform"},
        questions=known,
        skipped=len(timed) - known,
    )


def means(rows: Mapping[str, Row]) -> dict[str, dict[str, float]]:
    """Return the means alone, by picker and figure."""
    return {
        name: {figure: estimate.mean for figure, estimate in row.items()}
        for name, row in rows.items()
    }
