"""Choose a rule of picking on labelled questions, and write it down."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from index.errors import CueframeError
from index.messages import json_line, say
from index.models.long_texts import LongText
from index.models.model_loading import Dtype
from index.progress import bar
from infer.asked_indexes import AskedIndex, key_of
from infer.evaluation.baselines import FIGURES
from infer.evaluation.bootstrap import Estimate, estimates
from infer.evaluation.late_labels import warn_of_late_labels
from infer.evaluation.leakage import trained_videos
from infer.evaluation.rule_choice import MAXIMISED, RuleChoice, choose_rule, worth_of
from infer.evaluation.rule_picks import AskedQuestions, Candidate, Reading, ask, picks_of_rules
from infer.evaluation.score_table import Row
from infer.evaluation.text_tables import format_estimate, print_table, row_json
from infer.metrics import is_labelled, picked_spans
from infer.queries import print_failures
from infer.question_texts import ChoiceTexts, caption_setting
from infer.questions import Question
from infer.selection.frame_scores import Join
from infer.selection.registry import BASELINES
from infer.selection.rule_file import ChosenRule, Gain, write_rule_file
from infer.selection.rules import Rule

TRIED = ("quarters", "hills", "dpp", "top")
"""Strategies that were best of all for some kind of question or encoder (docs/picking.md)."""
SMOOTH_S = 0.6
"""Seconds of smoothing that are tried beside none; on the ladder of docs/picking.md, more did
harm."""
SMOOTH_DISTANCES = 1.2
"""The same in distances between frames: the least that has an effect."""
FIGURES_SHOWN = ("hit", "recall", "precision", "all@0.5")
SHOWN = 8
"""Rules in the table; the JSON has all."""


def choose_and_write(
    questions: Sequence[Question],
    indexes: Sequence[AskedIndex],
    output: Path,
    *,
    k: int = 4,
    smooth_s: float = 0.0,
    caption: int | None = None,
    choices: ChoiceTexts = "joined",
    join: Join = "max",
    long_text: LongText = "windows",
    dtype: Dtype = "auto",
    seed: int = 42,
) -> int:
    """Choose a rule: a table to stderr, all figures as one JSON object to stdout, and the file.

    Arguments are the flags of infer/compare.py. The default, which another rule has to be better
    than, is quarters as the flags say.

    Returns:
        The exit code: 1 where a question could not be asked, else 0.

    Raises:
        CueframeError: No question can be asked, the file cannot be written, or the model cannot be
            used or did not build the index.
    """
    default = Candidate(
        Rule("quarters", smooth_s, choices, join), caption_setting(caption, choices)
    )
    has_choices = any(question.choices for question in questions)
    tried = candidates_of(default, indexes[0].profile.fps, has_choices=has_choices)
    readings = [candidate.reading for candidate in tried.values()]
    # The frames of events are a sequence, whatever the rule.
    labelled = [one for one in questions if is_labelled(one) and not one.events]
    asked = ask(labelled, indexes, readings, long_text=long_text, dtype=dtype)
    print_failures(asked.failed, "not used")
    if not asked.timed:
        raise CueframeError(
            f"no labelled question without events can be asked of {indexes[0].folder}; give others"
        )
    warn_of_late_labels(asked.timed)
    _warn_of_trained_videos(indexes, asked)
    tables = figures_of(asked, tried, k)
    videos = [one.video for one in asked.timed]
    choice = choose_rule(tables, videos, seed)

    names = [*tried]
    kept = tried[names[choice.kept]]
    say_choice(names, tables, videos, choice, seed)
    write_rule_file(
        output,
        ChosenRule(
            rules=1,
            **kept.rule._asdict(),
            caption=kept.caption,
            long_text=long_text,
            frames=k,
            index=key_of(indexes),
            questions=len(videos),
            videos=len(set(videos)),
            default=names[0],
            why=choice.why,
            gains={name: _gain(gain) for name, gain in choice.gains.items()},
        ),
    )
    result: dict[str, Any] = {
        "questions": len(videos),
        "videos": len(set(videos)),
        "unlabelled": sum(not is_labelled(one) for one in questions),
        "not_used": len(asked.failed),
        "frames": k,
        "default": names[0],
        "best": names[choice.best],
        "kept": names[choice.kept],
        "why": choice.why,
        "rule": {"caption": kept.caption, **kept.rule._asdict()},
        "gains": row_json(choice.gains),
        "folds": {names[n]: count for n, count in enumerate(choice.folds) if count},
        "tried": {name: row_json(row) for name, row in leads(names, tables, videos, seed).items()},
    }
    print(json_line(result))
    return 1 if asked.failed else 0


def _warn_of_trained_videos(indexes: Sequence[AskedIndex], asked: AskedQuestions) -> None:
    """Say how many videos an encoder was trained on: it is surer there than on any other."""
    trained = set().union(*(trained_videos(index.model_name) for index in indexes))
    videos = {one.video for one in asked.timed}
    if known := videos & trained:
        say(
            f"warning: the encoder was trained on {len(known)} of these {len(videos)} videos; a "
            "rule that is best there need not be on others, so choose on labels of other videos"
        )


def candidates_of(default: Candidate, fps: float, *, has_choices: bool) -> dict[str, Candidate]:
    """Return the rules to try by their names, the default first, then the simpler first.

    Args:
        default: The rule to be better than.
        fps: Frames per second of the index; a smoothing that it is too slow for is not tried.
        has_choices: Whether texts of choices are tried.
    """
    assert default.rule.pick not in BASELINES
    seconds = sorted({0.0, SMOOTH_S, round(SMOOTH_DISTANCES / fps, 3)})
    seconds = [s for s in seconds if s == 0 or s * fps > 1]
    readings = [Reading(1), *([Reading(3, "each")] if has_choices else [])]
    tried = [default]
    tried += [
        Candidate(default.rule._replace(pick=pick, smooth_s=s), default.caption)
        for pick in TRIED
        for s in seconds
    ]
    tried += [
        Candidate(Rule(pick, s, reading.choices, reading.join), reading.caption)
        for reading in readings
        for pick in TRIED
        for s in seconds
    ]
    return {name_of(candidate): candidate for candidate in tried}


def name_of(candidate: Candidate) -> str:
    """Return a rule in words."""
    rule = candidate.rule
    words = [rule.pick]
    if rule.smooth_s:
        words.append(f"{rule.smooth_s:g} s")
    if candidate.caption != 1:
        words.append(f"caption {candidate.caption}")
    if rule.choices == "each":
        words.append(f"each choice, {rule.join}")
    return ", ".join(words)


def figures_of(
    asked: AskedQuestions, tried: dict[str, Candidate], k: int
) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return (N, R) by figure what R rules pick for N questions; NaN without such a label."""
    tables = {name: np.full((len(asked.timed), len(tried)), np.nan) for name in FIGURES_SHOWN}
    for n, of_question in bar(picks_of_rules(asked, tried, k), "question", len(asked.timed)):
        one = asked.timed[n]
        for column, name in enumerate(tried):
            spans = picked_spans(one, of_question[name])
            for figure, table in tables.items():
                table[n, column] = FIGURES[figure].value(one, spans, k)
    return tables


