"""A bad record costs its own question."""

import math

import pytest

from infer.picks.collector import Collector, id_of, is_number, wrong_numbers
from tests.infer.picks.asked import asked


@pytest.mark.parametrize(
    ("value", "good"),
    [
        *((value, True) for value in (0, 1.5, -3, 10**300)),
        *((value, False) for value in (True, None, "1", [1], math.nan, math.inf, 10**400)),
    ],
)
def test_what_is_a_number(value: object, good: bool) -> None:
    assert is_number(value) == good


@pytest.mark.parametrize("numbers", [None, [], {}, "12", [1, "2"], [1, -0.5], [math.nan], [True]])
def test_what_is_no_list_of_picks(numbers: object) -> None:
    told = wrong_numbers(numbers, "frames")
    assert told is not None
    assert "want" in told
    assert "frames" in told
    assert wrong_numbers([0, 2.5, 1], "frames") is None


def test_an_id_is_a_text_or_an_integer() -> None:
    assert id_of({"id": 7}, "id") == "7"
    assert id_of({"id": None, "question_id": "x"}, "id", "question_id") == "x"
    assert id_of({"id": True}, "id") is None
    assert id_of({}, "id") is None


def test_what_is_collected() -> None:
    questions = asked({}, {}, {})
    found = Collector("picks.json", questions, None)
    found.add(questions[0], [3, 1, 1], "frames")
    found.add(questions[0], [9], "frames")
    found.add(questions[1], [30, 15], "frames", fps=30.0)
    found.add(questions[2], "soon", "frames")
    found.unasked()
    found.bad_record("record 5", 12, "a list")
    found.note("assumed: nothing")
    picks = found.picks()
    assert {name: own.tolist() for name, own in picks.times_s.items()} == {
        "q0": [1.0, 1.0, 3.0],  # ascending, and as often as picked
        "q1": [0.5, 1.0],
    }
    assert picks.unasked == 1
    assert picks.notes == ["assumed: nothing"]
    assert picks.problems == [
        "question 'q0' has picks twice; the first ones are scored",
        "question 'q2' has frames 'soon'; want a list of numbers, at least one",
        "record 5 is 12; want a list",
    ]
