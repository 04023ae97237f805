"""Panels by kind of question: every labelled question is in one group of each grouping."""

import numpy as np
import pytest

from infer.evaluation.baselines import FIGURES
from infer.evaluation.breakdown import breakdown, clip_length
from infer.evaluation.score_table import figure_tables
from infer.metrics import TimedQuestion
from infer.questions import Question
from tests.curves import moments


def question(text: str, choices: int, times_s: list[float]) -> Question:
    numbers = [str(n) for n in range(choices)]
    record = {"id": text, "question": text, "video_path": "v.mp4", "choices": numbers}
    return Question.model_validate(record | {"support_frames": times_s})


TIMED = [
    TimedQuestion(
        question("What colour is the car on the bridge?", 4, [3.0]),
        *moments(np.arange(9.0), 9.0),
        "a",
    ),
    TimedQuestion(
        question("Chiếc xe trên cầu có màu gì?", 10, [3.0, 5.0]),
        *moments(np.arange(30.0), 30.0),
        "b",
    ),
    TimedQuestion(question("Which sign is lit?", 4, [1.0]), *moments(np.arange(90.0), 90.0), "c"),
    TimedQuestion(question("Which sign is dark?", 2, []), *moments(np.arange(90.0), 90.0), "c"),
]


def test_groups_are_in_order_and_hold_each_labelled_question_once() -> None:
    picks = {"mine": [np.array([3.0])] * 4}
    groups = breakdown(TIMED, figure_tables(TIMED, picks, 1), list(FIGURES), 0)
    assert {grouping: list(panels) for grouping, panels in groups.items()} == {
        "choices": ["4", "10"],
        "support_frames": ["1", "2"],
        "clip_length": ["under 10 s", "30 to 60 s", "60 to 300 s"],
        "language": ["en", "vi"],
    }
    for panels in groups.values():
        assert sum(panel.questions for panel in panels.values()) == 3
        assert all(panel.skipped == 0 for panel in panels.values())
    four = groups["choices"]["4"].rows["mine"]["hit"]
    assert (four.mean, four.questions) == (0.5, 2)
    assert groups["choices"]["10"].rows["mine"]["recall"].mean == 0.5


@pytest.mark.parametrize(
    ("duration_s", "group"),
    [
        (0.0, "under 10 s"),
        (9.99, "under 10 s"),
        (10.0, "10 to 30 s"),
        (299.0, "60 to 300 s"),
        (1800.0, "1800 s and over"),
        (float("nan"), "not known"),
        (90_000.0, "1800 s and over"),
    ],
)
def test_clip_lengths(duration_s: float, group: str) -> None:
    assert clip_length(duration_s) == group
