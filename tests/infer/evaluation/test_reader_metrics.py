"""What readers are worth: by hand, against the definitions written out, and as intervals."""

import json
import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.answer_file import ReaderFrames
from infer.evaluation.bootstrap import RESAMPLES
from infer.evaluation.grading import Grade, GradedAnswers, GradedQuestion
from infer.evaluation.reader_metrics import (
    BINS,
    ReaderScores,
    calibration_error,
    most_frequent,
    reader_cells,
    reader_json,
    reader_line,
    score_reader,
)
from infer.metrics import TimedQuestion
from infer.questions import Question
from tests.curves import moments

NAN = math.nan


def one(
    right: str = "A",
    choices: int = 4,
    video: str = "v",
    text: str = "What?",
    **grades: Grade | float,
) -> GradedQuestion:
    """A question; a number as a mark is its accuracy alone."""
    record = {"id": "q", "question": text, "video_path": "v.mp4", "answer": right}
    question = Question.model_validate(record | {"choices": [str(n) for n in range(choices)]})
    own: dict[ReaderFrames, Grade] = {
        name: mark if isinstance(mark, Grade) else Grade(float(mark), NAN, NAN, NAN)  # type: ignore[misc]  # the names are of ReaderFrames
        for name, mark in grades.items()
    }
    timed = TimedQuestion(question, *moments(np.arange(8.0), 8.0), video)
    return GradedQuestion(timed, right, choices, own)


MARKED = [
    one("B", 2, "a", picked=Grade(1, 1, NAN, 0.9), uniform=0, support=1),
    one("B", 4, "a", picked=Grade(0, 0, 0, 0.6), uniform=1),
    one("A", 4, "b", picked=Grade(1, 0, 1, 0.7), uniform=0, support=1),
    one("A", 4, "c", text="Xe nào đi qua cầu?", uniform=1),
]


def test_each_row_is_the_mean_over_the_questions_that_have_it() -> None:
    found = score_reader(MARKED, 0)
    assert list(found.rows) == ["picked", "uniform", "support", "most_frequent_letter", "guess"]
    picked = found.rows["picked"]
    assert {name: (own.mean, own.questions) for name, own in picked.items()} == {
        "accuracy": (pytest.approx(2 / 3), 3),
        "grounded": (pytest.approx(1 / 3), 3),
        "acc_gqa": (0.5, 2),
        "ece": (pytest.approx((0.1 + 0.6 + 0.3) / 3), 3),
    }
    assert list(found.rows["uniform"]) == ["accuracy"]
    assert found.rows["uniform"]["accuracy"].mean == 0.5
    assert found.rows["support"]["accuracy"][::3] == (1.0, 2)
    assert found.letter == "A"  # as often as B
    assert found.rows["most_frequent_letter"]["accuracy"].mean == 0.5
    assert found.rows["guess"]["accuracy"].mean == (1 / 2 + 3 / 4) / 4


def test_differences_are_paired_over_the_questions_that_have_both() -> None:
    found = score_reader(MARKED, 0).differences
    assert {
        pair: (row["accuracy"].mean, row["accuracy"].questions) for pair, row in found.items()
    } == {
        "picked_minus_uniform": (pytest.approx(1 / 3), 3),
        "support_minus_uniform": (1.0, 2),
        "support_minus_picked": (0.0, 2),
    }
    # Two that swing together from video to video: their difference is steady.
    swing = [one(video=str(n), picked=n % 2, uniform=n % 2) for n in range(12)]
    lead = score_reader(swing, 0).differences["picked_minus_uniform"]["accuracy"]
    assert lead == (0.0, 0.0, 0.0, 12)
    alone = score_reader([one(picked=1)], 0)
    assert alone.differences == {}
    nothing = score_reader([one(picked=1), one(uniform=1)], 0)
    assert nothing.differences == {"picked_minus_uniform": {}}


def test_one_video_gives_no_interval() -> None:
    found = score_reader([one(picked=Grade(1, 1, 1, 0.5)), one(picked=Grade(0, 0, 0, 0.5))], 0)
    for row in found.rows.values():
        assert all(math.isnan(own.low) and math.isnan(own.high) for own in row.values())


def test_ties_go_to_the_first_letter() -> None:
    assert most_frequent(["C", "B", "B", "C", "A"]) == "B"
    assert most_frequent("DDA") == "D"


def ece(right: Sequence[float], confidence: Sequence[float]) -> float:
    """Guo et al.'s definition, bin by bin, a bin open below and closed above."""
    total = 0.0
    for m in range(1, BINS + 1):
        own = [
            n
            for n, p in enumerate(confidence)
            if (m - 1) / BINS < p <= m / BINS or (m == 1 and p == 0)
        ]
        if own:
            accuracy = sum(right[n] for n in own) / len(own)
            sure = sum(confidence[n] for n in own) / len(own)
            total += len(own) / len(right) * abs(accuracy - sure)
    return total


