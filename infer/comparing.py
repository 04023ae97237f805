"""Compare all strategies on the same labelled questions, reading each video's vectors once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from index.arrays import Floats
from index.errors import CueframeError
from index.messages import json_line
from index.models.long_texts import LongText
from index.models.model_loading import Dtype
from index.progress import bar
from infer.asked_indexes import AskedIndex
from infer.comparing_events import compare_events
from infer.evaluation.baselines import FIGURES
from infer.evaluation.late_labels import warn_of_late_labels
from infer.evaluation.rule_picks import Candidate, ask, picks_of_rules
from infer.evaluation.score_table import ScoreTable, figure_tables, score_table
from infer.evaluation.text_tables import format_estimate, print_table, table_json
from infer.metrics import is_labelled
from infer.queries import print_failures
from infer.question_texts import ChoiceTexts, caption_setting
from infer.questions import Question
from infer.selection.frame_scores import Join
from infer.selection.registry import BASELINES, STRATEGIES
from infer.selection.rule_file import ChosenRule
from infer.selection.rules import Rule

SHOWN = ("hit", "recall", "precision", "all@0.5", "distance_s")
"""Figures shown in the table; the JSON has all."""


def compare_strategies(
    questions: Sequence[Question],
    indexes: Sequence[AskedIndex],
    *,
    k: int = 4,
    smooth_s: float = 0.0,
    caption: int | None = None,
    choices: ChoiceTexts = "joined",
    join: Join = "max",
    long_text: LongText = "windows",
    dtype: Dtype = "auto",
    seed: int = 42,
    chosen: ChosenRule | None = None,
) -> int:
    """Score all strategies: the table to stderr, all figures as one JSON object to stdout.

    Questions with events have a table of their own, whatever the strategies and K: their best
    sequences beside the best frame of each event.

    Arguments are the flags of infer/compare.py; `chosen` is the content of --rules, which gets a
    row "auto".

    Returns:
        The exit code: 1 where a question could not be scored, else 0.

    Raises:
        CueframeError: No question can be scored, or the model cannot be used or did not build the
            index.
    """
    own = caption_setting(caption, choices)
    names = [name for name in STRATEGIES if name not in BASELINES]
    candidates = {name: Candidate(Rule(name, smooth_s, choices, join), own) for name in names}
    if chosen:
        candidates["auto"] = Candidate(chosen.rule, chosen.caption)
    readings = [candidate.reading for candidate in candidates.values()]
    asked = ask(questions, indexes, readings, long_text=long_text, dtype=dtype)
    failed = asked.failed
    print_failures(failed, "not scored")
    if not asked.timed:
        raise CueframeError(
            f"none of {len(questions)} questions can be asked of {indexes[0].folder}"
        )
    warn_of_late_labels(asked.timed)
    compared, without_frames = compare_events(
        indexes,
        asked.queries,
        asked.timed,
        asked.texts[readings[0]],
        smooth_s=smooth_s,
        seed=seed,
    )
    print_failures(without_frames, "not scored")
    failed |= without_frames
    asked = asked.without_events()
    timed = asked.timed
    times_s: dict[str, list[Floats]] = {name: [np.empty(0)] * len(timed) for name in candidates}
    picked = picks_of_rules(asked, candidates, k)
    for n, of_question in bar(picked, "question", len(timed)):
        for name, own_s in of_question.items():
            times_s[name][n] = own_s

    if compared and not any(is_labelled(one.question) for one in timed):
        table = ScoreTable({}, {}, 0, len(timed))
    else:
        table = score_table(timed, figure_tables(timed, times_s, k), list(FIGURES), seed)
    head = ["%, _s: seconds", *SHOWN, "hit − uniform"]
    body = [
        [
            name,
            *(format_estimate(figure, row) for figure in SHOWN),
            format_estimate("hit", table.minus_uniform.get(name, {})),
        ]
        for name, row in table.rows.items()
    ]
    if body:
        print_table([head, *body])
    if compared:
        print_table(compared.cells())
    result: dict[str, Any] = {"questions": table.questions, "unlabelled": table.skipped}
    result |= {"frames": k, "not_scored": len(failed)}
    if chosen:
        result["auto"] = {"caption": chosen.caption, **chosen.rule._asdict()}
    result |= table_json(table)
    print(json_line(result | ({"events": compared.json()} if compared else {})))
    return 1 if failed else 0
