"""What a validation found: figures of the picks, and how models are ranked by them."""

import math
from dataclasses import dataclass
from typing import Any

from infer.evaluation.score_table import ScoreTable, means
from infer.queries import AnswerRecord

Means = dict[str, dict[str, float]]
"""Figures, 0 to 1, by picker and metric."""


@dataclass(frozen=True, slots=True)
class Validation:
    """Scores of the frames that a model picks from videos it was not trained on."""

    table: ScoreTable
    """Of all questions."""
    chosen_on: ScoreTable
    """Of the half of the videos by which the best validation is chosen (`train.halves`)."""
    reported_on: ScoreTable
    """Of the other half; where there is one half, both are `table`."""
    records: list[AnswerRecord]
    """Picks of each question, with its `half` if there are two."""

    @property
    def means(self) -> Means:
        """Means of all questions, 0 to 1, by picker and figure."""
        return means(self.table.rows)

    @property
    def halved(self) -> bool:
        """Whether there are two halves."""
        return self.chosen_on is not self.table

    @property
    def rank(self) -> list[float]:
        """Key by which the best validation is chosen: hits, then recall, then precision."""
        trained = means(self.chosen_on.rows)["trained"]
        return [trained.get(name, 0.0) for name in ("hit", "recall", "precision")]

    @property
    def figures(self) -> dict[str, Any]:
        """Means and intervals of the half that reports, and means of the other, as JSON values."""
        return figures_of(self.reported_on) | {
            "chosen_on": {
                "questions": self.chosen_on.questions,
                "validation": means(self.chosen_on.rows),
            }
            if self.halved
            else None
        }


def figures_of(table: ScoreTable) -> dict[str, Any]:
    """Return a table's means and 95 % intervals, as JSON values.

    Returns:
        `validation_questions`: their number; `validation`: shares from 0 to 1 by picker and figure;
        `intervals`: [low, high] likewise, None of a single video.
    """
    return {
        "validation_questions": table.questions,
        "validation": means(table.rows),
        "intervals": {
            picker: {
                figure: None if math.isnan(one.low) else [one.low, one.high]
                for figure, one in row.items()
            }
            for picker, row in table.rows.items()
        },
    }
