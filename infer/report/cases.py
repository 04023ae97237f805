"""Prepare scored answers for the report: the score table, the worst questions with their curves.

Legend: N questions, M figures, F rows of a video.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.messages import say
from index.models.encoder import Encoder
from index.models.long_texts import LongText
from index.progress import bar
from index.storage.store import read_profile
from infer.answer_file import Answer
from infer.evaluation.score_table import ScoreTable
from infer.evaluation.text_tables import table_cells
from infer.metrics import TimedQuestion, picks_in_evidence
from infer.queries import Query, group_by_video
from infer.query_encoder import encode_each
from infer.report.chart import curve_of
from infer.report.page import Case, Summary, worst_first
from infer.selection.frame_scores import Join, scored_blocks

_SAME = 0.01
"""Tolerance of a cosine; beyond it, text or model differs. float16 moves cosines by 0.001."""


def worst_cases(
    queries: Sequence[Query],
    timed: Sequence[TimedQuestion],
    answers: Sequence[Answer],
    table: npt.NDArray[np.float64],
    columns: Sequence[str],
    limit: int,
) -> list[Case]:
    """Return at most `limit` cases, the worst first, without curves; table (N, M): the answers'."""
    picks = [np.array([frame.time_s for frame in answer.frames]) for answer in answers]
    cases = [
        Case(
            question=one.question,
            video=one.path,
            time_s=on.time_s,
            curve=None,
            duration_s=on.duration_s,
            start_s=on.start_s,
            picked_s=picked_s,
            shows_evidence=picks_in_evidence(on, picked_s),
            picked_scores=[
                float("nan") if frame.score is None else frame.score for frame in answer.frames
            ],
            picked_tiles=[frame.tile for frame in answer.frames],
            figures=dict(zip(columns, row, strict=True)),
            read=answer.by_frames,
        )
        for one, on, answer, picked_s, row in zip(
            queries, timed, answers, picks, table.tolist(), strict=True
        )
    ]
    return worst_first(cases)[:limit]


def with_curves(
    cases: Sequence[Case],
    queries: Sequence[Query],
    encoder: Encoder,
    index: Path,
    long_text: LongText = "windows",
    join: Join = "max",
) -> list[Case]:
    """Return the cases with the score of each row; warn on stderr if the answers' scores differ.

    Args:
        cases: Cases of some of the queries.
        queries: All scored queries, with their texts.
        encoder: Encoder of the texts, from `infer.query_encoder.load_query_encoder`.
        index: Folder of the index.
        long_text: How long texts were read for the answers.
        join: How the scores of a question's texts were joined for the answers; of a question with
            events, its events' scores are joined to one curve.

    Raises:
        CueframeError: A vector file is missing or damaged.
    """
    place = {case.question.id: n for n, case in enumerate(cases)}
    shown = [one for one in queries if one.question.id in place]
    texts, _ = encode_each(encoder, [one.texts for one in shown], long_text)
    drawn = list(cases)
    other = 0
    blocks = scored_blocks(index, read_profile(index), group_by_video(shown), texts, join)
    asked = (
        (n, video.time_s, scores)
        for numbers, video in blocks
        for n, scores in zip(numbers, video.scores, strict=True)
    )
    for n, time_s, scores in bar(asked, "question", len(shown)):
        at = place[shown[n].question.id]
        case = replace(cases[at], time_s=time_s)
        drawn[at] = replace(case, curve=curve_of(time_s, scores, case.end_s, case.picked_s))
        told, found = np.array(case.picked_scores), np.interp(case.picked_s, time_s, scores)
        # The score of a frame for its own event is not the joined one.
        other += not case.question.events and bool((np.abs(told - found) > _SAME).any())
    if other:
        say(
            f"warning: the curves of {other} questions are not those by which their frames were "
            "picked; give the --model, --caption, --choices and --long-text of the answers"
        )
    return drawn


def summary(result: ScoreTable, picker: str, lines: Sequence[str], k: int) -> Summary:
    """Make the head of the report: some lines, and the score table, which may be empty."""
    (_, *columns), *rows = table_cells(result, [picker] if result.rows else [])
    return Summary(
        title="What the picks are worth",
        lines=[
            *lines,
            "per cent, seconds where a name ends in _s; in brackets 95 % intervals by bootstrap "
            "over the videos",
        ],
        columns=columns,
        rows=[(figure, texts) for figure, *texts in rows],
        k=k,
    )
