"""What order is worth: the best sequence beside the best frame of each event."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from index.arrays import Floats
from index.errors import CueframeError
from infer.asked_indexes import AskedIndex
from infer.evaluation.baselines import FIGURES
from infer.evaluation.bootstrap import Estimate, estimates
from infer.evaluation.score_table import Row, ScoreTable, figure_tables, score_table
from infer.evaluation.text_tables import format_estimate, row_json, table_json
from infer.metrics import TimedQuestion, is_labelled, picked_spans
from infer.queries import AnswerRecord, Query, failure_record, group_by_video
from infer.selection.events import scored_events
from infer.selection.frame_scores import read_other_view, read_stored_video
from infer.selection.sequences import best_sequence

SEQUENCE, APART = "sequence", "best of each event"
"""The rows: the frames that answers have, and each event's best frame wherever it is."""
SHOWN = ("sequence", "hit", "recall", "precision", "all@0.5", "distance_s")


class ComparedEvents(NamedTuple):
    """The figures of questions with events; K of each is the number of its events."""

    table: ScoreTable
    lead: Row
    """Paired differences of the sequence to each event's own best frame."""

    def cells(self) -> list[list[str]]:
        """Return the table as texts, its head first."""
        head = ["%, _s: seconds", *SHOWN, f"sequence: {SEQUENCE} − {APART}"]
        shown = self.table.rows
        leads = {SEQUENCE: format_estimate("sequence", self.lead)}
        return [
            head,
            *(
                [name, *(format_estimate(figure, row) for figure in SHOWN), leads.get(name, "")]
                for name, row in shown.items()
            ),
        ]

    def json(self) -> dict[str, Any]:
        """Return all figures for JSON."""
        counts = {"questions": self.table.questions, "unlabelled": self.table.skipped}
        return counts | table_json(self.table) | {"minus_best_of_each": row_json(self.lead)}


def compare_events(
    indexes: Sequence[AskedIndex],
    queries: Sequence[Query],
    timed: Sequence[TimedQuestion],
    texts: Sequence[Sequence[Sequence[Floats]]],
    *,
    smooth_s: float,
    seed: int,
) -> tuple[ComparedEvents | None, dict[int, AnswerRecord]]:
    """Score the best sequences of those of some questions that have events.

    Args:
        indexes: The indexes that are asked.
        queries: N questions.
        timed: The same on their timelines.
        texts: For each index the vectors of the texts of each.
        smooth_s: Seconds of `infer.selection.smoothing`.
        seed: Seed of the bootstrap.

    Returns:
        The figures, None where no question with events that can be answered is labelled; and by
        place the failure records of those that cannot.
    """
    first, *others = indexes
    failed: dict[int, AnswerRecord] = {}
    found: dict[int, tuple[Floats, Floats]] = {}
    for content, numbers in group_by_video(queries).items():
        numbers = [n for n in numbers if queries[n].question.events]
        if not numbers:
            continue
        stored = read_stored_video(first.folder, first.profile, content)
        own_texts, *other_texts = [[of_index[n] for n in numbers] for of_index in texts]
        views = [
            (read_other_view(one.folder, one.profile, content, stored), of_index)
            for one, of_index in zip(others, other_texts, strict=True)
        ]
        spans_s = [queries[n].question.span_s for n in numbers]
        for places, scored in scored_events(stored, own_texts, spans_s, smooth_s, views):
            own = [numbers[place] for place in places]
            if isinstance(scored, CueframeError):
                asked = (queries[n] for n in own)
                failed |= {one.place: failure_record(one.question, scored) for one in asked}
                continue
            rows = best_sequence(scored.curves), scored.curves.argmax(axis=2)  # (Q, E) each
            both_s = zip(*(scored.part.time_s[one] for one in rows), strict=True)
            found |= dict(zip(own, both_s, strict=True))
    timed = [timed[n] for n in sorted(found)]
    if not any(is_labelled(one.question) for one in timed):
        return None, failed
    sequences_s, apart_s = zip(*(found[n] for n in sorted(found)), strict=True)
    picks = {SEQUENCE: sequences_s, APART: [np.sort(own_s) for own_s in apart_s]}
    tables = figure_tables(timed, picks, [len(one.question.events) for one in timed])
    # In the order of their events, which is not that of time.
    figure, column = FIGURES["sequence"], [*FIGURES].index("sequence")
    tables[APART][:, column] = [
        figure.value(one, picked_spans(one, own_s), len(own_s))
        for one, own_s in zip(timed, apart_s, strict=True)
    ]
    table = score_table(timed, tables, list(FIGURES), seed)
    videos = [one.video for one in timed]
    leads = estimates(tables[SEQUENCE] - tables[APART], videos, seed)
    return ComparedEvents(table, _known(leads)), failed


def _known(leads: Sequence[Estimate]) -> Row:
    """Return the differences of the figures that some question has."""
    pairs = zip(FIGURES, leads, strict=True)
    return {name: lead for name, lead in pairs if lead.questions and name != "UKSS"}
