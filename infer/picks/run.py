"""Score the picks of another tool: no index, no video, durations from the questions alone."""

import math
from collections.abc import Sequence

from index.arrays import Floats
from index.errors import CueframeError
from index.messages import json_line, print_some, say
from infer.evaluation.baselines import FIGURES
from infer.evaluation.late_labels import warn_of_late_labels
from infer.evaluation.panel import OWN_ROW, make_panel, panel_json, print_panel
from infer.evaluation.score_table import figure_tables
from infer.metrics import TimedQuestion, require_labels
from infer.picks.collector import Picks
from infer.picks.timeline import without_index
from infer.questions import Question

_LATE_S = 1.0
"""Durations are rounded: picks that are later than the end by less are not told."""


def score_picks(picks: Picks, questions: Sequence[Question], *, seed: int = 42) -> int:
    """Score picks: tables to stderr, all figures as one JSON object to stdout.

    K of the baselines is each question's own number of picks, for tools give varying numbers.

    Args:
        picks: From `infer.picks.files.load_picks`.
        questions: The questions that were asked.
        seed: Seed of the bootstrap.

    Returns:
        The exit code: 1 where a question could not be scored, else 0.

    Raises:
        CueframeError: No question has picks, or none that has is labelled.
    """
    chosen = [question for question in questions if question.id in picks.times_s]
    _print_left_out(picks, questions)
    if not chosen:
        first = f" ({picks.problems[0]})" if picks.problems else ""
        raise CueframeError(
            f"no picks can be scored for any of {len(questions)} questions{first}; give the "
            "questions for which they were picked, and their --picks-format"
        )
    require_labels(chosen)
    times_s = [picks.times_s[question.id] for question in chosen]
    ks = [len(own) for own in times_s]
    timed = [without_index(question, k) for question, k in zip(chosen, ks, strict=True)]
    unknown = sum(math.isnan(one.duration_s) for one in timed)
    _print_durations(timed, times_s, unknown)
    warn_of_late_labels(timed)
    tables = figure_tables(timed, {OWN_ROW: times_s}, ks)
    panel = make_panel(timed, tables, list(FIGURES), seed)
    print_panel(panel)
    result = {
        "questions": panel.table.questions,
        "unlabelled": panel.table.skipped,
        "not_scored": len(picks.problems),
        "without_duration": unknown,
        "videos": len({one.video for one in timed}),
        "frames": ks[0] if len(set(ks)) == 1 else {"least": min(ks), "most": max(ks)},
        **panel_json(panel),
    }
    print(json_line(result))
    return 1 if picks.problems else 0


def _print_left_out(picks: Picks, questions: Sequence[Question]) -> None:
    """Print what was assumed, and what cannot be scored."""
    told = picks.times_s.keys() | picks.lost
    for note in picks.notes:
        say(note)
    print_some("not scored", picks.problems)
    for count, what in (
        (picks.unasked, "records have no question"),
        (sum(one.id not in told for one in questions), "questions have no picks"),
    ):
        if count:
            say(f"warning: {count} {what} and are not scored")


def _print_durations(
    timed: Sequence[TimedQuestion], times_s: Sequence[Floats], unknown: int
) -> None:
    """Print how many durations are not known, and how many cannot be right."""
    if unknown:
        say(
            f"no uniform, random, oracle and segments for {unknown} of {len(timed)} questions: "
            "the length of the video is not known; give duration_s or duration in seconds in the "
            "question's record"
        )
    late = sum(
        own[-1] > (one.question.duration_s or math.inf) + _LATE_S
        for one, own in zip(timed, times_s, strict=True)
    )
    if late:
        say(
            f"warning: {late} of {len(timed)} questions have picks after the end of the video; "
            "are the durations and, for frame numbers, the rates right?"
        )
