"""Score tables by kind of question: number of choices or support frames, clip length, language."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from index.languages import language_of
from infer.evaluation.score_table import FigureTables, ScoreTable, score_table
from infer.metrics import TimedQuestion, is_labelled

_LENGTHS_S = (10, 30, 60, 300, 1800)
"""Borders between the groups of clip lengths: contests' clips, short films, lectures."""


def clip_length(duration_s: float) -> str:
    """Return the group of a clip's length: "under 10 s", "10 to 30 s", …, "1800 s and over".

    A duration of NaN is "not known", which stands last.
    """
    if math.isnan(duration_s):
        return "not known"
    above = [border for border in _LENGTHS_S if duration_s >= border]
    below = _LENGTHS_S[len(above) :]
    if not above:
        return f"under {below[0]} s"
    return f"{above[-1]} to {below[0]} s" if below else f"{above[-1]} s and over"


GROUPINGS: dict[str, Callable[[TimedQuestion], tuple[float, str]]] = {
    "choices": lambda one: _number(one.question.choices),
    "support_frames": lambda one: _number(one.question.support_frames),
    "clip_length": lambda one: (
        float(np.searchsorted(_LENGTHS_S, one.duration_s, side="right")),
        clip_length(one.duration_s),
    ),
    "language": lambda one: (0.0, language_of(one.question.question)),
}
"""Groupings by name: each maps a question to its group, as (sort key, name)."""


def _number(things: Sequence[object]) -> tuple[float, str]:
    return float(len(things)), str(len(things))


def grouped(timed: Sequence[TimedQuestion]) -> dict[str, dict[str, list[int]]]:
    """Return the groups of each grouping, in order, with the positions of their questions."""
    found = {}
    for grouping, group_of in GROUPINGS.items():
        groups: dict[tuple[float, str], list[int]] = {}
        for n, one in enumerate(timed):
            groups.setdefault(group_of(one), []).append(n)
        found[grouping] = {group[1]: numbers for group, numbers in sorted(groups.items())}
    return found


def breakdown(
    timed: Sequence[TimedQuestion], tables: FigureTables, columns: Sequence[str], seed: int
) -> dict[str, dict[str, ScoreTable]]:
    """Make a score table for each group of each grouping; unlabelled questions are left out.

    Arguments are those of `infer.evaluation.score_table.score_table`.
    """
    known = [n for n, one in enumerate(timed) if is_labelled(one.question)]
    timed = [timed[n] for n in known]
    tables = {name: table[known] for name, table in tables.items()}
    return {
        grouping: {
            name: score_table(
                [timed[n] for n in numbers],
                {picker: table[numbers] for picker, table in tables.items()},
                columns,
                seed,
            )
            for name, numbers in groups.items()
        }
        for grouping, groups in grouped(timed).items()
    }
