"""From scored answers to the report: the panel, and the worst questions with their curves.

Legend: N questions, M figures, F rows of a video.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.encoder import Encoder
from index.store import read_profile
from infer.answers import Answer
from infer.bulk import Asked, by_video
from infer.indexed import encode_texts
from infer.metrics import Timed
from infer.panel import Panel, panel_cells
from infer.report import Case, Summary, worst_first
from infer.scores import score_video

_SAME = 0.01
"""Two cosines so far apart are of different texts or models: float16 moves them by 0.001."""


def worst_cases(
    asked: Sequence[Asked],
    timed: Sequence[Timed],
    answers: Sequence[Answer],
    table: npt.NDArray[np.float64],
    columns: Sequence[str],
    limit: int,
) -> list[Case]:
    """At most `limit` cases, the worst first, without curves; table (N, M) is the answers' own."""
    cases = [
        Case(
            question=one.question,
            video=one.path,
            time_s=on.time_s,
            scores=None,
            duration_s=on.duration_s,
            picked_s=np.array([frame.time_s for frame in answer.frames]),
            picked_scores=[
                float("nan") if frame.score is None else frame.score for frame in answer.frames
            ],
            figures=dict(zip(columns, row, strict=True)),
            read=answer.by_frames,
        )
        for one, on, answer, row in zip(asked, timed, answers, table.tolist(), strict=True)
    ]
    return worst_first(cases)[:limit]


def with_curves(
    cases: Sequence[Case], asked: Sequence[Asked], encoder: Encoder, index: Path
) -> list[Case]:
    """The cases with the score of each row; a line on stderr tells where the answers' differ.

    Args:
        cases: Some of the questions asked.
        asked: All of them, with the texts that they were asked by.
        encoder: Of the texts, from `infer.indexed.load_asking_encoder`.
        index: Folder of the index.

    Raises:
        CueframeError: A vector file is missing or damaged.
    """
    profile = read_profile(index)
    place = {case.question.id: n for n, case in enumerate(cases)}
    shown = [one for one in asked if one.question.id in place]
    texts, _ = encode_texts(encoder, [one.text for one in shown])  # (N, D)
    drawn = list(cases)
    other = 0
    for content, numbers in by_video(shown).items():
        seeds = np.zeros(len(numbers), np.uint64)
        scored = score_video(index, profile, content, texts[numbers], seeds)
        for n, scores in zip(numbers, scored.scores, strict=True):
            at = place[shown[n].question.id]
            drawn[at] = replace(cases[at], scores=scores)
            told = np.array(cases[at].picked_scores)
            found = np.interp(cases[at].picked_s, scored.time_s, scores)
            other += bool((np.abs(told - found) > _SAME).any())
    if other:
        print(
            f"warning: the curves of {other} questions are not those by which their frames were "
            "picked; give the --model and --caption of the answers",
            file=sys.stderr,
        )
    return drawn


def summary(result: Panel, picker: str, lines: Sequence[str], k: int) -> Summary:
    """What stands on top: some lines, and the panel, which may be empty."""
    (_, *columns), *rows = panel_cells(result, [picker] if result.rows else [])
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