def leads(
    names: Sequence[str],
    tables: dict[str, np.ndarray[Any, np.dtype[np.float64]]],
    videos: Sequence[str],
    seed: int,
) -> dict[str, Row]:
    """Return each rule's "worth" and, paired, what it is more than the default's.

    Of the very questions that the choice is made on, so flattering to the best of many.
    """
    worth = worth_of(tables)
    rows: dict[str, Row] = {}
    for n, name in enumerate(names):
        columns = {"worth": worth, **tables}
        own = np.stack([table[:, n] for table in columns.values()], axis=1)
        minus = (worth[:, n] - worth[:, 0])[:, None]
        found = estimates(np.hstack([minus, own]), videos, seed)
        rows[name] = dict(zip(("lead", *columns), found, strict=True))
    return rows


def say_choice(
    names: Sequence[str],
    tables: dict[str, np.ndarray[Any, np.dtype[np.float64]]],
    videos: Sequence[str],
    choice: RuleChoice,
    seed: int,
) -> None:
    """Print the best rules, what choosing is worth on other videos, and what was kept."""
    rows = leads(names, tables, videos, seed)
    best = sorted(rows, key=lambda name: -rows[name]["worth"].mean)[:SHOWN]
    shown = dict.fromkeys((names[0], *best))
    head = ["% on these videos", "lead", "worth", *FIGURES_SHOWN]
    body = [
        [
            name,
            *(format_estimate(figure, rows[name]) for figure in ("lead", "worth", *FIGURES_SHOWN)),
        ]
        for name in shown
    ]
    print_table([head, *body])
    say(f"worth: the mean of {' and '.join(MAXIMISED)}; lead: over {names[0]}, paired")
    if choice.gains:
        gained = ", ".join(
            f"{figure} {format_estimate(figure, choice.gains)}" for figure in choice.gains
        )
        say(f"chosen on some videos and tried on others, differences to the default: {gained}")
    say(f"best: {names[choice.best]}; kept: {names[choice.kept]}, since {choice.why}")


def _gain(gain: Estimate) -> Gain:
    low, high = (None if np.isnan(end) else round(end, 6) for end in (gain.low, gain.high))
    return Gain(mean=round(gain.mean, 6), low=low, high=high, questions=gain.questions)
