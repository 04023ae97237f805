"""The curves from which is picked, beside which of their rows show evidence."""

from collections.abc import Iterator, Sequence

import numpy as np

from index.arrays import Bools, Floats
from index.errors import CueframeError
from index.spans import shown_during
from infer.evaluation.rule_picks import AskedQuestions, Reading, scored_blocks_of
from infer.metrics import spans_of_evidence
from infer.selection.parts import parts_asked
from infer.selection.rules import curves


def evidence_curves(
    asked: AskedQuestions, reading: Reading, smooth_s: float
) -> Iterator[tuple[Sequence[int], Floats, Bools]]:
    """Yield the numbers of Q questions about one part of a video, their curves, and what shows.

    Args:
        asked: Labelled questions without events.
        reading: What their scores are made of.
        smooth_s: Seconds of smoothing.

    Yields:
        Numbers (Q,), curves (Q, F), and (Q, F) which rows are shown during evidence.

    Raises:
        CueframeError: A vector file cannot be used.
    """
    for numbers, scored_by in scored_blocks_of(asked):
        spans_s = [asked.queries[n].question.span_s for n in numbers]
        for own, part in parts_asked(scored_by(reading), spans_s):
            if isinstance(part, CueframeError):  # `on_timelines` left none
                raise part
            some = [numbers[q] for q in own]
            shown = [
                shown_during(*one.shown, spans_of_evidence(one.question)).any(axis=0)
                for one in (asked.timed[n] for n in some)
            ]
            yield some, curves(part.video, smooth_s), np.array(shown)
