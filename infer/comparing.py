"""Compare all strategies on the same labelled questions, reading each video's vectors once."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from accelerate import PartialState

from index.arrays import Floats
from index.errors import CueframeError
from index.messages import json_line
from index.models.long_texts import LongText
from index.models.model_loading import Dtype
from index.progress import bar
from index.storage.store import Profile, read_profile
from infer.evaluation.baselines import FIGURES
from infer.evaluation.late_labels import warn_of_late_labels
from infer.evaluation.score_table import figure_tables, score_table
from infer.evaluation.text_tables import format_estimate, print_table, table_json
from infer.queries import Query, group_by_video, make_queries, on_timelines, print_failures
from infer.query_encoder import encode_each, load_query_encoder, print_long_texts
from infer.question_texts import ChoiceTexts, caption_setting
from infer.questions import Question
from infer.selection.frame_scores import Join, scored_blocks
from infer.selection.parts import parts_asked
from infer.selection.registry import BASELINES, STRATEGIES
from infer.selection.rules import Rule, load_rule
from infer.videos.indexed_videos import read_indexed_videos

SHOWN = ("hit", "recall", "precision", "all@0.5", "distance_s")
"""Figures shown in the table; the JSON has all."""


def compare_strategies(
    questions: Sequence[Question],
    index: Path,
    *,
    k: int = 4,
    smooth_s: float = 0.0,
    caption: int | None = None,
    choices: ChoiceTexts = "joined",
    join: Join = "max",
    long_text: LongText = "windows",
    model: str | None = None,
    dtype: Dtype = "auto",
    seed: int = 42,
) -> int:
    """Score all strategies: the table to stderr, all figures as one JSON object to stdout.

    Arguments are the flags of infer/compare.py.

    Returns:
        The exit code: 1 where a question could not be scored, else 0.

    Raises:
        CueframeError: No question can be scored, or the model cannot be used or did not build the
            index.
    """
    profile = read_profile(index)
    queries, failed = make_queries(
        questions, read_indexed_videos(index), caption_setting(caption, choices), choices
    )
    queries, timed, without_part = on_timelines(index, profile, queries)
    failed |= without_part
    print_failures(failed, "not scored")
    if not queries:
        raise CueframeError(f"none of {len(questions)} questions can be asked of {index}")
    warn_of_late_labels(timed)
    device = PartialState().device
    encoder = load_query_encoder(index, profile, model=model, dtype=dtype, device=device)
    texts, too_long = encode_each(encoder, [query.texts for query in queries], long_text)
    long = [one.question.id for one, is_long in zip(queries, too_long, strict=True) if is_long]
    print_long_texts(long, long_text, encoder.max_tokens)
    names = [name for name in STRATEGIES if name not in BASELINES]
    times_s: dict[str, list[Floats]] = {name: [np.empty(0)] * len(queries) for name in names}
    rules = {name: Rule(name, smooth_s, choices, join) for name in names}
    picked = _picked(index, profile, queries, texts, rules, k)
    for n, of_question in bar(picked, "question", len(queries)):
        for name, own_s in of_question.items():
            times_s[name][n] = own_s

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
    print_table([head, *body])
    result = {"questions": table.questions, "unlabelled": table.skipped, "frames": k}
    print(json_line(result | {"not_scored": len(failed)} | table_json(table)))
    return 1 if failed else 0


def _picked(
    index: Path,
    profile: Profile,
    queries: Sequence[Query],
    texts: Sequence[Sequence[Floats]],
    rules: Mapping[str, Rule],
    k: int,
) -> Iterator[tuple[int, dict[str, Floats]]]:
    """Yield the number of each question, and the times in seconds of its picks by rule.

    Scores are held of a block of a video's questions; texts are those of all N.
    """
    choosers = {name: load_rule(rule) for name, rule in rules.items()}
    join = next(iter(rules.values())).join
    for numbers, scored in scored_blocks(index, profile, group_by_video(queries), texts, join):
        spans_s = [queries[n].question.span_s for n in numbers]
        for asked, part in parts_asked(scored, spans_s):
            if isinstance(part, CueframeError):  # `on_timelines` left none
                raise part
            rows = {name: choose(part.video, k) for name, choose in choosers.items()}
            for place, q in enumerate(asked):
                yield numbers[q], {name: part.time_s[own[place]] for name, own in rows.items()}
