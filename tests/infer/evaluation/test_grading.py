"""Answers marked: right or wrong, grounded or not, and what does not fit its question."""

import math
from typing import Any

import numpy as np
import pytest

from infer.answer_file import Answer, ReaderFrames
from infer.evaluation.grading import Grade, GradedAnswers, frames_seen, grade
from infer.metrics import TimedQuestion
from infer.questions import Question
from tests.curves import moments

NAN = math.nan
PICKED = [1.0, 3.0, 5.0, 7.0]
EVEN = [0.0, 2.0, 4.0, 6.0]


def timed(**changes: Any) -> TimedQuestion:
    record = {
        "id": "q",
        "question": "?",
        "video_path": "v.mp4",
        "choices": ["A. Red", "B. Blue", "C. Green"],
        "answer": "B. Blue",
    }
    timeline = moments(np.arange(0, 8, 0.5), 8.0)
    return TimedQuestion(Question.model_validate(record | changes), *timeline, "v")


def said(letter: str | None = "B", **probabilities: float) -> dict[str, Any]:
    return {"letter": letter, "text": "", "probabilities": probabilities or None}


def marks_of(one: TimedQuestion, **answer: Any) -> GradedAnswers:
    given = Answer.model_validate({"id": "q", "frames": [{"time_s": t} for t in PICKED]} | answer)
    seen = frames_seen([one], [np.array(PICKED)], [np.array(EVEN)])
    return grade([one], [given], seen, 4)


def graded(one: TimedQuestion, **answer: Any) -> dict[ReaderFrames, Grade]:
    (found,) = marks_of(one, **answer).graded
    return found.grades


def same(found: Grade, *wanted: float) -> bool:
    return found == pytest.approx(wanted, nan_ok=True)


def test_an_answer_is_of_the_picks_where_nothing_else_is_told() -> None:
    one = timed(support_frames=[3.2])
    assert same(graded(one, answer=said("B", A=0.1, B=0.7, C=0.2))["picked"], 1, 1, NAN, 0.7)
    assert same(graded(one, answer=said("A"))["picked"], 0, 0, NAN, NAN)
    assert same(graded(timed(), answer=said("B"))["picked"], 1, NAN, NAN, NAN)
    (found,) = marks_of(one, answer=said("C")).graded
    assert (found.right, found.choices, list(found.grades)) == ("B", 3, ["picked"])


def test_a_tie_is_not_right_and_counts() -> None:
    tie = said(None, A=0.4, B=0.4, C=0.2) | {"undecided": "the reader cannot tell A, B apart"}
    assert same(graded(timed(support_frames=[3.2]), answer=tie)["picked"], 0, 0, NAN, 0.4)
    assert marks_of(timed(), answer=tie).unanswered == 0


def test_grounded_is_by_the_frames_that_the_reader_saw() -> None:
    one = timed(support_ranges=[[0.9, 1.1], [6.9, 7.1]], support_frames=[1.0, 7.0])
    answers = {shown: said("B") for shown in ("picked", "uniform", "support", "all")}
    found = graded(one, answers=answers, answer=said("A"))  # answers go first
    assert list(found) == list(answers)
    assert same(found["picked"], 1, 1, 0, NAN)
    assert same(found["uniform"], 1, 0, 0, NAN)
    # True frames hit; from one event to another their window is in neither.
    assert same(found["support"], 1, 1, 0, NAN)
    assert same(found["all"], 1, NAN, NAN, NAN)
    one = timed(support_ranges=[[2.0, 6.0]])
    found = graded(one, answers=answers)
    assert same(found["support"], 1, 1, 1, NAN)  # its one frame is the range's middle
    assert same(found["picked"], 1, 1, 1, NAN)  # 4 of 6 seconds
    one = timed(support_ranges=[[5.6, 5.8]])
    found = graded(one, answers=answers)
    assert same(found["support"], 1, 1, 1, NAN)
    assert same(found["picked"], 1, 0, 0, NAN)
    one = timed(support_ranges=[[0.0, 4.0]])
    assert graded(one, answers=answers)["picked"].acc_gqa == 1  # 3 of 6: half is enough
    one = timed(support_ranges=[[0.0, 3.9]])
    assert graded(one, answers=answers)["picked"].acc_gqa == 0


@pytest.mark.parametrize("answer", ["B", "Blue", "B. Blue", " B) Blue"])
def test_the_right_answer_may_be_a_letter_or_a_text(answer: str) -> None:
    assert graded(timed(answer=answer), answer=said("B"))["picked"].accuracy == 1


def test_what_is_not_marked_is_counted() -> None:
    assert marks_of(timed(answer=None), answer=said("B")) == GradedAnswers([], 1, 0, [])
    assert marks_of(timed(answer=None)) == GradedAnswers([], 1, 0, [])
    assert marks_of(timed()) == GradedAnswers([], 0, 1, [])
    assert marks_of(timed(), answer={"text": "blue"}) == GradedAnswers([], 0, 1, [])
    assert marks_of(timed(choices=[], answer="blue"), answer={"text": "blue"}) == GradedAnswers(
        [], 0, 1, []
    )


@pytest.mark.parametrize(
    ("answer", "changes", "wanted"),
    [
        (
            said("D"),
            {},
            "answer 'q': the letter 'D' is no choice of its question, which has A to C",
        ),
        (said("D"), {"answer": None}, "no choice of its question"),
        (said("B", A=0.5, B=0.5), {}, "has probabilities of A, B; want one for each letter"),
        (said("B", A=0.2, B=0.5, C=0.2, D=0.1), {}, "probabilities of A, B, C, D"),
        (said("B") | {"probabilities": {}}, {}, "has probabilities of no letter"),
        (said("B", A=0.5, B=0.6, C=0.1), {}, "probabilities whose sum is 1.2"),
        (said("B", A=0.5, B=0.3, C=0.2), {}, "the probability 0.3, and 'A' has 0.5"),
        (said("B"), {"answer": "D. Black"}, "question 'q': the answer 'D. Black' is none of"),
        (said("A"), {"choices": []}, "question 'q' has no choices"),
    ],
)
def test_what_does_not_fit_costs_its_own_question(
    answer: dict[str, Any], changes: dict[str, Any], wanted: str
) -> None:
    found = marks_of(timed(**changes), answer=answer)
    assert found[:3] == ([], 0, 0)
    (line,) = found.wrong
    assert wanted in line
    assert "\n" not in line


def test_an_answer_that_is_no_choice_hurts_only_where_a_letter_is_marked() -> None:
    assert marks_of(timed(answer="D. Black"), answer={"text": "black"}).unanswered == 1


def test_rounded_and_even_probabilities_fit() -> None:
    assert (
        graded(timed(), answer=said("B", A=0.333, B=0.333, C=0.333))["picked"].confidence == 0.333
    )
