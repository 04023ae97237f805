"""The panel of picked frames beside the baselines: all questions in a table, and each kind of them.

Legend: N questions, M figures.
"""

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from infer.evaluation.breakdown import breakdown
from infer.evaluation.score_table import FigureTables, ScoreTable, score_table
from infer.evaluation.text_tables import group_cells, print_table, table_cells, table_json
from infer.metrics import TimedQuestion

OWN_ROW = "answers"
"""Name of the scored picks' row, beside uniform, random and oracle."""


class Panel(NamedTuple):
    """The figures of picks, of which `OWN_ROW` is scored."""

    columns: list[str]
    own: npt.NDArray[np.float64]
    """(N, M) the scored picks' own figures, by question."""
    table: ScoreTable
    groups: dict[str, dict[str, ScoreTable]]
    """Score tables by kind of question."""


def make_panel(
    timed: Sequence[TimedQuestion], tables: FigureTables, columns: list[str], seed: int
) -> Panel:
    """Compute the table and its breakdown; arguments are those of `score_table`.

    Raises:
        CueframeError: No question is labelled.
    """
    table = score_table(timed, tables, columns, seed)
    return Panel(columns, tables[OWN_ROW], table, breakdown(timed, tables, columns, seed))


def print_panel(panel: Panel) -> None:
    """Print the table, and `hit` by kind of question, to stderr."""
    print_table(table_cells(panel.table, [OWN_ROW]))
    print(file=sys.stderr)
    print_table(group_cells(panel.groups, OWN_ROW, "hit"))


def panel_json(panel: Panel) -> dict[str, Any]:
    """Convert a panel for JSON: rows, differences to uniform, and both by kind of question."""
    return {
        **table_json(panel.table),
        "by": {
            by: {name: table_json(table) for name, table in own.items()}
            for by, own in panel.groups.items()
        },
    }