sure = st.floats(0, 1) | st.integers(0, BINS).map(lambda m: m / BINS)
answers = st.lists(st.tuples(st.booleans(), sure, st.sampled_from("abc")), min_size=1, max_size=40)


@given(answers)
def test_the_calibration_error_is_its_definition(found: list[tuple[bool, float, str]]) -> None:
    right, confidence = (np.array([one[n] for one in found], np.float64) for n in (0, 1))
    videos = [one[2] for one in found]
    estimate = calibration_error(right, confidence, videos, 0)
    assert estimate.mean == pytest.approx(ece(right.tolist(), confidence.tolist()), abs=1e-9)
    assert estimate.questions == len(found)
    # What is not known is left out.
    more = calibration_error(
        np.append(right, 1), np.append(confidence, NAN), [*videos, videos[0]], 0
    )
    assert more == pytest.approx(estimate, nan_ok=True)


@given(answers, st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_the_order(
    found: list[tuple[bool, float, str]], shuffle: Random
) -> None:
    graded = [
        one(
            "AB"[right], 2, video, picked=Grade(float(right), NAN, NAN, p), uniform=float(not right)
        )
        for right, p, video in found
    ]
    shuffled = shuffle.sample(graded, len(graded))
    assert told(score_reader(graded, 3)) == pytest.approx(
        told(score_reader(shuffled, 3)), nan_ok=True
    )


def told(found: ReaderScores) -> list[float]:
    rows = [*found.rows.values(), *found.differences.values()]
    return [number for row in rows for own in row.values() for number in own]


def test_each_resample_has_its_own_calibration_error() -> None:
    rng = np.random.default_rng(2)
    videos = [f"v{n}" for n in rng.integers(0, 10, 80)]
    confidence = rng.uniform(0.3, 1, 80)
    right = (rng.random(80) < confidence**2).astype(float)
    found = calibration_error(right, confidence, videos, 4)
    names = sorted(set(videos))
    resampled = []
    for _ in range(RESAMPLES):
        drawn = [
            n for name in rng.choice(names, len(names)) for n in range(80) if videos[n] == name
        ]
        resampled.append(ece(right[drawn].tolist(), confidence[drawn].tolist()))
    low, high = np.percentile(resampled, [2.5, 97.5])
    assert found.low == pytest.approx(low, abs=0.015)
    assert found.high == pytest.approx(high, abs=0.015)


def test_a_reader_that_knows_itself_has_no_calibration_error() -> None:
    right = np.tile([1.0, 1, 1, 0], 50)
    assert calibration_error(right, np.full(200, 0.75), ["a", "b"] * 100, 0).mean == 0
    assert calibration_error(right, np.ones(200), ["a", "b"] * 100, 0).mean == 0.25


def test_json_has_the_whole_and_each_kind_of_question() -> None:
    found = score_reader(MARKED, 0)
    shown = reader_json(found, GradedAnswers(MARKED, 2, 1, ["odd"]), "clip", 0)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert (shown["name"], shown["questions"]) == ("clip", 4)
    assert (shown["unlabelled"], shown["unanswered"], shown["not_graded"]) == (2, 1, 1)
    assert shown["rows"]["picked"]["acc_gqa"]["questions"] == 2
    assert shown["rows"]["most_frequent_letter"]["letter"] == "A"
    assert shown["differences"]["picked_minus_uniform"]["accuracy"]["mean"] == 0.333333333333
    assert {by: list(groups) for by, groups in shown["by"].items()} == {
        "choices": ["2", "4"],
        "support_frames": ["0"],
        "clip_length": ["under 10 s"],
        "language": ["en", "vi"],
    }
    two = shown["by"]["choices"]["2"]
    assert (two["questions"], two["rows"]["guess"]["accuracy"]["mean"]) == (1, 0.5)
    assert two["rows"]["most_frequent_letter"]["letter"] == "B"


def test_tables_of_texts() -> None:
    swing = [one("B", 2, video, picked=Grade(1, 1, NAN, 1), uniform=0) for video in "ab"]
    found = score_reader(swing, 0)
    assert reader_cells(found, "clip") == [
        ["%, clip", "questions", "accuracy", "grounded", "acc_gqa", "ece"],
        ["picked", "2", "100.0 (100.0 … 100.0)", "100.0 (100.0 … 100.0)", "–", "0.0 (0.0 … 0.0)"],
        ["uniform", "2", "0.0 (0.0 … 0.0)", "–", "–", "–"],
        ["always B", "2", "100.0 (100.0 … 100.0)", "–", "–", "–"],
        ["random guess", "2", "50.0 (50.0 … 50.0)", "–", "–", "–"],
        ["picked − uniform", "2", "100.0 (100.0 … 100.0)", "–", "–", "–"],
    ]
    assert reader_line(score_reader(swing[:1], 0), None) == (
        "reader is right, in per cent: picked 100.0, uniform 0.0, always B 100.0, random guess 50.0"
    )
