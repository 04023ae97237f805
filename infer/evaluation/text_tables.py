"""Score tables as JSON, and as texts for a terminal, a page or a model card."""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from index.messages import escaped
from infer.evaluation.score_table import Row, ScoreTable


def row_json(row: Row) -> dict[str, dict[str, float | int | None]]:
    """Convert a row for JSON, with null for NaN."""
    return {
        figure: {
            name: None if math.isnan(number) else round(number, 12)
            for name, number in estimate._asdict().items()
        }
        for figure, estimate in row.items()
    }


def table_json(result: ScoreTable) -> dict[str, Any]:
    """Convert a score table for JSON."""
    return {
        "rows": {name: row_json(row) for name, row in result.rows.items()},
        "minus_uniform": {name: row_json(row) for name, row in result.minus_uniform.items()},
    }


def format_figure(figure: str, value: float) -> str:
    """Format a figure: in per cent, or in seconds if its name ends in _s."""
    return f"{value:.2f}" if figure.endswith("_s") else f"{100 * value:.1f}"


def format_estimate(figure: str, row: Row) -> str:
    """Format as `97.9 (94.7 … 100.0)`; without an interval the mean alone, without a figure "–"."""
    if figure not in row:
        return "–"
    mean, low, high, _ = row[figure]
    interval = (
        ""
        if math.isnan(low)
        else f" ({format_figure(figure, low)} … {format_figure(figure, high)})"
    )
    return format_figure(figure, mean) + interval


def table_cells(result: ScoreTable, pickers: Sequence[str]) -> list[list[str]]:
    """Format a score table: figures down; across, all rows, then the pickers' lead over uniform."""
    across = result.rows | {f"{name} − uniform": result.minus_uniform[name] for name in pickers}
    figures = dict.fromkeys(figure for row in result.rows.values() for figure in row)
    body = [[f, *(format_estimate(f, row) for row in across.values())] for f in figures]
    return [["%, _s: seconds", *across], *body]


def group_cells(
    groups: Mapping[str, Mapping[str, ScoreTable]], picker: str, figure: str
) -> list[list[str]]:
    """Format one figure by kind of question as a table of texts."""
    head = [f"{figure}, %, by", "questions", picker, "uniform", f"{picker} − uniform"]
    body = [
        [
            f"{grouping}: {name}",
            str(of.questions),
            format_estimate(figure, of.rows[picker]),
            format_estimate(figure, of.rows["uniform"]),
            format_estimate(figure, of.minus_uniform[picker]),
        ]
        for grouping, panels in groups.items()
        for name, of in panels.items()
    ]
    return [head, *body]


def print_table(table: Sequence[Sequence[str]], file: TextIO | None = None) -> None:
    """Print a table of texts, escaped and aligned, its head first, to stderr or another file."""
    table = [[escaped(cell) for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for name, *rest in table:
        right = (text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))
        print("  ".join([name.ljust(widths[0]), *right]), file=file or sys.stderr)
